//! What the host of a mining server says of channels and clients.

use sv2_core::bitcoin::Target;
use sv2_core::mining::server::Server;

use super::server::{Failure, call, sv2_mining_server};
use crate::template::BadArgument;
use crate::{SV2_ERROR_ARGUMENT, sv2_bytes, sv2_status, sv2_str, sv2_time, sv2_u256};

/// Opens the channel of a SV2_MINING_SERVER_EVENT_OPEN_CHANNEL, to mine this work. The client is told, and sent the job to work on, or
/// will be with the first one; SV2_MINING_SERVER_EVENT_CHANNEL_OPENED says what it has got. `*channel_id` becomes its number.
///
/// With `target` the channel keeps that until sv2_mining_server_set_target; with NULL it has the target of the hash rate that it says to
/// have, and then of the work that comes in. In either case none easier than the client accepts.
///
/// Returns SV2_NOT_FOUND if no such request waits for an answer, or there is no such work, and then it still waits;
/// SV2_ERROR_ARGUMENT if there is no extranonce for it, which the client was told.
///
/// # Safety
/// `server` is live, `target` is readable or NULL, `channel_id` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_accept_channel(
    server: *mut sv2_mining_server,
    connection: u64,
    request_id: u32,
    work_id: u64,
    target: *const sv2_u256,
    now: sv2_time,
    channel_id: *mut u32,
) -> sv2_status {
    let target = unsafe { target.as_ref() }.map(|target| Target(target.bytes));
    let body = |this: &mut Server| -> Result<(), Failure> {
        let opened = this.accept_channel(connection, request_id, work_id, target, now.into())?;
        if let Some(channel_id) = unsafe { channel_id.as_mut() } {
            *channel_id = opened;
        }
        Ok(())
    };
    unsafe { call(server, body) }
}

/// Refuses the channel of a SV2_MINING_SERVER_EVENT_OPEN_CHANNEL with an error code of spec 5.3.6, such as "unknown-user".
///
/// Returns SV2_NOT_FOUND if no such request waits for an answer, SV2_ERROR_ARGUMENT if the code is not UTF-8 or has more than 255
/// bytes.
///
/// # Safety
/// `server` is live, `error_code` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_refuse_channel(
    server: *mut sv2_mining_server,
    connection: u64,
    request_id: u32,
    error_code: sv2_str,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        let error_code = unsafe { text_of(error_code) }?;
        Ok(this.refuse_channel(connection, request_id, error_code, now.into())?)
    };
    unsafe { call(server, body) }
}

/// Gives a channel another target: it is sent SetTarget, and a job with it if the change is large. From now on the host decides the
/// channel's target, whatever work comes in; it is made no easier than the client accepts.
///
/// Returns SV2_NOT_FOUND if there is no such channel.
///
/// # Safety
/// `server` is live, `target` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_target(
    server: *mut sv2_mining_server,
    connection: u64,
    channel_id: u32,
    target: *const sv2_u256,
    now: sv2_time,
) -> sv2_status {
    let Some(target) = (unsafe { target.as_ref() }) else { return crate::SV2_ERROR_NULL };
    unsafe { call(server, |this| this.set_target(connection, channel_id, Target(target.bytes), now.into())) }
}

/// Gives a channel another extranonce_prefix, for the jobs from the next one on (spec 5.3.10).
///
/// Returns SV2_NOT_FOUND if there is no such channel, SV2_ERROR_ARGUMENT if there is no other prefix.
///
/// # Safety
/// `server` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_renew_extranonce_prefix(
    server: *mut sv2_mining_server,
    connection: u64,
    channel_id: u32,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(server, |this| this.renew_extranonce_prefix(connection, channel_id, now.into())) }
}

/// Closes a channel, and says so to the client with this reason_code (spec 5.3.9).
///
/// Returns SV2_NOT_FOUND if there is no such channel, SV2_ERROR_ARGUMENT if the code is not UTF-8 or has more than 255 bytes.
///
/// # Safety
/// `server` is live, `reason_code` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_close_channel(
    server: *mut sv2_mining_server,
    connection: u64,
    channel_id: u32,
    reason_code: sv2_str,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        let reason_code = unsafe { text_of(reason_code) }?;
        Ok(this.close_channel(connection, channel_id, reason_code, now.into())?)
    };
    unsafe { call(server, body) }
}

/// Tells all clients to connect elsewhere (spec 3.6.5), and closes their connections after flush_timeout_ms: what they find until
/// then counts. An empty host, or port 0, is the present one.
///
/// Returns SV2_ERROR_ARGUMENT if the host's name is not UTF-8 or has more than 255 bytes.
///
/// # Safety
/// `server` is live, `new_host` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_reconnect(
    server: *mut sv2_mining_server,
    new_host: sv2_str,
    new_port: u16,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        let new_host = unsafe { text_of(new_host) }?;
        Ok(this.reconnect(new_host, new_port, now.into())?)
    };
    unsafe { call(server, body) }
}

/// Sends a client a message of an extension for one of its channels: `payload` begins with the channel_id. For a proxy, which passes on
/// what came from above.
///
/// Returns SV2_NOT_FOUND if there is no such connection, SV2_ERROR_ARGUMENT if the payload is too long.
///
/// # Safety
/// `server` is live, `payload` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_send_extension_message(
    server: *mut sv2_mining_server,
    connection: u64,
    extension_type: u16,
    message_type: u8,
    payload: sv2_bytes,
) -> sv2_status {
    let payload = unsafe { payload.as_slice() };
    unsafe { call(server, |this| this.send_extension_message(connection, extension_type, message_type, payload)) }
}

/// # Safety
/// `text` is readable.
pub(super) unsafe fn text_of<'a>(text: sv2_str) -> Result<&'a str, BadArgument> {
    let bytes = unsafe { text.as_slice() };
    std::str::from_utf8(bytes).map_err(|_| BadArgument { status: SV2_ERROR_ARGUMENT, text: "the text is not UTF-8" })
}
