//! What the tests of the template provider share: a provider, a clock, and clients in memory.
#![allow(dead_code)] // each test program uses a part of it

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use sv2_core::bitcoin::{COMMITMENT_SCRIPT_LEN, Hash, Output, commitment_script, height_push};
use sv2_core::connection::{Connection, Limits, Role};
use sv2_core::message::{
    CoinbaseOutputConstraints, Message, NewTemplate, Payload, RequestTransactionData, RequestTransactionDataError,
    RequestTransactionDataSuccess, SetNewPrevHashTemplate, SetupConnection, SubmitSolution,
};
use sv2_core::noise::{Authority, AuthorityKeypair, Identity, SecretKey};
use sv2_core::template::{
    CloseReason, ConnectionId, ConstraintKey, Event, Provider, ProviderError, ProviderOptions, Solution, Template,
    TemplateKind,
};
use sv2_core::wire::{Str, U256};
use sv2_core::{SystemRandom, Time};

/// nBits of regtest: every second hash meets it.
pub const REGTEST_NBITS: u32 = 0x207f_ffff;

/// What everybody asks for who does not say otherwise: 1000 bytes of outputs without sigops.
pub const CONSTRAINTS: CoinbaseOutputConstraints =
    CoinbaseOutputConstraints { coinbase_output_max_additional_size: 1_000, coinbase_output_max_additional_sigops: 0 };

/// The key of [`CONSTRAINTS`].
pub const KEY: ConstraintKey = ConstraintKey { reserved_weight: 8_000, sigops: 0 };

/// A message that a client received.
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

/// A provider with its host, a clock that stands still unless it is told, and clients.
pub struct World {
    pub provider: Provider,
    pub now: Time,
    pub authority: Option<Authority>,
    pub clients: BTreeMap<ConnectionId, Connection>,
    /// What each client received and no test has looked at.
    pub inbox: BTreeMap<ConnectionId, Vec<Received>>,
    /// Events that are not about sockets, nor log lines.
    pub events: Vec<Event>,
    pub logs: Vec<String>,
    pub closed: BTreeMap<ConnectionId, CloseReason>,
    /// Clients that read nothing.
    pub stalled: BTreeSet<ConnectionId>,
}

pub fn identity(now: Time) -> (Arc<Identity>, Authority) {
    let random = &mut SystemRandom;
    let authority = AuthorityKeypair::generate(random).unwrap();
    let from = now.unix_s as u32;
    let identity = Identity::issue(&authority, SecretKey::generate(random).unwrap(), from, from + 3600, random);
    (Arc::new(identity.unwrap()), Authority::Key(authority.public()))
}

