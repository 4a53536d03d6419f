//! What the tests of the proxy share: the proxy with its host and a clock, miners and upstreams made of plain connections.
#![allow(dead_code)] // each test program uses a part of it

use std::collections::BTreeMap;

use sv2_core::bitcoin::{Header, Sha256d, root_from_path};
use sv2_core::connection::{Connection, Limits, Role};
use sv2_core::frame;
use sv2_core::message::{
    Message, NewExtendedMiningJob, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    OpenStandardMiningChannel, OpenStandardMiningChannelSuccess, Payload, RequestExtensionsError, SetNewPrevHash,
    SetupConnection, SetupConnectionSuccess, SubmitSharesExtended, SubmitSharesStandard,
};
use sv2_core::mining::proxy::{Channel, Event, Mode, Proxy, ProxyOptions, UpstreamOptions};
use sv2_core::mining::server::{CloseReason, ServerOptions};
use sv2_core::wire::{List, Str, U256};
use sv2_core::{SystemRandom, Time};

pub const START: Time = Time { monotonic_ms: 1_000_000, unix_s: 1_700_000_000 };

/// Every hash meets it.
pub const EASY: U256 = U256::MAX;

/// The upstream's prefix and how many bytes it leaves, in most tests.
pub const PREFIX: [u8; 4] = [0xa1, 0xa2, 0xa3, 0xa4];
pub const SIZE: u16 = 16;

/// The proxy, its host, a clock that stands still unless it is told, and the peers.
pub struct World {
    pub proxy: Proxy,
    pub now: Time,
    /// The present upstream's end of its connection.
    pub upstream: Option<Connection>,
    /// What the upstream was sent, and nobody has looked at.
    pub upstream_heard: Vec<Message<'static>>,
    /// The bytes of that which came last.
    pub upstream_bytes: Vec<u8>,
    pub miners: BTreeMap<u64, Connection>,
    heard: BTreeMap<u64, Vec<Message<'static>>>,
    /// Events that are not about sockets, nor log lines.
    pub events: Vec<Event>,
    pub logs: Vec<String>,
    pub closed: Vec<(u64, CloseReason)>,
    /// Upstreams that the host was asked to connect to and did not yet.
    pub wanted: Vec<(usize, String, u16)>,
    /// Why upstreams were closed.
    pub closed_upstreams: Vec<String>,
}

pub fn options(mode: Mode, upstreams: usize) -> ProxyOptions {
    let upstreams = (0..upstreams).map(|i| UpstreamOptions::plaintext(&format!("pool{i}"), 3333 + i as u16, ""));
    let mut options = ProxyOptions::new(upstreams.collect(), ServerOptions::plaintext());
    options.mode = mode;
    options.vendor = "tests".into();
    options
}

impl World {
    pub fn new(mode: Mode) -> Self {
        Self::with(options(mode, 1))
    }

    /// Nothing is connected; the host was asked for the first upstream.
    pub fn with(options: ProxyOptions) -> Self {
        let mut world = Self {
            proxy: Proxy::new(options, Box::new(SystemRandom)).unwrap(),
            now: START,
            upstream: None,
            upstream_heard: Vec::new(),
            upstream_bytes: Vec::new(),
            miners: BTreeMap::new(),
            heard: BTreeMap::new(),
            events: Vec::new(),
            logs: Vec::new(),
            closed: Vec::new(),
            wanted: Vec::new(),
            closed_upstreams: Vec::new(),
        };
        world.proxy.tick(world.now);
        world.settle();
        world
    }

