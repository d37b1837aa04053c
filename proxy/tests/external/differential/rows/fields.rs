//! D1, field lines: names, values, folding, order (RFC 9110 section 5, RFC 9112 section 5).

use crate::differential::row::{Row, get, row};

const CONTROL: &str =
    "no control character but the tab may be in a value; logs and terminals behind might act on it";
const XA: &[&str] = &["x-a"];

pub(crate) fn rows() -> Vec<Row> {
    [names(), values(), folding(), order()].concat()
}

fn names() -> Vec<Row> {
    vec![
        row("M5.1", "a space between name and colon", get("X-A : b")).fields(&["x-a", "x-a "]).ours("400"),
        row("M5.1", "a tab between name and colon", get("X-A\t: b")).ours("400"),
        row("S5.1", "a line without a colon", get("X-A b")).ours("400"),
        row("S5.1", "an empty name", get(": b")).bad("\r\n: b").ours("400"),
        row("S5.1", "a space in the name", get("X A: b")).bad("X A").ours("400"),
        row("S5.1", "a name that is no token, `X(A)`", get("X(A): b")).bad("X(A)").ours("400"),
        row("S5.1", "NUL in the name", get("X\0A: b")).bad("X\0A").ours("400"),
        row("S5.1", "UTF-8 in the name", get("Xé: b")).bad("Xé").ours("400"),
        row("–", "an underscore in the name, `X_A`", get("X_A: b"))
            .fields(&["x_a"])
            .bad("X_A")
            .ours("`x_a: b`"),
    ]
}

fn values() -> Vec<Row> {
    let with =
        |byte: &[u8]| [&b"GET /a HTTP/1.1\r\nHost: example.com\r\nX-A: b"[..], byte, b"c\r\n\r\n"].concat();
    vec![
        row("S5.5", "NUL in the value", with(b"\0")).bad("b\0c").ours("400"),
        row("S5.5", "CR alone in the value", with(b"\r")).bad("b\rc").ours("400"),
        row("S5.5", "CR alone at the end of the value", get("X-A: b\r")).bad("b\r\r").ours("400"),
        row("S5.5", "LF alone in the value, as if a new line", with(b"\nX-B: "))
            .fields(&["x-a", "x-b"])
            .bad("b\nX-B")
            .ours("400")
            .because("a line ends in CR LF, so that all see the same lines"),
        row("S5.5", "a control character (0x01) in the value", with(b"\x01"))
            .bad("\x01")
            .ours("400")
            .because(CONTROL),
        row("S5.5", "a vertical tab in the value", with(b"\x0b")).bad("\x0b").ours("400").because(CONTROL),
        row("S5.5", "DEL in the value", with(b"\x7f")).bad("\x7f").ours("400").because(CONTROL),
        row("S5.5", "a tab in the value", with(b"\t")).fields(XA).ours("`x-a: b\\tc`"),
        row("S5.5", "UTF-8 in the value", with("é".as_bytes())).fields(XA).ours("`x-a: b\\xc3\\xa9c`"),
        row("M5.1", "blanks around the value", get("X-A: \t b \t ")).fields(XA).ours("`x-a: \\t b`"),
        row("S5.5", "no value", get("X-A:")).fields(XA).ours("`x-a:`"),
    ]
}

fn folding() -> Vec<Row> {
    let first = "GET /a HTTP/1.1\r\nHost: example.com\r\n X-A: b\r\n\r\n";
    vec![
        row("M5.2", "a folded line (obs-fold)", get("X-A: b\r\n c")).fields(XA).bad("\r\n c").ours("400"),
        row("M5.2", "a line folded with a tab", get("X-A: b\r\n\tc")).fields(XA).bad("\r\n\tc").ours("400"),
        row("M5.2", "Host folded, its other line a field", first)
            .fields(&["host", "x-a"])
            .bad("\r\n X")
            .ours("400"),
    ]
}

fn order() -> Vec<Row> {
    vec![
        row("S5.3", "two lines of one name keep their order", get("X-A: 1\r\nX-B: 2\r\nX-A: 3"))
            .fields(XA)
            .ours("`x-a: 1`, `x-a: 3`"),
    ]
}
