//! Coinbases: BIP 34 heights, BIP 141 fields, and making one from a template.

mod bitcoin_data;

use bitcoin_data::{BIP143_P2WPKH, GENESIS_COINBASE, Numbers, hex, records};
use sv2_core::bitcoin::coinbase::height_of;
use sv2_core::bitcoin::{
    Block, Coinbase, CoinbaseTemplate, ErrorKind, Output, Transaction, commitment_script, find_witness_commitment,
    has_witness, height_push, restore_witness, sha256d, strip_witness,
};

const COMMITMENT: [u8; 32] = [0xcc; 32];

/// A coinbase of a block at height 200 with `script_sig`, without BIP 141 fields.
fn coinbase_with(script_sig: &[u8]) -> Vec<u8> {
    let input = [&[0; 32][..], &[0xff; 4], &[script_sig.len() as u8], script_sig, &[0xff; 4]].concat();
    let output = [&50_u64.to_le_bytes()[..], &[1, 0x51]].concat();
    [&2_u32.to_le_bytes()[..], &[1], &input, &[1], &output, &199_u32.to_le_bytes()].concat()
}

fn commitment_output() -> Vec<u8> {
    let mut bytes = Vec::new();
    Output { value: 0, script_pubkey: &commitment_script(&COMMITMENT) }.serialize_into(&mut bytes);
    bytes
}

fn template(outputs: &[u8]) -> CoinbaseTemplate<'_> {
    let prefix = &[0x02, 0xc8, 0x00];
    CoinbaseTemplate { version: 2, prefix, sequence: 0xffff_fffe, outputs_count: 1, outputs, lock_time: 199 }
}

#[test]
fn a_height_is_pushed_as_core_does() {
    let pushes = [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (255, "02ff00"),
        (256, "020001"),
        (32_767, "02ff7f"),
        (32_768, "03008000"),
        (65_535, "03ffff00"),
        (227_931, "035b7a03"),
        (840_000, "0340d10c"),
        (8_388_607, "03ffff7f"),
        (8_388_608, "0400008000"),
        (0x7fff_ffff, "04ffffff7f"),
        (0x8000_0000, "050000008000"),
        (u32::MAX, "05ffffffff00"),
    ];
    for (height, push) in pushes {
        let push = hex(push);
        assert_eq!(*height_push(height), *push, "{height}");
        assert_eq!(height_of(&push), Some(height), "{height}");
        assert_eq!(height_of(&[&push, b"more".as_slice()].concat()), Some(height), "{height}");
        for cut in 0..push.len() {
            assert_eq!(height_of(&push[..cut]), None, "{height} cut at {cut}");
        }
    }
}

#[test]
fn a_height_in_another_form_is_none() {
    let other_forms = [
        ("021100", "longer than needed"),
        ("03110000", "longer than needed"),
        ("0101", "OP_1 written as a push"),
        ("0110", "OP_16 written as a push"),
        ("0180", "minus zero"),
        ("01ff", "negative"),
        ("050000000001", "33 bits"),
        ("06000000000001", "41 bits"),
        ("4c0111", "OP_PUSHDATA1"),
        ("4f", "OP_1NEGATE"),
        ("61", "OP_NOP"),
        ("", "empty"),
    ];
    for (script_sig, what) in other_forms {
        assert_eq!(height_of(&hex(script_sig)), None, "{what}");
    }
}

#[test]
fn every_height_is_read_back() {
    let mut numbers = Numbers(34);
    for _ in 0..50_000 {
        let height = (numbers.next() as u32) >> numbers.below(32);
        assert_eq!(height_of(&height_push(height)), Some(height));
    }
}

#[test]
fn a_coinbase_is_known_by_its_input() {
    let bytes = hex(GENESIS_COINBASE);
    let coinbase = Coinbase::parse(&bytes).unwrap();
    assert_eq!(coinbase.script_sig().len(), 77);
    assert_eq!(coinbase.sequence(), 0xffff_ffff);
    assert_eq!(coinbase.witness_reserved_value(), None);

    assert_eq!(Coinbase::parse(&hex(BIP143_P2WPKH)).unwrap_err().kind, ErrorKind::NotACoinbase);
    for changed in [5, 36, 37, 40] {
        let mut bytes = bytes.clone();
        bytes[changed] ^= 0x40;
        let error = Coinbase::parse(&bytes).unwrap_err();
        assert_eq!((error.kind, error.offset), (ErrorKind::NotACoinbase, 5), "byte {changed}");
    }
    let trailing = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Coinbase::parse(&trailing).unwrap_err().kind, ErrorKind::TrailingBytes);
}

