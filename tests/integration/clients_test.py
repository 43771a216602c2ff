"""Real client libraries, unmodified: hiredis (sync, async), python3-redis, ioredis, node-redis."""
import threading

import redis

from harness import ROOT, Server, check, check_equal, info, main, run
from node_packages import node


def hiredis(program):
    run("make", "-s", "-C", ROOT, f"build/tests/{program}")
    with Server() as server:
        check_equal(run(ROOT / "build/tests" / program, server.port).strip(), f"{program}: ok")


def test_hiredis_sync():
    hiredis("hiredis_sync")


def test_hiredis_async_libevent():
    hiredis("hiredis_async")


def test_python_redis():
    with Server() as server:
        r = redis.Redis(port=server.port, client_name="py", decode_responses=True)
        check(r.ping(), "ping")
        check(r.set("k", "v", ex=100, nx=True), "set nx ex")
        check_equal(r.set("k", "w", nx=True), None)
        check_equal(r.get("k"), "v")
        check(0 < r.ttl("k") <= 100, "ttl")
        check_equal(r.mset({"a": 1, "b": 2}), True)
        check_equal(r.mget("a", "b", "c"), ["1", "2", None])
        check_equal(r.incrby("a", 41), 42)
        check_equal(r.incrbyfloat("f", 1.5), 1.5)
        check_equal(r.append("k", "!"), 2)
        check_equal(r.setrange("k", 5, "x"), 6)
        check_equal(r.getrange("k", 0, 0), "v")
        check_equal(r.setbit("bits", 7, 1), 0)
        check_equal(r.bitcount("bits"), 1)
        check_equal(r.rename("a", "aa"), True)
        check_equal(sorted(r.keys("*a*")), ["aa"])
        pipe = r.pipeline(transaction=False)
        for i in range(1000):
            pipe.set(f"key:{i}", i)
        check_equal(len(pipe.execute()), 1000)
        check_equal(len(set(r.scan_iter("key:*", count=100))), 1000)
        check_equal(r.delete(*[f"key:{i}" for i in range(1000)]), 1000)
        raw = redis.Redis(port=server.port)
        dumped = raw.dump("k")
        check(raw.restore("k2", 0, dumped), "restore")
        check_equal(raw.get("k2"), raw.get("k"))
        check_equal(r.client_getname(), "py")
        check("py" in {c["name"] for c in r.client_list()}, "client list")
        check_equal(r.config_get("maxclients")["maxclients"], "10000")
        check(r.info("server")["redis_version"].startswith("7.2."), "INFO")
        check(r.command_count() > 50, "COMMAND COUNT")
        check_equal(r.object("encoding", "b"), "int")
        check(r.memory_usage("k") > 0, "MEMORY USAGE")
        check_equal(r.flushall(), True)
        check_equal(r.dbsize(), 0)


def test_python_redis_threads():
    with Server() as server:
        r = redis.Redis(port=server.port)

        def work():
            for _ in range(500):
                r.incr("shared")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_equal(int(r.get("shared")), 4000)
        with server.client() as c:
            check_equal(info(c)["cmdstat_incrby"].split(",")[0], "calls=4000")


def next_message(listener):
    for _ in range(100):
        message = listener.get_message(timeout=0.1)
        if message is not None:
            return message["type"], message["channel"], message["data"]
    raise AssertionError("no message")


def test_python_redis_pubsub():
    with Server("notify.keyspace_events=KEA") as server:
        r = redis.Redis(port=server.port, decode_responses=True)
        with r.pubsub() as listener:
            listener.subscribe("news")
            listener.psubscribe("__keyevent@*__:*")
            check_equal(next_message(listener), ("subscribe", "news", 1))
            check_equal(next_message(listener), ("psubscribe", "__keyevent@*__:*", 2))
            check_equal(r.pubsub_numsub("news", "none"), [("news", 1), ("none", 0)])
            check_equal(r.pubsub_channels(), ["news"])
            check_equal(r.pubsub_numpat(), 1)
            check_equal(r.publish("news", "hello"), 1)
            check_equal(next_message(listener), ("message", "news", "hello"))
            r.set("k", "v", px=50)
            check_equal(next_message(listener), ("pmessage", "__keyevent@0__:set", "k"))
            check_equal(next_message(listener), ("pmessage", "__keyevent@0__:expire", "k"))
            check_equal(next_message(listener), ("pmessage", "__keyevent@0__:expired", "k"))
            listener.unsubscribe()
            check_equal(next_message(listener), ("unsubscribe", "news", 1))
            listener.ping()
            check_equal(next_message(listener)[0], "pong")
        check_equal(r.publish("news", "nobody"), 0)


def test_python_redis_listeners():
    """Many subscribers, each in a thread of its own, get every message in its order."""
    with Server() as server:
        r = redis.Redis(port=server.port)
        wanted = [b"%d" % i for i in range(500)]
        got = []

        def listen(listener):
            messages = (m["data"] for m in listener.listen() if m["type"] == "message")
            got.append([data for _, data in zip(wanted, messages)])

        listeners = [r.pubsub() for _ in range(8)]
        for listener in listeners:
            listener.subscribe("c")
            check_equal(next_message(listener)[0], "subscribe")
        threads = [threading.Thread(target=listen, args=[each]) for each in listeners]
        for thread in threads:
            thread.start()
        for message in wanted:
            r.set("k", message)
            check_equal(r.publish("c", message), 8)
        for thread in threads:
            thread.join(30)
        check_equal(got, [wanted] * 8)


def test_ioredis():
    node("ioredis.mjs")


def test_node_redis_resp2_and_resp3():
    node("node_redis.mjs")


if __name__ == "__main__":
    main(globals())
