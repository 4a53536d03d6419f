//! Shares: whether what a miner submits is the work that it was asked for.

use std::array::from_fn;

use sv2_core::bitcoin::Target;
use sv2_core::mining::share::{
    Checked, Duplicates, Insertion, NtimeRule, Share, ShareError, ShareWork, Tip, check, check_many,
};

use super::sv2_extended_job;
use crate::boundary::{Object, enter_status, fence, fenced, free, hand_out};
use crate::message::slice;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_OK, sv2_bytes, sv2_status, sv2_str, sv2_u256,
};

/// What a job is mined on: the contents of SetNewPrevHash (spec 5.3.17). See sv2_mining_tip_init.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_mining_tip {
    /// Hash of the previous block.
    pub prev_hash: sv2_u256,
    /// What a hash must not exceed to be a block.
    pub block_target: sv2_u256,
    /// When `min_ntime` was learnt, in seconds since 1970-01-01 UTC; what SV2_NTIME_SINCE_RECEIVED reckons from.
    pub received_at: u64,
    /// The target in compact form, as it stands in the header.
    pub nbits: u32,
    /// The smallest nTime.
    pub min_ntime: u32,
}

/// How late a share's nTime may be.
pub type sv2_ntime_rule = u8;
/// Up to min_ntime and MAX_FUTURE_BLOCK_TIME, two hours: what other servers do and miners that roll nTime need. On a tip that is older
/// than that, up to now, or as many seconds after min_ntime as have passed since it was received, whichever is later.
pub const SV2_NTIME_FUTURE_BLOCK_TIME: sv2_ntime_rule = 0;
/// Up to min_ntime and the seconds since it was received, as the specification says (spec 5.3.11).
pub const SV2_NTIME_SINCE_RECEIVED: sv2_ntime_rule = 1;

/// The bits of a block's version that miners may roll (BIP 323): 24 of them.
pub const SV2_VERSION_ROLLING_MASK: u32 = 0x1fff_ffe0;
/// The bits that miners of the time before BIP 323, and those behind Stratum V1, roll (BIP 320): 16 of them.
pub const SV2_VERSION_ROLLING_MASK_BIP320: u32 = 0x1fff_e000;

/// What a share is judged against: a job as one channel has it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_share_work {
    /// The job.
    pub job: *const sv2_extended_job,
    /// The block that is mined on.
    pub tip: *const sv2_mining_tip,
    /// The target that the channel had when the job became active (spec 5.3.21).
    pub target: *const sv2_u256,
    /// The merkle root where it is known, as it should be for a standard channel (sv2_extended_job_merkle_root), which saves hashing
    /// the coinbase and the merkle path; else NULL.
    pub merkle_root: *const sv2_u256,
    /// The channel's extranonce_prefix when it got the job.
    pub extranonce_prefix: sv2_bytes,
    /// How many bytes of extranonce the channel submits: extranonce_size of an extended channel, 0 of a standard one.
    pub extranonce_size: usize,
    /// The bits of the version that may differ from the job's, if the job allows any: SV2_VERSION_ROLLING_MASK, or fewer.
    pub version_mask: u32,
    /// An SV2_NTIME_*.
    pub ntime_rule: sv2_ntime_rule,
}

/// What a miner submits. The members have the names of SubmitSharesExtended's fields (spec 5.3.12).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_share {
    /// The header's nNonce.
    pub nonce: u32,
    /// The header's nTime.
    pub ntime: u32,
    /// The header's full nVersion.
    pub version: u32,
    /// What follows the extranonce_prefix; empty on a standard channel.
    pub extranonce: sv2_bytes,
}

/// Why a share is refused, in the order in which the reasons are looked for. sv2_share_check gives what the share itself shows; what
/// stands above it is found out before, SV2_SHARE_DUPLICATE_SHARE afterwards, by whoever keeps the channels.
pub type sv2_share_error = u8;
/// It is not refused.
pub const SV2_SHARE_OK: sv2_share_error = 0;
/// There is no such channel.
pub const SV2_SHARE_INVALID_CHANNEL_ID: sv2_share_error = 1;
/// The job belongs to a tip that is gone.
pub const SV2_SHARE_STALE_SHARE: sv2_share_error = 2;
/// There is no such job, or not any more.
pub const SV2_SHARE_INVALID_JOB_ID: sv2_share_error = 3;
/// The extranonce has not the channel's size.
pub const SV2_SHARE_BAD_EXTRANONCE_SIZE: sv2_share_error = 4;
/// nTime is before min_ntime, or later than the SV2_NTIME_* rule allows: invalid-share.
pub const SV2_SHARE_NTIME_OUT_OF_RANGE: sv2_share_error = 5;
/// The version is not the job's, which allows no other.
pub const SV2_SHARE_VERSION_ROLLING_NOT_ALLOWED: sv2_share_error = 6;
/// The version differs from the job's in bits that must not be rolled.
pub const SV2_SHARE_NON_ROLLABLE_VERSION_BIT: sv2_share_error = 7;
/// The hash is above the target.
pub const SV2_SHARE_DIFFICULTY_TOO_LOW: sv2_share_error = 8;
/// The share was submitted before.
pub const SV2_SHARE_DUPLICATE_SHARE: sv2_share_error = 9;
/// What an extension appended to the message makes it invalid (spec 3.4.3): invalid-share.
pub const SV2_SHARE_INVALID_TLV: sv2_share_error = 10;

