//! The shares of a server's channel, and what they earn.

use sv2_core::Time;
use sv2_core::bitcoin::Header;
use sv2_core::mining::accounting::{Accounting, Batch};
use sv2_core::mining::channel::{Accepted, Extranonce, Submission};

use super::accounting::acknowledgement;
use super::server_channel::{answer, sv2_server_channel};
use super::share::number_of;
use super::{SV2_SHARE_OK, sv2_extended_job, sv2_share, sv2_share_error, sv2_share_totals};
use crate::boundary::enter;
use crate::{
    SV2_ERROR_NULL, SV2_NO_EVENT, SV2_NOT_FOUND, sv2_block_header, sv2_bytes, sv2_status, sv2_submit_shares_success,
    sv2_time, sv2_u256,
};

/// A share as it is submitted (spec 5.3.11, 5.3.12).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_submission {
    /// As the miner counts.
    pub sequence_number: u32,
    /// The job that it is for.
    pub job_id: u32,
    /// The rest.
    pub share: sv2_share,
    /// Anything but 0: what an extension appended makes the message invalid (spec 3.4.3). It is refused with
    /// SV2_SHARE_INVALID_TLV, unless it is a block.
    pub has_invalid_tlv: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// What became of a share. If it is refused, all but `error` is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_submission_verdict {
    /// SV2_SHARE_OK, or why the share is refused.
    pub error: sv2_share_error,
    /// 1 if it is a block, else 0. Submit it before anything else: `header`, and the coinbase that sv2_extended_job_coinbase makes of
    /// `job` and `extranonce`.
    pub is_block: u8,
    /// 1 if many shares of the job are remembered, and not many more can be: the channel should get another job, with a search
    /// space of its own. Said once for each job, and only of the last one.
    pub wants_job: u8,
    /// Zero.
    pub reserved: [u8; 5],
    /// What it counts for: the difficulty of the job's target. For a block that does not meet that, of the block's target.
    pub difficulty: f64,
    /// How many hashes it took on average: the work of that target, for sv2_vardiff_share.
    pub work: f64,
    /// The hash of its header.
    pub hash: sv2_u256,
    /// The header, if it is a block.
    pub header: sv2_block_header,
    /// The job that it is for. It belongs to the channel. Valid, like `extranonce`, until the next sv2_server_channel_submit or
    /// sv2_server_channel_late_block, or until the channel is freed.
    pub job: *const sv2_extended_job,
    /// The full extranonce.
    pub extranonce: sv2_bytes,
    /// How many bytes of it are the prefix.
    pub extranonce_prefix_len: usize,
}

/// What the last verdict points to.
pub(super) struct LastShare {
    job: sv2_extended_job,
    extranonce: Extranonce,
}

/// Judges a share, and keeps the account of it. Returns SV2_OK when there is a verdict, whatever it is.
///
/// A share is refused, in this order, with SV2_SHARE_STALE_SHARE, SV2_SHARE_INVALID_JOB_ID, what sv2_share_check finds,
/// SV2_SHARE_DUPLICATE_SHARE; and with SV2_SHARE_INVALID_JOB_ID also if so many shares of the job are remembered that this one would
/// have to be forgotten. A block is never refused for that. sv2_share_error_code gives what to tell the miner. If it is accepted, ask
/// sv2_server_channel_due afterwards, or sv2_server_channel_flush, if it is a block.
///
/// # Safety
/// `channel` is live, `submission` and what it points to are readable, `verdict` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_submit(
    channel: *mut sv2_server_channel,
    submission: *const sv2_submission,
    now: sv2_time,
    verdict: *mut sv2_submission_verdict,
) -> sv2_status {
    let Some(submission) = (unsafe { submission.as_ref() }) else { return SV2_ERROR_NULL };
    let judge = |this: &mut sv2_server_channel| {
        this.last = None;
        Ok(match this.inner.submit(&unsafe { submission.to_core() }, now.into()) {
            Ok(accepted) => this.verdict(accepted),
            Err(error) => sv2_submission_verdict { error: number_of(error), ..NO_VERDICT },
        })
    };
    unsafe { answer(channel, verdict, judge) }
}

