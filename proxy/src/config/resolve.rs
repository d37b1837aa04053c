//! Turns the sections as they were written into `Settings`, and reports contradictions.
//!
//! A value that could not be read is absent here, and the reader has already recorded why. The files in
//! `resolve/` handle one part each.

mod ejection;
mod framing;
mod health;
mod http;
mod refusal;
mod routes;
mod rules;

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::address::BackendRef;
use super::diagnostic::Diagnostics;
use super::options::{
    BackendSection, LinksSection, ListenerSection, MemberSection, RootSection, SocketSection, TunnelSection,
};
use super::scalar::Spanned;
use super::settings::{self, Protocol, Settings};
use super::suggest::suggest;
use super::table::ChosenName;

/// Returns the settings, or `None` if a mistake was recorded.
pub(super) fn resolve(root: &RootSection, diagnostics: &mut Diagnostics) -> Option<Settings> {
    rules::check(root, diagnostics);
    // All entries are resolved before the first `?`, so that a bad one does not hide mistakes in the next.
    let listeners: Vec<_> =
        root.listeners.entries.iter().map(|(name, l)| listener(root, name, l, diagnostics)).collect();
    framing::agree(root, &listeners, diagnostics);
    let listeners = listeners.into_iter().collect::<Option<Vec<_>>>()?;
    let workers = root.workers.get()?.unwrap_or_else(cpus);
    routes::share(root, &listeners, workers, diagnostics);
    // All listeners of a backend have the same framing by now, so that the first one decides.
    let framing_of = |backend| listeners.iter().find(|l| l.backend == backend)?.framing.clone();
    let backends = root.backends.entries.iter().enumerate();
    Some(Settings {
        admin: root.admin.get()?,
        control: root.control.get()?,
        workers,
        drain_timeout: root.drain_timeout.get()?,
        buffer_budget: root.buffer_budget.get()?,
        backends: backends
            .map(|(i, (name, b))| backend(name, b, rules::protocol(root, name)?, framing_of(i)))
            .collect::<Option<_>>()?,
        listeners,
    })
}

