//! Our template provider on real nodes: `BITCOIN_NODE` names a bitcoin-node of Bitcoin Core, or several separated by commas,
//! and every test here runs on each of them. The provider is the one of CMake's preset `node`, which has Bitcoin Core's IPC.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::node::{self, MATURITY, Node};
use sv2_interop::peers::Programs;
use sv2_interop::provider::{Accepted, Provider};
use sv2_interop::role::{self, Role};
use sv2_interop::{jd_client, miner, pool, say, say_skipped};

/// How many coinbases of a new node's chain can be spent.
const SPENDABLE: usize = 10;
/// The provider's `-templateinterval` and `-sv2feedelta`, its defaults.
const INTERVAL: Duration = Duration::from_secs(5);
const FEE_DELTA: u64 = 1000;
/// A node looks at its fees every second, and then makes a template.
const UPDATE: Duration = Duration::from_secs(5);
/// What the provider says when its node does not answer.
const AWAY: &str = "the node is away";
/// How long anything else may take: the node is on the same machine, but the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

// Templates

#[test]
fn a_pool_gets_the_pair_for_every_tip_of_the_node() {
    on_every_node("a pool gets the pair for every tip of the node", |world| {
        for _ in 0..3 {
            let tip = world.node.generate(1);
            world.pool.wait_for_pair(&tip, SOON).unwrap();
        }
        format!("up to height {}", world.node.height())
    });
}

#[test]
fn fees_raise_an_update_but_too_little_does_not() {
    on_every_node("fees raise an update, but too little does not", |world| {
        let subsidy = world.node.block(1).txdata[0].output[0].value.to_sat();
        let little = FEE_DELTA / 2;
        world.node.spend_coinbase(1, little);
        let none = world.pool.wait_for_update(INTERVAL + UPDATE);
        assert!(none.is_err(), "{} satoshis more are not worth an update", little);

        let start = Instant::now();
        world.node.spend_coinbase(2, 50_000);
        let value = world.pool.wait_for_update(INTERVAL + UPDATE).unwrap();
        assert_eq!(value, subsidy + little + 50_000);
        let first = start.elapsed();

        // So soon after an update the next one waits for the interval.
        let start = Instant::now();
        world.node.spend_coinbase(3, 70_000);
        let value = world.pool.wait_for_update(INTERVAL + UPDATE).unwrap();
        assert_eq!(value, subsidy + little + 50_000 + 70_000);
        format!("after {:.1} s, and again after {:.1} s", first.as_secs_f32(), start.elapsed().as_secs_f32())
    });
}

// Blocks

#[test]
fn blocks_mined_through_a_pool_raise_the_nodes_height() {
    on_every_node("blocks mined through a pool raise the node's height", |world| {
        let before = world.node.height();
        let spent = world.node.spend_coinbase(1, 30_000);
        world.pool.wait_for_update(INTERVAL + UPDATE).unwrap();
        let mined = world.mine(3);
        assert_eq!(mined[0].height, before + 1);
        assert_eq!(world.node.height(), before + mined.len());
        assert_eq!(world.node.tip(), mined.last().unwrap().hash);
        let mut transactions = Vec::new();
        for accepted in &mined {
            let block = world.node.block(accepted.height);
            assert_eq!(block.block_hash().to_string(), accepted.hash);
            role::assert_is_paid(&block, pool::SIGNATURE);
            transactions.extend(block.txdata[1..].iter().map(|tx| tx.compute_txid().to_string()));
        }
        // Not always in the first one: the pool gives a new miner the last future template, whatever came after it.
        assert_eq!(transactions, [spent]);
        assert_libbitcoinkernel_accepts(world.node);
        format!("{} of them, from {before} to {}", mined.len(), world.node.height())
    });
}

#[test]
fn a_pool_stays_while_the_node_is_killed_and_mines_on_when_it_is_back() {
    on_every_node("a pool stays while the node is killed, and mines on when it is back", |world| {
        world.mine(1);
        world.node.flush();
        let (height, tip) = (world.node.height(), world.node.tip());
        world.node.kill();
        world.provider.process.wait_for_text(AWAY, SOON).unwrap();
        thread::sleep(Duration::from_secs(3));
        assert!(world.provider.process.is_running() && world.pool.process.is_running());

        world.pool.process.skip_lines();
        world.node.start_again().unwrap();
        assert_eq!((world.node.height(), world.node.tip()), (height, tip));
        let start = Instant::now();
        world.pool.process.wait_for_text("Received: NewTemplate", SOON).unwrap();
        let served = start.elapsed();
        let tip = world.node.generate(1);
        world.pool.wait_for_pair(&tip, SOON).unwrap();
        let mined = world.mine(1);
        assert_eq!(mined[0].height, height + 2);
        assert_eq!(world.node.tip(), mined.last().unwrap().hash);
        let lines = world.provider.process.lines();
        assert!(!lines.iter().any(|line| line.contains("client 1 closed")), "the pool did not stay:\n{lines:#?}");
        format!("served {:.1} s after the node answered", served.as_secs_f32())
    });
}

// A node that is not there, and one that has nothing new

#[test]
fn a_provider_says_that_its_node_is_not_there_and_serves_when_it_comes() {
    on_every_node_alone(
        "a provider says that its node is not there, and serves when it comes",
        |programs, node, directory| {
            node.flush();
            let tip = node.tip();
            node.kill();
            let mut provider = Provider::start_on_node(&programs.provider, directory, &node.socket()).unwrap();
            provider.process.wait_for_text(AWAY, SOON).unwrap();
            let mut pool = pool::start(&programs.pool, directory, &provider.address, &provider.authority_key).unwrap();
            pool.process.wait_for_text("SetupConnectionSuccess", SOON).unwrap();

            node.start_again().unwrap();
            let start = Instant::now();
            pool.wait_for_pair(&tip, SOON).unwrap();
            format!("served {:.1} s after the node answered", start.elapsed().as_secs_f32())
        },
    );
}

