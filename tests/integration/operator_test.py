"""What an operator can ask of a cluster of real processes, and what the answers promise."""
import json
import re
import shutil
import subprocess
import threading
import time

import harness
from cluster_test import Cluster, writers
from harness import check, check_equal, wait_for
from stalled_threads import StalledThreads


def refused(cluster, *command):
    """The error that the leading coordinator gives."""
    def attempt():
        for name in cluster.coordinators():
            with cluster.client(name) as c:
                error = c.error(*command)
            if not error.startswith(("MOVED", "CLUSTERDOWN")):
                return error
        return None
    return wait_for(f"a coordinator that refuses {command}", attempt)


def test_views_are_set_by_who_knows_the_epoch():
    with Cluster() as cluster:
        primary = cluster.whole()
        others = [n for n in cluster.storage() if n != primary]
        with writers(cluster):
            epoch = cluster.epoch()
            stale = refused(cluster, "VIEW", "CAS", 1, epoch + 1, cluster.id(others[0]))
            check_equal(stale, f"STALE shard 1 is at epoch {epoch}, not {epoch + 1}")
            check_equal(refused(cluster, "VIEW", "CAS", 1, epoch, cluster.id(primary)),
                        "ERR it is the primary already")
            check_equal(refused(cluster, "VIEW", "CAS", 9, epoch, 11), "ERR no such shard")
            check_equal(cluster.epoch(), epoch)
            check_equal(cluster.admin("VIEW", "CAS", 1, epoch, cluster.id(others[0])), "OK")
            wait_for("the change", lambda: cluster.primary() == others[0])
            check(cluster.epoch() > epoch, "the epoch did not grow")
            stale = refused(cluster, "VIEW", "CAS", 1, epoch, cluster.id(others[1]))
            check(stale.startswith("STALE "), stale)
            cluster.servers[others[0]].kill()
            wait_for("a failover", lambda: cluster.primary() != others[0])
            cluster.servers[others[0]].start()
        history = cluster.admin("VIEW", "HISTORY", 1000)
        revisions = [line["revision"] for line in history]
        check_equal(revisions, list(range(revisions[0], 0, -1)), "revisions")
        check(all(line["change"] for line in history), "a change without a cause")
        told = " / ".join(line["change"].decode() for line in reversed(history))
        active = [int(e) for e in re.findall(r"epoch (\d+) active", told)]
        check(active == sorted(set(active)) and len(active) >= 3, f"epochs {active}")
        check(f"an operator set node {cluster.id(others[0])}, expecting epoch {epoch}" in told, told)
        check(f"node {cluster.id(others[0])} does not report" in told, told)


def test_a_view_is_watched():
    with Cluster() as cluster:
        primary = cluster.whole()
        listed = cluster.admin("VIEW", "LIST")
        check_equal(listed["waits_for"], b"")
        seen = {}

        def watch(name):
            revision = 0
            with cluster.client(name, timeout=20) as c:
                c("HELLO", "3")
                revision = c("VIEW", "LIST")["revision"]
                seen.setdefault(name, []).append(revision)
                while True:
                    news = c("VIEW", "WATCH", revision, 10000)
                    check(news["revision"] > revision, news)
                    revision = news["revision"]
                    seen[name].append(revision)
                    view = news["views"][0]
                    if view["phase"] == b"active" and view["primary"] != cluster.id(primary):
                        return

        watchers = [threading.Thread(target=watch, args=(n,)) for n in cluster.storage()]
        for thread in watchers:
            thread.start()
        wait_for("the watchers", lambda: len(seen) == 3)
        other = next(n for n in cluster.storage() if n != primary)
        check_equal(cluster.admin("VIEW", "CAS", 1, cluster.epoch(), cluster.id(other)), "OK")
        for thread in watchers:
            thread.join(timeout=10)
            check(not thread.is_alive(), f"still watching: {seen}")
        check_equal(cluster.admin("VIEW", "WATCH", 1 << 40, 20), None)
        newest = cluster.admin("VIEW", "WATCH", 0, 5000)  # null, if it waited for a change
        check(newest["revision"] >= max(max(r) for r in seen.values()), newest)


def node_id(cluster, name):
    return cluster.ask(name, "CLUSTER", "MYID").decode()


