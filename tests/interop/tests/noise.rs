//! Our Noise against noise_sv2 and codec_sv2: handshakes in both directions, frames in both directions, and what each
//! side must refuse of the other.

use std::fs;

use rand::rngs::StdRng;
use rand::{CryptoRng, RngCore, SeedableRng};
use serde_json::Value;
use stratum_core::bitcoin::hashes::{Hash, sha256};
use stratum_core::codec_sv2::{Error as CodecError, Handshake, InitiatorSent, Transport as TheirTransport};
use stratum_core::noise_sv2::{Error as TheirError, Initiator as TheirInitiator, Responder as TheirResponder};
use sv2_core::noise::{
    ACT2_LEN, Authority, AuthorityKeypair, AuthorityPublicKey, CertificateError, CipherError, CipherState, Clock,
    HandshakeError, Identity, Initiator, MAC_LEN, MAX_PLAINTEXT_LEN, Responder, SecretKey, Transport,
};
use sv2_interop::peers;
use sv2_interop::random::Seeded;
use sv2_interop::theirs::Theirs;

const NOW: u32 = 1_785_542_400;
const VALIDITY: u32 = 3600;
const LEEWAY: u32 = 10;
const FRAME_HEADER_LEN: usize = 6;

/// Handshakes with keys drawn from this many seeds.
const ROUNDS: u64 = 64;

// Handshakes

#[test]
fn our_initiator_and_their_responder_understand_each_other() {
    for seed in 0..ROUNDS {
        let authority = authority(seed);
        let (ours, theirs) = our_initiator(seed, Authority::Key(authority.public()), NOW, NOW).unwrap();
        assert!(ours.authenticated);
        let certificate = ours.certificate.unwrap();
        assert_eq!((certificate.valid_from, certificate.not_valid_after), (NOW, NOW + VALIDITY));
        assert_frames_pass(ours, theirs, &[0, 1, 24]);
    }
}

#[test]
fn their_initiator_and_our_responder_understand_each_other() {
    for seed in 0..ROUNDS {
        let demand = Some(authority(seed).public().to_bytes());
        let (theirs, ours) = their_initiator(seed, demand, NOW, NOW).unwrap();
        assert_frames_pass(ours, theirs, &[0, 1, 24]);
    }
}

#[test]
fn without_a_demand_both_sides_accept_a_responder_they_do_not_know() {
    let (ours, theirs) = our_initiator(0, Authority::Unauthenticated, NOW, NOW).unwrap();
    assert!(!ours.authenticated);
    assert_frames_pass(ours, theirs, &[0, 1, 24]);

    let (theirs, ours) = their_initiator(0, None, NOW, NOW).unwrap();
    assert_frames_pass(ours, theirs, &[0, 1, 24]);
}

#[test]
fn a_responder_of_another_authority_is_refused_by_both_sides() {
    let another = authority(1).public();
    let refused = our_initiator(0, Authority::Key(another), NOW, NOW).unwrap_err();
    assert_eq!(refused, HandshakeError::Certificate(CertificateError::Signature));

    let refused = their_initiator(0, Some(another.to_bytes()), NOW, NOW).unwrap_err();
    assert!(is_invalid_certificate(&refused), "{refused:?}");
}

#[test]
fn both_sides_accept_a_certificate_to_the_same_second() {
    let (first, last) = (NOW - LEEWAY, NOW + VALIDITY + LEEWAY);
    for (clock, valid) in [(first - 1, false), (first, true), (last, true), (last + 1, false)] {
        let demand = authority(0).public();
        let ours = our_initiator(0, Authority::Key(demand), NOW, clock);
        let theirs = their_initiator(0, Some(demand.to_bytes()), NOW, clock);
        assert_eq!((ours.is_ok(), theirs.is_ok()), (valid, valid), "{clock}");
        if !valid {
            let expired = CertificateError::Expired { not_valid_after: NOW + VALIDITY };
            let early = CertificateError::NotYetValid { valid_from: NOW };
            let expected = if clock > NOW { expired } else { early };
            assert_eq!(ours.unwrap_err(), HandshakeError::Certificate(expected));
            assert!(is_invalid_certificate(&theirs.unwrap_err()));
        }
    }
}

#[test]
fn an_act_2_altered_anywhere_is_refused_by_both_sides() {
    for at in 0..ACT2_LEN {
        let initiator = Initiator::new(Authority::Unauthenticated, &mut Seeded::new(0)).unwrap();
        let (mut act2, _) = their_answer(0, initiator.act1(), NOW);
        act2[at] ^= 0x40;
        let refused = initiator.finish(&act2, Clock::At(NOW.into())).unwrap_err();
        assert_eq!(refused, HandshakeError::Cipher(CipherError::Authentication), "byte {at}");

        let (act1, initiator) = their_act_1(0, None);
        let (mut act2, _) = Responder::respond(&identity(0, NOW), &act1, &mut Seeded::new(1)).unwrap();
        act2[at] ^= 0x40;
        assert!(initiator.step_2_with_now(act2, NOW).is_err(), "byte {at}");
    }
}

