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
