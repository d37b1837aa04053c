//! Responses of Redis: where they end, which are errors, and what is none.

use crate::proto::framing::{BadFrame, Outcome};

use crate::proto::tests::framing::given::{answers, bad_byte, bad_length, resp};

/// Answers of RESP2 and RESP3, with what each is.
const WHOLE: [(&str, Outcome); 33] = [
    ("+OK\r\n", Outcome::Answer),
    ("+\r\n", Outcome::Answer),
    ("-ERR unknown command\r\n", Outcome::Error),
    (":-12\r\n", Outcome::Answer),
    ("$5\r\na\r\nb\n\r\n", Outcome::Answer),
    ("$0\r\n\r\n", Outcome::Answer),
    ("$-1\r\n", Outcome::Answer),
    ("*-1\r\n", Outcome::Answer),
    ("*0\r\n", Outcome::Answer),
    ("*2\r\n$1\r\na\r\n$-1\r\n", Outcome::Answer),
    ("*3\r\n:1\r\n*2\r\n+a\r\n*0\r\n$1\r\n*\r\n", Outcome::Answer),
    ("*1\r\n*1\r\n*1\r\n*-1\r\n", Outcome::Answer),
    // EXEC of what failed: the transaction did not.
    ("*2\r\n+OK\r\n-ERR not an integer\r\n", Outcome::Answer),
    ("*1\r\n-ERR\r\n", Outcome::Answer),
    ("_\r\n", Outcome::Answer),
    ("#t\r\n", Outcome::Answer),
    (",3.14\r\n", Outcome::Answer),
    (",-inf\r\n", Outcome::Answer),
    ("(3492890328409238509324850943850943825024385\r\n", Outcome::Answer),
    ("!21\r\nSYNTAX invalid syntax\r\n", Outcome::Error),
    ("=15\r\ntxt:Some string\r\n", Outcome::Answer),
    ("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n", Outcome::Answer),
    ("%0\r\n", Outcome::Answer),
    ("~2\r\n+a\r\n#f\r\n", Outcome::Answer),
    ("~0\r\n", Outcome::Answer),
    ("|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n", Outcome::Answer),
    ("|1\r\n+ttl\r\n:3600\r\n-ERR\r\n", Outcome::Error),
    ("|1\r\n-key\r\n!1\r\nx\r\n:1\r\n", Outcome::Answer),
    ("|0\r\n|1\r\n+a\r\n*1\r\n:1\r\n!3\r\nERR\r\n", Outcome::Error),
    ("*3\r\n:1\r\n|1\r\n+ttl\r\n:3600\r\n:2\r\n:3\r\n", Outcome::Answer),
    ("%1\r\n|1\r\n+a\r\n+b\r\n+key\r\n|1\r\n+a\r\n+b\r\n+value\r\n", Outcome::Answer),
    ("*1\r\n>2\r\n+a\r\n+b\r\n", Outcome::Answer),
    ("$3\r\n\r\n\r\r\n", Outcome::Answer),
];

#[test]
fn an_answer_ends_after_its_last_element() {
    for (input, outcome) in WHOLE {
        assert_eq!(answers(&resp(), input.as_bytes()), (vec![(input.len(), outcome)], None), "{input:?}");
        let short = &input.as_bytes()[..input.len() - 1];
        assert_eq!(answers(&resp(), short), (Vec::new(), None), "{input:?} without its last byte");
    }
}

#[test]
fn answers_follow_each_other() {
    let input: String = WHOLE.iter().map(|(answer, _)| *answer).collect();
    let mut at = 0;
    let ends = WHOLE.map(|(answer, outcome)| {
        at += answer.len();
        (at, outcome)
    });
    assert_eq!(answers(&resp(), input.as_bytes()), (ends.to_vec(), None));
}

#[test]
fn what_is_no_answer_is_refused() {
    let kind = "not a type of RESP";
    let end = "not the CRLF of an answer";
    let digit = "not a digit of a length";
    let length = "not a length in an answer";
    for (input, why) in [
        ("hello\r\n", bad_byte(kind, b'h')),
        ("\r\n", bad_byte(kind, b'\r')),
        // Types of streams, and the end of one.
        ("$?\r\n", bad_byte(digit, b'?')),
        ("*?\r\n", bad_byte(digit, b'?')),
        (".\r\n", bad_byte(kind, b'.')),
        // A push answers nothing: whoever counted it as an answer would give everybody that of another.
        (">2\r\n+a\r\n+b\r\n", bad_byte("a push instead of an answer", b'>')),
        ("|1\r\n+a\r\n+b\r\n>0\r\n", bad_byte("a push instead of an answer", b'>')),
        ("+a\nb\r\n", bad_byte(end, b'\n')),
        ("+a\rb\r\n", bad_byte(end, b'b')),
        ("-ERR\n", bad_byte(end, b'\n')),
        ("$1\r\nab\r\n", bad_byte(end, b'b')),
        ("$1\r\na\rb", bad_byte(end, b'b')),
        ("$1\rx", bad_byte(end, b'x')),
        ("$\r\n", bad_byte(digit, b'\r')),
        ("$01\r\n", bad_byte(digit, b'1')),
        ("$-2\r\n", bad_length(length, -2)),
        ("!-1\r\n", bad_length(length, -1)),
        ("%-1\r\n", bad_length(length, -1)),
        ("~-1\r\n", bad_length(length, -1)),
    ] {
        assert_eq!(answers(&resp(), input.as_bytes()), (Vec::new(), Some(why)), "{input:?}");
        let second = format!(":1\r\n{input}");
        assert_eq!(
            answers(&resp(), second.as_bytes()),
            (vec![(4, Outcome::Answer)], Some(why)),
            "{second:?}"
        );
    }
}

#[test]
fn more_elements_than_can_be_counted_are_refused() {
    let many = "%999999999999999999\r\n";
    // Each adds some, so that 2^64 are passed with the tenth.
    let why = bad_length("too many elements in an answer", 999_999_999_999_999_999);
    assert_eq!(answers(&resp(), many.repeat(9).as_bytes()), (Vec::new(), None));
    assert_eq!(
        answers(&resp(), many.repeat(10).as_bytes()),
        (Vec::<(usize, Outcome)>::new(), Some::<BadFrame>(why))
    );
}
