"""Overload: agents wait or go on, and no call is answered with a status that silences Java."""
# SPDX-License-Identifier: Apache-2.0
# protocol.md 13.1: after one of these a Java agent drops everything for up to 90 s. Each test ends
# with the counter of answers: none of them was sent, whatever the clients made of it.
import resource
import socket

import pytest

import wire
from backend import COLLECT
from conftest import OpenStream, stream, unary, wait_until

SILENCING = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "UNKNOWN", "PERMISSION_DENIED",
             "UNAUTHENTICATED")
KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"
MIB = 1 << 20
LARGE = 500_000


def large():
    return wire.segment([wire.span(0, -1, tags=[("note", "x" * LARGE)])])


def assert_none_silenced(gate):
    """Of the answers sent, and of the calls on the way."""
    for code in SILENCING:
        assert gate.metric("grpc_server_handled_total", code=code) == 0, code


class Agents:
    """Open streams that report large segments until they get no credit any more."""

    def __init__(self, gate, n):
        self.streams = [OpenStream(gate.channel(), COLLECT) for _ in range(n)]
        self.n_sent = 0

    def send(self, n, make=large):
        for one in self.streams:
            for _ in range(n):
                one.send(make())
                self.n_sent += 1

    def end(self):
        for one in self.streams:
            assert one.end() == b""


def assert_all_arrive(gate, backend, agents):
    wait_until(lambda: len(set(backend.segment_ids())) == agents.n_sent, "every segment",
               patience=60)
    agents.end()
    gate.wait_settled()
    assert gate.metric("items_dropped_total") == 0
    assert_none_silenced(gate)


@pytest.mark.parametrize("mode", ["durable", "memory"])
def test_a_full_buffer(start, backend, mode):
    backend.stop()
    gate = start(f"buffer.mode={mode}", "buffer.disk.max=64MiB", "buffer.disk.min_free=0B",
                 "buffer.memory.max=16MiB", "limits.memory=256MiB", "listen.max_message=4MiB",
                 "upstream.retry.max=300ms")
    agents = Agents(gate, 4)
    agents.send(60)
    held = []

    def is_stalled():
        held.append(gate.metric("items_accepted_total"))
        return held[-1] < agents.n_sent and len(held) > 100 and held[-1] == held[-100] > 0

    wait_until(is_stalled, "no more is taken", patience=60)
    assert all(not one.call.done() for one in agents.streams)
    assert_none_silenced(gate)
    backend.start()
    assert_all_arrive(gate, backend, agents)


def test_the_memory_budget_full(start, backend):
    """The buffer takes its share, messages that wait before it the rest: nobody is told anything,
    all arrive in the end."""
    gate = start("buffer.mode=memory", "limits.memory=48MiB", "buffer.memory.max=26MiB",
                 "listen.max_message=4MiB", "integrity.window_memory=1MiB", "limits.workers=1")
    backend.gate.clear()
    agents = Agents(gate, 24)
    agents.send(6)

    def is_short():
        used, limit = gate.metric("memory_used_bytes"), gate.metric("memory_limit_bytes")
        return used > 0.7 * limit or gate.metric("flow_control_paused_connections") > 0

    wait_until(is_short, "memory is short", patience=60)
    assert gate.metric("memory_used_bytes") <= gate.metric("memory_limit_bytes")
    assert_none_silenced(gate)
    backend.gate.set()
    assert_all_arrive(gate, backend, agents)


def test_no_descriptors_left(start, backend):
    """Who is there reports on; who comes waits in the kernel's queue and is taken later."""
    gate = start()
    channel = gate.channel()
    assert unary(channel, KEEP_ALIVE, wire.text(1, "s") + wire.text(2, "i")) == b""
    limit = int(gate.metrics()["process_open_fds"]) + 10
    resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    host, port = gate.address.rsplit(":", 1)
    crowd = [socket.create_connection((host, int(port))) for _ in range(30)]
    wait_until(lambda: gate.find(r"(out of file descriptors)"), "the log line")
    late = gate.channel()
    waiting = late.stream_unary(COLLECT).future(iter([wire.segment()]), wait_for_ready=True)
    for _ in range(20):
        assert stream(channel, COLLECT, [wire.segment()]) == b""
    assert not waiting.done()
    for one in crowd:
        one.close()
    assert waiting.result(20) == b""
    wait_until(lambda: len(backend.segments()) == 21, "all segments")
    assert_none_silenced(gate)


def test_connections_at_their_limit(start, backend):
    gate = start("limits.max_connections=2")
    channels = [gate.channel(), gate.channel()]
    for channel in channels:
        assert stream(channel, COLLECT, [wire.segment()]) == b""
    late = gate.channel()
    waiting = late.stream_unary(COLLECT).future(iter([wire.segment()]), wait_for_ready=True)
    wait_until(lambda: gate.metric("connections_refused_total", reason="limit") > 0, "a refusal")
    for _ in range(10):
        for channel in channels:
            assert stream(channel, COLLECT, [wire.segment()]) == b""
    channels[0].close()
    assert waiting.result(20) == b""
    wait_until(lambda: len(backend.segments()) == 23, "all segments")
    assert_none_silenced(gate)


def test_too_many_streams_on_one_connection(start, backend):
    """SETTINGS say how many; gRPC clients keep the others back themselves."""
    backend.gate.clear()
    gate = start("listen.max_streams=4", "buffer.ack=forwarded")
    channel = gate.channel()
    calls = [channel.stream_unary(COLLECT).future(iter([wire.segment()])) for _ in range(40)]
    gate.wait_metric("items_accepted_total", 4, signal="tracing")
    backend.gate.set()
    for call in calls:
        assert call.result(20) == b""
    assert_none_silenced(gate)
