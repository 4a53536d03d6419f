//! Lists of serialized elements, read in place.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::error::Error;
use super::reader::Reader;

/// Something that stands in lists of transactions and blocks.
pub trait Element<'a>: Sized {
    /// The least number of bytes that one takes: what bounds a count before anything is read.
    const MIN_SIZE: usize;
    /// What its count is called in errors.
    const COUNT: &'static str;

    /// Reads one.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error>;
}

/// An iterator over serialized elements: inputs, outputs, witness stacks and their items, transactions.
///
/// All elements were checked when the list was made; each is read again as it is asked for, so that a list costs no
/// memory, can be copied and gone through any number of times.
pub struct List<'a, T> {
    reader: Reader<'a>,
    left: usize,
    element: PhantomData<fn() -> T>,
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// Reads a count and walks over that many elements.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.count(T::MIN_SIZE, T::COUNT)?;
        Self::read_elements(reader, count)
    }

    /// Walks over `count` elements.
    pub(super) fn read_elements(reader: &mut Reader<'a>, count: usize) -> Result<Self, Error> {
        let start = *reader;
        for _ in 0..count {
            T::read(reader)?;
        }
        Ok(Self { reader: reader.since(&start), left: count, element: PhantomData })
    }
}

impl<'a, T> List<'a, T> {
    /// The elements not yet asked for as they are serialized, without their count.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.reader.rest()
    }
}

impl<'a, T: Element<'a>> Iterator for List<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        // Checked when the list was made: this cannot fail.
        T::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for List<'a, T> {}
impl<'a, T: Element<'a>> FusedIterator for List<'a, T> {}

// Written by hand: derived ones would ask the same of `T`.
impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.left == other.left && self.as_bytes() == other.as_bytes()
    }
}

impl<T> Eq for List<'_, T> {}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}
