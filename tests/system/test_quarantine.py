"""What is set aside: listed, looked at, sent after all or deleted, over the operator's port."""
# SPDX-License-Identifier: Apache-2.0
import base64
import http.client
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import pytest

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, stream, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from durable import Senders, large  # noqa: E402

LOGS = "/skywalking.v3.LogReportService/collect"
EVENTS = "/skywalking.v3.EventService/collect"
METERS = "/skywalking.v3.MeterReportService/collect"
METER_BATCH = "/skywalking.v3.MeterReportService/collectBatch"


class Api:
    """The operator's API of one process, through its Unix socket."""

    def __init__(self, path):
        self.path = path

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self.path)
        connection.request(method, "/api/v1/quarantine" + path,
                           None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def good(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        assert status == 200, answer
        return answer

    def list(self, **query):
        return self.good("GET", "?" + urllib.parse.urlencode(query))["items"]

    def replay(self, ids, mode="as-is", **more):
        answer = self.good("POST", "/replay", {"ids": ids, "mode": mode, **more})
        assert [one["id"] for one in answer["results"]] == ids
        return [one["result"] for one in answer["results"]]


@pytest.fixture
def short():
    """A directory whose path is short enough for a socket."""
    path = tempfile.mkdtemp(prefix="q-", dir="/tmp")
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def begin(start, short):
    """A process with its spool in the same place each time, and its API."""
    def one(*sets, **more):
        gate = start(f"admin.socket={short}/api", "limits.workers=2", *sets,
                     spool=short / "kept", **more)
        return gate, Api(f"{short}/api")
    (short / "kept").mkdir()
    return one


def sick(service="shop", number=0, **more):
    """No span 0: nothing can be made of it."""
    name = f"sick-{number}" if isinstance(service, bytes) else f"{service}-{number}"
    return wire.segment([wire.span(1, 0), wire.span(2, 1)], segment_id=name, service=service,
                        **more)


def set_aside(gate, messages, path=COLLECT):
    before = gate.metric("items_quarantined_total")
    stream(gate.channel(), path, messages)
    gate.wait_metric("items_quarantined_total", before + len(messages))


def kill(gate):
    gate.process.send_signal(signal.SIGKILL)
    gate.process.wait(PATIENCE)


def test_from_arrival_to_the_second_replay(begin, backend):
    gate, api = begin()
    messages = [sick(number=i) for i in range(5)]
    set_aside(gate, messages)
    items = api.list()
    assert [one["segment_id"] for one in items] == [f"shop-{i}" for i in (4, 3, 2, 1, 0)]
    first = items[-1]
    assert first["rule"] == "span-zero-missing" and first["signal"] == "tracing"
    assert first["method"] == COLLECT and first["bytes"] == len(messages[0])
    assert (first["service"], first["service_instance"]) == ("shop", "shop-1")
    assert first["spans"] == 2 and first["edited"] is False
    assert first["trace_id"] == wire.last(messages[0], 1).decode()
    assert first["received"].endswith("Z") and abs(first["received_ms"] - wire.now_ms()) < 60000
    shown = api.good("GET", "/" + first["id"].lower())
    assert base64.b64decode(shown.pop("payload")) == messages[0]
    drawn = shown.pop("message")
    assert [(one["spanId"], one.get("parentSpanId", 0)) for one in drawn["spans"]] == [(1, 0), (2, 1)]
    assert shown == first
    # Repair can make nothing of it; as it is it goes.
    assert api.replay([first["id"]], "repair") == ["refused"]
    assert api.replay([first["id"], first["id"]]) == ["replayed", "gone"]
    wait_until(lambda: backend.segments() == [messages[0]], "the replayed segment")
    assert api.call("GET", "/" + first["id"])[0] == 404
    gate.wait_settled()
    assert gate.metric("quarantine_replayed_total", result="replayed") == 1
    assert gate.metric("quarantine_replayed_total", result="refused") == 1
    assert gate.metric("quarantine_evicted_total") == 0
    gate.wait_metric("quarantine_segments", 4)
    ids = [one["id"] for one in api.list()]
    kill(gate)
    gate, api = begin()
    assert [one["id"] for one in api.list()] == ids
    assert api.replay([first["id"]]) == ["gone"]
    assert gate.end() == 0
    gate, api = begin()
    assert [one["id"] for one in api.list()] == ids
    assert len(backend.segments()) == 1


def test_repair_by_the_rules_of_today(begin, backend):
    """Set aside by a strict setting, it goes with its tag by the default."""
    gate, api = begin('integrity.actions={"span-parent-missing": "quarantine"}')
    orphan = wire.segment([wire.span(2, 1), wire.span(0, -1)])
    set_aside(gate, [orphan])
    assert api.replay([api.list()[0]["id"]], "repair") == ["refused"]
    gate.end()
    # Whatever the mode for new ones is.
    gate, api = begin("integrity.mode=observe")
    assert api.replay([api.list()[0]["id"]], "repair") == ["repaired"]
    wait_until(lambda: len(backend.segments()) == 1, "the repaired segment")
    assert b"sw.proxy.integrity" in backend.segments()[0]
    gate.wait_settled()
    assert gate.metric("quarantine_replayed_total", result="repaired") == 1
    assert gate.metric("segments_total") == 0  # it came once, in the life before
    assert api.list() == []


def test_a_copy_of_what_was_set_aside_does_not_stop_it(begin, backend):
    """The memory of ids is for what agents send: a replayed segment is no copy of itself."""
    gate, api = begin('integrity.actions={"span-parent-missing": "quarantine"}')
    orphan = wire.segment([wire.span(2, 1), wire.span(0, -1)])
    set_aside(gate, [orphan])
    assert api.replay([api.list()[0]["id"]]) == ["replayed"]
    wait_until(lambda: backend.segments() == [orphan], "the segment")
    gate.wait_settled()


def test_repair_brings_no_second_row_to_a_database(begin, backend):
    """An id that the database has already is no better for being sent later."""
    gate, api = begin("upstream.storage=jdbc")
    first, again = (wire.segment(segment_id="one-id", trace_id=t) for t in ("a", "b"))
    stream(gate.channel(), COLLECT, [first, again])
    gate.wait_metric("items_quarantined_total", 1)
    item = api.list()[0]
    assert item["rule"] == "poison-id-again"
    assert api.replay([item["id"]], "repair") == ["refused"]
    wait_until(lambda: backend.segments() == [first], "the first")
    assert api.replay([item["id"]]) == ["replayed"]  # as it is: who asks knows better
    wait_until(lambda: len(backend.segments()) == 2, "the second")
    gate.wait_settled()


def test_what_ends_a_stream_of_oap_is_never_sent(begin, backend):
    gate, api = begin()
    set_aside(gate, [b"\x0a\xff\xff\xff\xff\x0f"])
    set_aside(gate, [wire.segment(service=b"\xff\xfe")])
    set_aside(gate, [wire.event(layer="")], EVENTS)
    ids = [one["id"] for one in api.list()]
    assert len(ids) == 3
    for mode in ("as-is", "repair"):
        assert api.replay(ids, mode) == ["refused"] * 3
    undecodable = api.list(rule="proto-undecodable")[0]
    assert undecodable["service"] == "" and undecodable["spans"] == 0
    one = api.good("POST", f"/{undecodable['id']}/replay", {"mode": "as-is"})
    assert one["result"] == "refused" and "protobuf" in one["why"]
    gate.wait_settled()
    assert len(api.list()) == 3


def test_logs_and_meters_find_their_way_too(begin, backend):
    gate, api = begin('integrity.actions={"log-nul": "quarantine"}')
    set_aside(gate, [wire.log(body="a\x00b", timestamp=0)], LOGS)
    item = api.list()[0]
    assert (item["service"], item["signal"], item["rule"]) == ("shop", "log", "log-nul")
    assert api.replay([item["id"]]) == ["replayed"]
    wait_until(lambda: backend.messages(LOGS), "the log")
    assert wire.last(backend.messages(LOGS)[0], 1) == item["received_ms"]
    gate.wait_settled()


def test_pages_filters_and_figures(begin, backend):
    gate, api = begin()
    for i in range(30):
        set_aside(gate, [sick("cart" if i % 3 == 0 else "shop", i)])
    set_aside(gate, [wire.event(layer="")], EVENTS)
    pages, before = [], None
    while True:
        query = {"limit": 7, **({"before": before} if before else {})}
        answer = api.good("GET", "?" + urllib.parse.urlencode(query))
        pages.append(answer["items"])
        before = answer["next"]
        if before is None:
            break
    assert [len(page) for page in pages] == [7, 7, 7, 7, 3]
    everything = [one for page in pages for one in page]
    assert everything == api.list(limit=1000)
    assert len({one["id"] for one in everything}) == 31
    assert len(api.list(service="cart")) == 10
    assert [one["signal"] for one in api.list(rule="event-layer-empty")] == ["event"]
    assert len(api.list(filter="service=c* rule=span-zero-missing spans>1")) == 10
    assert len(api.list(filter="service=c* and spans>2")) == 0
    middle = everything[15]["received_ms"]
    assert len(api.list(since=middle)) == sum(one["received_ms"] >= middle for one in everything)
    stats = api.good("GET", "/stats")
    assert stats["items"] == 31 and stats["capacity_bytes"] == 1 << 30
    assert stats["by_rule"] == {"event-layer-empty": 1, "span-zero-missing": 30}
    assert stats["by_service"] == {"shop": 21, "cart": 10}
    assert (stats["oldest"], stats["newest"]) == (everything[-1]["received"],
                                                  everything[0]["received"])
    assert stats["bytes"] == gate.metric("quarantine_bytes")


def test_figures_name_each_service_once(begin):
    gate, api = begin("upstream.kind=discard")
    names = [b"a\xff", b"a\xfe", b"b\0c", b"b\0d", b"\xc3\xa9" * 200, b"\xc3\xa9" * 200 + b"x", b"(others)"]
    set_aside(gate, [sick(name, number) for number, name in enumerate(names)])
    stats = api.good("GET", "/stats")
    assert stats["items"] == len(names) and sum(stats["by_service"].values()) == len(names)
    done = subprocess.run([BINARY, "quarantine", "stats", "--addr", f"unix:{api.path}"],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_deleted_is_deleted(begin):
    gate, api = begin()
    set_aside(gate, [sick(number=i) for i in range(4)])
    ids = [one["id"] for one in api.list()]
    assert api.good("DELETE", "/" + ids[0]) == {"removed": 1}
    assert api.call("DELETE", "/" + ids[0])[0] == 404
    assert api.good("POST", "/remove", {"ids": ids[:3] + ["q-ZZZZ"]}) == {"removed": 2}
    kill(gate)
    gate, api = begin()
    assert [one["id"] for one in api.list()] == ids[3:]
    assert gate.metric("quarantine_segments") == 1
    assert api.good("POST", "/remove", {"ids": ids}) == {"removed": 1}
    gate.wait_metric("quarantine_segments", 0)
    gate.wait_metric("quarantine_bytes", 0)
    assert gate.metric("quarantine_evicted_total") == 0


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "?limit=0", None, 400), ("GET", "?limit=1001", None, 400),
    ("GET", "?before=x", None, 400), ("GET", "?since=-1", None, 400),
    ("GET", "?filter=service", None, 400), ("GET", "/q-", None, 404), ("GET", "/nonsense", None, 404),
    ("GET", "/q-0000", None, 404), ("DELETE", "/q-0000", None, 404),
    ("POST", "/replay", {"ids": ["q-0001"]}, 400), ("POST", "/replay", {"mode": "as-is"}, 400),
    ("POST", "/replay", {"ids": ["x"], "mode": "as-is"}, 400),
    ("POST", "/replay", {"ids": [], "mode": "as-is", "rate": 10001}, 400),
    ("POST", "/remove", {"ids": [], "mode": "as-is"}, 400), ("POST", "/remove", {}, 400),
    ("POST", "/q-0001/replay", {}, 400), ("POST", "/q-0001/replay", {"ids": [], "mode": "repair"}, 400),
    ("PUT", "/q-0001", None, 405), ("DELETE", "", None, 405),
])
def test_wrong_requests_are_refused_in_words(begin, method, path, body, status):
    _, api = begin()
    got, answer = api.call(method, path, body)
    assert (got, list(answer)) == (status, ["error"]), answer
    assert len(answer["error"]) > 10


