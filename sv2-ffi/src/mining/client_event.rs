//! What comes out of a mining client: events.

use std::ffi::c_char;

use sv2_core::mining::client::{Event, ShareTotals};
use sv2_core::wire::Str;

use crate::text::ErrorText;
use crate::{sv2_bytes, sv2_str};

/// The server has accepted the connection: channels can be opened. See `as.ready`.
pub const SV2_MINING_CLIENT_EVENT_READY: u32 = 1;
/// The server has said which of the extensions it supports: sv2_mining_client_is_negotiated tells.
pub const SV2_MINING_CLIENT_EVENT_EXTENSIONS: u32 = 2;
/// A channel is open, and work for it follows. See `as.channel_opened`.
pub const SV2_MINING_CLIENT_EVENT_CHANNEL_OPENED: u32 = 3;
/// A channel was refused. See `as.open_refused`.
pub const SV2_MINING_CLIENT_EVENT_OPEN_REFUSED: u32 = 4;
/// A job came that waits for its tip. See `as.job`.
pub const SV2_MINING_CLIENT_EVENT_FUTURE_JOB: u32 = 5;
/// Mine on this job at once. If `clean` is set the tip is new, and all work on other jobs is stale; else shares of jobs before are
/// still taken. See `as.job`.
pub const SV2_MINING_CLIENT_EVENT_NEW_JOB: u32 = 6;
/// A new best block, for which the server sent no job: what is mined on is stale, and there is nothing else until it sends one. If
/// that takes more than job_timeout_ms, the connection is closed. See `as.channel_id`.
pub const SV2_MINING_CLIENT_EVENT_TIP_WITHOUT_JOB: u32 = 7;
/// The target of jobs to come is another. A job that is active keeps its own. See `as.channel_id`.
pub const SV2_MINING_CLIENT_EVENT_TARGET_CHANGED: u32 = 8;
/// The extranonce_prefix of jobs to come is another; those that came before keep theirs. See `as.channel_id`.
pub const SV2_MINING_CLIENT_EVENT_PREFIX_CHANGED: u32 = 9;
/// Shares are acknowledged. See `as.shares_accepted`.
pub const SV2_MINING_CLIENT_EVENT_SHARES_ACCEPTED: u32 = 10;
/// A share is refused. See `as.share_rejected`.
pub const SV2_MINING_CLIENT_EVENT_SHARE_REJECTED: u32 = 11;
/// An UpdateChannel is refused; one that is accepted has no answer. See `as.update_refused`.
pub const SV2_MINING_CLIENT_EVENT_UPDATE_REFUSED: u32 = 12;
/// The server has closed a channel. See `as.channel_closed`.
pub const SV2_MINING_CLIENT_EVENT_CHANNEL_CLOSED: u32 = 13;
/// A custom job is accepted: shares of it can be submitted. See `as.custom_job`.
pub const SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_ACCEPTED: u32 = 14;
/// A custom job is refused. See `as.custom_job`.
pub const SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_REFUSED: u32 = 15;
/// The server wants to be left for another one of the same authority (spec 3.6.4). Nothing happens by itself: disconnect, and connect
/// to the other. See `as.reconnect`.
pub const SV2_MINING_CLIENT_EVENT_RECONNECT: u32 = 16;
/// The endpoint of a channel is another: what extensions know of it no longer holds (spec 3.6.5). See `as.channel_id`.
pub const SV2_MINING_CLIENT_EVENT_CHANNEL_ENDPOINT_CHANGED: u32 = 17;
/// A message of an extension that this library does not know. See `as.extension_message`.
pub const SV2_MINING_CLIENT_EVENT_EXTENSION_MESSAGE: u32 = 18;
/// There are bytes in sv2_mining_client_output: write them, and say so with sv2_mining_client_sent; if that leaves more, the event
/// comes again. If the socket takes none now, go on when it can be written.
pub const SV2_MINING_CLIENT_EVENT_WRITABLE: u32 = 19;
/// Close the socket; the client has forgotten the connection. Its channels can be looked at until sv2_mining_client_connect. See
/// `as.close`.
pub const SV2_MINING_CLIENT_EVENT_CLOSE: u32 = 20;

