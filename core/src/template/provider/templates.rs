//! The templates that were given out, and how long they live: until some time after their tip is gone.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::ConnectionId;
use crate::Time;
use crate::bitcoin::coinbase::height_of;
use crate::bitcoin::{CoinbaseTemplate, Error, Hash, Target};
use crate::frame::{self, FrameError};
use crate::message::{NewTemplate, Payload, RequestTransactionDataSuccess, SetNewPrevHashTemplate};
use crate::template::ConstraintKey;
use crate::template::coinbase::{MAX_COINBASE_PREFIX_LEN, commits_to_witnesses};
use crate::wire::{EncodeError, List, U256};

/// How many tips that are gone are remembered, so that a template made on one is not taken for news.
const REMEMBERED_TIPS: usize = 16;

/// How many ids are kept besides the first of each template. Clients that come and go at will cause them.
const MAX_ALIASES: usize = 4_096;

/// What a template is to its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TemplateKind {
    /// The best block the node can make: it is followed by another when that is worth enough more.
    #[default]
    Full,
    /// Something to work on until the full template is there, as one without transactions at the very moment of a new tip. The
    /// first full one follows it at once, whatever it is worth.
    Provisional,
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
        Ok(Self { template, tip, network_target, commits_to_witnesses, height })
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
    /// NewTemplate for a client that is on the tip.
    pub(super) update: Arc<[u8]>,
}

