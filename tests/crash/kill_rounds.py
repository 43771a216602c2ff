#!/usr/bin/env python3
"""kill -9 under load from several clients, round after round on one data directory.

Each round: start, check that everything acknowledged so far is there, load from several clients
with writes whose outcome is recorded, kill at a random moment. Clients write
  - counters: SET c<n>:<i> <value>, one value per write, so the newest acknowledged one is known;
  - pairs: p<n>:a and p<n>:b set to one value by MSET, by a transaction or by a script: no half may
    ever be seen;
  - large values: SET l<n>:<i> <bytes that follow from the value>, which lie elsewhere than the log;
and as many clients write hashes, lists, sets, sorted sets and streams (typed_writer.py).
A write that was sent and not acknowledged may or may not be there; an acknowledged one must be.

Usage: tests/crash/kill_rounds.py [--rounds N] [--clients N] [--seed N] [--set key=value]
"""
import argparse
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from harness import Client, Failed, Server, check, main  # noqa: E402
from typed_writer import TypedWriter  # noqa: E402

KEYS = 200
PIPELINE = 8
SCRIPT = "redis.call('set', KEYS[1], ARGV[1]) redis.call('set', KEYS[2], ARGV[1]) return 'OK'"


def pair_commands(name, value, way):
    """Sets both halves; the last reply tells that it is done."""
    a, b = name + ":a", name + ":b"
    if way == 0:
        return [("MSET", a, value, b, value)]
    if way == 1:
        return [("EVAL", SCRIPT, 2, a, b, value)]
    return [("MULTI",), ("SET", a, value), ("SET", b, value), ("EXEC",)]


LARGE_KEYS = 5


def large(value):
    return b"%d:" % value + random.Random(value).randbytes(65536 + value * 7919 % 400000)


class Writer(threading.Thread):
    """One client. acked/sent: the last value per key that was acknowledged / sent."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.number = number
        self.acked = {}
        self.sent = {}
        self.value = 0
        self.acknowledged = 0

    def begin_round(self, port, seed):
        super().__init__(daemon=True)  # a thread runs once
        self.port = port
        self.random = random.Random(seed)
        self.start()

    def run(self):
        try:
            with Client(self.port) as client:
                while True:
                    self.burst(client)
        except (ConnectionError, OSError):
            pass

    def burst(self, client):
        batch = []
        for _ in range(PIPELINE):
            self.value += 1
            kind = self.random.random()
            if kind < 0.02:
                name = f"l{self.number}:{self.random.randrange(LARGE_KEYS)}"
                batch.append((name, self.value, [("SET", name, large(self.value))]))
            elif kind < 0.3:
                name = f"p{self.number}"
                batch.append((name, self.value,
                              pair_commands(name, self.value, self.random.randrange(3))))
            else:
                name = f"c{self.number}:{self.random.randrange(KEYS)}"
                batch.append((name, self.value, [("SET", name, self.value)]))
            self.sent.setdefault(name, set()).add(self.value)
        client.send_raw(b"".join(Client.encode(*command)
                                 for _, _, commands in batch for command in commands))
        for name, value, commands in batch:
            reply = [client.read() for _ in commands][-1]
            if reply not in ("OK", b"OK", ["OK", "OK"]):
                raise Failed(f"{commands}: {reply!r}")
            self.acked[name] = value
            self.sent[name] = {v for v in self.sent[name] if v > value}
            self.acknowledged += 1

    def verify(self, client):
        for name in set(self.acked) | set(self.sent):
            allowed = {self.acked.get(name)} | self.sent.get(name, set())
            if name.startswith("p"):
                a, b = client("MGET", name + ":a", name + ":b")
                check(a == b, f"half of a pair: {name}:a={a} {name}:b={b}")
                found = a
            else:
                found = client("GET", name)
            if name.startswith("l") and found is not None:
                value = int(found.split(b":", 1)[0])
                check(found == large(value), f"{name}: not the bytes of value {value}")
                found = value
            found = None if found is None else int(found)
            check(found in allowed, f"{name}: found {found}, acknowledged {self.acked.get(name)}")
            # What was found is durable now, whether it had been acknowledged or not.
            if found is not None:
                self.acked[name] = found
            self.sent[name] = set()


def rounds(count, clients, seed, sets):
    chance = random.Random(seed)
    writers = [make(n) for n in range(clients) for make in (Writer, TypedWriter)]
    with Server(*sets) as server:
        for number in range(count):
            if number > 0:
                server.start()
            with server.client() as client:
                for writer in writers:
                    writer.verify(client)
            for writer in writers:
                writer.begin_round(server.port, chance.random())
            time.sleep(chance.uniform(0.05, 0.6))
            server.kill()
            for writer in writers:
                writer.join()
            print(f"round {number + 1}/{count}: "
                  f"{sum(w.acknowledged for w in writers)} acknowledged writes so far", flush=True)
        server.start()
        with server.client() as client:
            for writer in writers:
                writer.verify(client)
    check(all(w.acknowledged > 0 for w in writers), "a client whose writes were not acknowledged")


def run_from_command_line():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=3, help="of each kind")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--set", action="append", default=[], dest="sets")
    args = parser.parse_args()
    print(f"seed {args.seed}")
    sys.argv = sys.argv[:1]
    # A small log makes checkpoints run during the load.
    sets = ["checkpoint.log_bytes=1mb"] + args.sets

    def test_kill_rounds():
        rounds(args.rounds, args.clients, args.seed, sets)

    main({"test_kill_rounds": test_kill_rounds})


if __name__ == "__main__":
    run_from_command_line()
