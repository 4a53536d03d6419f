//! Whether two upstreams give the same work.

use crate::bitcoin::{Hash, Sha256d};
use crate::message::{NewExtendedMiningJob, NewMiningJob};

/// What a job is, whatever it is called: a hash of all of it but its names and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mining::proxy) struct Work(Hash);

impl Work {
    pub(in crate::mining::proxy) fn of_extended(job: &NewExtendedMiningJob<'_>) -> Self {
        let lengths = [job.coinbase_tx_prefix.len(), job.coinbase_tx_suffix.len()];
        let state = Sha256d::new().with(&job.version.to_le_bytes()).with(&[job.version_rolling_allowed.into()]);
        let state = lengths.iter().fold(state, |state, len| state.with(&(*len as u64).to_le_bytes()));
        let state = state.with(job.coinbase_tx_prefix).with(job.coinbase_tx_suffix);
        Self(job.merkle_path.iter().fold(state, |state, hash| state.with(&hash.0)).finish())
    }

    pub(in crate::mining::proxy) fn of_standard(job: &NewMiningJob) -> Self {
        Self(Sha256d::new().with(&job.version.to_le_bytes()).with(&job.merkle_root.0).finish())
    }

    /// Of a job of which no more is known than what miners call it: no other job is the same.
    pub(in crate::mining::proxy) fn unknown(job_id: u32) -> Self {
        Self(Sha256d::new().with(&job_id.to_le_bytes()).finish())
    }
}
