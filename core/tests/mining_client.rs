//! The mining client: setting up, channels, jobs in the order that servers send them, and targets.

mod mining_client_world;

use mining_client_world::*;
use sv2_core::bitcoin::Target;
use sv2_core::message::*;
use sv2_core::mining::client::{ClientError, ClientOptions, CloseReason, JobState};
use sv2_core::wire::{List, Str, U256};

#[test]
fn the_setup_names_the_protocol_its_flags_and_who_asks() {
    let world = World::with(|options| {
        options.requires_standard_jobs = true;
        options.requires_version_rolling = true;
        options.endpoint_host.push_str("pool.example");
        options.endpoint_port = 3333;
    });
    let setup = SetupConnection {
        protocol: PROTOCOL_MINING,
        min_version: 2,
        max_version: 2,
        flags: FLAG_REQUIRES_STANDARD_JOBS | FLAG_REQUIRES_VERSION_ROLLING,
        endpoint_host: Str(b"pool.example"),
        endpoint_port: 3333,
        vendor: Str(b"tests"),
        ..SetupConnection::default()
    };
    assert_eq!(world.heard, [format!("{:?}", Message::SetupConnection(setup))]);
}

#[test]
fn a_channel_is_opened_and_its_first_job_waits_for_the_tip() {
    let mut world = World::ready();
    let request_id = world.client.open_standard("alice.1", 5e13, Target([9; 32]), world.now).unwrap();
    world.exchange();
    let open = OpenStandardMiningChannel {
        request_id,
        user_identity: Str(b"alice.1"),
        nominal_hash_rate: 5e13,
        max_target: U256([9; 32]),
    };
    assert_eq!(world.take_heard(), [format!("{:?}", Message::OpenStandardMiningChannel(open))]);

    world.say(&standard_success(request_id, 2));
    world.say(&standard_job(2, 1, None));
    assert_eq!(
        world.take_events(),
        ["ChannelOpened { request_id: 1, channel_id: 2 }", "FutureJob { channel_id: 2, job_id: 1 }"]
    );
    let channel = world.client.channel(2).unwrap();
    assert!(channel.active_job().is_none());
    assert_eq!(channel.extranonce_prefix(), PREFIX);
    assert_eq!(channel.job(1).unwrap().header(&[]), None, "a job without a tip has no header");

    world.say(&tip(2, 1, 1));
    assert_eq!(world.take_events(), ["NewJob { channel_id: 2, job_id: 1, clean: true }"]);
    let job = world.client.channel(2).unwrap().active_job().unwrap();
    assert_eq!(job.header(&[]), Some(header(1, 1)));
    assert_eq!(job.target(), &Target(TARGET.0));
}

#[test]
fn over_noise_it_is_the_same() {
    let mut world = World::noise_with(|_| {});
    assert!(world.client.is_authenticated());
    world.accept();
    world.open_standard(2);
    world.say(&standard_job(2, 1, None));
    world.say(&tip(2, 1, 1));
    assert_eq!(world.client.channel(2).unwrap().active_job().unwrap().header(&[]), Some(header(1, 1)));
}

#[test]
fn a_job_on_the_same_tip_leaves_the_one_before_valid_until_the_tip_changes() {
    let mut world = World::mining();
    world.say(&standard_job(2, 2, Some(NTIME + 5)));
    assert_eq!(world.take_events(), ["NewJob { channel_id: 2, job_id: 2, clean: false }"]);
    let channel = world.client.channel(2).unwrap();
    assert_eq!(channel.active_job().map(|job| (job.job_id(), job.min_ntime())), Some((2, NTIME + 5)));
    assert_eq!(channel.job(1).map(|job| job.state()), Some(JobState::Past));
    assert_eq!(channel.job(1).unwrap().header(&[]), Some(header(1, 1)));
    assert_eq!(world.submit(2, &solution(1)), Ok(1));

    world.say(&standard_job(2, 3, None));
    world.say(&tip(2, 3, 2));
    let channel = world.client.channel(2).unwrap();
    assert_eq!(channel.jobs().map(|job| job.job_id()).collect::<Vec<_>>(), [3]);
    assert_eq!(channel.active_job().unwrap().header(&[]), Some(header(3, 2)));
    let error = world.submit(2, &solution(2)).unwrap_err();
    assert_eq!(error, ClientError::Share(sv2_core::mining::share::ShareError::InvalidJobId));
}

