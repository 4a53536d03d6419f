//! Pass-through: each channel of a miner is a channel of the upstream.
//!
//! | | miner's side | upstream's side |
//! |---|---|---|
//! | channel_id | given here, from 1, for each connection | given by the upstream, for its one connection |
//! | group_channel_id | given here, from the channels' ids | given by the upstream |
//! | job_id | given here, each once | given by the upstream, per channel or group |
//! | request_id | the miner's | given here |
//! | sequence_number | the miner's | the miner's |
//!
//! Channels, groups and jobs keep their names on the miner's side when there is another upstream.

mod channels;
mod downward;
mod jobs;
mod miner;
mod reopening;
mod upward;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::events::{Channel, Event, UpstreamCloseReason};
use super::{ConnectionId, Context, ProxyError, Side};
use crate::Random;
use crate::clients::{Admission, Clients, Deadlines, Level, Stage};
use crate::connection::SendError;
use crate::frame::Header;
use crate::message::{CloseChannel, OpenMiningChannelError, Payload, Reconnect, SubmitSharesError};
use crate::mining::server::{CloseReason, ServerError};
use crate::noise::Identity;
use crate::wire::{Str, U256};

use channels::{Channels, Kind, Passage};
use jobs::JobIds;
use miner::{Miner, Phase};

/// How long after anything happened connections give back buffers that are not in use, and are found not to read, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 10_000;

/// Most SetCustomMiningJob of a miner that wait for the upstream.
const MAX_CUSTOM_JOBS: usize = 16;

/// The miners' side in pass-through.
pub(super) struct Relay {
    random: Box<dyn Random + Send>,
    miners: Clients<Miner>,
    admission: Admission,
    deadlines: Deadlines<ConnectionId>,
    channels: Channels,
    job_ids: JobIds,
    /// What the upstream is to answer, by the request_id it was or will be asked with.
    requests: BTreeMap<u32, Request>,
    last_request_id: u32,
    /// The requests for channels in the order in which the present upstream was asked, and when each must be answered, in monotonic
    /// milliseconds. Those that were answered leave it when they are the first.
    asked: VecDeque<(u64, u32)>,
    /// Until when shares wait for an upstream with the same work, in monotonic milliseconds.
    hold_until: Option<u64>,
    sweep_at: Option<u64>,
    payload: Vec<u8>,
}

/// A request to the upstream.
#[derive(Debug)]
struct Request {
    /// Whose it is.
    connection: ConnectionId,
    wish: Wish,
    /// Whether the present upstream was asked.
    asked: bool,
}

#[derive(Debug)]
enum Wish {
    /// A miner wants a channel.
    Open { request_id: u32, opening: Opening },
    /// A channel that a miner has is opened again.
    Reopen(Channel),
    /// A miner wants to work on a job of its own.
    CustomJob { request_id: u32, channel: Channel },
    /// The miner is gone: what the upstream opens is closed again.
    Nothing,
}

/// What a miner says when it opens a channel.
#[derive(Clone, Debug)]
struct Opening {
    kind: Kind,
    user_identity: Vec<u8>,
    nominal_hash_rate: f32,
    max_target: U256,
}

impl Relay {
    pub(super) fn new(random: Box<dyn Random + Send>) -> Self {
        Self {
            random,
            miners: Clients::default(),
            admission: Admission::default(),
            deadlines: Deadlines::default(),
            channels: Channels::default(),
            job_ids: JobIds::default(),
            requests: BTreeMap::new(),
            last_request_id: 0,
            asked: VecDeque::new(),
            hold_until: None,
            sweep_at: None,
            payload: Vec::new(),
        }
    }

    // ------------------------------------------------------------------------------------------------------------ miners

