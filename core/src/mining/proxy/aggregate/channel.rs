//! The channel of the upstream that all miners share.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::demand::{Demand, Told};
use super::shares::{Active, Job};
use super::{Aggregate, Member, WORK};
use crate::bitcoin::Target;
use crate::clients::Level;
use crate::frame::Header;
use crate::message::{
    CloseChannel, NewExtendedMiningJob, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    OpenMiningChannelError, Payload, SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash, SetTarget,
    SubmitSharesError, SubmitSharesSuccess, UpdateChannelError,
};
use crate::mining::proxy::Context;
use crate::mining::proxy::events::{Event, UpstreamCloseReason};
use crate::mining::proxy::work::Work;
use crate::mining::server::UpstreamChannel;
use crate::wire::{Str, U256};

/// Pairs the upstream's answer with the request; there is one at a time.
const REQUEST_ID: u32 = 1;

/// What there is of a channel upstream.
#[derive(Debug)]
pub(super) enum Upstream {
    None,
    /// It must be open by then.
    Asked {
        deadline: u64,
        demand: Demand,
    },
    Open(Open),
}

/// The channel.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) channel_id: u32,
    group_id: u32,
    /// The upstream's prefix.
    prefix: Vec<u8>,
    /// The target of the jobs to come.
    target: Target,
    prev_hash: Option<U256>,
    told: Told,
    /// When it is to be closed if no miner comes, in monotonic milliseconds.
    close_at: Option<u64>,
    /// When the upstream is to be told of another demand.
    update_at: Option<u64>,
}

impl Upstream {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Asked { deadline, .. } => Some(*deadline),
            Self::Open(open) => [open.close_at, open.update_at].into_iter().flatten().min(),
        }
    }
}

impl Aggregate {
    /// A miner wants a channel, or the upstream is there: the upstream's channel is opened, or is open and can be shared.
    pub(super) fn open_or_accept(&mut self, cx: &mut Context<'_>) {
        match self.upstream {
            Upstream::Open(_) => self.accept_waiting(cx),
            Upstream::None if cx.upstreams.is_ready() => self.ask(cx),
            _ => {}
        }
    }

    /// Asks the upstream for the channel, if there is a miner.
    fn ask(&mut self, cx: &mut Context<'_>) {
        let first = self.members.values().map(|member| &member.user_identity);
        let Some(first) = first.chain(self.waiting.iter().map(|waiting| &waiting.user_identity)).next() else { return };
        let upstream = cx.options.upstreams.get(cx.upstreams.current());
        let user = upstream.map(|upstream| upstream.user_identity.as_bytes()).filter(|user| !user.is_empty());
        let demand = self.demand(cx.options);
        self.demand_changed = false;
        let needed = self
            .rollable_len
            .map_or(cx.options.min_extranonce_size.into(), |rollable| rollable + cx.options.downstream.index_len);
        let sent = cx.upstreams.send(&OpenExtendedMiningChannel {
            request_id: REQUEST_ID,
            user_identity: Str(user.unwrap_or(first)),
            nominal_hash_rate: demand.nominal_hash_rate,
            max_target: demand.max_target,
            min_extranonce_size: u16::try_from(needed).unwrap_or(u16::MAX),
        });
        if !sent {
            // No answer will come: the deadline leads to the next upstream.
            cx.events.log(Level::Error, format_args!("the upstream cannot be asked for a channel: {demand:?}"));
        }
        let deadline = cx.now.monotonic_ms.saturating_add(cx.options.open_timeout_ms);
        self.upstream = Upstream::Asked { deadline, demand };
    }

    fn accept_waiting(&mut self, cx: &mut Context<'_>) {
        while let Some(waiting) = self.waiting.pop_front() {
            let (connection, request_id) = (waiting.connection, waiting.request_id);
            match self.server.accept_channel(connection, request_id, WORK, None, cx.now) {
                Ok(channel_id) => {
                    let member = Member { user_identity: waiting.user_identity, demand: waiting.demand };
                    self.members.insert(super::Channel { connection, channel_id }, member);
                }
                Err(error) => {
                    self.demand_changed = true;
                    cx.events.log(Level::Debug, format_args!("connection {connection} gets no channel: {error}"));
                }
            }
        }
    }

