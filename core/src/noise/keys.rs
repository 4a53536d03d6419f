//! Secret keys, and the authority's keys that vouch for them (spec 4.3.1 and 4.7).

use core::fmt;
use core::str::FromStr;

use secp256k1::ellswift::ElligatorSwift;
use secp256k1::{Keypair, XOnlyPublicKey, schnorr};
use zeroize::Zeroizing;

use super::base58;
use crate::{OutOfRandomness, Random};

/// A random 32-byte string is no secret key once in 2^127 times. A source that fails this often in a row is broken.
const GENERATE_TRIES: usize = 8;
/// The version in front of an authority's public key, a little-endian U16 (spec 4.7).
const PREFIX: [u8; 2] = [1, 0];

/// Why bytes or a text are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A secret key must be between 1 and n - 1, n being the order of the curve.
    OutOfRange,
    /// No point of the curve has this X coordinate.
    NotOnCurve,
    /// The text is not the base58check form of exactly 34 bytes and a checksum.
    Length,
    /// A character that base58 does not have.
    Character {
        /// Its offset in the text, in bytes.
        at: usize,
    },
    /// The text was mistyped or cut: its checksum is wrong.
    Checksum,
    /// The text is the base58check form of something else: the prefix is not `[1, 0]`.
    Prefix([u8; 2]),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => f.write_str("the secret key is zero or not below the order of the curve"),
            Self::NotOnCurve => f.write_str("the public key is not the X coordinate of a point of the curve"),
            Self::Length => f.write_str("the key is too short or too long"),
            Self::Character { at } => write!(f, "the character at offset {at} of the key is not a base58 one"),
            Self::Checksum => f.write_str("the checksum of the key is wrong"),
            Self::Prefix([a, b]) => write!(f, "the key begins with the version [{a}, {b}] instead of [1, 0]"),
        }
    }
}

impl core::error::Error for KeyError {}

/// A secret key of secp256k1: a responder's static key, or the secret half of an authority's keys.
///
/// Overwritten on drop; never printed.
pub struct SecretKey(secp256k1::SecretKey);

impl SecretKey {
    /// Takes a number of 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`KeyError::OutOfRange`] unless it is between 1 and n - 1.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        secp256k1::SecretKey::from_secret_bytes(*bytes).map(Self).map_err(|_| KeyError::OutOfRange)
    }

    /// A fresh key (spec 4.3.1.1): draws 32 bytes until they are in range.
    ///
    /// # Errors
    /// [`OutOfRandomness`] if the source fails, or delivers what cannot be random.
    pub fn generate(random: &mut dyn Random) -> Result<Self, OutOfRandomness> {
        let mut bytes = Zeroizing::new([0; 32]);
        for _ in 0..GENERATE_TRIES {
            random.fill(&mut bytes[..])?;
            if let Ok(key) = Self::from_bytes(&bytes) {
                return Ok(key);
            }
        }
        Err(OutOfRandomness)
    }

    /// The 32 bytes, big-endian, for the host to save. They are zeroed when the returned value is dropped.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_secret_bytes())
    }

    /// The X coordinate of the public key, big-endian, as in a [`Certificate`](super::Certificate).
    pub fn public_bytes(&self) -> [u8; 32] {
        self.0.public_key().x_only_public_key().0.to_byte_array()
    }

    pub(super) fn curve_key(&self) -> secp256k1::SecretKey {
        self.0
    }

    /// `serializeEllSwift` of spec 4.4.2: one of the many encodings of the public key, chosen by fresh randomness.
    pub(super) fn ellswift(&self, random: &mut dyn Random) -> Result<ElligatorSwift, OutOfRandomness> {
        let mut aux = Zeroizing::new([0; 32]);
        random.fill(&mut aux[..])?;
        Ok(ElligatorSwift::from_seckey(self.0, Some(*aux)))
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        // Volatile writes of a constant. The name warns of copies made by moving, see the module's documentation.
        self.0.non_secure_erase();
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").finish_non_exhaustive()
    }
}

/// The keys of an authority: it signs the certificates of the servers that it operates.
///
/// Overwritten on drop; the secret half is never printed.
pub struct AuthorityKeypair(Keypair);

impl AuthorityKeypair {
    /// Fresh keys.
    ///
    /// # Errors
    /// Those of [`SecretKey::generate`].
    pub fn generate(random: &mut dyn Random) -> Result<Self, OutOfRandomness> {
        SecretKey::generate(random).map(Self::from_secret)
    }

    /// The keys that belong to a secret key, for example to one that was saved.
    pub fn from_secret(secret: SecretKey) -> Self {
        Self(Keypair::from_secret_key(&secret.0))
    }

    /// What is published, so that others can check this authority's certificates.
    pub fn public(&self) -> AuthorityPublicKey {
        AuthorityPublicKey(self.0.x_only_public_key().0)
    }

    /// The secret key, 32 bytes, big-endian, for the host to save. They are zeroed when the returned value is dropped.
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_secret_bytes())
    }

    /// A BIP 340 signature of a hash, with fresh auxiliary randomness.
    pub(super) fn sign(&self, hash: &[u8; 32], random: &mut dyn Random) -> Result<[u8; 64], OutOfRandomness> {
        let mut aux = Zeroizing::new([0; 32]);
        random.fill(&mut aux[..])?;
        Ok(schnorr::sign_with_aux_rand(hash, &self.0, &aux).to_byte_array())
    }
}

impl Drop for AuthorityKeypair {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl fmt::Debug for AuthorityKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityKeypair").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// The public key of an authority: the X coordinate of a point of the curve, as in BIP 340.
///
/// Its text, by [`Display`](fmt::Display) and [`FromStr`], is base58check with the prefix `[1, 0]`:
///
/// ```
/// use sv2_core::noise::AuthorityPublicKey;
///
/// let text = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
/// let key: AuthorityPublicKey = text.parse()?;
/// assert_eq!(key.to_bytes()[..4], [118, 99, 112, 0]);
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), sv2_core::noise::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuthorityPublicKey(XOnlyPublicKey);

impl AuthorityPublicKey {
    /// Takes an X coordinate, 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`] for about every second string of 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        XOnlyPublicKey::from_byte_array(*bytes).map(Self).map_err(|_| KeyError::NotOnCurve)
    }

    /// The X coordinate, 32 bytes, big-endian.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_byte_array()
    }

    /// Reads the base58check form of spec 4.7, with nothing around it.
    ///
    /// # Errors
    /// All of [`KeyError`] but [`OutOfRange`](KeyError::OutOfRange).
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let payload = base58::decode(text)?;
        let mut prefix = [0; PREFIX.len()];
        let mut key = [0; 32];
        prefix.copy_from_slice(&payload[..PREFIX.len()]);
        key.copy_from_slice(&payload[PREFIX.len()..]);
        if prefix != PREFIX {
            return Err(KeyError::Prefix(prefix));
        }
        Self::from_bytes(&key)
    }

    pub(super) fn verifies(&self, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
        schnorr::verify(&schnorr::Signature::from_byte_array(*signature), hash, &self.0).is_ok()
    }
}

impl FromStr for AuthorityPublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl fmt::Display for AuthorityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = [0; base58::PAYLOAD_LEN];
        payload[..PREFIX.len()].copy_from_slice(&PREFIX);
        payload[PREFIX.len()..].copy_from_slice(&self.to_bytes());
        let (characters, start) = base58::encode(&payload);
        let text = characters.get(start..).and_then(|text| core::str::from_utf8(text).ok());
        f.write_str(text.ok_or(fmt::Error)?)
    }
}

impl fmt::Debug for AuthorityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorityPublicKey({self})")
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
