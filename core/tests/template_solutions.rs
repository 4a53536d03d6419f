//! The template provider: SubmitSolution, and the way from a real block to a template and back.

mod bitcoin_data;
mod template_world;

use std::collections::BTreeSet;

use sv2_core::bitcoin::{
    Block, Coinbase, CoinbaseTemplate, Hash, Header, Output, RpcHex, Target, Transaction, assemble, merkle_path,
    restore_witness, root_from_path, sha256d,
};
use sv2_core::message::{CoinbaseOutputConstraints, Message, SubmitSolution};
use sv2_core::template::{CloseReason, Event, Solution, SolutionRefusal, SubmitResult, Template, TemplateKind};

use bitcoin_data::recorded;
use template_world::{World, solution, template, tip_hash};

/// A coinbase that a client makes from a template.
fn coinbase(template: &Template, witness: bool) -> Vec<u8> {
    let parts = CoinbaseTemplate {
        version: template.coinbase_tx_version,
        prefix: &template.coinbase_prefix,
        sequence: template.coinbase_tx_input_sequence,
        outputs_count: template.coinbase_tx_outputs_count,
        outputs: &template.coinbase_tx_outputs,
        lock_time: template.coinbase_tx_locktime,
    };
    let payout = Output { value: template.coinbase_tx_value_remaining, script_pubkey: &[0x51] };
    parts.coinbase(b"/tests/", &[payout], witness.then_some(&[0; 32])).unwrap()
}

fn header(template: &Template, txid: &Hash, nonce: u32) -> Header {
    Header {
        version: 0x2000_0000,
        prev_hash: template.prev_hash,
        merkle_root: root_from_path(txid, &template.merkle_path),
        time: 1_700_000_009,
        nbits: template.nbits,
        nonce,
    }
}

/// A nonce with which the hash meets nBits, or does not.
fn nonce(template: &Template, txid: &Hash, meets: bool) -> u32 {
    let target = Target::from_nbits(template.nbits).unwrap();
    (0..).find(|nonce| target.is_met_by(&header(template, txid, *nonce).hash()) == meets).unwrap()
}

/// A provider with a client that has a template on tip 1.
fn world_with(template: &Template) -> (World, u64) {
    let mut world = World::new();
    world.join(1);
    let id = world.offer(template);
    world.take(1);
    world.take_events();
    (world, id)
}

fn refused(world: &mut World, template_id: u64) -> SolutionRefusal {
    match world.take_events()[..] {
        [Event::SolutionRefused { connection: 1, template_id: id, refusal }] if id == template_id => refusal,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_solution_becomes_a_block_to_submit() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, true);
    world.send(1, &solution(id, nonce, &coinbase_tx));
    let header = header(&template, &txid, nonce);
    let expected = Solution {
        connection: 1,
        template_id: id,
        node_handle: 1 << 32 | 5_000,
        header,
        block_hash: header.hash(),
        meets_target: true,
        coinbase_tx,
    };
    assert_eq!(world.expect_block(), expected);
}

#[test]
fn work_that_no_network_accepts_is_not_submitted() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, false);
    world.send(1, &solution(id, nonce, &coinbase_tx));
    let block_hash = header(&template, &txid, nonce).hash();
    assert_eq!(refused(&mut world, id), SolutionRefusal::HashAboveTarget { block_hash });
}

#[test]
fn a_solution_of_an_unknown_template_is_never_silently_dropped() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    for unknown in [0, id - 1, id + 1, u64::MAX] {
        world.send(1, &solution(unknown, 0, &coinbase(&template, true)));
        assert_eq!(refused(&mut world, unknown), SolutionRefusal::UnknownTemplate);
    }
    assert!(world.closed.is_empty());
}

#[test]
fn a_late_solution_is_submitted_while_the_template_lives() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, true);
    world.tip(tip_hash(2));
    world.take_events();
    world.pass(10_000);
    world.send(1, &solution(id, nonce, &coinbase_tx));
    let found = world.expect_block();
    assert_eq!(found.header.nonce, nonce);
    world.provider.submit_result(&found.block_hash, SubmitResult::Refused, world.now);
    world.pass(1);
    world.send(1, &solution(id, nonce, &coinbase_tx));
    let expired = Event::TemplateExpired { node_handle: 1 << 32 | 5_000, template_id: id };
    let refused = Event::SolutionRefused { connection: 1, template_id: id, refusal: SolutionRefusal::UnknownTemplate };
    assert_eq!(world.take_events(), [expired, refused]);
}