/// The server has accepted the connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_ready {
    /// SetupConnection.Success.flags (spec 5.3.1).
    pub flags: u32,
}

/// A channel is open.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_channel_opened {
    /// What _open_standard or _open_extended gave.
    pub request_id: u32,
    /// The channel.
    pub channel_id: u32,
}

/// A channel was refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_open_refused {
    /// What asked for it.
    pub request_id: u32,
    /// Zero.
    pub reserved: u32,
    /// Why (spec 5.3.6): "unknown-user" and others, as the server wrote it.
    pub error_code: sv2_str,
}

/// A job came, or became the one to mine on.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_job_event {
    /// The channel.
    pub channel_id: u32,
    /// The job.
    pub job_id: u32,
    /// 1 if the tip is new.
    pub clean: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Shares are acknowledged.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_shares_accepted {
    /// The channel.
    pub channel_id: u32,
    /// The last of them.
    pub last_sequence_number: u32,
    /// How many.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
    /// Their difficulties, as the server reckons them.
    pub difficulty_sum: u64,
}

/// A share is refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_share_rejected {
    /// The channel.
    pub channel_id: u32,
    /// The share.
    pub sequence_number: u32,
    /// Why (spec 5.3.14): "stale-share" and others, as the server wrote it.
    pub error_code: sv2_str,
}

/// An UpdateChannel is refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_update_refused {
    /// The channel.
    pub channel_id: u32,
    /// Zero.
    pub reserved: u32,
    /// Why (spec 5.3.8), as the server wrote it.
    pub error_code: sv2_str,
}

/// What became of the shares of a channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_totals {
    /// How many were submitted.
    pub submitted: u64,
    /// How many the server acknowledged.
    pub accepted: u64,
    /// Their difficulties, as the server reckons them.
    pub difficulty_sum: u64,
    /// How many it refused.
    pub rejected: u64,
    /// How many it has not answered.
    pub unanswered: u64,
}

/// The server has closed a channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_channel_closed {
    /// The channel.
    pub channel_id: u32,
    /// Zero.
    pub reserved: u32,
    /// Why (spec 5.3.9), as the server wrote it.
    pub reason_code: sv2_str,
    /// What became of its shares.
    pub totals: sv2_mining_client_totals,
}

/// The answer to a custom job.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_custom_job {
    /// The channel.
    pub channel_id: u32,
    /// What sv2_mining_client_set_custom_job gave.
    pub request_id: u32,
    /// If it is accepted, the server's name for the job.
    pub job_id: u32,
    /// Zero.
    pub reserved: u32,
    /// If it is refused, why (spec 5.3.20), as the server wrote it.
    pub error_code: sv2_str,
}

/// Where the server wants the client to go.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_reconnect {
    /// The other's name or address, as the server wrote it; empty: the same.
    pub host: sv2_str,
    /// Its port; 0: the same.
    pub port: u16,
    /// Zero.
    pub reserved: [u16; 3],
}

/// A message of an extension.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_extension_message {
    /// The extension, without the channel_msg bit.
    pub extension_type: u16,
    /// The message within it.
    pub message_type: u8,
    /// 1 if it is for the endpoint of the channel that its first four bytes name (spec 3.2.1).
    pub channel_msg: u8,
    /// Zero.
    pub reserved: u32,
    /// The payload.
    pub payload: sv2_bytes,
}

