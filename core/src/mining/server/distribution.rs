//! From templates and tips to jobs, and from jobs to channels.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::client::{Channel, Client, Group};
use super::connections::{announce_in_front, announce_output};
use super::work::{Feed, LiveJob, Template, Work, encode};
use super::{ConnectionId, Server, ServerError, WorkId};
use crate::Time;
use crate::bitcoin::Target;
use crate::clients::Level;
use crate::connection::{Connection, SendError};
use crate::message::{
    FLAG_REQUIRES_STANDARD_JOBS, FLAG_REQUIRES_WORK_SELECTION, NewMiningJob, NewTemplate, SetNewPrevHash,
    SetNewPrevHashTemplate,
};
use crate::mining::job::{JobFactory, JobSource, Payout};
use crate::mining::share::Tip;
use crate::wire::U256;

impl Server {
    /// Names a payout of the templates, or changes it: then its channels get a job that pays by it at once. `miner_tag` is the
    /// second name in the coinbase, after the pool's. Costs nothing as long as no channel mines it.
    ///
    /// # Errors
    /// `Job` if the tags are too long; `UnknownWork` if it is the name of an upstream channel.
    pub fn set_payout(
        &mut self,
        work_id: WorkId,
        payout: Payout,
        miner_tag: &str,
        now: Time,
    ) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let factory = JobFactory::new(&self.options.pool_tag, miner_tag, self.extranonces.full_len())
            .map_err(ServerError::Job)?
            .with_version_rolling(self.options.version_mask != 0);
        match self.works.get_mut(&work_id).map(|work| &mut work.feed) {
            None => {
                let mut work = Work::new(Feed::Templates { payout, factory, salt: 0 });
                work.tip = self.templates.tip;
                self.works.insert(work_id, work);
            }
            Some(Feed::Upstream(_)) => return Err(ServerError::UnknownWork),
            // Jobs go on being told apart from those before.
            Some(Feed::Templates { payout: present, factory: tags, .. }) => {
                (*present, *tags) = (payout, factory);
                self.renew_all_jobs(work_id);
            }
        }
        Ok(())
    }

    /// Forgets a payout, or an upstream channel.
    ///
    /// # Errors
    /// `UnknownWork`, or `WorkInUse` if channels mine it.
    pub fn remove_work(&mut self, work_id: WorkId) -> Result<(), ServerError> {
        let work = self.works.get(&work_id).ok_or(ServerError::UnknownWork)?;
        if !work.members.is_empty() {
            return Err(ServerError::WorkInUse);
        }
        self.works.remove(&work_id);
        Ok(())
    }

    /// A template came: what waits for its tip becomes future jobs, which are sent at once; any other is worked on from now on.
    ///
    /// # Errors
    /// `Job` if no coinbase can be made of it, `NoTip` if it waits for none and there is none.
    pub fn new_template(&mut self, message: &NewTemplate<'_>, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let template = Arc::new(Template::read(message)?);
        if message.future_template {
            self.add_future_template(&template);
            return Ok(());
        }
        let tip = self.templates.tip.ok_or(ServerError::NoTip)?;
        if self.templates.current.is_none() {
            // The tip came without a template: the first one of it comes to miners with the tip. Those that wait for the next
            // tip go on waiting.
            let waiting = self.templates.futures.clone();
            self.add_future_template(&template);
            self.activate_template(template.template_id, &tip);
            waiting.iter().for_each(|future| self.add_future_template(future));
            return Ok(());
        }
        self.templates.current = Some(Arc::clone(&template));
        for work_id in self.mined_works() {
            if self.make_current(work_id, &template, tip.min_ntime) {
                self.send_current(work_id);
            }
        }
        Ok(())
    }

    /// There is a new tip (spec 7.3): all work on the template that waited for it. If there is none with this id, all jobs are
    /// stale, and the next template is for this tip. The tip and the template that are worked on change nothing; another template
    /// on the same tip, as after a change of the provider, is worked on from now on, and the jobs before it stay valid.
    ///
    /// # Errors
    /// `InvalidNbits`.
    pub fn set_new_prev_hash(&mut self, message: &SetNewPrevHashTemplate, now: Time) -> Result<(), ServerError> {
        self.now_ms = now.monotonic_ms;
        let SetNewPrevHashTemplate { template_id, prev_hash, header_timestamp, nbits, target } = *message;
        let tip = Tip::new(prev_hash.0, nbits, header_timestamp, Some(Target(target.0)), now.unix_s)
            .ok_or(ServerError::InvalidNbits)?;
        let is_known = self.templates.current.as_ref().is_some_and(|current| current.template_id == template_id);
        let is_same =
            self.templates.tip.is_some_and(|before| (before.prev_hash, before.nbits) == (tip.prev_hash, nbits));
        if is_known && is_same {
            return Ok(());
        }
        if !is_same {
            self.epoch += 1;
            self.extranonces.reclaim(self.epoch);
        }
        self.activate_template(template_id, &tip);
        Ok(())
    }

    // ----------------------------------------------------------------------------------------------------------- jobs

    fn add_future_template(&mut self, template: &Arc<Template>) {
        let futures = &mut self.templates.futures;
        futures.retain(|future| future.template_id != template.template_id);
        if futures.len() >= self.options.max_future_templates.max(1) {
            futures.remove(0);
        }
        futures.push(Arc::clone(template));
        for work_id in self.mined_works() {
            if self.make_future(work_id, template) {
                self.send_last_future(work_id);
            }
        }
    }

    fn activate_template(&mut self, template_id: u64, tip: &Tip) {
        self.templates.tip = Some(*tip);
        let futures = core::mem::take(&mut self.templates.futures);
        self.templates.current = futures.into_iter().find(|future| future.template_id == template_id);
        if self.templates.current.is_none() {
            let text = format_args!(
                "the new tip names template {template_id}, which did not come: there is nothing to mine on"
            );
            self.events.log(Level::Warning, text);
        }
        let frame = tip_frame(tip);
        let all: Vec<WorkId> = self.works_of_templates().collect();
        for work_id in all {
            let is_it = |future: &LiveJob| future.is_of_template(template_id);
            self.activate(work_id, is_it, tip, frame.as_ref());
        }
    }

    /// A work has a new tip: the job that waited for it is sent for, the others are gone.
    pub(super) fn activate(
        &mut self,
        work_id: WorkId,
        is_it: impl Fn(&LiveJob) -> bool,
        tip: &Tip,
        frame: Option<&Arc<[u8]>>,
    ) {
        let Some(work) = self.works.get_mut(&work_id) else { return };
        work.tip = Some(*tip);
        // Of those that came for the same template, the last one.
        work.current = core::mem::take(&mut work.futures).into_iter().rfind(is_it);
        let job_id = work.current.as_mut().map(|current| {
            current.min_ntime = tip.min_ntime;
            current.job_id
        });
        let mut failed = Vec::new();
        for (id, group_id) in &work.members {
            let Some(client) = self.clients.get_mut(id) else { continue };
            match client.take_tip(*group_id, job_id, tip, frame) {
                Ok(()) => announce_in_front(*id, client, &mut self.events),
                Err(error) => failed.push((*id, error)),
            }
        }
        self.after_sends(failed);
    }

    /// Makes the jobs of a work that nobody mined.
    pub(super) fn prepare_work(&mut self, work_id: WorkId) {
        let Some(work) = self.works.get_mut(&work_id) else { return };
        if !work.members.is_empty() || !matches!(work.feed, Feed::Templates { .. }) {
            return;
        }
        work.rest();
        work.tip = self.templates.tip;
        if let (Some(tip), Some(template)) = (self.templates.tip, self.templates.current.clone()) {
            self.make_current(work_id, &template, tip.min_ntime);
        }
        let futures = self.templates.futures.clone();
        for template in futures {
            self.make_future(work_id, &template);
        }
    }

    /// Jobs of the same templates, made anew.
    fn renew_all_jobs(&mut self, work_id: WorkId) {
        let Some(work) = self.works.get_mut(&work_id).filter(|work| !work.members.is_empty()) else { return };
        let before: Vec<u32> = work.futures.drain(..).map(|future| future.job_id).collect();
        for (id, group_id) in &work.members {
            let Some(client) = self.clients.get_mut(id) else { continue };
            client
                .each_channel(*group_id, |channel| before.iter().for_each(|job| channel.inner.remove_future_job(*job)));
        }
        if let (Some(tip), Some(template)) = (self.templates.tip, self.templates.current.clone()) {
            if self.make_current(work_id, &template, tip.min_ntime) {
                self.send_current(work_id);
            }
        }
        let futures = self.templates.futures.clone();
        for template in futures {
            if self.make_future(work_id, &template) {
                self.send_last_future(work_id);
            }
        }
    }

    /// One more job waits for its tip; false if none can be made.
    fn make_future(&mut self, work_id: WorkId, template: &Template) -> bool {
        let Some(live) = self.make_job(work_id, template, 0) else { return false };
        let max = self.options.max_future_templates;
        self.works.get_mut(&work_id).map(|work| work.add_future(live, max)).is_some()
    }

    /// There is another job to work on; false if none can be made.
    fn make_current(&mut self, work_id: WorkId, template: &Template, min_ntime: u32) -> bool {
        let Some(live) = self.make_job(work_id, template, min_ntime) else { return false };
        self.works.get_mut(&work_id).map(|work| work.current = Some(live)).is_some()
    }

    fn make_job(&mut self, work_id: WorkId, template: &Template, min_ntime: u32) -> Option<LiveJob> {
        let job_id = self.next_job_id();
        match self.works.get_mut(&work_id)?.job(template)? {
            Ok(job) => Some(LiveJob::new(job_id, Arc::new(job), min_ntime)),
            Err(error) => {
                let id = template.template_id;
                self.events.log(Level::Error, format_args!("no job for work {work_id} from template {id}: {error}"));
                None
            }
        }
    }

    /// Gives a channel alone a job on the same template with a search space of its own, which has the channel's target at once.
    ///
    /// Work of a mining server is not renewed: its search space is not for us to divide, and the same job under another number
    /// would let a miner choose which target a share counts for. There the target holds from the next job on.
    pub(super) fn renew_job(&mut self, id: ConnectionId, channel_id: u32) {
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        let work_id = channel.work;
        let Some((active, job)) = channel.inner.active_job() else { return };
        if !matches!(job.source(), JobSource::Template(_)) {
            return;
        }
        let Some(current) = self.works.get(&work_id).and_then(|work| work.current.as_ref()) else { return };
        // Somebody else may have got one already.
        if current.job_id == active {
            let min_ntime = current.min_ntime;
            let Some(template) = self.templates.current.clone() else { return };
            if !self.make_current(work_id, &template, min_ntime) {
                return;
            }
        }
        let Some(current) = self.works.get_mut(&work_id).and_then(|work| work.current.as_mut()) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(channel) = client.channels.get_mut(&channel_id) else { return };
        let sent = send_job_to(&mut client.connection, channel, current, false);
        self.after_send(id, sent);
    }

    pub(super) fn next_job_id(&mut self) -> u32 {
        self.last_job_id = self.last_job_id.wrapping_add(1).max(1);
        self.last_job_id
    }

    // -------------------------------------------------------------------------------------------------------- sending

    pub(super) fn send_last_future(&mut self, work_id: WorkId) {
        self.send_job(work_id, true);
    }

    pub(super) fn send_current(&mut self, work_id: WorkId) {
        self.send_job(work_id, false);
    }

    /// Sends the job to work on, or the last one that waits, to all that mine a work.
    fn send_job(&mut self, work_id: WorkId, is_future: bool) {
        let Some(work) = self.works.get_mut(&work_id) else { return };
        let live = if is_future { work.futures.last_mut() } else { work.current.as_mut() };
        let Some((live, frame)) = live.and_then(|live| live.frame(is_future).map(|frame| (live, frame))) else {
            return;
        };
        let mut failed = Vec::new();
        for (id, group_id) in &work.members {
            let Some(client) = self.clients.get_mut(id) else { continue };
            match client.take_job(*group_id, live, is_future, &frame) {
                Ok(()) => announce_output(*id, client, &mut self.events),
                Err(error) => failed.push((*id, error)),
            }
        }
        self.after_sends(failed);
    }

    fn after_sends(&mut self, failed: Vec<(ConnectionId, SendError)>) {
        for (id, error) in failed {
            self.after_send(id, Err(error));
        }
    }

    fn works_of_templates(&self) -> impl Iterator<Item = WorkId> {
        self.works.iter().filter(|(_, work)| matches!(work.feed, Feed::Templates { .. })).map(|(id, _)| *id)
    }

    /// The payouts that somebody mines.
    fn mined_works(&self) -> Vec<WorkId> {
        self.works_of_templates().filter(|id| self.works.get(id).is_some_and(|work| !work.members.is_empty())).collect()
    }
}

