//! One channel as its client has it.

use alloc::vec::Vec;
use core::fmt;

use super::job::{Bodies, Entry, Job, JobState};
use super::shares::{ShareTotals, Shares, UnansweredShare};
use super::{Capacity, ChannelError};
use crate::bitcoin::{ShortBytes, Target};
use crate::message::TLV_USER_IDENTITY_MAX_LEN;
use crate::mining::share::{ShareError, Tip};
use crate::mining::{MAX_EXTRANONCE_LEN, VERSION_ROLLING_MASK};

/// What a channel is for (spec 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Its jobs have their merkle root; shares roll nonce, nTime and version.
    Standard,
    /// Shares roll an extranonce of so many bytes as well: extranonce_size.
    Extended(u16),
}

impl ChannelKind {
    /// How many bytes of extranonce a share has.
    #[must_use]
    pub const fn extranonce_size(self) -> usize {
        match self {
            Self::Standard => 0,
            Self::Extended(size) => size as usize,
        }
    }
}

/// What is submitted as a share. The fields are those of SubmitSharesExtended (spec 5.3.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Solution<'a> {
    /// The job that was mined on.
    pub job_id: u32,
    /// The header's nNonce.
    pub nonce: u32,
    /// The header's nTime.
    pub ntime: u32,
    /// The header's full nVersion.
    pub version: u32,
    /// What follows the extranonce_prefix: extranonce_size bytes, none on a standard channel.
    pub extranonce: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) channel_id: u32,
    pub(super) group_channel_id: u32,
    pub(super) kind: ChannelKind,
    pub(super) target: Target,
    pub(super) extranonce_prefix: ShortBytes<MAX_EXTRANONCE_LEN>,
    pub(super) tip: Option<Tip>,
    pub(super) jobs: Vec<Entry>,
    pub(super) shares: Shares,
    /// The worker that shares without one of their own are counted for.
    pub(super) worker: ShortBytes<TLV_USER_IDENTITY_MAX_LEN>,
    /// Since when there is nothing to mine on, in monotonic milliseconds.
    pub(super) idle_since: Option<u64>,
}

impl Record {
    pub(super) fn new(
        channel_id: u32,
        kind: ChannelKind,
        extranonce_prefix: &[u8],
        capacity: &Capacity,
    ) -> Result<Self, ChannelError> {
        let len = extranonce_prefix.len() + kind.extranonce_size();
        if len > MAX_EXTRANONCE_LEN {
            return Err(ChannelError::ExtranonceTooLong { channel_id, len });
        }
        let mut jobs = Vec::new();
        jobs.try_reserve_exact(capacity.jobs).map_err(|_| ChannelError::OutOfMemory)?;
        Ok(Self {
            channel_id,
            group_channel_id: channel_id,
            kind,
            target: Target::default(),
            extranonce_prefix: ShortBytes::from(extranonce_prefix),
            tip: None,
            jobs,
            shares: Shares::new(capacity.unanswered_shares)?,
            worker: ShortBytes::new(),
            idle_since: None,
        })
    }

    pub(super) fn active(&self) -> Option<&Entry> {
        self.jobs.iter().find(|job| job.state == JobState::Active)
    }

    pub(super) fn job(&self, job_id: u32) -> Option<&Entry> {
        self.jobs.iter().find(|job| job.job_id == job_id)
    }

    /// Another job. It takes the place of one with the same id.
    pub(super) fn add(&mut self, job: Entry, bodies: &mut Bodies, max_jobs: usize) {
        self.remove(job.job_id, bodies);
        if job.state == JobState::Active {
            self.retire_active();
            self.idle_since = None;
        }
        while self.jobs.len() >= max_jobs {
            let Some(oldest) = self.most_dispensable() else { break };
            self.remove(oldest, bodies);
        }
        self.jobs.push(job);
    }

    pub(super) fn remove(&mut self, job_id: u32, bodies: &mut Bodies) {
        if let Some(place) = self.jobs.iter().position(|job| job.job_id == job_id) {
            bodies.release(&self.jobs.swap_remove(place));
        }
    }

    /// The job to give up first: past ones before custom and future ones, older before newer; never the active one.
    fn most_dispensable(&self) -> Option<u32> {
        let rank = |job: &Entry| match job.state {
            JobState::Past => 0,
            JobState::Custom => 1,
            JobState::Future | JobState::Active => 2,
        };
        let candidates = self.jobs.iter().filter(|job| job.state != JobState::Active);
        candidates.min_by_key(|job| (rank(job), job.arrival)).map(|job| job.job_id)
    }

