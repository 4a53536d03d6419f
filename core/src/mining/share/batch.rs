//! Several shares at once.

use super::{Checked, Share, ShareError, ShareWork, check};

/// Judges shares that do not depend on each other, each as [`check`] does, at `now`, in seconds since 1970-01-01 UTC. Writes
/// one verdict for each share, in order, as far as `verdicts` goes. Allocates nothing.
///
/// Best are eight or more of one job at a time.
pub fn check_many(shares: &[(ShareWork<'_>, Share<'_>)], now: u64, verdicts: &mut [Result<Checked, ShareError>]) {
    for (verdict, (work, share)) in verdicts.iter_mut().zip(shares) {
        *verdict = check(work, share, now);
    }
}
