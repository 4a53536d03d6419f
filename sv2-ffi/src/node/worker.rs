//! The thread that talks to the node: what it knows across connections, and the making of templates.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::select;
use futures::task::LocalSpawnExt;
use sv2_core::template::{ConstraintKey, Level, Template, TemplateKind};

use super::api::Contents;
use super::error::CallError;
use super::queue::{Command, Event, Queue};
use super::reactor::Reactor;
use super::session::{self, Session};
use super::signal::Signal;
use super::solutions::Unsubmitted;
use super::templates::{Current, Remote, Templates};
use crate::{SV2_NODE_DOWN, SV2_NODE_READY};

/// How soon a lost connection is tried again, and how late at most: the time doubles with each failure.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// A connection that was up for so long was good, also if there was nothing to do.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Most connections at once: one, and those that were given up and wait for the node to answer, or for the host to free their
/// templates.
const MAX_CONNECTIONS: usize = 4;

/// How long to wait for one of so many to end by itself.
const CONNECTIONS_PATIENCE: Duration = Duration::from_secs(120);

/// How long the node may take, in the end, to answer for what it was asked.
const FAREWELL: Duration = Duration::from_secs(1);

/// The options, with the usual values filled in.
pub(super) struct Settings {
    pub(super) path: PathBuf,
    pub(super) fee_threshold_sat: u64,
    pub(super) update_interval: Duration,
    pub(super) call_timeout: Duration,
}

/// What the thread knows.
pub(super) struct Worker {
    pub(super) options: Settings,
    pub(super) reactor: Reactor,
    queue: Arc<Queue>,
    /// What the host was last told: the state, the version and the reason.
    state: RefCell<Option<(u32, u32, String)>>,
    /// Whether the node's chain is a test chain; false if that is not known.
    pub(super) is_test_chain: Cell<bool>,
    /// What the host wants templates for.
    keys: RefCell<BTreeMap<ConstraintKey, Key>>,
    pub(super) templates: Templates,
    pub(super) unsubmitted: RefCell<Vec<Rc<Unsubmitted>>>,
    /// Set when there is one less.
    pub(super) settled: Signal,
    session: RefCell<Option<Rc<Session>>>,
    /// Whether a template came over the connection.
    has_offered: Cell<bool>,
    /// Held while the node is asked for a block.
    pub(super) fetching: futures::lock::Mutex<()>,
    spawner: LocalSpawner,
    /// What closes each connection, also those that were given up, the oldest first.
    connections: RefCell<BTreeMap<u64, oneshot::Sender<()>>>,
    last_connection: Cell<u64>,
    /// Set when there is one less.
    connection_closed: Signal,
}

/// A key that the host wants templates for.
#[derive(Default)]
struct Key {
    current: Option<Current>,
    /// The number of the tip on which a provisional template was made.
    provisional_on: Option<u64>,
    /// The node refused to make one: not to be asked again before this.
    retry_at: Option<Instant>,
}

