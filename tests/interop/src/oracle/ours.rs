//! Our channels, driven as our server drives them: a factory makes the jobs, and all channels share them.

use std::sync::Arc;

use sv2_core::Time;
use sv2_core::bitcoin::Target;
use sv2_core::mining::channel::{ChannelKind, ChannelOptions, ServerChannel, Submission};
use sv2_core::mining::job::{ExtendedJob, JobFactory, Payout};
use sv2_core::mining::share;

use super::{Share, Template, Tip, Verdict};

/// Channels with the same work, which are named by their place.
#[derive(Debug)]
pub struct OurPool {
    factory: JobFactory,
    payout: Payout,
    channels: Vec<ServerChannel>,
    last_job_id: u32,
    tip: Option<share::Tip>,
    /// Of the templates that wait for their tip.
    future: Vec<(u64, u32)>,
    sequence_number: u32,
    now: Time,
}

impl OurPool {
    /// As [`TheirPool::new`](super::theirs::TheirPool::new), at this time.
    pub fn new(
        pool_tag: &str,
        version_rolling: bool,
        extranonce_len: usize,
        reward_script: &[u8],
        unix_s: u64,
    ) -> OurPool {
        let factory = JobFactory::new(pool_tag, "", extranonce_len).expect("a factory");
        OurPool {
            factory: factory.with_version_rolling(version_rolling),
            payout: Payout::single(reward_script).expect("a payout"),
            channels: Vec::new(),
            last_job_id: 0,
            tip: None,
            future: Vec::new(),
            sequence_number: 0,
            now: Time { monotonic_ms: 0, unix_s },
        }
    }

    /// Opens an extended channel with this extranonce_prefix and returns its place.
    pub fn open_extended(&mut self, prefix: &[u8], extranonce_size: u16) -> usize {
        self.open(ChannelKind::Extended, prefix, extranonce_size)
    }

    /// Opens a standard channel with this extranonce_prefix, which is the full extranonce, and returns its place.
    pub fn open_standard(&mut self, prefix: &[u8]) -> usize {
        self.open(ChannelKind::Standard, prefix, 0)
    }

    fn open(&mut self, kind: ChannelKind, prefix: &[u8], extranonce_size: u16) -> usize {
        let id = u32::try_from(self.channels.len()).expect("few channels") + 2;
        let (target, options) = (Target::MAX, ChannelOptions { max_shares_per_job: 1 << 20, ..Default::default() });
        let channel = ServerChannel::new(id, kind, prefix.into(), extranonce_size.into(), target, target, options);
        self.channels.push(channel);
        self.channels.len() - 1
    }

    /// Gives all channels a job of the template; its job_id, and the job.
    pub fn new_template(&mut self, template: &Template) -> (u32, Arc<ExtendedJob>) {
        let job = template.ours(|message| self.factory.job(message, &self.payout, 0)).expect("a template");
        let job = Arc::new(job);
        self.last_job_id += 1;
        if template.future_template {
            self.future.push((template.template_id, self.last_job_id));
        }
        for channel in &mut self.channels {
            if template.future_template {
                channel.add_future_job(self.last_job_id, Arc::clone(&job));
            } else {
                let tip = self.tip.expect("a tip");
                channel.add_job(self.last_job_id, Arc::clone(&job), tip.min_ntime);
            }
        }
        (self.last_job_id, job)
    }

    /// Activates a future template.
    pub fn set_new_prev_hash(&mut self, tip: &Tip) {
        let (_, job_id) = *self.future.iter().find(|(id, _)| *id == tip.template_id).expect("a future template");
        self.future.clear();
        let target = Some(Target(tip.target));
        let (time, now) = (tip.header_timestamp, self.now.unix_s);
        let tip = share::Tip::new(tip.prev_hash, tip.nbits, time, target, now).expect("nBits of a target");
        self.tip = Some(tip);
        for channel in &mut self.channels {
            assert!(channel.activate(job_id, &tip), "there is no future job {job_id}");
        }
    }

    /// Sets a channel's target, little-endian; it counts for jobs that become active from now on.
    pub fn set_target(&mut self, channel: usize, target: [u8; 32]) {
        self.channels[channel].set_target(Target(target));
    }

    /// Sets a channel's extranonce_prefix; it counts for jobs that are made from now on.
    pub fn set_extranonce_prefix(&mut self, channel: usize, prefix: &[u8]) {
        self.channels[channel].set_extranonce_prefix(prefix.into());
    }

    /// What the channel says of a share.
    pub fn submit(&mut self, channel: usize, job_id: u32, share: &Share) -> Verdict {
        self.sequence_number += 1;
        let Share { nonce, ntime, version, ref extranonce } = *share;
        let submission = Submission {
            sequence_number: self.sequence_number,
            job_id,
            share: share::Share { nonce, ntime, version, extranonce },
            has_invalid_tlv: false,
        };
        match self.channels[channel].submit(&submission, self.now) {
            Ok(accepted) if accepted.block.is_some() => Verdict::Block {
                hash: accepted.hash,
                coinbase: accepted.job.coinbase(&[&accepted.extranonce]).expect("the job's extranonce"),
            },
            Ok(accepted) => Verdict::Share { hash: accepted.hash },
            Err(error) => Verdict::Refused(error.code().into()),
        }
    }

    /// The sum of the difficulties of the shares that a channel accepted, and how many these were.
    pub fn accepted(&self, channel: usize) -> (f64, u64) {
        let totals = self.channels[channel].accounting().totals();
        (totals.difficulty, totals.accepted)
    }
}