/// Why the connection is to be closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_close {
    /// A sentence without its full stop, NUL-terminated. What comes from the server in it is escaped.
    pub reason: *const c_char,
    /// 1 if the next connection may fare better. 0 if something must be changed first, here or at the server: it is not who it
    /// should be, its certificate has expired, it does not serve what is asked for, or what it sends has no room here.
    pub may_retry: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// One field for every type of event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sv2_mining_client_event_as {
    /// If type is SV2_MINING_CLIENT_EVENT_READY.
    pub ready: sv2_mining_client_ready,
    /// If type is SV2_MINING_CLIENT_EVENT_CHANNEL_OPENED.
    pub channel_opened: sv2_mining_client_channel_opened,
    /// If type is SV2_MINING_CLIENT_EVENT_OPEN_REFUSED.
    pub open_refused: sv2_mining_client_open_refused,
    /// If type is SV2_MINING_CLIENT_EVENT_FUTURE_JOB or SV2_MINING_CLIENT_EVENT_NEW_JOB.
    pub job: sv2_mining_client_job_event,
    /// If type is SV2_MINING_CLIENT_EVENT_TIP_WITHOUT_JOB, _TARGET_CHANGED, _PREFIX_CHANGED or _CHANNEL_ENDPOINT_CHANGED: the channel.
    pub channel_id: u32,
    /// If type is SV2_MINING_CLIENT_EVENT_SHARES_ACCEPTED.
    pub shares_accepted: sv2_mining_client_shares_accepted,
    /// If type is SV2_MINING_CLIENT_EVENT_SHARE_REJECTED.
    pub share_rejected: sv2_mining_client_share_rejected,
    /// If type is SV2_MINING_CLIENT_EVENT_UPDATE_REFUSED.
    pub update_refused: sv2_mining_client_update_refused,
    /// If type is SV2_MINING_CLIENT_EVENT_CHANNEL_CLOSED.
    pub channel_closed: sv2_mining_client_channel_closed,
    /// If type is SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_ACCEPTED or SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_REFUSED.
    pub custom_job: sv2_mining_client_custom_job,
    /// If type is SV2_MINING_CLIENT_EVENT_RECONNECT.
    pub reconnect: sv2_mining_client_reconnect,
    /// If type is SV2_MINING_CLIENT_EVENT_EXTENSION_MESSAGE.
    pub extension_message: sv2_mining_client_extension_message,
    /// If type is SV2_MINING_CLIENT_EVENT_CLOSE.
    pub close: sv2_mining_client_close,
    /// Room for events of later versions.
    pub reserved: [u64; 16],
}

/// Something the host must do, or may want to know. What it points to lives until the client's next call that is no question
/// about its state. Ignore types you do not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_event {
    /// One of SV2_MINING_CLIENT_EVENT_*.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// What belongs to the type.
    pub r#as: sv2_mining_client_event_as,
}

impl From<ShareTotals> for sv2_mining_client_totals {
    fn from(totals: ShareTotals) -> Self {
        let ShareTotals { submitted, accepted, difficulty_sum, rejected, unanswered } = totals;
        Self { submitted, accepted, difficulty_sum, rejected, unanswered }
    }
}

