//! The server's side of channels alone, without an engine (spec 5.2).

use std::sync::Arc;

use sv2_core::Time;
use sv2_core::bitcoin::Target;
use sv2_core::message::NewTemplate;
use sv2_core::mining::channel::{
    ChannelKind, ChannelOptions, GroupChannel, ServerChannel, Submission, TooManyCustomJobs,
};
use sv2_core::mining::job::{ExtendedJob, JobFactory, Payout};
use sv2_core::mining::share::{Share, ShareError, Tip};

const NOW: Time = Time { monotonic_ms: 0, unix_s: 1_700_000_100 };

fn target(top: u8) -> Target {
    let mut bytes = [0xff; 32];
    bytes[31] = top;
    Target(bytes)
}

fn tip(n: u8) -> Tip {
    Tip::new([n; 32], 0x1d00_ffff, 1_700_000_000, None, NOW.unix_s).unwrap()
}

fn job(salt: u32) -> Arc<ExtendedJob> {
    let template = NewTemplate { coinbase_prefix: &[1, 9], coinbase_tx_value_remaining: 50, ..Default::default() };
    let payout = Payout::new(&[(&[0x51], 1)]).unwrap();
    Arc::new(JobFactory::new("pool", "", 20).unwrap().job(&template, &payout, salt).unwrap())
}

fn channel(kind: ChannelKind, options: ChannelOptions) -> ServerChannel {
    let prefix = [7; 20];
    let len = if kind == ChannelKind::Standard { 20 } else { 4 };
    ServerChannel::new(2, kind, prefix[..len].into(), 16, target(0x7f), Target::MAX, options)
}

/// A share of a job that meets the target.
fn share<'a>(job: &ExtendedJob, tip: &Tip, target: Target, extranonce: &'a [u8]) -> Share<'a> {
    let prefix = [7; 20];
    let merkle_root = job.merkle_root(&[&prefix[..20 - extranonce.len()], extranonce]);
    let mut header = sv2_core::bitcoin::Header {
        version: job.version(),
        prev_hash: tip.prev_hash,
        merkle_root,
        time: tip.min_ntime,
        nbits: tip.nbits,
        nonce: 0,
    };
    while !target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    Share { nonce: header.nonce, ntime: header.time, version: header.version, extranonce }
}

fn submission<'a>(job_id: u32, share: Share<'a>) -> Submission<'a> {
    Submission { sequence_number: 1, job_id, share, has_invalid_tlv: false }
}

#[test]
fn a_share_is_judged_and_counted_without_an_engine() {
    for (kind, extranonce) in [(ChannelKind::Extended, &[3; 16][..]), (ChannelKind::Standard, &[])] {
        let mut channel = channel(kind, ChannelOptions::default());
        let (job, tip) = (job(0), tip(1));
        let root = channel.add_future_job(5, Arc::clone(&job));
        assert_eq!(root.is_some(), kind == ChannelKind::Standard);
        let submission = submission(5, share(&job, &tip, target(0x7f), extranonce));
        assert_eq!(channel.submit(&submission, NOW).unwrap_err(), ShareError::InvalidJobId);
        assert!(channel.activate(5, &tip));
        let accepted = channel.submit(&submission, NOW).unwrap();
        assert_eq!((accepted.difficulty, accepted.work), (target(0x7f).difficulty(), target(0x7f).work()));
        assert!(accepted.block.is_none() && !accepted.wants_job);
        assert_eq!(channel.submit(&submission, NOW).unwrap_err(), ShareError::DuplicateShare);
        assert_eq!(channel.accounting().totals().accepted, 1);
        assert_eq!(channel.full_extranonce_len(), 20);
    }
}

#[test]
fn a_job_that_does_not_wait_cannot_be_activated_and_all_others_are_stale() {
    let mut channel = channel(ChannelKind::Extended, ChannelOptions::default());
    channel.add_future_job(5, job(0));
    channel.activate(5, &tip(1));
    channel.add_job(6, job(1), 1_700_000_000);
    channel.add_future_job(7, job(2));
    assert!(!channel.activate(9, &tip(2)));
    assert!(channel.active_job().is_none());
    let share = share(&job(0), &tip(2), target(0x7f), &[3; 16]);
    for job_id in [5, 6, 7] {
        assert_eq!(channel.submit(&submission(job_id, share), NOW).unwrap_err(), ShareError::StaleShare);
    }
    assert_eq!(channel.submit(&submission(8, share), NOW).unwrap_err(), ShareError::InvalidJobId);
    channel.set_tip(&tip(3));
    assert_eq!(channel.submit(&submission(5, share), NOW).unwrap_err(), ShareError::InvalidJobId);
}

