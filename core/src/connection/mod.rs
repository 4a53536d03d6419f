//! One peer, sans-IO: bytes in -> messages out, messages in -> bytes out, with or without Noise.
//!
//! ```text
//!             next_from / room, received, next                send, send_shared
//! socket ──▶ [ handshake, open, limits, split ] ──▶ frames    messages ──▶ [ encode, seal ] ──▶ output, sent ──▶ socket
//! ```
//!
//! The host reads from its socket and hands the bytes in, in one of two ways. [`Connection::next_from`] works straight in
//! the host's memory: it decrypts in place and keeps nothing but an unfinished tail, so that an idle connection holds no
//! buffer. [`Connection::room`], [`Connection::received`] and [`Connection::next`] lend a buffer of the connection to read
//! into. Either way a frame borrows from that memory until the next call.
//!
//! After every input, and after [`Connection::send`], the host writes [`Connection::output`] to the socket and says with
//! [`Connection::sent`] how much of it went. One `write` sends whole messages, header and payload together.
//!
//! A connection that failed stays failed: it gives the same error again and again. What was to be sent before, such as a
//! SetupConnection.Error, can still be sent.

mod input;
mod limits;
mod output;
mod session;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::frame::{Frame, FrameError, Header};
use crate::message::Payload;
use crate::noise::{Authority, Certificate, CipherError, HandshakeError, Identity, Initiator};
use crate::wire::DecodeError;
use crate::{Random, Time};

use input::Input;
pub use limits::{Limits, Role};
use output::{OWN_LEN, Output};
use session::{Session, Step};

/// One peer.
pub struct Connection {
    session: Session,
    input: Input,
    output: Output,
    limits: Limits,
    handshake_deadline: Option<u64>,
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// The handshake failed: among other causes, the peer is not who it should be.
    Handshake(HandshakeError),
    /// What came over the established connection is not authentic, or the cipher is used up.
    Cipher(CipherError),
    /// A header announces a payload that is too long here.
    PayloadTooLarge {
        /// The message, as [`crate::message::tag`] gives it.
        tag: u32,
        /// The payload's length, in bytes.
        len: usize,
        /// The limit in the connection's present state.
        max: usize,
    },
    /// The payload of a message the library knows is not that message.
    Malformed(DecodeError),
    /// The handshake was not finished in time.
    HandshakeTimeout,
    /// There is no memory for a frame that has begun to arrive.
    OutOfMemory,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => error.fmt(f),
            Self::Cipher(error) => error.fmt(f),
            Self::PayloadTooLarge { tag, len, max } => {
                let name = crate::message::shape(*tag).map_or("an unknown message", |shape| shape.name);
                write!(f, "the peer announced {len} bytes of {name} (0x{tag:02x}) where at most {max} are allowed")
            }
            Self::Malformed(error) => error.fmt(f),
            Self::HandshakeTimeout => f.write_str("the peer did not finish the handshake in time"),
            Self::OutOfMemory => f.write_str("there is no memory for what the peer sends"),
        }
    }
}

impl core::error::Error for ConnectionError {}

/// Why a message was not taken for sending. Nothing of it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// It cannot be encoded.
    Frame(FrameError),
    /// With it, more than [`Limits::max_output`] bytes would be waiting to be sent.
    OutputFull,
    /// The connection has failed.
    Failed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::OutputFull => f.write_str("too many bytes are waiting to be sent"),
            Self::Failed => f.write_str("the connection has failed"),
        }
    }
}

impl core::error::Error for SendError {}

impl Connection {
    /// The side that connects, over Noise. The first act is ready to be sent at once.
    pub fn initiator(authority: Authority, limits: Limits, random: &mut dyn Random) -> Result<Self, HandshakeError> {
        let initiator = Initiator::new(authority, random)?;
        let mut connection = Self::new(Session::initiating(initiator), limits);
        connection.output.push_plain(connection.session.act1());
        Ok(connection)
    }

    /// The side that is connected to, over Noise.
    pub fn responder(identity: Arc<Identity>, limits: Limits) -> Self {
        Self::new(Session::responding(identity), limits)
    }

