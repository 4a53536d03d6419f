//! The mining server itself: its making, its sockets, time and events. What the host says of work and channels is in
//! `server_work` and `server_host`.

use std::ffi::c_char;

use sv2_core::mining::server::{Event, Server, ServerError};

use super::server_event::{ServerLent, sv2_found_block, sv2_mining_server_event};
use super::server_options::sv2_mining_server_options;
use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::message::slice_mut;
use crate::noise::sv2_identity;
use crate::options::read_options;
use crate::template::BadArgument;
use crate::text::ErrorText;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_INTERNAL, SV2_ERROR_NULL, SV2_ERROR_STATE, SV2_ERROR_TOO_MANY, SV2_NO_EVENT,
    SV2_NOT_FOUND, SV2_OK, SV2_STALE, sv2_address, sv2_bytes, sv2_log, sv2_status, sv2_time,
};

/// Gives work to any number of miners and takes what they find (spec 5), without sockets: the engine of a pool.
///
/// The loop of its user: hand in what happens (_connect, _receive, _sent, _disconnect from the sockets; _new_template,
/// _set_new_prev_hash from a template provider; _accept_channel and the like; _tick when _next_deadline has come). After each input
/// take all events with _next_event and do what they say. Inputs are allowed in between. Connections are named by numbers of the
/// host.
///
/// What a channel mines has a work_id, a number of the host: a payout of the server's templates (_set_payout), one for each user if
/// they are paid by the coinbase itself, or what an upstream channel sends (_set_upstream). Each job is made and encoded once for all
/// that mine it.
///
/// One server is for one thread. To use several cores or machines, run several that share nothing but the templates they are given:
/// each has its own `server_id`, which is part of every extranonce, and its own clients.
pub struct sv2_mining_server {
    poisoned: bool,
    pub(super) server: Server,
    log: sv2_log,
    lent: ServerLent,
    /// Of sv2_mining_server_next_block, so that it needs nothing of the rest.
    lent_block: ServerLent,
    error: ErrorText,
}

impl Object for sv2_mining_server {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a server without clients and work; free it with sv2_mining_server_free.
///
/// Returns SV2_ERROR_ARGUMENT unless exactly one of `identity` and `plaintext` is set, if the extranonce would have more than 32
/// bytes or no index, if the pool's tag is not UTF-8 or too long for a scriptSig, or if `shares_per_minute` or `min_hash_rate` is
/// negative, infinite or no number.
///
/// # Safety
/// `options` and what it points to are readable, its identity is NULL or live; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_new(
    options: *const sv2_mining_server_options,
    out: *mut *mut sv2_mining_server,
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
        let Ok(server) = Server::new(read, Box::new(options.random)) else { return SV2_ERROR_ARGUMENT };
        let server = sv2_mining_server {
            poisoned: false,
            server,
            log: options.log,
            lent: ServerLent::default(),
            lent_block: ServerLent::default(),
            error: ErrorText::default(),
        };
        unsafe { hand_out(out, server) }
    })
}

/// Shows another identity to clients that connect from now on, for example one with a new certificate. A server without encryption
/// stays without.
///
/// # Safety
/// `server` and `identity` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_identity(
    server: *mut sv2_mining_server,
    identity: *const sv2_identity,
) -> sv2_status {
    let Some(identity) = (unsafe { identity.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_mining_server| {
        this.server.set_identity(identity.identity.clone());
        SV2_OK
    };
    unsafe { enter_status(server, body) }
}

// ------------------------------------------------------------------------------------------------------------ sockets

/// Somebody connected; `connection` is the host's name for it, and must not be in use. `address` is where from; with NULL it counts
/// for no address: if that is not known, as on a local socket, or for an address behind which the host trusts many to be, as a farm.
///
/// When there is no place, it is made: the oldest connection that is not set up is closed, or else the oldest without a channel.
///
/// Returns SV2_ERROR_TOO_MANY if all places are taken by clients with channels, or there are more from this address than the options
/// allow: close the socket. Returns SV2_ERROR_ARGUMENT if the name is in use, or the address has another length.
///
/// # Safety
/// `server` is live, `address` is readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_connect(
    server: *mut sv2_mining_server,
    connection: u64,
    address: *const sv2_address,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        let address = unsafe { address.as_ref() }.map(sv2_address::read).transpose()?;
        Ok(this.connect(connection, address, now.into())?)
    };
    unsafe { call(server, body) }
}

