//! A field's value, whatever its type: for printing and for tools.

use core::fmt;

use crate::wire::{List, Str, U256};

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // each variant holds what its name says
pub enum Value<'a> {
    Bool(bool),
    /// Any unsigned integer up to U64.
    Unsigned(u64),
    /// An F32, in h/s.
    Rate(f32),
    U256(U256),
    Str(Str<'a>),
    Bytes(&'a [u8]),
    OptionU32(Option<u32>),
    U256s(List<'a, U256>),
    U16s(List<'a, u16>),
    U32s(List<'a, u32>),
    Transactions(List<'a, &'a [u8]>),
}

/// Numbers in decimal, U256 with the most significant digit first, bytes in hex in the order of the wire, strings
/// quoted and escaped, lists in brackets.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Rate(value) => write!(f, "{value}"),
            Self::U256(value) => write!(f, "{value}"),
            Self::Str(value) => write!(f, "{value:?}"),
            Self::Bytes(value) => hex(f, value),
            Self::OptionU32(Some(value)) => write!(f, "{value}"),
            Self::OptionU32(None) => f.write_str("none"),
            Self::U256s(list) => all(f, list.iter(), |f, item| write!(f, "{item}")),
            Self::U16s(list) => all(f, list.iter(), |f, item| write!(f, "{item}")),
            Self::U32s(list) => all(f, list.iter(), |f, item| write!(f, "{item}")),
            Self::Transactions(list) => all(f, list.iter(), hex),
        }
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn all<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    f.write_str("[")?;
    for (i, item) in items.enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        write(f, item)?;
    }
    f.write_str("]")
}
