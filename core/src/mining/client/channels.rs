//! All channels of one connection, without the connection: what each message of the server means for them.

use alloc::vec::Vec;
use core::fmt;

use super::channel::{Channel, ChannelKind, Record, Solution};
use super::job::{Bodies, Entry, JobState, Work, root_of};
use super::shares::ShareTotals;
use crate::Time;
use crate::bitcoin::{Hash, Sha256d, ShortBytes, Target};
use crate::message::{
    NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannelSuccess, OpenStandardMiningChannelSuccess,
    SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash, SetTarget, SubmitSharesError, SubmitSharesExtended,
    SubmitSharesStandard, SubmitSharesSuccess,
};
use crate::mining::share::{ShareError, Tip};

/// How much is kept. All of it is reserved when a channel opens, and nothing is allocated afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Most channels that are open at a time.
    pub channels: usize,
    /// Most jobs of a channel: future, active, past and custom ones together; at least 2. When another comes, the oldest past one
    /// is forgotten, or else the oldest that is not mined on.
    pub jobs: usize,
    /// Most jobs with a coinbase, those of extended channels, on all channels together; at least 2 for each of them. The channels
    /// of a group share theirs. None are reserved before an extended channel opens.
    pub extended_jobs: usize,
    /// Most bytes of such a job: coinbase_tx_prefix, coinbase_tx_suffix and 32 for each hash of the merkle path.
    pub extended_job_len: usize,
    /// Most shares of a channel that are remembered until they are answered. Further ones are only counted.
    pub unanswered_shares: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { channels: 16, jobs: 24, extended_jobs: 24, extended_job_len: 64 << 10, unanswered_shares: 256 }
    }
}

/// A message of the server that the channels cannot follow. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// There are [`Capacity::channels`].
    TooManyChannels,
    /// There is a channel with this channel_id.
    DuplicateChannel(u32),
    /// The full extranonce would be longer than 32 bytes.
    ExtranonceTooLong {
        /// The channel.
        channel_id: u32,
        /// Bytes of extranonce_prefix and extranonce_size.
        len: usize,
    },
    /// A job is longer than [`Capacity::extended_job_len`].
    JobTooLarge {
        /// Its coinbase and merkle path, in bytes.
        len: usize,
        /// The capacity.
        max: usize,
    },
    /// All [`Capacity::extended_jobs`] are mined on.
    TooManyJobs,
    /// nBits stands for no target.
    InvalidNbits(u32),
    /// There is not so much memory as the capacity says.
    OutOfMemory,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyChannels => f.write_str("there is no room for another channel"),
            Self::DuplicateChannel(channel_id) => write!(f, "there is a channel {channel_id} already"),
            Self::ExtranonceTooLong { channel_id, len } => {
                write!(f, "channel {channel_id} would have an extranonce of {len} bytes, of at most 32")
            }
            Self::JobTooLarge { len, max } => {
                write!(f, "a job with {len} bytes of coinbase and merkle path, where there is room for {max}")
            }
            Self::TooManyJobs => f.write_str("there is no room for another job, and none that could be given up"),
            Self::InvalidNbits(nbits) => write!(f, "nBits 0x{nbits:08x} stands for no target"),
            Self::OutOfMemory => f.write_str("there is no memory for a channel"),
        }
    }
}

impl core::error::Error for ChannelError {}

/// A share as it goes out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Submission<'a> {
    /// On a standard channel.
    Standard(SubmitSharesStandard),
    /// On an extended channel.
    Extended(SubmitSharesExtended<'a>),
}

/// The channels of one connection, of which [`Client`](super::Client) has one set. Usable alone by whoever has a connection
/// of their own: each message of the server has a method, and those whose channel_id is that of a group reach all its members.
///
/// Messages for channels that are not open say `false` and change nothing: servers send them for a while after a channel was
/// closed.
#[derive(Debug)]
pub struct Channels {
    /// In the order of their channel_id.
    list: Vec<Record>,
    bodies: Bodies,
    capacity: Capacity,
    arrivals: u64,
}

