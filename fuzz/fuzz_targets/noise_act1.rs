//! Any 64 bytes are answered; what follows them is the responder's "randomness" and then a first message, which is
//! hardly ever the initiator's.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sv2_core::noise::{ACT1_LEN, AuthorityKeypair, HandshakeError, Identity, Responder, SecretKey};
use sv2_core::{OutOfRandomness, Random};

struct Constant;

impl Random for Constant {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        bytes.fill(0x42);
        Ok(())
    }
}

/// The input itself, until it ends.
struct Input<'a>(&'a [u8]);

impl Random for Input<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        let (head, tail) = self.0.split_at_checked(bytes.len()).ok_or(OutOfRandomness)?;
        bytes.copy_from_slice(head);
        self.0 = tail;
        Ok(())
    }
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let authority = AuthorityKeypair::generate(&mut Constant).unwrap();
    let static_key = SecretKey::from_bytes(&[0x53; 32]).unwrap();
    Identity::issue(&authority, static_key, 0, u32::MAX, &mut Constant).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let Some((act1, rest)) = data.split_first_chunk::<ACT1_LEN>() else { return };
    let mut random = Input(rest);
    match Responder::respond(&IDENTITY, act1, &mut random) {
        Ok((_, mut transport)) => {
            assert!(!transport.authenticated);
            assert!(transport.receive.open(&mut random.0.to_vec()).is_err());
        }
        Err(error) => assert_eq!(error, HandshakeError::OutOfRandomness),
    }
});
