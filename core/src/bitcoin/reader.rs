//! A cursor over serialized Bitcoin data that knows where it stands.

use super::error::{Error, ErrorKind};

/// The bytes still unread, and the offset of the first of them.
#[derive(Clone, Copy, Debug)]
// Public in a private module, as is the trait of `list` that names it.
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An error about `field`, which begins here.
    pub(super) const fn error(&self, kind: ErrorKind, field: &'static str) -> Error {
        Error { kind, field, offset: self.offset }
    }

    /// What was read since `earlier`, a copy of this reader from then.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let len = self.offset.saturating_sub(earlier.offset);
        Self { rest: earlier.rest.get(..len).unwrap_or_default(), offset: earlier.offset }
    }

    pub(super) fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(self.error(ErrorKind::UnexpectedEnd, field))?;
        self.rest = rest;
        self.offset += len;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(self.error(ErrorKind::UnexpectedEnd, field))?;
        self.rest = rest;
        self.offset += N;
        Ok(array)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Error> {
        self.array(field).map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub(super) fn compact_size(&mut self, field: &'static str) -> Result<u64, Error> {
        let start = *self;
        let (value, smallest) = match self.array(field)? {
            [0xff] => (self.u64(field), 0x1_0000_0000),
            [0xfe] => (self.u32(field).map(u64::from), 0x1_0000),
            [0xfd] => (self.array(field).map(|two| u64::from(u16::from_le_bytes(*two))), 0xfd),
            [byte] => return Ok(u64::from(*byte)),
        };
        match value {
            Ok(value) if value >= smallest => Ok(value),
            Ok(_) => Err(start.error(ErrorKind::NonMinimalCompactSize, field)),
            Err(_) => Err(start.error(ErrorKind::UnexpectedEnd, field)),
        }
    }

    /// A count of elements of at least `min_size` bytes each, refused if what is left cannot hold them.
    pub(super) fn count(&mut self, min_size: usize, field: &'static str) -> Result<usize, Error> {
        let start = *self;
        let count = self.compact_size(field)?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len() / min_size.max(1))
            .ok_or(start.error(ErrorKind::UnexpectedEnd, field))
    }

    /// Bytes with their length before them: a script, a witness item.
    pub(super) fn sized_bytes(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let len = self.count(1, field)?;
        self.bytes(len, field)
    }

    /// Everything must have been read.
    pub(super) fn finish(&self, what: &'static str) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(ErrorKind::TrailingBytes, what)) }
    }
}
