//! Double SHA-256, the hash of headers, transactions and merkle trees.

use core::fmt;

use bitcoin_hashes::{HashEngine, sha256 as single, sha256d as engine};

/// 32 bytes in internal byte order: as hashed, as in headers, as U256 on the wire (little-endian).
pub type Hash = [u8; 32];

/// The double SHA-256 of `bytes`.
#[must_use]
pub fn sha256d(bytes: &[u8]) -> Hash {
    engine::Hash::hash(bytes).to_byte_array()
}

/// The single SHA-256 of `bytes`: the hash of hash locks and of the scripts behind version 0 witness programs (BIP 141).
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    single::Hash::hash(bytes).to_byte_array()
}

/// Double SHA-256 of bytes that come in pieces.
///
/// Cloning keeps the state so far: what many hashes begin with (a coinbase up to its extranonce) is hashed once.
#[derive(Clone, Debug, Default)]
pub struct Sha256d(engine::HashEngine);

impl Sha256d {
    /// Nothing hashed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(engine::HashEngine::new())
    }

    /// Appends `bytes` to what is hashed.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        self.0.input(bytes);
        self
    }

    /// The hash of everything appended.
    #[must_use]
    pub fn finish(self) -> Hash {
        self.0.finalize().to_byte_array()
    }
}

/// Prints a hash as a node's RPC does: hex of the bytes in reversed order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RpcHex(pub Hash);

impl fmt::Display for RpcHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RpcHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a hash as a node's RPC prints it: exactly 64 hex digits of the reversed bytes, in either case.
#[must_use]
pub fn from_rpc_hex(hex: &str) -> Option<Hash> {
    let digits: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().rev().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(hash)
}
