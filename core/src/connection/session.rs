//! What is known of the peer: the handshake, the receiving cipher, the protocol that was set up, and failure.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;

use super::output::Output;
use super::{ConnectionError, Limits, Role};
use crate::frame::{Frame, HEADER_LEN, Header};
use crate::message::{Payload, SetupConnection, SetupConnectionSuccess};
use crate::noise::{
    ACT1_LEN, ACT2_LEN, Certificate, CipherError, CipherState, Clock, Identity, Initiator, MAC_LEN, MAX_CIPHERTEXT_LEN,
    MAX_PLAINTEXT_LEN, Responder, Transport,
};
use crate::{Random, Time};

/// A sealed header on the wire (spec 4.6).
pub(super) const SEALED_HEADER_LEN: usize = HEADER_LEN + MAC_LEN;

/// The receiving half of a connection, without its buffer.
pub(super) struct Session {
    state: State,
    role: Role,
    /// The protocol of the SetupConnection that went by.
    proposed: Option<u8>,
    /// The protocol that a SetupConnection.Success confirmed.
    protocol: Option<u8>,
    has_clock: bool,
    authenticated: bool,
    certificate: Option<Box<Certificate>>,
    error: Option<ConnectionError>,
}

enum State {
    /// Taken by the handshake's second act.
    Initiating(Option<Box<Initiator>>),
    Responding(Arc<Identity>),
    Plain,
    Sealed {
        receive: CipherState,
        header: Option<Header>,
    },
}

/// What came of looking at the unread bytes.
pub(super) enum Step {
    /// Nothing can be done with less than so many bytes.
    Need(usize),
    /// So many bytes are used up, and there may be more to do.
    Done(usize),
    /// A frame: where its payload stands, and how many bytes are used up with it.
    Frame { header: Header, payload: Range<usize>, used: usize },
}

impl Session {
    pub(super) fn initiating(initiator: Initiator) -> Self {
        Self::new(State::Initiating(Some(Box::new(initiator))), Role::Client)
    }

    pub(super) fn responding(identity: Arc<Identity>) -> Self {
        Self::new(State::Responding(identity), Role::Server)
    }

    pub(super) fn plain(role: Role) -> Self {
        Self::new(State::Plain, role)
    }

    fn new(state: State, role: Role) -> Self {
        let (proposed, protocol, certificate, error) = (None, None, None, None);
        Self { state, role, proposed, protocol, has_clock: true, authenticated: false, certificate, error }
    }

    pub(super) fn assume_no_clock(&mut self) {
        self.has_clock = false;
    }

    /// The initiator's first act; empty for everybody else.
    pub(super) fn act1(&self) -> &[u8] {
        match &self.state {
            State::Initiating(Some(initiator)) => initiator.act1(),
            _ => &[],
        }
    }

    pub(super) fn is_shaking_hands(&self) -> bool {
        matches!(self.state, State::Initiating(_) | State::Responding(_)) && self.error.is_none()
    }

