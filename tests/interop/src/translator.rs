//! SRI's `translator_sv2`: a client of a pool or a proxy on one side, and a Stratum V1 pool for miners on the other.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::process::{NotSeen, free_port};
use crate::role::{Role, SHARES_PER_MINUTE};

/// Whether each miner gets an upstream channel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One extended channel for all miners.
    Aggregated,
    /// An extended channel for each.
    OneEach,
}

/// What the translator asks its upstream to pay, with a counter for each channel behind it (`miner.miner1`).
pub const USER: &str = "miner";

/// Starts the translator with the pool at `upstream`, `127.0.0.1:<port>`, of which it knows the authority key (base58check);
/// it takes miners as soon as that pool has answered it.
pub fn start(
    program: &Path,
    directory: &Path,
    upstream: &str,
    authority_key: &str,
    channels: Channels,
) -> io::Result<Role> {
    let port = free_port()?;
    let (host, upstream_port) = upstream.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
    let aggregate = channels == Channels::Aggregated;
    let configuration = format!(
        r#"downstream_address = "127.0.0.1"
downstream_port = {port}
max_supported_version = 2
min_supported_version = 2
downstream_extranonce2_size = 4
aggregate_channels = {aggregate}
supported_extensions = [0x0002]

[downstream_difficulty_config]
min_individual_miner_hashrate = 1000.0
shares_per_minute = {SHARES_PER_MINUTE:?}
enable_vardiff = true
job_keepalive_interval_secs = 60

[[upstreams]]
address = "{host}"
port = {upstream_port}
authority_pubkey = "{authority_key}"
user_identity = "{USER}"
"#
    );
    Role::start("translator_sv2", program, directory, format!("127.0.0.1:{port}"), &configuration)
}

/// Waits until it takes miners.
///
/// # Errors
/// As [`crate::process::Process::wait_for`]; the lines tell what the translator disliked of its upstream.
pub fn wait_until_ready(translator: &mut Role, timeout: Duration) -> Result<(), NotSeen> {
    translator.process.wait_for_text("Translator Proxy: listening on", timeout).map(drop)
}
