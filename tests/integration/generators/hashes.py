"""Hashes. Expiring fields are younger than redis-server's 7.0 and have tests of their own."""

UNORDERED = {"HGETALL", "HKEYS", "HVALS", "HSCAN", "HRANDFIELD"}
KEYS = [f"k{i}" for i in range(8)]
SETUP = [["SET", "str", "no hash"], ["CONFIG", "SET", "hash-max-ziplist-entries", "20"],
         ["CONFIG", "SET", "hash-max-listpack-value", "60"]]
VALUES = ["", "0", "1", "-1", "abc", "9223372036854775807", "-9223372036854775808", "1.5", " 1",
          "0012", "x" * 63, "y" * 64, "z" * 65, "\x00\xff", "1e3", "inf", "nan", "3.0e-10"]


def SKIP(command, wanted, got):
    """A copy of a hash that became small is small here."""
    return command[0] == "OBJECT" and b"hashtable" in wanted and b"listpack" in got


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.95 else rng.choice(["str", "{t}x"])


def field(rng):
    if rng.random() < 0.02:
        return rng.choice(["", "f" * 64, "g" * 65, "\x00", "-0", "007"])
    return str(rng.randrange(12)) if rng.random() < 0.7 else f"f{rng.randrange(200)}"


def value(rng):
    return rng.choice(VALUES) if rng.random() < 0.5 else str(rng.randrange(-300, 70000))


def pairs(rng):
    many = 1 if rng.random() < 0.8 else rng.choice([2, 3, 10, 150])
    return [w for _ in range(many) for w in (field(rng), value(rng))]


def fields(rng):
    return [field(rng) for _ in range(rng.choice([1, 1, 2, 5]))]


def commands(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["HSET", k] + pairs(rng),
        lambda: ["HSET", k] + pairs(rng),
        lambda: ["HMSET", k] + pairs(rng),
        lambda: [rng.choice(["HSET", "HMSET"]), k] + pairs(rng)[:-1],
        lambda: ["HSETNX", k, field(rng), value(rng)],
        lambda: ["HGET", k, field(rng)],
        lambda: ["HMGET", k] + fields(rng),
        lambda: ["HGETALL", k],
        lambda: [rng.choice(["HKEYS", "HVALS"]), k],
        lambda: ["HLEN", k],
        lambda: ["HSTRLEN", k, field(rng)],
        lambda: ["HEXISTS", k, field(rng)],
        lambda: ["HDEL", k] + fields(rng),
        lambda: ["HDEL", k] + [str(i) for i in range(12)],
        lambda: ["HINCRBY", k, field(rng), value(rng)],
        lambda: ["HINCRBY", k, field(rng), str(rng.randrange(-9, 9))],
        lambda: ["HINCRBYFLOAT", k, field(rng), value(rng)],
        lambda: ["HINCRBYFLOAT", k, field(rng), rng.choice(["0.1", "-2.5", "1e17", "3"])],
        lambda: ["HRANDFIELD", k, "100000"] + rng.choice([[], ["WITHVALUES"]]),
        lambda: ["HRANDFIELD", rng.choice(["absent", "str"])] +
        rng.choice([[], ["3"], ["-3"], ["x"], ["3", "withvalues"], ["3", "wrong"],
                    ["3", "withvalues", "x"], ["-9223372036854775808"],
                    ["-9223372036854775807", "withvalues"], ["9223372036854775807", "withvalues"]]),
        lambda: ["HSCAN", k, "0", "COUNT", "100000"] + rng.choice([[], ["MATCH", "f1*"]]),
        lambda: ["HSCAN", rng.choice(["absent", "str", k]), rng.choice(["x", "-1x", "1 2", "1.5"])],
        lambda: ["HSCAN", k, "0", "COUNT"] + rng.choice([[], ["0"], ["x"], ["-1"], ["5", "y"]]),
        lambda: ["HSCAN", k, "0", "MATCH"],
        lambda: ["OBJECT", "ENCODING", k],
        lambda: ["TYPE", k],
        lambda: ["DEBUG", "DIGEST-VALUE", k],
        lambda: ["COPY", k, rng.choice(KEYS)] + rng.choice([[], ["REPLACE"]]),
        lambda: ["DEL", rng.choice(KEYS)] if rng.random() < 0.2 else ["EXISTS", k],
        lambda: ["GET", k],
        lambda: [rng.choice(["HSET", "HGET", "HDEL", "HLEN", "HINCRBY", "HSETNX", "HSCAN"]), k],
        lambda: ["DEL", rng.choice(KEYS)] if rng.random() < 0.2 else ["HLEN", k],
    ])()
