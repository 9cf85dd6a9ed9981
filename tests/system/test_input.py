"""Bad input: it ends at most its own call, and it is counted."""
# SPDX-License-Identifier: Apache-2.0
import gzip
import socket

import grpc
import pytest

import wire
from conftest import OpenStream, stream, unary, wait_until
from rawclient import RawClient, framed

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"


@pytest.fixture
def raw(gate):
    client = RawClient(gate)
    yield client
    client.close()


def test_an_answer_is_an_empty_message_and_ok(raw, gate, backend):
    one = raw.open(KEEP_ALIVE)
    raw.send(one, framed(wire.named()), end=True)
    headers = raw.wait(one)
    assert headers[":status"] == "200" and headers["grpc-status"] == "0"
    assert raw.data[one] == b"\0\0\0\0\0"


def test_a_message_in_single_bytes_arrives_whole(raw, gate, backend):
    message = wire.segment()
    one = raw.open(COLLECT)
    for at, byte in enumerate(framed(message)):
        raw.send(one, bytes([byte]), end=at == len(message) + 4)
    assert raw.wait(one)["grpc-status"] == "0"
    wait_until(lambda: backend.segments() == [message], "the segment")


def test_a_truncated_message_ends_its_call_and_keeps_the_earlier_ones(raw, gate, backend):
    good = wire.segment()
    one = raw.open(COLLECT)
    raw.send(one, framed(good) + framed(wire.segment())[:-7], end=True)
    assert raw.wait(one)["grpc-status"] == str(grpc.StatusCode.INTERNAL.value[0])
    wait_until(lambda: backend.segments() == [good], "the earlier message")
    gate.wait_metric("integrity_findings_total", 1, rule="grpc-message-truncated")
    assert gate.metric("integrity_findings_total", rule="conn-lost-mid-message") == 0


def test_a_connection_lost_in_a_message_is_counted(raw, gate, backend):
    good = wire.segment()
    one = raw.open(COLLECT)
    raw.send(one, framed(good) + framed(wire.segment())[:-7])
    wait_until(lambda: backend.segments() == [good], "the earlier message")
    raw.close()
    gate.wait_metric("integrity_findings_total", 1, rule="conn-lost-mid-message")
    assert gate.metric("integrity_findings_total", rule="grpc-message-truncated") == 0


def test_gzip_is_inflated(raw, gate, backend):
    packed, plain = wire.segment(), wire.segment()
    one = raw.open(COLLECT, grpc_encoding="gzip")
    raw.send(one, framed(gzip.compress(packed), 1) + framed(plain), end=True)
    assert raw.wait(one)["grpc-status"] == "0"
    wait_until(lambda: backend.segments() == [packed, plain], "both messages")


def test_gzip_by_a_grpc_client(gate, backend):
    message = wire.segment(spans=[wire.span(0, -1, tags=[("text", "a" * 5000)])])
    assert stream(gate.channel(), COLLECT, [message], compression=grpc.Compression.Gzip) == b""
    wait_until(lambda: backend.segments() == [message], "the message")


@pytest.mark.parametrize("more,flag,status", [
    ({"grpc_encoding": "snappy"}, 1, grpc.StatusCode.UNIMPLEMENTED),
    ({}, 1, grpc.StatusCode.INTERNAL),
    ({"grpc_encoding": "gzip"}, 1, grpc.StatusCode.INTERNAL),  # what follows is no gzip
])
def test_bad_encodings(raw, gate, more, flag, status):
    one = raw.open(COLLECT, **more)
    raw.send(one, framed(wire.segment(), flag), end=True)
    assert raw.wait(one)["grpc-status"] == str(status.value[0])


@pytest.mark.parametrize("messages", [[], [wire.named(), wire.named()]])
def test_a_unary_call_has_one_message(raw, gate, messages):
    one = raw.open(KEEP_ALIVE)
    raw.send(one, b"".join(framed(m) for m in messages), end=True)
    assert raw.wait(one)["grpc-status"] == str(grpc.StatusCode.INTERNAL.value[0])


