//! What a mining client has to mine on: its channels, their jobs and the headers made of them.

use sv2_core::bitcoin::{Header, Target};
use sv2_core::message::NewExtendedMiningJob;
use sv2_core::mining::client::{Channel, ChannelKind, Job, JobState};
use sv2_core::mining::search::Search;

use super::client::sv2_mining_client;
use super::client_event::sv2_mining_client_totals;
use crate::boundary::{enter, enter_status, fenced};
use crate::{
    SV2_BUFFER_TOO_SMALL, SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_NOT_FOUND, SV2_OK, sv2_block_header, sv2_bytes,
    sv2_new_extended_mining_job, sv2_option_u32, sv2_status, sv2_time, sv2_u256, sv2_u256_list,
};

/// It waits for a SetNewPrevHash that names it.
pub const SV2_MINING_JOB_FUTURE: u32 = 1;
/// The one to mine on.
pub const SV2_MINING_JOB_ACTIVE: u32 = 2;
/// On the tip as well, but another one came after it. Shares of it are still taken.
pub const SV2_MINING_JOB_PAST: u32 = 3;
/// The client's own, which the server has accepted.
pub const SV2_MINING_JOB_CUSTOM: u32 = 4;

/// An open channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_client_channel {
    /// The server's name for it.
    pub channel_id: u32,
    /// The group it belongs to.
    pub group_channel_id: u32,
    /// 1 if it is extended, 0 if it is standard.
    pub extended: u8,
    /// 1 if there is a job to mine on.
    pub has_active_job: u8,
    /// How many bytes of extranonce a share has: 0 on a standard channel.
    pub extranonce_size: u16,
    /// The job to mine on, if there is one.
    pub active_job_id: u32,
    /// The target of jobs that come from now on; a job that is active keeps its own.
    pub target: sv2_u256,
    /// The extranonce_prefix of jobs that come from now on; those that came before keep theirs.
    pub extranonce_prefix: sv2_bytes,
    /// What became of its shares.
    pub totals: sv2_mining_client_totals,
}

/// A job of a channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_client_job {
    /// The server's name for it.
    pub job_id: u32,
    /// One of SV2_MINING_JOB_*.
    pub state: u32,
    /// The header's nVersion.
    pub version: u32,
    /// The smallest nTime of a share; 0 of a future job.
    pub min_ntime: u32,
    /// The header's nBits, if it is active or past; else 0.
    pub nbits: u32,
    /// 1 if the bits of BIP 323, 0x1fffffe0, may differ from `version`.
    pub version_rolling_allowed: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The header's previous block, if it is active or past; else zero.
    pub prev_hash: sv2_u256,
    /// What the hash of a share must not exceed. Of a future job it can still change.
    pub target: sv2_u256,
    /// The first part of the extranonce, which the server prescribes for this job.
    pub extranonce_prefix: sv2_bytes,
}

/// A share that the server has not answered.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_unanswered_share {
    /// The sequence_number it was submitted with.
    pub sequence_number: u32,
    /// Its job.
    pub job_id: u32,
    /// When it was submitted, in monotonic milliseconds.
    pub submitted_ms: u64,
}

/// A channel of the present connection, or, until the next one, of that before, into `*out`. What it points to is valid until the
/// client's next call that is told the time, or _next_event.
///
/// Returns SV2_NOT_FOUND if there is none.
///
/// # Safety
/// `client` is live, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_channel(
    client: *mut sv2_mining_client,
    channel_id: u32,
    out: *mut sv2_client_channel,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |channel: Channel<'_>| {
        let active = channel.active_job();
        let view = sv2_client_channel {
            channel_id: channel.channel_id(),
            group_channel_id: channel.group_channel_id(),
            extended: (channel.kind() != ChannelKind::Standard).into(),
            has_active_job: active.is_some().into(),
            extranonce_size: match channel.kind() {
                ChannelKind::Standard => 0,
                ChannelKind::Extended(size) => size,
            },
            active_job_id: active.map_or(0, |job| job.job_id()),
            target: sv2_u256 { bytes: channel.target().0 },
            extranonce_prefix: sv2_bytes::borrow(channel.extranonce_prefix()),
            totals: channel.totals().into(),
        };
        unsafe { out.write(view) };
        SV2_OK
    };
    unsafe { look_at(client, channel_id, body) }
}

