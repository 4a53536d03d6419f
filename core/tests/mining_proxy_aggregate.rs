//! The proxy in aggregation: all miners share one extended channel of the upstream.

mod mining_proxy_world;

use sv2_core::bitcoin::{Hash, Header, Target};
use sv2_core::message::*;
use sv2_core::mining::proxy::{Event, Mode, ProxyOptions};
use sv2_core::wire::{List, Str, U256};

use mining_proxy_world::*;

/// What a share of a miner with 10 h/s must meet, of which it finds six in a minute: about one hash in a hundred.
const MINERS_RATE: f32 = 10.0;

/// One hash in a thousand: harder than what miners have.
const UPSTREAM_TARGET: U256 = {
    let mut target = [0xff; 32];
    target[31] = 0;
    target[30] = 0x3f;
    U256(target)
};

const VERSION: u32 = 0x2000_0000;

fn usual() -> ProxyOptions {
    let mut options = options(Mode::Aggregate, 2);
    options.downstream.min_hash_rate = 1.0;
    options.downstream.vardiff = false;
    options
}

fn extended(request_id: u32, user: &str) -> OpenExtendedMiningChannel<'_> {
    OpenExtendedMiningChannel { nominal_hash_rate: MINERS_RATE, ..open_extended(request_id, user, 4) }
}

/// The upstream opens the channel that it is asked for, as 50 in group 5.
fn open_upstream(world: &mut World, prefix: &[u8], extranonce_size: u16) {
    let heard = world.take_upstream_heard();
    let [Message::OpenExtendedMiningChannel(asked)] = heard[..] else { panic!("{heard:?}") };
    world.upstream_says(&OpenExtendedMiningChannelSuccess {
        request_id: asked.request_id,
        channel_id: 50,
        target: UPSTREAM_TARGET,
        extranonce_size,
        extranonce_prefix: prefix,
        group_channel_id: 5,
    });
}

/// Miner 1 has an extended channel; nothing is worked on yet.
fn one_miner() -> World {
    one_miner_with(usual())
}

fn one_miner_with(options: ProxyOptions) -> World {
    let mut world = World::with(options);
    world.connect_upstream();
    world.connect_miner(1, 0);
    world.miner_says(1, &extended(7, "miner"));
    open_upstream(&mut world, &PREFIX, SIZE);
    let [Message::OpenExtendedMiningChannelSuccess(opened)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!((opened.request_id, opened.channel_id, opened.group_channel_id), (7, 2, 1));
    world
}

/// The upstream's job is worked on; gives what miner 1 calls it.
fn work_on(world: &mut World, job: &Job, job_id: u32, tip: u8) -> u32 {
    world.upstream_says(&job.message(5, job_id, None));
    world.upstream_says(&prev_hash(5, job_id, tip));
    let heard = world.take_heard(1);
    let [Message::NewExtendedMiningJob(sent), Message::SetNewPrevHash(activation), ..] = heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(sent, job.message(1, sent.job_id, None));
    assert_eq!(activation, prev_hash(1, sent.job_id, tip));
    sent.job_id
}

/// The first nonce whose hash is at most `at_most` and above `above`.
fn mine(header: impl Fn(u32) -> Header, at_most: Target, above: Target) -> (u32, Hash) {
    (0..)
        .map(|nonce| (nonce, header(nonce).hash()))
        .find(|(_, hash)| at_most.is_met_by(hash) && !above.is_met_by(hash))
        .unwrap()
}

const NONE: Target = Target([0; 32]);

fn target(value: U256) -> Target {
    Target(value.0)
}

/// What miner 1 rolls, and the whole extranonce that this makes.
const ROLLED: [u8; 13] = [9; 13];

fn whole() -> Vec<u8> {
    [&PREFIX[..], &[0, 0, 0], &ROLLED].concat()
}

fn share_of(channel_id: u32, sequence_number: u32, job_id: u32, nonce: u32) -> SubmitSharesExtended<'static> {
    SubmitSharesExtended { nonce, ..extended_share(channel_id, sequence_number, job_id, &ROLLED) }
}

