//! Shares that were submitted on a channel, and what the server said of them.

use alloc::collections::VecDeque;

use super::ChannelError;

/// A share without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnansweredShare {
    /// The sequence_number it was submitted with.
    pub sequence_number: u32,
    /// Its job.
    pub job_id: u32,
    /// When it was submitted, in monotonic milliseconds.
    pub submitted_ms: u64,
}

/// What became of the shares of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareTotals {
    /// How many were submitted.
    pub submitted: u64,
    /// How many the server acknowledged: the sum of new_submits_accepted_count.
    pub accepted: u64,
    /// The sum of new_shares_sum: their difficulties, as the server reckons them.
    pub difficulty_sum: u64,
    /// How many it refused.
    pub rejected: u64,
    /// How many it has not answered.
    pub unanswered: u64,
}

#[derive(Debug)]
pub(super) struct Shares {
    next_sequence_number: u32,
    waiting: VecDeque<UnansweredShare>,
    /// How many more wait than can be named.
    unnamed: u64,
    max_waiting: usize,
    totals: ShareTotals,
}

impl Shares {
    pub(super) fn new(max_waiting: usize) -> Result<Self, ChannelError> {
        let mut waiting = VecDeque::new();
        waiting.try_reserve_exact(max_waiting).map_err(|_| ChannelError::OutOfMemory)?;
        Ok(Self { next_sequence_number: 1, waiting, unnamed: 0, max_waiting, totals: ShareTotals::default() })
    }

    /// What the next share is submitted with.
    pub(super) const fn next_sequence_number(&self) -> u32 {
        self.next_sequence_number
    }

    /// A share with [`Shares::next_sequence_number`] was submitted.
    pub(super) fn note_submitted(&mut self, job_id: u32, submitted_ms: u64) {
        let sequence_number = self.next_sequence_number;
        self.next_sequence_number = sequence_number.wrapping_add(1);
        self.totals.submitted += 1;
        if self.waiting.len() >= self.max_waiting {
            self.unnamed += u64::from(self.waiting.pop_front().is_some() || self.max_waiting == 0);
        }
        if self.max_waiting > 0 {
            self.waiting.push_back(UnansweredShare { sequence_number, job_id, submitted_ms });
        }
    }

    /// `count` shares up to `last_sequence_number` are accepted. Which ones they are is not said: those submitted last, for a
    /// server that has lost one before acknowledges its batches all the same. Gives how many of them were not submitted.
    pub(super) fn note_accepted(&mut self, last_sequence_number: u32, count: u32, difficulty_sum: u64) -> u32 {
        self.totals.accepted = self.totals.accepted.saturating_add(count.into());
        self.totals.difficulty_sum = self.totals.difficulty_sum.saturating_add(difficulty_sum);
        // Sequence numbers wrap: what is less than half the circle ahead is later.
        let is_later = |share: &UnansweredShare| {
            let ahead = share.sequence_number.wrapping_sub(last_sequence_number);
            ahead != 0 && ahead < 1 << 31
        };
        let end = self.waiting.iter().rposition(|share| !is_later(share)).map_or(0, |place| place + 1);
        let named = end.min(count as usize);
        self.waiting.drain(end - named..end);
        let others = count - named as u32;
        let unnamed = self.unnamed.min(others.into());
        self.unnamed -= unnamed;
        others - unnamed as u32
    }

    /// A share is refused. False if it does not wait for an answer.
    pub(super) fn note_rejected(&mut self, sequence_number: u32) -> bool {
        self.totals.rejected += 1;
        let place = self.waiting.iter().position(|share| share.sequence_number == sequence_number);
        if let Some(place) = place {
            self.waiting.remove(place);
            return true;
        }
        let was_waiting = self.unnamed > 0;
        self.unnamed -= u64::from(was_waiting);
        was_waiting
    }

    pub(super) fn totals(&self) -> ShareTotals {
        ShareTotals { unanswered: self.unnamed + self.waiting.len() as u64, ..self.totals }
    }

    pub(super) fn unanswered(&self) -> impl Iterator<Item = UnansweredShare> + '_ {
        self.waiting.iter().copied()
    }
}
