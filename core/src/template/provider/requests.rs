//! What the engine does about each request of a client.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use super::client::{Phase, Request, SetupError};
use super::events::{CloseReason, Event, SolutionRefusal};
use super::keys::{Asking, Choice, is_large};
use super::solution::solve;
use super::{ConnectionId, NodeState, Provider};
use crate::Time;
use crate::clients::Ticket;
use crate::message::{
    CoinbaseOutputConstraints, Payload, RequestExtensionsError, RequestExtensionsSuccess, SetupConnectionError,
    SetupConnectionSuccess, shape,
};
use crate::template::{ConstraintKey, Level, PROTOCOL_VERSION, SubmittedSolution};
use crate::wire::{List, Str};

impl Provider {
    pub(super) fn handle(&mut self, id: ConnectionId, request: Request, now: Time) {
        match request {
            Request::SetupConnection { answer, device } => {
                self.events.log(Level::Info, format_args!("client {id} is {device}"));
                match answer {
                    Ok(()) => self.accept_setup(id, now),
                    Err(error) => self.refuse_setup(id, error),
                }
            }
            Request::Constraints(constraints) => self.take_constraints(id, constraints, now),
            Request::TransactionData { template_id } => self.request_transactions(id, template_id, now),
            Request::Solution(submitted) => self.submit(id, submitted),
            Request::Extensions { request_id, requested } => self.answer_extensions(id, request_id, &requested),
            Request::Unknown { tag, len } => {
                let name = shape(tag).map_or("unknown", |shape| shape.name);
                let text = format_args!("client {id}: message 0x{tag:02x} ({name}) of {len} bytes is ignored");
                self.events.log(Level::Debug, text);
            }
        }
    }

    /// Of what a client sends that is to be closed, only a block counts.
    pub(super) fn handle_last(&mut self, id: ConnectionId, request: Request) {
        if let Request::Solution(submitted) = request {
            self.submit(id, submitted);
        }
    }

