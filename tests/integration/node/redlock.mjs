// Locks by redlock (over ioredis) on the server at the port given.
// Usage: redlock.mjs PORT. Fails by throwing.
import assert from "node:assert/strict";
import Redis from "ioredis";
import Redlock from "redlock";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const clients = Array.from({ length: 4 }, () => new Redis({ port: Number(process.argv[2]) }));
const [redis] = clients;
const locks = clients.map((client) => {
  const lock = new Redlock([client], { retryCount: 1000, retryDelay: 3, retryJitter: 3 });
  lock.on("clientError", (error) => assert.fail(error));
  return lock;
});

// A counter that is read and written in two steps is right only when nobody comes between.
let inside = 0;
await Promise.all(
  locks.map(async (lock, i) => {
    for (let n = 0; n < 25; n++) {
      const held = await lock.lock("lock:counter", 5000);
      assert.equal(++inside, 1);
      await clients[i].set("counter", Number(await clients[i].get("counter")) + 1);
      inside--;
      await held.unlock();
    }
  })
);
assert.equal(await redis.get("counter"), "100");

const hasty = new Redlock([redis], { retryCount: 0 });
const held = await locks[1].lock("lock:a", 300);
await assert.rejects(hasty.lock("lock:a", 300), Redlock.LockError);
await assert.rejects(hasty.lock(["lock:b", "lock:a"], 300), Redlock.LockError);
assert.equal(await redis.exists("lock:b"), 0); // all of the resources or none
const longer = await held.extend(2000);
assert.ok((await redis.pttl("lock:a")) > 1500);
await sleep(320);
await assert.rejects(hasty.lock("lock:a", 300), Redlock.LockError);
await longer.unlock();
const both = await hasty.lock(["lock:a", "lock:b"], 100);
assert.equal(await redis.exists("lock:a", "lock:b"), 2);
await sleep(120);
const next = await hasty.lock("lock:a", 1000); // what ran out is free
await assert.rejects(both.unlock(), Redlock.LockError); // and is not the old holder's to release
assert.equal(await redis.exists("lock:a"), 1);
await next.unlock();
await redis.del("counter");
assert.deepEqual(await redis.keys("*"), []);
for (const client of clients) await client.quit();
console.log("redlock.mjs: ok");
