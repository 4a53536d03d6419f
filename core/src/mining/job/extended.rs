//! A job whose extranonce is still to be chosen.

use alloc::boxed::Box;
use alloc::vec::Vec;

use core::slice::{from_mut, from_ref};

use super::JobError;
use crate::bitcoin::block::last_witness_commitment;
use crate::bitcoin::{self, Hash, restore_witness};
use crate::message::{NewExtendedMiningJob, NewMiningJob};
use crate::mining::hash::{self, Blocks, IV, State};
use crate::wire::{List, U256};

/// An extended job (spec 5.1.2), checked, in memory of its own, and never changed: share it.
///
/// Its coinbase is `coinbase_tx_prefix | full extranonce | coinbase_tx_suffix`, without BIP 141 fields (spec 5.3.16).
#[derive(Clone, Debug)]
pub struct ExtendedJob {
    source: JobSource,
    version: u32,
    version_rolling_allowed: bool,
    commits_to_witnesses: bool,
    extranonce_len: usize,
    coinbase_tx_prefix: Box<[u8]>,
    coinbase_tx_suffix: Box<[u8]>,
    merkle_path: Box<[U256]>,
    /// The whole blocks of `coinbase_tx_prefix`, which all shares of the job begin with, hashed.
    hashed_prefix: State,
}

/// Where a job comes from, and so where a block that was found with it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobSource {
    /// The template with this template_id.
    Template(u64),
    /// A mining server, under this job_id.
    Upstream(u32),
    /// A miner, by SetCustomMiningJob with this mining_job_token.
    Custom(Box<[u8]>),
}

/// The parts of a coinbase.
pub(super) struct Coinbase<'a> {
    pub prefix: &'a [u8],
    pub suffix: &'a [u8],
    pub extranonce_len: usize,
}

/// Where the scriptSig begins in a coinbase without BIP 141 fields: nVersion, input count, previous output, and its length,
/// which is one byte as it is not above 100.
const SCRIPT_SIG_OFFSET: usize = 4 + 1 + 36 + 1;

/// The longest B0_64K.
const MAX_PART_LEN: usize = 65_535;

/// The longest SEQ0_255.
const MAX_MERKLE_PATH_LEN: usize = 255;

/// The witness reserved value of a coinbase (spec 3.7.4).
const WITNESS_RESERVED_VALUE: Hash = [0; 32];

impl ExtendedJob {
    /// The job of a NewExtendedMiningJob that a mining server sent, for a full extranonce of `extranonce_len` bytes: those of
    /// the channel's extranonce_prefix and its extranonce_size.
    ///
    /// # Errors
    /// If nobody could mine a block with it: `Coinbase`, `ExtranonceOutsideScript`.
    pub fn upstream(message: &NewExtendedMiningJob<'_>, extranonce_len: usize) -> Result<Self, JobError> {
        let NewExtendedMiningJob { job_id, version, version_rolling_allowed, merkle_path, .. } = *message;
        let (prefix, suffix) = (message.coinbase_tx_prefix, message.coinbase_tx_suffix);
        let coinbase = Coinbase { prefix, suffix, extranonce_len };
        Self::new(JobSource::Upstream(job_id), version, version_rolling_allowed, coinbase, merkle_path)
    }

    /// Checks the parts and takes them in.
    pub(super) fn new(
        source: JobSource,
        version: u32,
        version_rolling_allowed: bool,
        coinbase: Coinbase<'_>,
        merkle_path: List<'_, U256>,
    ) -> Result<Self, JobError> {
        let Coinbase { prefix, suffix, extranonce_len } = coinbase;
        let longest = prefix.len().max(suffix.len());
        if longest > MAX_PART_LEN {
            return Err(JobError::CoinbaseTooLarge(longest));
        }
        if merkle_path.len() > MAX_MERKLE_PATH_LEN {
            return Err(JobError::MerklePathTooLong(merkle_path.len()));
        }
        let commits_to_witnesses = coinbase.check()?;
        Ok(Self {
            source,
            version,
            version_rolling_allowed,
            commits_to_witnesses,
            extranonce_len,
            coinbase_tx_prefix: prefix.into(),
            coinbase_tx_suffix: suffix.into(),
            merkle_path: merkle_path.iter().collect(),
            hashed_prefix: hash_blocks(prefix),
        })
    }

    /// Where it comes from.
    #[must_use]
    pub const fn source(&self) -> &JobSource {
        &self.source
    }

    /// The header's nVersion, from which shares may differ in the bits that may be rolled.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Whether any may.
    #[must_use]
    pub const fn version_rolling_allowed(&self) -> bool {
        self.version_rolling_allowed
    }

    /// Length of the full extranonce, in bytes: prefix and what is rolled.
    #[must_use]
    pub const fn extranonce_len(&self) -> usize {
        self.extranonce_len
    }

    /// The coinbase up to the extranonce.
    #[must_use]
    pub const fn coinbase_tx_prefix(&self) -> &[u8] {
        &self.coinbase_tx_prefix
    }

    /// The coinbase from the extranonce on.
    #[must_use]
    pub const fn coinbase_tx_suffix(&self) -> &[u8] {
        &self.coinbase_tx_suffix
    }

