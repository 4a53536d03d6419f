//! The template provider: templates for the next height, which wait for their SetNewPrevHash.

mod template_world;

use sv2_core::bitcoin::Target;
use sv2_core::message::{Message, SetNewPrevHashTemplate};
use sv2_core::template::{
    ConstraintKey, Event, NewPrevHash, ProviderError, SolutionRefusal, Template, TemplateError, TemplateKind,
};
use sv2_core::wire::U256;

use template_world::{KEY, REGTEST_NBITS, World, solution, template, tip_hash};

const OTHER: ConstraintKey = ConstraintKey { reserved_weight: 16_000, sigops: 0 };

/// The template for the height after tip `n`, of which nothing is known that the next block decides.
fn next_height(n: u8, value: u64) -> Template {
    Template {
        kind: TemplateKind::NextHeight,
        prev_hash: [0; 32],
        header_timestamp: 0,
        nbits: 0,
        ..template(n + 1, value)
    }
}

/// What is known when tip `n` is there.
fn found(n: u8) -> NewPrevHash {
    let Template { prev_hash, header_timestamp, nbits, target, .. } = template(n, 0);
    NewPrevHash { prev_hash, header_timestamp, nbits, target }
}

/// A provider with clients 1 and 2 on tip 1.
fn world() -> World {
    let mut world = World::new();
    world.join(1);
    world.join(2);
    let id = world.offer(&template(1, 5_000));
    for client in [1, 2] {
        world.expect_pair(client, id, &template(1, 5_000));
    }
    world.take_events();
    world
}

fn activate(world: &mut World, template_id: u64, new_prev_hash: NewPrevHash) -> Result<(), ProviderError> {
    let result = world.provider.set_new_prev_hash(template_id, new_prev_hash, world.now);
    world.run();
    result
}

fn expect_future(world: &mut World, client: u64, template_id: u64) {
    let received = world.take(client);
    let [Message::NewTemplate(future)] = received.iter().map(|one| one.message()).collect::<Vec<_>>()[..] else {
        panic!("client {client}: {received:?}");
    };
    assert_eq!((future.template_id, future.future_template), (template_id, true));
}

fn expect_set_new_prev_hash(world: &mut World, client: u64, template_id: u64, n: u8) {
    let NewPrevHash { prev_hash, header_timestamp, nbits, .. } = found(n);
    let target = U256(Target::from_nbits(nbits).unwrap().0);
    let expected = SetNewPrevHashTemplate { template_id, prev_hash: U256(prev_hash), header_timestamp, nbits, target };
    let received = world.take(client);
    let messages: Vec<Message<'_>> = received.iter().map(|one| one.message()).collect();
    assert_eq!(messages, [expected.into()], "client {client}");
}

#[test]
fn clients_that_have_the_template_for_the_next_height_need_only_its_set_new_prev_hash() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    for client in [1, 2] {
        expect_future(&mut world, client, id);
    }
    assert_eq!(world.take_events(), []);
    activate(&mut world, id, found(2)).unwrap();
    for client in [1, 2] {
        expect_set_new_prev_hash(&mut world, client, id, 2);
    }
    // The full template on that tip follows at once, also if it is worth no more.
    let full = world.offer(&template(2, 3_000));
    for client in [1, 2] {
        world.expect_update(client, full, &template(2, 3_000));
    }
    assert_eq!(activate(&mut world, id, found(3)), Err(ProviderError::UnknownTemplate), "it is active");
}

#[test]
fn whoever_joins_gets_the_pair_of_the_present_tip_first() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    world.join(3);
    let received = world.take(3);
    let tags: Vec<u32> = received.iter().map(|one| one.tag).collect();
    assert_eq!(tags, [0x71, 0x72, 0x71]);
    world.inbox.insert(3, received[2..].to_vec());
    expect_future(&mut world, 3, id);
    activate(&mut world, id, found(2)).unwrap();
    expect_set_new_prev_hash(&mut world, 3, id, 2);
}

