//! The Bitcoin functions of the C ABI, called as C calls them. Expected hashes were computed with another program.

use std::mem::{offset_of, size_of};
use std::ptr::{null, null_mut};

use sv2::*;

const ZERO: sv2_u256 = sv2_u256 { bytes: [0; 32] };
const EMPTY: sv2_bytes = sv2_bytes { data: null(), len: 0 };

/// The header of the genesis block, and the only transaction under it.
const GENESIS_HEADER: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27a\
    c72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
const GENESIS_COINBASE: &str = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ff\
    ff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64\
    206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909\
    a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000";
const GENESIS_HASH: &str = "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000";

/// One input with a witness of three bytes, outputs of 1000 and 2000 satoshis.
const SEGWIT: &str = "0200000000010111111111111111111111111111111111111111111111111111111111111111110000000000fdffffff02\
    e8030000000000000151d00700000000000001520103abcdef64000000";
const SEGWIT_TXID: &str = "71da4e6a1c3d81355068710dd7fb3ddb7dc37d1111f9090e43e6af840879f9ef";
const SEGWIT_WTXID: &str = "dad75e27433a4c9b38aaa04f87f2b6412a637497080c1dd5140cd586eb54bcad";

/// A coinbase at height 150 with one output of 50 bitcoins, without BIP 141 fields.
const COINBASE: &str = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff03029600feffff\
    ff0100f2052a01000000015195000000";
const COINBASE_TXID: &str = "b9d6f815051659f6cd4b17251c11bc9d981b57edd98679066dc8f0b5d3841d4d";

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn u256(digits: &str) -> sv2_u256 {
    sv2_u256 { bytes: hex(digits).try_into().unwrap() }
}

fn bytes(of: &[u8]) -> sv2_bytes {
    sv2_bytes { data: of.as_ptr(), len: of.len() }
}

fn list(of: &[sv2_u256]) -> sv2_u256_list {
    sv2_u256_list { items: of.as_ptr(), count: of.len() }
}

fn genesis_header() -> sv2_block_header {
    let mut header = unsafe { std::mem::zeroed() };
    assert_eq!(unsafe { sv2_block_header_from_bytes(bytes(&hex(GENESIS_HEADER)), &mut header) }, SV2_OK);
    header
}

/// Calls `write` with room for nothing, for a byte too little and for just enough, as a C program may; returns what it wrote.
fn written(write: impl Fn(*mut u8, usize, *mut usize) -> sv2_status) -> Vec<u8> {
    let mut len = 0;
    assert_eq!(write(null_mut(), 0, &mut len), SV2_BUFFER_TOO_SMALL);
    let needed = len;
    let mut out = vec![0xee; needed + 1];
    assert_eq!(write(out.as_mut_ptr(), needed - 1, &mut len), SV2_BUFFER_TOO_SMALL);
    assert_eq!((len, out[needed - 1]), (needed, 0xee));
    assert_eq!(write(out.as_mut_ptr(), needed, &mut len), SV2_OK);
    assert_eq!((len, out.pop()), (needed, Some(0xee)));
    assert_eq!(write(out.as_mut_ptr(), needed, null_mut()), SV2_ERROR_NULL);
    out
}

#[test]
fn structs_have_the_layout_of_c() {
    assert_eq!((size_of::<sv2_block_header>(), align_of::<sv2_block_header>()), (SV2_BLOCK_HEADER_LEN, 4));
    assert_eq!(offset_of!(sv2_block_header, prev_hash), 4);
    assert_eq!(offset_of!(sv2_block_header, merkle_root), 36);
    assert_eq!(offset_of!(sv2_block_header, time), 68);
    assert_eq!(offset_of!(sv2_block_header, nonce), 76);
    assert_eq!(offset_of!(sv2_transaction_input, script_sig), 40);
    assert_eq!(offset_of!(sv2_transaction_output, script_pubkey), 8);
    assert_eq!(offset_of!(sv2_coinbase_template, coinbase_prefix), 8);
}

