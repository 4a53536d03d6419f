//! SHA-256 by the SHA instructions of x86-64: the only unsafe code of this crate.
//!
//! A compression is a chain of 32 instructions, each of which waits for the one before, for longer than it keeps the unit
//! busy. So the inputs are taken four at a time: on a Zen 4, one alone takes 36 ns a compression, four side by side take
//! 15 ns each. (Sixteen lanes of AVX-512 take 16 ns there.)
//!
//! Why it is sound: the functions with `target_feature` are called only after these features were found; memory is read and
//! written by unaligned loads and stores within arrays whose length is in their type.
#![allow(unsafe_code)]
// Intrinsics that take no pointer became safe in Rust 1.87.
#![allow(unused_unsafe)]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_storeu_si128,
};

use super::{Block, IV, State};
use crate::bitcoin::Hash;
use crate::wire::U256;

/// How many inputs are taken at a time.
const LANES: usize = 4;

/// Compresses each block into its state, or returns `false` for want of the instructions.
pub(super) fn compress(states: &mut [State], blocks: &[Block]) -> bool {
    let available = available();
    if available {
        for (states, blocks) in states.chunks_mut(LANES).zip(blocks.chunks(LANES)) {
            // SAFETY: the features are available.
            unsafe {
                match states.len() {
                    1 => compress_lanes::<1>(states, blocks),
                    2 => compress_lanes::<2>(states, blocks),
                    3 => compress_lanes::<3>(states, blocks),
                    _ => compress_lanes::<LANES>(states, blocks),
                }
            }
        }
    }
    available
}

/// Hashes each state once more and then up the path, or returns `false` for want of the instructions.
pub(super) fn climb(states: &mut [State], path: &[U256]) -> bool {
    let available = available();
    if available {
        for states in states.chunks_mut(LANES) {
            // SAFETY: the features are available.
            unsafe {
                match states.len() {
                    1 => climb_lanes::<1>(states, path),
                    2 => climb_lanes::<2>(states, path),
                    3 => climb_lanes::<3>(states, path),
                    _ => climb_lanes::<LANES>(states, path),
                }
            }
        }
    }
    available
}

/// The standard library asks the processor once.
fn available() -> bool {
    std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("sse4.1")
        && std::is_x86_feature_detected!("ssse3")
}

/// A state, a to h from the most significant word down, as the instructions want it.
#[derive(Clone, Copy)]
struct Lane {
    abef: __m128i,
    cdgh: __m128i,
}

/// The sixteen words of a block that the next rounds need.
type Words = [__m128i; 4];

#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn compress_lanes<const N: usize>(states: &mut [State], blocks: &[Block]) {
    let (Some(states), Some(blocks)) = (states.first_chunk_mut::<N>(), blocks.first_chunk::<N>()) else { return };
    unsafe {
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for (words, block) in words.iter_mut().zip(blocks) {
            *words = load_block(block);
        }
        let before = load_states(states);
        let mut lanes = before;
        rounds(&mut lanes, &mut words);
        add(&mut lanes, &before);
        store_states(states, &lanes);
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn climb_lanes<const N: usize>(states: &mut [State], path: &[U256]) {
    let Some(states) = states.first_chunk_mut::<N>() else { return };
    unsafe {
        let padding = load_words(&PADDING_OF_32);
        let mut lanes = load_states(states);
        hash_with(&mut lanes, padding);
        for sibling in path {
            hash_with(&mut lanes, load_hash(&sibling.0));
            let before = lanes;
            rounds_of_padding(&mut lanes);
            add(&mut lanes, &before);
            hash_with(&mut lanes, padding);
        }
        store_states(states, &lanes);
    }
}

/// Compresses a block into the initial state: the words of the lane, then those given.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn hash_with<const N: usize>(lanes: &mut [Lane; N], right: [__m128i; 2]) {
    unsafe {
        let initial = [load_state(&IV); N];
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for (words, lane) in words.iter_mut().zip(&*lanes) {
            let [abcd, efgh] = in_order(lane);
            *words = [abcd, efgh, right[0], right[1]];
        }
        *lanes = initial;
        rounds(lanes, &mut words);
        add(lanes, &initial);
    }
}

/// The 64 rounds, four at a time. `words` are the first sixteen of the message schedule, which goes on in their place.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn rounds<const N: usize>(lanes: &mut [Lane; N], words: &mut [Words; N]) {
    // Written out so that all places of `words` are known to the compiler, which then keeps them in registers.
    macro_rules! four_rounds {
        ($($group:literal)*) => {$({
            let k = load_constants(&K, $group);
            for (lane, words) in lanes.iter_mut().zip(words.iter_mut()) {
                four_rounds_of(lane, _mm_add_epi32(words[$group % 4], k));
                if $group < 12 {
                    let next = [$group % 4, ($group + 1) % 4, ($group + 2) % 4, ($group + 3) % 4].map(|i| words[i]);
                    words[$group % 4] = schedule(next);
                }
            }
        })*};
    }
    unsafe {
        four_rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
}

