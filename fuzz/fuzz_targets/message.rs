//! Any bytes as any message: what is accepted encodes to something that decodes to the same, and what was canonical encodes
//! to the same bytes. The C structs must agree with core's on all of it.
#![no_main]

use std::ptr::null_mut;

use libfuzzer_sys::fuzz_target;
use sv2::*;
use sv2_core::message::{Message, SHAPES};

fuzz_target!(|data: &[u8]| {
    let Some((&[which, high], payload)) = data.split_first_chunk::<2>() else { return };
    // One in 256 is no message that is known.
    let tag = SHAPES.get(usize::from(which) % 64).map_or(u32::from(high) << 8 | 0xee, |shape| shape.tag);
    let decoded = Message::decode(tag, payload);

    let mut once = vec![0; payload.len() + 16];
    if let Ok(message) = decoded {
        let len = message.encode(&mut once).expect("what was decoded can be encoded");
        assert!(len <= payload.len(), "no longer than it was");
        once.truncate(len);
        let again = Message::decode(tag, &once).expect("what was encoded can be decoded");
        assert_eq!(again, message);
        let mut twice = vec![0; len];
        assert_eq!(again.encode(&mut twice), Ok(len));
        assert_eq!(once, twice);
    }

    unsafe {
        let mut decoder = null_mut();
        assert_eq!(sv2_decoder_new(&mut decoder), SV2_OK);
        let frame = sv2_frame {
            extension_type: (tag >> 8) as u16,
            message_type: tag as u8,
            reserved: 0,
            payload: sv2_bytes { data: payload.as_ptr(), len: payload.len() },
            len: 0,
        };
        let mut message = std::mem::zeroed();
        let status = sv2_decoder_decode(decoder, &frame, &mut message);
        assert_eq!(status == SV2_OK, decoded.is_ok());
        if status == SV2_OK {
            let mut wire = vec![0; payload.len() + 6];
            let mut len = 0;
            assert_eq!(sv2_message_encode(&message, wire.as_mut_ptr(), wire.len(), &mut len), SV2_OK);
            let known = sv2_core::message::shape(tag).is_some();
            let fields = if known { len - 6 - message.trailing.len } else { len - 6 };
            assert_eq!(wire[6..6 + fields], once[..], "C and Rust write the same");
        }
        sv2_decoder_free(decoder);
    }
});
