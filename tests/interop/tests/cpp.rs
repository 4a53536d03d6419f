//! The library as C++ users have it against codec_sv2 and the message crates: a peer written with `sv2.hpp`, in either
//! role, over Noise and without, with every message, in pieces of any size.

use std::iter;

use rand::SeedableRng;
use rand::rngs::StdRng;
use stratum_core::codec_sv2::{Encoder, Error as CodecError, Handshake, InitiatorSent};
use stratum_core::extensions_sv2::UserIdentity;
use stratum_core::framing_sv2::framing::SerializedFrame;
use stratum_core::noise_sv2::{Error as NoiseError, Initiator as TheirInitiator};
use stratum_core::parsers_sv2::TlvField;
use sv2::{
    SV2_ERROR_AUTHENTICATION, SV2_ERROR_CERTIFICATE, SV2_ERROR_HANDSHAKE, SV2_ERROR_MALFORMED,
    SV2_ERROR_PAYLOAD_TOO_LARGE,
};
use sv2_core::frame::HEADER_LEN;
use sv2_core::message::{RequestTransactionDataSuccess, SubmitSharesExtended, UpdateChannelError};
use sv2_core::noise::{AuthorityKeypair, MAX_PLAINTEXT_LEN};
use sv2_core::wire::List;
use sv2_interop::conversation::{Said, conversation};
use sv2_interop::cpp::{Demand, Field, Peer, Received, Setting, worker_identity};
use sv2_interop::messages::{Draw, EXCHANGES, Exchange, our_frame};
use sv2_interop::random::Seeded;
use sv2_interop::theirs::{self, Theirs};

/// How often a conversation is cut into pieces anew.
const ROUNDS: u64 = 4;
/// How often each message is drawn at random.
const DRAWS: usize = 25;

// Conversations

#[test]
fn a_cpp_client_talks_to_their_server_over_noise() {
    for seed in 0..ROUNDS {
        let (mut cpp, mut theirs) = cpp_client(Setting::usual(), seed);
        assert!(cpp.is_established() && cpp.is_authenticated());
        for Said { by_client, frame } in conversation() {
            match by_client {
                true => assert!(theirs.open(&cpp.write(&frame).unwrap()).unwrap() == frame),
                false => assert!(only(cpp.read(&theirs.seal(&frame)).unwrap()).frame == frame),
            }
        }
    }
}

#[test]
fn a_cpp_server_talks_to_their_client_over_noise() {
    for seed in 0..ROUNDS {
        let (mut cpp, mut theirs) = cpp_server(Setting::usual(), seed);
        assert!(cpp.is_established());
        for Said { by_client, frame } in conversation() {
            match by_client {
                true => assert!(only(cpp.read(&theirs.seal(&frame)).unwrap()).frame == frame),
                false => assert!(theirs.open(&cpp.write(&frame).unwrap()).unwrap() == frame),
            }
        }
    }
}

#[test]
fn both_roles_in_cpp_talk_to_theirs_without_noise() {
    for seed in 0..ROUNDS {
        for is_server in [false, true] {
            let mut cpp = Peer::plain(is_server, Setting::usual(), seed).unwrap();
            for Said { by_client, frame } in conversation() {
                match by_client != is_server {
                    true => assert!(theirs::plain_frame(&cpp.write(&frame).unwrap()) == frame),
                    false => {
                        let theirs = SerializedFrame::from_bytes(frame.clone()).unwrap();
                        assert!(only(cpp.read(&Encoder::new().encode(theirs).unwrap()).unwrap()).frame == frame);
                    }
                }
            }
            assert!(!cpp.is_authenticated());
        }
    }
}

#[test]
fn many_of_their_frames_in_one_read_come_out_one_by_one() {
    let (mut cpp, mut theirs) = cpp_client(Setting::any_payload(), 0);
    let frames: Vec<_> =
        conversation().into_iter().filter_map(|said| (!said.by_client).then_some(said.frame)).collect();
    let sealed: Vec<u8> = frames.iter().flat_map(|frame| theirs.seal(frame)).collect();
    let received: Vec<_> = cpp.read(&sealed).unwrap().into_iter().map(|message| message.frame).collect();
    assert!(received == frames);
}

