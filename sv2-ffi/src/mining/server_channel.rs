//! The server's side of a standard or an extended channel.

use std::sync::Arc;

use sv2_core::bitcoin::{Hash, Target};
use sv2_core::mining::channel::ServerChannel;
use sv2_core::mining::job::ExtendedJob;

use super::server_channel_options::fitting;
use super::server_channel_shares::LastShare;
use super::{sv2_extended_job, sv2_mining_tip, sv2_server_channel_info, sv2_server_channel_options};
use crate::bitcoin::write_all;
use crate::boundary::{Object, enter_status, fenced, free, hand_out};
use crate::options::read_options;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_ERROR_STATE, SV2_ERROR_TOO_MANY, SV2_NOT_FOUND, SV2_OK, sv2_bytes,
    sv2_status, sv2_u256,
};

/// The server's side of a standard or an extended channel (spec 5.2), for a pool that keeps connections and messages itself: it
/// knows the channel's jobs, judges shares against them, remembers those it has accepted, and keeps the account. sv2_mining_server
/// does all that and the rest.
///
/// Jobs come as future jobs, which wait for a tip, or as jobs on the present one. The last one is what the miner should work on;
/// shares for those before it on the same tip count as well. With a new tip all others are stale.
///
/// ```text
///                  add_future_job            activate
///       nothing ------------------> future -----------> active --> past (the last 16) --> forgotten
///          |                                               ^           |
///          +----------------- add_job ---------------------+           +-- next tip --> stale --> forgotten
/// ```
///
/// The target of a job is that of the channel when the job became active (spec 5.3.21), and its extranonce_prefix that of the
/// channel when the job was sent (spec 5.3.10). The other parts: sv2_group_channel for jobs that are sent to many at once,
/// sv2_extranonce_allocator for the prefixes, sv2_vardiff for the targets.
pub struct sv2_server_channel {
    poisoned: bool,
    pub(super) inner: ServerChannel,
    max_custom_jobs: usize,
    pub(super) last: Option<LastShare>,
}

impl Object for sv2_server_channel {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a channel without jobs; free it with sv2_server_channel_free.
///
/// Returns SV2_ERROR_ARGUMENT if the kind is unknown, the extranonce is longer than 32 bytes, or a standard channel is to roll a
/// part of it.
///
/// # Safety
/// `options` and what it points to are readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_new(
    options: *const sv2_server_channel_options,
    out: *mut *mut sv2_server_channel,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let made = unsafe { read_options(options).and_then(|options| options.channel()) };
        match made {
            Ok((inner, max_custom_jobs)) => unsafe {
                hand_out(out, sv2_server_channel { poisoned: false, inner, max_custom_jobs, last: None })
            },
            Err(status) => status,
        }
    })
}

/// Frees a channel; NULL is nothing to free.
///
/// # Safety
/// `channel` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_free(channel: *mut sv2_server_channel) {
    unsafe { free(channel) }
}

/// What is to be known of the channel, into `*info`.
///
/// # Safety
/// `channel` is live, `info` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_get_info(
    channel: *mut sv2_server_channel,
    info: *mut sv2_server_channel_info,
) -> sv2_status {
    unsafe { answer(channel, info, |this| Ok((&this.inner).into())) }
}

/// The tip of its jobs, into `*tip`. Returns SV2_NOT_FOUND if it was given none.
///
/// # Safety
/// `channel` is live, `tip` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_tip(
    channel: *mut sv2_server_channel,
    tip: *mut sv2_mining_tip,
) -> sv2_status {
    unsafe { answer(channel, tip, |this| this.inner.tip().map(|tip| (*tip).into()).ok_or(SV2_NOT_FOUND)) }
}

