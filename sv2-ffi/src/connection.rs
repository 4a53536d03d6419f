//! One peer: bytes in -> messages out, messages in -> bytes out.

use std::ffi::c_char;
use std::fmt::Display;

use sv2_core::connection::{Connection, ConnectionError, Role, SendError};
use sv2_core::frame::Frame;
use sv2_core::noise::{Authority, AuthorityPublicKey, CipherError, HandshakeError};

use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::message::{Lists, decode_frame, slice_mut};
use crate::noise::{sv2_certificate, sv2_identity};
use crate::options::{Options, read_options, sv2_limits, sv2_random};
use crate::text::ErrorText;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_AUTHENTICATION, SV2_ERROR_CERTIFICATE, SV2_ERROR_ENCODE, SV2_ERROR_HANDSHAKE,
    SV2_ERROR_KEY, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_ERROR_OUT_OF_MEMORY, SV2_ERROR_OUTPUT_FULL,
    SV2_ERROR_PAYLOAD_TOO_LARGE, SV2_ERROR_RANDOMNESS, SV2_ERROR_STATE, SV2_ERROR_TIMEOUT, SV2_NEED_INPUT,
    SV2_NOT_FOUND, SV2_OK, sv2_bytes, sv2_message, sv2_status, sv2_time,
};

/// One peer, with or without Noise.
///
/// The loop of its user: write sv2_connection_output to the socket and say so with sv2_connection_sent; read from the socket
/// into sv2_connection_room and say so with sv2_connection_received; take messages with sv2_connection_next until it returns
/// SV2_NEED_INPUT. sv2_connection_next_from does the second step with memory of the caller.
///
/// A message is valid until the next sv2_connection_next, _next_from, _room, _received or _free. Sending never invalidates it,
/// so a reply may be sent while reading.
///
/// A connection that failed answers with the same error again and again. What was queued before can still be sent.
pub struct sv2_connection {
    poisoned: bool,
    connection: Connection,
    random: sv2_random,
    /// When something last happened; nothing has yet if there is none.
    now: Option<sv2_time>,
    lists: Lists,
    /// The lists belong to a message that the caller may still read.
    lent: bool,
    error: ErrorText,
}

impl Object for sv2_connection {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// How to connect to a server. Initialise with SV2_INITIATOR_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_initiator_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// The authority's public key, 32 bytes. NULL is an error unless `allow_unauthenticated` is set.
    pub authority_key: *const u8,
    /// Anything but 0: encrypt, but connect to anyone who answers. Who that is cannot be known then.
    pub allow_unauthenticated: u8,
    /// Anything but 0: this device has no clock that knows the date, so do not look at when the certificate is valid.
    pub no_clock: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// The bounds of the connection.
    pub limits: sv2_limits,
    /// The source of randomness.
    pub random: sv2_random,
}

/// How to answer a client. Initialise with SV2_RESPONDER_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_responder_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// What the server shows. It may be freed once the connection is made.
    pub identity: *const sv2_identity,
    /// The bounds of the connection.
    pub limits: sv2_limits,
    /// The source of randomness.
    pub random: sv2_random,
}

/// How to talk without encryption. Initialise with SV2_PLAIN_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_plain_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// Anything but 0: this is the server, the side that answers SetupConnection.
    pub is_server: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// The bounds of the connection.
    pub limits: sv2_limits,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_initiator_options {}
unsafe impl Options for sv2_responder_options {}
unsafe impl Options for sv2_plain_options {}

/// Memory to read into.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_room {
    /// The first byte.
    pub data: *mut u8,
    /// How many there are.
    pub len: usize,
}

/// Makes the connection of a client to a server, over Noise. The first bytes of the handshake are ready to be sent.
///
/// Returns SV2_ERROR_ARGUMENT without an authority key, unless `allow_unauthenticated` is set; SV2_ERROR_KEY if the key is none.
///
/// # Safety
/// `options` is readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_new_initiator(
    options: *const sv2_initiator_options,
    out: *mut *mut sv2_connection,
) -> sv2_status {
    unsafe {
        create(options, out, |options| {
            let authority = match options.authority_key.cast::<[u8; 32]>().as_ref() {
                Some(key) => Authority::Key(AuthorityPublicKey::from_bytes(key).map_err(|_| SV2_ERROR_KEY)?),
                None if options.allow_unauthenticated != 0 => Authority::Unauthenticated,
                None => return Err(SV2_ERROR_ARGUMENT),
            };
            let mut random = options.random;
            let connection = Connection::initiator(authority, options.limits.into(), &mut random);
            let mut connection = connection.map_err(|_| SV2_ERROR_RANDOMNESS)?;
            if options.no_clock != 0 {
                connection.assume_no_clock();
            }
            Ok((connection, random))
        })
    }
}

