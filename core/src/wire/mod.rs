//! The data types of spec 3.1 and the two cursors over them.
//!
//! [`Reader`] borrows from the bytes it reads: it never copies and never allocates. [`Writer`] fills a buffer of
//! the caller. All integers are little-endian. A message is described by its [`Shape`], so that an error can name the
//! message, the field and the offset without any cost on the way that succeeds.

mod list;
mod reader;
mod shape;
mod types;
mod writer;

pub use list::{Element, List, ListIter};
pub use reader::{DecodeError, DecodeErrorKind, Reader};
pub use shape::{Field, FieldKind, Shape};
pub use types::{Str, U256};
pub use writer::{EncodeError, Writer};
