//! libbitcoinkernel judges the embedded regtest chain of the C++ examples, which does not judge itself: every block it made
//! is valid to the last witness, and a mutated copy is refused.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use bitcoinkernel::BlockValidationResult;
use stratum_core::bitcoin::consensus::encode::{deserialize, serialize};
use stratum_core::bitcoin::hashes::{Hash, sha256d};
use stratum_core::bitcoin::{Block, ScriptBuf, TxOut, Witness};
use sv2_interop::directory::TestDirectory;
use sv2_interop::kernel::{Because, Regtest};
use sv2_interop::peers::checkout;
use sv2_interop::{blocks, skipped};

/// The C++ program that makes a chain, at `$SV2_CHAIN_TEST` or where CMake builds it, or why there is none.
fn program() -> Result<PathBuf, String> {
    let program = match env::var_os("SV2_CHAIN_TEST") {
        Some(program) => PathBuf::from(program),
        None => checkout().join("build/tests/cpp/regtest_chain_test"),
    };
    if program.is_file() { Ok(program) } else { Err(format!("{} is missing: build the C++ tests", program.display())) }
}

/// Has the program make a chain; its blocks, and the line it printed about its tip.
fn chain() -> Result<(Vec<Vec<u8>>, String), String> {
    let directory = TestDirectory::new().expect("a directory");
    let output = Command::new(program()?).arg(directory.path()).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let chain = blocks::read(&directory.path().join("blocks.hex")).expect("a file of blocks in hex");
    Ok((chain, String::from_utf8(output.stdout).expect("text")))
}

/// The chain, or the end of the test.
macro_rules! made_chain {
    () => {
        match chain() {
            Ok(made) => made,
            Err(why) => skipped!("{why}"),
        }
    };
}

/// Puts the block's commitments right after a change, the one to its witnesses first, and mines it anew.
fn recommit(block: &mut Block) {
    let root = block.witness_root().expect("transactions").to_byte_array();
    let commitment = sha256d::Hash::hash(&[root, [0; 32]].concat()).to_byte_array();
    let script = &mut block.txdata[0].output.last_mut().expect("the commitment").script_pubkey;
    *script = ScriptBuf::from_bytes([b"\x6a\x24\xaa\x21\xa9\xed", &commitment[..]].concat());
    block.header.merkle_root = block.compute_merkle_root().expect("transactions");
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
}

/// Feeds all blocks but the last, then a falsified copy of that, which must be refused; then the true one.
fn check_refused(chain: &[Vec<u8>], because: BlockValidationResult, says: &str, falsify: impl FnOnce(&mut Block)) {
    let (last, before) = chain.split_last().expect("blocks");
    let kernel = Regtest::new().expect("a new regtest chain");
    before.iter().for_each(|block| kernel.feed(block).expect("a valid block"));
    let mut falsified: Block = deserialize(last).expect("a block");
    falsify(&mut falsified);
    let refused = kernel.feed(&serialize(&falsified)).expect_err("a falsified block");
    assert_eq!(refused.because, Because::Invalid(because), "{refused}");
    assert!(refused.says(says), "{refused}");
    kernel.feed(last).expect("the true block");
}

#[test]
fn every_block_is_valid_and_full_of_witnesses() {
    let (chain, printed) = made_chain!();
    let kernel = Regtest::new().expect("a new regtest chain");
    let (mut transactions, mut dependent) = (0, 0);
    for block in &chain {
        kernel.feed(block).unwrap();
        let block: Block = deserialize(block).expect("a block");
        for transaction in block.txdata.iter().skip(1) {
            let witness = transaction.input[0].witness.to_vec();
            // A preimage, and the script that asks for it.
            assert_eq!((witness.len(), witness[0].len(), witness[1].len()), (2, 32, 35));
            transactions += 1;
            let parent = transaction.input[0].previous_output.txid;
            dependent += usize::from(block.txdata.iter().any(|other| other.compute_txid() == parent));
        }
    }
    assert_eq!((chain.len(), transactions), (130, 300));
    assert!(dependent > 50, "{dependent} transactions spend what their own block creates");
    assert_eq!(printed, format!("{} {}\n", kernel.tip(), kernel.height()));
}

#[test]
fn a_wrong_preimage_is_refused_even_with_all_commitments_right() {
    let (chain, _) = made_chain!();
    check_refused(&chain, BlockValidationResult::Consensus, "block-script-verify-flag-failed", |block| {
        let input = &mut block.txdata.last_mut().expect("a transaction").input[0];
        let mut witness = input.witness.to_vec();
        witness[0][0] ^= 1;
        input.witness = Witness::from_slice(&witness);
        recommit(block);
    });
}

#[test]
fn a_witness_that_the_commitment_does_not_cover_is_refused() {
    let (chain, _) = made_chain!();
    check_refused(&chain, BlockValidationResult::Mutated, "bad-witness-merkle-match", |block| {
        let input = &mut block.txdata.last_mut().expect("a transaction").input[0];
        let mut witness = input.witness.to_vec();
        witness[0][0] ^= 1;
        input.witness = Witness::from_slice(&witness);
    });
}

#[test]
fn a_coinbase_that_takes_a_satoshi_more_than_subsidy_and_fees_is_refused() {
    let (chain, _) = made_chain!();
    check_refused(&chain, BlockValidationResult::Consensus, "bad-cb-amount", |block| {
        let TxOut { value, .. } = &mut block.txdata[0].output[0];
        *value += stratum_core::bitcoin::Amount::from_sat(1);
        recommit(block);
    });
}
