"""The verb load: all that falls due is sent, and a mistyped damage is answered with its neighbour."""
# SPDX-License-Identifier: Apache-2.0
import json
import socket
import subprocess
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events

from conftest import BINARY, PATIENCE


def load(*arguments):
    return subprocess.run([BINARY, "load", *arguments], capture_output=True, text=True,
                          timeout=PATIENCE * 3)


def test_nothing_that_fell_due_stays_unsent(gate, backend):
    """Each round makes several calls: those of the last one count, too."""
    for _ in range(3):
        ended = load("--addr", gate.address, "--rate", "4000", "--per-call", "1",
                     "--duration", "301ms")
        assert "1204 acknowledged of 1204 sent" in ended.stdout, ended.stdout
        assert "unsent    0" in ended.stdout
        assert ended.returncode == 0
    gate.wait_settled()
    assert len(backend.segments()) == 3 * 1204


def test_no_percentile_is_above_the_longest(gate):
    ended = load("--addr", gate.address, "--rate", "500", "--duration", "300ms", "--format", "json")
    told = json.loads(ended.stdout)
    assert 0 < told["p50_ms"] <= told["p90_ms"] <= told["p99_ms"] <= told["max_ms"], told


def test_a_mistyped_damage():
    ended = load("--corrupt", "span-parent-misng:1%")
    assert ended.returncode == 64
    assert 'did you mean "span-parent-missing"?' in ended.stderr


def test_an_unknown_damage_names_all():
    ended = load("--corrupt", "zzz:1%")
    assert ended.returncode == 64
    assert "  proto-undecodable\n" in ended.stderr
    assert "  poison-cache-tag-repeat\n" in ended.stderr


class Refusing(threading.Thread):
    """An HTTP/2 server that refuses the first streams unseen, and answers the others OK."""

    def __init__(self, n_refused):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.n_refused, self.refused = n_refused, set()
        self.start()

    def run(self):
        while True:
            peer, _ = self.listener.accept()
            connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            connection.initiate_connection()
            peer.sendall(connection.data_to_send())
            while data := peer.recv(65536):
                for event in connection.receive_data(data):
                    self.on_event(connection, event)
                peer.sendall(connection.data_to_send())

    def on_event(self, connection, event):
        if isinstance(event, h2.events.DataReceived):
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.RequestReceived) and self.n_refused > 0:
            self.n_refused -= 1
            self.refused.add(event.stream_id)
            connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id not in self.refused:
            connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
            connection.send_data(event.stream_id, bytes(5))
            connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)


def test_what_was_refused_unseen_is_sent_once_more():
    server = Refusing(20)
    ended = load("--addr", server.address, "--rate", "1000", "--connections", "1", "--duration", "300ms")
    assert ended.returncode == 0, ended.stdout
    assert "300 acknowledged of 300 sent" in ended.stdout and "failed    0" in ended.stdout
    assert server.n_refused == 0


def test_refused_twice_has_failed():
    server = Refusing(1 << 30)
    ended = load("--addr", server.address, "--rate", "1000", "--connections", "1", "--duration", "300ms")
    assert ended.returncode == 69, ended.stdout
    assert "0 acknowledged of 300 sent" in ended.stdout and "refused the stream" in ended.stdout
