//! The Template Distribution Protocol (spec 7): block templates from a node to those who mine on them.
//!
//! [`Provider`] is the server's side as an engine: it speaks with any number of clients and asks its host, the node, for
//! templates. [`TemplateClient`] is the other side: it speaks with one provider, for a pool or a job declarator client. What
//! they share is here: how much of a block a client's coinbase outputs take, and what holds for every template.

pub mod client;
mod coinbase;
mod provider;

use core::fmt;

pub use crate::clients::{ConnectionId, Level};
use crate::message::{CoinbaseOutputConstraints, Payload};
use crate::wire::DecodeError;

pub use client::TemplateClient;
pub use coinbase::SubmittedSolution;
pub use provider::{
    CloseReason, Event, NewPrevHash, NodeState, Provider, ProviderError, ProviderOptions, Solution, SolutionRefusal,
    SubmitResult, Template, TemplateError, TemplateKind,
};

/// The only version of the protocol (spec 3.6.1).
const PROTOCOL_VERSION: u16 = 2;

/// Weight of a whole block, in weight units (consensus).
pub const MAX_BLOCK_WEIGHT: u32 = 4_000_000;

/// What is reserved at least, in weight units: the floor of Bitcoin Core (spec 7.1).
pub const MIN_RESERVED_WEIGHT: u32 = 2_000;

/// What is reserved besides the client's outputs, in weight units (spec 7.1): header 320, transaction count 12, fixed
/// fields of the coinbase 236, its scriptSig 400, its output count 12, the witness commitment 188.
const FIXED_WEIGHT: u32 = 320 + 12 + 236 + 400 + 12 + 188;

/// What weights are rounded up to that are more than half of a block.
const LARGEST_WEIGHT_STEPS: [u32; 2] = [3_000_000, MAX_BLOCK_WEIGHT];

/// What sigops are rounded up to: as the weight, so that clients with about the same outputs share a template.
const SIGOPS_STEPS: [u16; 4] = [0, 400, 4_000, u16::MAX];

/// Sigops reserved for clients that speak an earlier draft, whose CoinbaseOutputConstraints ends after the size.
const LEGACY_SIGOPS: u16 = 400;

/// What a template must leave free for the coinbase. Clients with the same key can share a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstraintKey {
    /// Weight units to reserve for the header, the transaction count and the whole coinbase.
    pub reserved_weight: u32,
    /// Sigops to reserve for the coinbase's outputs.
    pub sigops: u16,
}

impl ConstraintKey {
    /// What to reserve for a client that adds outputs of `max_additional_size` serialized bytes with at most `sigops`
    /// sigops (spec 7.1): 1168 + 4 * `max_additional_size` weight units, and not below [`MIN_RESERVED_WEIGHT`].
    ///
    /// Both are rounded up, so that clients share templates: the weight to [`MIN_RESERVED_WEIGHT`] doubled as often as it
    /// takes, 2,000, 4,000, 8,000 and so on to 2,048,000, and from there to 3,000,000 or a whole block; the sigops to 0, 400, 4,000
    /// or 65,535. So there are 52 keys, whatever clients ask for.
    ///
    /// `None` if the outputs need more than a block: no template can satisfy it.
    #[must_use]
    pub fn new(max_additional_size: u32, sigops: u16) -> Option<Self> {
        let weight = max_additional_size.checked_mul(4)?.checked_add(FIXED_WEIGHT)?;
        if weight > MAX_BLOCK_WEIGHT {
            return None;
        }
        let doubled = core::iter::successors(Some(MIN_RESERVED_WEIGHT), |step| Some(step * 2));
        let steps = doubled.take_while(|step| *step <= MAX_BLOCK_WEIGHT).chain(LARGEST_WEIGHT_STEPS);
        let reserved_weight = steps.into_iter().find(|step| *step >= weight)?;
        let sigops = SIGOPS_STEPS.into_iter().find(|step| *step >= sigops).unwrap_or(u16::MAX);
        Some(Self { reserved_weight, sigops })
    }

    /// Whether a template made for this key also leaves enough free for `other`.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.reserved_weight >= other.reserved_weight && self.sigops >= other.sigops
    }
}

impl fmt::Display for ConstraintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weight units and {} sigops reserved", self.reserved_weight, self.sigops)
    }
}

/// Decodes CoinbaseOutputConstraints, also in the form of earlier drafts, 4 bytes without sigops.
fn decode_constraints(payload: &[u8]) -> Result<CoinbaseOutputConstraints, DecodeError> {
    match payload.try_into() {
        Ok(size) => Ok(CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: u32::from_le_bytes(size),
            coinbase_output_max_additional_sigops: LEGACY_SIGOPS,
        }),
        Err(_) => CoinbaseOutputConstraints::decode(payload),
    }
}
