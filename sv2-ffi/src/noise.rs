//! Keys, authority URLs, certificates and identities (spec 4).

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use sv2_core::noise::{
    AuthorityKeypair, AuthorityPublicKey, AuthorityUrl, Certificate, CertificateError, Clock, Identity, IdentityError,
    SIGNATURE_NOISE_MESSAGE_LEN, SecretKey,
};

use crate::boundary::{fence, fenced, free, hand_out};
use crate::options::sv2_random;
use crate::text::write_text;
use crate::{
    SV2_ERROR_ARGUMENT, SV2_ERROR_CERTIFICATE, SV2_ERROR_KEY, SV2_ERROR_NULL, SV2_ERROR_RANDOMNESS, SV2_OK, sv2_status,
    sv2_str,
};

/// Bytes of a secret key: a number between 1 and n - 1, big-endian, n being the order of secp256k1.
pub const SV2_SECRET_KEY_LEN: usize = 32;
/// Bytes of a public key: an X coordinate, big-endian, as in BIP 340.
pub const SV2_PUBLIC_KEY_LEN: usize = 32;

/// Makes a secret key: of an authority, or the static key of a server. Keep it secret, and overwrite it after use.
///
/// `random` NULL is the operating system's. Returns SV2_ERROR_RANDOMNESS if the source fails.
///
/// # Safety
/// `random` is readable or NULL, `secret_key` is writable for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_secret_key_generate(random: *const sv2_random, secret_key: *mut u8) -> sv2_status {
    if secret_key.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match SecretKey::generate(&mut unsafe { random_or_system(random) }) {
        Ok(key) => {
            unsafe { secret_key.copy_from_nonoverlapping(key.secret_bytes().as_ptr(), SV2_SECRET_KEY_LEN) };
            SV2_OK
        }
        Err(_) => SV2_ERROR_RANDOMNESS,
    })
}

/// The public key that belongs to a secret key. Returns SV2_ERROR_KEY if the secret key is out of range.
///
/// # Safety
/// `secret_key` is readable and `public_key` is writable for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_public_key_from_secret(secret_key: *const u8, public_key: *mut u8) -> sv2_status {
    if secret_key.is_null() || public_key.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Ok(key) = (unsafe { read_secret(secret_key) }) else { return SV2_ERROR_KEY };
        unsafe { public_key.copy_from_nonoverlapping(key.public_bytes().as_ptr(), SV2_PUBLIC_KEY_LEN) };
        SV2_OK
    })
}

/// An authority's public key as text, base58check with the prefix [1, 0] (spec 4.7).
///
/// `*len` becomes the length without the final NUL, also if SV2_BUFFER_TOO_SMALL is returned; `len` may be NULL. 64 bytes are
/// always enough. Returns SV2_ERROR_KEY if the bytes are not a public key.
///
/// # Safety
/// `public_key` is readable for 32 bytes, `text` is writable for `capacity` bytes, `len` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_authority_key_to_text(
    public_key: *const u8,
    text: *mut c_char,
    capacity: usize,
    len: *mut usize,
) -> sv2_status {
    if public_key.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| match AuthorityPublicKey::from_bytes(unsafe { &*public_key.cast() }) {
        Ok(key) => unsafe { write_text(key, text, capacity, len) },
        Err(_) => SV2_ERROR_KEY,
    })
}

/// Reads an authority's public key from its text. Returns SV2_ERROR_KEY if it is not one: mistyped, cut or something else.
///
/// # Safety
/// `text` is readable, `public_key` is writable for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_authority_key_from_text(text: sv2_str, public_key: *mut u8) -> sv2_status {
    if public_key.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let text = std::str::from_utf8(unsafe { text.as_slice() });
        let Some(key) = text.ok().and_then(|text| AuthorityPublicKey::parse(text).ok()) else { return SV2_ERROR_KEY };
        unsafe { public_key.copy_from_nonoverlapping(key.to_bytes().as_ptr(), SV2_PUBLIC_KEY_LEN) };
        SV2_OK
    })
}

/// The parts of `stratum2+tcp://host:port/authority-key` (spec 4.7).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_url {
    /// A name, an IPv4 address, or an IPv6 address without brackets. It points into the URL.
    pub host: sv2_str,
    /// The TCP port, not 0.
    pub port: u16,
    /// 0 if the URL has no key, 1 if it has.
    pub has_authority_key: u8,
    /// The authority's public key, if there is one.
    pub authority_key: [u8; 32],
}