#[test]
fn a_template_can_be_solved_twice_but_an_exact_repeat_is_submitted_once() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let first = nonce(&template, &txid, true);
    world.send(1, &solution(id, first, &coinbase_tx));
    let block_hash = world.expect_block().block_hash;
    world.send(1, &solution(id, first, &coinbase_tx));
    assert_eq!(refused(&mut world, id), SolutionRefusal::Duplicate { block_hash });
    // From another client it is the same.
    world.join(2);
    world.take_events();
    world.send(2, &solution(id, first, &coinbase_tx));
    assert!(matches!(world.take_events()[..], [Event::SolutionRefused { connection: 2, .. }]));

    let target = Target::from_nbits(template.nbits).unwrap();
    let meets = |nonce: &u32| target.is_met_by(&header(&template, &txid, *nonce).hash());
    let second = (first + 1..).find(meets).unwrap();
    world.send(1, &solution(id, second, &coinbase_tx));
    assert_ne!(world.expect_block().block_hash, block_hash);
}

#[test]
fn another_witness_is_the_same_solution_and_the_right_one_is_submitted() {
    // The block hash does not cover the coinbase's witness: one proof of work must not make many blocks.
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let stripped = coinbase(&template, false);
    let nonce = nonce(&template, &sha256d(&stripped), true);
    world.send(1, &solution(id, nonce, &restore_witness(&stripped, &[9; 32]).unwrap()));
    assert_eq!(world.expect_block().coinbase_tx, coinbase(&template, true));
    for again in [coinbase(&template, true), restore_witness(&stripped, &[8; 32]).unwrap(), stripped] {
        world.send(1, &solution(id, nonce, &again));
        assert!(matches!(refused(&mut world, id), SolutionRefusal::Duplicate { .. }));
    }
}

#[test]
fn a_witness_that_was_stripped_is_restored_where_the_template_commits_to_witnesses() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let stripped = coinbase(&template, false);
    let nonce = nonce(&template, &sha256d(&stripped), true);
    world.send(1, &solution(id, nonce, &stripped));
    let submitted = world.expect_block().coinbase_tx;
    assert_eq!(submitted, coinbase(&template, true));
    assert_eq!(Coinbase::parse(&submitted).unwrap().witness_reserved_value(), Some(&[0; 32]));
}

#[test]
fn without_a_commitment_there_is_no_witness() {
    let template = Template { coinbase_tx_outputs: Vec::new(), coinbase_tx_outputs_count: 0, ..template(1, 5_000) };
    for witness in [false, true] {
        let (mut world, id) = world_with(&template);
        let stripped = coinbase(&template, false);
        let nonce = nonce(&template, &sha256d(&stripped), true);
        world.send(1, &solution(id, nonce, &coinbase(&template, witness)));
        assert_eq!(world.expect_block().coinbase_tx, stripped);
    }
}

#[test]
fn an_empty_witness_is_as_good_as_none() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let stripped = coinbase(&template, false);
    let (body, lock_time) = stripped[4..].split_at(stripped.len() - 8);
    let empty = [&stripped[..4], &[0, 1], body, &[0], lock_time].concat();
    assert!(Transaction::parse_exact(&empty).is_err());
    world.send(1, &solution(id, nonce(&template, &sha256d(&stripped), true), &empty));
    assert_eq!(world.expect_block().coinbase_tx, coinbase(&template, true));
}

#[test]
fn enough_work_is_submitted_whatever_else_looks_wrong() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let target = Target::from_nbits(template.nbits).unwrap();
    // No transaction at all, a version with bits that may not be rolled, a time before the template's.
    for (coinbase_tx, version, time) in [(&b"not a transaction"[..], 0x2000_0000, 0), (&[], u32::MAX, u32::MAX)] {
        let with_nonce = |nonce| Header { version, time, ..header(&template, &sha256d(coinbase_tx), nonce) };
        let nonce = (0..).find(|nonce| target.is_met_by(&with_nonce(*nonce).hash())).unwrap();
        let wrong = SubmitSolution { version, header_timestamp: time, ..solution(id, nonce, coinbase_tx) };
        world.send(1, &wrong);
        let submitted = world.expect_block();
        assert_eq!(submitted.header, with_nonce(nonce));
        assert_eq!(submitted.coinbase_tx, coinbase_tx);
    }
}

