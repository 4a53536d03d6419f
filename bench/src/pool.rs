//! A mining server, by way of the C program in `c/pool.c`; and theirs, for shares: codec and channel, as their pool puts them
//! together.

use crate::measure::Prepared;
use crate::ours::Keys;
use crate::shares::{SubmittedTo, their_share};
use crate::theirs;

#[allow(non_camel_case_types)] // the names are those of C
mod c {
    use crate::ours::c::ours_keys;

    pub enum pool {}

    unsafe extern "C" {
        pub fn pool_new(keys: *const ours_keys, clients: u64) -> *mut pool;
        pub fn pool_free(pool: *mut pool);
        pub fn pool_idle(pool: *mut pool, ms: u64);
        pub fn pool_job(pool: *mut pool) -> u64;
        pub fn pool_prepare_shares(pool: *mut pool);
        pub fn pool_shares(pool: *mut pool) -> u64;
    }
}

/// After this time nothing is due any more.
const IDLE_MS: u64 = 60_000;
/// Shares that come at once, as in `c/pool.c`.
pub const SHARES: u32 = 1_000;

/// A server whose clients were set up over Noise and have a channel each; the work is a job to all of them.
pub struct Jobs(*mut c::pool);

impl Jobs {
    /// With so many clients.
    pub fn new(keys: &Keys, clients: u64) -> Self {
        Self(unsafe { c::pool_new(keys.0, clients) })
    }

    /// Some jobs, after which all have the same length: their coinbases are told apart by a number that grows. Returns how many
    /// bytes one takes on all wires together.
    pub fn warm_up(&mut self) -> u64 {
        (0..130).map(|_| self.work()).last().unwrap_or(0)
    }
}

impl Prepared for Jobs {
    fn prepare(&mut self) {
        unsafe { c::pool_idle(self.0, IDLE_MS) }
    }

    /// A job, from the node's template until the sockets of all clients have the last byte; returns how many bytes that were.
    fn work(&mut self) -> u64 {
        unsafe { c::pool_job(self.0) }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        unsafe { c::pool_free(self.0) }
    }
}

/// A server with one client; the work is what that submits at once.
pub struct Shares(*mut c::pool);

impl Shares {
    /// With its client.
    pub fn new(keys: &Keys) -> Self {
        Self(unsafe { c::pool_new(keys.0, 1) })
    }
}

impl Prepared for Shares {
    /// The client seals shares of a new job.
    fn prepare(&mut self) {
        unsafe { c::pool_prepare_shares(self.0) }
    }

    /// The server receives them; returns how many it accepted.
    fn work(&mut self) -> u64 {
        unsafe { c::pool_shares(self.0) }
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        unsafe { c::pool_free(self.0) }
    }
}

/// Both ends of their connection, and the server's channel.
pub struct TheirShares {
    client: theirs::End,
    server: theirs::End,
    channel: SubmittedTo,
    socket: Vec<u8>,
    nonce: u32,
}

impl TheirShares {
    /// Connected.
    pub fn new(keys: &theirs::Keys) -> Self {
        let (client, server) = keys.connect();
        Self { client, server, channel: SubmittedTo::new(), socket: Vec::new(), nonce: 0 }
    }
}

impl Prepared for TheirShares {
    fn prepare(&mut self) {
        self.socket.clear();
        for _ in 0..SHARES {
            self.client.seal_share(their_share(&self.channel, self.nonce), &mut self.socket);
            self.nonce += 1;
        }
    }

    fn work(&mut self) -> u64 {
        let (server, channel) = (&mut self.server, &mut self.channel);
        server.receive_shares(&self.socket, |share| channel.submit(share))
    }
}
