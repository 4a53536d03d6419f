//! A host and four clients do anything in any order. Whatever they do, what each client reads is a protocol that it can
//! follow: template ids increase, nothing but a future template comes before the first SetNewPrevHash, and SetNewPrevHash
//! names one of the future templates since the last one, which are few. A template expires at most once, and not while a
//! client works on it although there is a newer one, nor before it is done with: no block or transactions are asked for on it
//! later. Whatever id of it a client was sent, it can be solved while its tip is the tip. Each connection closes once, and the engine asks for no deadline that has
//! passed.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use sv2_core::frame::Frame;
use sv2_core::message::{Message, Payload, SetupConnection};
use sv2_core::template::{
    ConstraintKey, Event, NewPrevHash, NodeState, Provider, ProviderOptions, SolutionRefusal, SubmitResult, Template,
    TemplateKind,
};
use sv2_core::{OutOfRandomness, Random, Time};

/// Without encryption nothing is random.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
        Err(OutOfRandomness)
    }
}

/// What a client has read, and must be able to follow.
#[derive(Default)]
struct Reader {
    stream: Vec<u8>,
    last_template_id: u64,
    /// The future templates since the last SetNewPrevHash.
    futures: BTreeSet<u64>,
    /// What it works on.
    active: Option<u64>,
    /// The tip it works on.
    prev_hash: [u8; 32],
    /// What it was sent to work on, and no test has looked at: the template, and its tip.
    handed: Vec<(u64, [u8; 32])>,
    key: Option<ConstraintKey>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
        let mut rest = &self.stream[..];
        while let Some((frame, after)) = Frame::split(rest) {
            match Message::decode(frame.header.tag(), frame.payload).expect("a message of the provider is well-formed")
            {
                Message::NewTemplate(template) => {
                    assert!(template.template_id > self.last_template_id);
                    self.last_template_id = template.template_id;
                    if template.future_template {
                        self.futures.insert(template.template_id);
                        assert!(self.futures.len() <= 16);
                    } else {
                        assert!(self.active.replace(template.template_id).is_some());
                        self.handed.push((template.template_id, self.prev_hash));
                    }
                }
                Message::SetNewPrevHashTemplate(tip) => {
                    assert!(self.futures.contains(&tip.template_id));
                    self.futures.clear();
                    self.active = Some(tip.template_id);
                    self.prev_hash = tip.prev_hash.0;
                    self.handed.push((tip.template_id, self.prev_hash));
                }
                _ => {}
            }
            rest = after;
        }
        self.stream = rest.to_vec();
    }
}

struct World {
    provider: Provider,
    now: Time,
    readers: BTreeMap<u64, Reader>,
    /// Those whose sockets wait to be written to.
    writable: BTreeSet<u64>,
    keys: Vec<ConstraintKey>,
    issued: Vec<(u64, ConstraintKey)>,
    expired: BTreeSet<u64>,
    /// The names of the templates that expired.
    freed: BTreeSet<u64>,
    /// What clients that read all at once were sent on the present tip, also by ids that the host does not know.
    handed: BTreeSet<u64>,
    found: Vec<[u8; 32]>,
    tip: [u8; 32],
    /// The keys that have a template on the tip.
    live: BTreeSet<ConstraintKey>,
    /// The templates that expired in this step.
    just_expired: BTreeSet<u64>,
}

impl World {
    fn receive(&mut self, id: u64, bytes: &[u8]) {
        let known = self.readers.contains_key(&id);
        assert_eq!(self.provider.receive(id, &mut bytes.to_vec(), self.now).is_ok(), known);
    }

    fn frame(&mut self, id: u64, message_type: u8, payload: &[u8]) {
        let [l, m, h, ..] = (payload.len() as u32).to_le_bytes();
        self.receive(id, &[&[0, 0, message_type, l, m, h], payload].concat());
    }

    fn template_id(&self, which: u8) -> u64 {
        let ids: Vec<u64> = self.issued.iter().map(|(id, _)| *id).chain(self.handed.iter().copied()).collect();
        ids.get(usize::from(which) % ids.len().max(1)).copied().unwrap_or(which.into())
    }

    /// The tip is this one. Nobody has a template on it if it is new.
    fn tip(&mut self, prev_hash: [u8; 32]) {
        if self.tip != prev_hash {
            self.tip = prev_hash;
            self.live.clear();
            self.handed.clear();
        }
    }

