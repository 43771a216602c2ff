"""Section memory: resident bytes of many small keys."""
from bench.servers import fill, start_holdfast, start_redis


def memory(options, directory):
    print(f"\nmemory: {options.memory_keys:,} keys of 16 bytes with values of 32 bytes\n")
    resident = {}
    for start in (lambda: start_holdfast(directory, False, options.holdfast_set),
                  lambda: start_redis(directory)):
        server = start()
        before = server.resident_bytes()
        fill(server, options.memory_keys)
        resident[server.name] = server.resident_bytes() - before
        server.stop()
    per_key = {name: used / options.memory_keys for name, used in resident.items()}
    print(f"{'case':<16}{'Holdfast':>12}{'Redis':>12}{'ratio':>8}")
    print(f"{'resident MB':<16}{resident['holdfast'] / 1e6:>12,.0f}"
          f"{resident['redis'] / 1e6:>12,.0f}{resident['holdfast'] / resident['redis']:>8.2f}")
    print(f"{'bytes a key':<16}{per_key['holdfast']:>12.1f}{per_key['redis']:>12.1f}", flush=True)
