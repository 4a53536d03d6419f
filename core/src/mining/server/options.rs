//! What the host decides once, when it makes a server.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::clients::AdmissionLimits;
use crate::connection::Limits;
use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::accounting::AccountingOptions;
use crate::mining::share::NtimeRule;
use crate::noise::Identity;

/// What a [`Server`](super::Server) offers, to how many, and how long it waits. All times are in milliseconds.
///
/// Made by [`ServerOptions::new`] or [`ServerOptions::plaintext`]; then any field can be changed.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What clients are shown in the Noise handshake. `None`: no encryption, see [`ServerOptions::plaintext`].
    pub identity: Option<Arc<Identity>>,
    /// The pool's name in the coinbase of each job: `Sv2/<pool_tag>/<miner_tag>/`.
    pub pool_tag: String,
    /// What tells this server's extranonces from those of other servers that have the same templates: the first bytes of all of
    /// them. Servers side by side need nothing else in common, but each must have its own, all of the same length.
    pub server_id: Vec<u8>,
    /// Bytes of the extranonce that tell the channels of this server apart, 1 to 4: there can be 256^n of them at once.
    pub index_len: usize,
    /// Bytes of extranonce that an extended channel can roll, whatever smaller minimum it asks for. The whole extranonce, that of
    /// the server, the index and this, has at most 32.
    pub rollable_len: usize,
    /// How many shares a channel should send in a minute: what its target is made for.
    pub shares_per_minute: f64,
    /// The easiest target is that of a miner with so many hashes per second, whatever it says of itself: also that of a channel
    /// that says 0, as proxies without miners do.
    pub min_hash_rate: f64,
    /// Whether targets follow the work that comes in. If not, only UpdateChannel and the host change them.
    pub vardiff: bool,
    /// The bits of the version that miners may roll: those of BIP 323, or fewer. With 0 nothing may be changed: clients are told
    /// REQUIRES_FIXED_VERSION, and those that need version rolling are refused.
    pub version_mask: u32,
    /// How late the nTime of a share may be.
    pub ntime_rule: NtimeRule,
    /// Whether clients may select their own work. If not, those that want to are refused.
    pub work_selection: bool,
    /// Whether shares may name the worker that found them (extension 0x0002).
    pub worker_identity: bool,
    /// Whether messages of unknown extensions that are for a channel are handed to the host; if not, they are ignored.
    pub forward_extensions: bool,
    /// When accepted shares are acknowledged.
    pub accounting: AccountingOptions,
    /// How many jobs of the present tip, besides the last one, a share may be for.
    pub past_jobs: usize,
    /// How many shares of a job are remembered for each channel: after three quarters of them the channel gets another job, with
    /// another search space, and nothing is forgotten.
    pub max_shares_per_job: usize,
    /// How many templates may wait for their tip. When there are more, the oldest goes.
    pub max_future_templates: usize,
    /// Most clients at once, those not set up yet included. When so many are there, a new one takes the place of one without
    /// channels, or is refused.
    pub max_clients: usize,
    /// Most connections at once that are not set up. When so many are there, a new one takes the place of the oldest of them.
    pub max_handshakes: usize,
    /// Most clients at once from one address: an IPv4 address or the /64 of an IPv6 address.
    pub max_clients_per_address: usize,
    /// Most connections at once from one address that are not set up.
    pub max_handshakes_per_address: usize,
    /// How many times one address may connect in a minute; also so often at once after a quiet minute.
    pub max_connections_per_minute: u32,
    /// Connections from this machine do not count for their address.
    pub exempt_loopback: bool,
    /// Most channels of a connection, those that the host has not answered yet included.
    pub max_channels: usize,
    /// Most requests of a connection that wait for the host's answer: channels to be opened and custom jobs.
    pub max_pending_requests: usize,
    /// Most custom jobs of a channel on one tip.
    pub max_custom_jobs: usize,
    /// How many messages a client may send in a second in the long run, shares above all: so many, and two more for each
    /// channel beyond the first.
    pub max_messages_per_second: u32,
    /// How many messages a client may send at once after it was quiet. It gives a miner that says too little of its hash rate
    /// the time to be sent a harder target.
    pub message_burst: u32,
    /// How long a client may take from connecting to SetupConnection.
    pub setup_timeout_ms: u64,
    /// How long a client may be without a channel, after SetupConnection or after its last one was closed.
    pub channel_timeout_ms: u64,
    /// How long a client that is refused, or told to go elsewhere, may take to read that. One with channels is heard so long:
    /// what it found counts.
    pub flush_timeout_ms: u64,
    /// How long a client may take nothing of what waits for it. This is looked at every ten seconds.
    pub stall_timeout_ms: u64,
    /// Bounds of each connection. [`Limits::max_output`] is what a slow client may cost before it is dropped; frames that
    /// connections share count in full for each of them.
    pub limits: Limits,
}

impl ServerOptions {
    /// A server that encrypts and shows `identity`.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        Self { identity: Some(identity), ..Self::plaintext() }
    }

    /// A server without encryption or proof of who it is: only for a network in which everybody is trusted.
    #[must_use]
    pub fn plaintext() -> Self {
        Self {
            identity: None,
            pool_tag: String::new(),
            server_id: Vec::from([0]),
            index_len: 3,
            rollable_len: 16,
            shares_per_minute: 6.0,
            min_hash_rate: 1_000_000.0,
            vardiff: true,
            version_mask: VERSION_ROLLING_MASK,
            ntime_rule: NtimeRule::default(),
            work_selection: false,
            worker_identity: true,
            forward_extensions: false,
            accounting: AccountingOptions::default(),
            past_jobs: 16,
            max_shares_per_job: 2_048,
            max_future_templates: 16,
            max_clients: 20_000,
            max_handshakes: 256,
            max_clients_per_address: 1_000,
            max_handshakes_per_address: 64,
            max_connections_per_minute: 30,
            exempt_loopback: true,
            max_channels: 1_000,
            max_pending_requests: 64,
            max_custom_jobs: 1_024,
            max_messages_per_second: 100,
            message_burst: 4_000,
            setup_timeout_ms: 60_000,
            channel_timeout_ms: 60_000,
            flush_timeout_ms: 5_000,
            stall_timeout_ms: 60_000,
            limits: Limits { max_output: 1 << 20, ..Limits::default() },
        }
    }

    pub(in crate::mining) fn admission(&self) -> AdmissionLimits {
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
