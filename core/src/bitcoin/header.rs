//! The block header: the 80 bytes that miners hash.

use super::hash::{Hash, sha256d};
use super::target::Target;

/// A block header. Serialized it is 80 bytes: the fields in this order, integers little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// nVersion, as the bits they are: consensus reads them signed, BIP 323 rolls some of them.
    pub version: u32,
    /// Hash of the previous block.
    pub prev_hash: Hash,
    /// Root over the txids of the block.
    pub merkle_root: Hash,
    /// nTime, seconds since 1970-01-01 UTC.
    pub time: u32,
    /// The target in compact form.
    pub nbits: u32,
    /// nNonce.
    pub nonce: u32,
}

impl Header {
    /// Length of a serialized header in bytes.
    pub const LEN: usize = 80;

    /// Reads a header. Any 80 bytes are one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes(array_at(bytes, at));
        Self {
            version: u32_at(0),
            prev_hash: array_at(bytes, 4),
            merkle_root: array_at(bytes, 36),
            time: u32_at(68),
            nbits: u32_at(72),
            nonce: u32_at(76),
        }
    }

    /// Serializes the header.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..36].copy_from_slice(&self.prev_hash);
        bytes[36..68].copy_from_slice(&self.merkle_root);
        bytes[68..72].copy_from_slice(&self.time.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.nbits.to_le_bytes());
        bytes[76..80].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// The block's hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256d(&self.to_bytes())
    }

    /// The target that `nbits` stands for, or `None` if it stands for none.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        Target::from_nbits(self.nbits)
    }
}

/// `N` bytes from `at` on; the callers above stay within the 80.
fn array_at<const N: usize>(bytes: &[u8; Header::LEN], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
