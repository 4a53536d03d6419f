//! Jobs: what is hashed.

use std::sync::Arc;

use sv2_core::message::{NewExtendedMiningJob, NewTemplate, SetCustomMiningJob};
use sv2_core::mining::job::{ExtendedJob, JobError, JobFactory, JobSource};
use sv2_core::wire::{List, U256};

use super::sv2_payout;
use crate::bitcoin::write_all;
use crate::boundary::{fence, fenced, free, hand_out};
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_ENCODE, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_OK, sv2_bytes,
    sv2_new_extended_mining_job, sv2_new_template, sv2_option_u32, sv2_set_custom_mining_job, sv2_status, sv2_str,
    sv2_u256, sv2_u256_list,
};

/// Makes the jobs of a pool, or of anybody else who has templates. It never changes, and may be used by several threads at once.
///
/// The scriptSig of a job is `coinbase_prefix | push("Sv2/<pool>/<miner>/") | [push(salt)] | push(extranonce)`: the template's
/// part, which begins with the height, then who has found the block, then what is rolled.
pub struct sv2_job_factory {
    factory: JobFactory,
}

/// An extended job (spec 5.1.2), checked, in memory of its own. It never changes, and may be used by several threads at once: all
/// channels that are paid alike share one.
pub struct sv2_extended_job {
    pub(crate) job: Arc<ExtendedJob>,
}

/// Where a job comes from, and so where a block that was found with it goes: see sv2_job_source.
pub type sv2_job_source_kind = u8;
/// A template.
pub const SV2_JOB_SOURCE_TEMPLATE: sv2_job_source_kind = 1;
/// A mining server.
pub const SV2_JOB_SOURCE_UPSTREAM: sv2_job_source_kind = 2;
/// A miner, by SetCustomMiningJob.
pub const SV2_JOB_SOURCE_CUSTOM: sv2_job_source_kind = 3;

/// Where a job comes from.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_job_source {
    /// An SV2_JOB_SOURCE_*.
    pub kind: sv2_job_source_kind,
    /// The mining server's number of the job; 0 if it is not from one.
    pub job_id: u32,
    /// The template; 0 if it is not from one.
    pub template_id: u64,
    /// The token of a custom job; empty if it is none. Valid until the job is freed.
    pub mining_job_token: sv2_bytes,
}

/// Makes a factory of jobs with a full extranonce of `extranonce_len` bytes, 1 to 32, and these tags, either of which may be empty;
/// free it with sv2_job_factory_free. `version_rolling_allowed` is 0 for a server that set REQUIRES_FIXED_VERSION (spec 5.3.1).
///
/// Returns SV2_ERROR_ARGUMENT for another length, for tags that are no UTF-8, or if a scriptSig with the tags, any template's prefix
/// (8 bytes), a salt and the extranonce would exceed 100 bytes: a factory that was made does not fail for it later.
///
/// # Safety
/// The tags are readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_job_factory_new(
    pool_tag: sv2_str,
    miner_tag: sv2_str,
    extranonce_len: usize,
    version_rolling_allowed: u8,
    out: *mut *mut sv2_job_factory,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let tag = |tag: sv2_str| std::str::from_utf8(unsafe { tag.as_slice() });
        let (Ok(pool_tag), Ok(miner_tag)) = (tag(pool_tag), tag(miner_tag)) else { return SV2_ERROR_ARGUMENT };
        match JobFactory::new(pool_tag, miner_tag, extranonce_len) {
            Ok(factory) => {
                let factory = factory.with_version_rolling(version_rolling_allowed != 0);
                unsafe { hand_out(out, sv2_job_factory { factory }) }
            }
            Err(error) => refusal(error),
        }
    })
}

/// Makes a job that mines the template and pays all it is worth by `payout`; free it with sv2_extended_job_free. Nothing that
/// was given is needed afterwards.
///
/// Two jobs of one template and payout with different salts have no coinbase in common, so that no share of one is a share of the
/// other. Give 0, which takes no room, to the first, and count up.
///
/// Returns SV2_ERROR_MALFORMED if the template's prefix is longer than 8 bytes or its outputs are not what their count says, and
/// SV2_ERROR_ENCODE if the job would not fit into a message.
///
/// # Safety
/// `factory` is a live factory, `payout` a live payout, `new_template` and what it points to are readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_job_factory_job(
    factory: *const sv2_job_factory,
    new_template: *const sv2_new_template,
    payout: *const sv2_payout,
    salt: u32,
    out: *mut *mut sv2_extended_job,
) -> sv2_status {
    let (factory, template, payout) = unsafe { (factory.as_ref(), new_template.as_ref(), payout.as_ref()) };
    let (Some(factory), Some(template), Some(payout)) = (factory, template, payout) else { return SV2_ERROR_NULL };
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let template = unsafe { template.to_core() };
        unsafe { hand_out_job(out, factory.factory.job(&template, &payout.payout, salt)) }
    })
}

