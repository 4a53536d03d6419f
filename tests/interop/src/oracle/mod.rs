//! The other implementation's channels (channels_sv2) as an oracle for ours: what is given to both, and what both say of it.

#![allow(missing_docs)] // the fields are the messages'

pub mod ours;
pub mod theirs;

use rand::Rng;
use rand::rngs::StdRng;
use stratum_core::binary_sv2::{Seq0255Owned, U256Owned};
use stratum_core::bitcoin::consensus::encode::serialize;
use stratum_core::bitcoin::{Amount, ScriptBuf, TxOut};
use stratum_core::template_distribution_sv2::{NewTemplateOwned, SetNewPrevHashOwned};
use sv2_core::message::{NewTemplate, SetNewPrevHashTemplate};
use sv2_core::wire::{List, U256};

/// The contents of a NewTemplate.
#[derive(Clone, Debug)]
pub struct Template {
    pub template_id: u64,
    pub future_template: bool,
    pub version: u32,
    pub coinbase_prefix: Vec<u8>,
    pub coinbase_tx_input_sequence: u32,
    pub value: u64,
    /// The template's own outputs, each serialized.
    pub outputs: Vec<Vec<u8>>,
    pub lock_time: u32,
    pub merkle_path: Vec<U256>,
}

impl Template {
    /// Any template that a node could make: with or without transactions and other outputs than the witness commitment,
    /// which is always there.
    pub fn draw(random: &mut StdRng, template_id: u64, future_template: bool) -> Template {
        let mut commitment = b"\x6a\x24\xaa\x21\xa9\xed".to_vec();
        commitment.extend(random.r#gen::<[u8; 32]>());
        let mut outputs = vec![output(0, &commitment)];
        if random.gen_bool(0.3) {
            let len = random.gen_range(1..=300);
            let other: Vec<u8> = (0..len).map(|_| random.r#gen()).collect();
            outputs.push(output(0, &[&[0x6a], &other[..]].concat()));
        }
        let path = random.gen_range(0..=14);
        Template {
            template_id,
            future_template,
            version: 0x2000_0000 | random.gen_range(0..32) | random.gen_range(0..8) << 29 & 0x1fff_ffff,
            coinbase_prefix: [&[3], &random.r#gen::<[u8; 3]>()[..]].concat(),
            coinbase_tx_input_sequence: if random.r#gen() { 0xffff_fffe } else { 0xffff_ffff },
            value: random.gen_range(0..=21_000_000_0000_0000),
            outputs,
            lock_time: random.gen_range(0..1_000_000),
            merkle_path: (0..path).map(|_| U256(random.r#gen())).collect(),
        }
    }

    /// Calls `then` with our message.
    pub fn ours<T>(&self, then: impl FnOnce(&NewTemplate<'_>) -> T) -> T {
        let outputs = self.outputs.concat();
        then(&NewTemplate {
            template_id: self.template_id,
            future_template: self.future_template,
            version: self.version,
            coinbase_tx_version: 2,
            coinbase_prefix: &self.coinbase_prefix,
            coinbase_tx_input_sequence: self.coinbase_tx_input_sequence,
            coinbase_tx_value_remaining: self.value,
            coinbase_tx_outputs_count: u32::try_from(self.outputs.len()).expect("few outputs"),
            coinbase_tx_outputs: &outputs,
            coinbase_tx_locktime: self.lock_time,
            merkle_path: List::Items(&self.merkle_path),
        })
    }

    /// Their message.
    pub fn theirs(&self) -> NewTemplateOwned {
        let path = self.merkle_path.iter().map(|hash| U256Owned::from(hash.0)).collect();
        NewTemplateOwned {
            template_id: self.template_id,
            future_template: self.future_template,
            version: self.version,
            coinbase_tx_version: 2,
            coinbase_prefix: self.coinbase_prefix.clone().try_into().expect("at most 255 bytes"),
            coinbase_tx_input_sequence: self.coinbase_tx_input_sequence,
            coinbase_tx_value_remaining: self.value,
            coinbase_tx_outputs_count: u32::try_from(self.outputs.len()).expect("few outputs"),
            coinbase_tx_outputs: self.outputs.concat().try_into().expect("at most 64 KiB"),
            coinbase_tx_locktime: self.lock_time,
            merkle_path: Seq0255Owned::new(path).expect("at most 255 hashes"),
        }
    }
}

/// The contents of the Template Distribution Protocol's SetNewPrevHash.
#[derive(Clone, Copy, Debug)]
pub struct Tip {
    pub template_id: u64,
    pub prev_hash: [u8; 32],
    pub header_timestamp: u32,
    pub nbits: u32,
    pub target: [u8; 32],
}

impl Tip {
    /// Our message.
    pub fn ours(&self) -> SetNewPrevHashTemplate {
        SetNewPrevHashTemplate {
            template_id: self.template_id,
            prev_hash: U256(self.prev_hash),
            header_timestamp: self.header_timestamp,
            nbits: self.nbits,
            target: U256(self.target),
        }
    }

    /// Their message.
    pub fn theirs(&self) -> SetNewPrevHashOwned {
        SetNewPrevHashOwned {
            template_id: self.template_id,
            prev_hash: self.prev_hash.into(),
            header_timestamp: self.header_timestamp,
            n_bits: self.nbits,
            target: self.target.into(),
        }
    }
}

/// The contents of SubmitSharesExtended, but for what names the channel, the share and the job. A standard channel's share has no
/// extranonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub nonce: u32,
    pub ntime: u32,
    pub version: u32,
    pub extranonce: Vec<u8>,
}

/// What is said of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is accepted.
    Share { hash: [u8; 32] },
    /// It is accepted, and a block with this coinbase.
    Block { hash: [u8; 32], coinbase: Vec<u8> },
    /// The error_code of SubmitShares.Error.
    Refused(String),
}

/// A serialized output.
pub fn output(value: u64, script_pubkey: &[u8]) -> Vec<u8> {
    let script_pubkey = ScriptBuf::from(script_pubkey.to_vec());
    serialize(&TxOut { value: Amount::from_sat(value), script_pubkey })
}
