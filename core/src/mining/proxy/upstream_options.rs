//! The servers that a proxy can take its work from.

use alloc::string::String;

use crate::noise::Authority;

/// One mining server: a pool, or another proxy.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// What the server must prove in the Noise handshake; `None`: no encryption, only for a network in which everybody is
    /// trusted.
    pub authority: Option<Authority>,
    /// Its name or address, as in its URL; for [`Event::ConnectUpstream`](super::Event::ConnectUpstream) and
    /// SetupConnection.endpoint_host. At most 255 bytes.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom the server pays (OpenMiningChannel.user_identity), at most 255 bytes. Empty: in pass-through each miner's own identity;
    /// in aggregation that of the first miner.
    pub user_identity: String,
}

impl UpstreamOptions {
    /// A server that must show a certificate of `authority`.
    #[must_use]
    pub fn new(authority: Authority, host: &str, port: u16, user_identity: &str) -> Self {
        Self { authority: Some(authority), ..Self::plaintext(host, port, user_identity) }
    }

    /// A server without encryption.
    #[must_use]
    pub fn plaintext(host: &str, port: u16, user_identity: &str) -> Self {
        Self { authority: None, host: host.into(), port, user_identity: user_identity.into() }
    }
}
