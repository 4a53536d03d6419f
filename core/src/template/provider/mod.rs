//! The provider's side of the Template Distribution Protocol: see [`Provider`].

mod answers;
mod client;
mod connections;
mod distribution;
mod events;
mod keys;
mod next_height;
mod node;
mod options;
mod requests;
mod solution;
mod templates;
mod transactions;
mod work;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::net::IpAddr;

use super::{ConstraintKey, Level};
pub use crate::clients::ConnectionId;
use crate::clients::{Admission, Clients, Deadlines, NoPlace, Rate};
use crate::frame::FrameError;
use crate::noise::Identity;
use crate::{Random, Time};

use client::Client;
use events::Events;
pub use events::{CloseReason, Event, Solution, SolutionRefusal};
use keys::{Key, Keys, NewKeys};
pub use next_height::NewPrevHash;
pub use node::{NodeState, SubmitResult};
pub use options::ProviderOptions;
use solution::Solved;
use templates::Templates;
use work::Work;
pub use work::{Template, TemplateError, TemplateKind};

/// Serves templates to any number of clients (spec 7).
///
/// **The loop.** The host hands in what happens: bytes from clients, templates and transactions from the node, the passing
/// of time. After each input it takes all events with [`Provider::next_event`] and does what they say; for
/// [`Event::Writable`] it writes [`Provider::output`] to the socket, once: what is left comes again, behind the others. Inputs are
/// allowed in between, and a new tip is best handed in at once. The engine calls nobody back, never blocks, and reads no clock: it wants to be called again at
/// [`Provider::next_deadline`].
///
/// ```text
///   sockets: connect, receive, sent, disconnect ─▶ ┌──────────┐ ─▶ Writable, Close
///      node: node_state, template_ready,           │ Provider │ ─▶ SubmitBlock, WantTemplate, WantTransactions,
///            tip_changed, set_new_prev_hash,       │          │    DropTemplate, TemplateExpired, BlockAccepted
///            transactions_ready, submit_result  ─▶ │          │
///     timer: tick                               ─▶ └──────────┘ ─▶ next_deadline
/// ```
///
/// **Templates.** Clients that need the same room share a template: the host makes one for each [`ConstraintKey`] that it is
/// asked for. On a new tip, and when it has just said what it needs, a client gets a NewTemplate with future_template
/// followed by SetNewPrevHash; on the same tip, a NewTemplate without, when the fees rose enough. A host that can foresee what
/// follows the next block hands over a [`TemplateKind::NextHeight`] beforehand. Templates can be solved until
/// [`ProviderOptions::template_lifetime_ms`] after their tip is gone, by anybody, and asked about by those who were sent them.
///
/// **Bounds.** What a peer does costs a bounded amount of memory, set by [`ProviderOptions`]; a client that breaks a rule, sends
/// too much, or does not read what it is sent, is closed with a [`CloseReason`]. Nobody is kept out by connections that are not
/// served: they give way. A client that reads its transactions slowly costs one piece of them beside the copy that all share.
/// Messages that are unknown, or meant for somebody else, are ignored.
pub struct Provider {
    options: ProviderOptions,
    random: Box<dyn Random + Send>,
    clients: Clients<Client>,
    admission: Admission,
    /// The clients that something is expected of, by when.
    deadlines: Deadlines<ConnectionId>,
    keys: Keys,
    new_keys: NewKeys,
    templates: Templates,
    solved: Solved,
    node: NodeState,
    events: Events,
    /// Memory for the output of the next client that has none: while sockets take what they are given, one piece serves all.
    spare: Vec<u8>,
    sweep_at: Option<u64>,
    /// When the last input came, in monotonic milliseconds.
    now_ms: u64,
}