/// Reads a URL. Returns SV2_ERROR_KEY if it is not one. `url->host` borrows from `text`.
///
/// # Safety
/// `text` is readable, `url` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_url_parse(text: sv2_str, url: *mut sv2_url) -> sv2_status {
    if url.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let text = std::str::from_utf8(unsafe { text.as_slice() });
        let Some(parsed) = text.ok().and_then(|text| AuthorityUrl::parse(text).ok()) else { return SV2_ERROR_KEY };
        let parsed = sv2_url {
            host: sv2_str::borrow(parsed.host.as_bytes()),
            port: parsed.port,
            has_authority_key: parsed.authority_key.is_some().into(),
            authority_key: parsed.authority_key.map_or([0; 32], |key| key.to_bytes()),
        };
        unsafe { url.write(parsed) };
        SV2_OK
    })
}

/// An authority's word that a static key belongs to a server of its own, for a time (spec 4.5.3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sv2_certificate {
    /// The version of the format: 0.
    pub version: u16,
    /// From when it is valid, in seconds since 1970-01-01 UTC.
    pub valid_from: u32,
    /// Until when it is valid, in the same seconds.
    pub not_valid_after: u32,
    /// The server's static public key.
    pub server_public_key: [u8; 32],
    /// The authority's signature, BIP 340.
    pub signature: [u8; 64],
}

impl From<Certificate> for sv2_certificate {
    fn from(certificate: Certificate) -> Self {
        let Certificate { version, valid_from, not_valid_after, server_public_key, signature } = certificate;
        Self { version, valid_from, not_valid_after, server_public_key, signature }
    }
}

impl From<sv2_certificate> for Certificate {
    fn from(certificate: sv2_certificate) -> Self {
        let sv2_certificate { version, valid_from, not_valid_after, server_public_key, signature } = certificate;
        Self { version, valid_from, not_valid_after, server_public_key, signature }
    }
}

/// Signs a certificate for a server's static public key. The server then needs no secret of the authority.
///
/// `random` NULL is the operating system's. Returns SV2_ERROR_KEY if the authority's secret key is out of range,
/// SV2_ERROR_ARGUMENT if the certificate would be valid at no time.
///
/// # Safety
/// The keys are readable for 32 bytes, `random` is readable or NULL, `certificate` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_certificate_sign(
    authority_secret_key: *const u8,
    server_public_key: *const u8,
    valid_from: u32,
    not_valid_after: u32,
    random: *const sv2_random,
    certificate: *mut sv2_certificate,
) -> sv2_status {
    if authority_secret_key.is_null() || server_public_key.is_null() || certificate.is_null() {
        return SV2_ERROR_NULL;
    }
    if valid_from > not_valid_after {
        return SV2_ERROR_ARGUMENT;
    }
    fenced(|| {
        let Ok(secret) = (unsafe { read_secret(authority_secret_key) }) else { return SV2_ERROR_KEY };
        let authority = AuthorityKeypair::from_secret(secret);
        let server = unsafe { server_public_key.cast::<[u8; 32]>().read() };
        let mut random = unsafe { random_or_system(random) };
        match Certificate::sign(&authority, server, valid_from, not_valid_after, &mut random) {
            Ok(signed) => {
                unsafe { certificate.write(signed.into()) };
                SV2_OK
            }
            Err(_) => SV2_ERROR_RANDOMNESS,
        }
    })
}

/// Checks that the authority signed the certificate and that it is valid at `unix_s`, give or take ten seconds.
///
/// Returns SV2_ERROR_CERTIFICATE if not; `reason`, if it is not NULL, then becomes a static sentence that says why. Returns
/// SV2_ERROR_KEY if the authority's bytes are not a public key.
///
/// # Safety
/// `certificate` is readable, `authority_key` is readable for 32 bytes, `reason` is writable or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_certificate_check(
    certificate: *const sv2_certificate,
    authority_key: *const u8,
    unix_s: u64,
    reason: *mut *const c_char,
) -> sv2_status {
    if certificate.is_null() || authority_key.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Ok(authority) = AuthorityPublicKey::from_bytes(unsafe { &*authority_key.cast() }) else {
            return SV2_ERROR_KEY;
        };
        let Err(error) = Certificate::from(unsafe { *certificate }).check(&authority, Clock::At(unix_s)) else {
            return SV2_OK;
        };
        let why = match error {
            CertificateError::Version(_) => c"The certificate has a version this library does not know.",
            CertificateError::Signature => c"The authority did not sign this certificate.",
            CertificateError::NotYetValid { .. } => c"The certificate is not valid yet.",
            CertificateError::Expired { .. } => c"The certificate has expired.",
        };
        if !reason.is_null() {
            unsafe { reason.write(why.as_ptr()) };
        }
        SV2_ERROR_CERTIFICATE
    })
}

