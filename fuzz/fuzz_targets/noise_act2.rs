//! Act 2, as it comes and from a peer that does everything right but shows a certificate of its own making, so that
//! any certificate reaches the code behind the MACs. None may pass for one of the demanded authority.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::noise::{
    ACT1_LEN, ACT2_LEN, Authority, AuthorityKeypair, Certificate, Clock, Identity, Initiator, Responder,
    SIGNATURE_NOISE_MESSAGE_LEN, SecretKey,
};
use sv2_core::{OutOfRandomness, Random};

struct Constant(u8);

impl Random for Constant {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        bytes.fill(self.0);
        Ok(())
    }
}

/// Act 2 of a responder with this static key and this message in place of a certificate.
fn sealed(
    secret: &[u8; 32],
    message: &[u8; SIGNATURE_NOISE_MESSAGE_LEN],
    act1: &[u8; ACT1_LEN],
) -> Option<[u8; ACT2_LEN]> {
    let static_key = SecretKey::from_bytes(secret).ok()?;
    let certificate = Certificate::from_message(message, static_key.public_bytes());
    let identity = Identity::new(static_key, certificate, &mut Constant(1)).ok()?;
    Responder::respond(&identity, act1, &mut Constant(2)).ok().map(|(act2, _)| act2)
}

fuzz_target!(|data: &[u8]| {
    let authority = AuthorityKeypair::generate(&mut Constant(3)).unwrap().public();
    let initiator = |demand| Initiator::new(demand, &mut Constant(4)).unwrap();

    // As it is: the MACs refuse it.
    if let Some((act2, _)) = data.split_first_chunk::<ACT2_LEN>() {
        assert!(initiator(Authority::Unauthenticated).finish(act2, Clock::Unavailable).is_err());
    }

    // Sealed: only the authority's signature can refuse it.
    let Some((secret, rest)) = data.split_first_chunk() else { return };
    let Some((message, _)) = rest.split_first_chunk() else { return };
    let anyone = initiator(Authority::Unauthenticated);
    let Some(act2) = sealed(secret, message, anyone.act1()) else { return };
    let transport = anyone.finish(&act2, Clock::At(0)).expect("sealed by the rules");
    assert!(!transport.authenticated);
    assert_eq!(transport.certificate.map(|certificate| certificate.to_message()), Some(*message));
    assert!(initiator(Authority::Key(authority)).finish(&act2, Clock::Unavailable).is_err());
});