/// Makes the job that a SetCustomMiningJob describes (spec 5.3.18); free it with sv2_extended_job_free. Its scriptSig is the
/// message's coinbase_prefix and the extranonce, for which the miner has written the push; the tags are not added.
///
/// Whether its previous hash, nBits and min_ntime are those of the tip, and whether it pays whom it must, is not looked at. Returns
/// SV2_ERROR_MALFORMED if the outputs are not what their count says, or the scriptSig has more than 100 bytes.
///
/// # Safety
/// `factory` is a live factory, `message` and what it points to are readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_job_factory_custom(
    factory: *const sv2_job_factory,
    message: *const sv2_set_custom_mining_job,
    out: *mut *mut sv2_extended_job,
) -> sv2_status {
    let (Some(factory), Some(message)) = (unsafe { (factory.as_ref(), message.as_ref()) }) else {
        return SV2_ERROR_NULL;
    };
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { hand_out_job(out, factory.factory.custom(&message.to_core())) })
}

/// Frees a factory; its jobs live on. NULL is allowed.
///
/// # Safety
/// `factory` is a live factory or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_job_factory_free(factory: *mut sv2_job_factory) {
    fence((), || unsafe { free(factory) });
}

/// Makes the job of a NewExtendedMiningJob that a mining server sent, for a full extranonce of `extranonce_len` bytes: those of the
/// channel's extranonce_prefix and its extranonce_size. Free it with sv2_extended_job_free.
///
/// Returns SV2_ERROR_MALFORMED if nobody could mine a block with it: the parts make no coinbase, or the extranonce is not in its
/// scriptSig.
///
/// # Safety
/// `message` and what it points to are readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_upstream(
    message: *const sv2_new_extended_mining_job,
    extranonce_len: usize,
    out: *mut *mut sv2_extended_job,
) -> sv2_status {
    let Some(message) = (unsafe { message.as_ref() }) else { return SV2_ERROR_NULL };
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { hand_out_job(out, ExtendedJob::upstream(&message.to_core(), extranonce_len)) })
}

/// The message that gives the job to an extended or a group channel. `min_ntime` is absent in a future job. It points into the
/// job and is valid until that is freed.
///
/// # Safety
/// `job` is a live job, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_message(
    job: *const sv2_extended_job,
    channel_id: u32,
    job_id: u32,
    min_ntime: sv2_option_u32,
    message: *mut sv2_new_extended_mining_job,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    if message.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let path = job.job.merkle_path();
        let found = sv2_new_extended_mining_job {
            channel_id,
            job_id,
            min_ntime,
            version: job.job.version(),
            version_rolling_allowed: job.job.version_rolling_allowed().into(),
            merkle_path: sv2_u256_list { items: path.as_ptr().cast(), count: path.len() },
            coinbase_tx_prefix: sv2_bytes::borrow(job.job.coinbase_tx_prefix()),
            coinbase_tx_suffix: sv2_bytes::borrow(job.job.coinbase_tx_suffix()),
        };
        unsafe { message.write(found) };
        SV2_OK
    })
}

/// The header's merkle root for the full extranonce `extranonce_prefix | extranonce` (spec 5.3.16): what NewMiningJob tells a
/// standard channel, whose `extranonce` is empty.
///
/// # Safety
/// `job` is a live job, the extranonces are readable, `merkle_root` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_merkle_root(
    job: *const sv2_extended_job,
    extranonce_prefix: sv2_bytes,
    extranonce: sv2_bytes,
    merkle_root: *mut sv2_u256,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    if merkle_root.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let extranonce = unsafe { [extranonce_prefix.as_slice(), extranonce.as_slice()] };
        unsafe { merkle_root.write(sv2_u256 { bytes: job.job.merkle_root(&extranonce) }) };
        SV2_OK
    })
}

/// Writes the coinbase for the full extranonce `extranonce_prefix | extranonce` into `out`, as it stands in a block and in
/// SubmitSolution: with BIP 141 fields if the job commits to witnesses. `*len` becomes its length.
///
/// Returns SV2_BUFFER_TOO_SMALL if `capacity` is too small: `*len` then says how much is needed, and nothing in `out` is of use
/// (`out` may be NULL to ask). Returns SV2_ERROR_ARGUMENT if the extranonce has not the length of the job's.
///
/// # Safety
/// `job` is a live job, the extranonces are readable, `out` is writable for `capacity` bytes and does not overlap them, `len` is
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_coinbase(
    job: *const sv2_extended_job,
    extranonce_prefix: sv2_bytes,
    extranonce: sv2_bytes,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    if len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let extranonce = unsafe { [extranonce_prefix.as_slice(), extranonce.as_slice()] };
        match job.job.coinbase(&extranonce) {
            Ok(coinbase) => unsafe { write_all(&coinbase, out, capacity, len) },
            Err(error) => refusal(error),
        }
    })
}

/// Where the job comes from.
///
/// # Safety
/// `job` is a live job, `source` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_source(
    job: *const sv2_extended_job,
    source: *mut sv2_job_source,
) -> sv2_status {
    let Some(job) = (unsafe { job.as_ref() }) else { return SV2_ERROR_NULL };
    if source.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { source.write(job.job.source().into()) };
        SV2_OK
    })
}

