//! The C ABI of libsv2: one file per C object, each over the room of `sv2-core` that it is named after.
//!
//! `status`, `boundary` and `text` hold the plumbing: what a call returns, the fence no panic crosses, strings out.
//! The header `include/sv2.h` is generated from here by `tools/header`; its first page states the conventions.
#![allow(non_camel_case_types)] // the names are those of C
#![deny(unsafe_op_in_unsafe_fn)]

mod bitcoin;
mod boundary;
mod connection;
mod message;
mod mining;
mod node;
mod noise;
mod options;
mod status;
mod template;
mod text;
mod time;
mod version;

// The header says that objects may be moved between threads.
const _: () = {
    const fn may_move<T: Send>() {}
    const fn may_be_shared<T: Send + Sync>() {}
    may_move::<sv2_connection>();
    may_move::<sv2_accounting>();
    may_move::<sv2_decoder>();
    may_move::<sv2_mining_proxy>();
    may_move::<sv2_mining_server>();
    may_move::<sv2_mining_client>();
    may_move::<sv2_extranonce_allocator>();
    may_move::<sv2_template_client>();
    may_move::<sv2_template_provider>();
    may_move::<sv2_vardiff>();
    #[cfg(feature = "node-ipc")]
    may_move::<sv2_node>();
    may_be_shared::<sv2_identity>();
    may_be_shared::<sv2_payout>();
    may_be_shared::<sv2_job_factory>();
    may_be_shared::<sv2_extended_job>();
    may_move::<sv2_duplicates>();
};

pub use bitcoin::*;
pub use connection::*;
pub use message::*;
pub use mining::*;
pub use node::*;
pub use noise::*;
pub use options::*;
pub use status::*;
pub use template::*;
pub use time::*;
pub use version::*;
