"""GOAWAY in two steps: in clear text, over TLS, for age; what comes in between is still taken."""
# SPDX-License-Identifier: Apache-2.0
import signal
import socket
import ssl

import h2.config
import h2.connection
import pytest

import wire
from backend import COLLECT
from certificates import Authority
from conftest import OpenStream, stream, wait_until
from rawclient import framed

LAST = 2**31 - 1


class Agent:
    """An HTTP/2 client by hand that remembers GOAWAYs."""

    def __init__(self, address, context=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.goaways, self.ended, self.is_closed, self.rest = [], set(), False, b""
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def open(self):
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, [
            (":method", "POST"), (":scheme", "http"), (":path", COLLECT), (":authority", "test"),
            ("content-type", "application/grpc"), ("te", "trailers")])
        self.flush()
        return stream_id

    def send(self, stream_id, message, end=False):
        # h2 sends nothing after a GOAWAY of the peer: the frame is made by hand.
        data = framed(message)
        self.socket.sendall(len(data).to_bytes(3, "big") + bytes([0, end]) +
                            stream_id.to_bytes(4, "big") + data)

    def receive(self):
        """Frames by hand too: one read's worth of events."""
        data = self.socket.recv(65536)
        self.is_closed = not data
        self.rest += data
        while len(self.rest) >= 9:
            n = int.from_bytes(self.rest[:3], "big")
            if len(self.rest) < 9 + n:
                return
            kind, flags = self.rest[3], self.rest[4]
            stream_id = int.from_bytes(self.rest[5:9], "big") & LAST
            self.take(kind, flags, stream_id, self.rest[9:9 + n])
            self.rest = self.rest[9 + n:]

    def take(self, kind, flags, stream_id, payload):
        if kind == 7:
            self.goaways.append((int.from_bytes(payload[:4], "big"),
                                 int.from_bytes(payload[4:8], "big")))
        elif kind in (4, 6) and not flags & 1:  # SETTINGS, PING: acknowledged
            self.socket.sendall((len(payload) if kind == 6 else 0).to_bytes(3, "big") +
                                bytes([kind, 1]) + bytes(4) + (payload if kind == 6 else b""))
        elif kind in (0, 1) and flags & 1:
            self.ended.add(stream_id)

    def until(self, condition):
        while not condition() and not self.is_closed:
            self.receive()
        assert condition()


@pytest.fixture(params=["clear", "tls"])
def connect(request, start, tmp_path):
    """A function that starts a process with some settings, and one that connects to it."""
    def begin(*sets):
        if request.param == "clear":
            gate = start(*sets)
            return gate, lambda: Agent(gate.address)
        authority = Authority(tmp_path)
        pair = authority.issue("localhost")
        gate = start("listen.grpc_tls.address=127.0.0.1:0",
                     f"listen.grpc_tls.cert_file={pair.cert}",
                     f"listen.grpc_tls.key_file={pair.key}", *sets)
        context = ssl.create_default_context(cafile=authority.cert)
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        return gate, lambda: Agent(gate.find(r"^listening  grpc \S+ grpc_tls (\S+)"), context)

    return begin


def see_two_steps(gate, backend, agent, begin):
    """The first names no stream: open no more. The second, after its PING, names the last one."""
    one = agent.open()
    agent.send(one, wire.segment())
    wait_until(lambda: len(backend.segments()) == 1, "the first segment")
    begin()
    agent.until(lambda: len(agent.goaways) == 2)
    assert agent.goaways == [(LAST, 0), (one, 0)]
    # Served on, then answered, and closed in order.
    agent.send(one, wire.segment())
    wait_until(lambda: len(backend.segments()) == 2, "a segment after the second step")
    agent.send(one, wire.segment(), end=True)
    agent.until(lambda: one in agent.ended)
    agent.until(lambda: agent.is_closed)
    wait_until(lambda: len(backend.segments()) == 3, "the last segment")


def test_at_the_end(connect, backend):
    gate, make = connect("shutdown.drain=8s", "shutdown.flush=8s")
    see_two_steps(gate, backend, make(), lambda: gate.process.send_signal(signal.SIGTERM))
    assert gate.process.wait(20) == 0


def test_for_age(connect, backend):
    gate, make = connect("listen.max_connection_age=2s", "shutdown.drain=8s")
    see_two_steps(gate, backend, make(), lambda: None)
    assert gate.metric("goaways_total", reason="age") == 1
    assert gate.metric("goaways_total", reason="drain") == 0
    assert gate.get("/readyz")[0] == 200
    stream(gate.channel(), COLLECT, [wire.segment()])


def test_many_ages_of_a_busy_agent_cost_no_call(start, backend):
    """grpcio's client on a connection that is told to go each second: no call fails."""
    gate = start("listen.max_connection_age=1s", "shutdown.drain=2s")
    channel = gate.channel()
    sent = []
    while gate.metric("goaways_total", reason="age") < 4:
        for _ in range(20):
            sent.append(wire.segment())
            assert stream(channel, COLLECT, [sent[-1]]) == b""
    wait_until(lambda: len(backend.segments()) == len(sent), "every segment")
    assert sorted(backend.segments()) == sorted(sent)
    gate.wait_settled()


def test_an_endless_stream_of_age_is_answered(start, backend):
    gate = start("listen.max_connection_age=1s", "shutdown.drain=2s")
    one = OpenStream(gate.channel(), COLLECT)
    one.send(wire.segment())
    assert one.call.result(20) == b""
    one.queue.put(None)
    wait_until(lambda: len(backend.segments()) == 1, "its segment")
    gate.wait_metric("connections", 0, listener="grpc")
