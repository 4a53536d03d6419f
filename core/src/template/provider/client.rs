//! One client: its connection, how far it is with setting up, and what it was sent.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ProviderOptions;
use super::events::CloseReason;
use super::templates::Templates;
use super::work::{Frames, Tip};
use crate::clients::{Pace, Stage, Ticket};
use crate::connection::{Connection, ConnectionError, Role, SendError};
use crate::frame::Frame;
use crate::message::{
    CoinbaseOutputConstraints, PROTOCOL_TEMPLATE_DISTRIBUTION, Payload, RequestExtensions, RequestTransactionData,
    SetupConnection, SubmitSolution, error_code, shape,
};
use crate::template::{ConstraintKey, PROTOCOL_VERSION, SubmittedSolution, decode_constraints};
use crate::wire::DecodeError;
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
    /// The tip of the last SetNewPrevHash, if it has been the tip since and holds for the next template.
    pub(super) tip: Option<Tip>,
    /// The template for the next height that it has; 0 if none.
    pub(super) next: u64,
    /// The last template it was sent; 0 if none.
    pub(super) last_template_id: u64,
    /// How many CoinbaseOutputConstraints it sent since the tip changed.
    pub(super) constraints: u32,
    /// The first template it was sent under its key, or will be.
    pub(super) since: u64,
    /// What it was sent under the keys before.
    former: Vec<Span>,
    /// How many of its RequestTransactionData are waiting.
    pub(super) pending_requests: usize,
    /// Those of them that wait until it has read what it was sent, by template.
    pub(super) deferred: VecDeque<u64>,
    /// Since when it takes nothing of what waits for it, in monotonic milliseconds, as far as anybody has looked.
    pub(super) unread_since: Option<u64>,
    /// The deadline under which the engine has it in its list.
    pub(super) listed_deadline: Option<u64>,
}

/// The templates of a key from one to another.
#[derive(Clone, Copy, Debug)]
struct Span {
    key: ConstraintKey,
    first: u64,
    last: u64,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing but SetupConnection may come.
    Setup { deadline: u64 },
    /// Set up, but it has not said what templates must leave free.
    AwaitingConstraints { deadline: u64 },
    /// It gets the templates of this key.
    Serving { key: ConstraintKey },
    /// It is sent what is left, and then closed; if it may have found a block, at the deadline. Of what it sends only solutions
    /// count.
    Closing { deadline: u64, reason: CloseReason },
}

/// What a client asks for, in memory of its own: the frame's is the connection's.
#[derive(Debug)]
pub(super) enum Request {
    SetupConnection { answer: Result<(), SetupError>, device: String },
    Constraints(CoinbaseOutputConstraints),
    TransactionData { template_id: u64 },
    Solution(SubmittedSolution),
    Extensions { request_id: u16, requested: Vec<u16> },
    Unknown { tag: u32, len: usize },
}

/// SetupConnection.Error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetupError {
    pub(super) flags: u32,
    pub(super) error_code: &'static str,
}

impl Phase {
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Setup { .. } => Stage::Handshake,
            Self::AwaitingConstraints { .. } | Self::Closing { .. } => Stage::Idle,
            Self::Serving { .. } => Stage::Served,
        }
    }
}

