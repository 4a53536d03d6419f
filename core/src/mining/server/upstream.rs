//! Work that comes from a mining server, for a proxy.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::channels::prefix_bytes;
use super::distribution::tip_frame;
use super::work::{Feed, LiveJob, Upstream, Work};
use super::{ConnectionId, Server, ServerError, WorkId};
use crate::Time;
use crate::bitcoin::Target;
use crate::message::{NewExtendedMiningJob, SetNewPrevHash};
use crate::mining::MAX_EXTRANONCE_LEN;
use crate::mining::channel::{ChannelKind, Extranonce, ServerChannel};
use crate::mining::extranonce::{ExtranonceAllocator, ExtranonceError, ExtranonceLayout};
use crate::mining::job::ExtendedJob;
use crate::mining::share::Tip;

/// Most bytes of an index.
const MAX_INDEX_LEN: usize = 4;

/// The extranonces that a mining server gave to a channel, and how to divide them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamChannel<'a> {
    /// What all of them begin with.
    pub extranonce_prefix: &'a [u8],
    /// How many bytes follow, extranonce_size of an extended channel.
    pub extranonce_size: usize,
    /// How many of these are left to the miner of an extended channel. What is before them tells the channels apart: up to 4
    /// bytes, behind zeros. If that is nothing, there can be one channel only, which has what the server gave.
    pub rollable_len: usize,
}

impl UpstreamChannel<'_> {
    const fn full_len(&self) -> usize {
        self.extranonce_prefix.len().saturating_add(self.extranonce_size)
    }

    fn divide(&self, epoch: u64) -> Result<Upstream, ServerError> {
        let local_len = self.extranonce_size.checked_sub(self.rollable_len).ok_or(ServerError::ExtranonceSize)?;
        if self.full_len() > MAX_EXTRANONCE_LEN {
            return Err(ServerError::Extranonce(ExtranonceError::TooLong));
        }
        if local_len == 0 {
            let (prefix, rollable_len) = (Extranonce::from(self.extranonce_prefix), self.rollable_len);
            return Ok(Upstream::Exclusive { prefix, rollable_len, in_use: false });
        }
        let index_len = local_len.min(MAX_INDEX_LEN);
        let zeros = [0; MAX_EXTRANONCE_LEN];
        let layout = ExtranonceLayout {
            upstream_prefix: self.extranonce_prefix,
            server_id: zeros.get(..local_len - index_len).unwrap_or_default(),
            index_len,
            rollable_len: self.rollable_len,
        };
        let allocator = ExtranonceAllocator::new(layout).map_err(ServerError::Extranonce)?;
        Ok(Upstream::Shared { allocator, epoch })
    }
}

