//! SRI's `mining_device`: a CPU miner with one standard channel.
//!
//! It measures its hash rate for five seconds before it opens the channel, stamps its work a minute ahead of the clock,
//! never rolls its time, and panics or exits where it knows no better, which is why it runs as a process.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::process::Process;

/// Starts the miner with one thread against the pool at `address` with that authority key (base58check).
pub fn start(program: &Path, directory: &Path, address: &str, authority_key: &str) -> io::Result<Process> {
    let mut command = Command::new(program);
    command.args(["--address-pool", address]).args(["--pubkey-pool", authority_key]).args(["--cores", "1"]);
    Process::start("mining_device", &mut command, directory)
}
