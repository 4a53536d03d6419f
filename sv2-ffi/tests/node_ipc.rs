//! `sv2_node` against a node made of the server's side of each schema: no bitcoin-node is needed.
#![cfg(feature = "node-ipc")]

mod node_fake;
mod node_host;
#[allow(dead_code)]
#[path = "../src/node/reactor.rs"]
mod reactor;

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use node_fake::{COMMITMENT, FakeNode, nowhere, transaction};
use node_host::{Event, Host, KEY, WIDE_KEY};
use sv2::*;
use sv2_core::bitcoin::Block;

const VERSIONS: [u32; 3] = [30, 31, 32];

/// A host that notices within a tenth of a second that the node hangs.
fn impatient(node: &FakeNode) -> Host {
    Host::with(&node.socket, |options| {
        options.call_timeout_ms = 300;
        options.update_interval_ms = 1; // counts as a second
    })
}

#[test]
fn the_version_is_found_out_by_calls_that_do_no_harm() {
    for version in VERSIONS {
        let node = FakeNode::start("version", version);
        let mut host = Host::new(&node.socket);
        assert_eq!(host.wait_for_state(SV2_NODE_READY), (version, String::new()));
        let calls = node.calls();
        let expected: &[&str] = match version {
            32 => &["construct", "makeMining", "getTransactionsByTxID"],
            _ => &["construct", "makeMining"],
        };
        assert_eq!(calls[..expected.len()], *expected, "version {version}");
        assert!(!calls.iter().any(|call| call.contains("submit") || call.contains("Old")), "{calls:?}");
    }
}

#[test]
fn a_template_says_the_same_in_every_version() {
    for version in VERSIONS {
        let node = FakeNode::start("says", version);
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        let template = host.wait_for_full();
        assert_eq!((template.key, template.prev_hash), (KEY, [1; 32]));
        assert_eq!((template.version, template.time, template.nbits), (0x2000_0000, 1_700_000_000, 0x207f_ffff));
        assert_eq!((template.coinbase_version, template.sequence, template.lock_time), (2, 0xffff_fffe, 99));
        assert_eq!((template.prefix.as_slice(), template.value), ([1, 100].as_slice(), 5_000_000_000));
        assert_eq!((template.outputs_count, template.outputs.as_slice()), (1, COMMITMENT.as_slice()));
        assert_eq!(template.merkle_path.len(), 1);
        host.want_transactions(5, template.node_handle);
        assert_eq!(host.wait_for_transactions(5), Some(vec![transaction()]));
    }
}

#[test]
fn a_template_is_made_and_read_in_one_round_trip() {
    for version in VERSIONS {
        let node = FakeNode::start("round", version);
        node.script(|script| script.holds_templates = true);
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        node.wait_for("createNewBlock", 1);
        // What was sent with it has arrived by now; from here on the node hears nothing.
        std::thread::sleep(Duration::from_millis(100));
        node.script(|script| script.holds_templates = false);
        for read in ["getBlockHeader", "getCoinbaseTx", "getCoinbaseMerklePath"] {
            node.wait_for(read, 1);
        }
        let template = host.wait_for_full();
        assert_eq!(template.prev_hash, [1; 32], "version {version}");
        node.script(|script| script.is_deaf = false);
    }
}

