"""Pub/sub, keyspace events and client-side caching beside Debian's redis-server: the same
conversations of several clients with both servers, and every client must see the same bytes.

A conversation is a list of lines "CLIENT: COMMAND ARGS...". Client names that begin with r3 speak
RESP3. Each line waits for its reply, so that what others get is in one order. {id:X} stands for the
id of client X, which differs between servers.
"""
import os
import re
import shlex

from differential_test import Chooser, Redis
from harness import Client, Server, check, main

EVENTS = int(os.environ.get("HOLDFAST_DIFFERENTIAL_COMMANDS", "100000")) // 4
SUBSCRIBING = {b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe", b"ssubscribe",
               b"sunsubscribe"}
MESSAGES = {b"message", b"pmessage", b"smessage"}


class Talker:
    """One client: it keeps all replies and pushes that it gets."""

    def __init__(self, port, resp3):
        self.client = Client(port)
        self.frames = []
        if resp3:
            self.client("HELLO", "3")
        self.id = self.client("CLIENT", "ID")

    def frame(self):
        """One reply or push, whole; and its first element, if it has any."""
        line = self.client.file.readline()
        if not line:
            raise ConnectionError("closed")
        kind, out, first = line[:1], line, None
        if kind in b"$=":
            count = int(line[1:])
            if count >= 0:
                data = self.client.file.read(count + 2)
                out, first = out + data, data[:-2]
        elif kind in b"*~>%":
            for i in range(int(line[1:]) * (2 if kind == b"%" else 1)):
                element, its_first = self.frame()
                out += element
                first = its_first if i == 0 and element[:1] == b"$" else first
        return out, first

    def read_replies(self, count, subscribing):
        while count > 0:
            data, first = self.frame()
            self.frames.append(data)
            if data[:1] in b">*" and first in SUBSCRIBING:
                count -= 1 if subscribing else 0
            elif not (data[:1] == b">" or (data[:1] == b"*" and first in MESSAGES)):
                count -= 1

    def say(self, words):
        name = words[0].lower().encode()
        mark = words.pop() if words[-1] in ("(silent)", "(queued)") else ""
        silent = mark == "(silent)"
        subscribing = name in SUBSCRIBING and mark != "(queued)"
        self.client.send(*[w.encode("latin-1") for w in words])
        if not silent:
            self.read_replies(max(1, len(words) - 1) if subscribing else 1, subscribing)

    def finish(self):
        """All that is on its way comes before the answer to this."""
        self.client.send("PING", "the-end")
        while True:
            data, _ = self.frame()
            if data.endswith(b"the-end\r\n"):
                return
            self.frames.append(data)


class Party:
    """The clients of a conversation with one server."""

    def __init__(self, port):
        self.port = port
        self.talkers = {}
        self.gone = {}
        while Talker(port, False).id < 100:
            pass  # so that an id is no other number of the conversation

    def talker(self, name):
        if name not in self.talkers:
            self.talkers[name] = Talker(self.port, name.startswith("r3"))
        return self.talkers[name]

    def close(self, name):
        talker = self.talkers.pop(name)
        self.gone[name] = talker
        talker.finish()
        talker.client.close()
        # The server has seen it when another client's reply says so.
        while f"id={talker.id} ".encode() in self.talker("closer").client("CLIENT", "LIST"):
            pass

    def run(self, lines):
        for line in lines:
            name, words = line.split(": ", 1)
            if words == "(close)":
                self.close(name)
                continue
            words = re.sub(r"\{id:(\w+)\}", lambda m: str(self.talker(m[1]).id), words)
            self.talker(name).say(shlex.split(words))
        for talker in self.talkers.values():
            talker.finish()
            talker.client.close()

    def seen(self, order):
        """What each client got, without what differs between servers."""
        everyone = self.talkers | self.gone
        result = {}
        for name, talker in everyone.items():
            data = b"".join(sorted(talker.frames, key=order))
            for other in everyone:
                data = data.replace(b":%d\r\n" % everyone[other].id, b"(id of %s)" % other.encode())
            result[name] = re.sub(rb"\$\d\r\n7\.[02]\.\d+\r\n", b"(version)", data)
        return result


