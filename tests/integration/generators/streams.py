"""Streams and consumer groups.

Ids are given, never "*", because two servers have two clocks; idle times are either none or ages.
"""
import re

UNORDERED = set()
KEYS = ["x0", "x1", "x2", "x3"]
GROUPS = ["g0", "g1", "g2"]
CONSUMERS = ["a", "b", "c", "17", "a rather long name of a consumer"]
SETUP = [["SET", "s0", "no stream"], ["CONFIG", "SET", "stream-node-max-entries", "7"]]
AGE = 10 ** 9


def number_after(word):
    return re.compile(rb"(\$%d\r\n%s\r\n):-?\d+\r\n" % (len(word), word.encode()))


# What is compared no further: what only the radix tree has; consumers that asked and got nothing,
# which Redis makes since 7.2; and times.
BLANKED = [number_after(w) for w in ("radix-tree-nodes", "radix-tree-keys", "consumers")]
IDLE = re.compile(rb"(\*4\r\n\$\d+\r\n\d+-\d+\r\n\$\d+\r\n[^\r]*\r\n):\d+\r\n")


def blanked(reply):
    for pattern in BLANKED + [IDLE]:
        reply = pattern.sub(rb"\1:?\r\n", reply)
    return reply


def SKIP(command, wanted, got):
    words = [str(w).upper() for w in command]
    if words[:2] == ["XGROUP", "CREATECONSUMER"]:
        return re.sub(rb":[01]\r", b":?\r", wanted) == re.sub(rb":[01]\r", b":?\r", got)
    if words[:2] == ["XINFO", "CONSUMERS"] or (words[:2] == ["XINFO", "STREAM"] and "FULL" in words):
        return wanted[:1] != b"-" and got[:1] != b"-"
    return blanked(wanted) == blanked(got)


def key(rng):
    r = rng.random()
    return rng.choice(KEYS) if r < 0.96 else "s0" if r < 0.98 else "absent"


def ms(rng):
    return rng.randrange(60) if rng.random() < 0.9 else rng.randrange(2000)


def an_id(rng):
    r = rng.random()
    if r < 0.45:
        return f"{ms(rng)}-{rng.randrange(4)}"
    if r < 0.95:
        return str(ms(rng))
    return rng.choice(["0", "0-0", "18446744073709551615-18446744073709551615", "1-18446744073709551615",
                       "18446744073709551616", "x", "", "-", "+", "1-", "-1", "1-x", "1-2-3", "$", ">", "*",
                       "007-01", "+5", " 5", "1--3", "5-*", "99999999999999999999-1", "1\x00-5"])


def new_id(rng):
    r = rng.random()
    if r < 0.5:
        return f"{ms(rng)}-*"
    if r < 0.53:
        return f"{2050 + rng.randrange(100)}-*"
    return an_id(rng).replace("*", "x") if rng.random() < 0.3 else f"{ms(rng)}-{rng.randrange(6)}"


def low(rng):
    r = rng.random()
    return "-" if r < 0.3 else "(" + an_id(rng) if r < 0.45 else an_id(rng)


def high(rng):
    r = rng.random()
    return "+" if r < 0.3 else "(" + an_id(rng) if r < 0.45 else an_id(rng)


def some(rng, make, most=4):
    return [make(rng) for _ in range(rng.randint(1, most))]


def pairs(rng):
    if rng.random() < 0.6:
        return ["temperature", str(rng.randrange(-50, 50)), "place", rng.choice(["here", "there"])]
    count = rng.choice([1, 1, 2, 3, 5])
    out = []
    for _ in range(count):
        out += [rng.choice(["f", "g", "12", ""]), rng.choice(["", "v", "-1", "123456789012", "z" * 100, "q" * 5000
                                                               if rng.random() < 0.1 else "r"])]
    return out


def count(rng):
    return str(rng.choice([0, 1, 1, 2, 3, 5, 10, -1, 100]))


def trim(rng):
    out = []
    if rng.random() < 0.5:
        out += ["MAXLEN"] + rng.choice([[], ["="], ["~"], ["~"]])
        out += [str(rng.choice([0, 1, 3, 8, 20, 30, 40, 60, -1]))]
    else:
        out += ["MINID"] + rng.choice([[], ["="], ["~"], ["~"]]) + [an_id(rng)]
    if rng.random() < 0.2:
        out += ["LIMIT", str(rng.choice([0, 1, 5, 10, 50, -1, "x"]))]
    if rng.random() < 0.02:
        out += ["MAXLEN", "5"]
    return out


