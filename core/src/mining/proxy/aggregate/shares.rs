//! Shares on their way to the upstream, those that wait for one, and the jobs that they are for.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bitcoin::{Header, Target};
use crate::mining::job::ExtendedJob;
use crate::mining::proxy::events::Channel;
use crate::mining::proxy::work::Work;
use crate::wire::U256;

/// Most jobs that are remembered. What is older is long gone upstream.
const MAX_JOBS: usize = 64;

/// A share that an upstream wants, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) channel: Channel,
    /// The miner's number for it.
    pub(super) sequence_number: u32,
    /// What it is for.
    pub(super) job: Arc<ExtendedJob>,
    pub(super) nonce: u32,
    pub(super) ntime: u32,
    pub(super) version: u32,
    /// The whole extranonce, the upstream's prefix included.
    pub(super) extranonce: Vec<u8>,
    /// Who found it.
    pub(super) worker: Vec<u8>,
    /// The upstream's number for the job, as far as it is known.
    pub(super) job_id: Option<u32>,
    /// The tip that it is on, likewise.
    pub(super) prev_hash: Option<U256>,
    /// If it is a block: that is kept before all others, and not given up before another tip is known.
    pub(super) block: Option<Header>,
}

/// The place of the share that is missed least: the oldest, but of blocks only if there is nothing else.
pub(super) fn least_missed<'a>(mut shares: impl Iterator<Item = &'a Outgoing>) -> usize {
    shares.position(|share| share.block.is_none()).unwrap_or(0)
}

/// A job of an upstream.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// What the server knows it by.
    pub(super) job: Arc<ExtendedJob>,
    /// The upstream's number for it.
    pub(super) job_id: u32,
    pub(super) work: Work,
    /// The upstream's extranonce_prefix when it came, which is that of all its shares (spec 5.3.10).
    pub(super) prefix: Vec<u8>,
    /// The tip it is on, and the target that its shares must meet, from the moment when it became active (spec 5.3.21).
    pub(super) active: Option<Active>,
    /// Whether the present upstream gave it.
    pub(super) is_present: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) prev_hash: U256,
    pub(super) target: Target,
}

/// The jobs of the present upstream, and of those before that miners may still work on.
#[derive(Debug, Default)]
pub(super) struct Jobs(VecDeque<Job>);

impl Jobs {
    pub(super) fn add(&mut self, job: Job) {
        self.0.retain(|other| !other.is_present || other.job_id != job.job_id);
        if self.0.len() >= MAX_JOBS {
            self.0.pop_front();
        }
        self.0.push_back(job);
    }

    pub(super) fn get(&self, job: &Arc<ExtendedJob>) -> Option<&Job> {
        self.0.iter().rev().find(|other| Arc::ptr_eq(&other.job, job))
    }

    /// A job that waited for its tip is worked on.
    pub(super) fn activate(&mut self, job_id: u32, active: Active) {
        if let Some(job) = self.0.iter_mut().rev().find(|job| job.is_present && job.job_id == job_id) {
            job.active = Some(active);
        }
    }

    /// The upstream is gone.
    pub(super) fn lose_upstream(&mut self) {
        self.0.iter_mut().for_each(|job| job.is_present = false);
    }

    /// The present upstream's job with the same work as a job: itself, or the one that another upstream gave.
    pub(super) fn present(&self, job: &Arc<ExtendedJob>) -> Option<&Job> {
        let job = self.get(job)?;
        let prev_hash = job.active?.prev_hash;
        let is_same = |other: &&Job| {
            other.is_present
                && (other.work, &other.prefix) == (job.work, &job.prefix)
                && other.active.is_some_and(|active| active.prev_hash == prev_hash)
        };
        if job.is_present { Some(job) } else { self.0.iter().rev().find(is_same) }
    }

    /// The tip on which the present upstream's miners work, if it has given work.
    pub(super) fn present_tip(&self) -> Option<U256> {
        let active = self.0.iter().rev().filter(|job| job.is_present).find_map(|job| job.active);
        active.map(|active| active.prev_hash)
    }
}
