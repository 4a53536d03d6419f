//! One miner's connection: how far it is with setting up.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Time;
use crate::clients::{Pace, Ticket};
use crate::connection::{Connection, Role};
use crate::message::{
    FLAG_REQUIRES_STANDARD_JOBS, FLAG_REQUIRES_VERSION_ROLLING, FLAG_REQUIRES_WORK_SELECTION, PROTOCOL_MINING,
    SUCCESS_FLAG_REQUIRES_FIXED_VERSION, SetupConnection, error_code,
};
use crate::mining::PROTOCOL_VERSION;
use crate::mining::server::{CloseReason, ServerOptions};

pub(super) struct Miner {
    pub(super) connection: Connection,
    pub(super) phase: Phase,
    pub(super) ticket: Ticket,
    pub(super) pace: Pace,
    /// Whether an [`Event::Writable`](crate::mining::proxy::Event::Writable) waits.
    pub(super) writable: bool,
    /// Whether it cannot process extended jobs (REQUIRES_STANDARD_JOBS).
    pub(super) standard_jobs: bool,
    /// The extensions it asked for and got.
    pub(super) extensions: Vec<u16>,
    /// The groups it was told of, and what each is upstream.
    pub(super) groups: Vec<Binding>,
    /// How many channels and groups it was given.
    ids_given: u32,
    /// How many channels it has.
    pub(super) channels: usize,
    /// How many channels it waits for.
    pub(super) requests: usize,
    /// Since when it takes nothing of what waits for it, in monotonic milliseconds.
    pub(super) unread_since: Option<u64>,
    /// The deadline under which it is in the list of deadlines.
    pub(super) listed_deadline: Option<u64>,
}

/// A group of channels, by the id that the miner knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) group_id: u32,
    /// What the present upstream calls it, if it has a channel in it.
    pub(super) upstream: Option<u32>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing but SetupConnection may come.
    Setup { deadline: u64 },
    /// It has no channel, and must open one in time.
    Idle { deadline: u64 },
    /// It has, or had, a channel.
    Mining,
    /// It is sent what is left, and then closed.
    Closing { deadline: u64, reason: CloseReason },
}

/// SetupConnection.Error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetupError {
    pub(super) flags: u32,
    pub(super) error_code: &'static str,
}

impl Miner {
    pub(super) fn new(options: &ServerOptions, ticket: Ticket, now: Time) -> Self {
        let mut connection = match &options.identity {
            Some(identity) => Connection::responder(Arc::clone(identity), options.limits),
            None => Connection::plain(Role::Server, options.limits),
        };
        // This starts the clock of the handshake; a connection without a byte cannot fail.
        let _ = connection.tick(now);
        Self {
            connection,
            phase: Phase::Setup { deadline: now.monotonic_ms.saturating_add(options.setup_timeout_ms) },
            ticket,
            pace: Pace::default(),
            writable: false,
            standard_jobs: false,
            extensions: Vec::new(),
            groups: Vec::new(),
            ids_given: 0,
            channels: 0,
            requests: 0,
            unread_since: None,
            listed_deadline: None,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    pub(super) fn is_set_up(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. } | Phase::Mining)
    }

    /// An id for a channel or a group, which share their names (spec 5.2.3).
    pub(super) fn give_id(&mut self) -> u32 {
        self.ids_given = self.ids_given.wrapping_add(1);
        self.ids_given
    }

    /// The group of a channel that the upstream has put into this one of its own.
    pub(super) fn group_for(&mut self, upstream: u32) -> u32 {
        if let Some(binding) = self.groups.iter().find(|binding| binding.upstream == Some(upstream)) {
            return binding.group_id;
        }
        if let Some(binding) = self.groups.iter_mut().find(|binding| binding.upstream.is_none()) {
            binding.upstream = Some(upstream);
            return binding.group_id;
        }
        let group_id = self.give_id();
        self.groups.push(Binding { group_id, upstream: Some(upstream) });
        group_id
    }

    /// A channel of this group is opened again by another upstream, in this group of its own.
    pub(super) fn bind_group(&mut self, group_id: u32, upstream: u32) {
        let free = self.groups.iter_mut().find(|binding| binding.group_id == group_id && binding.upstream.is_none());
        if let Some(binding) = free {
            binding.upstream = Some(upstream);
        }
    }

    /// When something must have happened, in monotonic milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let own = match self.phase {
            Phase::Closing { deadline, .. } => return Some(deadline),
            // Whether the channel it asked for can be opened is not for the miner to say.
            Phase::Idle { .. } if self.requests > 0 => None,
            Phase::Setup { deadline } | Phase::Idle { deadline } => Some(deadline),
            Phase::Mining => None,
        };
        [own, self.connection.next_deadline()].into_iter().flatten().min()
    }

    /// Why it is to be closed, if a deadline has passed or it has failed.
    pub(super) fn overdue(&mut self, now: Time) -> Option<CloseReason> {
        if let Phase::Closing { deadline, reason } = self.phase {
            return (deadline <= now.monotonic_ms).then_some(reason);
        }
        if let Err(error) = self.connection.tick(now) {
            return Some(CloseReason::Connection(error));
        }
        match self.phase {
            Phase::Setup { deadline } if deadline <= now.monotonic_ms => Some(CloseReason::SetupTimeout),
            Phase::Idle { deadline } if self.requests == 0 && deadline <= now.monotonic_ms => {
                Some(CloseReason::NoChannel)
            }
            _ => None,
        }
    }
}

/// What is wrong with a SetupConnection, if anything. `upstream_flags` are SetupConnection.Success.flags of the upstream.
pub(super) fn judge_setup(
    message: &SetupConnection<'_>,
    work_selection: bool,
    upstream_flags: u32,
) -> Result<(), SetupError> {
    if message.protocol != PROTOCOL_MINING {
        return Err(SetupError { flags: 0, error_code: error_code::UNSUPPORTED_PROTOCOL });
    }
    if !(message.min_version..=message.max_version).contains(&PROTOCOL_VERSION) {
        return Err(SetupError { flags: 0, error_code: error_code::PROTOCOL_VERSION_MISMATCH });
    }
    let is_version_fixed = upstream_flags & SUCCESS_FLAG_REQUIRES_FIXED_VERSION != 0;
    let rolling = if is_version_fixed { 0 } else { FLAG_REQUIRES_VERSION_ROLLING };
    let selection = if work_selection { FLAG_REQUIRES_WORK_SELECTION } else { 0 };
    let unsupported = message.flags & !(FLAG_REQUIRES_STANDARD_JOBS | rolling | selection);
    if unsupported != 0 {
        return Err(SetupError { flags: unsupported, error_code: error_code::UNSUPPORTED_FEATURE_FLAGS });
    }
    Ok(())
}
