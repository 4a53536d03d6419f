//! What the engine tells its host.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::ConnectionId;
use crate::bitcoin::{Hash, Header};
use crate::clients::LogBound;
use crate::connection::ConnectionError;
use crate::template::{ConstraintKey, Level, MAX_BLOCK_WEIGHT};

/// Something the host must do, or may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A block was found: submit it before anything else. Comes before all other events.
    SubmitBlock(Solution),
    /// Clients wait for a template for this key on the present tip: build one, give it to
    /// [`Provider::template_ready`](super::Provider::template_ready), and go on giving better ones until
    /// [`Event::DropTemplate`].
    ///
    /// Comes right after solutions, so that the node begins before clients of other keys are written to. A host that cannot
    /// build beside its loop takes the next events first.
    WantTemplate {
        /// What the template must leave free.
        key: ConstraintKey,
    },
    /// No client needed templates for this key for [`ProviderOptions::key_linger_ms`](super::ProviderOptions), or its place is
    /// needed. Those already given are still in use: see
    /// [`Event::TemplateExpired`].
    DropTemplate {
        /// The key of a [`Event::WantTemplate`] before.
        key: ConstraintKey,
    },
    /// A template is no longer needed: the host may free what belongs to its handle. Does not come before
    /// [`Provider::submit_result`](super::Provider::submit_result) was called for each block found on it, or the block is the tip,
    /// or is one of too many to be remembered.
    TemplateExpired {
        /// The host's name for it.
        node_handle: u64,
        /// What [`Provider::template_ready`](super::Provider::template_ready) returned for it. In [`Event::SubmitBlock`] it may
        /// have another id, the one the client used; its handle is the same everywhere.
        template_id: u64,
    },
    /// Somebody wants the transactions of a template: answer with
    /// [`Provider::transactions_ready`](super::Provider::transactions_ready). Nobody else is held up meanwhile. It is asked once
    /// for each template, whatever ids clients know that by.
    WantTransactions {
        /// To be given back with the answer: what [`Provider::template_ready`](super::Provider::template_ready) returned.
        template_id: u64,
        /// The host's name for the template.
        node_handle: u64,
    },
    /// There are bytes in [`Provider::output`](super::Provider::output). Comes when there were none before, and again when
    /// [`Provider::sent`](super::Provider::sent) took some of them and left others.
    ///
    /// Clients that get a template, and have nothing else before it, come before all others and before all other events but
    /// solutions and [`Event::WantTemplate`]: whoever reads a long answer delays a new tip by no more than the piece that the
    /// host is just writing, if the host writes [`Provider::output`](super::Provider::output) once for each such event.
    Writable {
        /// The connection.
        connection: ConnectionId,
    },
    /// Close the socket. Until this comes, what the client sends is to be handed in, also if it is to be closed: a block may
    /// be in it. The engine has forgotten the connection; what could be sent to it was given out before.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A client is set up and has said what it needs; again whenever it changes that.
    ClientReady {
        /// The connection.
        connection: ConnectionId,
        /// The key whose templates it gets.
        key: ConstraintKey,
    },
    /// A SubmitSolution that is not submitted.
    SolutionRefused {
        /// The client that sent it.
        connection: ConnectionId,
        /// What it says to have solved.
        template_id: u64,
        /// Why it is not submitted.
        refusal: SolutionRefusal,
    },
    /// A block that was submitted is the tip: the node has accepted it. Comes once for each block.
    BlockAccepted {
        /// The block's hash.
        block_hash: Hash,
        /// The client that found it; it may have gone.
        connection: ConnectionId,
        /// The template it was found on, by the id that the client used.
        template_id: u64,
    },
    /// A line for the host's log. What comes from peers in it is escaped.
    Log {
        /// How much it matters.
        level: Level,
        /// The line, without a line break.
        text: String,
    },
}

