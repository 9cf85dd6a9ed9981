"""The verb quarantine: against a stand-in of the admin port, and against the real one."""
# SPDX-License-Identifier: Apache-2.0
import base64
import http.server
import json
import os
import pty
import re
import subprocess
import threading
import time
import urllib.parse

import pytest

import wire
from backend import COLLECT, Backend
from conftest import BINARY, PATIENCE, OpenStream, stream, wait_until

ITEM = {"id": "q-001A", "received": "2026-01-31T12:03:58.114Z", "received_ms": 1769861038114,
        "rule": "span-zero-missing", "signal": "tracing", "method": COLLECT, "bytes": 120,
        "service": "shop", "service_instance": "shop-1", "segment_id": "5be1", "trace_id": "9d02",
        "spans": 2, "edited": False}


def quarantine(*arguments, address=None, patience=60):
    command = [BINARY, "quarantine", *map(str, arguments)]
    if address:
        command += ["--addr", address]
    done = subprocess.run(command, capture_output=True, timeout=patience)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Port:
    """Answers (method, path) by f(query, body) -> (status, text or object)."""

    def __init__(self):
        self.answers = {}
        self.asked = []  # (method, path, query, body, headers)
        port = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                url = urllib.parse.urlsplit(self.path)
                query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
                size = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(size)) if size else None
                port.asked.append((self.command, url.path, query, body, dict(self.headers)))
                found = port.answers.get((self.command, url.path))
                status, text = found(query, body) if found else (404, {"error": "no such item"})
                data = (text if isinstance(text, str) else json.dumps(text)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def on(self, path, answer, method="GET"):
        self.answers[method, path] = answer if callable(answer) else lambda *_: (200, answer)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def port():
    one = Port()
    yield one
    one.stop()


@pytest.mark.parametrize("arguments, words", [
    (["lst"], '"lst" is none of list, show, explain, replay, export, remove, stats; '
              'did you mean "list"?'),
    (["list", "q-001A"], 'unexpected argument "q-001A"'),
    (["list", "--yes"], "--yes is for remove"),
    (["show", "--filter", "spans>1"], "--filter is for list, replay, export, remove"),
    (["show"], "show: of what? See: spangate quarantine list"),
    (["show", "17"], '"17" is no ID; they look like q-001A'),
    (["list", "--filter", "spans>1 sevice=x"],
     '--filter, column 9: there is no key "sevice"; did you mean "service"?'),
    (["list", "--rule", "span-zero-mising"],
     '--rule: there is no rule "span-zero-mising"; did you mean "span-zero-missing"?'),
    (["list", "--since", "5"], '--since "5" is no time with a unit'),
    (["replay", "q-001A", "--rule", "tag-blank"], "give IDs or --filter"),
    (["replay", "q-001A", "--as-is", "--repair"], "--as-is or --repair, not both"),
    (["replay", "q-001A", "--to", "nowhere"], '--to "nowhere" is no HOST:PORT'),
    (["list", "--set", "admin.address="], "there is nobody to ask"),
])
def test_what_is_written_wrongly_is_told(arguments, words):
    code, out, err = quarantine(*arguments)
    assert (code, out) == (64, "")
    assert words in err


def test_nobody_answers():
    code, out, err = quarantine("list", address="127.0.0.1:1")
    assert (code, out) == (69, "")
    assert "the admin port 127.0.0.1:1 does not answer: connection refused" in err
    code, _, err = quarantine("list", address="unix:/nowhere/admin.sock")
    assert code == 69 and "unix:/nowhere/admin.sock does not answer" in err


def test_what_the_service_refuses_is_passed_on(port, tmp_path):
    port.on("/api/v1/quarantine/stats", lambda *_: (503, {"error": "buffer.mode is memory"}))
    assert quarantine("stats", address=port.address) == (
        69, "", "spangate quarantine: buffer.mode is memory\n")
    port.on("/api/v1/quarantine/stats", lambda *_: (401, {"error": "a token is needed"}))
    code, _, err = quarantine("stats", address=port.address)
    assert code == 77 and "a token is needed; give -c FILE" in err
    port.on("/api/v1/quarantine/stats", lambda *_: (200, "<html>"))
    code, _, err = quarantine("stats", address=port.address)
    assert code == 69 and "is it the admin port of this version?" in err
    token = tmp_path / "token"
    token.write_text("secret-1\n")
    token.chmod(0o600)
    quarantine("stats", "--set", f"admin.token_file={token}", address=port.address)
    assert port.asked[-1][4]["Authorization"] == "Bearer secret-1"


def test_list_follows_the_pages(port):
    items = [dict(ITEM, id=f"q-{number:04d}", service="a\x1b[2J") for number in range(1250, 0, -1)]

    def page(query, _):
        before = query.get("before", "q-9999")
        left = [item for item in items if item["id"] < before]
        limit = int(query["limit"])
        return 200, {"items": left[:limit],
                     "next": left[limit - 1]["id"] if len(left) > limit else None}

    port.on("/api/v1/quarantine", page)
    code, out, err = quarantine("list", address=port.address)
    lines = out.splitlines()
    assert code == 0 and len(lines) == 51 and "--limit 0 shows all" in err
    assert lines[0].split() == ["ID", "RECEIVED", "RULE", "SIGNAL", "SERVICE", "SPANS", "SIZE"]
    assert re.match(r"q-1250 +2026-01-31T12:03:58.114Z +span-zero-missing +tracing +a\\x1B\[2J +2 "
                    r"+120 B$", lines[1])
    code, out, err = quarantine("list", "--limit", 0, "--format", "json", address=port.address)
    assert (code, err) == (0, "")
    assert [item["id"] for item in json.loads(out)["items"]] == [item["id"] for item in items]
    items.clear()
    assert quarantine("list", address=port.address) == (
        0, "", "spangate quarantine: the quarantine is empty\n")


def test_what_is_chosen_is_asked_for(port):
    port.on("/api/v1/quarantine", {"items": [], "next": None})
    before = time.time()
    quarantine("list", "--since", "1h", "--rule", "tag-blank", "--service", 'pay "x"*',
               "--filter", "spans>1 or tag.a&b=c%", "--limit", 7, address=port.address)
    query = port.asked[-1][2]
    assert before - 3601 < int(query.pop("since")) / 1000 < time.time() - 3599
    assert query == {"limit": "7", "rule": "tag-blank",
                     "filter": '(spans>1 or tag.a&b=c%) service="pay \\"x\\"*"'}


def test_an_answer_that_never_ends_is_left(port):
    port.on("/api/v1/quarantine", {"items": [], "next": "q-0001"})
    code, _, err = quarantine("list", address=port.address)
    assert code == 69 and "does not answer as this version does" in err
    assert len(port.asked) == 2


def result(one, word, why=""):
    return {"id": one, "result": word, "why": why}


def test_replay_goes_in_portions_and_asks_the_busy_again(port):
    chosen = [f"q-{number:04d}" for number in range(250)]
    port.on("/api/v1/quarantine", {"items": [dict(ITEM, id=one) for one in chosen], "next": None})
    seen = []

    def replay(_, body):
        words = {"q-0001": "repaired", "q-0002": "gone", "q-0003": "refused"}
        seen.append(body)
        return 200, {"results": [
            result(one, "busy" if one == "q-0004" and len(seen) < 4 else words.get(one, "replayed"),
                   "no repair cures it" if one == "q-0003" else "") for one in body["ids"]]}

    port.on("/api/v1/quarantine/replay", replay, "POST")
    code, out, err = quarantine("replay", "--filter", "spans>1", "--as-is", "--rate", 5000,
                                address=port.address)
    assert (code, err) == (1, "")
    assert out == ("q-0003  refused: no repair cures it\n"
                   "247 replayed, 1 repaired, 1 gone, 1 refused\n")
    assert [len(body["ids"]) for body in seen] == [100, 100, 50, 1]
    assert all(body["mode"] == "as-is" and body["rate"] == 5000 for body in seen)


def test_replay_by_id_tells_each_and_minds_the_gone(port):
    port.on("/api/v1/quarantine/replay", lambda _, body: (200, {"results": [
        result(one, "gone" if one == "q-0002" else "replayed") for one in body["ids"]]}), "POST")
    code, out, _ = quarantine("replay", "Q-1", address=port.address)
    assert (code, out) == (0, "q-0001  replayed\n1 replayed\n")
    assert port.asked[-1][3] == {"ids": ["q-0001"], "mode": "repair", "rate": 0}
    code, out, _ = quarantine("replay", "q-0001", "q-0002", "--format", "json",
                              address=port.address)
    told = json.loads(out)
    assert code == 1
    assert told["summary"] == {"replayed": 1, "repaired": 0, "gone": 1, "refused": 0, "busy": 0}
    assert [one["result"] for one in told["results"]] == ["replayed", "gone"]


def test_a_low_rate_is_kept_by_small_portions(port):
    port.on("/api/v1/quarantine/replay", lambda _, body: (200, {"results": [
        result(one, "replayed") for one in body["ids"]]}), "POST")
    begin = time.monotonic()
    code, _, _ = quarantine("replay", *[f"q-{n:04d}" for n in range(1, 8)], "--rate", 3,
                            address=port.address)
    assert code == 0 and time.monotonic() - begin >= 2
    assert [len(asked[3]["ids"]) for asked in port.asked] == [3, 3, 1]


def test_remove_by_filter_wants_a_yes(port):
    port.on("/api/v1/quarantine", {"items": [ITEM], "next": None})
    port.on("/api/v1/quarantine/remove", lambda _, body: (200, {"removed": len(body["ids"])}),
            "POST")
    code, out, err = quarantine("remove", "--rule", "span-zero-missing", address=port.address)
    assert (code, out) == (64, "") and "1 match; add --yes" in err
    code, out, err = quarantine("remove", "--rule", "span-zero-missing", "--dry-run",
                                address=port.address)
    assert code == 0 and "q-001A" in out and "1 would be removed" in err
    assert not [asked for asked in port.asked if asked[0] == "POST"]
    assert quarantine("remove", "--rule", "span-zero-missing", "--yes", address=port.address) == (
        0, "1 removed\n", "")


def test_a_payload_that_is_no_base64_is_bad_data(port):
    port.on("/api/v1/quarantine/q-001A", dict(ITEM, payload="@@@@"))
    code, out, err = quarantine("show", "q-001A", address=port.address)
    assert (code, out) == (65, "") and "its payload is no base64" in err


def test_explain_tells_the_diagnosis_of_the_instance(port):
    spans = [wire.span(7, 5, kind=1, name="GET /stock"), wire.span(0, -1)]
    payload = wire.segment(spans, segment_id="5be1", trace_id="9d02")
    port.on("/api/v1/quarantine/q-001A", dict(ITEM, rule="span-parent-missing", payload=base64
                                              .b64encode(payload).decode()))
    port.on("/api/v1/instances", {"total": 1, "instances": [{
        "service": "shop", "service_instance": "shop-1", "language": "go", "segments": 1234,
        "bad_ratio": 0.0125, "findings": {"span-parent-missing": 12, "tag-blank": 3},
        "diagnoses": [{"code": "D1", "name": "memory race", "confidence": "high",
                       "text": "Spans are shared.", "next": "Use a newer agent.",
                       "evidence": "12 findings of two kinds.", "since": "2026-01-31T12:00:00.000Z"}],
    }]})
    code, out, err = quarantine("explain", "q-001A", address=port.address)
    assert (code, err) == (0, "")
    assert out.startswith("segment 5be1, shop shop-1, 2026-01-31T12:03:58.114Z, 2 spans, "
                          "trace 9d02\n  0 Entry /checkout ")
    assert re.search(r"\n  \?\? 5 is not in this segment\n     !! 7 Exit GET /stock to mysql:3306 +40ms"
                     r"   parent 5 is not in this segment  \[span-parent-missing\]\n", out)
    words = " ".join(out.split())
    assert ("why The parent is not in this segment [span-parent-missing, proof]." in words
            and "OAP without the gate:" in words)
    assert ("shop shop-1 (go) reported 1234 segments, 1.25 % of them damaged: "
            "span-parent-missing 12, tag-blank 3." in words)
    assert ("D1 memory race, high confidence, since 2026-01-31T12:00:00.000Z: Spans are shared. "
            "Evidence: 12 findings of two kinds." in words)
    assert "next Use a newer agent." in words
    assert max(map(len, out.splitlines())) < 140
    assert port.asked[-1][1:3] == ("/api/v1/instances", {
        "limit": "1", "service": "shop", "service_instance": "shop-1"})
    code, out, _ = quarantine("explain", "q-001A", "--format", "json", address=port.address)
    assert code == 0 and json.loads(out)["instance"]["diagnoses"][0]["code"] == "D1"


# Against the real service.


def no_span_zero(segment_id, service="shop"):
    return wire.segment([wire.span(1, -1, name="/lost"), wire.span(2, 1, kind=1, name="GET /x")],
                        segment_id=segment_id, service=service)


class Gate:
    def __init__(self, one):
        self.one = one
        self.address = one.find(r"admin http://([^/\s]+)")
        assert self.address, "\n".join(one.lines)

    def __call__(self, *arguments):
        return quarantine(*arguments, address=self.address)

    def ids(self, *arguments):
        code, out, err = self("list", "--limit", 0, "--format", "json", *arguments)
        assert code == 0, err
        return [item["id"] for item in json.loads(out)["items"]]

    def wait(self, n):
        return wait_until(lambda: len(self.ids()) == n and self.ids(), f"{n} in quarantine")


@pytest.fixture
def durable(start):
    """With three messages set aside: no span 0 twice, and bytes that are no segment."""
    one = start("admin.address=127.0.0.1:0", "buffer.mode=durable")
    gate = Gate(one)
    channel = one.channel()
    stream(channel, COLLECT, [no_span_zero("lost-1"), wire.segment(segment_id="good-1")])
    gate.wait(1)
    stream(channel, COLLECT, [no_span_zero("lost-2", service="pay")])
    gate.wait(2)
    stream(channel, COLLECT, [b"\x0a\x7fbroken"])
    gate.wait(3)
    return gate


def test_list_show_and_stats(durable):
    bad, second, first = durable.ids()
    assert durable.ids("--rule", "span-zero-missing") == [second, first]
    assert durable.ids("--service", "sh*") == [first]
    assert durable.ids("--filter", "spans=2 operation=/lost not service=pay") == [first]
    assert durable.ids("--since", "1h", "--limit", "2") == [bad, second]
    code, out, _ = durable("show", first)
    assert code == 0
    assert f"{first}: span-zero-missing\n" in out and "segment   lost-1\n" in out
    assert "span-zero-missing [proof]: no span has id 0" in out
    assert re.search(r"\n  1 Entry /lost +40ms\n  \|- 2 Exit GET /x to mysql:3306 +40ms\n", out)
    code, out, _ = durable("show", first, "--format", "json")
    told = json.loads(out)
    assert wire.segment_id(base64.b64decode(told["payload"])) == "lost-1"
    assert "span-zero-missing" in [one["rule"] for one in told["findings"]]
    code, out, _ = durable("show", bad)
    assert code == 0 and "proto-undecodable" in out and "0000  0a 7f 62 72" in out
    code, out, _ = durable("stats")
    assert code == 0 and out.startswith("items   3\nsize    ")
    assert "         2  span-zero-missing\n" in out and "         1  pay\n" in out


def test_explain_of_the_real_service(durable):
    bad, second, first = durable.ids()
    code, out, err = durable("explain", first, bad)
    assert (code, err) == (0, "")
    assert out.startswith("segment lost-1, shop shop-1, 20")
    assert "[span-zero-missing, proof]" in out and "next  " in out
    assert "[proto-undecodable, proof]" in out


def test_export_is_what_lint_reads(durable, tmp_path):
    out_file = tmp_path / "out.bin"
    code, out, err = durable("export", "--filter", "bytes>0", "-o", out_file)
    assert (code, out) == (0, "")
    assert f"3 written to {out_file}" in err
    lint = subprocess.run([BINARY, "lint", out_file], capture_output=True, text=True, timeout=30)
    assert lint.returncode == 1
    assert "segment lost-1 of shop shop-1, 2 spans: quarantined" in lint.stdout
    assert "[proto-undecodable, proof]" in lint.stdout
    json_file = tmp_path / "out.json"
    code, _, err = durable("export", "--rule", "span-zero-missing", "--format", "json",
                           "--output", json_file)
    assert code == 0
    lint = subprocess.run([BINARY, "lint", json_file], capture_output=True, text=True, timeout=30)
    assert lint.stdout.count("[span-zero-missing, proof]") == 2
    assert durable("export", durable.ids()[0], "-o", "/nowhere/x")[0] == 74


def test_export_spares_a_terminal(durable):
    control, terminal = pty.openpty()
    done = subprocess.run([BINARY, "quarantine", "export", "--since", "1h", "--addr",
                           durable.address], stdout=terminal, stderr=subprocess.PIPE, timeout=30)
    os.close(terminal)
    os.close(control)
    assert done.returncode == 64 and b"give -o FILE" in done.stderr


def test_replay_repairs_refuses_and_is_done_once(durable, backend):
    bad, second, first = durable.ids()
    code, out, _ = durable("replay", first)
    assert code == 1 and out.startswith(f"{first}  refused: ")
    code, out, _ = durable("replay", bad, "--as-is")
    assert code == 1 and out.startswith(f"{bad}  refused: ")
    code, out, err = durable("replay", "--filter", "rule=span-zero-missing", "--dry-run")
    assert code == 0 and "2 would be replayed" in err and first in out
    code, out, err = durable("replay", "--filter", "rule=span-zero-missing", "--as-is", "--rate",
                             "1000")
    assert (code, out) == (0, "2 replayed\n"), err
    wait_until(lambda: {"lost-1", "lost-2"} <= set(backend.segment_ids()), "the replayed ones")
    assert durable.ids() == [bad]
    code, out, _ = durable("replay", first, "--as-is")
    assert code == 1 and f"{first}  gone" in out
    assert backend.segment_ids().count("lost-1") == 1
    durable.one.wait_settled()


def test_replay_elsewhere_leaves_them(durable):
    bad, second, first = durable.ids()
    other = Backend()
    try:
        code, out, _ = durable("replay", first, second, "--to", other.address, "--as-is")
        assert code == 0
        assert out == (f"{first}  replayed\n{second}  replayed\n2 taken by {other.address}, 0 refused; "
                       "all stay in quarantine\n")
        assert sorted(map(wire.segment_id, other.messages(COLLECT))) == ["lost-1", "lost-2"]
        code, out, _ = durable("replay", first, "--to", other.address)
        assert code == 1 and "refused: no repair cures it (span-zero-missing)" in out
    finally:
        other.stop()
    assert len(durable.ids()) == 3
    code, _, err = durable("replay", first, "--to", "127.0.0.1:1", "--as-is")
    assert code == 69 and "--to 127.0.0.1:1 does not answer" in err


def test_removed_is_gone(durable):
    bad, second, first = durable.ids()
    assert durable("remove", first) == (0, "1 removed\n", "")
    code, out, err = durable("remove", first)
    assert (code, out) == (1, "0 removed\n") and "1 of 1 were not in quarantine" in err
    code, out, err = durable("show", first)
    assert (code, out) == (66, "") and f"{first} is not in quarantine" in err
    assert durable("remove", "--since", "1h", "--yes")[1] == "2 removed\n"
    assert durable.ids() == []


def test_without_a_disk_it_says_so(start):
    gate = Gate(start("admin.address=127.0.0.1:0", "buffer.mode=memory"))
    code, out, err = gate("list")
    assert (code, out) == (69, "") and "buffer.mode" in err


def test_changes_need_the_token_that_is_set(start, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-long-secret\n")
    token.chmod(0o600)
    one = start("admin.address=127.0.0.1:0", "buffer.mode=durable", f"admin.token_file={token}")
    gate = Gate(one)
    stream(one.channel(), COLLECT, [no_span_zero("lost-1")])
    (first,) = gate.wait(1)
    code, out, err = gate("remove", first)
    assert (code, out) == (77, "") and "admin.token_file" in err
    assert gate("remove", first, "--set", f"admin.token_file={token}") == (0, "1 removed\n", "")


def test_by_socket_as_the_configuration_says(start, tmp_path):
    path = tmp_path / "admin.sock"
    start("admin.address=", f"admin.socket={path}", "buffer.mode=durable")
    assert quarantine("list", address=f"unix:{path}")[0] == 0
    config = tmp_path / "spangate.yaml"
    config.write_text(f"version: 1\nadmin: {{socket: {path}}}\n")
    assert quarantine("list", "-c", config)[0] == 0
