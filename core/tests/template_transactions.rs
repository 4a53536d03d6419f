//! The template provider: RequestTransactionData.

mod template_world;

use sv2_core::connection::Limits;
use sv2_core::message::Message;
use sv2_core::template::{CloseReason, ConstraintKey, Event, NodeState, ProviderError, Template, TemplateKind};

use template_world::{World, template, tip_hash};

const TRANSACTIONS: [&[u8]; 3] = [b"one transaction", b"", b"another one"];

fn wanted(template_id: u64, value: u64) -> Event {
    Event::WantTransactions { template_id, node_handle: 1 << 32 | value }
}

/// A provider with clients 1 to `clients`, all with a template on tip 1 worth 5000 sat.
fn world_with(clients: u64) -> (World, u64) {
    let mut world = World::new();
    for client in 1..=clients {
        world.join(client);
    }
    let id = world.offer(&template(1, 5_000));
    for client in 1..=clients {
        world.expect_pair(client, id, &template(1, 5_000));
    }
    world.take_events();
    (world, id)
}

#[test]
fn the_node_is_asked_once_and_everybody_is_answered() {
    let (mut world, id) = world_with(4);
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), [wanted(id, 5_000)]);
    world.request_transactions(2, id);
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), []);
    for client in 1..=4 {
        world.expect_nothing(client);
    }
    world.transactions(id, Some(&TRANSACTIONS));
    // Who asked twice is answered twice.
    let twice = world.take(1);
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0], twice[1]);
    world.inbox.insert(1, twice[..1].to_vec());
    world.expect_transactions(1, id, &TRANSACTIONS);
    world.expect_transactions(2, id, &TRANSACTIONS);
    world.expect_nothing(3);
    // The answer is kept for whoever asks later.
    world.request_transactions(3, id);
    world.expect_transactions(3, id, &TRANSACTIONS);
    world.request_transactions(1, id);
    world.expect_transactions(1, id, &TRANSACTIONS);
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_template_without_transactions_has_an_answer_too() {
    let (mut world, id) = world_with(1);
    world.request_transactions(1, id);
    world.transactions(id, Some(&[]));
    world.expect_transactions(1, id, &[]);
}

#[test]
fn others_are_served_while_the_node_is_slow() {
    let (mut world, id) = world_with(2);
    world.request_transactions(1, id);
    let next = world.offer(&template(2, 5_000));
    world.expect_pair(1, next, &template(2, 5_000));
    world.expect_pair(2, next, &template(2, 5_000));
    world.tick_after(9_000);
    world.transactions(id, Some(&TRANSACTIONS));
    world.expect_transactions(1, id, &TRANSACTIONS);
}

#[test]
fn ids_that_were_never_given_out_are_not_found() {
    let (mut world, id) = world_with(1);
    for unknown in [0, 1, id - 1, id + 1, u64::MAX] {
        world.request_transactions(1, unknown);
        world.expect_no_transactions(1, unknown, "template-id-not-found");
    }
    // This one nobody has: it is not worth an update.
    let unsent = world.offer(&template(1, 5_001));
    world.request_transactions(1, unsent);
    world.expect_no_transactions(1, unsent, "template-id-not-found");
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_template_is_served_until_ten_seconds_after_its_tip_is_gone_and_stale_then() {
    let (mut world, id) = world_with(2);
    world.request_transactions(1, id);
    world.transactions(id, Some(&TRANSACTIONS));
    world.take(1);
    let next = world.offer(&template(2, 5_000));
    assert!(next > id);
    world.take(1);
    world.take(2);
    // Nobody tells the provider that time passes but those who ask.
    world.pass(9_999);
    world.request_transactions(2, id);
    world.expect_transactions(2, id, &TRANSACTIONS);
    world.pass(1);
    world.request_transactions(2, id);
    world.expect_transactions(2, id, &TRANSACTIONS);
    world.pass(1);
    world.request_transactions(2, id);
    world.expect_no_transactions(2, id, "stale-template-id");
}

#[test]
fn whoever_waits_for_a_template_that_expires_is_told() {
    let (mut world, id) = world_with(1);
    world.request_transactions(1, id);
    world.tip(tip_hash(2));
    world.take_events();
    world.tick_after(10_001);
    world.expect_no_transactions(1, id, "stale-template-id");
    assert_eq!(world.take_events(), [Event::TemplateExpired { node_handle: 1 << 32 | 5_000, template_id: id }]);
    // The node's answer comes too late, which is no error.
    world.transactions(id, Some(&TRANSACTIONS));
    world.expect_nothing(1);
}

#[test]
fn a_template_that_the_node_has_lost_is_not_found_or_stale() {
    let (mut world, id) = world_with(2);
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), [wanted(id, 5_000)]);
    world.transactions(id, None);
    world.expect_no_transactions(1, id, "template-id-not-found");
    // It is not asked for a second time.
    world.request_transactions(2, id);
    world.expect_no_transactions(2, id, "template-id-not-found");
    assert_eq!(world.take_events(), []);
    world.tip(tip_hash(2));
    world.request_transactions(2, id);
    world.expect_no_transactions(2, id, "stale-template-id");
}

