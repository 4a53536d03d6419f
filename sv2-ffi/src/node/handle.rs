//! The node as an object of C.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use libc::c_int;
use sv2_core::bitcoin::Header;
use sv2_core::template::{ConstraintKey, MAX_BLOCK_WEIGHT, MIN_RESERVED_WEIGHT, Solution};

use super::event::Lent;
use super::queue::{Command, Event, Queue};
use super::types::*;
use super::worker::{self, Settings};
use crate::boundary::{Object, enter_status, fence, fenced, free, hand_out};
use crate::options::read_options;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_INTERNAL, SV2_ERROR_NULL, SV2_NO_EVENT, SV2_OK, SV2_STALE, SV2_SUBMIT_REFUSED,
    SV2_SUBMIT_TAKEN, SV2_TEMPLATE_EVENT_DROP_TEMPLATE, SV2_TEMPLATE_EVENT_SUBMIT_BLOCK,
    SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED, SV2_TEMPLATE_EVENT_WANT_TEMPLATE, SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS,
    sv2_constraint_key, sv2_log, sv2_solution, sv2_status, sv2_template_event, sv2_template_provider,
    sv2_template_provider_node_state, sv2_template_provider_submit_result, sv2_template_provider_template_ready,
    sv2_template_provider_tip_changed, sv2_template_provider_transactions_ready, sv2_time,
};

/// Bitcoin Core over IPC, versions 30, 31 and newer: the node behind a template provider. In builds with the feature node-ipc only.
///
/// It has a thread of its own, which connects, and connects again when the node was gone; no function waits for the node. The
/// loop of its user: poll sv2_node_fd; when it is readable, take all events with sv2_node_next_event and hand each to
/// sv2_node_deliver, which gives it to the template provider. Hand each event of the provider to sv2_node_handle; it does what
/// concerns the node. The rest of both is the program's: sockets, SV2_NODE_EVENT_STATE, SV2_NODE_EVENT_SUBMIT_RESULT and
/// SV2_NODE_EVENT_BLOCK.
///
/// ```c
/// while (sv2_node_next_event(node, &from_node) == SV2_OK)
///     sv2_node_deliver(node, &from_node, provider, now());
/// while (sv2_template_provider_next_event(provider, &event) == SV2_OK)
///     if (sv2_node_handle(node, &event) == SV2_NO_EVENT)
///         on_socket_event(&event);
/// ```
pub struct sv2_node {
    poisoned: bool,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    log: sv2_log,
    lent: Lent,
}

impl Object for sv2_node {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

impl Drop for sv2_node {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: see `run`.
            let _ = thread.join();
        }
    }
}

/// Starts a client; free it with sv2_node_free. It is no error that the node is not there: SV2_NODE_EVENT_STATE says so.
///
/// Returns SV2_ERROR_ARGUMENT without a socket_path or with one that is too long for a socket, SV2_ERROR_INTERNAL if the
/// operating system gives no thread or no file descriptors.
///
/// # Safety
/// `options` and what it points to are readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_new(options: *const sv2_node_options, out: *mut *mut sv2_node) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let options = match unsafe { read_options(options) } {
            Ok(options) => options,
            Err(status) => return status,
        };
        let Some(settings) = (unsafe { options.read() }) else { return SV2_ERROR_ARGUMENT };
        let Ok(queue) = Queue::new() else { return SV2_ERROR_INTERNAL };
        let queue = Arc::new(queue);
        let its_queue = Arc::clone(&queue);
        let builder = std::thread::Builder::new().name("sv2-node".to_owned());
        let thread = without_signals(|| builder.spawn(move || run(settings, its_queue)));
        let Ok(thread) = thread else { return SV2_ERROR_INTERNAL };
        let node = sv2_node { poisoned: false, queue, thread: Some(thread), log: options.log, lent: Lent::default() };
        unsafe { hand_out(out, node) }
    })
}

/// Runs `start`, which starts a thread, with all signals blocked; the thread keeps it so: the program's signals go to its own
/// threads.
fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}

/// The thread; a panic of it makes the object unusable.
fn run(settings: Settings, queue: Arc<Queue>) {
    let its_queue = Arc::clone(&queue);
    if catch_unwind(AssertUnwindSafe(|| worker::run(settings, its_queue))).is_err() {
        queue.fail();
    }
}

