//! The work of a mining server that comes from another one: the lower half of a proxy.

use sv2_core::bitcoin::Target;
use sv2_core::message::{NewExtendedMiningJob, SetNewPrevHash};
use sv2_core::mining::server::{Server, ServerError, UpstreamChannel};
use sv2_core::wire::{List, U256};

use super::server::{call, sv2_mining_server};
use crate::{
    SV2_ERROR_NULL, sv2_bytes, sv2_new_extended_mining_job, sv2_set_new_prev_hash, sv2_status, sv2_time, sv2_u256,
};

/// Names an upstream channel, whose work channels are to mine; or says that the work of one that has this name comes from another
/// server or another channel from now on. Then all its channels get other prefixes with SetExtranoncePrefix, and wait for the jobs
/// that follow; shares of the jobs that they have count until the tip changes.
///
/// The extranonces are `extranonce_prefix` and `extranonce_size` bytes more. Of these `rollable_len` are left to the miner of an
/// extended channel; what is before them tells the channels apart: up to 4 bytes, behind zeros. If that is nothing, there can be one
/// channel only, which has what the server upstream gave.
///
/// Returns SV2_NOT_FOUND if it is the name of a payout; SV2_ERROR_ARGUMENT if channels have another `rollable_len`, if there are fewer
/// bytes than that, or not enough to tell the channels apart.
///
/// # Safety
/// `server` is live, `extranonce_prefix` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_upstream(
    server: *mut sv2_mining_server,
    work_id: u64,
    extranonce_prefix: sv2_bytes,
    extranonce_size: usize,
    rollable_len: usize,
    now: sv2_time,
) -> sv2_status {
    let extranonce_prefix = unsafe { extranonce_prefix.as_slice() };
    let channel = UpstreamChannel { extranonce_prefix, extranonce_size, rollable_len };
    unsafe { call(server, |this| this.set_upstream(work_id, &channel, now.into())) }
}

/// The upstream channel has another prefix from its next job on (spec 5.3.10), and so have the channels that mine its work.
///
/// Returns SV2_NOT_FOUND if there is no upstream channel of this name, SV2_ERROR_ARGUMENT if the prefix is too long.
///
/// # Safety
/// `server` is live, `extranonce_prefix` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_upstream_prefix(
    server: *mut sv2_mining_server,
    work_id: u64,
    extranonce_prefix: sv2_bytes,
    now: sv2_time,
) -> sv2_status {
    let extranonce_prefix = unsafe { extranonce_prefix.as_slice() };
    unsafe { call(server, |this| this.set_upstream_prefix(work_id, extranonce_prefix, now.into())) }
}

/// No target of a channel that mines this work is harder than `hardest` from now on, where clients accept that: what is below it is
/// wanted above, and must not be missed. It is the target of the upstream channel: say it when that is opened and with each SetTarget.
///
/// Returns SV2_NOT_FOUND if there is no work of this name.
///
/// # Safety
/// `server` is live, `hardest` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_hardest_target(
    server: *mut sv2_mining_server,
    work_id: u64,
    hardest: *const sv2_u256,
    now: sv2_time,
) -> sv2_status {
    let Some(hardest) = (unsafe { hardest.as_ref() }) else { return SV2_ERROR_NULL };
    unsafe { call(server, |this| this.set_hardest_target(work_id, Target(hardest.bytes), now.into())) }
}

/// A job came from above. Without min_ntime it waits for its tip; otherwise it is worked on from now on. It is sent at once. What it
/// points to is copied. The `source_id` of shares that are found on it is its job_id.
///
/// Returns SV2_NOT_FOUND if there is no upstream channel of this name, SV2_ERROR_ARGUMENT if nobody could mine a block with it,
/// SV2_ERROR_STATE if it waits for no tip and there is none.
///
/// # Safety
/// `server` is live, `job` and what it points to are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_new_upstream_job(
    server: *mut sv2_mining_server,
    work_id: u64,
    job: *const sv2_new_extended_mining_job,
    now: sv2_time,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut Server| -> Result<(), ServerError> {
        this.new_upstream_job(work_id, &unsafe { message_of(job) }, now.into()).map(|_| ())
    };
    unsafe { call(server, body) }
}

/// There is a new tip above (spec 5.3.17): all work on the job that waited for it.
///
/// Returns SV2_NOT_FOUND if there is no upstream channel of this name, or the job did not come before; SV2_ERROR_ARGUMENT if nBits stand
/// for no target.
///
/// # Safety
/// `server` is live, `tip` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_upstream_prev_hash(
    server: *mut sv2_mining_server,
    work_id: u64,
    tip: *const sv2_set_new_prev_hash,
    now: sv2_time,
) -> sv2_status {
    let Some(tip) = (unsafe { tip.as_ref() }) else { return SV2_ERROR_NULL };
    let message = SetNewPrevHash {
        channel_id: tip.channel_id,
        job_id: tip.job_id,
        prev_hash: U256(tip.prev_hash.bytes),
        min_ntime: tip.min_ntime,
        nbits: tip.nbits,
    };
    unsafe { call(server, |this| this.set_upstream_prev_hash(work_id, &message, now.into())) }
}

/// # Safety
/// What `job` points to is readable.
unsafe fn message_of(job: &sv2_new_extended_mining_job) -> NewExtendedMiningJob<'_> {
    unsafe {
        NewExtendedMiningJob {
            channel_id: job.channel_id,
            job_id: job.job_id,
            min_ntime: job.min_ntime.get(),
            version: job.version,
            version_rolling_allowed: job.version_rolling_allowed != 0,
            merkle_path: List::Items(job.merkle_path.as_slice()),
            coinbase_tx_prefix: job.coinbase_tx_prefix.as_slice(),
            coinbase_tx_suffix: job.coinbase_tx_suffix.as_slice(),
        }
    }
}
