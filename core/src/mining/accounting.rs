//! What a channel has earned: accepted and rejected shares, and when to acknowledge them.
//!
//! A server may acknowledge many shares with one SubmitShares.Success (spec 5.3.13). [`Accounting`] says when one is due,
//! after a number of shares or some time, and what stands in it.
//!
//! Difficulties are summed in fixed point, so no sum depends on the order of its shares and nothing is lost when it gets large.
//! `new_shares_sum` is a whole number: what is left of a batch below 1 goes into the next one, so that over many batches a
//! channel is told of all its work, also when a single share has a difficulty far below 1.

use super::share::ShareError;
use crate::Time;
use crate::bitcoin::{Hash, Target};
use crate::message::SubmitSharesSuccess;

/// The work of difficulty 1, in hashes: 2^256 / (0xffff * 2^208).
const WORK_OF_DIFFICULTY_1: f64 = 281_474_976_710_656.0 / 65_535.0;

/// Bits behind the point of a sum of difficulties.
const FRACTION_BITS: u32 = 64;

/// 2^[`FRACTION_BITS`].
const FRACTION_UNIT: f64 = 18_446_744_073_709_551_616.0;

/// When accepted shares are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountingOptions {
    /// At the latest with this many; 0 and 1 acknowledge each share by itself.
    pub batch_shares: u32,
    /// At the latest this many milliseconds after the first of them was accepted.
    pub batch_ms: u32,
}

impl Default for AccountingOptions {
    /// 10 shares or a second.
    fn default() -> Self {
        Self { batch_shares: 10, batch_ms: 1_000 }
    }
}

/// The shares of one channel.
#[derive(Clone, Debug)]
pub struct Accounting {
    options: AccountingOptions,
    totals: Totals,
    /// Sum of the difficulties of all accepted shares, in units of 2^-64.
    sum: u128,
    /// How much of the sum was acknowledged.
    acknowledged: u64,
    /// The lowest accepted hash.
    best: Target,
    waiting: u32,
    last_sequence_number: u32,
    /// When the first of those that wait is to be acknowledged.
    due_ms: u64,
}

/// What a channel has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Accepted shares.
    pub accepted: u64,
    /// Rejected shares by reason, in the order of [`ShareError::ALL`].
    pub rejected: [u64; ShareError::ALL.len()],
    /// The sum of the difficulties of the accepted shares, each by the target of its job.
    pub difficulty: f64,
    /// The hashes that it took on average to find the accepted shares.
    pub work: f64,
    /// The difficulty of the best accepted share, by its hash; 0 if there is none.
    pub best_difficulty: f64,
}

/// What a SubmitShares.Success acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The sequence number of the last accepted share.
    pub last_sequence_number: u32,
    /// How many shares it acknowledges.
    pub new_submits_accepted_count: u32,
    /// The sum of their difficulties: the whole part, with what was left of the batches before.
    pub new_shares_sum: u64,
}

impl Batch {
    /// The message for a channel.
    #[must_use]
    pub const fn message(self, channel_id: u32) -> SubmitSharesSuccess {
        let Self { last_sequence_number, new_submits_accepted_count, new_shares_sum } = self;
        SubmitSharesSuccess { channel_id, last_sequence_number, new_submits_accepted_count, new_shares_sum }
    }
}

impl Accounting {
    /// The account of a channel that was just opened.
    #[must_use]
    pub fn new(options: AccountingOptions) -> Self {
        Self {
            options,
            totals: Totals::default(),
            sum: 0,
            acknowledged: 0,
            best: Target::MAX,
            waiting: 0,
            last_sequence_number: 0,
            due_ms: 0,
        }
    }

    /// Takes an accepted share: the difficulty of its job's target, and its hash.
    ///
    /// Ask [`due`](Self::due) afterwards; or [`flush`](Self::flush), if the share is a block: its miner is told at once.
    ///
    /// A difficulty that is not a number, negative or infinite adds nothing to the sums. No target but zero has one.
    pub fn accept(&mut self, sequence_number: u32, difficulty: f64, hash: &Hash, now: Time) {
        if self.waiting == 0 {
            self.due_ms = now.monotonic_ms.saturating_add(self.options.batch_ms.into());
        }
        self.waiting = self.waiting.saturating_add(1);
        self.last_sequence_number = sequence_number;
        self.totals.accepted = self.totals.accepted.saturating_add(1);
        if difficulty.is_finite() {
            // The product is exact. The conversion takes what is negative for 0, and stops at the largest value.
            self.sum = self.sum.saturating_add((difficulty * FRACTION_UNIT) as u128);
        }
        self.best = self.best.min(Target(*hash));
    }

    /// Counts a rejected share.
    pub fn reject(&mut self, error: ShareError) {
        for (count, known) in self.totals.rejected.iter_mut().zip(ShareError::ALL) {
            *count = count.saturating_add(u64::from(known == error));
        }
    }

    /// What is to be acknowledged now because there is enough of it or it has waited long enough. Reading takes it.
    pub fn due(&mut self, now: Time) -> Option<Batch> {
        let is_due = self.waiting >= self.options.batch_shares || now.monotonic_ms >= self.due_ms;
        if is_due { self.flush() } else { None }
    }

    /// When [`due`](Self::due) is to be asked again, in milliseconds of the monotonic clock. `None` if nothing waits.
    #[must_use]
    pub const fn deadline(&self) -> Option<u64> {
        if self.waiting > 0 { Some(self.due_ms) } else { None }
    }

    /// What is not acknowledged yet, however little it is: after a block, and before the channel closes. Reading takes it.
    pub fn flush(&mut self) -> Option<Batch> {
        if self.waiting == 0 {
            return None;
        }
        // At most 2^64 - 1: the sum has 64 bits before the point.
        let whole = (self.sum >> FRACTION_BITS) as u64;
        let batch = Batch {
            last_sequence_number: self.last_sequence_number,
            new_submits_accepted_count: core::mem::take(&mut self.waiting),
            new_shares_sum: whole.saturating_sub(self.acknowledged),
        };
        self.acknowledged = whole;
        Some(batch)
    }

    /// The sums since the channel was opened, with what is not acknowledged yet.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let difficulty = self.sum as f64 / FRACTION_UNIT;
        let best_difficulty = if self.totals.accepted > 0 { self.best.difficulty() } else { 0.0 };
        Totals { difficulty, work: difficulty * WORK_OF_DIFFICULTY_1, best_difficulty, ..self.totals }
    }
}
