//! Our `sv2-miner` and `sv2-proxy` with the programs of others around them, in each combination that can
//! find blocks; libbitcoinkernel is the judge of what is found.

use std::path::Path;
use std::time::Duration;

use stratum_core::bitcoin::consensus::encode::deserialize;
use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::ours::{self, Channel, Mode};
use sv2_interop::provider::{self, Provider};
use sv2_interop::role::{self, Role};
use sv2_interop::sv1_miner::Sv1Miner;
use sv2_interop::translator::{self, Channels};
use sv2_interop::{blocks, miner, or_skipped, peers, pool};

/// How many blocks are found before everything is stopped.
const BLOCKS: usize = 2;
/// How long anything may take: all is on one machine, but that may be busy.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn our_miner_finds_blocks_on_a_pool_of_others() {
    let program = or_skipped!(ours::program("sv2-miner"));
    for channel in [Channel::Standard, Channel::Extended] {
        on_their_pool(|directory, pool| ours::start_miner(&program, directory, pool, channel).unwrap());
    }
}

#[test]
fn a_miner_of_others_finds_blocks_on_a_pool_of_others_through_our_proxy() {
    let proxy = or_skipped!(ours::program("sv2-proxy"));
    let program = or_skipped!(peers::program("mining_device"));
    // Not passed through: a block on a standard channel that is in a group gets a coinbase from their pool which has the template's
    // outputs twice, and so is none (tests/oracle.rs).
    on_their_pool(|directory, pool| {
        let proxy = ours::start_proxy(&proxy, directory, pool, Mode::Aggregate).unwrap();
        let miner = miner::start(&program, directory, &proxy.address, &proxy.authority_key).unwrap();
        (proxy, miner)
    });
}

#[test]
fn our_miner_finds_blocks_on_a_pool_of_others_through_our_proxy() {
    let proxy = or_skipped!(ours::program("sv2-proxy"));
    let program = or_skipped!(ours::program("sv2-miner"));
    for (mode, channel) in [(Mode::Aggregate, Channel::Standard), (Mode::PassThrough, Channel::Extended)] {
        on_their_pool(|directory, pool| {
            let proxy = ours::start_proxy(&proxy, directory, pool, mode).unwrap();
            let miner = ours::start_miner(&program, directory, &proxy, channel).unwrap();
            (proxy, miner)
        });
    }
}

#[test]
fn a_miner_of_others_finds_blocks_on_our_pool_through_our_proxy() {
    let proxy = or_skipped!(ours::program("sv2-proxy"));
    let program = or_skipped!(peers::program("mining_device"));
    for mode in [Mode::Aggregate, Mode::PassThrough] {
        on_our_pool(|directory, pool| {
            let proxy = ours::start_proxy(&proxy, directory, pool, mode).unwrap();
            let miner = miner::start(&program, directory, &proxy.address, &proxy.authority_key).unwrap();
            (proxy, miner)
        });
    }
}

#[test]
fn an_old_miner_finds_blocks_behind_the_translator_of_others_and_our_proxy() {
    let proxy = or_skipped!(ours::program("sv2-proxy"));
    let program = or_skipped!(peers::program("translator_sv2"));
    for (mode, channels) in [(Mode::Aggregate, Channels::OneEach), (Mode::PassThrough, Channels::Aggregated)] {
        on_our_pool(|directory, pool| {
            let proxy = ours::start_proxy(&proxy, directory, pool, mode).unwrap();
            let (address, key) = (&proxy.address, &proxy.authority_key);
            let mut translator = translator::start(&program, directory, address, key, channels).unwrap();
            translator::wait_until_ready(&mut translator, SOON).unwrap();
            let address = translator.address.clone();
            let miner = std::thread::spawn(move || {
                let mut miner = Sv1Miner::connect(&address, "a.worker", SOON).unwrap();
                for _ in 0..BLOCKS {
                    let found = miner.mine_block(SOON).unwrap();
                    miner.wait_for_tip(&found, SOON).unwrap();
                }
            });
            (proxy, translator, miner)
        });
    }
}

/// Has blocks found on SRI's pool by what `start` starts, which lives until they are.
fn on_their_pool<T>(start: impl FnOnce(&Path, &Role) -> T) {
    let program = or_skipped!(peers::program("pool_sv2"));
    on_pool(
        pool::SIGNATURE,
        |directory, provider| {
            let mut pool = pool::start(&program, directory, &provider.address, &provider.authority_key).unwrap();
            pool.wait_until_ready(SOON).unwrap();
            pool
        },
        start,
    );
}

/// The same on our own.
fn on_our_pool<T>(start: impl FnOnce(&Path, &Role) -> T) {
    let program = or_skipped!(ours::program("sv2-pool"));
    on_pool(
        ours::SIGNATURE,
        |directory, provider| {
            ours::start_pool(&program, directory, &provider.address, &provider.authority_key).unwrap()
        },
        start,
    );
}

fn on_pool<T>(
    signature: &str,
    start_pool: impl FnOnce(&Path, &Provider) -> Role,
    start: impl FnOnce(&Path, &Role) -> T,
) {
    let provider = or_skipped!(provider::program());
    let directory = TestDirectory::new().unwrap();
    let directory = directory.path();
    let mut provider = Provider::start(&provider, directory).unwrap();
    let mut pool = start_pool(directory, &provider);
    let started = start(directory, &pool);
    for _ in 0..BLOCKS {
        let accepted = provider.wait_for_block(SOON).unwrap();
        pool.wait_for_block(&accepted.hash, SOON).unwrap();
    }
    drop(started);
    judge(provider, signature);
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
        role::assert_is_paid(&deserialize(block).unwrap(), signature);
    }
}
