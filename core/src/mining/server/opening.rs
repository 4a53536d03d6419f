//! The host's answer to a client that wants a channel.

use alloc::boxed::Box;

use super::channels::{VARDIFF_INTERVAL_MS, prefix_bytes};
use super::client::{Channel, Client, Group, Pending, Phase};
use super::distribution::send_job_to;
use super::events::{ChannelOpened, Event, OpenChannel};
use super::work::{Feed, Upstream, Work};
use super::{ConnectionId, Server, ServerError, WorkId};
use crate::Time;
use crate::bitcoin::Target;
use crate::connection::SendError;
use crate::message::{
    FLAG_REQUIRES_WORK_SELECTION, OpenExtendedMiningChannelSuccess, OpenMiningChannelError,
    OpenStandardMiningChannelSuccess, SetNewPrevHash, error_code,
};
use crate::mining::channel::{ChannelKind, Extranonce, GroupChannel, ServerChannel};
use crate::mining::extranonce::{ExtranonceAllocator, ExtranonceError, ExtranoncePrefix};
use crate::mining::share::Tip;
use crate::mining::vardiff::Vardiff;
use crate::wire::{Str, U256};

impl Server {
    /// Opens the channel that an [`Event::OpenChannel`] asked for, to mine `work`. The client is told, and sent the job to work
    /// on, or will be with the first one; [`Event::ChannelOpened`] says what it has got. Gives the channel_id.
    ///
    /// `target`: the channel keeps it until [`Server::set_target`]. `None`: it has the target of the hash rate that it says to
    /// have, and then of what it has. In either case none easier than it accepts.
    ///
    /// # Errors
    /// `UnknownConnection`; `UnknownRequest`; `UnknownWork`, and the request still waits. `Extranonce` if none is left, and
    /// `ExtranonceSize` if the client needs more bytes: it was refused for that.
    pub fn accept_channel(
        &mut self,
        connection: ConnectionId,
        request_id: u32,
        work: WorkId,
        target: Option<Target>,
        now: Time,
    ) -> Result<u32, ServerError> {
        self.now_ms = now.monotonic_ms;
        let rollable_len = self.rollable_len(work)?;
        let open = self.take_open(connection, request_id)?;
        if usize::from(open.min_extranonce_size) > rollable_len {
            self.refuse(connection, request_id, error_code::MIN_EXTRANONCE_SIZE_TOO_LARGE);
            return Err(ServerError::ExtranonceSize);
        }
        let prefix = match self.allocate(work) {
            Ok(prefix) => prefix,
            Err(error) => {
                self.refuse(connection, request_id, error_code::CHANNEL_CAPACITY_EXHAUSTED);
                return Err(error);
            }
        };
        self.prepare_work(work);
        self.open(&open, work, prefix, target, now)
    }

    /// Refuses the channel that an [`Event::OpenChannel`] asked for, with an error code such as "unknown-user" (spec 5.3.6).
    ///
    /// # Errors
    /// `UnknownConnection`, `UnknownRequest`, or `NotEncodable` if the code has more than 255 bytes.
    pub fn refuse_channel(
        &mut self,
        connection: ConnectionId,
        request_id: u32,
        error_code: &str,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        if error_code.len() > usize::from(u8::MAX) {
            return Err(ServerError::NotEncodable);
        }
        self.take_open(connection, request_id)?;
        self.refuse(connection, request_id, error_code);
        Ok(())
    }

    fn refuse(&mut self, connection: ConnectionId, request_id: u32, error_code: &str) {
        self.send(connection, &OpenMiningChannelError { request_id, error_code: Str::from(error_code) });
    }

    fn take_open(&mut self, connection: ConnectionId, request_id: u32) -> Result<Box<OpenChannel>, ServerError> {
        let client = self.clients.get_mut(&connection).ok_or(ServerError::UnknownConnection)?;
        let is_it = |pending: &Pending| matches!(pending, Pending::Open(open) if open.request_id == request_id);
        let place = client.pending.iter().position(is_it).ok_or(ServerError::UnknownRequest)?;
        match client.pending.remove(place) {
            Some(Pending::Open(open)) => Ok(open),
            _ => Err(ServerError::UnknownRequest),
        }
    }

