//! The template client against hand-made frames: setup, templates, transactions, errors, garbage at each state, limits.

mod template_client_world;
mod template_world;

use sv2_core::bitcoin::ErrorKind;
use sv2_core::connection::{ConnectionError, Limits};
use sv2_core::message::{
    CoinbaseOutputConstraints, Message, NewTemplate, RequestExtensions, RequestTransactionData,
    RequestTransactionDataSuccess, SetupConnection, SetupConnectionError, SetupConnectionSuccess,
};
use sv2_core::noise::Authority;
use sv2_core::template::client::{ClientError, ClientOptions, CloseReason, Event, TransactionDataError};
use sv2_core::template::{TemplateClient, TemplateError};
use sv2_core::wire::{List, Str};
use sv2_core::{OutOfRandomness, Random, SystemRandom};

use template_client_world::{Host, frame_of, new_template, plain_setup, set_new_prev_hash, solution, tip};
use template_world::CONSTRAINTS;

fn request(template_id: u64) -> Message<'static> {
    RequestTransactionData { template_id }.into()
}

fn expired(template_id: u64) -> Event {
    Event::TemplateExpired { template_id }
}

fn no_transactions(template_id: u64, error: TransactionDataError) -> Event {
    Event::TransactionDataError { template_id, error }
}

// --------------------------------------------------------------------------------------------------------------- setup

#[test]
fn the_client_introduces_itself_and_says_its_constraints_as_soon_as_it_may() {
    let mut host = Host::with(|options| {
        options.endpoint_host = "tp.example".into();
        options.endpoint_port = 8442;
        options.vendor = "vendor".into();
        options.hardware_version = "2".into();
        options.firmware = "pool 1.0".into();
        options.device_id = "7".into();
    });
    host.connect();
    let setup = SetupConnection {
        endpoint_host: Str::from("tp.example"),
        endpoint_port: 8442,
        vendor: Str::from("vendor"),
        hardware_version: Str::from("2"),
        firmware: Str::from("pool 1.0"),
        device_id: Str::from("7"),
        ..plain_setup()
    };
    host.expect_written([setup.into()]);
    host.accept();
    assert_eq!(host.take_events(), [Event::Ready]);
    host.expect_written([CONSTRAINTS.into()]);
}

#[test]
fn options_that_cannot_be_sent_are_refused_at_once() {
    let make = |change: fn(&mut ClientOptions)| {
        let mut options = ClientOptions::plaintext();
        change(&mut options);
        TemplateClient::new(options, Box::new(SystemRandom)).map(|_| ())
    };
    assert_eq!(make(|options| options.vendor = "v".repeat(255)), Ok(()));
    assert!(matches!(make(|options| options.vendor = "v".repeat(256)), Err(ClientError::Encode(_))));
    let constrain = |options: &mut ClientOptions| {
        options.constraints = Some(CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 1_000_000,
            coinbase_output_max_additional_sigops: 0,
        });
    };
    let too_large = ClientError::ConstraintsTooLarge { max_additional_size: 1_000_000 };
    assert_eq!(make(constrain), Err(too_large));
    assert_eq!(Host::new().client.set_constraints(1_000_000, 0, template_client_world::START), Err(too_large));
}

#[test]
fn constraints_may_be_said_before_connecting_or_after_setup() {
    let wanted = |size, sigops| {
        Message::from(CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: size,
            coinbase_output_max_additional_sigops: sigops,
        })
    };
    let mut host = Host::with(|options| options.constraints = None);
    host.client.set_constraints(10, 1, host.now).unwrap();
    host.client.set_constraints(20, 2, host.now).unwrap();
    host.connect();
    host.accept();
    host.expect_written([plain_setup().into(), wanted(20, 2)]);

    let mut host = Host::with(|options| options.constraints = None);
    host.connect();
    host.accept();
    host.expect_written([plain_setup().into()]);
    host.client.set_constraints(30, 3, host.now).unwrap();
    host.drain();
    host.expect_written([wanted(30, 3)]);
}

