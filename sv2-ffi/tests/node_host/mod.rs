//! A host of `sv2_node`, as the tests see it: waits on the file descriptor, takes events, and keeps what they lend.
#![allow(dead_code)] // each test uses a part

use std::ffi::CStr;
use std::path::Path;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use sv2::*;
use sv2_core::bitcoin::{CoinbaseTemplate, Hash, Header, Output, Target, Transaction, root_from_path};

/// How long anything may take that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

pub const KEY: sv2_constraint_key = sv2_constraint_key { reserved_weight: 4_000, sigops: 400, reserved: 0 };
pub const WIDE_KEY: sv2_constraint_key = sv2_constraint_key { reserved_weight: 8_000, sigops: 4_000, reserved: 0 };

/// An event, with what it pointed to.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    State { state: u32, version: u32, is_test_chain: bool, reason: String },
    Tip(Hash),
    Template(Template),
    Transactions { template_id: u64, transactions: Option<Vec<Vec<u8>>> },
    Result { node_handle: u64, block_hash: Hash, accepted: bool, reason: String },
    Block { node_handle: u64, block_hash: Hash, bytes: Vec<u8> },
}

/// What miners need of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub key: sv2_constraint_key,
    pub node_handle: u64,
    pub is_provisional: bool,
    pub version: u32,
    pub prev_hash: Hash,
    pub time: u32,
    pub nbits: u32,
    pub coinbase_version: u32,
    pub sequence: u32,
    pub prefix: Vec<u8>,
    pub value: u64,
    pub outputs_count: u32,
    pub outputs: Vec<u8>,
    pub lock_time: u32,
    pub merkle_path: Vec<Hash>,
}

/// A node's client, freed in the end.
pub struct Host {
    node: *mut sv2_node,
    /// What came and nobody has waited for, in order.
    pub pending: Vec<Event>,
}

impl Host {
    pub fn new(socket: &Path) -> Self {
        Self::with(socket, |_| ())
    }

    pub fn with(socket: &Path, change: impl FnOnce(&mut sv2_node_options)) -> Self {
        let path = socket.to_str().unwrap();
        let mut options = sv2_node_options {
            struct_size: size_of::<sv2_node_options>(),
            socket_path: sv2_str { data: path.as_ptr().cast(), len: path.len() },
            fee_threshold_sat: 1_000,
            update_interval_ms: 1_000,
            call_timeout_ms: 5_000,
            log: sv2_log { write: None, user_data: null_mut() },
        };
        change(&mut options);
        let mut node = null_mut();
        assert_eq!(unsafe { sv2_node_new(&options, &mut node) }, SV2_OK);
        Self { node, pending: Vec::new() }
    }

    /// Whether the file descriptor becomes readable in time.
    pub fn poll(&self, timeout: Duration) -> bool {
        let mut polled = libc::pollfd { fd: unsafe { sv2_node_fd(self.node) }, events: libc::POLLIN, revents: 0 };
        unsafe { libc::poll(&mut polled, 1, timeout.as_millis() as i32) > 0 }
    }

    pub fn next(&mut self) -> Option<Event> {
        let mut event = std::mem::MaybeUninit::uninit();
        match unsafe { sv2_node_next_event(self.node, event.as_mut_ptr()) } {
            SV2_NO_EVENT => None,
            status => {
                assert_eq!(status, SV2_OK);
                Some(unsafe { own(&event.assume_init()) })
            }
        }
    }

