//! The channels of all miners, and what each is upstream.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::Opening;
use super::jobs::Jobs;
use crate::mining::proxy::events::Channel;
use crate::mining::proxy::work::Work;
use crate::wire::U256;

/// A miner's channel.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) kind: Kind,
    /// As the miner says it, at most 255 bytes.
    pub(super) user_identity: Vec<u8>,
    pub(super) nominal_hash_rate: f32,
    pub(super) max_target: U256,
    /// The miner's group, by the id that the miner knows.
    pub(super) group_id: u32,
    /// What the miner's part of the extranonce stands behind: the upstream's prefix and `padding` zeros.
    pub(super) extranonce_prefix: Vec<u8>,
    /// How many bytes the present upstream leaves free beyond the miner's part. The miner cannot be told, so they are zero.
    pub(super) padding: usize,
    /// The channel of the present upstream; `None` until it is opened there.
    pub(super) upstream: Option<Upstream>,
    /// The jobs that were sent to this channel alone.
    pub(super) jobs: Jobs,
    /// The prev_hash of the last SetNewPrevHash.
    pub(super) prev_hash: Option<U256>,
    /// Shares that the upstream did not answer, or that wait for one.
    pub(super) unanswered: VecDeque<Share>,
    /// What the miner worked on for an upstream that was lost, as long as another one may give the same work.
    pub(super) former: Option<Former>,
    /// Whether messages of extensions went through it (spec 3.6.4).
    pub(super) has_extensions: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Standard,
    Extended { extranonce_size: u16 },
}

/// A share, with the miner's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) sequence_number: u32,
    pub(super) job_id: u32,
    pub(super) nonce: u32,
    pub(super) ntime: u32,
    pub(super) version: u32,
    /// The miner's part; empty in a standard channel.
    pub(super) extranonce: Vec<u8>,
    /// Who found it, if the miner says so (extension 0x0002).
    pub(super) worker: Option<Vec<u8>>,
}

/// What a channel worked on when its upstream was lost.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) extranonce_prefix: Vec<u8>,
    pub(super) prev_hash: Option<U256>,
    /// The jobs, by the miner's names.
    pub(super) works: Vec<(u32, Work)>,
}

/// A channel as the upstream knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) channel_id: u32,
    pub(super) group_id: u32,
}

/// A group of the upstream.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its channels, those of a miner one after the other.
    pub(super) members: BTreeSet<Channel>,
    /// The jobs that were sent to the group.
    pub(super) jobs: Jobs,
}

/// All of them, by the names that both sides use.
#[derive(Debug, Default)]
pub(super) struct Channels {
    passages: BTreeMap<Channel, Passage>,
    by_upstream: BTreeMap<u32, Channel>,
    groups: BTreeMap<u32, Group>,
}

impl Kind {
    /// How long the miner's part of the extranonce is, in bytes.
    pub(super) fn extranonce_len(self) -> usize {
        match self {
            Self::Standard => 0,
            Self::Extended { extranonce_size } => extranonce_size.into(),
        }
    }
}

impl Passage {
    /// What the miner said when it opened the channel, or since.
    pub(super) fn opening(&self) -> Opening {
        Opening {
            kind: self.kind,
            user_identity: self.user_identity.clone(),
            nominal_hash_rate: self.nominal_hash_rate,
            max_target: self.max_target,
        }
    }

    /// Whether a job of an upstream that was lost may come again.
    pub(super) fn knows_former(&self, job_id: u32) -> bool {
        self.former.as_ref().is_some_and(|former| former.works.iter().any(|(id, _)| *id == job_id))
    }

    /// Shares up to this one are acknowledged, all but those refused before.
    pub(super) fn note_accepted(&mut self, last_sequence_number: u32) {
        if let Some(place) = self.unanswered.iter().position(|share| share.sequence_number == last_sequence_number) {
            self.unanswered.drain(..=place);
        }
    }

    /// A share is refused.
    pub(super) fn note_rejected(&mut self, sequence_number: u32) {
        if let Some(place) = self.unanswered.iter().position(|share| share.sequence_number == sequence_number) {
            self.unanswered.remove(place);
        }
    }
}

impl Channels {
    pub(super) fn len(&self) -> usize {
        self.passages.len()
    }

    pub(super) fn get(&self, channel: Channel) -> Option<&Passage> {
        self.passages.get(&channel)
    }

    pub(super) fn get_mut(&mut self, channel: Channel) -> Option<&mut Passage> {
        self.passages.get_mut(&channel)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Channel, &Passage)> {
        self.passages.iter().map(|(channel, passage)| (*channel, passage))
    }

    /// The channels of one connection.
    pub(super) fn of_connection(&self, connection: u64) -> impl Iterator<Item = (Channel, &Passage)> {
        let all = Channel { connection, channel_id: 0 }..=Channel { connection, channel_id: u32::MAX };
        self.passages.range(all).map(|(channel, passage)| (*channel, passage))
    }

