//! Clients of the mining server that select their own work (spec 5.1.4, 5.3.18 to 5.3.20).

mod mining_world;

use mining_world::{EASY, HARD_NBITS, Job, PATH, REGTEST_NBITS, SCRIPT, WORK, World, min_ntime, set_new_prev_hash};
use sv2_core::SystemRandom;
use sv2_core::bitcoin::{Output, Target};
use sv2_core::message::{
    FLAG_REQUIRES_WORK_SELECTION, SetCustomMiningJob, SetCustomMiningJobError, SetCustomMiningJobSuccess,
    SetNewPrevHashTemplate,
};
use sv2_core::mining::client::{self, Client, ClientOptions};
use sv2_core::mining::job::JobSource;
use sv2_core::mining::server::{self, CloseReason, Event, ServerError};
use sv2_core::mining::share::ShareError;
use sv2_core::wire::{Str, U256};

/// The coinbase's outputs, with their count.
fn outputs() -> Vec<u8> {
    let mut outputs = vec![1];
    Output { value: 5_000_000_000, script_pubkey: &SCRIPT }.serialize_into(&mut outputs);
    outputs
}

fn custom(outputs: &[u8]) -> SetCustomMiningJob<'_> {
    SetCustomMiningJob {
        channel_id: 2,
        request_id: 33,
        mining_job_token: b"token",
        version: 0x2000_0000,
        prev_hash: U256([1; 32]),
        min_ntime: min_ntime(1),
        nbits: HARD_NBITS,
        coinbase_tx_version: 2,
        coinbase_prefix: &[3, 1, 2, 3, 20],
        coinbase_tx_input_nsequence: 0xffff_ffff,
        coinbase_tx_outputs: outputs,
        coinbase_tx_locktime: 0,
        merkle_path: PATH[..].into(),
    }
}

fn refused(channel_id: u32, error_code: &str) -> SetCustomMiningJobError<'_> {
    SetCustomMiningJobError { channel_id, request_id: 33, error_code: Str::from(error_code) }
}

/// Miner 1 selects its own work, and has an extended channel, number 2.
fn world_on(nbits: u32) -> World {
    let mut world = World::with(|options| options.work_selection = true);
    world.tip(1, nbits);
    world.set_up(1, FLAG_REQUIRES_WORK_SELECTION);
    world.open_extended(1);
    assert_eq!(world.take_names(1), ["OpenExtendedMiningChannel.Success"]);
    world
}

/// The job as the client has put it together itself.
fn job_of(job_id: u32, nbits: u32) -> Job {
    let outputs = outputs();
    let prefix = [&[2, 0, 0, 0, 1][..], &[0; 32], &[0xff; 4], &[25], &[3, 1, 2, 3, 20]].concat();
    let suffix = [&[0xff; 4][..], &outputs, &[0; 4]].concat();
    Job {
        channel_id: 2,
        job_id,
        version: 0x2000_0000,
        prefix,
        suffix,
        path: PATH.iter().map(|node| node.0).collect(),
        extranonce_prefix: vec![0; 4],
        prev_hash: [1; 32],
        nbits,
        min_ntime: min_ntime(1),
    }
}

fn accept(world: &mut World) -> u32 {
    let job_id = world.server.accept_custom_job(1, 33, world.now).unwrap();
    world.run();
    world.take_events();
    world.expect(1, SetCustomMiningJobSuccess { channel_id: 2, request_id: 33, job_id }.into());
    job_id
}

#[test]
fn the_host_decides_about_a_custom_job_and_its_shares_count() {
    let mut world = world_on(HARD_NBITS);
    let outputs = outputs();
    world.send(1, &custom(&outputs));
    match &world.take_events()[..] {
        [Event::SetCustomMiningJob(request)] => {
            assert_eq!((request.connection, request.request_id, request.channel_id), (1, 33, 2));
            assert_eq!(request.message(), custom(&outputs));
        }
        other => panic!("{other:?}"),
    }
    world.expect_nothing(1);
    let job_id = accept(&mut world);
    world.submit(1, &job_of(job_id, HARD_NBITS).share(1, &[0; 16], 0));
    let share = world.expect_accepted();
    assert_eq!(*share.job.source(), JobSource::Custom(b"token"[..].into()));
    assert_eq!(world.server.accept_custom_job(1, 33, world.now), Err(ServerError::UnknownRequest));
}

