//! The connection to an upstream: how far it is with setting up, and what comes over it.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::events::UpstreamCloseReason;
use super::{ProxyOptions, UpstreamOptions};
use crate::connection::{Connection, Role, SendError};
use crate::frame::Header;
use crate::message::{
    PROTOCOL_MINING, Payload, RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess, SetupConnection,
    SetupConnectionError, SetupConnectionSuccess, shape,
};
use crate::mining::PROTOCOL_VERSION;
use crate::noise::HandshakeError;
use crate::wire::{List, Str};
use crate::{Random, Time};

/// Pairs the answer about extensions with the request; there is one request for each connection.
const EXTENSIONS_REQUEST_ID: u16 = 1;

pub(super) struct Link {
    pub(super) connection: Connection,
    phase: Phase,
    /// Whether an [`Event::UpstreamWritable`](super::Event::UpstreamWritable) waits.
    pub(super) writable: bool,
    /// SetupConnection.Success.flags.
    flags: u32,
    /// What the upstream supports of the extensions that were asked for.
    extensions: Vec<u16>,
    /// When bytes came last, in monotonic milliseconds.
    pub(super) heard_at: u64,
    /// Why it is to be closed, if sending found that out.
    pub(super) failed: Option<UpstreamCloseReason>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// SetupConnection waits for the handshake or its answer.
    Setup { deadline: u64 },
    /// RequestExtensions waits for its answer. Servers that do not know it say nothing.
    Extensions { deadline: u64 },
    /// Channels can be opened.
    Ready,
}

/// What came over the link.
pub(super) enum Incoming {
    /// The upstream is set up, and what extensions there are is known.
    Ready,
    /// A message for the mode to look at; its payload is in the scratch memory.
    Message(Header),
    /// A message of setting up, which is dealt with.
    Nothing,
}

