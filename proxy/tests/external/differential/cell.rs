//! Puts into a few words what came of a row, and says how lenient that is.

use crate::differential::client::Answer;
use crate::differential::reader::{Seen, find, lines_of};
use crate::differential::row::{Look, Row, Suspect};
use crate::differential::survey::Outcome;

/// How lenient an outcome is; the greater, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// No whole request reached the member (or the client got no answer of the member's).
    Refused,
    /// Passed on, without what is suspicious in it.
    Cleaned,
    /// Passed on with what is suspicious in it.
    Unchanged,
}

/// Longer texts are cut on the page.
const LONGEST: usize = 60;

pub(crate) fn level(row: &Row, outcome: &Outcome) -> Level {
    match (is_refused(row, outcome), has_suspect(row, outcome)) {
        (true, _) => Level::Refused,
        (false, false) => Level::Cleaned,
        (false, true) => Level::Unchanged,
    }
}

fn is_refused(row: &Row, outcome: &Outcome) -> bool {
    if row.is_of_answers() {
        return first_final(outcome).is_none_or(|answer| answer.status >= 500);
    }
    outcome.seen.is_empty()
}

fn has_suspect(row: &Row, outcome: &Outcome) -> bool {
    match row.suspect {
        Suspect::Nothing => false,
        Suspect::Bytes(bytes) if row.is_of_answers() => has(&outcome.heard.raw, bytes),
        Suspect::Bytes(bytes) => outcome.seen.iter().any(|seen| has(&seen.raw, bytes)),
        Suspect::Request(target) => outcome.seen.iter().any(|seen| seen.is_for(target)),
        Suspect::Untouched => {
            outcome.seen.iter().any(|seen| lines_of(&seen.head, "x-forwarded-for").is_empty())
        }
    }
}

/// Names are compared without case, as a proxy may write them as it likes.
fn has(bytes: &[u8], wanted: &str) -> bool {
    find(&bytes.to_ascii_lowercase(), &wanted.to_ascii_lowercase().into_bytes()).is_some()
}

/// The words of the page. A `|` would end the cell.
pub(crate) fn cell(row: &Row, outcome: &Outcome) -> String {
    words(row, outcome).replace('|', "\\|")
}

fn words(row: &Row, outcome: &Outcome) -> String {
    if row.is_of_answers() {
        return answered(row, outcome);
    }
    let Some(first) = outcome.seen.first() else { return refused(outcome) };
    let shown = shown(row, first, outcome);
    match outcome.heard.answers.iter().find(|answer| answer.status >= 200).map(|answer| answer.status) {
        Some(200..=299) => shown,
        _ if outcome.heard.tunnel => shown,
        Some(status) => format!("{shown}, then {status}"),
        None => format!("{shown}, then closes"),
    }
}

fn refused(outcome: &Outcome) -> String {
    let stays = if outcome.after { ", stays open" } else { "" };
    match first_final(outcome) {
        None => "closes".to_owned(),
        Some(answer) if answer.status == 0 => "speaks HTTP/2".to_owned(),
        Some(answer) if answer.status == 200 => format!("answers 200 itself{stays}"),
        Some(answer) => format!("{}{stays}", answer.status),
    }
}

fn first_final(outcome: &Outcome) -> Option<&Answer> {
    outcome.heard.answers.iter().find(|answer| answer.status >= 200 || matches!(answer.status, 0 | 101))
}

fn shown(row: &Row, first: &Seen, outcome: &Outcome) -> String {
    match row.look {
        Look::Passed => "passes".to_owned(),
        Look::Line => code(first.line()),
        Look::Fields(names) => lines(&first.head, names).unwrap_or_else(|| gone(names, &row.bytes)),
        Look::Content => content(&first.head, &first.content),
        Look::Trailers if first.trailers.is_empty() => "removed".to_owned(),
        Look::Trailers => list(first.trailers.split(|b| *b == b'\n').filter(|line| !line.is_empty())),
        Look::Targets => {
            list(outcome.seen.iter().filter_map(|seen| seen.line().split(|b| *b == b' ').nth(1)))
        }
        Look::Tunnel if outcome.heard.tunnel => "tunnel".to_owned(),
        Look::Tunnel if lines_of(&first.head, "upgrade").is_empty() => "without `Upgrade`".to_owned(),
        Look::Tunnel => "no tunnel".to_owned(),
        Look::Contents | Look::Statuses | Look::AnswerFields(_) | Look::Answer => String::new(),
    }
}

/// None of these fields are there.
fn gone(names: &[&str], sent: &[u8]) -> String {
    let was_sent = names.iter().any(|name| !lines_of(sent, name).is_empty());
    if was_sent { "removed" } else { "none" }.to_owned()
}

