//! Reads the CPU and the memory of the processes that take part, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};

use crate::sockets;

/// A program that takes part: all its processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Party {
    pids: Vec<u32>,
}

/// The kernel's unit of `/proc/stat`, per second, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

impl Party {
    /// Returns the party of these processes, if they exist.
    pub(crate) fn new(pids: Vec<u32>) -> Result<Self, String> {
        match pids.iter().find(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            Some(pid) => Err(format!("there is no process {pid}")),
            None => Ok(Self { pids }),
        }
    }

    /// Returns the processes that listen on an address of this machine, or `None` if there are none to be seen:
    /// the server is on another machine, or belongs to another user.
    pub(crate) fn listening_on(address: SocketAddr) -> Option<Self> {
        let pids = sockets::owners(&sockets::listening(address));
        (!pids.is_empty()).then_some(Self { pids })
    }

    /// Returns the CPU time that the processes have used so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        for pid in &self.pids {
            cpu.add_process(*pid);
        }
        cpu
    }

    /// Returns the resident memory in bytes. Pages that processes share count for each of them.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let resident = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            field(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024)
        };
        self.pids.iter().filter_map(resident).sum()
    }

    /// Returns the name of the program.
    pub(crate) fn name(&self) -> Option<String> {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.pids.first()?)).ok()?;
        Some(name.trim().to_owned())
    }
}

/// The CPU time of processes at one moment, as the kernel counts it in two ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    /// Nanoseconds of each thread. A thread that ends takes its count along.
    threads: BTreeMap<u32, u64>,
    /// Hundredths of a second of all threads, ended ones included.
    ticks: u64,
}

impl Cpu {
    fn add_process(&mut self, pid: u32) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
        for task in tasks.filter_map(Result::ok) {
            let id = task.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            // A thread may end while the list is read.
            let stat = fs::read_to_string(task.path().join("schedstat")).ok();
            let nanoseconds = stat.and_then(|stat| stat.split(' ').next()?.parse::<u64>().ok());
            self.threads.extend(id.zip(nanoseconds));
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        self.ticks += ticks(&stat).unwrap_or(0);
    }

    /// Returns the seconds since an earlier moment: to the nanosecond if no thread has come or gone.
    pub(crate) fn since(&self, before: &Self) -> f64 {
        if !self.threads.keys().eq(before.threads.keys()) {
            return self.ticks.saturating_sub(before.ticks) as f64 / TICKS_PER_SECOND;
        }
        let sum = |cpu: &Self| cpu.threads.values().sum::<u64>();
        sum(self).saturating_sub(sum(before)) as f64 / 1e9
    }
}

/// Returns user and system time out of `/proc/PID/stat`, whose second field may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Returns the CPU time that this process has used, ended threads included, in seconds.
pub(crate) fn own_cpu_seconds() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return 0.0 };
    let time = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    time(usage.user_time()) + time(usage.system_time())
}

/// The CPU time of the whole machine, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MachineCpu {
    pub(crate) busy: f64,
    pub(crate) idle: f64,
}

impl MachineCpu {
    pub(crate) fn now() -> Self {
        fs::read_to_string("/proc/stat").ok().and_then(|stat| Self::read(&stat)).unwrap_or_default()
    }

    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        // Guest time, after the eighth number, is in user time already.
        let ticks: Vec<f64> =
            line.split_whitespace().take(8).map(|word| word.parse().unwrap_or(0.0)).collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self {
            busy: (ticks.iter().sum::<f64>() - idle) / TICKS_PER_SECOND,
            idle: idle / TICKS_PER_SECOND,
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { busy: self.busy - before.busy, idle: self.idle - before.idle }
    }

    /// Returns the part of the time in which the CPUs had nothing to do.
    pub(crate) fn idle_share(self) -> f64 {
        let all = self.busy + self.idle;
        if all > 0.0 { self.idle / all } else { 1.0 }
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_first_line_of_proc_stat_is_the_machine() {
        let stat = "cpu  100 5 50 800 40 3 2 1 99 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let machine = MachineCpu::read(stat).unwrap();
        assert!((machine.busy - 1.61).abs() < 1e-9 && (machine.idle - 8.4).abs() < 1e-9, "{machine:?}");
        assert!((machine.idle_share() - 0.839).abs() < 0.001);
        assert_eq!(MachineCpu::read("nothing"), None);
    }

    #[test]
    fn the_cpu_of_a_process_grows_with_its_work() {
        let own = Party::new(vec![std::process::id()]).unwrap();
        let (before, rusage, until) = (own.cpu(), own_cpu_seconds(), Instant::now());
        while own_cpu_seconds() < rusage + 0.05 && until.elapsed() < Duration::from_secs(60) {
            std::hint::black_box((0..100_000).sum::<u64>());
        }
        assert!(own.cpu().since(&before) >= 0.03, "{:?} after {before:?}", own.cpu());
        assert!(own.resident_bytes() > 100_000);
        assert!(own.name().is_some());
    }

    #[test]
    fn threads_that_come_and_go_are_counted_by_the_coarser_clock() {
        let cpu = |threads: &[(u32, u64)], ticks| Cpu { threads: threads.iter().copied().collect(), ticks };
        let before = cpu(&[(1, 5_000_000_000), (2, 1_000_000_000)], 600);
        let close = |cpu: Cpu, seconds: f64| (cpu.since(&before) - seconds).abs() < 1e-9;
        assert!(close(cpu(&[(1, 5_500_000_000), (2, 1_250_000_001)], 675), 0.750_000_001));
        assert!(close(cpu(&[(1, 5_500_000_000)], 675), 0.75));
        assert!(close(cpu(&[(1, 5_500_000_000), (2, 1_000_000_000), (3, 9)], 650), 0.5));
        assert_eq!(ticks("1 (a) b)) S 0 0 0 0 0 0 0 0 0 0 12 30 1 1"), Some(42));
    }

    #[test]
    fn a_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(Party::listening_on(address), Some(Party { pids: vec![std::process::id()] }));
        drop(listener);
        assert_eq!(Party::listening_on(address), None);
        assert!(Party::new(vec![u32::MAX]).is_err());
    }
}
