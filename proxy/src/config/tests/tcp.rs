//! The options of TCP mode: what they become, what is refused, and what is said to have no effect.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::config::{AcceptProxy, Address, Links, Networks, PerSource, Protocol, ProxyVersion, Settings};

use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;

const TCP: &str = "protocol: tcp";
const MEMBERS: &str = "members: { a: 127.0.0.1:9001 }";

/// A listener with these lines from line 5, and its backend with these from line 7 and the listener's number on.
fn with(listener: &[&str], backend: &[&str]) -> String {
    let lines = |of: &[&str]| of.iter().map(|line| format!("    {line}\n")).collect::<String>();
    let (listener, backend) = (lines(listener), lines(backend));
    format!(
        "listeners:\n  db:\n    bind: 127.0.0.1:0\n    backend: pg\n{listener}backends:\n  pg:\n{backend}"
    )
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn trusted(networks: &str) -> Networks {
    let trusted = format!("trusted: {networks}");
    let text = with(&[TCP, "proxy_protocol: required", &trusted], &[MEMBERS]);
    settings(&text).listeners[0].trusted.clone()
}

#[test]
fn defaults() {
    let Settings { listeners, backends, .. } = settings(&with(&[TCP], &[MEMBERS]));
    let (l, b) = (&listeners[0], &backends[0]);
    assert_eq!((l.protocol, l.max_connections, l.proxy_protocol), (Protocol::Tcp, None, AcceptProxy::Off));
    assert_eq!(l.trusted, Networks::default());
    assert_eq!((l.tunnel.idle, l.tunnel.age), (Some(Duration::from_secs(3600)), None));
    assert_eq!((l.socket.user_timeout, l.socket.tos, l.socket.mark), (None, None, None));
    assert_eq!(l.socket.congestion, None);
    assert_eq!((b.protocol, b.proxy_protocol), (Protocol::Tcp, None));
    assert!(b.source_addresses.is_empty());
    assert_eq!((b.links.max_per_member, b.links.warm), (Links::NO_CAP, 0));
    assert_eq!((b.links.max_per_source, b.links.evict_idle), (PerSource::Quarter, None));
    let http = settings(&with(&[], &[MEMBERS]));
    assert_eq!(http.backends[0].protocol, Protocol::Http);
    assert_eq!(http.backends[0].links.max_per_member.get(), 64);
}

#[test]
fn every_option_is_heard() {
    let text = with(
        &[
            TCP,
            "max_connections: 7",
            "proxy_protocol: required",
            "trusted: 10.0.0.0/8",
            "tunnel: { idle_timeout: off, max_age: 8s }",
            "socket: { user_timeout: 9ms, tos: 16, mark: 11, congestion: bbr }",
        ],
        &[
            MEMBERS,
            "proxy_protocol: v1",
            "source_addresses: [127.0.0.2, '::ffff:127.0.0.3']",
            "links: { max_per_member: 12, warm: 12, max_per_source: 5, evict_idle: 5m }",
            "socket: { user_timeout: 24d, tos: 0, congestion: dctcp-2_x }",
        ],
    );
    let Settings { listeners, backends, .. } = settings(&text);
    let (l, b) = (&listeners[0], &backends[0]);
    assert_eq!(l.max_connections.map(usize::from), Some(7));
    assert_eq!(l.proxy_protocol, AcceptProxy::Required);
    assert!(l.trusted.contains(ip("10.1.2.3")) && !l.trusted.contains(ip("11.0.0.0")));
    assert_eq!((l.tunnel.idle, l.tunnel.age), (None, Some(Duration::from_secs(8))));
    assert_eq!((l.socket.user_timeout, l.socket.tos), (Some(Duration::from_millis(9)), Some(16)));
    assert_eq!((l.socket.mark.map(u32::from), l.socket.congestion.as_deref()), (Some(11), Some("bbr")));
    assert_eq!(b.proxy_protocol, Some(ProxyVersion::V1));
    assert_eq!(b.source_addresses, [ip("127.0.0.2"), ip("127.0.0.3")]);
    assert_eq!((b.links.max_per_member.get(), b.links.warm), (12, 12));
    assert_eq!(b.links.max_per_source, PerSource::Most(5.try_into().unwrap()));
    assert_eq!(b.links.evict_idle, Some(Duration::from_secs(300)));
    let off = settings(&with(&[TCP], &[MEMBERS, "links: { max_per_source: off, evict_idle: off }"]));
    let links = &off.backends[0].links;
    assert_eq!((links.max_per_source, links.evict_idle), (PerSource::Unlimited, None));
    let text = with(&[], &[MEMBERS, "links: { evict_idle: 5m }"]);
    warned(&text, &["8:14: backends.pg.links.evict_idle: has no effect for http, only for tcp"]);
    assert_eq!((b.socket.user_timeout, b.socket.tos), (Some(Duration::from_secs(24 * 86_400)), Some(0)));
    assert_eq!(b.socket.congestion.as_deref(), Some("dctcp-2_x"));
    let v2 = settings(&with(&[TCP], &[MEMBERS, "proxy_protocol: v2", "source_addresses: 127.0.0.9"]));
    assert_eq!(v2.backends[0].proxy_protocol, Some(ProxyVersion::V2));
    assert_eq!(v2.backends[0].source_addresses, [ip("127.0.0.9")]);
}

#[test]
fn whom_to_trust() {
    for (networks, inside, outside) in [
        ("127.0.0.1", &["127.0.0.1", "::ffff:127.0.0.1"][..], &["127.0.0.2", "::1", "::7f00:1"][..]),
        ("[10.0.0.0/8, '::1']", &["10.255.0.1", "::ffff:10.0.0.1", "::1"], &["11.0.0.1", "::2"]),
        ("fd00::/8", &["fd12::1"], &["fe80::1", "253.0.0.0"]),
        ("'::ffff:10.0.0.0/104'", &["10.1.1.1", "::ffff:10.1.1.1"], &["11.1.1.1", "::1"]),
        ("'::ffff:10.0.0.7'", &["10.0.0.7"], &["10.0.0.8"]),
        ("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1"]),
        ("'::/0'", &["::1"], &["1.2.3.4"]),
        ("[0.0.0.0/8, '::/8']", &["0.0.0.0", "::"], &["1.2.3.4"]),
        ("any", &["1.2.3.4", "::1", "::ffff:1.2.3.4"], &[]),
        ("${SET:-any}", &["1.2.3.4", "::1"], &[]),
    ] {
        let set = trusted(networks);
        assert!(!set.is_empty());
        assert!(inside.iter().all(|address| set.contains(ip(address))), "{networks}");
        assert!(!outside.iter().any(|address| set.contains(ip(address))), "{networks}");
        assert_eq!(set.is_any(), outside.is_empty(), "{networks}");
    }
    assert!(trusted("['::/0', 0.0.0.0/0]").is_any());
    assert!(Networks::default().is_empty() && !Networks::default().contains(ip("127.0.0.1")));
}

