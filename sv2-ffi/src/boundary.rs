//! The boundary between C and Rust: the fence that no panic crosses, and how pointers of C are read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{SV2_ERROR_INTERNAL, SV2_ERROR_NULL, sv2_status};

/// Runs the body of an exported function. If it panics, `on_panic` is returned.
///
/// Every exported function that can run more than a comparison has its body in here or in [`enter`].
#[inline(always)]
pub(crate) fn fence<R>(on_panic: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(on_panic)
}

/// The fence for functions that return a status.
#[inline(always)]
pub(crate) fn fenced(body: impl FnOnce() -> sv2_status) -> sv2_status {
    fence(SV2_ERROR_INTERNAL, body)
}

/// An object that C holds by an opaque pointer.
pub(crate) trait Object {
    /// Set by a panic inside the object: nothing in it can be trusted any more.
    fn poisoned(&mut self) -> &mut bool;
}

/// Runs the body of a function of `object` inside the fence.
///
/// NULL gives `on_null`; a panic, now or before, gives `on_panic`.
///
/// # Safety
/// `object` is NULL or came from the object's `_new` function, was not freed, and no other thread uses it now.
#[inline(always)]
pub(crate) unsafe fn enter<T: Object, R: Clone>(
    object: *mut T,
    on_null: R,
    on_panic: R,
    body: impl FnOnce(&mut T) -> R,
) -> R {
    let Some(object) = (unsafe { object.as_mut() }) else { return on_null };
    if *object.poisoned() {
        return on_panic;
    }
    match catch_unwind(AssertUnwindSafe(|| body(object))) {
        Ok(result) => result,
        Err(_) => {
            *object.poisoned() = true;
            on_panic
        }
    }
}

/// [`enter`] for functions that return a status.
///
/// # Safety
/// As [`enter`].
#[inline(always)]
pub(crate) unsafe fn enter_status<T: Object>(object: *mut T, body: impl FnOnce(&mut T) -> sv2_status) -> sv2_status {
    unsafe { enter(object, SV2_ERROR_NULL, SV2_ERROR_INTERNAL, body) }
}

/// Frees an object; NULL is nothing to free. A panic while dropping is swallowed: the memory is gone either way.
///
/// # Safety
/// As [`enter`]; the pointer is invalid afterwards.
pub(crate) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        fence((), || drop(unsafe { Box::from_raw(object) }));
    }
}

/// Hands a new object to C.
///
/// # Safety
/// `out` is valid for writing a pointer.
pub(crate) unsafe fn hand_out<T>(out: *mut *mut T, object: T) -> sv2_status {
    unsafe { out.write(Box::into_raw(Box::new(object))) };
    crate::SV2_OK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SV2_OK;

    /// An object whose functions can be made to panic.
    #[derive(Default)]
    struct Fragile {
        poisoned: bool,
        calls: usize,
    }

    impl Object for Fragile {
        fn poisoned(&mut self) -> &mut bool {
            &mut self.poisoned
        }
    }

    fn call(object: *mut Fragile, panics: bool) -> sv2_status {
        let body = |object: &mut Fragile| {
            object.calls += 1;
            if panics {
                panic!("injected");
            }
            SV2_OK
        };
        unsafe { enter_status(object, body) }
    }

    #[test]
    fn a_panic_becomes_an_error_and_poisons_the_object() {
        let mut object = Fragile::default();
        assert_eq!(call(&mut object, false), SV2_OK);
        assert_eq!(call(&mut object, true), SV2_ERROR_INTERNAL);
        for _ in 0..2 {
            assert_eq!(call(&mut object, false), SV2_ERROR_INTERNAL);
        }
        assert_eq!(object.calls, 2, "a poisoned object was used");
    }

    #[test]
    fn a_function_without_a_status_gives_its_sentinels() {
        let mut object = Fragile::default();
        let len = |object: *mut Fragile, panics: bool| unsafe {
            enter(object, 1, 2, |_| if panics { panic!("injected") } else { 3 })
        };
        assert_eq!(len(std::ptr::null_mut(), true), 1);
        assert_eq!(len(&mut object, false), 3);
        assert_eq!(len(&mut object, true), 2);
        assert_eq!(len(&mut object, false), 2);
    }

    #[test]
    fn null_is_no_object() {
        assert_eq!(call(std::ptr::null_mut(), true), SV2_ERROR_NULL);
    }

    #[test]
    fn a_panic_without_an_object_is_an_error_of_that_call_only() {
        assert_eq!(fenced(|| panic!("injected")), SV2_ERROR_INTERNAL);
        assert_eq!(fenced(|| SV2_OK), SV2_OK);
    }

    #[test]
    fn a_panic_while_freeing_ends_there() {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                panic!("injected");
            }
        }
        unsafe {
            free(Box::into_raw(Box::new(Loud)));
            free(std::ptr::null_mut::<Loud>());
        }
    }
}
