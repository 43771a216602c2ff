"""Section replicated: three copies on this machine. Holdfast answers when two of three have the
write on stable media; beside it etcd with three members, which does the same, and Redis with one
replica and WAIT 1, which waits for the replica's memory only."""
import base64
import json
import re
import shutil
import statistics
import struct
import subprocess
import time
import urllib.request

from bench.servers import ROOT, Rival, fail, free_port, start_redis
from bench.speed import table_head, table_row

# name, clients, pipeline, share of --requests
CASES = [("SET P=1 c=50", 50, 1, 0.05), ("SET P=1 c=500", 500, 1, 0.05),
         ("SET P=32 c=50", 50, 32, 0.5)]


class Group:
    """Three holdfast processes."""

    def __init__(self, directory, sets):
        self.name = "holdfast x3"
        ports = [(free_port(), free_port()) for _ in range(3)]
        members = " ".join(f"{i + 1}=127.0.0.1:{peer}/{resp}"
                           for i, (peer, resp) in enumerate(ports))
        self.nodes = []
        for i, (_, resp) in enumerate(ports):
            options = [f"resp.port={resp}", f"data.dir={directory}/node{i + 1}-data",
                       "cluster.replication=raft", f"cluster.node={i + 1}",
                       f"cluster.members={members}", *sets]
            args = [x for s in options for x in ("--set", s)]
            self.nodes.append(Rival(f"node{i + 1}", [str(ROOT / "build/holdfast"),
                                                     str(ROOT / "conf/standalone.yaml"), *args],
                                    resp, directory))
        deadline = time.monotonic() + 30
        while True:
            for node in self.nodes:
                if node.cli("SET", "ready", "yes").strip() == "OK":
                    self.port = node.port
                    return
            if time.monotonic() > deadline:
                fail("the group has no primary")
            time.sleep(0.1)

    def stop(self):
        for node in self.nodes:
            node.stop()


class Etcd:
    """Three etcd processes."""

    def __init__(self, directory):
        self.name = "etcd x3"
        ports = [(free_port(), free_port()) for _ in range(3)]
        cluster = ",".join(f"n{i}=http://127.0.0.1:{peer}" for i, (peer, _) in enumerate(ports))
        self.processes = []
        for i, (peer, client) in enumerate(ports):
            self.processes.append(subprocess.Popen(
                ["etcd", "--name", f"n{i}", "--data-dir", f"{directory}/etcd{i}",
                 "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                 "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                 "--listen-client-urls", f"http://127.0.0.1:{client}",
                 "--advertise-client-urls", f"http://127.0.0.1:{client}",
                 "--initial-cluster", cluster, "--log-level", "error"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.port = self.leader([client for _, client in ports])
        self.request = directory / "etcd-put"
        self.request.write_bytes(self.put_request(b"key", b"x" * 64))
        self.log = directory / "etcd-times"

    @staticmethod
    def ask(port, path, question):
        """The same calls as JSON."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v3/{path}",
                                    json.dumps(question).encode()) as answer:
            return json.load(answer)

    @staticmethod
    def leader(ports):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for port in ports:
                try:
                    status = Etcd.ask(port, "maintenance/status", {})
                    if status.get("leader") == status["header"]["member_id"]:
                        return port
                except OSError:
                    pass
            time.sleep(0.2)
        fail("etcd has no leader")

    @staticmethod
    def put_request(key, value):
        """etcdserverpb.PutRequest (fields 1 and 2) as one message of gRPC."""
        message = b"".join(bytes([tag, len(field)]) + field
                           for tag, field in ((0x0A, key), (0x12, value)))
        return struct.pack(">BI", 0, len(message)) + message

    def version(self):
        found = self.ask(self.port, "kv/range", {"key": base64.b64encode(b"key").decode()})
        return int(found["kvs"][0]["version"]) if "kvs" in found else 0

    def put(self, clients, requests):
        """KV.Put over gRPC, what etcd's clients use."""
        before = self.version()
        out = subprocess.run(["h2load", "-c", str(clients), "-m", "1", "-n", str(requests),
                              "-d", str(self.request), "-H", "content-type: application/grpc",
                              "-H", "te: trailers", "--log-file", str(self.log),
                              f"http://127.0.0.1:{self.port}/etcdserverpb.KV/Put"],
                             capture_output=True, text=True).stdout
        rate = re.search(r"finished in .*, ([\d.]+) req/s", out)
        times = sorted(int(line.split()[2]) for line in self.log.read_text().splitlines())
        self.log.unlink()
        if rate is None or self.version() != before + requests or len(times) != requests:
            fail(f"h2load against etcd: {out[-500:]}")
        return float(rate.group(1)), times[len(times) * 99 // 100] / 1000

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def load(port, clients, pipeline, requests, keys, wait=0):
    out = subprocess.run([str(ROOT / "build/tests/replicated_load"), str(port), "--clients",
                          str(clients), "--pipeline", str(pipeline), "--requests", str(requests),
                          "--keys", str(keys), "--wait", str(wait)], capture_output=True, text=True)
    if out.returncode != 0:
        fail(out.stderr)
    return tuple(map(float, out.stdout.split()))


def replicated(options, directory):
    subprocess.run(["make", "-s", "build/tests/replicated_load"], cwd=ROOT, check=True)
    etcd_there = shutil.which("etcd") and shutil.which("h2load")
    print("\nreplicated: three copies on this machine, two of them durable before an answer, "
          "64-byte values; etcd" + ("" if etcd_there else " (not installed: scripts/deps.sh "
                                    "etcd-server nghttp2-client)")
          + " with three members, Redis with one replica and WAIT 1 (memory only); medians of "
          + f"{options.runs} alternating runs\n")
    table_head(["Holdfast", "etcd", "Redis WAIT"])
    for name, clients, pipeline, share in CASES:
        requests = int(options.requests * share)
        results = {"holdfast": [], "etcd": [], "redis": []}
        for _ in range(options.runs):
            group = Group(directory, options.holdfast_set)
            results["holdfast"].append(load(group.port, clients, pipeline, requests, options.keys))
            group.stop()
            clean(directory, "node*-data")
            if etcd_there and pipeline == 1:
                etcd = Etcd(directory)
                results["etcd"].append(etcd.put(clients, min(requests, 20000)))
                etcd.stop()
                clean(directory, "etcd[0-9]")
            master = start_redis(directory, name="master")
            replica = start_redis(directory, name="replica",
                                  more=["--replicaof", "127.0.0.1", str(master.port)])
            while "state=online" not in master.cli("INFO", "replication"):
                time.sleep(0.1)
            results["redis"].append(load(master.port, clients, pipeline, requests, options.keys, 1))
            replica.stop()
            master.stop()
        rows = [list(map(statistics.median, zip(*rows))) if rows else [0, 0]
                for rows in results.values()]
        table_row(name, [row[0] for row in rows], [row[1] for row in rows])


def clean(directory, pattern):
    for path in directory.glob(pattern):
        shutil.rmtree(path)
