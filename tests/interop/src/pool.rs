//! SRI's `pool_sv2`: a client of a template provider, and a pool for miners; with a Bitcoin Core node of its own it is also
//! a job declarator server.

use std::io;
use std::path::Path;

use crate::node::Node;
use crate::process::free_port;
use crate::role::{AUTHORITY_PUBLIC_KEY, AUTHORITY_SECRET_KEY, REWARD_SCRIPT, Role, SHARES_PER_MINUTE};
use crate::upstream::Upstream;

/// What the pool writes into every coinbase's scriptSig.
pub const SIGNATURE: &str = "pool in a test";

/// Starts the pool with the template provider at `provider_address`.
///
/// `provider_key` is the provider's authority key in base58check: the pool refuses a provider whose certificate that key
/// did not sign.
pub fn start(program: &Path, directory: &Path, provider_address: &str, provider_key: &str) -> io::Result<Role> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let configuration = format!(
        r#"{}
[template_provider_type.Sv2Tp]
address = "{provider_address}"
public_key = "{provider_key}"
"#,
        common(&address)
    );
    Role::start("pool_sv2", program, directory, address, &configuration)
}

/// Starts the pool with a job declarator server, and says where clients of that find them. Such a pool has no template
/// provider: it asks a node of Bitcoin Core's version `version` (30 or 31) directly, for its templates and for a verdict on
/// declared jobs.
pub fn start_declarator(program: &Path, directory: &Path, node: &Node, version: u64) -> io::Result<(Role, Upstream)> {
    let (pool_port, jds_port) = (free_port()?, free_port()?);
    let address = format!("127.0.0.1:{pool_port}");
    let configuration = format!(
        r#"{}
[template_provider_type.BitcoinCoreIpc]
version = {version}
network = "regtest"
data_dir = "{}"
fee_threshold = 1000
min_interval = 1

[jds]
listen_address = "127.0.0.1:{jds_port}"
"#,
        common(&address),
        node.datadir().display()
    );
    let role = Role::start("pool_sv2", program, directory, address, &configuration)?;
    Ok((role, Upstream { authority_key: AUTHORITY_PUBLIC_KEY.into(), pool_port, jds_port }))
}

fn common(address: &str) -> String {
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
"#
    )
}
