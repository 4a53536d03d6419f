//! A pair of cipher states: what one seals the other opens, from any offset; what was altered, never.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use sv2_core::noise::{
    Authority, AuthorityKeypair, CipherError, Clock, Identity, Initiator, MAC_LEN, MAX_PLAINTEXT_LEN, Responder,
    SecretKey, Transport,
};
use sv2_core::{OutOfRandomness, Random};

struct Constant(u8);

impl Random for Constant {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        bytes.fill(self.0);
        Ok(())
    }
}

thread_local! {
    static PAIR: RefCell<(Transport, Transport)> = RefCell::new({
        let authority = AuthorityKeypair::generate(&mut Constant(3)).unwrap();
        let static_key = SecretKey::generate(&mut Constant(4)).unwrap();
        let identity = Identity::issue(&authority, static_key, 0, 0, &mut Constant(5)).unwrap();
        let initiator = Initiator::new(Authority::Unauthenticated, &mut Constant(6)).unwrap();
        let (act2, responder) = Responder::respond(&identity, initiator.act1(), &mut Constant(7)).unwrap();
        (initiator.finish(&act2, Clock::Unavailable).unwrap(), responder)
    });
}

fuzz_target!(|data: &[u8]| {
    let [gap, alter, plaintext @ ..] = data else { return };
    if plaintext.len() > MAX_PLAINTEXT_LEN {
        return;
    }
    PAIR.with_borrow_mut(|(sender, receiver)| {
        // Bytes that may be overwritten, then the ciphertext, then its MAC.
        let gap = usize::from(*gap);
        let mut sealed = vec![0; gap];
        sealed.extend_from_slice(plaintext);
        let mac = sender.send.seal(&mut sealed[gap..]).unwrap();
        sealed.extend_from_slice(&mac);

        let mut altered = sealed.clone();
        let at = gap + usize::from(*alter) % (plaintext.len() + MAC_LEN);
        altered[at] ^= alter | 1;
        assert_eq!(receiver.receive.open_within(&mut altered, gap), Err(CipherError::Authentication));
        let cut = sealed.len() - 1;
        assert!(receiver.receive.open_within(&mut sealed[..cut].to_vec(), gap).is_err());

        assert_eq!(receiver.receive.open_within(&mut sealed, gap), Ok(plaintext.len()));
        assert_eq!(&sealed[..plaintext.len()], plaintext);
    });
});
