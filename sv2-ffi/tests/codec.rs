//! The codec of the C ABI against core's: the same payloads are accepted, with the same values, and refused, for the same
//! reason. Payloads are made from the shapes, so that no message can be forgotten.

use std::ffi::CStr;
use std::fmt::Write;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use sv2::*;
use sv2_core::frame::{HEADER_LEN, Header};
use sv2_core::message::{Message, SHAPES};
use sv2_core::wire::{DecodeError, FieldKind, Shape};

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

/// A length prefix of `width` bytes and a body of so many elements of `size` bytes.
fn counted(dice: &mut Dice, below: usize, width: usize, size: usize) -> Vec<u8> {
    let len = dice.below(below);
    [len.to_le_bytes()[..width].to_vec(), dice.bytes(size * len)].concat()
}

/// A random field in canonical form.
fn field(kind: FieldKind, dice: &mut Dice) -> Vec<u8> {
    use FieldKind::*;
    match kind {
        B0_32 => counted(dice, 33, 1, 1),
        STR0_255 | B0_255 => counted(dice, 256, 1, 1),
        B0_64K => counted(dice, 3000, 2, 1),
        OPTION_U32 => counted(dice, 2, 1, 4),
        SEQ0_255_U256 => counted(dice, 256, 1, 32),
        SEQ0_64K_U16 => counted(dice, 300, 2, 2),
        SEQ0_64K_U32 => counted(dice, 300, 2, 4),
        SEQ0_64K_U256 => counted(dice, 300, 2, 32),
        SEQ0_64K_B0_16M => {
            let len = dice.below(20);
            let items = (0..len).flat_map(|_| counted(dice, 400, 3, 1)).collect();
            [len.to_le_bytes()[..2].to_vec(), items].concat()
        }
        BOOL => vec![dice.below(2) as u8],
        F32 => (dice.roll() as f32).to_le_bytes().to_vec(),
        U8 | U16 | U32 | U64 | U256 => dice.bytes(kind.min_len()),
    }
}

/// A random payload, and where its fields begin.
fn payload_and_starts(shape: &Shape, dice: &mut Dice) -> (Vec<u8>, Vec<usize>) {
    let (mut payload, mut starts) = (Vec::new(), Vec::new());
    for f in shape.fields {
        starts.push(payload.len());
        payload.extend(field(f.kind, dice));
    }
    (payload, starts)
}

fn payload(shape: &Shape, dice: &mut Dice) -> Vec<u8> {
    payload_and_starts(shape, dice).0
}

/// A decoder of the C ABI.
struct Decoder(*mut sv2_decoder);

impl Decoder {
    fn new() -> Self {
        let mut decoder = null_mut();
        assert_eq!(unsafe { sv2_decoder_new(&mut decoder) }, SV2_OK);
        Self(decoder)
    }

