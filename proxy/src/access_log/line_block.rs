//! A block of lines on its way from a worker to a log's thread.

/// Whole lines, on their way to a file.
#[derive(Debug, Default)]
pub(super) struct LineBlock {
    pub(super) text: Vec<u8>,
    pub(super) lines: u64,
}

/// A block of this many bytes is handed over, and dropped if the log's thread is so far behind that it takes none.
pub(super) const FULL: usize = 32 << 10;
