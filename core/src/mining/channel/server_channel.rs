//! A standard or an extended channel.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::jobs::{ChannelJob, Jobs, Worth};
use super::{ChannelKind, Extranonce};
use crate::Time;
use crate::bitcoin::{Hash, Header, Sha256d, Target};
use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::accounting::{Accounting, AccountingOptions};
use crate::mining::job::ExtendedJob;
use crate::mining::share::{Checked, Duplicates, Insertion, NtimeRule, Share, ShareError, ShareWork, Tip, check};

/// Blocks that are remembered of a channel beside its shares, for each tip.
const MAX_BLOCKS: usize = 64;

/// What holds for all channels of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// How late the nTime of a share may be.
    pub ntime_rule: NtimeRule,
    /// The bits of the version that may be rolled, where a job allows that.
    pub version_mask: u32,
    /// How many jobs of the present tip, besides the last one, a share may be for.
    pub past_jobs: usize,
    /// How many jobs may wait for their tip. When there are more, the oldest goes.
    pub future_jobs: usize,
    /// How many shares of a job are remembered. After three quarters of them [`Accepted::wants_job`] asks for another job.
    pub max_shares_per_job: usize,
    /// When accepted shares are acknowledged.
    pub accounting: AccountingOptions,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            ntime_rule: NtimeRule::default(),
            version_mask: VERSION_ROLLING_MASK,
            past_jobs: 16,
            future_jobs: 16,
            max_shares_per_job: 2_048,
            accounting: AccountingOptions::default(),
        }
    }
}

/// The server's side of a standard or an extended channel. See the [module](super) for what becomes of its jobs.
#[derive(Clone, Debug)]
pub struct ServerChannel {
    channel_id: u32,
    kind: ChannelKind,
    user_identity: Box<[u8]>,
    options: ChannelOptions,
    nominal_hash_rate: f32,
    max_target: Target,
    target: Target,
    extranonce_prefix: Extranonce,
    extranonce_size: usize,
    jobs: Jobs,
    tip: Option<Tip>,
    /// That before it.
    former_tip: Option<Tip>,
    /// The search spaces of the custom jobs on this tip, also of those that are forgotten.
    custom_jobs: Vec<([u8; 16], u32)>,
    /// Blocks of jobs whose shares are too many to remember another one.
    blocks: Vec<Hash>,
    accounting: Accounting,
    /// Whether a share was accepted since the tip came.
    is_paid_on_tip: bool,
}

/// A share as it is submitted (spec 5.3.11, 5.3.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission<'a> {
    /// As the miner counts.
    pub sequence_number: u32,
    /// The job that it is for.
    pub job_id: u32,
    /// The rest; the extranonce is empty on a standard channel.
    pub share: Share<'a>,
    /// What an extension appended makes the message invalid (spec 3.4.3): it is refused with `InvalidTlv`, unless it is a block.
    pub has_invalid_tlv: bool,
}

/// A share that counts.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The job that it is for.
    pub job: Arc<ExtendedJob>,
    /// The full extranonce.
    pub extranonce: Extranonce,
    /// How many bytes of it are the prefix.
    pub extranonce_prefix_len: usize,
    /// The hash of its header.
    pub hash: Hash,
    /// The header, if it is a block.
    pub block: Option<Header>,
    /// What it counts for: the difficulty of the job's target. For a block that does not meet that, of the block's target.
    pub difficulty: f64,
    /// How many hashes it took on average: the work of that target.
    pub work: f64,
    /// Many shares of the job are remembered, and not many more can be: the channel should get another one, with a search space
    /// of its own. Said once for each job, and only of the last one.
    pub wants_job: bool,
}

/// A custom job is one too many on its tip, or one that was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCustomJobs;

impl fmt::Display for TooManyCustomJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many custom jobs since the tip came")
    }
}

impl core::error::Error for TooManyCustomJobs {}

impl ServerChannel {
    /// A channel without jobs. `extranonce_prefix` is the whole extranonce of a standard channel, whose `extranonce_size` is 0.
    /// `target` is made no easier than `max_target`.
    #[must_use]
    pub fn new(
        channel_id: u32,
        kind: ChannelKind,
        extranonce_prefix: Extranonce,
        extranonce_size: usize,
        target: Target,
        max_target: Target,
        options: ChannelOptions,
    ) -> Self {
        Self {
            channel_id,
            kind,
            user_identity: Box::default(),
            options,
            nominal_hash_rate: 0.0,
            max_target,
            target: target.min(max_target),
            extranonce_prefix,
            extranonce_size: if kind == ChannelKind::Extended { extranonce_size } else { 0 },
            jobs: Jobs::default(),
            tip: None,
            former_tip: None,
            custom_jobs: Vec::new(),
            blocks: Vec::new(),
            accounting: Accounting::new(options.accounting),
            is_paid_on_tip: false,
        }
    }

