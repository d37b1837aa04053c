//! Checks configurations: whatever is written, it is taken or refused with places and reasons, and twice in the same way.

use penstock::config::{ConfigError, Loaded, parse};

/// Checks a text.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let env = |name: &str| name.len().is_multiple_of(2).then(|| name.repeat(2));
    match (parse("any.yaml", &text, &env), parse("any.yaml", &text, &env)) {
        (Ok(loaded), Ok(again)) => {
            assert_eq!((loaded.hash, &loaded.settings), (again.hash, &again.settings));
            check_believed(&loaded);
        }
        (Err(mistakes), Err(again)) => {
            assert_eq!(mistakes.to_string(), again.to_string());
            check_refused(&mistakes, &text);
        }
        _ => panic!("believed once"),
    }
}

fn check_believed(loaded: &Loaded) {
    let settings = &loaded.settings;
    assert!(!settings.listeners.is_empty());
    for listener in &settings.listeners {
        assert!(listener.backend < settings.backends.len());
        assert!(listener.routes.iter().all(|rule| rule.backend < settings.backends.len()));
    }
    assert!(settings.backends.iter().all(|backend| !backend.members.is_empty()), "a backend of nobody");
}

fn check_refused(mistakes: &ConfigError, text: &str) {
    let count = mistakes.iter().count();
    assert!(count > 0, "refused without a reason");
    let places: Vec<_> = mistakes.iter().map(|m| (m.line, m.column)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let last = text.replace("\r\n", "\n").split(['\n', '\r']).count() + 1;
    assert!(places.iter().all(|(line, _)| *line <= last), "{places:?} of {last} lines");
    assert_eq!(mistakes.to_string().lines().count(), count + 1, "a line for each");
}
