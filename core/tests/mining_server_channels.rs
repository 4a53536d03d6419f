//! The mining server opens, updates and closes channels (spec 5.2, 5.3.2 to 5.3.10).

mod mining_world;

use mining_world::{EASY, HARD_NBITS, Job, PATH, WORK, World, first_job, min_ntime, payout};
use sv2_core::bitcoin::Target;
use sv2_core::message::{
    CloseChannel, FLAG_REQUIRES_STANDARD_JOBS, FLAG_REQUIRES_WORK_SELECTION, Message, OpenExtendedMiningChannel,
    OpenMiningChannelError, OpenStandardMiningChannel, SetExtranoncePrefix, SetNewPrevHash, SetTarget, UpdateChannel,
    UpdateChannelError,
};
use sv2_core::mining::channel::ChannelKind;
use sv2_core::mining::hashrate::target_for;
use sv2_core::mining::server::{ChannelOpened, ClosedBy, Event, ServerError};
use sv2_core::wire::{Str, U256};

/// OpenExtendedMiningChannel that nothing speaks against.
fn extended() -> OpenExtendedMiningChannel<'static> {
    OpenExtendedMiningChannel {
        request_id: 9,
        user_identity: Str::from("user"),
        nominal_hash_rate: 1e12,
        max_target: U256::MAX,
        min_extranonce_size: 8,
    }
}

fn standard() -> OpenStandardMiningChannel<'static> {
    let OpenExtendedMiningChannel { request_id, user_identity, nominal_hash_rate, max_target, .. } = extended();
    OpenStandardMiningChannel { request_id, user_identity, nominal_hash_rate, max_target }
}

fn refused(error_code: &str) -> Message<'_> {
    OpenMiningChannelError { request_id: 9, error_code: Str::from(error_code) }.into()
}

#[test]
fn an_extended_channel_gets_success_then_a_future_job_then_the_tip_on_its_own_number() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    assert_eq!((opened.group_channel_id, opened.channel_id), (1, 2));
    assert_eq!(opened.extranonce_prefix[..], [0, 0, 0, 0]);
    assert_eq!((opened.extranonce_size, opened.kind), (16, ChannelKind::Extended));
    assert_eq!((&opened.user_identity[..], opened.work, opened.target), (&b"user"[..], WORK, EASY));
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::OpenExtendedMiningChannelSuccess(success), Message::NewExtendedMiningJob(job), tip] = messages[..]
    else {
        panic!("{messages:?}");
    };
    assert_eq!((success.request_id, success.channel_id, success.group_channel_id), (101, 2, 1));
    assert_eq!((success.target, success.extranonce_size), (U256(EASY.0), 16));
    assert_eq!(success.extranonce_prefix, [0, 0, 0, 0]);
    assert_eq!((job.channel_id, job.min_ntime, job.version), (2, None, 0x2000_0000));
    assert!(job.version_rolling_allowed);
    assert_eq!(job.merkle_path, PATH[..].into());
    let expected = SetNewPrevHash {
        channel_id: 2,
        job_id: job.job_id,
        prev_hash: U256([1; 32]),
        min_ntime: min_ntime(1),
        nbits: HARD_NBITS,
    };
    assert_eq!(tip, expected.into());
}

#[test]
fn a_standard_channel_gets_its_merkle_root_and_the_whole_extranonce_as_its_prefix() {
    let mut world = World::mining();
    world.set_up(1, FLAG_REQUIRES_STANDARD_JOBS);
    let opened = world.open_standard(1);
    world.set_up(2, 0);
    let other = world.open_extended(2);
    assert_eq!(opened.extranonce_prefix.len(), 20);
    assert_eq!(opened.extranonce_size, 0);
    let job = first_job(&world.take(2), &other, 1, HARD_NBITS);
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [
        Message::OpenStandardMiningChannelSuccess(success),
        Message::NewMiningJob(standard),
        Message::SetNewPrevHash(tip),
    ] = messages[..]
    else {
        panic!("{messages:?}");
    };
    assert_eq!((success.channel_id, success.group_channel_id), (2, 1));
    assert_eq!(success.extranonce_prefix, &opened.extranonce_prefix[..]);
    assert_eq!((standard.channel_id, standard.job_id, standard.min_ntime), (2, job.job_id, None));
    let job = Job { extranonce_prefix: opened.extranonce_prefix.to_vec(), ..job };
    assert_eq!(standard.merkle_root.0, job.header(&[], 0).merkle_root);
    assert_eq!((tip.channel_id, tip.job_id), (2, standard.job_id));
}

