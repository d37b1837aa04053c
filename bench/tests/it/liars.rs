//! Tests each way in which a server can fail or answer wrongly, and the count that must show it.

use std::net::TcpListener;
use std::time::Duration;

use penstock_bench::{Errors, Plan, Report, Stop, Work, run};

use crate::server::{Reply, Request, Server, honest, ok};

/// Runs 3 clients with 4 exchanges each, with a timeout that is long enough on any machine.
fn against(work: Work, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Report {
    patient(Duration::from_secs(60), work, reply)
}

fn patient(
    timeout: Duration,
    work: Work,
    reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Report {
    let server = Server::start(reply);
    let report =
        run(&Plan { clients: 3, work, timeout, stop: Stop::Requests(4), ..Plan::new(server.address) })
            .unwrap();
    assert_eq!(report.requests, 12, "{report:?}");
    assert_eq!(report.requests, report.answered + report.errors.lost(), "{report:?}");
    assert_eq!(report.connections, server.counts().0);
    assert!(!report.is_clean());
    report
}

fn get() -> Work {
    Work::Get("/".to_owned())
}

fn only(report: &Report, expected: Errors) {
    assert_eq!(report.errors, expected, "{report:?}");
    assert_eq!(report.mix_ups, 0);
    assert!(!report.first_errors.is_empty());
}

fn send(wire: &'static str) -> impl Fn(&Request) -> Reply {
    move |_| Reply::Send(wire.as_bytes().to_vec())
}

#[test]
fn another_ones_id_is_a_mix_up() {
    let report = against(Work::Ids, |request| match request.before {
        2 => Reply::Send(ok("a", b"{\"target\":\"/echo?id=77-2\"}")),
        _ => honest(request),
    });
    assert_eq!((report.mix_ups, report.answered, report.errors.total()), (3, 12, 0), "{report:?}");
    assert!(report.first_errors[0].contains("got the answer to 77-2"), "{report:?}");
}

#[test]
fn another_ones_post_is_a_mix_up() {
    let report = against(Work::Post { sizes: vec![100] }, |request| match request.before {
        2 => Reply::Send(ok("a", b"77-2:something else")),
        _ => honest(request),
    });
    assert_eq!((report.mix_ups, report.answered, report.errors.total()), (3, 12, 0), "{report:?}");
}

#[test]
fn a_wrong_content_of_good_framing_is_a_wrong_answer() {
    let wrong = Errors { wrong_answer: 3, ..Errors::default() };
    let fourth = |flip: usize| {
        move |request: &Request| match (request.before, honest(request)) {
            (3, Reply::Send(mut wire)) => {
                let at = wire.len() - flip;
                wire[at] ^= 1;
                Reply::Send(wire)
            }
            (_, reply) => reply,
        }
    };
    only(&against(Work::Pattern { sizes: vec![5000], chunked: false }, fourth(1)), wrong);
    only(&against(Work::Pattern { sizes: vec![5000], chunked: true }, fourth(100)), wrong);
    only(&against(Work::Post { sizes: vec![5000] }, fourth(2500)), wrong);
    let nameless = |request: &Request| match request.before {
        3 => Reply::Send(ok("a", b"{}")),
        _ => honest(request),
    };
    only(&against(Work::Ids, nameless), wrong);
}

#[test]
fn a_refusal_is_an_answer_and_not_held_against_the_content() {
    let report = against(Work::Ids, send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"));
    assert_eq!((report.by_class, report.errors, report.mix_ups), ([0, 0, 0, 0, 12], Errors::default(), 0));
}

#[test]
fn a_truncated_answer_is_closed_early() {
    for wire in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 O",
        "",
    ] {
        let report = against(get(), move |_| Reply::SendAndClose(wire.into()));
        only(&report, Errors { closed_early: 12, ..Errors::default() });
    }
}

#[test]
fn a_reset_is_a_read_error() {
    let report = against(get(), |_| Reply::Reset);
    only(&report, Errors { read: 12, ..Errors::default() });
}

#[test]
fn what_is_not_http_is_a_bad_answer() {
    for wire in [
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        only(&against(get(), send(wire)), Errors { bad_answer: 12, ..Errors::default() });
    }
}

#[test]
fn bytes_nobody_asked_for_are_surplus() {
    let report = against(get(), send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!"));
    only(&report, Errors { surplus: 12, ..Errors::default() });
    assert_eq!(report.answered, 12);
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi!";
    only(&against(get(), send(closing)), Errors { surplus: 12, ..Errors::default() });
}

#[test]
fn silence_is_a_timeout_even_amid_an_answer() {
    let (short, timeout) = (Duration::from_millis(500), Errors { timeout: 12, ..Errors::default() });
    only(&patient(short, get(), |_| Reply::Silence), timeout);
    let half = send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    only(&patient(short, get(), half), timeout);
}

#[test]
fn a_request_that_cannot_leave_is_a_write_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Closing with unread bytes resets the connection, while the rest of the request is still to come.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().peek(&mut [0]).unwrap();
        }
    });
    let (work, stop) = (Work::Post { sizes: vec![30_000_000] }, Stop::Requests(2));
    let report = run(&Plan { clients: 2, work, stop, ..Plan::new(address) }).unwrap();
    only(&report, Errors { write: 4, ..Errors::default() });
}

#[test]
fn a_refused_connect_is_a_connect_error_and_the_client_gives_up() {
    // A bound socket that does not listen refuses, and keeps the port from others.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let report = run(&Plan { clients: 2, ..Plan::new(address) }).unwrap();
    only(&report, Errors { connect: 16, ..Errors::default() });
    assert_eq!((report.requests, report.connections), (0, 0));
}

#[test]
fn what_stands_behind_a_close_is_lost_and_counted() {
    let server = Server::start(|request| match request.before {
        0 => Reply::Send(ok("a", b"")),
        _ => Reply::SendAndClose(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into()),
    });
    let report = run(&Plan { depth: 4, stop: Stop::Requests(4), ..Plan::new(server.address) }).unwrap();
    only(&report, Errors { closed_early: 2, ..Errors::default() });
    assert_eq!((report.requests, report.answered), (4, 2));
}
