//! Time, as the minimum of many short turns that the contestants take one after the other.
//!
//! Whatever else the machine does, and however it changes its clock, then meets all of them alike; and a turn is short enough
//! for some to pass undisturbed.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a turn takes, at least.
const TURN: Duration = Duration::from_micros(500);
/// Turns of each contestant, unless the command line says otherwise.
pub const ROUNDS: u32 = 400;

/// Work to be timed: does it so many times and returns a sum over everything it read.
pub type Work<'a> = &'a mut dyn FnMut(u64) -> u64;

/// Nanoseconds that one round of each work takes, in the order given.
///
/// # Panics
/// If they do not read the same.
pub fn times<const N: usize>(rounds: u32, mut works: [Work<'_>; N]) -> [f64; N] {
    let sums = works.each_mut().map(|work| work(3));
    assert!(sums.iter().all(|sum| *sum == sums[0]), "not the same was read: {sums:?}");
    times_beside(rounds, works)
}

/// The same where a yardstick is among them, which reads something else.
pub fn times_beside<const N: usize>(rounds: u32, mut works: [Work<'_>; N]) -> [f64; N] {
    let turns = works.each_mut().map(|work| turn(*work));
    let mut best = [f64::INFINITY; N];
    for _ in 0..rounds {
        for ((work, turn), best) in works.iter_mut().zip(turns).zip(&mut best) {
            *best = best.min(time(*work, turn).as_nanos() as f64 / turn as f64);
        }
    }
    best
}

/// Work that is done once in a turn, after something that is not timed.
pub trait Prepared {
    /// Not timed. All contestants prepare before the first of them works.
    fn prepare(&mut self) {}
    /// Timed; returns a sum over everything it read.
    fn work(&mut self) -> u64;
}

/// Nanoseconds that each work takes, in the order given.
///
/// # Panics
/// If they do not read the same.
pub fn times_prepared<const N: usize>(rounds: u32, mut works: [&mut dyn Prepared; N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..rounds {
        works.iter_mut().for_each(|work| work.prepare());
        let mut sums = [0; N];
        for ((work, best), sum) in works.iter_mut().zip(&mut best).zip(&mut sums) {
            let start = Instant::now();
            *sum = black_box(work.work());
            *best = best.min(start.elapsed().as_nanos() as f64);
        }
        assert!(sums.iter().all(|sum| *sum == sums[0]), "not the same was read: {sums:?}");
    }
    best
}

/// How many times the work must be done to fill a turn.
fn turn(work: Work<'_>) -> u64 {
    let mut times = 1;
    while time(work, times) < TURN {
        times *= 2;
    }
    times
}

fn time(work: Work<'_>, times: u64) -> Duration {
    let start = Instant::now();
    black_box(work(black_box(times)));
    start.elapsed()
}
