//! What `noise.rs` and `connection.rs` share.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use stratum_core::codec_sv2::{
    Decrypted, Error as CodecError, NoiseDecoder, NoiseEncoder, Transport as TheirTransport, TransportDecryptState,
    TransportEncryptState,
};
use stratum_core::framing_sv2::framing::SerializedFrame;
use sv2_core::{OutOfRandomness, Random};

/// Their end of a connection.
pub struct Theirs {
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    sealing: TransportEncryptState,
    /// Gone after an error: they do not give it back.
    opening: Option<TransportDecryptState>,
}

impl Theirs {
    pub fn new(transport: TheirTransport) -> Theirs {
        let (sealing, opening) = transport.split();
        Theirs { encoder: NoiseEncoder::new(), decoder: NoiseDecoder::new(), sealing, opening: Some(opening) }
    }

    pub fn seal(&mut self, frame: &[u8]) -> Vec<u8> {
        let frame = SerializedFrame::from_bytes(frame.to_vec()).expect("a whole frame");
        self.encoder.encode_transport(frame, &mut self.sealing).unwrap()
    }

    pub fn open(&mut self, mut sealed: &[u8]) -> Result<Vec<u8>, CodecError> {
        loop {
            let opening = self.opening.take().expect("no error before");
            match self.decoder.next_transport_frame(opening)? {
                Decrypted::Frame(frame, opening) => {
                    assert!(sealed.is_empty(), "bytes are left over");
                    self.opening = Some(opening);
                    return Ok(frame.as_bytes().to_vec());
                }
                Decrypted::Incomplete(_, opening) => {
                    self.opening = Some(opening);
                    let room = self.decoder.writable();
                    let (now, later) = sealed.split_at(room.len());
                    room.copy_from_slice(now);
                    sealed = later;
                }
            }
        }
    }
}

/// Our interface over a seeded generator.
pub struct Seeded(StdRng);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(StdRng::seed_from_u64(seed))
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}
