//! RequestTransactionData (spec 7.4 to 7.6): the node is asked once for a template, and a slow client never has more than one
//! answer in its output, so that it costs no more than a piece of it beside the copy that all share.

use alloc::sync::Arc;

use super::answers::Transactions;
use super::events::{CloseReason, Event};
use super::work::transactions_frame;
use super::{ConnectionId, NodeState, Provider, ProviderError};
use crate::Time;
use crate::message::{RequestTransactionDataError, error_code};
use crate::template::Level;
use crate::wire::Str;

/// A client that has so many bytes waiting, which is about one Noise message, is not sent transactions.
const BUSY_LEN: usize = 1 << 16;

impl Provider {
    /// A client wants the transactions of a template.
    pub(super) fn request_transactions(&mut self, id: ConnectionId, template_id: u64, now: Time) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let known = self.templates.get(template_id).filter(|stored| stored.handed_out);
        if let Some(stored) = known.filter(|stored| client.was_sent(&stored.key, template_id)) {
            let is_busy = client.connection.output_len() >= BUSY_LEN;
            let (first_id, node_handle) = (stored.first_id, stored.work.template.node_handle);
            match self.templates.answers.get(first_id) {
                Some(Transactions::Ready(frame)) if !is_busy => {
                    let sent = client.connection.send_shared_as(Arc::clone(frame), template_id.to_le_bytes());
                    self.after_send(id, sent);
                }
                Some(Transactions::Unavailable) | None => {
                    let code = self.why_unavailable(template_id);
                    self.refuse_transactions(id, template_id, code);
                }
                _ if client.pending_requests >= self.options.max_pending_requests => {
                    self.close_after_flush(id, CloseReason::TooManyRequests);
                }
                Some(Transactions::Ready(_)) => {
                    client.pending_requests += 1;
                    client.deferred.push_back(template_id);
                }
                Some(Transactions::Asked { .. } | Transactions::Unasked) => {
                    client.pending_requests += 1;
                    let deadline = now.monotonic_ms.saturating_add(self.options.transactions_timeout_ms);
                    let is_first = self.templates.answers.wait(first_id, node_handle, (id, template_id), deadline);
                    if is_first && self.node == NodeState::Ready {
                        self.events.push(Event::WantTransactions { template_id: first_id, node_handle });
                    }
                }
            }
        } else {
            let code =
                if known.is_some() { error_code::TEMPLATE_ID_NOT_FOUND } else { self.why_unavailable(template_id) };
            self.refuse_transactions(id, template_id, code);
        }
    }

    /// Answers [`Event::WantTransactions`]: all transactions of the template but the coinbase, in order, serialized with
    /// their witnesses. `None` if the node does not have them any more.
    ///
    /// All clients that asked get the same bytes. An answer that comes too late is no error.
    ///
    /// # Errors
    /// `Transactions`, and the clients are told that there are none.
    pub fn transactions_ready(
        &mut self,
        template_id: u64,
        transactions: Option<&[&[u8]]>,
        now: Time,
    ) -> Result<(), ProviderError> {
        self.expire_templates(now);
        let first_id = self.templates.get(template_id).map_or(template_id, |stored| stored.first_id);
        match self.templates.answers.get(first_id) {
            Some(Transactions::Asked { .. } | Transactions::Unasked) => {}
            _ => return Ok(()),
        }
        let frame = transactions.map(|transactions| transactions_frame(first_id, transactions)).transpose();
        let waiting = match &frame {
            Ok(Some(frame)) => self.templates.answers.keep(first_id, frame, self.options.transaction_cache_len),
            _ => self.templates.answers.replace(first_id, Transactions::Unavailable),
        };
        for (id, template_id) in waiting {
            match &frame {
                Ok(Some(frame)) => self.answer_waiting(id, template_id, frame),
                _ => {
                    let error_code = self.why_unavailable(template_id);
                    self.refuse_waiting(id, template_id, error_code);
                }
            }
            self.close_if_flushed(id);
        }
        frame.map(|_| ()).map_err(ProviderError::Transactions)
    }

    /// A client that waits gets its answer, or if it has not read what it was sent before, waits until it has.
    fn answer_waiting(&mut self, id: ConnectionId, template_id: u64, frame: &Arc<[u8]>) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.is_closing()) else { return };
        if client.connection.output_len() >= BUSY_LEN {
            return client.deferred.push_back(template_id);
        }
        client.pending_requests = client.pending_requests.saturating_sub(1);
        let sent = client.connection.send_shared_as(Arc::clone(frame), template_id.to_le_bytes());
        self.after_send(id, sent);
    }

    /// A client has read: if little is left of what it was sent, its requests go on.
    pub(super) fn answer_deferred(&mut self, id: ConnectionId, now: Time) {
        while let Some(client) = self.clients.get_mut(&id) {
            if client.connection.output_len() >= BUSY_LEN {
                return;
            }
            let Some(template_id) = client.deferred.pop_front() else { return };
            client.pending_requests = client.pending_requests.saturating_sub(1);
            self.request_transactions(id, template_id, now);
        }
    }

    /// Nobody waits for ever: what the node did not answer in time is refused. If it is asked for again, so is the node.
    pub(super) fn give_up_transactions(&mut self, now: Time) {
        while let Some(first_id) = self.templates.answers.next_overdue(now) {
            let text = format_args!("the node did not give the transactions of template {first_id} in time");
            self.events.log(Level::Warning, text);
            for (id, template_id) in self.templates.answers.replace(first_id, Transactions::Unasked) {
                let error_code = self.why_unavailable(template_id);
                self.refuse_waiting(id, template_id, error_code);
            }
        }
    }

    /// A client that waits gets an error.
    pub(super) fn refuse_waiting(&mut self, id: ConnectionId, template_id: u64, error_code: &'static str) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.is_closing()) else { return };
        client.pending_requests = client.pending_requests.saturating_sub(1);
        self.refuse_transactions(id, template_id, error_code);
    }

    /// The error code for a template whose transactions cannot be had (spec 7.6): its tip is gone, or it never was given
    /// out or the node has lost it.
    fn why_unavailable(&self, template_id: u64) -> &'static str {
        let is_stale = match self.templates.get(template_id) {
            Some(stored) => Some(stored.work.tip.prev_hash) != self.templates.tip(),
            None => self.templates.was_issued(template_id),
        };
        if is_stale { error_code::STALE_TEMPLATE_ID } else { error_code::TEMPLATE_ID_NOT_FOUND }
    }

    fn refuse_transactions(&mut self, id: ConnectionId, template_id: u64, error_code: &'static str) {
        self.send(id, &RequestTransactionDataError { template_id, error_code: Str::from(error_code) });
    }
}
