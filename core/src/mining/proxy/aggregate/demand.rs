//! What the upstream is told of the miners (spec 5.3.7).

use crate::message::UpdateChannel;
use crate::wire::U256;

/// What UpdateChannel says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    /// The sum of the miners' hash rates, in h/s; 0 without miners.
    pub(super) nominal_hash_rate: f32,
    /// The hardest of the targets that miners accept at most: with an easier one for all, those miners would be asked for less than
    /// what the upstream counts.
    pub(super) max_target: U256,
}

/// When it was told what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    demand: Demand,
    at_ms: u64,
}

impl Told {
    pub(super) fn new(demand: Demand, now_ms: u64) -> Self {
        Self { demand, at_ms: now_ms }
    }

    /// When the upstream is to be told, if the demand is another one: not so soon after the last time.
    pub(super) fn due_at(&self, demand: Demand, interval_ms: u64) -> Option<u64> {
        (self.demand != demand).then(|| self.at_ms.saturating_add(interval_ms))
    }
}

impl Demand {
    pub(super) fn message(&self, channel_id: u32) -> UpdateChannel {
        UpdateChannel { channel_id, nominal_hash_rate: self.nominal_hash_rate, maximum_target: self.max_target }
    }
}
