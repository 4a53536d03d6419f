//! Job ids, as miners and as the upstream know them.

use alloc::collections::VecDeque;

use crate::mining::proxy::work::Work;

/// Most jobs of a channel or a group that shares can name. What is older is long gone upstream.
const MAX_JOBS: usize = 32;

/// The jobs that were sent to one channel, or to one group, by the present upstream.
#[derive(Debug, Default)]
pub(super) struct Jobs(VecDeque<Job>);

/// One job's two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Job {
    miners: u32,
    upstream: u32,
    work: Work,
}

impl Jobs {
    /// A job came. The same id names a new job from now on (spec 5.3.15).
    pub(super) fn add(&mut self, upstream: u32, miners: u32, work: Work) {
        self.0.retain(|job| job.upstream != upstream);
        if self.0.len() >= MAX_JOBS {
            self.0.pop_front();
        }
        self.0.push_back(Job { miners, upstream, work });
    }

    /// Those of a group that a channel leaves.
    pub(super) fn add_all(&mut self, others: &Self) {
        others.0.iter().for_each(|job| self.add(job.upstream, job.miners, job.work));
    }

    /// What miners call the upstream's job.
    pub(super) fn for_miners(&self, upstream: u32) -> Option<u32> {
        self.0.iter().rev().find(|job| job.upstream == upstream).map(|job| job.miners)
    }

    /// What the upstream calls a miner's job.
    pub(super) fn for_upstream(&self, miners: u32) -> Option<u32> {
        self.0.iter().rev().find(|job| job.miners == miners).map(|job| job.upstream)
    }

    /// What the jobs are, by the miners' names.
    pub(super) fn works(&self) -> impl Iterator<Item = (u32, Work)> {
        self.0.iter().map(|job| (job.miners, job.work))
    }

    /// What the upstream's job is.
    pub(super) fn work_of(&self, upstream: u32) -> Option<Work> {
        self.0.iter().rev().find(|job| job.upstream == upstream).map(|job| job.work)
    }
}

/// The miners' names for jobs, each given once, so that a share for a job of a former upstream is known as such.
#[derive(Debug)]
pub(super) struct JobIds {
    next: u32,
    /// The first id of the present upstream.
    first: u32,
}

impl Default for JobIds {
    fn default() -> Self {
        Self { next: 1, first: 1 }
    }
}

impl JobIds {
    pub(super) fn give(&mut self) -> u32 {
        let id = self.next;
        self.next = id.wrapping_add(1);
        id
    }

    /// There is another upstream from now on.
    pub(super) fn begin_anew(&mut self) {
        self.first = self.next;
    }

    /// Whether a job of this name was given by a former upstream.
    pub(super) fn is_former(&self, id: u32) -> bool {
        (1..self.first).contains(&id)
    }
}