    /// Either side, without encryption: for a network that can be trusted (spec 4). It is never chosen by itself.
    pub fn plain(role: Role, limits: Limits) -> Self {
        let mut connection = Self::new(Session::plain(role), limits);
        connection.output.open();
        connection
    }

    fn new(session: Session, limits: Limits) -> Self {
        Self { session, input: Input::default(), output: Output::default(), limits, handshake_deadline: None }
    }

    /// For an initiator without a clock that knows the date: the peer's certificate must carry the authority's signature, but
    /// when it was valid is not checked.
    pub fn assume_no_clock(&mut self) {
        self.session.assume_no_clock();
    }

    /// Whether messages can be received: the handshake is done and nothing has failed.
    pub fn is_established(&self) -> bool {
        self.session.is_established()
    }

    /// Whether the peer proved to be who it should be. Only an initiator that demanded an [`Authority::Key`] can know.
    pub fn is_authenticated(&self) -> bool {
        self.session.is_authenticated()
    }

    /// What the responder showed, if this is the initiator and the handshake is done. It was checked only if
    /// [`Connection::is_authenticated`].
    pub fn certificate(&self) -> Option<&Certificate> {
        self.session.certificate()
    }

    /// Why the connection failed, if it did.
    pub fn error(&self) -> Option<ConnectionError> {
        self.session.error()
    }

    /// Gives the connection up: from now on it receives nothing and takes nothing to send. The first error stays. A room or a
    /// frame that is lent out stays valid as ever.
    pub fn fail(&mut self, error: ConnectionError) {
        self.session.fail(error);
        self.input.release_unless_lent();
    }

    /// Reserves memory and keeps it, for a device that must not allocate later: `receive_len` bytes for
    /// [`Connection::room`], and what [`Limits::max_output`] bytes to be sent need. As long as no more is received at once than fits, and no
    /// frame is shared or sent before the handshake is done, nothing else is ever allocated. False if there is not so much
    /// memory.
    #[must_use]
    pub fn keep_buffers(&mut self, receive_len: usize) -> bool {
        self.input.keep(receive_len) && self.output.keep(self.limits.max_output, self.limits.max_output)
    }

    /// The payload of the frame that [`Connection::next`] gave last: until anything else is received.
    pub(crate) fn last_payload(&self) -> &[u8] {
        self.input.last()
    }

    // ------------------------------------------------------------------------------------------------------- receiving

