"""aiohttp through the proxy: with_aiohttp.py HOST:PORT many|bodies|hints|websocket. Says how many requests were made."""

import asyncio
import sys

import aiohttp

BASE = "http://" + sys.argv[1]
CONNECTIONS = 20


def pattern(count):
    return bytes(at % 251 for at in range(count))


async def many(session):
    """Each of fifty asks twenty times, over twenty connections together."""

    async def one(number):
        for at in range(20):
            async with session.get(f"{BASE}/echo?{number}-{at}") as answer:
                assert (await answer.json())["target"] == f"/echo?{number}-{at}"

    await asyncio.gather(*(one(number) for number in range(50)))
    return 50 * 20


async def bodies(session):
    async def parts():
        for size in (1, 2000, 70_000, 300_000):
            yield pattern(size)

    expected = b"".join([part async for part in parts()])

    async def one():
        async with session.post(BASE + "/echo", data=parts()) as answer:
            assert await answer.read() == expected
        async with session.put(BASE + "/echo", data=pattern(500_000), expect100=True) as answer:
            assert await answer.read() == pattern(500_000)
        async with session.post(BASE + "/add", json={"args": [2, 3]}) as answer:
            assert await answer.json() == {"result": 5}
        async with session.get(BASE + "/chunked/200000") as answer:
            assert await answer.read() == pattern(200_000)

    await asyncio.gather(*(one() for _ in range(11)))
    return 11 * 4


async def hints(session):
    async def one():
        async with session.get(BASE + "/early") as answer:
            assert (answer.status, await answer.text()) == (200, "after the early hints\n")

    await asyncio.gather(*(one() for _ in range(10)))
    return 10


async def websocket(session):
    async def one():
        async with session.ws_connect(BASE + "/websocket", protocols=("a", "b")) as socket:
            assert socket.protocol == "a"
            for at in range(100):
                await socket.send_bytes(pattern(at * 101))
                assert await socket.receive_bytes() == pattern(at * 101)
                await socket.send_str("ö" * at)
                assert await socket.receive_str() == "ö" * at
            await socket.close(code=1000)
            assert socket.close_code == 1000, socket.close_code

    await asyncio.gather(*(one() for _ in range(5)))
    return 5


async def main():
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=90)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        parts = {"many": many, "bodies": bodies, "hints": hints, "websocket": websocket}
        print(await parts[sys.argv[2]](session), "requests")


asyncio.run(main())