#[test]
fn clients_that_do_not_have_it_get_the_pair_with_an_id_above_all_they_know() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    let update = world.offer(&template(1, 9_000));
    world.tick_after(5_000);
    world.join(3);
    world.expect_pair(3, update, &template(1, 9_000));
    for client in [1, 2] {
        world.take(client);
    }
    activate(&mut world, id, found(2)).unwrap();
    for client in [1, 2] {
        expect_set_new_prev_hash(&mut world, client, id, 2);
    }
    world.expect_pair(3, update + 1, &template(2, 3_000));
    let full = world.offer(&template(2, 4_000));
    for client in [1, 2, 3] {
        world.expect_update(client, full, &template(2, 4_000));
    }
}

#[test]
fn an_update_after_a_template_for_the_next_height_has_a_higher_id() {
    let mut world = world();
    world.tick_after(1_000);
    let better = world.offer(&template(1, 9_000));
    let id = world.offer(&next_height(1, 3_000));
    assert!(id > better);
    for client in [1, 2] {
        expect_future(&mut world, client, id);
    }
    world.tick_after(4_000);
    for client in [1, 2] {
        world.expect_update(client, id + 1, &template(1, 9_000));
    }
    activate(&mut world, id, found(2)).unwrap();
    expect_set_new_prev_hash(&mut world, 1, id, 2);
}

#[test]
fn a_newer_one_replaces_it() {
    let mut world = world();
    let older = world.offer(&next_height(1, 3_000));
    let newer = world.offer(&next_height(1, 3_500));
    let expired = Event::TemplateExpired { node_handle: 2 << 32 | 3_000, template_id: older };
    assert_eq!(world.take_events(), [expired]);
    assert_eq!(activate(&mut world, older, found(2)), Err(ProviderError::UnknownTemplate));
    world.take(1);
    activate(&mut world, newer, found(2)).unwrap();
    expect_set_new_prev_hash(&mut world, 1, newer, 2);
}

#[test]
fn a_client_is_not_sent_more_of_them_than_it_keeps() {
    let mut world = world();
    let ids: Vec<u64> = (0..20).map(|value| world.offer(&next_height(1, value))).collect();
    assert_eq!(world.take(1).len(), 8);
    world.take(2);
    // The last one is told with its tip.
    activate(&mut world, ids[19], found(2)).unwrap();
    world.expect_pair(1, ids[19] + 1, &template(2, 19));
    let id = world.offer(&next_height(2, 1));
    expect_future(&mut world, 1, id);
}

#[test]
fn it_cannot_be_solved_before_its_tip_is_there() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    world.take_events();
    world.send(1, &solution(id, 0, b"a coinbase"));
    let refusal = SolutionRefusal::NotActive;
    assert_eq!(world.take_events(), [Event::SolutionRefused { connection: 1, template_id: id, refusal }]);
    activate(&mut world, id, found(2)).unwrap();
    world.take_events();
    let blocks = (0..64).filter(|nonce| {
        world.send(1, &solution(id, *nonce, b"a coinbase"));
        matches!(&world.take_events()[..], [Event::SubmitBlock(found)] if found.header.prev_hash == tip_hash(2))
    });
    assert!(blocks.count() > 0);
}

#[test]
fn its_transactions_can_be_asked_for_before_and_after() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    world.take(1);
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), [Event::WantTransactions { template_id: id, node_handle: 2 << 32 | 3_000 }]);
    world.transactions(id, Some(&[b"one"]));
    world.expect_transactions(1, id, &[b"one"]);
    activate(&mut world, id, found(2)).unwrap();
    world.take(2);
    world.request_transactions(2, id);
    world.expect_transactions(2, id, &[b"one"]);
}

#[test]
fn its_tip_is_a_tip_like_any_other() {
    let mut world = world();
    world.join_with(3, 3_000, 0);
    let of_other = world.template(OTHER, &template(1, 1)).unwrap();
    world.expect_pair(3, of_other, &template(1, 1));
    let id = world.offer(&next_height(1, 3_000));
    let id_of_other = world.template(OTHER, &next_height(1, 2_000)).unwrap();
    expect_future(&mut world, 3, id_of_other);
    world.take_events();
    activate(&mut world, id, found(2)).unwrap();
    assert_eq!(world.take_events(), [Event::WantTemplate { key: OTHER }]);
    world.expect_nothing(3);
    activate(&mut world, id_of_other, found(2)).unwrap();
    expect_set_new_prev_hash(&mut world, 3, id_of_other, 2);
    world.tick_after(10_001);
    let gone = |event: &Event| matches!(event, Event::TemplateExpired { .. });
    assert_eq!(world.take_events().into_iter().filter(gone).count(), 2, "those on tip 1, and not these");
    world.request_transactions(1, id);
    assert_eq!(world.take_events().len(), 1);
}

