//! The template provider: what clients and nodes do that they should not, at every moment.

mod template_world;

use sv2_core::connection::ConnectionError;
use sv2_core::template::{CloseReason, Event, Level, NodeState, SolutionRefusal};

use template_world::{KEY, World, solution, template, tip_hash};

/// How far a client is when it goes mad.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    BeforeTheHandshake,
    AfterTheFirstAct,
    BeforeSetup,
    AfterSetup,
    WhileServed,
}

const STATES: [State; 5] =
    [State::BeforeTheHandshake, State::AfterTheFirstAct, State::BeforeSetup, State::AfterSetup, State::WhileServed];

/// Bytes without a meaning, always the same.
fn garbage(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let byte = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(byte).collect()
}

/// Client 1 is so far.
fn bring_to(world: &mut World, state: State) {
    match state {
        State::BeforeTheHandshake => world.provider.connect(1, None, world.now).unwrap(),
        State::AfterTheFirstAct => {
            world.stalled.insert(1);
            world.connect(1);
        }
        State::BeforeSetup => world.connect(1),
        State::AfterSetup => world.set_up(1),
        State::WhileServed => world.join(1),
    }
}

#[test]
fn garbage_closes_the_connection_that_it_comes_from_in_every_state() {
    for state in STATES {
        for piece in [1, 7, 100_000] {
            let mut world = World::over_noise();
            world.join(2);
            bring_to(&mut world, state);
            for bytes in garbage(100_000).chunks(piece) {
                world.send_raw(1, bytes);
                if world.closed.contains_key(&1) {
                    break;
                }
            }
            // Who has not read the second act has some time for it.
            world.tick_after(5_000);
            let reason = world.closed.get(&1);
            assert!(
                matches!(reason, Some(CloseReason::Connection(ConnectionError::Cipher(_)))),
                "{state:?}: {reason:?}"
            );
            assert_eq!(world.closed.len(), 1);
            let id = world.offer(&template(1, 5_000));
            world.expect_pair(2, id, &template(1, 5_000));
        }
    }
}

#[test]
fn garbage_without_encryption_is_announced_too_long_or_ignored_or_malformed() {
    for state in [State::BeforeSetup, State::AfterSetup, State::WhileServed] {
        let mut world = World::new();
        world.join(2);
        bring_to(&mut world, state);
        world.send_raw(1, &garbage(100_000));
        let reason = world.closed[&1];
        assert!(
            matches!(reason, CloseReason::Connection(ConnectionError::PayloadTooLarge { .. })),
            "{state:?}: {reason}"
        );
        let id = world.offer(&template(1, 5_000));
        world.expect_pair(2, id, &template(1, 5_000));
    }
}

#[test]
fn a_client_that_goes_away_in_any_state_leaves_nothing_to_do() {
    for state in STATES {
        let mut world = World::over_noise();
        world.join(2);
        let id = world.offer(&template(1, 5_000));
        bring_to(&mut world, state);
        if state == State::WhileServed {
            world.request_transactions(1, id);
        }
        world.disconnect(1);
        world.take_events();
        world.transactions(id, Some(&[b"one"]));
        world.tick_after(100_000);
        assert_eq!(world.take_events(), []);
        assert!(world.closed.is_empty());
        assert_eq!(world.provider.clients(), 1);
        assert_eq!(world.provider.next_deadline(), None);
    }
}

#[test]
fn a_client_that_stops_reading_in_any_state_holds_nobody_up() {
    for state in STATES {
        let mut world = World::over_noise();
        world.join(2);
        bring_to(&mut world, state);
        world.stalled.insert(1);
        world.take(2);
        for n in 1..50 {
            let id = world.offer(&template(n, 5_000));
            world.expect_pair(2, id, &template(n, 5_000));
        }
    }
}

#[test]
fn constraints_that_no_block_can_hold_are_refused_also_later() {
    let mut world = World::new();
    world.join(1);
    world.join(2);
    let id = world.offer(&template(1, 5_000));
    for client in [1, 2] {
        world.expect_pair(client, id, &template(1, 5_000));
    }
    world.constrain(1, 4_000_000, 0);
    let reason = CloseReason::ConstraintsTooLarge { max_additional_size: 4_000_000 };
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], reason);
    assert_eq!(reason.to_string(), "4000000 bytes of coinbase outputs do not fit into 4000000 weight units");
    // The key is still that of the other one.
    let better = world.offer(&template(2, 5_000));
    world.expect_pair(2, better, &template(2, 5_000));
}

#[test]
fn a_solution_of_an_unknown_template_is_a_warning_in_the_log() {
    let mut world = World::new();
    world.set_up(1);
    let client = world.clients.get_mut(&1).unwrap();
    client.send(&solution(77, 0, b"a coinbase")).unwrap();
    let mut bytes = client.output().to_vec();
    world.provider.receive(1, &mut bytes, world.now).unwrap();
    let text = "client 1: a solution of template 77, which was never given out or is too old, is not submitted";
    let line = Event::Log { level: Level::Warning, text: text.into() };
    let refusal = SolutionRefusal::UnknownTemplate;
    let refused = Event::SolutionRefused { connection: 1, template_id: 77, refusal };
    let events: Vec<Event> = std::iter::from_fn(|| world.provider.next_event()).collect();
    assert_eq!(events, [line, refused]);
}

#[test]
fn a_node_that_hangs_costs_clients_nothing_but_new_templates() {
    let mut world = World::new();
    world.join(1);
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(1, id, &template(1, 5_000));
    world.tip(tip_hash(2));
    world.take_events();
    // It does not answer for a day. Whoever comes waits, and nobody is closed for it.
    world.join(2);
    world.tick_after(86_400_000);
    assert!(world.closed.is_empty());
    world.expect_nothing(2);
    let late = world.offer(&template(2, 5_000));
    for client in [1, 2] {
        world.expect_pair(client, late, &template(2, 5_000));
    }
}

#[test]
fn a_node_that_dies_over_a_template_is_asked_for_it_when_it_is_back() {
    let mut world = World::new();
    world.join(1);
    assert!(world.take_events().contains(&Event::WantTemplate { key: KEY }));
    world.provider.node_state(NodeState::Down, world.now);
    world.run();
    world.join(2);
    assert!(!world.take_events().contains(&Event::WantTemplate { key: KEY }));
    world.provider.node_state(NodeState::Ready, world.now);
    world.run();
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }]);
    let id = world.offer(&template(1, 5_000));
    for client in [1, 2] {
        world.expect_pair(client, id, &template(1, 5_000));
    }
}
