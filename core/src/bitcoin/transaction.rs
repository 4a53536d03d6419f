//! One serialized transaction, read in place.
//!
//! The rules are those of Bitcoin Core's deserialization, with one addition: a transaction without inputs is refused,
//! since on the wire it cannot be told from one with BIP 141 fields. Whether a transaction is *valid* is a node's
//! question, not ours.

use alloc::vec::Vec;

use super::compact_size;
use super::error::{Error, ErrorKind};
use super::hash::{Hash, Sha256d, sha256d};
use super::list::{Element, List};
use super::reader::Reader;

/// A transaction, borrowed from the bytes it was parsed from. Nothing is copied or allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    bytes: &'a [u8],
    /// From the count of inputs to the end of the outputs: what both serializations share.
    body: &'a [u8],
    version: u32,
    inputs: List<'a, Input<'a>>,
    outputs: List<'a, Output<'a>>,
    witnesses: Option<List<'a, WitnessStack<'a>>>,
    lock_time: u32,
}

/// A transaction's input without its witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The transaction whose output is spent; zero in a coinbase.
    pub prev_txid: &'a Hash,
    /// Which of its outputs; 0xffffffff in a coinbase.
    pub prev_index: u32,
    /// The scriptSig, without its length.
    pub script_sig: &'a [u8],
    /// nSequence.
    pub sequence: u32,
}

/// A transaction's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// The value in satoshis, as the bits they are: consensus reads them signed.
    pub value: u64,
    /// The scriptPubKey, without its length.
    pub script_pubkey: &'a [u8],
}

/// The witness of one input: a list of items, empty where the input has none.
pub type WitnessStack<'a> = List<'a, &'a [u8]>;

impl<'a> Transaction<'a> {
    /// Parses the transaction at the start of `bytes`; also says how many bytes it takes.
    ///
    /// # Errors
    /// `UnexpectedEnd`, `NonMinimalCompactSize`, `NoInputs`, `UnknownFlag` or `EmptyWitnesses`, with the field and
    /// its offset.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, usize), Error> {
        let mut reader = Reader::new(bytes);
        let transaction = Self::read(&mut reader)?;
        Ok((transaction, reader.offset()))
    }

    /// Parses `bytes`, which must be one transaction and nothing else.
    ///
    /// # Errors
    /// As [`Transaction::parse`], and `TrailingBytes`.
    pub fn parse_exact(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let transaction = Self::read(&mut reader)?;
        reader.finish("transaction")?;
        Ok(transaction)
    }

    /// The transaction as it was serialized, with BIP 141 fields if it has a witness.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// nVersion.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The inputs, in order; at least one.
    #[must_use]
    pub const fn inputs(&self) -> List<'a, Input<'a>> {
        self.inputs
    }

    /// The outputs, in order.
    #[must_use]
    pub const fn outputs(&self) -> List<'a, Output<'a>> {
        self.outputs
    }

    /// Whether it is serialized with the BIP 141 fields; then at least one input has a witness.
    #[must_use]
    pub const fn has_witness(&self) -> bool {
        self.witnesses.is_some()
    }

    /// The witnesses, one stack for each input in order, or `None` without BIP 141 fields.
    #[must_use]
    pub const fn witnesses(&self) -> Option<List<'a, WitnessStack<'a>>> {
        self.witnesses
    }

    /// nLockTime.
    #[must_use]
    pub const fn lock_time(&self) -> u32 {
        self.lock_time
    }

    /// The transaction's id: the hash of its serialization without the BIP 141 fields.
    #[must_use]
    pub fn txid(&self) -> Hash {
        if self.has_witness() {
            self.without_witness().into_iter().fold(Sha256d::new(), Sha256d::with).finish()
        } else {
            sha256d(self.bytes)
        }
    }

    /// The hash of the whole serialization, which is the txid of a transaction without witness.
    ///
    /// In a witness commitment the coinbase counts as 32 zero bytes instead; see
    /// [`witness_commitment`](super::witness_commitment).
    #[must_use]
    pub fn wtxid(&self) -> Hash {
        sha256d(self.bytes)
    }

    /// Weight in weight units (BIP 141): three times the size without witness plus the whole size.
    #[must_use]
    pub fn weight(&self) -> usize {
        3 * self.stripped_len() + self.bytes.len()
    }

    /// The pieces that make up the serialization without BIP 141 fields.
    pub(super) fn without_witness(&self) -> [&'a [u8]; 3] {
        let version = self.bytes.first_chunk::<4>().map(<[u8; 4]>::as_slice);
        let lock_time = self.bytes.last_chunk::<4>().map(<[u8; 4]>::as_slice);
        [version.unwrap_or_default(), self.body, lock_time.unwrap_or_default()]
    }

    /// Size in bytes without BIP 141 fields.
    pub(super) const fn stripped_len(&self) -> usize {
        4 + self.body.len() + 4
    }
}

