"""TLS towards agents: grpcio, openssl s_client, and those who speak it badly."""
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import socket
import ssl
import subprocess
import time

import grpc
import pytest

import wire
from backend import COLLECT
from certificates import Authority
from conftest import BINARY, PATIENCE, OpenStream, stream, unary, wait_until

KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def settings_of(pair, *more):
    return ["listen.grpc_tls.address=127.0.0.1:0", f"listen.grpc_tls.cert_file={pair.cert}",
            f"listen.grpc_tls.key_file={pair.key}", *more]


def port_of(gate):
    address = gate.find(r"^listening  grpc \S+ grpc_tls (\S+)")
    assert address, gate.lines
    return int(address.rpartition(":")[2])


@pytest.fixture
def secure(start, authority):
    return start(*settings_of(authority.issue("localhost")))


def channel_to(gate, authority, client=None, name="localhost"):
    credentials = grpc.ssl_channel_credentials(
        authority.cert.read_bytes(), client.key.read_bytes() if client else None,
        client.cert.read_bytes() if client else None)
    channel = grpc.secure_channel(f"{name}:{port_of(gate)}", credentials, options=[
        ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)])
    gate.channels.append(channel)
    return channel


def refused(gate, n):
    gate.wait_metric("connections_refused_total", n, reason="tls")
    wait_until(lambda: gate.metric("connections", listener="grpc_tls") == 0, "it is closed")


def test_segments_over_tls_arrive_as_they_came(secure, backend, authority):
    sent = [wire.segment() for _ in range(500)]
    channel = channel_to(secure, authority)
    for at in range(0, 500, 50):
        assert stream(channel, COLLECT, sent[at:at + 50]) == b""
    wait_until(lambda: len(backend.segments()) == 500, "all segments")
    assert sorted(backend.segments()) == sorted(sent)
    assert secure.metric("connections", listener="grpc_tls") == 1
    assert secure.metric("connections_total", listener="grpc") == 0
    secure.wait_settled()


def test_clear_text_beside_tls(secure, backend, authority):
    stream(secure.channel(), COLLECT, [wire.segment()])
    stream(channel_to(secure, authority), COLLECT, [wire.segment()])
    wait_until(lambda: len(backend.segments()) == 2, "both segments")
    assert secure.metric("connections", listener="grpc") == 1
    assert secure.metric("connections", listener="grpc_tls") == 1


def test_large_messages_over_tls(secure, backend, authority):
    """Many records, and credit that flows back over TLS."""
    sent = [wire.segment([wire.span(0, -1, tags=[("blob", "x" * 3000000)])]) for _ in range(4)]
    stream(channel_to(secure, authority), COLLECT, sent)
    wait_until(lambda: len(backend.segments()) == 4, "the large segments")
    assert sorted(backend.segments()) == sorted(sent)


def test_an_agent_that_trusts_another_authority_goes(secure, authority, tmp_path):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with pytest.raises(grpc.RpcError) as failure:
        stream(channel_to(secure, other), COLLECT, [wire.segment()], timeout=3)
    assert failure.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    wait_until(lambda: secure.metric("connections_refused_total", reason="tls") >= 1, "it is counted")


def test_mutual_tls(start, backend, authority, tmp_path):
    gate = start(*settings_of(authority.issue("localhost"), "listen.grpc_tls.client_auth=require",
                              f"listen.grpc_tls.client_ca_file={authority.cert}"))
    stream(channel_to(gate, authority, authority.issue("agent")), COLLECT, [wire.segment()])
    wait_until(lambda: len(backend.segments()) == 1, "the segment")
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue("agent")
    for client in (None, stranger):
        with pytest.raises(grpc.RpcError):
            stream(channel_to(gate, authority, client), COLLECT, [wire.segment()], timeout=3)
    wait_until(lambda: gate.metric("connections_refused_total", reason="tls") >= 2, "both are counted")
    assert gate.metric("items_accepted_total", signal="tracing") == 1


def test_a_certificate_that_is_only_requested(start, backend, authority):
    gate = start(*settings_of(authority.issue("localhost"), "listen.grpc_tls.client_auth=request",
                              f"listen.grpc_tls.client_ca_file={authority.cert}"))
    stream(channel_to(gate, authority), COLLECT, [wire.segment()])
    stream(channel_to(gate, authority, authority.issue("agent")), COLLECT, [wire.segment()])
    wait_until(lambda: len(backend.segments()) == 2, "both segments")


def s_client(gate, authority, *more):
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port_of(gate)}", "-CAfile",
                           authority.cert, "-verify_return_error", *more], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version,expected", [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")])
def test_openssl_agrees(secure, authority, version, expected):
    said = s_client(secure, authority, "-alpn", "h2", version)
    assert f"New, {expected}, Cipher is " in said
    assert "ALPN protocol: h2" in said
    assert "Verify return code: 0 (ok)" in said
    assert "Secure Renegotiation IS" in said


