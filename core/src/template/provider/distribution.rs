//! Which template goes to whom, and how long it is of use.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::client::Client;
use super::connections::announce_template;
use super::events::Event;
use super::keys::{Announced, Current};
use super::templates::Stored;
use super::work::Work;
use super::{NodeState, Provider};
use crate::Time;
use crate::bitcoin::Hash;
use crate::connection::SendError;
use crate::frame::FrameError;
use crate::message::error_code;
use crate::template::ConstraintKey;

impl Provider {
    /// Makes `work` the current template of a key, under a new id: an alias if it had a `first_id` before.
    pub(super) fn issue(
        &mut self,
        key: ConstraintKey,
        work: Arc<Work>,
        first_id: Option<u64>,
        now: Time,
    ) -> Result<u64, FrameError> {
        let (tip, value, kind) = (work.tip, work.template.coinbase_tx_value_remaining, work.template.kind);
        let (id, frames) = self.templates.issue(key, work, first_id, now)?;
        let before =
            self.keys.get_mut(&key).and_then(|key| key.current.replace(Current { id, tip, value, kind, frames }));
        self.supersede(before.map(|before| before.id));
        Ok(id)
    }

    /// A template is not the current one any more. If no client has it, nobody needs it.
    pub(super) fn supersede(&mut self, before: Option<u64>) {
        let Some(before) = before else { return };
        if self.templates.get(before).is_some_and(|stored| !stored.handed_out) {
            if let Some(stored) = self.templates.remove(before) {
                self.retire(before, stored);
            }
        }
    }

    /// All keys need a template on another tip. What clients were told of a tip before does not count any more, also if it
    /// comes back: its templates may have expired meanwhile.
    pub(super) fn change_tip(&mut self, prev_hash: Hash, now: Time) {
        let expires_at = now.monotonic_ms.saturating_add(self.options.template_lifetime_ms);
        self.templates.set_tip(prev_hash, expires_at);
        for client in self.clients.values_mut() {
            client.constraints = 0;
            client.tip = None;
        }
        if let Some(accepted) = self.solved.accept(&prev_hash) {
            self.events.push(accepted);
        }
        self.release_held();
        let is_ready = self.node == NodeState::Ready;
        let mut superseded = Vec::new();
        for (key, state) in self.keys.iter_mut() {
            state.announced = None;
            state.sent_ahead = 0;
            state.asked = state.current.as_ref().is_some_and(|current| current.tip.prev_hash == prev_hash);
            if !state.asked {
                superseded.extend(state.current.take().map(|current| current.id));
                self.events.cancel_want(*key);
                if is_ready {
                    state.asked = true;
                    self.events.push(Event::WantTemplate { key: *key });
                }
            }
        }
        for before in superseded {
            self.supersede(Some(before));
        }
    }

    /// Sends the current template of a key to the clients that should have it.
    pub(super) fn announce(&mut self, key: ConstraintKey, now: Time) {
        let Some(state) = self.keys.get_mut(&key) else { return };
        state.asked = true;
        let update = state.update_due_at(&self.options).is_some_and(|at| at <= now.monotonic_ms);
        if let Some(overtaken) = state.overtaken().filter(|_| update) {
            self.reissue(key, overtaken, now);
        }
        let Some(state) = self.keys.get_mut(&key) else { return };
        let Some(Current { id: template_id, tip, value, kind, frames }) = &state.current else { return };
        let (template_id, tip) = (*template_id, *tip);
        if update || state.announced.is_none_or(|announced| announced.tip != tip) {
            state.announced =
                Some(Announced { id: template_id, tip, value: *value, kind: *kind, at: now.monotonic_ms });
            state.renew = false;
        }
        let frames = frames.clone();
        let handed_out = self.send_each(key, |client| {
            let wants = client.tip != Some(tip) || update && client.last_template_id != template_id;
            wants.then(|| client.send_template(template_id, &tip, &frames))
        });
        if handed_out {
            self.templates.mark_handed_out(template_id);
        }
        self.sweep_later(now);
    }

    /// Sends something to the clients of a key; whether it was sent to any.
    pub(super) fn send_each(
        &mut self,
        key: ConstraintKey,
        mut send: impl FnMut(&mut Client) -> Option<Result<(), SendError>>,
    ) -> bool {
        let (mut any, mut failed) = (false, Vec::new());
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| client.key() == Some(key)) {
            match send(client) {
                None => continue,
                Some(Ok(())) => announce_template(id, client, &mut self.events),
                Some(Err(error)) => failed.push((id, error)),
            }
            any = true;
        }
        for (id, error) in failed {
            self.after_send(id, Err(error));
            self.close_if_flushed(id);
        }
        any
    }

    /// Time has passed, as every input says.
    pub(super) fn expire_templates(&mut self, now: Time) {
        self.now_ms = now.monotonic_ms;
        while let Some((id, stored)) = self.templates.next_expired(now) {
            self.retire(id, stored);
        }
    }

    /// The last that is done about a template.
    pub(super) fn retire(&mut self, template_id: u64, stored: Stored) {
        if let Some(state) = self.keys.get_mut(&stored.key).filter(|_| !stored.work.is_active) {
            state.next.take_if(|next| next.id == template_id);
        }
        // The same template may have been issued a second time, for a client that came to the key later.
        if Arc::strong_count(&stored.work) == 1 {
            for (id, template_id) in self.templates.answers.remove(stored.first_id) {
                self.refuse_waiting(id, template_id, error_code::STALE_TEMPLATE_ID);
            }
            let (template_id, node_handle) = (stored.first_id, stored.work.template.node_handle);
            if !self.solved.hold(template_id, node_handle) {
                self.events.push(Event::TemplateExpired { node_handle, template_id });
            }
        }
    }

    /// Templates that had expired, and were needed for blocks alone, are not needed for these any more.
    pub(super) fn release_held(&mut self) {
        while let Some((template_id, node_handle)) = self.solved.next_released() {
            self.events.push(Event::TemplateExpired { node_handle, template_id });
        }
    }
}
