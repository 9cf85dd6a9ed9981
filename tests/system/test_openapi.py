"""The API's OpenAPI file and a running process: every path is called, and each answer is as the file says."""
# SPDX-License-Identifier: Apache-2.0
import collections
import copy
import http.client
import http.server
import json
import re
import signal
import subprocess
import threading
import urllib.parse

import jsonschema
import pytest

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, stream, wait_until
from openapi import API, is_of, looked_up, operation, operations, wrong

EVENTS = "/skywalking.v3.EventService/collect"
REPORT = "/skywalking.v3.ManagementService/reportInstanceProperties"
TORN = [wire.span(span_id=0, parent=-1), wire.span(span_id=2, parent=7)]
SICK = [wire.span(1, 0), wire.span(2, 1)]
ENDLESS = ("text/event-stream", "application/x-ndjson")

Answer = collections.namedtuple("Answer", "status headers text")


def send(address, method, target, body=None, headers=None):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return Answer(answer.status, answer.headers, text)


class Client:
    """Asks, holds each answer to the file, and notes which of the file's answers came."""

    def __init__(self, address):
        self.address, self.seen = address, set()

    def held(self, one, answer, what):
        """The answer's value, after it was compared with the file."""
        responses = one.spec["responses"]
        status = str(answer.status)
        if answer.status == 405:
            status = "default"
        assert status in responses, f"{what}: {answer.status} {answer.text[:200]}"
        self.seen.add((one.method, one.path, status))
        content = looked_up(responses[status])["content"]
        media = answer.headers["Content-Type"]
        assert media in content, f"{what}: {media}"
        if media in ENDLESS:
            return answer.text
        value = json.loads(answer.text)
        assert wrong(content[media]["schema"], value) == [], what
        return value

    def ask(self, method, path, status=200, query="", body=None, headers=None, as_it_is=False, **elements):
        """status is what must come. The query and the body of a good request are held to the file, too."""
        one = operation(method, path)
        target = path
        for name, value in elements.items():
            target = target.replace("{%s}" % name, urllib.parse.quote(value, safe=""))
        data = body if as_it_is or body is None else json.dumps(body)
        answer = send(self.address, method, target + (query and "?" + query), data, headers)
        what = f"{method} {target}?{query} {str(data)[:80]}"
        assert answer.status == status, f"{what}: {answer.status} {answer.text[:300]}"
        if body is not None and status == 200:
            assert wrong(one.spec["requestBody"]["content"]["application/json"]["schema"], body) == [], what
        return self.held(one, answer, what)


@pytest.fixture
def begin(start, tmp_path):
    """A process that has something to tell everywhere, and its client."""
    config = tmp_path / "spangate.yaml"
    config.write_text("version: 1\n")
    gate = start("limits.workers=2", "integrity.actions={proto-undecodable: quarantine}",
                 flags=["--sink", "-c", str(config)])
    gate.config = config
    client = Client(gate.admin)
    channel = gate.channel()
    channel.unary_unary(REPORT)(wire.text(1, "shop") + wire.text(2, "shop-1") + wire.text(3, wire.pair("language", "go")))
    stream(channel, EVENTS, [wire.event()])
    stream(channel, COLLECT, [wire.segment(), wire.segment(TORN), b"\x0a\xff"] +
           [wire.segment(SICK, segment_id=f"sick-{i}") for i in range(30)])
    gate.wait_metric("items_quarantined_total", 31)
    wait_until(lambda: len(client.ask("GET", "/api/v1/sink/segments")) == 2, "the segments at the sink")
    return gate, client


# The file itself


def schemas(value):
    if isinstance(value, dict):
        yield from ([value["schema"]] if "schema" in value else [])
        for one in value.values():
            yield from schemas(one)
    elif isinstance(value, list):
        for one in value:
            yield from schemas(one)


def test_the_file_is_sound():
    assert API["openapi"].startswith("3.1.") and API["info"]["title"] and API["info"]["version"]
    for one in [*API["components"]["schemas"].values(), *schemas(API)]:
        jsonschema.Draft202012Validator.check_schema(one)
    for one in operations():
        assert one.spec["operationId"] and one.spec["summary"] and "200" in one.spec["responses"]
        assert all(p["schema"] and p["in"] in ("query", "path") for p in one.parameters)
        assert all(looked_up(answer)["description"] for answer in one.spec["responses"].values())


