//! The two roles of the handshake (spec 4.5).

use core::fmt;

use secp256k1::PublicKey;
use secp256k1::ellswift::{ElligatorSwift, Party};
use zeroize::Zeroizing;

use super::certificate::{Certificate, CertificateError, Clock, SIGNATURE_NOISE_MESSAGE_LEN};
use super::cipher::{CipherError, CipherState, MAC_LEN};
use super::keys::{AuthorityKeypair, AuthorityPublicKey, SecretKey};
use super::symmetric::SymmetricState;
use crate::{OutOfRandomness, Random};

const ELLSWIFT_LEN: usize = 64;
const SEALED_KEY_LEN: usize = ELLSWIFT_LEN + MAC_LEN;
const SEALED_CERTIFICATE_LEN: usize = SIGNATURE_NOISE_MESSAGE_LEN + MAC_LEN;

/// Bytes of act 1: the initiator's ephemeral key.
pub const ACT1_LEN: usize = ELLSWIFT_LEN;
/// Bytes of act 2: the responder's ephemeral key, its sealed static key, its sealed certificate.
///
/// The specification says 170, from the time of 32-byte keys; the sum of its own parts is this.
pub const ACT2_LEN: usize = ELLSWIFT_LEN + SEALED_KEY_LEN + SEALED_CERTIFICATE_LEN;

/// Why a handshake failed. Every failure is final: the connection must be closed (spec 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The host's source of randomness failed.
    OutOfRandomness,
    /// A part of act 2 could not be opened: it was altered, or the peer does not follow the specification.
    Cipher(CipherError),
    /// The peer could not prove that it is who it should be.
    Certificate(CertificateError),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRandomness => OutOfRandomness.fmt(f),
            Self::Cipher(error) => write!(f, "act 2 of the handshake is refused: {error}"),
            Self::Certificate(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HandshakeError {}

impl From<OutOfRandomness> for HandshakeError {
    fn from(_: OutOfRandomness) -> Self {
        Self::OutOfRandomness
    }
}

impl From<CipherError> for HandshakeError {
    fn from(error: CipherError) -> Self {
        Self::Cipher(error)
    }
}

impl From<CertificateError> for HandshakeError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

/// Why an [`Identity`] could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The certificate is for another static key.
    OtherKey,
    /// The host's source of randomness failed.
    OutOfRandomness,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKey => f.write_str("the certificate is for another static key"),
            Self::OutOfRandomness => OutOfRandomness.fmt(f),
        }
    }
}

impl core::error::Error for IdentityError {}

impl From<OutOfRandomness> for IdentityError {
    fn from(_: OutOfRandomness) -> Self {
        Self::OutOfRandomness
    }
}

/// What an initiator demands of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A certificate signed by this authority, valid now.
    Key(AuthorityPublicKey),
    /// Nothing. The connection is encrypted, but anyone may be at its other end, also someone who passes
    /// everything on: [`Transport::authenticated`] is then false.
    Unauthenticated,
}

/// What a responder shows: its static key, encoded, and the certificate for it.
///
/// Made once and shared by all connections: a handshake then costs only its own curve operations.
#[derive(Debug)]
pub struct Identity {
    static_key: SecretKey,
    static_ellswift: ElligatorSwift,
    certificate: Certificate,
}

impl Identity {
    /// Joins a static key and the certificate that an authority signed for it.
    ///
    /// The signature and the validity are not checked: that is up to those who connect.
    ///
    /// # Errors
    /// [`IdentityError::OtherKey`] if the certificate is for another key; [`IdentityError::OutOfRandomness`].
    pub fn new(
        static_key: SecretKey,
        certificate: Certificate,
        random: &mut dyn Random,
    ) -> Result<Self, IdentityError> {
        if certificate.server_public_key != static_key.public_bytes() {
            return Err(IdentityError::OtherKey);
        }
        let static_ellswift = static_key.ellswift(random)?;
        Ok(Self { static_key, static_ellswift, certificate })
    }

    /// Signs a certificate for `static_key` on the spot, for servers that hold their authority's keys. Both times
    /// are Unix seconds.
    ///
    /// # Errors
    /// [`OutOfRandomness`].
    pub fn issue(
        authority: &AuthorityKeypair,
        static_key: SecretKey,
        valid_from: u32,
        not_valid_after: u32,
        random: &mut dyn Random,
    ) -> Result<Self, OutOfRandomness> {
        let public_key = static_key.public_bytes();
        let certificate = Certificate::sign(authority, public_key, valid_from, not_valid_after, random)?;
        let static_ellswift = static_key.ellswift(random)?;
        Ok(Self { static_key, static_ellswift, certificate })
    }

    /// The certificate that is shown to those who connect.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

/// The outcome of a handshake: what a connection needs from then on.
#[derive(Debug)]
pub struct Transport {
    /// Seals what we send.
    pub send: CipherState,
    /// Opens what the peer sends.
    pub receive: CipherState,
    /// What the responder showed, for an initiator. Checked only if [`authenticated`](Self::authenticated).
    pub certificate: Option<Certificate>,
    /// The peer proved that it holds a key which the expected authority vouches for. Always false for a
    /// responder: initiators are anonymous.
    pub authenticated: bool,
}

/// A fresh key of one handshake and its encoding.
struct EphemeralKey {
    secret: SecretKey,
    ellswift: ElligatorSwift,
    encoded: [u8; ELLSWIFT_LEN],
}

impl EphemeralKey {
    /// `generateKey` of spec 4.4.2.
    fn generate(random: &mut dyn Random) -> Result<Self, OutOfRandomness> {
        let secret = SecretKey::generate(random)?;
        let ellswift = secret.ellswift(random)?;
        Ok(Self::new(secret, ellswift))
    }

