//! Calls under way, and the threads of the node that carry them out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bitcoin_capnp_types_newer::proxy_capnp::{thread, thread_map};
use capnp::capability::{FromClientHook, Promise};
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::channel::oneshot;
use futures::future::{Either, FutureExt, LocalBoxFuture, select};
use futures::stream::FuturesUnordered;

use super::error::CallError;

/// Calls that the node has not answered. A call that was sent is always waited for, also when nobody wants the answer any more:
/// version 31 crashes when a call is given up, or its connection closed, while it runs.
#[derive(Clone)]
pub(super) struct Calls(UnboundedSender<LocalBoxFuture<'static, ()>>);

impl Calls {
    /// And what drives them: it ends when the last of these is dropped and all calls are answered.
    pub(super) fn new() -> (Self, impl Future<Output = ()>) {
        let (calls, new) = unbounded();
        (Self(calls), drive(new))
    }

    /// The answer to a call that was sent on `thread`.
    pub(super) async fn answer<T: 'static>(
        &self,
        thread: Option<Lease>,
        promise: impl Future<Output = Result<T, capnp::Error>> + 'static,
    ) -> Result<T, CallError> {
        let (sender, receiver) = oneshot::channel();
        let call = async move {
            let answer = promise.await;
            if let Some(thread) = thread {
                thread.answered();
            }
            // Perhaps nobody wants to know.
            let _ = sender.send(answer);
        };
        let _ = self.0.unbounded_send(call.boxed_local());
        match receiver.await {
            Ok(answer) => Ok(answer?),
            Err(oneshot::Canceled) => Err(CallError::Lost("it was closed".to_owned())),
        }
    }
}

async fn drive(mut new: UnboundedReceiver<LocalBoxFuture<'static, ()>>) {
    let mut running = FuturesUnordered::new();
    while let Some(call) = new.next().await {
        running.push(call);
        while !running.is_empty() {
            match select(new.next(), running.next()).await {
                Either::Left((Some(call), _)) => running.push(call),
                Either::Left((None, _)) => while running.next().await.is_some() {},
                Either::Right(_) => {}
            }
        }
    }
}

/// Threads made for a connection. One carries out one call at a time.
///
/// Calls that are sent together each get a thread of their own: version 30 ends its process when calls pile up on one.
#[derive(Clone)]
pub(super) struct Threads {
    pool: Rc<Pool>,
    calls: Calls,
}

struct Pool {
    map: thread_map::Client,
    idle: RefCell<Vec<thread::Client>>,
    made: Cell<u32>,
}

/// A thread, for one call.
pub(super) struct Lease {
    thread: thread::Client,
    pool: Rc<Pool>,
}

impl Threads {
    pub(super) fn new(map: thread_map::Client, calls: Calls) -> Self {
        Self { pool: Rc::new(Pool { map, idle: RefCell::default(), made: Cell::new(0) }), calls }
    }

    /// Whether the connection is there: also one that was given up may still answer.
    pub(super) fn is_open(&self) -> bool {
        !self.calls.0.is_closed()
    }

    /// An idle thread, or a new one. It need not be there yet to be named in a call.
    pub(super) fn lease(&self) -> Lease {
        let idle = self.pool.idle.borrow_mut().pop();
        let thread = idle.unwrap_or_else(|| {
            self.pool.made.set(self.pool.made.get() + 1);
            let mut request = self.pool.map.make_thread_request();
            request.get().set_name(format!("sv2 {}", self.pool.made.get()));
            request.send().pipeline.get_result()
        });
        Lease { thread, pool: Rc::clone(&self.pool) }
    }

    /// The answer to a call; `thread` is `None` for those that run in the node's event loop.
    pub(super) async fn answer<T: 'static>(
        &self,
        thread: Option<Lease>,
        promise: Promise<T, capnp::Error>,
    ) -> Result<T, CallError> {
        self.calls.answer(thread, promise).await
    }
}

impl Lease {
    /// The thread, in the types of any schema: it is the same in all.
    pub(super) fn client<T: FromClientHook>(&self) -> T {
        T::new(self.thread.client.hook.add_ref())
    }

    /// The call came back: the thread is free for the next.
    fn answered(self) {
        self.pool.idle.borrow_mut().push(self.thread);
    }
}
