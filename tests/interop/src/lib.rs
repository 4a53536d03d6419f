//! What the interoperability tests share: running the programs of others, asking libbitcoinkernel, and the messages and
//! connections of the other implementation.
//!
//! | room | what it is |
//! |---|---|
//! | [`process`] | start a program, read its lines, wait for one of them, end it by its own id |
//! | [`directory`] | a temporary directory that outlives a failed test |
//! | [`peers`] | where `tools/peers` put the programs of others |
//! | [`node`] | Bitcoin Core's `bitcoin-node` on regtest |
//! | [`role`] | what SRI's roles have in common: they serve miners, most with templates |
//! | [`pool`] | SRI's `pool_sv2` |
//! | [`jd_client`] | SRI's `jd_client_sv2` |
//! | [`upstream`] | a pool and a job declarator server that agree to everything |
//! | [`miner`] | SRI's `mining_device`, a CPU miner |
//! | [`translator`] | SRI's `translator_sv2`, which speaks Stratum V1 to miners |
//! | [`sv1_miner`] | a miner behind it |
//! | [`provider`] | our own `sv2-template-provider` |
//! | [`ours`] | our own `sv2-pool`, `sv2-miner` and `sv2-proxy` |
//! | [`plain`] | a client of templates without Noise that does what no good client does |
//! | [`blocks`] | files of raw blocks, one a line in hex; finding a byte to falsify |
//! | [`kernel`] | a regtest chain in libbitcoinkernel, the judge of blocks |
//! | [`messages`] | every message with the fields of both sides, drawn at random, and its exchange |
//! | [`oracle`] | channels_sv2, which judges shares as ours should |
//! | [`conversation`] | what a client of templates and its provider say to each other |
//! | [`cpp`] | our end of a connection in C++, written with `sv2.hpp` |
//! | [`theirs`] | the other implementation's end of a connection |
//! | [`their_server`] | the same on a TCP socket, as a server |
//! | [`random`] | keys and pieces that are the same in every run |
//!
//! A test that lacks what it needs says so with [`skipped!`] and passes; `tools/check-all` turns that line into a
//! failure.

pub mod blocks;
pub mod conversation;
pub mod cpp;
pub mod directory;
pub mod jd_client;
pub mod kernel;
pub mod messages;
pub mod miner;
pub mod node;
pub mod oracle;
pub mod ours;
pub mod peers;
pub mod plain;
pub mod pool;
pub mod process;
pub mod provider;
pub mod random;
pub mod role;
pub mod sv1_miner;
pub mod their_server;
pub mod theirs;
pub mod translator;
pub mod upstream;

/// Says loudly that the running test does not run, and why, and returns from it.
///
/// The line begins with `skipped:` and goes around the test harness's capture, so that it is seen even though the
/// test passes.
#[macro_export]
macro_rules! skipped {
    ($($why:tt)*) => {{
        $crate::say_skipped(&format!($($why)*));
        return;
    }};
}

/// What was found, or the end of the running test, which says why it was not.
#[macro_export]
macro_rules! or_skipped {
    ($found:expr) => {
        match $found {
            Ok(found) => found,
            Err(why) => $crate::skipped!("{why}"),
        }
    };
}

#[doc(hidden)]
pub fn say_skipped(why: &str) {
    say(&format!("skipped: {why}"));
}

/// Prints a line of its own even if the test passes.
pub fn say(line: &str) {
    use std::io::Write;
    // The harness captures `println!`, not a write to the handle itself.
    let _ = writeln!(std::io::stdout(), "\n{line}");
}
