//! The mining server with work that comes from another mining server, as a proxy has it.

mod mining_world;

use std::sync::Arc;

use mining_world::{EASY, HARD_NBITS, Job, World, first_job, min_ntime};
use sv2_core::message::{Message, NewExtendedMiningJob, SetExtranoncePrefix, SetNewPrevHash};
use sv2_core::mining::job::{ExtendedJob, JobSource};
use sv2_core::mining::server::{ServerError, UpstreamChannel, WorkId};
use sv2_core::mining::share::ShareError;
use sv2_core::wire::U256;

const UPSTREAM: WorkId = 1_000;

/// An upstream channel with a prefix of 4 bytes and 16 to divide.
const CHANNEL: UpstreamChannel<'static> =
    UpstreamChannel { extranonce_prefix: &[9, 9, 9, 9], extranonce_size: 16, rollable_len: 8 };

/// A world in which an upstream pool made a job for 20 bytes of extranonce.
struct Upstream {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl Upstream {
    fn new() -> Self {
        let mut pool = World::mining();
        pool.set_up(1, 0);
        let opened = pool.open_extended(1);
        let Job { prefix, suffix, .. } = first_job(&pool.take(1), &opened, 1, HARD_NBITS);
        Self { prefix, suffix }
    }

    fn job(&self, job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob<'_> {
        NewExtendedMiningJob {
            channel_id: 5,
            job_id,
            min_ntime,
            version: 0x2000_0000,
            version_rolling_allowed: true,
            merkle_path: mining_world::PATH[..].into(),
            coinbase_tx_prefix: &self.prefix,
            coinbase_tx_suffix: &self.suffix,
        }
    }
}

fn tip(job_id: u32, n: u8) -> SetNewPrevHash {
    let (prev_hash, min_ntime, nbits) = (U256([n; 32]), min_ntime(n), HARD_NBITS);
    SetNewPrevHash { channel_id: 5, job_id, prev_hash, min_ntime, nbits }
}

/// A proxy with an upstream job on tip 1, and miner 1 without a channel.
fn proxy(upstream: &Upstream, channel: &UpstreamChannel<'_>) -> (World, Arc<ExtendedJob>) {
    let mut world = World::new();
    world.server.set_upstream(UPSTREAM, channel, world.now).unwrap();
    let job = world.server.new_upstream_job(UPSTREAM, &upstream.job(70, None), world.now).unwrap();
    world.server.set_upstream_prev_hash(UPSTREAM, &tip(70, 1), world.now).unwrap();
    world.set_up(1, 0);
    (world, job)
}

#[test]
fn channels_divide_the_extranonces_of_one_upstream_channel() {
    let upstream = Upstream::new();
    let (mut world, job) = proxy(&upstream, &CHANNEL);
    let first = world.open(1, true, UPSTREAM, Some(EASY));
    let second = world.open(1, true, UPSTREAM, Some(EASY));
    // Upstream's, four zeros, an index of four, and eight to roll.
    assert_eq!(first.extranonce_prefix[..], [9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(second.extranonce_prefix[..], [9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!((first.extranonce_size, first.group_channel_id, second.group_channel_id), (8, 1, 1));
    let mine = first_job(&world.take(1), &first, 1, HARD_NBITS);
    world.submit(1, &mine.share(1, &[7; 8], 0));
    let share = world.expect_accepted();
    assert!(Arc::ptr_eq(&share.job, &job));
    assert_eq!(*share.job.source(), JobSource::Upstream(70));
    // What goes up is all but upstream's own prefix.
    assert_eq!(share.extranonce[4..], [0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
    assert_eq!(share.hash, mine.header(&[7; 8], share.nonce).hash());
}

#[test]
fn jobs_and_tips_from_above_go_to_the_group() {
    let upstream = Upstream::new();
    let (mut world, _) = proxy(&upstream, &CHANNEL);
    let opened = world.open(1, true, UPSTREAM, Some(EASY));
    let before = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.server.new_upstream_job(UPSTREAM, &upstream.job(71, Some(min_ntime(1) + 3)), world.now).unwrap();
    world.run();
    let received = world.take(1);
    let Message::NewExtendedMiningJob(job) = received[0].message() else { panic!("{received:?}") };
    assert_eq!((job.channel_id, job.min_ntime), (1, Some(min_ntime(1) + 3)));
    // The smallest nTime is the job's, which came later than the tip.
    let job = Job::new(&job, &opened, 1, HARD_NBITS);
    world.submit(1, &job.share(1, &[1; 8], 0));
    assert_eq!(world.expect_rejected(), ShareError::NtimeOutOfRange);
    world.submit(1, &Job { min_ntime: min_ntime(1) + 3, ..job }.share(2, &[1; 8], 0));
    world.expect_accepted();
    world.submit(1, &before.share(3, &[2; 8], 0));
    world.expect_accepted();
    world.take(1);
    world.server.new_upstream_job(UPSTREAM, &upstream.job(72, None), world.now).unwrap();
    world.server.set_upstream_prev_hash(UPSTREAM, &tip(72, 2), world.now).unwrap();
    world.run();
    assert_eq!(world.take_names(1), ["NewExtendedMiningJob", "SetNewPrevHash"]);
    world.submit(1, &before.share(4, &[3; 8], 0));
    assert_eq!(world.expect_rejected(), ShareError::StaleShare);
    assert_eq!(world.server.set_upstream_prev_hash(UPSTREAM, &tip(72, 3), world.now), Err(ServerError::UnknownJob));
}

#[test]
fn all_that_was_given_can_be_for_one_channel() {
    let upstream = Upstream::new();
    let exclusive = UpstreamChannel { rollable_len: 16, ..CHANNEL };
    let (mut world, _) = proxy(&upstream, &exclusive);
    let opened = world.open(1, true, UPSTREAM, Some(EASY));
    assert_eq!((&opened.extranonce_prefix[..], opened.extranonce_size), (&[9, 9, 9, 9][..], 16));
    let request_id = world.ask_channel(1, true, 1e12);
    let result = world.server.accept_channel(1, request_id, UPSTREAM, None, world.now);
    assert!(matches!(result, Err(ServerError::Extranonce(_))), "{result:?}");
    world.disconnect(1);
    world.set_up(2, 0);
    world.take_events();
    let opened = world.open(2, false, UPSTREAM, Some(EASY));
    assert_eq!(opened.extranonce_prefix[..4], [9, 9, 9, 9]);
    assert_eq!(opened.extranonce_prefix[4..], [0; 16]);
}

#[test]
fn another_prefix_from_above_holds_for_the_jobs_after_it() {
    let upstream = Upstream::new();
    let (mut world, _) = proxy(&upstream, &CHANNEL);
    let opened = world.open(1, true, UPSTREAM, Some(EASY));
    let before = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.server.set_upstream_prefix(UPSTREAM, &[8, 8, 8, 8], world.now).unwrap();
    world.run();
    let extranonce_prefix = [8, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    world.expect(1, SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &extranonce_prefix }.into());
    world.submit(1, &before.share(1, &[0; 8], 0));
    assert_eq!(world.expect_accepted().extranonce[..4], [9; 4]);
    world.server.new_upstream_job(UPSTREAM, &upstream.job(71, Some(min_ntime(1))), world.now).unwrap();
    world.run();
    let after = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let after = Job { extranonce_prefix: extranonce_prefix.to_vec(), ..after };
    world.submit(1, &after.share(2, &[0; 8], 0));
    assert_eq!(world.expect_accepted().extranonce[..4], [8; 4]);
}

#[test]
fn miners_stay_when_the_work_comes_from_another_server() {
    let upstream = Upstream::new();
    let (mut world, old) = proxy(&upstream, &CHANNEL);
    let opened = world.open(1, true, UPSTREAM, Some(EASY));
    world.open(1, false, UPSTREAM, Some(EASY));
    let before = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let other = UpstreamChannel { extranonce_prefix: &[7, 7], extranonce_size: 18, rollable_len: 8 };
    world.server.set_upstream(UPSTREAM, &other, world.now).unwrap();
    world.run();
    assert_eq!(world.take_names(1), ["SetExtranoncePrefix", "SetExtranoncePrefix"]);
    world.submit(1, &before.share(1, &[0; 8], 0));
    assert!(Arc::ptr_eq(&world.expect_accepted().job, &old));
    // The same number as before, from the other server.
    let new = world.server.new_upstream_job(UPSTREAM, &upstream.job(70, None), world.now).unwrap();
    world.server.set_upstream_prev_hash(UPSTREAM, &tip(70, 2), world.now).unwrap();
    world.run();
    let after = first_job(&world.take(1), &opened, 2, HARD_NBITS);
    let prefix = [&[7, 7][..], &[0; 10]].concat();
    world.submit(1, &Job { extranonce_prefix: prefix, ..after }.share(2, &[0; 8], 0));
    assert!(Arc::ptr_eq(&world.expect_accepted().job, &new));

    let fewer = UpstreamChannel { rollable_len: 4, ..CHANNEL };
    assert_eq!(world.server.set_upstream(UPSTREAM, &fewer, world.now), Err(ServerError::ExtranonceSize));
    let none = UpstreamChannel { extranonce_size: 8, ..CHANNEL };
    assert!(matches!(world.server.set_upstream(UPSTREAM, &none, world.now), Err(ServerError::Extranonce(_))));
}

#[test]
fn another_target_holds_from_the_next_upstream_job_and_no_job_is_sent_twice() {
    let upstream = Upstream::new();
    let (mut world, _) = proxy(&upstream, &CHANNEL);
    world.open(1, true, UPSTREAM, Some(EASY));
    let before = world.server.channel(1, 2).unwrap().active_job().unwrap().0;
    world.take(1);
    let mut harder = EASY;
    harder.0[31] = 0x0f;
    for target in [harder, EASY, harder] {
        world.server.set_target(1, 2, target, world.now).unwrap();
        world.run();
        assert_eq!(world.take_names(1), ["SetTarget"]);
        let channel = world.server.channel(1, 2).unwrap();
        assert_eq!((channel.live_jobs().count(), channel.active_job().unwrap().0), (1, before));
        assert_eq!(channel.active_target(), Some(EASY));
    }
    world.server.new_upstream_job(UPSTREAM, &upstream.job(71, Some(min_ntime(1))), world.now).unwrap();
    world.run();
    assert_eq!(world.take_names(1), ["NewExtendedMiningJob"]);
    assert_eq!(world.server.channel(1, 2).unwrap().active_target(), Some(harder));
}

#[test]
fn names_of_work_are_kept_apart() {
    let upstream = Upstream::new();
    let (mut world, _) = proxy(&upstream, &CHANNEL);
    let now = world.now;
    assert_eq!(world.server.set_upstream(mining_world::WORK, &CHANNEL, now), Err(ServerError::UnknownWork));
    assert_eq!(world.server.set_payout(UPSTREAM, mining_world::payout(), "", now), Err(ServerError::UnknownWork));
    let result = world.server.new_upstream_job(mining_world::WORK, &upstream.job(1, None), now);
    assert_eq!(result.unwrap_err(), ServerError::UnknownWork);
    let too_long = UpstreamChannel { extranonce_size: 29, ..CHANNEL };
    assert!(matches!(world.server.set_upstream(5, &too_long, now), Err(ServerError::Extranonce(_))));
    let too_few = UpstreamChannel { rollable_len: 17, ..CHANNEL };
    assert_eq!(world.server.set_upstream(5, &too_few, now), Err(ServerError::ExtranonceSize));
    world.server.set_upstream(5, &CHANNEL, now).unwrap();
    let result = world.server.new_upstream_job(5, &upstream.job(1, Some(1)), now);
    assert_eq!(result.unwrap_err(), ServerError::NoTip);
}

#[test]
fn who_comes_after_the_length_of_the_extranonce_has_changed_is_in_the_same_group() {
    let upstream = Upstream::new();
    let (mut world, _) = proxy(&upstream, &CHANNEL);
    let first = world.open(1, true, UPSTREAM, Some(EASY));
    let longer = UpstreamChannel { extranonce_prefix: &[6; 8], ..CHANNEL };
    world.server.set_upstream(UPSTREAM, &longer, world.now).unwrap();
    let second = world.open(1, true, UPSTREAM, Some(EASY));
    assert_eq!((first.group_channel_id, second.group_channel_id), (1, 1));
    assert_eq!(second.extranonce_prefix.len(), 16);
    world.server.close_channel(1, first.channel_id, "", world.now).unwrap();
    world.server.close_channel(1, second.channel_id, "", world.now).unwrap();
    assert_eq!(world.server.remove_work(UPSTREAM), Ok(()));
}

#[test]
fn who_comes_after_a_later_job_of_the_tip_has_its_later_ntime() {
    let upstream = Upstream::new();
    let (mut world, _) = proxy(&upstream, &CHANNEL);
    world.server.new_upstream_job(UPSTREAM, &upstream.job(71, Some(min_ntime(1) + 30)), world.now).unwrap();
    world.open(1, true, UPSTREAM, Some(EASY));
    let received = world.take(1);
    let tip = received.iter().find_map(|one| match one.message() {
        Message::SetNewPrevHash(tip) => Some(tip.min_ntime),
        _ => None,
    });
    assert_eq!(tip, Some(min_ntime(1) + 30));
}