    /// The same for somebody: who is to be credited, and how many hashes per second he says to make.
    #[must_use]
    pub fn of_user(self, user_identity: &[u8], nominal_hash_rate: f32) -> Self {
        Self { user_identity: user_identity.into(), nominal_hash_rate, ..self }
    }

    /// Its number.
    #[must_use]
    pub const fn channel_id(&self) -> u32 {
        self.channel_id
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// Who is to be credited, as it came.
    #[must_use]
    pub const fn user_identity(&self) -> &[u8] {
        &self.user_identity
    }

    /// What the client last said, in hashes per second.
    #[must_use]
    pub const fn nominal_hash_rate(&self) -> f32 {
        self.nominal_hash_rate
    }

    /// The easiest target that the client accepts.
    #[must_use]
    pub const fn max_target(&self) -> Target {
        self.max_target
    }

    /// The target of jobs that become active from now on.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// The first bytes of the extranonces of jobs that are sent from now on.
    #[must_use]
    pub const fn extranonce_prefix(&self) -> &Extranonce {
        &self.extranonce_prefix
    }

    /// How many bytes follow, for the miner to roll.
    #[must_use]
    pub const fn extranonce_size(&self) -> usize {
        self.extranonce_size
    }

    /// Length of the full extranonce, in bytes.
    #[must_use]
    pub fn full_extranonce_len(&self) -> usize {
        self.extranonce_prefix.len() + self.extranonce_size
    }

    /// The tip of its jobs.
    #[must_use]
    pub const fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }

    /// The job to work on.
    #[must_use]
    pub fn active_job(&self) -> Option<(u32, &Arc<ExtendedJob>)> {
        self.jobs.active().map(|active| (active.job_id, &active.job))
    }

    /// The target of the job to work on.
    #[must_use]
    pub fn active_target(&self) -> Option<Target> {
        self.jobs.active().map(|active| active.target)
    }

    /// The jobs that shares count for, the last one first, by their numbers.
    pub fn live_jobs(&self) -> impl Iterator<Item = (u32, &Arc<ExtendedJob>)> {
        self.jobs.live().rev().map(|live| (live.job_id, &live.job))
    }

    /// The jobs that wait for a tip, by their numbers.
    pub fn future_jobs(&self) -> impl Iterator<Item = (u32, &Arc<ExtendedJob>)> {
        self.jobs.future().iter().map(|future| (future.job_id, &future.job))
    }

    /// Whether a share was accepted since the tip came: then nobody else must get its extranonce_prefix before the next one.
    #[must_use]
    pub const fn is_paid_on_tip(&self) -> bool {
        self.is_paid_on_tip
    }

    /// The account.
    #[must_use]
    pub const fn accounting(&self) -> &Accounting {
        &self.accounting
    }

    /// The account, to take what is to be acknowledged.
    pub const fn accounting_mut(&mut self) -> &mut Accounting {
        &mut self.accounting
    }

    // ----------------------------------------------------------------------------------------------------------- changes

    /// The client says something else with UpdateChannel. The target becomes no easier than `max_target`; making it what the
    /// hash rate asks for is left to [`ServerChannel::set_target`].
    pub fn update(&mut self, nominal_hash_rate: f32, max_target: Target) {
        self.nominal_hash_rate = nominal_hash_rate;
        self.max_target = max_target;
        self.target = self.target.min(max_target);
    }

    /// Another target, made no easier than the client accepts, for jobs that become active from now on. Says whether it is
    /// another one than before: then the client must be sent a SetTarget.
    pub fn set_target(&mut self, target: Target) -> bool {
        let before = core::mem::replace(&mut self.target, target.min(self.max_target));
        before != self.target
    }

    /// Another extranonce_prefix, for jobs that are sent from now on.
    pub const fn set_extranonce_prefix(&mut self, extranonce_prefix: Extranonce) {
        self.extranonce_prefix = extranonce_prefix;
    }

    // -------------------------------------------------------------------------------------------------------------- jobs

    /// A job that waits for a tip. Gives the merkle root that a standard channel is to be told.
    pub fn add_future_job(&mut self, job_id: u32, job: Arc<ExtendedJob>) -> Option<Hash> {
        let job = self.job_of(job_id, job, 0);
        let merkle_root = job.merkle_root;
        self.jobs.add_future(job, self.options.future_jobs);
        merkle_root
    }

    /// A job that waited for a tip does not any more.
    pub fn remove_future_job(&mut self, job_id: u32) {
        self.jobs.remove_future(job_id);
    }