def as_seen(_):
    return 0


def pushes_last(frame):
    return frame.startswith(b">")


def compare(conversations, config="conf/memory.yaml", order=as_seen):
    wrong = []
    with Redis() as redis, Server(config=config) as server:
        for title, text in conversations.items():
            lines = [line.strip() for line in text.strip().splitlines()]
            seen = []
            for port in (redis.port, server.port):
                with Client(port) as c:
                    c("FLUSHALL")
                    c("CONFIG", "SET", "notify-keyspace-events", "")
                party = Party(port)
                party.run(lines)
                seen.append(party.seen(order))
            for name in sorted(set(seen[0]) | set(seen[1])):
                theirs, ours = seen[0].get(name), seen[1].get(name)
                if theirs != ours:
                    wrong.append(f"{title}, {name}:\n  Redis:    {theirs!r}\n  Holdfast: {ours!r}")
    check(not wrong, "\n".join(wrong))


SUBSCRIPTIONS = {
    "counts, messages and the end of subscriptions": """
        a: SUBSCRIBE one two one
        a: PSUBSCRIBE o* t?o
        b: PUBLISH one hello
        b: PUBLISH none x
        a: PUNSUBSCRIBE t?o
        b: PUBLISH two ""
        a: UNSUBSCRIBE one never
        a: SSUBSCRIBE one
        b: SPUBLISH one shard
        b: PUBLISH one plain
        a: UNSUBSCRIBE
        a: PUNSUBSCRIBE
        a: PUNSUBSCRIBE
        a: SUNSUBSCRIBE
        a: SUNSUBSCRIBE
        a: UNSUBSCRIBE
        a: GET k
    """,
    "counts, messages and the end of subscriptions in RESP3": """
        r3a: SUBSCRIBE one two one
        r3a: PSUBSCRIBE o* t?o
        b: PUBLISH one hello
        r3a: PUNSUBSCRIBE t?o
        r3a: GET k
        b: PUBLISH two ""
        r3a: UNSUBSCRIBE one never
        r3a: SSUBSCRIBE one
        b: SPUBLISH one shard
        r3a: PUNSUBSCRIBE
        r3a: UNSUBSCRIBE
        r3a: SUNSUBSCRIBE
        r3a: SUNSUBSCRIBE
        r3a: PUNSUBSCRIBE
        r3a: UNSUBSCRIBE x
        r3a: PING
        r3a: PING there
    """,
    "what a subscribed RESP2 client may send": """
        a: SUBSCRIBE c
        a: GET k
        a: CLIENT LIST
        a: CLIENT NOSUCH
        a: NOSUCH
        a: GET
        a: PING
        a: PING there
        a: PING 1 2
        a: PSUBSCRIBE
        a: HELLO 3
        a: PUBLISH c x
        a: MULTI
        a: AUTH x
        a: UNSUBSCRIBE
        a: GET k
        a: PING
        a: SSUBSCRIBE s
        a: GET k
        a: SUNSUBSCRIBE s
        a: GET k
    """,
    "RESET and HELLO": """
        a: SUBSCRIBE c
        a: PSUBSCRIBE p*
        a: SSUBSCRIBE s
        b: PUBSUB NUMSUB c
        a: RESET
        b: PUBSUB NUMSUB c
        b: PUBSUB NUMPAT
        b: PUBSUB SHARDNUMSUB s
        b: PUBLISH c x
        a: GET k
        r3a: SUBSCRIBE c
        b: PUBLISH c 3
        r3a: HELLO 2
        b: PUBLISH c 2
        r3a: GET k
        r3a: UNSUBSCRIBE
    """,
    "PUBSUB": """
        a: PUBSUB CHANNELS
        a: PUBSUB NUMSUB
        a: PUBSUB NUMPAT
        b: SUBSCRIBE x
        c: SUBSCRIBE x
        c: PSUBSCRIBE a*
        d: PSUBSCRIBE a* b*
        d: SSUBSCRIBE s
        a: PUBSUB CHANNELS
        a: PUBSUB CHANNELS x*
        a: PUBSUB CHANNELS y*
        a: PUBSUB CHANNELS x y
        a: PUBSUB NUMSUB x y x
        a: PUBSUB NUMPAT
        a: PUBSUB NUMPAT x
        a: PUBSUB SHARDCHANNELS
        a: PUBSUB SHARDCHANNELS t
        a: PUBSUB SHARDNUMSUB s x
        a: PUBSUB SHARDNUMSUB
        a: PUBSUB
        a: PUBSUB NOSUCH
        a: SUBSCRIBE
        a: PUBLISH
        a: SPUBLISH c
        r3e: PUBSUB CHANNELS
        r3e: PUBSUB NUMSUB x y
        d: (close)
        a: PUBSUB NUMPAT
        a: PUBSUB SHARDNUMSUB s
    """,
    "CLIENT REPLY does not silence pushes": """
        a: CLIENT REPLY OFF (silent)
        a: SUBSCRIBE c
        b: PUBLISH c x
        a: UNSUBSCRIBE
        a: CLIENT REPLY ON
        a: CLIENT REPLY SKIP (silent)
        a: SUBSCRIBE c
        b: PUBLISH c y
        r3a: SUBSCRIBE c
        r3a: CLIENT REPLY OFF (silent)
        r3a: GET k (silent)
        b: PUBLISH c z
        r3a: CLIENT REPLY ON
        r3a: CLIENT REPLY SKIP (silent)
        r3a: PUBLISH c me (silent)
        r3a: PING
    """,
    "subscribing and publishing in transactions": """
        a: MULTI
        a: SUBSCRIBE x (queued)
        a: PING
        a: EXEC
        a: PING
        r3a: MULTI
        r3a: SUBSCRIBE x (queued)
        r3a: SSUBSCRIBE s (queued)
        r3a: UNSUBSCRIBE y (queued)
        r3a: GET k
        r3a: EXEC
        b: MULTI
        b: PUBLISH x one
        b: SET k v
        b: PUBLISH x two
        b: EXEC
    """,
    "long messages, and many in one go": "\n".join(
        ["a: SUBSCRIBE c", "r3a: SUBSCRIBE c", "r3b: SUBSCRIBE c"] +
        [f"b: PUBLISH c {'x' * size}" for size in (1, 3000, 20000, 10, 100000, 5, 2047, 2048)]),
}

