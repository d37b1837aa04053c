//! Resolves how a listener treats HTTP requests: its limits, its policies and its access log.
//!
//! `routes.rs` resolves the backend of a request, and `rules.rs` finds contradictions between options.

use std::sync::Arc;

use crate::config::keywords::Any;
use crate::config::options::{AccessLogSection, ListenerSection};
use crate::config::scalar::{Keyword, ScalarKind, Spanned};
use crate::config::settings::{self, HeadLimits, HttpRules, Upgrades};

/// Resolves the options for HTTP requests of a listener.
pub(super) fn rules(l: &ListenerSection) -> Option<HttpRules> {
    Some(HttpRules {
        head: head(&l.limits.head, &l.limits.fields, &l.limits.line)?,
        body: l.limits.body.get()?.map(|bytes| bytes as u64),
        look_ahead: l.limits.look_ahead.get()?,
        requests: l.limits.requests.get()?,
        trace: l.trace.get()?,
        connect: l.connect.get()?,
        underscores: l.underscores.get()?,
        upgrades: upgrades(l.upgrades.get()?),
        forwarded: l.forwarded.get()?,
        trusted_proxies: l.trusted_proxies.get()?.into_iter().collect(),
        via: l.via.get()?.map(|name| name.map_or_else(settings::own_name, Into::into)),
    })
}

/// Resolves the limits of a head.
pub(super) fn head(
    head: &Spanned<impl ScalarKind<Value = usize>>,
    fields: &Spanned<impl ScalarKind<Value = usize>>,
    line: &Spanned<impl ScalarKind<Value = usize>>,
) -> Option<HeadLimits> {
    Some(HeadLimits { bytes: head.get()?, fields: fields.get()?, line: line.get()? })
}

/// Resolves the list of protocols, in which `off` has become an empty list and `any` its own word.
fn upgrades(protocols: Vec<Arc<str>>) -> Upgrades {
    match &protocols[..] {
        [] => Upgrades::Off,
        [only] if **only == *Any::WORD => Upgrades::Any,
        _ => Upgrades::Only(protocols.into()),
    }
}

/// Resolves the access log: `Some(None)` if there is none, `None` if an option could not be read.
pub(super) fn access_log(log: &AccessLogSection) -> Option<Option<Arc<settings::AccessLog>>> {
    let (to, format, one_of) = (log.to.get()?, log.format.get()?, log.sample.get()?);
    Some(to.map(|to| Arc::new(settings::AccessLog { to, format, one_of })))
}
