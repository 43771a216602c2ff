"""The same random requests to Holdfast and to Debian's redis-server: every reply must be the same
bytes, in RESP2 and in RESP3. What differs on purpose is in docs/COMPATIBILITY.md.

Keys, values, options and mistakes come from small sets, so that types, expiries and errors meet.
HOLDFAST_DIFFERENTIAL_COMMANDS sets how many requests are compared (default 100,000 a protocol).
"""
import os
import random

from harness import Client, Server, check, main
from reference import Redis, raw_reply

COMMANDS = int(os.environ.get("HOLDFAST_DIFFERENTIAL_COMMANDS", "100000"))
BATCH = 50

KEYS = ["a", "b", "c", "d", "{t}1", "{t}2", "", "k\x00\xff", "big"]
INTEGERS = ["0", "1", "-1", "7", "100", "-100", "9223372036854775807", "-9223372036854775808",
            "9223372036854775808", "01", "+1", "1.5", "abc", "", " 1", "4294967296"]
FLOATS = ["0", "1.5", "-2.25", "1e3", "inf", "-inf", "nan", "abc", "1e400", " 1", "0x10", "3.0e2"]
VALUES = ["", "x", "hello world", "12345", "-7", "1.25", "\x00\xff\x80", "x" * 44, "x" * 45,
          "ohmytext", "mynewtext", "y" * 3000, "007"]
OFFSETS = ["0", "1", "7", "8", "100", "-1", "#1", "#0", "abc", "4294967296", "5000", "-5", "9"]
FIELDS = ["u8", "i8", "i16", "u63", "i64", "u64", "i1", "u1", "x8", "i0", "u4"]
FAR = ["1000000", "999999999"]  # seconds: far enough not to pass during the test
TIMES = FAR + ["0", "-1", "abc", "9223372036854775807", "99999999999999999"]
WORDS = ["NX", "XX", "GT", "LT", "GET", "KEEPTTL", "EX", "PX", "EXAT", "PXAT", "PERSIST", "WRONG",
         "BYTE", "BIT", "REPLACE", "DB", "MATCH", "COUNT", "TYPE", "LEN", "IDX", "WITHMATCHLEN",
         "MINMATCHLEN", "OVERFLOW", "ASYNC"]


