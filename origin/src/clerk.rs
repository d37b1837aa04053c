//! Serves one client's connection of frames as a state machine: requests of words go in, answers come out in
//! order.

mod framing;
mod request;

use std::mem;
use std::time::Instant;

use self::framing::{Frame, Framing};
use self::request::{After, Asked, Script, Shape};
use crate::options::Speaks;
use crate::pattern;
use crate::turn::{Next, Turn};

/// The number of pending answer bytes from which no more answers are made until they are written.
const HIGH_WATER: usize = 64 * 1024;
/// The number of bytes of a text that are written at once.
const PIECE: usize = 32 * 1024;
/// The capacity in bytes for the text of an answer that is kept between requests.
const KEPT: usize = 4 * 1024;

/// The state of the connection:
///
/// ```text
/// Ready ──▶ Held ──▶ Saying ──▶ Ready        (Held may be skipped)
///             ▲         │ once more
///             └─────────┤
///                       └─────▶ Over ◀── Ready
/// ```
enum State {
    /// The next request is awaited.
    Ready,
    /// The answer is known, and is held back until this time.
    Held { until: Instant, script: Script },
    /// The bytes of the answer from `at` to `end` are still to be written.
    Saying { at: u64, end: u64, script: Script },
    /// No more requests are served.
    Over(Next),
}

/// The state machine of one connection.
pub(crate) struct Clerk {
    framing: Framing,
    /// The connection's number among those of its member, from 1.
    number: u64,
    state: State,
    /// The answer: the part before its text, and the text without its fill.
    lead: Vec<u8>,
    /// The time at which the previous answer was due, if the next request had been read by then. Its work
    /// counts from this time, so that a late wake-up does not make the member slower than configured.
    ended: Option<Instant>,
}

impl Clerk {
    /// Makes the machine of connection number `number` of a member; `None` for a protocol without frames.
    pub(crate) fn new(speaks: Speaks, number: u64) -> Option<Self> {
        let framing = match speaks {
            Speaks::Lines { crlf } => Framing::Lines { crlf },
            Speaks::LengthPrefixed(prefix) => Framing::LengthPrefixed(prefix),
            _ => return None,
        };
        Some(Self { framing, number, state: State::Ready, lead: Vec::new(), ended: None })
    }

