// node-redis in RESP3 against the server at the port given, in what needs pushes and connections of
// its own: the client-side cache, WATCH in a pool, iterators, blocking pops.
// Usage: node_redis_cache.mjs PORT. Fails by throwing.
import assert from "node:assert/strict";
import {
  BasicClientSideCache,
  createClient,
  createClientPool,
  defineScript,
  WatchError,
} from "redis";

const socket = { port: Number(process.argv[2]), reconnectStrategy: false };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition) {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await sleep(5);
  }
  assert.fail(`never: ${what}`);
}

const writer = await createClient({ RESP: 3, socket }).connect();

// How often the server was asked.
async function calls(command) {
  const stats = await writer.info("commandstats");
  return Number(stats.match(`cmdstat_${command}:calls=(\\d+)`)?.[1] ?? 0);
}

await writer.configResetStat();
// What the cache holds is served without asking, and a change by anybody takes it out.
const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: "LRU" });
const reader = await createClient({ RESP: 3, socket, clientSideCache: cache }).connect();
await writer.set("a", "1");
await writer.hSet("h", { f: "1", g: "2" });
await writer.zAdd("z", { score: 1, value: "m" });
for (let i = 0; i < 100; i++) {
  assert.equal(await reader.get("a"), "1");
  assert.deepEqual({ ...(await reader.hGetAll("h")) }, { f: "1", g: "2" });
  assert.deepEqual(await reader.zRange("z", 0, -1), ["m"]);
}
assert.equal(await calls("get"), 1);
assert.equal(await calls("hgetall"), 1);
assert.equal(await calls("zrange"), 1);
const script = "redis.call('SET', KEYS[1], 'by script')";
const changes = [
  ["a", () => reader.get("a"), () => writer.append("a", "2"), "12"],
  ["a", () => reader.get("a"), () => writer.del("a"), null],
  ["a", () => reader.get("a"), () => writer.multi().set("a", "3").incr("a").exec(), "4"],
  ["a", () => reader.get("a"), () => writer.pExpire("a", 30), null],
  ["h", () => reader.hGet("h", "f"), () => writer.hIncrBy("h", "f", 9), "10"],
  ["z", () => reader.zCard("z"), () => writer.zPopMin("z"), 0],
  ["s", () => reader.sMembers("s"), () => writer.sAdd("s", ["x"]), ["x"]],
  ["e", () => reader.get("e"), () => writer.eval(script, { keys: ["e"] }), "by script"],
  ["r", () => reader.get("r"), () => writer.rename("e", "r"), "by script"],
  ["r", () => reader.get("r"), () => writer.flushAll(), null],
];
for (const [key, read, change, wanted] of changes) {
  await read();
  await change();
  await until(`the new value of ${key}`, async () => {
    const value = await read();
    try {
      assert.deepEqual(value, wanted);
      return true;
    } catch {
      return false;
    }
  });
}
// Never older than what the writer was told to be done and the reader has heard of.
for (let i = 0; i < 200; i++) {
  await writer.set("count", i);
  await until("the count", async () => Number(await reader.get("count")) === i);
}
assert.ok(cache.stats().hitCount >= 297);
await reader.close();

// Optimistic counters in a pool of connections.
const pool = await createClientPool({ RESP: 3, socket }, { minimum: 4, maximum: 8 }).connect();
let conflicts = 0;
await Promise.all(
  Array.from({ length: 100 }, async () => {
    for (;;) {
      try {
        await pool.execute(async (client) => {
          await client.watch("watched");
          const now = Number((await client.get("watched")) ?? 0);
          await client.multi().set("watched", now + 1).exec();
        });
        return;
      } catch (error) {
        if (!(error instanceof WatchError)) throw error;
        conflicts++;
      }
    }
  })
);
assert.equal(await writer.get("watched"), "100");
assert.ok(conflicts > 0, "nothing was contended");
await pool.close();

