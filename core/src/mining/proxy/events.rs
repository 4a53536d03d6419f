//! What the engine tells its host.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::fmt;

use super::ConnectionId;
use crate::bitcoin::{Hash, Header};
use crate::clients::{Level, LogBound};
use crate::connection::ConnectionError;
use crate::message::error_code;
use crate::mining::PROTOCOL_VERSION;
use crate::mining::server;
use crate::noise::HandshakeError;
use crate::wire::DecodeError;

/// Something the host must do, or may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A hash meets the network's target. It is on its way to the upstream already, if there is one; comes before all other events.
    BlockFound(FoundBlock),
    /// Connect a socket to this server, and say [`upstream_connected`](super::Proxy::upstream_connected) or
    /// [`upstream_disconnected`](super::Proxy::upstream_disconnected). There is never more than one.
    ConnectUpstream {
        /// Its place in [`ProxyOptions::upstreams`](super::ProxyOptions::upstreams).
        upstream: usize,
        /// Its name or address: that of the options, or where it told its clients to go (spec 3.6.5), escaped then.
        host: String,
        /// Its port.
        port: u16,
    },
    /// There are bytes in [`upstream_output`](super::Proxy::upstream_output).
    UpstreamWritable,
    /// Close the upstream's socket; the engine has forgotten the connection, and asks for another one when it is time. A
    /// connection whose loss the host has told is not closed again.
    CloseUpstream {
        /// The server.
        upstream: usize,
        /// Why.
        reason: UpstreamCloseReason,
    },
    /// The upstream has accepted the connection.
    UpstreamReady {
        /// The server.
        upstream: usize,
    },
    /// There is no upstream any more, and the next one is sought. Miners keep their connections.
    UpstreamLost {
        /// The server that was in use.
        upstream: usize,
    },
    /// The upstream acknowledges shares (SubmitShares.Success).
    UpstreamAccepted {
        /// Whose they are in pass-through; in aggregation `None`, for they are everybody's.
        channel: Option<Channel>,
        /// How many.
        count: u32,
        /// The sum of their difficulties, as the upstream counts them.
        difficulty: u64,
    },
    /// The upstream refuses a share (SubmitShares.Error), or it could not be sent to it. In aggregation the miner was told that it
    /// is good; in pass-through it is told this.
    UpstreamRejected {
        /// Whose share it is; `None` if it is too old to be known.
        channel: Option<Channel>,
        /// The miner's number for it.
        sequence_number: u32,
        /// The upstream's reason, escaped.
        error_code: String,
    },
    /// There are bytes in [`output`](super::Proxy::output).
    Writable {
        /// The miner's connection.
        connection: ConnectionId,
    },
    /// Close the miner's socket; the engine has forgotten the connection.
    Close {
        /// The miner's connection.
        connection: ConnectionId,
        /// Why.
        reason: server::CloseReason,
    },
    /// A miner has a channel.
    ChannelOpened {
        /// The channel.
        channel: Channel,
        /// Whether it is an extended channel.
        extended: bool,
        /// Whom the miner says to be, escaped.
        user_identity: String,
        /// The hash rate that it says to have, in h/s.
        nominal_hash_rate: f32,
    },
    /// A channel is over: closed by the miner or the upstream, or gone with its connection.
    ChannelClosed {
        /// The channel.
        channel: Channel,
    },
    /// Aggregation: a share is good. In pass-through the upstream judges.
    ShareAccepted {
        /// Who found it.
        channel: Channel,
        /// The miner's number for it.
        sequence_number: u32,
        /// The hash, as in headers.
        hash: Hash,
        /// The difficulty of the target that the miner had.
        difficulty: f64,
        /// Whether it meets the upstream's target, and went or goes up.
        for_upstream: bool,
    },
    /// A share was refused here.
    ShareRejected {
        /// Who sent it.
        channel: Channel,
        /// The miner's number for it.
        sequence_number: u32,
        /// What the miner was told (spec 5.3.14).
        error_code: &'static str,
    },
    /// A line for the host's log. What comes from peers in it is escaped.
    Log {
        /// How much it matters.
        level: Level,
        /// The line, without a line break.
        text: String,
    },
}

/// A miner's channel: ids are unique only within a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// The miner's connection.
    pub connection: ConnectionId,
    /// The channel, by the id that the miner knows.
    pub channel_id: u32,
}

/// A share that is a block. The upstream alone can complete it: it has the transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBlock {
    /// Who found it.
    pub channel: Channel,
    /// The block's header.
    pub header: Header,
    /// The header's hash.
    pub hash: Hash,
    /// Whether it was sent to the upstream. If not, it waits for one that has the same work.
    pub sent: bool,
}

