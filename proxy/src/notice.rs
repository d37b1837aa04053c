//! Prints notices on standard output and standard error without ever blocking or failing.
//!
//! A reader may have gone (EPIPE), a disk may be full (ENOSPC), and a pipe that nobody reads blocks its
//! writers. Therefore each of the two streams has a thread, which alone writes there, and a bounded queue.
//! Commands that print a result and end (`check`, `schema`, `probe`) write directly, as any filter does.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Prints a line on the standard output.
pub(crate) fn out(text: &str) {
    OUT.say(text);
}

/// Prints a line on the standard error.
pub(crate) fn err(text: &str) {
    ERR.say(text);
}

/// Waits until all lines have been written, or for a second if nobody reads them.
pub(crate) fn finish() {
    let until = Instant::now() + LONGEST_END;
    while OUT.has_more() || ERR.has_more() {
        if Instant::now() >= until {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
}

static OUT: StandardStream = StandardStream::new("say-out", Which::Out);
static ERR: StandardStream = StandardStream::new("say-err", Which::Err);

/// The number of lines that may wait for a reader. Further lines are lost and counted.
const MOST: usize = 1024;
/// The time that the end of the process waits for a reader that does not read.
const LONGEST_END: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// The time to wait before a non-blocking stream is tried again. Another process may have made the stream
/// non-blocking.
const PAUSE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// One of the two standard streams.
struct StandardStream {
    name: &'static str,
    which: Which,
    /// The queue of its thread, made with the first line; `None` if no thread could be started.
    lines: OnceLock<Option<SyncSender<String>>>,
    /// The number of lines that the thread has not written yet.
    waiting: AtomicUsize,
    /// The number of lines that did not fit into the queue.
    lost: AtomicU64,
}

#[derive(Clone, Copy)]
enum Which {
    Out,
    Err,
}

impl StandardStream {
    const fn new(name: &'static str, which: Which) -> Self {
        let (waiting, lost) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { name, which, lines: OnceLock::new(), waiting, lost }
    }

    fn say(&'static self, text: &str) {
        let line = format!("{text}\n");
        let Some(lines) = self.lines.get_or_init(|| self.start()) else {
            // Without a thread the line is written here, if that does not block.
            return if self.takes() {
                self.write(&line)
            };
        };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        // A full queue drops the line, because waiting could block a worker.
        if lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn start(&'static self) -> Option<SyncSender<String>> {
        let (lines, receiver) = sync_channel(MOST);
        let thread = thread::Builder::new().name(self.name.to_owned());
        thread.spawn(move || self.run(&receiver)).ok().map(|_| lines)
    }

    fn run(&self, lines: &Receiver<String>) {
        while let Ok(line) = lines.recv() {
            self.write(&line);
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                self.write(&format!(
                    "penstock: {lost} messages were lost here, because stderr was not read\n"
                ));
            }
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn has_more(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Writes a line without the buffer of the standard library, whose lock others might wait for. Output
    /// that cannot be written is lost.
    fn write(&self, line: &str) {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.with(|fd| rustix::io::write(fd, rest)) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                // Another process that shares the stream has made it non-blocking. Only this thread waits.
                Err(Errno::AGAIN) => _ = self.poll(&PAUSE),
                Err(_) => return,
            }
        }
    }

    /// Returns whether something can be written at once.
    fn takes(&self) -> bool {
        self.poll(&Timespec { tv_sec: 0, tv_nsec: 0 })
    }

    fn poll(&self, timeout: &Timespec) -> bool {
        self.with(|fd| poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(timeout)))
            .is_ok_and(|ready| ready > 0)
    }

    fn with<R>(&self, act: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
        use std::os::fd::AsFd;
        match self.which {
            Which::Out => act(io::stdout().as_fd()),
            Which::Err => act(io::stderr().as_fd()),
        }
    }
}
