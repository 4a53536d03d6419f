//! The mining server: what others may cost, in places, memory and time, so that nobody is kept out by them.

mod mining_world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};

use mining_world::{EASY, HARD_NBITS, Job, WORK, World, first_job, payout, set_new_prev_hash, setup};
use sv2_core::SystemRandom;
use sv2_core::bitcoin::Target;
use sv2_core::message::{Message, SetupConnection};
use sv2_core::mining::server::{CloseReason, Event, Server, ServerError, ServerOptions};

/// Counts what the present thread has allocated and not given back, and how often it did: a test is a thread.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static TIMES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| held.set(held.get().wrapping_add(layout.size())));
        TIMES.with(|times| times.set(times.get() + 1));
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

const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

// ------------------------------------------------------------------------------------------------------------- places

#[test]
fn a_new_connection_takes_the_place_of_the_oldest_without_a_channel() {
    let mut world = World::with(|options| options.max_clients = 3);
    world.tip(1, HARD_NBITS);
    for id in 1..=3 {
        world.set_up(id, 0);
    }
    world.open_extended(1);
    world.connect(4);
    assert_eq!(world.closed[&2], CloseReason::GaveWay);
    // One that is not set up goes before one that is.
    world.connect(5);
    assert_eq!(world.closed[&4], CloseReason::GaveWay);
    world.set_up(5, 0);
    world.open_extended(3);
    world.open_extended(5);
    assert_eq!(world.server.connect(6, None, world.now), Err(ServerError::TooManyClients));
}

#[test]
fn an_address_has_so_many_connections_and_a_farm_as_many_as_the_host_lets_it() {
    let mut world = World::with(|options| {
        (options.max_connections_per_minute, options.max_clients_per_address) = (100, 5);
    });
    for id in 0..5 {
        world.connect_from(id, Some(FAR));
        world.set_up(id, 0);
    }
    assert_eq!(world.server.connect(5, Some(FAR), world.now), Err(ServerError::TooManyFromAddress));
    for id in 5..100 {
        world.connect_from(id, None);
    }
    assert_eq!(world.server.connect(5, None, world.now), Err(ServerError::ConnectionExists));
}

#[test]
fn an_address_connects_so_often_in_a_minute() {
    let mut world = World::new();
    for id in 0..30 {
        world.connect_from(id, Some(FAR));
        world.disconnect(id);
    }
    assert_eq!(world.server.connect(30, Some(FAR), world.now), Err(ServerError::TooManyFromAddress));
    world.tick_after(2_000);
    assert_eq!(world.server.connect(30, Some(FAR), world.now), Ok(()));
}

#[test]
fn whoever_sends_too_many_messages_is_closed_but_its_blocks_count() {
    let mut world = World::with(|options| (options.max_messages_per_second, options.message_burst) = (1, 5));
    world.tip(1, mining_world::REGTEST_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, mining_world::REGTEST_NBITS);
    // SetupConnection and OpenExtendedMiningChannel were two.
    for n in 0..3_u8 {
        world.submit(1, &job.share(1, &[n; 16], 0));
        world.expect_block();
    }
    world.submit(1, &job.share(1, &[9; 16], 0));
    world.expect_block();
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooManyMessages);
}

#[test]
fn whoever_is_closed_for_too_many_messages_has_one_more_burst_and_then_goes_at_once() {
    let mut world = World::with(|options| (options.max_messages_per_second, options.message_burst) = (1, 5));
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    // SetupConnection and OpenExtendedMiningChannel were two; the fourth share is one too many, and five more are heard.
    for n in 0..9_u8 {
        world.submit(1, &job.share(n.into(), &[n; 16], 0));
        world.expect_accepted();
    }
    assert_eq!(world.closed.get(&1), None);
    world.submit(1, &job.share(9, &[9; 16], 0));
    assert_eq!(world.closed.get(&1), Some(&CloseReason::TooManyMessages));
    assert!(matches!(&world.take_events()[..], [Event::ChannelClosed(closed)] if closed.totals.accepted == 9));
}

