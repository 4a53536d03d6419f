//! The client's side of the Mining Protocol: see [`Client`], and [`Channels`] for what stands behind it without a connection.

mod channel;
mod channels;
mod events;
mod job;
mod options;
mod requests;
mod session;
mod shares;

use alloc::boxed::Box;
use core::fmt;

pub use channel::{Channel, ChannelKind, Solution};
pub use channels::{Capacity, ChannelError, Channels, Submission};
use events::Note;
pub use events::{CloseReason, Event};
pub use job::{Job, JobState};
pub use options::ClientOptions;
use options::{MIN_RECEIVE_BUFFER_LEN, MIN_SEND_BUFFER_LEN};
use requests::{Opening, Wish};
use session::{Phase, Session};
pub use shares::{ShareTotals, UnansweredShare};

use crate::bitcoin::{ShortBytes, Target};
use crate::connection::{Connection, Role, SendError};
use crate::frame::{Header, MAX_PAYLOAD_LEN};
use crate::message::{
    CHANNEL_MSG, CloseChannel, EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, OpenExtendedMiningChannel,
    OpenStandardMiningChannel, Payload, RequestExtensions, SetCustomMiningJob, SubmitSharesExtended,
    TLV_USER_IDENTITY_MAX_LEN, UpdateChannel, tlv,
};
use crate::mining::share::ShareError;
use crate::noise::HandshakeError;
use crate::wire::{EncodeError, List, Str, U256};
use crate::{Random, Time};

/// Most extensions that can be asked for.
const MAX_EXTENSIONS: usize = 16;

/// Mines for one server: opens channels, follows their jobs, and submits shares (spec 5). For a device, a proxy, or a program.
///
/// **The loop.** The host hands in what happens: bytes from its socket, its own wishes, the passing of time. After each input it
/// takes all events with [`Client::next_event`] and does what they say; for [`Event::Writable`] it writes [`Client::output`]
/// to the socket until that is empty or the socket takes no more. Inputs are allowed in between. The engine calls nobody
/// back, never blocks, and reads no clock: it wants to be called again at [`Client::next_deadline`].
///
/// ```text
///   socket: connect, room + received or receive,    ┌────────┐ ─▶ Writable, Close
///           sent, disconnected                   ─▶ │        │ ─▶ Ready, ChannelOpened, NewJob, TipWithoutJob,
///     host: open_standard, open_extended, submit ─▶ │ Client │    TargetChanged, SharesAccepted, ShareRejected, ...
///    timer: tick                                 ─▶ └────────┘ ─▶ next_deadline
/// ```
///
/// What was received is looked at when an event is asked for, message by message. So the channels are always as the event says
/// that was taken last, and an event may borrow from the message that it is about. A message for a group gives an event for each
/// channel in it.
///
/// **Memory.** All that is needed is reserved in [`Client::connect`] and when a channel opens, as much as
/// [`ClientOptions`] says. Afterwards nothing is allocated, whatever the server sends, as long as no more is handed in at once
/// than [`Client::room`] has; what has no room closes the connection with a reason that says so. [`ClientOptions::device`]
/// is for a device with one standard channel.
///
/// **Work.** [`Channel::active_job`] is what to mine on: [`Job::header`] gives the header, [`Job::target`] what its hash must
/// not exceed, [`Client::submit`] hands it in. Jobs of the same tip that came before stay valid. With the next tip all others are
/// stale.
///
/// **Loss.** Channels end with their connection. They can be looked at until the next [`Client::connect`], for instance to see
/// which shares were never [answered](Channel::unanswered); after [`Event::Ready`] the host opens new ones.
pub struct Client {
    options: ClientOptions,
    random: Box<dyn Random + Send>,
    connection: Option<Connection>,
    session: Session,
    /// What the message that was read last is to tell the host.
    note: Option<Note>,
    closed: Option<CloseReason>,
    /// The host knows that there is something to write, and has not written since.
    told_writable: bool,
    last_heard: Option<Time>,
}

