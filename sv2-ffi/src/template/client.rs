//! The template client itself.

use std::ffi::c_char;

use sv2_core::message::SubmitSolution;
use sv2_core::template::TemplateClient;
use sv2_core::template::client::{ClientError, Event, Submission};

use super::client_event::{ClientLent, sv2_template_client_event};
use super::client_options::sv2_template_client_options;
use super::values::sv2_log;
use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::message::slice_mut;
use crate::options::read_options;
use crate::text::ErrorText;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_ERROR_RANDOMNESS, SV2_ERROR_STATE, SV2_NO_EVENT, SV2_NOT_FOUND, SV2_OK,
    sv2_bytes, sv2_status, sv2_submit_solution, sv2_time,
};

/// Gets templates from one template provider and gives it solutions (spec 7), without sockets: what a pool or a job declarator
/// client needs.
///
/// The loop of its user: hand in what happens (_connect, _receive, _sent, _disconnected from the socket; _set_constraints,
/// _request_transaction_data, _submit_solution; _tick when _next_deadline has come). After each input take all events with _next_event
/// and do what they say. Inputs are allowed in between.
///
/// A future template waits for a tip, which activates it; any other is on the present tip and the one to mine on at once.
/// Templates on a tip that is gone can be solved for some time more. After a loss of the connection the same client is connected
/// again: solutions are sent again until a tip names their blocks, so it must be the same provider.
///
/// A host that has several providers makes as many clients, keeps them all connected, and takes its work from one of which
/// sv2_template_client_is_serving is true. One that is connected but silent is closed at its deadline.
pub struct sv2_template_client {
    poisoned: bool,
    pub(super) client: TemplateClient,
    log: sv2_log,
    lent: ClientLent,
    error: ErrorText,
}

impl Object for sv2_template_client {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a client without a connection; free it with sv2_template_client_free.
///
/// Returns SV2_ERROR_ARGUMENT without an authority key unless exactly one of `allow_unauthenticated` and `plaintext` is set, with a
/// key if `plaintext` is set, if a string is not UTF-8 or has more than 255 bytes, or if the constraints are more than a block;
/// SV2_ERROR_KEY if the key is none.
///
/// # Safety
/// `options` and what it points to are readable; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_new(
    options: *const sv2_template_client_options,
    out: *mut *mut sv2_template_client,
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
        let client = match TemplateClient::new(read, Box::new(options.random)) {
            Ok(client) => client,
            Err(error) => return status_of(error),
        };
        let (lent, error) = (ClientLent::default(), ErrorText::default());
        unsafe { hand_out(out, sv2_template_client { poisoned: false, client, log: options.log, lent, error }) }
    })
}

// ------------------------------------------------------------------------------------------------------------- socket

/// The socket is connected to the provider: the handshake begins. What is left of an earlier connection stays: templates, until a
/// tip is announced, and solutions that are not known to have arrived. Take all events of it before: a SV2_TEMPLATE_CLIENT_EVENT_CLOSE
/// that still waits would hit the new connection, so it becomes a line in the log with its reason, and its may_retry is gone.
///
/// Returns SV2_ERROR_STATE if there is a connection already, SV2_ERROR_RANDOMNESS if there is no randomness.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_connect(client: *mut sv2_template_client, now: sv2_time) -> sv2_status {
    unsafe { call(client, |this| this.connect(now.into())) }
}

/// The socket is closed, or could not be connected. Also right, and without effect, after SV2_TEMPLATE_CLIENT_EVENT_CLOSE.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_disconnected(client: *mut sv2_template_client, now: sv2_time) {
    unsafe { enter(client, (), (), |this| this.client.disconnected(now.into())) }
}

/// Bytes came from the provider. They are decrypted where they are, so they have no meaning afterwards; nothing keeps pointing to
/// them.
///
/// What is wrong with them leads to SV2_TEMPLATE_CLIENT_EVENT_CLOSE. Returns SV2_NOT_FOUND if there is no connection any more.
///
/// # Safety
/// `client` is live, `data` is readable and writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_receive(
    client: *mut sv2_template_client,
    data: *mut u8,
    len: usize,
    now: sv2_time,
) -> sv2_status {
    let bytes = unsafe { slice_mut(data, len) };
    unsafe { call(client, |this| this.receive(bytes, now.into())) }
}

