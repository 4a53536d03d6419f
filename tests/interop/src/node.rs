//! Bitcoin Core's `bitcoin-node` on regtest: its process, its JSON-RPC, and the unix socket of its mining interface.
//!
//! The node needs no wallet: its blocks pay an output that anybody may spend, and the harness spends it.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use jsonrpc::Client;
use jsonrpc::simple_http::Builder;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use stratum_core::bitcoin::absolute::LockTime;
use stratum_core::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use stratum_core::bitcoin::transaction::Version;
use stratum_core::bitcoin::{
    Amount, Block, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, opcodes,
};

use crate::process::{Process, free_port};

/// How long a node may take until it answers. It can be busy: two cores may be all there is.
const START: Duration = Duration::from_secs(60);
/// How long one answer may take; many blocks are one answer.
const ANSWER: Duration = Duration::from_secs(60);
/// After so many blocks of its own a coinbase can be spent.
pub const MATURITY: usize = 100;

/// The nodes that `$BITCOIN_NODE` names, separated by commas, or why there are none.
pub fn programs() -> Result<Vec<PathBuf>, String> {
    let named = env::var("BITCOIN_NODE").map_err(|_| "BITCOIN_NODE is not set: the path of a bitcoin-node")?;
    let programs: Vec<PathBuf> = named.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    match programs.iter().find(|program| !program.is_file()) {
        Some(missing) => Err(format!("{} is missing", missing.display())),
        None if programs.is_empty() => Err("BITCOIN_NODE names no program".into()),
        None => Ok(programs),
    }
}

/// A regtest node of its own, with no peers.
pub struct Node {
    program: PathBuf,
    directory: PathBuf,
    datadir: PathBuf,
    rpc_port: u16,
    /// How often it was started; each has a log of its own.
    starts: usize,
    running: Option<Running>,
}

struct Running {
    process: Process,
    rpc: Client,
}

impl Node {
    /// Starts `program` with an empty chain in `<directory>/node` and waits until it answers.
    ///
    /// # Errors
    /// That it cannot be started, or does not answer.
    pub fn start(program: &Path, directory: &Path) -> Result<Node, Box<dyn Error>> {
        let datadir = directory.join("node");
        fs::create_dir(&datadir)?;
        let mut node = Node {
            program: program.into(),
            directory: directory.into(),
            datadir,
            rpc_port: free_port()?,
            starts: 0,
            running: None,
        };
        node.start_again()?;
        Ok(node)
    }

