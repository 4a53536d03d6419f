//! The parts of Bitcoin that mining touches: hashes, targets, merkle trees, transactions, coinbases, blocks.
//!
//! All functions are free of state. Serialized transactions and blocks are in consensus serialization; hashes are in
//! internal byte order, as on the wire and in headers, which is the reverse of what nodes and explorers print.

mod block;
mod coinbase;
mod header;
mod merkle;
mod out;
mod target;
mod transaction;

pub use block::*;
pub use coinbase::*;
pub use header::*;
pub use merkle::*;
pub use target::*;
pub use transaction::*;

pub(crate) use out::write_all;

use sv2_core::bitcoin::{Error, ErrorKind};

use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_MALFORMED, sv2_status};

/// The status of a refusal by core. Bytes with a fault are malformed; asking for what is there already is the caller's
/// mistake.
fn refusal(error: Error) -> sv2_status {
    match error.kind {
        ErrorKind::WitnessPresent => SV2_ERROR_ARGUMENT,
        _ => SV2_ERROR_MALFORMED,
    }
}
