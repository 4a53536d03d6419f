//! The template provider: what others may cost, so that nobody is kept out by them.

mod template_world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sv2_core::message::{Message, Payload};
use sv2_core::template::{
    CloseReason, ConstraintKey, Event, Provider, ProviderError, ProviderOptions, SolutionRefusal,
};
use sv2_core::{SystemRandom, Time};

use template_world::{KEY, Received, World, identity, solution, template};

/// Counts the bytes that the present thread has allocated and not given back: a test is a thread.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| held.set(held.get().wrapping_add(layout.size())));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get().wrapping_sub(layout.size())));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn held() -> usize {
    HELD.with(Cell::get)
}

const FAR: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];

fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse().unwrap())
}

/// How many templates the node was asked for since somebody looked.
fn wanted(world: &mut World) -> usize {
    world.take_events().iter().filter(|event| matches!(event, Event::WantTemplate { .. })).count()
}

/// Somebody connects, and sends nothing.
fn connect(world: &mut World, id: u64, address: IpAddr) -> Result<(), ProviderError> {
    let result = world.provider.connect(id, Some(address), world.now);
    world.run();
    result
}

const TOO_MANY: Result<(), ProviderError> = Err(ProviderError::TooManyFromAddress);

// ------------------------------------------------------------------------------------------------------------- places

#[test]
fn a_new_connection_takes_the_place_of_the_oldest_that_is_not_set_up() {
    let mut world = World::with(|options| options.max_handshakes = 2);
    world.set_up(1);
    world.connect(2);
    world.connect(3);
    world.connect(4);
    assert_eq!(world.closed.len(), 1);
    assert_eq!(world.closed[&2], CloseReason::GaveWay);
    world.send(3, &template_world::setup());
    world.connect(5);
    assert_eq!(world.closed.len(), 1, "who is set up makes a place free");
    world.connect(6);
    assert_eq!(world.closed[&4], CloseReason::GaveWay);
    assert_eq!(world.provider.clients(), 4);
}

#[test]
fn when_all_places_are_taken_those_give_way_that_are_not_served_and_nobody_else() {
    let mut world = World::with(|options| options.max_clients = 4);
    world.set_up(1);
    world.set_up(2);
    world.connect(3);
    world.join(4);
    world.connect(5);
    assert_eq!(world.closed[&3], CloseReason::GaveWay, "not set up");
    world.join(5);
    world.connect(6);
    assert_eq!(world.closed[&1], CloseReason::GaveWay, "the oldest that is set up");
    world.join(6);
    world.connect(7);
    assert_eq!(world.closed[&2], CloseReason::GaveWay);
    world.join(7);
    assert_eq!(world.provider.connect(8, None, world.now), Err(ProviderError::TooManyClients));
    assert_eq!(world.provider.clients(), 4);
    assert_eq!(world.closed.len(), 3);
}

#[test]
fn a_client_that_is_about_to_be_closed_gives_way_too() {
    let mut world = World::with(|options| options.max_clients = 1);
    world.join(1);
    world.offer(&template(1, 5_000));
    world.stalled.insert(1);
    world.offer(&template(2, 5_000));
    world.constrain(1, u32::MAX, 0);
    assert!(world.closed.is_empty(), "it has not read everything");
    world.connect(2);
    assert_eq!(world.closed[&1], CloseReason::GaveWay);
}

#[test]
fn ten_thousand_half_open_handshakes_do_not_keep_an_honest_client_out() {
    let (identity, authority) = identity(World::new().now);
    let mut world = World::from_options(ProviderOptions::new(identity), Some(authority));
    let (before, mut closed) = (held(), 0);
    for attacker in 0..10_000_u64 {
        let address = IpAddr::V6(Ipv6Addr::from(u128::from(attacker) << 64 | 1));
        world.provider.connect(attacker, Some(address), world.now).unwrap();
        // All but a byte of the first act.
        world.provider.receive(attacker, &mut [7; 63], world.now).unwrap();
        while let Some(event) = world.provider.next_event() {
            closed += usize::from(matches!(event, Event::Close { reason: CloseReason::GaveWay, .. }));
        }
        world.pass(1);
    }
    assert_eq!(world.provider.clients(), 256);
    assert_eq!(closed, 10_000 - 256);
    // The 256, and the addresses of the last two seconds, which are all that is remembered.
    let cost = held() - before;
    assert!(cost < 256 * 2_000 + 2_000 * 200, "{cost} bytes");
    world.join(20_000);
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(20_000, id, &template(1, 5_000));
    // The others fail in their own time, and leave the honest one alone.
    world.tick_after(10_000);
    assert_eq!(world.provider.clients(), 1);
    assert_eq!(world.closed.len(), 256, "one of them made room for the honest one");
}

