"""redis-py with its defaults, which are RESP3: what an application says, one thread, many, subscribed.
In: host and port. Out: `ok`, or an error."""

import sys
import threading

import redis

HOST, PORT = sys.argv[1], int(sys.argv[2])


def client(**more):
    return redis.Redis(host=HOST, port=PORT, decode_responses=True, socket_timeout=60, **more)


def speaks(one):
    told = one.execute_command("HELLO")
    told = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2]))
    return int(told["proto"])


def values():
    one = client()
    assert speaks(one) == 3, one.execute_command("HELLO")
    one.delete("h", "s", "z", "k", "l")
    one.hset("h", mapping={"f": "v", "g": "w"})
    assert one.hgetall("h") == {"f": "v", "g": "w"}
    one.sadd("s", "a", "b")
    assert one.smembers("s") == {"a", "b"}
    one.zadd("z", {"m": 1.5, "n": 2})
    assert one.zscore("z", "m") == 1.5
    assert [(m, s) for m, s in one.zrange("z", 0, -1, withscores=True)] == [("m", 1.5), ("n", 2.0)]
    assert one.get("none") is None
    assert one.set("k", "x" * 300_000)
    assert len(one.get("k")) == 300_000
    one.rpush("l", "1")
    assert tuple(one.blpop(["l"], timeout=5)) == ("l", "1")
    assert one.config_get("maxmemory-policy")
    try:
        one.incr("k")
        raise AssertionError("not a number")
    except redis.ResponseError:
        pass
    with one.pipeline(transaction=True) as pipe:
        assert pipe.set("n", 0).incr("n").get("n").execute() == [True, 1, "1"]
    named = client(client_name="me")
    assert named.ping()


def changes():
    """Optimistic transactions of several threads: each change is made once."""
    one = client()
    one.set("sum", 0)

    def change(pipe):
        found = int(pipe.get("sum"))
        pipe.multi()
        pipe.set("sum", found + 1)

    def run():
        for _ in range(20):
            one.transaction(change, "sum")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.get("sum") == "80", one.get("sum")


def mixed():
    """Each gets its own values, in its own dialect."""
    failed = []

    def run(number):
        try:
            one = client() if number % 2 else client(protocol=2)
            assert speaks(one) == (3 if number % 2 else 2)
            for round in range(100):
                one.hset(f"h{number}", mapping={"n": number, "r": round})
                assert one.hgetall(f"h{number}") == {"n": str(number), "r": str(round)}
        except BaseException as error:
            failed.append((number, repr(error)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def subscribed():
    one = client()
    heard = one.pubsub()
    heard.subscribe("c")
    assert heard.get_message(timeout=60)["type"] == "subscribe"
    assert one.publish("c", "x") == 1
    message = heard.get_message(timeout=60)
    assert (message["type"], message["data"]) == ("message", "x"), message
    heard.ping()
    heard.unsubscribe("c")
    while (message := heard.get_message(timeout=60))["type"] != "unsubscribe":
        pass
    heard.close()


values()
changes()
mixed()
subscribed()
print("ok")
