//! Checks rules that concern more than one option, and finds options without effect for their protocol.

use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use crate::config::address::{BackendRef, MemberAt};
use crate::config::diagnostic::{Diagnostics, Position};
use crate::config::options::{BackendSection, LinksSection, ListenerSection, MOST_MEMBERS, RootSection};
use crate::config::scalar::{ScalarKind, Spanned};
use crate::config::settings::{self, AcceptProxy, Address, Networks, Protocol, Vouched};
use crate::config::table::{ChosenName, Only};

/// Records every broken rule.
pub(super) fn check(root: &RootSection, diagnostics: &mut Diagnostics) {
    addresses(root, diagnostics);
    unused(root, diagnostics);
    too_many(root, diagnostics);
    for (name, listener) in &root.listeners.entries {
        fits(&listener.limits.head, &listener.limits.line, diagnostics);
        trust(listener, diagnostics);
        proxies(listener, diagnostics);
        if let Some(protocol) = listener.protocol.get() {
            no_effect(&name.only, protocol, diagnostics);
        }
    }
    for (name, backend) in &root.backends.entries {
        fits(&backend.limits.head, &backend.limits.line, diagnostics);
        twins(backend, diagnostics);
        sources(backend, diagnostics);
        super::health::check(&backend.health, diagnostics);
        super::ejection::check(&backend.ejection, diagnostics);
        if let Some(protocol) = one_protocol(root, name, diagnostics) {
            no_effect(&name.only, protocol, diagnostics);
            links(backend, protocol, diagnostics);
        }
    }
}

/// Returns the listeners that use a backend, each with its first reference to that backend.
pub(super) fn users<'a>(
    root: &'a RootSection,
    backend: &'a ChosenName,
) -> impl Iterator<Item = (&'a ChosenName, &'a ListenerSection, &'a Spanned<BackendRef>)> {
    let is_it = |named: &&Spanned<BackendRef>| named.value.as_deref() == Some(&backend.text);
    root.listeners.entries.iter().filter_map(move |(name, l)| Some((name, l, named(l).find(is_it)?)))
}

/// Returns every reference of a listener to a backend. Routes count for HTTP only.
fn named(l: &ListenerSection) -> impl Iterator<Item = &Spanned<BackendRef>> {
    let is_http = l.protocol.get() == Some(Protocol::Http);
    let routes = l.routes.items.iter().filter(move |_| is_http).map(|(_, route)| &route.backend);
    iter::once(&l.backend).chain(routes)
}

/// Returns the protocol of a backend: that of the first listener that uses the backend, or HTTP if none does.
pub(super) fn protocol(root: &RootSection, backend: &ChosenName) -> Option<Protocol> {
    users(root, backend).next().map_or(Some(Protocol::Http), |(_, listener, _)| listener.protocol.get())
}

/// `auto` for `max_per_member` if links are pooled: 64 links carry a thousand clients, and a small service
/// can bear them.
const SHARED_LINKS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// Returns the largest number of links to one member.
pub(super) fn cap(links: &LinksSection, protocol: Protocol) -> Option<NonZeroU32> {
    let auto = if protocol.is_pooled() { SHARED_LINKS } else { settings::Links::NO_CAP };
    Some(links.max_per_member.get()?.unwrap_or(auto))
}

/// `auto` for `pipeline` with HTTP, in exchanges. 32 answers of about 10 us each delay the last one by 0.3
/// ms.
const IN_FLIGHT: NonZeroU16 = NonZeroU16::new(32).unwrap();
/// `auto` for `pipeline` with Redis, in exchanges. Redis answers faster (about 1 us), and its clients send
/// many commands at once.
const COMMANDS_IN_FLIGHT: NonZeroU16 = NonZeroU16::new(1024).unwrap();