#[test]
fn the_root_of_an_extended_job_is_that_of_the_specification() {
    let world = World::mining_extended();
    let job = world.client.channel(2).unwrap().active_job().unwrap();
    assert_eq!(job.merkle_root(&[9, 9, 9, 9]), Some(root_with(&[1, 2, 3, 4, 9, 9, 9, 9])));
    assert_eq!(job.merkle_root(&[9; 3]), None, "an extranonce of the wrong size has no root");
    assert_eq!(job.extended(), Some(extended_job(2, 1, Some(NTIME))));
}

#[test]
fn a_job_for_a_group_reaches_all_its_channels_each_with_its_own_root() {
    let mut world = World::ready();
    world.open_standard(2);
    world.open_extended(3);
    let request_id = world.client.open_standard("other", 0.0, Target::MAX, world.now).unwrap();
    world.say(&OpenStandardMiningChannelSuccess { group_channel_id: 9, ..standard_success(request_id, 4) });
    world.forget();
    world.say(&extended_job(1, 5, None));
    world.say(&tip(1, 5, 1));
    assert_eq!(
        world.take_events(),
        [
            "FutureJob { channel_id: 2, job_id: 5 }",
            "FutureJob { channel_id: 3, job_id: 5 }",
            "NewJob { channel_id: 2, job_id: 5, clean: true }",
            "NewJob { channel_id: 3, job_id: 5, clean: true }",
        ]
    );
    let root_of = |channel_id, extranonce| {
        world.client.channel(channel_id).unwrap().active_job().unwrap().merkle_root(extranonce)
    };
    assert_eq!(root_of(2, &[][..]), Some(root_with(PREFIX)));
    assert_eq!(root_of(3, &[5; 4]), Some(root_with(&[1, 2, 3, 4, 5, 5, 5, 5])));
    assert!(world.client.channel(4).unwrap().active_job().is_none(), "channel 4 is in another group");

    world.say(&SetGroupChannel { group_channel_id: 1, channel_ids: List::Items(&[4, 77]) });
    world.say(&extended_job(1, 6, None));
    assert!(world.client.channel(4).unwrap().job(6).is_some());
}

#[test]
fn a_target_holds_for_jobs_that_become_active_after_it() {
    let mut world = World::mining();
    world.say(&standard_job(2, 2, None));
    world.say(&SetTarget { channel_id: 2, maximum_target: U256([1; 32]) });
    assert_eq!(world.take_events()[1..], ["TargetChanged { channel_id: 2 }"]);
    let channel = world.client.channel(2).unwrap();
    assert_eq!(channel.active_job().unwrap().target(), &Target(TARGET.0));
    assert_eq!(channel.target(), &Target([1; 32]));
    world.say(&tip(2, 2, 2));
    assert_eq!(world.client.channel(2).unwrap().active_job().unwrap().target(), &Target([1; 32]));

    world.say(&SetTarget { channel_id: 1, maximum_target: U256([2; 32]) });
    world.say(&standard_job(2, 3, Some(NTIME)));
    let channel = world.client.channel(2).unwrap();
    assert_eq!(channel.active_job().unwrap().target(), &Target([2; 32]), "a group's target is its channels'");
    assert_eq!(channel.job(2).unwrap().target(), &Target([1; 32]));
}

