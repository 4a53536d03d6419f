//! Between miners and pools: see [`Proxy`].

mod aggregate;
mod events;
mod link;
mod options;
mod relay;
mod upstream_options;
mod upstreams;
mod work;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::clients::{ConnectionId, Level};
use crate::frame::Header;
use crate::message::{Payload, Reconnect};
use crate::mining::server::ServerError;
use crate::noise::{HandshakeError, Identity};
use crate::{Random, Time};

use aggregate::Aggregate;
use events::Events;
pub use events::{Channel, Event, FoundBlock, UpstreamCloseReason};
use link::Incoming;
pub use options::{Mode, ProxyOptions};
use relay::Relay;
pub use upstream_options::UpstreamOptions;
use upstreams::Upstreams;

/// Takes work from one mining server at a time and gives it to any number of miners (spec 5.2).
///
/// **The loop.** The host hands in what happens: bytes from its sockets, the passing of time. After each input it takes all
/// events with [`Proxy::next_event`] and does what they say; for [`Event::Writable`] it writes [`Proxy::output`] to the miner's
/// socket until that is empty or the socket takes no more, for [`Event::UpstreamWritable`] likewise
/// [`Proxy::upstream_output`]. Inputs are allowed in between. The engine calls nobody back, never blocks, and reads no clock: it
/// wants to be called again at [`Proxy::next_deadline`], for the first time at once.
///
/// ```text
///   miners' sockets: connect, receive, sent, disconnect ─▶ ┌───────┐ ─▶ Writable, Close
/// upstream's socket: upstream_connected, _receive,         │ Proxy │ ─▶ ConnectUpstream, UpstreamWritable, CloseUpstream
///                    _sent, _disconnected               ─▶ │       │ ─▶ ShareAccepted, UpstreamAccepted, BlockFound, …
///             timer: tick                               ─▶ └───────┘ ─▶ next_deadline
/// ```
///
/// **Aggregation** ([`Mode::Aggregate`]). All miners share one extended channel of the upstream, which is opened when the first
/// miner wants one and closed [`ProxyOptions::linger_ms`] after the last has gone. Its extranonce space is divided among them.
/// Miners are [`ProxyOptions::downstream`]'s: each has a target of its own, shares are judged here and acknowledged here. Those that
/// meet the upstream's target go up. So that none of these is missed, no miner's target is harder than the upstream's. The
/// upstream is told the sum of the miners' nominal hash rates. What it says of shares is told in [`Event::UpstreamAccepted`] and
/// [`Event::UpstreamRejected`], and does not reach the miners.
///
/// **Pass-through** ([`Mode::PassThrough`]). Each channel of a miner is a channel of the upstream, which judges; what either says
/// goes to the other with its own ids. Miners that require standard jobs are sent those, made of the extended jobs of their
/// group.
///
/// **Failover.** When the upstream is lost, the next one is sought; miners keep their connections and channels. The new upstream's
/// extranonce prefix goes to them with SetExtranoncePrefix, then its jobs. A miner cannot be told another extranonce size: if the
/// new upstream leaves more room, zeros fill it; if it leaves less, in pass-through the channel is closed with CloseChannel
/// ("extranonce-size-changed") and the miner may open another one, in aggregation the upstream is of no use and the next one is
/// tried. After [`ProxyOptions::failback_ms`] with an upstream that is not the first of the options, the proxy leaves it in the same
/// way and tries those before it; if none can be used, it goes back.
///
/// **Shares without an upstream.** Shares that were not answered when the upstream was lost, and those found on its work later, wait for
/// [`ProxyOptions::hold_ms`]; at most [`ProxyOptions::max_held_shares`] of them. If an upstream comes that gives the same
/// work (the same extranonce prefix, tip and job, as from a pool that knows its clients again), they are sent to it. If not, in
/// pass-through the miner is answered "stale-share"; in aggregation the miner's answer was given before, and an
/// [`Event::UpstreamRejected`] says so. There, a block waits until an upstream gives work on another tip, gives way to other blocks
/// only, and if it is lost a line of the log has its header, job and extranonce. Each share is answered, but for one case: in pass-through, of more than
/// [`ProxyOptions::max_held_shares`] shares of a channel that went up and that the upstream has not answered, the oldest are
/// forgotten; if the upstream is lost before it answers those, nobody does.
///
/// **Bounds.** What a peer does costs a bounded amount of memory, set by [`ProxyOptions`]. A peer that breaks the protocol is
/// closed; what is unknown is ignored, or passed on where the specification says so (spec 3.4.1).
pub struct Proxy {
    options: ProxyOptions,
    upstreams: Upstreams,
    side: Box<dyn Side>,
    events: Events,
    totals: Totals,
    payload: Vec<u8>,
    /// When the last input came.
    now: Time,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Shares of miners that were accepted here; in pass-through the upstream does that.
    pub accepted: u64,
    /// Shares that were refused here.
    pub rejected: u64,
    /// Shares that were sent to an upstream. One that was sent again counts again.
    pub submitted: u64,
    /// Shares that waited for an upstream, or still wait.
    pub held: u64,
    /// Shares that upstreams acknowledged.
    pub upstream_accepted: u64,
    /// Shares that upstreams refused.
    pub upstream_rejected: u64,
    /// Shares that were good for an upstream which was lost, and could be given to no other.
    pub lost: u64,
    /// The sum of the difficulties of the shares that upstreams acknowledged, as they count.
    pub upstream_difficulty: u64,
    /// Blocks found, in aggregation.
    pub blocks: u64,
    /// How often an upstream that was in use was lost.
    pub upstreams_lost: u64,
}

