//! The cipher of spec 4.3.3 and the `CipherState` of spec 4.4.1.

use core::fmt;

use zeroize::Zeroizing;

/// Bytes of the message authentication code that ends every ciphertext.
pub const MAC_LEN: usize = 16;
/// The longest ciphertext of one Noise message, MAC included (spec 4.6).
pub const MAX_CIPHERTEXT_LEN: usize = 65_535;
/// The longest plaintext of one Noise message (spec 4.6).
pub const MAX_PLAINTEXT_LEN: usize = MAX_CIPHERTEXT_LEN - MAC_LEN;

pub(super) const KEY_LEN: usize = 32;
pub(super) const NONCE_LEN: usize = 12;

/// `ENCRYPT` and `DECRYPT` of spec 4.3.3: ChaCha20-Poly1305 as in RFC 8439.
///
/// A backend keeps no state: it gets the key with every call, so that the only lasting copy is the one that
/// [`CipherState`] wipes.
pub(super) trait Cipher {
    /// The key in the backend's form, for a few calls in a row.
    type Key;

    /// Brings a key into the backend's form.
    fn key(key: &[u8; KEY_LEN]) -> Result<Self::Key, CipherError>;

    /// Encrypts `data` in place and returns the MAC over `ad` and the ciphertext.
    fn seal(key: &Self::Key, nonce: &[u8; NONCE_LEN], ad: &[u8], data: &mut [u8])
    -> Result<[u8; MAC_LEN], CipherError>;

    /// Decrypts `data[from..]`, a ciphertext followed by its MAC, to the start of `data`, and returns the length
    /// of the plaintext. After an error the bytes of `data` mean nothing.
    fn open_within(
        key: &[u8; KEY_LEN],
        nonce: &[u8; NONCE_LEN],
        ad: &[u8],
        data: &mut [u8],
        from: usize,
    ) -> Result<usize, CipherError>;
}

#[cfg(not(feature = "ring"))]
type Backend = super::cipher_portable::Portable;
#[cfg(feature = "ring")]
type Backend = super::cipher_ring::Ring;

/// Why a message was not sealed or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherError {
    /// The MAC does not match: the bytes are not what the peer sent, or not in the order in which it sent them.
    Authentication,
    /// There are too few bytes to hold a MAC.
    TooShort,
    /// More than [`MAX_PLAINTEXT_LEN`] or [`MAX_CIPHERTEXT_LEN`] bytes.
    TooLong,
    /// 2^64 - 1 messages went through this key; the last nonce is reserved.
    NonceExhausted,
    /// The cipher's backend refused a key or a length that RFC 8439 allows.
    Backend,
}

impl fmt::Display for CipherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentication => "the message authentication code does not match",
            Self::TooShort => "the ciphertext is shorter than its message authentication code",
            Self::TooLong => "the message is longer than a Noise message may be",
            Self::NonceExhausted => "the nonces of this key are used up",
            Self::Backend => "the cipher refused to work",
        })
    }
}

impl core::error::Error for CipherError {}

/// One direction of an encrypted connection: a key and the number of messages that went through it.
///
/// There is deliberately no `Clone`: two states with the same key and nonce would encrypt two messages with one
/// keystream. The key is zeroed on drop.
pub struct CipherState {
    pub(super) key: Zeroizing<[u8; KEY_LEN]>,
    nonce: u64,
}