#[test]
fn a_block_that_misses_a_stricter_target_is_submitted_and_marked() {
    let strict = Template { target: Some(Target([0; 32])), ..template(1, 5_000) };
    let (mut world, id) = world_with(&strict);
    let coinbase_tx = coinbase(&strict, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    world.send(1, &solution(id, nonce(&strict, &txid, true), &coinbase_tx));
    assert!(!world.expect_block().meets_target);
}

#[test]
fn a_block_comes_before_all_other_events() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, true);
    // In one read: a request, an unknown message, the solution.
    let client = world.clients.get_mut(&1).unwrap();
    client.send(&sv2_core::message::RequestTransactionData { template_id: id }).unwrap();
    client.send(&solution(id, nonce, &coinbase_tx)).unwrap();
    let mut bytes = client.output().to_vec();
    world.provider.receive(1, &mut bytes, world.now).unwrap();
    assert!(matches!(world.provider.next_event(), Some(Event::SubmitBlock(_))));
    assert!(matches!(world.provider.next_event(), Some(Event::WantTransactions { .. })));
    assert_eq!(world.provider.next_event(), None);
    assert_eq!(world.provider.next_solution(), None);
}

#[test]
fn a_block_can_be_taken_out_alone() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, true);
    let client = world.clients.get_mut(&1).unwrap();
    client.send(&solution(id, nonce, &coinbase_tx)).unwrap();
    let mut bytes = client.output().to_vec();
    world.provider.receive(1, &mut bytes, world.now).unwrap();
    world.provider.disconnect(1);
    let found = world.provider.next_solution().unwrap();
    assert_eq!((found.connection, found.header.nonce), (1, nonce));
    assert_eq!(world.provider.next_solution(), None);
}

#[test]
fn a_block_behind_a_broken_rule_counts() {
    let template = template(1, 5_000);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, true);
    for stalled in [false, true] {
        let (mut world, id) = world_with(&template);
        if stalled {
            world.stalled.insert(1);
            world.constrain(1, 1_000, 0);
            world.take_events();
        }
        let too_large = CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: u32::MAX,
            ..CoinbaseOutputConstraints::default()
        };
        let client = world.clients.get_mut(&1).unwrap();
        client.send(&too_large).unwrap();
        client.send(&CoinbaseOutputConstraints::default()).unwrap();
        client.send(&solution(id, nonce, &coinbase_tx)).unwrap();
        world.run();
        assert_eq!(world.provider.next_solution(), None);
        let events = world.take_events();
        assert!(matches!(&events[..], [Event::SubmitBlock(_)] | [Event::SubmitBlock(_), Event::DropTemplate { .. }]));
        // And so it does in a later read.
        world.tick_after(4_999);
        assert!(world.closed.is_empty());
        world.send(1, &solution(id, nonce, &coinbase_tx));
        assert!(matches!(refused(&mut world, id), SolutionRefusal::Duplicate { .. }));
        world.tick_after(1);
        let reason = CloseReason::ConstraintsTooLarge { max_additional_size: u32::MAX };
        assert_eq!(world.closed.get(&1), Some(&reason));
    }
}

#[test]
fn a_block_in_the_socket_behind_too_many_requests_counts() {
    let template = template(1, 5_000);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    let nonce = nonce(&template, &txid, true);
    let (mut world, id) = world_with(&template);
    // The node is slow; 64 may wait.
    for _ in 0..65 {
        world.request_transactions(1, id);
    }
    world.take_events();
    world.send(1, &solution(id, nonce, &coinbase_tx));
    assert!(matches!(world.take_events()[..], [Event::SubmitBlock(_)]));
    // Nothing else that it sends counts, and it is not served any more.
    world.constrain(1, 2_000, 0);
    world.request_transactions(1, id);
    world.transactions(id, Some(&[b"one"]));
    world.expect_nothing(1);
    assert_eq!(world.take_events(), []);
    world.tick_after(5_000);
    assert_eq!(world.closed[&1], CloseReason::TooManyRequests);
}

#[test]
fn a_client_that_never_had_a_template_is_closed_at_once() {
    let mut world = World::new();
    world.join(1);
    world.constrain(1, u32::MAX, 0);
    assert!(world.closed.contains_key(&1));
}

