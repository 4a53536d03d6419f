//! Another Rust library in the same program: with a standard library of its own, threads, thread-locals and panics.
//!
//! It is built twice. `raw` is rustc's archive as it is; `hidden` went through cmake/object.cmake as libsv2 does, so that its
//! panics prove that unwinding works in such an object.

use std::cell::Cell;
use std::panic;

thread_local! {
    static CAUGHT: Cell<u32> = const { Cell::new(0) };
}

struct CountOnDrop;

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        CAUGHT.set(CAUGHT.get() + 1);
    }
}

/// Panics `times` times below a frame with something to drop, catches each, and returns how often that something was dropped.
fn caught_panics(times: u32) -> u32 {
    panic::set_hook(Box::new(|_| ()));
    let thread = std::thread::spawn(move || {
        for _ in 0..times {
            let result = panic::catch_unwind(|| {
                let _count = CountOnDrop;
                panic!("on purpose")
            });
            assert!(result.is_err());
        }
        CAUGHT.get()
    });
    thread.join().unwrap_or(0)
}

#[cfg(hidden)]
#[unsafe(no_mangle)]
pub extern "C" fn hidden_caught_panics(times: u32) -> u32 {
    caught_panics(times)
}

#[cfg(not(hidden))]
#[unsafe(no_mangle)]
pub extern "C" fn raw_caught_panics(times: u32) -> u32 {
    caught_panics(times)
}
