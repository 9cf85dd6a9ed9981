"""The verb top: rates, buffer, backends and the sickest instances of a running service."""
# SPDX-License-Identifier: Apache-2.0
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, stream, wait_until


def top(gate, *flags):
    done = subprocess.run([BINARY, "top", "--addr", gate.admin, *flags], capture_output=True,
                          text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def sick(number):
    """A parent that is not there, every other time."""
    return [wire.span(span_id=0, parent=-1), wire.span(span_id=1, parent=7 if number % 2 else 0)]


def report(gate):
    channel = gate.channel()
    stream(channel, COLLECT, [wire.segment(service="well", instance="w-1") for _ in range(20)])
    stream(channel, COLLECT, [wire.segment(sick(i), service="sick", instance="s-1")
                              for i in range(20)])
    gate.wait_settled()
    wait_until(lambda: json.loads(top(gate, "--once", "--json", "--interval", "100ms")[1])["total"] == 2
               and sum(i["segments"] for i in rows(gate)) == 40, "both instances")


def rows(gate, *flags):
    code, out, told = top(gate, "--once", "--json", "--interval", "100ms", *flags)
    assert code == 0, told
    return json.loads(out)["instances"]


def test_once_ranks_the_sickest_first(gate):
    report(gate)
    first, second = rows(gate)
    assert (first["service"], first["bad_ratio"], first["finding"]) == (
        "sick", 0.5, "span-parent-missing")
    assert (second["service"], second["bad_ratio"], second["finding"]) == ("well", 0, "")
    code, out, _ = top(gate, "--once", "--interval", "100ms")
    lines = out.splitlines()
    assert code == 0 and "\033" not in out
    assert re.match(rf"spangate \S+  {gate.admin}  up \d+s  enforce  READY$", lines[0])
    assert re.search(r"^IN 0 seg/s .* \| QUARANTINE 0/s \(0.00%\) \| DROP 0/s \| LEDGER 0$", lines[1])
    assert re.search(r"^BUFFER mem \[\.{8}\] 0% oldest \S+   disk \[\.{8}\] \d+%    BACKEND 127.0.0.1:\d+ up",
                     lines[2])
    assert lines[3].split() == ["SERVICE", "INSTANCE", "SEG/S", "BAD%", "60s", "TOP", "FINDING",
                                "DIAGNOSIS"]
    assert lines[4].startswith("sick ") and " 50.00 " in lines[4]
    assert lines[5].startswith("well ") and lines[5].endswith("healthy")


def test_sort_and_filter(gate):
    report(gate)
    assert [r["service"] for r in rows(gate, "--sort", "service")] == ["sick", "well"]
    assert [r["service"] for r in rows(gate, "--filter", "service=we*")] == ["well"]
    assert [r["service"] for r in rows(gate, "--filter", "rule=span-parent-missing")] == ["sick"]
    code, _, told = top(gate, "--filter", "service=(")
    assert code == 64 and "--filter, column" in told
    assert top(gate, "--sort", "size")[0] == 64
    assert top(gate, "--interval", "1ms")[0] == 64


def test_rates_are_of_the_interval(gate):
    process = subprocess.Popen([BINARY, "top", "--addr", gate.admin, "--format", "json", "--interval",
                                "300ms"], stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(process.stdout.readline())["segments_per_s"] == 0
        stream(gate.channel(), COLLECT, [wire.segment() for _ in range(90)])
        rates = []
        wait_until(lambda: rates.append(json.loads(process.stdout.readline())) or
                   sum(r["segments_per_s"] * r["seconds"] for r in rates) > 89.9, "all segments")
        assert sum(r["segments_per_s"] * r["seconds"] for r in rates) == pytest.approx(90, rel=0.01)
        assert rates[-1]["overview"]["ledger"]["imbalance"] == 0
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_nobody_there_is_69(gate):
    done = subprocess.run([BINARY, "top", "--once", "--addr", "127.0.0.1:1"], capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == 69 and "does not answer" in done.stderr


class Terminal:
    """A top of 14 lines and 90 columns."""

    def __init__(self, gate):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(BINARY, [BINARY, "top", "--addr", gate.admin, "--interval", "200ms"])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 14, 90, 0, 0))
        self.before = termios.tcgetattr(self.fd)

    def read(self):
        if select.select([self.fd], [], [], 0.05)[0]:
            try:
                self.shown += os.read(self.fd, 65536)
            except OSError:
                pass
        return self.shown

    def wait(self, what):
        wait_until(lambda: what in self.read(), f"{what} on the terminal")

    def end(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                before = -1
                while before < len(self.shown):  # a terminal gives what was written in pieces
                    before = len(self.shown)
                    self.read()
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("it does not end")


ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"


@pytest.mark.parametrize("by", ["q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back(gate, by):
    terminal = Terminal(gate)
    terminal.wait(b"BACKEND")
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ECHO
    terminal.shown = b""
    terminal.wait(b"BACKEND")
    if by == "q":
        os.write(terminal.fd, b"q")
    else:
        os.kill(terminal.pid, by)
    assert terminal.end() == 0
    assert terminal.shown.endswith(LEAVE)


def test_drawing_overwrites_and_never_clears_first(gate):
    report(gate)
    terminal = Terminal(gate)
    terminal.wait(b"sick")
    terminal.wait(b"\x1b[J\x1b[H")
    os.write(terminal.fd, b"q")
    assert terminal.end() == 0
    assert terminal.shown.count(ENTER) == 1 and b"\x1b[2J" not in terminal.shown
    for frame in terminal.shown.split(b"\x1b[H")[2:-1]:
        lines = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", frame).split(b"\r\n")
        assert len(lines) <= 14 and all(len(line) <= 90 for line in lines)


def test_a_service_that_goes_away_is_told_and_what_was_shown_stays(start):
    gate = start()
    terminal = Terminal(gate)
    terminal.wait(b"BACKEND")
    assert gate.end() == 0
    terminal.wait(b"the service does not answer")
    os.write(terminal.fd, b"q")
    assert terminal.end() == 0
