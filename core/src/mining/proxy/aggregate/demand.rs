//! What the upstream is told of the miners (spec 5.3.7).

use crate::bitcoin::Target;
use crate::message::UpdateChannel;
use crate::mining::hashrate::{nominal_hash_rate, target_for};
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

/// What it was told, and when the miners were last asked whether that still holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    demand: Demand,
    at_ms: u64,
}

impl Told {
    pub(super) fn new(demand: Demand, now_ms: u64) -> Self {
        Self { demand, at_ms: now_ms }
    }

    /// When it may be told again: not so soon after the last time.
    pub(super) fn next_at(&self, interval_ms: u64) -> u64 {
        self.at_ms.saturating_add(interval_ms)
    }

    /// This is the demand now. Says whether it is another one.
    pub(super) fn renew(&mut self, demand: Demand, now_ms: u64) -> bool {
        core::mem::replace(self, Self::new(demand, now_ms)).demand != demand
    }
}

impl Demand {
    /// Of all together. No miner decides for the others: a hash rate without bound counts as the largest that there is, and
    /// max_target is never harder than what all of them together meet `shares_per_minute` times in a minute. Otherwise one miner
    /// could ask for a target that no share meets.
    pub(super) fn of_all(each: impl Iterator<Item = Self>, shares_per_minute: f64) -> Self {
        let none = (0.0_f64, Target(U256::MAX.0));
        let (sum, hardest) = each.fold(none, |(sum, hardest), one| {
            (sum + f64::from(one.nominal_hash_rate), hardest.min(Target(one.max_target.0)))
        });
        let all = nominal_hash_rate(sum);
        let within_reach = target_for(all.into(), shares_per_minute).unwrap_or(Target(U256::MAX.0));
        Self { nominal_hash_rate: all, max_target: U256(hardest.max(within_reach).0) }
    }

    pub(super) fn message(&self, channel_id: u32) -> UpdateChannel {
        UpdateChannel { channel_id, nominal_hash_rate: self.nominal_hash_rate, maximum_target: self.max_target }
    }
}
