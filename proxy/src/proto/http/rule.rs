//! Finds the first rule of a listener that a request matches.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::sync::Arc;

use super::fields::Field;
use super::request::RequestHead;
use super::target::{Target, split_port};
use crate::config::{HeadLimits, HostMatch, RouteRule};
use crate::proto::text::digits;

/// The port of an http URI that names none (RFC 9110 section 4.2.1).
const DEFAULT_PORT: u64 = 80;

impl RequestHead<'_, '_> {
    /// Returns the position of the first rule that the request matches. Every condition of a rule must hold, and the fields are
    /// those that came.
    #[must_use]
    pub fn rule(&self, rules: &[RouteRule]) -> Option<usize> {
        // Most listeners have no rules, and their requests no need of a host or a path.
        if rules.is_empty() {
            return None;
        }
        let asked =
            Asked { host: self.host().map(RequestHost::of), path: self.path(), fields: OnceCell::new() };
        rules.iter().position(|rule| self.matches(rule, &asked))
    }

    fn matches(&self, rule: &RouteRule, asked: &Asked<'_>) -> bool {
        rule.host.as_ref().is_none_or(|wanted| asked.host.as_ref().is_some_and(|host| host.is(wanted)))
            && rule.path_prefix.as_ref().is_none_or(|prefix| asked.is_below(prefix.as_bytes()))
            && (rule.methods.is_empty() || rule.methods.iter().any(|m| **m == *self.method_text()))
            && (rule.fields.is_empty() || {
                // The fields are sorted once, for the first rule that asks for one.
                let order = asked.fields.get_or_init(|| SortedFields::of(self.head.fields));
                let has = |(name, value): &(Arc<str>, Option<Arc<str>>)| {
                    order.has(self.head.fields, name.as_bytes(), value.as_deref().map(str::as_bytes))
                };
                rule.fields.iter().all(has)
            })
    }

    /// Returns the raw path, which ends at `?`. `*` and the target of CONNECT have none.
    fn path(&self) -> Option<&[u8]> {
        let path = match self.target {
            Target::AsIs => self.target().as_bytes(),
            Target::Absolute { path: [] | [b'?', ..], .. } => b"/",
            Target::Absolute { path, .. } => path,
            Target::Authority(_) => return None,
        };
        Some(memchr::memchr(b'?', path).map_or(path, |end| &path[..end]))
    }
}

/// The parts of a request that rules look at. They are found once, because a stranger chooses their length and there may be
/// many rules.
struct Asked<'r> {
    host: Option<RequestHost<'r>>,
    path: Option<&'r [u8]>,
    fields: OnceCell<SortedFields>,
}

impl Asked<'_> {
    /// Returns whether the path lies below the prefix, by whole segments.
    fn is_below(&self, prefix: &[u8]) -> bool {
        let rest = self.path.and_then(|path| path.strip_prefix(prefix));
        rest.is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    }
}

/// Field lines in the order of their names in lower case, then of their values.
struct SortedFields {
    lines: [u16; HeadLimits::MAX_FIELDS],
    count: usize,
}

impl SortedFields {
    fn of(fields: &[Field<'_>]) -> Self {
        let mut order =
            Self { lines: [0; HeadLimits::MAX_FIELDS], count: fields.len().min(HeadLimits::MAX_FIELDS) };
        (0..).zip(&mut order.lines[..order.count]).for_each(|(n, line)| *line = n);
        order.lines[..order.count].sort_unstable_by(|a, b| {
            let (a, b) = (&fields[usize::from(*a)], &fields[usize::from(*b)]);
            by_name(a.name.as_bytes(), b.name.as_bytes()).then_with(|| a.value.cmp(b.value))
        });
        order
    }

    /// Returns whether there is a line of this name, with this value if one is given.
    fn has(&self, fields: &[Field<'_>], name: &[u8], value: Option<&[u8]>) -> bool {
        let compare = |line: &u16| {
            visited();
            let field = &fields[usize::from(*line)];
            let name = by_name(field.name.as_bytes(), name);
            value.map_or(name, |value| name.then_with(|| field.value.cmp(value)))
        };
        self.lines[..self.count].binary_search_by(compare).is_ok()
    }
}

fn by_name(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// Counts for tests how often field lines are looked at.
#[cfg(test)]
fn visited() {
    tests::VISITS.set(tests::VISITS.get() + 1);
}
#[cfg(not(test))]
const fn visited() {}

/// The host that a request is for, without the final dot, and its port.
struct RequestHost<'r> {
    name: &'r [u8],
    port: Option<u64>,
}

impl<'r> RequestHost<'r> {
    fn of(host: &'r [u8]) -> Self {
        let (name, port) = split_port(host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        Self { name, port: if port.is_empty() { Some(DEFAULT_PORT) } else { digits(port) } }
    }

    /// Returns whether this is the host of a rule. Case does not count, and a port only where the rule names one.
    fn is(&self, wanted: &HostMatch) -> bool {
        let (HostMatch::Exactly(text) | HostMatch::Below(text)) = wanted;
        let (wanted_name, wanted_port) = split_port(text.as_bytes());
        let same_name = match wanted {
            HostMatch::Exactly(_) => self.name.eq_ignore_ascii_case(wanted_name),
            HostMatch::Below(_) => {
                let above = self.name.len().saturating_sub(wanted_name.len());
                above > 0 && self.name[above..].eq_ignore_ascii_case(wanted_name)
            }
        };
        same_name && (wanted_port.is_empty() || digits(wanted_port) == self.port)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::config::HttpRules;
    use crate::proto::http1::{FieldRoom, Parsed, parse_request};

    thread_local! {
        pub(in crate::proto) static VISITS: Cell<usize> = const { Cell::new(0) };
    }

    /// As many rules as there may be, each for one value of a field, and a request with as many of these fields as there
    /// may be: a request is looked at once, and each rule takes a few steps.
    #[test]
    fn fields_times_rules_is_not_what_a_request_costs() {
        let lines: String = (0..90).map(|n| format!("X-Tenant: other{n}\r\n")).collect();
        let head = format!("GET /?q HTTP/1.1\r\nHost: a\r\n{lines}x-tenant: t255\r\n\r\n");
        let rule = |n: usize| RouteRule {
            host: None,
            path_prefix: None,
            methods: Vec::new(),
            fields: vec![("x-tenant".into(), Some(format!("t{n}").into()))],
            backend: n,
        };
        let rules: Vec<RouteRule> = (0..256).map(rule).collect();
        let mut fields = FieldRoom::new();
        let limits = HttpRules::default();
        let Ok(Parsed::Head { head, .. }) = parse_request(head.as_bytes(), &limits, &mut fields) else {
            panic!()
        };
        VISITS.set(0);
        assert_eq!(head.rule(&rules), Some(255));
        assert!(VISITS.get() <= 256 * 8, "{} field lines were looked at", VISITS.get());
        assert_eq!(head.rule(&rules[..255]), None);
    }
}
