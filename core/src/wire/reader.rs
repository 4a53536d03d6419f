//! The cursor that decodes.

use core::fmt;

use super::list::{Element, List, u24};
use super::shape::{FieldKind, Shape};
use super::types::U256;

/// A bounds-checked cursor over one message's payload.
///
/// Every method takes the index of the field it reads in the message's [`Shape`]; only an error looks at it.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    shape: &'static Shape,
    rest: &'a [u8],
    len: usize,
}

/// Bytes that are not the message they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The message, by its name in the specification.
    pub message: &'static str,
    /// The field that could not be read.
    pub field: &'static str,
    /// Where that field begins, in bytes from the start of the payload.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The payload ends inside the field.
    Truncated,
    /// The length prefix is greater than the type allows.
    TooLong {
        /// The prefix.
        len: usize,
        /// The greatest length of the type.
        max: usize,
    },
    /// A rate is negative, infinite or not a number.
    NotARate,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} at byte {}: ", self.message, self.field, self.offset)?;
        match self.kind {
            DecodeErrorKind::Truncated => f.write_str("the payload ends inside the field"),
            DecodeErrorKind::TooLong { len, max } => write!(f, "length {len} where at most {max} is allowed"),
            DecodeErrorKind::NotARate => f.write_str("not a finite, non-negative number"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl<'a> Reader<'a> {
    /// A cursor at the start of `payload`, which should hold the message that `shape` describes.
    #[inline]
    pub const fn new(shape: &'static Shape, payload: &'a [u8]) -> Self {
        Self { shape, rest: payload, len: payload.len() }
    }

    /// What has not been read: after the last field, TLVs or bytes to ignore (spec 3.4.3).
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// `N` bytes: a run of fixed-size fields that begins with `field`.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, field: usize) -> Result<&'a [u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.truncated_run(field)),
        }
    }

    /// A B0_32.
    #[inline]
    pub fn b0_32(&mut self, field: usize) -> Result<&'a [u8], DecodeError> {
        if let Some(&len) = self.rest.first() {
            if len > 32 {
                return Err(self.fail(field, DecodeErrorKind::TooLong { len: len.into(), max: 32 }));
            }
        }
        self.b0_255(field)
    }

    /// A B0_255 or STR0_255.
    #[inline]
    pub fn b0_255(&mut self, field: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.rest.split_first().and_then(|(&len, rest)| rest.split_at_checked(len.into()));
        self.take(field, taken)
    }

    /// A B0_64K.
    #[inline]
    pub fn b0_64k(&mut self, field: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.prefix16().and_then(|(len, rest)| rest.split_at_checked(len));
        self.take(field, taken)
    }

    /// An `OPTION[U32]`.
    #[inline]
    pub fn option_u32(&mut self, field: usize) -> Result<Option<u32>, DecodeError> {
        match self.rest {
            [0, rest @ ..] => {
                self.rest = rest;
                Ok(None)
            }
            [1, a, b, c, d, rest @ ..] => {
                self.rest = rest;
                Ok(Some(u32::from_le_bytes([*a, *b, *c, *d])))
            }
            [] | [1, ..] => Err(self.fail(field, DecodeErrorKind::Truncated)),
            [len, ..] => Err(self.fail(field, DecodeErrorKind::TooLong { len: (*len).into(), max: 1 })),
        }
    }

    /// A SEQ0_255[U256]: the elements' bytes, 32 each.
    #[inline]
    pub fn seq0_255_u256(&mut self, field: usize) -> Result<List<'a, U256>, DecodeError> {
        let count = self.rest.first().copied().unwrap_or(0).into();
        let taken = self.rest.split_first().and_then(|(_, rest)| rest.split_at_checked(32 * count));
        Ok(List::Wire { bytes: self.take(field, taken)?, count })
    }

    /// A SEQ0_64K of elements of `SIZE` bytes each.
    #[inline]
    pub fn seq0_64k<T: Element<'a>, const SIZE: usize>(&mut self, field: usize) -> Result<List<'a, T>, DecodeError> {
        let Some((count, rest)) = self.prefix16() else {
            return Err(self.fail(field, DecodeErrorKind::Truncated));
        };
        Ok(List::Wire { bytes: self.take(field, rest.split_at_checked(SIZE * count))?, count })
    }

    /// A `SEQ0_64K[B0_16M]`. Each element is shown to `each` while the list is checked, so that whoever wants an index
    /// of the elements gets it from the same walk.
    #[inline]
    pub fn seq0_64k_b0_16m(
        &mut self,
        field: usize,
        mut each: impl FnMut(&'a [u8]),
    ) -> Result<List<'a, &'a [u8]>, DecodeError> {
        let Some((count, elements)) = self.prefix16() else {
            return Err(self.fail(field, DecodeErrorKind::Truncated));
        };
        let mut rest = elements;
        for _ in 0..count {
            let Some((len, after)) = prefix24(rest) else {
                return Err(self.fail(field, DecodeErrorKind::Truncated));
            };
            let Some((element, after)) = after.split_at_checked(len) else {
                return Err(self.fail(field, DecodeErrorKind::Truncated));
            };
            each(element);
            rest = after;
        }
        let taken = elements.split_at_checked(elements.len() - rest.len());
        Ok(List::Wire { bytes: self.take(field, taken)?, count })
    }

    /// An F32 that is a rate, from its bits.
    #[inline]
    pub fn rate(&self, field: usize, bits: [u8; 4]) -> Result<f32, DecodeError> {
        let rate = f32::from_le_bytes(bits);
        // Minus zero is let through: it is a zero.
        if rate.is_finite() && rate >= 0.0 { Ok(rate) } else { Err(self.not_a_rate(field)) }
    }

    /// A U16 prefix and what follows it.
    #[inline]
    fn prefix16(&self) -> Option<(usize, &'a [u8])> {
        let (prefix, rest) = self.rest.split_first_chunk::<2>()?;
        Some((u16::from_le_bytes(*prefix).into(), rest))
    }

    #[inline]
    fn take(&mut self, field: usize, taken: Option<(&'a [u8], &'a [u8])>) -> Result<&'a [u8], DecodeError> {
        match taken {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.fail(field, DecodeErrorKind::Truncated)),
        }
    }

    #[cold]
    fn fail(&self, field: usize, kind: DecodeErrorKind) -> DecodeError {
        self.error(field, self.len - self.rest.len(), kind)
    }

    /// A run of fixed-size fields did not fit: finds the first that did not.
    #[cold]
    fn truncated_run(&self, first: usize) -> DecodeError {
        let mut left = self.rest.len();
        let mut field = first;
        while let Some(known) = self.shape.fields.get(field) {
            if known.kind.min_len() > left {
                break;
            }
            left -= known.kind.min_len();
            field += 1;
        }
        self.error(field, self.len - left, DecodeErrorKind::Truncated)
    }

    /// The run of fixed-size fields was already taken, up to the next U256 or variable field (as `tools/generate` cuts
    /// them): the offset is reckoned backwards from its end.
    #[cold]
    fn not_a_rate(&self, field: usize) -> DecodeError {
        let end = self.len - self.rest.len();
        let run = self.shape.fields.get(field..).unwrap_or(&[]);
        let fixed = run
            .iter()
            .take_while(|f| f.kind.is_fixed() && f.kind != FieldKind::U256)
            .map(|f| f.kind.min_len())
            .sum::<usize>();
        self.error(field, end.saturating_sub(fixed), DecodeErrorKind::NotARate)
    }

    fn error(&self, field: usize, offset: usize, kind: DecodeErrorKind) -> DecodeError {
        let field = self.shape.fields.get(field).map_or("end", |f| f.name);
        DecodeError { message: self.shape.name, field, offset, kind }
    }
}

/// A U24 prefix and what follows it.
///
/// Where each element of a list begins is known only when the length before it was read: the fewer steps that takes, the faster
/// the list is walked. One load of four bytes, where there are as many, is fewer than two.
#[inline]
fn prefix24(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (prefix, after) = bytes.split_first_chunk::<3>()?;
    let len = match bytes.first_chunk::<4>() {
        Some(prefix) => u32::from_le_bytes(*prefix) as usize & 0xff_ffff,
        None => u24(*prefix),
    };
    Some((len, after))
}
