"""Clients that write all the time while a test does harm, and know what they were told.

Every key has one writer, which sets it to growing numbers; everybody reads. What was acknowledged,
or read, before a read was sent must not be missing from its answer: that is what a register is.
When a writer does not learn what became of a write it leaves that key alone, since the write may
still be done later than the next one.
"""
import contextlib
import random
import threading
import time

from harness import Client, ReplyError, check, wait_for


class Told:
    """What clients were told of each key, all clients of a test together: the newest number."""

    def __init__(self):
        self.lock = threading.Lock()
        self.newest = {}
        self.keys = []
        self.stale = []  # (key, at least, got)

    def note(self, key, number):
        with self.lock:
            if key not in self.newest:
                self.keys.append(key)
            self.newest[key] = max(number, self.newest.get(key, 0))

    def floor(self, key):
        return self.newest.get(key, 0)

    def read(self, key, floor, value):
        """A value that was asked for when `floor` had been told."""
        number = number_in(value)
        if number < floor:
            self.stale.append((key, floor, value if value is None else number))
        self.note(key, number)


def number_in(value):
    return int(value.split(b":")[0]) if isinstance(value, bytes) else 0


class Writer(threading.Thread):
    """Writes wherever it is served: it follows MOVED, and tries the next node when one is silent.
    Of three writes it reads one of its own keys, and one of anybody's."""

    def __init__(self, ports, name, keys=50, value_bytes=0, timeout=0.5, told=None):
        super().__init__(daemon=True)
        self.ports, self.name_, self.keys, self.timeout = dict(ports), name, keys, timeout
        self.tail = ":" + "x" * value_bytes
        self.told = told or Told()
        self.number = 0
        self.acknowledged = {}  # key: the newest number that was
        self.answered = []  # (sent, acknowledged, port) of every write
        self.left = {}  # place: how many keys of it were left alone
        self.errors = []
        self.last_ok = time.monotonic()
        self.last_sent = 0  # when the newest acknowledged one was sent
        self.ending = threading.Event()
        self.node = next(iter(ports))

    def run(self):
        client = None
        while not self.ending.is_set():
            try:
                if client is None:
                    client = Client(self.ports[self.node], timeout=self.timeout)
                self.turn(client)
            except ReplyError as e:
                moved = str(e).startswith("MOVED")
                port = int(str(e).rsplit(":", 1)[1]) if moved else 0
                self.node = next((n for n, p in self.ports.items() if p == port), self.node)
                client = self.again(client)
            except (OSError, ConnectionError):
                names = list(self.ports)
                self.node = names[(names.index(self.node) + 1) % len(names)]
                client = self.again(client)
        self.again(client, 0)

    @staticmethod
    def again(client, pause=0.005):
        if client is not None:
            client.close()
        time.sleep(pause)

    def turn(self, client):
        self.number += 1
        place = self.number % self.keys
        key = f"{self.name_}:{place}:{self.left.get(place, 0)}"
        sent = time.monotonic()
        try:
            client("SET", key, str(self.number) + self.tail)
        except (OSError, ConnectionError):
            self.left[place] = self.left.get(place, 0) + 1
            raise
        self.noted(key, sent, self.ports[self.node])
        if self.number % 3 == 0:
            self.look(client, key)
            self.look(client, random.choice(self.told.keys))

    def noted(self, key, sent, port):
        self.acknowledged[key] = self.number
        self.told.note(key, self.number)
        self.last_ok = time.monotonic()
        self.answered.append((sent, self.last_ok, port))
        self.last_sent = sent

    def look(self, client, key):
        floor = self.told.floor(key)
        self.told.read(key, floor, client("GET", key))

    def stop(self):
        self.ending.set()
        self.join(timeout=20)

    def check(self, client):
        """Everything acknowledged is there, and nobody was shown anything older."""
        stale = self.told.stale
        check(not stale, f"old values read: {stale[:3]} ({len(stale)} in all)")
        check(not self.errors, f"{self.name_}: {self.errors[:3]} ({len(self.errors)} in all)")
        lost = []
        keys = list(self.acknowledged)
        for key, value in zip(keys, client.pipeline([("GET", key) for key in keys])):
            if number_in(value) < self.acknowledged[key]:
                lost.append((key, self.acknowledged[key], value))
        check(not lost, f"acknowledged and lost: {lost[:5]} ({len(lost)} in all)")

    def longest_pause(self, since):
        """Seconds of the longest time without an acknowledgement that ends later than that."""
        ends = [self.answered[0][0]] + [end for _, end, _ in list(self.answered)]
        return max((b - a for a, b in zip(ends, ends[1:]) if b > since), default=0)


