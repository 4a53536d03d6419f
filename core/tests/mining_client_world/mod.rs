//! What the tests of the mining client share: a client with its host and a clock, and a server made of messages.
#![allow(dead_code)] // each test program uses a part of it

use std::sync::Arc;

use sv2_core::bitcoin::{Header, Target, sha256d};
use sv2_core::connection::{Connection, Limits, Role};
use sv2_core::message::{
    CloseChannel, Message, NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannelSuccess,
    OpenStandardMiningChannelSuccess, Payload, SetNewPrevHash, SetupConnectionSuccess,
};
use sv2_core::mining::client::{Client, ClientError, ClientOptions, CloseReason, Event, Solution};
use sv2_core::noise::{Authority, AuthorityKeypair, Identity, SecretKey};
use sv2_core::wire::{List, Str, U256};
use sv2_core::{SystemRandom, Time};

pub const START: Time = Time { monotonic_ms: 1_000_000, unix_s: 1_700_000_000 };
pub const NTIME: u32 = 1_700_000_000;
pub const NBITS: u32 = 0x207f_ffff;
pub const TARGET: U256 = U256([0x55; 32]);
pub const PREFIX: &[u8] = &[1, 2, 3, 4];

/// A client, its host, a server at the other end, and a clock that stands still unless it is told.
pub struct World {
    pub client: Client,
    pub server: Connection,
    pub now: Time,
    /// Events that are not about the socket, as `Debug` shows them.
    pub events: Vec<String>,
    pub logs: Vec<String>,
    pub closed: Vec<CloseReason>,
    /// What the server got: name, and fields as `Debug` shows them.
    pub heard: Vec<String>,
    /// The payloads of that.
    pub payloads: Vec<Vec<u8>>,
}

impl World {
    /// Connected without encryption, not set up.
    pub fn with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let mut options = ClientOptions::plaintext();
        options.vendor.push_str("tests");
        change(&mut options);
        Self::from(options, Connection::plain(Role::Server, Limits::default()))
    }

    /// The same over Noise.
    pub fn noise_with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let (identity, authority) = identity();
        let mut options = ClientOptions::new(authority);
        change(&mut options);
        Self::from(options, Connection::responder(identity, Limits::default()))
    }

    pub fn from(options: ClientOptions, server: Connection) -> Self {
        let client = Client::new(options, Box::new(SystemRandom)).unwrap();
        let mut world = Self {
            client,
            server,
            now: START,
            events: Vec::new(),
            logs: Vec::new(),
            closed: Vec::new(),
            heard: Vec::new(),
            payloads: Vec::new(),
        };
        world.client.connect(world.now).unwrap();
        world.exchange();
        world
    }

    /// Connected, and the server has accepted.
    pub fn ready_with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let mut world = Self::with(change);
        world.accept();
        world.forget();
        world
    }

    pub fn ready() -> Self {
        Self::ready_with(|_| {})
    }

    /// With standard channel 2 of group 1, and work for it: job 1 on the tip of [`prev_hash`]`(1)`.
    pub fn mining() -> Self {
        let mut world = Self::ready();
        world.open_standard(2);
        world.say(&standard_job(2, 1, None));
        world.say(&tip(2, 1, 1));
        world.forget();
        world
    }

    /// With extended channel 2 of group 1, and work for it.
    pub fn mining_extended() -> Self {
        Self::mining_extended_with(|_| {})
    }

    pub fn mining_extended_with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let mut world = Self::ready_with(change);
        world.open_extended(2);
        world.say(&extended_job(2, 1, None));
        world.say(&tip(2, 1, 1));
        world.forget();
        world
    }

    pub fn accept(&mut self) {
        self.say(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    }

    pub fn open_standard(&mut self, channel_id: u32) {
        let request_id = self.client.open_standard("user.worker", 1e12, Target::MAX, self.now).unwrap();
        self.say(&standard_success(request_id, channel_id));
    }

    pub fn open_extended(&mut self, channel_id: u32) {
        let request_id = self.client.open_extended("user.worker", 1e12, Target::MAX, 4, self.now).unwrap();
        self.say(&extended_success(request_id, channel_id));
    }

    /// The server sends a message, and the client takes it in.
    pub fn say<'m>(&mut self, message: &impl Payload<'m>) {
        self.server.send(message).unwrap();
        self.exchange();
    }

    pub fn submit(&mut self, channel_id: u32, solution: &Solution<'_>) -> Result<u32, ClientError> {
        let result = self.client.submit(channel_id, solution, None, self.now);
        self.exchange();
        result
    }

    pub fn tick_after(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_s += ms / 1000;
        self.client.tick(self.now);
        assert!(self.client.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
        self.exchange();
    }

    pub fn forget(&mut self) {
        self.events.clear();
        self.heard.clear();
        self.payloads.clear();
        self.logs.clear();
    }

    pub fn take_events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    pub fn take_heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    /// Bytes go both ways until there are none.
    pub fn exchange(&mut self) {
        loop {
            self.drain();
            let mut to_server = self.client.output().to_vec();
            if !to_server.is_empty() {
                self.client.sent(to_server.len(), self.now).unwrap();
            }
            let mut bytes = &mut to_server[..];
            while let Some(frame) = self.server.next_from(&mut bytes, self.now, &mut SystemRandom).unwrap() {
                let message = Message::decode(frame.header.tag(), frame.payload).unwrap();
                self.heard.push(format!("{message:?}"));
                self.payloads.push(frame.payload.to_vec());
            }
            let to_client = self.server.output().to_vec();
            assert!(self.server.sent(to_client.len()));
            if to_client.is_empty() && self.client.output().is_empty() {
                return;
            }
            for chunk in to_client.chunks(100) {
                if !self.client.is_connected() {
                    break;
                }
                self.hear(chunk);
            }
        }
    }

    /// Bytes come from the socket as a device reads them: into the client's own memory.
    pub fn hear(&mut self, bytes: &[u8]) {
        let room = self.client.room();
        room[..bytes.len()].copy_from_slice(bytes);
        self.client.received(bytes.len(), self.now).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Writable => {}
                Event::Log { text, .. } => self.logs.push(text.to_owned()),
                Event::Close { reason } => self.closed.push(reason),
                event => self.events.push(format!("{event:?}")),
            }
        }
    }
}