    /// After every input: what the upstream is to be told, and what it should have said.
    pub(super) fn keep_upstream(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamCloseReason> {
        let now_ms = cx.now.monotonic_ms;
        self.tell_demand(cx);
        let has_miners = !self.members.is_empty() || !self.waiting.is_empty();
        match &mut self.upstream {
            Upstream::Asked { deadline, .. } if *deadline <= now_ms => Err(UpstreamCloseReason::ChannelTimeout),
            Upstream::Open(open) => {
                if has_miners {
                    open.close_at = None;
                } else if *open.close_at.get_or_insert(now_ms.saturating_add(cx.options.linger_ms)) <= now_ms {
                    let reason_code = Str::from("no miners");
                    cx.upstreams.send(&CloseChannel { channel_id: open.channel_id, reason_code });
                    self.forget_upstream(cx);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Tells the upstream of another demand, in good time. This comes after every input: all miners are only looked at once in an
    /// interval, and only if one of them has changed.
    fn tell_demand(&mut self, cx: &mut Context<'_>) {
        let Upstream::Open(open) = &mut self.upstream else { return };
        let now_ms = cx.now.monotonic_ms;
        open.update_at = self.demand_changed.then(|| open.told.next_at(cx.options.update_interval_ms));
        if open.update_at.is_none_or(|at| at > now_ms) {
            return;
        }
        self.demand_changed = false;
        let demand = self.demand(cx.options);
        let Upstream::Open(open) = &mut self.upstream else { return };
        open.update_at = None;
        if open.told.renew(demand, now_ms) {
            cx.upstreams.send(&demand.message(open.channel_id));
        }
    }

    /// There is no channel any more. Miners, if there are any, go on with what they have.
    pub(super) fn forget_upstream(&mut self, cx: &mut Context<'_>) {
        self.upstream = Upstream::None;
        self.jobs.lose_upstream();
        self.hold_until = Some(cx.now.monotonic_ms.saturating_add(cx.options.hold_ms));
    }

    pub(super) fn hear_upstream(
        &mut self,
        header: Header,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), UpstreamCloseReason> {
        let tag = header.tag();
        if tag == OpenExtendedMiningChannelSuccess::SHAPE.tag {
            return self.opened(&OpenExtendedMiningChannelSuccess::decode(payload)?, cx);
        } else if tag == OpenMiningChannelError::SHAPE.tag {
            let OpenMiningChannelError { error_code, .. } = OpenMiningChannelError::decode(payload)?;
            return Err(UpstreamCloseReason::ChannelRefused(error_code.to_string()));
        }
        let Upstream::Open(open) = &mut self.upstream else { return Ok(()) };
        let (channel_id, group_id) = (open.channel_id, open.group_id);
        let is_ours = |id: u32| id == channel_id || id == group_id;
        if tag == NewExtendedMiningJob::SHAPE.tag {
            let message = NewExtendedMiningJob::decode(payload)?;
            if is_ours(message.channel_id) {
                self.new_job(&message, cx);
            }
        } else if tag == SetNewPrevHash::SHAPE.tag {
            let message = SetNewPrevHash::decode(payload)?;
            if is_ours(message.channel_id) {
                self.new_prev_hash(&message, cx);
            }
        } else if tag == SubmitSharesSuccess::SHAPE.tag {
            self.shares_accepted(&SubmitSharesSuccess::decode(payload)?, cx);
        } else if tag == SubmitSharesError::SHAPE.tag {
            self.share_rejected(&SubmitSharesError::decode(payload)?, cx);
        } else if tag == SetTarget::SHAPE.tag {
            let message = SetTarget::decode(payload)?;
            if is_ours(message.channel_id) {
                open.target = Target(message.maximum_target.0);
                let target = open.target;
                self.keep_targets_useful(target, cx);
            }
        } else if tag == SetExtranoncePrefix::SHAPE.tag {
            let message = SetExtranoncePrefix::decode(payload)?;
            if message.channel_id == channel_id {
                open.prefix = message.extranonce_prefix.to_vec();
                let prefix = message.extranonce_prefix;
                let renewed = self.server.set_upstream_prefix(WORK, prefix, cx.now);
                return renewed.map_err(|_| UpstreamCloseReason::UnusableExtranonce);
            }
        } else if tag == SetGroupChannel::SHAPE.tag {
            let message = SetGroupChannel::decode(payload)?;
            if message.channel_ids.iter().any(|id| id == channel_id) {
                open.group_id = message.group_channel_id;
            }
        } else if tag == UpdateChannelError::SHAPE.tag {
            let UpdateChannelError { error_code, .. } = UpdateChannelError::decode(payload)?;
            let text = format_args!("the upstream refuses what it was told of the miners: {error_code}");
            cx.events.log(Level::Warning, text);
        } else if tag == CloseChannel::SHAPE.tag {
            let CloseChannel { channel_id, reason_code } = CloseChannel::decode(payload)?;
            if is_ours(channel_id) {
                return Err(UpstreamCloseReason::ChannelClosed(reason_code.to_string()));
            }
        } else {
            cx.events.log(Level::Debug, format_args!("the upstream's message 0x{tag:02x} is ignored"));
        }
        Ok(())
    }

    fn opened(
        &mut self,
        message: &OpenExtendedMiningChannelSuccess<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), UpstreamCloseReason> {
        let Upstream::Asked { demand, .. } = self.upstream else { return Ok(()) };
        let extranonce_size = usize::from(message.extranonce_size);
        let rollable_len = self.rollable_for(extranonce_size, cx).ok_or(UpstreamCloseReason::UnusableExtranonce)?;
        let channel = UpstreamChannel { extranonce_prefix: message.extranonce_prefix, extranonce_size, rollable_len };
        self.server.set_upstream(WORK, &channel, cx.now).map_err(|error| {
            cx.events.log(Level::Warning, format_args!("what the upstream gives cannot be divided: {error}"));
            UpstreamCloseReason::UnusableExtranonce
        })?;
        self.rollable_len = Some(rollable_len);
        cx.upstreams.note_served();
        cx.upstreams.note_opened();
        let target = Target(message.target.0);
        self.upstream = Upstream::Open(Open {
            channel_id: message.channel_id,
            group_id: message.group_channel_id,
            prefix: message.extranonce_prefix.to_vec(),
            target,
            prev_hash: None,
            told: Told::new(demand, cx.now.monotonic_ms),
            close_at: None,
            update_at: None,
        });
        self.keep_targets_useful(target, cx);
        self.accept_waiting(cx);
        Ok(())
    }

    /// How many bytes miners roll: what they were told before, if there are any, or what is left of the upstream's.
    fn rollable_for(&self, extranonce_size: usize, cx: &Context<'_>) -> Option<usize> {
        if let Some(rollable_len) = self.rollable_len.filter(|_| !self.members.is_empty()) {
            return (rollable_len < extranonce_size).then_some(rollable_len);
        }
        let rollable_len = extranonce_size.checked_sub(cx.options.downstream.index_len)?;
        Some(rollable_len.min(cx.options.downstream.rollable_len)).filter(|len| *len > 0)
    }

    /// No miner's target is harder than the upstream's: nothing that it wants is missed.
    fn keep_targets_useful(&mut self, target: Target, cx: &mut Context<'_>) {
        let _ = self.server.set_hardest_target(WORK, target, cx.now);
    }

    // ------------------------------------------------------------------------------------------------------------- jobs

    fn new_job(&mut self, message: &NewExtendedMiningJob<'_>, cx: &mut Context<'_>) {
        let Upstream::Open(open) = &self.upstream else { return };
        let active = message.min_ntime.and(open.prev_hash);
        let active = active.map(|prev_hash| Active { prev_hash, target: open.target });
        match self.server.new_upstream_job(WORK, message, cx.now) {
            Ok(job) => {
                let prefix = open.prefix.clone();
                let (job_id, work) = (message.job_id, Work::of_extended(message));
                self.jobs.add(Job { job, job_id, work, prefix, active, is_present: true });
                self.resume(cx);
            }
            Err(error) => {
                let text = format_args!("the upstream's job {} is of no use: {error}", message.job_id);
                cx.events.log(Level::Warning, text);
            }
        }
    }

    fn new_prev_hash(&mut self, message: &SetNewPrevHash, cx: &mut Context<'_>) {
        let Upstream::Open(open) = &mut self.upstream else { return };
        open.prev_hash = Some(message.prev_hash);
        self.jobs.activate(message.job_id, Active { prev_hash: message.prev_hash, target: open.target });
        if let Err(error) = self.server.set_upstream_prev_hash(WORK, message, cx.now) {
            cx.events.log(Level::Warning, format_args!("the upstream's tip is of no use: {error}"));
        }
        self.resume(cx);
    }

    // ----------------------------------------------------------------------------------------------------------- shares

    fn shares_accepted(&mut self, message: &SubmitSharesSuccess, cx: &mut Context<'_>) {
        let (count, difficulty) = (message.new_submits_accepted_count, message.new_shares_sum);
        cx.totals.upstream_accepted = cx.totals.upstream_accepted.saturating_add(count.into());
        cx.totals.upstream_difficulty = cx.totals.upstream_difficulty.saturating_add(difficulty);
        let place = self.unanswered.iter().position(|(number, _)| *number == message.last_sequence_number);
        if let Some(place) = place {
            self.unanswered.drain(..=place);
        }
        cx.events.push(Event::UpstreamAccepted { channel: None, count, difficulty });
    }

    fn share_rejected(&mut self, message: &SubmitSharesError<'_>, cx: &mut Context<'_>) {
        cx.totals.upstream_rejected += 1;
        let place = self.unanswered.iter().position(|(number, _)| *number == message.sequence_number);
        let share = place.and_then(|place| self.unanswered.remove(place)).map(|(_, share)| share);
        let error_code = message.error_code.to_string();
        let (channel, sequence_number) =
            share.map_or((None, message.sequence_number), |share| (Some(share.channel), share.sequence_number));
        cx.events.push(Event::UpstreamRejected { channel, sequence_number, error_code });
    }
}
