//! Tests how responses are read and judged, orders and cuts of requests, and the text of reports.

use crate::proto::http::Method;

use super::answers::{Expected, LONGEST_BODY, Reply, ReplyRead, Signature, Unreadable, judge, take};
use super::fault::Fault;
use super::pipeline::PipelineFailure;
use super::report::{Case, Evidence, Report, ToldApart};
use super::requests::{Question, cut, order, usual};

/// Reads one complete answer, and returns it with the text behind it.
fn read(text: &str, method: Method) -> (Reply, String) {
    let mut came = text.as_bytes().to_vec();
    match take(&mut came, method, false) {
        Ok(ReplyRead::Whole(reply)) => (*reply, String::from_utf8(came).unwrap()),
        other => panic!("{text:?}: {other:?}"),
    }
}

fn reply(text: &str) -> Reply {
    read(text, Method::Get).0
}

#[test]
fn an_answer_is_taken_and_what_follows_it_is_left() {
    for (text, method, status, keeps, body, left) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP", Method::Get, 200, true, "hi", "HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Method::Head, 200, true, "", "hi"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi", Method::Get, 304, true, "", "hi"),
        ("HTTP/1.1 204 No Content\r\n\r\n", Method::Options, 204, true, "", ""),
        ("HTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 204 x\r\n\r\n\r\n", Method::Get, 204, true, "", "\r\n"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\nX",
            Method::Get,
            200,
            true,
            "abc",
            "X",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Method::Get,
            200,
            false,
            "",
            "",
        ),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            Method::Get,
            200,
            false,
            "",
            "",
        ),
    ] {
        let (reply, rest) = read(text, method);
        let found = (reply.status, reply.keeps_link, String::from_utf8(reply.body).unwrap(), rest);
        assert_eq!(found, (status, keeps, body.to_owned(), left.to_owned()), "{text:?}");
    }
}

