//! The main job: our C++ template provider, the pool and the miner of others, and libbitcoinkernel as the judge.
//!
//! The provider hands templates over Noise to the pool, the miner mines through the pool, the block comes back as
//! SubmitSolution, and every block of the provider's chain is fed to libbitcoinkernel.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use stratum_core::bitcoin::Block;
use stratum_core::bitcoin::consensus::encode::deserialize;
use sv2_interop::blocks::{self, HEADER_LENGTH};
use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::peers::Programs;
use sv2_interop::provider::{Accepted, Provider};
use sv2_interop::{miner, or_skipped, pool, role};

/// How many blocks the miner finds before everything is stopped.
const BLOCKS: usize = 3;

#[test]
fn blocks_mined_through_a_pool_of_others_are_accepted_by_libbitcoinkernel() {
    let programs = or_skipped!(Programs::find());
    let directory = TestDirectory::new().unwrap();
    let (mined, file) = mine(&programs, &directory);

    let chain = blocks::read(&file).unwrap();
    let kernel = Regtest::new().unwrap();
    let (last, before) = chain.split_last().expect("the provider wrote its chain");
    for block in before {
        kernel.feed(block).unwrap();
    }
    assert_no_bit_of_the_body_may_change(&kernel, last);
    kernel.feed(last).unwrap();

    let tip = mined.last().unwrap();
    assert_eq!((kernel.height(), kernel.tip()), (tip.height, tip.hash.clone()));
    assert_eq!(chain.len(), tip.height);
    for block in &mined {
        let found: Block = deserialize(&chain[block.height - 1]).unwrap();
        assert_eq!(found.block_hash().to_string(), block.hash);
        assert!(found.txdata.len() > 1, "templates are not empty");
        role::assert_is_paid(&found, pool::SIGNATURE);
    }
}

#[test]
fn a_block_mined_through_one_pool_is_what_the_other_pool_builds_upon() {
    let programs = or_skipped!(Programs::find());
    let directory = TestDirectory::new().unwrap();
    let mut provider = Provider::start(&programs.provider, directory.path()).unwrap();
    let directories = ["first", "second"].map(|name| directory.path().join(name));
    let mut pools = directories.each_ref().map(|directory| {
        fs::create_dir(directory).unwrap();
        pool::start(&programs.pool, directory, &provider.address, &provider.authority_key).unwrap()
    });
    for pool in &mut pools {
        pool.wait_until_ready(Duration::from_secs(30)).unwrap();
    }

    let mut mined = Vec::new();
    for finder in 0..pools.len() {
        let pool = &mut pools[finder];
        mined.extend(miner::mine(&programs.miner, &directories[finder], pool, &mut provider, 1).unwrap());
        // Both get it: who goes on does so upon the last block, whoever found it.
        let tip = mined.last().unwrap();
        for pool in &mut pools {
            pool.wait_for_pair(&tip.hash, Duration::from_secs(10)).unwrap();
        }
    }

    for (height, block) in (mined[0].height..).zip(&mined) {
        assert_eq!(block.height, height);
    }
    let file = provider.blocks.clone();
    assert!(provider.stop().unwrap());
    let kernel = Regtest::new().unwrap();
    for block in blocks::read(&file).unwrap() {
        kernel.feed(&block).unwrap();
    }
    assert_eq!(kernel.tip(), mined.last().unwrap().hash);
}

#[test]
fn the_pool_refuses_our_provider_under_another_key() {
    let programs = or_skipped!(Programs::find());
    let directory = TestDirectory::new().unwrap();
    let provider = Provider::start(&programs.provider, directory.path()).unwrap();
    let another = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
    assert_ne!(provider.authority_key, another);
    let mut pool = pool::start(&programs.pool, directory.path(), &provider.address, another).unwrap();
    pool.process.wait_for_text("Noise handshake failed", Duration::from_secs(30)).unwrap();
    assert!(!pool.process.lines().iter().any(|line| line.contains("NewTemplate")));
}

/// Runs the three programs until the miner has found its blocks; what the provider accepted, and its file of blocks.
fn mine(programs: &Programs, directory: &TestDirectory) -> (Vec<Accepted>, PathBuf) {
    let directory = directory.path();
    let mut provider = Provider::start(&programs.provider, directory).unwrap();
    let mut pool = pool::start(&programs.pool, directory, &provider.address, &provider.authority_key).unwrap();
    pool.wait_until_ready(Duration::from_secs(30)).unwrap();
    let mined = miner::mine(&programs.miner, directory, &mut pool, &mut provider, BLOCKS).unwrap();
    pool.process.stop().unwrap();
    let file = provider.blocks.clone();
    assert!(provider.stop().unwrap(), "the provider ends cleanly upon SIGTERM");
    (mined, file)
}

/// Everything behind the header is committed to by the header: flips bits all over it, the last one included.
fn assert_no_bit_of_the_body_may_change(kernel: &Regtest, block: &[u8]) {
    let body = HEADER_LENGTH * 8..block.len() * 8;
    let step = (body.len() / 64).max(1);
    for bit in body.rev().step_by(step) {
        let tip = kernel.tip();
        let falsified = blocks::with_bit_flipped(block, bit);
        assert!(kernel.feed(&falsified).is_err(), "bit {bit} flipped, and accepted all the same");
        assert_eq!(kernel.tip(), tip);
    }
}
