//! SRI's `translator_sv2` and an old miner behind it: on SRI's own pool, which is the control, and on ours.

use std::time::Duration;

use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::peers;
use sv2_interop::provider::{self, Provider};
use sv2_interop::role::{self, Role};
use sv2_interop::sv1_miner::Sv1Miner;
use sv2_interop::translator::{self, Channels};
use sv2_interop::{blocks, or_skipped, pool};

/// How many blocks the miner finds.
const BLOCKS: usize = 3;
/// How long anything may take: all is on one machine, but that may be busy.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn an_old_miner_behind_the_translator_finds_blocks_on_a_pool_of_its_kind() {
    let (provider, pool, translator) = (
        or_skipped!(provider::program()),
        or_skipped!(peers::program("pool_sv2")),
        or_skipped!(peers::program("translator_sv2")),
    );
    let directory = TestDirectory::new().unwrap();
    let mut provider = Provider::start(&provider, directory.path()).unwrap();
    let mut pool = pool::start(&pool, directory.path(), &provider.address, &provider.authority_key).unwrap();
    pool.wait_until_ready(SOON).unwrap();
    let (address, key) = (pool.address.clone(), pool.authority_key());
    let mut translator = translator::start(&translator, directory.path(), &address, key, Channels::Aggregated).unwrap();
    translator::wait_until_ready(&mut translator, SOON).unwrap();
    mine(&translator, &mut provider);
    judge(provider, pool::SIGNATURE);
}

/// Has a miner behind the translator find its blocks, all of which the provider accepts.
fn mine(translator: &Role, provider: &mut Provider) {
    let mut miner = Sv1Miner::connect(&translator.address, "a.worker", SOON).unwrap();
    assert!(miner.rolls_versions());
    for _ in 0..BLOCKS {
        let found = miner.mine_block(SOON).unwrap();
        assert_eq!(provider.wait_for_block(SOON).unwrap().hash, found);
        miner.wait_for_tip(&found, SOON).unwrap();
    }
}

/// Feeds the provider's chain to libbitcoinkernel; its last blocks pay who they should.
fn judge(provider: Provider, signature: &str) {
    let file = provider.blocks.clone();
    assert!(provider.stop().unwrap());
    let chain = blocks::read(&file).unwrap();
    let kernel = Regtest::new().unwrap();
    for block in &chain {
        kernel.feed(block).unwrap();
    }
    for block in &chain[chain.len() - BLOCKS..] {
        role::assert_is_paid(&stratum_core::bitcoin::consensus::encode::deserialize(block).unwrap(), signature);
    }
}
