//! Blocks that were found: handed to the node, and kept until it has answered.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use sv2_core::bitcoin::assemble;
use sv2_core::template::{Level, Solution};

use super::api::{Submitted, Transactions};
use super::error::CallError;
use super::queue::Event;
use super::session::Session;
use super::templates::{Held, Remote};
use super::worker::Worker;

/// Most blocks to keep while the node is away. A template is rarely solved twice, and its tip does not live for ever.
const MAX_UNSUBMITTED: usize = 16;

/// Why a block that is not whole can no longer be submitted.
const GONE: &str = "the node is gone, and with it the template's transactions";

/// A block that the node has not answered for.
pub(super) struct Unsubmitted {
    solution: Solution,
    held: Rc<Held>,
    /// With them the block is whole, and can be handed in over another connection. They may become known after the solution.
    transactions: RefCell<Option<Arc<Transactions>>>,
    /// Whether the host was given the block.
    is_given_out: Cell<bool>,
    /// Whether the node was asked, and may still answer.
    is_under_way: Cell<bool>,
}

/// A node may take long over a block: it writes its whole cache to the disk at times. So no submission has a limit, and none ends
/// with the session: it is lost only when its connection is.
impl Worker {
    /// Hands a solution to the node, at once if the connection of its template is there.
    pub(super) fn submit(self: &Rc<Self>, solution: Solution) {
        if self.unsubmitted.borrow().iter().any(|kept| kept.solution.block_hash == solution.block_hash) {
            // The engine hands it out again when the node is back; so do we.
            return;
        }
        let Some(held) = self.templates.get(solution.node_handle) else {
            return self.not_submitted(&solution, "its template was freed or never given out");
        };
        let remote = held.remote();
        let transactions = held.transactions.clone();
        let (is_given_out, is_under_way) = (Cell::new(false), Cell::new(remote.is_some()));
        let found = Rc::new(Unsubmitted { solution, held, transactions, is_given_out, is_under_way });
        if let Some(remote) = remote {
            self.keep(&found);
            let worker = Rc::clone(self);
            return self.spawn(async move { worker.submit_to(&remote, &found).await });
        }
        if found.kept_transactions().is_none() {
            return self.not_submitted(&found.solution, GONE);
        }
        self.keep(&found);
        self.give_out(&found);
        if let Some(session) = self.session() {
            self.submit_whole(&session, &found);
        }
    }

    async fn submit_to(self: &Rc<Self>, remote: &Rc<Remote>, found: &Rc<Unsubmitted>) {
        let Solution { header, coinbase_tx, .. } = &found.solution;
        let answer = {
            let _only_call = remote.busy.lock().await;
            remote.template.submit(&remote.threads, header, coinbase_tx).await
        };
        let failure = answer.map(|submitted| self.settle(found, submitted)).err();
        let fetched = self.fetch_transactions(&found.held).await;
        if let Ok(transactions) = &fetched {
            found.transactions.replace(Some(Arc::clone(transactions)));
        }
        let is_whole = found.kept_transactions().is_some();
        match &fetched {
            _ if is_whole => self.give_out(found),
            Err(error) => {
                let hash = sv2_core::bitcoin::RpcHex(found.solution.block_hash);
                self.log(Level::Warning, format!("block {hash} cannot be stored: {error}"));
            }
            Ok(_) => {}
        }
        found.is_under_way.set(false);
        self.settled.set();
        match failure {
            None => {}
            Some(error) if error.ends_session() && !is_whole => self.fail(found, GONE),
            // Perhaps it takes the block by itself.
            Some(error) if is_whole && (error.ends_session() || remote.template.has_submit_block()) => {
                self.log(Level::Warning, format!("a submission failed, the whole block is handed in: {error}"));
                if let Some(session) = self.session() {
                    self.submit_whole(&session, found);
                }
            }
            Some(error) => self.fail(found, &error.to_string()),
        }
    }

    /// The session has ended. Blocks that are whole are given to the host: it may take long until the node answers for them.
    pub(super) fn give_out_kept(&self) {
        let unsubmitted = self.unsubmitted.borrow().clone();
        unsubmitted.iter().for_each(|found| self.give_out(found));
    }

    /// Hands in, over a new connection, the whole blocks that an earlier one gave no answer for.
    pub(super) fn resubmit(self: &Rc<Self>, session: &Rc<Session>) {
        let unsubmitted = self.unsubmitted.borrow().clone();
        unsubmitted.iter().filter(|found| !found.is_under_way()).for_each(|found| self.submit_whole(session, found));
    }

