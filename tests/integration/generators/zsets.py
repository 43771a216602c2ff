"""Sorted sets. The keys l* have members of one score only: what a range of members is in others is
not defined. Redis 7.0 shows seventeen digits of a score, we as many as it needs (docs/COMPATIBILITY.md)."""

UNORDERED = {"ZRANDMEMBER", "ZSCAN"}
KEYS = ["z0", "z1", "z2", "z3", "b0", "b1"]
SETUP = [["SET", "s0", "no sorted set"]]
SCORES = ["0", "1", "2", "3", "-1", "0.5", "-2.25", "1e3", "+5", "10", "inf", "-inf", "+inf",
          "0x10", "123456789012", "-1e15", "1000000.125"]
WRONG_SCORES = ["", "a", "nan", "1e400", " 1", "1 ", "(1", "1e", "--1"]
BOUNDS = ["-inf", "+inf", "inf", "(1", "1", "(-inf", "0.5", "(0.5", "2", "(3", "-1", "10", "(10", "",
          "(", " 1", "1x", "nan", "(nan", "[1", "((1"]
LEX_BOUNDS = ["-", "+", "[a", "(a", "[c", "(c", "[m", "(f", "[", "(", "[zz", "[5", "(aa", "a", "", "-x",
              "+a", "*"]
INDEXES = ["0", "1", "2", "-1", "-2", "5", "-5", "100", "-100", "3", "10", "x", "1.5", ""]


def key(rng):
    return rng.choice(KEYS if rng.random() < 0.95 else ["absent", "s0"])


def lex_key(rng):
    return rng.choice(["l0", "l1"] if rng.random() < 0.95 else ["nosuch", "s0"])


def member(rng):
    return rng.choice([
        lambda: rng.choice("abcdefghij"),
        lambda: str(rng.randrange(-3, 12)),
        lambda: "m" + str(rng.randrange(250)),
        lambda: rng.choice(["", "A" * 64, "B" * 65, "aa", "1.5", "-", "\xff\x00", "007"]),
    ])()


def score(rng):
    return rng.choice(SCORES if rng.random() < 0.97 else WRONG_SCORES)


def word(rng, *words):
    chosen = rng.choice(words)
    return chosen if rng.random() < 0.5 else chosen.lower()


def some(rng, *words):
    """Some of the words, in any order."""
    chosen = [w for w in words if rng.random() < 0.25]
    rng.shuffle(chosen)
    return chosen


def limit(rng):
    if rng.random() < 0.6:
        return []
    return ["LIMIT", rng.choice(["0", "1", "3", "-1", "50", "x"]), rng.choice(["0", "1", "5", "-1", "-7", "x"])]


def zadd(rng):
    options = some(rng, "NX", "XX", "GT", "LT", "CH", "INCR") if rng.random() < 0.4 else []
    count = rng.choice([1, 1, 1, 1, 2, 3, 5, 0, 40 if rng.random() < 0.3 else 1])
    pairs = [x for _ in range(count) for x in (score(rng), member(rng))]
    if rng.random() < 0.02:
        pairs.append("1")
    return ["ZADD", key(rng)] + options + pairs


def zadd_lex(rng):
    return ["ZADD", rng.choice(["l0", "l1"])] + [x for _ in range(rng.choice([1, 2, 4])) for x in ("0", member(rng))]


def ranged(rng):
    how = rng.choice(["rank", "score", "lex"])
    options = some(rng, "REV", "WITHSCORES") + limit(rng)
    if rng.random() < 0.03:
        options += [rng.choice(["BYLEX", "BYSCORE", "x", "LIMIT"])]
    if how == "rank":
        return [key(rng), rng.choice(INDEXES), rng.choice(INDEXES)] + (options if rng.random() < 0.5 else [])
    if how == "score":
        return [key(rng), rng.choice(BOUNDS), rng.choice(BOUNDS), "BYSCORE"] + options
    return [lex_key(rng), rng.choice(LEX_BOUNDS), rng.choice(LEX_BOUNDS), "BYLEX"] + options


def inputs(rng, options, stored=False):
    count = rng.choice([1, 2, 2, 3])
    keys = [key(rng) for _ in range(count)]
    told = str(count) if rng.random() < 0.95 else rng.choice(["0", "-1", "x", "9", str(count + 1)])
    out = [told] + keys
    if options and rng.random() < 0.4:
        # A negative zero keeps its sign only in large sorted sets, and ours are small again earlier.
        weights = ["1", "2", "0.5", "inf", "x" if rng.random() < 0.1 else "4"] + (
            [] if stored else ["0", "-1"])
        out += ["WEIGHTS"] + [rng.choice(weights) for _ in range(count if rng.random() < 0.95 else 1)]
    if options and rng.random() < 0.4:
        out += ["AGGREGATE", word(rng, "SUM", "MIN", "MAX", "SUM", "x" if rng.random() < 0.1 else "MAX")]
    return out


def with_scores(rng):
    return rng.choice([[], ["WITHSCORES"], ["withscores"], ["x"] if rng.random() < 0.1 else []])


def pop_count(rng):
    return rng.choice([[], [], ["1"], ["3"], ["0"], ["-1"], ["x"], ["1000"] if rng.random() < 0.2 else ["2"],
                       ["1", "2"] if rng.random() < 0.2 else []])


def mpop(rng):
    count = rng.choice([1, 2, 3])
    told = str(count) if rng.random() < 0.95 else rng.choice(["0", "x", "9"])
    where = word(rng, "MIN", "MAX") if rng.random() < 0.97 else "MID"
    rest = rng.choice([[], [], ["COUNT", "2"], ["COUNT", "0"], ["COUNT"], ["COUNT", "1", "COUNT", "2"], ["count", "x"]])
    return [told] + [key(rng) for _ in range(count)] + [where] + rest


