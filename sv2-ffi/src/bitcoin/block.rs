//! Blocks: the witness commitment, assembling and splitting.

use sv2_core::bitcoin::{
    Block, COMMITMENT_SCRIPT_LEN, Header, Transaction, commitment_script, compact_size, find_witness_commitment,
    witness_commitment,
};

use super::out::Out;
use super::{refusal, sv2_block_header};
use crate::boundary::fenced;
use crate::{
    SV2_BUFFER_TOO_SMALL, SV2_ERROR_NULL, SV2_NOT_FOUND, SV2_OK, sv2_bytes, sv2_bytes_list, sv2_status, sv2_u256,
    sv2_u256_list,
};

/// Bytes of a witness commitment's scriptPubKey.
pub const SV2_WITNESS_COMMITMENT_SCRIPT_LEN: usize = 38;
const _: () = assert!(SV2_WITNESS_COMMITMENT_SCRIPT_LEN == COMMITMENT_SCRIPT_LEN);

/// The witness commitment (BIP 141) over the wtxids of all transactions but the coinbase, in the block's order.
///
/// `reserved_value` is the item of the coinbase's witness, 32 zero bytes today (spec 3.7.4).
///
/// # Safety
/// `wtxids` and `reserved_value` are readable, `commitment` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_witness_commitment(
    wtxids: sv2_u256_list,
    reserved_value: *const sv2_u256,
    commitment: *mut sv2_u256,
) -> sv2_status {
    if reserved_value.is_null() || commitment.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let bytes = unsafe { witness_commitment(wtxids.hashes(), &(*reserved_value).bytes) };
        unsafe { commitment.write(sv2_u256 { bytes }) };
        SV2_OK
    })
}

/// The scriptPubKey of the coinbase output that carries a witness commitment, into the
/// SV2_WITNESS_COMMITMENT_SCRIPT_LEN bytes at `out`. The output's value is 0.
///
/// # Safety
/// `commitment` is readable, `out` is writable for SV2_WITNESS_COMMITMENT_SCRIPT_LEN bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_witness_commitment_script(commitment: *const sv2_u256, out: *mut u8) -> sv2_status {
    if commitment.is_null() || out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let script = commitment_script(&unsafe { *commitment }.bytes);
        unsafe { out.copy_from_nonoverlapping(script.as_ptr(), script.len()) };
        SV2_OK
    })
}

/// The witness commitment among a coinbase's outputs: by consensus the last that looks like one.
///
/// Returns SV2_NOT_FOUND if there is none, and SV2_ERROR_MALFORMED if it is no transaction.
///
/// # Safety
/// `coinbase` is readable, `commitment` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_witness_commitment_find(coinbase: sv2_bytes, commitment: *mut sv2_u256) -> sv2_status {
    if commitment.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let coinbase = match Transaction::parse_exact(unsafe { coinbase.as_slice() }) {
            Ok(coinbase) => coinbase,
            Err(error) => return refusal(error),
        };
        let Some(bytes) = find_witness_commitment(&coinbase) else { return SV2_NOT_FOUND };
        unsafe { commitment.write(sv2_u256 { bytes }) };
        SV2_OK
    })
}

/// Serializes a block from its header, its coinbase with BIP 141 fields, and its other transactions, into `out`; `*len`
/// becomes its length. Nothing is checked.
///
/// Returns SV2_BUFFER_TOO_SMALL if `capacity` is too small: `*len` then says how much is needed, and nothing in `out`
/// is of use (`out` may be NULL to ask).
///
/// # Safety
/// `header`, `coinbase` and `transactions` and what they point to are readable, `out` is writable for `capacity` bytes
/// and overlaps none of it, `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_block_assemble(
    header: *const sv2_block_header,
    coinbase: sv2_bytes,
    transactions: sv2_bytes_list,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if header.is_null() || len.is_null() {
        return SV2_ERROR_NULL;
    }
    // As core's `assemble`, but straight into the caller's memory.
    fenced(|| {
        let header = Header::from(unsafe { *header });
        let transactions = unsafe { transactions.slices() };
        let mut block = unsafe { Out::new(out, capacity) };
        block.append(&header.to_bytes());
        block.append(&compact_size::write(1 + transactions.len() as u64));
        block.append(unsafe { coinbase.as_slice() });
        transactions.for_each(|transaction| block.append(transaction));
        unsafe { block.finish(len) }
    })
}

/// Takes a block apart: its header, and its transactions in order, the coinbase first. `block` must be one block and
/// nothing else.
///
/// `*count` becomes the number of transactions. Returns SV2_BUFFER_TOO_SMALL if `capacity` is less than that: `*count`
/// then says how many are needed (`transactions` may be NULL to ask). Returns SV2_ERROR_MALFORMED if it is no block;
/// whether it is valid is not looked at. The transactions point into `block`.
///
/// # Safety
/// `block` is readable, `header` is writable, `transactions` is writable for `capacity` elements, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_block_split(
    block: sv2_bytes,
    header: *mut sv2_block_header,
    transactions: *mut sv2_bytes,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if header.is_null() || count.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match Block::parse(unsafe { block.as_slice() }) {
        Ok(block) => {
            let mut out = unsafe { Out::new(transactions, capacity) };
            block.transactions.for_each(|transaction| out.append(&[sv2_bytes::borrow(transaction.as_bytes())]));
            let status = unsafe { out.finish(count) };
            if status != SV2_BUFFER_TOO_SMALL {
                unsafe { header.write(block.header.into()) };
            }
            status
        }
        Err(error) => refusal(error),
    })
}
