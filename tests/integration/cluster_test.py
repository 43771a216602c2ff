"""A cluster of real processes, coordinators and storage nodes: it is placed, serves clients that know
Redis Cluster, and fails over without losing an acknowledged write or showing an old one.

HOLDFAST_FAILOVERS: how often a primary is killed, and paused (3).
"""
import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import tempfile
import threading
import time

import harness
from harness import (Client, Failed, ReplyError, Server, check, check_equal, free_ports, info,
                     wait_for)

FAILOVERS = int(os.environ.get("HOLDFAST_FAILOVERS", "3"))


class Cluster:
    """Nodes by name: c1.. coordinators, s1.. storage nodes."""

    def __init__(self, *sets, coordinators=3, storage=3, shards=1, replicas=3):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-cluster-"))
        names = [f"c{n + 1}" for n in range(coordinators)] + [f"s{n + 1}" for n in range(storage)]
        ports = free_ports(2 * len(names))
        self.ports = dict(zip(names, ports))
        links = dict(zip(names, ports[len(names):]))
        everyone = " ".join(f"{self.id(n)}=127.0.0.1:{links[n]}/{self.ports[n]}"
                            for n in names if n[0] == "c")
        self.servers = {}
        for name in names:
            own = [f"resp.port={self.ports[name]}", f"cluster.node={self.id(name)}",
                   f"cluster.coordinators={everyone}"]
            if name[0] == "c":
                own += ["mode=coordinator", f"cluster.shards={shards}",
                        f"cluster.replicas={replicas}", f"cluster.first_nodes={storage}"]
            else:
                own += ["mode=storage", f"cluster.listen=127.0.0.1:{links[name]}"]
            self.servers[name] = Server(*own, *sets, directory=self.directory / name, wait=False)
        for server in self.servers.values():
            server.wait_ready()

    @staticmethod
    def id(name):
        return int(name[1:]) + (10 if name[0] == "s" else 0)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for server in self.servers.values():
            with contextlib.suppress(OSError):
                server.process.send_signal(signal.SIGCONT)
            server.close()
        if kind is not None:
            for name, server in self.servers.items():
                lines = server.log().splitlines(True)
                print(f"-- {name} ({server.process.returncode}):\n" + "".join(lines[-25:]))
        shutil.rmtree(self.directory, ignore_errors=True)

    def storage(self):
        return [n for n in self.servers if n[0] == "s" and self.servers[n].process.poll() is None]

    def coordinators(self):
        return [n for n in self.servers if n[0] == "c" and self.servers[n].process.poll() is None]

    def client(self, name, timeout=2):
        return Client(self.ports[name], timeout=timeout)

    def ask(self, name, *command):
        with self.client(name) as c:
            c("HELLO", "3")
            return c(*command)

    def admin(self, *command):
        """Asks the coordinator that leads."""
        def attempt():
            for name in self.coordinators():
                try:
                    return (self.ask(name, *command),)
                except ReplyError as e:
                    if not str(e).startswith(("MOVED", "CLUSTERDOWN")):
                        raise
                except OSError:
                    pass
            return None
        return wait_for(f"a coordinator that answers {command}", attempt)[0]

    def view(self, shard=1):
        return self.admin("VIEW", "GET", shard)

    def replica(self, name, shard=1):
        """What a node says of its replica of the shard."""
        return next(e for e in self.ask(name, "EPOCH") if e["shard"] == shard)

    def name_of(self, node):
        return next(n for n in self.servers if self.id(n) == node)

    def primary(self, shard=1):
        """The name of the node that leads the shard and says so itself."""
        def attempt():
            view = self.view(shard)
            if view["phase"] != b"active":
                return None
            name = self.name_of(view["primary"])
            epoch = self.replica(name, shard)
            return name if epoch["role"] == b"primary" and epoch["lease"] == 1 else None
        return wait_for(f"a primary of shard {shard}", attempt)

    def whole(self):
        """Until every slot is served."""
        wait_for("every slot served", lambda: all(
            b"cluster_state:ok" in self.ask(n, "CLUSTER", "INFO") for n in self.storage()))
        for view in self.admin("VIEW", "LIST")["views"]:
            self.primary(view["shard"])
        return self.primary()

    def epoch(self, shard=1):
        return self.view(shard)["epoch"]


