//! Solutions, until their blocks are the tip: SubmitSolution has no answer, and what the socket took may never arrive.

use alloc::collections::VecDeque;

use crate::bitcoin::Hash;
use crate::template::SubmittedSolution;

#[derive(Debug, Default)]
pub(super) struct Solutions {
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    solution: SubmittedSolution,
    /// The block it makes, if its template is known.
    block_hash: Option<Hash>,
    /// When it is given up unless it is confirmed before, in monotonic milliseconds.
    given_up_at: u64,
    /// Whether it is still to be put into the present connection's output, or there is no connection.
    waits: bool,
    /// Whether the socket took bytes when it was in the output, over this or an earlier connection.
    may_have_arrived: bool,
}

/// A solution that is given up.
#[derive(Debug)]
pub(super) struct GivenUp {
    pub(super) solution: SubmittedSolution,
    pub(super) may_have_arrived: bool,
}

impl Solutions {
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Keeps a solution to be sent.
    pub(super) fn keep(&mut self, solution: SubmittedSolution, block_hash: Option<Hash>, given_up_at: u64) {
        self.kept.push_back(Kept { solution, block_hash, given_up_at, waits: true, may_have_arrived: false });
    }

    /// The solution that is to be sent next.
    pub(super) fn next_waiting(&self) -> Option<&SubmittedSolution> {
        self.kept.iter().find(|kept| kept.waits).map(|kept| &kept.solution)
    }

    /// [`Solutions::next_waiting`] is in the output.
    pub(super) fn queued(&mut self) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.waits) {
            kept.waits = false;
        }
    }

    /// The socket took bytes of the output.
    pub(super) fn written(&mut self) {
        for kept in self.kept.iter_mut().filter(|kept| !kept.waits) {
            kept.may_have_arrived = true;
        }
    }

    /// The connection is gone: what is kept is sent over the next one. TCP may have found out long after the path was dead, so
    /// it does not matter when it was written; a provider that gets a solution twice submits it once.
    pub(super) fn connection_lost(&mut self) {
        for kept in &mut self.kept {
            kept.waits = true;
        }
    }

    /// A block is the tip: if it is one of these, its solution has arrived. Gives the template it was found on.
    pub(super) fn confirm(&mut self, tip: &Hash) -> Option<u64> {
        let mut solved = None;
        self.kept.retain(|kept| {
            let is_tip = kept.block_hash.as_ref() == Some(tip);
            if is_tip {
                solved = Some(kept.solution.template_id);
            }
            !is_tip
        });
        solved
    }

    /// If more than `max` are kept, takes one out: the oldest of those that may have arrived, or else the oldest.
    pub(super) fn remove_surplus(&mut self, max: usize) -> Option<GivenUp> {
        if self.kept.len() <= max.max(1) {
            return None;
        }
        let place = self.kept.iter().position(|kept| kept.may_have_arrived).unwrap_or(0);
        self.remove(place)
    }

    /// Takes out one whose time is over.
    pub(super) fn remove_expired(&mut self, now_ms: u64) -> Option<GivenUp> {
        let place = self.kept.iter().position(|kept| kept.given_up_at <= now_ms)?;
        self.remove(place)
    }

    /// When the time of the next is over, in monotonic milliseconds.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.kept.iter().map(|kept| kept.given_up_at).min()
    }

    fn remove(&mut self, place: usize) -> Option<GivenUp> {
        let Kept { solution, may_have_arrived, .. } = self.kept.remove(place)?;
        Some(GivenUp { solution, may_have_arrived })
    }
}
