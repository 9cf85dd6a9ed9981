"""What is answered survives: kills, stops, backends that are away, and the ledger meanwhile."""
# SPDX-License-Identifier: Apache-2.0
import pathlib
import subprocess
import sys
import time

import grpc
import pytest

import wire
from backend import COLLECT, COLLECT_IN_SYNC, Backend
from conftest import BINARY, PATIENCE, OpenStream, stream, unary, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from durable import Load, Senders, imbalance, kill, send, total  # noqa: E402

KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"


@pytest.fixture
def away(backend):
    """The backend's server is stopped; its port stays its own."""
    backend.stop()
    return backend


def arrived(backend, ids):
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all that was answered", patience=60)


def test_kill_with_10000_held_loses_none(start, away, tmp_path):
    gate = start(spool=tmp_path)
    ids = send(gate, 10_000)
    gate.wait_metric("buffer_items", 10_000)
    kill(gate)
    gate = start(spool=tmp_path)
    metrics = gate.metrics()
    assert total(metrics, "spool_recovered_items_total") == 10_000
    assert total(metrics, "buffer_items") == 10_000
    assert imbalance(metrics) == (0, 0)
    away.start()
    arrived(away, ids)
    gate.wait_settled()
    assert gate.metric("items_forwarded_total", signal="tracing") == 10_000
    assert len(away.segment_ids()) == 10_000


def test_every_byte_survives_a_kill(start, away, tmp_path):
    """All methods of agents, and fields that we do not know."""
    odd = [wire.segment() + wire.text(99, "unknown") + wire.number(77, 5) for _ in range(20)]
    logs = [wire.log(service=f"shop-{i}") for i in range(20)]
    gate = start(spool=tmp_path)
    channel = gate.channel()
    assert stream(channel, COLLECT, odd) == b""
    assert stream(channel, "/skywalking.v3.LogReportService/collect", logs) == b""
    assert unary(channel, KEEP_ALIVE, wire.named()) == b""
    kill(gate)
    gate = start(spool=tmp_path)
    away.start()
    gate.wait_settled()
    assert sorted(away.segments()) == sorted(odd)
    assert sorted(away.messages("/skywalking.v3.LogReportService/collect")) == sorted(logs)
    assert away.messages(KEEP_ALIVE) == [wire.named()]


def test_kill_after_kill_without_a_backend(start, away, tmp_path):
    """Whatever number of workers each life has."""
    ids = []
    for life in range(5):
        gate = start(f"limits.workers={life % 3 + 1}", spool=tmp_path)
        assert gate.metric("spool_recovered_items_total") == len(ids)
        ids += send(gate, 200)
        kill(gate)
    gate = start(spool=tmp_path)
    away.start()
    arrived(away, ids)
    gate.wait_settled()
    assert sorted(away.segment_ids()) == sorted(ids)


def test_restored_is_what_the_spool_holds(start, backend, tmp_path):
    """Some of it was forwarded before: by the spool's own account, read beside the dead."""
    gate = start(spool=tmp_path)
    send(gate, 300)
    gate.wait_settled()
    backend.stop()
    wait_until(lambda: gate.metric("backend_up") == 0, "the outage is seen")
    ids = send(gate, 200)
    gate.wait_metric("buffer_items", 200)
    kill(gate)
    gate = start(spool=tmp_path)
    restored = gate.metric("spool_recovered_items_total")
    # The cursor may lag: some of the 300 may be restored, too.
    assert 200 <= restored <= 500
    backend.start()
    arrived(backend, ids)
    gate.wait_settled()
    assert gate.metric("items_forwarded_total") == restored
    assert len(backend.segment_ids()) == 300 + restored