/// A block found on a template, without the template's transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The client that found it.
    pub connection: ConnectionId,
    /// The template, by the id that the client used: see [`Event::TemplateExpired`].
    pub template_id: u64,
    /// The host's name for the template.
    pub node_handle: u64,
    /// The block's header: version, time and nonce from the client, prev_hash and nBits from the template, the merkle root
    /// reckoned from `coinbase_tx`. Its hash meets nBits. Whether the block is valid is for the node to judge.
    pub header: Header,
    /// The header's hash.
    pub block_hash: Hash,
    /// Whether the hash also meets the target that the client was told, which may be harder than nBits.
    pub meets_target: bool,
    /// The coinbase as it goes into the block. Whatever witness it came with: where the template commits to witnesses, it has
    /// that of spec 3.7.4, the witness reserved value of 32 zero bytes; elsewhere none.
    pub coinbase_tx: Vec<u8>,
}

/// Why a SubmitSolution is not submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolutionRefusal {
    /// The template was never given out, or its tip has been gone for too long.
    UnknownTemplate,
    /// The template is for the next height, and the block before it was not found yet.
    NotActive,
    /// The hash does not meet nBits: no network accepts it.
    HashAboveTarget {
        /// The header's hash.
        block_hash: Hash,
    },
    /// The same block was submitted before.
    Duplicate {
        /// The header's hash.
        block_hash: Hash,
    },
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The handshake failed or took too long, or what came was not authentic, too long or malformed.
    Connection(ConnectionError),
    /// A SetupConnection.Error was sent, with this error code.
    SetupRefused(&'static str),
    /// No SetupConnection in time.
    SetupTimeout,
    /// This message came before SetupConnection.
    BeforeSetup(&'static str),
    /// SetupConnection came twice.
    SecondSetup,
    /// No CoinbaseOutputConstraints in time.
    ConstraintsTimeout,
    /// The client wants more bytes of outputs than fit into a block.
    ConstraintsTooLarge {
        /// coinbase_output_max_additional_size.
        max_additional_size: u32,
    },
    /// The client changes its constraints again and again, or comes back to those it had when all clients have done so too
    /// often: [`ProviderOptions::max_constraints_per_tip`](super::ProviderOptions) and `max_reissued_ids`.
    TooManyConstraints,
    /// Too many different constraints are in use, or were new lately, and none of those in use fits the client's.
    TooManyKeys,
    /// Too many RequestTransactionData of the client are waiting.
    TooManyRequests,
    /// The client sends more messages than [`ProviderOptions::max_requests_per_second`](super::ProviderOptions) allows.
    TooManyMessages,
    /// The client does not read what it is sent: too much is waiting, or nothing was taken for
    /// [`ProviderOptions::stall_timeout_ms`](super::ProviderOptions).
    TooSlow,
    /// There was no place for another connection but that of this one, which was not served yet.
    GaveWay,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::SetupRefused(error_code) => write!(f, "the setup was refused: {error_code}"),
            Self::SetupTimeout => f.write_str("no SetupConnection in time"),
            Self::BeforeSetup(message) => write!(f, "{message} came before SetupConnection"),
            Self::SecondSetup => f.write_str("a second SetupConnection came"),
            Self::ConstraintsTimeout => f.write_str("no CoinbaseOutputConstraints in time"),
            Self::ConstraintsTooLarge { max_additional_size } => {
                write!(
                    f,
                    "{max_additional_size} bytes of coinbase outputs do not fit into {MAX_BLOCK_WEIGHT} weight units"
                )
            }
            Self::TooManyConstraints => f.write_str("CoinbaseOutputConstraints came too often"),
            Self::TooManyKeys => f.write_str("too many different CoinbaseOutputConstraints are in use"),
            Self::TooManyRequests => f.write_str("too many RequestTransactionData are waiting"),
            Self::TooManyMessages => f.write_str("too many messages came at once"),
            Self::GaveWay => f.write_str("it was not served yet and made room for another connection"),
            Self::TooSlow => f.write_str("it does not read what it is sent"),
        }
    }
}

