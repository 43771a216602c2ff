// ioredis against the server at the port given, in what applications lean on: commands of their own
// by scripts, automatic pipelines, transactions, streams, keyspace events, iterators, reconnection.
// Usage: ioredis_more.mjs PORT. Fails by throwing.
import assert from "node:assert/strict";
import Redis from "ioredis";

const options = { port: Number(process.argv[2]) };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const redis = new Redis(options);

async function until(what, condition) {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await sleep(5);
  }
  assert.fail(`never: ${what}`);
}

async function calls(command) {
  const line = (await redis.info("commandstats")).match(`cmdstat_${command}:calls=(\\d+)`);
  return Number(line?.[1] ?? 0);
}

// A rate limiter as a command: EVALSHA, and EVAL where the server does not know it.
redis.defineCommand("limit", {
  numberOfKeys: 1,
  lua: `local used = redis.call("INCR", KEYS[1])
        if used == 1 then redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
        if used > tonumber(ARGV[1]) then return {err = "LIMIT reached"} end
        return {used, redis.call("PTTL", KEYS[1])}`,
});
await redis.script("FLUSH");
for (let i = 1; i <= 3; i++) {
  const [used, ttl] = await redis.limit("limiter", 3, 5000);
  assert.equal(used, i);
  assert.ok(ttl > 0 && ttl <= 5000);
}
await assert.rejects(redis.limit("limiter", 3, 5000), { message: "LIMIT reached" });
const prefixed = new Redis({ ...options, keyPrefix: "p:", db: 3 });
prefixed.defineCommand("both", { numberOfKeys: 2, lua: "return redis.call('MGET', unpack(KEYS))" });
await prefixed.mset("a", 1, "b", 2);
assert.deepEqual(await prefixed.both("a", "b"), ["1", "2"]);
assert.deepEqual(await prefixed.keys("p:*"), ["p:a", "p:b"]);
await prefixed.del("a", "b");

// Commands of one turn of the event loop go together.
const auto = new Redis({ ...options, enableAutoPipelining: true });
await auto.ping();
const sums = await Promise.all(Array.from({ length: 2000 }, () => auto.incr("auto")));
assert.deepEqual(sums, Array.from({ length: 2000 }, (_, i) => i + 1));
const mixed = [auto.set("text", "x"), auto.incr("text"), auto.get("text")];
const settled = await Promise.allSettled(mixed);
assert.deepEqual(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);

// Transactions: results, errors among them, WATCH, and what is refused as a whole.
const done = await redis.multi().set("t", "1").incr("t").lpush("t", "x").get("t").exec();
assert.deepEqual([done[1][1], done[3][1]], [2, "2"]);
assert.match(done[2][0].message, /^WRONGTYPE/);
await redis.watch("t");
await auto.incr("t");
assert.equal(await redis.multi().set("t", "lost").exec(), null);
assert.equal(await redis.get("t"), "3");
await assert.rejects(redis.multi().set("t", "1").call("NOSUCH").exec(), /EXECABORT/);
const piped = redis.pipeline();
for (let i = 0; i < 5000; i++) {
  piped.hset("hash", `f${i}`, i).sadd("set", i).zadd("zset", i, `m${i}`);
}
assert.ok((await piped.exec()).every(([error, reply]) => error === null && reply === 1));

// Streams of pages.
async function scanned(stream, step) {
  const found = new Map();
  for await (const page of stream) {
    for (let i = 0; i < page.length; i += step) found.set(page[i], page[i + 1]);
  }
  return found;
}
const fields = await scanned(redis.hscanStream("hash", { count: 200 }), 2);
assert.ok(fields.size === 5000 && [...fields].every(([field, value]) => field === `f${value}`));
assert.equal((await scanned(redis.sscanStream("set", { match: "1*" }), 1)).size, 1111);
const scores = await scanned(redis.zscanStream("zset", { count: 1000 }), 2);
assert.ok(scores.size === 5000 && scores.get("m77") === "77");
const found = await scanned(redis.scanStream({ type: "hash" }), 1);
assert.deepEqual([...found.keys()], ["hash"]);

