"""TLS towards the backend."""
# SPDX-License-Identifier: Apache-2.0
import signal

import grpc
import pytest

import wire
from backend import COLLECT, Backend
from certificates import Authority
from conftest import stream, wait_until


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


class SecureBackend(Backend):
    """trusted: the authority of clients' certificates, which then are a must."""

    def __init__(self, pair, trusted=None):
        self.credentials = grpc.ssl_server_credentials(
            [(pair.key.read_bytes(), pair.cert.read_bytes())],
            trusted.cert.read_bytes() if trusted else None, trusted is not None)
        super().__init__()

    def open_port(self):
        return self.server.add_secure_port(f"127.0.0.1:{self.port}", self.credentials)


@pytest.fixture
def secured():
    """A function that starts one; all are stopped at the end."""
    running = []

    def begin(pair, trusted=None):
        running.append(SecureBackend(pair, trusted))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def to(backend, authority, *more, host="127.0.0.1"):
    return [f"upstream.addresses={host}:{backend.port}", "upstream.tls.enabled=true",
            f"upstream.tls.ca_file={authority.cert}", *more]


def reaches(gate, backend, n=20):
    sent = [wire.segment() for _ in range(n)]
    stream(gate.channel(), COLLECT, sent)
    wait_until(lambda: len(backend.segments()) == n, "all segments")
    assert sorted(backend.segments()) == sorted(sent)
    gate.wait_settled()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_backend_is_known_by_address_or_name(start, secured, authority, host):
    other = secured(authority.issue("oap"))
    gate = start(*to(other, authority, host=host))
    reaches(gate, other)
    with other.lock:
        assert other.calls


def test_batches_of_a_megabyte(start, secured, authority):
    other = secured(authority.issue("oap"))
    gate = start(*to(other, authority))
    sent = [wire.segment([wire.span(0, -1, tags=[("blob", "x" * 50000)])]) for _ in range(200)]
    stream(gate.channel(), COLLECT, sent)
    wait_until(lambda: len(other.segments()) == 200, "all segments")
    assert sorted(other.segments()) == sorted(sent)
    gate.wait_settled()


def test_the_name_must_be_in_the_certificate(start, secured, authority):
    other = secured(authority.issue("oap", alternatives="DNS:oap.example"))
    gate = start(*to(other, authority))
    wait_until(lambda: gate.find(r"(TLS failed.*IP address mismatch)"), "the reason is told")
    assert gate.metric("backend_up") == 0
    gate.process.send_signal(signal.SIGKILL)
    gate.process.wait()
    gate = start(*to(other, authority, "upstream.tls.server_name=oap.example"))
    reaches(gate, other)


def test_a_backend_nobody_vouches_for(start, secured, authority, tmp_path):
    (tmp_path / "other").mkdir()
    other = secured(Authority(tmp_path / "other").issue("oap"))
    gate = start(*to(other, authority))
    wait_until(lambda: gate.find(r"(TLS failed.*certificate verify failed)"), "the reason is told")
    stream(gate.channel(), COLLECT, [wire.segment()])
    assert gate.metric("buffer_items") == 1
    gate.process.send_signal(signal.SIGKILL)
    gate.process.wait()
    gate = start(*to(other, authority, "upstream.tls.insecure_skip_verify=true"))
    assert gate.find(r"(C055)") and gate.find(r"(insecure_skip_verify: whoever answers)")
    reaches(gate, other)


def test_a_backend_in_clear_text(start, backend, authority):
    gate = start(*to(backend, authority))
    wait_until(lambda: gate.find(r"(TLS failed)"), "the reason is told")
    assert gate.metric("backend_up") == 0
    gate.process.send_signal(signal.SIGKILL)
    gate.process.wait()


def test_mutual_tls(start, secured, authority):
    pair = authority.issue("spangate")
    other = secured(authority.issue("oap"), authority)
    gate = start(*to(other, authority, f"upstream.tls.cert_file={pair.cert}",
                     f"upstream.tls.key_file={pair.key}"))
    reaches(gate, other)
    assert gate.metric("tls_last_reload_successful", section="upstream.tls") == 1
    assert gate.metric("tls_certificate_expiry_timestamp_seconds", section="upstream.tls") > 1.7e9


def test_a_new_certificate_of_ours_is_used_for_new_connections(start, secured, authority, tmp_path):
    """The old one is not trusted by the backend; the new one is, and no restart was needed."""
    (tmp_path / "old").mkdir()
    served = Authority(tmp_path / "old").issue("spangate").copy_to(tmp_path / "served")
    other = secured(authority.issue("oap"), authority)
    gate = start(*to(other, authority, f"upstream.tls.cert_file={served.cert}",
                     f"upstream.tls.key_file={served.key}"))
    wait_until(lambda: gate.find(r"(backend not reachable)") or gate.find(r"(TLS failed)"), "refused")
    authority.issue("spangate").copy_to(tmp_path / "served")
    gate.process.send_signal(signal.SIGHUP)
    wait_until(lambda: gate.find(r"(certificates taken up)"), "taken up")
    reaches(gate, other)