// ---------------------------------------------------------------------------------------------------------- addresses

#[test]
fn handshakes_of_one_address_are_counted_while_they_last() {
    let mut world = World::with(|options| options.max_handshakes_per_address = 2);
    world.provider.connect(1, Some(FAR[0]), world.now).unwrap();
    connect(&mut world, 2, FAR[0]).unwrap();
    assert_eq!(connect(&mut world, 3, FAR[0]), TOO_MANY);
    connect(&mut world, 3, FAR[1]).unwrap();
    world.provider.disconnect(2);
    connect(&mut world, 4, FAR[0]).unwrap();
    assert_eq!(connect(&mut world, 5, FAR[0]), TOO_MANY);
    world.tick_after(60_000);
    assert_eq!(world.closed.len(), 3, "{:?}", world.closed);
    connect(&mut world, 5, FAR[0]).unwrap();
}

#[test]
fn clients_of_one_address_are_counted() {
    let mut world = World::with(|options| options.max_clients_per_address = 2);
    for id in [1, 2] {
        world.join_from(id, FAR[0]);
    }
    assert_eq!(connect(&mut world, 3, FAR[0]), TOO_MANY);
    world.join_from(3, FAR[1]);
    world.provider.disconnect(1);
    connect(&mut world, 4, FAR[0]).unwrap();
    assert_eq!(connect(&mut world, 5, FAR[0]), TOO_MANY);
}

#[test]
fn connections_of_one_address_in_a_minute_are_counted() {
    let mut world = World::new();
    for id in 0..30 {
        connect(&mut world, id, FAR[0]).unwrap();
        world.provider.disconnect(id);
    }
    assert_eq!(connect(&mut world, 30, FAR[0]), TOO_MANY);
    connect(&mut world, 30, FAR[1]).unwrap();
    // One more every two seconds; what was refused does not count.
    world.pass(1_999);
    assert_eq!(connect(&mut world, 31, FAR[0]), TOO_MANY);
    world.pass(1);
    connect(&mut world, 31, FAR[0]).unwrap();
    assert_eq!(connect(&mut world, 32, FAR[0]), TOO_MANY);
    world.provider.disconnect(31);
    world.pass(60_000);
    for id in 31..61 {
        connect(&mut world, id, FAR[0]).unwrap();
        world.provider.disconnect(id);
    }
    assert_eq!(connect(&mut world, 61, FAR[0]), TOO_MANY);
}

#[test]
fn whoever_has_an_ipv6_address_has_all_of_its_64_bits() {
    let mut world = World::with(|options| options.max_clients_per_address = 1);
    connect(&mut world, 1, v6("2001:db8:0:1::1")).unwrap();
    assert_eq!(connect(&mut world, 2, v6("2001:db8:0:1:ffff::2")), TOO_MANY);
    connect(&mut world, 2, v6("2001:db8:0:2::1")).unwrap();
}

#[test]
fn an_ipv4_address_is_the_same_however_it_is_written() {
    let mut world = World::with(|options| options.max_clients_per_address = 1);
    connect(&mut world, 1, v6("::ffff:192.0.2.1")).unwrap();
    assert_eq!(connect(&mut world, 2, FAR[0]), TOO_MANY);
    connect(&mut world, 2, v6("::ffff:192.0.2.2")).unwrap();
}

#[test]
fn this_machine_and_those_without_an_address_are_not_counted() {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), v6("::1"), v6("::ffff:127.0.0.1")];
    for exempt_loopback in [true, false] {
        let mut world = World::with(|options| {
            options.max_clients_per_address = 1;
            options.exempt_loopback = exempt_loopback;
        });
        for (id, address) in (1..).zip(loopback) {
            world.connect(10 + id);
            let _ = connect(&mut world, 20 + id, address);
            assert_eq!(connect(&mut world, 30 + id, address), if exempt_loopback { Ok(()) } else { TOO_MANY });
        }
    }
}

