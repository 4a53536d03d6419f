//! Targets: the numbers that hashes must not exceed.

use core::cmp::Ordering;
use core::fmt;

use super::hash::{Hash, RpcHex};
use super::ratio;

/// A 256-bit target as little-endian bytes, as U256 on the wire. Ordered as a number: a smaller target is harder.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Target(pub [u8; 32]);

/// The sign bit of compact form. A target with it is refused, and never written.
const NBITS_SIGN: u32 = 0x0080_0000;

/// The target of difficulty 1 is 0xffff * 2^208.
const DIFFICULTY_1_SIGNIFICAND: u64 = 0xffff;
const DIFFICULTY_1_EXPONENT: i32 = 208;

impl Target {
    /// The easiest target: every hash meets it.
    pub const MAX: Self = Self([0xff; 32]);

    /// Expands compact form: a byte of length in bytes, then the three most significant bytes.
    ///
    /// `None` for what consensus refuses in a header: negative, zero, or more than 256 bits. Whether the target is
    /// easier than a network allows is not looked at.
    #[must_use]
    pub fn from_nbits(nbits: u32) -> Option<Self> {
        let [length, mantissa @ ..] = nbits.to_be_bytes();
        let length = usize::from(length);
        let mut target = [0; 32];
        // Byte i of the mantissa has the weight 256^(length - 1 - i): those below one are cut off, those beyond the
        // 256 bits must be zero.
        for (i, byte) in mantissa.into_iter().enumerate() {
            // The topmost bit of the mantissa is its sign.
            let digit = if i == 0 { byte & 0x7f } else { byte };
            let Some(place) = length.checked_sub(1 + i) else { continue };
            match target.get_mut(place) {
                Some(free) => *free = digit,
                None if digit == 0 => {}
                None => return None,
            }
        }
        // Zero is refused with and without sign.
        (nbits & NBITS_SIGN == 0 && target != [0; 32]).then_some(Self(target))
    }

    /// Compact form: the length in bytes and the three most significant bytes, rounded down.
    #[must_use]
    pub fn to_nbits(&self) -> u32 {
        let length = 32 - self.0.iter().rev().take_while(|byte| **byte == 0).count();
        let byte = |from_top: usize| {
            let place = length.checked_sub(from_top);
            u32::from(place.and_then(|place| self.0.get(place)).copied().unwrap_or_default())
        };
        let mantissa = byte(1) << 16 | byte(2) << 8 | byte(3);
        // At most 33, so this does not truncate.
        let length = length as u32;
        if mantissa & NBITS_SIGN == 0 {
            length << 24 | mantissa
        } else {
            // The bit would be taken for the sign: one more byte, which is zero.
            (length + 1) << 24 | mantissa >> 8
        }
    }

    /// Whether `hash`, as a number, is at most the target.
    #[must_use]
    pub fn is_met_by(&self, hash: &Hash) -> bool {
        limbs(hash) <= limbs(&self.0)
    }

    /// How many times harder than 0xffff * 2^208, the target of difficulty 1, it is, to the nearest `f64`; infinite for
    /// zero.
    ///
    /// For a target made from compact form this is the number that a node's RPC shows.
    #[must_use]
    pub fn difficulty(&self) -> f64 {
        let [a, b, c, d] = self.low_limbs();
        ratio::round_div(DIFFICULTY_1_SIGNIFICAND, DIFFICULTY_1_EXPONENT, &[a, b, c, d, 0]).unwrap_or(f64::INFINITY)
    }

    /// The target of a difficulty: 0xffff * 2^208 / `difficulty`, rounded down, exactly. Difficulties below 2^-32 or so
    /// give [`Target::MAX`].
    ///
    /// `None` if `difficulty` is not a number, not positive, infinite, or so high that nothing but zero is left.
    #[must_use]
    pub fn from_difficulty(difficulty: f64) -> Option<Self> {
        let (significand, exponent) = ratio::parts(difficulty)?;
        match ratio::floor_div(DIFFICULTY_1_SIGNIFICAND, DIFFICULTY_1_EXPONENT - exponent, significand) {
            Some([0, 0, 0, 0]) => None,
            Some(limbs) => Some(Self::from_low_limbs(limbs)),
            None => Some(Self::MAX),
        }
    }

    /// How many hashes it takes on average to meet it, 2^256 / (target + 1), to the nearest `f64`: 1 for
    /// [`Target::MAX`], 2^256 for zero.
    #[must_use]
    pub fn work(&self) -> f64 {
        // Never out of range: the result is from 1 to 2^256.
        ratio::round_div(1, 256, &self.plus_one()).unwrap_or(1.0)
    }

    /// The value plus one, least significant limb first.
    pub(crate) fn plus_one(&self) -> [u64; 5] {
        let mut carry = true;
        let [a, b, c, d] = self.low_limbs().map(|limb| {
            let sum;
            (sum, carry) = limb.overflowing_add(carry.into());
            sum
        });
        [a, b, c, d, carry.into()]
    }

    /// The target whose value is one less, given with the least significant limb first. `None` for zero.
    pub(crate) fn one_less(limbs: [u64; 4]) -> Option<Self> {
        let mut borrow = true;
        let less = limbs.map(|limb| {
            let difference;
            (difference, borrow) = limb.overflowing_sub(borrow.into());
            difference
        });
        (!borrow).then(|| Self::from_low_limbs(less))
    }

    /// In four parts, least significant first.
    fn low_limbs(&self) -> [u64; 4] {
        let [a, b, c, d] = limbs(&self.0);
        [d, c, b, a]
    }

    fn from_low_limbs(limbs: [u64; 4]) -> Self {
        let mut target = [0; 32];
        for (chunk, limb) in target.chunks_exact_mut(8).zip(limbs) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        Self(target)
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> Ordering {
        limbs(&self.0).cmp(&limbs(&other.0))
    }
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Target {
    /// Hex, most significant digit first, as a node's RPC prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&RpcHex(self.0), f)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A little-endian number in four parts, most significant first, so that comparing the arrays compares the numbers.
fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    limbs
}
