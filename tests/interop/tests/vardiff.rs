//! Our vardiff and that of channels_sv2 on the same simulated miners: how fast each finds a hashrate, and whether it then leaves the
//! miner alone. Printed side by side; asserted is that ours settles sooner, and that it disturbs a steady miner rarely. Of those, theirs
//! disturbs some less: it counts from its last change on, however long ago that was, so with the hours it gets more exact and
//! sees no change any more.

#[path = "../../../core/tests/mining_miner/mod.rs"]
mod mining_miner;

use std::time::{SystemTime, UNIX_EPOCH};

use mining_miner::{Algorithm, Channel, Settling, Start, Steadiness, settling, steadiness};
use stratum_core::bitcoin::Target;
use stratum_core::channels_sv2::vardiff::Vardiff as _;
use stratum_core::channels_sv2::vardiff::classic::VardiffState;
use sv2_core::Time;
use sv2_core::mining::hashrate::target_for;
use sv2_core::mining::vardiff::{Vardiff, VardiffOptions};

const TH: f64 = 1e12;
const PH: f64 = 1e15;
const SEEDS: u64 = 200;

/// Their pool asks so often.
const THEIR_INTERVAL_MS: u64 = 60_000;

struct Ours(Vardiff);

impl Algorithm for Ours {
    fn share(&mut self, work: f64, now_ms: u64) {
        self.0.share(work, at(now_ms));
    }

    fn decide(&mut self, target_work: f64, now_ms: u64) -> Option<f64> {
        self.0.decide(target_work, at(now_ms))
    }
}

/// Theirs reads the clock: before it is asked, the time of its last update is set to as long ago as the simulation says.
struct Theirs {
    state: VardiffState,
    shares_per_minute: f64,
    hashrate: f64,
    updated_ms: u64,
    asked_ms: u64,
}

impl Algorithm for Theirs {
    fn share(&mut self, _: f64, _: u64) {
        self.state.increment_shares_since_last_update();
    }

    fn decide(&mut self, _: f64, now_ms: u64) -> Option<f64> {
        if now_ms < self.asked_ms + THEIR_INTERVAL_MS {
            return None;
        }
        self.asked_ms = now_ms;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.state.set_timestamp_of_last_update(clock - (now_ms - self.updated_ms) / 1_000);
        let target = Target::from_le_bytes(target_for(self.hashrate, self.shares_per_minute).unwrap().0);
        let asked = self.state.try_vardiff(self.hashrate as f32, &target, self.shares_per_minute as f32);
        let hashrate = f64::from(asked.unwrap()?);
        self.updated_ms = now_ms;
        self.hashrate = hashrate;
        Some(hashrate)
    }
}

fn at(monotonic_ms: u64) -> Time {
    Time { monotonic_ms, unix_s: 0 }
}

fn ours(start: Start) -> Ours {
    let options = VardiffOptions { shares_per_minute: start.shares_per_minute as f32, min_hashrate: 1e9 };
    Ours(Vardiff::new(options, start.said_hashrate, at(0)))
}

fn theirs(start: Start) -> Theirs {
    let state = VardiffState::new_with_min(1e9).unwrap();
    let (shares_per_minute, hashrate) = (start.shares_per_minute, start.said_hashrate);
    Theirs { state, shares_per_minute, hashrate, updated_ms: 0, asked_ms: 0 }
}

fn settle<A: Algorithm>(algorithm: fn(Start) -> A, start: Start, hashrate: f64) -> Settling {
    settling((0..SEEDS).map(|seed| Channel::new(algorithm(start), start, hashrate, seed)))
}

/// Channels whose miner changes when they are two hours old.
fn settle_again<A: Algorithm>(algorithm: fn(Start) -> A, start: Start, hashrate: f64) -> Settling {
    settling((0..SEEDS).map(|seed| {
        let mut channel = Channel::new(algorithm(start), start, start.said_hashrate, seed);
        channel.run(7_200, |_| ());
        channel.hashrate = hashrate;
        channel
    }))
}

fn steady<A: Algorithm>(algorithm: fn(Start) -> A, start: Start) -> Steadiness {
    let settled = (0..20).map(|seed| {
        let mut channel = Channel::new(algorithm(start), start, start.said_hashrate, seed);
        channel.run(3_600, |_| ());
        channel
    });
    steadiness(settled, 20)
}

#[test]
fn a_hashrate_is_found_sooner_and_a_steady_miner_is_disturbed_rarely() {
    for shares_per_minute in [6.0, 8.0, 18.0] {
        for (said_hashrate, hashrate) in [(TH, PH), (PH, TH)] {
            let start = Start { shares_per_minute, said_hashrate };
            let (ours, theirs) = (settle(ours, start, hashrate), settle(theirs, start, hashrate));
            println!(
                "{shares_per_minute} shares/min, {said_hashrate:.0e} said, {hashrate:.0e} mined, after five minutes"
            );
            println!("  ours    {ours:.3?}\n  theirs  {theirs:.3?}");
            assert!(ours.within_2 >= theirs.within_2 && ours.median_s <= theirs.median_s);
        }
        let start = Start { shares_per_minute, said_hashrate: PH };
        let (ours_again, theirs_again) = (settle_again(ours, start, TH), settle_again(theirs, start, TH));
        println!("{shares_per_minute} shares/min, from 1 PH/s to 1 TH/s after two hours, and five minutes later");
        println!("  ours    {ours_again:.3?}\n  theirs  {theirs_again:.3?}");
        assert!(ours_again.within_2 > theirs_again.within_2);
        let (ours, theirs) = (steady(ours, start), steady(theirs, start));
        println!("{shares_per_minute} shares/min, steady");
        println!("  ours    {ours:.3?}\n  theirs  {theirs:.3?}");
        assert!(ours.changes_per_hour < 0.5 && ours.spread < theirs.spread + 0.04 && ours.bias.abs() < 0.02);
    }
}