class Chooser:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def key(self):
        return self.r.choice(KEYS)

    def pick(self, options):
        return self.r.choice(options)

    def keys(self, most=4):
        return [self.key() for _ in range(self.r.randint(1, most))]

    def value(self):
        return self.pick(VALUES + INTEGERS)

    def integer(self):
        return self.pick(INTEGERS)

    def maybe(self, *words):
        return list(words) if self.r.random() < 0.5 else []

    def expiry(self):
        unit = self.pick(["EX", "PX"])
        return [unit, self.pick(TIMES)] if self.r.random() < 0.5 else []

    def set_options(self):
        return (self.maybe(self.pick(["NX", "XX"])) + self.maybe("GET")
                + self.pick([[], ["KEEPTTL"], self.expiry(), ["EXAT", "99999999999"]]))

    def bitfield(self, read_only=False):
        out = []
        for _ in range(self.r.randint(0, 3)):
            field, offset = self.pick(FIELDS), self.pick(OFFSETS)
            kinds = ["GET"] if read_only and self.r.random() < 0.9 else ["GET", "SET", "INCRBY"]
            kind = self.pick(kinds)
            if not read_only:
                out += self.maybe("OVERFLOW", self.pick(["WRAP", "SAT", "FAIL", "NOPE"]))
            # Redis saturates the lowest integer of all to the wrong side (docs/COMPATIBILITY.md).
            value = self.pick([i for i in INTEGERS if i != "-9223372036854775808"])
            out += [kind, field, offset] + ([value] if kind != "GET" else [])
        return out

    def command(self):
        c = self
        rows = [
            lambda: ["SET", c.key(), c.value()],
            lambda: ["SET", c.key(), c.value()] + c.set_options(),
            lambda: ["GET", c.key()],
            lambda: ["GETSET", c.key(), c.value()],
            lambda: ["GETDEL", c.key()],
            lambda: ["GETEX", c.key()] + c.pick([[], ["PERSIST"], c.expiry()]),
            lambda: ["SETNX", c.key(), c.value()],
            lambda: ["SETEX", c.key(), c.pick(TIMES), c.value()],
            lambda: ["PSETEX", c.key(), c.pick(TIMES), c.value()],
            lambda: ["MGET"] + c.keys(),
            lambda: ["MSET"] + [x for k in c.keys() for x in (k, c.value())],
            lambda: ["MSETNX"] + [x for k in c.keys(2) for x in (k, c.value())],
            lambda: ["MSET", c.key()],
            lambda: ["APPEND", c.key(), c.value()],
            lambda: ["STRLEN", c.key()],
            lambda: [c.pick(["GETRANGE", "SUBSTR"]), c.key(), c.integer(), c.integer()],
            lambda: ["SETRANGE", c.key(), c.pick(["0", "5", "-1", "100", "536870912", "x"]),
                     c.pick(["", "zz", "hello"])],
            lambda: [c.pick(["INCR", "DECR"]), c.key()],
            lambda: [c.pick(["INCRBY", "DECRBY"]), c.key(), c.integer()],
            lambda: ["INCRBYFLOAT", c.key(), c.pick(FLOATS)],
            lambda: ["LCS", c.key(), c.key()] + c.maybe("LEN") + c.maybe("IDX")
            + c.maybe("MINMATCHLEN", c.pick(["0", "2", "x"])) + c.maybe("WITHMATCHLEN"),
            lambda: ["SETBIT", c.key(), c.pick(OFFSETS), c.pick(["0", "1", "2", "x"])],
            lambda: ["GETBIT", c.key(), c.pick(OFFSETS)],
            lambda: ["BITCOUNT", c.key()] + c.pick(
                [[], ["0"], [c.integer(), c.integer()],
                 [c.integer(), c.integer(), c.pick(["BYTE", "BIT", "X"])]]),
            lambda: ["BITPOS", c.key(), c.pick(["0", "1", "2", "x"])] + c.pick(
                [[], [c.integer()], [c.integer(), c.integer()],
                 [c.integer(), c.integer(), c.pick(["BYTE", "BIT", "X"])]]),
            lambda: ["BITOP", c.pick(["AND", "OR", "XOR", "NOT", "NAND"]), c.key()] + c.keys(3),
            lambda: ["BITFIELD", c.key()] + c.bitfield(),
            lambda: ["BITFIELD_RO", c.key()] + c.bitfield(True),
            lambda: [c.pick(["DEL", "UNLINK", "EXISTS", "TOUCH"])] + c.keys(),
            lambda: ["TYPE", c.key()],
            lambda: [c.pick(["RENAME", "RENAMENX"]), c.key(), c.key()],
            lambda: ["COPY", c.key(), c.key()] + c.maybe("DB", c.pick(["0", "1", "99", "x"]))
            + c.maybe("REPLACE"),
            lambda: ["MOVE", c.key(), c.pick(["0", "1", "16", "x"])],
            lambda: ["OBJECT", "WRONG", c.key()],
            lambda: [c.pick(["EXPIRE", "PEXPIRE"]), c.key(), c.pick(TIMES)]
            + c.maybe(c.pick(["NX", "XX", "AB"])) + c.maybe("XX"),
            # GT and LT with absolute times only: relative ones meet a millisecond apart.
            lambda: [c.pick(["EXPIREAT", "PEXPIREAT"]), c.key(),
                     c.pick(["1", "99999999999999", "88888888888888", "x", "-5"])]
            + c.maybe(c.pick(["NX", "XX", "GT", "LT", "AB"])) + c.maybe(c.pick(["GT", "LT", "XX"])),
            lambda: ["PERSIST", c.key()],
            lambda: [c.pick(["EXPIRETIME", "PEXPIRETIME"]), c.pick(["nokey", "x y"])],
            lambda: ["TTL", c.pick(["nokey", "x y"])],
            lambda: ["DBSIZE"],
            lambda: ["SELECT", c.pick(["0", "0", "0", "1", "16", "-1", "x"])],
            lambda: ["SWAPDB", c.pick(["0", "1", "x"]), c.pick(["0", "1", "77"])],
            lambda: ["KEYS", c.pick(["nomatch*", "[b-b]", "{t}1"])],
            lambda: ["ECHO", c.value()],
            lambda: ["PING"] + c.maybe(c.value()),
            lambda: ["SCAN", c.pick(["x", "-1", "0"]), "MATCH", "none", "COUNT",
                     c.pick(["0", "x", "-1"])],
            lambda: [c.pick(["FLUSHDB", "FLUSHALL"])] + c.pick([[], ["SYNC"], ["WRONG"]])
            if c.r.random() < 0.05 else ["DBSIZE"],
            lambda: ["RESTORE", c.key(), "0", "not a payload"],
            lambda: c.mutilated(),
        ]
        return self.pick(rows)()

    def mutilated(self):
        """A known name with too few, too many or senseless arguments."""
        name = self.pick(["SET", "GET", "MGET", "GETRANGE", "SETBIT", "EXPIRE", "COPY", "OBJECT",
                          "BITOP", "NOSUCH", "DEL", "LCS", "SCAN", "RENAME", "CONFIG", "CLIENT"])
        return [name] + [self.pick(KEYS + WORDS + INTEGERS)
                         for _ in range(self.r.randint(0, 3))]


