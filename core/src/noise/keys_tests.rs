use alloc::string::ToString;

use super::super::testing::{Tape, bytes, secret_key};
use super::*;

/// The order of the curve.
const N: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
/// The test vector of spec 4.7.1.
const SPEC_TEXT: &str = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
const SPEC_KEY: [u8; 32] = [
    118, 99, 112, 0, 151, 156, 28, 17, 175, 12, 48, 11, 205, 140, 127, 228, 134, 16, 252, 233, 185, 193, 30, 61, 174,
    227, 90, 224, 176, 138, 116, 85,
];

fn encoded(payload: [u8; 34]) -> alloc::string::String {
    let (characters, start) = base58::encode(&payload);
    core::str::from_utf8(&characters[start..]).unwrap().to_string()
}

#[test]
fn a_secret_key_is_between_one_and_the_order_less_one() {
    let n = bytes::<32>(N);
    let (mut one, mut n_less_one) = ([0; 32], n);
    one[31] = 1;
    n_less_one[31] -= 1;
    assert!(SecretKey::from_bytes(&one).is_ok());
    assert!(SecretKey::from_bytes(&n_less_one).is_ok());
    for out_of_range in [[0; 32], n, [0xff; 32]] {
        assert_eq!(SecretKey::from_bytes(&out_of_range).unwrap_err(), KeyError::OutOfRange);
    }
}

#[test]
fn generating_a_key_draws_again_when_the_number_is_out_of_range() {
    let tape = &mut Tape::new(&[[0; 32], bytes(N), [0xff; 32], [3; 32]].concat());
    assert_eq!(*SecretKey::generate(tape).unwrap().secret_bytes(), [3; 32]);
    assert!(tape.is_used_up());
}

#[test]
fn generating_a_key_gives_up_on_a_source_that_is_stuck() {
    let tape = &mut Tape::new(&[0; 32 * 100]);
    assert_eq!(SecretKey::generate(tape).unwrap_err(), OutOfRandomness);
    assert!(!tape.is_used_up());
}

#[test]
fn keys_are_saved_and_loaded() {
    let keypair = AuthorityKeypair::generate(&mut Tape::new(&[5; 32])).unwrap();
    assert_eq!(*keypair.secret_bytes(), [5; 32]);
    let loaded = AuthorityKeypair::from_secret(SecretKey::from_bytes(&keypair.secret_bytes()).unwrap());
    assert_eq!(loaded.public(), keypair.public());
    assert_eq!(keypair.public().to_bytes(), secret_key(5).public_bytes());
}

#[test]
fn the_public_key_of_one_is_the_generator() {
    let mut one = [0; 32];
    one[31] = 1;
    let generator = bytes("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    assert_eq!(SecretKey::from_bytes(&one).unwrap().public_bytes(), generator);
}

#[test]
fn the_specifications_authority_key_is_read_and_written() {
    let key = AuthorityPublicKey::parse(SPEC_TEXT).unwrap();
    assert_eq!(key.to_bytes(), SPEC_KEY);
    assert_eq!(AuthorityPublicKey::from_bytes(&SPEC_KEY).unwrap().to_string(), SPEC_TEXT);
}

#[test]
fn a_key_with_another_prefix_is_refused() {
    let mut payload = [0; 34];
    payload[2..].copy_from_slice(&SPEC_KEY);
    for prefix in [[0, 1], [0, 0], [2, 0], [1, 1], [255, 255]] {
        payload[..2].copy_from_slice(&prefix);
        assert_eq!(AuthorityPublicKey::parse(&encoded(payload)), Err(KeyError::Prefix(prefix)));
    }
}

#[test]
fn a_mistyped_key_is_refused_by_its_checksum() {
    for at in 1..SPEC_TEXT.len() {
        let mut typed = SPEC_TEXT.as_bytes().to_vec();
        typed[at] = if typed[at] == b'z' { b'y' } else { b'z' };
        let typed = core::str::from_utf8(&typed).unwrap();
        assert_eq!(AuthorityPublicKey::parse(typed), Err(KeyError::Checksum), "{typed}");
    }
}

#[test]
fn a_key_that_is_too_short_or_too_long_is_refused() {
    let longer = alloc::format!("{SPEC_TEXT}11");
    let much_longer = "z".repeat(100_000);
    for text in ["", "1", &SPEC_TEXT[1..], &SPEC_TEXT[..50], &longer, &much_longer] {
        assert_eq!(AuthorityPublicKey::parse(text), Err(KeyError::Length), "{} characters", text.len());
    }
}

#[test]
fn a_character_that_base58_does_not_have_is_named_by_its_offset() {
    for character in ["0", "O", "I", "l", " ", "/", "+", "\0", "é"] {
        let text = alloc::format!("9bX{character}Ed8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh");
        assert_eq!(AuthorityPublicKey::parse(&text), Err(KeyError::Character { at: 3 }), "{text}");
    }
}

#[test]
fn a_public_key_that_is_not_on_the_curve_is_refused() {
    // 5^3 + 7 is no square; the modulus and above are no field elements.
    let mut five = [0; 32];
    five[31] = 5;
    for x in [five, [0; 32], [0xff; 32]] {
        assert_eq!(AuthorityPublicKey::from_bytes(&x), Err(KeyError::NotOnCurve));
        let mut payload = [0; 34];
        payload[..2].copy_from_slice(&PREFIX);
        payload[2..].copy_from_slice(&x);
        assert_eq!(AuthorityPublicKey::parse(&encoded(payload)), Err(KeyError::NotOnCurve));
    }
}

#[test]
fn debug_output_shows_public_keys_only() {
    assert_eq!(alloc::format!("{:?}", secret_key(5)), "SecretKey { .. }");
    let keypair = AuthorityKeypair::from_secret(secret_key(5));
    let expected = alloc::format!("AuthorityKeypair {{ public: AuthorityPublicKey({}), .. }}", keypair.public());
    assert_eq!(alloc::format!("{keypair:?}"), expected);
}
