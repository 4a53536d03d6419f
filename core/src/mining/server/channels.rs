//! What becomes of open channels: targets, prefixes, the account, the end.

use alloc::boxed::Box;

use super::client::{Channel, Client, Group, Phase};
use super::events::{ChannelClosed, ClosedBy, Event};
use super::work::Feed;
use super::{ConnectionId, Server, ServerError, WorkId};
use crate::Time;
use crate::bitcoin::Target;
use crate::message::{CloseChannel, SetExtranoncePrefix, SetTarget};
use crate::mining::channel::{ChannelKind, Extranonce};
use crate::mining::extranonce::ExtranoncePrefix;
use crate::mining::hashrate;
use crate::wire::{Str, U256};

/// How long a channel that is silent waits to be looked at again, in milliseconds.
pub(super) const VARDIFF_INTERVAL_MS: u64 = 5_000;

/// From which change of the target on, up or down, a miner gets a job with it at once, where otherwise it has it with the next.
const LARGE_CHANGE: f64 = 4.0;

impl Client {
    pub(super) fn group(&self, group_id: u32) -> Option<&Group> {
        let place = self.groups.binary_search_by_key(&group_id, |group| group.channels.group_channel_id()).ok()?;
        self.groups.get(place)
    }
}

impl Server {
    /// Gives a channel another target: it is sent SetTarget, and a job with it if the change is large. From now on the host
    /// decides the target of the channel, whatever work comes in; it is made no easier than the client accepts.
    ///
    /// # Errors
    /// `UnknownConnection` or `UnknownChannel`.
    pub fn set_target(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        target: Target,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let channel = self.channel_mut(connection, channel_id)?;
        channel.vardiff = None;
        let before = channel.inner.target();
        self.retarget(connection, channel_id, before, Some(target));
        Ok(())
    }

    /// Gives a channel another extranonce_prefix, for the jobs from the next one on.
    ///
    /// # Errors
    /// `UnknownConnection`, `UnknownChannel`, or `Extranonce` if there is no other.
    pub fn renew_extranonce_prefix(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let channel = self.channel_mut(connection, channel_id)?;
        let (work, before) = (channel.work, channel.prefix);
        let Some(prefix) = self.allocate(work)? else { return Ok(()) };
        if let Some(before) = before {
            self.release_later(work, before);
        }
        self.change_prefix(connection, channel_id, prefix);
        Ok(())
    }

    /// Closes a channel, and says so to the client with this reason_code.
    ///
    /// # Errors
    /// `UnknownConnection`, `UnknownChannel`, or `NotEncodable` if the reason has more than 255 bytes.
    pub fn close_channel(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        reason_code: &str,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        self.channel_mut(connection, channel_id)?;
        if reason_code.len() > usize::from(u8::MAX) {
            return Err(ServerError::NotEncodable);
        }
        self.acknowledge(connection, channel_id);
        self.send(connection, &CloseChannel { channel_id, reason_code: Str::from(reason_code) });
        self.remove_channel(connection, channel_id, ClosedBy::Host);
        self.idle_without_channels(connection, now);
        Ok(())
    }

    pub(super) fn channel_mut(&mut self, id: ConnectionId, channel_id: u32) -> Result<&mut Channel, ServerError> {
        let client = self.clients.get_mut(&id).ok_or(ServerError::UnknownConnection)?;
        client.channels.get_mut(&channel_id).map(|channel| &mut **channel).ok_or(ServerError::UnknownChannel)
    }

    // -------------------------------------------------------------------------------------------------------- targets

    /// The target of a miner with so many hashes per second, or of the slowest that there is.
    pub(super) fn target_for(&self, hashes_per_second: f64) -> Target {
        let rate = hashes_per_second.max(self.options.min_hash_rate);
        hashrate::target_for(rate, self.options.shares_per_minute).unwrap_or(Target::MAX)
    }

    /// A channel's target may be another one, and is to be made `target` if it is given: the client and the host are told, and
    /// if much has changed the miner gets a job with it.
    pub(super) fn retarget(&mut self, id: ConnectionId, channel_id: u32, before: Target, target: Option<Target>) {
        let Ok(work_id) = self.channel_mut(id, channel_id).map(|channel| channel.work) else { return };
        let hardest = self.works.get(&work_id).map(|work| work.hardest_target).unwrap_or_default();
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        if let Some(target) = target {
            channel.inner.set_target(target.max(hardest));
        }
        let target = channel.inner.target();
        let (nominal_hash_rate, max_target) = (channel.inner.nominal_hash_rate(), channel.inner.max_target());
        let is_large = channel.inner.active_target().is_some_and(|active| {
            let change = active.difficulty() / target.difficulty();
            !(1.0 / LARGE_CHANGE..=LARGE_CHANGE).contains(&change)
        });
        if target != before {
            self.events.push(Event::ChannelUpdated {
                connection: id,
                channel_id,
                nominal_hash_rate,
                max_target,
                target,
            });
            self.send(id, &SetTarget { channel_id, maximum_target: U256(target.0) });
            if is_large {
                self.renew_job(id, channel_id);
            }
        }
    }