/// An input that was not accepted. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderError {
    /// There is no such connection, or the engine has closed it.
    UnknownConnection,
    /// The connection exists already.
    ConnectionExists,
    /// There are [`ProviderOptions::max_clients`], and all of them are served: the new one should be closed.
    TooManyClients,
    /// From this address came more connections than the options allow: the new one should be closed.
    TooManyFromAddress,
    /// [`Provider::sent`] says more than [`Provider::output`] gave.
    NotInOutput,
    /// Nobody needs a template for this key any more.
    UnknownKey,
    /// The template is on a tip that was followed by another one, or that was not announced. Another is on its way, or was
    /// asked for.
    StaleTemplate,
    /// No template for the next height has this id.
    UnknownTemplate,
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
            Self::TooManyFromAddress => f.write_str("there are too many connections from this address"),
            Self::NotInOutput => f.write_str("more was sent than there was to send"),
            Self::UnknownKey => f.write_str("nobody needs a template with these constraints"),
            Self::StaleTemplate => f.write_str("the template is on a tip that is gone"),
            Self::UnknownTemplate => f.write_str("there is no such template for the next height"),
            Self::Template(error) => error.fmt(f),
            Self::Transactions(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProviderError {}

impl From<NoPlace> for ProviderError {
    fn from(no_place: NoPlace) -> Self {
        match no_place {
            NoPlace::InAll => Self::TooManyClients,
            NoPlace::ForAddress => Self::TooManyFromAddress,
        }
    }
}

impl Provider {
    /// A provider without clients.
    #[must_use]
    pub fn new(options: ProviderOptions, random: Box<dyn Random + Send>) -> Self {
        Self {
            options,
            random,
            clients: Clients::default(),
            admission: Admission::default(),
            deadlines: Deadlines::default(),
            new_keys: NewKeys::default(),
            keys: Keys::default(),
            templates: Templates::default(),
            solved: Solved::default(),
            node: NodeState::Ready,
            events: Events::default(),
            spare: Vec::new(),
            sweep_at: None,
            now_ms: 0,
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

    /// Somebody connected, from `address`. With `None` it counts for no address: if that is not known, as on a local socket, or
    /// for an address behind which the host trusts many to be.
    ///
    /// When there is no place, it is made: the oldest connection that is not set up is closed, or else the oldest that is not
    /// served.
    ///
    /// # Errors
    /// `ConnectionExists`, `TooManyClients` or `TooManyFromAddress`.
    pub fn connect(&mut self, id: ConnectionId, address: Option<IpAddr>, now: Time) -> Result<(), ProviderError> {
        if self.clients.contains_key(&id) {
            return Err(ProviderError::ConnectionExists);
        }
        self.expire_templates(now);
        let (ticket, gives_way) =
            self.admission.admit(id, address, self.clients.len(), &self.options.admission(), now)?;
        if let Some(oldest) = gives_way {
            self.close(oldest, CloseReason::GaveWay);
        }
        if let Some(address) = address {
            self.events.log(Level::Debug, format_args!("client {id} connects from {address}"));
        }
        self.clients.insert(id, Client::new(&self.options, ticket, now));
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
        let rate = Rate::new(self.options.max_requests_per_second, 1_000, self.options.request_burst);
        let mut bytes = bytes;
        while let Some(client) = self.clients.get_mut(&id).filter(|client| client.is_heard()) {
            let is_closing = client.is_closing();
            match client.next_request(&mut bytes, now, &mut *self.random) {
                Ok(Some(request)) if is_closing => self.handle_last(id, request),
                Ok(Some(request)) if client.pace.take(rate, now) => self.handle(id, request, now),
                Ok(Some(request)) => {
                    self.close_after_flush(id, CloseReason::TooManyMessages);
                    self.handle_last(id, request);
                }
                Ok(None) => break,
                Err(reason) => self.close_after_flush(id, reason),
            }
        }
        self.close_if_flushed(id);
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
        let Some(client) = self.clients.get_mut(&id) else { return &[] };
        client.connection.lend(&mut self.spare);
        client.connection.output()
    }

    /// The first `n` bytes of [`Provider::output`] were written. If more are left, an [`Event::Writable`] says so again. A
    /// socket that takes nothing says nothing here, or 0, which leads to no event: the host waits until it takes bytes.
    ///
    /// # Errors
    /// `UnknownConnection` or `NotInOutput`.
    pub fn sent(&mut self, id: ConnectionId, n: usize, now: Time) -> Result<(), ProviderError> {
        let client = self.clients.get_mut(&id).ok_or(ProviderError::UnknownConnection)?;
        if !client.connection.sent(n) {
            return Err(ProviderError::NotInOutput);
        }
        client.connection.give_back(&mut self.spare);
        if n > 0 {
            client.unread_since = None;
        }
        self.close_if_flushed(id);
        self.sweep_later(now);
        if n > 0 {
            self.answer_deferred(id, now);
            self.announce_output_of(id);
        }
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
    /// `UnknownKey`, `StaleTemplate` or `Template`. The engine then does not know the template: no [`Event::TemplateExpired`]
    /// will come for it, and what was wanted is still wanted. After `UnknownKey` nobody waits; after `StaleTemplate` the host
    /// makes another on the present tip; after `Template` the same one would be refused again.
    pub fn template_ready(&mut self, key: ConstraintKey, template: Template, now: Time) -> Result<u64, ProviderError> {
        self.expire_templates(now);
        if self.keys.get(&key).is_none() {
            return Err(ProviderError::UnknownKey);
        }
        if template.kind == TemplateKind::NextHeight {
            return self.next_height_ready(key, template, now);
        }
        let work = Arc::new(Work::new(template).map_err(ProviderError::Template)?);
        if self.templates.is_stale(&work, now) {
            return Err(ProviderError::StaleTemplate);
        }
        let (prev_hash, height) = (work.tip.prev_hash, work.height());
        let id =
            self.issue(key, work, None, now).map_err(|error| ProviderError::Template(TemplateError::Encode(error)))?;
        if self.templates.tip() != Some(prev_hash) {
            self.change_tip(prev_hash, now);
        }
        self.templates.note_height(height);
        self.events.cancel_want(key);
        self.announce(key, now);
        Ok(id)
    }

    // ----------------------------------------------------------------------------------------------------------- time

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.expire_templates(now);
        self.give_up_transactions(now);
        self.drop_unused_keys();
        let is_due = |key: &Key| key.update_due_at(&self.options).is_some_and(|at| at <= now.monotonic_ms);
        let due: Vec<ConstraintKey> = self.keys.iter().filter(|(_, key)| is_due(key)).map(|(key, _)| *key).collect();
        for key in due {
            self.announce(key, now);
        }
        for id in self.deadlines.take_due(now.monotonic_ms) {
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
        let client = self.deadlines.first();
        let update = self.keys.iter().filter_map(|(_, key)| key.update_due_at(&self.options)).min();
        let templates = [self.templates.next_expiry(), self.templates.answers.next_timeout()];
        let all = [client, update, self.keys.next_unused(), self.sweep_at].into_iter().chain(templates);
        // Written so that no comparison looks at what stands behind a None, of which valgrind would complain.
        Some(all.map(|at| at.unwrap_or(u64::MAX)).fold(u64::MAX, u64::min)).filter(|at| *at != u64::MAX)
    }

    // --------------------------------------------------------------------------------------------------------- events

    /// What the host must do next, until there is nothing.
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event> {
        if let Some(solution) = self.events.next_solution() {
            return Some(Event::SubmitBlock(solution));
        }
        if let Some(want) = self.events.next_want() {
            return Some(want);
        }
        while let Some(connection) = self.events.next_in_front() {
            // It may have gone since, or the host has written without being told.
            let Some(client) = self.clients.get_mut(&connection) else { continue };
            if mem::take(&mut client.in_front) && client.connection.output_len() > 0 {
                return Some(Event::Writable { connection });
            }
        }
        while let Some(event) = self.events.next() {
            let Event::Writable { connection } = event else { return Some(event) };
            let Some(client) = self.clients.get_mut(&connection) else { continue };
            client.writable = false;
            if client.connection.output_len() > 0 {
                return Some(event);
            }
        }
        None
    }

    /// The next [`Event::SubmitBlock`] alone. It touches nothing else of the engine: a block that was found can be taken out
    /// whatever has happened since.
    #[must_use]
    pub fn next_solution(&mut self) -> Option<Solution> {
        self.events.next_solution()
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
