//! The constraint keys in use: for each, the template that its clients share, and for some time the next client.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use super::ProviderOptions;
use super::work::{Frames, TemplateKind, Tip};
use crate::Time;
use crate::bitcoin::Hash;
use crate::clients::{Admission, Pace, Rate, Ticket};
use crate::template::ConstraintKey;

/// How much more than it needs a client may be made to leave free: 1 % of a block, in weight units.
const MAX_EXCESS_WEIGHT: u32 = 40_000;

/// The same in sigops, of the 80,000 that a block can have.
const MAX_EXCESS_SIGOPS: u16 = 4_000;

/// Keys above this weight, or these sigops, take at most half of the places. The 8 below fit into the other half of the usual
/// 16, so that clients with unusual constraints cannot crowd out the others.
const MAX_USUAL_WEIGHT: u32 = 16_000;
const MAX_USUAL_SIGOPS: u16 = 400;

/// How many keys above these the clients of one address can have, so that it takes several addresses to fill that half.
const MAX_LARGE_KEYS_PER_ADDRESS: usize = 2;

/// The keys in use.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<ConstraintKey, Key>);

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) wanted: ConstraintKey,
    /// The key that it has.
    pub(super) leaves: Option<ConstraintKey>,
    /// Those that are large among the keys of the other clients from its address.
    pub(super) nearby: BTreeSet<ConstraintKey>,
}

/// The key for a client, and which one goes out of use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) key: ConstraintKey,
    pub(super) instead_of: Option<ConstraintKey>,
}

/// A key in use.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// How many clients have it.
    clients: usize,
    /// If none, until when it is kept up to date for one that comes back, in monotonic milliseconds.
    lingers_until: Option<u64>,
    /// Whether the host knows that a template on the present tip is wanted.
    pub(super) asked: bool,
    /// Whether the next template on the same tip is sent whatever it is worth: the node may have lost those before it.
    pub(super) renew: bool,
    /// The best template on the present tip.
    pub(super) current: Option<Current>,
    /// The template for the next height.
    pub(super) next: Option<Next>,
    /// How many of these were sent since the tip changed.
    pub(super) sent_ahead: u32,
    /// What was last sent to all clients.
    pub(super) announced: Option<Announced>,
}

/// The template to hand out.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) id: u64,
    pub(super) tip: Tip,
    /// coinbase_tx_value_remaining.
    pub(super) value: u64,
    pub(super) kind: TemplateKind,
    pub(super) frames: Frames,
}

/// A template for the next height, not active yet.
#[derive(Clone, Debug)]
pub(super) struct Next {
    pub(super) id: u64,
    /// The tip when it came.
    pub(super) present: Hash,
    /// Whether clients are sent it before its SetNewPrevHash.
    pub(super) is_sent: bool,
    /// NewTemplate.
    pub(super) frame: Arc<[u8]>,
}

/// What is remembered of a template that was sent to all clients of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub(super) id: u64,
    pub(super) tip: Tip,
    pub(super) value: u64,
    pub(super) kind: TemplateKind,
    /// When, in monotonic milliseconds.
    pub(super) at: u64,
}

impl Key {
    /// The current template, if clients have one for the next height with a higher id: then it needs a new one.
    pub(super) fn overtaken(&self) -> Option<u64> {
        let (current, next) = (self.current.as_ref()?, self.next.as_ref()?);
        (next.id > current.id).then_some(current.id)
    }

    /// When the current template is to be sent to clients that have an older one on the same tip, in monotonic
    /// milliseconds. `None` if it is not worth it.
    pub(super) fn update_due_at(&self, options: &ProviderOptions) -> Option<u64> {
        let (current, announced) = (self.current.as_ref()?, self.announced.as_ref()?);
        let is_news = current.id != announced.id && current.tip == announced.tip;
        let completes = announced.kind == TemplateKind::Provisional && current.kind != TemplateKind::Provisional;
        if is_news && (completes || self.renew) {
            return Some(announced.at);
        }
        let is_worth_it = current.value >= announced.value.saturating_add(options.fee_threshold_sat);
        (is_news && is_worth_it).then_some(announced.at.saturating_add(options.update_interval_ms))
    }
}

impl Keys {
    pub(super) fn get(&self, key: &ConstraintKey) -> Option<&Key> {
        self.0.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &ConstraintKey) -> Option<&mut Key> {
        self.0.get_mut(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ConstraintKey, &Key)> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&ConstraintKey, &mut Key)> {
        self.0.iter_mut()
    }

