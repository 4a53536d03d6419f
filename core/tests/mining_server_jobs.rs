//! The mining server turns templates into jobs, and sends them to groups (spec 5.1, 5.3.15 to 5.3.17).

mod mining_world;

use std::collections::BTreeSet;

use mining_world::{EASY, HARD_NBITS, Job, SCRIPT, WORK, World, first_job, min_ntime, outputs, payout, template};
use sv2_core::bitcoin::{Coinbase, Target};
use sv2_core::message::{FLAG_REQUIRES_STANDARD_JOBS, Message, SetNewPrevHash};
use sv2_core::mining::job::{JobError, Payout};
use sv2_core::mining::server::{Server, ServerError, ServerOptions};
use sv2_core::mining::share::ShareError;
use sv2_core::wire::U256;
use sv2_core::{SystemRandom, Time};

fn tip_message(channel_id: u32, job_id: u32, n: u8) -> Message<'static> {
    let (prev_hash, min_ntime, nbits) = (U256([n; 32]), min_ntime(n), HARD_NBITS);
    SetNewPrevHash { channel_id, job_id, prev_hash, min_ntime, nbits }.into()
}

#[test]
fn a_coinbase_says_who_found_the_block_and_pays_the_payout_before_the_templates_outputs() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let coinbase = job.coinbase(&[0; 16]);
    let parsed = Coinbase::parse(&coinbase).unwrap();
    let script = [&[3, 1, 2, 3, 15][..], b"Sv2/test/miner/", &[20], &[0; 20]].concat();
    assert_eq!(parsed.script_sig(), script);
    let paid: Vec<(u64, Vec<u8>)> =
        parsed.transaction().outputs().map(|output| (output.value, output.script_pubkey.to_vec())).collect();
    assert_eq!(paid[0], (5_000_000_001, SCRIPT.to_vec()));
    assert_eq!((paid.len(), paid[1].0), (2, 0));
}

#[test]
fn a_new_tip_is_one_message_for_a_group_whose_job_was_there_before() {
    let mut world = World::mining();
    world.set_up(1, 0);
    world.open_extended(1);
    world.open_extended(1);
    world.open_standard(1);
    world.take(1);
    world.template(2, true);
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::NewExtendedMiningJob(job)] = messages[..] else { panic!("{messages:?}") };
    assert_eq!((job.channel_id, job.min_ntime), (1, None));
    world.prev_hash(2, HARD_NBITS);
    world.expect(1, tip_message(1, job.job_id, 2));
    for channel_id in [2, 3, 4] {
        let channel = world.server.channel(1, channel_id).unwrap();
        assert_eq!(channel.active_job().unwrap().0, job.job_id);
        assert_eq!((channel.live_jobs().count(), channel.future_jobs().count()), (1, 0));
    }
}

#[test]
fn standard_jobs_go_to_each_channel_where_a_client_can_do_with_no_others() {
    let mut world = World::mining();
    world.set_up(1, FLAG_REQUIRES_STANDARD_JOBS);
    let opened = [world.open_standard(1), world.open_standard(1)];
    world.take(1);
    world.template(2, true);
    world.prev_hash(2, HARD_NBITS);
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::NewMiningJob(first), Message::NewMiningJob(second), tips @ ..] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((first.channel_id, first.min_ntime, second.channel_id), (2, None, 3));
    assert_eq!(first.job_id, second.job_id);
    assert_ne!(first.merkle_root, second.merkle_root);
    assert_eq!(tips, [tip_message(2, first.job_id, 2), tip_message(3, first.job_id, 2)]);
    world.template(9, false);
    let received = world.take(1);
    for (one, opened) in received.iter().zip(&opened) {
        let Message::NewMiningJob(job) = one.message() else { panic!("{one:?}") };
        assert_eq!((job.channel_id, job.min_ntime), (opened.channel_id, Some(min_ntime(2))));
    }
    assert_eq!(received.len(), 2);
}

#[test]
fn a_better_template_on_the_same_tip_is_worked_on_at_once() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let first = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.template(9, false);
    let received = world.take(1);
    let Message::NewExtendedMiningJob(job) = received[0].message() else { panic!("{received:?}") };
    assert_eq!((received.len(), job.channel_id, job.min_ntime), (1, 1, Some(min_ntime(1))));
    let second = Job::new(&job, &opened, 1, HARD_NBITS);
    for (n, job) in [(1, &first), (2, &second)] {
        world.submit(1, &job.share(n, &[0; 16], 0));
        assert_eq!(world.expect_accepted().job_id, job.job_id);
    }
}

