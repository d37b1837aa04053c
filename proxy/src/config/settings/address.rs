//! Where something listens, and who is believed.
//! In: addresses and networks as they were read. Out: comparisons, and whether an address is in a network.
//! Knows nothing of how they are written in the file.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

/// Where a listener or a member listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a TCP port.
    Ip(SocketAddr),
    /// The absolute path of a Unix socket, at most [`Address::LONGEST_PATH`] bytes.
    Unix(Arc<Path>),
}

impl Address {
    /// Bytes of the longest path that the kernel takes: `sun_path` has 108, and the last is NUL (unix(7)).
    pub const LONGEST_PATH: usize = 107;

    /// The IP address and port, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

/// As it is written in the file: `127.0.0.1:80`, `unix:/run/app.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// A set of IP addresses, as networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether `address` is in one of them. An IPv4-mapped address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every address is in them, so that who has none (as on a Unix socket) may count as in, too.
    #[must_use]
    pub fn is_any(&self) -> bool {
        let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        all.iter().all(|first| self.0.iter().any(|n| n.prefix_len() == 0 && n.contains(first)))
    }
}

/// Networks of IPv4-mapped addresses (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2) become those of IPv4.
impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }
}

fn canonical(network: IpNet) -> IpNet {
    let (IpNet::V6(v6), IpAddr::V4(v4)) = (network, network.addr().to_canonical()) else { return network };
    let bits = v6.prefix_len().checked_sub(96);
    bits.and_then(|bits| Ipv4Net::new(v4, bits).ok()).map_or(network, IpNet::V4)
}
