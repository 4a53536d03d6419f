//! The templates that the host was given, and what is kept of each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures::channel::mpsc::UnboundedSender;
use sv2_core::bitcoin::Hash;
use sv2_core::template::ConstraintKey;

use super::api::{self, Transactions};

/// For how many of the newest templates of each key the transactions are kept. Miners work on the newest, and for a moment on
/// the one before.
const TEMPLATES_WITH_TRANSACTIONS: usize = 2;

/// A template that the host knows by its handle. It outlives the connection it came over.
pub(super) struct Held {
    pub(super) key: ConstraintKey,
    /// The template in the node; `None` once the connection is gone.
    pub(super) remote: RefCell<Option<Rc<Remote>>>,
    /// The transactions, as long as they are kept. With them a block can be put together without the node.
    pub(super) transactions: RefCell<Option<Arc<Transactions>>>,
}

/// A template in the node. The last to drop it lets the node forget it, so nothing is ever under way on it then.
pub(super) struct Remote {
    pub(super) template: api::Template,
    /// A submission changes the template in the node, without a lock there: it must be the only call that touches the block.
    pub(super) busy: futures::lock::Mutex<()>,
    discarded: UnboundedSender<api::Template>,
}

impl Remote {
    pub(super) fn new(template: api::Template, discarded: UnboundedSender<api::Template>) -> Rc<Self> {
        Rc::new(Self { template, busy: futures::lock::Mutex::new(()), discarded })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Without a receiver the connection is gone, and the node has forgotten everything.
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
    }

    /// The connection is gone, and with it what the node held.
    pub(super) fn lose_remotes(&self) {
        for held in self.held.borrow().values() {
            held.remote.take();
        }
    }
}
