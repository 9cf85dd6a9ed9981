"""What happens at the bounds: a full spool, a full disk, no memory left."""
# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import pathlib
import resource
import socket
import struct
import subprocess
import sys

import grpc
import pytest

from conftest import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from durable import MIB, Senders, imbalance, large, send  # noqa: E402

# A spool of 64 MiB, the least that may be; one message is a fiftieth of it.
SMALL = ("buffer.disk.max=64MiB", "buffer.disk.min_free=0B", "buffer.memory.max=16MiB",
         "limits.memory=256MiB", "listen.max_message=4MiB", "upstream.retry.max=300ms")


def settle(gate, backend, ids):
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all that was answered", patience=60)
    gate.wait_settled()
    assert imbalance(gate.metrics()) == (0, 0)


def test_backpressure_lets_agents_wait_and_loses_nothing(start, backend):
    backend.stop()
    gate = start(*SMALL)
    senders = Senders(gate, n=4, per_call=2, make=large, timeout=120)
    wait_until(lambda: gate.metric("not_ready_reason", reason="spool") +
               gate.metric("not_ready_reason", reason="buffer") > 0, "a full spool", patience=60)
    assert gate.get("/readyz")[0] == 503
    assert gate.get("/livez")[0] == 200
    n = len(senders.answered)
    assert 20 <= n <= 80, n
    disk = sum(f.stat().st_blocks * 512 for f in pathlib.Path(gate.own_directory).rglob("*")
               if f.is_file())
    assert disk <= 68 * MIB, disk
    backend.start()
    wait_until(lambda: len(senders.answered) > n + 20, "agents go on", patience=60)
    ids = senders.stop()
    assert senders.errors == []
    settle(gate, backend, ids)
    assert gate.metric("items_dropped_total") == 0
    wait_until(lambda: gate.get("/readyz")[0] == 200, "ready again")


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_a_drop_policy_answers_and_counts(start, backend, policy):
    backend.stop()
    gate = start(*SMALL, f"buffer.when_full={policy}")
    ids = send(gate, 120, per_call=2, make=large, timeout=60)
    dropped = gate.metric("items_dropped_total", reason="buffer_full")
    assert 20 <= dropped <= 100, dropped
    assert imbalance(gate.metrics()) == (0, 0)
    backend.start()
    wait_until(lambda: gate.metric("buffer_items") == 0, "an empty buffer", patience=60)
    dropped = gate.metric("items_dropped_total", reason="buffer_full")
    came = backend.segment_ids()
    assert len(set(came)) + dropped == 120
    assert imbalance(gate.metrics()) == (0, 0)
    lost = [at for at, one in enumerate(ids) if one not in set(came)]
    if policy == "drop_newest":
        assert lost[-1] == 119 and lost[0] > 20, lost
    else:
        # The oldest on disk; those that a worker holds are nobody's to drop.
        assert lost[-1] < 100, lost


# A real full disk.


def mount_command(directory):
    """Words before a command that give it a tmpfs of 24 MiB there, which nobody else sees."""
    flags = "-m" if os.geteuid() == 0 else "-rm"
    script = 'mount -t tmpfs -o size=24m tmpfs "$0" && exec "$@"'
    words = ["unshare", flags, "sh", "-c", script, str(directory)]
    if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip("a private tmpfs needs root or user namespaces")
    return words


@pytest.fixture
def on_small_disk(start, tmp_path, monkeypatch):
    """start, with the spool on a tmpfs of 24 MiB that ends with the process."""
    words = mount_command(tmp_path)
    popen = subprocess.Popen

    def begin(*sets):
        monkeypatch.setattr("conftest.subprocess.Popen",
                            lambda command, **more: popen([*words, *command], **more))
        gate = start("buffer.disk.max=256MiB", "buffer.disk.min_free=0B", "buffer.memory.max=16MiB",
                     "limits.memory=256MiB", "listen.max_message=4MiB", "upstream.retry.max=300ms",
                     *sets, spool=tmp_path)
        monkeypatch.undo()
        return gate

    return begin


