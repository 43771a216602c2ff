"""Section suite: the whole default suite of redis-benchmark, Holdfast durable beside Redis without
persistence."""
import math

from bench.servers import benchmark, start_holdfast, start_redis
from bench.speed import medians, table_head, table_row, turns, wanted

TESTS = ["ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop",
         "sadd", "hset", "spop", "zadd", "zpopmin", "lrange_100", "lrange_300", "lrange_500",
         "lrange_600", "mset"]
# Of the requests of a case, those that cost more: a share.
SHARES = {"lrange_100": 0.1, "lrange_300": 0.05, "lrange_500": 0.05, "lrange_600": 0.05,
          "mset": 0.2}
PIPELINES = {1: 0.1, 16: 1.0}


def suite(options, directory):
    cases = wanted([(f"{test} P={p}", test, p) for p in PIPELINES for test in TESTS], options.only)
    if not cases:
        return
    servers = [start_holdfast(directory, True, options.holdfast_set), start_redis(directory)]
    print(f"\nsuite: the default tests of redis-benchmark, Holdfast durable, Redis without "
          f"persistence; 50 clients, 64-byte values, {options.keys:,} keys; medians of "
          f"{options.runs} alternating runs\n")
    table_head(["Holdfast", "Redis vol."])
    ratios = {p: [] for p in PIPELINES}
    for name, test, pipeline in cases:
        requests = int(options.requests / 4 * SHARES.get(test, 1.0) * PIPELINES[pipeline])
        results = {server.name: [] for server in servers}
        for server in turns(servers, options.runs):
            results[server.name].append(benchmark(
                server, ["-t", test, "-P", str(pipeline)], requests, options.keys))
        figures, p99s = medians(results)
        table_row(name, figures, p99s)
        ratios[pipeline].append(figures[0] / figures[1])
    for pipeline, each in ratios.items():
        if each:
            mean = math.exp(sum(map(math.log, each)) / len(each))
            print(f"P={pipeline}: geometric mean of the ratios {mean:.2f}, lowest {min(each):.2f}")
    for server in servers:
        server.stop()
