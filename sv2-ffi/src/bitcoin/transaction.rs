//! Serialized transactions.

use sv2_core::bitcoin::{Input, Output, Transaction};

use super::out::Out;
use super::refusal;
use crate::boundary::fenced;
use crate::message::slice;
use crate::{SV2_ERROR_NULL, SV2_OK, sv2_bytes, sv2_status, sv2_u256};

/// An input of a transaction, without its witness.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_transaction_input {
    /// The transaction whose output is spent; zero in a coinbase.
    pub prev_txid: sv2_u256,
    /// Which of its outputs; 0xffffffff in a coinbase.
    pub prev_index: u32,
    /// nSequence.
    pub sequence: u32,
    /// The scriptSig, without its length.
    pub script_sig: sv2_bytes,
}

/// An output of a transaction.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_transaction_output {
    /// The value in satoshis.
    pub value: u64,
    /// The scriptPubKey, without its length.
    pub script_pubkey: sv2_bytes,
}

/// A list of outputs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_transaction_output_list {
    /// The first element, or NULL.
    pub items: *const sv2_transaction_output,
    /// How many there are.
    pub count: usize,
}

/// The txid of the transaction at the start of `bytes`, with or without BIP 141 fields.
///
/// `*len` becomes the number of bytes that the transaction takes. If `len` is NULL, `bytes` must be the transaction and
/// nothing else. Returns SV2_ERROR_MALFORMED if there is no transaction; whether it is valid is not looked at.
///
/// # Safety
/// `bytes` is readable, `txid` is writable, `len` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_transaction_txid(bytes: sv2_bytes, txid: *mut sv2_u256, len: *mut usize) -> sv2_status {
    unsafe { read_into(bytes, txid, len, |transaction| sv2_u256 { bytes: transaction.txid() }) }
}

/// The wtxid of the transaction at the start of `bytes`: the hash of all of it. `len` and errors are those of
/// sv2_transaction_txid.
///
/// # Safety
/// `bytes` is readable, `wtxid` is writable, `len` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_transaction_wtxid(bytes: sv2_bytes, wtxid: *mut sv2_u256, len: *mut usize) -> sv2_status {
    unsafe { read_into(bytes, wtxid, len, |transaction| sv2_u256 { bytes: transaction.wtxid() }) }
}

/// The weight (BIP 141) of the transaction at the start of `bytes`: three times its size without witness plus its whole
/// size. `len` and errors are those of sv2_transaction_txid.
///
/// # Safety
/// `bytes` is readable, `weight` is writable, `len` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_transaction_weight(bytes: sv2_bytes, weight: *mut u64, len: *mut usize) -> sv2_status {
    // No platform's usize is wider than 64 bits.
    unsafe { read_into(bytes, weight, len, |transaction| transaction.weight() as u64) }
}

/// The inputs of a transaction; `bytes` must be one and nothing else.
///
/// `*count` becomes their number. Returns SV2_BUFFER_TOO_SMALL if `capacity` is less than that: `*count` then says how
/// many are needed (`inputs` may be NULL to ask). Returns SV2_ERROR_MALFORMED if it is no transaction. The scripts
/// point into `bytes`.
///
/// # Safety
/// `bytes` is readable, `inputs` is writable for `capacity` elements, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_transaction_inputs(
    bytes: sv2_bytes,
    inputs: *mut sv2_transaction_input,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if count.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match Transaction::parse_exact(unsafe { bytes.as_slice() }) {
        Ok(transaction) => {
            let mut out = unsafe { Out::new(inputs, capacity) };
            transaction.inputs().for_each(|input| out.append(&[input.into()]));
            unsafe { out.finish(count) }
        }
        Err(error) => refusal(error),
    })
}

/// The outputs of a transaction; everything else is as in sv2_transaction_inputs.
///
/// # Safety
/// `bytes` is readable, `outputs` is writable for `capacity` elements, `count` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_transaction_outputs(
    bytes: sv2_bytes,
    outputs: *mut sv2_transaction_output,
    capacity: usize,
    count: *mut usize,
) -> sv2_status {
    if count.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match Transaction::parse_exact(unsafe { bytes.as_slice() }) {
        Ok(transaction) => {
            let mut out = unsafe { Out::new(outputs, capacity) };
            transaction.outputs().for_each(|output| out.append(&[output.into()]));
            unsafe { out.finish(count) }
        }
        Err(error) => refusal(error),
    })
}

/// Parses the transaction at the start of `bytes` and writes what `value` says of it.
///
/// # Safety
/// As [`sv2_transaction_txid`].
unsafe fn read_into<T>(
    bytes: sv2_bytes,
    to: *mut T,
    len: *mut usize,
    value: impl FnOnce(&Transaction<'_>) -> T,
) -> sv2_status {
    if to.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let bytes = unsafe { bytes.as_slice() };
        let len = unsafe { len.as_mut() };
        let parsed = match len {
            Some(_) => Transaction::parse(bytes),
            None => Transaction::parse_exact(bytes).map(|transaction| (transaction, bytes.len())),
        };
        match parsed {
            Ok((transaction, taken)) => {
                unsafe { to.write(value(&transaction)) };
                if let Some(len) = len {
                    *len = taken;
                }
                SV2_OK
            }
            Err(error) => refusal(error),
        }
    })
}

impl From<Input<'_>> for sv2_transaction_input {
    fn from(input: Input<'_>) -> Self {
        Self {
            prev_txid: sv2_u256 { bytes: *input.prev_txid },
            prev_index: input.prev_index,
            sequence: input.sequence,
            script_sig: sv2_bytes::borrow(input.script_sig),
        }
    }
}

impl From<Output<'_>> for sv2_transaction_output {
    fn from(output: Output<'_>) -> Self {
        Self { value: output.value, script_pubkey: sv2_bytes::borrow(output.script_pubkey) }
    }
}

impl sv2_transaction_output_list {
    /// # Safety
    /// `items` is NULL or valid for reading `count` elements, and every script for reading its bytes, for as long as
    /// the result is used.
    pub(crate) unsafe fn outputs<'a>(&self) -> Vec<Output<'a>> {
        let items = unsafe { slice(self.items, self.count) };
        let output = |item: &sv2_transaction_output| Output {
            value: item.value,
            script_pubkey: unsafe { item.script_pubkey.as_slice() },
        };
        items.iter().map(output).collect()
    }
}
