//! From a template to a coinbase: what a Template Distribution client does with NewTemplate (spec 7.2).

use alloc::vec::Vec;

use super::coinbase::{self, NULL_INDEX, SCRIPT_SIG_LEN};
use super::compact_size;
use super::error::{Error, ErrorKind};
use super::hash::Hash;
use super::list::List;
use super::reader::Reader;
use super::transaction::Output;

/// What a template says about the coinbase. The fields are those of NewTemplate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoinbaseTemplate<'a> {
    /// `coinbase_tx_version`.
    pub version: u32,
    /// `coinbase_prefix`: what the scriptSig begins with, without length. At least the BIP 34 height.
    pub prefix: &'a [u8],
    /// `coinbase_tx_input_sequence`.
    pub sequence: u32,
    /// `coinbase_tx_outputs_count`: how many outputs stand in `outputs`.
    pub outputs_count: u32,
    /// `coinbase_tx_outputs`: serialized outputs without a count. They come last in the coinbase.
    pub outputs: &'a [u8],
    /// `coinbase_tx_locktime`.
    pub lock_time: u32,
}

impl CoinbaseTemplate<'_> {
    /// The whole coinbase.
    ///
    /// Its scriptSig is the template's prefix, then `script` (pool name, extranonce, ... as it is, without a push
    /// made for it); its outputs are `client_outputs`, then the template's. With `reserved_value` (32 zero bytes
    /// today, spec 7.2) it has the BIP 141 fields, as SubmitSolution and blocks want it; without, it hashes to the
    /// txid.
    ///
    /// # Errors
    /// `ScriptSigLength` if the scriptSig would not have 2 to 100 bytes. If `outputs` are not exactly
    /// `outputs_count` outputs: `UnexpectedEnd`, `NonMinimalCompactSize` or `TrailingBytes`, with the offset in
    /// `outputs`.
    pub fn coinbase(
        &self,
        script: &[u8],
        client_outputs: &[Output<'_>],
        reserved_value: Option<&Hash>,
    ) -> Result<Vec<u8>, Error> {
        let (mut coinbase, suffix) = self.split(script, 0, client_outputs)?;
        coinbase.extend_from_slice(&suffix);
        match reserved_value {
            Some(value) => coinbase::restore_witness(&coinbase, value),
            None => Ok(coinbase),
        }
    }

    /// The coinbase without BIP 141 fields in two parts, `coinbase_tx_prefix` and `coinbase_tx_suffix` of
    /// NewExtendedMiningJob (spec 5.3.16), between which the full extranonce of `extranonce_len` bytes goes.
    ///
    /// The scriptSig is the template's prefix, then `script`, then the extranonce.
    ///
    /// # Errors
    /// As [`CoinbaseTemplate::coinbase`].
    pub fn split(
        &self,
        script: &[u8],
        extranonce_len: usize,
        client_outputs: &[Output<'_>],
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        self.outputs()?;
        let script_sig_len = self.prefix.len().saturating_add(script.len()).saturating_add(extranonce_len);
        if !SCRIPT_SIG_LEN.contains(&script_sig_len) {
            return Err(Error { kind: ErrorKind::ScriptSigLength, field: "script_sig", offset: 0 });
        }
        Ok((self.before_extranonce(script, script_sig_len), self.after_extranonce(client_outputs)))
    }

    fn before_extranonce(&self, script: &[u8], script_sig_len: usize) -> Vec<u8> {
        [
            self.version.to_le_bytes().as_slice(),
            &[1], // input count
            &[0; 32],
            &NULL_INDEX.to_le_bytes(),
            &compact_size::write_len(script_sig_len),
            self.prefix,
            script,
        ]
        .concat()
    }

    fn after_extranonce(&self, client_outputs: &[Output<'_>]) -> Vec<u8> {
        let client_size: usize = client_outputs.iter().map(Output::serialized_len).sum();
        let count = client_outputs.len() as u64 + u64::from(self.outputs_count);
        let fixed = 4 + compact_size::size(count) + 4;
        let mut bytes = Vec::with_capacity(fixed + client_size + self.outputs.len());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&compact_size::write(count));
        for output in client_outputs {
            output.serialize_into(&mut bytes);
        }
        bytes.extend_from_slice(self.outputs);
        bytes.extend_from_slice(&self.lock_time.to_le_bytes());
        bytes
    }

    /// The template's outputs. It may come from a stranger: they must be what their count says.
    ///
    /// # Errors
    /// `UnexpectedEnd`, `NonMinimalCompactSize` or `TrailingBytes`, with the offset in `outputs`.
    pub(crate) fn outputs(&self) -> Result<List<'_, Output<'_>>, Error> {
        let mut reader = Reader::new(self.outputs);
        let outputs = List::read_elements(&mut reader, self.outputs_count as usize)?;
        reader.finish("coinbase_tx_outputs")?;
        Ok(outputs)
    }
}
