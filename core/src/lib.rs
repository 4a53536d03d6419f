//! Stratum V2, sans-IO: the protocol and its logic, without sockets, threads, clock or files.
//!
//! The rooms, in the order in which they stand on each other:
//!
//! | room | what it is |
//! |---|---|
//! | [`wire`] | cursor reader and writer over bytes; the data types of spec 3.1 |
//! | [`message`] | every message of the specification, generated from `protocol.toml`; TLV extensions |
//! | [`frame`] | the 6-byte header, splitting a byte stream into frames (spec 3.2) |
//! | [`noise`] | keys, authority URLs, certificates, the handshake and the cipher (spec 4) |
//! | [`connection`] | one peer: bytes in -> messages out, messages in -> bytes out |
//! | [`bitcoin`] | header, target, merkle path, coinbase, transaction ids, block assembly |
//! | [`template`] | the Template Distribution Protocol (spec 7), both sides as engines: provider and client |
//! | [`mining`] | the Mining Protocol (spec 5): jobs, shares, channels, and engines for pool, miner and proxy |
//!
//! Time is always an argument ([`Time`]); randomness comes from a [`Random`] of the host.
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod bitcoin;
mod clients;
pub mod connection;
pub mod frame;
pub mod message;
pub mod mining;
pub mod noise;
mod random;
pub mod template;
mod time;
pub mod wire;

#[cfg(feature = "std")]
pub use random::SystemRandom;
pub use random::{OutOfRandomness, Random};
pub use time::Time;
