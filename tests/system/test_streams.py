"""What streams carry over: a log's service, a meter set's identity; one stream beside another."""
# SPDX-License-Identifier: Apache-2.0
import wire
from conftest import OpenStream, stream, unary, wait_until
from rawclient import RawClient, framed

LOG = "/skywalking.v3.LogReportService/collect"
METER = "/skywalking.v3.MeterReportService/collect"
METER_BATCH = "/skywalking.v3.MeterReportService/collectBatch"
COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
IN_SYNC = "/skywalking.v3.TraceSegmentReportService/collectInSync"


def test_log_service_is_carried_over(gate, backend):
    bodies = ["one", "two", "three"]
    logs = [wire.log("shop", "one"), wire.log("", "two"), wire.log("", "three")]
    assert stream(gate.channel(), LOG, logs) == b""
    found = wait_until(lambda: len(backend.messages(LOG)) == 3 and backend.messages(LOG), "3 logs")
    assert found[0] == logs[0]
    assert [wire.last(m, 2) for m in found] == [b"shop"] * 3
    assert [wire.last(wire.last(wire.last(m, 5), 2), 1).decode() for m in found] == bodies


def test_one_upstream_log_call_holds_one_service(gate, backend):
    channel = gate.channel()
    streams = [OpenStream(channel, LOG) for _ in range(4)]
    for i in range(20):
        for at, one in enumerate(streams):
            one.send(wire.log(f"service-{at}" if i == 0 else "", f"line {i}"))
    for one in streams:
        assert one.end() == b""
    wait_until(lambda: len(backend.messages(LOG)) == 80, "80 logs")
    for call in backend.calls_of(LOG):
        assert len({wire.last(m, 2) for m in call}) == 1
    for at in range(4):
        mine = [m for m in backend.messages(LOG) if wire.last(m, 2) == b"service-%d" % at]
        assert len(mine) == 20


def test_a_log_without_time_gets_the_arrival_time(gate, backend):
    before = wire.now_ms()
    stream(gate.channel(), LOG, [wire.log(timestamp=0)])
    found = wait_until(lambda: backend.messages(LOG), "the log")
    assert before - 1000 <= wire.last(found[0], 1) <= wire.now_ms() + 1000


def test_a_log_nobody_claims_is_set_aside(gate, backend):
    stream(gate.channel(), LOG, [wire.log(""), wire.log("shop")])
    wait_until(lambda: len(backend.messages(LOG)) == 1, "the good log")
    assert gate.metric("items_quarantined_total", signal="log") == 1
    assert gate.metric("integrity_findings_total", rule="log-service-missing") == 1


def test_one_meter_stream_is_one_set(gate, backend):
    moment = wire.now_ms()
    elements = [wire.meter("a", service="shop", instance="shop-1", timestamp=moment),
                wire.meter("b"), wire.meter("c")]
    stream(gate.channel(), METER, elements)
    found = wait_until(lambda: backend.messages(METER_BATCH), "the set")
    assert found == [b"".join(wire.text(1, e) for e in elements)]


def test_a_silent_meter_stream_is_cut_and_keeps_its_identity(gate, backend):
    moment = wire.now_ms()
    one = OpenStream(gate.channel(), METER)
    one.send(wire.meter("a", service="shop", instance="shop-1", timestamp=moment))
    wait_until(lambda: len(backend.messages(METER_BATCH)) == 1, "the set after a second of silence")
    one.send(wire.meter("b"))
    one.send(wire.meter("c"))
    assert one.end() == b""
    found = wait_until(lambda: len(backend.messages(METER_BATCH)) == 2
                       and backend.messages(METER_BATCH), "the second set")
    first, second = wire.every(found[1], 1)
    assert first.startswith(wire.meter("b"))
    assert (wire.last(first, 3), wire.last(first, 4), wire.last(first, 5)) == \
        (b"shop", b"shop-1", moment)
    assert second == wire.meter("c")


