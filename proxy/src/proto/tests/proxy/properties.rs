//! Properties over random headers and noise: the same verdict at any cut, and no panic. The seed is fixed and printed on failure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::proto::proxy::{Addresses, LONGEST, NOOP, ParsedHeader, parse, write_v1, write_v2};
use proptest::array::uniform8;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed};

use crate::proto::tests::proxy::given::{SIGNATURE, v2};

const SEED: u64 = 0x5041;

fn config(cases: u32) -> Config {
    println!("seed {SEED:#x}");
    Config { cases, rng_seed: RngSeed::Fixed(SEED), failure_persistence: None, ..Config::default() }
}

fn address() -> impl Strategy<Value = SocketAddr> {
    // Many zeros, so that `::` stands everywhere.
    let segments = uniform8(prop_oneof![2 => Just(0), 1 => any::<u16>(), 1 => Just(0xffff)]);
    let v6 = segments.prop_map(|segments| IpAddr::V6(Ipv6Addr::from(segments)));
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    (prop_oneof![v4, v6], any::<u16>()).prop_map(SocketAddr::from)
}

fn addresses() -> impl Strategy<Value = Option<Addresses>> {
    let both = (address(), address()).prop_map(|(source, destination)| Addresses { source, destination });
    proptest::option::weighted(0.9, both)
}

fn tlvs() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    vec((prop_oneof![select(&[2, 3, 4, 5, 0x20, 0xe0][..]), any::<u8>()], vec(any::<u8>(), 0..40)), 0..6)
}

/// A valid header of either version.
fn header() -> impl Strategy<Value = Vec<u8>> {
    (addresses(), tlvs(), any::<bool>()).prop_map(|(addresses, tlvs, text)| {
        let mut out = Vec::new();
        match text {
            true => write_v1(addresses, &mut out),
            false => write_v2(addresses, &borrowed(&tlvs), &mut out),
        }
        out
    })
}

fn borrowed(tlvs: &[(u8, Vec<u8>)]) -> Vec<(u8, &[u8])> {
    tlvs.iter().map(|(kind, value)| (*kind, value.as_slice())).collect()
}

/// What an address becomes on its way: IPv4 where it is, and no zone.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The beginning of either version, and whatever; or nothing but noise.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let fixed = (select(&[0x20, 0x21][..]), select(&[0, 0x11, 0x12, 0x21, 0x31, 0x10][..]));
    let binary =
        (fixed, vec(any::<u8>(), 0..300)).prop_map(|((command, family), block)| v2(command, family, &block));
    let any_length = vec(any::<u8>(), 0..400).prop_map(|rest| [SIGNATURE, &rest].concat());
    let pieces =
        vec(select(&["1", "0", "255", "ffff", ".", ":", "::", " ", "\r", "\n", "x", "65535"][..]), 0..60);
    let start = select(&["PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN", "PROXY "][..]);
    let text = (start, pieces).prop_map(|(start, pieces)| (start.to_owned() + &pieces.concat()).into_bytes());
    prop_oneof![binary, any_length, text, vec(any::<u8>(), 0..200)]
}

/// Every cut is partial until the verdict, and after it the verdict stays.
fn same_at_any_cut(bytes: &[u8]) -> Result<(), TestCaseError> {
    let whole = parse(bytes);
    let mut decided = false;
    for cut in 0..=bytes.len() {
        let verdict = parse(&bytes[..cut]);
        decided |= verdict != Ok(ParsedHeader::Partial);
        if decided {
            prop_assert_eq!(verdict, whole, "{} cut at {}", bytes.escape_ascii(), cut);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn a_valid_header_is_partial_until_its_end_and_then_has_its_length(bytes in header(), rest in vec(any::<u8>(), 0..9)) {
        for cut in 0..bytes.len() {
            prop_assert_eq!(parse(&bytes[..cut]), Ok(ParsedHeader::Partial), "{} cut at {}", bytes.escape_ascii(), cut);
        }
        let more = [&bytes[..], &rest].concat();
        let Ok(ParsedHeader::Header { len, .. }) = parse(&more) else { panic!("{}", more.escape_ascii()) };
        prop_assert_eq!(len, bytes.len());
    }

    #[test]
    fn what_was_written_is_read(addresses in addresses(), tlvs in tlvs(), text: bool) {
        let mut out = Vec::new();
        match text {
            true => write_v1(addresses, &mut out),
            false => write_v2(addresses, &borrowed(&tlvs), &mut out),
        }
        let Ok(ParsedHeader::Header { len, header }) = parse(&out) else { panic!("{}", out.escape_ascii()) };
        prop_assert_eq!(len, out.len());
        let expected = addresses.map(|a| Addresses { source: plain(a.source), destination: plain(a.destination) });
        prop_assert_eq!(header.addresses, expected);
        let is_told = |tlv: &(u8, &[u8])| !text && tlv.0 != 3 && tlv.0 != NOOP;
        let read: Vec<_> = header.tlvs.filter(is_told).collect();
        let given: Vec<_> = borrowed(&tlvs).into_iter().filter(is_told).collect();
        prop_assert_eq!(read, given);
    }

    #[test]
    fn an_address_in_any_text_form_is_partial_until_its_end(address in address(), upper: bool, padded: bool) {
        let IpAddr::V6(v6) = address.ip() else { return Ok(()) };
        let groups = v6.segments().map(|group| if padded { format!("{group:04x}") } else { format!("{group:x}") });
        let text = groups.join(":");
        let text = if upper { text.to_uppercase() } else { text };
        let line = format!("PROXY TCP6 {text} {v6} {} 0\r\n", address.port());
        for cut in 0..line.len() {
            prop_assert_eq!(parse(&line.as_bytes()[..cut]), Ok(ParsedHeader::Partial), "{:?} cut at {}", line, cut);
        }
        let read = parse(line.as_bytes());
        let Ok(ParsedHeader::Header { header, .. }) = read else { panic!("{line:?}: {read:?}") };
        prop_assert_eq!(header.addresses.map(|addresses| addresses.source), Some(plain(address)));
    }

    #[test]
    fn a_damaged_header_gets_the_same_verdict_at_any_cut(bytes in header(), at: Index, byte: u8) {
        let mut damaged = bytes;
        let at = at.index(damaged.len());
        damaged[at] = byte;
        same_at_any_cut(&damaged)?;
    }

    #[test]
    fn noise_gets_the_same_verdict_at_any_cut(bytes in noise()) {
        same_at_any_cut(&bytes)?;
    }

    /// Nobody can keep us waiting with more bytes than the longest header has.
    #[test]
    fn nothing_is_partial_forever(bytes in noise(), filler: u8) {
        let mut bytes = bytes;
        bytes.resize(LONGEST, filler);
        prop_assert_ne!(parse(&bytes), Ok(ParsedHeader::Partial), "{}", bytes.escape_ascii());
    }
}
