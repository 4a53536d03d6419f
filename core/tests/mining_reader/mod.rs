//! A client's side of the Mining Protocol, written for tests and independent of the library's client: it follows what a server
//! sends, insists that it can be followed, and knows what a share is worth without asking.
#![allow(dead_code)] // each program uses a part of it

use std::collections::{BTreeMap, BTreeSet};

use sv2_core::bitcoin::{Hash, Header, Target, root_from_path, sha256d};
use sv2_core::frame::Frame;
use sv2_core::message::{Message, Payload, SubmitSharesExtended, SubmitSharesStandard};

/// How many jobs before the last one a share may be for.
pub const PAST_JOBS: usize = 16;

/// One connection.
#[derive(Default)]
pub struct Reader {
    stream: Vec<u8>,
    pub channels: BTreeMap<u32, Channel>,
    /// The channels that requests have led to.
    pub opened: BTreeMap<u32, u32>,
    /// The requests that were refused.
    pub refused: BTreeMap<u32, String>,
    /// Whether the connection is set up.
    pub is_set_up: bool,
    /// Channels that are closed, and groups that were not empty then.
    closed: BTreeSet<u32>,
}

/// A channel as its miner knows it.
pub struct Channel {
    pub channel_id: u32,
    pub group_channel_id: u32,
    pub is_standard: bool,
    pub extranonce_prefix: Vec<u8>,
    pub extranonce_size: usize,
    /// Of jobs that become active from now on.
    pub target: Target,
    /// The jobs that wait for a tip.
    pub future: BTreeMap<u32, Job>,
    /// The jobs of the tip, the last one in the end.
    pub live: Vec<Job>,
    /// The numbers of the jobs of the tip before.
    pub stale: Vec<u32>,
    /// prev_hash and nBits.
    pub tip: Option<(Hash, u32)>,
    pub sequence_number: u32,
    /// What was acknowledged so far.
    pub accepted: u64,
    pub shares_sum: u64,
    /// What was refused, by its sequence number.
    pub errors: BTreeMap<u32, String>,
    last_acknowledged: Option<u32>,
}

/// A job as it was sent.
#[derive(Clone)]
pub struct Job {
    pub job_id: u32,
    pub version: u32,
    pub min_ntime: u32,
    /// That of the channel when the job became active.
    pub target: Target,
    extranonce_prefix: Vec<u8>,
    work: Work,
}

#[derive(Clone)]
enum Work {
    Root(Hash),
    Coinbase { prefix: Vec<u8>, suffix: Vec<u8>, path: Vec<Hash> },
}

/// What a miner rolls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolled {
    pub nonce: u32,
    pub ntime: u32,
    pub version: u32,
    pub extranonce: Vec<u8>,
}

/// A message as a frame.
pub fn frame<'m>(message: &impl Payload<'m>) -> Vec<u8> {
    let mut bytes = vec![0; sv2_core::frame::HEADER_LEN + message.encoded_len().unwrap()];
    sv2_core::frame::encode(message, &mut bytes).unwrap();
    bytes
}

impl Reader {
    /// Reads what a server wrote; a part of a frame waits for its rest.
    pub fn read(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
        let stream = std::mem::take(&mut self.stream);
        let mut rest = &stream[..];
        while let Some((frame, after)) = Frame::split(rest) {
            self.hear(Message::decode(frame.header.tag(), frame.payload).expect("a server's message is well-formed"));
            rest = after;
        }
        self.stream = rest.to_vec();
    }

    /// The channel, or all channels of a group, were closed, by either side. What was on its way to them may still come.
    pub fn close(&mut self, id: u32) {
        let is_closed = |channel: &Channel| channel.channel_id == id || channel.group_channel_id == id;
        for channel in self.channels.values().filter(|channel| is_closed(channel)) {
            self.closed.extend([channel.channel_id, channel.group_channel_id]);
        }
        self.channels.retain(|_, channel| !is_closed(channel));
    }