@pytest.mark.parametrize("mode", ["durable", "spill"])
def test_a_stop_with_the_backend_away_loses_nothing(start, away, tmp_path, mode):
    gate = start(f"buffer.mode={mode}", "shutdown.drain=500ms", spool=tmp_path)
    ids = send(gate, 500)
    assert gate.end() == 0
    line = gate.find(r"^(ledger .*)")
    assert "accepted 500" in line and "held 500" in line and "imbalance 0" in line
    gate = start(f"buffer.mode={mode}", spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") == 500
    away.start()
    arrived(away, ids)
    gate.wait_settled()
    assert sorted(away.segment_ids()) == sorted(ids)


def test_after_a_clean_stop_nothing_comes_twice(start, backend, tmp_path):
    gate = start(spool=tmp_path)
    ids = send(gate, 500)
    gate.wait_settled()
    assert gate.end() == 0
    gate = start(spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") == 0
    ids += send(gate, 10)
    gate.wait_settled()
    assert sorted(backend.segment_ids()) == sorted(ids)


def test_two_on_one_path(start, backend, tmp_path):
    gate = start(spool=tmp_path)
    second = subprocess.run(
        [BINARY, "serve", "--set", "listen.grpc.address=127.0.0.1:0", "--set",
         "telemetry.address=127.0.0.1:0", "--set", "listen.http.address=", "--set",
         "admin.address=", "--set", f"upstream.addresses={backend.address}", "--set",
         f"buffer.disk.path={tmp_path}/spool", "--set",
         f"quarantine.path={tmp_path}/other-quarantine"],
        capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 75, second.stderr
    assert f"in use by process {gate.process.pid};" in second.stderr
    ids = send(gate, 10)
    arrived(backend, ids)


def test_a_backend_that_is_away_costs_nothing(start, backend):
    gate = start("upstream.retry.max=500ms")
    senders = Senders(gate, pause_s=0.01)
    wait_until(lambda: len(senders.answered) > 200, "load")
    backend.stop()
    wait_until(lambda: gate.metric("backend_up") == 0, "the outage is seen")
    before = len(senders.answered)
    wait_until(lambda: len(senders.answered) > before + 3000, "load without a backend")
    assert gate.get("/readyz")[0] == 200
    backend.start()
    wait_until(lambda: gate.metric("backend_up") == 1, "it is back", patience=60)
    ids = senders.stop()
    assert senders.errors == []
    arrived(backend, ids)
    gate.wait_settled()
    assert gate.metric("items_dropped_total") == 0


def test_a_stalled_backend_holds_up_no_agent(start, backend, tmp_path):
    """Its calls run out of time and go again; in between a kill."""
    backend.gate.clear()
    gate = start("upstream.timeout.ack=300ms", spool=tmp_path)
    ids = send(gate, 1000, timeout=5)
    wait_until(lambda: gate.metric("backend_retries_total") > 0, "a call out of time")
    ids += send(gate, 1000, timeout=5)
    kill(gate)
    backend.gate.set()
    gate = start(spool=tmp_path)
    arrived(backend, ids)
    gate.wait_settled()
    assert gate.metric("ledger_imbalance_items") == 0


CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_no_code_loses_a_message(start, backend, code):
    """Twice each, then OK: what is only the backend's illness sets nothing aside."""
    failures = []

    def fail(path, _):
        if len(failures) < 2:
            failures.append(path)
            return code
        return None

    backend.fail = fail
    gate = start("upstream.retry.max=200ms")
    ids = send(gate, 100)
    arrived(backend, ids)
    assert len(failures) == 2
    gate.wait_settled()
    metrics = gate.metrics()
    assert total(metrics, "items_forwarded_total") == 100
    assert total(metrics, "items_dropped_total") == 0
    assert total(metrics, "items_quarantined_total") == 0


def test_goaway_costs_nothing(start, backend):
    """The server says GOAWAY, lets its calls end and goes; another one takes its port."""
    gate = start("upstream.retry.max=500ms")
    senders = Senders(gate, pause_s=0.005)
    for _ in range(3):
        before = len(backend.segment_ids())
        wait_until(lambda: len(backend.segment_ids()) > before + 300, "load", patience=60)
        backend.server.stop(5).wait()
        backend.start()
    ids = senders.stop()
    assert senders.errors == []
    arrived(backend, ids)
    gate.wait_settled()
    assert gate.metric("items_dropped_total") == 0


def test_the_ledger_balances_at_every_scrape(start, backend, tmp_path):
    """Under load, with restored items, an outage and a backend that fails now and then."""
    backend.stop()
    gate = start(spool=tmp_path)
    send(gate, 2000)
    kill(gate)
    gate = start("upstream.retry.max=200ms", spool=tmp_path)
    load = Load(BINARY, gate, "--rate", "3000", "--duration", "4s")
    n_scrapes, n_calls = 0, 0

    def fail(*_):
        nonlocal n_calls
        n_calls += 1
        return grpc.StatusCode.UNAVAILABLE if n_calls % 5 == 0 else None

    backend.fail = fail
    try:
        while load.is_running():
            assert imbalance(gate.metrics()) == (0, 0)
            n_scrapes += 1
            if n_scrapes == 20:
                backend.start()
    finally:
        out = load.stop()
    assert n_scrapes > 40, out
    backend.fail = None
    gate.wait_settled()
    metrics = gate.metrics()
    assert imbalance(metrics) == (0, 0)
    assert total(metrics, "items_forwarded_total") == 2000 + total(metrics, "items_accepted_total")


# When an agent's call is answered.


def test_forwarded_waits_for_the_backend(start, backend):
    backend.gate.clear()
    gate = start("buffer.ack=forwarded")
    one = OpenStream(gate.channel(), COLLECT)
    message = wire.segment()
    one.send(message)
    one.queue.put(None)
    gate.wait_metric("buffer_items", 1)
    with pytest.raises(grpc.FutureTimeoutError):
        one.call.result(0.3)
    backend.gate.set()
    assert one.call.result(PATIENCE) == b""
    assert backend.segments() == [message]


@pytest.mark.parametrize("storage", ["any", "jdbc"])
def test_forwarded_answers_no_copy_before_its_original(start, backend, storage):
    """Who sends again because no answer came must not be told OK while the backend has nothing."""
    backend.gate.clear()
    gate = start("buffer.ack=forwarded", f"upstream.storage={storage}", "limits.workers=1")
    message = wire.segment()
    calls = [OpenStream(gate.channel(), COLLECT) for _ in range(2)]
    for n, one in enumerate(calls):
        one.send(message)
        one.queue.put(None)
        gate.wait_metric("items_accepted_total", n + 1)
    for one in calls:
        with pytest.raises(grpc.FutureTimeoutError):
            one.call.result(0.3)
    backend.gate.set()
    for one in calls:
        assert one.call.result(PATIENCE) == b""
    assert backend.segments() == [message]
    assert gate.metric("items_dropped_total", reason="copy") == 1


def test_forwarded_leaves_what_is_unanswered_to_the_agent(start, backend, tmp_path):
    """Nothing of it is on disk: a killed process has promised nothing."""
    backend.gate.clear()
    gate = start("buffer.ack=forwarded", spool=tmp_path)
    one = OpenStream(gate.channel(**{"grpc.enable_retries": 0}), COLLECT)
    one.send(wire.segment())
    one.queue.put(None)
    gate.wait_metric("buffer_items", 1)
    gate.process.kill()
    with pytest.raises(grpc.RpcError):
        one.call.result(PATIENCE)
    kill(gate)
    gate = start("buffer.ack=forwarded", spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") == 0


@pytest.mark.parametrize("ack", ["received", "buffered"])
def test_the_others_do_not(start, backend, ack):
    backend.gate.clear()
    gate = start(f"buffer.ack={ack}")
    ids = send(gate, 10, timeout=5)
    assert backend.segment_ids() == []
    backend.gate.set()
    arrived(backend, ids)


@pytest.mark.parametrize("sync", ["interval", "none"])
def test_without_a_sync_of_its_own_a_kill_takes_nothing(start, away, tmp_path, sync):
    gate = start(f"buffer.disk.sync={sync}", spool=tmp_path)
    ids = send(gate, 500)
    kill(gate)
    gate = start(spool=tmp_path)
    away.start()
    arrived(away, ids)


def test_memory_mode_touches_no_disk(start, backend, tmp_path):
    gate = start("buffer.mode=memory", spool=tmp_path)
    ids = send(gate, 100)
    arrived(backend, ids)
    assert not (tmp_path / "spool").exists()


# Backends that are not alike, or die in the middle.


def test_a_backend_that_dies_after_half_a_batch(start, backend):
    """It has kept some of the messages that it never answered: those may come twice."""
    half = []

    def fail(path, messages):
        if path == COLLECT and len(half) < 50:
            half.extend(wire.segment_id(m) for m in messages[:len(messages) // 2])
            return grpc.StatusCode.UNAVAILABLE
        return None

    backend.fail = fail
    backend.unimplemented.add(COLLECT_IN_SYNC)
    gate = start("upstream.segments=collect", "upstream.retry.max=200ms")
    ids = send(gate, 500, per_call=50)
    arrived(backend, ids)
    assert half, "no call was cut"
    gate.wait_settled()
    assert sorted(backend.segment_ids()) == sorted(ids)
    assert gate.metric("items_forwarded_total") == 500


def test_a_slow_backend_gets_its_smaller_share(start, backend):
    slow = Backend()
    slow.fail = lambda *_: time.sleep(0.05)
    try:
        gate = start(f"upstream.addresses={backend.address},{slow.address}", "batch.max_items=10",
                     "batch.max_delay=5ms")
        ids = send(gate, 6000)
        wait_until(lambda: len(backend.segment_ids()) + len(slow.segment_ids()) >= 6000,
                   "all segments", patience=60)
        gate.wait_settled()
        fast_ids, slow_ids = backend.segment_ids(), slow.segment_ids()
        assert sorted(fast_ids + slow_ids) == sorted(ids)
        assert len(slow_ids) < len(fast_ids), (len(slow_ids), len(fast_ids))
        # Not starved: one call of 10 each 50 ms is the least that it can take.
        assert len(slow_ids) >= 50, (len(slow_ids), len(fast_ids))
    finally:
        slow.stop()
