//! The mining server judges shares (spec 5.3.11 to 5.3.14), and finds blocks.

mod mining_world;

use mining_world::{EASY, HARD_NBITS, Job, REGTEST_NBITS, WORK, World, first_job};
use sv2_core::bitcoin::{Target, has_witness, root_from_path, sha256d, strip_witness};
use sv2_core::message::tlv::{ByteOrder, USER_IDENTITY, write};
use sv2_core::message::{
    FLAG_REQUIRES_STANDARD_JOBS, Message, Payload, RequestExtensions, SetNewPrevHashTemplate, SubmitSharesError,
    SubmitSharesExtended, SubmitSharesStandard, SubmitSharesSuccess,
};
use sv2_core::mining::job::JobSource;
use sv2_core::mining::server::{ChannelOpened, Event};
use sv2_core::mining::share::ShareError;
use sv2_core::wire::{List, Str};

const EXTRANONCE: [u8; 16] = [5; 16];

/// A world in which miner 1 has an extended channel with an easy target.
fn mining_on(nbits: u32) -> (World, ChannelOpened, Job) {
    let mut world = World::new();
    world.tip(1, nbits);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, nbits);
    (world, opened, job)
}

fn expect_error(world: &mut World, sequence_number: u32, channel_id: u32, error: ShareError, code: &str) {
    assert_eq!(world.expect_rejected(), error);
    assert_eq!(error.code(), code);
    let error_code = Str::from(code);
    world.expect(1, SubmitSharesError { channel_id, sequence_number, error_code }.into());
}

#[test]
fn an_accepted_share_tells_the_host_all_that_a_log_needs() {
    let (mut world, opened, job) = mining_on(HARD_NBITS);
    let submitted = job.share(77, &EXTRANONCE, 0);
    world.submit(1, &submitted);
    let share = world.expect_accepted();
    assert_eq!((share.connection, share.channel_id, share.work), (1, opened.channel_id, WORK));
    assert_eq!((share.sequence_number, share.job_id), (77, job.job_id));
    assert_eq!((share.nonce, share.ntime, share.version), (submitted.nonce, submitted.ntime, submitted.version));
    assert_eq!(share.extranonce[..], [&[0, 0, 0, 0][..], &EXTRANONCE].concat());
    assert_eq!(share.extranonce_prefix_len, 4);
    assert_eq!(share.hash, job.header(&EXTRANONCE, submitted.nonce).hash());
    assert_eq!(share.difficulty, EASY.difficulty());
    assert_eq!(*share.job.source(), JobSource::Template(1));
    assert_eq!((share.is_block, share.worker_identity), (false, None));
}

#[test]
fn ten_shares_or_a_second_are_acknowledged_together() {
    let (mut world, opened, job) = mining_on(HARD_NBITS);
    let channel_id = opened.channel_id;
    let mut nonce = 0;
    for sequence_number in 1..=9 {
        let share = job.share(sequence_number, &EXTRANONCE, nonce);
        nonce = share.nonce + 1;
        world.submit(1, &share);
        world.expect_nothing(1);
    }
    world.submit(1, &job.share(10, &EXTRANONCE, nonce));
    let success = SubmitSharesSuccess {
        channel_id,
        last_sequence_number: 10,
        new_submits_accepted_count: 10,
        // Ten times a difficulty of less than a billionth.
        new_shares_sum: 0,
    };
    world.expect(1, success.into());
    world.submit(1, &job.share(11, &[6; 16], 0));
    assert!(world.server.next_deadline().is_some_and(|at| at <= world.now.monotonic_ms + 1_000));
    world.tick_after(999);
    world.expect_nothing(1);
    world.tick_after(1);
    let success = SubmitSharesSuccess { last_sequence_number: 11, new_submits_accepted_count: 1, ..success };
    world.expect(1, success.into());
    world.tick_after(10_000);
    world.expect_nothing(1);
}

