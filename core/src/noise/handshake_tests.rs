use alloc::vec::Vec;

use super::super::testing::{Counting, NOT_VALID_AFTER, Tape, VALID_FROM, authority, bytes, identity, secret_key};
use super::*;

const NOW: Clock = Clock::At(VALID_FROM as u64 + 60);

/// Both transports of an undisturbed handshake.
fn handshake(demand: Authority, clock: Clock) -> Result<(Transport, Transport), HandshakeError> {
    let identity = identity(&authority(0xa1));
    let initiator = Initiator::new(demand, &mut Counting(0))?;
    let (act2, responder) = Responder::respond(&identity, initiator.act1(), &mut Counting(100))?;
    Ok((initiator.finish(&act2, clock)?, responder))
}

/// What `from` seals, `to` opens.
fn assert_passes(from: &mut CipherState, to: &mut CipherState, message: &[u8]) {
    let mut data = message.to_vec();
    let mac = from.seal(&mut data).unwrap();
    data.extend_from_slice(&mac);
    let len = to.open(&mut data).unwrap();
    assert_eq!(&data[..len], message);
}

#[test]
fn after_a_handshake_messages_pass_in_both_directions() {
    let (mut client, mut server) = handshake(Authority::Key(authority(0xa1).public()), NOW).unwrap();
    for round in 0..3u8 {
        assert_passes(&mut client.send, &mut server.receive, &[round; 22]);
        assert_passes(&mut server.send, &mut client.receive, &[0xff - round; 3000]);
    }
}

#[test]
fn the_two_directions_have_different_keys() {
    let (mut client, _) = handshake(Authority::Unauthenticated, NOW).unwrap();
    let mut data = [7; 32];
    let mac = client.send.seal(&mut data[..16]).unwrap();
    data[16..].copy_from_slice(&mac);
    assert_eq!(client.receive.open(&mut data), Err(CipherError::Authentication));
}

#[test]
fn an_initiator_learns_the_certificate_and_that_it_was_checked() {
    let (client, server) = handshake(Authority::Key(authority(0xa1).public()), NOW).unwrap();
    assert!(client.authenticated);
    assert_eq!(client.certificate.as_ref(), Some(identity(&authority(0xa1)).certificate()));
    assert_eq!(client.certificate.unwrap().server_public_key, secret_key(0x53).public_bytes());
    assert!(!server.authenticated, "initiators are anonymous");
    assert_eq!(server.certificate, None);
}

#[test]
fn without_a_demand_the_peer_is_never_reported_as_authenticated() {
    let after_expiry = Clock::At(u64::from(NOT_VALID_AFTER) + 1_000_000);
    let (client, _) = handshake(Authority::Unauthenticated, after_expiry).unwrap();
    assert!(!client.authenticated);
    assert!(client.certificate.is_some());
}

#[test]
fn a_certificate_from_another_authority_is_refused() {
    let error = handshake(Authority::Key(authority(0xa2).public()), NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Certificate(CertificateError::Signature));
}

#[test]
fn an_expired_certificate_is_refused_unless_there_is_no_clock() {
    let demand = Authority::Key(authority(0xa1).public());
    let error = handshake(demand, Clock::At(u64::from(NOT_VALID_AFTER) + 11)).unwrap_err();
    let expired = CertificateError::Expired { not_valid_after: NOT_VALID_AFTER };
    assert_eq!(error, HandshakeError::Certificate(expired));
    assert!(handshake(demand, Clock::Unavailable).unwrap().0.authenticated);
}

#[test]
fn a_responder_that_shows_the_certificate_of_another_key_is_refused() {
    let genuine = identity(&authority(0xa1));
    let stolen = Identity {
        static_key: secret_key(0x66),
        static_ellswift: secret_key(0x66).ellswift(&mut Counting(9)).unwrap(),
        certificate: *genuine.certificate(),
    };
    let initiator = Initiator::new(Authority::Key(authority(0xa1).public()), &mut Counting(0)).unwrap();
    let (act2, _) = Responder::respond(&stolen, initiator.act1(), &mut Counting(100)).unwrap();
    let error = initiator.finish(&act2, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Certificate(CertificateError::Signature));
}

#[test]
fn a_replayed_static_key_is_of_no_use_without_its_secret() {
    // The impostor passes off another server's encoding as its own; without that secret `es` differs.
    let genuine = identity(&authority(0xa1));
    let impostor = Identity {
        static_key: secret_key(0x66),
        static_ellswift: genuine.static_ellswift,
        certificate: *genuine.certificate(),
    };
    let initiator = Initiator::new(Authority::Unauthenticated, &mut Counting(0)).unwrap();
    let (act2, _) = Responder::respond(&impostor, initiator.act1(), &mut Counting(100)).unwrap();
    let error = initiator.finish(&act2, NOW).unwrap_err();
    assert_eq!(error, HandshakeError::Cipher(CipherError::Authentication));
}

#[test]
fn altering_any_byte_of_act_2_fails_the_handshake() {
    let identity = identity(&authority(0xa1));
    let act1 = *Initiator::new(Authority::Unauthenticated, &mut Counting(0)).unwrap().act1();
    let (act2, _) = Responder::respond(&identity, &act1, &mut Counting(100)).unwrap();
    for at in 0..ACT2_LEN {
        let mut altered = act2;
        altered[at] ^= 1 << (at % 8);
        let initiator = Initiator::new(Authority::Unauthenticated, &mut Counting(0)).unwrap();
        let error = initiator.finish(&altered, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Cipher(CipherError::Authentication), "byte {at}");
    }
}