/// The event for C, and `reason` as the sentence that a close points to; `None` for a line of the log, which goes another way.
pub(super) fn event_of(event: Event<'_>, reason_text: &mut ErrorText) -> Option<sv2_mining_client_event> {
    use sv2_mining_client_event_as as As;
    let text = |text: Str<'_>| sv2_str::borrow(text.0);
    let no_text = sv2_str { data: std::ptr::null(), len: 0 };
    let nothing = As { reserved: [0; 16] };
    let (r#type, fields) = match event {
        Event::Ready { flags } => (SV2_MINING_CLIENT_EVENT_READY, As { ready: sv2_mining_client_ready { flags } }),
        Event::Extensions => (SV2_MINING_CLIENT_EVENT_EXTENSIONS, nothing),
        Event::ChannelOpened { request_id, channel_id } => {
            let channel_opened = sv2_mining_client_channel_opened { request_id, channel_id };
            (SV2_MINING_CLIENT_EVENT_CHANNEL_OPENED, As { channel_opened })
        }
        Event::OpenRefused { request_id, error_code } => {
            let error_code = text(error_code);
            let open_refused = sv2_mining_client_open_refused { request_id, reserved: 0, error_code };
            (SV2_MINING_CLIENT_EVENT_OPEN_REFUSED, As { open_refused })
        }
        Event::FutureJob { channel_id, job_id } => {
            let job = sv2_mining_client_job_event { channel_id, job_id, clean: 0, reserved: [0; 7] };
            (SV2_MINING_CLIENT_EVENT_FUTURE_JOB, As { job })
        }
        Event::NewJob { channel_id, job_id, clean } => {
            let job = sv2_mining_client_job_event { channel_id, job_id, clean: clean.into(), reserved: [0; 7] };
            (SV2_MINING_CLIENT_EVENT_NEW_JOB, As { job })
        }
        Event::TipWithoutJob { channel_id } => (SV2_MINING_CLIENT_EVENT_TIP_WITHOUT_JOB, As { channel_id }),
        Event::TargetChanged { channel_id } => (SV2_MINING_CLIENT_EVENT_TARGET_CHANGED, As { channel_id }),
        Event::PrefixChanged { channel_id } => (SV2_MINING_CLIENT_EVENT_PREFIX_CHANGED, As { channel_id }),
        Event::SharesAccepted { channel_id, last_sequence_number, count, difficulty_sum } => {
            let reserved = 0;
            let shares_accepted =
                sv2_mining_client_shares_accepted { channel_id, last_sequence_number, count, reserved, difficulty_sum };
            (SV2_MINING_CLIENT_EVENT_SHARES_ACCEPTED, As { shares_accepted })
        }
        Event::ShareRejected { channel_id, sequence_number, error_code } => {
            let error_code = text(error_code);
            let share_rejected = sv2_mining_client_share_rejected { channel_id, sequence_number, error_code };
            (SV2_MINING_CLIENT_EVENT_SHARE_REJECTED, As { share_rejected })
        }
        Event::UpdateRefused { channel_id, error_code } => {
            let error_code = text(error_code);
            let update_refused = sv2_mining_client_update_refused { channel_id, reserved: 0, error_code };
            (SV2_MINING_CLIENT_EVENT_UPDATE_REFUSED, As { update_refused })
        }
        Event::ChannelClosed { channel_id, reason_code, totals } => {
            let (reason_code, totals) = (text(reason_code), totals.into());
            let channel_closed = sv2_mining_client_channel_closed { channel_id, reserved: 0, reason_code, totals };
            (SV2_MINING_CLIENT_EVENT_CHANNEL_CLOSED, As { channel_closed })
        }
        Event::CustomJobAccepted { channel_id, request_id, job_id } => {
            let custom_job =
                sv2_mining_client_custom_job { channel_id, request_id, job_id, reserved: 0, error_code: no_text };
            (SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_ACCEPTED, As { custom_job })
        }
        Event::CustomJobRefused { channel_id, request_id, error_code } => {
            let error_code = text(error_code);
            let custom_job =
                sv2_mining_client_custom_job { channel_id, request_id, job_id: 0, reserved: 0, error_code };
            (SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_REFUSED, As { custom_job })
        }
        Event::Reconnect { host, port } => {
            let reconnect = sv2_mining_client_reconnect { host: text(host), port, reserved: [0; 3] };
            (SV2_MINING_CLIENT_EVENT_RECONNECT, As { reconnect })
        }
        Event::ChannelEndpointChanged { channel_id } => {
            (SV2_MINING_CLIENT_EVENT_CHANNEL_ENDPOINT_CHANGED, As { channel_id })
        }
        Event::ExtensionMessage { extension_type, message_type, channel_msg, payload } => {
            let extension_message = sv2_mining_client_extension_message {
                extension_type,
                message_type,
                channel_msg: channel_msg.into(),
                reserved: 0,
                payload: sv2_bytes::borrow(payload),
            };
            (SV2_MINING_CLIENT_EVENT_EXTENSION_MESSAGE, As { extension_message })
        }
        Event::Writable => (SV2_MINING_CLIENT_EVENT_WRITABLE, nothing),
        Event::Close { reason } => {
            let may_retry = reason.may_retry().into();
            reason_text.set(reason);
            let close = sv2_mining_client_close { reason: reason_text.as_ptr(), may_retry, reserved: [0; 7] };
            (SV2_MINING_CLIENT_EVENT_CLOSE, As { close })
        }
        Event::Log { .. } => return None,
    };
    Some(sv2_mining_client_event { r#type, reserved: 0, r#as: fields })
}
