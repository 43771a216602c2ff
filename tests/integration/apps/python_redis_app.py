"""python3-redis against a server: its locks, scripts, pipelines, iterators, blocking calls and
subscriptions, with threads. Usage: python_redis_app.py PORT. Fails by an exception."""
import collections
import sys
import threading
import time

import redis
import redis.exceptions
import redis.lock
from redis.backoff import NoBackoff
from redis.retry import Retry

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(port=PORT, decode_responses=True, **options)


r = connect()


def until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)


def together(count, work):
    """Runs `work(i)` in `count` threads; what one of them raises is raised."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=[i]) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def fails(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        return str(error)
    raise AssertionError(f"{call}{args} does not fail")


def locks():
    inside = []

    def critical(i):
        mine = connect()
        for _ in range(10):
            with mine.lock("lock", timeout=10, sleep=0.002, blocking_timeout=20):
                inside.append(i)
                assert len(inside) == 1
                mine.set("counter", int(mine.get("counter") or 0) + 1)
                inside.remove(i)

    together(6, critical)
    assert r.get("counter") == "60"
    lock = r.lock("lock", timeout=0.1)
    assert lock.acquire()
    assert not r.lock("lock").acquire(blocking=False)
    lock.extend(10)
    assert r.pttl("lock") > 5000
    lock.reacquire()
    until("it runs out", lambda: not lock.owned())
    fails(redis.exceptions.LockNotOwnedError, lock.release)


def transfers():
    """Money goes to and fro in WATCH transactions: none appears and none is lost."""
    accounts = [f"account:{i}" for i in range(4)]
    r.mset({name: 100 for name in accounts})
    retries = []

    def transfer(i):
        mine = connect()
        for n in range(25):
            source, target = accounts[(i + n) % 4], accounts[(i + 2 * n + 1) % 4]

            def move(pipe):
                held = int(pipe.get(source))
                retries.append(1)
                pipe.multi()
                if held >= 10:
                    pipe.decrby(source, 10).incrby(target, 10)

            mine.transaction(move, source, target)

    together(6, transfer)
    assert sum(map(int, r.mget(accounts))) == 400
    assert len(retries) >= 150
    with r.pipeline() as pipe:
        pipe.set("word", "x").incr("word").set("after", "1")
        results = pipe.execute(raise_on_error=False)
        assert results[0] is True and results[2] is True
        assert isinstance(results[1], redis.exceptions.ResponseError)
        pipe.watch("word")
        r.set("word", "y")
        pipe.multi()
        pipe.set("word", "z")
        fails(redis.exceptions.WatchError, pipe.execute)


def scripts():
    take = r.register_script("""
        local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
        if left <= 0 then return false end
        redis.call('SET', KEYS[1], left - 1)
        return {left, cjson.encode({key = KEYS[1], left = left})}""")
    r.script_flush()
    taken = []
    together(4, lambda _: taken.extend(
        reply[0] for reply in [take(keys=["stock"], args=[40]) for _ in range(15)] if reply))
    assert sorted(taken) == list(range(1, 41))
    with r.pipeline(transaction=False) as pipe:
        take(keys=["other"], args=[3], client=pipe)
        take(keys=["other"], args=[3], client=pipe)
        assert [left for left, _ in pipe.execute()] == [3, 2]
    assert r.script_exists(take.sha) == [True]
    assert "my error" in fails(redis.exceptions.ResponseError, r.eval,
                               "return redis.error_reply('my error')", 0)
    library = """#!lua name=lib
        redis.register_function('twice', function(keys, args)
          return redis.call('INCRBY', keys[1], 2 * args[1])
        end)"""
    assert r.function_load(library) == "lib"
    assert r.fcall("twice", 1, "n", 21) == 42
    r.function_delete("lib")


def iterators():
    with r.pipeline() as pipe:
        for i in range(3000):
            pipe.sadd("set", i).hset("hash", f"f{i}", i).zadd("zset", {f"m{i}": i / 2})
            pipe.set(f"key:{i}", i)
        assert len(pipe.execute()) == 12000
    assert set(r.sscan_iter("set", count=50)) == {str(i) for i in range(3000)}
    assert dict(r.hscan_iter("hash", count=50)) == {f"f{i}": str(i) for i in range(3000)}
    assert dict(r.zscan_iter("zset", match="m12*")) == {
        f"m{i}": i / 2 for i in range(3000) if str(i).startswith("12")}
    assert set(r.scan_iter("key:*", count=500, _type="STRING")) == {f"key:{i}" for i in range(3000)}
    for kind in ("set", "hash", "zset"):
        assert list(r.scan_iter(_type=kind)) == [kind]
    r.rpush("list", *[(7 * i) % 100 for i in range(100)])
    assert r.sort("list", start=0, num=5, desc=True) == ["99", "98", "97", "96", "95"]
    assert r.sort("list", by="nosort", get=["key:*"], num=2, start=0) == ["0", "7"]
    assert r.lrange("list", -2, -1) == ["86", "93"]
    assert r.zrange("zset", 10, 20, byscore=True, withscores=True, offset=0, num=2) == [
        ("m20", 10.0), ("m21", 10.5)]


def blocking():
    got = collections.Counter()

    def pop(i):
        mine = connect()
        while True:
            key, value = mine.blpop(["jobs:high", "jobs:low"], timeout=10)
            if value == "end":
                return
            got[value] += 1

    def push():
        for n in range(200):
            r.rpush("jobs:high" if n % 2 else "jobs:low", n)
        until("all jobs", lambda: sum(got.values()) == 200)
        for _ in range(5):
            r.rpush("jobs:low", "end")

    together(6, lambda i: push() if i == 0 else pop(i))
    assert got == {str(n): 1 for n in range(200)}
    assert r.blpop("jobs:high", timeout=0.05) is None
    moved = []
    waiter = threading.Thread(
        target=lambda: moved.append(connect().blmove("from", "to", 10, "LEFT", "RIGHT")))
    waiter.start()
    until("it waits", lambda: r.info("clients")["blocked_clients"] == 1)
    with r.pipeline() as pipe:  # what it gets is what is there at the end
        pipe.rpush("from", "a").lpush("from", "b").execute()
    waiter.join(10)
    assert moved == ["b"] and r.lrange("to", 0, -1) == ["b"] and r.lrange("from", 0, -1) == ["a"]
    r.zadd("zs", {"x": 2, "y": 1})
    assert r.bzpopmin("zs", 1) == ("zs", "y", 1.0)


def streams():
    """A group: a consumer dies with entries in hand, others claim them; each is done once."""
    r.xgroup_create("events", "workers", id="0", mkstream=True)
    with r.pipeline(transaction=False) as pipe:
        for n in range(300):
            pipe.xadd("events", {"n": n}, maxlen=10000)
        sent = pipe.execute()
    taken = r.xreadgroup("workers", "dead", {"events": ">"}, count=20)[0][1]
    assert [entry for entry, _ in taken] == sent[:20]
    done = []

    def consume(i):
        mine = connect()
        name = f"consumer{i}"
        while reply := mine.xreadgroup("workers", name, {"events": ">"}, count=7, block=100):
            for entry, fields in reply[0][1]:
                done.append((entry, fields["n"]))
                assert mine.xack("events", "workers", entry) == 1
        for entry, fields in mine.xautoclaim("events", "workers", name, 0, count=100)[1]:
            if mine.xack("events", "workers", entry):
                done.append((entry, fields["n"]))

    together(4, consume)
    assert sorted(done) == sorted((entry, str(n)) for n, entry in enumerate(sent))
    assert r.xpending("events", "workers")["pending"] == 0
    names = {each["name"] for each in r.xinfo_consumers("events", "workers")}
    assert names == {"dead"} | {f"consumer{i}" for i in range(4)}
    assert r.xinfo_stream("events")["last-generated-id"] == sent[-1]
    assert r.xtrim("events", minid=sent[200], approximate=False) == 200
    assert [entry for entry, _ in r.xrange("events", count=1)] == [sent[200]]
    assert r.xread({"events": sent[298]})[0][1] == [(sent[299], {"n": "299"})]


def subscriptions():
    got = []
    old = r.config_get("notify-keyspace-events")["notify-keyspace-events"]
    r.config_set("notify-keyspace-events", "Kh")
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(**{"news": lambda message: got.append(message["data"])})
    listener.psubscribe(
        **{"__keyspace@0__:user:*": lambda m: got.append((m["channel"][15:], m["data"]))})
    thread = listener.run_in_thread(sleep_time=0.01)
    until("it listens", lambda: r.pubsub_numsub("news") == [("news", 1)] and r.pubsub_numpat() == 1)
    for n in range(100):
        assert r.publish("news", n) == 1
    r.hset("user:1", "name", "x")
    r.hdel("user:1", "name")
    until("the messages", lambda: len(got) >= 102)
    thread.stop()
    thread.join(10)
    r.config_set("notify-keyspace-events", old)
    assert got == [str(n) for n in range(100)] + [("user:1", "hset"), ("user:1", "hdel")]


def reconnection():
    mine = connect(retry=Retry(NoBackoff(), 3), retry_on_error=[redis.exceptions.ConnectionError])
    number = mine.client_id()
    assert r.client_kill_filter(_id=number) == 1
    assert mine.incr("n") == 1
    assert mine.client_id() != number


for scene in (locks, transfers, scripts, iterators, blocking, streams, subscriptions, reconnection):
    scene()
    r.flushdb()
assert r.dbsize() == 0
print("python_redis_app.py: ok")
