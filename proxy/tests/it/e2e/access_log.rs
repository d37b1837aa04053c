//! The access log tells each exchange once, with its cause where it ended badly, and agrees with the counters.

use std::path::PathBuf;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, directory};
use crate::support::wire::{eventually, request};

fn log(name: &str) -> PathBuf {
    directory(name).join("access.log")
}

fn setup(path: &std::path::Path, rest: &str) -> Setup {
    Setup::new().workers(1).listener(&format!("access_log: {{ to: \"{}\"{rest} }}", path.display()))
}

/// The lines once the proxy has ended.
fn lines(proxy: Proxy, path: &std::path::Path) -> Vec<serde_json::Value> {
    drop(proxy);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn each_exchange_is_told_once_in_the_order_of_its_answer() {
    let path = log("each");
    let (_origin, proxy) = setup(&path, "").with_origin(1);
    let mut client = proxy.client_from([127, 21, 0, 1]);
    client.send(request("GET", "/hello?x=1") + &request("HEAD", "/json"));
    client.answer();
    client.answer_to("HEAD");
    client.post("/add", br#"{"args":[1,2]}"#);
    client.send("GET /a\" b HTTP/1.1\r\n\r\n").answer();
    let lines = lines(proxy, &path);
    let told = |i: usize, name: &str| lines[i][name].clone();
    assert_eq!(lines.len(), 4);
    assert_eq!((told(0, "method"), told(0, "target")), ("GET".into(), "/hello?x=1".into()));
    assert_eq!((told(0, "source"), told(0, "member")), ("127.21.0.1".into(), "a".into()));
    assert_eq!((told(0, "status"), told(0, "ordinal")), (200.into(), 1.into()));
    assert_eq!((told(1, "method"), told(1, "ordinal")), ("HEAD".into(), 2.into()));
    assert_eq!((told(2, "received"), told(2, "target")), (14.into(), "/add".into()));
    assert_eq!((told(3, "status"), told(3, "cause")), (400.into(), "bad_request".into()));
    assert_eq!((told(3, "method"), told(3, "target")), ("GET".into(), "/a\" b".into()));
    assert_eq!(lines[3].get("member"), None, "nobody got it");
    assert!(lines[..3].iter().all(|line| line.get("cause").is_none_or(serde_json::Value::is_null)));
    assert!(told(0, "sent").as_u64().unwrap() > 13 && told(0, "duration").as_f64().unwrap() > 0.0);
}

#[test]
fn what_ends_badly_is_told_whatever_the_sample() {
    let path = log("sampled");
    let proxy = {
        let member = Script::start(|_, mut wire| {
            while let Some(head) = wire.next_head() {
                if head.contains("/held") {
                    wire.rest_and_reset();
                    return;
                }
                if head.contains("/cut") {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut");
                    return;
                }
                wire.send("HTTP/1.1 204 No Content\r\n\r\n");
            }
        });
        let proxy = setup(&path, ", sample: 1/1000").before_one(member.address);
        let mut client = proxy.client();
        for _ in 0..50 {
            client.get("/good");
        }
        let mut held = proxy.client();
        // Keeps the first link.
        held.send("POST /held HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
        eventually("it is under way", || proxy.sum("penstock_requests_in_flight") == 1);
        let mut cut = proxy.client();
        cut.send("POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").rest_and_reset();
        eventually("it is counted", || proxy.errors("truncated") == 1);
        drop(held);
        eventually("it is counted", || proxy.errors("client_abort") == 1);
        proxy
    };
    let lines = lines(proxy, &path);
    let causes: Vec<_> = lines.iter().map(|line| line["cause"].as_str().unwrap_or("")).collect();
    assert_eq!(causes, ["", "truncated", "client_abort"], "{lines:?}");
}

#[test]
fn a_tunnel_is_told_when_it_has_ended() {
    let path = log("tunnel");
    let member = Script::start(|_, mut wire| {
        wire.head();
        wire.send("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        let asked = wire.take(10);
        wire.send(asked);
        wire.rest();
    });
    let proxy = setup(&path, "").before_one(member.address);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n0123456789");
    client.head();
    client.take(10);
    client.finish().is_over();
    proxy.at_rest();
    let lines = lines(proxy, &path);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["status"], &lines[0]["received"]), (&101.into(), &10.into()));
}

#[test]
fn limits_of_a_listener_are_told_with_their_causes() {
    let path = log("limits");
    let setup = setup(&path, "").listener("limits: { body: 10B, requests: 3 }");
    let (_origin, proxy) = setup.with_origin(1);
    let mut client = proxy.client();
    assert_eq!(client.post("/add", b"{\"args\":[1,2]}").cause(), (413, "body_too_large"));
    client.is_over();
    let mut client = proxy.client();
    let chunked = "POST /add HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{chunked}6\r\n{{\"args\r\n8\r\n\":[1,2]}}\r\n0\r\n\r\n"));
    assert_eq!(client.answer().cause(), (413, "body_too_large"));
    client.is_over();
    let mut client = proxy.client();
    client.send(request("GET", "/hello").repeat(5));
    let answers: Vec<_> = (0..3).map(|_| client.answer().closes()).collect();
    assert_eq!(answers, [false, false, true]);
    client.is_over();
    let reason = ["reason=\"limit_requests\""];
    eventually("counted", || proxy.sum_of("penstock_client_connections_closed_total", &reason) == 1);
    let lines = lines(proxy, &path);
    let causes: Vec<_> = lines.iter().filter_map(|line| line["cause"].as_str()).collect();
    assert_eq!((lines.len(), causes), (5, vec!["body_too_large", "body_too_large"]));
}
