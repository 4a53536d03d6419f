//! Blocks: recorded ones taken apart and put together again.

mod bitcoin_data;

use bitcoin_data::{GENESIS_COINBASE, hex, recorded, records, rpc_hash};
use sv2_core::bitcoin::{
    Block, COMMITMENT_SCRIPT_LEN, Coinbase, ErrorKind, Hash, Header, RpcHex, Target, Transaction, assemble,
    commitment_script, find_witness_commitment, merkle_path, merkle_root, root_from_path, witness_commitment,
};

fn genesis_block() -> Vec<u8> {
    let header = Header {
        version: 1,
        prev_hash: [0; 32],
        merkle_root: rpc_hash("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"),
        time: 1231006505,
        nbits: 0x1d00ffff,
        nonce: 2083236893,
    };
    assemble(&header, &hex(GENESIS_COINBASE), [])
}

/// What holds for every valid block: its proof of work, its merkle root in both ways, its witness commitment, and
/// that its parts make up the same bytes again.
fn check_block(bytes: &[u8]) -> (Header, Vec<Hash>) {
    let block = Block::parse(bytes).unwrap();
    let txids: Vec<Hash> = block.transactions.map(|transaction| transaction.txid()).collect();
    assert_eq!(merkle_root(&txids), block.header.merkle_root);
    assert_eq!(root_from_path(&txids[0], merkle_path(&txids[1..])), block.header.merkle_root);
    assert!(block.header.target().unwrap().is_met_by(&block.header.hash()));

    let mut transactions = block.transactions;
    let coinbase = Coinbase::try_from(transactions.next().unwrap()).unwrap();
    if let Some(commitment) = find_witness_commitment(coinbase.transaction()) {
        let wtxids: Vec<Hash> = transactions.map(|transaction| transaction.wtxid()).collect();
        let reserved_value = coinbase.witness_reserved_value().unwrap();
        assert_eq!(witness_commitment(&wtxids, reserved_value), commitment);
    }
    let coinbase = coinbase.transaction().as_bytes();
    let again = assemble(&block.header, coinbase, transactions.map(|transaction| transaction.as_bytes()));
    assert!(again == bytes, "the block is not the same after taking it apart");
    assert_eq!(again.capacity(), again.len(), "exactly what it takes is reserved");
    (block.header, txids)
}

#[test]
fn the_genesis_block_is_put_together() {
    let bytes = genesis_block();
    assert_eq!(bytes.len(), 285);
    let (header, txids) = check_block(&bytes);
    assert_eq!(RpcHex(header.hash()).to_string(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_eq!(txids, [header.merkle_root]);
}

#[test]
fn a_truncated_block_is_refused() {
    let bytes = &records()[1].block;
    for cut in 0..bytes.len() {
        let error = Block::parse(&bytes[..cut]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnexpectedEnd, "cut at {cut}");
        assert!(error.offset <= cut, "cut at {cut}: {error}");
    }
}

#[test]
fn a_block_with_something_after_it_is_refused() {
    let mut bytes = genesis_block();
    bytes.push(0);
    let error = Block::parse(&bytes).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::TrailingBytes, 285));
}

#[test]
fn a_block_without_transactions_is_refused() {
    let mut bytes = genesis_block();
    bytes.truncate(80);
    bytes.push(0);
    let error = Block::parse(&bytes).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::NoTransactions, 80));
}

#[test]
fn an_error_in_a_block_has_its_offset_in_the_block() {
    let mut bytes = genesis_block();
    bytes[85] = 0; // the input count of the coinbase
    bytes[86] = 7;
    let error = Block::parse(&bytes).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::UnknownFlag, 85));
}

#[test]
fn a_transaction_count_beyond_the_bytes_is_refused() {
    let mut bytes = genesis_block();
    bytes.splice(80..81, [0xfe, 0xff, 0xff, 0xff, 0x7f]);
    let error = Block::parse(&bytes).unwrap_err();
    assert_eq!((error.kind, error.field, error.offset), (ErrorKind::UnexpectedEnd, "transaction count", 80));
}

