"""A device that fails: one write of the real process ends with EIO (tests/programs/fail_writes.cc).

The server must stop by itself with exit code 74 and one line that names the cause, and the next
start must find every write that was acknowledged, and none that was never sent.
"""
import contextlib
import pathlib
import tempfile
import threading
import time

from harness import BINARY, ROOT, ReplyError, Server, check, check_equal, main, run

CLIENTS = 4
PIPELINE = 8
IO_ERROR = 74


class Writer(threading.Thread):
    """Writes keys of its own until the connection ends."""

    def __init__(self, server, number, known):
        super().__init__(daemon=True)
        self.server, self.number, self.known = server, number, known
        self.acked = set()
        self.wrong = None
        self.start()

    def run(self):
        with contextlib.suppress(OSError), self.server.client() as client:
            for at in range(0, 1_000_000, PIPELINE):
                names = [f"{self.number}:{self.known}:{at + i}" for i in range(PIPELINE)]
                client.send_raw(b"".join(client.encode("SET", name, value_of(name))
                                         for name in names))
                for name in names:
                    reply = client.read()
                    if reply == "OK":
                        self.acked.add(name)
                    elif not (isinstance(reply, ReplyError) and str(reply).startswith("MISCONF ")):
                        self.wrong = f"SET {name}: {reply!r}"
                        return


def value_of(name):
    return (name + "/").encode() * 60


@contextlib.contextmanager
def failing_server(file, nth):
    """A server with the library in it, and the path that makes it fail from then on."""
    with tempfile.TemporaryDirectory(prefix="holdfast-fail-") as directory:
        library, trigger = pathlib.Path(directory) / "fail.so", pathlib.Path(directory) / "trigger"
        run("g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-o", library,
            ROOT / "tests/programs/fail_writes.cc", "-ldl")
        env = {"LD_PRELOAD": str(library), "HOLDFAST_NO_URING": "1", "HOLDFAST_FAIL_FILE": file,
               "HOLDFAST_FAIL_TRIGGER": str(trigger), "HOLDFAST_FAIL_NTH": str(nth),
               "ASAN_OPTIONS": "verify_asan_link_order=0"}
        with Server("checkpoint.log_bytes=1mb", env=env) as server:
            yield server, trigger


def error_lines(server):
    return [line for line in server.log().splitlines() if " error " in line]


def check_stopped(server, file):
    _, error = server.process.communicate(timeout=30)
    check_equal(server.process.returncode, IO_ERROR, f"exit code ({error} {server.log()[-1000:]})")
    lines = error_lines(server)
    check_equal(len(lines), 1, f"lines of error: {lines}")
    check("Input/output error" in lines[0] and f"{server.directory}/data/{file} at" in lines[0],
          lines[0])
    check_equal(error, "", "nothing else")


def check_whole(server, acked, sent_prefix_count):
    """Without the library."""
    server.env = {}
    server.start()
    with server.client() as client:
        names = sorted(acked)
        for at in range(0, len(names), 1000):
            part = names[at:at + 1000]
            for name, value in zip(part, client("MGET", *part)):
                check(value == value_of(name), f"{name} was acknowledged, found {value!r}")
        # Of what was sent and not acknowledged each client may find its last pipeline.
        check(len(names) <= client("DBSIZE") <= len(names) + sent_prefix_count, "keys never sent")
        check_equal(client("SET", "after", "wards"), "OK")
    server.stop()
    check(" 0 problems" in run(BINARY, "verify", server.directory / "data"), "verify")


def fail_under_load(file, nth):
    with failing_server(file, nth) as (server, trigger):
        writers = [Writer(server, number, nth) for number in range(CLIENTS)]
        time.sleep(0.3)
        trigger.touch()
        check_stopped(server, file)
        for writer in writers:
            writer.join(timeout=10)
            check(not writer.is_alive() and writer.wrong is None, writer.wrong or "a client hangs")
        acked = set().union(*(w.acked for w in writers))
        check(len(acked) > 100, f"only {len(acked)} writes were acknowledged")
        check_whole(server, acked, CLIENTS * PIPELINE)


def test_failed_write_of_the_log():
    for nth in (1, 2, 7):
        fail_under_load("wal", nth)


def test_failed_write_of_the_data_file():
    for nth in (1, 2, 3, 8):  # records, pages, a root, a superblock
        fail_under_load("data", nth)


def test_failed_write_of_an_idle_server():
    """What fails after the reply, so that no client waits, is told with the next write."""
    with failing_server("wal", 2) as (server, trigger):
        with server.client() as client:
            time.sleep(0.2)  # the log is quiet
            trigger.touch()
            check_equal(client("SET", "k", value_of("k")), "OK")
            time.sleep(0.2)  # a block that vouches for this write fails
            with contextlib.suppress(ConnectionError):
                client.send("SET", "lost", "x")
                check(client.read() != "OK", "acknowledged after a failure")
        check_stopped(server, "wal")
        check_whole(server, {"k"}, 1)


if __name__ == "__main__":
    main(globals())