    /// The coinbase's merkle path, deepest first.
    #[must_use]
    pub const fn merkle_path(&self) -> &[U256] {
        &self.merkle_path
    }

    /// The header's merkle root for a full extranonce, given in pieces (spec 5.3.16). Allocates nothing.
    #[must_use]
    pub fn merkle_root(&self, extranonce: &[&[u8]]) -> Hash {
        let (mut state, mut blocks) = self.coinbase_hasher(extranonce);
        let mut block = [0; 64];
        while blocks.next_into(&mut block) {
            hash::compress(from_mut(&mut state), from_ref(&block));
        }
        hash::climb(from_mut(&mut state), &self.merkle_path);
        hash::to_hash(&state)
    }

    /// The hash of the coinbase so far, and the blocks that are still to be hashed.
    pub(in crate::mining) fn coinbase_hasher<'a>(&'a self, extranonce: &'a [&'a [u8]]) -> (State, Blocks<'a>) {
        let (hashed, rest) = self.coinbase_tx_prefix.split_at(hashed_len(&self.coinbase_tx_prefix));
        (self.hashed_prefix, Blocks::new(hashed.len(), rest, extranonce, &self.coinbase_tx_suffix))
    }

    /// The coinbase for a full extranonce, given in pieces, as it stands in a block: with BIP 141 fields if the job commits to
    /// witnesses.
    ///
    /// # Errors
    /// `ExtranonceLength` if the pieces have not the job's.
    pub fn coinbase(&self, extranonce: &[&[u8]]) -> Result<Vec<u8>, JobError> {
        let extranonce_len = extranonce.iter().map(|piece| piece.len()).sum();
        if extranonce_len != self.extranonce_len {
            return Err(JobError::ExtranonceLength(extranonce_len));
        }
        let mut coinbase = self.coinbase_tx_prefix.to_vec();
        extranonce.iter().for_each(|piece| coinbase.extend_from_slice(piece));
        coinbase.extend_from_slice(&self.coinbase_tx_suffix);
        if self.commits_to_witnesses {
            coinbase = restore_witness(&coinbase, &WITNESS_RESERVED_VALUE)?;
        }
        Ok(coinbase)
    }

    /// The message that gives the job to an extended or a group channel. `min_ntime` is absent in a future job.
    #[must_use]
    pub fn message(&self, channel_id: u32, job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob<'_> {
        NewExtendedMiningJob {
            channel_id,
            job_id,
            min_ntime,
            version: self.version,
            version_rolling_allowed: self.version_rolling_allowed,
            merkle_path: List::Items(&self.merkle_path),
            coinbase_tx_prefix: &self.coinbase_tx_prefix,
            coinbase_tx_suffix: &self.coinbase_tx_suffix,
        }
    }

    /// The message that gives the job to a standard channel whose root, [`ExtendedJob::merkle_root`] of its extranonce_prefix,
    /// is known.
    #[must_use]
    pub const fn standard_message(
        &self,
        channel_id: u32,
        job_id: u32,
        min_ntime: Option<u32>,
        merkle_root: Hash,
    ) -> NewMiningJob {
        NewMiningJob { channel_id, job_id, min_ntime, version: self.version, merkle_root: U256(merkle_root) }
    }
}

/// How many bytes of a coinbase_tx_prefix make whole blocks.
const fn hashed_len(prefix: &[u8]) -> usize {
    prefix.len() / 64 * 64
}

/// The state after the whole blocks of a coinbase_tx_prefix.
fn hash_blocks(prefix: &[u8]) -> State {
    let mut state = IV;
    for block in prefix.chunks_exact(64).filter_map(<[u8]>::first_chunk) {
        hash::compress(from_mut(&mut state), from_ref(block));
    }
    state
}

impl Coinbase<'_> {
    /// Whether the parts make a coinbase with the extranonce in its scriptSig; says whether it commits to witnesses.
    fn check(&self) -> Result<bool, JobError> {
        let Self { prefix, suffix, extranonce_len } = *self;
        let extranonce = prefix.len()..prefix.len().saturating_add(extranonce_len);
        // The length is a peer's: nothing of it is reserved before it is known to be small.
        if extranonce.start < SCRIPT_SIG_OFFSET
            || extranonce.end > SCRIPT_SIG_OFFSET + bitcoin::coinbase::SCRIPT_SIG_LEN.end()
        {
            return Err(JobError::ExtranonceOutsideScript);
        }
        let mut whole = prefix.to_vec();
        whole.resize(extranonce.end, 0);
        whole.extend_from_slice(suffix);
        let coinbase = bitcoin::Coinbase::parse(&whole)?;
        if coinbase.transaction().has_witness() {
            let kind = bitcoin::ErrorKind::WitnessPresent;
            return Err(bitcoin::Error { kind, field: "marker and flag", offset: 4 }.into());
        }
        if extranonce.end > SCRIPT_SIG_OFFSET + coinbase.script_sig().len() {
            return Err(JobError::ExtranonceOutsideScript);
        }
        Ok(last_witness_commitment(coinbase.transaction().outputs()).is_some())
    }
}
