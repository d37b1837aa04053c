//! Properties over random frames and noise: the same verdicts at any cut, and no panic. The seed is fixed and printed on failure.

use std::fmt::Write;

use crate::config::{FrameKind, Framing, Prefix};
use crate::proto::framing::{Need, Outcome, Pinning, long, request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed};

use crate::proto::tests::framing::given::{
    CRLF, Ends, LF, answer_ends, answers, first, framing, request_ends, resp,
};

const SEED: u64 = 0x4652;

fn config(cases: u32) -> Config {
    println!("seed {SEED:#x}");
    Config { cases, rng_seed: RngSeed::Fixed(SEED), failure_persistence: None, ..Config::default() }
}

fn hold() -> impl Strategy<Value = Pinning> {
    select(&[Pinning::Free, Pinning::Watching, Pinning::Multi][..])
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let width = select(&[1, 2, 4, 8][..]);
    (width, any::<bool>(), any::<bool>(), 0..4_u16).prop_map(
        |(width, little_endian, counts_header, offset)| Prefix {
            width,
            little_endian,
            counts_header,
            offset,
        },
    )
}

/// A frame with this content; its header's first bytes are content as well.
fn prefixed(prefix: Prefix, content: &[u8]) -> Vec<u8> {
    let (head, body) = content.split_at(content.len().min(prefix.offset.into()));
    let mut out = head.to_vec();
    out.resize(prefix.offset.into(), 0);
    let header = if prefix.counts_header { out.len() + usize::from(prefix.width) } else { 0 };
    let count = (body.len() + header) as u64;
    match prefix.little_endian {
        true => out.extend(&count.to_le_bytes()[..prefix.width.into()]),
        false => out.extend(&count.to_be_bytes()[8 - usize::from(prefix.width)..]),
    }
    out.extend(body);
    out
}

/// Small counts and line ends everywhere, so that some of it is frames.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![6 => 0..9_u8, 3 => select(&b"\r\n"[..]), 1 => any::<u8>()];
    vec(byte, 0..60)
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    let known = "GET SET get CLIENT SETNAME SELECT 0 1 MULTI EXEC WATCH UNWATCH XREAD BLOCK HELLO 2 3 AUTH RESET \
                 UNSUBSCRIBE BLPOP nosuch QUIT";
    let known: Vec<_> = known.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
    prop_oneof![2 => select(known), 1 => vec(prop_oneof![any::<u8>(), select(&b"\r\n$*"[..])], 0..12)]
}

fn array(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(word);
        out.extend(b"\r\n");
    }
    out
}

fn tokens(tokens: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    vec(select(tokens), 0..24).prop_map(|tokens| tokens.concat().into_bytes())
}

const OF_REQUESTS: &[&str] = &[
    "*",
    "$",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r",
    "\n",
    "0",
    "1",
    "2",
    "3",
    "-",
    "-1",
    "*1\r\n",
    "*2\r\n",
    "$4\r\nPING\r\n",
    "$3\r\nGET\r\n",
    "$1\r\nk\r\n",
    "PING",
    " ",
    "\t",
    "\"",
    "\0",
    "999999999",
];
const OF_ANSWERS: &[&str] = &[
    "+",
    "-",
    ":",
    "$",
    "*",
    "%",
    "~",
    "|",
    ">",
    "_",
    "#",
    ",",
    "(",
    "!",
    "=",
    "\r\n",
    "\r\n",
    "\r\n",
    "\r",
    "\n",
    "0",
    "1",
    "2",
    "-1",
    "+OK\r\n",
    ":1\r\n",
    "$1\r\na\r\n",
    "*2\r\n",
    "-ERR\r\n",
    "$-1\r\n",
    "|1\r\n",
];

