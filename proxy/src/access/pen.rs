//! Gathers one worker's lines for one log and hands them to the log's thread in blocks. It never waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::entry::Entry;
use super::line::Scribe;
use super::log::Log;
use crate::config::AccessLog;
use crate::event_loop::{Contained, EventLoop, Nanos, PanicSite, Registered};
use crate::metrics::{ListenerCells, LogLine};

/// Whole lines, on their way to a file.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) text: Vec<u8>,
    pub(super) lines: u64,
}

/// A block of this size is handed over (and dropped, if the log's thread is so far behind that it takes none).
pub(super) const FULL: usize = 32 << 10;
/// A line waits no longer than this for a block to become full.
pub(super) const SOON: Nanos = 250_000_000;

/// One worker's pen for one log. When the last clone goes, what it has is handed over.
pub struct Pen {
    event_loop: Rc<EventLoop>,
    desk: Rc<Desk>,
    key: u32,
    one_of: u32,
    /// How many exchanges are to pass before one is noted.
    skip: Cell<u32>,
}

/// What the turn looks at.
struct Desk {
    log: Arc<Log>,
    cells: Arc<ListenerCells>,
    scribe: RefCell<Scribe>,
    block: RefCell<Block>,
    /// The worker has been killed, and nobody looks any more: lines are handed over one by one.
    last_words: Cell<bool>,
}

impl Pen {
    /// A pen that writes to `log` what `settings` say, counted in `cells`.
    #[must_use]
    pub fn new(
        event_loop: &Rc<EventLoop>,
        log: Arc<Log>,
        settings: Arc<AccessLog>,
        cells: Arc<ListenerCells>,
    ) -> Rc<Self> {
        let one_of = settings.one_of.get();
        let desk = Rc::new(Desk {
            log,
            cells,
            scribe: RefCell::new(Scribe::new(settings)),
            block: RefCell::default(),
            last_words: Cell::new(false),
        });
        let key = event_loop.register(desk.clone());
        Rc::new(Self { event_loop: event_loop.clone(), desk, key, one_of, skip: Cell::new(0) })
    }

    /// Whether the next exchange is noted: the first, and then one of so many.
    pub fn samples(&self) -> bool {
        let (skip, one_of) = (self.skip.get(), self.one_of);
        self.skip.set(if skip == 0 { one_of - 1 } else { skip - 1 });
        skip == 0
    }

    /// Notes an exchange.
    pub fn write(&self, entry: &Entry<'_>) {
        let (first, full) = self.desk.write(entry);
        if full || self.desk.last_words.get() {
            self.desk.hand_over_or_drop();
        } else if first {
            self.event_loop.arm(self.key, self.event_loop.now().saturating_add(SOON));
        }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.desk.hand_over_or_drop();
        self.event_loop.unregister(self.key);
    }
}

impl Desk {
    /// Says whether it is the first line of the block, and whether the block is full now.
    fn write(&self, entry: &Entry<'_>) -> (bool, bool) {
        let mut block = self.block.borrow_mut();
        let first = block.lines == 0;
        if first {
            block.text = self.log.blank();
        }
        self.scribe.borrow_mut().write(entry, &mut block.text);
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

impl Contained for Desk {
    fn site(&self) -> PanicSite {
        PanicSite::Worker
    }

    /// The next line arms it anew.
    fn panicked(&self) {}
}

impl Registered for Desk {
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
