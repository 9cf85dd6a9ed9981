"""Starts the real binary on ports the system picks, with a stand-in backend behind it."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from backend import Backend  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SPANGATE_BIN", str(ROOT / "build" / "spangate"))
PATIENCE = float(os.environ.get("SPANGATE_TEST_PATIENCE", "20"))


def wait_until(condition, what, patience=PATIENCE):
    """Polls until the condition gives something true, and gives that."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.01)


class Spangate:
    """One running process; its spool goes with it unless a directory is given."""

    def __init__(self, *sets, flags=(), listen="127.0.0.1:0", spool=None):
        self.own_directory = None if spool else tempfile.mkdtemp(prefix="spangate-")
        directory = spool or self.own_directory
        command = [BINARY, "serve", "--set", f"listen.grpc.address={listen}",
                   "--set", "telemetry.address=127.0.0.1:0", "--set", "listen.http.address=",
                   "--set", "admin.address=127.0.0.1:0", "--set", "batch.max_delay=20ms",
                   "--set", "upstream.retry.initial=50ms",
                   "--set", f"buffer.disk.path={directory}/spool",
                   "--set", f"quarantine.path={directory}/quarantine"]
        for one in sets:
            command += ["--set", one]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SPANGATE_")}
        self.lines = []
        self.process = subprocess.Popen(command + list(flags), stderr=subprocess.PIPE, text=True,
                                        env=environment)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        wait_until(lambda: self.find(r"^telemetry  (\S+)") or self.process.poll() is not None,
                   "the start lines")
        assert self.process.poll() is None, "\n".join(self.lines)
        self.address = self.find(r"^listening  grpc (\S+)")
        self.http = self.find(r"^listening  grpc .*  http (\S+)")
        self.telemetry = self.find(r"^telemetry  http://([^/\s]+)")
        self.admin = self.find(r"^telemetry .* admin http://([^/\s]+)")
        self.channels = []

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def find(self, pattern):
        for line in list(self.lines):
            match = re.search(pattern, line)
            if match:
                return match.group(1)
        return None

    def channel(self, **options):
        channel = grpc.insecure_channel(self.address, options=list(options.items()) + [
            ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)])
        self.channels.append(channel)
        return channel

    def get(self, path, accept=None):
        request = urllib.request.Request(f"http://{self.telemetry}{path}")
        if accept:
            request.add_header("Accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers

    def metrics(self):
        out = {}
        for line in self.get("/metrics")[1].split("\n"):  # U+2028 in a label ends no line
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                out[name] = float(value)
        return out

    def metric(self, name, **labels):
        """The sum over all samples whose labels contain the given ones."""
        total = 0
        for sample, value in self.metrics().items():
            base, _, rest = sample.partition("{")
            if base == "spangate_" + name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total += value
        return total

    def wait_metric(self, name, expected, **labels):
        wait_until(lambda: self.metric(name, **labels) == expected,
                   f"{name}{labels} == {expected}, last {self.metric(name, **labels)}")

    def wait_settled(self):
        """Nothing is held and the ledger balances."""
        wait_until(lambda: self.metric("buffer_items") == 0, "an empty buffer")
        assert self.metric("ledger_imbalance_items") == 0

    def end(self, patience=PATIENCE):
        for channel in self.channels:
            channel.close()
        self.channels = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(patience)
        self.reader.join(patience)
        self.clean()
        return code

    def clean(self):
        if self.own_directory:
            shutil.rmtree(self.own_directory, ignore_errors=True)


@pytest.fixture
def backend():
    one = Backend()
    yield one
    one.stop()


@pytest.fixture
def start(backend):
    """A function that starts a process; at the end each must drain, balance and exit 0."""
    running = []

    def begin(*sets, upstream=None, **more):
        one = Spangate(f"upstream.addresses={upstream or backend.address}", *sets, **more)
        running.append(one)
        return one

    yield begin
    try:
        for one in running:
            if one.process.poll() is None:
                backend.gate.set()
                code = one.end()
                assert code == 0, "\n".join(one.lines)
                assert one.find(r"^ledger .*imbalance (-?\d+)") == "0", "\n".join(one.lines)
    finally:
        for one in running:
            one.clean()


@pytest.fixture
def gate(start):
    return start()


def unary(channel, path, message, **options):
    options.setdefault("timeout", PATIENCE)
    return channel.unary_unary(path)(message, **options)


def stream(channel, path, messages, **options):
    options.setdefault("timeout", PATIENCE)
    return channel.stream_unary(path)(iter(messages), **options)


class OpenStream:
    """A client stream that stays open until end."""

    def __init__(self, channel, path):
        import queue
        self.queue = queue.Queue()
        self.call = channel.stream_unary(path).future(iter(self.queue.get, None))

    def send(self, message):
        self.queue.put(message)

    def end(self):
        self.queue.put(None)
        return self.call.result(PATIENCE)