#[test]
fn a_refusal_tells_whether_another_try_makes_sense() {
    let cases = [
        ("unsupported-protocol", false),
        ("protocol-version-mismatch", false),
        ("unsupported-feature-flags", false),
        ("too-many-clients", true),
        ("\n\"evil\u{1b}", true),
    ];
    for (error_code, may_retry) in cases {
        let mut host = Host::new();
        host.hear(&SetupConnectionError { flags: 0, error_code: Str::from(error_code) });
        let escaped = error_code.escape_default().to_string().replace("\\u{1b}", "\\x1b");
        assert_eq!(host.closed, [CloseReason::SetupRefused { flags: 0, error_code: escaped.clone() }]);
        assert_eq!(host.closed[0].may_retry(), may_retry);
        assert_eq!(host.closed[0].to_string(), format!("the setup was refused: {escaped}"));
    }
}

#[test]
fn a_version_that_was_not_offered_is_no_success() {
    let mut host = Host::new();
    host.hear(&SetupConnectionSuccess { used_version: 3, flags: 0 });
    assert_eq!(host.closed, [CloseReason::VersionNotOffered(3)]);
    assert!(!host.closed[0].may_retry());
    assert_eq!(host.take_events(), []);
}

#[test]
fn nothing_may_come_before_setup_succeeded() {
    type Say = fn(&mut Host);
    let cases: [(Say, &str); 4] = [
        (|host| host.hear_future(1), "NewTemplate"),
        (|host| host.hear_tip(1, 1), "SetNewPrevHash"),
        (|host| host.hear_no_transactions(1, ""), "RequestTransactionData.Error"),
        (|host| host.hear(&RequestTransactionDataSuccess::default()), "RequestTransactionData.Success"),
    ];
    for (say, name) in cases {
        let mut host = Host::new();
        say(&mut host);
        assert_eq!(host.closed, [CloseReason::BeforeSetup(name)]);
        assert_eq!(host.take_events(), []);
    }
}

#[test]
fn a_second_answer_to_setup_changes_nothing() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.accept();
    host.hear(&SetupConnectionError { flags: 0, error_code: Str::from("unsupported-protocol") });
    assert!(host.client.is_serving());
    assert_eq!((host.closed, host.events), (vec![], vec![]));
    assert_eq!(host.logs.len(), 2);
}

#[test]
fn a_provider_that_does_not_answer_is_closed_at_its_deadline() {
    let mut host = Host::new();
    host.tick_after(10_000);
    assert_eq!(host.client.next_deadline(), Some(host.now.monotonic_ms + 20_000));
    host.tick_after(19_999);
    assert_eq!(host.closed, []);
    host.tick_after(1);
    assert_eq!(host.closed, [CloseReason::SetupTimeout]);
    assert_eq!(host.client.next_deadline(), None);

    let mut options = ClientOptions::new(Authority::Unauthenticated);
    options.limits = Limits { handshake_timeout_ms: 500, ..options.limits };
    let mut host = Host::from_options(options);
    host.connect();
    host.tick_after(500);
    assert_eq!(host.closed, [CloseReason::Connection(ConnectionError::HandshakeTimeout)]);
    assert!(host.closed[0].may_retry());
    assert_eq!(host.client.last_heard(), None);
}

#[test]
fn a_connection_without_randomness_is_not_begun() {
    struct Nothing;
    impl Random for Nothing {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
            Err(OutOfRandomness)
        }
    }
    let options = ClientOptions::new(Authority::Unauthenticated);
    let mut client = TemplateClient::new(options, Box::new(Nothing)).unwrap();
    assert!(matches!(client.connect(template_client_world::START), Err(ClientError::Handshake(_))));
    assert!(!client.is_connected());
}

#[test]
fn what_needs_a_connection_says_so_without_one() {
    let mut host = Host::with(|_| {});
    assert_eq!(host.client.receive(&mut [1], host.now), Err(ClientError::NotConnected));
    assert_eq!(host.client.sent(0, host.now), Err(ClientError::NotConnected));
    assert_eq!(host.client.request_transaction_data(1, host.now), Err(ClientError::NotConnected));
    assert_eq!(host.client.output(), []);
    host.client.disconnected(host.now);
    host.client.tick(host.now);
    assert_eq!((host.client.next_event(), host.client.next_deadline()), (None, None));
    host.connect();
    assert_eq!(host.client.connect(host.now), Err(ClientError::AlreadyConnected));
    assert_eq!(host.client.sent(1, host.now), Err(ClientError::NotInOutput));
}

// ----------------------------------------------------------------------------------------------------------- templates

