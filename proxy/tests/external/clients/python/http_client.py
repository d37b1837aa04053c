"""http.client through the proxy: http_client.py HOST:PORT kept|old. Says how many requests were made."""

import http.client
import sys

host, port = sys.argv[1].rsplit(":", 1)
connection = http.client.HTTPConnection(host, int(port), timeout=60)
requests = 0
addresses = set()


def pattern(count):
    return bytes(at % 251 for at in range(count))


def ask(method, target, body=None, status=200, **more):
    """The content of the answer, and the answer."""
    global requests
    connection.request(method, target, body, **more)
    requests += 1
    addresses.add(connection.sock.getsockname())
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == status, (method, target, answer.status, content)
    return content, answer


def kept():
    for _ in range(200):
        assert ask("GET", "/hello")[0] == b"Hello, World!"
    assert ask("GET", "/bytes/1000003")[0] == pattern(1000003)
    assert ask("GET", "/chunked/300001")[0] == pattern(300001)
    content, answer = ask("HEAD", "/bytes/77")
    assert (content, answer.getheader("Content-Length")) == (b"", "77")
    assert ask("POST", "/echo", pattern(100_000))[0] == pattern(100_000)
    # A generator has no length: it goes in chunks.
    assert ask("PUT", "/echo", (pattern(size) for size in (1, 2000, 70_000)))[0] == b"".join(
        pattern(size) for size in (1, 2000, 70_000)
    )
    assert ask("GET", "/status/204", status=204)[0] == b""
    assert ask("GET", "/status/304", status=304)[0] == b""
    assert ask("GET", "/nowhere", status=404)[0] == b"no such route\n"
    assert ask("GET", "/trailers")[0] == b"a body in two chunks, and trailers behind it\n"
    assert len(addresses) == 1, f"{len(addresses)} connections"


def old():
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"
    for target, count in (("/bytes/5000", 5000), ("/chunked/5000", 5000), ("/until-close/5000", 5000)):
        content, answer = ask("GET", target)
        assert content == pattern(count), target
        assert answer.getheader("Transfer-Encoding") is None, "HTTP/1.0 knows no chunks"
    assert ask("POST", "/echo", b"some content")[0] == b"some content"
    assert len(addresses) == 4, "nobody asked to keep them"


{"kept": kept, "old": old}[sys.argv[2]]()
connection.close()
print(requests, "requests")
