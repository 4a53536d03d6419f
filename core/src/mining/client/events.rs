//! What the engine tells its host.

use core::fmt;
use core::ops::Range;

use super::{ChannelError, ShareTotals};
use crate::bitcoin::ShortBytes;
use crate::clients::Level;
use crate::connection::ConnectionError;
use crate::message::error_code;
use crate::mining::PROTOCOL_VERSION;
use crate::noise::HandshakeError;
use crate::wire::Str;

/// The longest line of the log, in bytes; the rest of it is cut off.
const LINE_LEN: usize = 240;

/// Something the host must do, or may want to know. What it borrows lives until the next call of the client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// The server has accepted the connection: channels can be opened.
    Ready {
        /// SetupConnection.Success.flags (spec 5.3.1): REQUIRES_FIXED_VERSION and REQUIRES_EXTENDED_CHANNELS.
        flags: u32,
    },
    /// The server has said which of the [extensions](super::ClientOptions::extensions) it supports:
    /// [`is_negotiated`](super::Client::is_negotiated) tells.
    Extensions,
    /// A channel is open: [`channel`](super::Client::channel) gives it. Work for it follows.
    ChannelOpened {
        /// What [`open_standard`](super::Client::open_standard) or [`open_extended`](super::Client::open_extended) gave.
        request_id: u32,
        /// The channel.
        channel_id: u32,
    },
    /// A channel was refused.
    OpenRefused {
        /// What asked for it.
        request_id: u32,
        /// Why (spec 5.3.6): "unknown-user" and others.
        error_code: Str<'a>,
    },
    /// A job came that waits for its tip.
    FutureJob {
        /// The channel.
        channel_id: u32,
        /// The job.
        job_id: u32,
    },
    /// Mine on this job at once; it is the channel's [`active_job`](super::Channel::active_job).
    NewJob {
        /// The channel.
        channel_id: u32,
        /// The job.
        job_id: u32,
        /// Whether the tip is new: all work on other jobs is stale. If not, shares of jobs before are still taken.
        clean: bool,
    },
    /// A new best block, for which the server sent no job: what is mined on is stale, and there is nothing else until it sends one.
    /// If that takes more than [`job_timeout_ms`](super::ClientOptions::job_timeout_ms), the connection is closed.
    TipWithoutJob {
        /// The channel.
        channel_id: u32,
    },
    /// The target of jobs to come is another: [`target`](super::Channel::target). A job that is active keeps its own.
    TargetChanged {
        /// The channel.
        channel_id: u32,
    },
    /// The extranonce_prefix of jobs to come is another; those that came before keep theirs.
    PrefixChanged {
        /// The channel.
        channel_id: u32,
    },
    /// Shares are acknowledged.
    SharesAccepted {
        /// The channel.
        channel_id: u32,
        /// The last of them.
        last_sequence_number: u32,
        /// new_submits_accepted_count.
        count: u32,
        /// new_shares_sum: their difficulties, as the server reckons them.
        difficulty_sum: u64,
    },
    /// A share is refused.
    ShareRejected {
        /// The channel.
        channel_id: u32,
        /// The share.
        sequence_number: u32,
        /// Why (spec 5.3.14): "stale-share" and others.
        error_code: Str<'a>,
    },
    /// An UpdateChannel is refused. One that is accepted has no answer.
    UpdateRefused {
        /// The channel.
        channel_id: u32,
        /// Why (spec 5.3.8).
        error_code: Str<'a>,
    },
    /// The server has closed a channel.
    ChannelClosed {
        /// The channel.
        channel_id: u32,
        /// Why (spec 5.3.9).
        reason_code: Str<'a>,
        /// What became of its shares.
        totals: ShareTotals,
    },
    /// A custom job is accepted: shares of it can be submitted.
    CustomJobAccepted {
        /// The channel.
        channel_id: u32,
        /// What [`set_custom_job`](super::Client::set_custom_job) gave.
        request_id: u32,
        /// The server's name for the job.
        job_id: u32,
    },
    /// A custom job is refused.
    CustomJobRefused {
        /// The channel.
        channel_id: u32,
        /// What asked for it.
        request_id: u32,
        /// Why (spec 5.3.20).
        error_code: Str<'a>,
    },
    /// The server wants to be left for another one of the same authority (spec 3.6.4). Nothing happens by itself: the host
    /// disconnects and connects to the other.
    Reconnect {
        /// The other's name or address; empty: the same.
        host: Str<'a>,
        /// Its port; 0: the same.
        port: u16,
    },
    /// The endpoint of a channel is another: what extensions know of it no longer holds (spec 3.6.5).
    ChannelEndpointChanged {
        /// The channel.
        channel_id: u32,
    },
    /// A message of an extension that this library does not know.
    ExtensionMessage {
        /// The extension, without the channel_msg bit.
        extension_type: u16,
        /// The message within it.
        message_type: u8,
        /// Whether it is for the endpoint of the channel that its first four bytes name (spec 3.2.1).
        channel_msg: bool,
        /// The payload.
        payload: &'a [u8],
    },
    /// There are bytes in [`output`](super::Client::output). Comes when there were none before, and again when
    /// [`sent`](super::Client::sent) took some of them and left others.
    Writable,
    /// Close the socket; the engine has forgotten the connection. [`CloseReason::may_retry`] tells whether to connect again.
    /// Channels can be looked at, for instance for shares without an answer, until then.
    Close {
        /// Why.
        reason: CloseReason,
    },
    /// A line for the host's log. What comes from the server in it is escaped.
    Log {
        /// How much it matters.
        level: Level,
        /// The line, without a line break.
        text: &'a str,
    },
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The handshake failed or took too long, or what came was not authentic, too long or malformed.
    Connection(ConnectionError),
    /// SetupConnection.Error came.
    SetupRefused {
        /// The flags that are not supported.
        flags: u32,
        /// The first 64 bytes of the error code, as they came.
        error_code: ShortBytes<64>,
    },
    /// SetupConnection.Success names a version of the protocol that was not offered.
    VersionNotOffered(u16),
    /// The server demands this extension, which was not asked for (extension 0x0001).
    ExtensionRequired(u16),
    /// No answer to SetupConnection in time.
    SetupTimeout,
    /// No answer to a request for a channel in time.
    OpenTimeout,
    /// A channel had no job to mine on for too long.
    NoJob,
    /// This message came before SetupConnection.Success.
    BeforeSetup(&'static str),
    /// The channels cannot follow the server.
    Channel(ChannelError),
}

