//! The template provider: who is sent which template, and when.

mod template_world;

use sv2_core::bitcoin::Target;
use sv2_core::template::{
    CloseReason, ConstraintKey, Event, MIN_RESERVED_WEIGHT, ProviderError, SolutionRefusal, Template, TemplateError,
};

use template_world::{KEY, World, solution, template, tip_hash};

/// What is said of a template on tip 1 when its time is over.
fn expired(value: u64, template_id: u64) -> Event {
    Event::TemplateExpired { node_handle: 1 << 32 | value, template_id }
}

fn key(reserved_weight: u32, sigops: u16) -> ConstraintKey {
    ConstraintKey { reserved_weight, sigops }
}

#[test]
fn weight_is_reserved_as_the_specification_says_and_rounded_up() {
    assert_eq!(ConstraintKey::new(0, 0), Some(key(2_000, 0)));
    assert_eq!(ConstraintKey::new(208, 0), Some(key(2_000, 0)));
    assert_eq!(ConstraintKey::new(209, 0), Some(key(4_000, 0)));
    assert_eq!(ConstraintKey::new(708, 0), Some(key(4_000, 0)));
    assert_eq!(ConstraintKey::new(709, 0), Some(key(8_000, 0)));
    // Above half of a block there are few steps, of which the last is all of it.
    assert_eq!(ConstraintKey::new(511_708, 0), Some(key(2_048_000, 0)));
    assert_eq!(ConstraintKey::new(511_709, 0), Some(key(3_000_000, 0)));
    assert_eq!(ConstraintKey::new(749_708, 0), Some(key(3_000_000, 0)));
    assert_eq!(ConstraintKey::new(749_709, 0), Some(key(4_000_000, 0)));
    assert_eq!(ConstraintKey::new(999_708, 65_535), Some(key(4_000_000, 65_535)));
    assert_eq!(ConstraintKey::new(999_709, 0), None);
    assert_eq!(ConstraintKey::new(u32::MAX, 0), None);
    for (sigops, rounded) in [(0, 0), (1, 400), (400, 400), (401, 4_000), (4_000, 4_000), (4_001, 65_535)] {
        assert_eq!(ConstraintKey::new(0, sigops), Some(key(2_000, rounded)));
    }
    assert_eq!(MIN_RESERVED_WEIGHT, 2_000);
}

#[test]
fn a_client_gets_the_pair_on_connect_and_every_client_on_every_new_tip() {
    for mut world in [World::new(), World::over_noise()] {
        world.join(1);
        world.expect_nothing(1);
        assert_eq!(world.take_events()[0], Event::WantTemplate { key: KEY });
        let mut last = world.offer(&template(1, 5_000));
        world.expect_pair(1, last, &template(1, 5_000));

        // The tip is old by now, but not for those who have just come.
        world.tick_after(3_600_000);
        for id in 2..=5 {
            world.join(id);
            world.expect_pair(id, last, &template(1, 5_000));
        }
        for n in 2..=9 {
            let id = world.offer(&template(n, 5_000));
            assert!(id > last);
            last = id;
            for client in 1..=5 {
                world.expect_pair(client, id, &template(n, 5_000));
            }
        }
    }
}

#[test]
fn a_thousand_clients_share_one_template() {
    let mut world = World::new();
    for client in 0..1_000 {
        world.join(client);
    }
    let wanted = world.take_events().iter().filter(|event| matches!(event, Event::WantTemplate { .. })).count();
    assert_eq!(wanted, 1);
    for n in 1..=2 {
        let id = world.offer(&template(n, 5_000));
        for client in 0..1_000 {
            world.expect_pair(client, id, &template(n, 5_000));
        }
    }
}

