//! Targets: the numbers that hashes must not exceed, and the hashrates that they are for.

use sv2_core::bitcoin::Target;
use sv2_core::mining::hashrate::{hashrate_of, target_for};

use crate::boundary::{fence, fenced};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_OK, sv2_status, sv2_u256};

/// Expands compact form, as it stands in headers and in SetNewPrevHash.
///
/// Returns SV2_ERROR_MALFORMED for what consensus refuses: negative, zero, or more than 256 bits. Whether the target is
/// easier than a network allows is not looked at.
///
/// # Safety
/// `target` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_from_nbits(nbits: u32, target: *mut sv2_u256) -> sv2_status {
    if target.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { write_target(Target::from_nbits(nbits), target, SV2_ERROR_MALFORMED) })
}

/// The compact form of a target: its three most significant bytes, so it is rounded down.
///
/// # Safety
/// `target` is readable, `nbits` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_to_nbits(target: *const sv2_u256, nbits: *mut u32) -> sv2_status {
    if target.is_null() || nbits.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { nbits.write(Target((*target).bytes).to_nbits()) };
        SV2_OK
    })
}

/// Whether `hash`, as a number, is at most `target`. False if one of them is NULL.
///
/// # Safety
/// `target` and `hash` are readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_is_met(target: *const sv2_u256, hash: *const sv2_u256) -> bool {
    fence(false, || match unsafe { (target.as_ref(), hash.as_ref()) } {
        (Some(target), Some(hash)) => Target(target.bytes).is_met_by(&hash.bytes),
        _ => false,
    })
}

/// The difficulty of a target: how many times harder it is than 0xffff * 2^208. Infinite for a target of zero; 0 for
/// NULL.
///
/// # Safety
/// `target` is readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_difficulty(target: *const sv2_u256) -> f64 {
    fence(0.0, || unsafe { target.as_ref() }.map_or(0.0, |target| Target(target.bytes).difficulty()))
}

/// The target of a difficulty: 0xffff * 2^208 / `difficulty`, rounded down, exactly. A difficulty below 2^-32 or so gives
/// the easiest target, which every hash meets.
///
/// Returns SV2_ERROR_ARGUMENT if `difficulty` is no number, not positive, infinite, or so high that only zero is left.
///
/// # Safety
/// `target` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_from_difficulty(difficulty: f64, target: *mut sv2_u256) -> sv2_status {
    if target.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { write_target(Target::from_difficulty(difficulty), target, SV2_ERROR_ARGUMENT) })
}

/// How many hashes it takes on average to meet a target: 2^256 / (target + 1). 0 for NULL.
///
/// # Safety
/// `target` is readable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_work(target: *const sv2_u256) -> f64 {
    fence(0.0, || unsafe { target.as_ref() }.map_or(0.0, |target| Target(target.bytes).work()))
}

/// The target at which a miner of so many hashes per second finds `shares_per_minute` on average: the easiest that asks for at
/// least 60 * `hashes_per_second` / `shares_per_minute` hashes for a share, exactly.
///
/// Returns SV2_ERROR_ARGUMENT if one of the two is no number, not positive, infinite, or if no target but zero is hard enough.
///
/// # Safety
/// `target` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_from_hashrate(
    hashes_per_second: f64,
    shares_per_minute: f64,
    target: *mut sv2_u256,
) -> sv2_status {
    if target.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { write_target(target_for(hashes_per_second, shares_per_minute), target, SV2_ERROR_ARGUMENT) })
}

/// The hashes per second of a miner that finds `shares_per_minute` at a target.
///
/// Returns SV2_ERROR_ARGUMENT if `shares_per_minute` is no number, not positive or infinite, or if a double cannot hold the result.
///
/// # Safety
/// `target` is readable, `hashes_per_second` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_target_hashrate(
    target: *const sv2_u256,
    shares_per_minute: f64,
    hashes_per_second: *mut f64,
) -> sv2_status {
    if target.is_null() || hashes_per_second.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let target = Target(unsafe { (*target).bytes });
        let Some(hashrate) = hashrate_of(&target, shares_per_minute) else { return SV2_ERROR_ARGUMENT };
        unsafe { hashes_per_second.write(hashrate) };
        SV2_OK
    })
}

/// # Safety
/// `to` is valid for writing.
unsafe fn write_target(target: Option<Target>, to: *mut sv2_u256, none: sv2_status) -> sv2_status {
    let Some(Target(bytes)) = target else { return none };
    unsafe { to.write(sv2_u256 { bytes }) };
    SV2_OK
}
