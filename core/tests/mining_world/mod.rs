//! What the tests of the mining server share: a server, a clock, templates, and miners in memory that hash for themselves.
#![allow(dead_code)] // each test program uses a part of it

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use sv2_core::bitcoin::{
    COMMITMENT_SCRIPT_LEN, Hash, Header, Output, Target, commitment_script, height_push, root_from_path, sha256d,
};
use sv2_core::connection::{Connection, Limits, Role};
use sv2_core::message::{
    Message, NewExtendedMiningJob, NewTemplate, OpenExtendedMiningChannel, OpenStandardMiningChannel, PROTOCOL_MINING,
    Payload, SetNewPrevHashTemplate, SetupConnection, SubmitSharesExtended, SubmitSharesStandard,
};
use sv2_core::mining::job::{ExtendedJob, Payout};
use sv2_core::mining::server::{
    ChannelOpened, CloseReason, ConnectionId, Event, FoundBlock, Server, ServerOptions, Share, WorkId,
};
use sv2_core::mining::share::ShareError;
use sv2_core::noise::{Authority, AuthorityKeypair, Identity, SecretKey};
use sv2_core::wire::{Str, U256};
use sv2_core::{SystemRandom, Time};

/// nBits of regtest: every second hash meets it.
pub const REGTEST_NBITS: u32 = 0x207f_ffff;
/// nBits of difficulty 1: no hash of a test meets it.
pub const HARD_NBITS: u32 = 0x1d00_ffff;
/// A target that every second hash meets.
pub const EASY: Target = half();
/// What channels mine that no test says otherwise of.
pub const WORK: WorkId = 7;
/// What all coinbases pay to.
pub const SCRIPT: [u8; 22] = [0; 22];

const fn half() -> Target {
    let mut bytes = [0xff; 32];
    bytes[31] = 0x7f;
    Target(bytes)
}

/// A message that a miner received.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    pub tag: u32,
    pub payload: Vec<u8>,
}

impl Received {
    pub fn message(&self) -> Message<'_> {
        Message::decode(self.tag, &self.payload).unwrap()
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message().fmt(f)
    }
}

/// A server with its host, a clock that stands still unless it is told, and miners.
pub struct World {
    pub server: Server,
    pub now: Time,
    pub authority: Option<Authority>,
    pub miners: BTreeMap<ConnectionId, Connection>,
    /// What each miner received and no test has looked at.
    pub inbox: BTreeMap<ConnectionId, Vec<Received>>,
    /// Events that are not about sockets, nor log lines.
    pub events: Vec<Event>,
    pub logs: Vec<String>,
    pub closed: BTreeMap<ConnectionId, CloseReason>,
    /// Miners that read nothing.
    pub stalled: BTreeSet<ConnectionId>,
    /// In which order the host was told to write.
    pub written: Vec<ConnectionId>,
    last_request: u32,
}

pub fn identity(now: Time) -> (Arc<Identity>, Authority) {
    let random = &mut SystemRandom;
    let authority = AuthorityKeypair::generate(random).unwrap();
    let from = now.unix_s as u32;
    let identity = Identity::issue(&authority, SecretKey::generate(random).unwrap(), from, from + 3600, random);
    (Arc::new(identity.unwrap()), Authority::Key(authority.public()))
}

