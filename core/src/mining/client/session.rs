//! What each message of the server means, from SetupConnection.Success on.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::events::{Line, Note};
use super::requests::{Opening, Requests, Wish};
use super::{Channels, ClientOptions, CloseReason};
use crate::Time;
use crate::bitcoin::{Hash, ShortBytes};
use crate::clients::Level;
use crate::connection::ConnectionError;
use crate::frame::Frame;
use crate::message::{
    Message, OpenExtendedMiningChannelSuccess, OpenMiningChannelError, OpenStandardMiningChannelSuccess,
    RequestExtensionsError, RequestExtensionsSuccess, SUCCESS_FLAG_REQUIRES_EXTENDED_CHANNELS,
    SUCCESS_FLAG_REQUIRES_FIXED_VERSION, SetCustomMiningJobError, SetCustomMiningJobSuccess, SetupConnectionError,
    SetupConnectionSuccess, shape,
};
use crate::mining::PROTOCOL_VERSION;
use crate::wire::Str;

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// SetupConnection waits for the handshake.
    Handshake { deadline: u64 },
    /// SetupConnection waits for its answer.
    Setup { deadline: u64 },
    /// Channels can be opened.
    SetUp,
}

/// What is known of the server over the present connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) phase: Phase,
    /// RequestExtensions is to be sent.
    pub(super) asks_extensions: bool,
    /// The extensions that the server supports, of those it was asked for.
    pub(super) negotiated: Vec<u16>,
    /// The server takes no change of the version: SetupConnection.Success said REQUIRES_FIXED_VERSION.
    fixed_version: bool,
    /// It opens no standard channels: REQUIRES_EXTENDED_CHANNELS.
    pub(super) extended_only: bool,
    pub(super) channels: Channels,
    pub(super) requests: Requests,
    /// A message of which not all channels that it is for were told.
    fanout: Option<Fanout>,
    log: Option<Level>,
    pub(super) line: Line,
    /// When the last input came.
    pub(super) now: Time,
}

/// A message for a channel or a group, told channel by channel.
#[derive(Debug)]
struct Fanout {
    address: u32,
    /// The first channel that was not told.
    from: u32,
    what: Told,
}

#[derive(Debug)]
enum Told {
    Job(u32),
    Tip,
    Target,
    Closed { reason_code: Range<usize> },
}

impl Session {
    pub(super) fn new(options: &ClientOptions) -> Self {
        Self {
            phase: Phase::Handshake { deadline: u64::MAX },
            asks_extensions: false,
            negotiated: Vec::new(),
            fixed_version: false,
            extended_only: false,
            channels: Channels::new(options.capacity),
            requests: Requests::new(options.capacity.channels),
            fanout: None,
            log: None,
            line: Line::default(),
            now: Time::default(),
        }
    }

    /// A connection begins: nothing of the one before is left. False if there is no memory for what it needs.
    #[must_use]
    pub(super) fn begin(&mut self, options: &ClientOptions, now: Time) -> bool {
        self.phase = Phase::Handshake { deadline: now.monotonic_ms.saturating_add(options.setup_timeout_ms) };
        (self.asks_extensions, self.fixed_version, self.extended_only) = (false, false, false);
        self.negotiated.clear();
        self.channels.clear();
        self.requests.clear();
        (self.fanout, self.log) = (None, None);
        self.requests.reserve() && self.negotiated.try_reserve_exact(options.extensions.len()).is_ok()
    }

    pub(super) fn is_set_up(&self) -> bool {
        self.phase == Phase::SetUp
    }

    /// By when something must have happened, in monotonic milliseconds, and what it means if it has not.
    pub(super) fn deadline(&self, options: &ClientOptions) -> Option<(u64, CloseReason)> {
        match self.phase {
            Phase::Handshake { deadline } | Phase::Setup { deadline } => Some((deadline, CloseReason::SetupTimeout)),
            Phase::SetUp => {
                let open = self.requests.deadline().map(|at| (at, CloseReason::OpenTimeout));
                // Who selects the work themselves is sent none.
                let idle_since = self.channels.idle_since().filter(|_| !options.requires_work_selection);
                let job = idle_since.map(|since| (since.saturating_add(options.job_timeout_ms), CloseReason::NoJob));
                [open, job].into_iter().flatten().min_by_key(|(at, _)| *at)
            }
        }
    }

    /// What the host is to be told before another message is read.
    pub(super) fn next_note(&mut self) -> Option<Note> {
        if let Some(level) = self.log.take() {
            return Some(Note::Log { level });
        }
        self.next_of_fanout()
    }

