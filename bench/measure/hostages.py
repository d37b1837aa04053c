#!/usr/bin/env python3
"""Both sides of `defence.py`: a member that counts its connections, and attackers that take links and do nothing.

In: `hostages.py member SPEAKS PORT CAP`, or `hostages.py attack KIND one|each PORT`. Out: a member that tells on PORT + 1
how many connections there were at once, or 200 attackers, until they are killed. Knows nothing of proxies.
"""
import asyncio
import json
import socket
import struct
import sys
import time

ATTACKERS = 200
SLOW, COMMENT = 25, 0.2
PIECE = b"x" * 65536
# kind -> what is spoken
KINDS = {
    "slow_post": "http", "stalled_post": "http", "stalled_100k": "http", "stalled_10m": "http",
    "stalled_chunk": "http", "stalled_expect": "http", "slow_reader": "http", "no_reader": "http",
    "gone_events": "http", "gone_events_rst": "http", "gone_slow": "http", "gone_slow_rst": "http", "events": "http",
    "half_line": "lines", "half_counted": "length_prefixed", "half_command": "resp", "multi": "resp",
}


# ---- the member

class Member:
    def __init__(self, speaks, port, cap):
        self.speaks, self.port, self.cap = speaks, port, cap
        self.open, self.peak, self.here, self.round = set(), 0, 0, 0

    async def run(self):
        await asyncio.start_server(self.connection, "127.0.0.1", self.port, limit=1 << 20, backlog=4096)
        await asyncio.start_server(self.tell, "127.0.0.1", self.port + 1)
        await asyncio.Event().wait()

    async def tell(self, _, writer):
        writer.write(json.dumps({"peak": self.peak}).encode())
        writer.close()

    async def connection(self, reader, writer):
        mine = (reader, writer)
        self.open.add(mine)
        counting = asyncio.create_task(self.count(self.open.copy()))
        try:
            serve = self.http if self.speaks == "http" else self.frame
            while True:
                await serve(reader, writer)
                await writer.drain()
        except (OSError, EOFError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(mine)
            writer.close()
            await counting

    async def count(self, open_now):
        """Which of those that were open when one came the proxy had closed may be seen a little later only."""
        for _ in range(20):
            if len(open_now) <= self.cap:
                break
            open_now = {(r, w) for r, w in open_now if not r.at_eof() and not w.is_closing()}
            await asyncio.sleep(0.01)
        self.peak = max(self.peak, len(open_now))

    async def http(self, reader, writer):
        line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        fields = dict(f.split(": ", 1) for f in fields if f)
        name, _, number = line.split(" ")[1].strip("/").partition("/")
        if "expect" in fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        sent = await skip_body(reader, fields)
        if name == "events":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"d\r\n: a comment\n\n\r\n")
                await writer.drain()
                await asyncio.sleep(COMMENT)
        if name == "big":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % int(number))
            for at in range(0, int(number), len(PIECE)):
                writer.write(PIECE[:int(number) - at])
                await writer.drain()
            return
        body = str(sent) if name == "upload" else await self.answer(name, number)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body.encode()))

    async def frame(self, reader, writer):
        if self.speaks == "lines":
            text = (await reader.readuntil(b"\n")).decode().strip()
            writer.write(f"{await self.answer(*split(text))}\n".encode())
        elif self.speaks == "length_prefixed":
            text = (await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))).decode()
            body = (await self.answer(*split(text))).encode()
            writer.write(len(body).to_bytes(4, "big") + body)
        else:
            words = await command(reader)
            if words[0] == "MULTI":
                writer.write(b"+OK\r\n")
                while await command(reader) != ["EXEC"]:
                    writer.write(b"+QUEUED\r\n")
                writer.write(b"*0\r\n")
            elif words[0] in ("GET", "MEET"):
                body = await self.answer(*split(words[1]))
                writer.write(f"${len(body)}\r\n{body}\r\n".encode())
            else:
                writer.write(b"-ERR unknown command\r\n")

    async def answer(self, name, rest):
        if name == "slow":
            await asyncio.sleep(SLOW)
        if name == "wait":
            await asyncio.sleep(float(rest))
        if name == "meet" and not await self.meet(int(rest)):
            return "alone"
        return name

    async def meet(self, count):
        """Whether so many are here at once; waits for them a second, so that links are free for the next try."""
        self.here += 1
        if self.here == count:
            self.here, self.round = 0, self.round + 1
            return True
        mine, until = self.round, time.monotonic() + 1
        while self.round == mine and time.monotonic() < until:
            await asyncio.sleep(0.01)
        if self.round == mine:
            self.here -= 1
        return self.round != mine


