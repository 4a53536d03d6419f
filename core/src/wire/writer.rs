//! The cursor that encodes.

use core::fmt;

use super::list::{Element, List};
use super::shape::Shape;

/// Fills a buffer with one message's payload, or, without a buffer, reckons how long it would be.
///
/// The first field that does not fit its type is remembered; nothing after it counts.
#[derive(Debug)]
pub struct Writer<'a> {
    shape: &'static Shape,
    out: &'a mut [u8],
    len: usize,
    field: usize,
    error: Option<EncodeError>,
}

/// A message that cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The buffer is too small; nothing in it is of use.
    BufferTooSmall {
        /// How many bytes the message needs.
        needed: usize,
    },
    /// A value is longer than its type allows.
    TooLong {
        /// The message, by its name in the specification.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A rate is negative, infinite or not a number.
    NotARate {
        /// The message, by its name in the specification.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => write!(f, "the buffer is too small: {needed} bytes are needed"),
            Self::TooLong { message, field } => write!(f, "{message}.{field} is longer than its type allows"),
            Self::NotARate { message, field } => write!(f, "{message}.{field} is not a finite, non-negative number"),
        }
    }
}

impl core::error::Error for EncodeError {}

impl<'a> Writer<'a> {
    /// A cursor at the start of `out`.
    #[inline]
    pub fn new(shape: &'static Shape, out: &'a mut [u8]) -> Self {
        Self { shape, out, len: 0, field: 0, error: None }
    }

    /// How long the payload is, or why it cannot be encoded.
    #[inline]
    pub fn finish(self) -> Result<usize, EncodeError> {
        match self.error {
            Some(error) => Err(error),
            None if self.len > self.out.len() => Err(EncodeError::BufferTooSmall { needed: self.len }),
            None => Ok(self.len),
        }
    }

    /// A fixed-size field, in its bytes.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(to) = self.out.get_mut(self.len..).and_then(|out| out.first_chunk_mut::<N>()) {
            *to = bytes;
        }
        self.len += N;
        self.field += 1;
    }

    /// An F32 that is a rate.
    #[inline]
    pub fn rate(&mut self, rate: f32) {
        if !(rate.is_finite() && rate >= 0.0) {
            let (message, field) = self.place();
            self.error.get_or_insert(EncodeError::NotARate { message, field });
        }
        self.fixed(rate.to_le_bytes());
    }

    /// A B0_32.
    #[inline]
    pub fn b0_32(&mut self, bytes: &[u8]) {
        self.prefixed::<1>(bytes, 32);
    }

    /// A B0_255 or STR0_255.
    #[inline]
    pub fn b0_255(&mut self, bytes: &[u8]) {
        self.prefixed::<1>(bytes, 0xff);
    }

    /// A B0_64K.
    #[inline]
    pub fn b0_64k(&mut self, bytes: &[u8]) {
        self.prefixed::<2>(bytes, 0xffff);
    }

    /// An `OPTION[U32]`.
    #[inline]
    pub fn option_u32(&mut self, value: Option<u32>) {
        match value {
            None => self.fixed([0]),
            Some(value) => {
                let [a, b, c, d] = value.to_le_bytes();
                self.fixed([1, a, b, c, d]);
            }
        }
    }

    /// A SEQ0_255 of anything.
    #[inline]
    pub fn seq0_255<'e, T: Element<'e>>(&mut self, list: List<'e, T>) {
        self.list::<1, T>(list.iter(), 0xff);
    }

    /// A SEQ0_64K of anything.
    #[inline]
    pub fn seq0_64k<'e, T: Element<'e>>(&mut self, list: List<'e, T>) {
        self.list::<2, T>(list.iter(), 0xffff);
    }

    /// A SEQ0_64K whose elements come from an iterator.
    #[inline]
    pub fn seq0_64k_from<'e, T: Element<'e>>(&mut self, elements: impl ExactSizeIterator<Item = T>) {
        self.list::<2, T>(elements, 0xffff);
    }

    fn list<'e, const PREFIX: usize, T: Element<'e>>(&mut self, list: impl ExactSizeIterator<Item = T>, max: usize) {
        if list.len() > max {
            return self.too_long();
        }
        let count = list.len();
        self.prefix::<PREFIX>(count);
        let mut written = 0;
        for element in list {
            if element.encoded_len().is_none() {
                return self.too_long();
            }
            element.for_each_part(&mut |part| self.put(part));
            written += 1;
        }
        // A [`List::Wire`] that was not decoded may promise more than it has.
        if written != count {
            return self.too_long();
        }
        self.field += 1;
    }

    #[inline]
    fn prefixed<const PREFIX: usize>(&mut self, bytes: &[u8], max: usize) {
        if bytes.len() > max {
            return self.too_long();
        }
        self.prefix::<PREFIX>(bytes.len());
        self.put(bytes);
        self.field += 1;
    }

    /// The first bytes of a length, little-endian.
    #[inline]
    fn prefix<const PREFIX: usize>(&mut self, len: usize) {
        let bytes = len.to_le_bytes();
        if let Some(prefix) = bytes.first_chunk::<PREFIX>() {
            self.put(prefix);
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(to) = self.out.get_mut(self.len..).and_then(|out| out.get_mut(..bytes.len())) {
            to.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    #[cold]
    fn too_long(&mut self) {
        let (message, field) = self.place();
        self.error.get_or_insert(EncodeError::TooLong { message, field });
        self.field += 1;
    }

    fn place(&self) -> (&'static str, &'static str) {
        (self.shape.name, self.shape.fields.get(self.field).map_or("end", |field| field.name))
    }
}
