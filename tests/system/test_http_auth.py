"""Who may report over HTTP: each request shows a token of its own; and TLS, HTTP, tokens at once."""
# SPDX-License-Identifier: Apache-2.0
import http.client
import json
import threading

import grpc
import pytest

import certificates
import wire
from backend import COLLECT
from conftest import PATIENCE, stream, wait_until
from test_http import HTTP, LISTS, ORIGIN, PATHS, Client, another, segment

# Unlike any other word of a log line.
TOKENS = "listen.auth.tokens=tok-f3b1c9,tok-8842aa"
SHOWN = [("authentication", "tok-f3b1c9")]


@pytest.mark.parametrize("path", PATHS)
def test_a_token_lets_in(start, backend, path):
    gate = start(HTTP, TOKENS, "log.level=debug")
    is_list, method, good, _ = PATHS[path]
    posts = [json.dumps([m] if is_list else m).encode() for m in (good, another(good))]
    client = Client(gate)
    assert client.post(path, posts[0], authentication="tok-f3b1c9")[:2] == (200, b"{}")
    assert client.post(path, posts[1], Authentication="tok-8842aa")[:2] == (200, b"{}")
    for token in ("tok-f3b1c", "tok-f3b1c99", "TOK-F3B1C9", "x", ""):
        status, body, headers = client.post(path, posts[0], authentication=token)
        assert status == 403 and headers["Content-Type"] == "application/json"
        assert "token" in json.loads(body)["error"]
    assert client.post(path, posts[0])[0] == 403
    assert client.post(path, b"{", Authorization="tok-f3b1c9")[0] == 403
    gate.wait_settled()
    assert gate.metric("items_accepted_total") == 2
    assert gate.metric("items_quarantined_total") == 0
    assert gate.metric("http_requests_total", method=path[1:], code="403") == 7
    assert gate.metric("connections_refused_total", reason="auth") == 0
    assert gate.end() == 0
    assert len(backend.paths()) >= 1 and not any("tok-" in line for line in gate.lines)


def test_strangers_are_counted_once_each(start):
    gate = start(HTTP, TOKENS, "log.level=debug")
    for _ in range(3):
        client = Client(gate)
        for _ in range(2):
            assert client.post("/v3/segments", [segment()], authentication="secret-5d1")[0] == 403
        assert client.ask("GET", "/nothing")[0] == 403
    assert gate.metric("connections_refused_total", reason="auth") == 3
    assert gate.metric("items_accepted_total") == 0
    assert gate.end() == 0
    assert not any("secret-5d1" in line for line in gate.lines)
    assert any("without a valid token" in line for line in gate.lines)


def test_a_page_asks_first(start):
    """The preflight has no token, the answer says that one may be sent, and a 403 can be read."""
    gate = start(HTTP, TOKENS)
    client = Client(gate)
    status, body, headers = client.ask(
        "OPTIONS", "/v3/segments", Origin=ORIGIN, Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authentication,content-type")
    assert (status, body) == (204, b"")
    allowed = [h.strip() for h in headers["Access-Control-Allow-Headers"].split(",")]
    assert {"authentication", "content-type"} <= set(allowed)
    status, _, headers = client.post("/v3/segments", [segment()], Origin=ORIGIN)
    assert status == 403 and headers["Access-Control-Allow-Origin"] == ORIGIN
    assert client.post("/v3/segments", [segment()], Origin=ORIGIN,
                       authentication="tok-8842aa")[0] == 200


def test_a_large_body_without_a_token_is_not_kept(start):
    gate = start(HTTP, TOKENS)
    text = b"[" + b" " * (4 << 20) + b"]"
    before = gate.metric("memory_used_bytes")
    client = Client(gate)
    for path in LISTS:
        assert client.post(path, text)[0] == 403
    client.connection.close()
    wait_until(lambda: gate.metric("memory_used_bytes") <= before, "the memory given back")


def test_all_listeners_drain_together(start, backend, tmp_path):
    """Agents on clear text, TLS and HTTP, all with tokens: what was answered is at the backend."""
    authority = certificates.Authority(tmp_path)
    pair = authority.issue("server")
    gate = start(HTTP, TOKENS, "listen.grpc_tls.address=127.0.0.1:0",
                 f"listen.grpc_tls.cert_file={pair.cert}", f"listen.grpc_tls.key_file={pair.key}",
                 "limits.workers=2", "shutdown.flush=10s")
    tls = gate.find(r"^listening  grpc \S+ grpc_tls (\S+)")
    assert tls and gate.http and gate.admin
    encrypted = grpc.secure_channel(tls, grpc.ssl_channel_credentials(authority.cert.read_bytes()))
    gate.channels.append(encrypted)
    admin = http.client.HTTPConnection(gate.admin, timeout=PATIENCE)
    admin.request("GET", "/api/v1/instances")
    assert admin.getresponse().status == 200
    admin.close()
    ending, answered, failed = threading.Event(), {"grpc": [], "tls": [], "http": []}, []

    def over_grpc(name, channel):
        for i in range(1000000):
            one = f"{name}-{i}"
            try:
                stream(channel, COLLECT, [wire.segment(segment_id=one)], metadata=SHOWN)
            except grpc.RpcError as error:
                if not ending.is_set() or error.code() != grpc.StatusCode.UNAVAILABLE:
                    failed.append((one, error))
                return
            answered[name].append(one)

    def over_http():
        client = Client(gate)
        for i in range(1000000):
            status, _, headers = client.post("/v3/segment", segment(f"http-{i}"),
                                             authentication="tok-8842aa")
            if status != 200:
                failed.append((i, status))
                return
            answered["http"].append(f"http-{i}")
            if headers.get("Connection") == "close":
                return

    threads = [threading.Thread(target=over_grpc, args=("grpc", gate.channel())),
               threading.Thread(target=over_grpc, args=("tls", encrypted)),
               threading.Thread(target=over_http)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(len(ones) > 50 for ones in answered.values()) or failed, "load on all")
    assert not failed
    ending.set()
    gate.process.terminate()
    for thread in threads:
        thread.join(PATIENCE)
    assert gate.end() == 0
    assert not failed
    sent = {one for ones in answered.values() for one in ones}
    assert sent <= set(backend.segment_ids())
    assert gate.find(r"^ledger .*imbalance (-?\d+)") == "0"