/// Returns the number of CPUs that this process may use.
fn cpus() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn listener(
    root: &RootSection,
    name: &ChosenName,
    l: &ListenerSection,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<settings::Listener>> {
    let backend = backend_of(root, &l.backend, diagnostics);
    let (http, routes) = (http::rules(l), routes::rules(root, l, diagnostics));
    let is_http = l.protocol.get() == Some(Protocol::Http);
    let framing = framing::framing(&l.framing, l.protocol.get(), diagnostics);
    Some(Arc::new(settings::Listener {
        name: name.text.as_str().into(),
        bind: l.bind.get()?,
        protocol: l.protocol.get()?,
        framing: framing?.map(Arc::new),
        backend: backend?,
        backlog: l.backlog.get()?,
        max_connections: l.max_connections.get()?,
        request_buffer: l.request_buffer.get()?,
        response_buffer: l.response_buffer.get()?,
        proxy_protocol: l.proxy_protocol.get()?,
        trusted: l.trusted.get()?.into_iter().collect(),
        timeouts: settings::ClientTimeouts {
            idle: l.timeouts.idle.get()?,
            head: l.timeouts.head.get()?,
            body: l.timeouts.body.get()?,
            write: l.timeouts.write.get()?,
        },
        // An option without effect for the protocol caused a warning; here the option is ignored.
        http: if is_http { http? } else { settings::HttpRules::default() },
        routes: if is_http { routes? } else { Vec::new() },
        access_log: http::access_log(&l.access_log)?.filter(|_| is_http),
        tunnel: tunnel(&l.tunnel)?,
        socket: socket(&l.socket)?,
    }))
}

/// Returns the index of the backend that `named` refers to, or records that there is none.
fn backend_of(
    root: &RootSection,
    named: &Spanned<BackendRef>,
    diagnostics: &mut Diagnostics,
) -> Option<usize> {
    let wanted = named.value.as_deref()?;
    let names = || root.backends.entries.iter().map(|(name, _)| name.text.as_str());
    let found = names().position(|name| name == wanted);
    if found.is_none() {
        let known = || format!("backends are: {}", names().collect::<Vec<_>>().join(", "));
        let hint = suggest(wanted, names()).map_or_else(known, |name| format!("did you mean `{name}`?"));
        diagnostics.error(named.at, &named.path, format!("there is no backend `{wanted}`; {hint}"));
    }
    found
}

fn tunnel(t: &TunnelSection) -> Option<settings::TunnelLimits> {
    Some(settings::TunnelLimits {
        idle: t.idle_timeout.get()?,
        age: t.max_age.get()?,
        splice: t.splice.get()?,
    })
}

fn socket(s: &SocketSection) -> Option<settings::SocketOptions> {
    Some(settings::SocketOptions {
        nodelay: s.nodelay.get()?,
        keepalive: s.keepalive.get()?,
        user_timeout: s.user_timeout.get()?,
        send_buffer: s.send_buffer.get()?,
        receive_buffer: s.receive_buffer.get()?,
        tos: s.tos.get()?,
        mark: s.mark.get()?,
        congestion: s.congestion.get()?,
    })
}

fn backend(
    name: &ChosenName,
    b: &BackendSection,
    protocol: Protocol,
    framing: Option<Arc<settings::Framing>>,
) -> Option<Arc<settings::Backend>> {
    Some(Arc::new(settings::Backend {
        name: name.text.as_str().into(),
        protocol,
        framing,
        // A backend that no listener uses may set this option, because its protocol is not known.
        proxy_protocol: b.proxy_protocol.get()?.filter(|_| !protocol.is_pooled()),
        source_addresses: b.source_addresses.get()?,
        affinity: b.affinity.key.get()?,
        links: links(&b.links, protocol)?,
        queue: settings::QueueLimits { max: b.queue.max.get()?, timeout: b.queue.timeout.get()? },
        response_timeout: b.response_timeout.get()?,
        head: http::head(&b.limits.head, &b.limits.fields, &b.limits.line)?,
        check: health::health_check(&b.health)?,
        all_down: b.health.all_down.get()?,
        on_down: b.health.on_down.get()?,
        ejection: ejection::ejection(&b.ejection, protocol)?,
        socket: socket(&b.socket)?,
        members: b.members.entries.iter().map(|(name, m)| member(name, m)).collect::<Option<_>>()?,
    }))
}

fn links(l: &LinksSection, protocol: Protocol) -> Option<settings::Links> {
    let (pipeline, vouched) = rules::most_in_flight(l, protocol)?;
    Some(settings::Links {
        max_per_member: rules::cap(l, protocol)?,
        warm: if protocol.is_pooled() { 0 } else { l.warm.get()? },
        max_tunnels: l.max_tunnels.get()?,
        pipeline,
        vouched,
        pipeline_budget: l.pipeline_budget.get()?,
        pipeline_methods: l.pipeline_methods.get()?,
        rescue_after: l.rescue_after.get()?,
        rescue_budget: l.rescue_budget.get()?,
        max_per_source: match l.max_per_source.get()? {
            None => settings::PerSource::Quarter,
            Some(None) => settings::PerSource::Unlimited,
            Some(Some(most)) => settings::PerSource::Most(most),
        },
        min_rate: l.min_rate.get()?,
        evict_idle: l.evict_idle.get()?.filter(|_| !protocol.is_pooled()),
        idle_timeout: l.idle_timeout.get()?,
        max_age: l.max_age.get()?,
        max_requests: l.max_requests.get()?,
        connect_timeout: l.connect_timeout.get()?,
    })
}

fn member(name: &ChosenName, m: &MemberSection) -> Option<settings::MemberSettings> {
    Some(settings::MemberSettings {
        name: name.text.as_str().into(),
        address: m.address.get()?,
        weight: m.weight.get()?,
        backup: m.backup.get()?,
        state: m.state.get()?,
        drain_for: m.drain_for.get()?,
    })
}
