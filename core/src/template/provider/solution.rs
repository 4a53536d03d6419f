//! From SubmitSolution to a block to submit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ConnectionId;
use super::client::SubmittedSolution;
use super::events::{Solution, SolutionRefusal};
use super::templates::Work;
use crate::bitcoin::{Hash, Header, Transaction, has_witness, restore_witness, root_from_path, sha256d, strip_witness};

/// How many solutions are remembered, so that each is submitted once. Each of them cost the work of a block.
const REMEMBERED: usize = 64;

/// The coinbase's witness: the witness reserved value (spec 3.7.4).
const WITNESS_RESERVED_VALUE: Hash = [0; 32];

/// The block hashes of the solutions submitted last. A hash covers all of the block but the coinbase's witness, which is
/// ours: one proof of work is one block.
#[derive(Debug, Default)]
pub(super) struct Solved(VecDeque<Hash>);

impl Solved {
    /// Remembers a solution; false if it was there already.
    pub(super) fn remember(&mut self, solution: &Solution) -> bool {
        if self.0.contains(&solution.block_hash) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(solution.block_hash);
        true
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