#[test]
fn a_refused_connection_costs_nobody_a_place() {
    let mut world = World::with(|options| {
        options.max_handshakes = 1;
        options.max_clients_per_address = 1;
    });
    connect(&mut world, 1, FAR[0]).unwrap();
    assert_eq!(connect(&mut world, 2, FAR[0]), TOO_MANY);
    assert!(world.closed.is_empty());
    connect(&mut world, 2, FAR[1]).unwrap();
    assert_eq!(world.closed[&1], CloseReason::GaveWay);
}

#[test]
fn every_limit_can_be_without_a_bound_and_without_a_place() {
    let mut world = World::with(|options| {
        options.max_connections_per_minute = u32::MAX;
        options.max_clients_per_address = usize::MAX;
        options.max_handshakes_per_address = usize::MAX;
        options.max_requests_per_second = u32::MAX;
        options.request_burst = u32::MAX;
    });
    for id in 0..200 {
        connect(&mut world, id, FAR[0]).unwrap();
    }
    world.set_up(300);
    world.send_raw(300, &[0, 0, 0x7f, 0, 0, 0].repeat(100_000));
    assert!(world.closed.is_empty());

    for nobody in [
        |options: &mut ProviderOptions| options.max_clients = 0,
        |options: &mut ProviderOptions| options.max_handshakes = 0,
        |options: &mut ProviderOptions| options.max_connections_per_minute = 0,
        |options: &mut ProviderOptions| options.max_clients_per_address = 0,
        |options: &mut ProviderOptions| options.max_handshakes_per_address = 0,
    ] {
        assert!(connect(&mut World::with(nobody), 1, FAR[0]).is_err());
    }
}

#[test]
fn a_flood_of_addresses_is_forgotten() {
    let mut provider = Provider::new(ProviderOptions::plaintext(), Box::new(SystemRandom));
    let now = Time { monotonic_ms: 1, unix_s: 1 };
    for address in 0..100_000_u32 {
        provider.connect(1, Some(IpAddr::V4(Ipv4Addr::from(0x0100_0000 + address))), now).unwrap();
        provider.disconnect(1);
        while provider.next_event().is_some() {}
    }
    let counted = |provider: &mut Provider, address: u32, now: Time| {
        let address = Some(IpAddr::V4(Ipv4Addr::from(0x0100_0000 + address)));
        let taken = (0..40).take_while(|_| {
            let taken = provider.connect(1, address, now).is_ok();
            provider.disconnect(1);
            taken
        });
        taken.count()
    };
    assert_eq!(counted(&mut provider, 99_999, now), 29, "the last are remembered");
    assert_eq!(counted(&mut provider, 99_000, now), 29);
    let later = Time { monotonic_ms: 2_001, ..now };
    assert_eq!(counted(&mut provider, 0, later), 30);
    assert_eq!(counted(&mut provider, 99_000, later), 1, "and that all of their minute is used up");
}

// ------------------------------------------------------------------------------------------------------------ messages

/// A message of a type that nobody knows.
const UNKNOWN: [u8; 6] = [0, 0, 0x7f, 0, 0, 0];

#[test]
fn messages_of_a_client_are_counted_whatever_they_are() {
    let mut world = World::with(|options| {
        options.max_requests_per_second = 10;
        options.request_burst = 50;
    });
    world.join(1);
    world.join(2);
    world.tick_after(5_000);
    world.send_raw(1, &UNKNOWN.repeat(50));
    assert!(world.closed.is_empty());
    world.pass(100);
    world.send_raw(1, &UNKNOWN);
    assert!(world.closed.is_empty(), "one more every tenth of a second");
    world.request_transactions(1, 7);
    world.run();
    assert_eq!(world.closed[&1], CloseReason::TooManyMessages);
    assert_eq!(world.closed[&1].to_string(), "too many messages came at once");
    world.send_raw(2, &UNKNOWN.repeat(49));
    assert!(!world.closed.contains_key(&2));
}

