// node-redis with its defaults, which are RESP3: values, transactions, blocking commands, subscriptions, many clients.
// In: host and port, and where its modules are. Out: `ok`, or an error.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const { createClient } = createRequire(process.env.MODULES + '/')('redis');
const [host, port] = process.argv[2].split(':');
const connect = (more = {}) => createClient({ socket: { host, port: Number(port), connectTimeout: 60_000 }, ...more }).connect();

const one = await connect();
one.on('error', (error) => { throw error; });
const hello = await one.sendCommand(['HELLO']);
assert.equal(Number(hello.proto ?? hello[hello.indexOf('proto') + 1]), 3);

await one.del(['h', 's', 'z', 'k', 'l']);
await one.hSet('h', { f: 'v', g: 'w' });
assert.deepEqual({ ...(await one.hGetAll('h')) }, { f: 'v', g: 'w' });
await one.sAdd('s', ['a', 'b']);
assert.deepEqual([...(await one.sMembers('s'))].sort(), ['a', 'b']);
await one.zAdd('z', { score: 1.5, value: 'm' });
assert.equal(await one.zScore('z', 'm'), 1.5);
assert.equal(await one.get('none'), null);
await one.set('k', 'x'.repeat(300_000));
assert.equal((await one.get('k')).length, 300_000);
await assert.rejects(one.incr('k'));
assert.deepEqual(await one.multi().set('n', '0').incr('n').get('n').exec(), ['OK', 1, '1']);
await one.rPush('l', '1');
const blocked = await connect({ name: 'me' });
assert.deepEqual({ ...(await blocked.blPop('l', 5)) }, { key: 'l', element: '1' });

// RESP3: who has subscribed may go on with other commands.
const heard = await connect();
const message = new Promise((resolve) => { heard.subscribe('c', (text) => resolve(text)).then(() => one.publish('c', 'x')); });
assert.equal(await message, 'x');
assert.equal(await heard.get('n'), '1');
await heard.unsubscribe('c');

const many = await Promise.all(Array.from({ length: 16 }, (_, i) => connect(i % 2 ? {} : { RESP: 2 })));
await Promise.all(many.map(async (client, i) => {
  for (let round = 0; round < 50; round++) {
    await client.hSet(`h${i}`, { n: i, r: round });
    assert.deepEqual({ ...(await client.hGetAll(`h${i}`)) }, { n: `${i}`, r: `${round}` });
  }
}));
for (const client of [one, blocked, heard, ...many]) await client.close();
console.log('ok');
