//! Until when something must have happened.

use alloc::collections::BTreeSet;

/// Deadlines in monotonic milliseconds, of those who are named by `K`: each has one or none, and keeps it beside itself.
#[derive(Debug, Default)]
pub(crate) struct Deadlines<K>(BTreeSet<(u64, K)>);

impl<K: Ord + Copy + Default> Deadlines<K> {
    /// Somebody whose deadline was `listed` has another one, or none.
    pub(crate) fn list(&mut self, of: K, listed: &mut Option<u64>, deadline: Option<u64>) {
        if deadline == *listed {
            return;
        }
        if let Some(before) = core::mem::replace(listed, deadline) {
            self.0.remove(&(before, of));
        }
        if let Some(deadline) = deadline {
            self.0.insert((deadline, of));
        }
    }

    /// Takes out those who are due. They must be told: nothing is listed of them any more.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> impl Iterator<Item = K> + use<K> {
        let later = self.0.split_off(&(now_ms.saturating_add(1), K::default()));
        core::mem::replace(&mut self.0, later).into_iter().map(|(_, of)| of)
    }

    /// The first of all.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|(deadline, _)| *deadline)
    }
}
