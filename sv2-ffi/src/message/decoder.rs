//! Frames and messages out of bytes, without a connection.

use std::ffi::c_char;

use sv2_core::frame::{Frame, Header};

use super::{Lists, decode_frame, sv2_bytes, sv2_message};
use crate::boundary::{Object, enter, enter_status, fence, fenced, free, hand_out};
use crate::text::ErrorText;
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_MALFORMED, SV2_ERROR_NULL, SV2_NEED_INPUT, SV2_OK, sv2_status};

/// One frame in a stream of bytes: header and payload (spec 3.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_frame {
    /// The extension that defined the message, with the channel_msg bit, 0x8000.
    pub extension_type: u16,
    /// The message within the extension.
    pub message_type: u8,
    /// Zero.
    pub reserved: u8,
    /// The payload; it points into the stream.
    pub payload: sv2_bytes,
    /// Bytes of the whole frame: where the next one begins.
    pub len: usize,
}

/// Finds the frame at the front of `stream`.
///
/// Returns SV2_OK, or SV2_NEED_INPUT while bytes are missing. `frame->payload` borrows from `stream`.
///
/// # Safety
/// `stream` is readable, `frame` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_frame_split(stream: sv2_bytes, frame: *mut sv2_frame) -> sv2_status {
    if frame.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let stream = unsafe { stream.as_slice() };
        let Some((found, rest)) = Frame::split(stream) else { return SV2_NEED_INPUT };
        let found = sv2_frame {
            extension_type: found.header.extension_type,
            message_type: found.header.message_type,
            reserved: 0,
            payload: sv2_bytes::borrow(found.payload),
            len: stream.len() - rest.len(),
        };
        unsafe { frame.write(found) };
        SV2_OK
    })
}

/// Decodes messages: it holds the memory for their lists, and the text of the last error.
///
/// A connection has one of its own; this is for bytes that come from elsewhere.
pub struct sv2_decoder {
    poisoned: bool,
    lists: Lists,
    error: ErrorText,
}

impl Object for sv2_decoder {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a decoder; free it with sv2_decoder_free.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_decoder_new(out: *mut *mut sv2_decoder) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let decoder = sv2_decoder { poisoned: false, lists: Lists::default(), error: ErrorText::default() };
        unsafe { hand_out(out, decoder) }
    })
}

/// Decodes the message in `frame` into `*message`.
///
/// Returns SV2_OK also for a message this library does not know, see sv2_message. Returns SV2_ERROR_MALFORMED if the
/// payload is not the message it claims to be; sv2_decoder_error then names the message, the field and the offset.
///
/// `*message` borrows from the frame's payload, and its lists from the decoder until its next call.
///
/// # Safety
/// `decoder` is a live decoder, the frame's payload is readable, `message` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_decoder_decode(
    decoder: *mut sv2_decoder,
    frame: *const sv2_frame,
    message: *mut sv2_message,
) -> sv2_status {
    if frame.is_null() || message.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |decoder: &mut sv2_decoder| {
        let frame = unsafe { &*frame };
        let payload = unsafe { frame.payload.as_slice() };
        if payload.len() > sv2_core::frame::MAX_PAYLOAD_LEN {
            decoder.error.set("the payload is longer than a frame can be");
            return SV2_ERROR_ARGUMENT;
        }
        let (extension_type, message_type) = (frame.extension_type, frame.message_type);
        let header = Header { extension_type, message_type, payload_len: payload.len() };
        match unsafe { decode_frame(&Frame { header, payload }, &mut decoder.lists, message) } {
            Ok(()) => SV2_OK,
            Err(error) => {
                decoder.error.set(error);
                SV2_ERROR_MALFORMED
            }
        }
    };
    unsafe { enter_status(decoder, body) }
}

/// What went wrong in the last call that failed: a sentence, never NULL, valid until the decoder's next call.
///
/// # Safety
/// `decoder` is a live decoder or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_decoder_error(decoder: *mut sv2_decoder) -> *const c_char {
    unsafe { enter(decoder, c"".as_ptr(), c"an error in the library".as_ptr(), |decoder| decoder.error.as_ptr()) }
}

/// Frees a decoder, and with it the lists of the last message. NULL is allowed.
///
/// # Safety
/// `decoder` is a live decoder or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_decoder_free(decoder: *mut sv2_decoder) {
    fence((), || unsafe { free(decoder) });
}
