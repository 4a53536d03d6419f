//! A server that may say anything, and a host that may do anything, in any order. Whatever they do, what the client writes is a
//! protocol that a server can follow: SetupConnection first and once for each connection, and nothing more before its Success. What
//! the host is told holds: a job to mine on is the channel's active one, on its tip and with a header, a channel that was said to
//! be open is there until it is closed, no more is kept than the options allow, each connection closes once, shares are numbered
//! one by one, as many wait as were submitted and not answered, and the client asks for no deadline that has passed.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use sv2_core::bitcoin::Target;
use sv2_core::frame::{self, Frame};
use sv2_core::message::*;
use sv2_core::mining::client::{Capacity, Client, ClientOptions, Event, JobState, Solution};
use sv2_core::wire::{List, Str, U256};
use sv2_core::{OutOfRandomness, Random, Time};

const CAPACITY: Capacity =
    Capacity { channels: 3, jobs: 3, extended_jobs: 4, extended_job_len: 200, unanswered_shares: 4 };

/// Without encryption nothing is random.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
        Err(OutOfRandomness)
    }
}

struct World {
    client: Client,
    now: Time,
    /// What was written over the present connection.
    stream: Vec<u8>,
    /// Messages of it that were looked at.
    messages: usize,
    is_set_up: bool,
    is_open: bool,
    /// Channels that are open, and how many shares were submitted on each.
    channels: BTreeMap<u32, u64>,
}

