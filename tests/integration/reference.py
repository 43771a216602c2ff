"""The reference: Debian's redis-server, and steps that are run on it and on Holdfast.

A step is (client number, arguments...), run one after the other; every reply must be the same bytes.
A step may begin with a word of its own: ("sleep", seconds), ("resp3", client).
"""
import socket
import subprocess
import tempfile
import time

from harness import Client, Server, check


class Redis:
    def __init__(self, *options):
        self.options = [str(o) for o in options]

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--dir", self.directory.name]
            + self.options, stdout=subprocess.DEVNULL)
        for _ in range(100):
            try:
                Client(self.port).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("redis-server did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


def raw_reply(client):
    """The bytes of one reply."""
    line = client.file.readline()
    out = [line]
    kind = line[:1]
    if kind in b"$=":
        count = int(line[1:])
        if count >= 0:
            out.append(client.file.read(count + 2))
    elif kind in b"*~>%":
        count = int(line[1:]) * (2 if kind == b"%" else 1)
        out += [raw_reply(client) for _ in range(count)]
    return b"".join(out)


def encoded(args):
    return Client.encode(*[a.encode("latin-1") if isinstance(a, str) else a for a in args])


def run_steps(port, steps):
    """[(step, reply bytes or None)]"""
    clients = {}
    replies = []
    try:
        for step in steps:
            if step[0] == "sleep":
                time.sleep(step[1])
                continue
            if step[0] == "resp3":
                clients[step[1]] = Client(port)
                clients[step[1]]("HELLO", "3")
                continue
            if step[0] not in clients:
                clients[step[0]] = Client(port)
            client = clients[step[0]]
            client.send_raw(encoded(step[1:]))
            replies.append((step, raw_reply(client)))
    finally:
        for client in clients.values():
            client.close()
    return replies


def compare(redis, server, name, steps, first=(), same=None):
    """Runs the steps on both after FLUSHALL; gives what differs, as lines. `same(step, wanted, got)`
    may call two different replies the same."""
    before = [(0, "FLUSHALL"), *first]
    wanted = run_steps(redis.port, before + list(steps))
    got = run_steps(server.port, before + list(steps))
    return [f"{name}: {step}\n  Redis:    {w[:400]!r}\n  Holdfast: {g[:400]!r}"
            for (step, w), (_, g) in zip(wanted, got)
            if w != g and not (same and same(step, w, g))]


def check_same(cases, config="conf/memory.yaml", redis_options=(), sets=(), same=None):
    """cases: {name: steps}."""
    different = []
    with Redis(*redis_options) as redis, Server(*sets, config=config) as server:
        for name, steps in cases.items():
            different += compare(redis, server, name, steps, same=same)
    check(not different, "\n".join(different[:20]))