class GatewayWriter(Writer):
    """One that talks to a gateway, and takes no error for an answer. Besides its keys it has a
    counter and a list, whose answers say whether each of its writes was done exactly once."""

    def __init__(self, ports, name, **options):
        super().__init__(ports, name, timeout=30, **options)
        self.count = 0
        self.life = 0  # what an unknown outcome ends

    def run(self):
        client = None
        while not self.ending.is_set():
            try:
                if client is None:
                    client = Client(self.ports[self.node], timeout=self.timeout)
                self.turn(client)
                self.exactly_once(client)
            except (ReplyError, OSError, ConnectionError) as e:
                self.failed(e)
                self.life, self.count = self.life + 1, 0
                client = self.again(client)
        self.again(client, 0)

    def failed(self, error):
        self.errors.append(f"{type(error).__name__} {error}")

    def exactly_once(self, client):
        self.count += 1
        counter, items = f"{self.name_}:count:{self.life}", f"{self.name_}:list:{self.life}"
        both = "{" + counter + "}both"
        got = client.pipeline([("INCR", counter), ("RPUSH", items, self.count), ("MULTI",),
                               ("INCR", both), ("APPEND", both + "s", "x"), ("EXEC",)])
        wanted = [self.count] * 2 + ["OK", "QUEUED", "QUEUED", [self.count] * 2]
        if got == wanted:
            return
        wrong = next((a for a in got if isinstance(a, ReplyError)), None)
        raise wrong if wrong is not None else ReplyError(f"not once: {got}, wanted {wanted}")

    def check(self, client):
        super().check(client)
        items = client("LRANGE", f"{self.name_}:list:{self.life}", 0, -1)
        wanted = [str(n + 1).encode() for n in range(self.count)]
        check(items == wanted, f"{self.name_}: a list of {len(items)}, {self.count} acknowledged")


class Worker(GatewayWriter):
    """One that waits for the jobs of a queue, which another connection adds: each comes once, and
    in order, whatever happens to the node at which it waits."""

    def __init__(self, ports, name, **options):
        super().__init__(ports, name, **options)
        self.queue = f"{{{name}}}:queue"
        self.added = 0

    def run(self):
        adding = threading.Thread(target=self.add, daemon=True)
        adding.start()
        super().run()
        adding.join(timeout=20)

    def add(self):
        try:
            with Client(self.ports[self.node], timeout=self.timeout) as client:
                while not self.ending.is_set():
                    client("RPUSH", self.queue, self.added + 1)
                    self.added += 1
                    time.sleep(random.uniform(0, 0.03))
        except (ReplyError, OSError, ConnectionError) as e:
            self.failed(e)

    def exactly_once(self, client):
        done = self.queue + ":done"
        if self.count % 2:
            got = client("BLMOVE", self.queue, done, "LEFT", "RIGHT", 2)
        else:
            got = (client("BLPOP", self.queue, 2) or [None])[-1]
        if got is None:  # nothing was added for so long
            return
        self.count += 1
        if got != str(self.count).encode():
            raise ReplyError(f"job {self.count} was to come, not {got}")

    def check(self, client):
        Writer.check(self, client)
        left = client("LRANGE", self.queue, 0, -1)
        wanted = [str(n + 1).encode() for n in range(self.count, self.added)]
        check(left == wanted, f"{self.name_}: {len(left)} jobs left, wanted {len(wanted)}")
        moved = client("LRANGE", self.queue + ":done", 0, -1)
        wanted = [str(n).encode() for n in range(2, self.count + 1, 2)]
        check(moved == wanted, f"{self.name_}: {len(moved)} jobs moved, wanted {len(wanted)}")


@contextlib.contextmanager
def running(threads):
    """While they write. Whoever uses it checks them afterwards."""
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.ending.set()
        for thread in threads:
            thread.stop()


def first_answer(threads, since, old_port):
    """Seconds from then on to the first write that another node than the old one acknowledged."""
    def elsewhere():
        return [end - since for thread in threads for _, end, port in list(thread.answered[-2000:])
                if end > since and port != old_port]
    return min(wait_for("writes go on elsewhere", elsewhere))
