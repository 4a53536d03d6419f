//! Shares against their jobs, on recorded blocks: what is a block, a share, or nothing, and why.

mod bitcoin_data;

use bitcoin_data::recorded;
use sv2_core::bitcoin::{Block, Hash, Target, merkle_path};
use sv2_core::message::NewExtendedMiningJob;
use sv2_core::mining::VERSION_ROLLING_MASK;
use sv2_core::mining::job::ExtendedJob;
use sv2_core::mining::share::{Checked, NtimeRule, Share, ShareError, ShareWork, Tip, check};
use sv2_core::wire::{List, U256};

/// Where the last eight bytes of the scriptSig begin and end.
fn extranonce_of(coinbase: &[u8]) -> std::ops::Range<usize> {
    let script_sig_len = usize::from(coinbase[41]);
    42 + script_sig_len - 8..42 + script_sig_len
}

#[test]
fn a_share_that_is_a_block_of_mainnet_is_found_to_be_that_block() {
    let Some(bytes) = recorded("block413567.raw") else { return };
    let block = Block::parse(&bytes).unwrap();
    let txids: Vec<Hash> = block.transactions.skip(1).map(|transaction| transaction.txid()).collect();
    let path: Vec<U256> = merkle_path(&txids).into_iter().map(U256).collect();
    let coinbase = block.transactions.clone().next().unwrap().as_bytes();
    let extranonce = extranonce_of(coinbase);
    let header = block.header;
    let message = NewExtendedMiningJob {
        version: header.version,
        version_rolling_allowed: true,
        merkle_path: List::Items(&path),
        coinbase_tx_prefix: &coinbase[..extranonce.start],
        coinbase_tx_suffix: &coinbase[extranonce.end..],
        ..Default::default()
    };
    let job = ExtendedJob::upstream(&message, 8).unwrap();
    let tip = Tip::new(header.prev_hash, header.nbits, header.time, None, 0).unwrap();
    let work = ShareWork {
        job: &job,
        extranonce_prefix: &coinbase[extranonce.start..][..3],
        extranonce_size: 5,
        merkle_root: None,
        tip: &tip,
        ntime_rule: NtimeRule::FutureBlockTime,
        version_mask: VERSION_ROLLING_MASK,
        target: &Target::default(),
    };
    let share = Share {
        nonce: header.nonce,
        ntime: header.time,
        version: header.version,
        extranonce: &coinbase[extranonce.start + 3..extranonce.end],
    };
    assert_eq!(work.header(&share), header);
    assert_eq!(check(&work, &share, 0), Ok(Checked { hash: header.hash(), is_block: true }));
    let other = Share { nonce: header.nonce + 1, ..share };
    assert_eq!(check(&work, &other, 0), Err(ShareError::DifficultyTooLow));
}
