//! The published handshakes, `tests/vectors/noise/handshake.json`, whose fields its README explains.
//!
//! They are computed here from fixed keys and compared with the file. After a deliberate change of the format:
//! `SV2_WRITE_VECTORS=1 cargo test -p sv2-core vectors`.

extern crate std;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bitcoin_hashes::Sha256;
use secp256k1::Parity;

use super::super::cipher::MAX_PLAINTEXT_LEN;
use super::super::testing::Tape;
use super::*;

const PUBLISHED: &str = include_str!("../../../tests/vectors/noise/handshake.json");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/noise/handshake.json");

const VALID_FROM: u32 = 1_785_542_400;
const NOT_VALID_AFTER: u32 = VALID_FROM + 86_400;

/// How a vector's EllSwift encodings came about.
#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    /// `ellswift_create` of libsecp256k1, from the secret key and 32 random bytes: what this library does.
    Create,
    /// `ellswift_encode` of libsecp256k1, from the public key and 32 zero bytes: what noise_sv2 does.
    EncodeWithZeros,
}

/// One handshake to publish.
struct Case {
    name: &'static str,
    /// Whether the public keys have an odd Y coordinate, which implementations must not care about.
    parity: Parity,
    encoding: Encoding,
}

const CASES: [Case; 3] = [
    Case { name: "public keys with an even Y", parity: Parity::Even, encoding: Encoding::Create },
    Case { name: "public keys with an odd Y", parity: Parity::Odd, encoding: Encoding::Create },
    Case { name: "encodings as noise_sv2 makes them", parity: Parity::Even, encoding: Encoding::EncodeWithZeros },
];

/// A fixed key or auxiliary randomness: random enough, and nobody chose it.
fn fixed(case: &Case, what: &str, counter: u32) -> [u8; 32] {
    Sha256::hash(format!("sv2 noise vectors/{}/{what}/{counter}", case.name).as_bytes()).to_byte_array()
}

/// A secret key with its encoding and the auxiliary randomness of that, if any.
struct Key {
    secret: [u8; 32],
    aux: Option<[u8; 32]>,
    ellswift: ElligatorSwift,
}

impl Key {
    fn new(case: &Case, what: &str) -> Self {
        let has_parity = |secret: &[u8; 32]| {
            let key = secp256k1::SecretKey::from_secret_bytes(*secret).unwrap();
            key.x_only_public_key().1 == case.parity
        };
        let secret = (0..).map(|counter| fixed(case, what, counter)).find(has_parity).unwrap();
        let key = SecretKey::from_bytes(&secret).unwrap();
        match case.encoding {
            Encoding::Create => {
                let aux = fixed(case, &format!("{what} aux"), 0);
                Self { secret, aux: Some(aux), ellswift: key.ellswift(&mut Tape::new(&aux)).unwrap() }
            }
            Encoding::EncodeWithZeros => {
                let public = key.curve_key().public_key();
                Self { secret, aux: None, ellswift: ElligatorSwift::from_pubkey_with_rnd(public, [0; 32]) }
            }
        }
    }

    fn secret_key(&self) -> SecretKey {
        SecretKey::from_bytes(&self.secret).unwrap()
    }

    fn ephemeral(&self) -> EphemeralKey {
        EphemeralKey::new(self.secret_key(), self.ellswift)
    }

    /// What a source of randomness must deliver to make this key.
    fn tape(&self) -> Tape {
        Tape::new(&[self.secret, self.aux.unwrap()].concat())
    }

    fn write(&self, json: &mut Json, name: &str) {
        json.open(name, '{');
        json.hex("secret_key", &self.secret);
        if let Some(aux) = self.aux {
            json.hex("aux", &aux);
        }
        json.hex("x", &self.secret_key().public_bytes());
        json.hex("ellswift", &self.ellswift.to_array());
        json.close('}');
    }
}

/// Writes indented JSON with the fields in the order of the calls.
#[derive(Default)]
struct Json {
    text: String,
    depth: usize,
}

impl Json {
    fn line(&mut self, name: &str, value: &str) {
        if !self.text.is_empty() && !self.text.ends_with(['{', '[']) {
            self.text.push(',');
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&"  ".repeat(self.depth));
        if !name.is_empty() {
            self.text.push_str(&format!("\"{name}\": "));
        }
        self.text.push_str(value);
    }

    fn string(&mut self, name: &str, value: &str) {
        self.line(name, &format!("\"{value}\""));
    }