class Writer(threading.Thread):
    """Sets keys to growing numbers wherever they are served; remembers what was acknowledged, and
    reads a key now and then, which must not be older than what was acknowledged before."""

    def __init__(self, cluster, name, keys=20):
        super().__init__(daemon=True)
        self.cluster, self.name_, self.keys = cluster, name, keys
        self.acknowledged = {}
        self.answered = []  # when writes were acknowledged, from when on
        self.stale = []
        self.last_ok = time.monotonic()
        self.ending = threading.Event()

    def run(self):
        node, client, number = "s1", None, 0
        while not self.ending.is_set():
            try:
                if client is None:
                    client = self.cluster.client(node, timeout=0.5)
                number += 1
                key = f"{self.name_}:{number % self.keys}"
                client("SET", key, number)
                self.acknowledged[key] = number
                self.answered.append((self.last_ok, time.monotonic()))
                self.last_ok = self.answered[-1][1]
                if number % 3 == 0:
                    wanted = self.acknowledged[key]
                    got = client("GET", key)
                    if got is None or int(got) < wanted:
                        self.stale.append((key, wanted, got))
            except ReplyError as e:
                moved = str(e).startswith("MOVED")
                port = int(str(e).rsplit(":", 1)[1]) if moved else 0
                node = next((n for n, p in self.cluster.ports.items() if p == port), node)
                client.close()
                client = None
                time.sleep(0.005)
            except (OSError, ConnectionError):
                if client is not None:
                    client.close()
                client = None
                node = f"s{int(node[1:]) % 3 + 1}"
                time.sleep(0.005)

    def stop(self):
        self.ending.set()
        self.join(timeout=20)

    def check(self):
        check(not self.stale, f"old values read: {self.stale[:3]}")
        for key, number in self.acknowledged.items():
            with self.cluster.client(self.cluster.primary()) as c:
                got = c("GET", key)
            check(got is not None and int(got) >= number, f"{key}: {number} acknowledged, {got} there")


