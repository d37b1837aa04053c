//! Tests the response to each request of words.

use super::*;

fn ask(request: &str) -> (String, Script) {
    let mut text = b"before|".to_vec();
    let script = read(request.as_bytes(), Asked { member: "m", number: 7 }, &mut text);
    let text = String::from_utf8(text).unwrap();
    (text.strip_prefix("before|").unwrap().to_owned(), script)
}

#[test]
fn requests_have_answers() {
    let cases = [
        ("echo hello", "hello"),
        ("echo  two  blanks ", " two  blanks "),
        ("echo delay 5 never", "delay 5 never"),
        ("echo", ""),
        ("echo ", ""),
        ("add 2 3", "5"),
        ("sub 2 3", "-1"),
        ("mul -4 2.5", "-10.0"),
        ("div 7 2", "3.5"),
        ("div 6 2", "3"),
        ("div 1 0", "error: division by zero"),
        ("add 1", "error: expected two numbers"),
        ("add 1 2 3", "error: expected two numbers"),
        ("add 0x1 2", "error: expected two numbers"),
        ("mul 1e308 1e308", "error: the result is out of range"),
        ("fnv foobar", "85944171f73967e8"),
        ("fnv", "cbf29ce484222325"),
        ("id", "m 7"),
        ("tag a-1 add 2 3", "a-1 5"),
        ("tag a tag b echo c d", "a b c d"),
        ("tag a div 1 0", "a error: division by zero"),
        ("tag a", "a error: an empty request"),
        ("", "error: an empty request"),
        (" ", "error: an empty request"),
        ("Echo x", "error: not understood: Echo"),
        ("a\rb", "error: not understood: a\\rb"),
        ("size x", "error: expected a number of bytes"),
        ("delay x echo y", "error: expected milliseconds and a request"),
        ("delay 99999999999 id", "error: expected milliseconds and a request"),
        ("raw 4", "error: expected hex digits, two for each byte"),
        ("raw 4x", "error: expected hex digits, two for each byte"),
    ];
    for (request, text) in cases {
        assert_eq!(ask(request), (text.to_owned(), Script::default()), "{request:?}");
    }
}

#[test]
fn words_in_front_change_how_it_is_answered() {
    let usual = Script::default();
    let ms = Duration::from_millis;
    let cases = [
        ("delay 200 add 2 3", "5", Script { delay: ms(200), ..usual }),
        ("tag x delay 1 delay 2 late 4 id", "x m 7", Script { delay: ms(3), late: ms(4), ..usual }),
        ("twice echo x", "x", Script { again: Some(Duration::ZERO), ..usual }),
        ("early 9 echo x", "x", Script { again: Some(ms(9)), ..usual }),
        ("tag x size 1000000", "x ", Script { fill: 1_000_000, ..usual }),
        ("midclose echo x", "x", Script { shape: Shape::Half, after: After::Close, ..usual }),
        ("close echo x", "x", Script { after: After::Close, ..usual }),
        ("close", "", Script { shape: Shape::Nothing, after: After::Close, ..usual }),
        ("reset", "", Script { shape: Shape::Nothing, after: After::Reset, ..usual }),
        ("never", "", Script { shape: Shape::Nothing, after: After::Ignore, ..usual }),
        ("toolong 9", "", Script { fill: 9, shape: Shape::Unended, after: After::Ignore, ..usual }),
        ("raw 0a7E", "\n~", Script { shape: Shape::Bare, ..usual }),
    ];
    for (request, text, script) in cases {
        assert_eq!(ask(request), (text.to_owned(), script), "{request:?}");
    }
}

#[test]
fn what_is_echoed_need_not_be_text() {
    let mut text = Vec::new();
    read(b"tag \xff echo \0\n\xfe", Asked { member: "m", number: 1 }, &mut text);
    assert_eq!(text, b"\xff \0\n\xfe");
    text.clear();
    read(b"\xff\xff", Asked { member: "m", number: 1 }, &mut text);
    assert_eq!(text, br"error: not understood: \xff\xff");
}
