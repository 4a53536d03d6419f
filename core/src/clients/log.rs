//! Lines for the host's log, as events: how much they matter, and how many may wait.

use alloc::string::String;

/// Most log lines that wait to be read; further ones are counted.
const MAX_WAITING: usize = 64;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something does not work and somebody should look at it.
    Error,
    /// A peer did what it should not.
    Warning,
    /// What a quiet day looks like.
    Info,
    /// For those who look for a fault.
    Debug,
}

/// Counts the log lines of a queue of events, so that a peer cannot fill it with them.
#[derive(Debug, Default)]
pub(crate) struct LogBound {
    waiting: usize,
    left_out: usize,
}

impl LogBound {
    /// Whether there is room for another line. If not, it is counted.
    pub(crate) fn admit(&mut self) -> bool {
        let has_room = self.waiting < MAX_WAITING;
        *(if has_room { &mut self.waiting } else { &mut self.left_out }) += 1;
        has_room
    }

    /// A line was read.
    pub(crate) fn read(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// What is to be said about the lines that found no room, once the others are read.
    pub(crate) fn left_out(&mut self) -> Option<String> {
        let count = core::mem::take(&mut self.left_out);
        (count > 0).then(|| alloc::format!("{count} more lines are left out"))
    }
}
