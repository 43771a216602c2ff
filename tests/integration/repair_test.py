"""What is damaged on one member of a group comes back from the others, under load and without a wrong
answer: records of a stopped member and of a running primary, the log, superblocks.

HOLDFAST_REPAIR_KEYS: keys that are read all the time (2000).
"""
import contextlib
import os
import random
import re
import threading
import time

from harness import BINARY, ReplyError, check, check_equal, info, main, run
from replication_test import Group, check_same_data, hand_over, replace_disk, wait_for, writers

KEYS = int(os.environ.get("HOLDFAST_REPAIR_KEYS", "2000"))
RETRIES = ("MOVED", "CLUSTERDOWN", "NOREPLICAS", "UNBLOCKED")


def value_of(i):
    return b"%d." % i + random.Random(i).randbytes(600)


class Wrong(Exception):
    pass


class Reader(threading.Thread):
    """Reads the keys on whoever serves; any answer but the right one is kept as wrong."""

    def __init__(self, group, seed):
        super().__init__(daemon=True)
        self.group, self.random = group, random.Random(seed)
        self.reads, self.wrong = 0, []
        self.slowest = 0
        self.ending = threading.Event()

    def run(self):
        client, node = None, 1
        while not self.ending.is_set():
            try:
                if client is None:
                    client = self.group.client(node, timeout=10)
                i = self.random.randrange(KEYS)
                begun = time.monotonic()
                value = client("GET", f"key:{i}")
                self.slowest = max(self.slowest, time.monotonic() - begun)
                self.reads += 1
                if value != value_of(i):
                    self.wrong.append((i, value[:20] if value else value))
            except ReplyError as e:
                if not str(e).startswith(RETRIES):
                    self.wrong.append(str(e))
                client.close()
                client, node = None, node % len(self.group.ports) + 1
                time.sleep(0.01)
            except (OSError, ConnectionError):
                if client is not None:
                    client.close()
                client, node = None, node % len(self.group.ports) + 1
                time.sleep(0.01)


@contextlib.contextmanager
def load(group, value_bytes=200):
    """Writers and readers; afterwards nothing was lost and nothing was wrong."""
    readers = [Reader(group, i) for i in range(2)]
    for reader in readers:
        reader.start()
    with writers(group, count=2, value_bytes=value_bytes) as threads:
        yield
    for reader in readers:
        reader.ending.set()
        reader.join(timeout=20)
    for reader in readers:
        check(not reader.wrong, f"wrong answers: {reader.wrong[:5]} ({len(reader.wrong)})")
        check(reader.reads > 100, f"{reader.reads} reads")
    with group.client(group.primary(), timeout=30) as c:
        for thread in threads:
            thread.check(c)
    print(f"        {sum(r.reads for r in readers)} reads, the slowest took "
          f"{max(r.slowest for r in readers):.2f} s; {sum(t.number for t in threads)} writes")


def write(group, pairs):
    """On whoever is the primary, again if that changes meanwhile."""
    def once():
        with group.client(group.primary(), timeout=30) as c:
            for first in range(0, len(pairs), 100):
                c("MSET", *[x for pair in pairs[first:first + 100] for x in pair])
        return True

    wait_for("the writes", once, 60)


def fill(group):
    write(group, [(f"key:{i}", value_of(i)) for i in range(KEYS)])


def checkpoint(group, node):
    with group.client(node) as c:
        # One may be running: then it is not of now.
        wait_for("a start", lambda: c("ENGINE", "CHECKPOINT", "NOW"))
        before = int(info(c)["rdb_saves"])
        wait_for("a checkpoint", lambda: int(info(c)["rdb_saves"]) > before
                 or info(c)["rdb_bgsave_in_progress"] == "0")


def read_all(group, node):
    with group.client(node, timeout=30) as c:
        for first in range(0, KEYS, 100):
            some = range(first, min(first + 100, KEYS))
            got = c("MGET", *[f"key:{i}" for i in some])
            bad = [i for i, value in zip(some, got) if value != value_of(i)]
            if bad:
                raise Wrong(f"node {node}: wrong values of keys {bad[:10]}")


def read_all_of_primary(group):
    wait_for("all values", lambda: read_all(group, group.primary()) is None, 60)


def facts(group, node):
    with group.client(node) as c:
        return info(c)


def data(group, node, name=""):
    return group.servers[node].directory / "data" / name