#[test]
fn the_tip_may_be_announced_before_but_a_template_that_is_there_is_better() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    world.take(1);
    world.tip(tip_hash(2));
    world.expect_nothing(1);
    activate(&mut world, id, found(2)).unwrap();
    expect_set_new_prev_hash(&mut world, 1, id, 2);

    let id = world.offer(&next_height(2, 3_000));
    world.tip(tip_hash(3));
    let full = world.offer(&template(3, 5_000));
    world.take(1);
    assert_eq!(activate(&mut world, id, found(3)), Err(ProviderError::StaleTemplate));
    world.expect_nothing(1);
    // A client gives up future templates with SetNewPrevHash: the next tip comes with a template.
    world.join(4);
    assert!(full < world.offer(&next_height(3, 1)));
}

#[test]
fn one_whose_tip_never_comes_expires_with_the_tip_it_was_made_on() {
    let mut world = world();
    let id = world.offer(&next_height(1, 3_000));
    world.tip(tip_hash(2));
    world.take_events();
    world.tick_after(10_001);
    let expired = Event::TemplateExpired { node_handle: 2 << 32 | 3_000, template_id: id };
    assert!(world.take_events().contains(&expired));
    assert_eq!(activate(&mut world, id, found(2)), Err(ProviderError::UnknownTemplate));
    world.request_transactions(1, id);
    world.take(1);
    let pair = world.offer(&template(2, 5_000));
    world.expect_pair(1, pair, &template(2, 5_000));
}

#[test]
fn what_cannot_be_a_tip_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.join(1);
    assert_eq!(world.template(KEY, &next_height(0, 1)), Err(ProviderError::StaleTemplate), "there is no tip");
    let present = world.offer(&template(1, 5_000));
    world.take(1);
    let id = world.offer(&next_height(1, 3_000));
    world.take(1);
    let bad = |change: fn(&mut NewPrevHash)| {
        let mut new_prev_hash = found(2);
        change(&mut new_prev_hash);
        new_prev_hash
    };
    let nbits = bad(|tip| tip.nbits = 0);
    let expected = Err(ProviderError::Template(TemplateError::InvalidNbits(0)));
    assert_eq!(activate(&mut world, id, nbits), expected);
    let target = bad(|tip| tip.target = Some(Target([0xff; 32])));
    assert_eq!(activate(&mut world, id, target), Err(ProviderError::Template(TemplateError::TargetTooEasy)));
    for unknown in [0, present, id + 1, u64::MAX] {
        assert_eq!(activate(&mut world, unknown, found(2)), Err(ProviderError::UnknownTemplate));
    }
    world.expect_nothing(1);
    activate(&mut world, id, found(2)).unwrap();
    expect_set_new_prev_hash(&mut world, 1, id, 2);
    assert_eq!(found(2).nbits, REGTEST_NBITS);
}

#[test]
fn a_key_that_goes_out_of_use_takes_its_next_template_along() {
    let mut world = World::with(|options| options.key_linger_ms = 0);
    world.join(1);
    world.join_with(2, 3_000, 0);
    world.offer(&template(1, 5_000));
    world.disconnect(2);
    let id = world.offer(&next_height(1, 3_000));
    world.disconnect(1);
    world.take_events();
    assert_eq!(activate(&mut world, id, found(2)), Err(ProviderError::UnknownTemplate));
    world.tip(tip_hash(2));
    world.tick_after(10_001);
    let gone = |event: &Event| matches!(event, Event::TemplateExpired { .. });
    assert_eq!(world.take_events().into_iter().filter(gone).count(), 2);
}
