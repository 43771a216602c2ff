"""Transactions: the same steps on redis-server and on Holdfast, over several connections, give the
same bytes; effects of one EXEC survive a kill together."""
from harness import Server, check_equal, main
from reference import check_same

A, B = 0, 1  # two clients


def after_watch(*changes):
    """Does EXEC run after these steps? Client A watches k; the changes name their client."""
    return [(A, "SET", "k", "1"), (A, "WATCH", "k"), *changes,
            (A, "MULTI"), (A, "SET", "x", "y"), (A, "EXEC"), (A, "GET", "x")]


CASES = {
    "plain": [(A, "MULTI"), (A, "SET", "a", "1"), (A, "INCR", "a"), (A, "GET", "a"), (A, "EXEC"),
              (A, "EXEC"), (A, "DISCARD")],
    "empty": [(A, "MULTI"), (A, "EXEC")],
    "nested": [(A, "MULTI"), (A, "MULTI"), (A, "SET", "a", "1"), (A, "EXEC")],
    "watch inside": [(A, "MULTI"), (A, "WATCH", "a"), (A, "SET", "a", "1"), (A, "EXEC")],
    "unwatch inside": [(A, "WATCH", "a"), (A, "MULTI"), (A, "UNWATCH"), (B, "SET", "a", "1"),
                       (A, "EXEC"), (A, "GET", "a")],
    "arity when queued": [(A, "MULTI"), (A, "SET", "a"), (A, "SET", "a", "1"), (A, "EXEC"),
                          (A, "GET", "a"), (A, "EXEC")],
    "unknown when queued": [(A, "MULTI"), (A, "NOSUCH", "a"), (A, "EXEC")],
    "unknown subcommand when queued": [(A, "MULTI"), (A, "CONFIG", "NOSUCH"), (A, "EXEC")],
    "arity of exec": [(A, "MULTI"), (A, "SET", "a", "1"), (A, "EXEC", "x"), (A, "EXEC"),
                      (A, "EXISTS", "a")],
    "arity of the others": [(A, "MULTI", "x"), (A, "WATCH"), (A, "DISCARD", "x"),
                            (A, "UNWATCH", "x"), (A, "MULTI"), (A, "MULTI", "x"), (A, "EXEC"),
                            (A, "MULTI"), (A, "DISCARD", "x"), (A, "EXEC"), (A, "PING")],
    "errors while it runs": [(A, "SET", "s", "text"), (A, "MULTI"), (A, "INCR", "s"),
                             (A, "SET", "t", "1", "EX", "x"), (A, "SET", "u", "1"), (A, "EXEC"),
                             (A, "GET", "u")],
    "not in a transaction": [(A, "MULTI"), (A, "SAVE"), (A, "EXEC"), (A, "MULTI"),
                             (A, "SHUTDOWN", "NOSAVE"), (A, "EXEC")],
    "in a transaction": [(A, "MULTI"), (A, "MONITOR"), (A, "WAIT", "1", "0"), (A, "SELECT", "3"),
                         (A, "SET", "in3", "1"), (A, "PING"), (A, "ECHO", "x"), (A, "EXEC"),
                         (A, "GET", "in3"), (B, "GET", "in3")],
    "discard": [(A, "SET", "a", "1"), (A, "WATCH", "a"), (A, "MULTI"), (A, "SET", "a", "2"),
                (A, "DISCARD"), (A, "GET", "a"), (B, "SET", "a", "3"), (A, "MULTI"), (A, "EXEC")],
    "reset": [(A, "WATCH", "a"), (A, "MULTI"), (A, "SET", "a", "1"), (A, "RESET"),
              (B, "SET", "a", "2"), (A, "EXEC"), (A, "MULTI"), (A, "EXEC")],
    "quit": [(A, "MULTI"), (A, "SET", "a", "1"), (A, "QUIT"), (B, "EXISTS", "a")],
    "hello inside": [(A, "MULTI"), (A, "HELLO", "9"), (A, "EXEC")],
    "watch, unchanged": after_watch((B, "GET", "k"), (B, "SET", "other", "2")),
    "watch, changed": after_watch((B, "SET", "k", "2")),
    "watch, changed by itself": after_watch((A, "SET", "k", "2")),
    "watch, the same value": after_watch((B, "SET", "k", "1")),
    "watch, refused change": after_watch((B, "SETNX", "k", "5"), (B, "SET", "k", "1", "NX")),
    "watch, deleted": after_watch((B, "DEL", "k")),
    "watch, deleted absent": [(A, "WATCH", "no"), (B, "DEL", "no"), (A, "MULTI"), (A, "EXEC")],
    "watch, created": [(A, "WATCH", "no"), (B, "SET", "no", "1"), (A, "MULTI"), (A, "EXEC")],
    "watch, renamed": after_watch((B, "RENAME", "k", "k2")),
    "watch, renamed to": after_watch((B, "SET", "j", "1"), (B, "RENAME", "j", "k")),
    "watch, expiry set": after_watch((B, "EXPIRE", "k", "100")),
    "watch, expiry refused": after_watch((B, "EXPIRE", "k", "100", "XX")),
    "watch, persist of none": after_watch((B, "PERSIST", "k")),
    "watch, part": after_watch((B, "APPEND", "k", "x")),
    "watch, nothing appended": after_watch((B, "SETRANGE", "k", "0", "")),
    "watch, other database": after_watch((B, "SELECT", "1"), (B, "SET", "k", "2")),
    "watch, flushdb": after_watch((B, "FLUSHDB")),
    "watch, flushall": after_watch((B, "FLUSHALL")),
    "watch, flushdb of another": after_watch((B, "SELECT", "1"), (B, "FLUSHDB")),
    "watch absent, flushall": [(A, "WATCH", "no"), (B, "FLUSHALL"), (A, "MULTI"), (A, "EXEC")],
    "watch, swapdb": after_watch((B, "SWAPDB", "0", "1")),
    "watch, swapdb of others": after_watch((B, "SWAPDB", "2", "3")),
    "watch absent, swapdb": [(A, "WATCH", "no"), (B, "SWAPDB", "0", "1"), (A, "MULTI"), (A, "EXEC")],
    "watch absent, swapdb brings it": [(B, "SELECT", "1"), (B, "SET", "no", "1"), (A, "WATCH", "no"),
                                       (B, "SWAPDB", "0", "1"), (A, "MULTI"), (A, "EXEC")],
    "watch, swapdb, then a change": [(A, "WATCH", "no"), (B, "SWAPDB", "0", "1"),
                                     (B, "SET", "no", "1"), (A, "MULTI"), (A, "EXEC")],
    "watch twice": after_watch((A, "WATCH", "k", "k"), (B, "SET", "k", "2")),
    "watch of both": after_watch((B, "WATCH", "k"), (B, "MULTI"), (B, "SET", "k", "3"), (B, "EXEC")),
    "watch, unwatch": after_watch((B, "SET", "k", "2"), (A, "UNWATCH")),
    "watch after a change": after_watch((B, "SET", "k", "2"), (A, "WATCH", "z")),
    "watch ends with exec": after_watch() + [(B, "SET", "k", "2"), (A, "MULTI"), (A, "EXEC")],
    "queue, then changed": [(A, "WATCH", "k"), (A, "MULTI"), (A, "SET", "x", "y"),
                            (B, "SET", "k", "2"), (A, "SET", "x", "z"), (A, "EXEC"), (A, "GET", "x")],
    "refused and changed": [(A, "WATCH", "k"), (A, "MULTI"), (A, "NOSUCH"), (B, "SET", "k", "2"),
                            (A, "EXEC")],
    "watch, expires": [(A, "SET", "k", "1", "PX", "30"), (A, "WATCH", "k"), ("sleep", 0.3),
                       (A, "MULTI"), (A, "PING"), (A, "EXEC")],
    "watch, expires, not erased": [(B, "DEBUG", "SET-ACTIVE-EXPIRE", "0"),
                                   (A, "SET", "k", "1", "PX", "30"), (A, "WATCH", "k"),
                                   ("sleep", 0.1), (A, "MULTI"), (A, "PING"), (A, "EXEC"),
                                   (B, "DEBUG", "SET-ACTIVE-EXPIRE", "1")],
    "watch of an expired key": [(B, "DEBUG", "SET-ACTIVE-EXPIRE", "0"),
                                (A, "SET", "k", "1", "PX", "10"), ("sleep", 0.05), (A, "WATCH", "k"),
                                (B, "GET", "k"), (A, "MULTI"), (A, "PING"), (A, "EXEC"),
                                (B, "DEBUG", "SET-ACTIVE-EXPIRE", "1")],
    "watch of an expired key, created": [(B, "DEBUG", "SET-ACTIVE-EXPIRE", "0"),
                                         (A, "SET", "k", "1", "PX", "10"), ("sleep", 0.05),
                                         (A, "WATCH", "k"), (B, "SET", "k", "2"), (A, "MULTI"),
                                         (A, "PING"), (A, "EXEC"),
                                         (B, "DEBUG", "SET-ACTIVE-EXPIRE", "1")],
    "watch of an expired key, flushed": [(B, "DEBUG", "SET-ACTIVE-EXPIRE", "0"),
                                         (A, "SET", "k", "1", "PX", "10"), ("sleep", 0.05),
                                         (A, "WATCH", "k"), (B, "FLUSHALL"), (A, "MULTI"),
                                         (A, "PING"), (A, "EXEC"),
                                         (B, "DEBUG", "SET-ACTIVE-EXPIRE", "1")],
    "resp3": [(A, "SET", "k", "1"), (A, "WATCH", "k"), (B, "DEL", "k"),
              (A, "MULTI"), (A, "HELLO", "3"), (A, "EXEC")],
}


