//! Reads the kernel's counts of full accept queues in the whole network namespace from `/proc/net/netstat`.

/// The file with the counts.
pub(super) const PATH: &str = "/proc/net/netstat";

/// Returns the path of the file in which the kernel counts the nanoseconds that a thread of this process was
/// on a CPU.
pub(super) fn schedstat(thread: i32) -> String {
    format!("/proc/self/task/{thread}/schedstat")
}

/// Returns `ListenOverflows` and `ListenDrops`, or `None` if the kernel does not report them.
pub(super) fn listen_counts(netstat: &str) -> Option<(u64, u64)> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value_of = |wanted: &str| {
        let at = names.split_whitespace().position(|name| name == wanted)?;
        values.split_whitespace().nth(at)?.parse().ok()
    };
    Some((value_of("ListenOverflows")?, value_of("ListenDrops")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_stand_on_two_lines() {
        let text = "IpExt: InOctets\nIpExt: 9\nTcpExt: TW ListenOverflows ListenDrops X\nTcpExt: 12 3 4 5\n";
        assert_eq!(listen_counts(text), Some((3, 4)));
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_none() {
        assert_eq!(listen_counts(""), None);
        assert_eq!(listen_counts("TcpExt: TW\nTcpExt: 12\n"), None);
    }
}
