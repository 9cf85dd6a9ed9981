"""Start, drain, exit codes, signals."""
# SPDX-License-Identifier: Apache-2.0
import os
import re
import resource
import signal
import socket
import subprocess
import threading

import grpc
import pytest

import wire
from conftest import BINARY, OpenStream, PATIENCE, Spangate, stream, wait_until

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"


def run(*arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPANGATE_")}
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          env=environment)


def test_six_lines_at_start(gate):
    lines = [line for line in gate.lines if not re.match(r"(ts=)?\d{4}-", line)]
    start = next(i for i, line in enumerate(lines) if re.match(r"spangate \d", line))
    assert [line.split()[0] for line in lines[start:start + 6]] == [
        "spangate", "config", "listening", "upstream", "buffer", "telemetry"]


def test_drain_forwards_what_is_held_and_exits_0(start, backend):
    gate = start("batch.max_delay=1m")
    sent = sorted(wire.segment() for _ in range(20))
    assert stream(gate.channel(), COLLECT, sent) == b""
    assert backend.segments() == []
    assert gate.end() == 0
    assert sorted(backend.segments()) == sent
    line = gate.find(r"^(ledger .*)")
    assert "accepted 20 = forwarded 20" in line and "imbalance 0" in line


def test_drain_answers_open_streams(start, backend):
    gate = start("shutdown.drain=2s")
    one = OpenStream(gate.channel(), COLLECT)
    message = wire.segment()
    one.send(message)
    wait_until(lambda: backend.segments() == [message], "the segment")
    gate.process.send_signal(signal.SIGTERM)
    assert one.call.result(PATIENCE) == b""
    assert gate.process.wait(PATIENCE) == 0
    one.queue.put(None)


def test_a_stop_while_agents_wait_for_room(start, backend):
    """The second large message does not fit beside the first, which has nowhere to go."""
    backend.stop()
    gate = start("buffer.mode=memory", "buffer.memory.max=4MiB", "listen.max_message=4MiB",
                 "batch.max_size=1MiB", "limits.workers=1", "shutdown.drain=200ms")
    one = OpenStream(gate.channel(), COLLECT)
    for _ in range(2):
        one.send(wire.segment(spans=[wire.span(0, -1, tags=[("note", "x" * 3_900_000)])]))
    wait_until(lambda: gate.metric("memory_used_bytes") > 7_000_000, "the second one waits")
    code = gate.end()
    assert code == 0, "\n".join(gate.lines)
    assert "imbalance 0" in gate.find(r"^(ledger .*)")
    one.queue.put(None)


class Agent(threading.Thread):
    """Reports segments call after call until a call fails."""

    def __init__(self, gate):
        super().__init__(daemon=True)
        self.channel = gate.channel(**{"grpc.enable_retries": 0})
        self.acknowledged = []
        self.start()

    def run(self):
        while True:
            batch = [wire.segment() for _ in range(10)]
            try:
                stream(self.channel, COLLECT, batch, timeout=5)
            except (grpc.RpcError, ValueError):
                return
            self.acknowledged += batch


@pytest.mark.parametrize("mode", ["durable", "memory"])
def test_drain_under_load_loses_nothing_that_was_acknowledged(start, backend, tmp_path, mode):
    sets = ["shutdown.drain=3s", "limits.workers=2", f"buffer.mode={mode}"]
    gate = start(*sets, spool=tmp_path)
    agents = [Agent(gate) for _ in range(4)]
    wait_until(lambda: len(backend.segments()) > 500, "load")
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait(PATIENCE) == 0
    gate.reader.join(PATIENCE)
    for agent in agents:
        agent.join(PATIENCE)
    acknowledged = {s for agent in agents for s in agent.acknowledged}
    n_forwarded = len(backend.segments())
    line = gate.find(r"^(ledger .*)")
    assert f"forwarded {n_forwarded} " in line and "dropped 0" in line and "imbalance 0" in line
    held = re.search(r"held (\d+)", line).group(1)
    if mode == "memory":
        assert held == "0"
    else: # what is on disk is the next one's
        after = start(*sets, spool=tmp_path)
        after.wait_metric("spool_recovered_items_total", int(held))
        after.wait_settled()
    arrived = backend.segments()
    assert acknowledged <= set(arrived)
    assert len(arrived) == len(set(arrived))


