//! What a client of templates and its provider say to each other.

use sv2_core::message::{
    CoinbaseOutputConstraints, NewTemplate, PROTOCOL_TEMPLATE_DISTRIBUTION, RequestTransactionData,
    RequestTransactionDataSuccess, SetNewPrevHashTemplate, SetupConnection, SetupConnectionSuccess, SubmitSolution,
};
use sv2_core::wire::{List, U256};

use crate::messages::our_frame;

/// One message of the conversation.
pub struct Said {
    /// By the client, or by the provider.
    pub by_client: bool,
    /// The frame.
    pub frame: Vec<u8>,
}

/// The messages in their order: SetupConnection, a template, its transactions (1.2 MB, many Noise messages), a solution.
pub fn conversation() -> Vec<Said> {
    let client = |frame| Said { by_client: true, frame };
    let provider = |frame| Said { by_client: false, frame };
    let transactions: Vec<Vec<u8>> = (0..3000).map(|i| vec![(i % 251) as u8; 400]).collect();
    let transactions: Vec<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
    let path = [U256([1; 32]), U256([2; 32])];
    vec![
        client(our_frame(&SetupConnection {
            protocol: PROTOCOL_TEMPLATE_DISTRIBUTION,
            min_version: 2,
            max_version: 2,
            endpoint_host: "localhost".into(),
            ..Default::default()
        })),
        provider(our_frame(&SetupConnectionSuccess { used_version: 2, flags: 0 })),
        client(our_frame(&CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 100,
            coinbase_output_max_additional_sigops: 4,
        })),
        provider(our_frame(&NewTemplate {
            template_id: 1,
            future_template: true,
            coinbase_tx_outputs: &[7; 60_000],
            merkle_path: List::Items(&path),
            ..Default::default()
        })),
        provider(our_frame(&SetNewPrevHashTemplate { template_id: 1, ..Default::default() })),
        client(our_frame(&RequestTransactionData { template_id: 1 })),
        provider(our_frame(&RequestTransactionDataSuccess {
            template_id: 1,
            excess_data: &[],
            transaction_list: List::Items(&transactions),
        })),
        client(our_frame(&SubmitSolution { template_id: 1, coinbase_tx: &[9; 65_535], ..Default::default() })),
        client(our_frame(&RequestTransactionData { template_id: 2 })),
    ]
}