#[test]
fn the_future_template_that_the_tip_names_becomes_active_and_older_ones_are_forgotten() {
    let mut host = Host::set_up();
    for id in 1..=4 {
        host.hear_future(id);
    }
    assert!(host.client.active_template().is_none() && !host.client.is_serving());
    host.events.clear();
    host.hear_tip(3, 1);
    // The fourth came after the one in use: it may be meant for the tip after.
    assert_eq!(host.take_events(), [Event::NewTip { template_id: 3, tip: tip(1) }, expired(1), expired(2)]);
    assert_eq!(host.client.template(3).unwrap().tip, Some(tip(1)));
    assert!(host.client.template(4).unwrap().is_future());
    host.hear_tip(4, 2);
    assert_eq!(host.take_events(), [Event::NewTip { template_id: 4, tip: tip(2) }]);
}

#[test]
fn a_tip_for_a_template_that_was_not_sent_leaves_nothing_to_mine_on_until_one_comes() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.hear_tip(9, 2);
    assert_eq!(host.take_events(), [Event::TipWithoutTemplate { template_id: 9, tip: tip(2) }]);
    assert_eq!(host.client.tip(), Some(&tip(2)));
    assert!(host.client.active_template().is_none() && !host.client.is_serving());
    assert_eq!(host.client.template(1).unwrap().tip, Some(tip(1)), "the old one can still be solved");
    assert_eq!(host.logs, ["the new tip is for template 9, which was not sent"]);

    host.hear_update(10);
    assert_eq!(host.take_events(), [Event::NewTemplate { template_id: 10, future: false }]);
    assert_eq!(host.client.active_template().unwrap().tip, Some(tip(2)));
    assert!(host.client.is_serving());
    host.tick_after(10_001);
    assert_eq!(host.take_events(), [expired(1)]);
    host.tick_after(60_000);
    assert_eq!(host.closed, []);
}

#[test]
fn a_tip_for_which_no_template_ever_comes_closes_the_connection() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.hear_tip(9, 2);
    host.tick_after(30_000);
    // Another one of the same kind does not begin the time anew.
    host.hear_tip(19, 3);
    host.tick_after(29_999);
    assert_eq!(host.closed, []);
    host.tick_after(1);
    assert_eq!(host.closed, [CloseReason::NoTemplate]);
}

#[test]
fn a_template_on_another_tip_is_not_taken_for_one_on_this() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.hear_tip(1, 2);
    assert_eq!(host.take_events(), [Event::TipWithoutTemplate { template_id: 1, tip: tip(2) }]);
    assert_eq!(host.client.template(1).unwrap().tip, Some(tip(1)));
}

#[test]
fn a_template_that_comes_before_any_tip_waits_for_it() {
    let mut host = Host::set_up();
    host.hear_update(1);
    assert_eq!(host.take_events(), [Event::NewTemplate { template_id: 1, future: true }]);
    assert_eq!(host.logs, ["template 1 is for a tip that was not announced: it waits for it"]);
    assert!(!host.client.is_serving());
    host.hear_tip(1, 1);
    assert_eq!(host.take_events(), [Event::NewTip { template_id: 1, tip: tip(1) }]);
    assert!(host.client.is_serving());
}

#[test]
fn a_tip_that_comes_back_brings_its_templates_back() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.serve(2, 2);
    host.tick_after(5_000);
    host.serve(3, 1);
    host.tick_after(5_001);
    assert!(host.client.template(1).is_some());
    host.tick_after(5_000);
    assert_eq!(host.take_events(), [expired(2)]);
    assert!(host.client.template(1).is_some());
}

#[test]
fn an_id_that_comes_twice_is_the_last_one_that_came() {
    let mut host = Host::set_up();
    host.serve(5, 1);
    host.hear(&NewTemplate { coinbase_tx_value_remaining: 77, ..new_template(5, false) });
    assert_eq!(host.take_events(), [expired(5), Event::NewTemplate { template_id: 5, future: false }]);
    assert_eq!(host.client.active_template().unwrap().coinbase_tx_value_remaining, 77);
    assert_eq!(host.logs, ["template ids must increase, but 5 comes after 5"]);
}

