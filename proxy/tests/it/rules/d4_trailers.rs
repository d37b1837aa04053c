//! Tests of D4, trailers: they travel on as trailers, except those that may not stand there.

use crate::rules::ground::{Ground, answer, chunked, get, line};
use crate::support::wire::{Wire, fields};

/// What may not be said when the head has been acted upon (RFC 9110 section 6.5.1).
const FORBIDDEN: &str = "Content-Length: 5\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nAuthorization: Basic x\r\n\
                         Content-Type: x\r\nContent-Encoding: x\r\nConnection: close\r\nTE: x\r\nTrailer: x\r\n\
                         Set-Cookie: x\r\nProxy-Authorization: x\r\nKeep-Alive: x\r\nUpgrade: x\r\nExpect: x\r\n\
                         Cache-Control: x\r\nMax-Forwards: 1\r\nX-Forwarded-For: 6.6.6.6\r\nVia: 1.1 x\r\nForwarded: for=x\r\n";

/// The content and trailers of a chunked answer, whose head has been read.
fn rest(client: &mut Wire) -> (Vec<u8>, Vec<String>) {
    let mut body = Vec::new();
    loop {
        let count = usize::from_str_radix(&line(client), 16).unwrap();
        if count == 0 {
            break;
        }
        body.extend(client.take(count));
        client.take(2);
    }
    (body, std::iter::from_fn(|| Some(line(client)).filter(|line| !line.is_empty())).collect())
}

/// RFC 9110 section 6.5.2, RFC 9112 section 7.1.2: a request's trailers come behind its last chunk, and not in the head.
#[test]
fn m7_1_2_trailers_of_requests_travel_on_in_trailers() {
    let ground = Ground::plain();
    let asked = ground.passes(chunked("2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Sum:  2 \r\n\r\n"));
    assert_eq!(asked.body, b"hi");
    assert_eq!(fields(&format!("\r\n{}", asked.trailers.join("\r\n")), "x-sum"), ["1", "2"]);
    asked.lacks("x-sum");
    assert_eq!(ground.passes(chunked("2\r\nhi\r\n0\r\n\r\n")).trailers, [""; 0]);
}

/// RFC 9110 section 6.5.2: the same for answers.
#[test]
fn m7_1_2_trailers_of_answers_travel_on_in_trailers() {
    let lines = "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n";
    let ground = Ground::saying(answer(lines, "2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-other: a b\r\n\r\n"));
    let mut client = ground.client();
    for _ in 0..2 {
        let head = client.send(get("TE: trailers\r\nConnection: TE\r\n")).head();
        assert_eq!((fields(&head, "x-sum"), fields(&head, "trailer")), (vec![], vec!["X-Sum"]));
        assert_eq!(
            rest(&mut client),
            (b"hi".to_vec(), vec!["X-Sum: 1".to_owned(), "x-other: a b".to_owned()])
        );
    }
    assert_eq!(ground.links(), 1);
}

/// RFC 9110 section 6.5.1: what frames, routes, authenticates or describes may not come late; it is left behind.
#[test]
fn s6_5_1_forbidden_trailers_are_left_behind() {
    let trailers = format!("2\r\nhi\r\n0\r\nX-A: 1\r\n{FORBIDDEN}X-B: 2\r\n\r\n");
    let ground = Ground::saying(answer("Transfer-Encoding: chunked\r\n", &trailers));
    let mut client = ground.client();
    client.send(chunked(&trailers)).head();
    assert_eq!(rest(&mut client).1, ["X-A: 1", "X-B: 2"]);
    assert_eq!(ground.last().trailers, ["X-A: 1", "X-B: 2"]);
}

/// RFC 9110 section 6.5.2: who gets no chunks gets no trailers.
#[test]
fn m7_1_2_http_1_0_gets_no_trailers() {
    let ground = Ground::saying(answer("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"));
    let mut client = ground.client();
    let head = client.send("GET / HTTP/1.0\r\n\r\n").head();
    assert_eq!((fields(&head, "x-sum"), client.rest()), (vec![], b"hi".to_vec()));
}

/// RFC 9112 section 7.1.2: trailers are bounded as heads are.
#[test]
fn m7_1_2_trailers_are_bounded() {
    let ground = Ground::plain();
    let many: String = (0..5000).map(|i| format!("A{i}: 0123456789\r\n")).collect();
    let mut client = ground.client();
    client.send(chunked(&format!("0\r\n{many}\r\n")));
    let answer = client.answer();
    assert!(answer.closes() && (400..500).contains(&answer.status), "{answer:?}");
    client.is_over();
}
