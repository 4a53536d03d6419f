//! What a thread with one socket needs of an asynchronous runtime: readiness of file descriptors by poll(2), and timers.
//!
//! Nothing else would be used of a larger one, and the lock file stays what a node's maintainer can read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncWrite};

/// How often a stream may be read before everybody else has had a turn.
const READS_PER_TURN: u32 = 64;

/// Wakes the tasks of one thread. Cloning gives another handle on the same reactor.
#[derive(Clone, Default)]
pub(super) struct Reactor(Rc<RefCell<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// Tasks that wait for a file descriptor, and for which of POLLIN and POLLOUT.
    descriptors: Vec<(RawFd, libc::c_short, Waker)>,
    timers: BTreeMap<(Instant, u64), Waker>,
    last_timer: u64,
    turn: u64,
}

/// What was waited for did not come in time.
pub(super) struct TimedOut;

impl Reactor {
    /// Sleeps until a task can go on, and wakes it. Only for the thread's main loop, when all its tasks wait.
    pub(super) fn turn(&self) {
        let (mut polled, timeout) = {
            let waiting = self.0.borrow();
            let polled: Vec<_> = waiting
                .descriptors
                .iter()
                .map(|(fd, events, _)| libc::pollfd { fd: *fd, events: *events, revents: 0 })
                .collect();
            let next =
                waiting.timers.first_key_value().map(|((at, _), _)| at.saturating_duration_since(Instant::now()));
            (polled, next.map_or(-1, to_poll_timeout))
        };
        // An error, such as EINTR, leaves all of `revents` zero: then nobody is woken and the loop comes again.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) };
        let mut woken = Vec::new();
        {
            let mut waiting = self.0.borrow_mut();
            waiting.turn += 1;
            let mut polled = polled.iter();
            waiting.descriptors.retain(|(_, _, waker)| {
                let is_ready = polled.next().is_some_and(|polled| polled.revents != 0);
                if is_ready {
                    woken.push(waker.clone());
                }
                !is_ready
            });
            let later = waiting.timers.split_off(&(Instant::now(), u64::MAX));
            woken.extend(std::mem::replace(&mut waiting.timers, later).into_values());
        }
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits.
    pub(super) fn sleep(&self, duration: Duration) -> Sleep {
        let at = Instant::now().checked_add(duration);
        Sleep { reactor: self.clone(), at, key: None }
    }

    /// The result of `future`, unless it takes longer than `limit`.
    pub(super) async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, TimedOut> {
        match select(pin!(future), self.sleep(limit)).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(_) => Err(TimedOut),
        }
    }

    /// Waits until there is something to read.
    pub(super) async fn readable(&self, of: &impl AsRawFd) {
        let fd = of.as_raw_fd();
        let is_first = Cell::new(true);
        std::future::poll_fn(|cx| {
            if is_first.replace(false) {
                self.wait_for(fd, libc::POLLIN, cx);
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    fn wait_for(&self, fd: RawFd, events: libc::c_short, cx: &Context<'_>) {
        let mut waiting = self.0.borrow_mut();
        waiting.descriptors.retain(|(other, of, _)| (*other, *of) != (fd, events));
        waiting.descriptors.push((fd, events, cx.waker().clone()));
    }

    fn forget(&self, fd: RawFd) {
        self.0.borrow_mut().descriptors.retain(|(other, _, _)| *other != fd);
    }
}

/// Rounded up, so that a timer is due when poll returns.
fn to_poll_timeout(duration: Duration) -> libc::c_int {
    let rounded = duration.as_nanos().div_ceil(1_000_000);
    libc::c_int::try_from(rounded).unwrap_or(libc::c_int::MAX)
}

/// Ends at its time. A time beyond what the clock can say never comes.
pub(super) struct Sleep {
    reactor: Reactor,
    at: Option<Instant>,
    key: Option<(Instant, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        let reactor = self.reactor.clone();
        let mut waiting = reactor.0.borrow_mut();
        let key = *self.key.get_or_insert_with(|| {
            waiting.last_timer += 1;
            (at, waiting.last_timer)
        });
        waiting.timers.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.reactor.0.borrow_mut().timers.remove(&key);
        }
    }
}

/// One direction of a socket that does not block.
pub(super) struct Stream {
    socket: Rc<Socket>,
    /// The turn of the last read, and how many there were in it.
    reads: (u64, u32),
}

impl Stream {
    /// The two directions of `socket`.
    pub(super) fn pair(socket: UnixStream, reactor: &Reactor) -> io::Result<(Self, Self)> {
        socket.set_nonblocking(true)?;
        let socket = Rc::new(Socket { stream: socket, reactor: reactor.clone() });
        let half = || Self { socket: Rc::clone(&socket), reads: (0, 0) };
        Ok((half(), half()))
    }

    fn wait_unless_done<T>(
        &self,
        events: libc::c_short,
        cx: &Context<'_>,
        result: io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match result {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.socket.reactor.wait_for(self.socket.stream.as_raw_fd(), events, cx);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let turn = self.socket.reactor.0.borrow().turn;
        let (last, reads) = self.reads;
        self.reads = (turn, if last == turn { reads + 1 } else { 1 });
        if self.reads.1 > READS_PER_TURN {
            self.socket.reactor.wait_for(self.socket.stream.as_raw_fd(), libc::POLLIN, cx);
            return Poll::Pending;
        }
        let result = (&self.socket.stream).read(buffer);
        self.wait_unless_done(libc::POLLIN, cx, result)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        // Not write(2), which would send the program SIGPIPE when the node is gone.
        let fd = self.socket.stream.as_raw_fd();
        let sent = unsafe { libc::send(fd, buffer.as_ptr().cast(), buffer.len(), libc::MSG_NOSIGNAL) };
        let result = usize::try_from(sent).map_err(|_| io::Error::last_os_error());
        self.wait_unless_done(libc::POLLOUT, cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The other side may have closed it before, which is an error of no interest.
        let _ = self.socket.stream.shutdown(std::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}

/// What the two directions share.
struct Socket {
    stream: UnixStream,
    reactor: Reactor,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The number may be given to another file soon.
        self.reactor.forget(self.stream.as_raw_fd());
    }
}

/// Connects to a socket in the file system without ever blocking: a listener that accepts nobody is an error.
pub(super) fn connect(path: &std::path::Path) -> io::Result<UnixStream> {
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;

    let bytes = path.as_os_str().as_bytes();
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    // One byte is left for the NUL.
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the path is too long for a socket"));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let socket = unsafe {
        let fd = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let len = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    match unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) } {
        0 => Ok(UnixStream::from(socket)),
        _ => Err(io::Error::last_os_error()),
    }
}
