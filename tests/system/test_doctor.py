"""The verb doctor: what is wrong with a running service and its host, and what to do."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess

import pytest

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, stream, wait_until


def doctor(gate, *flags, sets=()):
    command = [BINARY, "doctor", "--format", "json", *flags]
    if gate:
        command += ["--addr", gate.admin, "--telemetry", gate.telemetry]
    for one in ("buffer.mode=memory", *sets):
        command += ["--set", one]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPANGATE_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE,
                          env=environment)
    return done.returncode, json.loads(done.stdout)["findings"], done.stderr


def of(findings, what, verdict=None):
    return [f for f in findings if f["what"] == what and verdict in (None, f["verdict"])]


def test_a_healthy_service_has_nothing_wrong(gate, backend):
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(5)])
    gate.wait_settled()
    code, findings, _ = doctor(gate, sets=[f"upstream.addresses={backend.address}"])
    assert code == 0, findings
    assert of(findings, "service", "ok")[0]["text"] == "it runs and is ready"
    assert "imbalance 0: 5 accepted, 5 forwarded" in of(findings, "ledger")[0]["text"]
    seen, called = of(findings, "backend")
    assert f"{backend.address} up" in seen["text"] and "speaks gRPC" in called["text"]
    assert not of(findings, "port")


def test_nobody_there_is_the_first_finding(backend):
    code, findings, told = doctor(None, sets=["admin.address=127.0.0.1:1"])
    assert code == 1 and "does not answer" in told
    assert findings[0]["verdict"] == "error" and findings[0]["next"]
    assert of(findings, "port")


def test_a_dead_backend_is_told_twice_by_the_service_and_by_a_call(gate, backend):
    stream(gate.channel(), COLLECT, [wire.segment()])
    gate.wait_settled()
    backend.stop()
    wait_until(lambda: gate.metric("backend_up") == 0, "the backend is down")
    code, findings, _ = doctor(gate, sets=[f"upstream.addresses={backend.address}"])
    assert code == 1
    seen, called = of(findings, "backend", "error")
    assert "DOWN" in seen["text"] and "refused" in called["text"]
    _, findings, _ = doctor(gate, "--no-dial", sets=[f"upstream.addresses={backend.address}"])
    [alone] = of(findings, "backend", "error")
    assert "with -c FILE" in alone["next"] and "below" in seen["next"]
    backend.start()


def test_a_bad_reload_and_a_full_file_limit_are_told(start, tmp_path):
    file = tmp_path / "spangate.yaml"
    file.write_text("version: 1\n")
    gate = start(flags=["-c", str(file)])
    file.write_text("nonsense: 1\n")
    gate.process.send_signal(1)
    wait_until(lambda: gate.metric("config_last_reload_successful") == 0, "the refusal")
    _, findings, _ = doctor(gate, "--no-dial", sets=["limits.max_connections=1000000"])
    assert "last reload was refused" in of(findings, "service", "warning")[0]["text"]
    limits = of(findings, "limits", "warning")
    assert any("1000200" in one["text"] and "LimitNOFILE" in one["next"] for one in limits)


def test_disk_and_certificates_are_looked_at_too(gate):
    _, findings, _ = doctor(gate, "--no-dial", sets=[
        "buffer.mode=durable", "buffer.disk.path=/proc/self/none", "quarantine.path=/tmp/none"])
    assert of(findings, "disk", "error") or of(findings, "disk", "warning")


@pytest.mark.parametrize("flag", ["--no-dail", "--telemtry"])
def test_mistyped_flags_are_told(flag):
    done = subprocess.run([BINARY, "doctor", flag], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 64 and "did you mean" in done.stderr
