#!/usr/bin/env python3
"""Side-by-side benchmark: Holdfast and Debian's redis-server in one run, alternating, as ratios.

Both run on loopback, loaded by redis-benchmark (one client thread). Each case is run --runs times
for each server in turn; the table shows the medians and the ratio of the medians. A ratio above 1
is Holdfast's win (for p99: redis/holdfast, so above 1 is Holdfast's win as well).

Usage: scripts/bench.py [--runs N] [--requests N] [--only NAME] [--memory-keys N]
       [--holdfast-set key=value]... [--skip-memory] [--durable]
"""
import argparse
import csv
import io
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# name, arguments of redis-benchmark, share of --requests
CASES = [
    ("SET P=32", ["-t", "set", "-P", "32"], 1.0),
    ("GET P=32", ["-t", "get", "-P", "32"], 1.0),
    ("INCR P=32", ["-t", "incr", "-P", "32"], 1.0),
    ("MSET(10) P=32", ["-t", "mset", "-P", "32"], 0.2),
    ("PING P=32", ["-t", "ping_mbulk", "-P", "32"], 1.0),
    ("SET P=1", ["-t", "set"], 0.2),
    ("GET P=1", ["-t", "get"], 0.2),
    ("INCR P=1", ["-t", "incr"], 0.2),
    ("MSET(10) P=1", ["-t", "mset"], 0.1),
    ("PING P=1", ["-t", "ping_mbulk"], 0.2),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Rival:
    def __init__(self, name, command, port, directory):
        self.name, self.port, self.directory = name, port, directory
        self.log = open(directory / f"{name}.log", "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=directory)
        deadline = time.time() + 30
        while self.cli("PING").strip() != "PONG":
            if time.time() > deadline or self.process.poll() is not None:
                sys.exit(f"bench: {name} did not start: "
                         + (directory / f"{name}.log").read_text()[-2000:])
            time.sleep(0.05)

    def cli(self, *args):
        return subprocess.run(["redis-cli", "-p", str(self.port), *args], capture_output=True,
                              text=True).stdout

    def resident_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def start_holdfast(directory, durable, sets):
    port = free_port()
    config = ROOT / ("conf/standalone.yaml" if durable else "conf/memory.yaml")
    args = [x for s in [f"resp.port={port}", f"data.dir={directory}/holdfast-data", *sets]
            for x in ("--set", s)]
    return Rival("holdfast", [str(ROOT / "build/holdfast"), str(config), *args], port, directory)


def start_redis(directory, durable):
    port = free_port()
    persistence = ["--appendonly", "yes", "--appendfsync", "always"] if durable else []
    return Rival("redis", ["redis-server", "--port", str(port), "--save", "", *persistence,
                           "--dir", str(directory)], port, directory)


def benchmark(server, args, requests, keys):
    """Requests per second and p99 in milliseconds."""
    out = subprocess.run(
        ["redis-benchmark", "-p", str(server.port), "-c", "50", "-d", "64", "-r", str(keys), "-n",
         str(requests), "--csv", *args], capture_output=True, text=True)
    rows = [row for row in csv.DictReader(io.StringIO(out.stdout)) if row.get("rps")]
    if out.returncode != 0 or not rows:
        sys.exit(f"bench: redis-benchmark {args} against {server.name}: {out.stdout} {out.stderr}")
    return float(rows[0]["rps"]), float(rows[0]["p99_latency_ms"])


def speed(options, directory):
    holdfast = start_holdfast(directory, options.durable, options.holdfast_set)
    redis = start_redis(directory, options.durable)
    what = "durable (fsync before OK)" if options.durable else "without persistence"
    print(f"\n{what}, 50 clients, 64-byte values, {options.keys:,} keys; "
          f"medians of {options.runs} alternating runs\n")
    header = f"{'case':<16}{'Holdfast':>12}{'Redis':>12}{'ratio':>8}   {'p99 ms':>8}{'Redis':>8}{'ratio':>8}"
    print(header + "\n" + "-" * len(header), flush=True)
    # Every key exists before anything is measured.
    for server in (holdfast, redis):
        benchmark(server, ["-t", "set", "-P", "32"], options.keys * 3, options.keys)
    for name, args, share in CASES:
        if options.only and options.only.lower() not in name.lower():
            continue
        results = {"holdfast": [], "redis": []}
        for run in range(options.runs):
            order = (holdfast, redis) if run % 2 == 0 else (redis, holdfast)
            for server in order:
                results[server.name].append(
                    benchmark(server, args, int(options.requests * share), options.keys))
        rps = {s: statistics.median(r[0] for r in results[s]) for s in results}
        p99 = {s: statistics.median(r[1] for r in results[s]) for s in results}
        print(f"{name:<16}{rps['holdfast']:>12,.0f}{rps['redis']:>12,.0f}"
              f"{rps['holdfast'] / rps['redis']:>8.2f}   {p99['holdfast']:>8.3f}"
              f"{p99['redis']:>8.3f}{p99['redis'] / max(p99['holdfast'], 1e-3):>8.2f}", flush=True)
    holdfast.stop()
    redis.stop()


def load(server, count):
    """16-byte keys with 32-byte values through redis-cli --pipe."""
    pipe = subprocess.Popen(["redis-cli", "-p", str(server.port), "--pipe"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    chunk = []
    for i in range(count):
        chunk.append(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$32\r\nvalue:%026d\r\n" % (i, i))
        if len(chunk) == 10000:
            pipe.stdin.write(b"".join(chunk))
            chunk = []
    pipe.stdin.write(b"".join(chunk))
    pipe.stdin.close()
    out = pipe.stdout.read().decode()
    if pipe.wait() != 0 or "errors: 0" not in out:
        sys.exit(f"bench: loading {server.name} failed: {out}")


def memory(options, directory):
    print(f"\nmemory: {options.memory_keys:,} keys of 16 bytes with values of 32 bytes\n")
    resident = {}
    for start in (lambda: start_holdfast(directory, False, options.holdfast_set),
                  lambda: start_redis(directory, False)):
        server = start()
        before = server.resident_bytes()
        load(server, options.memory_keys)
        resident[server.name] = server.resident_bytes() - before
        server.stop()
    per_key = {name: used / options.memory_keys for name, used in resident.items()}
    print(f"{'case':<16}{'Holdfast':>12}{'Redis':>12}{'ratio':>8}")
    print(f"{'resident MB':<16}{resident['holdfast'] / 1e6:>12,.0f}{resident['redis'] / 1e6:>12,.0f}"
          f"{resident['holdfast'] / resident['redis']:>8.2f}")
    print(f"{'bytes a key':<16}{per_key['holdfast']:>12.1f}{per_key['redis']:>12.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2_000_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--memory-keys", type=int, default=10_000_000)
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--durable", action="store_true",
                        help="compare the durable settings of both instead")
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--holdfast-set", action="append", default=[])
    options = parser.parse_args()
    for tool in ("redis-server", "redis-benchmark"):
        if not shutil.which(tool):
            sys.exit(f"bench: {tool} is missing: run make deps")
    print(f"{os.cpu_count()} cores; " + subprocess.run(
        ["redis-server", "--version"], capture_output=True, text=True).stdout.strip())
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as directory:
        speed(options, pathlib.Path(directory))
        if not options.only and not options.skip_memory and not options.durable:
            memory(options, pathlib.Path(directory))


if __name__ == "__main__":
    main()
