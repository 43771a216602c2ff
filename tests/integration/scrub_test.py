"""ENGINE SCRUB on real files: under load nothing is taken for damage; a turned bit is found, told,
and gone after the next checkpoint."""
import os
import random
import time

from harness import Server, check, check_equal, main

KEYS = 20000


def facts(client, part):
    flat = client("ENGINE", part)
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def wait_for_scrub(client):
    deadline = time.time() + 60
    while facts(client, "SCRUB")["running"]:
        check(time.time() < deadline, "the scrub ends")
        time.sleep(0.01)
    return facts(client, "SCRUB")


def value(number, size=300):
    return random.Random(number).randbytes(size)


def fill(client):
    for first in range(0, KEYS, 1000):
        pairs = [x for i in range(first, first + 1000) for x in (f"key:{i}", value(i))]
        check_equal(client("MSET", *pairs), "OK")
    check_equal(client("SET", "huge", value(1, 3_000_000)), "OK")
    check_equal(client("SAVE"), "OK")


def test_scrub_beside_writes():
    with Server("engine.scrub_mb_per_second=100") as server, server.client() as c:
        fill(c)
        check_equal(c("ENGINE", "SCRUB", "START"), "OK")
        passes = 0
        deadline = time.time() + 20
        while passes < 10 and time.time() < deadline:
            for _ in range(200):
                check_equal(c("SET", f"key:{random.randrange(KEYS)}", value(2, 400)), "OK")
            check_equal(c("SAVE"), "OK")
            state = facts(c, "SCRUB")
            check_equal(state["damaged_records"], 0)
            check_equal(state["damaged_metadata"], 0)
            passes = state["full_passes"]
            if not state["running"]:
                check_equal(c("ENGINE", "SCRUB", "START"), "OK")
        check(passes >= 2, f"{passes} passes")


def test_scrub_finds_and_heals():
    with Server("engine.scrub_mb_per_second=1000") as server, server.client() as c:
        fill(c)
        check_equal(c("ENGINE", "SCRUB", "START"), "OK")
        state = wait_for_scrub(c)
        check_equal(state["records_checked"], KEYS + 1)
        check_equal(state["damaged_records"], 0)
        path = os.path.join(server.directory, "data", "data")
        with open(path, "r+b") as file:
            content = file.read()
            for wanted in (value(17), value(1, 3_000_000)):
                end = wanted[-100:]
                at = content.find(end)
                while at >= 0:  # a large value is there for the log too
                    file.seek(at)
                    file.write(bytes([end[0] ^ 1]))
                    at = content.find(end, at + 1)
            file.flush()
            os.fsync(file.fileno())
        check_equal(c("ENGINE", "SCRUB", "START"), "OK")
        state = wait_for_scrub(c)
        check_equal(state["damaged_records"], 2)
        told = state["damage_1"] + state["damage_2"]
        check(b"key 'key:17'" in told and b"key 'huge'" in told, told)
        check_equal(c("ENGINE", "CHECKPOINT", "NOW"), "Checkpoint started")
        while facts(c, "CHECKPOINT")["running"]:
            time.sleep(0.01)
        check_equal(c("ENGINE", "SCRUB", "START"), "OK")
        check_equal(wait_for_scrub(c)["damaged_records"], 0)
        server.kill()
        server.start()
        with server.client() as again:
            check_equal(again("GET", "key:17"), value(17))
            check_equal(again("GET", "huge"), value(1, 3_000_000))


if __name__ == "__main__":
    main(globals())
