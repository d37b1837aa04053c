//! The ground of the tests: a proxy in this process, and behind it a member that records what it is asked.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Answer, Wire, eventually, fields};

/// An ordinary answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// Why what is no request is refused.
pub(crate) const BAD: (u16, &str) = (400, "bad_request");

/// A request as the member saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// On which link, from 0.
    pub(crate) link: usize,
    pub(crate) head: String,
    /// Its content, without the framing.
    pub(crate) body: Vec<u8>,
    /// What framed a chunked body: its chunk lines, and the trailers after the last.
    pub(crate) chunk_lines: Vec<String>,
    pub(crate) trailers: Vec<String>,
}

impl Asked {
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    pub(crate) fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.head.starts_with("HEAD ")
    }

    #[track_caller]
    pub(crate) fn lacks(&self, name: &str) {
        assert_eq!(self.fields(name), [""; 0], "{name} in {}", self.head);
    }
}

/// What the member does when it has been asked.
#[derive(Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
    Reset,
    /// Reads on until the proxy closes, and answers nothing more.
    Silence,
}

/// And goes on.
pub(crate) fn say(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply { bytes: bytes.into(), then: Then::GoOn }
}

/// And closes.
pub(crate) fn say_and_close(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply { then: Then::Close, ..say(bytes) }
}

/// And resets the link.
pub(crate) fn say_and_reset(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply { then: Then::Reset, ..say(bytes) }
}

/// And says nothing more, but keeps the link.
pub(crate) fn say_no_more(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply { then: Then::Silence, ..say(bytes) }
}

/// 200 with the body `ok`, without it for HEAD.
pub(crate) fn ok(asked: &Asked) -> Reply {
    say(if asked.is_head() { OK.trim_end_matches("ok") } else { OK })
}

/// A proxy, and the member behind it.
pub(crate) struct Ground {
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) proxy: Proxy,
}

pub(crate) fn setup() -> Setup {
    Setup::new().workers(1)
}

/// Bodies go to the member as they come: none is read before its request takes a link.
pub(crate) fn streaming() -> Setup {
    setup().listener("request_buffer: 0B")
}

impl Ground {
    /// The member answers everything with [`ok`].
    pub(crate) fn plain() -> Self {
        Self::with(&setup())
    }

    pub(crate) fn with(setup: &Setup) -> Self {
        Self::both(setup, ok)
    }

    /// The member answers everything with these bytes.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::answering(move |_| say(bytes.clone()))
    }

    /// The member answers everything with these bytes, and closes.
    pub(crate) fn closing(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::answering(move |_| say_and_close(bytes.clone()))
    }

    pub(crate) fn answering(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::both(&setup(), reply)
    }

    pub(crate) fn both(setup: &Setup, reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        let script = Script::start(move |link, wire| serve(link, wire, &notes, &reply));
        let proxy = setup.before_one(script.address);
        Self { script, asked, proxy }
    }

    pub(crate) fn client(&self) -> Wire {
        self.proxy.client()
    }

    /// Where the member is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.script.address
    }

    /// All that the member was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The targets of all that.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.asked().iter().map(|asked| asked.target().to_owned()).collect()
    }

    pub(crate) fn last(&self) -> Asked {
        self.asked().pop().unwrap()
    }

    /// How many links there have been.
    pub(crate) fn links(&self) -> usize {
        self.script.connections()
    }

    /// How the member sees what a client sends, which is answered 200.
    #[track_caller]
    pub(crate) fn passes(&self, request: impl AsRef<[u8]>) -> Asked {
        let before = self.asked().len();
        let answer = self.client().send(&request).answer_to(method(request.as_ref()));
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", shown(request.as_ref()));
        let asked = self.asked();
        assert_eq!(asked.len(), before + 1, "{:?}", shown(request.as_ref()));
        asked[before].clone()
    }

    /// The proxy answers by itself, closes, counts it by its cause, and the member sees nothing.
    #[track_caller]
    pub(crate) fn refuses(&self, request: impl AsRef<[u8]>, expected: (u16, &str)) -> Answer {
        let (asked, errors) = (self.asked().len(), self.proxy.errors(expected.1));
        let mut client = self.client();
        let answer = client.send(&request).answer_to(method(request.as_ref()));
        let seen = shown(request.as_ref());
        assert_eq!(answer.cause(), expected, "{seen:?}");
        assert!(answer.closes(), "{seen:?}: {answer:?}");
        client.is_over();
        assert_eq!(self.asked().len(), asked, "the member saw {seen:?}");
        assert_eq!(self.proxy.errors(expected.1), errors + 1, "{seen:?}");
        answer
    }

    /// Waits until so many links were closed for this reason.
    #[track_caller]
    pub(crate) fn closed_links(&self, reason: &str, count: i64) {
        let label = format!("reason=\"{reason}\"");
        eventually(&format!("{count} links are closed: {reason}"), || {
            self.proxy.sum_of("penstock_backend_connections_closed_total", &[&label]) == count
        });
    }

    /// The next request finds the proxy in order, on a new link.
    #[track_caller]
    pub(crate) fn next_is_on_another_link(&self) {
        let before = self.links();
        links_are_closed(&self.proxy);
        _ = self.client().send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n").head();
        assert_eq!(self.links(), before + 1);
    }
}

