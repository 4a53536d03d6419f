//! What the engine tells its host.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::WorkId;
use crate::bitcoin::{Hash, Header, Target};
use crate::clients::{ConnectionId, Level, LogBound};
use crate::connection::ConnectionError;
use crate::message::{Payload, SetCustomMiningJob};
use crate::mining::accounting::Totals;
use crate::mining::channel::{ChannelKind, Extranonce};
use crate::mining::job::ExtendedJob;
use crate::mining::share::ShareError;
use crate::template::SubmittedSolution;

/// Something the host must do, or may want to know. Strings of peers are as they came; [`Str`](crate::wire::Str) prints them
/// escaped.
#[derive(Clone, Debug)]
pub enum Event {
    /// A block was found: submit it before anything else. Comes before all other events; that the share was accepted follows
    /// in its turn, or that it is stale: then the block is on the tip before, and may yet win.
    BlockFound(Box<FoundBlock>),
    /// There are bytes in [`Server::output`](super::Server::output). Comes when there were none before, and again when
    /// [`Server::sent`](super::Server::sent) took some of them and left others.
    ///
    /// Clients that are told of a new tip come before all others and before all other events but blocks.
    Writable {
        /// The connection.
        connection: ConnectionId,
    },
    /// Close the socket. Until this comes, what the client sends is to be handed in, also if it is to be closed: a share or a
    /// block may be in it. The engine has forgotten the connection; what could be sent to it was given out before.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A client is set up.
    Connected(Box<ClientInfo>),
    /// A client wants a channel: answer with [`Server::accept_channel`](super::Server::accept_channel) or
    /// [`Server::refuse_channel`](super::Server::refuse_channel). What the engine can judge was judged: hash rate, target,
    /// extranonce size, flags, and how many channels there are.
    OpenChannel(Box<OpenChannel>),
    /// A channel is open.
    ChannelOpened(Box<ChannelOpened>),
    /// The client said something else about a channel with UpdateChannel, or its target is another one: by that, by the work
    /// that came in, or by [`Server::set_target`](super::Server::set_target).
    ChannelUpdated {
        /// The connection.
        connection: ConnectionId,
        /// The channel.
        channel_id: u32,
        /// What the client last said, in hashes per second.
        nominal_hash_rate: f32,
        /// The easiest target that the client accepts.
        max_target: Target,
        /// The target from the next job on.
        target: Target,
    },
    /// A channel is closed, by whomever. Nothing more comes of it.
    ChannelClosed(Box<ChannelClosed>),
    /// A share counts. It is acknowledged to the miner with others, or was already.
    ShareAccepted(Share),
    /// A share does not count; the miner was told so.
    ShareRejected {
        /// The connection.
        connection: ConnectionId,
        /// The channel that it says to be of. There may be none with this id.
        channel_id: u32,
        /// As the miner counts.
        sequence_number: u32,
        /// The job that it says to be of.
        job_id: u32,
        /// Why: [`ShareError::code`] is what the miner was sent.
        error: ShareError,
    },
    /// A client wants to mine its own work: answer with [`Server::accept_custom_job`](super::Server::accept_custom_job) or
    /// [`Server::refuse_custom_job`](super::Server::refuse_custom_job). It is on the present tip; whether the token is good and
    /// the outputs pay whom they must is for the host to judge.
    SetCustomMiningJob(Box<CustomJobRequest>),
    /// A message of an extension that the engine does not know, for a channel: for a proxy to pass on. Only with
    /// [`ServerOptions::forward_extensions`](super::ServerOptions::forward_extensions).
    ExtensionMessage {
        /// The connection.
        connection: ConnectionId,
        /// The extension, without the channel_msg bit.
        extension_type: u16,
        /// The message within the extension.
        message_type: u8,
        /// The payload, which begins with the channel_id.
        payload: Vec<u8>,
    },
    /// A line for the host's log. What comes from peers in it is escaped.
    Log {
        /// How much it matters.
        level: Level,
        /// The line, without a line break.
        text: String,
    },
}

/// A block that was found.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// The share that is the block.
    pub share: Share,
    /// Its header. The hash meets nBits, and the template's target where that is stricter.
    pub header: Header,
    /// The coinbase as it stands in the block: with the BIP 141 fields if the job commits to witnesses.
    pub coinbase_tx: Vec<u8>,
    /// What to give a template provider, if the job came from a template.
    pub solution: Option<SubmittedSolution>,
}