impl World {
    /// Without encryption, which most tests do not need, and with one payout.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let mut options = ServerOptions { pool_tag: "test".into(), ..ServerOptions::plaintext() };
        change(&mut options);
        Self::from_options(options, None)
    }

    pub fn over_noise() -> Self {
        let (identity, authority) = identity(Self::start());
        Self::from_options(ServerOptions::new(identity), Some(authority))
    }

    pub fn from_options(options: ServerOptions, authority: Option<Authority>) -> Self {
        let mut world = Self {
            server: Server::new(options, Box::new(SystemRandom)).unwrap(),
            now: Self::start(),
            authority,
            miners: BTreeMap::new(),
            inbox: BTreeMap::new(),
            events: Vec::new(),
            logs: Vec::new(),
            closed: BTreeMap::new(),
            stalled: BTreeSet::new(),
            written: Vec::new(),
            last_request: 100,
        };
        world.server.set_payout(WORK, payout(), "miner", world.now).unwrap();
        world
    }

    /// With a template and a tip, of difficulty 1.
    pub fn mining() -> Self {
        let mut world = Self::new();
        world.tip(1, HARD_NBITS);
        world
    }

    fn start() -> Time {
        Time { monotonic_ms: 1_000_000, unix_s: 1_700_000_100 }
    }

    // ---------------------------------------------------------------------------------------------------------- time

    /// Lets time pass; the server does not hear of it.
    pub fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_s += ms / 1000;
    }

    pub fn tick_after(&mut self, ms: u64) {
        self.pass(ms);
        self.server.tick(self.now);
        self.run();
    }

    // ----------------------------------------------------------------------------------------------------- templates

    /// Template `n` and a tip that is named after it.
    pub fn tip(&mut self, n: u8, nbits: u32) {
        self.template(n.into(), true);
        self.prev_hash(n, nbits);
    }

    pub fn template(&mut self, template_id: u64, future: bool) {
        self.server.new_template(&template(template_id, future, &outputs(), &PATH), self.now).unwrap();
        self.run();
    }

    pub fn prev_hash(&mut self, n: u8, nbits: u32) {
        let target = Target::from_nbits(nbits).unwrap();
        self.prev_hash_with(n, nbits, target);
    }

    pub fn prev_hash_with(&mut self, n: u8, nbits: u32, target: Target) {
        self.server.set_new_prev_hash(&set_new_prev_hash(n, nbits, target), self.now).unwrap();
        self.run();
    }

    // -------------------------------------------------------------------------------------------------------- miners

    /// A miner that is connected, its handshake done, and nothing more.
    pub fn connect(&mut self, id: ConnectionId) {
        self.connect_from(id, None);
    }

    pub fn connect_from(&mut self, id: ConnectionId, address: Option<IpAddr>) {
        self.server.connect(id, address, self.now).unwrap();
        let limits = Limits::default();
        let connection = match self.authority {
            Some(authority) => Connection::initiator(authority, limits, &mut SystemRandom).unwrap(),
            None => Connection::plain(Role::Client, limits),
        };
        self.miners.insert(id, connection);
        self.closed.remove(&id);
        self.run();
    }

    /// A miner that is set up, with these flags.
    pub fn set_up(&mut self, id: ConnectionId, flags: u32) {
        if !self.miners.contains_key(&id) {
            self.connect(id);
        }
        self.send(id, &SetupConnection { flags, ..setup() });
        let received = self.take(id);
        let is_success = |one: &Received| matches!(one.message(), Message::SetupConnectionSuccess(_));
        assert!(matches!(received[..], [ref one] if is_success(one)), "{received:?}, closed: {:?}", self.closed);
        self.events.retain(|event| !matches!(event, Event::Connected(_)));
    }

    /// Asks for an extended channel, and the host grants it with an easy target of its own.
    pub fn open_extended(&mut self, id: ConnectionId) -> ChannelOpened {
        self.open(id, true, WORK, Some(EASY))
    }

    pub fn open_standard(&mut self, id: ConnectionId) -> ChannelOpened {
        self.open(id, false, WORK, Some(EASY))
    }

    pub fn open(&mut self, id: ConnectionId, extended: bool, work: WorkId, target: Option<Target>) -> ChannelOpened {
        let request_id = self.ask_channel(id, extended, 1e12);
        self.expect_open_event();
        self.server.accept_channel(id, request_id, work, target, self.now).unwrap();
        self.run();
        match &self.take_events()[..] {
            [Event::ChannelOpened(opened)] => (**opened).clone(),
            other => panic!("{other:?}"),
        }
    }

    pub fn expect_open_event(&mut self) {
        let events = self.take_events();
        assert!(matches!(events[..], [Event::OpenChannel(_)]), "{events:?}");
    }

    /// Asks for a channel for "user"; gives the request_id.
    pub fn ask_channel(&mut self, id: ConnectionId, extended: bool, nominal_hash_rate: f32) -> u32 {
        self.last_request += 1;
        let (request_id, user_identity, max_target) = (self.last_request, Str::from("user"), U256::MAX);
        if extended {
            let min_extranonce_size = 2;
            self.send(
                id,
                &OpenExtendedMiningChannel {
                    request_id,
                    user_identity,
                    nominal_hash_rate,
                    max_target,
                    min_extranonce_size,
                },
            );
        } else {
            self.send(id, &OpenStandardMiningChannel { request_id, user_identity, nominal_hash_rate, max_target });
        }
        request_id
    }

    pub fn send<'m>(&mut self, id: ConnectionId, message: &impl Payload<'m>) {
        self.miners.get_mut(&id).unwrap().send(message).unwrap();
        self.run();
    }

    /// Bytes that no well-behaved client sends. Only without encryption.
    pub fn send_raw(&mut self, id: ConnectionId, bytes: &[u8]) {
        let _ = self.server.receive(id, &mut bytes.to_vec(), self.now);
        self.run();
    }

    pub fn send_frame(&mut self, id: ConnectionId, extension_type: u16, message_type: u8, payload: &[u8]) {
        let [a, b] = extension_type.to_le_bytes();
        let [l, m, h, ..] = (payload.len() as u32).to_le_bytes();
        self.send_raw(id, &[&[a, b, message_type, l, m, h], payload].concat());
    }

    /// A miner's socket closes.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.server.disconnect(id);
        self.miners.remove(&id);
        self.run();
    }

    /// What a miner received since somebody looked.
    pub fn take(&mut self, id: ConnectionId) -> Vec<Received> {
        self.inbox.remove(&id).unwrap_or_default()
    }

    pub fn expect_nothing(&mut self, id: ConnectionId) {
        assert_eq!(self.take(id), [], "miner {id}");
    }

    /// The miner received this message, and nothing else.
    pub fn expect(&mut self, id: ConnectionId, message: Message<'_>) {
        let received = self.take(id);
        let messages: Vec<Message<'_>> = received.iter().map(Received::message).collect();
        assert_eq!(messages, [message], "miner {id}");
    }

    /// The names of what a miner received since somebody looked.
    pub fn take_names(&mut self, id: ConnectionId) -> Vec<&'static str> {
        let name = |received: Received| sv2_core::message::shape(received.tag).unwrap().name;
        self.take(id).into_iter().map(name).collect()
    }

    /// The events since somebody looked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    // -------------------------------------------------------------------------------------------------------- shares

    pub fn submit(&mut self, id: ConnectionId, share: &SubmitSharesExtended<'_>) {
        self.send(id, share);
    }

    pub fn submit_standard(&mut self, id: ConnectionId, share: &SubmitSharesStandard) {
        self.send(id, share);
    }

    /// The only event since somebody looked is an accepted share.
    pub fn expect_accepted(&mut self) -> Share {
        match &self.take_events()[..] {
            [Event::ShareAccepted(share)] => share.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The only event since somebody looked is a rejected share.
    pub fn expect_rejected(&mut self) -> ShareError {
        match &self.take_events()[..] {
            [Event::ShareRejected { error, .. }] => *error,
            other => panic!("{other:?}"),
        }
    }

    /// The events since somebody looked are a block and that its share is accepted.
    pub fn expect_block(&mut self) -> FoundBlock {
        match &self.take_events()[..] {
            [Event::BlockFound(block), Event::ShareAccepted(share)] => {
                assert!(share.is_block);
                (**block).clone()
            }
            other => panic!("{other:?}"),
        }
    }

    // ---------------------------------------------------------------------------------------------------------- loop

    /// The host's loop, and the miners', until nothing happens any more.
    pub fn run(&mut self) {
        loop {
            self.drain();
            let mut quiet = true;
            for (id, miner) in &mut self.miners {
                let mut bytes = miner.output().to_vec();
                miner.sent(bytes.len());
                if !bytes.is_empty() && self.server.receive(*id, &mut bytes, self.now).is_ok() {
                    quiet = false;
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.server.next_event() {
            self.note(event);
        }
    }

    /// Does what an event says.
    pub fn note(&mut self, event: Event) {
        match event {
            Event::Writable { connection } if self.stalled.contains(&connection) => {}
            Event::Writable { connection } => self.write(connection),
            Event::Close { connection, reason } => {
                assert_eq!(self.closed.insert(connection, reason), None);
                self.miners.remove(&connection);
            }
            Event::Log { text, .. } => self.logs.push(text),
            other => self.events.push(other),
        }
    }

    /// Writes to a miner's socket, and lets it read.
    pub fn write(&mut self, id: ConnectionId) {
        self.written.push(id);
        loop {
            let bytes = self.server.output(id).to_vec();
            if bytes.is_empty() {
                return;
            }
            self.server.sent(id, bytes.len(), self.now).unwrap();
            self.read(id, bytes);
        }
    }

    fn read(&mut self, id: ConnectionId, mut bytes: Vec<u8>) {
        let Some(miner) = self.miners.get_mut(&id) else { return };
        let mut rest = &mut bytes[..];
        while let Some(frame) = miner.next_from(&mut rest, self.now, &mut SystemRandom).unwrap() {
            let received = Received { tag: frame.header.tag(), payload: frame.payload.to_vec() };
            self.inbox.entry(id).or_default().push(received);
        }
    }
}

/// A job as a miner has it, and what it needs to hash.
#[derive(Clone, Debug)]
pub struct Job {
    pub channel_id: u32,
    pub job_id: u32,
    pub version: u32,
    pub prefix: Vec<u8>,
    pub suffix: Vec<u8>,
    pub path: Vec<Hash>,
    pub extranonce_prefix: Vec<u8>,
    pub prev_hash: Hash,
    pub nbits: u32,
    pub min_ntime: u32,
}

impl Job {
    /// The job of a message, on tip `n`, for a channel.
    pub fn new(message: &NewExtendedMiningJob<'_>, opened: &ChannelOpened, n: u8, nbits: u32) -> Self {
        Self {
            channel_id: opened.channel_id,
            job_id: message.job_id,
            version: message.version,
            prefix: message.coinbase_tx_prefix.to_vec(),
            suffix: message.coinbase_tx_suffix.to_vec(),
            path: message.merkle_path.iter().map(|node| node.0).collect(),
            extranonce_prefix: opened.extranonce_prefix.to_vec(),
            prev_hash: [n; 32],
            nbits,
            min_ntime: min_ntime(n),
        }
    }

    /// A job that the server shows.
    pub fn of(job: &ExtendedJob, job_id: u32, channel_id: u32, extranonce_prefix: &[u8], n: u8, nbits: u32) -> Self {
        Self {
            channel_id,
            job_id,
            version: job.version(),
            prefix: job.coinbase_tx_prefix().to_vec(),
            suffix: job.coinbase_tx_suffix().to_vec(),
            path: job.merkle_path().iter().map(|node| node.0).collect(),
            extranonce_prefix: extranonce_prefix.to_vec(),
            prev_hash: [n; 32],
            nbits,
            min_ntime: min_ntime(n),
        }
    }

    pub fn coinbase(&self, extranonce: &[u8]) -> Vec<u8> {
        [&self.prefix, &self.extranonce_prefix[..], extranonce, &self.suffix].concat()
    }

    pub fn header(&self, extranonce: &[u8], nonce: u32) -> Header {
        Header {
            version: self.version,
            prev_hash: self.prev_hash,
            merkle_root: root_from_path(&sha256d(&self.coinbase(extranonce)), &self.path),
            time: self.min_ntime,
            nbits: self.nbits,
            nonce,
        }
    }

    /// A nonce from `from` on with which the hash meets the target, or does not.
    pub fn search(&self, extranonce: &[u8], target: &Target, meets: bool, from: u32) -> u32 {
        let mut header = self.header(extranonce, from);
        while target.is_met_by(&header.hash()) != meets {
            header.nonce += 1;
        }
        header.nonce
    }

    /// A share of an extended channel that meets [`EASY`].
    pub fn share<'a>(&self, sequence_number: u32, extranonce: &'a [u8], from: u32) -> SubmitSharesExtended<'a> {
        self.share_with(sequence_number, extranonce, self.search(extranonce, &EASY, true, from))
    }

    pub fn share_with<'a>(&self, sequence_number: u32, extranonce: &'a [u8], nonce: u32) -> SubmitSharesExtended<'a> {
        let (channel_id, job_id) = (self.channel_id, self.job_id);
        let (ntime, version) = (self.min_ntime, self.version);
        SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce }
    }
}

