//! Parses the source addresses of clients: "127.1.0.0/16", "127.1.0.1-127.1.0.200", "127.0.0.5", or several
//! with commas.

use std::fmt;
use std::net::Ipv4Addr;

/// The reason why a list of sources cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSources(String);

impl fmt::Display for BadSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSources {}

/// Returns the addresses of a CIDR block, a range, one address, or several of these separated by commas.
///
/// The network and the broadcast address of a block shorter than /31 are left out.
pub fn sources(written: &str) -> Result<Vec<Ipv4Addr>, BadSources> {
    let mut all = Vec::new();
    for part in written.split(',') {
        let (first, last) = bounds(part.trim())?;
        all.extend((first..=last).map(Ipv4Addr::from_bits));
    }
    Ok(all)
}

fn bounds(part: &str) -> Result<(u32, u32), BadSources> {
    if let Some((address, length)) = part.split_once('/') {
        return block(address, length);
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (address(first)?, address(last)?);
    if first > last {
        return Err(BadSources(format!("{part}: the range ends before it begins")));
    }
    Ok((first, last))
}

fn block(written: &str, length: &str) -> Result<(u32, u32), BadSources> {
    let base = address(written)?;
    let wrong = || BadSources(format!("/{length}: a prefix length is 8 to 32"));
    let length: u32 = length.parse().map_err(|_| wrong())?;
    if !(8..=32).contains(&length) {
        return Err(wrong());
    }
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    let (first, last) = (base & !host, base | host);
    Ok(if length < 31 { (first + 1, last - 1) } else { (first, last) })
}

fn address(written: &str) -> Result<u32, BadSources> {
    let parsed: Result<Ipv4Addr, _> = written.trim().parse();
    parsed.map(Ipv4Addr::to_bits).map_err(|_| BadSources(format!("{written:?} is not an IPv4 address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(written: &str) -> (usize, String, String) {
        let all = sources(written).unwrap();
        (all.len(), all[0].to_string(), all[all.len() - 1].to_string())
    }

    #[test]
    fn blocks_ranges_and_lists_are_read() {
        assert_eq!(ends("127.1.0.0/16"), (65534, "127.1.0.1".into(), "127.1.255.254".into()));
        assert_eq!(ends("127.1.0.7/32"), (1, "127.1.0.7".into(), "127.1.0.7".into()));
        assert_eq!(ends("127.1.0.6/31"), (2, "127.1.0.6".into(), "127.1.0.7".into()));
        assert_eq!(ends("127.1.0.250-127.1.1.5"), (12, "127.1.0.250".into(), "127.1.1.5".into()));
        assert_eq!(ends("127.0.0.2, 127.0.0.9"), (2, "127.0.0.2".into(), "127.0.0.9".into()));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for bad in ["", "127.0.0.1/33", "127.0.0.1/7", "127.0.0.9-127.0.0.1", "localhost", "127.0.0.1/x"] {
            assert!(sources(bad).is_err(), "{bad}");
        }
        assert!(sources("127.0.0.9-127.0.0.1").unwrap_err().to_string().contains("ends before"));
    }
}
