"""HyperLogLog."""

UNORDERED = set()
KEYS = ["h0", "h1", "h2", "h3", "s0"]
SETUP = [["SET", "s0", "no hll"]]


def key(rng):
    return rng.choice(KEYS if rng.random() < 0.97 else ["absent"])


def elements(rng):
    count = rng.choice([0, 1, 1, 2, 5, 300])
    return [str(rng.randrange(20000)) for _ in range(count)]


def commands(rng):
    return rng.choice([
        lambda: ["PFADD", key(rng)] + elements(rng),
        lambda: ["PFADD", key(rng)] + elements(rng),
        lambda: ["PFCOUNT"] + [key(rng) for _ in range(rng.randint(1, 3))],
        lambda: ["PFMERGE"] + [key(rng) for _ in range(rng.randint(1, 3))],
        lambda: ["GET", key(rng)],
        lambda: ["STRLEN", key(rng)],
        lambda: ["PFDEBUG", rng.choice(["ENCODING", "DECODE", "WRONG"]), key(rng)],
        lambda: ["PFDEBUG", rng.choice(["GETREG", "TODENSE", "ENCODING"]), key(rng)]
        if rng.random() < 0.1 else ["PFCOUNT", key(rng)],
        lambda: ["DEL", key(rng)] if rng.random() < 0.3 else ["EXISTS", key(rng)],
        lambda: ["SETRANGE", rng.choice(["h3", "absent"]), str(rng.randrange(8)), "x"]
        if rng.random() < 0.1 else ["PFCOUNT", "h0", "h1", "h2"],
        lambda: ["SET", "s0", "no hll"],
        lambda: [rng.choice(["PFADD", "PFCOUNT", "PFMERGE", "PFDEBUG"])],
    ])()
