//! What a template client has to mine on: its templates, their tips, and the coinbases and headers made of them.

use sv2_core::bitcoin::ErrorKind;
use sv2_core::template::client::ReceivedTemplate;

use super::client::{message_of, sv2_template_client};
use super::client_event::tip_of;
use crate::bitcoin::write_all;
use crate::boundary::enter_status;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_ERROR_STATE, SV2_NOT_FOUND, SV2_OK, sv2_block_header,
    sv2_bytes, sv2_new_template, sv2_set_new_prev_hash_template, sv2_status, sv2_submit_solution,
    sv2_transaction_output_list, sv2_u256_list,
};

/// The template to mine on, the last one on the tip, into `*template_id`. After a loss of the connection it stays, and gets old.
///
/// Returns SV2_NOT_FOUND if there is none.
///
/// # Safety
/// `client` is live, `template_id` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_active_template(
    client: *mut sv2_template_client,
    template_id: *mut u64,
) -> sv2_status {
    if template_id.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_template_client| match this.client.active_template() {
        Some(active) => {
            unsafe { template_id.write(active.template_id) };
            SV2_OK
        }
        None => SV2_NOT_FOUND,
    };
    unsafe { enter_status(client, body) }
}

/// A template that is not forgotten yet, into `*out`; `future_template` says whether it still waits for its tip. What it points to
/// is valid until the client's next call that is told the time, or _next_event.
///
/// Returns SV2_NOT_FOUND if there is none with this identifier.
///
/// # Safety
/// `client` is live, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_template(
    client: *mut sv2_template_client,
    template_id: u64,
    out: *mut sv2_new_template,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |template: &ReceivedTemplate| {
        unsafe { out.write(view_of(template)) };
        SV2_OK
    };
    unsafe { look_at(client, template_id, body) }
}

/// The tip that a template is on, into `*out`: what the header of a block takes from it, and the target.
///
/// Returns SV2_NOT_FOUND if there is no such template, or it still waits for its tip.
///
/// # Safety
/// `client` is live, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_tip(
    client: *mut sv2_template_client,
    template_id: u64,
    out: *mut sv2_set_new_prev_hash_template,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |template: &ReceivedTemplate| match &template.tip {
        Some(tip) => {
            unsafe { out.write(tip_of(template_id, tip)) };
            SV2_OK
        }
        None => SV2_NOT_FOUND,
    };
    unsafe { look_at(client, template_id, body) }
}

/// Writes the whole coinbase of a template into `out` as SubmitSolution wants it, with the BIP 141 fields if the template commits to
/// witnesses; `*len` becomes its length.
///
/// Its scriptSig is the template's prefix, then `script` (pool name, extranonce: as they are); its outputs are `outputs`, then
/// the template's. Returns SV2_BUFFER_TOO_SMALL if `capacity` is too small: `*len` then says how much is needed (`out` may be NULL to
/// ask). Returns SV2_NOT_FOUND if there is no such template, SV2_ERROR_ARGUMENT if the scriptSig would not have 2 to 100 bytes.
/// sv2_coinbase_build makes one without those fields, as miners want it.
///
/// # Safety
/// `client` is live; `script` and `outputs` and what they point to are readable; `out` is writable for `capacity` bytes and overlaps
/// none of it, `len` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_coinbase(
    client: *mut sv2_template_client,
    template_id: u64,
    script: sv2_bytes,
    outputs: sv2_transaction_output_list,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if len.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |template: &ReceivedTemplate| {
        let (script, outputs) = unsafe { (script.as_slice(), outputs.outputs()) };
        match template.coinbase(script, &outputs) {
            Ok(coinbase) => unsafe { write_all(&coinbase, out, capacity, len) },
            Err(error) if error.kind == ErrorKind::ScriptSigLength => SV2_ERROR_ARGUMENT,
            Err(_) => SV2_ERROR_MALFORMED,
        }
    };
    unsafe { look_at(client, template_id, body) }
}

/// The header of the block that a solution makes: sv2_block_header_hash of it must meet the target of sv2_template_client_tip.
///
/// Returns SV2_NOT_FOUND if there is no such template, SV2_ERROR_STATE if it still waits for its tip, SV2_ERROR_MALFORMED if the coinbase
/// is no transaction.
///
/// # Safety
/// `client` is live, `solution` and its coinbase are readable, `header` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_template_client_header(
    client: *mut sv2_template_client,
    solution: *const sv2_submit_solution,
    header: *mut sv2_block_header,
) -> sv2_status {
    let Some(solution) = (unsafe { solution.as_ref() }) else { return SV2_ERROR_NULL };
    if header.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |template: &ReceivedTemplate| {
        let Some(tip) = template.tip else { return SV2_ERROR_STATE };
        let solution = unsafe { message_of(solution) };
        let Ok(merkle_root) = template.merkle_root(solution.coinbase_tx) else { return SV2_ERROR_MALFORMED };
        let made = tip.header(solution.version, merkle_root, solution.header_timestamp, solution.header_nonce);
        unsafe { header.write(made.into()) };
        SV2_OK
    };
    unsafe { look_at(client, solution.template_id, body) }
}

/// Does something with a template, if it is there.
///
/// # Safety
/// `client` is NULL or live.
unsafe fn look_at(
    client: *mut sv2_template_client,
    template_id: u64,
    look: impl FnOnce(&ReceivedTemplate) -> sv2_status,
) -> sv2_status {
    let body = |this: &mut sv2_template_client| this.client.template(template_id).map_or(SV2_NOT_FOUND, look);
    unsafe { enter_status(client, body) }
}

fn view_of(template: &ReceivedTemplate) -> sv2_new_template {
    sv2_new_template {
        template_id: template.template_id,
        future_template: template.is_future().into(),
        version: template.version,
        coinbase_tx_version: template.coinbase_tx_version,
        coinbase_prefix: sv2_bytes::borrow(&template.coinbase_prefix),
        coinbase_tx_input_sequence: template.coinbase_tx_input_sequence,
        coinbase_tx_value_remaining: template.coinbase_tx_value_remaining,
        coinbase_tx_outputs_count: template.coinbase_tx_outputs_count,
        coinbase_tx_outputs: sv2_bytes::borrow(&template.coinbase_tx_outputs),
        coinbase_tx_locktime: template.coinbase_tx_locktime,
        // A hash is 32 bytes without alignment, as sv2_u256 is.
        merkle_path: sv2_u256_list { items: template.merkle_path.as_ptr().cast(), count: template.merkle_path.len() },
    }
}