/// Runs until the host says stop.
pub(super) fn run(options: Settings, queue: Arc<Queue>) {
    let reactor = Reactor::default();
    let mut pool = LocalPool::new();
    let worker = Rc::new(Worker {
        options,
        reactor: reactor.clone(),
        queue: Arc::clone(&queue),
        state: RefCell::default(),
        is_test_chain: Cell::new(false),
        keys: RefCell::default(),
        templates: Templates::default(),
        unsubmitted: RefCell::default(),
        settled: Signal::default(),
        session: RefCell::default(),
        has_offered: Cell::new(false),
        fetching: futures::lock::Mutex::new(()),
        spawner: pool.spawner(),
        connections: RefCell::default(),
        last_connection: Cell::new(0),
        connection_closed: Signal::default(),
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let (mut stop, is_done) = (Some(stop), Rc::new(Cell::new(false)));
    let (its, done) = (Rc::clone(&worker), Rc::clone(&is_done));
    let main = async move {
        let work = select(Box::pin(its.obey()), Box::pin(its.stay_connected()));
        let end = async {
            let _ = stopped.await;
            its.finish_submissions().await;
        };
        select(work, Box::pin(end)).await;
        its.leave().await;
        done.set(true);
    };
    if pool.spawner().spawn_local(main).is_err() {
        return queue.fail();
    }
    while !is_done.get() {
        pool.run_until_stalled();
        if queue.is_stopping()
            && let Some(stop) = stop.take()
        {
            // What was said last, as that a block was found, is not to be lost.
            worker.do_commands();
            pool.run_until_stalled();
            let _ = stop.send(());
        } else if !is_done.get() {
            reactor.turn();
        }
    }
}

impl Worker {
    // ------------------------------------------------------------------------------------------------------- the host

    /// Does what the host says, as long as the thread lives.
    async fn obey(self: &Rc<Self>) {
        loop {
            self.do_commands();
            self.reactor.readable(self.queue.command_end()).await;
        }
    }

    fn do_commands(self: &Rc<Self>) {
        for command in self.queue.take_commands() {
            match command {
                Command::WantTemplate(key) => self.want(key),
                Command::DropTemplate(key) => drop(self.keys.borrow_mut().remove(&key)),
                Command::FreeTemplate(handle) => self.free(handle),
                Command::WantTransactions { template_id, node_handle } => {
                    self.want_transactions(template_id, node_handle);
                }
                Command::Submit(solution) => self.submit(solution),
            }
        }
    }

    fn want(&self, key: ConstraintKey) {
        let mut keys = self.keys.borrow_mut();
        let state = keys.entry(key).or_default();
        // What the host has freed it cannot use.
        if state.current.is_some_and(|current| current.is_freed) {
            state.current = None;
        }
        drop(keys);
        if let Some(session) = &*self.session.borrow() {
            session.work.set();
        }
    }

    fn free(&self, handle: u64) {
        self.templates.free(handle);
        for current in self.keys.borrow_mut().values_mut().filter_map(|key| key.current.as_mut()) {
            current.is_freed |= current.node_handle == handle;
        }
    }

    pub(super) fn push(&self, event: Event) {
        for needless in self.queue.push(event) {
            // Its key keeps it as current: the one that took its place is on the way.
            self.templates.free(needless);
        }
    }

    pub(super) fn log(&self, level: Level, text: String) {
        self.queue.log(level, text);
    }

    pub(super) fn set_state(&self, state: u32, version: u32, reason: String) {
        let new = Some((state, version, reason.clone()));
        if self.state.replace(new.clone()) != new {
            self.push(Event::State { state, version, is_test_chain: self.is_test_chain.get(), reason });
        }
    }

    // ---------------------------------------------------------------------------------------------------- connections

    /// Connects again and again, as long as the thread lives.
    async fn stay_connected(self: &Rc<Self>) {
        let mut retry = FIRST_RETRY;
        loop {
            self.wait_for_few_connections().await;
            self.has_offered.set(false);
            let ended = session::run(self).await;
            self.session.take();
            self.templates.lose_closed();
            for key in self.keys.borrow_mut().values_mut() {
                *key = Key::default();
            }
            self.is_test_chain.set(false);
            self.set_state(SV2_NODE_DOWN, 0, ended.why);
            self.give_out_kept();
            // One that fails at the first template each time is not to be tried ten times a second.
            if self.has_offered.get() || ended.ready_since.is_some_and(|since| since.elapsed() >= GOOD_AFTER) {
                retry = FIRST_RETRY;
            }
            self.reactor.sleep(retry).await;
            retry = LAST_RETRY.min(retry * 2);
        }
    }

    /// A node that hangs answers nothing over the connections that were given up either: they must not keep it from being tried.
    async fn wait_for_few_connections(&self) {
        while self.connections.borrow().len() >= MAX_CONNECTIONS {
            self.log(Level::Warning, format!("{MAX_CONNECTIONS} connections to the node wait for its answers"));
            if self.reactor.within(CONNECTIONS_PATIENCE, self.connection_closed.wait()).await.is_ok() {
                continue;
            }
            self.log(Level::Warning, "the oldest connection to the node is closed without its answer".to_owned());
            if let Some((_, close)) = self.connections.borrow_mut().pop_first() {
                let _ = close.send(());
            }
        }
    }

    /// Drives a connection, until the last word is said on it.
    pub(super) fn spawn_connection(self: &Rc<Self>, connection: impl Future<Output = ()> + 'static) {
        let worker = Rc::clone(self);
        let number = self.last_connection.get() + 1;
        self.last_connection.set(number);
        let (close, closing) = oneshot::channel();
        self.connections.borrow_mut().insert(number, close);
        self.spawn(async move {
            // What was left of it is gone with the pair.
            drop(select(Box::pin(connection), closing).await);
            worker.connections.borrow_mut().remove(&number);
            worker.templates.lose_closed();
            worker.connection_closed.set();
        });
    }

    /// Does something beside the rest, whatever becomes of the session.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let _ = self.spawner.spawn_local(task);
    }

    /// Lets the node answer for the blocks that were found, for a while.
    async fn finish_submissions(&self) {
        let all_answered = async {
            while self.unsubmitted.borrow().iter().any(|found| found.is_under_way()) {
                self.settled.wait().await;
            }
        };
        let _ = self.reactor.within(FAREWELL, all_answered).await;
    }

    /// Lets the node finish what it was asked, for a while.
    async fn leave(&self) {
        if let Some(session) = self.session.take() {
            self.spawn(session.interrupt());
        }
        self.templates.lose_remotes();
        let all_closed = async {
            while !self.connections.borrow().is_empty() {
                self.connection_closed.wait().await;
            }
        };
        let _ = self.reactor.within(FAREWELL, all_closed).await;
    }

    /// A session can give templates.
    pub(super) fn begin(self: &Rc<Self>, session: &Rc<Session>) {
        self.session.replace(Some(Rc::clone(session)));
        self.set_state(SV2_NODE_READY, session.mining.version(), String::new());
        self.resubmit(session);
    }

    pub(super) fn session(&self) -> Option<Rc<Session>> {
        self.session.borrow().clone()
    }

    // ------------------------------------------------------------------------------------------------------ templates

    /// Makes templates: at once for each key that has none on the tip, and better ones when the fees rose.
    ///
    /// Fees are watched by making a template for one key, the cheapest, every `update_interval`: clients are sent updates no
    /// more often than that. waitNext does the same in the node each second, under its main lock, for each template that waits.
    pub(super) async fn make_templates<N>(self: &Rc<Self>, session: &Rc<Session>) -> Result<N, CallError> {
        let mut looked_at = Instant::now();
        loop {
            self.make_provisional(session).await?;
            if let Some(key) = self.next_lacking(session.tip_number()) {
                match self.make(session, key, TemplateKind::Full).await {
                    Ok((remote, contents)) => self.offer(session, &[key], &remote, contents).await?,
                    Err(error) => self.postpone(key, error)?,
                }
                looked_at = Instant::now();
                continue;
            }
            let due = self.options.update_interval.saturating_sub(looked_at.elapsed());
            if due.is_zero() {
                self.look_at_fees(session).await?;
                looked_at = Instant::now();
            } else if self.keys.borrow().is_empty() {
                session.work.wait().await;
            } else {
                select(pin!(session.work.wait()), self.reactor.sleep(due)).await;
            }
        }
    }

    /// On a new tip, one template without transactions for all keys that had one on the tip before: it costs the node next to
    /// nothing, and is the same for every key, since there is nothing to leave out.
    async fn make_provisional(self: &Rc<Self>, session: &Rc<Session>) -> Result<(), CallError> {
        let tip = session.tip_number();
        let mut behind = Vec::new();
        for (key, state) in self.keys.borrow_mut().iter_mut() {
            let is_behind = state.current.is_some_and(|current| current.tip_number != tip);
            if is_behind && state.provisional_on.replace(tip) != Some(tip) {
                behind.push(*key);
            }
        }
        let Some(first) = behind.first() else { return Ok(()) };
        match self.make(session, *first, TemplateKind::Provisional).await {
            Ok((remote, contents)) => self.offer(session, &behind, &remote, contents).await,
            Err(error) if error.ends_session() => Err(error),
            Err(error) => {
                self.log(Level::Warning, format!("no template without transactions: {error}"));
                Ok(())
            }
        }
    }

    /// A key without a template on the tip of this number that may be asked for now.
    fn next_lacking(&self, tip: u64) -> Option<ConstraintKey> {
        let lacks = |key: &Key| key.current.is_none_or(|current| current.tip_number != tip);
        let may_ask = |key: &Key| key.retry_at.is_none_or(|at| at <= Instant::now());
        self.keys.borrow().iter().find(|(_, key)| lacks(key) && may_ask(key)).map(|(key, _)| *key)
    }

    async fn make(
        &self,
        session: &Session,
        key: ConstraintKey,
        kind: TemplateKind,
    ) -> Result<(Rc<Remote>, Made), CallError> {
        let use_mempool = kind == TemplateKind::Full;
        let (template, contents) = session.call(session.mining.create(&session.threads, key, use_mempool)).await?;
        Ok((Remote::new(template, session.threads.clone(), session.discarded.clone()), Made { kind, contents }))
    }

    /// The node gave no template for a key: not again before the next interval.
    fn postpone(&self, key: ConstraintKey, error: CallError) -> Result<(), CallError> {
        if error.ends_session() {
            return Err(error);
        }
        self.log(Level::Error, format!("no template with {key}: {error}"));
        if let Some(key) = self.keys.borrow_mut().get_mut(&key) {
            key.retry_at = Instant::now().checked_add(self.options.update_interval);
        }
        Ok(())
    }

    /// Gives a template to the host, for each of the keys, unless it is on another tip than the node's.
    async fn offer(
        self: &Rc<Self>,
        session: &Rc<Session>,
        keys: &[ConstraintKey],
        remote: &Rc<Remote>,
        made: Made,
    ) -> Result<(), CallError> {
        let header = made.contents.header;
        if header.prev_hash != session.tip() {
            // One of the two came too late: the node knows which.
            if let Some(tip) = session.call(session.mining.tip(&session.threads)).await? {
                session.set_tip(self, tip);
            }
            if header.prev_hash != session.tip() {
                return Ok(());
            }
        }
        let template = made.into_template();
        let is_empty = template.merkle_path.is_empty();
        for key in keys {
            let (node_handle, held) = self.templates.add(*key, Rc::clone(remote));
            let template = Template { node_handle, ..template.clone() };
            if !self.note(*key, session.tip_number(), &template) {
                // It was dropped meanwhile.
                self.templates.free(node_handle);
                continue;
            }
            self.has_offered.set(true);
            self.push(Event::TemplateReady { key: *key, template });
            self.keep_or_fetch_transactions(session, held, is_empty);
        }
        Ok(())
    }

    /// Notes that a key has a template; false if it is not wanted any more.
    fn note(&self, key: ConstraintKey, tip_number: u64, template: &Template) -> bool {
        let mut keys = self.keys.borrow_mut();
        let Some(state) = keys.get_mut(&key) else { return false };
        if template.kind == TemplateKind::Full {
            state.retry_at = None;
            state.current = Some(Current {
                node_handle: template.node_handle,
                tip_number,
                prev_hash: template.prev_hash,
                nbits: template.nbits,
                value: template.coinbase_tx_value_remaining,
                is_freed: false,
            });
        }
        true
    }

    /// Makes a template for the cheapest key, and if it is worth enough more, for all.
    async fn look_at_fees(self: &Rc<Self>, session: &Rc<Session>) -> Result<(), CallError> {
        let cheapest = self.keys.borrow().iter().find_map(|(key, state)| Some((*key, state.current?)));
        let Some((key, current)) = cheapest else { return Ok(()) };
        let (remote, made) = match self.make(session, key, TemplateKind::Full).await {
            Ok(made) => made,
            Err(error) => return self.postpone(key, error),
        };
        let header = made.contents.header;
        let is_other_work = header.prev_hash != current.prev_hash || header.nbits != current.nbits;
        let risen = made.contents.coinbase.value_remaining.saturating_sub(current.value);
        if !is_other_work && risen < self.options.fee_threshold_sat {
            return Ok(());
        }
        if header.prev_hash == current.prev_hash {
            for (_, state) in self.keys.borrow_mut().iter_mut().filter(|(other, _)| **other != key) {
                state.current = None;
            }
        }
        self.offer(session, &[key], &remote, made).await
    }
}

/// A template as it came from the node.
struct Made {
    kind: TemplateKind,
    contents: Contents,
}

impl Made {
    /// As the engine wants it, without a handle.
    fn into_template(self) -> Template {
        let Contents { header, coinbase, merkle_path } = self.contents;
        Template {
            version: header.version,
            coinbase_tx_version: coinbase.version,
            coinbase_prefix: coinbase.script_sig_prefix,
            coinbase_tx_input_sequence: coinbase.sequence,
            coinbase_tx_value_remaining: coinbase.value_remaining,
            coinbase_tx_outputs_count: coinbase.outputs_count,
            coinbase_tx_outputs: coinbase.outputs,
            coinbase_tx_locktime: coinbase.lock_time,
            merkle_path,
            prev_hash: header.prev_hash,
            header_timestamp: header.time,
            nbits: header.nbits,
            target: None,
            kind: self.kind,
            node_handle: 0,
        }
    }
}
