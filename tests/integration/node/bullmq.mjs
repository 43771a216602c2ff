// BullMQ against a server on the port given: queues, workers, events and flows, all of it Lua
// scripts, streams and blocking pops. Usage: bullmq.mjs PORT ioredis|redis (the client that it uses).
// Fails by throwing.
import assert from "node:assert/strict";
import {
  createNodeRedisClient,
  FlowProducer,
  Queue,
  QueueEvents,
  RedisConnection,
  UnrecoverableError,
  Worker,
} from "bullmq";
import Redis from "ioredis";
import { createClient } from "redis";

const connection = { port: Number(process.argv[2]), maxRetriesPerRequest: null };
let made = 0; // clients that are node-redis's
if (process.argv[3] === "redis") {
  RedisConnection.clientFactory = ({ port }) => {
    ++made;
    return createNodeRedisClient(createClient({ socket: { port } }));
  };
}
const redis = new Redis(connection);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, condition) {
  for (let i = 0; i < 2000; i++) {
    if (await condition()) return;
    await sleep(5);
  }
  assert.fail(`never: ${what}`);
}

// Runs a test with a queue and its events, and leaves nothing of them behind.
async function scene(name, test) {
  const queue = new Queue(name, { connection });
  queue.setMaxListeners(0); // every job that is waited for is one
  const events = new QueueEvents(name, { connection });
  await events.waitUntilReady();
  const workers = [];
  const work = async (process, options = {}) => {
    const worker = new Worker(name, process, { connection, ...options });
    worker.on("error", (error) => assert.fail(error));
    await worker.waitUntilReady();
    workers.push(worker);
    return worker;
  };
  await test(queue, work, events);
  await Promise.all(workers.map((worker) => worker.close()));
  await events.close();
  await queue.obliterate({ force: true });
  await queue.close();
}

await scene("many", async (queue, work, events) => {
  const seen = new Map();
  let active = 0;
  let most = 0;
  const heard = new Set();
  events.on("completed", ({ jobId }) => heard.add(jobId));
  const twice = async (job) => {
    most = Math.max(most, ++active);
    seen.set(job.data.n, (seen.get(job.data.n) ?? 0) + 1);
    await job.updateProgress(50);
    active--;
    return job.data.n * 2;
  };
  await work(twice, { concurrency: 8 });
  await work(twice, { concurrency: 8 });
  const jobs = await queue.addBulk(
    Array.from({ length: 200 }, (_, n) => ({ name: "twice", data: { n } }))
  );
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
  assert.deepEqual(results, jobs.map((_, n) => n * 2));
  assert.equal(seen.size, 200);
  assert.ok([...seen.values()].every((times) => times === 1), "a job ran twice");
  assert.ok(most > 1 && most <= 16, `${most} at once`);
  await until("all events", () => heard.size === 200);
  const counts = await queue.getJobCounts("completed", "wait", "active", "failed");
  assert.deepEqual(counts, { completed: 200, wait: 0, active: 0, failed: 0 });
  assert.equal((await queue.getJob(jobs[7].id)).returnvalue, 14);
  assert.equal((await queue.clean(0, 150, "completed")).length, 150);
  assert.equal(await queue.getCompletedCount(), 50);
});

await scene("delayed", async (queue, work, events) => {
  const order = [];
  const late = await queue.add("late", {}, { delay: 250 });
  const soon = await queue.add("soon", {}, { delay: 50 });
  const promoted = await queue.add("promoted", {}, { delay: 1e6 });
  assert.equal(await queue.getDelayedCount(), 3);
  await promoted.promote();
  await work(async (job) => {
    order.push(job.name);
    assert.ok(job.name === "promoted" || Date.now() >= job.timestamp + job.opts.delay, "too early");
  });
  await Promise.all([late, soon, promoted].map((job) => job.waitUntilFinished(events)));
  assert.deepEqual(order, ["promoted", "soon", "late"]);
});

await scene("retries", async (queue, work, events) => {
  const runs = [];
  await work(async (job) => {
    runs.push(Date.now());
    if (job.name === "never") throw new UnrecoverableError("no use");
    if (job.attemptsMade < 3) throw new Error(`attempt ${job.attemptsMade}`);
    return job.attemptsMade;
  });
  const retries = { attempts: 5, backoff: { type: "exponential", delay: 20 } };
  const job = await queue.add("third", {}, retries);
  assert.equal(await job.waitUntilFinished(events), 3);
  const gaps = runs.slice(1).map((at, i) => at - runs[i]);
  assert.ok(gaps[0] >= 20 && gaps[1] >= 40 && gaps[2] >= 80, `backoff ${gaps}`);
  const never = await queue.add("never", {}, retries);
  await assert.rejects(never.waitUntilFinished(events), /no use/);
  assert.equal(await never.getState(), "failed");
  const failed = await queue.getFailed();
  assert.deepEqual(failed.map(({ failedReason }) => failedReason), ["no use"]);
  const before = runs.length;
  await failed[0].retry();
  await until("the failed job again", () => runs.length === before + 1);
  await until("failed again", async () => (await queue.getFailedCount()) === 1);
});

