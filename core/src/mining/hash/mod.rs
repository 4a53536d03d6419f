//! SHA-256 as shares need it: many short messages whose beginnings and ends are known, all hashed twice.
//!
//! [`compress`] and [`climb`] take any number of independent inputs and go through several at once where the processor has the
//! instructions for it (`kernel`). Elsewhere `bitcoin_hashes` does the work: it finds out by itself whether an ARM
//! processor has SHA-2, or an older x86 AVX2 or SSE4.1, if feature `std` is there to ask; without `std` it is portable code.

mod blocks;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod kernel;

use bitcoin_hashes::Sha256d;
use bitcoin_hashes::sha256::Midstate;

use crate::bitcoin::{Hash, Header, sha256d};
use crate::wire::U256;

pub(super) use blocks::Blocks;

/// The state between two blocks: eight words.
pub(super) type State = [u32; 8];

/// What is compressed into it.
pub(super) type Block = [u8; 64];

/// The state before the first block.
pub(super) const IV: State =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// How many hashes `bitcoin_hashes` makes side by side at best. Fewer go faster one by one.
const PORTABLE_LANES: usize = 8;

/// Compresses each block into its state.
pub(super) fn compress(states: &mut [State], blocks: &[Block]) {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if kernel::compress(states, blocks) {
        return;
    }
    portable_compress(states, blocks);
}

/// From the first hash of a coinbase to the merkle root, for each state: hashes the state's words once more, which makes a
/// double hash of them, and then that with each hash of the path, deepest first, as in spec 5.3.16.
///
/// With an empty path it is the second half of any double hash.
pub(super) fn climb(states: &mut [State], path: &[U256]) {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if kernel::climb(states, path) {
        return;
    }
    portable_climb(states, path);
}

/// The two blocks of a header.
pub(super) fn header_blocks(header: &Header) -> [Block; 2] {
    let bytes = header.to_bytes();
    let mut blocks = [[0; 64]; 2];
    let [first, second] = &mut blocks;
    first.copy_from_slice(&bytes[..64]);
    second[..16].copy_from_slice(&bytes[64..]);
    second[16] = 0x80;
    second[56..].copy_from_slice(&(8 * Header::LEN as u64).to_be_bytes());
    blocks
}

/// A state as the bytes of the hash that it is at the end.
pub(super) fn to_hash(state: &State) -> Hash {
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

/// A hash as the words that it is made of.
fn from_hash(hash: &Hash) -> State {
    let mut state = [0; 8];
    for (word, bytes) in state.iter_mut().zip(hash.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    state
}

fn portable_compress(states: &mut [State], blocks: &[Block]) {
    for (state, block) in states.iter_mut().zip(blocks) {
        // The length is of no interest, as the padding is in the blocks.
        let compressed = Midstate::new(to_hash(state), 0).update_64(block);
        *state = from_hash(compressed.as_parts().0);
    }
}

fn portable_climb(states: &mut [State], path: &[U256]) {
    for states in states.chunks_mut(PORTABLE_LANES) {
        let mut hashes = [[0; 32]; PORTABLE_LANES];
        for (hash, state) in hashes.iter_mut().zip(&*states) {
            *hash = crate::bitcoin::sha256(&to_hash(state));
        }
        for sibling in path {
            let pairs = hashes.map(|hash| {
                let mut pair = [0; 64];
                pair[..32].copy_from_slice(&hash);
                pair[32..].copy_from_slice(&sibling.0);
                pair
            });
            if states.len() == PORTABLE_LANES {
                Sha256d::hash_64_many(&mut hashes, &pairs);
            } else {
                hashes.iter_mut().zip(&pairs).take(states.len()).for_each(|(hash, pair)| *hash = sha256d(pair));
            }
        }
        states.iter_mut().zip(&hashes).for_each(|(state, hash)| *state = from_hash(hash));
    }
}

#[cfg(test)]
mod tests;
