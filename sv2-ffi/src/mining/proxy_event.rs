//! What comes out of a proxy: events.

use std::ffi::c_char;

use sv2_core::mining::proxy::{Channel, Event, FoundBlock};

use crate::text::ErrorText;
use crate::{sv2_block_header, sv2_close, sv2_str, sv2_u256};

/// A hash meets the network's target. It is on its way to the upstream already, if there is one; comes before all other events. See
/// `as.block_found`.
pub const SV2_MINING_PROXY_EVENT_BLOCK_FOUND: u32 = 1;
/// Connect a socket to this server, then call sv2_mining_proxy_upstream_connected, or sv2_mining_proxy_upstream_disconnected if that
/// is not possible. There is never more than one. See `as.connect_upstream`.
pub const SV2_MINING_PROXY_EVENT_CONNECT_UPSTREAM: u32 = 2;
/// There are bytes in sv2_mining_proxy_upstream_output: write them, and say so with sv2_mining_proxy_upstream_sent; if that leaves
/// more, the event comes again.
pub const SV2_MINING_PROXY_EVENT_UPSTREAM_WRITABLE: u32 = 3;
/// Close the upstream's socket; the proxy has forgotten the connection, and asks for another one when it is time. See
/// `as.close_upstream`.
pub const SV2_MINING_PROXY_EVENT_CLOSE_UPSTREAM: u32 = 4;
/// The upstream has accepted the connection. See `as.upstream`.
pub const SV2_MINING_PROXY_EVENT_UPSTREAM_READY: u32 = 5;
/// There is no upstream any more, and the next one is sought. Miners keep their connections. See `as.upstream`.
pub const SV2_MINING_PROXY_EVENT_UPSTREAM_LOST: u32 = 6;
/// The upstream acknowledges shares. See `as.upstream_accepted`.
pub const SV2_MINING_PROXY_EVENT_UPSTREAM_ACCEPTED: u32 = 7;
/// The upstream refuses a share, or it could not be sent to it. See `as.upstream_rejected`.
pub const SV2_MINING_PROXY_EVENT_UPSTREAM_REJECTED: u32 = 8;
/// There are bytes in sv2_mining_proxy_output for this miner. See `as.writable`.
pub const SV2_MINING_PROXY_EVENT_WRITABLE: u32 = 9;
/// Close the miner's socket; the proxy has forgotten the connection. See `as.close`.
pub const SV2_MINING_PROXY_EVENT_CLOSE: u32 = 10;
/// A miner has a channel. See `as.channel_opened`.
pub const SV2_MINING_PROXY_EVENT_CHANNEL_OPENED: u32 = 11;
/// A channel is over. See `as.channel_closed`.
pub const SV2_MINING_PROXY_EVENT_CHANNEL_CLOSED: u32 = 12;
/// Aggregation: a share is good. In pass-through the upstream judges. See `as.share_accepted`.
pub const SV2_MINING_PROXY_EVENT_SHARE_ACCEPTED: u32 = 13;
/// A share was refused here. See `as.share_rejected`.
pub const SV2_MINING_PROXY_EVENT_SHARE_REJECTED: u32 = 14;

/// A miner's channel: ids are unique only within a connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_channel {
    /// The miner's connection.
    pub connection: u64,
    /// The channel, by the id that the miner knows.
    pub channel_id: u32,
    /// Zero.
    pub reserved: u32,
}

/// A share that is a block. The upstream alone can complete it: it has the transactions.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_block {
    /// Who found it.
    pub channel: sv2_proxy_channel,
    /// The block's header.
    pub header: sv2_block_header,
    /// The header's hash.
    pub hash: sv2_u256,
    /// 1 if it was sent to the upstream; 0 if it waits for one that has the same work.
    pub sent: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// A server to connect to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_connect {
    /// Its place in the options' upstreams.
    pub upstream: usize,
    /// Its name or address: that of the options, or where it told its clients to go (spec 3.6.5), escaped then.
    pub host: sv2_str,
    /// Its port.
    pub port: u16,
    /// Zero.
    pub reserved: [u16; 3],
}