def comparable(command, reply):
    """A reply without what may differ: the order of keys, the meaning of cursors."""
    if command[0] == "SCAN" and reply.startswith(b"*"):
        return b"*"  # what a cursor of the other server means is its own affair
    if command[0] == "KEYS":
        return sorted(reply.split(b"\r\n"))
    return reply


def same(seed, protocol, config="conf/memory.yaml", between=lambda start, ours: None,
         requests=COMMANDS):
    chooser = Chooser(seed)
    different = {}  # the first difference of each command
    with Redis() as redis, Server(config=config) as server:
        with Client(redis.port) as theirs, server.client() as ours:
            if protocol == 3:
                theirs("HELLO", "3")
                ours("HELLO", "3")
            for start in range(0, requests, BATCH):
                between(start, ours)
                commands = [chooser.command() for _ in range(BATCH)]
                data = b"".join(Client.encode(*[a.encode("latin-1") for a in c]) for c in commands)
                theirs.send_raw(data)
                ours.send_raw(data)
                for number, command in enumerate(commands):
                    wanted, got = raw_reply(theirs), raw_reply(ours)
                    if comparable(command, wanted) != comparable(command, got):
                        different.setdefault(
                            command[0], f"seed {seed}, request {start + number}: {command}\n"
                            f"  Redis:    {wanted[:300]!r}\n  Holdfast: {got[:300]!r}")
                if len(different) > 5:
                    break
    check(not different, "\n".join(different.values()))


def test_same_replies_resp2():
    same(1, 2)


def test_same_replies_resp3():
    same(2, 3)


def test_same_replies_of_values_on_the_device():
    freed = []

    def cool(start, ours):
        if start % (4 * BATCH) == 0:
            ours("DEBUG", "RELOAD")
            freed.append(ours("DEBUG", "COOL"))
    same(3, 2, "conf/standalone.yaml", cool, COMMANDS // 2)
    check(sum(freed) > 100000, f"hardly anything was forgotten: {freed}")


def test_same_dumps_restore():
    with Redis() as redis, Server(config="conf/memory.yaml") as server:
        with Client(redis.port) as theirs, server.client() as ours:
            for value in VALUES + INTEGERS + ["ab" * 500, "z" * 100000]:
                value = value.encode("latin-1")
                for source, target in ((theirs, ours), (ours, theirs)):
                    source("SET", "k", value)
                    dumped = source("DUMP", "k")
                    target("RESTORE", "r", "0", dumped, "REPLACE")
                    check(target("GET", "r") == value, f"{value[:50]!r} did not survive")


def test_same_encodings():
    with Redis() as redis, Server(config="conf/memory.yaml") as server:
        with Client(redis.port) as theirs, server.client() as ours:
            for value in VALUES + INTEGERS:
                for command in (["SET", "k", value], ["APPEND", "k", "1"], ["GETDEL", "k"],
                                ["SETRANGE", "k", "0", value], ["INCRBY", "n", "5"]):
                    replies = []
                    for client in (theirs, ours):
                        client.send(*[a.encode("latin-1") for a in command])
                        client.read()
                        replies.append((client("OBJECT", "ENCODING", "k"),
                                        client("OBJECT", "ENCODING", "n")))
                    check(replies[0] == replies[1], f"after {command}: {replies}")


if __name__ == "__main__":
    main(globals())
