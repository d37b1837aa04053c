#!/usr/bin/env python3
"""2,000 clients on a service of frames that serves 8 connections: shared links against a relay, client by client.

In: names of measurements, rounds and seconds. Out: Markdown on stdout, all records as JSON.
Knows nothing of what the figures should be, but for what was asked for, which it prints beside them.
"""
import json
import os
import sys
import urllib.request

import figures
import loads
import procs
import proxies
from mixed import established
from proxies import haproxy, penstock

PROXY_CPUS, LOAD_CPUS = {0}, {1}
PORT, STATS_PORT = 18700, 18790
CLIENTS, SOURCES, LINKS = 2000, "127.1.0.1-127.1.7.250", 8
TIMES = 3

# name -> (what the origin speaks, options of the load, protocol and framing of the listener)
MEASUREMENTS = {
    "lines": ("lines", ["--protocol", "lines"], ("lines", {})),
    "length_prefixed": ("length-prefixed:4be", ["--protocol", "length-prefixed", "--length-bytes", 4],
                        ("length_prefixed", {"length_bytes": 4, "byte_order": "big"})),
}
COLUMNS = [("{}s/s", "rate"), ("of the whole load", "per_second"), ("CPU µs/{}", "cpu_us"), ("CPU %", "cpu_pct"),
           ("origin µs/{}", "origin_us"), ("p50 ms", "p50"), ("p99 ms", "p99"), ("links", "links"),
           ("wrong", "wrong"), ("lost", "lost"), ("connections", "connections")]


class Origin:
    """The included origin, of which 8 connections are served; penstock-bench checks every answer."""

    unit, count = "exchanges", 1

    def __init__(self, tmp, cpus, bins, speaks, words, seed):
        self.bench, self.words, self.seed, self.to = f"{bins}/penstock-bench", words, seed, PORT
        argv = [f"{bins}/penstock-origin", "--speaks", speaks, "--listen", f"127.0.0.1:{PORT}",
                "--legacy", LINKS, "--stats", f"127.0.0.1:{STATS_PORT}"]
        self.program = procs.Program(argv, cpus, f"{tmp}/origin.out")

    def ready(self):
        return loads.listens(PORT) and loads.listens(STATS_PORT)

    def counted(self):
        """Exchanges since its start, those for this not counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{STATS_PORT}/stats", timeout=60) as answer:
            told = json.load(answer)
        return sum(listener["requests"] for listener in told["listeners"])

    def load(self, seconds, per_connection=None):
        each = ["--per-connection", per_connection] if per_connection else []
        return [self.bench, "load", "--no-check", f"127.0.0.1:{self.to}", *self.words, "--clients", CLIENTS,
                "--sources", SOURCES, "--duration", f"{seconds}s", "--seed", self.seed, "--timeout", "60s",
                "--json", "--allow-breaks", *each]

    def more(self, load, seconds):
        links = established(PORT)
        load.popen.wait(seconds + 120)
        told = json.loads(load.said())
        errors = told["errors"]
        lost = sum(errors[kind] for kind in ("connect", "write", "read", "closed_early", "timeout"))
        return {"per_second": told["answers_per_second"], "p50": told["latency_seconds"]["p50"] * 1e3,
                "p99": told["latency_seconds"]["p99"] * 1e3, "links": links, "wrong": told["wrong"], "lost": lost,
                "connections": told["connections"], "first_errors": told["first_errors"][:2]}


def variants(binary, protocol, framing):
    """Name -> (how to start the proxy, exchanges on one connection of a client)."""
    links = {"max_per_member": LINKS}
    relay, limited = penstock(binary, "tcp", links), haproxy("tcp", server=f"maxconn {LINKS}")
    listener = {"framing": framing} if framing else {}
    return {
        f"penstock, {protocol}": (penstock(binary, protocol, links, listener), None),
        "penstock tcp, 1 each": (relay, 1),
        "penstock tcp, 10 each": (relay, 10),
        "haproxy tcp, 1 each": (limited, 1),
        "haproxy tcp, 10 each": (limited, 10),
    }


def run(variant, args, name, seed):
    """One record."""
    (speaks, words, _), (start, per_connection) = MEASUREMENTS[name], variant
    origin = lambda tmp: Origin(tmp, LOAD_CPUS, args.bin, speaks, words, seed)
    how = {"per_connection": per_connection}
    return proxies.measure(start, origin, PORT, how, (PROXY_CPUS, LOAD_CPUS), args.seconds)


def main():
    args = figures.arguments(__doc__, MEASUREMENTS)
    procs.own_network()
    procs.set_up(LOAD_CPUS, args.nice)
    args.bin = os.path.abspath(args.bin)
    figures.head(args, [figures.version([args.binary, "--version"]),
                        figures.version([proxies.haproxy_binary(), "-v"])])
    out = {}
    for name in args.names:
        protocol, framing = MEASUREMENTS[name][2]
        chosen = figures.chosen(args, variants(args.binary, protocol, framing))
        out[name] = figures.rounds(name, chosen, args.rounds, lambda v, n: run(v, args, name, n + 1))
        ours = f"penstock, {protocol}"
        compared = [("exchanges per second", "rate", ours, other, f"at least {TIMES}")
                    for other in chosen if other != ours]
        title = f"{name}: {CLIENTS} clients, an origin that serves {LINKS} connections"
        print(figures.report(title, out[name], COLUMNS, "exchange", compared), flush=True)
        figures.keep(args, out)
    sys.exit(figures.failed(out))


if __name__ == "__main__":
    main()
