//! One connection to the node, from connecting to its end.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bitcoin_capnp_types_newer::init_capnp::init;
use capnp::message::ReaderOptions;
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::channel::oneshot;
use futures::future::{Either, FutureExt, LocalBoxFuture, select};
use futures::io::{BufReader, BufWriter};
use futures::stream::FuturesUnordered;
use sv2_core::bitcoin::Hash;
use sv2_core::template::Level;

use super::api::{self, Mining};
use super::error::CallError;
use super::queue::Event;
use super::reactor::{Reactor, Stream, connect};
use super::signal::Signal;
use super::threads::{Calls, Threads};
use super::worker::Worker;
use crate::SV2_NODE_SYNCING;

/// Most bytes of one message of the node: several times what a block takes.
const MAX_MESSAGE_WORDS: usize = (32 << 20) / 8;

/// How long to wait for a tip at a time where the wait cannot be ended early: until it ends the connection cannot be closed
/// without harm.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// How often a node that is catching up is asked whether it has done so.
const SYNC_POLL: Duration = Duration::from_secs(1);

/// A connection that is up.
pub(super) struct Session {
    pub(super) mining: Mining,
    pub(super) threads: Threads,
    reactor: Reactor,
    call_timeout: Duration,
    /// The node's tip, as the host was last told.
    tip: Cell<Hash>,
    /// How many there were.
    tip_number: Cell<u64>,
    /// Set when there may be templates to make.
    pub(super) work: Signal,
    /// Work that nobody waits for, done beside the rest.
    tasks: UnboundedSender<LocalBoxFuture<'static, Result<(), CallError>>>,
    /// Templates that the node may forget.
    pub(super) discarded: UnboundedSender<api::Template>,
}

/// How a session ended.
pub(super) struct Ended {
    pub(super) why: String,
    /// Since when templates were to be had, if ever.
    pub(super) ready_since: Option<Instant>,
}

/// Connects, serves until something goes wrong, and says what.
pub(super) async fn run(worker: &Rc<Worker>) -> Ended {
    let ready_since = Cell::new(None);
    let why = match serve(worker, &ready_since).await {
        Ok(never) => match never {},
        Err(why) => why,
    };
    Ended { why, ready_since: ready_since.get() }
}

enum Never {}

async fn serve(worker: &Rc<Worker>, ready_since: &Cell<Option<Instant>>) -> Result<Never, String> {
    let path = worker.options.path.as_path();
    let socket = connect(path).map_err(|error| explain(path, &error))?;
    let (reader, writer) = Stream::pair(socket, &worker.reactor).map_err(|error| explain(path, &error))?;
    let mut limits = ReaderOptions::new();
    limits.traversal_limit_in_words(Some(MAX_MESSAGE_WORDS));
    let network = VatNetwork::new(BufReader::new(reader), BufWriter::new(writer), Side::Client, limits);
    let mut rpc = RpcSystem::new(Box::new(network), None);
    let init: init::Client = rpc.bootstrap(Side::Server);
    let (calls, driver) = Calls::new();
    let (closing, closed) = oneshot::channel();
    // A task of its own: it outlives the session until the node has answered for what it was asked.
    worker.spawn_connection(async move {
        let why = match select(rpc, Box::pin(driver)).await {
            Either::Left((Err(error), _)) => format!("the connection to the node failed: {error}"),
            _ => "the node closed the connection".to_owned(),
        };
        let _ = closing.send(why);
    });
    let work = Box::pin(converse(worker, init, calls, ready_since));
    match select(closed, work).await {
        Either::Left((why, _)) => Err(why.unwrap_or_default()),
        Either::Right((Ok(never), _)) => match never {},
        Either::Right((Err(error), _)) => Err(error.to_string()),
    }
}

/// All that is said over a connection.
async fn converse(
    worker: &Rc<Worker>,
    init: init::Client,
    calls: Calls,
    ready_since: &Cell<Option<Instant>>,
) -> Result<Never, CallError> {
    let limit = worker.options.call_timeout;
    let construct = calls.answer(None, init.construct_request().send().promise);
    let constructed = within(&worker.reactor, limit, construct).await?;
    let threads = Threads::new(constructed.get()?.get_thread_map()?, calls);
    let mining = patiently(worker, "loading its chain", api::make_mining(&init.client, &threads)).await?;
    worker.log(Level::Info, format!("connected to the node's mining interface, version {}", name_of(&mining)));

    let (discarded, discarded_templates) = unbounded();
    let (tasks, new_tasks) = unbounded();
    let session = Rc::new(Session {
        mining,
        threads,
        reactor: worker.reactor.clone(),
        call_timeout: limit,
        tip: Cell::new([0; 32]),
        tip_number: Cell::new(0),
        work: Signal::default(),
        tasks,
        discarded,
    });
    session.wait_until_synced(worker).await?;
    let tip = session.call(session.mining.tip(&session.threads)).await?.ok_or(CallError::NoTemplate)?;
    ready_since.set(Some(Instant::now()));
    worker.begin(&session);
    session.set_tip(worker, tip);
    let background =
        select(session.run_tasks(new_tasks).boxed_local(), session.forget(discarded_templates).boxed_local());
    let foreground = select(session.watch_tip(worker).boxed_local(), worker.make_templates(&session).boxed_local());
    // The first to end ends all.
    match select(background, foreground).await {
        Either::Left((Either::Left((ended, _)) | Either::Right((ended, _)), _))
        | Either::Right((Either::Left((ended, _)) | Either::Right((ended, _)), _)) => ended,
    }
}

/// What a call gives, unless it is not answered in time: then the node hangs.
pub(super) async fn within<T>(
    reactor: &Reactor,
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let late = |_| CallError::Lost(format!("the node has not answered for {} seconds", limit.as_secs_f64()));
    reactor.within(limit, call).await.map_err(late)?
}

