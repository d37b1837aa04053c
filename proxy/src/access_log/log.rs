//! The access logs of the process: each has one writing thread and a bounded queue of blocks of lines.
//!
//! This file opens and reopens logs and gives orders to their threads; `writer` makes the blocks, and `file_writer` is the thread.

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

/// All logs of the process, by where they go.
pub struct Logs {
    open: Mutex<Vec<OpenLog>>,
    faults: Arc<FaultCounter>,
}

/// A log that somebody has, or whose last lines are still being written.
struct OpenLog {
    to: LogTo,
    log: Weak<Log>,
    control: Arc<Control>,
    thread: JoinHandle<()>,
}

/// One log. Its thread ends when the last that has it lets go, after it has written what it got.
#[derive(Debug)]
pub struct Log {
    orders: SyncSender<WriterOrder>,
    control: Arc<Control>,
}

/// Blocks that may await the thread; over that they are dropped.
pub(super) const BACKLOG: usize = 64;
/// How long the end of the process waits for a disk that does not answer.
const LONGEST_END: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Logs {
    /// No log yet; what goes wrong is counted in the cells of the process.
    #[must_use]
    pub fn new(cells: Arc<ProcessCells>) -> Self {
        Self { open: Mutex::default(), faults: Arc::new(FaultCounter::new(cells)) }
    }

    /// The log that goes there: the same for all who have one, else a new one with its thread.
    ///
    /// # Errors
    /// When the file cannot be opened (the error names it), or there is no thread.
    pub fn open(&self, to: &LogTo) -> io::Result<Arc<Log>> {
        let mut open = self.lock();
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

    /// All files are opened anew, as they were moved away. Their threads do that, at once if they are not writing.
    pub fn reopen(&self) {
        self.lock().iter().for_each(|one| one.wish(&one.control.reopen));
    }

    /// All that was handed over is written out, and the threads end. One that does not answer is waited for five
    /// seconds, and left behind. What is handed over later is dropped.
    pub fn finish(&self) {
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
        // Without a log the thread is ending anyway.
        if let Some(log) = self.log.upgrade() {
            // Is there no room, then it has something to write, and will see the wish after that.
            let _ = log.orders.try_send(WriterOrder::Look);
        }
    }
}

impl Log {
    /// Takes a block to be written, or gives it back where the thread is too far behind, or gone.
    pub(super) fn take(&self, block: LineBlock) -> Result<(), LineBlock> {
        match self.orders.try_send(WriterOrder::Write(block)) {
            Err(
                TrySendError::Full(WriterOrder::Write(block))
                | TrySendError::Disconnected(WriterOrder::Write(block)),
            ) => Err(block),
            _ => Ok(()),
        }
    }

    /// An empty buffer, used before if there is such.
    pub(super) fn blank(&self) -> Vec<u8> {
        self.control.blank()
    }
}
