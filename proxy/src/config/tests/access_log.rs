//! The access log's options: its place, its format and its sampling, in the file, in messages and in the schema.

use std::path::Path;

use crate::config::{AccessLog, LogField, LogFormat, LogPart, LogTo};
use serde_json::json;

use crate::config::tests::http::{listener, with};
use crate::config::tests::mistakes::told;
use crate::config::tests::values::agree;

fn log(options: &str) -> AccessLog {
    listener(&[&format!("access_log: {{ to: stdout, {options} }}")]).access_log.unwrap().as_ref().clone()
}

/// The parts of a pattern; fields by their words, in braces.
fn pattern(text: &str) -> Vec<String> {
    let LogFormat::Pattern(parts) = log(&format!("format: {text}")).format else { panic!("{text}") };
    let written = |part: &LogPart| match part {
        LogPart::Text(text) => text.to_string(),
        LogPart::Field(field) => format!("{{{}}}", field.word()),
    };
    parts.iter().map(written).collect()
}

/// What is said of one option that is alone in its `access_log`.
#[track_caller]
fn told_of(option: &str, why: &str) {
    let (key, _) = option.split_once(": ").unwrap();
    let column = 19 + key.len() + 2;
    let line = format!("5:{column}: listeners.web.access_log.{key}: {why}");
    told(&with(&[&format!("access_log: {{ {option} }}")]), &[&line]);
}

#[test]
fn where_lines_go() {
    for off in ["access_log: { format: common }", "access_log: { to: off, sample: 1% }", "access_log:"] {
        assert_eq!(listener(&[off]).access_log, None);
    }
    let to =
        |text: &str| listener(&[&format!("access_log: {{ to: {text} }}")]).access_log.unwrap().to.clone();
    assert_eq!(to("stdout"), LogTo::Stdout);
    for path in ["/var/log/a b.log", "./access.log", "../off", "/dev/stderr"] {
        assert_eq!(to(path), LogTo::File(Path::new(path).into()));
    }
    let expected = "expected `stdout` or a path such as `/var/log/penstock.log`";
    for (text, why) in [
        ("stdou", format!("{expected}, not `stdou`")),
        ("of", format!("{expected}, not `of`")),
        ("stderr", format!("{expected}, not `stderr`; a path begins with `/` or `./`")),
        ("logs/access", format!("{expected}, not `logs/access`; a path begins with `/` or `./`")),
        ("''", format!("{expected}, not ``; a path begins with `/` or `./`")),
        ("/var/log/", "`/var/log/` names a folder; add the name of the file".to_owned()),
        ("\"/a\\0\"", "`/a\\u{0}`: a path cannot contain NUL".to_owned()),
    ] {
        told_of(&format!("to: {text}"), &format!("{why} (or `off`)"));
    }
}

#[test]
fn how_lines_read() {
    assert_eq!((log("").format, log("").one_of.get()), (LogFormat::Json, 1));
    assert_eq!(log("format: json").format, LogFormat::Json);
    let common = "{source} - - [{time_common}] \"{method} {target} {protocol}\" {status} {sent}";
    assert_eq!(pattern("common").concat(), common);
    assert_eq!(pattern("combined").concat(), format!("{common} \"{{referer}}\" \"{{user_agent}}\""));
    assert_eq!(pattern("'{source} \"{method}\"'"), ["{source}", " \"", "{method}", "\""]);
    assert_eq!(pattern("'{{{status}}}'"), ["{", "{status}", "}"]);
    assert_eq!(pattern("'a{{}}b{cause}{{{{'"), ["a{}b", "{cause}", "{{"]);
    assert_eq!(pattern("'{sent}{received}'"), ["{sent}", "{received}"]);
    assert_eq!(pattern("\"\\t{peer} ü\""), ["\t", "{peer}", " ü"]);
    let words = LogField::ALL.map(LogField::word);
    let all: String = words.iter().map(|word| format!("{{{word}}}")).collect();
    assert_eq!(pattern(&format!("'{all}'")).concat(), all);
    assert!(words.iter().enumerate().all(|(i, word)| !words[..i].contains(word)));
}