def test_a_reset_meter_stream_emits_what_it_has(gate, backend):
    element = wire.meter("a", service="shop", instance="shop-1", timestamp=wire.now_ms())
    raw = RawClient(gate)
    one = raw.open(METER)
    raw.send(one, framed(element))
    raw.h2.reset_stream(one)
    raw.flush()
    wait_until(lambda: backend.messages(METER_BATCH) == [wire.text(1, element)], "the set")
    raw.close()


def test_a_large_meter_stream_is_cut_at_half_a_window(gate, backend):
    count = 6000
    elements = [wire.meter(f"meter_{i}" + "x" * 200) for i in range(count)]
    elements[0] = wire.meter("first", service="shop", instance="shop-1", timestamp=wire.now_ms())
    assert stream(gate.channel(), METER, elements) == b""
    wait_until(lambda: sum(len(wire.every(m, 1)) for m in backend.messages(METER_BATCH)) == count,
               "all elements")
    sets = backend.messages(METER_BATCH)
    assert len(sets) > 1
    for one in sets:
        assert len(one) <= 600 * 1024
        assert wire.last(wire.every(one, 1)[0], 3) == b"shop"


def test_collect_in_sync_is_split_into_records(gate, backend):
    good = [wire.segment() for _ in range(3)]
    sick = wire.segment(spans=[wire.span(1, -1), wire.span(2, 1)])
    collection = wire.text(1, good[0]) + wire.text(1, sick) + b"".join(
        wire.text(1, s) for s in good[1:])
    assert unary(gate.channel(), IN_SYNC, collection) == b""
    wait_until(lambda: len(backend.segments()) == 3, "the good ones")
    assert sorted(backend.segments()) == sorted(good)
    assert gate.metric("items_accepted_total", signal="tracing") == 4
    assert gate.metric("integrity_findings_total", rule="span-zero-missing") == 1


def test_a_broken_collection_is_set_aside_whole(gate, backend):
    channel = gate.channel()
    assert unary(channel, IN_SYNC, wire.text(1, wire.segment()) + b"\x0a\xff\x01") == b""
    gate.wait_metric("items_quarantined_total", 1)
    assert unary(channel, IN_SYNC, b"") == b""
    assert unary(channel, IN_SYNC, wire.text(1, wire.segment())) == b""
    wait_until(lambda: len(backend.segments()) == 1, "the good collection")


def test_a_stream_that_stays_open_is_forwarded(gate, backend):
    one = OpenStream(gate.channel(), COLLECT)
    sent = [wire.segment() for _ in range(10)]
    for message in sent:
        one.send(message)
    wait_until(lambda: len(backend.segments()) == 10, "segments of an open stream")
    assert sorted(backend.segments()) == sorted(sent)
    assert one.end() == b""


def test_poison_costs_nobody_else_anything(gate, backend):
    """P23: good, undecodable, good on one stream while another agent shares the upstream."""
    mine, other = OpenStream(gate.channel(), COLLECT), OpenStream(gate.channel(), COLLECT)
    good = [wire.segment() for _ in range(4)]
    mine.send(good[0])
    other.send(good[1])
    mine.send(b"\x0a\xff\xff\xff\xff\x0f nonsense")
    mine.send(good[2])
    other.send(good[3])
    wait_until(lambda: len(backend.segments()) == 4, "all good segments")
    assert sorted(backend.segments()) == sorted(good)
    assert not mine.call.done() and not other.call.done()
    assert mine.end() == b"" and other.end() == b""
    gate.wait_metric("items_quarantined_total", 1, signal="tracing")
    assert gate.metric("integrity_findings_total", rule="proto-undecodable") == 1


def test_an_event_without_layer_is_set_aside(gate, backend):
    path = "/skywalking.v3.EventService/collect"
    good = [wire.event(), wire.event()]
    assert stream(gate.channel(), path, [good[0], wire.event(layer=""), good[1]]) == b""
    wait_until(lambda: len(backend.messages(path)) == 2, "the good events")
    assert backend.messages(path) == good
    assert gate.metric("integrity_findings_total", rule="event-layer-empty") == 1
