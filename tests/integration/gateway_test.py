"""The gateway in front of a real Redis Cluster (three of Debian's redis-server) and of a standalone
Holdfast: plain clients, redis-cli and python3-redis use all of it, slots move under their feet, a
master dies."""
import contextlib
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from harness import Client, Failed, ReplyError, Server, Skipped, check, check_equal, info, main, run

try:
    import redis
except ImportError:
    redis = None

GATEWAY = "conf/cluster/gateway.yaml"


def free_port():
    # The cluster bus takes the port 10000 above.
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port < 50000:
            return port


class RedisCluster:
    """Three masters without replicas."""

    def __init__(self, size=3):
        if shutil.which("redis-server") is None:
            raise Skipped("no redis-server")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-gateway-"))
        self.ports, self.processes = [], {}
        for _ in range(size):
            self.start(free_port())
        for port in self.ports:
            self.wait(port)
        run("redis-cli", "--cluster", "create", *[f"127.0.0.1:{p}" for p in self.ports],
            "--cluster-yes")
        deadline = time.monotonic() + 60
        while any("cluster_state:ok" not in self.cli(p, "CLUSTER", "INFO") for p in self.ports):
            check(time.monotonic() < deadline, "the cluster does not come up")
            time.sleep(0.1)

    def start(self, port):
        home = self.directory / str(port)
        home.mkdir(exist_ok=True)
        self.processes[port] = subprocess.Popen(
            ["redis-server", "--port", str(port), "--cluster-enabled", "yes", "--save", "",
             "--appendonly", "yes", "--cluster-node-timeout", "2000", "--dir", str(home)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if port not in self.ports:
            self.ports.append(port)

    def wait(self, port):
        deadline = time.monotonic() + 30
        while "PONG" not in self.cli(port, "PING"):
            check(time.monotonic() < deadline, f"redis-server {port} does not start")
            time.sleep(0.05)

    @staticmethod
    def cli(port, *args):
        return subprocess.run(["redis-cli", "-p", str(port), *map(str, args)], capture_output=True,
                              text=True, timeout=60).stdout

    def id_of(self, port):
        return self.cli(port, "CLUSTER", "MYID").strip()

    def owner(self, slot):
        for line in self.cli(self.ports[0], "CLUSTER", "NODES").splitlines():
            words = line.split()
            for part in words[8:]:
                if part.startswith("["):
                    continue
                first, _, last = part.partition("-")
                if int(first) <= slot <= int(last or first):
                    return int(words[1].split("@")[0].rsplit(":", 1)[1])
        raise Failed(f"nobody owns slot {slot}")

    def seeds(self):
        return "gateway.seeds=" + " ".join(f"127.0.0.1:{p}" for p in self.ports)

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


shared = None


def cluster():
    """One cluster for all tests that leave it as it was."""
    global shared
    if shared is None:
        shared = RedisCluster()
    for port in shared.ports:
        shared.cli(port, "FLUSHALL")
    return shared


@contextlib.contextmanager
def gateway(nodes, *sets):
    with Server(nodes.seeds(), *sets, config=GATEWAY) as server:
        with server.client() as client:
            deadline = time.monotonic() + 20
            while info(client)["gateway_all_slots"] != "1":
                check(time.monotonic() < deadline, "the gateway finds no nodes")
                time.sleep(0.05)
        yield server


def test_keys_of_all_nodes():
    nodes = cluster()
    with gateway(nodes) as server, server.client() as c:
        replies = c.pipeline([("SET", f"k{i}", f"v{i}") for i in range(2000)])
        check_equal(set(replies), {"OK"}, "SET")
        replies = c.pipeline([("GET", f"k{i}") for i in range(2000)])
        check_equal(replies, [f"v{i}".encode() for i in range(2000)], "GET in order")
        sizes = [int(nodes.cli(p, "DBSIZE")) for p in nodes.ports]
        check(all(size > 300 for size in sizes), f"not spread: {sizes}")
        check_equal(c("DBSIZE"), 2000, "DBSIZE")
        check_equal(len(c("KEYS", "*")), 2000, "KEYS")
        check_equal(c("MGET", "k1", "none", "k2", "k3"), [b"v1", None, b"v2", b"v3"], "MGET")
        check_equal(c("MSET", "a", 1, "b", 2, "c", 3), "OK", "MSET")
        check_equal(c("EXISTS", "a", "b", "c", "d"), 3, "EXISTS")
        check_equal(c("TOUCH", "a", "b"), 2, "TOUCH")
        check_equal(c("DEL", "a", "b", "d"), 2, "DEL")
        check_equal(c("UNLINK", "c"), 1, "UNLINK")
        check("CROSSSLOT" in c.error("SUNION", "k1", "k2"), "CROSSSLOT")
        check("wrong number" in c.error("MSET", "a", 1, "b"), "MSET arity")
        found, cursor = set(), 0
        for _ in range(10000):
            cursor, keys = c("SCAN", cursor, "COUNT", 100)
            found |= set(keys)
            if int(cursor) == 0:
                break
        check_equal(len(found), 2000, "SCAN")
        check(c("RANDOMKEY") in found, "RANDOMKEY")
        big = b"x" * 8_000_000
        check_equal(c("SET", "big", big), "OK", "8 MB")
        check(c("GET", "big") == big, "8 MB back")
        fields = info(c)
        check_equal(fields["db0"].split(",")[0], "keys=2001", "INFO keyspace")
        check(int(fields["gateway_split"]) >= 8, "splits are counted")
        check_equal(c("FLUSHALL"), "OK", "FLUSHALL")
        check_equal(c("DBSIZE"), 0, "DBSIZE after FLUSHALL")
        server.stop()


def test_resp3_and_connection_commands():
    nodes = cluster()
    with gateway(nodes) as server, server.client() as c, server.client() as old:
        check_equal(c("HELLO", "3")["proto"], 3, "HELLO")
        c("HSET", "h", "a", "1")
        check_equal(c("HGETALL", "h"), {"a": b"1"}, "a map")
        check_equal(old("HGETALL", "h"), [b"a", b"1"], "RESP2 beside it")
        check_equal(c("GET", "none"), None, "null")
        c.send_raw(b"SET inline 'a b'\r\nGET inline\r\n")
        check_equal([c.read(), c.read()], ["OK", b"a b"], "inline")
        c("CLIENT", "SETNAME", "me")
        check_equal(c("CLIENT", "GETNAME"), b"me", "name")
        check("name=me" in c("CLIENT", "LIST").decode(), "CLIENT LIST")
        c.send_raw(Client.encode("CLIENT", "REPLY", "SKIP") + Client.encode("SET", "s", "1") +
                   Client.encode("GET", "s"))
        check_equal(c.read(), b"1", "CLIENT REPLY SKIP")
        check_equal(c("SELECT", "0"), "OK", "SELECT")
        check("cluster mode" in c.error("SELECT", "1"), "SELECT 1")
        check_equal(c("CONFIG", "GET", "maxclients"), {"maxclients": b"10000"}, "CONFIG GET")
        check(c("COMMAND", "COUNT") > 100, "COMMAND COUNT")
        check("not possible through a gateway" in c.error("DEBUG", "SLEEP", "0"), "DEBUG")
        check_equal(c("CLUSTER", "KEYSLOT", "foo"), 12182, "KEYSLOT")
        slots = old("CLUSTER", "SLOTS")
        check_equal({entry[2][1] for entry in slots}, set(nodes.ports), "CLUSTER SLOTS")
        check("cluster_state:ok" in old("CLUSTER", "INFO").decode(), "CLUSTER INFO")
        check_equal(old("QUIT"), "OK", "QUIT")
        check(old.at_end(), "QUIT closes")


def test_password():
    nodes = cluster()
    for port in nodes.ports:
        nodes.cli(port, "CONFIG", "SET", "requirepass", "inner")
        nodes.cli(port, "-a", "inner", "ACL", "SETUSER", "bob", "on", ">pw", "~b*", "+@all")
    try:
        with Server(nodes.seeds(), "resp.password=outer", "gateway.password=inner",
                    config=GATEWAY) as server, server.client() as c:
            check("NOAUTH" in c.error("GET", "k"), "NOAUTH")
            check("WRONGPASS" in c.error("AUTH", "inner"), "the nodes' password is not the clients'")
            check_equal(c("AUTH", "outer"), "OK", "AUTH")
            check_equal(c("SET", "a", "1"), "OK", "SET")
            check_equal(c("HELLO", "3", "AUTH", "default", "outer")["proto"], 3, "HELLO AUTH")
            check_equal(c("GET", "a"), b"1", "RESP3 with a password")
            with server.client() as bob:
                check("WRONGPASS" in bob.error("AUTH", "bob", "no"), "bob's wrong password")
                check("NOAUTH" in bob.error("GET", "b1"), "still nobody")
                check_equal(bob("AUTH", "bob", "pw"), "OK", "bob")
                check_equal(bob("SET", "b1", "x"), "OK", "bob may")
                check("NOPERM" in bob.error("SET", "a", "x"), "bob may not")
                check_equal(bob("ACL", "WHOAMI"), b"bob", "who")
    finally:
        for port in nodes.ports:
            nodes.cli(port, "-a", "inner", "ACL", "DELUSER", "bob")
            nodes.cli(port, "-a", "inner", "CONFIG", "SET", "requirepass", "")


def test_transactions():
    nodes = cluster()
    with gateway(nodes) as server, server.client() as c, server.client() as other:
        check_equal(c("MULTI"), "OK", "MULTI")
        check_equal(c("SET", "{t}a", "1"), "QUEUED", "queued")
        check_equal(c("INCR", "{t}a"), "QUEUED", "queued")
        check_equal(c("EXEC"), ["OK", 2], "EXEC")
        c("MULTI")
        c("SET", "{t}a", "5")
        check("CROSSSLOT" in c.error("SET", "{u}a", "1"), "CROSSSLOT")
        check("EXECABORT" in c.error("EXEC"), "EXECABORT")
        check_equal(c("GET", "{t}a"), b"2", "nothing was done")
        check_equal(c("WATCH", "{t}a"), "OK", "WATCH")
        other("SET", "{t}a", "7")
        c("MULTI")
        c("SET", "{t}a", "8")
        check_equal(c("EXEC"), None, "changed while it was watched")
        check_equal(c("WATCH", "{t}a"), "OK", "WATCH")
        value = int(c("GET", "{t}a"))
        c("MULTI")
        c("SET", "{t}a", value + 1)
        check_equal(c("EXEC"), ["OK"], "not changed")
        check_equal(c("GET", "{t}a"), b"8", "value")
        c("WATCH", "{t}a")
        c("UNWATCH")
        c("MULTI")
        check_equal(c("DISCARD"), "OK", "DISCARD")
        check("EXEC without MULTI" in c.error("EXEC"), "EXEC without MULTI")


def test_blocking():
    nodes = cluster()
    with gateway(nodes) as server, server.client() as c, server.client() as other:
        c.send("BLPOP", "list", "5")
        time.sleep(0.2)
        check_equal(other("PING"), "PONG", "others are served")
        other("RPUSH", "list", "x")
        check_equal(c.read(), [b"list", b"x"], "BLPOP")
        check_equal(c("BLPOP", "list", "0.1"), None, "BLPOP in vain")
        c("XADD", "stream", "1-1", "f", "v")
        check_equal(len(c("XREAD", "STREAMS", "stream", "0")), 1, "XREAD")
        c.send("XREAD", "BLOCK", "5000", "STREAMS", "stream", "$")
        time.sleep(0.2)
        other("XADD", "stream", "2-1", "f", "v")
        check_equal(len(c.read()), 1, "XREAD BLOCK")
        # One that leaves while it waits takes nothing.
        with server.client() as leaver:
            leaver.send("BLPOP", "list", "0")
            time.sleep(0.2)
        time.sleep(0.3)
        other("RPUSH", "list", "kept")
        time.sleep(0.2)
        check_equal(other("LRANGE", "list", 0, -1), [b"kept"], "nobody took it")


def test_publish_subscribe():
    nodes = cluster()
    with gateway(nodes) as server, server.client() as s, server.client() as p3, server.client() as c:
        channels = [f"channel{i}" for i in range(20)]
        s.send("SUBSCRIBE", *channels)
        for i, channel in enumerate(channels):
            check_equal(s.read(), [b"subscribe", channel.encode(), i + 1], "confirmation")
        p3("HELLO", "3")
        p3.send("PSUBSCRIBE", "chan*")
        check_equal(p3.read(), [b"psubscribe", b"chan*", 1], "pattern")
        for channel in channels:
            c("PUBLISH", channel, "m-" + channel)
        for channel in channels:
            pass
        got = sorted(tuple(s.read()) for _ in channels)
        check_equal(got, sorted((b"message", x.encode(), b"m-" + x.encode()) for x in channels),
                    "each message once")
        got = sorted(tuple(p3.read()) for _ in channels)
        check_equal(got, sorted((b"pmessage", b"chan*", x.encode(), b"m-" + x.encode())
                                for x in channels), "each message once to the pattern")
        check_equal(p3("GET", "none"), None, "RESP3 goes on with commands")
        s.send("PING")
        check_equal(s.read(), [b"pong", b""], "PING, and nothing twice")
        s.send("GET", "x")
        check("only (P|S)SUBSCRIBE" in str(s.read()), "RESP2 does not")
        s.send("UNSUBSCRIBE", *channels[1:])
        for _ in channels[1:]:
            s.read()
        s.send("SSUBSCRIBE", "shardy")
        check_equal(s.read(), [b"ssubscribe", b"shardy", 1], "SSUBSCRIBE")
        check_equal(c("SPUBLISH", "shardy", "x"), 1, "SPUBLISH")
        check_equal(s.read(), [b"smessage", b"shardy", b"x"], "smessage")
        check(b"channel0" in c("PUBSUB", "CHANNELS"), "PUBSUB CHANNELS")


def test_scripts():
    nodes = cluster()
    with gateway(nodes) as server, server.client() as c:
        sha = c("SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])").decode()
        check_equal([c("EVALSHA", sha, 1, f"n{i}") for i in range(30)], [1] * 30, "on all nodes")
        check_equal(c("SCRIPT", "EXISTS", sha, "0" * 40), [1, 0], "SCRIPT EXISTS")
        check_equal(c("EVAL", "return 7", 0), 7, "no keys")
        check("CROSSSLOT" in c.error("EVAL", "return 1", 2, "a", "b"), "CROSSSLOT")
        check_equal(c("SCRIPT", "FLUSH"), "OK", "SCRIPT FLUSH")
        check("NOSCRIPT" in c.error("EVALSHA", sha, 1, "n"), "NOSCRIPT")
        c("FUNCTION", "LOAD", "REPLACE",
          "#!lua name=lib\nredis.register_function('f', function(k) return redis.call('GET', k[1]) end)")
        check_equal([c("FCALL", "f", 1, f"n{i}") for i in range(5)], [b"1"] * 5, "FCALL")
        check_equal(c("FUNCTION", "DELETE", "lib"), "OK", "FUNCTION DELETE")


def test_programs():
    nodes = cluster()
    with gateway(nodes) as server:
        check_equal(run("redis-cli", "-p", server.port, "SET", "x", "1").strip(), "OK", "redis-cli")
        check("redis_version" in run("redis-cli", "-p", server.port, "INFO"), "INFO")
        run("redis-cli", "-p", server.port, "--scan")
        run("redis-cli", "-p", server.port, "--bigkeys")
        run("redis-benchmark", "-p", server.port, "-n", 2000, "-P", 8, "-r", 100, "-q")
        if redis is None:
            return
        client = redis.Redis(port=server.port)
        with client.pipeline(transaction=False) as pipe:
            for i in range(1000):
                pipe.set(f"py{i}", i)
                pipe.get(f"py{i}")
            replies = pipe.execute()
        check_equal(replies[1::2], [str(i).encode() for i in range(1000)], "python3-redis pipeline")
        with client.pipeline(transaction=True) as pipe:
            pipe.set("{p}1", 1)
            pipe.incr("{p}1")
            check_equal(pipe.execute(), [True, 2], "python3-redis transaction")
        listener = client.pubsub()
        listener.subscribe("py")
        check_equal(listener.get_message(timeout=5)["type"], "subscribe", "pubsub")
        client.publish("py", "hello")
        check_equal(listener.get_message(timeout=5)["data"], b"hello", "pubsub")
        listener.close()
        lock = client.lock("lock", timeout=5)
        check(lock.acquire(), "lock")
        lock.release()


class Load:
    """Clients that write and read back, each its own keys, until stop(); errors are kept."""

    def __init__(self, port, tag, clients=4):
        self.port, self.tag, self.errors, self.done = port, tag, [], 0
        self.stopping = threading.Event()
        self.longest = 0
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        try:
            with Client(self.port) as c:
                n = 0
                while not self.stopping.is_set():
                    n += 1
                    key = f"{self.tag}{number}"
                    start = time.monotonic()
                    replies = c.pipeline([("SET", key, n), ("APPEND", key, "x"), ("GET", key),
                                          ("SET", key, -n), ("GET", key)])
                    self.longest = max(self.longest, time.monotonic() - start)
                    wanted = ["OK", len(str(n)) + 1, f"{n}x".encode(), "OK", str(-n).encode()]
                    if replies != wanted:
                        raise Failed(f"{key}: {replies} instead of {wanted}")
                    self.done += 1
        except Exception as error:  # all that a client sees
            self.errors.append(repr(error))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def move_slot(nodes, slot, source, target):
    """As redis-cli --cluster reshard does, with a key or two at a time."""
    nodes.cli(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", nodes.id_of(source))
    nodes.cli(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", nodes.id_of(target))
    time.sleep(0.2)
    while True:
        keys = nodes.cli(source, "CLUSTER", "GETKEYSINSLOT", slot, 2).split()
        if not keys:
            break
        nodes.cli(source, "MIGRATE", "127.0.0.1", target, "", 0, 5000, "KEYS", *keys)
        time.sleep(0.02)
    for port in [target, source] + [p for p in nodes.ports if p not in (source, target)]:
        nodes.cli(port, "CLUSTER", "SETSLOT", slot, "NODE", nodes.id_of(target))


def test_a_slot_moves_while_clients_run():
    nodes = cluster()
    with gateway(nodes) as server:
        load = Load(server.port, "{moving}")
        try:
            with server.client() as c:
                slot = c("CLUSTER", "KEYSLOT", "{moving}")
                c.pipeline([("SET", f"{{moving}}more{i}", i) for i in range(50)])
                for _ in range(3):
                    source = nodes.owner(slot)
                    target = next(p for p in nodes.ports if p != source)
                    time.sleep(0.3)
                    move_slot(nodes, slot, source, target)
                    time.sleep(0.3)
                load.stop()
                check_equal(load.errors, [], "errors while a slot moved")
                check(load.done > 20, f"only {load.done} rounds")
                fields = info(c)
                check(int(fields["gateway_moved"]) > 0, "no MOVED seen")
                check(int(fields["gateway_asked"]) > 0, "no ASK seen")
        finally:
            load.stop()


def test_a_master_dies_and_comes_back():
    nodes = RedisCluster()
    try:
        with gateway(nodes) as server, server.client() as c, server.client() as r:
            c("SET", "foo", "1")  # slot 12182
            victim = nodes.owner(12182)
            nodes.processes[victim].kill()
            nodes.processes[victim].wait()
            r.send("GET", "foo")
            c.send("SET", "foo", "2")  # refused until the node is back: it was never sent
            time.sleep(0.5)
            nodes.start(victim)
            nodes.wait(victim)
            check_equal(c.read(), "OK", "the write waited")
            check(r.read() in (b"1", b"2"), "the read waited")
            check_equal(c("GET", "foo"), b"2", "value")
    finally:
        nodes.close()


def test_a_master_that_stays_dead():
    nodes = RedisCluster()
    try:
        with gateway(nodes, "gateway.retry_ms=1500") as server, server.client() as c:
            c("SET", "foo", "1")
            victim = nodes.owner(12182)
            nodes.processes[victim].kill()
            nodes.processes[victim].wait()
            start = time.monotonic()
            check("CLUSTERDOWN" in c.error("SET", "foo", "2"), "an error that says nothing was done")
            waited = time.monotonic() - start
            check(1.0 < waited < 6, f"waited {waited:.1f} s")
            check_equal(c("PING"), "PONG", "the client goes on")
            check("used_memory" in c("INFO").decode(), "INFO without that node")
    finally:
        nodes.close()


def test_before_a_standalone_holdfast():
    with Server() as store:
        with Server(f"gateway.seeds=127.0.0.1:{store.port}", "resp.max_clients=50",
                    config=GATEWAY) as server, server.client() as c:
            check_equal(c("SET", "a", "1"), "OK", "SET")
            check_equal(c("MSET", "a", "1", "b", "2"), "OK", "MSET")
            check_equal(c("MGET", "a", "b", "c"), [b"1", b"2", None], "MGET")
            replies = c.pipeline([("INCR", "n") for _ in range(5000)])
            check_equal(replies, list(range(1, 5001)), "in order")
            found, cursor = [], 0
            while True:
                cursor, keys = c("SCAN", cursor)
                found += keys
                if int(cursor) == 0:
                    break
            check_equal(sorted(found), [b"a", b"b", b"n"], "SCAN")
            others = [server.client() for _ in range(60)]
            errors = 0
            for other in others:
                try:
                    other("PING")
                except (ReplyError, ConnectionError):
                    errors += 1
                other.close()
            check_equal(errors, 11, "max_clients")
            # The store restarts: clients wait.
            store.stop()
            c.send("GET", "a")
            time.sleep(0.3)
            store.sets.append(f"resp.port={store.port}")
            store.start()
            check_equal(c.read(), b"1", "after a restart of the store")
            server.stop()


def test_a_slow_client_harms_nobody():
    with Server() as store, Server(
            f"gateway.seeds=127.0.0.1:{store.port}",
            "resp.output_limits=normal 4mb 0 0", config=GATEWAY) as server:
        with server.client() as c, server.client() as slow:
            c("SET", "big", b"x" * 1_000_000)
            slow.send_raw(Client.encode("GET", "big") * 100)  # and reads nothing
            for i in range(200):
                check_equal(c("SET", f"k{i}", i), "OK", "others are served")
            deadline = time.monotonic() + 20
            while int(info(c)["client_output_buffer_limit_disconnections"]) == 0:
                check(time.monotonic() < deadline, "it is not closed")
                time.sleep(0.05)


if __name__ == "__main__":
    try:
        main(globals())
    finally:
        if shared is not None:
            shared.close()
