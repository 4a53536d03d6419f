//! Their channels, driven as their pool drives them: a group channel makes the jobs, and its members take them over.

use stratum_core::bitcoin::{Amount, ScriptBuf, Target, TxOut};
use stratum_core::channels_sv2::extranonce_manager::{AllocatedExtranoncePrefix, ExtranonceAllocator};
use stratum_core::channels_sv2::server::error::{ExtendedChannelError, StandardChannelError};
use stratum_core::channels_sv2::server::extended::ExtendedChannel;
use stratum_core::channels_sv2::server::group::GroupChannel;
use stratum_core::channels_sv2::server::jobs::extended::ExtendedJob;
use stratum_core::channels_sv2::server::share_accounting::{ShareValidationError, ShareValidationResult};
use stratum_core::channels_sv2::server::standard::StandardChannel;
use stratum_core::mining_sv2::{SubmitSharesExtendedOwned, SubmitSharesStandardOwned};

use super::{Share, Template, Tip, Verdict};

/// How many shares a minute a channel is expected to find. It bounds the duplicates that a channel remembers, which the tests
/// do not come near.
const SHARES_PER_MINUTE: f32 = 1_000.0;
/// What channels are opened with; tests set their target afterwards.
const NOMINAL_HASH_RATE: f32 = 1_000.0;

/// A channel of theirs.
#[derive(Debug)]
enum Channel {
    Standard(StandardChannel),
    Extended(ExtendedChannel),
}

/// One connection's group with its channels, which are named by their place.
#[derive(Debug)]
pub struct TheirPool {
    group: GroupChannel,
    channels: Vec<Channel>,
    pool_tag: String,
    version_rolling: bool,
    reward_script: Vec<u8>,
    sequence_number: u32,
}

impl TheirPool {
    /// A group whose members have a full extranonce of `extranonce_len` bytes. All that a block is worth goes to
    /// `reward_script`.
    pub fn new(pool_tag: &str, version_rolling: bool, extranonce_len: usize, reward_script: &[u8]) -> TheirPool {
        TheirPool {
            group: GroupChannel::new_for_pool(1, extranonce_len, version_rolling, pool_tag.into()).expect("a group"),
            version_rolling,
            channels: Vec::new(),
            pool_tag: pool_tag.into(),
            reward_script: reward_script.to_vec(),
            sequence_number: 0,
        }
    }

    /// Opens an extended channel with this extranonce_prefix and returns its place.
    pub fn open_extended(&mut self, prefix: &[u8], extranonce_size: u16) -> usize {
        let id = self.next_channel_id();
        let channel = ExtendedChannel::new_for_pool(
            id,
            "miner".into(),
            allocated(prefix),
            Target::MAX,
            NOMINAL_HASH_RATE,
            self.version_rolling,
            extranonce_size,
            10,
            SHARES_PER_MINUTE,
            self.pool_tag.clone(),
            None,
        )
        .expect("an extended channel");
        self.add(id, channel.get_full_extranonce_size(), Channel::Extended(channel))
    }

    /// Opens a standard channel with this extranonce_prefix, which is the full extranonce, and returns its place.
    pub fn open_standard(&mut self, prefix: &[u8]) -> usize {
        let id = self.next_channel_id();
        let channel = StandardChannel::new_for_pool(
            id,
            "miner".into(),
            allocated(prefix),
            Target::MAX,
            NOMINAL_HASH_RATE,
            10,
            SHARES_PER_MINUTE,
            self.pool_tag.clone(),
            None,
        )
        .expect("a standard channel");
        self.add(id, prefix.len(), Channel::Standard(channel))
    }

    /// Gives all channels a job of the template; the job.
    pub fn new_template(&mut self, template: &Template) -> ExtendedJob {
        let message = template.theirs();
        let reward = TxOut {
            value: Amount::from_sat(template.value),
            script_pubkey: ScriptBuf::from(self.reward_script.clone()),
        };
        self.group.on_new_template(message, vec![reward]).expect("a template");
        let job = if template.future_template {
            let id = self.group.get_future_job_id_from_template_id(template.template_id).expect("a future job");
            self.group.get_future_job(id)
        } else {
            self.group.get_active_job()
        };
        let job = job.expect("the job").clone();
        for channel in &mut self.channels {
            match channel {
                Channel::Standard(channel) => channel.on_group_channel_job(job.clone()).expect("a job"),
                Channel::Extended(channel) => channel.on_group_channel_job(job.clone()).expect("a job"),
            }
        }
        job
    }

    /// Activates a future template.
    pub fn set_new_prev_hash(&mut self, tip: &Tip) {
        self.group.on_set_new_prev_hash(tip.theirs()).expect("a future template");
        for channel in &mut self.channels {
            match channel {
                Channel::Standard(channel) => channel.on_set_new_prev_hash(tip.theirs()).expect("a future job"),
                Channel::Extended(channel) => channel.on_set_new_prev_hash(tip.theirs()).expect("a future job"),
            }
        }
    }

