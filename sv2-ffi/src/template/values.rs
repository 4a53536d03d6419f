//! What goes into a template provider: options and templates.

use std::ffi::c_char;

use libc::{c_int, c_void};
use std::net::IpAddr;
use sv2_core::bitcoin::Target;
use sv2_core::template::{
    ConstraintKey, NewPrevHash, NodeState, ProviderOptions, SubmitResult, Template, TemplateKind,
};

use crate::message::slice;
use crate::noise::sv2_identity;
use crate::options::{Options, read_options, sv2_limits, sv2_random};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, sv2_bytes, sv2_bytes_list, sv2_status, sv2_u256, sv2_u256_list};

/// What a template must leave free for the coinbase. Clients with the same key share a template.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sv2_constraint_key {
    /// Weight units for the header, the transaction count and the whole coinbase (spec 7.1); at least 2,000.
    pub reserved_weight: u32,
    /// Sigops for the coinbase's outputs.
    pub sigops: u16,
    /// Zero.
    pub reserved: u16,
}

impl From<ConstraintKey> for sv2_constraint_key {
    fn from(key: ConstraintKey) -> Self {
        Self { reserved_weight: key.reserved_weight, sigops: key.sigops, reserved: 0 }
    }
}

impl From<sv2_constraint_key> for ConstraintKey {
    fn from(key: sv2_constraint_key) -> Self {
        Self { reserved_weight: key.reserved_weight, sigops: key.sigops }
    }
}

/// Where somebody connected from, so that one address cannot take all places.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sv2_address {
    /// How many of `bytes` count: 4 for IPv4, 16 for IPv6.
    pub len: u8,
    /// The address in network byte order.
    pub bytes: [u8; 16],
}

/// An argument that cannot be used.
pub(crate) struct BadArgument {
    pub(crate) status: sv2_status,
    /// What is wrong with it, in a sentence.
    pub(crate) text: &'static str,
}

impl BadArgument {
    const fn new(text: &'static str) -> Self {
        Self { status: SV2_ERROR_ARGUMENT, text }
    }
}

/// The elements of a list that must be one: NULL stands for nothing, not for so many of them.
///
/// # Safety
/// As [`slice`].
unsafe fn given<'a, T>(items: *const T, count: usize) -> Result<&'a [T], BadArgument> {
    if items.is_null() && count > 0 {
        return Err(BadArgument { status: SV2_ERROR_NULL, text: "NULL was given with a length" });
    }
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(BadArgument::new("a length is more than any memory holds"));
    }
    Ok(unsafe { slice(items, count) })
}

/// The transactions of a list, none of them NULL.
///
/// # Safety
/// The pointers are valid for their lengths.
pub(super) unsafe fn transactions<'a>(list: &sv2_bytes_list) -> Result<Vec<&'a [u8]>, BadArgument> {
    unsafe { given(list.items, list.count)?.iter().map(|item| given(item.data, item.len)).collect() }
}

impl sv2_address {
    pub(crate) fn read(&self) -> Result<IpAddr, BadArgument> {
        match (self.len, self.bytes) {
            (4, [a, b, c, d, ..]) => Ok(IpAddr::from([a, b, c, d])),
            (16, bytes) => Ok(IpAddr::from(bytes)),
            _ => Err(BadArgument::new("an address has 4 or 16 bytes")),
        }
    }
}

/// The node can make templates: what a provider believes until it is told something else.
pub const SV2_NODE_READY: u32 = 0;
/// The node has not caught up with the chain.
pub const SV2_NODE_SYNCING: u32 = 1;
/// The node cannot be reached, or is not running.
pub const SV2_NODE_DOWN: u32 = 2;

pub(super) fn node_state(state: u32) -> Result<NodeState, BadArgument> {
    match state {
        SV2_NODE_READY => Ok(NodeState::Ready),
        SV2_NODE_SYNCING => Ok(NodeState::Syncing),
        SV2_NODE_DOWN => Ok(NodeState::Down),
        _ => Err(BadArgument::new("there is no such state of the node")),
    }
}

/// The node took the block; it is part of the chain once it is the tip.
pub const SV2_SUBMIT_TAKEN: u32 = 0;
/// The node refused the block.
pub const SV2_SUBMIT_REFUSED: u32 = 1;

pub(super) fn submit_result(result: u32) -> Result<SubmitResult, BadArgument> {
    match result {
        SV2_SUBMIT_TAKEN => Ok(SubmitResult::Taken),
        SV2_SUBMIT_REFUSED => Ok(SubmitResult::Refused),
        _ => Err(BadArgument::new("there is no such answer to a block")),
    }
}