    /// Takes a message in. Gives what the host is to be told at once; [`Session::next_note`] gives the rest.
    pub(super) fn handle(&mut self, frame: &Frame<'_>, options: &ClientOptions) -> Result<Option<Note>, CloseReason> {
        let message = Message::decode(frame.header.tag(), frame.payload);
        let message = message.map_err(|error| CloseReason::Connection(ConnectionError::Malformed(error)))?;
        match message {
            Message::SetupConnectionSuccess(message) => return self.take_setup_success(&message, options),
            Message::SetupConnectionError(message) => return self.take_setup_error(&message),
            Message::Unknown(_) => return Ok(self.take_unknown(frame)),
            _ if !self.is_set_up() => {
                return Err(CloseReason::BeforeSetup(shape(frame.header.tag()).map_or("", |shape| shape.name)));
            }
            _ => {}
        }
        match message {
            Message::RequestExtensionsSuccess(message) => Ok(self.take_extensions(&message, options)),
            Message::RequestExtensionsError(message) => self.take_extensions_error(&message),
            Message::OpenStandardMiningChannelSuccess(message) => self.take_standard_channel(&message),
            Message::OpenExtendedMiningChannelSuccess(message) => self.take_extended_channel(&message),
            Message::OpenMiningChannelError(message) => Ok(self.take_open_error(&message)),
            Message::SetCustomMiningJobSuccess(message) => Ok(self.take_custom_job(&message)),
            Message::SetCustomMiningJobError(message) => Ok(self.take_custom_job_error(&message)),
            Message::SubmitSharesSuccess(message) => {
                let not_submitted = self.channels.shares_accepted(&message);
                if let Some(more @ 1..) = not_submitted {
                    let channel_id = message.channel_id;
                    self.log(Level::Warning, format_args!("channel {channel_id}: {more} shares too many acknowledged"));
                }
                Ok(self.known(not_submitted.is_some(), message.channel_id).then_some(Note::SharesAccepted {
                    channel_id: message.channel_id,
                    last_sequence_number: message.last_sequence_number,
                    count: message.new_submits_accepted_count,
                    difficulty_sum: message.new_shares_sum,
                }))
            }
            Message::SubmitSharesError(message) => {
                let found = self.channels.share_rejected(&message).is_some();
                Ok(self.known(found, message.channel_id).then_some(Note::ShareRejected {
                    channel_id: message.channel_id,
                    sequence_number: message.sequence_number,
                    error_code: text_at(8, message.error_code),
                }))
            }
            Message::UpdateChannelError(message) => Ok(Some(Note::UpdateRefused {
                channel_id: message.channel_id,
                error_code: text_at(4, message.error_code),
            })),
            Message::SetExtranoncePrefix(message) => {
                let found = self.channels.set_extranonce_prefix(&message).map_err(CloseReason::Channel)?;
                let channel_id = message.channel_id;
                Ok(self.known(found, channel_id).then_some(Note::PrefixChanged { channel_id }))
            }
            Message::Reconnect(message) => {
                Ok(Some(Note::Reconnect { host: text_at(0, message.new_host), port: message.new_port }))
            }
            Message::ChannelEndpointChanged(message) => {
                Ok(Some(Note::ChannelEndpointChanged { channel_id: message.channel_id }))
            }
            message => self.take_for_group(message, frame),
        }
    }

    /// Messages that may be for all channels of a group.
    fn take_for_group(&mut self, message: Message<'_>, frame: &Frame<'_>) -> Result<Option<Note>, CloseReason> {
        let (address, found, what) = match message {
            Message::NewMiningJob(message) => {
                let found = self.channels.new_mining_job(&message, self.fixed_version);
                (message.channel_id, found, Told::Job(message.job_id))
            }
            Message::NewExtendedMiningJob(message) => {
                let found = self.channels.new_extended_mining_job(&message).map_err(CloseReason::Channel)?;
                (message.channel_id, found, Told::Job(message.job_id))
            }
            Message::SetNewPrevHash(message) => {
                let found = self.channels.set_new_prev_hash(&message, self.now).map_err(CloseReason::Channel)?;
                (message.channel_id, found, Told::Tip)
            }
            Message::SetTarget(message) => (message.channel_id, self.channels.set_target(&message), Told::Target),
            Message::CloseChannel(message) => {
                let found = self.channels.addressed_from(message.channel_id, 0).is_some();
                (message.channel_id, found, Told::Closed { reason_code: text_at(4, message.reason_code) })
            }
            Message::SetGroupChannel(message) => {
                self.channels.set_group_channel(&message);
                return Ok(None);
            }
            _ => {
                self.ignore(frame);
                return Ok(None);
            }
        };
        if self.known(found, address) {
            self.fanout = Some(Fanout { address, from: 0, what });
        }
        Ok(None)
    }

