//! What the upstream says, on its way to miners.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::channels::{Kind, Passage, Upstream};
use super::jobs::Jobs;
use super::miner::Phase;
use super::{Opening, Relay, Wish};
use crate::bitcoin::{Sha256d, root_from_path};
use crate::clients::Level;
use crate::connection::SendError;
use crate::frame::{self, FrameError, HEADER_LEN, Header};
use crate::message::{
    CHANNEL_MSG, ChannelEndpointChanged, CloseChannel, NewExtendedMiningJob, NewMiningJob,
    OpenExtendedMiningChannelSuccess, OpenMiningChannelError, OpenStandardMiningChannelSuccess, Payload,
    SetCustomMiningJobError, SetCustomMiningJobSuccess, SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash,
    SetTarget, SubmitSharesError, SubmitSharesSuccess, UpdateChannelError, shape,
};
use crate::mining::MAX_EXTRANONCE_LEN;
use crate::mining::proxy::events::{Channel, Event, UpstreamCloseReason};
use crate::mining::proxy::work::Work;
use crate::mining::proxy::{ConnectionId, Context};
use crate::wire::{Str, U256};

/// What the upstream says when it has opened a channel.
struct Opened<'a> {
    request_id: u32,
    upstream: Upstream,
    target: U256,
    extranonce_prefix: &'a [u8],
    /// `None` for a standard channel.
    extranonce_size: Option<u16>,
}

impl Relay {
    pub(super) fn pass_down(
        &mut self,
        header: Header,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), UpstreamCloseReason> {
        let tag = header.tag();
        if tag == SubmitSharesSuccess::SHAPE.tag {
            self.shares_accepted(&SubmitSharesSuccess::decode(payload)?, cx);
        } else if tag == SubmitSharesError::SHAPE.tag {
            self.share_rejected(&SubmitSharesError::decode(payload)?, cx);
        } else if tag == NewExtendedMiningJob::SHAPE.tag {
            self.extended_job(&NewExtendedMiningJob::decode(payload)?, cx);
        } else if tag == NewMiningJob::SHAPE.tag {
            self.standard_job(&NewMiningJob::decode(payload)?, cx);
        } else if tag == SetNewPrevHash::SHAPE.tag {
            self.new_prev_hash(&SetNewPrevHash::decode(payload)?, cx);
        } else if tag == SetTarget::SHAPE.tag {
            let SetTarget { channel_id, maximum_target } = SetTarget::decode(payload)?;
            for channel in self.addressed(channel_id) {
                self.send(channel.connection, &SetTarget { channel_id: channel.channel_id, maximum_target }, cx);
            }
        } else if tag == OpenStandardMiningChannelSuccess::SHAPE.tag {
            let message = OpenStandardMiningChannelSuccess::decode(payload)?;
            let opened = Opened {
                request_id: message.request_id,
                upstream: Upstream { channel_id: message.channel_id, group_id: message.group_channel_id },
                target: message.target,
                extranonce_prefix: message.extranonce_prefix,
                extranonce_size: None,
            };
            self.opened(&opened, cx);
        } else if tag == OpenExtendedMiningChannelSuccess::SHAPE.tag {
            let message = OpenExtendedMiningChannelSuccess::decode(payload)?;
            let opened = Opened {
                request_id: message.request_id,
                upstream: Upstream { channel_id: message.channel_id, group_id: message.group_channel_id },
                target: message.target,
                extranonce_prefix: message.extranonce_prefix,
                extranonce_size: Some(message.extranonce_size),
            };
            self.opened(&opened, cx);
        } else if tag == OpenMiningChannelError::SHAPE.tag {
            self.not_opened(&OpenMiningChannelError::decode(payload)?, cx);
        } else if tag == SetExtranoncePrefix::SHAPE.tag {
            self.new_extranonce_prefix(&SetExtranoncePrefix::decode(payload)?, cx);
        } else if tag == CloseChannel::SHAPE.tag {
            let CloseChannel { channel_id, reason_code } = CloseChannel::decode(payload)?;
            for channel in self.addressed(channel_id) {
                if self.forget_channel(channel, cx).is_some() {
                    let message = CloseChannel { channel_id: channel.channel_id, reason_code };
                    self.send(channel.connection, &message, cx);
                }
            }
        } else if tag == UpdateChannelError::SHAPE.tag {
            let UpdateChannelError { channel_id, error_code } = UpdateChannelError::decode(payload)?;
            if let Some(channel) = self.channels.of_upstream(channel_id) {
                let message = UpdateChannelError { channel_id: channel.channel_id, error_code };
                self.send(channel.connection, &message, cx);
            }
        } else if tag == SetGroupChannel::SHAPE.tag {
            let message = SetGroupChannel::decode(payload)?;
            for channel_id in message.channel_ids.iter() {
                if !self.channels.regroup(channel_id, message.group_channel_id) {
                    let text = format_args!("the upstream puts a channel that is none into a group: {channel_id}");
                    cx.events.log(Level::Warning, text);
                }
            }
        } else if tag == SetCustomMiningJobSuccess::SHAPE.tag {
            self.custom_job_accepted(&SetCustomMiningJobSuccess::decode(payload)?, cx);
        } else if tag == SetCustomMiningJobError::SHAPE.tag {
            let SetCustomMiningJobError { request_id, error_code, .. } = SetCustomMiningJobError::decode(payload)?;
            if let Some((channel, request_id)) = self.take_custom_job(request_id) {
                let message = SetCustomMiningJobError { channel_id: channel.channel_id, request_id, error_code };
                self.send(channel.connection, &message, cx);
            }
        } else if tag == ChannelEndpointChanged::SHAPE.tag {
            let ChannelEndpointChanged { channel_id } = ChannelEndpointChanged::decode(payload)?;
            for channel in self.addressed(channel_id) {
                self.send(channel.connection, &ChannelEndpointChanged { channel_id: channel.channel_id }, cx);
            }
        } else if header.channel_msg() && shape(tag).is_none() && tag > 0xff {
            self.pass_extension_down(header, payload, cx);
        } else {
            cx.events.log(Level::Debug, format_args!("the upstream's message 0x{tag:02x} is ignored"));
        }
        Ok(())
    }

