//! The templates that were given out, and how long they live: until some time after their tip is gone.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use super::answers::Answers;
use super::work::{Frames, Work};
use crate::Time;
use crate::bitcoin::Hash;
use crate::frame::FrameError;
use crate::template::ConstraintKey;

/// How many tips that are gone are remembered, so that a template made on one is not taken for news.
const REMEMBERED_TIPS: usize = 16;

/// A template under the id by which clients know it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) work: Arc<Work>,
    pub(super) key: ConstraintKey,
    /// The id of the template by which the host knows it.
    pub(super) first_id: u64,
    /// Whether any client was sent it.
    pub(super) handed_out: bool,
}

/// A tip that is gone, and until when, this millisecond included, the templates on it are served.
#[derive(Debug)]
struct GoneTip {
    prev_hash: Hash,
    expires_at: u64,
    expired: bool,
}

/// All templates that can still be asked about or solved.
#[derive(Debug, Default)]
pub(super) struct Templates {
    stored: BTreeMap<u64, Stored>,
    /// How many of the ids are a template's second or later.
    aliases: usize,
    ids: Option<Ids>,
    tip: Option<Hash>,
    /// The height of the block to be found on it, once a template says so.
    height: Option<u32>,
    /// The last tip that the host announced by itself.
    told: Option<Hash>,
    /// From the one that is gone longest.
    gone: VecDeque<GoneTip>,
    /// Until when after the last change of tip a template may be one that was overtaken by it.
    settled_at: u64,
    /// Their transactions.
    pub(super) answers: Answers,
}

/// The ids that were issued: all from the first, up to the next.
#[derive(Debug)]
struct Ids {
    first: u64,
    next: u64,
}

impl Templates {
    pub(super) fn tip(&self) -> Option<Hash> {
        self.tip
    }

    /// The host says by itself that this is the tip.
    pub(super) fn note_told(&mut self, prev_hash: Hash) {
        self.told = Some(prev_hash);
    }

    pub(super) fn was_told(&self) -> bool {
        self.told.is_some()
    }

    /// A template on the tip says at which height it is.
    pub(super) fn note_height(&mut self, height: Option<u32>) {
        self.height = height.or(self.height);
    }

    /// Whether a template was overtaken by a change of tip while it was made.
    ///
    /// Templates for several keys are made side by side: with two blocks in a row, one on the first may come after one on
    /// the second, and must not be taken for news. A host that announces its tips knows best. Without that, what was not
    /// seen before is news unless it is lower than what was; and all is news once templates on the tip before have expired,
    /// because then the chain itself went back (invalidateblock, a test network that was reset).
    pub(super) fn is_stale(&self, work: &Work, now: Time) -> bool {
        let prev_hash = work.tip.prev_hash;
        if self.tip == Some(prev_hash) {
            return false;
        }
        if let Some(told) = self.told {
            return prev_hash != told;
        }
        if now.monotonic_ms > self.settled_at {
            return false;
        }
        match (work.height(), self.height) {
            (Some(height), Some(reached)) if height != reached => height < reached,
            _ => self.gone.iter().any(|tip| tip.prev_hash == prev_hash),
        }
    }

    /// From now on the templates on `prev_hash` are those to work on; those on the former tip begin to expire.
    pub(super) fn set_tip(&mut self, prev_hash: Hash, expires_at: u64) {
        // Block invalidated: a former tip can be the tip again.
        self.gone.retain(|tip| tip.prev_hash != prev_hash);
        self.height = None;
        self.settled_at = expires_at;
        if let Some(prev_hash) = self.tip.replace(prev_hash) {
            self.gone.push_back(GoneTip { prev_hash, expires_at, expired: false });
        }
        while self.gone.len() > REMEMBERED_TIPS && self.gone.front().is_some_and(|tip| tip.expired) {
            self.gone.pop_front();
        }
    }

    /// The next id. The first is the time (spec 7.2), so that a client which reconnects after a restart of the host cannot
    /// take one template for another.
    fn take_id(&mut self, now: Time) -> u64 {
        let ids = self.ids.get_or_insert_with(|| {
            // 65,536 ids for each second: an engine made later begins above all of them.
            let first = (now.unix_s & 0xffff_ffff) << 16 | 1;
            Ids { first, next: first }
        });
        let id = ids.next;
        ids.next = ids.next.saturating_add(1);
        id
    }

    /// The id of the next template, or less.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.as_ref().map_or(0, |ids| ids.next)
    }

    /// Whether any template in a range of ids is left.
    pub(super) fn is_any_since(&self, first: u64, last: u64) -> bool {
        self.stored.range(first..).next().is_some_and(|(id, _)| *id <= last)
    }

    /// Whether the id was ever issued.
    pub(super) fn was_issued(&self, id: u64) -> bool {
        self.ids.as_ref().is_some_and(|ids| (ids.first..ids.next).contains(&id))
    }

    /// Stores a template under a new id.
    pub(super) fn issue(
        &mut self,
        key: ConstraintKey,
        work: Arc<Work>,
        first_id: Option<u64>,
        now: Time,
    ) -> Result<(u64, Frames), FrameError> {
        let id = self.take_id(now);
        let frames = Frames::new(id, &work)?;
        match first_id {
            Some(_) => self.aliases += 1,
            None => self.answers.add(id),
        }
        let first_id = first_id.unwrap_or(id);
        self.stored.insert(id, Stored { work, key, first_id, handed_out: false });
        Ok((id, frames))
    }

    /// The tip of a template for the next height is known.
    pub(super) fn activate(&mut self, id: u64, work: Arc<Work>) {
        if let Some(stored) = self.stored.get_mut(&id) {
            stored.work = work;
        }
    }

    /// How many ids there are besides the first of each template.
    pub(super) fn aliases(&self) -> usize {
        self.aliases
    }

    pub(super) fn get(&self, id: u64) -> Option<&Stored> {
        self.stored.get(&id)
    }

    pub(super) fn mark_handed_out(&mut self, id: u64) {
        if let Some(stored) = self.stored.get_mut(&id) {
            stored.handed_out = true;
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Stored> {
        let stored = self.stored.remove(&id)?;
        if stored.first_id != id {
            self.aliases = self.aliases.saturating_sub(1);
        }
        Some(stored)
    }

    /// The place of the tip that expires next: those before it have expired.
    fn first_unexpired(&self) -> usize {
        self.gone.partition_point(|tip| tip.expired)
    }

    /// When the next templates expire, in monotonic milliseconds.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.gone.get(self.first_unexpired()).map(|tip| tip.expires_at.saturating_add(1))
    }

    /// A template whose time is over, if there is one.
    pub(super) fn next_expired(&mut self, now: Time) -> Option<(u64, Stored)> {
        loop {
            let first = self.first_unexpired();
            let tip = self.gone.get_mut(first)?;
            if tip.expires_at >= now.monotonic_ms {
                return None;
            }
            let prev_hash = tip.prev_hash;
            match self.stored.iter().find(|(_, stored)| stored.work.tip.prev_hash == prev_hash) {
                Some((&id, _)) => return self.remove(id).map(|stored| (id, stored)),
                None => tip.expired = true,
            }
        }
    }
}