/// Bytes to write to the socket, contiguous; empty if there are none. They are valid until the client's next call.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_output(client: *mut sv2_template_client) -> sv2_bytes {
    let body = |this: &mut sv2_template_client| sv2_bytes::borrow_or_null(this.client.output());
    unsafe { enter(client, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_template_client_output were written.
///
/// Returns SV2_ERROR_ARGUMENT if there were not so many, SV2_NOT_FOUND if there is no connection any more.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_sent(
    client: *mut sv2_template_client,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(client, |this| this.sent(n, now.into())) }
}

// --------------------------------------------------------------------------------------------------------------- host

/// What templates must leave free (spec 7.1): so many serialized bytes of coinbase outputs with at most so many sigops. At any time;
/// the provider is told once it is set up, and again after each change. Templates that are there already were made for what was
/// said before, and so may be those that are on their way.
///
/// Returns SV2_ERROR_ARGUMENT if that is more than a block.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_set_constraints(
    client: *mut sv2_template_client,
    max_additional_size: u32,
    max_additional_sigops: u16,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut TemplateClient| this.set_constraints(max_additional_size, max_additional_sigops, now.into());
    unsafe { call(client, body) }
}

/// Asks for the transactions of a template (spec 7.4): SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA or _TRANSACTION_DATA_ERROR comes. One
/// request is sent after the other, the next when the answer was taken out, so that one answer at most waits in memory. A template
/// that is waited for is not asked about twice.
///
/// Returns SV2_NOT_FOUND if there is no connection or no such template, SV2_ERROR_STATE if max_pending_requests are waiting.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_request_transaction_data(
    client: *mut sv2_template_client,
    template_id: u64,
    now: sv2_time,
) -> sv2_status {
    unsafe { call(client, |this| this.request_transaction_data(template_id, now.into())) }
}

/// A hash meets the target (spec 7.7): sends the solution, or keeps it for the next connection to this provider. Also for a template
/// that is forgotten here: the provider judges. The coinbase is whole, with its BIP 141 fields; it is copied.
///
/// `*sent`, unless `sent` is NULL, becomes 1 if the solution is in sv2_template_client_output, 0 if it is kept until the provider is
/// connected and set up. Either way it is sent again over each next connection until a tip names its block. If max_pending_solutions
/// are kept already, the oldest that was written, or else the oldest, is given up, see SV2_TEMPLATE_CLIENT_EVENT_SOLUTION_LOST. Returns SV2_ERROR_ARGUMENT if the coinbase has more than 65,535 bytes.
///
/// # Safety
/// `client` is live, `solution` and its coinbase are readable, `sent` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_submit_solution(
    client: *mut sv2_template_client,
    solution: *const sv2_submit_solution,
    now: sv2_time,
    sent: *mut u8,
) -> sv2_status {
    let Some(solution) = (unsafe { solution.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut TemplateClient| {
        let submission = this.submit_solution(&unsafe { message_of(solution) }, now.into())?;
        if !sent.is_null() {
            unsafe { sent.write((submission == Submission::Sent).into()) };
        }
        Ok(())
    };
    unsafe { call(client, body) }
}

// --------------------------------------------------------------------------------------------------------------- time

/// It is `now`. Call it at sv2_template_client_next_deadline; more often does no harm.
///
/// # Safety
/// `client` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_tick(client: *mut sv2_template_client, now: sv2_time) -> sv2_status {
    let body = |this: &mut TemplateClient| {
        this.tick(now.into());
        Ok(())
    };
    unsafe { call(client, body) }
}

/// When sv2_template_client_tick must be called next, in monotonic milliseconds; UINT64_MAX if no time is set.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_next_deadline(client: *mut sv2_template_client) -> u64 {
    unsafe { enter(client, u64::MAX, u64::MAX, |this| this.client.next_deadline().unwrap_or(u64::MAX)) }
}

// ------------------------------------------------------------------------------------------------------------- events