    /// "The remaining jobs already queued by the client have to be made invalid" (spec 5.3.17). True if there is a job to mine
    /// on now.
    pub(super) fn set_tip(&mut self, job_id: u32, tip: Tip, bodies: &mut Bodies) -> bool {
        let stays = self.tip.is_some_and(|before| before.prev_hash == tip.prev_hash);
        self.tip = Some(tip);
        self.jobs.retain(|job| {
            // A job that was mined on another tip is of no use on this one. What is said twice changes nothing.
            let is_kept = job.job_id == job_id && (job.state == JobState::Future || stays);
            if !is_kept {
                bodies.release(job);
            }
            is_kept
        });
        let Some(job) = self.jobs.first_mut() else { return false };
        job.state = JobState::Active;
        job.min_ntime = tip.min_ntime;
        self.idle_since = None;
        true
    }

    /// For all jobs that come, and those that wait for their tip; the target of the others is stable (spec 5.3.21).
    pub(super) fn set_target(&mut self, target: Target) {
        self.target = target;
        self.jobs.iter_mut().filter(|job| job.state == JobState::Future).for_each(|job| job.target = target);
    }

    fn retire_active(&mut self) {
        self.jobs.iter_mut().filter(|job| job.state == JobState::Active).for_each(|job| job.state = JobState::Past);
    }

    /// Whether a share can be valid, as far as it can be seen without hashing.
    pub(super) fn check(&self, solution: &Solution<'_>) -> Result<(), ShareError> {
        let job = self.job(solution.job_id).filter(|job| job.state != JobState::Future);
        let job = job.ok_or(ShareError::InvalidJobId)?;
        if solution.extranonce.len() != self.kind.extranonce_size() {
            return Err(ShareError::BadExtranonceSize);
        }
        if solution.ntime < job.min_ntime {
            return Err(ShareError::NtimeOutOfRange);
        }
        match solution.version ^ job.version {
            0 => Ok(()),
            _ if !job.version_rolling_allowed => Err(ShareError::VersionRollingNotAllowed),
            changed if changed & !VERSION_ROLLING_MASK != 0 => Err(ShareError::NonRollableVersionBit),
            _ => Ok(()),
        }
    }
}

/// An open channel, borrowed from the client.
#[derive(Clone, Copy)]
pub struct Channel<'a> {
    pub(super) record: &'a Record,
    pub(super) bodies: &'a Bodies,
}

impl<'a> Channel<'a> {
    /// The server's name for it.
    #[must_use]
    pub const fn channel_id(&self) -> u32 {
        self.record.channel_id
    }

    /// The group it belongs to. What is sent to the group is for this channel as well.
    #[must_use]
    pub const fn group_channel_id(&self) -> u32 {
        self.record.group_channel_id
    }

    /// Standard or extended.
    #[must_use]
    pub const fn kind(&self) -> ChannelKind {
        self.record.kind
    }

    /// How many bytes of extranonce a share has: 0 on a standard channel.
    #[must_use]
    pub const fn extranonce_size(&self) -> usize {
        self.record.kind.extranonce_size()
    }

    /// The target of jobs that come from now on; a job that is active keeps its own.
    #[must_use]
    pub const fn target(&self) -> &'a Target {
        &self.record.target
    }

    /// The extranonce_prefix of jobs that come from now on; those that came before keep theirs (spec 5.3.10).
    #[must_use]
    pub fn extranonce_prefix(&self) -> &'a [u8] {
        &self.record.extranonce_prefix
    }

    /// The tip that SetNewPrevHash announced last.
    #[must_use]
    pub const fn tip(&self) -> Option<&'a Tip> {
        self.record.tip.as_ref()
    }

    /// The job to mine on, if there is one.
    #[must_use]
    pub fn active_job(&self) -> Option<Job<'a>> {
        self.record.active().map(|entry| self.job_of(entry))
    }

    /// A job that can be mined on, or will be.
    #[must_use]
    pub fn job(&self, job_id: u32) -> Option<Job<'a>> {
        self.record.job(job_id).map(|entry| self.job_of(entry))
    }

    /// All of them, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'a>> + use<'a> {
        let channel = *self;
        self.record.jobs.iter().map(move |entry| channel.job_of(entry))
    }

    /// What became of the shares that were submitted.
    #[must_use]
    pub fn totals(&self) -> ShareTotals {
        self.record.shares.totals()
    }

    /// Shares that the server has not answered, oldest first: as many as
    /// [`Capacity::unanswered_shares`](super::Capacity::unanswered_shares) says.
    pub fn unanswered(&self) -> impl Iterator<Item = UnansweredShare> + use<'a> {
        self.record.shares.unanswered()
    }

    fn job_of(&self, entry: &'a Entry) -> Job<'a> {
        Job {
            entry,
            bodies: self.bodies,
            channel_tip: self.record.tip.as_ref(),
            channel_id: self.record.channel_id,
            extranonce_size: self.record.kind.extranonce_size(),
        }
    }
}

impl fmt::Debug for Channel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}