/// Why the connection to an upstream is to be closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_close_upstream {
    /// The server's place in the options' upstreams.
    pub upstream: usize,
    /// A sentence without its full stop, NUL-terminated. What comes from the upstream in it is escaped.
    pub reason: *const c_char,
    /// 1 if the next connection to this server may fare better; 0 if something must be changed first, here or there.
    pub may_retry: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Shares that the upstream acknowledges.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_upstream_accepted {
    /// Whose they are, if has_channel.
    pub channel: sv2_proxy_channel,
    /// The sum of their difficulties, as the upstream counts them.
    pub difficulty: u64,
    /// How many.
    pub count: u32,
    /// 1 in pass-through; 0 in aggregation, where they are everybody's.
    pub has_channel: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// A share that the upstream refuses. In aggregation the miner was told that it is good; in pass-through it is told this.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_upstream_rejected {
    /// Whose share it is, if has_channel.
    pub channel: sv2_proxy_channel,
    /// The miner's number for it, or the upstream's if it is too old to be known.
    pub sequence_number: u32,
    /// 1 if it is known whose it is.
    pub has_channel: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The upstream's reason, escaped; "stale-share" if no upstream wanted it.
    pub error_code: sv2_str,
}

/// A channel that a miner has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_channel_opened {
    /// The channel.
    pub channel: sv2_proxy_channel,
    /// Whom the miner says to be, escaped.
    pub user_identity: sv2_str,
    /// The hash rate that it says to have, in h/s.
    pub nominal_hash_rate: f32,
    /// 1 if it is an extended channel.
    pub extended: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// A share that is good.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_share {
    /// Who found it.
    pub channel: sv2_proxy_channel,
    /// The difficulty of the target that the miner had.
    pub difficulty: f64,
    /// The miner's number for it.
    pub sequence_number: u32,
    /// 1 if it meets the upstream's target, and went or goes up.
    pub for_upstream: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The header's hash.
    pub hash: sv2_u256,
}

/// A share that was refused here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_proxy_share_rejected {
    /// Who sent it.
    pub channel: sv2_proxy_channel,
    /// The miner's number for it.
    pub sequence_number: u32,
    /// Zero.
    pub reserved: u32,
    /// What the miner was told (spec 5.3.14).
    pub error_code: sv2_str,
}

/// One field for every type of event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sv2_mining_proxy_event_as {
    /// If type is SV2_MINING_PROXY_EVENT_BLOCK_FOUND.
    pub block_found: sv2_proxy_block,
    /// If type is SV2_MINING_PROXY_EVENT_CONNECT_UPSTREAM.
    pub connect_upstream: sv2_proxy_connect,
    /// If type is SV2_MINING_PROXY_EVENT_CLOSE_UPSTREAM.
    pub close_upstream: sv2_proxy_close_upstream,
    /// If type is SV2_MINING_PROXY_EVENT_UPSTREAM_READY or SV2_MINING_PROXY_EVENT_UPSTREAM_LOST: the server's place in the options.
    pub upstream: usize,
    /// If type is SV2_MINING_PROXY_EVENT_UPSTREAM_ACCEPTED.
    pub upstream_accepted: sv2_upstream_accepted,
    /// If type is SV2_MINING_PROXY_EVENT_UPSTREAM_REJECTED.
    pub upstream_rejected: sv2_upstream_rejected,
    /// If type is SV2_MINING_PROXY_EVENT_WRITABLE: the connection.
    pub writable: u64,
    /// If type is SV2_MINING_PROXY_EVENT_CLOSE.
    pub close: sv2_close,
    /// If type is SV2_MINING_PROXY_EVENT_CHANNEL_OPENED.
    pub channel_opened: sv2_proxy_channel_opened,
    /// If type is SV2_MINING_PROXY_EVENT_CHANNEL_CLOSED.
    pub channel_closed: sv2_proxy_channel,
    /// If type is SV2_MINING_PROXY_EVENT_SHARE_ACCEPTED.
    pub share_accepted: sv2_proxy_share,
    /// If type is SV2_MINING_PROXY_EVENT_SHARE_REJECTED.
    pub share_rejected: sv2_proxy_share_rejected,
    /// Room for events of later versions.
    pub reserved: [u64; 32],
}

/// Something the host must do, or may want to know. What it points to lives until the proxy's next sv2_mining_proxy_next_event.
/// Ignore types you do not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_proxy_event {
    /// One of SV2_MINING_PROXY_EVENT_*.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// What belongs to the type.
    pub r#as: sv2_mining_proxy_event_as,
}

/// What the last event points to.
#[derive(Default)]
pub(super) struct ProxyLent {
    text: String,
    reason: ErrorText,
}

