//! Writes blocks of lines to a file, and counts the lines that a failed write loses.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::line_block::LineBlock;

/// The writer of one file, which remembers how the last write ended.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    /// Whether the last write ended within a line.
    torn: bool,
}

/// A write that failed.
#[derive(Debug)]
pub(super) struct LostLines {
    pub(super) error: io::Error,
    /// The number of lines that are missing in the file or incomplete.
    pub(super) lines: u64,
}

/// The pause before a write is tried again that would have blocked. Another process can make a shared file
/// non-blocking, such as the other end of a terminal.
const PAUSE: Duration = Duration::from_millis(5);

impl BlockWriter {
    /// Writes a block, in one call if the kernel takes it in one. If the last write ended within a line, that
    /// line is ended first, so that it spoils no other.
    pub(super) fn write(&mut self, block: &mut LineBlock, to: &mut impl Write) -> Result<(), LostLines> {
        if self.torn {
            block.text.insert(0, b'\n');
        }
        let mut written = 0;
        let result = write_all(to, &block.text, &mut written);
        // Nothing was written at all if there is no last byte, and the state stays.
        if let Some(last) = block.text[..written].last() {
            self.torn = *last != b'\n';
        }
        result.map_err(|error| {
            let lines = memchr::memchr_iter(b'\n', &block.text[written..]).count() as u64;
            LostLines { error, lines: lines.min(block.lines) }
        })
    }
}

/// Works like [`Write::write_all`], but counts in `written` how much was written before a failure.
fn write_all(to: &mut impl Write, text: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < text.len() {
        match to.write(&text[*written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => *written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