impl Client {
    pub(super) fn new(options: &ProviderOptions, ticket: Ticket, now: Time) -> Self {
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
            tip: None,
            next: 0,
            last_template_id: 0,
            constraints: 0,
            since: 0,
            former: Vec::new(),
            pending_requests: 0,
            deferred: VecDeque::new(),
            unread_since: None,
            listed_deadline: None,
        }
    }

    pub(super) fn key(&self) -> Option<ConstraintKey> {
        match self.phase {
            Phase::Serving { key } => Some(key),
            _ => None,
        }
    }

    /// The client leaves a key for another one, whose next template has at most the next id.
    pub(super) fn change_key(&mut self, before: Option<ConstraintKey>, key: ConstraintKey, templates: &Templates) {
        if before == Some(key) {
            return;
        }
        if let Some(key) = before.filter(|_| self.since <= self.last_template_id) {
            self.former.retain(|span| templates.is_any_since(span.first, span.last));
            self.former.push(Span { key, first: self.since, last: self.last_template_id });
        }
        self.since = templates.next_id();
    }

    /// Whether it was sent a template of this key: with few exceptions, all clients of a key are sent the same ones.
    pub(super) fn was_sent(&self, key: &ConstraintKey, template_id: u64) -> bool {
        let present = self.key() == Some(*key) && (self.since..=self.last_template_id).contains(&template_id);
        present || self.former.iter().any(|span| span.key == *key && (span.first..=span.last).contains(&template_id))
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    /// Whether it was sent something to work on.
    pub(super) fn may_solve(&self) -> bool {
        self.last_template_id > 0 || self.next > 0
    }

    /// Whether what it sends is looked at. A client that broke a rule of ours after it was set up may still have found a
    /// block.
    pub(super) fn is_heard(&self) -> bool {
        match self.phase {
            Phase::Closing { reason, .. } => {
                let not_set_up = matches!(
                    reason,
                    CloseReason::Connection(_) | CloseReason::SetupRefused(_) | CloseReason::BeforeSetup(_)
                );
                !not_set_up && self.connection.error().is_none()
            }
            _ => true,
        }
    }

    /// When something must have happened, in monotonic milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let own = match self.phase {
            Phase::Closing { deadline, .. } => return Some(deadline),
            Phase::Setup { deadline } | Phase::AwaitingConstraints { deadline } => Some(deadline),
            Phase::Serving { .. } => None,
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
            Phase::AwaitingConstraints { deadline } if deadline <= now.monotonic_ms => {
                Some(CloseReason::ConstraintsTimeout)
            }
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
        let request = match read_request(&frame) {
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

    /// Hands out a template: after a SetNewPrevHash if the client is not on its tip. A client takes no NewTemplate without
    /// future_template before it has seen a SetNewPrevHash, whatever the age of the tip.
    pub(super) fn send_template(&mut self, id: u64, tip: &Tip, frames: &Frames) -> Result<(), SendError> {
        if self.tip == Some(*tip) {
            self.connection.send_shared(Arc::clone(frames.update()))?;
        } else {
            self.connection.send_shared(Arc::clone(&frames.future))?;
            self.connection.send_shared(Arc::clone(&frames.set_new_prev_hash))?;
            // With that a client gives up other templates with future_template.
            (self.tip, self.next) = (Some(*tip), 0);
        }
        self.last_template_id = id;
        Ok(())
    }
}

impl Request {
    fn name(&self) -> &'static str {
        match self {
            Self::SetupConnection { .. } => SetupConnection::SHAPE.name,
            Self::Constraints(_) => CoinbaseOutputConstraints::SHAPE.name,
            Self::TransactionData { .. } => RequestTransactionData::SHAPE.name,
            Self::Solution(_) => SubmitSolution::SHAPE.name,
            Self::Extensions { .. } => RequestExtensions::SHAPE.name,
            Self::Unknown { tag, .. } => shape(*tag).map_or("an unknown message", |shape| shape.name),
        }
    }
}

/// Copies what is needed out of a frame.
fn read_request(frame: &Frame<'_>) -> Result<Request, DecodeError> {
    let (tag, payload) = (frame.header.tag(), frame.payload);
    Ok(if tag == SetupConnection::SHAPE.tag {
        let setup = SetupConnection::decode(payload)?;
        let device = alloc::format!("\"{}\", \"{}\", \"{}\"", setup.vendor, setup.hardware_version, setup.firmware);
        Request::SetupConnection { answer: check_setup(&setup), device }
    } else if tag == CoinbaseOutputConstraints::SHAPE.tag {
        Request::Constraints(decode_constraints(payload)?)
    } else if tag == RequestTransactionData::SHAPE.tag {
        Request::TransactionData { template_id: RequestTransactionData::decode(payload)?.template_id }
    } else if tag == SubmitSolution::SHAPE.tag {
        Request::Solution(SubmitSolution::decode(payload)?.into())
    } else if tag == RequestExtensions::SHAPE.tag {
        let RequestExtensions { request_id, requested_extensions } = RequestExtensions::decode(payload)?;
        Request::Extensions { request_id, requested: requested_extensions.iter().collect() }
    } else {
        Request::Unknown { tag, len: payload.len() }
    })
}

/// Whether the client can be served (spec 3.6.2 and 3.6.3).
fn check_setup(setup: &SetupConnection<'_>) -> Result<(), SetupError> {
    if setup.protocol != PROTOCOL_TEMPLATE_DISTRIBUTION {
        Err(SetupError { flags: 0, error_code: error_code::UNSUPPORTED_PROTOCOL })
    } else if !(setup.min_version..=setup.max_version).contains(&PROTOCOL_VERSION) {
        Err(SetupError { flags: 0, error_code: error_code::PROTOCOL_VERSION_MISMATCH })
    } else if setup.flags != 0 {
        // The protocol has no flags: none is supported.
        Err(SetupError { flags: setup.flags, error_code: error_code::UNSUPPORTED_FEATURE_FLAGS })
    } else {
        Ok(())
    }
}
