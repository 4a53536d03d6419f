//! The curve operations of a handshake, with nothing around them: the yardstick for both implementations.

use std::hint::black_box;

use secp256k1::ellswift::{ElligatorSwift, Party};
use secp256k1::{Keypair, PublicKey, SecretKey, XOnlyPublicKey, schnorr};

/// What the operations work on.
pub struct Curve {
    ephemeral: [SecretKey; 2],
    encoded: [ElligatorSwift; 2],
    static_key: SecretKey,
    static_encoded: ElligatorSwift,
    authority: XOnlyPublicKey,
    signature: schnorr::Signature,
}

const HASH: [u8; 32] = [3; 32];
const AUX: [u8; 32] = [4; 32];

impl Curve {
    /// With keys as in a handshake.
    pub fn new(authority_secret: &[u8; 32], static_secret: &[u8; 32]) -> Self {
        let key = |bytes| SecretKey::from_secret_bytes(bytes).expect("in range");
        let authority = Keypair::from_secret_key(&key(*authority_secret));
        let ephemeral = [key([11; 32]), key([12; 32])];
        let static_key = key(*static_secret);
        Self {
            encoded: ephemeral.map(|key| ElligatorSwift::from_seckey(key, Some(AUX))),
            static_encoded: ElligatorSwift::from_seckey(static_key, Some(AUX)),
            ephemeral,
            static_key,
            authority: authority.x_only_public_key().0,
            signature: schnorr::sign_with_aux_rand(&HASH, &authority, &AUX),
        }
    }

    /// What two sides do in so many handshakes: each encodes a fresh key and does two ECDHs; the initiator decodes the static
    /// key and verifies the certificate. Returns how many certificates were good.
    pub fn handshakes(&self, times: u64) -> u64 {
        (0..times).filter(|_| self.handshake()).count() as u64
    }

    fn handshake(&self) -> bool {
        let this = black_box(self);
        let ([ours, theirs], [e, re]) = (this.ephemeral, this.encoded);
        for key in [ours, theirs] {
            black_box(ElligatorSwift::from_seckey(key, Some(AUX)));
        }
        for (responder, key, party) in [
            (re, ours, Party::Initiator),
            (re, theirs, Party::Responder),
            (this.static_encoded, ours, Party::Initiator),
            (this.static_encoded, this.static_key, Party::Responder),
        ] {
            black_box(ElligatorSwift::shared_secret(e, responder, key, party));
        }
        black_box(PublicKey::from_ellswift(this.static_encoded));
        schnorr::verify(&this.signature, &HASH, &this.authority).is_ok()
    }
}
