//! A block template of the host, checked, and the messages that hand it out.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::fmt;

use crate::bitcoin::coinbase::height_of;
use crate::bitcoin::{CoinbaseTemplate, Error, Hash, Target};
use crate::frame::{self, FrameError, HEADER_LEN};
use crate::message::{NewTemplate, Payload, RequestTransactionDataSuccess, SetNewPrevHashTemplate};
use crate::template::coinbase::{MAX_COINBASE_PREFIX_LEN, commits_to_witnesses};
use crate::wire::{EncodeError, List, U256};

/// What a template is to its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TemplateKind {
    /// The best block the node can make: it is followed by another when that is worth enough more.
    #[default]
    Full,
    /// Something to work on until the full template is there, as one without transactions at the very moment of a new tip. The
    /// first full one follows it at once, whatever it is worth.
    Provisional,
    /// For the height after the next block: its prev_hash, header_timestamp, nbits and target are not known and count for
    /// nothing until [`Provider::set_new_prev_hash`](super::Provider::set_new_prev_hash) says them. Clients have it by then, so
    /// that the change of tip takes one short message. It leaves clients with what they have; a newer one replaces it.
    NextHeight,
}

/// A block template of the host: what NewTemplate and SetNewPrevHash say (spec 7.2 and 7.3), and the host's name for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The header's nVersion.
    pub version: u32,
    /// The coinbase transaction's nVersion.
    pub coinbase_tx_version: u32,
    /// What the coinbase's scriptSig begins with, up to 8 bytes: the push of the height (BIP 34).
    pub coinbase_prefix: Vec<u8>,
    /// The coinbase input's nSequence.
    pub coinbase_tx_input_sequence: u32,
    /// Satoshis that the client's outputs may spend: subsidy and fees.
    pub coinbase_tx_value_remaining: u64,
    /// How many outputs there are in `coinbase_tx_outputs`.
    pub coinbase_tx_outputs_count: u32,
    /// The coinbase's last outputs, serialized, without a count before them. Where there is a witness commitment, it is one
    /// of them.
    pub coinbase_tx_outputs: Vec<u8>,
    /// The coinbase's lock time.
    pub coinbase_tx_locktime: u32,
    /// The coinbase's merkle path, from the deepest.
    pub merkle_path: Vec<Hash>,
    /// The tip: hash of the previous block.
    pub prev_hash: Hash,
    /// The header's nTime to start with: about now, not the least valid one.
    pub header_timestamp: u32,
    /// The header's nBits.
    pub nbits: u32,
    /// A target harder than nBits that clients are told instead. What meets nBits is submitted all the same.
    pub target: Option<Target>,
    /// Whether another template on the same tip is about to follow.
    pub kind: TemplateKind,
    /// The host's own name for the template; two templates may have the same.
    pub node_handle: u64,
}

impl Template {
    /// What it says about the coinbase.
    fn coinbase(&self) -> CoinbaseTemplate<'_> {
        CoinbaseTemplate {
            version: self.coinbase_tx_version,
            prefix: &self.coinbase_prefix,
            sequence: self.coinbase_tx_input_sequence,
            outputs_count: self.coinbase_tx_outputs_count,
            outputs: &self.coinbase_tx_outputs,
            lock_time: self.coinbase_tx_locktime,
        }
    }
}

/// Why a template cannot be served, or mined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// nBits stands for no target.
    InvalidNbits(u32),
    /// `target` is easier than nBits.
    TargetTooEasy,
    /// `coinbase_prefix` has so many bytes instead of at most 8.
    CoinbasePrefixTooLong(usize),
    /// `coinbase_tx_outputs` is not what `coinbase_tx_outputs_count` says.
    CoinbaseOutputs(Error),
    /// A field is longer than its type allows.
    Encode(FrameError),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidNbits(nbits) => write!(f, "nBits 0x{nbits:08x} stands for no target"),
            Self::TargetTooEasy => f.write_str("the target is easier than nBits"),
            Self::CoinbasePrefixTooLong(len) => {
                write!(f, "coinbase_prefix has {len} bytes where at most {MAX_COINBASE_PREFIX_LEN} are allowed")
            }
            Self::CoinbaseOutputs(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TemplateError {}

/// What a SetNewPrevHash tells a client, apart from the template it activates and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) prev_hash: Hash,
    pub(super) nbits: u32,
    pub(super) target: Target,
}

/// A template that was checked.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) template: Template,
    pub(super) tip: Tip,
    /// The target that nBits stands for.
    pub(super) network_target: Target,
    /// Whether the coinbase must have a witness.
    pub(super) commits_to_witnesses: bool,
    /// Whether it can be worked on: a template for the next height cannot, and `tip` is none but that of its time.
    pub(super) is_active: bool,
    /// The height that the coinbase begins with (BIP 34).
    height: Option<u32>,
}

