// Node's own http through the proxy: with_http.mjs HOST:PORT trailers|hints|kept. Says how many requests were made.
import assert from "node:assert/strict";
import http from "node:http";

const [, , address, part] = process.argv;
const [host, port] = address.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 3 });

// The answer with its content; `send` writes what there is to be written.
function ask(path, options = {}, send = (request) => request.end()) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, path, agent, ...options });
    const hints = [];
    request.on("information", ({ statusCode, headers }) => hints.push([statusCode, headers.link]));
    request.on("error", reject);
    request.on("response", async (answer) => {
      const parts = await answer.toArray();
      resolve({ answer, hints, text: Buffer.concat(parts).toString() });
    });
    send(request);
  });
}

async function trailers() {
  const down = await ask("/trailers", { headers: { TE: "trailers", Connection: "TE, keep-alive" } });
  assert.equal(down.text, "a body in two chunks, and trailers behind it\n");
  assert.deepEqual(down.answer.rawTrailers, ["X-Fnv", "e03293cb76ae880f", "X-Part", "one", "X-Part", "two"]);
  const options = { method: "POST", headers: { Trailer: "X-A", "Transfer-Encoding": "chunked" } };
  const up = await ask("/trailers", options, (request) => {
    request.write("some content");
    request.addTrailers({ "X-A": "b", "X-C": "d" });
    request.end();
  });
  assert.deepEqual(JSON.parse(up.text), { trailers: [["X-A", "b"], ["X-C", "d"]] });
  return 2;
}

async function hints() {
  const { text, hints } = await ask("/early");
  assert.equal(text, "after the early hints\n");
  assert.deepEqual(hints, [[103, "</style.css>; rel=preload; as=style"]]);
  return 1;
}

async function kept() {
  const one = async (n) => assert.equal(JSON.parse((await ask(`/echo?${n}`)).text).target, `/echo?${n}`);
  await Promise.all(Array.from({ length: 300 }, (_, n) => one(n)));
  return 300;
}

console.log(`${await { trailers, hints, kept }[part]()} requests`);
agent.destroy();
