"""curl posts every body that OAP takes over HTTP; what spangate's sink stored of it is decoded and compared."""
# SPDX-License-Identifier: Apache-2.0
# Source of the paths and forms: protocol.md 7.1 to 7.3. Each body is built from a message of proto/
# by Google's library and its like decoded from the sink, so nothing here knows spangate's own JSON.
import gzip
import json
import re
import shutil
import subprocess
import time
import uuid
import zlib

import pytest

import described
import wire
from system_conftest import Spangate, wait_until

HTTP = "listen.http.address=127.0.0.1:0"
V3 = "TraceSegmentReportService"
# path: (message, is it a list, what the sink calls it, a bad element)
BODIES = {
    "/v3/segment": ("SegmentObject", False, f"{V3}.collectInSync", {"spans": 5}),
    "/v3/segments": ("SegmentObject", True, f"{V3}.collectInSync", {"spans": [{"startTime": "noon"}]}),
    "/v3/management/reportProperties": ("InstanceProperties", False,
                                        "ManagementService.reportInstanceProperties", {"service": 1}),
    "/v3/management/keepAlive": ("InstancePingPkg", False, "ManagementService.keepAlive", [1]),
    "/v3/logs": ("LogData", True, "LogReportService.collect", {"body": "x"}),
    "/v3/events": ("Event", True, "EventService.collect", {"name": "no layer"}),
    "/browser/perfData": ("BrowserPerfData", False, "BrowserPerfService.collectPerfData",
                          {"dnsTime": 2 ** 31}),
    "/browser/perfData/webVitals": ("BrowserWebVitalsPerfData", False,
                                    "BrowserPerfService.collectWebVitalsPerfData", {"cls": "big"}),
    "/browser/perfData/resources": ("BrowserResourcePerfData", True,
                                    "BrowserPerfService.collectResourcePerfData", {"duration": 0.5}),
    "/browser/perfData/webInteractions": ("BrowserWebInteractionsPerfData", True,
                                          "BrowserPerfService.collectWebInteractionsPerfData", 5),
    "/browser/errorLog": ("BrowserErrorLog", False, "BrowserPerfService.collectErrorLogs", []),
    "/browser/errorLogs": ("BrowserErrorLog", True, "BrowserPerfService.collectErrorLogs",
                           {"category": {}}),
}
LISTS = [path for path, row in BODIES.items() if row[1]]
ONES = [path for path, row in BODIES.items() if not row[1]]


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    return described.message_classes(tmp_path_factory.mktemp("classes"))


class Post:
    """curl's answer: status, body and headers (names in lower case)."""

    def __init__(self, gate, path, body, *headers, content_type="application/json"):
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        # "-H name:" takes a header away that curl would send by itself.
        headers = (f"Content-Type: {content_type}".rstrip(" "), "Expect:", *headers)
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "30", "--include",
             *(word for one in headers for word in ("--header", one)), "--data-binary", "@-",
             f"http://{gate.http}{path}"], input=body, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        head, _, self.body = done.stdout.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (one.partition(":") for one in rest)}

    def is_taken(self):
        assert (self.status, self.body) == (200, b"{}"), (self.status, self.body)
        return True


class Scene:
    """spangate with its sink, and the messages of one path."""

    def __init__(self, gate, folder, classes):
        self.gate, self.folder, self.classes = gate, folder, classes

    def post(self, path, body, *headers, **more):
        return Post(self.gate, path, body, *headers, **more)

    def messages(self, path):
        name, _, method, _ = BODIES[path]
        found = described.sink_messages(self.folder, method)
        if name == "SegmentObject":
            found = [s for one in found for s in wire.every(one, 1)]
            found += described.sink_messages(self.folder, f"{V3}.collect")
        return [self.classes[name].FromString(one) for one in found]

    def arrives(self, path, sent):
        """Those and no others."""
        def key(one):
            return one.SerializeToString(deterministic=True)
        wait_until(lambda: len(self.messages(path)) >= len(sent), f"messages of {path} at the sink")
        assert sorted(map(key, self.messages(path))) == sorted(map(key, sent))
        self.gate.wait_settled()

    def example(self, path):
        """A healthy message; no two are the same."""
        name = BODIES[path][0]
        one = self.classes[name].FromString(wire.EXAMPLES[name]())
        if name.startswith("Browser"):
            one.pagePath, one.time = f"/ä/{uuid.uuid4().hex}", wire.now_ms()
        return one


@pytest.fixture
def scene(tmp_path, classes):
    gate = Spangate(HTTP, flags=[f"--sink={tmp_path / 'sink'}"])
    yield Scene(gate, tmp_path / "sink", classes)
    assert gate.end() == 0, "\n".join(gate.lines)
    assert gate.find(r"^ledger .*imbalance (-?\d+)") == "0", "\n".join(gate.lines)


def as_json(message, **more):
    """Google's JSON form: 64-bit numbers as texts, enums by name."""
    from google.protobuf import json_format
    return json_format.MessageToDict(message, **more)


def with_numbers(value):
    """The same with texts of 13 digits, which are times, as numbers."""
    if isinstance(value, dict):
        return {k: with_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_numbers(v) for v in value]
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{13}", value) else value


