//! The fast cipher: ring's ChaCha20-Poly1305, in assembly where the processor has a fitting one.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::cipher::{Cipher, CipherError, KEY_LEN, MAC_LEN, NONCE_LEN};

pub(super) struct Ring;

impl Cipher for Ring {
    type Key = LessSafeKey;

    /// Made for each operation or a few in a row, which costs some nanoseconds: ring does not zero its key objects, so none
    /// is kept.
    fn key(key: &[u8; KEY_LEN]) -> Result<LessSafeKey, CipherError> {
        UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| CipherError::Backend)
    }

    fn seal(
        key: &LessSafeKey,
        nonce: &[u8; NONCE_LEN],
        ad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; MAC_LEN], CipherError> {
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(ad), data)
            .map_err(|_| CipherError::Backend)?;
        tag.as_ref().try_into().map_err(|_| CipherError::Backend)
    }

    fn open_within(
        key: &[u8; KEY_LEN],
        nonce: &[u8; NONCE_LEN],
        ad: &[u8],
        data: &mut [u8],
        from: usize,
    ) -> Result<usize, CipherError> {
        if data.len().checked_sub(from).is_none_or(|len| len < MAC_LEN) {
            return Err(CipherError::TooShort);
        }
        Self::key(key)?
            .open_within(Nonce::assume_unique_for_key(*nonce), Aad::from(ad), data, from..)
            .map(|plaintext| plaintext.len())
            .map_err(|_| CipherError::Authentication)
    }
}
