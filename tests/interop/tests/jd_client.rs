//! SRI's job declarator client as a client of our template provider, unchanged: alone, and with a pool to which it declares
//! each template with all its transactions. With SRI's own pool in that place: see `live.rs`, since that needs a node.

use std::time::Duration;

use stratum_core::bitcoin::Block;
use stratum_core::bitcoin::consensus::encode::deserialize;
use stratum_core::bitcoin::hashes::Hash;
use stratum_core::job_declaration_sv2::DeclareMiningJobOwned;
use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::peers::Programs;
use sv2_interop::provider::Provider;
use sv2_interop::{blocks, jd_client, miner, or_skipped, role, upstream};

/// How many blocks the miner finds before everything is stopped.
const BLOCKS: usize = 2;

#[test]
fn blocks_mined_through_a_job_declarator_client_of_others_are_accepted_by_libbitcoinkernel() {
    let programs = or_skipped!(Programs::find());
    let directory = TestDirectory::new().unwrap();
    let mut provider = Provider::start(&programs.provider, directory.path()).unwrap();
    let key = &provider.authority_key;
    let mut client = jd_client::start_solo(&programs.jd_client, directory.path(), &provider.address, key).unwrap();
    client.wait_until_ready(Duration::from_secs(30)).unwrap();

    let mined = miner::mine(&programs.miner, directory.path(), &mut client, &mut provider, BLOCKS).unwrap();
    client.wait_for_pair(&mined.last().unwrap().hash, Duration::from_secs(10)).unwrap();
    assert!(client.process.is_running());
    let file = provider.blocks.clone();
    assert!(provider.stop().unwrap());

    let chain = blocks::read(&file).unwrap();
    let kernel = Regtest::new().unwrap();
    chain.iter().for_each(|block| kernel.feed(block).unwrap());
    let tip = mined.last().unwrap();
    assert_eq!((kernel.height(), kernel.tip()), (tip.height, tip.hash.clone()));
    for accepted in &mined {
        let block: Block = deserialize(&chain[accepted.height - 1]).unwrap();
        assert_eq!(block.block_hash().to_string(), accepted.hash);
        assert!(block.txdata.len() > 1, "templates are not empty");
        role::assert_is_paid(&block, jd_client::SIGNATURE);
    }
}

#[test]
fn a_job_with_the_transactions_of_our_template_is_declared_and_mined() {
    let programs = or_skipped!(Programs::find());
    let directory = TestDirectory::new().unwrap();
    let mut provider = Provider::start(&programs.provider, directory.path()).unwrap();
    let (upstream, declared) = upstream::agreeing().unwrap();
    let (address, key) = (&provider.address, &provider.authority_key);
    let mut client =
        jd_client::start_declaring(&programs.jd_client, directory.path(), address, key, &upstream).unwrap();
    client.wait_until_ready(Duration::from_secs(30)).unwrap();

    let mined = miner::mine(&programs.miner, directory.path(), &mut client, &mut provider, BLOCKS).unwrap();
    assert!(client.process.lines().iter().any(|line| line.contains("Received: RequestTransactionDataSuccess")));
    assert!(client.process.is_running());
    let file = provider.blocks.clone();
    assert!(provider.stop().unwrap());

    let declared: Vec<Vec<_>> = declared.try_iter().map(|job| wtxids(&job)).collect();
    let chain = blocks::read(&file).unwrap();
    for accepted in &mined {
        let block: Block = deserialize(&chain[accepted.height - 1]).unwrap();
        let mined: Vec<_> = block.txdata[1..].iter().map(|tx| tx.compute_wtxid().to_byte_array()).collect();
        assert!(!mined.is_empty(), "templates are not empty");
        assert!(declared.contains(&mined), "block {} has not the transactions of any declared job", accepted.height);
    }
}

/// What a job consists of besides its coinbase.
fn wtxids(job: &DeclareMiningJobOwned) -> Vec<[u8; 32]> {
    job.wtxid_list.iter().map(|wtxid| *wtxid.as_array()).collect()
}