/// The events that wait to be read: solutions first, then the templates that are asked for, so that the node begins, then clients
/// with a template to be sent, then all others in order.
///
/// What is in front is bounded by what the node does and how often keys may be new, so it holds up the rest only for a while.
#[derive(Debug, Default)]
pub(super) struct Events {
    solutions: VecDeque<Solution>,
    /// Templates that are wanted, and those that are not any more, in order.
    wants: VecDeque<Event>,
    in_front: VecDeque<ConnectionId>,
    queue: VecDeque<Event>,
    /// How many events that end with their connection wait for each.
    waiting: BTreeMap<ConnectionId, usize>,
    logs: LogBound,
}

impl Events {
    /// The next of all others.
    pub(super) fn next(&mut self) -> Option<Event> {
        let event = self.queue.pop_front();
        if let Some(id) = event.as_ref().and_then(connection_of) {
            self.uncount(id, 1);
        }
        match &event {
            Some(Event::Log { .. }) => self.logs.read(),
            None => return self.logs.left_out().map(|text| Event::Log { level: Level::Warning, text }),
            _ => {}
        }
        event
    }

    pub(super) fn next_solution(&mut self) -> Option<Solution> {
        self.solutions.pop_front()
    }

    /// The next template that is wanted, or not any more.
    pub(super) fn next_want(&mut self) -> Option<Event> {
        self.wants.pop_front()
    }

    /// The next client with a template to be sent. It is not taken out when it goes.
    pub(super) fn next_in_front(&mut self) -> Option<ConnectionId> {
        self.in_front.pop_front()
    }

    pub(super) fn push_in_front(&mut self, id: ConnectionId) {
        self.in_front.push_back(id);
    }

    pub(super) fn push(&mut self, event: Event) {
        if let Some(id) = connection_of(&event) {
            *self.waiting.entry(id).or_default() += 1;
        }
        match event {
            Event::WantTemplate { .. } | Event::DropTemplate { .. } => self.wants.push_back(event),
            _ => self.queue.push_back(event),
        }
    }

    pub(super) fn submit(&mut self, solution: Solution) {
        self.solutions.push_back(solution);
    }

    pub(super) fn log(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if self.logs.admit() {
            self.queue.push_back(Event::Log { level, text: alloc::fmt::format(text) });
        }
    }

    /// A template for `key` is no longer asked for.
    pub(super) fn cancel_want(&mut self, key: ConstraintKey) {
        self.wants.retain(|event| !matches!(event, Event::WantTemplate { key: wanted } if *wanted == key));
    }

    /// Transactions are no longer asked for.
    pub(super) fn cancel_want_transactions(&mut self) {
        self.queue.retain(|event| !matches!(event, Event::WantTransactions { .. }));
    }

    /// A connection is gone: nothing is to be done any more about it. Most have nothing waiting, and cost no search.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if self.waiting.remove(&id).is_some() {
            self.queue.retain(|event| connection_of(event) != Some(id));
        }
    }

    /// A connection is about to be closed: there is nothing to write to it.
    pub(super) fn cancel_writable(&mut self, id: ConnectionId) {
        let before = self.queue.len();
        self.queue.retain(|event| *event != Event::Writable { connection: id });
        self.uncount(id, before - self.queue.len());
    }

    fn uncount(&mut self, id: ConnectionId, n: usize) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        *waiting = waiting.saturating_sub(n);
        if *waiting == 0 {
            self.waiting.remove(&id);
        }
    }
}

/// The connection with which an event ends, if it is about a socket.
fn connection_of(event: &Event) -> Option<ConnectionId> {
    match event {
        Event::Writable { connection } | Event::Close { connection, .. } | Event::ClientReady { connection, .. } => {
            Some(*connection)
        }
        _ => None,
    }
}
