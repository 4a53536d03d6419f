//! What a call returns.

use std::ffi::{CStr, c_char};

/// What a call returns: 0 is success, positive is an ordinary outcome to act on, negative is an error.
pub type sv2_status = i32;

/// Success.
pub const SV2_OK: sv2_status = 0;
/// More bytes from the peer are needed.
pub const SV2_NEED_INPUT: sv2_status = 1;
/// There is no event.
pub const SV2_NO_EVENT: sv2_status = 2;
/// The buffer is too small; the length says how much is needed.
pub const SV2_BUFFER_TOO_SMALL: sv2_status = 3;
/// There is no such thing.
pub const SV2_NOT_FOUND: sv2_status = 4;
/// It was overtaken: something newer has taken its place.
pub const SV2_STALE: sv2_status = 5;
/// A pointer that must not be NULL is NULL.
pub const SV2_ERROR_NULL: sv2_status = -1;
/// An argument makes no sense.
pub const SV2_ERROR_ARGUMENT: sv2_status = -2;
/// The call makes no sense in this state.
pub const SV2_ERROR_STATE: sv2_status = -3;
/// A value does not fit its type on the wire.
pub const SV2_ERROR_ENCODE: sv2_status = -4;
/// Not a valid key, certificate or URL.
pub const SV2_ERROR_KEY: sv2_status = -5;
/// The peer sent a malformed message.
pub const SV2_ERROR_MALFORMED: sv2_status = -101;
/// The peer announced a payload over the limit.
pub const SV2_ERROR_PAYLOAD_TOO_LARGE: sv2_status = -102;
/// The handshake failed.
pub const SV2_ERROR_HANDSHAKE: sv2_status = -103;
/// The peer's certificate does not hold.
pub const SV2_ERROR_CERTIFICATE: sv2_status = -104;
/// What the peer sent is not authentic; the connection is dead for good.
pub const SV2_ERROR_AUTHENTICATION: sv2_status = -105;
/// The peer did not do its part in time.
pub const SV2_ERROR_TIMEOUT: sv2_status = -106;
/// Too many bytes are waiting to be sent: the peer does not take them.
pub const SV2_ERROR_OUTPUT_FULL: sv2_status = -107;
/// There are as many peers as the options allow.
pub const SV2_ERROR_TOO_MANY: sv2_status = -108;
/// An error in the library; the object is unusable.
pub const SV2_ERROR_INTERNAL: sv2_status = -201;
/// The source of randomness failed.
pub const SV2_ERROR_RANDOMNESS: sv2_status = -202;
/// There is no memory for what the peer sends; the connection is dead.
pub const SV2_ERROR_OUT_OF_MEMORY: sv2_status = -203;