    fn step(&mut self, op: u8, a: u8, b: u8, rest: &[u8]) {
        let id = u64::from(a % 4);
        match op % 16 {
            0 => {
                let address = (b & 1 == 0).then(|| [10, 0, 0, b % 3].into());
                if self.provider.connect(id, address, self.now).is_ok() {
                    self.readers.insert(id, Reader::default());
                }
            }
            1 => {
                self.provider.disconnect(id);
                self.readers.remove(&id);
            }
            2 => self.receive(id, &rest[..rest.len().min(b.into())]),
            3 => {
                let setup = SetupConnection { protocol: 2, min_version: 2, max_version: 2, ..Default::default() };
                let mut payload = [0; 64];
                let len = setup.encode(&mut payload).unwrap();
                self.frame(id, 0x00, &payload[..len]);
            }
            4 => self.frame(id, 0x70, &[b, b, 0, 0, b, 0][..if b & 1 == 0 { 6 } else { 4 }]),
            5 | 6 => {
                let key = self.keys.get(usize::from(a >> 2) % self.keys.len().max(1)).copied();
                let key = key.unwrap_or(ConstraintKey { reserved_weight: 2_000, sigops: 0 });
                // The name of a template that is refused is used again.
                let template = Template { node_handle: self.issued.len() as u64, ..template(a, b, rest) };
                let (prev_hash, kind) = (template.prev_hash, template.kind);
                if let Ok(id) = self.provider.template_ready(key, template, self.now) {
                    assert!(self.issued.iter().all(|(before, _)| *before < id));
                    self.issued.push((id, key));
                    if kind != TemplateKind::NextHeight {
                        self.tip(prev_hash);
                        self.live.insert(key);
                    }
                }
            }
            7 => {
                // Some of them are blocks of ours.
                let found = self.found.get(usize::from(a)).copied();
                let prev_hash = found.unwrap_or([b % 8; 32]);
                self.tip(prev_hash);
                self.provider.tip_changed(prev_hash, self.now);
            }
            8 => {
                self.now.monotonic_ms += u64::from(b) << (a % 8);
                self.provider.tick(self.now);
                assert!(self.provider.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
            }
            9 => self.frame(id, 0x73, &self.template_id(b).to_le_bytes()),
            10 => {
                let transactions: Vec<&[u8]> = rest.chunks(7).take(b.into()).collect();
                let transactions = (b > 0).then_some(&transactions[..]);
                self.provider.transactions_ready(self.template_id(a), transactions, self.now).unwrap();
            }
            11 => {
                let states = [NodeState::Ready, NodeState::Syncing, NodeState::Down];
                self.provider.node_state(states[usize::from(b % 3)], self.now);
            }
            12 => {
                let block_hash = self.found.get(usize::from(a)).copied().unwrap_or([b; 32]);
                let result = if b & 1 == 0 { SubmitResult::Taken } else { SubmitResult::Refused };
                self.provider.submit_result(&block_hash, result, self.now);
            }
            13 | 14 => {
                let Template { prev_hash, nbits, .. } = template(a, b, &[]);
                let new_prev_hash = NewPrevHash { prev_hash, nbits, ..NewPrevHash::default() };
                // Of those that were given out last, one may wait for it.
                let from_last = usize::from(a % 8);
                let Some((id, key)) = self.issued.iter().rev().nth(from_last).copied() else { return };
                if self.provider.set_new_prev_hash(id, new_prev_hash, self.now).is_ok() {
                    self.tip(prev_hash);
                    self.live.insert(key);
                }
            }
            _ => {
                let coinbase = &rest[..rest.len().min(b.into())];
                let len = (coinbase.len() as u16).to_le_bytes();
                let fields = [[0, 0, 0, 0x20], [b; 4], [a; 4]].concat();
                self.frame(id, 0x76, &[&self.template_id(b).to_le_bytes()[..], &fields, &len, coinbase].concat());
            }
        }
        // The clients with an odd name are slow: they take so many bytes and no more until the next step.
        self.drain(b.into());
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
                let is_slow = connection % 2 == 1;
                let bytes = self.provider.output(connection);
                let n = if is_slow { bytes.len().min(slow_reads) } else { bytes.len() };
                if bytes.is_empty() {
                    self.writable.remove(&connection);
                    continue;
                }
                reader.read(&bytes[..n]);
                let handed = std::mem::take(&mut reader.handed);
                if is_slow {
                    slow_reads -= n;
                } else {
                    let on_tip = handed.into_iter().filter(|(_, prev_hash)| *prev_hash == self.tip);
                    self.handed.extend(on_tip.map(|(id, _)| id));
                }
                quiet &= n == 0;
                self.provider.sent(connection, n, self.now).unwrap();
            }
            if quiet {
                assert_eq!(self.provider.next_event(), None, "nothing happened");
                return self.check_that_nobody_misses_what_expired();
            }
        }
    }

    fn check_that_nobody_misses_what_expired(&mut self) {
        let gone = std::mem::take(&mut self.just_expired);
        for (_, reader) in self.readers.iter().filter(|(id, _)| !self.writable.contains(*id)) {
            if reader.key.is_some_and(|key| self.live.contains(&key)) {
                assert!(reader.active.is_none_or(|active| !gone.contains(&active)), "it was sent nothing newer");
            }
        }
    }

    fn do_events(&mut self) {
        while let Some(event) = self.provider.next_event() {
            match event {
                Event::WantTemplate { key } => self.keys.push(key),
                Event::DropTemplate { key } => {
                    self.keys.retain(|wanted| *wanted != key);
                    self.live.remove(&key);
                }
                Event::ClientReady { connection, key } => {
                    if let Some(reader) = self.readers.get_mut(&connection) {
                        reader.key = Some(key);
                    }
                }
                Event::TemplateExpired { template_id, node_handle } => {
                    assert!(self.expired.insert(template_id));
                    assert!(self.freed.insert(node_handle));
                    self.just_expired.insert(template_id);
                }
                Event::WantTransactions { template_id, node_handle } => {
                    assert!(self.issued.iter().any(|(id, _)| *id == template_id), "the host's own id");
                    assert!(!self.expired.contains(&template_id) && !self.freed.contains(&node_handle));
                }
                Event::SolutionRefused { template_id, refusal: SolutionRefusal::UnknownTemplate, .. } => {
                    assert!(!self.handed.contains(&template_id), "a client was sent it on this tip");
                }
                Event::Close { connection, .. } => assert!(self.readers.remove(&connection).is_some()),
                Event::SubmitBlock(solution) => {
                    assert_eq!(solution.header.hash(), solution.block_hash);
                    assert!(!self.freed.contains(&solution.node_handle));
                    self.found.push(solution.block_hash);
                }
                Event::Writable { connection } => {
                    self.writable.insert(connection);
                }
                _ => {}
            }
        }
    }
}