CHOICES = [
    (30, zadd),
    (6, zadd_lex),
    (4, lambda r: ["ZADD", r.choice(["b0", "b1"])] + [
        x for i in range(r.choice([1, 20, 60])) for x in (r.choice(SCORES), "n" + str(r.randrange(400)))]),
    (6, lambda r: ["ZINCRBY", key(r), score(r), member(r)]),
    (8, lambda r: ["ZREM", key(r)] + [member(r) for _ in range(r.choice([1, 1, 2, 5]))]),
    (2, lambda r: ["ZREM", lex_key(r), member(r)]),
    (3, lambda r: ["ZCARD", key(r)]),
    (5, lambda r: ["ZSCORE", key(r), member(r)]),
    (3, lambda r: ["ZMSCORE", key(r)] + [member(r) for _ in range(r.choice([1, 3, 0]))]),
    (6, lambda r: [word(r, "ZRANK", "ZREVRANK"), key(r), member(r)]),
    (20, lambda r: ["ZRANGE"] + ranged(r)),
    (3, lambda r: ["ZRANGESTORE", r.choice(["z3", "z2", "d0"])] + ranged(r)),
    (3, lambda r: ["ZREVRANGE", key(r), r.choice(INDEXES), r.choice(INDEXES)] + with_scores(r)),
    (5, lambda r: [word(r, "ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key(r), r.choice(BOUNDS), r.choice(BOUNDS)]
     + with_scores(r) + limit(r)),
    (5, lambda r: [word(r, "ZRANGEBYLEX", "ZREVRANGEBYLEX"), lex_key(r), r.choice(LEX_BOUNDS), r.choice(LEX_BOUNDS)]
     + limit(r)),
    (4, lambda r: ["ZCOUNT", key(r), r.choice(BOUNDS), r.choice(BOUNDS)]),
    (4, lambda r: ["ZLEXCOUNT", lex_key(r), r.choice(LEX_BOUNDS), r.choice(LEX_BOUNDS)]),
    (1, lambda r: ["ZREMRANGEBYRANK", key(r), r.choice(INDEXES), r.choice(INDEXES)]),
    (1, lambda r: ["ZREMRANGEBYSCORE", key(r), r.choice(BOUNDS), r.choice(BOUNDS)]),
    (1, lambda r: ["ZREMRANGEBYLEX", lex_key(r), r.choice(LEX_BOUNDS), r.choice(LEX_BOUNDS)]),
    (4, lambda r: [word(r, "ZPOPMIN", "ZPOPMAX"), key(r)] + pop_count(r)),
    (3, lambda r: ["ZMPOP"] + mpop(r)),
    (1, lambda r: [word(r, "BZPOPMIN", "BZPOPMAX")] + [key(r) for _ in range(2)]
     + [r.choice(["0.01", "0.01", "-1", "x"])]),
    (1, lambda r: ["BZMPOP", r.choice(["0.01", "0.01", "-1", "x"])] + mpop(r)),
    (2, lambda r: ["ZRANDMEMBER", key(r), r.choice(["0", "1000", "x", "-9223372036854775808"])] + with_scores(r)),
    (1, lambda r: ["ZRANDMEMBER", "nosuch"]),
    (2, lambda r: ["ZSCAN", key(r), r.choice(["0", "0", "0", "x"]), "COUNT", "10000"]
     + r.choice([[], [], ["MATCH", "m*"], ["MATCH"], ["x", "y"]])),
    (4, lambda r: [word(r, "ZUNION", "ZINTER")] + inputs(r, True) + with_scores(r)),
    (3, lambda r: ["ZDIFF"] + inputs(r, r.random() < 0.05) + with_scores(r)),
    (3, lambda r: ["ZINTERCARD"] + inputs(r, False) + r.choice([[], ["LIMIT", "2"], ["LIMIT", "0"], ["LIMIT", "-1"]])),
    (2, lambda r: [word(r, "ZUNIONSTORE", "ZINTERSTORE"), r.choice(["z3", "d0", "z0"])] + inputs(r, True, True)),
    (1, lambda r: ["ZDIFFSTORE", r.choice(["z3", "d0"])] + inputs(r, False)),
    (2, lambda r: ["OBJECT", "ENCODING", r.choice(["z0", "z1", "l0", "b0", "absent"])]),
    (1, lambda r: [r.choice(["DEL", "EXISTS", "TYPE", "TTL", "PERSIST"]), r.choice(KEYS)]),
    (1, lambda r: ["COPY", key(r), r.choice(["z2", "b1"])] + r.choice([[], ["REPLACE"]])),
    (1, lambda r: [r.choice(["ZADD", "ZRANGE", "ZSCORE", "ZUNIONSTORE", "ZMPOP", "ZPOPMIN", "ZCOUNT"])]),
]
WEIGHTS = [w for w, _ in CHOICES]
MAKERS = [m for _, m in CHOICES]


def commands(rng):
    return rng.choices(MAKERS, WEIGHTS)[0](rng)


def numbers(reply):
    """The lines of a reply without lengths, numbers as such."""
    out = []
    for line in reply.split(b"\r\n"):
        if line[:1] == b"$":
            continue
        try:
            out.append((0, float(line[1:] if line[:1] == b"," else line), b""))
        except ValueError:
            out.append((1, 0.0, line))
    return out


def SKIP(command, wanted, got):
    """The same numbers with another number of digits. COPY makes a sorted set anew, which may make it
    small again."""
    if command[0] == "OBJECT":
        return wanted[:1] == b"$" and got[:1] == b"$"
    if command[0].upper() in UNORDERED:
        return sorted(numbers(wanted)) == sorted(numbers(got))
    return numbers(wanted) == numbers(got)