TRACKING = {
    "a key that was read, once": """
        r3a: CLIENT TRACKING ON
        r3a: GET k
        r3a: GET k
        b: SET k 1
        b: SET k 2
        r3a: MGET k l
        b: MSET l 1 k 1
        r3a: GET k
        r3a: SET k own
        r3a: GET k
        b: DEL k
        r3a: EXISTS k
        b: SET k 1
        r3a: TTL k
        b: EXPIRE k 100
        r3a: STRLEN k
        b: RENAME k m
        r3a: DUMP other
        b: FLUSHALL
        b: FLUSHDB
        r3a: FLUSHALL
        r3a: CLIENT TRACKING OFF
        b: SET k 1
        r3a: CLIENT TRACKINGINFO
    """,
    "several databases have one name space": """
        r3a: CLIENT TRACKING ON
        r3a: GET k
        b: SELECT 3
        b: SET k 1
        r3a: GET k
        b: SET k 2
    """,
    "NOLOOP, OPTIN, OPTOUT": """
        r3a: CLIENT TRACKING ON NOLOOP
        r3a: GET k
        r3a: SET k 1
        b: SET k 1
        r3a: GET k
        b: SET k 2
        r3b: CLIENT TRACKING ON OPTIN
        r3b: CLIENT TRACKINGINFO
        r3b: GET a
        r3b: CLIENT CACHING YES
        r3b: CLIENT TRACKINGINFO
        r3b: GET b
        r3b: GET c
        r3b: CLIENT CACHING NO
        r3b: CLIENT CACHING YES
        r3b: PING
        r3b: GET d
        r3b: CLIENT CACHING YES
        r3b: NOSUCH
        r3b: GET d
        b: MSET a 1 b 1 c 1 d 1
        r3c: CLIENT TRACKING ON OPTOUT
        r3c: CLIENT CACHING YES
        r3c: GET a
        r3c: CLIENT CACHING NO
        r3c: CLIENT TRACKINGINFO
        r3c: GET b
        r3c: GET c
        b: MSET a 1 b 1 c 1 d 1
    """,
    "refusals": """
        r3a: CLIENT TRACKING
        r3a: CLIENT TRACKING MAYBE
        r3a: CLIENT TRACKING ON FOO
        r3a: CLIENT TRACKING ON REDIRECT
        r3a: CLIENT TRACKING ON REDIRECT x
        r3a: CLIENT TRACKING ON REDIRECT 0
        r3a: CLIENT TRACKING ON REDIRECT -3
        r3a: CLIENT TRACKING ON REDIRECT 123456
        r3a: CLIENT TRACKING ON REDIRECT {id:b} REDIRECT {id:b}
        r3a: CLIENT TRACKING ON PREFIX a
        r3a: CLIENT TRACKING ON BCAST PREFIX
        r3a: CLIENT TRACKING ON BCAST OPTIN
        r3a: CLIENT TRACKING ON OPTIN OPTOUT
        r3a: CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
        r3a: CLIENT TRACKING ON BCAST PREFIX ab PREFIX a
        r3a: CLIENT CACHING YES
        r3a: CLIENT CACHING MAYBE
        r3a: CLIENT GETREDIR
        r3a: CLIENT TRACKINGINFO
        r3a: CLIENT TRACKING ON
        r3a: CLIENT TRACKING ON BCAST
        r3a: CLIENT CACHING YES
        r3a: CLIENT CACHING NO
        r3a: CLIENT CACHING MAYBE
        r3a: CLIENT TRACKING ON OPTIN
        r3a: CLIENT TRACKING ON OPTOUT
        r3a: CLIENT GETREDIR
        r3a: CLIENT TRACKING OFF NOLOOP
        r3a: CLIENT TRACKING ON BCAST PREFIX abc PREFIX b
        r3a: CLIENT TRACKING ON BCAST PREFIX ab
        r3a: CLIENT TRACKING ON BCAST PREFIX abcd
        r3a: CLIENT TRACKING ON BCAST PREFIX abc
        r3a: CLIENT TRACKING ON BCAST PREFIX c
        r3a: CLIENT TRACKING ON
        r3a: CLIENT TRACKINGINFO
        r3a: CLIENT TRACKING OFF
        r3a: CLIENT TRACKINGINFO
        a: CLIENT TRACKING ON BCAST NOLOOP
        a: CLIENT TRACKINGINFO
        a: RESET
        a: CLIENT TRACKINGINFO
    """,
    "redirection": """
        sub: SUBSCRIBE __redis__:invalidate
        a: CLIENT TRACKING ON REDIRECT {id:sub}
        a: CLIENT GETREDIR
        a: CLIENT TRACKINGINFO
        a: GET k
        b: SET k 1
        a: GET k
        a: SET k 2
        a: GET k
        b: FLUSHALL
        r3a: CLIENT TRACKING ON REDIRECT {id:sub}
        r3a: GET k
        b: SET k 1
        b: FLUSHALL
        a: CLIENT TRACKING ON REDIRECT {id:r3sub}
        a: GET k
        b: SET k 1
        b: FLUSHDB
        sub: UNSUBSCRIBE
        r3a: GET k
        b: SET k 1
        r3sub: (close)
        sub: (close)
        r3a: GET k
        a: GET k
        b: SET k 1
        r3a: CLIENT TRACKINGINFO
        a: CLIENT TRACKINGINFO
        a: CLIENT TRACKING ON REDIRECT {id:b}
        a: CLIENT TRACKINGINFO
        b: FLUSHALL
    """,
    "broadcast": """
        r3a: CLIENT TRACKING ON BCAST
        r3b: CLIENT TRACKING ON BCAST PREFIX user: PREFIX obj
        r3c: CLIENT TRACKING ON BCAST NOLOOP PREFIX user:
        b: SET user:1 x
        b: SET other x
        b: SET obj x
        b: MSET user:2 x user:1 y obj:1 x zz x aa x
        b: DEL user:1 user:2 obj:1 none
        r3c: SET user:3 x
        r3b: SET user:3 x
        r3b: SET aa x
        r3a: INCR n
        b: GET user:3
        b: FLUSHALL
        r3a: FLUSHALL
        r3b: CLIENT TRACKING ON BCAST PREFIX zz
        b: SET zzz 1
        b: SET user:9 1
        r3b: CLIENT TRACKINGINFO
        r3b: CLIENT TRACKING OFF
        b: SET zzz 1
        r3b: CLIENT TRACKING ON
        r3b: GET zzz
        b: SET zzz 1
        b: SET user:9 1
    """,
    "broadcast by redirection": """
        sub: SUBSCRIBE __redis__:invalidate
        a: CLIENT TRACKING ON BCAST PREFIX u REDIRECT {id:sub}
        b: MSET u1 x v x u0 x
        a: SET u 1
        b: FLUSHALL
        sub: (close)
        b: SET u 1
        a: CLIENT TRACKINGINFO
    """,
    "invalidations stand behind the reply": """
        r3a: CLIENT TRACKING ON
        r3a: GET k
        r3a: SET k 1
        r3a: GET k
        b: SET k 1
        r3a: GET k
        r3a: DEL k
        r3a: MGET k l m
        r3a: MSET k 1 l 1 m 1
    """,
    "transactions": """
        r3a: CLIENT TRACKING ON
        r3a: MULTI
        r3a: GET k
        r3a: MGET l m
        r3a: EXEC
        b: MULTI
        b: SET k 1
        b: SET k 2
        b: SET l 1
        b: EXEC
        r3a: GET k
        r3a: MULTI
        r3a: SET k 3
        r3a: SET m 3
        r3a: GET k
        r3a: SET k 4
        r3a: EXEC
        r3b: CLIENT TRACKING ON OPTIN
        r3b: CLIENT CACHING YES
        r3b: MULTI
        r3b: GET p
        r3b: NOSUCH
        r3b: DISCARD
        r3b: GET q
        r3b: CLIENT CACHING YES
        r3b: MULTI
        r3b: GET p
        r3b: GET q
        r3b: EXEC
        r3b: GET r
        r3c: CLIENT TRACKING ON BCAST NOLOOP
        b: MSET p 1 q 1 r 1
        b: MULTI
        b: FLUSHALL
        b: SET p 1
        b: EXEC
    """,
    "a RESP2 client hears nothing by itself": """
        a: CLIENT TRACKING ON
        a: GET k
        b: SET k 1
        b: FLUSHALL
        a: CLIENT TRACKINGINFO
    """,
}

