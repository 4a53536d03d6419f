//! What miners say, on its way to the upstream.

use alloc::vec::Vec;

use super::channels::{Kind, Share};
use super::miner::{Phase, SetupError, judge_setup};
use super::{Opening, Relay, Request, Wish};
use crate::clients::{Level, Rate};
use crate::connection::ConnectionError;
use crate::frame::Header;
use crate::message::{
    CloseChannel, EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, FLAG_REQUIRES_STANDARD_JOBS, OpenExtendedMiningChannel,
    OpenStandardMiningChannel, Payload, RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess,
    SUCCESS_FLAG_REQUIRES_EXTENDED_CHANNELS, SUCCESS_FLAG_REQUIRES_FIXED_VERSION, SetCustomMiningJob,
    SetCustomMiningJobError, SetupConnection, SetupConnectionError, SetupConnectionSuccess, SubmitSharesExtended,
    SubmitSharesStandard, UpdateChannel, UpdateChannelError, error_code, shape, tlv,
};
use crate::mining::proxy::events::{Channel, UpstreamCloseReason};
use crate::mining::proxy::{ConnectionId, Context};
use crate::mining::server::CloseReason;
use crate::mining::{MAX_EXTRANONCE_LEN, PROTOCOL_VERSION};
use crate::wire::{DecodeError, List, Reader, Str};

impl Relay {
    /// Takes in what a miner sent.
    pub(super) fn hear(&mut self, id: ConnectionId, mut bytes: &mut [u8], cx: &mut Context<'_>) {
        let mut payload = core::mem::take(&mut self.payload);
        let options = &cx.options.downstream;
        let rate = Rate::new(options.max_messages_per_second, 1_000, options.message_burst);
        while let Some(miner) = self.miners.get_mut(&id).filter(|miner| !miner.is_closing()) {
            let header = match miner.connection.next_from(&mut bytes, cx.now, &mut *self.random) {
                Ok(Some(frame)) => {
                    payload.clear();
                    payload.extend_from_slice(frame.payload);
                    frame.header
                }
                Ok(None) => break,
                Err(error) => {
                    self.close_after_flush(id, CloseReason::Connection(error), cx);
                    break;
                }
            };
            if !miner.pace.take(rate, cx.now) {
                self.close_after_flush(id, CloseReason::TooManyMessages, cx);
                break;
            }
            if let Err(error) = self.pass_up(id, header, &mut payload, cx) {
                self.close_after_flush(id, CloseReason::Connection(ConnectionError::Malformed(error)), cx);
            }
        }
        self.payload = payload;
    }

