//! The template provider: in which order clients are served when there is much to be sent.

mod template_world;

use sv2_core::template::{ConnectionId, ConstraintKey, Event};

use template_world::{KEY, World, solution, template};

const SLOW: std::ops::Range<u64> = 0..100;
const OTHERS: std::ops::Range<u64> = 100..200;
/// What goes into a Noise message: the pieces in which a long answer goes out.
const PIECE: usize = 65_519;
const TRANSACTIONS_LEN: usize = 1_200_000;

/// Clients that all have a template on tip 1.
fn world_with(clients: std::ops::Range<u64>) -> (World, u64) {
    let mut world = World::new();
    for client in clients.clone() {
        world.join(client);
    }
    let id = world.offer(&template(1, 5_000));
    for client in clients {
        world.expect_pair(client, id, &template(1, 5_000));
    }
    world.take_events();
    (world, id)
}

/// A hundred clients have been given 1.2 MB each, of which no byte was handed out; a hundred others want nothing.
fn world_of_slow_clients() -> (World, u64) {
    let (mut world, id) = world_with(SLOW.start..OTHERS.end);
    for client in SLOW {
        world.request_transactions(client, id);
    }
    let transaction = vec![7; TRANSACTIONS_LEN];
    world.provider.transactions_ready(id, Some(&[&transaction]), world.now).unwrap();
    world.take_events();
    (world, id)
}

/// The client that the host must write to next.
fn next_writable(world: &mut World) -> Option<ConnectionId> {
    match world.provider.next_event()? {
        Event::Writable { connection } => Some(connection),
        other => panic!("{other:?}"),
    }
}

/// Hands one output to a client's socket; returns how long it was.
fn write_once(world: &mut World, client: ConnectionId) -> usize {
    let len = world.provider.output(client).len();
    world.provider.sent(client, len, world.now).unwrap();
    len
}

#[test]
fn a_new_tip_waits_for_no_more_than_the_piece_that_is_just_being_written() {
    let (mut world, _) = world_of_slow_clients();
    for _ in 0..2 {
        for client in SLOW {
            assert_eq!(next_writable(&mut world), Some(client));
            assert!(write_once(&mut world, client) >= PIECE);
        }
    }
    // The host is writing to one of them, and the other ninety-nine wait for their turn, when the tip comes.
    let slow = next_writable(&mut world).unwrap();
    let len = world.provider.output(slow).len();
    let next = world.provider.template_ready(KEY, template(2, 5_000), world.now).unwrap();
    world.provider.sent(slow, len, world.now).unwrap();
    for client in OTHERS {
        assert_eq!(next_writable(&mut world), Some(client));
        world.write(client);
        world.expect_pair(client, next, &template(2, 5_000));
    }
}

#[test]
fn long_answers_go_on_after_a_tip_and_take_turns() {
    let (mut world, id) = world_of_slow_clients();
    let next = world.provider.template_ready(KEY, template(2, 5_000), world.now).unwrap();
    for client in OTHERS {
        assert_eq!(next_writable(&mut world), Some(client));
        world.write(client);
    }
    for _ in 0..TRANSACTIONS_LEN / PIECE {
        for client in SLOW {
            assert_eq!(next_writable(&mut world), Some(client));
            let bytes = world.provider.output(client).to_vec();
            world.provider.sent(client, bytes.len(), world.now).unwrap();
            world.read(client, bytes);
        }
    }
    world.run();
    let transaction = vec![7; TRANSACTIONS_LEN];
    for client in SLOW {
        // What they asked for first, then the tip.
        let mut received = world.take(client);
        let tip = received.split_off(1);
        world.inbox.insert(client, received);
        world.expect_transactions(client, id, &[&transaction]);
        world.inbox.insert(client, tip);
        world.expect_pair(client, next, &template(2, 5_000));
    }
}

