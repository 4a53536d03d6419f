//! The template client against our own provider: the whole story, in memory.

mod template_client_world;
mod template_world;

use sv2_core::bitcoin::{Coinbase, Header, Output, Target};
use sv2_core::connection::ConnectionError;
use sv2_core::message::SubmitSolution;
use sv2_core::noise::{Authority, CertificateError, HandshakeError};
use sv2_core::template::client::{ClientOptions, CloseReason, Event, Submission, Tip, TransactionDataError};
use sv2_core::template::{self, Solution, Template, TemplateClient};

use template_client_world::{Host, Node};
use template_world::{CONSTRAINTS, KEY, template, tip_hash};

/// A client over Noise that demands the provider's authority.
fn host_of(node: &Node) -> Host {
    let mut options = ClientOptions::new(node.authority.unwrap());
    options.constraints = Some(CONSTRAINTS);
    options.vendor = "tests".into();
    Host::from_options(options)
}

fn tip_of(template: &Template) -> Tip {
    Tip {
        prev_hash: template.prev_hash,
        header_timestamp: template.header_timestamp,
        nbits: template.nbits,
        target: Target::from_nbits(template.nbits).unwrap(),
    }
}

/// The first nonce whose hash meets the tip's target, with the header.
fn mine(client: &TemplateClient, template_id: u64, coinbase: &[u8]) -> Header {
    let template = client.template(template_id).unwrap();
    let (tip, merkle_root) = (template.tip.unwrap(), template.merkle_root(coinbase).unwrap());
    let header = |nonce| tip.header(template.version, merkle_root, tip.header_timestamp, nonce);
    (0..).map(header).find(|header| tip.target.is_met_by(&header.hash())).unwrap()
}

/// Makes a coinbase, mines, and submits.
fn find_block(host: &mut Host, template_id: u64) -> (Header, Vec<u8>, Submission) {
    let template = host.client.template(template_id).unwrap();
    let payout = [Output { value: template.coinbase_tx_value_remaining, script_pubkey: &[0x51] }];
    let coinbase_tx = template.coinbase(b"/tests/", &payout).unwrap();
    let header = mine(&host.client, template_id, &coinbase_tx);
    let Header { version, time: header_timestamp, nonce: header_nonce, .. } = header;
    let solution = SubmitSolution { template_id, version, header_timestamp, header_nonce, coinbase_tx: &coinbase_tx };
    let submission = host.client.submit_solution(&solution, host.now).unwrap();
    (header, coinbase_tx, submission)
}

fn submitted(events: &[template::Event]) -> Vec<&Solution> {
    events
        .iter()
        .filter_map(|event| if let template::Event::SubmitBlock(found) = event { Some(found) } else { None })
        .collect()
}

#[test]
fn a_client_can_be_moved_to_another_thread() {
    fn movable<T: Send>() {}
    movable::<TemplateClient>();
}

