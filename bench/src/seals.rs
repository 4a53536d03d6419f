//! The seals of what goes to many clients, with nothing around them: the yardstick for the template provider and the mining server.

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
/// What is sealed for each client on a new tip: two headers and two payloads.
const SEALED: [usize; 4] = [HEADER_LEN, NEW_TEMPLATE_LEN, HEADER_LEN, SET_NEW_PREV_HASH_LEN];

/// A cipher state and the buffer that it seals into, for each client.
pub struct Seals {
    clients: Vec<Client>,
    /// What is sealed for each.
    lens: Vec<usize>,
}

struct Client {
    key: [u8; 32],
    nonce: u64,
    buffer: Box<[u8]>,
}

impl Seals {
    /// Of a new tip, for so many clients.
    pub fn new(clients: u64) -> Self {
        Self::of(clients, &SEALED)
    }

    /// Of a message that takes so many bytes on each client's wire, sealed.
    pub fn of_message(clients: u64, sealed_len: u64) -> Self {
        let payload = usize::try_from(sealed_len).expect("short enough") - HEADER_LEN - 2 * MAC_LEN;
        Self::of(clients, &[HEADER_LEN, payload])
    }

    fn of(clients: u64, lens: &[usize]) -> Self {
        let buffer_len = lens.iter().map(|len| len + MAC_LEN).sum();
        let client = |number: u64| {
            let mut key = [9; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            Client { key, nonce: 0, buffer: vec![0; buffer_len].into() }
        };
        Self { clients: (0..clients).map(client).collect(), lens: lens.to_vec() }
    }
}

impl Prepared for Seals {
    /// Seals everything for every client, where it stands; returns how many bytes are ready to be sent.
    fn work(&mut self) -> u64 {
        self.clients.iter_mut().map(|client| client.seal(&self.lens)).sum()
    }
}

impl Client {
    fn seal(&mut self, lens: &[usize]) -> u64 {
        let mut rest = &mut self.buffer[..];
        for &len in lens {
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
