//! Randomness as an argument: from the operating system, or from whatever the host has.

use core::fmt;

/// A source of cryptographically secure random bytes.
pub trait Random {
    /// Fills `bytes` entirely, or fails and leaves nothing that may be used.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness>;
}

/// The source of randomness could not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRandomness;

impl fmt::Display for OutOfRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of randomness failed")
    }
}

impl core::error::Error for OutOfRandomness {}

/// The operating system's generator.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

#[cfg(feature = "std")]
impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        getrandom::getrandom(bytes).map_err(|_| OutOfRandomness)
    }
}