# Redis 7.0 sends these before the reply to the client's own command, Redis 7.2 behind it, as we do:
# replies and pushes are compared by themselves.
TO_ONESELF = {
    "publishing to oneself": """
        r3a: SUBSCRIBE c
        r3a: PSUBSCRIBE c*
        r3a: PUBLISH c one
        r3a: PUBLISH other two
        r3a: SSUBSCRIBE c
        r3a: SPUBLISH c three
    """,
    "events of one's own": """
        r3a: CONFIG SET notify-keyspace-events KEA
        r3a: PSUBSCRIBE __key*__:*
        r3a: CLIENT TRACKING ON
        r3a: GET k
        r3a: SET k 1
        r3a: GET k
        b: SET k 1
        r3a: GET k
        r3a: DEL k
    """,
}

EVENT_ORDER = {
    "classes are chosen one by one": "\n".join(
        ["sub: PSUBSCRIBE *"] +
        [f"b: CONFIG SET notify-keyspace-events {classes}\n"
         "b: SET k v EX 100\nb: GET none\nb: DEL k\nb: INCR n\nb: EXPIRE n 0"
         for classes in ("K", "E", "A", "KA", "EA", "K$", "Eg", "KEm", "KEn", "KEAmn", "Kx", "KElsh")]),
    "databases": """
        sub: PSUBSCRIBE __key*__:*
        b: CONFIG SET notify-keyspace-events KEA
        b: SELECT 3
        b: SET k v
        b: MOVE k 4
        b: SWAPDB 3 4
        b: COPY k k DB 5
        b: SET k w
        b: FLUSHALL
    """,
    "settings": "\n".join(
        f"b: CONFIG SET notify-keyspace-events {classes}\nb: CONFIG GET notify-keyspace-events"
        for classes in ("''", "KEA", "AKE", "g$lshzxetdK", "nE", "KEQ", "Elg", "Km", "'A K'")),
}


