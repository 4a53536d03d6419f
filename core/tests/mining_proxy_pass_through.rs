//! The proxy in pass-through: each channel of a miner is a channel of the upstream.

mod mining_proxy_world;

use sv2_core::message::*;
use sv2_core::mining::proxy::{Event, Mode};
use sv2_core::mining::server::CloseReason;
use sv2_core::wire::{List, Str, U256};

use mining_proxy_world::*;

/// Two miners behind one upstream, each with an extended channel: 101 and 102 in group 7 there, 2 in group 1 here.
fn two_miners() -> World {
    let mut world = World::new(Mode::PassThrough);
    world.connect_upstream();
    for id in [1, 2] {
        world.connect_miner(id, 0);
        assert_eq!(world.pass_extended(id, 100 + id as u32, 7), 2);
    }
    world.events.clear();
    world
}

/// The group's job 5 becomes the one to work on. Gives the miners' id for it.
fn work_on(world: &mut World, job: &Job, group: u32, job_id: u32, tip: u8) -> u32 {
    world.upstream_says(&job.message(group, job_id, None));
    world.upstream_says(&prev_hash(group, job_id, tip));
    let [Message::NewExtendedMiningJob(sent), Message::SetNewPrevHash(activation)] = world.take_heard(1)[..] else {
        panic!()
    };
    assert_eq!(sent, job.message(1, sent.job_id, None));
    assert_eq!(activation, prev_hash(1, sent.job_id, tip));
    sent.job_id
}

#[test]
fn what_both_sides_say_goes_to_the_other_with_its_own_ids() {
    let mut world = two_miners();
    let job = Job::new(0x2000_0000);
    let job_id = work_on(&mut world, &job, 7, 5, 1);
    assert_eq!(
        world.take_heard(2),
        [Message::NewExtendedMiningJob(job.message(1, job_id, None)), Message::SetNewPrevHash(prev_hash(1, job_id, 1)),]
    );

    let extranonce = [9; 16];
    world.miner_says(2, &extended_share(2, 40, job_id, &extranonce));
    assert_eq!(world.take_upstream_heard(), [Message::SubmitSharesExtended(extended_share(102, 40, 5, &extranonce))]);
    let success = |channel_id| SubmitSharesSuccess {
        channel_id,
        last_sequence_number: 40,
        new_submits_accepted_count: 1,
        new_shares_sum: 3,
    };
    world.upstream_says(&success(102));
    assert_eq!(world.take_heard(2), [Message::SubmitSharesSuccess(success(2))]);
    assert_eq!(world.take_heard(1), []);
    let error =
        |channel_id| SubmitSharesError { channel_id, sequence_number: 41, error_code: Str::from("difficulty-too-low") };
    world.upstream_says(&error(101));
    assert_eq!(world.take_heard(1), [Message::SubmitSharesError(error(2))]);
    assert_eq!(
        world.take_events(),
        [
            Event::UpstreamAccepted { channel: Some(channel(2, 2)), count: 1, difficulty: 3 },
            Event::UpstreamRejected {
                channel: Some(channel(1, 2)),
                sequence_number: 41,
                error_code: "difficulty-too-low".into()
            },
        ]
    );

    let target = U256([3; 32]);
    world.upstream_says(&SetTarget { channel_id: 101, maximum_target: target });
    assert_eq!(world.take_heard(1), [Message::SetTarget(SetTarget { channel_id: 2, maximum_target: target })]);
    world.upstream_says(&SetTarget { channel_id: 7, maximum_target: EASY });
    for id in [1, 2] {
        assert_eq!(world.take_heard(id), [Message::SetTarget(SetTarget { channel_id: 2, maximum_target: EASY })]);
    }

    let update = |channel_id| UpdateChannel { channel_id, nominal_hash_rate: 5e12, maximum_target: target };
    world.miner_says(1, &update(2));
    assert_eq!(world.take_upstream_heard(), [Message::UpdateChannel(update(101))]);
    let refusal = |channel_id| UpdateChannelError { channel_id, error_code: Str::from("max-target-out-of-range") };
    world.upstream_says(&refusal(101));
    assert_eq!(world.take_heard(1), [Message::UpdateChannelError(refusal(2))]);
}

