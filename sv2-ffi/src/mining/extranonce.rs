//! The allocator of extranonces.

use sv2_core::mining::extranonce::{ExtranonceAllocator, ExtranonceError, ExtranonceLayout, ExtranoncePrefix};

use crate::boundary::{Object, enter, enter_status, fenced, free, hand_out};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_ERROR_TOO_MANY, SV2_NOT_FOUND, SV2_OK, sv2_bytes, sv2_status};

/// Gives each channel a part of the search space of its own, so that no two channels ever do the same work.
///
/// A full extranonce is: upstream prefix, server id, index, rollable part. The index is what is given away. That of a closed channel
/// is in quarantine as long as there are jobs that it could be used with, since both channels would be paid for the same shares.
pub struct sv2_extranonce_allocator {
    poisoned: bool,
    inner: ExtranonceAllocator,
}

impl Object for sv2_extranonce_allocator {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// The parts of a full extranonce, in their order: 32 bytes at most together.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_extranonce_layout {
    /// What the server upstream prescribes; empty without one. It is copied.
    pub upstream_prefix: sv2_bytes,
    /// What tells servers apart that have the same work; empty if there is but one. It is copied.
    pub server_id: sv2_bytes,
    /// Bytes of the index, 1 to 4: there can be 256^index_len channels at a time.
    pub index_len: usize,
    /// Bytes that are left to the miner of an extended channel.
    pub rollable_len: usize,
}

/// The part of the search space that belongs to one channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_extranonce_prefix {
    /// The full extranonce, the rollable part and what follows being zero.
    pub bytes: [u8; 32],
    /// The number that it is released by.
    pub index: u32,
    /// So many bytes are the extranonce_prefix of an extended channel.
    pub prefix_len: u8,
    /// So many are that of a standard channel: the length of the full extranonce.
    pub full_len: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

impl From<ExtranoncePrefix> for sv2_extranonce_prefix {
    fn from(prefix: ExtranoncePrefix) -> Self {
        let mut bytes = [0; 32];
        for (free, byte) in bytes.iter_mut().zip(prefix.standard()) {
            *free = *byte;
        }
        // Both lengths are at most 32.
        let (prefix_len, full_len) = (prefix.extended().len() as u8, prefix.standard().len() as u8);
        Self { bytes, index: prefix.index(), prefix_len, full_len, reserved: [0; 2] }
    }
}

/// Makes an allocator with all indices free; free it with sv2_extranonce_allocator_free.
///
/// Returns SV2_ERROR_ARGUMENT if the parts are longer than 32 bytes together, or index_len is not 1 to 4.
///
/// # Safety
/// `layout` and what it points to are readable; `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_new(
    layout: *const sv2_extranonce_layout,
    out: *mut *mut sv2_extranonce_allocator,
) -> sv2_status {
    let Some(layout) = (unsafe { layout.as_ref() }) else { return SV2_ERROR_NULL };
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let layout = ExtranonceLayout {
            upstream_prefix: unsafe { layout.upstream_prefix.as_slice() },
            server_id: unsafe { layout.server_id.as_slice() },
            index_len: layout.index_len,
            rollable_len: layout.rollable_len,
        };
        match ExtranonceAllocator::new(layout) {
            Ok(inner) => unsafe { hand_out(out, sv2_extranonce_allocator { poisoned: false, inner }) },
            Err(error) => status_of(error),
        }
    })
}

/// A prefix that no other channel has, and none had whose work could still be paid, into `*prefix`.
///
/// Returns SV2_ERROR_TOO_MANY if there is none left.
///
/// # Safety
/// `allocator` is live, `prefix` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_allocate(
    allocator: *mut sv2_extranonce_allocator,
    prefix: *mut sv2_extranonce_prefix,
) -> sv2_status {
    if prefix.is_null() {
        return SV2_ERROR_NULL;
    }
    unsafe { enter_status(allocator, |this| give(this.inner.allocate(), prefix)) }
}

/// The present prefix of an index that is in use, into `*prefix`: another one after sv2_extranonce_allocator_set_upstream_prefix or
/// _set_server_id. Returns SV2_NOT_FOUND if the index is not in use.
///
/// # Safety
/// `allocator` is live, `prefix` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_prefix(
    allocator: *mut sv2_extranonce_allocator,
    index: u32,
    prefix: *mut sv2_extranonce_prefix,
) -> sv2_status {
    if prefix.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_extranonce_allocator| {
        let found = this.inner.prefix(index).ok_or(ExtranonceError::NotInUse);
        unsafe { give(found, prefix) }
    };
    unsafe { enter_status(allocator, body) }
}

