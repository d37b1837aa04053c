//! Holds the access logs of the process: each has one writing thread and a bounded queue of blocks of lines.
//!
//! This file opens and reopens logs and gives orders to their threads; `log_writer` makes the blocks, and
//! `file_writer` is the thread.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::control::{Control, FaultCounter, WriterOrder};
use super::file_writer::{self, FileWriter};
use super::line_block::LineBlock;
use crate::config::LogTo;
use crate::metrics::ProcessCells;
use crate::notice;

/// All logs of the process, by their destination.
pub(crate) struct Logs {
    open: Mutex<Vec<OpenLog>>,
    faults: Arc<FaultCounter>,
}

/// A log that has an owner, or whose last lines are still being written.
struct OpenLog {
    to: LogTo,
    log: Weak<Log>,
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// One log. When its last owner drops it, its thread writes everything that was handed over and ends.
#[derive(Debug)]
pub(crate) struct Log {
    orders: SyncSender<WriterOrder>,
    control: Arc<Control>,
}

/// The number of blocks that may wait for the thread; with 32 KiB each, 2 MiB a log. Further blocks are
/// dropped.
pub(super) const BACKLOG: usize = 64;
/// The time that the end of the process waits for a disk that does not respond.
const LONGEST_END: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Logs {
    /// Makes an empty set of logs. Faults are counted in `cells`.
    #[must_use]
    pub(crate) fn new(cells: Arc<ProcessCells>) -> Self {
        Self { open: Mutex::default(), faults: Arc::new(FaultCounter::new(cells)) }
    }

    /// Returns the log with this destination, and opens it if nobody has it yet.
    ///
    /// # Errors
    /// Returns an error that names the file if it cannot be opened, or an error if no thread can be started.
    pub(crate) fn open(&self, to: &LogTo) -> io::Result<Arc<Log>> {
        let mut open = self.lock();
        // A log without owners has written its last lines by now.
        open.retain(|one| !one.thread.is_finished());
        let there = open.iter().filter(|one| one.to == *to).find_map(|one| one.log.upgrade());
        if let Some(log) = there {
            return Ok(log);
        }
        let (one, log) = self.start(to, file_writer::open(to)?)?;
        open.push(one);
        Ok(log)
    }

    fn start(&self, to: &LogTo, file: File) -> io::Result<(OpenLog, Arc<Log>)> {
        let (orders, receiver) = sync_channel(BACKLOG);
        let control = Arc::<Control>::default();
        let writer = FileWriter::new(to.clone(), file, receiver, control.clone(), self.faults.clone());
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(|| writer.run())?;
        let log = Arc::new(Log { orders, control: control.clone() });
        Ok((OpenLog { to: to.clone(), log: Arc::downgrade(&log), control, thread }, log))
    }

    /// Tells all threads to reopen their files, for instance after a rotation. A thread that is not writing
    /// does so at once.
    pub(crate) fn reopen(&self) {
        self.lock().iter().for_each(|one| one.wish(&one.control.reopen));
    }

    /// Writes out everything that was handed over and ends the threads. A thread that does not end within
    /// five seconds is left behind with a message. Blocks that are handed over later are dropped.
    pub(crate) fn finish(&self) {
        self.finish_within(LONGEST_END);
    }

    pub(super) fn finish_within(&self, limit: Duration) {
        let open = std::mem::take(&mut *self.lock());
        open.iter().for_each(|one| one.wish(&one.control.end));
        let until = Instant::now() + limit;
        for OpenLog { to, thread, .. } in open {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(LOOK_EVERY);
            }
            // A thread that is stuck in a write cannot be joined.
            if !thread.is_finished() {
                let name = file_writer::name(&to);
                notice::err(&format!(
                    "penstock: {name} accepts no data; the last lines of the access log are lost"
                ));
            } else if thread.join().is_err() {
                notice::err(&format!("penstock: the thread of {} panicked", file_writer::name(&to)));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OpenLog>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenLog {
    fn wish(&self, wish: &AtomicBool) {
        wish.store(true, Ordering::Release);
        // A log without owners is about to end anyway.
        if let Some(log) = self.log.upgrade() {
            // A full queue means that the thread has work, after which it reads the flags anyway.
            let _ = log.orders.try_send(WriterOrder::Look);
        }
    }
}

impl Log {
    /// Queues a block, or returns the block if the queue is full or the thread has ended.
    pub(super) fn take(&self, block: LineBlock) -> Result<(), LineBlock> {
        match self.orders.try_send(WriterOrder::Write(block)) {
            Err(
                TrySendError::Full(WriterOrder::Write(block))
                | TrySendError::Disconnected(WriterOrder::Write(block)),
            ) => Err(block),
            _ => Ok(()),
        }
    }

    /// Returns an empty buffer, reused if possible.
    pub(super) fn blank(&self) -> Vec<u8> {
        self.control.blank()
    }
}
