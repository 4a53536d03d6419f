//! What goes into a mining client: its options.

use sv2_core::message::tlv::ByteOrder;
use sv2_core::mining::client::ClientOptions;
use sv2_core::noise::{Authority, AuthorityPublicKey};

use crate::options::{Options, sv2_random};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_KEY, sv2_log, sv2_status, sv2_str, sv2_u16_list};

/// Whom a mining client talks to, how it introduces itself, how much it keeps, and how long it waits. A zero means the usual
/// value, which is given with each member. Initialise with SV2_MINING_CLIENT_OPTIONS_INIT, and set `authority_key`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_client_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// The public key, 32 bytes, of the authority that the server must have a certificate of. NULL is an error unless
    /// `allow_unauthenticated` or `plaintext` is set.
    pub authority_key: *const u8,
    /// Anything but 0: encrypt, but take any server that answers. Who that is cannot be known then.
    pub allow_unauthenticated: u8,
    /// Anything but 0: no encryption, for a network in which everybody is trusted. There must be no `authority_key` then.
    pub plaintext: u8,
    /// Anything but 0: this device has no clock that knows the date, so do not look at when the certificate is valid.
    pub no_clock: u8,
    /// Anything but 0: the flag REQUIRES_STANDARD_JOBS (spec 5.3.1), as an end device sets it. No extended channels then.
    pub requires_standard_jobs: u8,
    /// Anything but 0: the flag REQUIRES_WORK_SELECTION: there will be SetCustomMiningJob.
    pub requires_work_selection: u8,
    /// Anything but 0: the flag REQUIRES_VERSION_ROLLING: jobs must allow it.
    pub requires_version_rolling: u8,
    /// Anything but 0: TLV fields are written big-endian, as in the example of spec 3.4.3, and not little-endian as deployed
    /// software does.
    pub tlv_big_endian: u8,
    /// Anything but 0: the bounds of a device with one standard channel, a few kilobytes in all, in place of those given as
    /// usual below: receive_buffer_len and send_buffer_len 2,048, max_channels 1, max_jobs 8, no extended jobs,
    /// max_unanswered_shares 64.
    pub device: u8,
    /// SetupConnection.endpoint_port (spec 3.6.1).
    pub endpoint_port: u16,
    /// Zero.
    pub reserved: [u16; 3],
    /// SetupConnection.endpoint_host: the server's name or address. This and the strings below are UTF-8, of at most 255
    /// bytes, and are copied.
    pub endpoint_host: sv2_str,
    /// SetupConnection.vendor: who made the device or program.
    pub vendor: sv2_str,
    /// SetupConnection.hardware_version.
    pub hardware_version: sv2_str,
    /// SetupConnection.firmware.
    pub firmware: sv2_str,
    /// SetupConnection.device_id.
    pub device_id: sv2_str,
    /// The extensions to ask for; at most 16. With SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING among those that the server
    /// supports, shares of extended channels carry the identity of their worker. Copied.
    pub extensions: sv2_u16_list,
    /// Memory for what is received, in bytes: 163,840; at least 512. A message must fit into it with 22 bytes, and 16 more for each
    /// 65,519 of its payload: one that is announced longer closes the connection.
    pub receive_buffer_len: usize,
    /// Memory for what is to be sent, in bytes: 65,536; at least 2,048.
    pub send_buffer_len: usize,
    /// Most channels that are open at a time: 16.
    pub max_channels: usize,
    /// Most jobs of a channel: 24; at least 2. When another comes, the oldest that was replaced is forgotten, or else the oldest
    /// that is not mined on.
    pub max_jobs: usize,
    /// Most jobs of extended channels, on all channels together: 24; at least 2 for each. Channels of a group share theirs.
    pub max_extended_jobs: usize,
    /// Most bytes of such a job, coinbase and merkle path: 65,536.
    pub max_extended_job_len: usize,
    /// Most shares of a channel that are remembered until they are answered: 256. Further ones are only counted.
    pub max_unanswered_shares: usize,
    /// How long the handshake may take, in milliseconds: 10,000.
    pub handshake_timeout_ms: u64,
    /// How long the server may take from _connect to SetupConnection.Success, in milliseconds: 30,000.
    pub setup_timeout_ms: u64,
    /// How long it may take to answer a request for a channel, in milliseconds: 30,000.
    pub open_timeout_ms: u64,
    /// How long it may leave an open channel without a job to mine on, in milliseconds: 60,000.
    pub job_timeout_ms: u64,
    /// The source of randomness.
    pub random: sv2_random,
    /// Where the log goes.
    pub log: sv2_log,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_mining_client_options {}

