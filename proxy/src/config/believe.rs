//! From what was written to what the program believes: the rules that concern more than one option.
//! In: the sections as written. Out: `Settings`, and notes of whatever contradicts itself.
//! Knows nothing of YAML; a value that could not be read is absent here and has been noted already.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::mistake::{At, Notes};
use super::nearest::nearest;
use super::options::{Backend, Limits, Links, Listener, MOST_MEMBERS, Member, Root, Socket};
use super::settings::{self, Settings};
use super::table::Name;

/// What the file says, as far as it can be believed; none only if something was noted.
pub(super) fn believe(root: &Root, notes: &mut Notes) -> Option<Settings> {
    addresses(root, notes);
    unused(root, notes);
    members(root, notes);
    // Collected before any `?`, so that one bad entry does not keep the next from being looked at.
    let listeners: Vec<_> =
        root.listeners.entries.iter().map(|(name, l)| listener(root, name, l, notes)).collect();
    Some(Settings {
        admin: root.admin.get()?,
        workers: root.workers.get()?.unwrap_or_else(cpus),
        drain_timeout: root.drain_timeout.get()?,
        listeners: listeners.into_iter().collect::<Option<_>>()?,
        backends: root.backends.entries.iter().map(|(name, b)| backend(name, b)).collect::<Option<_>>()?,
    })
}

/// The CPUs this process may use.
fn cpus() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn listener(root: &Root, name: &Name, l: &Listener, notes: &mut Notes) -> Option<Arc<settings::Listener>> {
    let backend = backend_of(root, l, notes);
    let limits = limits(&l.limits, notes);
    Some(Arc::new(settings::Listener {
        name: name.text.as_str().into(),
        bind: l.bind.get()?,
        protocol: l.protocol.get()?,
        backend: backend?,
        backlog: l.backlog.get()?,
        timeouts: settings::ClientTimeouts {
            idle: l.timeouts.idle.get()?,
            head: l.timeouts.head.get()?,
            body: l.timeouts.body.get()?,
            write: l.timeouts.write.get()?,
        },
        limits: limits?,
        forwarded: l.forwarded.get()?,
        via: l.via.get()?.map(Into::into),
        socket: socket(&l.socket)?,
    }))
}

/// The index of the backend that a listener names.
fn backend_of(root: &Root, listener: &Listener, notes: &mut Notes) -> Option<usize> {
    let wanted = listener.backend.value.as_deref()?;
    let names = || root.backends.entries.iter().map(|(name, _)| name.text.as_str());
    let found = names().position(|name| name == wanted);
    if found.is_none() {
        let known = || format!("backends are: {}", names().collect::<Vec<_>>().join(", "));
        let hint = nearest(wanted, names()).map_or_else(known, |name| format!("did you mean `{name}`?"));
        let text = format!("there is no backend `{wanted}`; {hint}");
        notes.mistake(listener.backend.at, &listener.backend.path, text);
    }
    found
}

fn limits(l: &Limits, notes: &mut Notes) -> Option<settings::HeadLimits> {
    let limits = settings::HeadLimits { bytes: l.head.get()?, fields: l.fields.get()?, line: l.line.get()? };
    if limits.line > limits.bytes {
        // Whichever was written last; one that was not written has the place of its section.
        let (at, path) =
            if l.line.at > l.head.at { (l.line.at, &l.line.path) } else { (l.head.at, &l.head.path) };
        let text = format!("a line of {} bytes does not fit into a head of {}", limits.line, limits.bytes);
        notes.mistake(at, path, text + "; `line` may be as large as `head` at most");
    }
    Some(limits)
}

fn socket(s: &Socket) -> Option<settings::SocketOptions> {
    Some(settings::SocketOptions {
        nodelay: s.nodelay.get()?,
        keepalive: s.keepalive.get()?,
        send_buffer: s.send_buffer.get()?,
        receive_buffer: s.receive_buffer.get()?,
    })
}