    pub(super) fn insert(&mut self, channel: Channel, passage: Passage) {
        self.passages.insert(channel, passage);
    }

    /// Which channel the upstream means.
    pub(super) fn of_upstream(&self, channel_id: u32) -> Option<Channel> {
        self.by_upstream.get(&channel_id).copied()
    }

    pub(super) fn group(&self, group_id: u32) -> Option<&Group> {
        self.groups.get(&group_id)
    }

    pub(super) fn group_mut(&mut self, group_id: u32) -> Option<&mut Group> {
        self.groups.get_mut(&group_id)
    }

    /// The present upstream has opened a channel. False if it gives an id that is in use.
    pub(super) fn join(&mut self, channel: Channel, upstream: Upstream) -> bool {
        let ids = [upstream.channel_id, upstream.group_id];
        let is_group = self.groups.contains_key(&upstream.channel_id);
        if is_group || ids.into_iter().any(|id| self.by_upstream.contains_key(&id)) || ids[0] == ids[1] {
            return false;
        }
        let Some(passage) = self.passages.get_mut(&channel) else { return false };
        passage.upstream = Some(upstream);
        self.by_upstream.insert(upstream.channel_id, channel);
        self.groups.entry(upstream.group_id).or_default().members.insert(channel);
        true
    }

    /// The upstream puts a channel into another group (spec 5.3.22).
    pub(super) fn regroup(&mut self, channel_id: u32, group_id: u32) -> bool {
        let Some(channel) = self.of_upstream(channel_id).filter(|_| !self.by_upstream.contains_key(&group_id)) else {
            return false;
        };
        let Some(passage) = self.passages.get_mut(&channel) else { return false };
        // What it was sent with its former group it goes on mining.
        let former = passage.upstream.and_then(|upstream| self.groups.get(&upstream.group_id));
        former.into_iter().for_each(|group| passage.jobs.add_all(&group.jobs));
        self.leave_group(channel);
        self.groups.entry(group_id).or_default().members.insert(channel);
        if let Some(upstream) = self.passages.get_mut(&channel).and_then(|passage| passage.upstream.as_mut()) {
            upstream.group_id = group_id;
        }
        true
    }

    pub(super) fn remove(&mut self, channel: Channel) -> Option<Passage> {
        self.leave_group(channel);
        let passage = self.passages.remove(&channel)?;
        if let Some(upstream) = passage.upstream {
            self.by_upstream.remove(&upstream.channel_id);
        }
        Some(passage)
    }

    fn leave_group(&mut self, channel: Channel) {
        let Some(upstream) = self.passages.get(&channel).and_then(|passage| passage.upstream) else { return };
        if let Some(group) = self.groups.get_mut(&upstream.group_id) {
            group.members.remove(&channel);
            if group.members.is_empty() {
                self.groups.remove(&upstream.group_id);
            }
        }
    }

    /// The upstream is gone: miners keep their channels, which are nothing upstream, and what they work on is remembered.
    pub(super) fn lose_upstream(&mut self) {
        self.by_upstream.clear();
        let groups = core::mem::take(&mut self.groups);
        for passage in self.passages.values_mut() {
            // One that was not opened again yet still remembers an earlier upstream.
            let Some(upstream) = passage.upstream.take() else { continue };
            let of_group = groups.get(&upstream.group_id).map(|group| &group.jobs);
            passage.former = Some(Former {
                extranonce_prefix: core::mem::take(&mut passage.extranonce_prefix),
                prev_hash: passage.prev_hash.take(),
                works: passage.jobs.works().chain(of_group.into_iter().flat_map(Jobs::works)).collect(),
            });
            passage.jobs = Jobs::default();
        }
    }

    /// What the upstream calls a job of a miner: one of the channel's own, or one of its group.
    pub(super) fn job_for_upstream(&self, channel: Channel, job_id: u32) -> Option<u32> {
        self.jobs_of(channel).find_map(|jobs| jobs.for_upstream(job_id))
    }

    /// What a miner calls a job of the upstream.
    pub(super) fn job_for_miners(&self, channel: Channel, job_id: u32) -> Option<u32> {
        self.jobs_of(channel).find_map(|jobs| jobs.for_miners(job_id))
    }

    /// What a job of the upstream is.
    pub(super) fn work_of(&self, channel: Channel, job_id: u32) -> Option<Work> {
        self.jobs_of(channel).find_map(|jobs| jobs.work_of(job_id))
    }

    /// The channel's own jobs, and those of its group.
    fn jobs_of(&self, channel: Channel) -> impl Iterator<Item = &Jobs> {
        let passage = self.passages.get(&channel);
        let group = passage.and_then(|passage| self.groups.get(&passage.upstream?.group_id));
        passage.map(|passage| &passage.jobs).into_iter().chain(group.map(|group| &group.jobs))
    }
}