/// Bytes came from a client. They are decrypted where they are, so they have no meaning afterwards; nothing keeps pointing to them.
///
/// What is wrong with them leads to SV2_MINING_SERVER_EVENT_CLOSE, at once or after some time. Until that comes, hand in what the
/// client sends: a block may be in it. Returns SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `server` is live, `data` is readable and writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_receive(
    server: *mut sv2_mining_server,
    connection: u64,
    data: *mut u8,
    len: usize,
    now: sv2_time,
) -> sv2_status {
    let bytes = unsafe { slice_mut(data, len) };
    unsafe { call(server, |this| this.receive(connection, bytes, now.into())) }
}

/// The socket is closed. Hand in all that was read from it before: a block may be in it. Also right, and without effect, after
/// SV2_MINING_SERVER_EVENT_CLOSE.
///
/// # Safety
/// `server` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_disconnect(server: *mut sv2_mining_server, connection: u64) {
    unsafe { enter(server, (), (), |this| this.server.disconnect(connection)) }
}

/// Bytes to write to a client, contiguous; empty if there are none. They are valid until the server's next call.
///
/// # Safety
/// `server` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_output(server: *mut sv2_mining_server, connection: u64) -> sv2_bytes {
    let body = |this: &mut sv2_mining_server| sv2_bytes::borrow_or_null(this.server.output(connection));
    unsafe { enter(server, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_mining_server_output were written. If more are left, SV2_MINING_SERVER_EVENT_WRITABLE says so again.
///
/// Returns SV2_ERROR_ARGUMENT if there were not so many, SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `server` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_sent(
    server: *mut sv2_mining_server,
    connection: u64,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(server, |this| this.sent(connection, n, now.into())) }
}

/// Closes a connection: what waits for it is sent before, and then SV2_MINING_SERVER_EVENT_CLOSE comes.
///
/// Returns SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `server` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_close(
    server: *mut sv2_mining_server,
    connection: u64,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(server, |this| this.close(connection, now.into())) }
}

// --------------------------------------------------------------------------------------------------------------- time

/// It is `now`. Call it at sv2_mining_server_next_deadline; more often does no harm.
///
/// # Safety
/// `server` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_tick(server: *mut sv2_mining_server, now: sv2_time) -> sv2_status {
    let body = |this: &mut Server| -> Result<(), Failure> {
        this.tick(now.into());
        Ok(())
    };
    unsafe { call(server, body) }
}

/// When sv2_mining_server_tick must be called next, in monotonic milliseconds; UINT64_MAX if no time is set.
///
/// # Safety
/// `server` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_next_deadline(server: *mut sv2_mining_server) -> u64 {
    unsafe { enter(server, u64::MAX, u64::MAX, |this| this.server.next_deadline().unwrap_or(u64::MAX)) }
}

// ------------------------------------------------------------------------------------------------------------- events

/// What the host must do next, into `*event`, of which only what belongs to its type is written. Returns SV2_OK, or SV2_NO_EVENT
/// when there is nothing. Lines of the log go to the sink of the options meanwhile.
///
/// # Safety
/// `server` is live, `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_next_event(
    server: *mut sv2_mining_server,
    event: *mut sv2_mining_server_event,
) -> sv2_status {
    if event.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_mining_server| {
        while let Some(next) = this.server.next_event() {
            if let Event::Log { level, text } = &next {
                unsafe { this.log.line(*level, text) };
            } else if unsafe { this.lent.write(next, event) } {
                return SV2_OK;
            }
        }
        SV2_NO_EVENT
    };
    unsafe { enter_status(server, body) }
}

