//! What the interoperability tests share: running the programs of others, asking libbitcoinkernel, and the messages and
//! connections of the other implementation.
//!
//! | room | what it is |
//! |---|---|
//! | [`process`] | start a program, read its lines, wait for one of them, end it by its own id |
//! | [`directory`] | a temporary directory that outlives a failed test |
//! | [`peers`] | where `tools/peers` put the programs of others |
//! | [`pool`] | SRI's `pool_sv2`: its configuration file and its process |
//! | [`miner`] | SRI's `mining_device`, a CPU miner |
//! | [`provider`] | our own `sv2-template-provider` |
//! | [`blocks`] | files of raw blocks, one a line in hex; finding a byte to falsify |
//! | [`kernel`] | a regtest chain in libbitcoinkernel, the judge of blocks |
//! | [`messages`] | every message with the fields of both sides, drawn at random, and its exchange |
//! | [`conversation`] | what a client of templates and its provider say to each other |
//! | [`cpp`] | our end of a connection in C++, written with `sv2.hpp` |
//! | [`theirs`] | the other implementation's end of a connection |
//! | [`random`] | keys and pieces that are the same in every run |
//!
//! A test that lacks what it needs says so with [`skipped!`] and passes; `tools/check-all` turns that line into a
//! failure.

pub mod blocks;
pub mod conversation;
pub mod cpp;
pub mod directory;
pub mod kernel;
pub mod messages;
pub mod miner;
pub mod peers;
pub mod pool;
pub mod process;
pub mod provider;
pub mod random;
pub mod theirs;

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

#[doc(hidden)]
pub fn say_skipped(why: &str) {
    use std::io::Write;
    // The harness captures `println!`, not a write to the handle itself.
    let _ = writeln!(std::io::stdout(), "\nskipped: {why}");
}
