//! The mining server sets connections up: SetupConnection, extensions, and what ends them (spec 3.6, 5.3.1, extension 0x0001).

mod mining_world;

use mining_world::{HARD_NBITS, World, setup};
use sv2_core::message::{
    CloseChannel, FLAG_REQUIRES_STANDARD_JOBS, FLAG_REQUIRES_VERSION_ROLLING, FLAG_REQUIRES_WORK_SELECTION,
    PROTOCOL_JOB_DECLARATION, Reconnect, RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess,
    SUCCESS_FLAG_REQUIRES_FIXED_VERSION, SetupConnection, SetupConnectionError, SetupConnectionSuccess, UpdateChannel,
};
use sv2_core::mining::server::{CloseReason, Event};
use sv2_core::wire::{List, Str, U256};

const ALL: u32 = FLAG_REQUIRES_STANDARD_JOBS | FLAG_REQUIRES_WORK_SELECTION | FLAG_REQUIRES_VERSION_ROLLING;

fn refusal(flags: u32, error_code: &str) -> SetupConnectionError<'_> {
    SetupConnectionError { flags, error_code: Str::from(error_code) }
}

#[test]
fn a_client_is_set_up_and_the_host_learns_who_it_is() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &SetupConnection { flags: FLAG_REQUIRES_VERSION_ROLLING, ..setup() });
    world.expect(1, SetupConnectionSuccess { used_version: 2, flags: 0 }.into());
    match &world.take_events()[..] {
        [Event::Connected(info)] => {
            assert_eq!((info.connection, info.flags), (1, FLAG_REQUIRES_VERSION_ROLLING));
            assert_eq!((&info.vendor[..], &info.hardware_version[..]), (&b"tests"[..], &b"1"[..]));
            assert_eq!((&info.firmware[..], &info.device_id[..]), (&b"2"[..], &b"three"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_of_another_protocol_is_refused() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &SetupConnection { protocol: PROTOCOL_JOB_DECLARATION, ..setup() });
    world.expect(1, refusal(0, "unsupported-protocol").into());
    assert_eq!(world.closed[&1], CloseReason::SetupRefused("unsupported-protocol"));
}

#[test]
fn a_client_without_version_2_is_refused() {
    let mut world = World::new();
    for (id, min_version, max_version) in [(1, 1, 1), (2, 3, 7), (3, 3, 1)] {
        world.connect(id);
        world.send(id, &SetupConnection { min_version, max_version, ..setup() });
        world.expect(id, refusal(0, "protocol-version-mismatch").into());
    }
    world.connect(4);
    world.send(4, &SetupConnection { min_version: 1, max_version: 9, ..setup() });
    world.expect(4, SetupConnectionSuccess { used_version: 2, flags: 0 }.into());
}

#[test]
fn flags_that_are_not_supported_are_named() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &SetupConnection { flags: ALL | 0x100, ..setup() });
    world.expect(1, refusal(FLAG_REQUIRES_WORK_SELECTION | 0x100, "unsupported-feature-flags").into());
}

#[test]
fn a_server_with_work_selection_takes_all_flags() {
    let mut world = World::with(|options| options.work_selection = true);
    world.connect(1);
    world.send(1, &SetupConnection { flags: ALL, ..setup() });
    world.expect(1, SetupConnectionSuccess { used_version: 2, flags: 0 }.into());
}

#[test]
fn a_server_without_version_rolling_says_so_and_refuses_who_needs_it() {
    let mut world = World::with(|options| options.version_mask = 0);
    world.connect(1);
    world.send(1, &setup());
    world.expect(1, SetupConnectionSuccess { used_version: 2, flags: SUCCESS_FLAG_REQUIRES_FIXED_VERSION }.into());
    world.connect(2);
    world.send(2, &SetupConnection { flags: FLAG_REQUIRES_VERSION_ROLLING, ..setup() });
    world.expect(2, refusal(FLAG_REQUIRES_VERSION_ROLLING, "unsupported-feature-flags").into());
}

#[test]
fn nothing_may_come_before_setup_connection_and_that_only_once() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &UpdateChannel { channel_id: 1, nominal_hash_rate: 1.0, maximum_target: U256::MAX });
    assert_eq!(world.closed[&1], CloseReason::BeforeSetup("UpdateChannel"));
    world.set_up(2, 0);
    world.send(2, &setup());
    assert_eq!(world.closed[&2], CloseReason::SecondSetup);
}

#[test]
fn whoever_does_not_set_up_or_opens_no_channel_goes() {
    let mut world = World::new();
    world.connect(1);
    world.set_up(2, 0);
    world.tick_after(59_999);
    assert!(world.closed.is_empty());
    world.tick_after(1);
    assert_eq!(world.closed[&1], CloseReason::SetupTimeout);
    assert_eq!(world.closed[&2], CloseReason::NoChannel);
}

