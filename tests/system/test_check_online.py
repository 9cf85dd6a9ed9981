"""check-config --online: what a configuration needs of the world around it."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
import subprocess

import grpc
import pytest

from certificates import Authority
from conftest import BINARY, PATIENCE
from test_tls_upstream import SecureBackend


def online(tmp_path, *sets, flags=()):
    command = [BINARY, "check-config", "--online", "--format", "json", *flags]
    for one in (f"buffer.disk.path={tmp_path}/spool", f"quarantine.path={tmp_path}/aside",
                "buffer.disk.max=64MiB", "quarantine.max=2MiB", "listen.grpc.address=127.0.0.1:0",
                "listen.http.address=", "telemetry.address=", "admin.address=",
                "upstream.timeout.connect=4s", *sets):
        command += ["--set", one]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPANGATE_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 3,
                          env=environment)
    return done.returncode, json.loads(done.stdout)["online"], done.stderr


def found(items, what):
    return [(i["verdict"], i["text"]) for i in items if i["what"] == what]


@pytest.fixture
def silent():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_backend_that_answers_is_fine(tmp_path, backend):
    code, items, _ = online(tmp_path, f"upstream.addresses={backend.address}")
    (verdict, text), = found(items, "backend")
    assert code == 0 and verdict == "ok" and "speaks gRPC" in text
    assert [v for v, _ in found(items, "disk")] == ["ok", "ok"]
    assert not backend.segments()


def test_a_dead_backend_is_69_and_named(tmp_path, backend):
    code, items, _ = online(tmp_path, f"upstream.addresses={backend.address},127.0.0.1:1")
    assert code == 69
    assert [v for v, _ in found(items, "backend")] == ["ok", "error"]
    assert "127.0.0.1:1" in found(items, "backend")[1][1]
    code, items, _ = online(tmp_path, "upstream.addresses=no-such-host.invalid:11800")
    assert code == 69 and "does not resolve" in found(items, "backend")[0][1]


def test_what_is_silent_is_told(tmp_path, silent):
    code, items, told = online(tmp_path, f"upstream.addresses={silent}")
    assert code == 69
    assert "waiting" not in told, "only on a terminal: test_progress.py"
    code, _, told = online(tmp_path, f"upstream.addresses={silent}", flags=["-q"])
    assert code == 69 and told == ""


def test_tls_is_tried_and_its_end_told(tmp_path, backend):
    authority = Authority(tmp_path)
    other = Authority(tmp_path, "other")
    secure = SecureBackend(authority.issue("backend"))
    try:
        address = f"upstream.addresses=127.0.0.1:{secure.port}"
        trusted = f"upstream.tls.ca_file={authority.cert}"
        code, items, _ = online(tmp_path, address, "upstream.tls.enabled=true", trusted)
        assert code == 0 and found(items, "backend")[0][0] == "ok"
        code, items, _ = online(tmp_path, address, "upstream.tls.enabled=true",
                                f"upstream.tls.ca_file={other.cert}")
        assert code == 69 and "TLS fails" in found(items, "backend")[0][1]
        code, items, _ = online(tmp_path, f"upstream.addresses={backend.address}",
                                "upstream.tls.enabled=true", trusted)
        assert code == 69 and "TLS fails" in found(items, "backend")[0][1]
        code, items, _ = online(tmp_path, address)
        assert code == 69 and "no HTTP/2" in found(items, "backend")[0][1]
    finally:
        secure.stop()


def test_a_backend_that_denies_us_is_an_error(tmp_path, backend):
    backend.fail = lambda path, messages: grpc.StatusCode.UNAUTHENTICATED
    code, items, _ = online(tmp_path, f"upstream.addresses={backend.address}")
    assert code == 78 and "denies us" in found(items, "backend")[0][1]


def test_ports_disk_and_certificates(tmp_path, backend, silent):
    pair = Authority(tmp_path).issue("gate")
    code, items, _ = online(tmp_path, f"upstream.addresses={backend.address}",
                            f"listen.http.address={silent}", "listen.grpc_tls.address=127.0.0.1:0",
                            f"listen.grpc_tls.cert_file={pair.cert}",
                            f"listen.grpc_tls.key_file={pair.key}")
    assert code == 0
    assert ("warning", f"listen.http.address {silent} is in use") in found(items, "port")
    (verdict, text), = found(items, "certificate")
    assert verdict == "ok" and text.endswith((" 29 days", " 30 days"))
    code, items, _ = online(tmp_path, f"upstream.addresses={backend.address}",
                            "telemetry.address=192.0.2.1:1", "quarantine.path=/proc/self/aside")
    assert code == 78
    assert "cannot be opened" in found(items, "port")[-1][1]