    /// The channels that a message with this channel_id is for: one, or those of a group.
    fn members(&mut self, id: u32) -> impl Iterator<Item = &mut Channel> {
        let is_known = self.closed.contains(&id)
            || self.channels.values().any(|channel| channel.channel_id == id || channel.group_channel_id == id);
        assert!(is_known, "channel {id} is unknown");
        self.channels.values_mut().filter(move |channel| channel.channel_id == id || channel.group_channel_id == id)
    }

    fn hear(&mut self, message: Message<'_>) {
        match message {
            Message::SetupConnectionSuccess(_) => self.is_set_up = true,
            Message::OpenStandardMiningChannelSuccess(m) => {
                let group = m.group_channel_id;
                self.open(m.request_id, m.channel_id, group, true, m.extranonce_prefix, 0, Target(m.target.0));
            }
            Message::OpenExtendedMiningChannelSuccess(m) => {
                let (group, size) = (m.group_channel_id, m.extranonce_size.into());
                self.open(m.request_id, m.channel_id, group, false, m.extranonce_prefix, size, Target(m.target.0));
            }
            Message::OpenMiningChannelError(m) => {
                self.refused.insert(m.request_id, m.error_code.to_string());
            }
            Message::NewMiningJob(m) => {
                let work = Work::Root(m.merkle_root.0);
                for channel in self.members(m.channel_id) {
                    assert!(channel.is_standard);
                    channel.new_job(m.job_id, m.version, m.min_ntime, work.clone());
                }
            }
            Message::NewExtendedMiningJob(m) => {
                let work = Work::Coinbase {
                    prefix: m.coinbase_tx_prefix.to_vec(),
                    suffix: m.coinbase_tx_suffix.to_vec(),
                    path: m.merkle_path.iter().map(|hash| hash.0).collect(),
                };
                for channel in self.members(m.channel_id) {
                    channel.new_job(m.job_id, m.version, m.min_ntime, work.clone());
                }
            }
            Message::SetNewPrevHash(m) => {
                for channel in self.members(m.channel_id) {
                    channel.set_new_prev_hash(m.job_id, m.prev_hash.0, m.nbits, m.min_ntime);
                }
            }
            Message::SetTarget(m) => {
                self.members(m.channel_id).for_each(|channel| channel.target = Target(m.maximum_target.0));
            }
            Message::SetExtranoncePrefix(m) => {
                self.members(m.channel_id).for_each(|channel| {
                    channel.extranonce_prefix = m.extranonce_prefix.to_vec();
                });
            }
            Message::SubmitSharesSuccess(m) => {
                for channel in self.members(m.channel_id) {
                    // Batches are in order, and no share is in two of them.
                    assert!(channel.last_acknowledged.is_none_or(|last| last < m.last_sequence_number));
                    channel.last_acknowledged = Some(m.last_sequence_number);
                    channel.accepted += u64::from(m.new_submits_accepted_count);
                    channel.shares_sum += m.new_shares_sum;
                }
            }
            Message::SubmitSharesError(m) => {
                // A share may name a channel that does not exist.
                if let Some(channel) = self.channels.get_mut(&m.channel_id) {
                    let twice = channel.errors.insert(m.sequence_number, m.error_code.to_string());
                    assert_eq!(twice, None, "a share is answered once");
                }
            }
            Message::CloseChannel(m) => {
                self.members(m.channel_id).count();
                self.close(m.channel_id);
            }
            _ => {}
        }
    }