    /// Everything is there that a channel needs.
    fn open(
        &mut self,
        open: &OpenChannel,
        work_id: WorkId,
        prefix: Option<ExtranoncePrefix>,
        target: Option<Target>,
        now: Time,
    ) -> Result<u32, ServerError> {
        let id = open.connection;
        let first_target = target.unwrap_or_else(|| self.target_for(open.nominal_hash_rate.into()));
        let (channel_options, vardiff_options) = (self.channel_options(), self.vardiff_options());
        let follows_work = self.options.vardiff && target.is_none();
        let work = self.works.get_mut(&work_id).ok_or(ServerError::UnknownWork)?;
        let (bytes, extranonce_size) = work.extranonce(prefix, open.kind);
        let first_target = first_target.max(work.hardest_target);
        let client = self.clients.get_mut(&id).ok_or(ServerError::UnknownConnection)?;
        let full_extranonce_len = bytes.len() + extranonce_size;
        let group = client.group_of(work_id, full_extranonce_len).ok_or(ServerError::UnknownConnection)?;
        let channel_id = client.next_id().ok_or(ServerError::UnknownConnection)?;
        let inner = ServerChannel::new(
            channel_id,
            open.kind,
            bytes,
            extranonce_size,
            first_target,
            open.max_target,
            channel_options,
        )
        .of_user(&open.user_identity, open.nominal_hash_rate);
        let target = inner.target();
        let mut channel = Box::new(Channel {
            inner,
            work: work_id,
            group,
            prefix,
            vardiff: follows_work.then(|| Vardiff::new(vardiff_options, open.nominal_hash_rate.into(), now)),
            claim: open.nominal_hash_rate.into(),
            next_claim_at: 0,
            ask_vardiff_at: now.monotonic_ms.saturating_add(VARDIFF_INTERVAL_MS),
            listed_deadline: None,
        });
        let sent = client.send_success(open, &channel, group).and_then(|()| client.send_first_jobs(&mut channel, work));
        client.channels.insert(channel_id, channel);
        client.join_group(group, channel_id, full_extranonce_len);
        work.members.insert((id, group));
        self.channels += 1;
        if client.phase != Phase::Mining && !client.is_closing() {
            self.set_phase(id, Phase::Mining);
        }
        self.events.push(Event::ChannelOpened(Box::new(ChannelOpened {
            connection: id,
            request_id: open.request_id,
            channel_id,
            group_channel_id: group,
            kind: open.kind,
            user_identity: open.user_identity.clone(),
            work: work_id,
            target,
            extranonce_prefix: bytes,
            extranonce_size,
        })));
        self.after_send(id, sent);
        self.list_channel(id, channel_id);
        Ok(channel_id)
    }

    // ----------------------------------------------------------------------------------------------------- extranonces

    /// How many bytes an extended channel of a work rolls.
    fn rollable_len(&self, work: WorkId) -> Result<usize, ServerError> {
        Ok(match &self.works.get(&work).ok_or(ServerError::UnknownWork)?.feed {
            Feed::Templates { .. } => self.extranonces.rollable_len(),
            Feed::Upstream(Upstream::Shared { allocator, .. }) => allocator.rollable_len(),
            Feed::Upstream(Upstream::Exclusive { rollable_len, .. }) => *rollable_len,
        })
    }

    /// An extranonce prefix; none of several if the channel has all that the work has.
    pub(super) fn allocate(&mut self, work: WorkId) -> Result<Option<ExtranoncePrefix>, ServerError> {
        let prefix = match &mut self.works.get_mut(&work).ok_or(ServerError::UnknownWork)?.feed {
            Feed::Templates { .. } => self.extranonces.allocate().map(Some),
            Feed::Upstream(Upstream::Shared { allocator, .. }) => allocator.allocate().map(Some),
            Feed::Upstream(Upstream::Exclusive { in_use, .. }) => {
                if core::mem::replace(in_use, true) {
                    Err(ExtranonceError::Exhausted)
                } else {
                    Ok(None)
                }
            }
        };
        prefix.map_err(ServerError::Extranonce)
    }

    /// Nobody has a prefix any more. If it was paid for, it rests until no job is left that it was used for.
    pub(super) fn release(&mut self, work: WorkId, prefix: ExtranoncePrefix, is_paid_on_tip: bool) {
        if let Some((allocator, epoch)) = self.allocator_of(work) {
            // It was in use.
            let _ = if is_paid_on_tip { allocator.release(prefix, epoch) } else { allocator.release_unused(prefix) };
        }
    }

    /// A channel goes on without this prefix, but may have been sent jobs with it that wait for the next tip: it rests until
    /// these are over as well.
    pub(super) fn release_later(&mut self, work: WorkId, prefix: ExtranoncePrefix) {
        if let Some((allocator, epoch)) = self.allocator_of(work) {
            let _ = allocator.release(prefix, epoch + 1);
        }
    }

