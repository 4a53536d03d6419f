//! The seals of a new tip, with nothing around them: the yardstick for the template provider.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::measure::Prepared;

/// A frame's header (spec 3.2).
const HEADER_LEN: usize = 6;
/// What a seal adds.
const MAC_LEN: usize = 16;
/// NewTemplate with a prefix of 4 bytes, one output of 47, and a merkle path of 12 hashes.
const NEW_TEMPLATE_LEN: usize = 8 + 1 + 4 + 4 + (1 + 4) + 4 + 8 + 4 + (2 + 47) + 4 + (1 + 12 * 32);
/// SetNewPrevHash.
const SET_NEW_PREV_HASH_LEN: usize = 8 + 32 + 4 + 4 + 32;
/// What is sealed for each client: two headers and two payloads.
const SEALED: [usize; 4] = [HEADER_LEN, NEW_TEMPLATE_LEN, HEADER_LEN, SET_NEW_PREV_HASH_LEN];
const BUFFER_LEN: usize = SEALED[0] + SEALED[1] + SEALED[2] + SEALED[3] + 4 * MAC_LEN;

/// A cipher state and the buffer that it seals into, for each client.
pub struct Seals(Vec<Client>);

struct Client {
    key: [u8; 32],
    nonce: u64,
    buffer: Box<[u8]>,
}

impl Seals {
    /// For so many clients.
    pub fn new(clients: u64) -> Self {
        let client = |number: u64| {
            let mut key = [9; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            Client { key, nonce: 0, buffer: vec![0; BUFFER_LEN].into() }
        };
        Self((0..clients).map(client).collect())
    }
}

impl Prepared for Seals {
    /// Seals both messages for every client, where they stand; returns how many bytes are ready to be sent.
    fn work(&mut self) -> u64 {
        self.0.iter_mut().map(Client::seal).sum()
    }
}

impl Client {
    fn seal(&mut self) -> u64 {
        let mut rest = &mut self.buffer[..];
        for len in SEALED {
            let (message, behind) = rest.split_at_mut(len + MAC_LEN);
            let (plaintext, mac) = message.split_at_mut(len);
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&self.nonce.to_le_bytes());
            self.nonce += 1;
            // From the bare key each time, as the library does: ring does not zero its key objects.
            let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.key).expect("32 bytes"));
            let tag = key
                .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), plaintext)
                .expect("short enough");
            mac.copy_from_slice(tag.as_ref());
            rest = behind;
        }
        self.buffer.len() as u64
    }
}
