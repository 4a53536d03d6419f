//! The proxy itself.

use std::ffi::c_char;

use sv2_core::mining::proxy::{Event, Proxy, ProxyError, Totals};
use sv2_core::mining::server::ServerError;

use super::proxy_event::{ProxyLent, sv2_mining_proxy_event};
use super::proxy_options::sv2_mining_proxy_options;
use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::message::slice_mut;
use crate::noise::sv2_identity;
use crate::options::read_options;
use crate::template::BadArgument;
use crate::text::ErrorText;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_ERROR_RANDOMNESS, SV2_ERROR_STATE, SV2_ERROR_TOO_MANY, SV2_NO_EVENT,
    SV2_NOT_FOUND, SV2_OK, sv2_address, sv2_bytes, sv2_log, sv2_status, sv2_str, sv2_time,
};

/// Takes work from one mining server at a time and gives it to any number of miners (spec 5.2), without sockets.
///
/// The loop of its user: hand in what happens (_connect, _receive, _sent, _disconnect from the miners' sockets; _upstream_connected,
/// _upstream_receive, _upstream_sent, _upstream_disconnected from the one to the mining server; _tick when _next_deadline has come, for
/// the first time at once). After each input take all events with _next_event and do what they say. Inputs are allowed in between.
/// Miners' connections are named by numbers of the host.
///
/// In aggregation all miners share one extended channel of the upstream; in pass-through each channel of a miner is one of the
/// upstream. When the upstream is lost, the next one is asked for; miners keep their connections and channels, and get the new
/// upstream's extranonce prefix and jobs. Shares that were not answered, and those found meanwhile, wait for an upstream with the same
/// work; if none comes, they are refused as "stale-share", in pass-through to the miner, in aggregation with
/// SV2_MINING_PROXY_EVENT_UPSTREAM_REJECTED.
pub struct sv2_mining_proxy {
    poisoned: bool,
    proxy: Proxy,
    log: sv2_log,
    lent: ProxyLent,
    error: ErrorText,
}

/// What a proxy has done so far.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_proxy_totals {
    /// Shares of miners that were accepted here; in pass-through the upstream does that.
    pub accepted: u64,
    /// Shares that were refused here.
    pub rejected: u64,
    /// Shares that were sent to an upstream. One that was sent again counts again.
    pub submitted: u64,
    /// Shares that waited for an upstream, or still wait.
    pub held: u64,
    /// Shares that upstreams acknowledged.
    pub upstream_accepted: u64,
    /// Shares that upstreams refused.
    pub upstream_rejected: u64,
    /// Shares that were good for an upstream which was lost, and could be given to no other.
    pub lost: u64,
    /// The sum of the difficulties of the shares that upstreams acknowledged, as they count.
    pub upstream_difficulty: u64,
    /// Blocks found, in aggregation.
    pub blocks: u64,
    /// How often an upstream that was in use was lost.
    pub upstreams_lost: u64,
}

impl Object for sv2_mining_proxy {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a proxy without connections; free it with sv2_mining_proxy_free.
///
/// Returns SV2_ERROR_NULL without upstreams or downstream options, SV2_ERROR_ARGUMENT for an upstream without an authority key unless
/// exactly one of `allow_unauthenticated` and `plaintext` is set, if a string is not UTF-8 or has more than 255 bytes, or if the
/// downstream options cannot be used; SV2_ERROR_KEY if a key is none.
///
/// # Safety
/// `options` and what it points to are readable, the downstream's identity is NULL or live; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_new(
    options: *const sv2_mining_proxy_options,
    out: *mut *mut sv2_mining_proxy,
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
        let proxy = match Proxy::new(read, Box::new(options.random)) {
            Ok(proxy) => proxy,
            Err(error) => return status_of(error),
        };
        let (lent, error) = (ProxyLent::default(), ErrorText::default());
        unsafe { hand_out(out, sv2_mining_proxy { poisoned: false, proxy, log: options.log, lent, error }) }
    })
}

/// Shows another identity to miners that connect from now on, for example one with a new certificate. A proxy without encryption on the
/// miners' side stays without.
///
/// # Safety
/// `proxy` and `identity` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_set_identity(
    proxy: *mut sv2_mining_proxy,
    identity: *const sv2_identity,
) -> sv2_status {
    let Some(identity) = (unsafe { identity.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_mining_proxy| {
        this.proxy.set_identity(identity.identity.clone());
        SV2_OK
    };
    unsafe { enter_status(proxy, body) }
}

// ---------------------------------------------------------------------------------------------------- miners' sockets

/// A miner connected; `connection` is the host's name for it, and must not be in use. `address` is where from; with NULL it counts for
/// no address: if that is not known, or for a farm behind one address.
///
/// Returns SV2_ERROR_TOO_MANY if there are too many in all or from this address: close the socket. Returns SV2_ERROR_ARGUMENT if the
/// name is in use, or the address has another length.
///
/// # Safety
/// `proxy` is live, `address` is readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_connect(
    proxy: *mut sv2_mining_proxy,
    connection: u64,
    address: *const sv2_address,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Proxy| -> Result<(), Failure> {
        let address = unsafe { address.as_ref() }.map(sv2_address::read).transpose()?;
        Ok(this.connect(connection, address, now.into())?)
    };
    unsafe { call(proxy, body) }
}

/// Bytes came from a miner. They are decrypted where they are, so they have no meaning afterwards; nothing keeps pointing to them.
///
/// What is wrong with them leads to SV2_MINING_PROXY_EVENT_CLOSE. Returns SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `proxy` is live, `data` is readable and writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_receive(
    proxy: *mut sv2_mining_proxy,
    connection: u64,
    data: *mut u8,
    len: usize,
    now: sv2_time,
) -> sv2_status {
    let bytes = unsafe { slice_mut(data, len) };
    unsafe { call(proxy, |this| this.receive(connection, bytes, now.into())) }
}

