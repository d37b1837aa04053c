"""What stands between load and origin: penstock, HAProxy, nutcracker, or nothing.

In: a directory, the origin's port and how to stand there. Out: a running program that listens on LISTEN, or one
record of a load through it. Knows nothing of which loads and origins there are, or of figures.
"""
import json
import os
import shutil
import tempfile

import figures
import loads
import procs
from loads import LISTEN

ADMIN_PORT = 18111
PEERS = os.environ.get("PEERS_DIR", "peers")

HAPROXY = """
global
  nbthread 1
  no strict-limits
  maxconn {most}
  tune.pool-low-fd-ratio 95
  tune.pool-high-fd-ratio 98
defaults
  mode {mode}
  timeout connect 60s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  timeout queue 120s
  maxconn {most}
frontend f
  bind 127.0.0.1:{listen} backlog 65535
  default_backend b
backend b
  balance source
  hash-type consistent
  {options}
  server s0 127.0.0.1:{origin} {server}
"""

NUTCRACKER = """
p:
  listen: 127.0.0.1:{listen}
  hash: fnv1a_64
  distribution: ketama
  redis: true
  preconnect: true
  auto_eject_hosts: false
  timeout: 60000
  backlog: 65535
  server_connections: {connections}
  servers:
   - 127.0.0.1:{origin}:1
"""
MOST_CLIENTS = 12000


def penstock(binary, protocol, links, listener=None, backend=None):
    """One worker; `links` as in config.yaml."""
    def start(tmp, origin, cpus):
        front = {"bind": f"127.0.0.1:{LISTEN}", "protocol": protocol, "backend": "b", **(listener or {})}
        back = {"links": {"idle_timeout": "60s", **links}, "queue": {"max": 20000, "timeout": "120s"},
                "members": {"a": f"127.0.0.1:{origin}"}, **(backend or {})}
        text = json.dumps({"admin": f"127.0.0.1:{ADMIN_PORT}", "workers": 1,  # JSON is YAML too
                           "listeners": {"l": front}, "backends": {"b": back}})
        loads.write(f"{tmp}/penstock.yaml", text)
        argv = [figures.program(binary), "run", "--config", f"{tmp}/penstock.yaml"]
        return listening(procs.Program(argv, cpus, f"{tmp}/penstock.out"))
    return start


def haproxy(mode, options="", server=""):
    def start(tmp, origin, cpus):
        text = HAPROXY.format(mode=mode, options=options, server=server, listen=LISTEN, origin=origin,
                              most=MOST_CLIENTS)
        loads.write(f"{tmp}/haproxy.cfg", text)
        return listening(procs.Program([haproxy_binary(), "-db", "-q", "-f", f"{tmp}/haproxy.cfg"], cpus,
                                       f"{tmp}/haproxy.out"))
    return start


def haproxy_binary():
    return figures.program(os.environ.get("HAPROXY_BIN"), f"{PEERS}/haproxy/haproxy", "haproxy")


def nutcracker(connections):
    def start(tmp, origin, cpus):
        loads.write(f"{tmp}/nutcracker.yml",
                    NUTCRACKER.format(listen=LISTEN, origin=origin, connections=connections))
        argv = [figures.program("nutcracker"), "-c", f"{tmp}/nutcracker.yml", "-o", f"{tmp}/nutcracker.log",
                "-s", ADMIN_PORT, "-a", "127.0.0.1"]
        return listening(procs.Program(argv, cpus, f"{tmp}/nutcracker.out"))
    return start


def listening(program):
    try:
        program.wait_until(lambda: loads.listens(LISTEN))
    except BaseException:
        program.__exit__()
        raise
    return program


def direct(_tmp, _origin, _cpus):
    return Nothing()


class Nothing:
    """In the place of a proxy: costs nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def cpu_ns(self):
        return 0

    def alive(self):
        return True


def port(proxy, origin):
    """Where the load goes."""
    return origin if isinstance(proxy, Nothing) else LISTEN


def measure(start, make_origin, behind, how, cpus, seconds):
    """One record; origin, proxy and load are new each time. `behind` is the origin's port, `cpus` the proxy's and
    the others'."""
    proxy_cpus, load_cpus = cpus
    tmp = tempfile.mkdtemp(prefix="penstock-measure-")
    os.chmod(tmp, 0o755)  # nginx gives up its rights
    try:
        origin = make_origin(tmp)
        with origin.program:
            origin.program.wait_until(origin.ready)
            with start(tmp, behind, proxy_cpus) as proxy:
                origin.to = port(proxy, behind)
                return loads.measure(proxy, origin, how, load_cpus, seconds, tmp)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
