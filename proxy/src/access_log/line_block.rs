//! Defines a block of lines on its way from a worker to a log's thread.

/// A block of complete lines.
#[derive(Debug, Default)]
pub(super) struct LineBlock {
    pub(super) text: Vec<u8>,
    pub(super) lines: u64,
}

/// The size in bytes at which a block is handed over. If the log's thread takes no block, the block is dropped.
pub(super) const FULL: usize = 32 << 10;
