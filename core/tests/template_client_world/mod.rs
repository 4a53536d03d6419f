//! What the tests of the template client share: the client with its host and a clock, and providers in memory.
#![allow(dead_code)] // each test program uses a part of it

use sv2_core::bitcoin::Target;
use sv2_core::frame::{self, Frame};
use sv2_core::message::{
    Message, NewTemplate, Payload, RequestTransactionDataError, SetNewPrevHashTemplate, SetupConnection,
    SetupConnectionSuccess, SubmitSolution,
};
use sv2_core::noise::Authority;
use sv2_core::template::client::{ClientOptions, CloseReason, Event, Tip};
use sv2_core::template::{self, Provider, ProviderOptions, TemplateClient};
use sv2_core::wire::{Str, U256};
use sv2_core::{SystemRandom, Time};

use crate::template_world::{REGTEST_NBITS, identity};

pub const START: Time = Time { monotonic_ms: 1_000_000, unix_s: 1_700_000_000 };

/// The only connection that a provider here has at a time.
const CONNECTION: u64 = 1;

/// A client, its host and a clock that stands still unless it is told.
pub struct Host {
    pub client: TemplateClient,
    pub now: Time,
    /// Events that are not about the socket, nor log lines.
    pub events: Vec<Event>,
    pub logs: Vec<String>,
    pub closed: Vec<CloseReason>,
    /// What the host wrote to its socket and nobody has read.
    pub written: Vec<u8>,
    /// The socket takes nothing.
    pub stalled: bool,
}

impl Host {
    /// Without encryption, with the usual constraints, and connected.
    pub fn new() -> Self {
        let mut host = Self::with(|_| {});
        host.connect();
        host
    }

    /// Without encryption, with the usual constraints, and not connected.
    pub fn with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let mut options = ClientOptions::plaintext();
        options.constraints = Some(crate::template_world::CONSTRAINTS);
        change(&mut options);
        Self::from_options(options)
    }

    pub fn from_options(options: ClientOptions) -> Self {
        Self {
            client: TemplateClient::new(options, Box::new(SystemRandom)).unwrap(),
            now: START,
            events: Vec::new(),
            logs: Vec::new(),
            closed: Vec::new(),
            written: Vec::new(),
            stalled: false,
        }
    }

    /// Set up: SetupConnection and the constraints were written, and nobody looks at them any more.
    pub fn set_up() -> Self {
        Self::set_up_with(|_| {})
    }

    pub fn set_up_with(change: impl FnOnce(&mut ClientOptions)) -> Self {
        let mut host = Self::with(change);
        host.connect();
        host.accept();
        assert_eq!(host.take_events(), [Event::Ready]);
        host.written.clear();
        host
    }

    pub fn connect(&mut self) {
        self.client.connect(self.now).unwrap();
        self.drain();
    }

    /// The connection breaks; what was written and not read goes with it.
    pub fn lose(&mut self) {
        self.written.clear();
        self.client.disconnected(self.now);
        self.drain();
    }

    pub fn tick_after(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_s += ms / 1000;
        self.client.tick(self.now);
        assert!(self.client.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic_ms));
        self.drain();
    }

    // -------------------------------------------------------------------------------------- a provider made of frames

    pub fn receive(&mut self, bytes: &[u8]) {
        self.client.receive(&mut bytes.to_vec(), self.now).unwrap();
        self.drain();
    }

    pub fn hear<'m>(&mut self, message: &impl Payload<'m>) {
        self.receive(&frame_of(message));
    }

    pub fn hear_raw(&mut self, message_type: u8, payload: &[u8]) {
        let [l, m, h, ..] = (payload.len() as u32).to_le_bytes();
        self.receive(&[&[0, 0, message_type, l, m, h], payload].concat());
    }

    /// The provider accepts the connection.
    pub fn accept(&mut self) {
        self.hear(&SetupConnectionSuccess { used_version: 2, flags: 0 });
    }

    pub fn hear_future(&mut self, template_id: u64) {
        self.hear(&new_template(template_id, true));
    }

    pub fn hear_update(&mut self, template_id: u64) {
        self.hear(&new_template(template_id, false));
    }

    /// SetNewPrevHash for tip `n`.
    pub fn hear_tip(&mut self, template_id: u64, n: u8) {
        self.hear(&set_new_prev_hash(template_id, n));
    }

    pub fn hear_no_transactions(&mut self, template_id: u64, error_code: &str) {
        self.hear(&RequestTransactionDataError { template_id, error_code: Str::from(error_code) });
    }

    /// A template and its tip came, and nobody looks at the events any more.
    pub fn serve(&mut self, template_id: u64, n: u8) {
        self.hear_future(template_id);
        self.hear_tip(template_id, n);
        self.events.clear();
        assert!(self.client.is_serving());
    }

    /// The messages that the host wrote since somebody looked, as they print.
    pub fn take_written(&mut self) -> Vec<String> {
        let written = std::mem::take(&mut self.written);
        let (mut rest, mut messages) = (&written[..], Vec::new());
        while let Some((frame, after)) = Frame::split(rest) {
            messages.push(format!("{:?}", Message::decode(frame.header.tag(), frame.payload).unwrap()));
            rest = after;
        }
        assert!(rest.is_empty());
        messages
    }

    pub fn expect_written<'m>(&mut self, messages: impl IntoIterator<Item = Message<'m>>) {
        let expected: Vec<String> = messages.into_iter().map(|message| format!("{message:?}")).collect();
        assert_eq!(self.take_written(), expected);
    }

    // ---------------------------------------------------------------------------------------------------------- events

    /// The events since somebody looked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub fn drain(&mut self) {
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Writable if self.stalled => {}
                Event::Writable => self.write(),
                Event::Close { reason } => {
                    assert!(!self.client.is_connected());
                    self.closed.push(reason);
                }
                Event::Log { text, .. } => self.logs.push(text),
                other => self.events.push(other),
            }
        }
    }

    pub fn write(&mut self) {
        loop {
            let bytes = self.client.output().to_vec();
            if bytes.is_empty() {
                return;
            }
            self.client.sent(bytes.len(), self.now).unwrap();
            self.written.extend_from_slice(&bytes);
        }
    }
}

