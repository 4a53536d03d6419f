//! Parsing transactions.

mod bitcoin_data;

use bitcoin_data::{BIP143_P2WPKH, GENESIS_COINBASE, Numbers, hex, records};
use sv2_core::bitcoin::{Error, ErrorKind, RpcHex, Transaction, has_witness, sha256d, strip_witness};

fn error_of(bytes: &[u8]) -> Error {
    Transaction::parse(bytes).expect_err("these bytes must be refused")
}

/// `transaction` with the bytes at `at` replaced.
fn with(transaction: &str, at: usize, len: usize, replacement: &[u8]) -> Vec<u8> {
    let mut bytes = hex(transaction);
    bytes.splice(at..at + len, replacement.iter().copied());
    bytes
}

#[test]
fn the_genesis_coinbase_is_read_field_by_field() {
    let bytes = hex(GENESIS_COINBASE);
    let (transaction, used) = Transaction::parse(&bytes).unwrap();
    assert_eq!(used, bytes.len());
    assert_eq!(transaction.as_bytes(), bytes);
    assert_eq!(transaction.version(), 1);
    assert_eq!(transaction.lock_time(), 0);
    assert!(!transaction.has_witness());
    assert!(transaction.witnesses().is_none());
    let inputs: Vec<_> = transaction.inputs().collect();
    assert_eq!(inputs.len(), 1);
    assert_eq!(*inputs[0].prev_txid, [0; 32]);
    assert_eq!(inputs[0].prev_index, 0xffff_ffff);
    assert_eq!(inputs[0].sequence, 0xffff_ffff);
    assert!(inputs[0].script_sig.ends_with(b"Chancellor on brink of second bailout for banks"));
    let outputs: Vec<_> = transaction.outputs().collect();
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs[0].value, 50 * 100_000_000);
    assert_eq!(outputs[0].script_pubkey.len(), 67);
    let txid = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
    assert_eq!(RpcHex(transaction.txid()).to_string(), txid);
    assert_eq!(transaction.wtxid(), transaction.txid());
    assert_eq!(transaction.weight(), 4 * bytes.len());
}

#[test]
fn a_transaction_with_witness_is_read_field_by_field() {
    let bytes = hex(BIP143_P2WPKH);
    let transaction = Transaction::parse_exact(&bytes).unwrap();
    assert!(transaction.has_witness());
    assert_eq!(transaction.lock_time(), 17);
    let inputs: Vec<_> = transaction.inputs().collect();
    assert_eq!(inputs.len(), 2);
    assert_eq!((inputs[0].prev_index, inputs[0].script_sig.len(), inputs[0].sequence), (0, 73, 0xffff_ffee));
    assert_eq!((inputs[1].prev_index, inputs[1].script_sig.len(), inputs[1].sequence), (1, 0, 0xffff_ffff));
    assert_eq!(inputs[1].prev_txid[..4], [0xef, 0x51, 0xe1, 0xb8]);
    let outputs = transaction.outputs();
    assert_eq!(outputs.len(), 2);
    assert_eq!(outputs.map(|output| output.value).collect::<Vec<_>>(), [112_340_000, 223_450_000]);
    assert!(outputs.clone().all(|output| output.script_pubkey.len() == 25));
    let witnesses: Vec<_> = transaction.witnesses().unwrap().collect();
    assert_eq!(witnesses.len(), 2);
    assert_eq!(witnesses[0].len(), 0);
    assert_eq!(witnesses[1].map(<[u8]>::len).collect::<Vec<_>>(), [71, 33]);
    assert_eq!(transaction.wtxid(), sha256d(&bytes));

    let stripped = strip_witness(&bytes).unwrap();
    assert_eq!(transaction.txid(), sha256d(&stripped));
    assert_eq!(transaction.weight(), 3 * stripped.len() + bytes.len());
    let without = Transaction::parse_exact(&stripped).unwrap();
    assert!(!without.has_witness());
    assert_eq!(without.inputs(), transaction.inputs());
    assert_eq!(without.outputs(), transaction.outputs());
    assert_eq!(without.txid(), transaction.txid());
}

#[test]
fn the_outputs_not_yet_asked_for_are_there_as_bytes() {
    let bytes = hex(BIP143_P2WPKH);
    let mut outputs = Transaction::parse_exact(&bytes).unwrap().outputs();
    assert_eq!(outputs.as_bytes().len(), 68);
    outputs.next();
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs.as_bytes(), hex("9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac"));
    outputs.next();
    assert!(outputs.as_bytes().is_empty());
    assert!(outputs.next().is_none());
}