/// An accepted share, with everything a log needs. It owns no memory of its own but a reference to the job.
#[derive(Clone, Debug)]
pub struct Share {
    /// The connection it came over.
    pub connection: ConnectionId,
    /// The channel.
    pub channel_id: u32,
    /// What the channel mines.
    pub work: WorkId,
    /// As the miner counts.
    pub sequence_number: u32,
    /// The job's number on the wire.
    pub job_id: u32,
    /// The job, and with it where it comes from.
    pub job: Arc<ExtendedJob>,
    /// The header's nNonce.
    pub nonce: u32,
    /// The header's nTime.
    pub ntime: u32,
    /// The header's nVersion.
    pub version: u32,
    /// The full extranonce: the channel's prefix and what the miner rolled.
    pub extranonce: Extranonce,
    /// How many bytes of it are the prefix.
    pub extranonce_prefix_len: usize,
    /// The hash of the header.
    pub hash: Hash,
    /// What it counts for: the difficulty of the job's target.
    pub difficulty: f64,
    /// Whether it is a block.
    pub is_block: bool,
    /// The worker that found it, if the miner says so (extension 0x0002).
    pub worker_identity: Option<WorkerIdentity>,
}

/// The name of a worker, at most 32 bytes, as it came (extension 0x0002).
pub type WorkerIdentity = crate::bitcoin::ShortBytes<32>;

/// Who is connected: what it said in SetupConnection. Bytes as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The connection.
    pub connection: ConnectionId,
    /// What it needs: REQUIRES_STANDARD_JOBS and the other bits of spec 5.3.1.
    pub flags: u32,
    /// Manufacturer or developer.
    pub vendor: Vec<u8>,
    /// Hardware or software package.
    pub hardware_version: Vec<u8>,
    /// Firmware.
    pub firmware: Vec<u8>,
    /// The device's own name.
    pub device_id: Vec<u8>,
}

/// OpenStandardMiningChannel or OpenExtendedMiningChannel (spec 5.3.2, 5.3.4).
#[derive(Clone, Debug, PartialEq)]
pub struct OpenChannel {
    /// The connection.
    pub connection: ConnectionId,
    /// The client's number for the request.
    pub request_id: u32,
    /// What kind of channel.
    pub kind: ChannelKind,
    /// Who is to be credited, at most 255 bytes as they came.
    pub user_identity: Vec<u8>,
    /// What the client expects to do, in hashes per second. Not negative; finite.
    pub nominal_hash_rate: f32,
    /// The easiest target that it accepts.
    pub max_target: Target,
    /// The bytes of extranonce that an extended channel needs at least; 0 for a standard one.
    pub min_extranonce_size: u16,
}

/// A channel that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelOpened {
    /// The connection.
    pub connection: ConnectionId,
    /// The client's number for the request.
    pub request_id: u32,
    /// The channel.
    pub channel_id: u32,
    /// The group that it is in: the channels of the connection that mine the same work.
    pub group_channel_id: u32,
    /// What kind of channel.
    pub kind: ChannelKind,
    /// Who is to be credited.
    pub user_identity: Vec<u8>,
    /// What it mines.
    pub work: WorkId,
    /// Its first target.
    pub target: Target,
    /// The first bytes of all its extranonces; the whole extranonce of a standard channel.
    pub extranonce_prefix: Extranonce,
    /// How many bytes follow, for the miner to roll.
    pub extranonce_size: usize,
}

/// A channel that is closed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelClosed {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel. The connection does not use the number again.
    pub channel_id: u32,
    /// Who was credited.
    pub user_identity: Vec<u8>,
    /// What it mined.
    pub work: WorkId,
    /// What came of it.
    pub totals: Totals,
    /// Who closed it.
    pub by: ClosedBy,
}

/// Who closed a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client, with this reason_code, as it came.
    Client(Vec<u8>),
    /// The host, with [`Server::close_channel`](super::Server::close_channel).
    Host,
    /// Its connection is gone.
    Disconnect,
}

/// SetCustomMiningJob (spec 5.3.18), in memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomJobRequest {
    /// The connection.
    pub connection: ConnectionId,
    /// The client's number for the request.
    pub request_id: u32,
    /// The channel, or a group of channels, it is for.
    pub channel_id: u32,
    /// The message as it came, decoded once.
    pub(super) payload: Arc<[u8]>,
}