#[test]
fn a_solution_is_submitted_by_the_right_ordinal_and_the_block_given_out_afterwards() {
    for (version, ordinal) in VERSIONS.into_iter().zip(["submitSolution@9", "submitSolution@7", "submitSolution@10"]) {
        let node = FakeNode::start("ordinal", version);
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        let template = host.wait_for_full();
        let found = template.mine(1);
        host.submit(&found);
        assert_eq!(host.wait_for_result(found.hash), (true, String::new()));
        let submitted: Vec<_> = node.calls().into_iter().filter(|call| call.contains("submit")).collect();
        assert_eq!(submitted, [ordinal]);
        let bytes = host.wait_for_block(found.hash);
        let block = Block::parse(&bytes).unwrap();
        assert_eq!(block.header, found.header);
        let transactions: Vec<_> = block.transactions.map(|transaction| transaction.as_bytes().to_vec()).collect();
        assert_eq!(transactions, [found.coinbase, transaction()]);

        // The same template can be solved again, and a refusal is told.
        node.script(|script| script.accepts = false);
        let again = template.mine(2);
        host.submit(&again);
        let (accepted, reason) = host.wait_for_result(again.hash);
        let expected = if version == 32 { "bad-cb-amount" } else { "this version of the node does not say why" };
        assert_eq!((accepted, reason.as_str()), (false, expected));
    }
}

#[test]
fn a_new_tip_brings_one_template_without_transactions_for_all_and_then_the_full_ones() {
    for version in VERSIONS {
        let node = FakeNode::start("tip", version);
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        host.want(WIDE_KEY);
        host.wait_for_template(|template| template.key == KEY);
        host.wait_for_template(|template| template.key == WIDE_KEY);
        assert_eq!(node.count("createNewBlock without transactions"), 0, "nobody waits at a new tip");
        // The node is slow to make the full ones.
        node.script(|script| (script.tip, script.hangs_at) = ([2; 32], Some("createNewBlock")));
        host.wait_for_tip([2; 32]);
        for key in [KEY, WIDE_KEY] {
            let template = host.wait_for_template(|template| template.key == key);
            assert!(template.is_provisional && template.merkle_path.is_empty());
            assert_eq!(template.prev_hash, [2; 32]);
        }
        assert_eq!(node.count("createNewBlock without transactions"), 1);
        // They can be solved, too.
    }
}

#[test]
fn full_templates_follow_the_provisional_one() {
    let node = FakeNode::start("follow", 32);
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    host.wait_for_full();
    node.script(|script| script.tip = [2; 32]);
    let full = host.wait_for_template(|template| !template.is_provisional && template.prev_hash == [2; 32]);
    assert_eq!(full.merkle_path.len(), 1);
}

#[test]
fn fees_that_rise_enough_bring_new_templates_for_all_keys() {
    let node = FakeNode::start("fees", 32);
    let mut host = impatient(&node);
    host.want(KEY);
    host.want(WIDE_KEY);
    for _ in 0..2 {
        host.wait_for_full();
    }
    node.script(|script| script.value += 999);
    host.expect_none(Duration::from_millis(2_500), |event| matches!(event, Event::Template(_)));
    assert!((3..=5).contains(&node.count("createNewBlock")), "one look in a second");
    assert_eq!(node.count("destroy"), node.count("createNewBlock") - 2, "those that nobody got are forgotten");
    node.script(|script| script.value += 1);
    let richer = [host.wait_for_full(), host.wait_for_full()];
    assert!(richer.iter().all(|template| template.value == 5_000_001_000));
    assert_ne!(richer[0].key, richer[1].key);
}

#[test]
fn without_keys_the_node_is_left_alone() {
    let node = FakeNode::start("alone", 32);
    let mut host = Host::with(&node.socket, |options| options.update_interval_ms = 1_000);
    host.want(KEY);
    host.wait_for_full();
    host.drop_key(KEY);
    node.wait_for("getBlock", 1);
    std::thread::sleep(Duration::from_millis(100));
    let before = node.calls().len();
    host.expect_none(Duration::from_millis(1_300), |_| true);
    assert_eq!(node.calls().len(), before);
}

#[test]
fn a_freed_template_is_destroyed_in_the_node() {
    let node = FakeNode::start("free", 31);
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    let template = host.wait_for_full();
    node.wait_for("getBlock", 1);
    assert_eq!(node.count("destroy"), 0);
    host.free_template(&template);
    node.wait_for("destroy", 1);
    // Wanted again, another is made.
    host.want(KEY);
    assert_ne!(host.wait_for_full().node_handle, template.node_handle);
}

