//! Quotients of numbers that are wider than the machine's: exact, or rounded once.
//!
//! Numbers of several limbs have the least significant first.

/// The largest exponent at which [`floor_div`] can have a quotient below 2^256.
const MAX_EXPONENT: u32 = 256 + 64;

/// A positive number as `significand * 2^exponent`, exactly. `None` if it is not positive or not finite.
pub(crate) fn parts(value: f64) -> Option<(u64, i32)> {
    if !(value > 0.0 && value.is_finite()) {
        return None;
    }
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    // The sign is clear, so this is the exponent's field, 11 bits.
    Some(match (bits >> 52) as i32 {
        0 => (fraction, -1074),
        field => (1 << 52 | fraction, field - 1075),
    })
}

/// `significand * 2^exponent / divisor`, rounded down. `None` if that is 2^256 or more, or the divisor is zero.
pub(crate) fn floor_div(significand: u64, exponent: i32, divisor: u64) -> Option<[u64; 4]> {
    let Ok(shift) = u32::try_from(exponent) else {
        // Rounding down twice is rounding down once.
        let whole = significand.checked_shr(exponent.unsigned_abs()).unwrap_or_default();
        return Some([whole.checked_div(divisor)?, 0, 0, 0]);
    };
    if significand == 0 {
        return Some([0; 4]);
    }
    if shift >= MAX_EXPONENT || divisor == 0 {
        return None;
    }
    let mut limbs = [0; 6];
    shift_left(significand, shift, &mut limbs);
    let mut remainder = 0;
    for limb in limbs.iter_mut().rev() {
        let dividend = remainder << 64 | u128::from(*limb);
        // Below 2^64, since the remainder is below the divisor.
        *limb = (dividend / u128::from(divisor)) as u64;
        remainder = dividend % u128::from(divisor);
    }
    let [quotient @ .., 0, 0] = limbs else { return None };
    Some(quotient)
}

/// `significand * 2^exponent / divisor` to the nearest `f64`, ties to even. `None` if that is not a normal number, or the
/// divisor is zero.
pub(crate) fn round_div(significand: u64, exponent: i32, divisor: &[u64; 5]) -> Option<f64> {
    let length = bit_length(divisor);
    if significand == 0 || length == 0 {
        return None;
    }
    let normalised = significand << significand.leading_zeros();
    let exponent = exponent - significand.leading_zeros() as i32;

    // Long division of normalised * 2^(length - 1), which gives 63 or 64 bits. Its topmost length - 1 bits are less than
    // the divisor: they are the first remainder. Of the others, `low` holds those that come from `normalised`.
    let mut remainder = [0; 5];
    let mut low = 0;
    match (length - 1).checked_sub(64) {
        Some(shift) => shift_left(normalised, shift, &mut remainder),
        None => {
            low = normalised << (length - 1);
            let [first, ..] = &mut remainder;
            *first = normalised.checked_shr(65 - length).unwrap_or_default();
        }
    }
    let mut quotient = 0_u64;
    for _ in 0..64 {
        double(&mut remainder, low >> 63);
        low <<= 1;
        quotient <<= 1;
        if remainder.iter().rev().ge(divisor.iter().rev()) {
            subtract(&mut remainder, divisor);
            quotient |= 1;
        }
    }
    // What is left over decides ties. It may stand in the lowest bit, which is far below the 53 that are kept.
    let left_over = u64::from(remainder != [0; 5]);
    scale((quotient | left_over) as f64, exponent - (length as i32 - 1))
}

/// `value * 2^exponent` for a normal number. `None` if the product is not one.
fn scale(value: f64, exponent: i32) -> Option<f64> {
    let field = (value.to_bits() >> 52) as i32;
    let scaled = field.checked_add(exponent).filter(|scaled| (1..2047).contains(scaled))?;
    Some(f64::from_bits((value.to_bits() & ((1 << 52) - 1)) | (scaled as u64) << 52))
}

/// Writes `value * 2^shift` over zeros. Digits beyond the limbs are dropped; callers choose enough.
fn shift_left(value: u64, shift: u32, limbs: &mut [u64]) {
    let wide = u128::from(value) << (shift % 64);
    let places = limbs.iter_mut().skip(shift as usize / 64);
    for (limb, digit) in places.zip([wide as u64, (wide >> 64) as u64]) {
        *limb = digit;
    }
}

fn bit_length(limbs: &[u64; 5]) -> u32 {
    let top = limbs.iter().rposition(|limb| *limb != 0);
    top.and_then(|top| Some(64 * (top as u32 + 1) - limbs.get(top)?.leading_zeros())).unwrap_or_default()
}

/// `limbs = 2 * limbs + lowest`.
fn double(limbs: &mut [u64; 5], lowest: u64) {
    let mut carry = lowest;
    for limb in limbs {
        (*limb, carry) = (*limb << 1 | carry, *limb >> 63);
    }
}

/// `from -= what`, where `what` is not greater.
fn subtract(from: &mut [u64; 5], what: &[u64; 5]) {
    let mut borrow = false;
    for (from, what) in from.iter_mut().zip(what) {
        let (difference, below) = from.overflowing_sub(*what);
        let (difference, below_again) = difference.overflowing_sub(borrow.into());
        *from = difference;
        borrow = below || below_again;
    }
}
