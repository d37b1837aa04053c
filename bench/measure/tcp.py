#!/usr/bin/env python3
"""What the choices of TCP mode cost: runs penstock in each variant, in turn, and prints tables.

In: PENSTOCK_BIN, names of measurements, rounds and seconds. Out: Markdown on stdout, all records as JSON.
Knows nothing of what the figures should be.
"""
import argparse
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass, field

import loads
import procs
from figures import noise, table
from loads import LISTEN, SIZES, Iperf, Nginx

PROXY_CPUS, LOAD_CPUS = {0}, {1}
ADMIN_PORT = 18111
BUFFERS = ("auto", "64KiB", "16KiB", "4KiB", "1024B")


@dataclass
class Variant:
    """One row of a table."""

    name: str
    origin: type = Nginx
    how: dict = field(default_factory=dict)        # arguments of the origin's load()
    protocol: str = "tcp"
    listener: dict = field(default_factory=dict)   # options, as in config.yaml
    backend: dict = field(default_factory=dict)
    mtu: int = 65536                               # of loopback; 65536 is what it has by itself


def window():
    for mtu in (65536, 1500):
        for up in (True, False):
            for size in BUFFERS:
                side = {("listener" if up else "backend"): {"socket": {"receive_buffer": size}}}
                name = f"{'up' if up else 'down'}, {size}, MTU {mtu}"
                yield Variant(name, Iperf, {"up": up}, mtu=mtu, **side)


def copy():
    for how in ("up", "down", *SIZES):
        for splice in (True, False):
            name = f"{how}, {'splice' if splice else 'copy'}"
            tunnel = {"tunnel": {"splice": splice}}
            if how in SIZES:
                yield Variant(name, how={"path": f"/{SIZES[how]}"}, listener=tunnel)
            else:
                yield Variant(name, Iperf, {"up": how == "up"}, listener=tunnel)


def warm():
    for clients in (64, 1):
        for links in (0, 64):
            name = f"{clients} client{'s' * (clients > 1)}, warm: {links}"
            yield Variant(name, how={"churn": True, "clients": clients}, backend={"links": {"warm": links}})


def source_addresses():
    own = [f"127.0.0.{n}" for n in range(2, 6)]
    for name, addresses in (("auto", "auto"), ("a list of one", own[:1]), ("a list of four", own)):
        yield Variant(name, how={"churn": True}, backend={"source_addresses": addresses})


def gbits(record):
    return record["rate"] * 8 * (1 << 20) / 1e9


def at_1_ms(record):
    """Mbit/s that one window in each round trip of 1 ms makes."""
    return record["window"] * 8 / 1e3


CPU = [("CPU µs/{}", "cpu_us"), ("origin µs/{}", "origin_us"), ("CPU %", "cpu_pct")]
HTTP = [("{}s/s", "rate"), *CPU, ("p50 µs", "p50"), ("p99 µs", "p99"), ("errors", "errors")]
BULK = [("Gbit/s", gbits), *CPU]
WINDOW = [("buffer", "buffer"), ("window", "window"), *BULK, ("Mbit/s at 1 ms", at_1_ms)]
SPLICED, WARM = ("spliced %", "spliced_pct"), ("warm %", "warm_pct")

# name -> (title, variants, what the requests of wrk are called, columns of wrk, columns of iperf3)
MEASUREMENTS = {
    "window": ("The proxy's receive buffer: iperf3, one stream", window, "", [], WINDOW),
    "copy": ("Splicing against copying: iperf3, and GET of so much by 64 clients", copy, "requests",
             [*HTTP, SPLICED], [*BULK, SPLICED]),
    "warm": ("Warm links: one request a connection", warm, "connections", [*HTTP, WARM], []),
    "source_addresses": ("Source addresses: one request a connection, 64 clients", source_addresses,
                         "connections", HTTP, []),
}


def configuration(variant, origin):
    """JSON is YAML too."""
    bind = f"127.0.0.1:{LISTEN}"
    listener = {"bind": bind, "protocol": variant.protocol, "backend": "b", **variant.listener}
    backend = {"members": {"a": origin.member}, **variant.backend}
    return json.dumps({"admin": f"127.0.0.1:{ADMIN_PORT}", "workers": 1,
                       "listeners": {"l": listener}, "backends": {"b": backend}})