#[test]
fn clients_with_different_constraints_get_different_templates() {
    let mut world = World::new();
    world.join_with(1, 1_000, 0);
    world.join_with(2, 20_000, 400);
    world.join_with(3, 1_000, 0);
    let other = key(128_000, 400);
    let wanted: Vec<Event> =
        world.take_events().into_iter().filter(|event| matches!(event, Event::WantTemplate { .. })).collect();
    assert_eq!(wanted, [Event::WantTemplate { key: KEY }, Event::WantTemplate { key: other }]);

    let first = world.template(KEY, &template(1, 5_000)).unwrap();
    world.expect_pair(1, first, &template(1, 5_000));
    world.expect_pair(3, first, &template(1, 5_000));
    world.expect_nothing(2);
    let second = world.template(other, &template(1, 4_000)).unwrap();
    world.expect_pair(2, second, &template(1, 4_000));

    // On a new tip both get their pair, in whichever order the node has them.
    let second = world.template(other, &template(2, 4_000)).unwrap();
    let first = world.template(KEY, &template(2, 5_000)).unwrap();
    assert!(first > second);
    world.expect_pair(1, first, &template(2, 5_000));
    world.expect_pair(2, second, &template(2, 4_000));
    world.expect_pair(3, first, &template(2, 5_000));
}

#[test]
fn constraints_without_sigops_mean_400() {
    let mut world = World::new();
    world.set_up(1);
    world.send_frame(1, 0, 0x70, &1_000_u32.to_le_bytes());
    let key = key(8_000, 400);
    assert_eq!(world.take_events(), [Event::WantTemplate { key }, Event::ClientReady { connection: 1, key }]);
}

#[test]
fn bytes_after_the_constraints_are_ignored() {
    let mut world = World::new();
    world.set_up(1);
    world.send_frame(1, 0, 0x70, &[0xe8, 0x03, 0, 0, 0, 0, 1, 2, 3]);
    assert_eq!(world.take_events()[0], Event::WantTemplate { key: KEY });
}

// ------------------------------------------------------------------------------------------------------------ updates

#[test]
fn a_better_template_on_the_same_tip_is_sent_without_future_template() {
    let mut world = World::new();
    world.join(1);
    world.join(2);
    let first = world.offer(&template(1, 5_000));
    world.expect_pair(1, first, &template(1, 5_000));
    world.expect_pair(2, first, &template(1, 5_000));
    world.pass(5_000);
    let second = world.offer(&template(1, 6_000));
    assert!(second > first);
    world.expect_update(1, second, &template(1, 6_000));
    world.expect_update(2, second, &template(1, 6_000));
}

#[test]
fn an_update_must_be_worth_the_threshold() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.take(1);
    world.tick_after(60_000);
    world.take_events();
    // Better, but not enough: the value is compared with what the client has.
    let (a, b) = (world.offer(&template(1, 5_600)), world.offer(&template(1, 5_999)));
    world.tick_after(60_000);
    world.expect_nothing(1);
    // Nobody has the first of them, and nobody will.
    assert_eq!(world.take_events(), [expired(5_600, a)]);
    let id = world.offer(&template(1, 6_000));
    world.expect_update(1, id, &template(1, 6_000));
    assert_eq!(world.take_events(), [expired(5_999, b)]);
    // Less is never news.
    world.tick_after(60_000);
    world.offer(&template(1, 100));
    world.tick_after(60_000);
    world.expect_nothing(1);
}

#[test]
fn updates_come_no_more_often_than_the_interval_and_the_best_waits_for_it() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.take(1);
    world.pass(1_000);
    world.offer(&template(1, 7_000));
    let best = world.offer(&template(1, 9_000));
    world.expect_nothing(1);
    assert_eq!(world.provider.next_deadline(), Some(world.now.monotonic_ms + 4_000));
    world.tick_after(3_999);
    world.expect_nothing(1);
    world.tick_after(1);
    world.expect_update(1, best, &template(1, 9_000));
    // The interval begins anew.
    world.pass(4_999);
    world.offer(&template(1, 20_000));
    world.expect_nothing(1);
    world.pass(1);
    let id = world.offer(&template(1, 21_000));
    world.expect_update(1, id, &template(1, 21_000));
}