def test_subscriptions():
    compare(SUBSCRIPTIONS)


def test_tracking():
    compare(TRACKING)


def test_events():
    compare(EVENT_ORDER)


def test_pushes_to_oneself():
    compare(TO_ONESELF, order=pushes_last)


def test_all_with_a_log():
    """The same when pushes wait for commits."""
    compare(SUBSCRIPTIONS | TRACKING | EVENT_ORDER, "conf/standalone.yaml")


def same_events(seed, classes, commands):
    """Random commands: every event, in its order."""
    chooser = Chooser(seed)
    with Redis() as redis, Server(config="conf/memory.yaml") as server:
        parties = []
        for port in (redis.port, server.port):
            speaker, listener = Talker(port, False), Talker(port, True)
            speaker.client("CONFIG", "SET", "notify-keyspace-events", classes)
            listener.say(["PSUBSCRIBE", "__key*__:*"])
            parties.append((speaker, listener))
        for start in range(0, commands, 50):
            batch = [chooser.command() for _ in range(50)]
            for speaker, listener in parties:
                speaker.client.send_raw(b"".join(
                    Client.encode(*[a.encode("latin-1") for a in c]) for c in batch))
                speaker.read_replies(50, False)
                listener.finish()
            theirs, ours = (b"".join(listener.frames) for _, listener in parties)
            if theirs != ours:
                at = os.path.commonprefix([theirs, ours])
                at = at.rfind(b">4\r\n")
                check(False, f"seed {seed}, requests {start} to {start + 49}:\n{batch}\n"
                      f"  Redis:    {theirs[at:at + 300]!r}\n  Holdfast: {ours[at:at + 300]!r}")
            for party in parties:
                party[1].frames = []


