//! The proxy in pass-through when the upstream is lost: which one is tried next, and what becomes of channels and shares.

mod mining_proxy_world;

use sv2_core::message::*;
use sv2_core::mining::proxy::{Event, Mode, ProxyError};
use sv2_core::wire::{List, Str};

use mining_proxy_world::*;

/// Two upstreams; a miner with an extended channel at the first one, where it is 101 in group 7; job 5 is worked on. Gives the
/// miner's id for the job.
fn working() -> (World, Job, u32) {
    let mut world = World::with(options(Mode::PassThrough, 2));
    world.connect_upstream();
    world.connect_miner(1, 0);
    assert_eq!(world.pass_extended(1, 101, 7), 2);
    let job = Job::new(0x2000_0000);
    let job_id = work_on(&mut world, &job, 7, 5, 1);
    world.events.clear();
    (world, job, job_id)
}

fn work_on(world: &mut World, job: &Job, group: u32, job_id: u32, tip: u8) -> u32 {
    world.upstream_says(&job.message(group, job_id, None));
    world.upstream_says(&prev_hash(group, job_id, tip));
    let heard = world.take_heard(1);
    let [Message::NewExtendedMiningJob(sent), ref others @ ..] = heard[..] else { panic!("{heard:?}") };
    assert_eq!(sent, job.message(1, sent.job_id, None));
    assert_eq!(others[0], Message::SetNewPrevHash(prev_hash(1, sent.job_id, tip)));
    world.heard_back(1, &others[1..]);
    sent.job_id
}

/// The next upstream opens the miner's channel again, as channel 33 of group 3.
fn reopen(world: &mut World, prefix: &[u8], extranonce_size: u16) -> Vec<Message<'static>> {
    world.connect_upstream_asked();
    let [Message::OpenExtendedMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!(asked, OpenExtendedMiningChannel { request_id: asked.request_id, ..open_extended(0, "miner", SIZE) });
    world.upstream_says(&OpenExtendedMiningChannelSuccess {
        request_id: asked.request_id,
        channel_id: 33,
        target: EASY,
        extranonce_size,
        extranonce_prefix: prefix,
        group_channel_id: 3,
    });
    world.take_heard(1)
}

fn stale(sequence_number: u32) -> Message<'static> {
    Message::SubmitSharesError(SubmitSharesError {
        channel_id: 2,
        sequence_number,
        error_code: Str::from("stale-share"),
    })
}

#[test]
fn a_miner_keeps_its_connection_and_channel_and_gets_another_prefix() {
    let (mut world, _, old_job) = working();
    world.lose_upstream();
    assert_eq!(world.wanted, [(1, "pool1".to_string(), 3334)]);
    assert_eq!(world.take_events(), [Event::UpstreamLost { upstream: 0 }]);
    assert_eq!(world.proxy.upstream(), None);
    assert_eq!(world.take_heard(1), []);

    let heard = reopen(&mut world, &[0xb1, 0xb2, 0xb3, 0xb4], SIZE);
    assert_eq!(
        heard,
        [
            Message::SetExtranoncePrefix(SetExtranoncePrefix {
                channel_id: 2,
                extranonce_prefix: &[0xb1, 0xb2, 0xb3, 0xb4]
            }),
            Message::SetTarget(SetTarget { channel_id: 2, maximum_target: EASY }),
        ]
    );
    assert_eq!(world.proxy.upstream(), Some(1));
    // The group keeps its name, too, and the new upstream's job 5 is another one than the old upstream's.
    let new_job = work_on(&mut world, &Job::new(0x2000_0004), 3, 5, 1);
    assert_ne!(new_job, old_job);
    world.miner_says(1, &extended_share(2, 9, new_job, &[4; 16]));
    assert_eq!(world.take_upstream_heard(), [Message::SubmitSharesExtended(extended_share(33, 9, 5, &[4; 16]))]);
    world.miner_says(1, &extended_share(2, 10, old_job, &[4; 16]));
    assert_eq!(world.take_heard(1), [stale(10)]);
    assert_eq!(world.take_upstream_heard(), []);
    world.miner_says(1, &extended_share(2, 11, 999, &[4; 16]));
    let unknown = SubmitSharesError { channel_id: 2, sequence_number: 11, error_code: Str::from("invalid-job-id") };
    assert_eq!(world.take_heard(1), [Message::SubmitSharesError(unknown)]);
    assert!(world.closed.is_empty());
}

