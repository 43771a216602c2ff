// A web application (express) that keeps its sessions on the server at the port given, by
// connect-redis with node-redis. Usage: sessions.mjs PORT. Fails by throwing.
import assert from "node:assert/strict";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";

const socket = { port: Number(process.argv[2]), reconnectStrategy: false };
const client = createClient({ socket });
await client.connect();
const store = new RedisStore({ client, prefix: "session:", ttl: 100 });

// One instance of the application; any of them must know every session.
function serve() {
  const app = express();
  app.use(
    session({
      store,
      secret: "s",
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 50000 },
    })
  );
  app.post("/login/:user", (request, response) => {
    request.session.regenerate(() => {
      request.session.user = request.params.user;
      request.session.views = 0;
      response.end();
    });
  });
  app.get("/", (request, response) => {
    if (!request.session.user) return response.status(401).end();
    request.session.views++;
    response.json({ user: request.session.user, views: request.session.views });
  });
  app.post("/logout", (request, response) => request.session.destroy(() => response.end()));
  return new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve(server));
  });
}

const servers = [await serve(), await serve()];
let turn = 0;
async function ask(method, path, cookie) {
  const { port } = servers[turn++ % 2].address();
  const headers = cookie ? { cookie } : {};
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
  const set = response.headers.get("set-cookie");
  const body = await response.text();
  return { status: response.status, cookie: set?.split(";")[0], body: body && JSON.parse(body) };
}

assert.equal((await ask("GET", "/")).status, 401);
const users = await Promise.all(
  Array.from({ length: 50 }, async (_, i) => {
    const { cookie } = await ask("POST", `/login/user${i}`);
    assert.ok(cookie);
    return cookie;
  })
);
assert.equal(await store.length(), 50);
await Promise.all(
  users.map(async (cookie, i) => {
    for (let views = 1; views <= 10; views++) {
      const reply = await ask("GET", "/", cookie);
      assert.deepEqual(reply.body, { user: `user${i}`, views });
    }
  })
);
const ids = await store.ids();
assert.equal(ids.length, 50);
const ttl = await client.ttl(`session:${ids[0]}`);
assert.ok(ttl > 40 && ttl <= 50, `ttl ${ttl}`);

// The store's own interface, which the middleware uses in part only.
const all = await store.all();
assert.deepEqual(all.map(({ views }) => views), Array(50).fill(10));
await client.expire(`session:${ids[0]}`, 5);
await store.touch(ids[0], await store.get(ids[0]));
assert.ok((await client.ttl(`session:${ids[0]}`)) > 5);
await store.set("short", { cookie: { expires: new Date(Date.now() + 900) }, user: "x" });
assert.equal((await store.get("short")).user, "x");
await new Promise((resolve) => setTimeout(resolve, 1200));
assert.equal(await store.get("short"), null);

await ask("POST", "/logout", users[3]);
assert.equal((await ask("GET", "/", users[3])).status, 401);
assert.equal((await ask("GET", "/", users[4])).body.views, 11);
assert.equal(await store.length(), 49);
await store.clear();
assert.equal(await client.dbSize(), 0);
for (const server of servers) server.close();
await client.close();
console.log("sessions.mjs: ok");
process.exit(0);
