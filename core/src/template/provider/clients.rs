//! The clients, by the host's names for them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::ConnectionId;
use super::client::Client;

/// The clients.
///
/// A host names the same one several times in a row: in its output, in what was sent of that. And a new tip goes to all of
/// them in order. So the last one named is remembered, and only for one that is neither it nor the next is there a search.
#[derive(Default)]
pub(super) struct Clients {
    places: Vec<Option<Named>>,
    free: Vec<usize>,
    by_id: BTreeMap<ConnectionId, usize>,
    /// The place of the last one that was named.
    last: usize,
}

struct Named {
    id: ConnectionId,
    client: Box<Client>,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn contains_key(&self, id: &ConnectionId) -> bool {
        self.place_of(*id).is_some()
    }

    pub(super) fn get(&self, id: &ConnectionId) -> Option<&Client> {
        let named = self.places.get(self.place_of(*id)?)?;
        named.as_ref().map(|named| &*named.client)
    }

    pub(super) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Client> {
        self.last = self.place_of(*id)?;
        let named = self.places.get_mut(self.last)?;
        named.as_mut().map(|named| &mut *named.client)
    }

    /// Adds a client whose name is not in use.
    pub(super) fn insert(&mut self, id: ConnectionId, client: Client) {
        let named = Some(Named { id, client: Box::new(client) });
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(free) => *free = named,
            None => self.places.push(named),
        }
        self.by_id.insert(id, place);
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) -> Option<Client> {
        let place = self.by_id.remove(id)?;
        let named = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(*named.client)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Client> {
        self.places.iter().flatten().map(|named| &*named.client)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.iter_mut().map(|(_, client)| client)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Client)> {
        self.places.iter_mut().flatten().map(|named| (named.id, &mut *named.client))
    }

    fn place_of(&self, id: ConnectionId) -> Option<usize> {
        let is_at = |place: &usize| matches!(self.places.get(*place), Some(Some(named)) if named.id == id);
        [self.last, self.last + 1].into_iter().find(is_at).or_else(|| self.by_id.get(&id).copied())
    }
}
