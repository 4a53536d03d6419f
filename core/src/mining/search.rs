//! Looking for a nonce with the processor: what a program for tests does, and shows what a device does.

use core::ops::Range;

use crate::bitcoin::{Hash, Header, Sha256d, Target};

/// Bytes of a header that do not depend on its last four fields' ends: one block of SHA-256.
const FIRST_BLOCK_LEN: usize = 64;

/// A header whose nonce is to be found. The first 64 of its 80 bytes are hashed once.
#[derive(Clone, Debug)]
pub struct Search {
    first_block: Sha256d,
    /// The end of the merkle root, nTime and nBits.
    rest: [u8; 12],
    target: Target,
}

/// A nonce whose hash meets the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The nonce.
    pub nonce: u32,
    /// The header's hash.
    pub hash: Hash,
}

impl Search {
    /// A search for hashes of `header` that do not exceed `target`; the header's own nonce is not looked at.
    #[must_use]
    pub fn new(header: &Header, target: Target) -> Self {
        let bytes = header.to_bytes();
        let (first, last) = bytes.split_at(FIRST_BLOCK_LEN);
        let mut rest = [0; 12];
        rest.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
        Self { first_block: Sha256d::new().with(first), rest, target }
    }

    /// The first nonce of `nonces`, if there is one. Nonces are below 2^32; what is beyond is not looked at. Look at some
    /// thousands at a time, and at the clock and the next job in between.
    #[must_use]
    pub fn find(&self, nonces: Range<u64>) -> Option<Found> {
        let candidates = nonces.map_while(|nonce| u32::try_from(nonce).ok());
        candidates.map(|nonce| Found { nonce, hash: self.hash(nonce) }).find(|found| self.target.is_met_by(&found.hash))
    }

    fn hash(&self, nonce: u32) -> Hash {
        let mut last = [0; 16];
        let (rest, end) = last.split_at_mut(12);
        rest.copy_from_slice(&self.rest);
        end.copy_from_slice(&nonce.to_le_bytes());
        self.first_block.clone().with(&last).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitcoin::from_rpc_hex;

    fn genesis() -> Header {
        Header {
            version: 1,
            prev_hash: [0; 32],
            merkle_root: from_rpc_hex("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b").unwrap(),
            time: 1_231_006_505,
            nbits: 0x1d00_ffff,
            nonce: 0,
        }
    }

    #[test]
    fn the_nonce_of_the_first_block_is_found() {
        let search = Search::new(&genesis(), Target::from_nbits(0x1d00_ffff).unwrap());
        let found = search.find(2_083_236_000..2_083_237_000).unwrap();
        assert_eq!(found.nonce, 2_083_236_893);
        assert_eq!(found.hash, Header { nonce: found.nonce, ..genesis() }.hash());
        assert_eq!(search.find(2_083_236_000..2_083_236_893), None);
    }

    #[test]
    fn the_first_of_several_is_given_and_nothing_beyond_32_bits() {
        let search = Search::new(&genesis(), Target::MAX);
        assert_eq!(search.find(7..9).map(|found| found.nonce), Some(7));
        assert_eq!(search.find(1 << 32..(1 << 32) + 5), None);
    }
}
