//! A program started by a test: its lines are read as they come, kept in a log file, and waited for.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running program. Dropping it kills it, by the id it was started with.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    /// The lines before this one have been looked at by [`Process::wait_for`].
    read: usize,
}

impl Process {
    /// Starts `command`, reading both its outputs into one sequence of lines, which also goes to
    /// `<directory>/<name>.log`.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> io::Result<Process> {
        let file = File::create(directory.join(format!("{name}.log")))?;
        let mut child =
            command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = Arc::new(Output::new(file));
        for pipe in [
            child.stdout.take().map(|pipe| Box::new(pipe) as Pipe),
            child.stderr.take().map(|pipe| Box::new(pipe) as Pipe),
        ]
        .into_iter()
        .flatten()
        {
            output.lock().open_pipes += 1;
            let output = Arc::clone(&output);
            thread::spawn(move || output.read_all(pipe));
        }
        Ok(Process { name: name.into(), child, output, read: 0 })
    }

    /// Waits for a line of which `find` makes something, beginning after the line of the last wait.
    ///
    /// # Errors
    /// [`NotSeen`], with the last lines of the program, once `timeout` has passed or the program has ended without it.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, NotSeen> {
        let deadline = Instant::now() + timeout;
        let mut lines = self.output.lock();
        loop {
            while let Some(line) = lines.all.get(self.read) {
                self.read += 1;
                if let Some(found) = find(line) {
                    return Ok(found);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.open_pipes == 0 {
                return Err(NotSeen {
                    program: self.name.clone(),
                    what: what.into(),
                    ended: lines.open_pipes == 0,
                    last_lines: lines.last(30),
                });
            }
            lines = self.output.wait(lines, left);
        }
    }

    /// Waits for a line that contains `text` and returns it.
    ///
    /// # Errors
    /// As [`Process::wait_for`].
    pub fn wait_for_text(&mut self, text: &str, timeout: Duration) -> Result<String, NotSeen> {
        self.wait_for(text, timeout, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Has the next wait begin with what the program says from now on.
    pub fn skip_lines(&mut self) {
        self.read = self.output.lock().all.len();
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().all.clone()
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The processor time it has used so far, in all its threads.
    ///
    /// # Errors
    /// That the system does not tell.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        // Behind the name in parentheses, which may contain anything, come the state and ten other fields (proc(5)).
        let stat = self.proc("stat")?;
        let (_, fields) = stat.rsplit_once(')').ok_or(ErrorKind::InvalidData)?;
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(Duration::from_secs_f64(ticks.iter().sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// The memory it has in use at this moment, in bytes.
    ///
    /// # Errors
    /// That the system does not tell.
    pub fn memory(&self) -> io::Result<usize> {
        let status = self.proc("status")?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kilobytes: usize = kilobytes.and_then(|number| number.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        Ok(kilobytes * 1024)
    }

    fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Asks the program to end (SIGTERM), kills it if it does not within some seconds, and returns how it ended.
    pub fn stop(mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        // The child has not been waited for, so its id is still its own.
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line that was waited for did not come.
pub struct NotSeen {
    program: String,
    what: String,
    ended: bool,
    last_lines: String,
}

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotSeen { program, what, ended, last_lines } = self;
        let why = if *ended { "ended without" } else { "did not say in time" };
        write!(f, "{program} {why}: {what}\nits last lines:\n{last_lines}")
    }
}

impl fmt::Debug for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What `unwrap` prints: the lines must stay legible.
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotSeen {}

/// A TCP port of the loopback interface on which nobody listens at this moment.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

type Pipe = Box<dyn Read + Send>;

struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

struct Lines {
    all: Vec<String>,
    open_pipes: usize,
    file: File,
}

impl Output {
    fn new(file: File) -> Output {
        Output { lines: Mutex::new(Lines { all: Vec::new(), open_pipes: 0, file }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, lines: MutexGuard<'a, Lines>, timeout: Duration) -> MutexGuard<'a, Lines> {
        self.changed.wait_timeout(lines, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Reads one pipe of the program to its end.
    fn read_all(&self, pipe: Pipe) {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            let mut lines = self.lock();
            // The file is for people; a full disk does not make a test fail.
            let _ = writeln!(lines.file, "{line}");
            lines.all.push(line);
            drop(lines);
            self.changed.notify_all();
        }
        self.lock().open_pipes -= 1;
        self.changed.notify_all();
    }
}

impl Lines {
    fn last(&self, count: usize) -> String {
        self.all[self.all.len().saturating_sub(count)..].join("\n")
    }
}
