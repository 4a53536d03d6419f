//! The clients, by the host's names for them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::ConnectionId;

/// The clients.
///
/// A host names the same one several times in a row: in its output, in what was sent of that. And a new tip goes to all of
/// them in order. So the last one named is remembered, and only for one that is neither it nor the next is there a search.
pub(crate) struct Clients<C> {
    places: Vec<Option<Named<C>>>,
    free: Vec<usize>,
    by_id: BTreeMap<ConnectionId, usize>,
    /// The place of the last one that was named.
    last: usize,
}

struct Named<C> {
    id: ConnectionId,
    client: Box<C>,
}

impl<C> Default for Clients<C> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), by_id: BTreeMap::new(), last: 0 }
    }
}

impl<C> Clients<C> {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn contains_key(&self, id: &ConnectionId) -> bool {
        self.place_of(*id).is_some()
    }

    pub(crate) fn get(&self, id: &ConnectionId) -> Option<&C> {
        let named = self.places.get(self.place_of(*id)?)?;
        named.as_ref().map(|named| &*named.client)
    }

    pub(crate) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut C> {
        self.last = self.place_of(*id)?;
        let named = self.places.get_mut(self.last)?;
        named.as_mut().map(|named| &mut *named.client)
    }

    /// Adds a client whose name is not in use.
    pub(crate) fn insert(&mut self, id: ConnectionId, client: C) {
        let named = Some(Named { id, client: Box::new(client) });
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(free) => *free = named,
            None => self.places.push(named),
        }
        self.by_id.insert(id, place);
    }

    pub(crate) fn remove(&mut self, id: &ConnectionId) -> Option<C> {
        let place = self.by_id.remove(id)?;
        let named = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        Some(*named.client)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &C> {
        self.places.iter().flatten().map(|named| &*named.client)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.iter_mut().map(|(_, client)| client)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut C)> {
        self.places.iter_mut().flatten().map(|named| (named.id, &mut *named.client))
    }

    fn place_of(&self, id: ConnectionId) -> Option<usize> {
        let is_at = |place: &usize| matches!(self.places.get(*place), Some(Some(named)) if named.id == id);
        [self.last, self.last + 1].into_iter().find(is_at).or_else(|| self.by_id.get(&id).copied())
    }
}
