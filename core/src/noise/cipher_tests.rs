use alloc::string::String;
use alloc::vec::Vec;

use bitcoin_hashes::Sha256;

use super::super::cipher_portable::Portable;
#[cfg(feature = "ring")]
use super::super::cipher_ring::Ring;
use super::super::testing::{any_bytes, bytes};
use super::*;

const KEY: [u8; KEY_LEN] = [0x42; KEY_LEN];

fn pair() -> (CipherState, CipherState) {
    (CipherState::new(&KEY), CipherState::new(&KEY))
}

fn sealed(state: &mut CipherState, plaintext: &[u8]) -> Vec<u8> {
    let mut data = plaintext.to_vec();
    let mac = state.seal(&mut data).unwrap();
    data.extend_from_slice(&mac);
    data
}

/// Bytes that are easy to make again and unlike their neighbours.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn sealing_within_a_message_puts_the_mac_behind_its_plaintext() {
    let (mut send, mut same) = pair();
    for len in [0, 6, 24, MAX_PLAINTEXT_LEN] {
        let mut message = pattern(len);
        message.resize(len + MAC_LEN, 0xff);
        assert_eq!(send.seal_within(&mut message), Ok(()));
        assert_eq!(message, sealed(&mut same, &pattern(len)));
    }
    assert_eq!(send.seal_within(&mut [0; MAC_LEN - 1]), Err(CipherError::TooShort));
    assert_eq!(send.seal_within(&mut [0; MAX_CIPHERTEXT_LEN + 1]), Err(CipherError::TooLong));
    assert_eq!(send.nonce, 4);
}

#[test]
fn what_one_state_seals_the_other_opens_in_order() {
    let (mut send, mut receive) = pair();
    for len in [0, 1, 6, 15, 16, 17, 63, 64, 65, 1000, MAX_PLAINTEXT_LEN] {
        let mut data = sealed(&mut send, &pattern(len));
        assert_eq!(data.len(), len + MAC_LEN);
        assert_eq!(receive.open(&mut data), Ok(len));
        assert_eq!(data[..len], pattern(len));
    }
    assert_eq!((send.nonce, receive.nonce), (11, 11));
}

#[test]
fn sealing_in_a_row_is_sealing_one_by_one() {
    let (mut send, mut same) = pair();
    let mut sealer = send.sealer().unwrap();
    for len in [6, 0, MAX_PLAINTEXT_LEN, 80] {
        let mut data = pattern(len);
        let mac = sealer.seal(&mut data).unwrap();
        assert_eq!([&data[..], &mac].concat(), sealed(&mut same, &pattern(len)));
    }
    assert_eq!(sealer.seal(&mut pattern(MAX_PLAINTEXT_LEN + 1)), Err(CipherError::TooLong));
    assert_eq!(send.nonce, 4);
}

