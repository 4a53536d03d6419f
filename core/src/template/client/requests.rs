//! Requests for transaction data: one after the other, so that no more than one answer is in memory.

use alloc::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: VecDeque<u64>,
    asked: Option<Asked>,
    /// The host has not taken out the last answer.
    delivered: bool,
}

/// What the provider is to answer, by when.
#[derive(Clone, Copy, Debug)]
struct Asked {
    template_id: u64,
    deadline: u64,
}

impl Requests {
    /// How many have no answer yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.asked.is_some())
    }

    pub(super) fn contains(&self, template_id: u64) -> bool {
        self.asked() == Some(template_id) || self.waiting.contains(&template_id)
    }

    pub(super) fn push(&mut self, template_id: u64) {
        self.waiting.push_back(template_id);
    }

    /// The template that the provider was asked about.
    pub(super) fn asked(&self) -> Option<u64> {
        self.asked.map(|asked| asked.template_id)
    }

    /// The template to ask about now.
    pub(super) fn next_to_ask(&self) -> Option<u64> {
        let is_free = self.asked.is_none() && !self.delivered;
        self.waiting.front().copied().filter(|_| is_free)
    }

    /// The provider was asked about [`Requests::next_to_ask`].
    pub(super) fn note_asked(&mut self, deadline: u64) {
        self.asked = self.waiting.pop_front().map(|template_id| Asked { template_id, deadline });
    }

    /// The transactions came, and wait for the host.
    pub(super) fn note_delivered(&mut self) {
        self.asked = None;
        self.delivered = true;
    }

    /// The host has taken them.
    pub(super) fn note_taken(&mut self) {
        self.delivered = false;
    }

    /// The provider has refused, if it was asked about this template.
    pub(super) fn note_refused(&mut self, template_id: u64) -> bool {
        let was_asked = self.asked() == Some(template_id);
        self.asked = self.asked.filter(|_| !was_asked);
        was_asked
    }

    /// When the provider must have answered, in monotonic milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.asked.map(|asked| asked.deadline)
    }

    /// The connection is gone, and no answer will come to any of these, one at a time.
    pub(super) fn remove(&mut self) -> Option<u64> {
        self.asked.take().map(|asked| asked.template_id).or_else(|| self.waiting.pop_front())
    }
}
