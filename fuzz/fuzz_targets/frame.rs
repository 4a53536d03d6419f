//! A stream of bytes is split into frames that, put together again, are the stream; TLVs are looked for in their payloads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::frame::Frame;
use sv2_core::message::tlv;

fuzz_target!(|data: &[u8]| {
    let (mut rest, mut joined) = (data, Vec::new());
    while let Some((frame, after)) = Frame::split(rest) {
        assert_eq!(frame.payload.len(), frame.header.payload_len);
        joined.extend(frame.header.to_bytes());
        joined.extend(frame.payload);
        rest = after;
        if let Ok(Some(identity)) = tlv::user_identity(frame.payload, &[1, 2]) {
            assert!(identity.0.len() <= 32);
        }
    }
    joined.extend(rest);
    assert_eq!(joined, data);
});
