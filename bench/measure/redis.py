#!/usr/bin/env python3
"""Redis behind few links: redis-benchmark through penstock, through nutcracker (twemproxy), HAProxy, and direct.

In: names of measurements, rounds and seconds. Out: Markdown on stdout, all records as JSON.
Knows nothing of what the figures should be, but for what was asked for, which it prints beside them.
"""
import re
import socket
import sys

import figures
import loads
import procs
import proxies
from mixed import established
from proxies import haproxy, nutcracker, penstock

PROXY_CPUS, LOAD_CPUS = {0}, {1}
PORT = 18379
CLIENTS, LINKS = 500, 8

# name -> (command, how many in flight for each client)
MEASUREMENTS = {f"{command}_P{depth}": (command, depth) for command in ("get", "set") for depth in (1, 16)}
COLUMNS = [("{}s/s", "rate"), ("CPU µs/{}", "cpu_us"), ("CPU %", "cpu_pct"), ("redis µs/{}", "origin_us"),
           ("links", "links"), ("errors", "errors")]


class Redis:
    """redis-server without persistence; redis-benchmark loads it until it is stopped."""

    unit, count = "commands", 1

    def __init__(self, tmp, cpus):
        self.to, self.own, self.socket = PORT, 0, None
        argv = ["redis-server", "--port", PORT, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", tmp, "--tcp-backlog", 65535, "--maxclients", 15000]
        self.program = procs.Program(argv, cpus, f"{tmp}/redis.out")

    def ready(self):
        return loads.listens(PORT)

    def counted(self):
        """Commands since its start, without the ones that ask this."""
        self.own += 1
        return self.info("stats", "total_commands_processed") - self.own + 1

    def info(self, section, name):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=60)
        self.socket.sendall(f"INFO {section}\r\n".encode())
        told = self.socket.recv(65536)
        while not (head := re.match(rb"\$(\d+)\r\n", told)) or len(told) < head.end() + int(head[1]) + 2:
            told += self.socket.recv(65536)
        return int(re.search(rf"^{name}:(\d+)".encode(), told, re.M)[1])

    def load(self, _seconds, command="get", depth=1):
        return ["redis-benchmark", "-h", "127.0.0.1", "-p", self.to, "-c", CLIENTS, "-P", depth, "-t", command,
                "-n", 2_000_000_000, "-r", 100_000, "-q"]

    def more(self, load, _seconds):
        """Its progress lines hold no summary before its end, so only its health is looked at."""
        if not load.alive():
            raise RuntimeError(f"redis-benchmark ended early: {load.said()[-300:]}")
        wrong = len(re.findall(r"[Ee]rror", load.said()))
        return {"links": established(PORT) - 1, "errors": wrong + self.info("stats", "total_error_replies")}


def variants(binary):
    return {
        "penstock": penstock(binary, "resp", {"max_per_member": LINKS}),
        "nutcracker": nutcracker(1),
        "nutcracker, 8": nutcracker(LINKS),
        "haproxy tcp": haproxy("tcp"),
        "direct": proxies.direct,
    }


def run(start, how, seconds):
    """One record."""
    return proxies.measure(start, lambda tmp: Redis(tmp, LOAD_CPUS), PORT, how, (PROXY_CPUS, LOAD_CPUS), seconds)


def main():
    args = figures.arguments(__doc__, MEASUREMENTS)
    procs.own_network()
    procs.set_up(LOAD_CPUS, args.nice)
    figures.head(args, [figures.version(v) for v in ([args.binary, "--version"], ["redis-server", "--version"],
                                                     ["nutcracker", "--version"],
                                                     [proxies.haproxy_binary(), "-v"])])
    out = {}
    for name in args.names:
        command, depth = MEASUREMENTS[name]
        how = {"command": command, "depth": depth}
        out[name] = figures.rounds(name, figures.chosen(args, variants(args.binary)), args.rounds,
                                   lambda start, _: run(start, how, args.seconds))
        compared = [("CPU per command", "cpu_us", "penstock", other, below)
                    for other, below in (("nutcracker", "below 1"), ("nutcracker, 8", "below 1"), ("haproxy tcp", None))]
        compared += [("commands per second", "rate", "penstock", "direct", None)]
        title = f"{name}: redis-benchmark -c {CLIENTS} -P {depth} -t {command}; links at most {LINKS}"
        print(figures.report(title, out[name], COLUMNS, "command", compared), flush=True)
        figures.keep(args, out)
    sys.exit(figures.failed(out))


if __name__ == "__main__":
    main()
