//! The template provider: a node that goes and comes back, templates that come in two steps, and what became of a block.

mod template_world;

use sv2_core::bitcoin::Hash;
use sv2_core::template::{Event, NodeState, Solution, SubmitResult, Template, TemplateKind};

use template_world::{KEY, World, solution, template, tip_hash};

/// A client that has a template on tip 1, and has been told so.
fn world_with(template: &Template) -> (World, u64) {
    let mut world = World::new();
    world.join(1);
    let id = world.offer(template);
    world.expect_pair(1, id, template);
    world.take_events();
    (world, id)
}

fn provisional(n: u8) -> Template {
    Template { kind: TemplateKind::Provisional, ..template(n, 5_000) }
}

/// A block on a template: half of all nonces meet nBits.
fn find_block(world: &mut World, template_id: u64) -> Solution {
    for nonce in 0.. {
        world.send(1, &solution(template_id, nonce, b"any coinbase"));
        for event in world.take_events() {
            if let Event::SubmitBlock(solution) = event {
                return solution;
            }
        }
    }
    unreachable!()
}

fn state(world: &mut World, state: NodeState) {
    world.provider.node_state(state, world.now);
    world.run();
}

fn answer(world: &mut World, block_hash: &Hash, result: SubmitResult) {
    world.provider.submit_result(block_hash, result, world.now);
    world.run();
}

#[test]
fn the_full_template_follows_a_provisional_one_at_once_whatever_it_is_worth() {
    let (mut world, first) = world_with(&template(1, 5_000));
    let empty = world.offer(&provisional(2));
    world.expect_pair(1, empty, &provisional(2));
    let full = world.offer(&template(2, 5_000));
    assert!(full > empty && empty > first);
    world.expect_update(1, full, &template(2, 5_000));

    // What follows that must be worth it again, and wait.
    world.offer(&template(2, 5_500));
    world.tick_after(10_000);
    world.expect_nothing(1);
    let better = world.offer(&template(2, 6_000));
    world.expect_update(1, better, &template(2, 6_000));
}

#[test]
fn a_provisional_template_does_not_follow_a_full_one() {
    let (mut world, _) = world_with(&template(1, 5_000));
    world.offer(&Template { kind: TemplateKind::Provisional, ..template(1, 5_100) });
    world.tick_after(10_000);
    world.expect_nothing(1);
}

#[test]
fn clients_stay_while_the_node_is_down_and_are_served_again_when_it_is_back() {
    for away in [NodeState::Down, NodeState::Syncing] {
        let (mut world, id) = world_with(&template(1, 5_000));
        state(&mut world, away);
        world.tick_after(3_600_000);
        assert!(world.closed.is_empty());

        // Who comes now has something to work on, and nothing is asked of the node.
        world.join(2);
        world.expect_pair(2, id, &template(1, 5_000));
        world.join_with(3, 10_000, 0);
        world.expect_nothing(3);
        let asked = world.take_events();
        assert!(!asked.iter().any(|event| matches!(event, Event::WantTemplate { .. })), "{asked:?}");

        state(&mut world, NodeState::Ready);
        let wants: Vec<Event> = world.take_events();
        assert_eq!(wants.len(), 2, "{wants:?}");
        assert!(wants.contains(&Event::WantTemplate { key: KEY }), "{wants:?}");

        // The node has lost its templates: the new one goes out although it is worth no more.
        let renewed = world.offer(&template(1, 4_000));
        for client in [1, 2] {
            world.expect_update(client, renewed, &template(1, 4_000));
        }
        world.offer(&template(1, 4_000));
        world.expect_nothing(1);

        // Saying so twice asks for nothing more.
        world.take_events();
        state(&mut world, NodeState::Ready);
        assert_eq!(world.take_events(), []);
    }
}

#[test]
fn a_tip_that_comes_while_the_node_is_away_is_asked_about_when_it_is_back() {
    let (mut world, _) = world_with(&template(1, 5_000));
    state(&mut world, NodeState::Down);
    world.tip(tip_hash(2));
    assert_eq!(world.take_events(), []);
    state(&mut world, NodeState::Ready);
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }]);
    let id = world.offer(&template(2, 5_000));
    world.expect_pair(1, id, &template(2, 5_000));
}

