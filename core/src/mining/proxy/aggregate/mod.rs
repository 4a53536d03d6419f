//! Aggregation: all miners share one extended channel of the upstream.
//!
//! | | miner's side | upstream's side |
//! |---|---|---|
//! | channel_id | the server's, for each connection | the one channel's |
//! | job_id | the server's | the upstream's |
//! | extranonce | prefix = upstream's prefix, zeros, index; then what the miner rolls | all but the upstream's prefix |
//! | sequence_number | the miner's | counted here |

mod channel;
mod demand;
mod shares;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::events::{Channel, Event, FoundBlock, UpstreamCloseReason};
use super::{ConnectionId, Context, ProxyError, ProxyOptions, Side};
use crate::Random;
use crate::bitcoin;
use crate::clients::Level;
use crate::frame::Header;
use crate::message::{EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, SubmitSharesExtended, error_code};
use crate::mining::channel::ChannelKind;
use crate::mining::server::{self, Server, ServerError, Share, WorkId};
use crate::noise::Identity;
use crate::wire::{Str, U256};

use channel::Upstream;
use demand::Demand;
use shares::{Jobs, Outgoing, least_missed};

/// What all channels mine.
const WORK: WorkId = 1;

/// The miners' side in aggregation.
pub(super) struct Aggregate {
    server: Server,
    /// The requests for channels that wait for the upstream's.
    waiting: VecDeque<Waiting>,
    members: BTreeMap<Channel, Member>,
    /// Whether `members` or `waiting` have changed since the demand was summed up.
    demand_changed: bool,
    upstream: Upstream,
    /// How many bytes miners roll, once they were told.
    rollable_len: Option<usize>,
    /// What miners work on, or may, from this upstream or one before.
    jobs: Jobs,
    /// Until when shares wait for an upstream with the same work, in monotonic milliseconds.
    hold_until: Option<u64>,
    /// Shares that went up and were not answered, with the upstream's numbers for them.
    unanswered: VecDeque<(u32, Outgoing)>,
    /// Shares that wait for an upstream.
    held: VecDeque<Outgoing>,
    last_sequence_number: u32,
}

/// A request for a channel.
struct Waiting {
    connection: ConnectionId,
    request_id: u32,
    user_identity: Vec<u8>,
    demand: Demand,
}

/// A miner's channel.
struct Member {
    user_identity: Vec<u8>,
    demand: Demand,
}

impl Aggregate {
    pub(super) fn new(options: &ProxyOptions, random: Box<dyn Random + Send>) -> Result<Self, ProxyError> {
        let server = Server::new(options.downstream.clone(), random).map_err(ProxyError::Downstream)?;
        Ok(Self {
            server,
            waiting: VecDeque::new(),
            members: BTreeMap::new(),
            demand_changed: false,
            upstream: Upstream::None,
            rollable_len: None,
            jobs: Jobs::default(),
            hold_until: None,
            unanswered: VecDeque::new(),
            held: VecDeque::new(),
            last_sequence_number: 0,
        })
    }

    // ---------------------------------------------------------------------------------------------------------- miners

    /// Does what the server says, and tells the host.
    fn serve(&mut self, cx: &mut Context<'_>) {
        while let Some(event) = self.server.next_event() {
            self.handle(event, cx);
        }
    }

    fn handle(&mut self, event: server::Event, cx: &mut Context<'_>) {
        match event {
            server::Event::BlockFound(block) => self.block_found(&block, cx),
            server::Event::Writable { connection } => cx.events.push(Event::Writable { connection }),
            server::Event::Close { connection, reason } => {
                self.forget_requests(connection);
                cx.events.push(Event::Close { connection, reason });
            }
            server::Event::OpenChannel(open) => {
                let max_target = U256(open.max_target.0);
                let demand = Demand { nominal_hash_rate: open.nominal_hash_rate, max_target };
                self.demand_changed = true;
                self.waiting.push_back(Waiting {
                    connection: open.connection,
                    request_id: open.request_id,
                    user_identity: open.user_identity,
                    demand,
                });
                self.open_or_accept(cx);
            }
            server::Event::ChannelOpened(opened) => {
                let channel = Channel { connection: opened.connection, channel_id: opened.channel_id };
                let nominal_hash_rate =
                    self.members.get(&channel).map_or(0.0, |member| member.demand.nominal_hash_rate);
                cx.events.push(Event::ChannelOpened {
                    channel,
                    extended: opened.kind == ChannelKind::Extended,
                    user_identity: Str(&opened.user_identity).to_string(),
                    nominal_hash_rate,
                });
            }
            server::Event::ChannelUpdated { connection, channel_id, nominal_hash_rate, max_target, .. } => {
                if let Some(member) = self.members.get_mut(&Channel { connection, channel_id }) {
                    member.demand = Demand { nominal_hash_rate, max_target: U256(max_target.0) };
                    self.demand_changed = true;
                }
            }
            server::Event::ChannelClosed(closed) => {
                let channel = Channel { connection: closed.connection, channel_id: closed.channel_id };
                self.members.remove(&channel);
                self.demand_changed = true;
                cx.events.push(Event::ChannelClosed { channel });
            }
            server::Event::ShareAccepted(share) => self.share_accepted(&share, cx),
            server::Event::ShareRejected { connection, channel_id, sequence_number, error, .. } => {
                let channel = Channel { connection, channel_id };
                cx.totals.rejected += 1;
                cx.events.push(Event::ShareRejected { channel, sequence_number, error_code: error.code() });
            }
            // Not offered, as the upstream channel is everybody's.
            server::Event::SetCustomMiningJob(wish) => {
                let (connection, request_id) = (wish.connection, wish.request_id);
                let code = error_code::JD_NOT_SUPPORTED;
                let _ = self.server.refuse_custom_job(connection, request_id, code, cx.now);
            }
            server::Event::ExtensionMessage { connection, extension_type, message_type, .. } => {
                let text = format_args!(
                    "connection {connection}: message 0x{message_type:02x} of the extension 0x{extension_type:04x} is dropped"
                );
                cx.events.log(Level::Debug, text);
            }
            server::Event::Connected(_) => {}
            server::Event::Log { level, text } => cx.events.log(level, format_args!("{text}")),
        }
    }

