//! Templates for the height after the next block, which wait for their SetNewPrevHash (spec 7.2 and 7.3).

use alloc::sync::Arc;

use super::client::Client;
use super::keys::{Current, Next};
use super::templates::Templates;
use super::work::{Frames, Template, TemplateError, TemplateKind, Work};
use super::{ConnectionId, Provider, ProviderError};
use crate::Time;
use crate::bitcoin::{Hash, Target};
use crate::connection::SendError;
use crate::template::ConstraintKey;

/// How many such templates a client is sent while a tip lasts. A client keeps the future templates it was sent until the next
/// SetNewPrevHash, of which some keep no more than 16; the later ones come with their SetNewPrevHash.
const MAX_SENT_AHEAD: u32 = 8;

/// What a [`TemplateKind::NextHeight`] waits for: what SetNewPrevHash says (spec 7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewPrevHash {
    /// The tip: hash of the previous block.
    pub prev_hash: Hash,
    /// The header's nTime to start with: about now, not the least valid one.
    pub header_timestamp: u32,
    /// The header's nBits.
    pub nbits: u32,
    /// A target harder than nBits that clients are told instead. What meets nBits is submitted all the same.
    pub target: Option<Target>,
}

impl Provider {
    /// The block before a [`TemplateKind::NextHeight`] was found: it is the tip, and the template is to be worked on. Clients
    /// that have the template are sent SetNewPrevHash alone, the others both messages. As with any other tip, the templates on
    /// the one before begin to expire, and those of other keys are asked for; the full template of this key follows at once
    /// when it is ready.
    ///
    /// # Errors
    /// `UnknownTemplate` if it is no such template, or was replaced by a newer one; `StaleTemplate` if it is too late for it;
    /// `Template` if nBits or target do not fit.
    pub fn set_new_prev_hash(
        &mut self,
        template_id: u64,
        new_prev_hash: NewPrevHash,
        now: Time,
    ) -> Result<(), ProviderError> {
        self.expire_templates(now);
        let stored = self.templates.get(template_id).ok_or(ProviderError::UnknownTemplate)?;
        let key = stored.key;
        let state = self.keys.get(&key).ok_or(ProviderError::UnknownTemplate)?;
        if state.next.as_ref().is_none_or(|next| next.id != template_id) {
            return Err(ProviderError::UnknownTemplate);
        }
        let NewPrevHash { prev_hash, header_timestamp, nbits, target } = new_prev_hash;
        // What comes after it knows more of the transactions that are left.
        let kind = TemplateKind::Provisional;
        let template = Template { prev_hash, header_timestamp, nbits, target, kind, ..stored.work.template.clone() };
        let work = Arc::new(Work::new(template).map_err(ProviderError::Template)?);
        let is_served = state.current.as_ref().is_some_and(|current| current.tip.prev_hash == prev_hash);
        if is_served && self.templates.tip() == Some(prev_hash) || !self.templates.may_be_announced(&work, now) {
            return Err(ProviderError::StaleTemplate);
        }
        let frames =
            Frames::new(template_id, &work).map_err(|error| ProviderError::Template(TemplateError::Encode(error)))?;
        self.activate(key, template_id, work, frames, now);
        Ok(())
    }

    fn activate(&mut self, key: ConstraintKey, template_id: u64, work: Arc<Work>, frames: Frames, now: Time) {
        let (tip, height, set_new_prev_hash) = (work.tip, work.height(), Arc::clone(&frames.set_new_prev_hash));
        let (value, kind) = (work.template.coinbase_tx_value_remaining, work.template.kind);
        self.templates.activate(template_id, work);
        let Some(state) = self.keys.get_mut(&key) else { return };
        state.next = None;
        let before = state.current.replace(Current { id: template_id, tip, value, kind, frames });
        self.supersede(before.map(|before| before.id));
        self.templates.retell(tip.prev_hash);
        if self.templates.tip() != Some(tip.prev_hash) {
            self.change_tip(tip.prev_hash, now);
        }
        self.templates.note_height(height);
        self.events.cancel_want(key);
        self.send_each(key, |client| {
            let has_it = core::mem::take(&mut client.next) == template_id;
            has_it.then(|| {
                client.tip = Some(tip);
                client.connection.send_shared(Arc::clone(&set_new_prev_hash))
            })
        });
        if self.clients.values().any(|client| client.key() == Some(key) && client.tip != Some(tip)) {
            // They may have been sent later ids, and ids must increase.
            self.reissue(key, template_id, now);
        }
        self.announce(key, now);
    }

    /// The host has a template for the next height: it replaces the one before.
    pub(super) fn next_height_ready(
        &mut self,
        key: ConstraintKey,
        template: Template,
        now: Time,
    ) -> Result<u64, ProviderError> {
        let present = self.templates.tip().ok_or(ProviderError::StaleTemplate)?;
        let work = Work::for_next_height(template, present).map_err(ProviderError::Template)?;
        let (id, frames) = self
            .templates
            .issue(key, Arc::new(work), None, now)
            .map_err(|error| ProviderError::Template(TemplateError::Encode(error)))?;
        let Some(state) = self.keys.get_mut(&key) else { return Err(ProviderError::UnknownKey) };
        let is_sent = state.sent_ahead < MAX_SENT_AHEAD;
        state.sent_ahead += u32::from(is_sent);
        let next = Next { id, present, is_sent, frame: Arc::clone(&frames.future) };
        if let Some(before) = state.next.replace(next) {
            if let Some(stored) = self.templates.remove(before.id) {
                self.retire(before.id, stored);
            }
        }
        if is_sent && self.send_each(key, |client| client.send_next(id, &frames.future)) {
            self.templates.mark_handed_out(id);
        }
        Ok(id)
    }

    /// Sends the template for the next height to a client that has just been sent that of the present tip.
    pub(super) fn send_next(&mut self, id: ConnectionId, key: ConstraintKey) {
        let Some(next) = self.keys.get(&key).and_then(|state| state.next.as_ref()) else { return };
        let Some(client) = self.clients.get_mut(&id).filter(|client| client.key() == Some(key)) else { return };
        if !next.is_sent || Some(next.present) != self.templates.tip() || next.id <= client.last_template_id {
            return;
        }
        if let Some(sent) = client.send_next(next.id, &next.frame) {
            self.templates.mark_handed_out(next.id);
            self.after_send(id, sent);
        }
    }
}

impl Client {
    /// Hands out a template for the next height, if the client has the one for the present tip.
    fn send_next(&mut self, id: u64, frame: &Arc<[u8]>) -> Option<Result<(), SendError>> {
        self.tip?;
        let sent = self.connection.send_shared(Arc::clone(frame));
        if sent.is_ok() {
            (self.next, self.last_template_id) = (id, id);
        }
        Some(sent)
    }
}

impl Templates {
    /// The host says that this is the tip, without a [`Provider::tip_changed`].
    fn retell(&mut self, prev_hash: Hash) {
        if self.was_told() {
            self.note_told(prev_hash);
        }
    }

    /// Whether a tip that is announced with a template can be one: the host knows best, if it announces tips at all.
    fn may_be_announced(&self, work: &Work, now: Time) -> bool {
        self.was_told() || !self.is_stale(work, now)
    }
}
