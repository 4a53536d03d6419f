//! Messages into bytes, into text, and their names.

use std::ffi::c_char;
use std::fmt::{self, Display};

use sv2_core::frame::{FrameError, HEADER_LEN, Header, MAX_PAYLOAD_LEN};
use sv2_core::message::{CHANNEL_MSG, Message, Unknown, shape};
use sv2_core::wire::{EncodeError, Writer};

use super::values::slice_mut;
use super::{codec, sv2_message};
use crate::boundary::fenced;
use crate::text::write_text;
use crate::{SV2_BUFFER_TOO_SMALL, SV2_ERROR_ENCODE, SV2_ERROR_NULL, SV2_NOT_FOUND, SV2_OK, sv2_status};

/// Set in the `type` of a message to be encoded, it means: `payload` as it is, and the channel_msg bit of `extension_type`, also if
/// the type is one the library knows. For proxies that pass on what they do not look into, and for tests.
pub const SV2_MESSAGE_RAW: u32 = 0x0100_0000;

/// The greatest `type` a message can have: 15 bits of extension and 8 bits of message.
const MAX_TYPE: u32 = 0x7f_ffff;

/// Writes a whole frame, header and payload, into `out`; `*len` becomes its length.
///
/// Returns SV2_BUFFER_TOO_SMALL if `capacity` is too small: `*len` then says how much is needed, and nothing in `out` is of
/// use (`out` may be NULL with a capacity of 0 to ask). Returns SV2_ERROR_ENCODE if a value does not fit its type, a rate is
/// no number, the payload would have more than 2^24 - 1 bytes, or the type is none that a frame can have.
///
/// # Safety
/// `message` and what it points to are readable, `out` is writable for `capacity` bytes and overlaps none of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_message_encode(
    message: *const sv2_message,
    out: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if message.is_null() || len.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let message = unsafe { &*message };
        let out = unsafe { slice_mut(out, capacity) };
        let (status, written) = match unsafe { message.encode_frame(out) } {
            Ok(written) => (SV2_OK, written),
            Err(FrameError::Encode(EncodeError::BufferTooSmall { needed })) => (SV2_BUFFER_TOO_SMALL, needed),
            Err(_) => return SV2_ERROR_ENCODE,
        };
        unsafe { len.write(written) };
        status
    })
}

/// Writes the message as text, one field a line, `Name` first and then `  field: value`.
///
/// `*len` becomes the length without the final NUL, also if SV2_BUFFER_TOO_SMALL is returned; `len` may be NULL. Integers are
/// decimal, U256 is hex with the most significant digit first, other bytes are hex in the order of the wire; strings are
/// quoted, and everything in them that is not printable ASCII is escaped.
///
/// # Safety
/// As sv2_message_encode.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_message_text(
    message: *const sv2_message,
    out: *mut c_char,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if message.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let message = unsafe { &*message };
        let Ok(needed) = (unsafe { message.payload_len() }) else { return SV2_ERROR_ENCODE };
        let mut payload = vec![0; needed];
        if unsafe { message.encode_payload(&mut payload) }.is_err() {
            return SV2_ERROR_ENCODE;
        }
        match Message::decode(message.r#type, &payload) {
            Ok(decoded) => unsafe { write_text(Text(&decoded, &payload), out, capacity, len) },
            Err(_) => SV2_ERROR_ENCODE,
        }
    })
}

/// The name of a message type in the specification, such as "SetupConnection.Success", into `out` as a string.
///
/// `*len` becomes the length without the final NUL, also if SV2_BUFFER_TOO_SMALL is returned; `len` may be NULL. Returns
/// SV2_NOT_FOUND for a type this library does not know.
///
/// # Safety
/// `out` is writable for `capacity` bytes, `len` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_message_name(
    r#type: u32,
    out: *mut c_char,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    fenced(|| match shape(r#type) {
        Some(shape) => unsafe { write_text(shape.name, out, capacity, len) },
        None => SV2_NOT_FOUND,
    })
}

