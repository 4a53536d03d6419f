//! TLV fields: what extensions append to a message (spec 3.4.3).

use sv2_core::message::tlv::{self, ByteOrder, Kind, TlvError};

use super::values::{slice, slice_mut, sv2_bytes};
use crate::boundary::fenced;
use crate::{
    SV2_BUFFER_TOO_SMALL, SV2_ERROR_ENCODE, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_NOT_FOUND, SV2_OK, sv2_status,
};

/// Which TLV is meant, and what its extension allows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_tlv_kind {
    /// The extension, which must have been negotiated.
    pub extension_type: u16,
    /// The field within the extension.
    pub field_type: u8,
    /// Zero.
    pub reserved: u8,
    /// The greatest length of the value, in bytes.
    pub max_len: u32,
}

impl From<sv2_tlv_kind> for Kind {
    fn from(kind: sv2_tlv_kind) -> Self {
        Self { extension_type: kind.extension_type, field_type: kind.field_type, max_len: kind.max_len as usize }
    }
}

/// The worker's identity in SubmitSharesExtended (extension 0x0002): SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING,
/// SV2_TLV_USER_IDENTITY, at most SV2_TLV_USER_IDENTITY_MAX_LEN bytes.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_tlv_user_identity() -> sv2_tlv_kind {
    let kind = tlv::USER_IDENTITY;
    let max_len = u32::try_from(kind.max_len).unwrap_or(u32::MAX);
    sv2_tlv_kind { extension_type: kind.extension_type, field_type: kind.field_type, reserved: 0, max_len }
}

/// Finds a TLV in the `trailing` bytes of a message.
///
/// `negotiated` are the types of all extensions that were negotiated, that of `kind` among them. Either byte order is read:
/// the specification's example is big-endian, deployed software writes little-endian, and the extension's type tells which.
///
/// Returns SV2_OK with the value, which borrows from `trailing`; SV2_NOT_FOUND; or SV2_ERROR_MALFORMED if the value is longer
/// than allowed or cut off, which makes the whole message invalid.
///
/// # Safety
/// `trailing` and `negotiated` are readable, `value` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_tlv_find(
    trailing: sv2_bytes,
    negotiated: *const u16,
    negotiated_count: usize,
    kind: sv2_tlv_kind,
    value: *mut sv2_bytes,
) -> sv2_status {
    if value.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let (trailing, negotiated) = unsafe { (trailing.as_slice(), slice(negotiated, negotiated_count)) };
        match tlv::find(trailing, negotiated, kind.into()) {
            Ok(Some(found)) => {
                unsafe { value.write(sv2_bytes::borrow(found)) };
                SV2_OK
            }
            Ok(None) => SV2_NOT_FOUND,
            Err(_) => SV2_ERROR_MALFORMED,
        }
    })
}

/// Writes a TLV into `out`; `*len` becomes its length, also if SV2_BUFFER_TOO_SMALL is returned. Set the result as `trailing`
/// of a message to be encoded; several TLVs follow each other, ordered by extension.
///
/// `big_endian` is 0 for the order of deployed software, anything else for that of the specification's example. Returns
/// SV2_ERROR_ENCODE if the value is longer than its kind allows.
///
/// # Safety
/// `value` is readable, `out` is writable for `capacity` bytes, `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_tlv_write(
    kind: sv2_tlv_kind,
    value: sv2_bytes,
    big_endian: u8,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let order = if big_endian == 0 { ByteOrder::Little } else { ByteOrder::Big };
        let out = unsafe { slice_mut(out, capacity) };
        let (status, written) = match tlv::write(out, kind.into(), unsafe { value.as_slice() }, order) {
            Ok(written) => (SV2_OK, written),
            Err(TlvError::BufferTooSmall { needed }) => (SV2_BUFFER_TOO_SMALL, needed),
            Err(_) => return SV2_ERROR_ENCODE,
        };
        unsafe { len.write(written) };
        status
    })
}
