//! A provider that may say anything, and a host that may do anything, in any order. Whatever they do, what the client writes is
//! a protocol that a provider can follow: SetupConnection first and once for each connection, and nothing more before its
//! Success. What the host is told holds: a template that came can be looked at until it is said to be forgotten, the one to
//! mine on has a tip, no more is kept than the options allow, each connection closes once, each request has one answer, a
//! solution (none becomes the tip here) is kept or reported as given up, one that is said not to have arrived was not written, and
//! the client asks for no deadline that has passed.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use sv2_core::frame::Frame;
use sv2_core::message::{CoinbaseOutputConstraints, Message, SubmitSolution};
use sv2_core::template::TemplateClient;
use sv2_core::template::client::{ClientOptions, Event, Submission};
use sv2_core::{OutOfRandomness, Random, Time};

const MAX_FUTURE_TEMPLATES: usize = 2;
const MAX_TEMPLATES: usize = 3;
const MAX_PENDING_SOLUTIONS: usize = 2;

/// Without encryption nothing is random.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
        Err(OutOfRandomness)
    }
}

struct World {
    client: TemplateClient,
    now: Time,
    /// What was written over the present connection.
    stream: Vec<u8>,
    /// Messages of it that were looked at.
    messages: usize,
    is_set_up: bool,
    templates: BTreeSet<u64>,
    /// How many requests for a template wait.
    requests: BTreeMap<u64, usize>,
    /// Solutions, by their nonces, that were not reported as given up, and how many there were in all.
    solutions: BTreeSet<u32>,
    submitted: u32,
    /// Those that were written.
    arrived: BTreeSet<u32>,
    writable: bool,
}

impl World {
    fn receive(&mut self, bytes: &[u8]) {
        let is_connected = self.client.is_connected();
        assert_eq!(self.client.receive(&mut bytes.to_vec(), self.now).is_ok(), is_connected);
        if is_connected && !bytes.is_empty() {
            assert_eq!(self.client.last_heard(), Some(self.now));
        }
    }

    fn frame(&mut self, message_type: u8, payload: &[u8]) {
        let [l, m, h, ..] = (payload.len() as u32).to_le_bytes();
        self.receive(&[&[0, 0, message_type, l, m, h], payload].concat());
    }

