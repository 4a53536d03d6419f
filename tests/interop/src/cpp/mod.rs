//! The library as C++ users have it: a peer written with `sv2.hpp`, and driven from here.
//!
//! `peer.cpp` includes the headers that users include; `sv2-ffi` is linked for the functions they declare.

mod bridge;

use std::time::{SystemTime, UNIX_EPOCH};

use cxx::UniquePtr;
use sv2::{SV2_NEED_INPUT, SV2_OK, sv2_status};

use crate::random::Pieces;
use bridge::ffi;
pub use bridge::ffi::{Demand, Field, Received, Setting, worker_identity};

/// One end of a connection in C++. Its bytes are cut into pieces, and it is used now in one way and then in the other.
pub struct Peer {
    peer: UniquePtr<ffi::Peer>,
    pieces: Pieces,
}

/// What went wrong: a status, and the sentence that explains it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// `SV2_ERROR_*`.
    pub status: sv2_status,
    /// The text of `sv2_connection_error`.
    pub error: String,
}

impl Setting {
    /// The clock of this machine and the usual limits.
    pub fn usual() -> Setting {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Setting { unix_s, any_payload: false }
    }

    /// The clock of this machine, and no limits for payloads.
    pub fn any_payload() -> Setting {
        Setting { any_payload: true, ..Setting::usual() }
    }
}

impl Peer {
    /// A client over Noise.
    ///
    /// # Errors
    /// The name of a status; so of the other two.
    pub fn initiator(demand: &Demand, setting: Setting, seed: u64) -> Result<Peer, cxx::Exception> {
        Ok(Peer { peer: ffi::initiator(demand, setting)?, pieces: Pieces::new(seed) })
    }

    /// A server over Noise, with a certificate that is valid from now on for an hour.
    pub fn responder(authority_secret: &[u8; 32], setting: Setting, seed: u64) -> Result<Peer, cxx::Exception> {
        Ok(Peer { peer: ffi::responder(authority_secret, setting)?, pieces: Pieces::new(seed) })
    }

    /// A client or server without Noise.
    pub fn plain(is_server: bool, setting: Setting, seed: u64) -> Result<Peer, cxx::Exception> {
        Ok(Peer { peer: ffi::plain(is_server, setting)?, pieces: Pieces::new(seed) })
    }

    /// Reads bytes in pieces and returns the messages that came out.
    ///
    /// # Errors
    /// That the connection has failed.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<Vec<Received>, Failure> {
        let mut messages = Vec::new();
        let in_place = self.pieces.either();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.pieces.next(bytes.len()));
            bytes = rest;
            match self.peer.pin_mut().receive(piece, in_place, &mut messages) {
                SV2_NEED_INPUT => {}
                status => return Err(self.failure(status)),
            }
        }
        Ok(messages)
    }

    /// Sends the message of a frame and returns what was written to the socket.
    ///
    /// # Errors
    /// That the frame cannot be decoded, or the message not sent.
    pub fn write(&mut self, frame: &[u8]) -> Result<Vec<u8>, Failure> {
        match self.peer.pin_mut().send(frame) {
            SV2_OK => Ok(self.written()),
            status => Err(self.failure(status)),
        }
    }

    /// What the connection has to write, taken from it in pieces.
    pub fn written(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        loop {
            let output = self.peer.pin_mut().output();
            if output.is_empty() {
                return written;
            }
            let len = self.pieces.next(output.len());
            written.extend_from_slice(&output[..len]);
            assert_eq!(self.peer.pin_mut().sent(len), SV2_OK);
        }
    }

    /// Whether the handshake is done and nothing has failed.
    pub fn is_established(&self) -> bool {
        self.peer.is_established()
    }

    /// Whether the peer proved to be who it should be.
    pub fn is_authenticated(&self) -> bool {
        self.peer.is_authenticated()
    }

    fn failure(&mut self, status: sv2_status) -> Failure {
        Failure { status, error: self.peer.pin_mut().error() }
    }
}
