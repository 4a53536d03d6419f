//! TLV fields: what extensions append to a message (spec 3.4.3).
//!
//! ```text
//! extension_type U16 | field_type U8 | length U16 | value
//! ```
//!
//! The specification's only example is big-endian; deployed software writes little-endian. Reading accepts either, since the
//! type of the extension that is looked for tells which order the peer uses. Everything else is stepped over.

use core::fmt;

use super::{EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, TLV_USER_IDENTITY, TLV_USER_IDENTITY_MAX_LEN};
use crate::wire::Str;

/// Bytes before the value.
pub const HEADER_LEN: usize = 5;

/// The byte order of a TLV's type and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteOrder {
    /// As everything else in the protocol, and as deployed software does.
    #[default]
    Little,
    /// As in the example of spec 3.4.3.
    Big,
}

/// Which TLV is meant, and what the extension allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The extension, which must have been negotiated.
    pub extension_type: u16,
    /// The field within the extension.
    pub field_type: u8,
    /// The greatest length of the value, in bytes.
    pub max_len: usize,
}

/// The worker that found a share (extension 0x0002).
pub const USER_IDENTITY: Kind = Kind {
    extension_type: EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING,
    field_type: TLV_USER_IDENTITY,
    max_len: TLV_USER_IDENTITY_MAX_LEN,
};

/// Why a TLV makes its message invalid, or cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlvError {
    /// The value is longer than the extension allows.
    TooLong {
        /// Its length.
        len: usize,
        /// The extension's limit.
        max: usize,
    },
    /// The message ends inside the TLV.
    Truncated,
    /// The buffer is too small.
    BufferTooSmall {
        /// How many bytes the TLV needs.
        needed: usize,
    },
}

impl fmt::Display for TlvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => write!(f, "TLV of {len} bytes where at most {max} are allowed"),
            Self::Truncated => f.write_str("the message ends inside a TLV"),
            Self::BufferTooSmall { needed } => write!(f, "the buffer is too small: {needed} bytes are needed"),
        }
    }
}

impl core::error::Error for TlvError {}

/// Finds a TLV of a negotiated extension in what follows a message's last field.
///
/// `negotiated` are the types of all negotiated extensions; if that of `kind` is not among them, nothing is found. TLVs of
/// other extensions, negotiated or not, are stepped over. The bytes are walked once for each byte order, little-endian first.
/// Gives the value, or `None` if there is none.
pub fn find<'a>(trailing: &'a [u8], negotiated: &[u16], kind: Kind) -> Result<Option<&'a [u8]>, TlvError> {
    if !negotiated.contains(&kind.extension_type) {
        return Ok(None);
    }
    match find_in(ByteOrder::Little, trailing, kind) {
        Ok(None) => find_in(ByteOrder::Big, trailing, kind),
        found => found,
    }
}

/// One walk, as if everything were in this order. A length that leads past the end is no TLV of this order, unless the header is
/// the wanted one's.
fn find_in(order: ByteOrder, trailing: &[u8], kind: Kind) -> Result<Option<&[u8]>, TlvError> {
    let mut rest = trailing;
    while let Some((&[a, b, field_type, c, d], after)) = rest.split_first_chunk::<HEADER_LEN>() {
        let (extension_type, len) = match order {
            ByteOrder::Little => (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])),
            ByteOrder::Big => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        };
        let len = usize::from(len);
        let wanted = extension_type == kind.extension_type && field_type == kind.field_type;
        if wanted && len > kind.max_len {
            return Err(TlvError::TooLong { len, max: kind.max_len });
        }
        match after.split_at_checked(len) {
            Some((value, _)) if wanted => return Ok(Some(value)),
            Some((_, after)) => rest = after,
            None if wanted => return Err(TlvError::Truncated),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The worker's identity in what follows a SubmitSharesExtended, if extension 0x0002 is among those negotiated.
pub fn user_identity<'a>(trailing: &'a [u8], negotiated: &[u16]) -> Result<Option<Str<'a>>, TlvError> {
    Ok(find(trailing, negotiated, USER_IDENTITY)?.map(Str))
}