#[test]
fn a_client_without_a_channel_that_does_not_read_why_it_is_closed_goes_all_the_same() {
    let mut world = World::new();
    world.set_up(1, 0);
    world.tick_after(59_000);
    world.stalled.insert(1);
    // An answer waits that is never read.
    world.ask_channel(1, true, 1.0);
    let events = world.take_events();
    let [Event::OpenChannel(open)] = &events[..] else { panic!("{events:?}") };
    world.server.refuse_channel(1, open.request_id, "unknown-user", world.now).unwrap();
    world.tick_after(1_000);
    assert_eq!(world.closed.get(&1), None);
    world.tick_after(5_000);
    assert_eq!(world.closed.get(&1), Some(&CloseReason::NoChannel));
    assert_eq!(world.server.clients(), 0);
}

#[test]
fn a_server_is_not_made_with_rates_that_make_no_target() {
    let make = |shares_per_minute, min_hash_rate| {
        let options = ServerOptions { shares_per_minute, min_hash_rate, ..ServerOptions::plaintext() };
        Server::new(options, Box::new(SystemRandom)).is_ok()
    };
    assert!(make(6.0, 1.0) && make(0.001, 1e6) && make(60_000.0, 1e6));
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0] {
        assert!(!make(wrong, 1e6), "{wrong} shares per minute");
        assert!(!make(6.0, wrong), "{wrong} hashes per second");
    }
    // So few shares that no hash would do.
    assert!(!make(1e-300, 1e6));
}

#[test]
fn a_slow_reader_costs_its_bound_and_goes() {
    let mut world = World::with(|options| options.limits.max_output = 10_000);
    world.tip(1, HARD_NBITS);
    for id in [1, 2] {
        world.set_up(id, 0);
        world.open_extended(id);
        world.take(id);
    }
    world.stalled.insert(1);
    let before = held();
    for template_id in 10..200 {
        world.template(template_id, false);
        world.take(2);
    }
    assert!(held() - before < 60_000, "{}", held() - before);
    world.tick_after(5_000);
    assert_eq!(world.closed.get(&1), Some(&CloseReason::TooSlow));
    assert_eq!(world.closed.get(&2), None);
}

#[test]
fn a_reader_that_takes_nothing_goes_after_a_while() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open_extended(1);
    world.stalled.insert(1);
    world.template(2, true);
    for _ in 0..8 {
        world.tick_after(10_000);
    }
    assert_eq!(world.closed.get(&1), Some(&CloseReason::TooSlow));
}

#[test]
fn what_is_announced_is_not_reserved_and_garbage_is_not_kept() {
    let mut world = World::new();
    world.connect(1);
    let before = held();
    // A header that announces 16 MiB.
    world.send_raw(1, &[0, 0, 0, 0xff, 0xff, 0xff]);
    assert!(matches!(world.closed[&1], CloseReason::Connection(_)));
    assert!(held() < before + 4_096);
}

#[test]
fn requests_of_a_client_that_has_gone_are_not_asked() {
    let mut world = World::mining();
    world.set_up(1, 0);
    // The host is busy: it takes no events.
    let open = sv2_core::message::OpenStandardMiningChannel {
        request_id: 1,
        nominal_hash_rate: 1.0,
        max_target: sv2_core::wire::U256::MAX,
        ..Default::default()
    };
    let miner = world.miners.get_mut(&1).unwrap();
    miner.send(&open).unwrap();
    let mut bytes = miner.output().to_vec();
    miner.sent(bytes.len());
    world.server.receive(1, &mut bytes, world.now).unwrap();
    world.server.disconnect(1);
    world.server.connect(1, None, world.now).unwrap();
    while let Some(event) = world.server.next_event() {
        assert!(!matches!(event, Event::OpenChannel(_)), "{event:?}");
    }
    let result = world.server.accept_channel(1, 1, WORK, None, world.now);
    assert_eq!(result, Err(ServerError::UnknownRequest));
}

// ------------------------------------------------------------------------------------------------------------- memory

/// Only what the server holds is left.
fn forget_miners(world: &mut World) {
    world.miners.clear();
    world.inbox.clear();
    world.events = Vec::new();
    world.written = Vec::new();
}