/// What goes up of it.
fn share_up(sequence_number: u32, job_id: u32, nonce: u32, extranonce: &[u8]) -> Message<'_> {
    Message::SubmitSharesExtended(SubmitSharesExtended {
        nonce,
        ..extended_share(50, sequence_number, job_id, extranonce)
    })
}

fn up_extranonce() -> &'static [u8] {
    Vec::leak(whole()[PREFIX.len()..].to_vec())
}

#[test]
fn the_first_miner_opens_the_channel_that_all_share() {
    let mut world = World::with(usual());
    world.connect_upstream();
    world.tick_after(1);
    assert_eq!(world.take_upstream_heard(), []);
    world.connect_miner(1, 0);
    world.miner_says(1, &extended(7, "alice.1"));
    let [Message::OpenExtendedMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!(
        asked,
        OpenExtendedMiningChannel {
            request_id: asked.request_id,
            user_identity: Str::from("alice.1"),
            nominal_hash_rate: MINERS_RATE,
            max_target: U256::MAX,
            min_extranonce_size: 8,
        }
    );
    assert_eq!(world.take_heard(1), []);
    // A second one waits with it.
    world.connect_miner(2, FLAG_REQUIRES_STANDARD_JOBS);
    world.miner_says(2, &open_standard(3, "bob"));
    assert_eq!(world.take_upstream_heard(), []);
    world.upstream_says(&OpenExtendedMiningChannelSuccess {
        request_id: asked.request_id,
        channel_id: 50,
        target: UPSTREAM_TARGET,
        extranonce_size: SIZE,
        extranonce_prefix: &PREFIX,
        group_channel_id: 5,
    });
    let [Message::OpenExtendedMiningChannelSuccess(first)] = world.take_heard(1)[..] else { panic!() };
    let [Message::OpenStandardMiningChannelSuccess(second)] = world.take_heard(2)[..] else { panic!() };
    // The upstream's 16 bytes: three tell the miners apart, 13 are left to them.
    assert_eq!((first.extranonce_prefix, first.extranonce_size), (&[0xa1, 0xa2, 0xa3, 0xa4, 0, 0, 0][..], 13));
    assert_eq!(second.extranonce_prefix[..7], [0xa1, 0xa2, 0xa3, 0xa4, 0, 0, 1]);
    assert_eq!(second.extranonce_prefix[7..], [0; 13]);
    let opened: Vec<_> = world
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::ChannelOpened { channel, extended, user_identity, nominal_hash_rate } => {
                Some((channel, extended, user_identity, nominal_hash_rate))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        opened,
        [(channel(1, 2), true, "alice.1".to_string(), MINERS_RATE), (channel(2, 2), false, "bob".to_string(), 1e9)]
    );
}

#[test]
fn a_share_is_acknowledged_here_and_goes_up_if_it_meets_the_upstreams_target() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    let job_id = work_on(&mut world, &job, 60, 1);
    let header = |nonce| job.header(1, &whole(), nonce);
    let miners = sv2_core::mining::hashrate::target_for(MINERS_RATE.into(), 6.0).unwrap();

    let (below, below_hash) = mine(header, miners, target(UPSTREAM_TARGET));
    world.take_events();
    world.miner_says(1, &share_of(2, 1, job_id, below));
    assert_eq!(world.take_upstream_heard(), []);
    let (good, good_hash) = mine(header, target(UPSTREAM_TARGET), NONE);
    world.miner_says(1, &share_of(2, 2, job_id, good));
    assert_eq!(world.take_upstream_heard(), [share_up(1, 60, good, up_extranonce())]);
    let accepted = |sequence_number, hash, for_upstream| Event::ShareAccepted {
        channel: channel(1, 2),
        sequence_number,
        hash,
        difficulty: miners.difficulty(),
        for_upstream,
    };
    assert_eq!(world.take_events(), [accepted(1, below_hash, false), accepted(2, good_hash, true)]);
    let too_low = (0..).find(|nonce| !miners.is_met_by(&header(*nonce).hash())).unwrap();
    world.miner_says(1, &share_of(2, 3, job_id, too_low));
    let refusal = SubmitSharesError { channel_id: 2, sequence_number: 3, error_code: Str::from("difficulty-too-low") };
    assert_eq!(world.take_heard(1), [Message::SubmitSharesError(refusal)]);
    world.tick_after(1_000);
    let [Message::SubmitSharesSuccess(success)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!((success.last_sequence_number, success.new_submits_accepted_count), (2, 2));

    // What the upstream says is for the host alone.
    world.take_events();
    world.upstream_says(&SubmitSharesError {
        channel_id: 50,
        sequence_number: 1,
        error_code: Str::from("duplicate-share"),
    });
    world.upstream_says(&SubmitSharesSuccess {
        channel_id: 50,
        last_sequence_number: 1,
        new_submits_accepted_count: 1,
        new_shares_sum: 5,
    });
    assert_eq!(
        world.take_events(),
        [
            Event::UpstreamRejected {
                channel: Some(channel(1, 2)),
                sequence_number: 2,
                error_code: "duplicate-share".into()
            },
            Event::UpstreamAccepted { channel: None, count: 1, difficulty: 5 },
        ]
    );
    assert_eq!(world.take_heard(1), []);
    let totals = world.proxy.totals();
    assert_eq!((totals.accepted, totals.rejected, totals.submitted), (2, 1, 1));
    assert_eq!((totals.upstream_accepted, totals.upstream_rejected, totals.upstream_difficulty), (1, 1, 5));
}

#[test]
fn a_standard_miners_share_goes_up_with_the_whole_extranonce() {
    let mut world = one_miner();
    world.connect_miner(2, FLAG_REQUIRES_STANDARD_JOBS);
    world.miner_says(2, &OpenStandardMiningChannel { nominal_hash_rate: MINERS_RATE, ..open_standard(3, "bob") });
    let [Message::OpenStandardMiningChannelSuccess(opened)] = world.take_heard(2)[..] else { panic!() };
    let job = Job::new(VERSION);
    work_on(&mut world, &job, 60, 1);
    let [Message::NewMiningJob(sent), Message::SetNewPrevHash(_)] = world.take_heard(2)[..] else { panic!() };
    assert_eq!(sent.merkle_root, job.merkle_root(opened.extranonce_prefix));
    let header = |nonce| job.header(1, opened.extranonce_prefix, nonce);
    let (nonce, _) = mine(header, target(UPSTREAM_TARGET), NONE);
    world.upstream_heard.clear();
    world.miner_says(2, &standard_share(2, 1, sent.job_id, nonce));
    assert_eq!(world.take_upstream_heard(), [share_up(1, 60, nonce, &opened.extranonce_prefix[PREFIX.len()..])]);
}

#[test]
fn no_miners_target_is_harder_than_the_upstreams() {
    let mut world = World::with(usual());
    world.connect_upstream();
    world.connect_miner(1, 0);
    // For its hash rate it would get a far harder target.
    world.miner_says(1, &open_extended(7, "miner", 4));
    open_upstream(&mut world, &PREFIX, SIZE);
    let [Message::OpenExtendedMiningChannelSuccess(opened)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!(opened.target, UPSTREAM_TARGET);
    // It gets easier with the upstream's. What the upstream makes harder again is no reason to make it harder.
    let easier = U256([0x7f; 32]);
    world.upstream_says(&SetTarget { channel_id: 50, maximum_target: easier });
    assert_eq!(world.take_heard(1), [Message::SetTarget(SetTarget { channel_id: 2, maximum_target: easier })]);
    world.upstream_says(&SetTarget { channel_id: 5, maximum_target: UPSTREAM_TARGET });
    assert_eq!(world.take_heard(1), []);
}

#[test]
fn a_target_of_the_upstream_is_for_the_jobs_that_become_active_after_it() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    let job_id = work_on(&mut world, &job, 60, 1);
    let harder = {
        let mut target = UPSTREAM_TARGET;
        target.0[30] = 0;
        target
    };
    world.upstream_says(&SetTarget { channel_id: 50, maximum_target: harder });
    let header = |nonce| job.header(1, &whole(), nonce);
    let (nonce, _) = mine(header, target(UPSTREAM_TARGET), target(harder));
    world.miner_says(1, &share_of(2, 1, job_id, nonce));
    assert_eq!(world.take_upstream_heard(), [share_up(1, 60, nonce, up_extranonce())]);
    let next = Job::new(VERSION + 32);
    let job_id = work_on(&mut world, &next, 61, 2);
    let header = |nonce| next.header(2, &whole(), nonce);
    let (nonce, _) = mine(header, target(UPSTREAM_TARGET), target(harder));
    world.miner_says(1, &SubmitSharesExtended { version: VERSION + 32, ..share_of(2, 2, job_id, nonce) });
    assert_eq!(world.take_heard(1), []);
    assert_eq!(world.take_upstream_heard(), []);
    assert_eq!(world.proxy.totals().accepted, 2);
}

#[test]
fn the_upstream_is_told_the_sum_of_the_hash_rates_once_in_a_second() {
    let mut world = one_miner();
    let update = |nominal_hash_rate, maximum_target| {
        Message::UpdateChannel(UpdateChannel { channel_id: 50, nominal_hash_rate, maximum_target })
    };
    // Two more, the second one with a bound of its own, within a second of the opening.
    let bound = U256([0x70; 32]);
    world.connect_miner(2, 0);
    world.miner_says(2, &OpenExtendedMiningChannel { nominal_hash_rate: 5.0, ..extended(1, "b") });
    world.connect_miner(3, 0);
    world.miner_says(3, &OpenExtendedMiningChannel { max_target: bound, ..extended(1, "c") });
    world.tick_after(999);
    assert_eq!(world.take_upstream_heard(), []);
    world.tick_after(1);
    assert_eq!(world.take_upstream_heard(), [update(25.0, bound)]);
    world.tick_after(60_000);
    assert_eq!(world.take_upstream_heard(), []);
    // After that long, at once.
    world.miner_says(2, &UpdateChannel { channel_id: 2, nominal_hash_rate: 7.0, maximum_target: U256::MAX });
    assert_eq!(world.take_upstream_heard(), [update(27.0, bound)]);
    world.disconnect_miner(3);
    world.disconnect_miner(2);
    world.tick_after(1_000);
    assert_eq!(world.take_upstream_heard(), [update(10.0, U256::MAX)]);
    world.miner_says(1, &CloseChannel { channel_id: 2, reason_code: Str::from("enough") });
    world.tick_after(1_000);
    assert_eq!(world.take_upstream_heard(), [update(0.0, U256::MAX)]);
    world.tick_after(8_999);
    assert_eq!(world.take_upstream_heard(), []);
    world.tick_after(1);
    let close = CloseChannel { channel_id: 50, reason_code: Str::from("no miners") };
    assert_eq!(world.take_upstream_heard(), [Message::CloseChannel(close)]);
    // The next one opens it again.
    world.miner_says(1, &extended(8, "miner"));
    open_upstream(&mut world, &PREFIX, SIZE);
    let [Message::OpenExtendedMiningChannelSuccess(opened)] = world.take_heard(1)[..] else { panic!() };
    assert_eq!(opened.request_id, 8);
}

#[test]
fn a_miner_with_a_target_that_no_share_meets_does_not_have_it_asked_for_by_all() {
    let mut world = one_miner();
    world.connect_miner(2, 0);
    let mut hardest = U256([0; 32]);
    hardest.0[0] = 1;
    world.miner_says(2, &OpenExtendedMiningChannel { max_target: hardest, ..extended(1, "b") });
    world.tick_after(1_000);
    // No harder than what both together meet as often as a miner is to.
    let both = sv2_core::mining::hashrate::target_for(f64::from(2.0 * MINERS_RATE), 6.0).unwrap();
    let update = UpdateChannel { channel_id: 50, nominal_hash_rate: 2.0 * MINERS_RATE, maximum_target: U256(both.0) };
    assert_eq!(world.take_upstream_heard(), [Message::UpdateChannel(update)]);
}

#[test]
fn hash_rates_whose_sum_is_beyond_the_range_of_the_wire_are_told_as_its_largest_value() {
    let mut world = one_miner();
    for id in [2, 3] {
        world.connect_miner(id, 0);
        world.miner_says(id, &OpenExtendedMiningChannel { nominal_hash_rate: 3e38, ..extended(7, "liar") });
    }
    world.tick_after(1_000);
    let [Message::UpdateChannel(update)] = world.take_upstream_heard()[..] else { panic!() };
    assert_eq!((update.nominal_hash_rate, update.maximum_target), (f32::MAX, U256::MAX));
    // The next upstream can be asked for a channel, too.
    world.lose_upstream();
    world.connect_upstream_asked();
    let asked = world.take_upstream_heard();
    let [.., Message::OpenExtendedMiningChannel(asked)] = asked[..] else { panic!("{asked:?}") };
    assert_eq!(asked.nominal_hash_rate, f32::MAX);
}

#[test]
fn miners_that_come_back_in_time_find_the_channel_open() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    work_on(&mut world, &job, 60, 1);
    world.disconnect_miner(1);
    world.tick_after(9_999);
    world.connect_miner(2, 0);
    world.miner_says(2, &extended(8, "miner"));
    let heard = world.take_heard(2);
    assert!(matches!(
        heard[..],
        [Message::OpenExtendedMiningChannelSuccess(_), Message::NewExtendedMiningJob(_), Message::SetNewPrevHash(_)]
    ));
    world.tick_after(60_000);
    let heard = world.take_upstream_heard();
    assert!(heard.iter().all(|message| matches!(message, Message::UpdateChannel(_))), "{heard:?}");
}

