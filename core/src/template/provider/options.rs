//! What the host decides once, when it makes a provider.

use alloc::sync::Arc;

use crate::clients::AdmissionLimits;
use crate::connection::Limits;
use crate::noise::Identity;

/// What a [`Provider`](super::Provider) serves, to how many, and how long it waits. All times are in milliseconds.
///
/// Made by [`ProviderOptions::new`] or [`ProviderOptions::plaintext`]; then any field can be changed.
#[derive(Clone, Debug)]
pub struct ProviderOptions {
    /// What clients are shown in the Noise handshake. `None`: no encryption, see [`ProviderOptions::plaintext`].
    pub identity: Option<Arc<Identity>>,
    /// A template on the same tip is sent when it is worth at least so many satoshis more than the last one sent.
    pub fee_threshold_sat: u64,
    /// Clients are sent a template on the same tip no sooner than this after the last one.
    pub update_interval_ms: u64,
    /// How long a template can still be asked about and solved after its tip is gone.
    pub template_lifetime_ms: u64,
    /// Most clients at once, those not set up yet included. When so many are there, a new one takes the place of one that is not
    /// served yet, or is refused.
    pub max_clients: usize,
    /// Most connections at once that are not set up. When so many are there, a new one takes the place of the oldest of them:
    /// whoever goes on with its handshake is done long before its turn comes.
    pub max_handshakes: usize,
    /// Most clients at once from one address: an IPv4 address or the /64 of an IPv6 address.
    pub max_clients_per_address: usize,
    /// Most connections at once from one address that are not set up.
    pub max_handshakes_per_address: usize,
    /// How many times one address may connect in a minute; also so often at once after a quiet minute.
    pub max_connections_per_minute: u32,
    /// Connections from this machine do not count for their address.
    pub exempt_loopback: bool,
    /// How many messages a client may send in a second, of any type, in the long run.
    pub max_requests_per_second: u32,
    /// How many messages a client may send at once after it was quiet.
    pub request_burst: u32,
    /// Most templates to keep up to date at once, one for each distinct [`ConstraintKey`](super::super::ConstraintKey):
    /// each costs the node work. When so many are in use, a new client gets one of them that covers its constraints and
    /// reserves at most 40,000 weight units and 4,000 sigops more, or is refused. At most half of them are keys above 16,000
    /// weight units or 400 sigops, and the clients of one address have at most two of those.
    pub max_keys: usize,
    /// How many keys can come into use in a minute, each of which makes the node build a template: keys above 16,000 weight units
    /// or 400 sigops, and as many others. Also so many at once after a quiet minute, or [`ProviderOptions::max_keys`] if that is
    /// more. Beyond that a client gets a key in use that covers its constraints, as above, or is refused.
    pub max_new_keys_per_minute: u32,
    /// The same for the clients of one address.
    pub max_new_keys_per_minute_per_address: u32,
    /// How long a key is kept up to date after its last client has gone, so that a client which comes back has a template at
    /// once. When another key is wanted, it goes earlier.
    pub key_linger_ms: u64,
    /// How often a client may send CoinbaseOutputConstraints while the tip stays the same. Each is answered with a template.
    pub max_constraints_per_tip: u32,
    /// How many ids all templates may have besides their first. A client that comes back to constraints which it had before on
    /// the same tip is sent the template that is there under another id. When so many are in use, it is closed; once it has
    /// connected again it gets the template as any new client.
    pub max_reissued_ids: usize,
    /// How many RequestTransactionData of one client may be waiting for the node, or until the client has read what it was sent:
    /// an answer is sent when little is left of what came before.
    pub max_pending_requests: usize,
    /// How long a client waits for the node's answer to its RequestTransactionData before it is told that there are none.
    pub transactions_timeout_ms: u64,
    /// Bytes of transaction data to keep for clients that ask for what another one asked for before. Those that wait in a
    /// connection's output do not count here, and are bounded by [`Limits::max_output`].
    pub transaction_cache_len: usize,
    /// How long a client may take from connecting to SetupConnection.
    pub setup_timeout_ms: u64,
    /// How long a client may take from SetupConnection to CoinbaseOutputConstraints. The specification says "immediately"; a
    /// job declarator client cannot know them before its pool told it.
    pub constraints_timeout_ms: u64,
    /// How long a client that is refused may take to read the reason. One that has a template is also heard so long: what it
    /// found counts.
    pub flush_timeout_ms: u64,
    /// How long a client may take nothing of what waits for it. This is looked at every ten seconds.
    pub stall_timeout_ms: u64,
    /// Bounds of each connection. [`Limits::max_output`] is what a slow client may cost before it is dropped; it must hold
    /// the transactions of a block.
    pub limits: Limits,
}

impl ProviderOptions {
    /// A provider that encrypts and shows `identity`.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        Self { identity: Some(identity), ..Self::plaintext() }
    }

    /// A provider without encryption or proof of who it is: only for a network in which everybody is trusted.
    #[must_use]
    pub fn plaintext() -> Self {
        Self {
            identity: None,
            fee_threshold_sat: 1_000,
            update_interval_ms: 5_000,
            template_lifetime_ms: 10_000,
            max_clients: 1_000,
            max_handshakes: 256,
            max_clients_per_address: 100,
            max_handshakes_per_address: 30,
            max_connections_per_minute: 30,
            exempt_loopback: true,
            max_requests_per_second: 20,
            request_burst: 200,
            max_keys: 16,
            max_new_keys_per_minute: 30,
            max_new_keys_per_minute_per_address: 10,
            key_linger_ms: 60_000,
            max_constraints_per_tip: 32,
            max_reissued_ids: 4_096,
            max_pending_requests: 64,
            transactions_timeout_ms: 30_000,
            transaction_cache_len: 64 << 20,
            setup_timeout_ms: 60_000,
            constraints_timeout_ms: 600_000,
            flush_timeout_ms: 5_000,
            stall_timeout_ms: 60_000,
            // Two answers with the transactions of the heaviest block.
            limits: Limits { max_output: 8 << 20, ..Limits::default() },
        }
    }

    pub(super) fn admission(&self) -> AdmissionLimits {
        AdmissionLimits {
            max_clients: self.max_clients,
            max_handshakes: self.max_handshakes,
            max_clients_per_address: self.max_clients_per_address,
            max_handshakes_per_address: self.max_handshakes_per_address,
            max_connections_per_minute: self.max_connections_per_minute,
            exempt_loopback: self.exempt_loopback,
        }
    }
}