#[test]
fn a_prefix_holds_for_jobs_that_are_sent_after_it() {
    let mut world = World::mining_extended();
    world.say(&extended_job(2, 2, None));
    world.say(&SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &[6, 6] });
    world.say(&extended_job(2, 3, None));
    let channel = world.client.channel(2).unwrap();
    assert_eq!(channel.extranonce_prefix(), [6, 6]);
    assert_eq!(channel.job(1).unwrap().extranonce_prefix(), PREFIX);
    assert_eq!(channel.job(2).unwrap().extranonce_prefix(), PREFIX);
    assert_eq!(channel.job(3).unwrap().merkle_root(&[0; 4]), Some(root_with(&[6, 6, 0, 0, 0, 0])));
}

#[test]
fn a_tip_without_its_job_stops_the_channel_and_a_job_makes_it_go_on() {
    let mut world = World::mining();
    world.say(&tip(2, 77, 2));
    assert_eq!(world.take_events(), ["TipWithoutJob { channel_id: 2 }"]);
    assert!(world.client.channel(2).unwrap().active_job().is_none());
    world.say(&standard_job(2, 78, Some(NTIME)));
    assert_eq!(world.take_events(), ["NewJob { channel_id: 2, job_id: 78, clean: false }"]);
    assert_eq!(world.client.channel(2).unwrap().active_job().unwrap().header(&[]), Some(header(78, 2)));
}

#[test]
fn a_tip_that_is_announced_twice_changes_nothing() {
    let mut world = World::mining();
    world.say(&tip(1, 1, 1));
    assert_eq!(world.take_events(), ["NewJob { channel_id: 2, job_id: 1, clean: true }"]);
    assert_eq!(world.client.channel(2).unwrap().active_job().unwrap().header(&[]), Some(header(1, 1)));
}

#[test]
fn a_job_that_was_mined_on_another_tip_is_not_mined_on_again() {
    let mut world = World::mining();
    world.say(&tip(2, 1, 2));
    assert_eq!(world.take_events(), ["TipWithoutJob { channel_id: 2 }"]);
}

#[test]
fn a_job_for_the_present_tip_that_comes_before_any_tip_waits_for_it() {
    let mut world = World::ready();
    world.open_standard(2);
    world.forget();
    world.say(&standard_job(2, 1, Some(NTIME)));
    assert_eq!(world.take_events(), ["FutureJob { channel_id: 2, job_id: 1 }"]);
    world.say(&tip(2, 1, 1));
    assert_eq!(world.client.channel(2).unwrap().active_job().unwrap().header(&[]), Some(header(1, 1)));
}

#[test]
fn messages_for_channels_that_are_not_open_are_ignored() {
    let mut world = World::mining();
    world.client.close_channel(2, "done", world.now).unwrap();
    world.exchange();
    assert_eq!(world.take_heard(), [format!("{:?}", Message::CloseChannel(close_channel(2, "done")))]);
    world.say(&standard_job(2, 9, Some(NTIME)));
    world.say(&tip(1, 9, 3));
    world.say(&SetTarget { channel_id: 2, maximum_target: TARGET });
    world.say(&SubmitSharesError { channel_id: 2, sequence_number: 1, error_code: Str(b"stale-share") });
    world.say(&close_channel(2, "late"));
    assert_eq!((world.take_events(), world.closed.len()), (vec![], 0));
    assert!(world.client.is_ready());
}

#[test]
fn a_channel_that_the_server_closes_is_gone_and_a_group_with_all_its_members() {
    let mut world = World::ready();
    for channel_id in 2..5 {
        world.open_standard(channel_id);
    }
    world.forget();
    world.say(&close_channel(3, "too slow"));
    let totals = "totals: ShareTotals { submitted: 0, accepted: 0, difficulty_sum: 0, rejected: 0, unanswered: 0 }";
    let closed = |id, why| format!("ChannelClosed {{ channel_id: {id}, reason_code: \"{why}\", {totals} }}");
    assert_eq!(world.take_events(), [closed(3, "too slow")]);
    world.say(&close_channel(1, "maintenance"));
    assert_eq!(world.take_events(), [closed(2, "maintenance"), closed(4, "maintenance")]);
    assert!(world.client.channels().is_empty());
}