#[test]
fn a_block_behind_a_malformed_message_is_not_looked_for() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    world.stalled.insert(1);
    world.constrain(1, 1_000, 0);
    world.take_events();
    world.send_frame(1, 0, 0x73, &[1]);
    world.send(1, &solution(id, 0, &coinbase(&template, true)));
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_client_that_reconnects_can_solve_what_it_had_before_it_says_what_it_needs() {
    let template = template(1, 5_000);
    let (mut world, id) = world_with(&template);
    let coinbase_tx = coinbase(&template, true);
    let txid = Transaction::parse_exact(&coinbase_tx).unwrap().txid();
    world.provider.disconnect(1);
    world.clients.remove(&1);
    world.run();
    world.set_up(2);
    world.send(2, &solution(id, nonce(&template, &txid, true), &coinbase_tx));
    assert_eq!(world.expect_block().connection, 2);
}

// ------------------------------------------------------------------------------------------------------ recorded blocks

/// Serves a block as a template over Noise, lets a client ask for its transactions and solve it, and puts it together
/// again from what the host and the client have.
fn serve_and_solve(bytes: &[u8]) -> Hash {
    let block = Block::parse(bytes).unwrap();
    let mut transactions = block.transactions;
    let real = Coinbase::try_from(transactions.next().unwrap()).unwrap();
    let others: Vec<&[u8]> = transactions.map(|transaction| transaction.as_bytes()).collect();
    let txids: Vec<Hash> = block.transactions.skip(1).map(|transaction| transaction.txid()).collect();

    // As a node would: the height first in the scriptSig, and of the outputs those without value come from the template.
    let height = sv2_core::bitcoin::height_push(real.height().unwrap());
    let (mut value, mut count, mut outputs) = (0, 0, Vec::new());
    for output in real.transaction().outputs() {
        value += output.value;
        if output.value == 0 {
            count += 1;
            output.serialize_into(&mut outputs);
        }
    }
    let template = Template {
        version: block.header.version,
        coinbase_tx_version: real.transaction().version(),
        coinbase_prefix: height.to_vec(),
        coinbase_tx_input_sequence: real.sequence(),
        coinbase_tx_value_remaining: value,
        coinbase_tx_outputs_count: count,
        coinbase_tx_outputs: outputs,
        coinbase_tx_locktime: real.transaction().lock_time(),
        merkle_path: merkle_path(&txids),
        prev_hash: block.header.prev_hash,
        header_timestamp: block.header.time,
        nbits: block.header.nbits,
        target: None,
        kind: TemplateKind::Full,
        node_handle: 413_567,
    };
    let mut world = World::over_noise();
    world.join(1);
    let id = world.offer(&template);
    world.expect_pair(1, id, &template);
    world.take_events();

    world.request_transactions(1, id);
    assert_eq!(world.take_events(), [Event::WantTransactions { template_id: id, node_handle: 413_567 }]);
    world.transactions(id, Some(&others));
    let received = world.take(1);
    let Message::RequestTransactionDataSuccess(data) = received[0].message() else { panic!("{received:?}") };
    let of_client: Vec<&[u8]> = data.transaction_list.iter().collect();
    assert_eq!(of_client.len(), others.len());

    let Header { version, time, nonce, .. } = block.header;
    let coinbase_tx = real.transaction().as_bytes();
    let found = SubmitSolution { template_id: id, version, header_timestamp: time, header_nonce: nonce, coinbase_tx };
    world.send(1, &found);
    let submitted = world.expect_block();
    assert_eq!(submitted.node_handle, 413_567);
    assert_eq!(submitted.header, block.header);
    for transactions in [&others, &of_client] {
        let again = assemble(&submitted.header, &submitted.coinbase_tx, transactions.iter().copied());
        assert!(again == bytes, "the block is not the same, byte for byte");
    }
    submitted.block_hash
}

#[test]
fn a_mainnet_block_is_served_as_a_template_and_comes_back_byte_for_byte() {
    let Some(bytes) = recorded("block413567.raw") else { return };
    let hash = serve_and_solve(&bytes);
    assert_eq!(RpcHex(hash).to_string(), "0000000000000000025aff8be8a55df8f89c77296db6198f272d6577325d4069");
}

#[test]
fn recorded_blocks_of_a_node_come_back_byte_for_byte() {
    let records = bitcoin_data::records();
    let hashes: BTreeSet<Hash> = records.iter().map(|record| serve_and_solve(&record.block)).collect();
    assert_eq!(hashes, records.iter().map(|record| record.hash).collect());
}
