//! A server's end of a TCP connection that is made of the other implementation's own crates.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use stratum_core::bitcoin::base58;
use stratum_core::codec_sv2::{
    Decoded, Decrypted, Handshake, NoiseDecoder, NoiseEncoder, TransportDecryptState, TransportEncryptState,
};
use stratum_core::noise_sv2::Responder;
use stratum_core::parsers_sv2::{AnyMessage, AnyMessageOwned};

/// The key pair whose secret is 1: its public key is the x of secp256k1's generator.
const AUTHORITY_SECRET: [u8; 32] = {
    let mut key = [0; 32];
    key[31] = 1;
    key
};
const AUTHORITY_PUBLIC: [u8; 32] = [
    0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02, 0x9b, 0xfc,
    0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
];

/// The authority key of such servers, as configurations name it (spec 4.7).
pub fn authority_key() -> String {
    let mut bytes = vec![1, 0];
    bytes.extend(AUTHORITY_PUBLIC);
    base58::encode_check(&bytes)
}

/// One connection, as the responder. What it does not expect, it panics of.
pub struct TheirServer {
    stream: TcpStream,
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    sealing: TransportEncryptState,
    /// Taken while a frame is being opened.
    opening: Option<TransportDecryptState>,
}

impl TheirServer {
    /// Answers the handshake of whoever is at the other end.
    pub fn accept(mut stream: TcpStream) -> TheirServer {
        let responder =
            Responder::from_authority_kp(&AUTHORITY_PUBLIC, &AUTHORITY_SECRET, Duration::from_secs(3600)).unwrap();
        let mut encoder = NoiseEncoder::new();
        let mut decoder = NoiseDecoder::new();
        let first = loop {
            match decoder.next_handshake_frame::<Responder>().unwrap() {
                Decoded::Frame(message) => break message,
                Decoded::Incomplete(_) => stream.read_exact(decoder.writable()).unwrap(),
            }
        };
        let (reply, transport) = Handshake::responder(responder).step_1(first.payload().try_into().unwrap()).unwrap();
        stream.write_all(encoder.encode_handshake(reply).as_ref()).unwrap();
        let (sealing, opening) = transport.split();
        TheirServer { stream, encoder, decoder, sealing, opening: Some(opening) }
    }

    /// Sends a message, unless the other end is gone.
    pub fn send(&mut self, message: AnyMessageOwned) {
        let frame = stratum_core::codec_sv2::MessageFrame::try_from(message).unwrap();
        let bytes = self.encoder.encode_transport(frame, &mut self.sealing).unwrap();
        // The client may be gone already when the test is over.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The next message, or nothing once the client has hung up.
    pub fn receive(&mut self) -> Option<AnyMessageOwned> {
        loop {
            let opening = self.opening.take()?;
            match self.decoder.next_transport_frame(opening).unwrap() {
                Decrypted::Frame(mut frame, opening) => {
                    self.opening = Some(opening);
                    let header = frame.header();
                    let message = AnyMessage::try_from((header, frame.payload())).unwrap();
                    return Some(message.into_owned());
                }
                Decrypted::Incomplete(_, opening) => {
                    self.opening = Some(opening);
                    self.stream.read_exact(self.decoder.writable()).ok()?;
                }
            }
        }
    }
}
