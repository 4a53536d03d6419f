//! The transactions of templates, fetched from the node: one block at a time, since they are large, and new tips and the answer to a
//! submission come over the same socket.

use std::rc::Rc;
use std::sync::Arc;

use super::api::Transactions;
use super::error::CallError;
use super::queue::Event;
use super::session::{Session, within};
use super::templates::{Held, Remote};
use super::worker::Worker;

impl Worker {
    /// The host wants the transactions of a template.
    pub(super) fn want_transactions(self: &Rc<Self>, template_id: u64, node_handle: u64) {
        let held = self.templates.get(node_handle);
        let kept = held.as_ref().and_then(|held| held.transactions.borrow().clone());
        if let (None, Some(held)) = (&kept, held) {
            let worker = Rc::clone(self);
            return self.spawn(async move {
                let transactions = worker.fetch_transactions(&held).await.ok();
                worker.push(Event::Transactions { template_id, transactions });
            });
        }
        self.push(Event::Transactions { template_id, transactions: kept });
    }

    /// Sees to it that a new template's transactions are there when its block is found.
    pub(super) fn keep_or_fetch_transactions(self: &Rc<Self>, session: &Rc<Session>, held: Rc<Held>, is_empty: bool) {
        if is_empty {
            return self.templates.keep_transactions(&held, Transactions::none());
        }
        let worker = Rc::clone(self);
        session.spawn(async move {
            // Others may have taken its place while it waits for its turn.
            drop(worker.fetching.lock().await);
            if !worker.templates.is_recent(&held) {
                return Ok(());
            }
            worker.fetch_transactions(&held).await.map(|_| ())
        });
    }

    /// The transactions of a template from the node. They are kept.
    pub(super) async fn fetch_transactions(&self, held: &Rc<Held>) -> Result<Arc<Transactions>, CallError> {
        loop {
            let turn = self.fetching.lock().await;
            // Somebody may have fetched them meanwhile.
            if let Some(kept) = held.transactions.borrow().clone() {
                return Ok(kept);
            }
            let remote = held.remote().ok_or_else(|| CallError::Lost("the template is gone".to_owned()))?;
            let Some(_only_call) = remote.busy.try_lock() else {
                // A submission, which goes first. Others need not wait for it.
                drop(turn);
                drop(remote.busy.lock().await);
                continue;
            };
            return self.fetch(held, &remote).await;
        }
    }

    async fn fetch(&self, held: &Rc<Held>, remote: &Remote) -> Result<Arc<Transactions>, CallError> {
        let call = remote.template.block(&remote.threads);
        let block = within(&self.reactor, self.options.call_timeout, call).await?;
        let transactions = Transactions::of_block(block)?;
        self.templates.keep_transactions(held, Arc::clone(&transactions));
        Ok(transactions)
    }
}