    fn forget_requests(&mut self, connection: ConnectionId) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.connection != connection);
        self.demand_changed |= self.waiting.len() != before;
    }

    /// What the upstream is to be told: of all that have a channel, and all that wait for one.
    fn demand(&self, options: &ProxyOptions) -> Demand {
        let members = self.members.values().map(|member| member.demand);
        let all = members.chain(self.waiting.iter().map(|waiting| waiting.demand));
        Demand::of_all(all, options.downstream.shares_per_minute)
    }

    // ---------------------------------------------------------------------------------------------------------- shares

    fn share_accepted(&mut self, share: &Share, cx: &mut Context<'_>) {
        let channel = Channel { connection: share.connection, channel_id: share.channel_id };
        cx.totals.accepted += 1;
        let target = self.jobs.get(&share.job).and_then(|job| job.active).map(|active| active.target);
        let for_upstream = share.is_block || target.is_some_and(|target| target.is_met_by(&share.hash));
        // A block went up before anything else.
        if for_upstream && !share.is_block {
            self.pass_up(share, None, cx);
        }
        cx.events.push(Event::ShareAccepted {
            channel,
            sequence_number: share.sequence_number,
            hash: share.hash,
            difficulty: share.difficulty,
            for_upstream,
        });
    }

    fn block_found(&mut self, block: &server::FoundBlock, cx: &mut Context<'_>) {
        let sent = self.pass_up(&block.share, Some(block.header), cx);
        cx.totals.blocks += 1;
        cx.events.push(Event::BlockFound(FoundBlock {
            channel: Channel { connection: block.share.connection, channel_id: block.share.channel_id },
            header: block.header,
            hash: block.share.hash,
            sent,
        }));
    }

    /// Sends a share to the upstream, or keeps it until there is one. Says whether it was sent.
    fn pass_up(&mut self, share: &Share, block: Option<bitcoin::Header>, cx: &mut Context<'_>) -> bool {
        let channel = Channel { connection: share.connection, channel_id: share.channel_id };
        let of_channel = self.members.get(&channel).map_or(&[][..], |member| &member.user_identity);
        let job = self.jobs.get(&share.job);
        let outgoing = Outgoing {
            channel,
            sequence_number: share.sequence_number,
            job: Arc::clone(&share.job),
            nonce: share.nonce,
            ntime: share.ntime,
            version: share.version,
            extranonce: share.extranonce.to_vec(),
            worker: share.worker_identity.as_deref().unwrap_or(of_channel).to_vec(),
            job_id: job.map(|job| job.job_id),
            prev_hash: block.map(|header| U256(header.prev_hash)).or(job.and_then(|job| Some(job.active?.prev_hash))),
            block,
        };
        let sent = self.submit(&outgoing, cx);
        if sent {
            self.unanswered.push_back((self.last_sequence_number, outgoing));
        } else if self.may_wait(&outgoing) {
            cx.totals.held += 1;
            self.held.push_back(outgoing);
        } else {
            // Nobody who could want it has come in time.
            lose(&outgoing, cx);
        }
        while self.unanswered.len() > cx.options.max_held_shares {
            // The upstream may have it; it is only not known any more whose it was.
            self.unanswered.remove(least_missed(self.unanswered.iter().map(|(_, share)| share)));
        }
        while self.held.len() > cx.options.max_held_shares {
            self.held.remove(least_missed(self.held.iter())).iter().for_each(|share| lose(share, cx));
        }
        sent
    }

    /// Sends a share with the upstream's names. False if it has no such work.
    fn submit(&mut self, share: &Outgoing, cx: &mut Context<'_>) -> bool {
        let Upstream::Open(open) = &self.upstream else { return false };
        let Some(job) = self.jobs.present(&share.job) else { return false };
        let Some(extranonce) = share.extranonce.strip_prefix(&*job.prefix) else { return false };
        self.last_sequence_number = self.last_sequence_number.wrapping_add(1);
        let message = SubmitSharesExtended {
            channel_id: open.channel_id,
            sequence_number: self.last_sequence_number,
            job_id: job.job_id,
            nonce: share.nonce,
            ntime: share.ntime,
            version: share.version,
            extranonce,
        };
        let names_workers = cx.upstreams.supports(EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING);
        let sent = cx.upstreams.send_share(&message, names_workers.then_some(&*share.worker));
        cx.totals.submitted += u64::from(sent);
        sent
    }

    /// Whether an upstream may still come, or give a job, that a share is for: not once there is another tip. Blocks wait for as
    /// long as that; for other shares there is a time.
    fn may_wait(&self, share: &Outgoing) -> bool {
        let is_past = self.jobs.present_tip().is_some_and(|tip| share.prev_hash != Some(tip));
        !is_past && (share.block.is_some() || self.hold_until.is_some())
    }

    /// The upstream has given work: what waited for the same work goes up, and what is on another tip is lost. More jobs may follow
    /// for the rest.
    fn resume(&mut self, cx: &mut Context<'_>) {
        if self.jobs.present_tip().is_none() {
            return;
        }
        for share in core::mem::take(&mut self.held) {
            if self.submit(&share, cx) {
                self.unanswered.push_back((self.last_sequence_number, share));
            } else if self.may_wait(&share) {
                self.held.push_back(share);
            } else {
                lose(&share, cx);
            }
        }
    }

    /// The upstream is gone: what it did not answer, and what is found meanwhile, waits for another one.
    fn lose_upstream(&mut self, cx: &mut Context<'_>) {
        self.forget_upstream(cx);
        let unanswered = core::mem::take(&mut self.unanswered).into_iter().map(|(_, share)| share);
        // Those that waited already are older.
        self.held.extend(unanswered);
    }

    /// No upstream with the same work came in time for shares that are no blocks.
    fn give_up_held(&mut self, cx: &mut Context<'_>) {
        self.hold_until = None;
        self.held.retain(|share| {
            let is_kept = share.block.is_some();
            if !is_kept {
                lose(share, cx);
            }
            is_kept
        });
    }
}

