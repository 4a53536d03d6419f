//! The codec, message by message: payloads are made from the shapes, so that no message can be forgotten.

use sv2_core::frame::{self, Frame, FrameError, Header};
use sv2_core::message::*;
use sv2_core::wire::{DecodeErrorKind, EncodeError, FieldKind, List, Shape, Str, U256};

/// A small deterministic generator (xorshift64*): tests need variety, not quality.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 16) as usize % n
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.roll() >> 24) as u8).collect()
    }
}

/// A length prefix of `width` bytes and what it counts.
fn prefixed(len: usize, width: usize, body: Vec<u8>) -> Vec<u8> {
    [len.to_le_bytes()[..width].to_vec(), body].concat()
}

/// A random field in canonical form.
fn field(kind: FieldKind, dice: &mut Dice) -> Vec<u8> {
    use FieldKind::*;
    let mut counted = |below: usize, width: usize, size: usize| {
        let len = dice.below(below);
        prefixed(len, width, dice.bytes(size * len))
    };
    match kind {
        B0_32 => counted(33, 1, 1),
        STR0_255 | B0_255 => counted(256, 1, 1),
        B0_64K => counted(3000, 2, 1),
        OPTION_U32 => counted(2, 1, 4),
        SEQ0_255_U256 => counted(256, 1, 32),
        SEQ0_64K_U16 => counted(300, 2, 2),
        SEQ0_64K_U32 => counted(300, 2, 4),
        SEQ0_64K_U256 => counted(300, 2, 32),
        SEQ0_64K_B0_16M => {
            let len = dice.below(20);
            let items = (0..len).flat_map(|_| {
                let size = dice.below(400);
                prefixed(size, 3, dice.bytes(size))
            });
            let items = items.collect();
            prefixed(len, 2, items)
        }
        BOOL => vec![dice.below(2) as u8],
        F32 => (dice.roll() as f32).to_le_bytes().to_vec(),
        U8 | U16 | U32 | U64 | U256 => dice.bytes(kind.min_len()),
    }
}

/// A random payload and where each of its fields begins.
fn payload(shape: &Shape, dice: &mut Dice) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for f in shape.fields {
        starts.push(bytes.len());
        bytes.extend(field(f.kind, dice));
    }
    (bytes, starts)
}

#[test]
fn there_are_as_many_messages_as_in_the_specification() {
    assert_eq!(SHAPES.len(), 5 + 3 + 21 + 8 + 7);
    assert!(SHAPES.windows(2).all(|pair| pair[0].tag < pair[1].tag));
    assert_eq!(shape(0x1a).unwrap().name, "SubmitSharesStandard");
    assert_eq!(shape(0x1e), None);
    assert_eq!(shape(tag(0x8001, 0x02)).unwrap().name, "RequestExtensions.Error");
}