/// Makes the connection of a server to a client, over Noise.
///
/// # Safety
/// `options` is readable and its identity is live, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_new_responder(
    options: *const sv2_responder_options,
    out: *mut *mut sv2_connection,
) -> sv2_status {
    unsafe {
        create(options, out, |options| {
            let identity = options.identity.as_ref().ok_or(SV2_ERROR_NULL)?;
            Ok((Connection::responder(identity.identity.clone(), options.limits.into()), options.random))
        })
    }
}

/// Makes a connection without encryption, for a network that can be trusted.
///
/// # Safety
/// `options` is readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_new_plain(
    options: *const sv2_plain_options,
    out: *mut *mut sv2_connection,
) -> sv2_status {
    unsafe {
        create(options, out, |options| {
            let role = if options.is_server == 0 { Role::Client } else { Role::Server };
            let random = sv2_random { fill: None, user_data: std::ptr::null_mut() };
            Ok((Connection::plain(role, options.limits.into()), random))
        })
    }
}

/// # Safety
/// `options` is NULL or readable, `out` is NULL or writable.
unsafe fn create<T: Options>(
    options: *const T,
    out: *mut *mut sv2_connection,
    make: impl FnOnce(T) -> Result<(Connection, sv2_random), sv2_status>,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match unsafe { read_options(options) }.and_then(make) {
        Ok((connection, random)) => unsafe {
            hand_out(
                out,
                sv2_connection {
                    poisoned: false,
                    connection,
                    random,
                    now: None,
                    lists: Lists::default(),
                    lent: false,
                    error: ErrorText::default(),
                },
            )
        },
        Err(status) => status,
    })
}

/// Memory of at least `at_least` bytes to read from the socket into; say with sv2_connection_received how many bytes there were.
/// It is valid until the next sv2_connection_room, _received, _next, _next_from or _free. {NULL, 0} if there is not so much memory,
/// or if `connection` is NULL or unusable.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_room(connection: *mut sv2_connection, at_least: usize) -> sv2_room {
    let none = sv2_room { data: std::ptr::null_mut(), len: 0 };
    let body = |this: &mut sv2_connection| match this.connection.room(at_least) {
        [] => none,
        room => sv2_room { data: room.as_mut_ptr(), len: room.len() },
    };
    unsafe { enter(connection, none, none, body) }
}

/// `n` bytes were read into sv2_connection_room, and it is `now`. Returns SV2_ERROR_ARGUMENT if the room has not so many.
///
/// # Safety
/// `connection` is a live connection, and the bytes were written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_received(
    connection: *mut sv2_connection,
    n: usize,
    now: sv2_time,
) -> sv2_status {
    let body = |this: &mut sv2_connection| {
        this.now = Some(now);
        if this.connection.received(n) { SV2_OK } else { this.wrong("more bytes than there was room for") }
    };
    unsafe { enter_status(connection, body) }
}

/// Decodes the next message that was received into `*message`.
///
/// Returns SV2_OK; SV2_NEED_INPUT if there is none yet; or an error, after which the connection should be closed once its output
/// is sent: sv2_connection_error says what is wrong. A message this library does not know is no error, see sv2_message.
///
/// # Safety
/// `connection` is a live connection, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_next(connection: *mut sv2_connection, message: *mut sv2_message) -> sv2_status {
    if message.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_connection| {
        let Some(now) = this.now else { return SV2_NEED_INPUT };
        let frame = this.connection.next(now.into(), &mut this.random);
        let outcome = unsafe { decode(frame, &mut this.lists, message) };
        this.conclude(outcome)
    };
    unsafe { enter_status(connection, body) }
}