@pytest.mark.parametrize("path", BODIES)
def test_json(scene, path):
    """Times as texts and as numbers, enums by name and by number, members nobody knows, nulls."""
    sent = [scene.example(path) for _ in range(4)]
    bodies = [as_json(sent[0]), with_numbers(as_json(sent[1])),
              as_json(sent[2], use_integers_for_enums=True),
              {**as_json(sent[3]), "nobodyKnows": {"me": [1, None]}, "layer" * 5: None}]
    for body in [bodies] if BODIES[path][1] else bodies:
        assert scene.post(path, body).is_taken()
    scene.arrives(path, sent)


@pytest.mark.parametrize("path", ONES)
def test_binary_protobuf(scene, path):
    sent = [scene.example(path) for _ in range(3)]
    for one, content_type in zip(sent, ("application/x-protobuf", "application/octet-stream", "")):
        assert scene.post(path, one.SerializeToString(), content_type=content_type).is_taken()
    scene.arrives(path, sent)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_json_alone(scene, path):
    body = scene.example(path).SerializeToString()
    assert scene.post(path, body, content_type="application/x-protobuf").status == 400
    assert scene.post(path, []).is_taken()
    scene.arrives(path, [])


@pytest.mark.parametrize("path", BODIES)
def test_packed(scene, path):
    sent = [scene.example(path) for _ in range(2)]
    for one, coding, pack in zip(sent, ("gzip", "deflate"), (gzip.compress, zlib.compress)):
        body = json.dumps([as_json(one)] if BODIES[path][1] else as_json(one)).encode()
        assert scene.post(path, pack(body), f"Content-Encoding: {coding}").is_taken()
        assert scene.post(path, body, f"Content-Encoding: {coding}").status == 400
    scene.arrives(path, sent)


@pytest.mark.parametrize("path", LISTS)
def test_a_bad_element_costs_only_itself(scene, path):
    sent = [scene.example(path) for _ in range(2)]
    answer = scene.post(path, [as_json(sent[0]), BODIES[path][3], as_json(sent[1])])
    told = json.loads(answer.body)
    assert answer.status == 200 and (told["accepted"], told["refused"]) == (2, 1)
    assert [one["index"] for one in told["errors"]] == [1]
    scene.arrives(path, sent)


@pytest.mark.parametrize("path", ONES)
def test_a_bad_message(scene, path):
    for body in (BODIES[path][3], b"{", b""):
        answer = scene.post(path, body)
        assert answer.status == 400 and json.loads(answer.body)["errors"]
    scene.arrives(path, [])


@pytest.mark.parametrize("path", BODIES)
def test_too_large(scene, path):
    """OAP's limit, 10 MiB; the packed one is small until it is unpacked."""
    body = b"[" + b" " * (10 << 20) + b"]"
    assert scene.post(path, body).status == 413
    assert scene.post(path, gzip.compress(body), "Content-Encoding: gzip").status == 413
    scene.arrives(path, [])


@pytest.mark.parametrize("path", BODIES)
def test_the_preflight_of_a_page(scene, path):
    done = subprocess.run(
        ["curl", "--silent", "--include", "--request", "OPTIONS", "--header", "Origin: https://shop.example",
         "--header", "Access-Control-Request-Method: POST",
         "--header", "Access-Control-Request-Headers: content-type", f"http://{scene.gate.http}{path}"],
        capture_output=True, text=True, timeout=60)
    head = done.stdout.lower()
    assert re.match(r"http/1.1 20[04] ", head), head
    assert re.search(r"^access-control-allow-origin: (\*|https://shop.example)\s", head, re.M), head
    assert re.search(r"^access-control-allow-methods: .*post", head, re.M), head
    assert re.search(r"^access-control-allow-headers: .*content-type", head, re.M), head


def test_what_is_not_posted_there(scene):
    for words, status in ((["--request", "GET"], 405), (["--request", "PUT", "--data", "{}"], 405)):
        done = subprocess.run(["curl", "--silent", "--output", "-", "--write-out", "%{http_code}", *words,
                               f"http://{scene.gate.http}/v3/segments"], capture_output=True, text=True)
        assert done.stdout.endswith(str(status))
    assert scene.post("/v3/nothing", []).status == 404


def test_a_full_buffer(start, backend):
    """The backend stands still: after 5 s without room the answer says when to come again."""
    gate = start(HTTP, "buffer.mode=memory", "buffer.memory.max=1MiB", "limits.workers=1",
                 "limits.memory=64MiB")
    backend.gate.clear()
    log = {"service": "shop", "timestamp": "1588664577013", "body": {"text": {"text": "x" * 100000}}}
    begun = time.monotonic()
    answer = Post(gate, "/v3/logs", [log] * 40)
    assert answer.status == 503 and answer.headers["retry-after"] == "5"
    assert time.monotonic() - begun >= 4.9
    n_taken = json.loads(answer.body)["accepted"]
    backend.gate.set()
    gate.wait_settled()
    assert len(backend.messages("/skywalking.v3.LogReportService/collect")) == n_taken