#[test]
fn from_the_handshake_to_a_block_and_the_next_tip() {
    let mut node = Node::over_noise();
    let mut host = host_of(&node);
    node.accept(&mut host);
    assert_eq!(host.take_events(), [Event::Ready]);
    assert!(host.client.is_authenticated() && host.client.is_ready() && !host.client.is_serving());
    assert!(matches!(
        node.take_events()[..],
        [template::Event::WantTemplate { key: KEY }, template::Event::ClientReady { key: KEY, .. }]
    ));

    // The pair.
    let first = template(1, 5_000);
    let id = node.offer(&mut host, &first);
    let tip = tip_of(&first);
    assert_eq!(
        host.take_events(),
        [Event::NewTemplate { template_id: id, future: true }, Event::NewTip { template_id: id, tip }]
    );
    assert!(host.client.is_serving());
    assert_eq!(host.client.tip(), Some(&tip));
    let active = host.client.active_template().unwrap();
    assert_eq!((active.template_id, active.tip, active.is_future()), (id, Some(tip), false));
    assert_eq!(active.coinbase_prefix, first.coinbase_prefix);
    assert_eq!(active.coinbase_tx_outputs, first.coinbase_tx_outputs);
    assert_eq!(active.coinbase_tx_value_remaining, 5_000);
    assert_eq!(active.merkle_path, first.merkle_path);

    // An update on the same tip.
    host.now.monotonic_ms += 6_000;
    let update = node.offer(&mut host, &template(1, 9_000));
    assert_eq!(host.take_events(), [Event::NewTemplate { template_id: update, future: false }]);
    assert_eq!(host.client.active_template().unwrap().template_id, update);

    // A block on it, whose coinbase has the witness that the commitment demands.
    let (header, coinbase_tx, submission) = find_block(&mut host, update);
    assert_eq!(submission, Submission::Sent);
    node.talk(&mut host);
    let events = node.take_events();
    let [found] = submitted(&events)[..] else { panic!("{events:?}") };
    assert_eq!((found.header, &found.coinbase_tx, found.meets_target), (header, &coinbase_tx, true));
    let coinbase = Coinbase::parse(&coinbase_tx).unwrap();
    assert_eq!(coinbase.witness_reserved_value(), Some(&[0; 32]));
    assert_eq!(coinbase.height(), Some(101));
    assert_eq!(host.client.pending_solutions(), 1);

    // It becomes the tip: the templates before expire ten seconds later.
    let next = Template { prev_hash: header.hash(), ..template(2, 4_000) };
    let next_id = node.offer(&mut host, &next);
    assert_eq!(
        host.take_events(),
        [
            Event::NewTemplate { template_id: next_id, future: true },
            Event::NewTip { template_id: next_id, tip: tip_of(&next) }
        ]
    );
    assert_eq!(host.client.pending_solutions(), 0);
    assert_eq!(host.logs.last().unwrap(), &format!("the block found on template {update} is the tip"));
    host.tick_after(10_000);
    assert_eq!(host.take_events(), []);
    assert_eq!(host.client.template(id).unwrap().tip, Some(tip));
    host.tick_after(1);
    assert_eq!(
        host.take_events(),
        [Event::TemplateExpired { template_id: id }, Event::TemplateExpired { template_id: update }]
    );
    assert!(host.client.template(id).is_none() && host.client.template(next_id).is_some());
}

#[test]
fn a_late_block_on_the_tip_before_still_goes_out() {
    let mut node = Node::plain();
    let mut host = Host::with(|_| {});
    node.accept(&mut host);
    let old = node.offer(&mut host, &template(1, 5_000));
    node.offer(&mut host, &template(2, 5_000));
    host.tick_after(9_000);
    let (header, ..) = find_block(&mut host, old);
    assert_eq!(header.prev_hash, tip_hash(1));
    node.talk(&mut host);
    assert_eq!(submitted(&node.take_events())[0].block_hash, header.hash());
}

#[test]
fn transactions_come_as_the_node_has_them_one_answer_after_the_other() {
    let mut node = Node::over_noise();
    let mut host = host_of(&node);
    node.accept(&mut host);
    let first = node.offer(&mut host, &template(1, 5_000));
    host.now.monotonic_ms += 6_000;
    let second = node.offer(&mut host, &template(1, 9_000));
    host.events.clear();
    node.events.clear();

    for id in [first, second, first] {
        host.client.request_transaction_data(id, host.now).unwrap();
    }
    node.talk(&mut host);
    let wanted = |id, value: u64| template::Event::WantTransactions { template_id: id, node_handle: 1 << 32 | value };
    assert_eq!(node.take_events(), [wanted(first, 5_000)]);

    let long = vec![0xab; 200_000];
    let transactions: [&[u8]; 3] = [&[1, 2, 3], &long, &[]];
    node.provider.transactions_ready(first, Some(&transactions), host.now).unwrap();
    node.talk(&mut host);
    let [Event::TransactionData(data)] = &host.take_events()[..] else { panic!() };
    assert_eq!(data.template_id, first);
    assert_eq!(data.transactions().iter().collect::<Vec<_>>(), transactions);
    assert_eq!(data.transactions().len(), 3);
    assert_eq!(data.excess_data(), []);

    // Only now the second one is asked for; the node does not have it.
    assert_eq!(node.take_events(), [wanted(second, 9_000)]);
    node.provider.transactions_ready(second, None, host.now).unwrap();
    node.talk(&mut host);
    let error = TransactionDataError::Refused("template-id-not-found".into());
    assert_eq!(host.take_events(), [Event::TransactionDataError { template_id: second, error }]);
}

