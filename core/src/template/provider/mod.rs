//! The provider's side of the Template Distribution Protocol: see [`Provider`].

mod client;
mod events;
mod keys;
mod options;
mod requests;
mod solution;
mod templates;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::ConstraintKey;
use crate::bitcoin::Hash;
use crate::connection::SendError;
use crate::frame::FrameError;
use crate::message::{RequestTransactionDataError, error_code};
use crate::noise::Identity;
use crate::wire::Str;
use crate::{Random, Time};

use client::{Client, Phase};
use events::Events;
pub use events::{CloseReason, Event, Level, Solution, SolutionRefusal};
use keys::{Announced, Current, Key, Keys};
pub use options::ProviderOptions;
use solution::Solved;
use templates::{Stored, Templates, Transactions, Work, transactions_frame};
pub use templates::{Template, TemplateError};

/// The host's name for a connection. It can be used again once the connection is closed.
pub type ConnectionId = u64;

/// How long after anything happened connections give back buffers that are not in use, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 10_000;

/// Serves templates to any number of clients (spec 7).
///
/// **The loop.** The host hands in what happens: bytes from clients, templates and transactions from the node, the passing
/// of time. After each input it takes all events with [`Provider::next_event`] and does what they say; for
/// [`Event::Writable`] it writes [`Provider::output`] to the socket until that is empty or the socket takes no more. Inputs are
/// allowed in between. The engine calls nobody back, never blocks, and reads no clock: it wants to be called again at
/// [`Provider::next_deadline`].
///
/// ```text
///   sockets: connect, receive, sent, disconnect ─▶ ┌──────────┐ ─▶ Writable, Close
///      node: template_ready, tip_changed,          │ Provider │ ─▶ SubmitBlock, WantTemplate, WantTransactions,
///            transactions_ready                 ─▶ │          │    DropTemplate, TemplateExpired
///     timer: tick                               ─▶ └──────────┘ ─▶ next_deadline
/// ```
///
/// **Templates.** Clients that need the same room share a template: the host makes one for each [`ConstraintKey`] that it is
/// asked for. On a new tip, and when it has just said what it needs, a client gets a NewTemplate with future_template
/// followed by SetNewPrevHash; on the same tip, a NewTemplate without, when the fees rose enough. Templates can be solved and
/// asked about until [`ProviderOptions::template_lifetime_ms`] after their tip is gone.
///
/// **Bounds.** What a peer does costs a bounded amount of memory, set by [`ProviderOptions`]; a client that breaks a rule, or
/// does not read what it is sent, is closed with a [`CloseReason`]. Messages that are unknown, or meant for somebody else, are
/// ignored.
pub struct Provider {
    options: ProviderOptions,
    random: Box<dyn Random + Send>,
    clients: BTreeMap<ConnectionId, Client>,
    /// The clients that something is expected of, by when.
    deadlines: BTreeSet<(u64, ConnectionId)>,
    keys: Keys,
    templates: Templates,
    solved: Solved,
    events: Events,
    sweep_at: Option<u64>,
}

