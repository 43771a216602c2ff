"""A client of kill_rounds.py that writes every type, and a model of what its commands leave.

All its keys are its own, and its commands go over one connection in order: what is found after a
kill has to be the model after some of its steps, in order, at least those that were acknowledged. A
step is one command, a transaction or a script over several types: all of it or nothing.
"""
import copy
import json
import random
import threading

from harness import Client, Failed, ReplyError

PIPELINE = 8
KEYS = 3  # of each type
SCRIPT = "for i = 1, #ARGV do redis.call(unpack(cjson.decode(ARGV[i]))) end return 'OK'"
LATER = 4102444800000  # 2100: expiries that are kept and never come


class Stream:
    def __init__(self):
        self.entries = {}  # id -> [field, value]
        self.last = 0
        self.groups = {}  # name -> [last id, {id: consumer}]


class Model(dict):
    """Key -> hash {field: [value, expiry]}, list, set, sorted set {member: score} or Stream."""

    def apply(self, name, key, *args):
        getattr(self, name.lower())(key, *args)
        if key in self and not isinstance(self[key], Stream) and not self[key]:
            del self[key]

    def delete(self, key):
        self.pop(key, None)

    unlink = delete

    def rename(self, key, to):
        self[to] = self.pop(key)

    def hset(self, key, *pairs):
        for field, value in zip(pairs[::2], pairs[1::2]):
            self.setdefault(key, {})[field] = [value, -1]

    def hdel(self, key, *fields):
        for field in fields:
            self.get(key, {}).pop(field, None)

    def hpexpireat(self, key, when, _fields, _count, field):
        if field in self.get(key, {}):
            self[key][field][1] = when

    def rpush(self, key, *elements):
        self.setdefault(key, []).extend(elements)

    def lpush(self, key, *elements):
        self.setdefault(key, [])[:0] = reversed(elements)

    def lpop(self, key, count):
        del self.get(key, [])[:count]

    def lset(self, key, index, element):
        self[key][index] = element

    def lrem(self, key, _count, element):
        self[key] = [e for e in self.get(key, []) if e != element]

    def linsert(self, key, _before, pivot, element):
        if pivot in self.get(key, []):
            self[key].insert(self[key].index(pivot), element)

    def sadd(self, key, *members):
        self.setdefault(key, set()).update(members)

    def srem(self, key, *members):
        self.get(key, set()).difference_update(members)

    def zadd(self, key, score, member):
        self.setdefault(key, {})[member] = score

    def zincrby(self, key, score, member):
        zset = self.setdefault(key, {})
        zset[member] = zset.get(member, 0) + score

    def zremrangebyrank(self, key, first, last):
        for member in sorted(self.get(key, {}), key=lambda m: (self[key][m], m))[first:last + 1]:
            del self[key][member]

    def xadd(self, key, entry, field, value):
        stream = self.setdefault(key, Stream())
        stream.last = int(entry.split("-")[0])
        stream.entries[stream.last] = [field, value]

    def xdel(self, key, entry):
        self[key].entries.pop(int(entry.split("-")[0]), None)

    def xtrim(self, key, _maxlen, _exactly, count):
        stream = self[key]
        stream.entries = dict(list(stream.entries.items())[max(0, len(stream.entries) - count):])

    def xgroup(self, key, group):
        self[key].groups[group] = [self[key].last, {}]

    def xreadgroup(self, key, group, consumer, count):
        last, pending = self[key].groups[group]
        fresh = [i for i in self[key].entries if i > last][:count]
        for entry in fresh:
            pending[entry] = consumer
        if fresh:
            self[key].groups[group][0] = fresh[-1]

    def xack(self, key, group, entry):
        self[key].groups[group][1].pop(int(entry.split("-")[0]), None)