#[test]
fn a_script_sig_has_2_to_100_bytes() {
    for len in [2, 3, 99, 100] {
        assert!(Coinbase::parse(&coinbase_with(&vec![7; len])).is_ok(), "{len}");
    }
    for len in [0, 1, 101, 200] {
        let error = Coinbase::parse(&coinbase_with(&vec![7; len])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ScriptSigLength, "{len}");
    }
}

#[test]
fn the_height_is_read_from_the_coinbase() {
    let bytes = coinbase_with(&[0x02, 0xc8, 0x00, 0xaa, 0xbb]);
    assert_eq!(Coinbase::parse(&bytes).unwrap().height(), Some(200));
    let bytes = coinbase_with(b"/no height/");
    assert_eq!(Coinbase::parse(&bytes).unwrap().height(), None);
}

#[test]
fn the_witness_is_restored_and_stripped_again() {
    let stripped = coinbase_with(&[0x02, 0xc8, 0x00]);
    let reserved = [0xab; 32];
    let full = restore_witness(&stripped, &reserved).unwrap();
    assert_eq!(full.len(), stripped.len() + 36, "marker, flag, count, length and 32 bytes: spec 7.1");
    assert_eq!(&full[..4], &stripped[..4]);
    assert_eq!(&full[4..6], [0, 1]);
    assert_eq!(&full[6..full.len() - 38], &stripped[4..stripped.len() - 4]);
    assert_eq!(&full[full.len() - 38..full.len() - 36], [1, 32]);
    assert_eq!(&full[full.len() - 36..full.len() - 4], reserved);
    assert_eq!(&full[full.len() - 4..], &stripped[stripped.len() - 4..]);

    assert!(has_witness(&full) && !has_witness(&stripped));
    assert_eq!(strip_witness(&full).unwrap(), stripped);
    assert_eq!(strip_witness(&stripped).unwrap(), stripped, "nothing to strip");
    let coinbase = Coinbase::parse(&full).unwrap();
    assert_eq!(coinbase.witness_reserved_value(), Some(&reserved));
    assert_eq!(coinbase.transaction().txid(), sha256d(&stripped));

    let error = restore_witness(&full, &reserved).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::WitnessPresent, 4));
    let payment = strip_witness(&hex(BIP143_P2WPKH)).unwrap();
    assert_eq!(restore_witness(&payment, &reserved).unwrap_err().kind, ErrorKind::NotACoinbase);
}

#[test]
fn a_witness_of_another_shape_is_not_a_reserved_value() {
    let stripped = coinbase_with(&[0x02, 0xc8, 0x00]);
    for witness in [&[1, 1, 9][..], &[2, 0, 0], &[1, 31, 0][..]] {
        let padding = if witness[1] == 31 { vec![0; 30] } else { vec![] };
        let (body, lock_time) = stripped[4..].split_at(stripped.len() - 8);
        let full = [&stripped[..4], &[0, 1], body, witness, &padding, lock_time].concat();
        assert_eq!(Coinbase::parse(&full).unwrap().witness_reserved_value(), None);
        assert_eq!(strip_witness(&full).unwrap(), stripped);
    }
}

#[test]
fn has_witness_needs_marker_and_flag() {
    assert!(!has_witness(&[]));
    assert!(!has_witness(&[2, 0, 0, 0, 0]));
    assert!(has_witness(&[2, 0, 0, 0, 0, 1]));
    assert!(!has_witness(&[2, 0, 0, 0, 1, 0]));
}

