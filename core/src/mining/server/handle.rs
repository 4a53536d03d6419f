//! What the engine does about each request of a client.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::client::{Pending, Phase};
use super::events::{ClientInfo, CloseReason, ClosedBy, Event, OpenChannel};
use super::requests::{Opening, Request};
use super::{ConnectionId, Server};
use crate::Time;
use crate::bitcoin::Target;
use crate::clients::Level;
use crate::message::{
    EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, FLAG_REQUIRES_STANDARD_JOBS, FLAG_REQUIRES_VERSION_ROLLING,
    FLAG_REQUIRES_WORK_SELECTION, OpenMiningChannelError, RequestExtensionsError, RequestExtensionsSuccess,
    SUCCESS_FLAG_REQUIRES_FIXED_VERSION, SetupConnectionError, SetupConnectionSuccess, UpdateChannelError, error_code,
    shape,
};
use crate::mining::PROTOCOL_VERSION;
use crate::mining::channel::ChannelKind;
use crate::mining::vardiff::Vardiff;
use crate::wire::{List, Str};

impl Server {
    pub(super) fn handle(&mut self, id: ConnectionId, request: Request, now: Time) {
        match request {
            Request::Submit(submit) => self.submit(id, &submit, now),
            Request::SetupConnection { checked, info } => self.set_up(id, checked, info, now),
            Request::Open(opening) => self.request_channel(id, *opening),
            Request::Update { channel_id, nominal_hash_rate, max_target } => {
                self.update_channel(id, channel_id, nominal_hash_rate, max_target, now);
            }
            Request::OpenWithoutRate { request_id } => {
                let error_code = Str::from(error_code::INVALID_NOMINAL_HASHRATE);
                self.send(id, &OpenMiningChannelError { request_id, error_code });
            }
            Request::UpdateWithoutRate { channel_id } => {
                let is_there = self.channel(id, channel_id).is_some();
                let error_code =
                    if is_there { error_code::INVALID_NOMINAL_HASHRATE } else { error_code::INVALID_CHANNEL_ID };
                self.send(id, &UpdateChannelError { channel_id, error_code: Str::from(error_code) });
            }
            Request::Close { channel_id, reason_code } => self.close_for_client(id, channel_id, &reason_code, now),
            Request::CustomJob { channel_id, request_id, payload } => {
                self.request_custom_job(id, channel_id, request_id, payload, now);
            }
            Request::Extensions { request_id, requested } => self.answer_extensions(id, request_id, &requested),
            Request::Extension { extension_type, message_type, payload } if self.options.forward_extensions => {
                self.events.push(Event::ExtensionMessage { connection: id, extension_type, message_type, payload });
            }
            Request::Extension { extension_type, message_type, payload } => {
                let len = payload.len();
                let text = format_args!(
                    "client {id}: message 0x{message_type:02x} of extension 0x{extension_type:04x}, {len} bytes, is ignored"
                );
                self.events.log(Level::Debug, text);
            }
            Request::Unknown { tag, len } => {
                let name = shape(tag).map_or("unknown", |shape| shape.name);
                let text = format_args!("client {id}: message 0x{tag:02x} ({name}) of {len} bytes is ignored");
                self.events.log(Level::Debug, text);
            }
        }
    }

    /// Of what a client sends that is to be closed, only shares count. They are acknowledged while it is there.
    pub(super) fn handle_last(&mut self, id: ConnectionId, request: Request, now: Time) {
        if let Request::Submit(submit) = request {
            self.submit(id, &submit, now);
            self.acknowledge(id, submit.channel_id);
        }
    }

    // ---------------------------------------------------------------------------------------------------------- setup

    fn set_up(&mut self, id: ConnectionId, checked: Result<(), &'static str>, mut info: Box<ClientInfo>, now: Time) {
        let fixed_version = self.options.version_mask == 0;
        let mut supported = FLAG_REQUIRES_STANDARD_JOBS;
        if self.options.work_selection {
            supported |= FLAG_REQUIRES_WORK_SELECTION;
        }
        if !fixed_version {
            supported |= FLAG_REQUIRES_VERSION_ROLLING;
        }
        let unsupported = info.flags & !supported;
        let refusal = match checked {
            Err(error_code) => Some((0, error_code)),
            Ok(()) if unsupported != 0 => Some((unsupported, error_code::UNSUPPORTED_FEATURE_FLAGS)),
            Ok(()) => None,
        };
        if let Some((flags, error_code)) = refusal {
            self.send(id, &SetupConnectionError { flags, error_code: Str::from(error_code) });
            return self.close_after_flush(id, CloseReason::SetupRefused(error_code));
        }
        let deadline = now.monotonic_ms.saturating_add(self.options.channel_timeout_ms);
        self.set_phase(id, Phase::Idle { deadline });
        if let Some(client) = self.clients.get_mut(&id) {
            client.flags = info.flags;
        }
        let flags = if fixed_version { SUCCESS_FLAG_REQUIRES_FIXED_VERSION } else { 0 };
        self.send(id, &SetupConnectionSuccess { used_version: PROTOCOL_VERSION, flags });
        info.connection = id;
        self.events.push(Event::Connected(info));
    }