def read_from_backups(cluster):
    primary = cluster.whole()
    moved = f"MOVED 7629 127.0.0.1:{cluster.ports[primary]}"
    members = [cluster.name_of(m["node"]) for m in cluster.view()["members"]]
    with cluster.client(primary) as c:
        c("FLUSHALL")
        c("SET", "k", "v1")
        c("SET", "gone{k}", "x", "PX", 300)
        c("HSET", "h{k}", "f", 1, "g", 2)
        c("HPEXPIRE", "h{k}", 100000, "FIELDS", 1, "f")
        c("PFADD", "p{k}", "a", "b")
        c("XADD", "s{k}", "1-1", "f", "v")
        last = cluster.replica(primary)["commit"]
    for name in cluster.storage():
        with cluster.client(name) as c:
            if name == primary:
                check_equal(c("READONLY"), "OK")
                check_equal(c("GET", "k"), b"v1")
                continue
            check_equal(c.error("GET", "k"), moved)
            check_equal(c("READONLY"), "OK")
            if name not in members:
                check_equal(c.error("GET", "k"), moved, "a node without a copy")
                continue
            wait_for("the log", lambda: cluster.replica(name)["commit"] >= last)
            check_equal(c("GET", "k"), b"v1")
            check_equal(c("HGET", "h{k}", "g"), b"2")
            check_equal(c("PFCOUNT", "p{k}"), 2)
            check_equal(len(c("XREAD", "BLOCK", 5000, "STREAMS", "s{k}", "0")), 1)
            check_equal(c.error("XREAD", "BLOCK", 5000, "STREAMS", "s{k}", "9-9").split()[0],
                        "MOVED")
            time.sleep(0.35)
            check_equal(c("GET", "gone{k}"), None)
            check_equal(c("MULTI"), "OK")
            check_equal(c("GET", "k"), "QUEUED")
            check_equal(c("STRLEN", "k"), "QUEUED")
            check_equal(c("EXEC"), [b"v1", 2])
            for write in (("SET", "k", "no"), ("DEL", "k"), ("EVAL_RO", "return 1", 1, "k"),
                          ("WATCH", "k"), ("GETDEL", "k")):
                check_equal(c.error(*write), moved, write[0])
            check("flags=r" in c("CLIENT", "INFO").decode(), "no flag")
            check_equal(c("READWRITE"), "OK")
            check_equal(c.error("GET", "k"), moved)
            c("READONLY")
            c("RESET")
            check_equal(c.error("GET", "k"), moved)
    backup = next(n for n in members if n != primary)
    with cluster.client(backup) as c, cluster.client(primary) as p:
        c("READONLY")
        for number in range(300):  # never anything else than what was written, never backwards
            p("SET", "k", number)
            check(c("GET", "k") in (b"v1", *(str(n).encode() for n in range(number + 1))), "k")
        wait_for("the last write", lambda: c("GET", "k") == b"299")
    return primary, backup


def test_backups_answer_reads_after_readonly_and_nothing_else():
    with Cluster(storage=4) as cluster:  # one of which has no copy
        primary, backup = cluster.undisturbed(lambda: read_from_backups(cluster))
        # Whoever asks for failures: the coordinators count, the others know what was decided.
        victim = node_id(cluster, backup)
        check_equal(cluster.ask(primary, "CLUSTER", "COUNT-FAILURE-REPORTS", victim), 0)
        check_equal(cluster.admin("CLUSTER", "COUNT-FAILURE-REPORTS", victim), 0)
        with cluster.client(primary) as c:
            check_equal(c.error("CLUSTER", "COUNT-FAILURE-REPORTS", "x"), "ERR Unknown node x")
        cluster.servers[backup].kill()
        wait_for("the coordinator's count", lambda: cluster.admin(
            "CLUSTER", "COUNT-FAILURE-REPORTS", victim) == 1)
        wait_for("the verdict", lambda: cluster.ask(
            primary, "CLUSTER", "COUNT-FAILURE-REPORTS", victim) == 1)


def compare_logs(cluster):
    primary = cluster.whole()
    with cluster.client(primary) as c:
        for number in range(30):
            c("SET", "k", number)
        c("HSET", "h{k}", "f", "v")
    last = cluster.ask(primary, "EPOCH")[0]["commit"]
    wait_for("the log", lambda: all(cluster.replica(n)["commit"] >= last
                                    for n in cluster.storage()))
    logs = [cluster.ask(n, "OPLOG", "RANGE", 1, last) for n in cluster.storage()]
    check_equal(logs[0], logs[1])
    check_equal(logs[0], logs[2])
    check_equal([e["seq"] for e in logs[0]], list(range(1, last + 1)))
    check_equal(logs[0][0]["kind"], b"epoch-start")
    for before, entry in zip(logs[0], logs[0][1:]):
        check_equal(entry["previous_checksum"], before["checksum"])
    check_equal(cluster.ask(primary, "OPLOG", "TAIL", 1, "SHARD", 1), logs[0][-1:])
    check_equal(cluster.ask(primary, "OPLOG", "ENTRY", last), logs[0][-1])
    check(b'hash-set "h{k}" in database 0' in logs[0][-1]["effects"][0], logs[0][-1])
    with cluster.client(primary) as c:
        check_equal(c.error("OPLOG", "ENTRY", last + 1),
                    f"ERR the log does not hold these entries; it has 1 to {last}")


def test_the_members_of_a_shard_have_the_same_log():
    with Cluster() as cluster:
        cluster.undisturbed(lambda: compare_logs(cluster))


