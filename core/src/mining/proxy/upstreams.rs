//! Which upstream there is, and which one is tried next, and when.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::events::{Event, Events, UpstreamCloseReason};
use super::link::Link;
use super::{ProxyError, ProxyOptions};
use crate::frame::Header;
use crate::message::tlv::{self, ByteOrder};
use crate::message::{Payload, SubmitSharesExtended, TLV_USER_IDENTITY_MAX_LEN};
use crate::{Random, Time};

/// The longest SubmitSharesExtended: six integers, a B0_32, and the worker's TLV.
const MAX_SHARE_LEN: usize = 6 * 4 + 1 + 32 + tlv::HEADER_LEN + TLV_USER_IDENTITY_MAX_LEN;

/// How often the time until a failback doubles.
const MAX_FAILBACK_DOUBLINGS: u32 = 6;

/// The servers of the options and the connection to one of them.
///
/// They are tried in the order of the options. When the one in use is lost, it comes last. None is dialled sooner than
/// [`ProxyOptions::retry_ms`] after the last time, and each round in which none could be used doubles that, up to
/// [`ProxyOptions::max_retry_ms`]. One that is not the first is left after [`ProxyOptions::failback_ms`], and then all are tried in
/// the order of the options, so that it is used again if those before it cannot be. As there is one connection at a time, that costs
/// the work of a moment; therefore it is done less and less often while it is of no use.
pub(super) struct Upstreams {
    /// The one in use, or the one that was tried last.
    current: usize,
    /// The one that was in use when the present search began.
    lost: Option<usize>,
    /// How many were tried since one was of use.
    tried: usize,
    /// When each was dialled last, in monotonic milliseconds.
    dialled_at: Vec<Option<u64>>,
    /// Where the server in use wants its clients to go (spec 3.6.5): for the next try only.
    redirect: Option<(String, u16)>,
    /// Whether the one in use is where such a wish led, and has given no work since: it cannot lead further then.
    is_redirected: bool,
    /// When the one in use is to be left for those before it, in monotonic milliseconds.
    failback_at: Option<u64>,
    /// How often that was done since the first one gave work.
    failbacks: u32,
    state: State,
}

enum State {
    /// The next one is dialled then.
    Waiting {
        at: u64,
        next: usize,
    },
    /// The host was asked to connect.
    Dialling,
    Connected(Box<Link>),
}

impl Upstreams {
    pub(super) fn new(options: &ProxyOptions) -> Self {
        Self {
            current: 0,
            lost: None,
            tried: 0,
            dialled_at: alloc::vec![None; options.upstreams.len()],
            redirect: None,
            is_redirected: false,
            failback_at: None,
            failbacks: 0,
            state: State::Waiting { at: 0, next: 0 },
        }
    }

    // ------------------------------------------------------------------------------------------------------------ state

