//! The allocator of extranonces.

mod bitcoin_data;

use std::collections::{BTreeMap, BTreeSet};

use bitcoin_data::Numbers;
use sv2_core::mining::extranonce::{ExtranonceAllocator, ExtranonceError, ExtranonceLayout, ExtranoncePrefix};

const POOL: ExtranonceLayout<'_> =
    ExtranonceLayout { upstream_prefix: &[], server_id: &[7], index_len: 3, rollable_len: 16 };

fn small() -> ExtranonceAllocator {
    ExtranonceAllocator::new(ExtranonceLayout { index_len: 1, ..POOL }).unwrap()
}

fn indices(prefixes: &[ExtranoncePrefix]) -> Vec<u32> {
    prefixes.iter().map(ExtranoncePrefix::index).collect()
}

#[test]
fn a_prefix_has_its_parts_in_order() {
    let layout = ExtranonceLayout { upstream_prefix: &[0xaa, 0xbb], server_id: &[7], index_len: 3, rollable_len: 4 };
    assert_eq!(layout.full_len(), 10);
    let mut allocator = ExtranonceAllocator::new(layout).unwrap();
    assert_eq!((allocator.full_len(), allocator.rollable_len(), allocator.capacity()), (10, 4, 1 << 24));
    let first = allocator.allocate().unwrap();
    let second = allocator.allocate().unwrap();
    assert_eq!(first.extended(), [0xaa, 0xbb, 7, 0, 0, 0]);
    assert_eq!(second.extended(), [0xaa, 0xbb, 7, 0, 0, 1]);
    assert_eq!(second.standard(), [0xaa, 0xbb, 7, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!((second.rollable_len(), second.index()), (4, 1));
    assert_eq!(format!("{second:?}"), "aabb07000001");
}

#[test]
fn a_layout_that_does_not_fit_is_refused() {
    let new = ExtranonceAllocator::new;
    assert!(new(ExtranonceLayout { rollable_len: 28, ..POOL }).is_ok());
    assert_eq!(new(ExtranonceLayout { rollable_len: 29, ..POOL }).err(), Some(ExtranonceError::TooLong));
    assert_eq!(new(ExtranonceLayout { rollable_len: usize::MAX, ..POOL }).err(), Some(ExtranonceError::TooLong));
    for index_len in [0, 5, usize::MAX] {
        assert_eq!(new(ExtranonceLayout { index_len, ..POOL }).err(), Some(ExtranonceError::IndexLength));
    }
    let widest = ExtranonceLayout { upstream_prefix: &[1; 28], server_id: &[], index_len: 4, rollable_len: 0 };
    let mut allocator = new(widest).unwrap();
    assert_eq!(allocator.capacity(), 1 << 32);
    let prefix = allocator.allocate().unwrap();
    assert_eq!(prefix.extended(), prefix.standard());
    assert_eq!(prefix.standard().len(), 32);
}

#[test]
fn an_index_comes_back_only_after_its_jobs_are_gone() {
    let mut allocator = small();
    let all: Vec<_> = (0..256).map(|_| allocator.allocate().unwrap()).collect();
    assert_eq!(allocator.allocate(), Err(ExtranonceError::Exhausted));
    allocator.release(all[3], 10).unwrap();
    allocator.release(all[1], 10).unwrap();
    allocator.release(all[2], 11).unwrap();
    assert_eq!((allocator.used(), allocator.quarantined()), (253, 3));
    assert_eq!(allocator.allocate(), Err(ExtranonceError::Exhausted));
    // The jobs of epoch 10 are alive.
    assert_eq!(allocator.reclaim(10), 0);
    assert_eq!(allocator.allocate(), Err(ExtranonceError::Exhausted));
    // They are not any more, those of epoch 11 are.
    assert_eq!(allocator.reclaim(11), 2);
    let again = [allocator.allocate().unwrap(), allocator.allocate().unwrap()];
    assert_eq!(indices(&again), [3, 1], "what was free for longest comes first");
    assert_eq!(allocator.allocate(), Err(ExtranonceError::Exhausted));
    assert_eq!(allocator.reclaim(12), 1);
    assert_eq!(allocator.allocate().unwrap(), all[2]);
}

#[test]
fn an_epoch_that_goes_back_frees_nothing_too_early() {
    let mut allocator = small();
    let prefixes = [allocator.allocate().unwrap(), allocator.allocate().unwrap()];
    allocator.release(prefixes[0], 20).unwrap();
    allocator.release(prefixes[1], 5).unwrap();
    assert_eq!(allocator.reclaim(20), 0);
    assert_eq!(allocator.reclaim(21), 2);
}

#[test]
fn a_prefix_can_be_released_once() {
    let mut allocator = small();
    let prefix = allocator.allocate().unwrap();
    assert_eq!(allocator.prefix(prefix.index()), Some(prefix));
    allocator.release(prefix, 1).unwrap();
    assert_eq!(allocator.prefix(prefix.index()), None);
    assert_eq!(allocator.release(prefix, 1), Err(ExtranonceError::NotInUse));
    allocator.reclaim(2);
    assert_eq!(allocator.release(prefix, 2), Err(ExtranonceError::NotInUse));
    let mut other = ExtranonceAllocator::new(POOL).unwrap();
    let far = (0..300).map(|_| other.allocate().unwrap()).last().unwrap();
    assert_eq!(allocator.release(far, 2), Err(ExtranonceError::NotInUse));
    assert_eq!((allocator.used(), allocator.quarantined()), (0, 0));
}

#[test]
fn another_upstream_prefix_changes_all_but_the_indices() {
    let layout = ExtranonceLayout { upstream_prefix: &[1, 2], ..POOL };
    let mut allocator = ExtranonceAllocator::new(layout).unwrap();
    let old = (0..3).map(|_| allocator.allocate().unwrap()).last().unwrap();
    allocator.set_upstream_prefix(&[9, 8, 7, 6]).unwrap();
    let new = allocator.renewed(old);
    assert_eq!(old.extended(), [1, 2, 7, 0, 0, 2]);
    assert_eq!(new.extended(), [9, 8, 7, 6, 7, 0, 0, 2]);
    assert_eq!((new.index(), new.standard().len()), (2, allocator.full_len()));
    // A shorter one, and a longer server id to keep the length.
    allocator.set_upstream_prefix(&[5]).unwrap();
    allocator.set_server_id(&[7, 0, 0, 0]).unwrap();
    assert_eq!(allocator.renewed(old).extended(), [5, 7, 0, 0, 0, 0, 0, 2]);
    assert_eq!(allocator.set_upstream_prefix(&[0; 10]), Err(ExtranonceError::TooLong));
    assert_eq!(allocator.set_server_id(&[0; 13]), Err(ExtranonceError::TooLong));
    assert_eq!(allocator.renewed(old).extended(), [5, 7, 0, 0, 0, 0, 0, 2], "what is refused changes nothing");
    allocator.release(allocator.renewed(old), 1).unwrap();
}

#[test]
fn channels_that_come_and_go_never_share_a_prefix_that_could_be_paid_twice() {
    let mut numbers = Numbers(1);
    let mut allocator = small();
    let mut open: BTreeMap<u32, ExtranoncePrefix> = BTreeMap::new();
    let mut closed: BTreeSet<(u64, u32)> = BTreeSet::new();
    let (mut epoch, mut refused, mut opened) = (0, 0, 0);
    for _ in 0..200_000 {
        match numbers.below(100) {
            0 => {
                epoch += 1;
                // The job of the tip before lives a little longer.
                allocator.reclaim(epoch - 1);
                closed.retain(|(closed_in, _)| *closed_in >= epoch - 1);
            }
            1..50 => {
                let nth = numbers.below(open.len().max(1));
                let Some(prefix) = open.values().nth(nth).copied() else { continue };
                open.remove(&prefix.index());
                allocator.release(prefix, epoch).unwrap();
                closed.insert((epoch, prefix.index()));
            }
            _ => match allocator.allocate() {
                Ok(prefix) => {
                    opened += 1;
                    assert!(!closed.iter().any(|(_, index)| *index == prefix.index()), "{prefix:?} is in quarantine");
                    assert!(open.insert(prefix.index(), prefix).is_none(), "{prefix:?} is in use");
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error, ExtranonceError::Exhausted);
                    assert_eq!(open.len() + closed.len(), 256, "there was one left");
                }
            },
        }
        assert_eq!((allocator.used(), allocator.quarantined()), (open.len(), closed.len()));
    }
    assert!(refused > 1_000 && opened > 20_000, "{refused} refused, {opened} opened");
}