    /// A job on the present tip: the one to work on. Gives the merkle root that a standard channel is to be told.
    ///
    /// All jobs of a channel must have search spaces of their own, or be the same `Arc`; only custom jobs need not.
    pub fn add_job(&mut self, job_id: u32, job: Arc<ExtendedJob>, min_ntime: u32) -> Option<Hash> {
        let job = self.job_of(job_id, job, min_ntime);
        let merkle_root = job.merkle_root;
        self.jobs.add(job, self.options.past_jobs);
        merkle_root
    }

    /// A new tip, and the job that waited for it. All other jobs are stale, unless it is the same block as before. False if there is no such job: then there is none
    /// to work on, and whatever shares come are stale.
    pub fn activate(&mut self, job_id: u32, tip: &Tip) -> bool {
        if self.is_same_tip(tip) {
            self.tip = Some(*tip);
            return self.jobs.join(job_id, tip.min_ntime, self.target, self.options.past_jobs);
        }
        self.start_tip(tip);
        let is_there = self.jobs.activate(job_id, tip.min_ntime, self.target);
        if !is_there {
            self.jobs.clear();
        }
        is_there
    }

    /// A new tip without a job that waited for it.
    pub fn set_tip(&mut self, tip: &Tip) {
        if self.is_same_tip(tip) {
            self.tip = Some(*tip);
        } else {
            self.start_tip(tip);
            self.jobs.clear();
        }
    }

    /// What is said again of the same block, as after a change of the template provider, ends no job: what is remembered of them
    /// must not be forgotten.
    fn is_same_tip(&self, tip: &Tip) -> bool {
        self.tip.is_some_and(|present| present.prev_hash == tip.prev_hash && present.nbits == tip.nbits)
    }

    fn start_tip(&mut self, tip: &Tip) {
        self.former_tip = self.tip.replace(*tip);
        self.blocks.clear();
        self.custom_jobs.clear();
        self.is_paid_on_tip = false;
    }

    /// A custom job on the present tip. One that has the search space of another is that other one: gives its number, which is
    /// `job_id` if there is none.
    ///
    /// # Errors
    /// If it is one too many since the tip came, or was such a job before and is forgotten: its shares could be submitted again.
    pub fn add_custom_job(
        &mut self,
        job_id: u32,
        job: Arc<ExtendedJob>,
        min_ntime: u32,
        max: usize,
    ) -> Result<u32, TooManyCustomJobs> {
        let space = search_space(&job, self.options.version_mask);
        if let Some((_, same)) = self.custom_jobs.iter().find(|(known, _)| *known == space) {
            return self.jobs.find(*same).map(|_| *same).ok_or(TooManyCustomJobs);
        }
        if self.custom_jobs.len() >= max {
            return Err(TooManyCustomJobs);
        }
        self.custom_jobs.push((space, job_id));
        self.add_job(job_id, job, min_ntime);
        Ok(job_id)
    }

    fn job_of(&self, job_id: u32, job: Arc<ExtendedJob>, min_ntime: u32) -> ChannelJob {
        let is_standard = self.kind == ChannelKind::Standard;
        ChannelJob {
            job_id,
            extranonce_prefix: self.extranonce_prefix,
            merkle_root: is_standard.then(|| job.merkle_root(&[&self.extranonce_prefix])),
            job,
            target: self.target,
            worth: Worth::of(&self.target),
            min_ntime,
            duplicates: Duplicates::new(self.options.max_shares_per_job),
            is_worn: false,
        }
    }

    // ------------------------------------------------------------------------------------------------------------ shares

    /// Judges a share, and keeps the account of it.
    ///
    /// # Errors
    /// In this order: `StaleShare`, `InvalidJobId`, what [`check`] finds, `DuplicateShare`. `InvalidJobId` also if so many shares of
    /// the job are remembered that this one would have to be forgotten; a block is never refused for that.
    pub fn submit(&mut self, submission: &Submission<'_>, now: Time) -> Result<Accepted, ShareError> {
        let verdict = self.judge(submission, now);
        match &verdict {
            Ok(accepted) => {
                self.is_paid_on_tip = true;
                self.accounting.accept(submission.sequence_number, accepted.difficulty, &accepted.hash, now);
            }
            Err(error) => self.accounting.reject(*error),
        }
        verdict
    }

    /// A stale share may be a block on the tip before, found before its miner heard of the new one: a node should see it, since
    /// it may yet win. It counts for nothing. Asked for shares that [`ServerChannel::submit`] has refused with `StaleShare`; looks
    /// at the jobs that were worked on last, and gives each block once.
    pub fn late_block(&mut self, submission: &Submission<'_>, now: Time) -> Option<Accepted> {
        let Submission { job_id, share, .. } = submission;
        let (options, extranonce_size) = (self.options, self.extranonce_size);
        let tip = self.former_tip?;
        let job = self.jobs.former(*job_id)?;
        let tip = Tip { min_ntime: job.min_ntime, ..tip };
        let work = job.work(&tip, &options, extranonce_size);
        let Checked { hash, .. } = check(&work, share, now.unix_s).ok().filter(|checked| checked.is_block)?;
        let header = work.header(share);
        let is_new = match job.duplicates.insert(&hash) {
            Insertion::New | Insertion::Last => true,
            Insertion::Full if !self.blocks.contains(&hash) && self.blocks.len() < MAX_BLOCKS => {
                self.blocks.push(hash);
                true
            }
            Insertion::Duplicate | Insertion::Full => false,
        };
        is_new.then(|| job.accepted(share, hash, Some(header), &tip))
    }

