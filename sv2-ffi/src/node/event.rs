//! Events as C sees them.

use std::sync::Arc;

use sv2_core::template::{Template, TemplateKind};

use super::api::Transactions;
use super::queue::Event;
use super::types::*;
use crate::text::ErrorText;
use crate::{
    SV2_TEMPLATE_FULL, SV2_TEMPLATE_NEXT_HEIGHT, SV2_TEMPLATE_PROVISIONAL, sv2_bytes, sv2_bytes_list, sv2_template,
    sv2_u256, sv2_u256_list,
};

/// What the last event points to.
#[derive(Default)]
pub(super) struct Lent {
    text: ErrorText,
    template: Template,
    merkle_path: Vec<sv2_u256>,
    transactions: Option<Arc<Transactions>>,
    list: Vec<sv2_bytes>,
    block: Vec<u8>,
}

// The list points into `transactions`, which is shared and never changed.
unsafe impl Send for Lent {}

impl Lent {
    /// The event for C; `None` for a line of the log, which goes another way.
    pub(super) fn event(&mut self, event: Event) -> Option<sv2_node_event> {
        use sv2_node_event_as as As;
        let (r#type, fields) = match event {
            Event::State { state, version, is_test_chain, reason } => {
                self.text.set(reason);
                let state = sv2_node_state {
                    state,
                    version,
                    is_test_chain: is_test_chain.into(),
                    reserved: [0; 7],
                    reason: self.text.as_ptr(),
                };
                (SV2_NODE_EVENT_STATE, As { state })
            }
            Event::TipChanged { prev_hash } => {
                (SV2_NODE_EVENT_TIP_CHANGED, As { tip_changed: sv2_u256 { bytes: prev_hash } })
            }
            Event::TemplateReady { key, template } => {
                let template_ready = sv2_node_template { key: key.into(), template_: self.template(template) };
                (SV2_NODE_EVENT_TEMPLATE_READY, As { template_ready })
            }
            Event::Transactions { template_id, transactions } => {
                let transactions = self.transactions(template_id, transactions);
                (SV2_NODE_EVENT_TRANSACTIONS, As { transactions })
            }
            Event::SubmitResult { node_handle, block_hash, accepted, reason } => {
                self.text.set(reason);
                let submit_result = sv2_submit_result {
                    node_handle,
                    block_hash: sv2_u256 { bytes: block_hash },
                    accepted: accepted.into(),
                    reserved: [0; 7],
                    reason: self.text.as_ptr(),
                };
                (SV2_NODE_EVENT_SUBMIT_RESULT, As { submit_result })
            }
            Event::Block { node_handle, block_hash, bytes } => {
                self.block = bytes;
                let block_hash = sv2_u256 { bytes: block_hash };
                let block = sv2_node_block { node_handle, block_hash, bytes: sv2_bytes::borrow(&self.block) };
                (SV2_NODE_EVENT_BLOCK, As { block })
            }
            Event::Log { .. } => return None,
        };
        Some(sv2_node_event { r#type, reserved: 0, r#as: fields })
    }

    fn template(&mut self, template: Template) -> sv2_template {
        self.merkle_path = template.merkle_path.iter().map(|node| sv2_u256 { bytes: *node }).collect();
        self.template = template;
        let template = &self.template;
        sv2_template {
            struct_size: size_of::<sv2_template>(),
            node_handle: template.node_handle,
            version: template.version,
            header_timestamp: template.header_timestamp,
            nbits: template.nbits,
            prev_hash: sv2_u256 { bytes: template.prev_hash },
            has_target: 0,
            kind: match template.kind {
                TemplateKind::Full => SV2_TEMPLATE_FULL,
                TemplateKind::Provisional => SV2_TEMPLATE_PROVISIONAL,
                TemplateKind::NextHeight => SV2_TEMPLATE_NEXT_HEIGHT,
            },
            reserved: [0; 2],
            target: sv2_u256 { bytes: [0; 32] },
            coinbase_tx_version: template.coinbase_tx_version,
            coinbase_tx_input_sequence: template.coinbase_tx_input_sequence,
            coinbase_tx_locktime: template.coinbase_tx_locktime,
            coinbase_tx_outputs_count: template.coinbase_tx_outputs_count,
            coinbase_tx_value_remaining: template.coinbase_tx_value_remaining,
            coinbase_prefix: sv2_bytes::borrow(&template.coinbase_prefix),
            coinbase_tx_outputs: sv2_bytes::borrow(&template.coinbase_tx_outputs),
            merkle_path: sv2_u256_list { items: self.merkle_path.as_ptr(), count: self.merkle_path.len() },
        }
    }

    fn transactions(&mut self, template_id: u64, transactions: Option<Arc<Transactions>>) -> sv2_node_transactions {
        self.list = transactions.iter().flat_map(|list| list.iter()).map(sv2_bytes::borrow).collect();
        self.transactions = transactions;
        sv2_node_transactions {
            template_id,
            available: self.transactions.is_some().into(),
            reserved: [0; 7],
            transactions: sv2_bytes_list { items: self.list.as_ptr(), count: self.list.len() },
        }
    }
}
