//! The mining client: shares and their answers, workers, custom jobs, extensions, and what a server may not do.

mod mining_client_world;

use mining_client_world::*;
use sv2_core::bitcoin::Target;
use sv2_core::connection::ConnectionError;
use sv2_core::frame::Header;
use sv2_core::message::*;
use sv2_core::mining::client::{
    Capacity, ChannelError, Client, ClientError, ClientOptions, CloseReason, JobState, ShareTotals, Solution,
};
use sv2_core::mining::share::ShareError;
use sv2_core::wire::{List, Str, U256};
use sv2_core::{SystemRandom, Time};

fn accepted(last_sequence_number: u32, count: u32) -> SubmitSharesSuccess {
    let new_shares_sum = u64::from(count) * 100;
    SubmitSharesSuccess { channel_id: 2, last_sequence_number, new_submits_accepted_count: count, new_shares_sum }
}

fn rejected(sequence_number: u32) -> SubmitSharesError<'static> {
    SubmitSharesError { channel_id: 2, sequence_number, error_code: Str(b"difficulty-too-low") }
}

fn unanswered(world: &World) -> Vec<u32> {
    world.client.channel(2).unwrap().unanswered().map(|share| share.sequence_number).collect()
}

#[test]
fn a_share_goes_out_with_the_next_sequence_number() {
    let mut world = World::mining();
    let share = Solution { nonce: 0xdead_beef, version: 0x2000_0020, ntime: NTIME + 3, ..solution(1) };
    assert_eq!(world.submit(2, &solution(1)), Ok(1));
    assert_eq!(world.submit(2, &share), Ok(2));
    let message = SubmitSharesStandard {
        channel_id: 2,
        sequence_number: 2,
        job_id: 1,
        nonce: 0xdead_beef,
        ntime: NTIME + 3,
        version: 0x2000_0020,
    };
    assert_eq!(world.heard[1], format!("{:?}", Message::SubmitSharesStandard(message)));
}