#[test]
fn a_template_becomes_a_coinbase_with_the_clients_outputs_first() {
    let outputs = commitment_output();
    let client =
        [Output { value: 4_000, script_pubkey: &[0x51] }, Output { value: 1_000, script_pubkey: &[0x52; 300] }];
    let script = [&[5][..], b"Sv2//", &[8, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let bytes = template(&outputs).coinbase(&script, &client, Some(&[0; 32])).unwrap();

    let coinbase = Coinbase::parse(&bytes).unwrap();
    let transaction = coinbase.transaction();
    assert_eq!(transaction.version(), 2);
    assert_eq!(transaction.lock_time(), 199);
    assert_eq!(coinbase.sequence(), 0xffff_fffe);
    assert_eq!(coinbase.height(), Some(200));
    assert_eq!(coinbase.script_sig(), [&[0x02, 0xc8, 0x00], script.as_slice()].concat());
    assert_eq!(coinbase.witness_reserved_value(), Some(&[0; 32]));
    let mut found = transaction.outputs();
    assert_eq!(found.len(), 3);
    assert_eq!(found.next(), Some(client[0]));
    assert_eq!(found.next(), Some(client[1]));
    assert_eq!(found.as_bytes(), outputs);
    assert_eq!(find_witness_commitment(transaction), Some(COMMITMENT));

    let stripped = template(&outputs).coinbase(&script, &client, None).unwrap();
    assert_eq!(stripped, strip_witness(&bytes).unwrap());
    assert_eq!(transaction.txid(), sha256d(&stripped));
}

#[test]
fn the_two_parts_around_an_extranonce_make_the_same_coinbase() {
    let outputs = commitment_output();
    let client = [Output { value: 5_000, script_pubkey: &[0x51] }];
    let extranonce = [9; 20];
    let (prefix, suffix) = template(&outputs).split(b"pool", extranonce.len(), &client).unwrap();
    let joined = [prefix.as_slice(), &extranonce, &suffix].concat();
    let whole = template(&outputs).coinbase(&[b"pool".as_slice(), &extranonce].concat(), &client, None).unwrap();
    assert_eq!(joined, whole);
    assert!(!has_witness(&prefix));
    assert!(prefix.ends_with(b"pool"));
}

#[test]
fn more_than_252_outputs_take_a_longer_count() {
    let outputs = commitment_output();
    let client = [Output { value: 1, script_pubkey: &[] }; 252];
    let bytes = template(&outputs).coinbase(&[], &client, None).unwrap();
    let transaction = Transaction::parse_exact(&bytes).unwrap();
    assert_eq!(transaction.outputs().len(), 253);
}

#[test]
fn a_script_sig_out_of_bounds_is_not_built() {
    let outputs = commitment_output();
    let template = template(&outputs);
    assert!(template.coinbase(&[0; 97], &[], None).is_ok());
    assert_eq!(template.coinbase(&[0; 98], &[], None).unwrap_err().kind, ErrorKind::ScriptSigLength);
    assert_eq!(template.split(&[], 98, &[]).unwrap_err().kind, ErrorKind::ScriptSigLength);
    assert_eq!(template.split(&[], usize::MAX, &[]).unwrap_err().kind, ErrorKind::ScriptSigLength);
    // At height 16 and below the client must append a byte.
    let low = CoinbaseTemplate { prefix: &[0x60], ..template };
    assert_eq!(low.coinbase(&[], &[], None).unwrap_err().kind, ErrorKind::ScriptSigLength);
    assert!(low.coinbase(&[0], &[], None).is_ok());
}

#[test]
fn template_outputs_that_are_not_what_their_count_says_are_refused() {
    let outputs = commitment_output();
    let whole = template(&outputs);
    let kind = |template: CoinbaseTemplate<'_>| template.coinbase(&[], &[], None).unwrap_err().kind;
    for cut in 0..outputs.len() {
        assert_eq!(kind(CoinbaseTemplate { outputs: &outputs[..cut], ..whole }), ErrorKind::UnexpectedEnd);
    }
    assert_eq!(kind(CoinbaseTemplate { outputs_count: 0, ..whole }), ErrorKind::TrailingBytes);
    assert_eq!(kind(CoinbaseTemplate { outputs_count: 2, ..whole }), ErrorKind::UnexpectedEnd);
    assert_eq!(kind(CoinbaseTemplate { outputs_count: u32::MAX, ..whole }), ErrorKind::UnexpectedEnd);
}

#[test]
fn a_template_gives_the_coinbase_that_the_node_mined() {
    for record in records() {
        let block = Block::parse(&record.block).unwrap();
        let mined = Coinbase::try_from(block.transactions.into_iter().next().unwrap()).unwrap();
        assert_eq!(mined.height(), Some(record.height));
        let mut outputs = Vec::new();
        Output { value: 0, script_pubkey: &record.commitment_script }.serialize_into(&mut outputs);
        let template = CoinbaseTemplate {
            version: 2,
            prefix: &height_push(record.height),
            sequence: 0xffff_fffe,
            outputs_count: 1,
            outputs: &outputs,
            lock_time: record.height - 1,
        };
        let payout = mined.transaction().outputs().next().unwrap();
        assert_eq!(payout.value, record.coinbase_value);
        let built = template.coinbase(&[], &[payout], Some(&[0; 32])).unwrap();
        assert_eq!(built, mined.transaction().as_bytes());
    }
}