    /// The key for a client: the one it wants if that is in use, or if one more can be and `may_add` allows it; or else the
    /// tightest of those in use that covers it and does not leave much more of the block empty.
    pub(super) fn choose(
        &self,
        asking: &Asking,
        max_keys: usize,
        may_add: impl FnOnce(&ConstraintKey) -> bool,
    ) -> Option<Choice> {
        let wanted = asking.wanted;
        if asking.may_have(&wanted) {
            if self.0.contains_key(&wanted) {
                return Some(Choice { key: wanted, instead_of: None });
            }
            if let Some(instead_of) = self.place_for(asking, max_keys) {
                if may_add(&wanted) {
                    return Some(Choice { key: wanted, instead_of });
                }
            }
        }
        let is_close = |key: &ConstraintKey| {
            key.reserved_weight - wanted.reserved_weight <= MAX_EXCESS_WEIGHT
                && key.sigops - wanted.sigops <= MAX_EXCESS_SIGOPS
        };
        let fits = |key: &ConstraintKey| key.covers(&wanted) && is_close(key) && asking.may_have(key);
        // They are ordered by the weight, then by the sigops.
        let key = self.0.range(wanted..).map(|(key, _)| *key).find(fits)?;
        Some(Choice { key, instead_of: None })
    }

    /// Whether there is a place for one more key, and which one goes out of use for it.
    fn place_for(&self, asking: &Asking, max_keys: usize) -> Option<Option<ConstraintKey>> {
        let large = self.0.keys().filter(|key| is_large(key)).count();
        let is_crowded = is_large(&asking.wanted) && large >= (max_keys / 2).max(1);
        if self.0.len() < max_keys && !is_crowded {
            return Some(None);
        }
        let is_unused = |key: &ConstraintKey, state: &Key| state.clients <= usize::from(asking.leaves == Some(*key));
        let unused = self.0.iter().filter(|(key, state)| is_unused(key, state) && (!is_crowded || is_large(key)));
        let oldest = unused.min_by_key(|(_, state)| state.lingers_until.unwrap_or(u64::MAX));
        oldest.map(|(key, _)| Some(*key))
    }

    /// One more client has this key.
    pub(super) fn join(&mut self, key: ConstraintKey) -> &mut Key {
        let state = self.0.entry(key).or_default();
        state.clients += 1;
        state.lingers_until = None;
        state
    }

    /// One client less has this key. If it was the last, the key stays in use until then, in monotonic milliseconds.
    pub(super) fn leave(&mut self, key: ConstraintKey, until: u64) {
        let Some(state) = self.0.get_mut(&key) else { return };
        state.clients = state.clients.saturating_sub(1);
        if state.clients == 0 {
            state.lingers_until = Some(until);
        }
    }

    /// When the next key that no client has goes out of use.
    pub(super) fn next_unused(&self) -> Option<u64> {
        self.0.values().filter_map(|state| state.lingers_until).min()
    }

    /// A key that no client had for long enough.
    pub(super) fn unused_since(&self, now_ms: u64) -> Option<ConstraintKey> {
        let is_over = |state: &Key| state.lingers_until.is_some_and(|until| until <= now_ms);
        self.0.iter().find(|(_, state)| is_over(state)).map(|(key, _)| *key)
    }

    /// Takes a key out of use if no client has it, and gives back what was known of it.
    pub(super) fn remove_unused(&mut self, key: &ConstraintKey) -> Option<Key> {
        if self.0.get(key)?.clients == 0 { self.0.remove(key) } else { None }
    }
}

impl Asking {
    /// Whether its address has not enough large keys without this one.
    fn may_have(&self, key: &ConstraintKey) -> bool {
        !is_large(key) || self.nearby.len() < MAX_LARGE_KEYS_PER_ADDRESS || self.nearby.contains(key)
    }
}

/// Whether a key is one that hardly a pool wants. Of those that are not, there are few.
pub(super) fn is_large(key: &ConstraintKey) -> bool {
    key.reserved_weight > MAX_USUAL_WEIGHT || key.sigops > MAX_USUAL_SIGOPS
}

/// The keys that came into use lately, usual ones and large ones, so that whoever uses these up leaves the others.
#[derive(Debug, Default)]
pub(super) struct NewKeys {
    usual: Pace,
    large: Pace,
}

impl NewKeys {
    /// A client's key is new, and costs the node a template: whether its address, and all together, may have one more. Nothing is
    /// changed if not.
    pub(super) fn take(
        &mut self,
        key: &ConstraintKey,
        ticket: Ticket,
        admission: &mut Admission,
        options: &ProviderOptions,
        now: Time,
    ) -> bool {
        let max_keys = u32::try_from(options.max_keys).unwrap_or(u32::MAX);
        let in_all = options.max_new_keys_per_minute;
        let each = options.max_new_keys_per_minute_per_address;
        let all = if is_large(key) { &mut self.large } else { &mut self.usual };
        let mut all_then = *all;
        // All places can be taken at once: after a restart clients come back together.
        let is_allowed = all_then.take(Rate::new(in_all, 60_000, in_all.max(max_keys)), now)
            && admission.take_cost(ticket, Rate::new(each, 60_000, each), now);
        if is_allowed {
            *all = all_then;
        }
        is_allowed
    }
}