    /// Sets a channel's target, little-endian; it counts for jobs that become active from now on.
    pub fn set_target(&mut self, channel: usize, target: [u8; 32]) {
        let target = Target::from_le_bytes(target);
        match &mut self.channels[channel] {
            Channel::Standard(channel) => channel.set_target(target).expect("a target"),
            Channel::Extended(channel) => channel.set_target(target).expect("a target"),
        }
    }

    /// Sets a channel's extranonce_prefix; it counts for jobs that are made from now on.
    pub fn set_extranonce_prefix(&mut self, channel: usize, prefix: &[u8]) {
        match &mut self.channels[channel] {
            Channel::Standard(channel) => channel.set_extranonce_prefix(allocated(prefix)).expect("a prefix"),
            Channel::Extended(channel) => channel.set_extranonce_prefix(allocated(prefix)).expect("a prefix"),
        }
    }

    /// What UpdateChannel does: the error_code, if it is refused.
    pub fn update(&mut self, channel: usize, nominal_hash_rate: f32, max_target: [u8; 32]) -> Result<(), String> {
        let max_target = Some(Target::from_le_bytes(max_target));
        match &mut self.channels[channel] {
            Channel::Standard(channel) => {
                channel.update_channel(nominal_hash_rate, max_target).map_err(|error| match error {
                    StandardChannelError::UpdateChannelInvalidNominalHashrate(code)
                    | StandardChannelError::UpdateChannelInvalidMaxTarget(code) => code.into(),
                    other => panic!("{other:?}"),
                })
            }
            Channel::Extended(channel) => {
                channel.update_channel(nominal_hash_rate, max_target).map_err(|error| match error {
                    ExtendedChannelError::UpdateChannelInvalidNominalHashrate(code)
                    | ExtendedChannelError::UpdateChannelInvalidMaxTarget(code) => code.into(),
                    other => panic!("{other:?}"),
                })
            }
        }
    }

    /// What the channel says of a share.
    pub fn submit(&mut self, channel: usize, job_id: u32, share: &Share) -> Verdict {
        self.sequence_number += 1;
        let (channel_id, sequence_number) = (0, self.sequence_number);
        let Share { nonce, ntime, version, ref extranonce } = *share;
        let judged = match &mut self.channels[channel] {
            Channel::Standard(channel) => channel.validate_share(SubmitSharesStandardOwned {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
            }),
            Channel::Extended(channel) => channel.validate_share(SubmitSharesExtendedOwned {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
                extranonce: extranonce.clone().try_into().expect("at most 32 bytes"),
            }),
        };
        match judged {
            Ok(ShareValidationResult::Valid(hash)) => Verdict::Share { hash: *hash.as_ref() },
            Ok(ShareValidationResult::BlockFound(hash, _, coinbase)) => {
                Verdict::Block { hash: *hash.as_ref(), coinbase }
            }
            Err(
                ShareValidationError::Invalid(code)
                | ShareValidationError::Stale(code)
                | ShareValidationError::InvalidJobId(code)
                | ShareValidationError::DoesNotMeetTarget(code)
                | ShareValidationError::VersionRollingNotAllowed(code)
                | ShareValidationError::DuplicateShare(code)
                | ShareValidationError::BadExtranonceSize(code),
            ) => Verdict::Refused(code.into()),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// The sum of the difficulties of the shares that a channel accepted, and how many these were.
    pub fn accepted(&self, channel: usize) -> (f64, u32) {
        let accounting = match &self.channels[channel] {
            Channel::Standard(channel) => channel.get_share_accounting(),
            Channel::Extended(channel) => channel.get_share_accounting(),
        };
        (accounting.get_share_work_sum(), accounting.get_shares_accepted())
    }

    fn next_channel_id(&self) -> u32 {
        u32::try_from(self.channels.len()).expect("few channels") + 2
    }

    fn add(&mut self, id: u32, extranonce_len: usize, channel: Channel) -> usize {
        self.group.add_channel_id(id, extranonce_len).expect("the group's extranonce size");
        self.channels.push(channel);
        self.channels.len() - 1
    }
}

/// Just this prefix. Their channels take none that did not come out of an allocator: this one's first index is 0, in one byte,
/// so what comes out of it begins with all of `prefix` but its last byte, which its index is counted up to.
fn allocated(prefix: &[u8]) -> AllocatedExtranoncePrefix {
    let (last, before) = prefix.split_last().expect("a prefix");
    let len = u8::try_from(prefix.len()).expect("at most 32 bytes");
    let mut allocator = ExtranonceAllocator::new(before.to_vec(), len, 256).expect("an allocator");
    (0..=*last).map(|_| allocator.allocate_extended(0).expect("a free index")).last().expect("at least one")
}