/// What a call gives that a node answers only when it has started. However long that takes, there is nothing better to do: a
/// node that dies closes the connection.
async fn patiently<T>(
    worker: &Rc<Worker>,
    what: &str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match select(std::pin::pin!(call), worker.reactor.sleep(worker.options.call_timeout)).await {
        Either::Left((result, _)) => result,
        Either::Right(((), call)) => {
            worker.set_state(SV2_NODE_SYNCING, 0, format!("the node is still {what}"));
            call.await
        }
    }
}

impl Session {
    /// What a call gives; a node that hangs is an error that ends the session.
    pub(super) async fn call<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        within(&self.reactor, self.call_timeout, call).await
    }

    /// No more is wanted of the node: lets the wait for a tip end, so that the connection can be closed.
    pub(super) fn interrupt(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let session = Rc::clone(self);
        async move { drop(session.mining.interrupt(&session.threads).await) }
    }

    /// Does something beside the rest. An error of it counts only if it ends the session.
    pub(super) fn spawn(&self, task: impl Future<Output = Result<(), CallError>> + 'static) {
        let _ = self.tasks.unbounded_send(task.boxed_local());
    }

    pub(super) fn tip(&self) -> Hash {
        self.tip.get()
    }

    pub(super) fn tip_number(&self) -> u64 {
        self.tip_number.get()
    }

    /// The node has this tip: tells the host, if it is news.
    pub(super) fn set_tip(&self, worker: &Worker, tip: Hash) {
        if self.tip.replace(tip) != tip {
            self.tip_number.set(self.tip_number.get() + 1);
            worker.push(Event::TipChanged { prev_hash: tip });
            self.work.set();
        }
    }

    /// Waits until the node has a chain and is done with the initial download of it.
    ///
    /// Test chains need not be done: one without a block of the last day never is.
    async fn wait_until_synced(&self, worker: &Rc<Worker>) -> Result<(), CallError> {
        let version = self.mining.version();
        worker.is_test_chain.set(self.call(self.mining.is_test_chain(&self.threads)).await?);
        while self.call(self.mining.tip(&self.threads)).await?.is_none() {
            worker.set_state(SV2_NODE_SYNCING, version, "the node has no chain yet".to_owned());
            self.reactor.sleep(SYNC_POLL).await;
        }
        if worker.is_test_chain.get() {
            return Ok(());
        }
        while self.call(self.mining.is_initial_block_download(&self.threads)).await? {
            worker.set_state(SV2_NODE_SYNCING, version, "the node is downloading the chain".to_owned());
            self.reactor.sleep(SYNC_POLL).await;
        }
        Ok(())
    }

    /// Waits for new tips. Each wait ends after a while, so that a node that hangs is noticed also when nothing happens.
    async fn watch_tip(&self, worker: &Rc<Worker>) -> Result<Never, CallError> {
        let wait = if self.mining.can_interrupt() { self.call_timeout } else { self.call_timeout.min(SHORT_WAIT) };
        let wait_ms = wait.as_secs_f64() * 1_000.0;
        loop {
            let known = self.tip.get();
            let waiting = self.mining.wait_tip_changed(&self.threads, &known, wait_ms);
            match within(&self.reactor, wait + self.call_timeout, waiting).await {
                // A template on a newer tip may have come meanwhile: then this says nothing new, or the next wait says it.
                Ok(Some(tip)) if self.tip.get() == known => {
                    self.set_tip(worker, tip);
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => worker.log(Level::Info, "the node is shutting down".to_owned()),
                Err(error) if error.ends_session() => return Err(error),
                Err(error) => worker.log(Level::Warning, format!("waiting for a new tip: {error}")),
            }
            self.reactor.sleep(SYNC_POLL).await;
        }
    }

    /// Does what was spawned.
    async fn run_tasks(
        &self,
        mut new: UnboundedReceiver<LocalBoxFuture<'static, Result<(), CallError>>>,
    ) -> Result<Never, CallError> {
        // One that never ends, so that there is always one to wait for.
        let mut running = FuturesUnordered::from_iter([std::future::pending().boxed_local()]);
        loop {
            let next = select(new.next(), running.select_next_some());
            let finished = match next.await {
                Either::Left((Some(task), _)) => {
                    running.push(task);
                    continue;
                }
                Either::Left((None, _)) => return Err(CallError::Lost("the session has ended".to_owned())),
                Either::Right((finished, _)) => finished,
            };
            match finished {
                Err(error) if error.ends_session() => return Err(error),
                _ => {}
            }
        }
    }

    /// Lets the node forget templates.
    async fn forget(&self, mut discarded: UnboundedReceiver<api::Template>) -> Result<Never, CallError> {
        while let Some(template) = discarded.next().await {
            match self.call(template.destroy(&self.threads)).await {
                Err(error) if error.ends_session() => return Err(error),
                _ => {}
            }
        }
        Err(CallError::Lost("the session has ended".to_owned()))
    }
}

/// For people.
fn name_of(mining: &Mining) -> &'static str {
    match mining {
        Mining::V30(_) => "30",
        Mining::V31(_) => "31",
        Mining::Newer(_) => "newer than 31",
    }
}

/// Why there is no connection, and what to do about it.
fn explain(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no socket at {path}: is the node running with -ipcbind=unix?")
        }
        std::io::ErrorKind::ConnectionRefused => {
            format!("nobody listens on {path}: is the node running with -ipcbind=unix?")
        }
        std::io::ErrorKind::PermissionDenied => format!("this user may not connect to {path}"),
        std::io::ErrorKind::WouldBlock => format!("the node does not accept connections on {path}: it hangs"),
        _ => format!("no connection to {path}: {error}"),
    }
}
