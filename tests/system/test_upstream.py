"""The way to the backend: outages, refusals, fallbacks; nothing is lost."""
# SPDX-License-Identifier: Apache-2.0
import grpc

import wire
from backend import COLLECT, COLLECT_IN_SYNC, Backend
from conftest import OpenStream, stream, unary, wait_until

KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"


def send(gate, n, per_call=10):
    sent = [wire.segment() for _ in range(n)]
    channel = gate.channel()
    for at in range(0, n, per_call):
        assert stream(channel, COLLECT, sent[at:at + per_call]) == b""
    return sorted(sent)


def test_bytes_arrive_as_they_came(gate, backend):
    odd = wire.segment() + wire.text(99, "unknown") + wire.number(77, 5)
    sent = send(gate, 50) + [odd]
    stream(gate.channel(), COLLECT, [odd])
    wait_until(lambda: len(backend.segments()) == 51, "all segments")
    assert sorted(backend.segments()) == sorted(sent)
    gate.wait_settled()


def test_backend_down_then_up_loses_nothing(start, backend):
    gate = start()
    sent = send(gate, 20)
    wait_until(lambda: len(backend.segments()) == 20, "segments before the outage")
    backend.stop()
    wait_until(lambda: gate.metric("backend_up") == 0, "the outage is seen")
    sent += send(gate, 30)
    gate.wait_metric("buffer_items", 30, signal="tracing")
    assert gate.get("/readyz")[0] == 200
    backend.start()
    wait_until(lambda: len(set(backend.segment_ids())) == 50, "all segments")
    assert {wire.segment_id(s) for s in sent} == set(backend.segment_ids())
    gate.wait_settled()
    assert gate.metric("items_forwarded_total", signal="tracing") == 50


def test_a_failed_batch_is_sent_again(gate, backend):
    failures = []

    def fail(path, _):
        if len(failures) < 2:
            failures.append(path)
            return grpc.StatusCode.UNAVAILABLE
        return None

    backend.fail = fail
    sent = send(gate, 10)
    wait_until(lambda: len(backend.segments()) == 10, "the segments")
    assert sorted(backend.segments()) == sent
    assert len(failures) == 2
    assert gate.metric("backend_retries_total") == 2
    gate.wait_settled()


def test_collect_where_collect_in_sync_is_unimplemented(start, backend):
    backend.unimplemented.add(COLLECT_IN_SYNC)
    gate = start()
    sent = send(gate, 30)
    wait_until(lambda: len(backend.messages(COLLECT)) == 30, "segments by collect")
    assert sorted(backend.messages(COLLECT)) == sent
    gate.wait_settled()


def test_collect_by_setting(start, backend):
    gate = start("upstream.segments=collect")
    sent = send(gate, 30)
    wait_until(lambda: len(backend.messages(COLLECT)) == 30, "segments by collect")
    assert sorted(backend.messages(COLLECT)) == sent
    assert COLLECT_IN_SYNC not in backend.paths()


def test_unary_methods_travel_one_message_a_call(gate, backend):
    channel = gate.channel()
    for _ in range(5):
        unary(channel, KEEP_ALIVE, wire.named())
    wait_until(lambda: len(backend.messages(KEEP_ALIVE)) == 5, "keep-alives")
    assert all(len(call) == 1 for call in backend.calls_of(KEEP_ALIVE))


def test_an_unimplemented_method_is_held_and_others_pass(start, backend):
    backend.unimplemented.add(KEEP_ALIVE)
    gate = start("shutdown.drain=200ms")
    unary(gate.channel(), KEEP_ALIVE, wire.named())
    sent = send(gate, 10)
    wait_until(lambda: len(backend.segments()) == 10, "the segments")
    assert sorted(backend.segments()) == sent
    gate.wait_metric("buffer_items", 1, signal="management")
    assert gate.metric("ledger_imbalance_items") == 0