#[test]
fn what_the_node_did_not_have_is_asked_for_again_when_it_was_away_and_is_back() {
    let (mut world, id) = world_with(1);
    world.request_transactions(1, id);
    world.transactions(id, None);
    world.expect_no_transactions(1, id, "template-id-not-found");
    for state in [NodeState::Down, NodeState::Ready] {
        world.provider.node_state(state, world.now);
    }
    world.run();
    world.take_events();
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), [wanted(id, 5_000)]);
    world.transactions(id, Some(&TRANSACTIONS));
    world.expect_transactions(1, id, &TRANSACTIONS);
}

#[test]
fn over_noise_too_an_answer_begins_with_the_id_that_was_asked_for() {
    let mut world = World::over_noise();
    world.join(1);
    let first = world.offer(&template(1, 5_000));
    world.constrain(1, 1_000, 0);
    world.take(1);
    let transaction = [9; 100_000];
    world.request_transactions(1, first + 1);
    world.transactions(first, Some(&[&transaction]));
    world.expect_transactions(1, first + 1, &[&transaction]);
    world.request_transactions(1, first);
    world.expect_transactions(1, first, &[&transaction]);
}

#[test]
fn a_template_that_clients_know_by_another_id_only_is_answered_by_the_id_of_the_host() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    // Not worth an update; whoever comes again gets it under an id that is its second, and the first was never sent.
    let unsent = world.offer(&template(1, 5_001));
    let ahead = Template { kind: TemplateKind::NextHeight, ..template(2, 5_000) };
    world.offer(&ahead);
    world.constrain(1, 1_000, 0);
    world.take(1);
    world.take_events();
    world.request_transactions(1, unsent + 2);
    assert_eq!(world.take_events(), [wanted(unsent, 5_001)]);
    world.transactions(unsent, Some(&TRANSACTIONS));
    world.expect_transactions(1, unsent + 2, &TRANSACTIONS);
}

#[test]
fn a_client_that_is_gone_is_not_answered_even_if_its_name_is_used_again() {
    let (mut world, id) = world_with(2);
    world.request_transactions(1, id);
    world.provider.disconnect(1);
    world.clients.remove(&1);
    world.set_up(1);
    world.transactions(id, Some(&TRANSACTIONS));
    world.expect_nothing(1);
}

#[test]
fn transactions_that_fit_into_no_message_are_refused_and_the_client_is_told() {
    let (mut world, id) = world_with(1);
    world.request_transactions(1, id);
    let transaction = vec![0; 9 << 20];
    let result = world.provider.transactions_ready(id, Some(&[&transaction, &transaction]), world.now);
    assert!(matches!(result, Err(ProviderError::Transactions(_))), "{result:?}");
    world.run();
    world.expect_no_transactions(1, id, "template-id-not-found");
}

#[test]
fn requests_that_wait_are_counted() {
    let mut world = World::with(|options| {
        options.max_pending_requests = 2;
        options.update_interval_ms = 0;
        options.fee_threshold_sat = 0;
    });
    world.join(1);
    let ids: Vec<u64> = (1..=4).map(|value| world.offer(&template(1, value))).collect();
    world.request_transactions(1, ids[0]);
    world.request_transactions(1, ids[1]);
    world.transactions(ids[0], Some(&TRANSACTIONS));
    // Also for the second time.
    world.request_transactions(1, ids[1]);
    assert!(world.closed.is_empty());
    world.request_transactions(1, ids[3]);
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooManyRequests);
}