/// An answer that is no error, as a tree.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let text = "[ -~]{0,8}";
    let plain =
        (select(&b"+:_#,("[..]), text).prop_map(|(kind, text)| [&[kind], text.as_bytes(), b"\r\n"].concat());
    let bulk = (select(&b"$="[..]), vec(prop_oneof![any::<u8>(), select(&b"\r\n"[..])], 0..12));
    let bulk = bulk.prop_map(|(kind, content)| sized(kind, content.len(), &content, b"\r\n"));
    let null = select(&["$-1\r\n", "*-1\r\n"][..]).prop_map(|null| null.as_bytes().to_vec());
    let leaf = prop_oneof![3 => plain, 3 => bulk, 1 => null];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let list = (select(&b"*~"[..]), vec(inner.clone(), 0..5))
            .prop_map(|(kind, elements)| sized(kind, elements.len(), &elements.concat(), b""));
        let pairs = |inner: BoxedStrategy<Vec<u8>>| {
            vec((inner.clone(), inner).prop_map(|(a, b)| [a, b].concat()), 0..3)
        };
        let map =
            pairs(inner.clone().boxed()).prop_map(|pairs| sized(b'%', pairs.len(), &pairs.concat(), b""));
        let told = (pairs(inner.clone().boxed()), inner)
            .prop_map(|(pairs, then)| [sized(b'|', pairs.len(), &pairs.concat(), b""), then].concat());
        let errors = vec(Just(b"-ERR x\r\n".to_vec()), 1..3)
            .prop_map(|errors| sized(b'*', errors.len(), &errors.concat(), b""));
        prop_oneof![4 => list, 2 => map, 1 => told, 1 => errors]
    })
}

fn sized(kind: u8, size: usize, content: &[u8], end: &[u8]) -> Vec<u8> {
    [&[kind], size.to_string().as_bytes(), b"\r\n", content, end].concat()
}

/// Where these frames end, if each is one.
fn ends(frames: &[(Vec<u8>, Outcome)]) -> Vec<(usize, Outcome)> {
    let mut at = 0;
    let end = |(frame, outcome): &(Vec<u8>, Outcome)| {
        at += frame.len();
        (at, *outcome)
    };
    frames.iter().map(end).collect()
}

fn joined(frames: &[(Vec<u8>, Outcome)]) -> Vec<u8> {
    frames.iter().flat_map(|(frame, _)| frame.iter().copied()).collect()
}

