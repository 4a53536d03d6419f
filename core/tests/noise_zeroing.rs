//! Looks at the memory in which a secret stood, after it was dropped there.

use std::mem::MaybeUninit;
use std::slice;

use sv2_core::noise::{Authority, AuthorityKeypair, CipherState, Clock, Identity, Initiator, Responder, SecretKey};
use sv2_core::{OutOfRandomness, Random};

struct Constant(u8);

impl Random for Constant {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        bytes.fill(self.0);
        Ok(())
    }
}

/// The bytes of a value before and after it is dropped in place.
fn around_drop<T>(value: T) -> (Vec<u8>, Vec<u8>) {
    let mut place = MaybeUninit::new(value);
    // SAFETY: the place is alive throughout. Its bytes are initialized, since the types below are made of integers
    // without padding, and dropping such a value does not make its bytes uninitialized. It is dropped once.
    unsafe {
        let read = |place: &MaybeUninit<T>| slice::from_raw_parts(place.as_ptr().cast::<u8>(), size_of::<T>()).to_vec();
        let before = read(&place);
        place.as_mut_ptr().drop_in_place();
        (before, read(&place))
    }
}

fn contains(memory: &[u8], secret: &[u8]) -> bool {
    memory.windows(secret.len()).any(|window| window == secret)
}

#[test]
fn a_dropped_secret_key_is_gone() {
    let (before, after) = around_drop(SecretKey::from_bytes(&[0xa7; 32]).unwrap());
    assert!(contains(&before, &[0xa7; 32]), "the test looks at the right place");
    assert!(!after.contains(&0xa7));
}

#[test]
fn a_dropped_authority_keypair_is_gone() {
    let keypair = AuthorityKeypair::from_secret(SecretKey::from_bytes(&[0xa7; 32]).unwrap());
    let (before, after) = around_drop(keypair);
    assert!(contains(&before, &[0xa7; 32]), "the test looks at the right place");
    assert!(!contains(&after, &[0xa7; 4]));
}

#[test]
fn a_dropped_cipher_state_is_all_zero() {
    assert_eq!(size_of::<CipherState>(), 32 + 8, "no padding: a key and a nonce");
    let random = &mut Constant(3);
    let authority = AuthorityKeypair::generate(random).unwrap();
    let identity = Identity::issue(&authority, SecretKey::generate(random).unwrap(), 0, 1, random).unwrap();
    let initiator = Initiator::new(Authority::Unauthenticated, &mut Constant(4)).unwrap();
    let (act2, _) = Responder::respond(&identity, initiator.act1(), &mut Constant(5)).unwrap();
    let transport = initiator.finish(&act2, Clock::Unavailable).unwrap();
    for state in [transport.send, transport.receive] {
        let (before, after) = around_drop(state);
        assert!(before[..32].iter().any(|&byte| byte != 0) && before != after);
        assert_eq!(after, [0; 40]);
    }
}
