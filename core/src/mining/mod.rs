//! The Mining Protocol (spec 5): work for miners, and the proofs of it that come back.
//!
//! The parts stand on each other in this order, and each can be used alone; the engines put them together. Like all of the
//! library they have no sockets, threads or clock: time is an argument.
//!
//! | room | what it is |
//! |---|---|
//! | [`job`] | from templates, custom jobs and upstream jobs to what is hashed; who is paid by it |
//! | [`share`] | whether what a miner submits is the work that it was asked for, one at a time or several at once; duplicates |
//! | [`hashrate`] | hashrate, share rate and target: two of them give the third |
//! | [`extranonce`] | the extranonce, split so that no two channels do the same work |
//! | [`accounting`] | what a channel has earned, and when to acknowledge it |
//! | [`vardiff`] | how fast a channel really mines, and when its target should follow |
//! | [`channel`] | the server's side of standard, extended and group channels: jobs, shares, account |
//! | [`search`] | looking for a nonce with the processor |
//! | [`client`] | the side that mines: channels as a client has them, and an engine for a device, a program or a proxy |
//! | [`server`] | the engine of a pool, and the lower half of a proxy |
//! | [`proxy`] | the engine between miners and pools: many miners in one channel, or one channel for each |
//!
//! What stands on the wire is in [`crate::message`]; headers, targets and merkle paths are in [`crate::bitcoin`].

pub mod accounting;
pub mod channel;
pub mod client;
pub mod extranonce;
mod hash;
pub mod hashrate;
pub mod job;
pub mod proxy;
pub mod search;
pub mod server;
pub mod share;
pub mod vardiff;

/// The only version of the protocol (spec 3.6.1).
pub const PROTOCOL_VERSION: u16 = 2;

/// The bits of a block's version that miners may roll (BIP 323): 24 of them.
pub const VERSION_ROLLING_MASK: u32 = 0x1fff_ffe0;

/// The bits that miners of the time before BIP 323, and those behind Stratum V1, roll (BIP 320): 16 of them.
pub const VERSION_ROLLING_MASK_BIP320: u32 = 0x1fff_e000;

/// How far a block's time may be ahead of a node's clock, in seconds: MAX_FUTURE_BLOCK_TIME.
pub const MAX_FUTURE_BLOCK_TIME_S: u32 = 7_200;

/// The longest full extranonce, in bytes: what fits into a B0_32 (spec 5.3.3).
pub const MAX_EXTRANONCE_LEN: usize = 32;