#[test]
fn what_the_server_would_refuse_is_not_sent() {
    let mut world = World::mining();
    world.say(&standard_job(2, 5, None));
    let refuse = |world: &mut World, channel_id, share: Solution<'_>| match world.submit(channel_id, &share) {
        Err(ClientError::Share(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refuse(&mut world, 9, solution(1)), ShareError::InvalidChannelId);
    assert_eq!(refuse(&mut world, 2, solution(9)), ShareError::InvalidJobId);
    assert_eq!(refuse(&mut world, 2, solution(5)), ShareError::InvalidJobId, "a future job");
    let share = Solution { extranonce: &[1], ..solution(1) };
    assert_eq!(refuse(&mut world, 2, share), ShareError::BadExtranonceSize);
    let share = Solution { ntime: NTIME - 1, ..solution(1) };
    assert_eq!(refuse(&mut world, 2, share), ShareError::NtimeOutOfRange);
    let share = Solution { version: 0x2000_0001, ..solution(1) };
    assert_eq!(refuse(&mut world, 2, share), ShareError::NonRollableVersionBit);
    assert!(world.heard.is_empty());
    assert_eq!(world.submit(2, &solution(1)), Ok(1), "no sequence number is used up");
}

#[test]
fn the_version_stays_as_it_is_where_it_must() {
    let mut world = World::ready();
    world.open_extended(2);
    world.say(&NewExtendedMiningJob { version_rolling_allowed: false, ..extended_job(2, 1, None) });
    world.say(&tip(2, 1, 1));
    let share = Solution { version: 0x2000_0020, extranonce: &[0; 4], ..solution(1) };
    assert_eq!(world.submit(2, &share), Err(ClientError::Share(ShareError::VersionRollingNotAllowed)));

    let mut world = World::with(|_| {});
    world.say(&SetupConnectionSuccess { used_version: 2, flags: SUCCESS_FLAG_REQUIRES_FIXED_VERSION });
    world.open_standard(2);
    world.say(&standard_job(2, 1, None));
    world.say(&tip(2, 1, 1));
    let share = Solution { version: 0x2000_0020, ..solution(1) };
    assert_eq!(world.submit(2, &share), Err(ClientError::Share(ShareError::VersionRollingNotAllowed)));
}

#[test]
fn shares_are_acknowledged_in_batches_and_those_without_an_answer_are_known() {
    let mut world = World::mining();
    for sequence_number in 1..=5 {
        assert_eq!(world.submit(2, &solution(1)), Ok(sequence_number));
    }
    world.say(&rejected(2));
    world.say(&accepted(4, 3));
    assert_eq!(
        world.take_events(),
        [
            "ShareRejected { channel_id: 2, sequence_number: 2, error_code: \"difficulty-too-low\" }",
            "SharesAccepted { channel_id: 2, last_sequence_number: 4, count: 3, difficulty_sum: 300 }",
        ]
    );
    assert_eq!(unanswered(&world), [5]);
    let totals = ShareTotals { submitted: 5, accepted: 3, difficulty_sum: 300, rejected: 1, unanswered: 1 };
    assert_eq!(world.client.channel(2).unwrap().totals(), totals);
}

#[test]
fn a_share_that_the_server_lost_stays_without_an_answer() {
    let mut world = World::mining();
    for _ in 1..=4 {
        world.submit(2, &solution(1)).unwrap();
    }
    // One of four is not counted, and none of the next four.
    world.say(&accepted(4, 3));
    assert_eq!(unanswered(&world), [1]);
    for _ in 5..=8 {
        world.submit(2, &solution(1)).unwrap();
    }
    world.say(&accepted(8, 4));
    assert_eq!(unanswered(&world), [1]);
    assert!(world.logs.is_empty());
}

#[test]
fn a_server_that_acknowledges_too_much_is_noticed() {
    let mut world = World::mining();
    world.submit(2, &solution(1)).unwrap();
    world.say(&accepted(7, 3));
    assert_eq!(world.logs, ["channel 2: 2 shares too many acknowledged"]);
    assert_eq!(world.client.channel(2).unwrap().totals().unanswered, 0);
}

#[test]
fn shares_beyond_the_capacity_are_counted() {
    let mut world = World::ready_with(|options| options.capacity.unanswered_shares = 2);
    world.open_standard(2);
    world.say(&standard_job(2, 1, None));
    world.say(&tip(2, 1, 1));
    for _ in 1..=5 {
        world.submit(2, &solution(1)).unwrap();
    }
    assert_eq!(unanswered(&world), [4, 5]);
    assert_eq!(world.client.channel(2).unwrap().totals().unanswered, 5);
    world.say(&accepted(5, 4));
    assert_eq!(world.client.channel(2).unwrap().totals().unanswered, 1);
}

#[test]
fn the_worker_stands_in_each_extended_share_once_the_server_supports_it() {
    for (supports, trailing) in [(true, &b"\x02\x00\x01\x03\x00rig"[..]), (false, b"")] {
        let mut world = World::with(|options| *options = options.clone().with_worker_identity());
        world.accept();
        let request = RequestExtensions { request_id: 1, requested_extensions: List::Items(&[2]) };
        assert_eq!(world.heard[1], format!("{:?}", Message::RequestExtensions(request)));
        if supports {
            let supported_extensions = List::Items(&[2, 3]);
            world.say(&RequestExtensionsSuccess { request_id: 1, supported_extensions });
        } else {
            let unsupported_extensions = List::Items(&[2]);
            let required_extensions = List::default();
            world.say(&RequestExtensionsError { request_id: 1, unsupported_extensions, required_extensions });
        }
        assert_eq!(world.take_events(), ["Ready { flags: 0 }", "Extensions"]);
        assert_eq!(world.client.is_negotiated(2), supports);
        assert!(!world.client.is_negotiated(3), "it was not asked for");
        world.open_extended(2);
        world.say(&extended_job(2, 1, None));
        world.say(&tip(2, 1, 1));
        world.forget();
        let share = Solution { extranonce: &[1, 2, 3, 4], ..solution(1) };
        world.client.submit(2, &share, Some(b"rig"), world.now).unwrap();
        world.client.submit(2, &share, None, world.now).unwrap();
        world.exchange();
        let message = SubmitSharesExtended {
            channel_id: 2,
            sequence_number: 1,
            job_id: 1,
            nonce: 7,
            ntime: NTIME,
            version: 0x2000_0000,
            extranonce: &[1, 2, 3, 4],
        };
        assert_eq!(world.heard[0], format!("{:?}", Message::SubmitSharesExtended(message)));
        assert_eq!(world.payloads[0][29..], *trailing);
        let identity: &[u8] = if supports { b"\x02\x00\x01\x0b\x00user.worker" } else { b"" };
        assert_eq!(world.payloads[1][29..], *identity, "without a worker it is the channel's identity");
        let too_long = world.client.submit(2, &share, Some(&[b'w'; 33]), world.now);
        assert_eq!(too_long, Err(ClientError::WorkerTooLong(33)));
    }
}

#[test]
fn a_server_that_demands_an_extension_is_left() {
    let mut world = World::ready_with(|options| options.extensions = vec![2]);
    let required_extensions = List::Items(&[0x99]);
    let unsupported_extensions = List::default();
    world.say(&RequestExtensionsError { request_id: 1, unsupported_extensions, required_extensions });
    assert_eq!(world.closed, [CloseReason::ExtensionRequired(0x99)]);
}

#[test]
fn a_custom_job_is_submitted_under_the_servers_name_for_it() {
    let mut world = World::mining_extended_with(|options| options.requires_work_selection = true);
    let job = SetCustomMiningJob {
        channel_id: 2,
        mining_job_token: &[1, 2],
        version: 0x2000_0004,
        min_ntime: NTIME + 1,
        prev_hash: prev_hash(1),
        ..SetCustomMiningJob::default()
    };
    let first = world.client.set_custom_job(&job, world.now).unwrap();
    let second = world.client.set_custom_job(&job, world.now).unwrap();
    world.say(&SetCustomMiningJobSuccess { channel_id: 2, request_id: first, job_id: 40 });
    world.say(&SetCustomMiningJobError { channel_id: 2, request_id: second, error_code: Str(b"stale-chain-tip") });
    assert_eq!(
        world.take_events(),
        [
            format!("CustomJobAccepted {{ channel_id: 2, request_id: {first}, job_id: 40 }}"),
            format!("CustomJobRefused {{ channel_id: 2, request_id: {second}, error_code: \"stale-chain-tip\" }}"),
        ]
    );
    let channel = world.client.channel(2).unwrap();
    assert_eq!(channel.active_job().map(|job| job.job_id()), Some(1), "what the server gave stays");
    assert_eq!(channel.job(40).map(|job| job.state()), Some(JobState::Custom));
    let share = Solution { version: 0x2000_0004, ntime: NTIME + 1, extranonce: &[0; 4], ..solution(40) };
    assert_eq!(world.submit(2, &share), Ok(1));
    let early = Solution { ntime: NTIME, ..share };
    assert_eq!(world.submit(2, &early), Err(ClientError::Share(ShareError::NtimeOutOfRange)));
}

#[test]
fn the_host_is_told_of_redirections_updates_and_unknown_extensions() {
    let mut world = World::mining();
    world.client.update_channel(2, 2e12, Target([1; 32]), world.now).unwrap();
    world.exchange();
    let update = UpdateChannel { channel_id: 2, nominal_hash_rate: 2e12, maximum_target: U256([1; 32]) };
    assert_eq!(world.take_heard(), [format!("{:?}", Message::UpdateChannel(update))]);
    world.say(&UpdateChannelError { channel_id: 2, error_code: Str(b"max-target-out-of-range") });
    world.say(&Reconnect { new_host: Str(b"other.example"), new_port: 34254 });
    world.say(&ChannelEndpointChanged { channel_id: 2 });
    let header = Header { extension_type: 0x8777, message_type: 5, payload_len: 4 };
    world
        .server
        .send_with(header, |payload| {
            payload.copy_from_slice(&[2, 0, 0, 0]);
            true
        })
        .unwrap();
    world.exchange();
    assert_eq!(
        world.take_events(),
        [
            "UpdateRefused { channel_id: 2, error_code: \"max-target-out-of-range\" }",
            "Reconnect { host: \"other.example\", port: 34254 }",
            "ChannelEndpointChanged { channel_id: 2 }",
            "ExtensionMessage { extension_type: 1911, message_type: 5, channel_msg: true, payload: [2, 0, 0, 0] }",
        ]
    );
    assert!(world.client.is_ready(), "nothing happens by itself");

    world.client.send_extension_message(0x777, 6, true, &[2, 0, 0, 0, 9], world.now).unwrap();
    world.exchange();
    assert_eq!(world.payloads.last().map(|payload| &payload[..]), Some(&[2, 0, 0, 0, 9][..]));
}

#[test]
fn unknown_messages_of_the_protocol_are_ignored() {
    let mut world = World::mining();
    let header = Header { extension_type: 0, message_type: 0xfe, payload_len: 3 };
    world.server.send_with(header, |_| true).unwrap();
    world.exchange();
    assert!(world.client.is_ready() && world.events.is_empty());
    assert_eq!(world.logs, ["message 0xfe (unknown) of 3 bytes is ignored"]);
}

#[test]
fn a_malformed_message_closes_the_connection() {
    let mut world = World::mining();
    let header = Header { extension_type: 0x8000, message_type: 0x15, payload_len: 5 };
    world.server.send_with(header, |_| true).unwrap();
    world.exchange();
    assert!(matches!(world.closed[..], [CloseReason::Connection(ConnectionError::Malformed(_))]), "{:?}", world.closed);
}

#[test]
fn a_message_before_the_setup_closes_the_connection() {
    let mut world = World::with(|_| {});
    world.say(&standard_job(2, 1, None));
    assert_eq!(world.closed, [CloseReason::BeforeSetup("NewMiningJob")]);
}

#[test]
fn a_message_longer_than_the_receive_buffer_closes_the_connection_and_says_so() {
    let mut world = World::ready_with(|options| options.receive_buffer_len = 2_048);
    world.open_extended(2);
    let suffix = [0; 3_000];
    world.say(&NewExtendedMiningJob { coinbase_tx_suffix: &suffix, ..extended_job(2, 1, None) });
    assert_eq!(world.closed.len(), 1);
    let (reason, len) = (world.closed[0], 4 + 4 + 1 + 4 + 1 + 1 + 64 + 2 + 70 + 2 + 3_000);
    assert_eq!(
        reason.to_string(),
        format!("the peer announced {len} bytes of NewExtendedMiningJob (0x1f) where at most 2010 are allowed")
    );
    assert!(!reason.may_retry());
}

#[test]
fn a_message_that_just_fits_into_the_receive_buffer_is_read() {
    for (suffix_len, fits) in [(2_010 - 153, true), (2_011 - 153, false)] {
        let mut world = World::noise_with(|options| options.receive_buffer_len = 2_048);
        world.accept();
        world.open_extended(2);
        let suffix = vec![0; suffix_len];
        world.say(&NewExtendedMiningJob { coinbase_tx_suffix: &suffix, ..extended_job(2, 1, None) });
        assert_eq!(world.client.channel(2).and_then(|channel| channel.job(1)).is_some(), fits);
        assert_eq!(world.client.is_connected(), fits);
    }
}

#[test]
fn a_job_that_has_no_room_closes_the_connection_and_says_so() {
    let mut world = World::ready_with(|options| options.capacity.extended_job_len = 200);
    world.open_extended(2);
    world.say(&extended_job(2, 1, None));
    assert_eq!(world.closed, [CloseReason::Channel(ChannelError::JobTooLarge { len: 224, max: 200 })]);
}

#[test]
fn old_jobs_give_way_to_new_ones() {
    let mut world = World::mining_extended_with(|options| {
        options.capacity = Capacity { jobs: 4, extended_jobs: 3, ..Capacity::default() };
    });
    for job_id in 2..20 {
        world.say(&extended_job(2, job_id, (job_id % 3 != 0).then_some(NTIME)));
    }
    let channel = world.client.channel(2).unwrap();
    let mut jobs: Vec<_> = channel.jobs().map(|job| (job.job_id(), job.state())).collect();
    jobs.sort_by_key(|(job_id, _)| *job_id);
    assert_eq!(jobs, [(17, JobState::Past), (18, JobState::Future), (19, JobState::Active)]);
}

#[test]
fn channels_beyond_the_capacity_are_not_asked_for() {
    let mut world = World::ready_with(|options| options.capacity.channels = 1);
    world.client.open_standard("a", 1.0, Target::MAX, world.now).unwrap();
    let second = world.client.open_extended("b", 1.0, Target::MAX, 4, world.now);
    assert_eq!(second, Err(ClientError::TooManyChannels));
}

#[test]
fn a_server_that_contradicts_itself_is_left() {
    let mut world = World::mining();
    let request_id = world.client.open_standard("a", 1.0, Target::MAX, world.now).unwrap();
    world.say(&standard_success(request_id, 2));
    assert_eq!(world.closed, [CloseReason::Channel(ChannelError::DuplicateChannel(2))]);

    let mut world = World::ready();
    let request_id = world.client.open_extended("a", 1.0, Target::MAX, 4, world.now).unwrap();
    world.say(&OpenExtendedMiningChannelSuccess { extranonce_size: 29, ..extended_success(request_id, 2) });
    let reason = CloseReason::Channel(ChannelError::ExtranonceTooLong { channel_id: 2, len: 33 });
    assert_eq!(world.closed, [reason]);

    let mut world = World::mining();
    world.say(&SetNewPrevHash { nbits: 0, ..tip(2, 1, 2) });
    assert_eq!(world.closed, [CloseReason::Channel(ChannelError::InvalidNbits(0))]);
}

#[test]
fn a_socket_that_takes_nothing_stops_shares_and_loses_none_before() {
    let mut world = World::ready_with(|options| options.send_buffer_len = 2_048);
    world.open_standard(2);
    world.say(&standard_job(2, 1, None));
    world.say(&tip(2, 1, 1));
    world.forget();
    let mut submitted = 0;
    let error = loop {
        match world.client.submit(2, &solution(1), None, world.now) {
            Ok(_) => submitted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, ClientError::OutputFull);
    assert_eq!(submitted, 68, "30 bytes each, of 2,048");
    world.exchange();
    assert_eq!(world.heard.len(), 68);
    assert_eq!(world.submit(2, &solution(1)), Ok(69));
}

#[test]
fn options_that_cannot_work_are_refused() {
    let make = |change: fn(&mut ClientOptions)| {
        let mut options = ClientOptions::plaintext();
        change(&mut options);
        Client::new(options, Box::new(SystemRandom)).err()
    };
    assert_eq!(make(|_| {}), None);
    assert_eq!(make(|options| options.receive_buffer_len = 511), Some(ClientError::Options));
    assert_eq!(make(|options| options.send_buffer_len = 2_047), Some(ClientError::Options));
    assert_eq!(make(|options| options.extensions = vec![0; 17]), Some(ClientError::Options));
    assert!(matches!(make(|options| options.vendor = "v".repeat(256)), Some(ClientError::Encode(_))));
}

#[test]
fn bytes_of_the_hosts_are_taken_however_many_there_are() {
    let mut world = World::mining();
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        let mut frame = [0; 64];
        let len = sv2_core::frame::encode(&SetTarget { channel_id: 2, maximum_target: TARGET }, &mut frame).unwrap();
        bytes.extend_from_slice(&frame[..len]);
    }
    world.client.receive(&bytes, Time::default()).unwrap();
    world.exchange();
    assert_eq!(world.events.len(), 100_000);
}
