//! The mining client itself.

use std::ffi::c_char;

use sv2_core::bitcoin::Target;
use sv2_core::message::SetCustomMiningJob;
use sv2_core::mining::client::{Client, ClientError, Event, Solution};
use sv2_core::wire::{List, U256};

use super::client_event::{event_of, sv2_mining_client_event};
use super::client_options::sv2_mining_client_options;
use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::message::slice;
use crate::options::read_options;
use crate::text::ErrorText;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_ENCODE, SV2_ERROR_NULL, SV2_ERROR_OUT_OF_MEMORY, SV2_ERROR_OUTPUT_FULL,
    SV2_ERROR_RANDOMNESS, SV2_ERROR_STATE, SV2_NO_EVENT, SV2_NOT_FOUND, SV2_OK, sv2_bytes, sv2_log, sv2_room,
    sv2_set_custom_mining_job, sv2_status, sv2_str, sv2_time, sv2_u256,
};

/// Mines for one server, without sockets (spec 5): opens channels, follows their jobs, and submits shares. For a device, a program
/// or a proxy.
///
/// The loop of its user: hand in what happens (_connect, _room and _received or _receive, _sent, _disconnected from the socket;
/// _open_standard, _open_extended, _submit and others; _tick when _next_deadline has come). After each input take all events with
/// _next_event and do what they say. Inputs are allowed in between.
///
/// What was received is looked at when an event is asked for, message by message, so the channels are always as the event says
/// that was taken last. A message for a group gives an event for each channel in it.
///
/// All memory is reserved in _connect and when a channel opens, as much as the options say. Afterwards nothing is allocated, whatever
/// the server sends, unless more is handed in at once than _room has.
///
/// The client's side of channels, standard and extended ones and their groups, is a part of it: _channel and _job show them, _header makes
/// what is hashed. A program that encrypts by itself sets `plaintext`: then what goes in and out are the frames.
///
/// Channels end with their connection; they can be looked at until the next _connect. After SV2_MINING_CLIENT_EVENT_READY open new
/// ones.
pub struct sv2_mining_client {
    poisoned: bool,
    pub(super) client: Client,
    log: sv2_log,
    reason: ErrorText,
    failed: Option<ClientError>,
    error: ErrorText,
}

impl Object for sv2_mining_client {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// A share: a nonce whose header's hash does not exceed the target of its job. The fields are those of SubmitSharesExtended
/// (spec 5.3.12).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_share {
    /// The job that was mined on.
    pub job_id: u32,
    /// The header's nNonce.
    pub nonce: u32,
    /// The header's nTime.
    pub ntime: u32,
    /// The header's full nVersion.
    pub version: u32,
    /// What follows the extranonce_prefix: extranonce_size bytes, none on a standard channel.
    pub extranonce: sv2_bytes,
    /// Who found it, at most 32 bytes; sent on an extended channel of a server that supports the extension for it. Empty: the
    /// channel's user identity takes its place.
    pub worker: sv2_bytes,
}

/// Makes a client without a connection; free it with sv2_mining_client_free.
///
/// Returns SV2_ERROR_ARGUMENT without an authority key unless exactly one of `allow_unauthenticated` and `plaintext` is set, with a
/// key if `plaintext` is set, if a string is not UTF-8 or has more than 255 bytes, or if a buffer is too small; SV2_ERROR_KEY if the
/// key is none.
///
/// # Safety
/// `options` and what it points to are readable; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_new(
    options: *const sv2_mining_client_options,
    out: *mut *mut sv2_mining_client,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let read = unsafe { read_options(options) };
        let (options, read) = match read.and_then(|options| Ok((options, unsafe { options.read() }?))) {
            Ok(options) => options,
            Err(status) => return status,
        };
        let client = match Client::new(read, Box::new(options.random)) {
            Ok(client) => client,
            Err(_) => return SV2_ERROR_ARGUMENT,
        };
        let (reason, failed, error) = (ErrorText::default(), None, ErrorText::default());
        let object = sv2_mining_client { poisoned: false, client, log: options.log, reason, failed, error };
        unsafe { hand_out(out, object) }
    })
}

