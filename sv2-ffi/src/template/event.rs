//! What comes out of a template provider: events.

use std::ffi::c_char;

use sv2_core::template::{Event, Solution, SolutionRefusal};

use super::values::sv2_constraint_key;
use crate::text::ErrorText;
use crate::{sv2_block_header, sv2_bytes, sv2_u256};

/// A block was found: submit it before anything else. It comes before all other events. See `as.submit_block`.
pub const SV2_TEMPLATE_EVENT_SUBMIT_BLOCK: u32 = 1;
/// Clients wait for a template for this key on the present tip: build one, give it to sv2_template_provider_template_ready, and
/// go on giving better ones until SV2_TEMPLATE_EVENT_DROP_TEMPLATE. It comes right after blocks, so that the node begins before
/// clients of other keys are written to; who cannot build beside the loop takes the next events first. See `as.want_template`.
pub const SV2_TEMPLATE_EVENT_WANT_TEMPLATE: u32 = 2;
/// No client needs templates for this key any more; those given before are still in use. See `as.drop_template`.
pub const SV2_TEMPLATE_EVENT_DROP_TEMPLATE: u32 = 3;
/// A template is no longer needed: free what belongs to its handle. Its template_id is the one that
/// sv2_template_provider_template_ready gave; a client may have known it by others. While a block found on it waits for
/// sv2_template_provider_submit_result, it is kept. See `as.template_expired`.
pub const SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED: u32 = 4;
/// Somebody wants the transactions of a template: answer with sv2_template_provider_transactions_ready, now or later. Asked once
/// for each template, by the template_id that sv2_template_provider_template_ready gave. See `as.want_transactions`.
pub const SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS: u32 = 5;
/// There are bytes in sv2_template_provider_output for this connection: write them, once, and say so with
/// sv2_template_provider_sent; if that leaves more, the event comes again, behind those of others. So long answers take turns, and a
/// new tip goes out before the rest of them. If the socket takes none now, go on when it can be written. See `as.writable`.
pub const SV2_TEMPLATE_EVENT_WRITABLE: u32 = 6;
/// Close the socket; the provider has forgotten the connection. Until this comes, hand in what the client sends, also if it is to be
/// closed: a block may be in it. See `as.close`.
pub const SV2_TEMPLATE_EVENT_CLOSE: u32 = 7;
/// A client is set up and has said what it needs; again whenever it changes that. See `as.client_ready`.
pub const SV2_TEMPLATE_EVENT_CLIENT_READY: u32 = 8;
/// A SubmitSolution is not submitted. See `as.solution_refused`.
pub const SV2_TEMPLATE_EVENT_SOLUTION_REFUSED: u32 = 9;

/// A block that was submitted is the tip: the node has accepted it. See `as.block_accepted`.
pub const SV2_TEMPLATE_EVENT_BLOCK_ACCEPTED: u32 = 10;

/// The template was never given out, or its tip has been gone for too long.
pub const SV2_SOLUTION_UNKNOWN_TEMPLATE: u32 = 1;
/// The hash does not meet nBits: no network accepts it.
pub const SV2_SOLUTION_HASH_ABOVE_TARGET: u32 = 2;
/// The same block with the same coinbase was submitted before.
pub const SV2_SOLUTION_DUPLICATE: u32 = 3;
/// The template is for the next height, and the block before it was not found yet.
pub const SV2_SOLUTION_NOT_ACTIVE: u32 = 4;

/// A block found on a template, without the template's transactions: sv2_block_assemble puts the block together.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_solution {
    /// The client that found it.
    pub connection: u64,
    /// The template.
    pub template_id: u64,
    /// The node's name for the template.
    pub node_handle: u64,
    /// The block's header. Its hash meets nBits; whether the block is valid is for the node to judge.
    pub header: sv2_block_header,
    /// The header's hash.
    pub block_hash: sv2_u256,
    /// 1 if the hash also meets the target that the client was told, else 0.
    pub meets_target: u8,
    /// The coinbase as it goes into the block, with its BIP 141 fields if the template commits to witnesses.
    pub coinbase_tx: sv2_bytes,
}

/// A template and the node's name for it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_handle {
    /// The template.
    pub template_id: u64,
    /// The node's name for it.
    pub node_handle: u64,
}

/// Why a connection is to be closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_close {
    /// The connection.
    pub connection: u64,
    /// A sentence without its full stop, NUL-terminated. What comes from the peer in it is escaped.
    pub reason: *const c_char,
}

/// A client and the key whose templates it gets.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_client_ready {
    /// The connection.
    pub connection: u64,
    /// The key.
    pub key: sv2_constraint_key,
}

/// A SubmitSolution that is not submitted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_solution_refused {
    /// The client that sent it.
    pub connection: u64,
    /// What it says to have solved.
    pub template_id: u64,
    /// Why: one of SV2_SOLUTION_*.
    pub refusal: u32,
    /// The header's hash; zero if the template is unknown or not active.
    pub block_hash: sv2_u256,
}

/// A block of ours that is the tip.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_block_accepted {
    /// The client that found it; it may have gone.
    pub connection: u64,
    /// The template it was found on.
    pub template_id: u64,
    /// The block's hash.
    pub block_hash: sv2_u256,
}

