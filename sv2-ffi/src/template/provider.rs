//! The template provider itself.

use std::ffi::c_char;

use sv2_core::template::{Event, Level, Provider, ProviderError};

use super::event::{Lent, sv2_solution, sv2_template_event};
use super::values::{self, *};
use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::message::slice_mut;
use crate::noise::sv2_identity;
use crate::options::read_options;
use crate::text::ErrorText;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_INTERNAL, SV2_ERROR_NULL, SV2_ERROR_TOO_MANY, SV2_NO_EVENT, SV2_NOT_FOUND, SV2_OK,
    SV2_STALE, sv2_bytes, sv2_bytes_list, sv2_status, sv2_time, sv2_u256,
};

/// Serves templates to any number of clients (spec 7), without sockets.
///
/// The loop of its user: hand in what happens (_connect, _receive, _sent, _disconnect from the sockets; _node_state, _template_ready,
/// _tip_changed, _set_new_prev_hash, _transactions_ready, _submit_result from the node; _tick when _next_deadline has come). After
/// each input take all events with _next_event and do what they say. Inputs are allowed in between. Connections are named by numbers
/// of the host.
///
/// On a new tip, and when it has said what it needs, a client gets a NewTemplate with future_template and then SetNewPrevHash; on the
/// same tip, a NewTemplate without, when the fees rose enough.
pub struct sv2_template_provider {
    poisoned: bool,
    provider: Provider,
    log: sv2_log,
    lent: Lent,
    /// Of sv2_template_provider_next_solution, so that it needs nothing of the rest.
    lent_solution: Lent,
    error: ErrorText,
}

impl Object for sv2_template_provider {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a provider without clients; free it with sv2_template_provider_free.
///
/// Returns SV2_ERROR_ARGUMENT unless exactly one of `identity` and `plaintext` is set.
///
/// # Safety
/// `options` is readable and its identity is NULL or live; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_new(
    options: *const sv2_template_provider_options,
    out: *mut *mut sv2_template_provider,
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
        let provider = sv2_template_provider {
            poisoned: false,
            provider: Provider::new(read, Box::new(options.random)),
            log: options.log,
            lent: Lent::default(),
            lent_solution: Lent::default(),
            error: ErrorText::default(),
        };
        unsafe { hand_out(out, provider) }
    })
}

/// Shows another identity to clients that connect from now on, for example one with a new certificate. A provider without
/// encryption stays without.
///
/// # Safety
/// `provider` and `identity` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_set_identity(
    provider: *mut sv2_template_provider,
    identity: *const sv2_identity,
) -> sv2_status {
    let Some(identity) = (unsafe { identity.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_template_provider| {
        this.provider.set_identity(identity.identity.clone());
        SV2_OK
    };
    unsafe { enter_status(provider, body) }
}

/// Somebody connected; `connection` is the host's name for it, and must not be in use. `address` is where from; with NULL it counts
/// for no address: if that is not known, as on a local socket, or for an address behind which the host trusts many to be.
///
/// When there is no place, it is made: the oldest connection that is not set up is closed, or else the oldest that is not served.
///
/// Returns SV2_ERROR_TOO_MANY if all places are taken by clients that are served, or there are more from this address than the
/// options allow: close the socket. Returns SV2_ERROR_ARGUMENT if the name is in use, or the address has another length.
///
/// # Safety
/// `provider` is live, `address` is readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_connect(
    provider: *mut sv2_template_provider,
    connection: u64,
    address: *const sv2_address,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Provider| -> Result<(), Failure> {
        let address = unsafe { address.as_ref() }.map(sv2_address::read).transpose()?;
        Ok(this.connect(connection, address, now.into())?)
    };
    unsafe { call(provider, body) }
}

/// Bytes came from a client. They are decrypted where they are, so they have no meaning afterwards; nothing keeps pointing to them.
///
/// What is wrong with them leads to SV2_TEMPLATE_EVENT_CLOSE, at once or after some time. Until that comes, hand in what the client
/// sends: a block may be in it. Returns SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `provider` is live, `data` is readable and writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_receive(
    provider: *mut sv2_template_provider,
    connection: u64,
    data: *mut u8,
    len: usize,
    now: sv2_time,
) -> sv2_status {
    let bytes = unsafe { slice_mut(data, len) };
    unsafe { call(provider, |this| this.receive(connection, bytes, now.into())) }
}

