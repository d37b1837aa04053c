#!/usr/bin/env python3
"""Who sits on a link: 200 attackers of each kind beside 20 honest requests a second; penstock, nginx and HAProxy.

In: names of kinds of attackers, seconds. Out: Markdown on stdout, all records as JSON; 1 where penstock fails an honest
request, takes 500 ms for one in a hundred, or has a connection too many. Knows nothing of how any of them defends itself.
"""
import argparse
import asyncio
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import figures
import hostages
import loads
import procs
import proxies
from loads import LISTEN

PROXY_CPUS, LOAD_CPUS = {0}, {1}
MEMBER = 18740
CAP, DEFAULT_CAP = 16, 64
EVERY, TIMEOUT, BEGUN = 0.05, 30, 1.0
MOST_P99, MOST_AFTER = 500, 2.0
HERE = os.path.dirname(os.path.abspath(__file__))

NGINX = """
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
  uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
  upstream b {{ server 127.0.0.1:{member} {server}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{listen} backlog=4096;
    location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  option http-buffer-request
  option abortonclose
  timeout http-request 10s
  timeout connect 5s
  timeout client 30s
  timeout server 60s
  timeout queue 10s
  maxconn 9000
frontend f
  bind 127.0.0.1:{listen} backlog 4096
  default_backend b
backend b
  server s0 127.0.0.1:{member} maxconn {cap}
"""


def nginx(server=""):
    def start(tmp, _speaks):
        loads.write(f"{tmp}/proxy.conf", NGINX.format(dir=tmp, member=MEMBER, server=server, listen=LISTEN))
        return procs.Program(["nginx", "-p", tmp, "-c", f"{tmp}/proxy.conf"], PROXY_CPUS, f"{tmp}/proxy.out")
    return start


def haproxy(tmp, _speaks):
    loads.write(f"{tmp}/proxy.cfg", HAPROXY.format(listen=LISTEN, member=MEMBER, cap=CAP))
    argv = [proxies.haproxy_binary(), "-db", "-q", "-f", f"{tmp}/proxy.cfg"]
    return procs.Program(argv, PROXY_CPUS, f"{tmp}/proxy.out")


def penstock(binary, links, listen=LISTEN, member=MEMBER):
    """All defaults but what is in `links`."""
    def start(tmp, speaks):
        config = {"admin": "off", "workers": 1,  # JSON is YAML too
                  "listeners": {"l": {"bind": f"127.0.0.1:{listen}", "protocol": speaks, "backend": "b"}},
                  "backends": {"b": {"links": links, "members": {"a": f"127.0.0.1:{member}"}}}}
        loads.write(f"{tmp}/penstock-{listen}.yaml", json.dumps(config))
        return procs.Program([binary, "run", "--config", f"{tmp}/penstock-{listen}.yaml"], PROXY_CPUS,
                             f"{tmp}/proxy-{listen}.out")
    return start


def variants(binary):
    """name -> (how it starts, most connections to the member or None, whether it is penstock)"""
    return {
        "penstock, 16 links": (penstock(binary, {"max_per_member": CAP}), CAP, True),
        "penstock, defaults": (penstock(binary, {}), DEFAULT_CAP, True),
        "nginx": (nginx(), None, False),
        "nginx, max_conns=16": (nginx(f"max_conns={CAP} max_fails=0"), CAP, False),
        "HAProxy, maxconn 16": (haproxy, CAP, False),
    }


# ---- one cell

