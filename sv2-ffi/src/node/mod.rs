//! The client of Bitcoin Core's IPC mining interface (Cap'n Proto over a unix socket), the node behind a template provider.
//!
//! It is the one part of the library with a socket and a thread of its own: the RPC library is asynchronous and lives on one
//! thread. The host sees a queue in each direction and a file descriptor to poll.
//!
//! | file | what it is |
//! |---|---|
//! | `types` | the structs of C, in every build |
//! | `handle` | the functions of C |
//! | `event` | events as C sees them |
//! | `queue` | between the host and the thread |
//! | `worker` | the thread: keys, tips, templates |
//! | `fetch` | the transactions of templates |
//! | `solutions` | blocks found, until the node has answered |
//! | `templates` | what is held of each template |
//! | `session` | one connection |
//! | `api` | the calls, by the schema of each version |
//! | `threads`, `error`, `reactor`, `signal` | what they need |

mod types;

#[cfg(feature = "node-ipc")]
mod api;
#[cfg(feature = "node-ipc")]
mod error;
#[cfg(feature = "node-ipc")]
mod event;
#[cfg(feature = "node-ipc")]
mod fetch;
#[cfg(feature = "node-ipc")]
mod handle;
#[cfg(feature = "node-ipc")]
mod queue;
#[cfg(feature = "node-ipc")]
mod reactor;
#[cfg(feature = "node-ipc")]
mod session;
#[cfg(feature = "node-ipc")]
mod signal;
#[cfg(feature = "node-ipc")]
mod solutions;
#[cfg(feature = "node-ipc")]
mod templates;
#[cfg(feature = "node-ipc")]
mod threads;
#[cfg(feature = "node-ipc")]
mod worker;

#[cfg(feature = "node-ipc")]
pub use handle::*;
pub use types::*;