def run(variant, binary, seconds):
    """One record; origin, proxy and load are new each time."""
    procs.set_mtu(variant.mtu)
    tmp = tempfile.mkdtemp(prefix="penstock-measure-")
    os.chmod(tmp, 0o755)
    try:
        origin = variant.origin(tmp, LOAD_CPUS)
        with origin.program:
            origin.program.wait_until(origin.ready)
            loads.write(f"{tmp}/penstock.yaml", configuration(variant, origin))
            argv = [binary, "run", "--config", f"{tmp}/penstock.yaml"]
            with procs.Program(argv, PROXY_CPUS, f"{tmp}/penstock.out") as proxy:
                proxy.wait_until(lambda: loads.listens(LISTEN))
                record = loads.measure(proxy, origin, variant.how, LOAD_CPUS, seconds, tmp)
                return {**record, **told()}
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def rounds(name, args):
    """All records of a measurement, by variant: each round runs every variant once."""
    variants = list(MEASUREMENTS[name][1]())
    records = {v.name: [] for v in variants}
    for number in range(1, args.rounds + 1):
        for variant in variants:
            try:
                record = run(variant, args.binary, args.seconds)
            except (RuntimeError, OSError, subprocess.SubprocessError) as e:  # the others' figures stay
                record = {"failed": " ".join(f"{type(e).__name__}: {e}".split())[:300]}
            records[variant.name].append(record)
            print(f"{name} {number}/{args.rounds} {variant.name}: {record}", file=sys.stderr, flush=True)
    return records


def told():
    """What only the proxy knows: shares of bytes spliced, and of clients that met a warm link."""
    with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN_PORT}/metrics", timeout=5) as answer:
        text = answer.read().decode()

    def total(series):
        return sum(map(float, re.findall(rf"^penstock_{series}\S* (\S+)$", text, re.M)))

    def share(part, whole):
        return 100 * total(part) / (total(whole) or 1)

    got = r"pool_acquires_total\{.*result="
    return {"spliced_pct": share("tunnel_spliced_bytes_total", r"client_(?:received|sent)_bytes_total"),
            "warm_pct": share(f'{got}"reused"', f'{got}"(?:reused|opened)"')}


def tables(name, records):
    """Markdown: requests and MiB do not mix, so each has a table of its own."""
    title, _, called, of_wrk, of_iperf = MEASUREMENTS[name]
    lines = [f"### {name}: {title}", ""]
    for per, columns, shown in (("MiB", of_iperf, "MiB"), ("requests", of_wrk, called)):
        rows = {k: good for k, v in records.items() if (good := [r for r in v if r.get("per") == per])}
        if rows:
            lines += [*table(rows, columns, shown.removesuffix("s")), ""]
    failed = [f"- failed: {k}: {r['failed']}" for k, v in records.items() for r in v if "failed" in r]
    if failed:
        lines += [*failed, ""]
    return "\n".join(lines + noise([r for v in records.values() for r in v if "failed" not in r]))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"measurements: {' '.join(MEASUREMENTS)} (all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="length of the window that is looked at")
    parser.add_argument("--json", help="write all records there")
    parser.add_argument("--binary", default=os.environ.get("PENSTOCK_BIN", "target/release/penstock"))
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in MEASUREMENTS]
    if unknown or not shutil.which(args.binary):
        parser.error(f"no measurement {unknown[0]}" if unknown else f"no binary {args.binary}")
    return args


def main():
    args = arguments()
    procs.own_network()
    procs.set_up(LOAD_CPUS)
    version = subprocess.run([args.binary, "--version"], capture_output=True, text=True).stdout.strip()
    out = {"date": datetime.datetime.now().isoformat(timespec="seconds"), "kernel": platform.release(),
           "penstock": version, "rounds": args.rounds, "seconds": args.seconds, "measurements": {}}
    print(f"{version}, Linux {out['kernel']}, {args.rounds} rounds of {args.seconds:g} s, medians (ranges)\n")
    for name in args.names or MEASUREMENTS:
        out["measurements"][name] = rounds(name, args)
        print(tables(name, out["measurements"][name]), flush=True)
        if args.json:
            loads.write(args.json, json.dumps(out, indent=1))
    sys.exit(any("failed" in r for m in out["measurements"].values() for v in m.values() for r in v))


if __name__ == "__main__":
    main()