#[test]
fn a_provider_that_was_restarted_may_use_its_ids_again() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.hear_future(2);
    host.take_events();
    host.lose();
    // What waits for a tip of that connection waits in vain.
    assert_eq!(host.take_events(), [expired(2)]);
    host.connect();
    host.accept();
    assert!(!host.client.is_serving(), "its tip is that of an earlier connection");
    host.hear(&NewTemplate { coinbase_tx_value_remaining: 77, ..new_template(1, true) });
    assert_eq!(host.take_events(), [Event::Ready, expired(1), Event::NewTemplate { template_id: 1, future: true }]);
    host.hear_tip(1, 1);
    assert!(host.client.is_serving());
    assert_eq!(host.logs, [""; 0]);
}

#[test]
fn a_future_template_that_is_known_stays_what_it_was_until_a_tip_says_otherwise() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.serve(2, 2);
    host.hear_future(1);
    assert_eq!(host.take_events(), [Event::NewTemplate { template_id: 1, future: true }]);
    host.tick_after(10_001);
    assert_eq!(host.client.template(1).unwrap().tip, Some(tip(1)));
    host.hear_tip(1, 3);
    assert_eq!(host.take_events(), [Event::NewTip { template_id: 1, tip: tip(3) }]);
    assert_eq!(host.client.template(1).unwrap().tip, Some(tip(3)));
}

#[test]
fn no_more_templates_are_kept_than_the_options_allow() {
    let mut host = Host::set_up_with(|options| {
        options.max_future_templates = 2;
        options.max_templates = 3;
    });
    host.serve(1, 1);
    for id in 2..=4 {
        host.hear_future(id);
    }
    assert_eq!(host.take_events()[2..], [expired(2), Event::NewTemplate { template_id: 4, future: true }]);
    for id in 5..=7 {
        host.hear_update(id);
    }
    assert_eq!(host.take_events()[2..], [expired(1), Event::NewTemplate { template_id: 7, future: false }]);
    // Those on a tip that is gone go first, whatever their age.
    host.hear_future(8);
    host.events.clear();
    host.hear_tip(8, 2);
    assert_eq!(host.take_events()[1..], [expired(4), expired(5)]);
    host.hear_update(9);
    let kept: Vec<u64> = (1..=9).filter(|id| host.client.template(*id).is_some()).collect();
    assert_eq!(kept, [7, 8, 9]);
    assert_eq!(host.client.active_template().unwrap().template_id, 9);
}

#[test]
fn a_template_of_which_no_coinbase_can_be_made_closes_the_connection() {
    let bad_outputs = NewTemplate { coinbase_tx_outputs: &[1, 2, 3], ..new_template(7, true) };
    let mut host = Host::set_up();
    host.hear(&NewTemplate { coinbase_tx_outputs_count: 1, ..bad_outputs });
    let [CloseReason::UnusableTemplate { template_id: 7, error: TemplateError::CoinbaseOutputs(error) }] =
        host.closed[..]
    else {
        panic!("{:?}", host.closed)
    };
    assert_eq!(error.kind, ErrorKind::UnexpectedEnd);

    let mut host = Host::set_up();
    host.hear(&NewTemplate { coinbase_prefix: &[1; 9], ..new_template(8, true) });
    let error = TemplateError::CoinbasePrefixTooLong(9);
    assert_eq!(host.closed, [CloseReason::UnusableTemplate { template_id: 8, error }]);
}

#[test]
fn the_heaviest_template_is_taken() {
    let mut output = vec![0; 8];
    output.extend([0xfd, 0xf4, 0xff]);
    output.resize(65_535, 0x6a);
    let path = vec![sv2_core::wire::U256([9; 32]); 255];
    let mut host = Host::set_up();
    host.hear(&NewTemplate {
        coinbase_prefix: &[1; 8],
        coinbase_tx_outputs_count: 1,
        coinbase_tx_outputs: &output,
        merkle_path: List::Items(&path),
        ..new_template(1, true)
    });
    assert_eq!(host.closed, []);
    let template = host.client.template(1).unwrap();
    assert_eq!((template.coinbase_tx_outputs.len(), template.merkle_path.len()), (65_535, 255));
}

#[test]
fn a_provider_without_a_template_is_closed_at_its_deadline() {
    let mut host = Host::set_up();
    host.tick_after(59_999);
    host.hear_future(1);
    assert_eq!(host.closed, []);
    host.tick_after(1);
    assert_eq!(host.closed, [CloseReason::NoTemplate]);

    // Who was not told the constraints owes nothing.
    let mut host = Host::set_up_with(|options| options.constraints = None);
    host.tick_after(1_000_000);
    assert_eq!(host.closed, []);
}

