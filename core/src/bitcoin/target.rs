//! Targets: the numbers that hashes must not exceed.

use core::cmp::Ordering;
use core::fmt;

use super::hash::{Hash, RpcHex};

/// A 256-bit target as little-endian bytes, as U256 on the wire. Ordered as a number: a smaller target is harder.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Target(pub [u8; 32]);

/// The sign bit of compact form. A target with it is refused, and never written.
const NBITS_SIGN: u32 = 0x0080_0000;

/// The exponent of 2 in the target of difficulty 1, 0xffff * 2^208.
const DIFFICULTY_1_EXPONENT: u32 = 208;

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

    /// How many times harder than 0xffff * 2^208, the target of difficulty 1, it is; infinite for zero.
    ///
    /// For a target made from compact form this is the number that a node's RPC shows.
    #[must_use]
    pub fn difficulty(&self) -> f64 {
        difficulty_1() / self.to_f64()
    }

    /// The target of a difficulty, to the 53 bits of an `f64`, rounded down. Difficulties below 2^-32 or so give
    /// [`Target::MAX`].
    ///
    /// `None` if `difficulty` is not a number, not positive, infinite, or so high that nothing but zero is left.
    #[must_use]
    pub fn from_difficulty(difficulty: f64) -> Option<Self> {
        if !(difficulty > 0.0 && difficulty.is_finite()) {
            return None;
        }
        let value = difficulty_1() / difficulty;
        if value < 1.0 {
            return None;
        }
        if value >= power_of_two(256) {
            return Some(Self::MAX);
        }
        // value = significand * 2^(exponent - 52), with 53 bits in the significand and an exponent of 0 to 255.
        let exponent = (value.to_bits() >> 52).saturating_sub(1023) as usize;
        let significand = 1 << 52 | value.to_bits() & ((1 << 52) - 1);
        // Shifted left by exponent + 4 bits, of which the part of a byte here and the whole bytes by choosing places;
        // then right by 7 bytes, which makes the 52.
        let shift = exponent + 4;
        let digits = (significand << (shift % 8)).to_le_bytes();
        let mut target = [0; 32];
        for (i, digit) in digits.into_iter().enumerate() {
            let place = (shift / 8 + i).checked_sub(7);
            if let Some(free) = place.and_then(|place| target.get_mut(place)) {
                *free = digit;
            }
        }
        Some(Self(target))
    }

    /// The value as a floating-point number, from its 8 most significant bytes.
    fn to_f64(self) -> f64 {
        let length = 32 - self.0.iter().rev().take_while(|byte| **byte == 0).count();
        let lowest = length.saturating_sub(8);
        let mut top = [0; 8];
        for (digit, byte) in top.iter_mut().zip(self.0.iter().skip(lowest)) {
            *digit = *byte;
        }
        // The lowest place is at most 24.
        u64::from_le_bytes(top) as f64 * power_of_two(8 * lowest as u32)
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

fn difficulty_1() -> f64 {
    f64::from(0xffff_u16) * power_of_two(DIFFICULTY_1_EXPONENT)
}

/// 2^exponent for exponents up to 1023. (`core` has no `powi`.)
fn power_of_two(exponent: u32) -> f64 {
    f64::from_bits((1023 + u64::from(exponent)) << 52)
}