/// An input that was not accepted. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// There is no connection, or the engine has closed it.
    NotConnected,
    /// There is a connection already.
    AlreadyConnected,
    /// The server has not accepted the connection yet.
    NotReady,
    /// The handshake cannot be begun.
    Handshake(HandshakeError),
    /// There is not so much memory as the options say.
    OutOfMemory,
    /// A buffer of the options is too small, or there are too many extensions in them.
    Options,
    /// [`Client::sent`] says more than [`Client::output`] gave, or [`Client::received`] more than [`Client::room`] had.
    NotInBuffer,
    /// The channels that are open and those that were asked for are [`Capacity::channels`].
    TooManyChannels,
    /// The server opens no standard channels: it said REQUIRES_EXTENDED_CHANNELS.
    ExtendedChannelsRequired,
    /// Too many custom jobs wait for their answer.
    TooManyRequests,
    /// There is no such channel.
    UnknownChannel,
    /// The server would refuse the share.
    Share(ShareError),
    /// The identity of a worker has more than 32 bytes.
    WorkerTooLong(usize),
    /// Too many bytes wait to be sent: the socket takes none, or not enough.
    OutputFull,
    /// A string or another field does not fit into its message.
    Encode(EncodeError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("there is no connection"),
            Self::AlreadyConnected => f.write_str("there is a connection already"),
            Self::NotReady => f.write_str("the server has not accepted the connection yet"),
            Self::Handshake(error) => error.fmt(f),
            Self::OutOfMemory => f.write_str("there is not so much memory as the options say"),
            Self::Options => f.write_str("a buffer of the options is too small, or there are too many extensions"),
            Self::NotInBuffer => f.write_str("more was sent or received than there was place for"),
            Self::TooManyChannels => f.write_str("there is no room for another channel"),
            Self::ExtendedChannelsRequired => f.write_str("the server opens extended channels only"),
            Self::TooManyRequests => f.write_str("too many custom jobs wait for their answer"),
            Self::UnknownChannel => f.write_str("there is no such channel"),
            Self::Share(error) => error.fmt(f),
            Self::WorkerTooLong(len) => write!(f, "a worker's identity of {len} bytes, of at most 32"),
            Self::OutputFull => f.write_str("too many bytes wait to be sent"),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ClientError {}

impl Client {
    /// A client without a connection.
    ///
    /// # Errors
    /// `Encode` if a string of the options has more than 255 bytes, `Options` if a buffer is smaller than its field says.
    pub fn new(options: ClientOptions, random: Box<dyn Random + Send>) -> Result<Self, ClientError> {
        options.setup().encoded_len().map_err(ClientError::Encode)?;
        if options.receive_buffer_len < MIN_RECEIVE_BUFFER_LEN
            || options.send_buffer_len < MIN_SEND_BUFFER_LEN
            || options.extensions.len() > MAX_EXTENSIONS
        {
            return Err(ClientError::Options);
        }
        let session = Session::new(&options);
        let (connection, note, closed) = (None, None, None);
        Ok(Self { options, random, connection, session, note, closed, told_writable: false, last_heard: None })
    }

    // --------------------------------------------------------------------------------------------------------- socket

    /// The socket is connected to the server: the handshake begins. What is left of an earlier connection is gone.
    ///
    /// # Errors
    /// `AlreadyConnected`; `Handshake` if there is no randomness; `OutOfMemory`.
    pub fn connect(&mut self, now: Time) -> Result<(), ClientError> {
        if self.connection.is_some() {
            return Err(ClientError::AlreadyConnected);
        }
        let limits = self.options.limits();
        let mut connection = match self.options.authority {
            Some(authority) => {
                Connection::initiator(authority, limits, &mut *self.random).map_err(ClientError::Handshake)?
            }
            None => Connection::plain(Role::Client, limits),
        };
        if !connection.keep_buffers(self.options.receive_buffer_len) || !self.session.begin(&self.options, now) {
            return Err(ClientError::OutOfMemory);
        }
        if self.options.no_clock {
            connection.assume_no_clock();
        }
        (self.note, self.closed, self.told_writable) = (None, None, false);
        self.connection = Some(connection);
        self.tick(now);
        Ok(())
    }

    /// The socket is closed, or could not be connected. Also right, and without effect, after [`Event::Close`]. What was received
    /// and not looked at is gone.
    pub fn disconnected(&mut self, now: Time) {
        self.session.now = now;
        self.connection = None;
    }

    /// Memory to read into from the socket; say with [`Client::received`] how many bytes there were. Empty without a connection, and
    /// if events wait that have to be taken first.
    #[must_use]
    pub fn room(&mut self) -> &mut [u8] {
        self.connection.as_mut().map_or(&mut [], |connection| connection.room(0))
    }

    /// So many bytes were read into [`Client::room`].
    ///
    /// # Errors
    /// `NotConnected` or `NotInBuffer`. What is wrong with the bytes leads to an [`Event::Close`].
    pub fn received(&mut self, n: usize, now: Time) -> Result<(), ClientError> {
        let connection = self.connection.as_mut().ok_or(ClientError::NotConnected)?;
        if !connection.received(n) {
            return Err(ClientError::NotInBuffer);
        }
        self.session.now = now;
        if n > 0 {
            self.last_heard = Some(now);
        }
        Ok(())
    }

    /// Bytes came from the server, in memory of the host. They are copied; if they are more than [`Client::room`] has, the receive
    /// buffer grows.
    ///
    /// # Errors
    /// `NotConnected` or `OutOfMemory`. What is wrong with the bytes leads to an [`Event::Close`].
    pub fn receive(&mut self, bytes: &[u8], now: Time) -> Result<(), ClientError> {
        let connection = self.connection.as_mut().ok_or(ClientError::NotConnected)?;
        let room = connection.room(bytes.len()).get_mut(..bytes.len()).ok_or(ClientError::OutOfMemory)?;
        room.copy_from_slice(bytes);
        self.received(bytes.len(), now)
    }

    /// Bytes to write to the socket, contiguous and in order. Empty if there are none.
    #[must_use]
    pub fn output(&mut self) -> &[u8] {
        self.connection.as_mut().map_or(&[], Connection::output)
    }

    /// The first `n` bytes of [`Client::output`] were written. If more are left, an [`Event::Writable`] says so again. A socket that
    /// takes nothing says nothing here, or 0, which leads to no event: the host waits until it takes bytes.
    ///
    /// # Errors
    /// `NotConnected` or `NotInBuffer`.
    pub fn sent(&mut self, n: usize, now: Time) -> Result<(), ClientError> {
        let connection = self.connection.as_mut().ok_or(ClientError::NotConnected)?;
        if !connection.sent(n) {
            return Err(ClientError::NotInBuffer);
        }
        self.session.now = now;
        self.told_writable &= n == 0;
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------- channels

    /// Asks for a standard channel (spec 5.3.2): [`Event::ChannelOpened`] or [`Event::OpenRefused`] comes, with the request_id
    /// that is given here. `nominal_hash_rate` is in hashes a second, 0 if nothing mines yet; `max_target` is the easiest target
    /// that the devices can work with.
    ///
    /// # Errors
    /// `NotConnected`, `NotReady`, `TooManyChannels`, `ExtendedChannelsRequired`, `OutputFull`; `Encode` if the identity has more
    /// than 255 bytes or the hash rate is no number.
    pub fn open_standard(
        &mut self,
        user_identity: &str,
        nominal_hash_rate: f32,
        max_target: Target,
        now: Time,
    ) -> Result<u32, ClientError> {
        let request_id = self.session.requests.next_request_id();
        let (user, max_target) = (Str::from(user_identity), U256(max_target.0));
        let message = OpenStandardMiningChannel { request_id, user_identity: user, nominal_hash_rate, max_target };
        if self.session.extended_only && self.is_ready() {
            return Err(ClientError::ExtendedChannelsRequired);
        }
        self.open(Opening::Standard, user_identity, &message, now)
    }

    /// Asks for an extended channel (spec 5.3.4), as [`Client::open_standard`], of which at least `min_extranonce_size` bytes of
    /// extranonce can be chosen.
    ///
    /// # Errors
    /// As [`Client::open_standard`], but `ExtendedChannelsRequired`.
    pub fn open_extended(
        &mut self,
        user_identity: &str,
        nominal_hash_rate: f32,
        max_target: Target,
        min_extranonce_size: u16,
        now: Time,
    ) -> Result<u32, ClientError> {
        let message = OpenExtendedMiningChannel {
            request_id: self.session.requests.next_request_id(),
            user_identity: Str::from(user_identity),
            nominal_hash_rate,
            max_target: U256(max_target.0),
            min_extranonce_size,
        };
        self.open(Opening::Extended, user_identity, &message, now)
    }

    fn open<'m>(
        &mut self,
        kind: Opening,
        user_identity: &str,
        message: &impl Payload<'m>,
        now: Time,
    ) -> Result<u32, ClientError> {
        if self.session.channels.len() + self.session.requests.channels() >= self.options.capacity.channels {
            return Err(ClientError::TooManyChannels);
        }
        self.send(message, now)?;
        let worker = ShortBytes::from(start_of(user_identity, TLV_USER_IDENTITY_MAX_LEN).as_bytes());
        let deadline = now.monotonic_ms.saturating_add(self.options.open_timeout_ms);
        Ok(self.session.requests.push(Wish::Channel { kind, worker, deadline }))
    }

    /// Tells the server another hash rate and greatest target (spec 5.3.7). It answers with SetTarget, or not at all, or with
    /// [`Event::UpdateRefused`].
    ///
    /// # Errors
    /// `NotConnected`, `UnknownChannel`, `OutputFull`; `Encode` if the hash rate is no number.
    pub fn update_channel(
        &mut self,
        channel_id: u32,
        nominal_hash_rate: f32,
        max_target: Target,
        now: Time,
    ) -> Result<(), ClientError> {
        self.expect_channel(channel_id)?;
        let maximum_target = U256(max_target.0);
        self.send(&UpdateChannel { channel_id, nominal_hash_rate, maximum_target }, now)
    }

    /// Closes a channel (spec 5.3.9). What the server still sends for it is ignored. Gives what became of its shares.
    ///
    /// # Errors
    /// `NotConnected`, `UnknownChannel`, `OutputFull`; `Encode` if the reason has more than 255 bytes.
    pub fn close_channel(&mut self, channel_id: u32, reason_code: &str, now: Time) -> Result<ShareTotals, ClientError> {
        self.expect_channel(channel_id)?;
        self.send(&CloseChannel { channel_id, reason_code: Str::from(reason_code) }, now)?;
        Ok(self.session.channels.close(channel_id).unwrap_or_default())
    }

    // ----------------------------------------------------------------------------------------------------------- work

    /// A hash meets the target of its job: submits the share (spec 5.3.11, 5.3.12), and gives its sequence_number, with which
    /// [`Event::SharesAccepted`] or [`Event::ShareRejected`] answers. The hash itself is not looked at.
    ///
    /// `worker`, of at most 32 bytes, is who found it, on an extended channel of a server that supports
    /// the extension for it; else it is not sent. Without one the channel's user identity takes its place.
    ///
    /// # Errors
    /// `NotConnected`, `WorkerTooLong`, `OutputFull`; `Share` with what the server would say, see [`Channels::submission`].
    pub fn submit(
        &mut self,
        channel_id: u32,
        solution: &Solution<'_>,
        worker: Option<&[u8]>,
        now: Time,
    ) -> Result<u32, ClientError> {
        if let Some(len) = worker.map(<[u8]>::len).filter(|len| *len > TLV_USER_IDENTITY_MAX_LEN) {
            return Err(ClientError::WorkerTooLong(len));
        }
        if self.connection.is_none() {
            return Err(ClientError::NotConnected);
        }
        let submission = self.session.channels.submission(channel_id, solution).map_err(ClientError::Share)?;
        let sequence_number = match submission {
            Submission::Standard(message) => {
                self.send(&message, now)?;
                message.sequence_number
            }
            Submission::Extended(message) => {
                self.send_extended(&message, worker, now)?;
                message.sequence_number
            }
        };
        self.session.channels.note_submitted(channel_id, solution.job_id, now);
        Ok(sequence_number)
    }

    fn send_extended(
        &mut self,
        message: &SubmitSharesExtended<'_>,
        worker: Option<&[u8]>,
        now: Time,
    ) -> Result<(), ClientError> {
        if !self.is_negotiated(EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING) {
            return self.send(message, now);
        }
        let worker = worker.unwrap_or_else(|| self.session.channels.worker(message.channel_id));
        let connection = self.connection.as_mut().ok_or(ClientError::NotConnected)?;
        let fields_len = message.encoded_len().map_err(ClientError::Encode)?;
        let len = fields_len + tlv::HEADER_LEN + worker.len();
        let header = Header::new(SubmitSharesExtended::SHAPE, len).ok_or(ClientError::OutputFull)?;
        let order = self.options.tlv_byte_order;
        let sent = connection.send_with(header, |payload| {
            let (fields, field) = payload.split_at_mut_checked(fields_len).unwrap_or_default();
            message.encode(fields).is_ok() && tlv::write(field, tlv::USER_IDENTITY, worker, order).is_ok()
        });
        self.session.now = now;
        self.check_sent(sent)
    }

    /// Asks to be rewarded for work on a job of the client's own (spec 5.3.18); the request_id of `job` is chosen here, and given.
    /// [`Event::CustomJobAccepted`] or [`Event::CustomJobRefused`] comes. How long to wait for it is the host's choice.
    ///
    /// # Errors
    /// `NotConnected`, `UnknownChannel`, `TooManyRequests`, `OutputFull`, `Encode`.
    pub fn set_custom_job(&mut self, job: &SetCustomMiningJob<'_>, now: Time) -> Result<u32, ClientError> {
        self.expect_channel(job.channel_id)?;
        if !self.session.requests.has_room_for_custom_job() {
            return Err(ClientError::TooManyRequests);
        }
        let message = SetCustomMiningJob { request_id: self.session.requests.next_request_id(), ..*job };
        self.send(&message, now)?;
        let (channel_id, version, min_ntime) = (job.channel_id, job.version, job.min_ntime);
        Ok(self.session.requests.push(Wish::CustomJob { channel_id, version, min_ntime, prev_hash: job.prev_hash.0 }))
    }

    /// Sends a message of an extension, which has to be negotiated; this library does not look into it.
    ///
    /// # Errors
    /// `NotConnected`, `NotReady`, `OutputFull`.
    pub fn send_extension_message(
        &mut self,
        extension_type: u16,
        message_type: u8,
        channel_msg: bool,
        payload: &[u8],
        now: Time,
    ) -> Result<(), ClientError> {
        let is_ready = self.is_ready();
        let connection = self.connection.as_mut().ok_or(ClientError::NotConnected)?;
        if !is_ready {
            return Err(ClientError::NotReady);
        }
        if payload.len() > MAX_PAYLOAD_LEN {
            return Err(ClientError::OutputFull);
        }
        let channel_bit = if channel_msg { CHANNEL_MSG } else { 0 };
        let extension_type = extension_type & !CHANNEL_MSG | channel_bit;
        let header = Header { extension_type, message_type, payload_len: payload.len() };
        let sent = connection.send_with(header, |to| {
            to.copy_from_slice(payload);
            true
        });
        self.session.now = now;
        self.check_sent(sent)
    }

    // ----------------------------------------------------------------------------------------------------------- time

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.session.now = now;
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = connection.tick(now) {
            return self.close(CloseReason::Connection(error));
        }
        match self.session.deadline(&self.options) {
            Some((at, reason)) if at <= now.monotonic_ms => self.close(reason),
            _ => {}
        }
    }

    /// When [`Client::tick`] is to be called, in monotonic milliseconds; not at all if `None`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let connection = self.connection.as_ref()?;
        let session = self.session.deadline(&self.options).map(|(at, _)| at);
        [session, connection.next_deadline()].into_iter().flatten().min()
    }

    // --------------------------------------------------------------------------------------------------------- events

    /// What the host must do next, until there is nothing.
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        let note = loop {
            if let Some(note) = self.next_note() {
                break note;
            }
            if !self.read_message() {
                return None;
            }
        };
        let payload = self.connection.as_ref().map_or(&[][..], Connection::last_payload);
        Some(note.event(payload, &self.session.line))
    }

    /// Lines of the log come before the events that they explain, and bytes to write before another message is read.
    fn next_note(&mut self) -> Option<Note> {
        if let Some(reason) = self.closed.take() {
            return Some(Note::Close { reason });
        }
        self.connection.as_ref()?;
        if let Some(note) = self.session.next_note().or_else(|| self.note.take()) {
            return Some(note);
        }
        self.send_waiting();
        let to_write = self.connection.as_ref().map_or(0, Connection::output_len);
        if to_write > 0 && !self.told_writable {
            self.told_writable = true;
            return Some(Note::Writable);
        }
        None
    }

    /// Reads the next message, if there is a whole one. False if there is none, and nothing that follows from it.
    fn read_message(&mut self) -> bool {
        if self.closed.is_some() {
            return true;
        }
        let Some(connection) = &mut self.connection else { return false };
        let was_established = connection.is_established();
        let result = match connection.next(self.session.now, &mut *self.random) {
            Ok(Some(frame)) => self.session.handle(&frame, &self.options),
            // With the last act of the handshake SetupConnection can be sent.
            Ok(None) => return !was_established && connection.is_established(),
            Err(error) => Err(CloseReason::Connection(error)),
        };
        match result {
            Ok(note) => self.note = note,
            Err(reason) => self.close(reason),
        }
        // What is asked for right after SetupConnection comes before anything that the host sends.
        self.send_waiting();
        true
    }

    // ---------------------------------------------------------------------------------------------------------- state

    /// A channel of the present connection, or, until the next one, of that before.
    #[must_use]
    pub fn channel(&self, channel_id: u32) -> Option<Channel<'_>> {
        self.session.channels.get(channel_id)
    }

    /// All of them.
    #[must_use]
    pub const fn channels(&self) -> &Channels {
        &self.session.channels
    }

    /// Whether there is a connection, set up or not.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether the server has accepted the connection.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_connected() && self.session.is_set_up()
    }

    /// Whether the server proved to be who it should be.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_authenticated)
    }

    /// Whether the server supports an extension that it was asked for.
    #[must_use]
    pub fn is_negotiated(&self, extension_type: u16) -> bool {
        self.is_ready() && self.session.negotiated.contains(&extension_type)
    }

    /// When bytes last came from the server, over this or an earlier connection.
    #[must_use]
    pub const fn last_heard(&self) -> Option<Time> {
        self.last_heard
    }

    // -------------------------------------------------------------------------------------------------------- helpers

    /// What the engine itself has to send.
    fn send_waiting(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let sent = match self.session.phase {
            Phase::Handshake { deadline } if connection.is_established() => {
                self.session.phase = Phase::Setup { deadline };
                connection.send(&self.options.setup())
            }
            Phase::SetUp if self.session.asks_extensions => {
                self.session.asks_extensions = false;
                let requested_extensions = List::Items(&self.options.extensions);
                connection.send(&RequestExtensions { request_id: 1, requested_extensions })
            }
            _ => return,
        };
        if self.check_sent(sent).is_err() {
            // There is room for both, as the connection begins with them: the cipher has failed, which reading finds.
            self.told_writable = false;
        }
    }

    fn send<'m>(&mut self, message: &impl Payload<'m>, now: Time) -> Result<(), ClientError> {
        let is_ready = self.is_ready();
        let connection = self.connection.as_mut().ok_or(ClientError::NotConnected)?;
        if !is_ready {
            return Err(ClientError::NotReady);
        }
        let sent = connection.send(message);
        self.session.now = now;
        self.check_sent(sent)
    }

    fn check_sent(&mut self, sent: Result<(), SendError>) -> Result<(), ClientError> {
        use crate::frame::FrameError;
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Frame(FrameError::Encode(error))) => Err(ClientError::Encode(error)),
            Err(SendError::OutputFull | SendError::Frame(_)) => Err(ClientError::OutputFull),
            Err(SendError::Failed) => {
                if let Some(error) = self.connection.as_ref().and_then(Connection::error) {
                    self.close(CloseReason::Connection(error));
                }
                Err(ClientError::NotConnected)
            }
        }
    }

    fn expect_channel(&self, channel_id: u32) -> Result<(), ClientError> {
        if !self.is_connected() {
            return Err(ClientError::NotConnected);
        }
        self.channel(channel_id).map(|_| ()).ok_or(ClientError::UnknownChannel)
    }

    fn close(&mut self, reason: CloseReason) {
        self.connection = None;
        self.note = None;
        self.closed = Some(reason);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connected", &self.is_connected())
            .field("phase", &self.session.phase)
            .field("channels", &self.session.channels.len())
            .finish_non_exhaustive()
    }
}

/// The first `max` bytes of a text, and not half of a character.
fn start_of(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
