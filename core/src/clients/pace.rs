//! How often somebody may do something.

use crate::Time;

/// So often, evenly, after a burst of so many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// What one costs, in microseconds.
    cost_us: u64,
    /// What may be spent in advance, in microseconds.
    credit_us: u64,
}

impl Rate {
    /// `count` in `period_ms` milliseconds; none is none, and more than one in a microsecond is without a bound.
    pub(crate) fn new(count: u32, period_ms: u64, burst: u32) -> Self {
        match period_ms.saturating_mul(1_000).checked_div(count.into()) {
            Some(cost_us) => Self { cost_us, credit_us: cost_us.saturating_mul(burst.into()) },
            None => Self { cost_us: u64::MAX, credit_us: 0 },
        }
    }
}

/// What was done so far, as the time at which all of it is paid for, in monotonic microseconds: no more is to be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace(u64);

impl Pace {
    /// Once more, if the rate allows it.
    pub(crate) fn take(&mut self, rate: Rate, now: Time) -> bool {
        let now_us = to_us(now.monotonic_ms);
        let paid_at = self.0.max(now_us).saturating_add(rate.cost_us);
        let is_allowed = paid_at - now_us <= rate.credit_us;
        if is_allowed {
            self.0 = paid_at;
        }
        is_allowed
    }

    /// From when on it is as if nothing was done, in monotonic microseconds.
    pub(crate) fn paid_at(self) -> u64 {
        self.0
    }
}

/// Microseconds of so many milliseconds.
pub(crate) fn to_us(ms: u64) -> u64 {
    ms.saturating_mul(1_000)
}
