//! A node that says what a test wants: the server's side of the three schemas over a unix socket. It writes down every call.
#![allow(dead_code)] // each test uses a part

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc as StdRc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use capnp::Error;
use capnp::capability::Rc;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use futures::AsyncRead;
use futures::executor::LocalPool;
use futures::future::select;
use futures::task::{LocalSpawn, LocalSpawnExt};
use sv2_core::bitcoin::{CoinbaseTemplate, Hash, Header, Output, Transaction, assemble};

use crate::reactor::{Reactor, Sleep, Stream};

/// nBits of regtest.
const NBITS: u32 = 0x207f_ffff;
const HEIGHT: u32 = 100;
/// The output that a block must have.
pub const COMMITMENT: [u8; 47] = {
    let mut output = [7; 47];
    let start = [0, 0, 0, 0, 0, 0, 0, 0, 38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let mut at = 0;
    while at < start.len() {
        output[at] = start[at];
        at += 1;
    }
    output
};

/// What the node does. A test may change it at any time.
#[derive(Clone, Debug)]
pub struct Script {
    pub version: u32,
    pub tip: Hash,
    pub value: u64,
    pub has_transactions: bool,
    pub is_test_chain: bool,
    pub is_in_download: bool,
    pub accepts: bool,
    /// Why versions newer than 31 say that they do not.
    pub refusal: &'static str,
    /// A method that is answered only when this is another.
    pub hangs_at: Option<&'static str>,
    /// A method at which the connection is closed.
    pub dies_at: Option<&'static str>,
    /// A method that throws.
    pub throws_at: Option<&'static str>,
    /// createNewBlock is answered only when this is unset, and then nothing more is read before `is_deaf` is unset.
    pub holds_templates: bool,
    pub is_deaf: bool,
    /// The connection is greeted with this, and nothing else.
    pub garbage: Option<Vec<u8>>,
    /// Connections are not even accepted.
    pub is_stopping: bool,
}

pub struct FakeNode {
    pub socket: PathBuf,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    script: Script,
    calls: Vec<String>,
    connections: usize,
}

impl FakeNode {
    pub fn start(name: &str, version: u32) -> Self {
        let socket = std::env::temp_dir().join(format!("sv2-fake-{name}-{version}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let script = Script {
            version,
            tip: [1; 32],
            value: 5_000_000_000,
            has_transactions: true,
            is_test_chain: true,
            is_in_download: false,
            accepts: true,
            refusal: "bad-cb-amount",
            hangs_at: None,
            dies_at: None,
            throws_at: None,
            holds_templates: false,
            is_deaf: false,
            garbage: None,
            is_stopping: false,
        };
        let state = Arc::new(Mutex::new(State { script, calls: Vec::new(), connections: 0 }));
        let mut node = Self { socket, state, thread: None };
        node.launch();
        node
    }

    /// Listens, again after [`FakeNode::stop`].
    pub fn launch(&mut self) {
        self.script(|script| script.is_stopping = false);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let state = Arc::clone(&self.state);
        self.thread = Some(std::thread::spawn(move || run(&listener, &state)));
    }

    /// Closes the socket and all connections.
    pub fn stop(&mut self) {
        self.script(|script| script.is_stopping = true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        std::fs::remove_file(&self.socket).unwrap();
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.state.lock().unwrap().script);
    }

    /// The calls so far, without those that make threads.
    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    pub fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|name| *name == call).count()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Waits until a call was made so often.
    pub fn wait_for(&self, call: &str, times: usize) {
        for _ in 0..2_000 {
            if self.count(call) >= times {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{call} was not called {times} times: {:?}", self.calls());
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.stop();
        }
    }
}

fn run(listener: &UnixListener, state: &Arc<Mutex<State>>) {
    listener.set_nonblocking(true).unwrap();
    let reactor = Reactor::default();
    let mut pool = LocalPool::new();
    while !state.lock().unwrap().script.is_stopping {
        while let Ok((socket, _)) = listener.accept() {
            state.lock().unwrap().connections += 1;
            let (is_dead, is_interrupted) = Default::default();
            let fake = Fake { state: Arc::clone(state), reactor: reactor.clone(), is_dead, is_interrupted };
            let (reader, writer) = Stream::pair(socket, &reactor).unwrap();
            pool.spawner().spawn_local(fake.serve(reader, writer)).unwrap();
        }
        pool.run_until_stalled();
        // The next look at the listener and the script.
        let tick = reactor.sleep(Duration::from_millis(2));
        pool.spawner().spawn_local_obj(Box::pin(tick).into()).unwrap();
        pool.run_until_stalled();
        reactor.turn();
    }
}

/// One connection of the node.
#[derive(Clone)]
struct Fake {
    state: Arc<Mutex<State>>,
    reactor: Reactor,
    is_dead: StdRc<Cell<bool>>,
    is_interrupted: StdRc<Cell<bool>>,
}

impl Fake {
    async fn serve(self, reader: Stream, mut writer: Stream) {
        let script = self.script();
        if let Some(garbage) = script.garbage {
            use futures::AsyncWriteExt;
            writer.write_all(&garbage).await.unwrap();
            return self.until(|script| script.is_stopping).await;
        }
        let hearing = Hearing { reader, fake: self.clone(), nap: None };
        let network = VatNetwork::new(hearing, writer, Side::Server, Default::default());
        let init = match script.version {
            30 => new_client::<bitcoin_capnp_types_30::init_capnp::init::Client, _>(v30::Init(self.clone())).client,
            31 => new_client::<bitcoin_capnp_types_31::init_capnp::init::Client, _>(v31::Init(self.clone())).client,
            _ => new_client::<bitcoin_capnp_types_newer::init_capnp::init::Client, _>(newer::Init(self.clone())).client,
        };
        let rpc = RpcSystem::new(Box::new(network), Some(init));
        let is_dead = StdRc::clone(&self.is_dead);
        let death = self.until(|_| is_dead.get());
        select(rpc, Box::pin(death)).await;
    }

    fn script(&self) -> Script {
        self.state.lock().unwrap().script.clone()
    }

    async fn until(&self, is_so: impl Fn(&Script) -> bool) {
        while !is_so(&self.script()) {
            self.reactor.sleep(Duration::from_millis(2)).await;
        }
    }

    /// Writes a call down, and does what the script says.
    async fn called(&self, name: &'static str) -> Result<Script, Error> {
        let script = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(name.to_owned());
            state.script.clone()
        };
        if script.hangs_at == Some(name) {
            self.until(|script| script.hangs_at != Some(name)).await;
        }
        if script.dies_at == Some(name) {
            self.is_dead.set(true);
            pending::<()>().await;
        }
        if script.throws_at == Some(name) {
            return Err(Error::failed("std::exception: the node's own words".to_owned()));
        }
        Ok(script)
    }

    async fn wait_tip(&self, known: &[u8], timeout_ms: f64) -> Hash {
        let changed = self.until(|script| script.tip != known || self.is_interrupted.get());
        let _ = self.reactor.within(Duration::from_secs_f64(timeout_ms / 1_000.0), changed).await;
        self.script().tip
    }

    async fn template(&self, use_mempool: bool, reserved_weight: u64, sigops: u64) -> Result<Template, Error> {
        let name = if use_mempool { "createNewBlock" } else { "createNewBlock without transactions" };
        let script = self.called(name).await?;
        if script.holds_templates {
            self.until(|script| !script.holds_templates).await;
            self.state.lock().unwrap().script.is_deaf = true;
        }
        if reserved_weight < 2_000 || sigops > 80_000 {
            return Err(Error::failed("out of range".to_owned()));
        }
        let transactions = if use_mempool && script.has_transactions { vec![transaction()] } else { Vec::new() };
        Ok(Template { fake: self.clone(), tip: script.tip, value: script.value, transactions })
    }
}

/// Reads, unless the script says that the node is deaf.
struct Hearing {
    reader: Stream,
    fake: Fake,
    nap: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Hearing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.fake.script().is_deaf {
            let mut nap = Box::pin(self.fake.reactor.sleep(Duration::from_millis(2)));
            if nap.as_mut().poll(cx).is_pending() {
                self.nap = Some(nap);
                return Poll::Pending;
            }
        }
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

/// The transaction of all templates that have one.
pub fn transaction() -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.extend([9; 32]);
    bytes.extend([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x51, 0, 0, 0, 0]);
    bytes
}

/// A template of the node.
struct Template {
    fake: Fake,
    tip: Hash,
    value: u64,
    transactions: Vec<Vec<u8>>,
}

impl Template {
    fn header(&self) -> Header {
        let (version, prev_hash) = (0x2000_0000, self.tip);
        Header { version, prev_hash, merkle_root: [0; 32], time: 1_700_000_000, nbits: NBITS, nonce: 0 }
    }

    fn merkle_path(&self) -> Vec<Hash> {
        self.transactions.iter().map(|bytes| Transaction::parse_exact(bytes).unwrap().txid()).collect()
    }

    /// As version 30 gives it: all of the reward in one output, OP_0 behind the height.
    fn dummy_coinbase(&self) -> Vec<u8> {
        let template = CoinbaseTemplate {
            version: 2,
            prefix: &[1, HEIGHT as u8],
            sequence: 0xffff_fffe,
            outputs_count: 1,
            outputs: &COMMITMENT,
            lock_time: HEIGHT - 1,
        };
        let reward = Output { value: self.value, script_pubkey: &[0x51] };
        template.coinbase(&[0], &[reward], Some(&[0; 32])).unwrap()
    }

    fn block(&self) -> Vec<u8> {
        assemble(&self.header(), &self.dummy_coinbase(), self.transactions.iter().map(Vec::as_slice))
    }
}

/// The servers of a schema. What differs between versions is given for each.
macro_rules! schema {
    ($module:ident, $types:ident, init { $($init:item)* } mining { $($mining:item)* } template { $($template:item)* }) => {
        mod $module {
            use $types::init_capnp::init;
            use $types::mining_capnp::{block_template, mining};
            use $types::proxy_capnp::{thread, thread_map};

            use super::*;

            pub(super) struct Init(pub(super) Fake);
            struct Threads;
            struct Thread;
            struct Mining(Fake);

            impl thread::Server for Thread {}

            impl thread_map::Server for Threads {
                async fn make_thread(
                    self: Rc<Self>,
                    _: thread_map::MakeThreadParams,
                    mut results: thread_map::MakeThreadResults,
                ) -> Result<(), Error> {
                    results.get().set_result(new_client(Thread));
                    Ok(())
                }
            }

            impl init::Server for Init {
                async fn construct(
                    self: Rc<Self>,
                    _: init::ConstructParams,
                    mut results: init::ConstructResults,
                ) -> Result<(), Error> {
                    self.0.called("construct").await?;
                    results.get().set_thread_map(new_client(Threads));
                    Ok(())
                }

                async fn make_mining(
                    self: Rc<Self>,
                    _: init::MakeMiningParams,
                    mut results: init::MakeMiningResults,
                ) -> Result<(), Error> {
                    self.0.called("makeMining").await?;
                    results.get().set_result(new_client(Mining(self.0.clone())));
                    Ok(())
                }

                $($init)*
            }

            impl mining::Server for Mining {
                async fn is_test_chain(
                    self: Rc<Self>,
                    _: mining::IsTestChainParams,
                    mut results: mining::IsTestChainResults,
                ) -> Result<(), Error> {
                    results.get().set_result(self.0.called("isTestChain").await?.is_test_chain);
                    Ok(())
                }

                async fn is_initial_block_download(
                    self: Rc<Self>,
                    _: mining::IsInitialBlockDownloadParams,
                    mut results: mining::IsInitialBlockDownloadResults,
                ) -> Result<(), Error> {
                    results.get().set_result(self.0.called("isInitialBlockDownload").await?.is_in_download);
                    Ok(())
                }

                async fn get_tip(
                    self: Rc<Self>,
                    _: mining::GetTipParams,
                    mut results: mining::GetTipResults,
                ) -> Result<(), Error> {
                    let script = self.0.called("getTip").await?;
                    results.get().set_has_result(true);
                    results.get().init_result().set_hash(&script.tip);
                    Ok(())
                }

                async fn wait_tip_changed(
                    self: Rc<Self>,
                    params: mining::WaitTipChangedParams,
                    mut results: mining::WaitTipChangedResults,
                ) -> Result<(), Error> {
                    self.0.called("waitTipChanged").await?;
                    let (known, timeout) = (params.get()?.get_current_tip()?.to_vec(), params.get()?.get_timeout());
                    let tip = self.0.wait_tip(&known, timeout).await;
                    results.get().init_result().set_hash(&tip);
                    Ok(())
                }

                async fn create_new_block(
                    self: Rc<Self>,
                    params: mining::CreateNewBlockParams,
                    mut results: mining::CreateNewBlockResults,
                ) -> Result<(), Error> {
                    let options = params.get()?.get_options()?;
                    let (weight, sigops) =
                        (options.get_block_reserved_weight(), options.get_coinbase_output_max_additional_sigops());
                    let template = self.0.template(options.get_use_mempool(), weight, sigops).await?;
                    results.get().set_result(new_client(template));
                    Ok(())
                }

                $($mining)*
            }

            impl block_template::Server for Template {
                async fn destroy(
                    self: Rc<Self>,
                    _: block_template::DestroyParams,
                    _: block_template::DestroyResults,
                ) -> Result<(), Error> {
                    self.fake.called("destroy").await.map(|_| ())
                }

                async fn get_block_header(
                    self: Rc<Self>,
                    _: block_template::GetBlockHeaderParams,
                    mut results: block_template::GetBlockHeaderResults,
                ) -> Result<(), Error> {
                    self.fake.called("getBlockHeader").await?;
                    results.get().set_result(&self.header().to_bytes());
                    Ok(())
                }

                async fn get_block(
                    self: Rc<Self>,
                    _: block_template::GetBlockParams,
                    mut results: block_template::GetBlockResults,
                ) -> Result<(), Error> {
                    self.fake.called("getBlock").await?;
                    results.get().set_result(&self.block());
                    Ok(())
                }

                async fn get_coinbase_merkle_path(
                    self: Rc<Self>,
                    _: block_template::GetCoinbaseMerklePathParams,
                    mut results: block_template::GetCoinbaseMerklePathResults,
                ) -> Result<(), Error> {
                    self.fake.called("getCoinbaseMerklePath").await?;
                    let path = self.merkle_path();
                    let mut list = results.get().init_result(path.len() as u32);
                    for (at, node) in path.iter().enumerate() {
                        list.set(at as u32, node);
                    }
                    Ok(())
                }

                $($template)*
            }
        }
    };
}

schema!(v30, bitcoin_capnp_types_30, init {} mining {} template {
    async fn get_coinbase_tx(
        self: Rc<Self>,
        _: block_template::GetCoinbaseTxParams,
        mut results: block_template::GetCoinbaseTxResults,
    ) -> Result<(), Error> {
        self.fake.called("getCoinbaseTx").await?;
        results.get().set_result(&self.dummy_coinbase());
        Ok(())
    }

    async fn submit_solution(
        self: Rc<Self>,
        _: block_template::SubmitSolutionParams,
        mut results: block_template::SubmitSolutionResults,
    ) -> Result<(), Error> {
        let script = self.fake.called("submitSolution@9").await?;
        results.get().set_result(script.accepts);
        Ok(())
    }
});

/// getCoinbaseTx of all versions since 31.
macro_rules! coinbase_struct {
    ($self:ident, $results:ident) => {{
        $self.fake.called("getCoinbaseTx").await?;
        let mut coinbase = $results.get().init_result();
        coinbase.set_version(2);
        coinbase.set_sequence(0xffff_fffe);
        coinbase.set_script_sig_prefix(&[1, HEIGHT as u8]);
        coinbase.set_witness(&[0; 32]);
        coinbase.set_block_reward_remaining($self.value as i64);
        coinbase.set_lock_time(HEIGHT - 1);
        coinbase.init_required_outputs(1).set(0, &COMMITMENT);
        Ok(())
    }};
}

/// interrupt of all versions since 31.
macro_rules! interrupt {
    () => {
        async fn interrupt(
            self: Rc<Self>,
            _: mining::InterruptParams,
            _: mining::InterruptResults,
        ) -> Result<(), Error> {
            self.0.called("interrupt").await?;
            self.0.is_interrupted.set(true);
            Ok(())
        }
    };
}

schema!(v31, bitcoin_capnp_types_31, init {
    async fn make_mining_old2(
        self: Rc<Self>,
        _: init::MakeMiningOld2Params,
        _: init::MakeMiningOld2Results,
    ) -> Result<(), Error> {
        self.0.called("makeMiningOld2").await?;
        Err(Error::failed("Old mining interface (@2) not supported. Please update your client!".to_owned()))
    }
} mining {
    interrupt!();
} template {
    async fn get_coinbase_tx(
        self: Rc<Self>,
        _: block_template::GetCoinbaseTxParams,
        mut results: block_template::GetCoinbaseTxResults,
    ) -> Result<(), Error> {
        coinbase_struct!(self, results)
    }

    async fn submit_solution(
        self: Rc<Self>,
        _: block_template::SubmitSolutionParams,
        mut results: block_template::SubmitSolutionResults,
    ) -> Result<(), Error> {
        let script = self.fake.called("submitSolution@7").await?;
        results.get().set_result(script.accepts);
        Ok(())
    }
});

schema!(newer, bitcoin_capnp_types_newer, init {} mining {
    interrupt!();
    async fn get_transactions_by_tx_i_d(
        self: Rc<Self>,
        params: mining::GetTransactionsByTxIDParams,
        _: mining::GetTransactionsByTxIDResults,
    ) -> Result<(), Error> {
        self.0.called("getTransactionsByTxID").await?;
        assert_eq!(params.get()?.get_txids()?.len(), 0, "a question that costs the node nothing");
        Ok(())
    }

    async fn submit_block(
        self: Rc<Self>,
        params: mining::SubmitBlockParams,
        mut results: mining::SubmitBlockResults,
    ) -> Result<(), Error> {
        let script = self.0.called("submitBlock").await?;
        sv2_core::bitcoin::Block::parse(params.get()?.get_block()?).unwrap();
        results.get().set_result(script.accepts);
        results.get().set_reason(if script.accepts { "" } else { script.refusal });
        Ok(())
    }
} template {
    async fn get_coinbase_tx(
        self: Rc<Self>,
        _: block_template::GetCoinbaseTxParams,
        mut results: block_template::GetCoinbaseTxResults,
    ) -> Result<(), Error> {
        coinbase_struct!(self, results)
    }

    async fn submit_solution_old7(
        self: Rc<Self>,
        _: block_template::SubmitSolutionOld7Params,
        _: block_template::SubmitSolutionOld7Results,
    ) -> Result<(), Error> {
        self.fake.called("submitSolution@7").await?;
        Err(Error::failed("Old submitSolution (@7) not supported. Please update your client!".to_owned()))
    }

    async fn submit_solution(
        self: Rc<Self>,
        _: block_template::SubmitSolutionParams,
        mut results: block_template::SubmitSolutionResults,
    ) -> Result<(), Error> {
        let script = self.fake.called("submitSolution@10").await?;
        results.get().set_result(script.accepts);
        results.get().set_reason(if script.accepts { "" } else { script.refusal });
        Ok(())
    }
});

/// A path at which there is nothing.
pub fn nowhere() -> &'static Path {
    Path::new("/nonexistent/node.sock")
}
