// node-redis against a holdfast on the port given, in RESP2 and in RESP3. Fails by throwing.
import assert from "node:assert/strict";
import { createClient } from "redis";

for (const RESP of [2, 3]) {
  const client = createClient({
    RESP,
    name: `node-${RESP}`,
    socket: { port: Number(process.argv[2]), reconnectStrategy: false },
  });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  assert.equal(await client.set("k", "v", { EX: 100 }), "OK");
  assert.equal(await client.get("k"), "v");
  assert.equal(await client.get("absent"), null);
  await client.del("n");
  assert.equal(await client.incrBy("n", 7), 7);
  assert.equal(Number(await client.incrByFloat("n", 0.5)), 7.5);
  const replies = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => client.set(`key:${i}`, `${i}`))
  );
  assert.ok(replies.every((reply) => reply === "OK"));
  const found = new Set();
  for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 100 })) {
    [].concat(keys).forEach((key) => found.add(key));
  }
  assert.equal(found.size, 1000);
  const config = await client.configGet("maxclients");
  assert.equal(config.maxclients, "10000");
  const hello = await client.hello();
  assert.equal(Number(hello.proto), RESP);
  assert.equal(hello.role, "master");
  assert.equal(await client.clientGetName(), `node-${RESP}`);
  const line = await client.clientInfo();
  assert.equal(line.libName, "node-redis");
  assert.equal(line.resp, RESP);
  await assert.rejects(client.incr("k"), /value is not an integer/);
  await client.close();
}
console.log("node_redis.mjs: ok");
