"""Fixtures of tests/system, and a relay that cuts connections."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import pathlib
import random
import socket
import struct
import sys
import threading

import pytest

SYSTEM = pathlib.Path(__file__).resolve().parents[1] / "system"
sys.path.insert(0, str(SYSTEM))
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)

backend = system.backend
start = system.start
gate = system.gate


def reset(connection):
    """Closes with RST, as the kernel does for a process that died with data unread; the shutdown
    wakes a thread that still reads from it."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()
    except OSError:
        pass


class Cutter:
    """Relays to a port and cuts a connection after a random number of bytes, as often as told."""

    def __init__(self, target, n_cuts, least, most, seed=1):
        self.target, self.n_left = target, n_cuts
        self.least, self.most, self.random = least, most, random.Random(seed)
        self.lock, self.sockets = threading.Lock(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                agent, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:
                reset(agent)
                continue
            with self.lock:
                self.sockets += [agent, server]
                cut_at = self.random.randint(self.least, self.most) if self.n_left > 0 else None
            threading.Thread(target=self.pump, args=(agent, server, cut_at), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, agent, None), daemon=True).start()

    def pump(self, source, sink, cut_at):
        seen = 0
        try:
            while data := source.recv(65536):
                seen += len(data)
                if cut_at is not None and seen >= cut_at:
                    sink.sendall(data[:len(data) // 2])
                    with self.lock:
                        self.n_left -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        # Both ends: the other pump's recv ends with an error and it leaves too.
        reset(source)
        reset(sink)

    def close(self):
        self.listener.close()
        with self.lock:
            for one in self.sockets:
                reset(one)


@pytest.fixture
def cutter(backend):
    """A function that puts a Cutter before the backend."""
    running = []

    def make(n_cuts, least, most):
        host, port = backend.address.rsplit(":", 1)
        one = Cutter((host, int(port)), n_cuts, least, most)
        running.append(one)
        return one

    yield make
    for one in running:
        one.close()
