"""What stands between load and origin: penstock, and the program of HAProxy.

In: a directory, the origin's port and how to stand there. Out: a running program that listens on LISTEN.
Knows nothing of which loads and origins there are, or of figures.
"""
import json
import os

import figures
import loads
import procs
from loads import LISTEN

ADMIN_PORT = 18111
PEERS = os.environ.get("PEERS_DIR", "peers")


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


def haproxy_binary():
    return figures.program(os.environ.get("HAPROXY_BIN"), f"{PEERS}/haproxy/haproxy", "haproxy")


def listening(program):
    try:
        program.wait_until(lambda: loads.listens(LISTEN))
    except BaseException:
        program.__exit__()
        raise
    return program