#[test]
fn payloads_of_several_noise_messages_pass_in_both_directions() {
    const OTHER_FIELDS: usize = 8 + 2 + 2 + 3;
    let (mut cpp, mut theirs) = cpp_client(Setting::any_payload(), 0);
    for len in [MAX_PLAINTEXT_LEN - 1, MAX_PLAINTEXT_LEN, MAX_PLAINTEXT_LEN + 1, 2 * MAX_PLAINTEXT_LEN, 3_000_000] {
        let transaction = vec![0x5a; len - OTHER_FIELDS];
        let transactions = [&transaction[..]];
        let message = RequestTransactionDataSuccess {
            template_id: len as u64,
            excess_data: &[],
            transaction_list: List::Items(&transactions),
        };
        let frame = our_frame(&message);
        assert_eq!(frame.len(), HEADER_LEN + len);
        assert!(theirs.open(&cpp.write(&frame).unwrap()).unwrap() == frame);
        assert!(only(cpp.read(&theirs.seal(&frame)).unwrap()).frame == frame);
    }
}

// Messages

#[test]
fn every_message_with_random_values_passes_in_both_directions() {
    let random = &mut StdRng::seed_from_u64(0);
    let pairs = [cpp_client(Setting::any_payload(), 0), cpp_server(Setting::any_payload(), 1)];
    for mut pair in pairs {
        for exchange in EXCHANGES {
            for _ in 0..DRAWS {
                assert_passes(&mut pair, exchange, random, Draw::Any);
            }
        }
    }
}

#[test]
fn every_message_of_zeros_and_empty_fields_passes_in_both_directions() {
    let mut pair = cpp_client(Setting::any_payload(), 0);
    for exchange in EXCHANGES {
        assert_passes(&mut pair, exchange, &mut StdRng::seed_from_u64(0), Draw::Least);
    }
}

#[test]
fn every_message_with_the_greatest_numbers_and_lengths_passes_in_both_directions() {
    let mut pair = cpp_client(Setting::any_payload(), 0);
    for exchange in EXCHANGES {
        assert_passes(&mut pair, exchange, &mut StdRng::seed_from_u64(0), Draw::Greatest);
    }
}

#[test]
fn a_message_nobody_knows_passes_as_it_is() {
    let (mut cpp, mut theirs) = cpp_client(Setting::usual(), 0);
    let frame = [&[0x34, 0x12, 0x56, 3, 0, 0][..], &[1, 2, 3]].concat();
    let received = only(cpp.read(&theirs.seal(&frame)).unwrap());
    assert_eq!((received.message_type, received.name.as_str()), (0x0012_3456, ""));
    assert!(received.fields.is_empty());
    assert_eq!(received.frame, frame);
    assert_eq!(theirs.open(&cpp.write(&frame).unwrap()).unwrap(), frame);
}

#[test]
fn a_workers_identity_behind_a_share_is_found_by_cpp() {
    let (mut cpp, mut theirs) = cpp_server(Setting::usual(), 0);
    let share = our_frame(&SubmitSharesExtended { extranonce: &[1, 2, 3, 4], ..Default::default() });
    for identity in ["", "w", "worker.of.thirty.two.characters."] {
        let tlv = UserIdentity::new(identity).unwrap().to_bytes().unwrap();
        let frame = with_payload(&share, &[&share[HEADER_LEN..], &tlv].concat());
        let received = only(cpp.read(&theirs.seal(&frame)).unwrap());
        assert_eq!((received.trailing, received.frame), (tlv.clone(), frame.clone()));
        assert_eq!(worker_identity(&tlv, true).unwrap(), identity);
        assert_eq!(worker_identity(&tlv, false).unwrap_err().what(), "SV2_NOT_FOUND");
        assert_eq!(theirs.open(&cpp.write(&frame).unwrap()).unwrap(), frame);
    }
}

#[test]
fn a_malformed_message_ends_the_connection_with_its_fault_named() {
    let (mut cpp, mut theirs) = cpp_client(Setting::usual(), 0);
    let frame = our_frame(&UpdateChannelError { channel_id: 7, error_code: "invalid-channel-id".into() });
    let cut = with_payload(&frame, &frame[HEADER_LEN..frame.len() - 1]);
    let failure = cpp.read(&theirs.seal(&cut)).unwrap_err();
    assert_eq!(failure.status, SV2_ERROR_MALFORMED);
    assert!(failure.error.contains("UpdateChannel.Error"), "{}", failure.error);
    assert!(failure.error.contains("error_code"), "{}", failure.error);
    assert_eq!(cpp.read(&theirs.seal(&frame)).unwrap_err(), failure);
}