def xadd(rng):
    out = ["XADD", key(rng)]
    if rng.random() < 0.1:
        out.append("NOMKSTREAM")
    if rng.random() < 0.15:
        out += trim(rng)
    if rng.random() < 0.01:
        out += rng.choice([["LIMIT", "3"], ["LIMIT", "0"], ["MAXLEN"], ["BOGUS"]])
    out.append(new_id(rng))
    return out + (pairs(rng) if rng.random() < 0.97 else rng.choice([[], ["f"], ["f", "v", "g"]]))


def xread(rng):
    out = ["XREAD"]
    if rng.random() < 0.5:
        out += ["COUNT", count(rng)]
    n = rng.randint(1, 3)
    keys = [key(rng) for _ in range(n)]
    ids = [an_id(rng) for _ in range(n)]
    if rng.random() < 0.03:
        ids.pop()
    if rng.random() < 0.02:
        out += rng.choice([["NOACK"], ["GROUP", "g0", "a"], ["BLOCK", "x"], ["BLOCK", "-1"], ["COUNT"], ["BOGUS"]])
    return out + ["STREAMS"] + keys + ids


def xreadgroup(rng):
    out = ["XREADGROUP", "GROUP", rng.choice(GROUPS), rng.choice(CONSUMERS)]
    if rng.random() < 0.6:
        out += ["COUNT", count(rng)]
    if rng.random() < 0.15:
        out += ["NOACK"]
    n = rng.choice([1, 1, 1, 2, 3])
    keys = [key(rng) for _ in range(n)]
    ids = [">" if rng.random() < 0.75 else an_id(rng) for _ in range(n)]
    if rng.random() < 0.02:
        ids.pop()
    return out + ["STREAMS"] + keys + ids


def xgroup(rng):
    r = rng.random()
    k, g = key(rng), rng.choice(GROUPS)
    if r < 0.45:
        out = ["XGROUP", "CREATE", k, g, "$" if rng.random() < 0.3 else "0" if rng.random() < 0.5 else an_id(rng)]
        if rng.random() < 0.3:
            out.append("MKSTREAM")
        if rng.random() < 0.3:
            out += ["ENTRIESREAD", str(rng.choice([0, 3, -1, -2, "x"]))]
        return out
    if r < 0.6:
        out = ["XGROUP", "SETID", k, g, "$" if rng.random() < 0.3 else an_id(rng)]
        if rng.random() < 0.3:
            out += ["ENTRIESREAD", str(rng.choice([0, 3, 10, -1, -2, "x"]))]
        return out
    if r < 0.65:
        return ["XGROUP", "DESTROY", k, g]
    if r < 0.8:
        return ["XGROUP", "CREATECONSUMER", k, g, rng.choice(CONSUMERS)]
    if r < 0.9:
        return ["XGROUP", "DELCONSUMER", k, g, rng.choice(CONSUMERS)]
    return rng.choice([["XGROUP"], ["XGROUP", "CREATE", k, g], ["XGROUP", "BOGUS", k, g], ["XGROUP", "SETID", k, g],
                       ["XGROUP", "CREATE", k, g, "0", "BOGUS"], ["XGROUP", "SETID", k, g, "0", "MKSTREAM"],
                       ["XGROUP", "CREATE", k, g, "0", "MKSTREAM", "MKSTREAM", "MKSTREAM", "MKSTREAM"]])


def idle(rng):
    return str(rng.choice([0, 0, 0, AGE, -5, "x" if rng.random() < 0.1 else 0]))


def xpending(rng):
    out = ["XPENDING", key(rng), rng.choice(GROUPS)]
    if rng.random() < 0.3:
        return out
    if rng.random() < 0.3:
        out += ["IDLE", idle(rng)]
    out += [low(rng), high(rng), count(rng)]
    if rng.random() < 0.4:
        out.append(rng.choice(CONSUMERS + ["nobody"]))
    return out if rng.random() < 0.97 else out[:-1]


def xclaim(rng):
    out = ["XCLAIM", key(rng), rng.choice(GROUPS), rng.choice(CONSUMERS), idle(rng)] + some(rng, an_id, 5)
    for option in (["IDLE", str(rng.choice([0, 2 * AGE, -1, "x"]))], ["TIME", str(rng.choice([1000, 0, -1, "x"]))],
                   ["RETRYCOUNT", str(rng.choice([0, 7, -1]))], ["FORCE"], ["FORCE"], ["JUSTID"],
                   ["LASTID", an_id(rng)], ["BOGUS"] if rng.random() < 0.1 else ["JUSTID"]):
        if rng.random() < 0.15:
            out += option
    return out


