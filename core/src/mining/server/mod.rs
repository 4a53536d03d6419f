//! The server's side of the Mining Protocol: see [`Server`].

mod channels;
mod client;
mod connections;
mod custom;
mod distribution;
mod events;
mod handle;
mod opening;
mod options;
mod requests;
mod shares;
mod upstream;
mod work;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::net::IpAddr;

use super::channel::{ChannelOptions, ServerChannel};
use super::extranonce::{ExtranonceAllocator, ExtranonceError, ExtranonceLayout};
use super::hashrate;
use super::job::{JobError, JobFactory};
use super::vardiff::VardiffOptions;
use crate::clients::{Admission, Clients, Deadlines, Level, NoPlace};
use crate::noise::Identity;
use crate::{Random, Time};

pub use crate::clients::ConnectionId;
use client::Client;
use events::Events;
pub use events::{
    ChannelClosed, ChannelOpened, ClientInfo, CloseReason, ClosedBy, CustomJobRequest, Event, FoundBlock, OpenChannel,
    Share, WorkerIdentity,
};
pub use options::ServerOptions;
pub use upstream::UpstreamChannel;
pub use work::WorkId;
use work::{Templates, Work};

/// Gives work to any number of miners, and takes what they find (spec 5): the engine of a pool, and the lower half of a proxy.
///
/// **The loop.** The host hands in what happens: bytes from clients, templates and tips, the passing of time. After each input
/// it takes all events with [`Server::next_event`] and does what they say; for [`Event::Writable`] it writes
/// [`Server::output`] to the socket, once: what is left comes again, behind the others. Inputs are allowed in between, and a
/// new tip is best handed in at once. The engine calls nobody back, never blocks, and reads no clock: it wants to be called again at
/// [`Server::next_deadline`].
///
/// ```text
///   sockets: connect, receive, sent, disconnect ─▶ ┌────────┐ ─▶ BlockFound
/// templates: new_template, set_new_prev_hash       │        │ ─▶ Writable, Close
///  upstream: new_upstream_job,                     │ Server │ ─▶ OpenChannel, SetCustomMiningJob: the host decides
///            set_upstream_prev_hash             ─▶ │        │ ─▶ ShareAccepted, ShareRejected
///      host: accept_channel, accept_custom_job, …  │        │ ─▶ Connected, ChannelOpened, ChannelUpdated, ChannelClosed
///     timer: tick                               ─▶ └────────┘ ─▶ next_deadline
/// ```
///
/// **Work.** What a channel mines has a [`WorkId`] of the host's. It is a payout of the server's templates
/// ([`Server::set_payout`]), one for each user if they are paid by the coinbase itself, or what an upstream channel sends
/// ([`Server::set_upstream`]). Each job is made and encoded once for all that mine it. On every connection the channels of one
/// work are a group, and get one message; standard channels of a connection with REQUIRES_STANDARD_JOBS get one each.
///
/// **A new tip** costs one short message for each group: the job that waits for it was sent before, if the template came before.
/// These messages go out before all others.
///
/// **What holds.**
/// - A job's number is never used twice, on whatever channel, and no two jobs of a payout have a search space in common. So a
///   hash can count once only, as long as its channel remembers it; it remembers all shares of the jobs that it takes shares for.
/// - A channel has its extranonce_prefix alone, and no other gets it before the tip has changed.
/// - A block is told before anything else is done about its share, and once.
/// - What a miner was told holds: a job's target is that of the moment when it became active; what was accepted is acknowledged,
///   unless the client closes the channel before: then nothing more may be sent for it (spec 5.3.9).
///
/// **Side by side.** One engine is one thread's. To use several cores or machines, run several engines that share nothing: each
/// has its own [`ServerOptions::server_id`], its own clients, and is given the same templates; whoever accepts sockets hands each
/// to any of them. The server id is part of every extranonce, so that the engines' search spaces are apart whatever else is the
/// same. A block is submitted by the host of the engine whose miner has found it.
///
/// **Bounds.** What a peer does costs a bounded amount of memory, set by [`ServerOptions`]; a client that breaks a rule, sends
/// too much, or does not read what it is sent, is closed with a [`CloseReason`]. Nobody is kept out by connections without
/// channels: they give way. Messages that are unknown, or meant for somebody else, are ignored.
pub struct Server {
    options: ServerOptions,
    random: Box<dyn Random + Send>,
    clients: Clients<Client>,
    admission: Admission,
    /// The clients that something is expected of, by when.
    deadlines: Deadlines<ConnectionId>,
    /// The channels about which something is to be done, by when or before.
    channel_deadlines: Deadlines<(ConnectionId, u32)>,
    works: BTreeMap<WorkId, Work>,
    templates: Templates,
    extranonces: ExtranonceAllocator,
    /// The tips there were.
    epoch: u64,
    last_job_id: u32,
    channels: usize,
    events: Events,
    /// Memory for the output of the next client that has none: while sockets take what they are given, one piece serves all.
    spare: Vec<u8>,
    sweep_at: Option<u64>,
    /// When the last input came, in monotonic milliseconds.
    now_ms: u64,
}

