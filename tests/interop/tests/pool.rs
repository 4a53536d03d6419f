//! Our `sv2-pool` between our template provider and the miner of others; libbitcoinkernel is the judge of what they find.

use stratum_core::bitcoin::Block;
use stratum_core::bitcoin::consensus::encode::deserialize;
use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::provider::{self, Provider};
use sv2_interop::{blocks, miner, or_skipped, ours, peers, role};

/// How many blocks the miner finds before everything is stopped.
const BLOCKS: usize = 3;

#[test]
fn blocks_that_a_miner_of_others_finds_on_our_pool_are_accepted_by_libbitcoinkernel() {
    let provider = or_skipped!(provider::program());
    let pool = or_skipped!(ours::program("sv2-pool"));
    let miner = or_skipped!(peers::program("mining_device"));
    let directory = TestDirectory::new().unwrap();
    let mut provider = Provider::start(&provider, directory.path()).unwrap();
    let mut pool = ours::start_pool(&pool, directory.path(), &provider.address, &provider.authority_key).unwrap();
    let mined = miner::mine(&miner, directory.path(), &mut pool, &mut provider, BLOCKS).unwrap();
    assert!(pool.process.stop().unwrap().success(), "the pool ends cleanly upon SIGTERM");

    let file = provider.blocks.clone();
    assert!(provider.stop().unwrap());
    let chain = blocks::read(&file).unwrap();
    let kernel = Regtest::new().unwrap();
    for block in &chain {
        kernel.feed(block).unwrap();
    }
    let tip = mined.last().unwrap();
    assert_eq!((kernel.height(), kernel.tip()), (tip.height, tip.hash.clone()));
    for block in &mined {
        let found: Block = deserialize(&chain[block.height - 1]).unwrap();
        assert_eq!(found.block_hash().to_string(), block.hash);
        assert!(found.txdata.len() > 1, "templates are not empty");
        role::assert_is_paid(&found, ours::SIGNATURE);
    }
}