#[test]
fn jobs_of_the_same_template_have_search_spaces_of_their_own() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let mut prefixes = BTreeSet::from([first_job(&world.take(1), &opened, 1, HARD_NBITS).prefix]);
    for _ in 0..40 {
        world.template(9, false);
        assert!(prefixes.insert(first_job(&world.take(1), &opened, 1, HARD_NBITS).prefix));
    }
}

#[test]
fn a_tip_without_its_template_makes_all_jobs_stale_until_the_next_template() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.prev_hash(2, HARD_NBITS);
    world.expect_nothing(1);
    assert!(world.logs.iter().any(|line| line.contains("names template 2")), "{:?}", world.logs);
    world.submit(1, &job.share(1, &[0; 16], 0));
    assert_eq!(world.expect_rejected(), ShareError::StaleShare);
    world.take(1);
    world.template(5, false);
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::NewExtendedMiningJob(job), tip] = messages[..] else { panic!("{messages:?}") };
    assert_eq!((job.channel_id, job.min_ntime), (1, None));
    assert_eq!(tip, tip_message(1, job.job_id, 2));
}

#[test]
fn who_comes_while_templates_wait_gets_them_too() {
    let mut world = World::mining();
    world.template(2, true);
    world.template(3, true);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let names: Vec<&str> = world.inbox[&1].iter().map(|one| sv2_core::message::shape(one.tag).unwrap().name).collect();
    let (job, success) = ("NewExtendedMiningJob", "OpenExtendedMiningChannel.Success");
    assert_eq!(names, [success, job, "SetNewPrevHash", job, job]);
    let jobs: Vec<u32> = world
        .take(1)
        .iter()
        .filter_map(|one| match one.message() {
            Message::NewExtendedMiningJob(job) => Some(job.job_id),
            _ => None,
        })
        .collect();
    world.prev_hash(3, HARD_NBITS);
    world.expect(1, tip_message(opened.group_channel_id, jobs[2], 3));
}

#[test]
fn the_oldest_of_too_many_templates_that_wait_goes() {
    let mut world = World::with(|options| options.max_future_templates = 2);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    world.open_extended(1);
    for template_id in [2, 3, 4] {
        world.template(template_id, true);
    }
    world.take(1);
    assert_eq!(world.server.channel(1, 2).unwrap().future_jobs().count(), 2);
    world.prev_hash(2, HARD_NBITS);
    world.expect_nothing(1);
    assert!(world.server.channel(1, 2).unwrap().active_job().is_none());
}

#[test]
fn a_payout_that_changes_is_paid_from_the_next_job_which_comes_at_once() {
    let mut world = World::mining();
    world.template(2, true);
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let before = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    let other = Payout::new(&[(&[1, 2, 3], 1), (&SCRIPT, 3)]).unwrap();
    world.server.set_payout(WORK, other, "miner", world.now).unwrap();
    world.run();
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::NewExtendedMiningJob(job), Message::NewExtendedMiningJob(future)] = messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((job.min_ntime, future.min_ntime), (Some(min_ntime(1)), None));
    let coinbase = Job::new(&job, &opened, 1, HARD_NBITS).coinbase(&[0; 16]);
    let parsed = Coinbase::parse(&coinbase).unwrap();
    let paid: Vec<(u64, usize)> =
        parsed.transaction().outputs().map(|output| (output.value, output.script_pubkey.len())).collect();
    assert_eq!(paid[..2], [(1_250_000_001, 3), (3_750_000_000, 22)]);
    world.submit(1, &before.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.prev_hash(2, HARD_NBITS);
    world.expect(1, tip_message(1, future.job_id, 2));
}

