// undici through the proxy: with_undici.mjs HOST:PORT pipelined|mixed|oddities|websocket. Says how many requests were made.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { Client, Pool, WebSocket } = createRequire(`${process.env.MODULES}/`)("undici");
const [, , address, part] = process.argv;
const origin = `http://${address}`;

const pattern = (count) => Buffer.from(Uint8Array.from({ length: count }, (_, at) => at % 251));
const bytes = async (body) => Buffer.from(await body.arrayBuffer());

async function pipelined() {
  const client = new Client(origin, { pipelining: 10 });
  // What is blocking, as requests are by themselves, has undici wait for the head of its answer.
  const one = async (n) => {
    const { statusCode, body } = await client.request({ path: `/echo?${n}`, method: "GET", blocking: false });
    assert.equal(statusCode, 200);
    assert.equal((await body.json()).target, `/echo?${n}`);
  };
  await Promise.all(Array.from({ length: 1000 }, (_, n) => one(n)));
  await client.close();
  return 1000;
}

async function mixed() {
  const pool = new Pool(origin, { connections: 4, pipelining: 10 });
  const kinds = [
    async (n) => {
      const { body } = await pool.request({ path: `/bytes/${n * 31}`, method: "GET" });
      assert.deepEqual(await bytes(body), pattern(n * 31));
    },
    async (n) => {
      const { body } = await pool.request({ path: "/echo", method: "PUT", body: pattern(n) });
      assert.deepEqual(await bytes(body), pattern(n));
    },
    async (n) => {
      // Without a length it goes in chunks.
      const parts = async function* () {
        yield pattern(n + 1);
        yield pattern(50_000);
      };
      const { body } = await pool.request({ path: "/echo", method: "POST", body: parts() });
      assert.deepEqual(await bytes(body), Buffer.concat([pattern(n + 1), pattern(50_000)]));
    },
    // No HEAD: undici closes the connection after each.
    async () => {
      const { statusCode, body } = await pool.request({ path: "/status/204", method: "GET" });
      assert.deepEqual([statusCode, await body.text()], [204, ""]);
    },
  ];
  await Promise.all(Array.from({ length: 400 }, (_, n) => kinds[n % kinds.length](n)));
  await pool.close();
  return 400;
}

async function oddities() {
  const client = new Client(origin);
  const { body, trailers } = await client.request({ path: "/trailers", method: "GET" });
  assert.equal(await body.text(), "a body in two chunks, and trailers behind it\n");
  assert.equal(trailers["x-fnv"], "e03293cb76ae880f");
  assert.deepEqual([trailers["x-part"]].flat().join(), "one,two");
  const seen = [];
  const early = await client.request({
    path: "/early",
    method: "GET",
    onInfo: ({ statusCode, headers }) => seen.push(statusCode, headers.link),
  });
  assert.equal(await early.body.text(), "after the early hints\n");
  assert.deepEqual(seen, [103, "</style.css>; rel=preload; as=style"]);
  await client.close();
  return 2;
}

function websocket() {
  const one = () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${address}/websocket`, ["a", "b"]);
      socket.binaryType = "arraybuffer";
      let at = 0;
      const send = () => (at < 100 ? socket.send(pattern(at * at * 3)) : socket.close(1000, "enough"));
      socket.onopen = send;
      socket.onmessage = ({ data }) => {
        assert.deepEqual(Buffer.from(data), pattern(at * at * 3));
        at += 1;
        send();
      };
      socket.onerror = ({ error }) => reject(error);
      socket.onclose = ({ code, wasClean }) => {
        assert.deepEqual([at, code, wasClean, socket.protocol], [100, 1000, true, "a"]);
        resolve();
      };
    });
  return Promise.all([one(), one(), one()]).then(() => 3);
}

const made = await { pipelined, mixed, oddities, websocket }[part]();
console.log(`${made} requests`);
process.exit(0);