// Frames

#[test]
fn payloads_of_several_noise_messages_pass_in_both_directions() {
    let lens = [MAX_PLAINTEXT_LEN - 1, MAX_PLAINTEXT_LEN, MAX_PLAINTEXT_LEN + 1, 2 * MAX_PLAINTEXT_LEN, 1_200_000];
    let (ours, theirs) = our_initiator(0, Authority::Unauthenticated, NOW, NOW).unwrap();
    assert_frames_pass(ours, theirs, &lens);
    let (theirs, ours) = their_initiator(0, None, NOW, NOW).unwrap();
    assert_frames_pass(ours, theirs, &lens);
}

#[test]
fn an_altered_frame_is_refused_by_both_sides() {
    let (mut ours, theirs) = our_initiator(0, Authority::Unauthenticated, NOW, NOW).unwrap();
    let mut theirs = Theirs::new(theirs);
    let frame = frame(100);

    let mut sealed = theirs.seal(&frame);
    sealed[FRAME_HEADER_LEN + MAC_LEN] ^= 1;
    assert_eq!(open(&mut ours.receive, &sealed), Err(CipherError::Authentication));

    let mut sealed = seal(&mut ours.send, &frame);
    sealed[0] ^= 1;
    assert!(matches!(theirs.open(&sealed), Err(CodecError::NoiseSv2Error(_) | CodecError::AeadError(_))));
}

#[test]
fn a_frame_that_comes_twice_is_refused_by_both_sides() {
    let (mut ours, theirs) = our_initiator(0, Authority::Unauthenticated, NOW, NOW).unwrap();
    let mut theirs = Theirs::new(theirs);
    let frame = frame(0);

    let sealed = theirs.seal(&frame);
    assert_eq!(open(&mut ours.receive, &sealed).unwrap(), frame);
    assert_eq!(open(&mut ours.receive, &sealed), Err(CipherError::Authentication));

    let sealed = seal(&mut ours.send, &frame);
    assert_eq!(theirs.open(&sealed).unwrap(), frame);
    assert!(theirs.open(&sealed).is_err());
}

// Vectors

#[test]
fn our_published_vectors_come_out_of_noise_sv2() {
    let vectors = vectors();
    let mut replayed = 0;
    for vector in vectors["handshakes"].as_array().unwrap() {
        let their_encodings = text(vector, "/ellswift_by").starts_with("ellswift_encode(");
        if their_encodings {
            replay(vector);
            replayed += 1;
        }
        // Whatever the encodings, the certificate is a matter of the authority's key alone.
        assert_certificate_is_signed_alike(vector);
    }
    assert!(replayed > 0, "no vector has the encodings that noise_sv2 makes");
}

/// Both roles of noise_sv2, with the vector's keys for randomness, say and seal what the vector says.
fn replay(vector: &Value) {
    let valid_from = number(vector, "/certificate/valid_from");
    let authority: [u8; 32] = bytes(vector, "/authority/x").try_into().unwrap();

    let mut keys = Tape::new(&[bytes(vector, "/initiator_e/secret_key")]);
    let initiator = TheirInitiator::from_raw_k_with_rng(authority, &mut keys).unwrap();
    let (act1, initiator) = Handshake::initiator(initiator).step_0().unwrap();
    assert_eq!(act1.payload(), bytes(vector, "/act1"));

    let mut keys = Tape::new(&[bytes(vector, "/responder_e/secret_key"), bytes(vector, "/responder_s/secret_key")]);
    let responder = TheirResponder::from_authority_kp_with_rng(
        &authority,
        &bytes(vector, "/authority/secret_key").try_into().unwrap(),
        std::time::Duration::from_secs((number(vector, "/certificate/not_valid_after") - valid_from).into()),
        &mut keys,
    )
    .unwrap();
    let mut aux = Tape::new(&[bytes(vector, "/certificate/signature_aux")]);
    let (act2, responder) = Handshake::responder(responder)
        .step_1_with_now_rng(act1.payload().try_into().unwrap(), valid_from, &mut aux)
        .unwrap();
    assert_eq!(act2.payload(), bytes(vector, "/act2"));

    let initiator = initiator.step_2_with_now(act2.payload().try_into().unwrap(), valid_from).unwrap();
    let (mut initiator, mut responder) = (Theirs::new(initiator), Theirs::new(responder));
    for recorded in vector["frames"].as_array().unwrap() {
        let frame = recorded_frame(recorded);
        let (from, to) = match text(recorded, "/from") {
            "initiator" => (&mut initiator, &mut responder),
            "responder" => (&mut responder, &mut initiator),
            other => panic!("a frame from {other}"),
        };
        let sealed = from.seal(&frame);
        match recorded.get("sealed") {
            Some(_) => assert_eq!(sealed, bytes(recorded, "/sealed")),
            None => {
                assert_eq!(sealed.len(), number(recorded, "/sealed_len") as usize);
                assert_eq!(sha256::Hash::hash(&sealed).to_string(), text(recorded, "/sealed_sha256"));
            }
        }
        assert_eq!(to.open(&sealed).unwrap(), frame);
    }
}

