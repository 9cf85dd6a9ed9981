"""Writes and reads protobuf's wire format, and builds the messages of the tests by field number."""
# SPDX-License-Identifier: Apache-2.0
import struct
import time
import uuid


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def double(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def parse(data):
    """[(field, value)]: bytes for length-delimited fields, int for all others."""
    out, at = [], 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        tag = read()
        kind = tag & 7
        if kind == 0:
            value = read()
        elif kind == 2:
            size = read()
            if at + size > len(data):
                raise ValueError("length beyond the message")
            value = data[at:at + size]
            at += size
        else:
            size = {1: 8, 5: 4}[kind]
            value = int.from_bytes(data[at:at + size], "little")
            at += size
        out.append((tag >> 3, value))
    return out


def last(data, field, default=None):
    values = [v for f, v in parse(data) if f == field]
    return values[-1] if values else default


def every(data, field):
    return [v for f, v in parse(data) if f == field]


# Messages, protocol.md 4.


def now_ms():
    return int(time.time() * 1000)


def pair(key, value):
    return text(1, key) + text(2, value)


def span(span_id, parent, kind=0, tags=(), name="/checkout"):
    start = now_ms() - 50
    out = number(1, span_id) + number(2, parent) + number(3, start) + number(4, start + 40)
    out += text(6, name) + text(7, "mysql:3306" if kind == 1 else "") + number(8, kind) + number(9, 3) + number(10, 6000)
    for key, value in tags:
        out += text(12, pair(key, value))
    return out


def segment(spans=None, segment_id=None, service="shop", instance="shop-1", trace_id=None):
    if spans is None:
        spans = [span(1, 0, kind=1, name="mysql/SELECT"), span(0, -1)]
    out = text(1, trace_id or uuid.uuid4().hex) + text(2, segment_id or uuid.uuid4().hex)
    for one in spans:
        out += text(3, one)
    return out + text(4, service) + text(5, instance)


def segment_id(data):
    return last(data, 2).decode()


def log(service="shop", body="hello", timestamp=None):
    out = number(1, now_ms() if timestamp is None else timestamp) if timestamp != 0 else b""
    if service:
        out += text(2, service)
    return out + text(3, "shop-1") + text(5, text(1, "text") + text(2, text(1, body)))


def meter(name="requests", value=1.0, service="", instance="", timestamp=0):
    out = text(1, text(1, name) + double(3, value))
    if service:
        out += text(3, service)
    if instance:
        out += text(4, instance)
    if timestamp:
        out += number(5, timestamp)
    return out


def event(layer="GENERAL"):
    out = text(1, uuid.uuid4().hex) + text(2, text(1, "shop") + text(2, "shop-1"))
    out += text(3, "Start") + text(5, "started") + number(7, now_ms())
    return out + (text(9, layer) if layer else b"")


def named(*extra):
    """Service and instance as fields 1 and 2, then what is given."""
    return text(1, "shop") + text(2, "shop-1") + b"".join(extra)


# One healthy message for each type of tables/methods.h.
EXAMPLES = {
    "SegmentObject": segment,
    "SegmentCollection": lambda: text(1, segment()) + text(1, segment()),
    "SpanAttachedEvent": lambda: text(1, number(1, now_ms() // 1000)) + text(2, "connect")
    + text(6, text(2, uuid.uuid4().hex)),
    "InstanceProperties": lambda: named(text(3, pair("language", "go"))),
    "InstancePingPkg": named,
    "JVMMetricCollection": lambda: text(1, number(1, now_ms()) + text(2, double(2, 1.5)))
    + text(2, "shop") + text(3, "shop-1"),
    "CLRMetricCollection": lambda: text(1, number(1, now_ms()) + text(2, double(2, 1.5)))
    + text(2, "shop") + text(3, "shop-1"),
    "MeterData": lambda: meter(service="shop", instance="shop-1", timestamp=now_ms()),
    "MeterDataCollection": lambda: text(1, meter(service="shop", instance="shop-1",
                                                 timestamp=now_ms())) + text(1, meter("errors")),
    "LogData": log,
    "Event": event,
    "ThreadSnapshot": lambda: text(1, "task") + text(2, uuid.uuid4().hex) + number(3, now_ms())
    + text(5, text(1, "main.run")),
    "BrowserPerfData": lambda: named(text(4, "/index"), number(5, 12)),
    "BrowserWebVitalsPerfData": lambda: named(text(4, "/index"), number(5, 12), double(6, 0.1)),
    "BrowserResourcePerfData": lambda: named(text(4, "/index"), text(5, "a.js"), number(6, 3)),
    "BrowserWebInteractionsPerfData": lambda: named(text(4, "/index"), number(5, 20)),
    "BrowserErrorLog": lambda: text(2, "shop") + text(3, "1.0") + text(5, "/index")
    + text(8, "x is undefined"),
    "OPAQUE": lambda: named(number(3, 7)),
}
