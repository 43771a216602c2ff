#!/usr/bin/python3
"""A relay of TCP connections that can stop to forward without closing anything: what a link looks
like when packets vanish. A process of its own, so that the load of a test does not slow it.

Commands come on standard input, one a line, and each is answered with a line: OK, or what is wrong.

    serve PORT TARGET-PORT NODE links|clients   relay connections to that node
    cut NODE      nothing goes to or from that node any more, links and clients
    isolate NODE  the same for its links to other nodes; its clients still reach it
    heal NODE     all of it goes on, with what was sent meanwhile

Who opened a link is read from its first frame (docs/PROTOCOL.md, Hello): so a link is cut when one
of its two ends is.
"""
import selectors
import socket
import struct
import sys

HELLO_FROM = 32 + 8  # the number of the node that dials: a frame's header, then the fields before it
BUFFER = 1 << 18


class Pipe:
    """One direction of a connection."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.waiting = b""
        self.ended = False


class Connection:
    """A client's or a node's connection, and the one to the target."""

    def __init__(self, relay, near, target, node, links):
        self.relay, self.node, self.links = relay, node, links
        self.dialler = None
        self.head = b""  # until it is known who dials
        self.near, self.far = near, socket.socket()
        for end in (self.near, self.far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.far.connect_ex(("127.0.0.1", target))
        self.pipes = {self.near: Pipe(self.near, self.far), self.far: Pipe(self.far, self.near)}
        self.open = True
        self.watch()

    def stuck(self):
        relay = self.relay
        if self.node in relay.cut or self.dialler in relay.cut:
            return True
        return self.links and (self.node in relay.isolated or self.dialler in relay.isolated)

    def watch(self):
        """Asks for the events that something can be done with now."""
        for end, pipe in self.pipes.items():
            back = self.pipes[pipe.sink]
            events = 0
            if self.open and not self.stuck():
                events |= selectors.EVENT_READ if not pipe.waiting and not pipe.ended else 0
                events |= selectors.EVENT_WRITE if back.waiting else 0
            self.relay.want(end, events, self)

    def ready(self, end, events):
        if not self.open or self.stuck():
            return self.watch()
        try:
            if events & selectors.EVENT_READ:
                self.read(self.pipes[end])
            if events & selectors.EVENT_WRITE:
                self.write(self.pipes[self.pipes[end].sink])
        except BlockingIOError:
            pass
        except OSError:
            return self.close()
        if all(pipe.ended for pipe in self.pipes.values()):
            return self.close()
        self.watch()
        return None

    def read(self, pipe):
        data = pipe.source.recv(BUFFER)
        if not data:
            pipe.ended = True
            pipe.sink.shutdown(socket.SHUT_WR)
            return
        if self.links and self.dialler is None and pipe.source is self.near:
            self.head += data
            if len(self.head) < HELLO_FROM + 4:
                return
            self.dialler = struct.unpack_from("<I", self.head, HELLO_FROM)[0]
            data, self.head = self.head, b""
        pipe.waiting = data
        if not self.stuck():
            self.write(pipe)

    @staticmethod
    def write(pipe):
        if pipe.waiting:
            pipe.waiting = pipe.waiting[pipe.sink.send(pipe.waiting):]

    def close(self):
        self.open = False
        for end in (self.near, self.far):
            self.relay.want(end, 0, self)
            end.close()
        self.relay.connections.discard(self)


class Relay:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.cut, self.isolated = set(), set()
        self.connections = set()

    def want(self, end, events, connection):
        known = end.fileno() >= 0 and end in self.selector.get_map()
        if events and known:
            self.selector.modify(end, events, connection)
        elif events:
            self.selector.register(end, events, connection)
        elif known:
            self.selector.unregister(end)

    def serve(self, port, target, node, kind):
        listener = socket.create_server(("127.0.0.1", int(port)), backlog=256)
        listener.setblocking(False)

        def accept():
            near, _ = listener.accept()
            self.connections.add(
                Connection(self, near, int(target), int(node), kind == "links"))
        self.selector.register(listener, selectors.EVENT_READ, accept)

    def command(self, words):
        if words[0] == "serve":
            self.serve(*words[1:])
            return "OK"
        node = int(words[1])
        if words[0] == "cut":
            self.cut.add(node)
        elif words[0] == "isolate":
            self.isolated.add(node)
        elif words[0] == "heal":
            self.cut.discard(node)
            self.isolated.discard(node)
        else:
            return "unknown command"
        for connection in list(self.connections):
            connection.watch()
        return "OK"

    def run(self):
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        while True:
            for key, events in self.selector.select():
                if key.fileobj is sys.stdin:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    print(self.command(line.split()), flush=True)
                elif isinstance(key.data, Connection):
                    key.data.ready(key.fileobj, events)
                else:
                    key.data()


if __name__ == "__main__":
    Relay().run()
