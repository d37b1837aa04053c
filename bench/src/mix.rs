//! Reads a mix of HTTP requests from a file of JSON objects, one on each line.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::plan::{Literal, Work};

const FIELDS: [&str; 7] = ["method", "path", "headers", "body", "weight", "name", "answer"];

/// Returns the parts of a mix and their weights. `text` is the content of `file`, and `to` is the default
/// value of the `Host` field. An error has a line for each mistake: file, line, field and reason.
///
/// ```
/// use penstock_bench::mix;
/// let to = "127.0.0.1:80".parse().unwrap();
/// let text = r#"{"path": "/hello", "weight": 99}
/// {"method": "POST", "path": "/add", "headers": {"Accept": "*/*"}, "body": "{\"args\":[1,2]}"}"#;
/// assert_eq!(mix("a.jsonl", text, to).unwrap().len(), 2);
/// let error = mix("a.jsonl", r#"{"path": "/", "weight": 0}"#, to).unwrap_err();
/// assert_eq!(error, "a.jsonl:1: weight: it must be a whole number from 1 to 4294967295");
/// ```
pub fn mix(file: &str, text: &str, to: SocketAddr) -> Result<Vec<(u32, Work)>, String> {
    let (mut parts, mut mistakes) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match part(line, to) {
            Ok(part) => parts.push(part),
            Err(why) => mistakes.push(format!("{file}:{}: {why}", number + 1)),
        }
    }
    match (mistakes.is_empty(), parts.is_empty()) {
        (false, _) => Err(mistakes.join("\n")),
        (true, true) => Err(format!("{file}: no request in it; a line such as {{\"path\": \"/\"}} is one")),
        (true, false) => Ok(parts),
    }
}

fn part(line: &str, to: SocketAddr) -> Result<(u32, Work), String> {
    let object: Map<String, Value> = serde_json::from_str(line)
        .map_err(|error| format!("column {}: not a JSON object: {}", error.column(), reason(&error)))?;
    if let Some(name) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("{name}: there is no such field; there are {}", FIELDS.join(", ")));
    }
    let text = |field: &str| match object.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{field}: it must be a string")),
    };
    let method = method(text("method")?.unwrap_or("GET"))?;
    let path = path(text("path")?.ok_or("path: a request needs one")?)?;
    let body = text("body")?;
    let weight = match object.get("weight") {
        None => 1,
        Some(weight) => weight
            .as_u64()
            .and_then(|weight| u32::try_from(weight).ok())
            .filter(|weight| *weight > 0)
            .ok_or_else(|| format!("weight: it must be a whole number from 1 to {}", u32::MAX))?,
    };
    let headers = headers(object.get("headers"))?;
    let name = text("name")?.map_or_else(|| format!("{method} {path}"), str::to_owned);
    let answer = text("answer")?.map(|answer| answer.as_bytes().to_vec());
    let wire = wire(method, path, &headers, body, to);
    Ok((weight, Work::Literal(Arc::new(Literal { name, wire, answer }))))
}

/// Returns the text of an error without its position, which is always on the first line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn method(method: &str) -> Result<&str, String> {
    if !is_token(method) {
        return Err(format!("method: {method:?} is not a method of HTTP"));
    }
    // The length of their answers does not follow from the answers alone.
    if matches!(method, "HEAD" | "CONNECT") {
        return Err(format!("method: the generator cannot read the answer to {method}"));
    }
    Ok(method)
}

fn path(path: &str) -> Result<&str, String> {
    if !path.starts_with('/') || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(format!("path: {path:?} must begin with / and hold no blanks"));
    }
    Ok(path)
}

fn headers(headers: Option<&Value>) -> Result<Vec<(&str, &str)>, String> {
    let headers = match headers {
        None => return Ok(Vec::new()),
        Some(Value::Object(headers)) => headers,
        Some(_) => return Err("headers: it must be an object of strings".to_owned()),
    };
    let field = |(name, value): (&'_ String, &'_ Value)| -> Result<(), String> {
        let bad = |why: &str| Err(format!("headers.{name}: {why}"));
        if !is_token(name) {
            return bad("this is not a name of a field");
        }
        if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding") {
            return bad("the generator frames the body itself; leave this out");
        }
        match value.as_str() {
            None => bad("it must be a string"),
            Some(value) if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') => {
                bad("it holds a control character")
            }
            Some(_) => Ok(()),
        }
    };
    headers.iter().try_for_each(field)?;
    Ok(headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect())
}