#[test]
fn zeros_fill_what_the_next_upstream_leaves_free_beyond_the_miners_part() {
    let (mut world, ..) = working();
    world.lose_upstream();
    let heard = reopen(&mut world, &[0xb1, 0xb2], SIZE + 2);
    let prefix = SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &[0xb1, 0xb2, 0, 0] };
    assert_eq!(heard[0], Message::SetExtranoncePrefix(prefix));
    let job = work_on(&mut world, &Job::new(0x2000_0000), 3, 5, 1);
    world.miner_says(1, &extended_share(2, 9, job, &[4; 16]));
    let mut extranonce = [4; 18];
    extranonce[..2].fill(0);
    assert_eq!(world.take_upstream_heard(), [Message::SubmitSharesExtended(extended_share(33, 9, 5, &extranonce))]);
    world.upstream_says(&SetExtranoncePrefix { channel_id: 33, extranonce_prefix: &[0xc1, 0xc2] });
    let prefix = SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &[0xc1, 0xc2, 0, 0] };
    assert_eq!(world.take_heard(1), [Message::SetExtranoncePrefix(prefix)]);
}

#[test]
fn a_channel_whose_extranonce_does_not_fit_is_closed_and_the_miner_is_not() {
    let (mut world, ..) = working();
    world.lose_upstream();
    let heard = reopen(&mut world, &PREFIX, SIZE - 1);
    let closed = CloseChannel { channel_id: 2, reason_code: Str::from("extranonce-size-changed") };
    assert_eq!(heard, [Message::CloseChannel(closed)]);
    let closed = CloseChannel { channel_id: 33, reason_code: Str::from("the extranonce is too short") };
    assert_eq!(world.take_upstream_heard(), [Message::CloseChannel(closed)]);
    assert!(world.closed.is_empty());
    assert!(world.take_events().contains(&Event::ChannelClosed { channel: channel(1, 2) }));
}