/// Why the connection to an upstream is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamCloseReason {
    /// The handshake failed or took too long, or what came was not authentic, too long or malformed.
    Connection(ConnectionError),
    /// SetupConnection.Error came.
    SetupRefused {
        /// The flags that are not supported.
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
    /// The upstream demands an extension that was not asked for.
    ExtensionRequired(u16),
    /// The upstream opens no channel: its error code, escaped.
    ChannelRefused(String),
    /// The upstream did not answer a request for a channel in time.
    ChannelTimeout,
    /// The channel that all miners share was closed by the upstream: its reason, escaped.
    ChannelClosed(String),
    /// What the upstream gave as extranonce cannot be divided among miners.
    UnusableExtranonce,
    /// The upstream has said nothing for too long.
    Silent,
    /// The upstream does not read what it is sent.
    TooSlow,
    /// The upstream told its clients to connect again, there or elsewhere (spec 3.6.5).
    Reconnect,
    /// It is time to try those that are preferred to it
    /// ([`ProxyOptions::failback_ms`](super::ProxyOptions::failback_ms)).
    Failback,
}

impl UpstreamCloseReason {
    /// Whether the next connection to this server may fare better; if not, something must be changed first, here or there.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Connection(ConnectionError::Handshake(HandshakeError::Certificate(_)))
            | Self::VersionNotOffered(_)
            | Self::ExtensionRequired(_) => false,
            Self::SetupRefused { error_code, .. } => {
                let final_codes = [
                    error_code::UNSUPPORTED_PROTOCOL,
                    error_code::PROTOCOL_VERSION_MISMATCH,
                    error_code::UNSUPPORTED_FEATURE_FLAGS,
                ];
                !final_codes.contains(&&**error_code)
            }
            _ => true,
        }
    }
}

impl fmt::Display for UpstreamCloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::SetupRefused { flags: 0, error_code } => write!(f, "the setup was refused: {error_code}"),
            Self::SetupRefused { flags, error_code } => {
                write!(f, "the setup was refused: {error_code} (0x{flags:08x})")
            }
            Self::VersionNotOffered(version) => {
                write!(f, "it chose version {version}, but only {PROTOCOL_VERSION} was offered")
            }
            Self::SetupTimeout => f.write_str("no answer to SetupConnection in time"),
            Self::BeforeSetup(message) => write!(f, "{message} came before SetupConnection.Success"),
            Self::ExtensionRequired(extension) => {
                write!(f, "it demands the extension 0x{extension:04x}, which is not known here")
            }
            Self::ChannelRefused(error_code) => write!(f, "it opens no channel: {error_code}"),
            Self::ChannelTimeout => f.write_str("it did not open a channel in time"),
            Self::ChannelClosed(reason_code) => write!(f, "it closed the channel: {reason_code}"),
            Self::UnusableExtranonce => f.write_str("its extranonce is too short to be divided among miners"),
            Self::Silent => f.write_str("it has said nothing for too long"),
            Self::TooSlow => f.write_str("it does not read what it is sent"),
            Self::Reconnect => f.write_str("it asks its clients to connect again"),
            Self::Failback => f.write_str("those that are preferred to it are tried again"),
        }
    }
}

impl From<DecodeError> for UpstreamCloseReason {
    fn from(error: DecodeError) -> Self {
        Self::Connection(ConnectionError::Malformed(error))
    }
}

/// The events that wait to be read: blocks first.
#[derive(Debug, Default)]
pub(super) struct Events {
    blocks: VecDeque<FoundBlock>,
    queue: VecDeque<Event>,
    logs: LogBound,
}

impl Events {
    pub(super) fn next(&mut self) -> Option<Event> {
        if let Some(block) = self.blocks.pop_front() {
            return Some(Event::BlockFound(block));
        }
        let event = self.queue.pop_front();
        match &event {
            Some(Event::Log { .. }) => self.logs.read(),
            None => return self.logs.left_out().map(|text| Event::Log { level: Level::Warning, text }),
            _ => {}
        }
        event
    }

    pub(super) fn push(&mut self, event: Event) {
        match event {
            Event::BlockFound(block) => self.blocks.push_back(block),
            event => self.queue.push_back(event),
        }
    }

    pub(super) fn log(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.logs.admit() {
            self.queue.push_back(Event::Log { level, text: alloc::fmt::format(text) });
        }
    }

    /// A line that is never left out, for what peers cannot make many of.
    pub(super) fn log_always(&mut self, level: Level, text: fmt::Arguments<'_>) {
        self.queue.push_back(Event::Log { level, text: alloc::fmt::format(text) });
    }
}
