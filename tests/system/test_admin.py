"""The operator's API of a running process: the port, the socket, who may ask, and what they are told."""
# SPDX-License-Identifier: Apache-2.0
import http.client
import json
import os
import socket
import stat
import subprocess

import pytest

import wire
from conftest import BINARY, PATIENCE, stream, unary, wait_until

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
REPORT = "/skywalking.v3.ManagementService/reportInstanceProperties"
TOKEN = "correct-horse"


@pytest.fixture
def begin(start):
    """A function that starts a process with an admin port; gives it and "host:port"."""
    def run(*sets):
        gate = start("admin.address=127.0.0.1:0", *sets)
        return gate, gate.find(r"admin http://([^/\s]+)/")

    return run


def ask(address, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request(method, path, body=body,
                       headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text else None, answer.headers


def ask_text(address, path):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def test_the_overview_is_the_ledger(begin, backend):
    gate, admin = begin()
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(5)] + [wire.segment(spans=[])])
    wait_until(lambda: len(backend.segments()) == 5, "the segments")
    gate.wait_settled()
    status, overview, headers = ask(admin, "/api/v1/overview")
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    ledger = overview["ledger"]
    assert ledger["accepted"] == 6 and ledger["forwarded"] == 5 and ledger["dropped"] == 1
    assert ledger["imbalance"] == 0 and overview["ready"] is True and overview["not_ready"] == []
    assert overview["mode"] == "enforce" and overview["buffer"]["mode"] == "durable"
    assert overview["accepted"]["tracing"] == 6 and overview["dropped"]["empty"] == 1
    assert overview["segments"]["clean"] == 5
    assert [(one["name"], one["up"]) for one in overview["backends"]] == [(backend.address, True)]
    assert ask(admin, "/api/v1/backends")[1]["backends"][0]["answers_ok"] > 0


def test_the_settings_are_told_with_their_origin(begin, tmp_path):
    gate, admin = begin("upstream.auth_token=hidden-from-all", "batch.max_items=77")
    config = ask(admin, "/api/v1/config")[1]
    assert config["settings"]["batch.max_items"]["value"] == 77
    assert config["settings"]["batch.max_items"]["origin"] == "flag"
    assert config["settings"]["integrity.mode"]["origin"] == "default"
    assert config["restart"] == [] and "hidden-from-all" not in json.dumps(config)


def test_the_rules_are_told(begin):
    _, admin = begin()
    rules = ask(admin, "/api/v1/rules")[1]["rules"]
    assert rules["span-parent-missing"]["class"] and rules["span-parent-missing"]["advice"]
    assert len(rules) > 40 and all(rule["sentence"] for rule in rules.values())


