//! A host and four clients do anything in any order. Whatever they do, what each client reads is a protocol that it can follow
//! (`core/tests/mining_reader`): a job's number is new, SetNewPrevHash names a job that waits, no share is answered twice. A share of a client that reads all at once and keeps to what it read
//! is accepted, once; what is acknowledged is what was accepted. No hash is accepted twice, whoever finds it. Blocks come before
//! all other events and are blocks. Clients, channels and what waits for them keep within the options. Each connection closes
//! once, and the engine asks for no deadline that has passed.
#![no_main]

#[path = "../../core/tests/mining_reader/mod.rs"]
mod mining_reader;

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use mining_reader::{Reader, Rolled, frame};
use sv2_core::bitcoin::{Hash, Target};
use sv2_core::frame::HEADER_LEN;
use sv2_core::message::{
    CloseChannel, NewTemplate, OpenExtendedMiningChannel, OpenStandardMiningChannel, SetCustomMiningJob,
    SetNewPrevHashTemplate, SetupConnection, UpdateChannel,
};
use sv2_core::mining::job::Payout;
use sv2_core::mining::server::{Event, Server, ServerOptions};
use sv2_core::mining::share::ShareError;
use sv2_core::wire::{List, Str, U256};
use sv2_core::{OutOfRandomness, Random, Time};

const MAX_CLIENTS: usize = 3;
const MAX_CHANNELS: usize = 3;
const MAX_OUTPUT: usize = 4_000;
const MAX_FUTURE_TEMPLATES: usize = 3;
/// nBits of targets that every second hash meets, one in 256, and one in 65536.
const NBITS: [u32; 3] = [0x207f_ffff, 0x2000_ffff, 0x1f00_ffff];

/// Without encryption nothing is random.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
        Err(OutOfRandomness)
    }
}

struct World {
    server: Server,
    now: Time,
    readers: BTreeMap<u64, Reader>,
    /// Those that may have broken a rule or were told to go: what they find counts, but they get no jobs any more.
    leaving: BTreeSet<u64>,
    /// Those whose sockets wait to be written to.
    writable: BTreeSet<u64>,
    /// Requests that wait for the host: for a channel, or for a custom job.
    open_requests: Vec<(u64, u32)>,
    custom_requests: Vec<(u64, u32)>,
    /// The channels that are open, with the shares that count.
    channels: BTreeMap<(u64, u32), Account>,
    accepted: BTreeSet<Hash>,
    /// What became of the shares in this step: the connection, the channel, the sequence number, and why it was refused.
    verdicts: Vec<(u64, u32, u32, Option<ShareError>)>,
    template_id: u64,
    futures: Vec<u64>,
    /// Whether the tip named a template that had to make room for others: there is nothing to mine on, and nobody can be told.
    is_adrift: bool,
    tip: [u8; 32],
    min_ntime: u32,
}

#[derive(Default)]
struct Account {
    shares: u64,
    difficulty: f64,
}

impl World {
    fn is_slow(connection: u64) -> bool {
        connection % 2 == 1
    }

    fn receive(&mut self, id: u64, bytes: &[u8]) {
        let known = self.readers.contains_key(&id);
        assert_eq!(self.server.receive(id, &mut bytes.to_vec(), self.now).is_ok(), known);
    }

    /// One of the client's channels.
    fn channel_id(&self, id: u64, which: u8) -> Option<u32> {
        let channels: Vec<u32> = self.readers.get(&id)?.channels.keys().copied().collect();
        channels.get(usize::from(which) % channels.len().max(1)).copied()
    }

