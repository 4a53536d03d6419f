//! Bytes that were received and not yet used up.

use alloc::vec::Vec;
use core::ops::Range;

/// A buffer whose bytes from `start` to `end` are unread. Those before `start` may still be lent out.
#[derive(Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    lent: bool,
    /// Where the bytes stand that were lent out last.
    last: Range<usize>,
    /// The buffer stays when nothing is in it.
    kept: bool,
}

impl Input {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Reserves `len` bytes, which stay. False if there is not so much memory.
    pub(super) fn keep(&mut self, len: usize) -> bool {
        let missing = len.saturating_sub(self.buffer.len());
        let reserved = self.buffer.try_reserve_exact(missing).is_ok();
        if reserved {
            self.buffer.resize(self.buffer.len() + missing, 0);
            self.kept = true;
        }
        reserved
    }

    /// What [`Input::take`] lent out last, until the next bytes are looked at or made room for.
    pub(super) fn last(&self) -> &[u8] {
        self.buffer.get(self.last.clone()).unwrap_or_default()
    }

    /// The unread bytes. Whatever was lent out is returned with that.
    #[inline]
    pub(super) fn unread(&mut self) -> &mut [u8] {
        self.lent = false;
        self.buffer.get_mut(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Lends out a range of the unread bytes, `used` of which are read now.
    #[inline]
    pub(super) fn take(&mut self, range: Range<usize>, used: usize) -> &[u8] {
        let from = self.start;
        self.consume(used);
        self.lent = true;
        self.last = from.saturating_add(range.start)..from.saturating_add(range.end).min(self.start);
        self.last()
    }

    /// At least `at_least` bytes behind the unread ones, lent out; none if there is not so much memory.
    #[inline]
    pub(super) fn room(&mut self, at_least: usize) -> &mut [u8] {
        self.move_to_front();
        let missing = self.end.saturating_add(at_least).saturating_sub(self.buffer.len());
        if missing > 0 {
            if self.buffer.try_reserve(missing).is_err() {
                return &mut [];
            }
            self.buffer.resize(self.buffer.len() + missing, 0);
        }
        self.lent = true;
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn received(&mut self, n: usize) -> bool {
        self.lent = false;
        let fits = n <= self.buffer.len() - self.end;
        if fits {
            self.end += n;
        }
        fits
    }

    /// False, and nothing is kept, if there is not so much memory.
    #[must_use]
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.room(bytes.len()).get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.end += bytes.len();
        self.lent = false;
        true
    }

    /// Whatever was lent out is returned.
    #[inline]
    pub(super) fn take_back(&mut self) {
        self.lent = false;
    }

    /// Moves the unread bytes, the beginning of a frame at most, to the front of the buffer.
    #[inline]
    fn move_to_front(&mut self) {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Gives the memory back, with what is unread in it, unless somebody may still look at it or read into it.
    pub(super) fn release_unless_lent(&mut self) {
        if !self.lent {
            *self = Self::default();
        }
    }

    /// Gives the memory back if nothing is in it that anybody needs.
    pub(super) fn release_if_idle(&mut self) {
        if self.is_empty() && !self.kept {
            self.release_unless_lent();
        }
    }
}