/// What the host must do next, into `*event`. Returns SV2_OK, or SV2_NO_EVENT when there is nothing. Lines of the log go to the sink
/// of the options meanwhile.
///
/// # Safety
/// `client` is live, `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_next_event(
    client: *mut sv2_template_client,
    event: *mut sv2_template_client_event,
) -> sv2_status {
    if event.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_template_client| {
        while let Some(next) = this.client.next_event() {
            if let Event::Log { level, text } = &next {
                unsafe { this.log.line(*level, text) };
            } else if let Some(next) = this.lent.event(next) {
                unsafe { event.write(next) };
                return SV2_OK;
            }
        }
        SV2_NO_EVENT
    };
    unsafe { enter_status(client, body) }
}

// -------------------------------------------------------------------------------------------------------------- state

/// Whether there is a connection, set up or not. False if `client` is NULL or unusable, as for the functions below.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_is_connected(client: *mut sv2_template_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_connected()) }
}

/// Whether the provider has accepted the connection.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_is_ready(client: *mut sv2_template_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_ready()) }
}

/// Whether the provider proved to be who it should be.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_is_authenticated(client: *mut sv2_template_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_authenticated()) }
}

/// Whether there is work from this provider: it is set up, was told the constraints, and has sent over this connection the tip and
/// a template on it.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_is_serving(client: *mut sv2_template_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_serving()) }
}

/// When bytes last came from the provider, over this or an earlier connection, into `*time`. Returns SV2_NOT_FOUND if none ever did.
///
/// # Safety
/// `client` is live, `time` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_last_heard(
    client: *mut sv2_template_client,
    time: *mut sv2_time,
) -> sv2_status {
    if time.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_template_client| match this.client.last_heard() {
        Some(heard) => {
            unsafe { time.write(sv2_time { monotonic_ms: heard.monotonic_ms, unix_s: heard.unix_s }) };
            SV2_OK
        }
        None => SV2_NOT_FOUND,
    };
    unsafe { enter_status(client, body) }
}

/// How many solutions are kept: written or not, their blocks were not seen as the tip. 0 if `client` is NULL or unusable.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_pending_solutions(client: *mut sv2_template_client) -> usize {
    unsafe { enter(client, 0, 0, |this| this.client.pending_solutions()) }
}

/// What went wrong in the last call that failed, or found nothing for want of a connection or a template to ask about: a sentence,
/// never NULL, valid until the next such call.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_error(client: *mut sv2_template_client) -> *const c_char {
    unsafe { enter(client, c"".as_ptr(), c"an error in the library".as_ptr(), |this| this.error.as_ptr()) }
}

/// Frees a client. NULL is allowed.
///
/// # Safety
/// `client` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_free(client: *mut sv2_template_client) {
    fence((), || unsafe { free(client) });
}

/// An input of the engine, and the status for what it says.
///
/// # Safety
/// `client` is NULL or live.
unsafe fn call(
    client: *mut sv2_template_client,
    input: impl FnOnce(&mut TemplateClient) -> Result<(), ClientError>,
) -> sv2_status {
    let body = |this: &mut sv2_template_client| match input(&mut this.client) {
        Ok(()) => SV2_OK,
        Err(error) => {
            this.error.set(error);
            status_of(error)
        }
    };
    unsafe { enter_status(client, body) }
}

fn status_of(error: ClientError) -> sv2_status {
    match error {
        ClientError::NotConnected | ClientError::UnknownTemplate => SV2_NOT_FOUND,
        ClientError::AlreadyConnected | ClientError::TooManyRequests => SV2_ERROR_STATE,
        ClientError::Handshake(_) => SV2_ERROR_RANDOMNESS,
        ClientError::NotInOutput | ClientError::ConstraintsTooLarge { .. } | ClientError::Encode(_) => {
            SV2_ERROR_ARGUMENT
        }
    }
}

/// # Safety
/// The coinbase is valid for its length for as long as the result is used.
pub(super) unsafe fn message_of(solution: &sv2_submit_solution) -> SubmitSolution<'_> {
    SubmitSolution {
        template_id: solution.template_id,
        version: solution.version,
        header_timestamp: solution.header_timestamp,
        header_nonce: solution.header_nonce,
        coinbase_tx: unsafe { solution.coinbase_tx.as_slice() },
    }
}
