//! Who is let in, and who gives way: connections that are not served yet, and what comes from each address.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::keys::is_large;
use super::pace::{Pace, Rate, to_us};
use super::{ConnectionId, ProviderError, ProviderOptions};
use crate::Time;
use crate::template::ConstraintKey;

/// How many addresses without a connection are remembered for what they did in the last minute. A flood from more of them is
/// bounded by the number of connections alone.
const MAX_REMEMBERED: usize = 4_096;

/// How far a connection is, from those that give way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Not set up.
    Handshake,
    /// Set up and without templates, or about to be closed.
    Idle,
    /// It gets templates, and gives way to nobody.
    Served,
}

/// Where a connection came from, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// In which order connections came.
    arrival: u64,
    /// `None`: it is not counted.
    origin: Option<Origin>,
}

impl Ticket {
    /// Whether both came from the same address, and it counts.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        self.origin.is_some() && self.origin == other.origin
    }
}

/// What is counted as one address. Whoever has an IPv6 address has all of its /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    V4([u8; 4]),
    V6Prefix([u16; 4]),
}

impl Origin {
    /// `None` if the address is not to be counted.
    fn new(address: IpAddr, options: &ProviderOptions) -> Option<Self> {
        // An IPv4 address is itself also if it is written as an IPv6 address.
        let address = address.to_canonical();
        if options.exempt_loopback && address.is_loopback() {
            return None;
        }
        Some(match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6Prefix([a, b, c, d])
            }
        })
    }
}

/// What comes from one address.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    clients: usize,
    handshakes: usize,
    connects: Pace,
    /// The keys that were new with its clients.
    keys: Pace,
}

impl Account {
    /// From when on there is nothing to remember of it, in monotonic microseconds.
    fn paid_at(&self) -> u64 {
        self.connects.paid_at().max(self.keys.paid_at())
    }
}

/// The connections that can give way, and the addresses.
#[derive(Debug, Default)]
pub(super) struct Admission {
    arrivals: u64,
    /// Those not served, in the order in which they give way: by stage, and from the oldest.
    waiting: BTreeSet<(Stage, u64, ConnectionId)>,
    handshakes: usize,
    /// The keys that were new, and those of them that are large, so that whoever uses these up leaves the others.
    usual_keys: Pace,
    large_keys: Pace,
    accounts: BTreeMap<Origin, Account>,
    /// The accounts without a client, by when there will be nothing to remember of them, in monotonic microseconds.
    idle: BTreeSet<(u64, Origin)>,
}

impl Admission {
    /// Lets one more connection in, and says which one must go for it.
    pub(super) fn admit(
        &mut self,
        id: ConnectionId,
        address: Option<IpAddr>,
        clients: usize,
        options: &ProviderOptions,
        now: Time,
    ) -> Result<(Ticket, Option<ConnectionId>), ProviderError> {
        self.forget_idle(now);
        let gives_way = match self.waiting.first() {
            Some((Stage::Handshake, _, id)) if self.handshakes >= options.max_handshakes => Some(*id),
            Some((_, _, id)) if clients >= options.max_clients => Some(*id),
            _ if clients >= options.max_clients || options.max_handshakes == 0 => {
                return Err(ProviderError::TooManyClients);
            }
            _ => None,
        };
        let origin = address.and_then(|address| Origin::new(address, options));
        if let Some(origin) = origin {
            self.debit(origin, options, now)?;
        }
        self.arrivals += 1;
        let ticket = Ticket { arrival: self.arrivals, origin };
        self.count(id, ticket, Stage::Handshake);
        Ok((ticket, gives_way))
    }

