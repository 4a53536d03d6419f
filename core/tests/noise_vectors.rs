//! Reads `tests/vectors/noise/handshake.json` as any other implementation would: through the public interface only.

use std::collections::VecDeque;

use bitcoin_hashes::Sha256;
use serde_json::Value;
use sv2_core::noise::{
    ACT1_LEN, ACT2_LEN, Authority, AuthorityKeypair, AuthorityPublicKey, Certificate, CertificateError, CipherState,
    Clock, HandshakeError, Identity, Initiator, MAC_LEN, MAX_CIPHERTEXT_LEN, MAX_PLAINTEXT_LEN, Responder, SecretKey,
    Transport,
};
use sv2_core::{OutOfRandomness, Random};

/// The randomness that a vector prescribes.
struct Tape(VecDeque<u8>);

impl Random for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        for byte in bytes {
            *byte = self.0.pop_front().ok_or(OutOfRandomness)?;
        }
        Ok(())
    }
}

fn tape(parts: &[&Value]) -> Tape {
    Tape(parts.iter().flat_map(|part| hex(part)).collect())
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn key(value: &Value) -> SecretKey {
    SecretKey::from_bytes(&bytes(&value["secret_key"])).unwrap()
}

/// The handshakes whose encodings are made as we make them, so that the public interface can replay them.
fn handshakes() -> Vec<Value> {
    let file = include_str!("../../tests/vectors/noise/handshake.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let is_ours = |handshake: &&Value| handshake["ellswift_by"] == "ellswift_create(secret_key, aux)";
    let ours: Vec<Value> = file["handshakes"].as_array().unwrap().iter().filter(is_ours).cloned().collect();
    assert_eq!(ours.len(), 2);
    ours
}

fn authority(vector: &Value) -> AuthorityPublicKey {
    vector["authority"]["base58check"].as_str().unwrap().parse().unwrap()
}

fn certificate(vector: &Value) -> Certificate {
    let message = bytes(&vector["certificate"]["signature_noise_message"]);
    Certificate::from_message(&message, bytes(&vector["responder_s"]["x"]))
}

fn valid_from(vector: &Value) -> Clock {
    Clock::At(vector["certificate"]["valid_from"].as_u64().unwrap())
}

/// Both roles with the prescribed keys, and both acts compared.
fn replay(vector: &Value) -> (Transport, Transport) {
    let (initiator_e, responder_e) = (&vector["initiator_e"], &vector["responder_e"]);
    let responder_s = &vector["responder_s"];
    let identity = Identity::new(key(responder_s), certificate(vector), &mut tape(&[&responder_s["aux"]])).unwrap();

    let random = &mut tape(&[&initiator_e["secret_key"], &initiator_e["aux"]]);
    let initiator = Initiator::new(Authority::Key(authority(vector)), random).unwrap();
    assert_eq!(initiator.act1(), &bytes::<ACT1_LEN>(&vector["act1"]));

    let random = &mut tape(&[&responder_e["secret_key"], &responder_e["aux"]]);
    let (act2, responder) = Responder::respond(&identity, initiator.act1(), random).unwrap();
    assert_eq!(act2, bytes::<ACT2_LEN>(&vector["act2"]));

    let initiator = initiator.finish(&act2, valid_from(vector)).unwrap();
    assert!(initiator.authenticated);
    assert_eq!(initiator.certificate, Some(certificate(vector)));
    (initiator, responder)
}

fn payload(frame: &Value) -> Vec<u8> {
    match frame["payload_len"].as_u64() {
        None => hex(&frame["payload"]),
        Some(len) => (0..len).map(|at| ((31 * at + 7) % 251) as u8).collect(),
    }
}

fn seal(state: &mut CipherState, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    for block in [header].into_iter().chain(payload.chunks(MAX_PLAINTEXT_LEN)) {
        let start = sealed.len();
        sealed.extend_from_slice(block);
        let mac = state.seal(&mut sealed[start..]).unwrap();
        sealed.extend_from_slice(&mac);
    }
    sealed
}

/// Opens a sealed frame and returns header and payload, one after the other.
fn open(state: &mut CipherState, sealed: &mut [u8]) -> Vec<u8> {
    let (header, payload) = sealed.split_at_mut(6 + MAC_LEN);
    let mut opened = state.open(header).unwrap();
    assert_eq!(opened, 6);
    let mut plaintext = header[..opened].to_vec();
    opened = 0;
    let mut at = 0;
    while at < payload.len() {
        let end = payload.len().min(at + MAX_CIPHERTEXT_LEN);
        opened += state.open_within(&mut payload[opened..end], at - opened).unwrap();
        at = end;
    }
    plaintext.extend_from_slice(&payload[..opened]);
    plaintext
}

#[test]
fn both_acts_come_out_as_published() {
    for vector in handshakes() {
        replay(&vector);
    }
}

#[test]
fn every_frame_is_sealed_and_opened_as_published() {
    for vector in handshakes() {
        let (mut initiator, mut responder) = replay(&vector);
        let frames = vector["frames"].as_array().unwrap();
        assert_eq!(frames.len(), 7);
        for frame in frames {
            let (send, receive) = match frame["from"].as_str() {
                Some("initiator") => (&mut initiator.send, &mut responder.receive),
                _ => (&mut responder.send, &mut initiator.receive),
            };
            let (header, payload) = (hex(&frame["header"]), payload(frame));
            let mut sealed = seal(send, &header, &payload);
            match frame["sealed_len"].as_u64() {
                None => assert_eq!(sealed, hex(&frame["sealed"])),
                Some(len) => {
                    assert_eq!(sealed.len() as u64, len);
                    assert_eq!(Sha256::hash(&sealed).to_byte_array(), bytes::<32>(&frame["sealed_sha256"]));
                }
            }
            assert!(open(receive, &mut sealed) == [header, payload].concat());
        }
    }
}

#[test]
fn signing_gives_the_published_certificate() {
    for vector in handshakes() {
        let published = &vector["certificate"];
        let authority = AuthorityKeypair::from_secret(key(&vector["authority"]));
        let time = |field: &str| u32::try_from(published[field].as_u64().unwrap()).unwrap();
        let random = &mut tape(&[&published["signature_aux"]]);
        let server = key(&vector["responder_s"]).public_bytes();
        let signed =
            Certificate::sign(&authority, server, time("valid_from"), time("not_valid_after"), random).unwrap();
        assert_eq!(signed, certificate(&vector));
        assert_eq!(signed.signature, bytes::<64>(&published["signature"]));
        assert_eq!(authority.public().to_bytes(), bytes::<32>(&vector["authority"]["x"]));
    }
}

#[test]
fn the_certificate_of_one_vector_does_not_do_for_the_authority_of_another() {
    let [first, second] = <[Value; 2]>::try_from(handshakes()).unwrap();
    let random = &mut tape(&[&first["initiator_e"]["secret_key"], &first["initiator_e"]["aux"]]);
    let initiator = Initiator::new(Authority::Key(authority(&second)), random).unwrap();
    let error = initiator.finish(&bytes(&first["act2"]), valid_from(&first)).unwrap_err();
    assert_eq!(error, HandshakeError::Certificate(CertificateError::Signature));
}
