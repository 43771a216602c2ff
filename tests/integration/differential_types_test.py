"""Random commands of every family to Holdfast and to Debian's redis-server: the same bytes must come
back, in RESP2 and RESP3, also out of transactions and scripts. What differs on purpose is in
docs/COMPATIBILITY.md.

A family is a module in generators/ with `commands(rng)`, which gives one random command (valid, at
an edge or wrong), and `UNORDERED`, the commands whose replies have no order. It may have `SKIP`,
a function (command, wanted, got) that says which differences are known, and `SETUP`, commands sent
to both first. HOLDFAST_DIFFERENTIAL_COMMANDS sets how many commands of a family are compared.
"""
import importlib
import os
import pathlib
import random
import sys

from differential_test import Redis, raw_reply
from harness import Client, Server, check, main

sys.path.insert(0, str(pathlib.Path(__file__).parent))
COMMANDS = int(os.environ.get("HOLDFAST_DIFFERENTIAL_COMMANDS", "100000"))
BATCH = 50
FAMILIES = sorted(p.stem for p in (pathlib.Path(__file__).parent / "generators").glob("*.py")
                  if p.stem != "__init__")


def words(command):
    return [w if isinstance(w, bytes) else str(w).encode("latin-1") for w in command]


def call_script(command):
    """The command by way of a script that hands its reply through."""
    return [b"EVAL", b"return redis.pcall(unpack(ARGV))", b"0"] + words(command)


def leaves(reply):
    """The lines of a reply, in no order."""
    return sorted(reply.split(b"\r\n"))


def differs(module, command, wanted, got):
    if wanted == got:
        return False
    name = words(command)[0].upper().decode("latin-1")
    if name in module.UNORDERED and leaves(wanted) == leaves(got):
        return False
    skip = getattr(module, "SKIP", None)
    return skip is None or not skip(command, wanted, got)


def batch_of(module, rng):
    """Commands to send, each with the one that tells how its reply is compared."""
    commands = [module.commands(rng) for _ in range(BATCH)]
    how = rng.random()
    if how < 0.1:
        plain = [["MULTI"]] + commands[:8] + [["EXEC"]]
        return [(c, c) for c in plain + commands[8:]]
    if how < 0.2:
        return [(call_script(c), c) for c in commands]
    return [(c, c) for c in commands]


def exec_differs(module, queued, wanted, got):
    """EXEC's reply is that of its commands: what has no order there has none here."""
    if wanted == got or leaves(wanted) == leaves(got):
        return False
    return getattr(module, "SKIP", None) is None or not any(
        module.SKIP(c, wanted, got) for c in queued)


def same(family, protocol, seed):
    module = importlib.import_module(f"generators.{family}")
    rng = random.Random(seed)
    different = {}
    with Redis("--enable-debug-command", "yes") as redis, Server(config="conf/memory.yaml") as server:
        with Client(redis.port) as theirs, server.client() as ours:
            for c in (theirs, ours):
                if protocol == 3:
                    c("HELLO", "3")
                for command in getattr(module, "SETUP", []):
                    c(*words(command))
            for start in range(0, COMMANDS // 2, BATCH):
                batch = batch_of(module, rng)
                data = b"".join(Client.encode(*words(sent)) for sent, _ in batch)
                theirs.send_raw(data)
                ours.send_raw(data)
                for number, (sent, command) in enumerate(batch):
                    wanted, got = raw_reply(theirs), raw_reply(ours)
                    name = words(command)[0].upper()
                    differ = (exec_differs(module, [c for _, c in batch[:number]], wanted, got)
                              if name == b"EXEC" else differs(module, command, wanted, got))
                    if differ:
                        different.setdefault(
                            (name, wanted[:20]),
                            f"seed {seed}, command {start + number}: {words(sent)}\n"
                            f"  Redis:    {wanted[:300]!r}\n  Holdfast: {got[:300]!r}")
                if len(different) > 5:
                    break
            wanted, got = theirs("DEBUG", "DIGEST"), ours("DEBUG", "DIGEST")
            if wanted != got and not different:
                different["digest"] = f"seed {seed}: contents differ in the end"
    check(not different, "\n".join(different.values()))


for _family in FAMILIES:
    for _protocol in (2, 3):
        globals()[f"test_{_family}_resp{_protocol}"] = (
            lambda f=_family, p=_protocol: same(f, p, 10 + p))

if __name__ == "__main__":
    main(globals())