    pub fn tick_after(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_s += ms / 1000;
        self.proxy.tick(self.now);
        assert!(self.proxy.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
        self.settle();
    }

    // ------------------------------------------------------------------------------------------------------- upstream

    /// The upstream that is wanted accepts the connection and knows no extensions.
    pub fn connect_upstream(&mut self) {
        self.accept_upstream(0);
        self.upstream_says(&RequestExtensionsError {
            request_id: 1,
            unsupported_extensions: List::Items(&[2]),
            required_extensions: List::default(),
        });
        self.upstream_heard.clear();
    }

    /// As before, and what it is asked after that stays to be looked at.
    pub fn connect_upstream_asked(&mut self) {
        self.accept_upstream(0);
        self.upstream_heard.clear();
        self.upstream_says(&RequestExtensionsError {
            request_id: 1,
            unsupported_extensions: List::Items(&[2]),
            required_extensions: List::default(),
        });
    }

    /// It has accepted SetupConnection with these flags.
    pub fn accept_upstream(&mut self, flags: u32) {
        assert!(!self.wanted.is_empty(), "no upstream is wanted");
        self.wanted.clear();
        self.upstream = Some(Connection::plain(Role::Server, Limits::default()));
        self.proxy.upstream_connected(self.now).unwrap();
        self.settle();
        let [Message::SetupConnection(_)] = self.upstream_heard[..] else { panic!("{:?}", self.upstream_heard) };
        self.upstream_says(&SetupConnectionSuccess { used_version: 2, flags });
    }

    /// The connection to the upstream breaks.
    pub fn lose_upstream(&mut self) {
        self.upstream = None;
        self.upstream_heard.clear();
        self.proxy.upstream_disconnected(self.now);
        self.settle();
    }

    pub fn upstream_says<'m>(&mut self, message: &impl Payload<'m>) {
        self.upstream.as_mut().unwrap().send(message).unwrap();
        self.settle();
    }

    /// A frame with these bytes as its payload.
    pub fn upstream_says_raw(&mut self, extension_type: u16, message_type: u8, payload: &[u8]) {
        let header = frame::Header { extension_type, message_type, payload_len: payload.len() };
        let write = |place: &mut [u8]| {
            place.copy_from_slice(payload);
            true
        };
        self.upstream.as_mut().unwrap().send_with(header, write).unwrap();
        self.settle();
    }

