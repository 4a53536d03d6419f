//! Any bytes are taken apart as a block and put together again without a change, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::bitcoin::{Block, Hash, assemble, merkle_path, merkle_root, root_from_path};

fuzz_target!(|bytes: &[u8]| {
    let Ok(block) = Block::parse(bytes) else { return };
    let txids: Vec<Hash> = block.transactions.map(|transaction| transaction.txid()).collect();
    let (coinbase, others) = txids.split_first().expect("a block has a transaction");
    assert_eq!(root_from_path(coinbase, merkle_path(others)), merkle_root(&txids));

    let mut transactions = block.transactions.map(|transaction| transaction.as_bytes());
    let coinbase = transactions.next().expect("a block has a transaction");
    assert_eq!(assemble(&block.header, coinbase, transactions), bytes);
});