#[test]
fn a_channel_is_refused_with_the_servers_code() {
    let mut world = World::ready();
    let request_id = world.client.open_extended("nobody", 1.0, Target::MAX, 8, world.now).unwrap();
    world.say(&OpenMiningChannelError { request_id, error_code: Str(b"unknown-user") });
    world.say(&OpenMiningChannelError { request_id: 55, error_code: Str(b"unknown-user") });
    assert_eq!(world.take_events(), ["OpenRefused { request_id: 1, error_code: \"unknown-user\" }"]);
    assert_eq!(world.logs, ["unknown-user for request 55, which was not made, is ignored"]);
}

#[test]
fn nothing_is_asked_for_before_the_server_has_accepted() {
    let mut world = World::with(|_| {});
    let open = world.client.open_standard("a", 1.0, Target::MAX, world.now);
    assert_eq!(open, Err(ClientError::NotReady));
    world.say(&SetupConnectionSuccess { used_version: 2, flags: SUCCESS_FLAG_REQUIRES_EXTENDED_CHANNELS });
    assert_eq!(world.take_events(), ["Ready { flags: 2 }"]);
    let open = world.client.open_standard("a", 1.0, Target::MAX, world.now);
    assert_eq!(open, Err(ClientError::ExtendedChannelsRequired));
}

#[test]
fn a_refused_setup_says_why_and_whether_to_try_again() {
    for (code, may_retry) in [("unsupported-feature-flags", false), ("busy", true)] {
        let mut world = World::with(|_| {});
        world.say(&SetupConnectionError { flags: 4, error_code: Str::from(code) });
        assert_eq!(world.closed.len(), 1);
        assert_eq!(world.closed[0].to_string(), format!("the setup was refused: {code} (0x00000004)"));
        assert_eq!(world.closed[0].may_retry(), may_retry);
        assert!(!world.client.is_connected());
    }
}

#[test]
fn a_server_that_does_not_answer_is_left() {
    let mut world = World::with(|_| {});
    world.tick_after(29_999);
    assert_eq!(world.closed, []);
    world.tick_after(1);
    assert_eq!(world.closed, [CloseReason::SetupTimeout]);

    let mut world = World::ready();
    world.client.open_standard("a", 1.0, Target::MAX, world.now).unwrap();
    world.tick_after(30_000);
    assert_eq!(world.closed, [CloseReason::OpenTimeout]);

    let mut world = World::ready();
    world.open_standard(2);
    world.say(&standard_job(2, 1, None));
    world.tick_after(60_000);
    assert_eq!(world.closed, [CloseReason::NoJob]);

    let mut world = World::mining();
    world.tick_after(10_000_000);
    assert_eq!(world.closed, [], "a quiet server with work is none");
    world.say(&tip(2, 9, 2));
    world.tick_after(60_000);
    assert_eq!(world.closed, [CloseReason::NoJob]);
}

#[test]
fn a_key_that_does_not_match_is_not_worth_another_try() {
    let (identity, _) = identity();
    let (_, other_authority) = mining_client_world::identity();
    let server = sv2_core::connection::Connection::responder(identity, Default::default());
    let world = World::from(ClientOptions::new(other_authority), server);
    assert_eq!(world.closed.len(), 1);
    assert!(!world.closed[0].may_retry(), "{}", world.closed[0]);
}

#[test]
fn the_client_connects_again_with_nothing_of_the_connection_before() {
    let mut world = World::mining();
    world.submit(2, &solution(1)).unwrap();
    world.client.disconnected(world.now);
    assert_eq!(world.client.channel(2).unwrap().unanswered().count(), 1, "what was not answered is known");
    assert_eq!(world.submit(2, &solution(1)), Err(ClientError::NotConnected));
    world.server = sv2_core::connection::Connection::plain(sv2_core::connection::Role::Server, Default::default());
    world.client.connect(world.now).unwrap();
    world.exchange();
    world.accept();
    assert!(world.client.channels().is_empty());
    world.open_standard(2);
    world.say(&standard_job(2, 1, None));
    world.say(&tip(2, 1, 1));
    assert_eq!(world.submit(2, &solution(1)), Ok(1));
}