impl World {
    /// Without encryption, which most tests do not need.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut ProviderOptions)) -> Self {
        let mut options = ProviderOptions::plaintext();
        change(&mut options);
        Self::from_options(options, None)
    }

    pub fn over_noise() -> Self {
        let (identity, authority) = identity(Self::start());
        Self::from_options(ProviderOptions::new(identity), Some(authority))
    }

    pub fn from_options(options: ProviderOptions, authority: Option<Authority>) -> Self {
        Self {
            provider: Provider::new(options, Box::new(SystemRandom)),
            now: Self::start(),
            authority,
            clients: BTreeMap::new(),
            inbox: BTreeMap::new(),
            events: Vec::new(),
            logs: Vec::new(),
            closed: BTreeMap::new(),
            stalled: BTreeSet::new(),
        }
    }

    fn start() -> Time {
        Time { monotonic_ms: 1_000_000, unix_s: 1_700_000_000 }
    }

    // ---------------------------------------------------------------------------------------------------------- time

    /// Lets time pass; the provider does not hear of it.
    pub fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_s += ms / 1000;
    }

    pub fn tick(&mut self) {
        self.provider.tick(self.now);
        self.run();
    }

    pub fn tick_after(&mut self, ms: u64) {
        self.pass(ms);
        self.tick();
    }

    // ------------------------------------------------------------------------------------------------------- clients

    /// A client that is connected, its handshake done, and nothing more.
    pub fn connect(&mut self, id: ConnectionId) {
        self.connect_from(id, None);
    }

    pub fn connect_from(&mut self, id: ConnectionId, address: Option<IpAddr>) {
        self.provider.connect(id, address, self.now).unwrap();
        let limits = Limits::default();
        let connection = match self.authority {
            Some(authority) => Connection::initiator(authority, limits, &mut SystemRandom).unwrap(),
            None => Connection::plain(Role::Client, limits),
        };
        self.clients.insert(id, connection);
        self.closed.remove(&id);
        self.run();
    }

    /// A client that is set up and has not sent its constraints.
    pub fn set_up(&mut self, id: ConnectionId) {
        self.set_up_from(id, None);
    }

    fn set_up_from(&mut self, id: ConnectionId, address: Option<IpAddr>) {
        if !self.clients.contains_key(&id) {
            self.connect_from(id, address);
        }
        self.send(id, &setup());
        let received = self.take(id);
        assert!(matches!(received[0].message(), Message::SetupConnectionSuccess(_)), "{received:?}");
        assert_eq!(received.len(), 1);
    }

    /// A client with the usual constraints.
    pub fn join(&mut self, id: ConnectionId) {
        self.join_with(id, 1_000, 0);
    }

    /// A client with the usual constraints, from somewhere.
    pub fn join_from(&mut self, id: ConnectionId, address: IpAddr) {
        self.set_up_from(id, Some(address));
        self.constrain(id, 1_000, 0);
    }

    pub fn join_with(&mut self, id: ConnectionId, size: u32, sigops: u16) {
        self.set_up(id);
        self.constrain(id, size, sigops);
    }

    pub fn constrain(&mut self, id: ConnectionId, size: u32, sigops: u16) {
        self.send(
            id,
            &CoinbaseOutputConstraints {
                coinbase_output_max_additional_size: size,
                coinbase_output_max_additional_sigops: sigops,
            },
        );
    }

    pub fn send<'m>(&mut self, id: ConnectionId, message: &impl Payload<'m>) {
        self.clients.get_mut(&id).unwrap().send(message).unwrap();
        self.run();
    }

    /// Bytes that no well-behaved client sends. Only without encryption.
    pub fn send_raw(&mut self, id: ConnectionId, bytes: &[u8]) {
        let _ = self.provider.receive(id, &mut bytes.to_vec(), self.now);
        self.run();
    }

    pub fn send_frame(&mut self, id: ConnectionId, extension_type: u16, message_type: u8, payload: &[u8]) {
        let [a, b] = extension_type.to_le_bytes();
        let [l, m, h, ..] = (payload.len() as u32).to_le_bytes();
        self.send_raw(id, &[&[a, b, message_type, l, m, h], payload].concat());
    }

    pub fn request_transactions(&mut self, id: ConnectionId, template_id: u64) {
        self.send(id, &RequestTransactionData { template_id });
    }

    /// A client's socket closes.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.provider.disconnect(id);
        self.clients.remove(&id);
        self.run();
    }

    /// What a client received since somebody looked.
    pub fn take(&mut self, id: ConnectionId) -> Vec<Received> {
        self.inbox.remove(&id).unwrap_or_default()
    }

    /// A client received NewTemplate with future_template and SetNewPrevHash for this template, and nothing else.
    pub fn expect_pair(&mut self, id: ConnectionId, template_id: u64, template: &Template) {
        let received = self.take(id);
        let messages: Vec<Message<'_>> = received.iter().map(Received::message).collect();
        let path: Vec<U256> = template.merkle_path.iter().copied().map(U256).collect();
        let target = template.target.unwrap_or(sv2_core::bitcoin::Target::from_nbits(template.nbits).unwrap());
        let set_new_prev_hash = SetNewPrevHashTemplate {
            template_id,
            prev_hash: U256(template.prev_hash),
            header_timestamp: template.header_timestamp,
            nbits: template.nbits,
            target: U256(target.0),
        };
        let expected: [Message<'_>; 2] =
            [new_template(template_id, true, template, &path).into(), set_new_prev_hash.into()];
        assert_eq!(messages, expected, "client {id}");
    }

    /// A client received NewTemplate without future_template, and nothing else.
    pub fn expect_update(&mut self, id: ConnectionId, template_id: u64, template: &Template) {
        let received = self.take(id);
        let path: Vec<U256> = template.merkle_path.iter().copied().map(U256).collect();
        let messages: Vec<Message<'_>> = received.iter().map(Received::message).collect();
        assert_eq!(messages, [new_template(template_id, false, template, &path).into()], "client {id}");
    }

    pub fn expect_nothing(&mut self, id: ConnectionId) {
        assert_eq!(self.take(id), [], "client {id}");
    }

    pub fn expect_transactions(&mut self, id: ConnectionId, template_id: u64, transactions: &[&[u8]]) {
        let received = self.take(id);
        let messages: Vec<Message<'_>> = received.iter().map(Received::message).collect();
        let expected =
            RequestTransactionDataSuccess { template_id, excess_data: &[], transaction_list: transactions.into() };
        assert_eq!(messages, [expected.into()], "client {id}");
    }

    pub fn expect_no_transactions(&mut self, id: ConnectionId, template_id: u64, error_code: &str) {
        let received = self.take(id);
        let messages: Vec<Message<'_>> = received.iter().map(Received::message).collect();
        let expected = RequestTransactionDataError { template_id, error_code: Str::from(error_code) };
        assert_eq!(messages, [expected.into()], "client {id}");
    }

    // ---------------------------------------------------------------------------------------------------------- node

    pub fn template(&mut self, key: ConstraintKey, template: &Template) -> Result<u64, ProviderError> {
        let result = self.provider.template_ready(key, template.clone(), self.now);
        self.run();
        result
    }

    /// A template for the usual constraints.
    pub fn offer(&mut self, template: &Template) -> u64 {
        self.template(KEY, template).unwrap()
    }

    pub fn tip(&mut self, prev_hash: Hash) {
        self.provider.tip_changed(prev_hash, self.now);
        self.run();
    }

    pub fn transactions(&mut self, template_id: u64, transactions: Option<&[&[u8]]>) {
        self.provider.transactions_ready(template_id, transactions, self.now).unwrap();
        self.run();
    }

    /// The events since somebody looked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The only event since somebody looked is a block.
    pub fn expect_block(&mut self) -> Solution {
        match &self.take_events()[..] {
            [Event::SubmitBlock(solution)] => solution.clone(),
            other => panic!("{other:?}"),
        }
    }

    // ---------------------------------------------------------------------------------------------------------- loop

    /// The host's loop, and the clients', until nothing happens any more.
    pub fn run(&mut self) {
        loop {
            self.drain();
            let mut quiet = true;
            for (id, client) in &mut self.clients {
                let mut bytes = client.output().to_vec();
                client.sent(bytes.len());
                if !bytes.is_empty() && self.provider.receive(*id, &mut bytes, self.now).is_ok() {
                    quiet = false;
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.provider.next_event() {
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
                self.clients.remove(&connection);
            }
            Event::Log { text, .. } => self.logs.push(text),
            other => self.events.push(other),
        }
    }

    /// Writes to a client's socket, and lets it read.
    pub fn write(&mut self, id: ConnectionId) {
        loop {
            let bytes = self.provider.output(id).to_vec();
            if bytes.is_empty() {
                return;
            }
            self.provider.sent(id, bytes.len(), self.now).unwrap();
            self.read(id, bytes);
        }
    }

    /// A client reads what was written to its socket.
    pub fn read(&mut self, id: ConnectionId, mut bytes: Vec<u8>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let mut rest = &mut bytes[..];
        while let Some(frame) = client.next_from(&mut rest, self.now, &mut SystemRandom).unwrap() {
            let received = Received { tag: frame.header.tag(), payload: frame.payload.to_vec() };
            self.inbox.entry(id).or_default().push(received);
        }
    }
}

/// SetupConnection as it should be.
pub fn setup() -> SetupConnection<'static> {
    SetupConnection {
        protocol: 2,
        min_version: 2,
        max_version: 2,
        flags: 0,
        endpoint_host: Str::from("127.0.0.1"),
        endpoint_port: 8442,
        vendor: Str::from("tests"),
        hardware_version: Str::from("1"),
        firmware: Str::from(""),
        device_id: Str::from(""),
    }
}

fn new_template<'a>(
    template_id: u64,
    future_template: bool,
    template: &'a Template,
    path: &'a [U256],
) -> NewTemplate<'a> {
    NewTemplate {
        template_id,
        future_template,
        version: template.version,
        coinbase_tx_version: template.coinbase_tx_version,
        coinbase_prefix: &template.coinbase_prefix,
        coinbase_tx_input_sequence: template.coinbase_tx_input_sequence,
        coinbase_tx_value_remaining: template.coinbase_tx_value_remaining,
        coinbase_tx_outputs_count: template.coinbase_tx_outputs_count,
        coinbase_tx_outputs: &template.coinbase_tx_outputs,
        coinbase_tx_locktime: template.coinbase_tx_locktime,
        merkle_path: path.into(),
    }
}