fn template(a: u8, b: u8, rest: &[u8]) -> Template {
    let path = rest.chunks_exact(32).take((a >> 6).into()).map(|hash| hash.try_into().unwrap()).collect();
    Template {
        coinbase_prefix: vec![2, b % 8, a & 1],
        coinbase_tx_value_remaining: u64::from(a) * 500,
        merkle_path: path,
        prev_hash: [b % 8; 32],
        nbits: if b & 0x80 == 0 { 0x207f_ffff } else { 0x2100_ffff },
        kind: match b >> 3 & 3 {
            2 => TemplateKind::Provisional,
            3 => TemplateKind::NextHeight,
            _ => TemplateKind::Full,
        },
        ..Template::default()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut options = ProviderOptions::plaintext();
    options.max_clients = 3;
    options.max_handshakes = 2;
    options.max_handshakes_per_address = 2;
    options.max_clients_per_address = 2;
    options.max_keys = 2;
    options.max_reissued_ids = 3;
    options.max_pending_requests = 2;
    options.transaction_cache_len = 100;
    options.limits.max_output = 2_000;
    let mut world = World {
        provider: Provider::new(options, Box::new(Nothing)),
        now: Time { monotonic_ms: 0, unix_s: 0 },
        readers: BTreeMap::new(),
        writable: BTreeSet::new(),
        keys: Vec::new(),
        issued: Vec::new(),
        expired: BTreeSet::new(),
        freed: BTreeSet::new(),
        handed: BTreeSet::new(),
        found: Vec::new(),
        tip: [0; 32],
        live: BTreeSet::new(),
        just_expired: BTreeSet::new(),
    };
    let mut rest = data;
    while let [op, a, b, after @ ..] = rest {
        world.step(*op, *a, *b, after);
        rest = after;
    }
});