#[test]
fn new_constraints_are_sent_at_once_and_answered_with_a_template_for_them() {
    let mut node = Node::plain();
    let mut host = Host::with(|options| options.constraints = None);
    node.accept(&mut host);
    assert_eq!(host.take_events(), [Event::Ready]);
    assert_eq!(node.take_events(), []);

    host.client.set_constraints(1_000, 0, host.now).unwrap();
    node.talk(&mut host);
    let id = node.offer(&mut host, &template(1, 5_000));
    assert_eq!(host.client.active_template().unwrap().template_id, id);
    node.events.clear();
    host.events.clear();

    host.client.set_constraints(1_000, 0, host.now).unwrap();
    node.talk(&mut host);
    assert_eq!(node.take_events(), [], "the same constraints were said again");

    host.client.set_constraints(100_000, 400, host.now).unwrap();
    node.talk(&mut host);
    let key = template::ConstraintKey::new(100_000, 400).unwrap();
    assert!(node.take_events().contains(&template::Event::WantTemplate { key }));
    let smaller = node.provider.template_ready(key, template(1, 4_000), host.now).unwrap();
    node.talk(&mut host);
    assert_eq!(host.client.active_template().unwrap().template_id, smaller);
    // Both are on the tip: whoever still mines on the first can submit it.
    assert!(host.client.template(id).is_some());
}

#[test]
fn a_block_found_while_the_connection_is_down_is_submitted_after_the_next_setup() {
    let mut node = Node::over_noise();
    let mut host = host_of(&node);
    node.accept(&mut host);
    let id = node.offer(&mut host, &template(1, 5_000));
    host.lose();
    assert!(!host.client.is_serving() && !host.client.is_connected());
    assert_eq!(host.client.active_template().unwrap().template_id, id);

    let (header, _, submission) = find_block(&mut host, id);
    assert_eq!(submission, Submission::Kept);
    node.events.clear();
    host.events.clear();
    node.accept(&mut host);
    assert_eq!(submitted(&node.take_events())[0].block_hash, header.hash());
    // The same template on the same tip comes again: what was mined on it goes on.
    assert_eq!(
        host.take_events(),
        [
            Event::Ready,
            Event::NewTemplate { template_id: id, future: true },
            Event::NewTip { template_id: id, tip: tip_of(&template(1, 5_000)) }
        ]
    );
    assert!(host.client.is_serving());
}

#[test]
fn a_block_that_was_written_and_lost_with_the_connection_is_submitted_once() {
    let mut node = Node::plain();
    let mut host = Host::with(|_| {});
    node.accept(&mut host);
    let id = node.offer(&mut host, &template(1, 5_000));
    let (lost, ..) = find_block(&mut host, id);
    host.drain();
    assert!(!host.written.is_empty());
    host.lose();
    node.events.clear();
    node.accept(&mut host);
    assert_eq!(submitted(&node.take_events())[0].block_hash, lost.hash());

    // Once more: the provider has it already and does nothing.
    host.lose();
    node.accept(&mut host);
    let events = node.take_events();
    assert_eq!(submitted(&events).len(), 0, "{events:?}");
    assert!(events.iter().any(|event| matches!(event, template::Event::SolutionRefused { .. })));
    assert_eq!(host.client.pending_solutions(), 1, "a refusal is not heard of, nor is the first one's arrival");
}