    pub fn take_upstream_heard(&mut self) -> Vec<Message<'static>> {
        std::mem::take(&mut self.upstream_heard)
    }

    // --------------------------------------------------------------------------------------------------------- miners

    /// A miner connects and is set up.
    pub fn connect_miner(&mut self, id: u64, flags: u32) {
        self.connect_miner_only(id);
        self.miner_says(id, &setup(flags));
        assert_eq!(
            self.take_heard(id),
            [Message::SetupConnectionSuccess(SetupConnectionSuccess { used_version: 2, flags: 0 })]
        );
    }

    pub fn connect_miner_only(&mut self, id: u64) {
        self.proxy.connect(id, None, self.now).unwrap();
        self.miners.insert(id, Connection::plain(Role::Client, Limits::default()));
        self.settle();
    }

    pub fn miner_says<'m>(&mut self, id: u64, message: &impl Payload<'m>) {
        self.miners.get_mut(&id).unwrap().send(message).unwrap();
        self.settle();
    }

    pub fn miner_says_raw(&mut self, id: u64, extension_type: u16, message_type: u8, payload: &[u8]) {
        let header = frame::Header { extension_type, message_type, payload_len: payload.len() };
        let write = |place: &mut [u8]| {
            place.copy_from_slice(payload);
            true
        };
        self.miners.get_mut(&id).unwrap().send_with(header, write).unwrap();
        self.settle();
    }

    pub fn disconnect_miner(&mut self, id: u64) {
        self.miners.remove(&id);
        self.proxy.disconnect(id, self.now);
        self.settle();
    }

    pub fn take_heard(&mut self, id: u64) -> Vec<Message<'static>> {
        self.heard.remove(&id).unwrap_or_default()
    }

    /// Puts back what a miner heard, to be looked at by others.
    pub fn heard_back(&mut self, id: u64, messages: &[Message<'static>]) {
        let heard = self.heard.entry(id).or_default();
        heard.splice(0..0, messages.iter().copied());
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Miner `id` opens an extended channel, in pass-through: what the upstream was asked, its answer, and what the miner heard.
    /// Gives the miner's channel_id.
    pub fn pass_extended(&mut self, id: u64, upstream_channel: u32, upstream_group: u32) -> u32 {
        self.miner_says(id, &open_extended(7, "miner", 4));
        let [Message::OpenExtendedMiningChannel(asked)] = self.take_upstream_heard()[..] else { panic!() };
        self.upstream_says(&OpenExtendedMiningChannelSuccess {
            request_id: asked.request_id,
            channel_id: upstream_channel,
            target: EASY,
            extranonce_size: SIZE,
            extranonce_prefix: &PREFIX,
            group_channel_id: upstream_group,
        });
        let [Message::OpenExtendedMiningChannelSuccess(opened)] = self.take_heard(id)[..] else { panic!() };
        assert_eq!((opened.request_id, opened.target, opened.extranonce_size), (7, EASY, SIZE));
        assert_eq!(opened.extranonce_prefix, PREFIX);
        opened.channel_id
    }

    /// Likewise a standard channel, whose extranonce is `prefix`.
    pub fn pass_standard(&mut self, id: u64, upstream_channel: u32, upstream_group: u32, prefix: &[u8]) -> u32 {
        self.miner_says(id, &open_standard(8, "miner"));
        let [Message::OpenStandardMiningChannel(asked)] = self.take_upstream_heard()[..] else { panic!() };
        self.upstream_says(&OpenStandardMiningChannelSuccess {
            request_id: asked.request_id,
            channel_id: upstream_channel,
            target: EASY,
            extranonce_prefix: prefix,
            group_channel_id: upstream_group,
        });
        let [Message::OpenStandardMiningChannelSuccess(opened)] = self.take_heard(id)[..] else { panic!() };
        assert_eq!((opened.request_id, opened.target, opened.extranonce_prefix), (8, EASY, prefix));
        opened.channel_id
    }

    // ----------------------------------------------------------------------------------------------------------- host

    /// Carries bytes and does what the events say, until nothing more happens.
    pub fn settle(&mut self) {
        loop {
            let mut any = false;
            while let Some(event) = self.proxy.next_event() {
                any = true;
                self.handle(event);
            }
            any |= self.carry();
            if !any {
                return;
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Writable { connection } => {
                let bytes = self.proxy.output(connection).to_vec();
                self.proxy.sent(connection, bytes.len(), self.now).unwrap();
                let Some(miner) = self.miners.get_mut(&connection) else { return };
                let heard = self.heard.entry(connection).or_default();
                read(miner, bytes, self.now, heard);
            }
            Event::UpstreamWritable => {
                let bytes = self.proxy.upstream_output().to_vec();
                self.proxy.upstream_sent(bytes.len(), self.now).unwrap();
                let Some(upstream) = &mut self.upstream else { return };
                self.upstream_bytes.clone_from(&bytes);
                read(upstream, bytes, self.now, &mut self.upstream_heard);
            }
            Event::Close { connection, reason } => {
                self.miners.remove(&connection);
                self.closed.push((connection, reason));
            }
            Event::ConnectUpstream { upstream, host, port } => self.wanted.push((upstream, host, port)),
            Event::CloseUpstream { reason, .. } => {
                self.upstream = None;
                self.upstream_heard.clear();
                self.closed_upstreams.push(reason.to_string());
            }
            Event::Log { text, .. } => self.logs.push(text),
            other => self.events.push(other),
        }
    }

    /// From the peers to the proxy.
    fn carry(&mut self) -> bool {
        let mut any = false;
        for id in self.miners.keys().copied().collect::<Vec<_>>() {
            let Some(miner) = self.miners.get_mut(&id) else { continue };
            let mut bytes = take_output(miner);
            if !bytes.is_empty() {
                any = true;
                self.proxy.receive(id, &mut bytes, self.now).unwrap();
            }
        }
        if let Some(upstream) = &mut self.upstream {
            let mut bytes = take_output(upstream);
            if !bytes.is_empty() {
                any = true;
                self.proxy.upstream_receive(&mut bytes, self.now).unwrap();
            }
        }
        any
    }
}

fn take_output(connection: &mut Connection) -> Vec<u8> {
    let bytes = connection.output().to_vec();
    assert!(connection.sent(bytes.len()));
    bytes
}

/// What a peer reads, as messages. Their bytes are never freed: a test ends soon.
fn read(connection: &mut Connection, mut bytes: Vec<u8>, now: Time, heard: &mut Vec<Message<'static>>) {
    let mut bytes = &mut bytes[..];
    while let Some(frame) = connection.next_from(&mut bytes, now, &mut SystemRandom).unwrap() {
        let payload: &'static [u8] = Box::leak(frame.payload.to_vec().into_boxed_slice());
        heard.push(Message::decode(frame.header.tag(), payload).unwrap());
    }
}

// ------------------------------------------------------------------------------------------------------------- messages

pub fn setup(flags: u32) -> SetupConnection<'static> {
    SetupConnection { protocol: 0, min_version: 2, max_version: 2, flags, ..SetupConnection::default() }
}

pub fn open_standard(request_id: u32, user: &str) -> OpenStandardMiningChannel<'_> {
    OpenStandardMiningChannel {
        request_id,
        user_identity: Str::from(user),
        nominal_hash_rate: 1e9,
        max_target: U256::MAX,
    }
}

