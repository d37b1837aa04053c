//! Defines what a log's thread receives and returns: blocks and orders, empty buffers, and counts of faults.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::line_block::{FULL, LineBlock};
use crate::metrics::{LogFault, ProcessCells};

/// An order in the queue of a log's thread.
#[derive(Debug)]
pub(super) enum WriterOrder {
    /// Writes this block.
    Write(LineBlock),
    /// Wakes the thread so that it reads the flags of [`Control`].
    Look,
}

/// Flags that reach a log's thread without queueing, and buffers that the thread returns.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Whether the thread is to reopen its file.
    pub(super) reopen: AtomicBool,
    /// Whether the thread is to end as soon as its queue is empty.
    pub(super) end: AtomicBool,
    blank: Mutex<Vec<Vec<u8>>>,
}

/// Counts files that cannot be opened and lines that cannot be written. A lock lets any thread count, because
/// cells expect one writer at a time.
pub(super) struct FaultCounter(Mutex<Arc<ProcessCells>>);

/// The number of empty buffers that are kept for reuse, each with a capacity of [`LARGEST_BLANK`] bytes at
/// most.
const BLANKS: usize = 16;
const LARGEST_BLANK: usize = 2 * FULL;

impl Control {
    /// Returns whether a reopening was asked for, and clears the request.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::AcqRel)
    }

    /// Returns whether the thread is to end as soon as its queue is empty.
    pub(super) fn ends(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }

    /// Keeps a written buffer for reuse, unless there are enough or the buffer is unusually large.
    pub(super) fn give_back(&self, mut text: Vec<u8>) {
        text.clear();
        let mut blank = self.blank.lock().unwrap_or_else(PoisonError::into_inner);
        if blank.len() < BLANKS && text.capacity() <= LARGEST_BLANK {
            blank.push(text);
        }
    }

    /// Returns an empty buffer, reused if possible.
    pub(super) fn blank(&self) -> Vec<u8> {
        // A worker must not wait for the lock; a new buffer costs less.
        let kept = self.blank.try_lock().ok().and_then(|mut blank| blank.pop());
        kept.unwrap_or_else(|| Vec::with_capacity(1024))
    }
}

impl FaultCounter {
    /// Makes a counter that counts in the cells of the process.
    pub(super) fn new(cells: Arc<ProcessCells>) -> Self {
        Self(Mutex::new(cells))
    }

    /// Counts a fault and the lines that it lost.
    pub(super) fn count(&self, what: LogFault, lost_lines: u64) {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.log_faults[what].inc();
        cells.log_lost_lines.add(lost_lines);
    }
}