#[test]
fn the_worker_identity_is_negotiated_and_nothing_else() {
    let mut world = World::new();
    world.set_up(1, 0);
    world.send(1, &RequestExtensions { request_id: 5, requested_extensions: List::Items(&[2, 3]) });
    world.expect(1, RequestExtensionsSuccess { request_id: 5, supported_extensions: List::Items(&[2]) }.into());
    world.send(1, &RequestExtensions { request_id: 6, requested_extensions: List::Items(&[3, 4]) });
    let unsupported_extensions = List::Items(&[3, 4]);
    let required_extensions = List::Items(&[]);
    world.expect(1, RequestExtensionsError { request_id: 6, unsupported_extensions, required_extensions }.into());
    world.send(1, &RequestExtensions { request_id: 7, requested_extensions: List::Items(&[]) });
    world.expect(1, RequestExtensionsSuccess { request_id: 7, supported_extensions: List::Items(&[]) }.into());
}

#[test]
fn a_server_without_worker_identities_refuses_the_extension() {
    let mut world = World::with(|options| options.worker_identity = false);
    world.set_up(1, 0);
    world.send(1, &RequestExtensions { request_id: 5, requested_extensions: List::Items(&[2]) });
    let (unsupported_extensions, required_extensions) = (List::Items(&[2]), List::Items(&[]));
    world.expect(1, RequestExtensionsError { request_id: 5, unsupported_extensions, required_extensions }.into());
}

#[test]
fn reconnect_goes_to_all_and_what_they_find_until_they_go_counts() {
    let mut world = World::new();
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = mining_world::first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.set_up(2, 0);
    world.server.reconnect("pool.example", 3334, world.now).unwrap();
    world.run();
    let message = Reconnect { new_host: Str::from("pool.example"), new_port: 3334 };
    world.expect(1, message.into());
    world.expect(2, message.into());
    assert_eq!(world.closed.get(&2), Some(&CloseReason::Reconnect));
    assert_eq!(world.closed.get(&1), None);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.tick_after(5_000);
    assert_eq!(world.closed.get(&1), Some(&CloseReason::Reconnect));
    assert!(matches!(&world.take_events()[..], [Event::ChannelClosed(closed)] if closed.totals.accepted == 1));
}

#[test]
fn shares_are_acknowledged_before_their_time_if_the_connection_does_not_last_so_long() {
    let mut world = World::with(|options| options.accounting.batch_ms = 60_000);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = mining_world::first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.submit(1, &job.share(2, &[1; 16], 0));
    world.expect_nothing(1);
    world.server.reconnect("", 0, world.now).unwrap();
    world.run();
    assert_eq!(world.take_names(1), ["SubmitShares.Success", "Reconnect"]);
    world.submit(1, &job.share(3, &[2; 16], 0));
    assert_eq!(world.take_names(1), ["SubmitShares.Success"]);
}

#[test]
fn nothing_is_sent_for_a_channel_that_its_client_has_closed() {
    let mut world = World::with(|options| options.accounting.batch_ms = 1_000);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = mining_world::first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.send(1, &CloseChannel { channel_id: opened.channel_id, reason_code: Str::from("bye") });
    world.tick_after(1_000);
    world.expect_nothing(1);
    // Its share is not lost: the host has it in the totals.
    assert!(matches!(&world.take_events()[..], [Event::ChannelClosed(closed)] if closed.totals.accepted == 1));
}

#[test]
fn unknown_messages_are_ignored_and_malformed_ones_end_the_connection() {
    let mut world = World::new();
    world.set_up(1, 0);
    world.send_frame(1, 0, 0xee, b"whatever");
    world.send_frame(1, 0x8123, 0x01, &[1, 0, 0, 0, 9]);
    world.expect_nothing(1);
    assert!(world.closed.is_empty() && world.events.is_empty());
    world.send_frame(1, 0x8000, 0x1a, b"short");
    assert!(matches!(world.closed[&1], CloseReason::Connection(_)), "{:?}", world.closed);
}

#[test]
fn messages_of_unknown_extensions_go_up_if_the_host_wants_them_and_others_down() {
    let mut world = World::with(|options| options.forward_extensions = true);
    world.set_up(1, 0);
    world.send_frame(1, 0x8123, 0x45, &[1, 0, 0, 0, 9]);
    world.send_frame(1, 0x0123, 0x45, &[1, 0, 0, 0, 9]);
    match &world.take_events()[..] {
        [Event::ExtensionMessage { connection: 1, extension_type: 0x123, message_type: 0x45, payload }] => {
            assert_eq!(payload[..], [1, 0, 0, 0, 9]);
        }
        other => panic!("{other:?}"),
    }
    world.server.send_extension_message(1, 0x123, 0x46, &[2, 0, 0, 0, 7]).unwrap();
    world.run();
    let received = world.take(1);
    assert_eq!((received[0].tag, &received[0].payload[..]), (0x0001_2346, &[2, 0, 0, 0, 7][..]));
}

#[test]
fn everything_works_over_noise() {
    let mut world = World::over_noise();
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = mining_world::first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    assert_eq!(world.expect_accepted().job_id, job.job_id);
}
