//! Writes blocks of lines whole, or knows how many lines were lost.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::line_block::LineBlock;

/// What was written last.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    /// It ended within a line.
    torn: bool,
}

/// A write that failed.
#[derive(Debug)]
pub(super) struct LostLines {
    pub(super) error: io::Error,
    /// Lines that are not in the file, or not whole.
    pub(super) lines: u64,
}

/// Somebody else has made the file non-blocking (a terminal's other end may): it is asked again after this time.
const PAUSE: Duration = Duration::from_millis(5);

impl BlockWriter {
    /// Writes a block in one call, if the kernel takes it in one. A line that was torn before gets its end first, so
    /// that it spoils no other.
    pub(super) fn write(&mut self, block: &mut LineBlock, to: &mut impl Write) -> Result<(), LostLines> {
        if self.torn {
            block.text.insert(0, b'\n');
        }
        let mut written = 0;
        let result = write_all(to, &block.text, &mut written);
        if let Some(last) = block.text[..written].last() {
            self.torn = *last != b'\n';
        }
        result.map_err(|error| {
            let lines = memchr::memchr_iter(b'\n', &block.text[written..]).count() as u64;
            LostLines { error, lines: lines.min(block.lines) }
        })
    }
}

/// As [`Write::write_all`], which does not tell how much it wrote before it failed.
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