// Iterators.
const members = Array.from({ length: 2000 }, (_, i) => `m${i}`);
const multi = writer.multi();
for (const member of members) {
  multi.set(`key:${member}`, member).sAdd("set", member).hSet("hash", member, "v");
  multi.zAdd("zset", { score: 0.5, value: member });
}
assert.equal((await multi.exec()).length, 8000);
async function all(iterator, pick) {
  const found = new Set();
  for await (const page of iterator) page.forEach((each) => found.add(pick(each)));
  return [...found].sort();
}
const sorted = [...members].sort();
const pages = { COUNT: 100 };
const keys = writer.scanIterator({ MATCH: "key:*", ...pages });
assert.deepEqual(await all(keys, (key) => key.slice(4)), sorted);
assert.deepEqual(await all(writer.sScanIterator("set", pages), (m) => m), sorted);
assert.deepEqual(await all(writer.hScanIterator("hash", pages), ({ field }) => field), sorted);
assert.deepEqual(await all(writer.zScanIterator("zset", pages), ({ value }) => value), sorted);
assert.deepEqual(await all(writer.scanIterator({ TYPE: "zset" }), (key) => key), ["zset"]);

// Replies of types that only RESP3 has.
assert.deepEqual(await writer.zRangeWithScores("zset", 0, 0), [{ value: "m0", score: 0.5 }]);
assert.deepEqual({ ...(await writer.hGetAll("nothing")) }, {});
assert.equal(await writer.zScore("zset", "absent"), null);
assert.deepEqual(new Set(await writer.sInter(["set"])), new Set(members));
assert.equal(await writer.incrByFloat("float", 0.1), "0.1");

// Blocking pops, with the pops in the order of the waiting.
const waiting = [];
const poppers = await Promise.all(
  Array.from({ length: 5 }, () => createClient({ RESP: 3, socket }).connect())
);
for (const popper of poppers) {
  waiting.push(popper.blPop("list", 0));
  const blocked = waiting.length;
  await until("it waits", async () =>
    (await writer.info("clients")).includes(`blocked_clients:${blocked}\r\n`)
  );
}
await writer.rPush("list", ["0", "1", "2", "3", "4"]);
const popped = (await Promise.all(waiting)).map(({ element }) => element);
assert.deepEqual(popped, ["0", "1", "2", "3", "4"]);
assert.equal(await poppers[0].bzPopMax("nothing", 0.05), null);

// Streams with a group, and a script of the client's own.
await writer.xGroupCreate("stream", "g", "$", { MKSTREAM: true });
const ids = [];
for (let i = 0; i < 10; i++) ids.push(await writer.xAdd("stream", "*", { i: `${i}` }));
const options = { COUNT: 4, BLOCK: 100 };
const read = await poppers[0].xReadGroup("g", "one", { key: "stream", id: ">" }, options);
assert.deepEqual(read["stream"].map(([id]) => id), ids.slice(0, 4)); // RESP3: as it came
assert.equal(await writer.xAck("stream", "g", ids.slice(0, 3)), 3);
const pending = await writer.xPending("stream", "g");
assert.deepEqual([pending.pending, pending.firstId], [1, ids[3]]);
const claimed = await writer.xAutoClaim("stream", "g", "two", 0, "0-0");
assert.deepEqual(claimed.messages.map(({ id, message }) => [id, message.i]), [[ids[3], "3"]]);
assert.equal((await writer.xInfoStream("stream")).length, 10);
assert.equal((await writer.xInfoGroups("stream"))[0].lag, 6);
await Promise.all(poppers.map((popper) => popper.close()));

const scripted = await createClient({
  RESP: 3,
  socket,
  scripts: {
    add: defineScript({
      NUMBER_OF_KEYS: 1,
      SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
      parseCommand(parser, key, by) {
        parser.pushKey(key);
        parser.push(`${by}`);
      },
      transformReply: (reply) => reply,
    }),
  },
}).connect();
assert.equal(await scripted.add("scripted", 3), 3); // EVALSHA, told NOSCRIPT, EVAL
assert.equal(await scripted.add("scripted", 4), 7);
await scripted.close();
await writer.flushAll();
assert.equal(await writer.dbSize(), 0);
await writer.close();
console.log("node_redis_cache.mjs: ok");