#[test]
fn each_payout_has_its_own_jobs_and_one_that_nobody_mines_has_none() {
    let mut world = World::mining();
    for work in [8, 9] {
        world.server.set_payout(work, payout(), &format!("user{work}"), world.now).unwrap();
    }
    world.set_up(1, 0);
    world.set_up(2, 0);
    let one = world.open(1, true, WORK, Some(EASY));
    let two = world.open(2, true, 8, Some(EASY));
    world.take(1);
    world.take(2);
    world.template(2, true);
    let (one, two) = (first_job(&world.take(1), &one, 2, HARD_NBITS), first_job(&world.take(2), &two, 2, HARD_NBITS));
    assert!(one.prefix.windows(5).any(|part| part == b"miner"));
    assert!(two.prefix.windows(5).any(|part| part == b"user8"));
    // Numbers are not used twice, and the payout without channels cost none.
    assert_eq!(two.job_id, one.job_id + 1);
    assert_eq!(world.server.remove_work(8), Err(ServerError::WorkInUse));
    assert_eq!(world.server.remove_work(9), Ok(()));
    assert_eq!(world.server.remove_work(9), Err(ServerError::UnknownWork));
}

#[test]
fn those_who_are_told_of_a_tip_come_before_all_others() {
    let mut world = World::mining();
    for id in 1..=3 {
        world.set_up(id, 0);
        world.open_extended(id);
    }
    world.template(2, true);
    // Somebody else is told something first.
    world.server.send_extension_message(3, 9, 9, &[2, 0, 0, 0]).unwrap();
    world.server.connect(4, None, world.now).unwrap();
    world.written.clear();
    world
        .server
        .set_new_prev_hash(
            &mining_world::set_new_prev_hash(2, HARD_NBITS, Target::from_nbits(HARD_NBITS).unwrap()),
            world.now,
        )
        .unwrap();
    world.run();
    assert_eq!(world.written, [1, 2, 3]);
}

#[test]
fn inputs_that_make_no_sense_are_refused() {
    let mut world = World::new();
    let outputs = outputs();
    let result = world.server.new_template(&template(1, false, &outputs, &[]), world.now);
    assert_eq!(result, Err(ServerError::NoTip));
    let result = world.server.new_template(&template(1, true, &outputs[1..], &[]), world.now);
    assert!(matches!(result, Err(ServerError::Job(JobError::Coinbase(_)))), "{result:?}");
    let tip = mining_world::set_new_prev_hash(1, 0, Target::MAX);
    assert_eq!(world.server.set_new_prev_hash(&tip, world.now), Err(ServerError::InvalidNbits));
    let tag = "a name that is far too long for the script of a coinbase";
    let result = world.server.set_payout(9, payout(), tag, world.now);
    assert!(matches!(result, Err(ServerError::Job(JobError::TagsTooLong(_)))), "{result:?}");
    for change in [
        |options: &mut ServerOptions| options.index_len = 5,
        |options: &mut ServerOptions| options.rollable_len = 29,
        |options: &mut ServerOptions| options.pool_tag = "p".repeat(80),
    ] {
        let mut options = ServerOptions::plaintext();
        change(&mut options);
        assert!(Server::new(options, Box::new(SystemRandom)).is_err());
    }
}

#[test]
fn several_engines_with_the_same_work_need_nothing_in_common_but_a_server_id() {
    let mut prefixes = BTreeSet::new();
    let mut jobs = BTreeSet::new();
    for server_id in 0..3_u8 {
        let mut world = World::with(|options| options.server_id = vec![server_id]);
        world.tip(1, HARD_NBITS);
        world.set_up(1, 0);
        for _ in 0..3 {
            let opened = world.open_extended(1);
            assert!(prefixes.insert(opened.extranonce_prefix.to_vec()));
            jobs.insert(first_job(&world.take(1), &opened, 1, HARD_NBITS).prefix);
        }
    }
    assert_eq!((prefixes.len(), jobs.len()), (9, 1));
}

#[test]
fn a_server_that_nobody_uses_wants_nothing() {
    let mut server = Server::new(ServerOptions::plaintext(), Box::new(SystemRandom)).unwrap();
    assert!(server.next_event().is_none());
    assert_eq!(server.next_deadline(), None);
    server.tick(Time { monotonic_ms: 5, unix_s: 5 });
    assert!(server.next_event().is_none());
}

#[test]
fn the_tip_that_is_worked_on_changes_nothing_when_it_is_said_again() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    let job = first_job(&world.take(1), &opened, 1, HARD_NBITS);
    world.prev_hash(1, HARD_NBITS);
    world.expect_nothing(1);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.expect_accepted();
}