def test_wrong_content_type_is_415(gate):
    client = RawClient(gate)
    stream_id = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream_id, [(":method", "POST"), (":scheme", "http"),
                                       (":path", COLLECT), (":authority", "test"),
                                       ("content-type", "text/plain")], end_stream=True)
    client.flush()
    assert client.wait(stream_id)[":status"] == "415"
    client.close()


def test_oversize_in_a_stream_is_skipped(start, backend):
    gate = start("listen.max_message=64KiB")
    one = OpenStream(gate.channel(), COLLECT)
    good = [wire.segment(), wire.segment()]
    one.send(good[0])
    one.send(wire.segment(spans=[wire.span(0, -1, tags=[("blob", "x" * 300_000)])]))
    one.send(good[1])
    assert one.end() == b""
    wait_until(lambda: len(backend.segments()) == 2, "the good ones")
    assert backend.segments() == good
    gate.wait_metric("integrity_findings_total", 1, rule="message-oversize")
    assert gate.metric("items_quarantined_total", signal="tracing") == 1
    assert 64 * 1024 <= gate.metric("quarantine_bytes") < 70 * 1024


def test_oversize_in_a_unary_call_is_refused(start):
    gate = start("listen.max_message=64KiB")
    with pytest.raises(grpc.RpcError) as raised:
        unary(gate.channel(), KEEP_ALIVE, wire.named(wire.text(3, "x" * 300_000)))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert unary(gate.channel(), KEEP_ALIVE, wire.named()) == b""


def test_a_large_message_passes(gate, backend):
    message = wire.segment(spans=[wire.span(0, -1, tags=[("blob", "x" * (8 << 20))])])
    assert stream(gate.channel(), COLLECT, [message]) == b""
    wait_until(lambda: backend.segments() == [message], "8 MiB")


def test_a_deadline_ends_the_call_and_keeps_its_messages(gate, backend):
    import queue
    message, never = wire.segment(), queue.Queue()
    never.put(message)
    call = gate.channel().stream_unary(COLLECT).future(iter(never.get, None), timeout=0.3)
    assert call.exception(20).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    never.put(None)
    wait_until(lambda: backend.segments() == [message], "the message")


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", bytes(4096),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200],
    ids=["http1", "tls", "zeros", "after-the-preface"])
def test_garbage_closes_that_connection_only(gate, backend, garbage):
    keeps = OpenStream(gate.channel(), COLLECT)
    keeps.send(wire.segment())
    wait_until(lambda: len(backend.segments()) == 1, "the first segment")
    host, port = gate.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as bad:
        bad.sendall(garbage)
        try:
            while bad.recv(65536):
                pass
        except ConnectionResetError:
            pass
    keeps.send(wire.segment())
    wait_until(lambda: len(backend.segments()) == 2, "the other agent's segment")
    assert keeps.end() == b""


def resident(gate):
    return gate.metrics()["process_resident_memory_bytes"]


def test_four_mib_of_empty_spans_cost_neither_memory_nor_a_stall(gate):
    channel = gate.channel()
    unary(channel, KEEP_ALIVE, wire.named())
    before = resident(gate)
    message = wire.text(1, "t") + wire.text(2, "s") + b"\x1a\x00" * (2 << 20) + wire.text(4, "shop")
    for _ in range(3):
        assert stream(channel, COLLECT, [message], timeout=5) == b""
    gate.wait_metric("items_accepted_total", 3, signal="tracing")
    assert resident(gate) - before < 64 << 20


def test_invalid_utf8_is_repaired_or_set_aside(gate, backend):
    sick = wire.segment(spans=[wire.span(0, -1, tags=[("key", b"\xc3\x28")])])
    dead = wire.segment(segment_id=b"\xc3\x28")
    assert stream(gate.channel(), COLLECT, [sick, dead]) == b""
    found = wait_until(lambda: backend.segments(), "the repaired one")
    assert len(found) == 1 and b"\\xC3(" in found[0] and b"\xc3\x28" not in found[0]
    gate.wait_metric("items_quarantined_total", 1)
