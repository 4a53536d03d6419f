//! Miners and upstreams that say anything at any time: the proxy holds what it promises.

mod mining_proxy_world;

use std::collections::BTreeMap;

use sv2_core::frame::HEADER_LEN;
use sv2_core::message::*;
use sv2_core::mining::proxy::{Event, Mode, Proxy};
use sv2_core::{SystemRandom, Time};

use mining_proxy_world::*;

/// Numbers that only look random (xorshift), so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The proxy with peers that are nothing but bytes.
struct Chaos {
    proxy: Proxy,
    now: Time,
    dice: Dice,
    miners: BTreeMap<u64, bool>,
    is_connected: bool,
    is_wanted: bool,
    opened: i64,
}

impl Chaos {
    fn new(mode: Mode, seed: u64) -> Self {
        let mut options = options(mode, 2);
        options.downstream.min_hash_rate = 1.0;
        let proxy = Proxy::new(options, Box::new(SystemRandom)).unwrap();
        let dice = Dice(seed | 1);
        let mut chaos =
            Self { proxy, now: START, dice, miners: BTreeMap::new(), is_connected: false, is_wanted: false, opened: 0 };
        chaos.proxy.tick(chaos.now);
        chaos.drain();
        chaos
    }

    fn drain(&mut self) {
        while let Some(event) = self.proxy.next_event() {
            match event {
                Event::Writable { connection } => {
                    assert!(self.miners.contains_key(&connection), "output for nobody");
                    let len = self.proxy.output(connection).len();
                    self.proxy.sent(connection, len, self.now).unwrap();
                }
                Event::UpstreamWritable => {
                    assert!(self.is_connected, "output for no upstream");
                    let len = self.proxy.upstream_output().len();
                    self.proxy.upstream_sent(len, self.now).unwrap();
                }
                Event::Close { connection, .. } => {
                    assert!(self.miners.remove(&connection).is_some(), "closed twice");
                }
                Event::CloseUpstream { .. } => assert!(std::mem::take(&mut self.is_connected), "closed twice"),
                Event::ConnectUpstream { .. } => {
                    assert!(!self.is_connected && !self.is_wanted, "two upstreams at once");
                    self.is_wanted = true;
                }
                Event::ChannelOpened { .. } => self.opened += 1,
                Event::ChannelClosed { .. } => self.opened -= 1,
                _ => {}
            }
        }
        assert!(self.opened >= 0, "closed more often than opened");
    }

    /// A payload of a message of this type, mostly well formed, with small ids so that they meet.
    fn payload(&mut self, message_type: u8) -> Vec<u8> {
        let mut id = || (self.dice.roll(6) as u32).to_le_bytes();
        let (a, b, c) = (id(), id(), id());
        let easy = [0xff; 32];
        let job = Job::new(0x2000_0000);
        let mut buffer = vec![0; 1_024];
        match message_type {
            0x10 => [&a[..], &[1, b'x'], &[0, 0, 32, 65], &easy].concat(),
            0x13 => [&a[..], &[1, b'x'], &[0, 0, 32, 65], &easy, &[4, 0]].concat(),
            0x11 => [&a[..], &b, &easy, &[20], &[7; 20], &c].concat(),
            0x14 => [&a[..], &b, &easy, &[16, 0], &[4], &PREFIX, &c].concat(),
            0x12 => [&a[..], &[1, b'e']].concat(),
            0x15 => [&a[..], &b, &[1, 0, 0, 0, 0], &c, &easy].concat(),
            0x16 => [&a[..], &[0, 0, 32, 65], &easy].concat(),
            0x18 | 0x17 => [&a[..], &[1, b'r']].concat(),
            0x19 => [&a[..], &[4], &[0xd1, 2, 3, 4]].concat(),
            0x1a => [&a[..], &b, &c, &a, &(START.unix_s as u32).to_le_bytes(), &0x2000_0000_u32.to_le_bytes()].concat(),
            0x1b => {
                let fields = [&a[..], &b, &c, &a, &(START.unix_s as u32).to_le_bytes()].concat();
                [&fields[..], &0x2000_0000_u32.to_le_bytes(), &[13], &[9; 13]].concat()
            }
            0x1c => [&a[..], &b, &c, &[1, 0, 0, 0, 0, 0, 0, 0]].concat(),
            0x1d => [&a[..], &b, &[1, b'e']].concat(),
            0x1f => {
                let min_ntime = (a[0] % 2 == 0).then_some(START.unix_s as u32);
                let message = job.message(u32::from_le_bytes(b), u32::from_le_bytes(c), min_ntime);
                let len = message.encode(&mut buffer).unwrap();
                buffer.truncate(len);
                buffer
            }
            0x20 => [&a[..], &b, &[1; 32], &(START.unix_s as u32).to_le_bytes(), &NBITS.to_le_bytes()].concat(),
            0x21 => [&a[..], &easy].concat(),
            0x25 => [&a[..], &[1, 0], &b].concat(),
            0x00 => setup_payload(),
            0x01 => vec![2, 0, 0, 0, 0, 0],
            _ => [a, b].concat(),
        }
    }