#[test]
fn a_provider_that_serves_need_not_answer_changed_constraints_at_once() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.client.set_constraints(2_000, 0, host.now).unwrap();
    host.drain();
    assert_eq!(host.take_written().len(), 1);
    host.tick_after(1_000_000);
    assert_eq!(host.closed, []);
    assert!(host.client.is_serving());

    // What is there from an earlier connection does not count.
    host.lose();
    host.connect();
    host.accept();
    assert!(host.client.active_template().is_some());
    host.client.set_constraints(3_000, 0, host.now).unwrap();
    host.tick_after(60_000);
    assert_eq!(host.closed, [CloseReason::NoTemplate]);
}

// -------------------------------------------------------------------------------------------------------- transactions

#[test]
fn requests_are_sent_one_after_the_other_and_an_answer_is_held_until_it_is_taken() {
    let mut host = Host::set_up_with(|options| options.max_pending_requests = 2);
    host.serve(1, 1);
    host.hear_update(2);
    host.hear_update(3);
    host.events.clear();
    assert_eq!(host.client.request_transaction_data(4, host.now), Err(ClientError::UnknownTemplate));
    for id in [1, 2, 1] {
        host.client.request_transaction_data(id, host.now).unwrap();
    }
    assert_eq!(host.client.request_transaction_data(3, host.now), Err(ClientError::TooManyRequests));
    host.drain();
    host.expect_written([request(1)]);

    // Several answers at once: only the one that was asked for counts.
    let answer = |template_id| {
        let transactions: &[&[u8]] = &[&[1], &[2, 3]];
        frame_of(&RequestTransactionDataSuccess {
            template_id,
            excess_data: &[7; 32],
            transaction_list: List::Items(transactions),
        })
    };
    let mut bytes = [answer(2), answer(1), answer(1), answer(2)].concat();
    host.client.receive(&mut bytes, host.now).unwrap();
    assert_eq!(host.client.output(), [], "the answer was not taken");
    host.drain();
    let [Event::TransactionData(data)] = &host.take_events()[..] else { panic!() };
    assert_eq!((data.template_id, data.excess_data()), (1, &[7; 32][..]));
    assert_eq!(data.transactions().iter().collect::<Vec<_>>(), [&[1][..], &[2, 3]]);
    host.expect_written([request(2)]);
    assert_eq!(host.logs.len(), 3);

    host.hear_no_transactions(1, "stale-template-id");
    host.hear_no_transactions(2, "stale-template-id");
    let error = TransactionDataError::Refused("stale-template-id".into());
    assert_eq!(host.take_events(), [no_transactions(2, error)]);
    assert_eq!(host.closed, []);
}

#[test]
fn a_request_that_is_not_answered_fails_in_time_or_with_the_connection() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    host.hear_update(2);
    host.events.clear();
    host.client.request_transaction_data(1, host.now).unwrap();
    host.client.request_transaction_data(2, host.now).unwrap();
    host.drain();
    host.expect_written([request(1)]);
    host.tick_after(30_000);
    assert_eq!(host.take_events(), [no_transactions(1, TransactionDataError::Timeout)]);
    host.expect_written([request(2)]);
    host.client.request_transaction_data(1, host.now).unwrap();
    host.lose();
    let lost = TransactionDataError::ConnectionLost;
    assert_eq!(host.take_events(), [no_transactions(2, lost.clone()), no_transactions(1, lost)]);
    host.connect();
    host.accept();
    host.expect_written([plain_setup().into(), CONSTRAINTS.into()]);
}

// -------------------------------------------------------------------------------------------------------------- faults

#[test]
fn malformed_messages_close_the_connection_in_every_state() {
    for message_type in [0x01, 0x02, 0x71, 0x72, 0x74, 0x75] {
        for mut host in [Host::new(), Host::set_up()] {
            host.hear_raw(message_type, &[1]);
            let [CloseReason::Connection(ConnectionError::Malformed(_))] = host.closed[..] else {
                panic!("0x{message_type:02x}: {:?}", host.closed)
            };
            assert_eq!(host.client.output(), []);
            assert_eq!(host.client.receive(&mut [0; 6], host.now), Err(ClientError::NotConnected));
            host.connect();
            assert!(host.client.is_connected());
        }
    }
}