#[test]
fn a_new_tip_waits_for_nothing() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.take(1);
    // An update was waiting; it is over with its tip.
    world.offer(&template(1, 9_000));
    let id = world.offer(&template(2, 10));
    world.expect_pair(1, id, &template(2, 10));
    world.tick_after(60_000);
    world.expect_nothing(1);
}

#[test]
fn whoever_connects_gets_the_best_template_and_the_update_only_once() {
    let mut world = World::new();
    world.join(1);
    let first = world.offer(&template(1, 5_000));
    world.expect_pair(1, first, &template(1, 5_000));
    let best = world.offer(&template(1, 9_000));
    world.join(2);
    world.expect_pair(2, best, &template(1, 9_000));
    world.tick_after(5_000);
    world.expect_update(1, best, &template(1, 9_000));
    world.expect_nothing(2);
}

#[test]
fn another_target_on_the_same_tip_is_announced_like_a_new_tip() {
    let mut world = World::new();
    world.join(1);
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(1, id, &template(1, 5_000));
    // A test network allows an easier block after 20 minutes.
    let eased = Template { nbits: 0x1d00_ffff, ..template(1, 5_000) };
    let id = world.offer(&eased);
    world.expect_pair(1, id, &eased);
}

#[test]
fn a_stricter_target_is_passed_on_and_an_easier_one_refused() {
    let mut world = World::new();
    world.join(1);
    let stricter = Template { target: Some(Target([0x0f; 32])), ..template(1, 5_000) };
    let id = world.offer(&stricter);
    world.expect_pair(1, id, &stricter);
    let easier = Template { target: Some(Target::MAX), ..template(2, 5_000) };
    assert_eq!(world.template(KEY, &easier), Err(ProviderError::Template(TemplateError::TargetTooEasy)));
    world.expect_nothing(1);
}

// --------------------------------------------------------------------------------------------------------------- tips

#[test]
fn a_tip_without_templates_asks_for_one_for_each_key() {
    let mut world = World::new();
    world.join_with(1, 1_000, 0);
    world.join_with(2, 20_000, 400);
    let other = key(128_000, 400);
    world.template(KEY, &template(1, 5_000)).unwrap();
    world.template(other, &template(1, 5_000)).unwrap();
    world.take(1);
    world.take(2);
    world.take_events();

    world.tip(tip_hash(2));
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }, Event::WantTemplate { key: other }]);
    world.tip(tip_hash(2));
    assert_eq!(world.take_events(), []);
    // Nothing is sent of the old tip any more, also not to those who come now.
    world.join_with(3, 1_000, 0);
    world.expect_nothing(3);
    assert_eq!(world.take_events(), [Event::ClientReady { connection: 3, key: KEY }]);
    let id = world.template(KEY, &template(2, 5_000)).unwrap();
    world.expect_pair(1, id, &template(2, 5_000));
    world.expect_pair(3, id, &template(2, 5_000));
    world.expect_nothing(2);
    assert_eq!(world.take_events(), []);
}

#[test]
fn the_first_template_on_a_new_tip_asks_for_those_of_the_other_keys() {
    let mut world = World::new();
    world.join_with(1, 1_000, 0);
    world.join_with(2, 20_000, 400);
    let other = key(128_000, 400);
    world.template(KEY, &template(1, 5_000)).unwrap();
    world.template(other, &template(1, 5_000)).unwrap();
    world.take_events();
    world.template(KEY, &template(2, 5_000)).unwrap();
    assert_eq!(world.take_events(), [Event::WantTemplate { key: other }]);

    // A host that has them all at hand is not asked.
    for wanted in [KEY, other] {
        world.provider.template_ready(wanted, template(3, 5_000), world.now).unwrap();
    }
    world.run();
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_template_that_was_made_before_the_tip_changed_is_refused() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.tip(tip_hash(2));
    assert_eq!(world.template(KEY, &template(1, 9_000)), Err(ProviderError::StaleTemplate));
    world.offer(&template(2, 5_000));
    world.take(1);
    world.tick_after(3_600_000);
    assert_eq!(world.template(KEY, &template(1, 9_000)), Err(ProviderError::StaleTemplate));
    world.expect_nothing(1);
    // Unless the node says that it is the tip again: the block above it was invalidated.
    world.tip(tip_hash(1));
    let id = world.offer(&template(1, 9_000));
    world.expect_pair(1, id, &template(1, 9_000));
}

