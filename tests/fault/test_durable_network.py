"""The way to the backend breaks in every manner a network has; what was answered arrives."""
# SPDX-License-Identifier: Apache-2.0
import re

import grpc
import pytest

from durable import Senders, imbalance, kill, send
from proxy import FaultProxy
from system_conftest import wait_until

FAST = ("upstream.retry.max=300ms", "upstream.timeout.ack=1s", "upstream.timeout.connect=300ms")


def all_arrive(gate, backend, ids):
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all that was answered", patience=60)
    gate.wait_settled()
    assert imbalance(gate.metrics()) == (0, 0)
    assert gate.metric("items_dropped_total") == 0
    assert gate.metric("items_quarantined_total") == 0


def load_goes_on(senders, n=500):
    before = len(senders.answered)
    wait_until(lambda: len(senders.answered) > before + n, "agents notice nothing")


def through_a_fault(gate, backend, proxy, faults):
    """Load before, meanwhile and after it."""
    senders = Senders(gate, pause_s=0.005)
    load_goes_on(senders)
    proxy.set(**faults)
    load_goes_on(senders, 2000)
    proxy.heal()
    proxy.cut()
    load_goes_on(senders)
    ids = senders.stop()
    assert senders.errors == []
    all_arrive(gate, backend, ids)


@pytest.mark.parametrize("faults", [
    dict(direction="up", stalled=True),
    dict(direction="down", stalled=True),
    dict(direction="up", swallowing=True),
    dict(direction="down", swallowing=True),
    dict(delay_s=0.2),
    dict(direction="up", bytes_per_s=50_000),
], ids=["stalled up", "stalled down", "half-open up", "half-open down", "far", "thin"])
def test_a_sick_network_loses_nothing(start, backend, proxy, faults):
    gate = start(*FAST, upstream=proxy.address)
    through_a_fault(gate, backend, proxy, faults)


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cuts_in_the_middle_of_calls(start, backend, proxy, how):
    proxy.cut_after(6, 500, 20_000, how=how)
    gate = start(*FAST, upstream=proxy.address)
    senders = Senders(gate, pause_s=0.005)
    wait_until(lambda: proxy.n_cuts == 6, "six cuts", patience=60)
    load_goes_on(senders)
    ids = senders.stop()
    assert senders.errors == []
    all_arrive(gate, backend, ids)


def test_refused_for_a_while(start, backend, proxy):
    gate = start(*FAST, upstream=proxy.address)
    senders = Senders(gate, pause_s=0.005)
    for _ in range(3):
        load_goes_on(senders, 300)
        proxy.refuse()
        load_goes_on(senders, 300)
        proxy.accept()
    ids = senders.stop()
    all_arrive(gate, backend, ids)


def test_a_half_open_connection_is_found_out_by_its_calls(start, backend, proxy):
    """Nothing says that the peer is gone: the calls' own time ends it."""
    gate = start(*FAST, upstream=proxy.address)
    all_arrive(gate, backend, send(gate, 10))
    n = proxy.n_connections
    proxy.set(swallowing=True)
    ids = send(gate, 100)
    wait_until(lambda: gate.metric("backend_retries_total") > 0, "a call out of time")
    proxy.heal()
    wait_until(lambda: set(ids) <= set(backend.segment_ids()), "all segments", patience=60)
    assert proxy.n_connections > n, "the dead connection was kept"
    gate.wait_settled()


def test_killed_behind_a_stalled_network(start, backend, proxy, tmp_path):
    """In flight, unanswered, held: all of it is on disk."""
    gate = start(*FAST, upstream=proxy.address, spool=tmp_path)
    ids = send(gate, 200)
    proxy.set("down", stalled=True)
    ids += send(gate, 2000)
    kill(gate)
    proxy.heal()
    gate = start(*FAST, upstream=proxy.address, spool=tmp_path)
    assert gate.metric("spool_recovered_items_total") >= 2000
    all_arrive(gate, backend, ids)


def test_flipped_bits_lose_nothing(start, backend, proxy):
    """HTTP/2 has no checksum: what arrives damaged is no more ours, but each message arrives as it
    was sent at least once or is set aside."""
    gate = start(*FAST, upstream=proxy.address)
    proxy.set("down", flips_per_mib=2000)
    senders = Senders(gate, n=2, pause_s=0.005)
    wait_until(lambda: proxy.down.n_flipped >= 3, "flipped bits", patience=60)
    proxy.heal()
    proxy.cut()
    ids = senders.stop()
    assert senders.errors == []
    wait_until(lambda: gate.metric("buffer_items") == 0, "an empty buffer", patience=60)
    assert imbalance(gate.metrics()) == (0, 0)
    gone = set(ids) - set(backend.segment_ids())
    # A flipped bit in an answer may have turned a failure into OK, never more than that.
    assert len(gone) <= gate.metric("items_quarantined_total"), len(gone)


def ids_seen(backend):
    """Damaged segments among them: whatever looks like an id."""
    return {one.decode() for segment in backend.segments()
            for one in re.findall(rb"[0-9a-f]{32}", segment)}


def test_an_agent_behind_flipped_bits_breaks_nobody_else(start, backend):
    """Only what we read is damaged: grpcio aborts on damaged answers."""
    gate = start(*FAST)
    bad = FaultProxy(gate.address)
    good = Senders(gate, n=2, pause_s=0.005)
    try:
        bad.set("up", flips_per_mib=200)
        address, gate.address = gate.address, bad.address
        n_failed = 0
        while n_failed < 3 or bad.up.n_flipped < 3:
            try:
                send(gate, 20, per_call=10, timeout=0.5)
            except grpc.RpcError:
                n_failed += 1
        gate.address = address
        load_goes_on(good)
    finally:
        ids = good.stop()
        bad.close()
    assert good.errors == []
    wait_until(lambda: set(ids) <= ids_seen(backend), "all of the others", patience=60)
    wait_until(lambda: gate.metric("buffer_items") == 0, "an empty buffer", patience=60)
    assert imbalance(gate.metrics()) == (0, 0)
    assert gate.get("/livez")[0] == 200