await scene("priorities", async (queue, work, events) => {
  const order = [];
  const jobs = [];
  for (const priority of [3, 1, 2, 1, 0, 3]) {
    jobs.push(await queue.add("job", {}, { priority }));
  }
  assert.equal(await queue.getPrioritizedCount(), 5);
  await jobs[0].changePriority({ priority: 1 });
  await work(async (job) => order.push(Number(job.id)));
  await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
  assert.deepEqual(order, [5, 2, 4, 1, 3, 6]);
});

await scene("paused", async (queue, work, events) => {
  let runs = 0;
  await work(async () => void runs++);
  await queue.pause();
  assert.ok(await queue.isPaused());
  const job = await queue.add("held", {});
  await sleep(100);
  assert.equal(runs, 0);
  assert.equal(await queue.getWaitingCount(), 1);
  await queue.resume();
  await job.waitUntilFinished(events);
  await queue.pause();
  await queue.addBulk(Array.from({ length: 20 }, (_, n) => ({ name: "drained", data: { n } })));
  await queue.add("later", {}, { delay: 1e6 });
  await queue.drain();
  assert.equal(await queue.count(), 1);
  await queue.drain(true);
  assert.equal(await queue.count(), 0);
  assert.equal(runs, 1);
});

await scene("repeated", async (queue, work) => {
  const runs = [];
  await work(async (job) => void runs.push(job.data.from));
  const tick = { name: "tick", data: { from: "tick" } };
  await queue.upsertJobScheduler("tick", { every: 50, limit: 5 }, tick);
  await until("five repetitions", () => runs.length === 5);
  await queue.upsertJobScheduler("cron", { pattern: "* * * * * *" }, { data: { from: "cron" } });
  await until("the cron job", () => runs.includes("cron"));
  assert.ok(await queue.removeJobScheduler("cron"));
  assert.deepEqual((await queue.getJobSchedulers()).filter(({ key }) => key === "cron"), []);
  assert.equal(runs.filter((from) => from === "tick").length, 5);
});

await scene("parents", async (queue, work, events) => {
  const flows = new FlowProducer({ connection });
  await work(async (job) => {
    if (job.name === "leaf") return job.data.n;
    const below = Object.values(await job.getChildrenValues());
    return below.reduce((sum, n) => sum + n, 0);
  }, { concurrency: 4 });
  const leaf = (n) => ({ name: "leaf", queueName: "parents", data: { n } });
  const leaves = (from) => Array.from({ length: 10 }, (_, i) => leaf(from + i));
  const tree = await flows.add({
    name: "root",
    queueName: "parents",
    children: [
      { name: "branch", queueName: "parents", children: leaves(0) },
      { name: "branch", queueName: "parents", children: leaves(10) },
    ],
  });
  assert.equal(await tree.job.waitUntilFinished(events), 190);
  const { processed } = await tree.job.getDependencies();
  assert.equal(Object.keys(processed).length, 2);
  await flows.close();
});

await scene("limited", async (queue, work, events) => {
  await work(async () => {}, { limiter: { max: 5, duration: 100 }, concurrency: 10 });
  const start = Date.now();
  const jobs = await queue.addBulk(Array.from({ length: 20 }, () => ({ name: "job", data: {} })));
  await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
  assert.ok(Date.now() - start >= 290, "the limit did not hold");
  const first = await queue.add("once", {}, { deduplication: { id: "same", ttl: 10000 } });
  const second = await queue.add("once", {}, { deduplication: { id: "same", ttl: 10000 } });
  assert.equal(first.id, second.id);
});

await scene("stalled", async (queue, work, events) => {
  // A worker that loses its connection: its job is taken up by another one.
  const lost = await work(() => sleep(1e6), {
    lockDuration: 200,
    skipLockRenewal: true,
    stalledInterval: 100,
  });
  lost.removeAllListeners("error").on("error", () => {});
  const job = await queue.add("orphan", {});
  await until("taken", async () => (await job.getState()) === "active");
  await lost.close(true);
  await work(async () => "rescued", { stalledInterval: 100 });
  assert.equal(await job.waitUntilFinished(events), "rescued");
});

assert.deepEqual(await redis.keys("*"), []);
assert.equal(made > 0, process.argv[3] === "redis");
await redis.quit();
console.log("bullmq.mjs: ok");
process.exit(0);