    fn hex(&mut self, name: &str, value: &[u8]) {
        self.string(name, &value.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }

    fn number(&mut self, name: &str, value: impl core::fmt::Display) {
        self.line(name, &format!("{value}"));
    }

    fn open(&mut self, name: &str, bracket: char) {
        self.line(name, &format!("{bracket}"));
        self.depth += 1;
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        self.text.push_str(&format!("\n{}{bracket}", "  ".repeat(self.depth)));
    }
}

/// Runs the handshake of a case with the public API, or as near to it as the encodings allow.
fn run(
    case: &Case,
    identity: &Identity,
    authority: AuthorityPublicKey,
    keys: (&Key, &Key),
) -> ([u8; ACT1_LEN], [u8; ACT2_LEN], Transport, Transport) {
    let (initiator_e, responder_e) = keys;
    let demand = Authority::Key(authority);
    let initiator = match case.encoding {
        Encoding::Create => Initiator::new(demand, &mut initiator_e.tape()).unwrap(),
        Encoding::EncodeWithZeros => Initiator { authority: demand, e: initiator_e.ephemeral() },
    };
    let act1 = *initiator.act1();
    let (act2, responder) = match case.encoding {
        Encoding::Create => Responder::respond(identity, &act1, &mut responder_e.tape()).unwrap(),
        Encoding::EncodeWithZeros => Responder::answer(identity, &act1, &responder_e.ephemeral()).unwrap(),
    };
    let initiator = initiator.finish(&act2, Clock::At(VALID_FROM.into())).unwrap();
    assert!(initiator.authenticated);
    assert_eq!(initiator.send.key, responder.receive.key);
    assert_eq!(initiator.receive.key, responder.send.key);
    (act1, act2, initiator, responder)
}

/// The variables after each step, for those whose act 2 differs: follows the initiator through both acts.
fn write_trace(json: &mut Json, keys: (&Key, &Key, &Key), act2: &[u8; ACT2_LEN]) -> (CipherState, CipherState) {
    let (initiator_e, responder_e, responder_s) = keys;
    let ours = initiator_e.secret_key();
    let mut state = SymmetricState::new();
    json.open("trace", '[');
    let step = |json: &mut Json, name: &str, state: &SymmetricState, extra: &[(&str, &[u8])]| {
        json.open("", '{');
        json.string("after", name);
        extra.iter().for_each(|(name, value)| json.hex(name, value));
        json.hex("ck", &state.ck[..]);
        json.hex("h", &state.h);
        json.close('}');
    };
    step(json, "initialization", &state, &[]);
    state.mix_hash(&initiator_e.ellswift.to_array());
    step(json, "act 1: MixHash(e.public_key)", &state, &[]);
    state.mix_hash(&[]);
    step(json, "act 1: EncryptAndHash of the empty payload", &state, &[]);
    state.mix_hash(&act2[..64]);
    step(json, "act 2: MixHash(e.public_key)", &state, &[]);
    let ee = ecdh(initiator_e.ellswift, responder_e.ellswift, &ours, Party::Initiator);
    let k = state.mix_key(&ee);
    step(json, "act 2: MixKey of ee", &state, &[("ecdh", &ee[..]), ("k", &k.key[..])]);
    state.decrypt_and_hash(k, &mut act2[64..144].to_vec()).unwrap();
    step(json, "act 2: EncryptAndHash(s.public_key)", &state, &[]);
    let es = ecdh(initiator_e.ellswift, responder_s.ellswift, &ours, Party::Initiator);
    let k = state.mix_key(&es);
    step(json, "act 2: MixKey of es", &state, &[("ecdh", &es[..]), ("k", &k.key[..])]);
    state.decrypt_and_hash(k, &mut act2[144..].to_vec()).unwrap();
    step(json, "act 2: EncryptAndHash(SIGNATURE_NOISE_MESSAGE)", &state, &[]);
    json.close(']');
    state.split()
}

/// The payload of `len` bytes that a frame gives by a rule instead of in full.
fn ruled_payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| ((at * 31 + 7) % 251) as u8).collect()
}

/// Seals one frame as spec 4.6 says: the header, then each block of the payload.
fn seal_frame(from: &mut CipherState, header: &[u8], payload: &[u8]) -> Vec<Vec<u8>> {
    [header]
        .into_iter()
        .chain(payload.chunks(MAX_PLAINTEXT_LEN))
        .map(|block| {
            let mut sealed = block.to_vec();
            let mac = from.seal(&mut sealed).unwrap();
            sealed.extend_from_slice(&mac);
            sealed
        })
        .collect()
}

/// The header of spec 3.2.
fn header(extension_type: u16, msg_type: u8, len: usize) -> [u8; 6] {
    let ([e0, e1], [l0, l1, l2, _]) = (extension_type.to_le_bytes(), (len as u32).to_le_bytes());
    [e0, e1, msg_type, l0, l1, l2]
}

