//! Collects the lines of one worker for one log and hands them to the log's thread in blocks, without ever
//! waiting.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::formatter::Formatter;
use super::line_block::{FULL, LineBlock};
use super::log::Log;
use super::record::LogRecord;
use crate::config::AccessLog;
use crate::event_loop::{Contained, EventLoop, Nanos, PanicSite, Registered};
use crate::metrics::{ListenerCells, LogLine};

/// The longest time in nanoseconds that a line waits for its block to become full.
pub(super) const SOON: Nanos = 250_000_000;

/// The writer of one worker for one log. Its last clone hands over the remaining lines when it is dropped.
pub(crate) struct LogWriter {
    event_loop: Rc<EventLoop>,
    progress: Rc<BlockInProgress>,
    key: u32,
    one_of: u32,
    /// The number of exchanges that pass before the next one is logged.
    skip: Cell<u32>,
}

/// The block that is being filled, which the event loop hands over on a timer.
struct BlockInProgress {
    log: Arc<Log>,
    cells: Arc<ListenerCells>,
    formatter: RefCell<Formatter>,
    block: RefCell<LineBlock>,
    /// Whether the worker has been killed, so that no timer fires any more and each line is handed over at
    /// once.
    last_words: Cell<bool>,
}

impl LogWriter {
    /// Makes a writer that writes to `log` as `settings` say and counts in `cells`.
    #[must_use]
    pub(crate) fn new(
        event_loop: &Rc<EventLoop>,
        log: Arc<Log>,
        settings: Arc<AccessLog>,
        cells: Arc<ListenerCells>,
    ) -> Rc<Self> {
        let one_of = settings.one_of.get();
        let progress = Rc::new(BlockInProgress {
            log,
            cells,
            formatter: RefCell::new(Formatter::new(settings)),
            block: RefCell::default(),
            last_words: Cell::new(false),
        });
        let key = event_loop.register(progress.clone());
        Rc::new(Self { event_loop: event_loop.clone(), progress, key, one_of, skip: Cell::new(0) })
    }

    /// Returns whether the next exchange is logged: the first, and then one in `one_of`.
    pub(crate) fn samples(&self) -> bool {
        let (skip, one_of) = (self.skip.get(), self.one_of);
        self.skip.set(if skip == 0 { one_of - 1 } else { skip - 1 });
        skip == 0
    }

    /// Logs an exchange.
    pub(crate) fn write(&self, record: &LogRecord<'_>) {
        let (first, full) = self.progress.write(record);
        if full || self.progress.last_words.get() {
            self.progress.hand_over_or_drop();
        // The timer is set once for each block.
        } else if first {
            self.event_loop.arm(self.key, self.event_loop.now().saturating_add(SOON));
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.progress.hand_over_or_drop();
        self.event_loop.unregister(self.key);
    }
}

impl BlockInProgress {
    /// Appends a line, and returns whether it is the first of its block and whether the block is full now.
    fn write(&self, record: &LogRecord<'_>) -> (bool, bool) {
        let mut block = self.block.borrow_mut();
        let first = block.lines == 0;
        if first {
            block.text = self.log.blank();
        }
        self.formatter.borrow_mut().write(record, &mut block.text);
        block.lines += 1;
        (first, block.text.len() >= FULL)
    }

    /// Hands over the block, and returns whether none is left here.
    fn hand_over(&self) -> bool {
        let block = self.block.take();
        let lines = block.lines;
        let left = if lines == 0 { Ok(()) } else { self.log.take(block) };
        match left {
            Ok(()) => self.cells.log_lines[LogLine::Written].add(lines),
            Err(block) => {
                // The thread is too far behind; the block waits here while it can grow.
                self.block.replace(block);
                return false;
            }
        }
        true
    }

    fn hand_over_or_drop(&self) {
        if !self.hand_over() {
            let dropped = self.block.take();
            self.cells.log_lines[LogLine::Dropped].add(dropped.lines);
        }
    }
}

impl Contained for BlockInProgress {
    fn site(&self) -> PanicSite {
        PanicSite::Worker
    }

    /// The next line arms the timer again.
    fn panicked(&self) {}
}

impl Registered for BlockInProgress {
    /// Hands over the block. A block that the thread does not take stays, since it is not full.
    fn on_timer(&self, now: Nanos) -> Option<Nanos> {
        if self.hand_over() { None } else { Some(now.saturating_add(SOON)) }
    }

    fn on_drain(&self) {}

    fn on_reconfigure(&self) {}

    fn on_kill(&self) {
        self.last_words.set(true);
        self.hand_over_or_drop();
    }
}
