"""What a client sees of a failover: real processes, many clients, directly and through a gateway,
and every kind of harm to a primary in turn.

Each round must lose no acknowledged write and show no old value; a client of the gateway sees no
error and every one of its writes done exactly once, those that wait (BLPOP) as well: only a pause.
How long it all takes is measured and printed, never asserted.

HOLDFAST_ROUNDS: of each kind (1). `make failover ROUNDS=20` for figures.
HOLDFAST_KINDS: only these. HOLDFAST_PAUSE_S: how long a paused primary sleeps (2); with 20 rounds or
more, one of them sleeps 30 s.
"""
import contextlib
import os
import signal
import time

import harness
import load
from cluster import Cluster
from harness import Client, ReplyError, check, wait_for
from stalled_threads import StalledThreads

ROUNDS = int(os.environ.get("HOLDFAST_ROUNDS", "1"))
PAUSE_S = float(os.environ.get("HOLDFAST_PAUSE_S", "2"))
KINDS = os.environ.get("HOLDFAST_KINDS", "").split()
ROUNDS_A_CLUSTER = 3  # views that change more often than that in a minute change slower on purpose
CLIENTS = 6  # of each sort


class Sleeper:
    """Clients of a primary that asked it before it fell asleep, and what they get when it wakes."""

    def __init__(self, port):
        self.clients = [Client(port, timeout=5) for _ in range(3)]
        for client in self.clients:
            client("GET", "asleep")

    def ask(self):
        write, read, both = self.clients
        write.send("SET", "asleep", "lost")
        read.send("GET", "asleep")
        both.send_raw(Client.encode("MULTI") + Client.encode("INCR", "asleep:count") +
                      Client.encode("EXEC"))

    def check(self):
        """Nothing was done and nothing is shown: a refusal that says so, or the end."""
        for client in self.clients:
            with contextlib.suppress(OSError, ConnectionError):
                for _ in range(3):
                    answer = client.read()
                    # "OK" to MULTI promises nothing; what counts is EXEC.
                    told = answer == "OK" and client is self.clients[2]
                    check(told or isinstance(answer, ReplyError), f"it answered {answer!r}")
                    if isinstance(answer, ReplyError):
                        check(str(answer).startswith(("MOVED", "CLUSTERDOWN", "EXECABORT")),
                              str(answer))
                    if client is not self.clients[2]:
                        break
            client.close()


class Harm:
    """One way for a primary to go. The seconds of a round count from the end of do()."""

    def __init__(self, cluster, name, round_number):
        self.cluster, self.name, self.round = cluster, name, round_number
        self.server = cluster.servers[name]

    def prepare(self):
        pass

    def do(self):
        raise NotImplementedError

    def undo(self):
        """When others serve: the node comes back."""


class Kill(Harm):
    def do(self):
        self.server.process.send_signal(signal.SIGKILL)

    def undo(self):
        self.server.process.communicate()
        self.server.start()


class Stop(Harm):
    """SIGTERM: it hands over first."""

    def do(self):
        self.server.process.send_signal(signal.SIGTERM)

    def undo(self):
        self.server.process.communicate()
        self.server.start()


class Pause(Harm):
    def prepare(self):
        self.sleeper = Sleeper(self.cluster.ports[self.name])

    def do(self):
        self.began = time.monotonic()
        self.server.process.send_signal(signal.SIGSTOP)

    def undo(self):
        self.sleeper.ask()
        seconds = 30 if ROUNDS >= 20 and self.round == 0 else PAUSE_S
        time.sleep(max(0, self.began + seconds - time.monotonic()))
        self.server.process.send_signal(signal.SIGCONT)
        self.sleeper.check()


class Cut(Harm):
    """Nothing comes through to it or from it, and nothing is closed."""
    word = "cut"

    def do(self):
        self.cluster.relay(self.word, self.cluster.id(self.name))

    def undo(self):
        time.sleep(0.3)
        self.cluster.relay("heal", self.cluster.id(self.name))


class Isolate(Cut):
    """Its clients still reach it, other nodes don't."""
    word = "isolate"


class Stall(Harm):
    """Its device completes nothing any more."""

    def do(self):
        try:
            self.stalled = StalledThreads(self.server.process.pid)
        except OSError as error:
            raise harness.Skipped(f"no ptrace here: {error}") from error

    def undo(self):
        self.stalled.resume()