#[test]
fn a_block_goes_up_first_and_is_told_first() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    world.upstream_says(&job.message(5, 60, None));
    world.upstream_says(&SetNewPrevHash { nbits: 0x2000_ffff, ..prev_hash(5, 60, 1) });
    let [Message::NewExtendedMiningJob(sent), _] = world.take_heard(1)[..] else { panic!() };
    let header = |nonce| Header { nbits: 0x2000_ffff, ..job.header(1, &whole(), nonce) };
    let (nonce, hash) = mine(header, Target::from_nbits(0x2000_ffff).unwrap(), NONE);
    world.take_events();
    world.miner_says(1, &share_of(2, 1, sent.job_id, nonce));
    assert_eq!(world.take_upstream_heard(), [share_up(1, 60, nonce, up_extranonce())]);
    let events = world.take_events();
    let [Event::BlockFound(block), Event::ShareAccepted { for_upstream: true, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((block.channel, block.header, block.hash, block.sent), (channel(1, 2), header(nonce), hash, true));
    // A second time it is a duplicate, and does not go up.
    world.miner_says(1, &share_of(2, 2, sent.job_id, nonce));
    assert_eq!(world.take_upstream_heard(), []);
    let heard = world.take_heard(1);
    assert!(heard.iter().any(|message| {
        matches!(message, Message::SubmitSharesError(error) if error.error_code == Str::from("duplicate-share"))
    }));
}

#[test]
fn a_new_prefix_of_the_upstream_is_for_the_jobs_after_it() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    let old_job = work_on(&mut world, &job, 60, 1);
    let renewed = [0xc1, 0xc2, 0xc3, 0xc4];
    world.upstream_says(&SetExtranoncePrefix { channel_id: 50, extranonce_prefix: &renewed });
    let prefix = [0xc1, 0xc2, 0xc3, 0xc4, 0, 0, 0];
    let message = SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &prefix };
    assert_eq!(world.take_heard(1), [Message::SetExtranoncePrefix(message)]);
    let (nonce, _) = mine(|nonce| job.header(1, &whole(), nonce), target(UPSTREAM_TARGET), NONE);
    world.miner_says(1, &share_of(2, 1, old_job, nonce));
    assert_eq!(world.take_upstream_heard(), [share_up(1, 60, nonce, up_extranonce())]);
    world.upstream_says(&job.message(5, 61, Some(START.unix_s as u32)));
    let [Message::NewExtendedMiningJob(sent)] = world.take_heard(1)[..] else { panic!() };
    let whole = [&prefix[..], &ROLLED].concat();
    let (nonce, _) = mine(|nonce| job.header(1, &whole, nonce), target(UPSTREAM_TARGET), NONE);
    world.miner_says(1, &share_of(2, 2, sent.job_id, nonce));
    assert_eq!(world.take_upstream_heard(), [share_up(2, 61, nonce, up_extranonce())]);
}