#[test]
fn a_channel_that_is_opened_before_there_is_work_gets_the_first_one() {
    let mut world = World::new();
    world.set_up(1, 0);
    world.open_extended(1);
    assert_eq!(world.take_names(1), ["OpenExtendedMiningChannel.Success"]);
    world.tip(1, HARD_NBITS);
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::NewExtendedMiningJob(job), Message::SetNewPrevHash(tip)] = messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((job.channel_id, job.min_ntime), (1, None));
    assert_eq!((tip.channel_id, tip.job_id), (1, job.job_id));
}

#[test]
fn channels_that_mine_the_same_are_one_group_and_others_another() {
    let mut world = World::mining();
    world.server.set_payout(8, payout(), "other", world.now).unwrap();
    world.set_up(1, 0);
    let opened = [
        world.open(1, true, WORK, None),
        world.open(1, true, WORK, None),
        world.open(1, false, 8, None),
        world.open(1, true, WORK, None),
    ];
    assert_eq!(opened.each_ref().map(|one| (one.group_channel_id, one.channel_id)), [(1, 2), (1, 3), (4, 5), (1, 6)]);
    let prefixes = opened.each_ref().map(|one| one.extranonce_prefix[..4].to_vec());
    assert_eq!(prefixes, [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 3]].map(Vec::from));
    world.take(1);
    world.template(9, false);
    let received = world.take(1);
    let groups: Vec<u32> = received
        .iter()
        .map(|one| match one.message() {
            Message::NewExtendedMiningJob(job) => job.channel_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(groups, [1, 4]);
}

#[test]
fn every_reason_to_refuse_a_channel_has_its_error_code() {
    let mut world = World::with(|options| (options.work_selection, options.max_channels) = (true, 2));
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    world.set_up(2, FLAG_REQUIRES_STANDARD_JOBS);
    world.set_up(3, FLAG_REQUIRES_WORK_SELECTION);
    for rate in [f32::NAN, f32::INFINITY, -1.0] {
        // request_id, user_identity, nominal_hash_rate, max_target, min_extranonce_size
        let payload = [&[9, 0, 0, 0, 1, b'u'], &rate.to_le_bytes()[..], &[0xff; 32], &[8, 0]].concat();
        world.send_frame(1, 0, 0x13, &payload);
        world.expect(1, refused("invalid-nominal-hashrate"));
        world.send_frame(1, 0, 0x10, &payload[..42]);
        world.expect(1, refused("invalid-nominal-hashrate"));
    }
    world.send(1, &OpenExtendedMiningChannel { max_target: U256([0; 32]), ..extended() });
    world.expect(1, refused("max-target-out-of-range"));
    world.send(2, &extended());
    world.expect(2, refused("extended-channels-not-supported-for-standard-jobs"));
    world.send(3, &standard());
    world.expect(3, refused("standard-channels-not-supported-for-custom-work"));
    assert_eq!(world.take_events().len(), 0);

    world.send(1, &OpenExtendedMiningChannel { min_extranonce_size: 17, ..extended() });
    assert_eq!(world.server.accept_channel(1, 9, WORK, None, world.now), Err(ServerError::ExtranonceSize));
    world.run();
    world.expect(1, refused("min-extranonce-size-too-large"));

    world.send(1, &extended());
    world.server.refuse_channel(1, 9, "unknown-user", world.now).unwrap();
    world.run();
    world.expect(1, refused("unknown-user"));
    assert_eq!(world.server.refuse_channel(1, 9, "unknown-user", world.now), Err(ServerError::UnknownRequest));

    world.take_events();
    world.open_extended(1);
    world.send(1, &extended());
    world.take(1);
    world.send(1, &OpenExtendedMiningChannel { request_id: 9, ..extended() });
    world.expect(1, refused("channel-capacity-exhausted"));
}

#[test]
fn an_unknown_work_leaves_the_request_waiting() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.send(1, &extended());
    assert_eq!(world.server.accept_channel(1, 9, 99, None, world.now), Err(ServerError::UnknownWork));
    assert_eq!(world.server.accept_channel(1, 10, WORK, None, world.now), Err(ServerError::UnknownRequest));
    assert_eq!(world.server.accept_channel(2, 9, WORK, None, world.now), Err(ServerError::UnknownConnection));
    assert_eq!(world.server.accept_channel(1, 9, WORK, None, world.now), Ok(2));
}