    /// The one in use or being tried, as its place in the options.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn link(&mut self) -> Option<&mut Link> {
        match &mut self.state {
            State::Connected(link) => Some(link),
            _ => None,
        }
    }

    fn link_ref(&self) -> Option<&Link> {
        match &self.state {
            State::Connected(link) => Some(link),
            _ => None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.link_ref().is_some_and(Link::is_ready)
    }

    /// Whether the host was asked for a connection and has not answered.
    pub(super) fn is_dialling(&self) -> bool {
        matches!(self.state, State::Dialling)
    }

    pub(super) fn supports(&self, extension: u16) -> bool {
        self.link_ref().is_some_and(|link| link.supports(extension))
    }

    /// SetupConnection.Success.flags of the upstream, none if there is none.
    pub(super) fn flags(&self) -> u32 {
        self.link_ref().map_or(0, Link::flags)
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        match &self.state {
            State::Waiting { at, .. } => Some(*at),
            State::Dialling => None,
            State::Connected(link) => [link.deadline(), self.failback_at].into_iter().flatten().min(),
        }
    }

    /// When the upstream will have been silent for too long, in monotonic milliseconds.
    pub(super) fn silent_at(&self, options: &ProxyOptions) -> Option<u64> {
        let link = self.link_ref().filter(|link| link.is_ready() && options.silence_timeout_ms > 0)?;
        Some(link.heard_at.saturating_add(options.silence_timeout_ms))
    }

    // ---------------------------------------------------------------------------------------------------------- sending

    /// Queues a message for the upstream, if it is ready for it.
    pub(super) fn send<'m>(&mut self, message: &impl Payload<'m>) -> bool {
        self.link().filter(|link| link.is_ready()).is_some_and(|link| link.send(message))
    }

    /// Queues a frame with a payload as it is.
    pub(super) fn send_raw(&mut self, header: Header, payload: &[u8]) -> bool {
        self.link().filter(|link| link.is_ready()).is_some_and(|link| link.send_raw(header, payload))
    }

    /// Queues a share, and with it who found it, if that is to be said (extension 0x0002).
    pub(super) fn send_share(&mut self, message: &SubmitSharesExtended<'_>, worker: Option<&[u8]>) -> bool {
        let Some(worker) = worker else { return self.send(message) };
        // What does not fit is cut off: better half a name than a share that is refused.
        let worker = worker.get(..TLV_USER_IDENTITY_MAX_LEN).unwrap_or(worker);
        let mut payload = [0; MAX_SHARE_LEN];
        let Ok(len) = message.encode(&mut payload) else { return false };
        let Some(place) = payload.get_mut(len..) else { return false };
        let Ok(tlv_len) = tlv::write(place, tlv::USER_IDENTITY, worker, ByteOrder::Little) else { return false };
        let Some(header) = Header::new(SubmitSharesExtended::SHAPE, len + tlv_len) else { return false };
        self.send_raw(header, payload.get(..len + tlv_len).unwrap_or_default())
    }

    /// The host is told once that something waits to be written.
    pub(super) fn announce_output(&mut self, events: &mut Events) {
        if let Some(link) = self.link() {
            if !link.writable && link.connection.output_len() > 0 {
                link.writable = true;
                events.push(Event::UpstreamWritable);
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- changing

    /// Asks the host for a connection if it is time.
    pub(super) fn dial(&mut self, options: &ProxyOptions, events: &mut Events, now: Time) {
        let State::Waiting { at, next } = self.state else { return };
        let Some(upstream) = options.upstreams.get(next).filter(|_| at <= now.monotonic_ms) else { return };
        let redirect = self.redirect.take();
        self.is_redirected = redirect.is_some();
        let (host, port) = match redirect {
            // Empty and 0 stand for what it was (spec 3.6.5).
            Some((host, port)) => (
                if host.is_empty() { upstream.host.clone() } else { host },
                if port == 0 { upstream.port } else { port },
            ),
            None => (upstream.host.clone(), upstream.port),
        };
        self.current = next;
        // If it cannot be used where it sent its clients, the search is where it was before.
        self.tried = self.tried.saturating_add(usize::from(!self.is_redirected));
        if let Some(dialled_at) = self.dialled_at.get_mut(next) {
            *dialled_at = Some(now.monotonic_ms);
        }
        self.state = State::Dialling;
        events.push(Event::ConnectUpstream { upstream: next, host, port });
    }

    /// The socket that was asked for is connected.
    pub(super) fn connected(
        &mut self,
        options: &ProxyOptions,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<(), ProxyError> {
        let State::Dialling = self.state else { return Err(ProxyError::NoUpstreamWanted) };
        let upstream = options.upstreams.get(self.current).ok_or(ProxyError::NoUpstreamWanted)?;
        let link = Link::new(options, upstream, now, random).map_err(ProxyError::Handshake)?;
        self.state = State::Connected(Box::new(link));
        Ok(())
    }

    /// The upstream has accepted the connection.
    pub(super) fn note_ready(&mut self, options: &ProxyOptions, now: Time) {
        let wait = options.failback_ms.saturating_mul(1 << self.failbacks.min(MAX_FAILBACK_DOUBLINGS));
        let may_be_left = self.current > 0 && options.failback_ms > 0;
        self.failback_at = may_be_left.then(|| now.monotonic_ms.saturating_add(wait));
    }

    /// The upstream gives work: the search is over.
    pub(super) fn note_served(&mut self) {
        self.tried = 0;
        self.lost = Some(self.current);
        if self.current == 0 {
            self.failbacks = 0;
        }
    }

    /// The upstream has opened a channel: it is one that serves, and may send its clients elsewhere.
    pub(super) fn note_opened(&mut self) {
        self.is_redirected = false;
    }

    /// Whether it is time to leave the upstream for those that are preferred to it. If so, the next search begins with the first one.
    pub(super) fn take_failback(&mut self, now: Time) -> bool {
        let is_due = self.failback_at.take_if(|at| *at <= now.monotonic_ms).is_some();
        if is_due {
            self.failbacks = self.failbacks.saturating_add(1);
            self.tried = 0;
            self.lost = None;
        }
        is_due
    }

    /// Clients of the server are to go elsewhere, at once. Says whether that is followed: once until there is work, as two servers
    /// could point at each other for ever; and without encryption not to another host, as anybody on the way could have said it.
    pub(super) fn redirect(&mut self, options: &ProxyOptions, host: String, port: u16) -> bool {
        let Some(upstream) = options.upstreams.get(self.current) else { return false };
        let is_elsewhere = !host.is_empty() && host != upstream.host;
        let is_followed = !self.is_redirected && (upstream.authority.is_some() || !is_elsewhere);
        self.redirect = is_followed.then_some((host, port));
        is_followed
    }

    /// There is no connection any more, or none could be made: the next one is chosen. Says whether there was a connection.
    pub(super) fn lose(&mut self, options: &ProxyOptions, now: Time) -> bool {
        let was_connected = matches!(self.state, State::Connected(_));
        self.failback_at = None;
        let next = if self.redirect.is_some() { self.current } else { self.candidate(options.upstreams.len()) };
        let rounds = self.tried.checked_div(options.upstreams.len()).unwrap_or(0);
        let doublings = u32::try_from(rounds.saturating_sub(1)).unwrap_or(u32::MAX).min(32);
        let pause = options.retry_ms.saturating_mul(1 << doublings).min(options.max_retry_ms);
        let dialled_at = self.dialled_at.get(next).copied().flatten();
        let at = dialled_at.map_or(now.monotonic_ms, |at| at.saturating_add(pause).max(now.monotonic_ms));
        self.state = State::Waiting { at, next };
        was_connected
    }

    /// The next to try: all in order, but the one that was lost at the end.
    fn candidate(&self, count: usize) -> usize {
        let turn = self.tried.checked_rem(count).unwrap_or(0);
        let others = (0..count).filter(|index| Some(*index) != self.lost);
        others.chain(self.lost).nth(turn).unwrap_or(0)
    }

    /// Why the connection is to be closed, if a deadline has passed, it is silent, or sending failed; and whether it became ready.
    pub(super) fn tick(&mut self, now: Time) -> Result<bool, UpstreamCloseReason> {
        let Some(link) = self.link() else { return Ok(false) };
        if let Some(reason) = link.failed.take() {
            return Err(reason);
        }
        link.tick(now)
    }
}