/// The best block the node can make: followed by another when that is worth enough more.
pub const SV2_TEMPLATE_FULL: u8 = 0;
/// Something to work on until the full template is there, as one without transactions at the very moment of a new tip. The first
/// full one follows it at once, whatever it is worth.
pub const SV2_TEMPLATE_PROVISIONAL: u8 = 1;
/// For the height after the next block: prev_hash, header_timestamp, nbits and target are not known and count for nothing until
/// sv2_template_provider_set_new_prev_hash says them. Clients have it by then, so that the change of tip takes one short message. It
/// leaves clients with what they have; a newer one for the same key replaces it.
pub const SV2_TEMPLATE_NEXT_HEIGHT: u8 = 2;

fn template_kind(kind: u8) -> Result<TemplateKind, BadArgument> {
    match kind {
        SV2_TEMPLATE_FULL => Ok(TemplateKind::Full),
        SV2_TEMPLATE_PROVISIONAL => Ok(TemplateKind::Provisional),
        SV2_TEMPLATE_NEXT_HEIGHT => Ok(TemplateKind::NextHeight),
        _ => Err(BadArgument::new("there is no such kind of template")),
    }
}

/// How much a line of a log matters: something does not work and somebody should look at it.
pub const SV2_LOG_ERROR: c_int = 1;
/// A peer did what it should not.
pub const SV2_LOG_WARNING: c_int = 2;
/// What a quiet day looks like.
pub const SV2_LOG_INFO: c_int = 3;
/// For those who look for a fault.
pub const SV2_LOG_DEBUG: c_int = 4;

/// Where an object's log goes. With `write` NULL there is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_log {
    /// Gets a level, SV2_LOG_*, and a line of `len` bytes, UTF-8, not NUL-terminated, without a line break; what comes from
    /// peers in it is escaped. It is called during functions of the object that take events out, from the thread of that call.
    /// It must call nothing of this object, and must not throw or jump out.
    pub write: Option<unsafe extern "C" fn(user_data: *mut c_void, level: c_int, text: *const c_char, len: usize)>,
    /// Handed to `write`. It must be usable from every thread the object is used from.
    pub user_data: *mut c_void,
}

// The pointer is only ever handed to `write`; that it may be used from the object's thread is demanded above.
unsafe impl Send for sv2_log {}

/// What a template provider serves, to how many, and how long it waits. A zero means the usual value, which is given with each
/// member. Initialise with SV2_TEMPLATE_PROVIDER_OPTIONS_INIT, and set `identity`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_provider_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// What clients are shown in the Noise handshake. NULL is an error unless `plaintext` is set. It may be freed once the
    /// provider is made.
    pub identity: *const sv2_identity,
    /// Anything but 0: no encryption, for a network in which everybody is trusted.
    pub plaintext: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// A template on the same tip is sent when it is worth at least so many satoshis more than the last one: 1,000.
    pub fee_threshold_sat: u64,
    /// Clients are sent a template on the same tip no sooner than this after the last one, in milliseconds: 5,000.
    pub update_interval_ms: u64,
    /// How long a template can be asked about and solved after its tip is gone, in milliseconds: 10,000.
    pub template_lifetime_ms: u64,
    /// Most clients at once, those not set up yet included: 1,000. Then a new one takes the place of one that is not served yet, or
    /// is refused.
    pub max_clients: usize,
    /// Most connections at once that are not set up: 256. Then a new one takes the place of the oldest of them.
    pub max_handshakes: usize,
    /// Most clients at once from one address, an IPv4 address or the /64 of an IPv6 address: 100.
    pub max_clients_per_address: usize,
    /// Most connections at once from one address that are not set up: 30.
    pub max_handshakes_per_address: usize,
    /// How many times one address may connect in a minute: 30.
    pub max_connections_per_minute: u32,
    /// How many messages a client may send in a second, of any type, in the long run: 20.
    pub max_requests_per_second: u32,
    /// How many messages a client may send at once after it was quiet: 200.
    pub request_burst: u32,
    /// Anything but 0: connections from this machine count for their address like others.
    pub count_loopback: u8,
    /// Zero.
    pub reserved_limits: [u8; 3],
    /// Most templates to keep up to date at once, one for each distinct constraint key: 16. At most half of them are for keys above
    /// 16,000 weight units or 400 sigops, and the clients of one address have at most two of those.
    pub max_keys: usize,
    /// How many keys can come into use in a minute, and as many again above 16,000 weight units or 400 sigops: 30. Each makes the node
    /// build a template. Also so many at once after a quiet minute, or max_keys if that is more. Beyond that a client gets a key in
    /// use that covers its constraints, or is closed.
    pub max_new_keys_per_minute: u32,
    /// The same for the clients of one address: 10.
    pub max_new_keys_per_minute_per_address: u32,
    /// How long a key is kept up to date after its last client has gone, in milliseconds: 60,000.
    pub key_linger_ms: u64,
    /// How often a client may send CoinbaseOutputConstraints while the tip stays the same: 32.
    pub max_constraints_per_tip: u32,
    /// How many RequestTransactionData of one client may be waiting for the node, or until the client has read what it was sent: 64.
    pub max_pending_requests: u32,
    /// How long a client waits for the node's answer to its RequestTransactionData before it is told that there are none, in
    /// milliseconds: 30,000.
    pub transactions_timeout_ms: u64,
    /// Bytes of transaction data to keep for clients that ask for what another one asked for before: 64 MiB.
    pub transaction_cache_len: usize,
    /// How long a client may take from connecting to SetupConnection, in milliseconds: 60,000.
    pub setup_timeout_ms: u64,
    /// How long a client may take from SetupConnection to CoinbaseOutputConstraints, in milliseconds: 600,000.
    pub constraints_timeout_ms: u64,
    /// How long a client that is refused may take to read the reason, in milliseconds: 5,000. One that has a template is also heard so
    /// long: what it found counts.
    pub flush_timeout_ms: u64,
    /// How long a client may take nothing of what waits for it, in milliseconds: 60,000. It is looked at every ten seconds.
    pub stall_timeout_ms: u64,
    /// The bounds of each connection. Here max_output is 8 MiB unless set: what a slow client may cost before it is dropped.
    pub limits: sv2_limits,
    /// The source of randomness.
    pub random: sv2_random,
    /// Where the log goes.
    pub log: sv2_log,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_template_provider_options {}

