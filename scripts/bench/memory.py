"""Section memory: resident bytes of many small keys, strings and collections."""
from bench.servers import encoded, fill, pipe_in, start_holdfast, start_redis

FIELDS = 5  # elements of a small collection


def small(command, element):
    """One small collection a key."""
    def commands(count):
        for i in range(count):
            elements = [word for j in range(FIELDS) for word in element(i, j)]
            yield encoded(command, b"key:%012d" % i, *elements)
    return commands


def stream(count):
    for i in range(count):
        yield encoded(b"XADD", b"stream", b"%d-0" % (i + 1), b"sensor", b"%d" % (i % 100),
                      b"value", b"%d" % (i * 7919 % 100000))


COLLECTIONS = {
    "hashes": small(b"HSET", lambda i, j: (b"field%d" % j, b"value:%d" % (i + j))),
    "lists": small(b"RPUSH", lambda i, j: (b"element:%d" % (i + j),)),
    "sets": small(b"SADD", lambda i, j: (b"member:%d" % (i + j),)),
    "sets of numbers": small(b"SADD", lambda i, j: (b"%d" % (i + j),)),
    "sorted sets": small(b"ZADD", lambda i, j: (b"%d" % (i * j % 1000), b"member:%d" % j)),
    "one stream": stream,
}


def measure(options, directory, load):
    """Resident bytes that the load takes, of each server."""
    taken = {}
    for start in (lambda: start_holdfast(directory, False, options.holdfast_set),
                  lambda: start_redis(directory)):
        server = start()
        before = server.resident_bytes()
        load(server)
        taken[server.name] = server.resident_bytes() - before
        server.stop()
    return taken["holdfast"], taken["redis"]


def row(name, count, taken):
    ours, theirs = taken
    print(f"{name:<16}{ours / 1e6:>12,.0f}{theirs / 1e6:>12,.0f}{ours / theirs:>8.2f}"
          f"{ours / count:>14.1f}{theirs / count:>12.1f}", flush=True)


def memory(options, directory):
    keys = options.memory_keys
    print(f"\nmemory: {keys:,} keys of 16 bytes with values of 32 bytes, and {keys // 10:,} small "
          f"collections of {FIELDS} elements; a stream of as many entries\n")
    print(f"{'resident MB':<16}{'Holdfast':>12}{'Redis':>12}{'ratio':>8}{'bytes a key':>14}"
          f"{'Redis':>12}")
    row("strings", keys, measure(options, directory, lambda server: fill(server, keys)))
    for name, commands in COLLECTIONS.items():
        count = keys // 10
        row(name, count, measure(options, directory,
                                 lambda server: pipe_in(server, commands(count))))