/// What a share is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_share_verdict {
    /// Hash of the header, if there is no error.
    pub hash: sv2_u256,
    /// SV2_SHARE_OK, or why the share is refused.
    pub error: sv2_share_error,
    /// 1 if it is a block, else 0. Submit it before anything else; whether it also meets the share's target is of no interest.
    pub is_block: u8,
}

/// Fills a tip. `target` is that of the template provider's SetNewPrevHash (spec 7.3), which may be stricter than `nbits`; where
/// it is NULL, as in the mining protocol, or easier, that of `nbits` counts.
///
/// Returns SV2_ERROR_MALFORMED if `nbits` stands for no target.
///
/// # Safety
/// `prev_hash` is readable, `target` is readable or NULL, `tip` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_tip_init(
    prev_hash: *const sv2_u256,
    nbits: u32,
    min_ntime: u32,
    target: *const sv2_u256,
    received_at: u64,
    tip: *mut sv2_mining_tip,
) -> sv2_status {
    if prev_hash.is_null() || tip.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let (prev_hash, target) = unsafe { (*prev_hash, target.as_ref().map(|target| Target(target.bytes))) };
        let made = Tip::new(prev_hash.bytes, nbits, min_ntime, target, received_at);
        let Some(made) = made else { return SV2_ERROR_MALFORMED };
        unsafe { tip.write(made.into()) };
        SV2_OK
    })
}

/// Judges a share at `now`, in seconds since 1970-01-01 UTC. Allocates nothing and remembers nothing: for duplicates see
/// sv2_duplicates_insert.
///
/// Returns SV2_OK when there is a verdict, whatever it is. Pointers in `work` that may not be NULL, see there, give SV2_ERROR_NULL, an
/// unknown rule SV2_ERROR_ARGUMENT.
///
/// # Safety
/// `work` and `share` and what they point to are readable, `verdict` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_share_check(
    work: *const sv2_share_work,
    share: *const sv2_share,
    now: u64,
    verdict: *mut sv2_share_verdict,
) -> sv2_status {
    let (Some(work), Some(share)) = (unsafe { (work.as_ref(), share.as_ref()) }) else { return SV2_ERROR_NULL };
    if verdict.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let fixed = match unsafe { work.fixed() } {
            Ok(fixed) => fixed,
            Err(status) => return status,
        };
        let found = check(&unsafe { work.to_core(&fixed) }, &unsafe { share.to_core() }, now);
        unsafe { verdict.write(found.into()) };
        SV2_OK
    })
}

/// Judges `count` shares that do not depend on each other, each as sv2_share_check does, several at a time: where the processor has
/// SHA instructions, in about half the time. `works[i]` and `shares[i]` give `verdicts[i]`.
///
/// Fastest are four or more in a row whose jobs have the same merkle path, as all jobs of a template have. On an error nothing is
/// known about any verdict.
///
/// # Safety
/// `works`, `shares` and what they point to are readable, `verdicts` is writable, all for `count` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_share_check_many(
    works: *const sv2_share_work,
    shares: *const sv2_share,
    count: usize,
    now: u64,
    verdicts: *mut sv2_share_verdict,
) -> sv2_status {
    if count == 0 {
        return SV2_OK;
    }
    if works.is_null() || shares.is_null() || verdicts.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let (works, shares) = unsafe { (slice(works, count), slice(shares, count)) };
        for (at, (works, shares)) in works.chunks(BATCH).zip(shares.chunks(BATCH)).enumerate() {
            let verdicts = unsafe { verdicts.add(at * BATCH) };
            if let Err(status) = unsafe { check_batch(works, shares, now, verdicts) } {
                return status;
            }
        }
        SV2_OK
    })
}

