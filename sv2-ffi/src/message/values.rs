//! The values that messages are made of, as C sees them.

use std::ffi::c_char;

use sv2_core::wire::{List, U256};

/// Bytes that somebody else owns. `{NULL, 0}` is empty.
///
/// In a message that was decoded they point into the memory it was decoded from. In one to be encoded they are the
/// caller's, and needed only during the call. A NULL with any length reads as empty.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_bytes {
    /// The first byte, or NULL.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// A string that somebody else owns: not NUL-terminated, usually UTF-8, but a peer may send any bytes. Lifetimes as
/// those of sv2_bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_str {
    /// The first byte, or NULL.
    pub data: *const c_char,
    /// How many bytes there are.
    pub len: usize,
}

/// A 256-bit unsigned integer: 32 bytes, little-endian, as hashes and targets stand on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sv2_u256 {
    /// Least significant byte first.
    pub bytes: [u8; 32],
}

/// A U32 that may be absent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_option_u32 {
    /// 0 if it is absent, anything else if it is there.
    pub present: u8,
    /// The value, if it is there.
    pub value: u32,
}

/// A list of U256. All lists have the same form for decoding and encoding: an array.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_u256_list {
    /// The first element, or NULL. When decoded, it points into the payload.
    pub items: *const sv2_u256,
    /// How many there are.
    pub count: usize,
}

/// A list of U16.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_u16_list {
    /// The first element, or NULL. When decoded, it points into memory of the decoder or connection, since lists stand
    /// unaligned on the wire; it lives as long as the message.
    pub items: *const u16,
    /// How many there are.
    pub count: usize,
}

/// A list of U32.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_u32_list {
    /// The first element, or NULL. When decoded, it points into memory of the decoder or connection, since lists stand
    /// unaligned on the wire; it lives as long as the message.
    pub items: *const u32,
    /// How many there are.
    pub count: usize,
}

/// A list of byte strings: transactions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_bytes_list {
    /// The first element, or NULL. When decoded, this index is memory of the decoder or connection and the bytes
    /// themselves are in the payload; both live as long as the message.
    pub items: *const sv2_bytes,
    /// How many there are.
    pub count: usize,
}

impl sv2_bytes {
    pub(crate) const EMPTY: Self = Self { data: std::ptr::null(), len: 0 };

    #[inline]
    pub(crate) fn borrow(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// As [`Self::borrow`], but nothing is `{NULL, 0}`.
    #[inline]
    pub(crate) fn borrow_or_null(bytes: &[u8]) -> Self {
        if bytes.is_empty() { Self::EMPTY } else { Self::borrow(bytes) }
    }

    /// # Safety
    /// `data` is NULL or valid for reading `len` bytes for as long as the result is used.
    #[inline]
    pub(crate) unsafe fn as_slice<'a>(&self) -> &'a [u8] {
        unsafe { slice(self.data, self.len) }
    }
}

impl sv2_str {
    #[inline]
    pub(crate) fn borrow(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr().cast(), len: bytes.len() }
    }

    /// # Safety
    /// As [`sv2_bytes::as_slice`].
    #[inline]
    pub(crate) unsafe fn as_slice<'a>(&self) -> &'a [u8] {
        unsafe { slice(self.data.cast(), self.len) }
    }
}

impl sv2_option_u32 {
    pub(crate) fn get(self) -> Option<u32> {
        (self.present != 0).then_some(self.value)
    }
}

impl From<Option<u32>> for sv2_option_u32 {
    #[inline]
    fn from(value: Option<u32>) -> Self {
        Self { present: value.is_some().into(), value: value.unwrap_or(0) }
    }
}

impl sv2_u256_list {
    /// A U256 is 32 bytes without alignment, on the wire as in C: the list is its own array.
    #[inline]
    pub(crate) fn borrow(list: List<'_, U256>) -> Self {
        match list {
            List::Wire { bytes, count } => Self { items: bytes.as_ptr().cast(), count },
            List::Items(items) => Self { items: items.as_ptr().cast(), count: items.len() },
        }
    }

    /// # Safety
    /// As [`sv2_bytes::as_slice`]. [`U256`] and [`sv2_u256`] have the same layout: 32 bytes and nothing else.
    #[inline]
    pub(crate) unsafe fn as_slice<'a>(&self) -> &'a [U256] {
        unsafe { slice(self.items.cast(), self.count) }
    }
}

impl sv2_u16_list {
    /// # Safety
    /// As [`sv2_bytes::as_slice`].
    pub(crate) unsafe fn as_slice<'a>(&self) -> &'a [u16] {
        unsafe { slice(self.items, self.count) }
    }
}

impl sv2_u32_list {
    /// # Safety
    /// As [`sv2_bytes::as_slice`].
    pub(super) unsafe fn as_slice<'a>(&self) -> &'a [u32] {
        unsafe { slice(self.items, self.count) }
    }
}

impl sv2_bytes_list {
    /// # Safety
    /// As [`sv2_bytes::as_slice`], for the list and for every element.
    pub(crate) unsafe fn slices<'a>(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        unsafe { slice(self.items, self.count) }.iter().map(|item| unsafe { item.as_slice() })
    }
}

/// # Safety
/// `data` is NULL or aligned and valid for reading `len` elements for as long as the result is used. If `len` is 0, it may be
/// anything.
#[inline]
pub(crate) unsafe fn slice<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if data.is_null() || len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, len) } }
}

/// # Safety
/// `data` is NULL or valid for writing `len` bytes for as long as the result is used; they need not hold anything that matters.
/// A length that no memory has, meant as "enough", is as good as the greatest there is.
#[inline]
pub(crate) unsafe fn slice_mut<'a>(data: *mut u8, len: usize) -> &'a mut [u8] {
    let len = len.min(isize::MAX as usize);
    if data.is_null() || len == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(data, len) } }
}
