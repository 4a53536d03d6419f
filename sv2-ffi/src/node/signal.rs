//! One task of a thread tells another that there is something to do.

use std::cell::{Cell, RefCell};
use std::task::{Poll, Waker};

/// Set by anyone, awaited by one.
#[derive(Default)]
pub(super) struct Signal {
    is_set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    pub(super) fn set(&self) {
        self.is_set.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits until it is set, and clears it.
    pub(super) async fn wait(&self) {
        std::future::poll_fn(|cx| {
            if self.is_set.take() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
