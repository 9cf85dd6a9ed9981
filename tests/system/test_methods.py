"""Every row of tables/methods.h, aliases too: what the agent is told and what arrives."""
# SPDX-License-Identifier: Apache-2.0
import re

import grpc
import pytest

import wire
from backend import COLLECT_IN_SYNC
from conftest import ROOT, stream, unary, wait_until

TABLE = (ROOT / "server" / "tables" / "methods.h").read_text()
ROWS = {row[0]: row for row in re.findall(
    r'METHOD\(\d+,\s*(\w+),\s*"([^"]+)",\s*(\w+),\s*(\w+),\s*(\w+),\s*(\w+),'
    r'\s*\d+,\s*\w+,\s*(\w+),', TABLE)}
PATHS = [(row[1], token) for token, row in ROWS.items()]
PATHS += re.findall(r'ALIAS\("([^"]+)",\s*(\w+)\)', TABLE)
TAKEN = [(path, token) for path, token in PATHS if ROWS[token][3] == "A"]
RELAYED = [(path, token) for path, token in PATHS if ROWS[token][3] in "BC"]
METER_BATCH = "/skywalking.v3.MeterReportService/collectBatch"


@pytest.fixture(scope="module")
def shared_backend():
    from backend import Backend
    one = Backend()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def shared(shared_backend):
    from conftest import Spangate
    one = Spangate(f"upstream.addresses={shared_backend.address}")
    yield one
    assert one.end() == 0, "\n".join(one.lines)


def call(gate, path, kind, message):
    with gate.channel() as channel:
        return (unary if kind == "UNARY" else lambda c, p, m: stream(c, p, [m]))(
            channel, path, message)


def test_table_is_read_whole():
    assert len(ROWS) == 35 and len(PATHS) == 47


@pytest.mark.parametrize("path,token", TAKEN)
def test_taken_methods_answer_empty_commands_and_arrive(shared, shared_backend, path, token):
    _, row_path, kind, _, _, message_type, handler = ROWS[token]
    message = wire.EXAMPLES[message_type]()
    assert call(shared, path, kind, message) == b""
    if handler == "SEGMENT":
        wait_until(lambda: message in shared_backend.segments(), "the segment")
    elif handler == "SEGMENTS":
        for one in wire.every(message, 1):
            wait_until(lambda: one in shared_backend.segments(), "the segment")
    elif handler == "METER":
        wait_until(lambda: wire.text(1, message) in shared_backend.messages(METER_BATCH), "the set")
    else:
        wait_until(lambda: message in shared_backend.messages(row_path), f"the message at {row_path}")


@pytest.mark.parametrize("path,token", RELAYED)
def test_methods_that_need_an_oap_get_its_answer(shared, shared_backend, path, token):
    _, _, kind, _, _, message_type, _ = ROWS[token]
    message = wire.EXAMPLES[message_type]()
    before = len(shared_backend.calls_of(path))
    if kind == "BIDI":
        with shared.channel() as channel:
            assert list(channel.stream_stream(path)(iter([message]), timeout=10)) == [b""]
    else:
        assert call(shared, path, kind, message) == b""
    assert shared_backend.calls_of(path)[before:] == [[message]]


@pytest.mark.parametrize("path", [
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
    "/envoy.service.accesslog.v2.AccessLogService/StreamAccessLogs",
    "/envoy.service.metrics.v3.MetricsService/StreamMetrics",
    "/satellite.envoy.accesslog.v3.SatelliteAccessLogService/StreamAccessLogs",
    "/skywalking.v3.Nothing/collect", "/grpc.reflection.v1.ServerReflection/Info"])
def test_unknown_paths_are_relayed(shared, shared_backend, path):
    with shared.channel() as channel:
        assert stream(channel, path, [b"one", b"", b"three"]) == b""
    assert [b"one", b"", b"three"] in shared_backend.calls_of(path)


@pytest.mark.parametrize("path", ["/RemoteService/call", "/grpc.health.v1.Health/List"])
def test_what_is_not_for_agents_is_refused(shared, shared_backend, path):
    with shared.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        unary(channel, path, b"")
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert path not in shared_backend.paths()


def test_every_taken_item_was_forwarded(shared, shared_backend):
    shared.wait_settled()
    assert shared.metric("items_accepted_total") == shared.metric("items_forwarded_total") + \
        shared.metric("items_dropped_total", reason="policy")
    assert COLLECT_IN_SYNC in shared_backend.paths()