    fn frame(&mut self, types: &[u8]) -> Vec<u8> {
        let message_type = types[self.dice.roll(types.len() as u64) as usize];
        let mut payload = self.payload(message_type);
        // One in fifty is broken.
        if self.dice.roll(50) == 0 {
            payload.truncate(self.dice.roll(1 + payload.len() as u64) as usize);
        }
        let extension = if self.dice.roll(40) == 0 { [0xbc, 0xca] } else { [0, 0] };
        let [l, m, h, _] = (payload.len() as u32).to_le_bytes();
        [&[extension[0], extension[1], message_type, l, m, h], &payload[..]].concat()
    }

    fn step(&mut self) {
        match self.dice.roll(24) {
            0 => {
                let id = self.dice.roll(4);
                if self.proxy.connect(id, None, self.now).is_ok() {
                    assert!(self.miners.insert(id, true).is_none());
                    let hello = frame_of(0x00, &setup_payload());
                    self.proxy.receive(id, &mut hello.clone(), self.now).unwrap();
                }
            }
            1 if self.dice.roll(4) == 0 => {
                let id = self.dice.roll(4);
                self.miners.remove(&id);
                self.proxy.disconnect(id, self.now);
            }
            2 if self.is_wanted => {
                self.is_wanted = false;
                if self.dice.roll(4) == 0 {
                    self.proxy.upstream_disconnected(self.now);
                } else {
                    self.is_connected = true;
                    self.proxy.upstream_connected(self.now).unwrap();
                    let welcome = frame_of(0x01, &[2, 0, 0, 0, 0, 0]);
                    self.proxy.upstream_receive(&mut welcome.clone(), self.now).unwrap();
                }
            }
            3 if self.is_connected && self.dice.roll(20) == 0 => {
                self.is_connected = false;
                self.proxy.upstream_disconnected(self.now);
            }
            4 | 5 => {
                self.now.monotonic_ms += self.dice.roll(2_000);
                self.proxy.tick(self.now);
                let deadline = self.proxy.next_deadline();
                assert!(deadline.is_none_or(|at| at > self.now.monotonic_ms), "a deadline that has passed");
            }
            6..=13 if self.is_connected => {
                let types = [0x11, 0x12, 0x14, 0x15, 0x17, 0x18, 0x19, 0x1c, 0x1d, 0x1f, 0x1f, 0x20, 0x20, 0x21, 0x25];
                let mut bytes = self.frame(&types);
                self.proxy.upstream_receive(&mut bytes, self.now).unwrap();
            }
            _ => {
                let types = [0x10, 0x10, 0x13, 0x13, 0x16, 0x18, 0x1a, 0x1b, 0x1b, 0x1b];
                let mut bytes = self.frame(&types);
                let id = self.dice.roll(4);
                assert_eq!(self.proxy.receive(id, &mut bytes, self.now).is_ok(), self.miners.contains_key(&id));
            }
        }
        self.drain();
    }
}

fn setup_payload() -> Vec<u8> {
    let mut bytes = vec![0; 256];
    let len = setup(0).encode(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

fn frame_of(message_type: u8, payload: &[u8]) -> Vec<u8> {
    let [l, m, h, _] = (payload.len() as u32).to_le_bytes();
    let frame = [&[0, 0, message_type, l, m, h], payload].concat();
    assert_eq!(frame.len(), HEADER_LEN + payload.len());
    frame
}

fn run(mode: Mode) {
    for seed in 1..=12_u64 {
        let mut chaos = Chaos::new(mode, 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        (0..1_500).for_each(|_| chaos.step());
        // When all have gone, nothing is left of them.
        for id in 0..4 {
            chaos.miners.remove(&id);
            chaos.proxy.disconnect(id, chaos.now);
        }
        chaos.drain();
        assert_eq!(chaos.opened, 0, "a channel was opened and never closed");
    }
}

#[test]
fn a_passing_through_proxy_holds_what_it_promises_whatever_peers_say() {
    run(Mode::PassThrough);
}

#[test]
fn an_aggregating_proxy_holds_what_it_promises_whatever_peers_say() {
    run(Mode::Aggregate);
}
