//! Time as an argument: the library never reads a clock.

/// The two clocks of the host, read at the moment of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Milliseconds of a clock that never goes back. Deadlines are reckoned in it; its zero does not matter.
    pub monotonic_ms: u64,
    /// Seconds since 1970-01-01 UTC. Certificates and block times are reckoned in it.
    pub unix_s: u64,
}
