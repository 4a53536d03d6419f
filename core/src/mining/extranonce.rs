//! Who searches where: the extranonce, split so that no two channels ever do the same work.
//!
//! A full extranonce is `upstream prefix | server id | index | rollable`:
//!
//! | part | chosen by |
//! |---|---|
//! | upstream prefix | the server upstream, if this is a proxy; else empty |
//! | server id | the host, so that servers with the same payout, which share nothing else, do not search in each other's place |
//! | index | [`ExtranonceAllocator`], one for each channel |
//! | rollable | the miner, if its channel is extended; zero for standard channels |
//!
//! Two channels with the same prefix and the same job would find the same shares, and both would be paid for them. So the index
//! of a closed channel is not given away again before all jobs are gone that it could be used with.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use super::MAX_EXTRANONCE_LEN;

/// The parts of a full extranonce, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtranonceLayout<'a> {
    /// What the server upstream prescribes; empty without one.
    pub upstream_prefix: &'a [u8],
    /// What tells servers apart that have the same work; empty if there is but one.
    pub server_id: &'a [u8],
    /// Bytes of the index, 1 to 4: there can be 256^`index_len` channels at a time.
    pub index_len: usize,
    /// Bytes that are left to the miner of an extended channel.
    pub rollable_len: usize,
}

impl ExtranonceLayout<'_> {
    /// The length of the full extranonce, in bytes.
    #[must_use]
    pub const fn full_len(&self) -> usize {
        let fixed = self.upstream_prefix.len().saturating_add(self.server_id.len());
        fixed.saturating_add(self.index_len).saturating_add(self.rollable_len)
    }
}

/// Why the allocator refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtranonceError {
    /// The full extranonce would be longer than [`MAX_EXTRANONCE_LEN`].
    TooLong,
    /// The index has to have 1 to 4 bytes.
    IndexLength,
    /// Every index is in use, or was and may not be used again yet.
    Exhausted,
    /// The prefix is not in use: it was released before, or came from elsewhere.
    NotInUse,
}

impl fmt::Display for ExtranonceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the full extranonce would be longer than 32 bytes",
            Self::IndexLength => "the index of an extranonce has to have 1 to 4 bytes",
            Self::Exhausted => "there is no extranonce prefix left",
            Self::NotInUse => "the extranonce prefix is not in use",
        })
    }
}

impl core::error::Error for ExtranonceError {}

/// The part of the search space that belongs to one channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ExtranoncePrefix {
    /// The full extranonce, the rollable part being zero.
    bytes: [u8; MAX_EXTRANONCE_LEN],
    prefix_len: u8,
    full_len: u8,
    index: u32,
}

impl ExtranoncePrefix {
    /// The `extranonce_prefix` of an extended channel: all but the rollable part.
    #[must_use]
    pub fn extended(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.prefix_len)).unwrap_or_default()
    }

    /// The `extranonce_prefix` of a standard channel: the whole extranonce, whose rollable part is zero. So standard channels
    /// can be in a group with extended ones, whose full extranonce has to have the same size (spec 5.2.3).
    #[must_use]
    pub fn standard(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.full_len)).unwrap_or_default()
    }

    /// How many bytes the miner of an extended channel rolls, `extranonce_size` on the wire.
    #[must_use]
    pub const fn rollable_len(&self) -> usize {
        (self.full_len - self.prefix_len) as usize
    }

    /// The number that tells it from the others.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }
}

impl fmt::Debug for ExtranoncePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.extended().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Gives each channel a prefix of its own.
///
/// Its memory follows the largest number of indices that were in use or in quarantine at a time, not the number of channels
/// that there ever were: an index is given away again as soon as it may be, those first that were free for the longest time.
#[derive(Clone, Debug)]
pub struct ExtranonceAllocator {
    /// The upstream prefix, then the server id.
    fixed: [u8; MAX_EXTRANONCE_LEN],
    upstream_len: u8,
    fixed_len: u8,
    index_len: u8,
    rollable_len: u8,
    /// A bit for each index that was ever given away: whether it is in use.
    in_use: Vec<u64>,
    used: usize,
    /// The lowest index that was never given away.
    next: u64,
    free: VecDeque<u32>,
    /// Released indices, with the epoch in which they were. Epochs never get smaller from front to back.
    quarantine: VecDeque<(u64, u32)>,
}

