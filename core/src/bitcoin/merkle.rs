//! Merkle trees over txids or wtxids.
//!
//! A level of odd length pairs its last hash with itself. A list and the same list with its end repeated can therefore
//! have one root (CVE-2012-2459): whoever judges blocks of others must look for the repetition, which is not done here.

use alloc::vec;
use alloc::vec::Vec;
use core::borrow::Borrow;

use bitcoin_hashes::Sha256d;

use super::hash::{Hash, sha256d};

/// How many pairs the processor hashes side by side at best. Fewer go faster one by one, with its SHA instructions.
const LANES: usize = 8;

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
    path.into_iter().fold(*coinbase_txid, |root, sibling| sha256d(&concatenate(&root, sibling.borrow())))
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
    for (hashes, pairs) in hashes.chunks_mut(LANES).zip(pairs.chunks(LANES)) {
        if pairs.len() == LANES {
            Sha256d::hash_64_many(hashes, pairs);
        } else {
            hashes.iter_mut().zip(pairs).for_each(|(hash, pair)| *hash = sha256d(pair));
        }
    }
    hashes
}

fn concatenate(left: &Hash, right: &Hash) -> [u8; 64] {
    let mut pair = [0; 64];
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    pair
}