/// An input that was not accepted. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderError {
    /// There is no such connection, or the engine has closed it.
    UnknownConnection,
    /// The connection exists already.
    ConnectionExists,
    /// There are [`ProviderOptions::max_clients`]: the new one should be closed.
    TooManyClients,
    /// [`Provider::sent`] says more than [`Provider::output`] gave.
    NotInOutput,
    /// Nobody needs a template for this key any more.
    UnknownKey,
    /// The template is on a tip that was followed by another one. Another is on its way, or was asked for.
    StaleTemplate,
    /// The template cannot be served.
    Template(TemplateError),
    /// The transactions do not fit into a message.
    Transactions(FrameError),
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownConnection => f.write_str("there is no such connection"),
            Self::ConnectionExists => f.write_str("the connection exists already"),
            Self::TooManyClients => f.write_str("there are too many clients"),
            Self::NotInOutput => f.write_str("more was sent than there was to send"),
            Self::UnknownKey => f.write_str("nobody needs a template with these constraints"),
            Self::StaleTemplate => f.write_str("the template is on a tip that is gone"),
            Self::Template(error) => error.fmt(f),
            Self::Transactions(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProviderError {}

impl Provider {
    /// A provider without clients.
    #[must_use]
    pub fn new(options: ProviderOptions, random: Box<dyn Random + Send>) -> Self {
        Self {
            options,
            random,
            clients: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            keys: Keys::default(),
            templates: Templates::default(),
            solved: Solved::default(),
            events: Events::default(),
            sweep_at: None,
        }
    }

    /// Shows another identity to clients that connect from now on, for example one with a new certificate. A provider
    /// without encryption stays without.
    pub fn set_identity(&mut self, identity: Arc<Identity>) {
        if let Some(present) = &mut self.options.identity {
            *present = identity;
        }
    }

    /// How many clients are connected, those not set up yet included.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    // -------------------------------------------------------------------------------------------------------- sockets

    /// Somebody connected.
    ///
    /// # Errors
    /// `ConnectionExists` or `TooManyClients`.
    pub fn connect(&mut self, id: ConnectionId, now: Time) -> Result<(), ProviderError> {
        if self.clients.contains_key(&id) {
            return Err(ProviderError::ConnectionExists);
        }
        if self.clients.len() >= self.options.max_clients {
            return Err(ProviderError::TooManyClients);
        }
        let client = Client::new(&self.options, now);
        self.clients.insert(id, client);
        self.list_deadline(id);
        Ok(())
    }

    /// Bytes came from a client. They are decrypted where they are; what is left in `bytes` has no meaning.
    ///
    /// # Errors
    /// `UnknownConnection`. What is wrong with the bytes leads to an [`Event::Close`].
    pub fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], now: Time) -> Result<(), ProviderError> {
        if !self.clients.contains_key(&id) {
            return Err(ProviderError::UnknownConnection);
        }
        self.expire_templates(now);
        self.sweep_later(now);
        let mut bytes = bytes;
        while let Some(client) = self.clients.get_mut(&id).filter(|client| !client.is_closing()) {
            match client.next_request(&mut bytes, now, &mut *self.random) {
                Ok(Some(request)) => self.handle(id, request, now),
                Ok(None) => break,
                Err(reason) => self.close_after_flush(id, reason, now),
            }
        }
        // The handshake answers without a request.
        self.announce_output_of(id);
        self.list_deadline(id);
        Ok(())
    }

    /// The socket is closed. Also right, and without effect, after [`Event::Close`].
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.remove(id);
        self.events.forget(id);
    }

    /// Bytes to write to a client, contiguous and in order. Empty if there are none.
    #[must_use]
    pub fn output(&mut self, id: ConnectionId) -> &[u8] {
        self.clients.get_mut(&id).map_or(&[], |client| client.connection.output())
    }

    /// The first `n` bytes of [`Provider::output`] were written. There may be more now.
    ///
    /// # Errors
    /// `UnknownConnection` or `NotInOutput`.
    pub fn sent(&mut self, id: ConnectionId, n: usize, now: Time) -> Result<(), ProviderError> {
        let client = self.clients.get_mut(&id).ok_or(ProviderError::UnknownConnection)?;
        if !client.connection.sent(n) {
            return Err(ProviderError::NotInOutput);
        }
        if let Phase::Closing { reason, .. } = client.phase {
            if client.connection.output_len() == 0 {
                self.close(id, reason);
            }
        }
        self.sweep_later(now);
        Ok(())
    }

    // ----------------------------------------------------------------------------------------------------------- node

    /// The node has a template for a key: the first one, one on a new tip, or a better one on the same tip, which is found
    /// out by its prev_hash. Returns its template_id; ids strictly increase.
    ///
    /// It is sent at once to clients that have no template on its tip, and to others if it is worth enough more than what
    /// they have. It stays in use until [`Event::TemplateExpired`].
    ///
    /// # Errors
    /// `UnknownKey`, `StaleTemplate` or `Template`; the engine then does not know the template.
    pub fn template_ready(&mut self, key: ConstraintKey, template: Template, now: Time) -> Result<u64, ProviderError> {
        self.expire_templates(now);
        if self.keys.get(&key).is_none() {
            return Err(ProviderError::UnknownKey);
        }
        if self.templates.is_gone(&template.prev_hash) {
            return Err(ProviderError::StaleTemplate);
        }
        let work = Arc::new(Work::new(template).map_err(ProviderError::Template)?);
        let prev_hash = work.tip.prev_hash;
        let id = self.issue(key, work, now).map_err(|error| ProviderError::Template(TemplateError::Encode(error)))?;
        if self.templates.tip() != Some(prev_hash) {
            self.change_tip(prev_hash, now);
        }
        self.events.cancel_want(key);
        self.announce(key, now);
        Ok(id)
    }

    /// The node has another tip: the templates on the old one begin to expire, and new ones are asked for. Without this call
    /// the same happens with the first template on the new tip.
    pub fn tip_changed(&mut self, prev_hash: Hash, now: Time) {
        self.expire_templates(now);
        if self.templates.tip() != Some(prev_hash) {
            self.change_tip(prev_hash, now);
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
        let Some(stored) = self.templates.get_mut(template_id) else { return Ok(()) };
        let waiting = match &mut stored.transactions {
            Transactions::Asked(waiting) => core::mem::take(waiting),
            Transactions::Unasked => Vec::new(),
            Transactions::Ready(_) | Transactions::Unavailable => return Ok(()),
        };
        stored.transactions = Transactions::Unavailable;
        let frame = transactions.map(|transactions| transactions_frame(template_id, transactions)).transpose();
        if let Ok(Some(frame)) = &frame {
            self.templates.keep_transactions(template_id, frame, self.options.transaction_cache_len);
        }
        let error_code = self.why_unavailable(template_id);
        for id in waiting {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            client.pending_requests = client.pending_requests.saturating_sub(1);
            let sent = match &frame {
                Ok(Some(frame)) => client.connection.send_shared(Arc::clone(frame)),
                _ => client
                    .connection
                    .send(&RequestTransactionDataError { template_id, error_code: Str::from(error_code) }),
            };
            self.after_send(id, sent);
        }
        frame.map(|_| ()).map_err(ProviderError::Transactions)
    }

    // ----------------------------------------------------------------------------------------------------------- time

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.expire_templates(now);
        let is_due = |key: &Key| key.update_due_at(&self.options).is_some_and(|at| at <= now.monotonic_ms);
        let due: Vec<ConstraintKey> = self.keys.iter().filter(|(_, key)| is_due(key)).map(|(key, _)| *key).collect();
        for key in due {
            self.announce(key, now);
        }
        let later = self.deadlines.split_off(&(now.monotonic_ms.saturating_add(1), 0));
        for (_, id) in core::mem::replace(&mut self.deadlines, later) {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            client.listed_deadline = None;
            match client.overdue(now) {
                Some(reason) => self.close(id, reason),
                None => self.list_deadline(id),
            }
        }
        if self.sweep_at.is_some_and(|at| at <= now.monotonic_ms) {
            self.sweep(now);
        }
    }

    /// When [`Provider::tick`] is to be called, in monotonic milliseconds; not at all if `None`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let client = self.deadlines.first().map(|(deadline, _)| *deadline);
        let update = self.keys.iter().filter_map(|(_, key)| key.update_due_at(&self.options)).min();
        [client, update, self.templates.next_expiry(), self.sweep_at].into_iter().flatten().min()
    }

    // --------------------------------------------------------------------------------------------------------- events

    /// What the host must do next, until there is nothing.
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.next();
        if let Some(Event::Writable { connection }) = event {
            if let Some(client) = self.clients.get_mut(&connection) {
                client.writable = false;
            }
        }
        event
    }

    /// The next [`Event::SubmitBlock`] alone. It touches nothing else of the engine: a block that was found can be taken out
    /// whatever has happened since.
    #[must_use]
    pub fn next_solution(&mut self) -> Option<Solution> {
        self.events.next_solution()
    }

    // ------------------------------------------------------------------------------------------------------ templates

    /// Makes `work` the current template of a key, under a new id.
    fn issue(&mut self, key: ConstraintKey, work: Arc<Work>, now: Time) -> Result<u64, FrameError> {
        let (tip, value) = (work.tip, work.template.coinbase_tx_value_remaining);
        let (id, frames) = self.templates.issue(work, now)?;
        let before = self.keys.get_mut(&key).and_then(|key| key.current.replace(Current { id, tip, value, frames }));
        self.supersede(before);
        Ok(id)
    }

    /// A template is not the current one any more. If no client has it, nobody needs it.
    fn supersede(&mut self, before: Option<Current>) {
        let Some(before) = before else { return };
        if self.templates.get(before.id).is_some_and(|stored| !stored.handed_out) {
            if let Some(stored) = self.templates.remove(before.id) {
                self.retire(before.id, stored);
            }
        }
    }

    /// All keys need a template on another tip.
    fn change_tip(&mut self, prev_hash: Hash, now: Time) {
        let expires_at = now.monotonic_ms.saturating_add(self.options.template_lifetime_ms);
        self.templates.set_tip(prev_hash, expires_at);
        for client in self.clients.values_mut() {
            client.constraints = 0;
        }
        let mut superseded = Vec::new();
        for (key, state) in self.keys.iter_mut() {
            state.asked = state.current.as_ref().is_some_and(|current| current.tip.prev_hash == prev_hash);
            if !state.asked {
                state.asked = true;
                superseded.extend(state.current.take());
                self.events.cancel_want(*key);
                self.events.push(Event::WantTemplate { key: *key });
            }
        }
        for before in superseded {
            self.supersede(Some(before));
        }
    }

    /// Sends the current template of a key to the clients that should have it.
    fn announce(&mut self, key: ConstraintKey, now: Time) {
        let Some(state) = self.keys.get_mut(&key) else { return };
        state.asked = true;
        let update = state.update_due_at(&self.options).is_some_and(|at| at <= now.monotonic_ms);
        let Some(Current { id: template_id, tip, value, frames }) = &state.current else { return };
        let (template_id, tip) = (*template_id, *tip);
        if update || state.announced.is_none_or(|announced| announced.tip != tip) {
            state.announced = Some(Announced { id: template_id, tip, value: *value, at: now.monotonic_ms });
        }
        let mut failed = Vec::new();
        for (id, client) in &mut self.clients {
            let wants = client.tip != Some(tip) || update && client.last_template_id != template_id;
            if client.key() != Some(key) || !wants {
                continue;
            }
            self.templates.mark_handed_out(template_id);
            match client.send_template(template_id, &tip, frames) {
                Ok(()) => announce_output(*id, client, &mut self.events),
                Err(error) => failed.push((*id, error)),
            }
        }
        for (id, error) in failed {
            self.after_send(id, Err(error));
        }
        self.sweep_later(now);
    }

    fn expire_templates(&mut self, now: Time) {
        while let Some((id, stored)) = self.templates.next_expired(now) {
            self.retire(id, stored);
        }
    }

    /// The last that is done about a template.
    fn retire(&mut self, template_id: u64, stored: Stored) {
        if let Transactions::Asked(waiting) = &stored.transactions {
            for id in waiting {
                if let Some(client) = self.clients.get_mut(id) {
                    client.pending_requests = client.pending_requests.saturating_sub(1);
                }
                self.refuse_transactions(*id, template_id, error_code::STALE_TEMPLATE_ID);
            }
        }
        // The same template may have been issued a second time, for a client that came to the key later.
        if Arc::strong_count(&stored.work) == 1 {
            let node_handle = stored.work.template.node_handle;
            self.events.push(Event::TemplateExpired { node_handle, template_id });
        }
    }

    // -------------------------------------------------------------------------------------------------------- clients

    /// Something may have been queued for a client: the host is to know, or the client is too slow.
    fn after_send(&mut self, id: ConnectionId, sent: Result<(), SendError>) {
        match sent {
            Ok(()) => self.announce_output_of(id),
            Err(error) => {
                let failed = self.clients.get(&id).and_then(|client| client.connection.error());
                let reason = match (error, failed) {
                    (SendError::Failed, Some(error)) => CloseReason::Connection(error),
                    _ => CloseReason::TooSlow,
                };
                self.close(id, reason);
            }
        }
    }

    fn announce_output_of(&mut self, id: ConnectionId) {
        if let Some(client) = self.clients.get_mut(&id) {
            announce_output(id, client, &mut self.events);
        }
    }

    /// Keeps the list of deadlines as the client has it.
    fn list_deadline(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let deadline = client.deadline();
        if deadline == client.listed_deadline {
            return;
        }
        if let Some(before) = core::mem::replace(&mut client.listed_deadline, deadline) {
            self.deadlines.remove(&(before, id));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
    }

    /// Closes a client once it was sent what is waiting, or some time has passed.
    fn close_after_flush(&mut self, id: ConnectionId, reason: CloseReason, now: Time) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.connection.output_len() == 0 {
            return self.close(id, reason);
        }
        let key = client.key();
        let deadline = now.monotonic_ms.saturating_add(self.options.flush_timeout_ms);
        client.phase = Phase::Closing { deadline, reason };
        client.pending_requests = 0;
        self.templates.forget_client(id);
        self.leave_key(key);
        self.list_deadline(id);
    }

    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(client) = self.remove(id) {
            if client.writable {
                self.events.forget(id);
            }
            self.events.push(Event::Close { connection: id, reason });
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Client> {
        let client = self.clients.remove(&id)?;
        if let Some(deadline) = client.listed_deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if client.pending_requests > 0 {
            self.templates.forget_client(id);
        }
        self.leave_key(client.key());
        Some(client)
    }

    /// A client does not need this key any more.
    fn leave_key(&mut self, key: Option<ConstraintKey>) {
        let Some(key) = key else { return };
        if let Some(state) = self.keys.leave(key) {
            self.events.cancel_want(key);
            self.events.push(Event::DropTemplate { key });
            self.supersede(state.current);
        }
    }

    fn sweep_later(&mut self, now: Time) {
        self.sweep_at.get_or_insert(now.monotonic_ms.saturating_add(SWEEP_INTERVAL_MS));
    }

    /// Connections give back what they do not use.
    fn sweep(&mut self, now: Time) {
        self.sweep_at = None;
        let mut failed = Vec::new();
        for (id, client) in &mut self.clients {
            if !client.is_closing() {
                if let Err(error) = client.connection.tick(now) {
                    failed.push((*id, CloseReason::Connection(error)));
                }
            }
        }
        for (id, reason) in failed {
            self.close(id, reason);
        }
    }
}

/// If something is to be sent to a client, the host is told so once.
fn announce_output(id: ConnectionId, client: &mut Client, events: &mut Events) {
    if !client.writable && client.connection.output_len() > 0 {
        client.writable = true;
        events.push(Event::Writable { connection: id });
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("clients", &self.clients.len())
            .field("keys", &self.keys)
            .field("tip", &self.templates.tip())
            .finish_non_exhaustive()
    }
}
