//! Messages: decoding, encoding, names and text (spec 3, 5, 6, 7).

mod codec;
mod decoder;
mod encode;
mod lists;
mod structs;
mod tlv;
mod values;

pub use decoder::*;
pub use encode::*;
pub use structs::*;
pub use tlv::*;
pub use values::*;

pub(crate) use lists::Lists;
pub(crate) use values::{slice, slice_mut};

use sv2_core::frame::Frame;
use sv2_core::wire::DecodeError;

/// Any message of the protocol.
///
/// Which field of `as` counts follows from `type`. A message that was decoded borrows from the memory it was decoded from:
/// it is valid as long as the function that gave it says. To encode one, set `type`, the field of `as` that belongs to it
/// and, if TLVs follow, `trailing`; set everything else to zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_message {
    /// One of SV2_MESSAGE_*: `extension_type << 8 | message_type`, without the channel_msg bit. A type that is none of them
    /// is a message this library does not know; it has nothing but its payload.
    pub r#type: u32,
    /// The extension_type of the frame's header, with the channel_msg bit. To encode a message this library does not know,
    /// set it; for all others it is set right by itself.
    pub extension_type: u16,
    /// Zero.
    pub reserved: u16,
    /// The whole payload, as it was decoded. To encode a message this library does not know, set it.
    pub payload: sv2_bytes,
    /// What follows the last field: TLVs of extensions (spec 3.4.3), or bytes to ignore. To encode with TLVs, set it.
    pub trailing: sv2_bytes,
    /// The fields.
    pub r#as: sv2_message_as,
}

/// Decodes the payload of `frame` into `*to`, which is written only on success.
///
/// # Safety
/// `to` is valid for writing. It then borrows from the frame's payload and from `lists`.
#[inline]
pub(crate) unsafe fn decode_frame(
    frame: &Frame<'_>,
    lists: &mut Lists,
    to: *mut sv2_message,
) -> Result<(), DecodeError> {
    let tag = frame.header.tag();
    unsafe {
        let trailing = codec::decode(tag, frame.payload, lists, &raw mut (*to).r#as)?;
        (&raw mut (*to).r#type).write(tag);
        (&raw mut (*to).extension_type).write(frame.header.extension_type);
        (&raw mut (*to).reserved).write(0);
        (&raw mut (*to).payload).write(sv2_bytes::borrow(frame.payload));
        (&raw mut (*to).trailing).write(trailing.map_or(sv2_bytes::EMPTY, sv2_bytes::borrow));
    }
    Ok(())
}
