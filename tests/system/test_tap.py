"""The verb tap: live segments of a running service, while nothing of what agents send is touched."""
# SPDX-License-Identifier: Apache-2.0
import base64
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

import wire
from backend import COLLECT, COLLECT_IN_SYNC
from conftest import BINARY, PATIENCE, stream, wait_until

TORN = [wire.span(span_id=0, parent=-1), wire.span(span_id=2, parent=7)]


class Tap:
    """A running tap; its first counts have come, so every worker offers."""

    def __init__(self, gate, query="", receive_buffer=0):
        host, port = gate.admin.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((host, int(port)))
        self.socket.sendall(f"GET /api/v1/tap?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline() not in (b"\r\n", b""):
            pass
        assert self.next()["counts"]["sent"] == 0

    def next(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def until_counts(self, done):
        """The segments up to counts that satisfy done, and those counts."""
        segments = []
        while True:
            value = self.next()
            if "segment" in value:
                segments.append(value["segment"])
            elif done(value["counts"]):
                return segments, value["counts"]

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def tap(gate):
    taps = []

    def opened(query="", **more):
        taps.append(Tap(gate, query, **more))
        return taps[-1]
    yield opened
    for one in taps:
        one.close()


def command(gate, *flags, text=True):
    return subprocess.Popen([BINARY, "tap", "--addr", gate.admin, *flags], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=text)


def tapping(gate, n=1):
    gate.wait_metric("tap_clients", n)


def feed_until_end(gate, process, segments):
    """Segments until the command has had enough: it may begin a moment after the first of them."""
    channel = gate.channel()
    while process.poll() is None:
        stream(channel, COLLECT, segments())
    out, told = process.communicate(timeout=PATIENCE)
    return process.returncode, out, told


def test_each_segment_is_shown_with_its_verdict(gate, backend, tap):
    one = tap("rate=10000&content=message")
    stream(gate.channel(), COLLECT, [wire.segment(service="well") for _ in range(5)])
    stream(gate.channel(), COLLECT, [wire.segment(TORN, service="sick"), b"\x0a\xff"])
    segments, counts = one.until_counts(lambda counts: counts["seen"] == 7)
    gate.wait_settled()
    assert [s["verdict"] for s in segments if s["service"] == "well"] == ["clean"] * 5
    sick, = [s for s in segments if s["service"] == "sick"]
    assert (sick["verdict"], sick["rule"], sick["spans"]) == ("tagged", "span-parent-missing", 2)
    assert len(sick["message"]["spans"]) == 2 and sick["rules"] == ["span-parent-missing"]
    broken, = [s for s in segments if s["service"] == ""]
    assert (broken["verdict"], broken["rule"], broken["message"]) == ("quarantined", "proto-undecodable", None)
    assert counts == {"seen": 7, "matched": 7, "sent": 7, "over_rate": 0, "no_room": 0, "too_large": 0}
    assert len(backend.segments()) == 6


def test_what_is_shown_is_what_came(gate, tap):
    """Not what was forwarded: that one has a tag."""
    one = tap("rate=10000")
    sent = wire.segment(TORN, service="sick")
    stream(gate.channel(), COLLECT_IN_SYNC, [wire.text(1, sent) + wire.text(1, wire.segment())])
    segments, _ = one.until_counts(lambda counts: counts["seen"] == 2)
    assert base64.b64decode(segments[0]["payload"]) == sent


def test_a_tap_under_load_loses_nothing(gate, backend, tap):
    """Taps of every kind, one that never reads, and one whose client goes: each segment arrives once."""
    n, rate, began = 6000, 50, time.monotonic()
    all_of = tap(f"rate={rate}&content=none")
    rare = tap("filter=" + urllib.parse.quote("service=checkout-go and rule=span-parent-missing") + "&rate=10000")
    silent = tap("rate=10000&content=message", receive_buffer=4096)
    gone = tap("rate=10000")
    gone.close()
    done = subprocess.run([BINARY, "load", "--addr", gate.address, "--rate", "3000", "--duration", "2s",
                           "--instances", "8", "--corrupt", "span-parent-missing:5%"],
                          capture_output=True, text=True, timeout=PATIENCE * 3)
    assert f"{n} acknowledged of {n} sent" in done.stdout, done.stdout
    gate.wait_settled()
    assert gate.metric("items_accepted_total", signal="tracing") == n
    assert len(backend.segments()) == n
    segments, counts = all_of.until_counts(lambda counts: counts["seen"] == n)
    assert counts["matched"] == n and counts["sent"] == len(segments)
    assert counts["sent"] + counts["over_rate"] + counts["no_room"] == n
    assert rate <= counts["sent"] <= rate * (1 + time.monotonic() - began)
    found, counts = rare.until_counts(lambda counts: counts["seen"] == n)
    assert 0 < len(found) == counts["matched"] < n / 10
    assert {(s["service"], s["rule"]) for s in found} == {("checkout-go", "span-parent-missing")}
    silent.close()
    all_of.close()
    rare.close()
    gate.wait_metric("tap_clients", 0)


def test_at_most_four(gate, tap):
    for _ in range(4):
        tap()
    tapping(gate, 4)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{gate.admin}/api/v1/tap", timeout=PATIENCE)
    assert refused.value.code == 503
    process = command(gate)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 69 and "4 others tap already" in told


def test_tree_and_limit(gate):
    process = command(gate, "--limit", "2", "--filter", "rule=span-parent-missing", "--rate", "1000")
    code, out, told = feed_until_end(gate, process, lambda: [wire.segment(), wire.segment(TORN, service="sick")])
    assert code == 0, told
    assert out.count("tagged  span-parent-missing") == 2 and "clean" not in out
    assert re.search(r"\?\? 7 is not in this segment\n +!! 2 .*\[span-parent-missing\]", out)
    assert re.fullmatch(r"spangate tap: 2 shown of \d+ judged, \d+ of which matched.*\n", told)


def test_line_and_the_end_by_signal(gate):
    process = command(gate, "--format", "line", "--verdict", "tagged", "--rate", "1")
    tapping(gate)
    channel = gate.channel()
    shown = []
    while not shown:
        stream(channel, COLLECT, [wire.segment(TORN, service="sick", instance="s-1") for _ in range(20)])
        shown.append(process.stdout.readline())
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}Z  sick s-1 +2 spans  tagged  span-parent-missing  \S+\n", shown[0])
    gate.wait_settled()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    passed = re.search(r"passed over: (\d+) for --rate 1$", told.strip())
    assert passed and int(passed[1]) >= 19, told
    gate.wait_metric("tap_clients", 0)


def test_json_lines(gate):
    process = command(gate, "--format", "json", "--limit", "3", "-q")
    code, out, told = feed_until_end(gate, process, lambda: [wire.segment(service="shop")])
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and told == ""
    assert [one["service"] for one in lines] == ["shop"] * 3 and lines[0]["message"]["spans"]


def test_lint_reads_pb(gate):
    process = command(gate, "--format", "pb", "--limit", "10", "-q", text=False)
    code, out, _ = feed_until_end(gate, process, lambda: [wire.segment(), wire.segment(TORN)])
    assert code == 0
    lint = subprocess.run([BINARY, "lint", "-"], input=out, capture_output=True, timeout=PATIENCE)
    assert lint.returncode == 1 and b"10 segments" in lint.stdout and b"span-parent-missing" in lint.stdout


@pytest.mark.parametrize("flags,words", [
    (["--filter", "service=("], "--filter, column"),
    (["--verdict", "sick"], "verdict is a list of clean"),
    (["--rate", "0"], "--rate is at least 1"),
    (["--limit", "0"], "--limit is at least 1"),
    (["--format", "xml"], "format"),
])
def test_what_it_does_not_take(gate, flags, words):
    process = command(gate, *flags)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 64 and words in told


def test_nobody_there_is_69():
    done = subprocess.run([BINARY, "tap", "--addr", "127.0.0.1:1"], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 69 and "does not answer" in done.stderr


def test_the_service_ends_while_it_is_tapped(gate):
    process = command(gate, "--format", "line")
    tapping(gate)
    assert gate.end() == 0
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 69 and "the service has ended" in told
    assert "imbalance 0" in gate.lines[-1]


def test_over_http_too(start, backend):
    gate = start("listen.http.address=127.0.0.1:0")
    one = Tap(gate, "rate=10000")
    asked = urllib.request.Request(f"http://{gate.http}/v3/segment", method="POST", headers={"Content-Type": "application/json"},
                                   data=json.dumps({"traceId": "t", "traceSegmentId": "s", "service": "web", "serviceInstance": "w-1",
                                                    "spans": [{"spanId": 0, "parentSpanId": -1, "startTime": 1, "endTime": 2}]}).encode())
    urllib.request.urlopen(asked, timeout=PATIENCE).close()
    segments, _ = one.until_counts(lambda counts: counts["seen"] == 1)
    assert segments[0]["service"] == "web"
    one.close()
