"""Sets. What is drawn by chance is compared only where there is no choice."""

UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "SSCAN", "SPOP", "SRANDMEMBER"}
KEYS = [f"k{i}" for i in range(8)]
SETUP = [["SET", "str", "no set"], ["CONFIG", "SET", "set-max-intset-entries", "60"]]
WORDS = ["", "a", "b", "abc", "x" * 64, "y" * 65, "9223372036854775808", "-9223372036854775808",
         "9223372036854775807", "007", "-0", " 1", "\x00\xff", "1.5", "32768", "-2147483649"]


def SKIP(command, wanted, got):
    """redis-server 7.0 has no listpacks of sets, and a copy of what became small is small here."""
    return command[0] == "OBJECT" and b"hashtable" in wanted and b"hashtable" not in got


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.95 else "str"


def member(rng):
    kind = rng.random()
    if kind < 0.7:
        return str(rng.randrange(-3, 25))
    if kind < 0.85:
        return f"m{rng.randrange(150)}"
    return str(rng.randrange(-100, 900)) if kind < 0.95 else rng.choice(WORDS)


def members(rng):
    many = 1 if rng.random() < 0.7 else rng.choice([2, 3, 10, 100, 600])
    if many == 600 and rng.random() < 0.5:
        return [str(i) for i in range(600)]
    return [member(rng) for _ in range(many)]


def keys(rng):
    return [key(rng) for _ in range(rng.choice([1, 2, 2, 3, 4]))]


def commands(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["SADD", k] + members(rng),
        lambda: ["SADD", k] + members(rng),
        lambda: ["SREM", k] + members(rng),
        lambda: ["SREM", k] + [str(i) for i in range(-3, 25)],
        lambda: ["SISMEMBER", k, member(rng)],
        lambda: ["SMISMEMBER", k] + members(rng),
        lambda: ["SCARD", k],
        lambda: ["SMEMBERS", k],
        lambda: ["SMOVE", k, key(rng), member(rng)],
        lambda: ["SINTER"] + keys(rng),
        lambda: ["SUNION"] + keys(rng),
        lambda: ["SDIFF"] + keys(rng),
        lambda: [rng.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), rng.choice(KEYS)] + keys(rng),
        lambda: ["SINTERCARD", str(rng.choice([1, 2, 2, 3]))] + keys(rng)[:3],
        lambda: ["SINTERCARD", "2", key(rng), key(rng), "LIMIT", rng.choice(["0", "1", "3", "-1", "x"])],
        lambda: ["SINTERCARD", rng.choice(["0", "-1", "x", "5"]), k],
        lambda: ["SPOP", k, "100000"] if rng.random() < 0.2 else ["SPOP", k, "0"],
        lambda: ["SPOP", k] + rng.choice([["-1"], ["x"], ["1", "2"], ["0"]]),
        lambda: ["SRANDMEMBER", k, "100000"],
        lambda: ["SRANDMEMBER", rng.choice(["absent", "str"])] +
        rng.choice([[], ["3"], ["-3"], ["x"], ["1", "2"], ["-9223372036854775808"]]),
        lambda: ["SSCAN", k, "0", "COUNT", "100000"] + rng.choice([[], ["MATCH", "1*"]]),
        lambda: ["SSCAN", k, "0", "COUNT"] + rng.choice([[], ["0"], ["x"], ["-1"], ["5", "y"]]),
        lambda: ["SSCAN", k, rng.choice(["x", "1 2"])],
        lambda: ["OBJECT", "ENCODING", k],
        lambda: ["DEBUG", "DIGEST-VALUE", k],
        lambda: ["COPY", k, rng.choice(KEYS)] + rng.choice([[], ["REPLACE"]]),
        lambda: ["DEL", rng.choice(KEYS)] if rng.random() < 0.2 else ["TYPE", k],
        lambda: [rng.choice(["SADD", "SREM", "SMOVE", "SINTERSTORE", "SUNION"]), k],
        lambda: ["DEL", rng.choice(KEYS)] if rng.random() < 0.2 else ["SCARD", k],
    ])()