#[test]
fn a_provider_with_nothing_new_to_say_uses_no_processor_time() {
    on_every_node("a provider with nothing new to say uses no processor time", |world| {
        thread::sleep(Duration::from_secs(2));
        let before = world.provider.process.cpu_time().unwrap();
        thread::sleep(Duration::from_secs(10));
        let used = world.provider.process.cpu_time().unwrap() - before;
        // A hundredth of what a loop that does not wait would use, and then half of that.
        assert!(used <= Duration::from_millis(50), "{used:?} of 10 s");
        format!("{} ms of 10 s", used.as_millis())
    });
}

// Declared jobs

#[test]
fn a_job_with_the_transactions_of_our_template_is_declared_and_mined() {
    on_every_node_alone(
        "a job with the transactions of our template is declared and mined",
        |programs, node, directory| {
            let version = match node.release() {
                version @ (30 | 31) => version,
                other => return format!("not run: their job declarator server knows versions 30 and 31, not {other}"),
            };
            let fees = [20_000, 30_000, 40_000];
            let spent: BTreeSet<_> =
                fees.iter().zip(1..).map(|(&fee, height)| node.spend_coinbase(height, fee)).collect();
            let before = node.height();
            let mut provider = Provider::start_on_node(&programs.provider, directory, &node.socket()).unwrap();
            let (mut pool, upstream) = pool::start_declarator(&programs.pool, directory, node, version).unwrap();
            pool.wait_until_ready(SOON).unwrap();
            let (address, key) = (&provider.address, &provider.authority_key);
            let mut client =
                jd_client::start_declaring(&programs.jd_client, directory, address, key, &upstream).unwrap();
            client.wait_until_ready(SOON).unwrap();
            let miner = miner::start(&programs.miner, directory, &client.address, &client.authority_key).unwrap();
            client.process.wait_for_text("Received: RequestTransactionDataSuccess", SOON).unwrap();
            client.process.wait_for_text("DeclareMiningJobSuccess", SOON).unwrap();
            let accepted = provider.wait_for_block(2 * SOON).unwrap();
            client.wait_for_block(&accepted.hash, SOON).unwrap();
            miner.stop().unwrap();

            assert_eq!(accepted.height, before + 1);
            let block = node.block(accepted.height);
            assert_eq!(block.block_hash().to_string(), accepted.hash);
            let found: BTreeSet<_> = block.txdata[1..].iter().map(|tx| tx.compute_txid().to_string()).collect();
            assert_eq!(found, spent);
            assert_libbitcoinkernel_accepts(node);
            format!("a block of {} transactions at height {}", block.txdata.len(), accepted.height)
        },
    );
}

// What stands around them

/// A node, our provider on it, and a pool that has its first template.
struct World<'a> {
    programs: &'a Programs,
    directory: &'a Path,
    // Dropped in this order.
    pool: Role,
    provider: Provider,
    node: &'a mut Node,
}

impl World<'_> {
    /// Has the miner find so many blocks or some more.
    fn mine(&mut self, count: usize) -> Vec<Accepted> {
        let World { programs, directory, pool, provider, .. } = self;
        miner::mine(&programs.miner, directory, pool, provider, count).unwrap()
    }
}

/// Runs the test on each of the nodes, with a provider and a pool; it returns what is worth telling.
fn on_every_node(name: &str, run: impl Fn(&mut World<'_>) -> String) {
    on_every_node_alone(name, |programs, node, directory| {
        let provider = Provider::start_on_node(&programs.provider, directory, &node.socket()).unwrap();
        let pool = pool::start(&programs.pool, directory, &provider.address, &provider.authority_key).unwrap();
        let mut world = World { programs, directory, pool, provider, node };
        world.pool.wait_for_pair(&world.node.tip(), SOON).unwrap();
        world.pool.wait_until_ready(SOON).unwrap();
        let told = run(&mut world);
        world.pool.process.stop().unwrap();
        assert!(world.provider.stop().unwrap(), "the provider ends cleanly upon SIGTERM");
        told
    });
}

/// As [`on_every_node`], with nothing but the node, whose chain has [`SPENDABLE`] coinbases to spend.
fn on_every_node_alone(name: &str, run: impl Fn(&Programs, &mut Node, &Path) -> String) {
    let (nodes, programs) = match (node::programs(), Programs::find_for_nodes()) {
        (Ok(nodes), Ok(programs)) => (nodes, programs),
        (Err(why), _) | (_, Err(why)) => return say_skipped(&why),
    };
    for program in nodes {
        let directory = TestDirectory::new().unwrap();
        let mut node = Node::start(&program, directory.path()).unwrap();
        node.generate(MATURITY + SPENDABLE);
        let start = Instant::now();
        let version = node.version();
        let told = run(&programs, &mut node, directory.path());
        say(&format!("live: bitcoin-node {version}: {name}: {told} ({:.0} s)", start.elapsed().as_secs_f32()));
        node.stop().unwrap();
    }
}

/// A second judge, of the node's whole chain.
fn assert_libbitcoinkernel_accepts(node: &Node) {
    let kernel = Regtest::new().unwrap();
    for block in node.blocks() {
        kernel.feed(&block).unwrap();
    }
    assert_eq!((kernel.height(), kernel.tip()), (node.height(), node.tip()));
}