#[test]
fn a_channel_that_the_next_upstream_refuses_is_closed_with_its_reason() {
    let (mut world, ..) = working();
    world.lose_upstream();
    world.connect_upstream_asked();
    let [Message::OpenExtendedMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    world
        .upstream_says(&OpenMiningChannelError { request_id: asked.request_id, error_code: Str::from("unknown-user") });
    let closed = CloseChannel { channel_id: 2, reason_code: Str::from("unknown-user") };
    assert_eq!(world.take_heard(1), [Message::CloseChannel(closed)]);
}

#[test]
fn shares_wait_for_an_upstream_with_the_same_work_and_go_to_it() {
    let (mut world, job, old_job) = working();
    // The first was not answered when the upstream was lost, the others were found later.
    for number in [1, 2] {
        world.miner_says(1, &extended_share(2, number, old_job, &[number as u8; 16]));
    }
    let accepted = SubmitSharesSuccess {
        channel_id: 101,
        last_sequence_number: 1,
        new_submits_accepted_count: 1,
        new_shares_sum: 1,
    };
    world.upstream_says(&accepted);
    world.lose_upstream();
    world.miner_says(1, &extended_share(2, 3, old_job, &[3; 16]));
    world.take_heard(1);
    reopen(&mut world, &PREFIX, SIZE);
    assert_eq!(world.take_upstream_heard(), []);
    work_on(&mut world, &job, 3, 60, 1);
    assert_eq!(
        world.take_upstream_heard(),
        [2, 3].map(|number| {
            Message::SubmitSharesExtended(extended_share(33, number, 60, Vec::leak(vec![number as u8; 16])))
        })
    );
    // The answer reaches the miner as ever.
    let accepted = SubmitSharesSuccess { channel_id: 33, last_sequence_number: 3, ..accepted };
    world.upstream_says(&accepted);
    let accepted = SubmitSharesSuccess { channel_id: 2, ..accepted };
    assert_eq!(world.take_heard(1), [Message::SubmitSharesSuccess(accepted)]);
    assert_eq!(world.proxy.totals().held, 1);
    assert_eq!(world.proxy.totals().submitted, 4);
}

#[test]
fn shares_are_refused_as_stale_when_the_next_upstream_has_other_work() {
    // Another prefix, another tip, another job.
    let other_job = Job::new(0x2000_0004);
    for (prefix, tip, same_job) in [(&[1; 4], 1, true), (&PREFIX, 2, true), (&PREFIX, 1, false)] {
        let (mut world, job, old_job) = working();
        world.miner_says(1, &extended_share(2, 1, old_job, &[1; 16]));
        world.take_upstream_heard();
        world.lose_upstream();
        world.miner_says(1, &extended_share(2, 2, old_job, &[2; 16]));
        assert_eq!(world.take_heard(1), []);
        let heard = reopen(&mut world, prefix, SIZE);
        world.heard_back(1, &heard[2..]);
        let job = if same_job { &job } else { &other_job };
        world.upstream_says(&job.message(3, 60, None));
        world.upstream_says(&prev_hash(3, 60, tip));
        let heard = world.take_heard(1);
        let answers: Vec<_> =
            heard.into_iter().filter(|message| matches!(message, Message::SubmitSharesError(_))).collect();
        assert_eq!(answers, [stale(1), stale(2)]);
        assert_eq!(world.take_upstream_heard(), []);
        assert_eq!(world.proxy.totals().lost, 2);
    }
}

#[test]
fn shares_wait_no_longer_than_the_options_say_and_no_more_of_them() {
    let mut options = options(Mode::PassThrough, 1);
    options.max_held_shares = 2;
    let mut world = World::with(options);
    world.connect_upstream();
    world.connect_miner(1, 0);
    world.pass_extended(1, 101, 7);
    let job = work_on(&mut world, &Job::new(0x2000_0000), 7, 5, 1);
    world.lose_upstream();
    for number in [1, 2, 3] {
        world.miner_says(1, &extended_share(2, number, job, &[number as u8; 16]));
    }
    assert_eq!(world.take_heard(1), [stale(1)]);
    world.tick_after(59_999);
    assert_eq!(world.take_heard(1), []);
    world.tick_after(1);
    assert_eq!(world.take_heard(1), [stale(2), stale(3)]);
    world.miner_says(1, &extended_share(2, 4, job, &[4; 16]));
    assert_eq!(world.take_heard(1), [stale(4)]);
}

#[test]
fn extensions_are_negotiated_again_with_the_next_upstream() {
    let (mut world, ..) = working();
    world.miner_says_raw(1, 0x8000 | 0x4abc, 3, &[2, 0, 0, 0]);
    world.lose_upstream();
    let heard = reopen(&mut world, &[1; 4], SIZE);
    assert_eq!(heard[0], Message::ChannelEndpointChanged(ChannelEndpointChanged { channel_id: 2 }));
    world.lose_upstream();
    world.tick_after(60_000);
    let heard = reopen(&mut world, &[2; 4], SIZE);
    assert!(!heard.contains(&Message::ChannelEndpointChanged(ChannelEndpointChanged { channel_id: 2 })));
}

#[test]
fn upstreams_are_tried_in_order_each_no_sooner_than_after_its_pause() {
    let mut world = World::with(options(Mode::PassThrough, 2));
    let at = |world: &mut World, ms: u64| {
        world.tick_after(ms);
        world.wanted.drain(..).map(|(upstream, ..)| upstream).collect::<Vec<_>>()
    };
    assert_eq!(world.wanted.drain(..).map(|(upstream, ..)| upstream).collect::<Vec<_>>(), [0]);
    world.lose_upstream();
    assert_eq!(at(&mut world, 0), [1]);
    // The second round begins a second after the first one was dialled.
    world.lose_upstream();
    assert_eq!(at(&mut world, 999), []);
    assert_eq!(at(&mut world, 1), [0]);
    world.lose_upstream();
    assert_eq!(at(&mut world, 0), [1]);
    // The pause doubles with each round.
    world.lose_upstream();
    assert_eq!(at(&mut world, 1_999), []);
    assert_eq!(at(&mut world, 1), [0]);
    for _ in 0..20 {
        world.lose_upstream();
        world.tick_after(30_000);
    }
    world.wanted.clear();
    world.lose_upstream();
    let upstream = at(&mut world, 30_000);
    assert_eq!(upstream.len(), 1);

    // One that was of use is the last to be tried again.
    while upstream_wanted(&mut world) != 1 {
        world.lose_upstream();
        world.tick_after(30_000);
    }
    world.connect_upstream();
    world.lose_upstream();
    world.tick_after(0);
    assert_eq!(upstream_wanted(&mut world), 0);
    world.lose_upstream();
    world.tick_after(30_000);
    assert_eq!(upstream_wanted(&mut world), 1);
}

fn upstream_wanted(world: &mut World) -> usize {
    if world.wanted.is_empty() {
        world.wanted.push((0, String::new(), 0));
    }
    world.wanted.last().map(|(upstream, ..)| *upstream).unwrap()
}

#[test]
fn an_upstream_that_sends_its_clients_elsewhere_is_followed_there_and_miners_hear_nothing_of_it() {
    let (mut world, ..) = working();
    world.upstream_says(&Reconnect { new_host: Str::from("pool0"), new_port: 4444 });
    assert_eq!(world.closed_upstreams, ["it asks its clients to connect again"]);
    world.tick_after(1_000);
    assert_eq!(world.wanted, [(0, "pool0".to_string(), 4444)]);
    assert_eq!(world.take_heard(1), []);
    // That is for the next try only.
    world.lose_upstream();
    world.tick_after(1_000);
    assert_eq!(world.wanted.last().unwrap().1, "pool1");
}

#[test]
fn an_upstream_that_only_ever_sends_its_clients_elsewhere_is_left() {
    for mode in [Mode::PassThrough, Mode::Aggregate] {
        let mut world = World::with(options(mode, 2));
        for expected in [(0, "pool0", 3333), (0, "pool0", 4444), (1, "pool1", 3334)] {
            world.tick_after(1_000);
            let (upstream, host, port) = world.wanted.last().unwrap();
            assert_eq!((*upstream, &**host, *port), expected, "{mode:?}");
            if expected.0 == 0 {
                world.connect_upstream();
                world.upstream_says(&Reconnect { new_host: Str::from(""), new_port: 4444 });
            }
        }
    }
}

#[test]
fn without_encryption_no_other_host_is_followed() {
    let (mut world, ..) = working();
    world.upstream_says(&Reconnect { new_host: Str::from("other.example"), new_port: 0 });
    world.tick_after(1_000);
    let (upstream, host, _) = world.wanted.last().unwrap();
    assert_eq!((*upstream, &**host), (1, "pool1"));
    assert_eq!(world.logs, ["the upstream's clients are to go to other.example:0: not followed"]);
}

#[test]
fn an_upstream_that_does_not_answer_a_request_for_a_channel_is_left_for_the_next() {
    let mut world = World::with(options(Mode::PassThrough, 2));
    world.connect_upstream();
    world.connect_miner(1, 0);
    world.miner_says(1, &open_extended(7, "miner", 4));
    assert_eq!(world.take_upstream_heard().len(), 1);
    world.tick_after(29_999);
    assert_eq!(world.closed_upstreams, [""; 0]);
    world.tick_after(1);
    assert_eq!(world.closed_upstreams, ["it did not open a channel in time"]);
    world.connect_upstream_asked();
    let [Message::OpenExtendedMiningChannel(_)] = world.take_upstream_heard()[..] else { panic!() };
}

#[test]
fn an_upstream_that_says_nothing_is_left() {
    let (mut world, ..) = working();
    world.tick_after(599_999);
    assert_eq!(world.closed_upstreams, [""; 0]);
    world.tick_after(1);
    assert_eq!(world.closed_upstreams, ["it has said nothing for too long"]);
    assert_eq!(world.wanted, [(1, "pool1".to_string(), 3334)]);
}

#[test]
fn an_upstream_that_refuses_or_breaks_the_protocol_is_left_for_the_next() {
    let mut world = World::with(options(Mode::PassThrough, 2));
    world.wanted.clear();
    world.upstream = Some(sv2_core::connection::Connection::plain(
        sv2_core::connection::Role::Server,
        sv2_core::connection::Limits::default(),
    ));
    world.proxy.upstream_connected(world.now).unwrap();
    assert_eq!(world.proxy.upstream_connected(world.now), Err(ProxyError::NoUpstreamWanted));
    world.settle();
    let [Message::SetupConnection(setup)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!((setup.protocol, setup.flags), (PROTOCOL_MINING, FLAG_REQUIRES_VERSION_ROLLING));
    assert_eq!((setup.endpoint_host, setup.endpoint_port), (Str::from("pool0"), 3333));
    assert_eq!(setup.vendor, Str::from("tests"));
    world.upstream_says(&SetupConnectionError { flags: 4, error_code: Str::from("unsupported-feature-flags") });
    assert_eq!(world.closed_upstreams, ["the setup was refused: unsupported-feature-flags (0x00000004)"]);
    assert_eq!(world.wanted, [(1, "pool1".to_string(), 3334)]);

    world.accept_upstream(0);
    world.upstream_says(&RequestExtensionsError {
        request_id: 1,
        unsupported_extensions: List::default(),
        required_extensions: List::Items(&[5]),
    });
    assert_eq!(world.closed_upstreams[1], "it demands the extension 0x0005, which is not known here");
    world.tick_after(1_000);
    world.accept_upstream(0);
    world.upstream_says_raw(0, 0x20, &[1]);
    assert!(world.closed_upstreams[2].contains("SetNewPrevHash"), "{:?}", world.closed_upstreams);
    assert!(world.take_events().iter().all(|event| !matches!(event, Event::UpstreamReady { .. })));
}

/// The second of three upstreams is in use since now.
fn on_the_second() -> World {
    let mut world = World::with(options(Mode::PassThrough, 3));
    world.connect_upstream();
    world.connect_miner(1, 0);
    world.pass_extended(1, 101, 7);
    world.lose_upstream();
    assert_eq!(upstream_wanted(&mut world), 1);
    reopen(&mut world, &[1; 4], SIZE);
    world.events.clear();
    world
}

/// Time passes, in which the upstream is not silent.
fn pass_time(world: &mut World, ms: u64) {
    world.tick_after(ms - 1);
    if world.upstream.is_some() {
        world.upstream_says(&SetTarget { channel_id: 33, maximum_target: EASY });
    }
    world.tick_after(1);
    world.take_heard(1);
}

#[test]
fn a_server_that_is_not_the_first_is_left_after_a_time_and_miners_return_to_the_first() {
    let mut world = on_the_second();
    pass_time(&mut world, 599_999);
    assert_eq!((world.closed_upstreams.len(), world.proxy.upstream()), (0, Some(1)));
    pass_time(&mut world, 1);
    assert_eq!(world.closed_upstreams, ["those that are preferred to it are tried again"]);
    assert_eq!(world.logs.last().unwrap(), "upstream 1 is left to try those preferred to it");
    assert_eq!(world.wanted, [(0, "pool0".to_string(), 3333)]);
    assert!(world.take_events().contains(&Event::UpstreamLost { upstream: 1 }));
    let heard = reopen(&mut world, &[2; 4], SIZE);
    assert_eq!(
        heard[0],
        Message::SetExtranoncePrefix(SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &[2; 4] })
    );
    assert_eq!(world.proxy.upstream(), Some(0));
    // The first one is kept.
    for _ in 0..10 {
        pass_time(&mut world, 599_999);
    }
    assert_eq!((world.closed_upstreams.len(), world.proxy.upstream()), (1, Some(0)));
    assert!(world.closed.is_empty());
}

#[test]
fn a_server_that_was_left_is_used_again_if_those_before_it_cannot_be_and_left_less_often() {
    let mut world = on_the_second();
    for wait in [600_000, 1_200_000, 2_400_000] {
        for _ in 0..wait / 600_000 - 1 {
            pass_time(&mut world, 599_000);
        }
        assert_eq!(world.proxy.upstream(), Some(1), "{wait}");
        world.wanted.clear();
        pass_time(&mut world, 599_999);
        pass_time(&mut world, wait / 600_000 * 1_000);
        assert_eq!(upstream_wanted(&mut world), 0);
        // Those before it come first, but not the third, which comes after it.
        world.lose_upstream();
        world.tick_after(0);
        assert_eq!(upstream_wanted(&mut world), 1);
        reopen(&mut world, &[1; 4], SIZE);
    }
    assert_eq!(world.closed_upstreams.len(), 3);
    assert!(world.closed.is_empty());
}

#[test]
fn no_server_is_left_for_another_if_the_options_say_never() {
    let mut options = options(Mode::PassThrough, 2);
    options.failback_ms = 0;
    let mut world = World::with(options);
    world.lose_upstream();
    world.tick_after(0);
    assert_eq!(upstream_wanted(&mut world), 1);
    world.connect_upstream();
    world.tick_after(1_000_000_000);
    assert_eq!((world.closed_upstreams.len(), world.proxy.upstream()), (0, Some(1)));
}
