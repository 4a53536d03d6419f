//! `sv2_node` against real nodes on regtest: BITCOIN_NODE=/path/to/bitcoin-node, with bitcoin-cli beside it; several are separated
//! by commas. Without, these tests say that they are skipped. To see what they say:
//! `cargo test --features node-ipc --test node_live -- --nocapture`
#![cfg(feature = "node-ipc")]

mod node_host;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use node_host::{Event, Host, KEY, WIDE_KEY};
use sv2::*;
use sv2_core::bitcoin::{Block, Hash, from_rpc_hex};

/// A node on a chain of its own, killed in the end.
struct Node {
    program: PathBuf,
    directory: PathBuf,
    rpc_port: u16,
    process: Option<Child>,
}

impl Node {
    /// One after the other of the nodes that there are to test with; says so if there is none.
    fn each(name: &str) -> impl Iterator<Item = Self> {
        let programs = std::env::var("BITCOIN_NODE").unwrap_or_default();
        if programs.is_empty() {
            // Around the harness's capture, so that it is seen.
            let _ = writeln!(std::io::stdout(), "\nskipped: BITCOIN_NODE is not set");
        }
        let programs: Vec<PathBuf> = programs.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        programs.into_iter().enumerate().map(move |(number, program)| Self::start(program, &format!("{name}-{number}")))
    }