def on_the_wire(name, key, *args):
    """The model's command as the server takes it."""
    if name == "delete":
        return ("DEL", key)
    if name == "xgroup":
        return ("XGROUP", "CREATE", key, args[0], "$")
    if name == "xreadgroup":
        return ("XREADGROUP", "GROUP", args[0], args[1], "COUNT", args[2], "STREAMS", key, ">")
    return (name.upper(), key) + args


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def found_in(client, names):
    """What the server has, as a Model."""
    model = Model()
    kinds = client.pipeline([("TYPE", name) for name in names])
    for name, kind in zip(names, kinds):
        if kind == "hash":
            flat = [text(v) for v in client("HGETALL", name)]
            fields = flat[::2]
            when = client("HPEXPIRETIME", name, "FIELDS", len(fields), *fields)
            model[name] = {f: [v, w] for f, v, w in zip(fields, flat[1::2], when)}
        elif kind == "list":
            model[name] = [text(e) for e in client("LRANGE", name, 0, -1)]
        elif kind == "set":
            model[name] = {text(m) for m in client("SMEMBERS", name)}
        elif kind == "zset":
            flat = [text(v) for v in client("ZRANGE", name, 0, -1, "WITHSCORES")]
            model[name] = {m: int(s) for m, s in zip(flat[::2], flat[1::2])}
        elif kind == "stream":
            model[name] = stream_in(client, name)
        elif kind != "none":
            raise Failed(f"{name} is of type {kind}")
    return model


def number(entry):
    return int(text(entry).split("-")[0])


def stream_in(client, name):
    stream = Stream()
    for entry, pairs in client("XRANGE", name, "-", "+"):
        stream.entries[number(entry)] = [text(p) for p in pairs]
    facts = [text(f) for f in client("XINFO", "STREAM", name)]
    stream.last = number(facts[facts.index("last-generated-id") + 1])
    for group in client("XINFO", "GROUPS", name):
        facts = [text(f) for f in group]
        known = dict(zip(facts[::2], facts[1::2]))
        pending = client("XPENDING", name, known["name"], "-", "+", 100000)
        stream.groups[known["name"]] = [number(known["last-delivered-id"]),
                                        {number(p[0]): text(p[1]) for p in pending}]
    return stream


def plain(value):
    return vars(value) if isinstance(value, Stream) else value


def difference(found, model):
    return [f"{key}: found {plain(found.get(key))!r}, not {plain(model.get(key))!r}"[:2000]
            for key in sorted(found.keys() | model.keys())
            if plain(found.get(key)) != plain(model.get(key))]