#[test]
fn every_cut_of_an_answer_is_partial_and_nothing_is_taken() {
    let text = "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: t\r\n\r\n";
    for cut in 0..text.len() {
        let mut came = text.as_bytes()[..cut].to_vec();
        assert_eq!(take(&mut came, Method::Get, false), Ok(ReplyRead::Partial), "{cut}");
        assert_eq!(came.len(), cut);
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let malformed = |text: &str, ended| {
        let found = take(&mut text.as_bytes().to_vec(), Method::Get, ended);
        matches!(found, Err(Unreadable::Malformed(_)))
    };
    for text in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "+OK\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n",
    ] {
        assert!(malformed(text, false), "{text:?}");
    }
    assert!(malformed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", true), "it was cut short");
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", LONGEST_BODY + 1);
    assert_eq!(take(&mut long.into_bytes(), Method::Get, false), Err(Unreadable::TooLong));
    let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    endless.resize(endless.len() + LONGEST_BODY + 1, b'x');
    assert_eq!(take(&mut endless, Method::Get, false), Err(Unreadable::TooLong));
}

#[test]
fn fields_are_found_by_whole_name() {
    let reply = reply(
        "HTTP/1.1 200 OK\r\nX-Server: no\r\nSERVER:  nginx \r\nServer-Timing: x\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(reply.field("server"), Some(&b"nginx"[..]));
    assert_eq!(reply.field("serve"), None);
    assert_eq!(reply.field("http/1.1 200 ok"), None);
}

fn answer(fields: &str, body: &str) -> Reply {
    reply(&format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn a_signature_holds_what_two_answers_agree_in() {
    let (first, second) =
        (answer("Date: 1\r\nAllow: GET\r\n", "a"), answer("Date: 2\r\nAllow: GET\r\n", "a"));
    let steady = Signature::of(&first, &second).unwrap();
    assert!(steady.fits(&answer("Date: 3\r\nAllow: GET\r\n", "a")));
    assert!(!steady.fits(&answer("Allow: PUT\r\n", "a")));
    assert!(!steady.fits(&answer("Allow: GET\r\n", "b")));
    assert!(!steady.fits(&reply("HTTP/1.1 404 x\r\nAllow: GET\r\nContent-Length: 1\r\n\r\na")));
    // The same content in chunks is the same answer.
    assert!(steady.fits(&reply(
        "HTTP/1.1 200 OK\r\nAllow: GET\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    )));
    let varies = Signature::of(&answer("", "one"), &answer("", "three")).unwrap();
    assert!(varies.fits(&answer("", "something else")));
    assert!(!varies.fits(&answer("", "")), "that there is content did not vary");
    assert!(varies.fits(&answer("Set-Cookie: x\r\n", "x")), "a field that is not looked at");
    assert_eq!(Signature::of(&first, &reply("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n")), None);
}

#[test]
fn two_signatures_differ_where_no_answer_fits_both() {
    let of = |one: &Reply| Signature::of(one, one).unwrap();
    let (plain, other) = (of(&answer("", "a")), of(&answer("", "b")));
    assert!(plain.differs_from(&other) && !plain.differs_from(&plain));
    let varies = Signature::of(&answer("", "a"), &answer("", "b")).unwrap();
    assert!(!varies.differs_from(&plain) && !plain.differs_from(&varies));
    let (head, _) = read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", Method::Head);
    assert!(of(&head).differs_from(&varies), "one has content, and one has none");
}

#[test]
fn an_answer_is_judged_by_whose_it_is() {
    let texts = ["a", "b", "c"].map(|body| answer("", body));
    let signatures = [0, 1, 2].map(|i| Signature::of(&texts[i], &texts[i]).unwrap());
    let expected = [0, 1, 2].map(|i| Expected { signature: &signatures[i], token: None });
    for (came, index, verdict) in [
        ("a", 0, Ok(())),
        ("c", 2, Ok(())),
        ("b", 0, Err(Fault::Reordered)),
        ("c", 1, Err(Fault::Reordered)),
        ("a", 1, Err(Fault::Surplus)),
        ("a", 2, Err(Fault::Differs)),
        ("x", 0, Err(Fault::Differs)),
        ("c", 3, Err(Fault::Surplus)),
    ] {
        assert_eq!(judge(&answer("", came), index, &expected), verdict, "{came} at {index}");
    }
}

#[test]
fn a_token_proves_an_answer_however_it_looks() {
    let signature = Signature::of(&answer("", "x"), &answer("", "x")).unwrap();
    let expected = ["t1", "t2", "t3"].map(|token| Expected { signature: &signature, token: Some(token) });
    let answer = |text: &str| judge(&answer("X-Id: none\r\n", text), 1, &expected);
    assert_eq!(answer("you asked for t2"), Ok(()));
    assert_eq!(answer("you asked for t3"), Err(Fault::Reordered));
    assert_eq!(answer("you asked for t1"), Err(Fault::Surplus));
    assert_eq!(answer("x"), Err(Fault::Differs));
}

#[test]
fn orders_have_no_two_neighbours_alike_and_use_every_kind() {
    for kinds in 1..9 {
        for first in 0..kinds {
            let order = order(kinds, first, 4 * kinds * kinds);
            assert!(order.iter().all(|kind| *kind < kinds));
            assert!((0..kinds).all(|kind| order.contains(&kind)), "{kinds} {first}: {order:?}");
            assert!(kinds == 1 || order.windows(2).all(|two| two[0] != two[1]), "{kinds} {first}: {order:?}");
            let follows = |a, b| order.windows(2).any(|two| two == [a, b]);
            let all = |a| (0..kinds).filter(move |b| *b != a).all(|b| follows(a, b));
            assert!((0..kinds).all(all), "{kinds} {first}: {order:?}");
        }
    }
}

#[test]
fn cuts_leave_every_byte_in_its_place() {
    let bytes = b"0123456789abcdefghij";
    assert_eq!(cut(bytes, &[10, 20], &[50]), [&b"01234"[..], b"56789abcde", b"fghij"]);
    assert_eq!(cut(bytes, &[10, 20], &[100]), [&b"0123456789"[..], b"abcdefghij"]);
    for share in 0..=100 {
        assert_eq!(cut(bytes, &[3, 7, 20], &[share, 99]).concat(), bytes, "{share}");
    }
}

#[test]
fn requests_are_safe_have_no_content_and_say_who_asks() {
    for question in usual() {
        let mut bytes = Vec::new();
        question.write("127.0.0.1:80", None, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(["GET /", "HEAD /", "OPTIONS /"].iter().any(|start| text.starts_with(start)), "{text}");
        assert!(text.contains("\r\nHost: 127.0.0.1:80\r\nUser-Agent: penstock/"), "{text}");
        assert!(text.contains(" (pipelining probe)\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        assert!(!text.contains("Content-Length") && !text.contains("Transfer-Encoding"), "{text}");
    }
    let mut bytes = Vec::new();
    Question::new(Method::Get, "/x?id={id}").write("h", Some("77"), &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("GET /x?id=77 HTTP/1.1\r\n") && text.contains("\r\nX-Request-Id: 77\r\n"),
        "{text}"
    );
}

fn report(server: &str, fault: Option<Fault>) -> Report {
    let offence =
        |fault| PipelineFailure { fault, answered: 3, asked: "GET /x".into(), bytes: b"a\r\n\xff".to_vec() };
    let cases = vec![Case { name: "one", requests: 1234, faults: fault.into_iter().collect() }];
    let first = fault.map(|fault| ("one", offence(fault)));
    let server = Some(server.as_bytes().to_vec()).filter(|server| !server.is_empty());
    Report::tried(Evidence { server, told_apart: ToldApart::Looks(5), cases, links: 7, first, slow: None })
}

#[test]
fn a_report_says_the_verdict_what_was_seen_and_what_to_write() {
    for (server, fault, code, parts) in [
        (
            "nginx",
            None,
            0,
            &["verdict      keeps order: 1,234", "on 7 conn", "nothing: `pipeline: auto`", "--slow"][..],
        ),
        ("mine", None, 0, &["mine: unknown software", "`links: { pipeline: 16 }` takes your word"]),
        ("", None, 0, &["names no software", "pipeline: 16"]),
        ("TwistedWeb/22.4.0", None, 0, &["CVE-2023-46137", "If yours is patched"]),
        ("mine", Some(Fault::Dropped), 1, &["verdict      drops: 1 of", "after 3 good", "pipeline: 1 }"]),
        (
            "mine",
            Some(Fault::Reordered),
            1,
            &["reorders: ", "asked        GET /x\n", "came         \"a\\r\\n\\xff\"\n"],
        ),
        ("mine", Some(Fault::Closes), 1, &["verdict      closes: "]),
        ("mine", Some(Fault::Closed), 1, &["verdict      closes: "]),
        ("mine", Some(Fault::Surplus), 1, &["verdict      lies: "]),
        ("mine", Some(Fault::Differs), 1, &["verdict      lies: "]),
    ] {
        let report = report(server, fault);
        let text = report.text("http://x/");
        assert_eq!(report.exit_code(), code, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_eq!(report.json("http://x/")["exit_code"], code);
    }
    for (fault, code, words) in [
        (Fault::Indistinct, 2, "cannot be told apart"),
        (Fault::Timeout, 2, "could not be tried"),
        (Fault::Connect(std::io::ErrorKind::ConnectionRefused), 2, "could not be tried"),
        (Fault::Closes, 1, "closes"),
        (Fault::Surplus, 1, "lies"),
    ] {
        let report = Report::untried(fault.into());
        assert_eq!((report.exit_code(), &report.json("u")["verdict"]), (code, &words.into()));
    }
}
