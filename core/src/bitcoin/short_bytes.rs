//! A few bytes on the stack, where their number is known only at run time.

use core::fmt;
use core::ops::Deref;

/// At most `N` bytes (`N` below 256), without allocation. Dereferences to the bytes.
#[derive(Clone, Copy)]
pub struct ShortBytes<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> ShortBytes<N> {
    pub(crate) const fn new() -> Self {
        assert!(N < 256, "the length is kept in a byte");
        Self { bytes: [0; N], len: 0 }
    }

    /// Appends a byte. One past `N` is dropped; callers choose `N` so that there is none.
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(free) = self.bytes.get_mut(usize::from(self.len)) {
            *free = byte;
            self.len += 1;
        }
    }

    /// Appends bytes, under the rule of `push`.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.push(byte));
    }
}

impl<const N: usize> From<&[u8]> for ShortBytes<N> {
    /// The first `N` of these bytes.
    fn from(bytes: &[u8]) -> Self {
        let mut short = Self::new();
        short.extend(bytes);
        short
    }
}

impl<const N: usize> Default for ShortBytes<N> {
    /// No bytes.
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for ShortBytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for ShortBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<const N: usize> PartialEq for ShortBytes<N> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<const N: usize> Eq for ShortBytes<N> {}