/// The request side and the answer side see the same frames, at any cut.
fn both_sides(framing: &Framing, input: &[u8]) -> Ends {
    let found = request_ends(framing, input);
    assert_eq!(answers(framing, input), found, "{}", input.escape_ascii());
    let _ = first(framing, input, Pinning::Free);
    found
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn lines_end_alike_on_both_sides_at_any_cut(input in noise(), crlf: bool, longest in 1..20_usize) {
        both_sides(&framing(if crlf { CRLF } else { LF }, longest), &input);
    }

    #[test]
    fn a_line_is_found_where_it_was_written(lines in vec("[a-z]{0,9}", 0..9), crlf: bool) {
        let end = if crlf { "\r\n" } else { "\n" };
        let frames: Vec<_> = lines.iter().map(|line| (format!("{line}{end}").into_bytes(), Outcome::Answer)).collect();
        let found = both_sides(&framing(if crlf { CRLF } else { LF }, 11), &joined(&frames));
        prop_assert_eq!(found, (ends(&frames), None));
    }

    #[test]
    fn counts_are_read_alike_on_both_sides_at_any_cut(input in noise(), prefix in prefix(), longest in 1..40_usize) {
        // No configuration has a limit without room for the header.
        let longest = longest.max(usize::from(prefix.offset) + usize::from(prefix.width));
        both_sides(&framing(FrameKind::LengthPrefixed(prefix), longest), &input);
    }

    #[test]
    fn a_length_prefixed_frame_is_found_where_it_was_written(contents in vec(vec(any::<u8>(), 0..30), 0..6), prefix in prefix()) {
        let frames: Vec<_> = contents.iter().map(|content| (prefixed(prefix, content), Outcome::Answer)).collect();
        let found = both_sides(&framing(FrameKind::LengthPrefixed(prefix), 64), &joined(&frames));
        prop_assert_eq!(found, (ends(&frames), None));
    }

    #[test]
    fn a_command_is_found_where_it_was_written(commands in vec(vec(word(), 0..6), 1..5), pinning in hold()) {
        let mut input: Vec<_> = commands.iter().map(|words| array(words)).collect();
        let lens: Vec<_> = input.iter().map(Vec::len).collect();
        let all = input.concat();
        let (mut at, mut now) = (0, pinning);
        for len in lens {
            let frame = request(&resp(), &all[at..], now).unwrap().unwrap();
            prop_assert_eq!(frame.len, len);
            (at, now) = (at + len, frame.pinning);
        }
        let _ = first(&resp(), &input.remove(0), pinning);
    }

    #[test]
    fn a_damaged_command_gets_the_same_verdict_at_any_cut(words in vec(word(), 0..6), at: Index, byte: u8, pinning in hold(), longest in 8..200_usize) {
        let mut damaged = array(&words);
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let _ = first(&framing(FrameKind::Resp, longest), &damaged, pinning);
    }

    #[test]
    fn what_looks_like_commands_gets_the_same_verdict_at_any_cut(input in tokens(OF_REQUESTS), pinning in hold(), longest in 1..80_usize) {
        let _ = first(&framing(FrameKind::Resp, longest), &input, pinning);
    }

    #[test]
    fn nothing_waits_for_more_than_the_limit(input in tokens(OF_REQUESTS), filler: u8, longest in 16..80_usize) {
        let mut input = input;
        input.resize(longest, filler);
        prop_assert_ne!(request(&framing(FrameKind::Resp, longest), &input, Pinning::Free), Ok(None), "{}", input.escape_ascii());
    }

    #[test]
    fn an_answer_is_found_where_it_was_written(all in vec(prop_oneof![3 => answer().prop_map(|a| (a, Outcome::Answer)), 1 => "[ -~]{0,9}".prop_map(|e| (format!("-{e}\r\n").into_bytes(), Outcome::Error))], 1..4)) {
        prop_assert_eq!(answers(&resp(), &joined(&all)), (ends(&all), None), "{}", joined(&all).escape_ascii());
    }

    #[test]
    fn what_looks_like_answers_gets_the_same_verdicts_at_any_cut(input in tokens(OF_ANSWERS)) {
        answers(&resp(), &input);
    }

    #[test]
    fn answers_in_many_pieces_are_those_in_one(answers in vec(answer(), 1..5), sizes in vec(1..9_usize, 1..9)) {
        let input = answers.concat();
        let (mut rest, mut pieces) = (&input[..], Vec::new());
        for size in sizes.iter().cycle() {
            let (piece, more) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        let mut shown = String::new();
        pieces.iter().for_each(|piece| write!(shown, "{} | ", piece.escape_ascii()).unwrap());
        prop_assert_eq!(answer_ends(&resp(), pieces), answer_ends(&resp(), [&input[..]]), "{}", shown);
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// A frame that is passed on while it comes ends where it would if it were kept, or is as wrong.
    #[test]
    fn the_rest_of_a_long_command_gets_the_verdict_of_the_whole(words in vec(word(), 1..6), at: Index, byte: u8, damaged: bool, longest in 8..200_usize, cut: Index, size in 1..9_usize) {
        let mut input = array(&words);
        if damaged {
            let at = at.index(input.len());
            input[at] = byte;
        }
        input.extend(b"*1\r\n$4\r\nPING\r\n");
        let framing = framing(FrameKind::Resp, longest);
        let cut = cut.index(input.len());
        let begun = request(&framing, &input[..cut], Pinning::Free) == Ok(None);
        if let Some((frame, mut rest)) = long(&framing, &input[..cut], Pinning::Free.into()).filter(|_| begun) {
            prop_assert_eq!(frame.len, cut);
            prop_assert!(!frame.repeatable && frame.need != Need::Shared, "{:?}", frame);
            let mut read = Ok((0, false));
            let mut found = cut;
            for piece in input[cut..].chunks(size) {
                read = rest.read(piece);
                let Ok((len, done)) = read else { break };
                found += len;
                if done {
                    break;
                }
                prop_assert_eq!(len, piece.len());
            }
            match request(&framing, &input, Pinning::Free) {
                Ok(Some(frame)) => prop_assert_eq!((read.map(|read| read.1), found), (Ok(true), frame.len)),
                Ok(None) => prop_assert_eq!(read.map(|read| read.1), Ok(false)),
                Err(why) => prop_assert_eq!(read, Err(why), "{}", input.escape_ascii()),
            }
        }
    }
}