#[test]
fn a_node_that_dies_while_it_answers_is_found_again() {
    for (version, at) in VERSIONS.into_iter().zip(["getBlockHeader", "createNewBlock", "makeMining"]) {
        let node = FakeNode::start("dies", version);
        node.script(|script| script.dies_at = Some(at));
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        host.wait_for_state(SV2_NODE_DOWN);
        node.script(|script| script.dies_at = None);
        assert_eq!(host.wait_for_full().prev_hash, [1; 32]);
        assert!(node.connections() >= 2);
    }
}

#[test]
fn a_node_that_hangs_is_given_up_and_tried_again() {
    for (version, at) in VERSIONS.into_iter().zip(["getCoinbaseTx", "createNewBlock", "construct"]) {
        let node = FakeNode::start("hangs", version);
        node.script(|script| script.hangs_at = Some(at));
        let mut host = impatient(&node);
        host.want(KEY);
        let (_, reason) = host.wait_for_state(SV2_NODE_DOWN);
        assert!(reason.contains("has not answered for 0.3 seconds"), "{reason}");
        node.script(|script| script.hangs_at = None);
        host.wait_for_full();
    }
}

#[test]
fn a_node_that_hangs_while_nothing_happens_is_noticed() {
    let node = FakeNode::start("idle", 32);
    node.script(|script| script.hangs_at = Some("waitTipChanged"));
    let mut host = impatient(&node);
    host.wait_for_state(SV2_NODE_READY);
    host.wait_for_state(SV2_NODE_DOWN);
}

#[test]
fn garbage_on_the_socket_is_no_node() {
    let node = FakeNode::start("garbage", 32);
    for garbage in [vec![0xff; 4_096], vec![0; 4_096], b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()] {
        node.script(|script| script.garbage = Some(garbage));
        let mut host = impatient(&node);
        let (_, reason) = host.wait_for_state(SV2_NODE_DOWN);
        assert!(!reason.is_empty());
        node.script(|script| script.garbage = None);
        host.wait_for_state(SV2_NODE_READY);
    }
}

#[test]
fn a_node_that_is_not_there_is_explained() {
    let mut host = Host::new(nowhere());
    let (version, reason) = host.wait_for_state(SV2_NODE_DOWN);
    assert_eq!(version, 0);
    assert_eq!(reason, "there is no socket at /nonexistent/node.sock: is the node running with -ipcbind=unix?");
}

#[test]
fn a_new_connection_makes_what_is_wanted_without_being_asked() {
    let mut node = FakeNode::start("again", 31);
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    host.want(WIDE_KEY);
    let before = [host.wait_for_full(), host.wait_for_full()];
    node.stop();
    host.wait_for_state(SV2_NODE_DOWN);
    host.drop_key(WIDE_KEY);
    node.launch();
    let after = host.wait_for_full();
    assert_eq!(after.key, KEY);
    assert!(before.iter().all(|template| template.node_handle != after.node_handle));
    host.expect_none(Duration::from_millis(200), |event| matches!(event, Event::Template(_)));
}

#[test]
fn a_block_that_a_dying_node_did_not_answer_for_is_handed_in_again_where_the_node_takes_blocks() {
    let submissions = ["submitSolution@9", "submitSolution@7", "submitSolution@10"];
    for (version, ordinal) in VERSIONS.into_iter().zip(submissions) {
        let node = FakeNode::start("unanswered", version);
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        let template = host.wait_for_full();
        node.wait_for("getBlock", 1);
        std::thread::sleep(Duration::from_millis(100));
        node.script(|script| script.dies_at = Some(ordinal));
        let found = template.mine(1);
        host.submit(&found);
        let whole = host.wait_for_block(found.hash);
        assert_eq!(Block::parse(&whole).unwrap().header, found.header);
        let (accepted, reason) = host.wait_for_result(found.hash);
        assert_eq!((accepted, node.count("submitBlock")), if version == 32 { (true, 1) } else { (false, 0) });
        if version < 32 {
            assert!(reason.contains(&format!("version {version} of the node takes no whole blocks")), "{reason}");
        }
        assert_eq!(node.count(ordinal), 1);
    }
}