/// Returns the largest number of exchanges in flight on a link, and the reason why answers are expected in
/// order. With `auto`, an HTTP member has to prove the order, and the protocol of Redis guarantees it; for
/// other frames nothing is known, so `auto` is 1.
pub(super) fn most_in_flight(links: &LinksSection, protocol: Protocol) -> Option<(NonZeroU16, Vouched)> {
    Some(match (links.pipeline.get()?, protocol) {
        (Some(most), _) => (most, Vouched::ByWord),
        (None, Protocol::Http) => (IN_FLIGHT, Vouched::ByProof),
        (None, Protocol::Resp) => (COMMANDS_IN_FLIGHT, Vouched::ByWord),
        (None, _) => (NonZeroU16::MIN, Vouched::ByWord),
    })
}

/// Returns the protocol of all listeners that use a backend, or `None` if there is no such listener or they
/// disagree, which is recorded.
fn one_protocol(root: &RootSection, backend: &ChosenName, diagnostics: &mut Diagnostics) -> Option<Protocol> {
    let mut users =
        users(root, backend).filter_map(|(name, l, named)| Some((name, named, l.protocol.get()?)));
    let (first, _, one) = users.next()?;
    let mut agreed = Some(one);
    for (name, named, other) in users.filter(|(.., other)| *other != one) {
        let text = format!(
            "`{}` uses the backend `{}` for {}, and `{}` for {}; {}; write a backend for each",
            first.path,
            backend.text,
            one.word(),
            name.path,
            other.word(),
            why_not_both(one, other)
        );
        diagnostics.error(named.at, &named.path, text);
        agreed = None;
    }
    agreed
}

/// Says why one link cannot serve two protocols.
fn why_not_both(one: Protocol, other: Protocol) -> String {
    let pooled = [one, other].into_iter().find(|protocol| protocol.is_pooled());
    match pooled {
        Some(pooled) if !(one.is_pooled() && other.is_pooled()) => {
            format!("links are shared by clients for {} and belong to one client for tcp", pooled.word())
        }
        _ => "a link speaks one protocol".to_owned(),
    }
}

/// Warns of options that apply to other protocols only.
fn no_effect(written: &[Only], protocol: Protocol, diagnostics: &mut Diagnostics) {
    for only in written {
        if only.protocols.contains(&protocol) {
            no_effect(&only.inside, protocol, diagnostics);
            continue;
        }
        let words: Vec<_> = only.protocols.iter().map(|protocol| protocol.word()).collect();
        let text = format!("has no effect for {}, only for {}", protocol.word(), listed(&words));
        diagnostics.warning(only.at, &only.path, text);
    }
}

/// Joins words for a message: `a`, `a and b`, `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [first @ .., before, last] => {
            first.iter().map(|word| format!("{word}, ")).collect::<String>() + before + " and " + last
        }
        _ => words.concat(),
    }
}

/// Checks that a line may not be longer than its head.
fn fits(
    head: &Spanned<impl ScalarKind<Value = usize>>,
    line: &Spanned<impl ScalarKind<Value = usize>>,
    diagnostics: &mut Diagnostics,
) {
    let (Some(most), Some(long)) = (head.get(), line.get()) else { return };
    if long <= most {
        return;
    }
    // The mistake belongs to the option that was written last; an absent option has the place of its section.
    let (at, path) = if line.at > head.at { (line.at, &line.path) } else { (head.at, &head.path) };
    let text = format!(
        "a line of {long} bytes does not fit into a head of {most}; `line` may be as large as `head` at most"
    );
    diagnostics.error(at, path, text);
}

/// Checks that PROXY headers are trusted if and only if the listener asks for them.
fn trust(l: &ListenerSection, diagnostics: &mut Diagnostics) {
    let (Some(accept), Some(trusted)) = (l.proxy_protocol.get(), l.trusted.get()) else { return };
    let trusted: Networks = trusted.into_iter().collect();
    match accept {
        AcceptProxy::Off if !trusted.is_empty() => {
            let text = "has no effect: without `proxy_protocol: required` there is no header to believe";
            diagnostics.warning(l.trusted.at, &l.trusted.path, text);
        }
        AcceptProxy::Required if trusted.is_empty() => {
            let text = "nobody's PROXY header is believed; name the networks of those who send it in `trusted`, \
                        or write `trusted: any`";
            diagnostics.error(l.proxy_protocol.at, &l.proxy_protocol.path, text);
        }
        AcceptProxy::Required if is_unix(l.bind.value.as_ref()) && !trusted.is_any() => {
            let text = "clients of a Unix socket have no address, so no network has them; write `trusted: any`, \
                        and let the folder's permissions say who may connect";
            diagnostics.error(l.trusted.at, &l.trusted.path, text);
        }
        _ => {}
    }
}