fn backend(name: &Name, b: &Backend) -> Option<Arc<settings::Backend>> {
    Some(Arc::new(settings::Backend {
        name: name.text.as_str().into(),
        affinity: b.affinity.key.get()?,
        links: links(&b.links)?,
        queue: settings::WaitQueue { max: b.queue.max.get()?, timeout: b.queue.timeout.get()? },
        response_timeout: b.response_timeout.get()?,
        socket: socket(&b.socket)?,
        members: b.members.entries.iter().map(|(name, m)| member(name, m)).collect::<Option<_>>()?,
    }))
}

fn links(l: &Links) -> Option<settings::Links> {
    Some(settings::Links {
        max_per_member: l.max_per_member.get()?,
        pipeline: l.pipeline.get()?,
        pipeline_budget: l.pipeline_budget.get()?,
        pipeline_methods: l.pipeline_methods.get()?,
        idle_timeout: l.idle_timeout.get()?,
        max_age: l.max_age.get()?,
        max_requests: l.max_requests.get()?,
        connect_timeout: l.connect_timeout.get()?,
    })
}

fn member(name: &Name, m: &Member) -> Option<settings::Member> {
    Some(settings::Member {
        name: name.text.as_str().into(),
        address: m.address.get()?,
        weight: m.weight.get()?,
    })
}

/// No two sockets of ours may want the same address.
fn addresses(root: &Root, notes: &mut Notes) {
    let admin = root.admin.value.flatten().map(|a| (a, root.admin.at, root.admin.path.as_str()));
    let binds = root.listeners.entries.iter().map(|(_, l)| &l.bind);
    let mut wanted: Vec<(SocketAddr, At, &str)> =
        binds.filter_map(|bind| Some((bind.value?, bind.at, bind.path.as_str()))).chain(admin).collect();
    wanted.sort_by_key(|(_, at, _)| *at);
    for (i, (address, at, path)) in wanted.iter().enumerate() {
        if let Some((other, _, first)) = wanted[..i].iter().find(|(other, ..)| clash(*address, *other)) {
            let text = format!("the address {address} is in use twice; `{first}` has {other}");
            notes.mistake(*at, path, text);
        }
    }
}

/// Whether the kernel would refuse to bind both.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    if a.port() != b.port() || a.port() == 0 {
        return false;
    }
    let (a, b) = (a.ip().to_canonical(), b.ip().to_canonical());
    // `[::]` takes the port for IPv4 too, `0.0.0.0` leaves the addresses of IPv6 alone.
    let covers = |wide: std::net::IpAddr, other: std::net::IpAddr| {
        wide.is_unspecified() && (wide.is_ipv6() || other.is_ipv4())
    };
    a == b || covers(a, b) || covers(b, a)
}

fn unused(root: &Root, notes: &mut Notes) {
    let used =
        |name: &str| root.listeners.entries.iter().any(|(_, l)| l.backend.value.as_deref() == Some(name));
    for (name, _) in &root.backends.entries {
        if !used(&name.text) {
            notes.warning(name.at, &name.path, "no listener uses this backend");
        }
    }
}

fn members(root: &Root, notes: &mut Notes) {
    let backends = root.backends.entries.iter();
    let all: Vec<_> = backends.clone().flat_map(|(_, b)| b.members.entries.iter()).collect();
    if let Some((over, _)) = all.get(MOST_MEMBERS) {
        let text = format!("{} members in all backends; {MOST_MEMBERS} at most", all.len());
        notes.mistake(over.at, &over.path, text);
    }
    for (_, backend) in backends {
        twins(backend, notes);
    }
}

/// Two members with one address are one origin with twice the links.
fn twins(backend: &Backend, notes: &mut Notes) {
    let members = &backend.members.entries;
    for (i, (_, member)) in members.iter().enumerate() {
        let Some(address) = member.address.value else { continue };
        if let Some((first, _)) = members[..i].iter().find(|(_, other)| other.address.value == Some(address))
        {
            let text = format!("{address} is the address of `{}` too", first.text);
            notes.warning(member.address.at, &member.address.path, text);
        }
    }
}
