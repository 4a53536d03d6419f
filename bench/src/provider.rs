//! A template provider with many clients, by way of the C program in `c/provider.c`.

use crate::measure::Prepared;
use crate::ours::Keys;

#[allow(non_camel_case_types)] // the names are those of C
mod c {
    use crate::ours::c::ours_keys;

    pub enum provider {}

    unsafe extern "C" {
        pub fn provider_new(keys: *const ours_keys, clients: u64) -> *mut provider;
        pub fn provider_free(provider: *mut provider);
        pub fn provider_tip(provider: *mut provider) -> u64;
        pub fn provider_idle(provider: *mut provider, ms: u64) -> u64;
    }
}

/// A provider whose clients were set up over Noise and have a template.
pub struct Provider(*mut c::provider);

impl Provider {
    /// With so many clients.
    pub fn new(keys: &Keys, clients: u64) -> Self {
        Self(unsafe { c::provider_new(keys.0, clients) })
    }

    /// Nothing happens for so many milliseconds; returns how often the provider wanted to be woken.
    pub fn idle(&mut self, ms: u64) -> u64 {
        unsafe { c::provider_idle(self.0, ms) }
    }
}

impl Prepared for Provider {
    /// The last tip's templates expire, and nothing waits for anybody.
    fn prepare(&mut self) {
        self.idle(60_000);
    }

    /// A new tip, from the node's template until the sockets of all clients have the last byte; returns how many bytes that
    /// were.
    fn work(&mut self) -> u64 {
        unsafe { c::provider_tip(self.0) }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        unsafe { c::provider_free(self.0) }
    }
}