/// SetupConnection as it should be.
pub fn setup() -> SetupConnection<'static> {
    SetupConnection {
        protocol: PROTOCOL_MINING,
        min_version: 2,
        max_version: 2,
        flags: 0,
        endpoint_host: Str::from("127.0.0.1"),
        endpoint_port: 3333,
        vendor: Str::from("tests"),
        hardware_version: Str::from("1"),
        firmware: Str::from("2"),
        device_id: Str::from("three"),
    }
}

pub fn payout() -> Payout {
    Payout::new(&[(&SCRIPT, 1)]).unwrap()
}

/// The merkle path of all templates.
pub const PATH: [U256; 2] = [U256([0x11; 32]), U256([0x22; 32])];

/// The outputs of all templates: a witness commitment.
pub fn outputs() -> Vec<u8> {
    let script: [u8; COMMITMENT_SCRIPT_LEN] = commitment_script(&[0xcc; 32]);
    let mut outputs = Vec::new();
    Output { value: 0, script_pubkey: &script }.serialize_into(&mut outputs);
    outputs
}

pub fn template<'a>(template_id: u64, future: bool, outputs: &'a [u8], path: &'a [U256]) -> NewTemplate<'a> {
    const PREFIX: [u8; 4] = [3, 1, 2, 3];
    debug_assert_eq!(height_push(0x0003_0201)[..], PREFIX);
    NewTemplate {
        template_id,
        future_template: future,
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: const { &PREFIX },
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: 5_000_000_000 + template_id,
        coinbase_tx_outputs_count: 1,
        coinbase_tx_outputs: outputs,
        coinbase_tx_locktime: 99,
        merkle_path: path.into(),
    }
}

/// The header_timestamp of tip `n`.
pub fn min_ntime(n: u8) -> u32 {
    1_700_000_000 + u32::from(n)
}

/// Tip `n`, which activates template `n`.
pub fn set_new_prev_hash(n: u8, nbits: u32, target: Target) -> SetNewPrevHashTemplate {
    SetNewPrevHashTemplate {
        template_id: n.into(),
        prev_hash: U256([n; 32]),
        header_timestamp: min_ntime(n),
        nbits,
        target: U256(target.0),
    }
}

/// The first extended job among messages.
pub fn first_job(received: &[Received], opened: &ChannelOpened, n: u8, nbits: u32) -> Job {
    let job = received.iter().find_map(|one| match one.message() {
        Message::NewExtendedMiningJob(job) => Some(Job::new(&job, opened, n, nbits)),
        _ => None,
    });
    job.expect("an extended job")
}