/// The name and the meaning of every status.
const TABLE: &[(sv2_status, &CStr, &CStr)] = &[
    (SV2_OK, c"SV2_OK", c"Success."),
    (SV2_NEED_INPUT, c"SV2_NEED_INPUT", c"More bytes from the peer are needed."),
    (SV2_NO_EVENT, c"SV2_NO_EVENT", c"There is no event."),
    (SV2_BUFFER_TOO_SMALL, c"SV2_BUFFER_TOO_SMALL", c"The buffer is too small; the length says how much is needed."),
    (SV2_NOT_FOUND, c"SV2_NOT_FOUND", c"There is no such thing."),
    (SV2_STALE, c"SV2_STALE", c"It was overtaken: something newer has taken its place."),
    (SV2_ERROR_NULL, c"SV2_ERROR_NULL", c"A pointer that must not be NULL is NULL."),
    (SV2_ERROR_ARGUMENT, c"SV2_ERROR_ARGUMENT", c"An argument makes no sense."),
    (SV2_ERROR_STATE, c"SV2_ERROR_STATE", c"The call makes no sense in this state."),
    (SV2_ERROR_ENCODE, c"SV2_ERROR_ENCODE", c"A value does not fit its type on the wire."),
    (SV2_ERROR_KEY, c"SV2_ERROR_KEY", c"Not a valid key, certificate or URL."),
    (SV2_ERROR_MALFORMED, c"SV2_ERROR_MALFORMED", c"The peer sent a malformed message."),
    (SV2_ERROR_PAYLOAD_TOO_LARGE, c"SV2_ERROR_PAYLOAD_TOO_LARGE", c"The peer announced a payload over the limit."),
    (SV2_ERROR_HANDSHAKE, c"SV2_ERROR_HANDSHAKE", c"The handshake failed."),
    (SV2_ERROR_CERTIFICATE, c"SV2_ERROR_CERTIFICATE", c"The peer's certificate does not hold."),
    (
        SV2_ERROR_AUTHENTICATION,
        c"SV2_ERROR_AUTHENTICATION",
        c"What the peer sent is not authentic; the connection is dead for good.",
    ),
    (SV2_ERROR_TIMEOUT, c"SV2_ERROR_TIMEOUT", c"The peer did not do its part in time."),
    (
        SV2_ERROR_OUTPUT_FULL,
        c"SV2_ERROR_OUTPUT_FULL",
        c"Too many bytes are waiting to be sent: the peer does not take them.",
    ),
    (SV2_ERROR_TOO_MANY, c"SV2_ERROR_TOO_MANY", c"There are as many peers as the options allow."),
    (SV2_ERROR_INTERNAL, c"SV2_ERROR_INTERNAL", c"An error in the library; the object is unusable."),
    (SV2_ERROR_RANDOMNESS, c"SV2_ERROR_RANDOMNESS", c"The source of randomness failed."),
    (SV2_ERROR_OUT_OF_MEMORY, c"SV2_ERROR_OUT_OF_MEMORY", c"There is no memory for what the peer sends."),
];

fn lookup(status: sv2_status) -> (&'static CStr, &'static CStr) {
    let unknown = (c"SV2_STATUS_UNKNOWN", c"Not a status of this library.");
    TABLE.iter().find(|entry| entry.0 == status).map_or(unknown, |entry| (entry.1, entry.2))
}

/// The status's name, such as "SV2_NEED_INPUT". Never NULL; static.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_status_name(status: sv2_status) -> *const c_char {
    lookup(status).0.as_ptr()
}

/// What the status means, in a sentence. Never NULL; static.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_status_message(status: sv2_status) -> *const c_char {
    lookup(status).1.as_ptr()
}

/// Whether the status is an error: negative.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_status_is_error(status: sv2_status) -> bool {
    status < 0
}

/// Whether the calling program made the mistake: its arguments, or the order of its calls.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_status_is_caller_fault(status: sv2_status) -> bool {
    (-99..=-1).contains(&status)
}

/// Whether the peer, or how many there are, is the cause: the connection should be closed.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_status_is_peer_fault(status: sv2_status) -> bool {
    (-199..=-100).contains(&status)
}

/// Whether the library or the machine is to blame.
#[unsafe(no_mangle)]
pub extern "C" fn sv2_status_is_internal(status: sv2_status) -> bool {
    (-299..=-200).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_exactly_one_culprit() {
        for &(status, name, message) in TABLE {
            let culprits = [sv2_status_is_caller_fault, sv2_status_is_peer_fault, sv2_status_is_internal];
            let blamed = culprits.iter().filter(|is| is(status)).count();
            assert_eq!(blamed, usize::from(sv2_status_is_error(status)), "{name:?}");
            assert!(name.to_str().unwrap().starts_with("SV2_") && message.count_bytes() > 5);
            assert_eq!(unsafe { CStr::from_ptr(sv2_status_name(status)) }, name);
        }
        assert_eq!(unsafe { CStr::from_ptr(sv2_status_name(77)) }, c"SV2_STATUS_UNKNOWN");
    }
}