HARMS = {"kill -9": Kill, "SIGTERM": Stop, "SIGSTOP": Pause, "cut off": Cut, "isolated": Isolate,
         "stalled disk": Stall}


class Table:
    def __init__(self):
        self.rows = {}  # kind: of each round, the three times

    def add(self, kind, *seconds):
        self.rows.setdefault(kind, []).append(seconds)

    def last(self, kind):
        return ", ".join(f"{seconds * 1000:.0f} ms" for seconds in self.rows[kind][-1])

    @staticmethod
    def figures(seconds):
        ordered = sorted(seconds)
        def at(part):
            return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
        return " | ".join(f"{v * 1000:.0f}" for v in (at(0.5), at(0.99), ordered[-1]))

    def print(self):
        print("| ms | rounds | another node acknowledges a write: p50 | p99 | max "
              "| longest pause of a client: p50 | p99 | max "
              "| through the gateway: p50 | p99 | max |")
        print("|---|--:|" + "--:|" * 9)
        for kind, rounds in self.rows.items():
            print(f"| {kind} | {len(rounds)} | " +
                  " | ".join(self.figures(column) for column in zip(*rounds)) + " |", flush=True)


@contextlib.contextmanager
def clients(cluster):
    """Writers of both sorts; when they have ended, what they were told is compared with what is
    there."""
    told = load.Told()
    storage = {n: cluster.ports[n] for n in cluster.storage()}
    gateways = {n: cluster.ports[n] for n in cluster.alive("g")}
    direct = [load.Writer(storage, f"direct{i}", timeout=0.1, told=told) for i in range(CLIENTS)]
    through = [load.GatewayWriter(gateways, f"gateway{i}", told=told) for i in range(CLIENTS)]
    through += [load.Worker(gateways, f"worker{i}", told=told) for i in range(2)]
    with load.running(direct + through):
        yield direct, through
    with cluster.client(cluster.primary(), timeout=20) as c:
        for thread in direct + through:
            check(thread.acknowledged, f"{thread.name_} wrote nothing")
            thread.check(c)


def ready_to_harm(cluster, kind, number, direct):
    """Of whoever leads when all is well: on a busy machine that may change by itself meanwhile."""
    name = cluster.healthy()
    epoch = cluster.epoch()
    wait_for("clients write", lambda: all(t.node == name for t in direct), 5)
    time.sleep(0.3)
    harm = HARMS[kind](cluster, name, number)
    harm.prepare()
    return (harm, epoch) if cluster.epoch() == epoch else None


def one_round(cluster, kind, number, direct, through, table):
    harm, epoch = wait_for("a primary that stays", lambda: ready_to_harm(
        cluster, kind, number, direct), 60)
    old_port = cluster.ports[harm.name]
    harm.do()
    harmed = time.monotonic()
    first = load.first_answer(direct, harmed, old_port)
    wait_for("a later view", lambda: cluster.epoch() > epoch)
    # All clients have come through.
    wait_for("all clients go on", lambda: all(t.last_sent > harmed for t in direct + through), 60)
    table.add(kind, first, max(t.longest_pause(harmed) for t in direct),
              max(t.longest_pause(harmed) for t in through))
    harm.undo()


def test_failovers_of_every_kind():
    table = Table()
    kinds = KINDS or list(HARMS)
    rounds = [(kind, n) for n in range(ROUNDS) for kind in kinds]
    try:
        writes = run_rounds(rounds, table)
    finally:
        table.print()
    print(f"        {writes} writes acknowledged, none lost; no old value read; "
          "no error through the gateway, every write of its clients done once")


def run_rounds(rounds, table):
    skipped = set()
    writes = 0
    while rounds:
        now, rounds = rounds[:ROUNDS_A_CLUSTER], rounds[ROUNDS_A_CLUSTER:]
        # Writes are made by threads of their own, so that they can be stopped: Stall.
        with Cluster(gateways=1, relay=True, env={"HOLDFAST_NO_URING": "1"}) as cluster:
            cluster.whole()
            with clients(cluster) as (direct, through):
                for kind, number in now:
                    if kind in skipped:
                        continue
                    try:
                        one_round(cluster, kind, number, direct, through, table)
                        print(f"        {kind} {number + 1}: {table.last(kind)}", flush=True)
                    except harness.Skipped as reason:
                        skipped.add(kind)
                        print(f"        {kind}: skipped, {reason}")
                cluster.healthy()
            writes += sum(len(t.answered) for t in direct + through)
    return writes


if __name__ == "__main__":
    harness.main(globals())
