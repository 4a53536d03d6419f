//! The template provider engine (spec 7).

mod event;
mod provider;
mod values;

pub use event::*;
pub use provider::*;
pub use values::*;
