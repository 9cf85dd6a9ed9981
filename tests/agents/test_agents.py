"""The real Python and Node agents report through spangate into its sink: plainly, and over TLS with
a token."""
# SPDX-License-Identifier: Apache-2.0
# Two small services call each other, each under its agent. What must arrive: the segments and the
# management of both, with the references that join them into traces; logs and meters of Python;
# nothing that the verdict holds for more than a hint; a ledger of 0.
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from certificates import Authority  # noqa: E402

BUILD = HERE.parents[1] / "build"
PARTS = BUILD / "agents"
BINARY = os.environ.get("SPANGATE_BIN", str(BUILD / "spangate"))
PATIENCE_S = float(os.environ.get("SPANGATE_TEST_PATIENCE", "60"))
N_ROUNDS = 20
TOKEN = "tok-5f0c2a"


def wait_until(condition, what, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.05)


class Process:
    """A child whose output is kept; it says where it listens in a line that the pattern finds."""

    def __init__(self, command, pattern, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SW_", "SPANGATE_"))}
        self.lines = []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**kept, **variables})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        wait_until(lambda: self.find(pattern) or self.process.poll() is not None, pattern)
        assert self.process.poll() is None, "\n".join(self.lines)
        self.address = self.find(pattern)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def find(self, pattern):
        for line in list(self.lines):
            match = re.search(pattern, line)
            if match:
                return match.group(1)
        return None

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.reader.join(PATIENCE_S)
        return code


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """{field: [value, ...]}: bytes for length-delimited fields, numbers for varints."""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        elif tag & 7 == 2:
            n, at = read_varint(data, at)
            value, at = data[at:at + n], at + n
        else:
            n = {1: 8, 5: 4}[tag & 7]
            value, at = data[at:at + n], at + n
        found.setdefault(tag >> 3, []).append(value)
    return found


def text(message, field):
    return message.get(field, [b""])[-1].decode()


class Sink:
    """The files in which spangate's sink keeps what it took."""

    def __init__(self, folder):
        self.folder = folder

    def messages(self, method):
        path = self.folder / f"{method}.bin"
        data = path.read_bytes() if path.exists() else b""
        found, at = [], 0
        while at + 4 <= len(data):
            (n,) = struct.unpack_from(">I", data, at)
            if at + 4 + n > len(data):
                break
            found.append(fields(data[at + 4:at + 4 + n]))
            at += 4 + n
        return found

    def segments(self):
        found = self.messages("TraceSegmentReportService.collect")
        for collection in self.messages("TraceSegmentReportService.collectInSync"):
            found += [fields(segment) for segment in collection.get(1, [])]
        return found

    def segments_of(self, service):
        return [s for s in self.segments() if text(s, 4) == service]

    def meters(self):
        found = self.messages("MeterReportService.collect")
        for collection in self.messages("MeterReportService.collectBatch"):
            found += [fields(meter) for meter in collection.get(1, [])]
        return found