/// A miner's socket is closed. Also right, and without effect, after SV2_MINING_PROXY_EVENT_CLOSE.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_disconnect(proxy: *mut sv2_mining_proxy, connection: u64, now: sv2_time) {
    unsafe { enter(proxy, (), (), |this| this.proxy.disconnect(connection, now.into())) }
}

/// Bytes to write to a miner, contiguous; empty if there are none. They are valid until the proxy's next call.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_output(proxy: *mut sv2_mining_proxy, connection: u64) -> sv2_bytes {
    let body = |this: &mut sv2_mining_proxy| sv2_bytes::borrow_or_null(this.proxy.output(connection));
    unsafe { enter(proxy, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_mining_proxy_output were written.
///
/// Returns SV2_ERROR_ARGUMENT if there were not so many, SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `proxy` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_sent(
    proxy: *mut sv2_mining_proxy,
    connection: u64,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(proxy, |this| this.sent(connection, n, now.into())) }
}

/// Tells all miners to connect elsewhere (spec 3.6.5), such as before the host ends. An empty `host` and a `port` of 0 stand for where
/// they are. Write what is there for them before the end.
///
/// Returns SV2_ERROR_ARGUMENT if `host` is not UTF-8.
///
/// # Safety
/// `proxy` is live, `host` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_reconnect_miners(
    proxy: *mut sv2_mining_proxy,
    host: sv2_str,
    port: u16,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Proxy| -> Result<(), Failure> {
        let host = std::str::from_utf8(unsafe { host.as_slice() });
        let host = host.map_err(|_| BadArgument { status: SV2_ERROR_ARGUMENT, text: "the host is not UTF-8" })?;
        this.reconnect_miners(host, port, now.into());
        Ok(())
    };
    unsafe { call(proxy, body) }
}

// -------------------------------------------------------------------------------------------------- upstream's socket

/// The socket that SV2_MINING_PROXY_EVENT_CONNECT_UPSTREAM asked for is connected: the handshake begins.
///
/// Returns SV2_ERROR_STATE if none was asked for, SV2_ERROR_RANDOMNESS if there is no randomness.
///
/// # Safety
/// `proxy` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_upstream_connected(
    proxy: *mut sv2_mining_proxy,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(proxy, |this| this.upstream_connected(now.into())) }
}

/// The upstream's socket is closed, or could not be connected. Also right, and without effect, after
/// SV2_MINING_PROXY_EVENT_CLOSE_UPSTREAM.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_upstream_disconnected(proxy: *mut sv2_mining_proxy, now: sv2_time) {
    unsafe { enter(proxy, (), (), |this| this.proxy.upstream_disconnected(now.into())) }
}

/// Bytes came from the upstream. They are decrypted where they are, so they have no meaning afterwards; nothing keeps pointing to them.
///
/// What is wrong with them leads to SV2_MINING_PROXY_EVENT_CLOSE_UPSTREAM. Returns SV2_NOT_FOUND if there is no connection any more.
///
/// # Safety
/// `proxy` is live, `data` is readable and writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_upstream_receive(
    proxy: *mut sv2_mining_proxy,
    data: *mut u8,
    len: usize,
    now: sv2_time,
) -> sv2_status {
    let bytes = unsafe { slice_mut(data, len) };
    unsafe { call(proxy, |this| this.upstream_receive(bytes, now.into())) }
}

/// Bytes to write to the upstream, contiguous; empty if there are none. They are valid until the proxy's next call.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_upstream_output(proxy: *mut sv2_mining_proxy) -> sv2_bytes {
    let body = |this: &mut sv2_mining_proxy| sv2_bytes::borrow_or_null(this.proxy.upstream_output());
    unsafe { enter(proxy, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_mining_proxy_upstream_output were written.
///
/// Returns SV2_ERROR_ARGUMENT if there were not so many, SV2_NOT_FOUND if there is no connection any more.
///
/// # Safety
/// `proxy` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_upstream_sent(
    proxy: *mut sv2_mining_proxy,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(proxy, |this| this.upstream_sent(n, now.into())) }
}

// ----------------------------------------------------------------------------------------------------- time and events