/// The channel_ids of all channels, in order, into the array at `out`; `*count` becomes how many there are.
///
/// Returns SV2_BUFFER_TOO_SMALL if they are more than `capacity`: then the first `capacity` are written.
///
/// # Safety
/// `client` is live, `out` is writable for `capacity` elements or NULL, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_channels(
    client: *mut sv2_mining_client,
    out: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if count.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_mining_client| {
        let channels = this.client.channels();
        unsafe { write_list(channels.iter().map(|channel| channel.channel_id()), out, capacity, count) }
    };
    unsafe { enter_status(client, body) }
}

/// A job of a channel, into `*out`. What it points to is valid until the client's next call that is told the time, or _next_event.
///
/// Returns SV2_NOT_FOUND if there is no such channel or job, or it belongs to a tip that is gone.
///
/// # Safety
/// `client` is live, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_job(
    client: *mut sv2_mining_client,
    channel_id: u32,
    job_id: u32,
    out: *mut sv2_client_job,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |job: Job<'_>| {
        let tip = job.tip();
        let view = sv2_client_job {
            job_id: job.job_id(),
            state: match job.state() {
                JobState::Future => SV2_MINING_JOB_FUTURE,
                JobState::Active => SV2_MINING_JOB_ACTIVE,
                JobState::Past => SV2_MINING_JOB_PAST,
                JobState::Custom => SV2_MINING_JOB_CUSTOM,
            },
            version: job.version(),
            min_ntime: job.min_ntime(),
            nbits: tip.map_or(0, |tip| tip.nbits),
            version_rolling_allowed: job.version_rolling_allowed().into(),
            reserved: [0; 3],
            prev_hash: sv2_u256 { bytes: tip.map_or([0; 32], |tip| tip.prev_hash) },
            target: sv2_u256 { bytes: job.target().0 },
            extranonce_prefix: sv2_bytes::borrow(job.extranonce_prefix()),
        };
        unsafe { out.write(view) };
        SV2_OK
    };
    unsafe { look_at_job(client, channel_id, job_id, body) }
}

/// The header to hash, into `*out`: with the merkle root for `extranonce` (spec 5.3.16), the job's version and smallest nTime, and a
/// nonce of 0. On a standard channel the extranonce is empty.
///
/// Returns SV2_NOT_FOUND if there is no such channel or job, or the job waits for its tip or is custom; SV2_ERROR_ARGUMENT if
/// `extranonce` has not extranonce_size bytes.
///
/// # Safety
/// `client` is live, `extranonce` is readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_header(
    client: *mut sv2_mining_client,
    channel_id: u32,
    job_id: u32,
    extranonce: sv2_bytes,
    out: *mut sv2_block_header,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    let extranonce = unsafe { extranonce.as_slice() };
    let body = |job: Job<'_>| {
        if job.tip().is_none() {
            return SV2_NOT_FOUND;
        }
        let Some(header) = job.header(extranonce) else { return SV2_ERROR_ARGUMENT };
        unsafe { out.write(header.into()) };
        SV2_OK
    };
    unsafe { look_at_job(client, channel_id, job_id, body) }
}

/// The message that a job of an extended channel came in, into `*out`, as a proxy needs it. What it points to is valid until the
/// client's next call that is told the time, or _next_event.
///
/// Returns SV2_NOT_FOUND if there is no such channel or job, or it is not an extended job of an extended channel.
///
/// # Safety
/// `client` is live, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_extended_job(
    client: *mut sv2_mining_client,
    channel_id: u32,
    job_id: u32,
    out: *mut sv2_new_extended_mining_job,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |job: Job<'_>| {
        let Some(message) = job.extended() else { return SV2_NOT_FOUND };
        let NewExtendedMiningJob { channel_id, job_id, min_ntime, version, version_rolling_allowed, .. } = message;
        let view = sv2_new_extended_mining_job {
            channel_id,
            job_id,
            min_ntime: sv2_option_u32 { present: min_ntime.is_some().into(), value: min_ntime.unwrap_or(0) },
            version,
            version_rolling_allowed: version_rolling_allowed.into(),
            merkle_path: sv2_u256_list::borrow(message.merkle_path),
            coinbase_tx_prefix: sv2_bytes::borrow(message.coinbase_tx_prefix),
            coinbase_tx_suffix: sv2_bytes::borrow(message.coinbase_tx_suffix),
        };
        unsafe { out.write(view) };
        SV2_OK
    };
    unsafe { look_at_job(client, channel_id, job_id, body) }
}

