//! Jobs (spec 5.1): what is hashed, and who is paid by it.
//!
//! A [`JobFactory`] makes an [`ExtendedJob`] of a template and a [`Payout`], or of a custom job that a miner has sent. A job
//! knows neither channel nor job_id nor previous block: one is shared by all channels that are paid alike, before and after its
//! tip comes. Standard jobs are the same jobs with the extranonce already in place.

mod extended;
mod factory;
mod payout;

use core::fmt;

use crate::bitcoin;

pub use extended::{ExtendedJob, JobSource};
pub use factory::JobFactory;
pub use payout::{Payout, PayoutError};

/// Why a job cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobError {
    /// The full extranonce would have this length; it has 1 to 32 bytes.
    ExtranonceLength(usize),
    /// The tags would take this many bytes of the scriptSig, which has 100 and must also hold the template's prefix, a salt
    /// and the extranonce.
    TagsTooLong(usize),
    /// The coinbase cannot be one.
    Coinbase(bitcoin::Error),
    /// The place of the extranonce is not in the scriptSig.
    ExtranonceOutsideScript,
    /// A part of the coinbase is longer than a B0_64K.
    CoinbaseTooLarge(usize),
    /// The merkle path is longer than a SEQ0_255.
    MerklePathTooLong(usize),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExtranonceLength(len) => write!(f, "a full extranonce of {len} bytes: it has 1 to 32"),
            Self::TagsTooLong(len) => write!(f, "the tags take {len} bytes, too many for a scriptSig of 100"),
            Self::Coinbase(error) => write!(f, "the coinbase: {error}"),
            Self::ExtranonceOutsideScript => f.write_str("the extranonce does not lie in the coinbase's scriptSig"),
            Self::CoinbaseTooLarge(len) => {
                write!(f, "a part of the coinbase has {len} bytes, more than a message holds")
            }
            Self::MerklePathTooLong(len) => write!(f, "a merkle path of {len} hashes, more than a message holds"),
        }
    }
}

impl core::error::Error for JobError {}

impl From<bitcoin::Error> for JobError {
    fn from(error: bitcoin::Error) -> Self {
        Self::Coinbase(error)
    }
}