#[test]
fn the_transactions_kept_are_bounded_and_those_forgotten_are_asked_for_again() {
    let mut world = World::with(|options| {
        options.transaction_cache_len = 250;
        options.update_interval_ms = 0;
        options.fee_threshold_sat = 0;
    });
    world.join(1);
    let ids: Vec<u64> = (1..=3).map(|value| world.offer(&template(1, value))).collect();
    world.take_events();
    let transaction = [7; 80];
    for (id, value) in ids.iter().zip(1..) {
        world.take(1);
        world.request_transactions(1, *id);
        assert_eq!(world.take_events(), [wanted(*id, value)]);
        world.transactions(*id, Some(&[&transaction]));
        world.expect_transactions(1, *id, &[&transaction]);
    }
    // Two answers of 6 + 10 + 2 + 3 + 80 bytes have room.
    for (id, kept) in ids.iter().zip([false, true, true]) {
        world.request_transactions(1, *id);
        assert_eq!(world.take_events().is_empty(), kept);
    }
}

#[test]
fn a_client_that_does_not_read_its_transactions_costs_its_bound() {
    let mut world = World::with(|options| options.limits = Limits { max_output: 100_000, ..Limits::default() });
    world.join(1);
    world.join(2);
    let id = world.offer(&template(1, 5_000));
    let transaction = vec![1; 60_000];
    world.request_transactions(2, id);
    world.transactions(id, Some(&[&transaction]));
    world.take(2);
    world.stalled.insert(1);
    world.request_transactions(1, id);
    world.tick_after(5_000);
    assert!(world.closed.is_empty());
    world.request_transactions(1, id);
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooSlow);
    world.request_transactions(2, id);
    world.expect_transactions(2, id, &[&transaction]);
}

#[test]
fn errors_to_a_client_that_does_not_read_are_bounded_too() {
    let mut world = World::with(|options| {
        options.limits = Limits { max_output: 10_000, ..Limits::default() };
        options.request_burst = 1_000;
    });
    world.join(1);
    world.stalled.insert(1);
    let mut requests = 0;
    while world.provider.next_deadline() != Some(world.now.monotonic_ms + 5_000) {
        world.request_transactions(1, 7);
        requests += 1;
        assert!(requests < 1_000);
    }
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooSlow);
}

#[test]
fn whoever_asks_twice_while_it_reads_nothing_has_one_answer_in_its_output() {
    let (mut world, id) = world_with(2);
    let transaction = vec![1; 100_000];
    world.stalled.insert(1);
    for _ in 0..3 {
        world.request_transactions(1, id);
    }
    world.transactions(id, Some(&[&transaction]));
    world.request_transactions(1, id);
    let next = world.offer(&template(2, 5_000));
    world.expect_pair(2, next, &template(2, 5_000));
    world.write(1);
    let tags: Vec<u32> = world.take(1).iter().map(|received| received.tag).collect();
    assert_eq!(tags, [0x74, 0x71, 0x72, 0x74, 0x74, 0x74], "the tip is behind one answer and before the others");
}

#[test]
fn requests_that_wait_for_their_client_are_counted_with_those_that_wait_for_the_node() {
    let mut world = World::with(|options| options.max_pending_requests = 3);
    world.join(1);
    let id = world.offer(&template(1, 5_000));
    world.stalled.insert(1);
    world.request_transactions(1, id);
    world.transactions(id, Some(&[&[1; 100_000]]));
    for _ in 0..3 {
        world.request_transactions(1, id);
    }
    assert_eq!(world.provider.next_deadline(), Some(world.now.monotonic_ms + 10_000), "only the sweep");
    world.request_transactions(1, id);
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooManyRequests);
}

#[test]
fn a_request_that_waited_too_long_for_its_client_is_stale() {
    let (mut world, id) = world_with(1);
    world.stalled.insert(1);
    world.request_transactions(1, id);
    world.request_transactions(1, id);
    world.transactions(id, Some(&[&[1; 100_000]]));
    world.tip(tip_hash(2));
    world.tick_after(10_001);
    world.write(1);
    let received = world.take(1);
    assert_eq!((received.len(), received[0].tag), (2, 0x74));
    world.inbox.insert(1, received[1..].to_vec());
    world.expect_no_transactions(1, id, "stale-template-id");
}

