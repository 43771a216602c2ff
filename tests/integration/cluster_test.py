"""A cluster of real processes, coordinators and storage nodes: it is placed, serves clients that know
Redis Cluster, and fails over without losing an acknowledged write or showing an old one.

HOLDFAST_FAILOVERS: how often a primary is killed, and paused (3).
"""
import contextlib
import os
import shutil
import signal
import statistics
import time

import harness
import load
from cluster import Cluster
from harness import ReplyError, check, check_equal, info, wait_for
from node_packages import node_at

FAILOVERS = int(os.environ.get("HOLDFAST_FAILOVERS", "3"))


@contextlib.contextmanager
def writers(cluster, count=4):
    told = load.Told()
    ports = {name: cluster.ports[name] for name in cluster.storage()}
    with load.running([load.Writer(ports, f"w{i}", told=told) for i in range(count)]) as threads:
        yield threads
    with cluster.client(cluster.primary(), timeout=20) as c:
        for thread in threads:
            thread.check(c)


def outage(cluster, harm, heal, rounds, threads):
    """Harms the primary again and again; gives the seconds until a write was acknowledged again."""
    times = []
    for _ in range(rounds):
        name, epoch = cluster.primary(), cluster.epoch()
        harm(name)
        harmed = time.monotonic()
        wait_for("a later view", lambda: cluster.epoch() > epoch)
        times.append(load.first_answer(threads, harmed, cluster.ports[name]))
        heal(name)
        time.sleep(0.5)
    return times


def test_a_cluster_is_placed_and_serves():
    with Cluster() as cluster:
        cluster.undisturbed(lambda: look_around(cluster, cluster.whole()))


def look_around(cluster, primary):
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
    check_equal((view["phase"], view["write_quorum"]), (b"active", 2))
    check_equal(cluster.admin("NODE", "CAN-STOP", 11)["can_stop"], b"yes")
    check_equal(len(cluster.admin("NODE", "LIST")), 3)


def test_client_libraries_that_know_redis_cluster():
    from redis.cluster import RedisCluster
    with Cluster(shards=2) as cluster:
        cluster.whole()
        wait_for("primaries on two nodes", lambda: cluster.primary(1) != cluster.primary(2))

        def use_them():
            client = RedisCluster(host="127.0.0.1", port=cluster.ports["s1"])
            for i in range(100):
                client.set(f"key{i}", i)
            check_equal([int(client.get(f"key{i}")) for i in range(100)], list(range(100)))
            client.close()
            shown = harness.run("redis-cli", "-c", "-p", str(cluster.ports["s2"]), "get", "key7")
            check_equal(shown.strip(), "7")
            bench = harness.run("redis-benchmark", "--cluster", "-p", str(cluster.ports["s1"]),
                                "-q", "-n", "2000", "-c", "8", "-t", "set,get")
            check("requests per second" in bench, bench)

        cluster.undisturbed(use_them)


def test_ioredis_cluster():
    with Cluster(shards=2) as cluster:
        cluster.whole()
        wait_for("primaries on two nodes", lambda: cluster.primary(1) != cluster.primary(2))
        cluster.undisturbed(lambda: node_at(cluster.ports["s3"], "ioredis_cluster.mjs"))


def test_what_is_published_reaches_the_clients_of_all_nodes():
    with Cluster(gateways=1, shards=2) as cluster:
        cluster.whole()
        cluster.undisturbed(lambda: publish_everywhere(cluster))


