//! Our own `sv2-pool`, `sv2-miner` and `sv2-proxy`, the C++ programs that link the library.

use std::env;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::peers::checkout;
use crate::process::{Process, free_port};
use crate::provider::is_authority_key;
use crate::role::{REWARD_SCRIPT, Role};

/// What our pool signs its coinbases with.
pub const SIGNATURE: &str = "our pool";
/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(30);

/// One of our programs, in `$SV2_PROGRAMS` or where CMake builds it, or why there is none.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let directory = match env::var_os("SV2_PROGRAMS") {
        Some(directory) => PathBuf::from(directory),
        None => checkout().join("build/cpp-examples"),
    };
    let program = directory.join(name);
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is missing: build the C++ examples", program.display()))
    }
}

/// Starts `sv2-pool` with the template provider at `provider_address`, of which it knows the authority key (base58check).
///
/// # Errors
/// That it cannot be started, or does not listen in time.
pub fn start_pool(
    program: &Path,
    directory: &Path,
    provider_address: &str,
    provider_key: &str,
) -> Result<Role, Box<dyn Error>> {
    let reward = format!("script:{}", hex::encode(REWARD_SCRIPT));
    let mut command = Command::new(program);
    command
        .args(["--network", "regtest", "--payout", &reward, "--tag", SIGNATURE])
        .args(["--template-provider", provider_address, "--template-provider-key", provider_key])
        // The easiest share is then what a miner of a megahash finds in a tenth of a second.
        .args(["--shares-per-minute", "600"]);
    start("sv2-pool", command, directory)
}

/// How a proxy of ours treats its miners' channels, as its option `--mode` has it.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// They share one extended channel of the pool.
    Aggregate,
    /// Each is a channel of the pool.
    PassThrough,
}

/// Starts `sv2-proxy` with `pool` as its upstream.
///
/// # Errors
/// That it cannot be started, or does not listen in time.
pub fn start_proxy(program: &Path, directory: &Path, pool: &Role, mode: Mode) -> Result<Role, Box<dyn Error>> {
    let mode = match mode {
        Mode::Aggregate => "aggregate",
        Mode::PassThrough => "pass-through",
    };
    let mut command = Command::new(program);
    command.args(["--upstream", &url(pool), "--user", "proxy", "--mode", mode, "--shares-per-minute", "600"]);
    start("sv2-proxy", command, directory)
}

/// A channel of our miner.
#[derive(Clone, Copy, Debug)]
pub enum Channel {
    /// It rolls nothing but the header.
    Standard,
    /// It rolls the extranonce, too.
    Extended,
}

/// Starts `sv2-miner` with one thread.
///
/// # Errors
/// That it cannot be started.
pub fn start_miner(program: &Path, directory: &Path, pool: &Role, channel: Channel) -> io::Result<Process> {
    let mut command = Command::new(program);
    command.args([&url(pool), "--user", "a.worker", "--threads", "1", "--nominal-hashrate", "1000000"]);
    if let Channel::Extended = channel {
        command.arg("--extended");
    }
    Process::start("sv2-miner", &mut command, directory)
}

/// The URL by which our programs know a role.
fn url(role: &Role) -> String {
    format!("stratum2+tcp://{}/{}", role.address, role.authority_key)
}

/// Starts one of our programs that serves miners, on a free port and with its data in a directory of its own.
fn start(name: &str, mut command: Command, directory: &Path) -> Result<Role, Box<dyn Error>> {
    let address = format!("127.0.0.1:{}", free_port()?);
    command.arg("--data-dir").arg(directory.join(name)).args(["--listen", &address]);
    let mut process = Process::start(name, &mut command, directory)?;
    let authority_key = process.wait_for("an authority key", START, |line| {
        line.split_whitespace().find(|word| is_authority_key(word)).map(str::to_owned)
    })?;
    process.wait_for_text("listening on", START)?;
    Ok(Role { process, address, authority_key })
}
