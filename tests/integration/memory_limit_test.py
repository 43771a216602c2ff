"""A data set four times memory.limit: it is loaded, read back whole, survives kill -9 and a restart,
and memory stays within the limit. Commands are refused only when nothing can be freed.
"""
import random
import subprocess

from cluster import Cluster
from harness import Client, Server, check, check_equal, main, wait_for

LIMIT_MB = 48
VALUE = 1000
KEYS = 4 * LIMIT_MB * 1024 * 1024 // VALUE
STEP = 500
NOISE = random.Random(1).randbytes(1 << 20)  # nothing that could be compressed


def value_of(i, version=0):
    at = (i * 7919 + version * 104729) % (len(NOISE) - VALUE)
    return b"%d." % i + NOISE[at:at + VALUE]


def used_mb(client):
    info = client("INFO", "memory").decode()
    return int(info.split("used_memory:")[1].split("\r")[0]) / 1024 / 1024


def write(client, keys, version=0):
    peak = 0
    for start in range(0, len(keys), STEP):
        part = keys[start:start + STEP]
        client.send_raw(b"".join(Client.encode("SET", f"key:{i}", value_of(i, version))
                                 for i in part))
        for _ in part:
            check_equal(client.read(), "OK", "SET")
        peak = max(peak, used_mb(client))
    return peak


def read(client, keys, version=lambda i: 0):
    peak = 0
    for start in range(0, len(keys), STEP):
        part = keys[start:start + STEP]
        client.send_raw(b"".join(Client.encode("GET", f"key:{i}") for i in part))
        for i in part:
            check(client.read() == value_of(i, version(i)), f"key:{i} has another value")
        peak = max(peak, used_mb(client))
    return peak


