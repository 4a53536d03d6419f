//! Variable difficulty.

use sv2_core::mining::vardiff::{Vardiff, VardiffOptions};

use crate::boundary::{Object, enter, enter_status, fenced, free, hand_out};
use crate::options::{Options, read_options};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_NULL, SV2_NO_EVENT, SV2_OK, sv2_status, sv2_time};

/// Finds out how fast one channel really mines, from the work in its accepted shares, and says when its target should follow.
///
/// After each share, and every second or so, ask sv2_vardiff_decide. When it says so, make a target with sv2_target_from_hashrate,
/// bound it by the client's max_target, and send it. A hashrate that is off by a factor of a thousand is found within
/// minutes; a steady miner is left alone.
pub struct sv2_vardiff {
    poisoned: bool,
    inner: Vardiff,
}

impl Object for sv2_vardiff {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// What channels are held to. A zero means the usual value, which is given with each member. Initialise with
/// SV2_VARDIFF_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_vardiff_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// How many shares a channel should find in a minute, 0.001 to 60,000: 6.
    pub shares_per_minute: f32,
    /// The lowest hashrate that a channel is taken to have, in hashes per second, also if it is silent: 1,000,000. At least 1.
    pub min_hashrate: f32,
}

// All members are numbers; zero means: as usual.
unsafe impl Options for sv2_vardiff_options {}

/// For a channel whose target is made from `hashrate`, in hashes per second: what its client said. What is below the minimum, or no
/// number, is taken for the minimum. Free it with sv2_vardiff_free.
///
/// Returns SV2_ERROR_ARGUMENT if an option is out of its range.
///
/// # Safety
/// `options` is readable, `out` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_new(
    options: *const sv2_vardiff_options,
    hashrate: f64,
    now: sv2_time,
    out: *mut *mut sv2_vardiff,
) -> sv2_status {
    if out.is_null() {
        return SV2_ERROR_NULL;
    }
    fenced(|| {
        let read = match unsafe { read_options(options) } {
            Ok(read) => read,
            Err(status) => return status,
        };
        let mut options = VardiffOptions::default();
        if read.shares_per_minute != 0.0 {
            options.shares_per_minute = read.shares_per_minute;
        }
        if read.min_hashrate != 0.0 {
            options.min_hashrate = read.min_hashrate;
        }
        // Whatever is not a number is equal to nothing.
        if options.bounded() != options {
            return SV2_ERROR_ARGUMENT;
        }
        let inner = Vardiff::new(options, hashrate, now.into());
        unsafe { hand_out(out, sv2_vardiff { poisoned: false, inner }) }
    })
}

/// A share was accepted: the sv2_target_work of its job's target, in hashes. That is 1 or more; anything else, and more than 2^128,
/// is no share.
///
/// # Safety
/// `vardiff` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_share(vardiff: *mut sv2_vardiff, work: f64, now: sv2_time) -> sv2_status {
    let body = |this: &mut sv2_vardiff| {
        this.inner.share(work, now.into());
        SV2_OK
    };
    unsafe { enter_status(vardiff, body) }
}

/// Whether the channel's target should change now: SV2_OK, and the hashes per second to make the new one from in `*hashrate`; or
/// SV2_NO_EVENT. `target_work` is the sv2_target_work of the target that the channel's miners have now, that of its
/// active job.
///
/// # Safety
/// `vardiff` is live, `hashrate` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_decide(
    vardiff: *mut sv2_vardiff,
    target_work: f64,
    now: sv2_time,
    hashrate: *mut f64,
) -> sv2_status {
    if hashrate.is_null() {
        return SV2_ERROR_NULL;
    }
    let body = |this: &mut sv2_vardiff| match this.inner.decide(target_work, now.into()) {
        Some(decided) => {
            unsafe { hashrate.write(decided) };
            SV2_OK
        }
        None => SV2_NO_EVENT,
    };
    unsafe { enter_status(vardiff, body) }
}

/// Forgets what it knows: the client says that its hashrate is another one (UpdateChannel, spec 5.3.7).
///
/// # Safety
/// `vardiff` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_restart(vardiff: *mut sv2_vardiff, hashrate: f64, now: sv2_time) -> sv2_status {
    let body = |this: &mut sv2_vardiff| {
        this.inner.restart(hashrate, now.into());
        SV2_OK
    };
    unsafe { enter_status(vardiff, body) }
}

/// The hashrate that the target was last made from, or is to be made from, in hashes per second. 0 if `vardiff` is NULL or unusable.
///
/// # Safety
/// `vardiff` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_hashrate(vardiff: *mut sv2_vardiff) -> f64 {
    unsafe { enter(vardiff, 0.0, 0.0, |this| this.inner.hashrate()) }
}

/// The best estimate of the hashrate at this moment, in hashes per second: for a display, not for a target. 0 if `vardiff` is NULL
/// or unusable.
///
/// # Safety
/// `vardiff` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_estimate(vardiff: *mut sv2_vardiff, now: sv2_time) -> f64 {
    unsafe { enter(vardiff, 0.0, 0.0, |this| this.inner.estimate(now.into())) }
}

/// Frees it; NULL is nothing to free.
///
/// # Safety
/// `vardiff` is live or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sv2_vardiff_free(vardiff: *mut sv2_vardiff) {
    unsafe { free(vardiff) }
}
