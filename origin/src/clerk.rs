//! One client's connection of frames as a machine: requests of words in, answers out, in order.

mod framing;
mod request;

use std::mem;
use std::time::Instant;

use self::framing::{Frame, Framing};
use self::request::{After, Asked, Script, Shape};
use crate::options::Speaks;
use crate::pattern;
use crate::turn::{Next, Turn};

/// With so many bytes of answers at hand no more are made until these are written.
const HIGH_WATER: usize = 64 * 1024;
/// As much of a text is said at once, in bytes.
const PIECE: usize = 32 * 1024;
/// So much room for an answer's text is kept from one request to the next, in bytes.
const KEPT: usize = 4 * 1024;

/// Where the connection stands:
///
/// ```text
/// Ready ──▶ Held ──▶ Saying ──▶ Ready        (Held may be skipped)
///             ▲         │ once more
///             └─────────┤
///                       └─────▶ Over ◀── Ready
/// ```
enum State {
    /// A request is to come.
    Ready,
    /// The answer is known and not to be given before then.
    Held { until: Instant, script: Script },
    /// The answer's bytes from `at` to `end` are still to be said.
    Saying { at: u64, end: u64, script: Script },
    /// No more requests are served.
    Over(Next),
}

/// The machine of one connection.
pub(crate) struct Clerk {
    framing: Framing,
    /// Of the connection, from 1 on.
    number: u64,
    state: State,
    /// The answer that is given: what stands before its text, and the text but for its fill.
    lead: Vec<u8>,
    /// When the answer before was due, where the next request had been read by then. Work at it counts from here, so
    /// that a late wake-up does not make the member slower than it is meant to be.
    ended: Option<Instant>,
}

impl Clerk {
    /// For the `number`th connection of a member; none for what is not spoken in frames.
    pub(crate) fn new(speaks: Speaks, number: u64) -> Option<Self> {
        let framing = match speaks {
            Speaks::Lines { crlf } => Framing::Lines { crlf },
            Speaks::LengthPrefixed(prefix) => Framing::LengthPrefixed(prefix),
            _ => return None,
        };
        Some(Self { framing, number, state: State::Ready, lead: Vec::new(), ended: None })
    }

    /// Goes as far as the input, the output and the time allow. What it leaves of the input belongs in front
    /// of what is read next.
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

    /// Reads a request, and has the work at it begin.
    fn take(&mut self, frame: &Frame<'_>, turn: &Turn<'_>) -> State {
        self.begin(frame.label);
        let asked = Asked { member: turn.member.answers.member(), number: self.number };
        let script = request::read(frame.text, asked, &mut self.lead);
        let from = self.ended.unwrap_or(turn.now.instant);
        // An answer that is due when no clock runs any more is one that never comes.
        let ends = turn.member.service.ends(from, script.delay);
        let Some(until) = ends.and_then(|ends| ends.checked_add(script.late)) else {
            return State::Over(Next::Ignore);
        };
        self.ended = Some(until);
        if until > turn.now.instant { State::Held { until, script } } else { self.speak(script) }
    }

    /// Where no request can be found, an answer says so, and nothing behind it is looked at.
    fn refuse(&mut self, wrong: &str) -> State {
        self.begin(b"");
        self.lead.extend_from_slice(b"error: ");
        self.lead.extend_from_slice(wrong.as_bytes());
        self.speak(Script { after: After::Close, ..Script::default() })
    }

    /// Begins an answer. A label that is not there is left blank.
    fn begin(&mut self, label: &[u8]) {
        self.lead.clear();
        self.framing.begin(&mut self.lead, label);
    }

    /// Makes the lead what it has to be, and says how much of the answer is to be given.
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

    /// An answer that is too long for its count, or for any: as long as it may be where it is to be too long, else an error.
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

    /// Says as much as one turn should carry.
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

    /// Bytes of the answer from `at` on, at least one: lead, fill, tail.
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
