//! The coinbase: building it, its height, and its BIP 141 fields.

use sv2_core::bitcoin::{Coinbase, CoinbaseTemplate, ErrorKind, height_push, restore_witness};

use super::out::write_all;
use super::{refusal, sv2_transaction_output_list};
use crate::boundary::fenced;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_NOT_FOUND, SV2_OK, sv2_bytes, sv2_status, sv2_u256,
};

/// The most bytes that sv2_height_push writes.
pub const SV2_HEIGHT_PUSH_MAX_LEN: usize = 6;

/// What a template says about the coinbase. The members have the names of NewTemplate's fields (spec 7.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_coinbase_template {
    /// nVersion.
    pub coinbase_tx_version: u32,
    /// nSequence of the input.
    pub coinbase_tx_input_sequence: u32,
    /// What the scriptSig begins with, without length: at least the BIP 34 height, see sv2_height_push.
    pub coinbase_prefix: sv2_bytes,
    /// Serialized outputs without a count; they come last in the coinbase.
    pub coinbase_tx_outputs: sv2_bytes,
    /// How many outputs stand there.
    pub coinbase_tx_outputs_count: u32,
    /// nLockTime.
    pub coinbase_tx_locktime: u32,
}

/// Writes the coinbase of a template into `out`; `*len` becomes its length.
///
/// Its scriptSig is the template's prefix, then `script` (pool name, extranonce: as it is, no push is made for it); its
/// outputs are `outputs`, then the template's. With `reserved_value`, the witness reserved value (32 zero bytes today,
/// spec 7.2), it has the BIP 141 fields, as blocks and SubmitSolution want it; with NULL it has none, as miners want
/// it.
///
/// Returns SV2_BUFFER_TOO_SMALL if `capacity` is too small: `*len` then says how much is needed, and nothing in `out`
/// is of use (`out` may be NULL to ask). Returns SV2_ERROR_ARGUMENT if the scriptSig would not have 2 to 100 bytes, and
/// SV2_ERROR_MALFORMED if the template's outputs are not what their count says.
///
/// # Safety
/// `coinbase`, `script` and `outputs` and what they point to are readable, `reserved_value` is readable or NULL; `out`
/// is writable for `capacity` bytes and overlaps none of it, `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_coinbase_build(
    coinbase: *const sv2_coinbase_template,
    script: sv2_bytes,
    outputs: sv2_transaction_output_list,
    reserved_value: *const sv2_u256,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if coinbase.is_null() || len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let template = unsafe { (*coinbase).to_core() };
        let reserved_value = unsafe { reserved_value.as_ref() }.map(|value| &value.bytes);
        let (script, outputs) = unsafe { (script.as_slice(), outputs.outputs()) };
        match template.coinbase(script, &outputs, reserved_value) {
            Ok(built) => unsafe { write_all(&built, out, capacity, len) },
            Err(error) if error.kind == ErrorKind::ScriptSigLength => SV2_ERROR_ARGUMENT,
            Err(error) => refusal(error),
        }
    })
}

/// Removes marker, flag and witness from a serialized transaction, as the coinbases that miners get have none (spec
/// 3.7.1); one without them comes back as it is. It need not be a coinbase.
///
/// `*len` becomes the length, and what is returned is as in sv2_coinbase_build: SV2_BUFFER_TOO_SMALL or
/// SV2_ERROR_MALFORMED. `transaction.len` bytes are always enough.
///
/// # Safety
/// `transaction` is readable, `out` is writable for `capacity` bytes and does not overlap it, `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_coinbase_strip_witness(
    transaction: sv2_bytes,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match sv2_core::bitcoin::strip_witness(unsafe { transaction.as_slice() }) {
        Ok(stripped) => unsafe { write_all(&stripped, out, capacity, len) },
        Err(error) => refusal(error),
    })
}

/// Puts the BIP 141 fields back into a coinbase without them: marker, flag, and a witness of one item, the witness
/// reserved value (32 zero bytes today, spec 3.7.4).
///
/// `*len` becomes the length, and what is returned is as in sv2_coinbase_build; SV2_ERROR_MALFORMED also if it is no
/// coinbase, SV2_ERROR_ARGUMENT if it has the fields already. `coinbase.len + 36` bytes are always enough.
///
/// # Safety
/// `coinbase` and `reserved_value` are readable, `out` is writable for `capacity` bytes and does not overlap them,
/// `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_coinbase_restore_witness(
    coinbase: sv2_bytes,
    reserved_value: *const sv2_u256,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if reserved_value.is_null() || len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match restore_witness(unsafe { coinbase.as_slice() }, unsafe { &(*reserved_value).bytes }) {
        Ok(restored) => unsafe { write_all(&restored, out, capacity, len) },
        Err(error) => refusal(error),
    })
}

/// The height at the start of a coinbase's scriptSig (BIP 34). `coinbase` is the whole transaction, with or without the
/// BIP 141 fields.
///
/// Returns SV2_NOT_FOUND if the scriptSig does not begin with a height written as sv2_height_push writes it, and
/// SV2_ERROR_MALFORMED if it is no coinbase.
///
/// # Safety
/// `coinbase` is readable, `height` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_coinbase_height(coinbase: sv2_bytes, height: *mut u32) -> sv2_status {
    if height.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Ok(coinbase) = Coinbase::parse(unsafe { coinbase.as_slice() }) else { return SV2_ERROR_MALFORMED };
        let Some(found) = coinbase.height() else { return SV2_NOT_FOUND };
        unsafe { height.write(found) };
        SV2_OK
    })
}

/// The witness reserved value (BIP 141) of a coinbase: the only item of its witness.
///
/// Returns SV2_NOT_FOUND if there is none, or its witness is not one item of 32 bytes, and SV2_ERROR_MALFORMED if it is
/// no coinbase.
///
/// # Safety
/// `coinbase` is readable, `reserved_value` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_coinbase_reserved_value(coinbase: sv2_bytes, reserved_value: *mut sv2_u256) -> sv2_status {
    if reserved_value.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Ok(coinbase) = Coinbase::parse(unsafe { coinbase.as_slice() }) else { return SV2_ERROR_MALFORMED };
        let Some(bytes) = coinbase.witness_reserved_value() else { return SV2_NOT_FOUND };
        unsafe { reserved_value.write(sv2_u256 { bytes: *bytes }) };
        SV2_OK
    })
}

/// The script that must begin a coinbase's scriptSig at `height` (BIP 34), 1 to SV2_HEIGHT_PUSH_MAX_LEN bytes; `*len`
/// becomes its length.
///
/// Up to height 16 it is one byte, and a scriptSig needs two: whoever makes the coinbase must append one. Returns
/// SV2_BUFFER_TOO_SMALL if `capacity` is too small: `*len` then says how much is needed.
///
/// # Safety
/// `out` is writable for `capacity` bytes, `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_height_push(height: u32, out: *mut u8, capacity: usize, len: *mut usize) -> sv2_status {
    if len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { write_all(&height_push(height), out, capacity, len) })
}

impl sv2_coinbase_template {
    /// # Safety
    /// The pointers are NULL or valid for their lengths for as long as the result is used.
    unsafe fn to_core<'a>(self) -> CoinbaseTemplate<'a> {
        CoinbaseTemplate {
            version: self.coinbase_tx_version,
            prefix: unsafe { self.coinbase_prefix.as_slice() },
            sequence: self.coinbase_tx_input_sequence,
            outputs_count: self.coinbase_tx_outputs_count,
            outputs: unsafe { self.coinbase_tx_outputs.as_slice() },
            lock_time: self.coinbase_tx_locktime,
        }
    }
}
