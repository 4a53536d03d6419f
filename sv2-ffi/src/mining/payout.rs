//! Who is paid by a block.

use std::sync::Arc;

use sv2_core::mining::job::{Payout, PayoutError};

use crate::boundary::{fence, fenced, free, hand_out};
use crate::message::slice;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_ENCODE, SV2_ERROR_NULL, SV2_NOT_FOUND, SV2_OK, sv2_bytes,
    sv2_coinbase_output_constraints, sv2_status, sv2_transaction_output,
};

/// An output of a payout.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_payout_output {
    /// The scriptPubKey, without its length.
    pub script_pubkey: sv2_bytes,
    /// Its share of the value: these parts of the sum of all parts. With 0 it is worth nothing and stands there for its script, as
    /// OP_RETURN commitments do.
    pub parts: u32,
}

/// Coinbase outputs by shares: what a template pays is divided among them in proportion. It never changes, and may be used by
/// several threads at once.
pub struct sv2_payout {
    pub(crate) payout: Arc<Payout>,
}

/// Makes a payout of `count` outputs, in the order in which they will stand in the coinbase; free it with sv2_payout_free. The
/// scripts are copied.
///
/// Returns SV2_ERROR_ARGUMENT if there are no parts at all, and SV2_ERROR_ENCODE if the outputs take more than 60,000 bytes.
///
/// # Safety
/// `outputs` is readable for `count` elements, or NULL and `count` 0, and so are the scripts; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_payout_new(
    outputs: *const sv2_payout_output,
    count: usize,
    out: *mut *mut sv2_payout,
) -> sv2_status {
    if out.is_null() || (outputs.is_null() && count > 0) {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let outputs = unsafe { slice(outputs, count) };
        let outputs: Vec<(&[u8], u32)> =
            outputs.iter().map(|output| (unsafe { output.script_pubkey.as_slice() }, output.parts)).collect();
        match Payout::new(&outputs) {
            Ok(payout) => unsafe { hand_out(out, sv2_payout { payout: Arc::new(payout) }) },
            Err(PayoutError::TooLarge(_)) => SV2_ERROR_ENCODE,
            Err(_) => SV2_ERROR_ARGUMENT,
        }
    })
}

/// The output at place `index` when `value` satoshis are paid. All outputs together pay exactly that: what cannot be divided goes to
/// the first output that has parts. The script is valid until the payout is freed.
///
/// Returns SV2_NOT_FOUND if there are not so many.
///
/// # Safety
/// `payout` is a live payout, `output` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_payout_output_at(
    payout: *const sv2_payout,
    value: u64,
    index: usize,
    output: *mut sv2_transaction_output,
) -> sv2_status {
    let Some(payout) = (unsafe { payout.as_ref() }) else { return SV2_ERROR_NULL };
    if output.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Some(found) = payout.payout.outputs(value).nth(index) else { return SV2_NOT_FOUND };
        let script_pubkey = sv2_bytes::borrow_or_null(found.script_pubkey);
        unsafe { output.write(sv2_transaction_output { value: found.value, script_pubkey }) };
        SV2_OK
    })
}

/// What to tell a template provider, so that its templates leave room for these outputs (spec 7.1). With several payouts, the
/// greatest of each number.
///
/// # Safety
/// `payout` is a live payout, `constraints` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_payout_constraints(
    payout: *const sv2_payout,
    constraints: *mut sv2_coinbase_output_constraints,
) -> sv2_status {
    let Some(payout) = (unsafe { payout.as_ref() }) else { return SV2_ERROR_NULL };
    if constraints.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let of_payout = payout.payout.constraints();
        let found = sv2_coinbase_output_constraints {
            coinbase_output_max_additional_size: of_payout.coinbase_output_max_additional_size,
            coinbase_output_max_additional_sigops: of_payout.coinbase_output_max_additional_sigops,
        };
        unsafe { constraints.write(found) };
        SV2_OK
    })
}

/// Frees a payout. NULL is allowed.
///
/// # Safety
/// `payout` is a live payout or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_payout_free(payout: *mut sv2_payout) {
    fence((), || unsafe { free(payout) });
}
