//! Parses the values of the command line: addresses, times, sizes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Returns the address and the path of a URL, or of a plain address.
pub(super) fn address(written: &str, http: bool) -> Result<(SocketAddr, &str), String> {
    if http {
        return parse_url(written);
    }
    let host = written.strip_prefix("tcp://").unwrap_or(written);
    if written.starts_with("http://") {
        return Err(format!("{written}: only --protocol http has URLs, write HOST:PORT"));
    }
    Ok((resolve(host)?, ""))
}

fn parse_url(url: &str) -> Result<(SocketAddr, &str), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: a URL begins with http://"))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    if path.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return Err(format!("{url}: the path holds a blank or a control character"));
    }
    let with_port = |host: &str| {
        if host.ends_with(']') || !host.contains(':') { format!("{host}:80") } else { host.to_owned() }
    };
    Ok((resolve(&with_port(host))?, path))
}

fn resolve(host: &str) -> Result<SocketAddr, String> {
    let mut addresses = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    addresses.next().ok_or_else(|| format!("{host} has no address"))
}

/// Parses `10s`, `250ms`, `2m` or `1h`; a plain number is seconds.
pub(super) fn duration(written: &str) -> Result<Duration, String> {
    let digits = written.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let scale = match unit.trim() {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("{other:?} is no unit of time: ms, s, m, h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{written:?} is not a time like 10s or 250ms"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}

/// Parses `100`, `64KiB` or `10MB` as a number of bytes, at least 1.
pub(super) fn size(written: &str) -> Result<u64, String> {
    let digits = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let scale = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("{other:?} is no unit of bytes: B, KiB, MiB, GiB, kB, MB, GB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{written:?} is not a size like 100 or 64KiB"))?;
    let size = number.checked_mul(scale).filter(|size| *size > 0);
    size.ok_or_else(|| format!("{written:?} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_times_and_sizes_are_read_or_refused() {
        assert_eq!(parse_url("http://127.0.0.1").unwrap(), ("127.0.0.1:80".parse().unwrap(), "/"));
        assert_eq!(parse_url("http://[::1]:81/x?y").unwrap(), ("[::1]:81".parse().unwrap(), "/x?y"));
        assert!(parse_url("https://127.0.0.1/").is_err());
        assert!(parse_url("http://127.0.0.1/a b").is_err());
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("10 parsecs").is_err() && duration("s").is_err() && duration("").is_err());
        assert_eq!((size("100"), size("64KiB"), size("2 MB")), (Ok(100), Ok(65_536), Ok(2_000_000)));
        for bad in ["", "KiB", "1.5MB", "0", "5 apples", "99999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