/// An input that was not accepted. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// There is no upstream in the options.
    NoUpstream,
    /// A string of the options has more than 255 bytes.
    TooLong,
    /// No [`Event::ConnectUpstream`] asked for a connection, or it was answered.
    NoUpstreamWanted,
    /// There is no connection to an upstream, or the engine has closed it.
    NotConnected,
    /// The handshake with the upstream cannot be begun.
    Handshake(HandshakeError),
    /// More was sent than there was to send.
    NotInOutput,
    /// The miners' side does not accept it.
    Downstream(ServerError),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUpstream => f.write_str("there is no upstream"),
            Self::TooLong => f.write_str("a string has more than 255 bytes"),
            Self::NoUpstreamWanted => f.write_str("no connection to an upstream is wanted"),
            Self::NotConnected => f.write_str("there is no connection to an upstream"),
            Self::Handshake(error) => error.fmt(f),
            Self::NotInOutput => f.write_str("more was sent than there was to send"),
            Self::Downstream(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProxyError {}

/// The miners' side of a mode.
trait Side: Send {
    /// The host's source of randomness.
    fn random(&mut self) -> &mut (dyn Random + Send);
    /// What is shown to miners from now on is in the options already.
    fn set_identity(&mut self, identity: Arc<Identity>);
    fn connect(&mut self, id: ConnectionId, address: Option<IpAddr>, cx: &mut Context<'_>) -> Result<(), ProxyError>;
    fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], cx: &mut Context<'_>) -> Result<(), ProxyError>;
    fn output(&mut self, id: ConnectionId) -> &[u8];
    fn sent(&mut self, id: ConnectionId, n: usize, cx: &mut Context<'_>) -> Result<(), ProxyError>;
    fn disconnect(&mut self, id: ConnectionId, cx: &mut Context<'_>);
    /// Channels can be opened.
    fn upstream_ready(&mut self, cx: &mut Context<'_>);
    /// The upstream that was ready is gone.
    fn upstream_lost(&mut self, cx: &mut Context<'_>);
    /// The upstream says something. An error closes its connection.
    fn upstream_message(
        &mut self,
        header: Header,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), UpstreamCloseReason>;
    /// After every input: time has passed, too. An error closes the connection to the upstream.
    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamCloseReason>;
    fn next_deadline(&self) -> Option<u64>;
    /// Whether the upstream has something to say, if it lives.
    fn has_channels(&self) -> bool;
    /// The host takes out that there is output. False if there is no such connection any more.
    fn take_writable(&mut self, id: ConnectionId) -> bool;
    fn reconnect(&mut self, host: &str, port: u16, cx: &mut Context<'_>);
}

/// What the miners' side works with.
struct Context<'a> {
    options: &'a ProxyOptions,
    upstreams: &'a mut Upstreams,
    events: &'a mut Events,
    totals: &'a mut Totals,
    now: Time,
}

impl Proxy {
    /// A proxy without connections.
    ///
    /// # Errors
    /// `NoUpstream`, `TooLong`, or `Downstream` for what the miners' side does not accept.
    pub fn new(options: ProxyOptions, random: Box<dyn Random + Send>) -> Result<Self, ProxyError> {
        if options.upstreams.is_empty() {
            return Err(ProxyError::NoUpstream);
        }
        let of_upstreams = options.upstreams.iter().flat_map(|upstream| [&upstream.host, &upstream.user_identity]);
        let own = [&options.vendor, &options.hardware_version, &options.firmware, &options.device_id];
        if own.into_iter().chain(of_upstreams).any(|text| text.len() > 255) {
            return Err(ProxyError::TooLong);
        }
        let side: Box<dyn Side> = match options.mode {
            Mode::Aggregate => Box::new(Aggregate::new(&options, random)?),
            Mode::PassThrough => Box::new(Relay::new(random)),
        };
        Ok(Self {
            upstreams: Upstreams::new(&options),
            options,
            side,
            events: Events::default(),
            totals: Totals::default(),
            payload: Vec::new(),
            now: Time::default(),
        })
    }

    // ------------------------------------------------------------------------------------------------- miners' sockets

    /// A miner's socket is connected. `address` is `None` if it is not to be counted: for a farm behind one address.
    ///
    /// # Errors
    /// `Downstream`: the name is in use, or there are too many; close the socket then.
    pub fn connect(&mut self, id: ConnectionId, address: Option<IpAddr>, now: Time) -> Result<(), ProxyError> {
        let result = self.with_side(now, |side, cx| side.connect(id, address, cx));
        self.pump();
        result
    }

    /// Bytes came from a miner. They are decrypted where they are; what is left in `bytes` has no meaning.
    ///
    /// # Errors
    /// `Downstream`: there is no such connection. What is wrong with the bytes leads to an [`Event::Close`].
    pub fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], now: Time) -> Result<(), ProxyError> {
        let result = self.with_side(now, |side, cx| side.receive(id, bytes, cx));
        self.pump();
        result
    }

    /// Bytes to write to a miner's socket, contiguous and in order. Empty if there are none.
    #[must_use]
    pub fn output(&mut self, id: ConnectionId) -> &[u8] {
        self.side.output(id)
    }

    /// The first `n` bytes of [`Proxy::output`] were written. If more are left, an [`Event::Writable`] says so again.
    ///
    /// # Errors
    /// `NotInOutput`, or `Downstream`: there is no such connection.
    pub fn sent(&mut self, id: ConnectionId, n: usize, now: Time) -> Result<(), ProxyError> {
        let result = self.with_side(now, |side, cx| side.sent(id, n, cx));
        self.pump();
        result
    }

    /// A miner's socket is closed. Also right, and without effect, after [`Event::Close`].
    pub fn disconnect(&mut self, id: ConnectionId, now: Time) {
        self.with_side(now, |side, cx| side.disconnect(id, cx));
        self.pump();
    }

    /// Tells all miners to connect elsewhere (spec 3.6.5), such as before the host ends. An empty `host` and a `port` of 0 stand for
    /// where they are.
    pub fn reconnect_miners(&mut self, host: &str, port: u16, now: Time) {
        self.with_side(now, |side, cx| side.reconnect(host, port, cx));
        self.pump();
    }

    /// Shows another identity to miners that connect from now on, for example one with a new certificate. A proxy without encryption
    /// on the miners' side stays without.
    pub fn set_identity(&mut self, identity: Arc<Identity>) {
        if self.options.downstream.identity.is_some() {
            self.options.downstream.identity = Some(Arc::clone(&identity));
            self.side.set_identity(identity);
        }
    }

    // ---------------------------------------------------------------------------------------------- upstream's socket

    /// The socket that [`Event::ConnectUpstream`] asked for is connected: the handshake begins.
    ///
    /// # Errors
    /// `NoUpstreamWanted`, or `Handshake` if there is no randomness.
    pub fn upstream_connected(&mut self, now: Time) -> Result<(), ProxyError> {
        self.upstreams.connected(&self.options, now, self.side.random())?;
        self.now = now;
        self.pump();
        Ok(())
    }

    /// The upstream's socket is closed, or could not be connected. Also right, and without effect, after
    /// [`Event::CloseUpstream`].
    pub fn upstream_disconnected(&mut self, now: Time) {
        self.now = now;
        if self.upstreams.is_dialling() || self.upstreams.link().is_some() {
            self.lose_upstream();
        }
        self.pump();
    }

    /// Bytes came from the upstream. They are decrypted where they are; what is left in `bytes` has no meaning.
    ///
    /// # Errors
    /// `NotConnected`. What is wrong with the bytes leads to an [`Event::CloseUpstream`].
    pub fn upstream_receive(&mut self, bytes: &mut [u8], now: Time) -> Result<(), ProxyError> {
        if self.upstreams.link().is_none() {
            return Err(ProxyError::NotConnected);
        }
        self.now = now;
        let mut payload = core::mem::take(&mut self.payload);
        let mut bytes = bytes;
        while let Some(link) = self.upstreams.link() {
            let incoming = link.next_message(&mut bytes, &mut payload, &self.options, now, self.side.random());
            let result = match incoming {
                Ok(Some(incoming)) => self.take_in(incoming, &payload),
                Ok(None) => break,
                Err(reason) => Err(reason),
            };
            if let Err(reason) = result {
                self.close_upstream(reason);
            }
        }
        self.payload = payload;
        self.pump();
        Ok(())
    }

    /// Bytes to write to the upstream's socket, contiguous and in order. Empty if there are none.
    #[must_use]
    pub fn upstream_output(&mut self) -> &[u8] {
        self.upstreams.link().map_or(&[], |link| link.connection.output())
    }

    /// The first `n` bytes of [`Proxy::upstream_output`] were written. If more are left, an [`Event::UpstreamWritable`] says so
    /// again.
    ///
    /// # Errors
    /// `NotConnected` or `NotInOutput`.
    pub fn upstream_sent(&mut self, n: usize, now: Time) -> Result<(), ProxyError> {
        let link = self.upstreams.link().ok_or(ProxyError::NotConnected)?;
        if !link.connection.sent(n) {
            return Err(ProxyError::NotInOutput);
        }
        self.now = now;
        if n > 0 {
            self.pump();
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------------- time

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.now = now;
        self.pump();
    }

    /// When [`Proxy::tick`] is to be called, in monotonic milliseconds; not at all if `None`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let silence = self.side.has_channels().then(|| self.upstreams.silent_at(&self.options)).flatten();
        [self.upstreams.deadline(), self.side.next_deadline(), silence].into_iter().flatten().min()
    }

    // ----------------------------------------------------------------------------------------------------------- events

    /// What the host must do next, until there is nothing.
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let event = self.events.next()?;
            let is_moot = match &event {
                Event::Writable { connection } => !self.side.take_writable(*connection),
                Event::UpstreamWritable => {
                    !self.upstreams.link().is_some_and(|link| core::mem::take(&mut link.writable))
                }
                _ => false,
            };
            if !is_moot {
                return Some(event);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------------ state

    /// The upstream in use, as its place in [`ProxyOptions::upstreams`]; `None` while there is none that has accepted the
    /// connection.
    #[must_use]
    pub fn upstream(&self) -> Option<usize> {
        self.upstreams.is_ready().then(|| self.upstreams.current())
    }

    /// What has happened so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    // ---------------------------------------------------------------------------------------------------------- helpers

    fn with_side<R>(&mut self, now: Time, act: impl FnOnce(&mut dyn Side, &mut Context<'_>) -> R) -> R {
        self.now = now;
        let mut cx = Context {
            options: &self.options,
            upstreams: &mut self.upstreams,
            events: &mut self.events,
            totals: &mut self.totals,
            now,
        };
        act(&mut *self.side, &mut cx)
    }

    fn take_in(&mut self, incoming: Incoming, payload: &[u8]) -> Result<(), UpstreamCloseReason> {
        let now = self.now;
        match incoming {
            Incoming::Nothing => Ok(()),
            Incoming::Ready => {
                self.become_ready();
                Ok(())
            }
            Incoming::Message(header) if header.tag() == Reconnect::SHAPE.tag => {
                let Reconnect { new_host, new_port } = Reconnect::decode(payload)?;
                if !self.upstreams.redirect(&self.options, new_host.to_string(), new_port) {
                    let text = format_args!("the upstream's clients are to go to {new_host}:{new_port}: not followed");
                    self.events.log(Level::Warning, text);
                }
                Err(UpstreamCloseReason::Reconnect)
            }
            Incoming::Message(header) => self.with_side(now, |side, cx| side.upstream_message(header, payload, cx)),
        }
    }

    fn become_ready(&mut self) {
        self.upstreams.note_ready(&self.options, self.now);
        self.events.push(Event::UpstreamReady { upstream: self.upstreams.current() });
        self.with_side(self.now, |side, cx| side.upstream_ready(cx));
    }

    /// After an input: deadlines that have passed, and what there is to write.
    fn pump(&mut self) {
        let now = self.now;
        if let Err(reason) = self.with_side(now, |side, cx| side.tick(cx)) {
            self.close_upstream(reason);
        }
        let is_silent = self.side.has_channels()
            && self.upstreams.silent_at(&self.options).is_some_and(|at| at <= now.monotonic_ms);
        match self.upstreams.tick(now) {
            Err(reason) => self.close_upstream(reason),
            Ok(_) if is_silent => self.close_upstream(UpstreamCloseReason::Silent),
            Ok(true) => self.become_ready(),
            Ok(false) if self.upstreams.take_failback(now) => {
                let upstream = self.upstreams.current();
                self.events.log(Level::Info, format_args!("upstream {upstream} is left to try those preferred to it"));
                self.close_upstream(UpstreamCloseReason::Failback);
            }
            Ok(false) => {}
        }
        self.upstreams.dial(&self.options, &mut self.events, now);
        self.upstreams.announce_output(&mut self.events);
    }

    fn close_upstream(&mut self, reason: UpstreamCloseReason) {
        if self.upstreams.link().is_none() {
            return;
        }
        let upstream = self.upstreams.current();
        self.events.push(Event::CloseUpstream { upstream, reason });
        self.lose_upstream();
    }

    /// There is no connection to the upstream any more.
    fn lose_upstream(&mut self) {
        let (was_ready, upstream) = (self.upstreams.is_ready(), self.upstreams.current());
        self.upstreams.lose(&self.options, self.now);
        if was_ready {
            self.totals.upstreams_lost += 1;
            self.events.push(Event::UpstreamLost { upstream });
            self.with_side(self.now, |side, cx| side.upstream_lost(cx));
        } else {
            self.events.log(Level::Warning, format_args!("upstream {upstream} cannot be used"));
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("mode", &self.options.mode)
            .field("upstream", &self.upstream())
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}