/// A share that was good for an upstream which is gone. The miner was told long ago that it is good.
fn lose(share: &Outgoing, cx: &mut Context<'_>) {
    cx.totals.lost += 1;
    if let Some(header) = &share.block {
        cx.events.log_always(
            Level::Error,
            format_args!(
                "a block is lost, no upstream took it: header {}, job {}, extranonce {}",
                hex(&header.to_bytes()),
                share.job_id.map_or("unknown".into(), |id| id.to_string()),
                hex(&share.extranonce),
            ),
        );
    }
    cx.events.push(Event::UpstreamRejected {
        channel: Some(share.channel),
        sequence_number: share.sequence_number,
        error_code: error_code::STALE_SHARE.into(),
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

impl Side for Aggregate {
    fn random(&mut self) -> &mut (dyn Random + Send) {
        self.server.random()
    }

    fn set_identity(&mut self, identity: Arc<Identity>) {
        self.server.set_identity(identity);
    }

    fn connect(&mut self, id: ConnectionId, address: Option<IpAddr>, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let result = self.server.connect(id, address, cx.now).map_err(ProxyError::Downstream);
        self.serve(cx);
        result
    }

    fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let result = self.server.receive(id, bytes, cx.now).map_err(ProxyError::Downstream);
        self.serve(cx);
        result
    }

    fn output(&mut self, id: ConnectionId) -> &[u8] {
        self.server.output(id)
    }

    fn sent(&mut self, id: ConnectionId, n: usize, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let result = self.server.sent(id, n, cx.now).map_err(|error| match error {
            ServerError::NotInOutput => ProxyError::NotInOutput,
            error => ProxyError::Downstream(error),
        });
        self.serve(cx);
        result
    }

    fn disconnect(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        self.forget_requests(id);
        self.server.disconnect(id);
        self.serve(cx);
    }

    fn upstream_ready(&mut self, cx: &mut Context<'_>) {
        self.open_or_accept(cx);
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
        let result = self.hear_upstream(header, payload, cx);
        self.serve(cx);
        result
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamCloseReason> {
        // Shares that come in are not held up by it: it costs a look at what is due.
        self.server.tick(cx.now);
        self.serve(cx);
        if self.hold_until.is_some_and(|until| until <= cx.now.monotonic_ms) {
            self.give_up_held(cx);
        }
        self.keep_upstream(cx)
    }

    fn next_deadline(&self) -> Option<u64> {
        [self.server.next_deadline(), self.hold_until, self.upstream.deadline()].into_iter().flatten().min()
    }

    fn has_channels(&self) -> bool {
        self.upstream.is_open()
    }

    fn take_writable(&mut self, id: ConnectionId) -> bool {
        // The server has looked, and what it said was not said for another reason since.
        !self.server.output(id).is_empty()
    }

    fn reconnect(&mut self, host: &str, port: u16, cx: &mut Context<'_>) {
        let _ = self.server.reconnect(host, port, cx.now);
        self.serve(cx);
    }
}