def trace_writes(cluster):
    primary = cluster.whole()
    others = [cluster.id(n) for n in cluster.storage() if n != primary]
    for name in (primary, "g1"):
        with cluster.client(name) as c:
            c("HELLO", "3")
            traced = c("TRACE", "SET", "traced", name)
            check_equal((traced["reply"], traced["node"], traced["shard"]),
                        ("OK", cluster.id(primary), 1))
            steps = list(traced["steps_usec"])
            expected = ["received", "started", "applied", "logged", "committed", "answered"]
            check_equal([s for s in steps if s in expected], expected)
            backups = [f"prepared_by_{n}" for n in others]
            check(any(s in backups for s in steps[:steps.index("committed")]), steps)
            check_equal(c("TRACE", "GET", "traced")["reply"], name.encode())
    with cluster.client("g1") as c:
        c("HELLO", "3")
        c("SET", "traced", "last")
        why = c("WHY", "traced")
        check_equal([w["command"] for w in why["writes"]], [b"set", b"set", b"set"])
        newest = why["writes"][0]
        check_equal(newest["effects"][0], b'put-string "traced" in database 0: "last"')
        gateway = re.search(r"run_id:(\w{16})", c("INFO", "server").decode()).group(1)
        told = newest["effects"][1].decode()
        check(told.endswith(f" of client {c('CLIENT', 'ID')} of gateway {gateway}"), told)
        check(newest["seq"] > why["writes"][1]["seq"], why)


def test_a_write_is_traced_and_explained():
    with Cluster(gateways=1) as cluster:
        cluster.undisturbed(lambda: trace_writes(cluster))


def status(cluster, name, *flags):
    """Exit code and output of `holdfast status`."""
    done = subprocess.run([harness.BINARY, "status", "--port", str(cluster.ports[name]), *flags],
                          capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_status_tells_of_a_whole_cluster():
    with Cluster() as cluster:
        primary = cluster.healthy()
        wait_for("all is well", lambda: status(cluster, "c1")[0] == 0)
        for name in ("c2", "s1"):  # one of those that do not lead goes to who does
            wait_for("all is well", lambda n=name: "all is well" in status(cluster, n)[1])
            check("0-16383" in status(cluster, name)[1], "no slots are shown")
        for name in ("c3", "s1"):
            told = json.loads(status(cluster, name, "--json")[1])
            shard = told["cluster"]["shards"][0]
            check_equal((shard["view"], len(shard["copies"])), ("active", 3))
            check(all(copy["behind"] is not None for copy in shard["copies"]), shard)
        check_equal(told["server"]["server_name"], "holdfast")
        victim = next(n for n in cluster.storage() if n != primary)
        cluster.servers[victim].kill()
        wait_for("a node is down", lambda: status(cluster, "c1")[0] == 1)
        code, text = status(cluster, primary)
        check(f"node {cluster.id(victim)} (127.0.0.1:{cluster.ports[victim]}) is down" in text, text)


def test_status_tells_of_copies_that_are_lost():
    with Cluster() as cluster:
        cluster.healthy()
        wait_for("all is well", lambda: status(cluster, "s1")[0] == 0)
        for name in ("s2", "s3"):
            cluster.servers[name].kill()
            shutil.rmtree(cluster.servers[name].directory / "data")
            cluster.servers[name].start()
        for name in ("c1", "s1"):
            for node in (12, 13):  # two of three: nobody may put others in their place
                what = f"shard 1: the copy on node {node} is lost: the node has another store now"
                wait_for("it is told", lambda n=name, w=what: w in status(cluster, n)[1])
        for name in cluster.coordinators():
            cluster.servers[name].kill()
        code, text = status(cluster, "s1")
        check(code == 1 and "no coordinator tells how the copies are" in text, text)


def test_status_tells_of_a_copy_that_cannot_be_written():
    with Cluster(env={"HOLDFAST_NO_URING": "1"}) as cluster:
        primary = cluster.healthy()
        victim = next(n for n in cluster.storage() if n != primary)
        wait_for("all is well", lambda: status(cluster, "c1")[0] == 0)
        try:
            stalled = StalledThreads(cluster.servers[victim].process.pid)
        except OSError as error:
            raise harness.Skipped(f"no ptrace here: {error}") from error
        with cluster.client(primary) as c:
            check_equal(c("SET", "k", "v"), "OK")
        wait_for("it is told", lambda: f"copy on node {cluster.id(victim)} cannot be written"
                 in status(cluster, "c1")[1])
        with cluster.client(victim) as c:  # it answers what needs no log
            check_equal(c("PING"), "PONG")
        stalled.resume()
        wait_for("all is well again", lambda: status(cluster, "c1")[0] == 0)


def test_what_a_cluster_waits_for_is_told():
    with Cluster() as cluster:
        primary = cluster.whole()
        for name in cluster.storage():
            if name != primary:
                cluster.servers[name].kill()
        cluster.servers[primary].kill()
        wanted = re.compile(rb"shard 1: .* does not report, and 0 of its members do, of the 2")
        wait_for("what is missing",
                 lambda: wanted.search(cluster.admin("VIEW", "LIST")["waits_for"]))
        logs = "".join(cluster.servers[n].log() for n in cluster.coordinators())
        check("the cluster waits" in logs, logs[-2000:])


if __name__ == "__main__":
    harness.main(globals())