def test_same_as_redis():
    check_same(CASES, redis_options=("--enable-debug-command", "yes"))


def test_refused_for_memory():
    steps = [(A, "MULTI"), (A, "SET", "k", "1"), (B, "CONFIG", "SET", "maxmemory", "1"),
             ("sleep", 0.3), (A, "GET", "k"), (A, "EXEC"),
             (A, "CONFIG", "SET", "maxmemory", "0"), ("sleep", 0.3),
             (A, "MULTI"), (A, "SET", "k", "1"), (B, "CONFIG", "SET", "maxmemory", "1"),
             ("sleep", 0.3), (A, "EXEC"), (A, "EXEC"), (B, "EXISTS", "k"),
             (A, "CONFIG", "SET", "maxmemory", "0"), ("sleep", 0.3),
             (A, "MULTI"), (A, "GET", "k"), (B, "CONFIG", "SET", "maxmemory", "1"),
             ("sleep", 0.3), (A, "EXEC"), (B, "CONFIG", "SET", "maxmemory", "0"), ("sleep", 0.3)]
    check_same({"out of memory": steps})


def test_one_exec_survives_as_a_whole():
    with Server() as server:
        with server.client() as client:
            client("MULTI")
            for i in range(1000):
                client("SET", f"k{i}", i)
            check_equal(client("EXEC"), ["OK"] * 1000)
            server.kill()
        server.start()
        with server.client() as client:
            check_equal(client("DBSIZE"), 1000)


if __name__ == "__main__":
    main(globals())