/// The next block that was found, alone, into `*block`: what SV2_MINING_SERVER_EVENT_BLOCK_FOUND would give, which then does not come
/// any more. Also after an error inside of the server, when all its other functions return SV2_ERROR_INTERNAL. What it points to
/// lives until the next call of this function. Returns SV2_NO_EVENT if there is none.
///
/// # Safety
/// `server` is live, `block` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_next_block(
    server: *mut sv2_mining_server,
    block: *mut sv2_found_block,
) -> sv2_status {
    // Not entered as the others: a poisoned server gives its blocks all the same.
    let Some(this) = (unsafe { server.as_mut() }) else { return SV2_ERROR_NULL };
    if block.is_null() {
        return SV2_ERROR_NULL;
    }
    fence(SV2_ERROR_INTERNAL, || match this.server.next_block() {
        Some(found) => {
            unsafe { block.write(this.lent_block.block(found)) };
            SV2_OK
        }
        None => SV2_NO_EVENT,
    })
}

// -------------------------------------------------------------------------------------------------------------- state

/// How many clients are connected, those not set up yet included. 0 if `server` is NULL or unusable.
///
/// # Safety
/// `server` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_clients(server: *mut sv2_mining_server) -> usize {
    unsafe { enter(server, 0, 0, |this| this.server.clients()) }
}

/// How many channels are open. 0 if `server` is NULL or unusable.
///
/// # Safety
/// `server` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_channels(server: *mut sv2_mining_server) -> usize {
    unsafe { enter(server, 0, 0, |this| this.server.channels()) }
}

/// What went wrong in the last call that failed: a sentence, never NULL, valid until the next call that fails.
///
/// # Safety
/// `server` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_error(server: *mut sv2_mining_server) -> *const c_char {
    unsafe { enter(server, c"".as_ptr(), c"an error in the library".as_ptr(), |this| this.error.as_ptr()) }
}

/// Frees a server. NULL is allowed.
///
/// # Safety
/// `server` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_free(server: *mut sv2_mining_server) {
    fence((), || unsafe { free(server) });
}

/// Why an input was not accepted.
pub(super) enum Failure {
    Argument(BadArgument),
    Server(ServerError),
}

impl From<BadArgument> for Failure {
    fn from(error: BadArgument) -> Self {
        Self::Argument(error)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

/// An input of the engine, and the status for what it says. Arguments are copied inside of it, behind the fence.
///
/// # Safety
/// `server` is NULL or live.
pub(super) unsafe fn call<E: Into<Failure>>(
    server: *mut sv2_mining_server,
    input: impl FnOnce(&mut Server) -> Result<(), E>,
) -> sv2_status {
    let body = |this: &mut sv2_mining_server| match input(&mut this.server).map_err(Into::into) {
        Ok(()) => SV2_OK,
        Err(Failure::Argument(BadArgument { status, text })) => {
            this.error.set(text);
            status
        }
        Err(Failure::Server(error)) => {
            this.error.set(error);
            status_of(error)
        }
    };
    unsafe { enter_status(server, body) }
}

fn status_of(error: ServerError) -> sv2_status {
    match error {
        ServerError::UnknownConnection
        | ServerError::UnknownChannel
        | ServerError::UnknownRequest
        | ServerError::UnknownWork
        | ServerError::UnknownJob => SV2_NOT_FOUND,
        ServerError::TooManyClients | ServerError::TooManyFromAddress => SV2_ERROR_TOO_MANY,
        ServerError::CustomJobRefused => SV2_STALE,
        ServerError::WorkInUse | ServerError::NoTip => SV2_ERROR_STATE,
        _ => SV2_ERROR_ARGUMENT,
    }
}
