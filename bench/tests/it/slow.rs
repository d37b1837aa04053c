//! Tests slow readers and writers, fresh connections, echoes, and requests from a file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use penstock_bench::{Plan, Protocol, Stop, Work, mix, run};

use crate::server::{Server, honest};

#[test]
fn a_slow_reader_takes_as_long_as_its_rate_says() {
    let server = Server::start(honest);
    let work = Work::Pattern { sizes: vec![20_000], chunked: false };
    let report = run(&Plan { work, read_rate: Some(40_000), ..Plan::new(server.address) }).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(report.quantile(1.0) >= Duration::from_millis(400), "{report:?}");
}

#[test]
fn a_slow_writer_takes_as_long_as_its_rate_says() {
    let server = Server::start(honest);
    let work = Work::Post { sizes: vec![20_000] };
    let report = run(&Plan { work, write_rate: Some(40_000), ..Plan::new(server.address) }).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(report.quantile(1.0) >= Duration::from_millis(400), "{report:?}");
}

#[test]
fn a_stall_is_in_the_middle_of_the_request_and_before_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let (tell, arrivals) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut bytes, mut head) = ([0; 1000], Vec::new());
        while !head.ends_with(b"\r\n\r\n") {
            let n = stream.read(&mut bytes).unwrap();
            assert!(n > 0);
            head.extend_from_slice(&bytes[..n]);
            tell.send((n, Instant::now())).unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let report = run(&Plan { stall: Duration::from_millis(200), ..Plan::new(to) }).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let arrivals: Vec<(usize, Instant)> = arrivals.iter().collect();
    let [(first, begun), (second, ended)] = arrivals[..] else { panic!("{arrivals:?}") };
    assert!(first.abs_diff(second) <= 1, "{arrivals:?}");
    assert!(ended - begun >= Duration::from_millis(150), "{arrivals:?}");
    assert!(report.quantile(1.0) >= Duration::from_millis(400), "{report:?}");
}

#[test]
fn each_exchange_can_have_a_connection_of_its_own() {
    let server = Server::start(honest);
    let stop = Stop::Requests(10);
    let plan =
        Plan { clients: 4, per_connection: Some(1), stop, work: Work::Ids, ..Plan::new(server.address) };
    let report = run(&plan).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.answered, report.connections, report.connect_time.len()), (40, 40, 40));
    assert_eq!(server.counts().0, 40);
}

/// Starts a server that sends back what it gets, one byte changed after so many.
fn echo(wrong_at: Option<usize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let (mut bytes, mut seen) = (vec![0; 7000], 0);
                while let Ok(n @ 1..) = stream.read(&mut bytes) {
                    if let Some(at) = wrong_at.filter(|at| (seen..seen + n).contains(at)) {
                        bytes[at - seen] ^= 1;
                    }
                    seen += n;
                    if stream.write_all(&bytes[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn an_echo_must_send_back_every_byte() {
    for depth in [1, 5] {
        let work = Work::Bounce { sizes: vec![0, 1, 100, 50_000] };
        let plan = Plan { clients: 3, depth, work, stop: Stop::Requests(50), ..Plan::new(echo(None)) };
        let report = run(&Plan { protocol: Protocol::Echo, ..plan }).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((report.answered, report.bytes_sent), (150, report.bytes_received));
    }
    let work = Work::Bounce { sizes: vec![1000] };
    let plan = Plan { work, stop: Stop::Requests(5), ..Plan::new(echo(Some(2500))) };
    let report = run(&Plan { protocol: Protocol::Echo, ..plan }).unwrap();
    assert_eq!((report.answered, report.errors.wrong_answer), (5, 1), "{report:?}");
}

#[test]
fn requests_of_a_file_are_sent_as_they_stand_and_answers_are_compared() {
    let server = Server::start(honest);
    let text = r#"{"path": "/bytes/3", "weight": 3, "name": "small"}
{"method": "POST", "path": "/echo", "headers": {"X-A": "b"}, "body": "hello", "answer": "hello"}"#;
    let plan = |text: &str| {
        let work = Work::Mixed(mix("test", text, server.address).unwrap());
        Plan { clients: 4, depth: 3, stop: Stop::Requests(100), work, ..Plan::new(server.address) }
    };
    let report = run(&plan(text)).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.classes.keys().collect::<Vec<_>>(), ["POST /echo", "small"]);
    assert!((250..350).contains(&report.classes["small"].len()), "{report:?}");
    let report = run(&plan(r#"{"path": "/bytes/3", "answer": "abc"}"#)).unwrap();
    assert_eq!(report.errors.wrong_answer, 400, "{report:?}");
    assert!(report.first_errors[0].contains("GET /bytes/3 got not the expected answer"), "{report:?}");
}
