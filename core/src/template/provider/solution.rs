//! From SubmitSolution to a block to submit.

use alloc::collections::VecDeque;

use super::ConnectionId;
use super::client::SubmittedSolution;
use super::events::{Solution, SolutionRefusal};
use super::templates::Work;
use crate::bitcoin::{Hash, Header, Transaction, has_witness, restore_witness, root_from_path, sha256d};

/// How many solutions are remembered, so that each is submitted once. Each of them cost the work of a block.
const REMEMBERED: usize = 64;

/// The coinbase's witness: the witness reserved value (spec 3.7.4).
const WITNESS_RESERVED_VALUE: Hash = [0; 32];

/// The solutions submitted last: their block hashes, and the hashes of the whole coinbases.
#[derive(Debug, Default)]
pub(super) struct Solved(VecDeque<(Hash, Hash)>);

impl Solved {
    /// Remembers a solution; false if it was there already.
    pub(super) fn remember(&mut self, solution: &Solution) -> bool {
        let entry = (solution.block_hash, sha256d(&solution.coinbase_tx));
        if self.0.contains(&entry) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(entry);
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
    let txid =
        Transaction::parse_exact(&coinbase_tx).map_or_else(|_| sha256d(&coinbase_tx), |coinbase| coinbase.txid());
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
    // A client that left the BIP 141 fields out (spec 3.7.3) must not cost the block.
    let coinbase_tx = match restore_witness(&coinbase_tx, &WITNESS_RESERVED_VALUE) {
        Ok(restored) if work.commits_to_witnesses && !has_witness(&coinbase_tx) => restored,
        _ => coinbase_tx,
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
