"""Section restart: from the start of the process to the first correct answer."""
import os
import shutil
import socket
import statistics
import time

from bench.servers import benchmark, fail, fill, filled, settle, start_holdfast, start_redis

LAST = (b"last", b"written")  # the last key of the tail: who has it has all before it
LIMIT_S = 1200


def first_answer_s(server, key, value):
    """Starts `server` and asks for `key` until it is answered. Refused and LOADING: asked again."""
    request = b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key)
    expected = b"$%d\r\n%s\r\n" % (len(value), value)
    began = time.monotonic()
    server.start()
    while time.monotonic() < began + LIMIT_S:
        reply = b""
        try:
            with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as s:
                s.sendall(request)
                while not reply.endswith(b"\r\n") or (expected.startswith(reply)
                                                      and reply != expected):
                    data = s.recv(4096)
                    if not data:
                        break
                    reply += data
        except OSError:
            pass
        if reply == expected:
            return time.monotonic() - began
        if reply and not reply.startswith(b"-LOADING"):
            fail(f"{server.name} answers {reply} after its start, not {expected}")
        server.check_alive()
        time.sleep(0.001)
    fail(f"{server.name} gives no answer after its start: {server.tail()}")


def forget_pages(directory):
    """Takes the files below from the page cache, as after a start of the machine."""
    os.sync()
    for file in directory.rglob("*"):
        if file.is_file():
            fd = os.open(file, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def restarts(server, key, value, options, kill):
    """The median of the restarts of what `server` has now. It runs afterwards."""
    times = []
    for _ in range(options.restart_runs):
        server.stop(kill=kill)
        if not options.restart_cached:
            forget_pages(server.directory / f"{server.name}-data")
        times.append(first_answer_s(server, key, value))
    return statistics.median(times)


def finish(server):
    server.stop()
    shutil.rmtree(server.directory / f"{server.name}-data")


def of_keys(options, directory):
    """Holdfast after SAVE; Redis from its AOF as it was written, and after BGREWRITEAOF."""
    count = options.restart_keys
    key, value = filled(count - 1)
    holdfast = start_holdfast(directory, True, options.holdfast_set)
    fill(holdfast, count)
    while (answer := holdfast.cli("SAVE").strip()) != "OK":
        if "in progress" not in answer:  # a checkpoint that began by itself
            fail(f"SAVE: {answer} {holdfast.tail()}")
        time.sleep(0.05)
    ours = restarts(holdfast, key, value, options, kill=False)
    finish(holdfast)
    redis = start_redis(directory, "everysec", more=["--auto-aof-rewrite-percentage", "0"])
    fill(redis, count)
    as_written = restarts(redis, key, value, options, kill=False)
    redis.cli("BGREWRITEAOF")
    while redis.info("aof_rewrite_scheduled") or redis.info("aof_rewrite_in_progress"):
        redis.check_alive()
        time.sleep(0.1)
    rewritten = restarts(redis, key, value, options, kill=False)
    finish(redis)
    return ours, as_written, rewritten


def write_tail(server, options, enough):
    """SETs until `enough` of their number; returns it. The last key is written at the end."""
    step, done = 250_000, 0
    while not enough(done):
        benchmark(server, ["-t", "set", "-P", "32"], step, options.keys)
        done += step
    server.cli("SET", *(x.decode() for x in LAST))
    return done


def of_tail(options, directory):
    """kill -9 with a long log that no checkpoint covers; Redis: the same SETs in its AOF."""
    holdfast = start_holdfast(directory, True, ["engine.wal_bytes=4gb", "checkpoint.log_bytes=4gb",
                                                *options.holdfast_set])
    tail = options.restart_tail_mb * 1_000_000
    sets = write_tail(holdfast, options, lambda _: holdfast.info("log_kept_bytes") >= tail)
    size = holdfast.info("log_kept_bytes")
    if holdfast.info("rdb_saves"):
        fail("a checkpoint ended while the log was written: --restart-tail-mb is too large")
    ours = restarts(holdfast, *LAST, options, kill=True)
    finish(holdfast)
    redis = start_redis(directory, "everysec", more=["--auto-aof-rewrite-percentage", "0"])
    write_tail(redis, options, lambda done: done >= sets)
    settle([redis])
    theirs = restarts(redis, *LAST, options, kill=True)
    finish(redis)
    return sets, size, ours, theirs


def restart(options, directory):
    cache = "as the runs left it" if options.restart_cached else "without the files"
    print("\nrestart: seconds from the start of the process to the first correct GET; Redis: "
          f"appendfsync everysec;\npage cache: {cache}; medians of {options.restart_runs}\n")
    head = f"{'case':<44}{'Holdfast':>10}{'Redis AOF':>11}{'ratio':>7}{'rewritten':>11}{'ratio':>7}"
    print(head + "\n" + "-" * len(head), flush=True)
    ours, as_written, rewritten = of_keys(options, directory)
    print(f"{f'{options.restart_keys:,} keys, after SAVE':<44}{ours:>10.2f}{as_written:>11.2f}"
          f"{as_written / ours:>7.2f}{rewritten:>11.2f}{rewritten / ours:>7.2f}", flush=True)
    sets, size, ours, theirs = of_tail(options, directory)
    print(f"{f'kill -9, log of {size / 1e6:,.0f} MB, {sets:,} SETs':<44}{ours:>10.2f}"
          f"{theirs:>11.2f}{theirs / ours:>7.2f}", flush=True)