#[test]
fn a_block_that_the_node_has_already_is_accepted() {
    let mut node = FakeNode::start("duplicate", 32);
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    let template = host.wait_for_full();
    node.wait_for("getBlock", 1);
    std::thread::sleep(Duration::from_millis(100));
    node.stop();
    host.wait_for_state(SV2_NODE_DOWN);
    let found = template.mine(1);
    host.submit(&found);
    host.submit(&found); // as the engine does when the node is back
    host.wait_for_block(found.hash);
    node.script(|script| (script.accepts, script.refusal) = (false, "duplicate"));
    node.launch();
    assert_eq!(host.wait_for_result(found.hash), (true, "duplicate".to_owned()));
    host.expect_none(Duration::from_millis(200), |event| matches!(event, Event::Result { .. } | Event::Block { .. }));
}

#[test]
fn a_solution_of_which_nothing_is_left_is_told_to_be_lost() {
    let mut node = FakeNode::start("lost", 32);
    node.script(|script| script.throws_at = Some("getBlock"));
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    let template = host.wait_for_full();
    node.wait_for("getBlock", 1);
    node.stop();
    host.wait_for_state(SV2_NODE_DOWN);
    let found = template.mine(1);
    host.submit(&found);
    let (accepted, reason) = host.wait_for_result(found.hash);
    assert!(!accepted);
    assert_eq!(reason, "not submitted: the node is gone, and with it the template's transactions");
    host.want_transactions(3, template.node_handle);
    assert_eq!(host.wait_for_transactions(3), None);
}

/// What submitSolution is in each version.
const SUBMISSIONS: [(u32, &str); 3] = [(30, "submitSolution@9"), (31, "submitSolution@7"), (32, "submitSolution@10")];

#[test]
fn a_block_found_after_another_call_took_too_long_is_submitted_over_the_connection_of_its_template() {
    for (version, ordinal) in SUBMISSIONS {
        let node = FakeNode::start("kept", version);
        let mut host = impatient(&node);
        host.want(KEY);
        let template = host.wait_for_full();
        node.script(|script| script.hangs_at = Some("createNewBlock"));
        host.wait_for_state(SV2_NODE_DOWN);
        let found = template.mine(1);
        host.submit(&found);
        assert_eq!(host.wait_for_result(found.hash), (true, String::new()), "version {version}");
        assert_eq!((node.count(ordinal), node.count("submitBlock")), (1, 0));
        assert_eq!(Block::parse(&host.wait_for_block(found.hash)).unwrap().header, found.header);
        node.script(|script| script.hangs_at = None);
    }
}

#[test]
fn a_submission_may_take_longer_than_other_calls() {
    for (version, ordinal) in SUBMISSIONS {
        let node = FakeNode::start("slow", version);
        let mut host = impatient(&node);
        host.want(KEY);
        let template = host.wait_for_full();
        node.script(|script| script.hangs_at = Some(ordinal));
        let found = template.mine(1);
        host.submit(&found);
        node.wait_for(ordinal, 1);
        host.expect_none(Duration::from_millis(900), |event| {
            matches!(event, Event::Result { .. } | Event::State { state: SV2_NODE_DOWN, .. })
        });
        // Not even the end of the session ends it.
        node.script(|script| script.hangs_at = Some("createNewBlock"));
        assert_eq!(host.wait_for_result(found.hash), (true, String::new()), "version {version}");
        assert_eq!((node.count(ordinal), node.count("submitBlock")), (1, 0));
        node.script(|script| script.hangs_at = None);
    }
}