    fn step(&mut self, op: u8, a: u8, b: u8, rest: &[u8]) {
        let id = u64::from(a % 4);
        let channel_id = self.channel_id(id, a >> 4);
        let is_second_setup = self.readers.get(&id).is_some_and(|reader| reader.is_set_up);
        match op % 24 {
            0 => {
                let address = (b & 1 == 0).then(|| [10, 0, 0, b % 3].into());
                if self.server.connect(id, address, self.now).is_ok() {
                    self.readers.insert(id, Reader::default());
                    self.leaving.remove(&id);
                }
            }
            1 => {
                self.server.disconnect(id);
                self.readers.remove(&id);
            }
            2 => {
                self.leaving.insert(id);
                self.receive(id, &rest[..rest.len().min(b.into())]);
            }
            3 | 4 => {
                let flags = if op % 24 == 3 { 0 } else { u32::from(b % 8) };
                if is_second_setup {
                    self.leaving.insert(id);
                }
                let setup = SetupConnection { flags, min_version: 2, max_version: 2, ..Default::default() };
                self.receive(id, &frame(&setup));
            }
            5 | 6 => {
                let (request_id, user_identity) = (b.into(), Str(&rest[..rest.len().min(3)]));
                let (nominal_hash_rate, max_target) = (0.0, max_target(a));
                let mut bytes = if op % 24 == 5 {
                    frame(&OpenStandardMiningChannel { request_id, user_identity, nominal_hash_rate, max_target })
                } else {
                    let min_extranonce_size = (b % 18).into();
                    frame(&OpenExtendedMiningChannel {
                        request_id,
                        user_identity,
                        nominal_hash_rate,
                        max_target,
                        min_extranonce_size,
                    })
                };
                set_hash_rate(&mut bytes, HEADER_LEN + 5 + user_identity.0.len(), b);
                self.receive(id, &bytes);
            }
            7 | 8 => {
                let Some((connection, request_id)) = self.open_requests.pop() else { return };
                if op % 24 == 7 {
                    // Some payouts are unknown.
                    let target = (b & 0x80 != 0).then_some(Target(max_target(a).0));
                    let _ = self.server.accept_channel(connection, request_id, (b % 4).into(), target, self.now);
                } else {
                    let _ = self.server.refuse_channel(connection, request_id, "unknown-user", self.now);
                }
            }
            9 => {
                self.template(a, b, true);
            }
            10 => {
                self.template(a, b, false);
            }
            11 | 12 => {
                let Some(template_id) = self.futures.get(usize::from(a) % self.futures.len().max(1)).copied() else {
                    return;
                };
                let nbits = NBITS[usize::from(b % 3)];
                self.min_ntime = 1_000 + u32::from(b);
                let message = SetNewPrevHashTemplate {
                    template_id,
                    prev_hash: U256([b % 8; 32]),
                    header_timestamp: self.min_ntime,
                    nbits,
                    target: U256(Target::from_nbits(nbits).unwrap().0),
                };
                self.tip = [b % 8; 32];
                let kept = self.futures.len().saturating_sub(MAX_FUTURE_TEMPLATES);
                self.is_adrift = !self.futures[kept..].contains(&template_id);
                self.futures.clear();
                self.server.set_new_prev_hash(&message, self.now).unwrap();
            }
            13 => {
                self.now.monotonic_ms += u64::from(b) << (a % 10);
                self.server.tick(self.now);
                assert!(self.server.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
            }
            14..=17 => return self.submit(id, a, b, rest),
            18 => {
                let maximum_target = max_target(b);
                let channel_id = channel_id.unwrap_or(b.into());
                let mut bytes = frame(&UpdateChannel { channel_id, nominal_hash_rate: 0.0, maximum_target });
                set_hash_rate(&mut bytes, HEADER_LEN + 4, b);
                self.receive(id, &bytes);
            }
            19 => {
                let channel_id = channel_id.unwrap_or(b.into());
                self.receive(id, &frame(&CloseChannel { channel_id, reason_code: Str(b"done") }));
                if let Some(reader) = self.readers.get_mut(&id) {
                    reader.close(channel_id);
                }
            }
            20 => {
                let Some(channel_id) = channel_id else { return };
                let _ = match b % 4 {
                    0 => self.server.close_channel(id, channel_id, "closed", self.now),
                    1 => self.server.renew_extranonce_prefix(id, channel_id, self.now),
                    2 => self.server.set_target(id, channel_id, Target(max_target(b).0), self.now),
                    _ => {
                        self.leaving.insert(id);
                        self.server.close(id, self.now)
                    }
                };
            }
            21 => {
                let message = SetCustomMiningJob {
                    channel_id: channel_id.unwrap_or(b.into()),
                    request_id: b.into(),
                    mining_job_token: &rest[..rest.len().min(4)],
                    version: 0x2000_0000,
                    prev_hash: U256(self.tip),
                    min_ntime: self.min_ntime + u32::from(a >> 7),
                    nbits: NBITS[usize::from(b % 3)],
                    coinbase_tx_version: 2,
                    coinbase_prefix: &[1, b, 20],
                    coinbase_tx_input_nsequence: u32::MAX,
                    // One output of 7 satoshis to OP_TRUE.
                    coinbase_tx_outputs: &[1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0x51],
                    coinbase_tx_locktime: 0,
                    merkle_path: List::Items(&[]),
                };
                self.receive(id, &frame(&message));
            }
            22 => {
                let Some((connection, request_id)) = self.custom_requests.pop() else { return };
                let _ = if b & 1 == 0 {
                    self.server.accept_custom_job(connection, request_id, self.now).map(drop)
                } else {
                    self.server.refuse_custom_job(connection, request_id, "invalid-mining-job-token", self.now)
                };
            }
            _ if b == 0xff => {
                self.leaving.extend(0..4);
                let _ = self.server.reconnect("elsewhere", 1, self.now);
            }
            _ => {
                let payout = Payout::single(&rest[..rest.len().min(30)]).unwrap();
                let _ = self.server.set_payout((b % 3).into(), payout, "", self.now);
            }
        }
        // The clients with an odd name are slow: they take so many bytes and no more until the next step.
        self.drain(b.into());
    }

    fn template(&mut self, a: u8, b: u8, future_template: bool) {
        self.template_id += 1;
        // Now and then the same as the one before but for its number.
        let path = vec![U256([a; 32]); usize::from(b % 3)];
        let message = NewTemplate {
            template_id: self.template_id,
            future_template,
            version: 0x2000_0000,
            coinbase_tx_version: 2,
            coinbase_prefix: &[2, a, b][..usize::from(b % 4)],
            coinbase_tx_input_sequence: u32::MAX,
            coinbase_tx_value_remaining: u64::from(a) * 500,
            coinbase_tx_outputs_count: 1,
            coinbase_tx_outputs: &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0x6a],
            coinbase_tx_locktime: 0,
            merkle_path: List::Items(&path),
        };
        if self.server.new_template(&message, self.now).is_ok() {
            if future_template {
                self.futures.push(self.template_id);
            } else {
                self.is_adrift = false;
            }
        }
    }

