//! An upstream and three miners that may say anything, and a host that may do anything, in any order. Whatever they do, what the
//! proxy writes is a protocol that both sides can follow: to the upstream SetupConnection first and once for each connection, and
//! nothing more before its Success. A share that a miner sent is answered at once in aggregation; in pass-through it is refused here
//! at most once. What went up is reported as refused at most once, and only if it was accepted here. There are no more channels and
//! bytes than the options allow, each connection closes once, one upstream is wanted at a time, and the proxy asks for no deadline
//! that has passed. When all have gone, nothing is left of them.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use sv2_core::frame::{self, Frame};
use sv2_core::message::*;
use sv2_core::mining::proxy::{Channel, Event, Mode, Proxy, ProxyOptions, UpstreamOptions};
use sv2_core::mining::server::ServerOptions;
use sv2_core::wire::{List, Str, U256};
use sv2_core::{OutOfRandomness, Random, Time};

const MAX_CHANNELS: usize = 3;
const MAX_OUTPUT: usize = 3_000;
const START: Time = Time { monotonic_ms: 1_000, unix_s: 1_700_000_000 };
const EASY: U256 = U256::MAX;

/// Without encryption nothing is random.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
        Err(OutOfRandomness)
    }
}

/// A miner's end of its connection.
#[derive(Default)]
struct Miner {
    /// Whether it has said something that is no frame: then it is not known what the proxy reads as a share.
    is_garbled: bool,
    is_set_up: bool,
    channels: BTreeSet<u32>,
    /// Its shares that must be answered here and were not, and those that were.
    unanswered: BTreeSet<u32>,
    answered: BTreeSet<u32>,
    /// Those that were found good here and wanted by the upstream, and not refused since.
    gone_up: BTreeSet<u32>,
    submitted: u32,
    stream: Vec<u8>,
}

struct World {
    proxy: Proxy,
    mode: Mode,
    now: Time,
    miners: BTreeMap<u64, Miner>,
    is_wanted: bool,
    is_connected: bool,
    /// Whether the upstream has accepted the connection.
    is_set_up: bool,
    /// What was written over the present connection, and how many messages of it were looked at.
    stream: Vec<u8>,
    messages: usize,
}

fn encoded<'m>(message: &impl Payload<'m>) -> Vec<u8> {
    let mut bytes = [0; 700];
    let len = frame::encode(message, &mut bytes).expect("it is short");
    bytes[..len].to_vec()
}

impl World {
    fn new(mode: Mode) -> Self {
        let mut downstream = ServerOptions::plaintext();
        downstream.min_hash_rate = 1.0;
        downstream.max_clients = 2;
        downstream.max_channels = MAX_CHANNELS;
        downstream.limits.max_output = MAX_OUTPUT;
        let upstreams = ["pool0", "pool1"].map(|host| UpstreamOptions::plaintext(host, 3333, ""));
        let mut options = ProxyOptions::new(upstreams.to_vec(), downstream);
        options.mode = mode;
        options.work_selection = true;
        options.max_held_shares = 3;
        options.upstream_limits.max_output = MAX_OUTPUT;
        Self {
            proxy: Proxy::new(options, Box::new(Nothing)).expect("the options hold nothing long"),
            mode,
            now: START,
            miners: BTreeMap::new(),
            is_wanted: false,
            is_connected: false,
            is_set_up: false,
            stream: Vec::new(),
            messages: 0,
        }
    }

    // ---------------------------------------------------------------------------------------------------------- peers

