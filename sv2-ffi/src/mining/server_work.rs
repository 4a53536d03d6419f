//! The work of a mining server: payouts of its templates, templates and tips.

use sv2_core::message::{NewTemplate, SetNewPrevHashTemplate};
use sv2_core::mining::job::Payout;
use sv2_core::mining::server::Server;
use sv2_core::wire::{List, U256};

use super::payout::sv2_payout;
use super::server::{Failure, call, sv2_mining_server};
use super::server_host::text_of;
use crate::{SV2_ERROR_NULL, sv2_new_template, sv2_set_new_prev_hash_template, sv2_status, sv2_str, sv2_time};

/// Names a payout of the templates, or changes it: then its channels get a job that pays by it at once. `miner_tag` is the second
/// name in the coinbase, after the pool's. The payout may be freed afterwards. It costs nothing as long as no channel mines it.
///
/// Returns SV2_ERROR_ARGUMENT if the tags are not UTF-8 or too long for a scriptSig, SV2_NOT_FOUND if it is the name of an upstream
/// channel.
///
/// # Safety
/// `server` and `payout` are live, `miner_tag` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_payout(
    server: *mut sv2_mining_server,
    work_id: u64,
    payout: *const sv2_payout,
    miner_tag: sv2_str,
    now: sv2_time,
) -> sv2_status {
    let Some(payout) = (unsafe { payout.as_ref() }) else { return SV2_ERROR_NULL };
    let body = |this: &mut Server| -> Result<(), Failure> {
        let miner_tag = unsafe { text_of(miner_tag) }?;
        Ok(this.set_payout(work_id, Payout::clone(&payout.payout), miner_tag, now.into())?)
    };
    unsafe { call(server, body) }
}

/// Forgets a payout, or an upstream channel.
///
/// Returns SV2_NOT_FOUND if there is none of this name, SV2_ERROR_STATE if channels mine it.
///
/// # Safety
/// `server` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_remove_work(server: *mut sv2_mining_server, work_id: u64) -> sv2_status {
    unsafe { call(server, |this| this.remove_work(work_id)) }
}

/// A template came, as sv2_template_client_template shows it: what waits for its tip becomes future jobs, which are sent at once; any
/// other is worked on from now on. What it points to is copied.
///
/// Returns SV2_ERROR_ARGUMENT if no coinbase can be made of it, SV2_ERROR_STATE if it waits for no tip and there is none.
///
/// # Safety
/// `server` is live, `template_` and what it points to are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_new_template(
    server: *mut sv2_mining_server,
    template_: *const sv2_new_template,
    now: sv2_time,
) -> sv2_status {
    let Some(template) = (unsafe { template_.as_ref() }) else { return SV2_ERROR_NULL };
    unsafe { call(server, |this| this.new_template(&message_of(template), now.into())) }
}

/// There is a new tip (spec 7.3): all work on the template that waited for it. If there is none with this id, all jobs are stale, and
/// the next template is for this tip.
///
/// Returns SV2_ERROR_ARGUMENT if nBits stand for no target.
///
/// # Safety
/// `server` is live, `tip` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_mining_server_set_new_prev_hash(
    server: *mut sv2_mining_server,
    tip: *const sv2_set_new_prev_hash_template,
    now: sv2_time,
) -> sv2_status {
    let Some(tip) = (unsafe { tip.as_ref() }) else { return SV2_ERROR_NULL };
    let message = SetNewPrevHashTemplate {
        template_id: tip.template_id,
        prev_hash: U256(tip.prev_hash.bytes),
        header_timestamp: tip.header_timestamp,
        nbits: tip.nbits,
        target: U256(tip.target.bytes),
    };
    unsafe { call(server, |this| this.set_new_prev_hash(&message, now.into())) }
}

/// # Safety
/// What `template` points to is readable.
unsafe fn message_of(template: &sv2_new_template) -> NewTemplate<'_> {
    unsafe {
        NewTemplate {
            template_id: template.template_id,
            future_template: template.future_template != 0,
            version: template.version,
            coinbase_tx_version: template.coinbase_tx_version,
            coinbase_prefix: template.coinbase_prefix.as_slice(),
            coinbase_tx_input_sequence: template.coinbase_tx_input_sequence,
            coinbase_tx_value_remaining: template.coinbase_tx_value_remaining,
            coinbase_tx_outputs_count: template.coinbase_tx_outputs_count,
            coinbase_tx_outputs: template.coinbase_tx_outputs.as_slice(),
            coinbase_tx_locktime: template.coinbase_tx_locktime,
            merkle_path: List::Items(template.merkle_path.as_slice()),
        }
    }
}
