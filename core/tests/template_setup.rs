//! The template provider: how clients come and go, and what they may not do.

mod template_world;

use sv2_core::connection::{ConnectionError, Limits};
use sv2_core::message::{
    CoinbaseOutputConstraints, Message, RequestExtensions, RequestExtensionsError, SetupConnection,
    SetupConnectionError, SetupConnectionSuccess,
};
use sv2_core::noise::{CipherError, HandshakeError};
use sv2_core::template::{CloseReason, ConstraintKey, Event, Provider, ProviderError};
use sv2_core::wire::{List, Str};

use template_world::{CONSTRAINTS, KEY, World, setup, template};

fn only<'a>(received: &'a [template_world::Received]) -> Message<'a> {
    assert_eq!(received.len(), 1, "{received:?}");
    received[0].message()
}

#[test]
fn a_provider_can_be_moved_to_another_thread() {
    fn movable<T: Send>() {}
    movable::<Provider>();
}

#[test]
fn setup_succeeds_with_version_2_and_without_flags() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &SetupConnection { min_version: 1, max_version: 7, ..setup() });
    let received = world.take(1);
    assert_eq!(only(&received), SetupConnectionSuccess { used_version: 2, flags: 0 }.into());
    world.send(1, &CONSTRAINTS);
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }, Event::ClientReady { connection: 1, key: KEY }]);
    assert_eq!(world.logs, [r#"client 1 is "tests", "1", """#]);
}

#[test]
fn setup_is_refused_with_the_right_error_and_closed_after_it() {
    let cases = [
        (SetupConnection { protocol: 0, flags: 7, ..setup() }, 0, "unsupported-protocol"),
        (SetupConnection { protocol: 1, ..setup() }, 0, "unsupported-protocol"),
        (SetupConnection { min_version: 3, max_version: 4, ..setup() }, 0, "protocol-version-mismatch"),
        (SetupConnection { min_version: 0, max_version: 1, ..setup() }, 0, "protocol-version-mismatch"),
        (SetupConnection { min_version: 3, max_version: 1, ..setup() }, 0, "protocol-version-mismatch"),
        (SetupConnection { flags: 0x8000_0001, ..setup() }, 0x8000_0001, "unsupported-feature-flags"),
    ];
    for mut world in [World::new(), World::over_noise()] {
        for (id, (message, flags, error_code)) in (1..).zip(cases) {
            world.connect(id);
            world.send(id, &message);
            let received = world.take(id);
            assert_eq!(only(&received), SetupConnectionError { flags, error_code: Str::from(error_code) }.into());
            assert_eq!(world.closed.get(&id), Some(&CloseReason::SetupRefused(error_code)));
        }
        assert_eq!(world.provider.clients(), 0);
        assert_eq!(world.take_events(), []);
    }
}

#[test]
fn a_refused_client_is_closed_only_when_it_was_told_why_or_does_not_listen() {
    let mut world = World::new();
    world.connect(1);
    world.connect(2);
    world.stalled.extend([1, 2]);
    for id in [1, 2] {
        world.send(id, &SetupConnection { protocol: 0, ..setup() });
    }
    assert!(world.closed.is_empty());
    // What it sends meanwhile is not looked at.
    world.send(1, &setup());
    world.send_raw(2, &[0xff; 100]);

    // The first reads, byte by byte.
    let mut sent = 0;
    while !world.provider.output(1).is_empty() {
        assert!(world.closed.is_empty());
        world.provider.sent(1, 1, world.now).unwrap();
        sent += 1;
        world.run();
    }
    assert_eq!(sent, 6 + 4 + 1 + "unsupported-protocol".len());
    assert_eq!(world.closed.get(&1), Some(&CloseReason::SetupRefused("unsupported-protocol")));
    assert_eq!(world.provider.sent(1, 1, world.now), Err(ProviderError::UnknownConnection));

    // The second does not.
    world.tick_after(4_999);
    assert!(!world.closed.contains_key(&2));
    world.tick_after(1);
    assert_eq!(world.closed.get(&2), Some(&CloseReason::SetupRefused("unsupported-protocol")));
}

#[test]
fn nothing_may_come_before_setup_connection() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &CONSTRAINTS);
    assert_eq!(world.closed[&1], CloseReason::BeforeSetup("CoinbaseOutputConstraints"));
    assert_eq!(world.closed[&1].to_string(), "CoinbaseOutputConstraints came before SetupConnection");

    world.connect(2);
    world.request_transactions(2, 1);
    assert_eq!(world.closed[&2], CloseReason::BeforeSetup("RequestTransactionData"));

    world.connect(3);
    world.send(3, &template_world::solution(1, 1, &[]));
    assert_eq!(world.closed[&3], CloseReason::BeforeSetup("SubmitSolution"));
}

