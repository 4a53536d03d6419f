//! Time as an argument.

/// The two clocks of the host, read at the moment of an input: the library reads none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct sv2_time {
    /// Milliseconds of a clock that never goes back; its zero does not matter. Deadlines are reckoned in it.
    pub monotonic_ms: u64,
    /// Seconds since 1970-01-01 UTC. Certificates and block times are reckoned in it.
    pub unix_s: u64,
}

impl From<sv2_time> for sv2_core::Time {
    fn from(time: sv2_time) -> Self {
        Self { monotonic_ms: time.monotonic_ms, unix_s: time.unix_s }
    }
}