/// One field for every type of event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sv2_template_event_as {
    /// If type is SV2_TEMPLATE_EVENT_SUBMIT_BLOCK.
    pub submit_block: sv2_solution,
    /// If type is SV2_TEMPLATE_EVENT_WANT_TEMPLATE.
    pub want_template: sv2_constraint_key,
    /// If type is SV2_TEMPLATE_EVENT_DROP_TEMPLATE.
    pub drop_template: sv2_constraint_key,
    /// If type is SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED.
    pub template_expired: sv2_template_handle,
    /// If type is SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS.
    pub want_transactions: sv2_template_handle,
    /// If type is SV2_TEMPLATE_EVENT_WRITABLE: the connection.
    pub writable: u64,
    /// If type is SV2_TEMPLATE_EVENT_CLOSE.
    pub close: sv2_close,
    /// If type is SV2_TEMPLATE_EVENT_CLIENT_READY.
    pub client_ready: sv2_client_ready,
    /// If type is SV2_TEMPLATE_EVENT_SOLUTION_REFUSED.
    pub solution_refused: sv2_solution_refused,
    /// If type is SV2_TEMPLATE_EVENT_BLOCK_ACCEPTED.
    pub block_accepted: sv2_block_accepted,
    /// Room for events of later versions.
    pub reserved: [u64; 32],
}

/// Something the host must do, or may want to know. What it points to lives until the provider's next
/// sv2_template_provider_next_event. Ignore types you do not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_event {
    /// One of SV2_TEMPLATE_EVENT_*.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// What belongs to the type.
    pub r#as: sv2_template_event_as,
}

impl sv2_template_event {
    /// SV2_TEMPLATE_EVENT_WRITABLE, by far the most frequent: no more is written than belongs to it.
    ///
    /// # Safety
    /// `event` is writable.
    pub(super) unsafe fn write_writable(event: *mut Self, connection: u64) {
        unsafe {
            (&raw mut (*event).r#type).write(SV2_TEMPLATE_EVENT_WRITABLE);
            (&raw mut (*event).reserved).write(0);
            (&raw mut (*event).r#as.writable).write(connection);
        }
    }
}

/// What the last event points to.
#[derive(Default)]
pub(super) struct Lent {
    coinbase_tx: Vec<u8>,
    reason: ErrorText,
}

impl Lent {
    pub(super) fn solution(&mut self, solution: Solution) -> sv2_solution {
        self.coinbase_tx = solution.coinbase_tx;
        sv2_solution {
            connection: solution.connection,
            template_id: solution.template_id,
            node_handle: solution.node_handle,
            header: solution.header.into(),
            block_hash: sv2_u256 { bytes: solution.block_hash },
            meets_target: solution.meets_target.into(),
            coinbase_tx: sv2_bytes::borrow(&self.coinbase_tx),
        }
    }

    /// The event for C; `None` for a line of the log, which goes another way.
    pub(super) fn event(&mut self, event: Event) -> Option<sv2_template_event> {
        use sv2_template_event_as as As;
        let handle = |template_id, node_handle| sv2_template_handle { template_id, node_handle };
        let (r#type, fields) = match event {
            Event::SubmitBlock(solution) => {
                (SV2_TEMPLATE_EVENT_SUBMIT_BLOCK, As { submit_block: self.solution(solution) })
            }
            Event::WantTemplate { key } => (SV2_TEMPLATE_EVENT_WANT_TEMPLATE, As { want_template: key.into() }),
            Event::DropTemplate { key } => (SV2_TEMPLATE_EVENT_DROP_TEMPLATE, As { drop_template: key.into() }),
            Event::TemplateExpired { node_handle, template_id } => {
                let template_expired = handle(template_id, node_handle);
                (SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED, As { template_expired })
            }
            Event::WantTransactions { template_id, node_handle } => {
                let want_transactions = handle(template_id, node_handle);
                (SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS, As { want_transactions })
            }
            Event::Writable { connection } => (SV2_TEMPLATE_EVENT_WRITABLE, As { writable: connection }),
            Event::Close { connection, reason } => {
                self.reason.set(reason);
                let close = sv2_close { connection, reason: self.reason.as_ptr() };
                (SV2_TEMPLATE_EVENT_CLOSE, As { close })
            }
            Event::ClientReady { connection, key } => {
                let client_ready = sv2_client_ready { connection, key: key.into() };
                (SV2_TEMPLATE_EVENT_CLIENT_READY, As { client_ready })
            }
            Event::SolutionRefused { connection, template_id, refusal } => {
                let (refusal, bytes) = match refusal {
                    SolutionRefusal::UnknownTemplate => (SV2_SOLUTION_UNKNOWN_TEMPLATE, [0; 32]),
                    SolutionRefusal::NotActive => (SV2_SOLUTION_NOT_ACTIVE, [0; 32]),
                    SolutionRefusal::HashAboveTarget { block_hash } => (SV2_SOLUTION_HASH_ABOVE_TARGET, block_hash),
                    SolutionRefusal::Duplicate { block_hash } => (SV2_SOLUTION_DUPLICATE, block_hash),
                };
                let block_hash = sv2_u256 { bytes };
                let solution_refused = sv2_solution_refused { connection, template_id, refusal, block_hash };
                (SV2_TEMPLATE_EVENT_SOLUTION_REFUSED, As { solution_refused })
            }
            Event::BlockAccepted { block_hash, connection, template_id } => {
                let block_hash = sv2_u256 { bytes: block_hash };
                let block_accepted = sv2_block_accepted { connection, template_id, block_hash };
                (SV2_TEMPLATE_EVENT_BLOCK_ACCEPTED, As { block_accepted })
            }
            Event::Log { .. } => return None,
        };
        Some(sv2_template_event { r#type, reserved: 0, r#as: fields })
    }
}
