//! What is mined: payouts of templates, and what mining servers send. Jobs are made and encoded once for each.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::ServerError;
use crate::bitcoin::{CoinbaseTemplate, Target};
use crate::clients::ConnectionId;
use crate::frame;
use crate::message::{NewTemplate, Payload};
use crate::mining::channel::Extranonce;
use crate::mining::extranonce::ExtranonceAllocator;
use crate::mining::job::{ExtendedJob, JobError, JobFactory, JobSource, Payout};
use crate::mining::share::Tip;

/// The host's name for something that channels mine: who is paid by templates, or what an upstream channel sends.
pub type WorkId = u64;

/// Something that channels mine.
pub(super) struct Work {
    pub(super) feed: Feed,
    /// The block that is mined on.
    pub(super) tip: Option<Tip>,
    /// The job that new channels get, and all others that have no later one.
    pub(super) current: Option<LiveJob>,
    /// The jobs that wait for their tip.
    pub(super) futures: Vec<LiveJob>,
    /// No target of its channels is made harder than this.
    pub(super) hardest_target: Target,
    /// The groups that mine it.
    pub(super) members: BTreeSet<(ConnectionId, u32)>,
}

/// Where jobs come from.
pub(super) enum Feed {
    /// From templates, with extranonces out of the server's.
    Templates { payout: Payout, factory: JobFactory, salt: u32 },
    /// From a mining server, with extranonces out of what it gave.
    Upstream(Upstream),
}

/// The extranonces of an upstream channel.
pub(super) enum Upstream {
    /// Several channels share them; `epoch` counts the tips.
    Shared { allocator: ExtranonceAllocator, epoch: u64 },
    /// One channel has them all.
    Exclusive { prefix: Extranonce, rollable_len: usize, in_use: bool },
}

/// A job as it is sent: the same to all but for the first numbers of its message.
pub(super) struct LiveJob {
    pub(super) job_id: u32,
    pub(super) job: Arc<ExtendedJob>,
    pub(super) min_ntime: u32,
    /// NewExtendedMiningJob without min_ntime, as soon as somebody needs it.
    future_frame: Option<Arc<[u8]>>,
    /// The same with it.
    active_frame: Option<Arc<[u8]>>,
}

impl LiveJob {
    pub(super) const fn new(job_id: u32, job: Arc<ExtendedJob>, min_ntime: u32) -> Self {
        Self { job_id, job, min_ntime, future_frame: None, active_frame: None }
    }

    /// NewExtendedMiningJob, that of a future job or with min_ntime, for any channel.
    pub(super) fn frame(&mut self, is_future: bool) -> Option<Arc<[u8]>> {
        let (slot, min_ntime) =
            if is_future { (&mut self.future_frame, None) } else { (&mut self.active_frame, Some(self.min_ntime)) };
        if slot.is_none() {
            // Its parts were found to fit when the job was made.
            *slot = encode(&self.job.message(0, self.job_id, min_ntime));
        }
        slot.clone()
    }

    pub(super) fn is_of_template(&self, template_id: u64) -> bool {
        *self.job.source() == JobSource::Template(template_id)
    }

    pub(super) fn is_of_upstream(&self, job_id: u32) -> bool {
        *self.job.source() == JobSource::Upstream(job_id)
    }
}

impl Work {
    pub(super) const fn new(feed: Feed) -> Self {
        let hardest_target = Target([0; 32]);
        Self { feed, tip: None, current: None, futures: Vec::new(), hardest_target, members: BTreeSet::new() }
    }

    /// A job of a template. Each has a search space of its own.
    pub(super) fn job(&mut self, template: &Template) -> Option<Result<ExtendedJob, JobError>> {
        let Feed::Templates { payout, factory, salt } = &mut self.feed else { return None };
        let job = factory.job(&template.message(), payout, *salt);
        *salt = salt.wrapping_add(1);
        Some(job)
    }

    /// One that waits for its tip; of too many, the oldest goes. Gives the number of that.
    pub(super) fn add_future(&mut self, future: LiveJob, max: usize) -> Option<u32> {
        let oldest = (self.futures.len() >= max.max(1)).then(|| self.futures.remove(0).job_id);
        self.futures.push(future);
        oldest
    }

    /// Nobody mines it: jobs are made when somebody does again.
    pub(super) fn rest(&mut self) {
        if matches!(self.feed, Feed::Templates { .. }) {
            self.current = None;
            self.futures = Vec::new();
        }
    }
}

/// NewTemplate, in memory of its own.
pub(super) struct Template {
    pub(super) template_id: u64,
    payload: Vec<u8>,
}

impl Template {
    /// Copies a message, if coinbases can be made of it.
    pub(super) fn read(message: &NewTemplate<'_>) -> Result<Self, ServerError> {
        let coinbase = CoinbaseTemplate {
            version: message.coinbase_tx_version,
            prefix: message.coinbase_prefix,
            sequence: message.coinbase_tx_input_sequence,
            outputs_count: message.coinbase_tx_outputs_count,
            outputs: message.coinbase_tx_outputs,
            lock_time: message.coinbase_tx_locktime,
        };
        coinbase.outputs().map_err(|error| ServerError::Job(JobError::Coinbase(error)))?;
        let len = message.encoded_len().map_err(|_| ServerError::NotEncodable)?;
        let mut payload = vec![0; len];
        message.encode(&mut payload).map_err(|_| ServerError::NotEncodable)?;
        Ok(Self { template_id: message.template_id, payload })
    }

    /// What was copied.
    pub(super) fn message(&self) -> NewTemplate<'_> {
        NewTemplate::decode(&self.payload).unwrap_or_default()
    }
}

/// The templates that jobs are made of.
#[derive(Default)]
pub(super) struct Templates {
    pub(super) tip: Option<Tip>,
    /// The last one on the tip.
    pub(super) current: Option<Arc<Template>>,
    /// Those that wait for their tip.
    pub(super) futures: Vec<Arc<Template>>,
}

/// A whole frame.
pub(super) fn encode<'a>(message: &impl Payload<'a>) -> Option<Arc<[u8]>> {
    let mut bytes = vec![0; frame::HEADER_LEN + message.encoded_len().ok()?];
    frame::encode(message, &mut bytes).ok()?;
    Some(bytes.into())
}