def events(address, topics, n):
    """The first n events of the stream, as (name, value)."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", f"/api/v1/stream?topics={topics}")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
    found, name, data = [], None, []
    while len(found) < n:
        line = answer.readline().decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data.append(line[6:])
        elif line == "" and name is not None:
            found.append((name, json.loads("\n".join(data))))
            name, data = None, []
    connection.close()
    return found


def test_the_stream_follows_what_happens(begin, backend):
    gate, admin = begin()
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(5)])
    gate.wait_settled()
    found = events(admin, "overview,instances", 4)
    assert [name for name, _ in found] == ["overview", "instances"] * 2
    assert found[0][1]["ledger"]["accepted"] == 5 and found[2][1]["ledger"]["imbalance"] == 0
    assert ask(admin, "/api/v1/stream?topics=weather")[0] == 400


def test_the_dashboard_comes_from_the_binary(begin):
    _, admin = begin()
    assert ask_text(admin, "/")[0] == 302
    status, page, headers = ask_text(admin, "/ui")
    assert status == 200 and "<title>spangate</title>" in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    size = len(page)
    for name in ("app.js", "views.js", "app.css", "icon.svg"):
        status, text, headers = ask_text(admin, f"/ui/{name}")
        assert status == 200 and headers["X-Content-Type-Options"] == "nosniff"
        assert f"/ui/{name}" in page or name == "views.js"
        size += len(text)
    assert size < 60 * 1024
    assert ask_text(admin, "/ui/other.js")[0] == 404


def test_the_dashboard_can_be_off(begin):
    _, admin = begin("admin.ui=false")
    assert ask(admin, "/ui")[0] == 404 and ask(admin, "/api/v1/overview")[0] == 200


def test_the_built_in_sink_shows_what_came_out(start):
    gate = start("admin.address=127.0.0.1:0", flags=["--sink"])
    admin = gate.find(r"admin http://([^/\s]+)/")
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(3)])
    segments = wait_until(lambda: len(ask(admin, "/api/v1/sink/segments?limit=10")[1]) == 3 and
                          ask(admin, "/api/v1/sink/segments?limit=2")[1], "the segments")
    assert len(segments) == 2
    trace = segments[0]["traceId"]
    assert all(one["traceId"] == trace for one in ask(admin, f"/api/v1/sink/trace/{trace}")[1])
    assert ask(admin, "/api/v1/sink/trace/none")[1] == []
    assert ask(admin, "/api/v1/sink/segments?limit=0")[0] == 400


def test_instances_are_parsable_whatever_they_are_called(begin, backend):
    gate, admin = begin()
    name = 'i"\\\n\u2028<script>\x07'
    unary(gate.channel(), REPORT, wire.text(1, "caf\u00e9") + wire.text(2, name) +
          wire.text(3, wire.pair("language", "go")))
    instances = wait_until(lambda: ask(admin, "/api/v1/instances")[1]["instances"], "the instance")
    assert instances[0]["service"] == "caf\u00e9" and instances[0]["service_instance"] == name
    assert instances[0]["language"] == "go" and instances[0]["segments"] == 0
    assert instances[0]["last_seen"].endswith("Z")
    wait_until(lambda: 'spangate_instance_segments_total{service="caf\u00e9"' in
               gate.get("/metrics")[1], "its series")


def test_what_is_refused(begin):
    gate, admin = begin()
    assert ask(admin, "/api/v1/overview", Host="evil.example:11880")[0] == 403
    assert ask(admin, "/api/v1/overview", Origin="http://evil.example")[0] == 403
    assert ask(admin, "/api/v1/overview", Origin=f"http://{admin}")[0] == 200
    assert ask(admin, "/api/v1/nothing")[0] == 404
    status, body, headers = ask(admin, "/api/v1/overview", method="POST", body="{}")
    assert status == 405 and headers["Allow"] == "GET, HEAD" and "error" in body
    assert ask(admin, "/api/v1/overview", method="POST", body=b"x" * (65 * 1024))[0] in (405, 413)
    assert ask(admin, "/api/v1/instances?limit=x")[0] == 400


def test_a_token_guards_changes(begin, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    gate, admin = begin(f"admin.token_file={token}")
    change = "/api/v1/quarantine/remove"
    assert ask(admin, "/api/v1/overview")[0] == 200
    assert ask(admin, change, method="POST", body='{"ids":[]}')[0] == 403
    assert ask(admin, change, method="POST", body='{"ids":[]}', Authorization="Bearer wrong-horse")[0] == 403
    assert ask(admin, change, method="POST", body='{"ids":[]}',
               Authorization=f"Bearer {TOKEN}")[0] != 403
    assert ask(admin, "/api/v1/overview", Host="gate.example", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_the_socket_outlives_a_kill_but_not_an_end(start, tmp_path):
    path = tmp_path / "api"
    first = start(f"admin.socket={path}")
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
    first.process.kill()
    first.process.wait()
    assert path.exists()
    second = start(f"admin.socket={path}")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(b"GET /api/v1/backends HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert second.end() == 0
    assert not path.exists()


def test_a_start_that_cannot_be_safe_fails(start, tmp_path):
    def run(*sets):
        command = [BINARY, "serve", "--set", "upstream.kind=discard", "--set", "buffer.mode=memory",
                   "--set", "listen.grpc.address=127.0.0.1:0", "--set", "telemetry.address="]
        for one in sets:
            command += ["--set", one]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    outside = run("admin.address=0.0.0.0:0")
    assert outside.returncode == 78 and "C034" in outside.stderr
    empty = tmp_path / "token"
    empty.write_text("\n")
    weak = run("admin.address=127.0.0.1:0", f"admin.token_file={empty}")
    assert weak.returncode != 0 and "at least 8 characters" in weak.stderr
    missing = run("admin.address=127.0.0.1:0", f"admin.token_file={tmp_path}/none")
    assert missing.returncode == 78 and "C018" in missing.stderr
    start(f"admin.socket={tmp_path}/api")
    taken = run("admin.address=", f"admin.socket={tmp_path}/api")
    assert taken.returncode == 71 and "another process listens there" in taken.stderr
    assert "choose another address" in taken.stderr
    other = run("admin.address=", f"admin.socket={empty}")
    assert other.returncode == 71 and "something else than a socket" in other.stderr
    assert other.stderr.endswith("; check the path\n") and empty.exists()


def test_slow_clients_leave_the_port_open(begin):
    gate, admin = begin()
    host, port = admin.rsplit(":", 1)
    slow = [socket.create_connection((host, int(port)), PATIENCE) for _ in range(200)]
    for one in slow:
        one.sendall(b"GET / HTTP/1.1\r\nHost: ")
    assert ask(admin, "/api/v1/overview")[0] == 200
    wait_until(lambda: len(os.listdir(f"/proc/{gate.process.pid}/fd")) < 150, "few descriptors")
    for one in slow:
        one.close()