#[test]
fn the_nonce_is_four_zero_bytes_and_a_little_endian_number() {
    assert_eq!(nonce_bytes(0x0807_0605_0403_0201), [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_message_that_was_altered_or_is_out_of_order_is_refused_and_costs_no_nonce() {
    let (mut send, mut receive) = pair();
    let (first, mut second) = (sealed(&mut send, b"first"), sealed(&mut send, b"second"));
    for at in 0..first.len() {
        let mut altered = first.clone();
        altered[at] ^= 1;
        assert_eq!(receive.open(&mut altered), Err(CipherError::Authentication));
    }
    assert_eq!(receive.open(&mut second.clone()), Err(CipherError::Authentication));
    assert_eq!(receive.nonce, 0);
    assert_eq!(receive.open(&mut first.clone()), Ok(5));
    assert_eq!(receive.open(&mut first.clone()), Err(CipherError::Authentication));
    assert_eq!(receive.open(&mut second), Ok(6));
}

#[test]
fn lengths_that_no_noise_message_has_are_refused() {
    let (mut send, mut receive) = pair();
    let too_long = &mut pattern(MAX_PLAINTEXT_LEN + 1);
    assert_eq!(send.seal(too_long), Err(CipherError::TooLong));
    assert_eq!(*too_long, pattern(MAX_PLAINTEXT_LEN + 1), "left as it was");
    assert_eq!(receive.open(&mut pattern(MAX_CIPHERTEXT_LEN + 1)), Err(CipherError::TooLong));
    for (len, from) in [(0, 0), (MAC_LEN - 1, 0), (100, 85), (100, 100), (100, 101), (100, usize::MAX)] {
        assert_eq!(receive.open_within(&mut pattern(len), from), Err(CipherError::TooShort));
    }
    assert_eq!((send.nonce, receive.nonce), (0, 0));
}

#[test]
fn the_last_nonce_is_never_used() {
    let (mut send, mut receive) = pair();
    (send.nonce, receive.nonce) = (u64::MAX - 1, u64::MAX - 1);
    let mut last = sealed(&mut send, b"last");
    assert_eq!(receive.open(&mut last), Ok(4));
    let mut data = *b"one too many, with room for a MAC";
    for _ in 0..2 {
        assert_eq!(send.seal(&mut data), Err(CipherError::NonceExhausted));
        assert_eq!(receive.open(&mut data), Err(CipherError::NonceExhausted));
    }
    assert_eq!(&data, b"one too many, with room for a MAC");
}

#[test]
fn a_payload_of_several_messages_closes_up_while_it_is_opened() {
    let (mut send, mut receive) = pair();
    let payload = pattern(2 * MAX_PLAINTEXT_LEN + 7);
    let mut data: Vec<u8> = payload.chunks(MAX_PLAINTEXT_LEN).flat_map(|part| sealed(&mut send, part)).collect();
    let (mut opened, mut at) = (0, 0);
    while at < data.len() {
        let end = data.len().min(at + MAX_CIPHERTEXT_LEN);
        opened += receive.open_within(&mut data[opened..end], at - opened).unwrap();
        at = end;
    }
    assert_eq!(data[..opened], payload);
}

/// One of `tests/vectors/noise/chacha20poly1305.json`.
struct Vector {
    source: String,
    key: [u8; KEY_LEN],
    nonce: [u8; NONCE_LEN],
    ad: Vec<u8>,
    plaintext: Vec<u8>,
    ciphertext_sha256: [u8; 32],
    mac: [u8; MAC_LEN],
}

fn vectors() -> Vec<Vector> {
    let file = include_str!("../../../tests/vectors/noise/chacha20poly1305.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let vector = |vector: &serde_json::Value| {
        let text = |field: &str| vector[field].as_str().unwrap();
        let by_rule = vector["plaintext_len"].as_u64();
        Vector {
            source: text("source").into(),
            key: bytes(text("key")),
            nonce: bytes(text("nonce")),
            ad: any_bytes(text("ad")),
            plaintext: match by_rule {
                Some(len) => (0..len).map(|at| ((31 * at + 7) % 251) as u8).collect(),
                None => any_bytes(text("plaintext")),
            },
            ciphertext_sha256: match by_rule {
                Some(_) => bytes(text("ciphertext_sha256")),
                None => Sha256::hash(&any_bytes(text("ciphertext"))).to_byte_array(),
            },
            mac: bytes(text("mac")),
        }
    };
    file["vectors"].as_array().unwrap().iter().map(vector).collect()
}

/// Runs the same checks on a backend.
macro_rules! on_backend {
    ($name:ident, $backend:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn the_published_vectors_hold() {
                let published = vectors();
                assert!(published.len() > 20);
                for vector in published {
                    let Vector { source, key, nonce, ad, plaintext, ciphertext_sha256, mac } = vector;
                    let mut data = plaintext.clone();
                    assert_eq!(
                        <$backend>::seal(&<$backend>::key(&key).unwrap(), &nonce, &ad, &mut data),
                        Ok(mac),
                        "{source}"
                    );
                    assert_eq!(Sha256::hash(&data).to_byte_array(), ciphertext_sha256, "{source}");
                    data.extend_from_slice(&mac);
                    assert_eq!(<$backend>::open_within(&key, &nonce, &ad, &mut data, 0), Ok(plaintext.len()));
                    assert_eq!(data[..plaintext.len()], plaintext, "{source}");
                }
            }

            #[test]
            fn a_ciphertext_opens_in_place_and_from_any_offset() {
                for from in [0, 1, 15, 16, 17, 64, 4096] {
                    for len in [0, 1, 63, 64, 300] {
                        let mut data = pattern(from + len);
                        let mac = <$backend>::seal(&<$backend>::key(&KEY).unwrap(), &[9; 12], b"ad", &mut data[from..])
                            .unwrap();
                        data.extend_from_slice(&mac);
                        assert_eq!(<$backend>::open_within(&KEY, &[9; 12], b"ad", &mut data, from), Ok(len));
                        assert_eq!(data[..len], pattern(from + len)[from..], "{len} bytes from {from}");
                    }
                }
            }

            #[test]
            fn another_key_nonce_or_associated_data_does_not_open() {
                let mut data = pattern(40);
                let mac = <$backend>::seal(&<$backend>::key(&KEY).unwrap(), &[9; 12], b"ad", &mut data).unwrap();
                data.extend_from_slice(&mac);
                for (key, nonce, ad) in
                    [([0; 32], [9; 12], &b"ad"[..]), (KEY, [8; 12], b"ad"), (KEY, [9; 12], b""), (KEY, [9; 12], b"a")]
                {
                    let outcome = <$backend>::open_within(&key, &nonce, ad, &mut data.clone(), 0);
                    assert_eq!(outcome, Err(CipherError::Authentication));
                }
            }

            #[test]
            fn too_few_bytes_are_an_error() {
                for (len, from) in [(0, 0), (15, 0), (20, 5), (20, 21)] {
                    let outcome = <$backend>::open_within(&KEY, &[9; 12], b"", &mut pattern(len), from);
                    assert_eq!(outcome, Err(CipherError::TooShort));
                }
            }
        }
    };
}

on_backend!(portable, Portable);
#[cfg(feature = "ring")]
on_backend!(ring, Ring);

#[cfg(feature = "ring")]
#[test]
fn the_backends_agree_at_every_length() {
    for len in (0..1200).chain([65_000, MAX_PLAINTEXT_LEN]) {
        let nonce = nonce_bytes(len as u64);
        let (mut fast, mut portable) = (pattern(len), pattern(len));
        let fast_mac = Ring::seal(&Ring::key(&KEY).unwrap(), &nonce, b"ad", &mut fast).unwrap();
        let portable_mac = Portable::seal(&Portable::key(&KEY).unwrap(), &nonce, b"ad", &mut portable).unwrap();
        assert!(fast == portable && fast_mac == portable_mac, "{len} bytes");
    }
}
