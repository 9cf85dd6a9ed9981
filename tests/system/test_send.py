"""send: captured messages to an endpoint, and the self-test of an installation."""
# SPDX-License-Identifier: Apache-2.0
import subprocess

import grpc

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, ROOT, wait_until

CORPUS = ROOT / "tests" / "corpus"


def send(*arguments):
    return subprocess.run([BINARY, "send", *map(str, arguments)], capture_output=True, text=True, timeout=2 * PATIENCE)


def selftest(gate, *more):
    return send("--selftest", "--addr", gate.address, "--telemetry", gate.telemetry, *more)


def frames(*messages):
    return b"".join(len(m).to_bytes(4, "big") + m for m in messages)


def test_files_go_to_the_method_of_their_name(backend):
    files = [CORPUS / "go.bin", CORPUS / "go.ManagementService.keepAlive.bin", CORPUS / "java.JVMMetricReportService.collect.bin"]
    result = send("--addr", backend.address, *files)
    assert result.returncode == 0, result.stderr
    paths = {path for path, _, _ in backend.calls}
    assert paths == {COLLECT, "/skywalking.v3.ManagementService/keepAlive",
                     "/skywalking.v3.JVMMetricReportService/collect"}
    assert result.stdout == f"{len(backend.calls)} taken by {backend.address}, 0 refused\n"
    sent = b"".join(frames(m) for path, messages, _ in backend.calls if path == COLLECT for m in messages)
    assert sent == (CORPUS / "go.bin").read_bytes()


def test_refused_and_unreadable_messages_are_told(backend, tmp_path):
    file = tmp_path / "two.bin"
    file.write_bytes(frames(wire.segment(), wire.segment()))
    backend.fail = lambda path, messages: grpc.StatusCode.RESOURCE_EXHAUSTED
    result = send("--addr", backend.address, file)
    assert result.returncode == 1
    assert "message 2 is refused: RESOURCE_EXHAUSTED on request" in result.stderr
    assert result.stdout == f"0 taken by {backend.address}, 2 refused\n"
    backend.fail = None
    assert send("--addr", backend.address, tmp_path / "none.bin", file).returncode == 66
    assert len(backend.calls) >= 2, "the other file is sent all the same"
    assert send("--addr", "127.0.0.1:1", file).returncode == 69
    assert send("--addr", "nonsense", file).returncode == 64
    assert send("--method", "/no.such/method", file).returncode == 64
    assert send().returncode == 64
    assert send("--selftest", file).returncode == 64


def test_the_selftest_follows_its_segment(gate, backend):
    result = selftest(gate)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"taken by {gate.address}, 1 replica\npassed on by {gate.telemetry} after ")
    assert any(b"spangate-selftest" in message for message in backend.segments())


def test_the_selftest_tells_what_is_wrong(start, backend):
    backend.gate.clear()
    slow = start()
    result = selftest(slow, "--wait", "300ms")
    assert result.returncode == 1 and "taken and kept, but not passed on yet" in result.stderr
    backend.gate.set()
    away = start("shutdown.drain=100ms", upstream="127.0.0.1:1")
    result = selftest(away, "--wait", "300ms")
    assert result.returncode == 1 and "no backend answers" in result.stderr
    assert send("--selftest", "--addr", slow.address, "--telemetry", "127.0.0.1:1").returncode == 69
    other = start()
    wait_until(lambda: slow.metric("buffer_items") == 0, "an empty buffer")
    result = send("--selftest", "--addr", slow.address, "--telemetry", other.telemetry, "--wait", "300ms")
    assert result.returncode == 1 and "no replica counts it" in result.stderr


def test_the_token_is_the_first_line_of_its_file(start, tmp_path):
    gate = start("listen.auth.tokens=tok-1")
    assert selftest(gate).returncode == 1
    tokens = tmp_path / "tokens"
    tokens.write_text("tok-1\ntok-2\n")
    tokens.chmod(0o600)
    assert selftest(gate, "--token-file", tokens).returncode == 0
    assert selftest(gate, "--token-file", tmp_path / "none").returncode == 66
