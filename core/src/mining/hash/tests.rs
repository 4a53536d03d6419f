//! The kernel and the portable code beside `bitcoin_hashes`, for every number of lanes.

use alloc::vec::Vec;

use super::*;
use crate::bitcoin::{root_from_path, sha256, sha256d};

/// Bytes that look random and are the same every time.
fn bytes<const N: usize>(seed: u64) -> [u8; N] {
    let mut hash = sha256(&seed.to_le_bytes());
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(32) {
        hash = sha256(&hash);
        chunk.copy_from_slice(&hash[..chunk.len()]);
    }
    bytes
}

/// The blocks of a whole message with padding.
fn blocks_of(message: &[&[u8]]) -> Vec<Block> {
    let mut blocks = Blocks::new(0, &[], message, &[]);
    let mut all = Vec::new();
    let mut block = [0xaa; 64];
    while blocks.next_into(&mut block) {
        all.push(block);
    }
    assert!(!blocks.next_into(&mut block), "there are no blocks after the last");
    all
}

type Compress = fn(&mut [State], &[Block]);
type Climb = fn(&mut [State], &[U256]);

/// What the processor here does best, and what every processor does.
const COMPRESS: [Compress; 2] = [compress, portable_compress];
const CLIMB: [Climb; 2] = [climb, portable_climb];

#[test]
fn messages_of_every_length_hash_to_what_they_should() {
    let message = bytes::<300>(1);
    for len in 0..message.len() {
        let (left, right) = message[..len].split_at(len / 3);
        let blocks = blocks_of(&[left, &[], right]);
        assert_eq!(blocks.len(), (len + 9).div_ceil(64));
        for compress in COMPRESS {
            let mut state = IV;
            blocks.iter().for_each(|block| compress(core::slice::from_mut(&mut state), core::slice::from_ref(block)));
            assert_eq!(to_hash(&state), sha256(&message[..len]), "{len} bytes");
        }
    }
}

#[test]
fn a_message_may_begin_in_the_state() {
    let message = bytes::<200>(2);
    let (hashed, rest) = message.split_at(128);
    let mut state = IV;
    for block in hashed.chunks_exact(64) {
        compress(core::slice::from_mut(&mut state), &[block.try_into().unwrap()]);
    }
    let middle = [&rest[10..40], &rest[40..50]];
    let mut blocks = Blocks::new(128, &rest[..10], &middle, &rest[50..]);
    let mut block = [0; 64];
    while blocks.next_into(&mut block) {
        compress(core::slice::from_mut(&mut state), core::slice::from_ref(&block));
    }
    assert_eq!(to_hash(&state), sha256(&message));
}

#[test]
fn any_number_of_blocks_is_compressed_each_into_its_own_state() {
    for compress in COMPRESS {
        for n in 0..=19 {
            let blocks: Vec<Block> = (0..n).map(bytes).collect();
            let mut states: Vec<State> = (0..n).map(|i| from_hash(&bytes(100 + i))).collect();
            let expected: Vec<State> = states
                .iter()
                .zip(&blocks)
                .map(|(state, block)| from_hash(Midstate::new(to_hash(state), 0).update_64(block).as_parts().0))
                .collect();
            compress(&mut states, &blocks);
            assert_eq!(states, expected, "{n} lanes");
        }
    }
}

#[test]
fn any_number_of_states_climbs_the_path() {
    for climb in CLIMB {
        for (n, path_len) in (0..=19).flat_map(|n| [0, 1, 2, 12].map(|path_len| (n, path_len))) {
            let path: Vec<U256> = (0..path_len).map(|i| U256(bytes(1000 + i))).collect();
            let mut states: Vec<State> = (0..n).map(|i| from_hash(&bytes(i))).collect();
            let expected: Vec<Hash> = states
                .iter()
                .map(|state| root_from_path(&sha256(&to_hash(state)), path.iter().map(|sibling| &sibling.0)))
                .collect();
            climb(&mut states, &path);
            assert_eq!(states.iter().map(to_hash).collect::<Vec<_>>(), expected, "{n} lanes, {path_len} hashes");
        }
    }
}

#[test]
fn a_header_is_two_blocks() {
    let header = Header::from_bytes(&bytes(7));
    let mut state = IV;
    for block in header_blocks(&header) {
        compress(core::slice::from_mut(&mut state), core::slice::from_ref(&block));
    }
    assert_eq!(to_hash(&state), sha256(&header.to_bytes()));
    climb(core::slice::from_mut(&mut state), &[]);
    assert_eq!(to_hash(&state), sha256d(&header.to_bytes()));
}
