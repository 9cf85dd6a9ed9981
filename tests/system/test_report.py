"""telemetry.oap: the gate's own metrics arrive at the backend as an agent's meters."""
# SPDX-License-Identifier: Apache-2.0
import socket
import struct

import wire
from conftest import stream, wait_until

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
METERS = "/skywalking.v3.MeterReportService/collectBatch"
PROPERTIES = "/skywalking.v3.ManagementService/reportInstanceProperties"
ON = ("telemetry.oap.enabled=true", "telemetry.oap.interval=1s")


def meters(collection):
    """{(name, label value, ...): value} of one MeterDataCollection."""
    out = {}
    for data in wire.every(collection, 1):
        single = wire.last(data, 1)
        labels = tuple(wire.last(label, 2, b"").decode() for label in wire.every(single, 2))
        value = wire.last(single, 3, 0.0)
        out[(wire.last(single, 1).decode(),) + labels] = value
    return out


def number(value):
    """A fixed 64-bit field as wire.parse gives it."""
    return value if isinstance(value, float) else struct.unpack("<d", struct.pack("<Q", value))[0]


def test_meters_say_what_the_page_says(start, backend):
    gate = start(*ON, "telemetry.oap.service=gates", "telemetry.oap.instance=gate-7")
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(7)])
    wait_until(lambda: len(backend.segments()) == 7, "the segments")
    n = len(backend.messages(METERS))
    wait_until(lambda: len(backend.messages(METERS)) >= n + 2, "a report after them")
    collection = backend.messages(METERS)[-1]
    first = wire.every(collection, 1)[0]
    assert (wire.last(first, 3), wire.last(first, 4)) == (b"gates", b"gate-7")
    assert abs(wire.last(first, 5) - wire.now_ms()) < 60_000
    found = meters(collection)
    assert number(found[("spangate_items_forwarded_total", "tracing")]) == 7
    assert number(found[("spangate_ready",)]) == 1
    assert number(found[("spangate_ledger_imbalance_items",)]) == 0
    assert ("spangate_backend_up", backend.address) in found
    assert ("spangate_items_dropped_total", "tracing", "expired") in found
    assert not [key for key in found if key[0].endswith("_bucket") or "instance_" in key[0]]
    gate.wait_settled()


def test_it_presents_itself_as_an_instance(start, backend):
    start(*ON)
    (message,) = wait_until(lambda: backend.messages(PROPERTIES), "the properties")
    assert wire.last(message, 1) == b"spangate"
    assert wire.last(message, 2) == socket.gethostname().encode()
    assert wire.last(message, 4) == b"GENERAL"
    keys = [wire.last(one, 1) for one in wire.every(message, 3)]
    assert keys == [b"Process No.", b"hostname", b"OS Name", b"version"]


def test_reports_are_items_like_any_other(start, backend):
    gate = start(*ON)
    wait_until(lambda: len(backend.messages(METERS)) >= 2, "two reports")
    assert gate.metric("items_accepted_total", signal="meter") >= 2
    assert gate.metric("items_accepted_total", signal="management") == 1


def test_off_unless_asked_for(start, backend):
    gate = start("telemetry.oap.interval=1s")
    stream(gate.channel(), COLLECT, [wire.segment()])
    wait_until(lambda: gate.metric("spans_total") > 0, "the segment")
    assert gate.metric("items_accepted_total", signal="meter") == 0
