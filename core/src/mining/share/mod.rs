//! Shares (spec 5.3.11, 5.3.12): whether what a miner submits is the work that it was asked for.
//!
//! [`check`] judges one share against the job it names, without allocation, and [`check_many`] several that do not depend on each
//! other, which is faster. Neither remembers anything: [`Duplicates`] does, one for each job of a channel. Of what concerns
//! channels - whether there is such a channel, such a job, and of which tip - the caller knows.

mod batch;
mod duplicates;

use core::fmt;
use core::slice::{from_mut, from_ref};

pub use batch::check_many;
pub use duplicates::{Duplicates, Insertion};

use super::MAX_FUTURE_BLOCK_TIME_S;
use super::hash::{self, IV};
use super::job::{ExtendedJob, JobError, JobSource};
use crate::bitcoin::{Hash, Header, Target};
use crate::message::error_code;
use crate::template::SubmittedSolution;

/// What a job is mined on: the contents of SetNewPrevHash (spec 5.3.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Hash of the previous block.
    pub prev_hash: Hash,
    /// The target in compact form, as it stands in the header.
    pub nbits: u32,
    /// The smallest nTime.
    pub min_ntime: u32,
    /// When `min_ntime` was learnt, in seconds since 1970-01-01 UTC; what [`NtimeRule::SinceReceived`] reckons from.
    pub received_at: u64,
    /// What a hash must not exceed to be a block: [`Tip::new`] says which.
    pub block_target: Target,
}

impl Tip {
    /// `target` is that of the template provider's SetNewPrevHash (spec 7.3), which may be stricter than `nbits`. Where it is
    /// not known, as in the mining protocol, or easier, that of `nbits` counts.
    ///
    /// `None` if `nbits` stands for no target.
    #[must_use]
    pub fn new(prev_hash: Hash, nbits: u32, min_ntime: u32, target: Option<Target>, received_at: u64) -> Option<Self> {
        let network = Target::from_nbits(nbits)?;
        let block_target = target.map_or(network, |target| target.min(network));
        Some(Self { prev_hash, nbits, min_ntime, received_at, block_target })
    }
}

/// How late a share's nTime may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NtimeRule {
    /// Up to min_ntime and MAX_FUTURE_BLOCK_TIME, two hours: what other servers do and miners that roll nTime need. Where that is
    /// earlier, up to what [`NtimeRule::SinceReceived`] allows, or to the time of day: a tip can stay for longer.
    #[default]
    FutureBlockTime,
    /// Up to min_ntime and the seconds since it was received, as the specification says (spec 5.3.11).
    SinceReceived,
}

impl NtimeRule {
    /// The latest nTime that is allowed at `now`, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn latest(self, tip: &Tip, now: u64) -> u32 {
        let elapsed = u32::try_from(now.saturating_sub(tip.received_at)).unwrap_or(u32::MAX);
        let strict = tip.min_ntime.saturating_add(elapsed);
        match self {
            Self::FutureBlockTime => {
                let ahead = tip.min_ntime.saturating_add(MAX_FUTURE_BLOCK_TIME_S);
                ahead.max(strict).max(u32::try_from(now).unwrap_or(u32::MAX))
            }
            Self::SinceReceived => strict,
        }
    }
}

/// What a share is judged against: a job as one channel has it.
#[derive(Clone, Copy, Debug)]
pub struct ShareWork<'a> {
    /// The job.
    pub job: &'a ExtendedJob,
    /// The channel's extranonce_prefix when it got the job.
    pub extranonce_prefix: &'a [u8],
    /// How many bytes of extranonce the channel submits: extranonce_size of an extended channel, 0 of a standard one.
    pub extranonce_size: usize,
    /// The merkle root where it is known, as it should be for a standard channel: [`ExtendedJob::merkle_root`] of the prefix.
    /// It saves hashing the coinbase and the merkle path.
    pub merkle_root: Option<&'a Hash>,
    /// The block that is mined on.
    pub tip: &'a Tip,
    /// How late the nTime may be.
    pub ntime_rule: NtimeRule,
    /// The bits of the version that may differ from the job's, if the job allows any:
    /// [`VERSION_ROLLING_MASK`](super::VERSION_ROLLING_MASK), or fewer.
    pub version_mask: u32,
    /// The target that the channel had when the job became active (spec 5.3.21).
    pub target: &'a Target,
}

/// What a miner submits. The fields are those of SubmitSharesExtended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share<'a> {
    /// The header's nNonce.
    pub nonce: u32,
    /// The header's nTime.
    pub ntime: u32,
    /// The header's full nVersion.
    pub version: u32,
    /// What follows the extranonce_prefix; empty on a standard channel.
    pub extranonce: &'a [u8],
}

/// A share that is valid, as far as it alone can tell: a duplicate is one as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Hash of the header.
    pub hash: Hash,
    /// Whether it is a block. If so, that comes first, and whether it also meets the share's target is of no interest.
    pub is_block: bool,
}