#[test]
fn ids_and_weights_are_those_of_the_node() {
    for record in records() {
        for recorded in &record.transactions {
            let transaction = Transaction::parse_exact(&recorded.bytes).unwrap();
            assert_eq!(RpcHex(transaction.txid()), RpcHex(recorded.txid));
            assert_eq!(RpcHex(transaction.wtxid()), RpcHex(recorded.wtxid));
            assert_eq!(transaction.weight(), recorded.weight);
            assert_eq!(has_witness(&recorded.bytes), recorded.txid != recorded.wtxid);
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for transaction in [GENESIS_COINBASE, BIP143_P2WPKH] {
        let bytes = hex(transaction);
        for cut in 0..bytes.len() {
            let error = error_of(&bytes[..cut]);
            assert_eq!(error.kind, ErrorKind::UnexpectedEnd, "cut at {cut}: {error}");
            assert!(error.offset <= cut, "cut at {cut}: {error}");
        }
    }
}

#[test]
fn what_follows_a_transaction_is_left_alone_or_refused() {
    let mut bytes = hex(BIP143_P2WPKH);
    let len = bytes.len();
    bytes.push(0);
    let (transaction, used) = Transaction::parse(&bytes).unwrap();
    assert_eq!((used, transaction.as_bytes().len()), (len, len));
    let error = Transaction::parse_exact(&bytes).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::TrailingBytes, len));
}

#[test]
fn an_error_names_the_field_and_its_offset() {
    let error = error_of(&hex(GENESIS_COINBASE)[..60]);
    assert_eq!((error.field, error.offset), ("script_sig", 41));
    assert_eq!(error.to_string(), "script_sig at byte 41: the bytes end too early");
}

#[test]
fn a_transaction_without_inputs_is_refused() {
    let error = error_of(&hex("0100000000000000000000"));
    assert_eq!((error.kind, error.offset), (ErrorKind::NoInputs, 4));
    // Neither with the BIP 141 fields.
    let error = error_of(&hex("01000000000100000000000000"));
    assert_eq!((error.kind, error.offset), (ErrorKind::NoInputs, 6));
}

#[test]
fn an_unknown_flag_is_refused() {
    for flag in [2, 3, 0x80, 0xff] {
        let error = error_of(&with(BIP143_P2WPKH, 5, 1, &[flag]));
        assert_eq!((error.kind, error.offset), (ErrorKind::UnknownFlag, 4));
    }
}

#[test]
fn witness_fields_without_a_witness_are_refused() {
    let bytes = hex(BIP143_P2WPKH);
    let witness_at = bytes.len() - 4 - 108;
    let error = error_of(&with(BIP143_P2WPKH, witness_at, 108, &[0, 0]));
    assert_eq!((error.kind, error.offset), (ErrorKind::EmptyWitnesses, witness_at));
}

#[test]
fn a_count_in_a_longer_form_than_needed_is_refused() {
    let error = error_of(&with(GENESIS_COINBASE, 4, 1, &[0xfd, 1, 0]));
    assert_eq!((error.kind, error.field, error.offset), (ErrorKind::NonMinimalCompactSize, "input count", 4));
    let error = error_of(&with(GENESIS_COINBASE, 41, 1, &[0xfe, 0x4d, 0, 0, 0]));
    assert_eq!((error.kind, error.field, error.offset), (ErrorKind::NonMinimalCompactSize, "script_sig", 41));
}

#[test]
fn counts_beyond_the_bytes_are_refused_at_once() {
    let huge: [&[u8]; 4] = [
        &[0xfc],
        &[0xfd, 0xff, 0xff],
        &[0xfe, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 255, 255, 255, 255, 255, 255, 255, 255],
    ];
    let witness_count = hex(BIP143_P2WPKH).len() - 4 - 107;
    for count in huge {
        for (transaction, at, field) in [
            (GENESIS_COINBASE, 4, "input count"),
            (GENESIS_COINBASE, 41, "script_sig"),
            (GENESIS_COINBASE, 123, "output count"),
            (GENESIS_COINBASE, 132, "script_pubkey"),
            (BIP143_P2WPKH, witness_count, "witness item count"),
            (BIP143_P2WPKH, witness_count + 1, "witness item"),
        ] {
            let error = error_of(&with(transaction, at, 1, count));
            assert_eq!((error.kind, error.field, error.offset), (ErrorKind::UnexpectedEnd, field, at), "{error}");
        }
    }
}

#[test]
fn mutated_transactions_are_read_consistently_or_refused() {
    let mut numbers = Numbers(0x5eed);
    let mut read = 0;
    for round in 0..20_000 {
        let bytes = numbers.mutate(&hex([GENESIS_COINBASE, BIP143_P2WPKH][round % 2]));
        let Ok((transaction, used)) = Transaction::parse(&bytes) else { continue };
        read += 1;
        assert_eq!(transaction.as_bytes(), &bytes[..used]);
        assert_eq!(transaction.inputs().count(), transaction.inputs().len());
        assert_eq!(transaction.outputs().count(), transaction.outputs().len());
        let stripped = strip_witness(&bytes[..used]).unwrap();
        assert_eq!(transaction.txid(), sha256d(&stripped));
        assert_eq!(transaction.weight(), 3 * stripped.len() + used);
        assert_eq!(transaction.has_witness(), has_witness(&bytes));
    }
    assert!(read > 1_000, "only {read} were read: the mutations are too coarse to test anything");
}
