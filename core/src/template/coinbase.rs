//! What both sides demand of a template's coinbase, and the form in which a solution comes.

use alloc::vec::Vec;

use super::TemplateError;
use crate::bitcoin::block::last_witness_commitment;
use crate::bitcoin::{CoinbaseTemplate, Hash};
use crate::message::SubmitSolution;

/// The longest coinbase_prefix, in bytes (spec 7.2).
pub(super) const MAX_COINBASE_PREFIX_LEN: usize = 8;

/// The coinbase's witness: the witness reserved value (spec 3.7.4).
pub(super) const WITNESS_RESERVED_VALUE: Hash = [0; 32];

/// Checks a coinbase's prefix and outputs, so that any client can make one of it, and says whether it commits to witnesses.
pub(super) fn commits_to_witnesses(coinbase: &CoinbaseTemplate<'_>) -> Result<bool, TemplateError> {
    if coinbase.prefix.len() > MAX_COINBASE_PREFIX_LEN {
        return Err(TemplateError::CoinbasePrefixTooLong(coinbase.prefix.len()));
    }
    let outputs = coinbase.outputs().map_err(TemplateError::CoinbaseOutputs)?;
    Ok(last_witness_commitment(outputs).is_some())
}

/// SubmitSolution (spec 7.7), in memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedSolution {
    /// The template.
    pub template_id: u64,
    /// The header's nVersion.
    pub version: u32,
    /// The header's nTime.
    pub header_timestamp: u32,
    /// The header's nNonce.
    pub header_nonce: u32,
    /// The whole coinbase transaction.
    pub coinbase_tx: Vec<u8>,
}

impl SubmittedSolution {
    /// The message, which borrows the coinbase.
    #[must_use]
    pub fn message(&self) -> SubmitSolution<'_> {
        let Self { template_id, version, header_timestamp, header_nonce, ref coinbase_tx } = *self;
        SubmitSolution { template_id, version, header_timestamp, header_nonce, coinbase_tx }
    }
}

impl From<SubmitSolution<'_>> for SubmittedSolution {
    fn from(message: SubmitSolution<'_>) -> Self {
        let SubmitSolution { template_id, version, header_timestamp, header_nonce, coinbase_tx } = message;
        Self { template_id, version, header_timestamp, header_nonce, coinbase_tx: coinbase_tx.to_vec() }
    }
}