impl sv2_node_options {
    /// # Safety
    /// `socket_path` is valid for its length.
    unsafe fn read(&self) -> Option<Settings> {
        /// The size of sockaddr_un's path, its NUL left out.
        const MAX_PATH_LEN: usize = 107;
        /// Each look at the fees costs the node a template, under its main lock.
        const MIN_UPDATE_INTERVAL: Duration = Duration::from_secs(1);
        let path = unsafe { self.socket_path.as_slice() };
        if path.is_empty() || path.len() > MAX_PATH_LEN || path.contains(&0) {
            return None;
        }
        let or = |value: u64, usual: u64| if value == 0 { usual } else { value };
        Some(Settings {
            path: PathBuf::from(OsStr::from_bytes(path)),
            fee_threshold_sat: or(self.fee_threshold_sat, 1_000),
            update_interval: Duration::from_millis(or(self.update_interval_ms, 5_000)).max(MIN_UPDATE_INTERVAL),
            call_timeout: Duration::from_millis(or(self.call_timeout_ms, 30_000)),
        })
    }
}

/// A file descriptor that is readable while there are events: poll it, never read it. It belongs to the node, and is closed by
/// sv2_node_free. -1 if `node` is NULL.
///
/// # Safety
/// `node` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_fd(node: *mut sv2_node) -> c_int {
    match unsafe { node.as_ref() } {
        Some(node) => node.queue.event_fd(),
        None => -1,
    }
}

/// What the node did, into `*event`. Returns SV2_OK, or SV2_NO_EVENT when there is nothing. Lines of the log go to the sink of the
/// options meanwhile.
///
/// # Safety
/// `node` is live, `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_next_event(node: *mut sv2_node, event: *mut sv2_node_event) -> sv2_status {
    if event.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_node| {
        loop {
            match this.queue.next_event() {
                Ok(Some(Event::Log { level, text })) => unsafe { this.log.line(level, &text) },
                Ok(Some(next)) => {
                    if let Some(next) = this.lent.event(next) {
                        unsafe { event.write(next) };
                        return SV2_OK;
                    }
                }
                Ok(None) => return SV2_NO_EVENT,
                Err(()) => return SV2_ERROR_INTERNAL,
            }
        }
    };
    unsafe { enter_status(node, body) }
}

/// Gives an event of the node to the template provider, which all but SV2_NODE_EVENT_BLOCK concern. Templates that the provider
/// refuses are freed, and made again if they came too late.
///
/// Returns what the provider's function returned, SV2_OK for events that do not concern it. SV2_NOT_FOUND and SV2_STALE need no
/// action.
///
/// # Safety
/// `node` and `provider` are live, `event` is of the node's last sv2_node_next_event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_deliver(
    node: *mut sv2_node,
    event: *const sv2_node_event,
    provider: *mut sv2_template_provider,
    now: sv2_time,
) -> sv2_status {
    let Some(event) = (unsafe { event.as_ref() }) else { return SV2_ERROR_NULL };
    if provider.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_node| unsafe {
        match event.r#type {
            SV2_NODE_EVENT_STATE => sv2_template_provider_node_state(provider, event.r#as.state.state, now),
            SV2_NODE_EVENT_TIP_CHANGED => sv2_template_provider_tip_changed(provider, &event.r#as.tip_changed, now),
            SV2_NODE_EVENT_TEMPLATE_READY => {
                let ready = &event.r#as.template_ready;
                let id = std::ptr::null_mut();
                let status = sv2_template_provider_template_ready(provider, ready.key, &ready.template_, now, id);
                if status != SV2_OK {
                    let _ = this.queue.command(Command::FreeTemplate(ready.template_.node_handle));
                }
                if status == SV2_STALE {
                    let _ = this.queue.command(Command::WantTemplate(ready.key.into()));
                }
                status
            }
            SV2_NODE_EVENT_TRANSACTIONS => {
                let answer = &event.r#as.transactions;
                let list = if answer.available != 0 { &raw const answer.transactions } else { std::ptr::null() };
                sv2_template_provider_transactions_ready(provider, answer.template_id, list, now)
            }
            SV2_NODE_EVENT_SUBMIT_RESULT => {
                let answer = &event.r#as.submit_result;
                let result = if answer.accepted != 0 { SV2_SUBMIT_TAKEN } else { SV2_SUBMIT_REFUSED };
                sv2_template_provider_submit_result(provider, &answer.block_hash, result, now)
            }
            _ => SV2_OK,
        }
    };
    unsafe { enter_status(node, body) }
}

/// Does what an event of the template provider asks of the node. Returns SV2_OK, or SV2_NO_EVENT if the event does not concern the
/// node: it is the program's.
///
/// # Safety
/// `node` is live, `event` and what it points to are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_handle(node: *mut sv2_node, event: *const sv2_template_event) -> sv2_status {
    let Some(event) = (unsafe { event.as_ref() }) else { return SV2_ERROR_NULL };
    unsafe {
        match event.r#type {
            SV2_TEMPLATE_EVENT_SUBMIT_BLOCK => sv2_node_submit(node, &event.r#as.submit_block),
            SV2_TEMPLATE_EVENT_WANT_TEMPLATE => sv2_node_want_template(node, event.r#as.want_template),
            SV2_TEMPLATE_EVENT_DROP_TEMPLATE => sv2_node_drop_template(node, event.r#as.drop_template),
            SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED => {
                sv2_node_free_template(node, event.r#as.template_expired.node_handle)
            }
            SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS => {
                let wanted = event.r#as.want_transactions;
                sv2_node_want_transactions(node, wanted.template_id, wanted.node_handle)
            }
            _ if node.is_null() => SV2_ERROR_NULL,
            _ => SV2_NO_EVENT,
        }
    }
}

/// Templates for `key` are wanted: one on the present tip, unless one was given and is not freed; then on each new tip, and when
/// fees rose; until sv2_node_drop_template. Each comes as SV2_NODE_EVENT_TEMPLATE_READY.
///
/// Returns SV2_ERROR_ARGUMENT for a key that no node can satisfy: less than 2,000 or more than 4,000,000 weight units.
///
/// # Safety
/// `node` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_want_template(node: *mut sv2_node, key: sv2_constraint_key) -> sv2_status {
    if !(MIN_RESERVED_WEIGHT..=MAX_BLOCK_WEIGHT).contains(&key.reserved_weight) {
        return if node.is_null() { SV2_ERROR_NULL } else { SV2_ERROR_ARGUMENT };
    }
    unsafe { command(node, || Command::WantTemplate(ConstraintKey::from(key))) }
}

/// No more templates for `key` are wanted. Those that were given stay.
///
/// # Safety
/// `node` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_drop_template(node: *mut sv2_node, key: sv2_constraint_key) -> sv2_status {
    unsafe { command(node, || Command::DropTemplate(ConstraintKey::from(key))) }
}

/// A template is no longer needed: the node may forget it.
///
/// # Safety
/// `node` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_free_template(node: *mut sv2_node, node_handle: u64) -> sv2_status {
    unsafe { command(node, || Command::FreeTemplate(node_handle)) }
}

