//! From templates and custom jobs to extended jobs.

use alloc::vec::Vec;

use super::JobError;
use super::extended::{Coinbase, ExtendedJob, JobSource};
use super::payout::Payout;
use crate::bitcoin::coinbase::SCRIPT_SIG_LEN;
use crate::bitcoin::{CoinbaseTemplate, Output, compact_size, height_push};
use crate::message::{NewTemplate, SetCustomMiningJob};
use crate::mining::MAX_EXTRANONCE_LEN;

/// Makes the jobs of a pool, or of anybody else who has templates.
///
/// The scriptSig of a job is `coinbase_prefix | push("Sv2/<pool>/<miner>/") | [push(salt)] | push(extranonce)`: the template's
/// part, which begins with the height, then who has found the block, then what is rolled.
#[derive(Clone, Debug)]
pub struct JobFactory {
    /// The push of the tags.
    tags: Vec<u8>,
    extranonce_len: usize,
    version_rolling_allowed: bool,
}

/// The longest coinbase_prefix, in bytes (spec 7.2).
const MAX_COINBASE_PREFIX_LEN: usize = 8;

/// The longest push of a salt, in bytes: one of length, five of a U32 with a clear sign bit.
const MAX_SALT_LEN: usize = 6;

/// The longest push whose opcode is its length.
const MAX_PUSH_LEN: usize = 75;

impl JobFactory {
    /// For jobs with a full extranonce of `extranonce_len` bytes, 1 to 32, and these tags, either of which may be empty.
    /// Version rolling is allowed.
    ///
    /// # Errors
    /// `ExtranonceLength`, or `TagsTooLong` if a scriptSig with any template's prefix (8 bytes), a salt and the extranonce
    /// would exceed 100 bytes: a factory that was made does not fail for it later.
    pub fn new(pool_tag: &str, miner_tag: &str, extranonce_len: usize) -> Result<Self, JobError> {
        if !(1..=MAX_EXTRANONCE_LEN).contains(&extranonce_len) {
            return Err(JobError::ExtranonceLength(extranonce_len));
        }
        let text = ["Sv2/", pool_tag, "/", miner_tag, "/"].concat();
        let push = 1 + text.len();
        let script_sig_len = MAX_COINBASE_PREFIX_LEN + push + MAX_SALT_LEN + 1 + extranonce_len;
        if text.len() > MAX_PUSH_LEN || script_sig_len > *SCRIPT_SIG_LEN.end() {
            return Err(JobError::TagsTooLong(push));
        }
        // Not above MAX_PUSH_LEN.
        let mut tags = Vec::from([text.len() as u8]);
        tags.extend_from_slice(text.as_bytes());
        Ok(Self { tags, extranonce_len, version_rolling_allowed: true })
    }

    /// The same with jobs that allow version rolling, or forbid it, as a server must that set REQUIRES_FIXED_VERSION
    /// (spec 5.3.1).
    #[must_use]
    pub fn with_version_rolling(self, allowed: bool) -> Self {
        Self { version_rolling_allowed: allowed, ..self }
    }

    /// Length of the full extranonce, in bytes.
    #[must_use]
    pub const fn extranonce_len(&self) -> usize {
        self.extranonce_len
    }

    /// A job that mines `template` and pays all it is worth by `payout`.
    ///
    /// Two jobs of one template and payout with different salts have no coinbase in common, so that no share of one is a share
    /// of the other. Give 0, which takes no room, to the first, and count up.
    ///
    /// # Errors
    /// `Coinbase` if the template's prefix is longer than 8 bytes or its outputs are not what their count says;
    /// `CoinbaseTooLarge`, `MerklePathTooLong`.
    pub fn job(&self, template: &NewTemplate<'_>, payout: &Payout, salt: u32) -> Result<ExtendedJob, JobError> {
        let outputs: Vec<Output<'_>> = payout.outputs(template.coinbase_tx_value_remaining).collect();
        let coinbase = CoinbaseTemplate {
            version: template.coinbase_tx_version,
            prefix: template.coinbase_prefix,
            sequence: template.coinbase_tx_input_sequence,
            outputs_count: template.coinbase_tx_outputs_count,
            outputs: template.coinbase_tx_outputs,
            lock_time: template.coinbase_tx_locktime,
        };
        let (prefix, suffix) = coinbase.split(&self.script(salt), self.extranonce_len, &outputs)?;
        let coinbase = Coinbase { prefix: &prefix, suffix: &suffix, extranonce_len: self.extranonce_len };
        let source = JobSource::Template(template.template_id);
        ExtendedJob::new(source, template.version, self.version_rolling_allowed, coinbase, template.merkle_path)
    }

    /// The job that a SetCustomMiningJob describes (spec 5.3.18). Its scriptSig is the message's coinbase_prefix and the
    /// extranonce, for which the miner has written the push; the tags are not added.
    ///
    /// Whether its previous hash, nBits and min_ntime are those of the tip, and whether it pays whom it must, is not looked at.
    ///
    /// # Errors
    /// `Coinbase` if the outputs are not what their count says, or the scriptSig has more than 100 bytes;
    /// `CoinbaseTooLarge`, `MerklePathTooLong`.
    pub fn custom(&self, message: &SetCustomMiningJob<'_>) -> Result<ExtendedJob, JobError> {
        let (count, count_len) = compact_size::read(message.coinbase_tx_outputs)?;
        let coinbase = CoinbaseTemplate {
            version: message.coinbase_tx_version,
            prefix: message.coinbase_prefix,
            sequence: message.coinbase_tx_input_nsequence,
            // More than 2^32 outputs do not fit into the message either: they end too early.
            outputs_count: u32::try_from(count).unwrap_or(u32::MAX),
            outputs: message.coinbase_tx_outputs.get(count_len..).unwrap_or_default(),
            lock_time: message.coinbase_tx_locktime,
        };
        let (prefix, suffix) = coinbase.split(&[], self.extranonce_len, &[])?;
        let coinbase = Coinbase { prefix: &prefix, suffix: &suffix, extranonce_len: self.extranonce_len };
        let source = JobSource::Custom(message.mining_job_token.into());
        ExtendedJob::new(source, message.version, self.version_rolling_allowed, coinbase, message.merkle_path)
    }

    /// What stands between the template's prefix and the extranonce.
    fn script(&self, salt: u32) -> Vec<u8> {
        let mut script = self.tags.clone();
        if salt != 0 {
            script.extend_from_slice(&height_push(salt));
        }
        // Not above MAX_EXTRANONCE_LEN: the opcode is the length.
        script.push(self.extranonce_len as u8);
        script
    }
}