def test_four_times_the_limit():
    r = random.Random(2)
    with Server(f"memory.limit={LIMIT_MB}mb") as server:
        with server.client(timeout=60) as c:
            peak = write(c, range(KEYS))
            peak = max(peak, read(c, range(KEYS)))
            changed = set(r.sample(range(KEYS), KEYS // 20))
            peak = max(peak, write(c, sorted(changed), 1))
            check_equal(c("STRLEN", "key:7"), len(value_of(7)), "STRLEN of a value on the device")
            many = r.sample(range(KEYS), 2000)
            got = c("MGET", *[f"key:{i}" for i in many])
            check(got == [value_of(i, int(i in changed)) for i in many], "MGET over many values")
        server.kill()
        server.start()
        with server.client(timeout=60) as c:
            check_equal(c("DBSIZE"), KEYS, "keys after kill -9")
            peak = max(peak, read(c, range(KEYS), lambda i: int(i in changed)))
            check(peak < LIMIT_MB * 1.1, f"memory went up to {peak:.1f} MB of {LIMIT_MB}")
            c("FLUSHALL")
            check(write(c, range(1000)) < LIMIT_MB, "memory after FLUSHALL")
        server.stop()


def send_all(client, commands):
    for start in range(0, len(commands), STEP):
        part = commands[start:start + STEP]
        client.send_raw(b"".join(Client.encode(*command) for command in part))
        yield from (client.read() for _ in part)


def test_every_copy_keeps_to_the_limit():
    hashes, keys = 1000, 2 * KEYS // 4
    with Cluster(f"memory.limit={LIMIT_MB}mb", "engine.wal_bytes=64mb",
                 shards=2, gateways=1) as cluster:
        cluster.whole()
        with cluster.client("g1", timeout=60) as c:
            for name in ("a", "b"):  # the second time, each hash is on the device only
                replies = send_all(c, [("HSET", f"hash:{i}", name, value_of(i))
                                       for i in range(hashes)])
                check_equal(list(replies), [1] * hashes, "HSET")
                writes = [("SET", f"key:{i}", value_of(i)) for i in range(keys)]
                check_equal(set(send_all(c, writes)), {"OK"}, "SET")
        for name in cluster.storage():
            with cluster.client(name) as c:
                check(info(c, "cold_freed_bytes") > 0, f"{name} keeps all in memory")
                check(info(c, "cold_values_fetched") > 0, f"{name} read no hash ahead")
                wait_for(f"{name} is within the limit", lambda: used_mb(c) <= LIMIT_MB)
                check(0 < info(c, "mem_replication_backlog") < 4 << 20, "the logs in memory")
        lost = cluster.primary(1)
        cluster.servers[lost].kill()
        wait_for("another primary", lambda: cluster.name_of(cluster.view(1)["primary"]) != lost)
        with cluster.client("g1", timeout=60) as c:
            got = send_all(c, [("HVALS", f"hash:{i}") for i in range(hashes)])
            check(list(got) == [[value_of(i)] * 2 for i in range(hashes)], "the hashes")
            got = send_all(c, [("GET", f"key:{i}") for i in range(keys)])
            check(all(v == value_of(i) for i, v in enumerate(got)), "the values")


def test_refused_when_nothing_can_be_freed():
    with Server(f"memory.limit={LIMIT_MB}mb") as server:
        with server.client(timeout=60) as c:
            refused = 0
            for start in range(0, 2_000_000, STEP):  # keys stay in memory, so these do not fit
                c.send_raw(b"".join(Client.encode("SET", f"key:{i}", "v")
                                    for i in range(start, start + STEP)))
                errors = [r for r in (c.read() for _ in range(STEP)) if r != "OK"]
                check(all(str(e).startswith("OOM ") for e in errors), f"{errors[:1]}")
                refused += len(errors)
                if refused > 0:
                    break
            check(refused > 0, "more keys than fit into memory were taken")
            check_equal(c("GET", "key:0"), b"v", "reads go on")
            for start in range(0, 200_000, STEP):
                c("DEL", *[f"key:{i}" for i in range(start, start + STEP)])
            check_equal(c("SET", "again", "x"), "OK", "a write once there is room")
        server.stop()


def test_a_damaged_value_is_an_error_and_nothing_else():
    with Server() as server:
        with server.client() as c:
            check_equal(c("SET", "whole", b"w" * 100 + NOISE[:900]), "OK", "SET")
            check_equal(c("SET", "hurt", b"NEEDLE" + NOISE[1000:2000]), "OK", "SET")
            c("DEBUG", "RELOAD")
            c("DEBUG", "COOL")
            path = server.directory / "data" / "data"
            at = path.read_bytes().index(b"NEEDLE")
            with open(path, "r+b") as f:
                f.seek(at)
                f.write(b"noodle")
            # What is in the page cache reaches the device that the server reads.
            subprocess.run(["sync", str(path)], check=True)
            error = c.error("GET", "hurt")
            check(error.startswith("IOERR "), error)
            check_equal(c("GET", "whole"), b"w" * 100 + NOISE[:900], "the value beside it")
            check_equal(c("EXISTS", "hurt"), 1, "the key is still there")
            check_equal(c("SET", "hurt", "new"), "OK", "it can be written anew")
            check_equal(c("GET", "hurt"), b"new", "GET")
            check("cannot be read back" in server.log(), "the log says so")
        server.stop()


def info(client, field):
    text = client("INFO", "all").decode()
    return int(text.split(field + ":")[1].split("\r")[0])


def fill(client, count, prefix, *options):
    """OK or OOM for each; gives how many were refused."""
    refused = 0
    for start in range(0, count, STEP):
        client.send_raw(b"".join(Client.encode("SET", f"{prefix}{i}", NOISE[i:i + VALUE], *options)
                                 for i in range(start, start + STEP)))
        errors = [r for r in (client.read() for _ in range(STEP)) if r != "OK"]
        check(all(str(e).startswith("OOM ") for e in errors), f"{errors[:1]}")
        refused += len(errors)
        client("GET", "hot")
    return refused


def test_a_cache_evicts_what_was_not_used():
    for config in ("conf/memory.yaml", "conf/standalone.yaml"):
        with Server(f"memory.limit={LIMIT_MB}mb", "memory.policy=allkeys-lru",
                    config=config) as server:
            with server.client(timeout=60) as c:
                c("SET", "hot", "x" * VALUE)
                check_equal(fill(c, KEYS // 2, "k"), 0, "refused")
                check(info(c, "evicted_keys") > KEYS // 8, "hardly any key was evicted")
                check(used_mb(c) < LIMIT_MB * 1.1, f"{used_mb(c)} MB in use")
                check_equal(c("EXISTS", "hot"), 1, "a key that is read all the time")
                check(c("EXISTS", "k0") == 0, "the oldest key is still there")
                last = f"k{KEYS // 2 // STEP * STEP - 1}"
                check_equal(c("EXISTS", last), 1, "the newest key")
                keys = c("DBSIZE")
            if config == "conf/standalone.yaml":
                server.kill()
                server.start()
                with server.client(timeout=60) as c:
                    check(abs(c("DBSIZE") - keys) < keys // 10, "an erase is logged")
            server.stop()


def test_only_keys_that_expire_are_evicted():
    for policy in ("volatile-ttl", "volatile-lru", "volatile-random"):
        with Server(f"memory.limit={LIMIT_MB}mb", config="conf/memory.yaml") as server:
            with server.client(timeout=60) as c:
                c("CONFIG", "SET", "maxmemory-policy", policy)
                check_equal(fill(c, 20000, "stays"), 0, "refused")
                check_equal(fill(c, KEYS // 4, "goes", "EX", "10000"), 0, "refused")
                check_equal(c("EXISTS", *[f"stays{i}" for i in range(20000)]), 20000, "no expiry")
                check(fill(c, KEYS, "more") > 0, "more than fits was taken")
                check(c("EXISTS", "goes0") == 0, "nothing that can go is left")
            server.stop()


if __name__ == "__main__":
    main(globals())
