//! Jobs as a client has them, in memory that was reserved before.

use alloc::vec::Vec;
use core::fmt;

use crate::bitcoin::{Hash, Header, Sha256d, ShortBytes, Target, root_from_path};
use crate::message::NewExtendedMiningJob;
use crate::mining::MAX_EXTRANONCE_LEN;
use crate::mining::share::Tip;
use crate::wire::{List, U256};

use super::ChannelError;

/// How a job stands to the tip of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for a SetNewPrevHash that names it.
    Future,
    /// The one to mine on.
    Active,
    /// On the tip as well, but another one came after it. Shares of it are still taken.
    Past,
    /// The client's own, which the server has accepted: SetCustomMiningJob.Success.
    Custom,
}

/// A job of one channel.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) job_id: u32,
    pub(super) state: JobState,
    pub(super) version: u32,
    pub(super) version_rolling_allowed: bool,
    pub(super) min_ntime: u32,
    /// That of the channel when the job became active (spec 5.3.21).
    pub(super) target: Target,
    /// That of the channel when the job came (spec 5.3.10).
    pub(super) extranonce_prefix: ShortBytes<MAX_EXTRANONCE_LEN>,
    pub(super) work: Work,
    /// Jobs that came earlier have a smaller one.
    pub(super) arrival: u64,
}

/// What the merkle root comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// The channel is standard.
    Root(Hash),
    /// The channel is extended: the place of the job's body.
    Body(usize),
    /// Only who declared the job knows. It is mined on this block.
    Custom(Hash),
}

/// The bodies of extended jobs. The channels of a group share them.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    places: Vec<Body>,
    max_len: usize,
}

#[derive(Debug, Default)]
struct Body {
    /// coinbase_tx_prefix, coinbase_tx_suffix, merkle_path.
    bytes: Vec<u8>,
    prefix_len: usize,
    suffix_len: usize,
    path_count: usize,
    /// The hash of coinbase_tx_prefix so far.
    hashed_prefix: Sha256d,
    /// How many channels have the job.
    users: usize,
}

impl Bodies {
    /// Memory for `count` bodies of `max_len` bytes, if it is not there yet.
    pub(super) fn reserve(&mut self, count: usize, max_len: usize) -> Result<(), ChannelError> {
        self.max_len = max_len;
        if self.places.len() < count {
            self.places.try_reserve_exact(count - self.places.len()).map_err(|_| ChannelError::OutOfMemory)?;
            while self.places.len() < count {
                let mut body = Body::default();
                body.bytes.try_reserve_exact(max_len).map_err(|_| ChannelError::OutOfMemory)?;
                self.places.push(body);
            }
        }
        Ok(())
    }

    pub(super) fn has_place(&self) -> bool {
        self.places.iter().any(|body| body.users == 0)
    }

    /// Copies a job to a free place, where it stays while it has users.
    pub(super) fn store(&mut self, message: &NewExtendedMiningJob<'_>) -> Result<usize, ChannelError> {
        let (prefix, suffix) = (message.coinbase_tx_prefix, message.coinbase_tx_suffix);
        let len = prefix.len() + suffix.len() + 32 * message.merkle_path.len();
        if len > self.max_len {
            return Err(ChannelError::JobTooLarge { len, max: self.max_len });
        }
        let mut places = self.places.iter_mut().enumerate();
        let (place, body) = places.find(|(_, body)| body.users == 0).ok_or(ChannelError::TooManyJobs)?;
        body.bytes.clear();
        body.bytes.extend_from_slice(prefix);
        body.bytes.extend_from_slice(suffix);
        message.merkle_path.iter().for_each(|hash| body.bytes.extend_from_slice(&hash.0));
        (body.prefix_len, body.suffix_len) = (prefix.len(), suffix.len());
        body.path_count = message.merkle_path.len();
        body.hashed_prefix = Sha256d::new().with(prefix);
        Ok(place)
    }

    pub(super) fn note_user(&mut self, place: usize) {
        if let Some(body) = self.places.get_mut(place) {
            body.users += 1;
        }
    }

    pub(super) fn release(&mut self, entry: &Entry) {
        if let Work::Body(place) = entry.work {
            if let Some(body) = self.places.get_mut(place) {
                body.users = body.users.saturating_sub(1);
            }
        }
    }

    fn get(&self, place: usize) -> Option<&Body> {
        self.places.get(place)
    }
}