#[test]
fn a_block_comes_before_a_new_tip_and_that_before_everything_else() {
    let (mut world, id) = world_with(0..2);
    // Without a node's answer this is an event that waits.
    world.clients.get_mut(&1).unwrap().send(&sv2_core::message::RequestTransactionData { template_id: id }).unwrap();
    let mut request = world.clients.get_mut(&1).unwrap().output().to_vec();
    world.provider.receive(1, &mut request, world.now).unwrap();
    world.clients.get_mut(&1).unwrap().sent(request.len());
    world.provider.template_ready(KEY, template(2, 5_000), world.now).unwrap();
    // Half of all nonces meet nBits.
    for nonce in 0..64 {
        world.clients.get_mut(&0).unwrap().send(&solution(id, nonce, b"a coinbase")).unwrap();
    }
    let mut solutions = world.clients.get_mut(&0).unwrap().output().to_vec();
    world.provider.receive(0, &mut solutions, world.now).unwrap();

    let mut events: Vec<Event> = std::iter::from_fn(|| world.provider.next_event()).collect();
    let blocks = events.iter().take_while(|event| matches!(event, Event::SubmitBlock(_))).count();
    assert!(blocks > 0);
    events.drain(..blocks);
    assert_eq!(events[..2], [0, 1].map(|connection| Event::Writable { connection }));
    assert_eq!(events[2], Event::WantTransactions { template_id: id, node_handle: 1 << 32 | 5_000 });
}

#[test]
fn a_template_is_wanted_before_the_clients_of_another_key_are_written_to() {
    let (mut world, _) = world_with(0..2);
    world.join_with(2, 3_000, 0);
    let other = ConstraintKey { reserved_weight: 16_000, sigops: 0 };
    world.template(other, &template(1, 5_000)).unwrap();
    world.take_events();
    world.provider.template_ready(KEY, template(2, 5_000), world.now).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| world.provider.next_event()).collect();
    let [first, second] = [0, 1].map(|connection| Event::Writable { connection });
    assert_eq!(events, [Event::WantTemplate { key: other }, first, second]);
}

#[test]
fn a_template_that_is_wanted_again_is_wanted() {
    let mut world = World::with(|options| options.key_linger_ms = 0);
    world.set_up(1);
    world.set_up(2);
    let come = |world: &mut World, id: u64| {
        world.clients.get_mut(&id).unwrap().send(&template_world::CONSTRAINTS).unwrap();
        let mut bytes = world.clients.get_mut(&id).unwrap().output().to_vec();
        world.provider.receive(id, &mut bytes, world.now).unwrap();
    };
    come(&mut world, 1);
    assert_eq!(world.provider.next_event(), Some(Event::WantTemplate { key: KEY }));
    world.provider.disconnect(1);
    come(&mut world, 2);
    assert_eq!(world.provider.next_event(), Some(Event::DropTemplate { key: KEY }));
    assert_eq!(world.provider.next_event(), Some(Event::WantTemplate { key: KEY }));
}

#[test]
fn two_tips_in_a_row_are_one_event_for_each_client() {
    let (mut world, _) = world_with(0..3);
    for n in 2..4 {
        world.provider.template_ready(KEY, template(n, 5_000), world.now).unwrap();
    }
    for client in 0..3 {
        assert_eq!(next_writable(&mut world), Some(client));
        world.write(client);
        assert_eq!(world.take(client).len(), 4);
    }
    assert_eq!(next_writable(&mut world), None);
}

#[test]
fn an_output_that_was_taken_unasked_or_is_gone_with_its_client_is_no_event() {
    let (mut world, _) = world_with(0..4);
    world.provider.template_ready(KEY, template(2, 5_000), world.now).unwrap();
    world.write(0);
    world.provider.disconnect(1);
    world.provider.disconnect(2);
    world.provider.connect(2, None, world.now).unwrap();
    assert_eq!(next_writable(&mut world), Some(3));
    assert_eq!(next_writable(&mut world), None);
}

#[test]
fn a_tip_goes_out_with_the_short_answer_before_it() {
    let (mut world, _) = world_with(0..1);
    world.stalled.insert(0);
    world.request_transactions(0, 7);
    let next = world.provider.template_ready(KEY, template(2, 5_000), world.now).unwrap();
    assert_eq!(next_writable(&mut world), Some(0));
    let bytes = world.provider.output(0).to_vec();
    world.provider.sent(0, bytes.len(), world.now).unwrap();
    world.read(0, bytes);
    let received = world.take(0);
    world.inbox.insert(0, received[1..].to_vec());
    world.expect_pair(0, next, &template(2, 5_000));
    assert_eq!(next_writable(&mut world), None);
}