/// Decodes the next message out of memory of the caller, which is decrypted where it is.
///
/// `*bytes` shrinks to what has not been looked at; call again until SV2_NEED_INPUT is returned, then it is empty: the tail of
/// an unfinished message is kept in the connection. In between, the message borrows from that memory or from the connection, and
/// is valid until the next call as any message; the memory must stay as it is for so long. Statuses are those of
/// sv2_connection_next; do not use both functions on one connection at the same time.
///
/// # Safety
/// `connection` is a live connection, `bytes` is readable and writable, and so is what it points to; `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_next_from(
    connection: *mut sv2_connection,
    bytes: *mut sv2_room,
    now: sv2_time,
    message: *mut sv2_message,
) -> sv2_status {
    if message.is_null() || bytes.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_connection| {
        this.now = Some(now);
        let room = unsafe { &mut *bytes };
        let mut rest = unsafe { slice_mut(room.data, room.len) };
        let frame = this.connection.next_from(&mut rest, now.into(), &mut this.random);
        let outcome = unsafe { decode(frame, &mut this.lists, message) };
        // Reckoned from the front, so that it points to the end of the memory when nothing is left.
        let read = room.len.saturating_sub(rest.len());
        *room = sv2_room { data: room.data.wrapping_add(read), len: rest.len() };
        this.conclude(outcome)
    };
    unsafe { enter_status(connection, body) }
}

/// Queues a message. What it points to is copied; before the handshake is done it waits for it.
///
/// Returns SV2_ERROR_ENCODE if a value does not fit its type, SV2_ERROR_OUTPUT_FULL if too much is waiting already, or, if the
/// connection has failed, the error it failed with; nothing is queued then.
///
/// # Safety
/// `connection` is a live connection, `message` and what it points to are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_send(
    connection: *mut sv2_connection,
    message: *const sv2_message,
) -> sv2_status {
    if message.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_connection| {
        let message = unsafe { &*message };
        let sent = unsafe { message.payload_len() }.map_err(SendError::Frame).and_then(|len| {
            let write = |payload: &mut [u8]| unsafe { message.encode_payload(payload) } == Ok(len);
            this.connection.send_with(message.header(len), write)
        });
        match sent {
            Ok(()) => SV2_OK,
            Err(SendError::Failed) => match this.connection.error() {
                Some(error) => this.failed(error),
                None => SV2_ERROR_STATE,
            },
            Err(error @ SendError::Frame(_)) => this.report(error, SV2_ERROR_ENCODE),
            Err(error @ SendError::OutputFull) => this.report(error, SV2_ERROR_OUTPUT_FULL),
        }
    };
    unsafe { enter_status(connection, body) }
}

/// Bytes to write to the socket, contiguous; {NULL, 0} if there are none. They are valid until the next sv2_connection_send,
/// _output, _sent, _tick or _free, and until messages are received: whoever writes asynchronously copies them first. Long messages are encrypted bit by bit: after
/// sv2_connection_sent there may be more.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_output(connection: *mut sv2_connection) -> sv2_bytes {
    let body = |this: &mut sv2_connection| sv2_bytes::borrow_or_null(this.connection.output());
    unsafe { enter(connection, sv2_bytes::EMPTY, sv2_bytes::EMPTY, body) }
}

/// The first `n` bytes of sv2_connection_output were written. Returns SV2_ERROR_ARGUMENT if there were not so many.
///
/// # Safety
/// `connection` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_sent(connection: *mut sv2_connection, n: usize) -> sv2_status {
    let body = |this: &mut sv2_connection| {
        if this.connection.sent(n) { SV2_OK } else { this.wrong("more was sent than there was to send") }
    };
    unsafe { enter_status(connection, body) }
}

/// How many bytes are waiting to be sent, encrypted or not. 0 if `connection` is NULL or unusable.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_output_len(connection: *mut sv2_connection) -> usize {
    unsafe { enter(connection, 0, 0, |this| this.connection.output_len()) }
}

/// It is `now`: gives back memory that is not in use, and fails with SV2_ERROR_TIMEOUT if the handshake takes too long. Call it
/// at sv2_connection_next_deadline, and now and then for the memory's sake. A message that was given out stays valid.
///
/// # Safety
/// `connection` is a live connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_tick(connection: *mut sv2_connection, now: sv2_time) -> sv2_status {
    let body = |this: &mut sv2_connection| {
        this.now = Some(now);
        if !this.lent {
            this.lists.release();
        }
        match this.connection.tick(now.into()) {
            Ok(()) => SV2_OK,
            Err(error) => this.failed(error),
        }
    };
    unsafe { enter_status(connection, body) }
}

