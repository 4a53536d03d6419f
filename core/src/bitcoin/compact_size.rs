//! CompactSize: Bitcoin's counts and lengths in 1, 3, 5 or 9 bytes.
//!
//! | value | bytes |
//! |---|---|
//! | up to 252 | the value |
//! | up to 0xffff | 0xfd, U16 |
//! | up to 0xffffffff | 0xfe, U32 |
//! | above | 0xff, U64 |
//!
//! Only the shortest form is valid, as in consensus serialization. A value is merely read here: whoever uses it as a
//! length compares it with the bytes at hand before anything else.

use super::error::Error;
use super::reader::Reader;
use super::short_bytes::ShortBytes;

/// Reads a CompactSize from the start of `bytes`: its value, and how many bytes it takes.
///
/// # Errors
/// `UnexpectedEnd`, or `NonMinimalCompactSize` where a shorter form exists.
pub fn read(bytes: &[u8]) -> Result<(u64, usize), Error> {
    let mut reader = Reader::new(bytes);
    let value = reader.compact_size("CompactSize")?;
    Ok((value, reader.offset()))
}

/// Writes a CompactSize: 1, 3, 5 or 9 bytes.
#[must_use]
pub fn write(value: u64) -> ShortBytes<9> {
    let mut bytes = ShortBytes::new();
    let [b0, b1, b2, b3, b4, b5, b6, b7] = value.to_le_bytes();
    match value {
        0..=0xfc => bytes.push(b0),
        0xfd..=0xffff => bytes.extend(&[0xfd, b0, b1]),
        0x1_0000..=0xffff_ffff => bytes.extend(&[0xfe, b0, b1, b2, b3]),
        _ => bytes.extend(&[0xff, b0, b1, b2, b3, b4, b5, b6, b7]),
    }
    bytes
}

/// How many bytes [`write()`] gives for `value`.
#[must_use]
pub const fn size(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// A length in memory as CompactSize.
pub(super) fn write_len(len: usize) -> ShortBytes<9> {
    // No platform's usize is wider than 64 bits.
    write(len as u64)
}