    /// Says which extensions are supported; an error says that none is (extension 0x0001).
    fn answer_extensions(&mut self, id: ConnectionId, request_id: u16, requested: &[u16]) {
        let is_supported =
            |kind: &u16| *kind == EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING && self.options.worker_identity;
        let (supported, unsupported): (Vec<u16>, Vec<u16>) = requested.iter().partition(|kind| is_supported(kind));
        if supported.is_empty() && !unsupported.is_empty() {
            let unsupported_extensions = List::Items(&unsupported);
            let required_extensions = List::Items(&[]);
            return self.send(id, &RequestExtensionsError { request_id, unsupported_extensions, required_extensions });
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.names_workers |= !supported.is_empty();
        }
        self.send(id, &RequestExtensionsSuccess { request_id, supported_extensions: List::Items(&supported) });
    }

    // ------------------------------------------------------------------------------------------------------- channels

    /// Asks the host for a channel, if there is nothing that speaks against it (spec 5.3.2, 5.3.4).
    fn request_channel(&mut self, id: ConnectionId, opening: Opening) {
        let Opening { kind, request_id, nominal_hash_rate, max_target, min_extranonce_size, .. } = opening;
        if let Err(error_code) = self.check_opening(id, &opening) {
            return self.send(id, &OpenMiningChannelError { request_id, error_code: Str::from(error_code) });
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.pending.len() >= self.options.max_pending_requests {
            return self.close_after_flush(id, CloseReason::TooManyRequests);
        }
        let open = Box::new(OpenChannel {
            connection: id,
            request_id,
            kind,
            user_identity: opening.user_identity,
            nominal_hash_rate,
            max_target,
            min_extranonce_size,
        });
        client.pending.push_back(Pending::Open(open.clone()));
        self.events.push(Event::OpenChannel(open));
    }

    fn check_opening(&self, id: ConnectionId, opening: &Opening) -> Result<(), &'static str> {
        let Some(client) = self.clients.get(&id) else { return Err(error_code::CHANNEL_CAPACITY_EXHAUSTED) };
        let awaited = client.pending.iter().filter(|pending| matches!(pending, Pending::Open(_))).count();
        match opening.kind {
            ChannelKind::Standard if client.requires(FLAG_REQUIRES_WORK_SELECTION) => {
                Err(error_code::STANDARD_CHANNELS_NOT_SUPPORTED_FOR_CUSTOM_WORK)
            }
            ChannelKind::Extended if client.requires(FLAG_REQUIRES_STANDARD_JOBS) => {
                Err(error_code::EXTENDED_CHANNELS_NOT_SUPPORTED_FOR_STANDARD_JOBS)
            }
            _ if client.channels.len() + awaited >= self.options.max_channels => {
                Err(error_code::CHANNEL_CAPACITY_EXHAUSTED)
            }
            _ => check_demand(&opening.max_target),
        }
    }

    fn update_channel(&mut self, id: ConnectionId, channel_id: u32, hash_rate: f32, max_target: Target, now: Time) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let checked = match client.channels.get_mut(&channel_id) {
            None => Err(error_code::INVALID_CHANNEL_ID),
            Some(channel) => check_demand(&max_target).map(|()| channel),
        };
        let channel = match checked {
            Ok(channel) => channel,
            Err(error_code) => {
                return self.send(id, &UpdateChannelError { channel_id, error_code: Str::from(error_code) });
            }
        };
        let before = channel.inner.target();
        channel.inner.update(hash_rate, max_target);
        channel.hear_claim(hash_rate.into(), self.options.min_hash_rate, now);
        let target = channel.inner.target();
        let rate = channel.vardiff.as_ref().map(Vardiff::hashrate);
        let wanted = rate.map(|rate| self.target_for(rate));
        self.retarget(id, channel_id, before, wanted);
        if self.channel(id, channel_id).is_some_and(|channel| channel.target() == before) {
            let (connection, nominal_hash_rate) = (id, hash_rate);
            self.events.push(Event::ChannelUpdated { connection, channel_id, nominal_hash_rate, max_target, target });
        }
    }

    /// A client closes a channel or a group. Nothing is sent for it from then on (spec 5.3.9), so shares that were not acknowledged
    /// stay so; they are in the totals.
    fn close_for_client(&mut self, id: ConnectionId, channel_id: u32, reason_code: &[u8], now: Time) {
        let Some(client) = self.clients.get(&id) else { return };
        let group = client.group(channel_id).map(|group| group.channels.members().to_vec());
        for channel_id in group.unwrap_or_else(|| Vec::from([channel_id])) {
            self.remove_channel(id, channel_id, ClosedBy::Client(reason_code.to_vec()));
        }
        self.idle_without_channels(id, now);
    }
}

/// What a client demands, when it opens a channel or later: no hash meets a target of zero.
fn check_demand(max_target: &Target) -> Result<(), &'static str> {
    if *max_target == Target([0; 32]) { Err(error_code::MAX_TARGET_OUT_OF_RANGE) } else { Ok(()) }
}
