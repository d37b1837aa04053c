//! Parses the values of the command line: addresses, protocols, sizes, times.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use penstock_origin::{OverLimit, Prefix, Speaks};

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let mut found = text.to_socket_addrs().map_err(|error| format!("{text:?}: {error}"))?;
    found.next().ok_or_else(|| format!("{text:?} has no address"))
}

const SPOKEN: &str =
    "use http, lines, length-prefixed, echo, discard, generate:SIZE, total, slow:SIZE or banner";

pub(super) fn parse_speaks(text: &str) -> Result<Speaks, String> {
    match text.split_once(':') {
        None => match text {
            "http" => Ok(Speaks::Http),
            "lines" => Ok(Speaks::Lines { crlf: false }),
            "length-prefixed" => Ok(Speaks::LengthPrefixed(Prefix::default())),
            "echo" => Ok(Speaks::Echo),
            "discard" => Ok(Speaks::Discard),
            "total" => Ok(Speaks::Total),
            "banner" => Ok(Speaks::Banner),
            "generate" | "slow" => Err(format!("{text} needs a size, as in {text}:64KiB")),
            _ => Err(SPOKEN.to_owned()),
        },
        Some(("lines", "lf")) => Ok(Speaks::Lines { crlf: false }),
        Some(("lines", "crlf")) => Ok(Speaks::Lines { crlf: true }),
        Some(("lines", end)) => Err(format!("lines end with lf or crlf, not with {end:?}")),
        Some(("length-prefixed", how)) => parse_prefix(how).map(Speaks::LengthPrefixed),
        Some(("generate", size)) => Ok(Speaks::Generate { bytes: parse_size(size)? }),
        Some(("slow", size)) => match parse_size(size)? {
            0 => Err("a slow reader reads at least 1 byte a second".to_owned()),
            bytes_per_second => Ok(Speaks::SlowReader { bytes_per_second }),
        },
        Some((what, _)) => Err(format!("{what:?} takes no size; only generate and slow do")),
    }
}

/// Parses `4be`, `2le,header` or `4,offset=2`. The origin itself refuses an impossible count.
fn parse_prefix(text: &str) -> Result<Prefix, String> {
    let mut prefix = Prefix::default();
    let mut parts = text.split(',');
    let count = parts.next().unwrap_or_default();
    (prefix.width, prefix.little) = parse_count(count)
        .ok_or_else(|| format!("{count:?}: expected 1, 2, 4 or 8 bytes and be or le, such as 4be"))?;
    for part in parts {
        match part.split_once('=') {
            None if part == "header" => prefix.counts_header = true,
            Some(("offset", bytes)) => {
                let wrong = |_| format!("offset={bytes}: expected a number of bytes, up to 65535");
                prefix.offset = bytes.parse().map_err(wrong)?;
            }
            _ => return Err(format!("{part:?}: expected header or offset=BYTES")),
        }
    }
    Ok(prefix)
}

fn parse_count(text: &str) -> Option<(u8, bool)> {
    let width = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let little = match &text[width.len()..] {
        "" | "be" => false,
        "le" => true,
        _ => return None,
    };
    width.parse().ok().filter(|width| matches!(width, 1 | 2 | 4 | 8)).map(|width| (width, little))
}

pub(super) fn parse_over_limit(text: &str) -> Result<OverLimit, String> {
    match text {
        "reset" => Ok(OverLimit::Reset),
        "wait" => Ok(OverLimit::Wait),
        _ => Err("use reset or wait".to_owned()),
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 =
        number.parse().map_err(|_| format!("{text:?}: expected a number and a unit, such as 64KiB"))?;
    let unit = match unit.trim() {
        "" | "B" => 1,
        "k" | "kB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}: use B, KiB, MiB, GiB, kB, MB or GB")),
    };
    number.checked_mul(unit).ok_or_else(|| format!("{text:?} is out of range"))
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 =
        number.parse().map_err(|_| format!("{text:?}: expected a number and a unit, such as 60s"))?;
    let micros = match unit.trim() {
        "us" => Some(number),
        "ms" => number.checked_mul(1000),
        "s" | "" => number.checked_mul(1_000_000),
        "m" => number.checked_mul(60_000_000),
        "h" => number.checked_mul(3_600_000_000),
        other => return Err(format!("unknown unit {other:?}: use us, ms, s, m or h")),
    };
    match micros {
        Some(micros) if micros > 0 => Ok(Duration::from_micros(micros)),
        _ => Err(format!("{text:?} is out of range")),
    }
}
