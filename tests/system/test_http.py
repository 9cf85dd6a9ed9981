"""HTTP/JSON: every path of protocol.md 7.1, good and bad, packed, held, refused and drained."""
# SPDX-License-Identifier: Apache-2.0
import gzip
import http.client
import json
import random
import shutil
import socket
import subprocess
import threading
import time
import uuid
import zlib

import pytest

import wire
from conftest import PATIENCE, ROOT, wait_until

HTTP = "listen.http.address=127.0.0.1:0"
V3 = "/skywalking.v3."
BROWSER = V3 + "BrowserPerfService/"
ORIGIN = "https://shop.example"


def segment(segment_id=None, **more):
    now = wire.now_ms()
    span = {"spanId": 0, "parentSpanId": -1, "startTime": str(now - 50), "endTime": now,
            "operationName": "/in", "spanType": "Entry", "spanLayer": "Http", "componentId": 6000,
            "tags": [{"key": "http.method", "value": "GET"}]}
    return {"traceId": "t", "traceSegmentId": segment_id or uuid.uuid4().hex, "service": "shop",
            "serviceInstance": "shop-1", "spans": [span], **more}


def named(**more):
    return {"service": "shop", "serviceVersion": "1.0", "pagePath": "/", **more}


def another(message):
    """A segment is told from its copies by its id, other messages have none."""
    return segment() if "traceSegmentId" in message else message


# path: (is it a list, where it goes, a good message, a bad one)
PATHS = {
    "/v3/segment": (False, V3 + "TraceSegmentReportService/collectInSync", segment(), {"spans": 5}),
    "/v3/segments": (True, V3 + "TraceSegmentReportService/collectInSync", segment(),
                     {"spans": [{"startTime": "noon"}]}),
    "/v3/management/reportProperties": (
        False, V3 + "ManagementService/reportInstanceProperties",
        {"service": "shop", "serviceInstance": "i", "properties": [{"key": "language", "value": "lua"}]},
        {"properties": {}}),
    "/v3/management/keepAlive": (False, V3 + "ManagementService/keepAlive",
                                 {"service": "shop", "serviceInstance": "i"}, {"service": 1}),
    "/v3/logs": (True, V3 + "LogReportService/collect",
                 {"service": "shop", "timestamp": "1588664577013", "body": {"text": {"text": "x"}},
                  "traceContext": {"spanId": "0"}}, {"body": "x"}),
    "/v3/events": (True, V3 + "EventService/collect",
                   {"uuid": "u", "name": "Start", "layer": "GENERAL", "type": "Normal",
                    "source": {"service": "shop"}, "parameters": {"k": "v"}, "startTime": 5},
                   {"uuid": "u", "name": "no layer"}),
    "/browser/perfData": (False, BROWSER + "collectPerfData", named(redirectTime=10, fmpTime="3"),
                          {"redirectTime": 2 ** 31}),
    "/browser/perfData/webVitals": (False, BROWSER + "collectWebVitalsPerfData",
                                    named(cls=0.25, lcpTime=7), {"cls": "big"}),
    "/browser/perfData/resources": (True, BROWSER + "collectResourcePerfData",
                                    named(name="a.js", duration=5, size=9, resourceType="js",
                                          protocol="h2"), {"duration": 0.5}),
    "/browser/perfData/webInteractions": (True, BROWSER + "collectWebInteractionsPerfData",
                                          named(inpTime=12), 5),
    "/browser/errorLog": (False, BROWSER + "collectErrorLogs",
                          named(category="js", grade="Error", message="x", line=1, col=2), []),
    "/browser/errorLogs": (True, BROWSER + "collectErrorLogs",
                           named(category="promise", message="x", firstReportedError=True),
                           {"category": {}}),
}
ONES = [p for p, row in PATHS.items() if not row[0]]
LISTS = [p for p, row in PATHS.items() if row[0]]


