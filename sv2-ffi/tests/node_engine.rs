//! `sv2_node` as the node behind a template provider: the loop that every host has, with one client.
#![cfg(feature = "node-ipc")]

mod node_fake;
mod node_host;
#[allow(dead_code)]
#[path = "../src/node/reactor.rs"]
mod reactor;

use std::mem::{MaybeUninit, zeroed};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use node_fake::{FakeNode, transaction};
use node_host::Host;
use sv2::*;
use sv2_core::connection::{Connection, Limits, Role};
use sv2_core::message::{
    CoinbaseOutputConstraints, Message, Payload, RequestTransactionData, SetupConnection, SubmitSolution,
};
use sv2_core::wire::Str;
use sv2_core::{SystemRandom, Time};

const CLIENT: u64 = 1;

/// Ids begin with the time at which the provider was made; what is told of them here is what is added.
const FIRST_ID: u64 = 1_700_000_000 << 16;

/// A template provider on a node, and a client of it.
struct World {
    host: Host,
    provider: *mut sv2_template_provider,
    client: Connection,
    started: Instant,
    /// What the client received, by name, and what tests look at.
    received: Vec<String>,
    blocks: usize,
}

impl World {
    fn new(node: &FakeNode) -> Self {
        let mut provider = null_mut();
        let mut options: sv2_template_provider_options = unsafe { zeroed() };
        options.struct_size = size_of::<sv2_template_provider_options>();
        options.plaintext = 1;
        options.update_interval_ms = 100;
        assert_eq!(unsafe { sv2_template_provider_new(&options, &mut provider) }, SV2_OK);
        let host = Host::with(&node.socket, |options| options.update_interval_ms = 100);
        let client = Connection::plain(Role::Client, Limits::default());
        let started = Instant::now();
        let mut world = Self { host, provider, client, started, received: Vec::new(), blocks: 0 };
        assert_eq!(unsafe { sv2_template_provider_connect(provider, CLIENT, null(), world.now()) }, SV2_OK);
        world.send(&SetupConnection {
            protocol: 2,
            min_version: 2,
            max_version: 2,
            flags: 0,
            endpoint_host: Str::from("127.0.0.1"),
            endpoint_port: 8442,
            vendor: Str::from("tests"),
            hardware_version: Str::from(""),
            firmware: Str::from(""),
            device_id: Str::from(""),
        });
        world.send(&CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 500,
            coinbase_output_max_additional_sigops: 0,
        });
        world
    }

    fn now(&self) -> sv2_time {
        sv2_time { monotonic_ms: 1 + self.started.elapsed().as_millis() as u64, unix_s: 1_700_000_000 }
    }

    fn send<'m>(&mut self, message: &impl Payload<'m>) {
        self.client.send(message).unwrap();
        let mut bytes = self.client.output().to_vec();
        assert!(self.client.sent(bytes.len()));
        let now = self.now();
        let received =
            unsafe { sv2_template_provider_receive(self.provider, CLIENT, bytes.as_mut_ptr(), bytes.len(), now) };
        assert_eq!(received, SV2_OK);
        self.run();
    }

    /// The host's whole loop.
    fn run(&mut self) {
        let now = self.now();
        let node = self.host.as_ptr();
        unsafe {
            let mut from_node = MaybeUninit::uninit();
            while sv2_node_next_event(node, from_node.as_mut_ptr()) == SV2_OK {
                sv2_node_deliver(node, from_node.as_ptr(), self.provider, now);
                self.blocks += usize::from(from_node.assume_init().r#type == SV2_NODE_EVENT_BLOCK);
            }
            assert_eq!(sv2_template_provider_tick(self.provider, now), SV2_OK);
            let mut event = MaybeUninit::uninit();
            while sv2_template_provider_next_event(self.provider, event.as_mut_ptr()) == SV2_OK {
                if sv2_node_handle(node, event.as_ptr()) == SV2_NO_EVENT {
                    self.on_socket_event(&event.assume_init());
                }
            }
        }
    }

    fn on_socket_event(&mut self, event: &sv2_template_event) {
        match event.r#type {
            SV2_TEMPLATE_EVENT_WRITABLE => {
                let output = unsafe { sv2_template_provider_output(self.provider, CLIENT) };
                let mut bytes = unsafe { std::slice::from_raw_parts(output.data, output.len) }.to_vec();
                let now = self.now();
                assert_eq!(unsafe { sv2_template_provider_sent(self.provider, CLIENT, bytes.len(), now) }, SV2_OK);
                let mut rest = &mut bytes[..];
                let time = Time { monotonic_ms: now.monotonic_ms, unix_s: now.unix_s };
                while let Some(frame) = self.client.next_from(&mut rest, time, &mut SystemRandom).unwrap() {
                    let message = Message::decode(frame.header.tag(), frame.payload).unwrap();
                    self.received.push(describe(&message));
                }
            }
            SV2_TEMPLATE_EVENT_BLOCK_ACCEPTED => self.received.push("accepted".to_owned()),
            SV2_TEMPLATE_EVENT_CLIENT_READY => {}
            other => panic!("event {other}"),
        }
    }

    /// Takes what the client receives until it is so much.
    fn receive(&mut self, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            self.run();
            if self.received.len() >= count {
                return self.received.drain(..count).collect();
            }
            assert!(Instant::now() < end, "only {:?} came", self.received);
            self.host.poll(Duration::from_millis(20));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        unsafe { sv2_template_provider_free(self.provider) };
    }
}