    /// A channel's time has come, or may have.
    pub(super) fn attend(&mut self, id: ConnectionId, channel_id: u32, now: Time) {
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        channel.listed_deadline = None;
        if let Some(batch) = channel.inner.accounting_mut().due(now) {
            self.send(id, &batch.message(channel_id));
        }
        self.follow_work(id, channel_id, now);
        self.list_channel(id, channel_id);
    }

    /// Asks the vardiff, and does what it says.
    pub(super) fn follow_work(&mut self, id: ConnectionId, channel_id: u32, now: Time) {
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        let before = channel.inner.target();
        let active = channel.inner.active_target().unwrap_or(before);
        let Some(vardiff) = &mut channel.vardiff else { return };
        channel.ask_vardiff_at = now.monotonic_ms.saturating_add(VARDIFF_INTERVAL_MS);
        if let Some(rate) = vardiff.decide(active.work(), now) {
            let target = self.target_for(rate);
            self.retarget(id, channel_id, before, Some(target));
        }
    }

    /// Keeps the list of deadlines no later than the channel's.
    pub(super) fn list_channel(&mut self, id: ConnectionId, channel_id: u32) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(channel) = client.channels.get_mut(&channel_id) else { return };
        let deadline = channel.deadline();
        // What is listed too early costs a look; moving it with each share would cost more.
        if channel.listed_deadline.is_none_or(|listed| deadline.is_some_and(|deadline| deadline < listed)) {
            self.channel_deadlines.list((id, channel_id), &mut channel.listed_deadline, deadline);
        }
    }

    /// Acknowledges the shares that wait for it.
    pub(super) fn acknowledge(&mut self, id: ConnectionId, channel_id: u32) {
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        if let Some(batch) = channel.inner.accounting_mut().flush() {
            self.send(id, &batch.message(channel_id));
        }
    }

    // ----------------------------------------------------------------------------------------------------- extranonces

    /// A channel's jobs have another prefix from the next one on (spec 5.3.10).
    pub(super) fn change_prefix(&mut self, id: ConnectionId, channel_id: u32, prefix: ExtranoncePrefix) {
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        channel.prefix = Some(prefix);
        let bytes = prefix_bytes(&prefix, channel.inner.kind());
        self.set_prefix(id, channel_id, bytes);
    }

    pub(super) fn set_prefix(&mut self, id: ConnectionId, channel_id: u32, prefix: Extranonce) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(channel) = client.channels.get_mut(&channel_id) else { return };
        channel.inner.set_extranonce_prefix(prefix);
        // What holds for one of a group holds for all: they mine the same.
        let (group, len) = (channel.group, channel.inner.full_extranonce_len());
        let place = client.groups.binary_search_by_key(&group, |group| group.channels.group_channel_id());
        if let Some(group) = place.ok().and_then(|place| client.groups.get_mut(place)) {
            group.channels.set_full_extranonce_len(len);
        }
        self.send(id, &SetExtranoncePrefix { channel_id, extranonce_prefix: &prefix });
    }

    // --------------------------------------------------------------------------------------------------------- the end

    /// Forgets a channel, if there is one with this number.
    pub(super) fn remove_channel(&mut self, id: ConnectionId, channel_id: u32, by: ClosedBy) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(mut channel) = client.channels.remove(&channel_id) else { return };
        let place = client.groups.binary_search_by_key(&channel.group, |group| group.channels.group_channel_id());
        if let Some(group) = place.ok().and_then(|place| client.groups.get_mut(place)) {
            group.channels.remove(channel_id);
            if group.channels.members().is_empty() {
                client.groups.retain(|group| group.channels.group_channel_id() != channel.group);
                self.leave_work(channel.work, id, channel.group);
            }
        }
        self.channel_deadlines.list((id, channel_id), &mut channel.listed_deadline, None);
        self.channels = self.channels.saturating_sub(1);
        match channel.prefix {
            Some(prefix) => self.release(channel.work, prefix, channel.inner.is_paid_on_tip()),
            None => self.release_exclusive(channel.work),
        }
        self.events.push(Event::ChannelClosed(Box::new(ChannelClosed {
            connection: id,
            channel_id,
            user_identity: channel.inner.user_identity().to_vec(),
            work: channel.work,
            totals: channel.inner.accounting().totals(),
            by,
        })));
    }

    fn leave_work(&mut self, work: WorkId, id: ConnectionId, group: u32) {
        let Some(work) = self.works.get_mut(&work) else { return };
        work.members.remove(&(id, group));
        if work.members.is_empty() && matches!(work.feed, Feed::Templates { .. }) {
            work.rest();
        }
    }

    /// A client whose last channel was closed has some time to open another.
    pub(super) fn idle_without_channels(&mut self, id: ConnectionId, now: Time) {
        let Some(client) = self.clients.get(&id) else { return };
        if client.phase == Phase::Mining && client.channels.is_empty() {
            let deadline = now.monotonic_ms.saturating_add(self.options.channel_timeout_ms);
            self.set_phase(id, Phase::Idle { deadline });
        }
    }
}

/// The extranonce_prefix of a channel.
pub(super) fn prefix_bytes(prefix: &ExtranoncePrefix, kind: ChannelKind) -> Extranonce {
    Extranonce::from(match kind {
        ChannelKind::Standard => prefix.standard(),
        ChannelKind::Extended => prefix.extended(),
    })
}
