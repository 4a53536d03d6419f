//! Where the programs of others are.

use std::env;
use std::path::{Path, PathBuf};

use crate::provider;

/// The programs that together make blocks.
pub struct Programs {
    /// Our template provider.
    pub provider: PathBuf,
    /// SRI's pool.
    pub pool: PathBuf,
    /// SRI's job declarator client.
    pub jd_client: PathBuf,
    /// SRI's miner.
    pub miner: PathBuf,
}

impl Programs {
    /// All of them, or why there are not all.
    pub fn find() -> Result<Programs, String> {
        Programs::with(provider::program()?)
    }

    /// As [`Programs::find`], with a template provider that can connect to a node.
    pub fn find_for_nodes() -> Result<Programs, String> {
        Programs::with(provider::program_for_nodes()?)
    }

    fn with(provider: PathBuf) -> Result<Programs, String> {
        Ok(Programs {
            provider,
            pool: program("pool_sv2")?,
            jd_client: program("jd_client_sv2")?,
            miner: program("mining_device")?,
        })
    }
}

/// The program of that name which `tools/peers` built, or why there is none.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let directory = match env::var_os("SV2_PEERS") {
        Some(directory) => PathBuf::from(directory),
        None => checkout().join("target/peers"),
    };
    let program = directory.join("bin").join(name);
    if program.is_file() { Ok(program) } else { Err(format!("{} is missing: run tools/peers", program.display())) }
}

/// A file of recorded chain data under `$SV2_DATA`, or why there is none.
pub fn data(name: &str) -> Result<PathBuf, String> {
    let Some(directory) = env::var_os("SV2_DATA") else {
        return Err("SV2_DATA is not set".into());
    };
    let file = PathBuf::from(directory).join(name);
    if file.is_file() { Ok(file) } else { Err(format!("{} is missing", file.display())) }
}

/// The root of the repository.
pub fn checkout() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}
