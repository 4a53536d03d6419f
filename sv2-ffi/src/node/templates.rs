//! The templates that the host was given, and what is kept of each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures::channel::mpsc::UnboundedSender;
use sv2_core::bitcoin::Hash;
use sv2_core::template::ConstraintKey;

use super::api::{self, Transactions};
use super::threads::Threads;

/// For how many of the newest templates of each key the transactions are kept. Miners work on the newest, and for a moment on
/// the one before.
const TEMPLATES_WITH_TRANSACTIONS: usize = 2;

/// Most bytes of transactions to keep, of all templates: those of the oldest go first.
const MAX_TRANSACTION_BYTES: usize = 64 << 20;

/// A template that the host knows by its handle. It outlives the connection it came over.
pub(super) struct Held {
    pub(super) key: ConstraintKey,
    /// The template in the node; `None` once the connection is gone.
    remote: RefCell<Option<Rc<Remote>>>,
    /// The transactions, as long as they are kept. With them a block can be put together without the node.
    pub(super) transactions: RefCell<Option<Arc<Transactions>>>,
}

impl Held {
    /// The template in the node, as long as the connection it came over is open: also when another has taken its place, since a
    /// block can be submitted over the old one, and in versions 30 and 31 over no other.
    pub(super) fn remote(&self) -> Option<Rc<Remote>> {
        self.remote.borrow().clone().filter(|remote| remote.threads.is_open())
    }
}

/// A template in the node. The last to drop it lets the node forget it, so nothing is ever under way on it then.
pub(super) struct Remote {
    pub(super) template: api::Template,
    /// Those of its connection, which they keep open.
    pub(super) threads: Threads,
    /// A submission changes the template in the node, without a lock there: it must be the only call that touches the block.
    pub(super) busy: futures::lock::Mutex<()>,
    discarded: UnboundedSender<api::Template>,
}

impl Remote {
    pub(super) fn new(
        template: api::Template,
        threads: Threads,
        discarded: UnboundedSender<api::Template>,
    ) -> Rc<Self> {
        Rc::new(Self { template, threads, busy: futures::lock::Mutex::new(()), discarded })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Without a receiver the session is over: then the node forgets what is released.
        let _ = self.discarded.unbounded_send(self.template.clone());
    }
}

/// The best template of a key on a tip.
#[derive(Clone, Copy)]
pub(super) struct Current {
    pub(super) node_handle: u64,
    /// Of which tip since the connection was made: one that comes back is another.
    pub(super) tip_number: u64,
    pub(super) prev_hash: Hash,
    pub(super) nbits: u32,
    pub(super) value: u64,
    /// The host has freed it.
    pub(super) is_freed: bool,
}

/// All templates that the host has not freed, by handle.
#[derive(Default)]
pub(super) struct Templates {
    held: RefCell<BTreeMap<u64, Rc<Held>>>,
    last_handle: Cell<u64>,
}

impl Templates {
    /// A template that the host is about to be given: its handle. Handles are never used twice.
    pub(super) fn add(&self, key: ConstraintKey, remote: Rc<Remote>) -> (u64, Rc<Held>) {
        let handle = self.last_handle.get() + 1;
        self.last_handle.set(handle);
        let held = Rc::new(Held { key, remote: RefCell::new(Some(remote)), transactions: RefCell::default() });
        self.held.borrow_mut().insert(handle, Rc::clone(&held));
        (handle, held)
    }

    pub(super) fn get(&self, handle: u64) -> Option<Rc<Held>> {
        self.held.borrow().get(&handle).cloned()
    }

    pub(super) fn free(&self, handle: u64) {
        self.held.borrow_mut().remove(&handle);
    }

    /// Keeps the transactions of a template, and no longer those of older ones.
    pub(super) fn keep_transactions(&self, of: &Rc<Held>, transactions: Arc<Transactions>) {
        of.transactions.replace(Some(transactions));
        let held = self.held.borrow();
        let same_key = held.values().rev().filter(|held| held.key == of.key);
        for older in same_key.skip(TEMPLATES_WITH_TRANSACTIONS) {
            older.transactions.take();
        }
        let mut room = MAX_TRANSACTION_BYTES;
        for held in held.values().rev() {
            let len = held.transactions.borrow().as_ref().map_or(0, |kept| kept.len_in_bytes());
            match room.checked_sub(len) {
                Some(left) => room = left,
                None => drop(held.transactions.take()),
            }
        }
    }

    /// Whether the transactions of a template would be kept.
    pub(super) fn is_recent(&self, of: &Rc<Held>) -> bool {
        let held = self.held.borrow();
        let same_key = held.values().rev().filter(|held| held.key == of.key);
        same_key.take(TEMPLATES_WITH_TRANSACTIONS).any(|held| Rc::ptr_eq(held, of))
    }

    /// Connections are gone, and with them what the node held.
    pub(super) fn lose_closed(&self) {
        for held in self.held.borrow().values() {
            let is_closed = held.remote.borrow().as_ref().is_some_and(|remote| !remote.threads.is_open());
            if is_closed {
                held.remote.take();
            }
        }
    }

    /// Nothing more is wanted of the node.
    pub(super) fn lose_remotes(&self) {
        for held in self.held.borrow().values() {
            held.remote.take();
        }
    }
}
