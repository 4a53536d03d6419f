//! One client: its connection, how far it is, and its channels.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::events::{CloseReason, CustomJobRequest, OpenChannel};
use super::requests::{Request, read_request};
use super::{ServerOptions, WorkId};
use crate::clients::{Pace, Rate, Stage, Ticket};
use crate::connection::{Connection, ConnectionError, Role};
use crate::mining::channel::{GroupChannel, ServerChannel};
use crate::mining::extranonce::ExtranoncePrefix;
use crate::mining::vardiff::{TOLERANCE, Vardiff};
use crate::{Random, Time};

/// A connection and its client.
pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) phase: Phase,
    pub(super) ticket: Ticket,
    /// What it sent so far.
    pub(super) pace: Pace,
    /// Whether an [`Event::Writable`](super::Event::Writable) for it waits.
    pub(super) writable: bool,
    /// Whether one waits in front of other events.
    pub(super) in_front: bool,
    /// Since when it takes nothing of what waits for it, in monotonic milliseconds, as far as anybody has looked.
    pub(super) unread_since: Option<u64>,
    /// The deadline under which the engine has it in its list.
    pub(super) listed_deadline: Option<u64>,
    /// SetupConnection.flags.
    pub(super) flags: u32,
    /// Whether extension 0x0002 was negotiated.
    pub(super) names_workers: bool,
    /// The highest number of its channels and groups.
    last_id: u32,
    pub(super) channels: BTreeMap<u32, Box<Channel>>,
    pub(super) groups: Vec<Group>,
    /// What waits for the host's answer, in the order in which it came.
    pub(super) pending: VecDeque<Pending>,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing but SetupConnection may come.
    Setup { deadline: u64 },
    /// Set up, without a channel.
    Idle { deadline: u64 },
    /// It has channels.
    Mining,
    /// It is sent what is left, and then closed; if it has channels, at the deadline. Of what it sends only shares count.
    Closing { deadline: u64, reason: CloseReason },
}

/// A channel and what the engine knows of it.
pub(super) struct Channel {
    pub(super) inner: ServerChannel,
    pub(super) work: WorkId,
    pub(super) group: u32,
    /// Where its extranonce_prefix comes from, if it is one of several.
    pub(super) prefix: Option<ExtranoncePrefix>,
    /// Unless the host decides its target.
    pub(super) vardiff: Option<Vardiff>,
    /// The hash rate that the vardiff began with, as the client said.
    pub(super) claim: f64,
    /// From when on the vardiff may begin again with another one, in monotonic milliseconds.
    pub(super) next_claim_at: u64,
    /// When the vardiff is to be asked again if no share comes.
    pub(super) ask_vardiff_at: u64,
    /// The deadline under which the engine has it in its list: not after the one it has.
    pub(super) listed_deadline: Option<u64>,
}

/// The channels of a connection that mine the same.
pub(super) struct Group {
    pub(super) work: WorkId,
    pub(super) channels: GroupChannel,
}

/// What the host has not answered yet.
pub(super) enum Pending {
    Open(Box<OpenChannel>),
    CustomJob(Box<CustomJobRequest>),
}

impl Phase {
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Setup { .. } => Stage::Handshake,
            Self::Idle { .. } | Self::Closing { .. } => Stage::Idle,
            Self::Mining => Stage::Served,
        }
    }
}

/// How long the vardiff has to measure before it begins again with what the client says, in milliseconds.
const CLAIM_INTERVAL_MS: u64 = 30_000;

impl Channel {
    /// The client says that it has this hash rate (UpdateChannel, spec 5.3.7). The vardiff begins again with it if that is news:
    /// from a client that reports each flicker of its hash rate, as proxies do, it would never learn what comes in.
    pub(super) fn hear_claim(&mut self, hash_rate: f64, min_hash_rate: f64, now: Time) {
        let change = hash_rate.max(min_hash_rate) / self.claim.max(min_hash_rate);
        let is_news = !(1.0 / TOLERANCE..=TOLERANCE).contains(&change) && now.monotonic_ms >= self.next_claim_at;
        if let Some(vardiff) = self.vardiff.as_mut().filter(|_| is_news) {
            vardiff.restart(hash_rate, now);
            self.claim = hash_rate;
            self.next_claim_at = now.monotonic_ms.saturating_add(CLAIM_INTERVAL_MS);
        }
    }

    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Option<u64> {
        let vardiff = self.vardiff.as_ref().map(|_| self.ask_vardiff_at);
        [self.inner.accounting().deadline(), vardiff].into_iter().flatten().min()
    }
}

