//! Every message of the specification, both directions.
//!
//! The structs, their codec, [`Message`] and the constants are generated from `core/protocol.toml`; what they have in
//! common is here. Decoding borrows from the payload. Encoding writes into a buffer of the caller, and an empty buffer
//! asks how much room is needed.
//!
//! ```
//! use sv2_core::message::{Payload, SetTarget};
//! use sv2_core::wire::U256;
//!
//! let message = SetTarget { channel_id: 7, maximum_target: U256::MAX };
//! let mut payload = [0; 64];
//! let len = message.encode(&mut payload)?;
//! assert_eq!(len, 36);
//! assert_eq!(SetTarget::decode(&payload[..len]).unwrap().channel_id, 7);
//! # Ok::<(), sv2_core::wire::EncodeError>(())
//! ```

mod any;
mod common;
mod constants;
mod extensions_negotiation;
mod job_declaration;
mod mining;
mod template_distribution;
pub mod tlv;
mod value;

pub use any::{Message, SHAPES, shape};
pub use common::*;
pub use constants::*;
pub use extensions_negotiation::*;
pub use job_declaration::*;
pub use mining::*;
pub use template_distribution::*;
pub use value::Value;

use crate::wire::{DecodeError, EncodeError, Field, Reader, Shape, Writer};

/// What a message's struct can do.
pub trait Payload<'a>: Sized {
    /// The message's name, tag and fields.
    const SHAPE: &'static Shape;

    /// Reads the fields at the cursor.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Writes the fields at the cursor.
    fn write(&self, writer: &mut Writer<'_>);

    /// Shows every field, in the order of the wire.
    fn visit(&self, see: &mut dyn FnMut(&'static Field, Value<'_>));

    /// Decodes a payload. Bytes after the last field are ignored; who wants them uses [`Payload::read`] and
    /// [`Reader::rest`], see [`tlv`].
    #[inline]
    fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(Self::SHAPE, payload))
    }

    /// Writes the payload into `out` and says how long it is; if `out` is too small, the error says how much it must
    /// hold.
    #[inline]
    fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(Self::SHAPE, out);
        self.write(&mut writer);
        writer.finish()
    }

    /// How long the payload is.
    fn encoded_len(&self) -> Result<usize, EncodeError> {
        match self.encode(&mut []) {
            Err(EncodeError::BufferTooSmall { needed }) => Ok(needed),
            other => other,
        }
    }
}

/// A message this library does not know: its payload as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// `extension_type << 8 | message_type`, without the channel_msg bit.
    pub tag: u32,
    /// The payload.
    pub payload: &'a [u8],
}

impl Unknown<'_> {
    /// Writes the payload into `out` and says how long it is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let needed = self.payload.len();
        out.get_mut(..needed).ok_or(EncodeError::BufferTooSmall { needed })?.copy_from_slice(self.payload);
        Ok(needed)
    }
}

/// The channel_msg bit of a frame's extension_type (spec 3.2.1).
pub const CHANNEL_MSG: u16 = 0x8000;

/// The tag of a message: `extension_type << 8 | message_type`, without the channel_msg bit.
#[inline]
pub const fn tag(extension_type: u16, message_type: u8) -> u32 {
    ((extension_type & !CHANNEL_MSG) as u32) << 8 | message_type as u32
}
