//! What the tests of this room share.

use alloc::vec::Vec;

use super::{AuthorityKeypair, Identity, SecretKey};
use crate::{OutOfRandomness, Random};

/// A source of "randomness" that was written down beforehand, and that ends.
pub(super) struct Tape(Vec<u8>);

impl Tape {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut reversed = bytes.to_vec();
        reversed.reverse();
        Self(reversed)
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }
}

impl Random for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        for byte in bytes {
            *byte = self.0.pop().ok_or(OutOfRandomness)?;
        }
        Ok(())
    }
}

/// Bytes without end, the same in every run: good enough for keys that protect nothing.
pub(super) struct Counting(pub(super) u64);

impl Random for Counting {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        for chunk in bytes.chunks_mut(32) {
            let block = bitcoin_hashes::Sha256::hash(&self.0.to_le_bytes()).to_byte_array();
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.0 += 1;
        }
        Ok(())
    }
}

/// When the certificates of [`identity`] are valid.
pub(super) const VALID_FROM: u32 = 1_700_000_000;
pub(super) const NOT_VALID_AFTER: u32 = VALID_FROM + 3600;

pub(super) fn secret_key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

pub(super) fn authority(byte: u8) -> AuthorityKeypair {
    AuthorityKeypair::from_secret(secret_key(byte))
}

pub(super) fn identity(authority: &AuthorityKeypair) -> Identity {
    Identity::issue(authority, secret_key(0x53), VALID_FROM, NOT_VALID_AFTER, &mut Counting(1 << 32)).unwrap()
}

pub(super) fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    any_bytes(hex).try_into().unwrap()
}

pub(super) fn any_bytes(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0, "{hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
