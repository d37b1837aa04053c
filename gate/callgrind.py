"""Runs the proxy under callgrind, or plainly, and reads what a whole run of it cost."""
import dataclasses
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from scenarios import Member, Peers

ALLOCATING = re.compile(r"^_rjem_(malloc|calloc|realloc|mallocx|rallocx|memalign|aligned_alloc|posix_memalign)$")
# Copies of `rep movsb` count as one instruction for each byte, and whether glibc uses it depends on the machine.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1073741824"}
READY = 60  # seconds; valgrind starts slowly on a busy machine


@dataclasses.dataclass
class Costs:
    instructions: float
    allocations: float

    @classmethod
    def of(cls, path):
        """Reads a callgrind file: the total, and the calls of what allocates. A name stands where its number comes first."""
        names, total, allocations, callee = {}, 0, 0, ""
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(("fn=", "cfn=")):
                number, _, name = line.partition("=")[2].partition(" ")
                if name:
                    names[number] = name
                if line.startswith("cfn="):
                    callee = names.get(number, "")
            elif line.startswith("calls="):
                if ALLOCATING.match(callee.partition("'")[0]):
                    allocations += int(line[6:].split()[0])
            elif line.startswith("totals:"):
                total = int(line.split()[1])
        return cls(total, allocations)


class Proxy:
    """A running penstock with this configuration; `with` ends it, and waits until it has ended."""

    def __init__(self, command, config, port):
        self.command, self.config, self.port = command, config, port

    def __enter__(self):
        self.log = open(f"{self.config}.log", "wb")
        command = [*self.command, "run", "-c", self.config]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **ENVIRONMENT})
        for _ in range(READY * 20):
            if listens(self.port):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        raise SystemExit(f"gate: the proxy does not start:\n{pathlib.Path(self.log.name).read_text()}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(READY)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise SystemExit("gate: the proxy does not end after SIGTERM") from None
        finally:
            self.log.close()

    def stop(self):
        """All that is said to it now arrives together."""
        os.kill(self.process.pid, signal.SIGSTOP)
        status = pathlib.Path(f"/proc/{self.process.pid}/stat")
        while status.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.0001)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)


def listens(port):
    """Whether somebody does; asking it by connecting would be a client, and in TCP mode a link."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def program_under_callgrind(program, scenario, rounds, directory, name):
    """Plays so many rounds; returns the path of what callgrind wrote."""
    out = pathlib.Path(directory) / f"{name}.{rounds}.callgrind"
    out.unlink(missing_ok=True)
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program]
    with Member() as member:
        config, port = write_config(directory, f"{name}.{rounds}", scenario, member)
        with Proxy(valgrind, config, port) as proxy:
            peers = Peers(proxy, port, member, scenario.clients)
            for _ in range(rounds):
                scenario.play(peers)
            peers.close()
    return out


def idle_client(program, directory, scenario):
    """What a client costs that has asked once and then says nothing: resident memory, in bytes, without the kernel's."""
    few, many = 1000, 5000
    with Member() as member:
        config, port = write_config(directory, "idle", scenario, member)
        with Proxy([program], config, port) as proxy:
            peers = Peers(proxy, port, member, 0)
            resident = []
            for count in (few, many):
                while len(peers.clients) < count:
                    peers.connect()
                    scenario.play(peers)
                time.sleep(3)  # the allocator gives back what it has to spare
                resident.append(resident_bytes(proxy.process.pid))
            peers.close()
    return round((resident[1] - resident[0]) / (many - few))


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("gate: the kernel does not tell how much memory a process has")


def write_config(directory, name, scenario, member):
    port = free_port()
    path = pathlib.Path(directory) / f"{name}.yaml"
    path.write_text(scenario.config.format(port=port, member=member.port))
    return path, port
