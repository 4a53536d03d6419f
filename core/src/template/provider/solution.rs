//! From SubmitSolution to a block to submit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ConnectionId;
use super::SubmitResult;
use super::events::{Event, Solution, SolutionRefusal};
use super::work::Work;
use crate::bitcoin::{Hash, Header, Transaction, has_witness, restore_witness, root_from_path, sha256d, strip_witness};
use crate::template::SubmittedSolution;
use crate::template::coinbase::WITNESS_RESERVED_VALUE;

/// How many solutions are remembered, so that each is submitted once. Each of them cost the work of a block.
const REMEMBERED: usize = 64;

/// The solutions submitted last, by block hash. A hash covers all of the block but the coinbase's witness, which is ours: one
/// proof of work is one block.
#[derive(Debug, Default)]
pub(super) struct Solved {
    found: VecDeque<Found>,
    /// The templates that have expired while the node has not answered for a block found on them: by their first ids, with the
    /// host's names for them.
    held: Vec<(u64, u64)>,
}

/// A block that was found.
#[derive(Debug)]
struct Found {
    block_hash: Hash,
    connection: ConnectionId,
    template_id: u64,
    /// The template's first id, by which the host knows it.
    first_id: u64,
    /// Until the node has said what it thinks of it.
    unanswered: Option<Solution>,
    accepted: bool,
}

impl Solved {
    /// Remembers a solution; false if it was there already.
    pub(super) fn remember(&mut self, solution: &Solution, first_id: u64) -> bool {
        let Solution { block_hash, connection, template_id, .. } = *solution;
        if self.found.iter().any(|found| found.block_hash == block_hash) {
            return false;
        }
        if self.found.len() >= REMEMBERED {
            // Of one that the node has not answered, this is the only copy should the node come back.
            let answered = self.found.iter().position(|found| found.unanswered.is_none());
            self.found.remove(answered.unwrap_or(0));
        }
        let unanswered = Some(solution.clone());
        self.found.push_back(Found { block_hash, connection, template_id, first_id, unanswered, accepted: false });
        true
    }

    /// The solutions of which nobody knows whether the node got them.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Solution> {
        self.found.iter().filter_map(|found| found.unanswered.as_ref())
    }

    /// A template has expired. Whether the host must keep it all the same: it may be asked to submit a block on it again.
    pub(super) fn hold(&mut self, first_id: u64, node_handle: u64) -> bool {
        let is_needed = self.needs(first_id);
        if is_needed {
            self.held.push((first_id, node_handle));
        }
        is_needed
    }

    /// A template that has expired, and that no block is waiting for any more: its first id, and the host's name for it.
    pub(super) fn next_released(&mut self) -> Option<(u64, u64)> {
        let released = self.held.iter().position(|(first_id, _)| !self.needs(*first_id))?;
        Some(self.held.remove(released))
    }

    fn needs(&self, first_id: u64) -> bool {
        self.found.iter().any(|found| found.first_id == first_id && found.unanswered.is_some())
    }

    pub(super) fn answer(&mut self, block_hash: &Hash, result: SubmitResult) {
        let Some(found) = self.found.iter_mut().find(|found| found.block_hash == *block_hash) else { return };
        match result {
            SubmitResult::Taken | SubmitResult::Refused => found.unanswered = None,
        }
    }

    /// The chain has a new tip: whether it is a block of ours, which is said once.
    pub(super) fn accept(&mut self, tip: &Hash) -> Option<Event> {
        let found = self.found.iter_mut().find(|found| found.block_hash == *tip && !found.accepted)?;
        found.accepted = true;
        found.unanswered = None;
        let Found { block_hash, connection, template_id, .. } = *found;
        Some(Event::BlockAccepted { block_hash, connection, template_id })
    }
}

/// Puts the header together. Work that meets nBits is a solution whatever else looks wrong with it: the node judges.
pub(super) fn solve(
    connection: ConnectionId,
    work: &Work,
    submitted: SubmittedSolution,
) -> Result<Solution, SolutionRefusal> {
    let SubmittedSolution { template_id, version, header_timestamp, header_nonce, coinbase_tx } = submitted;
    // What is no transaction is hashed as it is: should that be enough work, somebody must see it.
    let stripped =
        strip_witness(&coinbase_tx).ok().or_else(|| strip_empty_witness(&coinbase_tx)).unwrap_or(coinbase_tx);
    let txid = sha256d(&stripped);
    let header = Header {
        version,
        prev_hash: work.tip.prev_hash,
        merkle_root: root_from_path(&txid, &work.template.merkle_path),
        time: header_timestamp,
        nbits: work.tip.nbits,
        nonce: header_nonce,
    };
    let block_hash = header.hash();
    if !work.network_target.is_met_by(&block_hash) {
        return Err(SolutionRefusal::HashAboveTarget { block_hash });
    }
    // A client that left the BIP 141 fields out (spec 3.7.3), or put others in, must not cost the block.
    let coinbase_tx = match restore_witness(&stripped, &WITNESS_RESERVED_VALUE) {
        Ok(restored) if work.commits_to_witnesses => restored,
        _ => stripped,
    };
    Ok(Solution {
        connection,
        template_id,
        node_handle: work.template.node_handle,
        header,
        block_hash,
        meets_target: work.tip.target.is_met_by(&block_hash),
        coinbase_tx,
    })
}

/// Takes marker, flag and witness off a transaction with one input whose witness has no items. No node reads such a one, but
/// what its maker meant to hash is clear.
fn strip_empty_witness(transaction: &[u8]) -> Option<Vec<u8>> {
    let (version, rest) = transaction.split_at_checked(4).filter(|_| has_witness(transaction))?;
    let (body, lock_time) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let body = body.get(2..)?.strip_suffix(&[0])?;
    let stripped = [version, body, lock_time].concat();
    Transaction::parse_exact(&stripped).is_ok_and(|transaction| transaction.inputs().len() == 1).then_some(stripped)
}