impl<'a> Element<'a> for Transaction<'a> {
    // Version, one input, no outputs, lock time.
    const MIN_SIZE: usize = 4 + 1 + Input::MIN_SIZE + 1 + 4;
    const COUNT: &'static str = "transaction count";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let start = *reader;
        let version = reader.u32("version")?;
        let witness_follows = read_marker_and_flag(reader)?;
        let body = *reader;
        let inputs: List<'a, Input<'a>> = List::read(reader)?;
        if inputs.len() == 0 {
            return Err(body.error(ErrorKind::NoInputs, Input::COUNT));
        }
        let outputs = List::read(reader)?;
        let body = reader.since(&body).rest();
        let witnesses = if witness_follows { Some(read_witnesses(reader, inputs.len())?) } else { None };
        let lock_time = reader.u32("lock_time")?;
        let bytes = reader.since(&start).rest();
        Ok(Self { bytes, body, version, inputs, outputs, witnesses, lock_time })
    }
}

/// Where the count of inputs is expected, a zero is the BIP 141 marker, and the flag 1 follows.
fn read_marker_and_flag(reader: &mut Reader<'_>) -> Result<bool, Error> {
    match reader.rest() {
        [0, 1, ..] => reader.bytes(2, "marker and flag").map(|_| true),
        [0, 0, ..] => Err(reader.error(ErrorKind::NoInputs, Input::COUNT)),
        [0, _, ..] => Err(reader.error(ErrorKind::UnknownFlag, "marker and flag")),
        [0] => Err(reader.error(ErrorKind::UnexpectedEnd, "marker and flag")),
        _ => Ok(false),
    }
}

/// The witness stacks stand without a count, one for each input, and not all may be empty.
fn read_witnesses<'a>(reader: &mut Reader<'a>, inputs: usize) -> Result<List<'a, WitnessStack<'a>>, Error> {
    let start = *reader;
    let mut witnesses = List::read_elements(reader, inputs)?;
    let whole = witnesses;
    if witnesses.all(|stack: WitnessStack<'a>| stack.len() == 0) {
        return Err(start.error(ErrorKind::EmptyWitnesses, "witness"));
    }
    Ok(whole)
}

impl<'a> Element<'a> for Input<'a> {
    const MIN_SIZE: usize = 32 + 4 + 1 + 4;
    const COUNT: &'static str = "input count";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            prev_txid: reader.array("prev_txid")?,
            prev_index: reader.u32("prev_index")?,
            script_sig: reader.sized_bytes("script_sig")?,
            sequence: reader.u32("sequence")?,
        })
    }
}

impl Output<'_> {
    /// How many bytes the output takes.
    #[must_use]
    pub fn serialized_len(&self) -> usize {
        8 + compact_size::size(self.script_pubkey.len() as u64) + self.script_pubkey.len()
    }

    /// Appends the serialized output to `bytes`.
    pub fn serialize_into(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.value.to_le_bytes());
        bytes.extend_from_slice(&compact_size::write_len(self.script_pubkey.len()));
        bytes.extend_from_slice(self.script_pubkey);
    }
}

impl<'a> Element<'a> for Output<'a> {
    const MIN_SIZE: usize = 8 + 1;
    const COUNT: &'static str = "output count";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self { value: reader.u64("value")?, script_pubkey: reader.sized_bytes("script_pubkey")? })
    }
}

impl<'a> Element<'a> for WitnessStack<'a> {
    const MIN_SIZE: usize = 1;
    const COUNT: &'static str = "witness count";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        List::read(reader)
    }
}

impl<'a> Element<'a> for &'a [u8] {
    const MIN_SIZE: usize = 1;
    const COUNT: &'static str = "witness item count";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        reader.sized_bytes("witness item")
    }
}