    /// The channels that the upstream means with an id: one, or those of a group.
    fn addressed(&self, channel_id: u32) -> Vec<Channel> {
        match (self.channels.of_upstream(channel_id), self.channels.group(channel_id)) {
            (Some(channel), _) => alloc::vec![channel],
            (None, Some(group)) => group.members.iter().copied().collect(),
            (None, None) => Vec::new(),
        }
    }

    // --------------------------------------------------------------------------------------------------------- channels

    fn opened(&mut self, opened: &Opened<'_>, cx: &mut Context<'_>) {
        let request = self.requests.remove(&opened.request_id).filter(|request| request.asked);
        let is_extended = opened.extranonce_size.is_some();
        let close = |relay: &mut Self, reason: &str, cx: &mut Context<'_>| {
            relay.close_upstream_channel(opened.upstream.channel_id, reason, cx);
        };
        let Some(request) = request else {
            let text = format_args!("the upstream opens a channel that nobody asked for");
            cx.events.log(Level::Warning, text);
            return close(self, "not asked for", cx);
        };
        cx.upstreams.note_opened();
        match request.wish {
            Wish::Open { request_id, opening } => {
                if let Some(miner) = self.miners.get_mut(&request.connection) {
                    miner.requests = miner.requests.saturating_sub(1);
                }
                if (opening.kind == Kind::Standard) == is_extended {
                    self.refuse_channel(request.connection, request_id, "channel-kind-changed", cx);
                    return close(self, "not the kind that was asked for", cx);
                }
                self.new_channel(request.connection, request_id, opening, opened, cx);
            }
            Wish::Reopen(channel) => self.reopened(channel, opened.upstream, opened.target, &opened.space(), cx),
            Wish::CustomJob { .. } | Wish::Nothing => close(self, "the miner is gone", cx),
        }
    }

    fn new_channel(
        &mut self,
        id: ConnectionId,
        request_id: u32,
        opening: Opening,
        opened: &Opened<'_>,
        cx: &mut Context<'_>,
    ) {
        let Some(miner) = self.miners.get_mut(&id) else { return };
        let group_id = miner.group_for(opened.upstream.group_id);
        let channel = Channel { connection: id, channel_id: miner.give_id() };
        miner.channels += 1;
        let (kind, extranonce_prefix) = (opened.space().kind(), opened.extranonce_prefix);
        self.channels.insert(
            channel,
            Passage {
                kind,
                user_identity: opening.user_identity.clone(),
                nominal_hash_rate: opening.nominal_hash_rate,
                max_target: opening.max_target,
                group_id,
                extranonce_prefix: extranonce_prefix.to_vec(),
                padding: 0,
                upstream: None,
                jobs: Jobs::default(),
                prev_hash: None,
                unanswered: Default::default(),
                former: None,
                has_extensions: false,
            },
        );
        if !self.channels.join(channel, opened.upstream) {
            cx.events.log(Level::Warning, format_args!("the upstream gives an id to two channels"));
            // Nobody knows of it yet.
            self.channels.remove(channel);
            if let Some(miner) = self.miners.get_mut(&id) {
                miner.channels = miner.channels.saturating_sub(1);
            }
            return self.refuse_channel(id, request_id, "upstream-gives-no-usable-channel", cx);
        }
        self.set_phase(id, Phase::Mining);
        let (channel_id, target) = (channel.channel_id, opened.target);
        let group_channel_id = group_id;
        match opened.extranonce_size {
            None => self.send(
                id,
                &OpenStandardMiningChannelSuccess {
                    request_id,
                    channel_id,
                    target,
                    extranonce_prefix,
                    group_channel_id,
                },
                cx,
            ),
            Some(extranonce_size) => self.send(
                id,
                &OpenExtendedMiningChannelSuccess {
                    request_id,
                    channel_id,
                    target,
                    extranonce_size,
                    extranonce_prefix,
                    group_channel_id,
                },
                cx,
            ),
        }
        cx.events.push(Event::ChannelOpened {
            channel,
            extended: opened.extranonce_size.is_some(),
            user_identity: Str(&opening.user_identity).to_string(),
            nominal_hash_rate: opening.nominal_hash_rate,
        });
    }

    fn not_opened(&mut self, message: &OpenMiningChannelError<'_>, cx: &mut Context<'_>) {
        let request = self.requests.remove(&message.request_id).filter(|request| request.asked);
        match request.map(|request| (request.connection, request.wish)) {
            Some((connection, Wish::Open { request_id, .. })) => {
                if let Some(miner) = self.miners.get_mut(&connection) {
                    miner.requests = miner.requests.saturating_sub(1);
                    self.list_deadline(connection);
                }
                self.send(connection, &OpenMiningChannelError { request_id, ..*message }, cx);
            }
            // Another upstream does not want the channel. The miner may open it anew, and hears why it cannot.
            Some((_, Wish::Reopen(channel))) => self.close_channel(channel, &message.error_code.to_string(), cx),
            Some((_, Wish::CustomJob { .. } | Wish::Nothing)) | None => {}
        }
    }

    /// The upstream has opened a channel that is of no use.
    pub(super) fn close_upstream_channel(&mut self, channel_id: u32, reason_code: &str, cx: &mut Context<'_>) {
        cx.upstreams.send(&CloseChannel { channel_id, reason_code: Str::from(reason_code) });
    }

    fn new_extranonce_prefix(&mut self, message: &SetExtranoncePrefix<'_>, cx: &mut Context<'_>) {
        let Some(channel) = self.channels.of_upstream(message.channel_id) else { return };
        let Some(passage) = self.channels.get_mut(channel) else { return };
        passage.set_extranonce_prefix(message.extranonce_prefix, passage.padding);
        let extranonce_prefix = passage.extranonce_prefix.clone();
        let message = SetExtranoncePrefix { channel_id: channel.channel_id, extranonce_prefix: &extranonce_prefix };
        self.send(channel.connection, &message, cx);
    }

    // ------------------------------------------------------------------------------------------------------------- jobs

    /// A job for an extended channel or for a group. Miners that require standard jobs are sent those (spec 5.3.16).
    fn extended_job(&mut self, message: &NewExtendedMiningJob<'_>, cx: &mut Context<'_>) {
        let work = Work::of_extended(message);
        let job_id = self.job_ids.give();
        if let Some(channel) = self.channels.of_upstream(message.channel_id) {
            if let Some(passage) = self.channels.get_mut(channel) {
                passage.jobs.add(message.job_id, job_id, work);
            }
            return self.send_job(channel, job_id, message, cx);
        }
        let Some(group) = self.channels.group_mut(message.channel_id) else { return };
        group.jobs.add(message.job_id, job_id, work);
        let members: Vec<Channel> = group.members.iter().copied().collect();
        let shared = shared_frame(&NewExtendedMiningJob { job_id, ..*message });
        for channels in members.chunk_by(|a, b| a.connection == b.connection) {
            let Some((connection, group_id)) = self.whole_group(channels) else {
                channels.iter().for_each(|channel| self.send_job(*channel, job_id, message, cx));
                continue;
            };
            let sent = match (&shared, self.miners.get_mut(&connection)) {
                (Ok(frame), Some(miner)) if !miner.is_closing() => {
                    let mut ids = [0; 8];
                    let (first, second) = ids.split_at_mut(4);
                    first.copy_from_slice(&group_id.to_le_bytes());
                    second.copy_from_slice(&job_id.to_le_bytes());
                    miner.connection.send_shared_as(Arc::clone(frame), ids)
                }
                (Err(error), _) => Err(SendError::Frame(*error)),
                _ => continue,
            };
            self.after_send(connection, sent, cx);
        }
    }

    /// The connection and the group's id there, if a message to the group reaches these channels of one connection and no other.
    fn whole_group(&self, channels: &[Channel]) -> Option<(ConnectionId, u32)> {
        let first = channels.first()?;
        let group_id = self.channels.get(*first)?.group_id;
        let is_of_it = |passage: &Passage| passage.group_id == group_id;
        let all = self.channels.of_connection(first.connection).filter(|(_, passage)| is_of_it(passage)).count();
        let miner = self.miners.get(&first.connection).filter(|miner| !miner.standard_jobs)?;
        let are_of_it = channels.iter().all(|channel| self.channels.get(*channel).is_some_and(is_of_it));
        (are_of_it && all == channels.len() && miner.is_set_up()).then_some((first.connection, group_id))
    }

    /// Sends one channel a job, in the form that it can process.
    fn send_job(&mut self, channel: Channel, job_id: u32, message: &NewExtendedMiningJob<'_>, cx: &mut Context<'_>) {
        let Some(passage) = self.channels.get(channel) else { return };
        let Channel { connection, channel_id } = channel;
        if passage.kind != Kind::Standard {
            return self.send(connection, &NewExtendedMiningJob { channel_id, job_id, ..*message }, cx);
        }
        let coinbase = Sha256d::new().with(message.coinbase_tx_prefix);
        let coinbase = coinbase.with(&passage.extranonce_prefix).with(message.coinbase_tx_suffix);
        let merkle_root = root_from_path(&coinbase.finish(), message.merkle_path.iter().map(|hash| hash.0));
        let (min_ntime, version) = (message.min_ntime, message.version);
        let job = NewMiningJob { channel_id, job_id, min_ntime, version, merkle_root: U256(merkle_root) };
        self.send(connection, &job, cx);
    }

    fn standard_job(&mut self, message: &NewMiningJob, cx: &mut Context<'_>) {
        let Some(channel) = self.channels.of_upstream(message.channel_id) else { return };
        let job_id = self.job_ids.give();
        let Some(passage) = self.channels.get_mut(channel) else { return };
        passage.jobs.add(message.job_id, job_id, Work::of_standard(message));
        let job = NewMiningJob { channel_id: channel.channel_id, job_id, ..*message };
        self.send(channel.connection, &job, cx);
    }

    fn new_prev_hash(&mut self, message: &SetNewPrevHash, cx: &mut Context<'_>) {
        let members = self.addressed(message.channel_id);
        let of_group = self.channels.group(message.channel_id);
        let of_group = of_group.and_then(|group| group.jobs.for_miners(message.job_id));
        for channels in members.chunk_by(|a, b| a.connection == b.connection) {
            let whole = of_group.and_then(|job_id| Some((job_id, self.whole_group(channels)?)));
            if let Some((job_id, (connection, channel_id))) = whole {
                self.send(connection, &SetNewPrevHash { channel_id, job_id, ..*message }, cx);
                channels.iter().for_each(|channel| self.activated(*channel, message, cx));
                continue;
            }
            for channel in channels {
                let Some(job_id) = of_group.or_else(|| self.channels.job_for_miners(*channel, message.job_id)) else {
                    let text = format_args!("the upstream's job {} was not sent to all it is for", message.job_id);
                    cx.events.log(Level::Warning, text);
                    continue;
                };
                let Channel { connection, channel_id } = *channel;
                self.send(connection, &SetNewPrevHash { channel_id, job_id, ..*message }, cx);
                self.activated(*channel, message, cx);
            }
        }
    }

    fn custom_job_accepted(&mut self, message: &SetCustomMiningJobSuccess, cx: &mut Context<'_>) {
        let Some((channel, request_id)) = self.take_custom_job(message.request_id) else { return };
        let job_id = self.job_ids.give();
        let Some(passage) = self.channels.get_mut(channel) else { return };
        // What it is was the miner's to say: another upstream does not know it.
        passage.jobs.add(message.job_id, job_id, Work::unknown(job_id));
        let message = SetCustomMiningJobSuccess { channel_id: channel.channel_id, request_id, job_id };
        self.send(channel.connection, &message, cx);
    }

    /// Whose custom job the upstream answers, and what the miner calls the request.
    fn take_custom_job(&mut self, request_id: u32) -> Option<(Channel, u32)> {
        match self.requests.remove(&request_id)?.wish {
            Wish::CustomJob { request_id, channel } => Some((channel, request_id)),
            _ => None,
        }
    }

    // ----------------------------------------------------------------------------------------------------------- shares

    fn shares_accepted(&mut self, message: &SubmitSharesSuccess, cx: &mut Context<'_>) {
        let (count, difficulty) = (message.new_submits_accepted_count, message.new_shares_sum);
        cx.totals.upstream_accepted = cx.totals.upstream_accepted.saturating_add(count.into());
        cx.totals.upstream_difficulty = cx.totals.upstream_difficulty.saturating_add(difficulty);
        let channel = self.channels.of_upstream(message.channel_id);
        if let Some(channel) = channel {
            if let Some(passage) = self.channels.get_mut(channel) {
                passage.note_accepted(message.last_sequence_number);
            }
            let message = SubmitSharesSuccess { channel_id: channel.channel_id, ..*message };
            self.send(channel.connection, &message, cx);
        }
        cx.events.push(Event::UpstreamAccepted { channel, count, difficulty });
    }

    fn share_rejected(&mut self, message: &SubmitSharesError<'_>, cx: &mut Context<'_>) {
        cx.totals.upstream_rejected += 1;
        let sequence_number = message.sequence_number;
        let channel = self.channels.of_upstream(message.channel_id);
        if let Some(channel) = channel {
            if let Some(passage) = self.channels.get_mut(channel) {
                passage.note_rejected(sequence_number);
            }
            self.send(channel.connection, &SubmitSharesError { channel_id: channel.channel_id, ..*message }, cx);
        }
        let error_code = message.error_code.to_string();
        cx.events.push(Event::UpstreamRejected { channel, sequence_number, error_code });
    }

    // ------------------------------------------------------------------------------------------------------- extensions

    /// A message of an extension that is not known here, for the endpoint of a channel (spec 3.4.1).
    fn pass_extension_down(&mut self, header: Header, payload: &[u8], cx: &mut Context<'_>) {
        let Some((channel_id, rest)) = payload.split_first_chunk::<4>() else { return };
        for channel in self.addressed(u32::from_le_bytes(*channel_id)) {
            if let Some(passage) = self.channels.get_mut(channel) {
                passage.has_extensions = true;
            }
            let Some(miner) = self.miners.get_mut(&channel.connection).filter(|miner| !miner.is_closing()) else {
                continue;
            };
            let header = Header { extension_type: header.extension_type | CHANNEL_MSG, ..header };
            let sent = miner.connection.send_with(header, |place| {
                let Some((id, to)) = place.split_first_chunk_mut::<4>() else { return false };
                *id = channel.channel_id.to_le_bytes();
                to.copy_from_slice(rest);
                true
            });
            self.after_send(channel.connection, sent, cx);
        }
    }
}