#[test]
fn a_block_among_too_many_messages_counts() {
    let mut world = World::new();
    world.join(1);
    let id = world.offer(&template(1, 5_000));
    let nonce = (0..).find(|nonce| {
        world.take_events();
        world.send(1, &solution(id, *nonce, b"a coinbase"));
        matches!(world.take_events()[..], [Event::SubmitBlock(_)])
    });
    let mut payload = [0; 64];
    let len = solution(id, nonce.unwrap(), b"a coinbase").encode(&mut payload).unwrap();
    let frame = [&[0, 0, 0x76, len as u8, 0, 0], &payload[..len]].concat();

    let mut world = World::with(|options| options.request_burst = 10);
    world.join(1);
    assert_eq!(world.offer(&template(1, 5_000)), id);
    world.take_events();
    world.send_raw(1, &[UNKNOWN.repeat(300), frame].concat());
    let block = world.take_events().remove(0);
    assert!(matches!(block, Event::SubmitBlock(_)), "{block:?}");
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooManyMessages);
}

#[test]
fn a_length_that_is_merely_announced_costs_nothing() {
    let mut world = World::new();
    world.set_up(1);
    let before = held();
    // SubmitSolution of 66,000 bytes, of which one comes.
    world.send_raw(1, &[0, 0, 0x76, 0xd0, 0x01, 0x01, 7]);
    assert!(world.closed.is_empty());
    assert!(held() - before < 200, "{} bytes", held() - before);
}

// -------------------------------------------------------------------------------------------------------- slow clients

#[test]
fn a_hundred_slow_clients_cost_one_copy_of_the_transactions_and_a_piece_each() {
    const CLIENTS: u64 = 100;
    /// A header, and what one Noise message holds.
    const PIECE: usize = 6 + 65_519;
    let mut world = World::new();
    for client in 0..=CLIENTS {
        world.join(client);
    }
    let id = world.offer(&template(1, 5_000));
    for client in 0..CLIENTS {
        world.stalled.insert(client);
    }
    let transaction = vec![7; 1_200_000];
    let before = held();
    for client in 0..CLIENTS {
        for _ in 0..5 {
            world.request_transactions(client, id);
        }
    }
    world.transactions(id, Some(&[&transaction]));
    for client in 0..CLIENTS {
        assert_eq!(world.provider.output(client).len(), PIECE);
        world.provider.sent(client, 1_000, world.now).unwrap();
        assert_eq!(world.provider.output(client).len(), PIECE - 1_000);
    }
    let cost = held() - before;
    let expected = transaction.len() + 100 * PIECE;
    assert!(cost.abs_diff(expected) < 100 * 1_000, "{cost} bytes where {expected} are expected");

    // They hold nobody up.
    world.take(CLIENTS);
    let next = world.offer(&template(2, 5_000));
    world.expect_pair(CLIENTS, next, &template(2, 5_000));
    world.request_transactions(CLIENTS, id);
    world.expect_transactions(CLIENTS, id, &[&transaction]);
}

#[test]
fn clients_that_know_a_template_by_ids_of_their_own_share_its_transactions_all_the_same() {
    const CLIENTS: u64 = 50;
    const PIECE: usize = 6 + 65_519;
    let mut world = World::new();
    for client in 0..CLIENTS {
        world.join(client);
    }
    let first = world.offer(&template(1, 5_000));
    let ids: Vec<u64> = (0..CLIENTS)
        .map(|client| {
            // The first time it gets what the one before got, the second time an id of its own.
            world.constrain(client, 1_000, 0);
            world.take(client);
            world.constrain(client, 1_000, 0);
            first_template_id(&world.take(client))
        })
        .collect();
    assert_eq!(ids, (first + 2..).take(CLIENTS as usize).collect::<Vec<u64>>());
    world.take_events();
    let transaction = vec![7; 1_200_000];
    let before = held();
    world.stalled.extend(0..CLIENTS);
    for (client, id) in (0..).zip(&ids) {
        world.request_transactions(client, *id);
    }
    let wanted = Event::WantTransactions { template_id: first, node_handle: 1 << 32 | 5_000 };
    assert_eq!(world.take_events(), [wanted], "the node is asked once");
    world.transactions(first, Some(&[&transaction]));
    for client in 0..CLIENTS {
        assert_eq!(world.provider.output(client).len(), PIECE);
    }
    let cost = held() - before;
    let expected = transaction.len() + CLIENTS as usize * PIECE;
    assert!(cost.abs_diff(expected) < 100 * 1_000, "{cost} bytes where {expected} are expected");
    // Each is answered by the id that it asked for.
    for (client, id) in (0..).zip(&ids) {
        world.write(client);
        world.expect_transactions(client, *id, &[&transaction]);
    }
    world.stalled.clear();
    world.request_transactions(0, first);
    world.expect_transactions(0, first, &[&transaction]);
    assert_eq!(world.take_events(), []);
}

