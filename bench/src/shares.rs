//! Shares on one extended job with a merkle path of 12: ours through the C program in `c/shares.c`, theirs through their channel,
//! and the bare compressions.

use std::hint::black_box;

use bitcoin_hashes::{HashEngine, sha256};
use stratum_core::binary_sv2::{Seq0255Owned, U256Owned};
use stratum_core::bitcoin::{Amount, ScriptBuf, Target, TxOut};
use stratum_core::channels_sv2::extranonce_manager::ExtranonceAllocator;
use stratum_core::channels_sv2::server::extended::ExtendedChannel;
use stratum_core::channels_sv2::server::share_accounting::ShareValidationResult;
use stratum_core::mining_sv2::{SubmitSharesExtendedOwned, SubmitSharesSuccess};
use stratum_core::template_distribution_sv2::{NewTemplateOwned, SetNewPrevHashOwned};

/// P2WPKH.
const SCRIPT: [u8; 22] = [0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
const PATH: [[u8; 32]; 12] = [[9; 32]; 12];
/// The prefix of 4 bytes is what their allocator gives first; 16 bytes are rolled.
static EXTRANONCE: [u8; 20] = [1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
const PREFIX_LEN: usize = 4;
const VERSION: u32 = 0x2000_0000;
const NTIME: u32 = 1_785_542_400;
const NBITS: u32 = 0x1702_0000;

#[allow(non_camel_case_types)] // the names are those of C
mod c {
    pub enum ours_shares {}

    unsafe extern "C" {
        pub fn ours_shares_new(
            template_outputs: *const u8,
            template_outputs_len: usize,
            script: *const u8,
            script_len: usize,
            path: *const u8,
            extranonce: *const u8,
        ) -> *mut ours_shares;
        pub fn ours_shares_compressions(shares: *const ours_shares) -> u64;
        pub fn ours_shares_check(shares: *mut ours_shares, times: u64) -> u64;
        pub fn ours_shares_check_many(shares: *mut ours_shares, times: u64) -> u64;
    }
}

/// The output with a witness commitment, as every template has one.
fn template_output() -> Vec<u8> {
    let mut output = 0_u64.to_le_bytes().to_vec();
    output.extend([38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]);
    output.extend([5; 32]);
    output
}

/// Our job. Each share has the next nonce, and is accepted and remembered.
pub struct Ours(*mut c::ours_shares);

impl Ours {
    /// Before the first share.
    pub fn new() -> Self {
        let outputs = template_output();
        // What is borrowed lives for ever, or as long as the call.
        Self(unsafe {
            c::ours_shares_new(
                outputs.as_ptr(),
                outputs.len(),
                SCRIPT.as_ptr(),
                SCRIPT.len(),
                PATH.as_ptr().cast(),
                EXTRANONCE.as_ptr(),
            )
        })
    }

    /// How many compressions one share takes.
    pub fn compressions(&self) -> usize {
        usize::try_from(unsafe { c::ours_shares_compressions(self.0) }).expect("a few")
    }

    /// So many shares, one at a time; returns the sum of the first eight bytes of their hashes.
    pub fn check(&mut self, times: u64) -> u64 {
        unsafe { c::ours_shares_check(self.0, times) }
    }

    /// The same in batches of 64.
    pub fn check_many(&mut self, times: u64) -> u64 {
        unsafe { c::ours_shares_check_many(self.0, times) }
    }
}

/// Their channel with the same job. Each share has the next nonce, and is accepted and remembered.
pub struct Theirs {
    channel: SubmittedTo,
    nonce: u32,
}

/// A channel of theirs that takes every hash.
pub struct SubmittedTo {
    channel: ExtendedChannel,
    job_id: u32,
    left: u32,
}

/// How many shares their channel is given: it ends when it remembers as many as it may.
const SHARES_OF_A_CHANNEL: u32 = 1 << 19;

impl Theirs {
    /// Before the first share.
    pub fn new() -> Self {
        Self { channel: SubmittedTo::new(), nonce: 0 }
    }

    /// As [`Ours::check`].
    pub fn check(&mut self, times: u64) -> u64 {
        (0..times).fold(0_u64, |sum, _| sum.wrapping_add(self.check_one()))
    }

    fn check_one(&mut self) -> u64 {
        let share = their_share(&self.channel, self.nonce);
        self.nonce += 1;
        self.channel.validate(share)
    }
}

/// A share of the channel's job.
pub fn their_share(channel: &SubmittedTo, nonce: u32) -> SubmitSharesExtendedOwned {
    SubmitSharesExtendedOwned {
        channel_id: 1,
        sequence_number: nonce,
        job_id: channel.job_id,
        nonce,
        ntime: NTIME,
        version: VERSION,
        extranonce: EXTRANONCE[PREFIX_LEN..].to_vec().try_into().expect("16 bytes"),
    }
}

impl SubmittedTo {
    /// Before the first share.
    pub fn new() -> Self {
        let (channel, job_id) = their_channel();
        Self { channel, job_id, left: SHARES_OF_A_CHANNEL }
    }

    /// Accepts the share and remembers it; returns the first eight bytes of its hash.
    fn validate(&mut self, share: SubmitSharesExtendedOwned) -> u64 {
        if self.left == 0 {
            *self = Self::new();
        }
        self.left -= 1;
        match self.channel.validate_share(share) {
            Ok(ShareValidationResult::Valid(hash)) => {
                let hash: &[u8; 32] = hash.as_ref();
                u64::from_le_bytes(*hash.first_chunk().expect("32 bytes"))
            }
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Accepts the share, and gives the answer when it is time for one.
    pub fn submit(&mut self, share: SubmitSharesExtendedOwned) -> Option<SubmitSharesSuccess> {
        let channel_id = share.channel_id;
        self.validate(share);
        let account = self.channel.get_share_accounting();
        account.should_acknowledge().then(|| SubmitSharesSuccess {
            channel_id,
            last_sequence_number: account.get_last_share_sequence_number(),
            new_submits_accepted_count: account.get_last_batch_accepted(),
            new_shares_sum: account.get_last_batch_work_sum(),
        })
    }
}

/// A channel that takes every hash, and its active job.
fn their_channel() -> (ExtendedChannel, u32) {
    let mut prefixes =
        ExtranonceAllocator::new(EXTRANONCE[..PREFIX_LEN - 1].to_vec(), PREFIX_LEN as u8, 256).expect("an allocator");
    let prefix = prefixes.allocate_extended(0).expect("the first");
    let mut channel = ExtendedChannel::new_for_pool(
        1,
        "miner".into(),
        prefix,
        Target::MAX,
        1_000.0,
        true,
        16,
        10,
        1_000.0,
        "pool".into(),
        None,
    )
    .expect("a channel");
    channel.set_target(Target::from_le_bytes([0xff; 32])).expect("a target");
    let path = PATH.map(U256Owned::from).to_vec();
    let template = NewTemplateOwned {
        template_id: 1,
        future_template: true,
        version: VERSION,
        coinbase_tx_version: 2,
        coinbase_prefix: vec![3, 0x40, 0x0d, 0x0e].try_into().expect("short"),
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: 312_500_000,
        coinbase_tx_outputs_count: 1,
        coinbase_tx_outputs: template_output().try_into().expect("short"),
        coinbase_tx_locktime: 920_895,
        merkle_path: Seq0255Owned::new(path).expect("short"),
    };
    let reward = TxOut { value: Amount::from_sat(312_500_000), script_pubkey: ScriptBuf::from(SCRIPT.to_vec()) };
    channel.on_new_template(template, vec![reward]).expect("a template");
    let job_id = channel.get_future_job_id_from_template_id(1).expect("a job");
    let tip = SetNewPrevHashOwned {
        template_id: 1,
        prev_hash: [3; 32].into(),
        header_timestamp: NTIME,
        n_bits: NBITS,
        target: Target::from_compact(stratum_core::bitcoin::CompactTarget::from_consensus(NBITS)).to_le_bytes().into(),
    };
    channel.on_set_new_prev_hash(tip).expect("the template's tip");
    (channel, job_id)
}

/// As many compressions as so many shares take, in as few calls as `bitcoin_hashes` does them in: one for each share.
pub fn bare_compressions(compressions: usize, times: u64) {
    let blocks = vec![7; 64 * compressions];
    for _ in 0..times {
        let mut engine = sha256::HashEngine::new();
        engine.input(black_box(&blocks));
        black_box(engine);
    }
}
