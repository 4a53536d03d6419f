//! What goes into a proxy: its options.

use sv2_core::mining::proxy::{Mode, ProxyOptions, UpstreamOptions};
use sv2_core::noise::{Authority, AuthorityPublicKey};

use super::server_options::sv2_mining_server_options;
use crate::options::{Options, read_options, sv2_limits, sv2_random};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_KEY, SV2_ERROR_NULL, sv2_log, sv2_status, sv2_str};

/// All miners share one extended channel of the upstream: its extranonce space is divided among them, their shares are judged here,
/// and those that meet the upstream's target go up.
pub const SV2_MINING_PROXY_AGGREGATE: u32 = 0;
/// Each channel of a miner is a channel of the upstream, which judges.
pub const SV2_MINING_PROXY_PASS_THROUGH: u32 = 1;

/// A mining server that a proxy can take its work from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_upstream {
    /// The public key, 32 bytes, of the authority that the server must have a certificate of. NULL is an error unless
    /// `allow_unauthenticated` or `plaintext` is set.
    pub authority_key: *const u8,
    /// Anything but 0: encrypt, but take any server that answers. Who that is cannot be known then.
    pub allow_unauthenticated: u8,
    /// Anything but 0: no encryption, for a network in which everybody is trusted. There must be no `authority_key` then.
    pub plaintext: u8,
    /// Its port.
    pub port: u16,
    /// Zero.
    pub reserved: u32,
    /// Its name or address, UTF-8 of at most 255 bytes.
    pub host: sv2_str,
    /// Whom it pays, UTF-8 of at most 255 bytes. Empty: in pass-through each miner's own identity; in aggregation that of the
    /// first miner.
    pub user_identity: sv2_str,
}

/// Where a proxy takes work from and to whom it gives it. A zero means the usual value, which is given with each member. Initialise
/// with SV2_MINING_PROXY_OPTIONS_INIT, and set `upstreams`, `upstream_count` and `downstream`. What it points to is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_mining_proxy_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// The servers to take work from, the preferred one first.
    pub upstreams: *const sv2_mining_upstream,
    /// How many there are: at least one.
    pub upstream_count: usize,
    /// The miners' side: identity, bounds, deadlines, and in aggregation their targets. Its `random` and `log` are not looked at.
    pub downstream: *const sv2_mining_server_options,
    /// One of SV2_MINING_PROXY_AGGREGATE and SV2_MINING_PROXY_PASS_THROUGH.
    pub mode: u32,
    /// Anything but 0: the upstream need not allow the rolling of versions.
    pub no_version_rolling: u8,
    /// Pass-through only: anything but 0: miners may bring their own work, such as job declarator clients. Many pools open no
    /// standard channels then.
    pub work_selection: u8,
    /// Anything but 0: the upstream is not asked for extension 0x0002, by which shares name the worker that found them.
    pub no_worker_identity: u8,
    /// Zero.
    pub reserved: u8,
    /// SetupConnection.vendor to the upstream (spec 3.6.1). This and the strings below are UTF-8, of at most 255 bytes.
    pub vendor: sv2_str,
    /// SetupConnection.hardware_version.
    pub hardware_version: sv2_str,
    /// SetupConnection.firmware.
    pub firmware: sv2_str,
    /// SetupConnection.device_id.
    pub device_id: sv2_str,
    /// How long an upstream may take from the connection to SetupConnection.Success, in milliseconds: 30,000.
    pub setup_timeout_ms: u64,
    /// How long an upstream may take to answer RequestExtensions, in milliseconds: 1,000. One that says nothing knows no extensions.
    pub extensions_timeout_ms: u64,
    /// Aggregation: how long an upstream may take to open the channel, in milliseconds: 30,000.
    pub open_timeout_ms: u64,
    /// How long an upstream may say nothing while there are channels, in milliseconds: 600,000. Then the next one is tried.
    pub silence_timeout_ms: u64,
    /// How long after the last time an upstream is dialled again, in milliseconds: 1,000. It doubles with each round in which none
    /// could be used.
    pub retry_ms: u64,
    /// What that grows to: 30,000.
    pub max_retry_ms: u64,
    /// How long a server that is not the first of `upstreams` is used before it is left and the preferred ones are tried again, in
    /// milliseconds: 600,000. It doubles with each time that this led to no work from the first one, up to 64 times as long.
    /// UINT64_MAX: never.
    pub failback_ms: u64,
    /// Aggregation: the least time between two UpdateChannel, in milliseconds: 1,000.
    pub update_interval_ms: u64,
    /// Aggregation: how long the upstream channel stays open after the last miner has gone, in milliseconds: 10,000.
    pub linger_ms: u64,
    /// How long shares wait for an upstream that has the same work as the one that was lost, in milliseconds: 60,000.
    pub hold_ms: u64,
    /// How many of them, and of shares that the upstream has not answered: 256, of all miners in aggregation, of each channel in
    /// pass-through.
    pub max_held_shares: usize,
    /// Aggregation: the least extranonce that is asked of the upstream, in bytes: 8. It is what tells the miners apart and what
    /// they roll.
    pub min_extranonce_size: u16,
    /// Zero.
    pub reserved2: [u16; 3],
    /// The bounds of the connection to the upstream. Here max_output is 4 MiB unless set.
    pub limits: sv2_limits,
    /// The source of randomness.
    pub random: sv2_random,
    /// Where the log goes.
    pub log: sv2_log,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_mining_proxy_options {}