@pytest.mark.parametrize("more", [
    [], ["-alpn", "http/1.1"], ["-alpn", "h2", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-alpn", "h2", "-tls1_2", "-cipher", "AES128-SHA"]])
def test_openssl_is_refused(secure, authority, more):
    said = s_client(secure, authority, *more)
    assert "alert" in said, said
    refused(secure, 1)


def test_openssl_may_not_negotiate_anew(secure, authority):
    """s_client asks for it when it reads R, and is told no."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"localhost:{port_of(secure)}", "-CAfile", authority.cert,
         "-alpn", "h2", "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    secure.wait_metric("connections", 1, listener="grpc_tls")
    client.stdin.write(b"R\n")
    client.stdin.flush()
    client.wait(PATIENCE)  # by itself: at the end of its input it would not wait for the answer
    said, _ = client.communicate()
    assert b"RENEGOTIATING" in said and b"no renegotiation" in said, said
    assert said.count(b"verify return:1") == 2  # our certificate and the authority's, once each


def test_openssl_without_a_certificate_is_refused(start, authority):
    """Over 1.2 in the handshake, over 1.3 right behind it."""
    client = authority.issue("agent")
    gate = start(*settings_of(authority.issue("localhost"), "listen.grpc_tls.client_auth=require",
                              f"listen.grpc_tls.client_ca_file={authority.cert}"))
    for n, version in enumerate(("-tls1_2", "-tls1_3")):
        said = s_client(gate, authority, "-alpn", "h2", version)
        refused(gate, n + 1)
        assert "Acceptable client certificate CA names\nCN = authority" in said
        assert "alert" in said or version == "-tls1_3"
    said = s_client(gate, authority, "-alpn", "h2", "-cert", client.cert, "-key", client.key)
    assert "Verify return code: 0 (ok)" in said and "alert" not in said
    assert gate.metric("connections_refused_total", reason="tls") == 2


def test_those_who_speak_no_tls(secure):
    for said in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff",
                 bytes(range(256)) * 80):
        with socket.create_connection(("127.0.0.1", port_of(secure)), PATIENCE) as sock:
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            try:
                while sock.recv(65536):
                    pass
            except ConnectionError:
                pass
    refused(secure, 4)
    assert secure.get("/readyz")[0] == 200


def test_half_a_handshake_then_silence(start, authority):
    gate = start(*settings_of(authority.issue("localhost"), "listen.keepalive.timeout=1s"))
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    client = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port_of(gate)), PATIENCE) as sock:
        sock.sendall(hello.read()[:100])
        assert sock.recv(1) == b""
    assert 0.9 < time.monotonic() - begin < 5
    refused(gate, 1)


def test_an_expired_certificate_still_starts(start, backend, authority):
    pair = authority.issue("localhost", begin="20200101000000Z", end="20210101000000Z")
    gate = start(*settings_of(pair))
    wait_until(lambda: gate.find(r"(C053)"), "the warning")
    with pytest.raises(grpc.RpcError):
        stream(channel_to(gate, authority), COLLECT, [wire.segment()], timeout=3)
    stream(gate.channel(), COLLECT, [wire.segment()])
    assert gate.metric("tls_certificate_expiry_timestamp_seconds") == 1609459200


def serial_of(gate):
    """Of the certificate a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port_of(gate)), PATIENCE) as sock:
        with context.wrap_socket(sock) as wrapped:
            return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(True))


def test_certificates_are_replaced_in_the_middle_of_traffic(start, backend, authority, tmp_path):
    served = authority.issue("localhost").copy_to(tmp_path / "served")
    gate = start(*settings_of(served))
    first = serial_of(gate)
    open_stream = OpenStream(channel_to(gate, authority), COLLECT)
    open_stream.send(wire.segment())
    wait_until(lambda: len(backend.segments()) == 1, "the first segment")
    authority.issue("localhost").copy_to(tmp_path / "served")
    wait_until(lambda: serial_of(gate) != first, "the new certificate, by watching")
    second = serial_of(gate)
    # A certificate and a key that do not belong together: those before stay, and it shows.
    (tmp_path / "served" / "tls.key").write_bytes(authority.issue("localhost").key.read_bytes())
    gate.wait_metric("tls_last_reload_successful", 0, section="listen.grpc_tls")
    wait_until(lambda: gate.find(r"(certificates not taken up.*does not belong to)"), "the reason")
    assert serial_of(gate) == second
    authority.issue("localhost").copy_to(tmp_path / "served")
    gate.process.send_signal(signal.SIGHUP)
    gate.wait_metric("tls_last_reload_successful", 1, section="listen.grpc_tls")
    assert serial_of(gate) not in (first, second)
    # The stream from before the first change still runs.
    open_stream.send(wire.segment())
    assert open_stream.end() == b""
    wait_until(lambda: len(backend.segments()) == 2, "the last segment")
    gate.wait_settled()


