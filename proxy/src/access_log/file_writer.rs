//! The thread of a log, which is the only one that waits for a disk or a pipe.
//!
//! It takes blocks, and orders to open the file anew or to end; what goes wrong is counted and told on standard error.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::block_writer::BlockWriter;
use super::control::{Control, FaultCounter, WriterOrder};
use super::line_block::LineBlock;
use crate::config::LogTo;
use crate::metrics::LogFault;
use crate::notice;

/// See the head of this file.
pub(super) struct FileWriter {
    to: LogTo,
    file: File,
    orders: Receiver<WriterOrder>,
    control: Arc<Control>,
    faults: Arc<FaultCounter>,
    block_writer: BlockWriter,
    complained: Option<Instant>,
}

/// Writes that fail are complained of once in this time. All are counted.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Opens it, for lines to be added at its end.
///
/// # Errors
/// What the kernel says, with the path.
pub(super) fn open(to: &LogTo) -> io::Result<File> {
    match to {
        // Not through `Stdout`: who waits there holds a lock.
        LogTo::Stdout => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        LogTo::File(path) => open_file(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display()))
        }),
    }
}

/// Opening a FIFO that nobody reads fails rather than waits; writing to it waits for its reader.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.append(true).create(true).mode(0o640).custom_flags(libc::O_NONBLOCK).open(path)?;
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// What it is called in messages.
pub(super) fn name(to: &LogTo) -> String {
    match to {
        LogTo::Stdout => "the standard output".to_owned(),
        LogTo::File(path) => path.display().to_string(),
    }
}

impl FileWriter {
    pub(super) fn new(
        to: LogTo,
        file: File,
        orders: Receiver<WriterOrder>,
        control: Arc<Control>,
        faults: Arc<FaultCounter>,
    ) -> Self {
        Self { to, file, orders, control, faults, block_writer: BlockWriter::default(), complained: None }
    }

    /// Until the last who has the log lets go, or the process ends; then what is left is written first.
    pub(super) fn run(mut self) {
        while let Some(order) = self.next() {
            if self.control.take_reopen() {
                self.reopen();
            }
            if let WriterOrder::Write(block) = order {
                self.write(block);
            }
        }
    }

    fn next(&self) -> Option<WriterOrder> {
        if self.control.ends() { self.orders.try_recv().ok() } else { self.orders.recv().ok() }
    }

    /// A file that cannot be opened leaves the old one in use: lines in the wrong place are better than none.
    fn reopen(&mut self) {
        if self.to == LogTo::Stdout {
            return;
        }
        match open(&self.to) {
            Ok(file) => {
                self.file = file;
                self.block_writer = BlockWriter::default();
            }
            Err(error) => {
                self.faults.count(LogFault::Open, 0);
                notice::err(&format!("penstock: access log: {error}; the file that was open stays in use"));
            }
        }
    }

    fn write(&mut self, mut block: LineBlock) {
        if let Err(loss) = self.block_writer.write(&mut block, &mut self.file) {
            self.faults.count(LogFault::Write, loss.lines);
            self.complain(&loss.error);
        }
        self.control.give_back(block.text);
    }

    fn complain(&mut self, error: &io::Error) {
        if self.complained.is_some_and(|at| at.elapsed() < COMPLAIN_EVERY) {
            return;
        }
        self.complained = Some(Instant::now());
        let name = name(&self.to);
        let what = format!("cannot write to {name}: {error}; lines are lost, and counted");
        notice::err(&format!("penstock: access log: {what}"));
    }
}
