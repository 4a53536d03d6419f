//! What a peer may cost: payload lengths by state, protocol and direction, and bytes waiting to be sent.

use crate::frame::MAX_PAYLOAD_LEN;
use crate::message::{PROTOCOL_JOB_DECLARATION, PROTOCOL_MINING, PROTOCOL_TEMPLATE_DISTRIBUTION};

/// Which side of the protocol this is: it decides how long the messages it receives can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends SetupConnection.
    Client,
    /// Answers it.
    Server,
}

/// The bounds of one connection. No memory is reserved for a length that a peer merely announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest payload until SetupConnection was answered with success, in bytes.
    pub max_payload_setup: usize,
    /// Longest payload of the Mining Protocol, in bytes.
    pub max_payload_mining: usize,
    /// Longest payload a job declarator client receives: a list of missing transactions.
    pub max_payload_declaration_client: usize,
    /// Longest payload a job declarator server receives: the missing transactions.
    pub max_payload_declaration_server: usize,
    /// Longest payload a client of templates receives: the transactions of a template.
    pub max_payload_template_client: usize,
    /// Longest payload a template provider receives: a coinbase transaction of 64 KiB.
    pub max_payload_template_server: usize,
    /// Most bytes that wait to be sent.
    pub max_output: usize,
    /// How long the handshake may take, in milliseconds.
    pub handshake_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload_setup: 2 << 10,
            max_payload_mining: 1 << 20,
            max_payload_declaration_client: 256 << 10,
            max_payload_declaration_server: MAX_PAYLOAD_LEN,
            max_payload_template_client: MAX_PAYLOAD_LEN,
            max_payload_template_server: 66_000,
            max_output: 32 << 20,
            handshake_timeout_ms: 10_000,
        }
    }
}

impl Limits {
    /// The longest payload that `role` receives under `protocol`, the one that was set up, if any.
    #[inline]
    pub(super) fn max_payload(&self, role: Role, protocol: Option<u8>) -> usize {
        match (protocol, role) {
            (Some(PROTOCOL_MINING), _) => self.max_payload_mining,
            (Some(PROTOCOL_JOB_DECLARATION), Role::Client) => self.max_payload_declaration_client,
            (Some(PROTOCOL_JOB_DECLARATION), Role::Server) => self.max_payload_declaration_server,
            (Some(PROTOCOL_TEMPLATE_DISTRIBUTION), Role::Client) => self.max_payload_template_client,
            (Some(PROTOCOL_TEMPLATE_DISTRIBUTION), Role::Server) => self.max_payload_template_server,
            _ => self.max_payload_setup,
        }
    }
}
