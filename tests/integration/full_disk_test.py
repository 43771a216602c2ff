"""A device that is full: a small file system of its own, mounted from an image (needs root).

Writes that add data are refused with the reason, everything else goes on, and after deletes writes
are taken again without a restart. What was acknowledged survives kill -9 at every stage, what was
deleted does not come back, and `holdfast verify` finds the store whole.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from harness import BINARY, Failed, ReplyError, Server, Skipped, check, check_equal, main, run

BATCH = 16
COMMANDS = ("SET", "APPEND")
NOISE = os.urandom(1 << 20)


@contextlib.contextmanager
def small_file_system(megabytes):
    """The mounted directory. Unmounted and deleted whatever happens."""
    if os.geteuid() != 0:
        raise Skipped("mounting a file system needs root")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-disk-"))
    image, mounted = directory / "image", directory / "mounted"
    try:
        mounted.mkdir()
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-m", "0", image)
        done = subprocess.run(["mount", "-o", "loop", str(image), str(mounted)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skipped(f"a loop device cannot be mounted here: {done.stderr.strip()}")
        try:
            yield mounted
        finally:
            unmount(mounted)
    finally:
        shutil.rmtree(directory)


# The kernel may hold a killed process's io_uring, and so its files, a moment longer than the process.
def unmount(mounted):
    for _ in range(100):
        done = subprocess.run(["umount", str(mounted)], capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    run("umount", "--lazy", mounted)
    raise Failed(f"still in use: {done.stderr}")


def occupy(path):
    """Another program takes all the room that is left."""
    size = 1 << 20
    with open(path, "wb", buffering=0) as file:
        while size >= 512:
            try:
                file.write(NOISE[:size])
            except OSError:
                size //= 2


class Keys:
    """Writes keys, and knows of each what was acknowledged."""

    def __init__(self):
        self.kept = {}     # name -> where in NOISE its value begins, and its size
        self.gone = set()  # acknowledged deletes, refused writes
        self.made = 0

    # Small values share a segment, those above 64 KiB have one each.
    def next(self):
        self.made += 1
        size = (100, 3_000, 20_000, 90_000)[self.made % 4]
        return f"key:{self.made}", (self.made * 7919 % (len(NOISE) - size), size)

    def value(self, place):
        return NOISE[place[0]:place[0] + place[1]]

    def fill(self, client, count=None):
        """Writes `count` keys, or until one is refused; returns the refusals' texts."""
        refusals = []
        end = self.made + (count or 1_000_000)
        while self.made < end and not refusals:
            batch = [self.next() for _ in range(BATCH)]
            # All kinds of writes must be refused alike.
            replies = client.pipeline([(COMMANDS[i % 2], name, self.value(at))
                                       for i, (name, at) in enumerate(batch)])
            for (name, at), reply in zip(batch, replies):
                if isinstance(reply, ReplyError):
                    refusals.append(str(reply))
                    self.gone.add(name)
                else:
                    check(reply in ("OK", at[1]), f"{name}: {reply!r}")
                    self.kept[name] = at
        return refusals

    def delete(self, client, keep_one_in):
        names = [name for i, name in enumerate(self.kept) if i % keep_one_in != 0]
        for at in range(0, len(names), 100):
            part = names[at:at + 100]
            check_equal(client("DEL", *part), len(part), "DEL")
            for name in part:
                del self.kept[name]
            self.gone.update(part)

    def verify(self, client, when):
        names = list(self.kept)
        for at in range(0, len(names), 100):
            part = names[at:at + 100]
            for name, value in zip(part, client("MGET", *part)):
                check(value == self.value(self.kept[name]), f"{when}: {name} is not as written")
        names = list(self.gone)
        for at in range(0, len(names), 1000):
            check_equal(client("EXISTS", *names[at:at + 1000]), 0, f"{when}: gone keys that exist")
        check_equal(client("DBSIZE"), len(self.kept), f"{when}: DBSIZE")


def fill_until_refused(keys, client):
    refusals = keys.fill(client)
    check(refusals, "no write was refused")
    for text in refusals:
        check(text.startswith("MISCONF ") and "full" in text, text)


def write_again(keys, client, count):
    """Without a restart. Each checkpoint frees a part, so refusals may come in between."""
    deadline, wanted = time.monotonic() + 20, len(keys.kept) + count
    while len(keys.kept) < wanted:
        for text in keys.fill(client, wanted - len(keys.kept)):
            check(text.startswith("MISCONF "), text)
        check(time.monotonic() < deadline, "still refused long after the deletes")
        time.sleep(0.05)


def restart(server, keys, when):
    server.kill()
    server.start()
    with server.client() as client:
        keys.verify(client, when)


def test_full_device():
    with small_file_system(200) as mounted, \
            Server("engine.wal_bytes=16mb", f"data.dir={mounted / 'data'}") as server:
        keys = Keys()
        for round_name in ("first fill", "second fill"):
            with server.client() as client:
                fill_until_refused(keys, client)
                keys.verify(client, f"{round_name}, full")
                # Nothing that the deletes need may be missing when others take what is left.
                occupy(mounted / "other")
                keys.delete(client, keep_one_in=2)
                keys.verify(client, f"{round_name}, half deleted")
            restart(server, keys, f"{round_name}, killed while full")
            with server.client() as client:
                keys.delete(client, keep_one_in=10)
                (mounted / "other").unlink()
                write_again(keys, client, 500)
                keys.verify(client, f"{round_name}, written again")
            restart(server, keys, f"{round_name}, killed after it")
        check_equal(server.log().count(" error "), 0, server.log()[-2000:])
        server.stop()
        check(" 0 problems" in run(BINARY, "verify", mounted / "data"), "verify")


def test_full_device_with_a_large_log():
    """What waits for a checkpoint when the device is full is more than the engine's 64 MiB."""
    with small_file_system(900) as mounted, \
            Server("engine.wal_bytes=512mb", f"data.dir={mounted / 'data'}") as server:
        keys = Keys()
        with server.client() as client:
            for _ in range(10):  # each checkpoint that ends makes room for some more
                fill_until_refused(keys, client)
                time.sleep(0.2)
            occupy(mounted / "other")
            keys.delete(client, keep_one_in=10)
            write_again(keys, client, 100)
        restart(server, keys, "killed")


def test_no_room_for_a_new_store():
    with small_file_system(24) as mounted:
        occupy(mounted / "other")
        with Server("engine.wal_bytes=8mb", f"data.dir={mounted / 'data'}", wait=False) as server:
            _, error = server.process.communicate(timeout=30)
            check_equal(server.process.returncode, 69, error)
            lines = [line for line in error.splitlines() if line.startswith("holdfast:")]
            check(len(lines) == 1 and "No space left" in lines[0], error)
            (mounted / "other").unlink()
            server.start()
            with server.client() as client:
                check("full" in client.error("SET", "k", "v"), "less than the reserve is left")
            server.stop()


if __name__ == "__main__":
    main(globals())