#[test]
fn a_block_is_sent_again_when_tcp_finds_out_late_that_the_path_was_dead() {
    let mut node = Node::plain();
    let mut host = Host::with(|_| {});
    node.accept(&mut host);
    let id = node.offer(&mut host, &template(1, 5_000));
    let (found, ..) = find_block(&mut host, id);
    // The socket takes it, and nobody gets it.
    host.drain();
    assert!(!host.written.is_empty());
    host.tick_after(300_000);
    host.lose();
    node.events.clear();
    node.accept(&mut host);
    assert_eq!(submitted(&node.take_events())[0].block_hash, found.hash());

    // Now it arrived, and becomes the tip: nothing is sent again.
    node.offer(&mut host, &Template { prev_hash: found.hash(), ..template(2, 4_000) });
    assert_eq!(host.client.pending_solutions(), 0);
    host.lose();
    node.events.clear();
    node.accept(&mut host);
    let is_about_solutions = |event: &template::Event| {
        matches!(event, template::Event::SubmitBlock(_) | template::Event::SolutionRefused { .. })
    };
    assert!(!node.take_events().iter().any(is_about_solutions));
    host.tick_after(600_000);
    assert!(!host.take_events().iter().any(|event| matches!(event, Event::SolutionLost { .. })));
}

#[test]
fn a_host_with_two_providers_goes_on_with_the_second_when_the_first_stalls() {
    let (mut near, mut far) = (Node::plain(), Node::plain());
    let mut hosts = [Host::with(|_| {}), Host::with(|_| {})];
    let [first, second] = &mut hosts;
    near.accept(first);
    far.accept(second);
    near.offer(first, &template(1, 5_000));
    far.offer(second, &template(1, 4_000));
    let choose = |hosts: &[Host]| hosts.iter().position(|host| host.client.is_serving());
    assert_eq!(choose(&hosts), Some(0));

    // The first loses its connection; it is taken back, but its node has no template any more.
    let [first, second] = &mut hosts;
    first.lose();
    near = Node::plain();
    near.accept(first);
    assert!(first.client.is_ready());
    first.tick_after(59_999);
    assert_eq!(first.closed, []);
    first.tick_after(1);
    assert_eq!(first.closed, [CloseReason::NoTemplate]);
    assert!(first.closed[0].may_retry());
    assert_eq!(first.client.last_heard().unwrap().monotonic_ms, first.now.monotonic_ms - 60_000);
    second.now = first.now;
    assert_eq!(choose(&hosts), Some(1));
    let [_, second] = &mut hosts;
    let id = second.client.active_template().unwrap().template_id;
    let (header, ..) = find_block(second, id);
    far.talk(second);
    assert_eq!(submitted(&far.take_events())[0].block_hash, header.hash());

    // The first comes back.
    let [first, _] = &mut hosts;
    near.accept(first);
    near.offer(first, &template(2, 4_000));
    assert_eq!(choose(&hosts), Some(0));
}

#[test]
fn a_provider_with_another_authority_is_refused_for_good() {
    let mut node = Node::over_noise();
    let stranger = Node::over_noise();
    let mut host = host_of(&stranger);
    node.accept(&mut host);
    let error = HandshakeError::Certificate(CertificateError::Signature);
    assert_eq!(host.closed, [CloseReason::Connection(ConnectionError::Handshake(error))]);
    assert!(!host.closed[0].may_retry());
    assert_eq!(host.take_events(), []);
}

#[test]
fn whoever_answers_is_taken_only_if_that_was_said() {
    let mut node = Node::over_noise();
    let mut options = ClientOptions::new(Authority::Unauthenticated);
    options.constraints = Some(CONSTRAINTS);
    let mut host = Host::from_options(options);
    node.accept(&mut host);
    assert!(host.client.is_ready() && !host.client.is_authenticated());
}

#[test]
fn a_device_without_a_clock_takes_a_certificate_of_any_date() {
    for (no_clock, is_ready) in [(false, false), (true, true)] {
        let mut node = Node::over_noise();
        let mut options = ClientOptions::new(node.authority.unwrap());
        options.no_clock = no_clock;
        let mut host = Host::from_options(options);
        host.now.unix_s = 0;
        node.accept(&mut host);
        assert_eq!(host.client.is_ready(), is_ready);
    }
}
