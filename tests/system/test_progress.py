"""What takes longer than two seconds says on the terminal how far it is, and nothing in a pipe."""
# SPDX-License-Identifier: Apache-2.0
import os
import pty
import re
import socket
import subprocess
import threading
import time

import pytest

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, stream
from test_quarantine_command import ITEM, Port

LONG = 2.3  # seconds


def run(arguments, feed=None, slow_reader=False, **environment):
    """(exit code, standard output, what a terminal as standard error was told)."""
    ours, theirs = pty.openpty()
    told = []

    def read():
        try:
            while data := os.read(ours, 4096):
                told.append(data)
        except OSError:
            pass  # the last writer is gone
    known = {k: v for k, v in os.environ.items() if not k.startswith("SPANGATE_")}
    process = subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=theirs, env={**known, "TERM": "xterm", **environment})
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    if feed is not None:
        time.sleep(LONG)  # a file that comes slowly
        process.stdin.write(feed)
    process.stdin.close()
    if slow_reader:
        time.sleep(LONG)
    shown = process.stdout.read().decode()
    code = process.wait(PATIENCE)
    reader.join(PATIENCE)
    os.close(ours)
    return code, shown, b"".join(told).decode()


def is_told(told, pattern):
    """Lines of progress, each written over itself, the last one gone again before the end."""
    return re.search(rf"\r{pattern}\x1b\[K", told) and re.search(r"\r\x1b\[K(?!.*\r\S)", told, re.S)


def in_a_pipe(arguments, feed=None):
    done = subprocess.run([BINARY, *map(str, arguments)], input=feed, capture_output=True, timeout=PATIENCE)
    return done.stderr.decode()


@pytest.fixture
def silent():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def messages(path, n):
    captured = [wire.segment() for _ in range(n)]
    path.write_bytes(b"".join(len(one).to_bytes(4, "big") + one for one in captured))
    return path


def test_load(gate):
    arguments = ["load", "--addr", gate.address, "--rate", 20, "--duration", "3s"]
    code, shown, told = run(arguments)
    assert code == 0 and "acknowledged" in shown and is_told(told, r"\d of 3 s")
    assert "\r" not in in_a_pipe(arguments)


def test_demo():
    code, shown, told = run(["demo", "--duration", "3s"])
    assert code == 0 and "RESULT" in shown and is_told(told, r"\d of 3 s")


def test_send(gate, tmp_path):
    arguments = ["send", "--addr", gate.address, "--rate", 6, messages(tmp_path / "some.bin", 18)]
    code, shown, told = run(arguments)
    assert code == 0 and "18 taken" in shown
    assert is_told(told, r"1\d taken, 0 refused, \S+")
    assert "\r" not in in_a_pipe(arguments)


def test_lint(tmp_path):
    feed = messages(tmp_path / "some.bin", 2000).read_bytes()
    code, _, told = run(["lint"], feed=feed)
    assert code == 0 and is_told(told, r"\d+ messages judged, standard input")
    assert "\r" not in run(["lint"], feed=feed, TERM="dumb")[2]


@pytest.mark.parametrize("verb, status", [(["check-config", "--online"], 69), (["doctor", "--addr", "127.0.0.1:1"], 1)],
                         ids=["check-config", "doctor"])
def test_waiting_for_a_backend(silent, tmp_path, verb, status):
    sets = [f"upstream.addresses={silent}", "upstream.timeout.connect=3s", f"buffer.disk.path={tmp_path}/spool",
            f"quarantine.path={tmp_path}/aside", "listen.grpc.address=127.0.0.1:0"]
    code, shown, told = run(verb + [word for one in sets for word in ("--set", one)])
    assert code == status and silent in shown and is_told(told, rf"waiting for {silent}, 2 s so far")


def test_spool(start, tmp_path):
    """What is dumped into a pipe that nobody reads waits there."""
    gate = start("buffer.mode=durable", "shutdown.drain=0s", upstream="127.0.0.1:1", spool=tmp_path)
    big = [wire.span(0, -1, tags=[("blob", "x" * 2000)])]
    stream(gate.channel(), COLLECT, [wire.segment(big) for _ in range(200)])
    code, shown, told = run(["spool", "dump", tmp_path / "spool"], slow_reader=True)
    assert code == 0 and shown.count("\n") == 200 and is_told(told, r"\d+ records read, \S+")


@pytest.mark.parametrize("what", ["replay", "remove", "export"])
def test_quarantine(tmp_path, what):
    port = Port()
    items = [{**ITEM, "id": f"q-{i:04X}"} for i in range(20 if what == "export" else 200)]

    def slowly(answer):
        def f(query, body):
            time.sleep(1.2)
            return 200, answer(query, body)
        return f
    port.answers["GET", "/api/v1/quarantine"] = slowly(lambda *_: {"items": items, "next": ""})
    port.answers["POST", "/api/v1/quarantine/replay"] = slowly(
        lambda _, body: {"results": [{"id": one, "result": "replayed"} for one in body["ids"]]})
    port.answers["POST", "/api/v1/quarantine/remove"] = slowly(lambda _, body: {"removed": len(body["ids"])})
    for one in items:
        port.answers["GET", f"/api/v1/quarantine/{one['id']}"] = lambda *_: time.sleep(0.1) or (
            200, {**ITEM, "payload": ""})
    more = {"replay": [], "remove": ["--yes"], "export": ["-o", tmp_path / "out"]}[what]
    code, _, told = run(["quarantine", what, "--addr", port.address, "--service", "shop", *more])
    port.stop()
    words = {"replay": r"\d+ of 200 asked for", "remove": r"\d+ of 200 removed", "export": r"\d+ of \d+ exported"}[what]
    assert code == 0 and is_told(told, words), told
