//! Prints what the proxy says of itself: on standard output or, where that is an access log, on standard error.

use crate::config::{LogTo, Settings};
use crate::notice;

/// On the standard output, unless that is an access log, whose readers expect lines of one kind.
pub fn say(settings: &Settings, text: &str) {
    let is_log =
        settings.listeners.iter().any(|l| l.access_log.as_ref().is_some_and(|log| log.to == LogTo::Stdout));
    if is_log {
        notice::err(text);
    } else {
        notice::out(text);
    }
}
