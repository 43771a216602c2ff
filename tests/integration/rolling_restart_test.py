"""Every process of a cluster restarts, one after the other, while clients work: nothing acknowledged
is lost, and no client of a gateway sees a command fail. How long they had to wait is printed.

What a client sees of its own gateway's restart is the end of its connection, at a moment when
everything it sent has been answered or was never read; it goes to the other gateway.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import harness
import load
from harness import BINARY, ROOT, Client, check, check_equal, free_ports, run, wait_for

CLIENTS = 4


class LocalCluster:
    """What scripts/cluster.sh starts: three coordinators, three storage nodes, two gateways."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-rolling-"))
        for _ in range(20):
            self.base = 1000 * (free_ports(1)[0] // 1000)
            try:
                self.script("start", "--base-port", self.base, "--gateways", 2, "--shards", 2,
                            "--set", "engine.wal_bytes=64mb", "--set", "memory.limit=1gb")
                return
            except harness.Failed as error:  # some of its ports are taken
                self.close()
                last = error
        raise last

    def script(self, *words):
        return run(ROOT / "scripts/cluster.sh", *words, "--dir", self.directory,
                   env=os.environ | {"HOLDFAST": BINARY})

    def port(self, name):
        return self.base + {"g": -1, "s": 10, "c": 20}[name[0]] + int(name[1:])

    def names(self, kind):
        return sorted(p.name for p in self.directory.iterdir() if p.name[0] == kind and p.is_dir())

    def close(self):
        with contextlib.suppress(harness.Failed, subprocess.TimeoutExpired):
            self.script("stop")
        for pid in self.directory.glob("*/pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(pid.read_text()), 9)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RestartedWriter(load.GatewayWriter):
    """One whose gateway may go: it takes the next one, and counts that."""
    changes = 0
    gateways_restart = False

    def failed(self, error):
        if isinstance(error, harness.ReplyError) or not self.gateways_restart:
            super().failed(error)
            return
        self.changes += 1
        names = list(self.ports)
        self.node = names[(names.index(self.node) + 1) % len(names)]


def test_every_process_restarts_under_load():
    with LocalCluster() as cluster:
        ports = {name: cluster.port(name) for name in cluster.names("g")}
        told = load.Told()
        threads = [RestartedWriter(ports, f"w{i}", told=told) for i in range(CLIENTS)]
        pauses = {}
        with load.running(threads):
            for name in cluster.names("c") + cluster.names("s") + cluster.names("g"):
                wait_for("all clients write", lambda: all(t.answered for t in threads))
                for thread in threads:
                    thread.gateways_restart = name[0] == "g"
                began = time.monotonic()
                cluster.script("restart", name)
                wait_for("all clients go on",
                         lambda at=time.monotonic(): all(t.last_sent > at for t in threads))
                pauses[name] = max(t.longest_pause(began) for t in threads)
        with Client(ports["g1"]) as c:
            for thread in threads:
                check(thread.acknowledged, "nothing was written")
                thread.check(c)
        with Client(cluster.port("s1")) as c:
            check_equal(c("CONFIG", "GET", "maxmemory"), [b"maxmemory", b"1073741824"])
        check(sum(t.changes for t in threads) >= CLIENTS, "no client had to change its gateway")
        print(f"        {sum(len(t.answered) for t in threads)} writes; longest pause in ms: " +
              ", ".join(f"{name} {pause * 1000:.0f}" for name, pause in pauses.items()))


def test_nodes_that_are_down_start_without_waiting_for_the_others():
    with LocalCluster() as cluster:
        with Client(cluster.port("g1")) as c:
            check_equal(c("SET", "k", "v"), "OK")
            down = ["c1", "c2", "s1", "s2"]
            for name in down:
                cluster.script("kill", name)
            # One that led goes on to until it has not heard of the others for a while.
            wait_for("the coordinators have no leader",
                     lambda: "the coordinators have no leader" in cluster.script("status"))
            check_equal(cluster.script("status").count("down"), 4)
            for name in down:
                cluster.script("restart", name)
            check_equal(c("GET", "k"), b"v")
        cluster.script("kill", "c1")
        status = cluster.script("status")
        check("shard 1 " in status and "shard 2 " in status, status)


if __name__ == "__main__":
    harness.main(globals())