/// The socket is closed. Hand in all that was read from it before: a block may be in it. Also right, and without effect, after
/// SV2_TEMPLATE_EVENT_CLOSE.
///
/// # Safety
/// `provider` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_disconnect(provider: *mut sv2_template_provider, connection: u64) {
    unsafe { enter(provider, (), (), |this| this.provider.disconnect(connection)) }
}

/// Bytes to write to a client, contiguous; empty if there are none. They are valid until the provider's next call.
///
/// # Safety
/// `provider` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_output(
    provider: *mut sv2_template_provider,
    connection: u64,
) -> sv2_bytes {
    let body = |this: &mut sv2_template_provider| sv2_bytes::borrow_or_null(this.provider.output(connection));
    unsafe { enter(provider, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_template_provider_output were written. There may be more now: long answers are encrypted bit by bit.
///
/// Returns SV2_ERROR_ARGUMENT if there were not so many, SV2_NOT_FOUND if there is no such connection any more.
///
/// # Safety
/// `provider` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_sent(
    provider: *mut sv2_template_provider,
    connection: u64,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(provider, |this| this.sent(connection, n, now.into())) }
}

/// The node has a template for a key: the first one, one on a new tip, or a better one on the same tip; which of them is found out by
/// its prev_hash. What `template_` points to is copied.
///
/// `*template_id` becomes its identifier; they strictly increase. It is in use until SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED.
///
/// Returns SV2_NOT_FOUND if nobody needs a template for this key any more, SV2_STALE if its tip was followed by another one,
/// SV2_ERROR_ARGUMENT if it cannot be served, SV2_ERROR_NULL if a member is NULL and has a length: sv2_template_provider_error says
/// why. The provider then does not know it.
///
/// # Safety
/// `provider` is live, `template_` and what it points to are readable, `template_id` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_template_ready(
    provider: *mut sv2_template_provider,
    key: sv2_constraint_key,
    template_: *const sv2_template,
    now: sv2_time,
    template_id: *mut u64,
) -> sv2_status {
    let body = |this: &mut Provider| -> Result<(), Failure> {
        let template = unsafe { sv2_template::copy(template_) }?;
        let id = this.template_ready(key.into(), template, now.into())?;
        if !template_id.is_null() {
            unsafe { template_id.write(id) };
        }
        Ok(())
    };
    unsafe { call(provider, body) }
}

/// The node has another tip, whose hash is `*prev_hash`: templates on the old one begin to expire, and new ones are asked for.
///
/// A host that calls this must do so for every tip, before it hands over templates on it: a template on another block is then
/// SV2_STALE. For a host that never does, the first template on a new tip has the same effect; one on a lower block, or on a former
/// tip of the same height, is SV2_STALE until template_lifetime_ms after the last change, and is to be offered again then.
///
/// # Safety
/// `provider` is live, `prev_hash` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_tip_changed(
    provider: *mut sv2_template_provider,
    prev_hash: *const sv2_u256,
    now: sv2_time,
) -> sv2_status {
    let Some(prev_hash) = (unsafe { prev_hash.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut Provider| -> Result<(), Failure> {
        this.tip_changed(prev_hash.bytes, now.into());
        Ok(())
    };
    unsafe { call(provider, body) }
}

/// The block before a template of SV2_TEMPLATE_NEXT_HEIGHT was found: it is the tip, and the template is to be worked on. Clients that
/// have the template are sent SetNewPrevHash alone, the others both messages. As with any other tip, the templates on the one before
/// begin to expire, and those of other keys are asked for; the full template of this key is sent at once when it is ready.
///
/// Returns SV2_NOT_FOUND if it is no such template, or was replaced by a newer one, SV2_STALE if it is too late for it,
/// SV2_ERROR_ARGUMENT if nBits or target do not fit.
///
/// # Safety
/// `provider` is live, `new_prev_hash` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_set_new_prev_hash(
    provider: *mut sv2_template_provider,
    template_id: u64,
    new_prev_hash: *const sv2_new_prev_hash,
    now: sv2_time,
) -> sv2_status {
    let Some(new_prev_hash) = (unsafe { new_prev_hash.as_ref() }) else { return SV2_ERROR_NULL };
    unsafe { call(provider, |this| this.set_new_prev_hash(template_id, (*new_prev_hash).into(), now.into())) }
}

/// The node's state: one of SV2_NODE_READY, which holds until something else is said, SV2_NODE_SYNCING and SV2_NODE_DOWN.
///
/// While it is not ready, clients stay connected and keep what they have, and no templates are asked for. When it is ready again, all
/// that is missing is asked for anew, and solutions for which no sv2_template_provider_submit_result came are handed out again.
///
/// # Safety
/// `provider` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_node_state(
    provider: *mut sv2_template_provider,
    state: u32,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Provider| -> Result<(), Failure> {
        this.node_state(node_state(state)?, now.into());
        Ok(())
    };
    unsafe { call(provider, body) }
}

