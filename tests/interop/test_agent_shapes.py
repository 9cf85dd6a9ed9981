"""Agents that no registry has, by the shape of their streams and, where captured, their own messages."""
# SPDX-License-Identifier: Apache-2.0
# Source of the shapes: protocol.md 13. What stands in is grpcio with the streams, deadlines and
# metadata of each agent. Go and Java messages are the captured ones of tests/corpus; those of PHP
# (Rust), .NET, Envoy and Rover are made here from the fields their agents fill.
import http.client
import json
import queue

import grpc
import pytest

import described
import wire
from system_conftest import PATIENCE, OpenStream, stream, unary, wait_until

CORPUS = described.ROOT / "tests" / "corpus"
V3 = "/skywalking.v3."
TRACES = V3 + "TraceSegmentReportService/collect"
JVM = V3 + "JVMMetricReportService/collect"
METERS = V3 + "MeterReportService/collect"
METER_BATCH = V3 + "MeterReportService/collectBatch"
LOGS = V3 + "LogReportService/collect"
KEEP_ALIVE = V3 + "ManagementService/keepAlive"
PROPERTIES = V3 + "ManagementService/reportInstanceProperties"
CONFIGURATIONS = V3 + "ConfigurationDiscoveryService/fetchConfigurations"
PROFILES = V3 + "ProfileTask/getProfileTaskCommands"
PPROFS = "/skywalking.v10.PprofTask/getPprofTaskCommands"
TOKEN = ("authentication", "sesame")


class LongStream(OpenStream):
    """With metadata of its own."""

    def __init__(self, channel, path, **options):
        self.queue = queue.Queue()
        self.call = channel.stream_unary(path).future(iter(self.queue.get, None), **options)


def captured(name):
    found = described.sink_messages(CORPUS, name)
    assert found, name
    return found


def arrives(gate, backend, path, sent):
    found = backend.segments if path == TRACES else lambda: backend.messages(path)
    wait_until(lambda: len(found()) >= len(sent), f"what was sent to {path}")
    assert sorted(found()) == sorted(sent)


def is_quiet(gate):
    """Nothing above a hint, nothing kept back, nothing lost."""
    gate.wait_settled()
    found = {sample: value for sample, value in gate.metrics().items()
             if sample.startswith("spangate_integrity_findings_total") and value
             and 'class="hint"' not in sample}
    assert found == {}
    assert gate.metric("items_quarantined_total") == 0
    assert gate.metric("items_dropped_total") == 0


def test_go(start, backend):
    """One stream a kind for the life of the process, without a deadline; its token is on the reports, and
    on none of its questions."""
    gate = start("listen.auth.tokens=sesame")
    channel = gate.channel()
    reports = {TRACES: captured("go"), METER_BATCH: captured("go.MeterReportService.collectBatch")}
    unary(channel, PROPERTIES, captured("go.ManagementService.reportInstanceProperties")[0],
          metadata=[TOKEN], timeout=None)
    streams = {}
    for path, messages in reports.items():
        streams[path] = LongStream(channel, path, metadata=[TOKEN])
        for one in messages:
            streams[path].send(one)
    for path, question in ((CONFIGURATIONS, "go.ConfigurationDiscoveryService.fetchConfigurations"),
                           (PROFILES, "go.ProfileTask.getProfileTaskCommands"),
                           (PPROFS, "go.PprofTask.getPprofTaskCommands")):
        assert unary(channel, path, captured(question)[0]) == b""
        assert backend.messages(path) == captured(question)[:1]  # an OAP was asked, with its bytes
    for path, messages in reports.items():
        arrives(gate, backend, path, messages)
        assert not streams[path].call.done()
    is_quiet(gate)
    for one in streams.values():
        assert one.end() == b""


def test_java(gate, backend):
    """A stream a batch with a deadline of 30 s, the next one not before the answer; JVM metrics each second."""
    channel = gate.channel()
    options = {"timeout": 30, "metadata": [("agent-version", "9.4.0")]}
    segments = captured("java")
    for at in range(0, len(segments), 5):
        assert stream(channel, TRACES, segments[at:at + 5], **options) == b""
    metrics = captured("java.JVMMetricReportService.collect")
    for one in metrics:
        assert unary(channel, JVM, one, **options) == b""
    alive = captured("java.ManagementService.keepAlive")[0]
    assert unary(channel, KEEP_ALIVE, alive, **options) == b""
    for path in (CONFIGURATIONS, PROFILES):
        assert unary(channel, path, alive, **options) == b""
        assert backend.messages(path) == [alive]
    arrives(gate, backend, TRACES, segments)
    arrives(gate, backend, JVM, metrics)
    arrives(gate, backend, KEEP_ALIVE, [alive])
    is_quiet(gate)


def test_php_and_rust(gate, backend):
    """Streams that stay open until nothing came for a while, then end and are opened anew."""
    channel = gate.channel()
    reports = {TRACES: wire.segment, LOGS: wire.log,
               METERS: lambda: wire.meter(service="shop", instance="shop-1", timestamp=wire.now_ms())}
    sent = {path: [make() for _ in range(20)] for path, make in reports.items()}
    for half in (slice(0, 10), slice(10, 20)):
        streams = {path: OpenStream(channel, path) for path in reports}
        for path, one in streams.items():
            for message in sent[path][half]:
                one.send(message)
        assert all(one.end() == b"" for one in streams.values())
    arrives(gate, backend, TRACES, sent[TRACES])
    arrives(gate, backend, LOGS, sent[LOGS])
    wait_until(lambda: sum(len(wire.every(m, 1)) for m in backend.messages(METER_BATCH)) == 20, "meters")
    is_quiet(gate)


