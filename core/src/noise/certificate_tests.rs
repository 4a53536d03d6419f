use super::super::testing::{Counting, NOT_VALID_AFTER, VALID_FROM, authority, secret_key};
use super::*;

fn certificate() -> Certificate {
    let server = secret_key(0x53).public_bytes();
    Certificate::sign(&authority(0xa1), server, VALID_FROM, NOT_VALID_AFTER, &mut Counting(0)).unwrap()
}

fn check_at(now: u64) -> Result<(), CertificateError> {
    certificate().check(&authority(0xa1).public(), Clock::At(now))
}

#[test]
fn a_certificate_is_valid_within_its_time_and_ten_seconds_around_it() {
    let (first, last) = (u64::from(VALID_FROM) - 10, u64::from(NOT_VALID_AFTER) + 10);
    for now in [first, first + 10, last - 10, last] {
        assert_eq!(check_at(now), Ok(()), "{now}");
    }
    assert_eq!(check_at(first - 1), Err(CertificateError::NotYetValid { valid_from: VALID_FROM }));
    assert_eq!(check_at(0), Err(CertificateError::NotYetValid { valid_from: VALID_FROM }));
    assert_eq!(check_at(last + 1), Err(CertificateError::Expired { not_valid_after: NOT_VALID_AFTER }));
    assert_eq!(check_at(u64::MAX), Err(CertificateError::Expired { not_valid_after: NOT_VALID_AFTER }));
}

#[test]
fn the_leeway_does_not_overflow_at_the_ends_of_time() {
    let server = secret_key(0x53).public_bytes();
    let forever = Certificate::sign(&authority(0xa1), server, 0, u32::MAX, &mut Counting(0)).unwrap();
    for now in [0, u64::from(u32::MAX) + 10] {
        assert_eq!(forever.check(&authority(0xa1).public(), Clock::At(now)), Ok(()));
    }
    let too_late = Clock::At(u64::from(u32::MAX) + 11);
    let expired = CertificateError::Expired { not_valid_after: u32::MAX };
    assert_eq!(forever.check(&authority(0xa1).public(), too_late), Err(expired));
}

#[test]
fn without_a_clock_only_the_signature_counts() {
    assert_eq!(certificate().check(&authority(0xa1).public(), Clock::Unavailable), Ok(()));
    let other = authority(0xa2).public();
    assert_eq!(certificate().check(&other, Clock::Unavailable), Err(CertificateError::Signature));
}

#[test]
fn a_certificate_with_any_field_altered_is_refused() {
    let good = certificate();
    let mut signature = good.signature;
    signature[63] ^= 1;
    let altered = [
        Certificate { valid_from: good.valid_from - 1, ..good },
        Certificate { not_valid_after: good.not_valid_after + 1, ..good },
        Certificate { server_public_key: secret_key(0x54).public_bytes(), ..good },
        Certificate { signature, ..good },
        Certificate { signature: [0; 64], ..good },
        Certificate { signature: [0xff; 64], ..good },
    ];
    for certificate in altered {
        let outcome = certificate.check(&authority(0xa1).public(), Clock::Unavailable);
        assert_eq!(outcome, Err(CertificateError::Signature), "{certificate:?}");
    }
}

#[test]
fn a_certificate_of_an_unknown_version_is_refused_even_if_signed() {
    let unsigned = Certificate { version: 1, ..certificate() };
    let signature = authority(0xa1).sign(&unsigned.signed_hash(), &mut Counting(0)).unwrap();
    let signed = Certificate { signature, ..unsigned };
    let outcome = signed.check(&authority(0xa1).public(), Clock::Unavailable);
    assert_eq!(outcome, Err(CertificateError::Version(1)));
}

#[test]
fn a_bad_signature_is_reported_before_the_times_that_it_does_not_cover() {
    let forged = Certificate { not_valid_after: 0, ..certificate() };
    let outcome = forged.check(&authority(0xa1).public(), Clock::At(VALID_FROM.into()));
    assert_eq!(outcome, Err(CertificateError::Signature));
}

#[test]
fn the_message_is_74_bytes_with_little_endian_integers() {
    let certificate = Certificate {
        version: 0x0102,
        valid_from: 0x0304_0506,
        not_valid_after: 0x0708_090a,
        server_public_key: [0x55; 32],
        signature: core::array::from_fn(|at| at as u8),
    };
    let message = certificate.to_message();
    assert_eq!(message[..12], [2, 1, 6, 5, 4, 3, 0x0a, 9, 8, 7, 0, 1]);
    assert_eq!(message[73], 63);
    assert_eq!(Certificate::from_message(&message, [0x55; 32]), certificate);
}

#[test]
fn signing_needs_randomness() {
    let none = &mut super::super::testing::Tape::new(&[]);
    let outcome = Certificate::sign(&authority(0xa1), [1; 32], 0, 0, none);
    assert_eq!(outcome, Err(OutOfRandomness));
}
