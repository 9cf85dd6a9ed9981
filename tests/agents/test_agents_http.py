"""The real Python agent with its HTTP protocol through spangate into its sink."""
# SPDX-License-Identifier: Apache-2.0
import urllib.request

import pytest

from test_agents import BINARY, HERE, PARTS, Scene, Sink, text
from test_agents import wait_until

REQUESTS = 20


@pytest.fixture
def scene(tmp_path):
    if not (PARTS / "python/ready").exists():
        pytest.skip("the agent is not there: make check-agents fetches it")
    one = Scene()
    folder = tmp_path / "out"
    one.sink = Sink(folder)
    one.gate = one.start([
        BINARY, "serve", f"--sink={folder}", "--set", "listen.grpc.address=127.0.0.1:0",
        "--set", "listen.http.address=127.0.0.1:0", "--set", "admin.address=",
        "--set", "telemetry.address=127.0.0.1:0"], r"^telemetry +http://([^/\s]+)")
    one.python = one.start(
        [str(PARTS / "python/bin/python"), str(HERE / "app_python.py")], r"^listening (\d+)",
        SW_AGENT_NAME="shop-python", SW_AGENT_INSTANCE_NAME="python-1", SW_AGENT_PROTOCOL="http",
        SW_AGENT_COLLECTOR_BACKEND_SERVICES=one.gate.find(r"^listening +grpc \S+ +http (\S+)"),
        SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD="2", SW_AGENT_LOGGING_LEVEL="ERROR",
        SW_AGENT_PROFILE_ACTIVE="False", SW_AGENT_METER_REPORTER_ACTIVE="False")
    yield one
    one.end()


def test_the_python_agent_over_http(scene):
    for _ in range(REQUESTS):
        with urllib.request.urlopen(f"http://127.0.0.1:{scene.python.address}/leaf", timeout=30) as answer:
            assert answer.read() == b"python leaf"
    sink = scene.sink
    wait_until(lambda: len(sink.segments_of("shop-python")) >= REQUESTS, "all segments")
    wait_until(lambda: sink.messages("ManagementService.reportInstanceProperties"), "properties")
    wait_until(lambda: sink.messages("ManagementService.keepAlive"), "a heartbeat")
    wait_until(lambda: len(sink.messages("LogReportService.collect")) >= REQUESTS, "all logs")
    assert text(sink.messages("LogReportService.collect")[0], 2) == "shop-python"
    assert scene.total("spangate_segments_total", verdict="clean") == \
        scene.total("spangate_segments_total")
    assert scene.total("spangate_integrity_findings_total") == 0
    assert scene.total("spangate_http_requests_total", code="200") == \
        scene.total("spangate_http_requests_total") > 0
    assert scene.total("spangate_ledger_imbalance_items") == 0