#[test]
fn a_template_on_a_tip_that_was_overtaken_unseen_is_refused() {
    let mut world = World::new();
    world.join_with(1, 1_000, 0);
    world.join_with(2, 20_000, 400);
    let other = key(128_000, 400);
    for wanted in [KEY, other] {
        world.template(wanted, &template(1, 5_000)).unwrap();
    }
    world.take(1);
    world.take(2);
    // Two blocks in a row: the template of one key is on the second, that of the other still on the first.
    let id = world.template(KEY, &template(3, 5_000)).unwrap();
    assert_eq!(world.template(other, &template(2, 5_000)), Err(ProviderError::StaleTemplate));
    world.expect_pair(1, id, &template(3, 5_000));
    world.expect_nothing(2);
    let id = world.template(other, &template(3, 5_000)).unwrap();
    world.expect_pair(2, id, &template(3, 5_000));
}

#[test]
fn a_template_on_another_block_does_not_override_the_tip_that_was_announced() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.take(1);
    world.take_events();
    world.provider.tip_changed(tip_hash(3), world.now);
    // Late, and never seen before: the height of the tip is not known yet.
    let late = world.provider.template_ready(KEY, template(2, 5_000), world.now);
    assert_eq!(late, Err(ProviderError::StaleTemplate));
    world.run();
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }]);
    world.expect_nothing(1);
    let id = world.offer(&template(3, 5_000));
    world.expect_pair(1, id, &template(3, 5_000));
}

#[test]
fn a_template_before_the_announcement_of_its_tip_is_refused_and_asked_for_with_it() {
    let mut world = World::new();
    world.join(1);
    world.tip(tip_hash(1));
    world.offer(&template(1, 5_000));
    world.take(1);
    world.take_events();
    assert_eq!(world.template(KEY, &template(2, 5_000)), Err(ProviderError::StaleTemplate));
    assert_eq!(world.take_events(), []);
    world.tip(tip_hash(2));
    assert_eq!(world.take_events(), [Event::WantTemplate { key: KEY }]);
    let id = world.offer(&template(2, 5_000));
    world.expect_pair(1, id, &template(2, 5_000));
}

#[test]
fn without_announcements_a_template_that_was_wrongly_taken_for_news_does_no_lasting_harm() {
    let mut world = World::new();
    world.join(1);
    // The height of the tip is not known when the late one comes.
    world.offer(&Template { coinbase_prefix: Vec::new(), ..template(3, 5_000) });
    world.offer(&template(2, 5_000));
    world.take(1);
    let id = world.offer(&template(3, 5_000));
    world.expect_pair(1, id, &template(3, 5_000));
    assert_eq!(world.template(KEY, &template(2, 5_000)), Err(ProviderError::StaleTemplate));
}

#[test]
fn a_reorganisation_to_another_block_of_the_same_height_is_a_new_tip() {
    let mut world = World::new();
    world.join(1);
    world.offer(&template(1, 5_000));
    world.take(1);
    let rival = Template { prev_hash: tip_hash(0xbb), ..template(1, 5_000) };
    let id = world.offer(&rival);
    world.expect_pair(1, id, &rival);
    assert_eq!(world.template(KEY, &template(1, 9_000)), Err(ProviderError::StaleTemplate));
}

