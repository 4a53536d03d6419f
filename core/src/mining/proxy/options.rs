//! What the host decides once, when it makes a proxy.

use alloc::string::String;
use alloc::vec::Vec;

use super::UpstreamOptions;
use crate::connection::Limits;
use crate::message::{
    EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING, FLAG_REQUIRES_VERSION_ROLLING, FLAG_REQUIRES_WORK_SELECTION,
};
use crate::mining::server::ServerOptions;

/// What becomes of the miners' channels upstream (spec 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All miners share one extended channel of the upstream: its extranonce space is divided among them, their shares are
    /// judged here, and those that meet the upstream's target go up. Saves traffic; the upstream sees one miner.
    #[default]
    Aggregate,
    /// Each channel of a miner is a channel of the upstream, over one connection; the upstream judges. This is what the
    /// specification prefers.
    PassThrough,
}

/// Where a [`Proxy`](super::Proxy) takes work from and to whom it gives it. All times are in milliseconds.
///
/// Made by [`ProxyOptions::new`]; then any field can be changed.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// What becomes of the miners' channels.
    pub mode: Mode,
    /// The servers to take work from, the preferred one first; at least one.
    pub upstreams: Vec<UpstreamOptions>,
    /// The miners' side: keys, bounds, deadlines, and in aggregation their targets. In pass-through, what concerns targets and
    /// extranonces is the upstream's and not looked at.
    pub downstream: ServerOptions,
    /// SetupConnection.vendor to the upstream, at most 255 bytes, as the strings below.
    pub vendor: String,
    /// SetupConnection.hardware_version.
    pub hardware_version: String,
    /// SetupConnection.firmware.
    pub firmware: String,
    /// SetupConnection.device_id.
    pub device_id: String,
    /// Whether the upstream must allow the rolling of versions (REQUIRES_VERSION_ROLLING).
    pub requires_version_rolling: bool,
    /// Pass-through only: whether miners may bring their own work (REQUIRES_WORK_SELECTION), such as job declarator clients. Many
    /// pools open no standard channels then.
    pub work_selection: bool,
    /// The extensions to ask the upstream for.
    pub extensions: Vec<u16>,
    /// How long an upstream may take from the connection to SetupConnection.Success.
    pub setup_timeout_ms: u64,
    /// How long an upstream may take to answer RequestExtensions; one that says nothing knows no extensions.
    pub extensions_timeout_ms: u64,
    /// How long an upstream may take to answer a request for a channel.
    pub open_timeout_ms: u64,
    /// How long an upstream may say nothing while there are channels, before the next one is tried. 0: for ever.
    pub silence_timeout_ms: u64,
    /// How long after the last time an upstream is dialled again.
    pub retry_ms: u64,
    /// What that grows to while no upstream can be used.
    pub max_retry_ms: u64,
    /// How long a server that is not the first of `upstreams` is used before it is left and the preferred ones are tried again. It
    /// doubles with each time that this led to no work from the first one, up to 64 times as long. 0: never.
    pub failback_ms: u64,
    /// The least time between two UpdateChannel of a channel upstream (spec 5.3.7: once in a second), in aggregation.
    pub update_interval_ms: u64,
    /// How long the upstream channel stays open after the last miner has gone, in aggregation.
    pub linger_ms: u64,
    /// The least extranonce that is asked of the upstream, in bytes, in aggregation: what tells the miners apart, of
    /// [`ServerOptions::index_len`], and what they roll.
    pub min_extranonce_size: u16,
    /// Most shares that wait for an upstream's answer, or for an upstream: of all miners in aggregation, of each channel in
    /// pass-through. The oldest gives way.
    pub max_held_shares: usize,
    /// How long shares wait for an upstream that has the same work as the one that was lost.
    pub hold_ms: u64,
    /// Bounds of the connection to the upstream. `max_output` is what waits while it does not read.
    pub upstream_limits: Limits,
}

impl ProxyOptions {
    /// An aggregating proxy.
    #[must_use]
    pub fn new(upstreams: Vec<UpstreamOptions>, downstream: ServerOptions) -> Self {
        Self {
            mode: Mode::Aggregate,
            upstreams,
            downstream,
            vendor: String::new(),
            hardware_version: String::new(),
            firmware: String::new(),
            device_id: String::new(),
            requires_version_rolling: true,
            work_selection: false,
            extensions: alloc::vec![EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING],
            setup_timeout_ms: 30_000,
            extensions_timeout_ms: 1_000,
            open_timeout_ms: 30_000,
            silence_timeout_ms: 600_000,
            retry_ms: 1_000,
            max_retry_ms: 30_000,
            failback_ms: 600_000,
            update_interval_ms: 1_000,
            linger_ms: 10_000,
            min_extranonce_size: 8,
            max_held_shares: 256,
            hold_ms: 60_000,
            upstream_limits: Limits { max_output: 4 << 20, ..Limits::default() },
        }
    }

    /// SetupConnection.flags to the upstream. Standard jobs are never required: the proxy makes them of extended ones.
    pub(super) fn setup_flags(&self) -> u32 {
        let rolling = if self.requires_version_rolling { FLAG_REQUIRES_VERSION_ROLLING } else { 0 };
        let selection =
            if self.work_selection && self.mode == Mode::PassThrough { FLAG_REQUIRES_WORK_SELECTION } else { 0 };
        rolling | selection
    }
}