    /// A share, good or not, on any job that the client knows.
    fn submit(&mut self, id: u64, a: u8, b: u8, rest: &[u8]) {
        let Some(channel_id) = self.channel_id(id, a >> 4) else { return };
        let Some(channel) = self.readers.get_mut(&id).and_then(|reader| reader.channels.get_mut(&channel_id)) else {
            return;
        };
        let place = channel.live.len().checked_sub(1 + usize::from(b >> 5));
        let Some(job) = place.and_then(|place| channel.live.get(place)) else { return };
        let extranonce = (0..channel.extranonce_size).map(|at| rest.get(at).copied().unwrap_or(0)).collect();
        let nonce = rest.first().copied().unwrap_or(0).into();
        let rolled = Rolled { nonce, ntime: job.min_ntime, version: job.version ^ u32::from(b & 7) << 5, extranonce };
        let is_last = place == Some(channel.live.len() - 1);
        let job_id = job.job_id;
        let good = channel.mine(job, rolled.clone(), 64);
        let rolled = good.as_ref().map_or(rolled, |(rolled, _)| rolled.clone());
        // A block counts also where it does not meet the channel's target.
        let header = channel.header(job, &rolled);
        let hash = header.hash();
        let is_good = good.is_some() || header.target().is_some_and(|target| target.is_met_by(&hash));
        let bytes = channel.share(job_id, &rolled);
        let sequence_number = channel.sequence_number;
        let before = self.accepted.contains(&hash);
        self.verdicts.clear();
        self.receive(id, &bytes);
        self.drain(b.into());
        let verdict =
            self.verdicts.iter().find(|verdict| (verdict.0, verdict.1, verdict.2) == (id, channel_id, sequence_number));
        if Self::is_slow(id) || self.leaving.contains(&id) || !self.channels.contains_key(&(id, channel_id)) {
            return;
        }
        match (is_good, verdict.map(|verdict| verdict.3)) {
            (_, Some(Some(ShareError::DuplicateShare))) => assert!(before),
            (true, Some(None)) => assert!(!before),
            (false, Some(Some(ShareError::DifficultyTooLow))) => {}
            (_, Some(Some(ShareError::StaleShare))) => assert!(self.is_adrift),
            // So many shares of the job are remembered that another one was sent.
            (true, Some(Some(ShareError::InvalidJobId))) => assert!(!is_last),
            // It is closed.
            (_, None) => {}
            (is_good, Some(verdict)) => panic!("{rolled:?}, {is_good}, is {verdict:?}"),
        }
    }

    fn drain(&mut self, slow_reads: usize) {
        let mut slow_reads = slow_reads;
        loop {
            self.do_events();
            let mut quiet = true;
            for connection in self.writable.clone() {
                let Some(reader) = self.readers.get_mut(&connection) else {
                    self.writable.remove(&connection);
                    continue;
                };
                let bytes = self.server.output(connection);
                // The last message counts without its header.
                assert!(bytes.len() <= MAX_OUTPUT + HEADER_LEN);
                if bytes.is_empty() {
                    self.writable.remove(&connection);
                    continue;
                }
                let n = if Self::is_slow(connection) { bytes.len().min(slow_reads) } else { bytes.len() };
                reader.read(&bytes[..n]);
                if Self::is_slow(connection) {
                    slow_reads -= n;
                }
                quiet &= n == 0;
                self.server.sent(connection, n, self.now).unwrap();
            }
            if quiet {
                assert!(self.server.next_event().is_none(), "nothing happened");
                break;
            }
        }
        assert!(self.server.clients() <= MAX_CLIENTS);
        assert_eq!(self.server.channels(), self.channels.len());
        self.check_accounts();
    }