#[test]
fn without_announcements_a_chain_that_went_back_is_followed_once_the_former_templates_have_expired() {
    for went_back_to in [1, 2] {
        let mut world = World::new();
        world.join(1);
        world.offer(&template(1, 5_000));
        world.offer(&template(3, 5_000));
        world.take(1);
        world.tick_after(10_000);
        let refused = world.template(KEY, &template(went_back_to, 5_000));
        assert_eq!(refused, Err(ProviderError::StaleTemplate), "it may have been made before the tip changed");
        world.tick_after(1);
        let id = world.offer(&template(went_back_to, 5_000));
        world.expect_pair(1, id, &template(went_back_to, 5_000));
        let id = world.offer(&template(went_back_to + 3, 5_000));
        world.expect_pair(1, id, &template(went_back_to + 3, 5_000));
    }
}

#[test]
fn a_template_for_nobody_is_refused() {
    let mut world = World::new();
    assert_eq!(world.template(KEY, &template(1, 5_000)), Err(ProviderError::UnknownKey));
    world.join_with(1, 2_000, 0);
    assert_eq!(world.template(KEY, &template(1, 5_000)), Err(ProviderError::UnknownKey));
}

#[test]
fn a_template_that_cannot_be_served_is_refused() {
    let mut world = World::new();
    world.join(1);
    let good = || template(1, 5_000);
    let cases = [
        (Template { nbits: 0, ..good() }, "nBits 0x00000000 stands for no target"),
        (Template { coinbase_prefix: vec![1; 9], ..good() }, "coinbase_prefix has 9 bytes where at most 8 are allowed"),
        (Template { coinbase_tx_outputs_count: 0, ..good() }, "coinbase_tx_outputs at byte 0: bytes are left over"),
        (Template { coinbase_tx_outputs_count: 2, ..good() }, "value at byte 47: the bytes end too early"),
        (
            Template { merkle_path: vec![[0; 32]; 256], ..good() },
            "NewTemplate.merkle_path is longer than its type allows",
        ),
    ];
    for (bad, text) in cases {
        let Err(ProviderError::Template(error)) = world.template(KEY, &bad) else { panic!("{bad:?} was taken") };
        assert_eq!(error.to_string(), text);
    }
    world.expect_nothing(1);
    let id = world.offer(&good());
    world.expect_pair(1, id, &good());
}

// ----------------------------------------------------------------------------------------------------------- lifetime

#[test]
fn templates_live_until_ten_seconds_after_their_tip_is_gone() {
    let mut world = World::new();
    world.join(1);
    let mut issued = vec![world.offer(&template(1, 5_000))];
    for value in [10_000, 20_000] {
        world.pass(60_000);
        issued.push(world.offer(&template(1, value)));
    }
    world.tick_after(3_600_000);
    world.take_events();
    world.tip(tip_hash(2));
    let tip_changed_at = world.now.monotonic_ms;
    world.offer(&template(2, 5_000));
    world.take_events();
    world.tick_after(10_000);
    assert_eq!(world.take_events(), []);
    assert_eq!(world.provider.next_deadline(), Some(tip_changed_at + 10_001));
    world.tick_after(1);
    let expected = [expired(5_000, issued[0]), expired(10_000, issued[1]), expired(20_000, issued[2])];
    assert_eq!(world.take_events(), expected);
    world.tick_after(3_600_000);
    assert_eq!(world.take_events(), [], "the tip is not gone");
}

#[test]
fn a_tip_that_comes_back_keeps_its_templates() {
    let mut world = World::new();
    world.join(1);
    let first = world.offer(&template(1, 5_000));
    world.tip(tip_hash(2));
    world.tick_after(9_000);
    world.tip(tip_hash(1));
    world.tick_after(60_000);
    world.take_events();
    world.take(1);
    world.request_transactions(1, first);
    assert_eq!(world.take_events(), [Event::WantTransactions { template_id: first, node_handle: 1 << 32 | 5_000 }]);
}