    /// Proceeds as far as input, output and time allow. The caller puts the rest of the input before the next
    /// bytes.
    pub(crate) fn advance(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Next {
        loop {
            if turn.out.len() >= HIGH_WATER {
                self.ended = None;
                return Next::Write;
            }
            self.state = match mem::replace(&mut self.state, State::Ready) {
                State::Ready => match self.framing.first(input) {
                    Ok(Some(frame)) => {
                        *input = &input[frame.length..];
                        self.take(&frame, turn)
                    }
                    Ok(None) => {
                        self.ended = None;
                        return Next::Read;
                    }
                    Err(wrong) => self.refuse(wrong),
                },
                State::Held { until, script } if until > turn.now.instant => {
                    self.state = State::Held { until, script };
                    return Next::Sleep(until);
                }
                State::Held { script, .. } => self.speak(script),
                State::Saying { at, end, script } => self.say(at, end, script, turn),
                State::Over(next) => {
                    self.state = State::Over(next);
                    return next;
                }
            };
        }
    }

    /// Reads a request and begins its work.
    fn take(&mut self, frame: &Frame<'_>, turn: &Turn<'_>) -> State {
        self.begin(frame.label);
        let asked = Asked { member: turn.member.answers.member(), number: self.number };
        let script = request::read(frame.text, asked, &mut self.lead);
        let from = self.ended.unwrap_or(turn.now.instant);
        // An answer whose time no clock can express never comes.
        let ends = turn.member.service.ends(from, script.delay);
        let Some(until) = ends.and_then(|ends| ends.checked_add(script.late)) else {
            return State::Over(Next::Ignore);
        };
        self.ended = Some(until);
        if until > turn.now.instant { State::Held { until, script } } else { self.speak(script) }
    }

    /// Answers that no request can be found. Nothing after that is read.
    fn refuse(&mut self, wrong: &str) -> State {
        self.begin(b"");
        self.lead.extend_from_slice(b"error: ");
        self.lead.extend_from_slice(wrong.as_bytes());
        self.speak(Script { after: After::Close, ..Script::default() })
    }

    /// Begins an answer. A missing label is left blank.
    fn begin(&mut self, label: &[u8]) {
        self.lead.clear();
        self.framing.begin(&mut self.lead, label);
    }

    /// Completes the part before the text, and computes how much of the answer is written.
    fn speak(&mut self, mut script: Script) -> State {
        let header = self.framing.header();
        let (longest, text) = (self.framing.longest_text(), (self.lead.len() - header) as u64);
        if text.saturating_add(script.fill) > longest {
            script = self.shorten(script, longest);
        }
        let text = (self.lead.len() - header) as u64 + script.fill;
        self.framing.tell(&mut self.lead, text);
        let whole = header as u64 + text + self.framing.tail().len() as u64;
        let (at, end) = match script.shape {
            Shape::Whole => (0, whole),
            Shape::Half => (0, whole / 2),
            Shape::Unended => (0, whole - (self.framing.tail().len() as u64).max(1)),
            Shape::Bare => (header as u64, header as u64 + text),
            Shape::Nothing => (0, 0),
        };
        State::Saying { at, end, script }
    }

    /// Shortens an answer that is too long for its count or for any: to the longest possible one if it is
    /// meant to be too long, and otherwise to an error.
    fn shorten(&mut self, script: Script, longest: u64) -> Script {
        let header = self.framing.header();
        if script.shape != Shape::Unended {
            self.lead.truncate(header);
            self.lead.extend_from_slice(b"error: the answer would be too long");
        }
        self.lead.truncate(header + usize::try_from(longest).unwrap_or(usize::MAX));
        let text = (self.lead.len() - header) as u64;
        let fill = if script.shape == Shape::Unended { longest - text } else { 0 };
        Script { fill, ..script }
    }

    /// Writes as much as one turn should carry.
    fn say(&mut self, mut at: u64, end: u64, script: Script, turn: &mut Turn<'_>) -> State {
        while at < end && turn.out.len() < HIGH_WATER {
            let piece = self.piece(at, script.fill);
            let most = usize::try_from(end - at).unwrap_or(usize::MAX);
            let piece = &piece[..piece.len().min(most)];
            turn.out.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        if at < end { State::Saying { at, end, script } } else { self.said(script, turn) }
    }

    /// Returns at least one byte of the answer from `at` on: lead, fill, tail.
    fn piece(&self, at: u64, fill: u64) -> &[u8] {
        let filled = self.lead.len() as u64;
        if at < filled {
            let most = self.lead.len().min(at as usize + PIECE);
            return &self.lead[at as usize..most];
        }
        let at = at - filled;
        if at < fill {
            return pattern::visible_piece(at, fill - at);
        }
        &self.framing.tail()[(at - fill) as usize..]
    }

    fn said(&mut self, mut script: Script, turn: &Turn<'_>) -> State {
        if script.shape == Shape::Whole && !script.given {
            turn.member.traffic.answered();
        }
        script.given = true;
        if let Some(pause) = script.again.take() {
            let until = turn.now.instant + pause;
            self.ended = Some(until);
            return State::Held { until, script };
        }
        match script.after {
            After::Stay => {
                self.lead.clear();
                self.lead.shrink_to(KEPT);
                State::Ready
            }
            After::Close => State::Over(Next::Close),
            After::Reset => State::Over(Next::Reset),
            After::Ignore => State::Over(Next::Ignore),
        }
    }
}

#[cfg(test)]
mod tests;