/// The extranonces of a channel, as the upstream gives them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space<'a> {
    pub(super) prefix: &'a [u8],
    /// `None` for a standard channel.
    pub(super) size: Option<u16>,
}

impl Space<'_> {
    fn kind(&self) -> Kind {
        match self.size {
            Some(extranonce_size) => Kind::Extended { extranonce_size },
            None => Kind::Standard,
        }
    }

    /// How many bytes are to stand between the prefix and a miner's part that was given by another upstream; `None` if the
    /// miner's does not fit.
    pub(super) fn padding_for(&self, kind: Kind) -> Option<usize> {
        match (kind, self.size) {
            (Kind::Standard, None) => Some(0),
            (Kind::Extended { extranonce_size }, Some(size)) => {
                let padding = usize::from(size.checked_sub(extranonce_size)?);
                (self.prefix.len() + padding <= MAX_EXTRANONCE_LEN).then_some(padding)
            }
            _ => None,
        }
    }
}

impl<'a> Opened<'a> {
    fn space(&self) -> Space<'a> {
        Space { prefix: self.extranonce_prefix, size: self.extranonce_size }
    }
}

/// A whole frame, to be sent to many.
fn shared_frame<'m>(message: &impl Payload<'m>) -> Result<Arc<[u8]>, FrameError> {
    let payload_len = message.encoded_len().map_err(FrameError::Encode)?;
    let mut bytes = alloc::vec![0; HEADER_LEN + payload_len];
    frame::encode(message, &mut bytes)?;
    Ok(bytes.into())
}
