//! The other implementation's end of a connection: noise_sv2 under codec_sv2.

use std::time::Duration;

use stratum_core::codec_sv2::{
    Decoded, Decoder, Decrypted, Error, Handshake, NoiseDecoder, NoiseEncoder, Transport, TransportDecryptState,
    TransportEncryptState,
};
use stratum_core::framing_sv2::framing::SerializedFrame;
use stratum_core::noise_sv2::Responder;
use sv2_core::noise::AuthorityKeypair;

/// Their end, once the handshake is done.
pub struct Theirs {
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    sealing: TransportEncryptState,
    /// Gone after an error: they do not give it back.
    opening: Option<TransportDecryptState>,
}

impl Theirs {
    /// Goes on from what the handshake made.
    pub fn new(transport: Transport) -> Theirs {
        let (sealing, opening) = transport.split();
        Theirs { encoder: NoiseEncoder::new(), decoder: NoiseDecoder::new(), sealing, opening: Some(opening) }
    }

    /// A frame as it goes over the wire.
    ///
    /// # Panics
    /// If `frame` is not a whole frame.
    pub fn seal(&mut self, frame: &[u8]) -> Vec<u8> {
        let frame = SerializedFrame::from_bytes(frame.to_vec()).expect("a whole frame");
        self.encoder.encode_transport(frame, &mut self.sealing).expect("keys that are not used up")
    }

    /// The frame in `sealed`, which must be just one.
    ///
    /// # Errors
    /// What they dislike about it.
    ///
    /// # Panics
    /// If there are fewer or more bytes, or after an error.
    pub fn open(&mut self, mut sealed: &[u8]) -> Result<Vec<u8>, Error> {
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
                    sealed = fill(self.decoder.writable(), sealed);
                }
            }
        }
    }
}

/// A responder that shows a certificate of `authority`, valid from now on for an hour.
pub fn responder(authority: &AuthorityKeypair) -> Handshake<Responder> {
    let public = authority.public().to_bytes();
    let responder = Responder::from_authority_kp(&public, &authority.secret_bytes(), Duration::from_secs(3600));
    Handshake::responder(responder.expect("a key pair"))
}

/// The one frame in `bytes` without Noise, as their decoder reads it.
///
/// # Panics
/// If it is anything else.
pub fn plain_frame(mut bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new();
    loop {
        match decoder.next_frame() {
            Ok(Decoded::Frame(frame)) => {
                assert!(bytes.is_empty(), "bytes are left over");
                return frame.as_bytes().to_vec();
            }
            Ok(Decoded::Incomplete(_)) => bytes = fill(decoder.writable(), bytes),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Fills their room from the front of `bytes` and returns the rest.
fn fill<'a>(room: &mut [u8], bytes: &'a [u8]) -> &'a [u8] {
    let (now, later) = bytes.split_at(room.len());
    room.copy_from_slice(now);
    later
}
