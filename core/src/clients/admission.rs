//! Who is let in, and who gives way: connections that are not served yet, and what comes from each address.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::ConnectionId;
use super::pace::{Pace, Rate, to_us};
use crate::Time;

/// How many addresses without a connection are remembered for what they did in the last minute. A flood from more of them is
/// bounded by the number of connections alone.
const MAX_REMEMBERED: usize = 4_096;

/// How far a connection is, from those that give way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Not set up.
    Handshake,
    /// Set up and without anything to work on, or about to be closed.
    Idle,
    /// It gets what it came for, and gives way to nobody.
    Served,
}

/// How many are let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionLimits {
    /// Most connections at once.
    pub(crate) max_clients: usize,
    /// Most of them that are not set up.
    pub(crate) max_handshakes: usize,
    /// Most at once from one address.
    pub(crate) max_clients_per_address: usize,
    /// Most of those that are not set up.
    pub(crate) max_handshakes_per_address: usize,
    /// How many times one address may connect in a minute; also so often at once.
    pub(crate) max_connections_per_minute: u32,
    /// Connections from this machine do not count for their address.
    pub(crate) exempt_loopback: bool,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All places are taken by clients that are served.
    InAll,
    /// From this address come too many.
    ForAddress,
}

/// Where a connection came from, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// In which order connections came.
    arrival: u64,
    /// `None`: it is not counted.
    origin: Option<Origin>,
}

impl Ticket {
    /// Whether both came from the same address, and it counts.
    pub(crate) fn is_near(&self, other: &Self) -> bool {
        self.origin.is_some() && self.origin == other.origin
    }
}

/// What is counted as one address. Whoever has an IPv6 address has all of its /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    V4([u8; 4]),
    V6Prefix([u16; 4]),
}

impl Origin {
    /// `None` if the address is not to be counted.
    fn new(address: IpAddr, limits: &AdmissionLimits) -> Option<Self> {
        // An IPv4 address is itself also if it is written as an IPv6 address.
        let address = address.to_canonical();
        if limits.exempt_loopback && address.is_loopback() {
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
    /// What else its clients did, as the subprotocol counts it.
    costs: Pace,
}

impl Account {
    /// From when on there is nothing to remember of it, in monotonic microseconds.
    fn paid_at(&self) -> u64 {
        self.connects.paid_at().max(self.costs.paid_at())
    }
}

/// The connections that can give way, and the addresses.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    arrivals: u64,
    /// Those not served, in the order in which they give way: by stage, and from the oldest.
    waiting: BTreeSet<(Stage, u64, ConnectionId)>,
    handshakes: usize,
    accounts: BTreeMap<Origin, Account>,
    /// The accounts without a client, by when there will be nothing to remember of them, in monotonic microseconds.
    idle: BTreeSet<(u64, Origin)>,
}

impl Admission {
    /// Lets one more connection in, and says which one must go for it.
    pub(crate) fn admit(
        &mut self,
        id: ConnectionId,
        address: Option<IpAddr>,
        clients: usize,
        limits: &AdmissionLimits,
        now: Time,
    ) -> Result<(Ticket, Option<ConnectionId>), NoPlace> {
        self.forget_idle(now);
        let gives_way = match self.waiting.first() {
            Some((Stage::Handshake, _, id)) if self.handshakes >= limits.max_handshakes => Some(*id),
            Some((_, _, id)) if clients >= limits.max_clients => Some(*id),
            _ if clients >= limits.max_clients || limits.max_handshakes == 0 => return Err(NoPlace::InAll),
            _ => None,
        };
        let origin = address.and_then(|address| Origin::new(address, limits));
        if let Some(origin) = origin {
            self.debit(origin, limits, now)?;
        }
        self.arrivals += 1;
        let ticket = Ticket { arrival: self.arrivals, origin };
        self.count(id, ticket, Stage::Handshake);
        Ok((ticket, gives_way))
    }

    /// One more connection of an address, if it may have more. Nothing is changed if not.
    fn debit(&mut self, origin: Origin, limits: &AdmissionLimits, now: Time) -> Result<(), NoPlace> {
        let per_minute = limits.max_connections_per_minute;
        let rate = Rate::new(per_minute, 60_000, per_minute);
        let mut account = self.accounts.get(&origin).copied().unwrap_or_default();
        let before = account.paid_at();
        if account.clients >= limits.max_clients_per_address
            || account.handshakes >= limits.max_handshakes_per_address
            || !account.connects.take(rate, now)
        {
            return Err(NoPlace::ForAddress);
        }
        account.clients += 1;
        self.idle.remove(&(before, origin));
        self.accounts.insert(origin, account);
        Ok(())
    }

    /// A client does something that costs more than others: whether its address may have it done once more. What is not counted
    /// for an address may.
    pub(crate) fn take_cost(&mut self, ticket: Ticket, rate: Rate, now: Time) -> bool {
        self.account(ticket).is_none_or(|(_, account)| account.costs.take(rate, now))
    }

    /// A connection comes to another stage.
    pub(crate) fn moved(&mut self, id: ConnectionId, ticket: Ticket, from: Stage, to: Stage) {
        if from != to {
            self.uncount(id, ticket, from);
            self.count(id, ticket, to);
        }
    }

    /// A connection is gone.
    pub(crate) fn left(&mut self, id: ConnectionId, ticket: Ticket, stage: Stage) {
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