@pytest.mark.parametrize("mode, end", [("durable", "held 5"), ("memory", "dropped 5")])
def test_drain_gives_up_and_says_what_was_left(start, backend, mode, end):
    backend.gate.clear()
    gate = start("shutdown.drain=200ms", f"buffer.mode={mode}")
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(5)])
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait(PATIENCE) == 0
    gate.reader.join(PATIENCE)
    line = gate.find(r"^(ledger .*)")
    assert end in line and "imbalance 0" in line


def test_a_second_signal_ends_at_once(start, backend):
    backend.gate.clear()
    gate = start()
    stream(gate.channel(), COLLECT, [wire.segment() for _ in range(5)])
    gate.process.send_signal(signal.SIGTERM)
    wait_until(lambda: gate.find(r"(draining)"), "the drain")
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait(3) == 0


def test_hangup_never_ends_the_process(gate, backend):
    gate.process.send_signal(signal.SIGHUP)
    wait_until(lambda: gate.find(r'"(reloaded)"'), "the log line")
    stream(gate.channel(), COLLECT, [wire.segment()])
    wait_until(lambda: backend.segments(), "the segment")


def test_a_bad_configuration_exits_78(tmp_path):
    path = tmp_path / "spangate.yaml"
    path.write_text("version: 1\nupstream: {addresses: [\"127.0.0.1:1\"]}\nlog: {levle: info}\n")
    result = run("serve", "-c", str(path))
    assert result.returncode == 78
    assert f"{path}:3:" in result.stderr and "^" in result.stderr and "level" in result.stderr


def test_no_upstream_names_the_sink():
    result = run("serve", "--set", "listen.grpc.address=127.0.0.1:0")
    assert result.returncode == 78 and "--sink" in result.stderr


@pytest.mark.parametrize("key", ["listen.grpc.address", "listen.http.address", "telemetry.address"])
def test_a_taken_port_exits_71(key):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        sets = {"listen.grpc.address": "127.0.0.1:0", "telemetry.address": "127.0.0.1:0",
                "listen.http.address": "127.0.0.1:0",
                "upstream.addresses": "127.0.0.1:1", "buffer.mode": "memory"}
        sets[key] = f"127.0.0.1:{port}"
        result = run("serve", *[word for k, v in sets.items() for word in ("--set", f"{k}={v}")])
    assert result.returncode == 71
    assert str(port) in result.stderr and f"pid {os.getpid()}" in result.stderr


def test_sink_in_the_process(tmp_path):
    gate = Spangate(flags=[f"--sink={tmp_path / 'out'}"])
    message = wire.segment()
    assert stream(gate.channel(), COLLECT, [message]) == b""
    gate.wait_metric("items_forwarded_total", 1, signal="tracing")
    assert gate.end() == 0
    stored = (tmp_path / "out" / "TraceSegmentReportService.collect.bin").read_bytes()
    assert stored == len(message).to_bytes(4, "big") + message


def test_connections_over_the_limit_are_refused(start, backend):
    gate = start("limits.max_connections=3")
    host, port = gate.address.rsplit(":", 1)
    open_ones = [socket.create_connection((host, int(port))) for _ in range(3)]
    gate.wait_metric("connections", 3, listener="grpc")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as refused:
        assert refused.recv(1) == b""
    gate.wait_metric("connections_refused_total", 1, reason="limit")
    open_ones.pop().close()
    gate.wait_metric("connections", 2, listener="grpc")
    stream(gate.channel(), COLLECT, [wire.segment()])
    wait_until(lambda: backend.segments(), "a new agent's segment")
    for one in open_ones:
        one.close()


def test_out_of_descriptors_pauses_and_goes_on(start, backend):
    gate = start()
    limit = int(gate.metrics()["process_open_fds"]) + 10
    resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    host, port = gate.address.rsplit(":", 1)
    crowd = []
    for _ in range(30):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((host, int(port)))
        crowd.append(one)
    wait_until(lambda: gate.find(r"(out of file descriptors)"), "the log line")
    for one in crowd:
        one.close()
    # Who comes before the places are free again is told so by a close, and comes again as agents do.
    assert stream(gate.channel(), COLLECT, [wire.segment()], wait_for_ready=True) == b""
    wait_until(lambda: backend.segments(), "the segment")


def test_connections_are_spread_over_the_workers(start):
    gate = start("limits.workers=2")
    host, port = gate.address.rsplit(":", 1)
    crowd = [socket.create_connection((host, int(port))) for _ in range(8)]
    gate.wait_metric("connections", 8, listener="grpc")
    for one in crowd:
        one.close()
    gate.wait_metric("connections", 0, listener="grpc")
