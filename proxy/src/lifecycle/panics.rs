//! Logs one line for each panic, with its place. `event_loop::EventLoop::contain` contains and counts panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use crate::notice;

/// Installs a panic hook that prints one line for each panic. A backtrace follows if RUST_BACKTRACE asks for
/// one.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| notice::err(line(panic).trim_end())));
}

pub(super) fn line(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let trace = Backtrace::capture();
    let trace =
        if trace.status() == BacktraceStatus::Captured { format!("{trace}\n") } else { String::new() };
    format!(
        "penstock: panic in the thread {} at {place}: {}; this is a fault of penstock, please report it\n{trace}",
        thread.name().unwrap_or("without a name"),
        text.replace('\n', " "),
    )
}