    /// The next frame out of `bytes`, which shrink to what has not been looked at; call it until it gives `None`, and
    /// `bytes` are empty then.
    ///
    /// Encrypted bytes are decrypted where they are. The tail of an unfinished frame is kept in the connection.
    #[inline]
    pub fn next_from<'f, 'a: 'f>(
        &'f mut self,
        bytes: &mut &'a mut [u8],
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Option<Frame<'f>>, ConnectionError> {
        self.expect_handshake(now);
        self.input.take_back();
        let (header, place) = loop {
            let kept = !self.input.is_empty();
            let unread = if kept { self.input.unread() } else { &mut **bytes };
            match self.session.step(unread, &mut self.output, &self.limits, now, random) {
                Err(error) => {
                    self.fail(error);
                    return Err(error);
                }
                Ok(Step::Need(_)) if !kept => {
                    self.keep(&*core::mem::take(bytes))?;
                    return Ok(None);
                }
                Ok(Step::Need(total)) => {
                    let missing = total.saturating_sub(self.input.len()).min(bytes.len());
                    if missing == 0 {
                        return Ok(None);
                    }
                    self.keep(split_off(bytes, missing))?;
                }
                Ok(Step::Done(n)) if kept => self.input.consume(n),
                Ok(Step::Done(n)) => drop(split_off(bytes, n)),
                Ok(Step::Frame { header, payload, used }) if kept => break (header, Ok((payload, used))),
                Ok(Step::Frame { header, payload, used }) => {
                    break (header, Err(split_off(bytes, used).get(payload).unwrap_or(&[])));
                }
            }
        };
        let payload = match place {
            Ok((payload, used)) => self.input.take(payload, used),
            Err(payload) => payload,
        };
        Ok(Some(Frame { header, payload }))
    }

    /// Keeps bytes of an unfinished frame.
    #[inline]
    fn keep(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        if bytes.is_empty() || self.input.append(bytes) {
            return Ok(());
        }
        self.fail(ConnectionError::OutOfMemory);
        Err(ConnectionError::OutOfMemory)
    }

    /// Memory to read at least `at_least` bytes into; say with [`Connection::received`] how many there were. Empty if there is
    /// not so much memory.
    #[inline]
    pub fn room(&mut self, at_least: usize) -> &mut [u8] {
        self.input.room(at_least)
    }

    /// `n` bytes were read into [`Connection::room`]. False, and nothing else happens, if it has not so many.
    #[inline]
    pub fn received(&mut self, n: usize) -> bool {
        self.input.received(n)
    }

    /// The next frame that was read into [`Connection::room`], or `None` if more bytes are needed.
    #[inline]
    pub fn next(&mut self, now: Time, random: &mut dyn Random) -> Result<Option<Frame<'_>>, ConnectionError> {
        self.expect_handshake(now);
        loop {
            match self.session.step(self.input.unread(), &mut self.output, &self.limits, now, random) {
                Err(error) => {
                    self.fail(error);
                    return Err(error);
                }
                Ok(Step::Need(_)) => return Ok(None),
                Ok(Step::Done(n)) => self.input.consume(n),
                Ok(Step::Frame { header, payload, used }) => {
                    let payload = self.input.take(payload, used);
                    return Ok(Some(Frame { header, payload }));
                }
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- sending

    /// Queues a message. Before the handshake is done it waits for it.
    #[inline]
    pub fn send<'m>(&mut self, message: &impl Payload<'m>) -> Result<(), SendError> {
        let shape = shape_of(message);
        let payload_len = message.encoded_len().map_err(|error| SendError::Frame(FrameError::Encode(error)))?;
        let header =
            Header::new(shape, payload_len).ok_or(SendError::Frame(FrameError::PayloadTooLong(payload_len)))?;
        self.send_with(header, |payload| message.encode(payload).is_ok())
    }

    /// Queues a frame whose payload `write` fills: exactly `header.payload_len` bytes. If `write` says false, nothing is
    /// sent.
    #[inline]
    pub fn send_with(&mut self, header: Header, write: impl FnOnce(&mut [u8]) -> bool) -> Result<(), SendError> {
        if header.payload_len > crate::frame::MAX_PAYLOAD_LEN {
            return Err(SendError::Frame(FrameError::PayloadTooLong(header.payload_len)));
        }
        self.may_send(header.payload_len)?;
        let session = &mut self.session;
        let result = self.output.push_frame(header, |payload| {
            let written = write(payload);
            if written {
                session.note_sent(&Frame { header, payload });
            }
            written
        });
        match result {
            Ok(true) => Ok(()),
            Ok(false) => Err(SendError::Frame(FrameError::NotAFrame)),
            Err(error) => Err(self.sealing_failed(error)),
        }
    }

    /// Queues a whole plaintext frame, as [`crate::frame::encode`] writes it, that may be shared with other connections. It
    /// is sealed piece by piece when [`Connection::output`] is asked for, so that a slow peer costs no more than a piece.
    pub fn send_shared(&mut self, frame: Arc<[u8]>) -> Result<(), SendError> {
        self.push_shared(frame, None)
    }

    /// As [`Connection::send_shared`], for a frame that is the same for all but the id with which its payload begins: what
    /// is sent to this peer begins with `id`.
    pub(crate) fn send_shared_as(&mut self, frame: Arc<[u8]>, id: [u8; OWN_LEN]) -> Result<(), SendError> {
        self.push_shared(frame, Some(id))
    }

    fn push_shared(&mut self, frame: Arc<[u8]>, own: Option<[u8; OWN_LEN]>) -> Result<(), SendError> {
        let Some((whole, [])) = Frame::split(&frame) else {
            return Err(SendError::Frame(FrameError::NotAFrame));
        };
        self.may_send(frame.len())?;
        self.session.note_sent(&whole);
        self.output.push_shared(frame, own);
        Ok(())
    }

    /// Bytes to write to the socket: contiguous, in order. Empty if there is nothing to write.
    ///
    /// Long messages are sealed bit by bit: after [`Connection::sent`] there may be more.
    #[inline]
    pub fn output(&mut self) -> &[u8] {
        if let Err(error) = self.output.fill() {
            self.sealing_failed(error);
        }
        self.output.ready()
    }

    /// The first `n` bytes of [`Connection::output`] were written. False, and nothing else happens, if there are not so
    /// many.
    #[inline]
    pub fn sent(&mut self, n: usize) -> bool {
        self.output.sent(n)
    }

    /// Lends memory for [`Connection::output`] to be put into, unless there is some already or nothing to be put there.
    pub(crate) fn lend(&mut self, memory: &mut Vec<u8>) {
        self.output.lend(memory);
    }

    /// Takes back memory for output if nothing is in it.
    pub(crate) fn give_back(&mut self, memory: &mut Vec<u8>) {
        self.output.give_back(memory);
    }

    /// Whether [`Connection::output`] gives all that is waiting to be sent.
    pub(crate) fn goes_out_at_once(&self) -> bool {
        self.output.goes_out_at_once()
    }

    /// How many bytes are waiting to be sent, sealed or not.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Bytes of memory that are held for receiving.
    pub fn input_capacity(&self) -> usize {
        self.input.capacity()
    }

    // ------------------------------------------------------------------------------------------------------------ time

    /// Time has passed: buffers that are not in use are given back, and a peer that does not finish its handshake fails.
    /// A frame that was given out stays valid.
    pub fn tick(&mut self, now: Time) -> Result<(), ConnectionError> {
        self.expect_handshake(now);
        if self.handshake_deadline.is_some_and(|deadline| now.monotonic_ms >= deadline) {
            self.fail(ConnectionError::HandshakeTimeout);
        }
        self.input.release_if_idle();
        self.output.release_if_idle();
        self.error().map_or(Ok(()), Err)
    }

    /// When [`Connection::tick`] should be called, in monotonic milliseconds: at once, if the handshake has begun and nobody
    /// said yet what time it is.
    pub fn next_deadline(&self) -> Option<u64> {
        self.session.is_shaking_hands().then(|| self.handshake_deadline.unwrap_or(0))
    }

    /// The clock of the handshake starts with the first call that says what time it is.
    #[inline]
    fn expect_handshake(&mut self, now: Time) {
        if self.session.is_shaking_hands() {
            let timeout = self.limits.handshake_timeout_ms;
            self.handshake_deadline.get_or_insert(now.monotonic_ms.saturating_add(timeout));
        } else {
            self.handshake_deadline = None;
        }
    }

    #[inline]
    fn may_send(&self, len: usize) -> Result<(), SendError> {
        if self.session.error().is_some() {
            return Err(SendError::Failed);
        }
        let fits = self.output.len().saturating_add(len) <= self.limits.max_output;
        if fits { Ok(()) } else { Err(SendError::OutputFull) }
    }

    #[cold]
    fn sealing_failed(&mut self, error: CipherError) -> SendError {
        // What was received stays: a frame of it may be lent out.
        self.session.fail(ConnectionError::Cipher(error));
        SendError::Failed
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("session", &self.session)
            .field("input", &self.input.len())
            .field("output", &self.output.len())
            .finish_non_exhaustive()
    }
}

/// Takes the first `n` bytes off the front of `bytes`.
#[inline]
fn split_off<'a>(bytes: &mut &'a mut [u8], n: usize) -> &'a mut [u8] {
    match core::mem::take(bytes).split_at_mut_checked(n) {
        Some((first, rest)) => {
            *bytes = rest;
            first
        }
        None => &mut [],
    }
}

const fn shape_of<'a, M: Payload<'a>>(_: &M) -> &'static crate::wire::Shape {
    M::SHAPE
}