def objects(value):
    """Every object in a value, with a way to put another in its place."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from objects(one)


def test_an_undocumented_member_would_be_found(begin):
    """In every object of the overview; the same for one that is missing."""
    _, client = begin
    schema = {"$ref": "#/components/schemas/Overview"}
    good = client.ask("GET", "/api/v1/overview")
    n = len(list(objects(good)))
    assert n > 8 and wrong(schema, good) == []
    for i in range(n):
        more, less = copy.deepcopy(good), copy.deepcopy(good)
        list(objects(more))[i]["undocumented"] = 1
        assert wrong(schema, more), i
        list(objects(less))[i].popitem()
        assert wrong(schema, less), i


# What is asked for


def check_reads(client):
    """Every GET that ends, with HEAD beside it."""
    for one in operations():
        if one.method != "GET" or set(looked_up(one.spec["responses"]["200"])["content"]) & set(ENDLESS):
            continue
        elements = {p["name"]: "none" for p in one.parameters if p["in"] == "path"}
        if one.path == "/api/v1/quarantine/{id}":
            elements["id"] = client.ask("GET", "/api/v1/quarantine")["items"][-1]["id"]
        client.ask("GET", one.path, **elements)
        target = one.path.format(**elements)
        head = send(client.address, "HEAD", target)
        assert head.status == 200 and head.text == b"" and head.headers["Content-Type"] == "application/json"


def check_what_is_told(client):
    assert client.ask("GET", "/api/v1/openapi.json") == API
    trace = client.ask("GET", "/api/v1/sink/segments")[0]["traceId"]
    assert client.ask("GET", "/api/v1/sink/trace/{id}", id=trace)
    wait_until(lambda: any(one["findings"] for one in client.ask("GET", "/api/v1/instances")["instances"]), "findings")
    page = client.ask("GET", "/api/v1/quarantine", query="limit=10")
    assert len(page["items"]) == 10
    rest = client.ask("GET", "/api/v1/quarantine", query=f"before={page['next']}")
    assert len(rest["items"]) == 21 and rest["next"] is None
    whole = [client.ask("GET", "/api/v1/quarantine/{id}", id=one["id"]) for one in page["items"] + rest["items"]]
    assert {one["message"] is None for one in whole} == {True, False}
    assert client.ask("GET", "/api/v1/quarantine/stats")["by_rule"]


def status_of(client, one, query):
    """Of a request that may have no end."""
    method = "HEAD" if set(looked_up(one.spec["responses"]["200"])["content"]) & set(ENDLESS) else "GET"
    return send(client.address, method, f"{one.path}?{query}").status


def values(schema):
    """Parameters that are taken, and some that are not."""
    if schema.get("type") == "integer":
        low, high = schema["minimum"], schema["maximum"]
        return [low, high], [low - 1, high + 1, "x", ""]
    if schema.get("type") == "array":
        words = schema["items"]["enum"]
        return [*words, ",".join(words)], ["weather", words[0] + ",weather"]
    if "enum" in schema:
        return schema["enum"], ["weather"]
    return [], []


def check_parameters(client):
    n = 0
    for one in operations():
        for parameter in one.parameters:
            if parameter["in"] == "path":
                continue
            good, bad = values(parameter["schema"])
            for value in good:
                assert status_of(client, one, f"{parameter['name']}={value}") == 200, (one.path, parameter, value)
            for value in bad:
                assert status_of(client, one, f"{parameter['name']}={value}") == 400, (one.path, parameter, value)
                client.ask("GET", one.path, 400, query=f"{parameter['name']}={value}")
            n += len(good) + len(bad)
    assert n > 50
    for path in ("/api/v1/quarantine", "/api/v1/tap"):
        client.ask("GET", path, 400, query="filter=a%3D%3D")
    client.ask("GET", "/api/v1/quarantine", 400, query="before=17")


def check_defaults(client):
    many = client.ask("GET", "/api/v1/quarantine")["items"]
    default = next(p for p in operation("GET", "/api/v1/quarantine").parameters if p["name"] == "limit")["schema"]["default"]
    assert many == client.ask("GET", "/api/v1/quarantine", query=f"limit={default}&since=0")["items"]
    instances = client.ask("GET", "/api/v1/instances")["instances"]
    asked = client.ask("GET", "/api/v1/instances", query="limit=1000&sort=seen")["instances"]
    assert [one["service_instance"] for one in instances] == [one["service_instance"] for one in asked]


def check_refusals(client):
    """What any request may meet: a foreign host, a method that the path has not, a body that is too large."""
    for path in API["paths"]:
        target = re.sub(r"\{\w+\}", "q-0001", path)
        answer = send(client.address, "PUT", target)
        assert answer.status == 405
        taken = {one.method for one in operations() if is_of(one, target)}
        assert set(answer.headers["Allow"].split(", ")) == taken | ({"HEAD"} if "GET" in taken else set()), path
        client.held(next(one for one in operations() if one.path == path), answer, path)
    for one in operations():
        elements = {p["name"]: "q-0001" for p in one.parameters if p["in"] == "path"}
        client.ask(one.method, one.path, 403, headers={"Host": "foreign.example"}, **elements)
        if "413" in one.spec["responses"]:
            client.ask(one.method, one.path, 413, body="x" * (65 * 1024), as_it_is=True, **elements)
    nothing = send(client.address, "GET", "/api/v1/nothing")
    assert nothing.status == 404 and wrong({"$ref": "#/components/schemas/Error"}, json.loads(nothing.text)) == []


def check_bodies(client):
    bodies = {"/api/v1/log-level": ["", "{", "[]", {}, {"level": "loud"}, {"level": 1}],
              "/api/v1/quarantine/replay": ["", "{", {}, {"ids": []}, {"mode": "repair"}, {"ids": ["x"], "mode": "repair"},
                                            {"ids": [], "mode": "other"}, {"ids": [], "mode": "as-is", "rate": 10001},
                                            {"ids": [], "mode": "as-is", "more": 1},
                                            {"ids": ["q-0001"] * 1001, "mode": "as-is"}],
              "/api/v1/quarantine/remove": ["", {}, {"ids": "q-0001"}, {"ids": [], "mode": "as-is"},
                                            {"ids": [], "rate": 1}],
              "/api/v1/quarantine/{id}/replay": ["", {}, {"mode": "other"}, {"ids": [], "mode": "repair"},
                                                  {"mode": "repair", "rate": 1}]}
    assert set(bodies) == {one.path for one in operations() if "requestBody" in one.spec}
    for path, wrongs in bodies.items():
        schema = operation("POST", path).spec["requestBody"]["content"]["application/json"]["schema"]
        elements = {"id": "q-0001"} if "{id}" in path else {}
        for body in wrongs:
            assert isinstance(body, str) or wrong(schema, body), f"{path}: the file allows {body}"
            client.ask("POST", path, 400, body=body, as_it_is=isinstance(body, str), **elements)


def check_orders(gate, client):
    for order in ("pause", "resume", "drain", "undrain"):
        client.ask("POST", f"/api/v1/{order}")
    name = client.ask("GET", "/api/v1/backends")["backends"][0]["name"]
    for order in ("disable", "enable"):
        client.ask("POST", "/api/v1/backends/{name}/" + order, name=name)
        client.ask("POST", "/api/v1/backends/{name}/" + order, 404, name="nobody:1")
    for level in API["components"]["schemas"]["LogLevel"]["properties"]["level"]["enum"]:
        assert client.ask("POST", "/api/v1/log-level", body={"level": level})["log_level"] == level
    gate.config.write_text("version: 1\nintegrity: {max_spans: 300}\nlimits: {max_connections: 9}\n")
    changes = client.ask("POST", "/api/v1/reload")
    assert "integrity.max_spans" in changes["changed"] and changes["restart"] == ["limits.max_connections"]
    assert client.ask("GET", "/api/v1/config")["restart"] == changes["restart"]
    gate.config.write_text("version: 1\nintegrity: {max_spans: many}\n")
    client.ask("POST", "/api/v1/reload", 422)


def check_quarantine(gate, client):
    ids = [one["id"] for one in client.ask("GET", "/api/v1/quarantine", query="rule=span-zero-missing")["items"]]
    one, many = "/api/v1/quarantine/{id}", "/api/v1/quarantine/replay"
    slow = threading.Thread(target=lambda: client.ask("POST", many, body={"ids": ids[:20], "mode": "as-is", "rate": 20}))
    slow.start()
    wait_until(lambda: gate.metric("quarantine_replayed_total") > 0, "a replay under way")
    client.ask("POST", many, 409, body={"ids": [], "mode": "repair"})
    client.ask("POST", one + "/replay", 409, id=ids[25], body={"mode": "repair"})
    slow.join(PATIENCE)
    assert client.ask("POST", one + "/replay", id=ids[25], body={"mode": "repair"})["result"] in ("refused", "repaired")
    assert client.ask("POST", one + "/replay", id=ids[0], body={"mode": "as-is"})["result"] == "gone"
    client.ask("POST", one + "/replay", 404, id="nothing", body={"mode": "as-is"})
    assert client.ask("DELETE", one, id=ids[26]) == {"removed": 1}
    for method in ("GET", "DELETE"):
        client.ask(method, one, 404, id=ids[26])
    assert client.ask("POST", "/api/v1/quarantine/remove", body={"ids": ids[26:28]}) == {"removed": 1}


def schema_of_items(path, media):
    return looked_up(operation("GET", path).spec["responses"]["200"])["content"][media]["x-itemSchema"]


def follow(client, target, take):
    """The status and content type of an answer without end, and what take makes of its lines."""
    connection = http.client.HTTPConnection(client.address, timeout=PATIENCE)
    connection.request("GET", target)
    answer = connection.getresponse()
    assert answer.status == 200
    found = take(answer)
    connection.close()
    return answer.headers["Content-Type"], found


def take_events(answer):
    found, event = [], {"data": ""}
    while len(found) < 4:
        line = answer.readline().decode().rstrip("\n")
        if not line:
            found.append({**event, "data": json.loads(event["data"])})
            event = {"data": ""}
            continue
        field, value = line.split(": ", 1)
        event[field] = value if field == "event" else event["data"] + value
    return found


def check_stream(client):
    media, found = follow(client, "/api/v1/stream?topics=overview,instances", take_events)
    client.seen.add(("GET", "/api/v1/stream", "200"))
    assert [one["event"] for one in found] == ["overview", "instances"] * 2
    for one in found:
        assert wrong(schema_of_items("/api/v1/stream", media), one) == []


def check_tap(gate, client):
    channel = gate.channel()

    def take(answer):
        lines = [json.loads(answer.readline())]
        stream(channel, COLLECT, [wire.segment(), wire.segment(TORN), b"\x0a\xff"])
        while "end" not in lines[-1]:
            lines.append(json.loads(answer.readline()))
        return lines

    for content, member in (("none", None), ("payload", "payload"), ("message", "message")):
        media, found = follow(client, f"/api/v1/tap?limit=3&content={content}", take)
        client.seen.add(("GET", "/api/v1/tap", "200"))
        segments = [one["segment"] for one in found if "segment" in one]
        assert len(segments) == 3 and found[-1]["end"] == "limit"
        assert all({"payload", "message"} & set(one) == {member} - {None} for one in segments)
        for one in found:
            assert wrong(schema_of_items("/api/v1/tap", media), one) == []


def test_every_answer_is_as_the_file_says(begin):
    gate, client = begin
    check_reads(client)
    check_what_is_told(client)
    check_parameters(client)
    check_defaults(client)
    check_refusals(client)
    check_bodies(client)
    check_stream(client)
    check_tap(gate, client)
    check_quarantine(gate, client)
    check_orders(gate, client)
    # That the service is ending, and that there is too much at once, come below.
    told = {(one.method, one.path, status) for one in operations() for status, answer in one.spec["responses"].items()
            if status not in ("503", "default") and not answer.get("$ref", "").endswith("/Conflict")}
    assert told - client.seen == set()


def test_a_service_that_ends_says_so(start):
    gate = start("shutdown.delay=3s")
    client = Client(gate.admin)
    gate.process.send_signal(signal.SIGTERM)
    wait_until(lambda: gate.get("/readyz")[0] == 503, "not ready")
    for one in operations():
        if "409" in one.spec["responses"] and "orders" in one.spec["tags"]:
            elements = {p["name"]: "nobody:1" for p in one.parameters}
            assert client.ask(one.method, one.path, 409, **elements) == {"error": "the service is ending"}


def test_what_is_too_much_or_not_there_says_so(start):
    gate = start("buffer.mode=memory")
    client = Client(gate.admin)
    for one in operations():
        if "quarantine" in one.spec["tags"]:
            elements = {p["name"]: "q-0001" for p in one.parameters if p["in"] == "path"}
            client.ask(one.method, one.path, 503, **elements)
    for path, most in (("/api/v1/tap", 4), ("/api/v1/stream", 32)):
        others = [http.client.HTTPConnection(gate.admin, timeout=PATIENCE) for _ in range(most)]
        for one in others:
            one.request("GET", path)
        answers = [one.getresponse() for one in others]
        assert {one.status for one in answers} == {200}
        client.ask("GET", path, 503)
        for one in answers:
            one.close()


def test_a_token_is_asked_for(start, tmp_path):
    token = tmp_path / "token"
    token.write_text("correct-horse\n")
    token.chmod(0o600)
    client = Client(start(f"admin.token_file={token}").admin)
    for one in operations():
        if one.method != "GET":
            elements = {p["name"]: "q-0001" for p in one.parameters if p["in"] == "path"}
            assert "token" in client.ask(one.method, one.path, 403, **elements)["error"]
    client.ask("POST", "/api/v1/pause", headers={"Authorization": "Bearer correct-horse"})
    client.ask("POST", "/api/v1/resume", headers={"Authorization": "Bearer correct-horse"})


def test_the_sink_alone_answers_its_part():
    """Of the verb sink: the paths of that tag, without those who may ask."""
    process = subprocess.Popen([BINARY, "sink", "--listen", "127.0.0.1:0", "--telemetry", "127.0.0.1:0"],
                               stderr=subprocess.PIPE, text=True)
    try:
        address = next(found[1] for line in process.stderr if (found := re.search(r"answering http://([^/]+)/", line)))
        client = Client(address)
        for one in operations():
            if "sink" in one.spec["tags"]:
                elements = {p["name"]: "none" for p in one.parameters if p["in"] == "path"}
                assert client.ask(one.method, one.path, **elements) == []
        for value in ("0", "1001", "x"):
            client.ask("GET", "/api/v1/sink/segments", 400, query=f"limit={value}")
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


# Who asks


class Recorder(http.server.ThreadingHTTPServer):
    """Passes requests on, and notes them."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.asked = target, []
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body))
        connection = http.client.HTTPConnection(self.server.target, timeout=PATIENCE)
        connection.request(self.command, self.path, body)
        answer = connection.getresponse()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(piece)
            self.wfile.flush()
        connection.close()

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = pass_on

    def log_message(self, *_):
        pass