    /// The first event that is what `wanted` says; the others stay.
    pub fn wait_for<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Some(event) = self.next() {
                self.pending.push(event);
            }
            if let Some((at, found)) =
                self.pending.iter().enumerate().find_map(|(at, event)| Some((at, wanted(event)?)))
            {
                self.pending.remove(at);
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come; what came: {:?}", self.pending);
            self.poll(left);
        }
    }

    /// Nothing that `unwanted` names comes for a while.
    pub fn expect_none(&mut self, duration: Duration, unwanted: impl Fn(&Event) -> bool) {
        let end = Instant::now() + duration;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.poll(left);
            while let Some(event) = self.next() {
                assert!(!unwanted(&event), "{event:?}");
                self.pending.push(event);
            }
        }
    }

    pub fn wait_for_state(&mut self, wanted: u32) -> (u32, String) {
        self.wait_for("the state", |event| match event {
            Event::State { state, version, reason, .. } if *state == wanted => Some((*version, reason.clone())),
            _ => None,
        })
    }

    pub fn wait_for_tip(&mut self, hash: Hash) {
        self.wait_for("the tip", |event| (*event == Event::Tip(hash)).then_some(()));
    }

    pub fn wait_for_template(&mut self, wanted: impl Fn(&Template) -> bool) -> Template {
        self.wait_for("a template", |event| match event {
            Event::Template(template) if wanted(template) => Some(template.clone()),
            _ => None,
        })
    }

    /// The next template that is not provisional.
    pub fn wait_for_full(&mut self) -> Template {
        self.wait_for_template(|template| !template.is_provisional)
    }

    pub fn wait_for_result(&mut self, hash: Hash) -> (bool, String) {
        self.wait_for("what became of the block", |event| match event {
            Event::Result { block_hash, accepted, reason, .. } if *block_hash == hash => {
                Some((*accepted, reason.clone()))
            }
            _ => None,
        })
    }

    pub fn wait_for_block(&mut self, hash: Hash) -> Vec<u8> {
        self.wait_for("the block", |event| match event {
            Event::Block { block_hash, bytes, .. } if *block_hash == hash => Some(bytes.clone()),
            _ => None,
        })
    }

    pub fn wait_for_transactions(&mut self, id: u64) -> Option<Vec<Vec<u8>>> {
        self.wait_for("the transactions", |event| match event {
            Event::Transactions { template_id, transactions } if *template_id == id => Some(transactions.clone()),
            _ => None,
        })
    }

    pub fn want(&self, key: sv2_constraint_key) {
        assert_eq!(unsafe { sv2_node_want_template(self.node, key) }, SV2_OK);
    }

    pub fn drop_key(&self, key: sv2_constraint_key) {
        assert_eq!(unsafe { sv2_node_drop_template(self.node, key) }, SV2_OK);
    }

    pub fn free_template(&self, template: &Template) {
        assert_eq!(unsafe { sv2_node_free_template(self.node, template.node_handle) }, SV2_OK);
    }

    pub fn want_transactions(&self, template_id: u64, node_handle: u64) {
        assert_eq!(unsafe { sv2_node_want_transactions(self.node, template_id, node_handle) }, SV2_OK);
    }

    /// Submits what was found.
    pub fn submit(&self, found: &Found) {
        let Header { version, prev_hash, merkle_root, time, nbits, nonce } = found.header;
        let u256 = |bytes| sv2_u256 { bytes };
        let header = sv2_block_header {
            version,
            prev_hash: u256(prev_hash),
            merkle_root: u256(merkle_root),
            time,
            nbits,
            nonce,
        };
        let solution = sv2_solution {
            connection: 1,
            template_id: 1,
            node_handle: found.node_handle,
            header,
            block_hash: u256(found.hash),
            meets_target: 1,
            coinbase_tx: sv2_bytes { data: found.coinbase.as_ptr(), len: found.coinbase.len() },
        };
        assert_eq!(unsafe { sv2_node_submit(self.node, &solution) }, SV2_OK);
    }

    pub fn as_ptr(&self) -> *mut sv2_node {
        self.node
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        unsafe { sv2_node_free(self.node) };
    }
}

