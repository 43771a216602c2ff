"""Sections volatile and durable: requests per second and p99, servers in turn, as ratios."""
import statistics

from bench.servers import Load, benchmark, settle, start_holdfast, start_redis

# name, arguments of redis-benchmark, share of --requests
VOLATILE = [
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

DURABLE = [
    ("SET P=32", ["-t", "set", "-P", "32"], 1.0),
    ("SET P=1", ["-t", "set"], 0.1),
    ("SET P=1 c=200", ["-t", "set", "-c", "200"], 0.1),
    ("GET P=32", ["-t", "get", "-P", "32"], 1.0),
    ("GET P=1", ["-t", "get"], 0.1),
]

BESIDE = "GET beside 8"


def wanted(cases, only):
    return [case for case in cases if not only or only.lower() in case[0].lower()]


def table_head(titles):
    first, *others = titles
    head = (f"{'case':<16}{first:>12}" + "".join(f"{t:>13}{'ratio':>7}" for t in others)
            + "   p99 ms:" + "".join(f"{t:>13}" for t in titles)
            + f"{'ratio':>7}" * (len(titles) == 2))
    print(head + "\n" + "-" * len(head), flush=True)


def table_row(name, figures, p99s=(), form=",.0f"):
    first, *others = figures
    line = f"{name:<16}{first:>12{form}}"
    for other in others:
        line += f"{other:>13{form}}{first / other:>7.2f}" if other else f"{'-':>13}{'-':>7}"
    if p99s:
        line += " " * 10 + "".join(f"{p:>13.3f}" for p in p99s)
    if len(p99s) == 2:
        line += f"{p99s[1] / max(p99s[0], 1e-3):>7.2f}"
    print(line, flush=True)


def turns(servers, runs):
    """Each run all servers, the second run backwards, while the others have nothing to do."""
    for run in range(runs):
        for server in servers if run % 2 == 0 else servers[::-1]:
            settle(servers)
            yield server


def medians(results):
    """Of each server's list of tuples: for each place of the tuple the medians of all servers."""
    return list(zip(*(map(statistics.median, zip(*rows)) for rows in results.values())))


def compare(servers, cases, options):
    for name, args, share in cases:
        results = {server.name: [] for server in servers}
        for server in turns(servers, options.runs):
            results[server.name].append(
                benchmark(server, args, int(options.requests * share), options.keys))
        table_row(name, *medians(results))


def beside_writers(servers, options):
    """GETs while 8 other clients write, as a share of the GETs that the same server does alone."""
    requests = options.requests // 20
    results = {server.name: [] for server in servers}
    for server in turns(servers, options.runs):
        alone, _ = benchmark(server, ["-t", "get"], requests, options.keys)
        with Load(server, ["-c", "8"], options.keys) as writers:
            beside, p99 = benchmark(server, ["-t", "get"], requests, options.keys)
        results[server.name].append((100 * beside / alone, beside, writers.rate, p99))
    shares, rates, writes, p99s = medians(results)
    table_row(BESIDE + ", %", shares, p99s, ".1f")
    table_row("  these GETs/s", rates)
    table_row("  the SETs/s", writes)


def load_all(servers, options):
    """Every key exists before anything is measured."""
    for server in servers:
        benchmark(server, ["-t", "set", "-P", "32"], options.keys * 3, options.keys)


def volatile(options, directory):
    cases = wanted(VOLATILE, options.only)
    if not cases:
        return
    servers = [start_holdfast(directory, False, options.holdfast_set), start_redis(directory)]
    print(f"\nvolatile: without persistence, 50 clients, 64-byte values, {options.keys:,} keys; "
          f"medians of {options.runs} alternating runs\n")
    table_head(["Holdfast", "Redis"])
    load_all(servers, options)
    compare(servers, cases, options)
    for server in servers:
        server.stop()


def durable(options, directory):
    cases = wanted(DURABLE, options.only)
    beside = wanted([(BESIDE,)], options.only)
    if not cases and not beside:
        return
    servers = [
        start_holdfast(directory, True, options.holdfast_set),
        start_redis(directory, "always", "redis-always"),
        start_redis(directory),
        start_holdfast(directory, True, ["engine.type=rocks", *options.holdfast_set], "rocks"),
    ]
    print(f"\ndurable: Holdfast and rocks answer after the flush, Redis always is appendfsync "
          f"always, Redis volatile keeps nothing;\n50 clients (c=200: 200), 64-byte values, "
          f"{options.keys:,} keys; medians of {options.runs} alternating runs; ratios: Holdfast "
          "over the other\n")
    table_head(["Holdfast", "Redis always", "Redis vol.", "rocks"])
    load_all(servers, options)
    compare(servers, cases, options)
    if beside:
        beside_writers(servers, options)
    for server in servers:
        server.stop()
