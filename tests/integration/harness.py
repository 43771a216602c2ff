"""Starts real holdfast processes on free ports for the integration tests, and talks RESP to them.

A test file defines functions test_*; run.sh calls main(globals()), which runs each, prints one line
a test and the closing "N passed, N failed".
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = str(pathlib.Path(os.environ.get("HOLDFAST", ROOT / "build/holdfast")).resolve())
START_SECONDS = 30


class Failed(Exception):
    pass


class Skipped(Exception):
    """What a test needs is not there; the text says what."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def check_equal(got, wanted, what=""):
    if got != wanted:
        raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")


class Server:
    """One holdfast process with a data directory of its own."""

    def __init__(self, *sets, config="conf/standalone.yaml", directory=None, wait=True,
                 env=None):
        self.own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="holdfast-test-"))
        self.sets = list(sets)
        self.config = config
        self.env = env or {}  # over this process's own
        self.port = None
        self.process = None
        self.start(wait)

    def command(self):
        sets = ["resp.port=0", f"data.dir={self.directory / 'data'}",
                f"log.file={self.directory / 'log'}", "engine.wal_bytes=64mb"] + self.sets
        return [BINARY, str(ROOT / self.config)] + [x for s in sets for x in ("--set", s)]

    def start(self, wait=True):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=ROOT,
                                        env=os.environ | self.env)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        line = self.process.stdout.readline()
        if not line.startswith("ready: resp="):
            self.process.kill()
            _, error = self.process.communicate()
            raise Failed(f"not ready: {line!r} {error} {self.log()[-2000:]}")
        self.port = int(line.strip().rsplit(":", 1)[1])

    def log(self):
        path = self.directory / "log"
        return path.read_text() if path.exists() else ""

    def client(self, **options):
        return Client(self.port, **options)

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def stop(self, expect=0):
        self.process.send_signal(signal.SIGTERM)
        _, error = self.process.communicate(timeout=30)
        check_equal(self.process.returncode, expect, f"exit code after SIGTERM ({error})")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ReplyError(Exception):
    pass


class Client:
    """A plain RESP2/RESP3 client: what goes over the wire is what the test says."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")

    @staticmethod
    def encode(*args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            if isinstance(arg, (int, float)):
                arg = str(arg)
            if isinstance(arg, str):
                arg = arg.encode()
            out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
        return b"".join(out)

    def send(self, *args):
        self.socket.sendall(self.encode(*args))

    def send_raw(self, data):
        self.socket.sendall(data)

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind in b":(":
            return int(rest)
        if kind == b",":
            return float(rest)
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        count = int(rest)
        if kind in b"$=":
            if count < 0:
                return None
            data = self.file.read(count + 2)
            if len(data) != count + 2:
                raise ConnectionError("closed")
            return data[:-2] if kind == b"$" else data[4:-2]
        if kind == b"%":
            return {self.key(self.read()): self.read() for _ in range(count)}
        if kind in b"*~>":
            return None if count < 0 else [self.read() for _ in range(count)]
        raise Failed(f"unknown reply type {line!r}")

    @staticmethod
    def key(value):
        return value.decode() if isinstance(value, bytes) else value

    def __call__(self, *args):
        self.send(*args)
        reply = self.read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def error(self, *args):
        """The error text that the call must give."""
        self.send(*args)
        reply = self.read()
        check(isinstance(reply, ReplyError), f"{args}: no error but {reply!r}")
        return str(reply)

    def pipeline(self, commands):
        self.send_raw(b"".join(self.encode(*c) for c in commands))
        return [self.read() for _ in commands]

    def at_end(self):
        """True when the server has closed the connection."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(what, condition, seconds=30):
    """What the condition gives once it is true; errors count as false."""
    deadline = time.monotonic() + seconds
    error = None
    while time.monotonic() < deadline:
        try:
            result = condition()
            if result:
                return result
        except (OSError, ConnectionError, ReplyError, Failed) as e:
            error = e
        time.sleep(0.02)
    raise Failed(f"{what}: not within {seconds} s ({error})")


def run(*command, timeout=120, expect=0, **options):
    """Runs a program; returns its standard output."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          timeout=timeout, **options)
    check(expect is None or done.returncode == expect,
          f"{command}: exit {done.returncode}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    return done.stdout


def info(client):
    fields = {}
    for line in client("INFO", "everything").decode().splitlines():
        if ":" in line:
            name, value = line.split(":", 1)
            fields[name] = value
    return fields


def main(names):
    passed = failed = 0
    for name, test in list(names.items()):
        if not name.startswith("test_") or (len(sys.argv) > 1 and sys.argv[1] not in name):
            continue
        start = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok      {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Skipped as reason:
            print(f"skipped {name}: {reason}", flush=True)
        except Exception:  # a test may fail in any way
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