#[test]
fn messages_that_are_unknown_or_meant_for_somebody_else_are_ignored() {
    for mut host in [Host::new(), Host::set_up()] {
        host.hear_raw(0x7f, &[1, 2, 3]);
        host.hear(&CONSTRAINTS);
        host.hear(&solution(1, 1));
        host.hear(&RequestExtensions { request_id: 1, requested_extensions: List::Items(&[2]) });
        host.receive(&[0x34, 0x12, 0x71, 1, 0, 0, 0xff]);
        assert_eq!((host.closed, host.events), (vec![], vec![]));
        assert_eq!(host.logs[0], "message 0x7f (unknown) of 3 bytes is ignored");
        assert_eq!(host.logs.len(), 5);
    }
}

#[test]
fn a_payload_over_the_limit_of_its_state_is_not_waited_for() {
    let mut host = Host::new();
    host.receive(&[0, 0, 0x71, 1, 8, 0]); // 2,049 bytes
    let [CloseReason::Connection(ConnectionError::PayloadTooLarge { len: 2_049, max: 2_048, .. })] = host.closed[..]
    else {
        panic!("{:?}", host.closed)
    };
    let mut host = Host::set_up_with(|options| options.limits.max_payload_template_client = 1_000);
    host.receive(&[0, 0, 0x74, 0xe9, 3, 0]);
    assert!(matches!(host.closed[..], [CloseReason::Connection(ConnectionError::PayloadTooLarge { len: 1_001, .. })]));
}

#[test]
fn garbage_over_noise_fails_the_handshake() {
    let mut host = Host::from_options(ClientOptions::new(Authority::Unauthenticated));
    host.connect();
    assert_eq!(host.written.len(), 64);
    host.receive(&[0x5a; 234]);
    assert!(matches!(host.closed[..], [CloseReason::Connection(ConnectionError::Handshake(_))]), "{:?}", host.closed);
}

#[test]
fn bytes_that_come_one_by_one_say_the_same() {
    let mut host = Host::set_up();
    let bytes = [frame_of(&new_template(1, true)), frame_of(&set_new_prev_hash(1, 1))].concat();
    for byte in bytes {
        host.receive(&[byte]);
    }
    assert_eq!(
        host.take_events(),
        [Event::NewTemplate { template_id: 1, future: true }, Event::NewTip { template_id: 1, tip: tip(1) }]
    );
}

#[test]
fn a_flood_of_log_lines_is_cut() {
    let mut host = Host::set_up();
    let mut bytes = [0, 0, 0x7f, 0, 0, 0].repeat(1_000);
    host.client.receive(&mut bytes, host.now).unwrap();
    host.drain();
    assert_eq!(host.logs.len(), 65);
    assert_eq!(host.logs[64], "936 more lines are left out");
}

#[test]
fn nothing_of_a_lost_connection_hits_the_next_one() {
    let mut host = Host::set_up();
    // The host does not look at events between these.
    let mut garbage = frame_of(&new_template(1, true));
    garbage.truncate(20);
    host.client.set_constraints(7, 7, host.now).unwrap();
    host.client.receive(&mut garbage, host.now).unwrap();
    host.client.receive(&mut [0xff; 64], host.now).unwrap();
    host.client.disconnected(host.now);
    host.client.connect(host.now).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| host.client.next_event()).collect();
    assert_eq!(events.iter().filter(|event| **event == Event::Writable).count(), 1);
    assert!(!events.iter().any(|event| matches!(event, Event::Close { .. })), "{events:?}");
    // The reason is not lost.
    let reason = "the connection before was closed: NewTemplate.coinbase_prefix";
    let lines: Vec<&String> =
        events.iter().filter_map(|event| if let Event::Log { text, .. } = event { Some(text) } else { None }).collect();
    assert!(matches!(lines[..], [line] if line.starts_with(reason)), "{lines:?}");
    host.write();
    host.expect_written([plain_setup().into()]);
}

#[test]
fn an_idle_client_wants_to_be_called_only_to_give_memory_back() {
    let mut host = Host::set_up();
    host.serve(1, 1);
    assert_eq!(host.client.next_deadline(), Some(host.now.monotonic_ms + 10_000));
    host.tick_after(10_000);
    assert_eq!(host.client.next_deadline(), None);
    assert_eq!(host.client.last_heard().unwrap(), template_client_world::START);
}
