//! Any bytes are a coinbase that loses and regains its BIP 141 fields, or refused; and any bytes serve as the outputs
//! of a template, or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::bitcoin::coinbase::height_of;
use sv2_core::bitcoin::{
    Coinbase, CoinbaseTemplate, Output, find_witness_commitment, height_push, restore_witness, strip_witness,
};

fuzz_target!(|bytes: &[u8]| {
    if let Some(height) = height_of(bytes) {
        assert!(bytes.starts_with(&height_push(height)));
    }
    if let Ok(coinbase) = Coinbase::parse(bytes) {
        let _ = find_witness_commitment(coinbase.transaction());
        let stripped = strip_witness(bytes).expect("a coinbase can be stripped");
        let reserved_value = coinbase.witness_reserved_value().copied().unwrap_or_default();
        let restored = restore_witness(&stripped, &reserved_value).expect("a stripped coinbase can be restored");
        if coinbase.witness_reserved_value().is_some() {
            assert_eq!(restored, bytes);
        }
    }
    make_from_template(bytes);
});

fn make_from_template(bytes: &[u8]) {
    let Some((&[outputs_count, script_len], outputs)) = bytes.split_first_chunk() else { return };
    let outputs_count = u32::from(outputs_count);
    let prefix = height_push(840_000);
    let template =
        CoinbaseTemplate { version: 2, prefix: &prefix, sequence: 0xffff_fffe, outputs_count, outputs, lock_time: 0 };
    let payout = Output { value: 1, script_pubkey: &[0x51] };
    let script = vec![0xaa; usize::from(script_len)];
    let Ok(made) = template.coinbase(&script, &[payout], Some(&[0; 32])) else { return };
    let coinbase = Coinbase::parse(&made).expect("what was made is a coinbase");
    assert_eq!(coinbase.height(), Some(840_000));
    let mut found = coinbase.transaction().outputs();
    assert_eq!(found.next(), Some(payout));
    assert_eq!(found.as_bytes(), outputs);
}
