//! Gathers one worker's lines for one log and hands them to the log's thread in blocks. It never waits.

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

/// A line waits no longer than this for a block to become full.
pub(super) const SOON: Nanos = 250_000_000;

/// One worker's writer for one log. When the last clone goes, what it has is handed over.
pub struct LogWriter {
    event_loop: Rc<EventLoop>,
    progress: Rc<BlockInProgress>,
    key: u32,
    one_of: u32,
    /// How many exchanges are to pass before one is noted.
    skip: Cell<u32>,
}

/// What the turn looks at.
struct BlockInProgress {
    log: Arc<Log>,
    cells: Arc<ListenerCells>,
    formatter: RefCell<Formatter>,
    block: RefCell<LineBlock>,
    /// The worker has been killed, and nobody looks any more: lines are handed over one by one.
    last_words: Cell<bool>,
}

impl LogWriter {
    /// A writer that writes to `log` what `settings` say, counted in `cells`.
    #[must_use]
    pub fn new(
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

    /// Whether the next exchange is noted: the first, and then one of so many.
    pub fn samples(&self) -> bool {
        let (skip, one_of) = (self.skip.get(), self.one_of);
        self.skip.set(if skip == 0 { one_of - 1 } else { skip - 1 });
        skip == 0
    }

    /// Notes an exchange.
    pub fn write(&self, record: &LogRecord<'_>) {
        let (first, full) = self.progress.write(record);
        if full || self.progress.last_words.get() {
            self.progress.hand_over_or_drop();
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
    /// Says whether it is the first line of the block, and whether the block is full now.
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

    /// Whether nothing is left here.
    fn hand_over(&self) -> bool {
        let block = self.block.take();
        let lines = block.lines;
        let left = if lines == 0 { Ok(()) } else { self.log.take(block) };
        match left {
            Ok(()) => self.cells.log_lines[LogLine::Written].add(lines),
            Err(block) => {
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

    /// The next line arms it anew.
    fn panicked(&self) {}
}

impl Registered for BlockInProgress {
    /// A block that nobody takes now may wait, as long as it is not full.
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
