"""redis-cli and redis-benchmark against a durable server, in the ways people use them."""
import os
import subprocess
import tempfile

from harness import Client, Server, check, check_equal, main, run


def cli(server, *args, **options):
    return run("redis-cli", "-p", server.port, *args, **options)


def test_one_shot_and_resp3():
    with Server() as server:
        check_equal(cli(server, "SET", "k", "v").strip(), "OK")
        check_equal(cli(server, "GET", "k").strip(), "v")
        check_equal(cli(server, "-3", "CONFIG", "GET", "port").split()[0], "port")
        check_equal(cli(server, "-n", "3", "DBSIZE").strip(), "0")
        check("unknown command" in cli(server, "NOSUCH"), "error text")


def test_scan_bigkeys_memkeys():
    with Server() as server, server.client() as c:
        c.pipeline([("SET", f"key:{i}", "x" * (i % 50)) for i in range(5000)])
        check_equal(len(set(cli(server, "--scan").split())), 5000)
        check_equal(len(cli(server, "--scan", "--pattern", "key:1*").split()), 1111)
        check("5000 keys" in cli(server, "--bigkeys"), "bigkeys")
        check("5000 keys" in cli(server, "--memkeys"), "memkeys")


def test_stat_and_latency():
    with Server() as server:
        check("keys" in run("timeout", "2", "stdbuf", "-oL", "redis-cli", "-p", server.port, "--stat", expect=124),
              "--stat")
        out = run("timeout", "3", "redis-cli", "-p", server.port, "--latency", "--raw",
                  "-i", "1", expect=None)
        check(len(out.split()) >= 3, f"--latency: {out!r}")


def test_pipe_a_million():
    with Server() as server, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "load")
        with open(path, "wb") as file:
            for i in range(1_000_000):
                file.write(Client.encode("SET", f"key:{i}", f"value:{i}"))
        with open(path, "rb") as file:
            out = run("redis-cli", "-p", server.port, "--pipe", stdin=file)
        check("errors: 0, replies: 1000000" in out, out)
        check_equal(cli(server, "DBSIZE").strip(), "1000000")


def test_monitor():
    with Server() as server:
        monitor = subprocess.Popen(["redis-cli", "-p", str(server.port), "monitor"],
                                   stdout=subprocess.PIPE, text=True)
        check_equal(monitor.stdout.readline().strip(), "OK")
        cli(server, "SET", "a b", "c")
        check('"SET" "a b" "c"' in monitor.stdout.readline(), "monitor line")
        monitor.kill()
        monitor.communicate()


def test_benchmark_runs_clean():
    with Server() as server:
        for pipeline in ("1", "32"):
            done = subprocess.run(
                ["redis-benchmark", "-p", str(server.port), "-t", "ping,set,get,incr,mset", "-n",
                 "20000", "-P", pipeline, "-q"], capture_output=True, text=True, timeout=120)
            check_equal(done.returncode, 0)
            out = (done.stdout + done.stderr).lower()
            check("error" not in out and "warning" not in out, out)
            check_equal(out.count("requests per second"), 6, "cases")


if __name__ == "__main__":
    main(globals())