#[test]
fn a_submission_that_fails_is_followed_by_the_whole_block_where_the_node_takes_blocks() {
    for (version, ordinal) in SUBMISSIONS {
        let node = FakeNode::start("fails", version);
        node.script(|script| script.throws_at = Some(ordinal));
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        let found = host.wait_for_full().mine(1);
        host.submit(&found);
        let (accepted, reason) = host.wait_for_result(found.hash);
        assert_eq!((accepted, node.count("submitBlock")), if version == 32 { (true, 1) } else { (false, 0) });
        let words =
            if version == 32 { "" } else { "not submitted: the node says: std::exception: the node's own words" };
        assert_eq!(reason, words);
        host.wait_for_block(found.hash);
    }
}

#[test]
fn a_block_that_the_node_stores_without_making_it_its_tip_is_taken() {
    let node = FakeNode::start("inconclusive", 32);
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    let template = host.wait_for_full();
    for (extranonce, reason, is_taken) in
        [(1, "inconclusive", true), (2, "duplicate", true), (3, "duplicate-invalid", false), (4, "rejected", false)]
    {
        node.script(|script| (script.accepts, script.refusal) = (false, reason));
        let found = template.mine(extranonce);
        host.submit(&found);
        assert_eq!(host.wait_for_result(found.hash), (is_taken, reason.to_owned()));
    }
}

#[test]
fn one_block_is_fetched_at_a_time_and_a_submission_does_not_wait_for_it() {
    for (version, ordinal) in SUBMISSIONS {
        let node = FakeNode::start("fetched", version);
        node.script(|script| script.hangs_at = Some("getBlock"));
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        let first = host.wait_for_full();
        node.wait_for("getBlock", 1);
        host.want(WIDE_KEY);
        let second = host.wait_for_full();
        assert_ne!(first.node_handle, second.node_handle);
        let found = second.mine(1);
        host.submit(&found);
        assert_eq!(host.wait_for_result(found.hash), (true, String::new()));
        assert_eq!((node.count(ordinal), node.count("getBlock")), (1, 1), "version {version}");
        node.script(|script| script.hangs_at = None);
        host.wait_for_block(found.hash);
    }
}

#[test]
fn a_node_that_breaks_at_every_first_template_is_tried_less_and_less_often() {
    let node = FakeNode::start("breaks", 32);
    node.script(|script| script.dies_at = Some("createNewBlock"));
    let host = Host::new(&node.socket);
    host.want(KEY);
    std::thread::sleep(Duration::from_millis(2_000));
    // After 100, 200, 400 and 800 ms.
    assert!((2..=6).contains(&node.connections()), "{}", node.connections());
}

#[test]
fn a_node_that_refuses_a_template_is_asked_again_later() {
    let node = FakeNode::start("throws", 31);
    node.script(|script| script.throws_at = Some("createNewBlock"));
    let mut host = impatient(&node);
    host.want(KEY);
    node.wait_for("createNewBlock", 2);
    assert!(node.count("createNewBlock") < 20, "and not at once");
    node.script(|script| script.throws_at = None);
    host.wait_for_full();
    assert_eq!(node.connections(), 1);
}

#[test]
fn a_node_in_initial_block_download_makes_no_templates() {
    let node = FakeNode::start("download", 32);
    node.script(|script| (script.is_test_chain, script.is_in_download) = (false, true));
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    let (version, reason) = host.wait_for_state(SV2_NODE_SYNCING);
    assert_eq!((version, reason.as_str()), (32, "the node is downloading the chain"));
    assert_eq!(node.count("createNewBlock"), 0);
    node.script(|script| script.is_in_download = false);
    host.wait_for_state(SV2_NODE_READY);
    host.wait_for_full();
}