impl sv2_template_provider_options {
    /// # Safety
    /// `identity` is NULL or a live identity.
    pub(super) unsafe fn read(&self) -> Result<ProviderOptions, sv2_status> {
        let mut options = match unsafe { self.identity.as_ref() } {
            Some(identity) if self.plaintext == 0 => ProviderOptions::new(identity.identity.clone()),
            None if self.plaintext != 0 => ProviderOptions::plaintext(),
            _ => return Err(SV2_ERROR_ARGUMENT),
        };
        let set_ms = |to: &mut u64, value: u64| *to = if value == 0 { *to } else { value };
        let set_u32 = |to: &mut u32, value: u32| *to = if value == 0 { *to } else { value };
        let set = |to: &mut usize, value: usize| *to = if value == 0 { *to } else { value };
        set_ms(&mut options.fee_threshold_sat, self.fee_threshold_sat);
        set_ms(&mut options.update_interval_ms, self.update_interval_ms);
        set_ms(&mut options.template_lifetime_ms, self.template_lifetime_ms);
        set_ms(&mut options.key_linger_ms, self.key_linger_ms);
        set_ms(&mut options.transactions_timeout_ms, self.transactions_timeout_ms);
        set_ms(&mut options.setup_timeout_ms, self.setup_timeout_ms);
        set_ms(&mut options.constraints_timeout_ms, self.constraints_timeout_ms);
        set_ms(&mut options.flush_timeout_ms, self.flush_timeout_ms);
        set_ms(&mut options.stall_timeout_ms, self.stall_timeout_ms);
        set_u32(&mut options.max_constraints_per_tip, self.max_constraints_per_tip);
        set_u32(&mut options.max_new_keys_per_minute, self.max_new_keys_per_minute);
        set_u32(&mut options.max_new_keys_per_minute_per_address, self.max_new_keys_per_minute_per_address);
        set_u32(&mut options.max_connections_per_minute, self.max_connections_per_minute);
        set_u32(&mut options.max_requests_per_second, self.max_requests_per_second);
        set_u32(&mut options.request_burst, self.request_burst);
        set(&mut options.max_handshakes, self.max_handshakes);
        set(&mut options.max_clients_per_address, self.max_clients_per_address);
        set(&mut options.max_handshakes_per_address, self.max_handshakes_per_address);
        options.exempt_loopback = self.count_loopback == 0;
        set(&mut options.max_pending_requests, self.max_pending_requests as usize);
        set(&mut options.max_clients, self.max_clients);
        set(&mut options.max_keys, self.max_keys);
        set(&mut options.transaction_cache_len, self.transaction_cache_len);
        options.limits = self.limits.with_usual_output(options.limits.max_output);
        Ok(options)
    }
}

