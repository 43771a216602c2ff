"""Section latency: what one client sees of checkpoints and flushes while others write."""
import calendar
import gc
import re
import socket
import time

from bench.plot import save_plot
from bench.servers import ROOT, Load, benchmark, fail, settle, start_holdfast, start_redis

KEY, VALUE = b"probed", b"v" * 64
PAUSE_S = 0.001
BUCKET_S = 0.05


def probe(server, seconds):
    """GETs one after the other: when each began on the wall clock, and how many ms it took."""
    request = b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(KEY), KEY)
    expected = b"$%d\r\n%s\r\n" % (len(VALUE), VALUE)
    samples = []
    gc.disable()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.time() + seconds
        while (at := time.time()) < end:
            began = time.perf_counter()
            s.sendall(request)
            reply = s.recv(4096)
            while reply and len(reply) < len(expected):
                reply += s.recv(4096)
            samples.append((at, (time.perf_counter() - began) * 1000))
            if reply != expected:
                fail(f"{server.name} answers the prober {reply}: {server.tail()}")
            time.sleep(PAUSE_S)
    gc.enable()
    return samples


def marks(server):
    """When the log says that a checkpoint, or Redis's rewrite of the AOF, ended: wall clock."""
    times = []
    for line in server.log_file.read_text(errors="replace").splitlines():
        if found := re.match(r"(\S+)\.(\d{3})Z info checkpoint finished", line):
            whole = calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S"))
        elif found := re.match(r"\d+:M (.*)\.(\d{3}) \* Background AOF rewrite finished", line):
            whole = time.mktime(time.strptime(found[1], "%d %b %Y %H:%M:%S"))
        else:
            continue
        times.append(whole + int(found[2]) / 1000)
    return times


def measure(server, options):
    benchmark(server, ["-t", "set", "-P", "32"], options.keys * 3, options.keys)
    server.cli("SET", KEY.decode(), VALUE.decode())
    settle([server])
    with Load(server, ["-P", "32", "-c", "8"], options.keys) as load:
        time.sleep(1)
        samples = probe(server, options.latency_seconds)
    server.stop()
    start, end = samples[0][0], samples[-1][0]
    points = [(at - start, ms) for at, ms in samples]
    ended = [at - start for at in marks(server) if start <= at <= end]
    return points, ended, load.rate


def maxima(points):
    """The longest of each 50 ms."""
    worst = {}
    for at, ms in points:
        bucket = int(at / BUCKET_S)
        worst[bucket] = max(worst.get(bucket, 0), ms)
    return [(bucket * BUCKET_S, ms) for bucket, ms in sorted(worst.items())]


def latency(options, directory):
    print(f"\nlatency: one client's GETs, about 1 ms apart, for {options.latency_seconds} s while "
          f"8 clients SET {options.keys:,} keys, 32 in a pipeline;\nHoldfast with "
          "checkpoint.log_bytes=32mb, Redis with appendfsync always\n")
    head = (f"{'GET, ms':<16}{'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}{'GETs':>10}{'SETs/s':>11}"
            "   checkpoints or rewrites, ended at s")
    print(head + "\n" + "-" * len(head), flush=True)
    series = []
    for title, colour, dash, start in (
            ("Holdfast", "#1f6fb2", "", lambda: start_holdfast(
                directory, True, ["checkpoint.log_bytes=32mb", *options.holdfast_set])),
            ("Redis always", "#c0392b", "5 4", lambda: start_redis(directory, "always"))):
        points, ended, rate = measure(start(), options)
        ordered = sorted(ms for _, ms in points)
        p50, p99, p999 = (ordered[int(len(ordered) * q)] for q in (0.5, 0.99, 0.999))
        print(f"{title:<16}{p50:>9.3f}{p99:>9.3f}{p999:>9.3f}{ordered[-1]:>9.3f}"
              f"{len(ordered):>10,}{rate:>11,.0f}   {len(ended)}: "
              + " ".join(f"{at:.1f}" for at in ended), flush=True)
        series.append((f"{title}: p50 {p50:.2f}, p99 {p99:.2f}, max {ordered[-1]:.1f} ms", colour,
                       dash, maxima(points), ended))
    file = ROOT / "build/latency.svg"
    save_plot(file, "GET under a load of writes: longest of each 50 ms; vertical lines: "
              "a checkpoint (dashed: an AOF rewrite) ended", series)
    print(f"plot: {file.relative_to(ROOT)}")
