//! The jobs of one channel.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Extranonce;
use crate::bitcoin::{Hash, Target};
use crate::mining::job::{ExtendedJob, JobSource};
use crate::mining::share::Duplicates;

/// How many jobs of the tip before are looked at for blocks: miners may be slow to take up a job.
const MAX_FORMER: usize = 3;

/// A job as one channel has it.
#[derive(Clone, Debug)]
pub(super) struct ChannelJob {
    pub(super) job_id: u32,
    pub(super) job: Arc<ExtendedJob>,
    /// That of the channel when the job was sent.
    pub(super) extranonce_prefix: Extranonce,
    /// Where the miner cannot change it.
    pub(super) merkle_root: Option<Hash>,
    /// That of the channel when the job became active.
    pub(super) target: Target,
    /// What a share that meets it counts for.
    pub(super) worth: Worth,
    pub(super) min_ntime: u32,
    pub(super) duplicates: Duplicates,
    /// Whether another job was asked for because many shares are remembered.
    pub(super) is_worn: bool,
}

/// What a share counts for. To say it exactly takes a good part of the time in which the share is hashed, so a job knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worth {
    pub(super) difficulty: f64,
    /// In hashes.
    pub(super) work: f64,
}

impl Worth {
    pub(super) fn of(target: &Target) -> Self {
        Self { difficulty: target.difficulty(), work: target.work() }
    }
}

impl ChannelJob {
    pub(super) fn is_custom(&self) -> bool {
        matches!(self.job.source(), JobSource::Custom(_))
    }

    /// Whether no share of one is a share of the other. Jobs of templates are told apart by their salts.
    fn is_apart_from(&self, other: &Self) -> bool {
        !Arc::ptr_eq(&self.job, &other.job) && !self.is_custom() && !other.is_custom()
    }
}

/// All jobs of a channel: those on the present tip, the last one in the end; those that wait for a tip; and the numbers of those
/// on the tip before.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    live: VecDeque<ChannelJob>,
    future: Vec<ChannelJob>,
    stale: Vec<u32>,
    /// The last ones on the tip before, the last one in the end: a block of them may yet win.
    former: VecDeque<ChannelJob>,
}

impl Jobs {
    pub(super) fn active(&self) -> Option<&ChannelJob> {
        self.live.back()
    }

    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = &ChannelJob> {
        self.live.iter()
    }

    pub(super) fn future(&self) -> &[ChannelJob] {
        &self.future
    }

    /// Where a job stands among those that shares can be for.
    pub(super) fn find(&self, job_id: u32) -> Option<usize> {
        // Most shares are for the last one.
        self.live.iter().rposition(|live| live.job_id == job_id)
    }

    pub(super) fn get(&self, place: usize) -> Option<&ChannelJob> {
        self.live.get(place)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut ChannelJob> {
        self.live.get_mut(place)
    }

    /// Whether a job was on the tip before, or waited for another one than came.
    pub(super) fn is_stale(&self, job_id: u32) -> bool {
        self.stale.contains(&job_id)
    }

    /// One of the last jobs before the tip changed.
    pub(super) fn former(&mut self, job_id: u32) -> Option<&mut ChannelJob> {
        self.former.iter_mut().find(|former| former.job_id == job_id)
    }

    /// Whether the share is remembered with another job that it may also be a share of.
    pub(super) fn is_known_elsewhere(&self, place: usize, hash: &Hash) -> bool {
        let Some(of) = self.live.get(place) else { return false };
        let others = self.live.iter().enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, job)| job).any(|job| !job.is_apart_from(of) && job.duplicates.contains(hash))
    }

    pub(super) fn add_future(&mut self, job: ChannelJob, max: usize) {
        if self.future.len() >= max.max(1) {
            self.future.remove(0);
        }
        self.future.reserve_exact(1);
        self.future.push(job);
    }

    pub(super) fn remove_future(&mut self, job_id: u32) {
        self.future.retain(|future| future.job_id != job_id);
    }

    /// The last job from now on. Of those before it `max_past` stay.
    pub(super) fn add(&mut self, mut job: ChannelJob, max_past: usize) {
        while self.live.len() > max_past {
            let Some(oldest) = self.live.pop_front() else { break };
            // Where it is known under another number as well, its shares could be submitted again.
            let mut later = core::iter::once(&mut job).chain(self.live.iter_mut().rev());
            if let Some(twin) = later.find(|later| Arc::ptr_eq(&later.job, &oldest.job)) {
                twin.duplicates.absorb(&oldest.duplicates);
            }
        }
        self.live.reserve_exact(1);
        self.live.push_back(job);
    }

    /// A new tip: all but one of those that waited are stale. False, and nothing is changed, if that one is not there.
    pub(super) fn activate(&mut self, job_id: u32, min_ntime: u32, target: Target) -> bool {
        let Some(place) = self.future.iter().position(|future| future.job_id == job_id) else { return false };
        let mut job = self.future.swap_remove(place);
        self.clear();
        (job.min_ntime, job.target, job.worth) = (min_ntime, target, Worth::of(&target));
        self.live.push_back(job);
        true
    }

    /// A job that waited is the last one from now on, on the tip that there is. False, and nothing is changed, if it is not there.
    pub(super) fn join(&mut self, job_id: u32, min_ntime: u32, target: Target, max_past: usize) -> bool {
        let Some(place) = self.future.iter().position(|future| future.job_id == job_id) else { return false };
        let mut job = self.future.swap_remove(place);
        (job.min_ntime, job.target, job.worth) = (min_ntime, target, Worth::of(&target));
        self.add(job, max_past);
        true
    }

    /// A new tip for which there is no job.
    pub(super) fn clear(&mut self) {
        self.stale.clear();
        self.stale.extend(self.live.iter().chain(&self.future).map(|job| job.job_id));
        // Both keep their memory: a new tip allocates nothing.
        self.former.clear();
        core::mem::swap(&mut self.former, &mut self.live);
        self.former.drain(..self.former.len().saturating_sub(MAX_FORMER));
        self.future.clear();
    }
}