#[test]
fn a_payload_longer_than_the_state_allows_is_refused_by_its_header() {
    let (mut cpp, mut theirs) = cpp_server(Setting::usual(), 0);
    let frame = with_payload(&conversation()[0].frame, &[0; 2049]);
    let header = &theirs.seal(&frame)[..22];
    assert_eq!(cpp.read(header).unwrap_err().status, SV2_ERROR_PAYLOAD_TOO_LARGE);
}

// Who is who

#[test]
fn their_server_of_another_authority_is_refused_for_good() {
    let mut cpp = Peer::initiator(&demand(&authority(2)), Setting::usual(), 0).unwrap();
    let (act2, theirs) = theirs::responder(&authority(1)).step_1(cpp.written().try_into().unwrap()).unwrap();
    let failure = cpp.read(act2.payload()).unwrap_err();
    assert_eq!(failure.status, SV2_ERROR_CERTIFICATE);
    assert!(failure.error.contains("not signed by the expected authority"), "{}", failure.error);
    assert!(!cpp.is_established() && !cpp.is_authenticated());

    let frame = &conversation()[1].frame;
    assert_eq!(cpp.read(&Theirs::new(theirs).seal(frame)).unwrap_err(), failure);
    assert_eq!(cpp.write(frame).unwrap_err(), failure);
    assert!(cpp.written().is_empty());
}

#[test]
fn their_client_refuses_a_cpp_server_of_another_authority() {
    let mut cpp = Peer::responder(&authority(1).secret_bytes(), Setting::usual(), 0).unwrap();
    let (act1, initiator) = their_initiator(&authority(2));
    cpp.read(&act1).unwrap();
    let refused = initiator.step_2(cpp.written().try_into().unwrap()).unwrap_err();
    assert!(matches!(refused, CodecError::NoiseSv2Error(NoiseError::InvalidCertificate(_))), "{refused:?}");
}

#[test]
fn a_cpp_client_without_an_authority_key_must_say_so_and_is_never_authenticated() {
    let nobody = Demand::default();
    assert_eq!(Peer::initiator(&nobody, Setting::usual(), 0).err().unwrap().what(), "SV2_ERROR_ARGUMENT");

    let anybody = Demand { allow_unauthenticated: true, ..nobody };
    let mut cpp = Peer::initiator(&anybody, Setting::usual(), 0).unwrap();
    let (act2, _) = theirs::responder(&authority(1)).step_1(cpp.written().try_into().unwrap()).unwrap();
    cpp.read(act2.payload()).unwrap();
    assert!(cpp.is_established() && !cpp.is_authenticated());
}

#[test]
fn a_certificate_out_of_date_is_refused_unless_the_device_has_no_clock() {
    let authority = authority(1);
    let now = Setting::usual();
    let tomorrow = Setting { unix_s: now.unix_s + 86_400, ..now };
    for (clock, no_clock, good) in [(now, false, true), (tomorrow, false, false), (tomorrow, true, true)] {
        let mut cpp = Peer::initiator(&Demand { no_clock, ..demand(&authority) }, clock, 0).unwrap();
        let (act2, _) = theirs::responder(&authority).step_1(cpp.written().try_into().unwrap()).unwrap();
        let status = cpp.read(act2.payload()).map_err(|failure| failure.status).map(drop);
        assert_eq!(status, if good { Ok(()) } else { Err(SV2_ERROR_CERTIFICATE) });
        assert_eq!(cpp.is_authenticated(), good);
    }
}

#[test]
fn an_altered_byte_of_theirs_is_refused() {
    let mut cpp = Peer::initiator(&demand(&authority(1)), Setting::usual(), 0).unwrap();
    let (act2, _) = theirs::responder(&authority(1)).step_1(cpp.written().try_into().unwrap()).unwrap();
    let mut act2 = act2.payload().to_vec();
    act2[100] ^= 1;
    assert_eq!(cpp.read(&act2).unwrap_err().status, SV2_ERROR_HANDSHAKE);

    let (mut cpp, mut theirs) = cpp_client(Setting::usual(), 0);
    let mut sealed = theirs.seal(&conversation()[1].frame);
    sealed[30] ^= 1;
    let failure = cpp.read(&sealed).unwrap_err();
    assert_eq!(failure.status, SV2_ERROR_AUTHENTICATION);
    assert_eq!(cpp.read(&theirs.seal(&conversation()[1].frame)).unwrap_err(), failure);
}