/// The client says something else with UpdateChannel. The target becomes no easier than `max_target`; making it what the hash rate
/// asks for is left to sv2_server_channel_set_target.
///
/// # Safety
/// `channel` is live, `max_target` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_update(
    channel: *mut sv2_server_channel,
    nominal_hash_rate: f32,
    max_target: *const sv2_u256,
) -> sv2_status {
    let Some(max_target) = (unsafe { max_target.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_server_channel| {
        this.inner.update(nominal_hash_rate, Target(max_target.bytes));
        SV2_OK
    };
    unsafe { enter_status(channel, body) }
}

/// Another target, made no easier than the client accepts, for jobs that become active from now on. `*changed` becomes 1 if it is
/// another one than before, which the client must be sent with SetTarget, else 0; NULL if that is not wanted.
///
/// # Safety
/// `channel` is live, `target` is readable, `changed` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_set_target(
    channel: *mut sv2_server_channel,
    target: *const sv2_u256,
    changed: *mut u8,
) -> sv2_status {
    let Some(target) = (unsafe { target.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_server_channel| {
        let is_another = this.inner.set_target(Target(target.bytes));
        if let Some(changed) = unsafe { changed.as_mut() } {
            *changed = is_another.into();
        }
        SV2_OK
    };
    unsafe { enter_status(channel, body) }
}

/// Another extranonce_prefix, which is copied, for jobs that are sent from now on; the client must be sent a SetExtranoncePrefix.
///
/// Returns SV2_ERROR_ARGUMENT if the extranonce would be longer than 32 bytes.
///
/// # Safety
/// `channel` is live, `extranonce_prefix` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_set_extranonce_prefix(
    channel: *mut sv2_server_channel,
    extranonce_prefix: sv2_bytes,
) -> sv2_status {
    let body = |this: &mut sv2_server_channel| match fitting(
        unsafe { extranonce_prefix.as_slice() },
        this.inner.extranonce_size(),
    ) {
        Ok(prefix) => {
            this.inner.set_extranonce_prefix(prefix);
            SV2_OK
        }
        Err(status) => status,
    };
    unsafe { enter_status(channel, body) }
}

/// A job that waits for a tip; the channel shares it, and `job` may be freed. Into `*merkle_root` goes what NewMiningJob tells a
/// standard channel; NULL if that is not wanted. Of an extended channel it is left alone: its message is that of
/// sv2_extended_job_message.
///
/// Returns SV2_ERROR_ARGUMENT if the job is for full extranonces of another length than the channel's.
///
/// # Safety
/// `channel` and `job` are live, `merkle_root` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_add_future_job(
    channel: *mut sv2_server_channel,
    job_id: u32,
    job: *const sv2_extended_job,
    merkle_root: *mut sv2_u256,
) -> sv2_status {
    let add = |this: &mut sv2_server_channel, job| {
        unsafe { tell(this.inner.add_future_job(job_id, job), merkle_root) };
        SV2_OK
    };
    unsafe { with_job(channel, job, add) }
}

/// A job that waited for a tip does not any more, if it is there.
///
/// # Safety
/// `channel` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_remove_future_job(
    channel: *mut sv2_server_channel,
    job_id: u32,
) -> sv2_status {
    let body = |this: &mut sv2_server_channel| {
        this.inner.remove_future_job(job_id);
        SV2_OK
    };
    unsafe { enter_status(channel, body) }
}

/// A job on the present tip: the one to work on. `job` and `merkle_root` as in sv2_server_channel_add_future_job.
///
/// All jobs of a channel must have search spaces of their own, as those of one factory with different templates or salts have, or be
/// the same sv2_extended_job; else a share could be paid twice. Custom jobs: sv2_server_channel_add_custom_job.
///
/// Returns SV2_ERROR_ARGUMENT if the job is for full extranonces of another length than the channel's, and SV2_ERROR_STATE if there is
/// no tip.
///
/// # Safety
/// `channel` and `job` are live, `merkle_root` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_add_job(
    channel: *mut sv2_server_channel,
    job_id: u32,
    job: *const sv2_extended_job,
    min_ntime: u32,
    merkle_root: *mut sv2_u256,
) -> sv2_status {
    let add = |this: &mut sv2_server_channel, job| {
        if this.inner.tip().is_none() {
            return SV2_ERROR_STATE;
        }
        unsafe { tell(this.inner.add_job(job_id, job, min_ntime), merkle_root) };
        SV2_OK
    };
    unsafe { with_job(channel, job, add) }
}

/// A custom job on the present tip (spec 5.3.18), accepted for whatever reasons the server has. One that has the search space of
/// another is that other one: `*accepted_job_id`, the job_id of SetCustomMiningJob.Success, becomes its number, else `job_id`.
///
/// Returns SV2_ERROR_TOO_MANY if it is one too many since the tip came, or was such a job before and is forgotten, so that its shares
/// could be submitted again; SV2_ERROR_ARGUMENT and SV2_ERROR_STATE as sv2_server_channel_add_job.
///
/// # Safety
/// `channel` and `job` are live, `accepted_job_id` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_add_custom_job(
    channel: *mut sv2_server_channel,
    job_id: u32,
    job: *const sv2_extended_job,
    min_ntime: u32,
    accepted_job_id: *mut u32,
) -> sv2_status {
    if accepted_job_id.is_null() {
        return SV2_ERROR_NULL;
    }
    let add = |this: &mut sv2_server_channel, job| {
        if this.inner.tip().is_none() {
            return SV2_ERROR_STATE;
        }
        match this.inner.add_custom_job(job_id, job, min_ntime, this.max_custom_jobs) {
            Ok(accepted) => {
                unsafe { accepted_job_id.write(accepted) };
                SV2_OK
            }
            Err(_) => SV2_ERROR_TOO_MANY,
        }
    };
    unsafe { with_job(channel, job, add) }
}

