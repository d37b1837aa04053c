//! Upgraded connections become tunnels (RFC 9110 sections 7.8 and 9.3.6): raw after 101 and not before, and out of the pool.
//!
//! Tunnels have limits and a gauge of their own.

use std::io::Write;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, request};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: x\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A member that agrees to upgrades and then repeats what it hears, with FIN answered by FIN; answers all else.
fn echo() -> Script {
    Script::start(|_, mut wire| {
        while let Some(head) = wire.next_head() {
            if head.contains("Upgrade: websocket") {
                wire.send(SWITCHED);
                let mut stream = wire.stream.try_clone().unwrap();
                stream.write_all(&wire.buffered()).unwrap();
                std::io::copy(&mut wire.stream, &mut stream).ok();
                stream.shutdown(std::net::Shutdown::Write).ok();
                return;
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        }
    })
}

/// Long enough for idle clients to be told to go.
const SHORT: std::time::Duration = std::time::Duration::from_millis(300);

fn tunnels(proxy: &Proxy) -> (i64, i64) {
    let state = ["state=\"tunnel\""];
    let of = |name| proxy.sum_of(name, &state);
    (of("penstock_client_connections"), of("penstock_backend_connections"))
}

fn upgraded(proxy: &Proxy) -> Wire {
    let mut client = proxy.client();
    client.send(UPGRADE);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

#[test]
fn after_101_bytes_go_both_ways_until_both_have_said_all() {
    let member = echo();
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = upgraded(&proxy);
    eventually("both sides are shown", || tunnels(&proxy) == (1, 1));
    for size in [1, 1000, 300_000] {
        let bytes = vec![b'x'; size];
        let mut writer = client.stream.try_clone().unwrap();
        let sent = bytes.clone();
        let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        assert_eq!(client.take(size), bytes);
        writing.join().unwrap();
    }
    client.send("GET / HTTP/1.1\r\n\r\n"); // is no request any more
    assert_eq!(client.take(18), b"GET / HTTP/1.1\r\n\r\n");
    client.finish();
    client.is_over();
    let at_rest = proxy.at_rest();
    assert_eq!(at_rest.sum_of("penstock_requests_total", &["code=\"1xx\""]), 1);
    assert_eq!(at_rest.sum("penstock_request_errors_total"), 0);
    eventually("nobody has a tunnel", || tunnels(&proxy) == (0, 0));
}

#[test]
fn what_comes_early_waits_for_101() {
    let member = echo();
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    client.send(format!("{UPGRADE}early bytes"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.take(11), b"early bytes");
}

#[test]
fn without_101_it_stays_http_and_what_came_early_is_a_request() {
    let member = Script::always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", false);
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    client.send(UPGRADE.to_owned() + &request("GET", "/next"));
    assert_eq!(client.answer().text(), "no");
    assert_eq!(client.answer().text(), "no");
    assert_eq!(client.get("/third").text(), "no");
    assert_eq!(member.connections(), 1, "its link stayed in the pool");
    assert_eq!(proxy.at_rest_after(client).sum("penstock_requests_total"), 3);
}

#[test]
fn the_link_of_a_tunnel_is_not_in_the_pool() {
    let member = echo();
    let proxy = Setup::new().workers(1).backend("links: { max_per_member: 1 }").before_one(member.address);
    let mut tunnel = upgraded(&proxy);
    let mut other = proxy.client();
    assert_eq!(other.get("/").text(), "plain", "the only place is free again");
    tunnel.send("ping");
    assert_eq!(tunnel.take(4), b"ping");
    assert_eq!(member.connections(), 2);
}

#[test]
fn only_what_is_allowed_is_offered_on() {
    let member = echo();
    let cases = [
        ("upgrades: [websocket]", "websocket", true),
        ("upgrades: off", "websocket", false),
        ("upgrades: [websocket]", "spdy", false),
        ("upgrades: any", "websocket", true),
        ("upgrades: any", "h2c", false),
    ];
    for (allowed, asked, switches) in cases {
        let proxy = Setup::new().workers(1).listener(allowed).before_one(member.address);
        let mut client = proxy.client();
        client.send(UPGRADE.replace("websocket", asked));
        assert_eq!(client.head().contains(" 101 "), switches, "{allowed}, {asked}");
    }
}

#[test]
fn only_so_many_links_of_a_member_become_tunnels() {
    let member = echo();
    let proxy = Setup::new().workers(1).backend("links: { max_tunnels: 2 }").before_one(member.address);
    let (one, _other) = (upgraded(&proxy), upgraded(&proxy));
    let mut third = proxy.client();
    assert_eq!(third.send(UPGRADE).answer().cause(), (503, "tunnel_limit"));
    assert_eq!(third.get("/").text(), "plain", "it stays a client");
    drop(one);
    eventually("its place is free", || tunnels(&proxy).1 == 1);
    upgraded(&proxy);
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    let member = echo();
    let proxy = Setup::new().workers(1).listener("tunnel: { idle_timeout: 50ms }").before_one(member.address);
    let mut client = upgraded(&proxy);
    client.is_over();
    let closed = |reason: &str| {
        proxy.sum_of("penstock_client_connections_closed_total", &[&format!("reason=\"{reason}\"")])
    };
    eventually("it is counted", || closed("idle_timeout") == 1);

    let proxy = Setup::new().workers(1).listener("tunnel: { max_age: 50ms }").before_one(member.address);
    let mut client = upgraded(&proxy);
    while client.stream.write_all(b"x").is_ok() && client.try_take(1).is_some() {}
    let closed = || proxy.sum_of("penstock_client_connections_closed_total", &["reason=\"max_age\""]);
    eventually("it is counted", || closed() == 1);
}

#[test]
fn a_drain_leaves_tunnels_alone_until_its_end() {
    let member = echo();
    let mut proxy = Setup::new().workers(1).top("drain_timeout: 20s").before_one(member.address);
    let mut client = upgraded(&proxy);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let draining = runtime.block_on(async { tokio::time::timeout(SHORT, proxy.running_mut().drain()).await });
    assert!(draining.is_err(), "it waits for the tunnel");
    client.send("still here");
    assert_eq!(client.take(10), b"still here");
    drop(proxy); // as when the time for the drain is over
    client.rest_and_reset();
}

#[test]
fn a_reset_passes_through() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        wire.head();
        wire.send(SWITCHED);
        let (_, reset) = wire.rest_and_reset();
        sender.send(reset).unwrap();
    });
    let proxy = Setup::new().workers(1).before_one(member.address);
    upgraded(&proxy).reset();
    assert!(receiver.recv().unwrap(), "the member was reset, too");
    eventually("it has a cause", || proxy.errors("client_abort") == 1);
}