    pub(super) fn is_established(&self) -> bool {
        matches!(self.state, State::Plain | State::Sealed { .. }) && self.error.is_none()
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    #[inline]
    pub(super) fn error(&self) -> Option<ConnectionError> {
        self.error
    }

    pub(super) fn fail(&mut self, error: ConnectionError) {
        self.error.get_or_insert(error);
    }

    /// Looks at the unread bytes. An error is the last thing that ever happens: the caller must then call [`Session::fail`].
    /// (Done here, it would cost every frame a copy of its result.)
    #[inline]
    pub(super) fn step(
        &mut self,
        unread: &mut [u8],
        output: &mut Output,
        limits: &Limits,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Step, ConnectionError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        match &mut self.state {
            State::Plain => self.step_plain(unread, limits),
            State::Sealed { .. } => self.step_sealed(unread, limits),
            State::Initiating(_) | State::Responding(_) => self.shake_hands(unread, output, now, random),
        }
    }

    #[inline]
    fn step_plain(&mut self, unread: &[u8], limits: &Limits) -> Result<Step, ConnectionError> {
        let Some((header, rest)) = unread.split_first_chunk::<HEADER_LEN>() else { return Ok(Step::Need(HEADER_LEN)) };
        let header = Header::from_bytes(header);
        self.check_len(&header, limits)?;
        let used = HEADER_LEN + header.payload_len;
        let Some(payload) = rest.get(..header.payload_len) else { return Ok(Step::Need(used)) };
        self.note_received(&Frame { header, payload });
        Ok(Step::Frame { header, payload: HEADER_LEN..used, used })
    }

    #[inline]
    fn step_sealed(&mut self, unread: &mut [u8], limits: &Limits) -> Result<Step, ConnectionError> {
        let State::Sealed { receive, header } = &mut self.state else { return Ok(Step::Need(usize::MAX)) };
        let Some(known) = *header else {
            let Some(sealed) = unread.first_chunk_mut::<SEALED_HEADER_LEN>() else {
                return Ok(Step::Need(SEALED_HEADER_LEN));
            };
            receive.open(sealed).map_err(ConnectionError::Cipher)?;
            let [a, b, c, d, e, f, ..] = *sealed;
            let opened = Header::from_bytes(&[a, b, c, d, e, f]);
            *header = Some(opened);
            self.check_len(&opened, limits)?;
            return Ok(Step::Done(SEALED_HEADER_LEN));
        };
        let used = sealed_len(known.payload_len);
        let Some(sealed) = unread.get_mut(..used) else { return Ok(Step::Need(used)) };
        open_payload(receive, sealed).map_err(ConnectionError::Cipher)?;
        *header = None;
        let payload = sealed.get(..known.payload_len).unwrap_or_default();
        self.note_received(&Frame { header: known, payload });
        Ok(Step::Frame { header: known, payload: 0..known.payload_len, used })
    }

    #[cold]
    fn shake_hands(
        &mut self,
        unread: &[u8],
        output: &mut Output,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Step, ConnectionError> {
        let (transport, used) = match &mut self.state {
            State::Responding(identity) => {
                let Some(act1) = unread.first_chunk::<ACT1_LEN>() else { return Ok(Step::Need(ACT1_LEN)) };
                let (act2, transport) =
                    Responder::respond(identity, act1, random).map_err(ConnectionError::Handshake)?;
                output.push_plain(&act2);
                (transport, ACT1_LEN)
            }
            State::Initiating(initiator) => {
                let Some(act2) = unread.first_chunk::<ACT2_LEN>() else { return Ok(Step::Need(ACT2_LEN)) };
                let Some(initiator) = initiator.take() else { return Ok(Step::Need(usize::MAX)) };
                let clock = if self.has_clock { Clock::At(now.unix_s) } else { Clock::Unavailable };
                (initiator.finish(act2, clock).map_err(ConnectionError::Handshake)?, ACT2_LEN)
            }
            State::Plain | State::Sealed { .. } => return Ok(Step::Need(usize::MAX)),
        };
        let Transport { send, receive, certificate, authenticated } = transport;
        self.state = State::Sealed { receive, header: None };
        self.authenticated = authenticated;
        self.certificate = certificate.map(Box::new);
        output.open_sealed(send);
        Ok(Step::Done(used))
    }

    #[inline]
    fn check_len(&self, header: &Header, limits: &Limits) -> Result<(), ConnectionError> {
        let (len, max) = (header.payload_len, limits.max_payload(self.role, self.protocol));
        if len <= max { Ok(()) } else { Err(ConnectionError::PayloadTooLarge { tag: header.tag(), len, max }) }
    }

    /// A server learns from SetupConnection which protocol is wanted, a client from the answer that it holds.
    #[inline]
    fn note_received(&mut self, frame: &Frame<'_>) {
        if self.protocol.is_none() {
            self.note_setup(frame, Role::Server);
        }
    }

    #[inline]
    pub(super) fn note_sent(&mut self, frame: &Frame<'_>) {
        if self.protocol.is_none() {
            self.note_setup(frame, Role::Client);
        }
    }

    #[cold]
    fn note_setup(&mut self, frame: &Frame<'_>, proposer: Role) {
        let tag = frame.header.tag();
        if tag == SetupConnection::SHAPE.tag && self.role == proposer {
            // A second one changes nothing: the first was judged.
            self.proposed = self.proposed.or(frame.payload.first().copied());
        } else if tag == SetupConnectionSuccess::SHAPE.tag && self.role != proposer {
            self.protocol = self.proposed;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Initiating(_) => "initiating",
            State::Responding(_) => "responding",
            State::Plain => "plain",
            State::Sealed { .. } => "sealed",
        };
        f.debug_struct("Session")
            .field("state", &state)
            .field("role", &self.role)
            .field("protocol", &self.protocol)
            .field("authenticated", &self.authenticated)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// Bytes on the wire of a sealed payload (spec 4.6): each Noise message of it carries a MAC.
pub(super) const fn sealed_len(payload_len: usize) -> usize {
    payload_len + payload_len.div_ceil(MAX_PLAINTEXT_LEN) * MAC_LEN
}

/// Opens all Noise messages of a payload; their plaintexts close up at the front.
#[inline]
fn open_payload(cipher: &mut CipherState, sealed: &mut [u8]) -> Result<(), CipherError> {
    let (mut opened, mut from) = (0, 0);
    while from < sealed.len() {
        let to = sealed.len().min(from + MAX_CIPHERTEXT_LEN);
        let block = sealed.get_mut(opened..to).unwrap_or_default();
        opened += cipher.open_within(block, from - opened)?;
        from = to;
    }
    Ok(())
}