// ------------------------------------------------------------------------------------------------------------- socket

/// The socket is connected to the server: the handshake begins. What is left of an earlier connection is gone.
///
/// Returns SV2_ERROR_STATE if there is a connection already, SV2_ERROR_RANDOMNESS if there is no randomness,
/// SV2_ERROR_OUT_OF_MEMORY if there is not so much memory as the options say.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_connect(client: *mut sv2_mining_client, now: sv2_time) -> sv2_status {
    unsafe { call(client, |this| this.connect(now.into())) }
}

/// The socket is closed, or could not be connected. Also right, and without effect, after SV2_MINING_CLIENT_EVENT_CLOSE.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_disconnected(client: *mut sv2_mining_client, now: sv2_time) {
    unsafe { enter(client, (), (), |this| this.client.disconnected(now.into())) }
}

/// Memory to read into from the socket; say with sv2_mining_client_received how many bytes there were. Empty without a connection,
/// and if events wait that have to be taken first. It is valid until the client's next call.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_room(client: *mut sv2_mining_client) -> sv2_room {
    let none = sv2_room { data: std::ptr::null_mut(), len: 0 };
    let body = |this: &mut sv2_mining_client| match this.client.room() {
        [] => none,
        room => sv2_room { data: room.as_mut_ptr(), len: room.len() },
    };
    unsafe { enter(client, none, none, body) }
}

/// So many bytes were read into sv2_mining_client_room.
///
/// What is wrong with them leads to SV2_MINING_CLIENT_EVENT_CLOSE. Returns SV2_ERROR_ARGUMENT if it had not so much room,
/// SV2_NOT_FOUND if there is no connection any more.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_received(
    client: *mut sv2_mining_client,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(client, |this| this.received(n, now.into())) }
}

/// Bytes came from the server. They are copied; if they are more than sv2_mining_client_room has, the receive buffer grows.
///
/// What is wrong with them leads to SV2_MINING_CLIENT_EVENT_CLOSE. Returns SV2_NOT_FOUND if there is no connection any more,
/// SV2_ERROR_OUT_OF_MEMORY if there is no memory for them.
///
/// # Safety
/// `client` is live, `data` is readable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_receive(
    client: *mut sv2_mining_client,
    data: *const u8,
    len: usize,
    now: sv2_time,
) -> sv2_status {
    let bytes = unsafe { slice(data, len) };
    unsafe { call(client, |this| this.receive(bytes, now.into())) }
}

/// Bytes to write to the socket, contiguous; empty if there are none. They are valid until the client's next call.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_output(client: *mut sv2_mining_client) -> sv2_bytes {
    let body = |this: &mut sv2_mining_client| sv2_bytes::borrow_or_null(this.client.output());
    unsafe { enter(client, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_mining_client_output were written.
///
/// Returns SV2_ERROR_ARGUMENT if there were not so many, SV2_NOT_FOUND if there is no connection any more.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_sent(client: *mut sv2_mining_client, n: usize, now: sv2_time) -> sv2_status {
    unsafe { call(client, |this| this.sent(n, now.into())) }
}

// ----------------------------------------------------------------------------------------------------------- channels

/// Asks for a standard channel (spec 5.3.2): SV2_MINING_CLIENT_EVENT_CHANNEL_OPENED or _OPEN_REFUSED comes, with the request_id that
/// is written to `*request_id` unless that is NULL. `user_identity` is UTF-8. `nominal_hash_rate` is in hashes a second, 0 if nothing
/// mines yet; `max_target` is the easiest target that the device can work with; NULL: any.
///
/// Returns SV2_NOT_FOUND if there is no connection; SV2_ERROR_STATE if the server has not accepted it yet, opens extended channels only,
/// or if there are max_channels; SV2_ERROR_ENCODE if the identity has more than 255 bytes or the hash rate is no number;
/// SV2_ERROR_OUTPUT_FULL.
///
/// # Safety
/// `client` is live, `user_identity` and `max_target` are readable, `request_id` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_open_standard(
    client: *mut sv2_mining_client,
    user_identity: sv2_str,
    nominal_hash_rate: f32,
    max_target: *const sv2_u256,
    now: sv2_time,
    request_id: *mut u32,
) -> sv2_status {
    let max_target = unsafe { target_of(max_target) };
    let Ok(user) = std::str::from_utf8(unsafe { user_identity.as_slice() }) else { return SV2_ERROR_ARGUMENT };
    let open = |this: &mut Client| this.open_standard(user, nominal_hash_rate, max_target, now.into());
    unsafe { call_for(client, request_id, open) }
}