impl sv2_message {
    /// Writes the whole frame into `out` and says how long it is.
    ///
    /// # Safety
    /// The field of `as` that `type` names is set, and the pointers of the message are valid for their lengths.
    pub(crate) unsafe fn encode_frame(&self, out: &mut [u8]) -> Result<usize, FrameError> {
        let too_small = |needed| FrameError::Encode(EncodeError::BufferTooSmall { needed });
        let Some((header, payload)) = out.split_first_chunk_mut::<HEADER_LEN>() else {
            return Err(too_small(HEADER_LEN + unsafe { self.payload_len() }?));
        };
        match unsafe { self.encode_payload(payload) } {
            Ok(payload_len) => {
                *header = self.header(payload_len).to_bytes();
                Ok(HEADER_LEN + payload_len)
            }
            Err(FrameError::Encode(EncodeError::BufferTooSmall { needed })) => Err(too_small(HEADER_LEN + needed)),
            Err(error) => Err(error),
        }
    }

    /// How long the payload is.
    ///
    /// # Safety
    /// As [`sv2_message::encode_frame`].
    #[inline]
    pub(crate) unsafe fn payload_len(&self) -> Result<usize, FrameError> {
        match unsafe { self.encode_payload(&mut []) } {
            Err(FrameError::Encode(EncodeError::BufferTooSmall { needed })) => Ok(needed),
            other => other,
        }
    }

    /// Writes the payload, the fields and what is to follow them, into `out` and says how long it is.
    ///
    /// # Safety
    /// As [`sv2_message::encode_frame`].
    #[inline]
    pub(crate) unsafe fn encode_payload(&self, out: &mut [u8]) -> Result<usize, FrameError> {
        let (fields, behind) = unsafe {
            let raw = self.r#type & SV2_MESSAGE_RAW != 0;
            if self.r#type & !SV2_MESSAGE_RAW > MAX_TYPE {
                return Err(FrameError::NotAFrame);
            }
            let known = if raw { u32::MAX } else { self.r#type };
            let fields = match codec::encode(known, &self.r#as, |shape| Writer::new(shape, &mut *out)) {
                Some(writer) => writer.finish(),
                None => Unknown { tag: self.r#type, payload: self.payload.as_slice() }.encode(out),
            };
            (fields, self.trailing.as_slice())
        };
        let fields_len = match fields {
            Ok(len) | Err(EncodeError::BufferTooSmall { needed: len }) => len,
            Err(error) => return Err(FrameError::Encode(error)),
        };
        let needed = fields_len.saturating_add(behind.len());
        if needed > MAX_PAYLOAD_LEN {
            return Err(FrameError::PayloadTooLong(needed));
        }
        let too_small = FrameError::Encode(EncodeError::BufferTooSmall { needed });
        out.get_mut(fields_len..needed).ok_or(too_small)?.copy_from_slice(behind);
        Ok(needed)
    }

    /// The frame's header for a payload of this length.
    pub(crate) fn header(&self, payload_len: usize) -> Header {
        let [message_type, low, high, _] = self.r#type.to_le_bytes();
        // With SV2_MESSAGE_RAW it is no type that is known.
        let channel_msg = match shape(self.r#type) {
            Some(shape) if shape.channel_msg => CHANNEL_MSG,
            Some(_) => 0,
            None => self.extension_type & CHANNEL_MSG,
        };
        Header { extension_type: u16::from_le_bytes([low, high]) | channel_msg, message_type, payload_len }
    }
}

/// A message and its fields, one a line.
struct Text<'a>(&'a Message<'a>, &'a [u8]);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shape) = shape(self.0.tag()) else {
            write!(f, "Unknown message 0x{:04x}\n  payload: ", self.0.tag())?;
            return self.1.iter().try_for_each(|byte| write!(f, "{byte:02x}"));
        };
        f.write_str(shape.name)?;
        let mut result = Ok(());
        self.0.visit(&mut |field, value| {
            result = result.and_then(|()| write!(f, "\n  {}: {value}", field.name));
        });
        result
    }
}