/// What the client got to know of an answer.
fn answered(row: &Row, outcome: &Outcome) -> String {
    match (row.look, first_final(outcome)) {
        (Look::Statuses, last) => statuses(outcome, last.is_some()),
        (Look::Contents, _) => list(outcome.heard.answers.iter().map(|answer| &answer.content[..])),
        (_, None) => "closes".to_owned(),
        (_, Some(answer)) if answer.status >= 500 => answer.status.to_string(),
        (_, Some(answer)) if answer.status == 0 => "as it came".to_owned(),
        (Look::AnswerFields(names), Some(answer)) => {
            lines(&answer.head, names).unwrap_or_else(|| gone(names, row.reply.bytes()))
        }
        (_, Some(answer)) => {
            let cut = if answer.whole { "" } else { ", cut off" };
            content(&answer.head, &answer.content) + cut
        }
    }
}

/// Those of all answers, but for that to the request behind the row.
fn statuses(outcome: &Outcome, has_final: bool) -> String {
    let answers = &outcome.heard.answers;
    let own = &answers[..answers.len() - usize::from(outcome.after && is_kept(outcome))];
    let mut texts: Vec<_> = own.iter().map(|answer| answer.status.to_string()).collect();
    if !has_final {
        texts.push("closes".to_owned());
    }
    texts.join(", ")
}

/// The last answer is that to the request behind the row.
fn is_kept(outcome: &Outcome) -> bool {
    outcome.heard.answers.last().is_some_and(|answer| answer.content == b"ok")
        && outcome.heard.answers.len() > 1
}

fn content(head: &[u8], content: &[u8]) -> String {
    let framing = if lines_of(head, "transfer-encoding").is_empty() { "" } else { "chunked " };
    let lengths = lines(head, &["content-length"]);
    match (framing, lengths) {
        ("", None) if content.is_empty() => "no content".to_owned(),
        ("", None) => format!("{} until it closes", code(content)),
        (_, None) => format!("{framing}{}", code(content)),
        ("", Some(lengths)) if content.is_empty() => lengths,
        (_, Some(lengths)) => format!("{framing}{lengths}, {}", code(content)),
    }
}

fn lines(head: &[u8], names: &[&str]) -> Option<String> {
    let lines: Vec<_> =
        names.iter().flat_map(|name| lines_of(head, name)).map(|l| with_lower_name(&l)).collect();
    (!lines.is_empty()).then(|| list(lines.iter().map(Vec::as_slice)))
}

/// As proxies write names in many ways, they are shown in one.
fn with_lower_name(line: &[u8]) -> Vec<u8> {
    let colon = line.iter().position(|b| *b == b':').unwrap_or_default();
    let name = line[..colon].to_ascii_lowercase();
    // A clock that is ours to read is nobody's to compare.
    let value = if name == b"date" && !has(line, "1994") { b": now" } else { &line[colon..] };
    [&name, value].concat()
}

fn list<'b>(texts: impl Iterator<Item = &'b [u8]>) -> String {
    texts.map(code).collect::<Vec<_>>().join(", ")
}

/// The bytes as code, what cannot be seen escaped.
fn code(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii_end();
    let mut text: String =
        bytes.iter().take(LONGEST).flat_map(|b| b.escape_ascii()).map(char::from).collect();
    text = text.replace("\\\"", "\"").replace("\\'", "'").replace('`', "\\x60");
    if bytes.len() > LONGEST {
        text.push('…');
    }
    if text.is_empty() { "empty".to_owned() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::{Level, cell, level};
    use crate::differential::reader::{Read, read};
    use crate::differential::row::{Look, get, row};
    use crate::differential::survey::Outcome;

    fn seen(bytes: &[u8]) -> Outcome {
        let Read::Request(seen) = read(bytes) else { panic!("no request") };
        Outcome { seen: vec![seen], ..Outcome::default() }
    }

    #[test]
    fn what_a_member_sees_is_judged() {
        let row = row("", "", get("X-A: b\r\n c")).look(Look::Fields(&["x-a"])).bad("\r\n c");
        let judge = |outcome: &Outcome| (level(&row, outcome), cell(&row, outcome));
        assert_eq!(judge(&Outcome::default()), (Level::Refused, "closes".to_owned()));
        let cleaned = seen(b"GET / HTTP/1.1\r\nX-A: b c\r\n\r\n");
        assert_eq!(judge(&cleaned), (Level::Cleaned, "`x-a: b c`, then closes".to_owned()));
        assert_eq!(level(&row, &seen(b"GET / HTTP/1.1\r\nX-A: b\r\n c\r\n\r\n")), Level::Unchanged);
        assert!(judge(&seen(b"GET / HTTP/1.1\r\n\r\n")).1.starts_with("removed"));
    }
}