fn write_frames(json: &mut Json, initiator: &mut Transport, responder: &mut Transport) {
    // SetupConnection for the Template Distribution Protocol, and its success.
    let setup = [&[2, 2, 0, 2, 0, 0, 0, 0, 0, 9][..], b"127.0.0.1", &[0xfa, 0x20, 3], b"sv2", &[0, 0, 0]].concat();
    let success = [2, 0, 0, 0, 0, 0];
    let frames: [(bool, [u8; 6], Vec<u8>); 7] = [
        (true, header(0, 0x00, setup.len()), setup),
        (false, header(0, 0x01, success.len()), success.to_vec()),
        (true, header(0xbeef, 0x7f, 0), Vec::new()),
        (false, header(0, 0x74, MAX_PLAINTEXT_LEN), ruled_payload(MAX_PLAINTEXT_LEN)),
        (false, header(0, 0x74, MAX_PLAINTEXT_LEN + 1), ruled_payload(MAX_PLAINTEXT_LEN + 1)),
        (false, header(0, 0x74, 200_000), ruled_payload(200_000)),
        (true, header(0x8000, 0x1a, 24), ruled_payload(24)),
    ];
    json.open("frames", '[');
    for (from_initiator, header, payload) in frames {
        let sender = if from_initiator { &mut initiator.send } else { &mut responder.send };
        let blocks = seal_frame(sender, &header, &payload);
        json.open("", '{');
        json.string("from", if from_initiator { "initiator" } else { "responder" });
        json.hex("header", &header);
        if payload.len() <= 1000 {
            json.hex("payload", &payload);
            json.hex("sealed", &blocks.concat());
        } else {
            json.string("payload_rule", "byte i is (31 * i + 7) mod 251");
            json.number("payload_len", payload.len());
            json.hex("payload_sha256", Sha256::hash(&payload).as_byte_array());
            json.number("sealed_len", blocks.concat().len());
            json.hex("sealed_sha256", Sha256::hash(&blocks.concat()).as_byte_array());
            json.open("macs", '[');
            blocks.iter().for_each(|block| json.hex("", &block[block.len() - MAC_LEN..]));
            json.close(']');
        }
        json.close('}');
    }
    json.close(']');
}

fn write_case(json: &mut Json, case: &Case) {
    let authority_secret = Key::new(case, "authority");
    let authority = AuthorityKeypair::from_secret(authority_secret.secret_key());
    let [initiator_e, responder_e, responder_s] =
        ["initiator e", "responder e", "responder s"].map(|what| Key::new(case, what));
    let signature_aux = fixed(case, "signature aux", 0);
    let public_key = responder_s.secret_key().public_bytes();
    let tape = &mut Tape::new(&signature_aux);
    let certificate = Certificate::sign(&authority, public_key, VALID_FROM, NOT_VALID_AFTER, tape).unwrap();
    let identity =
        Identity { static_key: responder_s.secret_key(), static_ellswift: responder_s.ellswift, certificate };
    let keys = (&initiator_e, &responder_e);
    let (act1, act2, mut initiator, mut responder) = run(case, &identity, authority.public(), keys);

    json.open("", '{');
    json.string("name", case.name);
    json.string(
        "ellswift_by",
        match case.encoding {
            Encoding::Create => "ellswift_create(secret_key, aux)",
            Encoding::EncodeWithZeros => "ellswift_encode(public_key, 32 zero bytes)",
        },
    );
    json.open("authority", '{');
    json.hex("secret_key", &authority_secret.secret);
    json.hex("x", &authority.public().to_bytes());
    json.string("base58check", &format!("{}", authority.public()));
    json.close('}');
    initiator_e.write(json, "initiator_e");
    responder_e.write(json, "responder_e");
    responder_s.write(json, "responder_s");
    json.open("certificate", '{');
    json.number("version", certificate.version);
    json.number("valid_from", certificate.valid_from);
    json.number("not_valid_after", certificate.not_valid_after);
    json.hex("signature_aux", &signature_aux);
    json.hex("signature", &certificate.signature);
    json.hex("signature_noise_message", &certificate.to_message());
    json.close('}');
    json.hex("act1", &act1);
    json.hex("act2", &act2);
    let (k1, k2) = write_trace(json, (&initiator_e, &responder_e, &responder_s), &act2);
    assert_eq!((&k1.key, &k2.key), (&initiator.send.key, &initiator.receive.key));
    json.open("transport", '{');
    json.hex("initiator_to_responder", &k1.key[..]);
    json.hex("responder_to_initiator", &k2.key[..]);
    json.close('}');
    write_frames(json, &mut initiator, &mut responder);
    json.close('}');
}

#[test]
fn the_published_handshakes_are_what_this_code_computes() {
    let mut json = Json::default();
    json.open("", '{');
    json.string("protocol_name", "Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256");
    json.string("encoding", "byte strings in hexadecimal, in the order of the wire");
    json.open("handshakes", '[');
    CASES.iter().for_each(|case| write_case(&mut json, case));
    json.close(']');
    json.close('}');
    json.text.push('\n');
    if std::env::var_os("SV2_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &json.text).unwrap();
    } else {
        assert!(json.text == PUBLISHED, "{PATH} differs from what this code computes");
    }
}

#[test]
fn the_cases_have_the_parity_that_their_name_says() {
    for case in &CASES {
        for what in ["authority", "initiator e", "responder e", "responder s"] {
            let key = Key::new(case, what).secret_key().curve_key();
            assert_eq!(key.x_only_public_key().1, case.parity, "{what} of {}", case.name);
        }
    }
}
