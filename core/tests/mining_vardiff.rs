//! Vardiff on miners whose shares come at random: how fast it finds a hashrate, and whether it then leaves the miner alone.

mod mining_miner;

use mining_miner::{Algorithm, Channel, Settling, Start, settling, steadiness};
use sv2_core::Time;
use sv2_core::mining::vardiff::{Vardiff, VardiffOptions};

const TH: f64 = 1e12;
const PH: f64 = 1e15;

/// The share rates of SRI's pool, of DATUM and of ckpool.
const SHARE_RATES: [f64; 3] = [6.0, 8.0, 18.0];

const SEEDS: u64 = 400;

impl Algorithm for Vardiff {
    fn share(&mut self, work: f64, now_ms: u64) {
        Vardiff::share(self, work, at(now_ms));
    }

    fn decide(&mut self, target_work: f64, now_ms: u64) -> Option<f64> {
        Vardiff::decide(self, target_work, at(now_ms))
    }
}

fn at(monotonic_ms: u64) -> Time {
    Time { monotonic_ms, unix_s: 0 }
}

fn options(shares_per_minute: f64) -> VardiffOptions {
    VardiffOptions { shares_per_minute: shares_per_minute as f32, min_hashrate: 1e9 }
}

fn channel(shares_per_minute: f64, said_hashrate: f64, hashrate: f64, seed: u64) -> Channel<Vardiff> {
    let vardiff = Vardiff::new(options(shares_per_minute), said_hashrate, at(0));
    Channel::new(vardiff, Start { shares_per_minute, said_hashrate }, hashrate, seed)
}

/// New channels whose client said something else.
fn settle(shares_per_minute: f64, said_hashrate: f64, hashrate: f64) -> Settling {
    settling((0..SEEDS).map(|seed| channel(shares_per_minute, said_hashrate, hashrate, seed)))
}

/// Channels that are two hours old when the miner changes.
fn settle_again(shares_per_minute: f64, before: f64, after: f64) -> Settling {
    settling((0..SEEDS).map(|seed| {
        let mut channel = channel(shares_per_minute, before, before, seed);
        channel.run(7_200, |_| ());
        channel.hashrate = after;
        channel
    }))
}

#[test]
fn a_hashrate_that_is_off_by_a_thousand_is_found_within_five_minutes() {
    for rate in SHARE_RATES {
        for (said, hashrate) in [(TH, PH), (PH, TH)] {
            let new = settle(rate, said, hashrate);
            println!("{rate} shares/min, {said:.0e} said, {hashrate:.0e} mined: {new:.3?}");
            assert!(new.within_2 > 0.96 && new.within_1_5 > 0.85 && new.bias.abs() < 0.15, "{rate}: {new:?}");
            assert!(new.ninety_percent_s < 120.0, "{rate}: {new:?}");
            let changed = settle_again(rate, said, hashrate);
            println!("{rate} shares/min, from {said:.0e} to {hashrate:.0e} after two hours: {changed:.3?}");
            assert!(
                changed.within_2 > 0.96 && changed.within_1_5 > 0.85 && changed.bias.abs() < 0.15,
                "{rate}: {changed:?}"
            );
        }
    }
}

#[test]
fn a_hashrate_that_is_off_by_ten_or_two_is_found_as_well() {
    for rate in SHARE_RATES {
        for factor in [10.0, 0.1, 2.0, 0.5] {
            let new = settle(rate, PH, PH * factor);
            println!("{rate} shares/min, 1 PH/s said, {factor} times as much mined: {new:.3?}");
            // Half of six shares a minute is too little for five of them to say much.
            let bar = if factor == 0.5 && rate < 18.0 { 0.6 } else { 0.9 };
            assert!(new.within_2 > bar, "{rate}: {new:?}");
        }
    }
}

#[test]
fn a_steady_miner_is_left_alone() {
    for rate in SHARE_RATES {
        let settled = (0..40).map(|seed| {
            let mut channel = channel(rate, PH, PH, seed);
            channel.run(3_600, |_| ());
            channel
        });
        let steady = steadiness(settled, 25);
        println!("{rate} shares/min, steady: {steady:.4?}");
        // A change after 3,000 shares at the earliest, on average.
        assert!(steady.changes_per_hour < rate * 60.0 / 3_000.0, "{rate}: {steady:?}");
        assert!(steady.bias.abs() < 0.02 && steady.spread < 0.1 && steady.outside_1_5 < 0.01, "{rate}: {steady:?}");
        assert!((steady.shares_per_minute / rate - 1.0).abs() < 0.02, "{rate}: {steady:?}");
    }
}

#[test]
fn a_miner_that_says_what_it_has_is_left_alone_from_the_start() {
    for rate in SHARE_RATES {
        let right = settle(rate, PH, PH);
        println!("{rate} shares/min, 1 PH/s said and mined: {right:.3?}");
        assert!(right.changes < 0.4 && right.within_1_5 > 0.9, "{rate}: {right:?}");
    }
}

#[test]
fn it_does_not_matter_when_a_new_target_gets_to_the_miner() {
    for (said, hashrate) in [(TH, PH), (PH, TH)] {
        let late = (0..SEEDS).map(|seed| channel(18.0, said, hashrate, seed).with_jobs_every(30));
        let late = settling(late);
        println!("jobs every 30 s, {said:.0e} said, {hashrate:.0e} mined: {late:.3?}");
        assert!(late.within_2 > 0.9 && late.bias.abs() < 0.2, "{late:?}");
    }
    let steady = steadiness((0..20).map(|seed| channel(6.0, PH, PH, seed).with_jobs_every(30)), 25);
    println!("jobs every 30 s, steady: {steady:.4?}");
    assert!(steady.changes_per_hour < 0.3 && steady.bias.abs() < 0.02, "{steady:?}");
}