#[test]
fn a_connection_with_a_channel_holds_at_most_8_kib() {
    const COUNT: usize = 20;
    let mut world = World::over_noise();
    world.tip(1, HARD_NBITS);
    let before = held();
    for id in 0..COUNT as u64 {
        world.set_up(id, 0);
        world.open_extended(id);
    }
    // As many jobs on the tip as shares can be for, each with three shares, as in half a minute, and some that wait.
    for template_id in 100..120 {
        world.template(template_id, false);
        for id in 0..COUNT as u64 {
            let channel = world.server.channel(id, 2).unwrap();
            let (job_id, job) = channel.active_job().map(|(job_id, job)| (job_id, job.clone())).unwrap();
            let prefix = channel.extranonce_prefix().to_vec();
            for n in 0..3 {
                let job = Job::of(&job, job_id, 2, &prefix, 1, HARD_NBITS);
                world.submit(id, &job.share(n, &[n as u8; 16], 0));
            }
        }
    }
    for template_id in 200..203 {
        world.template(template_id, true);
    }
    let accepted: u64 =
        (0..COUNT as u64).map(|id| world.server.channel(id, 2).unwrap().accounting().totals().accepted).sum();
    assert_eq!(accepted, COUNT as u64 * 60);
    world.tick_after(10_000);
    forget_miners(&mut world);
    let each = (held() - before) / COUNT;
    println!("{each} bytes for each connection with a channel");
    assert!(each <= 8 << 10, "{each} bytes");
}

#[test]
fn a_new_tip_allocates_nothing_for_each_connection() {
    const COUNT: u64 = 100;
    let mut world = World::mining();
    for id in 0..COUNT {
        world.set_up(id, 0);
        world.open_extended(id);
    }
    let tip = |n: u8| set_new_prev_hash(n, HARD_NBITS, Target::from_nbits(HARD_NBITS).unwrap());
    // Once to make room for what each tip needs.
    for n in 2..6 {
        world.template(n.into(), true);
        let before = TIMES.with(Cell::get);
        world.server.set_new_prev_hash(&tip(n), world.now).unwrap();
        let times = TIMES.with(Cell::get) - before;
        world.run();
        println!("tip {n}: {times} allocations");
        assert!(n < 4 || times < COUNT as usize / 4, "{times}");
    }
}

#[test]
fn years_of_tips_hold_no_more_memory_than_a_day_of_them() {
    let mut world = World::mining();
    for id in 0..3 {
        world.set_up(id, 0);
        world.open_extended(id);
    }
    let mut after_a_while = 0;
    for n in 0..2_000_u64 {
        let id = n % 3;
        world.inbox.clear();
        world.disconnect(id);
        world.take_events();
        world.set_up(id, 0);
        world.open(id, n % 2 == 0, WORK, Some(EASY));
        let template_id = 1_000 + n;
        world.template(template_id, true);
        let tip = sv2_core::message::SetNewPrevHashTemplate {
            template_id,
            ..set_new_prev_hash((n % 200) as u8, HARD_NBITS, Target::MAX)
        };
        world.server.set_new_prev_hash(&tip, world.now).unwrap();
        world.tick_after(60_000);
        world.inbox.clear();
        world.events = Vec::new();
        world.written = Vec::new();
        world.logs = Vec::new();
        if n == 200 {
            after_a_while = held();
        }
    }
    let growth = held().saturating_sub(after_a_while);
    assert!(growth < 20_000, "{growth} bytes");
}

#[test]
fn each_of_many_payouts_has_its_job_and_its_tip() {
    const COUNT: u64 = 200;
    let mut world = World::mining();
    for id in 0..COUNT {
        world.server.set_payout(100 + id, payout(), "m", world.now).unwrap();
        world.server.connect(id, None, world.now).unwrap();
        let mut miner = sv2_core::connection::Connection::plain(
            sv2_core::connection::Role::Client,
            sv2_core::connection::Limits::default(),
        );
        miner.send(&SetupConnection { ..setup() }).unwrap();
        world.miners.insert(id, miner);
        world.run();
        world.inbox.clear();
    }
    for id in 0..COUNT {
        let request_id = world.ask_channel(id, true, 1e12);
        world.server.accept_channel(id, request_id, 100 + id, None, world.now).unwrap();
    }
    world.run();
    for id in 0..COUNT {
        world.take(id);
    }
    world.tip(2, HARD_NBITS);
    for id in 0..COUNT {
        let received = world.take(id);
        let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
        assert!(
            matches!(messages[..], [Message::NewExtendedMiningJob(_), Message::SetNewPrevHash(_)]),
            "{id}: {messages:?}"
        );
    }
}