    fn upstream_says<'m>(&mut self, message: &impl Payload<'m>) {
        self.upstream_writes(&encoded(message));
    }

    fn upstream_writes(&mut self, bytes: &[u8]) {
        assert_eq!(self.proxy.upstream_receive(&mut bytes.to_vec(), self.now).is_ok(), self.is_connected);
    }

    fn miner_says<'m>(&mut self, id: u64, message: &impl Payload<'m>) {
        self.miner_writes(id, &encoded(message));
    }

    fn miner_writes(&mut self, id: u64, bytes: &[u8]) {
        let is_ok = self.proxy.receive(id, &mut bytes.to_vec(), self.now).is_ok();
        assert_eq!(is_ok, self.miners.contains_key(&id));
    }

    /// The next number for a share of this miner.
    fn next_share(&mut self, id: u64) -> u32 {
        let Some(miner) = self.miners.get_mut(&id) else { return 0 };
        miner.submitted += 1;
        if miner.is_set_up && !miner.is_garbled {
            miner.unanswered.insert(miner.submitted);
        }
        miner.submitted
    }

    fn step(&mut self, op: u8, a: u8, b: u8, rest: &[u8]) {
        let few = &rest[..rest.len().min(b.into())];
        match op % 32 {
            0..16 => self.miner_step(op % 16, u64::from(a % 3), a, b, few),
            16..31 => self.upstream_step(op % 32, a, b, few),
            _ => {
                self.now.monotonic_ms += u64::from(b) << (a % 14);
                self.now.unix_s = START.unix_s + self.now.monotonic_ms / 1_000;
                self.proxy.tick(self.now);
                assert!(self.proxy.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
            }
        }
        // Every other time the sockets take so many bytes and no more.
        self.drain(if op & 0x80 == 0 { usize::MAX } else { b.into() });
        self.check();
    }

    fn miner_step(&mut self, op: u8, id: u64, a: u8, b: u8, few: &[u8]) {
        let name = Str(&few[..few.len().min(20)]);
        let (channel_id, job_id) = (u32::from(a >> 2) % 6, u32::from(b % 6));
        let (request_id, nominal_hash_rate) = (b.into(), f32::from(a));
        let (ntime, version, nonce) = (START.unix_s as u32, 0x2000_0000, b.into());
        match op {
            0 if self.proxy.connect(id, None, self.now).is_ok() => {
                assert!(self.miners.insert(id, Miner::default()).is_none());
            }
            1 if a & 0xc0 == 0 => {
                self.miners.remove(&id);
                self.proxy.disconnect(id, self.now);
            }
            2 => {
                if let Some(miner) = self.miners.get_mut(&id) {
                    miner.is_garbled = true;
                    miner.unanswered.clear();
                }
                self.miner_writes(id, few);
            }
            0 | 1 | 3 => {
                let flags = if b < 128 { FLAG_REQUIRES_STANDARD_JOBS } else { 0 };
                let setup =
                    SetupConnection { protocol: 0, min_version: 2, max_version: 2, flags, ..Default::default() };
                self.miner_says(id, &setup);
            }
            4 | 5 => self.miner_says(
                id,
                &OpenStandardMiningChannel { request_id, user_identity: name, nominal_hash_rate, max_target: EASY },
            ),
            6 | 7 => self.miner_says(
                id,
                &OpenExtendedMiningChannel {
                    request_id,
                    user_identity: name,
                    nominal_hash_rate,
                    max_target: EASY,
                    min_extranonce_size: (b % 9).into(),
                },
            ),
            8 => {
                self.miner_says(id, &UpdateChannel { channel_id, nominal_hash_rate, maximum_target: U256([b; 32]) });
            }
            9 if a & 0xc0 == 0 => self.miner_says(id, &CloseChannel { channel_id, reason_code: name }),
            9 | 10 => {
                let requested_extensions = List::Items(&[2, 7][..(b % 3).into()]);
                self.miner_says(id, &RequestExtensions { request_id: b.into(), requested_extensions });
            }
            11 => self.miner_writes(id, &[&[0xbc, 0x8a, 3, 4, 0, 0], &channel_id.to_le_bytes()[..]].concat()),
            12 | 13 => {
                let sequence_number = self.next_share(id);
                self.miner_says(
                    id,
                    &SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version },
                );
            }
            _ => {
                let sequence_number = self.next_share(id);
                let extranonce = &[a; 32][..(b / 6 % 33).into()];
                self.miner_says(
                    id,
                    &SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce },
                );
            }
        }
    }

    fn upstream_step(&mut self, op: u8, a: u8, b: u8, few: &[u8]) {
        let code = Str(&few[..few.len().min(40)]);
        let (channel_id, job_id, request_id) = (u32::from(a % 6), u32::from(b % 6), u32::from(b % 6));
        let group_channel_id = u32::from(a >> 5);
        let prefix = &[a; 32][..(b >> 3).into()];
        let min_ntime = (a & 0x10 != 0).then_some(START.unix_s as u32);
        match op {
            16 if std::mem::take(&mut self.is_wanted) => {
                (self.is_connected, self.is_set_up) = (true, false);
                (self.stream, self.messages) = (Vec::new(), 0);
                self.proxy.upstream_connected(self.now).expect("it is wanted");
            }
            17 if a & 0xc0 == 0 => {
                self.proxy.upstream_disconnected(self.now);
                (self.is_wanted, self.is_connected) = (false, false);
            }
            18 => self.upstream_writes(few),
            16 | 17 | 19 => {
                let used_version = if a < 250 { 2 } else { 3 };
                self.upstream_says(&SetupConnectionSuccess { used_version, flags: (b & 7).into() });
            }
            20 => {
                let supported_extensions = List::Items(&[2, 7][..(b % 3).into()]);
                self.upstream_says(&RequestExtensionsSuccess { request_id: 1, supported_extensions });
            }
            21 => self.upstream_says(&OpenStandardMiningChannelSuccess {
                request_id,
                channel_id,
                target: EASY,
                extranonce_prefix: prefix,
                group_channel_id,
            }),
            22 => self.upstream_says(&OpenExtendedMiningChannelSuccess {
                request_id,
                channel_id,
                target: EASY,
                extranonce_size: (b >> 3).into(),
                extranonce_prefix: &[a; 4],
                group_channel_id,
            }),
            23 if a & 0x80 == 0 => self.upstream_says(&OpenMiningChannelError { request_id, error_code: code }),
            23 => self.upstream_says(&CloseChannel { channel_id, reason_code: code }),
            24 => self.upstream_says(&NewExtendedMiningJob {
                channel_id,
                job_id,
                min_ntime,
                version: 0x2000_0000,
                version_rolling_allowed: a & 0x20 != 0,
                merkle_path: List::Items(&[U256([b; 32]); 2][..(b % 3).into()]),
                coinbase_tx_prefix: &coinbase_prefix(b),
                coinbase_tx_suffix: &coinbase_suffix(few),
            }),
            25 => {
                let (version, merkle_root) = (0x2000_0000, U256([b; 32]));
                self.upstream_says(&NewMiningJob { channel_id, job_id, min_ntime, version, merkle_root });
            }
            26 => {
                let nbits = if b & 0x80 == 0 { 0x207f_ffff } else { 0x1702_2e00 };
                let (prev_hash, min_ntime) = (U256([a >> 5; 32]), START.unix_s as u32);
                self.upstream_says(&SetNewPrevHash { channel_id, job_id, prev_hash, min_ntime, nbits });
            }
            27 if a & 0x80 == 0 => self.upstream_says(&SetTarget { channel_id, maximum_target: U256([b; 32]) }),
            27 => self.upstream_says(&SetExtranoncePrefix { channel_id, extranonce_prefix: prefix }),
            28 => {
                let channel_ids = List::Items(&[1, 2, 3][..(b % 4).into()]);
                self.upstream_says(&SetGroupChannel { group_channel_id, channel_ids });
            }
            29 if a & 0x80 == 0 => self.upstream_says(&SubmitSharesSuccess {
                channel_id,
                last_sequence_number: b.into(),
                new_submits_accepted_count: u32::from(a >> 4),
                new_shares_sum: u64::MAX >> (b % 64),
            }),
            29 => self.upstream_says(&SubmitSharesError { channel_id, sequence_number: b.into(), error_code: code }),
            _ if b == 0 => self.upstream_says(&Reconnect { new_host: code, new_port: a.into() }),
            _ => self.upstream_writes(&[&[0xbc, 0x8a, 3, 4, 0, 0], &channel_id.to_le_bytes()[..]].concat()),
        }
    }

    // ----------------------------------------------------------------------------------------------------------- host

    fn drain(&mut self, writes: usize) {
        let mut written = BTreeSet::new();
        while let Some(event) = self.proxy.next_event() {
            match event {
                Event::Writable { connection } => {
                    assert!(self.miners.contains_key(&connection), "output for nobody");
                    written.insert(Some(connection));
                }
                Event::UpstreamWritable => {
                    assert!(self.is_connected, "output for no upstream");
                    written.insert(None);
                }
                Event::Close { connection, .. } => {
                    assert!(self.miners.remove(&connection).is_some(), "closed twice");
                    written.remove(&Some(connection));
                }
                Event::CloseUpstream { .. } => {
                    assert!(std::mem::take(&mut self.is_connected), "closed twice");
                    written.remove(&None);
                }
                Event::ConnectUpstream { .. } => {
                    assert!(!self.is_connected && !std::mem::replace(&mut self.is_wanted, true), "two upstreams");
                }
                Event::UpstreamReady { .. } => self.is_set_up = true,
                other => self.account(&other),
            }
            // The sockets that can be written to, now and then in another order than they were announced.
            for place in std::mem::take(&mut written) {
                self.write(place, writes);
            }
        }
    }

    fn write(&mut self, place: Option<u64>, writes: usize) {
        let Some(id) = place else {
            let output = self.proxy.upstream_output();
            let n = output.len().min(writes);
            self.stream.extend_from_slice(&output[..n]);
            self.proxy.upstream_sent(n, self.now).expect("it was in the output");
            return self.look_at_upstream();
        };
        let Some(miner) = self.miners.get_mut(&id) else { return };
        let output = self.proxy.output(id);
        let n = output.len().min(writes);
        miner.stream.extend_from_slice(&output[..n]);
        self.proxy.sent(id, n, self.now).expect("it was in the output");
        let mut rest = &miner.stream[..];
        while let Some((frame, after)) = Frame::split(rest) {
            let message = Message::decode(frame.header.tag(), frame.payload);
            miner.is_set_up |= matches!(message, Ok(Message::SetupConnectionSuccess(_)));
            rest = after;
        }
        miner.stream = rest.to_vec();
    }

    fn look_at_upstream(&mut self) {
        let mut rest = &self.stream[..];
        while let Some((frame, after)) = Frame::split(rest) {
            let is_setup = frame.header.tag() == SetupConnection::SHAPE.tag;
            assert_eq!(is_setup, self.messages == 0, "SetupConnection is the first, and the only one");
            self.messages += 1;
            rest = after;
        }
        self.stream = rest.to_vec();
    }

    /// What the host is told of channels and shares.
    fn account(&mut self, event: &Event) {
        let (Event::ChannelOpened { channel, .. }
        | Event::ChannelClosed { channel }
        | Event::ShareAccepted { channel, .. }
        | Event::ShareRejected { channel, .. }
        | Event::UpstreamRejected { channel: Some(channel), .. }) = event
        else {
            return;
        };
        // What is told of a miner after it has gone is of no consequence.
        let Channel { connection, channel_id } = *channel;
        let Some(miner) = self.miners.get_mut(&connection) else { return };
        match event {
            Event::ChannelOpened { .. } => assert!(miner.channels.insert(channel_id), "opened twice"),
            Event::ChannelClosed { .. } => assert!(miner.channels.remove(&channel_id), "closed twice"),
            _ if miner.is_garbled => {}
            Event::ShareAccepted { sequence_number, for_upstream, .. } => {
                miner.unanswered.remove(sequence_number);
                assert!(miner.answered.insert(*sequence_number), "answered twice");
                if *for_upstream {
                    miner.gone_up.insert(*sequence_number);
                }
            }
            Event::ShareRejected { sequence_number, .. } => {
                miner.unanswered.remove(sequence_number);
                assert!(miner.answered.insert(*sequence_number), "answered twice");
            }
            Event::UpstreamRejected { sequence_number, .. } if self.mode == Mode::Aggregate => {
                assert!(miner.gone_up.remove(sequence_number), "refused twice, or never accepted");
            }
            _ => {}
        }
    }

    fn check(&mut self) {
        for (id, miner) in &self.miners {
            assert!(miner.channels.len() <= MAX_CHANNELS);
            let waiting = self.proxy.output(*id).len();
            assert!(waiting <= MAX_OUTPUT);
            // In pass-through it is the upstream that answers, if it wants to. One that is about to be closed and still has
            // something to read is not listened to.
            let must_be_answered = self.mode == Mode::Aggregate && waiting == 0;
            assert!(!must_be_answered || miner.unanswered.is_empty(), "a share without an answer");
        }
        assert!(self.proxy.upstream_output().len() <= MAX_OUTPUT);
        assert_eq!(self.proxy.upstream().is_some(), self.is_connected && self.is_set_up);
    }

    /// All go, and the host is told of nobody afterwards.
    fn end(mut self) {
        for id in std::mem::take(&mut self.miners).into_keys() {
            self.proxy.disconnect(id, self.now);
        }
        self.proxy.upstream_disconnected(self.now);
        (self.is_wanted, self.is_connected) = (false, false);
        self.drain(usize::MAX);
        self.now.monotonic_ms += 120_000;
        self.proxy.tick(self.now);
        while let Some(event) = self.proxy.next_event() {
            assert!(matches!(
                event,
                Event::ConnectUpstream { .. } | Event::Log { .. } | Event::UpstreamRejected { .. }
            ));
        }
    }
}

/// The coinbase before an extranonce of `len` bytes: a scriptSig with a height and a push of the extranonce.
fn coinbase_prefix(len: u8) -> Vec<u8> {
    let len = len % 40;
    [&[2, 0, 0, 0, 1][..], &[0; 32], &[0xff; 4], &[4 + len, 2, 101, 0, len]].concat()
}

/// The coinbase from the extranonce on: one output, or what comes.
fn coinbase_suffix(few: &[u8]) -> Vec<u8> {
    match few {
        [1, rest @ ..] => rest.to_vec(),
        _ => [&[0xff; 4][..], &[1], &5_000_000_000_u64.to_le_bytes(), &[1, 0x51, 0, 0, 0, 0]].concat(),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, mut rest)) = data.split_first() else { return };
    let mut world = World::new(if mode & 1 == 0 { Mode::Aggregate } else { Mode::PassThrough });
    while let [op, a, b, after @ ..] = rest {
        world.step(*op, *a, *b, after);
        rest = after;
    }
    world.end();
});
