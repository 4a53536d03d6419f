//! Blocks that were found: handed to the node, and kept until it has answered.

use std::rc::Rc;
use std::sync::Arc;

use sv2_core::bitcoin::{Hash, assemble};
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
    solution: Rc<Solution>,
    held: Rc<Held>,
    /// With them the block is whole, and can be handed in over another connection. They may become known after the solution.
    transactions: Option<Arc<Transactions>>,
    /// Whether the host was given the block.
    is_given_out: bool,
}

impl Worker {
    /// Hands a solution to the node, at once if it is there.
    pub(super) fn submit(self: &Rc<Self>, solution: Solution) {
        if self.unsubmitted.borrow().iter().any(|kept| kept.solution.block_hash == solution.block_hash) {
            // The engine hands it out again when the node is back; so do we.
            return;
        }
        let solution = Rc::new(solution);
        let Some(held) = self.templates.get(solution.node_handle) else {
            return self.not_submitted(&solution, "its template was freed or never given out".to_owned());
        };
        let transactions = held.transactions.borrow().clone();
        let remote = held.remote.borrow().clone();
        if let (Some(session), Some(remote)) = (self.session(), remote) {
            let (solution_kept, held_kept) = (Rc::clone(&solution), Rc::clone(&held));
            self.keep(Unsubmitted { solution: solution_kept, held: held_kept, transactions, is_given_out: false });
            let worker = Rc::clone(self);
            return session.clone().spawn(async move { worker.submit_to(&session, &held, &remote, &solution).await });
        }
        // The template is of an earlier connection, or there is none now.
        let Some(transactions) = transactions else {
            return self.not_submitted(&solution, GONE.to_owned());
        };
        self.give_out(&solution, &transactions);
        let whole = Some(Arc::clone(&transactions));
        self.keep(Unsubmitted { solution: Rc::clone(&solution), held, transactions: whole, is_given_out: true });
        if let Some(session) = self.session() {
            self.submit_whole(&session, solution, transactions);
        }
    }

    async fn submit_to(
        &self,
        session: &Session,
        held: &Rc<Held>,
        remote: &Remote,
        solution: &Rc<Solution>,
    ) -> Result<(), CallError> {
        {
            let _only_call = remote.busy.lock().await;
            let submission = remote.template.submit(&session.threads, &solution.header, &solution.coinbase_tx);
            match session.call(submission).await {
                Ok(submitted) => self.settle(solution, submitted),
                // It is still kept: another connection may take it.
                Err(error) if error.ends_session() => return Err(error),
                Err(error) => {
                    self.unkeep(solution);
                    self.not_submitted(solution, error.to_string());
                }
            }
        }
        match self.fetch_transactions(session, held).await {
            Ok(transactions) => self.give_out(solution, &transactions),
            Err(error) => {
                let hash = sv2_core::bitcoin::RpcHex(solution.block_hash);
                self.log(Level::Warning, format!("block {hash} cannot be stored: {error}"));
                if error.ends_session() {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The connection is gone. Blocks that are whole are kept for the next one, and given to the host; of the others nothing is
    /// left.
    pub(super) fn rescue_solutions(&self) {
        let mut lost = Vec::new();
        self.unsubmitted.borrow_mut().retain_mut(|kept| match kept.find_transactions() {
            Some(transactions) => {
                if !std::mem::replace(&mut kept.is_given_out, true) {
                    self.give_out(&kept.solution, &transactions);
                }
                true
            }
            None => {
                lost.push(Rc::clone(&kept.solution));
                false
            }
        });
        for solution in lost {
            self.not_submitted(&solution, GONE.to_owned());
        }
    }

    /// Hands in, over a new connection, the whole blocks that an earlier one gave no answer for.
    pub(super) fn resubmit(self: &Rc<Self>, session: &Rc<Session>) {
        let whole: Vec<_> = self.unsubmitted.borrow().iter().filter_map(Unsubmitted::whole).collect();
        for (solution, transactions) in whole {
            self.submit_whole(session, solution, transactions);
        }
    }

    /// Hands in a block that does not need its template.
    fn submit_whole(self: &Rc<Self>, session: &Rc<Session>, solution: Rc<Solution>, transactions: Arc<Transactions>) {
        let (worker, session) = (Rc::clone(self), Rc::clone(session));
        session.clone().spawn(async move {
            let block = assemble(&solution.header, &solution.coinbase_tx, transactions.iter());
            let why = match session.call(session.mining.submit_block(&session.threads, &block)).await {
                Ok(submitted) => {
                    worker.settle(&solution, submitted);
                    return Ok(());
                }
                Err(error) if error.ends_session() => return Err(error),
                Err(CallError::Unimplemented) => format!(
                    "version {} of the node takes no whole blocks over IPC: hand in the stored block with its submitblock",
                    session.mining.version()
                ),
                Err(error) => error.to_string(),
            };
            worker.unkeep(&solution);
            worker.not_submitted(&solution, why);
            Ok(())
        });
    }

    fn keep(&self, new: Unsubmitted) {
        let mut kept = self.unsubmitted.borrow_mut();
        let oldest = (kept.len() >= MAX_UNSUBMITTED).then(|| kept.remove(0));
        kept.push(new);
        drop(kept);
        if let Some(oldest) = oldest {
            self.not_submitted(&oldest.solution, "too many blocks wait for the node".to_owned());
        }
    }

    fn unkeep(&self, solution: &Rc<Solution>) {
        self.unsubmitted.borrow_mut().retain(|kept| !Rc::ptr_eq(&kept.solution, solution));
        self.settled.set();
    }

    /// The node has answered.
    fn settle(&self, solution: &Rc<Solution>, submitted: Submitted) {
        self.unkeep(solution);
        // BIP 22: the node has the block already, so an earlier submission did arrive.
        let accepted = submitted.accepted || submitted.reason == "duplicate";
        let reason = match (accepted, submitted.reason) {
            (false, reason) if reason.is_empty() => "this version of the node does not say why".to_owned(),
            (_, reason) => reason,
        };
        self.result(solution.node_handle, solution.block_hash, accepted, reason);
    }

    fn not_submitted(&self, solution: &Solution, why: String) {
        self.result(solution.node_handle, solution.block_hash, false, format!("not submitted: {why}"));
    }

    fn result(&self, node_handle: u64, block_hash: Hash, accepted: bool, reason: String) {
        self.push(Event::SubmitResult { node_handle, block_hash, accepted, reason });
    }

    fn give_out(&self, solution: &Solution, transactions: &Transactions) {
        let bytes = assemble(&solution.header, &solution.coinbase_tx, transactions.iter());
        self.push(Event::Block { node_handle: solution.node_handle, block_hash: solution.block_hash, bytes });
    }
}

impl Unsubmitted {
    fn find_transactions(&mut self) -> Option<Arc<Transactions>> {
        if self.transactions.is_none() {
            self.transactions = self.held.transactions.borrow().clone();
        }
        self.transactions.clone()
    }

    fn whole(&self) -> Option<(Rc<Solution>, Arc<Transactions>)> {
        Some((Rc::clone(&self.solution), Arc::clone(self.transactions.as_ref()?)))
    }
}
