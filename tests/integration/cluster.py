"""A cluster of real processes for tests: coordinators, storage nodes, gateways, and on demand a
relay between them that can lose what goes through it."""
import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import Client, Failed, ReplyError, Server, check_equal, free_ports, wait_for

HERE = pathlib.Path(__file__).resolve().parent


class Relay:
    """The process of relay.py."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, str(HERE / "relay.py")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        check_equal(self.process.stdout.readline().strip(), "OK", f"relay {words}")

    def close(self):
        self.process.kill()
        self.process.communicate()


class Cluster:
    """Nodes by name: c1.. coordinators, s1.. storage nodes, g1.. gateways.

    `relay`: whatever goes to a storage node, or from one to another node, goes through self.relay.
    ports: where clients reach each node; through the relay, if there is one.
    """

    def __init__(self, *sets, coordinators=3, storage=3, gateways=0, shards=1, replicas=3,
                 relay=False, env=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-cluster-"))
        self.servers = {}
        self.relay = Relay() if relay else None
        names = ([f"c{n + 1}" for n in range(coordinators)] +
                 [f"s{n + 1}" for n in range(storage)] + [f"g{n + 1}" for n in range(gateways)])
        ports = iter(free_ports(4 * len(names)))
        own_ports = {n: next(ports) for n in names}
        own_links = {n: next(ports) for n in names}
        self.ports, self.links = dict(own_ports), dict(own_links)
        if relay:
            for name in names:
                if name[0] == "s":
                    self.ports[name] = self.relayed(next(ports), own_ports[name], name, "clients")
                if name[0] != "g":
                    self.links[name] = self.relayed(next(ports), own_links[name], name, "links")
        def everyone(links):
            return "cluster.coordinators=" + " ".join(
                f"{self.id(n)}=127.0.0.1:{links[n]}/{own_ports[n]}" for n in names if n[0] == "c")
        for name in names:
            own = [f"resp.port={own_ports[name]}", f"cluster.node={self.id(name)}"]
            config = "conf/standalone.yaml"
            if name[0] == "c":
                own += ["mode=coordinator", everyone(own_links), f"cluster.shards={shards}",
                        f"cluster.replicas={replicas}", f"cluster.first_nodes={storage}"]
            elif name[0] == "s":
                own += ["mode=storage", everyone(self.links),
                        f"cluster.listen=127.0.0.1:{own_links[name]}",
                        f"cluster.announce_links=127.0.0.1:{self.links[name]}",
                        f"cluster.announce=127.0.0.1:{self.ports[name]}"]
            else:
                own += [everyone(own_links)]
                config = "conf/cluster/gateway.yaml"
            self.servers[name] = Server(*own, *sets, config=config, env=env,
                                        directory=self.directory / name, wait=False)
        for server in self.servers.values():
            server.wait_ready()

    def relayed(self, port, target, name, kind):
        self.relay("serve", port, target, self.id(name), kind)
        return port

    @staticmethod
    def id(name):
        return int(name[1:]) + {"c": 0, "s": 10, "g": 20}[name[0]]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for server in self.servers.values():
            with contextlib.suppress(OSError):
                server.process.send_signal(signal.SIGCONT)
            server.close()
        if self.relay is not None:
            self.relay.close()
        if kind is not None:
            for name, server in self.servers.items():
                lines = server.log().splitlines(True)
                print(f"-- {name} ({server.process.returncode}):\n" + "".join(lines[-25:]))
        shutil.rmtree(self.directory, ignore_errors=True)

    def alive(self, kind):
        return [n for n in self.servers if n[0] == kind and self.servers[n].process.poll() is None]

    def storage(self):
        return self.alive("s")

    def coordinators(self):
        return self.alive("c")

    def client(self, name, timeout=2):
        return Client(self.ports[name], timeout=timeout)

    def ask(self, name, *command):
        with self.client(name) as c:
            c("HELLO", "3")
            return c(*command)

    def admin(self, *command):
        """Asks the coordinator that leads."""
        def attempt():
            for name in self.coordinators():
                try:
                    return (self.ask(name, *command),)
                except ReplyError as e:
                    if not str(e).startswith(("MOVED", "CLUSTERDOWN")):
                        raise
                except OSError:
                    pass
            return None
        return wait_for(f"a coordinator that answers {command}", attempt)[0]

    def view(self, shard=1):
        return self.admin("VIEW", "GET", shard)

    def replica(self, name, shard=1):
        """What a node says of its replica of the shard."""
        return next(e for e in self.ask(name, "EPOCH") if e["shard"] == shard)

    def name_of(self, node):
        return next(n for n in self.servers if self.id(n) == node)

    def primary(self, shard=1):
        """The name of the node that leads the shard and says so itself."""
        def attempt():
            view = self.view(shard)
            if view["phase"] != b"active":
                return None
            name = self.name_of(view["primary"])
            epoch = self.replica(name, shard)
            return name if epoch["role"] == b"primary" and epoch["lease"] == 1 else None
        return wait_for(f"a primary of shard {shard}", attempt)

    def whole(self):
        """Until every slot is served, through each gateway too."""
        wait_for("every slot served", lambda: all(
            b"cluster_state:ok" in self.ask(n, "CLUSTER", "INFO") for n in self.storage()))
        for view in self.admin("VIEW", "LIST")["views"]:
            self.primary(view["shard"])
        for name in self.alive("g"):
            wait_for(f"{name} has the map",
                     lambda n=name: b"cluster_state:ok" in self.ask(n, "CLUSTER", "INFO"))
        return self.primary()

    def healthy(self):
        """Until every storage node may be stopped: all copies of all shards count."""
        for name in self.servers:
            if name[0] != "s":
                continue
            wait_for(f"{name} can be stopped", lambda n=name: self.admin(
                "NODE", "CAN-STOP", self.id(n))["can_stop"] == b"yes", 60)
        return self.primary()

    def epoch(self, shard=1):
        return self.view(shard)["epoch"]

    def undisturbed(self, what):
        """What is not about failovers; once more if one came between, for which a busy machine is
        reason enough."""
        def epochs():
            self.whole()
            return [view["epoch"] for view in self.admin("VIEW", "LIST")["views"]]

        for _ in range(5):
            before = epochs()
            try:
                return what()
            except Exception as e:  # whatever a client library makes of it
                time.sleep(1)
                if epochs() == before:
                    raise
                print(f"        views changed meanwhile; again after {type(e).__name__}")
        raise Failed("views change all the time")

    def hand_over(self, name, shard=1):
        def there():
            if self.primary(shard) == name:
                return True
            try:
                self.admin("SHARD", "HANDOVER", shard, self.id(name))
            except ReplyError:
                pass  # its view changes just now, or the node has missed too much
            time.sleep(0.3)
            return False
        wait_for(f"{name} to lead", there)
