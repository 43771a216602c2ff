// ioredis against a holdfast on the port given. Fails by throwing.
import assert from "node:assert/strict";
import Redis from "ioredis";

const redis = new Redis({ port: Number(process.argv[2]), connectionName: "io", lazyConnect: true });
await redis.connect(); // waits for INFO's loading:0
assert.equal(await redis.set("k", "v", "EX", 100), "OK");
assert.equal(await redis.get("k"), "v");
assert.ok((await redis.ttl("k")) > 90);
assert.equal(await redis.set("k", "w", "NX"), null);
assert.deepEqual(await redis.mget("k", "absent"), ["v", null]);
assert.equal(await redis.incrby("n", 5), 5);
assert.deepEqual(await redis.getBuffer("k"), Buffer.from("v"));
await assert.rejects(redis.incr("k"), /value is not an integer or out of range/);

const pipeline = redis.pipeline();
for (let i = 0; i < 1000; i++) pipeline.set(`key:${i}`, i);
const results = await pipeline.exec();
assert.ok(results.every(([error, reply]) => error === null && reply === "OK"));

const found = new Set();
for await (const keys of redis.scanStream({ match: "key:*", count: 100 })) {
  keys.forEach((key) => found.add(key));
}
assert.equal(found.size, 1000);
assert.equal(await redis.client("GETNAME"), "io");
const big = Buffer.alloc(4 << 20, 7);
await redis.set("big", big);
assert.ok(big.equals(await redis.getBuffer("big")));

const listener = redis.duplicate({ connectionName: "listener" });
await listener.connect();
const messages = [];
listener.on("message", (channel, message) => messages.push([channel, message]));
listener.on("pmessage", (pattern, channel, message) => messages.push([pattern, channel, message]));
assert.equal(await listener.subscribe("news"), 1);
assert.equal(await listener.psubscribe("n*"), 2);
await assert.rejects(listener.get("k"), /subscriber mode/);
assert.equal(await redis.publish("news", "hello"), 2);
while (messages.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
assert.deepEqual(messages, [["news", "hello"], ["n*", "news", "hello"]]);
assert.equal(await listener.unsubscribe("news"), 1);
assert.equal(await listener.punsubscribe("n*"), 0);
assert.equal(await listener.get("k"), "v");
await listener.quit();
await redis.quit();
console.log("ioredis.mjs: ok");
