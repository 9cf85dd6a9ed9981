"""What breaks around spangate: backends and agents that die in the middle, and too little memory."""
# SPDX-License-Identifier: Apache-2.0
import socket
import struct
import threading

import durable
import wire
from backend import COLLECT
from conftest import reset
from system_conftest import OpenStream, stream, wait_until

MIB = 1 << 20
N_CUTS = 4  # the waits before reconnecting grow with each


def send(gate, n_calls, per_call):
    channel = gate.channel()
    ids = []
    for _ in range(n_calls):
        segments = [wire.segment() for _ in range(per_call)]
        assert stream(channel, COLLECT, segments) == b""
        ids += [wire.segment_id(s) for s in segments]
    return ids


def test_connections_cut_in_the_middle_of_calls_lose_nothing(start, backend, proxy):
    """Acknowledged segments all arrive; a cut one may arrive twice, never not."""
    proxy.cut_after(N_CUTS, 2000, 20000)
    gate = start(upstream=proxy.address)
    ids = []
    threads = [threading.Thread(target=lambda: ids.extend(send(gate, 60, 10))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 2400
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all segments", patience=60)
    assert proxy.n_cuts > 0
    assert gate.metric("backend_retries_total") > 0
    gate.wait_settled()
    assert gate.metric("items_forwarded_total", signal="tracing") == 2400


def preface_and_half_a_message():
    """HTTP/2 by hand: one call whose only message ends in its middle."""
    def frame(kind, flags, stream_id, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
            ">I", stream_id) + payload

    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

    head = b"\x83\x86" + b"".join([
        literal(b":path", COLLECT.encode()), literal(b":authority", b"test"),
        literal(b"te", b"trailers"), literal(b"content-type", b"application/grpc")])
    segment = wire.segment()
    message = b"\0" + struct.pack(">I", len(segment)) + segment
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, head) +
            frame(0, 0, 1, message + message[:len(message) // 2]))


def test_agents_that_die_in_a_message_cost_nothing(gate, backend):
    """Their whole messages count, their halves do not; memory comes back."""
    host, port = gate.address.rsplit(":", 1)
    send(gate, 1, 1)
    wait_until(lambda: len(backend.segments()) == 1, "the first segment")
    before = gate.metric("memory_used_bytes")
    connections = []
    for _ in range(200):
        connection = socket.create_connection((host, int(port)))
        connection.sendall(preface_and_half_a_message())
        connections.append(connection)
    gate.wait_metric("items_accepted_total", 201, signal="tracing")
    for connection in connections:
        reset(connection)
    gate.wait_metric("integrity_findings_total", 200, rule="conn-lost-mid-message")
    wait_until(lambda: len(backend.segments()) == 201, "all whole messages")
    wait_until(lambda: gate.metric("memory_used_bytes") <= before + MIB, "the memory comes back")
    gate.wait_settled()


def test_large_messages_in_little_memory_wait_and_all_arrive(start, backend):
    """Sixteen agents with 16 MiB in all, 4 MiB of buffer, a backend that does not answer."""
    gate = start("limits.memory=32MiB", "buffer.memory.max=4MiB", "limits.workers=1",
                 "buffer.mode=memory")
    backend.gate.clear()
    large = [wire.segment(spans=[wire.span(0, -1, tags=[("note", "x" * 250_000)])])
             for _ in range(64)]
    calls = [OpenStream(gate.channel(), COLLECT) for _ in range(16)]
    for i, message in enumerate(large):
        calls[i % 16].send(message)
    wait_until(lambda: gate.metric("buffer_bytes", tier="memory") > 3 * MIB, "a full buffer")
    assert gate.metric("items_accepted_total", signal="tracing") < 64
    assert gate.get("/livez")[0] == 200
    assert durable.memory_bytes(gate) < 96 * MIB
    backend.gate.set()
    for call in calls:
        assert call.end() == b""
    want = {wire.segment_id(m) for m in large}
    wait_until(lambda: set(backend.segment_ids()) == want, "all segments", patience=60)
    gate.wait_settled()
    assert gate.metric("items_dropped_total") == 0


def test_an_outage_larger_than_the_memory_goes_to_disk(start, backend):
    """What no longer fits is on disk only, read back later, and memory stays in its limit."""
    backend.stop()
    gate = start("limits.memory=64MiB", "buffer.memory.max=8MiB", "listen.max_message=4MiB",
                 "integrity.window_memory=1MiB", "upstream.retry.max=300ms")
    ids = durable.send(gate, 200, per_call=10, make=durable.large, timeout=60)
    assert gate.metric("buffer_bytes", tier="disk") > 190 * MIB
    assert gate.metric("buffer_bytes", tier="memory") <= 8 * MIB
    assert durable.memory_bytes(gate) < 96 * MIB
    backend.start()
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all segments", patience=60)
    gate.wait_settled()
    assert durable.memory_bytes(gate) < 96 * MIB
    assert sorted(backend.segment_ids()) == sorted(ids)
