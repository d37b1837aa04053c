//! Turns the options about ejection into `Ejection`, and reports those that contradict each other or have no effect.

use std::sync::Arc;
use std::time::Duration;

use crate::config::diagnostic::{Diagnostics, Position};
use crate::config::options::EjectionSection;
use crate::config::settings::{Ejection, Protocol};

/// Returns the rules by which members are ejected, if they are, or `None` if an option could not be read.
pub(super) fn ejection(e: &EjectionSection, protocol: Protocol) -> Option<Option<Arc<Ejection>>> {
    let Some(failures) = e.failures.get()? else { return Some(None) };
    Some(Some(Arc::new(Ejection {
        failures,
        volume: e.volume.get()?,
        window: e.window.get()?,
        base_time: e.base_time.get()?,
        max_time: e.max_time.get()?,
        keep: e.keep.get()?,
        server_errors: e.server_errors.get()? && protocol == Protocol::Http,
    })))
}

/// Reports options that contradict each other, and options without effect.
pub(super) fn check(e: &EjectionSection, diagnostics: &mut Diagnostics) {
    if e.failures.value == Some(Some(0)) {
        let text = "0% would eject members that fail nothing; 1% at least, or `off`";
        diagnostics.error(e.failures.at, &e.failures.path, text);
    }
    if let (Some(base), Some(max)) = (e.base_time.value, e.max_time.value)
        && max < base
    {
        diagnostics.error(e.max_time.at, &e.max_time.path, "is shorter than `base_time`");
    }
    match e.failures.value {
        Some(None) => {
            for (at, path) in set(e) {
                diagnostics.warning(at, path, "has no effect without `failures`");
            }
        }
        Some(Some(_)) if e.keep.value == Some(100) => {
            diagnostics.warning(e.keep.at, &e.keep.path, "with 100% no member is ever ejected");
        }
        _ => {}
    }
}

/// Returns the options beside `failures` that are not as they are by default.
fn set(e: &EjectionSection) -> impl Iterator<Item = (Position, &str)> {
    let time = |value: Option<Duration>, default: u64| {
        value.is_some_and(|value| value != Duration::from_secs(default))
    };
    let all: [(bool, Position, &str); 6] = [
        (e.volume.value.is_some_and(|volume| volume != 20), e.volume.at, &e.volume.path),
        (time(e.window.value, 10), e.window.at, &e.window.path),
        (time(e.base_time.value, 10), e.base_time.at, &e.base_time.path),
        (time(e.max_time.value, 300), e.max_time.at, &e.max_time.path),
        (e.keep.value.is_some_and(|keep| keep != 50), e.keep.at, &e.keep.path),
        (e.server_errors.value == Some(false), e.server_errors.at, &e.server_errors.path),
    ];
    all.into_iter().filter(|(set, ..)| *set).map(|(_, at, path)| (at, path))
}
