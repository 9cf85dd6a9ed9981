"""A backend's host that is gone without a word, behind a link of its own that is taken down."""
# SPDX-License-Identifier: Apache-2.0
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
import time

import grpc
import pytest

from proxy import FaultProxy
from relay_backend import RelayBackend, echo
from system_conftest import wait_until

ALS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
CLONE_NEWNET = 0x40000000


def ip(*words, namespace=None):
    within = ["ip", "netns", "exec", namespace] if namespace else []
    subprocess.run([*within, "ip", *words], check=True, capture_output=True)


class Host(FaultProxy):
    """Listens at the far end of a pair of interfaces, in a network namespace."""

    def __init__(self, target):
        self.name = f"sg{os.getpid() % 100000}"
        self.net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 256}"
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self.name, "type", "veth", "peer", "name", "far", "netns", self.name)
            ip("addr", "add", f"{self.net}.1/24", "dev", self.name)
            ip("link", "set", self.name, "up")
            ip("addr", "add", f"{self.net}.2/24", "dev", "far", namespace=self.name)
            ip("link", "set", "far", "up", namespace=self.name)
            super().__init__(target)
        except BaseException:
            self.remove()
            raise

    @property
    def address(self):
        return f"{self.net}.2:{self.port}"

    async def open(self):
        made = threading.Thread(target=self.listen)  # setns is for this thread alone
        made.start()
        made.join()
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.accepting = self.loop.create_task(self.take_all())

    def listen(self):
        with open(f"/run/netns/{self.name}", "rb") as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0
        self.listener = socket.create_server(("", self.port))

    def vanish(self):
        ip("link", "set", "far", "down", namespace=self.name)

    def remove(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", self.name)  # the interfaces go with it
            ip("link", "del", self.name)


@pytest.fixture
def oap():
    one = RelayBackend()
    yield one
    one.stop()


@pytest.fixture
def host(oap):
    try:
        one = Host(oap.address)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a network namespace needs root")
    yield one
    one.close()
    one.remove()


def test_an_idle_stream_ends_when_its_backend_has_vanished(start, oap, host):
    """Nothing is on its way in either direction: only questions of ours find it out."""
    oap.do[ALS] = echo
    gate = start("buffer.mode=memory", upstream=host.address)
    messages = threading.Event()

    def send():
        yield b"one"
        messages.wait(120)
    call = gate.channel().stream_stream(ALS)(send(), timeout=60)
    assert next(call) == b"one"
    gate.wait_metric("backend_up", 1)
    host.vanish()
    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        next(call)
    took = time.monotonic() - begun
    messages.set()
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    assert 10 < took < 45
    wait_until(lambda: gate.metric("backend_up") == 0, "it is told")
