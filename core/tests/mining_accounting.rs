//! What a channel has earned, and when it is told.

mod bitcoin_data;

use bitcoin_data::Numbers;
use sv2_core::Time;
use sv2_core::bitcoin::{Hash, Target};
use sv2_core::message::SubmitSharesSuccess;
use sv2_core::mining::accounting::{Accounting, AccountingOptions, Batch};
use sv2_core::mining::share::ShareError;

const HASH: Hash = [0xff; 32];

fn at(monotonic_ms: u64) -> Time {
    Time { monotonic_ms, unix_s: 0 }
}

fn accounting() -> Accounting {
    Accounting::new(AccountingOptions::default())
}

fn batch(last_sequence_number: u32, new_submits_accepted_count: u32, new_shares_sum: u64) -> Option<Batch> {
    Some(Batch { last_sequence_number, new_submits_accepted_count, new_shares_sum })
}

#[test]
fn ten_shares_are_acknowledged_together() {
    let mut accounting = accounting();
    for sequence_number in 1..10 {
        accounting.accept(sequence_number, 3.0, &HASH, at(5));
        assert_eq!(accounting.due(at(5)), None);
    }
    accounting.accept(10, 3.0, &HASH, at(5));
    assert_eq!(accounting.due(at(5)), batch(10, 10, 30));
    assert_eq!(accounting.due(at(5_000)), None);
    assert_eq!(accounting.deadline(), None);
}

#[test]
fn fewer_shares_are_acknowledged_after_a_second() {
    let mut accounting = accounting();
    accounting.accept(7, 1.0, &HASH, at(100));
    accounting.accept(8, 2.0, &HASH, at(900));
    assert_eq!(accounting.deadline(), Some(1_100));
    assert_eq!(accounting.due(at(1_099)), None);
    assert_eq!(accounting.due(at(1_100)), batch(8, 2, 3));
    accounting.accept(9, 4.0, &HASH, at(5_000));
    assert_eq!(accounting.deadline(), Some(6_000));
}

#[test]
fn a_block_is_acknowledged_at_once_with_what_waits() {
    let mut accounting = accounting();
    assert_eq!(accounting.flush(), None);
    accounting.accept(1, 1.0, &HASH, at(0));
    accounting.accept(2, 1.0, &HASH, at(0));
    assert_eq!(accounting.flush(), batch(2, 2, 2));
    assert_eq!(accounting.flush(), None);
}

#[test]
fn each_share_is_acknowledged_by_itself_if_so_wanted() {
    for batch_shares in [0, 1] {
        let mut accounting = Accounting::new(AccountingOptions { batch_shares, batch_ms: 1_000 });
        assert_eq!(accounting.due(at(0)), None, "there is nothing to acknowledge");
        accounting.accept(4, 9.0, &HASH, at(0));
        assert_eq!(accounting.due(at(0)), batch(4, 1, 9));
    }
}

#[test]
fn the_message_carries_the_batch() {
    let batch = Batch { last_sequence_number: 3, new_submits_accepted_count: 2, new_shares_sum: 1_000 };
    let message = batch.message(77);
    let fields = SubmitSharesSuccess {
        channel_id: 77,
        last_sequence_number: 3,
        new_submits_accepted_count: 2,
        new_shares_sum: 1_000,
    };
    assert_eq!(message, fields);
}

#[test]
fn no_fraction_of_a_difficulty_is_lost_over_many_batches() {
    for difficulty in [0.001, 0.3, 0.75, 1.0 / 3.0, 1.999, 1e6 + 0.5] {
        let mut accounting = accounting();
        let mut told = 0;
        for share in 1..=100_000 {
            accounting.accept(share, difficulty, &HASH, at(0));
            told += accounting.due(at(0)).map_or(0, |batch| batch.new_shares_sum);
        }
        let mined = difficulty * 100_000.0;
        assert!((told as f64) <= mined + 1e-6 && mined < (told + 1) as f64 + 1e-6, "{told} of {mined}");
        let totals = accounting.totals();
        assert!((totals.difficulty / mined - 1.0).abs() < 1e-12, "{} of {mined}", totals.difficulty);
    }
}

#[test]
fn the_sum_does_not_depend_on_the_order_of_the_shares() {
    let mut numbers = Numbers(9);
    let mut shares: Vec<f64> = (0..10_000).map(|_| 2_f64.powi(numbers.below(60) as i32 - 20) * 1.1).collect();
    let sum = |shares: &[f64]| {
        let mut accounting = accounting();
        shares.iter().for_each(|share| accounting.accept(1, *share, &HASH, at(0)));
        accounting.totals().difficulty
    };
    let one_way = sum(&shares);
    shares.reverse();
    assert_eq!(sum(&shares), one_way);
    shares.sort_by(f64::total_cmp);
    assert_eq!(sum(&shares), one_way);
}

#[test]
fn totals_tell_what_the_channel_has_done() {
    let mut accounting = accounting();
    assert_eq!(accounting.totals().best_difficulty, 0.0);
    let target = Target::from_difficulty(1_000.0).unwrap();
    let best = Target::from_difficulty(123_456.0).unwrap();
    accounting.accept(1, target.difficulty(), &target.0, at(0));
    accounting.accept(2, target.difficulty(), &best.0, at(0));
    accounting.accept(3, target.difficulty(), &target.0, at(0));
    accounting.reject(ShareError::StaleShare);
    accounting.reject(ShareError::DuplicateShare);
    accounting.reject(ShareError::DuplicateShare);
    let totals = accounting.totals();
    assert_eq!(totals.accepted, 3);
    let rejected: Vec<_> = ShareError::ALL.into_iter().zip(totals.rejected).filter(|(_, count)| *count > 0).collect();
    assert_eq!(rejected, [(ShareError::StaleShare, 1), (ShareError::DuplicateShare, 2)]);
    assert!((totals.difficulty / 3_000.0 - 1.0).abs() < 1e-12);
    assert!((totals.work / (3.0 * target.work()) - 1.0).abs() < 1e-12);
    assert!((totals.best_difficulty / 123_456.0 - 1.0).abs() < 1e-12);
}

#[test]
fn what_is_no_difficulty_adds_nothing_and_the_largest_sum_stays() {
    let mut accounting = accounting();
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
        accounting.accept(1, strange, &HASH, at(0));
    }
    assert_eq!(accounting.flush(), batch(1, 5, 0));
    for _ in 0..3 {
        accounting.accept(2, f64::MAX, &HASH, at(0));
    }
    assert_eq!(accounting.flush(), batch(2, 3, u64::MAX));
    assert_eq!(accounting.totals().difficulty, 2_f64.powi(64));
    accounting.accept(3, 1.0, &HASH, at(u64::MAX));
    assert_eq!(accounting.due(at(u64::MAX)), batch(3, 1, 0));
}
