//! Who is paid by a block.

use alloc::boxed::Box;
use core::fmt;

use crate::bitcoin::Output;
use crate::message::CoinbaseOutputConstraints;

/// Coinbase outputs by shares: each has a scriptPubKey and a number of parts, and what a template pays is divided among them in
/// proportion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    outputs: Box<[Entry]>,
    /// Of all outputs; not 0.
    parts: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    script_pubkey: Box<[u8]>,
    parts: u32,
}

/// Why outputs are no payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayoutError {
    /// Nobody is paid: there is no output, or none with parts.
    Nobody,
    /// The serialized outputs take this many bytes, more than a message holds beside those of a template.
    TooLarge(usize),
}

/// The most bytes that serialized outputs may take. coinbase_tx_suffix is a B0_64K (spec 5.3.16), in which the template's own
/// outputs, nSequence and lock time need room as well.
const MAX_SERIALIZED_LEN: usize = 60_000;

/// How much a sigop outside a witness counts against a block's limit of 80,000 (BIP 141).
const SIGOP_COST: u32 = 4;

impl Payout {
    /// Outputs in the order in which they will stand in the coinbase: scriptPubKey, and parts of the value. An output with 0
    /// parts is worth nothing and stands there for its script, as OP_RETURN commitments do.
    ///
    /// # Errors
    /// `Nobody` if all parts are 0, `TooLarge` if the outputs take more than 60,000 bytes.
    pub fn new(outputs: &[(&[u8], u32)]) -> Result<Self, PayoutError> {
        let parts = outputs.iter().map(|(_, parts)| u64::from(*parts)).sum();
        if parts == 0 {
            return Err(PayoutError::Nobody);
        }
        let entry = |(script, parts): &(&[u8], u32)| Entry { script_pubkey: Box::from(*script), parts: *parts };
        let payout = Self { outputs: outputs.iter().map(entry).collect(), parts };
        let len = payout.serialized_len();
        if len > MAX_SERIALIZED_LEN { Err(PayoutError::TooLarge(len)) } else { Ok(payout) }
    }

    /// Everything to one script.
    ///
    /// # Errors
    /// `TooLarge`, as [`Payout::new`].
    pub fn single(script_pubkey: &[u8]) -> Result<Self, PayoutError> {
        Self::new(&[(script_pubkey, 1)])
    }

    /// The outputs that pay `value` satoshis. Nothing is lost: what cannot be divided goes to the first output that has parts.
    pub fn outputs(&self, value: u64) -> impl Iterator<Item = Output<'_>> + Clone {
        let share = move |parts: u32| {
            // Never more than `value`.
            (u128::from(value) * u128::from(parts) / u128::from(self.parts)) as u64
        };
        let mut rest = value - self.outputs.iter().map(|entry| share(entry.parts)).sum::<u64>();
        self.outputs.iter().map(move |entry| {
            let extra = if entry.parts > 0 { core::mem::take(&mut rest) } else { 0 };
            Output { value: share(entry.parts) + extra, script_pubkey: &entry.script_pubkey }
        })
    }

    /// Bytes that the serialized outputs take, without their count.
    #[must_use]
    pub fn serialized_len(&self) -> usize {
        self.outputs(0).map(|output| output.serialized_len()).sum()
    }

    /// What to tell a template provider, so that its templates leave room for these outputs (spec 7.1).
    #[must_use]
    pub fn constraints(&self) -> CoinbaseOutputConstraints {
        let sigops: u32 = self.outputs.iter().map(|entry| sigops(&entry.script_pubkey)).sum();
        CoinbaseOutputConstraints {
            // Not above MAX_SERIALIZED_LEN.
            coinbase_output_max_additional_size: self.serialized_len() as u32,
            coinbase_output_max_additional_sigops: u16::try_from(sigops.saturating_mul(SIGOP_COST)).unwrap_or(u16::MAX),
        }
    }

    /// The smallest constraints under which a template leaves room for any one of `payouts`.
    #[must_use]
    pub fn constraints_of_all<'a>(payouts: impl IntoIterator<Item = &'a Self>) -> CoinbaseOutputConstraints {
        payouts.into_iter().map(Self::constraints).fold(CoinbaseOutputConstraints::default(), |all, one| {
            CoinbaseOutputConstraints {
                coinbase_output_max_additional_size: all
                    .coinbase_output_max_additional_size
                    .max(one.coinbase_output_max_additional_size),
                coinbase_output_max_additional_sigops: all
                    .coinbase_output_max_additional_sigops
                    .max(one.coinbase_output_max_additional_sigops),
            }
        })
    }
}

/// Signature operations of a scriptPubKey, as consensus counts them in a block: OP_CHECKMULTISIG as 20, whatever its keys.
fn sigops(mut script: &[u8]) -> u32 {
    const OP_PUSHDATA1: u8 = 0x4c;
    const OP_PUSHDATA2: u8 = 0x4d;
    const OP_PUSHDATA4: u8 = 0x4e;
    const OP_CHECKSIG: u8 = 0xac;
    const OP_CHECKSIGVERIFY: u8 = 0xad;
    const OP_CHECKMULTISIG: u8 = 0xae;
    const OP_CHECKMULTISIGVERIFY: u8 = 0xaf;
    let mut count = 0;
    while let Some((&opcode, rest)) = script.split_first() {
        let length_bytes = match opcode {
            OP_PUSHDATA1 => 1,
            OP_PUSHDATA2 => 2,
            OP_PUSHDATA4 => 4,
            _ => 0,
        };
        let Some((length, rest)) = rest.split_at_checked(length_bytes) else { break };
        let pushed = match opcode {
            1..OP_PUSHDATA1 => usize::from(opcode),
            _ => length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        count += match opcode {
            OP_CHECKSIG | OP_CHECKSIGVERIFY => 1,
            OP_CHECKMULTISIG | OP_CHECKMULTISIGVERIFY => 20,
            _ => 0,
        };
        // A push beyond the end ends the count, as in consensus.
        let Some(rest) = rest.get(pushed..) else { break };
        script = rest;
    }
    count
}

impl fmt::Display for PayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("a payout needs an output with parts"),
            Self::TooLarge(len) => write!(f, "a payout of {len} bytes, more than a job can carry"),
        }
    }
}

impl core::error::Error for PayoutError {}
