//! What a provider hands out: templates, tips, and the transactions of a template.

use alloc::vec::Vec;

use crate::bitcoin::{CoinbaseTemplate, Error, Hash, Header, Output, Target, root_from_path, sha256d, strip_witness};
use crate::message::{NewTemplate, RequestTransactionDataSuccess, SetNewPrevHashTemplate};
use crate::template::TemplateError;
use crate::template::coinbase::{WITNESS_RESERVED_VALUE, commits_to_witnesses};
use crate::wire::List;

/// The best block, as SetNewPrevHash gives it (spec 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The hash that the next block's header begins with.
    pub prev_hash: Hash,
    /// The header's nTime to start with: about now, not the least valid one.
    pub header_timestamp: u32,
    /// The header's nBits.
    pub nbits: u32,
    /// What a hash must meet to be submitted. It may be harder than nBits.
    pub target: Target,
}

impl Tip {
    /// The header of a block on this tip. `merkle_root` is what [`ReceivedTemplate::merkle_root`] gives for its coinbase.
    #[must_use]
    pub fn header(&self, version: u32, merkle_root: Hash, header_timestamp: u32, header_nonce: u32) -> Header {
        Header {
            version,
            prev_hash: self.prev_hash,
            merkle_root,
            time: header_timestamp,
            nbits: self.nbits,
            nonce: header_nonce,
        }
    }
}

impl From<&SetNewPrevHashTemplate> for Tip {
    fn from(message: &SetNewPrevHashTemplate) -> Self {
        Self {
            prev_hash: message.prev_hash.0,
            header_timestamp: message.header_timestamp,
            nbits: message.nbits,
            target: Target(message.target.0),
        }
    }
}

/// A template as NewTemplate gave it (spec 7.2). It was found to make a coinbase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedTemplate {
    /// The provider's name for it.
    pub template_id: u64,
    /// The tip it is mined on; `None` as long as it waits for one.
    pub tip: Option<Tip>,
    /// The header's nVersion. The bits of BIP 323 may be rolled.
    pub version: u32,
    /// The coinbase transaction's nVersion.
    pub coinbase_tx_version: u32,
    /// What the coinbase's scriptSig begins with, up to 8 bytes: the push of the height (BIP 34).
    pub coinbase_prefix: Vec<u8>,
    /// The coinbase input's nSequence.
    pub coinbase_tx_input_sequence: u32,
    /// Satoshis that the host's outputs may spend: subsidy and fees.
    pub coinbase_tx_value_remaining: u64,
    /// How many outputs there are in `coinbase_tx_outputs`.
    pub coinbase_tx_outputs_count: u32,
    /// The coinbase's last outputs, serialized, without a count before them.
    pub coinbase_tx_outputs: Vec<u8>,
    /// The coinbase's lock time.
    pub coinbase_tx_locktime: u32,
    /// The coinbase's merkle path, from the deepest.
    pub merkle_path: Vec<Hash>,
    /// Whether the outputs commit to witnesses: the coinbase must have one then.
    commits_to_witnesses: bool,
}

impl ReceivedTemplate {
    /// Copies a message, without a tip, if a coinbase can be made of it.
    pub(super) fn read(message: &NewTemplate<'_>) -> Result<Self, TemplateError> {
        let mut template = Self {
            template_id: message.template_id,
            tip: None,
            version: message.version,
            coinbase_tx_version: message.coinbase_tx_version,
            coinbase_prefix: message.coinbase_prefix.to_vec(),
            coinbase_tx_input_sequence: message.coinbase_tx_input_sequence,
            coinbase_tx_value_remaining: message.coinbase_tx_value_remaining,
            coinbase_tx_outputs_count: message.coinbase_tx_outputs_count,
            coinbase_tx_outputs: message.coinbase_tx_outputs.to_vec(),
            coinbase_tx_locktime: message.coinbase_tx_locktime,
            merkle_path: message.merkle_path.iter().map(|node| node.0).collect(),
            commits_to_witnesses: false,
        };
        template.commits_to_witnesses = commits_to_witnesses(&template.coinbase_template())?;
        Ok(template)
    }

    /// Whether all that the provider says of it is the same; the tip is not looked at.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        Self { tip: self.tip, ..other.clone() } == *self
    }

    /// Whether it waits for its tip.
    #[must_use]
    pub fn is_future(&self) -> bool {
        self.tip.is_none()
    }

    /// What it says about the coinbase, from which a coinbase is made, whole or in two parts around the extranonce.
    #[must_use]
    pub fn coinbase_template(&self) -> CoinbaseTemplate<'_> {
        CoinbaseTemplate {
            version: self.coinbase_tx_version,
            prefix: &self.coinbase_prefix,
            sequence: self.coinbase_tx_input_sequence,
            outputs_count: self.coinbase_tx_outputs_count,
            outputs: &self.coinbase_tx_outputs,
            lock_time: self.coinbase_tx_locktime,
        }
    }

    /// The whole coinbase as SubmitSolution wants it (spec 7.7): with the BIP 141 fields if the template commits to witnesses.
    ///
    /// Its scriptSig is the template's prefix, then `script` (pool name, extranonce, as they are); its outputs are
    /// `client_outputs`, then the template's.
    ///
    /// # Errors
    /// `ScriptSigLength` if the scriptSig would not have 2 to 100 bytes.
    pub fn coinbase(&self, script: &[u8], client_outputs: &[Output<'_>]) -> Result<Vec<u8>, Error> {
        let reserved_value = self.commits_to_witnesses.then_some(&WITNESS_RESERVED_VALUE);
        self.coinbase_template().coinbase(script, client_outputs, reserved_value)
    }

    /// The header's merkle root for a coinbase, with BIP 141 fields or without.
    ///
    /// # Errors
    /// Those of [`Transaction::parse_exact`](crate::bitcoin::Transaction::parse_exact), if it is no transaction.
    pub fn merkle_root(&self, coinbase_tx: &[u8]) -> Result<Hash, Error> {
        Ok(root_from_path(&sha256d(&strip_witness(coinbase_tx)?), &self.merkle_path))
    }
}

/// The transactions of a template (spec 7.5), which are for whoever asked for them to pass on: neither they nor the excess
/// data are to be looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionData {
    /// The template.
    pub template_id: u64,
    excess_data: Vec<u8>,
    /// As they stand on the wire.
    transactions: Vec<u8>,
    count: usize,
}

impl TransactionData {
    /// Copies a message that was decoded; `None` if there is no memory.
    pub(super) fn read(message: &RequestTransactionDataSuccess<'_>) -> Option<Self> {
        let List::Wire { bytes, count } = message.transaction_list else { return None };
        let mut transactions = Vec::new();
        transactions.try_reserve_exact(bytes.len()).ok()?;
        transactions.extend_from_slice(bytes);
        let (template_id, excess_data) = (message.template_id, message.excess_data.to_vec());
        Some(Self { template_id, excess_data, transactions, count })
    }

    /// What the pool may need besides to validate the work.
    #[must_use]
    pub fn excess_data(&self) -> &[u8] {
        &self.excess_data
    }

    /// All transactions of the template but the coinbase, in the order of the block.
    #[must_use]
    pub fn transactions(&self) -> List<'_, &[u8]> {
        List::Wire { bytes: &self.transactions, count: self.count }
    }
}
