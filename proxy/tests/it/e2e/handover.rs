//! At a reload listening sockets go from listener to listener by their address: names may change and be swapped, what
//! waits in an accept queue is accepted, and what cannot be done changes nothing.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::binary::Binary;
use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::{Proxy, member_at, origin};
use crate::support::wire::{Wire, eventually, occupy, release};

/// A configuration with these lines for its listeners and its backends.
fn config(listeners: &[String], backends: &[String]) -> String {
    let lines = |of: &[String]| of.iter().map(|line| format!("  {line}\n")).collect::<String>();
    format!("admin: off\nworkers: 2\nlisteners:\n{}backends:\n{}", lines(listeners), lines(backends))
}

fn listener(name: &str, bind: impl std::fmt::Display, rest: &str) -> String {
    format!("{name}: {{ bind: \"{bind}\", {rest} }}")
}

fn backend(name: &str, member: SocketAddr) -> String {
    format!("{name}: {{ members: {{ m: \"{member}\" }} }}")
}

const ANY: &str = "127.0.0.1:0";

fn at(proxy: &Proxy, listener: &str) -> SocketAddr {
    proxy.running().address(listener).unwrap_or_else(|| panic!("{listener} is not bound"))
}

fn accepted(proxy: &Proxy, listener: &str) -> i64 {
    let label = format!("listener=\"{listener}\"");
    proxy.sum_of("penstock_client_connections_accepted_total", &[&label])
}

#[test]
fn a_listener_that_gets_another_name_keeps_its_port() {
    let origin = origin(1);
    let backends = [backend("app", origin.addresses()[0].1)];
    // The address as it is named, a port of the kernel's choice, and such a port that is named from then on.
    for named in [false, true] {
        let mut proxy = Proxy::run(&config(&[listener("web", ANY, "backend: app")], &backends));
        let address = at(&proxy, "web");
        let bind = if named { address.to_string() } else { ANY.to_owned() };
        let mut idle = Wire::connect(address);
        assert_eq!(idle.get("/hello").status, 200);
        let mut busy = occupy(address);
        eventually("it is on its link", || proxy.sum("penstock_backend_requests_in_flight") == 1);

        proxy.reload(&config(&[listener("front", bind, "backend: app")], &backends)).unwrap();
        assert_eq!((at(&proxy, "front"), proxy.running().address("web")), (address, None));
        for _ in 0..20 {
            assert_eq!(Wire::connect(address).get("/hello").status, 200);
        }
        assert_eq!(accepted(&proxy, "front"), 20, "all that came after the reload are the new one's");
        idle.is_over();
        assert!(release(&mut busy).closes(), "what was in flight ends, and its client with it");
        busy.is_over();
        proxy.reload(&config(&[listener("front", address, "backend: app")], &backends)).unwrap();
        assert_eq!(Wire::connect(address).get("/hello").status, 200);
    }
}

#[test]
fn two_listeners_swap_their_ports_and_three_rotate() {
    let members = ["a", "b", "c"].map(|name| member_at(name, ([127, 0, 0, 1], 0).into()));
    let backends: Vec<_> =
        ["a", "b", "c"].iter().zip(&members).map(|(name, m)| backend(name, m.addresses()[0].1)).collect();
    let start: Vec<_> = ["a", "b", "c"].map(|n| listener(n, ANY, &format!("backend: {n}"))).into();
    let mut proxy = Proxy::run(&config(&start, &backends));
    let ports = ["a", "b", "c"].map(|name| at(&proxy, name));
    let mut client = Wire::connect(ports[0]);
    assert_eq!(client.get("/hello").member(), "a");
    for names in [["b", "a", "c"], ["c", "a", "b"], ["a", "b", "c"], ["c", "b", "a"]] {
        let listeners: Vec<_> =
            names.iter().zip(ports).map(|(n, port)| listener(n, port, &format!("backend: {n}"))).collect();
        proxy.reload(&config(&listeners, &backends)).unwrap();
        for (name, port) in names.iter().zip(ports) {
            assert_eq!(at(&proxy, name), port);
            for _ in 0..5 {
                assert_eq!(Wire::connect(port).get("/hello").member(), **name);
            }
        }
        assert_eq!(client.get("/hello").member(), "a", "it is a client of a listener that stays");
    }
}

