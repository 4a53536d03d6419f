//! SRI's `translator_sv2` and an old miner behind it: on SRI's own pool, which is the control, and on ours.

use std::path::Path;
use std::time::Duration;

use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::peers;
use sv2_interop::provider::{self, Provider};
use sv2_interop::role::{self, Role};
use sv2_interop::sv1_miner::Sv1Miner;
use sv2_interop::translator::{self, Channels};
use sv2_interop::{blocks, or_skipped, ours, pool};

/// How many blocks the miner finds.
const BLOCKS: usize = 3;
/// How long anything may take: all is on one machine, but that may be busy.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn an_old_miner_behind_the_translator_finds_blocks_on_a_pool_of_its_kind() {
    let program = or_skipped!(peers::program("pool_sv2"));
    mine_on(Channels::Aggregated, pool::SIGNATURE, |directory, provider| {
        let mut pool = pool::start(&program, directory, &provider.address, &provider.authority_key).unwrap();
        pool.wait_until_ready(SOON).unwrap();
        pool
    });
}

#[test]
fn an_old_miner_behind_the_translator_finds_blocks_on_our_pool() {
    let program = or_skipped!(ours::program("sv2-pool"));
    for channels in [Channels::Aggregated, Channels::OneEach] {
        mine_on(channels, ours::SIGNATURE, |directory, provider| {
            ours::start_pool(&program, directory, &provider.address, &provider.authority_key).unwrap()
        });
    }
}

/// Starts our provider, a pool on it, the translator on that, and has a miner find blocks.
fn mine_on(channels: Channels, signature: &str, start_pool: impl FnOnce(&Path, &Provider) -> Role) {
    let provider = or_skipped!(provider::program());
    let program = or_skipped!(peers::program("translator_sv2"));
    let directory = TestDirectory::new().unwrap();
    let directory = directory.path();
    let mut provider = Provider::start(&provider, directory).unwrap();
    let pool = start_pool(directory, &provider);
    let mut translator = translator::start(&program, directory, &pool.address, &pool.authority_key, channels).unwrap();
    translator::wait_until_ready(&mut translator, SOON).unwrap();
    mine(&translator, &mut provider);
    judge(provider, signature);
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
