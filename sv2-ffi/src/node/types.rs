//! The structs of the node's client. They are declared in every build; the functions are there with the feature `node-ipc`.

use std::ffi::c_char;

use crate::options::Options;
use crate::{sv2_bytes, sv2_bytes_list, sv2_constraint_key, sv2_log, sv2_str, sv2_template, sv2_u256};

/// The node's state is another: for sv2_template_provider_node_state. See `as.state`.
pub const SV2_NODE_EVENT_STATE: u32 = 1;
/// The node's tip is another: for sv2_template_provider_tip_changed. See `as.tip_changed`.
pub const SV2_NODE_EVENT_TIP_CHANGED: u32 = 2;
/// The node made a template: for sv2_template_provider_template_ready. It is held in the node until sv2_node_free_template. See
/// `as.template_ready`.
pub const SV2_NODE_EVENT_TEMPLATE_READY: u32 = 3;
/// Answers sv2_node_want_transactions: for sv2_template_provider_transactions_ready. See `as.transactions`.
pub const SV2_NODE_EVENT_TRANSACTIONS: u32 = 4;
/// The node has answered for a block, or will never. Exactly one comes for each block, for
/// sv2_template_provider_submit_result. See `as.submit_result`.
pub const SV2_NODE_EVENT_SUBMIT_RESULT: u32 = 5;
/// The whole block of a submission, to be stored. It comes after the block was handed to the node, or when the node is away.
/// See `as.block`.
pub const SV2_NODE_EVENT_BLOCK: u32 = 6;

/// Where the node is, and how patient to be. A zero means the usual value, which is given with each member. Initialise with
/// SV2_NODE_OPTIONS_INIT, and set `socket_path`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_node_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// The node's socket: `node.sock` in its data directory unless -ipcbind says otherwise. At most 107 bytes.
    pub socket_path: sv2_str,
    /// A template on the same tip is given when it is worth at least so many satoshis more than the last one: 1,000.
    pub fee_threshold_sat: u64,
    /// How often it is looked whether fees have risen, in milliseconds: 5,000, at least 1,000. Each look costs the node a template, and is made
    /// only while there are keys.
    pub update_interval_ms: u64,
    /// A call that the node does not answer for so long means that it hangs, in milliseconds: 30,000. A new connection is then
    /// made; the old one stays as long as there are templates of it, so that blocks found on them can be submitted. Submissions
    /// themselves have no limit.
    pub call_timeout_ms: u64,
    /// Where the log goes.
    pub log: sv2_log,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_node_options {}

/// What the node is up to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_node_state {
    /// SV2_NODE_DOWN: there is no connection, and it is tried again and again. SV2_NODE_SYNCING: the node loads or downloads the
    /// chain. SV2_NODE_READY: it gives templates.
    pub state: u32,
    /// The version of the node's mining interface: 30, 31, or 32 for everything newer. 0 if it is not known.
    pub version: u32,
    /// 1 if the node is on a test chain: any but the main chain. Certain when the state is SV2_NODE_READY, before that 0 may only mean
    /// that it is not known yet. A program that was told which chain to serve can refuse another one.
    pub is_test_chain: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Why it is not ready: a sentence without its full stop, NUL-terminated. Empty if it is.
    pub reason: *const c_char,
}

/// A template, and the key it was made for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_node_template {
    /// The key.
    pub key: sv2_constraint_key,
    /// The template. Its node_handle is good for sv2_node_submit and the like, and is never used twice.
    pub template_: sv2_template,
}

/// The transactions of a template.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_node_transactions {
    /// As it was given to sv2_node_want_transactions.
    pub template_id: u64,
    /// 1 if the node still had them, else 0.
    pub available: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// All transactions but the coinbase, in order, serialized with their witnesses.
    pub transactions: sv2_bytes_list,
}

/// What became of a block.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_submit_result {
    /// The template that was solved.
    pub node_handle: u64,
    /// The block's hash.
    pub block_hash: sv2_u256,
    /// 1 if the node took the block, has it already (BIP 22's "duplicate" and "duplicate-inconclusive"), or stored it without making it
    /// its tip ("inconclusive"); else 0. In versions 30 and 31 the node also says so of blocks that
    /// turn out to be invalid: a block is accepted when the tip changes to it.
    pub accepted: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Why it was not taken: BIP 22's words or a sentence, NUL-terminated. May be empty.
    pub reason: *const c_char,
}

/// A whole block.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_node_block {
    /// The template that was solved.
    pub node_handle: u64,
    /// The block's hash.
    pub block_hash: sv2_u256,
    /// The block, as the node's submitblock takes it in hexadecimal.
    pub bytes: sv2_bytes,
}

/// One field for every type of event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sv2_node_event_as {
    /// If type is SV2_NODE_EVENT_STATE.
    pub state: sv2_node_state,
    /// If type is SV2_NODE_EVENT_TIP_CHANGED: the hash of the tip.
    pub tip_changed: sv2_u256,
    /// If type is SV2_NODE_EVENT_TEMPLATE_READY.
    pub template_ready: sv2_node_template,
    /// If type is SV2_NODE_EVENT_TRANSACTIONS.
    pub transactions: sv2_node_transactions,
    /// If type is SV2_NODE_EVENT_SUBMIT_RESULT.
    pub submit_result: sv2_submit_result,
    /// If type is SV2_NODE_EVENT_BLOCK.
    pub block: sv2_node_block,
    /// Room for events of later versions.
    pub reserved: [u64; 64],
}

/// Something that the node did. What it points to lives until the next sv2_node_next_event. Ignore types you do not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_node_event {
    /// One of SV2_NODE_EVENT_*.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// What belongs to the type.
    pub r#as: sv2_node_event_as,
}