class Client:
    """One kept connection."""

    def __init__(self, gate):
        host, port = gate.http.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)

    def ask(self, method, path, body=b"", **headers):
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        self.connection.request(method, path, body=body, headers=names)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def post(self, path, body, **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers.setdefault("content_type", "application/json")
        return self.ask("POST", path, body, **headers)


@pytest.fixture
def http_gate(start):
    return start(HTTP)


def messages_of(backend, method):
    found = backend.messages(method)
    if method.endswith("collectInSync"):
        found = [s for c in found for s in wire.every(c, 1)]
        found += backend.messages(method.replace("collectInSync", "collect"))
    return found


@pytest.mark.parametrize("path", PATHS)
def test_every_path_takes_good_ones(http_gate, backend, path):
    is_list, method, good, _ = PATHS[path]
    status, body, headers = Client(http_gate).post(path, [good, another(good)] if is_list else good)
    assert (status, body) == (200, b"{}") and headers["Content-Type"] == "application/json"
    found = wait_until(lambda: len(messages_of(backend, method)) == 1 + is_list and
                       messages_of(backend, method), "the messages at the backend")
    assert b"shop" in found[0]
    http_gate.wait_settled()
    assert http_gate.metric("http_requests_total", method=path[1:], code="200") == 1


@pytest.mark.parametrize("path", LISTS)
def test_a_bad_element_costs_only_itself(http_gate, backend, path):
    _, method, good, bad = PATHS[path]
    client = Client(http_gate)
    status, body, _ = client.post(path, [good, bad, another(good)])
    told = json.loads(body)
    assert status == 200 and told["accepted"] == 2 and told["refused"] == 1
    assert [e["index"] for e in told["errors"]] == [1] and told["errors"][0]["error"]
    wait_until(lambda: len(messages_of(backend, method)) == 2, "the good ones at the backend")
    status, body, _ = client.post(path, [bad])
    assert status == 400 and json.loads(body)["errors"]
    http_gate.wait_settled()
    assert http_gate.metric("items_quarantined_total") == 2


@pytest.mark.parametrize("path", ONES)
def test_one_bad_message_is_refused(http_gate, backend, path):
    _, method, _, bad = PATHS[path]
    client = Client(http_gate)
    for body in (bad, [bad], b"{", b"", b"{}{}", b"[]"):
        status, told, _ = client.post(path, body)
        assert status == 400 and json.loads(told)["errors"][0]["error"], body
    assert not messages_of(backend, method)
    http_gate.wait_settled()
    assert http_gate.metric("items_quarantined_total") == 5  # nothing to keep of an empty body


@pytest.mark.parametrize("path", ONES)
def test_binary_protobuf_for_one_message(http_gate, backend, path):
    _, method, _, _ = PATHS[path]
    row = {"/v3/segment": "SegmentObject", "/v3/management/reportProperties": "InstanceProperties",
           "/v3/management/keepAlive": "InstancePingPkg", "/browser/perfData": "BrowserPerfData",
           "/browser/perfData/webVitals": "BrowserWebVitalsPerfData",
           "/browser/errorLog": "BrowserErrorLog"}[path]
    sent = [wire.EXAMPLES[row]() for _ in range(3)]
    client = Client(http_gate)
    for content_type, message in zip(("application/x-protobuf", "application/octet-stream"), sent):
        assert client.post(path, message, content_type=content_type)[0] == 200
    assert client.ask("POST", path, sent[2])[0] == 200  # no type at all
    wait_until(lambda: sorted(messages_of(backend, method)) == sorted(sent), "the bytes as they were")
    status, body, _ = client.post(path, b"{}", content_type="application/x-protobuf")
    assert status == 400 and b"protobuf" in body


@pytest.mark.parametrize("path", LISTS)
def test_lists_are_json_alone(http_gate, path):
    client = Client(http_gate)
    for content_type in ("application/x-protobuf", "", "application/x-www-form-urlencoded"):
        assert client.post(path, [], content_type=content_type)[0] == 400
    for content_type in ("application/json; charset=UTF-8", "Application/JSON",
                         "application/vnd.x+json", "text/plain;charset=UTF-8"):
        assert client.post(path, [], content_type=content_type)[:2] == (200, b"{}")


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("path", PATHS)
def test_packed_bodies(http_gate, backend, path):
    is_list, method, good, _ = PATHS[path]
    client = Client(http_gate)
    for coding, pack in (("gzip", gzip.compress), ("GZIP", gzip.compress),
                         ("deflate", zlib.compress), ("deflate", raw_deflate), ("identity", bytes)):
        one = another(good)
        plain = json.dumps([one] if is_list else one).encode()
        assert client.post(path, pack(plain), content_encoding=coding)[:2] == (200, b"{}"), coding
    wait_until(lambda: len(messages_of(backend, method)) == 5, "five at the backend")
    assert client.post(path, plain, content_encoding="gzip")[0] == 400
    assert client.post(path, gzip.compress(plain)[:-9], content_encoding="gzip")[0] == 400
    status, _, headers = client.post(path, plain, content_encoding="br")
    assert status == 415 and "gzip" in headers["Accept-Encoding"]


@pytest.mark.parametrize("path", PATHS)
def test_preflight_and_answers_for_pages(http_gate, path):
    is_list, _, good, _ = PATHS[path]
    client = Client(http_gate)
    status, body, headers = client.ask(
        "OPTIONS", path, Origin=ORIGIN, Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type")
    assert (status, body) == (204, b"")
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert headers["Access-Control-Allow-Headers"] == "content-type"
    assert int(headers["Access-Control-Max-Age"]) > 0
    status, _, headers = client.post(path, [good] if is_list else good, Origin=ORIGIN)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Vary"] == "Origin"


def test_only_listed_origins(start):
    gate = start(HTTP, f"listen.http.cors_origins={ORIGIN},https://two.example")
    client = Client(gate)
    for origin, status in ((ORIGIN, 204), ("https://two.example", 204), ("https://evil.example", 403)):
        got, _, headers = client.ask("OPTIONS", "/v3/segments", Origin=origin,
                                     Access_Control_Request_Method="POST")
        assert got == status
        assert (headers["Access-Control-Allow-Origin"] == origin) == (status == 204)
    # A page's text/plain comes without asking first.
    assert client.post("/v3/segments", [], Origin="https://evil.example",
                       content_type="text/plain")[0] == 403
    assert client.post("/v3/segments", [])[0] == 200


def test_other_methods_and_paths(http_gate):
    client = Client(http_gate)
    for path in PATHS:
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            status, _, headers = client.ask(method, path)
            assert status == 405 and headers["Allow"] == "POST, OPTIONS"
        assert client.ask("HEAD", path)[:2] == (405, b"")
    for path in ("/", "/v3", "/v3/segments/", "/v3//segments", "/V3/segments", "/v3/meters",
                 "/v3/%73egments", "/../v3/segments"):
        assert client.post(path, [])[0] == 404, path
    assert client.post("/v3/segments?x=1", [])[0] == 200
    assert http_gate.metric("http_requests_total", method="unknown", code="404") == 8
    assert http_gate.metric("http_requests_total", code="405") == 5 * len(PATHS)


def spaces(n):
    return b"[" + b" " * (n - 2) + b"]"


def test_413_above_max_body(start):
    gate = start(HTTP, "listen.http.max_body=64KiB")
    assert Client(gate).post("/v3/logs", spaces(65536))[0] == 200
    assert Client(gate).post("/v3/logs", spaces(65537))[0] == 413
    assert Client(gate).post("/v3/logs", gzip.compress(spaces(65536)),
                             content_encoding="gzip")[0] == 200
    status, body, _ = Client(gate).post("/v3/logs", gzip.compress(spaces(65537)),
                                        content_encoding="gzip")
    assert status == 413 and b"max_body" in body
    assert Client(gate).post("/v3/logs", gzip.compress(bytes(50 << 20)),
                             content_encoding="gzip")[0] == 413
    connection = Client(gate).connection
    try:  # the answer may come, and the connection end, before all is sent
        connection.request("POST", "/v3/logs", body=(spaces(1000) for _ in range(66)),
                           encode_chunked=True, headers={"Content-Type": "application/json",
                                                         "Transfer-Encoding": "chunked"})
        assert connection.getresponse().status == 413
    except OSError:
        pass
    assert gate.metric("http_requests_total", code="200") == 2
    gate.wait_settled()


def test_curl_waits_for_continue(http_gate, backend, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("no curl")
    body = tmp_path / "body"
    body.write_text(json.dumps([segment(f"s{i}") for i in range(5000)]))
    result = subprocess.run(
        ["curl", "-sS", "-w", "%{http_code}", "-H", "Content-Type: application/json", "-H",
         "Expect: 100-continue", "--data-binary", f"@{body}", f"http://{http_gate.http}/v3/segments"],
        capture_output=True, text=True, timeout=PATIENCE)
    assert result.stdout == "{}200", result.stderr
    wait_until(lambda: len(backend.segments()) == 5000, "all at the backend")


def test_a_full_buffer_holds_then_answers_503(start, backend):
    gate = start(HTTP, "buffer.mode=memory", "buffer.memory.max=1MiB", "limits.workers=1",
                 "limits.memory=64MiB")
    backend.gate.clear()
    log = {"service": "shop", "timestamp": 5, "body": {"text": {"text": "x" * 100000}}}
    begun = time.monotonic()
    status, body, headers = Client(gate).post("/v3/logs", [log] * 40)
    took = time.monotonic() - begun
    assert status == 503 and headers["Retry-After"] == "5" and 4.9 <= took < 8
    told = json.loads(body)
    assert 0 < told["accepted"] < 40 and "room" in told["error"]
    # Who waits when room comes is served.
    late = {}
    poster = threading.Thread(target=lambda: late.update(answer=Client(gate).post("/v3/logs", [log])))
    poster.start()
    wait_until(lambda: gate.metric("connections", listener="http") >= 1, "the one that waits")
    backend.gate.set()
    poster.join(PATIENCE)
    assert late["answer"][:2] == (200, b"{}")
    gate.wait_settled()
    wait_until(lambda: len(backend.messages(PATHS["/v3/logs"][1])) == told["accepted"] + 1,
               "what was accepted, once")


def test_200_waits_for_the_backend_when_asked_to(start, backend):
    gate = start(HTTP, "buffer.ack=forwarded")
    backend.gate.clear()
    done = {}
    poster = threading.Thread(target=lambda: done.update(
        answer=Client(gate).post("/v3/segments", [segment("a"), segment("b")])))
    poster.start()
    wait_until(lambda: gate.metric("items_inflight") == 2, "both at the backend")
    assert not done
    backend.gate.set()
    poster.join(PATIENCE)
    assert done["answer"][:2] == (200, b"{}")


def test_a_client_that_leaves(start, backend):
    gate = start(HTTP, "buffer.ack=forwarded")
    backend.gate.clear()
    client = Client(gate)
    client.connection.request("POST", "/v3/segment", body=json.dumps(segment()),
                              headers={"Content-Type": "application/json"})
    wait_until(lambda: gate.metric("items_inflight") == 1, "its segment at the backend")
    client.connection.close()
    wait_until(lambda: gate.metric("connections", listener="http") == 0, "its end")
    backend.gate.set()
    wait_until(lambda: len(backend.segments()) == 1, "its segment")
    gate.wait_settled()


def test_drain_under_load(start, backend):
    """Whatever was answered 200 is at the backend, and who is refused was told by a close."""
    gate = start(HTTP, "limits.workers=2", "shutdown.flush=10s")
    answered, failed, stop = [], [], threading.Event()

    def load(name):
        client = Client(gate)
        for i in range(1000000):
            if stop.is_set():
                return
            one = f"{name}-{i}"
            try:
                status, _, headers = client.post("/v3/segments", [segment(one)])
            except (OSError, http.client.HTTPException) as error:
                failed.append((one, error))
                return
            assert status == 200
            answered.append(one)
            if headers.get("Connection") == "close":
                return

    threads = [threading.Thread(target=load, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) > 200, "load")
    assert gate.end() == 0
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failed
    assert set(answered) == set(backend.segment_ids())
    assert gate.find(r"^ledger .*imbalance (-?\d+)") == "0"


def test_a_slow_request_outlives_a_short_flush(start, backend):
    """shutdown.flush begins when nobody sends any more, on neither port."""
    gate = start(HTTP, "shutdown.flush=10ms", "shutdown.drain=20s")
    host, port = gate.http.rsplit(":", 1)
    body = json.dumps(segment("slow")).encode()
    with socket.create_connection((host, int(port)), PATIENCE) as sock:
        sock.sendall(b"POST /v3/segment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
        wait_until(lambda: gate.metric("connections", listener="http") == 1, "its beginning")
        gate.process.terminate()
        wait_until(lambda: gate.find('text="(draining)"'), "the drain")
        time.sleep(4)  # longer than the flush and what follows it
        sock.sendall(body[10:])
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    assert gate.end() == 0
    assert gate.find(r"^ledger .*accepted (1 .*imbalance 0)$")


def test_bodies_are_bounded_and_all_get_through(start, backend):
    """An eighth of 32 MiB, with two workers 2 MiB each: slow bodies of 1 MiB, and all are taken."""
    gate = start(HTTP, "limits.memory=32MiB", "limits.workers=2", "buffer.memory.max=8MiB")
    text = json.dumps([{"service": "shop", "timestamp": 5, "body": {"text": {"text": "x" * (1 << 20)}}}]).encode()
    head = (b"POST /v3/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(text))
    host, port = gate.http.rsplit(":", 1)
    clients = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(24)]
    most = [0]

    def send(client):
        client.sendall(head + text[:-1])

    threads = [threading.Thread(target=send, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for _ in range(30):
        most[0] = max(most[0], gate.metric("memory_used_bytes"))
        time.sleep(0.01)
    assert most[0] < 20 << 20
    answers = {}

    def finish(client):
        client.sendall(text[-1:])
        answers[client] = client.recv(15)

    # Whose body is not read yet cannot have sent it: they end as they come.
    enders = []
    for client, thread in zip(clients, threads):
        def both(client=client, thread=thread):
            thread.join(PATIENCE)
            finish(client)
        enders.append(threading.Thread(target=both))
        enders[-1].start()
    for ender in enders:
        ender.join(PATIENCE)
    assert len(answers) == 24 and all(a == b"HTTP/1.1 200 OK" for a in answers.values())
    for client in clients:
        client.close()
    gate.wait_settled()
    assert len(backend.messages(PATHS["/v3/logs"][1])) == 24


def test_half_bodies_keep_nobody_out(start, backend):
    """They fill what requests may take up, and then nothing follows."""
    gate = start(HTTP, "limits.workers=1", "limits.memory=128MiB")
    host, port = gate.http.rsplit(":", 1)
    head = (b"POST /v3/segments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 9000000\r\n\r\n[")
    held = [socket.create_connection((host, int(port)), PATIENCE) for _ in range(40)]
    for one in held:
        one.setblocking(False)
    left = {one: head + b" " * (1 << 20) for one in held}
    for one in [o for _ in range(3) for o in held]:
        try:
            left[one] = left[one][one.send(left[one]):]
        except BlockingIOError:
            pass
        time.sleep(0.001)
    begun = time.monotonic()
    status, body, _ = Client(gate).post("/v3/segment", segment())
    assert (status, body) == (200, b"{}") and time.monotonic() - begun < 15
    for one in held:
        one.close()


def test_one_connection_too_many_is_refused(start):
    gate = start(HTTP, "limits.max_connections=3", "limits.workers=1")
    open_ones = [Client(gate) for _ in range(3)]
    for client in open_ones:
        assert client.post("/v3/segments", [])[0] == 200
    with pytest.raises((OSError, http.client.HTTPException)):
        Client(gate).post("/v3/segments", [])
    assert gate.metric("connections", listener="http") == 3
    assert gate.metric("connections_refused_total", reason="limit") == 1
    open_ones[0].connection.close()
    gate.wait_metric("connections", 2, listener="http")
    assert Client(gate).post("/v3/segments", [])[0] == 200
    assert gate.metric("connections_total", listener="http") == 5


def test_every_worker_takes_http_on_one_port(start):
    gate = start(HTTP, "limits.workers=4")
    clients = [Client(gate) for _ in range(64)]
    for client in clients:
        assert client.post("/v3/segments", [])[0] == 200
    assert gate.metric("connections", listener="http") == 64
    listening = open("/proc/net/tcp").read().count(f":{int(gate.http.rsplit(':', 1)[1]):04X} 00000000:0000 0A")
    assert listening == 4


def test_hostile_bodies_cost_only_themselves(http_gate, backend):
    client = Client(http_gate)
    for bad in (b'{"unknown":' + b"[" * 100000 + b"]" * 100000 + b"}",
                b'{"spans":[{"startTime":' + b"9" * 1000 + b"}]}",
                b'{"spans":[{"startTime":1e400}]}', b'{"traceId":"a","traceId":"b"}',
                b'{"traceId":"\\ud8"}', b'{"traceId":"\x01"}', b"nul", b"-", b"01", b""):
        good = json.dumps(segment()).encode()
        status, body, _ = client.post("/v3/segments", b"[" + bad + b"," + good + b"]")
        told = json.loads(body)
        assert status == 200 and (told["accepted"], told["refused"]) == (1, 1), bad[:40]
    for taken in (b'{"service":"cut \\ud83d","serviceInstance":"i"}',
                  b'{"service":"\xff\xfe","serviceInstance":"i"}',
                  b'{"service":"nul \\u0000","serviceInstance":"i"}'):
        assert client.post("/v3/management/keepAlive", taken)[0] == 200
    for broken in (b"[" + good, b"[" + good + b"}", b"]", b"\xef\xbb\xbf[]", b"[[" * 1000, b"\x00"):
        assert client.post("/v3/segments", broken)[0] == 400, broken[:20]
    http_gate.wait_settled()


def test_json_means_what_protobuf_says(http_gate, backend, tmp_path):
    """Random messages in the JSON of Google's library come out as the same messages."""
    if not shutil.which("protoc"):
        pytest.skip("no protoc")
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
    out = tmp_path / "all.pb"
    protos = [p.name for p in sorted((ROOT / "proto").glob("*.proto"))]
    subprocess.run(["protoc", f"-I{ROOT / 'proto'}", "--include_imports",
                    f"--descriptor_set_out={out}", *protos], check=True)
    pool = descriptor_pool.DescriptorPool()
    for one in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(one)
    factory = message_factory.MessageFactory(pool)
    chance = random.Random(6)
    types = {"/v3/segments": "SegmentObject", "/v3/logs": "LogData", "/v3/events": "Event",
             "/browser/perfData/resources": "BrowserResourcePerfData",
             "/browser/perfData/webInteractions": "BrowserWebInteractionsPerfData",
             "/browser/errorLogs": "BrowserErrorLog", "/browser/perfData": "BrowserPerfData",
             "/browser/perfData/webVitals": "BrowserWebVitalsPerfData",
             "/v3/management/reportProperties": "InstanceProperties",
             "/v3/management/keepAlive": "InstancePingPkg"}
    client = Client(http_gate)
    for path, name in types.items():
        kind = factory.GetPrototype(pool.FindMessageTypeByName("skywalking.v3." + name))
        sent = [random_message(kind, chance) for _ in range(60)]
        for one in sent:
            make_healthy(one, name)
        texts = [json_format.MessageToJson(one, indent=chance.choice([None, 2]),
                                           including_default_value_fields=chance.random() < 0.5,
                                           use_integers_for_enums=chance.random() < 0.5)
                 for one in sent]
        is_list, method = PATHS[path][:2]
        bodies = [f"[{','.join(texts)}]"] if is_list else texts
        for body in bodies:
            status, told, _ = client.post(path, body.encode())
            assert (status, told) == (200, b"{}")
        wait_until(lambda: len(messages_of(backend, method)) >= len(sent), f"{name} at the backend")
        found = [kind.FromString(m) for m in messages_of(backend, method)]
        backend.calls.clear()
        key = lambda m: m.SerializeToString(deterministic=True)
        assert sorted(map(key, found)) == sorted(map(key, sent)), name
    http_gate.wait_settled()


def make_healthy(message, name):
    """What no rule objects to and nothing is filled into."""
    if name == "SegmentObject":
        now = wire.now_ms()
        del message.spans[5:]
        message.traceId = message.traceId or "t"
        message.traceSegmentId = f"{random.getrandbits(64):016x}"
        message.service, message.serviceInstance = "shop", "i"
        if not message.spans:
            message.spans.add()
        for i, span in enumerate(message.spans):
            span.spanId, span.parentSpanId = i, i - 1
            span.startTime, span.endTime = now - 100, now
            span.spanType, span.operationName = 0, "/x"
            del span.refs[:], span.tags[:], span.logs[:]
            span.tags.add(key="k", value="ä\"\\\n\U0001f600")
            span.logs.add(time=now).data.add(key="event", value="error")
    elif name == "LogData":
        message.service, message.timestamp = "shop", message.timestamp or 7
    elif name == "Event":
        message.layer = "GENERAL"


def random_message(kind, chance, depth=0):
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.3:
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            for _ in range(chance.randrange(4)):
                getattr(message, field.name)[random_value(field.message_type.fields[0], chance)] = \
                    random_value(field.message_type.fields[1], chance)
        elif field.label == field.LABEL_REPEATED:
            for _ in range(chance.randrange(4)):
                if field.message_type:
                    getattr(message, field.name).add().CopyFrom(
                        random_message(field.message_type._concrete_class, chance, depth + 1))
                else:
                    getattr(message, field.name).append(random_value(field, chance))
        elif field.message_type:
            getattr(message, field.name).CopyFrom(
                random_message(field.message_type._concrete_class, chance, depth + 1))
        else:
            setattr(message, field.name, random_value(field, chance))
    return message


def random_value(field, chance):
    if field.type == field.TYPE_STRING:
        return "".join(chance.choice("ab/ \"\\\n\t\b\u00e9\u20ac\U0001f600\u2028<>&'\x7f")
                       for _ in range(chance.choice([0, 1, 5, 200])))
    if field.type == field.TYPE_ENUM:
        return chance.choice([v.number for v in field.enum_type.values])
    if field.type == field.TYPE_BOOL:
        return chance.random() < 0.5
    if field.type == field.TYPE_DOUBLE:
        return chance.choice([0.0, -1.5, 1e300, 5e-324, 0.1, float("inf"), 3.0])
    bits = 64 if field.type == field.TYPE_INT64 else 32
    return chance.choice([0, 1, -1, 300, 2 ** (bits - 1) - 1, -2 ** (bits - 1),
                          chance.getrandbits(bits - 1)])
