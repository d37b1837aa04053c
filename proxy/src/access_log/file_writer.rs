//! Runs the thread of a log, the only one that waits for a disk or a pipe.
//!
//! The thread receives blocks and orders to reopen the file or to end. It counts faults and reports them on
//! standard error.

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

/// The state of the thread of one log.
pub(super) struct FileWriter {
    to: LogTo,
    file: File,
    orders: Receiver<WriterOrder>,
    control: Arc<Control>,
    faults: Arc<FaultCounter>,
    block_writer: BlockWriter,
    reported: Option<Instant>,
}

/// The interval between two messages about failed writes. All failures are counted.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Opens the destination for appending.
///
/// # Errors
/// Returns the kernel's error, with the path.
pub(super) fn open(to: &LogTo) -> io::Result<File> {
    match to {
        // `Stdout` is not used, because it would hold a lock while it waits.
        LogTo::Stdout => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        LogTo::File(path) => open_file(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display()))
        }),
    }
}

/// Opens a file. Opening a FIFO without a reader fails and does not wait; writing to the file waits for its
/// reader.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.append(true).create(true).mode(0o640).custom_flags(libc::O_NONBLOCK).open(path)?;
    // Only the opening must not wait; writes of this thread may.
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// Returns the name of the destination for messages.
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
        Self { to, file, orders, control, faults, block_writer: BlockWriter::default(), reported: None }
    }

    /// Writes blocks until the last owner drops the log or the process ends; in both cases after everything
    /// that was handed over.
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
        // At the end of the process no more orders are awaited, only those that are queued are carried out.
        if self.control.ends() { self.orders.try_recv().ok() } else { self.orders.recv().ok() }
    }

    /// Opens the file again. If this fails, the old file stays in use, since lines in the wrong place are
    /// better than none.
    fn reopen(&mut self) {
        // The standard output has no path to open again.
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
            self.report(&loss.error);
        }
        self.control.give_back(block.text);
    }

    fn report(&mut self, error: &io::Error) {
        if self.reported.is_some_and(|at| at.elapsed() < REPORT_EVERY) {
            return;
        }
        self.reported = Some(Instant::now());
        let name = name(&self.to);
        let what = format!("cannot write to {name}: {error}; lines are lost, and counted");
        notice::err(&format!("penstock: access log: {what}"));
    }
}