    /// Queues a message for a miner; one that does not read is given up.
    fn send<'m>(&mut self, id: ConnectionId, message: &impl Payload<'m>, cx: &mut Context<'_>) {
        let sent = match self.miners.get_mut(&id).filter(|miner| !miner.is_closing()) {
            Some(miner) => miner.connection.send(message),
            None => return,
        };
        self.after_send(id, sent, cx);
    }

    fn after_send(&mut self, id: ConnectionId, sent: Result<(), SendError>, cx: &mut Context<'_>) {
        match sent {
            Ok(()) => self.announce_output(id, cx),
            // A message that cannot be encoded was not passed on by a peer; the connection is as good as before.
            Err(SendError::Frame(error)) => {
                cx.events.log(Level::Error, format_args!("connection {id}: a message cannot be sent: {error}"));
            }
            Err(error) => {
                let failed = self.miners.get(&id).and_then(|miner| miner.connection.error());
                match (error, failed) {
                    (SendError::Failed, Some(error)) => self.close(id, CloseReason::Connection(error), cx),
                    _ => self.close_after_flush(id, CloseReason::TooSlow, cx),
                }
            }
        }
    }

    fn announce_output(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        if let Some(miner) = self.miners.get_mut(&id) {
            if !miner.writable && miner.connection.output_len() > 0 {
                miner.writable = true;
                cx.events.push(Event::Writable { connection: id });
            }
        }
    }

    fn set_phase(&mut self, id: ConnectionId, phase: Phase) {
        let Some(miner) = self.miners.get_mut(&id) else { return };
        let before = stage_of(&core::mem::replace(&mut miner.phase, phase));
        self.admission.moved(id, miner.ticket, before, stage_of(&phase));
    }

    /// Keeps the list of deadlines as the miner has it.
    fn list_deadline(&mut self, id: ConnectionId) {
        let Some(miner) = self.miners.get_mut(&id) else { return };
        let deadline = miner.deadline();
        self.deadlines.list(id, &mut miner.listed_deadline, deadline);
    }

    /// Closes a miner once it was sent what is waiting, or some time has passed. Its channels are over now.
    fn close_after_flush(&mut self, id: ConnectionId, reason: CloseReason, cx: &mut Context<'_>) {
        if self.miners.get(&id).is_none_or(Miner::is_closing) {
            return;
        }
        self.end_channels(id, cx);
        let deadline = cx.now.monotonic_ms.saturating_add(cx.options.downstream.flush_timeout_ms);
        self.set_phase(id, Phase::Closing { deadline, reason });
        self.list_deadline(id);
        self.announce_output(id, cx);
        self.close_if_flushed(id, cx);
    }

    fn close_if_flushed(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        let Some(miner) = self.miners.get(&id) else { return };
        if let Phase::Closing { reason, .. } = miner.phase {
            if miner.connection.output_len() == 0 {
                self.close(id, reason, cx);
            }
        }
    }

    fn close(&mut self, id: ConnectionId, reason: CloseReason, cx: &mut Context<'_>) {
        if self.remove(id, cx) {
            cx.events.push(Event::Close { connection: id, reason });
        }
    }

    /// A miner is gone, and its channels with it (spec 5.3.9).
    fn remove(&mut self, id: ConnectionId, cx: &mut Context<'_>) -> bool {
        self.end_channels(id, cx);
        let Some(mut miner) = self.miners.remove(&id) else { return false };
        self.admission.left(id, miner.ticket, stage_of(&miner.phase));
        self.deadlines.list(id, &mut miner.listed_deadline, None);
        true
    }

    fn end_channels(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        let channels: Vec<Channel> = self.channels.of_connection(id).map(|(channel, _)| channel).collect();
        for channel in channels {
            self.end_channel(channel, "the miner is gone", cx);
        }
        self.requests.retain(|_, request| {
            if request.connection == id {
                request.wish = Wish::Nothing;
            }
            request.asked || !matches!(request.wish, Wish::Nothing)
        });
    }

    /// A channel is over for both sides; the upstream is told.
    fn end_channel(&mut self, channel: Channel, reason_code: &str, cx: &mut Context<'_>) {
        let Some(passage) = self.forget_channel(channel, cx) else { return };
        if let Some(upstream) = passage.upstream {
            cx.upstreams.send(&CloseChannel { channel_id: upstream.channel_id, reason_code: Str::from(reason_code) });
        }
    }

    /// A channel is over for both sides; the miner is told.
    fn close_channel(&mut self, channel: Channel, reason_code: &str, cx: &mut Context<'_>) {
        if self.forget_channel(channel, cx).is_some() {
            let message = CloseChannel { channel_id: channel.channel_id, reason_code: Str::from(reason_code) };
            self.send(channel.connection, &message, cx);
        }
    }

    fn forget_channel(&mut self, channel: Channel, cx: &mut Context<'_>) -> Option<Passage> {
        let passage = self.channels.remove(channel)?;
        if let Some(miner) = self.miners.get_mut(&channel.connection) {
            miner.channels = miner.channels.saturating_sub(1);
        }
        cx.events.push(Event::ChannelClosed { channel });
        Some(passage)
    }

    /// A share is refused here, and not by the upstream.
    fn refuse_share(&mut self, channel: Channel, sequence_number: u32, error_code: &'static str, cx: &mut Context<'_>) {
        let message =
            SubmitSharesError { channel_id: channel.channel_id, sequence_number, error_code: Str::from(error_code) };
        self.send(channel.connection, &message, cx);
        cx.totals.rejected += 1;
        cx.events.push(Event::ShareRejected { channel, sequence_number, error_code });
    }

    fn refuse_channel(&mut self, id: ConnectionId, request_id: u32, error_code: &str, cx: &mut Context<'_>) {
        self.send(id, &OpenMiningChannelError { request_id, error_code: Str::from(error_code) }, cx);
    }

    fn sweep_later(&mut self, cx: &Context<'_>) {
        self.sweep_at.get_or_insert(cx.now.monotonic_ms.saturating_add(SWEEP_INTERVAL_MS));
    }

    /// Connections give back what they do not use, and those that take nothing are given up.
    fn sweep(&mut self, cx: &mut Context<'_>) {
        self.sweep_at = None;
        let (mut failed, mut stalled, mut any_unread) = (Vec::new(), Vec::new(), false);
        for (id, miner) in self.miners.iter_mut().filter(|(_, miner)| !miner.is_closing()) {
            if let Err(error) = miner.connection.tick(cx.now) {
                failed.push((id, CloseReason::Connection(error)));
            } else if miner.connection.output_len() > 0 {
                any_unread = true;
                let since = *miner.unread_since.get_or_insert(cx.now.monotonic_ms);
                if cx.now.monotonic_ms.saturating_sub(since) >= cx.options.downstream.stall_timeout_ms {
                    stalled.push(id);
                }
            }
        }
        for (id, reason) in failed {
            self.close(id, reason, cx);
        }
        for id in stalled {
            self.close_after_flush(id, CloseReason::TooSlow, cx);
        }
        if any_unread {
            self.sweep_later(cx);
        }
    }
}