/// SetNewPrevHash for any channel and job.
pub(super) fn tip_frame(tip: &Tip) -> Option<Arc<[u8]>> {
    encode(&SetNewPrevHash {
        channel_id: 0,
        job_id: 0,
        prev_hash: U256(tip.prev_hash),
        min_ntime: tip.min_ntime,
        nbits: tip.nbits,
    })
}

/// What a shared frame begins with: channel_id and job_id.
fn own(channel_id: u32, job_id: u32) -> [u8; 8] {
    (u64::from(channel_id) | u64::from(job_id) << 32).to_le_bytes()
}

impl Client {
    /// Every channel of a group.
    fn each_channel(&mut self, group_id: u32, mut what: impl FnMut(&mut Channel)) {
        let Self { groups, channels, .. } = self;
        for channel_id in members(groups, group_id) {
            if let Some(channel) = channels.get_mut(channel_id) {
                what(channel);
            }
        }
    }

    /// A job for a group: one message for all, or one for each if the client cannot do with less.
    fn take_job(&mut self, group_id: u32, live: &LiveJob, is_future: bool, frame: &Arc<[u8]>) -> Result<(), SendError> {
        if self.requires(FLAG_REQUIRES_WORK_SELECTION) {
            return Ok(());
        }
        let each = self.requires(FLAG_REQUIRES_STANDARD_JOBS);
        let Self { groups, channels, connection, .. } = self;
        for channel_id in members(groups, group_id) {
            let Some(channel) = channels.get_mut(channel_id) else { continue };
            if let Some(message) = channel.take_job(live, is_future).filter(|_| each) {
                connection.send(&message)?;
            }
        }
        if each { Ok(()) } else { connection.send_shared_as(Arc::clone(frame), own(group_id, live.job_id)) }
    }

