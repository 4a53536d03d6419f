//! Variable difficulty: how fast a channel really mines, and when its target should follow.
//!
//! [`Vardiff`] is told of each accepted share with the work that its target stands for, and compares the work that came in with what
//! the hashrate promises that the channel's target was made from. Work is what it estimates from, not the number of shares, so
//! that shares which were found under an earlier target count for what they are.
//!
//! Shares arrive at random, so fewer or more than expected say nothing by themselves. How much they say is measured as
//! [`surprise`]: chance alone brings a surprise of `s` with a probability of at most e^-s. There are four questions:
//!
//! 1. **Is it silent?** Has so much time passed since the last share that the hashrate cannot be right?
//! 2. **Is it far off?** The same of the shares of the present *block*, which begins where what is known ends. A channel that is
//!    too fast by a factor of a thousand is moved after seconds; one that is too slow by that after a few expected shares.
//! 3. **Is it suspicious?** A block of the expected length that is a surprise of any size is not closed: it goes on until
//!    it is either large enough for the second question, or none. So a change shows as early as it can, whenever it began.
//! 4. **Is it a little off?** Blocks without a surprise are the *past*, of which old shares fade. It has to be off by
//!    a quarter, and by more than chance.
//!
//! What passes all of them is left alone. How well it does is measured in `tests/mining_vardiff.rs`.

use core::ops::RangeInclusive;

use crate::Time;

/// Expected shares of a block. It is shorter, but not shorter than the second, as long as the past has fewer.
const BLOCK_SHARES: f64 = 16.0;
const FIRST_BLOCK_SHARES: f64 = 8.0;

/// Shares that the past weighs at most: with more, older ones fade.
const PAST_SHARES: f64 = 150.0;

/// Shares from which on the past is trusted so much that what surprises is not added to it.
const SETTLED_SHARES: f64 = 32.0;

/// What a client says of its hashrate weighs as much as so many shares.
const SAID_SHARES: f64 = 4.0;

/// How much surprise it takes to leave a hashrate that is only guessed, after a silence; how much more for each
/// share of the past; and how much is always enough.
const GUESS_LIMIT: f64 = 2.0;
const LIMIT_PER_SHARE: f64 = 0.5;
const LIMIT: f64 = 8.0;

/// How much surprise keeps a block open.
const SUSPICION: f64 = 1.0;

/// What the hashrate has to be off by before it is changed for what the past says, and how much of a surprise it has to be.
pub(super) const TOLERANCE: f64 = 1.25;
const PAST_LIMIT: f64 = 1.5;

/// How many shares it takes to go up: to wait for them costs little, since they come fast.
const SHARES_TO_GO_UP: f64 = 16.0;

/// Which part of the shares that showed a hashrate to be wrong is kept to confirm the next one. Not all: they were looked at
/// when they were most surprising.
const KEPT_PART: f64 = 0.5;

/// A hashrate cannot be told from shares of less time than this, in seconds, unless there are so many that they become a burden.
const SHORTEST_S: f64 = 2.0;
const MANY_SHARES: f64 = 256.0;

/// Those may have waited on their way, so they are taken to have come in no less time than this, in seconds.
const BURST_S: f64 = 0.5;

/// How much of a share is taken to have come in when none has. Little, since to go too low costs a few seconds, in which
/// many shares come, and to stay too high costs minutes.
const SILENCE_SHARES: f64 = 0.1;

/// The least and the most that [`VardiffOptions::shares_per_minute`] can be.
const SHARES_PER_MINUTE: RangeInclusive<f32> = 0.001..=60_000.0;

/// The least that [`VardiffOptions::min_hashrate`] can be, and the most that a hashrate can be: what there is on the wire.
const HASHRATES: RangeInclusive<f32> = 1.0..=f32::MAX;

/// What channels are held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VardiffOptions {
    /// How many shares a channel should find in a minute: 0.001 to 60,000.
    pub shares_per_minute: f32,
    /// The lowest hashrate that a channel is taken to have, in hashes per second, also if it is silent: 1 or more.
    pub min_hashrate: f32,
}

impl VardiffOptions {
    /// Brings what is out of range to the nearest value that is in it, and what is not a number to the default.
    #[must_use]
    pub fn bounded(self) -> Self {
        let bounded = |value: f32, range: &RangeInclusive<f32>, default: f32| {
            if value.is_nan() { default } else { value.clamp(*range.start(), *range.end()) }
        };
        let default = Self::default();
        Self {
            shares_per_minute: bounded(self.shares_per_minute, &SHARES_PER_MINUTE, default.shares_per_minute),
            min_hashrate: bounded(self.min_hashrate, &HASHRATES, default.min_hashrate),
        }
    }
}

