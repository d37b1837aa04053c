"""What stands before and behind the proxy: wrk and nginx, or iperf3 on both sides.

In: a directory, ports and how to load. Out: one record of figures, of a window in the middle of the load.
Knows nothing of penstock's options, and counts at the origin or in the kernel, never in the proxy.
"""
import http.client
import json
import os
import re
import subprocess
import time

from procs import Program, machine_ns, read

HTTP_PORT, STATUS_PORT, IPERF_PORT, LISTEN = 18081, 18090, 18201, 18100
SIZES = {"100 B": 100, "4 KiB": 4 << 10, "16 KiB": 16 << 10, "64 KiB": 64 << 10,
         "256 KiB": 256 << 10, "1 MiB": 1 << 20}
WARM_UP = 1.0

NGINX = """
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 19900; multi_accept on; accept_mutex off; }}
http {{
  access_log off; server_tokens off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 3600s; keepalive_requests 2000000000; keepalive_time 24h;
  reset_timedout_connection on; open_file_cache max=100 inactive=3600s; open_file_cache_valid 3600s;
  client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
  uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
  server {{
    listen 127.0.0.1:{port} backlog=65535;
    root {dir};
    location = /small {{ default_type text/plain; return 200 "Hello, World!"; }}
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""

WRK_END = """
done = function(s, latency)
  local e = s.errors
  io.write(string.format('\\n@@{"p50": %.1f, "p99": %.1f, "errors": %d}\\n', latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.timeout + e.status))
end
"""


class Nginx:
    """An origin on a TCP port; wrk loads it."""

    unit, count = "requests", 1
    member = f"127.0.0.1:{HTTP_PORT}"

    def __init__(self, tmp, cpus):
        self.tmp = tmp
        for size in SIZES.values():
            write(f"{tmp}/{size}", "x" * size)
        write(f"{tmp}/wrk.lua", WRK_END)
        write(f"{tmp}/nginx.conf", NGINX.format(dir=tmp, port=HTTP_PORT, status=STATUS_PORT))
        self.program = Program(["nginx", "-p", tmp, "-c", f"{tmp}/nginx.conf"], cpus, f"{tmp}/nginx.out")
        self.status = http.client.HTTPConnection("127.0.0.1", STATUS_PORT)
        self.asked = 0

    def ready(self):
        return listens(STATUS_PORT) and listens(HTTP_PORT)

    def counted(self):
        """Requests since its start, without the ones that ask this."""
        self.status.request("GET", "/")
        self.asked += 1
        return int(self.status.getresponse().read().split()[9]) - self.asked

    def load(self, seconds, path="/small", clients=64, churn=False):
        close = ["-H", "Connection: close"] if churn else []
        return ["wrk", "-t", 1, "-c", clients, "-d", f"{seconds:.0f}s", "--timeout", "30s",
                "-s", f"{self.tmp}/wrk.lua", *close, f"http://127.0.0.1:{LISTEN}{path}"]

    def more(self, load, seconds):
        """What wrk says at its end."""
        load.popen.wait(seconds + 60)
        summary = re.search(r"^@@(.*)$", load.said(), re.M)
        if not summary:
            raise RuntimeError(f"wrk gave no summary: {load.said()[-300:]}")
        return json.loads(summary[1])


class Iperf:
    """An iperf3 server; its client sends one stream up, or has one sent down."""

    unit, count = "MiB", 1 << 20
    member = f"127.0.0.1:{IPERF_PORT}"

    def __init__(self, tmp, cpus):
        self.up = True
        argv = ["iperf3", "-s", "-p", IPERF_PORT, "-B", "127.0.0.1"]
        self.program = Program(argv, cpus, f"{tmp}/iperf.out")

    def ready(self):
        return listens(IPERF_PORT)

    def counted(self):
        """Bytes that the side which receives has acknowledged."""
        side = f"sport = :{IPERF_PORT}" if self.up else f"dport = :{LISTEN}"
        return most(side, r"bytes_received:(\d+)")

    def load(self, seconds, up=True):
        self.up = up
        return ["iperf3", "-c", "127.0.0.1", "-p", LISTEN, "-t", f"{seconds:.0f}", *([] if up else ["-R"])]

    def more(self, load, _seconds):
        """The receive buffer of the proxy, and the largest window that it was seen to offer."""
        if not load.alive():
            raise RuntimeError(f"iperf3 ended early: {load.said()[-300:]}")
        proxy, sender = f"port = :{LISTEN}", f"port = :{IPERF_PORT}"
        proxy, sender = ("s" + proxy, "d" + proxy) if self.up else ("d" + sender, "s" + sender)
        windows = []
        for _ in range(20):
            windows.append(most(sender, r"snd_wnd:(\d+)"))
            time.sleep(0.01)
        return {"buffer": most(proxy, r"skmem:\([^)]*\brb(\d+)"), "window": max(windows)}


def measure(proxy, origin, how, cpus, seconds, tmp):
    """One record: the load runs, and a window of `seconds` in its middle is looked at."""
    load_seconds = int(WARM_UP + seconds + 1.5)
    with Program(origin.load(load_seconds, **how), cpus, f"{tmp}/load.out") as load:
        time.sleep(WARM_UP)
        before = sample(proxy, origin, load)
        time.sleep(seconds)
        after = sample(proxy, origin, load)
        more = origin.more(load, load_seconds)
    took, count, proxy_ns, origin_ns, ours_ns, busy, stolen = (b - a for a, b in zip(before, after))
    if count <= 0:
        raise RuntimeError("nothing came through")
    count /= origin.count
    return {
        "per": origin.unit, "rate": count / took * 1e9, "cpu_us": proxy_ns / 1000 / count,
        "cpu_pct": 100 * proxy_ns / took, "origin_us": origin_ns / 1000 / count,
        "foreign_pct": max(0, 100 * (busy - ours_ns) / took), "stolen_pct": 100 * stolen / took, **more,
    }


def sample(proxy, origin, load):
    count = origin.counted()
    at, ours = time.monotonic_ns(), [p.cpu_ns() for p in (proxy, origin.program, load)]
    return at, count, ours[0], ours[1], sum(ours), *machine_ns()


def most(sockets, pattern):
    """The largest number that `ss` tells of such sockets: iperf3 has one for control, too."""
    argv = ["ss", "-tinmH", "state", "established", f"( {sockets} )"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return max(map(int, re.findall(pattern, told)), default=0)


def listens(port):
    """From the table of sockets: iperf3 serves one client at a time, so a look must not be one."""
    rows = [line.split() for line in read("/proc/net/tcp").splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o644)