#[test]
fn a_channel_that_is_closed_by_one_side_is_closed_for_the_other() {
    let mut world = two_miners();
    let close = |channel_id, reason| CloseChannel { channel_id, reason_code: Str::from(reason) };
    world.miner_says(1, &close(2, "enough"));
    assert_eq!(world.take_upstream_heard(), [Message::CloseChannel(close(101, "closed by the miner"))]);

    let third = world.pass_extended(1, 103, 7);
    assert_eq!(third, 3);
    world.miner_says(1, &close(1, "the whole group"));
    assert_eq!(world.take_upstream_heard(), [Message::CloseChannel(close(103, "closed by the miner"))]);

    world.upstream_says(&close(7, "no more"));
    assert_eq!(world.take_heard(2), [Message::CloseChannel(close(2, "no more"))]);
    assert_eq!(world.take_heard(1), []);
    world.miner_says(2, &extended_share(2, 1, 1, &[0; 16]));
    let unknown = SubmitSharesError { channel_id: 2, sequence_number: 1, error_code: Str::from("invalid-channel-id") };
    assert_eq!(world.take_heard(2), [Message::SubmitSharesError(unknown)]);

    let fourth = world.pass_extended(2, 104, 7);
    assert_eq!(fourth, 3);
    world.disconnect_miner(2);
    assert_eq!(world.take_upstream_heard(), [Message::CloseChannel(close(104, "the miner is gone"))]);
}