    #[allow(clippy::too_many_arguments)] // the message's fields
    fn open(
        &mut self,
        request_id: u32,
        channel_id: u32,
        group_channel_id: u32,
        is_standard: bool,
        prefix: &[u8],
        extranonce_size: usize,
        target: Target,
    ) {
        let is_new = !self.channels.contains_key(&channel_id)
            && !self.closed.contains(&channel_id)
            && !self.opened.values().any(|opened| *opened == channel_id)
            && self.channels.values().all(|channel| channel.group_channel_id != channel_id);
        assert!(is_new, "the number {channel_id} is in use");
        let channel = Channel {
            channel_id,
            group_channel_id,
            is_standard,
            extranonce_prefix: prefix.to_vec(),
            extranonce_size,
            target,
            future: BTreeMap::new(),
            live: Vec::new(),
            stale: Vec::new(),
            tip: None,
            sequence_number: 0,
            accepted: 0,
            shares_sum: 0,
            errors: BTreeMap::new(),
            last_acknowledged: None,
        };
        self.channels.insert(channel_id, channel);
        self.opened.insert(request_id, channel_id);
    }
}

impl Channel {
    /// The job to work on.
    pub fn active(&self) -> Option<&Job> {
        self.live.last()
    }

    fn new_job(&mut self, job_id: u32, version: u32, min_ntime: Option<u32>, work: Work) {
        let is_new = !self.future.contains_key(&job_id) && self.live.iter().all(|job| job.job_id != job_id);
        assert!(is_new, "job {job_id} is there already");
        let job = Job {
            job_id,
            version,
            min_ntime: min_ntime.unwrap_or(0),
            target: self.target,
            extranonce_prefix: self.extranonce_prefix.clone(),
            work,
        };
        if min_ntime.is_some() {
            assert!(self.tip.is_some(), "a job for the tip came before the tip");
            self.live.push(job);
            let past = self.live.len() - 1;
            self.live.drain(..past.saturating_sub(PAST_JOBS));
        } else {
            self.future.insert(job_id, job);
        }
    }

    fn set_new_prev_hash(&mut self, job_id: u32, prev_hash: Hash, nbits: u32, min_ntime: u32) {
        let job = self.future.remove(&job_id).expect("SetNewPrevHash names a future job");
        self.stale = self.live.iter().map(|job| job.job_id).collect();
        self.future.clear();
        self.live = vec![Job { min_ntime, target: self.target, ..job }];
        self.tip = Some((prev_hash, nbits));
    }

    /// The next message with a share.
    pub fn share(&mut self, job_id: u32, rolled: &Rolled) -> Vec<u8> {
        self.sequence_number += 1;
        let (channel_id, sequence_number) = (self.channel_id, self.sequence_number);
        let Rolled { nonce, ntime, version, ref extranonce } = *rolled;
        if self.is_standard {
            frame(&SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version })
        } else {
            frame(&SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, extranonce })
        }
    }

    /// The header that a share on a live job stands for.
    pub fn header(&self, job: &Job, rolled: &Rolled) -> Header {
        let (prev_hash, nbits) = self.tip.expect("a live job has a tip");
        let Rolled { nonce, ntime, version, ref extranonce } = *rolled;
        Header { version, prev_hash, merkle_root: job.merkle_root(extranonce), time: ntime, nbits, nonce }
    }

    /// The first nonce from `rolled.nonce` on, of so many, with which a share meets the job's target; and its hash.
    pub fn mine(&self, job: &Job, rolled: Rolled, nonces: u32) -> Option<(Rolled, Hash)> {
        let mut header = self.header(job, &rolled);
        for _ in 0..nonces {
            let hash = header.hash();
            if job.target.is_met_by(&hash) {
                return Some((Rolled { nonce: header.nonce, ..rolled }, hash));
            }
            header.nonce = header.nonce.wrapping_add(1);
        }
        None
    }
}

impl Job {
    fn merkle_root(&self, extranonce: &[u8]) -> Hash {
        match &self.work {
            Work::Root(root) => *root,
            Work::Coinbase { prefix, suffix, path } => {
                let coinbase = [prefix, &self.extranonce_prefix[..], extranonce, suffix].concat();
                root_from_path(&sha256d(&coinbase), path)
            }
        }
    }
}
