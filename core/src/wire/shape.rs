//! What a message looks like: the protocol as data, for error messages, printing and tools.

/// One message of the protocol, as `protocol.toml` describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The name in the specification, such as `SetupConnection.Success`.
    pub name: &'static str,
    /// `extension_type << 8 | message_type`, without the channel_msg bit.
    pub tag: u32,
    /// Whether the channel_msg bit of the frame header is set when this message is sent (spec 8).
    pub channel_msg: bool,
    /// The fields in the order of the wire.
    pub fields: &'static [Field],
}

/// One field of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The name in the specification, in snake case.
    pub name: &'static str,
    /// The data type.
    pub kind: FieldKind,
}

/// The data types of spec 3.1 that occur in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
#[allow(non_camel_case_types)]
pub enum FieldKind {
    BOOL,
    U8,
    U16,
    U32,
    U64,
    /// An IEEE 754 single, here always a rate: not negative and finite.
    F32,
    U256,
    STR0_255,
    B0_32,
    B0_255,
    B0_64K,
    OPTION_U32,
    SEQ0_255_U256,
    SEQ0_64K_U16,
    SEQ0_64K_U32,
    SEQ0_64K_U256,
    SEQ0_64K_B0_16M,
}

impl FieldKind {
    /// The number of bytes of a fixed-size type; of a variable one, that of its length prefix.
    pub const fn min_len(self) -> usize {
        match self {
            Self::BOOL | Self::U8 | Self::STR0_255 | Self::B0_32 | Self::B0_255 => 1,
            Self::OPTION_U32 | Self::SEQ0_255_U256 => 1,
            Self::U16 | Self::B0_64K => 2,
            Self::SEQ0_64K_U16 | Self::SEQ0_64K_U32 | Self::SEQ0_64K_U256 | Self::SEQ0_64K_B0_16M => 2,
            Self::U32 | Self::F32 => 4,
            Self::U64 => 8,
            Self::U256 => 32,
        }
    }

    /// Whether every value of the type has the same number of bytes.
    pub const fn is_fixed(self) -> bool {
        matches!(self, Self::BOOL | Self::U8 | Self::U16 | Self::U32 | Self::F32 | Self::U64 | Self::U256)
    }
}