def test_dotnet(gate, backend):
    """A stream a batch with a deadline, waiting for the answer; CLR metrics; the paths of old agents."""
    channel = gate.channel()
    sent = [wire.segment() for _ in range(20)]
    for at in range(0, 20, 4):
        path = TRACES if at else "/TraceSegmentReportService/collect"
        assert stream(channel, path, sent[at:at + 4], timeout=10) == b""
    metrics = wire.EXAMPLES["CLRMetricCollection"]()
    assert unary(channel, V3 + "CLRMetricReportService/collect", metrics, timeout=10) == b""
    arrives(gate, backend, TRACES, sent)
    arrives(gate, backend, V3 + "CLRMetricReportService/collect", [metrics])
    is_quiet(gate)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_envoy(gate, backend, version):
    """The tracer's one stream; access logs and metrics, whose first message alone names the node, are relayed
    as one call each."""
    channel = gate.channel()
    tracer = OpenStream(channel, TRACES)
    sent = [wire.segment() for _ in range(20)]
    for one in sent:
        tracer.send(one)
    messages = [wire.text(1, "node"), *(wire.text(2, f"entry {i}") for i in range(50))]
    for path in (f"/envoy.service.accesslog.{version}.AccessLogService/StreamAccessLogs",
                 f"/envoy.service.metrics.{version}.MetricsService/StreamMetrics"):
        assert stream(channel, path, messages) == b""
        assert backend.calls_of(path) == [messages]
    arrives(gate, backend, TRACES, sent)
    assert not tracer.call.done()
    assert tracer.end() == b""
    is_quiet(gate)


def test_rover(gate, backend):
    """Events of spans and meters are taken; processes, tasks and access logs need an OAP, and 20 s suffice."""
    channel = gate.channel()
    options = {"timeout": 20}
    attached = wire.EXAMPLES["SpanAttachedEvent"]()
    meters = wire.EXAMPLES["MeterDataCollection"]()
    assert stream(channel, V3 + "SpanAttachedEventReportService/collect", [attached], **options) == b""
    assert stream(channel, METER_BATCH, [meters], **options) == b""
    for path in ("EBPFProcessService/reportProcesses", "EBPFProfilingService/queryTasks",
                 "ContinuousProfilingService/queryPolicies",
                 "ContinuousProfilingService/reportProfilingTask"):
        assert unary(channel, V3 + path, b"\x0a\x01x", **options) == b""
        assert backend.messages(V3 + path) == [b"\x0a\x01x"]
    for path in ("EBPFAccessLogService/collect", "EBPFProfilingService/collectProfilingData"):
        chunks = [bytes([10, 1, i]) for i in range(1, 60)]
        assert stream(channel, V3 + path, chunks, **options) == b""
        assert backend.calls_of(V3 + path) == [chunks]
    arrives(gate, backend, V3 + "SpanAttachedEventReportService/collect", [attached])
    arrives(gate, backend, METER_BATCH, [meters])
    is_quiet(gate)


@pytest.mark.parametrize("signal", ["Trace", "Metrics", "Logs"])
def test_otlp(gate, backend, signal):
    """An exporter's calls, packed by gzip as most are, reach an OAP unread."""
    path = f"/opentelemetry.proto.collector.{signal.lower()}.v1.{signal}Service/Export"
    body = wire.text(1, wire.text(1, "a resource" * 1000))
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        assert unary(gate.channel(), path, body, compression=compression) == b""
    assert backend.messages(path) == [body, body]


def test_nginx_lua(start, backend):
    """One kept connection: a heartbeat and up to 100 segments a post; only 200 counts as taken."""
    gate = start("listen.http.address=127.0.0.1:0")
    host, port = gate.http.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)

    def post(path, body):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    me = {"service": "shop-nginx", "serviceInstance": "nginx-1"}
    now = wire.now_ms()
    spans = [{"operationName": "/ingress", "startTime": now - 5, "endTime": now, "spanId": 0,
              "parentSpanId": -1, "spanType": "Entry", "spanLayer": "Http", "componentId": 6000,
              "isError": False, "peer": "", "tags": [{"key": "http.method", "value": "GET"}], "logs": []}]
    post("/v3/management/reportProperties", {**me, "properties": [{"language": "Lua"}]})
    for batch in range(5):
        post("/v3/management/keepAlive", me)
        post("/v3/segments", [{**me, "traceId": f"1.{batch}.{i}", "traceSegmentId": f"2.{batch}.{i}",
                               "spans": spans} for i in range(100)])
    wait_until(lambda: len(backend.segments()) == 500, "all segments")
    assert gate.metric("connections_total", listener="http") == 1
    is_quiet(gate)


def test_cli_events(gate, backend):
    """What swctl and CI systems report: one event a call, with its deadline."""
    sent = [wire.event() for _ in range(3)]
    for one in sent:
        assert stream(gate.channel(), V3 + "EventService/collect", [one], timeout=30) == b""
    arrives(gate, backend, V3 + "EventService/collect", sent)
    is_quiet(gate)
