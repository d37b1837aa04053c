//! A member that speaks HTTP/1.1, more or less.

use penstock::proto::http::Method;

use super::{Around, Fault, Origin, State};
use crate::ledger::{answer_body, answer_status, asked_body, route};
use crate::rng::Rng;
use crate::wire::Head;

const INTERIMS: [&str; 2] =
    ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"];
const GARBAGE: [&str; 5] = ["\0", "\r\n", "HTTX", "HTTP/1.1 2", "0\r\n\r\n"];
/// No longer body is sent in chunks.
const LARGE: usize = 64 << 10;

impl Origin {
    pub(super) fn read_requests(&mut self, around: &mut Around<'_>) {
        while self.state == State::Open
            && let Some(head) = Head::read(&self.input)
        {
            let id = head.number("x-id").expect("requests carry a number");
            let body = head.number("content-length").unwrap_or(0) as usize;
            let whole = self.input.len() >= head.len + body;
            if !whole && !self.early && around.rng.one_in(200) {
                self.early = true; // it does not wait for the rest, as with 413
                self.answer(id, around);
            }
            if !whole {
                return;
            }
            assert!(self.input[head.len..head.len + body] == asked_body(id, body), "the body of {id}");
            self.input.drain(..head.len + body);
            around.ledger.seen(id);
            if !std::mem::take(&mut self.early) {
                self.answer(id, around);
            }
        }
    }

    fn answer(&mut self, id: u64, around: &mut Around<'_>) {
        let fault = around.fault();
        let delay = around.delay(route(id, around.scene.routes) == 1, fault);
        let mut bytes = Vec::new();
        for interim in INTERIMS {
            if around.rng.one_in(30) {
                bytes.extend_from_slice(interim.as_bytes());
            }
        }
        match fault {
            Some(Fault::GarbageBefore) => bytes.extend_from_slice(around.rng.pick(&GARBAGE).as_bytes()),
            Some(Fault::Switching) => bytes.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Some(Fault::Unknown) => bytes.extend_from_slice(b"HTTP/1.1 150 What\r\n\r\n"),
            _ => {}
        }
        let framing = match fault {
            Some(Fault::Http10) => Framing::Http10,
            Some(Fault::UntilClose) => Framing::UntilClose,
            Some(Fault::Closing) => Framing::Closing,
            _ if around.rng.one_in(2) && answer_body(id).len() < LARGE => Framing::Chunked,
            _ => Framing::Length,
        };
        let method = around.ledger.of(id).ask.expect("HTTP is spoken here").method;
        framing.write(id, method, around.rng, &mut bytes);
        if framing.closes() {
            self.state = State::Closing;
        }
        if fault == Some(Fault::GarbageBehind) {
            bytes.extend_from_slice(around.rng.pick(&GARBAGE).as_bytes());
        }
        self.send(bytes, delay, fault, around);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// As [`Framing::Length`], with `Connection: close`.
    Closing,
    UntilClose,
    /// HTTP/1.0 without keep-alive.
    Http10,
}

impl Framing {
    fn closes(self) -> bool {
        matches!(self, Self::Closing | Self::UntilClose | Self::Http10)
    }

    /// Appends the answer to `id`.
    pub(crate) fn write(self, id: u64, method: Method, rng: &mut Rng, out: &mut Vec<u8>) {
        let (status, body) = (answer_status(id), answer_body(id));
        let minor = u8::from(self != Self::Http10);
        out.extend_from_slice(format!("HTTP/1.{minor} {status} Word\r\nX-Id: {id}\r\n").as_bytes());
        let bare = method == Method::Head || matches!(status, 204 | 304);
        match self {
            _ if status == 204 => {}
            Self::Length | Self::Closing => {
                out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
            Self::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Self::UntilClose | Self::Http10 => {}
        }
        if self == Self::Closing {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        match self {
            _ if bare => {}
            Self::Chunked => chunk(&body, rng, out),
            _ => out.extend_from_slice(&body),
        }
    }
}

fn chunk(mut body: &[u8], rng: &mut Rng, out: &mut Vec<u8>) {
    while !body.is_empty() {
        let (now, later) = body.split_at(rng.cut(body.len()));
        out.extend_from_slice(format!("{:x}\r\n", now.len()).as_bytes());
        out.extend_from_slice(now);
        out.extend_from_slice(b"\r\n");
        body = later;
    }
    out.extend_from_slice(b"0\r\n\r\n");
}
