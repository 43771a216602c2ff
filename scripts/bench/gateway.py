"""Section gateway: a store asked through a gateway, beside the same store asked directly; the same of
a cluster that keeps three durable copies."""
import subprocess

from bench.servers import ROOT, Rival, benchmark, fail, free_port, start_holdfast
from bench.speed import compare, table_head, wanted

CASES = [
    ("SET P=32", ["-t", "set", "-P", "32"], 0.5),
    ("GET P=32", ["-t", "get", "-P", "32"], 0.5),
    ("SET P=16", ["-t", "set", "-P", "16"], 0.5),
    ("GET P=16", ["-t", "get", "-P", "16"], 0.5),
    ("MSET(10) P=16", ["-t", "mset", "-P", "16"], 0.1),
    ("SET P=1", ["-t", "set"], 0.1),
    ("GET P=1", ["-t", "get"], 0.1),
    ("SET P=1 c=1", ["-t", "set", "-c", "1"], 0.02),
    ("GET P=1 c=1", ["-t", "get", "-c", "1"], 0.02),
]
CLUSTER = [
    ("SET P=32", ["-t", "set", "-P", "32"], 0.3),
    ("SET P=16", ["-t", "set", "-P", "16"], 0.3),
    ("GET P=32", ["-t", "get", "-P", "32"], 0.5),
    ("SET P=1", ["-t", "set"], 0.05),
    ("SET P=1 c=1", ["-t", "set", "-c", "1"], 0.005),
    ("GET P=1 c=1", ["-t", "get", "-c", "1"], 0.02),
]
ALONE = [("SET P=16", ["-t", "set", "-P", "16"], 0.5), ("GET P=16", ["-t", "get", "-P", "16"], 0.5)]


def start_gateway(directory, store, sets=()):
    port = free_port()
    settings = [f"resp.port={port}", f"gateway.seeds=127.0.0.1:{store.port}", *sets]
    return Rival("gateway", [str(ROOT / "build/holdfast"), str(ROOT / "conf/cluster/gateway.yaml"),
                             *[x for s in settings for x in ("--set", s)]], port, directory)


def processor(store, gateway, options):
    """Microseconds of processor time a command, which other work on the machine hardly changes."""
    print(f"\n{'us a command':<16}{'store alone':>14}{'store behind':>14}{'gateway':>10}")
    for name, args, share in wanted(ALONE, options.only):
        requests = int(options.requests * share)
        used = []
        for asked in (store, gateway):
            before = store.processor_s(), gateway.processor_s()
            benchmark(asked, args, requests, options.keys)
            used.append([(now - was) / requests * 1e6 for now, was in
                         zip((store.processor_s(), gateway.processor_s()), before)])
        print(f"{name:<16}{used[0][0]:>14.2f}{used[1][0]:>14.2f}{used[1][1]:>10.2f}", flush=True)


class Node:
    """One of a cluster's processes, which scripts/cluster.sh starts and stops."""

    def __init__(self, name, port):
        self.name, self.port = name, port

    def check_alive(self):
        if self.cli("PING").strip() != "PONG":
            fail(f"{self.name} does not answer")

    def processor_s(self):
        return 0.0  # its heartbeats never rest: there is nothing to wait for

    cli = Rival.cli


def cluster(options, directory):
    """Writes through a gateway that has coordinators are numbered, through one with seeds not."""
    base = 20000 + free_port() % 20000
    script = [str(ROOT / "scripts/cluster.sh")]
    where = ["--dir", str(directory / "cluster")]
    size = ["--coordinators", "1", "--storage", "3", "--gateways", "1", "--shards", "1",
            "--replicas", "3", "--base-port", str(base)]
    sets = [x for s in options.holdfast_set for x in ("--set", s)]
    done = subprocess.run([*script, "start", *where, *size, *sets], capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"the cluster did not start: {done.stderr}")
    try:
        nodes = [Node(f"s{n}", base + 10 + n) for n in (1, 2, 3)]
        direct = next(n for n in nodes if n.cli("SET", "ready", "yes").strip() == "OK")
        plain = start_gateway(directory, direct)
        table_head(["through", "direct", "unnumbered"])
        compare([Node("g1", base), direct, plain], wanted(CLUSTER, options.only), options)
    finally:
        subprocess.run([*script, "stop", *where], capture_output=True)


def gateway(options, directory):
    print("\n-- gateway: engine mem through a gateway beside the same server asked directly; all "
          "processes and the load share this machine's cores")
    store = start_holdfast(directory, False, options.holdfast_set, "direct")
    through = start_gateway(directory, store)
    table_head(["through", "direct"])
    compare([through, store], wanted(CASES, options.only), options)
    processor(store, through, options)
    for process in (through, store):
        process.stop()
    print("\n-- gateway: a cluster of three copies, durable; the primary asked directly, and a "
          "gateway that does not number writes\n")
    cluster(options, directory)