#[test]
fn connect_is_a_tunnel_where_it_is_allowed() {
    let member = Script::start(|_, mut wire| {
        let head = wire.head();
        assert!(head.starts_with("CONNECT db:5432 HTTP/1.1\r\n"), "{head}");
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello");
        let asked = wire.take(3);
        wire.send(asked);
    });
    let connect = "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";
    let proxy = Setup::new().workers(1).listener("connect: true").before_one(member.address);
    let mut client = proxy.client();
    client.send(connect);
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(client.take(5), b"hello");
    assert_eq!(client.send("SQL").take(3), b"SQL");
    client.is_over();
    drop((client, proxy)); // before another one has links to the same member

    let proxy = Setup::new().workers(1).before_one(member.address);
    assert_eq!(proxy.client().send(connect).answer().cause(), (405, "unsupported"));
}

/// What `docker exec` asks of its daemon: a hijacked connection, with a JSON body before it.
const EXEC: &str = r#"{"Detach":false,"Tty":true}"#;

fn exec(target: &str) -> String {
    let length = EXEC.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker-Client/24.0.7 (linux)\r\n\
         Content-Length: {length}\r\nConnection: Upgrade\r\nContent-Type: application/json\r\nUpgrade: tcp\r\n\r\n"
    )
}

const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
                        Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const NO_TUNNEL: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
const BAD_JSON: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n\
                        {\"message\":\"no..\"}";

/// As dockerd does: the body is read, and then the connection is hijacked, in the new way (101) or the old one (200);
/// an unknown container is refused. Tells each head that came.
fn docker(heads: std::sync::mpsc::Sender<String>) -> Script {
    Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            heads.send(head.clone()).unwrap();
            if head.starts_with("GET /_ping") {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
                continue;
            }
            let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
            let body = if chunked { wire.chunks() } else { wire.take(EXEC.len()) };
            assert_eq!(body, EXEC.as_bytes());
            if head.starts_with("POST /exec/unknown") {
                wire.send(BAD_JSON);
                continue;
            }
            if head.starts_with("POST /exec/old") {
                wire.send(NO_TUNNEL).send("raw bytes");
                return;
            }
            wire.send(UPGRADED).send("prompt$ ");
            let mut stream = wire.stream.try_clone().unwrap();
            stream.write_all(&wire.buffered()).unwrap();
            std::io::copy(&mut wire.stream, &mut stream).ok();
            stream.shutdown(std::net::Shutdown::Write).ok();
            return;
        }
    })
}

fn before_docker() -> (std::sync::mpsc::Receiver<String>, Script, Proxy) {
    let (sender, heads) = std::sync::mpsc::channel();
    let member = docker(sender);
    let proxy = Setup::new().workers(1).listener("upgrades: any").before_one(member.address);
    (heads, member, proxy)
}