impl CipherState {
    /// `InitializeKey` of spec 4.4.1.
    pub(super) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self { key: Zeroizing::new(*key), nonce: 0 }
    }

    /// Encrypts `data` in place, with no associated data, and returns the MAC that follows it on the wire.
    ///
    /// # Errors
    /// [`CipherError::TooLong`] above [`MAX_PLAINTEXT_LEN`]; [`CipherError::NonceExhausted`]. Either leaves `data`
    /// and the state as they were.
    pub fn seal(&mut self, data: &mut [u8]) -> Result<[u8; MAC_LEN], CipherError> {
        self.sealer()?.seal(data)
    }

    /// For several messages in a row.
    pub(crate) fn sealer(&mut self) -> Result<Sealer<'_>, CipherError> {
        let key = Backend::key(&self.key)?;
        Ok(Sealer { state: self, key })
    }

    /// Like [`seal`](Self::seal) for a plaintext that is followed by [`MAC_LEN`] bytes of room: the MAC is written there.
    ///
    /// # Errors
    /// Those of [`seal`](Self::seal), and [`CipherError::TooShort`] if there is no such room.
    pub fn seal_within(&mut self, message: &mut [u8]) -> Result<(), CipherError> {
        let (plaintext, mac) = message.split_last_chunk_mut::<MAC_LEN>().ok_or(CipherError::TooShort)?;
        self.seal_with_ad(&[], plaintext, mac)
    }

    /// Decrypts `data`, a ciphertext followed by its MAC, in place, and returns the length of the plaintext.
    ///
    /// # Errors
    /// [`CipherError::Authentication`] if the MAC does not match: the nonce stays, and the bytes of `data` mean
    /// nothing any more. [`CipherError::TooShort`], [`CipherError::TooLong`] and [`CipherError::NonceExhausted`]
    /// leave `data` and the state as they were.
    pub fn open(&mut self, data: &mut [u8]) -> Result<usize, CipherError> {
        self.open_with_ad(&[], data, 0)
    }

    /// Like [`open`](Self::open) for a ciphertext with its MAC at `data[from..]`: the plaintext lands at
    /// `data[..n]`, where `n` is the length returned.
    ///
    /// A payload of several Noise messages closes up this way while it is decrypted: the plaintext of each
    /// message moves over the MAC of the one before.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_within(&mut self, data: &mut [u8], from: usize) -> Result<usize, CipherError> {
        self.open_with_ad(&[], data, from)
    }

    /// `EncryptWithAd` of spec 4.4.1.
    pub(super) fn seal_with_ad(
        &mut self,
        ad: &[u8],
        data: &mut [u8],
        mac: &mut [u8; MAC_LEN],
    ) -> Result<(), CipherError> {
        *mac = self.seal_with_key(&Backend::key(&self.key)?, ad, data)?;
        Ok(())
    }

    fn seal_with_key(
        &mut self,
        key: &<Backend as Cipher>::Key,
        ad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; MAC_LEN], CipherError> {
        if data.len() > MAX_PLAINTEXT_LEN {
            return Err(CipherError::TooLong);
        }
        let next = self.next_nonce()?;
        let mac = Backend::seal(key, &nonce_bytes(self.nonce), ad, data)?;
        self.nonce = next;
        Ok(mac)
    }

    /// `DecryptWithAd` of spec 4.4.1.
    pub(super) fn open_with_ad(&mut self, ad: &[u8], data: &mut [u8], from: usize) -> Result<usize, CipherError> {
        let len = data.len().checked_sub(from).ok_or(CipherError::TooShort)?;
        if len < MAC_LEN {
            return Err(CipherError::TooShort);
        }
        if len > MAX_CIPHERTEXT_LEN {
            return Err(CipherError::TooLong);
        }
        let next = self.next_nonce()?;
        let plaintext_len = Backend::open_within(&self.key, &nonce_bytes(self.nonce), ad, data, from)?;
        self.nonce = next;
        Ok(plaintext_len)
    }

    /// The nonce after this one. 2^64 - 1 is reserved by the Noise framework (its section 5.1), so nobody may use
    /// it as the current one.
    fn next_nonce(&self) -> Result<u64, CipherError> {
        self.nonce.checked_add(1).ok_or(CipherError::NonceExhausted)
    }
}

impl fmt::Debug for CipherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CipherState").field("nonce", &self.nonce).finish_non_exhaustive()
    }
}

/// A [`CipherState`] that seals some messages in a row, for which the backend's key is made once.
pub(crate) struct Sealer<'a> {
    state: &'a mut CipherState,
    key: <Backend as Cipher>::Key,
}

impl Sealer<'_> {
    /// As [`CipherState::seal`].
    pub(crate) fn seal(&mut self, data: &mut [u8]) -> Result<[u8; MAC_LEN], CipherError> {
        self.state.seal_with_key(&self.key, &[], data)
    }
}

/// 32 zero bits, then the nonce, little-endian (spec 4.4.1).
fn nonce_bytes(nonce: u64) -> [u8; NONCE_LEN] {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}

#[cfg(test)]
#[path = "cipher_tests.rs"]
mod tests;