/// A provider of ours with its node.
pub struct Node {
    pub provider: Provider,
    pub events: Vec<template::Event>,
    pub authority: Option<Authority>,
}

impl Node {
    pub fn plain() -> Self {
        Self::from_options(ProviderOptions::plaintext(), None)
    }

    pub fn over_noise() -> Self {
        let (identity, authority) = identity(START);
        Self::from_options(ProviderOptions::new(identity), Some(authority))
    }

    fn from_options(options: ProviderOptions, authority: Option<Authority>) -> Self {
        Self { provider: Provider::new(options, Box::new(SystemRandom)), events: Vec::new(), authority }
    }

    /// The client connects, and both talk until they have no more to say.
    pub fn accept(&mut self, host: &mut Host) {
        self.provider.disconnect(CONNECTION);
        self.provider.connect(CONNECTION, None, host.now).unwrap();
        host.connect();
        self.talk(host);
    }

    pub fn offer(&mut self, host: &mut Host, template: &template::Template) -> u64 {
        let id = self.provider.template_ready(crate::template_world::KEY, template.clone(), host.now).unwrap();
        self.talk(host);
        id
    }

    /// Moves bytes both ways until nothing happens any more.
    pub fn talk(&mut self, host: &mut Host) {
        loop {
            host.drain();
            let mut written = std::mem::take(&mut host.written);
            if !written.is_empty() {
                self.provider.receive(CONNECTION, &mut written, host.now).unwrap();
            }
            let mut quiet = written.is_empty();
            while let Some(event) = self.provider.next_event() {
                match event {
                    template::Event::Writable { .. } => quiet &= !self.write(host),
                    template::Event::Close { reason, .. } => panic!("the provider closes: {reason}"),
                    template::Event::Log { .. } => {}
                    other => self.events.push(other),
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn write(&mut self, host: &mut Host) -> bool {
        let mut any = false;
        loop {
            let mut bytes = self.provider.output(CONNECTION).to_vec();
            if bytes.is_empty() {
                return any;
            }
            any = true;
            self.provider.sent(CONNECTION, bytes.len(), host.now).unwrap();
            if host.client.is_connected() {
                host.client.receive(&mut bytes, host.now).unwrap();
            }
            host.drain();
        }
    }

    pub fn take_events(&mut self) -> Vec<template::Event> {
        std::mem::take(&mut self.events)
    }
}

pub fn frame_of<'m>(message: &impl Payload<'m>) -> Vec<u8> {
    let mut bytes = vec![0; 6 + message.encoded_len().unwrap()];
    frame::encode(message, &mut bytes).unwrap();
    bytes
}

/// What the client of [`Host::with`] introduces itself with.
pub fn plain_setup() -> SetupConnection<'static> {
    SetupConnection { protocol: 2, min_version: 2, max_version: 2, ..Default::default() }
}

/// A template worth as many satoshis as its id says, without outputs and transactions.
pub fn new_template(template_id: u64, future_template: bool) -> NewTemplate<'static> {
    NewTemplate {
        template_id,
        future_template,
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: &[1, 101],
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: template_id,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_outputs: &[],
        coinbase_tx_locktime: 100,
        merkle_path: Default::default(),
    }
}

pub fn tip(n: u8) -> Tip {
    Tip {
        prev_hash: [n; 32],
        header_timestamp: 1_700_000_000 + u32::from(n),
        nbits: REGTEST_NBITS,
        target: Target::from_nbits(REGTEST_NBITS).unwrap(),
    }
}

pub fn set_new_prev_hash(template_id: u64, n: u8) -> SetNewPrevHashTemplate {
    let Tip { prev_hash, header_timestamp, nbits, target } = tip(n);
    SetNewPrevHashTemplate { template_id, prev_hash: U256(prev_hash), header_timestamp, nbits, target: U256(target.0) }
}

/// A solution whose nonce tells it from others.
pub fn solution(template_id: u64, header_nonce: u32) -> SubmitSolution<'static> {
    SubmitSolution {
        template_id,
        version: 0x2000_0000,
        header_timestamp: 1_700_000_009,
        header_nonce,
        coinbase_tx: &[1, 2, 3],
    }
}