#[test]
fn what_is_spoken_changes_together_with_the_name() {
    let http = origin(1);
    let raw = Script::start(|_, mut wire| {
        wire.send("220 ready\r\n");
        wire.rest_and_reset();
    });
    let backends = [backend("app", http.addresses()[0].1), backend("mail", raw.address)];
    let web = |bind| listener("web", bind, "backend: app");
    let smtp = |bind| listener("smtp", bind, "protocol: tcp, backend: mail");
    let mut proxy = Proxy::run(&config(&[web(ANY.to_owned())], &backends[..1]));
    let address = at(&proxy, "web");
    let mut client = Wire::connect(address);
    assert_eq!(client.get("/hello").status, 200);
    for _ in 0..3 {
        proxy.reload(&config(&[smtp(address.to_string())], &backends[1..])).unwrap();
        client.is_over();
        let mut tunnel = Wire::connect(address);
        assert_eq!(tunnel.take(11), b"220 ready\r\n");
        proxy.reload(&config(&[web(address.to_string())], &backends[..1])).unwrap();
        client = Wire::connect(address);
        assert_eq!(client.get("/hello").status, 200);
        tunnel.send("QUIT").finish().is_over();
    }
    // The name alone does not change what is spoken.
    let other = config(&[listener("web", address, "protocol: tcp, backend: mail")], &backends[1..]);
    let why = proxy.reload(&other).unwrap_err();
    assert!(why.contains("listeners.web: its protocol changes only at a restart, or with its name"), "{why}");
    assert_eq!(client.get("/hello").status, 200);
}

/// Tunnels outlive their listener, so every connection that the kernel has taken must be served.
#[test]
fn no_connection_is_lost_while_names_change() {
    let member = Script::start(|_, mut wire| {
        while let Some(asked) = wire.try_take(4) {
            wire.send(asked);
        }
    });
    let backends = [backend("app", member.address)];
    let of = |name: &str, bind: String| listener(name, bind, "protocol: tcp, backend: app");
    let mut proxy = Proxy::run(&config(&[of("a", ANY.into()), of("b", ANY.into())], &backends));
    let ports = [at(&proxy, "a"), at(&proxy, "b")];
    let stop = Arc::new(AtomicBool::new(false));
    let asking = ports.map(|port| {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut served = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut clients: Vec<_> = (0..8).map(|_| Wire::connect(port)).collect();
                for client in &mut clients {
                    assert_eq!(client.send("ping").take(4), b"ping");
                    served += 1;
                }
            }
            served
        })
    });
    for i in 0..60 {
        let names = [["b", "a"], ["c", "a"], ["c", "d"], ["d", "c"], ["a", "b"]][i % 5];
        let listeners: Vec<_> =
            names.iter().zip(ports).map(|(name, port)| of(name, port.to_string())).collect();
        proxy.reload(&config(&listeners, &backends)).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let served: i64 = asking.map(|thread| thread.join().unwrap()).into_iter().sum();
    let rest = proxy.at_rest();
    assert_eq!(rest.sum("penstock_request_errors_total"), 0);
    assert!(served > 0 && rest.sum("penstock_client_connections_accepted_total") <= served);
}

#[test]
fn a_reload_that_cannot_be_done_changes_no_name() {
    let members = ["a", "b"].map(|name| member_at(name, ([127, 0, 0, 1], 0).into()));
    let backends: Vec<_> =
        ["a", "b"].iter().zip(&members).map(|(name, m)| backend(name, m.addresses()[0].1)).collect();
    let of = |name: &str, bind: String, to: &str| listener(name, bind, &format!("backend: {to}"));
    let mut proxy = Proxy::run(&config(&[of("a", ANY.into(), "a"), of("b", ANY.into(), "b")], &backends));
    let (a, b) = (at(&proxy, "a"), at(&proxy, "b"));
    let mut clients = [a, b].map(Wire::connect);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let everywhere = format!("0.0.0.0:{}", a.port());
    let unheard = listener("a", b, "backend: a, socket: { congestion: unheard_of }");
    for (listeners, why) in [
        (
            vec![of("a", b.to_string(), "a"), of("b", a.to_string(), "b"), of("c", taken, "a")],
            "listeners.c: cannot bind",
        ),
        (vec![of("x", a.to_string(), "a"), of("b", b.to_string(), "nobody")], "nobody"),
        (vec![unheard, of("b", a.to_string(), "b")], "listeners.a.socket: No such file"),
        (vec![of("x", everywhere, "a"), of("b", b.to_string(), "b")], "moves only at a restart"),
    ] {
        let said = proxy.reload(&config(&listeners, &backends)).unwrap_err();
        assert!(said.contains(why), "{said}");
        assert_eq!((at(&proxy, "a"), at(&proxy, "b")), (a, b));
        for (i, (port, member)) in [(a, "a"), (b, "b")].into_iter().enumerate() {
            assert_eq!(Wire::connect(port).get("/hello").member(), member);
            assert_eq!(clients[i].get("/hello").member(), member, "who is there stays");
        }
    }
}