#[test]
fn altering_act_1_on_the_way_fails_at_the_initiator() {
    let identity = identity(&authority(0xa1));
    for at in 0..ACT1_LEN {
        let initiator = Initiator::new(Authority::Unauthenticated, &mut Counting(0)).unwrap();
        let mut altered = *initiator.act1();
        altered[at] ^= 0x80;
        let (act2, _) = Responder::respond(&identity, &altered, &mut Counting(100)).unwrap();
        let error = initiator.finish(&act2, NOW).unwrap_err();
        assert_eq!(error, HandshakeError::Cipher(CipherError::Authentication), "byte {at}");
    }
}

#[test]
fn any_64_bytes_are_an_act_1() {
    let identity = identity(&authority(0xa1));
    // The field's modulus, whose multiples an encoding treats as zero.
    let p = [&[0xff; 27][..], &[0xfe, 0xff, 0xff, 0xfc, 0x2f]].concat();
    let mut acts: Vec<[u8; ACT1_LEN]> = [[0; ACT1_LEN], [0xff; ACT1_LEN], [1; ACT1_LEN]].to_vec();
    acts.push([&p[..], &p].concat().try_into().unwrap());
    acts.push([&p[..], &[0; 32]].concat().try_into().unwrap());
    for act1 in acts {
        let (act2, transport) = Responder::respond(&identity, &act1, &mut Counting(100)).unwrap();
        assert_ne!(act2, [0; ACT2_LEN]);
        assert!(!transport.authenticated);
    }
}

#[test]
fn ecdh_is_the_v2_ecdh_of_bip_324() {
    let file = include_str!("../../../tests/vectors/noise/bip324_ecdh.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        let text = |field: &str| vector[field].as_str().unwrap();
        let secret = SecretKey::from_bytes(&bytes(text("secret_key"))).unwrap();
        let ours = ElligatorSwift::from_array(bytes(text("ellswift_ours")));
        let theirs = ElligatorSwift::from_array(bytes(text("ellswift_theirs")));
        let shared = match vector["initiator"].as_bool().unwrap() {
            true => ecdh(ours, theirs, &secret, Party::Initiator),
            false => ecdh(theirs, ours, &secret, Party::Responder),
        };
        assert_eq!(*shared, bytes::<32>(text("shared_secret")), "{vector}");
    }
}

#[test]
fn act_2_is_as_long_as_its_parts() {
    assert_eq!((ACT1_LEN, ACT2_LEN), (64, 64 + 80 + 90));
}

#[test]
fn no_two_handshakes_look_alike_although_the_identity_is_shared() {
    let identity = identity(&authority(0xa1));
    let act1 = *Initiator::new(Authority::Unauthenticated, &mut Counting(0)).unwrap().act1();
    let (first, _) = Responder::respond(&identity, &act1, &mut Counting(100)).unwrap();
    let (second, _) = Responder::respond(&identity, &act1, &mut Counting(200)).unwrap();
    for (part, range) in [("e", 0..64), ("s", 64..144), ("certificate", 144..234)] {
        assert_ne!(first[range.clone()], second[range], "{part}");
    }
}

#[test]
fn an_identity_takes_only_the_certificate_of_its_key() {
    let random = &mut Counting(0);
    let mine = Certificate::sign(&authority(0xa1), secret_key(1).public_bytes(), 0, 1, random).unwrap();
    let identity = Identity::new(secret_key(1), mine, random).unwrap();
    assert_eq!(identity.certificate(), &mine);
    assert_eq!(Identity::new(secret_key(2), mine, random).unwrap_err(), IdentityError::OtherKey);
}

#[test]
fn a_handshake_fails_when_randomness_runs_out_at_any_point() {
    let identity = identity(&authority(0xa1));
    for len in [0, 31, 32, 63] {
        let tape = &mut Tape::new(&[7; 64][..len]);
        let error = Initiator::new(Authority::Unauthenticated, tape).unwrap_err();
        assert_eq!(error, HandshakeError::OutOfRandomness);
        let tape = &mut Tape::new(&[7; 64][..len]);
        let error = Responder::respond(&identity, &[9; ACT1_LEN], tape).unwrap_err();
        assert_eq!(error, HandshakeError::OutOfRandomness);
    }
    let tape = &mut Tape::new(&[7; 64]);
    assert!(Initiator::new(Authority::Unauthenticated, tape).is_ok());
    assert!(tape.is_used_up());
}

#[test]
fn connections_move_between_threads_and_share_an_identity() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Transport>();
    is_send::<Initiator>();
    is_send::<Identity>();
    is_sync::<Identity>();
}

#[test]
fn debug_output_shows_no_secret() {
    let random = &mut Counting(0);
    let initiator = Initiator::new(Authority::Unauthenticated, random).unwrap();
    let identity = identity(&authority(0xa1));
    let (_, transport) = Responder::respond(&identity, initiator.act1(), random).unwrap();
    assert_eq!(alloc::format!("{initiator:?}"), "Initiator { authority: Unauthenticated, .. }");
    assert!(alloc::format!("{identity:?}").contains("static_key: SecretKey { .. }"));
    assert!(alloc::format!("{transport:?}").contains("send: CipherState { nonce: 0, .. }"));
}
