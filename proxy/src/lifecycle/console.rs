//! Prints notices of the proxy on standard output, or on standard error if standard output is an access log.

use crate::config::{LogTo, Settings};
use crate::notice;

/// Prints a line on the standard output. If that is an access log, whose readers expect lines of one kind,
/// the line goes to the standard error.
pub fn say(settings: &Settings, text: &str) {
    let is_log =
        settings.listeners.iter().any(|l| l.access_log.as_ref().is_some_and(|log| log.to == LogTo::Stdout));
    if is_log {
        notice::err(text);
    } else {
        notice::out(text);
    }
}