/// The error_code of SubmitShares.Error (spec 5.3.14). Static; empty for SV2_SHARE_OK and for values that are none of SV2_SHARE_*.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_share_error_code(error: sv2_share_error) -> sv2_str {
    let code =
        usize::from(error).checked_sub(1).and_then(|index| ShareError::ALL.get(index)).map_or("", |error| error.code());
    sv2_str::borrow(code.as_bytes())
}

/// The hashes of the shares that were accepted on one job of one channel.
///
/// Half of each hash is kept, 16 bytes, in a table that doubles as it fills. It has a bound, at which no hash is forgotten, since it
/// could then be submitted again: sv2_duplicates_insert says when the set is full, and the job must be replaced.
pub struct sv2_duplicates {
    duplicates: Duplicates,
    poisoned: bool,
}

/// What became of a hash.
pub type sv2_insertion = u8;
/// It is new, and in the set from now on.
pub const SV2_INSERTION_NEW: sv2_insertion = 0;
/// It is new, in the set from now on, and the last that the set takes: replace the job.
pub const SV2_INSERTION_LAST: sv2_insertion = 1;
/// It is in the set already.
pub const SV2_INSERTION_DUPLICATE: sv2_insertion = 2;
/// The set is full. The share cannot be accepted: nobody would know it again.
pub const SV2_INSERTION_FULL: sv2_insertion = 3;

/// Makes an empty set that takes `bound` hashes, at least 1; free it with sv2_duplicates_free.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_duplicates_new(bound: usize, out: *mut *mut sv2_duplicates) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { hand_out(out, sv2_duplicates { duplicates: Duplicates::new(bound), poisoned: false }) })
}

/// Puts the hash of an accepted share into the set, unless it is there; `*insertion` becomes an SV2_INSERTION_*.
///
/// # Safety
/// `duplicates` is a live set, `hash` is readable, `insertion` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_duplicates_insert(
    duplicates: *mut sv2_duplicates,
    hash: *const sv2_u256,
    insertion: *mut sv2_insertion,
) -> sv2_status {
    unsafe {
        enter_status(duplicates, |duplicates| {
            if hash.is_null() || insertion.is_null() {
                return SV2_ERROR_NULL;
            }
            insertion.write(match duplicates.duplicates.insert(&(*hash).bytes) {
                Insertion::New => SV2_INSERTION_NEW,
                Insertion::Last => SV2_INSERTION_LAST,
                Insertion::Duplicate => SV2_INSERTION_DUPLICATE,
                Insertion::Full => SV2_INSERTION_FULL,
            });
            SV2_OK
        })
    }
}

/// Frees a set. NULL is allowed.
///
/// # Safety
/// `duplicates` is a live set or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_duplicates_free(duplicates: *mut sv2_duplicates) {
    fence((), || unsafe { free(duplicates) });
}

impl Object for sv2_duplicates {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// How many shares are handed to core at a time.
const BATCH: usize = 16;

/// The parts of a work that core has in another form.
#[derive(Clone, Copy)]
struct Fixed {
    tip: Tip,
    target: Target,
    ntime_rule: NtimeRule,
}

impl sv2_share_work {
    /// # Safety
    /// `tip` and `target` are readable or NULL.
    unsafe fn fixed(&self) -> Result<Fixed, sv2_status> {
        let (Some(tip), Some(target)) = (unsafe { (self.tip.as_ref(), self.target.as_ref()) }) else {
            return Err(SV2_ERROR_NULL);
        };
        if self.job.is_null() {
            return Err(SV2_ERROR_NULL);
        }
        let ntime_rule = read_ntime_rule(self.ntime_rule)?;
        Ok(Fixed { tip: (*tip).into(), target: Target(target.bytes), ntime_rule })
    }

    /// # Safety
    /// `fixed` was made of this; the other pointers are valid, or NULL where that is allowed, for as long as the result is used.
    unsafe fn to_core<'a>(self, fixed: &'a Fixed) -> ShareWork<'a> {
        ShareWork {
            job: unsafe { &(*self.job).job },
            extranonce_prefix: unsafe { self.extranonce_prefix.as_slice() },
            extranonce_size: self.extranonce_size,
            merkle_root: unsafe { self.merkle_root.as_ref() }.map(|root| &root.bytes),
            tip: &fixed.tip,
            ntime_rule: fixed.ntime_rule,
            version_mask: self.version_mask,
            target: &fixed.target,
        }
    }
}

pub(super) fn read_ntime_rule(rule: sv2_ntime_rule) -> Result<NtimeRule, sv2_status> {
    match rule {
        SV2_NTIME_FUTURE_BLOCK_TIME => Ok(NtimeRule::FutureBlockTime),
        SV2_NTIME_SINCE_RECEIVED => Ok(NtimeRule::SinceReceived),
        _ => Err(SV2_ERROR_ARGUMENT),
    }
}