/// The transactions of a template are wanted: they come as SV2_NODE_EVENT_TRANSACTIONS, or the word that there are none any more.
///
/// # Safety
/// `node` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_want_transactions(
    node: *mut sv2_node,
    template_id: u64,
    node_handle: u64,
) -> sv2_status {
    unsafe { command(node, || Command::WantTransactions { template_id, node_handle }) }
}

/// A block was found: hands it to the node. What `solution` points to is copied; of it node_handle, header, block_hash and
/// coinbase_tx count. What became of it comes as SV2_NODE_EVENT_SUBMIT_RESULT, the whole block as SV2_NODE_EVENT_BLOCK.
///
/// A node that is slow is waited for: a submission has no time limit, and one that fell behind with another call is still given the
/// block over the connection its template came over. If that connection is gone, or goes before the node answers, the block is kept,
/// as long as its transactions are known: those of the two newest templates of each key are, up to 64 MiB in all. When the node is
/// back the block is handed in again; versions 30 and 31 take no whole blocks over IPC, and the result says that it could not be
/// submitted. Returns SV2_ERROR_INTERNAL, as the other functions that ask something of the node, if the thread has failed.
///
/// # Safety
/// `node` is live, `solution` and what it points to are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_submit(node: *mut sv2_node, solution: *const sv2_solution) -> sv2_status {
    let Some(solution) = (unsafe { solution.as_ref() }) else { return SV2_ERROR_NULL };
    let found = || {
        Command::Submit(Solution {
            connection: solution.connection,
            template_id: solution.template_id,
            node_handle: solution.node_handle,
            header: Header::from(solution.header),
            block_hash: solution.block_hash.bytes,
            meets_target: solution.meets_target != 0,
            coinbase_tx: unsafe { solution.coinbase_tx.as_slice() }.to_vec(),
        })
    };
    unsafe { command(node, found) }
}

/// Ends the thread and frees the client. NULL is allowed. The node forgets its templates.
///
/// What the node was asked before is still carried out, a submission above all. That takes milliseconds, half a second with version
/// 30, and two seconds at most, with a node that hangs. A program should not end without this call: version 31 of the node may crash when a
/// client vanishes while it carries out a call.
///
/// # Safety
/// `node` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_node_free(node: *mut sv2_node) {
    fence((), || unsafe { free(node) });
}

/// # Safety
/// `node` is NULL or live.
unsafe fn command(node: *mut sv2_node, command: impl FnOnce() -> Command) -> sv2_status {
    let body = |this: &mut sv2_node| match this.queue.command(command()) {
        Ok(()) => SV2_OK,
        Err(()) => SV2_ERROR_INTERNAL,
    };
    unsafe { enter_status(node, body) }
}
