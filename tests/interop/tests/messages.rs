//! Every message of the specification against the other implementation's message crates: encoded by one and decoded by
//! the other, both ways, every field compared, every byte equal.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use stratum_core::binary_sv2::{Error as BinaryError, Seq064KOwned};
use stratum_core::extensions_sv2::UserIdentity;
use stratum_core::framing_sv2::framing::MessageFrame;
use stratum_core::framing_sv2::header::Header as TheirHeader;
use stratum_core::parsers_sv2::{
    AnyMessageOwned, ParserError, TemplateDistributionOwned, TlvField, parse_message_frame_with_tlvs,
};
use stratum_core::template_distribution_sv2::RequestTransactionDataSuccessOwned;
use sv2_core::frame::{self, Frame, FrameError, HEADER_LEN, Header, MAX_PAYLOAD_LEN};
use sv2_core::message::tlv::{self, ByteOrder};
use sv2_core::message::{
    EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, Payload, RequestTransactionDataSuccess, SHAPES, SubmitSharesExtended,
};
use sv2_core::wire::{DecodeError, DecodeErrorKind, Reader};
use sv2_interop::messages::{Draw, EXCHANGES, judged, our_frame, their_frame};

/// How often each message is drawn at random.
const ROUNDS: u64 = 300;

#[test]
fn every_message_of_the_protocol_is_exchanged() {
    let exchanged: BTreeSet<u32> = EXCHANGES.iter().map(|exchange| exchange.shape.tag).collect();
    let all: BTreeSet<u32> = SHAPES.iter().map(|shape| shape.tag).collect();
    assert_eq!(exchanged, all);
    assert_eq!(EXCHANGES.len(), SHAPES.len());
}

#[test]
fn messages_with_random_values_pass_in_both_directions() {
    for exchange in EXCHANGES {
        for seed in 0..ROUNDS {
            (exchange.run)(&mut StdRng::seed_from_u64(seed), Draw::Any);
        }
    }
}

#[test]
fn messages_of_zeros_and_empty_fields_pass_in_both_directions() {
    for exchange in EXCHANGES {
        (exchange.run)(&mut StdRng::seed_from_u64(0), Draw::Least);
    }
}

#[test]
fn messages_with_the_greatest_numbers_and_lengths_pass_in_both_directions() {
    for exchange in EXCHANGES {
        (exchange.run)(&mut StdRng::seed_from_u64(0), Draw::Greatest);
    }
}

#[test]
fn the_longest_payload_passes_and_a_longer_one_is_refused_by_both_sides() {
    const OTHER_FIELDS: usize = 8 + 2 + 2 + 3;
    let transaction = vec![0x5a; MAX_PAYLOAD_LEN - OTHER_FIELDS + 1];
    let transactions = [&transaction[1..]];
    let ours = RequestTransactionDataSuccess { transaction_list: transactions[..].into(), ..Default::default() };
    let theirs = |transaction: &[u8]| {
        TemplateDistributionOwned::RequestTransactionDataSuccess(RequestTransactionDataSuccessOwned {
            template_id: 0,
            excess_data: vec![].try_into().unwrap(),
            transaction_list: Seq064KOwned::new(vec![transaction.to_vec().try_into().unwrap()]).unwrap(),
        })
    };
    let frame = our_frame(&ours);
    assert_eq!(frame.len(), HEADER_LEN + MAX_PAYLOAD_LEN);
    assert!(frame == their_frame(AnyMessageOwned::TemplateDistribution(theirs(&transaction[1..]))));

    let transactions = [&transaction[..]];
    let ours = RequestTransactionDataSuccess { transaction_list: transactions[..].into(), ..Default::default() };
    let refused = frame::encode(&ours, &mut vec![0; HEADER_LEN + MAX_PAYLOAD_LEN + 1]);
    assert_eq!(refused, Err(FrameError::PayloadTooLong(MAX_PAYLOAD_LEN + 1)));
    assert!(MessageFrame::try_from(theirs(&transaction)).is_err());
}

#[test]
fn malformed_payloads_are_judged_alike() {
    let random = &mut StdRng::seed_from_u64(0);
    let (mut accepted, mut refused) = (0, 0);
    for exchange in EXCHANGES {
        for _ in 0..ROUNDS {
            let frame = (exchange.encode)(random, Draw::Any);
            let (frame, _) = Frame::split(&frame).expect("a whole frame");
            let payload = falsified(random, frame.payload);
            let header = Header { payload_len: payload.len(), ..frame.header };
            let name = exchange.shape.name;
            let payload_hex = hex::encode(&payload[..payload.len().min(200)]);
            match judged(header, &payload) {
                (Ok(ours), Ok(theirs)) => {
                    assert!(ours == theirs, "{name} means two things: {payload_hex}");
                    accepted += 1;
                }
                (Err(_), Err(_)) => refused += 1,
                // A rate is never negative, infinite or not a number with us.
                (Err(DecodeError { kind: DecodeErrorKind::NotARate, .. }), Ok(_)) => refused += 1,
                // An unknown subprotocol is answered with an error message by us; to them it is not a message.
                (Ok(_), Err(ParserError::BinaryError(BinaryError::ValueIsNotAValidProtocol(_)))) => accepted += 1,
                (ours, theirs) => panic!("{name}: ours {ours:?}, theirs {theirs:?}: {payload_hex}"),
            }
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_workers_identity_behind_a_share_passes_in_both_directions() {
    let negotiated = [EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING];
    let share = SubmitSharesExtended { sequence_number: 7, extranonce: &[1, 2, 3, 4], ..Default::default() };
    for identity in ["", "w", "worker.of.thirty.two.characters."] {
        let theirs = UserIdentity::new(identity).unwrap().to_bytes().unwrap();
        let mut ours = [0; 64];
        let len = tlv::write(&mut ours, tlv::USER_IDENTITY, identity.as_bytes(), ByteOrder::Little).unwrap();
        assert_eq!(ours[..len], theirs);

        let frame = our_frame(&share);
        let (Frame { header, payload }, _) = Frame::split(&frame).unwrap();
        let payload = [payload, &ours[..len]].concat();

        let mut reader = Reader::new(SubmitSharesExtended::SHAPE, &payload);
        assert_eq!(SubmitSharesExtended::read(&mut reader).unwrap(), share);
        assert_eq!(tlv::user_identity(reader.rest(), &negotiated).unwrap().unwrap().to_str(), Some(identity));
        assert_eq!(tlv::user_identity(reader.rest(), &[]).unwrap(), None);

        let header = Header { payload_len: payload.len(), ..header };
        let header = TheirHeader::from_bytes(&header.to_bytes()).unwrap();
        let (_, tlvs) = parse_message_frame_with_tlvs(header, &mut payload.clone(), &negotiated).unwrap();
        let found = UserIdentity::from_tlv(&tlvs.expect("a TLV")[0]).unwrap();
        assert_eq!(found.as_str(), Some(identity));
    }
}

/// A payload cut off, with bytes behind it, or with bytes in it that are something else.
fn falsified(random: &mut StdRng, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    match random.gen_range(0..4) {
        0 => payload.truncate(random.gen_range(0..=payload.len())),
        1 => payload.extend((0..random.gen_range(1..40)).map(|_| random.r#gen::<u8>())),
        _ => {
            // Most lengths stand near the front.
            let near = payload.len().min(if random.r#gen() { 60 } else { usize::MAX });
            for _ in 0..random.gen_range(1..4) {
                if near > 0 {
                    payload[random.gen_range(0..near)] = *[0, 1, 0xff, random.r#gen()].choose(random).unwrap();
                }
            }
        }
    }
    payload
}
