// ioredis as a client of Redis Cluster, against the cluster of the node on the port given. Fails by
// throwing.
import assert from "node:assert/strict";
import Redis from "ioredis";

const seeds = [{ host: "127.0.0.1", port: Number(process.argv[2]) }];
const cluster = new Redis.Cluster(seeds, { lazyConnect: true });
await cluster.connect();
assert.equal(cluster.nodes("master").length, 2);
assert.equal(cluster.nodes("all").length, 3);
for (let i = 0; i < 100; i++) assert.equal(await cluster.set(`key:${i}`, i), "OK");
for (let i = 0; i < 100; i++) assert.equal(await cluster.get(`key:${i}`), String(i));
await assert.rejects(cluster.mget("key:1", "key:2"), /CROSSSLOT/);
assert.equal(await cluster.mset("{user}a", 1, "{user}b", 2), "OK");
assert.deepEqual(await cluster.mget("{user}a", "{user}b"), ["1", "2"]);

const results = await cluster
  .multi()
  .incr("{user}a")
  .incr("{user}b")
  .exec();
assert.deepEqual(results, [[null, 2], [null, 3]]);
const pipeline = cluster.pipeline();
for (let i = 0; i < 500; i++) pipeline.append("{user}log", "x");
assert.ok((await pipeline.exec()).every(([error]) => error === null));
assert.equal(await cluster.strlen("{user}log"), 500);

// Backups answer reads after READONLY, which this option sends.
const readers = new Redis.Cluster(seeds, { lazyConnect: true, scaleReads: "slave" });
await readers.connect();
const until = Date.now() + 10_000;
while ((await readers.get("{user}b")) !== "3") assert.ok(Date.now() < until, "backups stay behind");

// It subscribes at one node and publishes at any.
const listener = new Redis.Cluster(seeds, { lazyConnect: true });
await listener.connect();
const heard = [];
listener.on("message", (channel, text) => heard.push(`${channel}: ${text}`));
await listener.subscribe("news");
for (const node of cluster.nodes("all")) await node.publish("news", "hello");
while (heard.length < 3) {
  assert.ok(Date.now() < until, `a message is missing: ${heard}`);
  await new Promise((done) => setTimeout(done, 10));
}
assert.deepEqual(heard, Array(3).fill("news: hello"));

await listener.quit();
await readers.quit();
await cluster.quit();
console.log("ioredis_cluster.mjs: ok");
