//! What can be wrong with serialized Bitcoin data.

use core::fmt;

/// Why bytes were refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The field in which it was found, for people to read.
    pub field: &'static str,
    /// Where that field begins, in bytes from the start of what was given.
    pub offset: usize,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes end before the field does, or before the elements that a count promises.
    UnexpectedEnd,
    /// Bytes are left over after the end.
    TrailingBytes,
    /// A CompactSize is written in a longer form than its value needs.
    NonMinimalCompactSize,
    /// The byte after the BIP 141 marker is not the flag 1.
    UnknownFlag,
    /// The BIP 141 fields are there although every witness is empty.
    EmptyWitnesses,
    /// A transaction without inputs.
    NoInputs,
    /// A block without transactions.
    NoTransactions,
    /// Not a coinbase: it has several inputs, or its only input spends something.
    NotACoinbase,
    /// A coinbase's scriptSig is not 2 to 100 bytes long.
    ScriptSigLength,
    /// The BIP 141 fields are already there.
    WitnessPresent,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::UnexpectedEnd => "the bytes end too early",
            ErrorKind::TrailingBytes => "bytes are left over",
            ErrorKind::NonMinimalCompactSize => "CompactSize is not in its shortest form",
            ErrorKind::UnknownFlag => "unknown flag after the witness marker",
            ErrorKind::EmptyWitnesses => "witness fields without a witness",
            ErrorKind::NoInputs => "a transaction needs an input",
            ErrorKind::NoTransactions => "a block needs a transaction",
            ErrorKind::NotACoinbase => "not a coinbase",
            ErrorKind::ScriptSigLength => "a coinbase's scriptSig is 2 to 100 bytes long",
            ErrorKind::WitnessPresent => "the witness is already there",
        };
        write!(f, "{} at byte {}: {what}", self.field, self.offset)
    }
}

impl core::error::Error for Error {}
