"""The same conversations about users on Holdfast and on Debian's redis-server (7.0): every reply must
be the same, but for what Redis itself changed in 7.2 (see `in_words_of_7_2`).

Rules print in another order than in 7.0, so what they mean is compared: each server is given what
the other one prints, and both must then decide alike about every command that they share.
"""
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from harness import (Client, Failed, ReplyError, Server, check, check_equal, info, main)

SECRET = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"


class Redis:
    def __init__(self, *options):
        self.directory = tempfile.TemporaryDirectory(prefix="holdfast-acl-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no",
             "--dir", self.directory.name, *options], stdout=subprocess.DEVNULL)
        for _ in range(100):
            try:
                Client(self.port).close()
                return
            except OSError:
                time.sleep(0.05)
        raise Failed("redis-server did not start")

    def client(self):
        return Client(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


def words(text):
    return sorted(text.split(" "))


def in_words_of_7_2(user, reply):
    """A reply of either server, without what 7.2 says differently."""
    if isinstance(reply, dict):  # RESP3
        reply = [x for name, value in reply.items() for x in (name.encode(), value)]
    if isinstance(reply, list):
        # ACL LOG: its entries have more fields; client and times are never the same.
        if reply[:1] == [b"count"]:
            return reply[:10]
        return [in_words_of_7_2(user, r) for r in reply if r != b"sanitize-payload"]
    if isinstance(reply, bytes):
        text = reply.decode("latin-1").replace(" sanitize-payload", "")
        text = re.sub(r"^(This user|User \S+) has no perm", "User has no perm", text)
        # The order of rules and the rules that are left out (7.0 looks for fewer) are another matter.
        return re.sub(r"[+-]@all[^()]*", "RULES ", text) if "@all" in text else text
    if isinstance(reply, ReplyError):
        text = str(reply).replace("the HELLO AUTH <user>", "the HELLO <proto> AUTH <user>")
        text = text.replace("this user has no permissions to run",
                            f"User {user} has no permissions to run")
        for what in ("key", "channel"):
            text = text.replace(
                f"this user has no permissions to access one of the {what}s used as arguments",
                f"No permissions to access a {what}")
        return "-" + text
    return reply


class Pair:
    """The same clients on both servers. A command is (client, word...); clients are made by name."""

    def __init__(self, redis, server, protocol):
        self.servers = (redis, server)
        self.protocol = protocol
        self.clients = {}
        self.users = {}

    def both(self, name):
        if name not in self.clients:
            self.clients[name] = tuple(s.client() for s in self.servers)
            for client in self.clients[name]:
                client.send("HELLO", self.protocol)
                client.read()
        return self.clients[name]

    def say(self, name, *command):
        replies = []
        for client in self.both(name):
            client.send(*command)
            try:
                reply = client.read()
            except ConnectionError:
                reply = "closed"
            replies.append(in_words_of_7_2(self.users.get(name, "default"), reply))
        if replies[1] == "OK" and command[0].upper() == "AUTH":
            self.users[name] = command[1] if len(command) == 3 else "default"
        check_equal(replies[1], replies[0], f"{name}: {command}")
        return replies[1]

    def close(self):
        for pair in self.clients.values():
            for client in pair:
                client.close()


# Each line: a client, then its command.
CONVERSATIONS = {
    "users come and go": """
        a ACL WHOAMI
        a ACL USERS
        a ACL LIST
        a ACL GETUSER default
        a ACL GETUSER nobody
        a ACL SETUSER bob
        a ACL GETUSER bob
        a ACL SETUSER bob on >secret ~a* %R~b* %W~c* %RW~d &news.* +get +set
        a ACL GETUSER bob
        a ACL LIST
        a ACL USERS
        a ACL SETUSER bob ~a* %R~c*
        a ACL LIST
        b AUTH bob wrong
        b AUTH bob secret
        b ACL WHOAMI
        b GET a1
        b SET a1 x
        b GET b1
        b SET b1 x
        b SET b1 x GET
        b SET c1 x GET
        b SET c1 x
        b SET d1 x
        b SET d x GET
        b GET d
        b DEL a1
        b CONFIG GET port
        b ACL WHOAMI
        b PING
        b AUTH default any
        b ACL WHOAMI
        a ACL DELUSER bob nobody
        a ACL DELUSER default
        a ACL DELUSER
        a ACL USERS
        a ACL DELUSER bob
    """,
    "a deleted user's clients are closed": """
        a ACL SETUSER bob on nopass allkeys +@all
        b AUTH bob x
        b PING
        a ACL DELUSER bob
        b PING
        a PING
        a ACL SETUSER me on nopass allcommands allkeys
        c AUTH me x
        c ACL DELUSER me
        c PING
    """,
    "changes hold at once": """
        a ACL SETUSER bob on nopass ~* +get +set
        b AUTH bob x
        b GET k
        a ACL SETUSER bob -get
        b GET k
        b SET k v
        a ACL SETUSER bob resetkeys %R~k
        b SET k v
        a ACL SETUSER bob off
        b SET k v
        c AUTH bob x
        a ACL SETUSER bob on >secret
        c AUTH bob x
        c AUTH bob secret
        a ACL SETUSER bob reset
        c GET k
        a ACL LIST
    """,
    "passwords": f"""
        a ACL SETUSER bob on >secret >other
        a ACL GETUSER bob
        a ACL SETUSER bob >secret
        a ACL GETUSER bob
        a ACL SETUSER bob !{SECRET}
        a ACL GETUSER bob
        a ACL SETUSER bob !{SECRET}
        a ACL SETUSER bob <secret
        a ACL SETUSER bob #{SECRET}
        a ACL SETUSER bob #{SECRET.upper()}
        a ACL SETUSER bob #{SECRET[1:]}
        a ACL SETUSER bob !x
        a ACL SETUSER bob <other
        a ACL GETUSER bob
        b AUTH bob secret
        a ACL SETUSER bob nopass
        a ACL GETUSER bob
        c AUTH bob anything
        a ACL SETUSER bob resetpass
        d AUTH bob anything
        d AUTH bob
    """,
    "the default user": """
        a AUTH x
        a AUTH default x
        a ACL SETUSER default >secret
        b PING
        b ACL WHOAMI
        b AUTH wrong
        b HELLO 2
        b AUTH secret
        b PING
        a PING
        a ACL SETUSER default nopass
        c PING
        c AUTH secret
        a CONFIG SET requirepass foo
        a ACL LIST
        d PING
        d AUTH foo
        d PING
        e HELLO 2 AUTH default bar
        a ACL SETUSER default nopass
        e PING
        a CONFIG SET requirepass ""
        a ACL LIST
        a ACL SETUSER default off
        f PING
        f AUTH default x
        a ACL SETUSER default on
        f PING
        a ACL SETUSER default -get
        a GET k
        f GET k
        a ACL SETUSER default reset
        a ACL LIST
        a PING
        a AUTH default x
    """,
    "commands, subcommands, first arguments": """
        a ACL SETUSER bob on nopass ~* -@all +config|get +select|1 +client
        b AUTH bob x
        b CONFIG GET maxclients
        b CONFIG SET maxclients 100
        b CONFIG
        b CONFIG HELP
        b SELECT 1
        b SELECT 0
        b CLIENT GETNAME
        b CLIENT KILL
        a ACL SETUSER bob -client|getname
        b CLIENT GETNAME
        b CLIENT SETNAME x
        b CLIENT NOSUCH
        a ACL SETUSER bob -select
        b SELECT 1
        a ACL SETUSER bob +select
        b SELECT 0
        a ACL SETUSER bob -@connection
        b SELECT 0
        b RESET
        b AUTH bob x
        b QUIT
    """,
    "refused rules change nothing": """
        a ACL SETUSER bob on >a ~a +get
        a ACL SETUSER bob off nosuch
        a ACL SETUSER bob +nosuch
        a ACL SETUSER bob +@nosuch
        a ACL SETUSER bob -nosuch
        a ACL SETUSER bob -@nosuch
        a ACL SETUSER bob +config|nosuch
        a ACL SETUSER bob -config|nosuch
        a ACL SETUSER bob +config|
        a ACL SETUSER bob +config|get|x
        a ACL SETUSER bob +nosuch|x
        a ACL SETUSER bob +get|x|y
        a ACL SETUSER bob -get|x
        a ACL SETUSER bob -select|0
        a ACL SETUSER bob +
        a ACL SETUSER bob -
        a ACL SETUSER bob +@
        a ACL SETUSER bob %
        a ACL SETUSER bob %X~a
        a ACL SETUSER bob %RR~a
        a ACL SETUSER bob %R
        a ACL SETUSER bob allkeys ~a
        a ACL SETUSER bob allkeys ~*
        a ACL SETUSER bob allchannels &a
        a ACL SETUSER bob (
        a ACL SETUSER bob (+get
        a ACL SETUSER bob )
        a ACL SETUSER bob (+get))
        a ACL SETUSER bob (on)
        a ACL SETUSER bob (+nosuch)
        a ACL SETUSER bob (~* ~a)
        a ACL SETUSER bob ((+get))
        a ACL LIST
        a ACL SETUSER
        a ACL NOSUCH
        a ACL
        a ACL LOAD
        a ACL SAVE
        a ACL LOAD x
    """,
    "selectors": """
        a ACL SETUSER bob on nopass ~a* +get (~b* +set) (%R~c* +@read -mget)
        a ACL LIST
        a ACL GETUSER bob
        b AUTH bob x
        b GET a1
        b GET b1
        b GET c1
        b SET a1 x
        b SET b1 x
        b SET c1 x
        b MGET c1 c2
        b STRLEN c1
        b STRLEN a1
        b GETDEL c1
        a ACL SETUSER bob ( ~d* +mget )
        a ACL SETUSER bob ()
        a ACL LIST
        b MGET d1 d2
        b MGET d1 e2
        a ACL SETUSER bob clearselectors
        a ACL LIST
        b SET b1 x
    """,
    "the log": """
        a ACL LOG RESET
        a ACL LOG
        a ACL SETUSER bob on >x ~a* +get
        b GET a1
        b AUTH bob wrong
        b AUTH bob wrong
        b AUTH nobody x
        b HELLO 2 AUTH nobody x
        b AUTH bob x
        b DEL a
        b DEL b
        b CONFIG GET *
        b GET b1
        b GET b2
        b GET b1
        a ACL LOG
        a ACL LOG 2
        a ACL LOG 0
        a ACL LOG -1
        a ACL LOG x
        a ACL LOG 1 2
        a CONFIG GET acllog-max-len
        a CONFIG SET acllog-max-len 2
        b GET b3
        a ACL LOG
        a ACL LOG RESET
        a ACL LOG
    """,
    "dry runs": """
        a ACL SETUSER bob ~a* %R~b* +get +set +mset +config|get +copy
        a ACL DRYRUN bob GET a
        a ACL DRYRUN bob GET b
        a ACL DRYRUN bob GET c
        a ACL DRYRUN bob SET b x
        a ACL DRYRUN bob SET b x GET
        a ACL DRYRUN bob SET a x GET
        a ACL DRYRUN bob COPY b a
        a ACL DRYRUN bob COPY a b
        a ACL DRYRUN bob MSET a1 1 a2 2 c 3
        a ACL DRYRUN bob MSET a1 1 a2
        a ACL DRYRUN bob DEL a
        a ACL DRYRUN bob CONFIG GET x
        a ACL DRYRUN bob CONFIG SET x y
        a ACL DRYRUN bob CONFIG NOSUCH
        a ACL DRYRUN bob CONFIG
        a ACL DRYRUN bob GET
        a ACL DRYRUN bob AUTH x
        a ACL DRYRUN nobody GET a
        a ACL DRYRUN bob NOSUCH
        a ACL DRYRUN bob
    """,
    "killing by user, and who is listed": """
        a ACL SETUSER bob on nopass +@all
        b AUTH bob x
        a CLIENT KILL USER bob
        b PING
        a CLIENT KILL USER nobody
        a CLIENT KILL USER bob
    """,
    "channels of new users": """
        a CONFIG GET acl-pubsub-default
        a ACL SETUSER bob
        a CONFIG SET acl-pubsub-default allchannels
        a ACL SETUSER joe
        a ACL SETUSER bob (+get)
        a ACL SETUSER jim reset
        a ACL LIST
        a CONFIG SET acl-pubsub-default no
        a CONFIG SET acl-pubsub-default resetchannels
        a ACL SETUSER joe reset
        a ACL LIST
    """,
}


def converse(pair, text):
    for line in text.strip().splitlines():
        name, *command = line.split()
        pair.say(name, *[w if w != '""' else "" for w in command])


def test_same_conversations():
    hold_conversations(2)


def test_same_conversations_resp3():
    hold_conversations(3)


def hold_conversations(protocol):
    for title, text in CONVERSATIONS.items():
        with Redis() as redis, Server(config="conf/memory.yaml") as server:
            pair = Pair(redis, server, protocol)
            try:
                converse(pair, text)
            except Failed as failure:
                raise Failed(f"{title}: {failure}") from None
            finally:
                pair.close()


OTHER_SINCE_7_2 = {b"wait"}  # it is in @blocking now

RULES = [
    "+@all", "-@all", "+@read", "+@write -@dangerous", "+@all -@admin", "+@all -get",
    "+@string +del -set", "+@all -@all +ping", "+@slow", "+@all -@slow", "+@fast", "-@fast",
    "+@all -@fast", "+@admin -config", "+config -config|set", "+@all -config +config|get",
    "+@keyspace +@read -@fast", "+@connection", "+@dangerous -keys", "+@bitmap -bitcount",
    "+client -client|kill", "+@all -@keyspace +del", "+acl|whoami", "+@all -acl +acl|cat",
    "+@all -@dangerous +@admin", "+@blocking +@transaction", "+select|0 +get", "allcommands -flushall",
    "nocommands +object|freq", "+@all +get -get", "+GET +Set -@WRITE", "+@read +@read -@read +get",
]


def decisions(client, user, commands):
    replies = client.pipeline([("ACL", "DRYRUN", user, *c) for c in commands])
    return {" ".join(c): in_words_of_7_2(user, r) for c, r in zip(commands, replies)}


def same_decisions(got, wanted, what):
    different = [f"{c}: {got[c]!r}, not {wanted[c]!r}" for c in wanted if got[c] != wanted[c]]
    check(not different, f"{what}: {different}")


def shared_commands(theirs, ours):
    """Calls with the fewest arguments of all commands that both servers have."""
    calls = []
    both = set(ours("COMMAND", "LIST")) & set(theirs("COMMAND", "LIST")) - OTHER_SINCE_7_2
    for row in theirs("COMMAND"):
        if row[0] not in both:
            continue
        subs = {s[0].decode().split("|")[1]: s[1] for s in row[9]}
        known = {s[0].decode().split("|")[1] for s in ours("COMMAND", "INFO", row[0])[0][9]}
        for sub, arity in subs.items():
            if sub in known:
                calls.append((row[0].decode(), sub) + ("1",) * (abs(arity) - 2))
        if not subs:
            calls.append((row[0].decode(),) + ("1",) * (abs(row[1]) - 1))
    return calls


def test_rules_mean_the_same():
    with Redis() as redis, Server(config="conf/memory.yaml") as server:
        with redis.client() as theirs, server.client() as ours:
            commands = shared_commands(theirs, ours)
            check(len(commands) > 150, f"only {len(commands)} commands are shared")
            for number, rules in enumerate(RULES):
                user = f"u{number}"
                for client in (theirs, ours):
                    client("ACL", "SETUSER", user, "on", "~1", *rules.split())
                wanted = decisions(theirs, user, commands)
                same_decisions(decisions(ours, user, commands), wanted, rules)
                for a, b in ((theirs, ours), (ours, theirs), (ours, ours)):
                    printed = dict(zip(*[iter(a("ACL", "GETUSER", user))] * 2))[b"commands"].decode()
                    if a is theirs:
                        # It names commands one by one, also those that Holdfast does not have.
                        printed = " ".join(w for w in printed.split() if accepts(ours, w))
                    b("ACL", "SETUSER", "copy", "reset", "~1", *printed.split())
                    got = decisions(b, "copy", commands)
                    same_decisions({k: v == "OK" for k, v in got.items()},
                                   {k: v == "OK" for k, v in wanted.items()},
                                   f"{rules} as {printed}")


def accepts(client, rule):
    client.send("ACL", "SETUSER", "scratch", rule)
    return client.read() == "OK"


def test_same_categories():
    with Redis() as redis, Server(config="conf/memory.yaml") as server:
        with redis.client() as theirs, server.client() as ours:
            check_equal(ours("ACL", "CAT"), theirs("ACL", "CAT"), "categories")
            for category in theirs("ACL", "CAT"):
                mine, other = (set(c("ACL", "CAT", category)) for c in (ours, theirs))
                different = {n for n in (mine ^ other) - OTHER_SINCE_7_2
                             if both_have(ours, theirs, n)}
                check_equal(different, set(), f"in {category} of one server only")


def both_have(ours, theirs, name):
    return all(c("COMMAND", "INFO", name)[0] is not None for c in (ours, theirs))


GOOD_FILES = [
    "user default on nopass ~* &* +@all\nuser bob on >x ~a* +get\n\n  user joe off +@read \n",
    f"user bob on #{SECRET} (~a +get) ( %R~b +mget )  \r\n",
    "",
]
BAD_FILES = [
    "# comment\nuser default on nopass ~* +@all\n",
    "user\nUSER bob on\n",
    "user bob on +nosuch -@nosuch +get x y\nuser joe on ~* ~a\n",
    "user bob on\nuser bob off\nuser b\tb on\n",
    "user bob (+get\nuser joe #abc\n",
]


def test_same_files():
    with tempfile.TemporaryDirectory(prefix="holdfast-acl-") as directory:
        paths = [pathlib.Path(directory) / name for name in ("theirs.acl", "ours.acl")]
        for path in paths:
            path.write_text("")
        with Redis("--aclfile", str(paths[0])) as redis, \
                Server(f"resp.acl_file={paths[1]}", config="conf/memory.yaml") as server, \
                redis.client() as theirs, server.client() as ours:
            for text in GOOD_FILES + BAD_FILES:
                for path in paths:
                    path.write_text(text)
                replies = []
                for client, file in zip((theirs, ours), paths):
                    client.send("ACL", "LOAD")
                    reply = in_words_of_7_2("default", client.read())
                    replies.append(reply.replace(str(file), "FILE"))
                check_equal(replies[1], replies[0], f"ACL LOAD of {text!r}")
                check_equal(replies[1] == "OK", text in GOOD_FILES, text)
                check_equal(*[in_words_of_7_2("", c("ACL", "LIST")) for c in (ours, theirs)], text)
            for path in paths:
                path.unlink()
            check_equal(*[c.error("ACL", "LOAD").replace(str(path), "FILE")
                          for c, path in zip((theirs, ours), paths)], "no file")
            # What one saves the other one loads.
            rules = ("on", ">x", "%R~a*", "&b", "+get", "(~x*", "+@all", "-@admin)")
            for client in (ours, theirs):
                check_equal(client("ACL", "SETUSER", "zoe", *rules), "OK", "SETUSER")
                check_equal(client("ACL", "SAVE"), "OK", "SAVE")
            saved = [path.read_text() for path in paths]
            for path, text in zip(paths, reversed(saved)):
                path.write_text(text)
            for client in (ours, theirs):
                check_equal(client("ACL", "LOAD"), "OK", "ACL LOAD of the other one's file")
            check_equal(*[in_words_of_7_2("", c("ACL", "LIST")) for c in (ours, theirs)], "users")


def test_users_survive_a_restart():
    with tempfile.TemporaryDirectory(prefix="holdfast-acl-") as directory:
        path = pathlib.Path(directory) / "users.acl"
        path.write_text("user default on >root ~* &* +@all\n")
        with Server(f"resp.acl_file={path}") as server:
            with server.client() as c:
                check_equal(c.error("PING"), "NOAUTH Authentication required.", "before AUTH")
                c("AUTH", "root")
                c("ACL", "SETUSER", "bob", "on", ">x", "~b*", "+get", "+set")
                c("ACL", "SAVE")
                listed = c("ACL", "LIST")
                check_equal([p.name for p in path.parent.iterdir()], ["users.acl"], "files")
            server.kill()
            server.start()
            with server.client() as c:
                c("AUTH", "root")
                check_equal(c("ACL", "LIST"), listed, "after a restart")
            with server.client() as b:
                b("AUTH", "bob", "x")
                b("SET", "b1", "v")
                check_equal(b.error("SET", "a1", "v"), "NOPERM No permissions to access a key", "key")
                with server.client() as c:
                    c("AUTH", "root")
                    fields = info(c)
                    check_equal(fields["acl_access_denied_key"], "1", "INFO")
                    # A user that did not change keeps its clients.
                    c("ACL", "SETUSER", "joe", "on", "nopass", "+@all")
                    with server.client() as j:
                        j("AUTH", "joe", "x")
                        check_equal(c("ACL", "LOAD"), "OK", "LOAD")
                        check(j.at_end(), "joe is gone but his client is not")
                    check_equal(b("GET", "b1"), b"v", "bob's client after LOAD")
        path.write_text("user bob +nosuch\n")
        refused = Server(f"resp.acl_file={path}", wait=False)
        _, error = refused.process.communicate(timeout=30)
        check(refused.process.returncode != 0, "started with a wrong ACL file")
        check(f"{path}:1: Error in applying operation '+nosuch'" in error + refused.log(), error)
        refused.close()


if __name__ == "__main__":
    main(globals())