#[test]
fn a_block_on_a_custom_job_is_told_without_a_solution_for_a_template() {
    let mut world = world_on(REGTEST_NBITS);
    world.send(1, &SetCustomMiningJob { nbits: REGTEST_NBITS, ..custom(&outputs()) });
    let job_id = accept(&mut world);
    let job = job_of(job_id, REGTEST_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    let block = world.expect_block();
    assert_eq!((block.solution, block.coinbase_tx), (None, job.coinbase(&[0; 16])));
}

#[test]
fn the_host_refuses_with_a_code_of_its_own() {
    let mut world = world_on(HARD_NBITS);
    world.send(1, &custom(&outputs()));
    world.server.refuse_custom_job(1, 33, "invalid-mining-job-token", world.now).unwrap();
    world.run();
    world.expect(1, refused(2, "invalid-mining-job-token").into());
    assert_eq!(world.server.refuse_custom_job(1, 33, "again", world.now), Err(ServerError::UnknownRequest));
}

#[test]
fn what_is_not_on_the_tip_is_refused_without_the_host() {
    let mut world = world_on(HARD_NBITS);
    let outputs = outputs();
    let good = custom(&outputs);
    let cases = [
        (SetCustomMiningJob { channel_id: 9, ..good }, "invalid-channel-id"),
        (SetCustomMiningJob { prev_hash: U256([2; 32]), ..good }, "stale-chain-tip"),
        (SetCustomMiningJob { nbits: REGTEST_NBITS, ..good }, "invalid-nbits"),
        (SetCustomMiningJob { min_ntime: min_ntime(1) - 1, ..good }, "invalid-min-ntime"),
        (SetCustomMiningJob { min_ntime: world.now.unix_s as u32 + 7_201, ..good }, "invalid-min-ntime"),
    ];
    for (message, code) in cases {
        world.send(1, &message);
        world.expect(1, refused(message.channel_id, code).into());
    }
    assert!(world.take_events().is_empty());
}

#[test]
fn a_client_that_did_not_say_so_cannot_select_its_work() {
    let mut world = World::with(|options| options.work_selection = true);
    world.tip(1, HARD_NBITS);
    world.set_up(1, 0);
    world.open_extended(1);
    world.take(1);
    world.send(1, &custom(&outputs()));
    world.expect(1, refused(2, "jd-not-supported").into());
}

#[test]
fn a_tip_that_changes_before_the_answer_refuses_the_job() {
    let mut world = world_on(HARD_NBITS);
    world.send(1, &custom(&outputs()));
    world.tip(2, HARD_NBITS);
    assert_eq!(world.server.accept_custom_job(1, 33, world.now), Err(ServerError::CustomJobRefused));
    world.run();
    world.expect(1, refused(2, "stale-chain-tip").into());
}

#[test]
fn the_same_job_again_is_the_same_job() {
    let mut world = world_on(HARD_NBITS);
    world.send(1, &custom(&outputs()));
    let first = accept(&mut world);
    world.submit(1, &job_of(first, HARD_NBITS).share(1, &[0; 16], 0));
    world.expect_accepted();
    world.take(1);
    // Bits that may be rolled make no other job.
    world.send(1, &SetCustomMiningJob { version: 0x2000_2000, min_ntime: min_ntime(1) + 5, ..custom(&outputs()) });
    assert_eq!(accept(&mut world), first);
    world.send(1, &SetCustomMiningJob { coinbase_tx_locktime: 7, ..custom(&outputs()) });
    assert_ne!(accept(&mut world), first);
    world.submit(1, &job_of(first, HARD_NBITS).share(2, &[0; 16], 0));
    assert_eq!(world.expect_rejected(), ShareError::DuplicateShare);
}

#[test]
fn a_job_that_was_forgotten_does_not_come_back_and_there_is_a_bound() {
    let mut world = World::with(|options| {
        (options.work_selection, options.past_jobs, options.max_custom_jobs) = (true, 1, 3);
    });
    world.tip(1, HARD_NBITS);
    world.set_up(1, FLAG_REQUIRES_WORK_SELECTION);
    world.open_extended(1);
    world.take(1);
    let outputs = outputs();
    let with = |lock_time: u32| SetCustomMiningJob { coinbase_tx_locktime: lock_time, ..custom(&outputs) };
    for lock_time in [1, 2, 3] {
        world.send(1, &with(lock_time));
        accept(&mut world);
    }
    for lock_time in [1, 4] {
        world.send(1, &with(lock_time));
        assert_eq!(world.server.accept_custom_job(1, 33, world.now), Err(ServerError::CustomJobRefused));
        world.run();
        world.expect(1, refused(2, "invalid-job-param-value").into());
    }
}

#[test]
fn a_custom_job_for_a_group_is_one_for_its_extended_channels() {
    let mut world = World::with(|options| options.work_selection = true);
    world.tip(1, HARD_NBITS);
    world.set_up(1, FLAG_REQUIRES_WORK_SELECTION);
    let opened = [world.open_extended(1), world.open_extended(1)];
    world.take(1);
    world.send(1, &SetCustomMiningJob { channel_id: 1, ..custom(&outputs()) });
    let job_id = world.server.accept_custom_job(1, 33, world.now).unwrap();
    world.run();
    world.take_events();
    world.expect(1, SetCustomMiningJobSuccess { channel_id: 1, request_id: 33, job_id }.into());
    for opened in opened {
        let channel_id = opened.channel_id;
        let extranonce_prefix = opened.extranonce_prefix.to_vec();
        let job = Job { channel_id, extranonce_prefix, ..job_of(job_id, HARD_NBITS) };
        world.submit(1, &job.share(1, &[0; 16], 0));
        assert_eq!(world.expect_accepted().channel_id, channel_id);
    }
}

#[test]
fn a_job_that_only_some_of_a_group_have_has_no_number_for_the_group() {
    let mut world = World::with(|options| options.work_selection = true);
    world.tip(1, HARD_NBITS);
    world.set_up(1, FLAG_REQUIRES_WORK_SELECTION);
    world.open_extended(1);
    world.open_extended(1);
    world.take(1);
    world.send(1, &custom(&outputs()));
    accept(&mut world);
    world.send(1, &SetCustomMiningJob { channel_id: 1, ..custom(&outputs()) });
    assert_eq!(world.server.accept_custom_job(1, 33, world.now), Err(ServerError::CustomJobRefused));
    world.run();
    world.expect(1, refused(1, "invalid-job-param-value").into());
}

#[test]
fn a_custom_job_that_nobody_could_mine_is_refused() {
    let mut world = world_on(HARD_NBITS);
    world.send(1, &SetCustomMiningJob { coinbase_tx_outputs: &[2, 0], ..custom(&outputs()) });
    let result = world.server.accept_custom_job(1, 33, world.now);
    assert!(matches!(result, Err(ServerError::Job(_))), "{result:?}");
    world.run();
    world.expect(1, refused(2, "invalid-job-param-value").into());
}

#[test]
fn a_custom_job_that_is_a_job_of_the_pool_earns_nothing_twice() {
    // A client that selects its work has no job of the pool; the channel alone shows what would happen.
    use std::sync::Arc;
    use sv2_core::mining::channel::{ChannelKind, ChannelOptions, ServerChannel, Submission};
    use sv2_core::mining::job::JobFactory;
    use sv2_core::mining::share::{Share, Tip};
    let outputs = outputs();
    let job = Arc::new(JobFactory::new("", "", 20).unwrap().custom(&custom(&outputs)).unwrap());
    let tip = Tip::new([1; 32], HARD_NBITS, min_ntime(1), None, 0).unwrap();
    let target = EASY;
    let mut channel =
        ServerChannel::new(2, ChannelKind::Extended, [0; 4][..].into(), 16, target, target, ChannelOptions::default());
    channel.set_tip(&tip);
    channel.add_job(1, Arc::new((*job).clone()), min_ntime(1));
    channel.add_custom_job(2, job, min_ntime(1), 10).unwrap();
    let nonce = job_of(1, HARD_NBITS).search(&[0; 16], &EASY, true, 0);
    let share = Share { nonce, ntime: min_ntime(1), version: 0x2000_0000, extranonce: &[0; 16] };
    let submission = |job_id| Submission { sequence_number: 1, job_id, share, has_invalid_tlv: false };
    let now = World::new().now;
    assert!(channel.submit(&submission(1), now).is_ok());
    assert_eq!(channel.submit(&submission(2), now).unwrap_err(), ShareError::DuplicateShare);
}

#[test]
fn too_many_requests_that_wait_end_the_connection() {
    let mut world = World::with(|options| (options.work_selection, options.max_pending_requests) = (true, 2));
    world.tip(1, HARD_NBITS);
    world.set_up(1, FLAG_REQUIRES_WORK_SELECTION);
    world.open(1, true, WORK, None);
    for _ in 0..2 {
        world.send(1, &custom(&outputs()));
        assert!(world.server.channel(1, 2).is_some());
    }
    world.send(1, &custom(&outputs()));
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooManyRequests);
}