def test_a_full_disk_holds_agents_back_and_heals(on_small_disk, backend):
    backend.stop()
    gate = on_small_disk()
    senders = Senders(gate, n=4, per_call=2, make=large, timeout=120)
    wait_until(lambda: gate.metric("not_ready_reason", reason="spool") +
               gate.metric("not_ready_reason", reason="buffer") > 0, "a full disk", patience=60)
    assert len(senders.answered) <= 24
    backend.start()
    n = len(senders.answered)
    wait_until(lambda: len(senders.answered) > n + 40, "agents go on", patience=60)
    ids = senders.stop()
    assert senders.errors == []
    settle(gate, backend, ids)
    assert gate.metric("items_dropped_total") == 0
    wait_until(lambda: gate.metric("ready") == 1, "ready again")


def answered(gate, n):
    """How many of n calls are answered in time."""
    done = 0
    while done < n:
        try:
            send(gate, 1, per_call=1, make=large, timeout=1.5)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            break
        done += 1
    return done


def test_received_is_answered_from_memory_where_buffered_waits(on_small_disk, backend):
    """After a disk that takes 24 messages at most, memory has room for some more."""
    backend.stop()
    n = {}
    for ack in ("buffered", "received"):
        gate = on_small_disk(f"buffer.ack={ack}", "shutdown.drain=200ms")
        n[ack] = answered(gate, 40)
        assert gate.end() == 0
    assert 10 <= n["buffered"] <= 24 and n["buffered"] + 4 <= n["received"] < 40, n


# No memory left.

N_IDLE = 5000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0)[1:] + bytes([4, 0]) + bytes(4)


@pytest.fixture
def crowd():
    """A function that opens idle agents: connections that said SETTINGS and then nothing."""
    sockets = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < N_IDLE * 2 and hard != resource.RLIM_INFINITY:
        pytest.skip(f"at most {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, N_IDLE * 2), hard))

    def gather(gate, n, block=True):
        host, port = gate.address.rsplit(":", 1)
        for _ in range(n):
            one = socket.socket()
            sockets.append(one)
            one.setblocking(block)
            one.connect_ex((host, int(port)))
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                one.send(PREFACE)

    yield gather
    for one in sockets:
        one.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_5000_idle_agents_leave_room_for_the_disk(start, backend, crowd):
    """Their connections alone take so much memory that no new message would be taken; data still
    goes on to the disk, for a worker that holds next to nothing always takes some."""
    backend.stop()
    gate = start("limits.memory=160MiB", "buffer.memory.max=8MiB", "listen.max_message=4MiB",
                 "integrity.window_memory=1MiB", "limits.workers=2", "upstream.retry.max=300ms")
    crowd(gate, N_IDLE)
    gate.wait_metric("connections", N_IDLE, listener="grpc")

    def share():
        return gate.metric("memory_used_bytes") / gate.metric("memory_limit_bytes")

    wait_until(lambda: share() > 0.7, "memory above the level at which no message is taken")
    ids = send(gate, 20_000, per_call=200, timeout=60)
    gate.wait_metric("buffer_items", 20_000)
    assert gate.metric("connections", listener="grpc") >= N_IDLE
    backend.start()
    settle(gate, backend, ids)
    assert gate.metric("items_dropped_total") == 0


def test_memory_full_of_idle_agents_keeps_those_that_are_there_going(start, backend, crowd):
    """At its limit no more agents are let in; one that was there before reports on."""
    backend.stop()
    gate = start("limits.memory=64MiB", "buffer.memory.max=8MiB", "listen.max_message=4MiB",
                 "integrity.window_memory=1MiB", "limits.workers=2", "upstream.retry.max=300ms")
    channel = gate.channel()
    ids = send(gate, 10, channel=channel)
    crowd(gate, N_IDLE, block=False)
    wait_until(lambda: gate.find("(accepting paused: limits.memory is used up)"), "its limit")
    assert gate.metric("connections", listener="grpc") < N_IDLE
    ids += send(gate, 20_000, per_call=200, timeout=60, channel=channel)
    gate.wait_metric("buffer_items", 20_010)
    backend.start()
    settle(gate, backend, ids)
    assert gate.metric("items_dropped_total") == 0
