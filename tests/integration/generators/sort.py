"""SORT and SORT_RO over lists, sets and sorted sets, by and with what other keys say."""

UNORDERED = set()
SETUP = [["RPUSH", "l", "3", "1", "2", "10", "x1"], ["SADD", "s", "5", "7", "1"],
         ["ZADD", "z", "3", "a", "1", "b", "2", "c"], ["SET", "string", "1"]]
KEYS = ["l", "l2", "s", "z", "string", "absent", "dest"]
ELEMENTS = ["1", "2", "3", "10", "-5", "2.5", "1e3", "a", "b", "abc", "", "3", " 1", "x->y"]
PATTERNS = ["w_*", "h_*->w", "h_*->absent", "*", "#", "nostar", "w_*->", "string*", "->*", "h_*->w*"]


def key(rng):
    return rng.choice(KEYS)


def numbers(rng):
    return [str(rng.randrange(50)) for _ in range(rng.randint(1, 6))]


def options(rng, store):
    out = []
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        out += rng.choice([
            lambda: ["ALPHA"], lambda: ["alpha"], lambda: ["DESC"], lambda: ["ASC"],
            lambda: ["LIMIT", rng.choice(["0", "1", "-1", "5", "x"]),
                     rng.choice(["0", "1", "2", "-1", "100"])],
            lambda: ["BY", rng.choice(PATTERNS)],
            lambda: ["GET", rng.choice(PATTERNS)], lambda: ["GET", "#"],
            lambda: ["STORE", rng.choice(["dest", "l2"])] if store else [],
            lambda: [rng.choice(["WRONG", "BY", "LIMIT", "GET"])] if rng.random() < 0.2 else [],
        ])()
    if "BY" in out and "STORE" in out:  # what is equal has no order, and would be kept in one
        out[out.index("STORE")] = "GET"
    return out


def SKIP(command, wanted, got):
    words = [str(w).upper() for w in command]
    # Elements that are equal by what they are sorted by have no order; the order of a set that is
    # not sorted is free.
    free = "BY" in words
    if free and "LIMIT" in words and "ALPHA" in words and wanted[:1] == got[:1] == b"*":
        return wanted.split(b"\r\n")[0] == got.split(b"\r\n")[0]
    return free and sorted(wanted.split(b"\r\n")) == sorted(got.split(b"\r\n"))


def commands(rng):
    return rng.choice([
        lambda: ["SORT", key(rng)] + options(rng, rng.random() < 0.1),
        lambda: ["SORT", key(rng)] + options(rng, False),
        lambda: ["SORT_RO", key(rng)] + options(rng, rng.random() < 0.1),
        lambda: ["RPUSH", "l"] + numbers(rng),
        lambda: ["SADD", "s"] + numbers(rng),
        lambda: ["ZADD", "z", str(rng.randrange(9)), rng.choice(ELEMENTS)],
        lambda: ["RPUSH", "l", rng.choice(ELEMENTS)] if rng.random() < 0.2 else ["DEL", "l"]
        if rng.random() < 0.3 else ["LLEN", "l"],
        lambda: ["DEL", rng.choice(["s", "l2", "dest"])],
        lambda: ["SET", "w_" + rng.choice(ELEMENTS), rng.choice(ELEMENTS)],
        lambda: ["HSET", "h_" + rng.choice(ELEMENTS), "w", rng.choice(ELEMENTS)],
        lambda: ["LRANGE", rng.choice(["dest", "l2"]), "0", "-1"],
    ])()