    pub(super) fn send<'m>(&mut self, id: ConnectionId, message: &impl Payload<'m>) {
        if let Some(client) = self.clients.get_mut(&id) {
            let sent = client.connection.send(message);
            self.after_send(id, sent);
        }
    }

    // ---------------------------------------------------------------------------------------------------------- setup

    fn accept_setup(&mut self, id: ConnectionId, now: Time) {
        let deadline = now.monotonic_ms.saturating_add(self.options.constraints_timeout_ms);
        self.set_phase(id, Phase::AwaitingConstraints { deadline });
        self.send(id, &SetupConnectionSuccess { used_version: PROTOCOL_VERSION, flags: 0 });
    }

    fn refuse_setup(&mut self, id: ConnectionId, error: SetupError) {
        let SetupError { flags, error_code } = error;
        self.send(id, &SetupConnectionError { flags, error_code: Str::from(error_code) });
        self.close_after_flush(id, CloseReason::SetupRefused(error_code));
    }

    /// No extension is supported: a client that asks need not wait for an answer in vain.
    fn answer_extensions(&mut self, id: ConnectionId, request_id: u16, requested: &[u16]) {
        if requested.is_empty() {
            self.send(id, &RequestExtensionsSuccess { request_id, supported_extensions: List::Items(&[]) });
        } else {
            let unsupported_extensions = List::Items(requested);
            let required_extensions = List::Items(&[]);
            self.send(id, &RequestExtensionsError { request_id, unsupported_extensions, required_extensions });
        }
    }

    // ------------------------------------------------------------------------------------------------------ templates

    /// Gives a client the key of its constraints, and the best template at once (spec 7).
    fn take_constraints(&mut self, id: ConnectionId, constraints: CoinbaseOutputConstraints, now: Time) {
        let CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: max_additional_size,
            coinbase_output_max_additional_sigops: max_additional_sigops,
        } = constraints;
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.constraints = client.constraints.saturating_add(1);
        let (before, ticket) = (client.key(), client.ticket);
        if client.constraints > self.options.max_constraints_per_tip {
            return self.close_after_flush(id, CloseReason::TooManyConstraints);
        }
        let Some(wanted) = ConstraintKey::new(max_additional_size, max_additional_sigops) else {
            let reason = CloseReason::ConstraintsTooLarge { max_additional_size };
            return self.close_after_flush(id, reason);
        };
        let nearby = if is_large(&wanted) { self.large_keys_near(id, ticket) } else { BTreeSet::new() };
        let asking = Asking { wanted, leaves: before, nearby };
        let may_add = |key: &ConstraintKey| self.new_keys.take(key, ticket, &mut self.admission, &self.options, now);
        let Some(Choice { key, instead_of }) = self.keys.choose(&asking, self.options.max_keys, may_add) else {
            return self.close_after_flush(id, CloseReason::TooManyKeys);
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.tip = None;
        client.change_key(before, key, &self.templates);
        self.set_phase(id, Phase::Serving { key });
        let state = self.keys.join(key);
        if self.node == NodeState::Ready && !core::mem::replace(&mut state.asked, true) {
            self.events.push(Event::WantTemplate { key });
        }
        self.leave_key(before);
        if let Some(unused) = instead_of {
            self.drop_key(unused);
        }
        self.events.push(Event::ClientReady { connection: id, key });
        self.send_current(id, key, now);
    }

    /// The large keys of the other clients from the address of this one.
    fn large_keys_near(&mut self, id: ConnectionId, ticket: Ticket) -> BTreeSet<ConstraintKey> {
        let others = self.clients.iter_mut().filter(|(other, client)| *other != id && client.ticket.is_near(&ticket));
        others.filter_map(|(_, client)| client.key()).filter(is_large).collect()
    }

    /// Sends the current template of its key to a client that has just come to it.
    fn send_current(&mut self, id: ConnectionId, key: ConstraintKey, now: Time) {
        let Some(client) = self.clients.get(&id) else { return };
        let Some(current) = self.keys.get(&key).and_then(|key| key.current.as_ref()) else { return };
        if current.id <= client.last_template_id {
            // Ids must increase for this client too, which has seen a later one of another key. Every id that was handed out
            // stays in use as long as its tip (spec 7), so it is the one who wants another that has to go.
            if self.templates.aliases() >= self.options.max_reissued_ids {
                return self.close_after_flush(id, CloseReason::TooManyConstraints);
            }
            self.reissue(key, current.id, now);
        }
        let Some(current) = self.keys.get(&key).and_then(|key| key.current.as_ref()) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let template_id = current.id;
        client.since = client.since.min(template_id);
        let sent = client.send_template(template_id, &current.tip, &current.frames);
        self.templates.mark_handed_out(template_id);
        self.after_send(id, sent);
        self.send_next(id, key);
    }

    /// Gives the current template of a key another id.
    pub(super) fn reissue(&mut self, key: ConstraintKey, template_id: u64, now: Time) {
        let Some(stored) = self.templates.get(template_id) else { return };
        let (work, first_id) = (Arc::clone(&stored.work), stored.first_id);
        // It was encoded before, so this does not fail.
        let Ok(reissued) = self.issue(key, work, Some(first_id), now) else { return };
        if let Some(announced) = self.keys.get_mut(&key).and_then(|key| key.announced.as_mut()) {
            if announced.id == template_id {
                announced.id = reissued;
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------ solutions

    fn submit(&mut self, connection: ConnectionId, submitted: SubmittedSolution) {
        let template_id = submitted.template_id;
        let stored = self.templates.get(template_id);
        let first_id = stored.map_or(template_id, |stored| stored.first_id);
        let solution = match stored {
            Some(stored) if !stored.work.is_active => Err(SolutionRefusal::NotActive),
            Some(stored) => solve(connection, &stored.work, submitted),
            None => Err(SolutionRefusal::UnknownTemplate),
        };
        let refusal = match solution {
            Ok(solution) if self.solved.remember(&solution, first_id) => {
                self.events.submit(solution);
                return self.release_held();
            }
            Ok(solution) => SolutionRefusal::Duplicate { block_hash: solution.block_hash },
            Err(refusal) => refusal,
        };
        if refusal == SolutionRefusal::UnknownTemplate {
            let text = format_args!(
                "client {connection}: a solution of template {template_id}, which was never given out or is too old, is not submitted"
            );
            self.events.log(Level::Warning, text);
        }
        self.events.push(Event::SolutionRefused { connection, template_id, refusal });
    }
}