    /// Starts it with the chain it has, after [`Node::kill`], and waits until it answers.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        let cookie = self.datadir.join("regtest/.cookie");
        // A killed node leaves the last one behind.
        if let Err(error) = fs::remove_file(&cookie)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        self.starts += 1;
        let name = format!("bitcoin-node-{}", self.starts);
        let mut process = Process::start(&name, &mut self.command(), &self.directory)?;
        let deadline = Instant::now() + START;
        let rpc = loop {
            if let Ok(rpc) = self.connect(&cookie)
                && call(&rpc, "getblockcount", &[]).is_ok()
            {
                break rpc;
            }
            if !process.is_running() || Instant::now() > deadline {
                return Err(process
                    .wait_for_text("an answer to its first request", Duration::ZERO)
                    .unwrap_err()
                    .into());
            }
            thread::sleep(Duration::from_millis(100));
        };
        self.running = Some(Running { process, rpc });
        Ok(())
    }

    /// Ends it as a loss of power would, with SIGKILL, and leaves its socket behind.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Asks it to end, and kills it if it does not.
    ///
    /// # Errors
    /// That it cannot be asked.
    pub fn stop(mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), |running| running.process.stop().map(drop))
    }

    /// Its data directory; its files for regtest are in `regtest` below it.
    pub fn datadir(&self) -> &Path {
        &self.datadir
    }

    /// The socket of its mining interface, where Bitcoin Core itself would put it.
    pub fn socket(&self) -> PathBuf {
        self.datadir.join("regtest/node.sock")
    }

    /// Its version as a number: 310000 is 31.0, 319900 a build of what becomes 32.0.
    pub fn version(&self) -> u64 {
        self.call("getnetworkinfo", &[])["version"].as_u64().expect("a number")
    }

    /// The major version that it is, or becomes.
    pub fn release(&self) -> u64 {
        (self.version() + 100) / 10_000
    }

    /// The height of its tip.
    pub fn height(&self) -> usize {
        self.call("getblockcount", &[]).as_u64().and_then(|height| height.try_into().ok()).expect("a height")
    }

    /// The hash of its tip as people print it: reversed, in hex.
    pub fn tip(&self) -> String {
        text(&self.call("getbestblockhash", &[]))
    }

    /// Has it mine `count` blocks upon its tip, with what is in its mempool; the hash of the last one.
    ///
    /// # Panics
    /// If it made none.
    pub fn generate(&self, count: usize) -> String {
        let described = format!("raw({})", anybody().to_hex_string());
        let descriptor = text(&self.call("getdescriptorinfo", &[json!(described)])["descriptor"]);
        let hashes = self.call("generatetodescriptor", &[json!(count), json!(descriptor)]);
        text(hashes.as_array().and_then(|hashes| hashes.last()).expect("blocks"))
    }

    /// The block of this height in its chain.
    pub fn block(&self, height: usize) -> Block {
        deserialize_hex(&text(&self.raw_block(height))).expect("a block")
    }

    /// All blocks of its chain as raw bytes, the first one of height 1.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        (1..=self.height()).map(|height| hex::decode(text(&self.raw_block(height))).expect("hex")).collect()
    }

    /// Spends the coinbase of the block of this height, which [`Node::generate`] made, and leaves `fee` satoshis to
    /// whoever mines it; its txid. The block must be [`MATURITY`] deep.
    pub fn spend_coinbase(&self, height: usize, fee: u64) -> String {
        let coinbase = &self.block(height).txdata[0];
        let (vout, spent) = (0, &coinbase.output[0]);
        assert_eq!(spent.script_pubkey, anybody());
        let transaction = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint { txid: coinbase.compute_txid(), vout },
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[OP_TRUE]),
            }],
            output: vec![TxOut { value: spent.value - Amount::from_sat(fee), script_pubkey: anybody() }],
        };
        // Without a limit to the fee.
        text(&self.call("sendrawtransaction", &[json!(serialize_hex(&transaction)), json!(0)]))
    }

    /// Writes its chain to the disk, so that it is there even after [`Node::kill`].
    pub fn flush(&self) {
        // What this is asked for does not matter here: it writes everything first.
        self.call("gettxoutsetinfo", &[]);
    }

    /// Calls a method of its JSON-RPC.
    ///
    /// # Panics
    /// If it answers with an error, or not at all.
    pub fn call(&self, method: &str, parameters: &[Value]) -> Value {
        let running = self.running.as_ref().expect("a running node");
        call(&running.rpc, method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn raw_block(&self, height: usize) -> Value {
        let hash = self.call("getblockhash", &[json!(height)]);
        self.call("getblock", &[hash, json!(0)])
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["-regtest", "-server", "-listen=0", "-connect=0", "-persistmempool=0", "-rpcbind=127.0.0.1"])
            .args(["-rpcallowip=127.0.0.1", "-debug=ipc", "-printtoconsole"])
            .arg(format!("-datadir={}", self.datadir.display()))
            .arg(format!("-rpcport={}", self.rpc_port))
            .arg(format!("-ipcbind=unix:{}", self.socket().display()));
        command
    }

    fn connect(&self, cookie: &Path) -> Result<Client, Box<dyn Error>> {
        let http = Builder::new()
            .url(&format!("http://127.0.0.1:{}", self.rpc_port))?
            .cookie_auth(fs::read_to_string(cookie)?)
            .timeout(ANSWER)
            .build();
        Ok(Client::with_transport(http))
    }
}

/// A witness script that everything satisfies.
const OP_TRUE: [u8; 1] = [opcodes::OP_TRUE.to_u8()];

/// The output script that pays anybody: P2WSH of [`OP_TRUE`], since nodes do not relay what spends the bare script.
fn anybody() -> ScriptBuf {
    Script::from_bytes(&OP_TRUE).to_p2wsh()
}

fn call(rpc: &Client, method: &str, parameters: &[Value]) -> Result<Value, jsonrpc::Error> {
    let parameters = to_raw_value(parameters)?;
    rpc.call(method, Some(&parameters))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
