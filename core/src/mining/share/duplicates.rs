//! Which shares of a job were there before.

use alloc::boxed::Box;
use alloc::vec;

use crate::bitcoin::Hash;

/// The hashes of the shares that were accepted on one job of one channel.
///
/// Half of each hash is kept, 128 bits, in a table that doubles as it fills: 16 bytes for each share at best, 64 at worst, and
/// nothing before the first. It has a bound, at which no hash is forgotten, since it could then be submitted again: whoever keeps
/// the job is told when the set is full, and replaces the job.
#[derive(Clone, Debug)]
pub struct Duplicates {
    /// Open addressing; 0 is a free place. Its length is a power of two, or 0.
    table: Box<[u128]>,
    len: usize,
    bound: usize,
}

/// What became of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It is new, and in the set from now on.
    New,
    /// As `New`, and it was the last that the set takes: replace the job.
    Last,
    /// It is in the set.
    Duplicate,
    /// The set is full. The share cannot be accepted: nobody would know it again.
    Full,
}

/// Places in the smallest table: enough for the three shares that a job of half a minute sees.
const MIN_TABLE: usize = 4;

impl Duplicates {
    /// An empty set that takes `bound` hashes, at least 1.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { table: Box::default(), len: 0, bound: bound.max(1) }
    }

    /// Puts the hash of an accepted share into the set, unless it is there.
    pub fn insert(&mut self, hash: &Hash) -> Insertion {
        let key = key(hash);
        match self.find(key) {
            Place::Taken => Insertion::Duplicate,
            _ if self.len >= self.bound => Insertion::Full,
            place => {
                self.put(place, key);
                if self.len == self.bound { Insertion::Last } else { Insertion::New }
            }
        }
    }

    /// Takes in all that another set has, if need be beyond the bound: then nothing else is taken.
    pub fn absorb(&mut self, other: &Self) {
        for &key in other.table.iter().filter(|key| **key != 0) {
            match self.find(key) {
                Place::Taken => {}
                place => self.put(place, key),
            }
        }
    }

    /// Whether the hash is in the set.
    #[must_use]
    pub fn contains(&self, hash: &Hash) -> bool {
        matches!(self.find(key(hash)), Place::Taken)
    }

    /// How many hashes are in the set.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn find(&self, key: u128) -> Place {
        find(&self.table, key)
    }

    fn put(&mut self, place: Place, key: u128) {
        // At most three quarters are taken, so that a free place is near.
        let place = if (self.len + 1) * 4 > self.table.len() * 3 {
            self.grow();
            self.find(key)
        } else {
            place
        };
        if let Place::Free(at) = place {
            set(&mut self.table, at, key);
            self.len += 1;
        }
    }

    fn grow(&mut self) {
        let mut larger = vec![0; (self.table.len() * 2).max(MIN_TABLE)].into_boxed_slice();
        for &key in self.table.iter().filter(|key| **key != 0) {
            if let Place::Free(at) = find(&larger, key) {
                set(&mut larger, at, key);
            }
        }
        self.table = larger;
    }
}

enum Place {
    Taken,
    Free(usize),
    /// Only in a table without places.
    Nowhere,
}

fn find(table: &[u128], key: u128) -> Place {
    let mask = table.len().wrapping_sub(1);
    let start = key as usize;
    for i in 0..table.len() {
        let at = start.wrapping_add(i) & mask;
        match table.get(at) {
            Some(0) => return Place::Free(at),
            Some(there) if *there == key => return Place::Taken,
            _ => {}
        }
    }
    Place::Nowhere
}

fn set(table: &mut [u128], at: usize, key: u128) {
    if let Some(place) = table.get_mut(at) {
        *place = key;
    }
}

/// The less significant half of a hash: the other begins with the zeros that all shares have.
fn key(hash: &Hash) -> u128 {
    let mut half = [0; 16];
    half.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = *of_hash);
    // 0 marks a free place.
    u128::from_le_bytes(half).max(1)
}