    fn step(&mut self, op: u8, a: u8, b: u8, rest: &[u8]) {
        let few = &rest[..rest.len().min(b.into())];
        let id = u64::from(a % 16);
        match op % 13 {
            0 => {
                if self.client.connect(self.now).is_ok() {
                    (self.stream, self.messages, self.is_set_up) = (Vec::new(), 0, false);
                }
            }
            1 => self.client.disconnected(self.now),
            2 => self.receive(few),
            3 => self.frame(0x01, &[if a < 250 { 2 } else { a }, 0, b, 0, 0, 0]),
            4 => self.frame(0x02, &[&[0, 0, 0, 0, few.len() as u8], few].concat()),
            5 | 6 => self.frame(0x71, &new_template(id, op % 13 == 5, b)),
            7 => {
                let hash = [b % 4; 32];
                self.frame(
                    0x72,
                    &[&id.to_le_bytes()[..], &hash, &[9; 4], &[0xff, 0xff, 0x7f, 0x20], &[a; 32]].concat(),
                );
            }
            8 => {
                let transaction = [&[few.len() as u8, 0, 0][..], few].concat();
                self.frame(0x74, &[&id.to_le_bytes()[..], &[0, 0, 1, 0], &transaction].concat());
            }
            9 => self.frame(0x75, &[&id.to_le_bytes()[..], &[few.len() as u8], few].concat()),
            10 => {
                if self.client.request_transaction_data(id, self.now).is_ok() {
                    self.requests.insert(id, 1);
                }
            }
            11 => {
                let (header_timestamp, header_nonce) = (b.into(), self.submitted);
                let solution =
                    SubmitSolution { template_id: id, version: 2, header_timestamp, header_nonce, coinbase_tx: few };
                let submission = self.client.submit_solution(&solution, self.now).expect("it is short");
                assert!(submission == Submission::Kept || self.client.is_ready());
                self.solutions.insert(header_nonce);
                self.submitted += 1;
            }
            _ if a & 1 == 0 => self.client.set_constraints(b.into(), a.into(), self.now).expect("they are small"),
            _ => {
                self.now.monotonic_ms += u64::from(b) << (a % 12);
                self.client.tick(self.now);
                assert!(self.client.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
            }
        }
        // Every other time the socket takes so many bytes and no more.
        self.drain(if op & 0x80 == 0 { usize::MAX } else { b.into() });
    }

    fn drain(&mut self, mut writes: usize) {
        loop {
            self.do_events();
            let bytes = self.client.output();
            let n = bytes.len().min(writes);
            if !self.writable || n == 0 {
                break;
            }
            self.stream.extend_from_slice(&bytes[..n]);
            self.writable = n < bytes.len();
            writes -= n;
            self.client.sent(n, self.now).expect("it was in the output");
        }
        self.read();
        self.check();
    }

    fn do_events(&mut self) {
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Ready => self.is_set_up = true,
                // A future template that is known already may come again.
                Event::NewTemplate { template_id, future } => assert!(self.templates.insert(template_id) || future),
                Event::TemplateExpired { template_id } => assert!(self.templates.remove(&template_id)),
                Event::TransactionData(data) => {
                    assert_eq!(self.requests.remove(&data.template_id), Some(1));
                    assert_eq!(data.transactions().len(), data.transactions().iter().count());
                }
                Event::TransactionDataError { template_id, .. } => {
                    assert_eq!(self.requests.remove(&template_id), Some(1));
                }
                Event::SolutionLost { solution, may_have_arrived } => {
                    assert!(self.solutions.remove(&solution.header_nonce));
                    assert!(may_have_arrived || !self.arrived.contains(&solution.header_nonce));
                }
                Event::Writable => self.writable = true,
                Event::Close { .. } => assert!(!self.client.is_connected()),
                Event::NewTip { .. } | Event::TipWithoutTemplate { .. } | Event::Log { .. } => {}
            }
        }
    }

    /// Looks at what the client wrote.
    fn read(&mut self) {
        let mut rest = &self.stream[..];
        while let Some((frame, after)) = Frame::split(rest) {
            let message =
                Message::decode(frame.header.tag(), frame.payload).expect("a message of the client is well-formed");
            assert_eq!(matches!(message, Message::SetupConnection(_)), self.messages == 0);
            assert!(self.messages == 0 || self.is_set_up);
            if let Message::SubmitSolution(solution) = message {
                self.arrived.insert(solution.header_nonce);
            }
            self.messages += 1;
            rest = after;
        }
        self.stream = rest.to_vec();
    }

    fn check(&self) {
        let is_there = |id: &u64| self.client.template(*id).is_some_and(|template| template.template_id == *id);
        assert!(self.templates.iter().all(is_there));
        let futures =
            self.templates.iter().filter(|id| self.client.template(**id).is_some_and(|known| known.is_future()));
        let futures = futures.count();
        assert!(futures <= MAX_FUTURE_TEMPLATES && self.templates.len() - futures <= MAX_TEMPLATES);
        assert!(futures == 0 || self.client.is_connected());
        if let Some(active) = self.client.active_template() {
            assert!(self.templates.contains(&active.template_id));
            assert_eq!(active.tip.map(|tip| tip.prev_hash), self.client.tip().map(|tip| tip.prev_hash));
            active.coinbase(&[0; 2], &[]).expect("it was found to make a coinbase");
        }
        assert!(!self.client.is_serving() || self.client.active_template().is_some());
        assert_eq!(self.client.pending_solutions(), self.solutions.len());
        assert!(self.solutions.len() <= MAX_PENDING_SOLUTIONS);
    }
}

fn new_template(id: u64, future: bool, b: u8) -> Vec<u8> {
    let prefix: &[u8] = if b == 0xff { &[1; 9] } else { &[2, b % 8, 0] };
    let outputs: &[u8] = if b & 0x40 == 0 { &[] } else { &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0x6a] };
    let count = if b & 0x80 == 0 { u8::from(!outputs.is_empty()) } else { b & 1 };
    [
        &id.to_le_bytes()[..],
        &[future.into()],
        &[0, 0, 0, 0x20],
        &[2, 0, 0, 0],
        &[prefix.len() as u8],
        prefix,
        &[0xff; 4],
        &[b, 0, 0, 0, 0, 0, 0, 0],
        &[count, 0, 0, 0],
        &[outputs.len() as u8, 0],
        outputs,
        &[0; 4],
        &[1],
        &[b; 32],
    ]
    .concat()
}

fuzz_target!(|data: &[u8]| {
    let mut options = ClientOptions::plaintext();
    options.constraints = Some(CoinbaseOutputConstraints::default());
    options.max_future_templates = MAX_FUTURE_TEMPLATES;
    options.max_templates = MAX_TEMPLATES;
    options.max_pending_requests = 2;
    options.max_pending_solutions = MAX_PENDING_SOLUTIONS;
    options.limits.max_output = 300;
    let mut world = World {
        client: TemplateClient::new(options, Box::new(Nothing)).expect("the options hold nothing long"),
        now: Time { monotonic_ms: 0, unix_s: 0 },
        stream: Vec::new(),
        messages: 0,
        is_set_up: false,
        templates: BTreeSet::new(),
        requests: BTreeMap::new(),
        solutions: BTreeSet::new(),
        submitted: 0,
        arrived: BTreeSet::new(),
        writable: false,
    };
    let mut rest = data;
    while let [op, a, b, after @ ..] = rest {
        world.step(*op, *a, *b, after);
        rest = after;
    }
});