/// Checks that trusted proxies can be told by their addresses, which clients of a Unix socket do not have.
fn proxies(l: &ListenerSection, diagnostics: &mut Diagnostics) {
    let (Some(accept), Some(trusted)) = (l.proxy_protocol.get(), l.trusted_proxies.get()) else { return };
    let trusted: Networks = trusted.into_iter().collect();
    // A PROXY header gives clients of a Unix socket an address.
    let without_address = accept == AcceptProxy::Off && is_unix(l.bind.value.as_ref());
    if without_address && !trusted.is_empty() && !trusted.is_any() {
        let text = "clients of a Unix socket have no address, so no network has them; write `trusted_proxies: any`, \
                    and let the folder's permissions say who may connect";
        diagnostics.error(l.trusted_proxies.at, &l.trusted_proxies.path, text);
    }
}

const fn is_unix(address: Option<&Address>) -> bool {
    matches!(address, Some(Address::Unix(_)))
}

/// Checks the options of links against what the protocol allows.
fn links(b: &BackendSection, protocol: Protocol, diagnostics: &mut Diagnostics) {
    let warm = &b.links.warm;
    if protocol.is_pooled() {
        return shared_links(b, protocol, diagnostics);
    }
    let (Some(wanted), Some(cap)) = (warm.value, cap(&b.links, protocol)) else { return };
    if wanted > cap.get() {
        let text = format!("{wanted} are more than the {cap} that `max_per_member` allows");
        diagnostics.error(warm.at, &warm.path, text);
    }
}

/// Reports options that links shared by many clients cannot have.
fn shared_links(b: &BackendSection, protocol: Protocol, diagnostics: &mut Diagnostics) {
    let (warm, word) = (&b.links.warm, protocol.word());
    if b.proxy_protocol.value.flatten().is_some() {
        let instead = match protocol {
            Protocol::Http => "pass the address in each request, with `forwarded` of the listener",
            _ => "with `protocol: tcp` each client has its own link",
        };
        let text = format!(
            "links for {word} are shared by many clients, and one PROXY header cannot name them all; {instead}"
        );
        diagnostics.error(b.proxy_protocol.at, &b.proxy_protocol.path, text);
    }
    if warm.value.is_some_and(|warm| warm > 0) {
        let text = format!(
            "links for {word} stay connected and are shared, so there is nothing to keep warm; `idle_timeout` \
             limits how long an unused link stays"
        );
        diagnostics.error(warm.at, &warm.path, text);
    }
}

/// Checks that source addresses and members have the same family, because no link crosses families.
fn sources(b: &BackendSection, diagnostics: &mut Diagnostics) {
    let Some(sources) = b.source_addresses.items.as_deref().filter(|items| !items.is_empty()) else { return };
    let members: Vec<_> = b.members.entries.iter().map(|(_, m)| &m.address).collect();
    // With an unreadable address, warnings about families might be wrong.
    let Some(known): Option<Vec<_>> = members.iter().map(|m| m.value.as_ref()).collect() else { return };
    let reached = |ipv4: bool| known.iter().filter_map(|a| a.ip()).any(|a| is_ipv4(a.ip()) == ipv4);
    for source in sources {
        let ipv4 = source.value.is_ipv4();
        if !reached(ipv4) {
            let text = format!("{} is {}, but no member is", source.value, family(ipv4));
            diagnostics.error(source.at, &b.source_addresses.path, text);
        }
    }
    for member in members {
        let text = match member.value.as_ref() {
            Some(Address::Unix(_)) => "`source_addresses` has no effect on links to a Unix socket".to_owned(),
            Some(Address::Ip(to)) if sources.iter().all(|s| s.value.is_ipv4() != is_ipv4(to.ip())) => {
                let family = family(is_ipv4(to.ip()));
                format!(
                    "none of `source_addresses` is {family}; the kernel chooses the source address of links to it"
                )
            }
            _ => continue,
        };
        diagnostics.warning(member.at, &member.path, text);
    }
}