    fn new(secret: SecretKey, ellswift: ElligatorSwift) -> Self {
        Self { secret, ellswift, encoded: ellswift.to_array() }
    }
}

/// The side that connects, between its two acts.
pub struct Initiator {
    authority: Authority,
    e: EphemeralKey,
}

impl Initiator {
    /// Begins a handshake with a fresh ephemeral key.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfRandomness`].
    pub fn new(authority: Authority, random: &mut dyn Random) -> Result<Self, HandshakeError> {
        Ok(Self { authority, e: EphemeralKey::generate(random)? })
    }

    /// Act 1, to be sent (spec 4.5.1.1).
    pub fn act1(&self) -> &[u8; ACT1_LEN] {
        &self.e.encoded
    }

    /// Reads act 2 (spec 4.5.2.2) and judges the certificate in it (spec 4.5.3).
    ///
    /// # Errors
    /// [`HandshakeError`]; the initiator is spent either way.
    pub fn finish(self, act2: &[u8; ACT2_LEN], clock: Clock) -> Result<Transport, HandshakeError> {
        let (mut re, mut s, mut message) = ([0; ELLSWIFT_LEN], [0; SEALED_KEY_LEN], [0; SEALED_CERTIFICATE_LEN]);
        re.copy_from_slice(&act2[..ELLSWIFT_LEN]);
        s.copy_from_slice(&act2[ELLSWIFT_LEN..][..SEALED_KEY_LEN]);
        message.copy_from_slice(&act2[ELLSWIFT_LEN + SEALED_KEY_LEN..]);

        let mut state = after_act1(&self.e.encoded);
        state.mix_hash(&re);
        let k = state.mix_key(&self.ecdh(ElligatorSwift::from_array(re)));
        state.decrypt_and_hash(k, &mut s)?;
        let rs = ElligatorSwift::from_array(without_mac(&s));
        let k = state.mix_key(&self.ecdh(rs));
        state.decrypt_and_hash(k, &mut message)?;

        let server_public_key = PublicKey::from_ellswift(rs).x_only_public_key().0.to_byte_array();
        let certificate = Certificate::from_message(&without_mac(&message), server_public_key);
        let authenticated = match self.authority {
            Authority::Key(authority) => {
                certificate.check(&authority, clock)?;
                true
            }
            Authority::Unauthenticated => false,
        };
        let (send, receive) = state.split();
        Ok(Transport { send, receive, certificate: Some(certificate), authenticated })
    }

    fn ecdh(&self, theirs: ElligatorSwift) -> Zeroizing<[u8; 32]> {
        ecdh(self.e.ellswift, theirs, &self.e.secret, Party::Initiator)
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// The side that is connected to. It has no state between acts: one act comes in, one goes out.
#[derive(Debug)]
pub struct Responder;

impl Responder {
    /// Answers act 1 (spec 4.5.1.2 and 4.5.2.1): returns act 2, to be sent, and the transport.
    ///
    /// Any 64 bytes are an act 1, for every string of that length encodes a point: an initiator that means
    /// something else shows only later, when its first message cannot be opened.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfRandomness`].
    pub fn respond(
        identity: &Identity,
        act1: &[u8; ACT1_LEN],
        random: &mut dyn Random,
    ) -> Result<([u8; ACT2_LEN], Transport), HandshakeError> {
        Ok(Self::answer(identity, act1, &EphemeralKey::generate(random)?)?)
    }

    /// [`respond`](Self::respond) with a given ephemeral key.
    fn answer(
        identity: &Identity,
        act1: &[u8; ACT1_LEN],
        e: &EphemeralKey,
    ) -> Result<([u8; ACT2_LEN], Transport), CipherError> {
        let re = ElligatorSwift::from_array(*act1);
        let mut act2 = [0; ACT2_LEN];
        let (e_out, sealed) = act2.split_at_mut(ELLSWIFT_LEN);
        let (s_out, certificate_out) = sealed.split_at_mut(SEALED_KEY_LEN);

        let mut state = after_act1(act1);
        e_out.copy_from_slice(&e.encoded);
        state.mix_hash(e_out);
        let k = state.mix_key(&ecdh(re, e.ellswift, &e.secret, Party::Responder));
        s_out[..ELLSWIFT_LEN].copy_from_slice(&identity.static_ellswift.to_array());
        state.encrypt_and_hash(k, s_out)?;
        let k = state.mix_key(&ecdh(re, identity.static_ellswift, &identity.static_key, Party::Responder));
        certificate_out[..SIGNATURE_NOISE_MESSAGE_LEN].copy_from_slice(&identity.certificate.to_message());
        state.encrypt_and_hash(k, certificate_out)?;

        let (receive, send) = state.split();
        Ok((act2, Transport { send, receive, certificate: None, authenticated: false }))
    }
}

/// The variables of both sides after act 1: the key, and the empty payload that follows it, are hashed.
fn after_act1(act1: &[u8; ACT1_LEN]) -> SymmetricState {
    let mut state = SymmetricState::new();
    state.mix_hash(act1);
    state.mix_hash(&[]);
    state
}

/// `ECDH` of spec 4.4.2, which is `v2_ecdh` of BIP 324: the result depends on who is the initiator.
fn ecdh(initiator: ElligatorSwift, responder: ElligatorSwift, ours: &SecretKey, party: Party) -> Zeroizing<[u8; 32]> {
    let secret = ElligatorSwift::shared_secret(initiator, responder, ours.curve_key(), party);
    Zeroizing::new(secret.to_secret_bytes())
}

/// The plaintext of an opened part of act 2.
fn without_mac<const N: usize>(opened: &[u8]) -> [u8; N] {
    let mut plaintext = [0; N];
    plaintext.copy_from_slice(&opened[..N]);
    plaintext
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "handshake_vectors.rs"]
mod vectors;