// ---------------------------------------------------------------------------------------------------------------- keys

#[test]
fn a_key_is_kept_up_to_date_for_a_minute_after_its_last_client() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.disconnect(1);
    world.take_events();
    world.tick_after(30_000);
    world.tip(template(2, 0).prev_hash);
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }]);
    let id = world.offer(&template(2, 5_000));
    // Whoever comes back is served at once.
    world.take_events();
    world.join(2);
    world.expect_pair(2, id, &template(2, 5_000));
    assert_eq!(world.take_events(), [Event::ClientReady { connection: 2, key: KEY }]);
    world.tick_after(60_000);
    assert!(!world.take_events().contains(&Event::DropTemplate { key: KEY }));

    world.disconnect(2);
    world.tick_after(59_999);
    assert_eq!(world.take_events(), []);
    assert_eq!(world.provider.next_deadline(), Some(world.now.monotonic_ms + 1));
    world.tick_after(1);
    assert_eq!(world.take_events(), [Event::DropTemplate { key: KEY }]);
    assert_eq!(world.template(KEY, &template(2, 6_000)), Err(ProviderError::UnknownKey));
}

#[test]
fn the_key_that_nobody_has_for_longest_goes_when_another_is_wanted() {
    let mut world = World::with(|options| options.max_keys = 2);
    let key = |reserved_weight| ConstraintKey { reserved_weight, sigops: 0 };
    world.join_with(1, 0, 0);
    world.join_with(2, 500, 0);
    for client in [2, 1] {
        world.tick_after(1_000);
        world.disconnect(client);
    }
    world.take_events();
    world.join_with(3, 1_000, 0);
    let ready = Event::ClientReady { connection: 3, key: key(8_000) };
    let expected = [Event::WantTemplate { key: key(8_000) }, Event::DropTemplate { key: key(4_000) }, ready];
    assert_eq!(world.take_events(), expected);
    world.join_with(4, 3_000, 0);
    assert!(world.take_events().contains(&Event::DropTemplate { key: key(2_000) }));
    world.join_with(5, 0, 0);
    let covered = Event::ClientReady { connection: 5, key: key(8_000) };
    assert_eq!(world.take_events(), [covered], "both are in use");
}

#[test]
fn clients_with_unusual_constraints_do_not_crowd_out_the_others() {
    let mut world = World::new();
    let unusual = [4_000, 8_000, 16_000, 32_000, 63_000, 127_000, 255_000, 511_000];
    let attackers = unusual.iter().flat_map(|size| [(*size, 0), (*size, 500)]);
    for (attacker, (size, sigops)) in (1..).zip(attackers) {
        world.join_with(attacker, size, sigops);
    }
    assert_eq!(wanted(&mut world), 8, "half of the places");
    assert!(world.closed.values().all(|reason| *reason == CloseReason::TooManyKeys));
    // All that is usual has a place of its own.
    for (client, (size, sigops)) in (100..).zip([0, 500, 1_000, 3_000].iter().flat_map(|size| [(*size, 0), (*size, 1)]))
    {
        world.join_with(client, size, sigops);
        assert!(!world.closed.contains_key(&client));
    }
    assert_eq!(wanted(&mut world), 8);
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(104, id, &template(1, 5_000));
}