    /// The message, or the text of the error.
    fn decode(&mut self, tag: u32, payload: &[u8]) -> Result<sv2_message, String> {
        let [message_type, low, high, _] = tag.to_le_bytes();
        let frame = sv2_frame {
            extension_type: u16::from_le_bytes([low, high]),
            message_type,
            reserved: 0,
            payload: sv2_bytes { data: payload.as_ptr(), len: payload.len() },
            len: HEADER_LEN + payload.len(),
        };
        let mut message = MaybeUninit::<sv2_message>::uninit();
        match unsafe { sv2_decoder_decode(self.0, &frame, message.as_mut_ptr()) } {
            SV2_OK => Ok(unsafe { message.assume_init() }),
            SV2_ERROR_MALFORMED => Err(unsafe { CStr::from_ptr(sv2_decoder_error(self.0)) }.to_str().unwrap().into()),
            status => panic!("status {status}"),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        unsafe { sv2_decoder_free(self.0) };
    }
}

/// What sv2_message_encode writes.
fn encode(message: &sv2_message) -> Vec<u8> {
    let mut len = 0;
    assert_eq!(unsafe { sv2_message_encode(message, null_mut(), 0, &mut len) }, SV2_BUFFER_TOO_SMALL);
    let mut frame = vec![0xaa; len];
    assert_eq!(unsafe { sv2_message_encode(message, frame.as_mut_ptr(), len, &mut len) }, SV2_OK);
    assert_eq!(len, frame.len());
    frame
}

/// What sv2_message_text writes.
fn text(message: &sv2_message) -> String {
    let mut len = 0;
    assert_eq!(unsafe { sv2_message_text(message, null_mut(), 0, &mut len) }, SV2_BUFFER_TOO_SMALL);
    let mut text = vec![0u8; len + 1];
    assert_eq!(unsafe { sv2_message_text(message, text.as_mut_ptr().cast(), text.len(), null_mut()) }, SV2_OK);
    assert_eq!(text.pop(), Some(0));
    String::from_utf8(text).unwrap()
}

/// The same text, from core.
fn expected_text(shape: &Shape, message: &Message<'_>) -> String {
    let mut text = shape.name.to_string();
    message.visit(&mut |field, value| write!(text, "\n  {}: {value}", field.name).unwrap());
    text
}

/// Decodes with both; they must agree.
fn compare(decoder: &mut Decoder, shape: &Shape, payload: &[u8]) -> Result<(), DecodeError> {
    let core = Message::decode(shape.tag, payload);
    let ours = decoder.decode(shape.tag, payload);
    match (core, ours) {
        (Ok(core), Ok(ours)) => {
            assert_eq!(ours.r#type, shape.tag);
            assert_eq!(text(&ours), expected_text(shape, &core));
            let header = Header::new(shape, payload.len()).unwrap();
            let encoded = encode(&ours);
            assert_eq!(encoded[..HEADER_LEN], header.to_bytes());
            let mut canonical = vec![0; payload.len()];
            let fields_len = core.encode(&mut canonical).unwrap();
            canonical.truncate(fields_len);
            assert_eq!(encoded[HEADER_LEN..][..fields_len], canonical, "{}", shape.name);
            // What follows the fields is kept as it is.
            assert!(!ours.trailing.data.is_null());
            let trailing = unsafe { std::slice::from_raw_parts(ours.trailing.data, ours.trailing.len) };
            assert_eq!(encoded[HEADER_LEN + fields_len..], *trailing, "{}", shape.name);
            assert_eq!(payload[payload.len() - trailing.len()..], *trailing, "{}", shape.name);
            Ok(())
        }
        (Err(core), Err(ours)) => {
            assert_eq!(ours, core.to_string());
            Err(core)
        }
        (core, ours) => panic!("{}: {core:?} but {:?}", shape.name, ours.map(|message| text(&message))),
    }
}

#[test]
fn every_message_has_the_same_values_and_bytes() {
    let (mut decoder, mut dice) = (Decoder::new(), Dice(1));
    for shape in SHAPES {
        for _ in 0..20 {
            let payload = payload(shape, &mut dice);
            compare(&mut decoder, shape, &payload).unwrap();
            let message = decoder.decode(shape.tag, &payload).unwrap();
            assert_eq!(encode(&message)[HEADER_LEN..], payload, "{}", shape.name);
        }
    }
}

#[test]
fn every_message_keeps_what_follows_it() {
    let (mut decoder, mut dice) = (Decoder::new(), Dice(2));
    for shape in SHAPES {
        let payload = [payload(shape, &mut dice), b"trailing".to_vec()].concat();
        compare(&mut decoder, shape, &payload).unwrap();
        let message = decoder.decode(shape.tag, &payload).unwrap();
        assert_eq!(message.trailing.len, 8, "{}", shape.name);
    }
}

#[test]
fn every_message_cut_short_is_refused_in_the_same_words() {
    let (mut decoder, mut dice) = (Decoder::new(), Dice(3));
    for shape in SHAPES {
        let payload = payload(shape, &mut dice);
        for _ in 0..20 {
            let cut = dice.below(payload.len());
            // A CoinbaseOutputConstraints of old clients ends after its first field.
            let _ = compare(&mut decoder, shape, &payload[..cut]);
        }
        assert!(compare(&mut decoder, shape, &[]).is_err(), "{}", shape.name);
    }
}

#[test]
fn damaged_messages_are_accepted_or_refused_alike() {
    let (mut decoder, mut dice) = (Decoder::new(), Dice(4));
    let (mut accepted, mut refused) = (0, 0);
    for shape in SHAPES {
        for _ in 0..50 {
            let (mut payload, starts) = payload_and_starts(shape, &mut dice);
            for _ in 0..1 + dice.below(4) {
                // Where a field begins there is often a length.
                let at = if dice.below(2) == 0 { dice.below(payload.len()) } else { starts[dice.below(starts.len())] };
                payload[at] = dice.roll() as u8;
            }
            match compare(&mut decoder, shape, &payload) {
                Ok(()) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 200 && refused > 200, "{accepted} accepted, {refused} refused");
}
