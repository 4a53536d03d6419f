//! How connections are told of, closed and forgotten.

use alloc::vec::Vec;

use super::client::{Client, Phase};
use super::events::{CloseReason, Event, Events};
use super::{ConnectionId, Provider};
use crate::Time;
use crate::connection::SendError;
use crate::template::ConstraintKey;

/// How long after anything happened connections give back buffers that are not in use, and are found not to read, in
/// milliseconds.
const SWEEP_INTERVAL_MS: u64 = 10_000;

impl Provider {
    /// Something may have been queued for a client: the host is to know, or the client is too slow.
    pub(super) fn after_send(&mut self, id: ConnectionId, sent: Result<(), SendError>) {
        match sent {
            Ok(()) => self.announce_output_of(id),
            Err(error) => {
                let failed = self.clients.get(&id).and_then(|client| client.connection.error());
                match (error, failed) {
                    (SendError::Failed, Some(error)) => self.close(id, CloseReason::Connection(error)),
                    _ => self.close_after_flush(id, CloseReason::TooSlow),
                }
            }
        }
    }

    pub(super) fn announce_output_of(&mut self, id: ConnectionId) {
        if let Some(client) = self.clients.get_mut(&id) {
            announce_output(id, client, &mut self.events);
        }
    }

    /// A client is further than before, or is to be closed.
    pub(super) fn set_phase(&mut self, id: ConnectionId, phase: Phase) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = core::mem::replace(&mut client.phase, phase);
        self.admission.moved(id, client.ticket, before.stage(), phase.stage());
    }

    /// Keeps the list of deadlines as the client has it.
    pub(super) fn list_deadline(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let deadline = client.deadline();
        self.deadlines.list(id, &mut client.listed_deadline, deadline);
    }

    /// Closes a client once it was sent what is waiting, or some time has passed; one that may have found a block only then. The
    /// first reason stays.
    pub(super) fn close_after_flush(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.is_closing()) else { return };
        let key = client.key();
        let deadline = self.now_ms.saturating_add(self.options.flush_timeout_ms);
        client.pending_requests = 0;
        client.deferred.clear();
        self.set_phase(id, Phase::Closing { deadline, reason });
        self.templates.answers.forget_client(id);
        self.leave_key(key);
        self.list_deadline(id);
    }

    /// Closes a client that is to be closed if nothing is left to be sent. One that has a template stays until its time is
    /// up: the block that it found may be in the socket, behind what broke the rule.
    pub(super) fn close_if_flushed(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.get(&id) else { return };
        let Phase::Closing { reason, .. } = client.phase else { return };
        let may_bring_a_block = client.may_solve() && client.is_heard();
        if client.connection.output_len() == 0 && !may_bring_a_block {
            self.close(id, reason);
        }
    }

    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(client) = self.remove(id) {
            if client.writable {
                self.events.cancel_writable(id);
            }
            self.events.push(Event::Close { connection: id, reason });
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Client> {
        let mut client = self.clients.remove(&id)?;
        self.admission.left(id, client.ticket, client.phase.stage());
        self.deadlines.list(id, &mut client.listed_deadline, None);
        if client.pending_requests > 0 {
            self.templates.answers.forget_client(id);
        }
        self.leave_key(client.key());
        Some(client)
    }

    /// A client does not need this key any more.
    pub(super) fn leave_key(&mut self, key: Option<ConstraintKey>) {
        let Some(key) = key else { return };
        self.keys.leave(key, self.now_ms.saturating_add(self.options.key_linger_ms));
        self.drop_unused_keys();
    }

    /// Keys that nobody came back to go out of use.
    pub(super) fn drop_unused_keys(&mut self) {
        while let Some(key) = self.keys.unused_since(self.now_ms) {
            self.drop_key(key);
        }
    }

    /// A key without clients goes out of use.
    pub(super) fn drop_key(&mut self, key: ConstraintKey) {
        if let Some(state) = self.keys.remove_unused(&key) {
            self.events.cancel_want(key);
            self.events.push(Event::DropTemplate { key });
            self.supersede(state.current.map(|current| current.id));
            self.supersede(state.next.map(|next| next.id));
        }
    }

    pub(super) fn sweep_later(&mut self, now: Time) {
        self.sweep_at.get_or_insert(now.monotonic_ms.saturating_add(SWEEP_INTERVAL_MS));
    }

    /// Connections give back what they do not use, and those that take nothing are given up. This costs a new tip nothing.
    pub(super) fn sweep(&mut self, now: Time) {
        self.sweep_at = None;
        let (mut failed, mut stalled, mut any_unread) = (Vec::new(), Vec::new(), false);
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| !client.is_closing()) {
            if let Err(error) = client.connection.tick(now) {
                failed.push((id, CloseReason::Connection(error)));
            } else if client.connection.output_len() > 0 {
                any_unread = true;
                let since = *client.unread_since.get_or_insert(now.monotonic_ms);
                if now.monotonic_ms.saturating_sub(since) >= self.options.stall_timeout_ms {
                    stalled.push(id);
                }
            }
        }
        for (id, reason) in failed {
            self.close(id, reason);
        }
        for id in stalled {
            self.close_after_flush(id, CloseReason::TooSlow);
        }
        if any_unread {
            self.sweep_later(now);
        }
    }
}

/// If something is to be sent to a client, the host is told so once.
pub(super) fn announce_output(id: ConnectionId, client: &mut Client, events: &mut Events) {
    if !client.writable && !client.in_front && client.connection.output_len() > 0 {
        client.writable = true;
        events.push(Event::Writable { connection: id });
    }
}

/// A client is to be sent a template: the host is told so before it hears of others, unless the client has not read what it
/// was sent before.
pub(super) fn announce_template(id: ConnectionId, client: &mut Client, events: &mut Events) {
    if !client.connection.goes_out_at_once() {
        announce_output(id, client, events);
    } else if !client.in_front {
        client.in_front = true;
        events.push_in_front(id);
    }
}
