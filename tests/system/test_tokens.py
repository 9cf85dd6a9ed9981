"""Who may report: tokens in the metadata, and ours towards the backend."""
# SPDX-License-Identifier: Apache-2.0
import grpc
import pytest

import wire
from backend import COLLECT
from conftest import OpenStream, stream, unary, wait_until

KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"
CONFIGURATIONS = "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations"
HEALTH = "/grpc.health.v1.Health/Check"
PING = wire.text(1, "shop") + wire.text(2, "shop-1")
# Unlike any other word of a log line.
TOKENS = "listen.auth.tokens=tok-f3b1c9,tok-8842aa"


def shown(token):
    return [("authentication", token)]


def denied(call):
    with pytest.raises(grpc.RpcError) as failure:
        call()
    return failure.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_a_token_lets_in(start, backend):
    gate = start(TOKENS, "log.level=debug")
    for token in ("tok-f3b1c9", "tok-8842aa"):
        assert stream(gate.channel(), COLLECT, [wire.segment()], metadata=shown(token)) == b""
    stranger = gate.channel()
    for token in ("tok-f3b1c", "tok-f3b1c99", "x", ""):
        assert denied(lambda: stream(stranger, COLLECT, [wire.segment()], metadata=shown(token)))
        assert denied(lambda: unary(stranger, KEEP_ALIVE, PING, metadata=shown(token)))
    assert denied(lambda: unary(stranger, KEEP_ALIVE, PING))
    wait_until(lambda: len(backend.segments()) == 2, "the segments of those who are known")
    assert gate.metric("connections_refused_total", reason="auth") == 1
    assert gate.metric("grpc_server_handled_total", code="PERMISSION_DENIED") == 9
    assert gate.metric("items_accepted_total") == 2
    gate.wait_settled()
    assert not any("tok-" in line for line in gate.lines)


def test_a_go_agent(start, backend):
    """It shows its token with data, and none when it asks for configuration and tasks."""
    gate = start(TOKENS)
    channel = gate.channel()
    assert unary(channel, CONFIGURATIONS, b"") == b""
    assert stream(channel, COLLECT, [wire.segment()], metadata=shown("tok-8842aa")) == b""
    assert unary(channel, CONFIGURATIONS, b"", metadata=shown("")) == b""
    assert denied(lambda: unary(channel, CONFIGURATIONS, b"", metadata=shown("other")))


def test_without_the_exemption(start):
    gate = start(TOKENS, "listen.auth.exempt_control_calls=false")
    channel = gate.channel()
    assert denied(lambda: unary(channel, CONFIGURATIONS, b""))
    stream(channel, COLLECT, [wire.segment()], metadata=shown("tok-8842aa"))
    assert unary(channel, CONFIGURATIONS, b"") == b""
    assert unary(channel, KEEP_ALIVE, PING) == b""  # another proxy: a token on streams only
    assert unary(gate.channel(), HEALTH, b"") != b""


def test_a_denied_stream_takes_nothing(start, backend):
    """The client still sends: it is read and gone, and the connection lives on."""
    gate = start(TOKENS)
    channel = gate.channel()
    one = OpenStream(channel, COLLECT)
    for _ in range(50):
        one.send(wire.segment([wire.span(0, -1, tags=[("blob", "x" * 100000)])]))
    with pytest.raises(grpc.RpcError):
        one.end()
    stream(channel, COLLECT, [wire.segment()], metadata=shown("tok-f3b1c9"))
    wait_until(lambda: len(backend.segments()) == 1, "the segment with a token")
    assert gate.metric("items_accepted_total", signal="tracing") == 1


def test_our_own_token_is_on_every_call(start, backend):
    gate = start("upstream.auth_token=ours", TOKENS)
    known = gate.channel()
    stream(known, COLLECT, [wire.segment()], metadata=shown("tok-f3b1c9"))
    unary(known, KEEP_ALIVE, PING, metadata=shown("tok-f3b1c9"))
    stream(known, "/skywalking.v3.LogReportService/collect", [wire.log()], metadata=shown("tok-8842aa"))
    wait_until(lambda: len(backend.paths()) == 3, "all three")
    with backend.lock:
        assert [metadata.get("authentication") for _, _, metadata in backend.calls] == ["ours"] * 3


def test_without_one_of_our_own_a_batch_carries_none(start, backend):
    gate = start(TOKENS)
    stream(gate.channel(), COLLECT, [wire.segment()], metadata=shown("tok-f3b1c9"))
    wait_until(lambda: len(backend.segments()) == 1, "the segment")
    with backend.lock:
        assert "authentication" not in backend.calls[0][2]