#[test]
fn extranonces_are_not_given_away_twice_before_the_tip_changes() {
    let mut world = World::with(|options| options.index_len = 1);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let all: Vec<ChannelOpened> = (0..256).map(|_| world.open_extended(1)).collect();
    let job = first_job(&world.take(1), &all[7], 1, HARD_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.send(1, &CloseChannel { channel_id: all[7].channel_id, reason_code: Str::from("bye") });
    world.take(1);
    world.send(1, &extended());
    let exhausted = world.server.accept_channel(1, 9, WORK, None, world.now);
    assert!(matches!(exhausted, Err(ServerError::Extranonce(_))), "{exhausted:?}");
    world.run();
    world.expect(1, refused("channel-capacity-exhausted"));
    world.tip(2, HARD_NBITS);
    world.take(1);
    world.take_events();
    assert_eq!(world.open_extended(1).extranonce_prefix[..], [0, 7]);
}

#[test]
fn opening_and_closing_without_a_share_uses_up_no_extranonces() {
    let mut world = World::with(|options| options.index_len = 1);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    for _ in 0..1_000 {
        let channel_id = world.open_extended(1).channel_id;
        world.send(1, &CloseChannel { channel_id, reason_code: Str::from("bye") });
        world.take_events();
    }
    assert_eq!(world.server.channels(), 0);
}

#[test]
fn the_target_is_that_of_the_nominal_hash_rate_but_no_easier_than_the_client_accepts() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let expected = target_for(1e12_f32.into(), 6.0).unwrap();
    assert_eq!(world.open(1, true, WORK, None).target, expected);
    let max_target = Target::from_difficulty(1e9).unwrap();
    world.send(1, &OpenExtendedMiningChannel { max_target: U256(max_target.0), ..extended() });
    world.server.accept_channel(1, 9, WORK, None, world.now).unwrap();
    world.send(1, &OpenExtendedMiningChannel { nominal_hash_rate: 0.0, ..extended() });
    let channel_id = world.server.accept_channel(1, 9, WORK, None, world.now).unwrap();
    assert_eq!(world.server.channel(1, 3).unwrap().target(), max_target);
    assert_eq!(world.server.channel(1, channel_id).unwrap().target(), target_for(1e6, 6.0).unwrap());
}