def test_same_events():
    same_events(11, "KEA", EVENTS)


def test_same_events_with_misses_and_new_keys():
    same_events(12, "EAmn", EVENTS)


# Of these docs/COMPATIBILITY.md says why or in which order invalidations differ.
DIFFERENT = {"SWAPDB", "RENAME", "RENAMENX", "APPEND", "EXPIREAT", "PEXPIREAT", "FLUSHALL",
             "FLUSHDB"}


def test_same_invalidations():
    """Random commands of four clients that cache, one at a time."""
    modes = {"r3a": [], "r3b": ["NOLOOP"], "r3c": ["BCAST", "PREFIX", "{", "PREFIX", "a"],
             "r3d": ["BCAST", "NOLOOP"], "r3e": ["OPTIN"], "r3f": ["OPTOUT"]}
    chooser = Chooser(13)
    with Redis() as redis, Server(config="conf/memory.yaml") as server:
        parties = []
        for port in (redis.port, server.port):
            party = Party(port)
            for name, options in modes.items():
                party.talker(name).say(["CLIENT", "TRACKING", "ON"] + options)
            parties.append(party)
        for _ in range(EVENTS // 5):
            name, words = chooser.pick(list(modes)), chooser.command()
            before = chooser.pick([None, ["CLIENT", "CACHING", chooser.pick(["YES", "NO"])]])
            if words[0] in DIFFERENT:
                continue
            for party in parties:
                if before:
                    party.talker(name).say(before)
                party.talker(name).say(words)
        pushes = [[f for t in party.talkers.values() for f in t.frames if f[:1] == b">"]
                  for party in parties]
        check(len(pushes[0]) > EVENTS // 50, f"only {len(pushes[0])} pushes")
        for party in parties:
            for talker in party.talkers.values():
                talker.finish()
        for name in modes:
            theirs, ours = (party.talkers[name].frames for party in parties)
            for i, (wanted, got) in enumerate(zip(theirs, ours)):
                check(wanted == got or wanted[:1] != b">" != got[:1],
                      f"{name}, {i}: {theirs[i - 3:i + 3]}\n{ours[i - 3:i + 3]}")
            check(len(theirs) == len(ours), f"{name}: {len(theirs)} and {len(ours)} frames")


if __name__ == "__main__":
    main(globals())