/// noise_sv2 signs the vector's certificate to the same bytes, within a handshake of its own and ours.
fn assert_certificate_is_signed_alike(vector: &Value) {
    let valid_from = number(vector, "/certificate/valid_from");
    let authority: [u8; 32] = bytes(vector, "/authority/x").try_into().unwrap();
    let mut keys = Tape::new(&[vec![0x11; 32], bytes(vector, "/responder_s/secret_key")]);
    let responder = TheirResponder::from_authority_kp_with_rng(
        &authority,
        &bytes(vector, "/authority/secret_key").try_into().unwrap(),
        std::time::Duration::from_secs((number(vector, "/certificate/not_valid_after") - valid_from).into()),
        &mut keys,
    )
    .unwrap();
    let authority = AuthorityPublicKey::from_bytes(&authority).unwrap();
    assert_eq!(authority.to_string(), text(vector, "/authority/base58check"));
    let initiator = Initiator::new(Authority::Key(authority), &mut Seeded::new(0)).unwrap();
    let mut aux = Tape::new(&[bytes(vector, "/certificate/signature_aux")]);
    let (act2, _) =
        Handshake::responder(responder).step_1_with_now_rng(*initiator.act1(), valid_from, &mut aux).unwrap();
    let act2 = act2.payload().try_into().unwrap();
    let certificate = initiator.finish(&act2, Clock::At(valid_from.into())).unwrap().certificate.unwrap();
    assert_eq!(certificate.to_message().to_vec(), bytes(vector, "/certificate/signature_noise_message"));
    assert_eq!(certificate.server_public_key.to_vec(), bytes(vector, "/responder_s/x"));
}

fn vectors() -> Value {
    let file = peers::checkout().join("tests/vectors/noise/handshake.json");
    serde_json::from_str(&fs::read_to_string(file).expect("our published vectors")).expect("JSON")
}

/// The frame of a vector, header included; long payloads follow a rule instead of being spelled out.
fn recorded_frame(recorded: &Value) -> Vec<u8> {
    let mut frame = bytes(recorded, "/header");
    match recorded.get("payload") {
        Some(_) => frame.extend(bytes(recorded, "/payload")),
        None => {
            assert_eq!(text(recorded, "/payload_rule"), "byte i is (31 * i + 7) mod 251");
            let payload: Vec<u8> =
                (0..u64::from(number(recorded, "/payload_len"))).map(|i| ((31 * i + 7) % 251) as u8).collect();
            assert_eq!(sha256::Hash::hash(&payload).to_string(), text(recorded, "/payload_sha256"));
            frame.extend(payload);
        }
    }
    frame
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
}

fn bytes(value: &Value, pointer: &str) -> Vec<u8> {
    hex::decode(text(value, pointer)).expect("hex")
}

fn number(value: &Value, pointer: &str) -> u32 {
    let number = value.pointer(pointer).and_then(Value::as_u64);
    number.and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("no number at {pointer}"))
}

// Our side

fn authority(seed: u64) -> AuthorityKeypair {
    AuthorityKeypair::generate(&mut Seeded::new(seed + 1_000_000)).unwrap()
}

fn identity(seed: u64, valid_from: u32) -> Identity {
    let random = &mut Seeded::new(seed + 2_000_000);
    let key = SecretKey::generate(random).unwrap();
    Identity::issue(&authority(seed), key, valid_from, valid_from + VALIDITY, random).unwrap()
}

/// A handshake that we begin: our transport and theirs. Their certificate is signed at `signed_at`, our clock says `now`.
fn our_initiator(
    seed: u64,
    demand: Authority,
    signed_at: u32,
    now: u32,
) -> Result<(Transport, TheirTransport), HandshakeError> {
    let initiator = Initiator::new(demand, &mut Seeded::new(seed)).unwrap();
    let (act2, theirs) = their_answer(seed, initiator.act1(), signed_at);
    Ok((initiator.finish(&act2, Clock::At(now.into()))?, theirs))
}

