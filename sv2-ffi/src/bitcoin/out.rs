//! Results of unknown length, into memory of the caller.

use crate::{SV2_BUFFER_TOO_SMALL, SV2_OK, sv2_status};

/// An array of the caller that is filled from the front. What does not fit is only counted.
pub(super) struct Out<T> {
    items: *mut T,
    capacity: usize,
    count: usize,
}

impl<T: Copy> Out<T> {
    /// # Safety
    /// `items` is NULL or valid for writing `capacity` elements while this lives, and nothing appended overlaps it.
    pub(super) unsafe fn new(items: *mut T, capacity: usize) -> Self {
        Self { items, capacity: if items.is_null() { 0 } else { capacity }, count: 0 }
    }

    pub(super) fn append(&mut self, items: &[T]) {
        let end = self.count.saturating_add(items.len());
        if end <= self.capacity && !items.is_empty() {
            // In bounds by the comparison, and not NULL, which has no capacity.
            unsafe { self.items.add(self.count).copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        }
        self.count = end;
    }

    /// Writes how many there are, or would be: SV2_OK if all of them fitted, else SV2_BUFFER_TOO_SMALL.
    ///
    /// # Safety
    /// `count` is valid for writing.
    pub(super) unsafe fn finish(self, count: *mut usize) -> sv2_status {
        unsafe { count.write(self.count) };
        if self.count <= self.capacity { SV2_OK } else { SV2_BUFFER_TOO_SMALL }
    }
}

/// Copies a whole result at once, see [`Out`].
///
/// # Safety
/// As [`Out::new`] and [`Out::finish`].
pub(crate) unsafe fn write_all<T: Copy>(from: &[T], items: *mut T, capacity: usize, count: *mut usize) -> sv2_status {
    let mut out = unsafe { Out::new(items, capacity) };
    out.append(from);
    unsafe { out.finish(count) }
}