#[test]
fn a_target_holds_for_jobs_that_become_active_after_it_and_is_no_easier_than_the_client_accepts() {
    let mut channel = channel(ChannelKind::Extended, ChannelOptions::default());
    channel.add_future_job(5, job(0));
    channel.add_future_job(6, job(1));
    channel.activate(5, &tip(1));
    assert!(channel.set_target(target(0x3f)));
    assert!(!channel.set_target(target(0x3f)));
    assert_eq!((channel.active_target(), channel.target()), (Some(target(0x7f)), target(0x3f)));
    channel.add_job(7, job(2), 0);
    assert_eq!(channel.active_target(), Some(target(0x3f)));
    channel.update(5.0, target(0x1f));
    assert_eq!((channel.target(), channel.nominal_hash_rate()), (target(0x1f), 5.0));
    assert!(!channel.set_target(Target::MAX));
    assert_eq!(channel.target(), target(0x1f));
}

#[test]
fn the_oldest_of_too_many_jobs_is_forgotten() {
    let options = ChannelOptions { past_jobs: 2, future_jobs: 2, ..ChannelOptions::default() };
    let mut channel = channel(ChannelKind::Extended, options);
    channel.set_tip(&tip(1));
    let same = job(0);
    channel.add_job(1, Arc::clone(&same), 0);
    channel.add_job(2, job(1), 0);
    channel.add_job(3, same, 0);
    channel.add_job(4, job(2), 0);
    let live: Vec<u32> = channel.live_jobs().map(|(job_id, _)| job_id).collect();
    assert_eq!(live, [4, 3, 2]);
    for job_id in [10, 11, 12] {
        channel.add_future_job(job_id, job(job_id));
    }
    channel.remove_future_job(11);
    assert_eq!(channel.future_jobs().map(|(job_id, _)| job_id).collect::<Vec<_>>(), [12]);
}

#[test]
fn a_custom_job_with_the_search_space_of_another_is_that_one() {
    let options = ChannelOptions { past_jobs: 0, ..ChannelOptions::default() };
    let mut channel = channel(ChannelKind::Extended, options);
    channel.set_tip(&tip(1));
    assert_eq!(channel.add_custom_job(1, job(0), 0, 2), Ok(1));
    assert_eq!(channel.add_custom_job(2, job(0), 5, 2), Ok(1));
    assert_eq!(channel.add_custom_job(3, job(1), 0, 2), Ok(3));
    assert_eq!(channel.add_custom_job(4, job(0), 0, 2), Err(TooManyCustomJobs));
    assert_eq!(channel.add_custom_job(5, job(2), 0, 2), Err(TooManyCustomJobs));
    channel.set_tip(&tip(2));
    assert_eq!(channel.add_custom_job(6, job(0), 0, 2), Ok(6));
}

#[test]
fn a_group_takes_in_channels_of_its_own_extranonce_length() {
    let mut group = GroupChannel::new(1, 20);
    assert!(group.add(3, 20) && group.add(2, 20));
    assert!(!group.add(3, 20) && !group.add(4, 19));
    assert_eq!((group.members(), group.group_channel_id(), group.full_extranonce_len()), (&[2, 3][..], 1, 20));
    assert!(group.remove(2) && !group.remove(2));
    assert_eq!(group.members(), [3]);
}

#[test]
fn a_share_of_a_job_that_was_sent_under_many_numbers_counts_once_however_many_are_forgotten() {
    let options = ChannelOptions { past_jobs: 2, ..ChannelOptions::default() };
    let mut channel = channel(ChannelKind::Extended, options);
    let (same, tip) = (job(0), tip(1));
    channel.set_tip(&tip);
    channel.add_job(1, Arc::clone(&same), 1_700_000_000);
    let share = share(&same, &tip, target(0x7f), &[3; 16]);
    assert!(channel.submit(&submission(1, share), NOW).is_ok());
    for job_id in 2..10 {
        channel.add_job(job_id, Arc::clone(&same), 1_700_000_000);
        assert_eq!(channel.submit(&submission(job_id, share), NOW).unwrap_err(), ShareError::DuplicateShare);
    }
    assert_eq!(channel.live_jobs().count(), 3);
}

#[test]
fn a_late_block_of_one_of_the_last_three_jobs_is_given_once_even_if_many_shares_are_remembered() {
    let options = ChannelOptions { max_shares_per_job: 1, ..ChannelOptions::default() };
    let mut channel = channel(ChannelKind::Extended, options);
    let easy = |n| Tip::new([n; 32], 0x207f_ffff, 1_700_000_000, None, NOW.unix_s).unwrap();
    channel.set_tip(&easy(1));
    for job_id in 1..=4 {
        channel.add_job(job_id, job(job_id), 1_700_000_000);
        let found = share(&job(job_id), &easy(1), target(0x7f), &[3; 16]);
        assert!(channel.submit(&submission(job_id, found), NOW).is_ok());
    }
    channel.set_tip(&easy(2));
    for job_id in 1..=4 {
        let late = submission(job_id, share(&job(job_id), &easy(1), target(0x7f), &[4; 16]));
        assert_eq!(channel.submit(&late, NOW).unwrap_err(), ShareError::StaleShare);
        assert_eq!(channel.late_block(&late, NOW).is_some(), job_id > 1, "job {job_id}");
        assert!(channel.late_block(&late, NOW).is_none(), "job {job_id}");
    }
}
