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

  const listener = client.duplicate({ name: "listener" });
  await listener.connect();
  const messages = [];
  const keep = (message, channel) => messages.push([channel, message]);
  await listener.subscribe("news", keep);
  await listener.pSubscribe("n*", keep);
  await listener.sSubscribe("shard", keep);
  assert.equal(await client.publish("news", "hello"), 2);
  assert.equal(await client.sPublish("shard", "there"), 1);
  while (messages.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(messages, [["news", "hello"], ["news", "hello"], ["shard", "there"]]);
  if (RESP === 3) assert.equal(String(await listener.get("k")), "v"); // a Buffer after subscriptions
  await listener.unsubscribe("news");
  await listener.pUnsubscribe("n*");
  await listener.sUnsubscribe("shard");
  assert.equal(String(await listener.get("k")), "v"); // a Buffer after subscriptions
  await listener.close();
  await client.close();
}
console.log("node_redis.mjs: ok");