fn describe(message: &Message<'_>) -> String {
    match message {
        Message::SetupConnectionSuccess(_) => "set up".to_owned(),
        Message::NewTemplate(new) => {
            let kind = if new.future_template { "future" } else { "update" };
            let nodes = new.merkle_path.iter().count();
            format!("{kind} {} with {} sat over {nodes}", new.template_id - FIRST_ID, new.coinbase_tx_value_remaining)
        }
        Message::SetNewPrevHashTemplate(tip) => format!("tip {} by {}", tip.prev_hash.0[0], tip.template_id - FIRST_ID),
        Message::RequestTransactionDataSuccess(data) => {
            let transactions: Vec<_> = data.transaction_list.iter().collect();
            assert_eq!(transactions, [transaction().as_slice()]);
            format!("transactions of {}", data.template_id - FIRST_ID)
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_client_is_served_from_its_first_template_to_its_block_and_over_a_restart_of_the_node() {
    for version in [30, 31, 32] {
        let mut node = FakeNode::start("engine", version);
        let mut world = World::new(&node);
        let first = "future 1 with 5000000000 sat over 1";
        assert_eq!(world.receive(3), ["set up", first, "tip 1 by 1"]);

        world.send(&RequestTransactionData { template_id: FIRST_ID + 1 });
        assert_eq!(world.receive(1), ["transactions of 1"]);

        node.script(|script| script.value += 2_000);
        assert_eq!(world.receive(1), ["update 2 with 5000002000 sat over 1"]);

        node.script(|script| script.tip = [2; 32]);
        let without = "future 3 with 5000002000 sat over 0";
        let full = "update 4 with 5000002000 sat over 1";
        let both = world.receive(2);
        if both[0] == without {
            assert_eq!((both[1].as_str(), world.receive(1)[0].as_str()), ("tip 2 by 3", full));
        } else {
            // The full one was there before the host looked.
            assert_eq!(both, ["future 3 with 5000002000 sat over 1", "tip 2 by 3"]);
        }

        node.stop();
        node.launch();
        let again = world.receive(1);
        assert!(again[0].starts_with("update"), "the template of the node that is back, on the same tip: {again:?}");

        // Any nonce is work enough on regtest with a probability of one half.
        let id = FIRST_ID + again[0].split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        let coinbase_tx = coinbase();
        for header_nonce in 0..64 {
            world.send(&SubmitSolution {
                template_id: id,
                version: 0x2000_0000,
                header_timestamp: 1_700_000_000,
                header_nonce,
                coinbase_tx: &coinbase_tx,
            });
            if world.blocks > 0 {
                break;
            }
            world.host.poll(Duration::from_millis(20));
            world.run();
        }
        assert!(world.blocks > 0);
        assert!(node.calls().iter().any(|call| call.starts_with("submitSolution")));
    }
}

/// A coinbase as a miner may make it.
fn coinbase() -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.extend([0; 32]);
    bytes.extend([0xff, 0xff, 0xff, 0xff, 4, 1, 100, 1, 1, 0xfe, 0xff, 0xff, 0xff, 2]);
    bytes.extend(5_000_000_000_u64.to_le_bytes());
    bytes.extend([1, 0x51]);
    bytes.extend(node_fake::COMMITMENT);
    bytes.extend([99, 0, 0, 0]);
    bytes
}