/// Returns whether an address is reached over IPv4, as IPv4-mapped addresses are.
const fn is_ipv4(address: IpAddr) -> bool {
    address.to_canonical().is_ipv4()
}

const fn family(ipv4: bool) -> &'static str {
    if ipv4 { "IPv4" } else { "IPv6" }
}

/// Checks that no two sockets are to be bound to the same address.
fn addresses(root: &RootSection, diagnostics: &mut Diagnostics) {
    let admin = root.admin.value.flatten();
    let admin = admin.map(|a| (Address::Ip(a), root.admin.at, root.admin.path.as_str()));
    let control = root.control.value.clone().flatten();
    let control = control.map(|path| (Address::Unix(path), root.control.at, root.control.path.as_str()));
    let binds = root.listeners.entries.iter().map(|(_, l)| &l.bind);
    let mut wanted: Vec<(Address, Position, &str)> = binds
        .filter_map(|bind| Some((bind.get()?, bind.at, bind.path.as_str())))
        .chain(admin)
        .chain(control)
        .collect();
    wanted.sort_by_key(|(_, at, _)| *at);
    for (i, (address, at, path)) in wanted.iter().enumerate() {
        if let Some((other, _, first)) = wanted[..i].iter().find(|(other, ..)| clash(address, other)) {
            let text = format!("the address {address} is in use twice; `{first}` has {other}");
            diagnostics.error(*at, path, text);
        }
    }
}

/// Returns whether the kernel would refuse to bind both addresses.
fn clash(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Ip(a), Address::Ip(b)) => ports_clash(*a, *b),
        (Address::Unix(a), Address::Unix(b)) => a == b,
        _ => false,
    }
}

fn ports_clash(a: SocketAddr, b: SocketAddr) -> bool {
    // Port 0 never clashes, because the kernel chooses free ports.
    if a.port() != b.port() || a.port() == 0 {
        return false;
    }
    let (a, b) = (a.ip().to_canonical(), b.ip().to_canonical());
    // `[::]` takes the port for IPv4 too, whereas `0.0.0.0` leaves IPv6 alone.
    let covers = |wide: IpAddr, other: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || other.is_ipv4());
    a == b || covers(a, b) || covers(b, a)
}

fn unused(root: &RootSection, diagnostics: &mut Diagnostics) {
    for (name, _) in &root.backends.entries {
        if users(root, name).next().is_none() {
            diagnostics.warning(name.at, &name.path, "no listener uses this backend");
        }
    }
}

fn too_many(root: &RootSection, diagnostics: &mut Diagnostics) {
    let all = || root.backends.entries.iter().flat_map(|(_, b)| b.members.entries.iter());
    if let Some((over, _)) = all().nth(MOST_MEMBERS) {
        let text = format!("{} members in all backends; {MOST_MEMBERS} at most", all().count());
        diagnostics.error(over.at, &over.path, text);
    }
}

/// Warns of two members with one address, which would give one server twice the links.
fn twins(backend: &BackendSection, diagnostics: &mut Diagnostics) {
    let members = &backend.members.entries;
    for (i, (_, member)) in members.iter().enumerate() {
        let Some(address) = &member.address.value else { continue };
        let same = |other: &Spanned<MemberAt>| other.value.as_ref() == Some(address);
        if let Some((first, _)) = members[..i].iter().find(|(_, other)| same(&other.address)) {
            let text = format!("{address} is the address of `{}` too", first.text);
            diagnostics.warning(member.address.at, &member.address.path, text);
        }
    }
}