/// Waits until no link is left, which are not closed because they were unused for long.
#[track_caller]
pub(crate) fn links_are_closed(proxy: &Proxy) {
    eventually("links are closed", || proxy.sum("penstock_backend_connections") == 0);
    let idle = proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"idle\""]);
    assert_eq!(idle, 0, "only because they were unused");
}

fn method(request: &[u8]) -> &'static str {
    if request.starts_with(b"HEAD ") { "HEAD" } else { "GET" }
}

/// The start of what was sent, for messages.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}

fn serve(link: usize, mut wire: Wire, notes: &Mutex<Vec<Asked>>, reply: &impl Fn(&Asked) -> Reply) {
    while let Some(head) = wire.next_head() {
        let mut asked = Asked { link, head, ..Asked::default() };
        read_body(&mut wire, &mut asked);
        let reply = reply(&asked);
        notes.lock().unwrap().push(asked);
        if wire.stream.write_all(&reply.bytes).is_err() {
            return; // the proxy has had enough
        }
        match reply.then {
            Then::GoOn => {}
            Then::Close => return,
            Then::Reset => return wire.reset(),
            Then::Silence => {
                let _ = wire.rest_and_reset();
                return;
            }
        }
    }
}

fn read_body(wire: &mut Wire, asked: &mut Asked) {
    if let Some(length) = asked.fields("content-length").first() {
        let length = length.parse().unwrap();
        asked.body = wire.take(length);
    }
    if asked.fields("transfer-encoding").is_empty() {
        return;
    }
    loop {
        let size = line(wire);
        let count = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("a chunk line: {size:?}"));
        asked.chunk_lines.push(size);
        if count == 0 {
            break;
        }
        asked.body.extend(wire.take(count));
        assert_eq!(wire.take(2), b"\r\n");
    }
    asked.trailers = std::iter::from_fn(|| Some(line(wire)).filter(|line| !line.is_empty())).collect();
}

/// A line, without the CRLF that ends it.
pub(crate) fn line(wire: &mut Wire) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(wire.take(1));
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).unwrap()
}

/// A GET for `/` with these field lines, each with its CRLF.
pub(crate) fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
}

/// A POST to `/` with these field lines, and what follows the head.
pub(crate) fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}")
}

/// A chunked POST with this body, framing and all.
pub(crate) fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A 200 with these field lines and this body, framing and all.
pub(crate) fn answer(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}")
}

impl Reply {
    /// Does it, and returns when the connection has ended; an end that is not told here is the proxy's.
    pub(crate) fn play(self, mut wire: Wire) {
        wire.send(&self.bytes);
        match self.then {
            Then::GoOn | Then::Silence => drop(wire.rest_and_reset()),
            Then::Close => {}
            Then::Reset => wire.reset(),
        }
    }
}