/// A share that meets the upstream's target, on the job 60 of the tip 1.
fn good_nonce(job: &Job, from: u32) -> u32 {
    let header = |nonce: u32| job.header(1, &whole(), nonce);
    (from..).find(|nonce| target(UPSTREAM_TARGET).is_met_by(&header(*nonce).hash())).unwrap()
}

#[test]
fn miners_stay_when_the_upstream_is_lost_and_get_the_prefix_and_jobs_of_the_next() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    let old_job = work_on(&mut world, &job, 60, 1);
    world.lose_upstream();
    assert_eq!(world.wanted, [(1, "pool1".to_string(), 3334)]);
    let nonce = good_nonce(&job, 0);
    world.miner_says(1, &share_of(2, 1, old_job, nonce));
    world.take_events();
    world.connect_upstream_asked();
    let [Message::OpenExtendedMiningChannel(asked)] = world.upstream_heard[..] else { panic!() };
    assert_eq!(asked.nominal_hash_rate, MINERS_RATE);
    open_upstream(&mut world, &[0xb1, 0xb2], SIZE + 2);
    // Two bytes more than miners can be told of: zeros.
    let prefix = [0xb1, 0xb2, 0, 0, 0, 0, 0];
    let message = SetExtranoncePrefix { channel_id: 2, extranonce_prefix: &prefix };
    let heard = world.take_heard(1);
    assert!(heard.contains(&Message::SetExtranoncePrefix(message)), "{heard:?}");
    let new_job = work_on(&mut world, &job, 60, 1);
    assert_ne!(new_job, old_job);
    // The share that waited is worth nothing to this upstream, unless another job on this tip follows in time; the miner was told
    // long ago that it is good.
    world.tick_after(60_000);
    let lost =
        Event::UpstreamRejected { channel: Some(channel(1, 2)), sequence_number: 1, error_code: "stale-share".into() };
    assert!(world.take_events().contains(&lost));
    assert_eq!(world.take_upstream_heard(), []);
    let whole = [&prefix[..], &ROLLED].concat();
    let (nonce, _) = mine(|nonce| job.header(1, &whole, nonce), target(UPSTREAM_TARGET), NONE);
    world.miner_says(1, &share_of(2, 2, new_job, nonce));
    assert_eq!(world.take_upstream_heard(), [share_up(2, 60, nonce, &whole[2..])].map(renumbered));
    world.miner_says(1, &share_of(2, 3, old_job, nonce));
    // The former job is on the same tip and stays, with the prefix it came with: this nonce is none for it.
    let too_low = SubmitSharesError { channel_id: 2, sequence_number: 3, error_code: Str::from("difficulty-too-low") };
    let heard = world.take_heard(1);
    assert!(heard.contains(&Message::SubmitSharesError(too_low)), "{heard:?}");
    assert_eq!((world.proxy.totals().lost, world.proxy.totals().held), (1, 1));
    assert!(world.closed.is_empty());
}