/// It is `now`. Call it at sv2_mining_proxy_next_deadline; more often does no harm.
///
/// # Safety
/// `proxy` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_tick(proxy: *mut sv2_mining_proxy, now: sv2_time) -> sv2_status {
    let body = |this: &mut sv2_mining_proxy| {
        this.proxy.tick(now.into());
        SV2_OK
    };
    unsafe { enter_status(proxy, body) }
}

/// When sv2_mining_proxy_tick must be called next, in monotonic milliseconds; UINT64_MAX if no time is set.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_next_deadline(proxy: *mut sv2_mining_proxy) -> u64 {
    unsafe { enter(proxy, u64::MAX, u64::MAX, |this| this.proxy.next_deadline().unwrap_or(u64::MAX)) }
}

/// What the host must do next, into `*event`. Returns SV2_OK, or SV2_NO_EVENT when there is nothing. Lines of the log go to the sink
/// of the options meanwhile.
///
/// # Safety
/// `proxy` is live, `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_next_event(
    proxy: *mut sv2_mining_proxy,
    event: *mut sv2_mining_proxy_event,
) -> sv2_status {
    if event.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_mining_proxy| {
        while let Some(next) = this.proxy.next_event() {
            if let Event::Log { level, text } = &next {
                unsafe { this.log.line(*level, text) };
            } else if let Some(next) = this.lent.event(next) {
                unsafe { event.write(next) };
                return SV2_OK;
            }
        }
        SV2_NO_EVENT
    };
    unsafe { enter_status(proxy, body) }
}

// -------------------------------------------------------------------------------------------------------------- state

/// The upstream in use, as its place in the options; SIZE_MAX while there is none that has accepted the connection, or if `proxy` is
/// NULL or unusable.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_upstream(proxy: *mut sv2_mining_proxy) -> usize {
    unsafe { enter(proxy, usize::MAX, usize::MAX, |this| this.proxy.upstream().unwrap_or(usize::MAX)) }
}

/// What has happened so far, into `*totals`.
///
/// # Safety
/// `proxy` is live, `totals` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_get_totals(
    proxy: *mut sv2_mining_proxy,
    totals: *mut sv2_mining_proxy_totals,
) -> sv2_status {
    if totals.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_mining_proxy| {
        unsafe { totals.write(this.proxy.totals().into()) };
        SV2_OK
    };
    unsafe { enter_status(proxy, body) }
}

/// What went wrong in the last call that failed: a sentence, never NULL, valid until the next call that fails.
///
/// # Safety
/// `proxy` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_error(proxy: *mut sv2_mining_proxy) -> *const c_char {
    unsafe { enter(proxy, c"".as_ptr(), c"an error in the library".as_ptr(), |this| this.error.as_ptr()) }
}

/// Frees a proxy. NULL is allowed.
///
/// # Safety
/// `proxy` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_proxy_free(proxy: *mut sv2_mining_proxy) {
    fence((), || unsafe { free(proxy) });
}

/// Why an input was not accepted.
enum Failure {
    Argument(BadArgument),
    Proxy(ProxyError),
}

impl From<BadArgument> for Failure {
    fn from(error: BadArgument) -> Self {
        Self::Argument(error)
    }
}

impl From<ProxyError> for Failure {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

/// An input of the engine, and the status for what it says. Arguments are copied inside of it, behind the fence.
///
/// # Safety
/// `proxy` is NULL or live.
unsafe fn call<E: Into<Failure>>(
    proxy: *mut sv2_mining_proxy,
    input: impl FnOnce(&mut Proxy) -> Result<(), E>,
) -> sv2_status {
    let body = |this: &mut sv2_mining_proxy| match input(&mut this.proxy).map_err(Into::into) {
        Ok(()) => SV2_OK,
        Err(Failure::Argument(BadArgument { status, text })) => {
            this.error.set(text);
            status
        }
        Err(Failure::Proxy(error)) => {
            this.error.set(error);
            status_of(error)
        }
    };
    unsafe { enter_status(proxy, body) }
}

fn status_of(error: ProxyError) -> sv2_status {
    match error {
        ProxyError::NotConnected | ProxyError::Downstream(ServerError::UnknownConnection) => SV2_NOT_FOUND,
        ProxyError::Downstream(ServerError::TooManyClients | ServerError::TooManyFromAddress) => SV2_ERROR_TOO_MANY,
        ProxyError::NoUpstreamWanted => SV2_ERROR_STATE,
        ProxyError::Handshake(_) => SV2_ERROR_RANDOMNESS,
        _ => SV2_ERROR_ARGUMENT,
    }
}

impl From<Totals> for sv2_mining_proxy_totals {
    fn from(totals: Totals) -> Self {
        Self {
            accepted: totals.accepted,
            rejected: totals.rejected,
            submitted: totals.submitted,
            held: totals.held,
            upstream_accepted: totals.upstream_accepted,
            upstream_rejected: totals.upstream_rejected,
            lost: totals.lost,
            upstream_difficulty: totals.upstream_difficulty,
            blocks: totals.blocks,
            upstreams_lost: totals.upstreams_lost,
        }
    }
}
