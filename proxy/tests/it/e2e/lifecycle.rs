//! The program starts, tells where it is, drains when asked to, and says why where it cannot.

use std::net::TcpListener;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::binary::{Binary, output};
use crate::support::scrape::Scrape;
use crate::support::script::Script;
use crate::support::stand::{Setup, directory, origin};
use crate::support::wire::{Wire, eventually, occupy, release, request};

fn setup() -> Setup {
    Setup::new().top("admin: 127.0.0.1:0").top("drain_timeout: 20s")
}

fn scrape(binary: &Binary) -> Scrape {
    Scrape::new(Wire::connect(binary.listener("metrics")).get("/metrics").text())
}

#[test]
fn it_tells_what_listens_where() {
    let origin = origin(2);
    let proxy = Binary::run(&setup().text(origin.addresses()));
    let out = proxy.out().join("\n");
    let (web, metrics) = (proxy.listener("web"), proxy.listener("metrics"));
    for (name, address) in origin.addresses() {
        assert!(out.contains(&format!("{name}={address}")), "{out}");
    }
    assert!(out.contains(&format!("curl -i http://{web}/json")), "{out}");
    assert!(out.contains(&format!("http://{metrics}/metrics")), "{out}");
    assert_eq!(Wire::connect(web).get("/json").status, 200);
    assert_eq!(Wire::connect(metrics).get("/metrics").status, 200);
    assert_eq!(proxy.err(), "");
}

#[test]
fn with_origin_it_serves_its_members_itself() {
    let ports: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let named = ["a", "b", "c"].into_iter().zip(&ports);
    let members: Vec<_> = named.map(|(name, port)| (name.to_owned(), port.local_addr().unwrap())).collect();
    drop(ports);
    let proxy = Binary::run_with(&setup().text(&members), &["--with-origin"]);
    let answer = Wire::connect(proxy.listener("web")).get("/json");
    assert_eq!(answer.text(), r#"{"message":"Hello, World!"}"#);
    assert!(proxy.out().iter().any(|line| line.starts_with("origin")));
}

#[test]
fn sigterm_and_sigint_let_exchanges_end_and_start_none() {
    for signal in [Signal::TERM, Signal::INT] {
        let origin = origin(1);
        let mut proxy = Binary::run(&setup().text(origin.addresses()));
        let (web, metrics) = (proxy.listener("web"), proxy.listener("metrics"));
        let mut idle = Wire::connect(web);
        assert_eq!(idle.get("/hello").status, 200);
        let mut silent = Wire::connect(web);
        let mut busy = occupy(web);
        let mut streams = Wire::connect(web);
        streams
            .send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 80005\r\n\r\n")
            .send(vec![b'x'; 80_000]);
        eventually("both are on their links", || {
            scrape(&proxy).sum("penstock_backend_requests_in_flight") == 2
        });

        proxy.signal(signal);
        idle.is_over();
        silent.is_over();
        let mut ready = Wire::connect(metrics);
        let answer = ready.get("/readyz");
        assert_eq!((answer.status, answer.text()), (503, "draining\n"));
        assert_eq!(scrape(&proxy).sum("penstock_draining"), 1);
        eventually("nobody listens", || std::net::TcpStream::connect(web).is_err());

        streams.send("later");
        assert!(streams.answer().text().ends_with("xlater"));
        streams.is_over();
        assert!(release(&mut busy).closes());
        busy.is_over();
        assert_eq!(proxy.exit(), Some(0), "{signal:?}: {}", proxy.err());
    }
}

#[test]
fn requests_that_were_read_before_the_drain_are_all_answered() {
    let origin = origin(1);
    let text = setup().backend("links: { max_per_member: 1, pipeline: 1 }").text(origin.addresses());
    let mut proxy = Binary::run(&text);
    let mut busy = occupy(proxy.listener("web"));
    let mut clients: Vec<_> = (0..9).map(|_| Wire::connect(proxy.listener("web"))).collect();
    eventually("it is on the link", || scrape(&proxy).sum("penstock_backend_requests_in_flight") == 1);
    clients.iter_mut().for_each(|client| {
        client.send(request("GET", "/delay/1"));
    });
    eventually("the others wait", || scrape(&proxy).sum("penstock_pool_waiting") == 9);
    proxy.signal(Signal::TERM);
    release(&mut busy);
    for mut client in clients {
        assert_eq!(client.answer().status, 200);
        client.is_over();
    }
    assert_eq!(proxy.exit(), Some(0));
}

#[test]
fn a_second_signal_ends_the_drain() {
    let member = Script::start(|_, mut wire| while wire.next_head().is_some() {});
    let mut proxy = Binary::run(&setup().text(&[("a".to_owned(), member.address)]));
    let mut busy = Wire::connect(proxy.listener("web"));
    busy.send(request("GET", "/"));
    eventually("it is on its link", || scrape(&proxy).sum("penstock_backend_requests_in_flight") == 1);
    proxy.signal(Signal::TERM);
    eventually("it drains", || proxy.out().iter().any(|line| line.contains("draining")));
    assert!(proxy.runs());
    proxy.signal(Signal::INT);
    assert_eq!(proxy.exit(), Some(0));
    assert_eq!(busy.rest_and_reset().0, b"");
}

#[test]
fn a_drain_ends_after_its_time() {
    let member = Script::start(|_, mut wire| while wire.next_head().is_some() {});
    let text = Setup::new().top("drain_timeout: 100ms").text(&[("a".to_owned(), member.address)]);
    let mut proxy = Binary::run(&text);
    let mut busy = Wire::connect(proxy.listener("web"));
    busy.send(request("GET", "/hello"));
    eventually("it is on its link", || member.connections() == 1);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit(), Some(0));
    assert!(
        proxy.out().iter().any(|line| line.contains("1 clients did not end in time")),
        "{:?}",
        proxy.out()
    );
}

