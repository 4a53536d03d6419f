//! The templates that a provider sent: which is mined on, which wait for their tip, and which are on a tip that is gone.

use alloc::collections::BTreeMap;

use super::work::{ReceivedTemplate, Tip};

/// All templates that can be activated, mined on or solved.
#[derive(Debug, Default)]
pub(super) struct Store {
    stored: BTreeMap<u64, Stored>,
    tip: Option<Tip>,
    active: Option<u64>,
    arrivals: u64,
}

#[derive(Debug)]
struct Stored {
    template: ReceivedTemplate,
    /// The how-manieth it is. Ids say so too, but those of an earlier connection may have been greater.
    arrival: u64,
    /// Whether it came again as a future template: then it may be on another tip.
    renewed: bool,
    /// Until when, this millisecond included, it is kept, if its tip is gone.
    expires_at: Option<u64>,
}

impl Store {
    pub(super) fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }

    pub(super) fn get(&self, template_id: u64) -> Option<&ReceivedTemplate> {
        self.stored.get(&template_id).map(|stored| &stored.template)
    }

    /// The template to mine on.
    pub(super) fn active(&self) -> Option<&ReceivedTemplate> {
        self.get(self.active?)
    }

    /// Stores a template that waits for its tip.
    pub(super) fn insert_future(&mut self, template: ReceivedTemplate) {
        self.insert(template);
    }

    /// A future template came that is there already, the same in all but the tip, as when a provider is connected again: then
    /// what is mined on it goes on.
    pub(super) fn renew(&mut self, template: &ReceivedTemplate) -> bool {
        let known = self.stored.get_mut(&template.template_id);
        let Some(same) = known.filter(|stored| stored.template.is_same_as(template)) else { return false };
        same.renewed = true;
        same.expires_at = None;
        true
    }

    fn insert(&mut self, template: ReceivedTemplate) {
        self.arrivals += 1;
        let stored = Stored { template, arrival: self.arrivals, renewed: false, expires_at: None };
        self.stored.insert(stored.template.template_id, stored);
    }

    /// Stores a template on the present tip, and makes it the one to mine on.
    pub(super) fn insert_active(&mut self, mut template: ReceivedTemplate) {
        self.active = Some(template.template_id);
        template.tip = self.tip;
        self.insert(template);
    }

    /// This is the tip from now on; templates on any other begin to expire. True if the template it names can be mined on: it
    /// is there, and on no other tip.
    pub(super) fn set_tip(&mut self, template_id: u64, tip: Tip, expires_at: u64) -> bool {
        self.tip = Some(tip);
        let is_on = |other: &Tip| other.prev_hash == tip.prev_hash;
        let named = self.stored.get_mut(&template_id);
        let named = named.filter(|stored| stored.renewed || stored.template.tip.as_ref().is_none_or(is_on));
        let activated = named.is_some();
        if let Some(stored) = named {
            stored.template.tip = Some(tip);
            stored.renewed = false;
        }
        self.active = activated.then_some(template_id);
        for stored in self.stored.values_mut() {
            let Some(other) = &stored.template.tip else { continue };
            // Block invalidated: a former tip can be the tip again.
            stored.expires_at = if is_on(other) { None } else { stored.expires_at.or(Some(expires_at)) };
        }
        activated
    }

    /// Takes out a template.
    pub(super) fn remove(&mut self, template_id: u64) -> Option<u64> {
        self.stored.remove(&template_id)?;
        self.active = self.active.filter(|active| *active != template_id);
        Some(template_id)
    }

    /// Takes out a template that waits for its tip and is older than this one.
    pub(super) fn remove_future_before(&mut self, template_id: u64) -> Option<u64> {
        let older = self.stored.range(..template_id);
        let id = older.filter(|(_, stored)| stored.template.is_future()).map(|(id, _)| *id).next()?;
        self.remove(id)
    }

    /// Takes out a template that waits for a tip which can not come any more.
    pub(super) fn remove_future(&mut self) -> Option<u64> {
        let id = self.stored.values().map(|stored| &stored.template).find(|template| template.is_future())?.template_id;
        self.remove(id)
    }

    /// Takes out a template if there are too many of its kind, see
    /// [`ClientOptions::max_templates`](super::ClientOptions::max_templates).
    pub(super) fn remove_surplus(&mut self, max_future: usize, max_others: usize) -> Option<u64> {
        let futures = self.stored.values().filter(|stored| stored.template.is_future()).count();
        let others = self.stored.len() - futures;
        let surplus_future = futures > max_future.max(1);
        if !surplus_future && others <= max_others.max(1) {
            return None;
        }
        let candidates = self
            .stored
            .iter()
            .filter(|(id, stored)| stored.template.is_future() == surplus_future && Some(**id) != self.active);
        // Those whose tip is gone come first, from the one that is gone longest.
        let (id, _) = candidates.min_by_key(|(_, stored)| (stored.expires_at.unwrap_or(u64::MAX), stored.arrival))?;
        self.remove(*id)
    }

    /// When the next template expires, in monotonic milliseconds.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.stored.values().filter_map(|stored| stored.expires_at).min().map(|at| at.saturating_add(1))
    }

    /// Takes out a template whose time is over.
    pub(super) fn remove_expired(&mut self, now_ms: u64) -> Option<u64> {
        let is_over = |stored: &Stored| stored.expires_at.is_some_and(|at| at < now_ms);
        let id = self.stored.values().find(|stored| is_over(stored))?.template.template_id;
        self.remove(id)
    }
}