/// Asks for an extended channel (spec 5.3.4), as sv2_mining_client_open_standard, of which at least `min_extranonce_size` bytes of
/// extranonce can be chosen.
///
/// # Safety
/// `client` is live, `user_identity` and `max_target` are readable, `request_id` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_open_extended(
    client: *mut sv2_mining_client,
    user_identity: sv2_str,
    nominal_hash_rate: f32,
    max_target: *const sv2_u256,
    min_extranonce_size: u16,
    now: sv2_time,
    request_id: *mut u32,
) -> sv2_status {
    let max_target = unsafe { target_of(max_target) };
    let Ok(user) = std::str::from_utf8(unsafe { user_identity.as_slice() }) else { return SV2_ERROR_ARGUMENT };
    let open =
        |this: &mut Client| this.open_extended(user, nominal_hash_rate, max_target, min_extranonce_size, now.into());
    unsafe { call_for(client, request_id, open) }
}

/// Tells the server another hash rate and greatest target (spec 5.3.7). It answers with SetTarget, or not at all, or with
/// SV2_MINING_CLIENT_EVENT_UPDATE_REFUSED.
///
/// Returns SV2_NOT_FOUND if there is no connection or no such channel, SV2_ERROR_ENCODE if the hash rate is no number,
/// SV2_ERROR_OUTPUT_FULL.
///
/// # Safety
/// `client` is live, `max_target` is readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_update_channel(
    client: *mut sv2_mining_client,
    channel_id: u32,
    nominal_hash_rate: f32,
    max_target: *const sv2_u256,
    now: sv2_time,
) -> sv2_status {
    let max_target = unsafe { target_of(max_target) };
    unsafe { call(client, |this| this.update_channel(channel_id, nominal_hash_rate, max_target, now.into())) }
}

/// Closes a channel (spec 5.3.9). What the server still sends for it is ignored. `reason_code` is UTF-8.
///
/// Returns SV2_NOT_FOUND if there is no connection or no such channel, SV2_ERROR_ENCODE if the reason has more than 255 bytes,
/// SV2_ERROR_OUTPUT_FULL.
///
/// # Safety
/// `client` is live, `reason_code` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_close_channel(
    client: *mut sv2_mining_client,
    channel_id: u32,
    reason_code: sv2_str,
    now: sv2_time,
) -> sv2_status {
    let Ok(reason) = std::str::from_utf8(unsafe { reason_code.as_slice() }) else { return SV2_ERROR_ARGUMENT };
    unsafe { call(client, |this| this.close_channel(channel_id, reason, now.into()).map(|_| ())) }
}

// --------------------------------------------------------------------------------------------------------------- work

/// A hash meets the target of its job: submits the share (spec 5.3.11, 5.3.12). Its sequence_number, with which the server answers,
/// is written to `*sequence_number` unless that is NULL. The hash itself is not looked at.
///
/// Returns SV2_NOT_FOUND if there is no connection, or no such channel or job - the job of a tip that is gone is none -,
/// SV2_ERROR_ARGUMENT if the server would refuse the share for its extranonce, nTime or version, or if the worker has more than 32
/// bytes; SV2_ERROR_OUTPUT_FULL.
///
/// # Safety
/// `client` is live, `share` and what it points to are readable, `sequence_number` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_submit(
    client: *mut sv2_mining_client,
    channel_id: u32,
    share: *const sv2_mining_client_share,
    now: sv2_time,
    sequence_number: *mut u32,
) -> sv2_status {
    let Some(share) = (unsafe { share.as_ref() }) else { return SV2_ERROR_NULL };
    let solution = Solution {
        job_id: share.job_id,
        nonce: share.nonce,
        ntime: share.ntime,
        version: share.version,
        extranonce: unsafe { share.extranonce.as_slice() },
    };
    let worker = Some(unsafe { share.worker.as_slice() }).filter(|worker| !worker.is_empty());
    unsafe { call_for(client, sequence_number, |this| this.submit(channel_id, &solution, worker, now.into())) }
}

