//! SHA-256, and the block header.

use sv2_core::bitcoin::{Header, sha256, sha256d};

use crate::boundary::fenced;
use crate::{SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_OK, sv2_bytes, sv2_status, sv2_u256};

/// Bytes of a serialized block header.
pub const SV2_BLOCK_HEADER_LEN: usize = 80;

/// The double SHA-256 of `bytes`: the hash of headers, transactions and merkle trees.
///
/// # Safety
/// `bytes` is readable, `hash` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_sha256d(bytes: sv2_bytes, hash: *mut sv2_u256) -> sv2_status {
    if hash.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { hash.write(sv2_u256 { bytes: sha256d(bytes.as_slice()) }) };
        SV2_OK
    })
}

/// The single SHA-256 of `bytes`: the hash of hash locks and of the scripts behind version 0 witness programs (BIP 141).
///
/// # Safety
/// `bytes` is readable, `hash` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_sha256(bytes: sv2_bytes, hash: *mut sv2_u256) -> sv2_status {
    if hash.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { hash.write(sv2_u256 { bytes: sha256(bytes.as_slice()) }) };
        SV2_OK
    })
}

/// A block header: the fields in the order in which they are hashed.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sv2_block_header {
    /// nVersion, as the bits they are: consensus reads them signed, miners roll some of them (BIP 323).
    pub version: u32,
    /// Hash of the previous block.
    pub prev_hash: sv2_u256,
    /// Root over the txids of the block.
    pub merkle_root: sv2_u256,
    /// nTime, seconds since 1970-01-01 UTC.
    pub time: u32,
    /// The target in compact form.
    pub nbits: u32,
    /// nNonce.
    pub nonce: u32,
}

/// Serializes a header into the SV2_BLOCK_HEADER_LEN bytes at `out`.
///
/// # Safety
/// `header` is readable, `out` is writable for SV2_BLOCK_HEADER_LEN bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_block_header_to_bytes(header: *const sv2_block_header, out: *mut u8) -> sv2_status {
    if header.is_null() || out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let bytes = Header::from(unsafe { *header }).to_bytes();
        unsafe { out.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        SV2_OK
    })
}

/// Reads a header. Any SV2_BLOCK_HEADER_LEN bytes are one; another number of bytes is SV2_ERROR_MALFORMED.
///
/// # Safety
/// `bytes` is readable, `header` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_block_header_from_bytes(bytes: sv2_bytes, header: *mut sv2_block_header) -> sv2_status {
    if header.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Ok(bytes) = unsafe { bytes.as_slice() }.try_into() else { return SV2_ERROR_MALFORMED };
        unsafe { header.write(Header::from_bytes(bytes).into()) };
        SV2_OK
    })
}

/// The block's hash: the double SHA-256 of its serialized header.
///
/// # Safety
/// `header` is readable, `hash` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_block_header_hash(header: *const sv2_block_header, hash: *mut sv2_u256) -> sv2_status {
    if header.is_null() || hash.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { hash.write(sv2_u256 { bytes: Header::from(*header).hash() }) };
        SV2_OK
    })
}

impl From<sv2_block_header> for Header {
    fn from(header: sv2_block_header) -> Self {
        Self {
            version: header.version,
            prev_hash: header.prev_hash.bytes,
            merkle_root: header.merkle_root.bytes,
            time: header.time,
            nbits: header.nbits,
            nonce: header.nonce,
        }
    }
}

impl From<Header> for sv2_block_header {
    fn from(header: Header) -> Self {
        Self {
            version: header.version,
            prev_hash: sv2_u256 { bytes: header.prev_hash },
            merkle_root: sv2_u256 { bytes: header.merkle_root },
            time: header.time,
            nbits: header.nbits,
            nonce: header.nonce,
        }
    }
}