/// The shares of a channel that the server has not answered, oldest first, as far as they are remembered, into the array at `out`;
/// `*count` becomes how many there are.
///
/// Returns SV2_NOT_FOUND if there is no such channel, SV2_BUFFER_TOO_SMALL if they are more than `capacity`: then the first `capacity`
/// are written.
///
/// # Safety
/// `client` is live, `out` is writable for `capacity` elements or NULL, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_unanswered(
    client: *mut sv2_mining_client,
    channel_id: u32,
    out: *mut sv2_unanswered_share,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if count.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |channel: Channel<'_>| {
        let shares = channel.unanswered().map(|share| sv2_unanswered_share {
            sequence_number: share.sequence_number,
            job_id: share.job_id,
            submitted_ms: share.submitted_ms,
        });
        unsafe { write_list(shares, out, capacity, count) }
    };
    unsafe { look_at(client, channel_id, body) }
}

/// Looks for a nonce with the processor: of the `count` nonces from `first` on, the first with which the hash of `header` does not
/// exceed `target`, into `*nonce`. Nonces past 0xffffffff are not looked at. The header's own nonce does not matter. Look at some
/// thousands at a time, and at the clock and the next job in between.
///
/// Returns SV2_NOT_FOUND if there is none.
///
/// # Safety
/// `header` and `target` are readable, `nonce` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_block_header_search(
    header: *const sv2_block_header,
    target: *const sv2_u256,
    first: u32,
    count: u32,
    nonce: *mut u32,
) -> sv2_status {
    let (Some(header), Some(target)) = (unsafe { (header.as_ref(), target.as_ref()) }) else { return SV2_ERROR_NULL };
    if nonce.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let first = u64::from(first);
        let found = Search::new(&Header::from(*header), Target(target.bytes)).find(first..first + u64::from(count));
        let Some(found) = found else { return SV2_NOT_FOUND };
        unsafe { nonce.write(found.nonce) };
        SV2_OK
    })
}

// -------------------------------------------------------------------------------------------------------------- state

/// Whether there is a connection, set up or not. False if `client` is NULL or unusable, as for the functions below.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_is_connected(client: *mut sv2_mining_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_connected()) }
}

/// Whether the server has accepted the connection.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_is_ready(client: *mut sv2_mining_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_ready()) }
}

/// Whether the server proved to be who it should be.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_is_authenticated(client: *mut sv2_mining_client) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_authenticated()) }
}

/// Whether the server supports an extension that it was asked for.
///
/// # Safety
/// `client` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_is_negotiated(client: *mut sv2_mining_client, extension_type: u16) -> bool {
    unsafe { enter(client, false, false, |this| this.client.is_negotiated(extension_type)) }
}

/// When bytes last came from the server, over this or an earlier connection, into `*time`. Returns SV2_NOT_FOUND if none ever did.
///
/// # Safety
/// `client` is live, `time` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_client_last_heard(
    client: *mut sv2_mining_client,
    time: *mut sv2_time,
) -> sv2_status {
    if time.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_mining_client| match this.client.last_heard() {
        Some(heard) => {
            unsafe { time.write(sv2_time { monotonic_ms: heard.monotonic_ms, unix_s: heard.unix_s }) };
            SV2_OK
        }
        None => SV2_NOT_FOUND,
    };
    unsafe { enter_status(client, body) }
}

/// # Safety
/// `client` is NULL or live.
unsafe fn look_at(
    client: *mut sv2_mining_client,
    channel_id: u32,
    body: impl FnOnce(Channel<'_>) -> sv2_status,
) -> sv2_status {
    unsafe { enter_status(client, |this| this.client.channel(channel_id).map_or(SV2_NOT_FOUND, body)) }
}

/// # Safety
/// `client` is NULL or live.
unsafe fn look_at_job(
    client: *mut sv2_mining_client,
    channel_id: u32,
    job_id: u32,
    body: impl FnOnce(Job<'_>) -> sv2_status,
) -> sv2_status {
    unsafe { look_at(client, channel_id, |channel| channel.job(job_id).map_or(SV2_NOT_FOUND, body)) }
}

/// # Safety
/// `out` is writable for `capacity` elements or NULL, `count` is writable.
unsafe fn write_list<T>(items: impl Iterator<Item = T>, out: *mut T, capacity: usize, count: *mut usize) -> sv2_status {
    let room = if out.is_null() { 0 } else { capacity };
    let mut written = 0;
    for item in items {
        if written < room {
            unsafe { out.add(written).write(item) };
        }
        written += 1;
    }
    unsafe { count.write(written) };
    if written > room { SV2_BUFFER_TOO_SMALL } else { SV2_OK }
}