impl ExtranonceAllocator {
    /// An allocator with all indices free.
    pub fn new(layout: ExtranonceLayout<'_>) -> Result<Self, ExtranonceError> {
        if !(1..=4).contains(&layout.index_len) {
            return Err(ExtranonceError::IndexLength);
        }
        if layout.full_len() > MAX_EXTRANONCE_LEN {
            return Err(ExtranonceError::TooLong);
        }
        let mut allocator = Self {
            fixed: [0; MAX_EXTRANONCE_LEN],
            upstream_len: 0,
            fixed_len: 0,
            index_len: layout.index_len as u8,
            rollable_len: layout.rollable_len as u8,
            in_use: Vec::new(),
            used: 0,
            next: 0,
            free: VecDeque::new(),
            quarantine: VecDeque::new(),
        };
        allocator.set_fixed(layout.upstream_prefix, layout.server_id)?;
        Ok(allocator)
    }

    /// A prefix that no other channel has, and none had that could still be paid for a live job.
    pub fn allocate(&mut self) -> Result<ExtranoncePrefix, ExtranonceError> {
        let index = match self.free.pop_front() {
            Some(index) => index,
            None if self.next < self.capacity() => {
                // Below 256^4.
                let index = self.next as u32;
                self.next += 1;
                index
            }
            None => return Err(ExtranonceError::Exhausted),
        };
        let (word, bit) = place(index);
        if word >= self.in_use.len() {
            self.in_use.resize(word + 1, 0);
        }
        if let Some(word) = self.in_use.get_mut(word) {
            *word |= bit;
        }
        self.used += 1;
        Ok(self.prefix_of(index))
    }

    /// Takes back the prefix of a channel that was closed in `epoch`. It is in quarantine until [`reclaim`](Self::reclaim) says
    /// that no job of that epoch is alive.
    ///
    /// An epoch is what the caller counts: usually the tips, since a new tip ends all jobs before it. Epochs do not go back: one
    /// that is lower than an earlier one is taken for that.
    pub fn release(&mut self, prefix: ExtranoncePrefix, epoch: u64) -> Result<(), ExtranonceError> {
        self.take_back(prefix)?;
        let epoch = self.quarantine.back().map_or(epoch, |(latest, _)| epoch.max(*latest));
        self.quarantine.push_back((epoch, prefix.index));
        Ok(())
    }

    /// Takes back the prefix of a channel of which no share was accepted on a job that is alive: nobody could be paid twice, and it
    /// is free at once. So clients that open and close channels do not use up the indices.
    pub fn release_unused(&mut self, prefix: ExtranoncePrefix) -> Result<(), ExtranonceError> {
        self.take_back(prefix)?;
        self.free.push_back(prefix.index);
        Ok(())
    }

    fn take_back(&mut self, prefix: ExtranoncePrefix) -> Result<(), ExtranonceError> {
        let (word, bit) = place(prefix.index);
        let word = self.in_use.get_mut(word).filter(|word| **word & bit != 0).ok_or(ExtranonceError::NotInUse)?;
        *word &= !bit;
        self.used -= 1;
        Ok(())
    }

    /// Frees what was released before `oldest_live_epoch`, the earliest epoch that a live job is from. Returns how many.
    pub fn reclaim(&mut self, oldest_live_epoch: u64) -> usize {
        let count = self.quarantine.partition_point(|(epoch, _)| *epoch < oldest_live_epoch);
        self.free.extend(self.quarantine.drain(..count).map(|(_, index)| index));
        count
    }