def cell(kind, which, variant, seconds):
    """One record; member, proxy and attackers are new each time."""
    start, cap, _ = variant
    speaks = hostages.KINDS[kind]
    tmp = tempfile.mkdtemp(prefix="penstock-measure-")
    os.chmod(tmp, 0o755)  # nginx gives up its rights
    script = [sys.executable, f"{HERE}/hostages.py"]
    try:
        with procs.Program([*script, "member", speaks, MEMBER, cap or 10**6], LOAD_CPUS, f"{tmp}/member.out") as member:
            member.wait_until(lambda: loads.listens(MEMBER) and loads.listens(MEMBER + 1))
            with start(tmp, speaks) as proxy:
                proxy.wait_until(lambda: loads.listens(LISTEN))
                with procs.Program([*script, "attack", kind, which, LISTEN], LOAD_CPUS, f"{tmp}/attack.out") as attack:
                    time.sleep(BEGUN)
                    took, failures = asyncio.run(honest(speaks, seconds))
                    if not attack.alive():
                        raise RuntimeError(f"the attackers ended: {attack.said()[-300:]}")
                    attack.popen.kill()
                    attack.popen.wait()
                    after = asyncio.run(all_at_once(speaks, cap or CAP))
                if not proxy.alive():
                    raise RuntimeError(f"the proxy ended: {proxy.said()[-300:]}")
                return {"asked": len(took), "failures": len(failures), "why": sorted(set(failures))[:3],
                        "p50": percentile(took, 50), "p99": percentile(took, 99), "max": took[-1],
                        "peak": told()["peak"], "rss_mib": rss_peak(proxy) / 1024, "after": after}
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def percentile(values, percent):
    return values[-(-len(values) * percent // 100) - 1]


def told():
    """What the member has counted."""
    with socket.create_connection(("127.0.0.1", MEMBER + 1), 10) as s:
        return json.loads(s.makefile().read())


def rss_peak(program):
    """KiB, of the proxy and all that it forked."""
    lines = (line for pid in procs.tree(program.popen.pid) for line in procs.read(f"/proc/{pid}/status").splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def honest(speaks, seconds):
    """Milliseconds of each request, sorted, and what went wrong."""
    kept, asked, begin = [], [], time.monotonic()
    for number in range(round(seconds / EVERY)):
        await asyncio.sleep(max(0.0, begin + number * EVERY - time.monotonic()))
        asked.append(asyncio.create_task(timed(fresh(speaks) if number % 2 == 0 else on_kept(speaks, kept))))
    results = [await task for task in asked]
    for _, writer in kept:
        writer.close()
    return sorted(ms for ms, _ in results), [why for _, why in results if why]


async def timed(exchange):
    begin, why = time.monotonic(), None
    try:
        await asyncio.wait_for(exchange, TIMEOUT)
    except asyncio.TimeoutError:
        why = f"no answer in {TIMEOUT} s"
    except (OSError, EOFError, ValueError) as e:
        why = " ".join(f"{type(e).__name__}: {e}".split())[:80]
    return (time.monotonic() - begin) * 1000, why


async def fresh(speaks):
    reader, writer = await connected("127.0.0.2")
    try:
        await exchange(speaks, reader, writer, hostages.request(speaks, "hello"), "hello")
    finally:
        writer.close()


async def on_kept(speaks, kept):
    """Of HTTP, a small POST."""
    reader, writer = kept.pop() if kept else await connected("127.0.0.2")
    request, expected = hostages.request(speaks, "hello"), "hello"
    if speaks == "http":
        request, expected = hostages.post("Content-Length: 100") + b"x" * 100, "100"
    try:
        await exchange(speaks, reader, writer, request, expected)
    except BaseException:
        writer.close()
        raise
    kept.append((reader, writer))


def connected(source):
    return asyncio.open_connection("127.0.0.1", LISTEN, local_addr=(source, 0))


async def exchange(speaks, reader, writer, request, expected):
    writer.write(request)
    if speaks == "http":
        line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        fields = dict(f.split(": ", 1) for f in fields if f)
        answer = (await reader.readexactly(int(fields.get("content-length", 0)))).decode()
        if " 200 " not in line:
            raise ValueError(f"{line.split(' ')[1]} {answer[:40]}")
    elif speaks == "length_prefixed":
        answer = (await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))).decode()
    else:
        answer = (await reader.readuntil(b"\n")).decode().strip()
        if speaks == "resp" and answer.startswith("$"):
            answer = (await reader.readexactly(int(answer[1:]) + 2)).decode().strip()
    if answer != expected:
        raise ValueError(f"{answer[:40]!r} instead of {expected!r}")


async def all_at_once(speaks, links):
    """Seconds until as many requests as there are links are served at once; None where that never comes."""
    begin = time.monotonic()
    while time.monotonic() - begin < 60:
        tasks = [asyncio.create_task(timed(meet(speaks, links, n))) for n in range(links)]
        done, _ = await asyncio.wait(tasks, timeout=1.5)
        if len(done) == links and not any(task.result()[1] for task in done):
            return time.monotonic() - begin
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.1)
    return None


