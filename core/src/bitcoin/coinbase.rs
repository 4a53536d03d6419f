//! The coinbase: the transaction in which miners roll the extranonce.
//!
//! What miners get must hash to the *txid*, so it comes without the BIP 141 fields (marker, flag, witness); what goes
//! into a block must have them (spec 3.7). [`strip_witness`] and [`restore_witness`] go from one to the other.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::error::{Error, ErrorKind};
use super::hash::Hash;
use super::short_bytes::ShortBytes;
use super::transaction::{Input, Transaction};

/// How long a coinbase's scriptSig may be, in bytes (consensus).
pub const SCRIPT_SIG_LEN: RangeInclusive<usize> = 2..=100;

/// The prev_index of an input that spends nothing.
pub(super) const NULL_INDEX: u32 = 0xffff_ffff;

/// Marker and flag of BIP 141.
pub(super) const MARKER_AND_FLAG: [u8; 2] = [0, 1];

/// Length of nVersion, which begins a transaction.
const VERSION_LEN: usize = 4;

/// A transaction that was found to be a coinbase: one input, which spends nothing, with a scriptSig of 2 to 100
/// bytes. With the BIP 141 fields or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coinbase<'a> {
    transaction: Transaction<'a>,
    input: Input<'a>,
}

impl<'a> Coinbase<'a> {
    /// Parses `bytes`, which must be one coinbase and nothing else.
    ///
    /// # Errors
    /// Those of [`Transaction::parse_exact`], `NotACoinbase` or `ScriptSigLength`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::try_from(Transaction::parse_exact(bytes)?)
    }

    /// The transaction: outputs, txid, lock time and the rest.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction<'a> {
        &self.transaction
    }

    /// The scriptSig: BIP 34 height, whatever the miner adds, extranonce.
    #[must_use]
    pub const fn script_sig(&self) -> &'a [u8] {
        self.input.script_sig
    }

    /// nSequence of the input.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.input.sequence
    }

    /// The block height at the start of the scriptSig (BIP 34); `None` if there is no canonical one, or none up to
    /// 2^32 - 1. Blocks of version 1 have none, or one by chance.
    #[must_use]
    pub fn height(&self) -> Option<u32> {
        height_of(self.script_sig())
    }

    /// The witness reserved value (BIP 141): the only item of the coinbase's witness, 32 bytes.
    #[must_use]
    pub fn witness_reserved_value(&self) -> Option<&'a Hash> {
        let mut items = self.transaction.witnesses()?.next()?;
        match (items.next(), items.next()) {
            (Some(value), None) => value.try_into().ok(),
            _ => None,
        }
    }
}

impl<'a> TryFrom<Transaction<'a>> for Coinbase<'a> {
    type Error = Error;

    /// Errors are `NotACoinbase` and `ScriptSigLength`; their offset is that of the input in the transaction.
    fn try_from(transaction: Transaction<'a>) -> Result<Self, Error> {
        let marker = if transaction.has_witness() { MARKER_AND_FLAG.len() } else { 0 };
        let error = |kind, field| Error { kind, field, offset: VERSION_LEN + marker + 1 };
        let mut inputs = transaction.inputs();
        match (inputs.next(), inputs.next()) {
            (Some(input), None) if *input.prev_txid == [0; 32] && input.prev_index == NULL_INDEX => {
                if SCRIPT_SIG_LEN.contains(&input.script_sig.len()) {
                    Ok(Self { transaction, input })
                } else {
                    Err(error(ErrorKind::ScriptSigLength, "script_sig"))
                }
            }
            _ => Err(error(ErrorKind::NotACoinbase, "inputs")),
        }
    }
}

/// Whether a serialized transaction has the BIP 141 fields. Looks at marker and flag only.
#[must_use]
pub fn has_witness(transaction: &[u8]) -> bool {
    transaction.get(VERSION_LEN..).is_some_and(|rest| rest.starts_with(&MARKER_AND_FLAG))
}

/// Removes marker, flag and witness from a serialized transaction (spec 3.7.1). Without them it comes back as it is.
///
/// # Errors
/// Those of [`Transaction::parse_exact`].
pub fn strip_witness(transaction: &[u8]) -> Result<Vec<u8>, Error> {
    let transaction = Transaction::parse_exact(transaction)?;
    let mut stripped = Vec::with_capacity(transaction.stripped_len());
    for piece in transaction.without_witness() {
        stripped.extend_from_slice(piece);
    }
    Ok(stripped)
}

/// Puts the BIP 141 fields back into a coinbase without them: marker, flag, and a witness of one item, the witness
/// reserved value (32 zero bytes today, spec 3.7.4).
///
/// # Errors
/// Those of [`Coinbase::parse`], and `WitnessPresent`.
pub fn restore_witness(stripped: &[u8], reserved_value: &Hash) -> Result<Vec<u8>, Error> {
    let coinbase = Coinbase::parse(stripped)?;
    if coinbase.transaction.has_witness() {
        let (kind, field) = (ErrorKind::WitnessPresent, "marker and flag");
        return Err(Error { kind, field, offset: VERSION_LEN });
    }
    let [version, body, lock_time] = coinbase.transaction.without_witness();
    Ok([version, &MARKER_AND_FLAG, body, &coinbase_witness(reserved_value), lock_time].concat())
}

/// The serialized witness of a coinbase: one item of 32 bytes.
fn coinbase_witness(reserved_value: &Hash) -> [u8; 34] {
    let mut witness = [0; 34];
    let (counts, value) = witness.split_at_mut(2);
    counts.copy_from_slice(&[1, 32]);
    value.copy_from_slice(reserved_value);
    witness
}

/// The script that must begin a coinbase's scriptSig at `height` (BIP 34), byte for byte what Core's
/// `CScript() << height` gives: OP_0 or OP_1 to OP_16 where they exist, else a push of the number, little-endian in
/// as few bytes as hold it and a clear sign bit. 1 to 6 bytes.
///
/// Up to height 16 this is a single byte, and a scriptSig needs two: whoever makes the coinbase must append one.
#[must_use]
pub fn height_push(height: u32) -> ShortBytes<6> {
    const OP_1: u8 = 0x51;
    let mut push = ShortBytes::new();
    let bytes = u64::from(height).to_le_bytes();
    match (height, bytes) {
        (0, _) => push.push(0),
        (1..=16, [low, ..]) => push.push(OP_1 - 1 + low),
        _ => {
            // Room for the height's bits and one more, the sign. At most 5.
            let len = (u32::BITS - height.leading_zeros()) / 8 + 1;
            push.push(len as u8);
            bytes.iter().take(len as usize).for_each(|byte| push.push(*byte));
        }
    }
    push
}

/// The height that a scriptSig begins with, if it is written as [`height_push`] writes it.
#[must_use]
pub fn height_of(script_sig: &[u8]) -> Option<u32> {
    let (&first, rest) = script_sig.split_first()?;
    let height = match first {
        0 => 0,
        1..=5 => {
            let bytes = rest.get(..usize::from(first))?;
            let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            u32::try_from(value).ok()?
        }
        0x51..=0x60 => u32::from(first - 0x50),
        _ => return None,
    };
    script_sig.starts_with(&height_push(height)).then_some(height)
}
