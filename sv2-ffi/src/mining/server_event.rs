//! What comes out of a mining server: events.

use sv2_core::mining::accounting::Totals;
use sv2_core::mining::channel::ChannelKind;
use sv2_core::mining::job::JobSource;
use sv2_core::mining::server::{
    ChannelClosed, ChannelOpened, ClosedBy, CustomJobRequest, Event, FoundBlock, OpenChannel, Share,
};

use crate::text::ErrorText;
use crate::{
    sv2_block_header, sv2_bytes, sv2_close, sv2_set_custom_mining_job, sv2_str, sv2_submit_solution, sv2_u256,
    sv2_u256_list,
};

/// A block was found: submit it before anything else. It comes before all other events; that its share was accepted follows in its
/// turn. See `as.block_found`.
pub const SV2_MINING_SERVER_EVENT_BLOCK_FOUND: u32 = 1;
/// There are bytes in sv2_mining_server_output for this connection: write them, once, and say so with sv2_mining_server_sent; if that
/// leaves more, the event comes again, behind those of others. Clients that are told of a new tip come before all others. If the
/// socket takes none now, go on when it can be written. See `as.writable`.
pub const SV2_MINING_SERVER_EVENT_WRITABLE: u32 = 2;
/// Close the socket; the server has forgotten the connection. Until this comes, hand in what the client sends, also if it is to be
/// closed: a block may be in it. See `as.close`.
pub const SV2_MINING_SERVER_EVENT_CLOSE: u32 = 3;
/// A client is set up. See `as.connected`.
pub const SV2_MINING_SERVER_EVENT_CONNECTED: u32 = 4;
/// A client wants a channel: answer with sv2_mining_server_accept_channel or sv2_mining_server_refuse_channel, now or later. What the
/// server can judge was judged: hash rate, target, extranonce size, flags, and how many channels there are. See `as.open_channel`.
pub const SV2_MINING_SERVER_EVENT_OPEN_CHANNEL: u32 = 5;
/// A channel is open. See `as.channel_opened`.
pub const SV2_MINING_SERVER_EVENT_CHANNEL_OPENED: u32 = 6;
/// A channel has another nominal hash rate or another target: by UpdateChannel, by the work that came in, or by
/// sv2_mining_server_set_target. See `as.channel_updated`.
pub const SV2_MINING_SERVER_EVENT_CHANNEL_UPDATED: u32 = 7;
/// A channel is closed, by whomever. Nothing more comes of it. See `as.channel_closed`.
pub const SV2_MINING_SERVER_EVENT_CHANNEL_CLOSED: u32 = 8;
/// A share counts. It is acknowledged to the miner with others, or was already. See `as.share_accepted`.
pub const SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED: u32 = 9;
/// A share does not count; the miner was told so. See `as.share_rejected`.
pub const SV2_MINING_SERVER_EVENT_SHARE_REJECTED: u32 = 10;
/// A client wants to mine its own work: answer with sv2_mining_server_accept_custom_job or sv2_mining_server_refuse_custom_job, now
/// or later. It is on the present tip; whether the token is good and the outputs pay whom they must is for the host to judge. See
/// `as.set_custom_mining_job`.
pub const SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB: u32 = 11;
/// A message of an extension that the server does not know, for a channel. See `as.extension_message`.
pub const SV2_MINING_SERVER_EVENT_EXTENSION_MESSAGE: u32 = 12;

/// A channel whose miner rolls nothing but the header (spec 5.2.1).
pub const SV2_CHANNEL_STANDARD: u32 = 1;
/// A channel whose miner also rolls a part of the extranonce (spec 5.2.2).
pub const SV2_CHANNEL_EXTENDED: u32 = 2;

