//! Noise NX over secp256k1 with EllSwift (spec 4): `Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256`.
//!
//! ```text
//! initiator                                                responder
//! Initiator::new ── act 1, 64 bytes: e ───────────────────────▶
//!                ◀── act 2, 234 bytes: e, s, certificate ── Responder::respond
//! Initiator::finish -> Transport                           -> Transport
//! ```
//!
//! The responder shows a static key and a [`Certificate`] in which an authority vouches for it; the initiator
//! knows the authority's public key beforehand, usually from an [`AuthorityUrl`]. The initiator stays anonymous.
//! After the handshake each side holds a [`Transport`]: one [`CipherState`] to send with, one to receive with.
//!
//! A server makes its [`Identity`] once and shares it between all connections.
//!
//! ```
//! use sv2_core::noise::{Authority, AuthorityKeypair, Clock, Identity, Initiator, Responder, SecretKey};
//! # #[cfg(feature = "std")] {
//! let random = &mut sv2_core::SystemRandom;
//! let now = 1_700_000_000;
//!
//! // The server, once: a certificate that is valid for a day.
//! let authority = AuthorityKeypair::generate(random)?;
//! let identity = Identity::issue(&authority, SecretKey::generate(random)?, now, now + 86_400, random)?;
//!
//! // Each connection: two acts, then both sides can seal and open.
//! let initiator = Initiator::new(Authority::Key(authority.public()), random)?;
//! let (act2, mut server) = Responder::respond(&identity, initiator.act1(), random)?;
//! let mut client = initiator.finish(&act2, Clock::At(now.into()))?;
//! assert!(client.authenticated);
//!
//! let mut message = *b"hello";
//! let mac = client.send.seal(&mut message)?;
//! let mut received = [&message[..], &mac].concat();
//! let len = server.receive.open(&mut received)?;
//! assert_eq!(&received[..len], b"hello");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Secrets.** Secret keys, chaining keys, shared secrets and cipher keys of ours are overwritten when they are
//! dropped. Out of reach are copies that the compiler leaves behind while moving a value, and those that the crates of
//! the curve, the cipher and the hash make on the stack during one call. Whatever compares secrets, a MAC for example,
//! is theirs and takes constant time.

mod base58;
mod certificate;
mod cipher;
#[cfg(any(test, not(feature = "ring")))]
mod cipher_portable;
#[cfg(feature = "ring")]
mod cipher_ring;
mod handshake;
mod keys;
mod symmetric;
#[cfg(test)]
mod testing;
mod url;

pub use certificate::{Certificate, CertificateError, Clock, LEEWAY_S, SIGNATURE_NOISE_MESSAGE_LEN};
pub use cipher::{CipherError, CipherState, MAC_LEN, MAX_CIPHERTEXT_LEN, MAX_PLAINTEXT_LEN};
pub use handshake::{
    ACT1_LEN, ACT2_LEN, Authority, HandshakeError, Identity, IdentityError, Initiator, Responder, Transport,
};
pub use keys::{AuthorityKeypair, AuthorityPublicKey, KeyError, SecretKey};
pub use url::{AuthorityUrl, UrlError};
