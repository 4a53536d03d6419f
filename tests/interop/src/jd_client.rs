//! SRI's `jd_client_sv2`: a job declarator client, which takes its templates from a template provider and serves miners.

use std::io;
use std::path::Path;

use crate::process::free_port;
use crate::role::{AUTHORITY_PUBLIC_KEY, AUTHORITY_SECRET_KEY, REWARD_SCRIPT, Role, SHARES_PER_MINUTE};
use crate::upstream::Upstream;

/// What it writes into every coinbase's scriptSig.
pub const SIGNATURE: &str = "miner in a test";

/// Starts it without any pool: its miner's blocks pay the miner alone. It never asks for a template's transactions then.
///
/// `provider_key` is the provider's authority key in base58check.
pub fn start_solo(program: &Path, directory: &Path, provider_address: &str, provider_key: &str) -> io::Result<Role> {
    start(program, directory, provider_address, provider_key, "SOLOMINING", "upstreams = []")
}

/// Starts it with a pool, to whose job declarator server it declares every template with all its transactions; those it
/// requests of its template provider.
pub fn start_declaring(
    program: &Path,
    directory: &Path,
    provider_address: &str,
    provider_key: &str,
    upstream: &Upstream,
) -> io::Result<Role> {
    let Upstream { authority_key, pool_port, jds_port } = upstream;
    let upstream = format!(
        r#"
[[upstreams]]
authority_pubkey = "{authority_key}"
pool_address = "127.0.0.1"
pool_port = {pool_port}
jds_address = "127.0.0.1"
jds_port = {jds_port}
user_identity = "miner"
"#
    );
    start(program, directory, provider_address, provider_key, "FULLTEMPLATE", &upstream)
}

fn start(
    program: &Path,
    directory: &Path,
    provider_address: &str,
    provider_key: &str,
    mode: &str,
    upstreams: &str,
) -> io::Result<Role> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let reward_script = hex::encode(REWARD_SCRIPT);
    let configuration = format!(
        r#"listening_address = "{address}"
max_supported_version = 2
min_supported_version = 2
authority_public_key = "{AUTHORITY_PUBLIC_KEY}"
authority_secret_key = "{AUTHORITY_SECRET_KEY}"
cert_validity_sec = 3600
coinbase_reward_script = "raw({reward_script})"
jdc_signature = "{SIGNATURE}"
shares_per_minute = {SHARES_PER_MINUTE:?}
share_batch_size = 1
mode = "{mode}"
{upstreams}
[template_provider_type.Sv2Tp]
address = "{provider_address}"
public_key = "{provider_key}"
"#
    );
    Role::start("jd_client_sv2", program, directory, address, &configuration)
}