/// A new tip, and the job that waited for it. All other jobs are stale.
///
/// Returns SV2_NOT_FOUND if there is no such job. The tip is the new one all the same, there is no job to work on, and whatever shares
/// come are stale.
///
/// # Safety
/// `channel` is live, `tip` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_activate(
    channel: *mut sv2_server_channel,
    job_id: u32,
    tip: *const sv2_mining_tip,
) -> sv2_status {
    let Some(tip) = (unsafe { tip.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_server_channel| {
        if this.inner.activate(job_id, &(*tip).into()) { SV2_OK } else { SV2_NOT_FOUND }
    };
    unsafe { enter_status(channel, body) }
}

/// A new tip without a job that waited for it. All jobs are stale.
///
/// # Safety
/// `channel` is live, `tip` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_set_tip(
    channel: *mut sv2_server_channel,
    tip: *const sv2_mining_tip,
) -> sv2_status {
    let Some(tip) = (unsafe { tip.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_server_channel| {
        this.inner.set_tip(&(*tip).into());
        SV2_OK
    };
    unsafe { enter_status(channel, body) }
}

/// The numbers of the jobs that shares count for, the last one first, into `job_ids`; `*count` becomes how many there are. Returns
/// SV2_BUFFER_TOO_SMALL if there are more than `capacity` (`job_ids` may be NULL to ask).
///
/// # Safety
/// `channel` is live, `job_ids` is writable for `capacity` elements, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_live_jobs(
    channel: *mut sv2_server_channel,
    job_ids: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    let ids = |this: &sv2_server_channel| this.inner.live_jobs().map(|(job_id, _)| job_id).collect::<Vec<_>>();
    unsafe { list(channel, ids, job_ids, capacity, count) }
}

/// The numbers of the jobs that wait for a tip, the oldest first, as sv2_server_channel_live_jobs.
///
/// # Safety
/// As sv2_server_channel_live_jobs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_future_jobs(
    channel: *mut sv2_server_channel,
    job_ids: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    let ids = |this: &sv2_server_channel| this.inner.future_jobs().map(|(job_id, _)| job_id).collect::<Vec<_>>();
    unsafe { list(channel, ids, job_ids, capacity, count) }
}

/// A job of the channel that shares count for or that waits for a tip, into `*job`: the same one as was given, shared; free it with
/// sv2_extended_job_free. Returns SV2_NOT_FOUND if there is none of that number.
///
/// # Safety
/// `channel` is live, `job` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_job(
    channel: *mut sv2_server_channel,
    job_id: u32,
    job: *mut *mut sv2_extended_job,
) -> sv2_status {
    if job.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_server_channel| {
        let found = this.inner.live_jobs().chain(this.inner.future_jobs()).find(|(id, _)| *id == job_id);
        let Some((_, found)) = found else { return SV2_NOT_FOUND };
        unsafe { hand_out(job, sv2_extended_job { job: Arc::clone(found) }) }
    };
    unsafe { enter_status(channel, body) }
}

/// Writes an answer, if there is one, into `to`.
///
/// # Safety
/// `channel` is live, `to` is valid for writing or NULL.
pub(super) unsafe fn answer<T>(
    channel: *mut sv2_server_channel,
    to: *mut T,
    ask: impl FnOnce(&mut sv2_server_channel) -> Result<T, sv2_status>,
) -> sv2_status {
    if to.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_server_channel| match ask(this) {
        Ok(answer) => {
            unsafe { to.write(answer) };
            SV2_OK
        }
        Err(status) => status,
    };
    unsafe { enter_status(channel, body) }
}

/// Does something with a job that fits the channel.
///
/// # Safety
/// `channel` and `job` are live or NULL.
unsafe fn with_job(
    channel: *mut sv2_server_channel,
    job: *const sv2_extended_job,
    add: impl FnOnce(&mut sv2_server_channel, Arc<ExtendedJob>) -> sv2_status,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_server_channel| {
        if job.job.extranonce_len() != this.inner.full_extranonce_len() {
            return SV2_ERROR_ARGUMENT;
        }
        add(this, Arc::clone(&job.job))
    };
    unsafe { enter_status(channel, body) }
}

/// # Safety
/// As [`sv2_server_channel_live_jobs`].
unsafe fn list(
    channel: *mut sv2_server_channel,
    ids: impl FnOnce(&sv2_server_channel) -> Vec<u32>,
    job_ids: *mut u32,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if count.is_null() {
        return SV2_ERROR_NULL;
    }
    unsafe { enter_status(channel, |this| write_all(&ids(this), job_ids, capacity, count)) }
}

/// # Safety
/// `to` is valid for writing or NULL.
unsafe fn tell(merkle_root: Option<Hash>, to: *mut sv2_u256) {
    if let (Some(bytes), Some(to)) = (merkle_root, unsafe { to.as_mut() }) {
        *to = sv2_u256 { bytes };
    }
}