/// A job of a template: `source_id` is its template_id.
pub const SV2_JOB_OF_TEMPLATE: u32 = 1;
/// A job of a mining server upstream: `source_id` is its job_id there.
pub const SV2_JOB_OF_UPSTREAM: u32 = 2;
/// A job that the miner has set: `mining_job_token` is its token.
pub const SV2_JOB_CUSTOM: u32 = 3;

/// The client has closed the channel; `reason_code` says why.
pub const SV2_CHANNEL_CLOSED_BY_CLIENT: u32 = 1;
/// The host has.
pub const SV2_CHANNEL_CLOSED_BY_HOST: u32 = 2;
/// Its connection is gone.
pub const SV2_CHANNEL_CLOSED_BY_DISCONNECT: u32 = 3;

/// An accepted share, with everything a log needs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_accepted_share {
    /// The connection it came over.
    pub connection: u64,
    /// What its channel mines: the number of sv2_mining_server_set_payout.
    pub work_id: u64,
    /// The template_id or the upstream job_id, by `source`.
    pub source_id: u64,
    /// What it counts for: the difficulty of its job's target.
    pub difficulty: f64,
    /// The channel.
    pub channel_id: u32,
    /// As the miner counts.
    pub sequence_number: u32,
    /// The job's number on the wire.
    pub job_id: u32,
    /// Where the job comes from: one of SV2_JOB_*.
    pub source: u32,
    /// The header's nVersion.
    pub version: u32,
    /// The header's nTime.
    pub ntime: u32,
    /// The header's nNonce.
    pub nonce: u32,
    /// 1 if it is a block, else 0.
    pub is_block: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The header's hash.
    pub hash: sv2_u256,
    /// The full extranonce: the channel's prefix, then what the miner rolled.
    pub extranonce: sv2_bytes,
    /// How many bytes of it are the prefix.
    pub extranonce_prefix_len: usize,
    /// The worker that found it, at most 32 bytes as they came, if the miner says so (extension 0x0002).
    pub worker_identity: sv2_str,
    /// If source is SV2_JOB_CUSTOM.
    pub mining_job_token: sv2_bytes,
}

/// A block that was found, without the transactions that its template holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_found_block {
    /// The share that is the block.
    pub share: sv2_accepted_share,
    /// The block's header. Its hash meets nBits, and the template's target where that is stricter.
    pub header: sv2_block_header,
    /// 1 if the job came from a template: `solution` is then what to give the template provider.
    pub has_solution: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The coinbase as it stands in the block, with its BIP 141 fields if the job commits to witnesses.
    pub coinbase_tx: sv2_bytes,
    /// SubmitSolution, if has_solution.
    pub solution: sv2_submit_solution,
}

/// Who is connected: what it said in SetupConnection (spec 3.6.1). Strings as they came.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_info {
    /// The connection.
    pub connection: u64,
    /// What it needs: the flags of spec 5.3.1.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// Manufacturer or developer.
    pub vendor: sv2_str,
    /// Hardware or software package.
    pub hardware_version: sv2_str,
    /// Firmware.
    pub firmware: sv2_str,
    /// The device's own name.
    pub device_id: sv2_str,
}

/// OpenStandardMiningChannel or OpenExtendedMiningChannel (spec 5.3.2, 5.3.4).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_open_channel {
    /// The connection.
    pub connection: u64,
    /// The client's number for the request.
    pub request_id: u32,
    /// One of SV2_CHANNEL_STANDARD and SV2_CHANNEL_EXTENDED.
    pub kind: u32,
    /// Who is to be credited, at most 255 bytes as they came.
    pub user_identity: sv2_str,
    /// What the client expects to do, in hashes per second. Not negative; finite.
    pub nominal_hash_rate: f32,
    /// The bytes of extranonce that an extended channel needs at least; 0 for a standard one.
    pub min_extranonce_size: u16,
    /// Zero.
    pub reserved: u16,
    /// The easiest target that the client accepts.
    pub max_target: sv2_u256,
}