async def meet(speaks, links, number):
    request = hostages.request(speaks, f"meet/{links}")
    if speaks == "http":  # what is no safe method shares its link with nobody
        request = f"POST /meet/{links} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()
    elif speaks == "resp":
        request = hostages.said("MEET", f"meet/{links}")
    reader, writer = await connected(f"127.50.0.{number + 1}")
    try:
        await exchange(speaks, reader, writer, request, "meet")
    finally:
        writer.close()


# ---- the matrix

def missed(record, cap):
    """What penstock promised and did not keep."""
    if "failed" in record:
        return [record["failed"]]
    after = record["after"]
    return [words for words, wrong in [
        (f"{record['failures']} honest requests failed: {', '.join(record['why'])}", record["failures"]),
        (f"p99 is {record['p99']:.0f} ms", record["p99"] >= MOST_P99),
        (f"{record['peak']} connections at the member", record["peak"] > cap),
        (f"all links are of use after {'never' if after is None else f'{after:.1f} s'}", after is None or after > MOST_AFTER),
    ] if wrong]


def matrix(args):
    records, misses = {}, []
    for kind in args.names:
        for which in args.sources.split(","):
            rows = {}
            for name, variant in figures.chosen(args, variants(args.binary)).items():
                if hostages.KINDS[kind] != "http" and not variant[2]:
                    continue
                try:
                    record = cell(kind, which, variant, args.seconds)
                except (RuntimeError, OSError, ValueError, LookupError, subprocess.SubprocessError) as e:
                    record = {"failed": " ".join(f"{type(e).__name__}: {e}".split())[:300]}
                rows[name] = record
                print(f"{kind} {which} {name}: {record}", file=sys.stderr, flush=True)
                if variant[2]:
                    misses += [f"{kind}, {which}, {name}: {words}" for words in missed(record, variant[1])]
            records[f"{kind}, {which}"] = rows
            if args.json:
                loads.write(args.json, json.dumps(records, indent=1))
    print(tables(records))
    print("\n".join(f"- missed: {words}" for words in misses) or "penstock missed nothing.", flush=True)
    return bool(misses)


def kept(paths):
    """The records of several runs as one."""
    records = {}
    for path in paths:
        with open(path) as f:
            for case, rows in json.load(f).items():
                records.setdefault(case, {}).update(rows)
    return records


WORDS = {
    "slow_post": "POST of 1,000 bytes, a byte each 5 s", "stalled_post": "POST of 1,000 bytes, half of it",
    "stalled_100k": "POST of 100 KB, half of it", "stalled_10m": "POST of 10 MB, half of it",
    "stalled_chunk": "half a chunk of 1,000 bytes", "stalled_expect": "`Expect: 100-continue`, then nothing",
    "slow_reader": "GET of 10 MB, reads 1 KB/s", "no_reader": "GET of 10 MB, reads nothing",
    "gone_events": "asks for a stream and closes", "gone_events_rst": "asks for a stream and resets",
    "gone_slow": "asks for what takes 25 s and closes", "gone_slow_rst": "asks for what takes 25 s and resets",
    "events": "reads a stream that never ends", "half_line": "half a line (`lines`)",
    "half_counted": "half a frame (`length_prefixed`)", "half_command": "half a command (`resp`)",
    "multi": "MULTI without EXEC (`resp`)",
}


