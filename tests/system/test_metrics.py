"""/metrics: what promtool thinks of it, and what stands in it from the start."""
# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import subprocess

import pytest

import wire
from conftest import ROOT, stream, wait_until

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"


def families():
    table = (ROOT / "server" / "tables" / "metrics.h").read_text()
    return re.findall(r'METRIC\(\w+,\s*"(\w+)"', table)


def test_every_family_is_there_from_the_first_scrape(gate):
    text = gate.get("/metrics")[1]
    for name in families() + ["ledger_imbalance_items", "buffer_items", "build_info", "ready",
                              "not_ready_reason", "log_messages_total"]:
        assert re.search(rf"^# TYPE spangate_{name} ", text, re.M), name
        assert re.search(rf"^# HELP spangate_{name} .*\?$", text, re.M), name
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                 "process_max_fds", "process_start_time_seconds"]:
        assert gate.metrics()[name] > 0
    samples = gate.metrics()
    assert samples['spangate_items_accepted_total{signal="tracing"}'] == 0
    assert samples['spangate_items_dropped_total{signal="ebpf",reason="policy"}'] == 0
    assert samples['spangate_integrity_findings_total{rule="span-blank",class="proof"}'] == 0
    assert samples['spangate_integrity_findings_total{rule="root-not-last",class="strong"}'] == 0
    assert samples['spangate_integrity_findings_total{rule="root-not-last",class="hint"}'] == 0
    assert 'spangate_integrity_findings_total{rule="span-blank",class="hint"}' not in samples
    assert samples["spangate_ledger_imbalance_items"] == 0


def test_promtool_finds_no_fault(gate, backend):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (package prometheus)")
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(20)])
    wait_until(lambda: len(backend.segments()) == 20, "the segments")
    gate.wait_settled()
    text = gate.get("/metrics")[1]
    result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                            capture_output=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def test_openmetrics_by_accept(gate):
    _, plain, headers = gate.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    _, text, headers = gate.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n") and "# EOF" not in plain
    assert "# TYPE spangate_items_accepted counter\n" in text
    assert 'spangate_items_accepted_total{signal="log"} 0\n' in text


def test_histograms_are_cumulative(gate, backend):
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(20)])
    wait_until(lambda: len(backend.segments()) == 20, "the segments")
    gate.wait_settled()
    buckets = [(name, value) for name, value in gate.metrics().items()
               if name.startswith('spangate_delivery_duration_seconds_bucket{signal="tracing"')]
    values = [value for _, value in buckets]
    assert values == sorted(values) and '+Inf' in buckets[-1][0]
    count = gate.metrics()['spangate_delivery_duration_seconds_count{signal="tracing"}']
    assert values[-1] == count > 0


def test_counts_of_a_call(gate, backend):
    stream(gate.channel(), COLLECT, [wire.segment(), wire.segment(spans=[])])
    gate.wait_metric("items_accepted_total", 2, signal="tracing")
    gate.wait_settled()
    assert gate.metric("items_forwarded_total", signal="tracing") == 1
    assert gate.metric("items_dropped_total", signal="tracing", reason="empty") == 1
    assert gate.metric("segments_total", verdict="clean") == 1
    assert gate.metric("segments_total", verdict="dropped") == 1
    assert gate.metric("spans_total") == 2
    assert gate.metric("grpc_server_handled_total", code="OK",
                       method="skywalking.v3.TraceSegmentReportService/collect") == 1
    assert gate.metric("connections_total", listener="grpc") == 1
    assert gate.metric("backend_up") == 1