/// A channel that is open.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_channel_opened {
    /// The connection.
    pub connection: u64,
    /// What it mines: the number of sv2_mining_server_set_payout.
    pub work_id: u64,
    /// The client's number for the request.
    pub request_id: u32,
    /// The channel.
    pub channel_id: u32,
    /// The group that it is in: the channels of the connection that mine the same work.
    pub group_channel_id: u32,
    /// One of SV2_CHANNEL_STANDARD and SV2_CHANNEL_EXTENDED.
    pub kind: u32,
    /// Who is to be credited.
    pub user_identity: sv2_str,
    /// The first bytes of all its extranonces; the whole extranonce of a standard channel.
    pub extranonce_prefix: sv2_bytes,
    /// How many bytes follow, for the miner to roll.
    pub extranonce_size: usize,
    /// Its first target.
    pub target: sv2_u256,
}

/// A channel of which something else is known now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_channel_updated {
    /// The connection.
    pub connection: u64,
    /// The channel.
    pub channel_id: u32,
    /// What the client last said, in hashes per second.
    pub nominal_hash_rate: f32,
    /// The easiest target that the client accepts.
    pub max_target: sv2_u256,
    /// The target from the next job on.
    pub target: sv2_u256,
}

/// What a channel has done since it was opened.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_channel_totals {
    /// Accepted shares.
    pub accepted: u64,
    /// Rejected shares, for whatever reason.
    pub rejected: u64,
    /// The sum of the difficulties of the accepted shares, each by the target of its job.
    pub difficulty: f64,
    /// The hashes that it took on average to find the accepted shares.
    pub work: f64,
    /// The difficulty of the best accepted share, by its hash; 0 if there is none.
    pub best_difficulty: f64,
}

impl From<&Totals> for sv2_channel_totals {
    fn from(totals: &Totals) -> Self {
        Self {
            accepted: totals.accepted,
            rejected: totals.rejected.iter().sum::<u64>(),
            difficulty: totals.difficulty,
            work: totals.work,
            best_difficulty: totals.best_difficulty,
        }
    }
}

/// A channel that is closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_channel_closed {
    /// The connection.
    pub connection: u64,
    /// What it mined: the number of sv2_mining_server_set_payout.
    pub work_id: u64,
    /// The channel. The connection does not use the number again.
    pub channel_id: u32,
    /// Who closed it: one of SV2_CHANNEL_CLOSED_BY_*.
    pub by: u32,
    /// Who was credited.
    pub user_identity: sv2_str,
    /// What the client said about why, as it came; empty if another one has closed it.
    pub reason_code: sv2_str,
    /// What came of it.
    pub totals: sv2_channel_totals,
}

/// A share that does not count.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_rejected_share {
    /// The connection.
    pub connection: u64,
    /// The channel that it says to be of. There may be none with this id.
    pub channel_id: u32,
    /// As the miner counts.
    pub sequence_number: u32,
    /// The job that it says to be of.
    pub job_id: u32,
    /// Zero.
    pub reserved: u32,
    /// Why: what the miner was sent, one of the error codes of SubmitShares.Error (spec 5.3.14). It lives as long as the program.
    pub error_code: sv2_str,
}

/// SetCustomMiningJob (spec 5.3.18), and who sent it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_custom_job_request {
    /// The connection.
    pub connection: u64,
    /// All that the client says, its request_id as well.
    pub message: sv2_set_custom_mining_job,
}

/// A message of an extension that is for a channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_extension_message {
    /// The connection.
    pub connection: u64,
    /// The extension, without the channel_msg bit.
    pub extension_type: u16,
    /// The message within the extension.
    pub message_type: u8,
    /// Zero.
    pub reserved: [u8; 5],
    /// The payload, which begins with the channel_id.
    pub payload: sv2_bytes,
}

