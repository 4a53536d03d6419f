//! SRI's `pool_sv2`: a client of a template provider on one side, a pool for miners on the other.
//!
//! What it expects of its template provider: SetupConnection.Success, then, upon its CoinbaseOutputConstraints, a
//! NewTemplate with `future_template` and the SetNewPrevHash that activates it. Until it has both it accepts no miner,
//! and a share's ntime must lie between SetNewPrevHash.header_timestamp and 7200 seconds after it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::{NotSeen, Process, free_port};

/// The authority key pair that SRI's example configurations use. It guards nothing.
const AUTHORITY_PUBLIC_KEY: &str = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
const AUTHORITY_SECRET_KEY: &str = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";

/// What the pool writes into every coinbase's scriptSig.
pub const SIGNATURE: &str = "pool in a test";

/// The script that every coinbase pays: a witness program of version 0 and 20 bytes.
pub const REWARD_SCRIPT: [u8; 22] =
    *b"\x00\x14\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff\xee\xc0\xff";

/// How often the miner shall find a share, a minute.
///
/// The pool makes a miner's target from this and the hash rate the miner states. A CPU's target is then far below
/// that of regtest (nBits 0x207fffff, every second hash), so that every share is a block, and this is also the number of
/// blocks a minute.
pub const SHARES_PER_MINUTE: f32 = 60.0;

/// A running pool.
pub struct Pool {
    /// Its process; the pool logs to it.
    pub process: Process,
    /// Where miners find it, `127.0.0.1:<port>`.
    pub address: String,
}

impl Pool {
    /// Writes `<directory>/pool_sv2.toml` and starts `program` with it.
    ///
    /// `provider_key` is the provider's authority key in base58check: the pool refuses a provider whose certificate that
    /// key did not sign.
    pub fn start(program: &Path, directory: &Path, provider_address: &str, provider_key: &str) -> io::Result<Pool> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let file = directory.join("pool_sv2.toml");
        fs::write(&file, configuration(&address, provider_address, provider_key))?;
        let mut command = Command::new(program);
        // Its settings can also come from the environment, which must not reach a test's pool.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POOL__") {
                command.env_remove(name);
            }
        }
        command.env("RUST_LOG", "info").arg("--config").arg(&file);
        let process = Process::start("pool_sv2", &mut command, directory)?;
        Ok(Pool { process, address })
    }

    /// Its authority key in base58check, for the miner.
    pub fn authority_key(&self) -> &'static str {
        AUTHORITY_PUBLIC_KEY
    }

    /// Waits until the pool has its first template and the tip it builds on, and accepts miners.
    ///
    /// # Errors
    /// As [`Process::wait_for`]; the lines tell what the pool disliked of its template provider.
    pub fn wait_until_ready(&mut self, timeout: Duration) -> Result<(), NotSeen> {
        self.process.wait_for_text("ready to accept connections", timeout).map(drop)
    }

    /// Waits until the pool says that a share was the block with this hash, as people print it.
    ///
    /// A second block upon the same parent may come in between: the miner works on until it gets the next job.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_block(&mut self, hash: &str, timeout: Duration) -> Result<(), NotSeen> {
        self.process.wait_for(&format!("Block Found, {hash}"), timeout, |line| {
            (line.contains("Block Found") && line.ends_with(hash)).then_some(())
        })
    }

    /// Waits until the pool has got the pair of messages that builds on the block with this hash: a NewTemplate with
    /// `future_template`, and the SetNewPrevHash that activates just that one.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_pair(&mut self, prev_hash: &str, timeout: Duration) -> Result<(), NotSeen> {
        let prev_hash = format!("prev_hash: U256({prev_hash})");
        let mut future = None;
        self.process.wait_for(&format!("NewTemplate, SetNewPrevHash with {prev_hash}"), timeout, |line| {
            if line.contains("Received: NewTemplate") && line.contains("future_template: true") {
                future = template_id(line);
            }
            let activates = line.contains("Received: SetNewPrevHash") && line.contains(&prev_hash);
            (activates && future.is_some() && template_id(line) == future).then_some(())
        })
    }
}

/// The template that a line of the pool is about.
fn template_id(line: &str) -> Option<u64> {
    let (_, id) = line.split_once("template_id: ")?;
    id.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn configuration(address: &str, provider_address: &str, provider_key: &str) -> String {
    let reward_script = hex::encode(REWARD_SCRIPT);
    format!(
        r#"listen_address = "{address}"
authority_public_key = "{AUTHORITY_PUBLIC_KEY}"
authority_secret_key = "{AUTHORITY_SECRET_KEY}"
cert_validity_sec = 3600
coinbase_reward_script = "raw({reward_script})"
pool_signature = "{SIGNATURE}"
shares_per_minute = {SHARES_PER_MINUTE:?}
share_batch_size = 1
server_id = 1

[template_provider_type.Sv2Tp]
address = "{provider_address}"
public_key = "{provider_key}"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::template_id;

    #[test]
    fn a_template_id_is_read_from_either_message() {
        assert_eq!(template_id("Received: NewTemplate(template_id: 17, future_template: true)"), Some(17));
        assert_eq!(template_id("Received: SetNewPrevHash { template_id: 18, prev_hash: U256(00) }"), Some(18));
        assert_eq!(template_id("ready to accept connections"), None);
    }
}
