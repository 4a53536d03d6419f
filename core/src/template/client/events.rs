//! What the engine tells its host.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt;

use super::work::{Tip, TransactionData};
use crate::clients::LogBound;
use crate::connection::ConnectionError;
use crate::message::error_code;
use crate::noise::HandshakeError;
use crate::template::{Level, PROTOCOL_VERSION, SubmittedSolution, TemplateError};

/// Something the host must do, or may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The provider has accepted the connection. What waited is on its way: constraints, solutions.
    Ready,
    /// A template came: [`template`](super::TemplateClient::template) gives it. One that is known may come again over the next
    /// connection; if it is the same, it stays on its tip until a [`Event::NewTip`] says otherwise.
    NewTemplate {
        /// The template.
        template_id: u64,
        /// Whether it waits for its tip. If not, it is the template to mine on from now on.
        future: bool,
    },
    /// A new best block: mine on this template, which waited for it, at once. Templates on the block before can be solved for
    /// [`template_lifetime_ms`](super::ClientOptions::template_lifetime_ms) more.
    NewTip {
        /// The template to mine on.
        template_id: u64,
        /// The tip it is on.
        tip: Tip,
    },
    /// A new best block, for which the provider sent no template: what is mined on is stale, and there is nothing else to mine
    /// on until it sends a NewTemplate that is not a future one, or the next tip. If it sends none within
    /// [`template_timeout_ms`](super::ClientOptions::template_timeout_ms), the connection is closed.
    TipWithoutTemplate {
        /// The template that it should have sent.
        template_id: u64,
        /// The tip.
        tip: Tip,
    },
    /// A template is forgotten: its tip is gone for too long, or never came, or there are too many.
    TemplateExpired {
        /// The template.
        template_id: u64,
    },
    /// What [`request_transaction_data`](super::TemplateClient::request_transaction_data) asked for. The next answer is not
    /// taken in before this one is taken out.
    TransactionData(TransactionData),
    /// The transactions of a template cannot be had.
    TransactionDataError {
        /// The template.
        template_id: u64,
        /// Why.
        error: TransactionDataError,
    },
    /// A solution is given up: its block was not seen as the tip within
    /// [`solution_lifetime_ms`](super::ClientOptions::solution_lifetime_ms), or there are too many of them.
    SolutionLost {
        /// The solution.
        solution: SubmittedSolution,
        /// `false`: the provider does not have it, for nothing of it was written to a socket. Whoever can reach the network in
        /// another way should send the block there.
        ///
        /// `true`: it was written, but the provider never announced its block as the tip. It may have been lost on the way, or
        /// have arrived and lost against another block, or be in the chain below a tip that was announced first.
        may_have_arrived: bool,
    },
    /// There are bytes in [`output`](super::TemplateClient::output). Comes when there were none before, and again when
    /// [`sent`](super::TemplateClient::sent) took some of them and left others. At most one such event waits.
    Writable,
    /// Close the socket; the engine has forgotten the connection. [`CloseReason::may_retry`] tells whether to connect again.
    /// Take it out before [`connect`](super::TemplateClient::connect), which leaves of it only a line in the log.
    Close {
        /// Why.
        reason: CloseReason,
    },
    /// A line for the host's log. What comes from the provider in it is escaped.
    Log {
        /// How much it matters.
        level: Level,
        /// The line, without a line break.
        text: String,
    },
}

/// Why the transactions of a template cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionDataError {
    /// The provider says so, with this error code, escaped: "template-id-not-found" or "stale-template-id" (spec 7.6).
    Refused(String),
    /// It did not answer in time.
    Timeout,
    /// The connection was lost before the answer came.
    ConnectionLost,
}

impl fmt::Display for TransactionDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error_code) => write!(f, "the provider refuses: {error_code}"),
            Self::Timeout => f.write_str("the provider did not answer in time"),
            Self::ConnectionLost => f.write_str("the connection was lost"),
        }
    }
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The handshake failed or took too long, or what came was not authentic, too long or malformed.
    Connection(ConnectionError),
    /// SetupConnection.Error came.
    SetupRefused {
        /// The flags that are not supported; this client sets none.
        flags: u32,
        /// The error code, escaped.
        error_code: String,
    },
    /// SetupConnection.Success names a version of the protocol that was not offered.
    VersionNotOffered(u16),
    /// No answer to SetupConnection in time.
    SetupTimeout,
    /// This message came before SetupConnection.Success.
    BeforeSetup(&'static str),
    /// No coinbase can be made of a template.
    UnusableTemplate {
        /// The template.
        template_id: u64,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// The provider is connected, but did not send a template to mine on in time: its node may be down or hang.
    NoTemplate,
}

impl CloseReason {
    /// Whether the next connection may fare better. If not, something must be changed first, here or at the provider: it is
    /// not who it should be, its certificate has expired, or it does not serve what is asked for. A loss of the network, of
    /// which [`disconnected`](super::TemplateClient::disconnected) tells the engine, is always worth another try.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Connection(ConnectionError::Handshake(HandshakeError::Certificate(_)))
            | Self::VersionNotOffered(_) => false,
            Self::SetupRefused { error_code, .. } => {
                let final_codes = [
                    error_code::UNSUPPORTED_PROTOCOL,
                    error_code::PROTOCOL_VERSION_MISMATCH,
                    error_code::UNSUPPORTED_FEATURE_FLAGS,
                ];
                !final_codes.contains(&&**error_code)
            }
            Self::Connection(_)
            | Self::SetupTimeout
            | Self::BeforeSetup(_)
            | Self::UnusableTemplate { .. }
            | Self::NoTemplate => true,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::SetupRefused { flags: 0, error_code } => write!(f, "the setup was refused: {error_code}"),
            Self::SetupRefused { flags, error_code } => {
                write!(f, "the setup was refused: {error_code} (0x{flags:08x})")
            }
            Self::VersionNotOffered(version) => {
                write!(f, "the provider chose version {version}, but only {PROTOCOL_VERSION} was offered")
            }
            Self::SetupTimeout => f.write_str("no answer to SetupConnection in time"),
            Self::BeforeSetup(message) => write!(f, "{message} came before SetupConnection.Success"),
            Self::UnusableTemplate { template_id, error } => write!(f, "template {template_id} is of no use: {error}"),
            Self::NoTemplate => f.write_str("no template in time"),
        }
    }
}

/// The events that wait to be read.
#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<Event>,
    logs: LogBound,
}

impl Events {
    pub(super) fn next(&mut self) -> Option<Event> {
        let event = self.queue.pop_front();
        match &event {
            Some(Event::Log { .. }) => self.logs.read(),
            None => return self.logs.left_out().map(|text| Event::Log { level: Level::Warning, text }),
            _ => {}
        }
        event
    }

    pub(super) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(super) fn log(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.logs.admit() {
            self.queue.push_back(Event::Log { level, text: alloc::fmt::format(text) });
        }
    }

    /// There is no connection: nothing is to be written to it.
    pub(super) fn cancel_writable(&mut self) {
        self.queue.retain(|event| *event != Event::Writable);
    }

    /// There is another connection, which a close of the one before must not hit: only its reason stays, in the log.
    pub(super) fn cancel_close(&mut self) {
        let place = self.queue.iter().position(|event| matches!(event, Event::Close { .. }));
        if let Some(Event::Close { reason }) = place.and_then(|place| self.queue.remove(place)) {
            self.log(Level::Warning, format_args!("the connection before was closed: {reason}"));
        }
    }
}
