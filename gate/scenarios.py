"""What is asked and answered, in lockstep: the bytes of both sides, in the same order each time."""
import dataclasses
import fcntl
import socket
import struct
import time
import typing

SIOCOUTQNSD = 0x894B  # linux/sockios.h

CONFIG = """admin: off
workers: 1
listeners:
  web: {{ bind: "127.0.0.1:{port}", protocol: %s, backend: app, socket: {{ send_buffer: 1MiB, receive_buffer: 1MiB }} }}
backends:
  app:
    %s
    socket: {{ send_buffer: 1MiB, receive_buffer: 1MiB }}
    members: {{ a: "127.0.0.1:{member}" }}
"""
HTTP = CONFIG % ("http", "links: {{ pipeline: 32, max_per_member: 1 }}")

GET = b"GET /hello HTTP/1.1\r\nHost: gate\r\nUser-Agent: gate\r\nAccept: */*\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\nHello, this is what you get."
LARGE = 64 << 10
DOWN = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + b"d" * LARGE
UP = b"POST /up HTTP/1.1\r\nHost: gate\r\nContent-Length: %d\r\n\r\n" % LARGE + b"u" * LARGE


class Member:
    """A listening socket and the connection that came: there may be one link."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]
        self.link = None
        return self

    def __exit__(self, *_):
        if self.link:
            self.link.close()
        self.listener.close()

    def accept(self):
        self.link, _ = self.listener.accept()
        tune(self.link)
        return self.link


class Peers:
    """The clients of a proxy and its member, in one hand."""

    def __init__(self, proxy, port, member, clients):
        self.proxy, self.port, self.member, self.clients = proxy, port, member, []
        for _ in range(clients):
            self.connect()

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), 60)
        tune(client)
        self.clients.append(client)

    def link(self):
        """The connection to the member; it comes with the first request."""
        return self.member.link or self.member.accept()

    def close(self):
        for client in self.clients:
            client.close()


def tune(conn):
    conn.settimeout(60)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # always there, and paces nothing
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)


def send_at_once(proxy, *messages):
    """Sends bytes to a proxy that stands still, so that it finds all of them together."""
    proxy.stop()
    for conn, message in messages:
        conn.sendall(message)
    for conn, _ in messages:
        while unsent(conn) > 0:
            time.sleep(0.0001)
    proxy.go_on()


def unsent(conn):
    """Bytes that the kernel has yet to send."""
    return struct.unpack("i", fcntl.ioctl(conn, SIOCOUTQNSD, bytes(4)))[0]


def more(conn):
    """Bytes that have come, at least one."""
    part = conn.recv(1 << 20)
    if not part:
        raise SystemExit("gate: a connection was closed in the middle of a scenario")
    return part


def read(conn, count):
    """So many bytes."""
    got = 0
    while got < count:
        got += len(more(conn))


def read_heads(conn, least):
    """At least so many requests without a body; returns how many it was."""
    kept = b""
    while kept.count(b"\r\n\r\n") < least:
        kept += more(conn)
    return kept.count(b"\r\n\r\n")


def read_message(conn, first_line):
    """A request or an answer that begins so, and its body, whose length it tells."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += more(conn)
    head, _, body = head.partition(b"\r\n\r\n")
    if not head.startswith(first_line):
        raise SystemExit(f"gate: not {first_line!r}: {head!r}")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    read(conn, int(length.split()[1]) - len(body))


def read_answer(conn):
    read_message(conn, b"HTTP/1.1 200 ")


# ---- the scenarios

def get(peers, client=0):
    peers.clients[client].sendall(GET)
    read_heads(peers.link(), 1)
    peers.link().sendall(HELLO)
    read_answer(peers.clients[client])


def get_by_the_last(peers):
    get(peers, -1)


def get_pipelined(peers):
    """All ask at once; their requests share a link, and are answered together: all of them, once the depth has been learned."""
    send_at_once(peers.proxy, *[(client, GET) for client in peers.clients])
    answered = 0
    while answered < len(peers.clients):
        count = read_heads(peers.link(), 1)
        peers.link().sendall(HELLO * count)
        answered += count
    for client in peers.clients:
        read_answer(client)


def down(peers):
    peers.clients[0].sendall(GET)
    read_heads(peers.link(), 1)
    send_at_once(peers.proxy, (peers.link(), DOWN))
    read_answer(peers.clients[0])


def up(peers):
    send_at_once(peers.proxy, (peers.clients[0], UP))
    read_message(peers.link(), b"POST ")
    peers.link().sendall(HELLO)
    read_answer(peers.clients[0])


def relay(peers):
    word = b"x" * 1024
    peers.clients[0].sendall(word)
    read(peers.link(), len(word))
    peers.link().sendall(word)
    read(peers.clients[0], len(word))


def resp(peers):
    asked, answer = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", b"$5\r\nvalue\r\n"
    peers.clients[0].sendall(asked)
    read(peers.link(), len(asked))
    peers.link().sendall(answer)
    read(peers.clients[0], len(answer))


@dataclasses.dataclass
class Scenario:
    config: str
    clients: int
    requests: int            # in a round
    rounds: tuple[int, int]  # a short and a long run
    play: typing.Callable
    tolerance: float = 0.01  # of instructions
    repeats: int = 1         # the median of so many measurements


# When the kernel says that a large write has left, and so how often the proxy wakes for it, is up to its pacing: single
# measurements differ by 4 %. One copy more would be 12 %.
LARGE_BODY = (0.08, 3)
IDLE_CLIENT = Scenario(HTTP, 0, 1, (0, 0), get_by_the_last)
SCENARIOS = {
    "http-get": Scenario(HTTP, 1, 1, (500, 2500), get),
    "http-get-pipelined": Scenario(HTTP, 16, 16, (50, 250), get_pipelined),
    "http-64k-down": Scenario(HTTP, 1, 1, (200, 1000), down, *LARGE_BODY),
    "http-64k-up": Scenario(HTTP, 1, 1, (200, 1000), up, *LARGE_BODY),
    "tcp-relay": Scenario(CONFIG % ("tcp", "links: {{ max_per_member: 64 }}"), 1, 1, (500, 2500), relay),
    "resp-get": Scenario(CONFIG % ("resp", "links: {{ max_per_member: 1 }}"), 1, 1, (500, 2500), resp),
}