impl Body {
    fn parts(&self) -> (&[u8], &[u8], List<'_, U256>) {
        let split = self.bytes.split_at_checked(self.prefix_len).unwrap_or_default();
        let (prefix, (suffix, path)) = (split.0, split.1.split_at_checked(self.suffix_len).unwrap_or_default());
        (prefix, suffix, List::Wire { bytes: path, count: self.path_count })
    }

    fn merkle_root(&self, extranonce: [&[u8]; 2]) -> Hash {
        let (_, suffix, path) = self.parts();
        let [first, second] = extranonce;
        root_of(self.hashed_prefix.clone().with(first).with(second), suffix, path)
    }
}

/// The merkle root for a coinbase of which everything up to the suffix is hashed.
pub(super) fn root_of(hashed: Sha256d, suffix: &[u8], path: List<'_, U256>) -> Hash {
    root_from_path(&hashed.with(suffix).finish(), path.iter().map(|hash| hash.0))
}

/// A job of a channel, borrowed from the client.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub(super) entry: &'a Entry,
    pub(super) bodies: &'a Bodies,
    pub(super) channel_tip: Option<&'a Tip>,
    pub(super) channel_id: u32,
    pub(super) extranonce_size: usize,
}

impl<'a> Job<'a> {
    /// The server's name for it.
    #[must_use]
    pub const fn job_id(&self) -> u32 {
        self.entry.job_id
    }

    /// Whether it waits, is mined on, or was.
    #[must_use]
    pub const fn state(&self) -> JobState {
        self.entry.state
    }

    /// The header's nVersion, from which shares may differ in the bits of
    /// [`VERSION_ROLLING_MASK`](crate::mining::VERSION_ROLLING_MASK) if [`Job::version_rolling_allowed`].
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.entry.version
    }

    /// Whether they may.
    #[must_use]
    pub const fn version_rolling_allowed(&self) -> bool {
        self.entry.version_rolling_allowed
    }

    /// The smallest nTime of a share; of a future job 0.
    #[must_use]
    pub const fn min_ntime(&self) -> u32 {
        self.entry.min_ntime
    }

    /// What the hash of a share must not exceed. Of a future job it can still change.
    #[must_use]
    pub const fn target(&self) -> &'a Target {
        &self.entry.target
    }

    /// The first part of the extranonce, which the server prescribes for this job.
    #[must_use]
    pub fn extranonce_prefix(&self) -> &'a [u8] {
        &self.entry.extranonce_prefix
    }

    /// What it is mined on; `None` of a future job, and of a custom one, whose owner knows.
    #[must_use]
    pub fn tip(&self) -> Option<&'a Tip> {
        matches!(self.entry.state, JobState::Active | JobState::Past).then_some(self.channel_tip).flatten()
    }

    /// The merkle root for an extranonce of the channel's extranonce_size, 0 bytes on a standard channel (spec 5.3.16). Allocates
    /// nothing.
    ///
    /// `None` if it has another length, or the job is custom.
    #[must_use]
    pub fn merkle_root(&self, extranonce: &[u8]) -> Option<Hash> {
        if extranonce.len() != self.extranonce_size {
            return None;
        }
        match self.entry.work {
            Work::Root(root) => Some(root),
            Work::Body(place) => Some(self.bodies.get(place)?.merkle_root([self.extranonce_prefix(), extranonce])),
            Work::Custom(_) => None,
        }
    }

    /// The header to hash, with the job's version and smallest nTime and a nonce of 0.
    ///
    /// `None` if [`Job::merkle_root`] or [`Job::tip`] is.
    #[must_use]
    pub fn header(&self, extranonce: &[u8]) -> Option<Header> {
        let tip = self.tip()?;
        Some(Header {
            version: self.entry.version,
            prev_hash: tip.prev_hash,
            merkle_root: self.merkle_root(extranonce)?,
            time: self.entry.min_ntime,
            nbits: tip.nbits,
            nonce: 0,
        })
    }

    /// The message that the job came in, as a proxy needs it; `None` if it is not an extended job of an extended channel.
    #[must_use]
    pub fn extended(&self) -> Option<NewExtendedMiningJob<'a>> {
        let Work::Body(place) = self.entry.work else { return None };
        let (coinbase_tx_prefix, coinbase_tx_suffix, merkle_path) = self.bodies.get(place)?.parts();
        Some(NewExtendedMiningJob {
            channel_id: self.channel_id,
            job_id: self.entry.job_id,
            min_ntime: (self.entry.state != JobState::Future).then_some(self.entry.min_ntime),
            version: self.entry.version,
            version_rolling_allowed: self.entry.version_rolling_allowed,
            merkle_path,
            coinbase_tx_prefix,
            coinbase_tx_suffix,
        })
    }
}

impl fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}
