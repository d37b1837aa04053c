//! Which rule of a listener a request matches.
//! In: a parsed request, the rules in their order. Out: the position of the first that matches.
//! Knows nothing of backends.

use super::request::Request;
use super::target::{Target, split_port};
use super::text::digits;
use crate::config::{HostMatch, Rule};

/// The port of an http URI that names none (RFC 9110 section 4.2.1).
const DEFAULT_PORT: u64 = 80;

impl Request<'_, '_> {
    /// The position of the first rule that matches it. All of a rule must hold, and the fields are looked at as they came.
    #[must_use]
    pub fn rule(&self, rules: &[Rule]) -> Option<usize> {
        rules.iter().position(|rule| self.matches(rule))
    }

    fn matches(&self, rule: &Rule) -> bool {
        let has = |name: &str, value: Option<&str>| {
            let named = self.head.fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name));
            named.into_iter().any(|f| value.is_none_or(|value| f.value == value.as_bytes()))
        };
        rule.host.as_ref().is_none_or(|wanted| self.host().is_some_and(|host| is_for(host, wanted)))
            && rule.path_prefix.as_ref().is_none_or(|prefix| self.is_below(prefix.as_bytes()))
            && (rule.methods.is_empty() || rule.methods.iter().any(|m| **m == *self.method_text()))
            && rule.fields.iter().all(|(name, value)| has(name, value.as_deref()))
    }

    /// Whole segments of the raw path, which ends at `?`. `*` and the target of CONNECT have no path.
    fn is_below(&self, prefix: &[u8]) -> bool {
        let path = match self.target {
            Target::AsIs => self.target().as_bytes(),
            Target::Absolute { path: [] | [b'?', ..], .. } => b"/",
            Target::Absolute { path, .. } => path,
            Target::Authority(_) => return false,
        };
        let path = path.split(|b| *b == b'?').next().unwrap_or_default();
        path.strip_prefix(prefix).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    }
}

/// Case and a final dot do not count; a port does only where the rule names one.
fn is_for(host: &[u8], wanted: &HostMatch) -> bool {
    let (HostMatch::Exactly(text) | HostMatch::Below(text)) = wanted;
    let (wanted_name, wanted_port) = split_port(text.as_bytes());
    let (name, port) = split_port(host);
    let name = name.strip_suffix(b".").unwrap_or(name);
    let same_name = match wanted {
        HostMatch::Exactly(_) => name.eq_ignore_ascii_case(wanted_name),
        HostMatch::Below(_) => {
            let above = name.len().saturating_sub(wanted_name.len());
            above > 0 && name[above..].eq_ignore_ascii_case(wanted_name)
        }
    };
    let port = if port.is_empty() { Some(DEFAULT_PORT) } else { digits(port) };
    same_name && (wanted_port.is_empty() || digits(wanted_port) == port)
}