/// The upstream's numbers are counted through; the share before was never sent.
fn renumbered(message: Message<'_>) -> Message<'_> {
    match message {
        Message::SubmitSharesExtended(share) => {
            Message::SubmitSharesExtended(SubmitSharesExtended { sequence_number: 1, ..share })
        }
        other => other,
    }
}

#[test]
fn shares_wait_for_an_upstream_with_the_same_work() {
    let mut world = one_miner();
    let job = Job::new(VERSION);
    let job_id = work_on(&mut world, &job, 60, 1);
    let first = good_nonce(&job, 0);
    let second = good_nonce(&job, first + 1);
    // One goes up and is not answered, one is found later.
    world.miner_says(1, &share_of(2, 1, job_id, first));
    assert_eq!(world.take_upstream_heard().len(), 1);
    world.lose_upstream();
    world.miner_says(1, &share_of(2, 2, job_id, second));
    world.connect_upstream_asked();
    open_upstream(&mut world, &PREFIX, SIZE);
    world.upstream_says(&job.message(5, 70, None));
    assert_eq!(world.take_upstream_heard(), []);
    world.upstream_says(&prev_hash(5, 70, 1));
    assert_eq!(
        world.take_upstream_heard(),
        [share_up(2, 70, first, up_extranonce()), share_up(3, 70, second, up_extranonce())]
    );
    assert_eq!(world.proxy.totals().lost, 0);
}

#[test]
fn shares_wait_no_longer_than_the_options_say_and_no_more_of_them() {
    let mut options = usual();
    options.max_held_shares = 2;
    let mut world = one_miner_with(options);
    let job = Job::new(VERSION);
    let job_id = work_on(&mut world, &job, 60, 1);
    world.lose_upstream();
    world.take_events();
    let mut nonce = 0;
    for number in 1..=3 {
        nonce = good_nonce(&job, nonce + 1);
        world.miner_says(1, &share_of(2, number, job_id, nonce));
    }
    let lost = |world: &mut World| -> Vec<u32> {
        let numbers = world.take_events().into_iter().filter_map(|event| match event {
            Event::UpstreamRejected { sequence_number, .. } => Some(sequence_number),
            _ => None,
        });
        numbers.collect()
    };
    assert_eq!(lost(&mut world), [1]);
    world.tick_after(59_999);
    assert_eq!(lost(&mut world), []);
    world.tick_after(1);
    assert_eq!(lost(&mut world), [2, 3]);
    assert_eq!(world.proxy.totals().lost, 3);
}

#[test]
fn a_block_waits_longer_than_other_shares_and_before_them_until_there_is_another_tip() {
    let block_bits = 0x1f03_ffff;
    let block_target = Target::from_nbits(block_bits).unwrap();
    for returns in [true, false] {
        let mut options = usual();
        options.max_held_shares = 2;
        let mut world = one_miner_with(options);
        let job = Job::new(VERSION);
        world.upstream_says(&job.message(5, 60, None));
        world.upstream_says(&SetNewPrevHash { nbits: block_bits, ..prev_hash(5, 60, 1) });
        let [Message::NewExtendedMiningJob(sent), ..] = world.take_heard(1)[..] else { panic!() };
        let header = |nonce| Header { nbits: block_bits, ..job.header(1, &whole(), nonce) };
        let (block, _) = mine(header, block_target, NONE);
        world.lose_upstream();
        world.miner_says(1, &share_of(2, 1, sent.job_id, block));
        let mut nonces = (0..).filter(|nonce| {
            let hash = header(*nonce).hash();
            target(UPSTREAM_TARGET).is_met_by(&hash) && !block_target.is_met_by(&hash)
        });
        for number in 2..=4 {
            world.miner_says(1, &share_of(2, number, sent.job_id, nonces.next().unwrap()));
        }
        // Two gave way, and the other one is given up after its time.
        world.tick_after(60_000);
        assert_eq!(world.proxy.totals().lost, 3);
        world.connect_upstream_asked();
        open_upstream(&mut world, &PREFIX, SIZE);
        // The first job of a burst is another one, but on the same tip.
        let tip = if returns { 1 } else { 2 };
        world.upstream_says(&Job::new(VERSION + 32).message(5, 69, None));
        world.upstream_says(&SetNewPrevHash { nbits: block_bits, ..prev_hash(5, 69, tip) });
        assert_eq!(world.take_upstream_heard(), []);
        if returns {
            world.upstream_says(&job.message(5, 70, Some(START.unix_s as u32)));
            assert_eq!(world.take_upstream_heard(), [share_up(1, 70, block, up_extranonce())]);
            assert_eq!(world.proxy.totals().lost, 3);
        } else {
            assert_eq!(world.proxy.totals().lost, 4);
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let (header, extranonce) = (hex(&header(block).to_bytes()), hex(&whole()));
            let line =
                format!("a block is lost, no upstream took it: header {header}, job 60, extranonce {extranonce}");
            assert!(world.logs.contains(&line), "{:?}", world.logs);
        }
    }
}

#[test]
fn an_upstream_that_cannot_be_used_is_left_for_the_next_and_miners_stay() {
    let mut world = one_miner();
    work_on(&mut world, &Job::new(VERSION), 60, 1);
    // Too short for what the miner was told.
    world.lose_upstream();
    world.connect_upstream_asked();
    open_upstream(&mut world, &PREFIX, 13);
    assert_eq!(world.closed_upstreams, ["its extranonce is too short to be divided among miners"]);
    world.tick_after(1_000);
    assert_eq!(world.wanted, [(0, "pool0".to_string(), 3333)]);
    // It opens no channel.
    world.connect_upstream_asked();
    let [Message::OpenExtendedMiningChannel(asked)] = world.take_upstream_heard()[..] else { panic!() };
    let refusal = OpenMiningChannelError { request_id: asked.request_id, error_code: Str::from("unknown-user") };
    world.upstream_says(&refusal);
    assert_eq!(world.closed_upstreams[1], "it opens no channel: unknown-user");
    // It does not answer.
    world.tick_after(1_000);
    world.connect_upstream_asked();
    world.tick_after(30_000);
    assert_eq!(world.closed_upstreams[2], "it did not open a channel in time");
    // It closes the channel.
    world.tick_after(30_000);
    world.connect_upstream_asked();
    open_upstream(&mut world, &PREFIX, SIZE);
    world.upstream_says(&CloseChannel { channel_id: 5, reason_code: Str::from("maintenance") });
    assert_eq!(world.closed_upstreams[3], "it closed the channel: maintenance");
    assert!(world.closed.is_empty());
}

#[test]
fn the_worker_is_named_upstream() {
    let mut world = World::with(usual());
    world.accept_upstream(0);
    world.upstream_says(&RequestExtensionsSuccess { request_id: 1, supported_extensions: List::Items(&[2]) });
    world.upstream_heard.clear();
    world.connect_miner(1, 0);
    world.miner_says(1, &extended(7, "alice"));
    open_upstream(&mut world, &PREFIX, SIZE);
    world.take_heard(1);
    let job = Job::new(VERSION);
    let job_id = work_on(&mut world, &job, 60, 1);
    world.miner_says(1, &share_of(2, 1, job_id, good_nonce(&job, 0)));
    assert!(world.upstream_bytes.ends_with(b"\x02\x00\x01\x05\x00alice"));
}

#[test]
fn messages_of_unknown_extensions_end_here() {
    // The proxy is the endpoint of the aggregated channel (spec 3.4.1).
    let mut world = one_miner();
    world.miner_says_raw(1, 0x8000 | 0x4abc, 3, &[2, 0, 0, 0, 1]);
    world.upstream_says_raw(0x8000 | 0x4abc, 3, &[50, 0, 0, 0, 1]);
    assert_eq!(world.take_upstream_heard(), []);
    assert_eq!(world.take_heard(1), []);
    assert!(world.closed.is_empty() && world.closed_upstreams.is_empty());
}
