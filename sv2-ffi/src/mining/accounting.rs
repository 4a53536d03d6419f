//! What a channel has earned, and when to acknowledge it.

use sv2_core::mining::accounting::{Accounting, AccountingOptions, Batch, Totals};
use sv2_core::mining::share::ShareError;

use crate::boundary::{Object, enter, enter_status, fenced, free, hand_out};
use crate::options::{Options, read_options};
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_NO_EVENT, SV2_OK, sv2_share_error, sv2_status, sv2_submit_shares_success,
    sv2_time, sv2_u256,
};

/// The shares of one channel: sums, and when to send the next SubmitShares.Success (spec 5.3.13), which may acknowledge many.
pub struct sv2_accounting {
    poisoned: bool,
    inner: Accounting,
}

impl Object for sv2_accounting {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// When accepted shares are acknowledged. A zero means the usual value, which is given with each member. Initialise with
/// SV2_ACCOUNTING_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_accounting_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// At the latest with this many: 10. With 1 each share is acknowledged by itself.
    pub batch_shares: u32,
    /// At the latest this many milliseconds after the first of them was accepted: 1,000.
    pub batch_ms: u32,
}

// All members are numbers; zero means: as usual.
unsafe impl Options for sv2_accounting_options {}

/// What a channel has done since it was opened.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_share_totals {
    /// Accepted shares.
    pub accepted: u64,
    /// Rejected shares by reason, each at the place that its SV2_SHARE_* says. The others are zero.
    pub rejected: [u64; 16],
    /// The sum of the difficulties of the accepted shares, each by the target of its job.
    pub difficulty: f64,
    /// The hashes that it took on average to find the accepted shares.
    pub work: f64,
    /// The difficulty of the best accepted share, by its hash; 0 if there is none.
    pub best_difficulty: f64,
}

/// The account of a channel that was just opened; free it with sv2_accounting_free.
///
/// # Safety
/// `options` is readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_new(
    options: *const sv2_accounting_options,
    out: *mut *mut sv2_accounting,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let read = match unsafe { read_options(options) } {
            Ok(read) => read,
            Err(status) => return status,
        };
        let options = accounting_options(read.batch_shares, read.batch_ms);
        unsafe { hand_out(out, sv2_accounting { poisoned: false, inner: Accounting::new(options) }) }
    })
}

/// A share was accepted, with the difficulty of its job's target and its hash. Ask sv2_accounting_due afterwards; or
/// sv2_accounting_flush, if it is a block: its miner is told at once.
///
/// Returns SV2_ERROR_ARGUMENT if `difficulty` is no number, negative or infinite.
///
/// # Safety
/// `accounting` is live, `hash` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_accept(
    accounting: *mut sv2_accounting,
    sequence_number: u32,
    difficulty: f64,
    hash: *const sv2_u256,
    now: sv2_time,
) -> sv2_status {
    let Some(hash) = (unsafe { hash.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut sv2_accounting| {
        if !(difficulty >= 0.0 && difficulty.is_finite()) {
            return SV2_ERROR_ARGUMENT;
        }
        this.inner.accept(sequence_number, difficulty, &hash.bytes, now.into());
        SV2_OK
    };
    unsafe { enter_status(accounting, body) }
}

/// A share was rejected for this reason, one of SV2_SHARE_*. Returns SV2_ERROR_ARGUMENT if it is none.
///
/// # Safety
/// `accounting` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_reject(accounting: *mut sv2_accounting, error: sv2_share_error) -> sv2_status {
    let body = |this: &mut sv2_accounting| {
        let place = usize::from(error).checked_sub(1);
        let Some(error) = place.and_then(|place| ShareError::ALL.get(place)) else { return SV2_ERROR_ARGUMENT };
        this.inner.reject(*error);
        SV2_OK
    };
    unsafe { enter_status(accounting, body) }
}

/// What is to be acknowledged now because there is enough of it or it has waited long enough, into `*message`, which lacks the
/// channel_id; it is taken out. SV2_NO_EVENT if there is nothing.
///
/// new_shares_sum is a whole number. What is left of a batch below 1 goes into the next, so that over many batches nothing is lost.
///
/// # Safety
/// `accounting` is live, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_due(
    accounting: *mut sv2_accounting,
    now: sv2_time,
    message: *mut sv2_submit_shares_success,
) -> sv2_status {
    unsafe { take(accounting, message, |accounting| accounting.due(now.into())) }
}

/// What is not acknowledged yet, however little it is, as sv2_accounting_due: after a block, and before the channel closes.
///
/// # Safety
/// `accounting` is live, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_flush(
    accounting: *mut sv2_accounting,
    message: *mut sv2_submit_shares_success,
) -> sv2_status {
    unsafe { take(accounting, message, Accounting::flush) }
}

/// When sv2_accounting_due is to be asked again, in monotonic milliseconds; UINT64_MAX if nothing waits, or if `accounting` is NULL or
/// unusable.
///
/// # Safety
/// `accounting` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_deadline(accounting: *mut sv2_accounting) -> u64 {
    unsafe { enter(accounting, u64::MAX, u64::MAX, |this| this.inner.deadline().unwrap_or(u64::MAX)) }
}

/// The sums since the channel was opened, with what is not acknowledged yet, into `*totals`.
///
/// # Safety
/// `accounting` is live, `totals` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_totals(
    accounting: *mut sv2_accounting,
    totals: *mut sv2_share_totals,
) -> sv2_status {
    if totals.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_accounting| {
        unsafe { totals.write(this.inner.totals().into()) };
        SV2_OK
    };
    unsafe { enter_status(accounting, body) }
}

/// Frees it; NULL is nothing to free.
///
/// # Safety
/// `accounting` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_accounting_free(accounting: *mut sv2_accounting) {
    unsafe { free(accounting) }
}

/// # Safety
/// `accounting` is live, `message` is valid for writing or NULL.
unsafe fn take(
    accounting: *mut sv2_accounting,
    message: *mut sv2_submit_shares_success,
    from: impl FnOnce(&mut Accounting) -> Option<Batch>,
) -> sv2_status {
    if message.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_accounting| match from(&mut this.inner) {
        Some(batch) => {
            unsafe { message.write(acknowledgement(0, batch)) };
            SV2_OK
        }
        None => SV2_NO_EVENT,
    };
    unsafe { enter_status(accounting, body) }
}

/// Zero is as usual.
pub(super) fn accounting_options(batch_shares: u32, batch_ms: u32) -> AccountingOptions {
    let usual = AccountingOptions::default();
    let or = |value, usual| if value == 0 { usual } else { value };
    AccountingOptions { batch_shares: or(batch_shares, usual.batch_shares), batch_ms: or(batch_ms, usual.batch_ms) }
}

pub(super) fn acknowledgement(channel_id: u32, batch: Batch) -> sv2_submit_shares_success {
    let Batch { last_sequence_number, new_submits_accepted_count, new_shares_sum } = batch;
    sv2_submit_shares_success { channel_id, last_sequence_number, new_submits_accepted_count, new_shares_sum }
}

impl From<Totals> for sv2_share_totals {
    fn from(sums: Totals) -> Self {
        let mut rejected = [0; 16];
        for (place, count) in rejected.iter_mut().skip(1).zip(sums.rejected) {
            *place = count;
        }
        Self {
            accepted: sums.accepted,
            rejected,
            difficulty: sums.difficulty,
            work: sums.work,
            best_difficulty: sums.best_difficulty,
        }
    }
}