    /// Where the prefixes of a work come from, and the present epoch of its jobs; `None` if it has but one.
    fn allocator_of(&mut self, work: WorkId) -> Option<(&mut ExtranonceAllocator, u64)> {
        match self.works.get_mut(&work).map(|work| &mut work.feed) {
            Some(Feed::Upstream(Upstream::Shared { allocator, epoch })) => Some((allocator, *epoch)),
            Some(Feed::Upstream(Upstream::Exclusive { .. })) => None,
            _ => Some((&mut self.extranonces, self.epoch)),
        }
    }

    pub(super) fn release_exclusive(&mut self, work: WorkId) {
        if let Some(Feed::Upstream(Upstream::Exclusive { in_use, .. })) =
            self.works.get_mut(&work).map(|work| &mut work.feed)
        {
            *in_use = false;
        }
    }
}

impl Work {
    /// The extranonce_prefix of a channel, and how many bytes it rolls.
    pub(super) fn extranonce(&self, prefix: Option<ExtranoncePrefix>, kind: ChannelKind) -> (Extranonce, usize) {
        match (prefix, &self.feed, kind) {
            (Some(prefix), _, ChannelKind::Extended) => (prefix_bytes(&prefix, kind), prefix.rollable_len()),
            (Some(prefix), _, ChannelKind::Standard) => (prefix_bytes(&prefix, kind), 0),
            (None, Feed::Upstream(Upstream::Exclusive { prefix, rollable_len, .. }), ChannelKind::Extended) => {
                (*prefix, *rollable_len)
            }
            (None, Feed::Upstream(Upstream::Exclusive { prefix, rollable_len, .. }), ChannelKind::Standard) => {
                // As all others, with what nobody rolls at zero.
                let mut whole = *prefix;
                (0..*rollable_len).for_each(|_| whole.push(0));
                (whole, 0)
            }
            (None, _, _) => (Extranonce::default(), 0),
        }
    }
}

impl Client {
    /// The number of the group of channels that mine a work; there is one from now on.
    fn group_of(&mut self, work: WorkId, full_extranonce_len: usize) -> Option<u32> {
        if let Some(group) = self.groups.iter().find(|group| group.work == work) {
            return Some(group.channels.group_channel_id());
        }
        let group_id = self.next_id()?;
        self.groups.push(Group { work, channels: GroupChannel::new(group_id, full_extranonce_len) });
        Some(group_id)
    }

    fn join_group(&mut self, group_id: u32, channel_id: u32, full_extranonce_len: usize) {
        let place = self.groups.binary_search_by_key(&group_id, |group| group.channels.group_channel_id());
        if let Some(group) = place.ok().and_then(|place| self.groups.get_mut(place)) {
            group.channels.add(channel_id, full_extranonce_len);
        }
    }

    fn send_success(&mut self, open: &OpenChannel, channel: &Channel, group_channel_id: u32) -> Result<(), SendError> {
        let (request_id, channel_id) = (open.request_id, channel.inner.channel_id());
        let target = U256(channel.inner.target().0);
        let extranonce_prefix = channel.inner.extranonce_prefix();
        match open.kind {
            ChannelKind::Standard => self.connection.send(&OpenStandardMiningChannelSuccess {
                request_id,
                channel_id,
                target,
                extranonce_prefix,
                group_channel_id,
            }),
            ChannelKind::Extended => self.connection.send(&OpenExtendedMiningChannelSuccess {
                request_id,
                channel_id,
                target,
                // At most 32.
                extranonce_size: channel.inner.extranonce_size() as u16,
                extranonce_prefix,
                group_channel_id,
            }),
        }
    }

    /// The job to work on, as a future job whose tip follows, and then those that wait for the next tip; on the channel's own
    /// number, since its group has them already (spec 5.3.15, 5.3.17).
    fn send_first_jobs(&mut self, channel: &mut Channel, work: &mut Work) -> Result<(), SendError> {
        let tip = work.tip;
        if self.requires(FLAG_REQUIRES_WORK_SELECTION) {
            tip.iter().for_each(|tip| channel.inner.set_tip(tip));
            return Ok(());
        }
        if let (Some(tip), Some(current)) = (tip, &mut work.current) {
            // The job may have come later than the tip, with a later nTime.
            let tip = Tip { min_ntime: tip.min_ntime.max(current.min_ntime), ..tip };
            send_job_to(&mut self.connection, channel, current, true)?;
            channel.inner.activate(current.job_id, &tip);
            self.connection.send(&SetNewPrevHash {
                channel_id: channel.inner.channel_id(),
                job_id: current.job_id,
                prev_hash: U256(tip.prev_hash),
                min_ntime: tip.min_ntime,
                nbits: tip.nbits,
            })?;
        }
        work.futures.iter_mut().try_for_each(|future| send_job_to(&mut self.connection, channel, future, true))
    }
}
