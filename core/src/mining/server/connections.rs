//! How connections are told of, closed and forgotten.

use alloc::vec::Vec;

use super::client::{Client, Phase};
use super::events::{CloseReason, ClosedBy, Event, Events};
use super::{ConnectionId, Server, ServerError};
use crate::Time;
use crate::clients::Pace;
use crate::connection::SendError;
use crate::frame::Header;
use crate::message::{CHANNEL_MSG, Payload, Reconnect};
use crate::wire::Str;

/// How long after anything happened connections give back buffers that are not in use, and are found not to read, in
/// milliseconds.
const SWEEP_INTERVAL_MS: u64 = 10_000;

impl Server {
    /// Tells all clients to connect elsewhere (spec 3.6.5), and closes their connections after
    /// [`ServerOptions::flush_timeout_ms`](super::ServerOptions::flush_timeout_ms): what they find until then counts. An empty
    /// host, or port 0, is the present one.
    ///
    /// # Errors
    /// `NotEncodable` if the host's name has more than 255 bytes.
    pub fn reconnect(&mut self, new_host: &str, new_port: u16, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let message = Reconnect { new_host: Str::from(new_host), new_port };
        message.encoded_len().map_err(|_| ServerError::NotEncodable)?;
        let all: Vec<ConnectionId> = self.clients.iter_mut().map(|(id, _)| id).collect();
        for id in all {
            self.acknowledge_all(id);
            self.send(id, &message);
            self.close_after_flush(id, CloseReason::Reconnect);
            self.close_if_flushed(id);
        }
        Ok(())
    }

    /// Sends a client a message of an extension, for one of its channels: `payload` begins with the channel_id. For a proxy that
    /// passes on what came from above.
    ///
    /// # Errors
    /// `UnknownConnection`, or `NotEncodable` if the payload is too long.
    pub fn send_extension_message(
        &mut self,
        id: ConnectionId,
        extension_type: u16,
        message_type: u8,
        payload: &[u8],
    ) -> Result<(), ServerError> {
        let client = self.clients.get_mut(&id).ok_or(ServerError::UnknownConnection)?;
        let header = Header { extension_type: extension_type | CHANNEL_MSG, message_type, payload_len: payload.len() };
        let sent = client.connection.send_with(header, |out| {
            out.copy_from_slice(payload);
            true
        });
        if let Err(SendError::Frame(_)) = sent {
            return Err(ServerError::NotEncodable);
        }
        self.after_send(id, sent);
        Ok(())
    }

    pub(super) fn send<'m>(&mut self, id: ConnectionId, message: &impl Payload<'m>) {
        if let Some(client) = self.clients.get_mut(&id) {
            let sent = client.connection.send(message);
            self.after_send(id, sent);
        }
    }

    /// Something may have been queued for a client: the host is to know, or the client is too slow.
    pub(super) fn after_send(&mut self, id: ConnectionId, sent: Result<(), SendError>) {
        match sent {
            Ok(()) => self.announce_output_of(id),
            Err(error) => {
                let failed = self.clients.get(&id).and_then(|client| client.connection.error());
                match (error, failed) {
                    (SendError::Failed, Some(error)) => self.close_after_flush(id, CloseReason::Connection(error)),
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
        self.list_deadline(id);
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
        client.pending.clear();
        // What it has found may be many messages, but not any number: it has one more burst.
        client.pace = Pace::default();
        let deadline = self.now_ms.saturating_add(self.options.flush_timeout_ms);
        self.set_phase(id, Phase::Closing { deadline, reason });
        self.acknowledge_all(id);
    }

    /// Acknowledges all shares of a client: its connection may not last until their time has come.
    fn acknowledge_all(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.get(&id) else { return };
        let channels: Vec<u32> = client.channels.keys().copied().collect();
        for channel_id in channels {
            self.acknowledge(id, channel_id);
        }
    }

    /// Closes a client that is to be closed if nothing is left to be sent. One that has channels stays until its time is
    /// up: the block that it found may be in the socket, behind what broke the rule.
    pub(super) fn close_if_flushed(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.get(&id) else { return };
        let Phase::Closing { reason, .. } = client.phase else { return };
        if client.connection.output_len() == 0 && !client.is_heard() {
            self.close_now(id, reason);
        }
    }

    pub(super) fn close_now(&mut self, id: ConnectionId, reason: CloseReason) {
        if self.remove(id) {
            self.events.push(Event::Close { connection: id, reason });
        }
    }

    /// Forgets a client; whether there was one.
    pub(super) fn remove(&mut self, id: ConnectionId) -> bool {
        while let Some(channel_id) = self.clients.get(&id).and_then(|client| client.channels.keys().next().copied()) {
            self.remove_channel(id, channel_id, ClosedBy::Disconnect);
        }
        let Some(mut client) = self.clients.remove(&id) else { return false };
        self.admission.left(id, client.ticket, client.phase.stage());
        self.deadlines.list(id, &mut client.listed_deadline, None);
        true
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
            self.close_now(id, reason);
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

/// A client is to be told of a new tip: the host writes to it before it hears of others, unless the client has not read what it
/// was sent before.
pub(super) fn announce_in_front(id: ConnectionId, client: &mut Client, events: &mut Events) {
    if !client.connection.goes_out_at_once() {
        announce_output(id, client, events);
    } else if !client.in_front {
        client.in_front = true;
        events.push_in_front(id);
    }
}