#[test]
fn unix_sockets() {
    let text = with(&[TCP], &["members: { a: unix:/run/a.sock, b: { address: 'unix:/run/b b.sock' } }"]);
    let listening = text.replace("127.0.0.1:0", "unix:/run/penstock/db.sock");
    let Settings { listeners, backends, .. } = settings(&listening);
    assert_eq!(listeners[0].bind, Address::Unix(Path::new("/run/penstock/db.sock").into()));
    assert_eq!(listeners[0].bind.to_string(), "unix:/run/penstock/db.sock");
    let members: Vec<_> = backends[0].members.iter().map(|m| m.address.to_string()).collect();
    assert_eq!(members, ["unix:/run/a.sock", "unix:/run/b b.sock"]);
    let ip = settings(&text).listeners[0].bind.clone();
    assert_eq!((ip.to_string(), ip.ip()), ("127.0.0.1:0".to_owned(), "127.0.0.1:0".parse().ok()));
    // On http listeners, too.
    let http = listening.replace("    protocol: tcp\n", "");
    assert_eq!(settings(&http).listeners[0].bind.ip(), None);
}

#[test]
fn paths_that_are_none() {
    let member = |address: &str| with(&[TCP], &[&format!("members: {{ a: {address} }}")]);
    let longest = format!("unix:/{}", "a".repeat(Address::LONGEST_PATH - 1));
    assert_eq!(settings(&member(&longest)).backends[0].members[0].address.to_string(), longest);
    for (address, why) in [
        (
            "unix:@app",
            "`unix:@app`: abstract names are not supported; write a path, as in `unix:/run/app.sock`",
        ),
        ("unix:app", "`unix:app`: the path must be absolute, as in `unix:/run/app.sock`"),
        ("unix:/run/", "`unix:/run/` names a folder; add the name of the socket"),
        ("\"unix:/a\\0b\"", "`unix:/a\\u{0}b`: a path cannot contain NUL"),
        (&format!("{longest}a"), "a path of 108 bytes; the kernel takes 107 at most for a Unix socket"),
        (
            "/run/app.sock",
            "expected an address such as `127.0.0.1:9001` or `unix:/run/app.sock`, not `/run/app.sock`; \
             the path of a Unix socket begins with `unix:`",
        ),
    ] {
        told(&member(address), &[&format!("8:19: backends.pg.members.a: {why}")]);
    }
    told(
        &(with(&[TCP], &[MEMBERS]) + "admin: unix:/run/admin.sock\n"),
        &["9:8: admin: expected an address such as `127.0.0.1:8080`, not `unix:/run/admin.sock`; \
             a Unix socket cannot stand here (or `off`)"],
    );
    let two = "\
listeners:
  a: { bind: unix:/run/a.sock, protocol: tcp, backend: pg }
  b: { bind: unix:/run//a.sock, protocol: tcp, backend: pg }
backends: { pg: { members: { a: 127.0.0.1:1 } } }
";
    told(
        two,
        &[
            "3:14: listeners.b.bind: the address unix:/run//a.sock is in use twice; `listeners.a.bind` has unix:/run/a.sock",
        ],
    );
    told(
        &(two.replace("//", "/b/") + "control: unix:/run/a.sock\n"),
        &[
            "5:10: control: the address unix:/run/a.sock is in use twice; `listeners.a.bind` has unix:/run/a.sock",
        ],
    );
    warned(
        &with(&[TCP], &["members: { a: unix:/run/a.sock, b: unix:/run/a.sock }"]),
        &["8:40: backends.pg.members.b: unix:/run/a.sock is the address of `a` too"],
    );
}

#[test]
fn lists() {
    let sources = |list: &str| with(&[TCP], &[MEMBERS, &format!("source_addresses: {list}")]);
    let at = |column: u32, why: &str| format!("9:{column}: backends.pg.source_addresses: {why}");
    for (list, lines) in [
        (
            "[127.0.0.2, 127.0.0, 127.0.0.2:80, 127.0.0.2]",
            &[
                at(35, "expected an IP address such as `10.0.0.7`, not `127.0.0`"),
                at(
                    44,
                    "expected an IP address such as `10.0.0.7`, not `127.0.0.2:80`; the kernel chooses the port",
                ),
                at(58, "written twice; first in line 9"),
            ][..],
        ),
        ("[]", &[at(23, "an empty list; expected an IP address such as `10.0.0.7` (or `auto`)")]),
        ("[auto]", &[at(24, "`auto` must stand alone, not in a list")]),
        ("[[127.0.0.2]]", &[at(24, "expected an IP address such as `10.0.0.7`, not a list")]),
        ("[~]", &[at(24, "has no value; expected an IP address such as `10.0.0.7`")]),
        ("{}", &[at(23, "expected an IP address such as `10.0.0.7`, not a map")]),
        ("off", &[at(23, "expected an IP address such as `10.0.0.7`, not `off` (or `auto`)")]),
        (
            "ff02::1",
            &[at(23, "`ff02::1` cannot be a source address; write an address of this machine (or `auto`)")],
        ),
        (
            "0.0.0.0",
            &[at(23, "`0.0.0.0` cannot be a source address; write an address of this machine (or `auto`)")],
        ),
        (
            "[127.0.0.2, '${X}']",
            &[at(36, "the environment variable `X` is not set; set it, or write `${X:-default}`")],
        ),
        (
            "\n    - 127.0.0.2\n    - 127.0.0.2",
            &["11:7: backends.pg.source_addresses: written twice; first in line 10".to_owned()],
        ),
    ] {
        told(&sources(list), &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let many: Vec<_> = (0..300).map(|i| format!("127.1.{}.{}", i / 250, 1 + i % 250)).collect();
    let text = sources(&format!("[{}]", many.join(", ")));
    let column = 24 + many[..256].iter().map(|address| address.len() + 2).sum::<usize>();
    told(&text, &[&format!("9:{column}: backends.pg.source_addresses: 300 are too many; 256 at most")]);
    assert_eq!(
        settings(&sources(&format!("[{}]", many[..256].join(", ")))).backends[0].source_addresses.len(),
        256
    );
}

#[test]
fn whose_proxy_header() {
    let listener = |options: &[&str]| with(&[&[TCP], options].concat(), &[MEMBERS]);
    told(
        &listener(&["proxy_protocol: required"]),
        &[
            "6:21: listeners.db.proxy_protocol: nobody's PROXY header is believed; name the networks of those who send it in `trusted`, or write `trusted: any`",
        ],
    );
    told(
        &listener(&["proxy_protocol: required", "trusted: none"]),
        &[
            "6:21: listeners.db.proxy_protocol: nobody's PROXY header is believed; name the networks of those who send it in `trusted`, or write `trusted: any`",
        ],
    );
    told(
        &listener(&["proxy_protocol: required", "trusted: 10.1.0.0/8"]),
        &[
            "7:14: listeners.db.trusted: `10.1.0.0/8` is an address in a network; write `10.0.0.0/8` for all of it or `10.1.0.0` (or `none`, `any`)",
        ],
    );
    told(
        &listener(&["proxy_protocol: required", "trusted: [10.0.0.0/33, localhost]"]),
        &[
            "7:15: listeners.db.trusted: expected a network such as `10.0.0.0/8` or `::1`, not `10.0.0.0/33`",
            "7:28: listeners.db.trusted: expected a network such as `10.0.0.0/8` or `::1`, not `localhost`",
        ],
    );
    let unix = |trusted: &str| {
        listener(&["proxy_protocol: required", trusted]).replace("127.0.0.1:0", "unix:/run/db.sock")
    };
    told(
        &unix("trusted: 127.0.0.1"),
        &[
            "7:14: listeners.db.trusted: clients of a Unix socket have no address, so no network has them; write `trusted: any`, and let the folder's permissions say who may connect",
        ],
    );
    assert!(settings(&unix("trusted: any")).listeners[0].trusted.is_any());
    warned(
        &listener(&["trusted: any"]),
        &[
            "6:14: listeners.db.trusted: has no effect: without `proxy_protocol: required` there is no header to believe",
        ],
    );
    warned(&listener(&["trusted: none"]), &[]);
    let http = with(&["proxy_protocol: required", "trusted: any"], &[MEMBERS]);
    assert_eq!(settings(&http).listeners[0].proxy_protocol, AcceptProxy::Required);
}

#[test]
fn what_links_for_http_cannot_do() {
    told(
        &with(&[], &[MEMBERS, "proxy_protocol: v2", "links: { warm: 1 }"]),
        &[
            "8:21: backends.pg.proxy_protocol: links for http are shared by many clients, and one PROXY header cannot name them all; pass the address in each request, with `forwarded` of the listener",
            "9:20: backends.pg.links.warm: links for http stay connected and are shared, so there is nothing to keep warm; `idle_timeout` limits how long an unused link stays",
        ],
    );
    warned(&with(&[], &[MEMBERS, "proxy_protocol: off", "links: { warm: 0 }"]), &[]);
    told(
        &with(&[TCP], &[MEMBERS, "links: { max_per_member: 3, warm: 4 }"]),
        &["9:39: backends.pg.links.warm: 4 are more than the 3 that `max_per_member` allows"],
    );
}

#[test]
fn what_nobody_uses_is_of_http() {
    let text = with(&[], &[MEMBERS])
        + "  old: { proxy_protocol: v1, links: { warm: 1 }, members: { a: 127.0.0.1:1 } }\n";
    warned(&text, &["8:3: backends.old: no listener uses this backend"]);
    let old = settings(&text).backends[1].clone();
    assert_eq!((old.protocol, old.proxy_protocol, old.links.warm), (Protocol::Http, None, 0));
}

#[test]
fn a_backend_for_both_protocols() {
    let text = "\
listeners:
  web: { bind: 127.0.0.1:0, backend: app }
  db: { bind: 127.0.0.1:0, protocol: tcp, backend: app }
  more: { bind: 127.0.0.1:0, protocol: http, backend: app }
backends:
  app: { members: { a: 127.0.0.1:9001 }, proxy_protocol: v1, links: { pipeline: 2 } }
";
    told(
        text,
        &[
            "3:52: listeners.db.backend: `listeners.web` uses the backend `app` for http, and `listeners.db` for tcp; links are shared by clients for http and belong to one client for tcp; write a backend for each",
        ],
    );
    let both_tcp =
        text.replace("web: { ", "web: { protocol: tcp, ").replace("protocol: http", "protocol: tcp");
    assert_eq!(settings(&both_tcp).backends[0].protocol, Protocol::Tcp);
    // One mistake is told once: what a listener speaks is not known here.
    told(
        &text.replace("protocol: tcp", "protocol: tpc").replace("proxy_protocol: v1, ", ""),
        &[
            "3:38: listeners.db.protocol: `tpc` is none of `http`, `tcp`, `lines`, `length_prefixed`, `resp`; did you mean `tcp`?",
        ],
    );
}

#[test]
fn what_has_no_effect() {
    warned(
        &with(
            &[
                TCP,
                "forwarded: off",
                "via: off",
                "limits: { head: 1MiB }",
                "timeouts: { idle: 1s, head: 2s }",
            ],
            &[MEMBERS, "response_timeout: 1s", "links: { pipeline: 2, idle_timeout: 1s, max_requests: off }"],
        ),
        &[
            "6:5: listeners.db.forwarded: has no effect for tcp, only for http",
            "7:5: listeners.db.via: has no effect for tcp, only for http",
            "8:5: listeners.db.limits: has no effect for tcp, only for http",
            "9:17: listeners.db.timeouts.idle: has no effect for tcp, only for http, lines, length_prefixed and resp",
            "13:5: backends.pg.response_timeout: has no effect for tcp, only for http, lines, length_prefixed and resp",
            "14:14: backends.pg.links.pipeline: has no effect for tcp, only for http, lines, length_prefixed and resp",
            "14:27: backends.pg.links.idle_timeout: has no effect for tcp, only for http, lines, length_prefixed and resp",
            "14:45: backends.pg.links.max_requests: has no effect for tcp, only for http, lines, length_prefixed and resp",
        ],
    );
    // A connection may become a tunnel.
    warned(&with(&["tunnel: { max_age: 1s, splice: false }"], &[MEMBERS, "links: { pipeline: 2 }"]), &[]);
}

#[test]
fn where_links_come_from() {
    let backend = |members: &str, sources: &str| {
        with(&[TCP], &[&format!("members: {{ {members} }}"), &format!("source_addresses: {sources}")])
    };
    told(
        &backend("a: 127.0.0.1:1, b: unix:/b", "[127.0.0.2, '::1']"),
        &["9:35: backends.pg.source_addresses: ::1 is IPv6, but no member is"],
    );
    told(
        &backend("a: '[::1]:1'", "127.0.0.2"),
        &["9:23: backends.pg.source_addresses: 127.0.0.2 is IPv4, but no member is"],
    );
    warned(
        &backend("a: 127.0.0.1:1, b: unix:/b, c: '[::1]:1', d: '[::ffff:127.0.0.1]:2'", "127.0.0.2"),
        &[
            "8:35: backends.pg.members.b: `source_addresses` has no effect on links to a Unix socket",
            "8:47: backends.pg.members.c: none of `source_addresses` is IPv6; the kernel chooses the source address of links to it",
        ],
    );
    warned(&backend("a: 127.0.0.1:1, b: unix:/b", "auto"), &[]);
}

#[test]
fn options_of_sockets() {
    let socket = |option: &str| with(&[TCP, &format!("socket: {{ {option} }}")], &[MEMBERS]);
    for (option, why) in [
        ("user_timeout: 500us", "`500us` is too short; 1ms at least (or `off`)"),
        ("user_timeout: 1s1us", "`1s1us` is no multiple of 1ms (or `off`)"),
        ("user_timeout: 25d", "`25d` is too long; 24d at most (or `off`)"),
        ("keepalive: 999ms", "`999ms` is too short; 1s at least (or `off`)"),
        ("keepalive: 10h", "`10h` is too long; 9h6m7s at most (or `off`)"),
        ("tos: 256", "256 is outside of 0 to 255 (or `auto`)"),
        ("mark: 0", "0 is outside of 1 to 4294967295 (or `off`)"),
        ("congestion: Cubic", "expected a name such as `cubic` or `bbr`, not `Cubic` (or `auto`)"),
    ] {
        let (key, _) = option.split_once(':').unwrap();
        told(&socket(option), &[&format!("6:{}: listeners.db.socket.{key}: {why}", 17 + key.len())]);
    }
}
