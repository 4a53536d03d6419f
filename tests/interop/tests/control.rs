//! The control of `job.rs`: the same pool, the same miner and the same judge, but a template provider that is made of
//! the other implementation's own crates. If this fails, it is not our provider that is at fault.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stratum_core::binary_sv2::Seq0255Owned;
use stratum_core::bitcoin::consensus::encode::{deserialize, serialize};
use stratum_core::bitcoin::hashes::{Hash, sha256d};
use stratum_core::bitcoin::{
    Amount, Block, BlockHash, CompactTarget, ScriptBuf, Target, TxMerkleNode, TxOut,
    block::{Header, Version},
};
use stratum_core::common_messages_sv2::SetupConnectionSuccessOwned;
use stratum_core::parsers_sv2::{AnyMessageOwned, CommonMessagesOwned, TemplateDistributionOwned};
use stratum_core::template_distribution_sv2::{NewTemplateOwned, SetNewPrevHashOwned, SubmitSolutionOwned};
use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::Regtest;
use sv2_interop::role::REWARD_SCRIPT;
use sv2_interop::their_server::{TheirServer, authority_key};
use sv2_interop::{blocks, miner, peers, pool, skipped};

const REGTEST_BITS: u32 = 0x207f_ffff;

#[test]
fn the_pool_and_the_miner_make_blocks_for_a_provider_of_their_own_kind() {
    let (pool_program, miner_program, chain) =
        match (peers::program("pool_sv2"), peers::program("mining_device"), peers::data("regtest_chain.hex")) {
            (Ok(pool), Ok(miner), Ok(chain)) => (pool, miner, chain),
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => skipped!("{why}"),
        };
    let directory = TestDirectory::new().unwrap();
    let kernel = Regtest::new().unwrap();
    let chain = blocks::read(&chain).unwrap();
    for block in &chain {
        kernel.feed(block).unwrap();
    }
    let tip: Block = deserialize(chain.last().unwrap()).unwrap();
    let tip = Tip { height: chain.len(), hash: tip.block_hash() };

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (accepted, blocks_accepted) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        provide(TheirServer::accept(stream), kernel, tip, &accepted);
    });

    let mut pool = pool::start(&pool_program, directory.path(), &address, &authority_key()).unwrap();
    pool.wait_until_ready(Duration::from_secs(30)).unwrap();
    let mut miner = miner::start(&miner_program, directory.path(), &pool.address, &pool.authority_key).unwrap();
    for height in chain.len() + 1..=chain.len() + 3 {
        let block = blocks_accepted.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(block.height, height);
        pool.wait_for_block(&block.hash.to_string(), Duration::from_secs(10)).unwrap();
    }
    assert!(miner.is_running());
}

/// The best block.
struct Tip {
    height: usize,
    hash: BlockHash,
}

/// Gives the pool a template for every tip, and the kernel every solution, until the pool is gone.
fn provide(mut pool: TheirServer, kernel: Regtest, mut tip: Tip, accepted: &mpsc::Sender<Tip>) {
    let mut template_id = 0;
    while let Some(message) = pool.receive() {
        match message {
            AnyMessageOwned::Common(CommonMessagesOwned::SetupConnection(_)) => {
                let success = SetupConnectionSuccessOwned { used_version: 2, flags: 0 };
                pool.send(AnyMessageOwned::Common(success.into()));
                continue;
            }
            AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::CoinbaseOutputConstraints(_)) => {}
            AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::SubmitSolution(solution))
                if solution.template_id == template_id =>
            {
                let block = solved(&tip, &solution);
                kernel.feed(&serialize(&block)).expect("a solution is a valid block");
                tip = Tip { height: tip.height + 1, hash: block.block_hash() };
                assert!(pays_the_pool(&block));
                let _ = accepted.send(Tip { ..tip });
            }
            // A second solution of a template whose tip is gone.
            AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::SubmitSolution(_)) => {
                continue;
            }
            other => panic!("the pool sent {other:?}"),
        }
        template_id += 1;
        for message in template(&tip, template_id) {
            pool.send(AnyMessageOwned::TemplateDistribution(message));
        }
    }
}

/// An empty block's template upon `tip`, and the message that makes it current.
fn template(tip: &Tip, template_id: u64) -> [TemplateDistributionOwned; 2] {
    let height = u32::try_from(tip.height + 1).unwrap();
    let commitment = {
        // The witness root of a block with nothing but a coinbase is zero, and so is the reserved value.
        let hash = sha256d::Hash::hash(&[0; 64]);
        let mut script = b"\x6a\x24\xaa\x21\xa9\xed".to_vec();
        script.extend(hash.to_byte_array());
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from(script) }
    };
    let template = NewTemplateOwned {
        template_id,
        future_template: true,
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: height_push(height).try_into().unwrap(),
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: 50_0000_0000 >> (height / 150),
        coinbase_tx_outputs_count: 1,
        coinbase_tx_outputs: serialize(&commitment).try_into().unwrap(),
        coinbase_tx_locktime: height - 1,
        merkle_path: Seq0255Owned::new(vec![]).unwrap(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let tip = SetNewPrevHashOwned {
        template_id,
        prev_hash: tip.hash.to_byte_array().into(),
        header_timestamp: u32::try_from(now).unwrap(),
        n_bits: REGTEST_BITS,
        target: Target::from_compact(CompactTarget::from_consensus(REGTEST_BITS)).to_le_bytes().into(),
    };
    [TemplateDistributionOwned::NewTemplate(template), TemplateDistributionOwned::SetNewPrevHash(tip)]
}

/// A number as a script pushes it, for heights above 16 (BIP 34).
fn height_push(height: u32) -> Vec<u8> {
    let mut bytes = height.to_le_bytes().to_vec();
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.last().is_some_and(|last| last & 0x80 != 0) {
        bytes.push(0);
    }
    bytes.insert(0, u8::try_from(bytes.len()).unwrap());
    bytes
}

fn solved(tip: &Tip, solution: &SubmitSolutionOwned) -> Block {
    let mut block = Block {
        header: Header {
            version: Version::from_consensus(solution.version.cast_signed()),
            prev_blockhash: tip.hash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: solution.header_timestamp,
            bits: CompactTarget::from_consensus(REGTEST_BITS),
            nonce: solution.header_nonce,
        },
        txdata: vec![deserialize(solution.coinbase_tx.as_bytes()).expect("a coinbase")],
    };
    block.header.merkle_root = block.compute_merkle_root().expect("a transaction");
    block
}

fn pays_the_pool(block: &Block) -> bool {
    let coinbase = &block.txdata[0];
    let signature = pool::SIGNATURE.as_bytes();
    blocks::position(coinbase.input[0].script_sig.as_bytes(), signature).is_some()
        && coinbase.output[0].script_pubkey.as_bytes() == REWARD_SCRIPT
        && coinbase.output[0].value > Amount::ZERO
}