#[test]
fn a_node_that_is_ready_has_said_whether_its_chain_is_a_test_chain() {
    for (version, on_test_chain) in VERSIONS.into_iter().flat_map(|version| [(version, false), (version, true)]) {
        let node = FakeNode::start("chain", version);
        node.script(|script| script.is_test_chain = on_test_chain);
        let mut host = Host::new(&node.socket);
        let said = host.wait_for("the state", |event| match event {
            Event::State { state: SV2_NODE_READY, is_test_chain, .. } => Some(*is_test_chain),
            _ => None,
        });
        assert_eq!(said, on_test_chain, "version {version}");
    }
}

#[test]
fn the_client_is_freed_soon_whatever_the_node_does() {
    let node = FakeNode::start("freed", 32);
    node.script(|script| script.hangs_at = Some("createNewBlock"));
    let silent = std::env::temp_dir().join(format!("sv2-silent-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&silent).unwrap();
    for socket in [node.socket.as_path(), &silent, nowhere()] {
        let host = Host::new(socket);
        host.want(KEY);
        std::thread::sleep(Duration::from_millis(50));
        let started = Instant::now();
        drop(host);
        assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
    }
    drop(listener);
    std::fs::remove_file(silent).unwrap();
}

#[test]
fn a_client_that_leaves_lets_the_node_finish_what_it_was_asked() {
    for version in VERSIONS {
        let node = FakeNode::start("leaves", version);
        node.script(|script| script.holds_templates = true);
        let mut host = Host::new(&node.socket);
        host.wait_for_state(SV2_NODE_READY);
        host.want(KEY);
        node.wait_for("createNewBlock", 1);
        let leaving = std::thread::spawn({
            let host = SendHost(host);
            move || drop(host)
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!leaving.is_finished());
        node.script(|script| script.holds_templates = false);
        node.script(|script| script.is_deaf = false);
        leaving.join().unwrap();
        assert_eq!(node.count("interrupt"), usize::from(version > 30));
    }
}

/// sv2.h says that objects may be moved between threads.
struct SendHost(#[allow(dead_code)] Host);

unsafe impl Send for SendHost {}

#[test]
fn a_block_found_at_the_very_end_is_submitted() {
    for version in VERSIONS {
        let node = FakeNode::start("end", version);
        let mut host = Host::new(&node.socket);
        host.want(KEY);
        let found = host.wait_for_full().mine(1);
        host.submit(&found);
        drop(host);
        assert_eq!(node.calls().iter().filter(|call| call.starts_with("submitSolution")).count(), 1);
    }
}

#[test]
fn a_tip_that_comes_back_gets_new_templates() {
    let node = FakeNode::start("back", 32);
    let mut host = Host::new(&node.socket);
    host.want(KEY);
    let first = host.wait_for_full();
    node.script(|script| script.tip = [2; 32]);
    host.wait_for_template(|template| !template.is_provisional && template.prev_hash == [2; 32]);
    node.script(|script| script.tip = [1; 32]);
    let again = host.wait_for_template(|template| !template.is_provisional && template.prev_hash == [1; 32]);
    assert_ne!(again.node_handle, first.node_handle);
}

#[test]
fn a_host_that_reads_nothing_is_kept_the_newest_template_only() {
    let node = FakeNode::start("unread", 32);
    let mut host = impatient(&node);
    host.want(KEY);
    host.wait_for_full();
    for n in 2..12 {
        node.script(|script| script.tip = [n; 32]);
        // Provisional, then full.
        node.wait_for("getBlock", usize::from(n));
    }
    std::thread::sleep(Duration::from_millis(100));
    let mut templates = Vec::new();
    while let Some(event) = host.next() {
        if let Event::Template(template) = event {
            templates.push(template);
        }
    }
    assert_eq!(templates.len(), 1);
    assert_eq!((templates[0].prev_hash, templates[0].is_provisional), ([11; 32], false));
    assert!(!host.poll(Duration::ZERO), "readable only while there are events");
}