/// Asks to be rewarded for work on a job of the client's own (spec 5.3.18). The request_id of `job` is chosen here, and written to
/// `*request_id` unless that is NULL. SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_ACCEPTED or _CUSTOM_JOB_REFUSED comes; how long to wait for
/// it is the host's choice.
///
/// Returns SV2_NOT_FOUND if there is no connection or no such channel, SV2_ERROR_STATE if 8 wait for their answer, SV2_ERROR_ENCODE if
/// a field does not fit, SV2_ERROR_OUTPUT_FULL.
///
/// # Safety
/// `client` is live, `job` and what it points to are readable, `request_id` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_set_custom_job(
    client: *mut sv2_mining_client,
    job: *const sv2_set_custom_mining_job,
    now: sv2_time,
    request_id: *mut u32,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    let message = unsafe { custom_job_of(job) };
    unsafe { call_for(client, request_id, |this| this.set_custom_job(&message, now.into())) }
}

/// Sends a message of an extension, which has to be negotiated; the library does not look into it. `channel_msg` is 1 if it is for the
/// endpoint of the channel that its first four bytes name (spec 3.2.1).
///
/// Returns SV2_NOT_FOUND if there is no connection, SV2_ERROR_STATE if the server has not accepted it yet, SV2_ERROR_OUTPUT_FULL.
///
/// # Safety
/// `client` is live, `payload` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_send_extension_message(
    client: *mut sv2_mining_client,
    extension_type: u16,
    message_type: u8,
    channel_msg: u8,
    payload: sv2_bytes,
    now: sv2_time,
) -> sv2_status {
    let payload = unsafe { payload.as_slice() };
    let send = |this: &mut Client| {
        this.send_extension_message(extension_type, message_type, channel_msg != 0, payload, now.into())
    };
    unsafe { call(client, send) }
}

// --------------------------------------------------------------------------------------------------------------- time

/// It is `now`. Call it at sv2_mining_client_next_deadline; more often does no harm.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_tick(client: *mut sv2_mining_client, now: sv2_time) -> sv2_status {
    let body = |this: &mut Client| {
        this.tick(now.into());
        Ok(())
    };
    unsafe { call(client, body) }
}

/// When sv2_mining_client_tick must be called next, in monotonic milliseconds; UINT64_MAX if no time is set.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_next_deadline(client: *mut sv2_mining_client) -> u64 {
    unsafe { enter(client, u64::MAX, u64::MAX, |this| this.client.next_deadline().unwrap_or(u64::MAX)) }
}

// ------------------------------------------------------------------------------------------------------------- events

/// What the host must do next, into `*event`. Returns SV2_OK, or SV2_NO_EVENT when there is nothing. Lines of the log go to the sink
/// of the options meanwhile.
///
/// # Safety
/// `client` is live, `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_next_event(
    client: *mut sv2_mining_client,
    event: *mut sv2_mining_client_event,
) -> sv2_status {
    if event.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_mining_client| {
        while let Some(next) = this.client.next_event() {
            if let Event::Log { level, text } = next {
                unsafe { this.log.line(level, text) };
            } else if let Some(next) = event_of(next, &mut this.reason) {
                unsafe { event.write(next) };
                return SV2_OK;
            }
        }
        SV2_NO_EVENT
    };
    unsafe { enter_status(client, body) }
}

