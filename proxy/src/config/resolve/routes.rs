//! Resolves the rules that send requests to other backends, and reports rules that match everything or are
//! never reached.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::backend_of;
use crate::config::diagnostic::Diagnostics;
use crate::config::options::{BackendSection, ListenerSection, MatchSection, RootSection, RouteSection};
use crate::config::sequence::ItemPlace;
use crate::config::settings::{self, HostMatch, RouteRule};

/// Returns the rules of a listener in their order, or `None` if a mistake was recorded.
pub(super) fn rules(
    root: &RootSection,
    l: &ListenerSection,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<RouteRule>> {
    let written = &l.routes.items;
    // All rules are resolved before the first `?`, so that a bad one does not hide mistakes in the next.
    let rules: Vec<_> = written.iter().map(|(place, route)| rule(root, place, route, diagnostics)).collect();
    let resolved: Vec<_> =
        written.iter().zip(&rules).filter_map(|((place, _), rule)| Some((place, rule.as_ref()?))).collect();
    for (i, (place, rule)) in resolved.iter().enumerate() {
        if let Some((first, _)) = resolved[..i].iter().find(|(_, earlier)| covers(earlier, rule)) {
            let text = format!(
                "is never reached: `{}` in line {} matches all its requests",
                first.path, first.at.line
            );
            diagnostics.warning(place.at, &place.path, text);
        }
    }
    rules.into_iter().collect()
}

/// Checks that every worker gets a link to each backend of a listener with routes. Workers divide the caps
/// among them, and each worker that has clients of the listener may need any of its backends.
pub(super) fn share(
    root: &RootSection,
    listeners: &[Arc<settings::Listener>],
    workers: NonZeroUsize,
    diagnostics: &mut Diagnostics,
) {
    for listener in listeners {
        // A rule that leads to the default backend adds no backend.
        let elsewhere = |rule: &&RouteRule| rule.backend != listener.backend;
        let mut backends: Vec<_> =
            listener.routes.iter().filter(elsewhere).map(|rule| rule.backend).collect();
        if !backends.is_empty() {
            backends.push(listener.backend);
        }
        backends.sort_unstable();
        backends.dedup();
        for (_, backend) in backends.into_iter().filter_map(|i| root.backends.entries.get(i)) {
            too_few(backend, &listener.name, workers, diagnostics);
        }
    }
}

fn too_few(backend: &BackendSection, listener: &str, workers: NonZeroUsize, diagnostics: &mut Diagnostics) {
    let cap = &backend.links.max_per_member;
    if let Some(most) = cap.get().flatten().filter(|most| (most.get() as usize) < workers.get()) {
        let text = format!(
            "{most} links cannot be divided among {workers} workers, and `listeners.{listener}` has `routes`, for \
             which each worker needs one; raise it, or lower `workers`"
        );
        diagnostics.error(cap.at, &cap.path, text);
    }
}

fn rule(
    root: &RootSection,
    place: &ItemPlace,
    route: &RouteSection,
    diagnostics: &mut Diagnostics,
) -> Option<RouteRule> {
    let backend = backend_of(root, &route.backend, diagnostics);
    let m = &route.matches;
    let fields = fields(m, diagnostics);
    let (host, path, methods) = (m.host.get(), m.path_prefix.get(), m.method.get());
    let (host, path, methods, fields) = (host?, path?, methods?, fields?);
    // All paths begin with `/`, so an empty prefix is no condition.
    let path_prefix = path.filter(|path| !path.is_empty());
    let has_one = host.is_some() || path_prefix.is_some() || !methods.is_empty() || !fields.is_empty();
    // A misspelt condition has been recorded already.
    if !has_one && !diagnostics.has_mistake_in(&place.path) {
        everything(place, m, diagnostics);
    }
    Some(RouteRule { host, path_prefix, methods, fields, backend: backend? })
}

/// Records a rule that matches every request, so that the rules after it and the backend of the listener
/// would get none.
fn everything(place: &ItemPlace, m: &MatchSection, diagnostics: &mut Diagnostics) {
    const INSTEAD: &str = "matches every request; write its backend as the `backend` of the listener";
    match m.path_prefix.value {
        Some(Some(_)) => {
            let text = format!("every path begins with `/`, so this {INSTEAD}");
            diagnostics.error(m.path_prefix.at, &m.path_prefix.path, text);
        }
        // A condition that is absent has the place of its section.
        _ => diagnostics.error(m.host.at, &format!("{}.match", place.path), INSTEAD),
    }
}

/// The name of a field in lower case, and the value if the rule asks for one.
type FieldMatch = (Arc<str>, Option<Arc<str>>);

/// Resolves the conditions on fields. Two names that differ in case only are one field (RFC 9110 section
/// 5.1).
fn fields(m: &MatchSection, diagnostics: &mut Diagnostics) -> Option<Vec<FieldMatch>> {
    let mut fields: Vec<FieldMatch> = Vec::new();
    for (i, (name, value)) in m.header.entries.iter().enumerate() {
        let same = |other: &str| other.eq_ignore_ascii_case(&name.text);
        if let Some((first, _)) = m.header.entries[..i].iter().find(|(other, _)| same(&other.text)) {
            let text = format!("`{}` in line {} is the same field", first.text, first.at.line);
            diagnostics.error(name.at, &name.path, text);
        }
        fields.push((name.text.to_ascii_lowercase().into(), value.get()?));
    }
    Some(fields)
}

/// Returns whether `wide` matches every request that `narrow` matches.
fn covers(wide: &RouteRule, narrow: &RouteRule) -> bool {
    let host = match (&wide.host, &narrow.host) {
        (Some(wide), Some(narrow)) => covers_host(wide, narrow),
        (wide, _) => wide.is_none(),
    };
    let path = match (&wide.path_prefix, &narrow.path_prefix) {
        (Some(wide), Some(narrow)) => {
            narrow.strip_prefix(&**wide).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (wide, _) => wide.is_none(),
    };
    let methods = wide.methods.is_empty()
        || !narrow.methods.is_empty() && narrow.methods.iter().all(|method| wide.methods.contains(method));
    host && path && methods && wide.fields.iter().all(|field| has_field(narrow, field))
}

fn has_field(narrow: &RouteRule, (name, value): &FieldMatch) -> bool {
    narrow.fields.iter().any(|(other, theirs)| other == name && (value.is_none() || value == theirs))
}

fn covers_host(wide: &HostMatch, narrow: &HostMatch) -> bool {
    let ((wide_name, wide_port), (name, port)) = (parts(wide), parts(narrow));
    let names = match (wide, narrow) {
        (HostMatch::Exactly(_), HostMatch::Exactly(_)) => wide_name == name,
        (HostMatch::Exactly(_), HostMatch::Below(_)) => false,
        (HostMatch::Below(_), _) => name.ends_with(wide_name),
    };
    names && (wide_port.is_none() || wide_port == port)
}

/// Splits a host into its name or address and its port.
fn parts(host: &HostMatch) -> (&str, Option<&str>) {
    let (HostMatch::Exactly(text) | HostMatch::Below(text)) = host;
    match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    }
}