#[test]
fn an_upgrade_with_a_body_becomes_a_tunnel() {
    let chunked = format!("{:x}\r\n{EXEC}\r\n0\r\n\r\n", EXEC.len());
    let by_length = format!("Content-Length: {}", EXEC.len());
    let head = exec("/exec/1/start");
    let plain = (head.clone(), EXEC.to_owned());
    let in_chunks = (head.replace(&by_length, "Transfer-Encoding: chunked"), chunked);
    for (head, body) in [plain, in_chunks] {
        // In one segment, byte for byte, and with the first raw bytes right behind the body.
        for (pieces, early) in [(1, ""), (body.len(), ""), (1, "early "), (body.len(), "early ")] {
            let (heads, _member, proxy) = before_docker();
            let mut client = proxy.client();
            client.send(&head);
            for piece in body.as_bytes().chunks(body.len().div_ceil(pieces)) {
                client.send(piece);
            }
            client.send(early);
            let answer = client.head();
            assert!(answer.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{answer}");
            assert!(answer.contains("Upgrade: tcp\r\nConnection: Upgrade\r\n"), "{answer}");
            assert!(heads.recv().unwrap().contains("Upgrade: tcp\r\nConnection: Upgrade\r\n"));
            assert_eq!(client.take(8), b"prompt$ ");
            assert_eq!(client.take(early.len()), early.as_bytes());
            eventually("both sides are shown", || tunnels(&proxy) == (1, 1));
            for said in ["ls\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"] {
                assert_eq!(client.send(said).take(said.len()), said.as_bytes());
            }
            client.send("exit").finish();
            assert_eq!(client.rest(), b"exit", "the half-close passes");
            let at_rest = proxy.at_rest();
            assert_eq!(at_rest.sum_of("penstock_requests_total", &["code=\"1xx\""]), 1);
            assert_eq!(at_rest.sum("penstock_request_errors_total"), 0);
        }
    }
}

#[test]
fn a_refused_upgrade_with_a_body_leaves_the_connection_to_http() {
    let (heads, member, proxy) = before_docker();
    let mut client = proxy.client();
    for next in ["", "GET /_ping HTTP/1.1\r\nHost: h\r\n\r\n"] {
        client.send(exec("/exec/unknown/start") + EXEC + next);
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (400, false), "{answer:?}");
        assert_eq!(answer.text(), r#"{"message":"no.."}"#);
        assert!(heads.recv().unwrap().starts_with("POST /exec/unknown/start "));
        if !next.is_empty() {
            assert_eq!(client.answer().text(), "OK");
        }
    }
    assert_eq!(client.get("/_ping").text(), "OK");
    assert_eq!(member.connections(), 1, "its link stayed in the pool");
    client.send(exec("/exec/1/start") + EXEC);
    assert!(client.head().starts_with("HTTP/1.1 101 "), "it may ask again");
    drop(client);
    eventually("the places are free", || tunnels(&proxy) == (0, 0));
}

/// Docker answers so where it takes no notice of `Upgrade`. Its 200 says nothing of a tunnel: it is content that lasts until the member closes.
#[test]
fn the_old_answer_of_docker_is_no_tunnel() {
    let (_heads, _member, proxy) = before_docker();
    let mut client = proxy.client();
    client.send(exec("/exec/old/start") + EXEC);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "raw bytes"));
    assert_eq!(tunnels(&proxy).0, 0);
    assert_eq!(client.get("/_ping").text(), "OK", "what follows is a request");
}

#[test]
fn a_101_before_the_body_is_whole_is_no_tunnel() {
    let member = Script::start(|_, mut wire| {
        wire.head();
        wire.send(UPGRADED).send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
        wire.rest_and_reset();
    });
    let setup = Setup::new().workers(1).listener("upgrades: any");
    // So that its head goes to the member before its body has come.
    let proxy = setup.listener("request_buffer: 0B").before_one(member.address);
    let mut client = proxy.client();
    client.send(exec("/exec/1/start")).send(&EXEC[..5]);
    assert_eq!(client.answer().cause(), (502, "bad_response"));
    assert_eq!(client.rest_and_reset().0, b"");
    eventually("it has no tunnel", || tunnels(&proxy) == (0, 0));
}

#[test]
fn an_upgrade_with_a_body_takes_a_place_among_the_tunnels() {
    let (sender, _heads) = std::sync::mpsc::channel();
    let member = docker(sender);
    let setup = Setup::new().workers(1).listener("upgrades: any").backend("links: { max_tunnels: 1 }");
    let proxy = setup.before_one(member.address);
    let mut first = proxy.client();
    first.send(exec("/exec/1/start") + EXEC);
    assert!(first.head().starts_with("HTTP/1.1 101 "));
    let mut second = proxy.client();
    assert_eq!(second.send(exec("/exec/2/start") + EXEC).answer().cause(), (503, "tunnel_limit"));
    drop(first);
    eventually("its place is free", || tunnels(&proxy).1 == 0);
    // What was refused, or answered with an error, gives its place back.
    let mut third = proxy.client();
    for _ in 0..3 {
        assert_eq!(third.send(exec("/exec/unknown/start") + EXEC).answer().status, 400);
    }
    third.send(exec("/exec/3/start") + EXEC);
    assert!(third.head().starts_with("HTTP/1.1 101 "));
}