#[test]
fn every_reason_to_refuse_a_share_has_its_error_code() {
    let (mut world, opened, job) = mining_on(HARD_NBITS);
    let id = opened.channel_id;
    let good = job.share(1, &EXTRANONCE, 0);
    let cases = [
        (SubmitSharesExtended { channel_id: 99, ..good }, ShareError::InvalidChannelId, "invalid-channel-id"),
        (SubmitSharesExtended { channel_id: 1, ..good }, ShareError::InvalidChannelId, "invalid-channel-id"),
        (SubmitSharesExtended { job_id: 99, ..good }, ShareError::InvalidJobId, "invalid-job-id"),
        (SubmitSharesExtended { extranonce: &[5; 15], ..good }, ShareError::BadExtranonceSize, "bad-extranonce-size"),
        (SubmitSharesExtended { extranonce: &[], ..good }, ShareError::BadExtranonceSize, "bad-extranonce-size"),
        (SubmitSharesExtended { ntime: good.ntime - 1, ..good }, ShareError::NtimeOutOfRange, "invalid-share"),
        (SubmitSharesExtended { ntime: good.ntime + 7_201, ..good }, ShareError::NtimeOutOfRange, "invalid-share"),
        (
            SubmitSharesExtended { version: good.version ^ 1, ..good },
            ShareError::NonRollableVersionBit,
            "invalid-non-rollable-version-bit",
        ),
    ];
    for (share, error, code) in cases {
        world.submit(1, &share);
        expect_error(&mut world, 1, share.channel_id, error, code);
    }
    let above = job.share_with(2, &EXTRANONCE, job.search(&EXTRANONCE, &EASY, false, 0));
    world.submit(1, &above);
    expect_error(&mut world, 2, id, ShareError::DifficultyTooLow, "difficulty-too-low");
    world.submit(1, &good);
    world.expect_accepted();
    world.submit(1, &SubmitSharesExtended { sequence_number: 3, ..good });
    expect_error(&mut world, 3, id, ShareError::DuplicateShare, "duplicate-share");
    world.tip(2, HARD_NBITS);
    world.take(1);
    world.submit(1, &job.share(4, &EXTRANONCE, good.nonce + 1));
    expect_error(&mut world, 4, id, ShareError::StaleShare, "stale-share");
    let totals = world.server.channel(1, id).unwrap().accounting().totals();
    assert_eq!((totals.accepted, totals.rejected.iter().sum::<u64>()), (1, 9));
}

#[test]
fn a_version_must_not_change_where_the_server_does_not_allow_it() {
    let mut world = World::with(|options| options.version_mask = 0);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let share = job.share(1, &EXTRANONCE, 0);
    world.submit(1, &SubmitSharesExtended { version: share.version ^ 0x2000, ..share });
    let code = "version-rolling-not-allowed";
    expect_error(&mut world, 1, opened.channel_id, ShareError::VersionRollingNotAllowed, code);
}

#[test]
fn a_rolled_version_counts() {
    let (mut world, _, mut job) = mining_on(HARD_NBITS);
    job.version |= 0x1fff_ffe0;
    world.submit(1, &job.share(1, &EXTRANONCE, 0));
    assert_eq!(world.expect_accepted().version, 0x3fff_ffe0);
}

#[test]
fn standard_shares_are_judged_by_the_merkle_root_that_was_sent() {
    for flags in [0, FLAG_REQUIRES_STANDARD_JOBS] {
        let mut world = World::mining();
        world.set_up(2, 0);
        let other = world.open_extended(2);
        let job = first_job(&world.take(2), &other, 1, HARD_NBITS);
        world.set_up(1, flags);
        let opened = world.open_standard(1);
        world.take(1);
        let job = Job { channel_id: opened.channel_id, extranonce_prefix: opened.extranonce_prefix.to_vec(), ..job };
        let share = job.share(1, &[], 0);
        let SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, .. } = share;
        let standard = SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version };
        world.submit_standard(1, &standard);
        let accepted = world.expect_accepted();
        assert_eq!(accepted.hash, job.header(&[], nonce).hash());
        assert_eq!((accepted.extranonce.len(), accepted.extranonce_prefix_len), (20, 20));
        // A share of the other kind is for no such channel.
        world.submit(1, &share);
        assert_eq!(world.expect_rejected(), ShareError::InvalidChannelId);
    }
}

#[test]
fn a_block_is_told_first_with_all_that_a_node_needs_and_acknowledged_at_once() {
    let (mut world, opened, job) = mining_on(REGTEST_NBITS);
    let submitted = job.share(5, &EXTRANONCE, 0);
    world.submit(1, &submitted);
    let block = world.expect_block();
    assert_eq!(block.header, job.header(&EXTRANONCE, submitted.nonce));
    assert_eq!(block.share.hash, block.header.hash());
    assert!(has_witness(&block.coinbase_tx));
    let stripped = strip_witness(&block.coinbase_tx).unwrap();
    assert_eq!(stripped, job.coinbase(&EXTRANONCE));
    assert_eq!(root_from_path(&sha256d(&stripped), &job.path), block.header.merkle_root);
    let solution = block.solution.unwrap();
    assert_eq!((solution.template_id, solution.version), (1, submitted.version));
    assert_eq!((solution.header_timestamp, solution.header_nonce), (submitted.ntime, submitted.nonce));
    assert_eq!(solution.coinbase_tx, block.coinbase_tx);
    let success = SubmitSharesSuccess {
        channel_id: opened.channel_id,
        last_sequence_number: 5,
        new_submits_accepted_count: 1,
        new_shares_sum: 0,
    };
    world.expect(1, success.into());
}