/// An input that was not accepted. Nothing was changed, but where a variant says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no such connection, or the engine has closed it.
    UnknownConnection,
    /// The connection exists already.
    ConnectionExists,
    /// There are [`ServerOptions::max_clients`], and all of them have channels: the new one should be closed.
    TooManyClients,
    /// From this address came more connections than the options allow: the new one should be closed.
    TooManyFromAddress,
    /// [`Server::sent`] says more than [`Server::output`] gave.
    NotInOutput,
    /// The connection has no such channel.
    UnknownChannel,
    /// No request with this number waits for an answer.
    UnknownRequest,
    /// The host gave no work this name, or another kind of work.
    UnknownWork,
    /// Channels mine this work.
    WorkInUse,
    /// There is no tip yet that the job could be on.
    NoTip,
    /// nBits stands for no target.
    InvalidNbits,
    /// The job that a tip names did not come before.
    UnknownJob,
    /// The custom job is not on the tip any more, or one too many. The client was told so.
    CustomJobRefused,
    /// No extranonce is to be had, or none of the length that is needed. A client that asked for a channel was told so.
    Extranonce(ExtranonceError),
    /// The extranonces would leave a channel fewer or more bytes to roll than it was told.
    ExtranonceSize,
    /// [`ServerOptions::shares_per_minute`] or [`ServerOptions::min_hash_rate`] is no positive number, or no target is hard enough for
    /// so few shares.
    HashRate,
    /// A job cannot be made.
    Job(JobError),
    /// The message cannot be encoded.
    NotEncodable,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownConnection => f.write_str("there is no such connection"),
            Self::ConnectionExists => f.write_str("the connection exists already"),
            Self::TooManyClients => f.write_str("there are too many clients"),
            Self::TooManyFromAddress => f.write_str("there are too many connections from this address"),
            Self::NotInOutput => f.write_str("more was sent than there was to send"),
            Self::UnknownChannel => f.write_str("the connection has no such channel"),
            Self::UnknownRequest => f.write_str("no such request waits for an answer"),
            Self::UnknownWork => f.write_str("there is no such work"),
            Self::WorkInUse => f.write_str("channels mine this work"),
            Self::NoTip => f.write_str("there is no tip yet"),
            Self::InvalidNbits => f.write_str("nBits stands for no target"),
            Self::UnknownJob => f.write_str("the job of this tip did not come before"),
            Self::CustomJobRefused => f.write_str("the custom job is stale or one too many"),
            Self::Extranonce(error) => error.fmt(f),
            Self::ExtranonceSize => f.write_str("channels would have other numbers of bytes to roll"),
            Self::HashRate => {
                f.write_str("the shares per minute or the lowest hash rate are no numbers to make targets with")
            }
            Self::Job(error) => error.fmt(f),
            Self::NotEncodable => f.write_str("the message cannot be encoded"),
        }
    }
}

