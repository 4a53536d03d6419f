//! Option structs, and what several of them have in common.

use std::mem::{MaybeUninit, size_of};

use libc::{c_int, c_void, size_t};
use sv2_core::connection::Limits;
use sv2_core::{OutOfRandomness, Random, SystemRandom};

use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, sv2_status};

/// A struct of options: `repr(C)`, beginning with `struct_size: usize`.
///
/// # Safety
/// All bytes zero must be a valid value that means: everything as usual.
pub(crate) unsafe trait Options: Copy {}

/// Reads options that a caller compiled against an older or newer header may have made: what the caller's struct does not
/// have is as usual, what this library does not know must be zero.
///
/// # Safety
/// `options` is NULL or points to a readable struct that says its own size.
pub(crate) unsafe fn read_options<T: Options>(options: *const T) -> Result<T, sv2_status> {
    if options.is_null() {
        return Err(SV2_ERROR_NULL);
    }
    let theirs = unsafe { options.cast::<usize>().read() };
    if theirs < size_of::<usize>() || theirs > 1 << 16 {
        return Err(SV2_ERROR_ARGUMENT);
    }
    let ours = size_of::<T>();
    if theirs > ours {
        let extra = unsafe { std::slice::from_raw_parts(options.cast::<u8>().add(ours), theirs - ours) };
        if extra.iter().any(|byte| *byte != 0) {
            return Err(SV2_ERROR_ARGUMENT);
        }
    }
    let mut read = MaybeUninit::<T>::zeroed();
    unsafe {
        read.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(options.cast(), theirs.min(ours));
        Ok(read.assume_init())
    }
}

/// A source of cryptographically secure random bytes. With `fill` NULL it is the operating system's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_random {
    /// Fills `len` bytes entirely and returns 0; anything else is a failure. It may be called during any function of the
    /// object it was given to, from the thread of that call. It must call nothing of this object, and must not throw or jump out.
    pub fill: Option<unsafe extern "C" fn(user_data: *mut c_void, bytes: *mut u8, len: size_t) -> c_int>,
    /// Handed to `fill`. It must be usable from every thread the object is used from.
    pub user_data: *mut c_void,
}

// The pointer is only ever handed to `fill`; that it may be used from the object's thread is demanded above.
unsafe impl Send for sv2_random {}

impl Random for sv2_random {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        match self.fill {
            None => SystemRandom.fill(bytes),
            Some(fill) => match unsafe { fill(self.user_data, bytes.as_mut_ptr(), bytes.len()) } {
                0 => Ok(()),
                _ => Err(OutOfRandomness),
            },
        }
    }
}

/// The bounds of one connection. A zero means the usual value, which is given with each member.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_limits {
    /// Longest payload until SetupConnection was answered with success, in bytes: 2 KiB.
    pub max_payload_setup: usize,
    /// Longest payload of the Mining Protocol, in bytes: 1 MiB.
    pub max_payload_mining: usize,
    /// Longest payload a job declarator client receives, in bytes: 256 KiB.
    pub max_payload_declaration_client: usize,
    /// Longest payload a job declarator server receives, in bytes: 2^24 - 1.
    pub max_payload_declaration_server: usize,
    /// Longest payload a client of templates receives, in bytes: 2^24 - 1.
    pub max_payload_template_client: usize,
    /// Longest payload a template provider receives, in bytes: 66,000.
    pub max_payload_template_server: usize,
    /// Most bytes that wait to be sent: 32 MiB.
    pub max_output: usize,
    /// How long the handshake may take, in milliseconds: 10,000.
    pub handshake_timeout_ms: u64,
    /// Zero: room for limits of later versions, since this struct stands inside of others.
    pub reserved: [u64; 8],
}

impl sv2_limits {
    /// The limits of an engine, which has another usual value for the bytes that wait to be sent.
    pub(crate) fn with_usual_output(self, usual: usize) -> Limits {
        let max_output = if self.max_output == 0 { usual } else { self.max_output };
        Limits { max_output, ..self.into() }
    }
}

impl From<sv2_limits> for Limits {
    fn from(limits: sv2_limits) -> Self {
        let usual = Self::default();
        let or = |value, usual| if value == 0 { usual } else { value };
        Self {
            max_payload_setup: or(limits.max_payload_setup, usual.max_payload_setup),
            max_payload_mining: or(limits.max_payload_mining, usual.max_payload_mining),
            max_payload_declaration_client: or(
                limits.max_payload_declaration_client,
                usual.max_payload_declaration_client,
            ),
            max_payload_declaration_server: or(
                limits.max_payload_declaration_server,
                usual.max_payload_declaration_server,
            ),
            max_payload_template_client: or(limits.max_payload_template_client, usual.max_payload_template_client),
            max_payload_template_server: or(limits.max_payload_template_server, usual.max_payload_template_server),
            max_output: or(limits.max_output, usual.max_output),
            handshake_timeout_ms: match limits.handshake_timeout_ms {
                0 => usual.handshake_timeout_ms,
                timeout => timeout,
            },
        }
    }
}