/// Length of the job's full extranonce, prefix and what is rolled, in bytes; 0 for NULL.
///
/// # Safety
/// `job` is a live job or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_extranonce_len(job: *const sv2_extended_job) -> usize {
    fence(0, || unsafe { job.as_ref() }.map_or(0, |job| job.job.extranonce_len()))
}

/// Frees a job. NULL is allowed.
///
/// # Safety
/// `job` is a live job or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extended_job_free(job: *mut sv2_extended_job) {
    fence((), || unsafe { free(job) });
}

/// # Safety
/// `out` is valid for writing a pointer.
unsafe fn hand_out_job(out: *mut *mut sv2_extended_job, job: Result<ExtendedJob, JobError>) -> sv2_status {
    match job {
        Ok(job) => unsafe { hand_out(out, sv2_extended_job { job: Arc::new(job) }) },
        Err(error) => refusal(error),
    }
}

fn refusal(error: JobError) -> sv2_status {
    match error {
        JobError::Coinbase(_) | JobError::ExtranonceOutsideScript => SV2_ERROR_MALFORMED,
        JobError::CoinbaseTooLarge(_) | JobError::MerklePathTooLong(_) => SV2_ERROR_ENCODE,
        _ => SV2_ERROR_ARGUMENT,
    }
}

impl From<&JobSource> for sv2_job_source {
    fn from(source: &JobSource) -> Self {
        let of_kind = |kind| Self { kind, job_id: 0, template_id: 0, mining_job_token: sv2_bytes::EMPTY };
        match source {
            JobSource::Template(template_id) => Self { template_id: *template_id, ..of_kind(SV2_JOB_SOURCE_TEMPLATE) },
            JobSource::Upstream(job_id) => Self { job_id: *job_id, ..of_kind(SV2_JOB_SOURCE_UPSTREAM) },
            JobSource::Custom(token) => {
                Self { mining_job_token: sv2_bytes::borrow_or_null(token), ..of_kind(SV2_JOB_SOURCE_CUSTOM) }
            }
        }
    }
}

impl sv2_new_template {
    /// # Safety
    /// The pointers are NULL or valid for their lengths for as long as the result is used.
    pub(crate) unsafe fn to_core<'a>(self) -> NewTemplate<'a> {
        NewTemplate {
            template_id: self.template_id,
            future_template: self.future_template != 0,
            version: self.version,
            coinbase_tx_version: self.coinbase_tx_version,
            coinbase_prefix: unsafe { self.coinbase_prefix.as_slice() },
            coinbase_tx_input_sequence: self.coinbase_tx_input_sequence,
            coinbase_tx_value_remaining: self.coinbase_tx_value_remaining,
            coinbase_tx_outputs_count: self.coinbase_tx_outputs_count,
            coinbase_tx_outputs: unsafe { self.coinbase_tx_outputs.as_slice() },
            coinbase_tx_locktime: self.coinbase_tx_locktime,
            merkle_path: List::Items(unsafe { self.merkle_path.as_slice() }),
        }
    }
}

impl sv2_set_custom_mining_job {
    /// # Safety
    /// As [`sv2_new_template::to_core`].
    pub(crate) unsafe fn to_core<'a>(self) -> SetCustomMiningJob<'a> {
        SetCustomMiningJob {
            channel_id: self.channel_id,
            request_id: self.request_id,
            mining_job_token: unsafe { self.mining_job_token.as_slice() },
            version: self.version,
            prev_hash: U256(self.prev_hash.bytes),
            min_ntime: self.min_ntime,
            nbits: self.nbits,
            coinbase_tx_version: self.coinbase_tx_version,
            coinbase_prefix: unsafe { self.coinbase_prefix.as_slice() },
            coinbase_tx_input_nsequence: self.coinbase_tx_input_nsequence,
            coinbase_tx_outputs: unsafe { self.coinbase_tx_outputs.as_slice() },
            coinbase_tx_locktime: self.coinbase_tx_locktime,
            merkle_path: List::Items(unsafe { self.merkle_path.as_slice() }),
        }
    }
}

impl sv2_new_extended_mining_job {
    /// # Safety
    /// As [`sv2_new_template::to_core`].
    pub(crate) unsafe fn to_core<'a>(self) -> NewExtendedMiningJob<'a> {
        NewExtendedMiningJob {
            channel_id: self.channel_id,
            job_id: self.job_id,
            min_ntime: self.min_ntime.get(),
            version: self.version,
            version_rolling_allowed: self.version_rolling_allowed != 0,
            merkle_path: List::Items(unsafe { self.merkle_path.as_slice() }),
            coinbase_tx_prefix: unsafe { self.coinbase_tx_prefix.as_slice() },
            coinbase_tx_suffix: unsafe { self.coinbase_tx_suffix.as_slice() },
        }
    }
}