def flip(path, places):
    """Turns a bit at each of the places of the file."""
    with open(path, "r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 4]))
        file.flush()
        os.fsync(file.fileno())


def records(group, node):
    """Where a stopped member's live records of the keys lie."""
    places = {}
    for line in run(BINARY, "inspect", "--records", data(group, node)).splitlines():
        if "record at " in line and "key 'key:" in line:
            key = line.split("key '")[1].split("'")[0]
            places[key] = int(line.split("record at ")[1].split()[0].rstrip(",:;"))
    return places


def backup_of(group):
    primary = group.primary()
    return next(n for n in group.ports if n != primary)


def test_damaged_records_of_a_member_that_starts():
    with Group() as group:
        fill(group)
        node = backup_of(group)
        group.wait_applied(node)
        checkpoint(group, node)
        with load(group):
            time.sleep(0.5)
            group.kill(node)
            places = records(group, node)
            chosen = random.Random(1).sample(sorted(places), 20)
            flip(data(group, node, "data"), [places[key] + 100 for key in chosen])
            group.start(node)
            wait_for("it is whole", lambda: facts(group, node)["state_whole"] == "1"
                     and facts(group, node)["repairs_waiting"] == "0")
            check_equal(facts(group, node)["records_repaired"], "20")
            check_equal(facts(group, node)["log_trusted"], "1")
            hand_over(group, node)
            time.sleep(0.5)
        check("a damaged record was repaired from another member" in group.servers[node].log(),
              "no line in the log")
        read_all_of_primary(group)
        check_same_data(group)
        # What was repaired was written anew: the next start finds nothing.
        wait_for("it is written anew",
                 lambda: facts(group, node)["rdb_bgsave_in_progress"] == "0")
        checkpoint(group, node)
        group.kill(node)
        run(BINARY, "verify", data(group, node))
        group.start(node)
        check_same_data(group)


def test_damaged_values_of_a_running_primary():
    with Group("memory.limit=64mb", "engine.scrub_mb_per_second=200") as group:
        fill(group)
        filler = random.Random(9).randbytes(4_000)  # so much that the others are cold
        for first in range(0, 20_000, 100):
            write(group, [(f"filler:{i}", b"%d." % i + filler) for i in range(first, first + 100)])
        for node in group.ports:
            group.wait_applied(node)
            checkpoint(group, node)
        primary = group.primary()
        content = data(group, primary, "data").read_bytes()
        chosen = random.Random(2).sample(range(KEYS), 200)
        places = []
        for i in chosen:
            wanted = value_of(i)[100:200]
            at = content.find(wanted)
            while at >= 0:
                places.append(at)
                at = content.find(wanted, at + 1)
        with load(group):
            flip(data(group, primary, "data"), places)
            read_all_of_primary(group)
            time.sleep(1)
            read_all_of_primary(group)
        found = facts(group, primary)
        check(int(found["records_repaired"]) > 20, f"{found['records_repaired']} were repaired")
        check_equal(found["repair_answers_refused"], "0")
        # The rest of them a scrub finds.
        with group.client(primary) as c:
            c("ENGINE", "SCRUB", "START")
            wait_for("a clean scrub", lambda: scrubbed_clean(c), 60)
        for node in group.ports:
            hand_over(group, node)
            read_all_of_primary(group)
        print(f"        {found['records_repaired']} records were repaired")


def scrub_facts(client):
    flat = client("ENGINE", "SCRUB")
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def scrubbed_clean(client):
    state = scrub_facts(client)
    if state["running"]:
        return False
    if state["damaged_records"] == 0 and info(client)["repairs_waiting"] == "0":
        return True
    time.sleep(1)  # for the repairs and the checkpoint behind them
    client("ENGINE", "SCRUB", "START")
    return False


def durable_log_place(group, node):
    """Stops the member, and returns a place of its file wal: in the middle of what it would replay,
    and far enough from the end that it was durable."""
    while True:
        time.sleep(1)
        group.kill(node)
        told = run(BINARY, "inspect", data(group, node))
        ring = int(re.search(r"log of (\d+) blocks", told)[1])
        first, end = map(int, re.search(r"^log: blocks (\d+)\.\.(\d+)", told, re.M).groups())
        if end - first > 200:
            return (1 << 20) + (first + end) // 2 % ring * 4096
        group.start(node)  # a checkpoint is all that it needs: once more


def test_a_damaged_log():
    with Group() as group:
        fill(group)
        node = backup_of(group)
        with load(group, value_bytes=3000):
            place = durable_log_place(group, node)
            flip(data(group, node, "wal"), [place + 1000])
            group.start(node)
            wait_for("it trusts its log again",
                     lambda: facts(group, node)["log_trusted"] == "1", 60)
            check("the log is damaged" in group.servers[node].log(), "no line in the log")
            hand_over(group, node)
            time.sleep(0.5)
        read_all_of_primary(group)
        check_same_data(group)
        group.kill(node)
        group.start(node)
        check_equal(facts(group, node)["log_trusted"], "1")
        check_same_data(group)


def test_damaged_superblocks():
    with Group() as group:
        fill(group)
        node = backup_of(group)
        group.wait_applied(node)
        for name, place in (("wal", 0), ("wal", 4096), ("data", 0), ("data", 4096)):
            checkpoint(group, node)
            group.kill(node)
            flip(data(group, node, name), [place + 50])
            group.start(node)
            check("a copy of a superblock is not whole" in group.servers[node].log(), "no line")
            group.wait_applied(node)
        hand_over(group, node)
        read_all_of_primary(group)
        check_same_data(group)
        # Without any the member has to be made anew, and says so.
        group.kill(node)
        for name in ("wal", "data"):
            flip(data(group, node, name), [60, 4096 + 60])
        group.start(node, wait=False)
        _, error = group.servers[node].process.communicate(timeout=30)
        check(group.servers[node].process.returncode != 0, "it started")
        for words in ("no superblock is whole", "empty data.dir", "SHARD REMOVEMEMBER",
                      "SHARD ADDMEMBER"):
            check(words in error, error)
        group.start(node, wait=False)
        primary = group.primary()
        replace_disk(group, primary, node)
        wait_for("it is a voter", lambda: group.member(primary, node)["kind"] == b"voter", 60)
        check_same_data(group)


def test_records_that_cannot_be_told_make_everything_come_anew():
    with Group() as group:
        fill(group)
        node = backup_of(group)
        group.wait_applied(node)
        checkpoint(group, node)
        with load(group):
            group.kill(node)
            places = records(group, node)
            flip(data(group, node, "data"), [places["key:7"] + 33])  # its key
            group.start(node)
            check("the store is damaged: it is emptied" in group.servers[node].log(), "no line")
            wait_for("it is trusted", lambda: facts(group, node)["log_trusted"] == "1", 60)
            hand_over(group, node)
        read_all_of_primary(group)
        check_same_data(group)


if __name__ == "__main__":
    main(globals())
