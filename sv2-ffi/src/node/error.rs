//! What can become of a call to the node.

use std::fmt;

use capnp::ErrorKind;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// The node knows no such method.
    Unimplemented,
    /// The node says that it cannot: its own words.
    Refused(String),
    /// The node gave no template: it is shutting down.
    NoTemplate,
    /// The answer makes no sense.
    Nonsense(&'static str),
    /// The connection is gone, or what comes over it is not Cap'n Proto.
    Lost(String),
}

impl CallError {
    /// Whether nothing more is to be expected of the connection.
    pub(super) fn ends_session(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unimplemented => f.write_str("the node does not know this method"),
            Self::Refused(words) => write!(f, "the node says: {words}"),
            Self::NoTemplate => f.write_str("the node gives no template: it is shutting down"),
            Self::Nonsense(what) => write!(f, "the node sent {what}"),
            Self::Lost(why) => write!(f, "the connection to the node is lost: {why}"),
        }
    }
}

impl From<capnp::Error> for CallError {
    fn from(error: capnp::Error) -> Self {
        match error.kind {
            ErrorKind::Unimplemented => Self::Unimplemented,
            ErrorKind::Failed | ErrorKind::Overloaded => {
                let words = error.extra.strip_prefix("remote exception: ").unwrap_or(&error.extra);
                Self::Refused(words.to_owned())
            }
            _ => Self::Lost(error.to_string()),
        }
    }
}

impl From<std::str::Utf8Error> for CallError {
    fn from(_: std::str::Utf8Error) -> Self {
        Self::Nonsense("text that is not UTF-8")
    }
}
