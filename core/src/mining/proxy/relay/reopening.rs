//! What happens to channels and shares when an upstream is lost and another one is there.
//!
//! Miners keep their connections and channels. Each channel is opened again; then the miner is told its new extranonce prefix
//! and target, and the jobs follow. A miner cannot be told another extranonce size: where the new upstream gives more, zeros
//! fill it; where it gives less, the channel is closed, and the miner may open another one.
//!
//! Shares that were not answered, and those found meanwhile, wait. They are sent again if the new upstream gives the same work:
//! the same prefix, and a job with the same content on the same tip. That is so when a pool knows its miners again. In all other
//! cases they are worth nothing, and the miner is told "stale-share".

use alloc::vec::Vec;

use super::channels::{Passage, Upstream};
use super::downward::Space;
use super::{Relay, Wish};
use crate::clients::Level;
use crate::message::{ChannelEndpointChanged, SetExtranoncePrefix, SetNewPrevHash, SetTarget, error_code};
use crate::mining::proxy::Context;
use crate::mining::proxy::events::Channel;
use crate::wire::U256;

impl Passage {
    /// The upstream gives this prefix, behind which so many zeros stand.
    pub(super) fn set_extranonce_prefix(&mut self, prefix: &[u8], padding: usize) {
        self.padding = padding;
        self.extranonce_prefix = prefix.to_vec();
        self.extranonce_prefix.resize(prefix.len() + padding, 0);
    }
}

impl Relay {
    /// There is no upstream any more.
    pub(super) fn lose_upstream(&mut self, cx: &mut Context<'_>) {
        self.channels.lose_upstream();
        self.job_ids.begin_anew();
        self.asked.clear();
        self.hold_until = Some(cx.now.monotonic_ms.saturating_add(cx.options.hold_ms));
        for miner in self.miners.values_mut() {
            miner.groups.iter_mut().for_each(|binding| binding.upstream = None);
        }
        let mut custom_jobs = Vec::new();
        self.requests.retain(|_, request| {
            request.asked = false;
            if let Wish::CustomJob { request_id, channel } = request.wish {
                custom_jobs.push((channel, request_id));
            }
            matches!(request.wish, Wish::Open { .. })
        });
        for (channel, request_id) in custom_jobs {
            self.refuse_custom_job(channel, request_id, error_code::STALE_CHAIN_TIP, cx);
        }
    }

    /// There is an upstream: it is asked for what was open, and for what miners have asked for meanwhile.
    pub(super) fn reopen_all(&mut self, cx: &mut Context<'_>) {
        let closed = |(_, passage): &(Channel, &Passage)| passage.upstream.is_none();
        let channels: Vec<Channel> = self.channels.iter().filter(closed).map(|(channel, _)| channel).collect();
        let waiting: Vec<u32> = self.requests.keys().copied().collect();
        for channel in channels {
            self.request(channel.connection, Wish::Reopen(channel), cx);
        }
        for request_id in waiting {
            self.ask(request_id, cx);
        }
    }

    /// The new upstream has opened a channel again.
    pub(super) fn reopened(
        &mut self,
        channel: Channel,
        upstream: Upstream,
        target: U256,
        space: &Space<'_>,
        cx: &mut Context<'_>,
    ) {
        let Some(kind) = self.channels.get(channel).map(|passage| passage.kind) else {
            return self.close_upstream_channel(upstream.channel_id, "the miner is gone", cx);
        };
        let Some(padding) = space.padding_for(kind) else {
            self.close_upstream_channel(upstream.channel_id, "the extranonce is too short", cx);
            return self.close_channel(channel, "extranonce-size-changed", cx);
        };
        if !self.channels.join(channel, upstream) {
            cx.events.log(Level::Warning, format_args!("the upstream gives an id to two channels"));
            return self.close_channel(channel, "upstream-gives-no-usable-channel", cx);
        }
        let Some(passage) = self.channels.get_mut(channel) else { return };
        passage.set_extranonce_prefix(space.prefix, padding);
        let (group_id, extranonce_prefix) = (passage.group_id, passage.extranonce_prefix.clone());
        let had_extensions = core::mem::take(&mut passage.has_extensions);
        let is_same = passage.former.as_ref().is_some_and(|former| former.extranonce_prefix == extranonce_prefix);
        if let Some(miner) = self.miners.get_mut(&channel.connection) {
            miner.bind_group(group_id, upstream.group_id);
        }
        let Channel { connection, channel_id } = channel;
        // Extensions must be negotiated again with whoever is there now (spec 3.6.4).
        if had_extensions {
            self.send(connection, &ChannelEndpointChanged { channel_id }, cx);
        }
        self.send(connection, &SetExtranoncePrefix { channel_id, extranonce_prefix: &extranonce_prefix }, cx);
        self.send(connection, &SetTarget { channel_id, maximum_target: target }, cx);
        if !is_same {
            self.give_up_channel(channel, cx);
        }
    }

    /// A channel has a job to work on: what waited for the same work goes up, and all else is refused.
    pub(super) fn activated(&mut self, channel: Channel, message: &SetNewPrevHash, cx: &mut Context<'_>) {
        let work = self.channels.work_of(channel, message.job_id);
        let Some(passage) = self.channels.get_mut(channel) else { return };
        passage.prev_hash = Some(message.prev_hash);
        let Some(former) = passage.former.take() else { return };
        let waiting = core::mem::take(&mut passage.unanswered);
        let is_same_tip = former.prev_hash == Some(message.prev_hash);
        for share in waiting {
            let is_same_job = |(id, of): &(u32, _)| *id == share.job_id && Some(*of) == work;
            if is_same_tip && former.works.iter().any(is_same_job) {
                self.submit(channel, &share, message.job_id, cx);
                if let Some(passage) = self.channels.get_mut(channel) {
                    passage.unanswered.push_back(share);
                }
            } else {
                self.lose_share(channel, share.sequence_number, cx);
            }
        }
    }

    /// No upstream with the same work came in time.
    pub(super) fn give_up_held(&mut self, cx: &mut Context<'_>) {
        self.hold_until = None;
        let held = |(_, passage): &(Channel, &Passage)| passage.former.is_some();
        let channels: Vec<Channel> = self.channels.iter().filter(held).map(|(channel, _)| channel).collect();
        for channel in channels {
            self.give_up_channel(channel, cx);
        }
    }

    /// What waits for the work of a former upstream is refused.
    fn give_up_channel(&mut self, channel: Channel, cx: &mut Context<'_>) {
        let Some(passage) = self.channels.get_mut(channel) else { return };
        let Some(former) = passage.former.take() else { return };
        let is_former = |job_id: u32| former.works.iter().any(|(id, _)| *id == job_id);
        let all = core::mem::take(&mut passage.unanswered);
        let (given_up, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|share| is_former(share.job_id));
        passage.unanswered = others.into();
        for share in given_up {
            self.lose_share(channel, share.sequence_number, cx);
        }
    }

    /// A share that was good for an upstream which is gone.
    pub(super) fn lose_share(&mut self, channel: Channel, sequence_number: u32, cx: &mut Context<'_>) {
        cx.totals.lost += 1;
        self.refuse_share(channel, sequence_number, error_code::STALE_SHARE, cx);
    }
}