def xautoclaim(rng):
    out = ["XAUTOCLAIM", key(rng), rng.choice(GROUPS), rng.choice(CONSUMERS), idle(rng), low(rng)]
    if rng.random() < 0.5:
        out += ["COUNT", count(rng)]
    if rng.random() < 0.3:
        out += ["JUSTID"]
    return out if rng.random() < 0.98 else out + ["BOGUS"]


def xsetid(rng):
    # Below the highest id removed is an error since 7.2: of this key nothing is removed.
    if rng.random() < 0.3:
        return ["XSETID", rng.choice(["s0", "never"]), an_id(rng)]
    if rng.random() < 0.3:
        return ["XSETID", key(rng), an_id(rng), rng.choice(["BOGUS", "ENTRIESADDED", "MAXDELETEDID"])]
    if rng.random() < 0.4:
        return rng.choice([["XADD", "set", new_id(rng), "f", "v"], ["XINFO", "STREAM", "set"],
                           ["XREADGROUP", "GROUP", "g0", "a", "COUNT", "1", "STREAMS", "set", ">"],
                           ["XINFO", "GROUPS", "set"], ["XGROUP", "CREATE", "set", "g0", "0", "ENTRIESREAD", "2"],
                           ["DEL", "set"], ["XSETID", "set", "1-0", "MAXDELETEDID", "2-0"], ["XREAD", "STREAMS", "set", "40"]])
    out = ["XSETID", "set", an_id(rng)]
    if rng.random() < 0.3:
        out += ["ENTRIESADDED", str(rng.choice([0, 5, 100, -1, "x"]))]
    if rng.random() < 0.3:
        out += ["MAXDELETEDID", rng.choice(["0-0", "x"])]
    return out


def xinfo(rng):
    k = key(rng)
    return rng.choice([["XINFO", "STREAM", k], ["XINFO", "STREAM", k], ["XINFO", "GROUPS", k], ["XINFO", "GROUPS", k],
                       ["XINFO", "GROUPS", k], ["XINFO", "STREAM", k, "FULL"],
                       ["XINFO", "STREAM", k, "FULL", "COUNT", count(rng)], ["XINFO", "STREAM", k, "BOGUS"],
                       ["XINFO", "STREAM", k, "FULL", "COUNT"], ["XINFO", "STREAM", k, "FULL", "COUNT", "x"],
                       ["XINFO", "CONSUMERS", k, rng.choice(GROUPS)], ["XINFO"], ["XINFO", "BOGUS", k],
                       ["XINFO", "CONSUMERS", k]])


def commands(rng):
    r = rng.random()
    for share, make in (
            (0.34, xadd), (0.06, xread), (0.14, xreadgroup), (0.05, xgroup), (0.05, xpending), (0.06, xclaim),
            (0.04, xautoclaim), (0.05, xinfo), (0.02, xsetid),
            (0.05, lambda g: ["XTRIM", key(g)] + trim(g)),
            (0.05, lambda g: ["XDEL", key(g)] + some(g, an_id)),
            (0.05, lambda g: ["XACK", key(g), g.choice(GROUPS)] + some(g, an_id)),
            (0.02, lambda g: ["XRANGE", key(g), low(g), high(g)] + (["COUNT", count(g)] if g.random() < 0.5 else [])),
            (0.02, lambda g: ["XREVRANGE", key(g), high(g), low(g)] + (["COUNT", count(g)] if g.random() < 0.5 else []))):
        r -= share
        if r < 0:
            return make(rng)
    return rng.choice([["XLEN", key(rng)], ["XLEN", key(rng)], ["TYPE", key(rng)], ["OBJECT", "ENCODING", key(rng)],
                       ["COPY", rng.choice(KEYS), rng.choice(KEYS), "REPLACE"], ["DEBUG", "DIGEST-VALUE", key(rng)],
                       ["RENAME", rng.choice(KEYS), rng.choice(KEYS)] if rng.random() < 0.3 else ["EXISTS", key(rng)],
                       ["DEL", key(rng)] if rng.random() < 0.4 else ["XLEN", key(rng)], ["SET", "s0", "v"],
                       [rng.choice(["XADD", "XLEN", "XDEL", "XACK", "XTRIM", "XREAD"])]])
