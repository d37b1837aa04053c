//! Reads the sockets of this machine from `/proc/net/tcp`: who listens, and how many connections there are.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;

/// A row of `/proc/net/tcp` or `tcp6`. The addresses are left out: the ports tell the servers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    local: u16,
    remote: u16,
    state: u8,
    inode: u64,
}

const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;

/// Returns the inodes of the sockets that listen on a port.
pub(crate) fn listening(port: u16) -> HashSet<u64> {
    rows().into_iter().filter(|row| row.state == LISTEN && row.local == port).map(|row| row.inode).collect()
}

/// Returns the numbers of connections that a server has, in on its port and out to another server; `None` if
/// this machine does not have them.
pub(crate) fn connections(server: SocketAddr, behind: SocketAddr) -> Option<(usize, usize)> {
    let rows = rows();
    let count =
        |of: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| row.state == ESTABLISHED && of(row)).count();
    let inward = count(&|row| row.local == server.port());
    (inward > 0).then(|| (inward, count(&|row| row.remote == behind.port())))
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
    let inode = |entry: std::io::Result<fs::DirEntry>| {
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
    let port = |word: &str| u16::from_str_radix(word.rsplit_once(':')?.1, 16).ok();
    Some(Row {
        local: port(words.next()?)?,
        remote: port(words.next()?)?,
        state: u8::from_str_radix(words.next()?, 16).ok()?,
        inode: words.nth(5)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_row_is_read_in_either_family() {
        let line =
            "   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  0  0 4711 1 x";
        assert_eq!(row(line), Some(Row { local: 8080, remote: 50_000, state: 1, inode: 4711 }));
        let line = "1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A \
                    00000000:00000000 00:00000000 00000000 0 0 12 1";
        assert_eq!(row(line), Some(Row { local: 80, remote: 0, state: LISTEN, inode: 12 }));
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
        assert_eq!(connections(to_server, to_behind), Some((2, 1)));
        drop((open, accepted));
    }
}
