//! Tests the answers on a connection of frames, with any cut and in simulated time.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::Now;
use crate::doors::Manner;
use crate::options::{Address, Prefix};
use crate::service::Service;
use crate::stats::Board;
use crate::turn::Member;

const MS: Duration = Duration::from_millis(1);
const LINES: Speaks = Speaks::Lines { crlf: false };

/// A connection to the member `m`, and the state that a driver would keep for it.
struct Talk {
    clerk: Clerk,
    member: Member,
    unread: Vec<u8>,
    said: Vec<u8>,
    start: Instant,
}

impl Talk {
    fn new(speaks: Speaks) -> Self {
        Self::with(speaks, &Arc::default())
    }

    fn with(speaks: Speaks, service: &Arc<Service>) -> Self {
        let address = Address::Ip(([127, 0, 0, 1], 1).into());
        let board = Arc::new(Board::new(&[("m".to_owned(), address)], 1, 1));
        let manner = Manner { speaks, header: false };
        Self {
            clerk: Clerk::new(speaks, 7).unwrap(),
            member: Member::new("m", manner, service, &board, 0, 0),
            unread: Vec::new(),
            said: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Feeds `bytes` at this number of milliseconds, lets the machine answer, and returns what it waits for.
    fn hear(&mut self, bytes: impl AsRef<[u8]>, after: u32) -> Next {
        self.unread.extend_from_slice(bytes.as_ref());
        let unread = mem::take(&mut self.unread);
        let mut input = unread.as_slice();
        loop {
            let now = Now { instant: self.start + after * MS, unix_seconds: 0 };
            let mut out = Vec::new();
            let mut turn = Turn { out: &mut out, member: &mut self.member, now };
            let next = self.clerk.advance(&mut input, &mut turn);
            assert!(
                out.len() <= HIGH_WATER + PIECE.max(pattern::MOST as usize),
                "{} bytes at once",
                out.len()
            );
            self.said.extend_from_slice(&out);
            if next != Next::Write {
                self.unread = input.to_vec();
                return next;
            }
        }
    }

    fn said(&mut self) -> String {
        String::from_utf8(mem::take(&mut self.said)).unwrap()
    }

    fn at(&self, after: u32) -> Next {
        Next::Sleep(self.start + after * MS)
    }

    fn answered(&self) -> u64 {
        self.member.board.stats().total().requests
    }
}

fn prefixed(width: u8, little: bool, counts_header: bool, offset: u16) -> Speaks {
    Speaks::LengthPrefixed(Prefix { width, little, counts_header, offset })
}

/// Makes a frame of its own from a text, with a label of stars.
fn frame(speaks: Speaks, text: &str) -> Vec<u8> {
    let Speaks::LengthPrefixed(prefix) = speaks else {
        let end = if speaks == LINES { "\n" } else { "\r\n" };
        return format!("{text}{end}").into_bytes();
    };
    let count = text.len()
        + if prefix.counts_header { usize::from(prefix.width) + usize::from(prefix.offset) } else { 0 };
    let mut bytes = vec![b'*'; prefix.offset.into()];
    let byte = |at: u8| (count as u64 >> (8 * at)) as u8;
    let (up, down) = (0..prefix.width, (0..prefix.width).rev());
    if prefix.little {
        bytes.extend(up.map(byte))
    } else {
        bytes.extend(down.map(byte))
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn frames(speaks: Speaks, texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| frame(speaks, text)).collect()
}

fn all_framings() -> [Speaks; 8] {
    [
        LINES,
        Speaks::Lines { crlf: true },
        prefixed(1, false, false, 0),
        prefixed(2, false, true, 0),
        prefixed(2, true, false, 3),
        prefixed(4, false, false, 0),
        prefixed(4, true, true, 1),
        prefixed(8, true, false, 0),
    ]
}

#[test]
fn every_framing_has_the_same_answers_in_any_cut() {
    let asked = ["echo hello", "add 2 3", "", "tag x twice id", "size 9", "what", "fnv foobar"];
    let answers = [
        "hello",
        "5",
        "error: an empty request",
        "x m 7",
        "x m 7",
        "!\"#$%&'()",
        "error: not understood: what",
        "85944171f73967e8",
    ];
    for speaks in all_framings() {
        let (bytes, expected) = (frames(speaks, &asked), frames(speaks, &answers));
        for step in 1..=bytes.len() {
            let mut talk = Talk::new(speaks);
            for piece in bytes.chunks(step) {
                assert_eq!(talk.hear(piece, 0), Next::Read);
            }
            assert!(talk.said == expected, "{speaks:?} in steps of {step}: {:?}", talk.said);
            assert_eq!((talk.answered(), talk.unread.len()), (7, 0));
        }
    }
}

#[test]
fn a_delayed_answer_holds_up_those_behind_it() {
    let mut talk = Talk::new(LINES);
    assert_eq!(talk.hear("echo a\ndelay 200 echo b\necho c\n", 0), talk.at(200));
    assert_eq!(talk.said(), "a\n");
    assert_eq!(talk.hear("echo d\n", 199), talk.at(200));
    assert_eq!((talk.said().as_str(), talk.answered()), ("", 1));
    assert_eq!(talk.hear("", 200), Next::Read);
    assert_eq!((talk.said().as_str(), talk.answered()), ("b\nc\nd\n", 4));
}

#[test]
fn work_is_done_one_request_after_the_other_and_a_late_wake_up_is_made_up_for() {
    let mut talk = Talk::with(LINES, &Arc::new(Service::new(2 * MS, Some(1))));
    assert_eq!(talk.hear("echo a\necho b\nlate 4 echo c\necho d\n", 0), talk.at(2));
    assert_eq!(talk.hear("", 5), talk.at(10));
    assert_eq!(talk.said(), "a\nb\n", "b was worked at from 2 to 4, c is ready at 6 and late");
    assert_eq!(talk.hear("", 10), talk.at(12));
    assert_eq!(talk.hear("", 30), Next::Read);
    assert_eq!(talk.said(), "c\nd\n");
    assert_eq!(talk.hear("echo e\n", 40), talk.at(42), "what comes anew is worked at from when it comes");
}

#[test]
fn connections_of_a_small_service_wait_for_each_other() {
    let service = Arc::new(Service::new(Duration::ZERO, Some(1)));
    let (mut slow, mut quick) = (Talk::with(LINES, &service), Talk::with(LINES, &service));
    quick.start = slow.start;
    assert_eq!(slow.hear("delay 200 echo slow\n", 0), slow.at(200));
    assert_eq!(quick.hear("echo quick\n", 50), quick.at(200));
    assert_eq!(quick.hear("", 200), Next::Read);
    assert_eq!(quick.said(), "quick\n");
}

#[test]
fn misbehaviour_is_exact() {
    let counted = prefixed(2, false, false, 1);
    let line = |text: &str, said: &str, next, count| (LINES, text.to_owned(), said.to_owned(), next, count);
    let prefixed =
        |text: &str, said: &str, next, count| (counted, text.to_owned(), said.to_owned(), next, count);
    let cases = [
        line("never", "", Next::Ignore, 0),
        line("close", "", Next::Close, 0),
        line("reset", "", Next::Reset, 0),
        line("close echo bye", "bye\n", Next::Close, 1),
        line("twice echo x", "x\nx\n", Next::Read, 1),
        line("midclose echo 1234567", "1234", Next::Close, 0),
        line("midclose size 20", "!\"#$%&'()*", Next::Close, 0),
        line("toolong 4", "!\"#$", Next::Ignore, 0),
        line("tag x toolong 4", "x !\"#$", Next::Ignore, 0),
        line("raw 610a62", "a\nb", Next::Read, 0),
        prefixed("midclose echo 1234567", "*\0\x0712", Next::Close, 0),
        prefixed("toolong 4", "*\0\x04!\"#", Next::Ignore, 0),
        prefixed("toolong 0", "*\0", Next::Ignore, 0),
        prefixed("raw 610a62", "a\nb", Next::Read, 0),
        prefixed("twice echo x", "*\0\x01x*\0\x01x", Next::Read, 1),
        prefixed("close echo x", "*\0\x01x", Next::Close, 1),
    ];
    for (speaks, text, said, next, count) in cases {
        let mut talk = Talk::new(speaks);
        assert_eq!(talk.hear(frame(speaks, &text), 0), next, "{text}");
        assert_eq!((talk.said(), talk.answered()), (said, count), "{text}");
        let more =
            if next == Next::Read { String::from_utf8(frame(speaks, "y")).unwrap() } else { String::new() };
        assert_eq!(talk.hear(frame(speaks, "echo y"), 0), next);
        assert_eq!(talk.said(), more, "behind {text}");
    }
}

#[test]
fn an_early_answer_is_one_that_nobody_has_asked_for_yet() {
    let mut talk = Talk::new(LINES);
    assert_eq!(talk.hear("early 30 echo x\n", 0), talk.at(30));
    assert_eq!((talk.said().as_str(), talk.answered()), ("x\n", 1));
    assert_eq!(talk.hear("", 30), Next::Read);
    assert_eq!((talk.said().as_str(), talk.answered()), ("x\n", 1));
    assert_eq!(talk.hear("echo y\n", 40), Next::Read);
    assert_eq!((talk.said().as_str(), talk.answered()), ("y\n", 2));
}

#[test]
fn large_answers_are_made_while_they_are_sent() {
    for (speaks, around) in [(LINES, 1), (prefixed(4, false, false, 0), 4)] {
        let mut talk = Talk::new(speaks);
        let bytes = frames(speaks, &["size 3000000", "twice size 100000", "echo end"]);
        assert_eq!(talk.hear(bytes, 0), Next::Read);
        let said = &talk.said;
        assert_eq!(said.len(), 3_200_000 + 3 * around + "end".len() + around);
        let first = if speaks == LINES { 0 } else { around };
        let fill = &said[first..first + 3_000_000];
        assert!(fill.iter().zip(0..).all(|(byte, at)| *byte == crate::visible_at(at)));
        assert!(said.ends_with(&frame(speaks, "end")));
        assert!(talk.clerk.lead.capacity() <= KEPT);
    }
}

#[test]
fn room_for_a_large_echo_is_given_back() {
    let mut talk = Talk::new(LINES);
    talk.hear(format!("echo {}\n", "x".repeat(1 << 20)), 0);
    assert_eq!(talk.said.len(), (1 << 20) + 1);
    assert!(talk.clerk.lead.capacity() <= KEPT);
}

#[test]
fn what_its_count_cannot_hold_is_an_error() {
    let narrow = prefixed(1, false, true, 4);
    let mut talk = Talk::new(narrow);
    let asked = ["size 250", "size 251", "tag x size 18446744073709551615"];
    assert_eq!(talk.hear(frames(narrow, &asked), 0), Next::Read);
    let error = frame(narrow, "error: the answer would be too long");
    assert_eq!((talk.said[4], talk.said.len()), (255, 255 + 2 * error.len()));
    assert_eq!(talk.said[255..], error.repeat(2));
    let mut talk = Talk::new(LINES);
    assert_eq!(talk.hear("size 18446744073709551615\n", 0), Next::Read);
    assert_eq!(talk.said(), "error: the answer would be too long\n");
    let mut talk = Talk::new(narrow);
    assert_eq!(talk.hear(frame(narrow, "toolong 1000"), 0), Next::Ignore);
    assert_eq!((talk.said[4], talk.said.len()), (255, 254));
    // The count is so narrow that even the error is cut off.
    let tiny = prefixed(1, false, true, 244);
    let mut talk = Talk::new(tiny);
    assert_eq!(talk.hear(frame(tiny, "size 11"), 0), Next::Read);
    assert!(talk.said.ends_with(b"\xfferror: the") && talk.said.len() == 255);
}

#[test]
fn where_no_frame_can_be_found_an_answer_says_so_and_it_ends() {
    let counted = prefixed(2, false, true, 0);
    let mut talk = Talk::new(counted);
    assert_eq!(talk.hear(b"\0\x01\0\x06echo", 0), Next::Close);
    assert_eq!(talk.said, frame(counted, "error: the count is less than what it counts"));
    let mut talk = Talk::new(LINES);
    assert_eq!(talk.hear(vec![b'x'; framing::LONGEST_REQUEST], 0), Next::Close);
    assert_eq!(talk.said(), "error: the line is too long\n");
}