def split(text):
    name, _, rest = text.partition("/")
    return name, rest


async def skip_body(reader, fields):
    if "transfer-encoding" in fields:
        total = 0
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            total += size
            await skip(reader, size + 2)
        await reader.readuntil(b"\r\n")
        return total
    length = int(fields.get("content-length", 0))
    await skip(reader, length)
    return length


async def skip(reader, count):
    while count:
        got = len(await reader.read(min(count, 1 << 18)))
        if not got:
            raise EOFError
        count -= got


async def command(reader):
    words = []
    for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(length + 2))[:-2].decode())
    return words


# ---- the attackers

def request(speaks, text):
    if speaks == "http":
        return f"GET /{text} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    if speaks == "lines":
        return f"{text}\n".encode()
    if speaks == "length_prefixed":
        return len(text).to_bytes(4, "big") + text.encode()
    return said("GET", text)


def said(*words):
    return (f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)).encode()


def post(fields):
    return f"POST /upload HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n".encode()


async def connect(source, port, narrow=False):
    sock = socket.socket()
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if narrow:  # so that the kernel holds next to nothing
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return sock


async def drained(sock):
    """Reads until the other end has closed."""
    while await asyncio.get_running_loop().sock_recv(sock, 65536):
        pass


STALLED = {
    "stalled_post": ("Content-Length: 1000", 500), "stalled_100k": ("Content-Length: 100000", 50_000),
    "stalled_10m": ("Content-Length: 10000000", 5_000_000), "stalled_expect": ("Content-Length: 1000\r\nExpect: 100-continue", 0),
    "stalled_chunk": ("Transfer-Encoding: chunked", 500),
}


async def attack(kind, source, port):
    loop = asyncio.get_running_loop()
    sock = await connect(source, port, narrow=kind in ("slow_reader", "no_reader"))
    try:
        await act(loop, kind, sock)
    finally:
        sock.close()


async def act(loop, kind, sock):
    if kind == "slow_post":
        await loop.sock_sendall(sock, post("Content-Length: 1000"))
        for _ in range(1000):
            try:
                return await asyncio.wait_for(drained(sock), 5)
            except asyncio.TimeoutError:
                await loop.sock_sendall(sock, b"x")
    elif kind in STALLED:
        fields, sent = STALLED[kind]
        chunk = b"3e8\r\n" if kind == "stalled_chunk" else b""
        await loop.sock_sendall(sock, post(fields) + chunk)
        await loop.sock_sendall(sock, b"x" * sent)
        await drained(sock)
    elif kind in ("slow_reader", "no_reader"):
        await loop.sock_sendall(sock, request("http", "big/10000000"))
        if kind == "no_reader":
            return await asyncio.sleep(30)  # without reading, an end may never be seen
        while await loop.sock_recv(sock, 1024):
            await asyncio.sleep(1)
    elif kind.startswith("gone"):
        await loop.sock_sendall(sock, request("http", "events" if "events" in kind else "slow"))
        try:
            await asyncio.wait_for(drained(sock), 0.3)
        except asyncio.TimeoutError:
            pass
        if kind.endswith("rst"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif kind == "events":
        await loop.sock_sendall(sock, request("http", "events"))
        await drained(sock)
    elif kind == "multi":
        await loop.sock_sendall(sock, said("MULTI"))
        await loop.sock_recv(sock, 100)
        await loop.sock_sendall(sock, said("SET", "key", "value"))
        await drained(sock)
    else:
        whole = request(KINDS[kind], "half of this is not enough")
        await loop.sock_sendall(sock, whole[:len(whole) // 2])
        await drained(sock)


async def attacker(kind, source, port, number):
    await asyncio.sleep(number * 0.002)
    while True:  # who is cut comes back
        try:
            await attack(kind, source, port)
        except OSError:
            pass
        await asyncio.sleep(1 if kind.startswith("gone") else 0.3)


async def attackers(kind, which, port):
    source = (lambda _: "127.40.0.1") if which == "one" else (lambda number: f"127.41.0.{number + 1}")
    await asyncio.gather(*(attacker(kind, source(n), port, n) for n in range(ATTACKERS)))


def main():
    if sys.argv[1] == "member":
        asyncio.run(Member(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])).run())
    else:
        asyncio.run(attackers(sys.argv[2], sys.argv[3], int(sys.argv[4])))


if __name__ == "__main__":
    main()
