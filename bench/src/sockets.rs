//! Reads the sockets of this machine from `/proc/net/tcp`: who listens, how many connections there are, and which ports are free.
//!
//! Looking there is no connection of its own.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::{fs, io};

use crate::failure::Failure;

/// A row of `/proc/net/tcp` or `tcp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    inode: u64,
}

const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;

/// Returns the inodes of the sockets that accept connections to an address.
pub(crate) fn listening(on: SocketAddr) -> HashSet<u64> {
    let accepts = |row: &Row| {
        let ip = row.local.ip();
        row.state == LISTEN && row.local.port() == on.port() && (ip == on.ip() || ip.is_unspecified())
    };
    rows().into_iter().filter(accepts).map(|row| row.inode).collect()
}

/// Returns whether anybody listens on a port.
pub(crate) fn is_listening(port: u16) -> bool {
    rows().iter().any(|row| row.state == LISTEN && row.local.port() == port)
}

/// Returns the number of connections to these ports, counted at the end that accepted them.
pub(crate) fn established(ports: &[u16]) -> usize {
    rows().iter().filter(|row| row.state == ESTABLISHED && ports.contains(&row.local.port())).count()
}

/// Returns a free port on 127.0.0.1 for each of these: the port itself if it is free, and any for 0.
pub(crate) fn free_ports<const N: usize>(wanted: [u16; N]) -> Result<[SocketAddr; N], Failure> {
    // All are taken before the first one is given back, so that they differ.
    let mut listeners = Vec::new();
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for (address, port) in addresses.iter_mut().zip(wanted) {
        let bound = TcpListener::bind(("127.0.0.1", port)).and_then(|bound| Ok((bound.local_addr()?, bound)));
        let (free, listener) = bound.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => "is in use".to_owned(),
                _ => format!("cannot be used: {error}"),
            };
            Failure::Machine(format!(
                "port {port} {why} on 127.0.0.1; choose another one with --port (of `overhead`: --proxy-port, --origin-port), or 0 \
                 for any free port"
            ))
        })?;
        *address = free;
        listeners.push(listener);
    }
    Ok(addresses)
}

/// Returns the numbers of connections that a server has, in on its address and out to another server; `None` if
/// this machine does not have them.
pub(crate) fn connections(server: SocketAddr, behind: SocketAddr) -> Option<(usize, usize)> {
    let rows = rows();
    let count =
        |of: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| row.state == ESTABLISHED && of(row)).count();
    let inward = count(&|row| row.local == server);
    (inward > 0).then(|| (inward, count(&|row| row.remote == behind)))
}

/// Returns the processes that have one of these sockets open, in order.
pub(crate) fn owners(inodes: &HashSet<u64>) -> Vec<u32> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut owners: Vec<u32> = pids.filter(|pid| has_open(*pid, inodes)).collect();
    owners.sort_unstable();
    owners
}

fn has_open(pid: u32, inodes: &HashSet<u64>) -> bool {
    // The descriptors of other users' processes cannot be read.
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let inode = |entry: io::Result<fs::DirEntry>| {
        let link = fs::read_link(entry.ok()?.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    };
    open.filter_map(inode).any(|inode| inodes.contains(&inode))
}

fn rows() -> Vec<Row> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1).filter_map(row)).collect()
}

/// Parses `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 ...`.
fn row(line: &str) -> Option<Row> {
    let mut words = line.split_whitespace().skip(1);
    Some(Row {
        local: address(words.next()?)?,
        remote: address(words.next()?)?,
        state: u8::from_str_radix(words.next()?, 16).ok()?,
        inode: words.nth(5)?.parse().ok()?,
    })
}

/// Parses an address whose words of 32 bits are in the byte order of the machine. An IPv4 address in IPv6 becomes
/// what it stands for.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.rsplit_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(word(0)?),
        _ => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(8 * at)?);
            }
            IpAddr::from(bytes).to_canonical()
        }
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_row_is_read_in_either_family() {
        let address = |text: &str| text.parse().unwrap();
        let line =
            "   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  0  0 4711 1 x";
        let (local, remote) = (address("127.0.0.1:8080"), address("127.0.0.2:50000"));
        assert_eq!(row(line), Some(Row { local, remote, state: 1, inode: 4711 }));
        let line = "1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000001000000:0000 0A \
                    00000000:00000000 00:00000000 00000000 0 0 12 1";
        let (local, remote) = (address("127.0.0.1:80"), address("[::1]:0"));
        assert_eq!(row(line), Some(Row { local, remote, state: LISTEN, inode: 12 }));
        assert_eq!(row("sl local_address"), None);
    }

    #[test]
    fn connections_are_counted_at_both_ends() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let behind = TcpListener::bind("127.0.0.1:0").unwrap();
        let (to_server, to_behind) = (server.local_addr().unwrap(), behind.local_addr().unwrap());
        assert_eq!(connections(to_server, to_behind), None);
        let connect = |to| TcpStream::connect(to).unwrap();
        let open = [connect(to_server), connect(to_server), connect(to_behind)];
        let accepted = [server.accept().unwrap(), server.accept().unwrap(), behind.accept().unwrap()];
        // The kernel writes its table page by page: a row may be missed or seen twice while others come and go.
        let once = |holds: &dyn Fn() -> bool| (0..1000).any(|_| holds());
        assert!(once(&|| connections(to_server, to_behind) == Some((2, 1))));
        assert!(once(&|| established(&[to_server.port()]) == 2));
        assert!(once(&|| is_listening(to_server.port())));
        drop((open, accepted));
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = free_ports([0, port]).unwrap_err();
        assert_eq!(failure.status(), 4);
        assert!(failure.to_string().contains(&format!("port {port} ")), "{failure}");
        let [a, b] = free_ports([0, 0]).unwrap();
        assert_ne!(a, b);
    }
}
