#!/usr/bin/env python3
"""Side-by-side benchmark: Holdfast and Debian's redis-server in one run, alternating, as ratios.

All run on loopback. Sections, all of them by default, in this order:

volatile  engine mem beside Redis without persistence
durable   engine disk beside Redis with appendfsync always, Redis without persistence, engine rocks
suite     all tests of redis-benchmark: engine disk beside Redis without persistence
gateway   a server asked through a gateway beside the same server asked directly
replicated  three copies beside etcd with three members and Redis with WAIT
restart   from the start of the process to the first correct answer
latency   what one client sees while others write; plot: build/latency.svg
memory    resident bytes of many small keys

In volatile, durable and suite redis-benchmark (one client thread) runs each case --runs times against each
server in turn; the tables show the medians and the ratios of the medians. A ratio above 1 is
Holdfast's win, except in memory, where it is the share of Redis's memory.

Usage: scripts/bench.py [--section NAME]... [--runs N] [--requests N] [--keys N] [--only CASE]
       [--restart-keys N] [--restart-tail-mb N] [--restart-runs N] [--restart-cached]
       [--latency-seconds N] [--memory-keys N] [--skip-memory] [--holdfast-set key=value]...
       [--dir DIR]
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from bench.gateway import gateway
from bench.latency import latency
from bench.memory import memory
from bench.replicated import replicated
from bench.restart import restart
from bench.servers import fail, stop_all
from bench.speed import durable, volatile
from bench.suite import suite

SECTIONS = {s.__name__: s for s in (volatile, durable, suite, gateway, replicated, restart, latency,
                                     memory)}


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", action="append", choices=SECTIONS, default=[])
    parser.add_argument("--durable", dest="section", action="append_const", const="durable",
                        help="the same as --section durable")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2_000_000,
                        help="of a pipelined case; the others do a share of it")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--only", help="cases of volatile and durable whose name contains this; "
                        "no other section unless --section names it")
    parser.add_argument("--restart-keys", type=int, default=10_000_000)
    parser.add_argument("--restart-tail-mb", type=int, default=1000,
                        help="log to be recovered after kill -9")
    parser.add_argument("--restart-runs", type=int, default=3)
    parser.add_argument("--restart-cached", action="store_true",
                        help="leave the files in the page cache before a start")
    parser.add_argument("--latency-seconds", type=int, default=20)
    parser.add_argument("--memory-keys", type=int, default=10_000_000)
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--holdfast-set", action="append", default=[])
    parser.add_argument("--dir", help="where the servers keep their data while this runs: on the "
                        "device to be measured (default: the directory of temporary files)")
    options = parser.parse_args()
    if not options.section:
        options.section = ["volatile", "durable", "suite"] if options.only else list(SECTIONS)
        if options.skip_memory and not options.only:
            options.section.remove("memory")
    return options


def filesystem(directory):
    return subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True,
                          text=True).stdout.strip()


def main():
    options = parse()
    for tool in ("redis-server", "redis-benchmark", "redis-cli"):
        if not shutil.which(tool):
            fail(f"{tool} is missing: run make deps")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    print(f"{os.cpu_count()} cores; " + subprocess.run(
        ["redis-server", "--version"], capture_output=True, text=True).stdout.strip())
    for name in SECTIONS:
        if name not in options.section:
            continue
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=options.dir) as directory:
            if filesystem(directory) in ("tmpfs", "ramfs"):
                print(f"bench: {directory} is in memory, where a flush costs nothing: use --dir")
            try:
                SECTIONS[name](options, pathlib.Path(directory))
            finally:
                stop_all()


if __name__ == "__main__":
    main()
