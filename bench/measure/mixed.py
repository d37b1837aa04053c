#!/usr/bin/env python3
"""One request in a hundred takes 200 ms: do the fast ones feel it, and what does it cost?

In: names of measurements, rounds and seconds. Out: Markdown on stdout, all records as JSON.
Knows nothing of what the figures should be, but for what was asked for, which it prints beside them.
"""
import json
import os
import subprocess
import sys

import figures
import loads
import procs
import proxies
from loads import HTTP_PORT, STATUS_PORT
from proxies import haproxy, penstock

PROXY_CPUS, LOAD_CPUS = {0}, {1}
ECHO_MODULE = os.environ.get("NGINX_ECHO_MODULE", "/usr/lib/nginx/modules/ngx_http_echo_module.so")
CLIENTS, SOURCES = 500, "127.1.0.1-127.1.1.244"
LINKS = 512

NGINX = """
load_module {module};
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 19900; multi_accept on; accept_mutex off; }}
http {{
  access_log off; server_tokens off; tcp_nodelay on; default_type text/plain;
  keepalive_timeout 3600s; keepalive_requests 2000000000; keepalive_time 24h; reset_timedout_connection on;
  client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
  uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
  server {{
    listen 127.0.0.1:{port} backlog=65535;
    location /fast {{ if ($arg_ms) {{ rewrite ^ /wait last; }} return 200 "Hello, World!"; }}
    location /slow {{ rewrite ^ /wait last; }}
    location = /wait {{ internal; echo_sleep 0.2; echo -n "Hello, World!"; }}
  }}
  server {{ listen 127.0.0.1:{status}; location / {{ stub_status; }} }}
}}
"""

FAST = "/fast"
# name -> (title, the slow request, a client's mean pause, CPU asked for)
MEASUREMENTS = {
    "own_route": ("1 in 100 takes 200 ms, on a route of its own, closed loop", "/slow", "0s", 0.6),
    "same_route": ("1 in 100 takes 200 ms, on the same route, closed loop", "/fast?ms=200", "0s", 0.9),
    "own_route_paced": ("the same, on a route of its own, each client rests 40 ms", "/slow", "40ms", None),
    "same_route_paced": ("the same, on the same route, each client rests 40 ms", "/fast?ms=200", "40ms", None),
    "all_fast": ("none is slow (for comparison), closed loop", None, "0s", None),
}
COLUMNS = [("{}s/s", "rate"), ("CPU µs/{}", "cpu_us"), ("CPU %", "cpu_pct"), ("origin µs/{}", "origin_us"),
           ("p50 fast µs", "p50"), ("p99 fast µs", "p99"), ("p99.9 fast µs", "p99.9"), ("max fast µs", "max"),
           ("p50 slow ms", "slow_p50_ms"), ("links", "links"), ("wrong or failed", "bad")]


class Nginx(loads.Nginx):
    """An origin that sleeps where it is asked to; penstock-bench loads it, and knows which those are."""

    def __init__(self, tmp, cpus, bench, seed):
        self.tmp, self.bench, self.seed, self.to, self.asked = tmp, bench, seed, None, 0
        text = NGINX.format(module=ECHO_MODULE, dir=tmp, port=HTTP_PORT, status=STATUS_PORT)
        loads.write(f"{tmp}/nginx.conf", text)
        self.program = procs.Program(["nginx", "-p", tmp, "-c", f"{tmp}/nginx.conf"], cpus, f"{tmp}/nginx.out")
        self.status = loads.http.client.HTTPConnection("127.0.0.1", STATUS_PORT)

    def load(self, seconds, slow=None, pause="0s"):
        mix = ["--mix", f"{FAST}=99", "--mix", f"{slow}=1"] if slow else ["--mix", f"{FAST}=1"]
        return [self.bench, "load", "--no-check", f"http://127.0.0.1:{self.to}", "--clients", CLIENTS, "--sources", SOURCES,
                "--duration", f"{seconds}s", "--seed", self.seed, "--timeout", "60s", "--pause", pause, "--json", *mix]

    def more(self, load, seconds):
        """Links at the window's end, and the generator's latencies, of its whole run."""
        links = established(HTTP_PORT)
        load.popen.wait(seconds + 90)
        told = json.loads(load.said())
        fast = {k: v * 1e6 for k, v in told["classes"][FAST]["latency_seconds"].items()}
        slow = next((c for name, c in told["classes"].items() if name != FAST), None)
        bad = sum(told["errors"].values()) + told["mix_ups"] + told["answered"] - told["by_class"][1]
        return {**fast, "slow_p50_ms": slow["latency_seconds"]["p50"] * 1e3 if slow else 0,
                "links": links, "bad": bad, "first_errors": told["first_errors"][:2]}


def established(port):
    argv = ["ss", "-tnH", "state", "established", f"( sport = :{port} )"]
    return len(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines())


def variants(binary):
    return {
        "penstock": penstock(binary, "http", {"max_per_member": LINKS, "pipeline": 32}),
        "haproxy": haproxy("http", "option forwardfor\n  http-reuse always", "pool-max-conn -1 pool-purge-delay 1h"),
        "direct": proxies.direct,
    }


def run(start, how, bench, seed, seconds):
    """One record."""
    origin = lambda tmp: Nginx(tmp, LOAD_CPUS, bench, seed)
    return proxies.measure(start, origin, HTTP_PORT, how, (PROXY_CPUS, LOAD_CPUS), seconds)


def main():
    args = figures.arguments(__doc__, MEASUREMENTS)
    procs.own_network()
    procs.set_up(LOAD_CPUS, args.nice)
    bench = figures.program(f"{args.bin}/penstock-bench")
    figures.head(args, [figures.version([args.binary, "--version"]),
                        figures.version([proxies.haproxy_binary(), "-v"]), figures.version(["nginx", "-v"])])
    out = {}
    for name in args.names:
        title, slow, pause, cpu = MEASUREMENTS[name]
        how = {"slow": slow, "pause": pause}
        out[name] = figures.rounds(name, figures.chosen(args, variants(args.binary)), args.rounds,
                                   lambda start, n: run(start, how, bench, n + 1, args.seconds))
        compared = [("p99 of the fast ones", "p99", "penstock", "haproxy", 1.5 if slow else None),
                    ("CPU per request", "cpu_us", "penstock", "haproxy", cpu)]
        print(figures.report(f"{name}: {title}; {CLIENTS} clients", out[name], COLUMNS, "request", compared),
              flush=True)
        figures.keep(args, out)
    sys.exit(figures.failed(out))


if __name__ == "__main__":
    main()
