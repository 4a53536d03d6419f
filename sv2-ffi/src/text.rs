//! Strings out: error texts that an object keeps, and strings written into a buffer of the caller.

use std::ffi::{CStr, c_char};
use std::fmt::{Display, Write};

use crate::{SV2_BUFFER_TOO_SMALL, SV2_OK, sv2_status};

/// The sentence that explains an object's last error, as C wants it: NUL-terminated, and without any NUL inside.
#[derive(Default)]
pub(crate) struct ErrorText(Vec<u8>);

impl ErrorText {
    /// Remembers `error`. What a peer sent is escaped by the `Display` of core's types; control characters are replaced
    /// all the same.
    #[cold]
    pub(crate) fn set(&mut self, error: impl Display) {
        self.0.clear();
        self.0.extend(error.to_string().bytes().map(|byte| if byte.is_ascii_control() { b'?' } else { byte }));
        self.0.push(0);
    }

    /// The text, valid until the next [`ErrorText::set`]; empty if there was no error.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        CStr::from_bytes_with_nul(&self.0).unwrap_or(c"").as_ptr()
    }
}

/// Writes `text` and a NUL into `out`. `*len` becomes the length of the text without the NUL, also if it does not fit;
/// into NULL nothing fits.
///
/// # Safety
/// `out` is valid for writing `capacity` bytes or NULL, `len` for writing or NULL.
pub(crate) unsafe fn write_text(text: impl Display, out: *mut c_char, capacity: usize, len: *mut usize) -> sv2_status {
    let mut buffer = String::new();
    if write!(buffer, "{text}").is_err() {
        return crate::SV2_ERROR_INTERNAL;
    }
    if let Some(len) = unsafe { len.as_mut() } {
        *len = buffer.len();
    }
    if out.is_null() || capacity <= buffer.len() {
        return SV2_BUFFER_TOO_SMALL;
    }
    // The source and `out` cannot overlap: `buffer` was allocated just now.
    unsafe {
        out.cast::<u8>().copy_from_nonoverlapping(buffer.as_ptr(), buffer.len());
        out.add(buffer.len()).write(0);
    }
    SV2_OK
}
