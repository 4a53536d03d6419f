//! Versions: of the library, and of its ABI.

use std::ffi::{CStr, c_char};

/// The version of the ABI. It changes whenever a program that was linked before must be compiled again.
pub const SV2_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the linked library, such as "0.1.0"; compare it with SV2_VERSION, that of the header. Static.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The ABI version of the linked library; it must equal SV2_ABI_VERSION of the header.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_abi_version() -> u32 {
    SV2_ABI_VERSION
}