    fn pass_up(
        &mut self,
        id: ConnectionId,
        header: Header,
        payload: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        let tag = header.tag();
        let is_set_up = self.miners.get(&id).is_some_and(|miner| miner.is_set_up());
        if tag == SetupConnection::SHAPE.tag {
            let message = SetupConnection::decode(payload)?;
            match is_set_up {
                true => self.close_after_flush(id, CloseReason::SecondSetup, cx),
                false => self.set_up(id, &message, cx),
            }
            return Ok(());
        }
        if !is_set_up {
            if let Some(shape) = shape(tag) {
                self.close_after_flush(id, CloseReason::BeforeSetup(shape.name), cx);
            }
            return Ok(());
        }
        if tag == SubmitSharesExtended::SHAPE.tag {
            self.extended_share(id, payload, cx)?;
        } else if tag == SubmitSharesStandard::SHAPE.tag {
            self.standard_share(id, &SubmitSharesStandard::decode(payload)?, cx);
        } else if tag == OpenStandardMiningChannel::SHAPE.tag {
            let OpenStandardMiningChannel { request_id, user_identity, nominal_hash_rate, max_target } =
                OpenStandardMiningChannel::decode(payload)?;
            let user_identity = user_identity.0.to_vec();
            let opening = Opening { kind: Kind::Standard, user_identity, nominal_hash_rate, max_target };
            self.open(id, request_id, opening, cx);
        } else if tag == OpenExtendedMiningChannel::SHAPE.tag {
            let message = OpenExtendedMiningChannel::decode(payload)?;
            let opening = Opening {
                kind: Kind::Extended { extranonce_size: message.min_extranonce_size },
                user_identity: message.user_identity.0.to_vec(),
                nominal_hash_rate: message.nominal_hash_rate,
                max_target: message.max_target,
            };
            self.open(id, message.request_id, opening, cx);
        } else if tag == UpdateChannel::SHAPE.tag {
            self.update(id, &UpdateChannel::decode(payload)?, cx);
        } else if tag == CloseChannel::SHAPE.tag {
            self.closed_by_miner(id, CloseChannel::decode(payload)?.channel_id, cx);
        } else if tag == SetCustomMiningJob::SHAPE.tag {
            self.custom_job(id, &SetCustomMiningJob::decode(payload)?, cx);
        } else if tag == RequestExtensions::SHAPE.tag {
            self.negotiate(id, &RequestExtensions::decode(payload)?, cx);
        } else if header.channel_msg() && shape(tag).is_none() && tag > 0xff {
            self.pass_extension_up(id, header, payload, cx);
        } else {
            cx.events.log(Level::Debug, format_args!("connection {id}: message 0x{tag:02x} is ignored"));
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------- setting up

    fn set_up(&mut self, id: ConnectionId, message: &SetupConnection<'_>, cx: &mut Context<'_>) {
        let upstream_flags = cx.upstreams.flags();
        match judge_setup(message, cx.options.work_selection, upstream_flags) {
            Ok(()) => {
                if let Some(miner) = self.miners.get_mut(&id) {
                    miner.standard_jobs = message.flags & FLAG_REQUIRES_STANDARD_JOBS != 0;
                }
                let passed_on = SUCCESS_FLAG_REQUIRES_FIXED_VERSION | SUCCESS_FLAG_REQUIRES_EXTENDED_CHANNELS;
                let flags = upstream_flags & passed_on;
                let deadline = cx.now.monotonic_ms.saturating_add(cx.options.downstream.channel_timeout_ms);
                self.set_phase(id, Phase::Idle { deadline });
                self.send(id, &SetupConnectionSuccess { used_version: PROTOCOL_VERSION, flags }, cx);
            }
            Err(SetupError { flags, error_code }) => {
                self.send(id, &SetupConnectionError { flags, error_code: Str::from(error_code) }, cx);
                self.close_after_flush(id, CloseReason::SetupRefused(error_code), cx);
            }
        }
    }

    /// What the proxy itself understands is what a miner can have: it speaks both with it and without it.
    fn negotiate(&mut self, id: ConnectionId, message: &RequestExtensions<'_>, cx: &mut Context<'_>) {
        let request_id = message.request_id;
        let is_known = |extension: &u16| *extension == EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING;
        let mut supported: Vec<u16> = message.requested_extensions.iter().filter(is_known).collect();
        supported.dedup();
        if supported.is_empty() {
            let answer = RequestExtensionsError {
                request_id,
                unsupported_extensions: message.requested_extensions,
                required_extensions: List::default(),
            };
            return self.send(id, &answer, cx);
        }
        let answer = RequestExtensionsSuccess { request_id, supported_extensions: List::Items(&supported) };
        self.send(id, &answer, cx);
        if let Some(miner) = self.miners.get_mut(&id) {
            miner.extensions = supported;
        }
    }

    // --------------------------------------------------------------------------------------------------------- channels

    fn open(&mut self, id: ConnectionId, request_id: u32, opening: Opening, cx: &mut Context<'_>) {
        let Some(miner) = self.miners.get_mut(&id) else { return };
        if miner.channels + miner.requests >= cx.options.downstream.max_channels {
            return self.refuse_channel(id, request_id, error_code::CHANNEL_CAPACITY_EXHAUSTED, cx);
        }
        if miner.standard_jobs && opening.kind != Kind::Standard {
            let error_code = error_code::EXTENDED_CHANNELS_NOT_SUPPORTED_FOR_STANDARD_JOBS;
            return self.refuse_channel(id, request_id, error_code, cx);
        }
        miner.requests += 1;
        self.request(id, Wish::Open { request_id, opening }, cx);
    }

    /// Asks the upstream, or will once there is one.
    pub(super) fn request(&mut self, connection: ConnectionId, wish: Wish, cx: &mut Context<'_>) {
        self.last_request_id = self.last_request_id.wrapping_add(1);
        self.requests.insert(self.last_request_id, Request { connection, wish, asked: false });
        self.ask(self.last_request_id, cx);
    }

    /// Asks the upstream to open a channel, if there is one.
    pub(super) fn ask(&mut self, request_id: u32, cx: &mut Context<'_>) {
        let Some(request) = self.requests.get_mut(&request_id) else { return };
        let opening = match &request.wish {
            Wish::Open { opening, .. } => opening.clone(),
            Wish::Reopen(channel) => match self.channels.get(*channel) {
                Some(passage) => passage.opening(),
                None => return,
            },
            Wish::CustomJob { .. } | Wish::Nothing => return,
        };
        let upstream = cx.options.upstreams.get(cx.upstreams.current());
        let user = upstream.map(|upstream| upstream.user_identity.as_bytes()).filter(|user| !user.is_empty());
        let user_identity = Str(user.unwrap_or(&opening.user_identity));
        let Opening { kind, nominal_hash_rate, max_target, .. } = opening;
        request.asked = match kind {
            Kind::Standard => cx.upstreams.send(&OpenStandardMiningChannel {
                request_id,
                user_identity,
                nominal_hash_rate,
                max_target,
            }),
            Kind::Extended { extranonce_size } => cx.upstreams.send(&OpenExtendedMiningChannel {
                request_id,
                user_identity,
                nominal_hash_rate,
                max_target,
                min_extranonce_size: extranonce_size,
            }),
        };
        if request.asked {
            let deadline = cx.now.monotonic_ms.saturating_add(cx.options.open_timeout_ms);
            self.asked.push_back((deadline, request_id));
        }
    }

    /// An upstream that does not answer in time is of no use: miners wait for it as long as it lives.
    pub(super) fn check_answers(&mut self, cx: &Context<'_>) -> Result<(), UpstreamCloseReason> {
        while let Some((deadline, request_id)) = self.asked.front() {
            if !self.requests.contains_key(request_id) {
                self.asked.pop_front();
            } else if *deadline <= cx.now.monotonic_ms {
                return Err(UpstreamCloseReason::ChannelTimeout);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn update(&mut self, id: ConnectionId, message: &UpdateChannel, cx: &mut Context<'_>) {
        let channel = Channel { connection: id, channel_id: message.channel_id };
        let Some(passage) = self.channels.get_mut(channel) else {
            let error_code = Str::from(error_code::INVALID_CHANNEL_ID);
            return self.send(id, &UpdateChannelError { channel_id: message.channel_id, error_code }, cx);
        };
        // Another upstream is told the same when the channel is opened there.
        passage.nominal_hash_rate = message.nominal_hash_rate;
        passage.max_target = message.maximum_target;
        if let Some(upstream) = passage.upstream {
            cx.upstreams.send(&UpdateChannel { channel_id: upstream.channel_id, ..*message });
        }
    }

    /// A channel, or all of a group (spec 5.3.9). The upstream's group may have channels of other miners.
    fn closed_by_miner(&mut self, id: ConnectionId, channel_id: u32, cx: &mut Context<'_>) {
        let channels = self.channels.of_connection(id);
        let is_meant = |passage: &super::Passage| passage.group_id == channel_id;
        let meant: Vec<Channel> = channels
            .filter(|(channel, passage)| channel.channel_id == channel_id || is_meant(passage))
            .map(|(channel, _)| channel)
            .collect();
        for channel in meant {
            self.end_channel(channel, "closed by the miner", cx);
        }
    }

    fn custom_job(&mut self, id: ConnectionId, message: &SetCustomMiningJob<'_>, cx: &mut Context<'_>) {
        let channel = Channel { connection: id, channel_id: message.channel_id };
        let upstream = self.channels.get(channel).and_then(|passage| passage.upstream);
        let Some(upstream) = upstream.filter(|_| cx.options.work_selection) else {
            let is_known = self.channels.get(channel).is_some();
            let error_code = if is_known && !cx.options.work_selection {
                error_code::JD_NOT_SUPPORTED
            } else {
                error_code::INVALID_CHANNEL_ID
            };
            return self.refuse_custom_job(channel, message.request_id, error_code, cx);
        };
        let waiting = |request: &&Request| matches!(request.wish, Wish::CustomJob { .. }) && request.connection == id;
        if self.requests.values().filter(waiting).count() >= super::MAX_CUSTOM_JOBS {
            return self.refuse_custom_job(channel, message.request_id, error_code::JOB_NOT_YET_VALIDATED, cx);
        }
        self.request(id, Wish::CustomJob { request_id: message.request_id, channel }, cx);
        let request_id = self.last_request_id;
        let sent = cx.upstreams.send(&SetCustomMiningJob { channel_id: upstream.channel_id, request_id, ..*message });
        if let Some(request) = self.requests.get_mut(&request_id) {
            request.asked = sent;
        }
    }

    pub(super) fn refuse_custom_job(
        &mut self,
        channel: Channel,
        request_id: u32,
        error_code: &str,
        cx: &mut Context<'_>,
    ) {
        let error_code = Str::from(error_code);
        let answer = SetCustomMiningJobError { channel_id: channel.channel_id, request_id, error_code };
        self.send(channel.connection, &answer, cx);
    }

    // ----------------------------------------------------------------------------------------------------------- shares

    fn standard_share(&mut self, id: ConnectionId, message: &SubmitSharesStandard, cx: &mut Context<'_>) {
        let SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version } = *message;
        let share = Share { sequence_number, job_id, nonce, ntime, version, extranonce: Vec::new(), worker: None };
        self.share(Channel { connection: id, channel_id }, share, cx);
    }

    fn extended_share(&mut self, id: ConnectionId, payload: &[u8], cx: &mut Context<'_>) -> Result<(), DecodeError> {
        let mut reader = Reader::new(SubmitSharesExtended::SHAPE, payload);
        let message = SubmitSharesExtended::read(&mut reader)?;
        let extensions = self.miners.get(&id).map_or(&[][..], |miner| &miner.extensions);
        let channel = Channel { connection: id, channel_id: message.channel_id };
        let Ok(worker) = tlv::user_identity(reader.rest(), extensions) else {
            self.refuse_share(channel, message.sequence_number, error_code::INVALID_SHARE, cx);
            return Ok(());
        };
        let share = Share {
            sequence_number: message.sequence_number,
            job_id: message.job_id,
            nonce: message.nonce,
            ntime: message.ntime,
            version: message.version,
            extranonce: message.extranonce.to_vec(),
            worker: worker.map(|worker| worker.0.to_vec()),
        };
        self.share(channel, share, cx);
        Ok(())
    }

    /// A share goes up, or waits for an upstream with the same work, or is refused.
    fn share(&mut self, channel: Channel, share: Share, cx: &mut Context<'_>) {
        let number = share.sequence_number;
        let Some(passage) = self.channels.get(channel) else {
            return self.refuse_share(channel, number, error_code::INVALID_CHANNEL_ID, cx);
        };
        if share.extranonce.len() != passage.kind.extranonce_len() {
            return self.refuse_share(channel, number, error_code::BAD_EXTRANONCE_SIZE, cx);
        }
        if let Some(job_id) = self.channels.job_for_upstream(channel, share.job_id) {
            self.submit(channel, &share, job_id, cx);
        } else if passage.knows_former(share.job_id) {
            cx.totals.held += 1;
        } else if self.job_ids.is_former(share.job_id) {
            return self.refuse_share(channel, number, error_code::STALE_SHARE, cx);
        } else {
            return self.refuse_share(channel, number, error_code::INVALID_JOB_ID, cx);
        }
        let too_many = cx.options.max_held_shares;
        let Some(passage) = self.channels.get_mut(channel) else { return };
        passage.unanswered.push_back(share);
        let oldest = if passage.unanswered.len() > too_many { passage.unanswered.pop_front() } else { None };
        // What went up may still be answered; what did not never will be.
        if let Some(oldest) = oldest.filter(|_| passage.upstream.is_none()) {
            self.lose_share(channel, oldest.sequence_number, cx);
        }
    }

    /// Sends a share to the upstream, with its names.
    pub(super) fn submit(&mut self, channel: Channel, share: &Share, job_id: u32, cx: &mut Context<'_>) {
        let Some(passage) = self.channels.get(channel) else { return };
        let Some(upstream) = passage.upstream else { return };
        let Share { sequence_number, nonce, ntime, version, .. } = *share;
        let channel_id = upstream.channel_id;
        cx.totals.submitted += 1;
        let Kind::Extended { .. } = passage.kind else {
            let message = SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version };
            cx.upstreams.send(&message);
            return;
        };
        // The bytes that the upstream leaves free beyond the miner's are zero, as the miner's prefix says.
        let mut extranonce = [0; MAX_EXTRANONCE_LEN];
        let len = passage.padding + share.extranonce.len();
        let Some(place) = extranonce.get_mut(passage.padding..len) else { return };
        place.copy_from_slice(&share.extranonce);
        let extranonce = extranonce.get(..len).unwrap_or_default();
        let message = SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce };
        // Once it is negotiated, each share must say who found it (extension 0x0002, 1.3).
        let worker = cx.upstreams.supports(EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING);
        let worker = worker.then(|| share.worker.as_deref().unwrap_or(&passage.user_identity));
        cx.upstreams.send_share(&message, worker);
    }

    // ------------------------------------------------------------------------------------------------------- extensions

    /// A message of an extension that is not known here, for the endpoint of a channel (spec 3.4.1).
    fn pass_extension_up(&mut self, id: ConnectionId, header: Header, payload: &mut [u8], cx: &mut Context<'_>) {
        let Some(place) = payload.first_chunk_mut::<4>() else { return };
        let channel = Channel { connection: id, channel_id: u32::from_le_bytes(*place) };
        let Some(passage) = self.channels.get_mut(channel) else {
            let text = format_args!("connection {id}: a message of an extension for no channel is ignored");
            return cx.events.log(Level::Debug, text);
        };
        passage.has_extensions = true;
        if let Some(upstream) = passage.upstream {
            *place = upstream.channel_id.to_le_bytes();
            cx.upstreams.send_raw(header, payload);
        }
    }
}