#[test]
fn setup_connection_may_not_come_twice() {
    let mut world = World::new();
    world.join(1);
    world.send(1, &setup());
    assert_eq!(world.closed[&1], CloseReason::SecondSetup);
}

#[test]
fn unknown_messages_and_those_of_others_are_ignored() {
    let mut world = World::new();
    world.connect(1);
    world.send_frame(1, 0x0000, 0x7f, b"before the setup");
    world.send(1, &setup());
    world.take(1);
    // Of an unknown extension, with and without channel_msg; unknown; of the mining protocol, and malformed; the server's.
    world.send_frame(1, 0x4abc, 0x00, b"anything");
    world.send_frame(1, 0xcabc, 0x01, b"anything");
    world.send_frame(1, 0x0000, 0xff, b"");
    world.send_frame(1, 0x8000, 0x1b, b"");
    world.send_frame(1, 0x0000, 0x71, b"");
    world.expect_nothing(1);
    assert_eq!(world.closed.len(), 0);
    assert_eq!(world.logs.last().unwrap(), "client 1: message 0x71 (NewTemplate) of 0 bytes is ignored");
    world.send(1, &CONSTRAINTS);
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(1, id, &template(1, 5_000));
}

#[test]
fn no_extension_is_supported_and_whoever_asks_is_told() {
    let mut world = World::new();
    world.set_up(1);
    world.send(1, &RequestExtensions { request_id: 9, requested_extensions: List::Items(&[2, 0x4000]) });
    let received = world.take(1);
    let expected = RequestExtensionsError {
        request_id: 9,
        unsupported_extensions: List::Items(&[2, 0x4000]),
        required_extensions: List::Items(&[]),
    };
    assert_eq!(only(&received), expected.into());
}

#[test]
fn malformed_messages_close_the_connection_and_no_other() {
    let cases: [(u8, &[u8], &str); 5] = [
        (0x70, &[1, 0, 0], "CoinbaseOutputConstraints.coinbase_output_max_additional_size at byte 0"),
        (0x70, &[1, 0, 0, 0, 0], "CoinbaseOutputConstraints.coinbase_output_max_additional_sigops at byte 4"),
        (0x73, &[1, 0, 0, 0, 0, 0, 0], "RequestTransactionData.template_id at byte 0"),
        (0x76, &[0; 20], "SubmitSolution.coinbase_tx at byte 20"),
        (0x00, &[2, 2], "SetupConnection.min_version at byte 1"),
    ];
    let mut world = World::new();
    world.join(99);
    for (id, (message_type, payload, place)) in (1..).zip(cases) {
        world.set_up(id);
        world.send_frame(id, 0, message_type, payload);
        assert_eq!(world.closed[&id].to_string(), format!("{place}: the payload ends inside the field"));
    }
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(99, id, &template(1, 5_000));
}

#[test]
fn payloads_that_are_too_long_are_refused_on_announcement() {
    let mut world = World::new();
    world.connect(1);
    world.send_raw(1, &[0, 0, 0x00, 0x01, 0x08, 0x00]);
    let too_large = CloseReason::Connection(ConnectionError::PayloadTooLarge { tag: 0, len: 2049, max: 2048 });
    assert_eq!(world.closed[&1], too_large);

    world.set_up(2);
    world.send_raw(2, &[0, 0, 0x76, 0xd0, 0x01, 0x01]);
    let too_large = CloseReason::Connection(ConnectionError::PayloadTooLarge { tag: 0x76, len: 66_000, max: 66_000 });
    assert!(!world.closed.contains_key(&2), "{too_large:?}: that much is allowed");
    world.set_up(3);
    world.send_raw(3, &[0, 0, 0x76, 0xd1, 0x01, 0x01]);
    let too_large = CloseReason::Connection(ConnectionError::PayloadTooLarge { tag: 0x76, len: 66_001, max: 66_000 });
    assert_eq!(world.closed[&3], too_large);
}

