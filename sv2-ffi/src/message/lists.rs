//! Memory for lists that cannot be read where they stand on the wire. It is used again for the next message.

use sv2_core::wire::{DecodeError, List, Reader};

use super::values::*;

/// The arrays behind the lists of one decoded message.
#[derive(Default)]
pub(crate) struct Lists {
    // RequestExtensions.Error has two lists of U16; no message has more.
    u16s: [Vec<u16>; 2],
    u32s: Vec<u32>,
    bytes: Vec<sv2_bytes>,
}

// The pointers in `bytes` are never read here: they are an index handed to C, which may move it between threads together
// with the memory they point into.
unsafe impl Send for Lists {}

impl Lists {
    /// Gives all memory back.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }

    /// Indexes byte strings as they stand on the wire.
    pub(crate) fn bytes(&mut self, list: List<'_, &[u8]>) -> sv2_bytes_list {
        let items = &mut self.bytes;
        items.clear();
        items.extend(list.iter().map(sv2_bytes::borrow));
        sv2_bytes_list { items: items.as_ptr(), count: items.len() }
    }

    pub(super) fn u16s(&mut self, slot: usize, list: List<'_, u16>) -> sv2_u16_list {
        let Some(items) = self.u16s.get_mut(slot) else { return sv2_u16_list { items: std::ptr::null(), count: 0 } };
        items.clear();
        items.extend(list);
        sv2_u16_list { items: items.as_ptr(), count: items.len() }
    }

    pub(super) fn u32s(&mut self, list: List<'_, u32>) -> sv2_u32_list {
        self.u32s.clear();
        self.u32s.extend(list);
        sv2_u32_list { items: self.u32s.as_ptr(), count: self.u32s.len() }
    }

    /// Indexes the elements in the same walk that checks them.
    #[inline]
    pub(super) fn transactions(&mut self, r: &mut Reader<'_>, field: usize) -> Result<sv2_bytes_list, DecodeError> {
        let items = &mut self.bytes;
        items.clear();
        r.seq0_64k_b0_16m(field, |element| items.push(sv2_bytes::borrow(element)))?;
        Ok(sv2_bytes_list { items: items.as_ptr(), count: items.len() })
    }
}
