//! The server's side of channels (spec 5.2), as plain structs: no connection, no messages, no clock. The engine puts them
//! together; whoever has an engine of his own can use them alone.
//!
//! A [`ServerChannel`] is a standard or an extended channel: it knows its jobs, judges shares against them, remembers those it
//! has accepted, and keeps the account. A [`GroupChannel`] is a list of channels that are sent jobs together.
//!
//! **Jobs** come as future jobs, which wait for a tip, or as jobs on the present one. The last one is what the miner should
//! work on; shares for those before it on the same tip count as well. With a new tip all others are stale.
//!
//! ```text
//!              add_future_job                activate(job_id, tip)
//!   nothing ──────────────────▶ future ──────────────────────────────▶ active ──▶ past (the last 16) ──▶ forgotten
//!       └────────────────────────────── add_job ─────────────────────────▲            └── next tip ──▶ stale ──▶ forgotten
//! ```
//!
//! The target of a job is that of the channel when the job became active (spec 5.3.21), and its extranonce_prefix that of the
//! channel when the job was sent (spec 5.3.10).

mod group;
mod jobs;
mod server_channel;

pub use group::GroupChannel;
pub use server_channel::{Accepted, ChannelOptions, ServerChannel, Submission, TooManyCustomJobs};

/// A full extranonce, or the first bytes of one; at most [`MAX_EXTRANONCE_LEN`](super::MAX_EXTRANONCE_LEN).
pub type Extranonce = crate::bitcoin::ShortBytes<{ super::MAX_EXTRANONCE_LEN }>;

/// What kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// The miner rolls nothing but the header (spec 5.2.1).
    Standard,
    /// The miner also rolls a part of the extranonce (spec 5.2.2).
    Extended,
}