def test_a_certificate_that_keeps_its_times_is_seen(start, authority, tmp_path):
    """As rsync --times --inplace and others leave it; and as a file looks whose owner changed."""
    served = authority.issue("localhost").copy_to(tmp_path / "served")
    others = authority.issue("localhost")
    pad = max(f.stat().st_size for f in (served.cert, served.key, others.cert, others.key))
    for file in served.cert, served.key:
        file.write_bytes(file.read_bytes().ljust(pad, b"\n"))
        os.utime(file, (1, 1))
    gate = start(*settings_of(served))
    first = serial_of(gate)
    for file, other in (served.cert, others.cert), (served.key, others.key):
        with open(file, "r+b") as out:
            out.write(other.read_bytes().ljust(pad, b"\n"))
        os.utime(file, (1, 1))
    wait_until(lambda: serial_of(gate) != first, "the new certificate")


def test_an_expired_certificate_does_not_replace_one_that_is_good(start, authority, tmp_path):
    gate = start(*settings_of(authority.issue("localhost").copy_to(tmp_path / "served")))
    first, expiry = serial_of(gate), gate.metric("tls_certificate_expiry_timestamp_seconds")
    authority.issue("localhost", begin="20200101000000Z",
                    end="20210101000000Z").copy_to(tmp_path / "served")
    gate.process.send_signal(signal.SIGHUP)
    gate.wait_metric("tls_last_reload_successful", 0, section="listen.grpc_tls")
    assert serial_of(gate) == first
    assert gate.metric("tls_certificate_expiry_timestamp_seconds") == expiry


def check(*sets):
    command = [BINARY, "check-config", "--set", "upstream.addresses=oap:11800"]
    for one in sets:
        command += ["--set", one]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def test_check_config_looks_into_the_files(authority, tmp_path):
    pair, other = authority.issue("localhost"), authority.issue("localhost")
    on = ["listen.grpc_tls.address=:11801", f"listen.grpc_tls.cert_file={pair.cert}"]
    assert check(*on, f"listen.grpc_tls.key_file={pair.key}")[0] == 0
    code, said = check(*on, f"listen.grpc_tls.key_file={other.key}")
    assert code == 78 and "C052" in said and "does not belong to" in said
    code, said = check(*on, f"listen.grpc_tls.key_file={pair.cert}")
    assert code == 78 and "C051" in said and "listen.grpc_tls.key_file: key " in said
    code, said = check(*on, "listen.grpc_tls.key_file=/nowhere")
    assert code == 78 and "C051" in said and "No such file" in said
    code, said = check(*on, f"listen.grpc_tls.key_file={pair.key}", "listen.grpc_tls.client_auth=require")
    assert code == 78 and "C036" in said
    code, said = check(*on, f"listen.grpc_tls.key_file={pair.key}",
                       f"listen.grpc_tls.client_ca_file={pair.key}")
    assert code == 78 and "C051" in said and "listen.grpc_tls.client_ca_file" in said
    old = authority.issue("localhost", begin="20200101000000Z", end="20210101000000Z")
    code, said = check(on[0], f"listen.grpc_tls.cert_file={old.cert}",
                       f"listen.grpc_tls.key_file={old.key}")
    assert code == 0 and "C053" in said and "expired on 2021-01-01T00:00:00Z" in said
    pair.key.chmod(0o644)
    code, said = check(*on, f"listen.grpc_tls.key_file={pair.key}")
    assert code == 0 and "C035" in said
    # A key with a password: nobody is there to type it.
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "ec", "-in", pair.key, "-aes256", "-passout", "pass:x", "-out", locked],
                   check=True, capture_output=True)
    locked.chmod(0o600)
    code, said = check(*on, f"listen.grpc_tls.key_file={locked}")
    assert code == 78 and "without a password" in said


def test_unary_calls_over_tls(secure, backend, authority):
    channel = channel_to(secure, authority)
    for _ in range(200):
        assert unary(channel, KEEP_ALIVE, wire.text(1, "s") + wire.text(2, "i")) == b""
    secure.wait_settled()


def test_a_drain_ends_what_is_open_well(secure, backend, authority):
    """Two GOAWAYs, the answer of an open stream, and the close, all over TLS."""
    open_stream = OpenStream(channel_to(secure, authority), COLLECT)
    for _ in range(20):
        open_stream.send(wire.segment())
    secure.wait_metric("items_accepted_total", 20, signal="tracing")
    secure.process.send_signal(signal.SIGTERM)
    wait_until(lambda: secure.find(r"(draining)"), "the drain")
    assert open_stream.end() == b""
    assert secure.end() == 0, secure.lines
    # What was on disk and in no call stays there for the next start.
    held = int(secure.find(r"^ledger .* held (\d+),"))
    assert len(backend.segments()) + held == 20
    assert secure.find(r"^ledger .*imbalance (-?\d+)") == "0"