impl Client {
    pub(super) fn new(options: &ServerOptions, ticket: Ticket, now: Time) -> Self {
        let mut connection = match &options.identity {
            Some(identity) => Connection::responder(Arc::clone(identity), options.limits),
            None => Connection::plain(Role::Server, options.limits),
        };
        // This starts the clock of the handshake; a connection without a byte cannot fail.
        let _ = connection.tick(now);
        Self {
            connection,
            phase: Phase::Setup { deadline: now.monotonic_ms.saturating_add(options.setup_timeout_ms) },
            ticket,
            pace: Pace::default(),
            writable: false,
            in_front: false,
            unread_since: None,
            listed_deadline: None,
            flags: 0,
            names_workers: false,
            last_id: 0,
            channels: BTreeMap::new(),
            groups: Vec::new(),
            pending: VecDeque::new(),
        }
    }

    /// Whether all these bits were set in SetupConnection.
    pub(super) const fn requires(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// A number that no channel or group of the connection has or had.
    pub(super) fn next_id(&mut self) -> Option<u32> {
        self.last_id = self.last_id.checked_add(1)?;
        Some(self.last_id)
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    /// Whether what it sends is looked at. A client that broke a rule of ours after it was set up may still have found a
    /// block.
    pub(super) fn is_heard(&self) -> bool {
        match self.phase {
            Phase::Closing { .. } => !self.channels.is_empty() && self.connection.error().is_none(),
            _ => true,
        }
    }

    /// How often it may send messages.
    pub(super) fn rate(&self, options: &ServerOptions) -> Rate {
        let further = u32::try_from(self.channels.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let count = options.max_messages_per_second.saturating_add(further.saturating_mul(2));
        Rate::new(count, 1_000, options.message_burst.max(count))
    }

    /// When something must have happened, in monotonic milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let own = match self.phase {
            Phase::Closing { deadline, .. } => return Some(deadline),
            Phase::Setup { deadline } | Phase::Idle { deadline } => Some(deadline),
            Phase::Mining => None,
        };
        [own, self.connection.next_deadline()].into_iter().flatten().min()
    }

    /// What is to be done about a deadline that has passed.
    pub(super) fn overdue(&mut self, now: Time) -> Option<CloseReason> {
        if let Phase::Closing { deadline, reason } = self.phase {
            return (deadline <= now.monotonic_ms).then_some(reason);
        }
        if let Err(error) = self.connection.tick(now) {
            return Some(CloseReason::Connection(error));
        }
        match self.phase {
            Phase::Setup { deadline } if deadline <= now.monotonic_ms => Some(CloseReason::SetupTimeout),
            Phase::Idle { deadline } if deadline <= now.monotonic_ms => Some(CloseReason::NoChannel),
            _ => None,
        }
    }

    /// The next request out of `bytes`, or `None` if there is no whole one.
    pub(super) fn next_request(
        &mut self,
        bytes: &mut &mut [u8],
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Option<Request>, CloseReason> {
        let in_setup = matches!(self.phase, Phase::Setup { .. });
        let frame = self.connection.next_from(bytes, now, random).map_err(CloseReason::Connection)?;
        let Some(frame) = frame else { return Ok(None) };
        let request = match read_request(&frame, self.names_workers) {
            Ok(request) => request,
            Err(error) => {
                let error = ConnectionError::Malformed(error);
                self.connection.fail(error);
                return Err(CloseReason::Connection(error));
            }
        };
        match (&request, in_setup) {
            (Request::SetupConnection { .. }, false) => Err(CloseReason::SecondSetup),
            (Request::SetupConnection { .. } | Request::Unknown { .. }, _) | (_, false) => Ok(Some(request)),
            (_, true) => Err(CloseReason::BeforeSetup(request.name())),
        }
    }
}