/// One field for every type of event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sv2_mining_server_event_as {
    /// If type is SV2_MINING_SERVER_EVENT_BLOCK_FOUND.
    pub block_found: sv2_found_block,
    /// If type is SV2_MINING_SERVER_EVENT_WRITABLE: the connection.
    pub writable: u64,
    /// If type is SV2_MINING_SERVER_EVENT_CLOSE.
    pub close: sv2_close,
    /// If type is SV2_MINING_SERVER_EVENT_CONNECTED.
    pub connected: sv2_mining_client_info,
    /// If type is SV2_MINING_SERVER_EVENT_OPEN_CHANNEL.
    pub open_channel: sv2_open_channel,
    /// If type is SV2_MINING_SERVER_EVENT_CHANNEL_OPENED.
    pub channel_opened: sv2_channel_opened,
    /// If type is SV2_MINING_SERVER_EVENT_CHANNEL_UPDATED.
    pub channel_updated: sv2_channel_updated,
    /// If type is SV2_MINING_SERVER_EVENT_CHANNEL_CLOSED.
    pub channel_closed: sv2_channel_closed,
    /// If type is SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED.
    pub share_accepted: sv2_accepted_share,
    /// If type is SV2_MINING_SERVER_EVENT_SHARE_REJECTED.
    pub share_rejected: sv2_rejected_share,
    /// If type is SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB.
    pub set_custom_mining_job: sv2_custom_job_request,
    /// If type is SV2_MINING_SERVER_EVENT_EXTENSION_MESSAGE.
    pub extension_message: sv2_extension_message,
    /// Room for events of later versions.
    pub reserved: [u64; 64],
}

/// Something the host must do, or may want to know. What it points to lives until the server's next
/// sv2_mining_server_next_event. Ignore types you do not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_server_event {
    /// One of SV2_MINING_SERVER_EVENT_*.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// What belongs to the type. Only that is written.
    pub r#as: sv2_mining_server_event_as,
}

/// What the last event points to.
#[derive(Default)]
pub(super) struct ServerLent {
    event: Option<Event>,
    block: Option<Box<FoundBlock>>,
    reason: ErrorText,
}