impl Channels {
    /// No channel yet.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let capacity = Capacity { jobs: capacity.jobs.max(2), ..capacity };
        Self { list: Vec::new(), bodies: Bodies::default(), capacity, arrivals: 0 }
    }

    /// An open channel.
    #[must_use]
    pub fn get(&self, channel_id: u32) -> Option<Channel<'_>> {
        let record = self.list.get(self.place(channel_id).ok()?)?;
        Some(Channel { record, bodies: &self.bodies })
    }

    /// All of them, in the order of their channel_id.
    pub fn iter(&self) -> impl Iterator<Item = Channel<'_>> {
        self.list.iter().map(|record| Channel { record, bodies: &self.bodies })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first channel, from this channel_id on, that a message to `address` is for: the channel of that id, or the members of
    /// that group.
    #[must_use]
    pub fn addressed_from(&self, address: u32, channel_id: u32) -> Option<u32> {
        let is_meant = self.meant_by(address);
        let from = self.place(channel_id).unwrap_or_else(|place| place);
        self.list.iter().skip(from).find(|record| is_meant(record)).map(|record| record.channel_id)
    }

    // -------------------------------------------------------------------------------------------------------- opening

    /// A standard channel is open (spec 5.3.3).
    ///
    /// # Errors
    /// `TooManyChannels`, `DuplicateChannel`, `ExtranonceTooLong`, `OutOfMemory`.
    pub fn open_standard(
        &mut self,
        message: &OpenStandardMiningChannelSuccess<'_>,
        worker: &[u8],
        now: Time,
    ) -> Result<(), ChannelError> {
        let record = Record::new(message.channel_id, ChannelKind::Standard, message.extranonce_prefix, &self.capacity)?;
        self.open(record, message.group_channel_id, Target(message.target.0), worker, now)
    }

    /// An extended channel is open (spec 5.3.5).
    ///
    /// # Errors
    /// As [`Channels::open_standard`].
    pub fn open_extended(
        &mut self,
        message: &OpenExtendedMiningChannelSuccess<'_>,
        worker: &[u8],
        now: Time,
    ) -> Result<(), ChannelError> {
        let kind = ChannelKind::Extended(message.extranonce_size);
        let record = Record::new(message.channel_id, kind, message.extranonce_prefix, &self.capacity)?;
        self.bodies.reserve(self.capacity.extended_jobs.max(2), self.capacity.extended_job_len)?;
        self.open(record, message.group_channel_id, Target(message.target.0), worker, now)
    }

    fn open(
        &mut self,
        record: Record,
        group_channel_id: u32,
        target: Target,
        worker: &[u8],
        now: Time,
    ) -> Result<(), ChannelError> {
        if self.list.len() >= self.capacity.channels {
            return Err(ChannelError::TooManyChannels);
        }
        let Err(place) = self.place(record.channel_id) else {
            return Err(ChannelError::DuplicateChannel(record.channel_id));
        };
        self.list.try_reserve(1).map_err(|_| ChannelError::OutOfMemory)?;
        let idle_since = Some(now.monotonic_ms);
        let worker = ShortBytes::from(worker);
        self.list.insert(place, Record { group_channel_id, target, worker, idle_since, ..record });
        Ok(())
    }

    /// A channel is closed, by either side (spec 5.3.9): what became of its shares, or `None` if there is no such channel. A group is
    /// closed member by member, see [`Channels::addressed_from`].
    pub fn close(&mut self, channel_id: u32) -> Option<ShareTotals> {
        let place = self.place(channel_id).ok()?;
        let record = self.list.remove(place);
        record.jobs.iter().for_each(|job| self.bodies.release(job));
        Some(record.shares.totals())
    }

    // ----------------------------------------------------------------------------------------------------------- work

    /// A job with its merkle root (spec 5.3.15), of a standard channel.
    pub fn new_mining_job(&mut self, message: &NewMiningJob, fixed_version: bool) -> bool {
        let arrival = self.next_arrival();
        let Ok(place) = self.place(message.channel_id) else { return false };
        let Some(record) = self.list.get_mut(place).filter(|record| record.kind == ChannelKind::Standard) else {
            return false;
        };
        let job = Entry {
            version: message.version,
            version_rolling_allowed: !fixed_version,
            work: Work::Root(message.merkle_root.0),
            ..entry(record, message.job_id, message.min_ntime, arrival)
        };
        record.add(job, &mut self.bodies, self.capacity.jobs);
        true
    }

    /// A job whose extranonce is still to be chosen (spec 5.3.16), of an extended channel or of all channels of a group.
    ///
    /// # Errors
    /// `JobTooLarge`, `TooManyJobs`.
    pub fn new_extended_mining_job(&mut self, message: &NewExtendedMiningJob<'_>) -> Result<bool, ChannelError> {
        let is_meant = self.meant_by(message.channel_id);
        let is_extended = |record: &Record| is_meant(record) && record.kind != ChannelKind::Standard;
        let place = if self.list.iter().any(is_extended) {
            self.make_place();
            Some(self.bodies.store(message)?)
        } else {
            None
        };
        let arrival = self.next_arrival();
        let hashed_prefix = Sha256d::new().with(message.coinbase_tx_prefix);
        let (suffix, path) = (message.coinbase_tx_suffix, message.merkle_path);
        let mut found = false;
        for record in self.list.iter_mut().filter(|record| is_meant(record)) {
            let work = match (record.kind, place) {
                (ChannelKind::Extended(_), Some(place)) => {
                    self.bodies.note_user(place);
                    Work::Body(place)
                }
                _ => Work::Root(root_of(hashed_prefix.clone().with(&record.extranonce_prefix), suffix, path)),
            };
            let job = Entry {
                version: message.version,
                version_rolling_allowed: message.version_rolling_allowed,
                work,
                ..entry(record, message.job_id, message.min_ntime, arrival)
            };
            record.add(job, &mut self.bodies, self.capacity.jobs);
            found = true;
        }
        Ok(found)
    }

    /// A new best block (spec 5.3.17): a future job becomes active, all others are over. A channel that has not got the job has
    /// [no job](Channel::active_job) then.
    ///
    /// # Errors
    /// `InvalidNbits`.
    pub fn set_new_prev_hash(&mut self, message: &SetNewPrevHash, now: Time) -> Result<bool, ChannelError> {
        let tip = Tip::new(message.prev_hash.0, message.nbits, message.min_ntime, None, now.unix_s);
        let tip = tip.ok_or(ChannelError::InvalidNbits(message.nbits))?;
        let is_meant = self.meant_by(message.channel_id);
        let mut found = false;
        for record in self.list.iter_mut().filter(|record| is_meant(record)) {
            if !record.set_tip(message.job_id, tip, &mut self.bodies) {
                record.idle_since.get_or_insert(now.monotonic_ms);
            }
            found = true;
        }
        Ok(found)
    }

    /// The target of jobs that come or become active from now on (spec 5.3.21), of a channel or of all channels of a group.
    pub fn set_target(&mut self, message: &SetTarget) -> bool {
        let is_meant = self.meant_by(message.channel_id);
        let mut meant = self.list.iter_mut().filter(|record| is_meant(record)).peekable();
        let found = meant.peek().is_some();
        meant.for_each(|record| record.set_target(Target(message.maximum_target.0)));
        found
    }

    /// The extranonce_prefix of jobs that come from now on (spec 5.3.10). Not for groups.
    ///
    /// # Errors
    /// `ExtranonceTooLong`.
    pub fn set_extranonce_prefix(&mut self, message: &SetExtranoncePrefix<'_>) -> Result<bool, ChannelError> {
        let &SetExtranoncePrefix { channel_id, extranonce_prefix } = message;
        let Ok(place) = self.place(channel_id) else { return Ok(false) };
        let Some(record) = self.list.get_mut(place) else { return Ok(false) };
        let len = extranonce_prefix.len() + record.kind.extranonce_size();
        if len > crate::mining::MAX_EXTRANONCE_LEN {
            return Err(ChannelError::ExtranonceTooLong { channel_id, len });
        }
        record.extranonce_prefix = ShortBytes::from(extranonce_prefix);
        Ok(true)
    }

    /// Channels join a group (spec 5.3.22). Those that are not open are passed over.
    pub fn set_group_channel(&mut self, message: &SetGroupChannel<'_>) {
        for channel_id in message.channel_ids {
            let place = self.place(channel_id);
            if let Some(record) = place.ok().and_then(|place| self.list.get_mut(place)) {
                record.group_channel_id = message.group_channel_id;
            }
        }
    }

    /// The server has accepted a custom job (spec 5.3.19), of whose header `version`, `min_ntime` and `prev_hash` are known: shares of
    /// it can be submitted. Custom jobs on another block are over, since it would not have been accepted beside them. The merkle root is known to whoever declared it, for instance as a
    /// [`JobFactory::custom`](crate::mining::job::JobFactory::custom).
    pub fn custom_job_accepted(
        &mut self,
        channel_id: u32,
        job_id: u32,
        version: u32,
        min_ntime: u32,
        prev_hash: Hash,
    ) -> bool {
        let arrival = self.next_arrival();
        let Ok(place) = self.place(channel_id) else { return false };
        let Some(record) = self.list.get_mut(place) else { return false };
        record
            .jobs
            .retain(|job| !matches!(job.work, Work::Custom(on) if job.state == JobState::Custom && on != prev_hash));
        let work = Work::Custom(prev_hash);
        let job = Entry { version, min_ntime, work, state: JobState::Custom, ..entry(record, job_id, None, arrival) };
        record.add(job, &mut self.bodies, self.capacity.jobs);
        true
    }

    // --------------------------------------------------------------------------------------------------------- shares

    /// The message for a share, with the next sequence_number of its channel; [`Channels::note_submitted`] says that it is on its
    /// way. The hash is not looked at.
    ///
    /// # Errors
    /// What the server would answer: `InvalidChannelId`, `InvalidJobId` - also if the job is one of a tip that is gone, or waits
    /// for its own -, `BadExtranonceSize`, `NtimeOutOfRange` if it is before min_ntime, `VersionRollingNotAllowed` or
    /// `NonRollableVersionBit`.
    pub fn submission<'a>(&self, channel_id: u32, solution: &Solution<'a>) -> Result<Submission<'a>, ShareError> {
        let record = self.place(channel_id).ok().and_then(|place| self.list.get(place));
        let record = record.ok_or(ShareError::InvalidChannelId)?;
        record.check(solution)?;
        let sequence_number = record.shares.next_sequence_number();
        let Solution { job_id, nonce, ntime, version, extranonce } = *solution;
        Ok(match record.kind {
            ChannelKind::Standard => Submission::Standard(SubmitSharesStandard {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
            }),
            ChannelKind::Extended(_) => Submission::Extended(SubmitSharesExtended {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
                extranonce,
            }),
        })
    }

    /// What [`Channels::submission`] gave is on its way.
    pub fn note_submitted(&mut self, channel_id: u32, job_id: u32, now: Time) {
        let place = self.place(channel_id);
        if let Some(record) = place.ok().and_then(|place| self.list.get_mut(place)) {
            record.shares.note_submitted(job_id, now.monotonic_ms);
        }
    }

    /// A batch of shares is acknowledged (spec 5.3.13). Gives how many of them were not submitted; `None` if there is no such channel.
    pub fn shares_accepted(&mut self, message: &SubmitSharesSuccess) -> Option<u32> {
        let place = self.place(message.channel_id).ok()?;
        let shares = &mut self.list.get_mut(place)?.shares;
        let count = message.new_submits_accepted_count;
        Some(shares.note_accepted(message.last_sequence_number, count, message.new_shares_sum))
    }

    /// A share is refused (spec 5.3.14). Gives whether it was submitted and not answered; `None` if there is no such channel.
    pub fn share_rejected(&mut self, message: &SubmitSharesError<'_>) -> Option<bool> {
        let place = self.place(message.channel_id).ok()?;
        Some(self.list.get_mut(place)?.shares.note_rejected(message.sequence_number))
    }

    // -------------------------------------------------------------------------------------------------------- helpers

    /// The worker that shares of a channel without one of their own are counted for.
    pub(super) fn worker(&self, channel_id: u32) -> &[u8] {
        let record = self.place(channel_id).ok().and_then(|place| self.list.get(place));
        record.map_or(&[], |record| &*record.worker)
    }

    /// Since when the channel that waits longest has nothing to mine on, in monotonic milliseconds.
    pub(super) fn idle_since(&self) -> Option<u64> {
        self.list.iter().filter_map(|record| record.idle_since).min()
    }

    /// All channels are over. Their memory is given back, but for that of jobs.
    pub(super) fn clear(&mut self) {
        let bodies = &mut self.bodies;
        self.list.drain(..).for_each(|record| record.jobs.iter().for_each(|job| bodies.release(job)));
    }

    fn place(&self, channel_id: u32) -> Result<usize, usize> {
        self.list.binary_search_by_key(&channel_id, |record| record.channel_id)
    }

    /// Which channels a message to `address` is for. A channel's own id comes first: a group must not have the same.
    fn meant_by(&self, address: u32) -> impl Fn(&Record) -> bool + Copy + use<> {
        let is_channel = self.place(address).is_ok();
        move |record| if is_channel { record.channel_id == address } else { record.group_channel_id == address }
    }

    fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// Gives up old jobs until the body of another has a place, if that can be had.
    fn make_place(&mut self) {
        while !self.bodies.has_place() {
            let jobs = self.list.iter().flat_map(|record| record.jobs.iter());
            let with_body = jobs.filter(|job| matches!(job.work, Work::Body(_)) && job.state != JobState::Active);
            let oldest = with_body.min_by_key(|job| (job.state == JobState::Future, job.arrival));
            let Some((job_id, arrival)) = oldest.map(|job| (job.job_id, job.arrival)) else { return };
            // What came in one message to a group has one arrival.
            for record in &mut self.list {
                if record.job(job_id).is_some_and(|job| job.arrival == arrival && job.state != JobState::Active) {
                    record.remove(job_id, &mut self.bodies);
                }
            }
        }
    }
}

/// A job of a channel as of now. One without min_ntime waits for its tip, and so does one that came before any tip was
/// announced, which some servers do.
fn entry(record: &Record, job_id: u32, min_ntime: Option<u32>, arrival: u64) -> Entry {
    let state = match (min_ntime, record.tip) {
        (Some(_), Some(_)) => JobState::Active,
        _ => JobState::Future,
    };
    Entry {
        job_id,
        state,
        version: 0,
        version_rolling_allowed: true,
        min_ntime: min_ntime.unwrap_or_default(),
        target: record.target,
        extranonce_prefix: record.extranonce_prefix,
        work: Work::Custom([0; 32]),
        arrival,
    }
}