impl From<sv2_mining_tip> for Tip {
    fn from(tip: sv2_mining_tip) -> Self {
        Self {
            prev_hash: tip.prev_hash.bytes,
            nbits: tip.nbits,
            min_ntime: tip.min_ntime,
            received_at: tip.received_at,
            block_target: Target(tip.block_target.bytes),
        }
    }
}

impl From<Tip> for sv2_mining_tip {
    fn from(tip: Tip) -> Self {
        Self {
            prev_hash: sv2_u256 { bytes: tip.prev_hash },
            block_target: sv2_u256 { bytes: tip.block_target.0 },
            received_at: tip.received_at,
            nbits: tip.nbits,
            min_ntime: tip.min_ntime,
        }
    }
}

impl sv2_share {
    /// # Safety
    /// `extranonce` is readable for as long as the result is used.
    pub(super) unsafe fn to_core<'a>(self) -> Share<'a> {
        let extranonce = unsafe { self.extranonce.as_slice() };
        Share { nonce: self.nonce, ntime: self.ntime, version: self.version, extranonce }
    }
}

impl From<Result<Checked, ShareError>> for sv2_share_verdict {
    fn from(verdict: Result<Checked, ShareError>) -> Self {
        match verdict {
            Ok(Checked { hash, is_block }) => {
                Self { hash: sv2_u256 { bytes: hash }, error: SV2_SHARE_OK, is_block: is_block.into() }
            }
            Err(error) => Self { hash: sv2_u256 { bytes: [0; 32] }, error: number_of(error), is_block: 0 },
        }
    }
}

/// The number under which C knows the error: its place in the order of checks.
pub(super) fn number_of(error: ShareError) -> sv2_share_error {
    match error {
        ShareError::InvalidChannelId => SV2_SHARE_INVALID_CHANNEL_ID,
        ShareError::StaleShare => SV2_SHARE_STALE_SHARE,
        ShareError::InvalidJobId => SV2_SHARE_INVALID_JOB_ID,
        ShareError::BadExtranonceSize => SV2_SHARE_BAD_EXTRANONCE_SIZE,
        ShareError::NtimeOutOfRange => SV2_SHARE_NTIME_OUT_OF_RANGE,
        ShareError::VersionRollingNotAllowed => SV2_SHARE_VERSION_ROLLING_NOT_ALLOWED,
        ShareError::NonRollableVersionBit => SV2_SHARE_NON_ROLLABLE_VERSION_BIT,
        ShareError::DifficultyTooLow => SV2_SHARE_DIFFICULTY_TOO_LOW,
        ShareError::DuplicateShare => SV2_SHARE_DUPLICATE_SHARE,
        // The last one; core may have more one day.
        _ => SV2_SHARE_INVALID_TLV,
    }
}

/// Judges at most [`BATCH`] shares; there are as many works as shares.
///
/// # Safety
/// As [`sv2_share_check_many`].
unsafe fn check_batch(
    works: &[sv2_share_work],
    shares: &[sv2_share],
    now: u64,
    verdicts: *mut sv2_share_verdict,
) -> Result<(), sv2_status> {
    let Some((first, later)) = works.split_first() else { return Ok(()) };
    let mut fixed = [unsafe { first.fixed() }?; BATCH];
    for (fixed, work) in fixed.iter_mut().skip(1).zip(later) {
        *fixed = unsafe { work.fixed() }?;
    }
    let pairs: [(ShareWork<'_>, Share<'_>); BATCH] = from_fn(|lane| {
        // Lanes beyond the last are not looked at.
        let (work, fixed) = (works.get(lane).unwrap_or(first), fixed.get(lane).unwrap_or(&fixed[0]));
        let share = shares.get(lane).map_or(Share::default(), |share| unsafe { share.to_core() });
        (unsafe { work.to_core(fixed) }, share)
    });
    let mut found = [Err(ShareError::InvalidJobId); BATCH];
    check_many(pairs.get(..works.len()).unwrap_or_default(), now, &mut found);
    for (lane, verdict) in found.into_iter().take(works.len()).enumerate() {
        unsafe { verdicts.add(lane).write(verdict.into()) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_number_of_its_place_in_the_order_of_checks() {
        for (place, error) in ShareError::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(number_of(error)), place + 1);
            assert_eq!(unsafe { sv2_share_error_code(number_of(error)).as_slice() }, error.code().as_bytes());
        }
        assert!(unsafe { sv2_share_error_code(SV2_SHARE_OK).as_slice() }.is_empty());
        assert!(unsafe { sv2_share_error_code(200).as_slice() }.is_empty());
    }
}