    /// One more connection of an address, if it may have more. Nothing is changed if not.
    fn debit(&mut self, origin: Origin, options: &ProviderOptions, now: Time) -> Result<(), ProviderError> {
        let per_minute = options.max_connections_per_minute;
        let rate = Rate::new(per_minute, 60_000, per_minute);
        let mut account = self.accounts.get(&origin).copied().unwrap_or_default();
        let before = account.paid_at();
        if account.clients >= options.max_clients_per_address
            || account.handshakes >= options.max_handshakes_per_address
            || !account.connects.take(rate, now)
        {
            return Err(ProviderError::TooManyFromAddress);
        }
        account.clients += 1;
        self.idle.remove(&(before, origin));
        self.accounts.insert(origin, account);
        Ok(())
    }

    /// A client's key is new, and costs the node a template: whether its address, and all together, may have one more. Nothing is
    /// changed if not.
    pub(super) fn take_key(
        &mut self,
        key: &ConstraintKey,
        ticket: Ticket,
        options: &ProviderOptions,
        now: Time,
    ) -> bool {
        let max_keys = u32::try_from(options.max_keys).unwrap_or(u32::MAX);
        let in_all = options.max_new_keys_per_minute;
        let each = options.max_new_keys_per_minute_per_address;
        let all = if is_large(key) { &mut self.large_keys } else { &mut self.usual_keys };
        let mut all_then = *all;
        // All places can be taken at once: after a restart clients come back together.
        if !all_then.take(Rate::new(in_all, 60_000, in_all.max(max_keys)), now) {
            return false;
        }
        if let Some(account) = ticket.origin.and_then(|origin| self.accounts.get_mut(&origin)) {
            if !account.keys.take(Rate::new(each, 60_000, each), now) {
                return false;
            }
        }
        *all = all_then;
        true
    }

    /// A connection comes to another stage.
    pub(super) fn moved(&mut self, id: ConnectionId, ticket: Ticket, from: Stage, to: Stage) {
        if from != to {
            self.uncount(id, ticket, from);
            self.count(id, ticket, to);
        }
    }

    /// A connection is gone.
    pub(super) fn left(&mut self, id: ConnectionId, ticket: Ticket, stage: Stage) {
        self.uncount(id, ticket, stage);
        let Some((origin, account)) = self.account(ticket) else { return };
        account.clients = account.clients.saturating_sub(1);
        let paid_at = account.paid_at();
        if account.clients == 0 {
            self.rest(origin, paid_at);
        }
    }

    fn count(&mut self, id: ConnectionId, ticket: Ticket, stage: Stage) {
        if stage != Stage::Served {
            self.waiting.insert((stage, ticket.arrival, id));
        }
        if stage == Stage::Handshake {
            self.handshakes += 1;
            if let Some((_, account)) = self.account(ticket) {
                account.handshakes += 1;
            }
        }
    }

    fn uncount(&mut self, id: ConnectionId, ticket: Ticket, stage: Stage) {
        self.waiting.remove(&(stage, ticket.arrival, id));
        if stage == Stage::Handshake {
            self.handshakes = self.handshakes.saturating_sub(1);
            if let Some((_, account)) = self.account(ticket) {
                account.handshakes = account.handshakes.saturating_sub(1);
            }
        }
    }

    fn account(&mut self, ticket: Ticket) -> Option<(Origin, &mut Account)> {
        let origin = ticket.origin?;
        Some((origin, self.accounts.get_mut(&origin)?))
    }

    /// An account has no client. Of too many, the one with the least to remember is forgotten.
    fn rest(&mut self, origin: Origin, paid_at: u64) {
        self.idle.insert((paid_at, origin));
        if self.idle.len() > MAX_REMEMBERED {
            if let Some((_, origin)) = self.idle.pop_first() {
                self.accounts.remove(&origin);
            }
        }
    }

    /// Forgets the addresses of which there is nothing to remember.
    fn forget_idle(&mut self, now: Time) {
        while let Some((paid_at, origin)) = self.idle.first().copied() {
            if paid_at > to_us(now.monotonic_ms) {
                return;
            }
            self.idle.pop_first();
            self.accounts.remove(&origin);
        }
    }
}