@contextlib.contextmanager
def writers(cluster, count=4):
    threads = [Writer(cluster, f"w{i}") for i in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.stop()
    for thread in threads:
        thread.check()


def first_answer(threads, since):
    """Seconds from then on to the first write whose sender had waited across that moment."""
    def across(thread):
        return [end - since for start, end in list(thread.answered) if start < since < end]
    wait_for("writes go on", lambda: all(across(thread) for thread in threads))
    return min(across(thread)[0] for thread in threads)


def outage(cluster, harm, heal, rounds, threads):
    """Harms the primary again and again; gives the seconds until a write was acknowledged again."""
    times = []
    for _ in range(rounds):
        name, epoch = cluster.primary(), cluster.epoch()
        harm(name)
        harmed = time.monotonic()
        wait_for("a later view", lambda: cluster.epoch() > epoch)
        times.append(first_answer(threads, harmed))
        heal(name)
        time.sleep(0.5)
    return times


def test_a_cluster_is_placed_and_serves():
    with Cluster() as cluster:
        primary = cluster.whole()
        with cluster.client(primary) as c:
            check_equal(c("SET", "k", "v"), "OK")
            check_equal(c("GET", "k"), b"v")
            check_equal(info(c)["cluster_enabled"], "1")
        for name in cluster.storage():
            if name == primary:
                continue
            with cluster.client(name) as c:
                check_equal(c.error("GET", "k"), f"MOVED 7629 127.0.0.1:{cluster.ports[primary]}")
        with cluster.client("c1") as c:
            check_equal(c.error("GET", "k"), "ERR this node is a coordinator and keeps no data; "
                        "ask a storage node or a gateway")
        slots = cluster.ask("s1", "CLUSTER", "SLOTS")
        check_equal([(r[0], r[1], r[2][1]) for r in slots], [(0, 16383, cluster.ports[primary])])
        check_equal(len(slots[0]), 5)
        nodes = cluster.ask("s2", "CLUSTER", "NODES").decode().splitlines()
        check_equal(len(nodes), 3)
        check_equal(sum("master" in line for line in nodes), 1)
        check_equal(sum("myself" in line for line in nodes), 1)
        shards = cluster.ask("s1", "CLUSTER", "SHARDS")
        check_equal([n["role"] for n in shards[0]["nodes"]], [b"master", b"replica", b"replica"])
        view = cluster.view()
        check_equal((view["epoch"], view["phase"], view["write_quorum"]), (1, b"active", 2))
        check_equal(cluster.admin("NODE", "CAN-STOP", 11)["can_stop"], b"yes")
        check_equal(len(cluster.admin("NODE", "LIST")), 3)


def test_client_libraries_that_know_redis_cluster():
    from redis.cluster import RedisCluster
    with Cluster(shards=2) as cluster:
        cluster.whole()
        wait_for("primaries on two nodes", lambda: cluster.primary(1) != cluster.primary(2))
        client = RedisCluster(host="127.0.0.1", port=cluster.ports["s1"])
        for i in range(100):
            client.set(f"key{i}", i)
        check_equal([int(client.get(f"key{i}")) for i in range(100)], list(range(100)))
        client.close()
        shown = harness.run("redis-cli", "-c", "-p", str(cluster.ports["s2"]), "get", "key7")
        check_equal(shown.strip(), "7")
        bench = harness.run("redis-benchmark", "--cluster", "-p", str(cluster.ports["s1"]), "-q",
                            "-n", "2000", "-c", "8", "-t", "set,get")
        check("requests per second" in bench, bench)


def test_no_acknowledged_write_is_lost_when_primaries_are_killed():
    with Cluster() as cluster:
        cluster.whole()
        with writers(cluster) as threads:
            times = outage(cluster, lambda n: cluster.servers[n].kill(),
                           lambda n: cluster.servers[n].start(), FAILOVERS, threads)
        print(f"        killed {FAILOVERS} times: a write was acknowledged again after {statistics.median(times):.2f} s "
              f"(median), {max(times):.2f} s at most")


def test_a_paused_primary_answers_nothing_when_it_wakes():
    with Cluster() as cluster:
        cluster.whole()
        with cluster.client(cluster.primary()) as c:
            c("SET", "paused", "before")
        sleeping = {}

        def pause(name):
            sleeping["client"] = cluster.client(name, timeout=5)
            sleeping["client"]("GET", "paused")
            cluster.servers[name].process.send_signal(signal.SIGSTOP)
            sleeping["client"].send("SET", "paused", "lost")
            sleeping["client"].send("GET", "paused")

        def wake(name):
            with cluster.client(cluster.primary()) as c:
                c("SET", "paused", "after")
            cluster.servers[name].process.send_signal(signal.SIGCONT)
            client = sleeping["client"]
            for _ in range(2):
                try:
                    answer = client.read()
                    check(isinstance(answer, ReplyError) or answer == b"after", repr(answer))
                except ReplyError as e:
                    check(str(e).startswith(("MOVED", "CLUSTERDOWN", "NOREPLICAS")), str(e))
                except (OSError, ConnectionError):
                    break
            client.close()

        with writers(cluster) as threads:
            times = outage(cluster, pause, wake, FAILOVERS, threads)
        with cluster.client(cluster.primary()) as c:
            check_equal(c("GET", "paused"), b"after")
        print(f"        paused {FAILOVERS} times: a write was acknowledged again after {statistics.median(times):.2f} s "
              f"(median), {max(times):.2f} s at most")


def test_data_goes_on_without_coordinators_and_views_stay():
    with Cluster() as cluster:
        primary, epoch = cluster.whole(), cluster.epoch()
        for name in ("c1", "c2"):
            cluster.servers[name].kill()
        with cluster.client("c3") as c:
            wait_for("no leader", lambda: c.error("VIEW", "LIST").startswith(("CLUSTERDOWN", "MOVED")))
        with cluster.client(primary) as c:
            check_equal(c("SET", "k", "alone"), "OK")
        # The primary dies; a minority moves nothing.
        cluster.servers[primary].kill()
        time.sleep(1.5)
        others = cluster.storage()
        for name in others:
            check(cluster.replica(name)["promised"] == epoch, f"{name} was fenced")
        for name in ("c1", "c2"):
            cluster.servers[name].start()
        wait_for("a later view", lambda: cluster.epoch() > epoch)
        with cluster.client(cluster.primary()) as c:
            check_equal(c("GET", "k"), b"alone")


def test_an_operator_moves_primaries_and_drains_nodes():
    with Cluster() as cluster:
        primary = cluster.whole()
        other = next(n for n in cluster.storage() if n != primary)
        with writers(cluster) as threads:
            time.sleep(0.3)
            check_equal(cluster.admin("SHARD", "HANDOVER", 1, cluster.id(other)), "OK")
            asked = time.monotonic()
            wait_for("the handover", lambda: cluster.primary() == other)
            pause = max(end - start for thread in threads for start, end in list(thread.answered)
                        if end > asked)
            check_equal(cluster.admin("NODE", "DRAIN", cluster.id(other)), "OK")
            wait_for("the drain", lambda: cluster.primary() != other)
            check_equal(cluster.admin("NODE", "DRAIN", cluster.id(other), "OFF"), "OK")
        print(f"        handed over: nobody answered for {pause * 1000:.0f} ms")
        history = [line["change"] for line in cluster.admin("VIEW", "HISTORY", 50)]
        check(any(b"handed over" in line for line in history), history)


def test_a_node_that_lost_its_disk_gets_everything_again():
    with Cluster() as cluster:
        primary = cluster.whole()
        with cluster.client(primary) as c:
            for i in range(200):
                c("SET", f"k{i}", i)
        name = next(n for n in cluster.storage() if n != primary)
        cluster.servers[name].kill()
        shutil.rmtree(cluster.directory / name / "data")
        cluster.servers[name].start()
        epoch = cluster.epoch()
        wait_for("another view", lambda: cluster.epoch() > epoch)
        wait_for("the log", lambda: cluster.replica(name)["commit"] >= 200)
        check_equal(cluster.admin("SHARD", "HANDOVER", 1, cluster.id(name)), "OK")
        wait_for("the handover", lambda: cluster.primary() == name)
        with cluster.client(name) as c:
            check_equal([int(c("GET", f"k{i}")) for i in range(200)], list(range(200)))


if __name__ == "__main__":
    harness.main(globals())