impl Default for VardiffOptions {
    /// 6 shares a minute and 1 MH/s.
    fn default() -> Self {
        Self { shares_per_minute: 6.0, min_hashrate: 1e6 }
    }
}

/// The hashrate of one channel, in 64 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Vardiff {
    options: VardiffOptions,
    /// What the channel's target was made from, in hashes per second.
    hashrate: f64,
    /// When the block began.
    block_since_ms: u64,
    /// When the last share came, or the hashrate was changed.
    silent_since_ms: u64,
    block: Window,
    past: Window,
}

impl Vardiff {
    /// For a channel whose target is made from `hashrate`, in hashes per second: what its client said. The minimum takes the place
    /// of what is below it or not a number. The options are [bounded](VardiffOptions::bounded).
    #[must_use]
    pub fn new(options: VardiffOptions, hashrate: f64, now: Time) -> Self {
        let mut vardiff = Self {
            options: options.bounded(),
            hashrate: 0.0,
            block_since_ms: 0,
            silent_since_ms: 0,
            block: Window::default(),
            past: Window::default(),
        };
        vardiff.restart(hashrate, now);
        vardiff
    }

    /// Forgets what it knows: the client says that its hashrate is another one (UpdateChannel, spec 5.3.7).
    pub fn restart(&mut self, hashrate: f64, now: Time) {
        self.hashrate = self.bounded(hashrate);
        self.begin_block(now);
        self.silent_since_ms = now.monotonic_ms;
        self.change(hashrate, SAID_SHARES);
    }

    /// Takes an accepted share: the [work](crate::bitcoin::Target::work) of its job's target, in hashes.
    ///
    /// A target has a work of 1 or more; anything else, and more than 2^128, is no share.
    pub fn share(&mut self, work: f64, now: Time) {
        if is_work(work) {
            self.silent_since_ms = now.monotonic_ms;
            self.block.add(&Window { work, share_work: work as f32, seconds: 0.0 });
        }
    }

    /// Whether the channel's target should change now: the hashrate to make the new one from, in hashes per second. It is never
    /// below the minimum; the target for it is the caller's to bound by the client's `max_target`.
    ///
    /// `target_work` is the work of the target that the channel's miners have now, that of its active job: it
    /// differs from what [`hashrate`](Self::hashrate) asks for where `max_target` bounds it, or as long as no job has the
    /// new target.
    ///
    /// To be asked after each share and every second or so.
    pub fn decide(&mut self, target_work: f64, now: Time) -> Option<f64> {
        let target_work = if is_work(target_work) { target_work } else { self.planned_work() };
        self.block.seconds = seconds_since(self.block_since_ms, now) as f32;
        let seconds = f64::from(self.block.seconds);
        // Some shares may come from another target. To take the harder one is to take them for fewer.
        let share_work = target_work.max(self.block.share_work.into());
        let came = self.block.work / share_work;
        let expected = self.hashrate * seconds / share_work;
        if seconds < SHORTEST_S && came < MANY_SHARES {
            return None;
        }

        let limit = (GUESS_LIMIT + LIMIT_PER_SHARE * self.past.shares()).min(LIMIT);
        let silence = seconds_since(self.silent_since_ms, now);
        if surprise(0.0, self.hashrate * silence / target_work) >= limit {
            return self.jump(SILENCE_SHARES * target_work / silence, 0.0, now);
        }
        let surprise = surprise(came, expected);
        if surprise >= limit && came < expected {
            return self.jump(self.block.work / seconds, came, now);
        }
        if surprise >= limit && came >= SHARES_TO_GO_UP {
            // The last share is what made the time be now: without it there is no bias.
            return self.jump((self.block.work - share_work) / seconds.max(BURST_S), came, now);
        }

        let is_suspicious = surprise >= SUSPICION && self.past.shares() >= SETTLED_SHARES;
        if is_suspicious || expected < self.past.shares().clamp(FIRST_BLOCK_SHARES, BLOCK_SHARES) {
            return None;
        }
        self.past.add(&self.block);
        self.past.weigh_at_most(PAST_SHARES);
        self.begin_block(now);
        self.follow_past()
    }

