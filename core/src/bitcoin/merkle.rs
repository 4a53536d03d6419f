//! Merkle trees over txids or wtxids.
//!
//! A level of odd length pairs its last hash with itself. Two different lists can therefore have one root
//! (CVE-2012-2459): whoever takes a block from elsewhere must not call it invalid for good on account of its root's
//! preimage alone. What is assembled here from known transactions is not concerned.

use alloc::vec;
use alloc::vec::Vec;
use core::borrow::Borrow;

use bitcoin_hashes::sha256d;

use super::hash::Hash;

/// The merkle root over `leaves`. Of no leaves it is 32 zero bytes, of one that leaf.
#[must_use]
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = parents(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The merkle path of a block's first transaction: the hashes that it is combined with, ordered from deepest, as in
/// `NewTemplate.merkle_path` (spec 7.2) and `NewExtendedMiningJob.merkle_path` (spec 5.3.16).
///
/// `txids` are those of all transactions but the coinbase, in the block's order: the path does not depend on the
/// coinbase, which is why miners can vary it.
#[must_use]
pub fn merkle_path(txids: &[Hash]) -> Vec<Hash> {
    // The first place of each level is the coinbase's branch, whose value is unknown and never looked at.
    let mut level = Vec::with_capacity(1 + txids.len());
    level.push([0; 32]);
    level.extend_from_slice(txids);
    let mut path = Vec::new();
    while let Some(sibling) = level.get(1) {
        path.push(*sibling);
        level = parents(&level);
    }
    path
}

/// The merkle root of a block from the txid of its coinbase and the coinbase's merkle path, deepest first
/// (spec 5.3.16). Allocates nothing.
#[must_use]
pub fn root_from_path<I>(coinbase_txid: &Hash, path: I) -> Hash
where
    I: IntoIterator<Item: Borrow<Hash>>,
{
    path.into_iter().fold(*coinbase_txid, |root, sibling| {
        let mut parent = [[0; 32]];
        sha256d::Hash::hash_64_many(&mut parent, &[concatenate(&root, sibling.borrow())]);
        let [parent] = parent;
        parent
    })
}

/// The next level up: the hash of each pair, the last hash of an odd level paired with itself.
fn parents(level: &[Hash]) -> Vec<Hash> {
    let pairs: Vec<[u8; 64]> = level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => concatenate(left, right),
            _ => pair.first().map_or([0; 64], |last| concatenate(last, last)),
        })
        .collect();
    let mut hashes = vec![[0; 32]; pairs.len()];
    // All at once: several are hashed in parallel where the processor can.
    sha256d::Hash::hash_64_many(&mut hashes, &pairs);
    hashes
}

fn concatenate(left: &Hash, right: &Hash) -> [u8; 64] {
    let mut pair = [0; 64];
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    pair
}