def test_two_backends_share_the_work(start, backend):
    second = Backend()
    try:
        gate = start(f"upstream.addresses={backend.address},{second.address}",
                     "batch.max_items=5", upstream=backend.address)
        sent = send(gate, 400)
        wait_until(lambda: len(backend.segments()) + len(second.segments()) == 400, "all segments")
        assert sorted(backend.segments() + second.segments()) == sent
        assert backend.segments() and second.segments()
        second.stop()
        more = send(gate, 100)
        wait_until(lambda: set(more) <= set(backend.segments()), "the rest by the first")
        gate.wait_settled()
    finally:
        second.stop()


def test_an_answer_does_not_wait_for_the_backend(gate, backend):
    backend.gate.clear()
    assert stream(gate.channel(), COLLECT, [wire.segment()], timeout=5) == b""
    gate.wait_metric("buffer_items", 1, signal="tracing")
    backend.gate.set()
    gate.wait_settled()


def test_a_full_buffer_holds_agents_back_and_loses_nothing(start, backend):
    backend.gate.clear()
    gate = start("limits.memory=32MiB", "buffer.memory.max=2MiB", "limits.workers=1",
                 "integrity.window_memory=1MiB")
    blob = "x" * 20_000
    sent = [wire.segment(spans=[wire.span(0, -1, tags=[("blob", blob)])]) for _ in range(400)]
    one = OpenStream(gate.channel(), COLLECT)
    for message in sent:
        one.send(message)
    wait_until(lambda: gate.metric("buffer_bytes", tier="memory") > 1_500_000, "a full buffer")
    assert gate.metric("items_accepted_total") < 400
    backend.gate.set()
    assert one.end() == b""
    wait_until(lambda: len(backend.segments()) == 400, "all segments")
    assert sorted(backend.segments()) == sorted(sent)
    assert gate.metric("segments_total") == 400
    assert gate.metric("spans_total") == 400
    gate.wait_settled()


def test_our_token_is_on_every_call(start, backend):
    gate = start("upstream.auth_token=sesame")
    send(gate, 1)
    wait_until(lambda: backend.segments(), "the segment")
    assert all(metadata.get("authentication") == "sesame" for _, _, metadata in backend.calls)


def test_a_name_is_resolved(start, backend):
    """localhost may also be ::1, where nobody listens: that address just stays down."""
    gate = start(upstream=f"dns:///localhost:{backend.port}")
    sent = send(gate, 20)
    wait_until(lambda: len(backend.segments()) == 20, "the segments")
    assert sorted(backend.segments()) == sent


def test_segments_wait_while_the_backend_knows_neither_way(start, backend):
    backend.unimplemented |= {COLLECT, COLLECT_IN_SYNC}
    gate = start()
    sent = send(gate, 10)
    wait_until(lambda: gate.metric("backend_requests_total", code="UNIMPLEMENTED") >= 2, "both ways")
    gate.wait_metric("buffer_items", 10, signal="tracing")
    backend.unimplemented.clear()
    wait_until(lambda: len(backend.segments()) == 10, "the segments", patience=60)
    assert sorted(backend.segments()) == sent
    gate.wait_settled()


def test_a_record_the_backend_alone_refuses_is_set_aside(start, backend):
    poison = wire.segment()

    def fail(path, messages):
        return grpc.StatusCode.INVALID_ARGUMENT if any(poison in m for m in messages) else None

    backend.fail = fail
    gate = start("batch.max_delay=200ms")
    sent = [wire.segment() for _ in range(30)]
    channel = gate.channel()
    stream(channel, COLLECT, sent[:15] + [poison] + sent[15:])

    def others_pass():
        # Isolation needs to see that the backend takes other batches.
        more = wire.segment()
        sent.append(more)
        stream(channel, COLLECT, [more])
        return gate.metric("items_quarantined_total", signal="tracing") == 1

    wait_until(others_pass, "the one record in quarantine", patience=60)
    wait_until(lambda: len(set(backend.segments())) == len(sent), "all the others")
    assert set(backend.segments()) == set(sent)
    gate.wait_settled()
