"""Programs: starts and stops them, reads their CPU time, and gives them a network of their own.

In: argument vectors and CPU numbers. Out: nanoseconds on CPU, summed over every thread.
Knows nothing of proxies, loads or tables.
"""
import os
import resource
import signal
import subprocess
import sys
import time

MARK = "PENSTOCK_MEASURE_NETWORK"
LIMITS = {
    "net/core/somaxconn": "65535",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    "net/ipv4/ip_local_port_range": "20000 65000",  # clear of the ports listened on
    "net/ipv4/tcp_max_tw_buckets": "500000",
}


def own_network():
    """Start again in a network namespace, where ports, the limits of TCP and the MTU are ours alone."""
    if os.environ.get(MARK):
        return
    if os.geteuid() != 0:
        sys.exit("a network namespace of its own is needed: run as root")
    os.environ[MARK] = "1"
    os.execvp("unshare", ["unshare", "-n", "--", sys.executable, *sys.argv])


def set_up(cpus, nice=0):
    """The namespace's loopback and limits, and CPUs and priority of this process and of what it starts."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in LIMITS.items():
        with open(f"/proc/sys/{name}", "w") as f:
            f.write(value)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, cpus)
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    for sign in (signal.SIGTERM, signal.SIGINT):  # SystemExit stops what was started
        signal.signal(sign, lambda *_: sys.exit(130))


def set_mtu(mtu):
    subprocess.run(["ip", "link", "set", "lo", "mtu", str(mtu)], check=True)


class Program:
    """A started program and all it forks; `with` stops it."""

    def __init__(self, argv, cpus, log):
        def before_exec():
            os.setpgrp()
            os.sched_setaffinity(0, cpus)

        self.log = log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, preexec_fn=before_exec)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pids = tree(self.popen.pid) if self.alive() else []
        self.popen.terminate()
        try:
            self.popen.wait(1)
        except subprocess.TimeoutExpired:
            pass
        for pid in pids:  # only what this program started, by its id
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()

    def alive(self):
        return self.popen.poll() is None

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def cpu_ns(self):
        threads = ((pid, tid) for pid in tree(self.popen.pid) for tid in listed(f"/proc/{pid}/task"))
        return sum(thread_ns(pid, tid) for pid, tid in threads)

    def wait_until(self, ready, seconds=10):
        end = time.monotonic() + seconds
        while not ready():
            if not self.alive() or time.monotonic() > end:
                raise RuntimeError(f"{self.popen.args[0]} is not ready: {self.said()[-300:]}")
            time.sleep(0.02)


def tree(root):
    """A process and all its descendants."""
    found = [root]
    for pid in found:
        for tid in listed(f"/proc/{pid}/task"):
            found += map(int, read(f"/proc/{pid}/task/{tid}/children").split())
    return found


def thread_ns(pid, tid):
    return int((read(f"/proc/{pid}/task/{tid}/schedstat").split() or [0])[0])


def machine_ns():
    """(busy, stolen) nanoseconds of all CPUs since boot; they come in ticks of 10 ms."""
    user, nice, system, _, _, irq, softirq, steal = map(int, read("/proc/stat").split()[1:9])
    tick = 10**9 // os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) * tick, steal * tick


def listed(path):
    try:
        return os.listdir(path)
    except OSError:  # the process has ended
        return []


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""