#[test]
fn the_handshake_has_a_deadline() {
    let mut world = World::over_noise();
    world.provider.connect(1, None, world.now).unwrap();
    assert_eq!(world.provider.next_deadline(), Some(world.now.monotonic_ms + 10_000));
    // Half an act is not an act.
    world.provider.receive(1, &mut [7; 32], world.now).unwrap();
    world.tick_after(9_999);
    assert!(world.closed.is_empty());
    world.tick_after(1);
    assert_eq!(world.closed[&1], CloseReason::Connection(ConnectionError::HandshakeTimeout));
    world.tick_after(100_000);
    assert_eq!(world.provider.next_deadline(), None);
}

#[test]
fn what_is_not_sealed_by_the_peer_of_the_handshake_closes_the_connection() {
    let mut world = World::over_noise();
    world.connect(1);
    world.provider.receive(1, &mut [0; 22], world.now).unwrap();
    world.run();
    assert_eq!(world.closed[&1], CloseReason::Connection(ConnectionError::Cipher(CipherError::Authentication)));
}

#[test]
fn a_failing_source_of_randomness_refuses_clients() {
    struct Broken;
    impl sv2_core::Random for Broken {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), sv2_core::OutOfRandomness> {
            Err(sv2_core::OutOfRandomness)
        }
    }
    let mut world = World::over_noise();
    let (identity, _) = template_world::identity(world.now);
    world.provider = Provider::new(sv2_core::template::ProviderOptions::new(identity), Box::new(Broken));
    world.connect(1);
    let expected = ConnectionError::Handshake(HandshakeError::OutOfRandomness);
    assert_eq!(world.closed[&1], CloseReason::Connection(expected));
}

#[test]
fn setup_connection_and_constraints_have_deadlines() {
    let mut world = World::new();
    world.connect(1);
    world.set_up(2);
    world.join(3);
    world.tick_after(59_999);
    assert!(world.closed.is_empty());
    world.tick_after(1);
    assert_eq!(world.closed[&1], CloseReason::SetupTimeout);
    assert_eq!(world.closed.len(), 1);
    world.tick_after(539_999);
    assert_eq!(world.closed.len(), 1);
    world.tick_after(1);
    assert_eq!(world.closed[&2], CloseReason::ConstraintsTimeout);
    world.tick_after(10_000_000);
    assert_eq!(world.closed.len(), 2);
    assert_eq!(world.provider.next_deadline(), None, "nobody wakes up for an idle client");
}

#[test]
fn more_clients_than_the_limit_are_not_taken() {
    let mut world = World::with(|options| options.max_clients = 2);
    world.join(1);
    world.join(2);
    assert_eq!(world.provider.connect(3, None, world.now), Err(ProviderError::TooManyClients));
    assert_eq!(world.provider.connect(2, None, world.now), Err(ProviderError::ConnectionExists));
    world.provider.disconnect(2);
    world.clients.remove(&2);
    world.join(3);
    assert_eq!(world.provider.clients(), 2);
}

#[test]
fn what_is_said_of_unknown_connections_is_refused() {
    let mut world = World::new();
    assert_eq!(world.provider.receive(1, &mut [0; 6], world.now), Err(ProviderError::UnknownConnection));
    assert_eq!(world.provider.sent(1, 0, world.now), Err(ProviderError::UnknownConnection));
    assert_eq!(world.provider.output(1), b"");
    world.provider.disconnect(1);
    world.connect(1);
    assert_eq!(world.provider.sent(1, 1, world.now), Err(ProviderError::NotInOutput));
    assert_eq!(world.provider.next_event(), None);
}

#[test]
fn one_writable_waits_for_each_connection_however_much_there_is_to_write() {
    let mut world = World::new();
    world.join(1);
    world.take_events();
    for n in 1..=5 {
        world.provider.template_ready(KEY, template(n, 5_000), world.now).unwrap();
    }
    let mut writable = 0;
    while let Some(event) = world.provider.next_event() {
        writable += u32::from(event == Event::Writable { connection: 1 });
    }
    assert_eq!(writable, 1);
    world.write(1);
    assert_eq!(world.take(1).len(), 10);
}

#[test]
fn what_a_socket_did_not_take_is_announced_again_but_not_to_one_that_takes_nothing() {
    let mut world = World::new();
    world.join(1);
    world.take_events();
    world.provider.template_ready(KEY, template(1, 5_000), world.now).unwrap();
    let writable = Some(Event::Writable { connection: 1 });
    assert_eq!(world.provider.next_event(), writable);
    assert!(!world.provider.output(1).is_empty());
    world.provider.sent(1, 0, world.now).unwrap();
    assert_eq!(world.provider.next_event(), None);
    world.provider.sent(1, 10, world.now).unwrap();
    assert_eq!(world.provider.next_event(), writable);
    let rest = world.provider.output(1).len();
    world.provider.sent(1, rest, world.now).unwrap();
    assert_eq!(world.provider.next_event(), None);
}

