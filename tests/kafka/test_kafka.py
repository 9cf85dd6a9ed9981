"""OAP's Kafka topics filled by the real binary through a real broker, read back and decoded."""
# SPDX-License-Identifier: Apache-2.0
import subprocess
import time
import uuid

import grpc
import pytest

import wire
from broker import PASSWORD, USER
from durable import Senders, kill, send
from system_conftest import BINARY, stream, unary, wait_until

SERVICE = "/skywalking.v3."
SEGMENTS = SERVICE + "TraceSegmentReportService/collect"
SEGMENTS_IN_SYNC = SERVICE + "TraceSegmentReportService/collectInSync"
PROPERTIES = SERVICE + "ManagementService/reportInstanceProperties"
KEEP_ALIVE = SERVICE + "ManagementService/keepAlive"
JVM = SERVICE + "JVMMetricReportService/collect"
METERS = SERVICE + "MeterReportService/collect"
SNAPSHOTS = SERVICE + "ProfileTask/collectSnapshot"
LOGS = SERVICE + "LogReportService/collect"
CLR = SERVICE + "CLRMetricReportService/collect"
EVENTS = SERVICE + "EventService/collect"


def keys_of(records):
    return sorted(one.key.decode() for one in records)


@pytest.fixture
def namespace():
    """Of this test alone: topics of others stay out of sight."""
    return "ns" + uuid.uuid4().hex[:8]


def test_every_topic_has_its_records(broker, start, decode, namespace):
    gate = start(f"upstream.kafka.namespace={namespace}", "upstream.kafka.topics=profile=snaps")
    channel = gate.channel()
    first, second, third = wire.segment(), wire.segment(), wire.segment()
    stream(channel, SEGMENTS, [first])
    unary(channel, SEGMENTS_IN_SYNC, wire.text(1, second) + wire.text(1, third))
    unary(channel, PROPERTIES, wire.EXAMPLES["InstanceProperties"]())
    unary(channel, KEEP_ALIVE, wire.EXAMPLES["InstancePingPkg"]())
    unary(channel, JVM, wire.EXAMPLES["JVMMetricCollection"]())
    stream(channel, METERS, [wire.meter(service="shop", instance="shop-1", timestamp=wire.now_ms()),
                             wire.meter("errors")])
    stream(channel, SNAPSHOTS, [wire.EXAMPLES["ThreadSnapshot"]() + wire.number(4, 12)])
    # The service stands in the first message only; each record needs it.
    stream(channel, LOGS, [wire.log("shop", "one"), wire.log("", "two")])
    # No topic, and no OAP: answered OK, counted.
    unary(channel, CLR, wire.EXAMPLES["CLRMetricCollection"]())
    stream(channel, EVENTS, [wire.event()])
    gate.wait_settled()
    assert gate.metric("items_dropped_total", reason="policy") == 2
    assert gate.metric("items_forwarded_total") == 10
    assert gate.metric("backend_up", backend=broker.address) == 1
    assert gate.metric("backend_last_success_timestamp_seconds") > time.time() - 60

    def read(topic):
        return broker.read(f"{namespace}-{topic}")

    segments = read("skywalking-segments")
    assert sorted(one.value for one in segments) == sorted([first, second, third])
    for one in segments:
        assert decode("SegmentObject", one.value).traceSegmentId == one.key.decode()
    managements = {one.key: one.value for one in read("skywalking-managements")}
    assert sorted(managements) == [b"register-shop-1", b"shop-1"]
    properties = decode("InstanceProperties", managements[b"register-shop-1"])
    assert properties.properties[0].value == "go"
    assert decode("InstancePingPkg", managements[b"shop-1"]).serviceInstance == "shop-1"
    [jvm] = read("skywalking-metrics")
    assert jvm.key == b"shop-1"
    assert decode("JVMMetricCollection", jvm.value).metrics[0].cpu.usagePercent == 1.5
    [meters] = read("skywalking-meters")
    assert meters.key == b"shop-1"
    assert [one.singleValue.name for one in decode("MeterDataCollection", meters.value).meterData] \
        == ["requests", "errors"]
    [snapshot] = read("snaps")
    assert snapshot.key == b"task12"
    assert decode("ThreadSnapshot", snapshot.value).stack.codeSignatures == ["main.run"]
    logs = read("skywalking-logs")
    assert [one.key for one in logs] == [b"shop", b"shop"]
    assert {decode("LogData", one.value).service for one in logs} == {"shop"}
    assert {decode("LogData", one.value).body.text.text for one in logs} == {"one", "two"}


def test_what_has_no_topic_goes_to_oap(broker, start, backend, namespace):
    gate = start(f"upstream.kafka.namespace={namespace}", f"upstream.addresses={backend.address}")
    channel = gate.channel()
    clr = wire.EXAMPLES["CLRMetricCollection"]()
    unary(channel, CLR, clr)
    send(gate, 5, channel=channel)
    gate.wait_settled()
    assert [(path, messages) for path, messages, _ in backend.calls] == [(CLR, [clr])]
    assert len(broker.read(f"{namespace}-skywalking-segments")) == 5
    assert gate.metric("items_dropped_total") == 0