/// Writes one field of `as`, and nothing beside it.
macro_rules! fill {
    ($to:expr, $type:expr, $field:ident, $value:expr) => {{
        let (to, value) = ($to, $value);
        unsafe {
            (&raw mut (*to).r#type).write($type);
            (&raw mut (*to).reserved).write(0);
            (&raw mut (*to).r#as.$field).write(value);
        }
        true
    }};
}

impl ServerLent {
    /// Writes the event for C into `*to`, which then points into here. False, and nothing is written, for a line of the log, which
    /// goes another way.
    ///
    /// # Safety
    /// `to` is writable.
    pub(super) unsafe fn write(&mut self, event: Event, to: *mut sv2_mining_server_event) -> bool {
        match self.event.insert(event) {
            Event::BlockFound(block) => {
                fill!(to, SV2_MINING_SERVER_EVENT_BLOCK_FOUND, block_found, found_block(block))
            }
            Event::Writable { connection } => fill!(to, SV2_MINING_SERVER_EVENT_WRITABLE, writable, *connection),
            Event::Close { connection, reason } => {
                self.reason.set(*reason);
                let close = sv2_close { connection: *connection, reason: self.reason.as_ptr() };
                fill!(to, SV2_MINING_SERVER_EVENT_CLOSE, close, close)
            }
            Event::Connected(info) => {
                let client = sv2_mining_client_info {
                    connection: info.connection,
                    flags: info.flags,
                    reserved: 0,
                    vendor: sv2_str::borrow(&info.vendor),
                    hardware_version: sv2_str::borrow(&info.hardware_version),
                    firmware: sv2_str::borrow(&info.firmware),
                    device_id: sv2_str::borrow(&info.device_id),
                };
                fill!(to, SV2_MINING_SERVER_EVENT_CONNECTED, connected, client)
            }
            Event::OpenChannel(open) => {
                fill!(to, SV2_MINING_SERVER_EVENT_OPEN_CHANNEL, open_channel, open_channel(open))
            }
            Event::ChannelOpened(opened) => {
                fill!(to, SV2_MINING_SERVER_EVENT_CHANNEL_OPENED, channel_opened, channel_opened(opened))
            }
            Event::ChannelUpdated { connection, channel_id, nominal_hash_rate, max_target, target } => {
                let updated = sv2_channel_updated {
                    connection: *connection,
                    channel_id: *channel_id,
                    nominal_hash_rate: *nominal_hash_rate,
                    max_target: sv2_u256 { bytes: max_target.0 },
                    target: sv2_u256 { bytes: target.0 },
                };
                fill!(to, SV2_MINING_SERVER_EVENT_CHANNEL_UPDATED, channel_updated, updated)
            }
            Event::ChannelClosed(closed) => {
                fill!(to, SV2_MINING_SERVER_EVENT_CHANNEL_CLOSED, channel_closed, channel_closed(closed))
            }
            Event::ShareAccepted(share) => {
                fill!(to, SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED, share_accepted, accepted_share(share))
            }
            Event::ShareRejected { connection, channel_id, sequence_number, job_id, error } => {
                let rejected = sv2_rejected_share {
                    connection: *connection,
                    channel_id: *channel_id,
                    sequence_number: *sequence_number,
                    job_id: *job_id,
                    reserved: 0,
                    error_code: sv2_str::borrow(error.code().as_bytes()),
                };
                fill!(to, SV2_MINING_SERVER_EVENT_SHARE_REJECTED, share_rejected, rejected)
            }
            Event::SetCustomMiningJob(request) => {
                fill!(to, SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB, set_custom_mining_job, custom_job(request))
            }
            Event::ExtensionMessage { connection, extension_type, message_type, payload } => {
                let message = sv2_extension_message {
                    connection: *connection,
                    extension_type: *extension_type,
                    message_type: *message_type,
                    reserved: [0; 5],
                    payload: sv2_bytes::borrow(payload),
                };
                fill!(to, SV2_MINING_SERVER_EVENT_EXTENSION_MESSAGE, extension_message, message)
            }
            Event::Log { .. } => false,
        }
    }

    /// A block that was taken out past the other events.
    pub(super) fn block(&mut self, block: Box<FoundBlock>) -> sv2_found_block {
        found_block(self.block.insert(block))
    }
}

fn found_block(block: &FoundBlock) -> sv2_found_block {
    let solution = block.solution.as_ref();
    sv2_found_block {
        share: accepted_share(&block.share),
        header: block.header.into(),
        has_solution: solution.is_some().into(),
        reserved: [0; 3],
        coinbase_tx: sv2_bytes::borrow(&block.coinbase_tx),
        solution: sv2_submit_solution {
            template_id: solution.map_or(0, |solution| solution.template_id),
            version: solution.map_or(0, |solution| solution.version),
            header_timestamp: solution.map_or(0, |solution| solution.header_timestamp),
            header_nonce: solution.map_or(0, |solution| solution.header_nonce),
            coinbase_tx: solution.map_or(sv2_bytes::EMPTY, |solution| sv2_bytes::borrow(&solution.coinbase_tx)),
        },
    }
}

fn accepted_share(share: &Share) -> sv2_accepted_share {
    let (source, source_id, token) = match share.job.source() {
        JobSource::Template(template_id) => (SV2_JOB_OF_TEMPLATE, *template_id, sv2_bytes::EMPTY),
        JobSource::Upstream(job_id) => (SV2_JOB_OF_UPSTREAM, u64::from(*job_id), sv2_bytes::EMPTY),
        JobSource::Custom(token) => (SV2_JOB_CUSTOM, 0, sv2_bytes::borrow(token)),
    };
    let nobody = sv2_str { data: std::ptr::null(), len: 0 };
    sv2_accepted_share {
        connection: share.connection,
        work_id: share.work,
        source_id,
        difficulty: share.difficulty,
        channel_id: share.channel_id,
        sequence_number: share.sequence_number,
        job_id: share.job_id,
        source,
        version: share.version,
        ntime: share.ntime,
        nonce: share.nonce,
        is_block: share.is_block.into(),
        reserved: [0; 3],
        hash: sv2_u256 { bytes: share.hash },
        extranonce: sv2_bytes::borrow(&share.extranonce),
        extranonce_prefix_len: share.extranonce_prefix_len,
        worker_identity: share.worker_identity.as_ref().map_or(nobody, |worker| sv2_str::borrow(worker)),
        mining_job_token: token,
    }
}

fn kind_of(kind: ChannelKind) -> u32 {
    match kind {
        ChannelKind::Standard => SV2_CHANNEL_STANDARD,
        ChannelKind::Extended => SV2_CHANNEL_EXTENDED,
    }
}

fn open_channel(open: &OpenChannel) -> sv2_open_channel {
    sv2_open_channel {
        connection: open.connection,
        request_id: open.request_id,
        kind: kind_of(open.kind),
        user_identity: sv2_str::borrow(&open.user_identity),
        nominal_hash_rate: open.nominal_hash_rate,
        min_extranonce_size: open.min_extranonce_size,
        reserved: 0,
        max_target: sv2_u256 { bytes: open.max_target.0 },
    }
}

fn channel_opened(opened: &ChannelOpened) -> sv2_channel_opened {
    sv2_channel_opened {
        connection: opened.connection,
        work_id: opened.work,
        request_id: opened.request_id,
        channel_id: opened.channel_id,
        group_channel_id: opened.group_channel_id,
        kind: kind_of(opened.kind),
        user_identity: sv2_str::borrow(&opened.user_identity),
        extranonce_prefix: sv2_bytes::borrow(&opened.extranonce_prefix),
        extranonce_size: opened.extranonce_size,
        target: sv2_u256 { bytes: opened.target.0 },
    }
}

fn channel_closed(closed: &ChannelClosed) -> sv2_channel_closed {
    let (by, reason_code): (_, &[u8]) = match &closed.by {
        ClosedBy::Client(reason_code) => (SV2_CHANNEL_CLOSED_BY_CLIENT, reason_code),
        ClosedBy::Host => (SV2_CHANNEL_CLOSED_BY_HOST, &[]),
        ClosedBy::Disconnect => (SV2_CHANNEL_CLOSED_BY_DISCONNECT, &[]),
    };
    sv2_channel_closed {
        connection: closed.connection,
        work_id: closed.work,
        channel_id: closed.channel_id,
        by,
        user_identity: sv2_str::borrow(&closed.user_identity),
        reason_code: sv2_str::borrow(reason_code),
        totals: (&closed.totals).into(),
    }
}

fn custom_job(request: &CustomJobRequest) -> sv2_custom_job_request {
    let message = request.message();
    sv2_custom_job_request {
        connection: request.connection,
        message: sv2_set_custom_mining_job {
            channel_id: message.channel_id,
            request_id: message.request_id,
            mining_job_token: sv2_bytes::borrow(message.mining_job_token),
            version: message.version,
            prev_hash: sv2_u256 { bytes: message.prev_hash.0 },
            min_ntime: message.min_ntime,
            nbits: message.nbits,
            coinbase_tx_version: message.coinbase_tx_version,
            coinbase_prefix: sv2_bytes::borrow(message.coinbase_prefix),
            coinbase_tx_input_nsequence: message.coinbase_tx_input_nsequence,
            coinbase_tx_outputs: sv2_bytes::borrow(message.coinbase_tx_outputs),
            coinbase_tx_locktime: message.coinbase_tx_locktime,
            merkle_path: sv2_u256_list::borrow(message.merkle_path),
        },
    }
}