impl Link {
    pub(super) fn new(
        options: &ProxyOptions,
        upstream: &UpstreamOptions,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Self, HandshakeError> {
        let mut connection = match upstream.authority {
            Some(authority) => Connection::initiator(authority, options.upstream_limits, random)?,
            None => Connection::plain(Role::Client, options.upstream_limits),
        };
        // This starts the clock of the handshake; a connection without a byte cannot fail.
        let _ = connection.tick(now);
        let mut link = Self {
            connection,
            phase: Phase::Setup { deadline: now.monotonic_ms.saturating_add(options.setup_timeout_ms) },
            writable: false,
            flags: 0,
            extensions: Vec::new(),
            heard_at: now.monotonic_ms,
            failed: None,
        };
        // It waits for the handshake.
        link.send(&setup(options, upstream));
        Ok(link)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub(super) fn flags(&self) -> u32 {
        self.flags
    }

    pub(super) fn supports(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        let own = match self.phase {
            Phase::Setup { deadline } | Phase::Extensions { deadline } => Some(deadline),
            Phase::Ready => None,
        };
        [own, self.connection.next_deadline()].into_iter().flatten().min()
    }

    /// Time has passed: whether the upstream became ready by saying nothing about extensions.
    pub(super) fn tick(&mut self, now: Time) -> Result<bool, UpstreamCloseReason> {
        self.connection.tick(now).map_err(UpstreamCloseReason::Connection)?;
        match self.phase {
            Phase::Setup { deadline } if deadline <= now.monotonic_ms => Err(UpstreamCloseReason::SetupTimeout),
            Phase::Extensions { deadline } if deadline <= now.monotonic_ms => {
                self.phase = Phase::Ready;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Queues a message. What cannot be queued ends the connection: the upstream does not read.
    pub(super) fn send<'m>(&mut self, message: &impl Payload<'m>) -> bool {
        let sent = self.connection.send(message);
        self.note(sent)
    }

    /// Queues a frame with a payload as it is.
    pub(super) fn send_raw(&mut self, header: Header, payload: &[u8]) -> bool {
        let header = Header { payload_len: payload.len(), ..header };
        let sent = self.connection.send_with(header, |place| {
            place.copy_from_slice(payload);
            true
        });
        self.note(sent)
    }

    fn note(&mut self, sent: Result<(), SendError>) -> bool {
        if let Err(error) = sent {
            let reason = match self.connection.error() {
                Some(error) => UpstreamCloseReason::Connection(error),
                None if error == SendError::OutputFull => UpstreamCloseReason::TooSlow,
                // A message of ours cannot be encoded: it is left out, and the connection is as good as before.
                None => return false,
            };
            self.failed.get_or_insert(reason);
        }
        sent.is_ok()
    }

    /// The next message out of `bytes`, or `None` if there is no whole one. Its payload is copied to `payload`.
    pub(super) fn next_message(
        &mut self,
        bytes: &mut &mut [u8],
        payload: &mut Vec<u8>,
        options: &ProxyOptions,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Option<Incoming>, UpstreamCloseReason> {
        let frame = self.connection.next_from(bytes, now, random).map_err(UpstreamCloseReason::Connection)?;
        let Some(frame) = frame else { return Ok(None) };
        let header = frame.header;
        payload.clear();
        payload.extend_from_slice(frame.payload);
        self.heard_at = now.monotonic_ms;
        self.take_in(header, payload, options, now).map(Some)
    }

    fn take_in(
        &mut self,
        header: Header,
        payload: &[u8],
        options: &ProxyOptions,
        now: Time,
    ) -> Result<Incoming, UpstreamCloseReason> {
        let tag = header.tag();
        if let Phase::Setup { .. } = self.phase {
            if tag == SetupConnectionSuccess::SHAPE.tag {
                return self.set_up(&SetupConnectionSuccess::decode(payload)?, options, now);
            } else if tag == SetupConnectionError::SHAPE.tag {
                let SetupConnectionError { flags, error_code } = SetupConnectionError::decode(payload)?;
                return Err(UpstreamCloseReason::SetupRefused { flags, error_code: error_code.to_string() });
            }
            return match shape(tag) {
                Some(shape) => Err(UpstreamCloseReason::BeforeSetup(shape.name)),
                None => Ok(Incoming::Nothing),
            };
        }
        if tag == RequestExtensionsSuccess::SHAPE.tag {
            let message = RequestExtensionsSuccess::decode(payload)?;
            let asked = |extension: &u16| options.extensions.contains(extension);
            self.extensions = message.supported_extensions.iter().filter(asked).collect();
            return Ok(self.extensions_known());
        }
        if tag == RequestExtensionsError::SHAPE.tag {
            let message = RequestExtensionsError::decode(payload)?;
            // Whatever else it requires was not asked for because it is not known here.
            return match message.required_extensions.iter().next() {
                Some(extension) => Err(UpstreamCloseReason::ExtensionRequired(extension)),
                None => Ok(self.extensions_known()),
            };
        }
        Ok(Incoming::Message(header))
    }

    fn set_up(
        &mut self,
        message: &SetupConnectionSuccess,
        options: &ProxyOptions,
        now: Time,
    ) -> Result<Incoming, UpstreamCloseReason> {
        if message.used_version != PROTOCOL_VERSION {
            return Err(UpstreamCloseReason::VersionNotOffered(message.used_version));
        }
        self.flags = message.flags;
        if options.extensions.is_empty() {
            self.phase = Phase::Ready;
            return Ok(Incoming::Ready);
        }
        self.send(&RequestExtensions {
            request_id: EXTENSIONS_REQUEST_ID,
            requested_extensions: List::Items(&options.extensions),
        });
        self.phase = Phase::Extensions { deadline: now.monotonic_ms.saturating_add(options.extensions_timeout_ms) };
        Ok(Incoming::Nothing)
    }

    /// An answer that comes when nobody waits for it any more still counts, but makes nothing ready twice.
    fn extensions_known(&mut self) -> Incoming {
        match self.phase {
            Phase::Extensions { .. } => {
                self.phase = Phase::Ready;
                Incoming::Ready
            }
            _ => Incoming::Nothing,
        }
    }
}

fn setup<'a>(options: &'a ProxyOptions, upstream: &'a UpstreamOptions) -> SetupConnection<'a> {
    SetupConnection {
        protocol: PROTOCOL_MINING,
        min_version: PROTOCOL_VERSION,
        max_version: PROTOCOL_VERSION,
        flags: options.setup_flags(),
        endpoint_host: Str::from(&*upstream.host),
        endpoint_port: upstream.port,
        vendor: Str::from(&*options.vendor),
        hardware_version: Str::from(&*options.hardware_version),
        firmware: Str::from(&*options.firmware),
        device_id: Str::from(&*options.device_id),
    }
}
