//! Custom jobs (spec 5.3.18): work that a client has selected itself.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::client::Pending;
use super::events::{CloseReason, CustomJobRequest, Event};
use super::{ConnectionId, Server, ServerError};
use crate::Time;
use crate::message::{
    FLAG_REQUIRES_WORK_SELECTION, SetCustomMiningJob, SetCustomMiningJobError, SetCustomMiningJobSuccess, error_code,
};
use crate::mining::MAX_FUTURE_BLOCK_TIME_S;
use crate::mining::channel::ChannelKind;
use crate::mining::job::JobFactory;
use crate::wire::Str;

impl Server {
    /// Accepts the job that an [`Event::SetCustomMiningJob`] asked for: the pool will pay for it. The client is told its job_id,
    /// which is returned; one that is the same as another of the channel is that one.
    ///
    /// # Errors
    /// `UnknownConnection`, `UnknownRequest`; `CustomJobRefused` if the tip has changed meanwhile, or there are too many; `Job`
    /// if it cannot be mined. In the last two cases the client was refused.
    pub fn accept_custom_job(
        &mut self,
        connection: ConnectionId,
        request_id: u32,
        now: Time,
    ) -> Result<u32, ServerError> {
        self.now_ms = now.monotonic_ms;
        let request = self.take_custom_job(connection, request_id)?;
        let message = request.message();
        if let Err(error_code) = self.check_custom_job(connection, &message, now) {
            self.refuse_custom(connection, &message, error_code);
            return Err(ServerError::CustomJobRefused);
        }
        match self.add_custom_job(connection, &message) {
            Ok(job_id) => {
                let (channel_id, request_id) = (message.channel_id, message.request_id);
                self.send(connection, &SetCustomMiningJobSuccess { channel_id, request_id, job_id });
                Ok(job_id)
            }
            Err(error) => {
                self.refuse_custom(connection, &message, error_code::INVALID_JOB_PARAM_VALUE);
                Err(error)
            }
        }
    }

    /// Makes the job and gives it to the channel, or to each of the group, under one number.
    fn add_custom_job(&mut self, id: ConnectionId, message: &SetCustomMiningJob<'_>) -> Result<u32, ServerError> {
        let channels = self.extended_channels(id, message.channel_id);
        let first = channels.first().and_then(|channel_id| self.channel(id, *channel_id));
        // Those of the others in the group have the same length.
        let extranonce_len = first.ok_or(ServerError::UnknownChannel)?.full_extranonce_len();
        let factory = JobFactory::new("", "", extranonce_len).map_err(ServerError::Job)?;
        let job = factory.with_version_rolling(self.options.version_mask != 0).custom(message);
        let job = Arc::new(job.map_err(ServerError::Job)?);
        let (job_id, max) = (self.next_job_id(), self.options.max_custom_jobs);
        let mut given = None;
        for channel_id in channels {
            let channel = self.channel_mut(id, channel_id)?;
            let added = channel.inner.add_custom_job(job_id, Arc::clone(&job), message.min_ntime, max);
            let added = added.map_err(|_| ServerError::CustomJobRefused)?;
            if *given.get_or_insert(added) != added {
                // Some had it already, others not: there is no one number for it.
                return Err(ServerError::CustomJobRefused);
            }
        }
        given.ok_or(ServerError::UnknownChannel)
    }

    /// Refuses the job that an [`Event::SetCustomMiningJob`] asked for, with an error code such as "invalid-mining-job-token".
    ///
    /// # Errors
    /// `UnknownConnection`, `UnknownRequest`, or `NotEncodable` if the code has more than 255 bytes.
    pub fn refuse_custom_job(
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
        let request = self.take_custom_job(connection, request_id)?;
        self.refuse_custom(connection, &request.message(), error_code);
        Ok(())
    }

    /// Asks the host, if there is nothing that speaks against the job.
    pub(super) fn request_custom_job(
        &mut self,
        id: ConnectionId,
        channel_id: u32,
        request_id: u32,
        payload: Arc<[u8]>,
        now: Time,
    ) {
        let request = Box::new(CustomJobRequest { connection: id, request_id, channel_id, payload });
        if let Err(error_code) = self.check_custom_job(id, &request.message(), now) {
            return self.refuse_custom(id, &request.message(), error_code);
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.pending.len() >= self.options.max_pending_requests {
            return self.close_after_flush(id, CloseReason::TooManyRequests);
        }
        client.pending.push_back(Pending::CustomJob(request.clone()));
        self.events.push(Event::SetCustomMiningJob(request));
    }

    /// What can be judged without the token: the channel, and that the job is on the present tip.
    fn check_custom_job(
        &self,
        id: ConnectionId,
        message: &SetCustomMiningJob<'_>,
        now: Time,
    ) -> Result<(), &'static str> {
        // A block of a later time is refused by every node.
        let latest = now.unix_s.saturating_add(MAX_FUTURE_BLOCK_TIME_S.into());
        let client = self.clients.get(&id).filter(|client| client.requires(FLAG_REQUIRES_WORK_SELECTION));
        if client.is_none() {
            return Err(error_code::JD_NOT_SUPPORTED);
        }
        let channels = self.extended_channels(id, message.channel_id);
        let channel = channels.first().and_then(|channel_id| self.channel(id, *channel_id));
        let channel = channel.ok_or(error_code::INVALID_CHANNEL_ID)?;
        match channel.tip() {
            Some(tip) if tip.prev_hash == message.prev_hash.0 => {
                if tip.nbits != message.nbits {
                    Err(error_code::INVALID_NBITS)
                } else if message.min_ntime < tip.min_ntime || u64::from(message.min_ntime) > latest {
                    Err(error_code::INVALID_MIN_NTIME)
                } else {
                    Ok(())
                }
            }
            _ => Err(error_code::STALE_CHAIN_TIP),
        }
    }

    /// The extended channels with this number, or of the group with it; standard ones are not meant.
    fn extended_channels(&self, id: ConnectionId, channel_id: u32) -> Vec<u32> {
        let Some(client) = self.clients.get(&id) else { return Vec::new() };
        let named =
            client.group(channel_id).map_or_else(|| Vec::from([channel_id]), |group| group.channels.members().to_vec());
        let is_extended = |channel_id: &u32| {
            client.channels.get(channel_id).is_some_and(|channel| channel.inner.kind() == ChannelKind::Extended)
        };
        named.into_iter().filter(is_extended).collect()
    }

    fn take_custom_job(&mut self, id: ConnectionId, request_id: u32) -> Result<Box<CustomJobRequest>, ServerError> {
        let client = self.clients.get_mut(&id).ok_or(ServerError::UnknownConnection)?;
        let is_it = |pending: &Pending| matches!(pending, Pending::CustomJob(job) if job.request_id == request_id);
        let place = client.pending.iter().position(is_it).ok_or(ServerError::UnknownRequest)?;
        match client.pending.remove(place) {
            Some(Pending::CustomJob(request)) => Ok(request),
            _ => Err(ServerError::UnknownRequest),
        }
    }

    fn refuse_custom(&mut self, id: ConnectionId, message: &SetCustomMiningJob<'_>, error_code: &str) {
        let (channel_id, request_id) = (message.channel_id, message.request_id);
        self.send(id, &SetCustomMiningJobError { channel_id, request_id, error_code: Str::from(error_code) });
    }
}
