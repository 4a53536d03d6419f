//! Merkle trees.

use sv2_core::bitcoin::{Hash, merkle_path, merkle_root, root_from_path};

use super::out::write_all;
use crate::boundary::fenced;
use crate::message::slice;
use crate::{SV2_ERROR_NULL, SV2_OK, sv2_status, sv2_u256, sv2_u256_list};

/// The merkle root over `hashes`: of none it is zero, of one that hash.
///
/// A list and the same list with its end repeated can have one root (CVE-2012-2459): whoever judges blocks of others
/// must look for the repetition.
///
/// # Safety
/// `hashes` is readable, `root` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_merkle_root(hashes: sv2_u256_list, root: *mut sv2_u256) -> sv2_status {
    if root.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { root.write(sv2_u256 { bytes: merkle_root(hashes.hashes()) }) };
        SV2_OK
    })
}

/// The merkle path of a block's coinbase, deepest hash first, as in NewTemplate (spec 7.2) and NewExtendedMiningJob
/// (spec 5.3.16).
///
/// `txids` are those of all transactions but the coinbase, in the block's order. `*count` becomes the number of hashes.
/// Returns SV2_BUFFER_TOO_SMALL if `capacity` is less than that: `*count` then says how many are needed (`path` may be
/// NULL to ask). 32 are enough for any block.
///
/// # Safety
/// `txids` is readable, `path` is writable for `capacity` elements and does not overlap `txids`, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_merkle_path(
    txids: sv2_u256_list,
    path: *mut sv2_u256,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if count.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| unsafe { write_all(&merkle_path(txids.hashes()), path.cast::<Hash>(), capacity, count) })
}

/// The merkle root of a block from the txid of its coinbase and the coinbase's merkle path, deepest hash first
/// (spec 5.3.16).
///
/// # Safety
/// `coinbase_txid` and `path` are readable, `root` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_merkle_root_from_path(
    coinbase_txid: *const sv2_u256,
    path: sv2_u256_list,
    root: *mut sv2_u256,
) -> sv2_status {
    if coinbase_txid.is_null() || root.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { root.write(sv2_u256 { bytes: root_from_path(&(*coinbase_txid).bytes, path.hashes()) }) };
        SV2_OK
    })
}

impl sv2_u256_list {
    /// The list as core's hashes: they have the same layout, 32 bytes and nothing else.
    ///
    /// # Safety
    /// `items` is NULL or valid for reading `count` elements for as long as the result is used.
    pub(super) unsafe fn hashes<'a>(&self) -> &'a [Hash] {
        unsafe { slice(self.items.cast(), self.count) }
    }
}