    fn start(program: PathBuf, name: &str) -> Self {
        say(Instant::now(), program.display());
        let directory = std::env::temp_dir().join(format!("sv2-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        // One that nobody has just now.
        let rpc_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut node = Self { program, directory, rpc_port, process: None };
        node.launch();
        node
    }

    fn launch(&mut self) {
        let process = Command::new(&self.program)
            .args(["-regtest", "-listen=0", "-daemon=0", "-server=1", "-acceptnonstdtxn=1", "-minrelaytxfee=0"])
            .arg(format!("-datadir={}", self.directory.display()))
            .arg(format!("-ipcbind=unix:{}", self.socket().display()))
            .arg(format!("-rpcport={}", self.rpc_port))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        let end = Instant::now() + Duration::from_secs(60);
        while self.try_cli(&["getblockcount"]).is_none() {
            assert!(Instant::now() < end, "the node does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts again, so that all blocks are on the disk.
    fn flush(&mut self) {
        self.cli(&["stop"]);
        if let Some(mut process) = self.process.take() {
            process.wait().unwrap();
        }
        self.launch();
    }

    /// As a crash would.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("node.sock")
    }

    fn try_cli(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new(self.program.with_file_name("bitcoin-cli"))
            .arg("-regtest")
            .arg(format!("-datadir={}", self.directory.display()))
            .arg(format!("-rpcport={}", self.rpc_port))
            .args(arguments)
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn cli(&self, arguments: &[&str]) -> String {
        self.try_cli(arguments).unwrap_or_else(|| panic!("bitcoin-cli {arguments:?} failed"))
    }

    fn generate(&self, blocks: u32) {
        self.cli(&["generatetodescriptor", &blocks.to_string(), "raw(51)"]);
    }

    fn height(&self) -> u32 {
        self.cli(&["getblockcount"]).parse().unwrap()
    }

    fn best(&self) -> Hash {
        from_rpc_hex(&self.cli(&["getbestblockhash"])).unwrap()
    }

    fn block(&self, hash: &str) -> Vec<u8> {
        unhex(&self.cli(&["getblock", hash, "0"]))
    }

    /// Spends the coinbase of the block at `height`, whose output anybody can spend, and leaves `fee`.
    fn spend(&self, height: u32, fee: u64) {
        let bytes = self.block(&self.cli(&["getblockhash", &height.to_string()]));
        let coinbase = Block::parse(&bytes).unwrap().transactions.next().unwrap();
        let value = coinbase.outputs().next().unwrap().value;
        let mut spend = vec![2, 0, 0, 0, 1];
        spend.extend(coinbase.txid());
        spend.extend([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1]);
        spend.extend((value - fee).to_le_bytes());
        // OP_TRUE and what makes the transaction long enough to be relayed.
        spend.extend([24, 0x51, 22]);
        spend.extend([0; 22]);
        spend.extend([0; 4]);
        let hex: String = spend.iter().map(|byte| format!("{byte:02x}")).collect();
        self.cli(&["sendrawtransaction", &hex, "0"]);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn say(started: Instant, what: impl std::fmt::Display) {
    println!("{:8.3} s  {what}", started.elapsed().as_secs_f64());
}

#[test]
fn templates_flow_and_a_block_found_on_one_raises_the_height() {
    Node::each("flow").for_each(find_a_block);
}

fn find_a_block(node: Node) {
    let started = Instant::now();
    node.generate(110);
    let mut host = Host::new(&node.socket());
    host.want(KEY);
    let (version, _) = host.wait_for_state(SV2_NODE_READY);
    say(started, format_args!("connected, version {version}"));
    host.wait_for_tip(node.best());
    let first = host.wait_for_full();
    say(started, format_args!("template on {} with {} sat", node.height(), first.value));
    assert_eq!((first.prev_hash, first.value, first.key), (node.best(), 5_000_000_000, KEY));
    assert_eq!((first.prefix.as_slice(), first.sequence, first.lock_time), ([1, 111].as_slice(), 0xffff_fffe, 110));
    assert_eq!(first.outputs_count, 1, "the witness commitment");

    // A second key has a template of its own.
    host.want(WIDE_KEY);
    let wide = host.wait_for_full();
    assert_eq!((wide.key, wide.prev_hash), (WIDE_KEY, first.prev_hash));
    host.drop_key(WIDE_KEY);

    // Fees rise, by less than the threshold and then by more.
    node.spend(1, 300);
    host.expect_none(Duration::from_millis(2_500), |event| matches!(event, Event::Template(_)));
    node.spend(2, 20_000);
    let richer = host.wait_for_full();
    say(started, format_args!("fees rose: template with {} sat, {} nodes", richer.value, richer.merkle_path.len()));
    assert_eq!((richer.value, richer.prev_hash), (5_000_020_300, first.prev_hash));

    host.want_transactions(7, richer.node_handle);
    let transactions = host.wait_for_transactions(7).unwrap();
    assert_eq!(transactions.len(), 2);
    host.want_transactions(8, 12_345);
    assert_eq!(host.wait_for_transactions(8), None, "of a template that never was");

    // A block on the first template would lose the fees: it is as good as any other.
    let found = richer.mine(1);
    host.submit(&found);
    assert_eq!(host.wait_for_result(found.hash), (true, String::new()));
    let block = host.wait_for_block(found.hash);
    host.wait_for_tip(found.hash);
    assert_eq!((node.height(), node.best()), (111, found.hash));
    assert_eq!(block, node.block(&node.cli(&["getbestblockhash"])));
    say(started, format_args!("block {} accepted, height {}", node.cli(&["getbestblockhash"]), node.height()));

    // A host that is slow to look is spared the provisional template.
    let full = host.wait_for_template(|template| !template.is_provisional && template.prev_hash == found.hash);
    assert_eq!(full.value, 5_000_000_000);
    for template in [&first, &wide, &richer] {
        host.free_template(template);
    }

    // The same proof of work again, on a template that is gone; and a block with a bad coinbase.
    host.submit(&found);
    let (accepted, reason) = host.wait_for_result(found.hash);
    assert!(!accepted && reason.starts_with("not submitted"), "{reason}");
    let mut greedy = full.clone();
    greedy.value += 1;
    let found = greedy.mine(2);
    host.submit(&found);
    let (accepted, reason) = host.wait_for_result(found.hash);
    say(started, format_args!("a block that takes too much: accepted {accepted}, reason \"{reason}\""));
    assert_eq!(node.height(), 111);

    // After which templates are as good as before.
    node.generate(1);
    let best = node.best();
    let next = host.wait_for_template(|template| !template.is_provisional && template.prev_hash == best);
    let found = next.mine(3);
    host.submit(&found);
    assert!(host.wait_for_result(found.hash).0);
    host.wait_for_tip(found.hash);
    say(started, format_args!("height {}", node.height()));
}

#[test]
fn a_node_that_is_restarted_is_found_again() {
    Node::each("restart").for_each(restart);
}

fn restart(mut node: Node) {
    let started = Instant::now();
    node.generate(101);
    node.flush();
    let mut host = Host::new(&node.socket());
    host.want(KEY);
    let (version, _) = host.wait_for_state(SV2_NODE_READY);
    let before = host.wait_for_full();
    node.kill();
    let (_, reason) = host.wait_for_state(SV2_NODE_DOWN);
    say(started, format_args!("killed: {reason}"));
    let found = before.mine(1);
    host.submit(&found);
    let whole = host.wait_for_block(found.hash);
    assert_eq!(Block::parse(&whole).unwrap().header, found.header);

    node.launch();
    host.wait_for_state(SV2_NODE_READY);
    say(started, "ready again");
    let (accepted, reason) = host.wait_for_result(found.hash);
    say(started, format_args!("the block found meanwhile: accepted {accepted}, reason \"{reason}\""));
    assert_eq!(accepted, version > 31, "{reason}");
    let best = node.best();
    let after = host.wait_for_template(|template| !template.is_provisional && template.prev_hash == best);
    assert_eq!(node.height(), if accepted { 102 } else { 101 });
    let found = after.mine(2);
    host.submit(&found);
    assert!(host.wait_for_result(found.hash).0);
    host.wait_for_tip(found.hash);
    say(started, format_args!("height {}", node.height()));
}

#[test]
fn clients_that_go_away_at_any_time_leave_the_node_alive() {
    Node::each("leave").for_each(leave_at_any_time);
}

fn leave_at_any_time(mut node: Node) {
    node.generate(101);
    for after_ms in (0..40).chain([200, 1_200]) {
        let host = Host::new(&node.socket());
        host.want(KEY);
        std::thread::sleep(Duration::from_millis(after_ms));
        let started = Instant::now();
        drop(host);
        assert!(started.elapsed() < Duration::from_millis(1_500), "freeing took {:?}", started.elapsed());
        let ended = node.process.as_mut().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "the node ended when a client left after {after_ms} ms: {ended:?}");
    }
    node.generate(1);
    let mut host = Host::new(&node.socket());
    host.want(KEY);
    let template = host.wait_for_full();
    assert_eq!(template.prev_hash, node.best());
    let cpu_before = cpu_time(std::process::id());
    let node_before = cpu_time(node.process.as_ref().unwrap().id());
    host.drop_key(KEY);
    host.expect_none(Duration::from_secs(3), |_| false);
    let node_used = cpu_time(node.process.as_ref().unwrap().id()) - node_before;
    println!(
        "idle for 3 s: client {:?}, node {node_used:?} of processor time",
        cpu_time(std::process::id()) - cpu_before
    );
}

/// Processor time of a process, of which a hundredth of a second is the smallest part.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