/// What the node said to the block of a SV2_TEMPLATE_EVENT_SUBMIT_BLOCK, by its hash: SV2_SUBMIT_TAKEN or SV2_SUBMIT_REFUSED. Until
/// this is called, or the block is the tip, the solution is handed out again when the node was away and is back, and the template it
/// was found on does not expire. A host that never calls this keeps the templates of up to 64 blocks for longer than it needs.
///
/// # Safety
/// `provider` is live, `block_hash` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_submit_result(
    provider: *mut sv2_template_provider,
    block_hash: *const sv2_u256,
    result: u32,
    now: sv2_time,
) -> sv2_status {
    let Some(block_hash) = (unsafe { block_hash.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut Provider| -> Result<(), Failure> {
        this.submit_result(&block_hash.bytes, submit_result(result)?, now.into());
        Ok(())
    };
    unsafe { call(provider, body) }
}

/// Answers SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS: all transactions of the template but the coinbase, in order, serialized with their
/// witnesses. They are copied. NULL if the node does not have them any more. An answer that comes too late is no error.
///
/// Returns SV2_ERROR_ARGUMENT if they do not fit into a message; the clients are then told that there are none. Returns
/// SV2_ERROR_NULL if one of them is NULL and has a length; nothing has happened then.
///
/// # Safety
/// `provider` is live, `transactions` and what it points to are readable, or it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_transactions_ready(
    provider: *mut sv2_template_provider,
    template_id: u64,
    transactions: *const sv2_bytes_list,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut Provider| -> Result<(), Failure> {
        let list = unsafe { transactions.as_ref().map(|list| values::transactions(list)) }.transpose()?;
        Ok(this.transactions_ready(template_id, list.as_deref(), now.into())?)
    };
    unsafe { call(provider, body) }
}

/// It is `now`. Call it at sv2_template_provider_next_deadline; more often does no harm.
///
/// # Safety
/// `provider` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_tick(provider: *mut sv2_template_provider, now: sv2_time) -> sv2_status {
    let body = |this: &mut Provider| -> Result<(), Failure> {
        this.tick(now.into());
        Ok(())
    };
    unsafe { call(provider, body) }
}

/// When sv2_template_provider_tick must be called next, in monotonic milliseconds; UINT64_MAX if no time is set.
///
/// # Safety
/// `provider` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_next_deadline(provider: *mut sv2_template_provider) -> u64 {
    unsafe { enter(provider, u64::MAX, u64::MAX, |this| this.provider.next_deadline().unwrap_or(u64::MAX)) }
}

/// What the host must do next, into `*event`. Returns SV2_OK, or SV2_NO_EVENT when there is nothing. Lines of the log go to the sink
/// of the options meanwhile.
///
/// # Safety
/// `provider` is live, `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_next_event(
    provider: *mut sv2_template_provider,
    event: *mut sv2_template_event,
) -> sv2_status {
    if event.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_template_provider| {
        while let Some(next) = this.provider.next_event() {
            if let Event::Log { level, text } = &next {
                unsafe { this.log.line(*level, text) };
            } else if let Event::Writable { connection } = next {
                unsafe { sv2_template_event::write_writable(event, connection) };
                return SV2_OK;
            } else if let Some(next) = this.lent.event(next) {
                unsafe { event.write(next) };
                return SV2_OK;
            }
        }
        SV2_NO_EVENT
    };
    unsafe { enter_status(provider, body) }
}