impl ProxyLent {
    /// The event for C; `None` for a line of the log, which goes another way.
    pub(super) fn event(&mut self, event: Event) -> Option<sv2_mining_proxy_event> {
        use sv2_mining_proxy_event_as as As;
        let (r#type, fields) = match event {
            Event::BlockFound(block) => (SV2_MINING_PROXY_EVENT_BLOCK_FOUND, As { block_found: (&block).into() }),
            Event::ConnectUpstream { upstream, host, port } => {
                let host = self.lend(host);
                let connect_upstream = sv2_proxy_connect { upstream, host, port, reserved: [0; 3] };
                (SV2_MINING_PROXY_EVENT_CONNECT_UPSTREAM, As { connect_upstream })
            }
            Event::UpstreamWritable => (SV2_MINING_PROXY_EVENT_UPSTREAM_WRITABLE, As { reserved: [0; 32] }),
            Event::CloseUpstream { upstream, reason } => {
                let may_retry = reason.may_retry().into();
                self.reason.set(reason);
                let reason = self.reason.as_ptr();
                let close_upstream = sv2_proxy_close_upstream { upstream, reason, may_retry, reserved: [0; 7] };
                (SV2_MINING_PROXY_EVENT_CLOSE_UPSTREAM, As { close_upstream })
            }
            Event::UpstreamReady { upstream } => (SV2_MINING_PROXY_EVENT_UPSTREAM_READY, As { upstream }),
            Event::UpstreamLost { upstream } => (SV2_MINING_PROXY_EVENT_UPSTREAM_LOST, As { upstream }),
            Event::UpstreamAccepted { channel, count, difficulty } => {
                let has_channel = channel.is_some().into();
                let channel = channel.into();
                let reserved = [0; 3];
                let upstream_accepted = sv2_upstream_accepted { channel, difficulty, count, has_channel, reserved };
                (SV2_MINING_PROXY_EVENT_UPSTREAM_ACCEPTED, As { upstream_accepted })
            }
            Event::UpstreamRejected { channel, sequence_number, error_code } => {
                let upstream_rejected = sv2_upstream_rejected {
                    channel: channel.into(),
                    sequence_number,
                    has_channel: channel.is_some().into(),
                    reserved: [0; 3],
                    error_code: self.lend(error_code),
                };
                (SV2_MINING_PROXY_EVENT_UPSTREAM_REJECTED, As { upstream_rejected })
            }
            Event::Writable { connection } => (SV2_MINING_PROXY_EVENT_WRITABLE, As { writable: connection }),
            Event::Close { connection, reason } => {
                self.reason.set(reason);
                let close = sv2_close { connection, reason: self.reason.as_ptr() };
                (SV2_MINING_PROXY_EVENT_CLOSE, As { close })
            }
            Event::ChannelOpened { channel, extended, user_identity, nominal_hash_rate } => {
                let channel_opened = sv2_proxy_channel_opened {
                    channel: Some(channel).into(),
                    user_identity: self.lend(user_identity),
                    nominal_hash_rate,
                    extended: extended.into(),
                    reserved: [0; 3],
                };
                (SV2_MINING_PROXY_EVENT_CHANNEL_OPENED, As { channel_opened })
            }
            Event::ChannelClosed { channel } => {
                (SV2_MINING_PROXY_EVENT_CHANNEL_CLOSED, As { channel_closed: Some(channel).into() })
            }
            Event::ShareAccepted { channel, sequence_number, hash, difficulty, for_upstream } => {
                let share_accepted = sv2_proxy_share {
                    channel: Some(channel).into(),
                    difficulty,
                    sequence_number,
                    for_upstream: for_upstream.into(),
                    reserved: [0; 3],
                    hash: sv2_u256 { bytes: hash },
                };
                (SV2_MINING_PROXY_EVENT_SHARE_ACCEPTED, As { share_accepted })
            }
            Event::ShareRejected { channel, sequence_number, error_code } => {
                let share_rejected = sv2_proxy_share_rejected {
                    channel: Some(channel).into(),
                    sequence_number,
                    reserved: 0,
                    error_code: sv2_str::borrow(error_code.as_bytes()),
                };
                (SV2_MINING_PROXY_EVENT_SHARE_REJECTED, As { share_rejected })
            }
            Event::Log { .. } => return None,
        };
        Some(sv2_mining_proxy_event { r#type, reserved: 0, r#as: fields })
    }

    fn lend(&mut self, text: String) -> sv2_str {
        self.text = text;
        sv2_str::borrow(self.text.as_bytes())
    }
}

impl From<Option<Channel>> for sv2_proxy_channel {
    fn from(channel: Option<Channel>) -> Self {
        let (connection, channel_id) = channel.map_or((0, 0), |channel| (channel.connection, channel.channel_id));
        Self { connection, channel_id, reserved: 0 }
    }
}

impl From<&FoundBlock> for sv2_proxy_block {
    fn from(block: &FoundBlock) -> Self {
        Self {
            channel: Some(block.channel).into(),
            header: block.header.into(),
            hash: sv2_u256 { bytes: block.hash },
            sent: block.sent.into(),
            reserved: [0; 3],
        }
    }
}
