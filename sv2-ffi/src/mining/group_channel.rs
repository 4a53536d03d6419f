//! Channels that are sent jobs together.

use sv2_core::mining::MAX_EXTRANONCE_LEN;
use sv2_core::mining::channel::GroupChannel;

use crate::boundary::{Object, enter, enter_status, fenced, free, hand_out};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_ERROR_STATE, SV2_NOT_FOUND, SV2_OK, sv2_status, sv2_u32_list};

/// A group channel (spec 5.2.3), on the server's side: the channels of one connection that mine the same, so that one
/// NewExtendedMiningJob or SetNewPrevHash, sent to its number, is for all of them. Their full extranonces have the same length.
pub struct sv2_group_channel {
    poisoned: bool,
    inner: GroupChannel,
}

impl Object for sv2_group_channel {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes a group without channels, for full extranonces of `full_extranonce_len` bytes, at most 32; free it with
/// sv2_group_channel_free. No channel of the connection may have the number `group_channel_id`.
///
/// Returns SV2_ERROR_ARGUMENT for a greater length.
///
/// # Safety
/// `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_new(
    group_channel_id: u32,
    full_extranonce_len: usize,
    out: *mut *mut sv2_group_channel,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        if full_extranonce_len > MAX_EXTRANONCE_LEN {
            return SV2_ERROR_ARGUMENT;
        }
        let inner = GroupChannel::new(group_channel_id, full_extranonce_len);
        unsafe { hand_out(out, sv2_group_channel { poisoned: false, inner }) }
    })
}

/// The group's number. 0 if `group` is NULL or unusable.
///
/// # Safety
/// `group` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_id(group: *mut sv2_group_channel) -> u32 {
    unsafe { enter(group, 0, 0, |this| this.inner.group_channel_id()) }
}

/// Length of the full extranonces, in bytes. 0 if `group` is NULL or unusable.
///
/// # Safety
/// `group` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_full_extranonce_len(group: *mut sv2_group_channel) -> usize {
    unsafe { enter(group, 0, 0, |this| this.inner.full_extranonce_len()) }
}

/// All channels of the group get full extranonces of another length, in bytes, with the jobs to come: each was given a prefix of
/// another length by sv2_server_channel_set_extranonce_prefix.
///
/// Returns SV2_ERROR_ARGUMENT if it is more than 32.
///
/// # Safety
/// `group` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_set_full_extranonce_len(
    group: *mut sv2_group_channel,
    full_extranonce_len: usize,
) -> sv2_status {
    let body = |this: &mut sv2_group_channel| {
        if full_extranonce_len > MAX_EXTRANONCE_LEN {
            return SV2_ERROR_ARGUMENT;
        }
        this.inner.set_full_extranonce_len(full_extranonce_len);
        SV2_OK
    };
    unsafe { enter_status(group, body) }
}

/// Takes a channel in, whose full extranonce, prefix and what is rolled, has `full_extranonce_len` bytes.
///
/// Returns SV2_ERROR_ARGUMENT if that is not the length of the others, and SV2_ERROR_STATE if the channel is there already.
///
/// # Safety
/// `group` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_add(
    group: *mut sv2_group_channel,
    channel_id: u32,
    full_extranonce_len: usize,
) -> sv2_status {
    let body = |this: &mut sv2_group_channel| {
        if full_extranonce_len != this.inner.full_extranonce_len() {
            return SV2_ERROR_ARGUMENT;
        }
        if this.inner.add(channel_id, full_extranonce_len) { SV2_OK } else { SV2_ERROR_STATE }
    };
    unsafe { enter_status(group, body) }
}

/// Takes a channel out. Returns SV2_NOT_FOUND if it is not there.
///
/// # Safety
/// `group` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_remove(group: *mut sv2_group_channel, channel_id: u32) -> sv2_status {
    let body = |this: &mut sv2_group_channel| if this.inner.remove(channel_id) { SV2_OK } else { SV2_NOT_FOUND };
    unsafe { enter_status(group, body) }
}

/// The numbers of its channels, in order. Valid until a channel is added or removed, or the group freed. {NULL, 0} if `group` is
/// NULL or unusable.
///
/// # Safety
/// `group` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_members(group: *mut sv2_group_channel) -> sv2_u32_list {
    const NONE: sv2_u32_list = sv2_u32_list { items: std::ptr::null(), count: 0 };
    let body = |this: &mut sv2_group_channel| match this.inner.members() {
        [] => NONE,
        members => sv2_u32_list { items: members.as_ptr(), count: members.len() },
    };
    unsafe { enter(group, NONE, NONE, body) }
}

/// Frees a group; NULL is nothing to free.
///
/// # Safety
/// `group` is live or NULL, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_group_channel_free(group: *mut sv2_group_channel) {
    unsafe { free(group) }
}