#[test]
fn a_tip_that_comes_back_is_announced_with_a_new_template() {
    let mut world = World::new();
    world.join(1);
    world.join(2);
    let before = world.offer(&template(1, 5_000));
    world.tip(tip_hash(2));
    world.tick_after(60_000);
    world.take(1);
    world.take(2);
    // Nothing of the first time is left; worth less than it was, the new one is sent all the same.
    world.tip(tip_hash(1));
    let again = world.offer(&template(1, 4_000));
    assert!(again > before);
    world.expect_pair(1, again, &template(1, 4_000));
    world.expect_pair(2, again, &template(1, 4_000));
}

#[test]
fn the_last_client_of_a_key_drops_it_but_its_templates_live_on() {
    let mut world = World::with(|options| options.key_linger_ms = 0);
    world.join(1);
    world.join(2);
    let id = world.offer(&template(1, 5_000));
    world.take_events();
    world.provider.disconnect(1);
    world.run();
    assert_eq!(world.take_events(), []);
    world.provider.disconnect(2);
    world.clients.clear();
    world.run();
    assert_eq!(world.take_events(), [Event::DropTemplate { key: KEY }]);
    // It comes back and has solved what it had.
    world.join(3);
    world.take_events();
    world.send(3, &solution(id, 0, b"a coinbase"));
    assert!(!matches!(
        world.take_events()[..],
        [Event::SolutionRefused { refusal: SolutionRefusal::UnknownTemplate, .. }]
    ));
}

// -------------------------------------------------------------------------------------------------------- constraints

#[test]
fn changed_constraints_get_the_pair_of_the_new_key_with_a_higher_id() {
    let mut world = World::new();
    world.join_with(1, 1_000, 0);
    world.join_with(2, 20_000, 400);
    let other = key(128_000, 400);
    let of_other = world.template(other, &template(1, 4_000)).unwrap();
    let of_first = world.template(KEY, &template(1, 5_000)).unwrap();
    assert!(of_first > of_other);
    world.expect_pair(1, of_first, &template(1, 5_000));
    world.expect_pair(2, of_other, &template(1, 4_000));
    world.take_events();

    world.constrain(1, 20_000, 400);
    let reissued = of_first + 1;
    world.expect_pair(1, reissued, &template(1, 4_000));
    world.expect_nothing(2);
    assert_eq!(world.take_events(), [Event::ClientReady { connection: 1, key: other }]);

    // The host's template expires once, by the id that the host knows.
    world.tip(tip_hash(2));
    world.take_events();
    world.tick_after(10_001);
    assert_eq!(world.take_events(), [expired(5_000, of_first), expired(4_000, of_other)]);
}

#[test]
fn constraints_for_which_there_is_no_template_yet_are_answered_when_there_is() {
    let mut world = World::new();
    world.join_with(1, 1_000, 0);
    world.offer(&template(1, 5_000));
    world.take(1);
    world.take_events();
    world.constrain(1, 2_000, 3);
    let key = key(16_000, 400);
    assert_eq!(world.take_events(), [Event::WantTemplate { key }, Event::ClientReady { connection: 1, key }]);
    world.expect_nothing(1);
    let id = world.template(key, &template(1, 4_000)).unwrap();
    world.expect_pair(1, id, &template(1, 4_000));
}

#[test]
fn the_same_constraints_again_are_answered_again() {
    let mut world = World::new();
    world.join(1);
    let id = world.offer(&template(1, 5_000));
    world.expect_pair(1, id, &template(1, 5_000));
    world.take_events();
    world.constrain(1, 1_000, 0);
    world.expect_pair(1, id + 1, &template(1, 5_000));
    assert_eq!(world.take_events(), [Event::ClientReady { connection: 1, key: KEY }]);
    world.tick_after(60_000);
    world.expect_nothing(1);
}