impl core::error::Error for ServerError {}

impl From<NoPlace> for ServerError {
    fn from(no_place: NoPlace) -> Self {
        match no_place {
            NoPlace::InAll => Self::TooManyClients,
            NoPlace::ForAddress => Self::TooManyFromAddress,
        }
    }
}

impl Server {
    /// A server without clients and work.
    ///
    /// # Errors
    /// `Extranonce` if server_id, index and rollable bytes make no extranonce; `HashRate` if shares_per_minute or min_hash_rate is
    /// not finite and above 0; `Job` if the pool's tag is too long for a scriptSig.
    pub fn new(options: ServerOptions, random: Box<dyn Random + Send>) -> Result<Self, ServerError> {
        // All targets are made for a hash rate from the lowest to the largest that the wire can hold.
        for hash_rate in [options.min_hash_rate, f32::MAX.into()] {
            hashrate::target_for(hash_rate, options.shares_per_minute).ok_or(ServerError::HashRate)?;
        }
        let layout = ExtranonceLayout {
            upstream_prefix: &[],
            server_id: &options.server_id,
            index_len: options.index_len,
            rollable_len: options.rollable_len,
        };
        let extranonces = ExtranonceAllocator::new(layout).map_err(ServerError::Extranonce)?;
        JobFactory::new(&options.pool_tag, "", extranonces.full_len()).map_err(ServerError::Job)?;
        Ok(Self {
            options,
            random,
            clients: Clients::default(),
            admission: Admission::default(),
            deadlines: Deadlines::default(),
            channel_deadlines: Deadlines::default(),
            works: BTreeMap::new(),
            templates: Templates::default(),
            extranonces,
            epoch: 0,
            last_job_id: 0,
            channels: 0,
            events: Events::default(),
            spare: Vec::new(),
            sweep_at: None,
            now_ms: 0,
        })
    }

    /// Shows another identity to clients that connect from now on, for example one with a new certificate. A server
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

    /// How many channels are open.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// A channel as it is, to look at.
    #[must_use]
    pub fn channel(&self, connection: ConnectionId, channel_id: u32) -> Option<&ServerChannel> {
        Some(&self.clients.get(&connection)?.channels.get(&channel_id)?.inner)
    }

    // -------------------------------------------------------------------------------------------------------- sockets

