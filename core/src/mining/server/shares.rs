//! What becomes of shares.

use super::events::{Event, FoundBlock, Share};
use super::requests::Submit;
use super::{ConnectionId, Server};
use crate::Time;
use crate::bitcoin::Header;
use crate::clients::Level;
use crate::message::SubmitSharesError;
use crate::mining::channel::Accepted;
use crate::mining::job::JobSource;
use crate::mining::share::ShareError;
use crate::template::SubmittedSolution;
use crate::wire::Str;

impl Server {
    /// Judges a share. A block is told before anything else; then the share is, and the miner, who learns of errors and of
    /// blocks at once and of other shares in batches (spec 5.3.13, 5.3.14).
    pub(super) fn submit(&mut self, id: ConnectionId, submit: &Submit, now: Time) {
        let accepted = match self.judge(id, submit, now) {
            Ok(accepted) => accepted,
            Err(error) => {
                if error == ShareError::StaleShare {
                    self.report_late_block(id, submit, now);
                }
                return self.reject(id, submit, error);
            }
        };
        let (wants_job, block, work) = (accepted.wants_job, accepted.block, accepted.work);
        let Some(share) = self.share_of(id, submit, accepted) else { return };
        if let Some(header) = block {
            self.report_block(&share, header);
        }
        self.events.push(Event::ShareAccepted(share));
        let channel_id = submit.channel_id;
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        if let Some(vardiff) = &mut channel.vardiff {
            vardiff.share(work, now);
        }
        let accounting = channel.inner.accounting_mut();
        let batch = if block.is_some() { accounting.flush() } else { accounting.due(now) };
        if let Some(batch) = batch {
            self.send(id, &batch.message(channel_id));
        }
        if wants_job {
            self.replace_worn_job(id, channel_id);
        }
        self.follow_work(id, channel_id, now);
        self.list_channel(id, channel_id);
    }

    fn judge(&mut self, id: ConnectionId, submit: &Submit, now: Time) -> Result<Accepted, ShareError> {
        let channel = self.channel_mut(id, submit.channel_id).map_err(|_| ShareError::InvalidChannelId)?;
        if channel.inner.kind() != submit.kind {
            return Err(ShareError::InvalidChannelId);
        }
        channel.inner.submit(&submit.submission(), now)
    }

    /// A block that was found on the tip before may yet win, though its share is stale.
    fn report_late_block(&mut self, id: ConnectionId, submit: &Submit, now: Time) {
        let Ok(channel) = self.channel_mut(id, submit.channel_id) else { return };
        let Some(accepted) = channel.inner.late_block(&submit.submission(), now) else { return };
        let block = accepted.block;
        if let (Some(share), Some(header)) = (self.share_of(id, submit, accepted), block) {
            self.report_block(&share, header);
        }
    }

    fn reject(&mut self, id: ConnectionId, submit: &Submit, error: ShareError) {
        let Submit { channel_id, sequence_number, job_id, .. } = *submit;
        self.events.push(Event::ShareRejected { connection: id, channel_id, sequence_number, job_id, error });
        self.send(id, &SubmitSharesError { channel_id, sequence_number, error_code: Str::from(error.code()) });
    }

    fn share_of(&mut self, id: ConnectionId, submit: &Submit, accepted: Accepted) -> Option<Share> {
        Some(Share {
            connection: id,
            channel_id: submit.channel_id,
            work: self.channel_mut(id, submit.channel_id).ok()?.work,
            sequence_number: submit.sequence_number,
            job_id: submit.job_id,
            job: accepted.job,
            nonce: submit.nonce,
            ntime: submit.ntime,
            version: submit.version,
            extranonce: accepted.extranonce,
            extranonce_prefix_len: accepted.extranonce_prefix_len,
            hash: accepted.hash,
            difficulty: accepted.difficulty,
            is_block: accepted.block.is_some(),
            worker_identity: submit.worker_identity.ok().flatten(),
        })
    }

    fn report_block(&mut self, share: &Share, header: Header) {
        let coinbase_tx = match share.job.coinbase(&[&share.extranonce]) {
            Ok(coinbase_tx) => coinbase_tx,
            Err(error) => {
                // It was made of the same parts when it was hashed.
                let text = format_args!("a block was found whose coinbase cannot be made: {error}");
                return self.events.log(Level::Error, text);
            }
        };
        let solution = match share.job.source() {
            JobSource::Template(template_id) => Some(SubmittedSolution {
                template_id: *template_id,
                version: share.version,
                header_timestamp: share.ntime,
                header_nonce: share.nonce,
                coinbase_tx: coinbase_tx.clone(),
            }),
            _ => None,
        };
        self.events.block(FoundBlock { share: share.clone(), header, coinbase_tx, solution });
    }

    /// Many shares of a channel's last job are remembered, and not many more can be.
    fn replace_worn_job(&mut self, id: ConnectionId, channel_id: u32) {
        let Ok(channel) = self.channel_mut(id, channel_id) else { return };
        let Some((job_id, job)) = channel.inner.active_job() else { return };
        if let JobSource::Template(_) = job.source() {
            self.renew_job(id, channel_id);
        } else {
            // Its search space is somebody else's to change, who will.
            let text = format_args!("client {id}: job {job_id} of channel {channel_id} can take few more shares");
            self.events.log(Level::Warning, text);
        }
    }
}