fn wire(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>, to: SocketAddr) -> Vec<u8> {
    let mut wire = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    // Writing to a Vec cannot fail.
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        let _ = write!(wire, "Host: {to}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(wire, "{name}: {value}\r\n");
    }
    if body.is_some() || matches!(method, "POST" | "PUT" | "PATCH") {
        let _ = write!(wire, "Content-Length: {}\r\n", body.map_or(0, str::len));
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(body.unwrap_or_default().as_bytes());
    wire
}

fn is_token(name: &str) -> bool {
    let mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u32, Work)>, String> {
        mix("m.jsonl", text, "127.0.0.1:80".parse().unwrap())
    }

    #[test]
    fn a_line_becomes_the_bytes_of_a_request() {
        let text = r##"# a comment

{"path": "/a?b=c"}
{"method": "PUT", "path": "/p", "headers": {"Host": "x", "X-A": "1"}, "body": "hé", "weight": 7, "name": "up", "answer": "ok"}
{"method": "POST", "path": "/empty"}"##;
        let parts = read(text).unwrap();
        let literal = |at: usize| match &parts[at] {
            (weight, Work::Literal(literal)) => (*weight, literal.as_ref()),
            other => panic!("{other:?}"),
        };
        let (weight, first) = literal(0);
        assert_eq!((weight, first.name.as_str(), &first.answer), (1, "GET /a?b=c", &None));
        assert_eq!(first.wire, b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        let (weight, second) = literal(1);
        assert_eq!((weight, second.name.as_str(), second.answer.as_deref()), (7, "up", Some(&b"ok"[..])));
        let wire = "PUT /p HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nhé";
        assert_eq!(String::from_utf8_lossy(&second.wire), wire);
        assert!(literal(2).1.wire.ends_with(b"Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn a_mistake_names_file_line_and_field() {
        for (line, mistake) in [
            ("{", "column 1: not a JSON object: EOF while parsing an object"),
            ("[]", "column 0: not a JSON object: invalid type: sequence, expected a map"),
            ("{}", "path: a request needs one"),
            (r#"{"path": "x"}"#, "path: \"x\" must begin with / and hold no blanks"),
            (r#"{"path": "/a b"}"#, "path: \"/a b\" must begin with / and hold no blanks"),
            (r#"{"path": 1}"#, "path: it must be a string"),
            (r#"{"path": "/", "weight": 1.5}"#, "weight: it must be a whole number from 1 to 4294967295"),
            (r#"{"path": "/", "method": "G T"}"#, "method: \"G T\" is not a method of HTTP"),
            (r#"{"path": "/", "method": "HEAD"}"#, "method: the generator cannot read the answer to HEAD"),
            (r#"{"path": "/", "headers": {"a b": ""}}"#, "headers.a b: this is not a name of a field"),
            (r#"{"path": "/", "headers": {"a": "x\ny"}}"#, "headers.a: it holds a control character"),
            (r#"{"path": "/", "headers": {"a": 1}}"#, "headers.a: it must be a string"),
            (
                r#"{"path": "/", "headers": {"content-length": "1"}}"#,
                "headers.content-length: the generator frames the body itself; leave this out",
            ),
            (
                r#"{"path": "/", "wieght": 1}"#,
                "wieght: there is no such field; there are method, path, headers, body, weight, name, answer",
            ),
        ] {
            let text = format!("{{\"path\": \"/\"}}\n{line}\n");
            assert_eq!(read(&text).unwrap_err(), format!("m.jsonl:2: {mistake}"), "{line}");
        }
        assert_eq!(read("{}\n{}").unwrap_err().lines().count(), 2);
        assert!(read("\n# nothing\n").unwrap_err().starts_with("m.jsonl: no request in it"));
    }
}