#[test]
fn what_no_line_reads_like() {
    let expected = "expected `json`, `common`, `combined` or a pattern in quotes such as '{source} {status}'";
    let fields = "fields are: time, time_common, source, peer, listener, backend, member, method, target, protocol, host, status, cause, received, sent, duration, service, ordinal, user_agent, referer";
    for (text, why) in [
        ("jsn", format!("{expected}, not `jsn`; did you mean `json`?")),
        ("verbose", format!("{expected}, not `verbose`; a pattern names a field at least")),
        ("{source} {status}", String::new()),
        ("'{statu}'", "there is no field `{statu}`; did you mean `{status}`?".to_owned()),
        ("'{bytes} {status}'", format!("there is no field `{{bytes}}`; {fields}")),
        ("'{}'", format!("there is no field `{{}}`; {fields}")),
        ("'{ status }'", "there is no field `{ status }`; did you mean `{status}`?".to_owned()),
        ("'a {status'", "`{` without its `}` at `{status`; write `{{` for a brace".to_owned()),
        ("'status} {sent}'", "`}` without its `{` at `} {sent}`; write `}}` for a brace".to_owned()),
        (
            "'{{status}}'",
            format!("`{{{{status}}}}` names no field, so all lines would read the same; {fields}"),
        ),
        (
            "\"{status}\\n\"",
            "a pattern is one line; line ends are added, and there are no control characters".to_owned(),
        ),
    ] {
        match why.is_empty() {
            // To YAML that is a map, and more behind it.
            true => assert!(
                crate::config::tests::read(&with(&[&format!("access_log: {{ format: {text} }}")])).is_err()
            ),
            false => told_of(&format!("format: {text}"), &why),
        }
    }
    told(
        &with(&["access_log: { format: {source} }"]),
        &[&format!("5:27: listeners.web.access_log.format: {expected}, not a map")],
    );
}

#[test]
fn how_many_there_are() {
    for (text, one_of) in [
        ("100%", 1),
        ("50%", 2),
        ("25%", 4),
        ("20%", 5),
        ("10%", 10),
        ("1%", 100),
        ("1/1", 1),
        ("1/3", 3),
        ("1/1000", 1000),
        ("1/1000000", 1_000_000),
    ] {
        assert_eq!(log(&format!("sample: {text}")).one_of.get(), one_of, "{text}");
    }
    let expected = "expected a share such as `100%`, `10%` or `1/1000`";
    for (text, why) in [
        ("0%", "`0%` is outside of 1/1000000 to 100%".to_owned()),
        ("101%", "`101%` is outside of 1/1000000 to 100%".to_owned()),
        ("1/0", "`1/0` is outside of 1/1000000 to 100%".to_owned()),
        ("1/1000001", "`1/1000001` is outside of 1/1000000 to 100%".to_owned()),
        ("30%", "`30%` is not one in a whole number; write `1/3` or `1/4`".to_owned()),
        ("99%", "`99%` is not one in a whole number; write `1/1` or `1/2`".to_owned()),
        ("2/3", format!("{expected}, not `2/3`")),
        ("10", format!("{expected}, not `10`")),
        ("010%", format!("{expected}, not `010%`")),
        ("0.1%", format!("{expected}, not `0.1%`")),
        ("1/10%", format!("{expected}, not `1/10%`")),
        ("1/99999999999", format!("{expected}, not `1/99999999999`")),
        ("'%'", format!("{expected}, not `%`")),
        ("off", format!("{expected}, not `off`")),
    ] {
        told_of(&format!("sample: {text}"), &why);
    }
}

#[test]
fn the_schema_agrees_with_the_reader() {
    agree([
        (
            "/listeners/web/access_log",
            json!([null, {}, { "to": "stdout" }]),
            json!(["stdout", { "too": "off" }]),
        ),
        (
            "/listeners/web/access_log/to",
            json!(["off", "stdout", "/a", "./a"]),
            json!(["a", "/a/", "", 1, "on"]),
        ),
        (
            "/listeners/web/access_log/format",
            json!(["json", "common", "combined", "{status}", "a {{{sent}}} b", "{{{time}{time}"]),
            json!(["", "text", "{stat}", "{status", "status}", "{{status}}", "{time}\n", "{time} {", { "source": null }]),
        ),
        (
            "/listeners/web/access_log/sample",
            json!(["100%", "5%", "1/7", "1/1000000"]),
            json!(["0%", "3%", "1/0", "1/01", "1/1000001", 1, "off", "2/3"]),
        ),
    ]);
}
