"""Answers that agents do not read: what is held of them is bounded, in memory and in time."""
# SPDX-License-Identifier: Apache-2.0
import socket
import threading

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamReset
from h2.settings import SettingCodes

from conftest import unary, wait_until

FUTURE = "/skywalking.v11.Future/call"
TASKS = "/skywalking.v3.ProfileTask/getProfileTaskCommands"
GRPC = [("content-type", "application/grpc")]
MESSAGE = b"\0\0\0\x3f\xfb" + bytes(16379)
N_AGENTS, N_CALLS = 2, 250  # 256 KiB of each are 125 MiB
LIMIT = 64 << 20


class Frames(threading.Thread):
    """One connection, frame by frame, in a thread of its own until it is closed."""

    def __init__(self, connection, is_client, settings):
        super().__init__(daemon=True)
        self.socket = connection
        self.socket.settimeout(0.1)
        self.h2 = H2Connection(H2Configuration(client_side=is_client))
        self.h2.initiate_connection()
        self.h2.update_settings(settings)
        self.streams = set()
        self.n_resets = 0

    def run(self):
        try:
            while self.serve():
                self.socket.sendall(self.h2.data_to_send())
        except OSError:
            pass  # closed

    def forget(self, stream):
        self.streams.discard(stream)

    def serve(self):
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            data = None
        if data == b"":
            return False
        for event in self.h2.receive_data(data) if data else ():
            if isinstance(event, RequestReceived):
                self.h2.send_headers(event.stream_id, [(":status", "200"), *GRPC])
                self.streams.add(event.stream_id)
            elif isinstance(event, StreamReset):
                self.n_resets += 1
                self.forget(event.stream_id)
        self.act(is_idle=data is None)
        return True


class Spring(Frames):
    """A backend's connection: answers without end, as fast as it may."""

    def __init__(self, connection):
        super().__init__(connection, False, {SettingCodes.MAX_CONCURRENT_STREAMS: 5000})

    def act(self, is_idle):
        for stream in self.streams:
            while self.h2.local_flow_control_window(stream) >= len(MESSAGE):
                self.h2.send_data(stream, MESSAGE)


class Miser(Frames):
    """An agent that asks a lot and reads nothing, or a byte of each now and then."""

    def __init__(self, address, trickles):
        host, port = address.split(":")
        super().__init__(socket.create_connection((host, int(port))), True,
                         {SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.trickles = trickles
        self.rested = set()
        self.n_asked = 0

    def forget(self, stream):
        self.streams.discard(stream)
        self.rested.discard(stream)

    def act(self, is_idle):
        while self.n_asked < N_CALLS:
            stream = self.h2.get_next_available_stream_id()
            self.h2.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", FUTURE),
                                          (":authority", "a"), ("te", "trailers"), *GRPC])
            self.h2.send_data(stream, b"\0\0\0\0\1a")
            self.streams.add(stream)
            self.n_asked += 1
        # Each about once a second: more credit than data counts as a flood.
        for stream in sorted(self.streams)[:20] if self.trickles and is_idle else ():
            self.h2.increment_flow_control_window(1, stream)
            self.streams.remove(stream)
            self.rested.add(stream)
        if not self.streams:
            self.streams, self.rested = self.rested, set()


@pytest.fixture
def spring():
    """The address of a backend of which every connection is a Spring."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections = []

    def accept():
        try:
            while True:
                one = Spring(listener.accept()[0])
                connections.append(one)
                one.start()
        except OSError:
            pass  # closed
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield "127.0.0.1:%d" % listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for one in connections:
        one.socket.shutdown(socket.SHUT_RDWR)
        one.join()
        one.socket.close()


def test_unread_answers_are_bounded_in_memory_and_time(start, spring):
    gate = start("buffer.mode=memory", "limits.memory=64MiB", "integrity.window_memory=1MiB",
                 "listen.max_message=4MiB", "limits.workers=1", upstream=spring)
    gate.wait_metric("backend_up", 1)
    agents = [Miser(gate.address, trickles) for trickles in (False, True)]
    for one in agents:
        one.start()

    def n_gone():
        assert gate.metric("memory_used_bytes") <= LIMIT
        return sum(one.n_resets for one in agents)
    # Full: each piece that comes drives out who has held its own for longest.
    wait_until(lambda: n_gone() > 100, "the first to be driven out")
    # Then short: what is left goes after 10 s, read by the byte or not at all; nobody else suffers.
    assert unary(gate.channel(), TASKS, b"") == b""
    wait_until(lambda: n_gone() == N_AGENTS * N_CALLS, "all to be gone", patience=60)
    wait_until(lambda: gate.metric("memory_used_bytes") < 8 << 20, "their memory")
    assert gate.metric("grpc_server_handled_total", code="RESOURCE_EXHAUSTED") == N_AGENTS * N_CALLS
    for one in agents:
        one.socket.shutdown(socket.SHUT_RDWR)
        one.join()
        one.socket.close()
