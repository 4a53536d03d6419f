//! What the node tells of itself: its state, its tip, and what became of a block.

use super::Provider;
use super::events::Event;
use crate::Time;
use crate::bitcoin::Hash;

/// Whether the node can make templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It cannot be reached, or is not running.
    Down,
    /// It has not caught up with the chain: what it would make templates for is long gone.
    Syncing,
    /// It can.
    Ready,
}

/// What the node said to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitResult {
    /// It took the block. Whether the chain goes on from it is known when it is the tip: [`Event::BlockAccepted`].
    Taken,
    /// It refused the block.
    Refused,
}

impl Provider {
    /// The node's state, [`NodeState::Ready`] until something else is said.
    ///
    /// While the node is not ready, clients stay connected and keep what they have; nothing is asked of the node but that
    /// solutions are still handed out. When it is ready again, everything that is missing is asked for anew: a template for each key,
    /// which clients are sent at once, also on the same tip, because a node that was restarted does not know its earlier ones;
    /// transactions that clients wait for; and solutions for which no [`Provider::submit_result`] came.
    pub fn node_state(&mut self, state: NodeState, now: Time) {
        self.expire_templates(now);
        let before = core::mem::replace(&mut self.node, state);
        match (before, state) {
            (NodeState::Ready, NodeState::Down | NodeState::Syncing) => self.ask_nothing(),
            (NodeState::Down | NodeState::Syncing, NodeState::Ready) => self.ask_again(),
            _ => {}
        }
    }

    fn ask_nothing(&mut self) {
        for (key, state) in self.keys.iter_mut() {
            state.asked = false;
            self.events.cancel_want(*key);
        }
        self.events.cancel_want_transactions();
    }

    fn ask_again(&mut self) {
        for solution in self.solved.unanswered() {
            self.events.submit(solution.clone());
        }
        for (key, state) in self.keys.iter_mut() {
            (state.asked, state.renew) = (true, true);
            self.events.push(Event::WantTemplate { key: *key });
        }
        self.templates.answers.hope_again();
        for (template_id, node_handle) in self.templates.answers.asked() {
            self.events.push(Event::WantTransactions { template_id, node_handle });
        }
    }

    /// The node has another tip: the templates on the old one begin to expire, and new ones are asked for.
    ///
    /// A host that never calls this need not: the same happens with the first template on another tip. If that is lower than the
    /// tip before, or was the tip before at the same height, it is refused as stale until
    /// [`ProviderOptions::template_lifetime_ms`](super::ProviderOptions) after the last change: it may have been made before
    /// that. A host whose chain went back offers it again then. One that calls this must
    /// do so for every tip, before the templates on it: from the first call on, a template on any other block is refused as
    /// stale, also one that comes too early. It is asked for again with the call.
    pub fn tip_changed(&mut self, prev_hash: Hash, now: Time) {
        self.expire_templates(now);
        self.templates.note_told(prev_hash);
        if self.templates.tip() != Some(prev_hash) {
            self.change_tip(prev_hash, now);
        }
    }

    /// What the node said to the block of an [`Event::SubmitBlock`], by its hash. Until this is called, or the block is the tip, the
    /// solution is handed out again when the node was away and is back; so long no [`Event::TemplateExpired`] comes for the template
    /// it was found on.
    ///
    /// A hash that is not known is no error: only the last solutions are remembered.
    pub fn submit_result(&mut self, block_hash: &Hash, result: SubmitResult, now: Time) {
        self.expire_templates(now);
        self.solved.answer(block_hash, result);
        self.release_held();
    }
}