#[test]
fn nothing_is_said_about_a_connection_after_it_was_disconnected() {
    let mut world = World::with(|options| options.key_linger_ms = 0);
    world.join(1);
    world.take_events();
    world.provider.template_ready(KEY, template(1, 5_000), world.now).unwrap();
    world.provider.disconnect(1);
    assert_eq!(world.provider.next_event(), Some(Event::DropTemplate { key: KEY }));
    assert_eq!(world.provider.next_event(), None);

    world.set_up(2);
    world.clients.get_mut(&2).unwrap().send(&CONSTRAINTS).unwrap();
    let mut bytes = world.clients.get_mut(&2).unwrap().output().to_vec();
    world.provider.receive(2, &mut bytes, world.now).unwrap();
    world.provider.disconnect(2);
    assert_eq!(world.provider.next_event(), Some(Event::DropTemplate { key: KEY }), "and no ClientReady");
    assert_eq!(world.provider.next_event(), None);
}

#[test]
fn a_client_that_does_not_read_is_dropped_at_its_bound() {
    let limits = Limits { max_output: 1_000, ..Limits::default() };
    let mut world = World::with(|options| options.limits = limits);
    world.join(1);
    world.join(2);
    world.stalled.insert(1);
    let mut pairs = 0;
    while world.provider.next_deadline() != Some(world.now.monotonic_ms + 5_000) {
        pairs += 1;
        let id = world.offer(&template(pairs, 5_000));
        world.expect_pair(2, id, &template(pairs, 5_000));
        assert!(pairs < 100);
    }
    assert!(!world.closed.contains_key(&1), "it may still send a solution");
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooSlow);
    let pair = (6 + 154) + (6 + 80);
    assert_eq!(usize::from(pairs), 1_000 / pair + 1);
    assert!(!world.closed.contains_key(&2));
}

#[test]
fn constraints_that_no_block_can_hold_are_refused() {
    let largest = (4_000_000 - 1_168) / 4;
    let mut world = World::new();
    world.join_with(1, largest, u16::MAX);
    let key = ConstraintKey { reserved_weight: 4_000_000, sigops: u16::MAX };
    assert_eq!(world.take_events()[0], Event::WantTemplate { key });
    for (id, size) in [(2, largest + 1), (3, u32::MAX / 4), (4, u32::MAX)] {
        world.join_with(id, size, 0);
        assert_eq!(world.closed[&id], CloseReason::ConstraintsTooLarge { max_additional_size: size });
    }
    let text = "999709 bytes of coinbase outputs do not fit into 4000000 weight units";
    assert_eq!(world.closed[&2].to_string(), text);
}

#[test]
fn log_lines_are_bounded_and_what_is_left_out_is_counted() {
    let mut world = World::with(|options| options.request_burst = 2_000);
    world.set_up(1);
    world.logs.clear();
    let unknown = [0, 0, 0x7f, 0, 0, 0].repeat(1_000);
    world.send_raw(1, &unknown);
    assert_eq!(world.logs.len(), 65);
    assert_eq!(world.logs[0], "client 1: message 0x7f (unknown) of 0 bytes is ignored");
    assert_eq!(world.logs[64], "936 more lines are left out");
}

#[test]
fn the_strings_of_a_peer_are_escaped_in_the_log() {
    let mut world = World::new();
    world.connect(1);
    world.send(1, &SetupConnection { vendor: Str(b"a\nb\"\x1b[31m\xff"), ..setup() });
    assert_eq!(world.logs, [r#"client 1 is "a\nb\"\x1b[31m\xff", "1", """#]);
}

#[test]
fn constraints_are_counted_while_the_tip_stays() {
    let mut world = World::with(|options| options.max_constraints_per_tip = 3);
    world.join(1);
    world.constrain(1, 2_000, 0);
    world.constrain(1, 3_000, 0);
    world.tip([1; 32]);
    for size in [1_000, 2_000, 3_000] {
        world.constrain(1, size, 0);
    }
    assert!(world.closed.is_empty());
    world.send(1, &CoinbaseOutputConstraints::default());
    assert_eq!(world.closed[&1], CloseReason::TooManyConstraints);
}
