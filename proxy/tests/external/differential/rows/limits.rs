//! D1, how large a head may be: line, fields, number of fields (RFC 9110 section 15.5.15, RFC 6585 section 5).

use crate::differential::row::{Row, get, line, post, row};

const KIB: usize = 1024;
const OPTION: &str = "limits are options (`limits`): 16 KiB a line, 32 KiB and 100 lines in all";

pub(crate) fn rows() -> Vec<Row> {
    let target = |len: usize| line(&format!("GET /{} HTTP/1.1", "a".repeat(len)));
    let field = |len: usize| get(&format!("X-A: {}", "b".repeat(len)));
    let fields = |number: usize| get(&vec!["X-A: b"; number - 1].join("\r\n"));
    let large = |number: usize| get(&vec![format!("X-A: {}", "b".repeat(4 * KIB)); number].join("\r\n"));
    let content = |len: usize| post(&format!("Content-Length: {len}"), &"c".repeat(len));
    vec![
        row("M3", "a target of 4 KiB", target(4 * KIB)).ours("passes"),
        row("M3", "a target of 10 KiB", target(10 * KIB)).ours("passes"),
        row("M3", "a target of 15.5 KiB", target(15 * KIB + 512)).ours("passes").because(OPTION),
        row("S15.5.15", "a target of 20 KiB", target(20 * KIB)).ours("414"),
        row("S5.4", "a field of 4 KiB", field(4 * KIB)).ours("passes"),
        row("S5.4", "a field of 15.5 KiB", field(15 * KIB + 512)).ours("passes").because(OPTION),
        row("S5.4", "a field of 20 KiB", field(20 * KIB)).ours("431"),
        row("S5.4", "24 KiB of fields in all", large(6)).ours("passes").because(OPTION),
        row("S5.4", "40 KiB of fields in all", large(10)).ours("431"),
        row("S5.4", "100 field lines", fields(100)).ours("passes"),
        row("S5.4", "101 field lines", fields(101)).ours("431"),
        row("S5.4", "300 field lines", fields(300)).ours("431"),
        row("S15.5.14", "content of 2 MiB", content(2 << 20)).ours("passes"),
    ]
}
