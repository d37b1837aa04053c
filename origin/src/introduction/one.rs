//! Parses version 1 of the PROXY header: one line of ASCII (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Introduction, Said, WORD, Wrong};

/// The length in bytes of the longest line, including CRLF.
const LONGEST: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Introduction, Wrong> {
    let seen = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = seen.windows(2).position(|two| two == b"\r\n") else {
        let too_long = seen.len() == LONGEST;
        return if too_long { Err("version 1: no CRLF in 107 bytes") } else { Ok(Introduction::NeedMore) };
    };
    let line = str::from_utf8(&seen[WORD.len()..end]).map_err(|_| "version 1: not ASCII")?;
    let said = Said { version: 1, addresses: addresses(line)?, ..Said::default() };
    Ok(Introduction::Done(end + 2, said))
}

/// Reads the addresses. Everything after UNKNOWN is ignored.
fn addresses(line: &str) -> Result<Option<(SocketAddr, SocketAddr)>, Wrong> {
    let words: Vec<_> = line.split(' ').collect();
    match words.as_slice() {
        ["UNKNOWN", ..] => Ok(None),
        ["TCP4", rest @ ..] => both::<Ipv4Addr>(rest).map(Some),
        ["TCP6", rest @ ..] => both::<Ipv6Addr>(rest).map(Some),
        _ => Err("version 1: neither TCP4, TCP6 nor UNKNOWN"),
    }
}

/// Reads source address, destination address, source port and destination port, separated by single spaces.
fn both<A: FromStr + Into<IpAddr>>(words: &[&str]) -> Result<(SocketAddr, SocketAddr), Wrong> {
    let [source, destination, source_port, destination_port] = words else {
        return Err("version 1: not four words behind the family");
    };
    let ip = |text: &str| text.parse::<A>().map(Into::into).map_err(|_| "version 1: malformed address");
    Ok((
        SocketAddr::new(ip(source)?, port(source_port)?),
        SocketAddr::new(ip(destination)?, port(destination_port)?),
    ))
}

/// Reads a port in decimal digits without leading zeros, 0 to 65535.
fn port(text: &str) -> Result<u16, Wrong> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits).ok_or("version 1: malformed port")
}