/// Writes a TLV into `out` and says how long it is.
pub fn write(out: &mut [u8], kind: Kind, value: &[u8], order: ByteOrder) -> Result<usize, TlvError> {
    let too_long = TlvError::TooLong { len: value.len(), max: kind.max_len };
    let len = u16::try_from(value.len()).ok().filter(|_| value.len() <= kind.max_len).ok_or(too_long)?;
    let needed = HEADER_LEN + value.len();
    let (header, to) = out
        .get_mut(..needed)
        .and_then(|out| out.split_first_chunk_mut::<HEADER_LEN>())
        .ok_or(TlvError::BufferTooSmall { needed })?;
    let ([a, b], [c, d]) = match order {
        ByteOrder::Little => (kind.extension_type.to_le_bytes(), len.to_le_bytes()),
        ByteOrder::Big => (kind.extension_type.to_be_bytes(), len.to_be_bytes()),
    };
    *header = [a, b, kind.field_type, c, d];
    to.copy_from_slice(value);
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGOTIATED: &[u16] = &[0x0002, 0x0007];

    #[test]
    fn the_example_of_the_specification_is_read() {
        let tlv = b"\x00\x02\x01\x00\x0aWorker_001";
        assert_eq!(user_identity(tlv, NEGOTIATED), Ok(Some(Str(b"Worker_001"))));
    }

    #[test]
    fn both_byte_orders_are_written_and_read() {
        for (order, header) in [(ByteOrder::Little, [2, 0, 1, 3, 0]), (ByteOrder::Big, [0, 2, 1, 0, 3])] {
            let mut out = [0; 8];
            assert_eq!(write(&mut out, USER_IDENTITY, b"abc", order), Ok(8));
            assert_eq!(out[..5], header);
            assert_eq!(user_identity(&out, NEGOTIATED), Ok(Some(Str(b"abc"))));
        }
    }

    #[test]
    fn a_tlv_that_was_not_negotiated_is_ignored() {
        assert_eq!(user_identity(b"\x02\x00\x01\x03\x00abc", &[]), Ok(None));
        assert_eq!(user_identity(b"\x02\x00\x01\x03\x00abc", &[7]), Ok(None));
        assert_eq!(user_identity(b"garbage", NEGOTIATED), Ok(None));
        assert_eq!(user_identity(b"", NEGOTIATED), Ok(None));
    }

    #[test]
    fn tlvs_of_other_negotiated_extensions_are_stepped_over() {
        assert_eq!(user_identity(b"\x07\x00\x01\x02\x00xx\x02\x00\x01\x01\x00w", NEGOTIATED), Ok(Some(Str(b"w"))));
        assert_eq!(user_identity(b"\x02\x00\x09\x02\x00xx\x02\x00\x01\x01\x00w", NEGOTIATED), Ok(Some(Str(b"w"))));
    }

    #[test]
    fn tlvs_that_were_not_negotiated_are_stepped_over() {
        assert_eq!(user_identity(b"\x03\x00\x01\x02\x00xx\x02\x00\x01\x01\x00w", &[2]), Ok(Some(Str(b"w"))));
        assert_eq!(user_identity(b"\x00\x03\x01\x00\x02xx\x00\x02\x01\x00\x01w", &[2]), Ok(Some(Str(b"w"))));
    }

    #[test]
    fn an_identity_of_more_than_32_bytes_makes_the_message_invalid() {
        let mut tlv = [b'w'; 5 + 33];
        tlv[..5].copy_from_slice(&[2, 0, 1, 33, 0]);
        assert_eq!(user_identity(&tlv, NEGOTIATED), Err(TlvError::TooLong { len: 33, max: 32 }));
        assert_eq!(
            write(&mut [0; 64], USER_IDENTITY, &[0; 33], ByteOrder::Little),
            Err(TlvError::TooLong { len: 33, max: 32 })
        );
        tlv[3] = 32;
        assert_eq!(user_identity(&tlv, NEGOTIATED), Ok(Some(Str(&[b'w'; 32]))));
        assert_eq!(user_identity(&tlv[..36], NEGOTIATED), Err(TlvError::Truncated));
    }
}