    fn check_accounts(&self) {
        for ((id, channel_id), account) in &self.channels {
            let totals = self.server.channel(*id, *channel_id).expect("it is open").accounting().totals();
            assert_eq!(totals.accepted, account.shares);
            assert!((totals.difficulty - account.difficulty).abs() <= account.difficulty * 1e-9);
            let Some(channel) = self.readers.get(id).and_then(|reader| reader.channels.get(channel_id)) else {
                continue;
            };
            assert!(channel.accepted <= account.shares);
            assert!(channel.shares_sum as f64 <= account.difficulty + 1e-9);
        }
    }

    fn do_events(&mut self) {
        let mut only_blocks = true;
        while let Some(event) = self.server.next_event() {
            only_blocks &= matches!(event, Event::BlockFound(_));
            match event {
                Event::BlockFound(block) => {
                    assert!(only_blocks, "a block comes before all others");
                    assert_eq!(block.header.hash(), block.share.hash);
                    assert!(block.header.target().is_some_and(|target| target.is_met_by(&block.share.hash)));
                }
                Event::OpenChannel(open) => self.open_requests.push((open.connection, open.request_id)),
                Event::SetCustomMiningJob(job) => self.custom_requests.push((job.connection, job.request_id)),
                Event::ChannelOpened(opened) => {
                    let channel = (opened.connection, opened.channel_id);
                    assert!(self.channels.insert(channel, Account::default()).is_none());
                    let of_connection = self.channels.keys().filter(|(id, _)| *id == opened.connection).count();
                    assert!(of_connection <= MAX_CHANNELS);
                }
                Event::ChannelClosed(closed) => {
                    let account = self.channels.remove(&(closed.connection, closed.channel_id)).expect("it was open");
                    assert_eq!(closed.totals.accepted, account.shares);
                }
                Event::ShareAccepted(share) => {
                    assert!(self.accepted.insert(share.hash), "a hash counts once");
                    let account = self.channels.get_mut(&(share.connection, share.channel_id)).expect("it is open");
                    account.shares += 1;
                    account.difficulty += share.difficulty;
                    self.verdicts.push((share.connection, share.channel_id, share.sequence_number, None));
                }
                Event::ShareRejected { connection, channel_id, sequence_number, error, .. } => {
                    self.verdicts.push((connection, channel_id, sequence_number, Some(error)));
                }
                Event::Close { connection, .. } => assert!(self.readers.remove(&connection).is_some()),
                Event::Writable { connection } => {
                    self.writable.insert(connection);
                }
                _ => {}
            }
        }
    }
}

/// Anything that a client may say of itself, at this place of a frame: also what our encoder refuses.
fn set_hash_rate(bytes: &mut [u8], at: usize, b: u8) {
    let rate: f32 = match b {
        0 => f32::NAN,
        1 => -1.0,
        2 => f32::INFINITY,
        3 => f32::MAX,
        4..32 => f32::from(b),
        _ => 0.0,
    };
    bytes[at..at + 4].copy_from_slice(&rate.to_le_bytes());
}

/// From everything, which is most likely, down to nothing.
fn max_target(b: u8) -> U256 {
    let mut target = [0xff; 32];
    target[31] = match b % 16 {
        0 => 0,
        1 => 1,
        n => 0xff >> (n % 3),
    };
    if b == 16 {
        target = [0; 32];
    }
    U256(target)
}

fuzz_target!(|data: &[u8]| {
    let mut options = ServerOptions::plaintext();
    options.index_len = 1;
    options.shares_per_minute = 60.0;
    options.min_hash_rate = 1.0;
    options.work_selection = true;
    options.max_shares_per_job = 4;
    options.past_jobs = mining_reader::PAST_JOBS;
    options.max_future_templates = MAX_FUTURE_TEMPLATES;
    options.max_clients = MAX_CLIENTS;
    options.max_handshakes = 2;
    options.max_handshakes_per_address = 2;
    options.max_clients_per_address = 2;
    options.max_channels = MAX_CHANNELS;
    options.max_pending_requests = 2;
    options.max_custom_jobs = 3;
    options.message_burst = 50;
    options.limits.max_output = MAX_OUTPUT;
    let mut world = World {
        server: Server::new(options, Box::new(Nothing)).unwrap(),
        now: Time { monotonic_ms: 0, unix_s: 1_000 },
        readers: BTreeMap::new(),
        leaving: BTreeSet::new(),
        writable: BTreeSet::new(),
        open_requests: Vec::new(),
        custom_requests: Vec::new(),
        channels: BTreeMap::new(),
        accepted: BTreeSet::new(),
        verdicts: Vec::new(),
        template_id: 0,
        futures: Vec::new(),
        is_adrift: false,
        tip: [0; 32],
        min_ntime: 0,
    };
    let mut rest = data;
    while let [op, a, b, after @ ..] = rest {
        world.step(*op, *a, *b, after);
        rest = after;
    }
});
