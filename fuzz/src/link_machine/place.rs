//! An exchange on a link, with what the queue does not say of it, and what may become of it.

use penstock::link::{AnswerKind, Exchange, Fate, Sharing, Slot};
use penstock::proto::http::{Method, ResponseFormat};

/// Exchanges are numbered as they come; each fourth is of the same client.
pub(super) type Ticket = u32;

/// The client of an exchange.
pub(super) const fn client(recipient: Ticket) -> u32 {
    recipient % 4
}

/// An exchange in flight.
pub(super) struct Place {
    /// Who awaits it.
    pub(super) recipient: Option<Ticket>,
    pub(super) number: Ticket,
    pub(super) request: Exchange,
    pub(super) format: ResponseFormat,
    /// All that was given to the link of it, and how much of that was written.
    pub(super) bytes: Vec<u8>,
    pub(super) written: usize,
    /// It was not submitted whole: a body or more frames followed, or will.
    pub(super) grows: bool,
    /// Some of it was written past the queue.
    pub(super) bypassed: bool,
    /// Answers that the member owes, and has sent or begun to.
    pub(super) owed: usize,
    pub(super) answered: usize,
    /// What the client got.
    pub(super) got: Vec<u8>,
    /// Some of its answer has come, of which the client need not have seen anything.
    pub(super) begun: bool,
}

impl Place {
    pub(super) fn new(number: Ticket, request: Exchange, format: ResponseFormat, bytes: Vec<u8>) -> Self {
        Self {
            recipient: Some(number),
            number,
            request,
            format,
            bytes,
            written: 0,
            grows: false,
            bypassed: false,
            owed: 1,
            answered: 0,
            got: Vec::new(),
            begun: false,
        }
    }

    pub(super) fn is_touched(&self) -> bool {
        self.written > 0 || self.bypassed
    }

    pub(super) fn is_shared(&self) -> bool {
        self.request.sharing == Sharing::Shared
    }

    /// What is still to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Sent once more, it would change nothing twice, and nothing of its answer has come (DR.2 in docs/http-rules.md).
    fn may_go_again(&self) -> bool {
        self.is_innocent() && !self.begun
    }

    /// The same, but something has come in the place of its answer, which may belong to an answer before it (P.7).
    fn is_innocent(&self) -> bool {
        self.request.repeatable
            && !self.request.upload.is_open()
            && !self.request.replayed
            && self.got.is_empty()
    }

    /// The link has ended, after it had answered to others or not, perhaps because of what came in the place of its answer:
    /// is that what may become of it?
    pub(super) fn check_fate(&self, slot: &Slot<Ticket>, fate: &Fate, reused: bool, strange: bool) {
        assert_eq!(slot.recipient, self.recipient, "whose fate it is");
        let number = self.number;
        assert_eq!(*fate == Fate::Nobody, self.recipient.is_none(), "{number}: {fate:?}");
        let unsent = !self.is_touched() && !self.grows;
        match fate {
            Fate::Replay { head, sent: false } => {
                assert!(unsent, "{number} was sent, in part at least");
                assert_eq!(head, &self.bytes, "{number}: what goes again");
            }
            Fate::Replay { head, sent: true } => {
                let may = self.may_go_again() || strange && self.is_innocent();
                assert!(reused && self.is_touched() && may, "{number} goes again");
                assert_eq!(head, &self.bytes, "{number}: what goes again");
            }
            Fate::Cut(_) => assert!(!self.got.is_empty(), "{number} has seen nothing"),
            Fate::Fail(_) => assert!(!unsent, "{number} failed though nothing of it was sent"),
            Fate::Nobody => {}
        }
    }

    /// It is taken off its link, of which it is not the head.
    pub(super) fn check_rescue(&self, bytes: &[u8], sent: bool) {
        assert_eq!(sent, self.is_touched(), "whether {} was sent", self.number);
        assert!(!self.grows && (!sent || self.may_go_again()), "{} may not move", self.number);
        assert_eq!(bytes, self.bytes, "{}: what goes elsewhere", self.number);
    }

    /// After such an answer the member says no more: it is the last, or ends with the link.
    pub(super) fn is_last(&self, kind: usize) -> bool {
        matches!(self.request.kind, AnswerKind::Http(ask) if ask.upgrade || matches!(kind, 4 | 5))
    }

    /// How the member answers it; `None` while it owes nothing.
    pub(super) fn answer(&mut self, kind: usize) -> Option<Vec<u8>> {
        if !self.is_touched() || self.answered == self.owed {
            return None;
        }
        self.answered += 1;
        let said = self.said();
        let AnswerKind::Http(ask) = self.request.kind else {
            let start = if kind == 1 { "-ERR " } else { "+" };
            return Some(format!("{start}{said}\r\n").into_bytes());
        };
        let chunk = format!("{:x}\r\n{said}\r\n0\r\n\r\n", said.len());
        let answer = match kind {
            _ if ask.method == Method::Connect => "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            _ if ask.upgrade => {
                "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned()
            }
            1 => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
            2 => format!(
                "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}",
                said.len()
            ),
            3 => "HTTP/1.1 204 N\r\n\r\n".to_owned(),
            4 => format!("HTTP/1.0 200 OK\r\n\r\n{said}"),
            5 => {
                format!("HTTP/1.1 500 I\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{said}", said.len())
            }
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len()),
        };
        let content = if kind == 1 { chunk.len() } else { said.len() };
        let has_none = ask.method == Method::Head && answer.ends_with(if kind == 1 { &chunk } else { &said });
        let end = if has_none { answer.len() - content } else { answer.len() };
        Some(answer.as_bytes()[..end].to_vec())
    }

    /// A letter that is in nobody's head, and in nobody else's answer.
    fn letter(&self) -> char {
        char::from_u32(0x400 + self.number % 0x400).unwrap_or_default()
    }

    fn said(&self) -> String {
        self.letter().to_string().repeat(4)
    }

    /// The member behaved, and the answer has ended: the client got nobody else's.
    pub(super) fn check_answer(&self) {
        // What lasts until the link ends may end anywhere.
        let content = self.got.iter().filter(|b| !b.is_ascii());
        let said = self.said();
        let due = said.bytes().cycle().take(content.clone().count());
        assert!(content.copied().eq(due), "{} got another's", self.number);
        assert_eq!(self.answered, self.owed, "{} has ended before all was said", self.number);
    }
}