#[test]
fn every_message_is_decoded_and_encoded_to_the_same_bytes() {
    let mut dice = Dice(1);
    for shape in SHAPES {
        for _ in 0..50 {
            let (bytes, _) = payload(shape, &mut dice);
            let message = Message::decode(shape.tag, &bytes).unwrap();
            assert_eq!(message.tag(), shape.tag);
            let mut out = vec![0xaa; bytes.len() + 3];
            assert_eq!(message.encode(&mut out), Ok(bytes.len()), "{}", shape.name);
            assert_eq!(out[..bytes.len()], bytes, "{}", shape.name);
            assert_eq!(out[bytes.len()..], [0xaa; 3], "{} wrote past its end", shape.name);
            let mut seen = Vec::new();
            message.visit(&mut |field, _| seen.push(field.name));
            assert_eq!(seen, shape.fields.iter().map(|f| f.name).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_payload_that_ends_early_names_the_field_and_where_it_begins() {
    let mut dice = Dice(2);
    for shape in SHAPES {
        let (bytes, starts) = payload(shape, &mut dice);
        let cuts: Vec<usize> = match bytes.len() {
            len @ ..3000 => (0..len).collect(),
            len => (0..1000).map(|_| dice.below(len)).collect(),
        };
        for cut in cuts {
            let error = Message::decode(shape.tag, &bytes[..cut]).unwrap_err();
            let field = starts.iter().rposition(|start| *start <= cut).unwrap();
            assert_eq!(error.message, shape.name);
            assert_eq!(error.field, shape.fields[field].name, "{} cut at {cut}", shape.name);
            assert_eq!(error.offset, starts[field], "{} cut at {cut}", shape.name);
            assert_eq!(error.kind, DecodeErrorKind::Truncated);
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_told_how_much_is_needed() {
    let mut dice = Dice(3);
    for shape in SHAPES {
        let (bytes, _) = payload(shape, &mut dice);
        let message = Message::decode(shape.tag, &bytes).unwrap();
        for len in [0, bytes.len() / 2, bytes.len() - 1] {
            let needed = bytes.len();
            assert_eq!(
                message.encode(&mut vec![0; len]),
                Err(EncodeError::BufferTooSmall { needed }),
                "{}",
                shape.name
            );
        }
    }
}

#[test]
fn bytes_after_the_last_field_are_ignored() {
    let mut dice = Dice(4);
    for shape in SHAPES {
        let (mut bytes, _) = payload(shape, &mut dice);
        let len = bytes.len();
        bytes.extend(b"trailing");
        let message = Message::decode(shape.tag, &bytes).unwrap();
        assert_eq!(message, Message::decode(shape.tag, &bytes[..len]).unwrap());
    }
}

#[test]
fn the_high_bits_of_a_bool_mean_nothing() {
    let template = NewTemplate { future_template: true, ..Default::default() };
    let mut bytes = vec![0; template.encoded_len().unwrap()];
    template.encode(&mut bytes).unwrap();
    assert_eq!(bytes[8], 1);
    bytes[8] = 0xff;
    assert!(NewTemplate::decode(&bytes).unwrap().future_template);
    bytes[8] = 0xfe;
    assert!(!NewTemplate::decode(&bytes).unwrap().future_template);
}

#[test]
fn a_rate_is_finite_and_not_negative() {
    let mut bytes = [0; 40];
    let fine = [0.0, -0.0, 1e15, f32::MAX, f32::MIN_POSITIVE / 2.0];
    let wrong = [-1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    for rate in fine.into_iter().chain(wrong) {
        bytes[4..8].copy_from_slice(&f32::to_le_bytes(rate));
        let decoded = UpdateChannel::decode(&bytes);
        let message = UpdateChannel { nominal_hash_rate: rate, ..Default::default() };
        if fine.contains(&rate) {
            assert_eq!(decoded.unwrap().nominal_hash_rate, rate);
            assert_eq!(message.encoded_len(), Ok(40));
        } else {
            let error = decoded.unwrap_err();
            assert_eq!((error.field, error.offset, error.kind), ("nominal_hash_rate", 4, DecodeErrorKind::NotARate));
            let (message_name, field) = ("UpdateChannel", "nominal_hash_rate");
            assert_eq!(message.encoded_len(), Err(EncodeError::NotARate { message: message_name, field }));
        }
    }
}

#[test]
fn a_b0_32_has_at_most_32_bytes_and_an_option_at_most_one_value() {
    let mut bytes = [0; 64];
    bytes[24] = 33;
    let error = SubmitSharesExtended::decode(&bytes).unwrap_err();
    assert_eq!((error.field, error.offset), ("extranonce", 24));
    assert_eq!(error.kind, DecodeErrorKind::TooLong { len: 33, max: 32 });
    let text = "SubmitSharesExtended.extranonce at byte 24: length 33 where at most 32 is allowed";
    assert_eq!(error.to_string(), text);
    let too_long = SubmitSharesExtended { extranonce: &[0; 33], ..Default::default() };
    let (message, field) = ("SubmitSharesExtended", "extranonce");
    assert_eq!(too_long.encode(&mut [0; 100]), Err(EncodeError::TooLong { message, field }));

    let mut bytes = [0; 64];
    bytes[8] = 2;
    let error = NewMiningJob::decode(&bytes).unwrap_err();
    assert_eq!((error.field, error.kind), ("min_ntime", DecodeErrorKind::TooLong { len: 2, max: 1 }));
}

#[test]
fn values_longer_than_their_type_are_refused_when_encoding() {
    let long = [0; 0x1_0000];
    let paths = [U256::MAX; 256];
    let refuse = |result: Result<usize, EncodeError>, field: &str| match result {
        Err(EncodeError::TooLong { field: named, .. }) => assert_eq!(named, field),
        other => panic!("{field}: {other:?}"),
    };
    let reconnect = Reconnect { new_host: Str(&long[..256]), new_port: 1 };
    refuse(reconnect.encoded_len(), "new_host");
    refuse(SubmitSolution { coinbase_tx: &long, ..Default::default() }.encoded_len(), "coinbase_tx");
    refuse(NewTemplate { merkle_path: List::Items(&paths), ..Default::default() }.encoded_len(), "merkle_path");
    let ids = vec![0u32; 0x1_0000];
    refuse(SetGroupChannel { channel_ids: List::Items(&ids), ..Default::default() }.encoded_len(), "channel_ids");
    let big = vec![0; 1 << 24];
    let list = [&big[..]];
    let data = RequestTransactionDataSuccess { transaction_list: List::Items(&list), ..Default::default() };
    refuse(data.encoded_len(), "transaction_list");
}

#[test]
fn a_known_message_stands_on_the_wire_as_the_specification_says() {
    let share = SubmitSharesExtended {
        channel_id: 0x0403_0201,
        sequence_number: 5,
        job_id: 6,
        nonce: 0xdead_beef,
        ntime: 0x6000_0000,
        version: 0x2000_0000,
        extranonce: &[0xaa, 0xbb],
    };
    let mut out = [0; 64];
    let len = frame::encode(&share, &mut out).unwrap();
    let expected = "00801b1b0000 01020304 05000000 06000000 efbeadde 00000060 00000020 02aabb".replace(' ', "");
    let hex: String = out[..len].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, expected);
    let (frame, rest) = Frame::split(&out[..len + 2]).unwrap();
    assert_eq!(rest.len(), 2);
    assert!(frame.header.channel_msg());
    assert_eq!(frame.header.tag(), 0x1b);
    assert_eq!(SubmitSharesExtended::decode(frame.payload), Ok(share));
    for cut in 0..len {
        assert_eq!(Frame::split(&out[..cut]), None);
    }
}

#[test]
fn a_frame_says_how_much_room_it_needs() {
    let message = SetupConnectionError { flags: 3, error_code: "unsupported-feature-flags".into() };
    let needed = 6 + 4 + 1 + 25;
    for len in 0..needed {
        let error = frame::encode(&message, &mut vec![0; len]).unwrap_err();
        assert_eq!(error, FrameError::Encode(EncodeError::BufferTooSmall { needed }));
    }
    assert_eq!(frame::encode(&message, &mut vec![0; needed]), Ok(needed));
}

#[test]
fn a_payload_of_more_than_16_mib_does_not_fit_into_a_frame() {
    let half = vec![0; 1 << 23];
    let list = [&half[..], &half[..]];
    let data = RequestTransactionDataSuccess { transaction_list: List::Items(&list), ..Default::default() };
    let len = 8 + 2 + 2 + 2 * (3 + (1 << 23));
    assert_eq!(frame::encode(&data, &mut []), Err(FrameError::PayloadTooLong(len)));
    assert_eq!(frame::encode(&data, &mut vec![0; len + 6]), Err(FrameError::PayloadTooLong(len)));
    assert_eq!(Header::new(RequestTransactionData::SHAPE, 1 << 24), None);
}

#[test]
fn a_header_is_its_bytes_and_back() {
    for bytes in [[0x01, 0x80, 0x02, 0x03, 0x02, 0x01], [0xff; 6], [0; 6]] {
        assert_eq!(Header::from_bytes(&bytes).to_bytes(), bytes);
    }
    let header = Header::from_bytes(&[0x01, 0x80, 0x02, 0x03, 0x02, 0x01]);
    assert_eq!((header.extension_type, header.message_type, header.payload_len), (0x8001, 2, 0x010203));
    assert_eq!((header.tag(), header.channel_msg()), (0x0102, true));
}

#[test]
fn lists_read_alike_from_the_wire_and_from_an_array() {
    let items = [3u16, 1, 65535];
    let message = RequestExtensions { request_id: 9, requested_extensions: List::Items(&items) };
    let mut out = [0; 32];
    let len = message.encode(&mut out).unwrap();
    let decoded = RequestExtensions::decode(&out[..len]).unwrap();
    assert!(matches!(decoded.requested_extensions, List::Wire { count: 3, .. }));
    assert_eq!(decoded, message);
    assert_eq!(decoded.requested_extensions.iter().collect::<Vec<_>>(), items);
    assert_eq!(decoded.requested_extensions.iter().len(), 3);
}

#[test]
fn a_string_of_a_peer_is_escaped_when_printed() {
    assert_eq!(Str(b"a\x1b[31m\n\"\xff").to_string(), r#"a\x1b[31m\n\"\xff"#);
    assert_eq!(Str(b"plain").to_str(), Some("plain"));
    assert_eq!(Str(b"\xff").to_str(), None);
}

/// The table of spec 8, and that of extension 0x0001: type, channel_msg bit, name.
const MESSAGE_TYPES: [(u32, bool, &str); 44] = [
    (0x00, false, "SetupConnection"),
    (0x01, false, "SetupConnection.Success"),
    (0x02, false, "SetupConnection.Error"),
    (0x03, true, "ChannelEndpointChanged"),
    (0x04, false, "Reconnect"),
    (0x10, false, "OpenStandardMiningChannel"),
    (0x11, false, "OpenStandardMiningChannel.Success"),
    (0x12, false, "OpenMiningChannel.Error"),
    (0x13, false, "OpenExtendedMiningChannel"),
    (0x14, false, "OpenExtendedMiningChannel.Success"),
    (0x15, true, "NewMiningJob"),
    (0x16, true, "UpdateChannel"),
    (0x17, true, "UpdateChannel.Error"),
    (0x18, true, "CloseChannel"),
    (0x19, true, "SetExtranoncePrefix"),
    (0x1a, true, "SubmitSharesStandard"),
    (0x1b, true, "SubmitSharesExtended"),
    (0x1c, true, "SubmitShares.Success"),
    (0x1d, true, "SubmitShares.Error"),
    (0x1f, true, "NewExtendedMiningJob"),
    (0x20, true, "SetNewPrevHash"),
    (0x21, true, "SetTarget"),
    (0x22, true, "SetCustomMiningJob"),
    (0x23, true, "SetCustomMiningJob.Success"),
    (0x24, true, "SetCustomMiningJob.Error"),
    (0x25, false, "SetGroupChannel"),
    (0x50, false, "AllocateMiningJobToken"),
    (0x51, false, "AllocateMiningJobToken.Success"),
    (0x55, false, "ProvideMissingTransactions"),
    (0x56, false, "ProvideMissingTransactions.Success"),
    (0x57, false, "DeclareMiningJob"),
    (0x58, false, "DeclareMiningJob.Success"),
    (0x59, false, "DeclareMiningJob.Error"),
    (0x60, false, "PushSolution"),
    (0x70, false, "CoinbaseOutputConstraints"),
    (0x71, false, "NewTemplate"),
    (0x72, false, "SetNewPrevHash"),
    (0x73, false, "RequestTransactionData"),
    (0x74, false, "RequestTransactionData.Success"),
    (0x75, false, "RequestTransactionData.Error"),
    (0x76, false, "SubmitSolution"),
    (0x100, false, "RequestExtensions"),
    (0x101, false, "RequestExtensions.Success"),
    (0x102, false, "RequestExtensions.Error"),
];

#[test]
fn types_names_and_channel_bits_are_those_of_the_specification() {
    let ours: Vec<_> = SHAPES.iter().map(|shape| (shape.tag, shape.channel_msg, shape.name)).collect();
    assert_eq!(ours, MESSAGE_TYPES);
}