impl CustomJobRequest {
    /// All that the client says.
    #[must_use]
    pub fn message(&self) -> SetCustomMiningJob<'_> {
        SetCustomMiningJob::decode(&self.payload).unwrap_or_default()
    }
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The handshake failed or took too long, or what came was not authentic, too long or malformed.
    Connection(ConnectionError),
    /// A SetupConnection.Error was sent, with this error code.
    SetupRefused(&'static str),
    /// No SetupConnection in time.
    SetupTimeout,
    /// This message came before SetupConnection.
    BeforeSetup(&'static str),
    /// SetupConnection came twice.
    SecondSetup,
    /// No channel for too long.
    NoChannel,
    /// Too many requests wait for the host, or a custom job is one too many.
    TooManyRequests,
    /// The client sends more messages than [`ServerOptions::max_messages_per_second`](super::ServerOptions) allows.
    TooManyMessages,
    /// The client does not read what it is sent: too much is waiting, or nothing was taken for
    /// [`ServerOptions::stall_timeout_ms`](super::ServerOptions).
    TooSlow,
    /// There was no place for another connection but that of this one, which had no channel.
    GaveWay,
    /// It was told to go elsewhere, with [`Server::reconnect`](super::Server::reconnect).
    Reconnect,
    /// The host wants it, with [`Server::close`](super::Server::close).
    Host,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::SetupRefused(code) => write!(f, "the setup was refused: {code}"),
            Self::SetupTimeout => f.write_str("no SetupConnection in time"),
            Self::BeforeSetup(name) => write!(f, "{name} came before SetupConnection"),
            Self::SecondSetup => f.write_str("SetupConnection came twice"),
            Self::NoChannel => f.write_str("no channel for too long"),
            Self::TooManyRequests => f.write_str("too many requests"),
            Self::TooManyMessages => f.write_str("too many messages came at once"),
            Self::TooSlow => f.write_str("it does not read what it is sent"),
            Self::GaveWay => f.write_str("it had no channel and made room for another connection"),
            Self::Reconnect => f.write_str("it was told to go elsewhere"),
            Self::Host => f.write_str("the host closed it"),
        }
    }
}

/// The events that wait to be read: blocks first, then clients that are to be told of a new tip, then all others in order.
#[derive(Debug, Default)]
pub(super) struct Events {
    blocks: VecDeque<Box<FoundBlock>>,
    in_front: VecDeque<ConnectionId>,
    queue: VecDeque<Event>,
    /// How many events that end with their connection wait for each.
    waiting: BTreeMap<ConnectionId, usize>,
    logs: LogBound,
}

impl Events {
    pub(super) fn next_block(&mut self) -> Option<Box<FoundBlock>> {
        self.blocks.pop_front()
    }

    pub(super) fn next_in_front(&mut self) -> Option<ConnectionId> {
        self.in_front.pop_front()
    }

    /// The next of all others.
    pub(super) fn next(&mut self) -> Option<Event> {
        let event = self.queue.pop_front();
        match &event {
            Some(Event::Log { .. }) => self.logs.read(),
            Some(event) => {
                if let Some(id) = ends_with(event) {
                    self.uncount(id);
                }
            }
            None => return self.logs.left_out().map(|text| Event::Log { level: Level::Warning, text }),
        }
        event
    }

    pub(super) fn block(&mut self, block: FoundBlock) {
        self.blocks.push_back(Box::new(block));
    }

    pub(super) fn push_in_front(&mut self, id: ConnectionId) {
        self.in_front.push_back(id);
    }

    pub(super) fn push(&mut self, event: Event) {
        if let Some(id) = ends_with(&event) {
            *self.waiting.entry(id).or_default() += 1;
        }
        self.queue.push_back(event);
    }

    /// A connection is gone: nothing is to be done any more about it. Most have nothing waiting, and cost no search.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if self.waiting.remove(&id).is_some() {
            self.queue.retain(|event| ends_with(event) != Some(id));
        }
    }

    pub(super) fn log(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.logs.admit() {
            self.queue.push_back(Event::Log { level, text: alloc::fmt::format(text) });
        }
    }

    fn uncount(&mut self, id: ConnectionId) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        *waiting = waiting.saturating_sub(1);
        if *waiting == 0 {
            self.waiting.remove(&id);
        }
    }
}

/// The connection with which an event ends. What was earned on it does not.
fn ends_with(event: &Event) -> Option<ConnectionId> {
    match event {
        Event::Close { connection, .. } => Some(*connection),
        Event::OpenChannel(open) => Some(open.connection),
        Event::SetCustomMiningJob(request) => Some(request.connection),
        _ => None,
    }
}