/// What went wrong in the last call that failed, or found nothing: a sentence, never NULL, valid until the next such call.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_error(client: *mut sv2_mining_client) -> *const c_char {
    let body = |this: &mut sv2_mining_client| {
        // The sentence is made when somebody wants to read it: a device that fails to send needs no memory for that.
        if let Some(error) = this.failed.take() {
            this.error.set(error);
        }
        this.error.as_ptr()
    };
    unsafe { enter(client, c"".as_ptr(), c"an error in the library".as_ptr(), body) }
}

/// Frees a client. NULL is allowed.
///
/// # Safety
/// `client` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_free(client: *mut sv2_mining_client) {
    fence((), || unsafe { free(client) });
}

/// An input of the engine, and the status for what it says.
///
/// # Safety
/// `client` is NULL or live.
unsafe fn call(
    client: *mut sv2_mining_client,
    input: impl FnOnce(&mut Client) -> Result<(), ClientError>,
) -> sv2_status {
    unsafe { call_for(client, std::ptr::null_mut(), input) }
}

/// An input of the engine that gives something, which goes to `out` unless that is NULL.
///
/// # Safety
/// `client` is NULL or live, `out` is NULL or writable.
unsafe fn call_for<T>(
    client: *mut sv2_mining_client,
    out: *mut T,
    input: impl FnOnce(&mut Client) -> Result<T, ClientError>,
) -> sv2_status {
    let body = |this: &mut sv2_mining_client| match input(&mut this.client) {
        Ok(given) => {
            if !out.is_null() {
                unsafe { out.write(given) };
            }
            SV2_OK
        }
        Err(error) => {
            this.failed = Some(error);
            status_of(error)
        }
    };
    unsafe { enter_status(client, body) }
}

fn status_of(error: ClientError) -> sv2_status {
    use sv2_core::mining::share::ShareError;
    match error {
        ClientError::NotConnected
        | ClientError::UnknownChannel
        | ClientError::Share(ShareError::InvalidChannelId | ShareError::InvalidJobId) => SV2_NOT_FOUND,
        ClientError::AlreadyConnected
        | ClientError::NotReady
        | ClientError::TooManyChannels
        | ClientError::ExtendedChannelsRequired
        | ClientError::TooManyRequests => SV2_ERROR_STATE,
        ClientError::Handshake(_) => SV2_ERROR_RANDOMNESS,
        ClientError::OutOfMemory => SV2_ERROR_OUT_OF_MEMORY,
        ClientError::Options | ClientError::NotInBuffer | ClientError::Share(_) | ClientError::WorkerTooLong(_) => {
            SV2_ERROR_ARGUMENT
        }
        ClientError::OutputFull => SV2_ERROR_OUTPUT_FULL,
        ClientError::Encode(_) => SV2_ERROR_ENCODE,
    }
}

/// # Safety
/// `target` is readable or NULL.
unsafe fn target_of(target: *const sv2_u256) -> Target {
    unsafe { target.as_ref() }.map_or(Target::MAX, |target| Target(target.bytes))
}

/// # Safety
/// What `job` points to is readable for as long as the result is used.
unsafe fn custom_job_of(job: &sv2_set_custom_mining_job) -> SetCustomMiningJob<'_> {
    SetCustomMiningJob {
        channel_id: job.channel_id,
        request_id: job.request_id,
        mining_job_token: unsafe { job.mining_job_token.as_slice() },
        version: job.version,
        prev_hash: U256(job.prev_hash.bytes),
        min_ntime: job.min_ntime,
        nbits: job.nbits,
        coinbase_tx_version: job.coinbase_tx_version,
        coinbase_prefix: unsafe { job.coinbase_prefix.as_slice() },
        coinbase_tx_input_nsequence: job.coinbase_tx_input_nsequence,
        coinbase_tx_outputs: unsafe { job.coinbase_tx_outputs.as_slice() },
        coinbase_tx_locktime: job.coinbase_tx_locktime,
        merkle_path: List::Items(unsafe { job.merkle_path.as_slice() }),
    }
}