impl World {
    fn say<'m>(&mut self, message: &impl Payload<'m>) {
        let mut bytes = [0; 700];
        let len = frame::encode(message, &mut bytes).expect("it is short");
        self.receive(&bytes[..len]);
    }

    fn receive(&mut self, bytes: &[u8]) {
        assert_eq!(self.client.receive(bytes, self.now).is_ok(), self.client.is_connected());
    }

    fn step(&mut self, op: u8, a: u8, b: u8, rest: &[u8]) {
        let few = &rest[..rest.len().min(b.into())];
        let code = Str(&few[..few.len().min(40)]);
        let (channel_id, job_id, request_id) = (u32::from(a % 8), u32::from(b % 8), u32::from(b % 8));
        let min_ntime = (a & 0x10 != 0).then_some(u32::from(b));
        let prefix = &few[..few.len().min((a % 33).into())];
        let group_channel_id = u32::from(a >> 6);
        match op % 20 {
            0 if self.client.connect(self.now).is_ok() => {
                (self.stream, self.messages, self.is_set_up) = (Vec::new(), 0, false);
                self.channels.clear();
                self.is_open = true;
            }
            0 => {}
            1 => {
                self.client.disconnected(self.now);
                self.is_open = false;
            }
            2 => self.receive(few),
            3 => self.say(&SetupConnectionSuccess { used_version: if a < 250 { 2 } else { 3 }, flags: b.into() }),
            4 => self.say(&SetupConnectionError { flags: a.into(), error_code: code }),
            5 => drop(self.client.open_standard("worker", f32::from(a), Target::MAX, self.now)),
            6 => drop(self.client.open_extended("worker", f32::from(a), Target::MAX, b.into(), self.now)),
            7 => self.say(&OpenStandardMiningChannelSuccess {
                request_id,
                channel_id,
                target: U256([a; 32]),
                extranonce_prefix: prefix,
                group_channel_id,
            }),
            8 => self.say(&OpenExtendedMiningChannelSuccess {
                request_id,
                channel_id,
                target: U256([a; 32]),
                extranonce_size: 4,
                extranonce_prefix: prefix,
                group_channel_id,
            }),
            9 => {
                let (version, merkle_root) = (0x2000_0000, U256([b; 32]));
                self.say(&NewMiningJob { channel_id, job_id, min_ntime, version, merkle_root });
            }
            10 => self.say(&NewExtendedMiningJob {
                channel_id,
                job_id,
                min_ntime,
                version: 0x2000_0000,
                version_rolling_allowed: a & 0x20 != 0,
                merkle_path: List::Items(&[U256([a; 32]); 2][..(b % 3).into()]),
                coinbase_tx_prefix: few,
                coinbase_tx_suffix: prefix,
            }),
            11 => {
                let nbits = if b == 255 { 0 } else { 0x207f_ffff };
                let prev_hash = U256([a >> 4; 32]);
                self.say(&SetNewPrevHash { channel_id, job_id, prev_hash, min_ntime: b.into(), nbits });
            }
            12 => self.say(&SetTarget { channel_id, maximum_target: U256([b; 32]) }),
            13 => self.say(&SetExtranoncePrefix { channel_id, extranonce_prefix: prefix }),
            14 => {
                let channel_ids = List::Items(&[1, 2, 3][..(b % 4).into()]);
                self.say(&SetGroupChannel { group_channel_id: channel_id, channel_ids });
            }
            15 => self.submit(channel_id, job_id, b),
            16 => self.say(&SubmitSharesSuccess {
                channel_id,
                last_sequence_number: b.into(),
                new_submits_accepted_count: u32::from(a >> 4),
                new_shares_sum: u64::MAX >> (b % 64),
            }),
            17 => self.say(&SubmitSharesError { channel_id, sequence_number: b.into(), error_code: code }),
            18 if a & 0x80 == 0 => self.say(&CloseChannel { channel_id, reason_code: code }),
            18 => {
                if self.client.close_channel(channel_id, "done", self.now).is_ok() {
                    assert!(self.channels.remove(&channel_id).is_some());
                }
            }
            _ => {
                self.now.monotonic_ms += u64::from(b) << (a % 12);
                self.client.tick(self.now);
                assert!(self.client.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
            }
        }
        // Every other time the socket takes so many bytes and no more.
        self.drain(if op & 0x80 == 0 { usize::MAX } else { b.into() });
        self.check();
    }

    fn submit(&mut self, channel_id: u32, job_id: u32, nonce: u8) {
        let Some(channel) = self.client.channel(channel_id) else { return };
        let extranonce = [nonce; 32];
        let Some(extranonce) = extranonce.get(..channel.extranonce_size()) else { return };
        let ntime = channel.job(job_id).map_or(0, |job| job.min_ntime());
        let solution = Solution { job_id, nonce: nonce.into(), ntime, version: 0x2000_0000, extranonce };
        if let Ok(sequence_number) = self.client.submit(channel_id, &solution, None, self.now) {
            let submitted = self.channels.get_mut(&channel_id).expect("it is open");
            *submitted += 1;
            assert_eq!(u64::from(sequence_number), *submitted);
        }
    }

    fn drain(&mut self, mut writes: usize) {
        loop {
            while let Some(event) = self.client.next_event() {
                match event {
                    Event::Ready { .. } => self.is_set_up = true,
                    Event::ChannelOpened { channel_id, .. } => {
                        assert!(self.channels.insert(channel_id, 0).is_none());
                    }
                    Event::ChannelClosed { channel_id, totals, .. } => {
                        assert_eq!(self.channels.remove(&channel_id), Some(totals.submitted));
                    }
                    Event::NewJob { channel_id, job_id, .. } => {
                        let channel = self.client.channel(channel_id).expect("it has a job");
                        let job = channel.active_job().expect("it is to be mined on");
                        assert_eq!(job.job_id(), job_id);
                        let extranonce = [0; 32];
                        let header = job.header(&extranonce[..channel.extranonce_size()]).expect("it can be hashed");
                        assert_eq!(channel.tip().map(|tip| tip.prev_hash), Some(header.prev_hash));
                    }
                    Event::Close { .. } => assert!(std::mem::take(&mut self.is_open), "it closes twice"),
                    _ => {}
                }
            }
            let bytes = self.client.output();
            let n = bytes.len().min(writes);
            if n == 0 {
                return;
            }
            writes -= n;
            self.stream.extend_from_slice(&bytes[..n]);
            self.client.sent(n, self.now).expect("there were so many");
            self.look_at_stream();
        }
    }

    fn look_at_stream(&mut self) {
        let mut stream = &self.stream[..];
        let mut messages = 0;
        while let Some((frame, rest)) = Frame::split(stream) {
            let message = Message::decode(frame.header.tag(), frame.payload).expect("it can be read");
            assert_eq!(messages == 0, matches!(message, Message::SetupConnection(_)));
            (stream, messages) = (rest, messages + 1);
        }
        assert!(messages <= 1 || self.is_set_up, "more than SetupConnection before its Success");
        self.messages = messages;
    }

    /// No more is kept than the options allow.
    fn check(&self) {
        let channels = self.client.channels();
        assert!(channels.len() <= CAPACITY.channels);
        assert!(channels.iter().map(|channel| channel.channel_id()).eq(self.channels.keys().copied()));
        for channel in channels.iter() {
            assert!(channel.jobs().count() <= CAPACITY.jobs);
            assert!(channel.jobs().filter(|job| job.state() == JobState::Active).count() <= 1);
            assert!(channel.unanswered().count() <= CAPACITY.unanswered_shares);
            let totals = channel.totals();
            assert!(totals.unanswered <= totals.submitted);
            assert_eq!(Some(&totals.submitted), self.channels.get(&channel.channel_id()));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut options = ClientOptions::plaintext();
    options.capacity = CAPACITY;
    options.receive_buffer_len = 512;
    options.send_buffer_len = 2_048;
    options.extensions = vec![EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING];
    let mut world = World {
        client: Client::new(options, Box::new(Nothing)).expect("the options hold nothing long"),
        now: Time { monotonic_ms: 0, unix_s: 0 },
        stream: Vec::new(),
        messages: 0,
        is_set_up: false,
        is_open: false,
        channels: BTreeMap::new(),
    };
    let mut rest = data;
    while let [op, a, b, after @ ..] = rest {
        world.step(*op, *a, *b, after);
        rest = after;
    }
});