unsafe fn own(event: &sv2_node_event) -> Event {
    let text = |of| unsafe { CStr::from_ptr(of) }.to_str().unwrap().to_owned();
    let bytes = |of: sv2_bytes| unsafe { std::slice::from_raw_parts(of.data, of.len) }.to_vec();
    unsafe {
        match event.r#type {
            SV2_NODE_EVENT_STATE => {
                let state = event.r#as.state;
                Event::State {
                    state: state.state,
                    version: state.version,
                    is_test_chain: state.is_test_chain != 0,
                    reason: text(state.reason),
                }
            }
            SV2_NODE_EVENT_TIP_CHANGED => Event::Tip(event.r#as.tip_changed.bytes),
            SV2_NODE_EVENT_TEMPLATE_READY => {
                let sv2_node_template { key, template_: of } = event.r#as.template_ready;
                let path = std::slice::from_raw_parts(of.merkle_path.items, of.merkle_path.count);
                Event::Template(Template {
                    key,
                    node_handle: of.node_handle,
                    is_provisional: of.kind == SV2_TEMPLATE_PROVISIONAL,
                    version: of.version,
                    prev_hash: of.prev_hash.bytes,
                    time: of.header_timestamp,
                    nbits: of.nbits,
                    coinbase_version: of.coinbase_tx_version,
                    sequence: of.coinbase_tx_input_sequence,
                    prefix: bytes(of.coinbase_prefix),
                    value: of.coinbase_tx_value_remaining,
                    outputs_count: of.coinbase_tx_outputs_count,
                    outputs: bytes(of.coinbase_tx_outputs),
                    lock_time: of.coinbase_tx_locktime,
                    merkle_path: path.iter().map(|node| node.bytes).collect(),
                })
            }
            SV2_NODE_EVENT_TRANSACTIONS => {
                let answer = event.r#as.transactions;
                let list = std::slice::from_raw_parts(answer.transactions.items, answer.transactions.count);
                let transactions = (answer.available != 0).then(|| list.iter().map(|item| bytes(*item)).collect());
                Event::Transactions { template_id: answer.template_id, transactions }
            }
            SV2_NODE_EVENT_SUBMIT_RESULT => {
                let result = event.r#as.submit_result;
                Event::Result {
                    node_handle: result.node_handle,
                    block_hash: result.block_hash.bytes,
                    accepted: result.accepted != 0,
                    reason: text(result.reason),
                }
            }
            SV2_NODE_EVENT_BLOCK => {
                let block = event.r#as.block;
                let (node_handle, block_hash) = (block.node_handle, block.block_hash.bytes);
                Event::Block { node_handle, block_hash, bytes: bytes(block.bytes) }
            }
            other => panic!("event {other}"),
        }
    }
}

/// A block found on a template.
pub struct Found {
    pub node_handle: u64,
    pub header: Header,
    pub hash: Hash,
    pub coinbase: Vec<u8>,
}

impl Template {
    /// Mines: regtest's target takes two tries on average. Different `extranonce`, different block.
    pub fn mine(&self, extranonce: u8) -> Found {
        let template = CoinbaseTemplate {
            version: self.coinbase_version,
            prefix: &self.prefix,
            sequence: self.sequence,
            outputs_count: self.outputs_count,
            outputs: &self.outputs,
            lock_time: self.lock_time,
        };
        let reward = Output { value: self.value, script_pubkey: &[0x51] };
        let coinbase = template.coinbase(&[1, extranonce], &[reward], Some(&[0; 32])).unwrap();
        let txid = Transaction::parse_exact(&coinbase).unwrap().txid();
        let merkle_root = root_from_path(&txid, &self.merkle_path);
        let target = Target::from_nbits(self.nbits).unwrap();
        let header = (0..)
            .map(|nonce| Header {
                version: self.version,
                prev_hash: self.prev_hash,
                merkle_root,
                time: self.time,
                nbits: self.nbits,
                nonce,
            })
            .find(|header| target.is_met_by(&header.hash()))
            .unwrap();
        Found { node_handle: self.node_handle, header, hash: header.hash(), coinbase }
    }
}