/// A block template of the node, without its transactions. Initialise with SV2_TEMPLATE_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template {
    /// The size of this struct.
    pub struct_size: usize,
    /// The node's own name for the template; the provider hands it back. Two templates may have the same.
    pub node_handle: u64,
    /// The header's nVersion.
    pub version: u32,
    /// The header's nTime to start with: about now, not the least valid one.
    pub header_timestamp: u32,
    /// The header's nBits.
    pub nbits: u32,
    /// The tip: hash of the previous block.
    pub prev_hash: sv2_u256,
    /// Anything but 0: clients are told `target`, which must be harder than nBits. What meets nBits is submitted all the same.
    pub has_target: u8,
    /// What the template is to its clients: SV2_TEMPLATE_FULL, SV2_TEMPLATE_PROVISIONAL or SV2_TEMPLATE_NEXT_HEIGHT.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// The greatest hash of a block to submit, if has_target.
    pub target: sv2_u256,
    /// The coinbase transaction's nVersion.
    pub coinbase_tx_version: u32,
    /// The coinbase input's nSequence.
    pub coinbase_tx_input_sequence: u32,
    /// The coinbase's lock time.
    pub coinbase_tx_locktime: u32,
    /// How many outputs there are in `coinbase_tx_outputs`.
    pub coinbase_tx_outputs_count: u32,
    /// Satoshis that the client's outputs may spend: subsidy and fees.
    pub coinbase_tx_value_remaining: u64,
    /// What the coinbase's scriptSig begins with, up to 8 bytes: the push of the height (BIP 34).
    pub coinbase_prefix: sv2_bytes,
    /// The coinbase's last outputs, serialized, without a count before them. Where there is a witness commitment, it is one of
    /// them.
    pub coinbase_tx_outputs: sv2_bytes,
    /// The coinbase's merkle path, from the deepest; sv2_merkle_path reckons it.
    pub merkle_path: sv2_u256_list,
}

// All members are numbers and pointers.
unsafe impl Options for sv2_template {}

impl sv2_template {
    /// # Safety
    /// `template_` is NULL or points to a readable struct that says its own size, whose pointers are valid for their lengths.
    pub(super) unsafe fn copy(template_: *const Self) -> Result<Template, BadArgument> {
        let text = "the template is NULL, or its struct_size is wrong";
        unsafe { read_options(template_).map_err(|status| BadArgument { status, text })?.read() }
    }

    unsafe fn read(&self) -> Result<Template, BadArgument> {
        let kind = template_kind(self.kind)?;
        Ok(unsafe {
            Template {
                version: self.version,
                coinbase_tx_version: self.coinbase_tx_version,
                coinbase_prefix: given(self.coinbase_prefix.data, self.coinbase_prefix.len)?.to_vec(),
                coinbase_tx_input_sequence: self.coinbase_tx_input_sequence,
                coinbase_tx_value_remaining: self.coinbase_tx_value_remaining,
                coinbase_tx_outputs_count: self.coinbase_tx_outputs_count,
                coinbase_tx_outputs: given(self.coinbase_tx_outputs.data, self.coinbase_tx_outputs.len)?.to_vec(),
                coinbase_tx_locktime: self.coinbase_tx_locktime,
                merkle_path: given(self.merkle_path.items, self.merkle_path.count)?
                    .iter()
                    .map(|node| node.bytes)
                    .collect(),
                prev_hash: self.prev_hash.bytes,
                header_timestamp: self.header_timestamp,
                nbits: self.nbits,
                target: (self.has_target != 0).then_some(Target(self.target.bytes)),
                kind,
                node_handle: self.node_handle,
            }
        })
    }
}

/// What a template for the next height waits for: what SetNewPrevHash says (spec 7.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_new_prev_hash {
    /// The tip: hash of the previous block.
    pub prev_hash: sv2_u256,
    /// The header's nTime to start with: about now, not the least valid one.
    pub header_timestamp: u32,
    /// The header's nBits.
    pub nbits: u32,
    /// Anything but 0: clients are told `target`, which must be harder than nBits. What meets nBits is submitted all the same.
    pub has_target: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// The greatest hash of a block to submit, if has_target.
    pub target: sv2_u256,
}

impl From<sv2_new_prev_hash> for NewPrevHash {
    fn from(new_prev_hash: sv2_new_prev_hash) -> Self {
        let sv2_new_prev_hash { prev_hash, header_timestamp, nbits, has_target, target, .. } = new_prev_hash;
        let target = (has_target != 0).then_some(Target(target.bytes));
        Self { prev_hash: prev_hash.bytes, header_timestamp, nbits, target }
    }
}

/// The key of a client that adds coinbase outputs of `max_additional_size` serialized bytes with at most `sigops` sigops: 1168 +
/// 4 * max_additional_size weight units, and at least 2,000 (spec 7.1), both rounded up to a step, so that clients with nearly the
/// same needs share a template. Returns SV2_ERROR_ARGUMENT if that is more than a block.
///
/// # Safety
/// `key` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_constraint_key_from_outputs(
    max_additional_size: u32,
    sigops: u16,
    key: *mut sv2_constraint_key,
) -> sv2_status {
    if key.is_null() {
        return SV2_ERROR_NULL;
    }
    crate::boundary::fenced(|| match ConstraintKey::new(max_additional_size, sigops) {
        Some(made) => {
            unsafe { key.write(made.into()) };
            crate::SV2_OK
        }
        None => SV2_ERROR_ARGUMENT,
    })
}
