//! Looks into the kernel's table of TCP sockets, so that looking is no connection of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};

use crate::failure::Failure;

/// The states of the kernel, in the notation of `/proc/net/tcp`.
const ESTABLISHED: &str = "01";
const LISTENING: &str = "0A";

/// Returns whether anybody listens on a port, over IPv4.
pub(crate) fn is_listening(port: u16) -> bool {
    count(&table(), LISTENING, &[port]) > 0
}

/// Returns the number of connections to these ports, counted at the end that accepted them.
pub(crate) fn established(ports: &[u16]) -> usize {
    count(&table(), ESTABLISHED, ports)
}

fn table() -> String {
    fs::read_to_string("/proc/net/tcp").unwrap_or_default()
}

fn count(table: &str, state: &str, ports: &[u16]) -> usize {
    let local = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let port = words.next()?.rsplit(':').next()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (words.nth(1)? == state).then_some(port)
    };
    table.lines().skip(1).filter_map(local).filter(|port| ports.contains(port)).count()
}

/// Returns so many free ports on 127.0.0.1; the first is the given one, if it is not 0.
pub(crate) fn free_ports<const N: usize>(first: u16) -> Result<[SocketAddr; N], Failure> {
    let mut listeners = Vec::new();
    for wanted in std::iter::once(first).chain(std::iter::repeat(0)).take(N) {
        let bound = TcpListener::bind(("127.0.0.1", wanted));
        listeners.push(bound.map_err(|error| {
            Failure::Machine(format!(
                "port {wanted} of 127.0.0.1 cannot be used: {error}; choose another with --port"
            ))
        })?);
    }
    // All are taken before the first one is given back, so that they differ.
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr().map_err(|error| Failure::Machine(error.to_string()))?;
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
        0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n   \
        1: 0100007F:1F90 0100017F:C350 01 00000000:00000000 00:00000000 00000000     0\n   \
        2: 0100017F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0\n";

    #[test]
    fn connections_are_counted_at_one_end() {
        assert_eq!((count(TABLE, LISTENING, &[8080]), count(TABLE, ESTABLISHED, &[8080])), (1, 1));
        assert_eq!(count(TABLE, ESTABLISHED, &[8081]), 0);
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = free_ports::<2>(port).unwrap_err();
        assert_eq!(failure.status(), 4);
        assert!(failure.to_string().contains(&format!("port {port} ")), "{failure}");
        assert!(is_listening(port));
        let [a, b] = free_ports(0).unwrap();
        assert_ne!(a, b);
    }
}
