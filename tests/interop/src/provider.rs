//! Our own `sv2-template-provider`, the C++ program that links the library.

use std::env;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::peers::checkout;
use crate::process::{NotSeen, Process, free_port};

/// How long it may take until it listens: it makes its chain first.
const START: Duration = Duration::from_secs(60);

/// A running template provider.
pub struct Provider {
    /// Its process.
    pub process: Process,
    /// Where clients find it, `127.0.0.1:<port>`.
    pub address: String,
    /// Its authority key in base58check, as it printed it; empty without encryption.
    pub authority_key: String,
    /// The file to which it appends every block of its embedded chain, one a line in hex, block 1 first. As in Bitcoin Core, what
    /// belongs to regtest is in a directory of that name.
    pub blocks: PathBuf,
}

/// A line `block <hash> accepted at height <n>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The block's hash as people print it: reversed, in hex.
    pub hash: String,
    /// Its height.
    pub height: usize,
}

/// The program, at `$SV2_TEMPLATE_PROVIDER` or where CMake builds it, or why there is none.
pub fn program() -> Result<PathBuf, String> {
    built_in("build", "build the C++ examples")
}

/// The program that can also connect to a node, at `$SV2_TEMPLATE_PROVIDER` or where CMake's preset `node` builds it, or why
/// there is none.
pub fn program_for_nodes() -> Result<PathBuf, String> {
    built_in("build-node", "build CMake's preset `node`")
}

fn built_in(directory: &str, how: &str) -> Result<PathBuf, String> {
    let program = match env::var_os("SV2_TEMPLATE_PROVIDER") {
        Some(program) => PathBuf::from(program),
        None => checkout().join(directory).join("cpp-examples/sv2-template-provider"),
    };
    if program.is_file() { Ok(program) } else { Err(format!("{} is missing: {how}", program.display())) }
}

impl Provider {
    /// Starts `program` with its embedded chain on a free port with its data in `<directory>/provider`, and waits for its
    /// authority key.
    ///
    /// # Errors
    /// That the program cannot be started, or [`NotSeen`].
    pub fn start(program: &Path, directory: &Path) -> Result<Provider, Box<dyn Error>> {
        Provider::start_with(program, directory, &[])?.with_authority_key()
    }

    /// As [`Provider::start`], with the templates of the node that listens on `socket`, or will.
    ///
    /// # Errors
    /// As [`Provider::start`].
    pub fn start_on_node(program: &Path, directory: &Path, socket: &Path) -> Result<Provider, Box<dyn Error>> {
        let node = format!("-ipcconnect=unix:{}", socket.display());
        Provider::start_with(program, directory, &[&node])?.with_authority_key()
    }

    /// Starts `program` with its embedded chain, without encryption and thus without an authority key, and with these
    /// options; waits until it listens.
    ///
    /// # Errors
    /// As [`Provider::start`].
    pub fn start_plain(program: &Path, directory: &Path, options: &[&str]) -> Result<Provider, Box<dyn Error>> {
        let mut provider = Provider::start_with(program, directory, &[&["-plaintext"], options].concat())?;
        provider.process.wait_for_text("WITHOUT ENCRYPTION", START)?;
        Ok(provider)
    }

    fn start_with(program: &Path, directory: &Path, options: &[&str]) -> Result<Provider, Box<dyn Error>> {
        let data = directory.join("provider");
        std::fs::create_dir_all(&data)?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .arg("-regtest")
            .arg(format!("-datadir={}", data.display()))
            .arg("-sv2bind=127.0.0.1")
            .arg(format!("-sv2port={port}"))
            .args(options);
        let process = Process::start("sv2-template-provider", &mut command, directory)?;
        let address = format!("127.0.0.1:{port}");
        Ok(Provider { process, address, authority_key: String::new(), blocks: data.join("regtest/blocks.hex") })
    }

    fn with_authority_key(mut self) -> Result<Provider, Box<dyn Error>> {
        self.authority_key = self.process.wait_for("an authority key", START, |line| {
            line.split_whitespace().find(|word| is_authority_key(word)).map(str::to_owned)
        })?;
        Ok(self)
    }

    /// Waits for the next block that the provider says it accepted.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_block(&mut self, timeout: Duration) -> Result<Accepted, NotSeen> {
        self.process.wait_for("block <hash> accepted at height <n>", timeout, accepted)
    }

    /// Asks the provider to end and returns whether it did so cleanly.
    pub fn stop(self) -> io::Result<bool> {
        Ok(self.process.stop()?.success())
    }
}

/// A version of two bytes (1, little-endian), 32 bytes of key and four of checksum are always 51 characters of base58, the
/// first of which is a 9 (spec 4.7).
pub(crate) fn is_authority_key(word: &str) -> bool {
    word.len() == 51
        && word.starts_with('9')
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte))
}

fn accepted(line: &str) -> Option<Accepted> {
    let (before, height) = line.split_once(" accepted at height ")?;
    let (_, hash) = before.rsplit_once("block ")?;
    Some(Accepted { hash: hash.to_owned(), height: height.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::{Accepted, accepted, is_authority_key};

    #[test]
    fn an_accepted_block_is_read_from_its_line() {
        let line = "2026-08-01T00:00:00Z block 00ff accepted at height 105";
        assert_eq!(accepted(line), Some(Accepted { hash: "00ff".into(), height: 105 }));
        assert_eq!(accepted("block 00ff refused at height 105"), None);
    }

    #[test]
    fn an_authority_key_is_told_from_other_words() {
        assert!(is_authority_key("9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"));
        assert!(!is_authority_key("authority"));
        assert!(!is_authority_key("mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"));
    }
}
