//! What is known of the transactions of each template, and who waits for them.
//!
//! All is by the first id of a template, by which the host knows it. Clients may know the template by others, but its
//! transactions are the same: they are asked for once and kept once.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ConnectionId;
use crate::Time;

/// What is known of a template's transactions.
#[derive(Debug)]
pub(super) enum Transactions {
    Unasked,
    /// The host was asked; these clients wait, for the ids by which each of them asked.
    Asked {
        waiting: BTreeMap<ConnectionId, Vec<u64>>,
        /// In monotonic milliseconds.
        deadline: u64,
        /// The host's name for the template.
        node_handle: u64,
    },
    /// RequestTransactionData.Success, with the first id of the template.
    Ready(Arc<[u8]>),
    /// The host does not have them any more.
    Unavailable,
}

/// The transactions of all templates in use.
#[derive(Debug, Default)]
pub(super) struct Answers {
    known: BTreeMap<u64, Transactions>,
    /// The templates whose transactions are kept, from the one that has them longest, and how many bytes these are.
    kept: VecDeque<u64>,
    kept_len: usize,
    /// The templates whose transactions the host was asked for, by deadline.
    asked: BTreeSet<(u64, u64)>,
    /// The clients that wait, each with the templates that it waits for.
    awaited: BTreeSet<(ConnectionId, u64)>,
}

/// A client, and the id of the template by which it asked for transactions.
pub(super) type Waiting = Vec<(ConnectionId, u64)>;

impl Answers {
    /// A template comes into use.
    pub(super) fn add(&mut self, first_id: u64) {
        self.known.insert(first_id, Transactions::Unasked);
    }

    /// A template goes out of use, under all its ids. Those who wait for it do so in vain.
    pub(super) fn remove(&mut self, first_id: u64) -> Waiting {
        let waiting = self.replace(first_id, Transactions::Unasked);
        self.known.remove(&first_id);
        waiting
    }

    pub(super) fn get(&self, first_id: u64) -> Option<&Transactions> {
        self.known.get(&first_id)
    }

    /// A client that asked for `template_id` waits. Whether it is the first for this template: the host must be asked.
    pub(super) fn wait(
        &mut self,
        first_id: u64,
        node_handle: u64,
        (client, template_id): (ConnectionId, u64),
        deadline: u64,
    ) -> bool {
        let Some(known) = self.known.get_mut(&first_id) else { return false };
        self.awaited.insert((client, first_id));
        if let Transactions::Asked { waiting, .. } = known {
            waiting.entry(client).or_default().push(template_id);
            return false;
        }
        let waiting = BTreeMap::from([(client, Vec::from([template_id]))]);
        self.replace(first_id, Transactions::Asked { waiting, deadline, node_handle });
        self.asked.insert((deadline, first_id));
        true
    }

    /// Notes what is known of the transactions of a template from now on. Gives those who waited for it.
    pub(super) fn replace(&mut self, first_id: u64, known: Transactions) -> Waiting {
        let Some(before) = self.known.get_mut(&first_id) else { return Waiting::new() };
        match core::mem::replace(before, known) {
            Transactions::Asked { waiting, deadline, .. } => {
                self.asked.remove(&(deadline, first_id));
                for client in waiting.keys() {
                    self.awaited.remove(&(*client, first_id));
                }
                let each = |(client, ids): (ConnectionId, Vec<u64>)| ids.into_iter().map(move |id| (client, id));
                return waiting.into_iter().flat_map(each).collect();
            }
            Transactions::Ready(frame) => {
                self.kept_len = self.kept_len.saturating_sub(frame.len());
                self.kept.retain(|kept| *kept != first_id);
            }
            Transactions::Unasked | Transactions::Unavailable => {}
        }
        Waiting::new()
    }

    /// Keeps the transactions of a template for those who ask later, and forgets those kept longest beyond `max_len` bytes.
    /// Gives those who waited for it.
    pub(super) fn keep(&mut self, first_id: u64, frame: &Arc<[u8]>, max_len: usize) -> Waiting {
        let waiting = self.replace(first_id, Transactions::Ready(Arc::clone(frame)));
        self.kept.push_back(first_id);
        self.kept_len = self.kept_len.saturating_add(frame.len());
        while self.kept_len > max_len {
            let Some(oldest) = self.kept.front().copied() else { break };
            self.replace(oldest, Transactions::Unasked);
        }
        waiting
    }

    /// When the next transactions should have come, in monotonic milliseconds.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.asked.first().map(|(deadline, _)| *deadline)
    }

    /// A template whose transactions should have come.
    pub(super) fn next_overdue(&self, now: Time) -> Option<u64> {
        self.asked.first().filter(|(deadline, _)| *deadline <= now.monotonic_ms).map(|(_, first_id)| *first_id)
    }

    /// A client is gone: it waits for nothing.
    pub(super) fn forget_client(&mut self, id: ConnectionId) {
        while let Some((_, first_id)) = self.awaited.range((id, 0)..=(id, u64::MAX)).next().copied() {
            self.awaited.remove(&(id, first_id));
            if let Some(Transactions::Asked { waiting, .. }) = self.known.get_mut(&first_id) {
                waiting.remove(&id);
            }
        }
    }

    /// The templates whose transactions the host was asked for, each with the host's name for it.
    pub(super) fn asked(&self) -> impl Iterator<Item = (u64, u64)> {
        self.asked.iter().filter_map(|(_, first_id)| match self.known.get(first_id) {
            Some(Transactions::Asked { node_handle, .. }) => Some((*first_id, *node_handle)),
            _ => None,
        })
    }

    /// The node is back: what it did not have, it may have now.
    pub(super) fn hope_again(&mut self) {
        for known in self.known.values_mut().filter(|known| matches!(known, Transactions::Unavailable)) {
            *known = Transactions::Unasked;
        }
    }
}