class Scene:
    """spangate with its sink, and the two services in front of it."""

    def __init__(self):
        self.processes = []

    def ports(self, folder, is_secure):
        """What the gate is started with, how its port shows, and what the agents need to know."""
        if not is_secure:
            return ["listen.grpc.address=127.0.0.1:0"], r"^listening +grpc (\S+)", {}
        certificates = folder.parent / f"{folder.name}-certificates"
        certificates.mkdir()
        authority = Authority(certificates)
        pair = authority.issue("localhost")
        settings = ["listen.grpc.address=", "listen.grpc_tls.address=127.0.0.1:0",
                    f"listen.grpc_tls.cert_file={pair.cert}", f"listen.grpc_tls.key_file={pair.key}",
                    f"listen.auth.tokens={TOKEN}"]
        # Both agents trust what their gRPC library trusts.
        return settings, r"^listening +grpc off grpc_tls (\S+)", {
            "SW_AGENT_FORCE_TLS": "true", "SW_AGENT_SECURE": "true",
            "SW_AGENT_AUTHENTICATION": TOKEN,
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(authority.cert)}

    def begin(self, folder, is_secure):
        self.sink = Sink(folder)
        settings, listening, known = self.ports(folder, is_secure)
        self.gate = self.start([
            BINARY, "serve", f"--sink={folder}", *(part for one in settings for part in ("--set", one)),
            "--set", "listen.http.address=", "--set", "admin.address=",
            "--set", f"buffer.disk.path={folder}-spool",
            "--set", f"quarantine.path={folder}-quarantine",
            "--set", "telemetry.address=127.0.0.1:0"], r"^telemetry +http://([^/\s]+)")
        agents = self.gate.find(listening)
        self.python = self.start(
            [str(PARTS / "python/bin/python"), str(HERE / "app_python.py")], r"^listening (\d+)",
            SW_AGENT_NAME="shop-python", SW_AGENT_INSTANCE_NAME="python-1",
            SW_AGENT_COLLECTOR_BACKEND_SERVICES=agents, SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD="2",
            SW_AGENT_METER_REPORTER_PERIOD="2", SW_AGENT_LOGGING_LEVEL="ERROR", **known)
        self.node = self.start(
            ["node", str(HERE / "app_node.js")], r"^listening (\d+)",
            NODE_PATH=str(PARTS / "node/node_modules"), SW_AGENT_NAME="shop-node",
            SW_AGENT_INSTANCE="node-1", SW_AGENT_COLLECTOR_BACKEND_SERVICES=agents,
            **known)

    def start(self, *command, **variables):
        process = Process(*command, **variables)
        self.processes.append(process)
        return process

    def ask(self, first, second):
        url = f"http://127.0.0.1:{first.address}/ask?of=http://127.0.0.1:{second.address}/leaf"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()

    def metrics(self):
        """[(name, labels, value)]"""
        with urllib.request.urlopen(f"http://{self.gate.address}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        found = []
        for line in lines:
            match = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if match and not line.startswith("#"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', match.group(2) or ""))
                found.append((match.group(1), labels, float(match.group(3))))
        return found

    def total(self, name, **labels):
        return sum(value for n, l, value in self.metrics()
                   if n == name and all(l.get(k) == v for k, v in labels.items()))

    def end(self):
        for process in reversed(self.processes):
            process.end()


@pytest.fixture(scope="module", params=["clear", "tls"])
def scene(request, tmp_path_factory):
    if not (PARTS / "python/ready").exists() or not (PARTS / "node/ready").exists():
        pytest.skip("the agents are not there: make check-agents fetches them")
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    folder = tmp_path_factory.mktemp("sink")
    scene = Scene()
    try:
        scene.begin(folder, request.param == "tls")
        for _ in range(N_ROUNDS):
            assert scene.ask(scene.python, scene.node) == b"python asked: node leaf"
            assert scene.ask(scene.node, scene.python) == b"node asked: python leaf"
        yield scene
    finally:
        scene.end()


@pytest.mark.parametrize("service, instance", [("shop-python", "python-1"), ("shop-node", "node-1")])
def test_segments_arrive(scene, service, instance):
    """Each round is one segment of asking and one of answering per service."""
    wait_until(lambda: len(scene.sink.segments_of(service)) >= 2 * N_ROUNDS, f"segments of {service}")
    segments = scene.sink.segments_of(service)
    assert len(segments) == 2 * N_ROUNDS
    assert {text(s, 5) for s in segments} == {instance}
    assert len({text(s, 2) for s in segments}) == len(segments)


@pytest.mark.parametrize("caller, callee", [("shop-python", "shop-node"), ("shop-node", "shop-python")])
def test_traces_are_whole(scene, caller, callee):
    """The callee's segment refers to the caller's, in the same trace."""
    wait_until(lambda: len(scene.sink.segments()) >= 4 * N_ROUNDS, "all segments")
    of = {text(s, 2): s for s in scene.sink.segments_of(caller)}
    n_joined = 0
    for segment in scene.sink.segments_of(callee):
        for span in map(fields, segment.get(3, [])):
            for ref in map(fields, span.get(5, [])):
                parent = of.get(text(ref, 3))
                assert parent is not None and text(parent, 1) == text(segment, 1)
                assert text(ref, 5) == caller
                n_joined += 1
    assert n_joined == N_ROUNDS


def test_management_of_both_arrives(scene):
    both = {("shop-python", "python-1"), ("shop-node", "node-1")}
    for method in ("reportInstanceProperties", "keepAlive"):
        def seen(method=method):
            found = scene.sink.messages(f"ManagementService.{method}")
            return both <= {(text(m, 1), text(m, 2)) for m in found}
        wait_until(seen, method)


def test_python_logs_arrive(scene):
    def logs():
        return [m for m in scene.sink.messages("LogReportService.collect")
                if b"leaf reached by" in m.get(5, [b""])[0]]
    wait_until(lambda: len(logs()) >= N_ROUNDS, "the warnings of the leaf")
    segment_ids = {text(s, 2) for s in scene.sink.segments_of("shop-python")}
    for log in logs():
        assert text(log, 2) == "shop-python"
        assert text(fields(log[6][0]), 2) in segment_ids


def test_python_meters_arrive(scene):
    def complete():
        return [m for m in scene.sink.meters() if text(m, 3) == "shop-python"]
    wait_until(complete, "a meter of shop-python")
    names = {text(fields(m[1][0]), 1) for m in scene.sink.meters() if 1 in m}
    assert any("cpu" in n for n in names) and any("thread" in n for n in names), names


def test_nothing_above_a_hint_was_found(scene):
    wait_until(lambda: len(scene.sink.segments()) >= 4 * N_ROUNDS, "all segments")
    above = {(labels["rule"], labels["class"]): value for name, labels, value in scene.metrics()
             if name == "spangate_integrity_findings_total" and value and labels["class"] != "hint"}
    assert above == {}
    assert scene.total("spangate_segments_total", verdict="quarantined") == 0
    assert scene.total("spangate_items_quarantined_total") == 0


def test_everybody_came_by_the_port_that_is_open(request, scene):
    is_secure = "tls" in request.node.name
    used, other = ("grpc_tls", "grpc") if is_secure else ("grpc", "grpc_tls")
    assert scene.total("spangate_connections_total", listener=used) >= 2
    assert scene.total("spangate_connections_total", listener=other) == 0
    assert scene.total("spangate_connections_refused_total") == 0
    assert scene.total("spangate_grpc_server_handled_total", code="PERMISSION_DENIED") == 0
    assert not any(TOKEN in line for line in scene.gate.lines)


def test_ledger_is_zero_at_the_end(scene):
    """Last: ends the services, then the gate, which drains and says so."""
    assert scene.total("spangate_items_dropped_total", reason="buffer_full") == 0
    for process in (scene.python, scene.node):
        process.end()
    wait_until(lambda: scene.total("spangate_ledger_imbalance_items") == 0, "a balanced ledger")
    assert scene.gate.end() == 0, "\n".join(scene.gate.lines)
    assert scene.gate.find(r"^ledger .*imbalance (-?\d+)") == "0", "\n".join(scene.gate.lines)
