//! Turns the options about checks into `HealthCheck`, and reports options that a kind of check does not use.

use std::sync::Arc;

use crate::config::check::CheckKindWord;
use crate::config::diagnostic::{Diagnostics, Position};
use crate::config::options::HealthSection;
use crate::config::settings::{CheckKind, HealthCheck};

/// Returns the check, if there is one, or `None` if an option could not be read.
pub(super) fn health_check(h: &HealthSection) -> Option<Option<Arc<HealthCheck>>> {
    let expect = h.expect.get()?;
    let kind = match h.check.get()? {
        CheckKindWord::Off => return Some(None),
        CheckKindWord::Connect => CheckKind::Connect,
        CheckKindWord::Ping => CheckKind::Ping,
        CheckKindWord::Http => CheckKind::Http {
            target: h.path.get()?,
            host: h.host.get()?,
            status: h.status.get()?,
            content: expect,
        },
        CheckKindWord::Bytes => {
            CheckKind::Bytes { send: h.send.get()?.unwrap_or_default(), expect: expect.unwrap_or_default() }
        }
    };
    Some(Some(Arc::new(HealthCheck {
        kind,
        interval: h.interval.get()?,
        timeout: h.timeout.get()?,
        rise: h.rise.get()?,
        fall: h.fall.get()?,
    })))
}

/// Reports options that have no effect with the kind of check, and a check of bytes that expects none.
pub(super) fn check(h: &HealthSection, diagnostics: &mut Diagnostics) {
    let Some(kind) = h.check.get() else { return };
    let (http, bytes) = (kind == CheckKindWord::Http, kind == CheckKindWord::Bytes);
    let path = h.path.value.as_deref().is_some_and(|path| path != "/");
    let status = h.status.value.as_ref().is_some_and(|status| *status != (200..=399));
    let send = h.send.value.as_ref().is_some_and(Option::is_some);
    let expect = h.expect.value.as_ref().is_some_and(Option::is_some);
    let host = h.host.value.as_ref().is_some_and(Option::is_some);
    let unused: [(bool, Position, &str, &str); 5] = [
        (path && !http, h.path.at, &h.path.path, "`check: http`"),
        (host && !http, h.host.at, &h.host.path, "`check: http`"),
        (status && !http, h.status.at, &h.status.path, "`check: http`"),
        (send && !bytes, h.send.at, &h.send.path, "`check: bytes`"),
        (expect && !http && !bytes, h.expect.at, &h.expect.path, "`check: http` or `check: bytes`"),
    ];
    for (_, at, path, kind) in unused.into_iter().filter(|(unused, ..)| *unused) {
        diagnostics.warning(at, path, format!("has no effect without {kind}"));
    }
    if bytes && h.expect.value == Some(None) {
        let text = "needs `expect`: without bytes to expect, `check: connect` asks as much";
        diagnostics.error(h.check.at, &h.check.path, text);
    }
}
