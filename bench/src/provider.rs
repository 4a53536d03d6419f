//! A template provider with many clients, by way of the C program in `c/provider.c`.

use crate::measure::Prepared;
use crate::ours::{Keys, Message};

#[allow(non_camel_case_types)] // the names are those of C
mod c {
    use crate::ours::c::{ours_keys, ours_message};

    pub enum provider {}

    unsafe extern "C" {
        pub fn provider_new(keys: *const ours_keys, clients: u64) -> *mut provider;
        pub fn provider_free_engine(provider: *mut provider);
        pub fn provider_free(provider: *mut provider);
        pub fn provider_serve(provider: *mut provider, transactions: *const ours_message);
        pub fn provider_tip_amid(provider: *mut provider) -> u64;
        pub fn provider_tip(provider: *mut provider) -> u64;
        pub fn provider_idle(provider: *mut provider, ms: u64) -> u64;
    }
}

/// After this time nothing is due any more.
const IDLE_MS: u64 = 60_000;

/// A provider whose clients were set up over Noise and have a template.
pub struct Provider(*mut c::provider);

impl Provider {
    /// With so many clients, to whom nothing has happened for a while.
    pub fn new(keys: &Keys, clients: u64) -> Self {
        let mut provider = Self(unsafe { c::provider_new(keys.0, clients) });
        provider.idle(IDLE_MS);
        provider
    }

    /// Half of the clients want these transactions, and each is handed a piece of which it does not take all.
    pub fn serve(&mut self, transactions: &Message) {
        unsafe { c::provider_serve(self.0, transactions.0) }
    }

    /// A new tip comes meanwhile; returns how many pieces go out until the others have the last byte of it.
    pub fn tip_amid(&mut self) -> u64 {
        unsafe { c::provider_tip_amid(self.0) }
    }

    /// Nothing happens for so many milliseconds; returns how often the provider wanted to be woken.
    pub fn idle(&mut self, ms: u64) -> u64 {
        unsafe { c::provider_idle(self.0, ms) }
    }
}

impl Prepared for Provider {
    /// The last tip's templates expire, and nothing waits for anybody.
    fn prepare(&mut self) {
        self.idle(IDLE_MS);
    }

    /// A new tip, from the node's template until the sockets of all clients have the last byte; returns how many bytes that
    /// were.
    fn work(&mut self) -> u64 {
        unsafe { c::provider_tip(self.0) }
    }
}

impl Provider {
    /// Frees the library's part: nothing can be done any more.
    pub fn free_engine(&mut self) {
        unsafe { c::provider_free_engine(self.0) }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        unsafe { c::provider_free(self.0) }
    }
}
