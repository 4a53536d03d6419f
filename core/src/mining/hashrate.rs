//! Hashrate, share rate and target: two of them give the third.
//!
//! A miner of `h` hashes per second finds on average `h / work` shares per second, where the [work](Target::work) of a
//! target is the number of hashes that it takes on average to meet it, 2^256 / (target + 1). What is here follows from
//! that without approximation: fractional rates and difficulties are taken for what they are.

use crate::bitcoin::{Target, ratio};

/// Seconds of a minute.
const MINUTE_S: u64 = 60;

/// The target at which a miner of `hashes_per_second` finds `shares_per_minute` on average: 2^256 / work - 1, rounded down,
/// exactly, where the work of a share is 60 * `hashes_per_second` / `shares_per_minute`. [`Target::MAX`] if that
/// is less than one hash.
///
/// `None` if one of the two is not a number, not positive or infinite, or if no target but zero is hard enough.
#[must_use]
pub fn target_for(hashes_per_second: f64, shares_per_minute: f64) -> Option<Target> {
    let (rate, rate_exponent) = ratio::parts(hashes_per_second)?;
    let (shares, shares_exponent) = ratio::parts(shares_per_minute)?;
    // The significand has 53 bits, so the product has at most 59.
    match ratio::floor_div(shares, 256 + shares_exponent - rate_exponent, MINUTE_S * rate) {
        Some(plus_one) => Target::one_less(plus_one).filter(|target| *target != Target([0; 32])),
        None => Some(Target::MAX),
    }
}

/// The hashrate, in hashes per second, of a miner that finds `shares_per_minute` at `target`, to the nearest `f64`.
///
/// `None` if `shares_per_minute` is not a number, not positive or infinite, or if the result is beyond an `f64`.
#[must_use]
pub fn hashrate_of(target: &Target, shares_per_minute: f64) -> Option<f64> {
    let (shares, exponent) = ratio::parts(shares_per_minute)?;
    let mut carry = 0;
    let divisor = target.plus_one().map(|limb| {
        let product = u128::from(limb) * u128::from(MINUTE_S) + carry;
        carry = product >> 64;
        product as u64
    });
    ratio::round_div(shares, 256 + exponent, &divisor)
}

/// A hashrate as `nominal_hash_rate` has it on the wire, F32: what is beyond its range becomes its largest value, and what is
/// not a number or negative becomes 0, which says that nothing mines yet (spec 5.3.2).
#[must_use]
pub fn nominal_hash_rate(hashes_per_second: f64) -> f32 {
    if hashes_per_second > 0.0 { (hashes_per_second as f32).min(f32::MAX) } else { 0.0 }
}
