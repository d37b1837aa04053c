//! Defines the options for requests, protocols and accepted answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use penstock_bench::{Command, Literal, Prefix, Protocol, Work, mix};

#[derive(Args, Debug)]
pub(super) struct Asking {
    /// The requests to send, and so the check of the answers [default: get; the other protocols have their own]
    #[arg(short, long, value_enum, conflicts_with = "mix")]
    work: Option<Kind>,
    /// A part of a mix and its weight: /PATH=99; lines, length-prefixed: add, echo or "delay 200";
    /// resp: set, get, incr. May be repeated; the report shows latencies of each part [default for resp: 1 each]
    #[arg(long, value_name = "WHAT=WEIGHT")]
    mix: Vec<String>,
    /// A file of requests to draw from: a JSON object on each line with path and, if wanted, method, headers,
    /// body, weight, name and answer (its right content). Blank lines and lines that begin with # are skipped
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mix", "work", "sizes"])]
    mix_file: Option<PathBuf>,
    /// lines, length-prefixed: send this text, and take any answer to it for right
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["mix", "work", "mix_file", "sizes"])]
    send: Option<String>,
    /// The only right answer to --send
    #[arg(long, value_name = "TEXT", requires = "send")]
    expect: Option<String>,
    /// Lengths in bytes for bytes, chunked, post, mixed, echo and set; one is drawn for each exchange
    /// [default: 0,1,100,10000; echo 100; the others 0,1,10,100]
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// The protocol of the address
    #[arg(long, value_enum, default_value_t = Language::Http)]
    protocol: Language,
    /// lines: lines end in CR LF
    #[arg(long)]
    crlf: bool,
    /// length-prefixed: width of the count in bytes
    #[arg(long, value_name = "N", default_value = "4", value_parser = ["1", "2", "4", "8"])]
    length_bytes: String,
    /// length-prefixed: byte order of the count
    #[arg(long, value_enum, default_value_t = Order::Big)]
    byte_order: Order,
    /// length-prefixed: the count includes itself and the bytes before it
    #[arg(long)]
    length_includes_header: bool,
    /// length-prefixed: bytes before the count; they are drawn for each exchange, and the answer must repeat them
    #[arg(long, value_name = "N", default_value_t = 0)]
    length_offset: u16,
    /// A whole frame that is a refusal and no wrong answer: text with \r, \n and \\, or hex:00...
    #[arg(long, value_name = "BYTES")]
    refusal: Option<String>,
    /// resp: stored values may vanish and counters start again, as after a restart of the server without its data
    #[arg(long)]
    pub(super) may_forget: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// GET the URL's path; any body is right
    Get,
    /// GET /echo?id=CLIENT-SEQ; the answer must name that id
    Ids,
    /// GET /bytes/N; byte i must be i % 251
    Bytes,
    /// GET /chunked/N; the same, chunked
    Chunked,
    /// POST unique content to /echo; it must come back byte for byte
    Post,
    /// ids, bytes, chunked and post in equal parts
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// HTTP/1.1
    Http,
    /// Lines: `tag CLIENT-SEQ add A B`, answered by `CLIENT-SEQ SUM`
    Lines,
    /// The same texts, each behind a count of its bytes
    LengthPrefixed,
    /// Redis: SET, GET and INCR on the client's own keys, which must hold the client's values
    Resp,
    /// Any server that sends back the bytes that it gets
    Echo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Big,
    Little,
}

impl Asking {
    pub(super) fn protocol(&self) -> Protocol {
        match self.protocol {
            Language::Http => Protocol::Http,
            Language::Lines => Protocol::Lines { crlf: self.crlf },
            Language::LengthPrefixed => Protocol::LengthPrefixed(Prefix {
                // Clap accepts only 1, 2, 4 and 8.
                length_bytes: self.length_bytes.parse().unwrap_or(4),
                little_endian: self.byte_order == Order::Little,
                includes_header: self.length_includes_header,
                offset: self.length_offset,
            }),
            Language::Resp => Protocol::Resp,
            Language::Echo => Protocol::Echo,
        }
    }

    /// Returns the work. `path` is the URL's, and `to` the address behind it.
    pub(super) fn work(&self, path: &str, to: SocketAddr) -> Result<Work, String> {
        if let Some(file) = &self.mix_file {
            if self.protocol != Language::Http {
                return Err("--mix-file is for HTTP; the other protocols have --mix".to_owned());
            }
            let name = file.display().to_string();
            let text =
                std::fs::read_to_string(file).map_err(|error| format!("--mix-file {name}: {error}"))?;
            return mix(&name, &text, to).map(Work::Mixed);
        }
        if let Some(text) = &self.send {
            return self.literal(text);
        }
        if !self.mix.is_empty() {
            return self.mix.iter().map(|part| self.part(part)).collect::<Result<_, _>>().map(Work::Mixed);
        }
        match (self.protocol, self.work) {
            (Language::Http, work) => Ok(self.http(work.unwrap_or(Kind::Get), path)),
            (Language::Echo, None) => Ok(Work::Bounce { sizes: self.sizes() }),
            (_, Some(_)) => Err("--work is for HTTP; the other protocols have --mix".to_owned()),
            (Language::Resp, None) => {
                Ok(Work::Mixed([Command::Set, Command::Get, Command::Incr].map(|c| (1, self.keys(c))).into()))
            }
            (_, None) => Ok(Work::Add(String::new())),
        }
    }

