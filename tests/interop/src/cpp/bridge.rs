//! What Rust and C++ know of each other: cxx makes both halves of it.

/// The C++ peer.
#[cxx::bridge(namespace = "interop")]
pub mod ffi {
    /// What all peers are told.
    #[derive(Clone, Copy, Debug, Default)]
    struct Setting {
        /// The time of its clock, in seconds since 1970.
        unix_s: u64,
        /// Take payloads up to 2^24 - 1 bytes at any time, instead of what the state of the connection allows.
        any_payload: bool,
    }

    /// Whom an initiator talks to.
    #[derive(Clone, Debug, Default)]
    struct Demand {
        /// The authority's public key, 32 bytes, or nothing.
        authority_key: Vec<u8>,
        /// Talk to anyone.
        allow_unauthenticated: bool,
        /// Do not look at when the certificate is valid.
        no_clock: bool,
    }

    /// A message that came, as C++ sees it.
    #[derive(Debug, Default)]
    struct Received {
        /// `SV2_MESSAGE_*`.
        message_type: u32,
        /// Its name in the specification; empty if the library does not know it.
        name: String,
        /// What `sv2_message_text` writes.
        text: String,
        /// The fields of its C struct in the order of the wire.
        fields: Vec<Field>,
        /// The bytes behind the last field.
        trailing: Vec<u8>,
        /// The frame that comes out when its C struct is encoded.
        frame: Vec<u8>,
    }

    /// One field of a message.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Field {
        /// Its name in the specification.
        name: String,
        /// Numbers in decimal, an F32 as the number that its bits are, U256 in hex with the most significant digit first,
        /// strings and bytes in hex, an absent value as a dash, lists in brackets.
        value: String,
    }

    unsafe extern "C++" {
        include!("sv2-interop/src/cpp/peer.hpp");

        /// One end of a connection, made of `sv2::Connection`. Statuses are those of the library.
        type Peer;

        /// A client over Noise. The error is the name of a status, as of the other two.
        fn initiator(demand: &Demand, setting: Setting) -> Result<UniquePtr<Peer>>;

        /// A server over Noise with a static key of its own, whose certificate the authority signs for an hour.
        fn responder(authority_secret: &[u8; 32], setting: Setting) -> Result<UniquePtr<Peer>>;

        /// A client or server without Noise.
        fn plain(is_server: bool, setting: Setting) -> Result<UniquePtr<Peer>>;

        /// Takes bytes from the socket, and all messages that they complete. `in_place`: out of memory of the caller instead
        /// of the connection's own. The status is `SV2_NEED_INPUT` or an error.
        fn receive(self: Pin<&mut Peer>, bytes: &[u8], in_place: bool, messages: &mut Vec<Received>) -> i32;

        /// Decodes a frame and sends the C struct that comes out.
        fn send(self: Pin<&mut Peer>, frame: &[u8]) -> i32;

        /// Bytes for the socket, until the next call of any function.
        fn output(self: Pin<&mut Peer>) -> &[u8];

        /// So many of them are written.
        fn sent(self: Pin<&mut Peer>, n: usize) -> i32;

        /// Whether the handshake is done.
        fn is_established(self: &Peer) -> bool;

        /// Whether the peer proved to be who it should be.
        fn is_authenticated(self: &Peer) -> bool;

        /// What went wrong.
        fn error(self: Pin<&mut Peer>) -> String;

        /// The worker's identity among the bytes behind a share's fields, if that extension was negotiated; the error is the
        /// name of a status.
        fn worker_identity(trailing: &[u8], negotiated: bool) -> Result<String>;
    }
}
