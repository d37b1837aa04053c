//! curl: connections kept, old versions, uploads of unknown length, trailers, hints, and authentication of the connection.

use std::path::Path;

use crate::clients::front::{Front, pattern};
use crate::support::child::Run;
use crate::support::program::Program;

const CURL: Program = Program::new("curl", "curl");

/// curl, by itself: no file of the user's, no proxy of the environment's.
fn curl(front: &Front) -> Run {
    Run::new(CURL, front.path()).args("-q -sS --max-time 100").env("no_proxy", "*")
}

/// Of each request, a line: connections opened for it, status, bytes of content.
const TOLD: &str = "%{num_connects} %{http_code} %{size_download}\n";

fn files_are_alike(one: &Path, other: &Path) -> bool {
    std::fs::read(one).unwrap() == std::fs::read(other).unwrap()
}

#[test]
fn a_connection_is_kept() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let mut run = curl(&front);
    for (at, path) in
        ["/hello", "/bytes/1000000", "/chunked/300000", "/status/204", "/hello"].iter().enumerate()
    {
        run = if at > 0 { run.args("--next -sS") } else { run };
        run = run.args("-o /dev/null -w").arg(TOLD).arg(front.url(path));
    }
    assert_eq!(run.succeed(), "1 200 13\n0 200 1000000\n0 200 300000\n0 204 0\n0 200 13\n");
    front.carried(5);
}

#[test]
fn an_old_client_gets_bytes_until_the_end() {
    let Some(front) = Front::before(&[CURL]) else { return };
    for path in ["/bytes/200000", "/chunked/200000", "/until-close/200000"] {
        let body = front.directory().join("body");
        curl(&front).args("--http1.0 -o").arg(&body).arg(front.url(path)).succeed();
        assert!(std::fs::read(body).unwrap() == pattern(200_000), "{path}");
    }
    let head = curl(&front).args("--http1.0 -I").arg(front.url("/chunked/5")).succeed();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "HTTP/1.0 knows no chunks: {head}");
    front.carried(4);
}

#[test]
fn what_is_read_from_a_pipe_goes_up_in_chunks() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let (sent, back) = (front.directory().write("sent", pattern(3_000_000)), front.directory().join("back"));
    let run = curl(&front).args("-v -T - -o").arg(&back).arg(front.url("/echo")).input(&sent);
    let mut child = run.start();
    assert!(child.wait().success(), "{}", child.said());
    assert!(child.said().contains("> Transfer-Encoding: chunked"), "{}", child.said());
    assert!(files_are_alike(&sent, &back));
    front.carried(1);
}

#[test]
fn a_large_body_waits_for_100() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let (sent, back) = (front.directory().write("sent", pattern(3_000_000)), front.directory().join("back"));
    let data = format!("@{}", sent.display());
    let mut child =
        curl(&front).args("-v --data-binary").arg(data).arg("-o").arg(&back).arg(front.url("/echo")).start();
    assert!(child.wait().success(), "{}", child.said());
    let said = child.said();
    let order = ["> Expect: 100-continue", "< HTTP/1.1 100 Continue", "< HTTP/1.1 200 OK"];
    let at = order.map(|line| said.find(line).unwrap_or_else(|| panic!("no {line} in {said}")));
    assert!(at.is_sorted() && files_are_alike(&sent, &back), "{said}");
    front.carried(1);
}

#[test]
fn a_head_has_no_body() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let urls = [front.url("/bytes/77"), front.url("/chunked/77"), front.url("/hello")];
    let said = curl(&front).args("-I -w").arg("%{num_connects}\n").args(&urls.join(" ")).succeed();
    assert_eq!(said.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{said}");
    assert!(said.contains("Content-Length: 77\r\n") && said.contains("Content-Length: 13\r\n"), "{said}");
    let connects: Vec<_> = said.lines().filter(|line| line.len() == 1).collect();
    assert_eq!(connects, ["1", "0", "0"], "{said}");
    front.carried(3);
}

#[test]
fn trailers_are_shown() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let said = curl(&front).arg("-i").arg(front.url("/trailers")).succeed();
    let (head, rest) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nTrailer: X-Fnv, X-Part"), "{head}");
    // curl writes them where they come.
    let content = "a body in two chunks, and trailers behind it\n";
    assert_eq!(rest, format!("{content}X-Fnv: e03293cb76ae880f\r\nX-Part: one\r\nX-Part: two\r\n"));
    front.carried(1);
}

#[test]
fn hints_come_before_the_answer_and_not_to_old_clients() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let said = curl(&front).arg("-i").arg(front.url("/early")).succeed();
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n";
    let (early, rest) = said.split_once("\r\n\r\n").unwrap();
    assert!(format!("{early}\r\n").starts_with(hints), "{said}");
    assert!(
        rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\nafter the early hints\n"),
        "{said}"
    );
    let old = curl(&front).args("-i --http1.0").arg(front.url("/early")).succeed();
    assert!(!old.contains("103") && old.ends_with("\r\n\r\nafter the early hints\n"), "{old}");
    front.carried(2);
}

#[test]
fn an_old_member_is_no_trouble() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let urls = [front.url("/old"), front.url("/hello")];
    let said = curl(&front).args("-w").arg(TOLD).args(&urls.join(" ")).succeed();
    // The length is not known before the end: the connection may end there, or the content come in chunks.
    let (first, second) = said.split_once("ends\n1 200 39\n").unwrap_or_else(|| panic!("{said}"));
    assert_eq!(first, "in HTTP/1.0, until the connection ");
    assert!(second.starts_with("Hello, World!") && second.ends_with(" 200 13\n"), "{said}");
    front.carried(2);
}

#[test]
fn a_date_is_added_where_there_is_none() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let said = curl(&front).arg("-i").arg(front.url("/nodate")).succeed();
    let dates: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("Date: ")).collect();
    assert!(dates.len() == 1 && dates[0].ends_with(" GMT"), "{said}");
    front.carried(1);
}

/// Two users at once: each has to find on the connection behind whom it left there, and nobody else.
#[test]
fn a_login_belongs_to_its_client() {
    let Some(front) = Front::before(&[CURL]) else { return };
    let urls = ["/ntlm", "/hello", "/json"].map(|path| front.url(path));
    let users = ["alice", "bob", "carol"];
    let start = |user: &str| {
        curl(&front).args("--ntlm -u").arg(format!("{user}:secret")).args(&urls.join(" ")).start()
    };
    let mut all = users.map(start);
    for (child, user) in all.iter_mut().zip(users) {
        assert!(child.wait().success(), "{}", child.said());
        assert_eq!(child.out(), format!("{user}\n").repeat(3));
    }
    assert_eq!(
        curl(&front).arg(front.url("/hello")).succeed(),
        "Hello, World!",
        "nobody's link is left behind"
    );
    // Each logs in with two requests (the first without a name is spared, as curl knows what it will be asked).
    front.carried(3 * 4 + 1);
}
