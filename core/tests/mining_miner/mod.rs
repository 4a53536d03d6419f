//! A simulation of channels under a vardiff: miners whose shares come at random, as those of real ones do, and what can be measured
//! of it. tests/interop runs another implementation through the same.
#![allow(dead_code)] // each test uses a part of it

/// A vardiff under test, whatever its interface is. Times are in milliseconds, hashrates in hashes per second.
pub trait Algorithm {
    /// A share of so much work was accepted.
    fn share(&mut self, work: f64, now_ms: u64);

    /// Asked after each share and each second: the hashrate that the next target is to be made from, if it should change.
    fn decide(&mut self, target_work: f64, now_ms: u64) -> Option<f64>;
}

/// What a pool wants and a client says: the start of a channel.
#[derive(Clone, Copy)]
pub struct Start {
    pub shares_per_minute: f64,
    pub said_hashrate: f64,
}

/// A channel with a miner behind it.
pub struct Channel<A> {
    pub algorithm: A,
    /// Of the miner.
    pub hashrate: f64,
    /// What the target was made from.
    pub assumed: f64,
    pub changes: u32,
    pub shares: u64,
    /// The work of all shares.
    pub work: f64,
    shares_per_minute: f64,
    /// A new target is that of the next job, which comes on these milliseconds; 0 if each new target gets a job at once.
    job_interval_ms: u64,
    target_work: f64,
    now_ms: f64,
    /// How much of a share's work is to be done until the next share.
    left: f64,
    random: Random,
}

impl<A: Algorithm> Channel<A> {
    pub fn new(algorithm: A, start: Start, hashrate: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            algorithm,
            hashrate,
            assumed: start.said_hashrate,
            changes: 0,
            shares: 0,
            work: 0.0,
            shares_per_minute: start.shares_per_minute,
            job_interval_ms: 0,
            target_work: start.said_hashrate * 60.0 / start.shares_per_minute,
            now_ms: 0.0,
            left: random.exponential(),
            random,
        }
    }

    pub fn with_jobs_every(self, seconds: u64) -> Self {
        Self { job_interval_ms: seconds * 1_000, ..self }
    }

    /// How much too high the hashrate is that the target was made from: 1 is right.
    pub fn ratio(&self) -> f64 {
        self.assumed / self.hashrate
    }

    /// Mines for so long, and shows itself each second.
    pub fn run(&mut self, seconds: u64, mut each_second: impl FnMut(&Self)) {
        let begin = self.now_ms;
        for second in 1..=seconds {
            self.mine_until(begin + second as f64 * 1_000.0);
            self.ask();
            each_second(self);
        }
    }

    fn mine_until(&mut self, end_ms: f64) {
        loop {
            let share_ms = self.target_work / self.hashrate * 1_000.0;
            let found_ms = self.now_ms + self.left * share_ms;
            if found_ms > end_ms {
                self.left -= (end_ms - self.now_ms) / share_ms;
                self.now_ms = end_ms;
                return;
            }
            self.now_ms = found_ms;
            self.left = self.random.exponential();
            self.shares += 1;
            self.work += self.target_work;
            self.algorithm.share(self.target_work, self.now_ms as u64);
            self.ask();
        }
    }

    fn ask(&mut self) {
        let now_ms = self.now_ms as u64;
        if let Some(hashrate) = self.algorithm.decide(self.target_work, now_ms) {
            self.changes += 1;
            self.assumed = hashrate;
        }
        if self.job_interval_ms == 0 || now_ms % self.job_interval_ms < 1_000 {
            self.target_work = self.assumed * 60.0 / self.shares_per_minute;
        }
    }
}

/// How channels are after five minutes, as parts of all or ratios to the miner's hashrate.
#[derive(Debug)]
pub struct Settling {
    /// Seconds until half of the channels, and nine tenths of them, were within a factor of 1.5 for the first time.
    pub median_s: f64,
    pub ninety_percent_s: f64,
    /// The part of the channels that are within a factor of 2, and of 1.5.
    pub within_2: f64,
    pub within_1_5: f64,
    /// What the ratios are off by on average.
    pub bias: f64,
    /// Changes of the target for each channel.
    pub changes: f64,
}

/// Five minutes of many channels.
pub fn settling<A: Algorithm>(channels: impl Iterator<Item = Channel<A>>) -> Settling {
    let mut first_s = Vec::new();
    let mut ratios = Vec::new();
    let mut changes = 0;
    for mut channel in channels {
        let (mut first, mut second) = (f64::INFINITY, 0.0_f64);
        let before = channel.changes;
        channel.run(300, |channel| {
            second += 1.0;
            if is_within(channel.ratio(), 1.5) {
                first = second.min(first);
            }
        });
        first_s.push(first);
        ratios.push(channel.ratio());
        changes += channel.changes - before;
    }
    first_s.sort_by(f64::total_cmp);
    let count = ratios.len() as f64;
    let part = |factor| ratios.iter().filter(|ratio| is_within(**ratio, factor)).count() as f64 / count;
    Settling {
        median_s: first_s[first_s.len() / 2],
        ninety_percent_s: first_s[first_s.len() * 9 / 10],
        within_2: part(2.0),
        within_1_5: part(1.5),
        bias: ratios.iter().sum::<f64>() / count - 1.0,
        changes: f64::from(changes) / count,
    }
}

/// How channels do whose miner is steady.
#[derive(Debug)]
pub struct Steadiness {
    /// Changes of the target.
    pub changes_per_hour: f64,
    /// What the ratios are off by on average over time.
    pub bias: f64,
    /// Their root mean square distance from 1.
    pub spread: f64,
    /// The part of the time that they are not within a factor of 1.5.
    pub outside_1_5: f64,
    pub shares_per_minute: f64,
}

/// Many hours of some channels.
pub fn steadiness<A: Algorithm>(channels: impl Iterator<Item = Channel<A>>, hours: u64) -> Steadiness {
    let (mut seconds, mut sum, mut squares, mut outside) = (0.0, 0.0, 0.0, 0.0);
    let (mut changes, mut shares) = (0, 0);
    for mut channel in channels {
        let (changes_before, shares_before) = (channel.changes, channel.shares);
        channel.run(hours * 3_600, |channel| {
            let off = channel.ratio() - 1.0;
            seconds += 1.0;
            sum += off;
            squares += off * off;
            outside += if is_within(channel.ratio(), 1.5) { 0.0 } else { 1.0 };
        });
        changes += channel.changes - changes_before;
        shares += channel.shares - shares_before;
    }
    Steadiness {
        changes_per_hour: f64::from(changes) * 3_600.0 / seconds,
        bias: sum / seconds,
        spread: (squares / seconds).sqrt(),
        outside_1_5: outside / seconds,
        shares_per_minute: shares as f64 * 60.0 / seconds,
    }
}

fn is_within(ratio: f64, factor: f64) -> bool {
    ratio <= factor && ratio * factor >= 1.0
}

/// A generator of numbers that are the same in every run: xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Any state but zero will do. The first numbers of neighbouring seeds are alike: they are not used.
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = random.next());
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The time between two arrivals where one is expected in a unit of time.
    fn exponential(&mut self) -> f64 {
        let unit = ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -unit.ln()
    }
}