impl sv2_mining_client_options {
    /// # Safety
    /// The pointers are NULL or valid for what they should point to.
    pub(super) unsafe fn read(&self) -> Result<ClientOptions, sv2_status> {
        let authority = unsafe { self.authority()? };
        let mut options = match self.device {
            0 => ClientOptions { authority, ..ClientOptions::plaintext() },
            _ => ClientOptions::device(authority),
        };
        options.no_clock = self.no_clock != 0;
        options.requires_standard_jobs = self.requires_standard_jobs != 0 || self.device != 0;
        options.requires_work_selection = self.requires_work_selection != 0;
        options.requires_version_rolling = self.requires_version_rolling != 0;
        options.tlv_byte_order = if self.tlv_big_endian == 0 { ByteOrder::Little } else { ByteOrder::Big };
        options.endpoint_port = self.endpoint_port;
        let strings = [
            (&mut options.endpoint_host, self.endpoint_host),
            (&mut options.vendor, self.vendor),
            (&mut options.hardware_version, self.hardware_version),
            (&mut options.firmware, self.firmware),
            (&mut options.device_id, self.device_id),
        ];
        for (to, from) in strings {
            let text = std::str::from_utf8(unsafe { from.as_slice() }).map_err(|_| SV2_ERROR_ARGUMENT)?;
            to.push_str(text);
        }
        options.extensions.extend_from_slice(unsafe { self.extensions.as_slice() });
        let set_ms = |to: &mut u64, value: u64| *to = if value == 0 { *to } else { value };
        let set = |to: &mut usize, value: usize| *to = if value == 0 { *to } else { value };
        set(&mut options.receive_buffer_len, self.receive_buffer_len);
        set(&mut options.send_buffer_len, self.send_buffer_len);
        set(&mut options.capacity.channels, self.max_channels);
        set(&mut options.capacity.jobs, self.max_jobs);
        set(&mut options.capacity.extended_jobs, self.max_extended_jobs);
        set(&mut options.capacity.extended_job_len, self.max_extended_job_len);
        set(&mut options.capacity.unanswered_shares, self.max_unanswered_shares);
        set_ms(&mut options.handshake_timeout_ms, self.handshake_timeout_ms);
        set_ms(&mut options.setup_timeout_ms, self.setup_timeout_ms);
        set_ms(&mut options.open_timeout_ms, self.open_timeout_ms);
        set_ms(&mut options.job_timeout_ms, self.job_timeout_ms);
        Ok(options)
    }

    /// What the server must prove; `None` is no encryption, and is never what is meant by leaving something out.
    ///
    /// # Safety
    /// `authority_key` is NULL or readable for 32 bytes.
    unsafe fn authority(&self) -> Result<Option<Authority>, sv2_status> {
        match unsafe { self.authority_key.cast::<[u8; 32]>().as_ref() } {
            Some(_) if self.plaintext != 0 => Err(SV2_ERROR_ARGUMENT),
            Some(key) => {
                let key = AuthorityPublicKey::from_bytes(key).map_err(|_| SV2_ERROR_KEY)?;
                Ok(Some(Authority::Key(key)))
            }
            None if self.plaintext != 0 && self.allow_unauthenticated == 0 => Ok(None),
            None if self.allow_unauthenticated != 0 && self.plaintext == 0 => Ok(Some(Authority::Unauthenticated)),
            None => Err(SV2_ERROR_ARGUMENT),
        }
    }
}
