//! Channels that are sent jobs together.

use alloc::vec::Vec;

/// A group channel (spec 5.2.3): the channels of one connection that mine the same, so that one message is for all of them.
/// Their full extranonces have the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChannel {
    group_channel_id: u32,
    full_extranonce_len: usize,
    /// In order.
    members: Vec<u32>,
}

impl GroupChannel {
    /// A group without channels, for full extranonces of this length in bytes.
    #[must_use]
    pub const fn new(group_channel_id: u32, full_extranonce_len: usize) -> Self {
        Self { group_channel_id, full_extranonce_len, members: Vec::new() }
    }

    /// Its number, which no channel of the connection has.
    #[must_use]
    pub const fn group_channel_id(&self) -> u32 {
        self.group_channel_id
    }

    /// Length of the full extranonces, in bytes.
    #[must_use]
    pub const fn full_extranonce_len(&self) -> usize {
        self.full_extranonce_len
    }

    /// All channels of the group get full extranonces of another length, in bytes, with the jobs to come.
    pub const fn set_full_extranonce_len(&mut self, len: usize) {
        self.full_extranonce_len = len;
    }

    /// Its channels, in order.
    #[must_use]
    pub fn members(&self) -> &[u32] {
        &self.members
    }

    /// Takes a channel in. False, and nothing is changed, if its full extranonce has not the length of the others, or it is
    /// there already.
    pub fn add(&mut self, channel_id: u32, full_extranonce_len: usize) -> bool {
        match self.members.binary_search(&channel_id) {
            Err(place) if full_extranonce_len == self.full_extranonce_len => {
                self.members.insert(place, channel_id);
                true
            }
            _ => false,
        }
    }

    /// Takes a channel out, if it is there.
    pub fn remove(&mut self, channel_id: u32) -> bool {
        let place = self.members.binary_search(&channel_id);
        if let Ok(place) = place {
            self.members.remove(place);
        }
        place.is_ok()
    }
}
