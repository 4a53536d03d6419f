//! The variables and functions of the handshake that both roles share (spec 4.4.2).

use bitcoin_hashes::{HashEngine, HmacEngine, Sha256, sha256};
use zeroize::Zeroizing;

use super::cipher::{CipherError, CipherState, MAC_LEN};

/// The official Noise protocol name (spec 4.5.1).
const PROTOCOL_NAME: &[u8] = b"Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256";
const INITIAL_CK: [u8; 32] = Sha256::hash_unoptimized(PROTOCOL_NAME).to_byte_array();
const INITIAL_H: [u8; 32] = Sha256::hash_unoptimized(&INITIAL_CK).to_byte_array();

/// The chaining key `ck` and the handshake hash `h`.
///
/// `k` does not live here: in this handshake every key seals exactly one message, so [`mix_key`](Self::mix_key)
/// returns it and the one call that follows takes it. Before the first key, in act 1, there is nothing to encrypt.
pub(super) struct SymmetricState {
    pub(super) ck: Zeroizing<[u8; 32]>,
    pub(super) h: [u8; 32],
}

impl SymmetricState {
    pub(super) fn new() -> Self {
        Self { ck: Zeroizing::new(INITIAL_CK), h: INITIAL_H }
    }

    /// `MixHash`: `h = HASH(h || data)`.
    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.h = hash(&self.h, data);
    }

    /// `MixKey`: a new chaining key, and the key for the message that follows.
    pub(super) fn mix_key(&mut self, input_key_material: &[u8; 32]) -> CipherState {
        let (ck, temp_k) = hkdf(&self.ck, input_key_material);
        self.ck = ck;
        CipherState::new(&temp_k)
    }

    /// `EncryptAndHash` in place: `message` is a plaintext followed by room for the MAC.
    pub(super) fn encrypt_and_hash(&mut self, mut k: CipherState, message: &mut [u8]) -> Result<(), CipherError> {
        let (plaintext, mac) = message.split_last_chunk_mut::<MAC_LEN>().ok_or(CipherError::TooShort)?;
        k.seal_with_ad(&self.h, plaintext, mac)?;
        self.mix_hash(message);
        Ok(())
    }

    /// `DecryptAndHash` in place: `message` is a ciphertext followed by its MAC.
    pub(super) fn decrypt_and_hash(&mut self, mut k: CipherState, message: &mut [u8]) -> Result<(), CipherError> {
        let h = hash(&self.h, message);
        k.open_with_ad(&self.h, message, 0)?;
        self.h = h;
        Ok(())
    }

    /// The transport keys, `temp_k1, temp_k2 = HKDF(ck, zerolen, 2)`: from initiator to responder, and back.
    pub(super) fn split(self) -> (CipherState, CipherState) {
        let (temp_k1, temp_k2) = hkdf(&self.ck, &[]);
        (CipherState::new(&temp_k1), CipherState::new(&temp_k2))
    }
}

fn hash(a: &[u8], b: &[u8]) -> [u8; 32] {
    Sha256::engine().with_input(a).with_input(b).finalize().to_byte_array()
}

/// `HMAC-HASH` over `a || b`.
fn hmac_hash(key: &[u8; 32], a: &[u8], b: &[u8]) -> Zeroizing<[u8; 32]> {
    let engine = HmacEngine::<sha256::HashEngine>::new(key).with_input(a).with_input(b);
    Zeroizing::new(bitcoin_hashes::Hash::to_byte_array(engine.finalize()))
}

/// `HKDF` with two outputs.
fn hkdf(chaining_key: &[u8; 32], input_key_material: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let temp_key = hmac_hash(chaining_key, input_key_material, &[]);
    let output1 = hmac_hash(&temp_key, &[0x01], &[]);
    let output2 = hmac_hash(&temp_key, &output1[..], &[0x02]);
    (output1, output2)
}