/// The descriptors of the process.
fn descriptors(proxy: &Binary) -> BTreeSet<u64> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", proxy.id())).unwrap();
    open.map(|fd| fd.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// However many descriptors are left: all of the new configuration is in force, or nothing has changed.
#[test]
fn a_reload_is_taken_as_a_whole_or_not_at_all() {
    let origin = origin(1);
    let (web, more, raw, front) = (own_address(), own_address(), own_address(), own_address());
    let folder = crate::support::stand::directory("whole");
    let (path, log) = (folder.join("in.sock"), folder.join("access.log"));
    let backends = [backend("app", origin.addresses()[0].1), backend("db", origin.addresses()[0].1)];
    let of = |name: &str, bind: SocketAddr, rest: &str| listener(name, bind, &format!("backend: app{rest}"));
    let before = config(&[of("web", web, ""), of("back", front, "")], &backends[..1]);
    let changed = ", backlog: 77, socket: { keepalive: 77s }";
    let logged = format!(", access_log: {{ to: \"{}\" }}", log.display());
    let unix = listener("unix", format!("unix:{}", path.display()), "protocol: tcp, backend: db");
    let after = [
        of("web", web, changed),
        of("front", front, ""),
        of("more", more, &logged),
        unix,
        listener("raw", raw, "protocol: tcp, backend: db"),
    ];
    let after = config(&after, &backends);
    let proxy = Binary::run(&before);
    let limit = |most: u64| {
        let (current, maximum) = (Some(most), rustix::process::getrlimit(Resource::Nofile).maximum);
        prlimit(Pid::from_raw(proxy.id() as i32), Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    let many = 1000;
    let (mut refused, mut took) = (0, 0);
    for spare in 0..24 {
        let mut client = Wire::connect(web);
        assert_eq!(client.get("/hello").status, 200, "{spare} to spare");
        let open = descriptors(&proxy);
        limit((0..many).filter(|number| !open.contains(number)).nth(spare).unwrap());
        let rejections = proxy.err().matches("rejected").count();
        let taken = proxy.reload(&after).matches("rejected").count() == rejections;
        limit(many);
        assert_eq!(client.get("/hello").status, 200, "{spare} to spare: who is there stays");
        if taken {
            took += 1;
            for address in [web, front, more, raw] {
                assert_eq!(Wire::connect(address).get("/hello").status, 200, "{spare} to spare: {address}");
            }
            std::os::unix::net::UnixStream::connect(&path).unwrap();
            eventually("what is asked is written down", || {
                std::fs::read_to_string(&log).is_ok_and(|lines| lines.contains("/hello"))
            });
            proxy.reload(&before);
        } else {
            refused += 1;
            for address in [web, front] {
                assert_eq!(Wire::connect(address).get("/hello").status, 200, "{spare} to spare: {address}");
            }
            for address in [more, raw] {
                assert!(TcpStream::connect(address).is_err(), "{spare} to spare: nobody listens there");
            }
            assert!(!path.exists(), "{spare} to spare");
        }
        assert_eq!(taken, took > 0, "{spare} to spare: who had enough with fewer has enough with more");
        let _ = std::fs::remove_file(&log);
        drop(client);
        eventually("what was opened is closed", || descriptors(&proxy).len() < open.len());
    }
    assert!(refused > 3 && took > 3, "{refused} refused, {took} taken: {}", proxy.err());
}

#[test]
fn a_listener_whose_socket_its_worker_cannot_have_is_no_configuration_taken() {
    let origin = origin(1);
    let (web, more) = (own_address(), own_address());
    let backends = [backend("app", origin.addresses()[0].1)];
    let of = |name: &str, bind| listener(name, bind, "backend: app");
    let before = config(&[of("web", web)], &backends);
    let proxy = Binary::run(&before);
    let limit = |most: u64| {
        let (current, maximum) = (Some(most), rustix::process::getrlimit(Resource::Nofile).maximum);
        prlimit(Pid::from_raw(proxy.id() as i32), Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    let many = 1000;
    for (after, at) in [(vec![of("web", web), of("more", more)], more), (vec![of("front", web)], web)] {
        let after = config(&after, &backends);
        let mut refused = 0;
        // One descriptor to read the file, then one or none for a new socket, and one for the worker's own of it.
        for spare in 0..4 {
            let mut client = Wire::connect(web);
            assert_eq!(client.get("/hello").status, 200);
            let open = descriptors(&proxy);
            limit((0..many).filter(|number| !open.contains(number)).nth(spare).unwrap());
            let rejections = proxy.err().matches("rejected").count();
            let taken = proxy.reload(&after).matches("rejected").count() == rejections;
            limit(many);
            if taken {
                assert_eq!(Wire::connect(at).get("/hello").status, 200, "{spare} to spare");
                proxy.reload(&before);
            } else {
                refused += 1;
                assert_eq!(client.get("/hello").status, 200, "{spare} to spare");
                assert!(
                    at == web || TcpStream::connect(at).is_err(),
                    "{spare} to spare: nobody listens there"
                );
            }
            drop(client);
            eventually("what was opened is closed", || descriptors(&proxy).len() < open.len());
        }
        assert!(refused > 0, "with none to spare there is none for a socket: {}", proxy.err());
        proxy.reload(&after);
        assert_eq!(Wire::connect(at).get("/hello").status, 200, "the next reload is a new attempt");
        proxy.reload(&before);
    }
    let no_clone = "listeners.more: its worker cannot accept on its socket: Too many open files";
    assert!(proxy.err().contains(no_clone), "{}", proxy.err());
}