#[test]
fn bytes_are_hashed_once_or_twice() {
    let mut hash = ZERO;
    assert_eq!(unsafe { sv2_sha256d(bytes(b"abc"), &mut hash) }, SV2_OK);
    assert_eq!(hash, u256("4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358"));
    assert_eq!(unsafe { sv2_sha256d(EMPTY, &mut hash) }, SV2_OK);
    assert_eq!(hash, u256("5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"));
    assert_eq!(unsafe { sv2_sha256d(bytes(b"abc"), null_mut()) }, SV2_ERROR_NULL);
    // FIPS 180-2, example 1.
    assert_eq!(unsafe { sv2_sha256(bytes(b"abc"), &mut hash) }, SV2_OK);
    assert_eq!(hash, u256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_eq!(unsafe { sv2_sha256(bytes(b"abc"), null_mut()) }, SV2_ERROR_NULL);
}

#[test]
fn a_header_is_read_written_and_hashed() {
    let header = genesis_header();
    assert_eq!(
        (header.version, header.time, header.nbits, header.nonce),
        (1, 1_231_006_505, 0x1d00_ffff, 2_083_236_893)
    );
    assert_eq!(header.prev_hash, ZERO);
    let (mut hash, mut out) = (ZERO, [0; SV2_BLOCK_HEADER_LEN]);
    assert_eq!(unsafe { sv2_block_header_hash(&header, &mut hash) }, SV2_OK);
    assert_eq!(hash, u256(GENESIS_HASH));
    assert_eq!(unsafe { sv2_block_header_to_bytes(&header, out.as_mut_ptr()) }, SV2_OK);
    assert_eq!(out.to_vec(), hex(GENESIS_HEADER));
}

#[test]
fn a_header_of_79_or_81_bytes_is_none() {
    let mut header = genesis_header();
    for len in [0, 79, 81] {
        let status = unsafe { sv2_block_header_from_bytes(bytes(&vec![0; len]), &mut header) };
        assert_eq!((status, header), (SV2_ERROR_MALFORMED, genesis_header()));
    }
    unsafe {
        assert_eq!(sv2_block_header_from_bytes(bytes(&[0; 80]), null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_block_header_to_bytes(&header, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_block_header_to_bytes(null(), [0; 80].as_mut_ptr()), SV2_ERROR_NULL);
        assert_eq!(sv2_block_header_hash(null(), &mut header.prev_hash), SV2_ERROR_NULL);
        assert_eq!(sv2_block_header_hash(&header, null_mut()), SV2_ERROR_NULL);
    }
}

#[test]
fn targets_go_to_compact_form_and_back() {
    let (mut target, mut nbits) = (ZERO, 0);
    assert_eq!(unsafe { sv2_target_from_nbits(0x1d00_ffff, &mut target) }, SV2_OK);
    assert_eq!(target, u256("0000000000000000000000000000000000000000000000000000ffff00000000"));
    assert_eq!(unsafe { sv2_target_to_nbits(&target, &mut nbits) }, SV2_OK);
    assert_eq!(nbits, 0x1d00_ffff);
    assert_eq!(unsafe { sv2_target_difficulty(&target) }, 1.0);
    assert_eq!(unsafe { sv2_target_from_difficulty(1.0, &mut target) }, SV2_OK);
    assert_eq!(unsafe { sv2_target_difficulty(&target) }, 1.0);
    assert!(unsafe { sv2_target_is_met(&target, &u256(GENESIS_HASH)) });
    target = u256(GENESIS_HASH);
    assert!(unsafe { sv2_target_is_met(&target, &u256(GENESIS_HASH)) });
    target.bytes[0] -= 1;
    assert!(!unsafe { sv2_target_is_met(&target, &u256(GENESIS_HASH)) });
}

#[test]
fn what_is_no_target_is_refused() {
    let mut target = ZERO;
    // Zero, negative, and 257 bits.
    for nbits in [0, 0x1d80_ffff, 0x2201_0000] {
        assert_eq!(unsafe { sv2_target_from_nbits(nbits, &mut target) }, SV2_ERROR_MALFORMED);
    }
    for difficulty in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(unsafe { sv2_target_from_difficulty(difficulty, &mut target) }, SV2_ERROR_ARGUMENT);
    }
    assert_eq!(target, ZERO);
    unsafe {
        assert_eq!(sv2_target_from_nbits(0x1d00_ffff, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_target_to_nbits(&ZERO, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_target_to_nbits(null(), &mut 0), SV2_ERROR_NULL);
        assert_eq!(sv2_target_from_difficulty(1.0, null_mut()), SV2_ERROR_NULL);
        assert!(!sv2_target_is_met(null(), &ZERO) && !sv2_target_is_met(&ZERO, null()));
        assert_eq!(sv2_target_difficulty(null()), 0.0);
        assert_eq!(sv2_target_difficulty(&ZERO), f64::INFINITY);
    }
}

#[test]
fn a_merkle_root_follows_from_the_hashes_or_from_the_path() {
    let leaves = [1, 2, 3].map(|byte| sv2_u256 { bytes: [byte; 32] });
    let mut root = leaves[0];
    assert_eq!(unsafe { sv2_merkle_root(list(&leaves), &mut root) }, SV2_OK);
    assert_eq!(root, u256("223e023fadf1f053df26988871f893c821c28edf77d64a955e6c2a02d547bdac"));

    let (mut path, mut count) = ([ZERO; 3], 0);
    assert_eq!(unsafe { sv2_merkle_path(list(&leaves), path.as_mut_ptr(), 3, &mut count) }, SV2_OK);
    let second = u256("1b12c142ca6fabe6cccf4aa52aff1f21882ec49da2dd4c1cf70abffcc45f591b");
    assert_eq!((count, path), (2, [leaves[0], second, ZERO]));
    assert_eq!(unsafe { sv2_merkle_root_from_path(&ZERO, list(&path[..count]), &mut root) }, SV2_OK);
    assert_eq!(root, u256("ac41efca4951b1260054e1155fd8f6c3f42a5b521f1161b20f3c053d3159816c"));
}

#[test]
fn a_merkle_tree_may_be_empty() {
    let (mut root, mut count, coinbase) = (u256(GENESIS_HASH), 7, u256(COINBASE_TXID));
    let nothing = sv2_u256_list { items: null(), count: 0 };
    assert_eq!(unsafe { sv2_merkle_root(nothing, &mut root) }, SV2_OK);
    assert_eq!(root, ZERO);
    assert_eq!(unsafe { sv2_merkle_path(nothing, null_mut(), 0, &mut count) }, SV2_OK);
    assert_eq!(count, 0);
    assert_eq!(unsafe { sv2_merkle_root_from_path(&coinbase, nothing, &mut root) }, SV2_OK);
    assert_eq!(root, coinbase);
}

#[test]
fn a_merkle_path_says_how_much_room_it_needs() {
    let leaves = [ZERO; 5];
    let (mut path, mut count) = ([u256(GENESIS_HASH); 2], 0);
    unsafe {
        assert_eq!(sv2_merkle_path(list(&leaves), null_mut(), 0, &mut count), SV2_BUFFER_TOO_SMALL);
        assert_eq!(count, 3);
        assert_eq!(sv2_merkle_path(list(&leaves), path.as_mut_ptr(), 2, &mut count), SV2_BUFFER_TOO_SMALL);
        assert_eq!((count, path[0]), (3, u256(GENESIS_HASH)));
        assert_eq!(sv2_merkle_path(list(&leaves), path.as_mut_ptr(), 2, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_merkle_root(list(&leaves), null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_merkle_root_from_path(null(), list(&leaves), &mut path[0]), SV2_ERROR_NULL);
        assert_eq!(sv2_merkle_root_from_path(&ZERO, list(&leaves), null_mut()), SV2_ERROR_NULL);
    }
}

#[test]
fn a_transaction_has_ids_and_a_weight() {
    let transaction = hex(SEGWIT);
    let (mut txid, mut wtxid, mut weight) = (ZERO, ZERO, 0);
    unsafe {
        assert_eq!(sv2_transaction_txid(bytes(&transaction), &mut txid, null_mut()), SV2_OK);
        assert_eq!(sv2_transaction_wtxid(bytes(&transaction), &mut wtxid, null_mut()), SV2_OK);
        assert_eq!(sv2_transaction_weight(bytes(&transaction), &mut weight, null_mut()), SV2_OK);
    }
    assert_eq!((txid, wtxid, weight), (u256(SEGWIT_TXID), u256(SEGWIT_WTXID), 291));
}

#[test]
fn a_transaction_with_bytes_after_it_is_one_only_if_its_length_is_asked_for() {
    let transaction = hex(&(SEGWIT.to_owned() + "ff"));
    let (mut txid, mut len) = (ZERO, 0);
    unsafe {
        assert_eq!(sv2_transaction_txid(bytes(&transaction), &mut txid, null_mut()), SV2_ERROR_MALFORMED);
        assert_eq!(txid, ZERO);
        assert_eq!(sv2_transaction_txid(bytes(&transaction), &mut txid, &mut len), SV2_OK);
    }
    assert_eq!((txid, len), (u256(SEGWIT_TXID), transaction.len() - 1));
}

#[test]
fn every_transaction_cut_short_is_refused_and_nothing_written() {
    let transaction = hex(SEGWIT);
    for end in 0..transaction.len() {
        let cut = bytes(&transaction[..end]);
        let (mut txid, mut weight, mut len) = (ZERO, 7, 7);
        unsafe {
            assert_eq!(sv2_transaction_txid(cut, &mut txid, &mut len), SV2_ERROR_MALFORMED);
            assert_eq!(sv2_transaction_wtxid(cut, &mut txid, &mut len), SV2_ERROR_MALFORMED);
            assert_eq!(sv2_transaction_weight(cut, &mut weight, &mut len), SV2_ERROR_MALFORMED);
            assert_eq!(sv2_transaction_inputs(cut, null_mut(), 0, &mut len), SV2_ERROR_MALFORMED);
            assert_eq!(sv2_transaction_outputs(cut, null_mut(), 0, &mut len), SV2_ERROR_MALFORMED);
            assert_eq!(sv2_coinbase_strip_witness(cut, null_mut(), 0, &mut len), SV2_ERROR_MALFORMED);
        }
        assert_eq!((txid, weight, len), (ZERO, 7, 7));
    }
    assert_eq!(unsafe { sv2_transaction_txid(bytes(&transaction), null_mut(), null_mut()) }, SV2_ERROR_NULL);
    assert_eq!(unsafe { sv2_transaction_weight(EMPTY, null_mut(), null_mut()) }, SV2_ERROR_NULL);
}

#[test]
fn inputs_and_outputs_are_listed() {
    let transaction = hex(SEGWIT);
    let mut inputs: [sv2_transaction_input; 2] = unsafe { std::mem::zeroed() };
    let mut outputs: [sv2_transaction_output; 2] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    unsafe {
        assert_eq!(sv2_transaction_inputs(bytes(&transaction), inputs.as_mut_ptr(), 2, &mut count), SV2_OK);
        assert_eq!((count, inputs[0].prev_txid.bytes, inputs[0].prev_index), (1, [0x11; 32], 0));
        assert_eq!((inputs[0].sequence, inputs[0].script_sig.len), (0xffff_fffd, 0));
        let too_few = sv2_transaction_outputs(bytes(&transaction), outputs.as_mut_ptr(), 1, &mut count);
        assert_eq!((too_few, count), (SV2_BUFFER_TOO_SMALL, 2));
        assert_eq!(sv2_transaction_outputs(bytes(&transaction), outputs.as_mut_ptr(), 2, &mut count), SV2_OK);
        assert_eq!(outputs.map(|output| (output.value, *output.script_pubkey.data)), [(1000, 0x51), (2000, 0x52)]);
        assert_eq!(sv2_transaction_inputs(bytes(&transaction), inputs.as_mut_ptr(), 2, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_transaction_outputs(bytes(&transaction), null_mut(), 0, null_mut()), SV2_ERROR_NULL);
    }
}

#[test]
fn a_height_is_pushed_as_core_does() {
    let push = |height| written(|out, capacity, len| unsafe { sv2_height_push(height, out, capacity, len) });
    assert_eq!(push(1), [0x51]);
    assert_eq!(push(150), [2, 0x96, 0]);
    assert_eq!(push(840_000), [3, 0x40, 0xd1, 0x0c]);
    assert_eq!(push(u32::MAX).len(), SV2_HEIGHT_PUSH_MAX_LEN);
}

/// The template whose coinbase is `COINBASE`, with the output given by the client.
fn template(prefix: &[u8]) -> sv2_coinbase_template {
    sv2_coinbase_template {
        coinbase_tx_version: 1,
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_prefix: bytes(prefix),
        coinbase_tx_outputs: EMPTY,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_locktime: 149,
    }
}

#[test]
fn a_coinbase_is_built_with_or_without_witness() {
    let (height, script) = ([2, 0x96, 0], [0x51]);
    let output = sv2_transaction_output { value: 50 * 100_000_000, script_pubkey: bytes(&script) };
    let outputs = sv2_transaction_output_list { items: &output, count: 1 };
    let built = |reserved_value| {
        written(|out, capacity, len| unsafe {
            sv2_coinbase_build(&template(&height), EMPTY, outputs, reserved_value, out, capacity, len)
        })
    };
    let stripped = built(null());
    assert_eq!(stripped, hex(COINBASE));
    let whole = built(&ZERO);
    assert_eq!(whole.len(), stripped.len() + 36);

    let (mut found, mut reserved_value) = (0, u256(GENESIS_HASH));
    assert_eq!(unsafe { sv2_coinbase_height(bytes(&whole), &mut found) }, SV2_OK);
    assert_eq!(unsafe { sv2_coinbase_reserved_value(bytes(&whole), &mut reserved_value) }, SV2_OK);
    assert_eq!((found, reserved_value), (150, ZERO));
    assert_eq!(unsafe { sv2_coinbase_reserved_value(bytes(&stripped), &mut reserved_value) }, SV2_NOT_FOUND);

    let restored = written(|out, capacity, len| unsafe {
        sv2_coinbase_restore_witness(bytes(&stripped), &ZERO, out, capacity, len)
    });
    assert_eq!(restored, whole);
    let again = written(|out, capacity, len| unsafe { sv2_coinbase_strip_witness(bytes(&whole), out, capacity, len) });
    assert_eq!(again, stripped);
}

#[test]
fn outputs_of_the_client_come_before_those_of_the_template() {
    let commitment = hex("0000000000000000026a00");
    let mut template = template(&[2, 0x96, 0]);
    template.coinbase_tx_outputs = bytes(&commitment);
    template.coinbase_tx_outputs_count = 1;
    let output = sv2_transaction_output { value: 7, script_pubkey: EMPTY };
    let outputs = sv2_transaction_output_list { items: &output, count: 1 };
    let coinbase = written(|out, capacity, len| unsafe {
        sv2_coinbase_build(&template, bytes(b"pool"), outputs, null(), out, capacity, len)
    });
    let expected = "07029600706f6f6cfeffffff020700000000000000000000000000000000026a0095000000";
    assert!(coinbase.ends_with(&hex(expected)), "{coinbase:02x?}");
}

#[test]
fn a_coinbase_that_cannot_be_is_refused() {
    let no_outputs = sv2_transaction_output_list { items: null(), count: 0 };
    let mut len = 7;
    let mut build = |template: &sv2_coinbase_template, script: &[u8]| unsafe {
        sv2_coinbase_build(template, bytes(script), no_outputs, null(), null_mut(), 0, &mut len)
    };
    assert_eq!(build(&template(&[0x51]), &[]), SV2_ERROR_ARGUMENT);
    assert_eq!(build(&template(&[2, 0x96, 0]), &[0; 98]), SV2_ERROR_ARGUMENT);
    let mut missing_output = template(&[2, 0x96, 0]);
    missing_output.coinbase_tx_outputs_count = 1;
    assert_eq!(build(&missing_output, &[]), SV2_ERROR_MALFORMED);

    let (segwit, coinbase) = (hex(SEGWIT), hex(COINBASE));
    let whole = written(|out, capacity, len| unsafe {
        sv2_coinbase_restore_witness(bytes(&coinbase), &ZERO, out, capacity, len)
    });
    let mut height = 7;
    unsafe {
        assert_eq!(sv2_coinbase_restore_witness(bytes(&whole), &ZERO, null_mut(), 0, &mut len), SV2_ERROR_ARGUMENT);
        assert_eq!(sv2_coinbase_restore_witness(bytes(&segwit), &ZERO, null_mut(), 0, &mut len), SV2_ERROR_MALFORMED);
        assert_eq!(sv2_coinbase_restore_witness(bytes(&coinbase), null(), null_mut(), 0, &mut len), SV2_ERROR_NULL);
        assert_eq!(sv2_coinbase_height(bytes(&segwit), &mut height), SV2_ERROR_MALFORMED);
        let no_height = hex(&COINBASE.replace("03029600", "03039600"));
        assert_eq!(sv2_coinbase_height(bytes(&no_height), &mut height), SV2_NOT_FOUND);
        assert_eq!(sv2_coinbase_height(bytes(&coinbase), null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_coinbase_reserved_value(bytes(&whole), null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_coinbase_build(null(), EMPTY, no_outputs, null(), null_mut(), 0, &mut len), SV2_ERROR_NULL);
    }
    assert_eq!((height, len), (7, 7));
}

#[test]
fn a_witness_commitment_is_made_and_found() {
    let wtxids = [u256(SEGWIT_WTXID)];
    let (mut commitment, mut script) = (ZERO, [0; SV2_WITNESS_COMMITMENT_SCRIPT_LEN]);
    unsafe {
        assert_eq!(sv2_witness_commitment(list(&wtxids), &ZERO, &mut commitment), SV2_OK);
        assert_eq!(commitment, u256("97311e69d885f4f0925b3b75c0054ab2b906251b8da3961a69eb959b5098eb73"));
        assert_eq!(sv2_witness_commitment_script(&commitment, script.as_mut_ptr()), SV2_OK);
    }
    assert!(script.starts_with(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]) && script.ends_with(&commitment.bytes));

    let output = sv2_transaction_output { value: 0, script_pubkey: bytes(&script) };
    let outputs = sv2_transaction_output_list { items: &output, count: 1 };
    let coinbase = written(|out, capacity, len| unsafe {
        sv2_coinbase_build(&template(&[2, 0x96, 0]), EMPTY, outputs, null(), out, capacity, len)
    });
    let mut found = ZERO;
    unsafe {
        assert_eq!(sv2_witness_commitment_find(bytes(&coinbase), &mut found), SV2_OK);
        assert_eq!(found, commitment);
        assert_eq!(sv2_witness_commitment_find(bytes(&hex(COINBASE)), &mut found), SV2_NOT_FOUND);
        assert_eq!(sv2_witness_commitment_find(bytes(&[1, 2]), &mut found), SV2_ERROR_MALFORMED);
        assert_eq!(sv2_witness_commitment_find(EMPTY, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_witness_commitment(list(&wtxids), null(), &mut found), SV2_ERROR_NULL);
        assert_eq!(sv2_witness_commitment(list(&wtxids), &ZERO, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_witness_commitment_script(&commitment, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_witness_commitment_script(null(), script.as_mut_ptr()), SV2_ERROR_NULL);
    }
}

#[test]
fn a_block_is_assembled_and_taken_apart() {
    let (header, coinbase, segwit) = (genesis_header(), hex(COINBASE), hex(SEGWIT));
    let others = [bytes(&segwit), bytes(&segwit)];
    let others = sv2_bytes_list { items: others.as_ptr(), count: others.len() };
    let block = written(|out, capacity, len| unsafe {
        sv2_block_assemble(&header, bytes(&coinbase), others, out, capacity, len)
    });
    assert_eq!(block, [hex(GENESIS_HEADER), vec![3], coinbase.clone(), segwit.clone(), segwit.clone()].concat());

    let (mut split, mut transactions, mut count) = (unsafe { std::mem::zeroed() }, [EMPTY; 3], 0);
    unsafe {
        assert_eq!(sv2_block_split(bytes(&block), &mut split, null_mut(), 0, &mut count), SV2_BUFFER_TOO_SMALL);
        assert_eq!((count, split.nonce), (3, 0));
        assert_eq!(sv2_block_split(bytes(&block), &mut split, transactions.as_mut_ptr(), 3, &mut count), SV2_OK);
    }
    assert_eq!((count, split), (3, header));
    let found = transactions.map(|of| unsafe { std::slice::from_raw_parts(of.data, of.len) }.to_vec());
    assert_eq!(found, [coinbase, segwit.clone(), segwit]);
}

#[test]
fn the_genesis_block_is_assembled() {
    let header = genesis_header();
    let coinbase = hex(GENESIS_COINBASE);
    let none = sv2_bytes_list { items: null(), count: 0 };
    let block = written(|out, capacity, len| unsafe {
        sv2_block_assemble(&header, bytes(&coinbase), none, out, capacity, len)
    });
    assert_eq!(block.len(), 285);
    let mut txid = ZERO;
    assert_eq!(unsafe { sv2_transaction_txid(bytes(&coinbase), &mut txid, null_mut()) }, SV2_OK);
    assert_eq!(txid, header.merkle_root);
}

#[test]
fn a_block_cut_short_or_with_bytes_after_it_is_refused() {
    let block = hex(&(GENESIS_HEADER.to_owned() + "01" + GENESIS_COINBASE + "00"));
    let (mut header, mut count) = (unsafe { std::mem::zeroed() }, 7);
    for end in (0..=block.len()).filter(|end| *end != block.len() - 1) {
        let status = unsafe { sv2_block_split(bytes(&block[..end]), &mut header, null_mut(), 0, &mut count) };
        assert_eq!((status, count), (SV2_ERROR_MALFORMED, 7), "{end}");
    }
    let none = sv2_bytes_list { items: null(), count: 0 };
    unsafe {
        assert_eq!(sv2_block_split(bytes(&block), null_mut(), null_mut(), 0, &mut count), SV2_ERROR_NULL);
        assert_eq!(sv2_block_split(bytes(&block), &mut header, null_mut(), 0, null_mut()), SV2_ERROR_NULL);
        assert_eq!(sv2_block_assemble(null(), EMPTY, none, null_mut(), 0, &mut count), SV2_ERROR_NULL);
    }
}
