//! libsv2, by way of the C program in `c/ours.c`.

use crate::data::Frame;

#[allow(non_camel_case_types)] // the names are those of C
pub mod c {
    pub enum ours_keys {}
    pub enum ours_pair {}
    pub enum ours_message {}

    unsafe extern "C" {
        pub fn ours_keys_new(authority_secret: *const u8, static_secret: *const u8, unix_s: u32) -> *mut ours_keys;
        pub fn ours_plain_pair(protocol: u8) -> *mut ours_pair;
        pub fn ours_noise_pair(keys: *const ours_keys, protocol: u8) -> *mut ours_pair;
        pub fn ours_tick(pair: *mut ours_pair);
        pub fn ours_free_client(pair: *mut ours_pair);
        pub fn ours_free_server(pair: *mut ours_pair);
        pub fn ours_message_new(frame: *const u8, len: usize) -> *mut ours_message;
        pub fn ours_receive(pair: *mut ours_pair, by_server: i32, frame: *const u8, len: usize, times: u64) -> u64;
        pub fn ours_receive_in_place(
            pair: *mut ours_pair,
            by_server: i32,
            frame: *const u8,
            len: usize,
            times: u64,
        ) -> u64;
        pub fn ours_pass(pair: *mut ours_pair, to_server: i32, message: *const ours_message, times: u64) -> u64;
        pub fn ours_decode(decoder: *const ours_message, frame: *const u8, len: usize, times: u64) -> u64;
        pub fn ours_handshake(keys: *const ours_keys, times: u64) -> u64;
        pub fn walk_transactions(payload: *const u8, len: usize, times: u64) -> u64;
    }
}

// Nothing below gives its memory back but what is measured: the program is short.

/// The keys of a server.
pub struct Keys(pub *mut c::ours_keys);

impl Keys {
    /// With a certificate for an hour from now.
    pub fn new(authority_secret: &[u8; 32], static_secret: &[u8; 32], unix_s: u32) -> Self {
        Self(unsafe { c::ours_keys_new(authority_secret.as_ptr(), static_secret.as_ptr(), unix_s) })
    }

    /// Both sides of so many handshakes; returns how many succeeded.
    pub fn handshakes(&self, times: u64) -> u64 {
        unsafe { c::ours_handshake(self.0, times) }
    }
}

/// Both ends of a connection over which a protocol was set up.
pub struct Pair(*mut c::ours_pair);

impl Pair {
    /// Without Noise.
    pub fn plain(protocol: u8) -> Self {
        Self(unsafe { c::ours_plain_pair(protocol) })
    }

    /// Over Noise.
    pub fn noise(keys: &Keys, protocol: u8) -> Self {
        Self(unsafe { c::ours_noise_pair(keys.0, protocol) })
    }

    /// The frame, read from a socket so many times: into the connection's memory, and out of it every field.
    pub fn receive(&mut self, end: End, frame: &Frame, times: u64) -> u64 {
        unsafe { c::ours_receive(self.0, end as i32, frame.bytes.as_ptr(), frame.bytes.len(), times) }
    }

    /// The same with memory of the caller.
    pub fn receive_in_place(&mut self, end: End, frame: &Frame, times: u64) -> u64 {
        unsafe { c::ours_receive_in_place(self.0, end as i32, frame.bytes.as_ptr(), frame.bytes.len(), times) }
    }

    /// The message, from the other end to this one, so many times.
    pub fn pass(&mut self, to: End, message: &Message, times: u64) -> u64 {
        unsafe { c::ours_pass(self.0, to as i32, message.0, times) }
    }

    /// Tells both ends that time has passed.
    pub fn tick(&mut self) {
        unsafe { c::ours_tick(self.0) }
    }

    /// Frees one end.
    pub fn free(&mut self, end: End) {
        match end {
            End::Client => unsafe { c::ours_free_client(self.0) },
            End::Server => unsafe { c::ours_free_server(self.0) },
        }
    }
}

/// An end of a connection.
#[derive(Clone, Copy)]
pub enum End {
    /// The initiator, who sends SetupConnection.
    Client = 0,
    /// The responder.
    Server = 1,
}

/// A message and the decoder that holds its lists.
pub struct Message(pub *mut c::ours_message);

impl Message {
    /// Decodes the frame.
    pub fn new(frame: &Frame) -> Self {
        Self(unsafe { c::ours_message_new(frame.bytes.as_ptr(), frame.bytes.len()) })
    }

    /// Decodes the frame so many times with this message's decoder, which the message does not survive.
    pub fn decode(&mut self, frame: &Frame, times: u64) -> u64 {
        unsafe { c::ours_decode(self.0, frame.bytes.as_ptr(), frame.bytes.len(), times) }
    }
}

/// The yardstick for a list of transactions: a walk over the payload, with no library at all.
pub fn walk_transactions(frame: &Frame, times: u64) -> u64 {
    let payload = frame.payload();
    unsafe { c::walk_transactions(payload.as_ptr(), payload.len(), times) }
}
