//! Defines the two ends of a client's connection in a PROXY header, in canonical form and in one address
//! family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The ends of the connection that a client made to the first proxy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Addresses {
    /// The client's address.
    pub source: SocketAddr,
    /// The address that the client connected to.
    pub destination: SocketAddr,
}

/// Both addresses in one family, as a header requires.
pub(super) enum InOneFamily {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// Makes addresses from (address, port) pairs. IPv4 addresses mapped into IPv6 become IPv4, so that a
    /// source is the same by either way.
    pub(super) fn plain(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Self {
        let plain = |(address, port): (IpAddr, u16)| SocketAddr::new(address.to_canonical(), port);
        Self { source: plain(source), destination: plain(destination) }
    }

    /// Returns both as IPv4 if they are, and otherwise as IPv6, with IPv4 mapped into it (RFC 4291 section
    /// 2.5.5.2).
    pub(super) fn in_one_family(&self) -> InOneFamily {
        match (self.source.ip().to_canonical(), self.destination.ip().to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => InOneFamily::V4(source, destination),
            (source, destination) => InOneFamily::V6(mapped(source), mapped(destination)),
        }
    }

    /// Returns the ports of source and destination.
    pub(super) const fn ports(&self) -> [u16; 2] {
        [self.source.port(), self.destination.port()]
    }
}

const fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
