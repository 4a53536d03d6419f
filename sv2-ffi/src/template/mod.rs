//! The template provider and the template client (spec 7).

mod client;
mod client_event;
mod client_options;
mod client_work;
mod event;
mod provider;
mod values;

pub use client::*;
pub use client_event::*;
pub use client_options::*;
pub use client_work::*;
pub use event::*;
pub use provider::*;
pub use values::*;

pub(crate) use values::BadArgument;