pub fn identity() -> (Arc<Identity>, Authority) {
    let authority = AuthorityKeypair::generate(&mut SystemRandom).unwrap();
    let key = SecretKey::generate(&mut SystemRandom).unwrap();
    let (from, until) = (START.unix_s as u32 - 10, START.unix_s as u32 + 100_000_000);
    let identity = Identity::issue(&authority, key, from, until, &mut SystemRandom).unwrap();
    (Arc::new(identity), Authority::Key(authority.public()))
}

pub fn prev_hash(n: u8) -> U256 {
    U256([n; 32])
}

pub fn standard_success(request_id: u32, channel_id: u32) -> OpenStandardMiningChannelSuccess<'static> {
    OpenStandardMiningChannelSuccess {
        request_id,
        channel_id,
        target: TARGET,
        extranonce_prefix: PREFIX,
        group_channel_id: 1,
    }
}

pub fn extended_success(request_id: u32, channel_id: u32) -> OpenExtendedMiningChannelSuccess<'static> {
    OpenExtendedMiningChannelSuccess {
        request_id,
        channel_id,
        target: TARGET,
        extranonce_size: 4,
        extranonce_prefix: PREFIX,
        group_channel_id: 1,
    }
}

/// A job whose merkle root is its id, four bytes eight times.
pub fn standard_job(channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewMiningJob {
    let mut root = [0; 32];
    root.chunks_mut(4).for_each(|chunk| chunk.copy_from_slice(&job_id.to_le_bytes()));
    NewMiningJob { channel_id, job_id, min_ntime, version: 0x2000_0000, merkle_root: U256(root) }
}

pub const COINBASE_PREFIX: &[u8] = &[0xaa; 70];
pub const COINBASE_SUFFIX: &[u8] = &[0xbb; 90];
pub const PATH: [U256; 2] = [U256([7; 32]), U256([8; 32])];

pub fn extended_job(channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob<'static> {
    NewExtendedMiningJob {
        channel_id,
        job_id,
        min_ntime,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: List::Items(&PATH),
        coinbase_tx_prefix: COINBASE_PREFIX,
        coinbase_tx_suffix: COINBASE_SUFFIX,
    }
}

/// The merkle root of [`extended_job`], as the specification's pseudocode has it (spec 5.3.16).
pub fn root_with(extranonce: &[u8]) -> [u8; 32] {
    let coinbase = [COINBASE_PREFIX, extranonce, COINBASE_SUFFIX].concat();
    PATH.iter().fold(sha256d(&coinbase), |root, leaf| sha256d(&[root, leaf.0].concat()))
}

pub fn tip(channel_id: u32, job_id: u32, n: u8) -> SetNewPrevHash {
    SetNewPrevHash { channel_id, job_id, prev_hash: prev_hash(n), min_ntime: NTIME, nbits: NBITS }
}

pub fn close_channel(channel_id: u32, reason: &'static str) -> CloseChannel<'static> {
    CloseChannel { channel_id, reason_code: Str::from(reason) }
}

pub fn solution(job_id: u32) -> Solution<'static> {
    Solution { job_id, nonce: 7, ntime: NTIME, version: 0x2000_0000, extranonce: &[] }
}

/// The header of [`standard_job`].
pub fn header(job_id: u32, tip: u8) -> Header {
    let merkle_root = standard_job(0, job_id, None).merkle_root.0;
    Header { version: 0x2000_0000, prev_hash: prev_hash(tip).0, merkle_root, time: NTIME, nbits: NBITS, nonce: 0 }
}