def test_a_replay_takes_its_time_and_goes_alone(begin, backend):
    gate, api = begin()
    set_aside(gate, [sick(number=i) for i in range(40)])
    ids = [one["id"] for one in api.list()]
    results = []
    slow = threading.Thread(target=lambda: results.append(api.replay(ids, rate=20)))
    slow.start()
    wait_until(lambda: gate.metric("quarantine_replayed_total") > 0, "a replay under way")
    status, answer = api.call("POST", "/replay", {"ids": ids, "mode": "as-is"})
    assert status == 409 and "under way" in answer["error"]
    assert len(backend.segments()) < 40
    slow.join(PATIENCE)
    assert results == [["replayed"] * 40]
    wait_until(lambda: len(backend.segments()) == 40, "all of them")
    assert sorted(backend.segment_ids()) == sorted(f"shop-{i}" for i in range(40))
    gate.wait_settled()


def test_a_client_that_goes_ends_its_replay_cleanly(begin, backend):
    gate, api = begin()
    set_aside(gate, [sick(number=i) for i in range(40)])
    ids = [one["id"] for one in api.list()]
    client = socket.socket(socket.AF_UNIX)
    client.connect(api.path)
    body = json.dumps({"ids": ids, "mode": "as-is", "rate": 10}).encode()
    client.sendall(b"POST /api/v1/quarantine/replay HTTP/1.1\r\nHost: localhost\r\n"
                   b"Content-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
    wait_until(lambda: gate.metric("quarantine_replayed_total") > 0, "a replay under way")
    client.close()
    # Then the next one may begin, and what is left is whole.
    wait_until(lambda: api.call("POST", "/replay", {"ids": [], "mode": "as-is"})[0] == 200,
               "the end of the replay")
    left = [one["id"] for one in api.list()]
    assert 0 < len(left) < 40
    assert gate.metric("quarantine_replayed_total") == 40 - len(left)
    assert api.replay(left) == ["replayed"] * len(left)
    wait_until(lambda: len(backend.segments()) == 40, "all of them")
    gate.wait_settled()


@pytest.mark.parametrize("mode, ack", [("durable", "buffered"), ("spill", "received"),
                                       ("durable", "forwarded")])
def test_a_kill_in_the_middle_loses_nothing(begin, backend, mode, ack):
    """At most twice, never not at all, in every mode with a disk."""
    gate, api = begin()
    set_aside(gate, [sick(number=i) for i in range(200)])
    gate.end()
    sets = (f"buffer.mode={mode}", f"buffer.ack={ack}")
    for at in (0, 20, 90):
        gate, api = begin(*sets)
        ids = [one["id"] for one in api.list(limit=1000)]
        worker = threading.Thread(target=lambda: attempt(api, ids))
        worker.start()
        wait_until(lambda: gate.metric("quarantine_replayed_total") > at or not worker.is_alive(),
                   "a part of it")
        kill(gate)
        worker.join(PATIENCE)
    gate, api = begin(*sets)
    ids = [one["id"] for one in api.list(limit=1000)]
    assert api.replay(ids) == ["replayed"] * len(ids)
    wait_until(lambda: len(set(backend.segment_ids())) == 200, "all of them")
    gate.wait_settled()


def attempt(api, ids):
    try:
        api.call("POST", "/replay", {"ids": ids, "mode": "as-is"})
    except (OSError, http.client.HTTPException):
        pass


def test_a_full_spool_makes_a_replay_wait(begin, backend):
    """It is told so, and the item stays where it is."""
    gate, api = begin("buffer.disk.max=64MiB", "buffer.disk.min_free=0B", "buffer.memory.max=16MiB",
                      "limits.memory=256MiB", "listen.max_message=4MiB", "upstream.retry.max=300ms")
    set_aside(gate, [sick(number=i) for i in range(3)])
    backend.stop()
    senders = Senders(gate, n=4, per_call=2, make=large, timeout=120)
    wait_until(lambda: gate.metric("not_ready_reason", reason="buffer") > 0, "a full spool",
               patience=60)
    ids = [one["id"] for one in api.list()]
    assert api.replay(ids) == ["busy"] * 3
    assert [one["id"] for one in api.list()] == ids
    assert gate.metric("quarantine_replayed_total") == 0
    backend.start()
    sent = senders.stop()
    wait_until(lambda: gate.metric("not_ready_reason", reason="buffer") == 0, "room", patience=60)
    assert api.replay(ids) == ["replayed"] * 3
    expected = {f"shop-{i}" for i in range(3)} | set(sent)
    wait_until(lambda: expected <= set(backend.segment_ids()), "all of them", patience=60)
    gate.wait_settled()


def test_a_full_quarantine_lets_the_oldest_go(begin):
    gate, api = begin("quarantine.max=4MiB")
    big = wire.span(1, 0, tags=[("body", "x" * 100_000)])
    for i in range(80):
        set_aside(gate, [wire.segment([big], segment_id=f"shop-{i}")])
    evicted = gate.metric("quarantine_evicted_total", reason="full")
    assert evicted > 0
    ids = [one["segment_id"] for one in api.list(limit=1000)]
    assert ids == [f"shop-{i}" for i in range(79, 79 - len(ids), -1)]
    assert len(ids) + evicted == 80


def test_memory_has_no_quarantine_to_look_at(start, short):
    start("buffer.mode=memory", f"admin.socket={short}/api")
    api = Api(f"{short}/api")
    for method, path in (("GET", ""), ("GET", "/stats"), ("GET", "/q-0001"), ("POST", "/replay"),
                         ("POST", "/remove"), ("DELETE", "/q-0001"), ("POST", "/q-0001/replay")):
        status, answer = api.call(method, path)
        assert status == 503 and "buffer.mode" in answer["error"]


def test_tags_are_left_out(begin, short):
    gate, api = begin("quarantine.redact_tags=[db.statement, token]")
    secret = [("token", "abc"), ("http.url", "/buy"), ("db.statement", "select secret")]
    set_aside(gate, [wire.segment([wire.span(1, 0, tags=secret)])])
    item = api.list()[0]
    payload = base64.b64decode(api.good("GET", "/" + item["id"])["payload"])
    assert b"secret" not in payload and b"abc" not in payload
    tags = [(wire.last(tag, 1), wire.last(tag, 2))
            for tag in wire.every(wire.last(payload, 3), 12)]
    assert tags == [(b"token", b"***"), (b"http.url", b"/buy"), (b"db.statement", b"*" * 13)]
    for path in (short / "kept" / "quarantine").iterdir():
        assert b"secret" not in path.read_bytes()


def test_a_large_quarantine_holds_nobody_up(begin, backend):
    """While it is walked through, metrics are answered and segments pass."""
    gate, api = begin()
    filler = wire.span(1, 0, tags=[("body", "x" * 3000)])
    messages = [wire.segment([filler], segment_id=f"shop-{i}") for i in range(4000)]
    set_aside(gate, messages)
    answers = []
    readers = [threading.Thread(target=lambda: answers.append(api.good("GET", "/stats")))
               for _ in range(4)]
    for one in readers:
        one.start()
    while any(one.is_alive() for one in readers):
        gate.metrics()
        stream(gate.channel(), COLLECT, [wire.segment()])
    for one in readers:
        one.join(PATIENCE)
    assert [one["items"] for one in answers] == [4000] * 4
    assert len(api.list(limit=1000, filter="segment=shop-17")) == 1
    gate.wait_settled()


def test_large_items_go_alone(begin, backend):
    """Larger than a step of reading, and than what is lent to a worker at once."""
    gate, api = begin("listen.max_message=32MiB")
    messages = [wire.segment([wire.span(1, 0, tags=[("body", "x" * size)])],
                             segment_id=f"shop-{size}")
                for size in (9_000_000, 10, 7_000_000, 300_000)]
    for one in messages:
        set_aside(gate, [one])
    items = api.list()
    assert [one["bytes"] for one in items] == [len(one) for one in reversed(messages)]
    shown = api.good("GET", "/" + items[-1]["id"])
    assert base64.b64decode(shown["payload"]) == messages[0]
    assert api.replay([one["id"] for one in items]) == ["replayed"] * 4
    wait_until(lambda: len(backend.segments()) == 4, "all of them")
    assert sorted(backend.segments()) == sorted(messages)
    gate.wait_settled()
