//! Defines addresses of listeners and members, and sets of networks.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

/// The address that a listener or a member listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a TCP port.
    Ip(SocketAddr),
    /// The absolute path of a Unix socket, at most [`Address::LONGEST_PATH`] bytes.
    Unix(Arc<Path>),
}

impl Address {
    /// The length in bytes of the longest path that the kernel accepts: `sun_path` has 108 bytes, and the
    /// last is NUL (unix(7)).
    pub const LONGEST_PATH: usize = 107;

    /// Returns the IP address and port; `None` for a Unix socket.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

/// Prints the address as the file spells it: `127.0.0.1:80`, `unix:/run/app.sock`.
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

/// A set of IP addresses, given as networks. A look-up is a binary search, because untrusted requests choose
/// how many addresses are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Networks {
    /// Returns whether `address` is in one of the networks. An IPv4-mapped address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.contains(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.contains(v6.to_bits()),
        }
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    /// Returns whether the set contains every address, so that clients without one (as on a Unix socket) may
    /// count as members, too.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.v4.0 == [(0, u32::MAX)] && self.v6.0 == [(0, u128::MAX)]
    }
}

/// The first and last address of each range, sorted and without overlaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<N>(Vec<(N, N)>);

impl<N: Ord> Ranges<N> {
    /// Makes a set of ranges of which any two are disjoint or nested, as networks are.
    fn new(mut ranges: Vec<(N, N)>) -> Self {
        // The wider of two ranges with one start comes first, so that nested ranges are dropped.
        ranges.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
        ranges.dedup_by(|inner, outer| inner.1 <= outer.1);
        Self(ranges)
    }

    fn contains(&self, address: N) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).is_some_and(|at| address <= self.0[at].1)
    }
}

/// Networks of IPv4-mapped addresses (`::ffff:0:0/96`, RFC 4291 section 2.5.5.2) become IPv4 networks.
impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks.into_iter().map(canonical) {
            match network {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: Ranges::new(v4), v6: Ranges::new(v6) }
    }
}

fn canonical(network: IpNet) -> IpNet {
    let (IpNet::V6(v6), IpAddr::V4(v4)) = (network, network.addr().to_canonical()) else { return network };
    let bits = v6.prefix_len().checked_sub(96);
    bits.and_then(|bits| Ipv4Net::new(v4, bits).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;
    use std::rc::Rc;

    use super::*;

    /// A number that counts comparisons.
    #[derive(Clone, Debug)]
    struct Counted(u32, Rc<Cell<u32>>);

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }
    impl Eq for Counted {}
    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn a_look_up_takes_as_many_steps_as_the_number_of_networks_has_digits() {
        let steps = Rc::new(Cell::new(0));
        let at = |n: u32| Counted(n, steps.clone());
        let ranges = Ranges::new((0..10_000).rev().map(|n| (at(n * 4), at(n * 4 + 1))).collect());
        for n in 0..40_000 {
            steps.set(0);
            assert_eq!(ranges.contains(at(n)), n % 4 < 2, "{n}");
            assert!(steps.get() <= 16, "{} steps", steps.get());
        }
    }

    #[test]
    fn networks_within_networks_are_found_as_one_by_one() {
        let all = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.0.2.0/31", "::1/128", "2001:db8::/32"];
        let nets: Vec<IpNet> = all.iter().map(|net| net.parse().unwrap()).collect();
        let networks: Networks = nets.iter().copied().collect();
        for address in [
            "9.255.255.255",
            "10.0.0.0",
            "10.1.2.3",
            "10.255.255.255",
            "11.0.0.0",
            "192.0.2.1",
            "192.0.2.2",
            "::",
            "::1",
            "::2",
            "2001:db8:ffff::",
            "2001:db9::",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(
                networks.contains(address),
                nets.iter().any(|net| net.contains(&address)),
                "{address}"
            );
        }
        assert!(networks.contains("::ffff:10.9.9.9".parse().unwrap()));
        let v6: Networks = ["::/0".parse::<IpNet>().unwrap()].into_iter().collect();
        assert!(!v6.contains("10.0.0.1".parse().unwrap()), "an IPv4 address is in no network of IPv6");
        let any: Networks =
            ["::/0", "0.0.0.0/0", "10.0.0.0/8"].iter().map(|n| n.parse::<IpNet>().unwrap()).collect();
        assert!(any.is_any() && !v6.is_any() && !networks.is_any());
    }
}