/// Takes back the index of a channel that was closed in `epoch`. It is in quarantine until sv2_extranonce_allocator_reclaim says that
/// no job of that epoch is alive.
///
/// An epoch is what the caller counts: usually the tips, since a new tip ends all jobs before it. One that is lower than an earlier
/// one is taken for that. Returns SV2_NOT_FOUND if the index is not in use.
///
/// # Safety
/// `allocator` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_release(
    allocator: *mut sv2_extranonce_allocator,
    index: u32,
    epoch: u64,
) -> sv2_status {
    let body = |this: &mut sv2_extranonce_allocator| {
        let prefix = this.inner.prefix(index).ok_or(ExtranonceError::NotInUse);
        done(prefix.and_then(|prefix| this.inner.release(prefix, epoch)))
    };
    unsafe { enter_status(allocator, body) }
}

/// Frees what was released before `oldest_live_epoch`, the earliest epoch that a live job is from.
///
/// # Safety
/// `allocator` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_reclaim(
    allocator: *mut sv2_extranonce_allocator,
    oldest_live_epoch: u64,
) -> sv2_status {
    let body = |this: &mut sv2_extranonce_allocator| {
        this.inner.reclaim(oldest_live_epoch);
        SV2_OK
    };
    unsafe { enter_status(allocator, body) }
}

/// Follows the server upstream to another prefix, which is copied. Indices stay what they are; sv2_extranonce_allocator_prefix
/// gives each channel its new prefix. If its length is another one, the full extranonce has another one too, unless the server id
/// is changed to keep it.
///
/// Returns SV2_ERROR_ARGUMENT if the parts would be longer than 32 bytes together; nothing is changed then.
///
/// # Safety
/// `allocator` is live, `upstream_prefix` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_set_upstream_prefix(
    allocator: *mut sv2_extranonce_allocator,
    upstream_prefix: sv2_bytes,
) -> sv2_status {
    let bytes = unsafe { upstream_prefix.as_slice() };
    unsafe { enter_status(allocator, |this| done(this.inner.set_upstream_prefix(bytes))) }
}

/// Changes the server id, under the rules of sv2_extranonce_allocator_set_upstream_prefix.
///
/// # Safety
/// `allocator` is live, `server_id` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_set_server_id(
    allocator: *mut sv2_extranonce_allocator,
    server_id: sv2_bytes,
) -> sv2_status {
    let bytes = unsafe { server_id.as_slice() };
    unsafe { enter_status(allocator, |this| done(this.inner.set_server_id(bytes))) }
}

/// How many indices are in use. 0 if `allocator` is NULL or unusable.
///
/// # Safety
/// `allocator` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_used(allocator: *mut sv2_extranonce_allocator) -> usize {
    unsafe { enter(allocator, 0, 0, |this| this.inner.used()) }
}

/// How many indices are in quarantine. 0 if `allocator` is NULL or unusable.
///
/// # Safety
/// `allocator` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_quarantined(allocator: *mut sv2_extranonce_allocator) -> usize {
    unsafe { enter(allocator, 0, 0, |this| this.inner.quarantined()) }
}

/// Frees an allocator; NULL is nothing to free.
///
/// # Safety
/// `allocator` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_extranonce_allocator_free(allocator: *mut sv2_extranonce_allocator) {
    unsafe { free(allocator) }
}

/// # Safety
/// `to` is valid for writing.
unsafe fn give(prefix: Result<ExtranoncePrefix, ExtranonceError>, to: *mut sv2_extranonce_prefix) -> sv2_status {
    done(prefix.map(|prefix| unsafe { to.write(prefix.into()) }))
}

fn done(result: Result<(), ExtranonceError>) -> sv2_status {
    result.map_or_else(status_of, |()| SV2_OK)
}

fn status_of(error: ExtranonceError) -> sv2_status {
    match error {
        ExtranonceError::Exhausted => SV2_ERROR_TOO_MANY,
        ExtranonceError::NotInUse => SV2_NOT_FOUND,
        _ => SV2_ERROR_ARGUMENT,
    }
}
