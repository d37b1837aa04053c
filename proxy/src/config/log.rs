//! Reads options about the access log: its destination, format and sampling.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::scalar::{ScalarKind, short, unexpected};
use super::settings::{LogField, LogFormat, LogPart, LogTo};
use super::suggest::suggest;

/// The destination of the lines.
#[derive(Debug)]
pub(super) struct LogPlace;

impl ScalarKind for LogPlace {
    type Value = LogTo;
    const EXPECTED: &'static str = "`stdout` or a path such as `/var/log/penstock.log`";

    fn parse(text: &str) -> Result<LogTo, String> {
        let shown = short(text);
        match text {
            "stdout" => Ok(LogTo::Stdout),
            _ if text.contains('\0') => Err(format!("`{shown}`: a path cannot contain NUL")),
            _ if text.ends_with('/') => Err(format!("`{shown}` names a folder; add the name of the file")),
            _ if text.starts_with(['/', '.']) => Ok(LogTo::File(PathBuf::from(text))),
            // A near miss of a keyword gets a suggestion, and not advice about paths.
            _ if suggest(text, ["stdout", "off"]).is_some() => Err(unexpected::<Self>(text)),
            _ => Err(unexpected::<Self>(text) + "; a path begins with `/` or `./`"),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [
            { "const": "stdout" },
            { "type": "string", "pattern": "^[/.][^\\u0000]*$", "not": { "pattern": "/$" } },
        ] })
    }
}

/// The format of a line.
#[derive(Debug)]
pub(super) struct LogLineFormat;

/// The common log format as a pattern, after Apache's `mod_log_config`: "%h %l %u %t \"%r\" %>s %b".
const COMMON: &str = "{source} - - [{time_common}] \"{method} {target} {protocol}\" {status} {sent}";
/// The fields that the combined log format adds to the common one.
const COMBINED: &str = " \"{referer}\" \"{user_agent}\"";

impl ScalarKind for LogLineFormat {
    type Value = LogFormat;
    const EXPECTED: &'static str =
        "`json`, `common`, `combined` or a pattern in quotes such as '{source} {status}'";

    fn parse(text: &str) -> Result<LogFormat, String> {
        match text {
            "json" => return Ok(LogFormat::Json),
            "common" => return pattern(COMMON),
            "combined" => return pattern(&(COMMON.to_owned() + COMBINED)),
            _ => {}
        }
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err(
                "a pattern is one line; line ends are added, and there are no control characters".to_owned()
            );
        }
        // A brace means that a pattern was intended; any other word is probably a misspelt format.
        if text.contains(['{', '}']) {
            return pattern(text);
        }
        let near = suggest(text, ["json", "common", "combined"]);
        let hint = near.map_or_else(
            || "; a pattern names a field at least".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        );
        Err(unexpected::<Self>(text) + &hint)
    }

    fn schema() -> Value {
        let fields = LogField::ALL.map(LogField::word).join("|");
        let (plain, field) = (
            "([^{}\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f]|\\{\\{|\\}\\})",
            format!("\\{{({fields})\\}}"),
        );
        json!({ "anyOf": [
            { "enum": ["json", "common", "combined"] },
            { "type": "string", "pattern": format!("^{plain}*{field}({plain}|{field})*$") },
        ] })
    }
}

/// Parses a pattern into text and fields; `{{` and `}}` are literal braces.
fn pattern(text: &str) -> Result<LogFormat, String> {
    let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(place) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(place);
        plain += before;
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            plain.push_str(&from[..1]);
            rest = behind;
            continue;
        }
        let Some(inside) = from.strip_prefix('{') else {
            return Err(format!("`}}` without its `{{` at {}; write `}}}}` for a brace", excerpt(from)));
        };
        let Some((name, behind)) = inside.split_once('}') else {
            return Err(format!("`{{` without its `}}` at {}; write `{{{{` for a brace", excerpt(from)));
        };
        parts.extend(text_part(&mut plain));
        parts.push(LogPart::Field(field(name)?));
        rest = behind;
    }
    plain += rest;
    parts.extend(text_part(&mut plain));
    if !parts.iter().any(|part| matches!(part, LogPart::Field(_))) {
        return Err(format!(
            "`{}` names no field, so all lines would read the same; {}",
            short(text),
            known()
        ));
    }
    Ok(LogFormat::Pattern(parts.into()))
}

/// Quotes the start of the pattern's rest, to show where the mistake is.
fn excerpt(from: &str) -> String {
    let shown: String = from.chars().take(20).collect();
    format!("`{shown}`")
}

/// Takes the text collected so far as a part, if there is any.
fn text_part(plain: &mut String) -> Option<LogPart> {
    let text = std::mem::take(plain);
    (!text.is_empty()).then(|| LogPart::Text(Arc::from(text)))
}

fn field(name: &str) -> Result<LogField, String> {
    let found = LogField::ALL.into_iter().find(|field| field.word() == name);
    found.ok_or_else(|| {
        let near = suggest(name, LogField::ALL.map(LogField::word));
        let hint = near.map_or_else(known, |near| format!("did you mean `{{{near}}}`?"));
        format!("there is no field `{{{}}}`; {hint}", short(name))
    })
}

fn known() -> String {
    format!("fields are: {}", LogField::ALL.map(LogField::word).join(", "))
}

/// A sampling rate of one exchange in N, written as a percentage or as the fraction `1/N`.
#[derive(Debug)]
pub(super) struct OneOfSoMany;

/// The largest N. A rate below one in a million records so little that `off` is meant.
const MOST: u32 = 1_000_000;

impl ScalarKind for OneOfSoMany {
    type Value = NonZeroU32;
    const EXPECTED: &'static str = "a share such as `100%`, `10%` or `1/1000`";

    fn parse(text: &str) -> Result<NonZeroU32, String> {
        let (number, of_whole) = match (text.strip_suffix('%'), text.strip_prefix("1/")) {
            (Some(percent), None) => (percent, 100),
            (None, Some(many)) => (many, MOST),
            _ => return Err(unexpected::<Self>(text)),
        };
        // Leading zeros are refused, because the schema does not allow them.
        let plain =
            number.bytes().all(|b| b.is_ascii_digit()) && !(number.len() > 1 && number.starts_with('0'));
        let number = number.parse::<u32>().ok().filter(|_| plain).ok_or_else(|| unexpected::<Self>(text))?;
        if number == 0 || number > of_whole {
            return Err(format!("`{}` is outside of 1/{MOST} to 100%", short(text)));
        }
        // Sampling counts exchanges, so that a rate must be one in a whole number.
        if of_whole == 100 && 100 % number != 0 {
            let (more, less) = (100 / number, 100 / number + 1);
            return Err(format!("`{text}` is not one in a whole number; write `1/{more}` or `1/{less}`"));
        }
        let many = if of_whole == 100 { 100 / number } else { number };
        NonZeroU32::new(many).ok_or_else(|| unexpected::<Self>(text))
    }

    fn schema() -> Value {
        let pattern = "^((1|2|4|5|10|20|25|50|100)%|1/([1-9][0-9]{0,5}|1000000))$";
        json!({ "type": "string", "pattern": pattern, "examples": ["100%", "10%", "1/1000"] })
    }
}