/// Why a share is refused. [`check`] gives what the share itself shows; what stands above it in this list is found out before,
/// `DuplicateShare` afterwards, by whoever keeps the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShareError {
    /// There is no such channel.
    InvalidChannelId,
    /// The job belongs to a tip that is gone.
    StaleShare,
    /// There is no such job, or not any more.
    InvalidJobId,
    /// The extranonce has not the channel's size.
    BadExtranonceSize,
    /// nTime is before min_ntime, or later than the [`NtimeRule`] allows.
    NtimeOutOfRange,
    /// The version is not the job's, which allows no other.
    VersionRollingNotAllowed,
    /// The version differs from the job's in bits that must not be rolled.
    NonRollableVersionBit,
    /// The hash is above the target.
    DifficultyTooLow,
    /// The share was submitted before.
    DuplicateShare,
    /// What an extension appended to the message makes it invalid (spec 3.4.3).
    InvalidTlv,
}

impl ShareError {
    /// All of them, in the order in which they are looked for: to count them.
    pub const ALL: [Self; 10] = [
        Self::InvalidChannelId,
        Self::StaleShare,
        Self::InvalidJobId,
        Self::BadExtranonceSize,
        Self::NtimeOutOfRange,
        Self::VersionRollingNotAllowed,
        Self::NonRollableVersionBit,
        Self::DifficultyTooLow,
        Self::DuplicateShare,
        Self::InvalidTlv,
    ];

    /// The error_code of SubmitShares.Error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidChannelId => error_code::INVALID_CHANNEL_ID,
            Self::StaleShare => error_code::STALE_SHARE,
            Self::InvalidJobId => error_code::INVALID_JOB_ID,
            Self::BadExtranonceSize => error_code::BAD_EXTRANONCE_SIZE,
            Self::NtimeOutOfRange | Self::InvalidTlv => error_code::INVALID_SHARE,
            Self::VersionRollingNotAllowed => error_code::VERSION_ROLLING_NOT_ALLOWED,
            Self::NonRollableVersionBit => error_code::INVALID_NON_ROLLABLE_VERSION_BIT,
            Self::DifficultyTooLow => error_code::DIFFICULTY_TOO_LOW,
            Self::DuplicateShare => error_code::DUPLICATE_SHARE,
        }
    }
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl core::error::Error for ShareError {}

/// Judges a share at `now`, in seconds since 1970-01-01 UTC.
///
/// # Errors
/// In this order: `BadExtranonceSize`, `NtimeOutOfRange`, `VersionRollingNotAllowed` or `NonRollableVersionBit`, and
/// `DifficultyTooLow` if the hash meets neither the block's target nor the share's.
pub fn check(work: &ShareWork<'_>, share: &Share<'_>, now: u64) -> Result<Checked, ShareError> {
    work.check_fields(share, now)?;
    work.judge(header_hash(&work.header(share)))
}

/// A header's hash. Differs from [`Header::hash`] in the time that it takes.
fn header_hash(header: &Header) -> Hash {
    let mut state = IV;
    for block in hash::header_blocks(header) {
        hash::compress(from_mut(&mut state), from_ref(&block));
    }
    hash::climb(from_mut(&mut state), &[]);
    hash::to_hash(&state)
}

impl ShareWork<'_> {
    /// The header that the share stands for.
    #[must_use]
    pub fn header(&self, share: &Share<'_>) -> Header {
        let merkle_root = match self.merkle_root {
            Some(root) => *root,
            None => self.job.merkle_root(&self.extranonce(share)),
        };
        self.header_with(share, merkle_root)
    }

    /// What a template provider is given when the share is a block (spec 7.7); `None` if the job did not come from a template.
    ///
    /// # Errors
    /// `ExtranonceLength` if prefix and extranonce have not the length of the job's, which [`check`] has found.
    pub fn solution(&self, share: &Share<'_>) -> Result<Option<SubmittedSolution>, JobError> {
        let JobSource::Template(template_id) = *self.job.source() else { return Ok(None) };
        Ok(Some(SubmittedSolution {
            template_id,
            version: share.version,
            header_timestamp: share.ntime,
            header_nonce: share.nonce,
            coinbase_tx: self.job.coinbase(&self.extranonce(share))?,
        }))
    }

    /// The full extranonce.
    fn extranonce<'a>(&'a self, share: &Share<'a>) -> [&'a [u8]; 2] {
        [self.extranonce_prefix, share.extranonce]
    }

    fn header_with(&self, share: &Share<'_>, merkle_root: Hash) -> Header {
        Header {
            version: share.version,
            prev_hash: self.tip.prev_hash,
            merkle_root,
            time: share.ntime,
            nbits: self.tip.nbits,
            nonce: share.nonce,
        }
    }

    /// Everything that can be seen without hashing.
    fn check_fields(&self, share: &Share<'_>, now: u64) -> Result<(), ShareError> {
        if share.extranonce.len() != self.extranonce_size {
            return Err(ShareError::BadExtranonceSize);
        }
        if !(self.tip.min_ntime..=self.ntime_rule.latest(self.tip, now)).contains(&share.ntime) {
            return Err(ShareError::NtimeOutOfRange);
        }
        match (share.version ^ self.job.version(), self.job.version_rolling_allowed()) {
            (0, _) => Ok(()),
            (_, false) => Err(ShareError::VersionRollingNotAllowed),
            (changed, true) if changed & !self.version_mask != 0 => Err(ShareError::NonRollableVersionBit),
            (_, true) => Ok(()),
        }
    }

    fn judge(&self, hash: Hash) -> Result<Checked, ShareError> {
        let is_block = self.tip.block_target.is_met_by(&hash);
        if is_block || self.target.is_met_by(&hash) {
            Ok(Checked { hash, is_block })
        } else {
            Err(ShareError::DifficultyTooLow)
        }
    }
}