#[test]
fn work_counts_for_what_it_is_when_the_target_changes() {
    // A miner of 1 PH/s with shares that are, in turn, of the right work, and of a tenth of it ten times as often.
    let mut vardiff = Vardiff::new(options(6.0), PH, at(0));
    let work = PH * 10.0;
    for round in 0..60 {
        let begin_ms = round * 20_000;
        vardiff.share(work, at(begin_ms + 10_000));
        assert_eq!(vardiff.decide(work, at(begin_ms + 10_000)), None);
        for share in 1..=10 {
            let now = at(begin_ms + 10_000 + share * 1_000);
            vardiff.share(work / 10.0, now);
            assert_eq!(vardiff.decide(work / 10.0, now), None, "round {round}, share {share}");
        }
    }
    assert!((vardiff.estimate(at(1_200_000)) / PH - 1.0).abs() < 0.05, "{}", vardiff.estimate(at(1_200_000)));
}

#[test]
fn a_silent_miner_is_lowered_to_the_minimum_and_not_below() {
    let mut vardiff = Vardiff::new(VardiffOptions { shares_per_minute: 6.0, min_hashrate: 1e10 }, PH, at(0));
    let mut steps = Vec::new();
    for second in 1..=3_600 {
        let target_work = vardiff.hashrate() * 10.0;
        if let Some(hashrate) = vardiff.decide(target_work, at(second * 1_000)) {
            steps.push((second, hashrate));
        }
    }
    // The first after a bit more than five expected shares, since its client said so; the others sooner.
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert!((53..=54).contains(&steps[0].0) && steps[1].0 - steps[0].0 <= 27, "{steps:?}");
    assert!(steps.windows(2).all(|pair| pair[1].1 < pair[0].1), "{steps:?}");
    assert_eq!(steps[3].1, f64::from(1e10_f32));
    assert_eq!(vardiff.hashrate(), f64::from(1e10_f32));
}

#[test]
fn a_client_that_cannot_have_an_easier_target_is_not_taken_for_silent() {
    // It mines 1 TH/s, but its max_target is that of 100 TH/s: a share in 1000 seconds.
    let work = 100.0 * TH * 10.0;
    let mut vardiff = Vardiff::new(options(6.0), TH, at(0));
    let mut lowest = vardiff.hashrate();
    for second in 1..=100_000 {
        if second % 1_000 == 0 {
            vardiff.share(work, at(second * 1_000));
        }
        vardiff.decide(work, at(second * 1_000));
        lowest = lowest.min(vardiff.hashrate());
    }
    assert_eq!(lowest, TH);
    assert!((vardiff.estimate(at(100_000_000)) / TH - 1.0).abs() < 0.05);
}

#[test]
fn a_flood_of_shares_is_answered_at_once() {
    let mut vardiff = Vardiff::new(options(6.0), TH, at(0));
    let work = TH * 10.0;
    let mut changed = None;
    let mut shares = 0;
    while changed.is_none() {
        shares += 1;
        vardiff.share(work, at(3));
        changed = vardiff.decide(work, at(3));
    }
    assert_eq!(shares, 256);
    // As if they had come within half a second: so fast that it is not known how fast.
    assert_eq!(changed, Some(2.0 * 255.0 * work));
}

#[test]
fn another_word_of_the_client_begins_anew() {
    let mut vardiff = Vardiff::new(options(6.0), PH, at(0));
    (0..100).for_each(|i| vardiff.share(PH * 10.0, at(i * 100)));
    vardiff.restart(TH, at(10_000));
    assert_eq!(vardiff.hashrate(), TH);
    assert_eq!(vardiff.decide(TH * 10.0, at(12_000)), None);
    assert!((vardiff.estimate(at(10_000)) / TH - 1.0).abs() < 1e-6);
}

#[test]
fn what_is_no_number_changes_nothing() {
    let strange = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1e39, f64::MAX, f64::MIN_POSITIVE];
    for said in strange {
        let mut vardiff = Vardiff::new(options(6.0), said, at(0));
        assert!((f64::from(1e9_f32)..=f64::from(f32::MAX)).contains(&vardiff.hashrate()), "{said}");
        vardiff.restart(PH, at(0));
        for work in strange {
            vardiff.share(work, at(5_000));
            assert_eq!(vardiff.decide(work, at(5_000)), None);
        }
        assert!((vardiff.estimate(at(0)) / PH - 1.0).abs() < 1e-6, "{said}");
    }
    let strange = VardiffOptions { shares_per_minute: f32::NAN, min_hashrate: f32::NAN };
    assert_eq!(strange.bounded(), VardiffOptions::default());
    let strange = VardiffOptions { shares_per_minute: -1.0, min_hashrate: f32::INFINITY };
    assert_eq!(strange.bounded(), VardiffOptions { shares_per_minute: 0.001, min_hashrate: f32::MAX });
}

#[test]
fn a_clock_that_stands_still_or_jumps_does_no_harm() {
    let mut vardiff = Vardiff::new(options(6.0), PH, at(1_000_000));
    vardiff.share(PH * 10.0, at(5));
    assert_eq!(vardiff.decide(PH * 10.0, at(0)), None);
    // A host that slept for ages.
    let lowered = vardiff.decide(PH * 10.0, at(u64::MAX)).unwrap();
    assert_eq!(lowered, f64::from(1e9_f32));
    assert!(vardiff.estimate(at(u64::MAX)).is_finite());
}

#[test]
fn it_takes_no_more_than_64_bytes() {
    assert!(size_of::<Vardiff>() <= 64, "{}", size_of::<Vardiff>());
}