def tables(records):
    """One row for each kind and number of addresses, one column for each proxy."""
    names = [n for n in variants("") if any(n in rows for rows in records.values())]
    lines = ["| 200 attackers, each | from | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for kind, words in WORDS.items():
        for which, called in (("one", "1"), ("each", "200")):
            if rows := records.get(f"{kind}, {which}"):
                told = " | ".join(figure(rows.get(name)) for name in names)
                lines.append(f"| {words} | {called} | {told} |")
    return "\n".join(lines) + "\n"


def figure(r):
    if r is None:
        return "–"
    if "failed" in r:
        return "did not run"
    failed = f"**{100 * r['failures'] / r['asked']:.0f} %** failed, " if r["failures"] else ""
    after = "never" if r["after"] is None else f"{r['after']:.1f} s"
    return f"{failed}{figures.number(round(r['p99'], 1))} ms, {r['peak']}, {r['rss_mib']:.0f} MiB, {after}"


# ---- those who move, for as long as people really do

DOWNLOAD, DOWNLOAD_RATE = 100_000_000, 50_000
UPLOAD, UPLOAD_RATE = 1_000_000_000, 1_000_000
STREAM, POLL = 3600, 50


def long(args):
    """Two penstocks: before one nobody waits, before the other the moving ones have both links, and ten others wait."""
    tmp = tempfile.mkdtemp(prefix="penstock-measure-")
    script = [sys.executable, f"{HERE}/hostages.py", "member", "http"]
    crowded, second = LISTEN + 1, MEMBER + 2
    quiet_start = penstock(args.binary, {"max_per_member": CAP})
    crowd_start = penstock(args.binary, {"max_per_member": 2}, crowded, second)
    try:
        with procs.Program([*script, MEMBER, CAP], LOAD_CPUS, f"{tmp}/1.out") as one, \
             procs.Program([*script, second, 2], LOAD_CPUS, f"{tmp}/2.out") as two:
            one.wait_until(lambda: loads.listens(MEMBER))
            two.wait_until(lambda: loads.listens(second))
            with quiet_start(tmp, "http") as quiet, crowd_start(tmp, "http") as crowd:
                quiet.wait_until(lambda: loads.listens(LISTEN))
                crowd.wait_until(lambda: loads.listens(crowded))
                outcomes = asyncio.run(moving(args.scale, crowded))
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    print("| | while nobody waits | while others wait |", "|---|---|---|", sep="\n")
    for name in ("download", "upload", "stream", "poll"):
        print(f"| {name} | {outcomes[name]} | {outcomes.get(f'{name}, others wait', '–')} |")
    print(f"\n{outcomes['waiters']}", flush=True)
    return any(v.startswith("cut") for v in outcomes.values())


async def moving(scale, crowded):
    runs = {"download": download(LISTEN, scale), "upload": upload(LISTEN, scale), "stream": stream(LISTEN, scale),
            "poll": poll(LISTEN, scale), "download, others wait": download(crowded, scale),
            "upload, others wait": upload(crowded, scale)}
    tasks = {name: asyncio.create_task(outcome(name, run)) for name, run in runs.items()}
    await asyncio.sleep(1)  # the moving ones have their links
    counts = {"answered": 0, "refused": 0}
    crowd = [asyncio.create_task(waiter(crowded, n, counts)) for n in range(10)]
    outcomes = {name: await task for name, task in tasks.items()}
    for task in crowd:
        task.cancel()
    outcomes["waiters"] = f"Of those who waited {counts['answered']} were answered and {counts['refused']} told to come back."
    return outcomes


async def outcome(name, run):
    begin = time.monotonic()
    try:
        said = await run
    except (OSError, EOFError, ValueError) as e:
        said = f"cut after {time.monotonic() - begin:.0f} s: {type(e).__name__} {e}"[:120]
    print(f"{name}: {said}", file=sys.stderr, flush=True)
    return said


async def head(loop, sock):
    """The head of an answer of 200, and what came behind it."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = await loop.sock_recv(sock, 1024)
        if not more:
            raise EOFError("closed before an answer")
        got += more
    first, _, rest = got.partition(b"\r\n\r\n")
    if b" 200 " not in first.split(b"\r\n")[0]:
        raise ValueError(first.split(b"\r\n")[0].decode())
    return rest


async def download(port, scale):
    loop, total, begin = asyncio.get_running_loop(), int(DOWNLOAD * scale), time.monotonic()
    sock = await hostages.connect("127.46.0.1", port, narrow=True)
    with sock:
        await loop.sock_sendall(sock, hostages.request("http", f"big/{total}"))
        got = len(await head(loop, sock))
        while got < total:
            await asyncio.sleep(begin + got / DOWNLOAD_RATE - time.monotonic())
            more = len(await loop.sock_recv(sock, min(5000, total - got)))
            if not more:
                raise EOFError(f"{got} of {total} bytes")
            got += more
    return f"whole: {total / 1e6:.0f} MB in {time.monotonic() - begin:.0f} s"


async def upload(port, scale):
    loop, total, begin, sent = asyncio.get_running_loop(), int(UPLOAD * scale), time.monotonic(), 0
    sock = await hostages.connect("127.46.0.2", port)
    with sock:
        await loop.sock_sendall(sock, hostages.post(f"Content-Length: {total}"))
        while sent < total:
            await asyncio.sleep(begin + sent / UPLOAD_RATE - time.monotonic())
            piece = hostages.PIECE[:total - sent]
            await loop.sock_sendall(sock, piece)
            sent += len(piece)
        if await head(loop, sock) != str(total).encode():
            raise ValueError("another length")
    return f"whole: {total / 1e6:.0f} MB in {time.monotonic() - begin:.0f} s"


async def stream(port, scale):
    loop, begin, got = asyncio.get_running_loop(), time.monotonic(), 0
    sock = await hostages.connect("127.46.0.3", port)
    with sock:
        await loop.sock_sendall(sock, hostages.request("http", "events"))
        await head(loop, sock)
        while time.monotonic() - begin < STREAM * scale:
            more = len(await loop.sock_recv(sock, 65536))
            if not more:
                raise EOFError(f"after {got} bytes")
            got += more
    return f"open for {time.monotonic() - begin:.0f} s, {got / 1000:.0f} kB"


async def poll(port, scale):
    loop, begin = asyncio.get_running_loop(), time.monotonic()
    sock = await hostages.connect("127.46.0.4", port)
    with sock:
        await loop.sock_sendall(sock, hostages.request("http", f"wait/{POLL * scale}"))
        await head(loop, sock)
    return f"answered after {time.monotonic() - begin:.0f} s"


async def waiter(port, number, counts):
    loop = asyncio.get_running_loop()
    while True:
        try:
            with await hostages.connect(f"127.47.0.{number + 1}", port) as sock:
                await loop.sock_sendall(sock, hostages.request("http", "wait/0.02"))
                await head(loop, sock)
                counts["answered"] += 1
        except (OSError, EOFError, ValueError):
            counts["refused"] += 1
            await asyncio.sleep(0.1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"kinds of attackers: {' '.join(hostages.KINDS)} (all)")
    parser.add_argument("--seconds", type=float, default=10, help="how long the honest ask")
    parser.add_argument("--sources", default="one,each", help="one address for all attackers, or one for each")
    parser.add_argument("--only", default="", help="variants whose name holds one of these words, with commas")
    parser.add_argument("--long", action="store_true", help="an hour of those who move, instead of the matrix")
    parser.add_argument("--scale", type=float, default=1, help="part of that hour")
    parser.add_argument("--from", dest="kept", nargs="+", help="print the table of these records, and measure nothing")
    parser.add_argument("--json", help="write all records there")
    parser.add_argument("--binary", default=os.environ.get("PENSTOCK_BIN", "target/release/penstock"))
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in hostages.KINDS]
    if unknown:
        parser.error(f"no kind {unknown[0]}")
    args.names = args.names or list(hostages.KINDS)
    args.binary = os.path.abspath(args.binary)
    return args


def main():
    args = arguments()
    if args.kept:
        return print(tables(kept(args.kept)))
    procs.own_network()
    procs.set_up(LOAD_CPUS)
    print(f"Linux {platform.release()}; {args.seconds:g} s each; {hostages.ATTACKERS} attackers\n", flush=True)
    return sys.exit(long(args) if args.long else matrix(args))


if __name__ == "__main__":
    main()