/// The template that a client was sent, which received nothing else before.
fn first_template_id(received: &[Received]) -> u64 {
    match received.first().map(Received::message) {
        Some(Message::NewTemplate(template)) => template.template_id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_others_do_with_their_constraints_costs_nobody_a_block() {
    let mut world = World::with(|options| {
        options.max_reissued_ids = 40;
        options.update_interval_ms = 0;
        options.fee_threshold_sat = 0;
    });
    world.join_with(1, 20_000, 400);
    let other = ConstraintKey { reserved_weight: 128_000, sigops: 400 };
    world.template(other, &template(1, 5_000)).unwrap();
    world.join(2);
    world.offer(&template(1, 5_000));
    // The victim has an id of a template that is not its first, and a later template on the same tip besides.
    world.constrain(1, 1_000, 0);
    world.join(3);
    let alias = first_template_id(&world.take(3));
    let update = world.offer(&template(1, 6_000));
    world.expect_update(3, update, &template(1, 6_000));

    for attacker in 10..20 {
        world.join(attacker);
        for change in 0..30 {
            if !world.closed.contains_key(&attacker) {
                world.constrain(attacker, [20_000, 1_000][change % 2], [400, 0][change % 2]);
            }
        }
    }
    world.tick_after(5_000);
    let closed: Vec<CloseReason> = world.closed.values().copied().collect();
    assert_eq!(closed, vec![CloseReason::TooManyConstraints; 9], "those who want more ids have to go");
    let is_block = (0..).map(|nonce| {
        world.take_events();
        world.send(3, &solution(alias, nonce, b"a coinbase"));
        match &world.take_events()[..] {
            [Event::SubmitBlock(_)] => true,
            [Event::SolutionRefused { refusal: SolutionRefusal::HashAboveTarget { .. }, .. }] => false,
            other => panic!("{other:?}"),
        }
    });
    assert!(is_block.take(1_000).any(|is_block| is_block));
    // Who connects again is served as anybody.
    world.join(20);
    assert!(first_template_id(&world.take(20)) > update);
}

#[test]
fn one_address_makes_the_node_build_a_few_templates_however_it_asks() {
    let mut world = World::new();
    let sizes = [0, 500, 1_000, 3_000, 6_000, 15_000, 30_000, 62_000, 120_000, 250_000, 500_000, 700_000, 900_000];
    let constraints: Vec<(u32, u16)> =
        sizes.iter().flat_map(|size| [0, 400, 4_000, 4_001].map(|n| (*size, n))).collect();
    let mut id = 0;
    let mut flood = |world: &mut World| {
        // Thirty connections, one after another or side by side, that ask for something else each time.
        for turn in 0..30 {
            if world.provider.connect(1_000 + id, Some(FAR[0]), world.now).is_err() {
                break;
            }
            world.provider.disconnect(1_000 + id);
            world.pass(2_000);
            world.connect_from(id, Some(FAR[0]));
            world.set_up(id);
            for message in 0..32 {
                let (size, sigops) = constraints[(turn * 7 + message) % constraints.len()];
                world.constrain(id, size, sigops);
                if world.closed.contains_key(&id) {
                    break;
                }
            }
            if turn % 2 == 0 && !world.closed.contains_key(&id) {
                world.disconnect(id);
            }
            id += 1;
        }
    };
    let before = world.now.monotonic_ms;
    flood(&mut world);
    let minutes = (world.now.monotonic_ms - before) as usize / 60_000 + 1;
    let asked = wanted(&mut world);
    assert!(asked <= 10 + 10 * minutes, "{asked} templates in {minutes} minutes");
    assert!(world.closed.values().any(|reason| *reason == CloseReason::TooManyKeys));

    // Whoever comes from elsewhere is served, whatever it wants.
    for (client, (size, sigops)) in (5_000..).zip([(1_000, 400), (5_000, 0)]) {
        world.connect_from(client, Some(FAR[1]));
        world.set_up(client);
        world.constrain(client, size, sigops);
        assert!(!world.closed.contains_key(&client));
    }
}

#[test]
fn new_keys_are_counted_for_an_address_and_in_all() {
    let mut world = World::with(|options| {
        options.max_keys = 4;
        options.max_new_keys_per_minute = 3;
        options.max_new_keys_per_minute_per_address = 2;
        options.key_linger_ms = 0;
    });
    let come = |world: &mut World, id: u64, address: IpAddr, size: u32| {
        world.connect_from(id, Some(address));
        world.set_up(id);
        world.constrain(id, size, 0);
        let is_closed = world.closed.contains_key(&id);
        if is_closed {
            assert_eq!(world.closed[&id], CloseReason::TooManyKeys);
        } else {
            world.disconnect(id);
        }
        (wanted(world), is_closed)
    };
    assert_eq!(come(&mut world, 1, FAR[0], 0), (1, false));
    assert_eq!(come(&mut world, 2, FAR[0], 0), (1, false), "it is new again");
    assert_eq!(come(&mut world, 3, FAR[0], 0), (0, true), "two from one address");
    assert_eq!(come(&mut world, 4, FAR[1], 0), (1, false));
    assert_eq!(come(&mut world, 5, FAR[1], 0), (1, false), "four places, so four at once");
    let other = v6("2001:db8::1");
    assert_eq!(come(&mut world, 6, other, 0), (0, true), "that was all");
    assert_eq!(come(&mut world, 7, other, 50_000), (1, false), "large ones are counted by themselves");

    // A key in use is none that is new, and who can be covered by one is.
    world.pass(20_000);
    world.join_with(8, 1_000, 400);
    assert_eq!(wanted(&mut world), 1);
    assert_eq!(come(&mut world, 9, FAR[0], 1_000), (0, false), "with sigops that it does not need");
    assert_eq!(come(&mut world, 10, FAR[0], 3_000), (0, true));
    world.pass(20_000);
    assert_eq!(come(&mut world, 11, FAR[0], 3_000), (1, false), "one more every twenty seconds");
}

#[test]
fn an_address_has_two_unusual_keys_so_that_it_leaves_some_to_others() {
    let mut world = World::new();
    let ask = |world: &mut World, id: u64, address: Option<IpAddr>, size: u32, sigops: u16| {
        world.connect_from(id, address);
        world.set_up(id);
        world.constrain(id, size, sigops);
        world.closed.get(&id).copied()
    };
    let sizes = [15_000, 30_000, 62_000, 120_000, 250_000, 500_000, 700_000, 900_000];
    for (client, size) in (0..).zip(sizes) {
        let expected = (client >= 2).then_some(CloseReason::TooManyKeys);
        assert_eq!(ask(&mut world, client, Some(FAR[0]), size, 0), expected, "{size}");
    }
    // A pool with 5,000 bytes of outputs.
    assert_eq!(ask(&mut world, 20, Some(FAR[1]), 5_000, 0), None);
    // Those it has are for all of its clients, and a client alone with its key can change it.
    assert_eq!(ask(&mut world, 21, Some(FAR[0]), 15_000, 0), None);
    assert_eq!(ask(&mut world, 22, Some(FAR[0]), 5_000, 0), None, "one of them covers it");
    assert_eq!(ask(&mut world, 24, Some(FAR[1]), 120_000, 0), None);
    assert_eq!(ask(&mut world, 25, Some(FAR[0]), 120_000, 0), Some(CloseReason::TooManyKeys), "also if others have it");
    world.constrain(1, 120_000, 0);
    assert!(!world.closed.contains_key(&1));
    // Usual ones, and those who count for no address, are not concerned.
    assert_eq!(ask(&mut world, 23, Some(FAR[0]), 1_000, 0), None);
    for (client, size) in (30..).zip([62_000, 120_000, 250_000]) {
        assert_eq!(ask(&mut world, client, None, size, 0), None);
    }
}

// ---------------------------------------------------------------------------------------------------------- slow readers

#[test]
fn a_client_that_takes_nothing_for_a_minute_is_closed_and_one_that_takes_a_little_stays() {
    let mut world = World::new();
    for client in 1..=3 {
        world.join(client);
    }
    for client in 1..=2 {
        world.stalled.insert(client);
    }
    world.offer(&template(1, 5_000));
    let start = world.now.monotonic_ms;
    while world.closed.is_empty() && world.now.monotonic_ms - start < 1_000_000 {
        // No other input than time.
        let deadline = world.provider.next_deadline().unwrap();
        world.tick_after(deadline - world.now.monotonic_ms);
        assert!(!world.provider.output(2).is_empty());
        world.provider.sent(2, 1, world.now).unwrap();
    }
    let waited = world.now.monotonic_ms - start;
    assert_eq!(world.closed[&1], CloseReason::TooSlow);
    assert_eq!(world.closed[&1].to_string(), "it does not read what it is sent");
    assert!((60_000..=85_000).contains(&waited), "{waited} ms");
    assert_eq!(world.closed.len(), 1);
    world.write(2);
    world.tick_after(10_000);
    world.tick_after(1_000_000);
    assert_eq!(world.closed.len(), 1);
    assert_eq!(world.provider.next_deadline(), None, "nobody has anything to read");
}
