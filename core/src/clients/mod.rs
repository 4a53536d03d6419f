//! What a server of any subprotocol does about its clients, whatever it serves: who is let in and who gives way, how often
//! somebody may do something, the connections by the host's names, until when something is expected of them, and how many
//! lines a log may be given.
//!
//! | file | what it is |
//! |---|---|
//! | `admission` | who is let in: by number, by address, by how far connections are |
//! | `pace` | how often somebody may do something |
//! | `set` | the clients by the host's names for them |
//! | `deadlines` | until when something must have happened, in order |
//! | `log` | lines for the host's log, and how many may wait |

mod admission;
mod deadlines;
mod log;
mod pace;
mod set;

pub(crate) use admission::{Admission, AdmissionLimits, NoPlace, Stage, Ticket};
pub(crate) use deadlines::Deadlines;
pub use log::Level;
pub(crate) use log::LogBound;
pub(crate) use pace::{Pace, Rate};
pub(crate) use set::Clients;

/// The host's name for a connection. It can be used again once the connection is closed.
pub type ConnectionId = u64;