@pytest.fixture
def recorder(begin):
    one = Recorder(begin[1].address)
    yield one
    one.shutdown()
    one.server_close()


def described(method, target, body):
    """The path of the file that a request is of, after its parameters and body were held to the file."""
    path, _, query = target.partition("?")
    found = [one for one in operations() if one.method == method and is_of(one, path)]
    assert found, f"{method} {target} is not in the file"
    one = min(found, key=lambda one: "{" in one.path)
    schema = {p["name"]: p["schema"] for p in one.parameters if p["in"] == "query"}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        assert name in schema, f"{method} {target}: {name} is not in the file"
        kind = schema[name].get("type")
        value = int(value) if kind == "integer" else value.split(",") if kind == "array" else value
        assert wrong(schema[name], value) == [], target
    if "requestBody" in one.spec:
        assert wrong(one.spec["requestBody"]["content"]["application/json"]["schema"], json.loads(body)) == [], target
    return one.method, one.path


def test_the_commands_ask_what_the_file_describes(begin, recorder, tmp_path):
    gate, client = begin
    first, second, third = [one["id"] for one in client.ask("GET", "/api/v1/quarantine")["items"]][:3]
    backend = client.ask("GET", "/api/v1/backends")["backends"][0]["name"]

    def run(*arguments, code=0):
        done = subprocess.run([BINARY, *arguments, "--addr", recorder.address], capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == code, f"{arguments}: {done.stderr}"

    for arguments in (["drain"], ["undrain"], ["pause"], ["resume"], ["reload"], ["backend", "list"],
                      ["backend", "disable", backend], ["backend", "enable", backend], ["log-level", "warn"],
                      ["snapshot"]):
        run("ctl", *arguments)
    run("quarantine", "list", "--since", "1h", "--rule", "span-zero-missing", "--filter", "spans=2", "--service", "shop")
    run("quarantine", "stats")
    run("quarantine", "show", first)
    run("quarantine", "explain", first)
    run("quarantine", "export", first, "-o", str(tmp_path / "out.bin"))
    run("quarantine", "replay", "--as-is", "--rate", "100", first)
    run("quarantine", "remove", second, third)
    run("top", "--once", "--interval", "100ms", "--sort", "spans")
    run("doctor", "--no-dial", "--telemetry", gate.telemetry)
    tap = subprocess.Popen([BINARY, "tap", "--limit", "1", "--verdict", "clean,tagged", "--filter", "service=shop",
                            "--addr", recorder.address], stdout=subprocess.DEVNULL)
    gate.wait_metric("tap_clients", 1)
    channel = gate.channel()
    while tap.poll() is None:  # it may begin a moment after the first
        stream(channel, COLLECT, [wire.segment()])
    assert tap.returncode == 0
    asked = {described(*one) for one in recorder.asked}
    assert len(asked) > 18 and {path for _, path in asked} >= {
        "/api/v1/tap", "/api/v1/reload", "/api/v1/quarantine/replay", "/api/v1/quarantine/remove", "/api/v1/metrics"}
