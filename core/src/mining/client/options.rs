//! What the host decides once, when it makes a client.

use alloc::string::String;
use alloc::vec::Vec;

use super::Capacity;
use crate::connection::Limits;
use crate::message::{
    EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, FLAG_REQUIRES_STANDARD_JOBS, FLAG_REQUIRES_VERSION_ROLLING,
    FLAG_REQUIRES_WORK_SELECTION, PROTOCOL_MINING, SetupConnection, tlv,
};
use crate::mining::PROTOCOL_VERSION;
use crate::noise::{Authority, MAC_LEN, MAX_CIPHERTEXT_LEN};
use crate::wire::Str;

/// What a frame needs in the receive buffer besides its payload: its header, sealed or not.
const FRAME_OVERHEAD: usize = 6 + MAC_LEN;

/// The smallest receive buffer: the second act of the handshake and SetupConnection.Success with room to spare.
pub(super) const MIN_RECEIVE_BUFFER_LEN: usize = 512;

/// The smallest send buffer: SetupConnection with five strings of 255 bytes.
pub(super) const MIN_SEND_BUFFER_LEN: usize = 2_048;

/// Whom a [`Client`](super::Client) talks to, how it introduces itself, how much it keeps, and how long it waits. All times
/// are in milliseconds.
///
/// Made by [`ClientOptions::new`] or [`ClientOptions::plaintext`]; then any field can be changed.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What the server must prove in the Noise handshake: a certificate of [`Authority::Key`], or, only when that is said,
    /// nothing: [`Authority::Unauthenticated`]. `None`: no encryption, see [`ClientOptions::plaintext`].
    pub authority: Option<Authority>,
    /// This device has no clock that knows the date: when the server's certificate is valid is not looked at.
    pub no_clock: bool,
    /// SetupConnection.endpoint_host (spec 3.6.1): the server's name or address, as this side knows it. This and the strings
    /// below have at most 255 bytes.
    pub endpoint_host: String,
    /// SetupConnection.endpoint_port.
    pub endpoint_port: u16,
    /// SetupConnection.vendor: who made the device or program.
    pub vendor: String,
    /// SetupConnection.hardware_version.
    pub hardware_version: String,
    /// SetupConnection.firmware.
    pub firmware: String,
    /// SetupConnection.device_id.
    pub device_id: String,
    /// The flag REQUIRES_STANDARD_JOBS (spec 5.3.1): jobs of standard channels come with their merkle root. What an end device
    /// sets; there are no extended channels on the connection then.
    pub requires_standard_jobs: bool,
    /// The flag REQUIRES_WORK_SELECTION: the client will send SetCustomMiningJob.
    pub requires_work_selection: bool,
    /// The flag REQUIRES_VERSION_ROLLING: jobs must allow it.
    pub requires_version_rolling: bool,
    /// The extensions to ask for (extension 0x0001), in the order of RequestExtensions; at most 16. With
    /// EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING among those that the server supports, shares of extended channels carry the
    /// identity of their worker.
    pub extensions: Vec<u16>,
    /// The byte order of TLV fields (spec 3.4.3).
    pub tlv_byte_order: tlv::ByteOrder,
    /// Memory for what is received, in bytes; at least 512. A message must fit into it with a header of 22 bytes, and, over Noise, 16
    /// bytes for each 65,519 of its payload: one that is announced longer closes the connection.
    pub receive_buffer_len: usize,
    /// Memory for what is to be sent, in bytes; at least 2,048.
    pub send_buffer_len: usize,
    /// How many channels, jobs and shares are kept.
    pub capacity: Capacity,
    /// How long the handshake may take.
    pub handshake_timeout_ms: u64,
    /// How long the server may take from [`connect`](super::Client::connect) to SetupConnection.Success.
    pub setup_timeout_ms: u64,
    /// How long it may take to answer a request for a channel.
    pub open_timeout_ms: u64,
    /// How long it may leave an open channel without a job to mine on.
    pub job_timeout_ms: u64,
}

impl ClientOptions {
    /// A client that encrypts and demands of the server what `authority` says.
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
            requires_standard_jobs: false,
            requires_work_selection: false,
            requires_version_rolling: false,
            extensions: Vec::new(),
            tlv_byte_order: tlv::ByteOrder::Little,
            // The longest job: two B0_64K and a merkle path of 255.
            receive_buffer_len: 160 << 10,
            send_buffer_len: 64 << 10,
            capacity: Capacity::default(),
            handshake_timeout_ms: 10_000,
            setup_timeout_ms: 30_000,
            open_timeout_ms: 30_000,
            job_timeout_ms: 60_000,
        }
    }

    /// As [`ClientOptions::new`], for an end device with one standard channel: a few kilobytes in all.
    #[must_use]
    pub fn device(authority: Option<Authority>) -> Self {
        Self {
            authority,
            requires_standard_jobs: true,
            receive_buffer_len: 2_048,
            send_buffer_len: MIN_SEND_BUFFER_LEN,
            capacity: Capacity { channels: 1, jobs: 8, extended_jobs: 0, extended_job_len: 0, unanswered_shares: 64 },
            ..Self::plaintext()
        }
    }

    /// Asks for the extension with which shares of extended channels carry the identity of their worker.
    #[must_use]
    pub fn with_worker_identity(mut self) -> Self {
        self.extensions.push(EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING);
        self
    }

    pub(super) fn limits(&self) -> Limits {
        let macs = MAC_LEN * self.receive_buffer_len.div_ceil(MAX_CIPHERTEXT_LEN);
        let max_payload = self.receive_buffer_len.saturating_sub(FRAME_OVERHEAD + macs);
        let usual = Limits::default();
        Limits {
            max_payload_setup: usual.max_payload_setup.min(max_payload),
            max_payload_mining: max_payload,
            max_output: self.send_buffer_len,
            handshake_timeout_ms: self.handshake_timeout_ms,
            ..usual
        }
    }

    /// SetupConnection for the Mining Protocol.
    pub(super) fn setup(&self) -> SetupConnection<'_> {
        let flag = |wanted: bool, flag: u32| if wanted { flag } else { 0 };
        SetupConnection {
            protocol: PROTOCOL_MINING,
            min_version: PROTOCOL_VERSION,
            max_version: PROTOCOL_VERSION,
            flags: flag(self.requires_standard_jobs, FLAG_REQUIRES_STANDARD_JOBS)
                | flag(self.requires_work_selection, FLAG_REQUIRES_WORK_SELECTION)
                | flag(self.requires_version_rolling, FLAG_REQUIRES_VERSION_ROLLING),
            endpoint_host: Str::from(&*self.endpoint_host),
            endpoint_port: self.endpoint_port,
            vendor: Str::from(&*self.vendor),
            hardware_version: Str::from(&*self.hardware_version),
            firmware: Str::from(&*self.firmware),
            device_id: Str::from(&*self.device_id),
        }
    }
}