#[test]
fn the_ids_of_a_template_are_bounded_and_all_that_were_handed_out_stay() {
    let mut world = World::with(|options| options.max_reissued_ids = 20);
    world.join(1);
    let first = world.offer(&template(1, 5_000));
    world.constrain(1, 1_000, 0);
    world.join(2);
    for _ in 0..19 {
        world.constrain(2, 1_000, 0);
    }
    assert!(world.closed.is_empty());
    world.constrain(2, 1_000, 0);
    world.tick_after(5_000);
    assert_eq!(world.closed[&2], CloseReason::TooManyConstraints);
    world.take_events();
    for (id, is_known) in (first..=first + 21).map(|id| (id, id <= first + 20)) {
        world.send(1, &template_world::solution(id, 0, &[]));
        let unknown = SolutionRefusal::UnknownTemplate;
        let refused = Event::SolutionRefused { connection: 1, template_id: id, refusal: unknown };
        assert_eq!(world.take_events() != [refused], is_known, "{id}");
    }
    world.tip(tip_hash(2));
    world.take_events();
    world.tick_after(10_001);
    assert_eq!(world.take_events(), [expired(5_000, first)]);
}

#[test]
fn clients_with_about_the_same_constraints_share_a_template() {
    let mut world = World::with(|options| options.max_keys = 1);
    for (id, sigops) in (1..).zip([400, 1, 17, 399]) {
        world.join_with(id, 1_000 - u32::from(sigops) / 2, sigops);
    }
    assert!(world.closed.is_empty());
    let key = key(8_000, 400);
    let ready = (1..=4).map(|connection| Event::ClientReady { connection, key });
    let expected: Vec<Event> = [Event::WantTemplate { key }].into_iter().chain(ready).collect();
    assert_eq!(world.take_events(), expected);
}

#[test]
fn a_client_beyond_the_last_key_gets_a_template_that_leaves_a_little_more_free() {
    let mut world = World::with(|options| options.max_keys = 4);
    world.join_with(1, 10_000, 400);
    world.join_with(2, 5_000, 0);
    world.join_with(11, 0, 0);
    world.join_with(12, 500, 0);
    world.take_events();
    world.join_with(3, 2_000, 0);
    assert_eq!(world.take_events(), [Event::ClientReady { connection: 3, key: key(32_000, 0) }]);
    world.join_with(4, 5_000, 11);
    assert_eq!(world.take_events(), [Event::ClientReady { connection: 4, key: key(64_000, 400) }]);
    world.join_with(5, 10_000, 401);
    assert_eq!(world.closed[&5], CloseReason::TooManyKeys);
    // 56,000 more than it needs.
    world.join_with(6, 1_000, 400);
    assert_eq!(world.closed[&6], CloseReason::TooManyKeys);
    // Whoever is alone with its key makes room for another.
    world.constrain(1, 30_000, 500);
    assert_eq!(world.closed[&1], CloseReason::TooManyKeys, "client 4 shares it");
    world.provider.disconnect(3);
    world.clients.remove(&3);
    world.constrain(2, 30_000, 500);
    assert!(world.take_events().contains(&Event::WantTemplate { key: key(128_000, 4_000) }));
}

#[test]
fn nobody_is_made_to_reserve_all_the_sigops_of_a_block() {
    let mut world = World::with(|options| options.max_keys = 1);
    world.join_with(1, 1_000, u16::MAX);
    world.join_with(2, 1_000, 0);
    assert_eq!(world.closed[&2], CloseReason::TooManyKeys);
}

#[test]
fn ids_go_on_above_those_of_an_earlier_run() {
    let mut world = World::new();
    world.join(1);
    let before = world.offer(&template(1, 5_000));
    let mut later = World::new();
    later.pass(1_000);
    later.join(1);
    let after = later.offer(&template(1, 5_000));
    assert!(after > before + 60_000, "{before} {after}");
    assert!(before > 0);
}
