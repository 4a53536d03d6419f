//! What goes into a mining server: its options.

use sv2_core::mining::server::ServerOptions;
use sv2_core::mining::share::NtimeRule;

use crate::noise::sv2_identity;
use crate::options::{Options, sv2_limits, sv2_random};
use crate::{SV2_ERROR_ARGUMENT, sv2_bytes, sv2_log, sv2_status, sv2_str};

/// What a mining server offers, to how many, and how long it waits. A zero means the usual value, which is given with each member.
/// Initialise with SV2_MINING_SERVER_OPTIONS_INIT, and set `identity`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_server_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// What clients are shown in the Noise handshake. NULL is an error unless `plaintext` is set. It may be freed once the
    /// server is made.
    pub identity: *const sv2_identity,
    /// Anything but 0: no encryption, for a network in which everybody is trusted.
    pub plaintext: u8,
    /// Anything but 0: targets change by UpdateChannel and sv2_mining_server_set_target only, not by the work that comes in.
    pub no_vardiff: u8,
    /// Anything but 0: miners may change nothing in the version. Clients are told REQUIRES_FIXED_VERSION, and those that need version
    /// rolling are refused.
    pub fixed_version: u8,
    /// Anything but 0: a share's nTime is at most min_ntime and the seconds since that was received, as the specification says (spec
    /// 5.3.11). Otherwise it may be two hours above min_ntime, as with other servers.
    pub strict_ntime: u8,
    /// Anything but 0: clients may select their own work, and their jobs come as SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB.
    /// Otherwise those that want to are refused.
    pub work_selection: u8,
    /// Anything but 0: extension 0x0002, by which shares name the worker that found them, is not offered.
    pub no_worker_identity: u8,
    /// Anything but 0: messages of unknown extensions that are for a channel come as SV2_MINING_SERVER_EVENT_EXTENSION_MESSAGE.
    /// Otherwise they are ignored.
    pub forward_extensions: u8,
    /// Anything but 0: connections from this machine count for their address like others.
    pub count_loopback: u8,
    /// Anything but 0: no bytes of the extranonce belong to the server; `server_id` is empty.
    pub no_server_id: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// The pool's name in the coinbase of each job, "Sv2/<pool_tag>/<miner_tag>/": UTF-8, short enough for a scriptSig of 100 bytes.
    pub pool_tag: sv2_str,
    /// What tells this server's extranonces from those of others that have the same templates: the first bytes of all of them.
    /// Servers side by side, one for each core or machine, need nothing else in common; each has its own, all of the same length. One
    /// byte of zero.
    pub server_id: sv2_bytes,
    /// Bytes of the extranonce that tell the channels of this server apart, 1 to 4: 3. There can be 256^n of them at once.
    pub index_len: usize,
    /// Bytes of extranonce that an extended channel can roll, whatever smaller minimum it asks for: 16. With those of the server
    /// and the index they are at most 32.
    pub rollable_len: usize,
    /// How many shares a channel should send in a minute, which is what its target is made for: 6.
    pub shares_per_minute: f64,
    /// The easiest target is that of a miner with so many hashes per second, whatever it says of itself: 1,000,000.
    pub min_hash_rate: f64,
    /// The bits of the version that miners may roll: 0x1fffffe0 (BIP 323).
    pub version_mask: u32,
    /// Accepted shares are acknowledged when there are so many: 10.
    pub batch_shares: u32,
    /// At the latest so long after the first of them, in milliseconds: 1,000.
    pub batch_ms: u32,
    /// How many jobs of the present tip, besides the last one, a share may be for: 16.
    pub past_jobs: u32,
    /// How many shares of a job are remembered for each channel: 2,048. After three quarters of them the channel gets another job,
    /// with another search space; none is ever forgotten while it could be sent again.
    pub max_shares_per_job: u32,
    /// How many templates may wait for their tip: 16. When there are more, the oldest goes.
    pub max_future_templates: u32,
    /// Most clients at once, those not set up yet included: 20,000. Then a new one takes the place of one without channels, or is
    /// refused.
    pub max_clients: usize,
    /// Most connections at once that are not set up: 256. Then a new one takes the place of the oldest of them.
    pub max_handshakes: usize,
    /// Most clients at once from one address, an IPv4 address or the /64 of an IPv6 address: 1,000.
    pub max_clients_per_address: usize,
    /// Most connections at once from one address that are not set up: 64.
    pub max_handshakes_per_address: usize,
    /// How many times one address may connect in a minute: 30. Also so often at once after a quiet minute.
    pub max_connections_per_minute: u32,
    /// Most channels of a connection: 1,000.
    pub max_channels: u32,
    /// Most requests of a connection that wait for the host's answer: 64.
    pub max_pending_requests: u32,
    /// Most custom jobs of a channel on one tip: 1,024.
    pub max_custom_jobs: u32,
    /// How many messages a client may send in a second, in the long run: 100, and two more for each channel beyond the first.
    pub max_messages_per_second: u32,
    /// How many messages a client may send at once after it was quiet: 4,000.
    pub message_burst: u32,
    /// How long a client may take from connecting to SetupConnection, in milliseconds: 60,000.
    pub setup_timeout_ms: u64,
    /// How long a client may be without a channel, in milliseconds: 60,000.
    pub channel_timeout_ms: u64,
    /// How long a client that is refused, or told to go elsewhere, may take to read that, in milliseconds: 5,000.
    pub flush_timeout_ms: u64,
    /// How long a client may take nothing of what waits for it, in milliseconds: 60,000. It is looked at every ten seconds.
    pub stall_timeout_ms: u64,
    /// The bounds of each connection. Here max_output is 1 MiB unless set: what a slow client may cost before it is dropped.
    pub limits: sv2_limits,
    /// The source of randomness.
    pub random: sv2_random,
    /// Where the log goes.
    pub log: sv2_log,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_mining_server_options {}