#[test]
fn a_block_is_told_once() {
    let (mut world, opened, job) = mining_on(REGTEST_NBITS);
    world.submit(1, &job.share(5, &EXTRANONCE, 0));
    world.expect_block();
    world.take(1);
    world.submit(1, &job.share(6, &EXTRANONCE, 0));
    expect_error(&mut world, 6, opened.channel_id, ShareError::DuplicateShare, "duplicate-share");
}

#[test]
fn a_block_comes_before_events_that_were_there_already() {
    let (mut world, _, job) = mining_on(REGTEST_NBITS);
    let mut bytes = Vec::new();
    for extranonce in [[6; 16], EXTRANONCE] {
        world.miners.get_mut(&1).unwrap().send(&job.share(1, &extranonce, 0)).unwrap();
    }
    bytes.extend_from_slice(world.miners.get_mut(&1).unwrap().output());
    world.miners.get_mut(&1).unwrap().sent(bytes.len());
    world.server.receive(1, &mut bytes, world.now).unwrap();
    let mut names = Vec::new();
    while let Some(event) = world.server.next_event() {
        names.push(match event {
            Event::BlockFound(_) => "block",
            Event::ShareAccepted(_) => "share",
            Event::Writable { .. } => "writable",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(names, ["block", "block", "share", "writable", "share"]);
}

#[test]
fn a_template_provider_may_want_more_work_than_nbits() {
    let mut world = World::new();
    world.template(1, true);
    let mut stricter = Target::from_nbits(REGTEST_NBITS).unwrap();
    stricter.0[31] = 0x0f;
    world.prev_hash_with(1, REGTEST_NBITS, stricter);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, REGTEST_NBITS);
    let mut nonce = job.search(&EXTRANONCE, &EASY, true, 0);
    while stricter.is_met_by(&job.header(&EXTRANONCE, nonce).hash()) {
        nonce = job.search(&EXTRANONCE, &EASY, true, nonce + 1);
    }
    world.submit(1, &job.share_with(1, &EXTRANONCE, nonce));
    assert!(!world.expect_accepted().is_block);
    world.submit(1, &job.share_with(2, &EXTRANONCE, job.search(&EXTRANONCE, &stricter, true, 0)));
    assert!(world.expect_block().share.is_block);
}

#[test]
fn the_target_of_a_job_does_not_change_with_set_target() {
    let (mut world, opened, job) = mining_on(HARD_NBITS);
    let mut harder = EASY;
    harder.0[31] = 0x3f;
    world.server.set_target(1, opened.channel_id, harder, world.now).unwrap();
    world.run();
    world.take(1);
    world.take_events();
    let mut nonce = job.search(&EXTRANONCE, &EASY, true, 0);
    while harder.is_met_by(&job.header(&EXTRANONCE, nonce).hash()) {
        nonce = job.search(&EXTRANONCE, &EASY, true, nonce + 1);
    }
    world.submit(1, &job.share_with(1, &EXTRANONCE, nonce));
    world.expect_accepted();
    world.template(9, false);
    let next = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let mut nonce = next.search(&EXTRANONCE, &EASY, true, 0);
    while harder.is_met_by(&next.header(&EXTRANONCE, nonce).hash()) {
        nonce = next.search(&EXTRANONCE, &EASY, true, nonce + 1);
    }
    world.submit(1, &next.share_with(2, &EXTRANONCE, nonce));
    assert_eq!(world.expect_rejected(), ShareError::DifficultyTooLow);
}

#[test]
fn a_share_on_a_past_job_is_accepted_until_it_is_one_of_too_many() {
    let (mut world, opened, first) = mining_on(HARD_NBITS);
    for template_id in 10..26 {
        world.template(template_id, false);
    }
    world.submit(1, &first.share(1, &EXTRANONCE, 0));
    world.expect_accepted();
    world.template(26, false);
    world.submit(1, &first.share(2, &[6; 16], 0));
    assert_eq!(world.expect_rejected(), ShareError::InvalidJobId);
    assert_eq!(world.server.channel(1, opened.channel_id).unwrap().live_jobs().count(), 17);
}

#[test]
fn a_job_of_which_many_shares_are_known_is_replaced_and_none_is_forgotten() {
    let mut world = World::with(|options| options.max_shares_per_job = 8);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let extranonces: Vec<[u8; 16]> = (0..9).map(|n| [n; 16]).collect();
    for (n, extranonce) in extranonces.iter().enumerate().take(5) {
        world.submit(1, &job.share(n as u32, extranonce, 0));
        world.expect_accepted();
        assert_eq!(world.take(1), []);
    }
    world.submit(1, &job.share(5, &extranonces[5], 0));
    world.expect_accepted();
    let next = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    assert_ne!(next.job_id, job.job_id);
    assert_ne!(next.prefix, job.prefix, "another search space");
    // Shares that are on the way still count, as far as they can be remembered.
    for n in [6, 7] {
        world.submit(1, &job.share(n, &extranonces[n as usize], 0));
        world.expect_accepted();
    }
    world.submit(1, &job.share(8, &extranonces[8], 0));
    assert_eq!(world.expect_rejected(), ShareError::InvalidJobId);
    for (n, extranonce) in extranonces.iter().enumerate().take(8) {
        world.submit(1, &job.share(n as u32, extranonce, 0));
        assert_eq!(world.expect_rejected(), ShareError::DuplicateShare);
    }
    world.submit(1, &next.share(9, &extranonces[0], 0));
    assert_eq!(world.expect_accepted().job_id, next.job_id);
}

#[test]
fn a_block_counts_also_where_no_share_does_any_more() {
    let mut world = World::with(|options| options.max_shares_per_job = 1);
    world.tip(1, REGTEST_NBITS);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, REGTEST_NBITS);
    for extranonce in [[1; 16], [2; 16], [3; 16]] {
        world.submit(1, &job.share(1, &extranonce, 0));
        world.expect_block();
    }
    for extranonce in [[1; 16], [2; 16], [3; 16]] {
        world.submit(1, &job.share(2, &extranonce, 0));
        assert_eq!(world.expect_rejected(), ShareError::DuplicateShare);
    }
}

/// A share with what is appended to it, as a frame's payload.
fn with_tlv(share: &SubmitSharesExtended<'_>, name: &[u8], order: ByteOrder) -> Vec<u8> {
    let mut payload = vec![0; share.encoded_len().unwrap()];
    share.encode(&mut payload).unwrap();
    let mut tlv = [0; 64];
    let len = write(&mut tlv, USER_IDENTITY, name, order).unwrap();
    payload.extend_from_slice(&tlv[..len]);
    payload
}

#[test]
fn a_share_names_its_worker_in_either_byte_order_once_that_is_negotiated() {
    let (mut world, _, job) = mining_on(HARD_NBITS);
    let share = |n: u8| [n; 16];
    world.send_frame(1, 0x8000, 0x1b, &with_tlv(&job.share(1, &share(1), 0), b"rig-1", ByteOrder::Little));
    assert_eq!(world.expect_accepted().worker_identity, None);
    world.send(1, &RequestExtensions { request_id: 1, requested_extensions: List::Items(&[2]) });
    for (n, order) in [(2, ByteOrder::Little), (3, ByteOrder::Big)] {
        world.send_frame(1, 0x8000, 0x1b, &with_tlv(&job.share(1, &share(n), 0), b"rig-1", order));
        assert_eq!(world.expect_accepted().worker_identity.unwrap()[..], b"rig-1"[..]);
    }
    world.submit(1, &job.share(1, &share(4), 0));
    assert_eq!(world.expect_accepted().worker_identity, None);
}

/// A TLV of a worker with a name of 33 bytes.
fn too_long() -> Vec<u8> {
    [&[2, 0, 1, 33, 0][..], &[b'w'; 33]].concat()
}

#[test]
fn a_name_that_is_too_long_refuses_the_share_but_no_block() {
    for nbits in [HARD_NBITS, REGTEST_NBITS] {
        let (mut world, opened, job) = mining_on(nbits);
        world.send(1, &RequestExtensions { request_id: 1, requested_extensions: List::Items(&[2]) });
        world.take(1);
        let good = with_tlv(&job.share(1, &EXTRANONCE, 0), b"w", ByteOrder::Little);
        let bad = [&good[..good.len() - 6], &too_long()].concat();
        world.send_frame(1, 0x8000, 0x1b, &bad);
        if nbits == REGTEST_NBITS {
            assert_eq!(world.expect_block().share.worker_identity, None);
        } else {
            expect_error(&mut world, 1, opened.channel_id, ShareError::InvalidTlv, "invalid-share");
            // It was not remembered: the same share counts as it should be.
            world.send_frame(1, 0x8000, 0x1b, &good);
            world.expect_accepted();
        }
    }
}

#[test]
fn a_miner_that_says_too_little_gets_a_harder_target_and_a_job_with_it() {
    let mut world = World::with(|options| options.min_hash_rate = 1.0);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    let request_id = world.ask_channel(1, true, 1.0);
    world.expect_open_event();
    world.server.accept_channel(1, request_id, WORK, None, world.now).unwrap();
    world.run();
    let opened = match &world.take_events()[..] {
        [Event::ChannelOpened(opened)] => (**opened).clone(),
        other => panic!("{other:?}"),
    };
    let mut job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    // 100 times as fast as it says: a share of the first target every 100 ms.
    let mut targets = Vec::new();
    for n in 0..200_u32 {
        world.pass(100);
        let mut extranonce = [0; 16];
        extranonce[..4].copy_from_slice(&n.to_le_bytes());
        let nonce = job.search(&extranonce, &opened.target, true, 0);
        world.submit(1, &job.share_with(n, &extranonce, nonce));
        let received = world.take(1);
        targets.extend(received.iter().filter_map(|one| match one.message() {
            Message::SetTarget(set) => Some(Target(set.maximum_target.0)),
            _ => None,
        }));
        if received.iter().any(|one| matches!(one.message(), Message::NewExtendedMiningJob(_))) {
            job = first_job(&received, &opened, 1, HARD_NBITS);
        }
    }
    // Ten hashes for each of ten shares a second.
    let last = targets.last().unwrap().work();
    assert!((opened.target.work() - 10.0).abs() < 1e-9);
    assert!((500.0..2_000.0).contains(&last), "{targets:?}");
    assert_ne!(job.job_id, 1);
}

#[test]
fn a_silent_miner_gets_an_easier_target() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open(1, true, WORK, None);
    world.take(1);
    for _ in 0..120 {
        world.tick_after(5_000);
    }
    let received = world.take(1);
    let targets: Vec<Target> = received
        .iter()
        .filter_map(|one| match one.message() {
            Message::SetTarget(set) => Some(Target(set.maximum_target.0)),
            _ => None,
        })
        .collect();
    assert!(targets.len() >= 2 && targets[0] > opened.target, "{targets:?}");
}