/// The next SV2_TEMPLATE_EVENT_SUBMIT_BLOCK alone, into `*solution`. Returns SV2_OK or SV2_NO_EVENT.
///
/// It works also after SV2_ERROR_INTERNAL: a block that was found can be taken out whatever has happened since. What it points to
/// lives until the next call of this function.
///
/// # Safety
/// `provider` is live, `solution` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_next_solution(
    provider: *mut sv2_template_provider,
    solution: *mut sv2_solution,
) -> sv2_status {
    let Some(this) = (unsafe { provider.as_mut() }) else { return SV2_ERROR_NULL };
    if solution.is_null() {
        return SV2_ERROR_NULL;
    }
    fence(SV2_ERROR_INTERNAL, || match this.provider.next_solution() {
        Some(found) => {
            unsafe { solution.write(this.lent_solution.solution(found)) };
            SV2_OK
        }
        None => SV2_NO_EVENT,
    })
}

/// How many clients are connected, those not set up yet included. 0 if `provider` is NULL or unusable.
///
/// # Safety
/// `provider` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_clients(provider: *mut sv2_template_provider) -> usize {
    unsafe { enter(provider, 0, 0, |this| this.provider.clients()) }
}

/// What went wrong in the last call that failed: a sentence, never NULL, valid until the next call that fails.
///
/// # Safety
/// `provider` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_error(provider: *mut sv2_template_provider) -> *const c_char {
    unsafe { enter(provider, c"".as_ptr(), c"an error in the library".as_ptr(), |this| this.error.as_ptr()) }
}

/// Frees a provider. NULL is allowed.
///
/// # Safety
/// `provider` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_provider_free(provider: *mut sv2_template_provider) {
    fence((), || unsafe { free(provider) });
}

/// Why an input was not accepted.
enum Failure {
    Argument(BadArgument),
    Provider(ProviderError),
}

impl From<BadArgument> for Failure {
    fn from(error: BadArgument) -> Self {
        Self::Argument(error)
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

/// An input of the engine, and the status for what it says. Arguments are copied inside of it, behind the fence.
///
/// # Safety
/// `provider` is NULL or live.
unsafe fn call<E: Into<Failure>>(
    provider: *mut sv2_template_provider,
    input: impl FnOnce(&mut Provider) -> Result<(), E>,
) -> sv2_status {
    let body = |this: &mut sv2_template_provider| match input(&mut this.provider).map_err(Into::into) {
        Ok(()) => SV2_OK,
        Err(Failure::Argument(BadArgument { status, text })) => {
            this.error.set(text);
            status
        }
        Err(Failure::Provider(error)) => {
            this.error.set(error);
            status_of(error)
        }
    };
    unsafe { enter_status(provider, body) }
}

fn status_of(error: ProviderError) -> sv2_status {
    match error {
        ProviderError::UnknownConnection | ProviderError::UnknownKey | ProviderError::UnknownTemplate => SV2_NOT_FOUND,
        ProviderError::TooManyClients | ProviderError::TooManyFromAddress => SV2_ERROR_TOO_MANY,
        ProviderError::StaleTemplate => SV2_STALE,
        ProviderError::ConnectionExists
        | ProviderError::NotInOutput
        | ProviderError::Template(_)
        | ProviderError::Transactions(_) => SV2_ERROR_ARGUMENT,
    }
}

impl sv2_log {
    /// # Safety
    /// `write` is what its documentation demands.
    pub(crate) unsafe fn line(&self, level: Level, text: &str) {
        let level = match level {
            Level::Error => SV2_LOG_ERROR,
            Level::Warning => SV2_LOG_WARNING,
            Level::Info => SV2_LOG_INFO,
            Level::Debug => SV2_LOG_DEBUG,
        };
        if let Some(write) = self.write {
            unsafe { write(self.user_data, level, text.as_ptr().cast(), text.len()) };
        }
    }
}
