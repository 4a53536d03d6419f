//! What SRI's roles have in common. `pool_sv2` and `jd_client_sv2` are clients of a template provider on one side, and what a
//! miner calls its pool on the other; `translator_sv2` is a pool's client instead.
//!
//! What the first two expect of their template provider: SetupConnection.Success, then, upon their CoinbaseOutputConstraints, a
//! NewTemplate with `future_template` and the SetNewPrevHash that activates it. Until they have both they accept no
//! miner, and a share's ntime must lie between SetNewPrevHash.header_timestamp and 7200 seconds after it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use stratum_core::bitcoin::Block;

use crate::blocks;
use crate::process::{NotSeen, Process};

/// The authority key pair that SRI's example configurations use. It guards nothing.
pub const AUTHORITY_PUBLIC_KEY: &str = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
/// The other half of [`AUTHORITY_PUBLIC_KEY`].
pub const AUTHORITY_SECRET_KEY: &str = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";

/// The script that every coinbase pays: a witness program of version 0 and 20 bytes.
pub const REWARD_SCRIPT: [u8; 22] =
    *b"\x00\x14\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff";

/// How often the miner shall find a share, a minute.
///
/// A miner's target is made from this and the hash rate the miner states. A CPU's target is then far below that of
/// regtest (nBits 0x207fffff, every second hash), so that every share is a block, and this is also the number of blocks a
/// minute.
pub const SHARES_PER_MINUTE: f32 = 60.0;

/// A running role.
pub struct Role {
    /// Its process; the role logs to it.
    pub process: Process,
    /// Where miners find it, `127.0.0.1:<port>`.
    pub address: String,
    /// Its authority key in base58check, for the miner.
    pub authority_key: String,
}

impl Role {
    /// Writes `configuration` to `<directory>/<name>.toml` and starts `program` with it; it shall listen on `address`.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        directory: &Path,
        address: String,
        configuration: &str,
    ) -> io::Result<Role> {
        let file = directory.join(name).with_extension("toml");
        fs::write(&file, configuration)?;
        let mut command = Command::new(program);
        // Their settings can also come from the environment, which must not reach a test's role.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["POOL__", "JDC__", "TPROXY__"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&*name);
            }
        }
        command.env("RUST_LOG", "info").arg("--config").arg(&file);
        let process = Process::start(name, &mut command, directory)?;
        Ok(Role { process, address, authority_key: AUTHORITY_PUBLIC_KEY.into() })
    }

    /// Waits until the role has its first template and the tip it builds on, and accepts miners.
    ///
    /// # Errors
    /// As [`Process::wait_for`]; the lines tell what the role disliked of its template provider.
    pub fn wait_until_ready(&mut self, timeout: Duration) -> Result<(), NotSeen> {
        self.process.wait_for_text("ready to accept connections", timeout).map(drop)
    }

    /// Waits until the role says that a share was the block with this hash, as people print it.
    ///
    /// A second block upon the same parent may come in between: the miner works on until it gets the next job.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_block(&mut self, hash: &str, timeout: Duration) -> Result<(), NotSeen> {
        self.process.wait_for(&format!("a block was found, {hash}"), timeout, |line| {
            let theirs = line.contains("Block Found") && line.ends_with(hash);
            (theirs || line.contains(&format!("block {hash} found"))).then_some(())
        })
    }

    /// Waits until the role has got the pair of messages that builds on the block with this hash: a NewTemplate with
    /// `future_template`, and the SetNewPrevHash that activates just that one.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_pair(&mut self, prev_hash: &str, timeout: Duration) -> Result<(), NotSeen> {
        let prev_hash = format!("prev_hash: U256({prev_hash})");
        let mut future = None;
        self.process.wait_for(&format!("NewTemplate, SetNewPrevHash with {prev_hash}"), timeout, |line| {
            if line.contains("Received: NewTemplate") && line.contains("future_template: true") {
                future = number(line, "template_id");
            }
            let activates = line.contains("Received: SetNewPrevHash") && line.contains(&prev_hash);
            (activates && future.is_some() && number(line, "template_id") == future).then_some(())
        })
    }

    /// Waits for a NewTemplate without `future_template`, better than the one the role works on; its
    /// coinbase_tx_value_remaining in satoshis.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_update(&mut self, timeout: Duration) -> Result<u64, NotSeen> {
        self.process.wait_for("NewTemplate, not future", timeout, |line| {
            let update = line.contains("Received: NewTemplate") && line.contains("future_template: false");
            update.then(|| number(line, "coinbase_tx_value_remaining")).flatten()
        })
    }
}

/// Checks that the coinbase of `block` pays [`REWARD_SCRIPT`], and has `signature` in its scriptSig.
///
/// # Panics
/// If it does not.
pub fn assert_is_paid(block: &Block, signature: &str) {
    let coinbase = &block.txdata[0];
    let script_sig = coinbase.input[0].script_sig.as_bytes();
    assert!(blocks::position(script_sig, signature.as_bytes()).is_some(), "{script_sig:02x?}");
    assert_eq!(coinbase.output[0].script_pubkey.as_bytes(), REWARD_SCRIPT);
    assert!(coinbase.output[0].value.to_sat() > 0);
}

/// The value of a field that is a decimal number, in a line about a message.
fn number(line: &str, field: &str) -> Option<u64> {
    let (_, value) = line.split_once(&format!("{field}: "))?;
    value.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_read_from_either_message() {
        let new_template = "Received: NewTemplate(template_id: 17, future_template: true, coinbase_prefix: 016a)";
        assert_eq!(number(new_template, "template_id"), Some(17));
        assert_eq!(number(new_template, "future_template"), None);
        let set_new_prev_hash = "Received: SetNewPrevHash { template_id: 18, prev_hash: U256(00) }";
        assert_eq!(number(set_new_prev_hash, "template_id"), Some(18));
        assert_eq!(number("ready to accept connections", "template_id"), None);
    }
}