    /// Hands in a block that does not need its template. If the connection is lost it stays kept for the next.
    fn submit_whole(self: &Rc<Self>, session: &Rc<Session>, found: &Rc<Unsubmitted>) {
        let Some(block) = found.block() else { return };
        found.is_under_way.set(true);
        let (worker, session, found) = (Rc::clone(self), Rc::clone(session), Rc::clone(found));
        self.spawn(async move {
            let answer = session.mining.submit_block(&session.threads, &block).await;
            found.is_under_way.set(false);
            match answer {
                Ok(submitted) => worker.settle(&found, submitted),
                Err(error) if error.ends_session() => {
                    let other = worker.session().filter(|other| !Rc::ptr_eq(other, &session));
                    if let Some(other) = other {
                        worker.submit_whole(&other, &found);
                    }
                    worker.settled.set();
                }
                Err(CallError::Unimplemented) => worker.fail(
                    &found,
                    &format!(
                        "version {} of the node takes no whole blocks over IPC: hand in the stored block with its submitblock",
                        session.mining.version()
                    ),
                ),
                Err(error) => worker.fail(&found, &error.to_string()),
            }
        });
    }

    fn keep(&self, new: &Rc<Unsubmitted>) {
        let mut kept = self.unsubmitted.borrow_mut();
        let oldest = (kept.len() >= MAX_UNSUBMITTED).then(|| kept.remove(0));
        kept.push(Rc::clone(new));
        drop(kept);
        if let Some(oldest) = oldest {
            self.not_submitted(&oldest.solution, "too many blocks wait for the node");
        }
    }

    /// False if it was not kept any more: then the host has been told what became of it.
    fn unkeep(&self, found: &Rc<Unsubmitted>) -> bool {
        let mut kept = self.unsubmitted.borrow_mut();
        let before = kept.len();
        kept.retain(|kept| !Rc::ptr_eq(kept, found));
        self.settled.set();
        kept.len() < before
    }

    /// The node has answered.
    fn settle(&self, found: &Rc<Unsubmitted>, submitted: Submitted) {
        if !self.unkeep(found) {
            return;
        }
        let accepted = submitted.accepted || is_taken(&submitted.reason);
        let reason = match (accepted, submitted.reason) {
            (false, reason) if reason.is_empty() => "this version of the node does not say why".to_owned(),
            (_, reason) => reason,
        };
        self.result(&found.solution, accepted, reason);
    }

    fn fail(&self, found: &Rc<Unsubmitted>, why: &str) {
        if self.unkeep(found) {
            self.not_submitted(&found.solution, why);
        }
    }

    fn not_submitted(&self, solution: &Solution, why: &str) {
        self.result(solution, false, format!("not submitted: {why}"));
    }

    fn result(&self, solution: &Solution, accepted: bool, reason: String) {
        let (node_handle, block_hash) = (solution.node_handle, solution.block_hash);
        self.push(Event::SubmitResult { node_handle, block_hash, accepted, reason });
    }

    /// Gives a block to the host, once, if it is whole.
    fn give_out(&self, found: &Unsubmitted) {
        if !found.is_given_out.get()
            && let Some(bytes) = found.block()
        {
            found.is_given_out.set(true);
            let (node_handle, block_hash) = (found.solution.node_handle, found.solution.block_hash);
            self.push(Event::Block { node_handle, block_hash, bytes });
        }
    }
}

impl Unsubmitted {
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way.get()
    }

    /// Its transactions, from now on kept.
    fn kept_transactions(&self) -> Option<Arc<Transactions>> {
        let mut kept = self.transactions.borrow_mut();
        if kept.is_none() {
            kept.clone_from(&self.held.transactions.borrow());
        }
        kept.clone()
    }

    /// The whole block, if it is known.
    fn block(&self) -> Option<Vec<u8>> {
        let transactions = self.kept_transactions()?;
        Some(assemble(&self.solution.header, &self.solution.coinbase_tx, transactions.iter()))
    }
}

/// Whether a word of BIP 22 means that the node has the block and does not hold it to be invalid: an earlier submission did arrive,
/// or it is stored without being the tip.
fn is_taken(reason: &str) -> bool {
    matches!(reason, "duplicate" | "inconclusive" | "duplicate-inconclusive")
}