impl CloseReason {
    /// Whether the next connection may fare better. If not, something must be changed first, here or at the server: it is not
    /// who it should be, its certificate has expired, it does not serve what is asked for, or what it sends is more than there
    /// is room for. A loss of the network, of which [`disconnected`](super::Client::disconnected) tells the engine, is always
    /// worth another try.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Connection(
                ConnectionError::Handshake(HandshakeError::Certificate(_)) | ConnectionError::PayloadTooLarge { .. },
            )
            | Self::VersionNotOffered(_)
            | Self::ExtensionRequired(_)
            | Self::Channel(_) => false,
            Self::SetupRefused { error_code, .. } => {
                let final_codes = [
                    error_code::UNSUPPORTED_PROTOCOL,
                    error_code::PROTOCOL_VERSION_MISMATCH,
                    error_code::UNSUPPORTED_FEATURE_FLAGS,
                ];
                !final_codes.iter().any(|code| code.as_bytes() == &**error_code)
            }
            Self::Connection(_) | Self::SetupTimeout | Self::OpenTimeout | Self::NoJob | Self::BeforeSetup(_) => true,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::SetupRefused { flags: 0, error_code } => write!(f, "the setup was refused: {}", Str(error_code)),
            Self::SetupRefused { flags, error_code } => {
                write!(f, "the setup was refused: {} (0x{flags:08x})", Str(error_code))
            }
            Self::VersionNotOffered(version) => {
                write!(f, "the server chose version {version}, but only {PROTOCOL_VERSION} was offered")
            }
            Self::ExtensionRequired(extension) => write!(f, "the server demands extension 0x{extension:04x}"),
            Self::SetupTimeout => f.write_str("no answer to SetupConnection in time"),
            Self::OpenTimeout => f.write_str("no answer to a request for a channel in time"),
            Self::NoJob => f.write_str("no job to mine on in time"),
            Self::BeforeSetup(message) => write!(f, "{message} came before SetupConnection.Success"),
            Self::Channel(error) => error.fmt(f),
        }
    }
}