/// Bytes of a certificate as sv2_certificate_to_bytes writes it: the SIGNATURE_NOISE_MESSAGE of spec 4.5.2, then the server's static
/// public key.
pub const SV2_CERTIFICATE_LEN: usize = 106;

/// Writes a certificate as bytes, to be stored or carried to the server it is for.
///
/// # Safety
/// `certificate` is readable, `bytes` is writable for SV2_CERTIFICATE_LEN bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_certificate_to_bytes(certificate: *const sv2_certificate, bytes: *mut u8) -> sv2_status {
    if certificate.is_null() || bytes.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let certificate = Certificate::from(unsafe { *certificate });
        let message = certificate.to_message();
        unsafe {
            bytes.copy_from_nonoverlapping(message.as_ptr(), message.len());
            let key = certificate.server_public_key;
            bytes.add(message.len()).copy_from_nonoverlapping(key.as_ptr(), key.len());
        }
        SV2_OK
    })
}

/// Reads what sv2_certificate_to_bytes wrote. Whether the certificate holds is for sv2_certificate_check to say.
///
/// # Safety
/// `bytes` is readable for SV2_CERTIFICATE_LEN bytes, `certificate` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_certificate_from_bytes(bytes: *const u8, certificate: *mut sv2_certificate) -> sv2_status {
    if certificate.is_null() || bytes.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let message = unsafe { &*bytes.cast::<[u8; SIGNATURE_NOISE_MESSAGE_LEN]>() };
        let key = unsafe { bytes.add(SIGNATURE_NOISE_MESSAGE_LEN).cast::<[u8; 32]>().read() };
        unsafe { certificate.write(Certificate::from_message(message, key).into()) };
        SV2_OK
    })
}

/// What a server shows to those who connect: its static key, encoded, and a certificate for it. It is made once and shared by
/// all connections. It never changes: unlike other objects it may be used by several threads at once.
pub struct sv2_identity {
    pub(crate) identity: Arc<Identity>,
}

/// Makes an identity; free it with sv2_identity_free, which may happen before the connections made with it end.
///
/// Returns SV2_ERROR_KEY if the secret key is out of range or the certificate is for another key. The certificate's signature
/// and times are not checked here.
///
/// # Safety
/// `static_secret_key` is readable for 32 bytes, `certificate` is readable, `random` is readable or NULL, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_identity_new(
    static_secret_key: *const u8,
    certificate: *const sv2_certificate,
    random: *const sv2_random,
    out: *mut *mut sv2_identity,
) -> sv2_status {
    if static_secret_key.is_null() || certificate.is_null() || out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let Ok(secret) = (unsafe { read_secret(static_secret_key) }) else { return SV2_ERROR_KEY };
        let certificate = unsafe { *certificate }.into();
        match Identity::new(secret, certificate, &mut unsafe { random_or_system(random) }) {
            Ok(identity) => {
                let identity = Arc::new(identity);
                unsafe { hand_out(out, sv2_identity { identity }) }
            }
            Err(IdentityError::OtherKey) => SV2_ERROR_KEY,
            Err(IdentityError::OutOfRandomness) => SV2_ERROR_RANDOMNESS,
        }
    })
}

/// The certificate that the identity shows.
///
/// # Safety
/// `identity` is a live identity, `certificate` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_identity_certificate(
    identity: *const sv2_identity,
    certificate: *mut sv2_certificate,
) -> sv2_status {
    let Some(identity) = (unsafe { identity.as_ref() }) else { return SV2_ERROR_NULL };
    if certificate.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        unsafe { certificate.write((*identity.identity.certificate()).into()) };
        SV2_OK
    })
}

/// Frees an identity. NULL is allowed.
///
/// # Safety
/// `identity` is a live identity or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_identity_free(identity: *mut sv2_identity) {
    fence((), || unsafe { free(identity) });
}

/// # Safety
/// `random` is readable or NULL.
unsafe fn random_or_system(random: *const sv2_random) -> sv2_random {
    let system = sv2_random { fill: None, user_data: std::ptr::null_mut() };
    if random.is_null() { system } else { unsafe { *random } }
}

/// # Safety
/// `bytes` is readable for 32 bytes.
unsafe fn read_secret(bytes: *const u8) -> Result<SecretKey, sv2_core::noise::KeyError> {
    SecretKey::from_bytes(unsafe { &*bytes.cast() })
}

/// Overwrites `len` bytes that held a secret, in a way that no compiler leaves out. NULL is allowed.
///
/// # Safety
/// `data` is writable for `len` bytes, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_wipe(data: *mut u8, len: usize) {
    if !data.is_null() {
        for i in 0..len {
            unsafe { data.add(i).write_volatile(0) };
        }
        compiler_fence(Ordering::SeqCst);
    }
}