/// The rounds of a block that holds nothing but the padding of a message of 64 bytes.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn rounds_of_padding<const N: usize>(lanes: &mut [Lane; N]) {
    unsafe {
        for group in 0..16 {
            let scheduled = load_constants(&SCHEDULE_OF_PADDING_OF_64, group);
            for lane in lanes.iter_mut() {
                four_rounds_of(lane, scheduled);
            }
        }
    }
}

/// Four rounds, with the sums of the schedule's words and the rounds' constants.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn four_rounds_of(lane: &mut Lane, sums: __m128i) {
    unsafe {
        lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sums);
        lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32::<0b00_00_11_10>(sums));
    }
}

/// The four words of the schedule after these sixteen.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn schedule([w0, w4, w8, w12]: Words) -> __m128i {
    unsafe {
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8::<4>(w12, w8));
        _mm_sha256msg2_epu32(sum, w12)
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn add<const N: usize>(lanes: &mut [Lane; N], before: &[Lane; N]) {
    unsafe {
        for (lane, before) in lanes.iter_mut().zip(before) {
            lane.abef = _mm_add_epi32(lane.abef, before.abef);
            lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
        }
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn load_states<const N: usize>(states: &[State; N]) -> [Lane; N] {
    unsafe {
        let mut lanes = [load_state(&IV); N];
        for (lane, state) in lanes.iter_mut().zip(states) {
            *lane = load_state(state);
        }
        lanes
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn store_states<const N: usize>(states: &mut [State; N], lanes: &[Lane; N]) {
    unsafe {
        for (state, lane) in states.iter_mut().zip(lanes) {
            let [abcd, efgh] = in_order(lane);
            _mm_storeu_si128(state.as_mut_ptr().cast(), abcd);
            _mm_storeu_si128(state.as_mut_ptr().add(4).cast(), efgh);
        }
    }
}

/// From the words in order.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn load_state(state: &State) -> Lane {
    unsafe {
        let [abcd, efgh] = load_words(state);
        let (badc, hgfe) = (_mm_shuffle_epi32::<0b10_11_00_01>(abcd), _mm_shuffle_epi32::<0b00_01_10_11>(efgh));
        Lane { abef: _mm_alignr_epi8::<8>(badc, hgfe), cdgh: _mm_blend_epi16::<0b1111_0000>(hgfe, badc) }
    }
}

/// To the words in order: what [`load_state`] was given.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn in_order(lane: &Lane) -> [__m128i; 2] {
    unsafe {
        let (feba, dchg) =
            (_mm_shuffle_epi32::<0b00_01_10_11>(lane.abef), _mm_shuffle_epi32::<0b10_11_00_01>(lane.cdgh));
        [_mm_blend_epi16::<0b1111_0000>(feba, dchg), _mm_alignr_epi8::<8>(dchg, feba)]
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn load_words(words: &[u32; 8]) -> [__m128i; 2] {
    unsafe { [_mm_loadu_si128(words.as_ptr().cast()), _mm_loadu_si128(words.as_ptr().add(4).cast())] }
}

/// Four of 64 words, from `4 * group` on; `group` is below 16.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn load_constants(words: &[u32; 64], group: usize) -> __m128i {
    debug_assert!(group < 16);
    unsafe { _mm_loadu_si128(words.as_ptr().add(4 * group).cast()) }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn load_block(block: &Block) -> Words {
    unsafe {
        let at = block.as_ptr().cast::<__m128i>();
        [
            big_endian(_mm_loadu_si128(at)),
            big_endian(_mm_loadu_si128(at.add(1))),
            big_endian(_mm_loadu_si128(at.add(2))),
            big_endian(_mm_loadu_si128(at.add(3))),
        ]
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn load_hash(hash: &Hash) -> [__m128i; 2] {
    unsafe {
        let at = hash.as_ptr().cast::<__m128i>();
        [big_endian(_mm_loadu_si128(at)), big_endian(_mm_loadu_si128(at.add(1)))]
    }
}

/// Four words from bytes whose first is the most significant of the first word.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
unsafe fn big_endian(bytes: __m128i) -> __m128i {
    unsafe { _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)) }
}

/// The second half of a block whose first half is a message of 32 bytes: a 1 bit, zeros, 256.
const PADDING_OF_32: [u32; 8] = [0x8000_0000, 0, 0, 0, 0, 0, 0, 256];

/// The block after a message of 64 bytes, a 1 bit, zeros, 512, as its rounds want it: scheduled, and the constants added.
const SCHEDULE_OF_PADDING_OF_64: [u32; 64] = {
    let mut words = [0; 64];
    (words[0], words[15]) = (0x8000_0000, 512);
    let mut i = 16;
    while i < 64 {
        let (w1, w14): (u32, u32) = (words[i - 15], words[i - 2]);
        let small_sigma_0 = w1.rotate_right(7) ^ w1.rotate_right(18) ^ w1 >> 3;
        let small_sigma_1 = w14.rotate_right(17) ^ w14.rotate_right(19) ^ w14 >> 10;
        words[i] = small_sigma_1.wrapping_add(words[i - 7]).wrapping_add(small_sigma_0).wrapping_add(words[i - 16]);
        i += 1;
    }
    i = 0;
    while i < 64 {
        words[i] = words[i].wrapping_add(K[i]);
        i += 1;
    }
    words
};

/// The constants of the rounds (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];