#[test]
fn the_same_tip_again_forgets_no_share_of_a_custom_job() {
    let mut world = world_on(HARD_NBITS);
    world.send(1, &custom(&outputs()));
    let job_id = accept(&mut world);
    let job = job_of(job_id, HARD_NBITS);
    world.submit(1, &job.share(1, &[0; 16], 0));
    world.expect_accepted();
    world.take(1);
    // The provider is another one, with a template of its own for the same tip.
    world.template(9, true);
    let same = SetNewPrevHashTemplate { template_id: 9, ..set_new_prev_hash(1, HARD_NBITS, Target::MAX) };
    world.server.set_new_prev_hash(&same, world.now).unwrap();
    world.run();
    world.send(1, &custom(&outputs()));
    assert_eq!(accept(&mut world), job_id);
    world.submit(1, &job.share(2, &[0; 16], 0));
    assert_eq!(world.expect_rejected(), ShareError::DuplicateShare);
}

#[test]
fn our_own_client_that_selects_its_work_is_content_without_a_job_of_the_pool() {
    let mut options = ClientOptions::plaintext();
    options.requires_work_selection = true;
    let mut client = Client::new(options, Box::new(SystemRandom)).unwrap();
    let mut world = World::with(|options| options.work_selection = true);
    world.tip(1, HARD_NBITS);
    world.server.connect(1, None, world.now).unwrap();
    client.connect(world.now).unwrap();
    let mut wants_channel = true;
    for _ in 0..20 {
        world.pass(10_000);
        client.tick(world.now);
        world.server.tick(world.now);
        for _ in 0..3 {
            let mut up = client.output().to_vec();
            client.sent(up.len(), world.now).unwrap();
            world.server.receive(1, &mut up, world.now).unwrap();
            while let Some(event) = world.server.next_event() {
                if let server::Event::OpenChannel(open) = event {
                    world.server.accept_channel(1, open.request_id, WORK, Some(EASY), world.now).unwrap();
                }
            }
            let down = world.server.output(1).to_vec();
            world.server.sent(1, down.len(), world.now).unwrap();
            client.receive(&down, world.now).unwrap();
        }
        while let Some(event) = client.next_event() {
            assert!(!matches!(event, client::Event::Close { .. }), "{event:?}");
        }
        if wants_channel && client.open_extended("user", 1e12, Target::MAX, 2, world.now).is_ok() {
            wants_channel = false;
        }
    }
    assert!(!wants_channel);
    assert!(client.channel(2).is_some());
}
