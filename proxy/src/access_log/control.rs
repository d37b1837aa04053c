//! What a log's thread is told, and what it gives back: blocks and orders, empty buffers, and a count of what went wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::line_block::{FULL, LineBlock};
use crate::metrics::{LogFault, ProcessCells};

/// What the thread is told, in order.
#[derive(Debug)]
pub(super) enum WriterOrder {
    /// Write this block.
    Write(LineBlock),
    /// Look at [`Control`].
    Look,
}

/// What the thread is told out of order, and the empty buffers that it gives back.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Open the file anew.
    pub(super) reopen: AtomicBool,
    /// End when nothing is left to be written.
    pub(super) end: AtomicBool,
    blank: Mutex<Vec<Vec<u8>>>,
}

/// Counts what could not be opened or written. Any thread may count here, one at a time, as cells want it.
pub(super) struct FaultCounter(Mutex<Arc<ProcessCells>>);

/// Buffers that are kept to be used again, each of [`LARGEST_BLANK`] at most.
const BLANKS: usize = 16;
const LARGEST_BLANK: usize = 2 * FULL;

impl Control {
    /// Returns whether the file is to be opened anew, once for each order.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::AcqRel)
    }

    /// Returns whether the thread ends when it has nothing left to write.
    pub(super) fn ends(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }

    /// Keeps the buffer of a block that was written, to be used again.
    pub(super) fn give_back(&self, mut text: Vec<u8>) {
        text.clear();
        let mut blank = self.blank.lock().unwrap_or_else(PoisonError::into_inner);
        if blank.len() < BLANKS && text.capacity() <= LARGEST_BLANK {
            blank.push(text);
        }
    }

    /// Returns an empty buffer, one that was used before if there is such. A worker that would have to wait for one makes its own.
    pub(super) fn blank(&self) -> Vec<u8> {
        let kept = self.blank.try_lock().ok().and_then(|mut blank| blank.pop());
        kept.unwrap_or_else(|| Vec::with_capacity(1024))
    }
}

impl FaultCounter {
    /// Counts in the cells of the process.
    pub(super) fn new(cells: Arc<ProcessCells>) -> Self {
        Self(Mutex::new(cells))
    }

    /// Counts one fault, and the lines that were lost by it.
    pub(super) fn count(&self, what: LogFault, lost_lines: u64) {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.log_faults[what].inc();
        cells.log_lost_lines.add(lost_lines);
    }
}
