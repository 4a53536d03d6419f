//! Solutions, until it is certain enough that the provider has them: SubmitSolution has no answer.

use alloc::collections::VecDeque;

use crate::bitcoin::Hash;
use crate::template::SubmittedSolution;

/// How long after it was written a solution is kept, in milliseconds. What was written to a socket shortly before the connection
/// is lost may not have arrived; a provider that gets a solution twice submits it once.
const DOUBT_MS: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Solutions {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    solution: SubmittedSolution,
    /// The block it makes, if its template is known.
    block_hash: Option<Hash>,
    /// When it is given up unless it is written before, in monotonic milliseconds.
    given_up_at: u64,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It waits for a connection.
    Waiting,
    /// It is in the connection's output.
    Queued,
    /// The socket took it, and it is forgotten at this time.
    Written { forgotten_at: u64 },
}

impl Solutions {
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Keeps a solution to be sent.
    pub(super) fn keep(&mut self, solution: SubmittedSolution, block_hash: Option<Hash>, given_up_at: u64) {
        self.kept.push_back(Kept { solution, block_hash, given_up_at, progress: Progress::Waiting });
    }

    /// If more than `max` are kept, takes one out: `Some(None)` if it was written, else the solution that is lost.
    pub(super) fn remove_surplus(&mut self, max: usize) -> Option<Option<SubmittedSolution>> {
        if self.kept.len() <= max.max(1) {
            return None;
        }
        let written = self.kept.iter().position(Kept::is_written);
        let kept = self.kept.remove(written.unwrap_or(0))?;
        Some((!kept.is_written()).then_some(kept.solution))
    }

    /// The solution that is to be sent next.
    pub(super) fn next_waiting(&self) -> Option<&SubmittedSolution> {
        self.kept.iter().find(|kept| kept.progress == Progress::Waiting).map(|kept| &kept.solution)
    }

    /// [`Solutions::next_waiting`] is in the output.
    pub(super) fn queued(&mut self) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.progress == Progress::Waiting) {
            kept.progress = Progress::Queued;
        }
    }

    /// The socket took all output.
    pub(super) fn written(&mut self, now_ms: u64) {
        for kept in self.kept.iter_mut().filter(|kept| kept.progress == Progress::Queued) {
            kept.progress = Progress::Written { forgotten_at: now_ms.saturating_add(DOUBT_MS) };
        }
    }

    /// The connection is gone: what is kept is sent over the next one.
    pub(super) fn connection_lost(&mut self) {
        for kept in &mut self.kept {
            kept.progress = Progress::Waiting;
        }
    }

    /// A block is the tip: if it is one of these, its solution has arrived. Gives the template it was found on.
    pub(super) fn confirm(&mut self, tip: &Hash) -> Option<u64> {
        let place = self.kept.iter().position(|kept| kept.block_hash.as_ref() == Some(tip))?;
        self.kept.remove(place).map(|kept| kept.solution.template_id)
    }

    /// Takes out one whose time is over: `Some(None)` if it was written, else the solution that is lost.
    pub(super) fn remove_expired(&mut self, now_ms: u64) -> Option<Option<SubmittedSolution>> {
        let place = self.kept.iter().position(|kept| kept.deadline() <= now_ms)?;
        let kept = self.kept.remove(place)?;
        Some((!kept.is_written()).then_some(kept.solution))
    }

    /// When the time of the next is over, in monotonic milliseconds.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.kept.iter().map(Kept::deadline).min()
    }
}

impl Kept {
    fn is_written(&self) -> bool {
        matches!(self.progress, Progress::Written { .. })
    }

    fn deadline(&self) -> u64 {
        match self.progress {
            Progress::Written { forgotten_at } => forgotten_at,
            Progress::Waiting | Progress::Queued => self.given_up_at,
        }
    }
}