    /// A new tip for a group, and the job on it, if there is one.
    fn take_tip(
        &mut self,
        group_id: u32,
        job_id: Option<u32>,
        tip: &Tip,
        frame: Option<&Arc<[u8]>>,
    ) -> Result<(), SendError> {
        let job_id = job_id.filter(|_| !self.requires(FLAG_REQUIRES_WORK_SELECTION));
        let each = self.requires(FLAG_REQUIRES_STANDARD_JOBS);
        self.each_channel(group_id, |channel| match job_id {
            Some(job_id) => drop(channel.inner.activate(job_id, tip)),
            None => channel.inner.set_tip(tip),
        });
        let (Some(job_id), Some(frame)) = (job_id, frame) else { return Ok(()) };
        if !each {
            return self.connection.send_shared_as(Arc::clone(frame), own(group_id, job_id));
        }
        let Self { groups, connection, .. } = self;
        let mut all = members(groups, group_id).iter();
        all.try_for_each(|channel_id| connection.send_shared_as(Arc::clone(frame), own(*channel_id, job_id)))
    }
}

impl Channel {
    /// A job that waits for its tip, or the one to work on; gives the message for a standard channel that is sent its own.
    fn take_job(&mut self, live: &LiveJob, is_future: bool) -> Option<NewMiningJob> {
        let job = Arc::clone(&live.job);
        let (root, min_ntime) = if is_future {
            (self.inner.add_future_job(live.job_id, job), None)
        } else {
            (self.inner.add_job(live.job_id, job, live.min_ntime), Some(live.min_ntime))
        };
        Some(live.job.standard_message(self.inner.channel_id(), live.job_id, min_ntime, root?))
    }
}

/// A job for one channel alone.
pub(super) fn send_job_to(
    connection: &mut Connection,
    channel: &mut Channel,
    live: &mut LiveJob,
    is_future: bool,
) -> Result<(), SendError> {
    if let Some(message) = channel.take_job(live, is_future) {
        return connection.send(&message);
    }
    let Some(frame) = live.frame(is_future) else { return Ok(()) };
    connection.send_shared_as(frame, own(channel.inner.channel_id(), live.job_id))
}

/// The channels of a group.
fn members(groups: &[Group], group_id: u32) -> &[u32] {
    let place = groups.binary_search_by_key(&group_id, |group| group.channels.group_channel_id());
    place.ok().and_then(|place| groups.get(place)).map_or(&[], |group| group.channels.members())
}
