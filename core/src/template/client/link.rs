//! The present connection: how far it is with setting up, and what comes over it.

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use super::ClientOptions;
use super::events::CloseReason;
use super::work::{ReceivedTemplate, Tip, TransactionData};
use crate::connection::{Connection, ConnectionError, Role};
use crate::frame::Frame;
use crate::message::{
    CoinbaseOutputConstraints, NewTemplate, Payload, RequestTransactionDataError, RequestTransactionDataSuccess,
    SetNewPrevHashTemplate, SetupConnectionError, SetupConnectionSuccess, shape,
};
use crate::noise::HandshakeError;
use crate::template::TemplateError;
use crate::{Random, Time};

pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) phase: Phase,
    /// Whether an [`Event::Writable`](super::Event::Writable) waits.
    pub(super) writable: bool,
    /// The constraints it was sent last.
    pub(super) constraints: Option<CoinbaseOutputConstraints>,
    /// Whether a SetNewPrevHash came over it.
    pub(super) has_tip: bool,
    /// The greatest template_id that came over it.
    pub(super) last_template_id: Option<u64>,
    /// By when a template to mine on must have come.
    pub(super) template_deadline: Option<u64>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// SetupConnection waits for the handshake.
    Handshake { deadline: u64 },
    /// SetupConnection waits for its answer.
    Setup { deadline: u64 },
    /// Templates may come.
    SetUp,
}

/// What the provider says, in memory of its own: the frame's is the connection's.
#[derive(Debug)]
pub(super) enum Incoming {
    SetupSuccess {
        used_version: u16,
    },
    SetupError {
        flags: u32,
        error_code: String,
    },
    NewTemplate {
        future: bool,
        template: Box<ReceivedTemplate>,
    },
    SetNewPrevHash {
        template_id: u64,
        tip: Tip,
    },
    /// The transactions of the template that was asked about.
    TransactionData(TransactionData),
    /// Those of any other.
    UnaskedTransactionData {
        template_id: u64,
    },
    TransactionDataError {
        template_id: u64,
        error_code: String,
    },
    Unknown {
        tag: u32,
        len: usize,
    },
}

/// A message that ends the connection.
enum Unreadable {
    Failed(ConnectionError),
    UnusableTemplate { template_id: u64, error: TemplateError },
}

impl Link {
    pub(super) fn new(options: &ClientOptions, now: Time, random: &mut dyn Random) -> Result<Self, HandshakeError> {
        let mut connection = match options.authority {
            Some(authority) => Connection::initiator(authority, options.limits, random)?,
            None => Connection::plain(Role::Client, options.limits),
        };
        if options.no_clock {
            connection.assume_no_clock();
        }
        // This starts the clock of the handshake; a connection without a byte cannot fail.
        let _ = connection.tick(now);
        Ok(Self {
            connection,
            phase: Phase::Handshake { deadline: now.monotonic_ms.saturating_add(options.setup_timeout_ms) },
            writable: false,
            constraints: None,
            has_tip: false,
            last_template_id: None,
            template_deadline: None,
        })
    }

    pub(super) fn is_set_up(&self) -> bool {
        self.phase == Phase::SetUp
    }

    /// When something must have happened, in monotonic milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let setup = match self.phase {
            Phase::Handshake { deadline } | Phase::Setup { deadline } => Some(deadline),
            Phase::SetUp => None,
        };
        [setup, self.template_deadline, self.connection.next_deadline()].into_iter().flatten().min()
    }

    /// Why it is to be closed, if a deadline has passed or it has failed. Buffers that are not in use are given back.
    pub(super) fn overdue(&mut self, now: Time) -> Option<CloseReason> {
        if let Err(error) = self.connection.tick(now) {
            return Some(CloseReason::Connection(error));
        }
        let is_over = |deadline: u64| deadline <= now.monotonic_ms;
        match self.phase {
            Phase::Handshake { deadline } | Phase::Setup { deadline } if is_over(deadline) => {
                Some(CloseReason::SetupTimeout)
            }
            _ => self.template_deadline.is_some_and(is_over).then_some(CloseReason::NoTemplate),
        }
    }

    /// The next message out of `bytes`, or `None` if there is no whole one. Of transactions only those of the template that
    /// was `asked` about are copied.
    pub(super) fn next_message(
        &mut self,
        bytes: &mut &mut [u8],
        asked: Option<u64>,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Option<Incoming>, CloseReason> {
        let frame = self.connection.next_from(bytes, now, random).map_err(CloseReason::Connection)?;
        let Some(frame) = frame else { return Ok(None) };
        let is_set_up = self.phase == Phase::SetUp;
        match read_message(&frame, asked) {
            Ok(message) if is_set_up || message.may_come_before_setup() => Ok(Some(message)),
            Ok(_) => Err(CloseReason::BeforeSetup(shape(frame.header.tag()).map_or("", |shape| shape.name))),
            Err(Unreadable::UnusableTemplate { template_id, error }) => {
                Err(CloseReason::UnusableTemplate { template_id, error })
            }
            Err(Unreadable::Failed(error)) => Err(CloseReason::Connection(error)),
        }
    }
}

impl Incoming {
    fn may_come_before_setup(&self) -> bool {
        matches!(self, Self::SetupSuccess { .. } | Self::SetupError { .. } | Self::Unknown { .. })
    }
}

/// Copies what is needed out of a frame.
fn read_message(frame: &Frame<'_>, asked: Option<u64>) -> Result<Incoming, Unreadable> {
    let (tag, payload) = (frame.header.tag(), frame.payload);
    Ok(if tag == NewTemplate::SHAPE.tag {
        let message = NewTemplate::decode(payload)?;
        let template_id = message.template_id;
        let template =
            ReceivedTemplate::read(&message).map_err(|error| Unreadable::UnusableTemplate { template_id, error })?;
        Incoming::NewTemplate { future: message.future_template, template: Box::new(template) }
    } else if tag == SetNewPrevHashTemplate::SHAPE.tag {
        let message = SetNewPrevHashTemplate::decode(payload)?;
        Incoming::SetNewPrevHash { template_id: message.template_id, tip: Tip::from(&message) }
    } else if tag == RequestTransactionDataSuccess::SHAPE.tag {
        let message = RequestTransactionDataSuccess::decode(payload)?;
        if asked == Some(message.template_id) {
            let out_of_memory = Unreadable::Failed(ConnectionError::OutOfMemory);
            Incoming::TransactionData(TransactionData::read(&message).ok_or(out_of_memory)?)
        } else {
            Incoming::UnaskedTransactionData { template_id: message.template_id }
        }
    } else if tag == RequestTransactionDataError::SHAPE.tag {
        let RequestTransactionDataError { template_id, error_code } = RequestTransactionDataError::decode(payload)?;
        Incoming::TransactionDataError { template_id, error_code: error_code.to_string() }
    } else if tag == SetupConnectionSuccess::SHAPE.tag {
        Incoming::SetupSuccess { used_version: SetupConnectionSuccess::decode(payload)?.used_version }
    } else if tag == SetupConnectionError::SHAPE.tag {
        let SetupConnectionError { flags, error_code } = SetupConnectionError::decode(payload)?;
        Incoming::SetupError { flags, error_code: error_code.to_string() }
    } else {
        Incoming::Unknown { tag, len: payload.len() }
    })
}

impl From<crate::wire::DecodeError> for Unreadable {
    fn from(error: crate::wire::DecodeError) -> Self {
        Self::Failed(ConnectionError::Malformed(error))
    }
}