// Streams with two consumers of a group: each entry goes to one of them, and is done once.
await redis.xgroup("CREATE", "stream", "g", "$", "MKSTREAM");
const handled = [];
const consume = async (name) => {
  const consumer = redis.duplicate();
  for (;;) {
    const reply = await consumer.xreadgroup(
      "GROUP", "g", name, "COUNT", 7, "BLOCK", 5000, "STREAMS", "stream", ">"
    );
    const entries = reply?.[0][1] ?? [];
    for (const [id, [, value]] of entries) {
      if (value === "end") {
        await consumer.xack("stream", "g", id);
        return consumer.quit();
      }
      handled.push(Number(value));
      await consumer.xack("stream", "g", id);
    }
  }
};
const consumers = [consume("one"), consume("two")];
for (let i = 0; i < 300; i++) await auto.xadd("stream", "MAXLEN", "~", 1000, "*", "i", i);
await until("the entries", () => handled.length === 300);
await auto.xadd("stream", "*", "i", "end");
await Promise.race(consumers); // one took it, so the next is for the other
await auto.xadd("stream", "*", "i", "end");
await Promise.all(consumers);
assert.deepEqual(handled.sort((a, b) => a - b), Array.from({ length: 300 }, (_, i) => i));
assert.deepEqual(await redis.xpending("stream", "g"), [0, null, null, null]);
assert.equal(await redis.xlen("stream"), 302);

// Keyspace events, binary-safe messages.
await redis.config("SET", "notify-keyspace-events", "Exg$lz");
const listener = redis.duplicate();
const events = [];
listener.on("pmessage", (_, channel, key) => events.push(`${channel.split(":")[1]} ${key}`));
await listener.psubscribe("__keyevent@0__:*");
await redis.set("k", "v");
await redis.rename("k", "l");
await redis.lpush("q", 1, 2);
await redis.rpoplpush("q", "q2");
await redis.zadd("zz", 1, "m");
await redis.set("short", "v", "PX", 20);
await redis.del("l");
const wanted = [
  "set k", "rename_from k", "rename_to l", "lpush q", "rpop q", "lpush q2", "zadd zz",
  "set short", "expire short", "del l", "expired short",
];
await until("the events", () => events.length >= wanted.length);
assert.deepEqual([...events].sort(), [...wanted].sort());
await redis.config("SET", "notify-keyspace-events", "");
const messages = [];
listener.on("messageBuffer", (channel, message) => messages.push(message));
await listener.subscribe("binary");
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
assert.equal(await redis.publish("binary", bytes), 1);
await until("the message", () => messages.length === 1);
assert.ok(bytes.equals(messages[0]));

// Clients whose connections are killed come back, subscribe again, and send again what had no reply.
const id = await auto.client("ID");
const blocked = auto.duplicate();
const blockedId = await blocked.client("ID");
const popped = blocked.blpop("jobs", 0);
await until("it waits", async () => (await redis.client("LIST")).includes("cmd=blpop"));
for (const each of [id, blockedId]) assert.equal(await redis.client("KILL", "ID", each), 1);
assert.equal(await redis.client("KILL", "TYPE", "pubsub"), 1);
assert.equal(await auto.incr("auto"), 2001);
await until("it waits again", async () => (await redis.client("LIST")).includes("cmd=blpop"));
await redis.rpush("jobs", "job");
assert.deepEqual(await popped, ["jobs", "job"]);
await until("the subscriptions", async () => (await redis.pubsub("NUMSUB", "binary"))[1] === 1);
await until("the patterns", async () => (await redis.pubsub("NUMPAT")) === 1);
assert.equal(await redis.publish("binary", "again"), 1);
await until("the message", () => messages.length === 2);
assert.ok((await calls("evalsha")) >= 3);

await redis.flushall();
for (const client of [redis, auto, blocked, prefixed, listener]) client.disconnect();
console.log("ioredis_more.mjs: ok");
