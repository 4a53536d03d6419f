//! The few parts of Bitcoin that mining touches: hashes, targets, merkle paths, coinbases, blocks.
//!
//! This room knows no Stratum messages and keeps no state: bytes in, values or bytes out. Everything is in
//! consensus serialization, and every [hash](type@Hash) in internal byte order, which is the order on the wire
//! (spec 3.1, U256) and in headers; [`RpcHex`] prints the reversed hex that nodes and explorers show.
//!
//! Parsing borrows, is bounded by the bytes given, never panics, and names the field and offset of what is wrong.
//!
//! | file | what it is |
//! |---|---|
//! | `hash` | double SHA-256, at once or streamed; single; hex as a node's RPC writes it |
//! | [`compact_size`] | Bitcoin's variable-length counts and lengths |
//! | `header`, `target` | the 80 bytes that miners hash, and the number the hash must not exceed |
//! | `ratio` | wide quotients for targets, exact |
//! | `merkle` | root, path of the coinbase, root from a path |
//! | `transaction` | a walk over one serialized transaction: inputs, outputs, witnesses, ids, weight |
//! | [`coinbase`] | checks, BIP 34 height, removing and restoring the BIP 141 fields (spec 3.7) |
//! | `coinbase_template` | from the fields of NewTemplate to a coinbase (spec 7.2) |
//! | `block` | witness commitment, assembling and splitting blocks |

pub mod coinbase;
pub mod compact_size;

pub(crate) mod block;
mod coinbase_template;
mod error;
mod hash;
mod header;
mod list;
mod merkle;
pub(crate) mod ratio;
mod reader;
mod short_bytes;
mod target;
mod transaction;

pub use block::{
    Block, COMMITMENT_SCRIPT_LEN, assemble, commitment_script, find_witness_commitment, witness_commitment,
};
pub use coinbase::{Coinbase, has_witness, height_push, restore_witness, strip_witness};
pub use coinbase_template::CoinbaseTemplate;
pub use error::{Error, ErrorKind};
pub use hash::{Hash, RpcHex, Sha256d, from_rpc_hex, sha256, sha256d};
pub use header::Header;
pub use list::List;
pub use merkle::{merkle_path, merkle_root, root_from_path};
pub use short_bytes::ShortBytes;
pub use target::Target;
pub use transaction::{Input, Output, Transaction, WitnessStack};