    /// The hashrate that the target was last made from, or is to be made from, in hashes per second.
    #[must_use]
    pub const fn hashrate(&self) -> f64 {
        self.hashrate
    }

    /// The best estimate of the hashrate at this moment, in hashes per second: for a display, not for a target.
    #[must_use]
    pub fn estimate(&self, now: Time) -> f64 {
        let mut all = self.past;
        all.add(&Window { seconds: seconds_since(self.block_since_ms, now) as f32, ..self.block });
        // As long as less has come in than a block has, what was said counts for the rest.
        let said = (BLOCK_SHARES - all.shares()).max(0.0) * self.planned_work();
        self.bounded((all.work + said) / (f64::from(all.seconds) + said / self.hashrate))
    }

    /// To the hashrate that the block says by itself, with so many shares. The past was another one.
    fn jump(&mut self, estimate: f64, shares: f64, now: Time) -> Option<f64> {
        self.begin_block(now);
        self.silent_since_ms = now.monotonic_ms;
        self.change(estimate, KEPT_PART * shares)
    }

    /// To the hashrate that the past says, if it is off.
    fn follow_past(&mut self) -> Option<f64> {
        let estimate = self.past.work / f64::from(self.past.seconds);
        let is_beyond = estimate > self.hashrate * TOLERANCE || estimate * TOLERANCE < self.hashrate;
        let shares = self.past.shares();
        let expected = self.hashrate * f64::from(self.past.seconds) / f64::from(self.past.share_work);
        if is_beyond && surprise(shares, expected) >= PAST_LIMIT { self.change(estimate, shares) } else { None }
    }

    /// To another hashrate, which so many shares confirm. They are kept as shares of its own target.
    fn change(&mut self, estimate: f64, shares: f64) -> Option<f64> {
        let before = self.hashrate;
        self.hashrate = self.bounded(estimate);
        let share_work = self.planned_work();
        let work = shares.min(PAST_SHARES) * share_work;
        self.past = Window { work, share_work: share_work as f32, seconds: (work / self.hashrate) as f32 };
        (self.hashrate != before).then_some(self.hashrate)
    }

    fn begin_block(&mut self, now: Time) {
        self.block = Window::default();
        self.block_since_ms = now.monotonic_ms;
    }

    /// The work of a share of the target that the hashrate asks for.
    fn planned_work(&self) -> f64 {
        (self.hashrate * 60.0 / f64::from(self.options.shares_per_minute)).clamp(1.0, f32::MAX.into())
    }

    fn bounded(&self, hashrate: f64) -> f64 {
        // What is not a number loses each comparison.
        hashrate.min(f64::from(f32::MAX)).max(f64::from(self.options.min_hashrate))
    }
}

/// Work that came in over some time.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// The sum of the shares' work, in hashes.
    work: f64,
    /// The mean work of a share, in which each counts by its work. The product of the two is the variance of `work`.
    share_work: f32,
    seconds: f32,
}

impl Window {
    fn add(&mut self, other: &Self) {
        let work = self.work + other.work;
        if work > 0.0 {
            let variance = self.work * f64::from(self.share_work) + other.work * f64::from(other.share_work);
            self.share_work = (variance / work) as f32;
        }
        self.work = work;
        self.seconds += other.seconds;
    }

    /// How many equal shares would say as much.
    fn shares(&self) -> f64 {
        if self.work > 0.0 { self.work / f64::from(self.share_work) } else { 0.0 }
    }

    fn weigh_at_most(&mut self, shares: f64) {
        let part = shares / self.shares().max(shares);
        self.work *= part;
        self.seconds *= part as f32;
    }
}

/// How surprising a number of shares is where others were expected: chance brings it so far from that, or farther, with a
/// probability of at most e^-surprise (Bernstein's bound for a Poisson variable).
fn surprise(came: f64, expected: f64) -> f64 {
    let apart = came - expected;
    let scale = came + 2.0 * expected;
    if scale > 0.0 { 1.5 * apart * apart / scale } else { 0.0 }
}

fn seconds_since(since_ms: u64, now: Time) -> f64 {
    now.monotonic_ms.saturating_sub(since_ms) as f64 / 1_000.0
}

/// Whether it is what a share of some target stands for.
fn is_work(work: f64) -> bool {
    (1.0..=f64::from(f32::MAX)).contains(&work)
}