class TypedWriter(threading.Thread):
    def __init__(self, number):
        super().__init__(daemon=True)
        self.names = {kind: [f"{kind}{number}:{i}" for i in range(KEYS)]
                      for kind in ("hash", "list", "set", "zset", "stream")}
        self.model = Model()  # after the acknowledged steps
        self.sent = []  # steps that were not acknowledged yet
        self.ahead = Model()  # after those too
        self.value = 0
        self.acknowledged = 0
        self.failure = None

    def begin_round(self, port, seed):
        super().__init__(daemon=True)
        self.port = port
        self.random = random.Random(seed)
        self.start()

    def run(self):
        try:
            with Client(self.port) as client:
                while True:
                    self.burst(client)
        except (ConnectionError, OSError):
            pass
        except Exception as failure:  # told by verify(), in the main thread
            self.failure = failure

    def command(self):
        """One that fits what is there, and makes it so in `ahead`."""
        kind = self.random.choice(list(self.names))
        key = self.random.choice(self.names[kind])
        self.value += 1
        command = getattr(self, kind + "_command")(key, self.random.randrange(10))
        if key in self.ahead and self.random.random() < 0.02:
            command = (self.random.choice(["delete", "unlink"]), key)
        self.ahead.apply(*command)
        return command

    def hash_command(self, key, what):
        field = f"f{self.random.randrange(200 if key.endswith('0') else 12)}"
        value = f"{self.value}" + "h" * (self.value % 90)
        if what < 5 or key not in self.ahead:
            return ("hset", key, field, value, "count", f"{self.value}")
        if what < 7:
            return ("hdel", key, field)
        if what < 9:
            return ("hpexpireat", key, LATER + self.value, "FIELDS", 1, field)
        return ("hdel", key, *self.ahead[key])  # which takes the key

    def list_command(self, key, what):
        value = f"{self.value}" + "l" * (self.value % 700)
        there = self.ahead.get(key)
        if what < 3 or not there:
            return ("rpush", key, value, "x")
        if what == 3:
            return ("lpush", key, value, f"{self.value}")
        if what < 6:
            return ("lset", key, self.random.randrange(len(there)), value)
        if what == 6:
            return ("linsert", key, "BEFORE", self.random.choice(there), value)
        if what == 7:
            return ("lrem", key, 0, "x")
        if what == 8:
            return ("rename", key, self.random.choice(self.names["list"]))
        return ("lpop", key, self.random.randrange(1, len(there) + 1))

    def set_command(self, key, what):
        prefix = "" if key.endswith("0") else "m"
        members = [f"{prefix}{self.random.randrange(40)}" for _ in range(3)]
        if what < 6:
            return ("sadd", key, *members)
        if what < 9:
            return ("srem", key, *members)
        return ("srem", key, *(self.ahead.get(key) or members))

    def zset_command(self, key, what):
        member = f"m{self.random.randrange(300 if key.endswith('0') else 40)}"
        if what < 5:
            return ("zadd", key, self.value, member)
        if what < 8:
            return ("zincrby", key, self.random.randrange(-50, 50), member)
        return ("zremrangebyrank", key, 0, self.random.randrange(5 if what == 8 else 60))

    def stream_command(self, key, what):
        stream = self.ahead.get(key)
        if what < 4 or stream is None:
            return ("xadd", key, f"{self.value}-1", "field", f"{self.value}")
        entry = f"{self.random.choice(list(stream.entries) or [1])}-1"
        if what == 4:
            return ("xdel", key, entry)
        if what == 5:
            return ("xtrim", key, "MAXLEN", "=", 30)
        if not stream.groups:
            return ("xgroup", key, "g")
        if what < 9:
            return ("xreadgroup", key, "g", f"c{what}", 3)
        pending = list(stream.groups["g"][1]) or [1]
        return ("xack", key, "g", f"{self.random.choice(pending)}-1")

    def step(self):
        """Commands of the model, and the requests that do them as one."""
        way = self.random.randrange(4)
        if way < 2:
            commands = [self.command()]
            return commands, [on_the_wire(*commands[0])]
        commands = [self.command() for _ in range(self.random.randrange(2, 6))]
        wire = [on_the_wire(*command) for command in commands]
        if way == 2:
            return commands, [("MULTI",), *wire, ("EXEC",)]
        return commands, [("EVAL", SCRIPT, 0, *(json.dumps(command) for command in wire))]

    def burst(self, client):
        batch = [self.step() for _ in range(PIPELINE)]
        self.sent = [commands for commands, _ in batch]
        client.send_raw(b"".join(Client.encode(*request)
                                 for _, requests in batch for request in requests))
        for commands, requests in batch:
            for request in requests:
                reply = client.read()
                failed = [r for r in (reply if isinstance(reply, list) else [reply])
                          if isinstance(r, ReplyError)]
                if failed:
                    raise Failed(f"{request}: {failed[0]}")
            for command in commands:
                self.model.apply(*command)
            self.sent.pop(0)
            self.acknowledged += 1

    def verify(self, client):
        if self.failure is not None:
            raise self.failure
        names = [name for of_kind in self.names.values() for name in of_kind]
        found = found_in(client, names)
        wrong = difference(found, self.model)
        for commands in self.sent:
            if not wrong:
                break
            for command in commands:
                self.model.apply(*command)
            wrong = difference(found, self.model)
        if wrong:
            raise Failed("no prefix of what was sent gives what was found: " + "; ".join(wrong))
        # What was found is durable now, whether it had been acknowledged or not.
        self.sent = []
        self.ahead = copy.deepcopy(self.model)
