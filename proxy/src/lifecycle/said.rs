//! What the proxy says of itself to whoever started it.
//! In: a line. Out: the same, where it is in nobody's way.
//! Knows nothing of what is said.

use std::io::{self, Write as _};

use crate::config::{LogTo, Settings};

/// On the standard output, unless that is an access log, whose readers expect lines of one kind.
pub fn say(settings: &Settings, text: &str) {
    let is_log =
        settings.listeners.iter().any(|l| l.access_log.as_ref().is_some_and(|log| log.to == LogTo::Stdout));
    if is_log {
        // Where nobody listens any more (EPIPE), nobody has to be told.
        let _ = writeln!(io::stderr(), "{text}");
    } else {
        let _ = writeln!(io::stdout(), "{text}");
    }
}
