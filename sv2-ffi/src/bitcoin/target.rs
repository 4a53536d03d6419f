//! Targets: the numbers that hashes must not exceed.

use sv2_core::bitcoin::Target;

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

/// The target of a difficulty, to the 53 bits of a double, rounded down. A difficulty below 2^-32 or so gives the
/// easiest target, which every hash meets.
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

/// # Safety
/// `to` is valid for writing.
unsafe fn write_target(target: Option<Target>, to: *mut sv2_u256, none: sv2_status) -> sv2_status {
    let Some(Target(bytes)) = target else { return none };
    unsafe { to.write(sv2_u256 { bytes }) };
    SV2_OK
}