#[test]
fn the_last_output_that_looks_like_a_commitment_counts() {
    let output = |script: &[u8]| [&[0; 8], &[script.len() as u8][..], script].concat();
    let longer = [&commitment_script(&[3; 32])[..], &[0xff]].concat();
    let shorter = &commitment_script(&[4; 32])[..COMMITMENT_SCRIPT_LEN - 1];
    let outputs = [output(&commitment_script(&[2; 32])), output(&longer), output(shorter), output(&[0x51])];
    let coinbase = hex(GENESIS_COINBASE);
    let bytes = [&coinbase[..123], &[4], &outputs.concat(), &[0; 4]].concat();
    let transaction = Transaction::parse_exact(&bytes).unwrap();
    assert_eq!(transaction.outputs().len(), 4);
    assert_eq!(find_witness_commitment(&transaction), Some([3; 32]));
    assert_eq!(find_witness_commitment(&Transaction::parse_exact(&coinbase).unwrap()), None);
}

#[test]
fn the_nodes_templates_give_the_nodes_blocks() {
    for record in records() {
        let (header, txids) = check_block(&record.block);
        assert_eq!(RpcHex(header.hash()), RpcHex(record.hash));
        assert_eq!(RpcHex(header.merkle_root), RpcHex(record.merkle_root));
        assert_eq!(header.prev_hash, record.prev_hash);
        assert_eq!(header.nbits, record.nbits);
        assert_eq!(header.target(), Some(Target(record.target)));
        assert_eq!(Target(record.target).to_nbits(), record.nbits);

        // From the template alone: the commitment, the path, and the block around the node's coinbase.
        let wtxids: Vec<Hash> = record.transactions.iter().map(|transaction| transaction.wtxid).collect();
        let commitment = witness_commitment(&wtxids, &[0; 32]);
        assert_eq!(commitment_script(&commitment), *record.commitment_script);
        let others: Vec<Hash> = record.transactions.iter().map(|transaction| transaction.txid).collect();
        assert_eq!(txids[1..], others);
        assert_eq!(root_from_path(&txids[0], merkle_path(&others)), record.merkle_root);
        let coinbase = Block::parse(&record.block).unwrap().transactions.next().unwrap();
        let transactions = record.transactions.iter().map(|transaction| transaction.bytes.as_slice());
        assert!(assemble(&header, coinbase.as_bytes(), transactions) == record.block);
    }
}

#[test]
fn block_413567_of_the_main_chain_comes_back_byte_for_byte() {
    let Some(bytes) = recorded("block413567.raw") else { return };
    let (header, txids) = check_block(&bytes);
    assert_eq!(RpcHex(header.hash()).to_string(), "0000000000000000025aff8be8a55df8f89c77296db6198f272d6577325d4069");
    assert_eq!(txids.len(), 1557);
    assert_eq!(merkle_path(&txids[1..]).len(), 11);
    let coinbase = Block::parse(&bytes).unwrap().transactions.next().unwrap();
    assert_eq!(Coinbase::try_from(coinbase).unwrap().height(), Some(413_567));
}

#[test]
fn the_regtest_chain_is_a_chain() {
    let Some(lines) = recorded("regtest_chain.hex") else { return };
    let mut prev_hash = rpc_hash("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
    let mut height = 0;
    for line in std::str::from_utf8(&lines).unwrap().lines() {
        height += 1;
        let bytes = hex(line);
        let (header, _) = check_block(&bytes);
        assert_eq!(header.prev_hash, prev_hash, "height {height}");
        let coinbase = Block::parse(&bytes).unwrap().transactions.next().unwrap();
        assert!(find_witness_commitment(&coinbase).is_some(), "height {height}");
        assert_eq!(Coinbase::try_from(coinbase).unwrap().height(), Some(height));
        prev_hash = header.hash();
    }
    assert_eq!(height, 157);
}
