//! Sequences: borrowed from the wire when decoded, from the caller's array when encoded.

use core::fmt;

use super::types::U256;

/// What can stand in a sequence.
pub trait Element<'a>: Copy + PartialEq + fmt::Debug {
    /// Takes one element off the front of checked wire bytes; `None` at their end.
    fn split(wire: &'a [u8]) -> Option<(Self, &'a [u8])>;
    /// Bytes on the wire, or `None` if the element is too long for its type.
    fn encoded_len(&self) -> Option<usize>;
    /// Hands the element's bytes to `put`, in order.
    fn for_each_part(&self, put: &mut dyn FnMut(&[u8]));
}

/// A sequence of a message.
///
/// Decoding gives [`List::Wire`], whose elements were checked when the message was decoded. For encoding, give
/// [`List::Items`].
#[derive(Clone, Copy)]
pub enum List<'a, T> {
    /// As it stands on the wire, without the count.
    Wire {
        /// The elements' bytes.
        bytes: &'a [u8],
        /// How many elements they hold.
        count: usize,
    },
    /// An array of the caller.
    Items(&'a [T]),
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Wire { count, .. } => *count,
            Self::Items(items) => items.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> ListIter<'a, T> {
        ListIter(*self)
    }
}

/// The elements of a [`List`], in order.
#[derive(Clone, Debug)]
pub struct ListIter<'a, T: Element<'a>>(List<'a, T>);

impl<'a, T: Element<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            List::Wire { bytes, count } => {
                let (item, rest) = T::split(bytes)?;
                *bytes = rest;
                *count = count.saturating_sub(1);
                Some(item)
            }
            List::Items(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(*first)
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for ListIter<'a, T> {}

impl<'a, T: Element<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self::Items(&[])
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self::Items(items)
    }
}

/// Two lists are equal when their elements are, whatever form they have.
impl<'a, T: Element<'a>> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a>> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

macro_rules! integer_element {
    ($int:ty, $len:literal) => {
        impl<'a> Element<'a> for $int {
            fn split(wire: &'a [u8]) -> Option<(Self, &'a [u8])> {
                let (bytes, rest) = wire.split_first_chunk::<$len>()?;
                Some((<$int>::from_le_bytes(*bytes), rest))
            }
            fn encoded_len(&self) -> Option<usize> {
                Some($len)
            }
            fn for_each_part(&self, put: &mut dyn FnMut(&[u8])) {
                put(&self.to_le_bytes());
            }
        }
    };
}
integer_element!(u16, 2);
integer_element!(u32, 4);

impl<'a> Element<'a> for U256 {
    fn split(wire: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (bytes, rest) = wire.split_first_chunk::<32>()?;
        Some((U256(*bytes), rest))
    }
    fn encoded_len(&self) -> Option<usize> {
        Some(32)
    }
    fn for_each_part(&self, put: &mut dyn FnMut(&[u8])) {
        put(&self.0);
    }
}

/// B0_16M: a transaction.
impl<'a> Element<'a> for &'a [u8] {
    fn split(wire: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (prefix, rest) = wire.split_first_chunk::<3>()?;
        rest.split_at_checked(u24(*prefix))
    }
    fn encoded_len(&self) -> Option<usize> {
        (self.len() < 1 << 24).then_some(3 + self.len())
    }
    fn for_each_part(&self, put: &mut dyn FnMut(&[u8])) {
        let [a, b, c, ..] = self.len().to_le_bytes();
        put(&[a, b, c]);
        put(self);
    }
}

/// A U24 as a length.
pub(super) const fn u24(bytes: [u8; 3]) -> usize {
    bytes[0] as usize | (bytes[1] as usize) << 8 | (bytes[2] as usize) << 16
}
