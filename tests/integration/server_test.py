"""The server as an operator and a careless client meet it: start, stop, bad input, limits."""
import os
import resource
import subprocess
import tempfile
import time

from harness import BINARY, ROOT, Client, Server, check, check_equal, info, main


def start_fails(text, *, sets=(), env=None, preexec=None):
    """Starts with this configuration; returns (exit code, standard error)."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "test.yaml")
        with open(path, "w") as file:
            file.write(text)
        args = [x for s in sets for x in ("--set", s)]
        done = subprocess.run([BINARY, path, *args], capture_output=True, text=True, timeout=30,
                              cwd=directory, env=env, preexec_fn=preexec)
        return done.returncode, done.stderr


def test_start_stop():
    with Server() as server:
        with server.client() as c:
            check_equal(c("SET", "k", "v"), "OK")
        server.stop()
        server.start()
        with server.client() as c:
            check_equal(c("GET", "k"), b"v")
            check_equal(info(c)["server_name"], "holdfast")
        server.stop()


def test_wrong_configuration():
    code, error = start_fails("mode: standalone\nresp:\n  prot: 6380\n")
    check_equal(code, 78)
    check("test.yaml:3: resp.prot" in error and "resp.port" in error, error)
    code, error = start_fails("resp:\n  port: abc\n")
    check_equal(code, 78)
    check("test.yaml:2: resp.port" in error and "allowed" in error, error)
    code, error = start_fails("resp:\n  port: 70000\n")
    check("test.yaml:2: resp.port" in error and "65535" in error, error)
    code, error = start_fails("engine:\n  type: mem\n")
    check_equal(code, 78)
    check("durability: none" in error, error)


def test_port_in_use():
    with Server() as server:
        code, error = start_fails(f"resp:\n  port: {server.port}\ndata:\n  dir: ./d\n")
        check_equal(code, 69)
        lines = [line for line in error.splitlines() if line.startswith("holdfast:")]
        check(len(lines) == 1 and str(server.port) in lines[0], error)


def test_unusable_directory():
    # A file in the way stops root too, unlike permissions.
    code, error = start_fails("resp:\n  port: 0\ndata:\n  dir: ./test.yaml/data\n")
    check_equal(code, 69)
    lines = [line for line in error.splitlines() if line.startswith("holdfast:")]
    check(len(lines) == 1 and "test.yaml/data" in lines[0], error)


def test_directory_in_use():
    with Server() as server:
        code, error = start_fails(
            f"resp:\n  port: 0\ndata:\n  dir: {server.directory}/data\n")
        check_equal(code, 69)
        check("in use by another process" in error, error)


def test_too_few_file_descriptors():
    code, error = start_fails(
        "resp:\n  port: 0\n",
        preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)))
    check_equal(code, 71)
    check("too few file descriptors" in error and "resp.max_clients" in error, error)


def test_max_clients():
    with Server("resp.max_clients=3") as server:
        clients = [server.client() for _ in range(3)]
        for c in clients:
            check_equal(c("PING"), "PONG")
        with server.client() as extra:
            check("max number of clients reached" in str(extra.read()), "refusal")
            check(extra.at_end(), "closed")
        check_equal(clients[0]("PING"), "PONG")


def test_protocol_errors_close():
    with Server() as server:
        cases = {
            b"*1\r\n:3\r\n": "ERR Protocol error: expected '$', got ':'",
            b"*abc\r\n": "ERR Protocol error: invalid multibulk length",
            b"*1\r\n$-4\r\n": "ERR Protocol error: invalid bulk length",
            b"SET 'a\r\n": "ERR Protocol error: unbalanced quotes in request",
        }
        for request, error in cases.items():
            with server.client() as c:
                c.send_raw(request)
                check_equal(str(c.read()), error)
                check(c.at_end(), "closed after a protocol error")


def test_limits_before_auth():
    with Server("resp.password=secret") as server:
        with server.client() as c:
            check_equal(c.error("GET", "k"), "NOAUTH Authentication required.")
            check_equal(c("AUTH", "secret"), "OK")
            check_equal(c("GET", "k"), None)
        for request in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$20000\r\n"):
            with server.client() as c:
                c.send_raw(request)
                check("unauthenticated" in str(c.read()), "refused")
                check(c.at_end(), "closed")


def test_reader_that_stops_reading():
    with Server("resp.output_limits=normal 8mb 0 0") as server:
        with server.client() as other, server.client() as greedy:
            other("SET", "big", b"x" * 1_000_000)
            greedy.send_raw(Client.encode("GET", "big") * 400)
            deadline = time.time() + 20
            while int(info(other)["client_output_buffer_limit_disconnections"]) == 0:
                check(time.time() < deadline, "the greedy reader was not closed")
                time.sleep(0.05)
            start = time.time()
            check_equal(other("PING"), "PONG")
            check(time.time() - start < 1, "others notice")


def test_large_values_and_deep_pipelines():
    with Server() as server, server.client() as c:
        value = os.urandom(8 << 20)
        check_equal(c("SET", "big", value), "OK")
        check(c("GET", "big") == value, "8 MiB value")
        replies = c.pipeline([("SET", f"k{i}", i) for i in range(10000)])
        check_equal(set(replies), {"OK"})
        replies = c.pipeline([("INCR", "n") for _ in range(10000)])
        check_equal(replies, list(range(1, 10001)))


def test_unix_socket_and_several_addresses():
    import socket
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "s.sock")
        with Server(f"resp.unix_socket={path}", "resp.bind=127.0.0.1 ::1") as server:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendall(b"PING\r\n")
                check_equal(s.recv(100), b"+PONG\r\n")
            with socket.create_connection(("::1", server.port)) as s:
                s.sendall(b"PING\r\n")
                check_equal(s.recv(100), b"+PONG\r\n")


def test_expiry_survives_restart():
    with Server() as server:
        with server.client() as c:
            c("SET", "short", "v", "PX", 300)
            c("SET", "long", "v", "EX", 1000)
        server.kill()
        time.sleep(0.4)
        server.start()
        with server.client() as c:
            check_equal(c("GET", "short"), None)
            check(990 < c("TTL", "long") <= 1000, "TTL")


def test_verify_and_inspect():
    with Server() as server:
        with server.client() as client:
            for i in range(1000):
                client("SET", f"key:{i}", "v" * 100)
            client("SAVE")
            client("SET", "late", "value")
        directory = str(server.directory / "data")
        tool = lambda *args: subprocess.run([BINARY, *args], capture_output=True, text=True)
        busy = tool("verify", directory)
        check_equal(busy.returncode, 69, busy.stderr)
        check("in use by another process" in busy.stderr, busy.stderr)
        server.stop()
        whole = tool("verify", directory)
        check_equal(whole.returncode, 0, whole.stdout + whole.stderr)
        check("1000 records" in whole.stdout, whole.stdout)
        text = tool("inspect", "--records", "--log", directory).stdout
        check("key 'key:999'" in text and "PROBLEM" not in text, text[-2000:])
        place = int(text.split("record at ")[1].split(":")[0])
        with open(directory + "/data", "r+b") as file:
            file.seek(place + 40)
            byte = file.read(1)[0]
            file.seek(place + 40)
            file.write(bytes([byte ^ 4]))
        damaged = tool("verify", directory)
        check_equal(damaged.returncode, 65, damaged.stdout)
        check(f"data file at {place}" in damaged.stdout, damaged.stdout)
        code, error = start_fails("resp:\n  port: 0\n", sets=[f"data.dir={directory}"])
        check_equal(code, 65, error)
        check(f"data file at {place}" in error, error)


def test_config_rewrite():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "own.yaml")
        with open(path, "w") as file:
            file.write("# mine\nmode: standalone\nresp:\n  port: 0  # any\n")
        with Server(config=path) as server, server.client() as c:
            check_equal(c("CONFIG", "SET", "maxclients", 77), "OK")
            check_equal(c("CONFIG", "REWRITE"), "OK")
        text = open(path).read()
        check("# mine" in text and "77" in text, text)


if __name__ == "__main__":
    main(globals())
