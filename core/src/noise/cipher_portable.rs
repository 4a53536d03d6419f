//! The pure-Rust cipher: for targets on which ring does not build, and for those who audit the whole of it.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Tag};

use super::cipher::{Cipher, CipherError, KEY_LEN, MAC_LEN, NONCE_LEN};

pub(super) struct Portable;

impl Cipher for Portable {
    type Key = ChaCha20Poly1305;

    fn key(key: &[u8; KEY_LEN]) -> Result<ChaCha20Poly1305, CipherError> {
        Ok(ChaCha20Poly1305::new(key.into()))
    }

    fn seal(
        key: &ChaCha20Poly1305,
        nonce: &[u8; NONCE_LEN],
        ad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; MAC_LEN], CipherError> {
        key.encrypt_inout_detached(nonce.into(), ad, data.into()).map(Into::into).map_err(|_| CipherError::Backend)
    }

    fn open_within(
        key: &[u8; KEY_LEN],
        nonce: &[u8; NONCE_LEN],
        ad: &[u8],
        data: &mut [u8],
        from: usize,
    ) -> Result<usize, CipherError> {
        let sealed = data.get(from..).ok_or(CipherError::TooShort)?;
        let (ciphertext, mac) = sealed.split_last_chunk::<MAC_LEN>().ok_or(CipherError::TooShort)?;
        let (len, mac) = (ciphertext.len(), Tag::from(*mac));
        data.copy_within(from..from + len, 0);
        let ciphertext = data.get_mut(..len).ok_or(CipherError::Backend)?;
        ChaCha20Poly1305::new(key.into())
            .decrypt_inout_detached(nonce.into(), ad, ciphertext.into(), &mac)
            .map_err(|_| CipherError::Authentication)?;
        Ok(len)
    }
}