#[test]
fn update_channel_changes_the_target_and_says_what_is_wrong_with_it() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open(1, true, WORK, None);
    world.take(1);
    let update = UpdateChannel { channel_id: 2, nominal_hash_rate: 2e12, maximum_target: U256::MAX };
    world.send(1, &update);
    let target = target_for(2e12_f32.into(), 6.0).unwrap();
    world.expect(1, SetTarget { channel_id: 2, maximum_target: U256(target.0) }.into());
    match world.take_events()[..] {
        [Event::ChannelUpdated { connection: 1, channel_id: 2, nominal_hash_rate, max_target, target: now }] => {
            assert_eq!((nominal_hash_rate, max_target, now), (2e12, Target::MAX, target));
        }
        ref other => panic!("{other:?}"),
    }
    // The same again changes nothing.
    world.send(1, &update);
    world.expect_nothing(1);
    // A smaller maximum_target must be reflected.
    let smaller = Target::from_difficulty(1e7).unwrap();
    world.send(1, &UpdateChannel { maximum_target: U256(smaller.0), ..update });
    let received = world.take(1);
    assert_eq!(received[0].message(), SetTarget { channel_id: 2, maximum_target: U256(smaller.0) }.into());
    for (update, error_code) in [
        (UpdateChannel { channel_id: 3, ..update }, "invalid-channel-id"),
        (UpdateChannel { channel_id: 1, ..update }, "invalid-channel-id"),
        (UpdateChannel { maximum_target: U256([0; 32]), ..update }, "max-target-out-of-range"),
    ] {
        world.send(1, &update);
        let channel_id = update.channel_id;
        world.expect(1, UpdateChannelError { channel_id, error_code: Str::from(error_code) }.into());
    }
    for (channel_id, error_code) in [(2_u32, "invalid-nominal-hashrate"), (3, "invalid-channel-id")] {
        let payload = [&channel_id.to_le_bytes()[..], &f32::NAN.to_le_bytes(), &[0xff; 32]].concat();
        world.send_frame(1, 0x8000, 0x16, &payload);
        world.expect(1, UpdateChannelError { channel_id, error_code: Str::from(error_code) }.into());
    }
}

#[test]
fn a_miner_that_reports_each_flicker_of_its_hash_rate_is_measured_all_the_same() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open(1, true, WORK, None);
    world.take(1);
    // It finds nothing, and says every second that it has 1 TH/s, or a little more.
    for second in 0..300 {
        let nominal_hash_rate = if second % 2 == 0 { 1.01e12 } else { 1e12 };
        world.send(1, &UpdateChannel { channel_id: 2, nominal_hash_rate, maximum_target: U256::MAX });
        world.tick_after(1_000);
    }
    assert_eq!(world.server.channel(1, 2).unwrap().nominal_hash_rate(), 1e12);
    assert!(world.server.channel(1, 2).unwrap().target() > opened.target);
}

#[test]
fn what_a_miner_says_of_its_hash_rate_sets_its_target_at_most_twice_a_minute() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open(1, true, WORK, None);
    world.take(1);
    let mut say = |nominal_hash_rate: f32, after_ms| {
        world.tick_after(after_ms);
        world.send(1, &UpdateChannel { channel_id: 2, nominal_hash_rate, maximum_target: U256::MAX });
        world.server.channel(1, 2).unwrap().target() == target_for(nominal_hash_rate.into(), 6.0).unwrap()
    };
    assert!(say(1e13, 0));
    assert!(!say(1e12, 1_000));
    assert!(!say(1e12, 1_000));
    assert!(say(1e12, 28_000));
}

#[test]
fn a_large_change_of_the_target_comes_with_a_job_that_has_it() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open(1, true, WORK, None);
    world.take(1);
    world.send(1, &UpdateChannel { channel_id: 2, nominal_hash_rate: 1e13, maximum_target: U256::MAX });
    assert_eq!(world.take_names(1), ["SetTarget", "NewExtendedMiningJob"]);
    let target = target_for(1e13_f32.into(), 6.0).unwrap();
    assert_eq!(world.server.channel(1, 2).unwrap().active_target(), Some(target));
}

#[test]
fn the_host_can_set_a_target_which_then_stays() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open(1, false, WORK, None);
    world.take(1);
    world.server.set_target(1, 2, EASY, world.now).unwrap();
    world.run();
    assert_eq!(world.take_names(1), ["SetTarget", "NewMiningJob"]);
    world.tick_after(600_000);
    world.expect_nothing(1);
    assert_eq!(world.server.set_target(1, 3, EASY, world.now), Err(ServerError::UnknownChannel));
}

