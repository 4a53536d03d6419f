//! What a server's channel is made of, and what is to be known of it.

use sv2_core::bitcoin::Target;
use sv2_core::mining::MAX_EXTRANONCE_LEN;
use sv2_core::mining::channel::{ChannelKind, ChannelOptions, Extranonce, ServerChannel};

use super::accounting::accounting_options;
use super::share::read_ntime_rule;
use super::{SV2_CHANNEL_EXTENDED, SV2_CHANNEL_STANDARD, sv2_ntime_rule};
use crate::options::Options;
use crate::{SV2_ERROR_ARGUMENT, sv2_bytes, sv2_status, sv2_str, sv2_u256};

/// What is agreed on when a channel is opened, and what holds for all channels of a server. Initialise with
/// SV2_SERVER_CHANNEL_OPTIONS_INIT, and set all down to `max_target`; below that a zero means the usual value, which is given with
/// each member.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_server_channel_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// The channel's number, which no other channel or group of the connection has.
    pub channel_id: u32,
    /// SV2_CHANNEL_STANDARD or SV2_CHANNEL_EXTENDED.
    pub kind: u32,
    /// The first bytes of its extranonces; the whole extranonce of a standard channel. It is copied.
    pub extranonce_prefix: sv2_bytes,
    /// How many bytes follow, for the miner to roll: 0 on a standard channel. With the prefix they are at most 32.
    pub extranonce_size: usize,
    /// The target of its first job. It is made no easier than `max_target`.
    pub target: sv2_u256,
    /// The easiest target that the client accepts.
    pub max_target: sv2_u256,
    /// Who is to be credited, as it came. It is copied.
    pub user_identity: sv2_str,
    /// What the client says to do, in hashes per second.
    pub nominal_hash_rate: f32,
    /// The bits of the version that may be rolled, where a job allows that: SV2_VERSION_ROLLING_MASK.
    pub version_mask: u32,
    /// How many jobs of the present tip, besides the last one, a share may be for: 16.
    pub past_jobs: u32,
    /// How many jobs may wait for their tip: 16. When there are more, the oldest goes.
    pub future_jobs: u32,
    /// How many shares of a job are remembered: 2,048. After three quarters of them `wants_job` of a verdict asks for another job.
    pub max_shares_per_job: u32,
    /// Most custom jobs on one tip: 1,024.
    pub max_custom_jobs: u32,
    /// Accepted shares are acknowledged when there are so many: 10.
    pub batch_shares: u32,
    /// At the latest so long after the first of them, in milliseconds: 1,000.
    pub batch_ms: u32,
    /// How late the nTime of a share may be, an SV2_NTIME_*: SV2_NTIME_FUTURE_BLOCK_TIME.
    pub ntime_rule: sv2_ntime_rule,
    /// Zero.
    pub reserved: [u8; 7],
}

// All members are numbers and pointers; zero is a valid value of each.
unsafe impl Options for sv2_server_channel_options {}

/// What is to be known of a channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_server_channel_info {
    /// Its number.
    pub channel_id: u32,
    /// SV2_CHANNEL_STANDARD or SV2_CHANNEL_EXTENDED.
    pub kind: u32,
    /// Who is to be credited. Valid until the channel is freed.
    pub user_identity: sv2_str,
    /// What the client last said, in hashes per second.
    pub nominal_hash_rate: f32,
    /// The job to work on, if there is one.
    pub active_job_id: u32,
    /// 1 if there is a job to work on.
    pub has_active_job: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// The easiest target that the client accepts.
    pub max_target: sv2_u256,
    /// The target of jobs that become active from now on.
    pub target: sv2_u256,
    /// That of the job to work on; zero if there is none.
    pub active_target: sv2_u256,
    /// The first bytes of the extranonces of jobs that are sent from now on. Valid until the next
    /// sv2_server_channel_set_extranonce_prefix, or until the channel is freed.
    pub extranonce_prefix: sv2_bytes,
    /// How many bytes follow, for the miner to roll.
    pub extranonce_size: usize,
}

/// Zero is as usual.
fn or_usual<T: PartialEq + Default>(value: T, usual: T) -> T {
    if value == T::default() { usual } else { value }
}

impl sv2_server_channel_options {
    /// The channel, and how many custom jobs it takes on one tip.
    ///
    /// # Safety
    /// The pointers are NULL or valid for their lengths.
    pub(super) unsafe fn channel(&self) -> Result<(ServerChannel, usize), sv2_status> {
        let kind = match self.kind {
            SV2_CHANNEL_STANDARD if self.extranonce_size == 0 => ChannelKind::Standard,
            SV2_CHANNEL_EXTENDED => ChannelKind::Extended,
            _ => return Err(SV2_ERROR_ARGUMENT),
        };
        let (prefix, user) = unsafe { (self.extranonce_prefix.as_slice(), self.user_identity.as_slice()) };
        let (target, max_target) = (Target(self.target.bytes), Target(self.max_target.bytes));
        let options = self.for_all()?;
        let prefix = fitting(prefix, self.extranonce_size)?;
        let channel =
            ServerChannel::new(self.channel_id, kind, prefix, self.extranonce_size, target, max_target, options);
        let max_custom_jobs = or_usual(self.max_custom_jobs, 1_024) as usize;
        Ok((channel.of_user(user, self.nominal_hash_rate), max_custom_jobs))
    }

    fn for_all(&self) -> Result<ChannelOptions, sv2_status> {
        let usual = ChannelOptions::default();
        Ok(ChannelOptions {
            ntime_rule: read_ntime_rule(self.ntime_rule)?,
            version_mask: or_usual(self.version_mask, usual.version_mask),
            past_jobs: or_usual(self.past_jobs as usize, usual.past_jobs),
            future_jobs: or_usual(self.future_jobs as usize, usual.future_jobs),
            max_shares_per_job: or_usual(self.max_shares_per_job as usize, usual.max_shares_per_job),
            accounting: accounting_options(self.batch_shares, self.batch_ms),
        })
    }
}

/// The prefix of a full extranonce that is not too long.
pub(super) fn fitting(prefix: &[u8], extranonce_size: usize) -> Result<Extranonce, sv2_status> {
    match prefix.len().checked_add(extranonce_size) {
        Some(len) if len <= MAX_EXTRANONCE_LEN => Ok(prefix.into()),
        _ => Err(SV2_ERROR_ARGUMENT),
    }
}

impl From<&ServerChannel> for sv2_server_channel_info {
    fn from(channel: &ServerChannel) -> Self {
        let active = channel.active_job();
        Self {
            channel_id: channel.channel_id(),
            kind: match channel.kind() {
                ChannelKind::Standard => SV2_CHANNEL_STANDARD,
                ChannelKind::Extended => SV2_CHANNEL_EXTENDED,
            },
            user_identity: sv2_str::borrow(channel.user_identity()),
            nominal_hash_rate: channel.nominal_hash_rate(),
            active_job_id: active.map_or(0, |(job_id, _)| job_id),
            has_active_job: active.is_some().into(),
            reserved: [0; 7],
            max_target: sv2_u256 { bytes: channel.max_target().0 },
            target: sv2_u256 { bytes: channel.target().0 },
            active_target: sv2_u256 { bytes: channel.active_target().map_or([0; 32], |target| target.0) },
            extranonce_prefix: sv2_bytes::borrow(channel.extranonce_prefix()),
            extranonce_size: channel.extranonce_size(),
        }
    }
}
