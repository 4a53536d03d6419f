//! Threads of the node, on which it runs our calls.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bitcoin_capnp_types_newer::proxy_capnp::{thread, thread_map};
use capnp::capability::FromClientHook;

/// Threads made for this connection. One carries out one call at a time.
///
/// Calls that are sent together each get a thread of their own: version 30 ends its process when calls pile up on one. A
/// thread whose call was never answered is not used again.
#[derive(Clone)]
pub(super) struct Threads(Rc<Pool>);

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
    pub(super) fn new(map: thread_map::Client) -> Self {
        Self(Rc::new(Pool { map, idle: RefCell::default(), made: Cell::new(0) }))
    }

    /// An idle thread, or a new one. It need not be there yet to be named in a call.
    pub(super) fn lease(&self) -> Lease {
        let idle = self.0.idle.borrow_mut().pop();
        let thread = idle.unwrap_or_else(|| {
            self.0.made.set(self.0.made.get() + 1);
            let mut request = self.0.map.make_thread_request();
            request.get().set_name(format!("sv2 {}", self.0.made.get()));
            request.send().pipeline.get_result()
        });
        Lease { thread, pool: Rc::clone(&self.0) }
    }
}

impl Lease {
    /// The thread, in the types of any schema: it is the same in all.
    pub(super) fn client<T: FromClientHook>(&self) -> T {
        T::new(self.thread.client.hook.add_ref())
    }

    /// The call came back: the thread is free for the next.
    pub(super) fn answered(self) {
        self.pool.idle.borrow_mut().push(self.thread);
    }
}
