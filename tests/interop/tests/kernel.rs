//! libbitcoinkernel as we drive it: it accepts the chain that Bitcoin Core recorded and refuses what was falsified, for
//! the reason we meant. Without this, "every block accepted" would prove nothing.

use bitcoinkernel::BlockValidationResult;
use stratum_core::bitcoin::consensus::encode::{deserialize, serialize};
use stratum_core::bitcoin::hashes::Hash;
use stratum_core::bitcoin::{Block, TxMerkleNode};
use sv2_interop::kernel::{Because, Refused, Regtest};
use sv2_interop::{blocks, peers, skipped};

/// The recorded chain but for its last block, fed to a new kernel, and that last block.
fn all_but_the_last(chain: &[Vec<u8>]) -> (Regtest, Block) {
    let (last, before) = chain.split_last().expect("the recorded chain has blocks");
    let kernel = Regtest::new().expect("a new regtest chain");
    for block in before {
        kernel.feed(block).expect("a recorded block is valid");
    }
    (kernel, deserialize(last).expect("a recorded block"))
}

/// Feeds a falsified block and returns why it was refused; afterwards nothing has changed and the true block is still welcome.
fn refusal(chain: &[Vec<u8>], falsify: impl FnOnce(&mut Block)) -> Refused {
    let (kernel, mut block) = all_but_the_last(chain);
    let (height, tip) = (kernel.height(), kernel.tip());
    falsify(&mut block);
    let refused = kernel.feed(&serialize(&block)).expect_err("a falsified block");
    assert_eq!((kernel.height(), kernel.tip()), (height, tip));
    kernel.feed(&chain[height]).expect("the true block");
    assert_eq!(kernel.height(), chain.len());
    refused
}

/// Finds a nonce with which the header meets its target, so that proof of work is not what a block is refused for.
fn mine(block: &mut Block) {
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
}

fn invalid(refused: &Refused) -> Option<BlockValidationResult> {
    match refused.because {
        Because::Invalid(result) => Some(result),
        _ => None,
    }
}

/// The recorded chain, or the end of the test.
macro_rules! recorded_chain {
    () => {
        match peers::data("regtest_chain.hex") {
            Ok(file) => blocks::read(&file).expect("a file of blocks in hex"),
            Err(why) => skipped!("{why}"),
        }
    };
}

#[test]
fn the_recorded_chain_is_accepted_to_its_tip() {
    let chain = recorded_chain!();
    let kernel = Regtest::new().unwrap();
    for (index, block) in chain.iter().enumerate() {
        kernel.feed(block).unwrap();
        assert_eq!(kernel.height(), index + 1);
    }
    let last: Block = deserialize(chain.last().unwrap()).unwrap();
    assert_eq!(kernel.tip(), last.block_hash().to_string());
}

#[test]
fn a_block_that_is_known_is_not_accepted_twice() {
    let chain = recorded_chain!();
    let (kernel, block) = all_but_the_last(&chain);
    kernel.feed(&serialize(&block)).unwrap();
    assert_eq!(kernel.feed(&serialize(&block)).unwrap_err().because, Because::Duplicate);
}

#[test]
fn a_block_without_its_parent_is_refused() {
    let chain = recorded_chain!();
    let kernel = Regtest::new().unwrap();
    let refused = kernel.feed(&chain[1]).unwrap_err();
    assert_eq!(invalid(&refused), Some(BlockValidationResult::MissingPrev), "{refused}");
}

#[test]
fn a_bit_in_a_witness_is_noticed() {
    let chain = recorded_chain!();
    let refused = refusal(&chain, |block| {
        let transaction = block.txdata.last_mut().expect("a transaction");
        let witness = &mut transaction.input[0].witness;
        let mut elements = witness.to_vec();
        elements[0][0] ^= 1;
        *witness = elements.into();
    });
    assert_eq!(invalid(&refused), Some(BlockValidationResult::Mutated), "{refused}");
}

#[test]
fn a_bit_in_the_merkle_root_is_noticed() {
    let chain = recorded_chain!();
    let refused = refusal(&chain, |block| {
        let mut root = block.header.merkle_root.to_byte_array();
        root[0] ^= 1;
        block.header.merkle_root = TxMerkleNode::from_byte_array(root);
        mine(block);
    });
    assert_eq!(invalid(&refused), Some(BlockValidationResult::Mutated), "{refused}");
    assert!(refused.says("bad-txnmrklroot"), "{refused}");
}

#[test]
fn a_wrong_witness_commitment_is_noticed() {
    let chain = recorded_chain!();
    let refused = refusal(&chain, |block| {
        let commitment = block.txdata[0]
            .output
            .iter_mut()
            .find(|output| output.script_pubkey.as_bytes().starts_with(b"\x6a\x24\xaa\x21\xa9\xed"))
            .expect("a witness commitment");
        let mut script = commitment.script_pubkey.to_bytes();
        *script.last_mut().unwrap() ^= 1;
        commitment.script_pubkey = script.into();
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        mine(block);
    });
    assert_eq!(invalid(&refused), Some(BlockValidationResult::Mutated), "{refused}");
    assert!(refused.says("bad-witness-merkle-match"), "{refused}");
}

#[test]
fn a_coinbase_that_pays_a_satoshi_too_much_is_noticed() {
    let chain = recorded_chain!();
    let refused = refusal(&chain, |block| {
        block.txdata[0].output[0].value += stratum_core::bitcoin::Amount::from_sat(1);
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        mine(block);
    });
    assert_eq!(invalid(&refused), Some(BlockValidationResult::Consensus), "{refused}");
    assert!(refused.says("bad-cb-amount"), "{refused}");
}

#[test]
fn a_header_above_its_target_is_noticed() {
    let chain = recorded_chain!();
    let refused = refusal(&chain, |block| {
        while block.header.validate_pow(block.header.target()).is_ok() {
            block.header.nonce = block.header.nonce.wrapping_add(1);
        }
    });
    assert_eq!(invalid(&refused), Some(BlockValidationResult::InvalidHeader), "{refused}");
    assert!(refused.says("high-hash"), "{refused}");
}