#[test]
fn an_address_in_use_is_told_with_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let origin = origin(1);
    let config = directory("in-use").join("config.yaml");
    for text in [
        Setup::new().listener(&format!("bind: {address}")).text(origin.addresses()),
        Setup::new().top(&format!("admin: {address}")).text(origin.addresses()),
    ] {
        std::fs::write(&config, text).unwrap();
        let ended = output(&["run", "-c", config.to_str().unwrap()], config.parent().unwrap());
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("cannot bind {address}")) && err.contains("ss -ltnp"), "{err}");
    }
}

const MISTAKES: &str = "\
admin: off
listeners:
  web: { bind: 127.0.0.1:0, backend: nobody }
backends:
  app:
    links: { max_per_member: 0, pipline: 3 }
    members: { a: 127.0.0.1:99999 }
";

#[test]
fn check_and_run_tell_all_mistakes_at_once() {
    let within = directory("mistakes");
    std::fs::write(within.join("bad.yaml"), MISTAKES).unwrap();
    for command in ["check", "run"] {
        let ended = output(&[command, "--config", "bad.yaml"], &within);
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{err}");
        for told in [
            "bad.yaml:3",
            "nobody",
            "bad.yaml:6",
            "max_per_member",
            "pipline",
            "pipeline",
            "bad.yaml:7",
            "99999",
        ] {
            assert!(err.contains(told), "no {told} in:\n{err}");
        }
    }
}

#[test]
fn check_says_that_a_good_file_is_good() {
    let within = directory("good");
    let origin = origin(1);
    std::fs::write(within.join("config.yaml"), setup().text(origin.addresses())).unwrap();
    let ended = output(&["check"], &within);
    assert_eq!(ended.status.code(), Some(0));
    assert!(String::from_utf8(ended.stdout).unwrap().contains("good: 1 listeners, 1 backends, 1 members"));
    let ended = output(&["check", "-c", "missing.yaml"], &within);
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr).unwrap().contains("missing.yaml"));
}

#[test]
fn it_runs_in_an_empty_directory() {
    let within = directory("empty");
    let mut proxy = Binary::spawn(&["run"], &within, PathBuf::new());
    // The addresses of the built-in configuration are fixed, so another program may have them.
    eventually("it has decided", || {
        proxy.err().contains("cannot bind") || proxy.out().iter().any(|line| line.starts_with("try"))
    });
    if proxy.err().is_empty() {
        assert_eq!(proxy.listener("web"), "127.0.0.1:8080".parse().unwrap());
        proxy.signal(Signal::TERM);
        assert_eq!(proxy.exit(), Some(0));
    } else {
        assert_eq!(proxy.exit(), Some(1));
    }
    assert_eq!(std::fs::read_dir(within).unwrap().count(), 0);
}

/// Pipelined requests of a client that is to leave: its first answer says that it is the last, and is.
#[test]
fn nothing_is_answered_behind_an_error_that_says_it_is_the_last() {
    let setup = Setup::new().workers(1).backend("links: { max_per_member: 1, pipeline: 1 }");
    let setup = setup.backend("queue: { timeout: 1s }").top("drain_timeout: 60s");
    let (_origin, mut proxy) = setup.with_origin(1);
    let mut first = occupy(proxy.address());
    let mut client = proxy.client();
    client.send(request("GET", "/hello").repeat(3));
    eventually("it waits", || proxy.sum("penstock_pool_waiting") == 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let short = std::time::Duration::from_millis(50);
    let drain = runtime.block_on(async { tokio::time::timeout(short, proxy.running_mut().drain()).await });
    assert!(drain.is_err(), "it waits for both clients");
    let answer = client.answer();
    assert_eq!((answer.cause(), answer.closes()), ((503, "queue_timeout"), true));
    client.is_over();
    release(&mut first);
}
