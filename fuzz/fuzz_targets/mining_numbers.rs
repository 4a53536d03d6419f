//! Whatever channels come and go, the allocator does what a simple model of it does; whatever shares come, accounts and vardiff give
//! numbers, an account acknowledges what was accepted, and a vardiff stays between its bounds.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use sv2_core::Time;
use sv2_core::mining::accounting::{Accounting, AccountingOptions};
use sv2_core::mining::extranonce::{ExtranonceAllocator, ExtranonceError, ExtranonceLayout, ExtranoncePrefix};
use sv2_core::mining::hashrate::{hashrate_of, target_for};
use sv2_core::mining::share::ShareError;
use sv2_core::mining::vardiff::{Vardiff, VardiffOptions};

fuzz_target!(|bytes: &[u8]| {
    allocate(bytes);
    account(bytes);
    adapt(bytes);
});

fn allocate(bytes: &[u8]) {
    let layout = ExtranonceLayout { upstream_prefix: &[], server_id: &[1], index_len: 1, rollable_len: 8 };
    let mut allocator = ExtranonceAllocator::new(layout).expect("it fits");
    let mut open: BTreeMap<u32, ExtranoncePrefix> = BTreeMap::new();
    let mut closed: BTreeSet<(u64, u32)> = BTreeSet::new();
    let mut epoch = 0;
    for step in bytes.chunks_exact(2) {
        let nth = usize::from(step[1]);
        match step[0] % 8 {
            0..4 => match allocator.allocate() {
                Ok(prefix) => {
                    let index = prefix.index();
                    assert!(!closed.iter().any(|(_, closed)| *closed == index), "{prefix:?} is in quarantine");
                    assert!(open.insert(index, prefix).is_none(), "{prefix:?} is in use");
                }
                Err(error) => {
                    assert_eq!(error, ExtranonceError::Exhausted);
                    assert_eq!(open.len() + closed.len(), 256);
                }
            },
            4..6 => {
                let Some(prefix) = open.values().nth(nth % open.len().max(1)).copied() else { continue };
                open.remove(&prefix.index());
                assert_eq!(allocator.release(prefix, epoch), Ok(()));
                assert_eq!(allocator.release(prefix, epoch), Err(ExtranonceError::NotInUse));
                closed.insert((epoch, prefix.index()));
            }
            6 => epoch += 1,
            _ => {
                let oldest = epoch.saturating_sub(nth as u64 % 4);
                let before = closed.len();
                closed.retain(|(epoch, _)| *epoch >= oldest);
                assert_eq!(allocator.reclaim(oldest), before - closed.len());
            }
        }
        assert_eq!((allocator.used(), allocator.quarantined()), (open.len(), closed.len()));
    }
}

fn account(bytes: &[u8]) {
    let mut accounting = Accounting::new(AccountingOptions::default());
    let (mut now, mut accepted, mut acknowledged) = (0_u64, 0_u64, 0_u64);
    let mut told = 0_u64;
    for (number, step) in (1..).zip(bytes.chunks_exact(10)) {
        let difficulty = f64::from_le_bytes(step[..8].try_into().expect("eight bytes"));
        now = now.saturating_add(u64::from(step[8]));
        let time = Time { monotonic_ms: now, unix_s: 0 };
        if step[9] < 200 {
            accounting.accept(number, difficulty, &[step[9]; 32], time);
            accepted += 1;
        } else {
            accounting.reject(ShareError::ALL[usize::from(step[9]) % ShareError::ALL.len()]);
        }
        let batch = if step[9] % 16 == 0 { accounting.flush() } else { accounting.due(time) };
        if let Some(batch) = batch {
            acknowledged += u64::from(batch.new_submits_accepted_count);
            told = told.checked_add(batch.new_shares_sum).expect("no more than the sum of all");
        }
    }
    acknowledged += accounting.flush().map_or(0, |batch| u64::from(batch.new_submits_accepted_count));
    assert_eq!(acknowledged, accepted);
    let totals = accounting.totals();
    assert_eq!(totals.accepted, accepted);
    assert!(totals.difficulty.is_finite() && totals.work.is_finite() && told as f64 <= totals.difficulty);
}

fn adapt(bytes: &[u8]) {
    let Some((head, steps)) = bytes.split_first_chunk::<16>() else { return };
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let options = VardiffOptions { shares_per_minute: float(&head[..4]), min_hashrate: float(&head[4..8]) }.bounded();
    let bounds = f64::from(options.min_hashrate)..=f64::from(f32::MAX);
    let said = f64::from_le_bytes(head[8..].try_into().expect("eight bytes"));
    let mut now = Time::default();
    let mut vardiff = Vardiff::new(options, said, now);
    for step in steps.chunks_exact(10) {
        let work = f64::from_le_bytes(step[..8].try_into().expect("eight bytes"));
        now.monotonic_ms = now.monotonic_ms.saturating_add(1 << (step[8] % 40));
        let planned = vardiff.hashrate() * 60.0 / f64::from(options.shares_per_minute);
        // Some work that may be anything, and some that is about right.
        let work = if step[9] % 2 == 0 { work } else { planned * f64::from(step[9]) / 16.0 };
        (0..step[9] % 5).for_each(|_| vardiff.share(work, now));
        if let Some(hashrate) = vardiff.decide(if step[9] % 3 == 0 { work } else { planned }, now) {
            assert_eq!(hashrate, vardiff.hashrate());
        }
        assert!(bounds.contains(&vardiff.hashrate()), "{}", vardiff.hashrate());
        assert!(bounds.contains(&vardiff.estimate(now)), "{}", vardiff.estimate(now));
        if let Some(target) = target_for(vardiff.hashrate(), options.shares_per_minute.into()) {
            assert!(hashrate_of(&target, options.shares_per_minute.into()).is_some_and(f64::is_finite));
        }
    }
}