impl Server {
    /// Names an upstream channel, whose work channels are to mine; or says that the work of one that has this name comes from
    /// another server or another channel from now on. Then all its channels get other prefixes with SetExtranoncePrefix, and
    /// wait for the jobs that follow; shares of the jobs that they have count until the tip changes.
    ///
    /// # Errors
    /// `UnknownWork` if it is the name of a payout. `ExtranonceSize` if channels have another `rollable_len`, or the server gives
    /// fewer bytes than that; `Extranonce` if that is not enough to tell the channels apart.
    pub fn set_upstream(
        &mut self,
        work_id: WorkId,
        channel: &UpstreamChannel<'_>,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let epoch = match self.works.get(&work_id).map(|work| &work.feed) {
            Some(Feed::Templates { .. }) => return Err(ServerError::UnknownWork),
            Some(Feed::Upstream(Upstream::Shared { epoch, .. })) => *epoch,
            _ => 0,
        };
        let mut upstream = channel.divide(epoch)?;
        let mined_by = self.channels_of(work_id);
        let is_other = |(id, channel_id): &(ConnectionId, u32)| {
            let Some(open) = self.channel(*id, *channel_id) else { return false };
            open.kind() == ChannelKind::Extended && open.extranonce_size() != channel.rollable_len
        };
        if mined_by.iter().any(is_other) {
            return Err(ServerError::ExtranonceSize);
        }
        let exhausted = Err(ServerError::Extranonce(ExtranonceError::Exhausted));
        match &mut upstream {
            Upstream::Shared { allocator, .. } if mined_by.len() as u64 > allocator.capacity() => return exhausted,
            Upstream::Exclusive { .. } if mined_by.len() > 1 => return exhausted,
            Upstream::Exclusive { in_use, .. } => *in_use = !mined_by.is_empty(),
            Upstream::Shared { .. } => {}
        }
        let mut work = Work::new(Feed::Upstream(upstream));
        if let Some(before) = self.works.remove(&work_id) {
            (work.tip, work.members) = (before.tip, before.members);
        }
        self.works.insert(work_id, work);
        for (id, channel_id) in mined_by {
            self.move_channel(work_id, id, channel_id);
        }
        Ok(())
    }

    /// The upstream channel has another prefix from its next job on (spec 5.3.10), and so have the channels that mine its work.
    ///
    /// # Errors
    /// `UnknownWork`, or `Extranonce` if the prefix is too long.
    pub fn set_upstream_prefix(&mut self, work_id: WorkId, prefix: &[u8], now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let work = self.works.get_mut(&work_id).ok_or(ServerError::UnknownWork)?;
        match &mut work.feed {
            Feed::Templates { .. } => return Err(ServerError::UnknownWork),
            Feed::Upstream(Upstream::Shared { allocator, .. }) => {
                allocator.set_upstream_prefix(prefix).map_err(ServerError::Extranonce)?;
            }
            Feed::Upstream(Upstream::Exclusive { prefix: present, rollable_len, .. }) => {
                if prefix.len().saturating_add(*rollable_len) > MAX_EXTRANONCE_LEN {
                    return Err(ServerError::Extranonce(ExtranonceError::TooLong));
                }
                *present = prefix.into();
            }
        }
        for (id, channel_id) in self.channels_of(work_id) {
            let Ok(channel) = self.channel_mut(id, channel_id) else { continue };
            let (kind, before) = (channel.inner.kind(), channel.prefix);
            let Some(work) = self.works.get(&work_id) else { continue };
            let renewed = match (&work.feed, before) {
                (Feed::Upstream(Upstream::Shared { allocator, .. }), Some(before)) => Some(allocator.renewed(before)),
                _ => None,
            };
            let bytes = renewed.map_or_else(|| work.extranonce(None, kind).0, |prefix| prefix_bytes(&prefix, kind));
            if let Ok(channel) = self.channel_mut(id, channel_id) {
                channel.prefix = renewed;
            }
            self.set_prefix(id, channel_id, bytes);
        }
        Ok(())
    }

    /// No target of a channel that mines this work is harder than `hardest` from now on, where clients accept that: what is below
    /// it is wanted above, and must not be missed.
    ///
    /// # Errors
    /// `UnknownWork`.
    pub fn set_hardest_target(&mut self, work_id: WorkId, hardest: Target, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        self.works.get_mut(&work_id).ok_or(ServerError::UnknownWork)?.hardest_target = hardest;
        for (id, channel_id) in self.channels_of(work_id) {
            let Some(before) = self.channel(id, channel_id).map(ServerChannel::target) else { continue };
            if before < hardest {
                self.retarget(id, channel_id, before, Some(hardest));
            }
        }
        Ok(())
    }

    /// A job came from above. Without min_ntime it waits for its tip; otherwise it is worked on from now on. It is sent at once.
    ///
    /// Gives the job as it will be in each [`Share`](super::Share) that is found on it: the same `Arc`, whatever numbers it has.
    ///
    /// # Errors
    /// `UnknownWork`; `Job` if nobody could mine a block with it; `NoTip` if it waits for none and there is none.
    pub fn new_upstream_job(
        &mut self,
        work_id: WorkId,
        message: &NewExtendedMiningJob<'_>,
        now: Time,
    ) -> Result<Arc<ExtendedJob>, ServerError> {
        self.now_ms = now.monotonic_ms;
        let work = self.works.get(&work_id).ok_or(ServerError::UnknownWork)?;
        let full_len = match &work.feed {
            Feed::Templates { .. } => return Err(ServerError::UnknownWork),
            Feed::Upstream(Upstream::Shared { allocator, .. }) => allocator.full_len(),
            Feed::Upstream(Upstream::Exclusive { prefix, rollable_len, .. }) => prefix.len() + rollable_len,
        };
        if message.min_ntime.is_some() && work.tip.is_none() {
            return Err(ServerError::NoTip);
        }
        let job = Arc::new(ExtendedJob::upstream(message, full_len).map_err(ServerError::Job)?);
        let live = LiveJob::new(self.next_job_id(), Arc::clone(&job), message.min_ntime.unwrap_or_default());
        let max = self.options.max_future_templates;
        if let Some(work) = self.works.get_mut(&work_id) {
            if message.min_ntime.is_some() {
                work.current = Some(live);
                self.send_current(work_id);
            } else {
                work.add_future(live, max);
                self.send_last_future(work_id);
            }
        }
        Ok(job)
    }

    /// There is a new tip above (spec 5.3.17): all work on the job that waited for it.
    ///
    /// # Errors
    /// `UnknownWork`; `UnknownJob` if the job did not come before or does not wait; `InvalidNbits`.
    pub fn set_upstream_prev_hash(
        &mut self,
        work_id: WorkId,
        message: &SetNewPrevHash,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let tip = Tip::new(message.prev_hash.0, message.nbits, message.min_ntime, None, now.unix_s)
            .ok_or(ServerError::InvalidNbits)?;
        let work = self.works.get_mut(&work_id).ok_or(ServerError::UnknownWork)?;
        if !work.futures.iter().any(|future| future.is_of_upstream(message.job_id)) {
            return Err(ServerError::UnknownJob);
        }
        let is_same = work.tip.is_some_and(|before| (before.prev_hash, before.nbits) == (tip.prev_hash, tip.nbits));
        if let (Feed::Upstream(Upstream::Shared { allocator, epoch }), false) = (&mut work.feed, is_same) {
            *epoch += 1;
            allocator.reclaim(*epoch);
        }
        let frame = tip_frame(&tip);
        self.activate(work_id, |future| future.is_of_upstream(message.job_id), &tip, frame.as_ref());
        Ok(())
    }

    // -------------------------------------------------------------------------------------------------------- helpers

    /// The channels that mine a work.
    fn channels_of(&self, work_id: WorkId) -> Vec<(ConnectionId, u32)> {
        let Some(work) = self.works.get(&work_id) else { return Vec::new() };
        let groups = work.members.iter().filter_map(|(id, group)| Some((*id, self.clients.get(id)?.group(*group)?)));
        groups
            .flat_map(|(id, group)| group.channels.members().iter().map(move |channel_id| (id, *channel_id)))
            .collect()
    }

    /// A channel goes over to the extranonces that its work has now.
    fn move_channel(&mut self, work_id: WorkId, id: ConnectionId, channel_id: u32) {
        let Some(work) = self.works.get_mut(&work_id) else { return };
        // There are as many as channels.
        let prefix = match &mut work.feed {
            Feed::Upstream(Upstream::Shared { allocator, .. }) => allocator.allocate().ok(),
            _ => None,
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(channel) = client.channels.get_mut(&channel_id) else { return };
        channel.prefix = prefix;
        let (bytes, _) = work.extranonce(prefix, channel.inner.kind());
        self.set_prefix(id, channel_id, bytes);
    }
}
