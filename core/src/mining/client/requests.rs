//! Requests that wait for an answer of the server.

use alloc::vec::Vec;

use crate::bitcoin::{Hash, ShortBytes};
use crate::message::TLV_USER_IDENTITY_MAX_LEN;

/// Most that wait at a time, besides one for each channel.
const MAX_CUSTOM_JOBS: usize = 8;

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) request_id: u32,
    pub(super) wish: Wish,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    Channel {
        kind: Opening,
        /// What shares of the channel are counted for if nothing else is said.
        worker: ShortBytes<TLV_USER_IDENTITY_MAX_LEN>,
        deadline: u64,
    },
    CustomJob {
        channel_id: u32,
        version: u32,
        min_ntime: u32,
        prev_hash: Hash,
    },
}

/// The kind of a channel that does not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Standard,
    Extended,
}

#[derive(Debug)]
pub(super) struct Requests {
    waiting: Vec<Request>,
    max_channels: usize,
    next_request_id: u32,
}

impl Requests {
    pub(super) fn new(max_channels: usize) -> Self {
        Self { waiting: Vec::new(), max_channels, next_request_id: 1 }
    }

    /// Memory for all that can wait. False if there is not so much.
    pub(super) fn reserve(&mut self) -> bool {
        self.waiting.try_reserve_exact(self.max_channels.saturating_add(MAX_CUSTOM_JOBS)).is_ok()
    }

    pub(super) const fn next_request_id(&self) -> u32 {
        self.next_request_id
    }

    /// How many channels were asked for.
    pub(super) fn channels(&self) -> usize {
        self.waiting.iter().filter(|request| matches!(request.wish, Wish::Channel { .. })).count()
    }

    pub(super) fn has_room_for_custom_job(&self) -> bool {
        self.waiting.len() - self.channels() < MAX_CUSTOM_JOBS
    }

    /// A request with [`Requests::next_request_id`] was sent.
    pub(super) fn push(&mut self, wish: Wish) -> u32 {
        let request_id = self.next_request_id;
        self.waiting.push(Request { request_id, wish });
        self.next_request_id = request_id.wrapping_add(1);
        request_id
    }

    pub(super) fn take(&mut self, request_id: u32, is_wanted: impl Fn(&Wish) -> bool) -> Option<Wish> {
        let is_meant = |request: &Request| request.request_id == request_id && is_wanted(&request.wish);
        let place = self.waiting.iter().position(is_meant)?;
        Some(self.waiting.swap_remove(place).wish)
    }

    /// By when the next answer to a request for a channel must have come, in monotonic milliseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let deadline_of = |request: &Request| match request.wish {
            Wish::Channel { deadline, .. } => Some(deadline),
            Wish::CustomJob { .. } => None,
        };
        self.waiting.iter().filter_map(deadline_of).min()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}
