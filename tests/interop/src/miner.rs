//! SRI's `mining_device`: a CPU miner with one standard channel.
//!
//! It measures its hash rate for five seconds before it opens the channel, stamps its work a minute ahead of the clock,
//! never rolls its time, and panics or exits where it knows no better, which is why it runs as a process.

use std::error::Error;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::provider::{Accepted, Provider};
use crate::role::Role;

/// How long a block may take: the miner's measurement, and then a share every second on average.
const BLOCK: Duration = Duration::from_secs(60);
/// How long a block may be under way between two programs.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// Starts the miner with one thread against the pool at `address` with that authority key (base58check).
pub fn start(program: &Path, directory: &Path, address: &str, authority_key: &str) -> io::Result<Process> {
    let mut command = Command::new(program);
    command.args(["--address-pool", address]).args(["--pubkey-pool", authority_key]).args(["--cores", "1"]);
    Process::start("mining_device", &mut command, directory)
}

/// Runs the miner against `role` until the role's template provider accepted `count` blocks, all of which the role said to
/// have found; the blocks it accepted, which can be some more. Each is one higher than the one before.
///
/// # Errors
/// What did not come in time.
///
/// # Panics
/// If the heights are not consecutive.
pub fn mine(
    program: &Path,
    directory: &Path,
    role: &mut Role,
    provider: &mut Provider,
    count: usize,
) -> Result<Vec<Accepted>, Box<dyn Error>> {
    let miner = start(program, directory, &role.address, &role.authority_key)?;
    let mut mined: Vec<Accepted> = Vec::new();
    for _ in 0..count {
        let accepted = provider.wait_for_block(BLOCK)?;
        role.wait_for_block(&accepted.hash, UNDER_WAY)?;
        mined.push(accepted);
    }
    miner.stop()?;
    // Blocks that were under way.
    while let Ok(accepted) = provider.wait_for_block(Duration::from_millis(500)) {
        mined.push(accepted);
    }
    for pair in mined.windows(2) {
        assert_eq!(pair[1].height, pair[0].height + 1);
    }
    Ok(mined)
}
