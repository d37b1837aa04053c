//! PROXY headers as bytes, made and read without the proxy's code (`doc/proxy-protocol.txt` of HAProxy).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::wire::Wire;

pub(crate) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
pub(crate) const PROXY: u8 = 0x21;
pub(crate) const LOCAL: u8 = 0x20;
pub(crate) const AUTHORITY: u8 = 0x02;
pub(crate) const UNIQUE_ID: u8 = 0x05;

/// What a header of version 2 says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) command: u8,
    pub(crate) source: Option<SocketAddr>,
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) tlvs: Vec<(u8, Vec<u8>)>,
    /// Its own length.
    pub(crate) len: usize,
}

impl Said {
    pub(crate) fn tlv(&self, kind: u8) -> Option<&[u8]> {
        self.tlvs.iter().find(|(k, _)| *k == kind).map(|(_, value)| &**value)
    }
}

/// The line of version 1, without its end.
pub(crate) fn v1(source: &str, destination: &str) -> String {
    let parts = |address: &str| address.parse::<SocketAddr>().unwrap();
    let (source, destination) = (parts(source), parts(destination));
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
}

/// A header of version 2 over IPv4.
pub(crate) fn v2(command: u8, source: &str, destination: &str, tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let parts = |address: &str| address.parse::<SocketAddrV4>().unwrap();
    let (source, destination) = (parts(source), parts(destination));
    let mut rest = [source.ip().octets(), destination.ip().octets()].concat();
    rest.extend([source.port().to_be_bytes(), destination.port().to_be_bytes()].concat());
    for (kind, value) in tlvs {
        rest.push(*kind);
        rest.extend((value.len() as u16).to_be_bytes());
        rest.extend(*value);
    }
    let mut header = SIGNATURE.to_vec();
    header.extend([command, 0x11]);
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend(rest);
    header
}

/// Takes a line of version 1 off a connection, without its end.
#[track_caller]
pub(crate) fn take_v1(wire: &mut Wire) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(wire.take(1));
        assert!(line.len() <= 107, "{:?} is no header", String::from_utf8_lossy(&line));
    }
    String::from_utf8(line).unwrap()
}

/// Takes a header of version 2 off a connection.
#[track_caller]
pub(crate) fn take_v2(wire: &mut Wire) -> Said {
    assert_eq!(wire.take(12), SIGNATURE);
    let fixed = wire.take(4);
    let length = u16::from_be_bytes([fixed[2], fixed[3]]) as usize;
    let rest = wire.take(length);
    let (addresses, tlvs) = rest.split_at(if fixed[1] == 0x11 { 12 } else { 0 });
    let address = |at: usize, port: usize| {
        let ip = Ipv4Addr::from(<[u8; 4]>::try_from(addresses.get(at..at + 4)?).unwrap());
        let port = u16::from_be_bytes([addresses[port], addresses[port + 1]]);
        Some(SocketAddr::from((ip, port)))
    };
    Said {
        command: fixed[0],
        source: address(0, 8),
        destination: address(4, 10),
        tlvs: tlvs_of(tlvs),
        len: 16 + length,
    }
}

fn tlvs_of(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut tlvs = Vec::new();
    while let [kind, high, low, rest @ ..] = bytes {
        let (value, others) = rest.split_at(u16::from_be_bytes([*high, *low]) as usize);
        tlvs.push((*kind, value.to_vec()));
        bytes = others;
    }
    assert!(bytes.is_empty(), "half a TLV: {bytes:?}");
    tlvs
}