#[test]
fn a_node_that_does_not_answer_keeps_nobody_waiting() {
    let (mut world, id) = world_with(2);
    world.request_transactions(1, id);
    world.tick_after(1_000);
    world.request_transactions(2, id);
    world.take_events();
    assert_eq!(world.provider.next_deadline(), Some(world.now.monotonic_ms + 9_000), "the sweep");
    world.tick_after(28_999);
    world.expect_nothing(1);
    assert_eq!(world.provider.next_deadline(), Some(world.now.monotonic_ms + 1));
    world.logs.clear();
    world.tick_after(1);
    for client in [1, 2] {
        world.expect_no_transactions(client, id, "template-id-not-found");
    }
    assert_eq!(world.logs, [format!("the node did not give the transactions of template {id} in time")]);
    // Who asks again makes the node be asked again, and its answer counts also if it is late.
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), [wanted(id, 5_000)]);
    world.tick_after(30_000);
    world.expect_no_transactions(1, id, "template-id-not-found");
    world.transactions(id, Some(&TRANSACTIONS));
    world.request_transactions(1, id);
    world.expect_transactions(1, id, &TRANSACTIONS);
}

#[test]
fn a_node_that_dies_over_its_answer_is_given_up_on() {
    let (mut world, id) = world_with(1);
    world.request_transactions(1, id);
    world.provider.node_state(NodeState::Down, world.now);
    world.tip(tip_hash(2));
    world.take_events();
    world.tick_after(10_001);
    world.expect_no_transactions(1, id, "stale-template-id");
    world.provider.node_state(NodeState::Ready, world.now);
    world.run();
    assert!(!world.take_events().contains(&wanted(id, 5_000)), "nobody waits for them any more");
}

#[test]
fn templates_of_others_are_not_found() {
    let mut world = World::new();
    world.join(1);
    world.join_with(2, 3_000, 0);
    let first = world.offer(&template(1, 5_000));
    let other = world.template(ConstraintKey { reserved_weight: 16_000, sigops: 0 }, &template(1, 4_000)).unwrap();
    let last = world.offer(&template(1, 9_000));
    world.tick_after(5_000);
    world.join(3);
    for client in [1, 2, 3] {
        world.take(client);
    }
    for (client, foreign) in [(1, &[other][..]), (2, &[first, last]), (3, &[first, other])] {
        for id in foreign {
            world.request_transactions(client, *id);
            world.expect_no_transactions(client, *id, "template-id-not-found");
        }
    }
    world.take_events();
    for (client, own) in [(1, &[first, last][..]), (2, &[other]), (3, &[last])] {
        for id in own {
            world.request_transactions(client, *id);
            world.transactions(*id, Some(&TRANSACTIONS));
            world.expect_transactions(client, *id, &TRANSACTIONS);
        }
    }
}

#[test]
fn a_client_keeps_what_it_was_sent_before_it_changed_its_constraints() {
    let mut world = World::new();
    let other = ConstraintKey { reserved_weight: 16_000, sigops: 0 };
    world.join(1);
    world.join(2);
    world.join_with(3, 3_000, 0);
    let first = world.offer(&template(1, 5_000));
    let second = world.template(other, &template(1, 5_000)).unwrap();
    world.constrain(1, 3_000, 0);
    let third = world.offer(&template(1, 9_000));
    world.tick_after(5_000);
    world.constrain(1, 1_000, 0);
    let present = world.take(1).iter().rev().find_map(|received| match received.message() {
        Message::NewTemplate(template) => Some(template.template_id),
        _ => None,
    });
    assert!(present >= Some(third));
    for (id, is_own) in [(first, true), (second, true), (present.unwrap(), true)] {
        world.request_transactions(1, id);
        world.transactions(id, Some(&TRANSACTIONS));
        assert_eq!(world.take(1)[0].tag == 0x74, is_own, "template {id}");
    }
    world.request_transactions(3, first);
    world.take(3);
    world.constrain(3, 1_000, 0);
    world.take(3);
    world.request_transactions(3, first);
    world.expect_no_transactions(3, first, "template-id-not-found");
}