/// An event that waits, with places instead of borrowed bytes: they are in the payload of the message that was read last.
#[derive(Clone, Debug)]
pub(super) enum Note {
    Ready { flags: u32 },
    Extensions,
    ChannelOpened { request_id: u32, channel_id: u32 },
    OpenRefused { request_id: u32, error_code: Range<usize> },
    SharesAccepted { channel_id: u32, last_sequence_number: u32, count: u32, difficulty_sum: u64 },
    ShareRejected { channel_id: u32, sequence_number: u32, error_code: Range<usize> },
    UpdateRefused { channel_id: u32, error_code: Range<usize> },
    ChannelClosed { channel_id: u32, reason_code: Range<usize>, totals: ShareTotals },
    CustomJobAccepted { channel_id: u32, request_id: u32, job_id: u32 },
    CustomJobRefused { channel_id: u32, request_id: u32, error_code: Range<usize> },
    Reconnect { host: Range<usize>, port: u16 },
    ChannelEndpointChanged { channel_id: u32 },
    ExtensionMessage { extension_type: u16, message_type: u8, channel_msg: bool },
    PrefixChanged { channel_id: u32 },
    FutureJob { channel_id: u32, job_id: u32 },
    NewJob { channel_id: u32, job_id: u32, clean: bool },
    TipWithoutJob { channel_id: u32 },
    TargetChanged { channel_id: u32 },
    Writable,
    Close { reason: CloseReason },
    Log { level: Level },
}

impl Note {
    /// The event, of which what is borrowed stands in `payload` and `line`.
    pub(super) fn event<'a>(self, payload: &'a [u8], line: &'a Line) -> Event<'a> {
        let text = |place: Range<usize>| Str(payload.get(place).unwrap_or_default());
        match self {
            Self::Ready { flags } => Event::Ready { flags },
            Self::Extensions => Event::Extensions,
            Self::ChannelOpened { request_id, channel_id } => Event::ChannelOpened { request_id, channel_id },
            Self::OpenRefused { request_id, error_code } => {
                Event::OpenRefused { request_id, error_code: text(error_code) }
            }
            Self::SharesAccepted { channel_id, last_sequence_number, count, difficulty_sum } => {
                Event::SharesAccepted { channel_id, last_sequence_number, count, difficulty_sum }
            }
            Self::ShareRejected { channel_id, sequence_number, error_code } => {
                Event::ShareRejected { channel_id, sequence_number, error_code: text(error_code) }
            }
            Self::UpdateRefused { channel_id, error_code } => {
                Event::UpdateRefused { channel_id, error_code: text(error_code) }
            }
            Self::ChannelClosed { channel_id, reason_code, totals } => {
                Event::ChannelClosed { channel_id, reason_code: text(reason_code), totals }
            }
            Self::CustomJobAccepted { channel_id, request_id, job_id } => {
                Event::CustomJobAccepted { channel_id, request_id, job_id }
            }
            Self::CustomJobRefused { channel_id, request_id, error_code } => {
                Event::CustomJobRefused { channel_id, request_id, error_code: text(error_code) }
            }
            Self::Reconnect { host, port } => Event::Reconnect { host: text(host), port },
            Self::ChannelEndpointChanged { channel_id } => Event::ChannelEndpointChanged { channel_id },
            Self::ExtensionMessage { extension_type, message_type, channel_msg } => {
                Event::ExtensionMessage { extension_type, message_type, channel_msg, payload }
            }
            Self::PrefixChanged { channel_id } => Event::PrefixChanged { channel_id },
            Self::FutureJob { channel_id, job_id } => Event::FutureJob { channel_id, job_id },
            Self::NewJob { channel_id, job_id, clean } => Event::NewJob { channel_id, job_id, clean },
            Self::TipWithoutJob { channel_id } => Event::TipWithoutJob { channel_id },
            Self::TargetChanged { channel_id } => Event::TargetChanged { channel_id },
            Self::Writable => Event::Writable,
            Self::Close { reason } => Event::Close { reason },
            Self::Log { level } => Event::Log { level, text: line.text() },
        }
    }
}

/// A line of the log, in memory of its own.
#[derive(Debug)]
pub(super) struct Line {
    bytes: [u8; LINE_LEN],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; LINE_LEN], len: 0 }
    }
}

impl Line {
    pub(super) fn set(&mut self, text: fmt::Arguments<'_>) {
        self.len = 0;
        // It never fails: what is too long is cut off.
        let _ = fmt::write(self, text);
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        // All that is written is whole strings, cut off between characters.
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_LEN - self.len;
        let mut fitting = text.len().min(room);
        while !text.is_char_boundary(fitting) {
            fitting -= 1;
        }
        let to = self.bytes.get_mut(self.len..self.len + fitting);
        if let Some((to, from)) = to.zip(text.as_bytes().get(..fitting)) {
            to.copy_from_slice(from);
            self.len += fitting;
        }
        Ok(())
    }
}
