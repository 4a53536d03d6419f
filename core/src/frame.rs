//! The 6-byte frame header and the splitting of a byte stream into frames (spec 3.2).
//!
//! This is the plain form. Over Noise the header and the payload are sealed separately: see [`crate::connection`].

use core::fmt;

use crate::message::{CHANNEL_MSG, Payload, tag};
use crate::wire::{EncodeError, Shape};

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 6;
/// The longest payload a frame can have, in bytes.
pub const MAX_PAYLOAD_LEN: usize = (1 << 24) - 1;

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The extension that defined the message, with the channel_msg bit.
    pub extension_type: u16,
    /// The message within the extension.
    pub message_type: u8,
    /// Bytes of the payload, at most [`MAX_PAYLOAD_LEN`].
    pub payload_len: usize,
}

impl Header {
    /// The header of a message with this shape and a payload of `payload_len` bytes, if that is not too long.
    #[inline]
    pub fn new(shape: &Shape, payload_len: usize) -> Option<Self> {
        let [message_type, low, high, _] = shape.tag.to_le_bytes();
        let channel_msg = if shape.channel_msg { CHANNEL_MSG } else { 0 };
        let extension_type = u16::from_le_bytes([low, high]) | channel_msg;
        (payload_len <= MAX_PAYLOAD_LEN).then_some(Self { extension_type, message_type, payload_len })
    }

    /// Reads a header.
    #[inline]
    pub const fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let [a, b, message_type, l, m, h] = *bytes;
        let payload_len = u32::from_le_bytes([l, m, h, 0]) as usize;
        Self { extension_type: u16::from_le_bytes([a, b]), message_type, payload_len }
    }

    /// Writes the header.
    #[inline]
    pub const fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [a, b] = self.extension_type.to_le_bytes();
        let len = (self.payload_len as u32).to_le_bytes();
        [a, b, self.message_type, len[0], len[1], len[2]]
    }

    /// The message's tag: `extension_type << 8 | message_type`, without the channel_msg bit.
    #[inline]
    pub const fn tag(&self) -> u32 {
        tag(self.extension_type, self.message_type)
    }

    /// Whether the channel_msg bit is set: the message is for the endpoint of the channel that the payload's first four
    /// bytes name (spec 3.2.1).
    #[inline]
    pub const fn channel_msg(&self) -> bool {
        self.extension_type & CHANNEL_MSG != 0
    }
}

/// One frame: its header and its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: Header,
    /// `header.payload_len` bytes.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes one frame off the front of `stream`: the frame and what follows it, or `None` while bytes are missing.
    #[inline]
    pub fn split(stream: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = stream.split_first_chunk::<HEADER_LEN>()?;
        let header = Header::from_bytes(header);
        let (payload, rest) = rest.split_at_checked(header.payload_len)?;
        Some((Self { header, payload }, rest))
    }
}

/// A message that cannot be put into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Its payload cannot be encoded, or `out` is too small; `needed` counts the whole frame.
    Encode(EncodeError),
    /// Its payload has more than [`MAX_PAYLOAD_LEN`] bytes.
    PayloadTooLong(usize),
    /// The bytes are not exactly one frame.
    NotAFrame,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => error.fmt(f),
            Self::PayloadTooLong(len) => write!(f, "a payload of {len} bytes does not fit into a frame"),
            Self::NotAFrame => f.write_str("the bytes are not exactly one frame"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Writes a whole frame, header and payload, into `out` and says how long it is.
pub fn encode<'a>(message: &impl Payload<'a>, out: &mut [u8]) -> Result<usize, FrameError> {
    encode_with(shape_of(message), out, |payload| message.encode(payload))
}

/// Writes a whole frame whose payload `encode` writes.
pub fn encode_with(
    shape: &Shape,
    out: &mut [u8],
    encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<usize, FrameError> {
    let (header, payload) = match out.split_first_chunk_mut::<HEADER_LEN>() {
        Some((header, payload)) => (Some(header), payload),
        None => (None, &mut [][..]),
    };
    let payload_len = match encode(payload) {
        Ok(len) => len,
        Err(EncodeError::BufferTooSmall { needed }) if needed <= MAX_PAYLOAD_LEN => {
            return Err(FrameError::Encode(EncodeError::BufferTooSmall { needed: HEADER_LEN + needed }));
        }
        Err(EncodeError::BufferTooSmall { needed }) => return Err(FrameError::PayloadTooLong(needed)),
        Err(error) => return Err(FrameError::Encode(error)),
    };
    let known = Header::new(shape, payload_len).ok_or(FrameError::PayloadTooLong(payload_len))?;
    let needed = HEADER_LEN + payload_len;
    *header.ok_or(FrameError::Encode(EncodeError::BufferTooSmall { needed }))? = known.to_bytes();
    Ok(needed)
}

const fn shape_of<'a, M: Payload<'a>>(_: &M) -> &'static Shape {
    M::SHAPE
}