pub fn open_extended(request_id: u32, user: &str, min_extranonce_size: u16) -> OpenExtendedMiningChannel<'_> {
    OpenExtendedMiningChannel {
        request_id,
        user_identity: Str::from(user),
        nominal_hash_rate: 1e9,
        max_target: U256::MAX,
        min_extranonce_size,
    }
}

/// The coinbase before an extranonce of `len` bytes: a scriptSig with a height and a push of the extranonce.
pub fn coinbase_prefix(len: usize) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.extend([0; 32]);
    bytes.extend([0xff; 4]);
    bytes.push(u8::try_from(3 + 1 + len).unwrap());
    bytes.extend([2, 101, 0, len as u8]);
    bytes
}

/// The coinbase from the extranonce on: one output.
pub fn coinbase_suffix() -> Vec<u8> {
    let mut bytes = vec![0xff; 4];
    bytes.push(1);
    bytes.extend(5_000_000_000_u64.to_le_bytes());
    bytes.extend([1, 0x51, 0, 0, 0, 0]);
    bytes
}

pub const PATH: [U256; 2] = [U256([0x11; 32]), U256([0x22; 32])];

/// A job for a full extranonce of the usual length, with a coinbase that tells it from others.
pub struct Job {
    pub prefix: Vec<u8>,
    pub suffix: Vec<u8>,
    pub version: u32,
}

impl Job {
    pub fn new(version: u32) -> Self {
        Self::with_len(version, PREFIX.len() + usize::from(SIZE))
    }

    pub fn with_len(version: u32, len: usize) -> Self {
        Self { prefix: coinbase_prefix(len), suffix: coinbase_suffix(), version }
    }

    pub fn message(&self, channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob<'_> {
        NewExtendedMiningJob {
            channel_id,
            job_id,
            min_ntime,
            version: self.version,
            version_rolling_allowed: true,
            merkle_path: List::Items(&PATH),
            coinbase_tx_prefix: &self.prefix,
            coinbase_tx_suffix: &self.suffix,
        }
    }

    pub fn merkle_root(&self, extranonce: &[u8]) -> U256 {
        let coinbase = Sha256d::new().with(&self.prefix).with(extranonce).with(&self.suffix);
        U256(root_from_path(&coinbase.finish(), PATH.iter().map(|hash| hash.0)))
    }

    /// The header of a share on the tip of [`prev_hash`] `n`.
    pub fn header(&self, n: u8, extranonce: &[u8], nonce: u32) -> Header {
        Header {
            version: self.version,
            prev_hash: [n; 32],
            merkle_root: self.merkle_root(extranonce).0,
            time: START.unix_s as u32,
            nbits: NBITS,
            nonce,
        }
    }
}

/// The difficulty of mainnet in 2026, more or less: no test finds a block by chance.
pub const NBITS: u32 = 0x1702_2e00;

pub fn prev_hash(channel_id: u32, job_id: u32, n: u8) -> SetNewPrevHash {
    SetNewPrevHash { channel_id, job_id, prev_hash: U256([n; 32]), min_ntime: START.unix_s as u32, nbits: NBITS }
}

pub fn standard_share(channel_id: u32, sequence_number: u32, job_id: u32, nonce: u32) -> SubmitSharesStandard {
    SubmitSharesStandard {
        channel_id,
        sequence_number,
        job_id,
        nonce,
        ntime: START.unix_s as u32,
        version: 0x2000_0000,
    }
}

pub fn extended_share(
    channel_id: u32,
    sequence_number: u32,
    job_id: u32,
    extranonce: &[u8],
) -> SubmitSharesExtended<'_> {
    SubmitSharesExtended {
        channel_id,
        sequence_number,
        job_id,
        nonce: 77,
        ntime: START.unix_s as u32,
        version: 0x2000_0000,
        extranonce,
    }
}

pub fn channel(connection: u64, channel_id: u32) -> Channel {
    Channel { connection, channel_id }
}