#[test]
fn a_block_on_the_tip_before_is_told_once_though_its_share_is_stale() {
    let (mut world, _, job) = mining_on(REGTEST_NBITS);
    world.tip(2, REGTEST_NBITS);
    let share = job.share(1, &EXTRANONCE, 0);
    world.submit(1, &share);
    match &world.take_events()[..] {
        [Event::BlockFound(block), Event::ShareRejected { error: ShareError::StaleShare, .. }] => {
            assert_eq!(block.header, job.header(&EXTRANONCE, share.nonce));
            assert_eq!(block.header.prev_hash, [1; 32]);
        }
        other => panic!("{other:?}"),
    }
    world.submit(1, &share);
    assert_eq!(world.expect_rejected(), ShareError::StaleShare);
    world.tip(3, REGTEST_NBITS);
    world.submit(1, &job.share(2, &[6; 16], 0));
    assert_eq!(world.expect_rejected(), ShareError::InvalidJobId);
    assert_eq!(world.server.channel(1, 2).unwrap().accounting().totals().accepted, 0);
}

#[test]
fn another_template_on_the_same_tip_ends_no_job_and_forgets_no_share() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let before = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.submit(1, &before.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.take(1);
    world.template(9, true);
    let after = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let same = SetNewPrevHashTemplate { template_id: 9, ..mining_world::set_new_prev_hash(1, HARD_NBITS, Target::MAX) };
    world.server.set_new_prev_hash(&same, world.now).unwrap();
    world.run();
    assert_eq!(world.take_names(1), ["SetNewPrevHash"]);
    assert_eq!(world.server.channel(1, 2).unwrap().active_job().unwrap().0, after.job_id);
    world.submit(1, &before.share(2, &[0; 16], 0));
    assert_eq!(world.expect_rejected(), ShareError::DuplicateShare);
    world.submit(1, &before.share(3, &[1; 16], 0));
    world.expect_accepted();
    world.submit(1, &after.share(4, &[0; 16], 0));
    world.expect_accepted();
}
