//! What the host and the node's thread hand each other: commands one way, events the other.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sv2_core::bitcoin::Hash;
use sv2_core::template::{ConstraintKey, Level, Solution, Template};

use super::api::Transactions;

/// Most log lines that wait to be read; further ones are counted.
const MAX_LOGS: usize = 64;

/// What the host wants.
#[derive(Debug)]
pub(super) enum Command {
    WantTemplate(ConstraintKey),
    DropTemplate(ConstraintKey),
    FreeTemplate(u64),
    WantTransactions { template_id: u64, node_handle: u64 },
    Submit(Solution),
}

/// What the host is told.
pub(super) enum Event {
    State { state: u32, version: u32, is_test_chain: bool, reason: String },
    TipChanged { prev_hash: Hash },
    TemplateReady { key: ConstraintKey, template: Template },
    Transactions { template_id: u64, transactions: Option<Arc<Transactions>> },
    SubmitResult { node_handle: u64, block_hash: Hash, accepted: bool, reason: String },
    Block { node_handle: u64, block_hash: Hash, bytes: Vec<u8> },
    Log { level: Level, text: String },
}

#[derive(Default)]
struct Queues {
    commands: VecDeque<Command>,
    events: VecDeque<Event>,
    logs: usize,
    lost_logs: usize,
    is_stopping: bool,
    has_failed: bool,
}

/// Shared by the host's object and the thread.
pub(super) struct Queue {
    queues: Mutex<Queues>,
    /// A byte is in here while there are events; the host polls the second end.
    event: (UnixStream, UnixStream),
    /// A byte is in here while there are commands; the thread polls the second end.
    command: (UnixStream, UnixStream),
}

impl Queue {
    pub(super) fn new() -> io::Result<Self> {
        let pair = || {
            let pair = UnixStream::pair()?;
            pair.0.set_nonblocking(true)?;
            pair.1.set_nonblocking(true)?;
            Ok::<_, io::Error>(pair)
        };
        Ok(Self { queues: Mutex::default(), event: pair()?, command: pair()? })
    }

    /// Nothing that holds the lock can panic half-way through a change.
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ------------------------------------------------------------------------------------------------------ the host

    /// What becomes readable when there are events.
    pub(super) fn event_fd(&self) -> RawFd {
        self.event.1.as_raw_fd()
    }

    /// `Err` if the thread has ended by an error of its own: nobody would do it.
    pub(super) fn command(&self, command: Command) -> Result<(), ()> {
        let mut queues = self.lock();
        if queues.has_failed {
            return Err(());
        }
        queues.commands.push_back(command);
        raise(&self.command.0);
        Ok(())
    }

    /// The thread is to end.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        raise(&self.command.0);
    }

    /// The next event. `Err` if the thread has ended by an error of its own, and there are no events left.
    pub(super) fn next_event(&self) -> Result<Option<Event>, ()> {
        let mut queues = self.lock();
        let event = queues.events.pop_front();
        if matches!(event, Some(Event::Log { .. })) {
            queues.logs -= 1;
        }
        if event.is_none() && queues.lost_logs > 0 {
            let text = format!("{} more lines are left out", std::mem::take(&mut queues.lost_logs));
            return Ok(Some(Event::Log { level: Level::Warning, text }));
        }
        // After a failure it stays readable, so that nobody waits for ever.
        if queues.events.is_empty() && !queues.has_failed {
            drain(&self.event.1);
        }
        if event.is_none() && queues.has_failed { Err(()) } else { Ok(event) }
    }

    // ---------------------------------------------------------------------------------------------------- the thread

    /// What becomes readable when there are commands.
    pub(super) fn command_end(&self) -> &UnixStream {
        &self.command.1
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    pub(super) fn take_commands(&self) -> VecDeque<Command> {
        let mut queues = self.lock();
        drain(&self.command.1);
        std::mem::take(&mut queues.commands)
    }

    /// Queues an event. Gives back the handles of templates that it makes needless before the host has seen them, so that a host
    /// that reads nothing for long costs no more than one template for each key.
    pub(super) fn push(&self, event: Event) -> Vec<u64> {
        let mut queues = self.lock();
        let mut needless = Vec::new();
        let is_overtaken: &dyn Fn(&Event) -> bool = match &event {
            Event::TipChanged { .. } => &|old| matches!(old, Event::TemplateReady { .. }),
            Event::TemplateReady { key, .. } => &{
                let key = *key;
                move |old: &Event| matches!(old, Event::TemplateReady { key: of, .. } if *of == key)
            },
            _ => &|_| false,
        };
        queues.events.retain(|old| {
            let is_overtaken = is_overtaken(old);
            if let (true, Event::TemplateReady { template, .. }) = (is_overtaken, old) {
                needless.push(template.node_handle);
            }
            !is_overtaken
        });
        queues.events.push_back(event);
        raise(&self.event.0);
        needless
    }

    pub(super) fn log(&self, level: Level, text: String) {
        let mut queues = self.lock();
        if queues.logs < MAX_LOGS {
            queues.logs += 1;
            queues.events.push_back(Event::Log { level, text });
        } else {
            queues.lost_logs += 1;
        }
        raise(&self.event.0);
    }

    /// The thread has ended by an error of its own.
    pub(super) fn fail(&self) {
        self.lock().has_failed = true;
        raise(&self.event.0);
    }
}

/// Makes the other end readable. If the pipe is full it is readable already.
fn raise(end: &UnixStream) {
    let _ = (&*end).write(&[1]);
}

/// Takes out all there is.
fn drain(end: &UnixStream) {
    let mut bytes = [0; 64];
    while (&*end).read(&mut bytes).is_ok_and(|n| n == bytes.len()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_failed_is_asked_for_nothing_more() {
        let queue = Queue::new().unwrap();
        assert_eq!(queue.command(Command::FreeTemplate(1)), Ok(()));
        queue.fail();
        assert_eq!(queue.command(Command::FreeTemplate(2)), Err(()));
        assert_eq!(queue.take_commands().len(), 1);
    }
}
