//! The certificate of a responder's static key (spec 4.5.3), and the message that carries it (spec 4.5.2).

use core::fmt;

use bitcoin_hashes::{HashEngine, Sha256};

use super::keys::{AuthorityKeypair, AuthorityPublicKey};
use crate::{OutOfRandomness, Random};

/// Bytes of a `SIGNATURE_NOISE_MESSAGE`.
pub const SIGNATURE_NOISE_MESSAGE_LEN: usize = 74;
/// Seconds by which the clocks of two peers may differ: a certificate is accepted this much before `valid_from`
/// and this much after `not_valid_after`.
pub const LEEWAY_S: u64 = 10;

/// The only version of the certificate format that exists.
const VERSION: u16 = 0;

/// What time it is, for the validity of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Seconds since 1970-01-01 UTC.
    At(u64),
    /// The device has no clock. Certificates are then accepted whatever their validity, and a stolen static key
    /// with an expired certificate cannot be told from a good one.
    Unavailable,
}

/// Why a certificate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// A version of the certificate format that is not known here.
    Version(u16),
    /// The authority did not sign this: the certificate is another authority's, or for another key, or altered.
    Signature,
    /// It is not yet valid, even with the leeway.
    NotYetValid {
        /// When it begins to be valid, in Unix seconds.
        valid_from: u32,
    },
    /// It is not valid any more, even with the leeway.
    Expired {
        /// The last moment of its validity, in Unix seconds.
        not_valid_after: u32,
    },
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "the certificate has the unknown version {version}"),
            Self::Signature => f.write_str("the certificate is not signed by the expected authority"),
            Self::NotYetValid { valid_from } => {
                write!(f, "the certificate is not valid before {valid_from} (Unix seconds)")
            }
            Self::Expired { not_valid_after } => {
                write!(f, "the certificate is not valid after {not_valid_after} (Unix seconds)")
            }
        }
    }
}

impl core::error::Error for CertificateError {}

/// An authority's word that a static key belongs to a server that it operates, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Version of the certificate format, 0.
    pub version: u16,
    /// Start of the validity, in Unix seconds.
    pub valid_from: u32,
    /// Last moment of the validity, in Unix seconds.
    pub not_valid_after: u32,
    /// X coordinate of the server's static public key, big-endian.
    pub server_public_key: [u8; 32],
    /// BIP 340 signature of the authority over the SHA-256 of the fields above.
    pub signature: [u8; 64],
}

impl Certificate {
    /// Signs a certificate for a server's static key, given as
    /// [`SecretKey::public_bytes`](super::SecretKey::public_bytes). Both times are Unix seconds.
    ///
    /// # Errors
    /// [`OutOfRandomness`].
    pub fn sign(
        authority: &AuthorityKeypair,
        server_public_key: [u8; 32],
        valid_from: u32,
        not_valid_after: u32,
        random: &mut dyn Random,
    ) -> Result<Self, OutOfRandomness> {
        let unsigned = Self { version: VERSION, valid_from, not_valid_after, server_public_key, signature: [0; 64] };
        let signature = authority.sign(&unsigned.signed_hash(), random)?;
        Ok(Self { signature, ..unsigned })
    }

    /// Checks that `authority` signed this certificate and that it is valid now, give or take [`LEEWAY_S`].
    ///
    /// # Errors
    /// [`CertificateError`]. The times are looked at last, so that they are the authority's if they are the cause.
    pub fn check(&self, authority: &AuthorityPublicKey, now: Clock) -> Result<(), CertificateError> {
        if self.version != VERSION {
            return Err(CertificateError::Version(self.version));
        }
        if !authority.verifies(&self.signed_hash(), &self.signature) {
            return Err(CertificateError::Signature);
        }
        let Clock::At(now) = now else { return Ok(()) };
        if now.saturating_add(LEEWAY_S) < u64::from(self.valid_from) {
            return Err(CertificateError::NotYetValid { valid_from: self.valid_from });
        }
        if now > u64::from(self.not_valid_after) + LEEWAY_S {
            return Err(CertificateError::Expired { not_valid_after: self.not_valid_after });
        }
        Ok(())
    }

    /// The `SIGNATURE_NOISE_MESSAGE`: everything but the key, integers little-endian.
    pub fn to_message(&self) -> [u8; SIGNATURE_NOISE_MESSAGE_LEN] {
        let mut message = [0; SIGNATURE_NOISE_MESSAGE_LEN];
        message[..2].copy_from_slice(&self.version.to_le_bytes());
        message[2..6].copy_from_slice(&self.valid_from.to_le_bytes());
        message[6..10].copy_from_slice(&self.not_valid_after.to_le_bytes());
        message[10..].copy_from_slice(&self.signature);
        message
    }

    /// Puts a received message and the server's key together. Nothing is checked yet: see [`check`](Self::check).
    pub fn from_message(message: &[u8; SIGNATURE_NOISE_MESSAGE_LEN], server_public_key: [u8; 32]) -> Self {
        let [v0, v1, f0, f1, f2, f3, a0, a1, a2, a3, signed @ ..] = message;
        Self {
            version: u16::from_le_bytes([*v0, *v1]),
            valid_from: u32::from_le_bytes([*f0, *f1, *f2, *f3]),
            not_valid_after: u32::from_le_bytes([*a0, *a1, *a2, *a3]),
            server_public_key,
            signature: *signed,
        }
    }

    /// `m = SHA-256(version || valid_from || not_valid_after || server_public_key)` of spec 4.5.3.1.
    fn signed_hash(&self) -> [u8; 32] {
        Sha256::engine()
            .with_input(&self.version.to_le_bytes())
            .with_input(&self.valid_from.to_le_bytes())
            .with_input(&self.not_valid_after.to_le_bytes())
            .with_input(&self.server_public_key)
            .finalize()
            .to_byte_array()
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