#[test]
fn a_client_closes_a_channel_or_a_whole_group() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let ids = [(); 3].map(|()| world.open_extended(1).channel_id);
    assert_eq!(ids, [2, 3, 4]);
    world.send(1, &CloseChannel { channel_id: 3, reason_code: Str::from("tired") });
    match &world.take_events()[..] {
        [Event::ChannelClosed(closed)] => {
            assert_eq!((closed.connection, closed.channel_id, closed.work), (1, 3, WORK));
            assert_eq!((&closed.user_identity[..], &closed.by), (&b"user"[..], &ClosedBy::Client(b"tired".to_vec())));
        }
        other => panic!("{other:?}"),
    }
    world.send(1, &CloseChannel { channel_id: 1, reason_code: Str::from("all") });
    assert_eq!(world.take_events().len(), 2);
    assert_eq!(world.server.channels(), 0);
    world.take(1);
    world.template(9, false);
    world.expect_nothing(1);
    // Numbers are not used again.
    let opened = world.open_extended(1);
    assert_eq!((opened.group_channel_id, opened.channel_id), (5, 6));
}

#[test]
fn the_host_closes_a_channel_and_its_shares_are_acknowledged_before() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.server.close_channel(1, 2, "go away", world.now).unwrap();
    world.run();
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::SubmitSharesSuccess(success), close] = messages[..] else { panic!("{messages:?}") };
    assert_eq!((success.last_sequence_number, success.new_submits_accepted_count), (1, 1));
    assert_eq!(close, CloseChannel { channel_id: 2, reason_code: Str::from("go away") }.into());
    assert!(matches!(&world.take_events()[..], [Event::ChannelClosed(closed)] if closed.by == ClosedBy::Host));
}

#[test]
fn channels_end_with_their_connection() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open_extended(1);
    world.open_extended(1);
    world.disconnect(1);
    let events = world.take_events();
    let by: Vec<&ClosedBy> = events
        .iter()
        .map(|event| match event {
            Event::ChannelClosed(closed) => &closed.by,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(by, [&ClosedBy::Disconnect, &ClosedBy::Disconnect]);
    assert_eq!((world.server.clients(), world.server.channels()), (0, 0));
}

#[test]
fn another_extranonce_prefix_holds_for_the_jobs_after_it() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let before = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.server.renew_extranonce_prefix(1, 2, world.now).unwrap();
    world.run();
    world.expect(1, SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &[0, 0, 0, 1] }.into());
    world.submit(1, &before.share(1, &[0; 16], 0));
    assert_eq!(world.expect_accepted().extranonce[..4], [0, 0, 0, 0]);
    world.template(9, false);
    let after = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let after = Job { extranonce_prefix: vec![0, 0, 0, 1], ..after };
    world.submit(1, &after.share(2, &[0; 16], 0));
    assert_eq!(world.expect_accepted().extranonce[..4], [0, 0, 0, 1]);
}

#[test]
fn a_prefix_that_future_jobs_were_sent_with_rests_until_they_are_over_too() {
    let mut world = World::with(|options| options.index_len = 1);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    (0..256).for_each(|_| drop(world.open_extended(1)));
    world.template(2, true);
    // The next tip makes the job active that was sent with the first prefix.
    world.send(1, &CloseChannel { channel_id: 3, reason_code: Str::from("bye") });
    world.tip(2, HARD_NBITS);
    world.template(3, true);
    world.server.renew_extranonce_prefix(1, 2, world.now).unwrap();
    world.prev_hash(3, HARD_NBITS);
    world.take(1);
    world.send(1, &extended());
    let exhausted = world.server.accept_channel(1, 9, WORK, None, world.now);
    assert!(matches!(exhausted, Err(ServerError::Extranonce(_))), "{exhausted:?}");
    world.tip(4, HARD_NBITS);
    world.take_events();
    assert_eq!(world.open_extended(1).extranonce_prefix[..], [0, 0]);
}