/// When sv2_connection_tick must be called next, in monotonic milliseconds; UINT64_MAX if there is no need. While the handshake
/// goes on and nobody said yet what time it is, it is 0: at once.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_next_deadline(connection: *mut sv2_connection) -> u64 {
    unsafe { enter(connection, u64::MAX, u64::MAX, |this| this.connection.next_deadline().unwrap_or(u64::MAX)) }
}

/// Whether the handshake is done and nothing has failed.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_is_established(connection: *mut sv2_connection) -> bool {
    unsafe { enter(connection, false, false, |this| this.connection.is_established()) }
}

/// Whether the peer proved to be who it should be: true only for an initiator that gave an authority key, after the handshake.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_is_authenticated(connection: *mut sv2_connection) -> bool {
    unsafe { enter(connection, false, false, |this| this.connection.is_authenticated()) }
}

/// What the server showed, after the handshake; it was checked only if sv2_connection_is_authenticated. Returns SV2_NOT_FOUND
/// before, and for everybody but an initiator.
///
/// # Safety
/// `connection` is a live connection, `certificate` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_certificate(
    connection: *mut sv2_connection,
    certificate: *mut sv2_certificate,
) -> sv2_status {
    if certificate.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_connection| match this.connection.certificate() {
        Some(shown) => {
            unsafe { certificate.write((*shown).into()) };
            SV2_OK
        }
        None => SV2_NOT_FOUND,
    };
    unsafe { enter_status(connection, body) }
}

/// What went wrong in the last call that failed: a sentence, never NULL, valid until the next call that fails. What the peer
/// sent is escaped in it.
///
/// # Safety
/// `connection` is a live connection or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_error(connection: *mut sv2_connection) -> *const c_char {
    unsafe { enter(connection, c"".as_ptr(), c"an error in the library".as_ptr(), |this| this.error.as_ptr()) }
}

/// Frees a connection, with all messages it gave out. NULL is allowed.
///
/// # Safety
/// `connection` is a live connection or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_connection_free(connection: *mut sv2_connection) {
    fence((), || unsafe { free(connection) });
}

impl sv2_connection {
    /// The status for what came of looking for a message: it was decoded, there is none, or the connection failed.
    #[inline]
    fn conclude(&mut self, outcome: Result<bool, ConnectionError>) -> sv2_status {
        self.lent = outcome == Ok(true);
        match outcome {
            Ok(true) => SV2_OK,
            Ok(false) => SV2_NEED_INPUT,
            Err(error) => {
                self.connection.fail(error);
                self.failed(error)
            }
        }
    }

    #[cold]
    fn report(&mut self, error: impl Display, status: sv2_status) -> sv2_status {
        self.error.set(error);
        status
    }

    /// The caller made a mistake.
    #[cold]
    fn wrong(&mut self, what: &str) -> sv2_status {
        self.report(what, SV2_ERROR_ARGUMENT)
    }

    #[cold]
    fn failed(&mut self, error: ConnectionError) -> sv2_status {
        self.error.set(error);
        match error {
            ConnectionError::Handshake(HandshakeError::OutOfRandomness) => SV2_ERROR_RANDOMNESS,
            ConnectionError::Handshake(HandshakeError::Certificate(_)) => SV2_ERROR_CERTIFICATE,
            ConnectionError::Handshake(HandshakeError::Cipher(_)) => SV2_ERROR_HANDSHAKE,
            ConnectionError::Cipher(CipherError::NonceExhausted) => SV2_ERROR_STATE,
            ConnectionError::Cipher(_) => SV2_ERROR_AUTHENTICATION,
            ConnectionError::PayloadTooLarge { .. } => SV2_ERROR_PAYLOAD_TOO_LARGE,
            ConnectionError::Malformed(_) => SV2_ERROR_MALFORMED,
            ConnectionError::HandshakeTimeout => SV2_ERROR_TIMEOUT,
            ConnectionError::OutOfMemory => SV2_ERROR_OUT_OF_MEMORY,
        }
    }
}

/// Whether there was a message, which is then in `*message`.
///
/// # Safety
/// As [`decode_frame`].
#[inline]
unsafe fn decode(
    frame: Result<Option<Frame<'_>>, ConnectionError>,
    lists: &mut Lists,
    message: *mut sv2_message,
) -> Result<bool, ConnectionError> {
    match frame? {
        Some(frame) => unsafe { decode_frame(&frame, lists, message) }.map_err(ConnectionError::Malformed)?,
        None => return Ok(false),
    }
    Ok(true)
}