// Both sides

fn authority(seed: u64) -> AuthorityKeypair {
    AuthorityKeypair::generate(&mut Seeded::new(seed)).unwrap()
}

fn demand(authority: &AuthorityKeypair) -> Demand {
    Demand { authority_key: authority.public().to_bytes().to_vec(), ..Default::default() }
}

/// A client in C++ and their server, after the handshake.
fn cpp_client(setting: Setting, seed: u64) -> (Peer, Theirs) {
    let authority = authority(seed);
    let mut cpp = Peer::initiator(&demand(&authority), setting, seed).unwrap();
    let (act2, theirs) = theirs::responder(&authority).step_1(cpp.written().try_into().unwrap()).unwrap();
    assert!(cpp.read(act2.payload()).unwrap().is_empty());
    (cpp, Theirs::new(theirs))
}

/// A server in C++ and their client, after the handshake.
fn cpp_server(setting: Setting, seed: u64) -> (Peer, Theirs) {
    let authority = authority(seed);
    let mut cpp = Peer::responder(&authority.secret_bytes(), setting, seed).unwrap();
    let (act1, initiator) = their_initiator(&authority);
    assert!(cpp.read(&act1).unwrap().is_empty());
    let theirs = initiator.step_2(cpp.written().try_into().unwrap()).unwrap();
    (cpp, Theirs::new(theirs))
}

fn their_initiator(authority: &AuthorityKeypair) -> (Vec<u8>, Handshake<InitiatorSent>) {
    let initiator = TheirInitiator::from_raw_k(authority.public().to_bytes()).unwrap();
    let (act1, initiator) = Handshake::initiator(initiator).step_0().unwrap();
    (act1.payload().to_vec(), initiator)
}

/// They encode a message, C++ reads all its fields, encodes them anew and sends them back, and they read the same.
fn assert_passes((cpp, theirs): &mut (Peer, Theirs), exchange: &Exchange, random: &mut StdRng, draw: Draw) {
    let name = exchange.shape.name;
    let drawn = (exchange.draw)(random, draw);

    let received = only(cpp.read(&theirs.seal(&drawn.frame)).unwrap());
    assert_eq!((received.message_type, received.name.as_str()), (exchange.shape.tag, name));
    assert_same(name, "C++ reads", &received.fields, &drawn.fields);
    assert_is_text_of(&received);
    assert!(received.trailing.is_empty(), "{name} has bytes left over");
    assert!(received.frame == drawn.frame, "{name} is not the same bytes when C++ encodes it");

    let frame = theirs.open(&cpp.write(&drawn.frame).unwrap()).unwrap();
    assert!(frame == drawn.frame, "{name} is not the same bytes when C++ sends it");
    assert_same(name, "they read", &(exchange.decode)(frame), &drawn.fields);
}

/// Says which field differs: a whole message can be megabytes.
fn assert_same(message: &str, who: &str, read: &[Field], drawn: &[Field]) {
    assert_eq!(read.len(), drawn.len(), "{message}");
    for (read, drawn) in iter::zip(read, drawn) {
        assert_eq!(read.name, drawn.name, "{message}");
        assert!(read.value == drawn.value, "{who} another {message}.{}", drawn.name);
    }
}

/// The text begins with the message's name; a line for each field follows.
fn assert_is_text_of(message: &Received) {
    let mut lines = message.text.lines();
    assert_eq!(lines.next(), Some(message.name.as_str()));
    for field in &message.fields {
        let line = lines.next().unwrap_or_default();
        assert!(line.starts_with(&format!("  {}: ", field.name)), "no {} in {}", field.name, message.name);
    }
    assert_eq!(lines.next(), None);
}

fn only(messages: Vec<Received>) -> Received {
    let [message] = <[Received; 1]>::try_from(messages).expect("one message");
    message
}

/// The frame with another payload.
fn with_payload(frame: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&frame[..3], &len[..3], payload].concat()
}