impl Side for Relay {
    fn random(&mut self) -> &mut (dyn Random + Send) {
        &mut *self.random
    }

    fn set_identity(&mut self, _: Arc<Identity>) {}

    fn connect(&mut self, id: ConnectionId, address: Option<IpAddr>, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        if self.miners.contains_key(&id) {
            return Err(ProxyError::Downstream(ServerError::ConnectionExists));
        }
        let limits = cx.options.downstream.admission();
        let admitted = self.admission.admit(id, address, self.miners.len(), &limits, cx.now);
        let (ticket, gives_way) = admitted.map_err(|no_place| ProxyError::Downstream(ServerError::from(no_place)))?;
        if let Some(other) = gives_way {
            self.close(other, CloseReason::GaveWay, cx);
        }
        self.miners.insert(id, Miner::new(&cx.options.downstream, ticket, cx.now));
        self.list_deadline(id);
        Ok(())
    }

    fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], cx: &mut Context<'_>) -> Result<(), ProxyError> {
        if !self.miners.contains_key(&id) {
            return Err(ProxyError::Downstream(ServerError::UnknownConnection));
        }
        self.sweep_later(cx);
        self.hear(id, bytes, cx);
        self.announce_output(id, cx);
        self.list_deadline(id);
        Ok(())
    }

    fn output(&mut self, id: ConnectionId) -> &[u8] {
        self.miners.get_mut(&id).map_or(&[], |miner| miner.connection.output())
    }

    fn sent(&mut self, id: ConnectionId, n: usize, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let unknown = ProxyError::Downstream(ServerError::UnknownConnection);
        let miner = self.miners.get_mut(&id).ok_or(unknown)?;
        if !miner.connection.sent(n) {
            return Err(ProxyError::NotInOutput);
        }
        if n > 0 {
            miner.unread_since = None;
            self.announce_output(id, cx);
        }
        self.sweep_later(cx);
        self.close_if_flushed(id, cx);
        Ok(())
    }

    fn disconnect(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        self.remove(id, cx);
    }

    fn upstream_ready(&mut self, cx: &mut Context<'_>) {
        cx.upstreams.note_served();
        self.reopen_all(cx);
    }

    fn upstream_lost(&mut self, cx: &mut Context<'_>) {
        self.lose_upstream(cx);
    }

    fn upstream_message(
        &mut self,
        header: Header,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), UpstreamCloseReason> {
        self.pass_down(header, payload, cx)
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamCloseReason> {
        if self.sweep_at.is_some_and(|at| at <= cx.now.monotonic_ms) {
            self.sweep(cx);
        }
        if self.hold_until.is_some_and(|until| until <= cx.now.monotonic_ms) {
            self.give_up_held(cx);
        }
        for id in self.deadlines.take_due(cx.now.monotonic_ms) {
            let Some(miner) = self.miners.get_mut(&id) else { continue };
            miner.listed_deadline = None;
            match miner.overdue(cx.now) {
                Some(reason) => self.close(id, reason, cx),
                None => self.list_deadline(id),
            }
        }
        self.check_answers(cx)
    }

    fn next_deadline(&self) -> Option<u64> {
        let answer = self.asked.front().map(|(deadline, _)| *deadline);
        [self.deadlines.first(), self.sweep_at, self.hold_until, answer].into_iter().flatten().min()
    }

    fn has_channels(&self) -> bool {
        self.channels.len() > 0 || !self.asked.is_empty()
    }

    fn take_writable(&mut self, id: ConnectionId) -> bool {
        self.miners.get_mut(&id).is_some_and(|miner| core::mem::take(&mut miner.writable))
    }

    fn reconnect(&mut self, host: &str, port: u16, cx: &mut Context<'_>) {
        let message = Reconnect { new_host: Str::from(host), new_port: port };
        let set_up: Vec<ConnectionId> =
            self.miners.iter_mut().filter(|(_, miner)| miner.is_set_up()).map(|(id, _)| id).collect();
        for id in set_up {
            self.send(id, &message, cx);
        }
    }
}

/// How soon a connection gives way.
fn stage_of(phase: &Phase) -> Stage {
    match phase {
        Phase::Setup { .. } => Stage::Handshake,
        Phase::Idle { .. } | Phase::Closing { .. } => Stage::Idle,
        Phase::Mining => Stage::Served,
    }
}