    fn next_of_fanout(&mut self) -> Option<Note> {
        let Fanout { address, from, what } = self.fanout.as_mut()?;
        let Some(channel_id) = self.channels.addressed_from(*address, *from) else {
            self.fanout = None;
            return None;
        };
        let channel = self.channels.get(channel_id);
        let active = channel.and_then(|channel| channel.active_job()).map(|job| job.job_id());
        let note = match what {
            Told::Job(job_id) if active == Some(*job_id) => Note::NewJob { channel_id, job_id: *job_id, clean: false },
            Told::Job(job_id) => Note::FutureJob { channel_id, job_id: *job_id },
            Told::Tip => match active {
                Some(job_id) => Note::NewJob { channel_id, job_id, clean: true },
                None => Note::TipWithoutJob { channel_id },
            },
            Told::Target => Note::TargetChanged { channel_id },
            Told::Closed { reason_code } => {
                let totals = self.channels.close(channel_id).unwrap_or_default();
                Note::ChannelClosed { channel_id, reason_code: reason_code.clone(), totals }
            }
        };
        match channel_id.checked_add(1) {
            Some(next) if next > *from => *from = next,
            _ => self.fanout = None,
        }
        Some(note)
    }

    // ---------------------------------------------------------------------------------------------------------- setup

    fn take_setup_success(
        &mut self,
        message: &SetupConnectionSuccess,
        options: &ClientOptions,
    ) -> Result<Option<Note>, CloseReason> {
        if self.is_set_up() {
            self.log(Level::Warning, format_args!("a second SetupConnection.Success is ignored"));
            return Ok(None);
        }
        if message.used_version != PROTOCOL_VERSION {
            return Err(CloseReason::VersionNotOffered(message.used_version));
        }
        self.phase = Phase::SetUp;
        self.fixed_version = message.flags & SUCCESS_FLAG_REQUIRES_FIXED_VERSION != 0;
        self.extended_only = message.flags & SUCCESS_FLAG_REQUIRES_EXTENDED_CHANNELS != 0;
        self.asks_extensions = !options.extensions.is_empty();
        if self.fixed_version && options.requires_version_rolling {
            let text = format_args!("the server demands a fixed version although version rolling is required");
            self.log(Level::Warning, text);
        }
        Ok(Some(Note::Ready { flags: message.flags }))
    }

    fn take_setup_error(&mut self, message: &SetupConnectionError<'_>) -> Result<Option<Note>, CloseReason> {
        let &SetupConnectionError { flags, error_code } = message;
        if self.is_set_up() {
            let text = format_args!("SetupConnection.Error ({error_code}) after its Success is ignored");
            self.log(Level::Warning, text);
            return Ok(None);
        }
        Err(CloseReason::SetupRefused { flags, error_code: ShortBytes::from(error_code.0) })
    }

    fn take_extensions(&mut self, message: &RequestExtensionsSuccess<'_>, options: &ClientOptions) -> Option<Note> {
        self.negotiated.clear();
        let is_supported = |wanted: &&u16| message.supported_extensions.iter().any(|supported| supported == **wanted);
        self.negotiated.extend(options.extensions.iter().filter(is_supported));
        Some(Note::Extensions)
    }