/// A handshake that they begin: their transport and ours. Our certificate is signed at `signed_at`, their clock says `now`.
fn their_initiator(
    seed: u64,
    demand: Option<[u8; 32]>,
    signed_at: u32,
    now: u32,
) -> Result<(TheirTransport, Transport), CodecError> {
    let (act1, initiator) = their_act_1(seed, demand);
    let (act2, ours) =
        Responder::respond(&identity(seed, signed_at), &act1, &mut Seeded::new(seed + 3_000_000)).unwrap();
    Ok((initiator.step_2_with_now(act2, now)?, ours))
}

/// A frame as spec 4.6 seals it: the header, then the payload in Noise messages of up to 65,519 bytes.
fn seal(cipher: &mut CipherState, frame: &[u8]) -> Vec<u8> {
    let (header, payload) = frame.split_at(FRAME_HEADER_LEN);
    let mut sealed = Vec::new();
    for part in [header].into_iter().chain(payload.chunks(MAX_PLAINTEXT_LEN)) {
        let start = sealed.len();
        sealed.extend_from_slice(part);
        let mac = cipher.seal(&mut sealed[start..]).unwrap();
        sealed.extend_from_slice(&mac);
    }
    sealed
}

fn open(cipher: &mut CipherState, sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (header, payload) = sealed.split_at(FRAME_HEADER_LEN + MAC_LEN);
    let mut frame = Vec::new();
    for part in [header].into_iter().chain(payload.chunks(MAX_PLAINTEXT_LEN + MAC_LEN)) {
        let mut part = part.to_vec();
        let len = cipher.open(&mut part)?;
        frame.extend_from_slice(&part[..len]);
    }
    Ok(frame)
}

/// Frames with payloads of those lengths pass from each side to the other.
fn assert_frames_pass(mut ours: Transport, theirs: TheirTransport, lens: &[usize]) {
    let mut theirs = Theirs::new(theirs);
    for &len in lens {
        let frame = frame(len);
        let sealed = seal(&mut ours.send, &frame);
        assert_eq!(theirs.open(&sealed).unwrap(), frame);
        let sealed = theirs.seal(&frame);
        assert_eq!(open(&mut ours.receive, &sealed).unwrap(), frame);
    }
}

/// A frame with a payload of that many bytes.
fn frame(len: usize) -> Vec<u8> {
    let [a, b, c, ..] = u32::try_from(len).unwrap().to_le_bytes();
    let mut frame = vec![0, 0, 0x74, a, b, c];
    frame.extend((0..len).map(|i| (i % 251) as u8));
    frame
}

// Their side

/// What their responder answers, with its certificate signed at `signed_at`.
fn their_answer(seed: u64, act1: &[u8; 64], signed_at: u32) -> ([u8; ACT2_LEN], TheirTransport) {
    let authority = authority(seed);
    let random = &mut StdRng::seed_from_u64(seed);
    let responder = TheirResponder::from_authority_kp_with_rng(
        &authority.public().to_bytes(),
        &authority.secret_bytes(),
        std::time::Duration::from_secs(VALIDITY.into()),
        random,
    )
    .unwrap();
    let (act2, transport) = Handshake::responder(responder).step_1_with_now_rng(*act1, signed_at, random).unwrap();
    (act2.payload().try_into().unwrap(), transport)
}

fn their_act_1(seed: u64, demand: Option<[u8; 32]>) -> ([u8; 64], Handshake<InitiatorSent>) {
    let random = &mut StdRng::seed_from_u64(seed);
    let initiator = match demand {
        Some(key) => TheirInitiator::from_raw_k_with_rng(key, random).unwrap(),
        None => TheirInitiator::without_pk_with_rng(random).unwrap(),
    };
    let (act1, initiator) = Handshake::initiator(initiator).step_0().unwrap();
    (act1.payload().try_into().unwrap(), initiator)
}

fn is_invalid_certificate(error: &CodecError) -> bool {
    matches!(error, CodecError::NoiseSv2Error(TheirError::InvalidCertificate(_)))
}

// Randomness

/// Their interface over bytes that were written down beforehand. It panics when they are used up, and when they are not.
struct Tape(Vec<u8>);

impl Tape {
    fn new(parts: &[Vec<u8>]) -> Tape {
        Tape(parts.concat())
    }
}

impl RngCore for Tape {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.drain(..bytes.len()).collect::<Vec<u8>>());
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Tape {}

impl Drop for Tape {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.0.is_empty(), "{} bytes were not drawn", self.0.len());
    }
}