def test_a_record_over_the_brokers_limit_is_set_aside_alone(broker, start, namespace):
    """The broker takes 300,000 bytes a request: a record of more, and not its neighbours."""
    gate = start(f"upstream.kafka.namespace={namespace}")
    large = wire.segment(spans=[wire.span(0, -1, tags=[("note", "x" * 400_000)])])
    small = [wire.segment() for _ in range(50)]
    medium = [wire.segment(spans=[wire.span(0, -1, tags=[("note", "x" * 40_000)])])
              for _ in range(12)]
    stream(gate.channel(), SEGMENTS, small[:25] + medium[:6] + [large] + medium[6:] + small[25:])
    gate.wait_settled()
    assert gate.metric("items_quarantined_total") == 1
    assert gate.metric("items_forwarded_total") == 62
    got = [one.value for one in broker.read(f"{namespace}-skywalking-segments")]
    assert sorted(got) == sorted(small + medium)


def secure(authority, password):
    return ["upstream.kafka.properties=" + ",".join((
        "security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", f"sasl.username={USER}",
        f"sasl.password={password}", f"ssl.ca.location={authority.cert}",
        "compression.type=lz4"))]


def test_tls_and_sasl_by_librdkafkas_own_properties(broker, start, authority, namespace):
    gate = start(f"upstream.kafka.namespace={namespace}", *secure(authority, PASSWORD),
                 brokers=broker.secure_address)
    ids = send(gate, 20)
    gate.wait_settled()
    assert keys_of(broker.read(f"{namespace}-skywalking-segments")) == sorted(ids)


def test_a_wrong_password_holds_everything_and_says_so(broker, start, authority, namespace):
    gate = start(f"upstream.kafka.namespace={namespace}", *secure(authority, "wrong"),
                 brokers=broker.secure_address)
    send(gate, 20)
    wait_until(lambda: gate.find(r"(?i)(authentication.*)"), "a line about the password")
    assert gate.metric("buffer_items") == 20
    assert gate.metric("backend_up") == 0
    assert gate.get("/readyz")[0] == 200  # the buffer has room: agents need not go elsewhere
    kill(gate)
    assert not any("wrong" in line for line in gate.lines)


def check_config(*sets):
    command = [BINARY, "check-config"]
    for one in ("upstream.kind=kafka", *sets):
        command += ["--set", one]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_properties_are_checked_offline(tmp_path):
    path = tmp_path / "spangate.yaml"
    path.write_text("upstream:\n  kind: kafka\n  kafka:\n    brokers: [\"k:9092\"]\n    properties:\n"
                    "      compression.type: rar\n      acks: 1\n      sasl.password: hunter2\n")
    path.chmod(0o644)
    done = subprocess.run([BINARY, "check-config", "-c", path], capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 78
    assert f"{path}:6:7: error C061" in said and f"{path}:7:7: error C062" in said
    assert f"{path}:2:9: warning C064" in said and "hunter2" not in said
    assert f"{path}:8:22: warning C035" in said  # the file is everybody's to read
    status, said = check_config("upstream.kafka.brokers=k:9092",
                                "upstream.kafka.properties=security.protocol=SASL_SSL")
    assert status == 78 and "C061" in said
    status, said = check_config("upstream.kafka.brokers=")
    assert status == 78 and "C060" in said
    path.write_text("upstream: {kind: kafka, kafka: {brokers: [\"k:9092\"], "
                    "properties: {sasl.password: hunter2, ssl.key.password: s3cret}}}\n")
    for shape in ("table", "json"):
        done = subprocess.run([BINARY, "config", "show", "-c", path, "--format", shape],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "hunter2" not in done.stdout and "s3cret" not in done.stdout


def test_no_acknowledged_record_is_lost(broker, start, tmp_path, namespace):
    """The broker dies by kill -9 under load, then we do, then it comes back."""
    sets = (f"upstream.kafka.namespace={namespace}", "limits.workers=2", "upstream.timeout.ack=3s")
    gate = start(*sets, spool=str(tmp_path))
    senders = Senders(gate, pause_s=0.005)
    wait_until(lambda: gate.metric("items_forwarded_total") > 300, "records that arrived")
    broker.kill()
    wait_until(lambda: gate.metric("buffer_items") > 300, "records that wait")
    wait_until(lambda: gate.metric("backend_up") == 0, "a broker that is missed")
    kill(gate)
    answered = senders.stop()
    gate = start(*sets, spool=str(tmp_path))
    senders = Senders(gate, pause_s=0.005)
    wait_until(lambda: len(senders.answered) > 300, "answers without a broker")
    broker.start()
    wait_until(lambda: gate.metric("items_forwarded_total") > 300, "records that arrived", 60)
    answered += senders.stop()
    assert not senders.errors
    wait_until(lambda: gate.metric("buffer_items") == 0, "an empty buffer", 60)
    assert gate.metric("ledger_imbalance_items") == 0
    got = keys_of(broker.read(f"{namespace}-skywalking-segments"))
    assert len(answered) > 900
    assert set(answered) <= set(got)
    assert gate.metric("items_dropped_total") == 0 and gate.metric("items_quarantined_total") == 0
