//! What the host decides once, when it makes a client.

use alloc::string::String;

use crate::connection::Limits;
use crate::message::{CoinbaseOutputConstraints, PROTOCOL_TEMPLATE_DISTRIBUTION, SetupConnection};
use crate::noise::Authority;
use crate::template::PROTOCOL_VERSION;
use crate::wire::Str;

/// Whom a [`TemplateClient`](super::TemplateClient) talks to, how it introduces itself, how much it keeps, and how long it
/// waits. All times are in milliseconds.
///
/// Made by [`ClientOptions::new`] or [`ClientOptions::plaintext`]; then any field can be changed.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What the provider must prove in the Noise handshake: a certificate of [`Authority::Key`], or, only when that is said,
    /// nothing: [`Authority::Unauthenticated`]. `None`: no encryption, see [`ClientOptions::plaintext`].
    pub authority: Option<Authority>,
    /// This device has no clock that knows the date: when the provider's certificate is valid is not looked at.
    pub no_clock: bool,
    /// SetupConnection.endpoint_host (spec 3.6.1): the provider's name or address, as this side knows it. This and the strings
    /// below have at most 255 bytes.
    pub endpoint_host: String,
    /// SetupConnection.endpoint_port.
    pub endpoint_port: u16,
    /// SetupConnection.vendor: who made the program.
    pub vendor: String,
    /// SetupConnection.hardware_version.
    pub hardware_version: String,
    /// SetupConnection.firmware: the program and its version.
    pub firmware: String,
    /// SetupConnection.device_id.
    pub device_id: String,
    /// What templates must leave free for the host's coinbase outputs. `None` if it is not known yet, as for a job declarator
    /// client before its pool told it: [`set_constraints`](super::TemplateClient::set_constraints) says it later.
    pub constraints: Option<CoinbaseOutputConstraints>,
    /// How long the provider may take from [`connect`](super::TemplateClient::connect) to SetupConnection.Success. How much of
    /// it the handshake may take is in `limits`.
    pub setup_timeout_ms: u64,
    /// How long it may take from CoinbaseOutputConstraints, or from a tip without a template, to a template that can be mined
    /// on. Constraints that are changed while there is one over this connection have no such deadline.
    pub template_timeout_ms: u64,
    /// How long it may take to answer RequestTransactionData.
    pub transactions_timeout_ms: u64,
    /// How long a template is kept after its tip is gone: as long as the provider takes solutions of it.
    pub template_lifetime_ms: u64,
    /// How long a solution is kept, to be sent again over the next connection, unless its block is seen as the tip before.
    pub solution_lifetime_ms: u64,
    /// Most templates that wait for their tip. When another comes, the oldest is forgotten.
    pub max_future_templates: usize,
    /// Most templates that are or were mined on. When another comes, one whose tip is gone is forgotten, or else the oldest;
    /// never the one to mine on.
    pub max_templates: usize,
    /// Most requests for transaction data that wait. They are sent one after the other.
    pub max_pending_requests: usize,
    /// Most solutions that are kept because their blocks were not seen as the tip.
    pub max_pending_solutions: usize,
    /// Bounds of the connection.
    pub limits: Limits,
}

impl ClientOptions {
    /// A client that encrypts and demands of the provider what `authority` says.
    #[must_use]
    pub fn new(authority: Authority) -> Self {
        Self { authority: Some(authority), ..Self::plaintext() }
    }

    /// A client without encryption that cannot know to whom it talks: only for a network in which everybody is trusted.
    #[must_use]
    pub fn plaintext() -> Self {
        Self {
            authority: None,
            no_clock: false,
            endpoint_host: String::new(),
            endpoint_port: 0,
            vendor: String::new(),
            hardware_version: String::new(),
            firmware: String::new(),
            device_id: String::new(),
            constraints: None,
            setup_timeout_ms: 30_000,
            template_timeout_ms: 60_000,
            transactions_timeout_ms: 30_000,
            template_lifetime_ms: 10_000,
            solution_lifetime_ms: 600_000,
            max_future_templates: 16,
            max_templates: 128,
            max_pending_requests: 64,
            max_pending_solutions: 16,
            // All that a client says is small but solutions, of at most 64 KiB.
            limits: Limits { max_output: 1 << 20, ..Limits::default() },
        }
    }

    /// SetupConnection for the Template Distribution Protocol, which has no flags.
    pub(super) fn setup(&self) -> SetupConnection<'_> {
        SetupConnection {
            protocol: PROTOCOL_TEMPLATE_DISTRIBUTION,
            min_version: PROTOCOL_VERSION,
            max_version: PROTOCOL_VERSION,
            flags: 0,
            endpoint_host: Str::from(&*self.endpoint_host),
            endpoint_port: self.endpoint_port,
            vendor: Str::from(&*self.vendor),
            hardware_version: Str::from(&*self.hardware_version),
            firmware: Str::from(&*self.firmware),
            device_id: Str::from(&*self.device_id),
        }
    }
}