/// A stale share may be a block on the tip before, found before its miner heard of the new one: a node should see it, since it may yet
/// win. It counts for nothing. Ask for shares that were refused with SV2_SHARE_STALE_SHARE; looks at the job that was worked on last,
/// and gives each block once, into `*verdict`. Returns SV2_NOT_FOUND if it is none.
///
/// # Safety
/// As sv2_server_channel_submit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_late_block(
    channel: *mut sv2_server_channel,
    submission: *const sv2_submission,
    now: sv2_time,
    verdict: *mut sv2_submission_verdict,
) -> sv2_status {
    let Some(submission) = (unsafe { submission.as_ref() }) else { return SV2_ERROR_NULL };
    let look = |this: &mut sv2_server_channel| {
        this.last = None;
        let block = this.inner.late_block(&unsafe { submission.to_core() }, now.into());
        block.map(|block| this.verdict(block)).ok_or(SV2_NOT_FOUND)
    };
    unsafe { answer(channel, verdict, look) }
}

/// The SubmitShares.Success that is to be sent now because there is enough to acknowledge or it has waited long enough, into
/// `*message`; it is taken out. Returns SV2_NO_EVENT if there is none.
///
/// # Safety
/// `channel` is live, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_due(
    channel: *mut sv2_server_channel,
    now: sv2_time,
    message: *mut sv2_submit_shares_success,
) -> sv2_status {
    let now = Time::from(now);
    unsafe { answer(channel, message, |this| this.acknowledge(|accounting| accounting.due(now))) }
}

/// What is not acknowledged yet, however little it is, as sv2_server_channel_due: after a block, and before the channel closes.
///
/// # Safety
/// `channel` is live, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_flush(
    channel: *mut sv2_server_channel,
    message: *mut sv2_submit_shares_success,
) -> sv2_status {
    unsafe { answer(channel, message, |this| this.acknowledge(Accounting::flush)) }
}

/// When sv2_server_channel_due is to be asked again, in monotonic milliseconds; UINT64_MAX if nothing waits, or if `channel` is NULL or
/// unusable.
///
/// # Safety
/// `channel` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_deadline(channel: *mut sv2_server_channel) -> u64 {
    unsafe { enter(channel, u64::MAX, u64::MAX, |this| this.inner.accounting().deadline().unwrap_or(u64::MAX)) }
}

/// The sums since the channel was opened, with what is not acknowledged yet, into `*totals`.
///
/// # Safety
/// `channel` is live, `totals` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_server_channel_get_totals(
    channel: *mut sv2_server_channel,
    totals: *mut sv2_share_totals,
) -> sv2_status {
    unsafe { answer(channel, totals, |this| Ok(this.inner.accounting().totals().into())) }
}

const NO_VERDICT: sv2_submission_verdict = sv2_submission_verdict {
    error: SV2_SHARE_OK,
    is_block: 0,
    wants_job: 0,
    reserved: [0; 5],
    difficulty: 0.0,
    work: 0.0,
    hash: sv2_u256 { bytes: [0; 32] },
    header: sv2_block_header {
        version: 0,
        prev_hash: sv2_u256 { bytes: [0; 32] },
        merkle_root: sv2_u256 { bytes: [0; 32] },
        time: 0,
        nbits: 0,
        nonce: 0,
    },
    job: std::ptr::null(),
    extranonce: sv2_bytes::EMPTY,
    extranonce_prefix_len: 0,
};

impl sv2_submission {
    /// # Safety
    /// The extranonce is readable for as long as the result is used.
    unsafe fn to_core<'a>(self) -> Submission<'a> {
        Submission {
            sequence_number: self.sequence_number,
            job_id: self.job_id,
            share: unsafe { self.share.to_core() },
            has_invalid_tlv: self.has_invalid_tlv != 0,
        }
    }
}

impl sv2_server_channel {
    /// Keeps what the verdict points to.
    fn verdict(&mut self, accepted: Accepted) -> sv2_submission_verdict {
        let Accepted { job, extranonce, extranonce_prefix_len, hash, block, difficulty, work, wants_job } = accepted;
        let last = self.last.insert(LastShare { job: sv2_extended_job { job }, extranonce });
        sv2_submission_verdict {
            error: SV2_SHARE_OK,
            is_block: block.is_some().into(),
            wants_job: wants_job.into(),
            reserved: [0; 5],
            difficulty,
            work,
            hash: sv2_u256 { bytes: hash },
            header: block.map_or(NO_VERDICT.header, Header::into),
            job: &raw const last.job,
            extranonce: sv2_bytes::borrow(&last.extranonce),
            extranonce_prefix_len,
        }
    }

    fn acknowledge(
        &mut self,
        take: impl FnOnce(&mut Accounting) -> Option<Batch>,
    ) -> Result<sv2_submit_shares_success, sv2_status> {
        let channel_id = self.inner.channel_id();
        take(self.inner.accounting_mut()).map(|batch| acknowledgement(channel_id, batch)).ok_or(SV2_NO_EVENT)
    }
}
