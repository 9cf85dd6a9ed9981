"""How the durable buffer gets out of a corner: large records, a disk that failed, ends in time."""
# SPDX-License-Identifier: Apache-2.0
import pathlib
import resource
import stat
import sys
import time

import grpc
import pytest

import wire
from backend import COLLECT
from conftest import BINARY, OpenStream, unary, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from durable import MIB, imbalance, kill, large, send  # noqa: E402

KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"
LOGS = "/skywalking.v3.LogReportService/collect"


@pytest.fixture
def away(backend):
    backend.stop()
    return backend


def of_size(n):
    return wire.segment(spans=[wire.span(0, -1, tags=[("note", "x" * n)])])


def seconds_to_end(gate, patience=60):
    began = time.monotonic()
    assert gate.end(patience) == 0
    return time.monotonic() - began


def settle(gate, backend, ids):
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all that was answered", patience=60)
    gate.wait_settled()
    assert imbalance(gate.metrics()) == (0, 0)


def test_megabytes_find_room_in_a_small_memory(start, away):
    """A worker's share is 1.3 MiB: what is on disk makes room."""
    gate = start("buffer.memory.max=4MiB", "limits.workers=3", "limits.memory=256MiB")
    ids = send(gate, 40, per_call=1, make=large, timeout=20)
    ids += send(gate, 500, per_call=50)
    ids += send(gate, 10, per_call=1, make=large, timeout=20)
    away.start()
    settle(gate, away, ids)


def test_a_giant_beside_others_finds_room(start, away):
    gate = start("buffer.memory.max=256MiB", "limits.workers=4", "limits.memory=512MiB",
                 "listen.max_message=50MiB")
    ids = []
    for _ in range(3):
        ids += send(gate, 1, make=lambda: of_size(20 * MIB))
        ids += send(gate, 1, make=lambda: of_size(45 * MIB))
    away.start()
    settle(gate, away, ids)


@pytest.fixture
def breakable(start, tmp_path, monkeypatch):
    """A function that starts a process whose disk can be broken and healed: no file may grow."""
    wrapper = tmp_path / "spangate"
    wrapper.write_text(f'#!/bin/sh\ntrap "" XFSZ\nexec "{BINARY}" "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("conftest.BINARY", str(wrapper))
    return lambda *sets, **more: start(*sets, **more)


def set_broken(gate, is_broken):
    _, hard = resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (0 if is_broken else hard, hard))


def test_a_healed_disk_answers_while_the_backend_is_away(breakable, away, tmp_path):
    directory = tmp_path / "kept"
    directory.mkdir()
    gate = breakable("limits.workers=1", spool=directory)
    ids = send(gate, 10)
    set_broken(gate, True)
    early, late = (gate.channel().stream_unary(COLLECT) for _ in range(2))
    segments = [wire.segment() for _ in range(20)]
    calls = [early.future(iter(segments[:10]), timeout=60)]
    wait_until(lambda: gate.metric("not_ready_reason", reason="spool") > 0, "a broken disk")
    calls.append(late.future(iter(segments[10:]), timeout=60))
    gate.wait_metric("buffer_items", 30)
    assert not any(call.done() for call in calls)
    set_broken(gate, False)
    assert [call.result(timeout=30) for call in calls] == [b"", b""]
    ids += [wire.segment_id(one) for one in segments]
    ids += send(gate, 10)
    assert imbalance(gate.metrics()) == (0, 0)
    kill(gate)
    gate = breakable("limits.workers=1", spool=directory)
    away.start()
    settle(gate, away, ids)


@pytest.mark.parametrize("mode", ["spill", "durable"])
def test_flush_does_not_wait_for_what_nobody_knows(start, backend, tmp_path, mode):
    backend.unimplemented.add(KEEP_ALIVE)
    gate = start(f"buffer.mode={mode}", "shutdown.drain=2s", "shutdown.flush=30s", spool=tmp_path)
    channel = gate.channel()
    for _ in range(5):
        assert unary(channel, KEEP_ALIVE, wire.named()) == b""
    wait_until(lambda: gate.metric("backend_retries_total") > 0, "a refusal")
    ids = send(gate, 50)
    assert seconds_to_end(gate) < 10
    assert set(ids) <= set(backend.segment_ids())
    backend.unimplemented.clear()
    gate = start(f"buffer.mode={mode}", spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") == 5
    wait_until(lambda: len(backend.messages(KEEP_ALIVE)) == 5, "what waited for a newer backend")


def test_flush_is_counted_from_the_drain_on(start, away, tmp_path):
    """The backend never comes: the flush takes its own time, not that of the drain too."""
    gate = start("shutdown.drain=20s", "shutdown.flush=1s", spool=tmp_path)
    send(gate, 50)
    assert 1 <= seconds_to_end(gate) < 8
    gate = start(spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") == 50
    away.start()
    gate.wait_settled()


def test_spill_ends_at_once_with_batches_between_tries(start, backend, tmp_path):
    """Batches that came back from a backend that is gone go to the disk, not with the drain."""
    backend.fail = lambda *_: grpc.StatusCode.UNAVAILABLE
    gate = start("buffer.mode=spill", "shutdown.drain=30s", "upstream.retry.initial=20s",
                 "upstream.retry.max=60s", spool=tmp_path)
    ids = send(gate, 200, per_call=20)
    wait_until(lambda: gate.metric("backend_retries_total") > 0, "a failed call")
    backend.stop()
    wait_until(lambda: gate.metric("backend_up") == 0, "a lost backend")
    assert seconds_to_end(gate) < 10
    backend.fail = None
    backend.start()
    gate = start(spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") == 200
    settle(gate, backend, ids)