    /// Somebody connected, from `address`. With `None` it counts for no address: if that is not known, as on a local socket, or
    /// for an address behind which the host trusts many to be, as a farm.
    ///
    /// When there is no place, it is made: the oldest connection that is not set up is closed, or else the oldest without a
    /// channel.
    ///
    /// # Errors
    /// `ConnectionExists`, `TooManyClients` or `TooManyFromAddress`.
    pub fn connect(&mut self, id: ConnectionId, address: Option<IpAddr>, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        if self.clients.contains_key(&id) {
            return Err(ServerError::ConnectionExists);
        }
        let limits = self.options.admission();
        let (ticket, gives_way) = self.admission.admit(id, address, self.clients.len(), &limits, now)?;
        if let Some(oldest) = gives_way {
            self.close_now(oldest, CloseReason::GaveWay);
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
    pub fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        if !self.clients.contains_key(&id) {
            return Err(ServerError::UnknownConnection);
        }
        self.sweep_later(now);
        let mut bytes = bytes;
        while let Some(client) = self.clients.get_mut(&id).filter(|client| client.is_heard()) {
            let (is_closing, rate) = (client.is_closing(), client.rate(&self.options));
            match client.next_request(&mut bytes, now, &mut *self.random) {
                Ok(Some(request)) => match (is_closing, client.pace.take(rate, now)) {
                    (false, true) => self.handle(id, request, now),
                    (true, true) => self.handle_last(id, request, now),
                    (false, false) => {
                        self.close_after_flush(id, CloseReason::TooManyMessages);
                        self.handle_last(id, request, now);
                    }
                    (true, false) => self.close_now(id, CloseReason::TooManyMessages),
                },
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

    /// The first `n` bytes of [`Server::output`] were written. If more are left, an [`Event::Writable`] says so again. A
    /// socket that takes nothing says nothing here, or 0, which leads to no event: the host waits until it takes bytes.
    ///
    /// # Errors
    /// `UnknownConnection` or `NotInOutput`.
    pub fn sent(&mut self, id: ConnectionId, n: usize, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let client = self.clients.get_mut(&id).ok_or(ServerError::UnknownConnection)?;
        if !client.connection.sent(n) {
            return Err(ServerError::NotInOutput);
        }
        client.connection.give_back(&mut self.spare);
        if n > 0 {
            client.unread_since = None;
        }
        self.close_if_flushed(id);
        self.sweep_later(now);
        if n > 0 {
            self.announce_output_of(id);
        }
        Ok(())
    }

    /// Closes a connection: what waits for it is sent before.
    ///
    /// # Errors
    /// `UnknownConnection`.
    pub fn close(&mut self, id: ConnectionId, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        if !self.clients.contains_key(&id) {
            return Err(ServerError::UnknownConnection);
        }
        self.close_after_flush(id, CloseReason::Host);
        self.close_if_flushed(id);
        Ok(())
    }

    // ----------------------------------------------------------------------------------------------------------- time

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.now_ms = now.monotonic_ms;
        for (id, channel_id) in self.channel_deadlines.take_due(now.monotonic_ms) {
            self.attend(id, channel_id, now);
        }
        for id in self.deadlines.take_due(now.monotonic_ms) {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            client.listed_deadline = None;
            // Whoever had the time to read why he is closed does not get it again.
            let was_closing = client.is_closing();
            match client.overdue(now) {
                Some(reason @ (CloseReason::SetupTimeout | CloseReason::NoChannel)) if !was_closing => {
                    self.close_after_flush(id, reason);
                    self.close_if_flushed(id);
                }
                Some(reason) => self.close_now(id, reason),
                None => self.list_deadline(id),
            }
        }
        if self.sweep_at.is_some_and(|at| at <= now.monotonic_ms) {
            self.sweep(now);
        }
    }

    /// When [`Server::tick`] is to be called, in monotonic milliseconds; not at all if `None`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let all = [self.deadlines.first(), self.channel_deadlines.first(), self.sweep_at];
        // Written so that no comparison looks at what stands behind a None, of which valgrind would complain.
        Some(all.into_iter().map(|at| at.unwrap_or(u64::MAX)).fold(u64::MAX, u64::min)).filter(|at| *at != u64::MAX)
    }

    // --------------------------------------------------------------------------------------------------------- events

    /// What the host must do next, until there is nothing.
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event> {
        if let Some(block) = self.events.next_block() {
            return Some(Event::BlockFound(block));
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

    /// The next [`Event::BlockFound`] alone. It touches nothing else of the engine: a block that was found can be taken out
    /// whatever has happened since.
    #[must_use]
    pub fn next_block(&mut self) -> Option<Box<FoundBlock>> {
        self.events.next_block()
    }

    /// The host's source of randomness, for the proxy that the server is the lower half of.
    pub(in crate::mining) fn random(&mut self) -> &mut (dyn Random + Send) {
        &mut *self.random
    }

    fn channel_options(&self) -> ChannelOptions {
        ChannelOptions {
            ntime_rule: self.options.ntime_rule,
            version_mask: self.options.version_mask,
            past_jobs: self.options.past_jobs,
            future_jobs: self.options.max_future_templates,
            max_shares_per_job: self.options.max_shares_per_job,
            accounting: self.options.accounting,
        }
    }

    fn vardiff_options(&self) -> VardiffOptions {
        VardiffOptions {
            shares_per_minute: self.options.shares_per_minute as f32,
            min_hashrate: self.options.min_hash_rate as f32,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("clients", &self.clients.len())
            .field("channels", &self.channels)
            .field("tip", &self.templates.tip)
            .finish_non_exhaustive()
    }
}
