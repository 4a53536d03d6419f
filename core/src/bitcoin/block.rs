//! Blocks: the witness commitment, assembling one from a solution, taking one apart.

use alloc::vec::Vec;

use super::compact_size;
use super::error::{Error, ErrorKind};
use super::hash::{Hash, Sha256d};
use super::header::Header;
use super::list::{Element, List};
use super::merkle::merkle_root;
use super::reader::Reader;
use super::transaction::{Output, Transaction};

/// Length of a witness commitment's scriptPubKey in bytes. (Consensus allows more bytes after it.)
pub const COMMITMENT_SCRIPT_LEN: usize = 38;

/// What a witness commitment's scriptPubKey begins with: OP_RETURN, a push of 36 bytes, and BIP 141's four.
const COMMITMENT_HEADER: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// A block, borrowed from the bytes it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The header.
    pub header: Header,
    /// The transactions in order, the coinbase first; at least one.
    pub transactions: List<'a, Transaction<'a>>,
}

impl<'a> Block<'a> {
    /// Parses `bytes`, which must be one block and nothing else. Its form is checked, not its validity: not the proof
    /// of work, nor the merkle root, nor that the first transaction is a coinbase.
    ///
    /// # Errors
    /// Those of [`Transaction::parse`], `NoTransactions` or `TrailingBytes`; offsets count from the start of the block.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let header = Header::from_bytes(reader.array("header")?);
        let start = reader;
        let transactions: List<'a, Transaction<'a>> = List::read(&mut reader)?;
        if transactions.len() == 0 {
            return Err(start.error(ErrorKind::NoTransactions, Transaction::COUNT));
        }
        reader.finish("block")?;
        Ok(Self { header, transactions })
    }
}

/// Serializes a block from its header, its coinbase with BIP 141 fields, and its other transactions as they are.
///
/// Goes twice over `transactions`: once to reserve exactly what the block takes. Nothing is checked.
#[must_use]
pub fn assemble<'a, I>(header: &Header, coinbase: &[u8], transactions: I) -> Vec<u8>
where
    I: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
{
    let transactions = transactions.into_iter();
    let (count, size) =
        transactions.clone().fold((1, coinbase.len()), |(count, size), bytes| (count + 1, size + bytes.len()));
    let count = compact_size::write(count);
    let mut block = Vec::with_capacity(Header::LEN + count.len() + size);
    block.extend_from_slice(&header.to_bytes());
    block.extend_from_slice(&count);
    block.extend_from_slice(coinbase);
    for transaction in transactions {
        block.extend_from_slice(transaction);
    }
    block
}

/// The witness commitment (BIP 141) over the wtxids of all transactions but the coinbase, in the block's order.
///
/// `reserved_value` is the coinbase's witness, 32 zero bytes today (spec 3.7.4). In the tree the coinbase counts as 32
/// zero bytes.
#[must_use]
pub fn witness_commitment(wtxids: &[Hash], reserved_value: &Hash) -> Hash {
    let mut leaves = Vec::with_capacity(1 + wtxids.len());
    leaves.push([0; 32]);
    leaves.extend_from_slice(wtxids);
    Sha256d::new().with(&merkle_root(&leaves)).with(reserved_value).finish()
}

/// The scriptPubKey of the coinbase output that carries a witness commitment. Its value is 0.
#[must_use]
pub fn commitment_script(commitment: &Hash) -> [u8; COMMITMENT_SCRIPT_LEN] {
    let mut script = [0; COMMITMENT_SCRIPT_LEN];
    let (header, hash) = script.split_at_mut(COMMITMENT_HEADER.len());
    header.copy_from_slice(&COMMITMENT_HEADER);
    hash.copy_from_slice(commitment);
    script
}

/// The witness commitment in a coinbase's outputs: by consensus the last that looks like one.
#[must_use]
pub fn find_witness_commitment(coinbase: &Transaction<'_>) -> Option<Hash> {
    last_witness_commitment(coinbase.outputs())
}

pub(crate) fn last_witness_commitment<'a>(outputs: impl Iterator<Item = Output<'a>>) -> Option<Hash> {
    outputs.filter_map(|output| output.script_pubkey.strip_prefix(&COMMITMENT_HEADER)?.first_chunk().copied()).last()
}
