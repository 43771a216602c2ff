"""Lists, and the commands that wait for them (with short times here: one client is compared)."""

UNORDERED = set()
KEYS = [f"k{i}" for i in range(10)]
SETUP = [["SET", "s0", "no list"]]
NUMBERS = ["0", "1", "-1", "2", "-2", "3", "-3", "5", "-100", "100", "7", "-7", "200", "-200",
           "9223372036854775807", "-9223372036854775808", "-9223372036854775807", "1.5", "x", "",
           "9223372036854775808"]
WORDS = ["LEFT", "RIGHT", "left", "right", "MIDDLE", "LEFT", "RIGHT"]
TIMES = ["0.001", "0.002", "0.001", "1e-3", "-1", "x", "", "nan", "-inf", "0x1p-9", " 1",
         "0.001 "]


def key(rng):
    return "s0" if rng.random() < 0.02 else rng.choice(KEYS)


def element(rng):
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(["a", "b", "c", "1", "2", "-1", "", "long element " * 3])
    if kind < 0.9:
        return str(rng.choice([127, 128, -128, 4095, 4096, -4096, 40000, -70000, 1 << 31, 1 << 40,
                               (1 << 63) - 1, -(1 << 63), 1 << 63]))
    if kind < 0.97:
        return "x" * rng.randrange(600)
    return "y" * rng.choice([4000, 8100, 8192, 9000, 20000])


def number(rng):
    return str(rng.randrange(-30, 30)) if rng.random() < 0.6 else rng.choice(NUMBERS)


def keys(rng):
    return [key(rng) for _ in range(rng.choice([1, 1, 2, 3]))]


def many(rng):
    names = keys(rng)
    count = len(names) if rng.random() < 0.95 else rng.choice(["0", "-1", "9", "x", len(names) + 1])
    options = rng.choice([[], [], ["COUNT", number(rng)], ["COUNT"], ["COUNT", "1", "COUNT", "1"],
                          ["NO"]])
    return [str(count)] + names + [rng.choice(WORDS)] + options


def search(rng):
    options = []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        value = number(rng)
        if value != "-9223372036854775808":  # a rank that 7.0 takes for its opposite
            options += [rng.choice(["RANK", "COUNT", "MAXLEN", "rank", "NO"]), value]
    return options + (["RANK"] if rng.random() < 0.03 else [])


def commands(rng):
    def push(name):
        return lambda: [name, key(rng)] + [element(rng)
                                           for _ in range(rng.choice([1, 1, 2, 3, 30]))]
    return rng.choice([
        push("LPUSH"), push("RPUSH"), push("LPUSH"), push("RPUSH"), push("LPUSHX"), push("RPUSHX"),
        lambda: [rng.choice(["LPOP", "RPOP"]), key(rng)],
        lambda: [rng.choice(["LPOP", "RPOP"]), key(rng), number(rng)],
        lambda: ["LLEN", key(rng)],
        lambda: ["LRANGE", key(rng), number(rng), number(rng)],
        lambda: ["LRANGE", key(rng), "0", "-1"],
        lambda: ["LINDEX", key(rng), number(rng)],
        lambda: ["LSET", key(rng), number(rng), element(rng)],
        lambda: ["LSET", key(rng), number(rng), element(rng)],
        lambda: ["LINSERT", key(rng), rng.choice(["BEFORE", "after", "BEFORE", "AFTER", "NO"]),
                 element(rng), element(rng)],
        lambda: ["LREM", key(rng), number(rng), element(rng)],
        lambda: ["LTRIM", key(rng), number(rng), number(rng)]
        if rng.random() < 0.4 else ["LTRIM", key(rng), "0", "200"],
        lambda: ["LPOS", key(rng), element(rng)] + search(rng),
        lambda: ["LMOVE", key(rng), key(rng), rng.choice(WORDS), rng.choice(WORDS)],
        lambda: ["RPOPLPUSH", key(rng), key(rng)],
        lambda: ["LMPOP"] + many(rng),
        lambda: ["BLMPOP", rng.choice(TIMES)] + many(rng),
        lambda: [rng.choice(["BLPOP", "BRPOP"])] + keys(rng) + [rng.choice(TIMES)],
        lambda: ["BLMOVE", key(rng), key(rng), rng.choice(WORDS), rng.choice(WORDS),
                 rng.choice(TIMES)],
        lambda: ["BRPOPLPUSH", key(rng), key(rng), rng.choice(TIMES)],
        lambda: ["EXPIRE", key(rng), "1000"] if rng.random() < 0.1 else ["PTTL", "none"],
        lambda: ["PERSIST", key(rng)] if rng.random() < 0.2 else ["TYPE", key(rng)],
        lambda: [rng.choice(["COPY", "RENAME"]), key(rng), key(rng)],
        lambda: ["COPY", key(rng), key(rng), "REPLACE"],
        lambda: ["DEL", key(rng)] if rng.random() < 0.3 else ["EXISTS", key(rng)],
        lambda: ["SET", "s0", "no list"],
        lambda: ["GET", key(rng)] if rng.random() < 0.1 else ["DEBUG", "DIGEST-VALUE", key(rng)],
        lambda: [rng.choice(["LPUSH", "LPOP", "LRANGE", "LMOVE", "LMPOP", "BLPOP", "BLMPOP",
                             "LINSERT"]), key(rng)] if rng.random() < 0.2 else ["LLEN", key(rng)],
        lambda: ["LPOP", key(rng), "1", "2"],
    ])()