impl sv2_mining_upstream {
    /// # Safety
    /// The pointers are NULL or valid for what they should point to.
    unsafe fn read(&self) -> Result<UpstreamOptions, sv2_status> {
        let key = unsafe { self.authority_key.cast::<[u8; 32]>().as_ref() };
        let authority = match (key, self.allow_unauthenticated != 0, self.plaintext != 0) {
            (Some(key), false, false) => {
                Some(Authority::Key(AuthorityPublicKey::from_bytes(key).map_err(|_| SV2_ERROR_KEY)?))
            }
            (None, true, false) => Some(Authority::Unauthenticated),
            (None, false, true) => None,
            _ => return Err(SV2_ERROR_ARGUMENT),
        };
        let (host, user) = unsafe { (text(&self.host)?, text(&self.user_identity)?) };
        Ok(UpstreamOptions { authority, ..UpstreamOptions::plaintext(host, self.port, user) })
    }
}

/// # Safety
/// It is NULL or readable.
unsafe fn text(text: &sv2_str) -> Result<&str, sv2_status> {
    std::str::from_utf8(unsafe { text.as_slice() }).map_err(|_| SV2_ERROR_ARGUMENT)
}

impl sv2_mining_proxy_options {
    /// # Safety
    /// The pointers are NULL or valid for what they should point to.
    pub(super) unsafe fn read(&self) -> Result<ProxyOptions, sv2_status> {
        if self.upstreams.is_null() || self.upstream_count == 0 {
            return Err(SV2_ERROR_NULL);
        }
        let upstreams = unsafe { std::slice::from_raw_parts(self.upstreams, self.upstream_count) };
        let upstreams = upstreams.iter().map(|upstream| unsafe { upstream.read() }).collect::<Result<Vec<_>, _>>()?;
        let downstream = unsafe { read_options(self.downstream)?.read()? };
        let mut options = ProxyOptions::new(upstreams, downstream);
        options.mode = match self.mode {
            SV2_MINING_PROXY_AGGREGATE => Mode::Aggregate,
            SV2_MINING_PROXY_PASS_THROUGH => Mode::PassThrough,
            _ => return Err(SV2_ERROR_ARGUMENT),
        };
        options.requires_version_rolling = self.no_version_rolling == 0;
        options.work_selection = self.work_selection != 0;
        if self.no_worker_identity != 0 {
            options.extensions.clear();
        }
        let strings = [
            (&mut options.vendor, &self.vendor),
            (&mut options.hardware_version, &self.hardware_version),
            (&mut options.firmware, &self.firmware),
            (&mut options.device_id, &self.device_id),
        ];
        for (to, from) in strings {
            *to = unsafe { text(from)? }.to_owned();
        }
        let times = [
            (&mut options.setup_timeout_ms, self.setup_timeout_ms),
            (&mut options.extensions_timeout_ms, self.extensions_timeout_ms),
            (&mut options.open_timeout_ms, self.open_timeout_ms),
            (&mut options.silence_timeout_ms, self.silence_timeout_ms),
            (&mut options.retry_ms, self.retry_ms),
            (&mut options.max_retry_ms, self.max_retry_ms),
            (&mut options.failback_ms, self.failback_ms),
            (&mut options.update_interval_ms, self.update_interval_ms),
            (&mut options.linger_ms, self.linger_ms),
            (&mut options.hold_ms, self.hold_ms),
        ];
        for (to, ms) in times {
            *to = if ms == 0 { *to } else { ms };
        }
        if self.failback_ms == u64::MAX {
            options.failback_ms = 0;
        }
        if self.max_held_shares != 0 {
            options.max_held_shares = self.max_held_shares;
        }
        if self.min_extranonce_size != 0 {
            options.min_extranonce_size = self.min_extranonce_size;
        }
        options.upstream_limits = self.limits.with_usual_output(options.upstream_limits.max_output);
        Ok(options)
    }
}