#[test]
fn transactions_that_a_client_waits_for_are_asked_for_again_when_the_node_is_back() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let want = Event::WantTransactions { template_id: id, node_handle: 1 << 32 | 5_000 };
    world.request_transactions(1, id);
    assert_eq!(world.take_events(), std::slice::from_ref(&want));
    state(&mut world, NodeState::Down);
    world.join(2);
    world.take(2);
    world.request_transactions(2, id);
    assert!(!world.take_events().contains(&want));
    state(&mut world, NodeState::Ready);
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }, want]);
    world.transactions(id, Some(&[b"one"]));
    for client in [1, 2] {
        world.expect_transactions(client, id, &[b"one"]);
    }
}

#[test]
fn a_block_is_accepted_when_it_is_the_tip_and_not_before() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let block_hash = find_block(&mut world, id).block_hash;
    answer(&mut world, &block_hash, SubmitResult::Taken);
    assert_eq!(world.take_events(), []);
    world.tip(tip_hash(2));
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }], "another block was faster");
    world.tip(block_hash);
    let accepted = Event::BlockAccepted { block_hash, connection: 1, template_id: id };
    assert!(world.take_events().contains(&accepted), "and then it was not");
    world.tip(tip_hash(3));
    world.tip(block_hash);
    assert!(!world.take_events().contains(&accepted), "said once");
}

#[test]
fn the_first_template_on_a_block_of_ours_says_as_well_that_it_is_accepted() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let block_hash = find_block(&mut world, id).block_hash;
    world.offer(&Template { prev_hash: block_hash, ..template(2, 5_000) });
    assert_eq!(world.take_events()[0], Event::BlockAccepted { block_hash, connection: 1, template_id: id });
}

#[test]
fn a_block_that_the_node_did_not_answer_for_is_submitted_again_when_it_is_back() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let lost = find_block(&mut world, id);
    state(&mut world, NodeState::Down);
    assert_eq!(world.take_events(), []);
    state(&mut world, NodeState::Ready);
    assert_eq!(world.take_events(), [Event::SubmitBlock(lost.clone()), Event::WantTemplate { key: KEY }]);
    for result in [SubmitResult::Taken, SubmitResult::Refused] {
        answer(&mut world, &lost.block_hash, result);
        state(&mut world, NodeState::Down);
        state(&mut world, NodeState::Ready);
        assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }]);
    }
}

#[test]
fn a_block_without_an_answer_is_kept_before_those_that_have_one() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let lost = find_block(&mut world, id);
    let mut found = 1;
    for nonce in 1_000_000.. {
        world.pass(100);
        world.send(1, &solution(id, nonce, b"another coinbase"));
        for event in world.take_events() {
            if let Event::SubmitBlock(solution) = event {
                answer(&mut world, &solution.block_hash, SubmitResult::Refused);
                found += 1;
            }
        }
        if found > 100 {
            break;
        }
    }
    state(&mut world, NodeState::Down);
    state(&mut world, NodeState::Ready);
    assert_eq!(world.take_events(), [Event::SubmitBlock(lost), Event::WantTemplate { key: KEY }]);
}

#[test]
fn a_template_is_kept_until_the_node_has_answered_for_the_block_that_was_found_on_it() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let found = find_block(&mut world, id);
    let expired = Event::TemplateExpired { node_handle: 1 << 32 | 5_000, template_id: id };
    state(&mut world, NodeState::Down);
    world.tip(tip_hash(2));
    world.tick_after(10_001);
    assert_eq!(world.take_events(), []);
    state(&mut world, NodeState::Ready);
    assert_eq!(world.take_events(), [Event::SubmitBlock(found.clone()), Event::WantTemplate { key: KEY }]);
    answer(&mut world, &found.block_hash, SubmitResult::Refused);
    assert_eq!(world.take_events(), [expired]);
    answer(&mut world, &found.block_hash, SubmitResult::Refused);
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_template_is_kept_until_the_block_that_was_found_on_it_is_the_tip() {
    let (mut world, id) = world_with(&template(1, 5_000));
    let block_hash = find_block(&mut world, id).block_hash;
    let expired = Event::TemplateExpired { node_handle: 1 << 32 | 5_000, template_id: id };
    world.tip(tip_hash(2));
    world.tick_after(10_001);
    assert!(!world.take_events().contains(&expired));
    world.tip(block_hash);
    assert!(world.take_events().contains(&expired));
}

#[test]
fn a_block_found_while_the_node_is_down_is_handed_out_at_once_all_the_same() {
    let (mut world, id) = world_with(&template(1, 5_000));
    state(&mut world, NodeState::Down);
    let found = find_block(&mut world, id);
    assert_eq!(found.template_id, id);
    answer(&mut world, &[9; 32], SubmitResult::Taken); // of a block that nobody knows
    state(&mut world, NodeState::Ready);
    assert!(world.take_events().contains(&Event::SubmitBlock(found)));
}