    /// Returns the work of sending this text.
    fn literal(&self, text: &str) -> Result<Work, String> {
        let protocol = self.protocol();
        let zeros = match protocol {
            Protocol::Lines { .. } => 0,
            Protocol::LengthPrefixed(prefix) => usize::from(prefix.offset),
            _ => return Err("--send is for lines and length-prefixed".to_owned()),
        };
        if matches!(protocol, Protocol::Lines { .. }) && text.contains('\n') {
            return Err("--send: a line holds no line feed".to_owned());
        }
        let wire =
            protocol.frame(text).ok_or("--send: the count of --length-bytes cannot express its length")?;
        // The bytes before the count come back behind the content.
        let answer = self.expect.as_ref().map(|answer| [answer.as_bytes(), &vec![0; zeros]].concat());
        Ok(Work::Literal(Arc::new(Literal { name: text.to_owned(), wire, answer })))
    }

    fn http(&self, kind: Kind, path: &str) -> Work {
        let pattern = |chunked| Work::Pattern { sizes: self.sizes(), chunked };
        let post = || Work::Post { sizes: self.sizes() };
        match kind {
            Kind::Get => Work::Get(path.to_owned()),
            Kind::Ids => Work::Ids,
            Kind::Bytes => pattern(false),
            Kind::Chunked => pattern(true),
            Kind::Post => post(),
            Kind::Mixed => {
                Work::Mixed(vec![(1, Work::Ids), (1, pattern(false)), (1, pattern(true)), (1, post())])
            }
        }
    }

    fn part(&self, written: &str) -> Result<(u32, Work), String> {
        let wrong = || format!("--mix {written}: write WHAT=WEIGHT, such as /hello=99");
        let (what, weight) = written.rsplit_once('=').ok_or_else(wrong)?;
        let weight = weight.parse().ok().filter(|weight| *weight > 0).ok_or_else(wrong)?;
        Ok((weight, self.named(what)?))
    }

    fn named(&self, what: &str) -> Result<Work, String> {
        let odd = |byte: u8| byte.is_ascii_control() || (byte == b' ' && self.protocol == Language::Http);
        if what.bytes().any(odd) {
            return Err(format!("--mix {what:?} holds a blank or a control character"));
        }
        Ok(match (self.protocol, what) {
            (Language::Http, path) if path.starts_with('/') => Work::Get(path.to_owned()),
            (Language::Http, _) => return Err(format!("--mix {what}: a path begins with /")),
            (Language::Resp, "set") => self.keys(Command::Set),
            (Language::Resp, "get") => self.keys(Command::Get),
            (Language::Resp, "incr") => self.keys(Command::Incr),
            (Language::Resp, _) => return Err(format!("--mix {what}: set, get and incr are understood")),
            (Language::Echo, _) => return Err(format!("--mix {what}: an echo has only --sizes")),
            (_, "add") => Work::Add(String::new()),
            (_, "echo") => Work::Say { sizes: self.sizes() },
            (_, before) => Work::Add(before.to_owned()),
        })
    }

    fn keys(&self, command: Command) -> Work {
        Work::Keys { command, sizes: self.sizes() }
    }

    fn sizes(&self) -> Vec<usize> {
        match (self.sizes.is_empty(), self.protocol) {
            (false, _) => self.sizes.clone(),
            (true, Language::Http) => vec![0, 1, 100, 10_000],
            (true, Language::Echo) => vec![100],
            (true, _) => vec![0, 1, 10, 100],
        }
    }

    pub(super) fn refusal(&self) -> Result<Option<Vec<u8>>, String> {
        self.refusal.as_deref().map(bytes).transpose().map_err(|why| format!("--refusal: {why}"))
    }
}

/// Parses `hex:0d0a`, or text with escapes.
fn bytes(written: &str) -> Result<Vec<u8>, String> {
    if let Some(digits) = written.strip_prefix("hex:") {
        let pair = |pair: &[u8]| {
            let digits = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
            let text = std::str::from_utf8(pair).ok().filter(|_| digits)?;
            u8::from_str_radix(text, 16).ok()
        };
        let decoded: Option<_> = digits.as_bytes().chunks(2).map(pair).collect();
        return decoded.ok_or_else(|| format!("{digits} are not pairs of hexadecimal digits"));
    }
    let (mut out, mut rest) = (Vec::new(), written.bytes());
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b'\\') => b'\\',
                _ => return Err(format!("{written}: \\r, \\n and \\\\ are understood")),
            },
            byte => byte,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_text_or_as_digits() {
        assert_eq!(bytes(r"ERR busy\r\n"), Ok(b"ERR busy\r\n".to_vec()));
        assert_eq!(bytes(r"a\\b"), Ok(br"a\b".to_vec()));
        assert_eq!(bytes("hex:0001ff"), Ok(vec![0, 1, 255]));
        assert!(bytes(r"\x").is_err() && bytes("hex:0").is_err() && bytes("hex:+1").is_err());
    }
}