    fn take_extensions_error(&mut self, message: &RequestExtensionsError<'_>) -> Result<Option<Note>, CloseReason> {
        match message.required_extensions.iter().next() {
            Some(required) => Err(CloseReason::ExtensionRequired(required)),
            None => {
                self.negotiated.clear();
                Ok(Some(Note::Extensions))
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------- channels

    fn take_standard_channel(
        &mut self,
        message: &OpenStandardMiningChannelSuccess<'_>,
    ) -> Result<Option<Note>, CloseReason> {
        let Some(worker) = self.take_opening(message.request_id, Opening::Standard) else { return Ok(None) };
        let opened = self.channels.open_standard(message, &worker, self.now);
        opened.map_err(CloseReason::Channel)?;
        Ok(Some(Note::ChannelOpened { request_id: message.request_id, channel_id: message.channel_id }))
    }

    fn take_extended_channel(
        &mut self,
        message: &OpenExtendedMiningChannelSuccess<'_>,
    ) -> Result<Option<Note>, CloseReason> {
        let Some(worker) = self.take_opening(message.request_id, Opening::Extended) else { return Ok(None) };
        let opened = self.channels.open_extended(message, &worker, self.now);
        opened.map_err(CloseReason::Channel)?;
        Ok(Some(Note::ChannelOpened { request_id: message.request_id, channel_id: message.channel_id }))
    }

    /// The worker of a channel that was asked for.
    fn take_opening(&mut self, request_id: u32, opening: Opening) -> Option<ShortBytes<32>> {
        let is_wanted = |wish: &Wish| matches!(wish, Wish::Channel { kind, .. } if *kind == opening);
        let Some(Wish::Channel { worker, .. }) = self.requests.take(request_id, is_wanted) else {
            self.log(
                Level::Warning,
                format_args!("a channel for request {request_id}, which was not made, is ignored"),
            );
            return None;
        };
        Some(worker)
    }

    fn take_open_error(&mut self, message: &OpenMiningChannelError<'_>) -> Option<Note> {
        let &OpenMiningChannelError { request_id, error_code } = message;
        match self.requests.take(request_id, |wish| matches!(wish, Wish::Channel { .. })) {
            Some(_) => Some(Note::OpenRefused { request_id, error_code: text_at(4, error_code) }),
            None => {
                let text = format_args!("{error_code} for request {request_id}, which was not made, is ignored");
                self.log(Level::Warning, text);
                None
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------- custom jobs

    fn take_custom_job(&mut self, message: &SetCustomMiningJobSuccess) -> Option<Note> {
        let &SetCustomMiningJobSuccess { channel_id, request_id, job_id } = message;
        let Some((version, min_ntime, prev_hash)) = self.take_custom_wish(channel_id, request_id) else {
            self.log(Level::Warning, format_args!("a custom job for request {request_id}, which was not made"));
            return None;
        };
        let found = self.channels.custom_job_accepted(channel_id, job_id, version, min_ntime, prev_hash);
        self.known(found, channel_id).then_some(Note::CustomJobAccepted { channel_id, request_id, job_id })
    }

    fn take_custom_job_error(&mut self, message: &SetCustomMiningJobError<'_>) -> Option<Note> {
        let &SetCustomMiningJobError { channel_id, request_id, error_code } = message;
        if self.take_custom_wish(channel_id, request_id).is_none() {
            self.log(Level::Warning, format_args!("{error_code} for request {request_id}, which was not made"));
            return None;
        }
        Some(Note::CustomJobRefused { channel_id, request_id, error_code: text_at(8, error_code) })
    }

    fn take_custom_wish(&mut self, of_channel: u32, request_id: u32) -> Option<(u32, u32, Hash)> {
        let is_wanted = |wish: &Wish| matches!(wish, Wish::CustomJob { channel_id, .. } if *channel_id == of_channel);
        match self.requests.take(request_id, is_wanted)? {
            Wish::CustomJob { version, min_ntime, prev_hash, .. } => Some((version, min_ntime, prev_hash)),
            Wish::Channel { .. } => None,
        }
    }

    // -------------------------------------------------------------------------------------------------------- helpers

    /// A message that the library does not know: of an extension, for the host; of the protocol itself, for the log.
    fn take_unknown(&mut self, frame: &Frame<'_>) -> Option<Note> {
        let extension_type = (frame.header.tag() >> 8) as u16;
        if extension_type == 0 || !self.is_set_up() {
            self.ignore(frame);
            return None;
        }
        let (message_type, channel_msg) = (frame.header.message_type, frame.header.channel_msg());
        Some(Note::ExtensionMessage { extension_type, message_type, channel_msg })
    }

    fn ignore(&mut self, frame: &Frame<'_>) {
        let (tag, len) = (frame.header.tag(), frame.payload.len());
        let name = shape(tag).map_or("unknown", |shape| shape.name);
        self.log(Level::Debug, format_args!("message 0x{tag:02x} ({name}) of {len} bytes is ignored"));
    }

    /// Whether a message found its channel. Servers go on for a while with one that was closed, and may name groups that no
    /// channel is in.
    fn known(&mut self, found: bool, channel_id: u32) -> bool {
        if !found {
            self.log(Level::Debug, format_args!("a message for channel {channel_id}, which is not open, is ignored"));
        }
        found
    }

    fn log(&mut self, level: Level, text: fmt::Arguments<'_>) {
        self.line.set(text);
        self.log = Some(level);
    }
}

/// Where a STR0_255 stands whose length byte is at `offset`.
const fn text_at(offset: usize, text: Str<'_>) -> Range<usize> {
    offset + 1..offset + 1 + text.0.len()
}