    fn judge(&mut self, submission: &Submission<'_>, now: Time) -> Result<Accepted, ShareError> {
        let Submission { job_id, share, has_invalid_tlv, .. } = submission;
        let (place, job, tip) = self.job_and_tip(*job_id)?;
        let tip = Tip { min_ntime: job.min_ntime, ..*tip };
        let work = job.work(&tip, &self.options, self.extranonce_size);
        let Checked { hash, is_block } = check(&work, share, now.unix_s)?;
        if *has_invalid_tlv && !is_block {
            return Err(ShareError::InvalidTlv);
        }
        let header = is_block.then(|| work.header(share));
        if self.jobs.is_known_elsewhere(place, &hash) {
            return Err(ShareError::DuplicateShare);
        }
        let (max, is_last) =
            (self.options.max_shares_per_job, self.jobs.active().is_some_and(|last| last.job_id == *job_id));
        let job = self.jobs.get_mut(place).ok_or(ShareError::InvalidJobId)?;
        match job.duplicates.insert(&hash) {
            Insertion::New | Insertion::Last => {}
            Insertion::Duplicate => return Err(ShareError::DuplicateShare),
            Insertion::Full if is_block && !self.blocks.contains(&hash) && self.blocks.len() < MAX_BLOCKS => {
                self.blocks.push(hash);
            }
            Insertion::Full if self.blocks.contains(&hash) => return Err(ShareError::DuplicateShare),
            Insertion::Full => return Err(ShareError::InvalidJobId),
        }
        let is_worn = job.duplicates.len().saturating_mul(4) >= max.saturating_mul(3);
        let wants_job = is_last && is_worn && !core::mem::replace(&mut job.is_worn, is_worn);
        Ok(Accepted { wants_job, ..job.accepted(share, hash, header, &tip) })
    }

    fn job_and_tip(&self, job_id: u32) -> Result<(usize, &ChannelJob, &Tip), ShareError> {
        let found = self.jobs.find(job_id).and_then(|place| Some((place, self.jobs.get(place)?, self.tip.as_ref()?)));
        let absent = if self.jobs.is_stale(job_id) { ShareError::StaleShare } else { ShareError::InvalidJobId };
        found.ok_or(absent)
    }
}

impl ChannelJob {
    /// What a share of it is judged against.
    fn work<'a>(&'a self, tip: &'a Tip, options: &ChannelOptions, extranonce_size: usize) -> ShareWork<'a> {
        ShareWork {
            job: &self.job,
            extranonce_prefix: &self.extranonce_prefix,
            extranonce_size,
            merkle_root: self.merkle_root.as_ref(),
            tip,
            ntime_rule: options.ntime_rule,
            version_mask: options.version_mask,
            target: &self.target,
        }
    }

    /// What is to be said of a share of it.
    fn accepted(&self, share: &Share<'_>, hash: Hash, block: Option<Header>, tip: &Tip) -> Accepted {
        let worth = if self.target.is_met_by(&hash) { self.worth } else { Worth::of(&tip.block_target) };
        let mut extranonce = self.extranonce_prefix;
        extranonce.extend(share.extranonce);
        Accepted {
            job: Arc::clone(&self.job),
            extranonce,
            extranonce_prefix_len: self.extranonce_prefix.len(),
            hash,
            block,
            difficulty: worth.difficulty,
            work: worth.work,
            wants_job: false,
        }
    }
}

/// What the shares of a job have in common, and no others have: coinbase, merkle path, and the bits of the version that stay.
fn search_space(job: &ExtendedJob, version_mask: u32) -> [u8; 16] {
    let version = job.version() & !version_mask;
    let prefix_len = job.coinbase_tx_prefix().len() as u64;
    let suffix_len = job.coinbase_tx_suffix().len() as u64;
    let state = Sha256d::new()
        .with(&version.to_le_bytes())
        .with(&prefix_len.to_le_bytes())
        .with(job.coinbase_tx_prefix())
        .with(&suffix_len.to_le_bytes())
        .with(job.coinbase_tx_suffix());
    let hash = job.merkle_path().iter().fold(state, |state, node| state.with(&node.0)).finish();
    let mut space = [0; 16];
    space.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = of_hash);
    space
}
