//! The Mining Protocol (spec 5): its parts and engines.

mod accounting;
mod client;
mod client_event;
mod client_options;
mod client_work;
mod extranonce;
mod job;
mod payout;
mod server;
mod server_custom;
mod server_event;
mod server_host;
mod server_options;
mod server_upstream;
mod server_work;
mod share;
mod vardiff;

pub use accounting::*;
pub use client::*;
pub use client_event::*;
pub use client_options::*;
pub use client_work::*;
pub use extranonce::*;
pub use job::*;
pub use payout::*;
pub use server::*;
pub use server_custom::*;
pub use server_event::*;
pub use server_host::*;
pub use server_options::*;
pub use server_upstream::*;
pub use server_work::*;
pub use share::*;
pub use vardiff::*;