    /// Follows the server upstream to another prefix. Indices stay what they are: [`renewed`](Self::renewed) gives each channel
    /// its new prefix.
    ///
    /// The new prefix may have another length. The full extranonce has another one then, which no group survives: who needs it
    /// to stay the same changes the [server id](Self::set_server_id) as well.
    pub fn set_upstream_prefix(&mut self, upstream_prefix: &[u8]) -> Result<(), ExtranonceError> {
        let fixed = self.fixed;
        let server_id = fixed.get(usize::from(self.upstream_len)..usize::from(self.fixed_len)).unwrap_or_default();
        self.set_fixed(upstream_prefix, server_id)
    }

    /// Changes the server id, under the same rules as [`set_upstream_prefix`](Self::set_upstream_prefix).
    pub fn set_server_id(&mut self, server_id: &[u8]) -> Result<(), ExtranonceError> {
        let fixed = self.fixed;
        let upstream_prefix = fixed.get(..usize::from(self.upstream_len)).unwrap_or_default();
        self.set_fixed(upstream_prefix, server_id)
    }

    /// The prefix with the same index under the present upstream prefix and server id.
    #[must_use]
    pub fn renewed(&self, prefix: ExtranoncePrefix) -> ExtranoncePrefix {
        self.prefix_of(prefix.index)
    }

    /// The present prefix of an index that is in use.
    #[must_use]
    pub fn prefix(&self, index: u32) -> Option<ExtranoncePrefix> {
        let (word, bit) = place(index);
        self.in_use.get(word).filter(|word| **word & bit != 0).map(|_| self.prefix_of(index))
    }

    /// The length of the full extranonce, in bytes.
    #[must_use]
    pub const fn full_len(&self) -> usize {
        self.fixed_len as usize + self.index_len as usize + self.rollable_len as usize
    }

    /// How many bytes the miner of an extended channel rolls.
    #[must_use]
    pub const fn rollable_len(&self) -> usize {
        self.rollable_len as usize
    }

    /// How many prefixes are in use.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// How many prefixes were released and may not be used again yet.
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.quarantine.len()
    }

    /// How many prefixes there are, in use or not.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        1 << (8 * self.index_len)
    }

    fn set_fixed(&mut self, upstream_prefix: &[u8], server_id: &[u8]) -> Result<(), ExtranonceError> {
        let fixed_len = upstream_prefix.len().saturating_add(server_id.len());
        let further = usize::from(self.index_len) + usize::from(self.rollable_len);
        if fixed_len.saturating_add(further) > MAX_EXTRANONCE_LEN {
            return Err(ExtranonceError::TooLong);
        }
        self.fixed = filled([upstream_prefix, server_id]);
        // At most 32, both.
        self.upstream_len = upstream_prefix.len() as u8;
        self.fixed_len = fixed_len as u8;
        Ok(())
    }

    fn prefix_of(&self, index: u32) -> ExtranoncePrefix {
        let fixed = self.fixed.get(..usize::from(self.fixed_len)).unwrap_or_default();
        // Big-endian, so that prefixes sort as their indices do, in the bytes that the index needs at most.
        let digits = index.to_be_bytes();
        let digits = digits.get(digits.len() - usize::from(self.index_len)..).unwrap_or_default();
        let prefix_len = self.fixed_len + self.index_len;
        ExtranoncePrefix { bytes: filled([fixed, digits]), prefix_len, full_len: prefix_len + self.rollable_len, index }
    }
}

/// Where the bit of an index is: the word, and the bit in it.
fn place(index: u32) -> (usize, u64) {
    (index as usize / 64, 1 << (index % 64))
}

/// Two parts, then zeros.
fn filled(parts: [&[u8]; 2]) -> [u8; MAX_EXTRANONCE_LEN] {
    let mut bytes = [0; MAX_EXTRANONCE_LEN];
    for (free, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *free = *byte;
    }
    bytes
}
