//! Randomness that is the same in every run.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use sv2_core::{OutOfRandomness, Random};

/// Our interface over a seeded generator.
pub struct Seeded(StdRng);

impl Seeded {
    /// The generator of that seed.
    pub fn new(seed: u64) -> Seeded {
        Seeded(StdRng::seed_from_u64(seed))
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

/// How a stream of bytes is cut into pieces.
pub struct Pieces(StdRng);

impl Pieces {
    /// The pieces of that seed.
    pub fn new(seed: u64) -> Pieces {
        Pieces(StdRng::seed_from_u64(seed))
    }

    /// How much of `len` bytes, which are not none, goes at once: all of it, about a packet, or a few bytes of few.
    pub fn next(&mut self, len: usize) -> usize {
        let most = match self.0.gen_range(0..3) {
            0 => len,
            1 => 1500,
            _ => 7 + len / 100,
        };
        self.0.gen_range(1..=most.min(len))
    }

    /// One of two ways to do the same thing.
    pub fn either(&mut self) -> bool {
        self.0.r#gen()
    }
}
