//! The mining server opens, updates and closes channels (spec 5.2, 5.3.2 to 5.3.9).

mod mining_world;

use mining_world::{EASY, HARD_NBITS, Job, PATH, WORK, World, min_ntime};
use sv2_core::message::{Message, SetNewPrevHash};
use sv2_core::wire::U256;

#[test]
fn an_extended_channel_gets_success_then_a_future_job_then_the_tip_on_its_own_number() {
    let mut world = World::mining();
    world.set_up(1, 0);
    let opened = world.open_extended(1);
    assert_eq!((opened.group_channel_id, opened.channel_id), (1, 2));
    assert_eq!(opened.extranonce_prefix[..], [0, 0, 0, 0]);
    assert_eq!(opened.extranonce_size, 16);
    let received = world.take(1);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    let [Message::OpenExtendedMiningChannelSuccess(success), Message::NewExtendedMiningJob(job), tip] = messages[..]
    else {
        panic!("{messages:?}");
    };
    assert_eq!((success.request_id, success.channel_id, success.group_channel_id), (101, 2, 1));
    assert_eq!((success.target, success.extranonce_size), (U256(EASY.0), 16));
    assert_eq!(success.extranonce_prefix, [0, 0, 0, 0]);
    assert_eq!((job.channel_id, job.min_ntime, job.version), (2, None, 0x2000_0000));
    assert!(job.version_rolling_allowed);
    assert_eq!(job.merkle_path, PATH[..].into());
    let expected = SetNewPrevHash {
        channel_id: 2,
        job_id: job.job_id,
        prev_hash: U256([1; 32]),
        min_ntime: min_ntime(1),
        nbits: HARD_NBITS,
    };
    assert_eq!(tip, expected.into());
    let job = Job::new(&job, &opened, 1, HARD_NBITS);
    let extranonce = [9; 16];
    world.submit(1, &job.share(1, &extranonce, 0));
    let share = world.expect_accepted();
    assert_eq!((share.connection, share.channel_id, share.work, share.sequence_number), (1, 2, WORK, 1));
}
