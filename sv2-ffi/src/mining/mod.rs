//! The Mining Protocol (spec 5): its parts and engines.

mod job;
mod payout;
mod share;

pub use job::*;
pub use payout::*;
pub use share::*;