/// The hash of tip `n`.
pub fn tip_hash(n: u8) -> Hash {
    [n; 32]
}

/// A template on tip `n` that is worth so many satoshis, with a witness commitment.
pub fn template(n: u8, value: u64) -> Template {
    let script: [u8; COMMITMENT_SCRIPT_LEN] = commitment_script(&[0xcc; 32]);
    let mut outputs = Vec::new();
    Output { value: 0, script_pubkey: &script }.serialize_into(&mut outputs);
    Template {
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: height_push(100 + u32::from(n)).to_vec(),
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: value,
        coinbase_tx_outputs_count: 1,
        coinbase_tx_outputs: outputs,
        coinbase_tx_locktime: 99 + u32::from(n),
        merkle_path: vec![[0x11; 32], [0x22; 32]],
        prev_hash: tip_hash(n),
        header_timestamp: 1_700_000_000 + u32::from(n),
        nbits: REGTEST_NBITS,
        target: None,
        kind: TemplateKind::Full,
        node_handle: u64::from(n) << 32 | value,
    }
}

/// A solution with this nonce, whatever its hash.
pub fn solution(template_id: u64, header_nonce: u32, coinbase_tx: &[u8]) -> SubmitSolution<'_> {
    SubmitSolution { template_id, version: 0x2000_0000, header_timestamp: 1_700_000_009, header_nonce, coinbase_tx }
}