def publish_everywhere(cluster):
    at = cluster.storage() + cluster.alive("g")
    wait_for("links between all nodes", lambda: all(
        len(cluster.ask(n, "CLUSTER", "LINKS")) >= 2 for n in cluster.storage()))
    with contextlib.ExitStack() as stack:
        def everyone(*subscription):
            listeners = [stack.enter_context(cluster.client(n, timeout=10)) for n in at]
            for listener in listeners:
                listener(*subscription)
            return listeners
        by_name, by_pattern = everyone("SUBSCRIBE", "news"), everyone("PSUBSCRIBE", "n*")
        publishers = [stack.enter_context(cluster.client(n)) for n in at]
        for name, publisher in zip(at, publishers):
            publisher("PUBLISH", "news", name)
        expected = sorted(n.encode() for n in at)
        for listener in by_name:
            check_equal(sorted(listener.read()[2] for _ in at), expected, "each message once")
        for listener in by_pattern:
            check_equal(sorted(listener.read()[3] for _ in at), expected, "each message once")
        for i in range(100):
            publishers[0]("PUBLISH", "news", i)
        for listener in by_name:
            check_equal([int(listener.read()[2]) for _ in range(100)], list(range(100)), "in order")
        for listener in by_name:
            listener.send("PING")
            check_equal(listener.read(), [b"pong", b""], "nothing twice")
    told = cluster.ask(at[0], "CLUSTER", "INFO").decode()
    check("cluster_stats_messages_publish_sent:" in told, told)


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
            pause = max(thread.longest_pause(asked) for thread in threads)
            check_equal(cluster.admin("NODE", "DRAIN", cluster.id(other)), "OK")
            wait_for("the drain", lambda: cluster.primary() != other)
            check_equal(cluster.admin("NODE", "DRAIN", cluster.id(other), "OFF"), "OK")
        print(f"        handed over: nobody answered for {pause * 1000:.0f} ms")
        history = [line["change"] for line in cluster.admin("VIEW", "HISTORY", 50)]
        check(any(b"handed over" in line for line in history), history)


def test_a_primary_that_computes_is_waited_for():
    """Longer than cluster.failure_timeout_ms, as it says that it computes, and longer than gateways
    wait before they suspect a node. That it stands still, or that its process ended, is noticed all
    the same."""
    compute = ("local function now() local t = redis.call('TIME') return t[1] + t[2] / 1000000 end "
               "local till = now() + 2 while now() < till do end "
               "return redis.call('INCR', KEYS[1])")
    with Cluster(gateways=1) as cluster:
        cluster.whole()

        def run():
            with cluster.client("g1", timeout=30) as c:
                return c("EVAL", compute, 1, "counter")

        check_equal(run(), 1)
        # A device that stalls is no business of this test.
        changes = [line["change"] for line in cluster.admin("VIEW", "HISTORY", 50)]
        check(not any(b"not report" in change for change in changes), changes)
        epoch = cluster.epoch()
        cluster.servers[cluster.primary()].kill()
        began = time.monotonic()
        wait_for("another view", lambda: cluster.epoch() > epoch)
        check(time.monotonic() - began < 15, "its silence was waited for")
        check_equal(run(), 2)


def test_a_node_that_is_gone_for_good_is_forgotten():
    with Cluster(storage=4) as cluster:
        cluster.whole()

        def nodes(name):
            return [n["node"] for n in cluster.ask(name, "NODE", "LIST")]

        def forget(name):
            """The leader's answer."""
            for coordinator in cluster.coordinators():
                with cluster.client(coordinator) as c:
                    try:
                        return c("NODE", "FORGET", cluster.id(name))
                    except ReplyError as e:
                        if not str(e).startswith(("MOVED", "CLUSTERDOWN")):
                            return str(e)
            return "no leader"

        members = [n["node"] for n in cluster.view()["members"]]
        spare = next(n for n in cluster.storage() if cluster.id(n) not in members)
        check("it reports" in forget(spare), "a node that lives")
        cluster.servers[spare].kill()
        wait_for("OK", lambda: forget(spare) == "OK")
        for name in cluster.storage():
            wait_for(f"the map at {name}", lambda n=name: nodes(n) == sorted(members))
        check("no such node" in forget(spare), "twice")
        cluster.servers[spare].start()
        wait_for("it is a node again", lambda: len(nodes(cluster.storage()[0])) == 4)


def test_a_node_that_lost_its_disk_gets_everything_again():
    with Cluster() as cluster:
        def fill():
            with cluster.client(cluster.primary()) as c:
                for i in range(200):
                    c("SET", f"k{i}", i)

        cluster.undisturbed(fill)
        primary = cluster.primary()
        name = next(n for n in cluster.storage() if n != primary)
        cluster.servers[name].kill()
        shutil.rmtree(cluster.directory / name / "data")
        cluster.servers[name].start()
        epoch = cluster.epoch()
        wait_for("another view", lambda: cluster.epoch() > epoch)
        wait_for("the log", lambda: cluster.replica(name)["commit"] >= 200)

        def read():
            cluster.hand_over(name)
            with cluster.client(name) as c:
                check_equal([int(c("GET", f"k{i}")) for i in range(200)], list(range(200)))

        cluster.undisturbed(read)


if __name__ == "__main__":
    harness.main(globals())
