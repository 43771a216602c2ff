"""The servers that are compared, and what loads them."""
import csv
import io
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def fail(why):
    sys.exit(f"bench: {why}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Rival:
    """One server process, which can be stopped and started anew with what it has."""
    running = []

    def __init__(self, name, command, port, directory):
        self.name, self.command, self.port, self.directory = name, command, port, directory
        self.log_file = directory / f"{name}.log"
        self.start()
        deadline = time.monotonic() + 120  # a new store writes its whole log once
        while self.cli("PING").strip() != "PONG":
            self.check_alive()
            if time.monotonic() > deadline:
                fail(f"{name} did not start: {self.tail()}")
            time.sleep(0.05)

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log,
                                            cwd=self.directory)
        Rival.running.append(self)

    def tail(self):
        return self.log_file.read_text(errors="replace")[-2000:]

    def check_alive(self):
        if self.process.poll() is not None:
            fail(f"{self.name} ended with {self.process.returncode}: {self.tail()}")

    def cli(self, *args, timeout=600):
        return subprocess.run(["redis-cli", "-p", str(self.port), *args], capture_output=True,
                              text=True, timeout=timeout).stdout

    def info(self, field):
        """A number of INFO, 0 when it is absent."""
        found = re.search(rf"^{field}[:=](\d+)", self.cli("INFO", "all"), re.M)
        return int(found.group(1)) if found else 0

    def sets(self):
        """SETs served so far."""
        return self.info("cmdstat_set:calls")

    def resident_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024

    def processor_s(self):
        """Processor time of the process and its children, which is where Redis rewrites its AOF."""
        task = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        used = 0
        for pid in [str(self.process.pid), *task.read_text().split()]:
            try:
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            except FileNotFoundError:
                continue
            used += sum(map(int, stat.rpartition(")")[2].split()[11:13]))
        return used / TICKS

    def stop(self, kill=False):
        self.process.kill() if kill else self.process.terminate()
        self.process.wait()
        if self in Rival.running:
            Rival.running.remove(self)


def stop_all():
    for server in list(Rival.running):
        server.stop(kill=True)


def settle(servers, seconds=60):
    """Until none works in the background any more: checkpoints, AOF rewrites, compactions."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = [s.processor_s() for s in servers]
        time.sleep(0.4)
        if all(s.processor_s() - b < 0.03 for s, b in zip(servers, before)):
            return


def start_holdfast(directory, durable, sets, name="holdfast"):
    port = free_port()
    config = ROOT / ("conf/standalone.yaml" if durable else "conf/memory.yaml")
    args = [x for s in [f"resp.port={port}", f"data.dir={directory}/{name}-data", *sets]
            for x in ("--set", s)]
    return Rival(name, [str(ROOT / "build/holdfast"), str(config), *args], port, directory)


def start_redis(directory, fsync=None, name="redis", more=()):
    """`fsync`: the appendfsync of its AOF; None: without persistence."""
    port = free_port()
    data = directory / f"{name}-data"
    data.mkdir(exist_ok=True)
    persistence = ["--appendonly", "yes", "--appendfsync", fsync] if fsync else []
    return Rival(name, ["redis-server", "--port", str(port), "--save", "", *persistence, *more,
                        "--dir", str(data)], port, directory)


def benchmark_command(server, args, requests, keys):
    return ["redis-benchmark", "-p", str(server.port), "-c", "50", "-d", "64", "-r", str(keys),
            "-n", str(requests), "--csv", *args]


def benchmark(server, args, requests, keys):
    """Requests per second and p99 in milliseconds."""
    server.check_alive()
    try:
        out = subprocess.run(benchmark_command(server, args, requests, keys), capture_output=True,
                             text=True, timeout=60 + requests / 200)
    except subprocess.TimeoutExpired:
        server.check_alive()
        fail(f"redis-benchmark {args} against {server.name} does not end")
    rows = [row for row in csv.DictReader(io.StringIO(out.stdout)) if row.get("rps")]
    if out.returncode != 0 or not rows:
        fail(f"redis-benchmark {args} against {server.name}: {out.stdout} {out.stderr}")
    # The last: a test that needs a list makes it first, and tells of that too.
    return float(rows[-1]["rps"]), float(rows[-1]["p99_latency_ms"])


class Load:
    """A redis-benchmark that runs until the block ends; `rate` is then the SETs per second."""

    def __init__(self, server, args, keys):
        self.server = server
        self.command = benchmark_command(server, ["-t", "set", *args], 2_000_000_000, keys)

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        self.sets, self.since = self.server.sets(), time.monotonic()
        return self

    def __exit__(self, *failure):
        try:
            if failure[0] is None:
                self.server.check_alive()
                passed = time.monotonic() - self.since
                self.rate = (self.server.sets() - self.sets) / passed
        finally:
            self.process.kill()
            self.process.wait()


def fill(server, count):
    """16-byte keys with 32-byte values through redis-cli --pipe."""
    pipe = subprocess.Popen(["redis-cli", "-p", str(server.port), "--pipe"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    chunk = []
    for i in range(count):
        chunk.append(b"*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$32\r\n%s\r\n" % filled(i))
        if len(chunk) == 10000:
            pipe.stdin.write(b"".join(chunk))
            chunk = []
    pipe.stdin.write(b"".join(chunk))
    pipe.stdin.close()
    out = pipe.stdout.read().decode()
    if pipe.wait() != 0 or "errors: 0" not in out:
        fail(f"loading {server.name} failed: {out}")


def filled(i):
    """Key and value number i of fill()."""
    return b"key:%012d" % i, b"value:%026d" % i