impl sv2_mining_server_options {
    /// # Safety
    /// The pointers are NULL or valid for what they should point to.
    pub(super) unsafe fn read(&self) -> Result<ServerOptions, sv2_status> {
        let mut options = match unsafe { self.identity.as_ref() } {
            Some(identity) if self.plaintext == 0 => ServerOptions::new(identity.identity.clone()),
            None if self.plaintext != 0 => ServerOptions::plaintext(),
            _ => return Err(SV2_ERROR_ARGUMENT),
        };
        let pool_tag = std::str::from_utf8(unsafe { self.pool_tag.as_slice() }).map_err(|_| SV2_ERROR_ARGUMENT)?;
        options.pool_tag = pool_tag.to_owned();
        match unsafe { self.server_id.as_slice() } {
            [] if self.no_server_id != 0 => options.server_id.clear(),
            [] => {}
            _ if self.no_server_id != 0 => return Err(SV2_ERROR_ARGUMENT),
            server_id => options.server_id = server_id.to_vec(),
        }
        options.vardiff = self.no_vardiff == 0;
        options.worker_identity = self.no_worker_identity == 0;
        options.work_selection = self.work_selection != 0;
        options.forward_extensions = self.forward_extensions != 0;
        options.exempt_loopback = self.count_loopback == 0;
        if self.strict_ntime != 0 {
            options.ntime_rule = NtimeRule::SinceReceived;
        }
        self.read_numbers(&mut options);
        if self.fixed_version != 0 {
            options.version_mask = 0;
        }
        options.limits = self.limits.with_usual_output(options.limits.max_output);
        Ok(options)
    }

    /// All that is a number, where zero is as usual.
    fn read_numbers(&self, options: &mut ServerOptions) {
        let set_f64 = |to: &mut f64, value: f64| *to = if value == 0.0 { *to } else { value };
        let set_ms = |to: &mut u64, value: u64| *to = if value == 0 { *to } else { value };
        let set_u32 = |to: &mut u32, value: u32| *to = if value == 0 { *to } else { value };
        let set = |to: &mut usize, value: usize| *to = if value == 0 { *to } else { value };
        set_f64(&mut options.shares_per_minute, self.shares_per_minute);
        set_f64(&mut options.min_hash_rate, self.min_hash_rate);
        set(&mut options.index_len, self.index_len);
        set(&mut options.rollable_len, self.rollable_len);
        set_u32(&mut options.version_mask, self.version_mask);
        set_u32(&mut options.accounting.batch_shares, self.batch_shares);
        set_u32(&mut options.accounting.batch_ms, self.batch_ms);
        set(&mut options.past_jobs, self.past_jobs as usize);
        set(&mut options.max_shares_per_job, self.max_shares_per_job as usize);
        set(&mut options.max_future_templates, self.max_future_templates as usize);
        set(&mut options.max_clients, self.max_clients);
        set(&mut options.max_handshakes, self.max_handshakes);
        set(&mut options.max_clients_per_address, self.max_clients_per_address);
        set(&mut options.max_handshakes_per_address, self.max_handshakes_per_address);
        set_u32(&mut options.max_connections_per_minute, self.max_connections_per_minute);
        set(&mut options.max_channels, self.max_channels as usize);
        set(&mut options.max_pending_requests, self.max_pending_requests as usize);
        set(&mut options.max_custom_jobs, self.max_custom_jobs as usize);
        set_u32(&mut options.max_messages_per_second, self.max_messages_per_second);
        set_u32(&mut options.message_burst, self.message_burst);
        set_ms(&mut options.setup_timeout_ms, self.setup_timeout_ms);
        set_ms(&mut options.channel_timeout_ms, self.channel_timeout_ms);
        set_ms(&mut options.flush_timeout_ms, self.flush_timeout_ms);
        set_ms(&mut options.stall_timeout_ms, self.stall_timeout_ms);
    }
}