#[test]
fn miners_that_require_standard_jobs_get_them_from_the_jobs_of_their_group() {
    let mut world = World::new(Mode::PassThrough);
    world.connect_upstream();
    world.connect_miner(1, FLAG_REQUIRES_STANDARD_JOBS);
    world.connect_miner(2, 0);
    let prefixes = [[1; 20], [2; 20], [3; 20]];
    assert_eq!(world.pass_standard(1, 11, 7, &prefixes[0]), 2);
    assert_eq!(world.pass_standard(1, 12, 7, &prefixes[1]), 3);
    assert_eq!(world.pass_standard(2, 13, 7, &prefixes[2]), 2);

    let job = Job::new(0x2000_0000);
    world.upstream_says(&job.message(7, 5, Some(9)));
    let heard = world.take_heard(1);
    let [Message::NewMiningJob(first), Message::NewMiningJob(second)] = heard[..] else { panic!("{heard:?}") };
    let standard = |channel_id, prefix: &[u8]| NewMiningJob {
        channel_id,
        job_id: first.job_id,
        min_ntime: Some(9),
        version: 0x2000_0000,
        merkle_root: job.merkle_root(prefix),
    };
    assert_eq!((first, second), (standard(2, &prefixes[0]), standard(3, &prefixes[1])));
    // One that can process extended jobs makes its own.
    assert_eq!(world.take_heard(2), [Message::NewExtendedMiningJob(job.message(1, first.job_id, Some(9)))]);

    world.upstream_says(&job.message(7, 6, None));
    let [Message::NewMiningJob(future), _] = world.take_heard(1)[..] else { panic!() };
    world.upstream_says(&prev_hash(7, 6, 1));
    assert_eq!(
        world.take_heard(1),
        [2, 3].map(|channel_id| Message::SetNewPrevHash(prev_hash(channel_id, future.job_id, 1)))
    );
    world.miner_says(1, &standard_share(3, 1, future.job_id, 8));
    assert_eq!(world.take_upstream_heard(), [Message::SubmitSharesStandard(standard_share(12, 1, 6, 8))]);

    // A new prefix is for the jobs that come after it.
    let renewed = SetExtranoncePrefix { channel_id: 12, extranonce_prefix: &[9; 20] };
    world.upstream_says(&renewed);
    assert_eq!(world.take_heard(1), [Message::SetExtranoncePrefix(SetExtranoncePrefix { channel_id: 3, ..renewed })]);
    world.upstream_says(&job.message(7, 8, Some(9)));
    let [_, Message::NewMiningJob(second)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!(second.merkle_root, job.merkle_root(&[9; 20]));
}

#[test]
fn jobs_for_one_channel_reach_only_it() {
    let mut world = two_miners();
    let job = Job::new(0x2000_0000);
    world.upstream_says(&job.message(102, 5, Some(1)));
    let [Message::NewExtendedMiningJob(sent)] = world.take_heard(2)[..] else { panic!() };
    assert_eq!(sent, job.message(2, sent.job_id, Some(1)));
    assert_eq!(world.take_heard(1), []);

    // Once a channel is in another group, the miner's group is not addressed as a whole any more.
    world.pass_extended(1, 103, 7);
    let regroup = SetGroupChannel { group_channel_id: 8, channel_ids: List::Items(&[103]) };
    world.upstream_says(&regroup);
    world.upstream_says(&job.message(7, 6, None));
    let [Message::NewExtendedMiningJob(sent)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!(sent, job.message(2, sent.job_id, None));
    world.upstream_says(&prev_hash(7, 6, 3));
    assert_eq!(world.take_heard(1), [Message::SetNewPrevHash(prev_hash(2, sent.job_id, 3))]);
    world.upstream_says(&job.message(8, 6, None));
    let [Message::NewExtendedMiningJob(sent)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!(sent.channel_id, 3);
}

#[test]
fn a_channel_that_is_put_into_another_group_goes_on_with_the_job_it_has() {
    let mut world = World::new(Mode::PassThrough);
    world.connect_upstream();
    world.connect_miner(1, 0);
    let channel_id = world.pass_extended(1, 101, 7);
    let job = Job::new(0x2000_0000);
    world.upstream_says(&job.message(7, 5, None));
    world.upstream_says(&prev_hash(7, 5, 1));
    let [Message::NewExtendedMiningJob(sent), _] = world.take_heard(1)[..] else { panic!() };
    world.upstream_says(&SetGroupChannel { group_channel_id: 8, channel_ids: List::Items(&[101]) });
    world.miner_says(1, &extended_share(channel_id, 1, sent.job_id, &[4; 16]));
    assert_eq!(world.take_heard(1), []);
    let up = extended_share(101, 1, 5, &[4; 16]);
    assert_eq!(world.take_upstream_heard(), [Message::SubmitSharesExtended(up)]);
}

#[test]
fn a_refused_channel_is_refused_and_one_for_a_miner_that_left_is_closed() {
    let mut world = World::new(Mode::PassThrough);
    world.connect_upstream();
    world.connect_miner(1, 0);
    world.miner_says(1, &open_extended(7, "miner", 4));
    let [Message::OpenExtendedMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!(asked, OpenExtendedMiningChannel { request_id: asked.request_id, ..open_extended(7, "miner", 4) });
    let refusal = |request_id| OpenMiningChannelError { request_id, error_code: Str::from("unknown-user") };
    world.upstream_says(&refusal(asked.request_id));
    assert_eq!(world.take_heard(1), [Message::OpenMiningChannelError(refusal(7))]);

    world.miner_says(1, &open_standard(8, "miner"));
    let [Message::OpenStandardMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    world.disconnect_miner(1);
    // Another one has its name now.
    world.connect_miner(1, 0);
    world.upstream_says(&OpenStandardMiningChannelSuccess {
        request_id: asked.request_id,
        channel_id: 55,
        group_channel_id: 1,
        extranonce_prefix: &[1; 20],
        target: EASY,
    });
    let close = CloseChannel { channel_id: 55, reason_code: Str::from("the miner is gone") };
    assert_eq!(world.take_upstream_heard(), [Message::CloseChannel(close)]);
    assert_eq!(world.take_heard(1), []);
}

#[test]
fn a_miner_that_comes_before_the_upstream_waits_for_it() {
    let mut world = World::new(Mode::PassThrough);
    world.connect_miner(1, 0);
    world.miner_says(1, &open_standard(8, "miner"));
    assert_eq!(world.take_heard(1), []);
    world.tick_after(300_000);
    assert!(world.closed.is_empty());
    world.accept_upstream(0);
    // This one says nothing about extensions.
    assert!(matches!(world.take_upstream_heard()[..], [_, Message::RequestExtensions(_)]));
    world.tick_after(1_000);
    assert_eq!(world.take_events(), [Event::UpstreamReady { upstream: 0 }]);
    let [Message::OpenStandardMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!(asked, OpenStandardMiningChannel { request_id: asked.request_id, ..open_standard(8, "miner") });
}

#[test]
fn the_user_of_the_options_is_paid_for_all() {
    let mut options = options(Mode::PassThrough, 1);
    options.upstreams[0].user_identity = "operator".into();
    let mut world = World::with(options);
    world.connect_upstream();
    world.connect_miner(1, 0);
    world.miner_says(1, &open_standard(8, "miner"));
    let [Message::OpenStandardMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!(asked.user_identity, Str::from("operator"));
}

#[test]
fn messages_of_unknown_extensions_are_passed_on_with_the_id_changed_and_nothing_else() {
    let mut world = two_miners();
    world.miner_says_raw(2, 0x8000 | 0x4abc, 3, &[2, 0, 0, 0, 0xde, 0xad]);
    let [Message::Unknown(heard)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!((heard.tag, heard.payload), (0x004a_bc03, &[102, 0, 0, 0, 0xde, 0xad][..]));
    world.upstream_says_raw(0x8000 | 0x4abc, 4, &[101, 0, 0, 0, 0xbe, 0xef]);
    let [Message::Unknown(heard)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!((heard.tag, heard.payload), (0x004a_bc04, &[2, 0, 0, 0, 0xbe, 0xef][..]));
    // Those for the proxy itself are ignored (spec 3.4.1), as are those for no channel.
    world.miner_says_raw(1, 0x4abc, 3, &[2, 0, 0, 0]);
    world.miner_says_raw(1, 0x8000 | 0x4abc, 3, &[9, 0, 0, 0]);
    world.miner_says_raw(1, 0x8000 | 0x4abc, 3, &[9]);
    assert_eq!(world.take_upstream_heard(), []);
    assert!(world.closed.is_empty());
}

#[test]
fn the_worker_is_named_upstream_if_the_upstream_wants_it() {
    let mut world = World::new(Mode::PassThrough);
    world.accept_upstream(0);
    world.upstream_says(&RequestExtensionsSuccess { request_id: 1, supported_extensions: List::Items(&[2]) });
    world.upstream_heard.clear();
    world.connect_miner(1, 0);
    world.miner_says(1, &RequestExtensions { request_id: 4, requested_extensions: List::Items(&[2, 0x4abc]) });
    assert_eq!(
        world.take_heard(1),
        [Message::RequestExtensionsSuccess(RequestExtensionsSuccess {
            request_id: 4,
            supported_extensions: List::Items(&[2])
        })]
    );
    world.pass_extended(1, 101, 7);
    let job_id = work_on(&mut world, &Job::new(0x2000_0000), 7, 5, 1);
    let mut share = vec![0; 64];
    let len = extended_share(2, 1, job_id, &[9; 16]).encode(&mut share).unwrap();
    share.truncate(len);
    share.extend([2, 0, 1, 3, 0, b'b', b'o', b'b']);
    world.miner_says_raw(1, 0x8000, 0x1b, &share);
    assert_eq!(trailing_of_last_share(&mut world), [2, 0, 1, 3, 0, b'b', b'o', b'b']);
    // One that does not say it is named by its channel: whoever has negotiated it must send it.
    world.miner_says(1, &extended_share(2, 2, job_id, &[9; 16]));
    assert_eq!(trailing_of_last_share(&mut world), *b"\x02\x00\x01\x05\x00miner");
}

/// What follows the fields of the share that the upstream was sent last.
fn trailing_of_last_share(world: &mut World) -> Vec<u8> {
    let bytes = world.upstream_bytes.split_off(0);
    let (frame, []) = sv2_core::frame::Frame::split(&bytes).unwrap() else { panic!() };
    let fields = SubmitSharesExtended::decode(frame.payload).unwrap().encoded_len().unwrap();
    frame.payload[fields..].to_vec()
}

#[test]
fn a_miner_that_breaks_the_protocol_is_closed() {
    let mut world = World::new(Mode::PassThrough);
    world.connect_upstream();
    world.connect_miner_only(1);
    world.miner_says(1, &setup(FLAG_REQUIRES_WORK_SELECTION));
    let refusal = SetupConnectionError {
        flags: FLAG_REQUIRES_WORK_SELECTION,
        error_code: Str::from("unsupported-feature-flags"),
    };
    assert_eq!(world.take_heard(1), [Message::SetupConnectionError(refusal)]);
    world.connect_miner_only(2);
    world.miner_says(2, &open_standard(1, "miner"));
    world.connect_miner(3, 0);
    world.miner_says(3, &setup(0));
    world.connect_miner(4, 0);
    world.miner_says_raw(4, 0, 0x10, &[1, 2]);
    world.connect_miner(5, 0);
    world.tick_after(60_000);
    assert_eq!(world.closed[0], (1, CloseReason::SetupRefused("unsupported-feature-flags")));
    assert_eq!(world.closed[1], (2, CloseReason::BeforeSetup("OpenStandardMiningChannel")));
    assert_eq!(world.closed[2], (3, CloseReason::SecondSetup));
    assert!(matches!(world.closed[3], (4, CloseReason::Connection(_))));
    assert_eq!(world.closed[4..], [(5, CloseReason::NoChannel)]);

    world.connect_miner(6, FLAG_REQUIRES_STANDARD_JOBS);
    world.miner_says(6, &open_extended(1, "miner", 4));
    let refusal = OpenMiningChannelError {
        request_id: 1,
        error_code: Str::from("extended-channels-not-supported-for-standard-jobs"),
    };
    assert_eq!(world.take_heard(6), [Message::OpenMiningChannelError(refusal)]);
    assert_eq!(world.take_upstream_heard(), []);
}

#[test]
fn a_fixed_version_upstream_is_told_to_miners() {
    let mut world = World::new(Mode::PassThrough);
    world.accept_upstream(SUCCESS_FLAG_REQUIRES_FIXED_VERSION);
    world.connect_miner_only(1);
    world.miner_says(1, &setup(0));
    let flags = SUCCESS_FLAG_REQUIRES_FIXED_VERSION;
    assert_eq!(
        world.take_heard(1),
        [Message::SetupConnectionSuccess(SetupConnectionSuccess { used_version: 2, flags })]
    );
    world.connect_miner_only(2);
    world.miner_says(2, &setup(FLAG_REQUIRES_VERSION_ROLLING));
    let refusal = SetupConnectionError {
        flags: FLAG_REQUIRES_VERSION_ROLLING,
        error_code: Str::from("unsupported-feature-flags"),
    };
    assert_eq!(world.take_heard(2), [Message::SetupConnectionError(refusal)]);
}