impl Frames {
    pub(super) fn new(template_id: u64, work: &Work) -> Result<Self, FrameError> {
        let template = &work.template;
        let new_template = |future_template| NewTemplate {
            template_id,
            future_template,
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
            future: shared_frame(&new_template(true))?,
            set_new_prev_hash: shared_frame(&set_new_prev_hash)?,
            update: shared_frame(&new_template(false))?,
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

/// A template under the id by which clients know it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) work: Arc<Work>,
    pub(super) key: ConstraintKey,
    /// The id of the template by which the host knows it.
    pub(super) first_id: u64,
    /// Whether any client was sent it.
    pub(super) handed_out: bool,
    pub(super) transactions: Transactions,
}

/// What is known of a template's transactions.
#[derive(Debug)]
pub(super) enum Transactions {
    Unasked,
    /// The host was asked; these clients wait, until the deadline, in monotonic milliseconds.
    Asked {
        waiting: Vec<ConnectionId>,
        deadline: u64,
    },
    /// RequestTransactionData.Success.
    Ready(Arc<[u8]>),
    /// The host does not have them any more.
    Unavailable,
}

/// A tip that is gone, and until when, this millisecond included, the templates on it are served.
#[derive(Debug)]
struct GoneTip {
    prev_hash: Hash,
    expires_at: u64,
    expired: bool,
}

/// All templates that can still be asked about or solved.
#[derive(Debug, Default)]
pub(super) struct Templates {
    stored: BTreeMap<u64, Stored>,
    /// Those of the ids that are a template's second or later.
    aliases: BTreeSet<u64>,
    ids: Option<Ids>,
    tip: Option<Hash>,
    /// The height of the block to be found on it, once a template says so.
    height: Option<u32>,
    /// The last tip that the host announced by itself.
    told: Option<Hash>,
    /// From the one that is gone longest.
    gone: VecDeque<GoneTip>,
    /// The templates whose transactions are kept, from the one that has them longest, and how many bytes these are.
    kept: VecDeque<u64>,
    kept_len: usize,
    /// The templates whose transactions the host was asked for, by deadline.
    asked: BTreeSet<(u64, u64)>,
}

/// The ids that were issued: all from the first, up to the next.
#[derive(Debug)]
struct Ids {
    first: u64,
    next: u64,
}

impl Templates {
    pub(super) fn tip(&self) -> Option<Hash> {
        self.tip
    }

    /// The host says by itself that this is the tip.
    pub(super) fn note_told(&mut self, prev_hash: Hash) {
        self.told = Some(prev_hash);
    }

    /// A template on the tip says at which height it is.
    pub(super) fn note_height(&mut self, height: Option<u32>) {
        self.height = height.or(self.height);
    }

    /// Whether a template was overtaken by a change of tip while it was made.
    ///
    /// Templates for several keys are made side by side: with two blocks in a row, one on the first may come after one on
    /// the second, and must not be taken for news. A host that announces its tips knows best. Without that, what was not
    /// seen before is news unless it is lower than what was.
    pub(super) fn is_stale(&self, work: &Work) -> bool {
        let prev_hash = work.tip.prev_hash;
        if self.tip == Some(prev_hash) {
            return false;
        }
        if let Some(told) = self.told {
            return prev_hash != told;
        }
        match (work.height, self.height) {
            (Some(height), Some(reached)) if height != reached => height < reached,
            _ => self.gone.iter().any(|tip| tip.prev_hash == prev_hash),
        }
    }

    /// From now on the templates on `prev_hash` are those to work on; those on the former tip begin to expire.
    pub(super) fn set_tip(&mut self, prev_hash: Hash, expires_at: u64) {
        // Block invalidated: a former tip can be the tip again.
        self.gone.retain(|tip| tip.prev_hash != prev_hash);
        self.height = None;
        if let Some(prev_hash) = self.tip.replace(prev_hash) {
            self.gone.push_back(GoneTip { prev_hash, expires_at, expired: false });
        }
        while self.gone.len() > REMEMBERED_TIPS && self.gone.front().is_some_and(|tip| tip.expired) {
            self.gone.pop_front();
        }
    }

    /// The next id. The first is the time (spec 7.2), so that a client which reconnects after a restart of the host cannot
    /// take one template for another.
    fn take_id(&mut self, now: Time) -> u64 {
        let ids = self.ids.get_or_insert_with(|| {
            // 65,536 ids for each second: an engine made later begins above all of them.
            let first = (now.unix_s & 0xffff_ffff) << 16 | 1;
            Ids { first, next: first }
        });
        let id = ids.next;
        ids.next = ids.next.saturating_add(1);
        id
    }

    /// The id of the next template, or less.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.as_ref().map_or(0, |ids| ids.next)
    }

    /// Whether any template in a range of ids is left.
    pub(super) fn is_any_since(&self, first: u64, last: u64) -> bool {
        self.stored.range(first..).next().is_some_and(|(id, _)| *id <= last)
    }

    /// Whether the id was ever issued.
    pub(super) fn was_issued(&self, id: u64) -> bool {
        self.ids.as_ref().is_some_and(|ids| (ids.first..ids.next).contains(&id))
    }

    /// Stores a template under a new id.
    pub(super) fn issue(
        &mut self,
        key: ConstraintKey,
        work: Arc<Work>,
        first_id: Option<u64>,
        now: Time,
    ) -> Result<(u64, Frames), FrameError> {
        let id = self.take_id(now);
        let frames = Frames::new(id, &work)?;
        if first_id.is_some() {
            self.aliases.insert(id);
        }
        let (first_id, transactions) = (first_id.unwrap_or(id), Transactions::Unasked);
        self.stored.insert(id, Stored { work, key, first_id, handed_out: false, transactions });
        Ok((id, frames))
    }

    pub(super) fn has_too_many_aliases(&self) -> bool {
        self.aliases.len() > MAX_ALIASES
    }

    /// Takes out the oldest alias that is not `held`, if its template has another id.
    pub(super) fn remove_alias(&mut self, held: &BTreeSet<u64>) -> Option<(u64, Stored)> {
        let has_another = |id: &u64| self.stored.get(id).is_some_and(|stored| Arc::strong_count(&stored.work) > 1);
        let id = self.aliases.iter().copied().find(|id| !held.contains(id) && has_another(id))?;
        self.remove(id).map(|stored| (id, stored))
    }

    pub(super) fn get(&self, id: u64) -> Option<&Stored> {
        self.stored.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Stored)> {
        self.stored.iter().map(|(id, stored)| (*id, stored))
    }

    pub(super) fn mark_handed_out(&mut self, id: u64) {
        if let Some(stored) = self.stored.get_mut(&id) {
            stored.handed_out = true;
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Stored> {
        let stored = self.stored.remove(&id)?;
        self.aliases.remove(&id);
        match &stored.transactions {
            Transactions::Ready(frame) => {
                self.kept_len = self.kept_len.saturating_sub(frame.len());
                self.kept.retain(|kept| *kept != id);
            }
            Transactions::Asked { deadline, .. } => {
                self.asked.remove(&(*deadline, id));
            }
            Transactions::Unasked | Transactions::Unavailable => {}
        }
        Some(stored)
    }

    /// When the next templates expire, in monotonic milliseconds.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.gone.iter().find(|tip| !tip.expired).map(|tip| tip.expires_at.saturating_add(1))
    }

    /// A template whose time is over, if there is one.
    pub(super) fn next_expired(&mut self, now: Time) -> Option<(u64, Stored)> {
        while let Some(tip) = self.gone.iter_mut().find(|tip| !tip.expired) {
            if tip.expires_at >= now.monotonic_ms {
                return None;
            }
            let prev_hash = tip.prev_hash;
            match self.stored.iter().find(|(_, stored)| stored.work.tip.prev_hash == prev_hash) {
                Some((&id, _)) => return self.remove(id).map(|stored| (id, stored)),
                None => tip.expired = true,
            }
        }
        None
    }

    /// A client waits for the transactions of a template. If it is the first, gives the host's name for the template: it must
    /// be asked.
    pub(super) fn await_transactions(&mut self, id: u64, client: ConnectionId, deadline: u64) -> Option<u64> {
        let stored = self.stored.get_mut(&id)?;
        if let Transactions::Asked { waiting, .. } = &mut stored.transactions {
            waiting.push(client);
            return None;
        }
        stored.transactions = Transactions::Asked { waiting: vec![client], deadline };
        self.asked.insert((deadline, id));
        Some(stored.work.template.node_handle)
    }

    /// Those who wait for the transactions of a template, and what is known of these from now on.
    pub(super) fn take_waiting(&mut self, id: u64, known: Transactions) -> Vec<ConnectionId> {
        let Some(stored) = self.stored.get_mut(&id) else { return Vec::new() };
        match core::mem::replace(&mut stored.transactions, known) {
            Transactions::Asked { waiting, deadline } => {
                self.asked.remove(&(deadline, id));
                waiting
            }
            _ => Vec::new(),
        }
    }

    /// When the next transactions should have come, in monotonic milliseconds.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.asked.first().map(|(deadline, _)| *deadline)
    }

    /// A template whose transactions should have come.
    pub(super) fn next_overdue(&self, now: Time) -> Option<u64> {
        self.asked.first().filter(|(deadline, _)| *deadline <= now.monotonic_ms).map(|(_, id)| *id)
    }

    /// A client is gone: it waits for nothing.
    pub(super) fn forget_client(&mut self, id: ConnectionId) {
        for (_, template_id) in &self.asked {
            let Some(stored) = self.stored.get_mut(template_id) else { continue };
            if let Transactions::Asked { waiting, .. } = &mut stored.transactions {
                waiting.retain(|waiting| *waiting != id);
            }
        }
    }

    /// Keeps the transactions of a template for those who ask later, and forgets those kept longest beyond `max_len` bytes.
    pub(super) fn keep_transactions(&mut self, id: u64, frame: &Arc<[u8]>, max_len: usize) {
        let Some(stored) = self.stored.get_mut(&id) else { return };
        stored.transactions = Transactions::Ready(Arc::clone(frame));
        self.kept.push_back(id);
        self.kept_len = self.kept_len.saturating_add(frame.len());
        while self.kept_len > max_len {
            let Some(oldest) = self.kept.pop_front() else { break };
            let Some(stored) = self.stored.get_mut(&oldest) else { continue };
            if let Transactions::Ready(frame) = core::mem::replace(&mut stored.transactions, Transactions::Unasked) {
                self.kept_len = self.kept_len.saturating_sub(frame.len());
            }
        }
    }
}

/// RequestTransactionData.Success with nothing in excess_data: all that is needed is in the transactions.
pub(super) fn transactions_frame(template_id: u64, transactions: &[&[u8]]) -> Result<Arc<[u8]>, FrameError> {
    shared_frame(&RequestTransactionDataSuccess {
        template_id,
        excess_data: &[],
        transaction_list: List::Items(transactions),
    })
}
