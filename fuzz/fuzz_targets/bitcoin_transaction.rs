//! Any bytes are read as a transaction consistently, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::bitcoin::{Transaction, has_witness, sha256d, strip_witness};

fuzz_target!(|bytes: &[u8]| {
    let Ok((transaction, used)) = Transaction::parse(bytes) else { return };
    assert_eq!(transaction.as_bytes(), &bytes[..used]);
    assert_eq!(transaction.inputs().count(), transaction.inputs().len());
    assert_eq!(transaction.outputs().count(), transaction.outputs().len());
    if let Some(witnesses) = transaction.witnesses() {
        assert_eq!(witnesses.len(), transaction.inputs().len());
        assert!(witnesses.into_iter().all(|stack| stack.count() == stack.len()));
    }
    assert_eq!(has_witness(bytes), transaction.has_witness());

    let stripped = strip_witness(&bytes[..used]).expect("what was read can be stripped");
    assert_eq!(sha256d(&stripped), transaction.txid());
    assert_eq!(3 * stripped.len() + used, transaction.weight());
    let again = Transaction::parse_exact(&stripped).expect("what was stripped can be read");
    assert_eq!((again.inputs(), again.outputs()), (transaction.inputs(), transaction.outputs()));
});
