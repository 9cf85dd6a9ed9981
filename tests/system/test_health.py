"""grpc.health.v1, and the probes of the telemetry port."""
# SPDX-License-Identifier: Apache-2.0
import json
import signal

import grpc
import pytest

import wire
from conftest import unary, wait_until

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"


@pytest.mark.parametrize("service", ["", "skywalking.v3.TraceSegmentReportService",
                                     "grpc.health.v1.Health"])
def test_check_serves(gate, service):
    assert unary(gate.channel(), CHECK, wire.text(1, service) if service else b"") == SERVING


def test_check_of_an_unknown_service_is_not_found(gate):
    with pytest.raises(grpc.RpcError) as raised:
        unary(gate.channel(), CHECK, wire.text(1, "skywalking.v3.Trace"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def test_watch_of_an_unknown_service_says_so(gate):
    watch = gate.channel().unary_stream(WATCH)(wire.text(1, "nothing"))
    assert next(watch) == SERVICE_UNKNOWN
    watch.cancel()


def test_watch_tells_of_the_drain(start):
    gate = start("shutdown.delay=1s")
    watch = gate.channel().unary_stream(WATCH)(b"")
    assert next(watch) == SERVING
    assert gate.get("/readyz")[0] == 200
    gate.process.send_signal(signal.SIGTERM)
    assert next(watch) == NOT_SERVING
    status, body, _ = gate.get("/readyz")
    assert (status, body.strip()) == (503, "draining")
    assert gate.get("/livez")[0] == 200
    assert gate.end() == 0


def test_telemetry_pages(gate):
    assert gate.get("/livez")[0] == gate.get("/healthz")[0] == gate.get("/readyz")[0] == 200
    build = json.loads(gate.get("/buildinfo")[1])
    assert build["version"]
    assert gate.get("/nothing")[0] == 404
    wait_until(lambda: gate.metrics()["spangate_ready"] == 1, "ready")