impl Work {
    pub(super) fn new(template: Template) -> Result<Self, TemplateError> {
        let nbits = template.nbits;
        let network_target = Target::from_nbits(nbits).ok_or(TemplateError::InvalidNbits(nbits))?;
        let target = template.target.unwrap_or(network_target);
        if target > network_target {
            return Err(TemplateError::TargetTooEasy);
        }
        let commits_to_witnesses = commits_to_witnesses(&template.coinbase())?;
        let tip = Tip { prev_hash: template.prev_hash, nbits, target };
        let height = height_of(&template.coinbase_prefix);
        Ok(Self { template, tip, network_target, commits_to_witnesses, is_active: true, height })
    }

    /// A template for the height after the next block, made while `present` is the tip.
    pub(super) fn for_next_height(template: Template, present: Hash) -> Result<Self, TemplateError> {
        let commits_to_witnesses = commits_to_witnesses(&template.coinbase())?;
        let height = height_of(&template.coinbase_prefix);
        let network_target = Target([0; 32]);
        let tip = Tip { prev_hash: present, nbits: 0, target: network_target };
        Ok(Self { template, tip, network_target, commits_to_witnesses, is_active: false, height })
    }

    /// The height of the block to be found.
    pub(super) fn height(&self) -> Option<u32> {
        self.height
    }
}

/// The messages that hand out a template, encoded once and shared by all clients.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    /// NewTemplate for a client that is not on the template's tip yet.
    pub(super) future: Arc<[u8]>,
    /// SetNewPrevHash that goes with it.
    pub(super) set_new_prev_hash: Arc<[u8]>,
    /// NewTemplate for a client that is on the tip, once it is needed.
    update: OnceCell<Arc<[u8]>>,
}

/// Where future_template stands in NewTemplate: behind template_id (spec 7.2).
const FUTURE_TEMPLATE_AT: usize = HEADER_LEN + 8;

impl Frames {
    pub(super) fn new(template_id: u64, work: &Work) -> Result<Self, FrameError> {
        let template = &work.template;
        let new_template = NewTemplate {
            template_id,
            future_template: true,
            version: template.version,
            coinbase_tx_version: template.coinbase_tx_version,
            coinbase_prefix: &template.coinbase_prefix,
            coinbase_tx_input_sequence: template.coinbase_tx_input_sequence,
            coinbase_tx_value_remaining: template.coinbase_tx_value_remaining,
            coinbase_tx_outputs_count: template.coinbase_tx_outputs_count,
            coinbase_tx_outputs: &template.coinbase_tx_outputs,
            coinbase_tx_locktime: template.coinbase_tx_locktime,
            merkle_path: List::Wire { bytes: template.merkle_path.as_flattened(), count: template.merkle_path.len() },
        };
        let set_new_prev_hash = SetNewPrevHashTemplate {
            template_id,
            prev_hash: U256(work.tip.prev_hash),
            header_timestamp: template.header_timestamp,
            nbits: work.tip.nbits,
            target: U256(work.tip.target.0),
        };
        Ok(Self {
            future: shared_frame(&new_template)?,
            set_new_prev_hash: shared_frame(&set_new_prev_hash)?,
            update: OnceCell::new(),
        })
    }

    /// NewTemplate for a client that is on the tip: the same but that future_template is false.
    pub(super) fn update(&self) -> &Arc<[u8]> {
        self.update.get_or_init(|| {
            let mut frame: Arc<[u8]> = Arc::from(&*self.future);
            if let Some(future_template) = Arc::get_mut(&mut frame).and_then(|bytes| bytes.get_mut(FUTURE_TEMPLATE_AT))
            {
                *future_template = 0;
            }
            frame
        })
    }
}

/// A message as a whole frame, in memory of exactly its size.
pub(super) fn shared_frame<'a>(message: &impl Payload<'a>) -> Result<Arc<[u8]>, FrameError> {
    let len = match frame::encode(message, &mut []) {
        Err(FrameError::Encode(EncodeError::BufferTooSmall { needed })) => needed,
        other => other?,
    };
    let mut shared: Arc<[u8]> = core::iter::repeat_n(0, len).collect();
    if let Some(bytes) = Arc::get_mut(&mut shared) {
        frame::encode(message, bytes)?;
    }
    Ok(shared)
}

/// RequestTransactionData.Success with nothing in excess_data: all that is needed is in the transactions.
pub(super) fn transactions_frame(template_id: u64, transactions: &[&[u8]]) -> Result<Arc<[u8]>, FrameError> {
    shared_frame(&RequestTransactionDataSuccess {
        template_id,
        excess_data: &[],
        transaction_list: List::Items(transactions),
    })
}
